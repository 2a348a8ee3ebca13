//! Approvals: what they cover, and for how long.

use super::*;

fn wave() -> World {
    World::new(&many("off", 20, "disabled")).with_many("off", 20, &ON)
}

#[test]
fn an_approval_lets_exactly_the_plan_pass_that_it_names() {
    let world = wave();
    let plan = world.plan();
    assert_eq!((tripped(&plan), plan.admitted().count()), (vec!["max_disable"], 0));
    let approved = world.approve(&plan, &plan.id).plan();
    assert_eq!((tripped(&approved), approved.admitted().count()), (vec![], 20));
    assert!(approved.changes.iter().all(|planned| planned.approved));
    assert_eq!(approved.id, plan.id, "an approval does not change what it names");
}

#[test]
fn an_approval_covers_every_subset_of_its_changes() {
    let mut world = wave();
    let plan = world.plan();
    world = world.approve(&plan, &plan.id);
    for account in &mut world.accounts[..5] {
        account.state = OFF;
    }
    let rest = world.plan();
    assert_ne!(rest.id, plan.id);
    assert_eq!((tripped(&rest), rest.admitted().count()), (vec![], 15));
}

#[test]
fn what_an_approval_does_not_name_is_counted_without_what_it_names() {
    let mut world = wave();
    let plan = world.plan();
    world = world.approve(&plan, &plan.id).with_many("more", 11, &ON);
    world.desired = listing(&format!("{}{}", many("off", 20, "disabled"), many("more", 10, "disabled")));
    assert_eq!(tripped(&world.plan()), NONE, "ten more are within the limit");
    world.desired = listing(&format!("{}{}", many("off", 20, "disabled"), many("more", 11, "disabled")));
    let plan = world.plan();
    assert_eq!(tripped(&plan), ["max_disable"]);
    assert_eq!(verdict(&plan, Guard::MaxDisable).value, 11);
    assert_eq!(plan.admitted().count(), 20, "what is approved goes on");
    assert!(plan.admitted().all(|planned| planned.change.name.starts_with("off-")));
}

#[test]
fn an_approval_is_for_one_direction() {
    let mut world = wave();
    let plan = world.plan();
    world = world.approve(&plan, &plan.id);
    world.desired = listing(&many("off", 20, "enabled"));
    for account in &mut world.accounts {
        account.state = OFF;
    }
    assert_eq!(tripped(&world.plan()), ["max_enable"]);
}

#[test]
fn an_approval_expires_after_a_day() {
    let world = wave();
    let plan = world.plan();
    let world = world.approve(&plan, &plan.id);
    assert_eq!(tripped(&world.clone().at("2026-08-23T11:59:59Z").plan()), NONE);
    assert_eq!(tripped(&world.at("2026-08-23T12:00:00Z").plan()), ["max_disable"]);
}

#[test]
fn a_plan_knows_only_its_own_ids() {
    let world = wave();
    let plan = world.plan();
    let of = |id: &PlanId| plan.approve(id, "jo", "why", world.now);
    let approval = of(&plan.id).unwrap();
    assert_eq!((approval.changes.len(), approval.by.as_str(), approval.reason.as_str()), (20, "jo", "why"));
    let other = PlanId::from_text("0123456789ab");
    assert_eq!(of(&other), Err(NotApproved::Unknown(other.clone())));
}

#[test]
fn an_approval_of_another_target_s_plan_names_another_id() {
    let mut world = wave();
    let here = world.plan();
    world.policy.target = "elsewhere".to_owned();
    let elsewhere = world.plan().approve(&here.id, "jo", "why", world.now);
    assert_eq!(elsewhere, Err(NotApproved::Unknown(here.id)));
}

#[test]
fn approving_part_of_a_doubted_plan_does_not_lift_the_doubt() {
    let mut world = World::new("off-0: disabled\noff-1: disabled").with_many("off", 2, &ON);
    world.memory.counts = Some(Counts { total: 100, ..Counts::default() });
    world.accounts[1].state = OFF;
    let first = world.plan();
    world = world.approve(&first, &first.id);
    assert_eq!(tripped(&world.plan()), NONE);
    world.accounts[1].state = ON;
    let plan = world.plan();
    assert_eq!(tripped(&plan), ["shrunk_live"]);
    assert_eq!(plan.admitted().map(|planned| planned.change.account.as_str()).collect::<Vec<_>>(), ["off-0"]);
}

#[test]
fn a_plan_for_which_nothing_waits_takes_no_approval() {
    let plan = World::new("a: enabled").with("a", &[], ON).plan();
    assert_eq!(plan.approve(&plan.id, "jo", "why", plan.generated_at), Err(NotApproved::Nothing(plan.id)));
}

/// Nothing is to be written, and still a guard doubts what it read.
#[test]
fn an_approval_without_changes_covers_only_what_was_doubted() {
    let mut world = World::new("a: enabled").with("a", &[], ON).with_many("more", 9, &ON);
    world.memory.counts = Some(Counts { total: 20, ..Counts::default() });
    let plan = world.plan();
    assert_eq!((tripped(&plan), plan.changes.len()), (vec!["shrunk_live"], 0));
    world = world.approve(&plan, &plan.id);
    assert_eq!(tripped(&world.plan()), NONE);
    let other = World { desired: listing("b: enabled"), ..world.clone() }.plan();
    assert_eq!((tripped(&other), other.id), (vec!["shrunk_live"], plan.id.clone()), "another desired state");
    let fewer = world.without("more-3").plan();
    assert_eq!((tripped(&fewer), fewer.id), (vec!["shrunk_live"], plan.id), "fewer accounts than approved");
}
