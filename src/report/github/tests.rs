use super::super::sample::{crowded, ordinary, origin, planned, view, with_changes, written};
use super::*;
use crate::desired::Desired;
use crate::diagnostic::{Diagnostic, Label, Lines, codes};
use crate::model::{Access, State};
use crate::plan::{Cause, Plan};

fn shown(all: &[Plan]) -> String {
    let (view, desired) = (view(), Desired::default());
    let all: Vec<_> = all.iter().map(|plan| Shown { plan, desired: &desired, view: &view }).collect();
    written(|out| plans(&all, out))
}

#[test]
fn a_plan_is_annotated_on_its_lines() {
    assert_eq!(
        shown(&[ordinary()]),
        format!(
            "::notice title=popgate plan::3 changes: disable POP3 for 2 users, enable POP3 for 1 user · 37 unchanged (plan {})\n\
             ::notice file=desired-state/sales.yaml,line=3,col=3,title=disables POP3::`bob@contoso.example`: enabled → disabled \
             (listed)\n\
             ::notice file=desired-state/sales.yaml,line=7,col=3,title=disables POP3::`kim@contoso.example`: enabled → disabled \
             (`until 2026-01-01` is over)\n\
             ::notice file=desired-state/finance/eu.yaml,line=14,col=3,title=enables POP3::`scanner-3@contoso.example`: disabled \
             → enabled (listed, `until 2099-12-31`, reason: CHG-1234 legacy scanner)\n",
            ordinary().id
        )
    );
}

#[test]
fn the_worst_comes_first_and_a_guard_says_what_to_do_after_the_merge() {
    let plan = crowded();
    let text = shown(std::slice::from_ref(&plan));
    let kinds: Vec<&str> = text.lines().map(|line| line.split([' ', ':']).nth(2).unwrap()).collect();
    assert!(kinds.is_sorted_by_key(|kind| ["error", "warning", "notice"].iter().position(|one| one == kind)));
    let first = text.lines().next().unwrap();
    assert_eq!(
        first,
        format!(
            "::error title=guard max_disable tripped::13 users would lose POP3 (3 of them in the last hour); the limit is 10; \
             this will be blocked after the merge; then run `popgate approve {} --reason \"…\"`",
            plan.id
        )
    );
    assert!(text.contains(
        "::error file=desired-state/c.yaml,line=1,col=3,title=blocked%3A nothing is written::`info@x` could"
    ));
}

#[test]
fn no_more_than_ten_of_a_kind_are_written_and_the_last_counts_the_rest() {
    let change = |n: u32| {
        let cause = Cause::Listed(origin("a.yaml", n));
        planned(&format!("u{n}@x"), State::Is(Access::Enabled), Access::Disabled, cause)
    };
    for (changes, annotations) in [(0, 1), (1, 2), (9, 10), (10, 10), (2000, 10)] {
        let text = shown(&[with_changes((1..=changes).map(change).collect())]);
        assert_eq!(text.lines().count(), annotations, "{text}");
    }
    let text = shown(&[with_changes((1..=2000).map(change).collect())]);
    let last = text.lines().last().unwrap();
    let rest = "and 1,992 more notices: the job summary and the JSON report have them all";
    assert_eq!(last, format!("::notice title=popgate%3A not all is shown::{rest}"));
    let of_two = [with_changes((1..=20).map(change).collect()), with_changes((1..=20).map(change).collect())];
    assert_eq!(shown(&of_two).lines().count(), 10);
    assert!(shown(&of_two).starts_with("::notice title=popgate plan::target default: 20 changes"));
}

#[test]
fn what_is_wrong_with_the_files_sits_on_its_line_and_names_the_other_place() {
    let text = "pop3:\n  a: enabled\n";
    let lines = Lines::new(text);
    let diagnostic = Diagnostic::error(codes::LISTED_TWICE, "user `a,b: 50%` is listed twice")
        .at(Label::spot("x, y.yaml", lines.spot(text, 8..9)).saying("again"))
        .at(Label::spot("z.yaml", lines.spot(text, 0..1)).saying("first listed here"))
        .help("keep one");
    let found = [diagnostic];
    assert_eq!(
        written(|out| problems(&Problems::of(&found, 3, "invalid"), out)),
        "::error file=x%2C y.yaml,line=2,col=3,title=POP020 User listed twice::user `a,b: 50%25` is listed twice; z.yaml:1: \
         first listed here; keep one\n"
    );
    let failed = Problems { failure: Some(("no store\n::x", Some("look"))), ..Problems::of(&[], 1, "") };
    assert_eq!(
        written(|out| problems(&failed, out)),
        "::error title=popgate failed::no store\\u{a}::x; look\n"
    );
}
