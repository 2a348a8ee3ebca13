//! Everything from one `popgate apply`: mailboxes changed, both services restarted on every server, and proven.

use popgate::daemon::crash::AT_VARIABLE;
use serde_json::{Value, json};

use crate::world::exchange::{Exchange, PASSWORD, USER};
use crate::world::program::{Ran, World};

const DESIRED: &str = "pop3:\n  alice@contoso.example: disabled\n";

/// Two servers in two sites, each with a controller of its own.
fn two_sites(delay: f64) -> Value {
    json!({
        "mailboxes": [{"name": "Alice"}, {"name": "Bob"}],
        "domains": [{"dns": "contoso.example", "netbios": "CONTOSO", "controllers": [
            {"name": "dc01", "site": "Taipei"}, {"name": "dc02", "site": "Berlin"},
        ]}],
        "servers": [{"name": "EX01", "site": "Taipei"}, {"name": "EX02", "site": "Berlin"}],
        "replication_delay": delay,
    })
}

pub(super) fn three_servers(more: &Value) -> Value {
    let mut scenario = json!({
        "generate": 40,
        "servers": [{"name": "EX01"}, {"name": "EX02"}, {"name": "EX03"}, {"name": "EDGE1", "role": "Edge"}],
    });
    for (key, value) in more.as_object().unwrap() {
        scenario[key] = value.clone();
    }
    scenario
}

/// Nobody has POP3; half of the generated mailboxes have it so far.
pub(super) fn nobody(count: usize) -> String {
    let users = (0..count).map(|number| format!("  user{number:05}@contoso.example: disabled\n"));
    format!("pop3:\n{}", users.collect::<String>())
}

pub(super) fn world(double: &Exchange, wait: &str) -> World {
    let world = World::new();
    world.write("desired/users.yaml", DESIRED);
    world.write("password", PASSWORD);
    let (ca, https) = (double.ca(), double.port("https"));
    let settings = format!(
        "targets:
  t:
    desired: desired
    store:
      type: exchange
      url: https://127.0.0.1:{https}/PowerShell/
      auth: basic
      username: '{USER}'
      password: {{file: password}}
      ca_file: {ca}
      replication_wait: {wait}
    service:
      type: exchange
      servers: auto
      url: 'https://{{server}}:{https}/wsman'
      pop3: {{plain: {}, tls: {}}}
    windows: always
",
        double.port("pop3"),
        double.port("pop3s"),
        ca = ca.display(),
    );
    world.write("popgate.yaml", settings);
    world
}

/// Milliseconds between the write and the restart of each service of a server, and no other restart.
fn waited(double: &Exchange, server: &str) -> Vec<u64> {
    let at = |event: &Value| event["at"].as_f64().unwrap();
    let written = at(double.events("set").last().unwrap());
    let restarts = double.events("restart");
    let ours = restarts.iter().filter(|event| event["server"] == server);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few seconds")]
    ours.map(|event| ((at(event) - written) * 1000.0) as u64).collect()
}

