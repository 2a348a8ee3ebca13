//! The guards, at their limits.

use std::collections::BTreeMap;

use super::*;

/// So many listed users would lose POP3, among so many with POP3 in all.
fn disabling(count: usize, of: usize) -> World {
    World::new(&many("off", count, "disabled")).with_many("off", count, &ON).with_many(
        "other",
        of - count,
        &ON,
    )
}

/// So many listed users would get POP3, among so many accounts in all.
fn enabling(count: usize, of: usize) -> World {
    World::new(&many("on", count, "enabled")).with_many("on", count, &OFF).with_many(
        "other",
        of - count,
        &OFF,
    )
}

#[test]
fn ten_may_always_be_disabled_and_the_eleventh_trips() {
    assert_eq!(tripped(&disabling(10, 10).plan()), NONE);
    let plan = disabling(11, 11).plan();
    assert_eq!(tripped(&plan), ["max_disable"]);
    let verdict = verdict(&plan, Guard::MaxDisable);
    assert_eq!((verdict.value, verdict.limit, verdict.evaluated), (11, 10, true));
    assert_eq!(waiting(&plan, Access::Disabled), 11);
    assert_eq!(plan.changes.len(), 11, "the whole plan is shown");
    assert_eq!(plan.admitted().count(), 0);
}

#[test]
fn five_per_cent_are_rounded_down() {
    for (enabled, limit) in [(200, 10), (219, 10), (220, 11), (239, 11), (240, 12), (1000, 50)] {
        assert_eq!(tripped(&disabling(limit, enabled).plan()), NONE, "{limit} of {enabled}");
        assert_eq!(
            tripped(&disabling(limit + 1, enabled).plan()),
            ["max_disable"],
            "{limit} + 1 of {enabled}"
        );
    }
}

#[test]
fn the_share_of_disabling_is_one_of_the_enabled_accounts_in_scope() {
    let world = disabling(11, 220).with_many("disabled", 1000, &OFF);
    assert_eq!(verdict(&world.plan(), Guard::MaxDisable).limit, 11);
    let mut world = disabling(11, 220).with_many("Health", 1000, &ON);
    world.policy.ignored = vec![crate::name::Glob::new("health-*")];
    assert_eq!(verdict(&world.plan(), Guard::MaxDisable).limit, 11);
}

#[test]
fn the_share_of_enabling_is_one_of_all_accounts_in_scope() {
    for (total, limit) in [(11, 10), (219, 10), (220, 11)] {
        assert_eq!(tripped(&enabling(limit, total).plan()), NONE, "{limit} of {total}");
        assert_eq!(tripped(&enabling(limit + 1, total.max(limit + 1)).plan()), ["max_enable"], "{total}");
    }
}

#[test]
fn too_much_enabling_holds_only_enabling_back() {
    let mut world = enabling(11, 100).with("anna@x", &[], ON);
    world.desired = listing(&format!("{}anna@x: disabled", many("on", 11, "enabled")));
    let plan = world.plan();
    assert_eq!(tripped(&plan), ["max_enable"]);
    assert_eq!((waiting(&plan, Access::Enabled), waiting(&plan, Access::Disabled)), (11, 0));
    world.policy.on_blocked = OnBlocked::All;
    assert_eq!(waiting(&world.plan(), Access::Disabled), 1);
}

#[test]
fn too_much_disabling_holds_everything_back() {
    let mut world = disabling(11, 11).with("anna@x", &[], OFF);
    world.desired = listing(&format!("{}anna@x: enabled", many("off", 11, "disabled")));
    let plan = world.plan();
    assert_eq!((waiting(&plan, Access::Enabled), waiting(&plan, Access::Disabled)), (1, 11));
}

