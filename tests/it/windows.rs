//! Windows and expiry with the running daemon, whose wall clock begins where the test says.

use jiff::Timestamp;
use popgate::daemon::clock::AHEAD_VARIABLE;
use popgate::journal::entry::Record;
use popgate::journal::read_all;

use crate::daemon::{SOON, desire, disabled, restarts, settings, users};
use crate::world::program::Daemon;
use crate::world::{World, wait_until};

/// A world whose clock begins at this moment, with settings of its own, where all is as desired.
fn at(now: &str, more: &str) -> (World, Daemon) {
    let mut world = World::new();
    world.env("POPGATE_NOW", now);
    world.env("USER", "anna");
    users(&world, 20);
    desire(&world, 20, &[]);
    settings(&world, &format!("{SOON}\n{more}"));
    let daemon = world.start(["run"]);
    wait_until("the first reconcile", || world.popgate(["status", "--wait"]).code.filter(|code| *code == 0));
    (world, daemon)
}

fn find<T>(world: &World, found: impl Fn(&Record) -> Option<T>) -> Option<(Timestamp, T)> {
    let lines = read_all::<Record>(&world.path("state")).unwrap();
    lines.iter().find_map(|line| Some((line.at, found(&line.record)?)))
}

fn moment(text: &str) -> Timestamp {
    text.parse().unwrap()
}

const RESTARTS_AT_NIGHT: &str = "    windows: [{allow: restarts, at: \"22:00-02:00\"}]";

#[test]
fn a_restart_waits_for_its_window_and_opens_with_it() {
    let (world, mut daemon) = at("2026-05-04T21:59:48Z", RESTARTS_AT_NIGHT);
    desire(&world, 20, &[3]);
    wait_until("the write", || (disabled(&world) == "u3@x.test").then_some(()));
    let status = world.popgate(["status"]).success().stdout;
    assert!(status.contains("due 2026-05-04 22:00:00"), "{status}");
    assert!(
        status.contains("not effective before 2026-05-04 22:00:00, POP3 still works for u3@x.test"),
        "{status}"
    );
    assert_eq!(restarts(&world), 0);
    wait_until("the restart", || (restarts(&world) == 1).then_some(()));
    assert_eq!(daemon.stop(), Some(143));
    let begun = find(&world, |record| matches!(record, Record::Restart { .. }).then_some(())).unwrap().0;
    assert!(begun >= moment("2026-05-04T22:00:00Z"), "{begun}");
}

#[test]
fn somebody_with_a_reason_overrides_a_closed_window_and_it_is_written_down() {
    let (world, mut daemon) = at("2026-05-04T12:00:00Z", RESTARTS_AT_NIGHT);
    desire(&world, 20, &[3]);
    wait_until("the write", || (disabled(&world) == "u3@x.test").then_some(()));
    let refused = world.popgate(["restart"]).ends_with(9);
    assert!(refused.stderr.contains("closed until 2026-05-04T22:00:00Z"), "{}", refused.stderr);
    let _usage = world.popgate(["restart", "--now"]).ends_with(64);
    assert_eq!(restarts(&world), 0);
    let _urged = world.popgate(["restart", "--now", "--reason", "CHG-9 incident"]).success();
    wait_until("the restart", || (restarts(&world) == 1).then_some(()));
    let _status = world.popgate(["status", "--wait"]).success();
    assert_eq!(daemon.stop(), Some(143));
    let urged = find(&world, |record| match record {
        Record::Urged { by, reason } => Some((by.clone(), reason.clone())),
        _ => None,
    });
    assert_eq!(urged.unwrap().1, ("anna".to_owned(), "CHG-9 incident".to_owned()));
    assert_eq!(restarts(&world), 1);
}

#[test]
fn a_write_waits_for_its_window() {
    let (world, mut daemon) =
        at("2026-05-04T21:59:50Z", "    windows: [{allow: writes, at: \"22:00-23:00\"}]");
    desire(&world, 20, &[3]);
    wait_until("the plan", || {
        let status = world.popgate(["status"]).stdout;
        status.contains("1 to disable").then_some(())
    });
    assert_eq!(disabled(&world), "", "the window is closed");
    let status = world.popgate(["status"]).success().stdout;
    assert!(status.starts_with("not converged: 1 plan waiting for its window"), "{status}");
    assert!(status.contains("writing waits for its window, which opens 2026-05-04 22:00:00"), "{status}");
    wait_until("the write", || (disabled(&world) == "u3@x.test").then_some(()));
    assert_eq!(daemon.stop(), Some(143));
    let begun = find(&world, |record| matches!(record, Record::Batch { .. }).then_some(())).unwrap().0;
    assert!(begun >= moment("2026-05-04T22:00:00Z"), "{begun}");
}

