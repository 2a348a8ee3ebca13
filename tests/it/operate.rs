//! Operating a running daemon: new settings, notifications, the service manager, suspending and looking again.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use serde_json::Value;

use crate::daemon::{SOON, desire, disabled, plan_id, restarts, settings, sqlite, users};
use crate::world::program::Daemon;
use crate::world::{World, wait_until};

/// A daemon for which all is as desired, with these lines in its target's settings.
fn running(world: World, more: &str) -> (World, Daemon) {
    users(&world, 20);
    desire(&world, 20, &[]);
    settings(&world, more);
    let daemon = world.start(["run"]);
    converges(&world);
    (world, daemon)
}

fn converges(world: &World) {
    wait_until("convergence", || world.popgate(["status", "--wait"]).code.filter(|code| *code == 0));
}

fn replace(world: &World, from: &str, to: &str) {
    let text = world.read("popgate.yaml");
    assert!(text.contains(from), "{text}");
    world.write("popgate.yaml", text.replace(from, to));
}

#[test]
fn a_hangup_brings_new_settings_into_force_and_says_what_is_different() {
    let (world, mut daemon) = running(World::new(), SOON);
    replace(
        &world,
        "    refresh: 2s\n",
        "    refresh: 2s\n    guards: {max_disable: {percent: 0, always_allow: 1}}\n",
    );
    let changed = "guards.max_disable was `5 % or 10`, is `0 % or 1`";
    assert!(world.popgate(["plan"]).success().stdout.contains(changed), "the daemon knows nothing of it yet");
    daemon.signal("HUP");
    daemon.wait_for("The new settings are in force: target default: other guards.");
    daemon.wait_for("nothing to change; under a changed policy: guards.max_disable 5 % or 10 → 0 % or 1");
    desire(&world, 20, &[3, 4]);
    daemon.wait_for("blocked by max_disable (2, limit 1)");
    assert_eq!(disabled(&world), "", "the new guard holds");
    assert!(!world.popgate(["plan"]).stdout.contains(changed), "a plan was made true under it");
    // As long as a plan waits, everybody who looks at it is told under which new rules it does.
    replace(&world, "    refresh: 2s\n", "    refresh: 2s\n    on_blocked: all\n");
    daemon.signal("HUP");
    daemon.wait_for("under a changed policy: on_blocked enable → all; plan");
    let ran = world.popgate(["plan"]).ends_with(4);
    assert!(ran.stdout.contains("on_blocked was `enable`, is `all`"), "{}", ran.stdout);
    let id = plan_id(&world);
    let _approved = world.popgate(["approve", &id, "--reason", "the socket is still there"]).success();
    wait_until("the restart", || (restarts(&world) == 1).then_some(()));
    converges(&world);
    assert_eq!(disabled(&world), "u3@x.test u4@x.test");
    assert_eq!(daemon.stop(), Some(143));
    let _verified = world.popgate(["history", "--verify"]).success();
    assert!(world.read("state/journal-000001").contains("\"command\":\"reload\""));
    assert!(!world.popgate(["plan"]).stdout.contains("the policy is another one"), "now it is the usual one");
    let history = world.popgate(["history", "--format", "json"]).success().stdout;
    assert!(history.contains("on_blocked: enable → all"), "{history}");
    let history = world.popgate(["history"]).success().stdout;
    assert!(
        history.contains("ran target default under another policy (guards.max_disable: 5 % or 10 →"),
        "{history}"
    );
}

#[test]
fn invalid_settings_are_refused_and_the_old_ones_stay() {
    let (world, mut daemon) = running(World::new(), SOON);
    replace(&world, "refresh: 2s", "refesh: 2s");
    daemon.signal("HUP");
    daemon.wait_for("The new settings are refused, the old ones stay in force");
    assert!(daemon.log().contains("popgate.yaml:"), "the place is named:\n{}", daemon.log());
    desire(&world, 20, &[3]);
    wait_until("the restart", || (restarts(&world) == 1).then_some(()));
    replace(&world, "refesh: 2s", "refresh: 2s");
    daemon.signal("HUP");
    daemon.wait_for("The settings are as they were");
    assert_eq!(daemon.stop(), Some(143));
}

