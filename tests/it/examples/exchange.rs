//! The examples for Exchange: the settings as they stand, and the farm from a commit to two restarts on each server.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::world::exchange::{Exchange, PASSWORD, USER};
use crate::world::{World, require, wait_until};

const FRONT: &str = "MSExchangePop3";
const BACK: &str = "MSExchangePOP3BE";

fn example(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/exchange").join(file)
}

fn read(file: &str) -> String {
    std::fs::read_to_string(example(file)).unwrap()
}

/// An organisation with the users of the example, as they are today.
fn organisation() -> Value {
    json!({
        "servers": [{ "name": "EX01" }, { "name": "EX02" }, { "name": "EX03" }, { "name": "EDGE1", "role": "Edge" }],
        "require_cookie": true,
        "mailboxes": [
            { "name": "John Smith", "alias": "jsmith" },
            { "name": "Anna Meier", "alias": "anna.meier" },
            { "name": "Scanner 3", "alias": "scanner-3" },
            { "name": "Ceo", "alias": "ceo", "pop": false },
            { "name": "HealthMailbox1a2b", "alias": "HealthMailbox1a2b", "monitoring": true },
        ],
    })
}

/// The settings of the farm, with the double's addresses and Basic in place of the real ones and Kerberos.
fn farm(double: &Exchange, file: &str) -> String {
    let https = double.port("https");
    let mut text = read(file)
        .replace("outlook.contoso.example/", &format!("127.0.0.1:{https}/"))
        .replace("auth: kerberos", "auth: basic")
        .replace("username: svc-popgate@CONTOSO.EXAMPLE", &format!("username: '{USER}'"))
        .replace("keytab: /etc/popgate/svc-popgate.keytab", "password: {file: password}")
        .replace("/etc/popgate/contoso-ca.pem", double.ca().to_str().unwrap())
        .replace("{server}:5986", &format!("{{server}}:{https}"))
        .replace(
            "plain: 110, tls: 995",
            &format!("plain: {}, tls: {}", double.port("pop3"), double.port("pop3s")),
        )
        .replace("tls_name: mail.contoso.example", "tls_name: ex.contoso.example")
        .replace("/var/lib/popgate", "state")
        .replace(
            "quiet: 5m, max_delay: 4h, min_interval: 1h",
            "quiet: 500ms, max_delay: 10s, min_interval: 0s",
        );
    // Whatever the hour is.
    let (before, _) = text.split_once("    windows: ").unwrap();
    text = format!("{before}    windows: always\nwatch: {{quiet: 200ms, max_wait: 2s, resync: 5s}}\n");
    assert!(!text.contains("contoso.example:5986") && !text.contains("kerberos"), "{text}");
    text
}

/// A world with the settings, and a git clone whose files say what is true already.
fn world(double: &Exchange, file: &str) -> World {
    let world = World::new();
    world.write("popgate.yaml", farm(double, file));
    world.write("password", PASSWORD);
    world.write(
        "desired-state/staff.yaml",
        read("desired-state/staff.yaml").replace("John Smith: disabled", "John Smith: enabled"),
    );
    git(&world, &["init", "--quiet", "--initial-branch=main"]);
    commit(&world, "As it is today");
    world
}

fn git(world: &World, arguments: &[&str]) {
    let mut command = world.command(require("git"));
    command
        .args(["-C", "desired-state", "-c", "user.name=A", "-c", "user.email=a@contoso.example"])
        .args(arguments);
    let _done = world.run(command, "").success();
}

fn commit(world: &World, subject: &str) {
    git(world, &["add", "--all"]);
    git(world, &["commit", "--quiet", "--message", subject]);
}

fn settled(world: &World) {
    wait_until("everything to be settled", || {
        world.popgate(["status", "--wait"]).code.filter(|code| *code == 0)
    });
}

#[test]
fn every_settings_file_is_in_order() {
    for file in ["one-server.yaml", "farm.yaml", "forest.yaml", "manual.yaml"] {
        let world = World::new();
        let said = world.popgate(["-c", example(file).to_str().unwrap(), "validate"]).success();
        assert!(said.stdout.contains("ok: 3 users in 1 file"), "{file}: {}", said.stdout);
    }
}