#[test]
fn an_apply_in_a_closed_window_writes_and_leaves_the_restart_owed() {
    let (world, mut daemon) = at("2026-05-04T12:00:00Z", RESTARTS_AT_NIGHT);
    assert_eq!(daemon.stop(), Some(143));
    desire(&world, 20, &[3]);
    let _apply = world.popgate(["apply", "--yes"]).ends_with(9);
    assert_eq!((disabled(&world).as_str(), restarts(&world)), ("u3@x.test", 0));
}

#[test]
fn an_apply_in_a_closed_window_for_writes_writes_nothing_and_says_so() {
    let (world, mut daemon) =
        at("2026-05-04T12:00:00Z", "    windows: [{allow: writes, at: \"22:00-23:00\"}]");
    desire(&world, 20, &[3]);
    let plan = world.popgate(["plan"]).success().stdout;
    assert!(plan.contains("the window for writes is closed until 2026-05-04T22:00:00Z"), "{plan}");
    let by_the_daemon = world.popgate(["apply", "--yes"]).ends_with(7);
    assert_eq!(daemon.stop(), Some(143));
    assert!(daemon.log().contains("the window for writes is closed, so not before"), "{}", daemon.log());
    let by_itself = world.popgate(["apply", "--yes"]).ends_with(7);
    for said in [by_the_daemon.stderr, by_itself.stderr] {
        assert!(said.contains("its window for writes is closed until 2026-05-04T22:00:00Z"), "{said}");
    }
    assert_eq!((disabled(&world).as_str(), restarts(&world)), ("", 0));
}

#[test]
fn an_end_of_access_is_announced_and_comes_in_time() {
    let (world, mut daemon) = at("2026-05-31T23:59:45Z", "");
    let entry = |n: u32, until: &str| format!("  u{n}@x.test: {{access: enabled, until: {until}}}\n");
    let (mut text, last) = ("pop3:\n".to_owned(), "2026-05-31");
    for (n, until) in [(1, last), (2, "2026-06-02"), (3, "2026-06-10"), (4, "2026-08-01")] {
        text.push_str(&entry(n, until));
    }
    for n in 5..=20 {
        text.push_str(&entry_without_end(n));
    }
    world.write("desired-state/users.yaml", &text);
    daemon.wait_for("POP3 of 1 user ends within a day: u1@x.test (last day 2026-05-31)");
    daemon.wait_for("POP3 of 1 user ends within 3 days: u2@x.test (last day 2026-06-02)");
    daemon.wait_for("POP3 of 1 user ends within 14 days: u3@x.test (last day 2026-06-10)");
    let status = world.popgate(["status"]).success().stdout;
    assert!(
        status.contains("access ends within 14 days: u1@x.test (last day 2026-05-31), u2@x.test"),
        "{status}"
    );
    assert!(status.contains("the next `until` is over 2026-06-01 00:00:00"), "{status}");
    let ahead = world.popgate(["plan", "--at", "2026-06-12T00:00:00Z"]).success().stdout;
    assert!(ahead.contains("u2@x.test") && ahead.contains("u3@x.test"), "{ahead}");
    assert!(!ahead.contains("u4@x.test"), "{ahead}");
    wait_until("the end", || (disabled(&world) == "u1@x.test").then_some(()));
    wait_until("the restart", || (restarts(&world) == 1).then_some(()));
    assert_eq!(daemon.stop(), Some(143));
    assert_eq!(daemon.log().matches("ends within").count(), 3, "each once:\n{}", daemon.log());
    let begun = find(&world, |record| matches!(record, Record::Batch { .. }).then_some(())).unwrap().0;
    assert!(begun >= moment("2026-06-01T00:00:00Z"), "{begun}");
}

