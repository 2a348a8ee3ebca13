//! Every guard, tripped by what trips it in real life: the real program, real files and a real `SQLite` store.

use std::fmt::Write as _;

use popgate::daemon::crash::AT_VARIABLE;

use crate::daemon::{SOON, desire, disabled, plan_id, restarts, settings, sqlite, users};
use crate::world::World;

/// A world of 20 users for which all is as desired; those of the second ten have no POP3.
fn satisfied(more: &str) -> World {
    let world = World::new();
    users(&world, 20);
    sqlite(&world, "UPDATE mailbox SET pop3 = 0 WHERE CAST(substr(username, 2) AS INTEGER) > 10;");
    settings(&world, &format!("{SOON}\n{more}"));
    let second: Vec<u32> = (11..=20).collect();
    desire(&world, 20, &second);
    let _apply = world.popgate(["apply", "--yes"]).success();
    world
}

/// Writes a desired state of the first so many users, all with this access.
fn listing(world: &World, count: u32, access: &str) {
    let mut text = "pop3:\n".to_owned();
    for n in 1..=count {
        writeln!(text, "  u{n}@x.test: {access}").unwrap();
    }
    world.write("desired-state/users.yaml", text);
}

/// The plan is blocked by this guard and nothing is written; then somebody approves it.
#[track_caller]
fn trips(world: &World, guard: &str, measured: &str) {
    let before = disabled(world);
    let plan = world.popgate(["plan"]).ends_with(4).stdout;
    assert!(plan.contains(&format!("{guard} tripped")), "{guard}:\n{plan}");
    assert!(plan.contains(measured), "{measured}:\n{plan}");
    let id = plan_id(world);
    assert!(plan.contains(&format!("To approve this plan: popgate approve {id}")), "{plan}");
    let _apply = world.popgate(["apply", "--yes"]).ends_with(4);
    assert_eq!((disabled(world), restarts(world)), (before, 0), "{guard} holds");
    let _approved = world.popgate(["approve", &id, "--reason", "CHG-1 it is meant so"]).success();
    let _apply = world.popgate(["apply", "--yes"]).success();
    let _done = world.popgate(["plan", "--detailed-exitcode"]).success();
}

#[test]
fn as_many_as_the_guard_lets_pass_are_finished_without_an_approval_when_their_batch_died() {
    for point in ["after append chunk", "before write", "after write"] {
        let mut world = satisfied("");
        listing(&world, 20, "disabled");
        world.env(AT_VARIABLE, point);
        assert_eq!(world.popgate(["apply", "--yes"]).code, None, "{point}: killed by a signal");
        world.env(AT_VARIABLE, "");
        let _apply = world.popgate(["apply", "--yes"]).success();
        let _done = world.popgate(["plan", "--detailed-exitcode"]).success();
        assert_eq!(disabled(&world).split(' ').count(), 20, "{point}");
    }
}

#[test]
fn a_list_without_anybody_is_blocked_although_it_would_write_nothing() {
    let world = satisfied("");
    world.write("desired-state/users.yaml", "pop3: {}\n");
    trips(&world, "empty", "20");
}

#[test]
fn a_list_without_anybody_in_allow_list_mode_locks_nobody_out() {
    let world = satisfied("    unlisted: disable");
    world.write("desired-state/users.yaml", "pop3: {}\n");
    let plan = world.popgate(["apply", "--yes"]).ends_with(4).stdout;
    assert!(plan.contains("empty tripped") && plan.contains("disable POP3 for 10 users"), "{plan}");
    assert_eq!(restarts(&world), 0);
}

#[test]
fn a_file_that_lost_more_than_half_of_its_entries_is_blocked() {
    let world = satisfied("");
    let text = world.read("desired-state/users.yaml");
    let half = text.lines().take(10).collect::<Vec<_>>().join("\n");
    world.write("desired-state/users.yaml", half + "\n");
    trips(&world, "shrunk_input", "55 %");
}

#[test]
fn a_store_that_lost_accounts_is_blocked() {
    let world = satisfied("");
    sqlite(&world, "DELETE FROM mailbox WHERE username IN ('u12@x.test', 'u13@x.test', 'u14@x.test');");
    trips(&world, "shrunk_live", "15 %");
}

#[test]
fn a_store_with_values_that_mean_nothing_is_blocked() {
    let world = satisfied("");
    sqlite(&world, "UPDATE mailbox SET pop3 = 7 WHERE username IN ('u12@x.test', 'u13@x.test');");
    let before = sqlite(&world, "SELECT * FROM mailbox;");
    let plan = world.popgate(["apply", "--yes"]).ends_with(4).stdout;
    assert!(plan.contains("unreadable tripped") && plan.contains("10 %"), "{plan}");
    assert_eq!(sqlite(&world, "SELECT * FROM mailbox;"), before);
}

#[test]
fn too_much_disabling_enabling_or_changing_is_blocked() {
    let few =
        "    guards: {max_disable: {percent: 5, always_allow: 3}, max_enable: {percent: 5, always_allow: 3}}";
    let world = satisfied(few);
    listing(&world, 20, "disabled");
    trips(&world, "max_disable", "10 users would lose POP3; the limit is 3");
    let world = satisfied(few);
    listing(&world, 20, "enabled");
    trips(&world, "max_enable", "10 users would get POP3; the limit is 3");
    let world = satisfied("    guards: {max_changes: 9}");
    listing(&world, 20, "enabled");
    trips(&world, "max_changes", "the limit is 9");
}

#[test]
fn while_too_much_enabling_waits_disabling_goes_on_unless_the_settings_say_otherwise() {
    for (on_blocked, done) in [("enable", 1), ("all", 0)] {
        let limits = "    guards: {max_enable: {percent: 0, always_allow: 3}}";
        let world = satisfied(&format!("{limits}\n    on_blocked: {on_blocked}"));
        listing(&world, 20, "enabled");
        let text = world.read("desired-state/users.yaml");
        world.write("desired-state/users.yaml", text.replace("u1@x.test: enabled", "u1@x.test: disabled"));
        let _apply = world.popgate(["apply", "--yes"]).ends_with(4);
        assert_eq!(disabled(&world).split(' ').count(), 10 + done, "on_blocked: {on_blocked}");
        assert_eq!(restarts(&world), done, "on_blocked: {on_blocked}");
    }
}
