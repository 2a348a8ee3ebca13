//! Where a change comes from: the branch, before it, or somebody's hand.

use super::*;
use crate::plan::base::sort;

const BASE: &str = "anna@x: disabled\nbert@x: disabled\ncarl@x: enabled\ndora@x: enabled";

/// Anna was disabled and somebody enabled her; bert's entry is merged and not carried out.
fn world(entries: &str) -> World {
    World::new(entries)
        .with("anna@x", &[], ON)
        .with("bert@x", &[], ON)
        .with("carl@x", &[], ON)
        .with("dora@x", &[], ON)
        .having_applied(
            "anna@x: disabled\nbert@x: enabled\ncarl@x: enabled\ndora@x: enabled",
            "2026-08-21T12:00:00Z",
            &[],
        )
}

fn sorted(branch: &str) -> Plan {
    let (mut plan, before) = (world(branch).plan(), world(BASE).plan());
    sort(&mut plan, "main", "c0ffee", Ok(&before));
    plan
}

fn provenances(plan: &Plan) -> Vec<String> {
    let one = |planned: &Planned| {
        format!("{} {}", planned.change.name, planned.provenance.map_or("-", Provenance::word))
    };
    plan.changes.iter().map(one).collect()
}

#[test]
fn a_change_comes_from_the_branch_from_before_or_from_somebodys_hand() {
    let plan = sorted(&BASE.replace("carl@x: enabled", "carl@x: disabled"));
    assert_eq!(provenances(&plan), ["anna@x drift", "bert@x pending", "carl@x branch"]);
    let counts =
        [Provenance::Branch, Provenance::Pending, Provenance::Drift].map(|one| plan.coming_from(one));
    assert_eq!(counts, [1, 1, 1]);
    assert!(!plan.changes[0].provenance.unwrap().is_explained(), "nobody expects it in this review");
}

#[test]
fn an_entry_that_only_moves_or_gets_a_reason_is_not_the_branchs_doing() {
    let branch =
        "bert@x: {access: disabled, reason: CHG-1}\nanna@x: disabled\ncarl@x: enabled\ndora@x: enabled";
    assert_eq!(provenances(&sorted(branch)), ["anna@x drift", "bert@x pending"]);
}

#[test]
fn what_the_branch_takes_back_is_no_change_and_what_it_turns_round_is_its_own() {
    let mut plan = World::new("anna@x: disabled").with("anna@x", &[], ON).plan();
    let before = World::new("anna@x: enabled").with("anna@x", &[], ON).plan();
    sort(&mut plan, "main", "c0ffee", Ok(&before));
    assert_eq!(provenances(&plan), ["anna@x branch"]);
    let plan = sorted("anna@x: enabled\nbert@x: enabled\ncarl@x: enabled\ndora@x: enabled");
    assert_eq!(provenances(&plan), [""; 0]);
}

#[test]
fn in_allow_list_mode_the_branch_is_the_cause_for_whom_it_removes() {
    let allow_list = |entries: &str| {
        let mut world = world(entries).with("eve@x", &[], ON);
        world.policy.unlisted = Unlisted::Disable;
        world.plan()
    };
    let mut plan = allow_list("carl@x: enabled");
    let before = allow_list("carl@x: enabled\ndora@x: enabled\nanna@x: enabled\nbert@x: enabled");
    sort(&mut plan, "main", "c0ffee", Ok(&before));
    assert_eq!(provenances(&plan), ["anna@x branch", "bert@x branch", "dora@x branch", "eve@x pending"]);
}

#[test]
fn without_a_base_nothing_is_claimed() {
    let mut plan = world(BASE).plan();
    sort(&mut plan, "main", "c0ffee", Err("it is invalid".to_owned()));
    assert!(plan.changes.iter().all(|planned| planned.provenance.is_none()));
    assert_eq!(plan.context.base.unwrap().unsorted.as_deref(), Some("it is invalid"));
}
