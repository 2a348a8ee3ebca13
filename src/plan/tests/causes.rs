//! Why an account is changed: listed, expired, drifted; and what is left alone.

use super::*;

#[test]
fn what_is_as_listed_is_not_touched() {
    let world =
        World::new("anna@x: enabled\nbert@x: disabled").with("anna@x", &[], ON).with("bert@x", &[], OFF);
    let plan = world.plan();
    assert_eq!((changes(&plan), plan.summary.unchanged), (vec![], 2));
    assert_eq!((&plan.notes, &plan.unsatisfied, &plan.effects), (&vec![], &vec![], &vec![]));
}

#[test]
fn both_directions_are_planned_disabling_first_and_by_name() {
    let world = World::new("b@x: enabled\nD@x: disabled\na@x: enabled\nc@x: disabled")
        .with("1", &["d@x"], ON)
        .with("2", &["c@x"], ON)
        .with("3", &["b@x"], OFF)
        .with("4", &["a@x"], OFF);
    let plan = world.plan();
    assert_eq!(
        changes(&plan),
        [
            "2: enabled -> disabled (listed)",
            "1: enabled -> disabled (listed)",
            "4: disabled -> enabled (listed)",
            "3: disabled -> enabled (listed)",
        ]
    );
    assert_eq!((plan.summary.disable, plan.summary.enable), (2, 2));
}

#[test]
fn until_is_the_last_day_in_the_time_zone_of_the_target() {
    let mut world = World::new("scan@x: {access: enabled, until: 2026-08-22}").with("scan@x", &[], ON);
    let disables = |world: &World, when: &str| !world.clone().at(when).plan().changes.is_empty();
    assert!(!disables(&world, "2026-08-22T23:59:59Z"));
    assert!(disables(&world, "2026-08-23T00:00:00Z"));
    world.policy.timezone = TimeZone::get("Asia/Taipei").unwrap();
    assert!(!disables(&world, "2026-08-22T15:59:59Z"));
    assert!(disables(&world, "2026-08-22T16:00:00Z"));
    world.policy.timezone = TimeZone::get("America/New_York").unwrap();
    assert!(!disables(&world, "2026-08-23T03:59:59Z"));
    assert!(disables(&world, "2026-08-23T04:00:00Z"));
}

const SCAN: &str = "scan@x: {access: enabled, until: 2026-08-21, reason: CHG-1}";

#[test]
fn an_expiry_that_was_accepted_before_its_day_is_free_for_the_guards() {
    let world = World::new(SCAN).with("scan@x", &[], ON).having_applied(SCAN, "2026-08-21T23:59:59Z", &[]);
    let plan = world.plan();
    assert_eq!(changes(&plan), ["scan@x: enabled -> disabled (expired)"]);
    let [planned] = &plan.changes[..] else { panic!("{plan:?}") };
    assert!(!planned.counted);
    assert_eq!(planned.until, Some("2026-08-21".parse().unwrap()));
    assert_eq!(planned.reason.as_deref(), Some("CHG-1"));
}

#[test]
fn an_expiry_that_is_over_when_it_appears_is_counted() {
    let counted = |world: World| {
        let plan = world.plan();
        assert_eq!(changes(&plan), ["scan@x: enabled -> disabled (expired)"]);
        plan.changes[0].counted
    };
    let world = || World::new(SCAN).with("scan@x", &[], ON);
    assert!(counted(world()), "nothing is remembered");
    assert!(
        counted(world().having_applied("other@x: enabled", "2026-08-20T00:00:00Z", &[])),
        "not listed then"
    );
    assert!(counted(world().having_applied("scan@x: enabled", "2026-08-20T00:00:00Z", &[])), "without a day");
    let other = "scan@x: {access: enabled, until: 2099-12-31}";
    assert!(counted(world().having_applied(other, "2026-08-20T00:00:00Z", &[])), "with another day");
    assert!(counted(world().having_applied(SCAN, "2026-08-22T00:00:00Z", &["scan@x"])), "accepted too late");
}

#[test]
fn an_expiry_that_was_accepted_in_time_stays_free_while_it_waits_for_a_window() {
    let world = World::new(SCAN).with("scan@x", &[], ON).having_applied(SCAN, "2026-08-21T12:00:00Z", &[]);
    let later = world.at("2026-08-22T00:00:05Z").without_writing().at("2026-08-22T22:00:00Z");
    let plan = later.plan();
    assert_eq!(changes(&plan), ["scan@x: enabled -> disabled (expired)"]);
    assert!(!plan.changes[0].counted);
    let mut edited = later.without_writing();
    edited.desired = listing(&format!("{SCAN}\nzoe@x: enabled"));
    let edited = edited.without_writing();
    assert!(!edited.plan().changes[0].counted, "whatever else is edited meanwhile");
    let mut moved = edited.clone();
    moved.desired = listing("scan@x: {access: enabled, until: 2026-08-20}");
    assert!(moved.plan().changes[0].counted, "but not with another day");
    assert!(edited.apply().memory.applied.unwrap().accepted.is_empty(), "over and done");
}