#[test]
fn too_many_changes_hold_enabling_back_and_disabling_within_its_limits_goes_on() {
    let entries = format!("{}{}", many("on", 3, "enabled"), many("off", 3, "disabled"));
    let mut world = World::new(&entries).with_many("on", 3, &OFF).with_many("off", 3, &ON);
    world.policy.guards.max_changes = 6;
    assert_eq!(tripped(&world.plan()), NONE);
    world.policy.guards.max_changes = 5;
    let plan = world.plan();
    assert_eq!(tripped(&plan), ["max_changes"]);
    assert_eq!((waiting(&plan, Access::Enabled), waiting(&plan, Access::Disabled)), (3, 0));
    world.policy.guards.max_changes = 2;
    let plan = world.plan();
    assert_eq!((waiting(&plan, Access::Enabled), waiting(&plan, Access::Disabled)), (3, 3));
}

#[test]
fn the_changes_of_the_last_hour_count_so_that_slices_do_not_walk_round_the_guard() {
    let recent = |minutes: i64, access, count| {
        let mut world = disabling(3, 100);
        let then = world.now - SignedDuration::from_mins(minutes);
        world.memory.recent = vec![(then, access); count];
        world.plan()
    };
    assert_eq!(tripped(&recent(59, Access::Disabled, 7)), NONE);
    let plan = recent(59, Access::Disabled, 8);
    assert_eq!(tripped(&plan), ["max_disable"]);
    let verdict = verdict(&plan, Guard::MaxDisable);
    assert_eq!((verdict.value, verdict.limit), (11, 10));
    assert_eq!(verdict.detail.as_deref(), Some("8 of them in the last hour"));
    assert_eq!(tripped(&recent(60, Access::Disabled, 8)), NONE, "an hour is over");
    assert_eq!(tripped(&recent(59, Access::Enabled, 8)), NONE, "the other direction");
}

#[test]
fn a_user_in_doubt_who_is_sent_again_counts_once() {
    let mut world = disabling(8, 100);
    let doubtful = |world: &World, access| -> BTreeMap<AccountId, (Timestamp, Access)> {
        let accounts = world.plan().changes.into_iter().map(|planned| planned.change.account);
        accounts.map(|account| (account, (world.now, access))).collect()
    };
    world.memory.doubtful = doubtful(&world, Access::Disabled);
    assert_eq!(tripped(&world.plan()), NONE);
    assert_eq!(verdict(&world.plan(), Guard::MaxDisable).value, 8);
    let others = (0..3).map(|at| (AccountId::new(format!("other{at}")), (world.now, Access::Disabled)));
    world.memory.doubtful.extend(others);
    assert_eq!(tripped(&world.plan()), ["max_disable"], "those who are not sent again count too");
    assert_eq!(
        verdict(&world.plan(), Guard::MaxDisable).detail.as_deref(),
        Some("3 of them in the last hour")
    );
    world.memory.doubtful = doubtful(&world, Access::Enabled);
    assert_eq!(tripped(&world.plan()), NONE, "the other direction");
}

#[test]
fn a_busy_hour_does_not_block_a_plan_that_does_nothing_in_that_direction() {
    let mut world = enabling(1, 100);
    world.memory.recent = vec![(world.now, Access::Disabled); 50];
    assert_eq!(tripped(&world.plan()), NONE);
}

#[test]
fn expiries_that_were_accepted_in_time_count_for_no_guard() {
    let entries = many("off", 50, "{access: enabled, until: 2026-08-21}");
    let world = World::new(&entries).with_many("off", 50, &ON);
    assert_eq!(tripped(&world.plan()), ["max_disable"], "never seen before");
    let mut accepted = world.having_applied(&entries, "2026-08-21T12:00:00Z", &[]);
    accepted.policy.guards.max_changes = 1;
    let plan = accepted.plan();
    assert_eq!((tripped(&plan), plan.admitted().count()), (vec![], 50));
}

