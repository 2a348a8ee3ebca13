use super::super::sample::{crowded, ordinary, origin, planned, view, with_changes, written};
use super::super::{Extent, Unlisted};
use super::*;
use crate::desired::Desired;
use crate::diagnostic::{Diagnostic, Label, codes};
use crate::model::{AccountId, State};
use crate::plan::{Cause, Plan};

fn shown(all: &[Plan]) -> String {
    shown_as(all, Extent::default())
}

fn shown_as(all: &[Plan], extent: Extent) -> String {
    let (mut view, desired) = (view(), Desired::default());
    view.extent = extent;
    let all: Vec<_> = all.iter().map(|plan| Shown { plan, desired: &desired, view: &view }).collect();
    written(|out| plans(&all, out))
}

#[test]
fn an_ordinary_plan_is_a_summary_and_one_folded_table_for_each_file() {
    let text = shown(&[ordinary()]);
    let id = ordinary().id;
    assert_eq!(
        text,
        format!(
            "<!-- popgate:plan -->
### popgate plan: 3 changes: disable POP3 for 2 users, enable POP3 for 1 user · 37 unchanged

plan {id} · target default · desired state abababababab, commit 4f2c9a1b0c2d… · 1,482 accounts in the store · 2026-08-22 \
             12&#58;00&#58;00 UTC

**What happens then**

* empties the authentication cache of dovecot.service and ends the POP3 sessions of 2 users, not before 12&#58;00&#58;30; nothing \
             restarts


<details><summary><code>desired-state&#47;finance&#47;eu.yaml</code>: enable 1</summary>

| | User | Now | Then | Line | Why |
|---|---|---|---|---|---|
| ➕ | <code>scanner-3&#64;contoso.example</code> | disabled | enabled | 14 | listed, <code>until 2099-12-31</code>, reason&#58; \
             <code>CHG-1234 legacy scanner</code> |

</details>

<details><summary><code>desired-state&#47;sales.yaml</code>: disable 2</summary>

| | User | Now | Then | Line | Why |
|---|---|---|---|---|---|
| ➖ | <code>bob&#64;contoso.example</code> | enabled | disabled | 3 | listed |
| ➖ | <code>kim&#64;contoso.example</code> | enabled | disabled | 7 | <code>until 2026-01-01</code> is over |

</details>
"
        )
    );
}

#[test]
fn a_guard_says_before_the_lists_what_to_do_after_the_merge() {
    let plan = crowded();
    let text = shown(std::slice::from_ref(&plan));
    let caution = format!(
        "> [!CAUTION]\n> This will be blocked after the merge; then run <code>popgate approve {} --reason &#34;…&#34;</code>\n",
        plan.id
    );
    assert!(text.find(&caution).unwrap() < text.find("<details>").unwrap(), "{text}");
    assert!(text.contains("* ❌ **guard max&#95;disable tripped**: 13 users would lose POP3"), "{text}");
    assert!(
        text.contains(
            "* ❌ **blocked&#58; nothing is written** (<code>desired-state&#47;c.yaml&#58;1</code>): "
        ),
        "{text}"
    );
    assert!(text.contains("<details><summary>not listed: disable 1</summary>"), "{text}");
}

/// Changes in so many files, with names as long as they may be.
fn large(changes: u32, files: u32) -> Plan {
    let change = |n: u32| {
        let cause = Cause::Listed(origin(&format!("dir/file-{}.yaml", n % files), n));
        planned(
            &format!("u{n}-{}@x", "|".repeat(n as usize % 300)),
            State::Is(Access::Enabled),
            Access::Disabled,
            cause,
        )
    };
    with_changes((1..=changes).map(change).collect())
}

#[test]
fn a_large_plan_never_grows_over_the_limit_and_says_what_is_left_out() {
    for (changes, files) in [(1, 1), (300, 1), (5000, 7), (5000, 3000), (20_000, 20_000)] {
        let plan = large(changes, files);
        for all in [vec![plan.clone()], vec![plan.clone(), crowded(), plan]] {
            let text = shown(&all);
            let length = text.chars().count();
            assert!(length <= MOST, "{length}");
            assert_eq!(text.matches("<details>").count(), text.matches("</details>").count());
            let rows = text.matches("\n| ➖ ").count() + text.matches("\n| ➕ ").count();
            let total: usize = all.iter().map(|plan| plan.changes.len()).sum();
            if rows < total {
                assert!(length > MOST - 4000, "room is used: {length}");
                let rest = format!("**… and {} in ", counted((total - rows) as u64, "change"));
                assert!(text.contains(&rest), "{rest} in\n{}", &text[text.len() - 600..]);
                assert!(text.contains("popgate plan --report json=plan.json"));
            }
        }
    }
}

#[test]
fn what_is_worth_knowing_is_cut_before_it_takes_the_room_of_the_lists() {
    let mut plan = ordinary();
    plan.notes = crowded().notes.into_iter().cycle().take(5000).collect();
    let text = shown(&[plan]);
    assert!(text.chars().count() <= MOST);
    assert!(text.contains("| ➖ | <code>bob"), "the changes are there");
    assert!(text.contains(" remarks more.**"), "{}", &text[text.len() - 300..]);
}

#[test]
fn problems_are_a_table_that_never_grows_over_the_limit() {
    let found: Vec<_> = (0..3000)
        .map(|n| {
            Diagnostic::error(codes::ACCESS_WORD, format!("`{}`", "|".repeat(n % 50)))
                .at(Label::file("a|b.yaml"))
        })
        .collect();
    let text = written(|out| problems(&Problems::of(&found, 3, ""), out));
    assert!(
        text.starts_with(
            "<!-- popgate:plan -->\n### popgate: no plan could be made\n\n3000 errors in 1 file\n"
        ),
        "{text}"
    );
    assert!(text.chars().count() <= MOST);
    let rows = text.matches("\n| ❌ | <code>a&#124;b.yaml</code> | POP012 ").count();
    assert!(rows > 100, "{rows}");
    assert!(text.contains(&format!("**… and {} more.**", counted(3000 - rows as u64, "problem"))));
}

#[test]
fn concise_leaves_the_lists_out_and_unlisted_accounts_are_one() {
    let concise = shown_as(&[ordinary()], Extent { concise: true, ..Extent::default() });
    assert!(concise.contains("3 changes") && !concise.contains("<details>"), "{concise}");
    let account = |n: u32| Unlisted {
        account: AccountId::new(n.to_string()),
        name: format!("u{n}@x"),
        state: State::Is(Access::Enabled),
    };
    let extent = Extent { unlisted: Some((0..5000).map(account).collect()), ..Extent::default() };
    let text = shown_as(&[ordinary()], extent);
    assert!(
        text.contains("<summary>5,000 accounts that no entry names</summary>\n\n| User | Now |\n"),
        "{text}"
    );
    assert!(text.contains("| <code>u0&#64;x</code> | enabled |\n") && text.chars().count() <= MOST);
    let only = Extent { only: Some(("*@x|y".to_owned(), 7)), ..Extent::default() };
    assert!(
        shown_as(&[ordinary()], only)
            .contains("Only <code>&#42;&#64;x&#124;y</code>: 7 other changes not listed.\n")
    );
}