#[test]
fn an_expiry_that_was_over_when_it_appeared_stays_counted_while_it_waits() {
    let world = World::new(SCAN).with("scan@x", &[], ON).without_writing();
    assert!(world.plan().changes[0].counted);
    assert!(world.without_writing().plan().changes[0].counted);
}

#[test]
fn accepted_in_time_is_a_matter_of_the_target_s_time_zone() {
    let counted = |zone: &str| {
        let mut world = World::new(SCAN).with("scan@x", &[], ON).having_applied(
            SCAN,
            "2026-08-21T20:00:00Z",
            &["scan@x"],
        );
        world.policy.timezone = TimeZone::get(zone).unwrap();
        world.plan().changes[0].counted
    };
    assert!(!counted("UTC"), "it was still the 21st");
    assert!(counted("Asia/Taipei"), "it was the 22nd already");
}

#[test]
fn what_is_changed_by_hand_is_drift() {
    let world = World::new("anna@x: disabled\nbert@x: enabled")
        .with("anna@x", &[], ON)
        .with("bert@x", &[], OFF)
        .having_applied("anna@x: disabled\nbert@x: enabled", "2026-08-01T00:00:00Z", &[]);
    let plan = world.plan();
    assert_eq!(changes(&plan), ["anna@x: enabled -> disabled (drift)"], "enabled by hand is taken back");
    let [held] = &plan.held[..] else { panic!("{plan:?}") };
    assert_eq!((held.change.account.as_str(), &held.why), ("bert@x", &HeldBecause::DriftLeft));
    assert_eq!(plan.unsatisfied, NONE, "drift does not make an entry new");
    assert!(plan.changes[0].counted);
}

#[test]
fn each_direction_of_drift_has_its_policy() {
    let with = |enabled_by_hand, disabled_by_hand| {
        let mut world = World::new("anna@x: disabled\nbert@x: enabled")
            .with("anna@x", &[], ON)
            .with("bert@x", &[], OFF)
            .having_applied("anna@x: disabled\nbert@x: enabled", "2026-08-01T00:00:00Z", &[]);
        world.policy.drift = Drift { enabled_by_hand, disabled_by_hand };
        let plan = world.plan();
        (plan.changes.len(), plan.held.iter().map(|held| held.change.name.clone()).collect::<String>())
    };
    assert_eq!(with(OnDrift::Restore, OnDrift::Restore), (2, String::new()));
    assert_eq!(with(OnDrift::Report, OnDrift::Restore), (1, "anna@x".to_owned()));
    assert_eq!(with(OnDrift::Restore, OnDrift::Report), (1, "bert@x".to_owned()));
    assert_eq!(with(OnDrift::Report, OnDrift::Report), (0, "anna@xbert@x".to_owned()));
}

fn left_alone() -> World {
    World::new("bert@x: enabled").with("bert@x", &[], OFF).having_applied(
        "bert@x: enabled",
        "2026-08-01T00:00:00Z",
        &[],
    )
}

#[test]
fn drift_that_is_left_alone_stays_so_until_the_entry_changes() {
    let mut world = left_alone().apply().apply();
    assert_eq!((changes(&world.plan()), world.plan().held.len()), (vec![], 1));
    world.desired = listing("bert@x: {access: enabled, reason: he needs it}");
    assert_eq!(changes(&world.plan()), ["bert@x: disabled -> enabled (listed)"]);
}

#[test]
fn drift_that_is_left_alone_is_written_back_when_its_own_id_is_approved() {
    let world = left_alone();
    let plan = world.plan();
    let plan = world.approve(&plan, &plan.held[0].id).plan();
    assert_eq!(changes(&plan), ["bert@x: disabled -> enabled (drift)"]);
    assert!(plan.changes[0].approved && plan.held.is_empty());
}

#[test]
fn an_entry_that_was_not_satisfied_is_listed_and_not_drift() {
    let world = World::new("bert@x: enabled").with("bert@x", &[], OFF).having_applied(
        "bert@x: enabled",
        "2026-08-01T00:00:00Z",
        &["bert@x"],
    );
    assert_eq!(changes(&world.plan()), ["bert@x: disabled -> enabled (listed)"]);
}

