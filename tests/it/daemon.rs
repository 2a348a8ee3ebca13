//! The daemon on real files, a real `SQLite` store and a service that counts.

use std::fmt::Write as _;

use std::path::Path;

use crate::world::{World, require, wait_until};

/// Settings of a world: a mailbox table of its own, and a script that takes down each restart.
pub(crate) fn settings(world: &World, more: &str) {
    world.script("restart", "cat >> disabled; echo restarted >> restarts");
    world.write(
        "popgate.yaml",
        format!(
            "version: 1
state: state
targets:
  default:
    desired: desired-state
    store: {{type: sqlite, path: users.db, table: mailbox, key: username, access: {{columns: [pop3], enabled: 1, disabled: 0}}}}
    service: {{type: command, restart: [./restart], timeout: 10s}}
    refresh: 2s
{more}
watch: {{quiet: 200ms, max_wait: 2s, resync: 5s}}
"
        ),
    );
}

/// Restart timing that a test can wait for.
pub(crate) const SOON: &str = "    restart: {quiet: 300ms, max_delay: 5s, min_interval: 1s}";

/// Creates the mailbox table with users `u1@x.test` … all enabled.
pub(crate) fn users(world: &World, count: u32) {
    let mut sql = "PRAGMA journal_mode = WAL;\
        CREATE TABLE mailbox (username TEXT PRIMARY KEY, pop3 INTEGER NOT NULL DEFAULT 1);\nBEGIN;\n"
        .to_owned();
    for n in 1..=count {
        writeln!(sql, "INSERT INTO mailbox VALUES ('u{n}@x.test', 1);").unwrap();
    }
    sql.push_str("COMMIT;\n");
    sqlite(world, &sql);
}

/// Runs SQL with the program of `SQLite` itself.
pub(crate) fn sqlite(world: &World, sql: &str) -> String {
    let mut command = world.command(require("sqlite3"));
    command.args(["-cmd", ".timeout 5000", "users.db"]);
    world.run(command, sql).success().stdout.trim().to_owned()
}

/// Lists the users that have no POP3.
pub(crate) fn disabled(world: &World) -> String {
    sqlite(
        world,
        "SELECT group_concat(username, ' ') FROM (SELECT username FROM mailbox WHERE pop3 = 0 ORDER BY 1);",
    )
}

/// Returns how often the service was restarted.
pub(crate) fn restarts(world: &World) -> usize {
    if Path::new(&world.path("restarts")).exists() { world.read("restarts").lines().count() } else { 0 }
}

/// Writes a desired state in which these users are disabled and `u1` to `u{count}` are listed.
pub(crate) fn desire(world: &World, count: u32, disabled: &[u32]) {
    let mut text = "pop3:\n".to_owned();
    for n in 1..=count {
        let access = if disabled.contains(&n) { "disabled" } else { "enabled" };
        writeln!(text, "  u{n}@x.test: {access}").unwrap();
    }
    world.write("new.tmp", text);
    std::fs::create_dir_all(world.path("desired-state")).unwrap();
    std::fs::rename(world.path("new.tmp"), world.path("desired-state/users.yaml")).unwrap();
}

#[test]
fn an_edit_is_one_batch_and_one_restart_and_nothing_before_it_is() {
    let world = World::new();
    users(&world, 20);
    desire(&world, 20, &[]);
    settings(&world, SOON);
    let mut daemon = world.start(["run"]);
    wait_until("the first reconcile", || world.popgate(["status", "--wait"]).code.filter(|code| *code == 0));
    assert_eq!(restarts(&world), 0, "nothing was written, so nothing is owed");
    desire(&world, 20, &[3, 4]);
    wait_until("the restart", || (restarts(&world) == 1).then_some(()));
    assert_eq!(disabled(&world), "u3@x.test u4@x.test");
    assert_eq!(world.read("disabled"), "u3@x.test\nu4@x.test\n");
    let _status = world.popgate(["status", "--wait"]).success();
    assert_eq!(daemon.stop(), Some(143));
    assert_eq!(restarts(&world), 1);
}