#[test]
fn a_daemon_that_starts_again_repeats_no_warning_and_still_gives_the_next_one() {
    let mut world = World::new();
    users(&world, 20);
    desire(&world, 20, &[]);
    let text = world.read("desired-state/users.yaml");
    let ends = "u2@x.test: {access: enabled, until: 2026-06-02}";
    world.write("desired-state/users.yaml", text.replace("u2@x.test: enabled", ends));
    settings(&world, SOON);
    let mut warned = |now: &str| {
        world.env("POPGATE_NOW", now);
        let mut daemon = world.start(["run"]);
        wait_until("the first plan", || world.popgate(["status", "--wait"]).code.filter(|code| *code == 0));
        assert_eq!(daemon.stop(), Some(143));
        let log = daemon.log();
        let lines =
            log.lines().filter_map(|line| line.split_once("ends within ").map(|(_, end)| end.to_owned()));
        lines.collect::<Vec<_>>()
    };
    assert_eq!(warned("2026-05-25T12:00:00Z"), ["14 days: u2@x.test (last day 2026-06-02)"]);
    assert_eq!(warned("2026-05-25T13:00:00Z"), [""; 0]);
    assert_eq!(warned("2026-05-31T12:00:00Z"), ["3 days: u2@x.test (last day 2026-06-02)"]);
    assert_eq!(warned("2026-05-31T12:10:00Z"), [""; 0]);
    assert_eq!(warned("2026-06-02T12:00:00Z"), ["a day: u2@x.test (last day 2026-06-02)"]);
    assert_eq!(warned("2026-06-02T12:10:00Z"), [""; 0]);
}

/// A clock that a test sets while the daemon runs.
fn with_clock(now: &str, entry: &str) -> (World, Daemon) {
    let mut world = World::new();
    world.env("POPGATE_NOW", now);
    world.write("ahead", "0");
    world.env(AHEAD_VARIABLE, world.path("ahead").display().to_string());
    users(&world, 20);
    desire(&world, 20, &[]);
    let text = world.read("desired-state/users.yaml");
    world.write("desired-state/users.yaml", text.replace("u1@x.test: enabled", entry));
    settings(&world, SOON);
    let daemon = world.start(["run"]);
    wait_until("the first reconcile", || world.popgate(["status", "--wait"]).code.filter(|code| *code == 0));
    (world, daemon)
}

#[test]
fn a_clock_that_jumps_by_days_ends_nobody_s_access_without_an_approval() {
    let (world, mut daemon) =
        with_clock("2026-05-04T12:00:00Z", "u1@x.test: {access: enabled, until: 2026-06-30}");
    world.write("ahead", format!("{}", 365 * 24 * 3600));
    daemon.wait_for("blocked by clock (1, limit 0)");
    desire(&world, 20, &[3]);
    let text = world.read("desired-state/users.yaml");
    let entry = "u1@x.test: {access: enabled, until: 2026-06-30}";
    world.write("desired-state/users.yaml", text.replace("u1@x.test: enabled", entry));
    wait_until("the restart", || (restarts(&world) == 1).then_some(()));
    assert_eq!(disabled(&world), "u3@x.test", "everything else goes on");
    assert_eq!(daemon.stop(), Some(143));

    // The clock is right again; the journal still knows the wrong time, and nobody knows which is which.
    world.write("ahead", "0");
    let mut daemon = world.start(["run"]);
    daemon.wait_for("blocked by clock (1, limit 0)");
    let ran = world.popgate(["plan"]).ends_with(4);
    assert!(ran.stdout.contains("clock tripped"), "{}", ran.stdout);
    let doctor = world.popgate(["doctor"]).ends_with(1).stdout;
    assert!(doctor.contains("more than a day ahead of the clock"), "{doctor}");
    assert_eq!(disabled(&world), "u3@x.test");
    let id = crate::daemon::plan_id(&world);
    let _approved = world.popgate(["approve", &id, "--reason", "it did end"]).success();
    wait_until("the end of access", || (disabled(&world) == "u1@x.test u3@x.test").then_some(()));
    assert_eq!(daemon.stop(), Some(143));
}