#[test]
fn an_expired_user_who_is_enabled_by_hand_later_is_drift() {
    let world = World::new(SCAN).with("scan@x", &[], ON).having_applied(SCAN, "2026-08-21T12:00:00Z", &[]);
    let mut after = world.apply();
    assert_eq!(changes(&after.plan()), NONE);
    after.accounts[0].state = ON;
    assert_eq!(changes(&after.plan()), ["scan@x: enabled -> disabled (drift)"]);
}

#[test]
fn flags_that_disagree_are_always_repaired() {
    let mut world = World::new("anna@x: disabled\nbert@x: enabled")
        .with("anna@x", &[], State::Mixed)
        .with("bert@x", &[], State::Mixed)
        .having_applied("anna@x: disabled\nbert@x: enabled", "2026-08-01T00:00:00Z", &[]);
    world.policy.drift = Drift { enabled_by_hand: OnDrift::Report, disabled_by_hand: OnDrift::Report };
    let plan = world.plan();
    assert_eq!(changes(&plan), ["anna@x: mixed -> disabled (drift)", "bert@x: mixed -> enabled (drift)"]);
    assert_eq!(plan.held, []);
}

#[test]
fn what_cannot_be_read_is_never_changed_and_told_with_its_place() {
    let unreadable = State::Unreadable("flag is `maybe`".to_owned());
    let mut world = World::new("anna@x: disabled").with("anna@x", &[], unreadable.clone()).with(
        "bert@x",
        &[],
        unreadable,
    );
    world.policy.unlisted = Unlisted::Disable;
    let plan = world.plan();
    assert_eq!((changes(&plan), plan.summary.unreadable), (vec![], 2));
    let note = |name: &str, origin| Note::Unreadable {
        name: name.to_owned(),
        why: "flag is `maybe`".to_owned(),
        origin,
    };
    let place = Origin { file: "users.yaml".to_owned(), line: 2, column: 3 };
    assert_eq!(plan.notes, [note("anna@x", Some(place)), note("bert@x", None)]);
    assert_eq!(plan.unsatisfied, ["anna@x"]);
}

#[test]
fn the_same_changes_have_the_same_id_however_the_users_are_spelled() {
    let world =
        |entries| World::new(entries).with("1", &["anna@x", "zoe"], ON).with("2", &["bert@x"], ON).plan();
    let (by_address, by_name) =
        (world("anna@x: disabled\nbert@x: disabled"), world("zoe: disabled\nbert@x: disabled"));
    assert_ne!(changes(&by_address), changes(&by_name), "shown in order of what was written");
    assert_eq!(by_address.id, by_name.id);
}

#[test]
fn the_id_names_target_and_changes_and_nothing_else() {
    let world =
        World::new("anna@x: disabled\nbert@x: enabled").with("anna@x", &[], ON).with("bert@x", &[], ON);
    let id = world.plan().id;
    assert_eq!(world.clone().at("2027-01-01T00:00:00Z").plan().id, id, "not the time");
    let mut other = world.clone();
    other.desired = listing("anna@x: {access: disabled, reason: moved}\nbert@x: enabled\nzoe@x: enabled");
    assert_ne!(other.plan().digest, world.plan().digest);
    assert_eq!(other.plan().id, id, "not the digest");
    let mut other = world.clone();
    other.accounts[0].state = State::Mixed;
    assert_eq!(other.plan().id, id, "not what was there before");
    let mut other = world.clone();
    other.policy.target = "cloud".to_owned();
    assert_ne!(other.plan().id, id, "the target");
    let mut other = world.clone();
    other.desired = listing("anna@x: disabled\nbert@x: disabled");
    assert_ne!(other.plan().id, id, "which changes");
    let one = |access| World::new(&format!("anna@x: {access}")).with("anna@x", &[], State::Mixed).plan().id;
    assert_ne!(one("enabled"), one("disabled"), "and in which direction");
    assert_eq!(PlanId::from_text(&format!("  {}\n", id.as_str().to_uppercase())), id);
}

#[test]
fn only_a_plan_that_saw_the_account_as_it_should_be_is_content_with_its_change() {
    let world = || World::new("a: disabled\nb: disabled").with("b", &[], ON);
    let first = world().with("a", &[], ON).plan();
    let change =
        |name: &str| first.changes.iter().find(|one| one.change.name == name).unwrap().change.clone();
    assert!(!first.is_content_with(&change("a")), "it is one of its own");
    let later = world().with("a", &[], OFF).plan();
    assert!(later.is_content_with(&change("a")) && !later.is_content_with(&change("b")));
    let unreadable = State::Unreadable("corrupted".to_owned());
    assert!(!world().with("a", &[], unreadable).plan().is_content_with(&change("a")));
    assert!(!world().plan().is_content_with(&change("a")), "it is gone");
}
