//! What a name in the files means in the store.

use super::*;
use crate::name::Glob;

fn blocked(plan: &Plan) -> Vec<String> {
    plan.blocked.iter().map(|blocked| format!("{} at {}", blocked.name, blocked.origin)).collect()
}

#[test]
fn a_user_may_be_listed_by_any_name_and_in_any_case() {
    for name in ["17", "ANNA@x", "anna@x", "Anna Ångström", "anna a\u{30a}ngstro\u{308}m"] {
        let world = World::new(&format!("{name}: disabled")).with("17", &["anna@x", "Anna Ångström"], ON);
        let plan = world.plan();
        assert_eq!(changes(&plan), ["17: enabled -> disabled (listed)"], "{name}");
        assert_eq!(plan.changes[0].change.name, name, "a person sees what they wrote");
        assert_eq!(plan.changes[0].change.cause.origin().unwrap().to_string(), "users.yaml:2");
    }
}

#[test]
fn a_name_is_bound_to_its_account_unless_it_is_its_id() {
    let world =
        World::new("Anna@X: disabled\nBERT@x: disabled").with("17", &["anna@x"], ON).with("bert@x", &[], ON);
    assert_eq!(world.plan().bind, [("anna@x".to_owned(), AccountId::new("17"))]);
    assert_eq!(world.apply().plan().bind, [], "it is bound once");
}

#[test]
fn an_ambiguous_name_blocks_its_entry_and_nobody_elses() {
    let world = World::new("info@x: disabled\ncarl@x: disabled")
        .with("17", &["info@x"], ON)
        .with("18", &["INFO@x"], ON)
        .with("carl@x", &[], ON);
    let plan = world.plan();
    assert_eq!(changes(&plan), ["carl@x: enabled -> disabled (listed)"]);
    assert_eq!(blocked(&plan), ["info@x at users.yaml:2"]);
    let id = |id: &str| (AccountId::new(id), id.to_owned());
    assert_eq!(plan.blocked[0].why, BlockedBecause::Ambiguous(vec![id("17"), id("18")]));
    assert_eq!(plan.summary.blocked, 1);
    assert_eq!(plan.unsatisfied, ["carl@x", "info@x"]);
    assert_eq!(plan.summary.unlisted, 0, "what might be meant is not unlisted");
}