#[test]
fn a_clock_that_is_set_by_hours_only_moves_an_end_of_access_and_back_moves_nothing() {
    let entry = "u1@x.test: {access: enabled, until: 2026-05-04}";
    let (world, mut daemon) = with_clock("2026-05-04T12:00:00Z", entry);
    world.write("ahead", format!("{}", 13 * 3600));
    wait_until("the end of access", || (disabled(&world) == "u1@x.test").then_some(()));
    wait_until("the restart", || (restarts(&world) == 1).then_some(()));
    world.write("ahead", "0");
    let _looked = world.popgate(["reconcile"]).success();
    wait_until("calm", || world.popgate(["status", "--wait"]).code.filter(|code| *code == 0));
    assert_eq!(disabled(&world), "u1@x.test", "time never runs back");
    assert_eq!(daemon.stop(), Some(143));
    let _none = world.popgate(["plan", "--detailed-exitcode"]).success();
    let lines = read_all::<Record>(&world.path("state")).unwrap();
    assert!(lines.is_sorted_by_key(|line| line.at), "no record is from before its predecessor");
}

/// A world in Berlin, where the clocks are set forward on 29 March and back on 25 October 2026.
fn in_berlin(now: &str, more: &str) -> (World, Daemon) {
    let (world, mut daemon) = at(now, more);
    assert_eq!(daemon.stop(), Some(143));
    let text = world.read("popgate.yaml");
    world.write("popgate.yaml", text + "timezone: Europe/Berlin\n");
    let daemon = world.start(["run"]);
    wait_until("the first reconcile", || world.popgate(["status", "--wait"]).code.filter(|code| *code == 0));
    (world, daemon)
}

#[test]
fn a_window_that_begins_in_the_hour_that_is_left_out_opens_after_it() {
    let window = "    windows: [{allow: restarts, at: \"02:30-04:00\"}]";
    let (world, mut daemon) = in_berlin("2026-03-29T00:59:48Z", window);
    desire(&world, 20, &[3]);
    wait_until("the write", || (disabled(&world) == "u3@x.test").then_some(()));
    let status = world.popgate(["status"]).success().stdout;
    assert!(status.contains("due 2026-03-29 03:00:00"), "{status}");
    wait_until("the restart", || (restarts(&world) == 1).then_some(()));
    assert_eq!(daemon.stop(), Some(143));
    let begun = find(&world, |record| matches!(record, Record::Restart { .. }).then_some(())).unwrap().0;
    assert!(begun >= moment("2026-03-29T01:00:00Z"), "{begun}");
}

#[test]
fn a_window_is_closed_between_the_two_times_that_a_clock_shows_the_same_hour() {
    // 02:00-02:59 comes twice; a window that ended before comes again.
    let window = "    windows: [{allow: restarts, at: \"02:00-02:01\"}]";
    let (world, mut daemon) = in_berlin("2026-10-25T00:59:48Z", window);
    desire(&world, 20, &[3]);
    wait_until("the write", || (disabled(&world) == "u3@x.test").then_some(()));
    assert_eq!(restarts(&world), 0, "the first time it is over");
    wait_until("the restart", || (restarts(&world) == 1).then_some(()));
    assert_eq!(daemon.stop(), Some(143));
    let begun = find(&world, |record| matches!(record, Record::Restart { .. }).then_some(())).unwrap().0;
    assert!(begun >= moment("2026-10-25T01:00:00Z"), "{begun}");
}

#[test]
fn the_last_day_of_access_has_twenty_five_hours_when_the_clocks_are_set_back() {
    let (world, mut daemon) = in_berlin("2026-10-25T22:59:48Z", "");
    let text = world.read("desired-state/users.yaml");
    let ends = "u1@x.test: {access: enabled, until: 2026-10-25}";
    world.write("desired-state/users.yaml", text.replace("u1@x.test: enabled", ends));
    daemon.wait_for("ends within a day: u1@x.test");
    wait_until("the end", || (disabled(&world) == "u1@x.test").then_some(()));
    assert_eq!(daemon.stop(), Some(143));
    let begun = find(&world, |record| matches!(record, Record::Batch { .. }).then_some(())).unwrap().0;
    assert!(begun >= moment("2026-10-25T23:00:00Z"), "{begun}");
}

fn entry_without_end(n: u32) -> String {
    format!("  u{n}@x.test: enabled\n")
}
