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
    assert_eq!(plan.approvable(&plan.id).unwrap().len(), 20);
    assert_eq!(plan.approvable(&PlanId::from_text("0123456789ab")), None);
}

#[test]
fn an_approval_of_another_target_s_plan_names_another_id() {
    let mut world = wave();
    let here = world.plan();
    world.policy.target = "elsewhere".to_owned();
    assert_eq!(world.plan().approvable(&here.id), None);
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