#[test]
fn forty_files_saved_within_a_second_are_one_plan_one_batch_and_one_restart() {
    let world = World::new();
    users(&world, 1000);
    for n in 1..=40 {
        world.write(&format!("desired-state/team-{n}.yaml"), format!("pop3:\n  u{n}@x.test: enabled\n"));
    }
    settings(&world, SOON);
    let mut daemon = world.start(["run"]);
    wait_until("the first reconcile", || world.popgate(["status", "--wait"]).code.filter(|code| *code == 0));
    for n in 1..=40 {
        world.write(&format!("desired-state/team-{n}.yaml"), format!("pop3:\n  u{n}@x.test: disabled\n"));
        std::thread::sleep(std::time::Duration::from_millis(15));
    }
    wait_until("the restart", || (restarts(&world) == 1).then_some(()));
    let _status = world.popgate(["status", "--wait"]).success();
    assert_eq!(disabled(&world).split(' ').count(), 40);
    assert_eq!(daemon.stop(), Some(143));
    assert_eq!(restarts(&world), 1);
    let log = daemon.log();
    assert_eq!(log.matches("atch 1").count() > 0, log.matches("atch 2").count() == 0, "{log}");
    assert!(!log.contains("atch 2"), "one batch:\n{log}");
}

#[test]
fn a_daemon_killed_between_write_and_restart_restarts_once_after_it_starts_again() {
    let world = World::new();
    users(&world, 20);
    desire(&world, 20, &[]);
    settings(&world, "    restart: {quiet: 2s, max_delay: 3s, min_interval: 1s}");
    let mut daemon = world.start(["run"]);
    wait_until("the first reconcile", || world.popgate(["status", "--wait"]).code.filter(|code| *code == 0));
    desire(&world, 20, &[7]);
    wait_until("the write", || (disabled(&world) == "u7@x.test").then_some(()));
    daemon.signal("KILL");
    daemon.wait();
    assert_eq!(restarts(&world), 0, "the restart was not due yet");

    let plan = world.popgate(["plan"]).success();
    assert!(plan.stdout.contains("u7@x.test"), "the plan says who is not locked out yet:\n{}", plan.stdout);
    let mut daemon = world.start(["run"]);
    wait_until("the restart", || (restarts(&world) == 1).then_some(()));
    assert_eq!(world.read("disabled"), "u7@x.test\n");
    let _status = world.popgate(["status", "--wait"]).success();
    assert_eq!(daemon.stop(), Some(143));
    let mut daemon = world.start(["run"]);
    let _status = world.popgate(["status", "--wait"]);
    wait_until("it settles", || world.popgate(["status", "--wait"]).code.filter(|code| *code == 0));
    assert_eq!(daemon.stop(), Some(143));
    assert_eq!(restarts(&world), 1, "the debt was paid once");
}

#[test]
fn broken_yaml_keeps_the_last_good_state_in_force_even_across_a_restart_of_the_daemon() {
    let world = World::new();
    users(&world, 20);
    desire(&world, 20, &[1]);
    settings(&world, SOON);
    let _apply = world.popgate(["apply", "--yes"]).success();
    assert_eq!(disabled(&world), "u1@x.test");
    world.write("desired-state/users.yaml", "pop3:\n  u1@x.test: on\n  u2@x.test: disabled\n");
    let mut daemon = world.start(["run"]);
    daemon.wait_for("POP");
    assert!(daemon.log().contains("users.yaml:2:"), "{}", daemon.log());
    // Drift is still healed, by the state that was good.
    sqlite(&world, "UPDATE mailbox SET pop3 = 1 WHERE username = 'u1@x.test';");
    wait_until("the drift to be healed", || (disabled(&world) == "u1@x.test").then_some(()));
    assert_eq!(daemon.stop(), Some(143));
}

#[test]
fn a_directory_that_vanishes_changes_nothing_and_is_picked_up_when_it_is_back() {
    let world = World::new();
    users(&world, 20);
    desire(&world, 20, &[1]);
    settings(&world, SOON);
    let mut daemon = world.start(["run"]);
    daemon.wait_for("desired-state");
    wait_until("the first change to wait for adoption", || {
        world.popgate(["status"]).stdout.contains("first_contact").then_some(())
    });
    let id = plan_id(&world);
    let _approved = world.popgate(["approve", &id, "--reason", "adopt"]).success();
    wait_until("the first change", || (disabled(&world) == "u1@x.test").then_some(()));
    std::fs::rename(world.path("desired-state"), world.path("away")).unwrap();
    daemon.wait_for("POP200");
    assert_eq!(disabled(&world), "u1@x.test");
    std::fs::rename(world.path("away"), world.path("desired-state")).unwrap();
    desire(&world, 20, &[1, 2]);
    wait_until("the next change", || (disabled(&world) == "u1@x.test u2@x.test").then_some(()));
    assert_eq!(daemon.stop(), Some(143));
}