#[test]
fn two_entries_for_one_account_block_both_and_each_names_the_other() {
    let desired = files(&[("a.yaml", "anna@x: enabled"), ("b.yaml", "Anna: disabled\ncarl@x: disabled")]);
    let world =
        World { desired, ..World::new("") }.with("17", &["anna@x", "anna"], ON).with("carl@x", &[], ON);
    let plan = world.plan();
    assert_eq!(changes(&plan), ["carl@x: enabled -> disabled (listed)"]);
    assert_eq!(blocked(&plan), ["anna@x at a.yaml:2", "Anna at b.yaml:2"]);
    let [first, second] = &plan.blocked[..] else { panic!("{:?}", plan.blocked) };
    let other = |blocked: &Blocked| match &blocked.why {
        BlockedBecause::Doubled(account, others) => {
            let [(name, at)] = &others[..] else { panic!("{others:?}") };
            format!("{account}: {name} {at}")
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(other(first), "17: Anna b.yaml:2");
    assert_eq!(other(second), "17: anna@x a.yaml:2");
}

#[test]
fn two_entries_for_one_account_are_blocked_even_when_they_agree() {
    let world = World::new("anna@x: disabled\nanna: disabled").with("17", &["anna@x", "anna"], ON);
    assert_eq!(changes(&world.plan()), NONE);
    assert_eq!(world.plan().blocked.len(), 2);
}

#[test]
fn an_account_that_an_alias_reveals_as_ignored_or_protected_blocks_its_entry() {
    let mut world = World::new("boss: disabled\nhealth: disabled\ncarl@x: disabled")
        .with("ceo@x", &["boss"], ON)
        .with("HealthMailbox17", &["health"], ON)
        .with("carl@x", &[], ON);
    world.policy.protected = vec![Glob::new("ceo@*")];
    world.policy.ignored = vec![Glob::new("healthmailbox*")];
    let plan = world.plan();
    assert_eq!(changes(&plan), ["carl@x: enabled -> disabled (listed)"]);
    let whys: Vec<_> = plan.blocked.iter().map(|blocked| blocked.why.clone()).collect();
    assert_eq!(
        whys,
        [BlockedBecause::Protected("ceo@*".to_owned()), BlockedBecause::Ignored("healthmailbox*".to_owned())]
    );
}

#[test]
fn listing_an_ignored_or_protected_name_is_an_error_offline() {
    let mut world = World::new("ceo@x: enabled\ncarl@x: enabled\nHealthMailbox1: enabled");
    world.policy.protected = vec![Glob::new("CEO@*")];
    world.policy.ignored = vec![Glob::new("HealthMailbox*")];
    let refused = refuse_listed(&world.desired, &Desired::default(), &world.policy);
    let lines: Vec<u32> = refused.iter().map(|refused| refused.labels[0].at.as_ref().unwrap().line).collect();
    assert_eq!(lines, [2, 4]);
    assert!(
        refused[0].message.contains("protected") && refused[1].message.contains("ignored"),
        "{refused:?}"
    );
    assert_eq!(refuse_listed(&world.desired, &Desired::default(), &policy()), []);
    assert_eq!(
        refuse_listed(&world.desired, &world.desired.clone(), &world.policy),
        [],
        "they passed before"
    );
}

/// Anna left, and her address is an alias of somebody else now.
fn recycled() -> World {
    World::new("anna@x: enabled\ncarl@x: disabled")
        .with("18", &["anna@x"], OFF)
        .with("carl@x", &[], ON)
        .having_applied("anna@x: enabled\ncarl@x: enabled", "2026-08-01T00:00:00Z", &[])
        .bound("anna@x", "17")
}

#[test]
fn a_recycled_address_blocks_its_entry_and_nobody_elses() {
    let plan = recycled().plan();
    assert_eq!(changes(&plan), ["carl@x: enabled -> disabled (listed)"]);
    assert_eq!(blocked(&plan), ["anna@x at users.yaml:2"]);
    let BlockedBecause::Rebound { was, now, approve } = &plan.blocked[0].why else { panic!("{plan:?}") };
    assert_eq!((was.as_str(), now.as_str()), ("17", "18"));
    assert_eq!(plan.held[0].id, *approve);
    assert_eq!(plan.held[0].why, HeldBecause::Rebound { was: was.clone() });
    assert_ne!(*approve, plan.id);
    assert_eq!(plan.bind, [], "the old meaning stays remembered");
}

#[test]
fn an_edit_of_the_entry_releases_a_recycled_address() {
    let mut world = recycled();
    world.desired = listing("anna@x: {access: enabled, reason: the new Anna}\ncarl@x: disabled");
    let plan = world.plan();
    assert_eq!(blocked(&plan), NONE);
    assert_eq!(changes(&plan), ["carl@x: enabled -> disabled (listed)", "18: disabled -> enabled (listed)"]);
    assert_eq!(plan.bind, [("anna@x".to_owned(), AccountId::new("18"))]);
    assert_eq!(blocked(&world.apply().plan()), NONE, "the new meaning is remembered");
}

#[test]
fn an_edit_of_another_entry_releases_nothing() {
    let mut world = recycled().apply();
    world.desired = listing("anna@x: enabled\ncarl@x: {access: disabled, reason: moved}");
    assert_eq!(blocked(&world.plan()), ["anna@x at users.yaml:2"]);
    assert_eq!(blocked(&world.apply().plan()), ["anna@x at users.yaml:2"], "nor does applying the rest");
}

#[test]
fn an_approval_of_its_own_id_releases_a_recycled_address() {
    let world = recycled().apply();
    let plan = world.plan();
    let BlockedBecause::Rebound { approve, .. } = &plan.blocked[0].why else { panic!("{plan:?}") };
    let world = world.approve(&plan, approve);
    let plan = world.plan();
    assert_eq!(blocked(&plan), NONE);
    assert_eq!(changes(&plan), ["18: disabled -> enabled (listed)"]);
    assert!(plan.changes[0].approved);
    let mut after = world.apply();
    after.memory.approvals.clear();
    assert_eq!(blocked(&after.plan()), NONE, "the new meaning is remembered when the approval is used up");
}

#[test]
fn an_approval_of_the_whole_plan_does_not_release_a_recycled_address() {
    let world = recycled();
    let plan = world.plan();
    assert_eq!(blocked(&world.approve(&plan, &plan.id).plan()), ["anna@x at users.yaml:2"]);
}

#[test]
fn an_address_that_was_an_id_and_is_an_alias_now_is_recycled_too() {
    let world = World::new("anna@x: enabled").with("18", &["anna@x"], OFF).having_applied(
        "anna@x: enabled",
        "2026-08-01T00:00:00Z",
        &[],
    );
    let plan = world.plan();
    assert_eq!((changes(&plan), blocked(&plan)), (vec![], vec!["anna@x at users.yaml:2".to_owned()]));
    assert_eq!(plan.bind, [("anna@x".to_owned(), AccountId::new("anna@x"))], "what it meant is written down");
    assert_eq!(blocked(&world.apply().plan()), ["anna@x at users.yaml:2"]);
}

#[test]
fn an_address_is_recycled_even_when_nobody_had_it_for_a_while() {
    let world = World::new("Anna@x: enabled").with("anna@x", &[], ON).with_many("other", 20, &ON);
    let gone = world.apply().without("anna@x").apply();
    assert_eq!((gone.plan().summary.missing, blocked(&gone.plan())), (1, vec![]));
    let recycled = gone.clone().with("bob@x", &["anna@x"], OFF);
    assert_eq!((changes(&recycled.plan()), recycled.plan().blocked.len()), (vec![], 1));
    let back = gone.with("anna@x", &[], OFF);
    assert_eq!(
        changes(&back.plan()),
        ["anna@x: disabled -> enabled (listed)"],
        "the same account may return"
    );
    let both = recycled.apply().without("bob@x").with("anna@x", &[], OFF);
    assert_eq!(blocked(&both.plan()), NONE, "even after its address had been somebody else's");
}

#[test]
fn the_account_that_lost_its_name_is_not_disabled_as_unlisted_meanwhile() {
    let mut world = recycled().with("17", &[], ON);
    world.policy.unlisted = Unlisted::Disable;
    assert_eq!(changes(&world.plan()), ["carl@x: enabled -> disabled (listed)"]);
}

#[test]
fn a_missing_user_is_a_note_with_a_suggestion_and_is_looked_for_again() {
    let world =
        World::new("alcie@x.example: disabled\nzoe@x.example: enabled").with("alice@x.example", &[], ON);
    let plan = world.plan();
    assert_eq!((changes(&plan), plan.summary.missing), (vec![], 2));
    let note = |name: &str, line, wanted, suggestion: Option<&str>| Note::Missing {
        name: name.to_owned(),
        origin: Origin { file: "users.yaml".to_owned(), line, column: 3 },
        wanted,
        suggestion: suggestion.map(str::to_owned),
    };
    assert_eq!(
        plan.notes,
        [
            note("alcie@x.example", 2, Access::Disabled, Some("alice@x.example")),
            note("zoe@x.example", 3, Access::Enabled, None),
        ]
    );
    let found = world.apply().with("zoe@x.example", &[], OFF).plan();
    assert_eq!(changes(&found), ["zoe@x.example: disabled -> enabled (listed)"]);
}

#[test]
fn a_name_that_is_listed_already_or_is_merely_as_short_is_no_suggestion() {
    let suggestion = |world: World| match &world.plan().notes[0] {
        Note::Missing { suggestion, .. } => suggestion.clone(),
        other => panic!("{other:?}"),
    };
    let world = World::new("scanner-4@x: enabled\nscanner-3@x: enabled");
    assert_eq!(suggestion(world.clone().with("scanner-3@x", &[], ON)), None);
    assert_eq!(
        suggestion(world.with("scanner-3@x", &[], ON).with("scaner-4@x", &[], ON)).as_deref(),
        Some("scaner-4@x")
    );
    assert_eq!(suggestion(World::new("al@x.example: enabled").with("bo@x.example", &[], ON)), None);
    let joe = World::new("jo@x.example: enabled").with("joe@x.example", &[], ON);
    assert_eq!(suggestion(joe).as_deref(), Some("joe@x.example"));
}

#[test]
fn a_missing_user_whose_account_was_renamed_is_told_the_new_name() {
    let world = World::new("anna@x: enabled").with("17", &["anna.miller@y"], ON).bound("anna@x", "17");
    let Note::Missing { suggestion, .. } = &world.plan().notes[0] else { panic!("it is missing") };
    assert_eq!(suggestion.as_deref(), Some("17"), "the account's name in the store");
}

#[test]
fn a_store_that_creates_gets_missing_users_without_counting_them() {
    let mut world = World::new(&format!("{}bob@x: disabled", many("new", 500, "enabled")));
    world.policy.missing = Missing::Create;
    let plan = world.plan();
    assert_eq!(plan.changes.len(), 501);
    assert_eq!(changes(&plan)[0], "bob@x: missing -> disabled (listed)");
    assert!(plan.changes.iter().all(|planned| !planned.counted && !planned.waits));
    assert_eq!((tripped(&plan), plan.summary.missing), (vec![], 0));
    assert_eq!(changes(&world.apply().plan()), NONE);
}
