//! The whole program on Exchange: what a person sees, and what never shows.

use std::process::{Command, Output};

use serde_json::json;

use crate::world::exchange::{Exchange, PASSWORD, USER};

/// Runs popgate with a target on the double, which this desired state describes.
fn popgate(double: &Exchange, desired: &str, arguments: &[&str]) -> Output {
    run(Command::new(env!("CARGO_BIN_EXE_popgate")), double, desired, arguments)
}

fn run(mut command: Command, double: &Exchange, desired: &str, arguments: &[&str]) -> Output {
    let dir = double.dir();
    std::fs::create_dir_all(dir.join("desired")).unwrap();
    std::fs::write(dir.join("desired/users.yaml"), desired).unwrap();
    std::fs::write(dir.join("password"), format!("{PASSWORD}\n")).unwrap();
    let settings = format!(
        "targets:\n  t:\n    desired: desired\n    store:\n      type: exchange\n      url: \
         \"https://localhost:{}/PowerShell/\"\n      auth: basic\n      username: '{USER}'\n      password: {{file: \
         password}}\n      ca_file: {}\n    service: {{type: none}}\n    windows: always\n",
        double.port("https"),
        double.ca().display()
    );
    std::fs::write(dir.join("popgate.yaml"), settings).unwrap();
    command.current_dir(dir).args(arguments).env("RUST_LOG", "trace").output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn nothing_secret_is_in_a_log_of_every_level_nor_in_the_journal() {
    let double = Exchange::start(&json!({"mailboxes": [{"name": "Alice"}], "require_cookie": true}));
    let output = popgate(&double, "pop3:\n  Alice: disabled\n", &["-vvv", "apply", "--yes"]);
    let said = text(&output);
    assert!(output.status.success() && !double.pop("alice@contoso.example"), "{said}");
    assert!(said.contains("TRACE"), "not every level is logged: {said}");
    let pair = "Q09OVE9TT1xzdmMtcG9wZ2F0ZTpQYXNzdzByZCE";
    let mut places = vec![("the output".to_owned(), said)];
    for entry in std::fs::read_dir(double.dir().join(".popgate")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            places.push((path.display().to_string(), String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
    assert!(places.len() > 1, "there is a journal");
    for (place, text) in places {
        for secret in [PASSWORD, pair, "MS-WSMAN="] {
            assert!(!text.contains(secret), "{secret} is in {place}: {text}");
        }
    }
}

#[test]
fn aliases_and_upns_are_looked_up_and_their_meaning_and_the_controller_are_kept() {
    let double = Exchange::start(&json!({"mailboxes": [
        {"name": "Alice", "alias": "ally", "upn": "a.smith@contoso.example"}, {"name": "Bob", "alias": "bobby"},
    ]}));
    let desired = "pop3:\n  a.smith@contoso.example: disabled\n  bobby: disabled\n";
    let plan = text(&popgate(&double, desired, &["plan"]));
    assert!(plan.contains("alice@contoso.example") || plan.contains("a.smith@contoso.example"), "{plan}");
    let output = popgate(&double, desired, &["apply", "--yes"]);
    assert!(output.status.success(), "{}", text(&output));
    assert!(!double.pop("bobby@contoso.example") || !double.pop("bob@contoso.example"));
    let journal: String = std::fs::read_dir(double.dir().join(".popgate"))
        .unwrap()
        .filter_map(|entry| std::fs::read_to_string(entry.unwrap().path()).ok())
        .collect();
    for kept in ["dc01.contoso.example", "bobby", "a.smith@contoso.example"] {
        assert!(journal.contains(kept), "{kept} is not kept: {journal}");
    }
    let again = popgate(&double, desired, &["apply", "--yes"]);
    assert!(again.status.success(), "{}", text(&again));
    assert_eq!(double.state()["open_shells"], 0);
}

#[test]
fn another_controller_that_has_not_heard_yet_shows_no_drift() {
    let double = Exchange::start(&json!({"mailboxes": [{"name": "Alice"}], "replication_delay": 3600}));
    let desired = "pop3:\n  Alice: disabled\n";
    assert!(popgate(&double, desired, &["apply", "--yes"]).status.success());
    double.control("/controller", &json!({"name": "dc01", "down": true}));
    let plan = text(&popgate(&double, desired, &["plan"]));
    assert!(plan.contains("on its way"), "{plan}");
    let output = popgate(&double, desired, &["plan", "--detailed-exitcode"]);
    assert_ne!(output.status.code(), Some(2), "{}", text(&output));
}

#[test]
fn a_read_begun_before_somebody_else_wrote_into_the_journal_does_not_count() {
    let double = Exchange::start(&json!({"mailboxes": [{"name": "Alice"}]}));
    let reads_again = |command: Command| {
        let output = run(command, &double, "pop3:\n  Alice: enabled\n", &["-vvv", "apply", "--yes"]);
        assert!(output.status.success(), "{}", text(&output));
        text(&output).contains("the journal was written into while the stores were read: they are read again")
    };
    assert!(!reads_again(Command::new(env!("CARGO_BIN_EXE_popgate"))));
    assert!(!reads_again(Command::new(env!("CARGO_BIN_EXE_popgate"))));
    // To a clock that is behind, what the journal holds was written after the read had begun.
    let mut behind = Command::new("faketime");
    behind.args(["-m", "-f", "-1h", env!("CARGO_BIN_EXE_popgate")]);
    assert!(reads_again(behind));
}

#[test]
fn the_administrator_cannot_be_listed() {
    let double =
        Exchange::start(&json!({"mailboxes": [{"name": "Administrator", "alias": "Administrator"}]}));
    let output = popgate(&double, "pop3:\n  Administrator: disabled\n", &["plan"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    let own = popgate(&double, "pop3:\n  CONTOSO\\svc-popgate: disabled\n", &["plan"]);
    assert_eq!(own.status.code(), Some(3), "{}", text(&own));
}