#[test]
fn the_first_hour_goes_as_it_is_written() {
    let double = Exchange::start(&organisation());
    let mut world = world(&double, "farm.yaml");
    // Whatever the hour is, the window is closed.
    let mut date = world.command("date");
    date.args(["-u", "-d", "3 days", "+[{allow: restarts, at: \"12:00-13:00\", days: [%a]}]"])
        .env("LC_ALL", "C");
    let window = world.run(date, "").success().stdout.to_lowercase();
    let settings = world.read("popgate.yaml").replace("always", window.trim());
    world.write("farm.yaml", settings);
    let bin = Path::new(env!("CARGO_BIN_EXE_popgate")).parent().unwrap().to_str().unwrap().to_owned();
    world.env("PATH", format!("{bin}:/usr/bin:/bin"));
    let text = read("README.md");
    let (_, hour) = text.split_once("## The first hour").unwrap();
    let steps = hour.lines().filter_map(|line| line.strip_prefix("$ "));
    let expected = [
        (0, "EX03: Restart-Service can be used"),
        (0, ""),
        (0, "nothing to change"),
        (0, "Wrote desired-state/staff.yaml"),
        (0, "1 change: disable POP3 for 1 user"),
        (9, "1 change done"),
        (0, "6 restarts owed"),
    ];
    let mut done = 0;
    for (step, (code, words)) in steps.zip(expected) {
        let step = step.replace(" apply ", " apply --yes ");
        let mut shell = world.command("sh");
        shell.args(["-c", &step]);
        let ran = world.run(shell, "").ends_with(code);
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(said.contains(words), "`{step}` does not say `{words}`: {said}");
        done += 1;
    }
    assert_eq!(done, expected.len(), "every step is still there");
    assert!(!double.pop("jsmith@contoso.example") && double.pop("anna.meier@contoso.example"));
    assert_eq!(double.restarts("EX01"), (0, 0));
}

#[test]
fn a_commit_becomes_one_batch_and_two_restarts_on_each_server() {
    let double = Exchange::start(&organisation());
    let world = world(&double, "farm.yaml");
    let doctor = world.popgate(["doctor"]).success().stdout;
    for line in
        ["answers and offers Basic", "EX03: Restart-Service can be used", "EX02 greets clients of POP3"]
    {
        assert!(doctor.contains(line), "doctor does not say `{line}`:\n{doctor}");
    }
    let mut daemon = world.start(["run"]);
    settled(&world);
    assert_eq!(double.restarts("EX01"), (0, 0), "nothing was written, so nothing is owed");

    world.write("desired-state/staff.yaml", read("desired-state/staff.yaml"));
    commit(&world, "John Smith leaves POP3 (CHG-1235)");
    wait_until("the restarts", || (double.events("restart").len() == 6).then_some(()));
    settled(&world);
    assert!(!double.pop("jsmith@contoso.example"));
    for server in ["EX01", "EX02", "EX03"] {
        assert_eq!(double.restarts(server), (1, 1), "{server}");
    }
    let servers: Vec<_> = double.events("restart").iter().map(|event| event["server"].clone()).collect();
    assert_eq!(servers, ["EX01", "EX01", "EX02", "EX02", "EX03", "EX03"], "one server after the other");
    let status = world.popgate(["status"]).success().stdout;
    for server in ["EX01", "EX02", "EX03"] {
        for service in [FRONT, BACK] {
            assert!(status.contains(&format!("{service} on {server} restarted")), "{status}");
        }
    }
    assert!(status.contains("process 4"), "the proof is another process:\n{status}");
    assert_eq!(daemon.stop(), Some(143));
    assert_eq!(double.events("restart").len(), 6);
    assert_eq!(double.state()["open_shells"], 0, "every session was closed:\n{}", daemon.log());
}

#[test]
fn a_server_in_maintenance_is_owed_until_it_is_back() {
    let mut scenario = organisation();
    scenario["servers"][1]["PopProxy"] = json!("Inactive");
    let double = Exchange::start(&scenario);
    let world = world(&double, "farm.yaml");
    let _contact = world.popgate(["apply", "--yes"]).success();
    world.write("desired-state/staff.yaml", read("desired-state/staff.yaml"));
    let said = world.popgate(["apply", "--yes"]).ends_with(8);
    let told = format!("{}{}", said.stdout, said.stderr);
    assert!(told.contains("EX02 is in maintenance: its PopProxy is Inactive"), "{told}");
    assert_eq!(
        (double.restarts("EX01"), double.restarts("EX02"), double.restarts("EX03")),
        ((1, 1), (0, 0), (1, 1))
    );
    double.control("/server", &json!({ "of": "EX02", "PopProxy": "Active" }));
    let _settled = world.popgate(["restart", "--now", "--reason", "out of maintenance"]).success();
    assert_eq!((double.restarts("EX01"), double.restarts("EX02")), ((1, 1), (1, 1)));
}