/// Returns the id of the present plan.
pub(crate) fn plan_id(world: &World) -> String {
    let plan = world.popgate(["plan", "--format", "json"]).stdout;
    let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
    plan["plan_id"].as_str().unwrap().to_owned()
}

#[test]
fn a_second_daemon_is_refused_and_names_the_first() {
    let world = World::new();
    users(&world, 5);
    desire(&world, 5, &[]);
    settings(&world, SOON);
    let mut daemon = world.start(["run"]);
    wait_until("the first reconcile", || world.popgate(["status", "--wait"]).code.filter(|code| *code == 0));
    let second = world.popgate(["run"]).ends_with(7);
    assert!(second.stderr.contains(&daemon.pid().to_string()), "{}", second.stderr);
    assert_eq!(daemon.stop(), Some(143));
}

#[test]
fn apply_hands_over_to_a_running_daemon() {
    let world = World::new();
    users(&world, 20);
    desire(&world, 20, &[]);
    settings(&world, "    restart: {quiet: 300ms, max_delay: 5s, min_interval: 300ms}");
    let mut daemon = world.start(["run"]);
    wait_until("the first reconcile", || world.popgate(["status", "--wait"]).code.filter(|code| *code == 0));
    desire(&world, 20, &[9]);
    let _apply = world.popgate(["apply", "--yes"]);
    wait_until("the change", || (disabled(&world) == "u9@x.test").then_some(()));
    assert_eq!(daemon.stop(), Some(143));
}

#[test]
fn a_service_command_that_fails_keeps_the_restart_owed_until_it_works() {
    let world = World::new();
    users(&world, 20);
    desire(&world, 20, &[5]);
    settings(&world, SOON);
    world
        .script("restart", "test -e works || { echo out of order >&2; exit 4; }\necho restarted >> restarts");
    let apply = world.popgate(["apply", "--yes"]).ends_with(8);
    assert!(apply.stderr.contains("out of order"), "{}", apply.stderr);
    assert!(apply.stderr.contains("u5@x.test"), "who can still log in: {}", apply.stderr);
    assert_eq!(disabled(&world), "u5@x.test");
    let status = world.popgate(["status"]).success();
    assert!(status.stdout.contains("out of order"), "{}", status.stdout);
    world.write("works", "");
    let _restart = world.popgate(["restart"]).success();
    assert_eq!(restarts(&world), 1);
    let again = world.popgate(["restart"]).success();
    assert_eq!(again.stdout, "no restart is owed\n");
    assert_eq!(restarts(&world), 1);
}

#[test]
fn a_hanging_service_command_is_ended_at_its_timeout_and_stays_owed() {
    let world = World::new();
    users(&world, 20);
    desire(&world, 20, &[5]);
    settings(&world, SOON);
    let text = world.read("popgate.yaml").replace("timeout: 10s", "timeout: 1s");
    world.write("popgate.yaml", text);
    world.script("restart", "sleep 600");
    let apply = world.popgate(["apply", "--yes"]).ends_with(8);
    assert!(apply.stderr.contains("1 s") || apply.stderr.contains("1s"), "{}", apply.stderr);
}

#[test]
fn the_first_signal_waits_for_the_step_in_flight_and_says_so_and_the_second_does_not() {
    let world = World::new();
    users(&world, 20);
    settings(&world, SOON);
    desire(&world, 20, &[]);
    world.script("restart", "echo begun >> begun; sleep 60");
    let mut daemon = world.start(["run"]);
    wait_until("the first reconcile", || world.popgate(["status", "--wait"]).code.filter(|code| *code == 0));
    desire(&world, 20, &[3]);
    wait_until("the restart", || world.path("begun").exists().then_some(()));
    daemon.signal("INT");
    daemon.wait_for("Stopping when the step in flight is over; a second signal aborts it.");
    assert!(!daemon.ended());
    daemon.signal("TERM");
    assert_eq!(daemon.wait(), Some(130), "the first signal counts");
    let status = world.popgate(["status"]).success().stdout;
    assert!(status.contains("1 restart owed"), "the journal still knows:\n{status}");
}

#[test]
fn a_restart_that_is_deferred_stays_owed_until_it_is_asked_for() {
    let world = World::new();
    users(&world, 20);
    desire(&world, 20, &[5]);
    settings(&world, SOON);
    let _apply = world.popgate(["apply", "--yes", "--restart", "defer"]).ends_with(9);
    assert_eq!(restarts(&world), 0);
    let _apply = world.popgate(["apply"]).success();
    assert_eq!(restarts(&world), 1, "an apply with nothing to write settles what is owed");
}