#[test]
fn a_service_that_owes_a_restart_cannot_be_taken_out_of_the_settings() {
    let (world, mut daemon) =
        running(World::new(), "    restart: {quiet: 1h, max_delay: 2h, min_interval: 1s}");
    desire(&world, 20, &[3]);
    wait_until("the write", || (disabled(&world) == "u3@x.test").then_some(()));
    world.script("other", "echo other >> others");
    replace(&world, "[./restart]", "[./other]");
    daemon.signal("HUP");
    daemon.wait_for("still owes a restart");
    let status = world.popgate(["status"]).success().stdout;
    assert!(status.contains("1 restart owed"), "{status}");
    let _restart = world.popgate(["restart"]).success();
    wait_until("the restart", || (restarts(&world) == 1).then_some(()));
    converges(&world);
    daemon.signal("HUP");
    daemon.wait_for("The new settings are in force: target default: other service");
    desire(&world, 20, &[3, 4]);
    wait_until("the write", || (disabled(&world) == "u3@x.test u4@x.test").then_some(()));
    let _restart = world.popgate(["restart"]).success();
    wait_until("the other service", || world.path("others").exists().then_some(()));
    assert_eq!(restarts(&world), 1);
    assert_eq!(daemon.stop(), Some(143));
}

#[test]
fn a_restart_that_a_service_owes_is_not_lost_with_its_name_in_the_settings() {
    let world = World::new();
    users(&world, 20);
    desire(&world, 20, &[3]);
    settings(&world, SOON);
    replace(&world, "[./restart]", "[./restrat]");
    let failed = world.popgate(["apply", "--yes"]).ends_with(8);
    assert!(failed.stderr.contains("there is no program `./restrat`"), "{}", failed.stderr);
    // The obvious remedy makes it another service: who knows whether it is the same one?
    replace(&world, "[./restrat]", "[./restart]");
    let told = "the settings do not name this service any more";
    let status = world.popgate(["status"]).success().stdout;
    assert!(status.contains("1 restart owed") && status.contains(told), "{status}");
    let again = world.popgate(["apply", "--yes"]).ends_with(8);
    assert!(again.stderr.contains(told), "{}", again.stderr);
    let _restart = world.popgate(["restart"]).ends_with(8);
    let mut daemon = world.start(["run"]);
    daemon.wait_for("A restart of restrat is owed, and nobody will do it");
    daemon.wait_for("nothing to change");
    let status = world.popgate(["status"]).success().stdout;
    assert!(status.starts_with("not converged: 1 restart owed") && status.contains(told), "{status}");
    let asked = world.popgate(["restart"]).ends_with(9);
    assert!(asked.stderr.contains(told), "{}", asked.stderr);
    let _wait = world.popgate(["status", "--wait", "--timeout", "1"]).ends_with(1);
    let _done = world.popgate(["restart", "--done"]).success();
    converges(&world);
    assert_eq!(daemon.stop(), Some(143));
    assert!(
        !world.popgate(["status"]).success().stdout.contains("restrat"),
        "nothing is owed by it any more"
    );
}

