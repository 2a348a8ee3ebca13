//! Everything from one `popgate apply`: mailboxes changed, both services restarted on every server, and proven.

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

fn world(double: &Exchange, wait: &str) -> World {
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

fn succeeded(ran: &Ran) {
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
