//! Windows and expiry with the running daemon, whose wall clock begins where the test says.

use jiff::Timestamp;
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

fn entry_without_end(n: u32) -> String {
    format!("  u{n}@x.test: enabled\n")
}