pub(super) fn succeeded(ran: &Ran) {
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn one_apply_changes_a_mailbox_and_restarts_both_services_on_every_server_once() {
    let double = Exchange::start(&two_sites(0.0));
    let world = world(&double, "15m");
    let ran = world.popgate(["apply", "--yes"]);
    succeeded(&ran);
    assert!(!double.pop("alice@contoso.example") && double.pop("bob@contoso.example"));
    assert_eq!((double.restarts("EX01"), double.restarts("EX02")), ((1, 1), (1, 1)));
    let history = world.popgate(["history"]).stdout;
    assert_eq!(history.matches("runs anew as process").count(), 4, "{history}");
    assert!(!history.contains("replication not confirmed"), "{history}");
    // A look before the batch and one after, and for each service a look, the restart, another look, and whether it greets.
    let sessions = double.events("create").iter().filter(|session| session["server"] == "EX02").count();
    assert!(sessions <= 2 + 2 * 4, "{sessions} sessions on one server");
    let again = world.popgate(["apply", "--yes"]);
    succeeded(&again);
    assert_eq!((double.restarts("EX01"), double.restarts("EX02")), ((1, 1), (1, 1)));
}

#[test]
fn a_server_is_restarted_when_the_controller_of_its_site_has_the_change() {
    let double = Exchange::start(&two_sites(6.0));
    let world = world(&double, "15m");
    let ran = world.popgate(["apply", "--yes"]);
    succeeded(&ran);
    let (near, far) = (waited(&double, "EX01"), waited(&double, "EX02"));
    assert!(near.len() == 2 && near.iter().all(|waited| *waited < 6000), "{near:?}");
    assert!(far.len() == 2 && far.iter().all(|waited| *waited >= 6000), "{far:?}");
    assert!(ran.stderr.contains("waits for replication"), "{}", ran.stderr);
    let history = world.popgate(["history"]).stdout;
    assert!(!history.contains("replication not confirmed"), "{history}");
}

#[test]
fn a_controller_that_does_not_answer_delays_a_restart_and_does_not_prevent_it() {
    let double = Exchange::start(&two_sites(0.0));
    double.control("/controller", &json!({"name": "dc02", "down": true}));
    let world = world(&double, "5s");
    let ran = world.popgate(["apply", "--yes"]);
    succeeded(&ran);
    assert!(ran.stderr.contains("dc02.contoso.example"), "{}", ran.stderr);
    let (near, far) = (waited(&double, "EX01"), waited(&double, "EX02"));
    assert!(near.len() == 2 && near.iter().all(|waited| *waited < 4500), "{near:?}");
    assert!(far.len() == 2 && far.iter().all(|waited| *waited >= 4500), "{far:?}");
    let history = world.popgate(["history"]).stdout;
    assert_eq!(history.matches("replication not confirmed").count(), 2, "{history}");
}

#[test]
fn after_the_longest_wait_it_is_restarted_and_its_proof_says_what_is_not_known() {
    let double = Exchange::start(&two_sites(3600.0));
    let world = world(&double, "5s");
    let ran = world.popgate(["apply", "--yes"]);
    succeeded(&ran);
    let far = waited(&double, "EX02");
    assert!(far.len() == 2 && far.iter().all(|waited| *waited >= 4500), "{far:?}");
    for shown in [world.popgate(["history"]).stdout, world.popgate(["status"]).stdout, ran.stderr] {
        let unconfirmed: Vec<&str> =
            shown.lines().filter(|line| line.contains("replication not confirmed")).collect();
        assert_eq!(unconfirmed.len(), 2, "{shown}");
        assert!(unconfirmed.iter().all(|line| line.contains("EX02")), "{shown}");
    }
}

#[test]
fn a_restart_with_a_reason_waits_for_no_controller() {
    let double = Exchange::start(&two_sites(3600.0));
    let world = world(&double, "15m");
    let ran = world.popgate(["apply", "--yes", "--restart", "defer"]);
    assert_eq!(ran.code, Some(9), "{}", ran.stderr);
    assert_eq!(double.restarts("EX02"), (0, 0));
    succeeded(&world.popgate(["restart", "--now", "--reason", "CHG-7"]));
    assert_eq!(double.restarts("EX02"), (1, 1));
    let history = world.popgate(["history"]).stdout;
    assert_eq!(history.matches("replication not confirmed").count(), 2, "{history}");
}

#[test]
fn a_service_that_somebody_stopped_stays_so_and_the_others_restart() {
    let double = Exchange::start(&three_servers(&json!({})));
    double
        .control("/server", &json!({"of": "EX02", "services": {"MSExchangePOP3BE": {"status": "Stopped"}}}));
    let world = world(&double, "15m");
    world.write("desired/users.yaml", nobody(10));
    let ran = world.popgate(["apply", "--yes"]);
    succeeded(&ran);
    let restarts = ["EX01", "EX02", "EX03"].map(|server| double.restarts(server));
    assert_eq!(restarts, [(1, 1), (1, 0), (1, 1)]);
    let stopped = "MSExchangePOP3BE on EX02 needs no restart: it is stopped";
    assert_eq!(ran.stderr.matches(stopped).count(), 1, "{}", ran.stderr);
    let state = double.state();
    assert_eq!(state["servers"]["EX02"]["services"]["MSExchangePOP3BE"]["status"], "Stopped");
}

#[test]
fn a_server_that_does_not_come_back_stops_the_roll_and_the_rest_stays_owed() {
    let double = Exchange::start(&three_servers(&json!({})));
    double.control("/server", &json!({"of": "EX01", "services": {"MSExchangePop3": {"comes_back": false}}}));
    let world = world(&double, "15m");
    world.write("desired/users.yaml", nobody(10));
    let ran = world.popgate(["apply", "--yes"]);
    assert_eq!(ran.code, Some(8), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.contains("EX01 did not come back"), "{}", ran.stderr);
    assert_eq!((double.restarts("EX02"), double.restarts("EX03")), ((0, 0), (0, 0)));
    double.control("/server", &json!({"of": "EX01", "services": {"MSExchangePop3": {"comes_back": true}}}));
    succeeded(&world.popgate(["restart"]));
    assert_eq!((double.restarts("EX02"), double.restarts("EX03")), ((1, 1), (1, 1)));
    let state = double.state();
    assert_eq!(state["servers"]["EX01"]["services"]["MSExchangePop3"]["status"], "Running");
    assert_eq!(world.popgate(["restart"]).stdout, "no restart is owed\n");
}

#[test]
fn a_server_that_is_gone_for_good_is_told_from_one_that_does_not_answer() {
    let double = Exchange::start(&three_servers(&json!({})));
    let world = world(&double, "15m");
    let mut daemon = world.start(["run"]);
    daemon.wait_for("is in force");
    assert_eq!(world.popgate(["status", "--wait"]).code, Some(0));
    double.control("/server", &json!({"of": "EX03", "down": true}));
    world.write("desired/users.yaml", nobody(2));
    daemon.wait_for("The POP3 services of EX03 cannot be seen");
    daemon.wait_for("owed, due in");
    // The process knows its servers, and none of them is asked for again before the next batch.
    double.control("/server", &json!({"of": "EX03", "role": "Edge"}));
    let _asked = world.popgate(["restart", "--now", "--reason", "retired EX03"]);
    daemon.wait_for("Exchange has no server EX03 any more");
    assert_eq!(double.restarts("EX01"), (1, 1));
    assert_eq!(daemon.stop(), Some(143));
}

#[test]
fn what_still_serves_on_a_server_is_not_touched_while_the_other_service_is_down() {
    let double = Exchange::start(&three_servers(&json!({})));
    double
        .control("/server", &json!({"of": "EX01", "services": {"MSExchangePOP3BE": {"comes_back": false}}}));
    let world = world(&double, "15m");
    world.write("desired/users.yaml", nobody(10));
    let ran = world.popgate(["apply", "--yes"]);
    assert_eq!(ran.code, Some(8), "{}{}", ran.stdout, ran.stderr);
    let waits = "MSExchangePop3 on EX01 is left alone, because MSExchangePOP3BE did not come back there: it is stopped";
    assert!(ran.stderr.contains(waits), "{}", ran.stderr);
    assert_eq!(double.restarts("EX01").0, 0);
    double.control("/server", &json!({"of": "EX01", "services": {"MSExchangePOP3BE": {"comes_back": true}}}));
    succeeded(&world.popgate(["restart"]));
    assert_eq!(["EX01", "EX02", "EX03"].map(|server| double.restarts(server).0), [1, 1, 1]);
    assert_eq!(world.popgate(["restart"]).stdout, "no restart is owed\n");
}

#[test]
fn a_server_that_goes_in_the_middle_of_a_batch_leaves_doubt_that_the_next_read_decides() {
    let double = Exchange::start(&three_servers(&json!({})));
    let world = world(&double, "15m");
    world.write("desired/users.yaml", nobody(10));
    double.fault(&json!({"kind": "gone", "after": 2}));
    let ran = world.popgate(["apply", "--yes"]);
    assert!(ran.code != Some(0), "{}{}", ran.stdout, ran.stderr);
    double.control("/server", &json!({"of": "EX01", "down": false}));
    let ran = world.popgate(["apply", "--yes"]);
    succeeded(&ran);
    let state = double.state();
    let mailboxes = state["mailboxes"].as_object().unwrap().values();
    let enabled = mailboxes.filter(|mailbox| mailbox["pop"] == true).count();
    assert_eq!(enabled, 15, "of 40, every other one of those that are not listed");
    for server in ["EX01", "EX02", "EX03"] {
        let (front, back) = double.restarts(server);
        assert!((1..=2).contains(&front) && (1..=2).contains(&back), "{server}: {front}, {back}");
    }
    assert_eq!(world.popgate(["restart"]).stdout, "no restart is owed\n");
}

#[test]
fn killed_at_any_point_the_next_apply_finishes_what_was_begun() {
    for point in [
        "before append pinned",
        "after append pinned",
        "before write",
        "after write",
        "before restart",
        "after restart",
        "before append settled",
    ] {
        let double = Exchange::start(&two_sites(0.0));
        let mut world = world(&double, "15m");
        world.env(AT_VARIABLE, point);
        assert_eq!(world.popgate(["apply", "--yes"]).code, None, "{point}: killed by a signal");
        world.env(AT_VARIABLE, "");
        succeeded(&world.popgate(["apply", "--yes"]));
        assert!(!double.pop("alice@contoso.example"), "{point}");
        // A process shows its identity, so no restart is lost and none is made twice.
        assert_eq!((double.restarts("EX01"), double.restarts("EX02")), ((1, 1), (1, 1)), "{point}");
        assert_eq!(world.popgate(["restart"]).stdout, "no restart is owed\n", "{point}");
    }
}