#[test]
fn the_first_contact_waits_for_an_approval_where_the_policy_says_so() {
    let mut world = disabling(1, 5);
    world.memory.contact = false;
    let plan = world.plan();
    assert_eq!((tripped(&plan), waiting(&plan, Access::Disabled)), (vec!["first_contact"], 1));
    assert!(plan.is_doubted());
    assert!(plan.notes.contains(&Note::FirstContact));
    assert_eq!(tripped(&world.clone().approve(&plan, &plan.id).plan()), NONE);
    let mut by_hand = world.clone();
    by_hand.policy.guards.first_contact = false;
    assert_eq!(tripped(&by_hand.plan()), NONE);
    assert!(by_hand.plan().notes.contains(&Note::FirstContact), "still worth a note");
    let mut own = world.clone();
    own.policy.own_store = true;
    assert_eq!((tripped(&own.plan()), own.plan().notes.len()), (vec![], 0));
    world.accounts.iter_mut().for_each(|account| account.state = OFF);
    assert_eq!((tripped(&world.plan()), world.plan().notes.len()), (vec![], 0), "nothing to write");
}

#[test]
fn an_empty_state_after_a_full_one_waits() {
    let mut world = World::new("").with_many("a", 3, &ON);
    assert!(!verdict(&world.plan(), Guard::Empty).evaluated, "nothing is remembered");
    world = world.having_applied("", "2026-08-01T00:00:00Z", &[]);
    assert_eq!(tripped(&world.plan()), NONE, "it was empty before");
    world = world.having_applied("a-0: enabled\na-1: enabled", "2026-08-01T00:00:00Z", &[]);
    let plan = world.plan();
    assert_eq!(tripped(&plan), ["empty", "shrunk_input"]);
    assert_eq!(verdict(&plan, Guard::Empty).value, 2);
    let approved = world.approve(&plan, &plan.id);
    assert_eq!(tripped(&approved.plan()), NONE, "even a plan without a change can be approved");
}

#[test]
fn losing_half_of_all_entries_passes_and_one_more_trips() {
    let before = many("a", 10, "enabled");
    let after = |left| {
        World::new(&many("a", left, "enabled"))
            .with_many("a", 10, &ON)
            .having_applied(&before, "2026-08-01T00:00:00Z", &[])
            .plan()
    };
    assert_eq!(tripped(&after(5)), NONE);
    let plan = after(4);
    assert_eq!(tripped(&plan), ["shrunk_input"]);
    let verdict = verdict(&plan, Guard::ShrunkInput);
    assert_eq!((verdict.value, verdict.limit), (60, 50));
    assert_eq!(verdict.detail.as_deref(), Some("all files together lost 60 % of the entries"));
}

#[test]
fn half_and_a_little_is_more_than_half() {
    let world = |left| {
        World::new(&many("a", left, "enabled")).with_many("a", 201, &ON).having_applied(
            &many("a", 201, "enabled"),
            "2026-08-01T00:00:00Z",
            &[],
        )
    };
    assert_eq!(tripped(&world(101).plan()), NONE);
    assert_eq!(tripped(&world(100).plan()), ["shrunk_input"]);
}

fn two_files(a: &[usize], b: &[usize]) -> Desired {
    let lines = |numbers: &[usize]| lines(numbers.iter().map(|n| format!("u-{n}: enabled")));
    files(&[("a.yaml", lines(a).as_str()), ("b.yaml", lines(b).as_str())])
}

#[test]
fn one_file_that_loses_more_than_half_trips_and_is_named() {
    let all: Vec<usize> = (0..20).collect();
    let mut world = World::new("").with_many("u", 20, &ON).having_applied("", "2026-08-01T00:00:00Z", &[]);
    let mut remember = |desired: Desired| world.memory.applied.as_mut().unwrap().desired = desired;
    remember(two_files(&all[..4], &all[4..]));
    world.desired = two_files(&all[..1], &all[4..]);
    let plan = world.plan();
    assert_eq!(tripped(&plan), ["shrunk_input"]);
    assert_eq!(verdict(&plan, Guard::ShrunkInput).detail.as_deref(), Some("a.yaml lost 75 % of the entries"));
    world.desired = two_files(&all[..2], &all[4..]);
    assert_eq!(tripped(&world.plan()), NONE, "half of it");
    world.desired = two_files(&[0], &all[1..]);
    assert_eq!(tripped(&world.plan()), NONE, "they moved to the other file");
    world.desired = listing(&many("u", 20, "enabled"));
    assert_eq!(tripped(&world.plan()), NONE, "all of them moved to a new file");
}

