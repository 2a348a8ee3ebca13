//! Accounts that no entry names, or none does any more.

use super::*;
use crate::name::Glob;

fn notes(plan: &Plan) -> Vec<String> {
    let line = |note: &Note| match note {
        Note::Released { name, state } => Some(format!("{name} released, {state}")),
        _ => None,
    };
    plan.notes.iter().filter_map(line).collect()
}

#[test]
fn unlisted_accounts_are_counted_and_kept() {
    let world = World::new("anna@x: enabled")
        .with("anna@x", &[], ON)
        .with("bert@x", &[], ON)
        .with("carl@x", &[], OFF)
        .with("dora@x", &[], State::Mixed);
    let plan = world.plan();
    assert_eq!(changes(&plan), NONE);
    assert_eq!((plan.summary.unlisted, plan.summary.unlisted_enabled), (3, 2));
}

#[test]
fn in_allow_list_mode_unlisted_accounts_lose_pop3() {
    let mut world = World::new("anna@x: enabled")
        .with("anna@x", &[], ON)
        .with("bert@x", &[], ON)
        .with("carl@x", &[], OFF)
        .with("dora@x", &[], State::Mixed);
    world.policy.unlisted = Unlisted::Disable;
    let plan = world.plan();
    assert_eq!(
        changes(&plan),
        ["bert@x: enabled -> disabled (unlisted)", "dora@x: mixed -> disabled (unlisted)"]
    );
    assert!(plan.changes.iter().all(|planned| planned.counted && planned.until.is_none()));
    assert_eq!(changes(&world.apply().plan()), NONE);
}

#[test]
fn ignored_accounts_are_neither_counted_nor_touched_by_any_of_their_names() {
    let mut world = World::new("")
        .with("HealthMailbox1", &[], ON)
        .with("17", &["monitor@health.x"], ON)
        .with("bert@x", &[], ON);
    world.policy.unlisted = Unlisted::Disable;
    world.policy.ignored = vec![Glob::new("healthmailbox*"), Glob::new("*@health.x")];
    let plan = world.plan();
    assert_eq!(changes(&plan), ["bert@x: enabled -> disabled (unlisted)"]);
    assert_eq!((plan.summary.unlisted, plan.counts.total, plan.counts.enabled), (1, 1, 1));
}

#[test]
fn protected_accounts_are_counted_and_never_touched() {
    let mut world = World::new("").with("ceo@x", &[], ON).with("17", &["svc-popgate@x"], State::Mixed);
    world.policy.unlisted = Unlisted::Disable;
    world.policy.protected = vec![Glob::new("ceo@x"), Glob::new("SVC-popgate@x")];
    let plan = world.plan();
    assert_eq!(changes(&plan), NONE);
    assert_eq!((plan.summary.unlisted, plan.counts.total), (2, 2));
}

#[test]
fn a_released_user_is_named_and_left_as_it_is() {
    let kept = many("kept", 3, "enabled");
    let before = format!("{kept}bert@x: enabled\ncarl@x: disabled\ngone@x: enabled");
    let world = World::new(&kept)
        .with_many("kept", 3, &ON)
        .with("17", &["bert@x"], ON)
        .with("carl@x", &[], OFF)
        .having_applied(&before, "2026-08-01T00:00:00Z", &[])
        .bound("bert@x", "17");
    let plan = world.plan();
    assert_eq!(changes(&plan), NONE);
    assert_eq!(notes(&plan), ["bert@x released, enabled", "carl@x released, disabled"]);
    assert_eq!((plan.summary.released, plan.summary.unlisted), (2, 0));
    let after = world.apply().plan();
    assert_eq!((notes(&after), after.summary.unlisted), (vec![], 2), "told once");
}

#[test]
fn in_allow_list_mode_a_released_user_loses_pop3() {
    let mut world = World::new("anna@x: enabled")
        .with("anna@x", &[], ON)
        .with("bert@x", &[], ON)
        .having_applied("anna@x: enabled\nbert@x: enabled", "2026-08-01T00:00:00Z", &[]);
    world.policy.unlisted = Unlisted::Disable;
    let plan = world.plan();
    assert_eq!(changes(&plan), ["bert@x: enabled -> disabled (unlisted)"]);
    assert_eq!((notes(&plan), plan.summary.released), (vec![], 1));
}

#[test]
fn a_user_who_is_listed_by_another_name_now_is_not_released() {
    let world = World::new("Anna Miller: enabled")
        .with("17", &["anna@x", "anna miller"], ON)
        .having_applied("anna@x: enabled", "2026-08-01T00:00:00Z", &[])
        .bound("anna@x", "17");
    let plan = world.plan();
    assert_eq!((notes(&plan), plan.summary.released, plan.summary.unchanged), (vec![], 0, 1));
}

#[test]
fn one_account_that_two_entries_named_is_released_once() {
    let world = World::new("carl@x: enabled")
        .with("17", &["anna@x", "anna"], ON)
        .with("carl@x", &[], ON)
        .having_applied(
            "anna@x: enabled\nanna: enabled\ncarl@x: enabled",
            "2026-08-01T00:00:00Z",
            &["anna", "anna@x"],
        );
    assert_eq!(world.plan().summary.released, 1);
}