#[test]
fn who_may_not_restart_is_told_what_to_type_and_believed_by_what_is_seen() {
    let double = Exchange::start(&organisation());
    let world = world(&double, "farm.yaml");
    // The example of the manual service, on the servers of the double.
    let text = farm(&double, "farm.yaml");
    let (before, service) = text.split_once("    service:\n").unwrap();
    let (service, after) = service.split_once("    restart:").unwrap();
    let service = format!("    {}", service.replace("\n      ", "\n          "));
    world.write(
        "popgate.yaml",
        format!("{before}    service:\n      type: manual\n      of:\n{service}    restart:{after}"),
    );
    let mut daemon = world.start(["run"]);
    settled(&world);
    world.write("desired-state/staff.yaml", read("desired-state/staff.yaml"));
    wait_until("the write", || (!double.pop("jsmith@contoso.example")).then_some(()));
    daemon.wait_for("Restart-Service MSExchangePop3, MSExchangePOP3BE");
    assert_eq!(double.events("restart").len(), 0, "a person does it");
    for server in ["EX01", "EX02", "EX03"] {
        let services = json!({ FRONT: { "restart": true }, BACK: { "restart": true } });
        double.control("/server", &json!({ "of": server, "services": services }));
    }
    let _look = world.popgate(["restart", "--now", "--reason", "done by hand"]);
    settled(&world);
    let told = daemon.log().matches("run: Get-ExchangeServer | ").count();
    assert_eq!(told, 1, "once for all six: {}", daemon.log());
    assert_eq!(daemon.stop(), Some(143));
}

#[test]
fn doctor_names_what_mends_each_failure() {
    let mut scenario = organisation();
    scenario["hidden_parameters"] = json!(["Set-CASMailbox:PopEnabled"]);
    scenario["hidden_cmdlets"] = json!(["exchange:Get-ServerComponentState", "jea:Restart-Service"]);
    let double = Exchange::start(&scenario);
    let world = world(&double, "farm.yaml");
    let said = world.popgate(["doctor"]).ends_with(1).stdout;
    for line in [
        "4 mailboxes are in scope",
        "error    the account may not use -PopEnabled of Set-CASMailbox: no role grants it",
        "Add-RoleGroupMember \"Recipient Management\" -Member ACCOUNT",
        "error    Exchange: the account cannot see Get-ServerComponentState",
        "View-Only Configuration",
        "error    EX02: the account cannot see Restart-Service",
        "examples/exchange/jea has a role capability",
        "ok       EX01 greets clients of POP3",
    ] {
        assert!(said.contains(line), "doctor does not say `{line}`:\n{said}");
    }
    world.write("password", "wrong");
    let said = world.popgate(["doctor"]).ends_with(1).stdout;
    assert!(said.contains("refuses the account (it offers Basic)"), "{said}");
    assert_eq!(double.events("restart").len() + double.events("set").len(), 0, "doctor changes nothing");
    assert_eq!(double.state()["open_shells"], 0);
}

#[test]
fn the_role_shows_every_command_that_is_used_and_no_other() {
    let role = read("jea/Popgate/RoleCapabilities/Popgate.psrc");
    for command in ["Get-Service", "Restart-Service", "Get-CimInstance", "Get-Process", "Get-Date"] {
        assert_eq!(role.matches(&format!("'{command}'")).count(), 1, "{command}");
    }
    assert!(role.contains("Name LIKE 'MSExchangePOP3%'"));
    assert_eq!(role.matches("'MSExchangePop3', 'MSExchangePOP3BE'").count(), 2);
    assert!(read("jea/Popgate.pssc").contains("LanguageMode        = 'NoLanguage'"));
    let group = read("role-group.ps1");
    for word in
        ["Get-CASMailbox", "Set-CASMailbox", "PopEnabled", "DomainController", "View-Only Configuration"]
    {
        assert!(group.contains(word), "{word}");
    }
}