#[test]
fn a_store_that_lists_a_tenth_fewer_accounts_passes_and_one_fewer_trips() {
    let after = |total| {
        let mut world = World::new("").with_many("a", total, &ON);
        world.memory.counts = Some(Counts { total: 100, ..Counts::default() });
        world.plan()
    };
    assert_eq!(tripped(&after(90)), NONE);
    let plan = after(89);
    assert_eq!(tripped(&plan), ["shrunk_live"]);
    assert_eq!(verdict(&plan, Guard::ShrunkLive).value, 11);
    assert_eq!(tripped(&after(0)), ["shrunk_live"]);
    assert_eq!(tripped(&after(200)), NONE);
    assert!(!verdict(&World::new("").plan(), Guard::ShrunkLive).evaluated, "nothing is remembered");
}

#[test]
fn one_in_twenty_may_be_unreadable_and_more_trip() {
    let with = |bad| {
        let state = State::Unreadable("why".to_owned());
        World::new("").with_many("ok", 100 - bad, &OFF).with_many("bad", bad, &state).plan()
    };
    assert_eq!(tripped(&with(5)), NONE);
    let plan = with(6);
    assert_eq!(tripped(&plan), ["unreadable"]);
    assert_eq!(verdict(&plan, Guard::Unreadable).value, 6);
    let state = State::Unreadable("why".to_owned());
    let plan = World::new("").with_many("ok", 180, &OFF).with_many("bad", 10, &state).plan();
    assert_eq!(tripped(&plan), ["unreadable"], "a little more than one in twenty");
}

#[test]
fn doubt_in_the_input_holds_both_directions_back() {
    let mut world =
        World::new("on-0: enabled\noff-0: disabled").with("on-0", &[], OFF).with("off-0", &[], ON);
    world.memory.counts = Some(Counts { total: 100, ..Counts::default() });
    let plan = world.plan();
    assert!(plan.is_doubted());
    assert_eq!((waiting(&plan, Access::Enabled), waiting(&plan, Access::Disabled)), (1, 1));
}

#[test]
fn a_jump_of_the_clock_holds_only_expiries_back() {
    let entries = "scan@x: {access: enabled, until: 2026-08-21}\nanna@x: disabled\nbert@x: enabled";
    let mut world = World::new(entries)
        .with("scan@x", &[], ON)
        .with("anna@x", &[], ON)
        .with("bert@x", &[], OFF)
        .having_applied(entries, "2026-08-21T12:00:00Z", &["anna@x", "bert@x"]);
    assert!(!world.plan().guards.iter().any(|verdict| verdict.guard == Guard::Clock));
    world.memory.clock_jumped = true;
    let plan = world.plan();
    assert_eq!(tripped(&plan), ["clock"]);
    let waiting: Vec<&str> =
        plan.changes.iter().filter(|planned| planned.waits).map(|planned| &*planned.change.name).collect();
    assert_eq!(waiting, ["scan@x"]);
    assert!(!plan.is_doubted());
    assert_eq!(tripped(&world.approve(&plan, &plan.id).plan()), NONE);
}

#[test]
fn limits_are_what_the_settings_say() {
    let mut world = disabling(3, 100);
    world.policy.guards.max_disable = Share { percent: 2, always_allow: 0 };
    assert_eq!(tripped(&world.plan()), ["max_disable"]);
    world.policy.guards.max_disable = Share { percent: 3, always_allow: 0 };
    assert_eq!(tripped(&world.plan()), NONE);
    world.policy.guards.max_disable = Share { percent: 0, always_allow: 0 };
    assert_eq!(verdict(&world.plan(), Guard::MaxDisable).limit, 0);
    assert_eq!(tripped(&World::new("").plan()), NONE);
}