fn events(world: &World) -> Vec<Value> {
    let text = std::fs::read_to_string(world.path("events")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn kinds(world: &World) -> Vec<String> {
    events(world).iter().map(|event| event["event"].as_str().unwrap().to_owned()).collect()
}

fn hears(world: &World, kind: &str, times: usize) {
    wait_until(kind, || (kinds(world).iter().filter(|heard| *heard == kind).count() >= times).then_some(()));
}

/// Lets a command hear of everything.
fn notified(script: &str) -> (World, Daemon) {
    let world = World::new();
    world.script("page", script);
    users(&world, 20);
    desire(&world, 20, &[]);
    settings(&world, SOON);
    let text = world.read("popgate.yaml");
    world.write("popgate.yaml", text + "notify: {command: [./page]}\n");
    let daemon = world.start(["run"]);
    converges(&world);
    (world, daemon)
}

#[test]
fn a_command_hears_of_each_change_of_state_once_and_of_failures_always() {
    let (world, mut daemon) = notified("cat >> events");
    // Invalid, and still invalid at the next look.
    world.write("desired-state/bad.yaml", "pop3:\n  x@x.test: on\n");
    hears(&world, "invalid", 1);
    let _again = world.popgate(["reconcile"]).success();
    std::fs::remove_file(world.path("desired-state/bad.yaml")).unwrap();
    // Blocked, and still blocked after every refresh.
    let many: Vec<u32> = (1..=15).collect();
    desire(&world, 20, &many);
    hears(&world, "blocked", 1);
    let blocked = events(&world).into_iter().find(|event| event["event"] == "blocked").unwrap();
    assert_eq!(blocked["plan_id"], plan_id(&world).as_str());
    assert_eq!(blocked["target"], "default");
    std::thread::sleep(Duration::from_secs(3));
    // Failing again and again, then settled.
    world.script("restart", "test -e works || exit 4; echo restarted >> restarts");
    desire(&world, 20, &[3]);
    hears(&world, "failed", 2);
    world.write("works", "");
    hears(&world, "settled", 1);
    converges(&world);
    assert_eq!(daemon.stop(), Some(143));
    let count = |kind: &str| kinds(&world).iter().filter(|heard| *heard == kind).count();
    let once = ["invalid", "blocked", "overdue", "settled"].map(count);
    assert_eq!(once, [1; 4], "{:?}", kinds(&world));
}

#[test]
fn a_command_that_hangs_delays_no_batch() {
    let (world, mut daemon) = notified("echo heard >> heard; sleep 20");
    world.write("desired-state/bad.yaml", "pop3:\n  x@x.test: on\n");
    wait_until("the event", || world.path("heard").exists().then_some(()));
    std::fs::remove_file(world.path("desired-state/bad.yaml")).unwrap();
    desire(&world, 20, &[3]);
    let since = crate::world::clock();
    wait_until("the restart", || (restarts(&world) == 1).then_some(()));
    assert!(since.elapsed() < Duration::from_secs(15), "{:?}", since.elapsed());
    assert_eq!(world.read("heard").lines().count(), 1, "it still hangs");
    assert_eq!(daemon.stop(), Some(143));
}

#[test]
fn the_service_manager_hears_of_ready_status_life_and_stopping() {
    let mut world = World::new();
    let socket = UnixDatagram::bind(world.path("manager")).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    world.env("NOTIFY_SOCKET", world.path("manager").display().to_string());
    world.env("WATCHDOG_USEC", "600000");
    users(&world, 20);
    desire(&world, 20, &[]);
    settings(&world, SOON);
    let mut daemon = world.start(["run"]);
    let mut said = String::new();
    let mut until = |what: &str, times: usize| {
        wait_until(what, || {
            let mut bytes = [0; 4096];
            if let Ok(length) = socket.recv(&mut bytes) {
                said.push_str(std::str::from_utf8(&bytes[..length]).unwrap());
                said.push('\n');
            }
            (said.matches(what).count() >= times).then_some(())
        });
        said.clone()
    };
    let first = until("READY=1", 1);
    assert!(!first.contains("WATCHDOG=1\nREADY"), "{first}");
    until("STATUS=converged", 1);
    // All is quiet, and still it says that it lives.
    until("WATCHDOG=1", 8);
    desire(&world, 20, &[3]);
    until("STATUS=not converged: 1 restart owed", 1);
    daemon.signal("TERM");
    let all = until("STOPPING=1", 1);
    assert_eq!(daemon.wait(), Some(143));
    assert_eq!(all.matches("READY=1").count(), 1, "{all}");
}

#[test]
fn a_command_that_ends_by_itself_tells_the_service_manager_nothing() {
    let mut world = World::new();
    let socket = UnixDatagram::bind(world.path("manager")).unwrap();
    socket.set_nonblocking(true).unwrap();
    world.env("NOTIFY_SOCKET", world.path("manager").display().to_string());
    users(&world, 20);
    desire(&world, 20, &[3]);
    settings(&world, SOON);
    let _apply = world.popgate(["apply", "--yes"]).success();
    assert!(socket.recv(&mut [0; 100]).is_err());
}

#[test]
fn suspended_nothing_is_written_until_somebody_resumes() {
    let (world, mut daemon) = running(World::new(), SOON);
    let _ran = world.popgate(["suspend", "--reason", "CHG-5 migration"]).success();
    desire(&world, 20, &[3]);
    let status = wait_until("the plan", || {
        let status = world.popgate(["status"]).stdout;
        status.contains("1 to disable").then_some(status)
    });
    assert!(
        status.contains("suspended until `popgate resume`") && status.contains("CHG-5 migration"),
        "{status}"
    );
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(disabled(&world), "", "not even after a refresh");
    let waiting = world.popgate(["status"]).success().stdout;
    assert!(waiting.starts_with("not converged"), "a plan that waits is not as desired:\n{waiting}");
    let _wait = world.popgate(["status", "--wait", "--timeout", "1"]).ends_with(1);
    assert_eq!(daemon.stop(), Some(143));
    // It holds across a restart of the daemon.
    let mut daemon = world.start(["run"]);
    daemon.wait_for("Watching");
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(disabled(&world), "");
    let _ran = world.popgate(["resume", "--reason", "done"]).success();
    wait_until("the write", || (disabled(&world) == "u3@x.test").then_some(()));
    wait_until("the restart", || (restarts(&world) == 1).then_some(()));
    assert_eq!(daemon.stop(), Some(143));
}

#[test]
fn a_suspension_ends_by_itself_although_nothing_else_happens() {
    let mut world = World::new();
    world.env("POPGATE_NOW", "2026-05-04T12:00:00Z");
    let (world, mut daemon) = running(world, &format!("{SOON}\n    drift: {{enabled_by_hand: restore}}"));
    replace(&world, "refresh: 2s", "refresh: 1h");
    daemon.signal("HUP");
    daemon.wait_for("other refresh");
    let past = world.popgate(["suspend", "--reason", "x", "--until", "2026-05-04T11:00:00Z"]).ends_with(64);
    assert!(past.stderr.contains("past"), "{}", past.stderr);
    let _ran = world.popgate(["suspend", "--reason", "x", "--until", "2026-05-04T12:00:10Z"]).success();
    desire(&world, 20, &[3]);
    wait_until("the plan", || world.popgate(["status"]).stdout.contains("1 to disable").then_some(()));
    assert_eq!(disabled(&world), "");
    wait_until("the write", || (disabled(&world) == "u3@x.test").then_some(()));
    wait_until("the restart", || (restarts(&world) == 1).then_some(()));
    assert_eq!(daemon.stop(), Some(143));
}

#[test]
fn reconcile_looks_at_the_store_at_once() {
    let (world, mut daemon) = running(World::new(), SOON);
    desire(&world, 20, &[3]);
    wait_until("the restart", || (restarts(&world) == 1).then_some(()));
    converges(&world);
    replace(&world, "refresh: 2s", "refresh: 1h");
    daemon.signal("HUP");
    daemon.wait_for("other refresh");
    converges(&world);
    sqlite(&world, "UPDATE mailbox SET pop3 = 1 WHERE username = 'u3@x.test';");
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(disabled(&world), "", "nobody has looked yet");
    let _ran = world.popgate(["reconcile"]).success();
    wait_until("the drift to be healed", || (disabled(&world) == "u3@x.test").then_some(()));
    assert_eq!(daemon.stop(), Some(143));
    let none = world.popgate(["reconcile"]).ends_with(1);
    assert!(none.stderr.contains("no daemon is running"), "{}", none.stderr);
}
