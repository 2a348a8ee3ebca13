//! A bad day with Exchange, as whoever runs `popgate` meets it: what it says, how it ends, and that nothing is lost.

use serde_json::{Value, json};

use super::farm::{nobody, succeeded, three_servers, world};
use crate::world::exchange::Exchange;
use crate::world::program::{Ran, World};

/// A world on a double; `from` in its settings is replaced by `to`.
fn world_with(double: &Exchange, from: &str, to: &str) -> World {
    let world = world(double, "15m");
    change(&world, from, to);
    world
}

fn change(world: &World, from: &str, to: &str) {
    let settings = world.read("popgate.yaml");
    assert!(settings.contains(from), "no `{from}` in {settings}");
    world.write("popgate.yaml", settings.replacen(from, to, 1));
}

#[track_caller]
fn says(ran: &Ran, code: i32, words: &[&str]) {
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert_eq!(ran.code, Some(code), "{said}");
    for word in words {
        assert!(said.contains(word), "no `{word}` in: {said}");
    }
}

/// Neither `plan` nor `apply` gets anywhere; both say why, and nothing is written or remembered.
#[track_caller]
fn gets_nowhere(double: &Exchange, world: &World, words: &[&str]) {
    says(&world.popgate(["plan"]), 1, words);
    says(&world.popgate(["apply", "--yes"]), 1, words);
    assert_eq!(double.events("set").len(), 0);
    assert_eq!(world.popgate(["history"]).stdout, "the journal tells of nothing\n");
    assert!(!world.popgate(["status"]).stdout.contains("owed"));
    assert_eq!(double.state()["open_shells"], 0);
}

#[test]
fn whatever_keeps_popgate_from_exchange_is_said_with_what_to_do() {
    let double = Exchange::start(&json!({"mailboxes": [{"name": "Alice"}], "session_limit": 1}));
    let (https, http) = (double.port("https"), double.port("http"));
    let url = format!("https://127.0.0.1:{https}/PowerShell/");
    let at = |to: &str| world_with(&double, &url, to);
    gets_nowhere(&double, &at(&format!("https://127.0.0.1:{https}/owa/")), &["404", "/PowerShell/"]);
    let wsman = at(&format!("https://127.0.0.1:{https}/wsman"));
    gets_nowhere(&double, &wsman, &["fault 2150858811", "Exchange's is Microsoft.Exchange at /PowerShell/"]);
    gets_nowhere(&double, &at("https://127.0.0.1:1/PowerShell/"), &["no connection", "firewall"]);
    let plain = at(&format!("https://127.0.0.1:{http}/PowerShell/"));
    gets_nowhere(&double, &plain, &["is that a port for `http://`?"]);
    let sealed = at(&format!("http://127.0.0.1:{https}/PowerShell/"));
    gets_nowhere(&double, &sealed, &["write `https://`"]);

    let wrong = world(&double, "15m");
    wrong.write("password", "hunter2");
    gets_nowhere(&double, &wrong, &["refuses the account", "check name and password"]);

    let strange = world(&double, "15m");
    let ca = format!("      ca_file: {}\n", double.ca().display());
    change(&strange, &ca, "");
    gets_nowhere(&double, &strange, &["an authority that nobody here knows", "`ca_file`"]);
    let pin = format!("      pin: {}\n", "00".repeat(32));
    let pinned = world_with(&double, &ca, &pin);
    gets_nowhere(&double, &pinned, &["certificate is not the one pinned: it is sha256:", "`pin`"]);

    double.control("/world", &json!({"session_limit": 0}));
    gets_nowhere(&double, &world(&double, "15m"), &["18 by default", "close others"]);
}

#[test]
fn a_certificate_that_expired_or_is_of_another_name_is_refused() {
    let certificate =
        |kind: &str| Exchange::start(&json!({"mailboxes": [{"name": "Alice"}], "certificate": kind}));
    let expired = certificate("expired");
    let words = ["its certificate expired on 20", "UTC here", "renew it, or set this machine's clock"];
    gets_nowhere(&expired, &world(&expired, "15m"), &words);
    let other = certificate("other_name");
    gets_nowhere(&other, &world(&other, "15m"), &["elsewhere.example", "write the URL with a name"]);
}

#[test]
fn a_list_or_an_answer_that_is_not_whole_changes_nothing() {
    let double = Exchange::start(&json!({"generate": 1_500, "mailboxes": [{"name": "Alice"}]}));
    let world = world(&double, "15m");
    let both = |fault: &Value, words: &[&str]| {
        (0..2).for_each(|_| double.fault(fault));
        gets_nowhere(&double, &world, words);
    };
    let truncated = json!({"kind": "truncate", "at": 1_000, "cmdlet": "Get-CASMailbox"});
    both(&truncated, &["stopped after 1000", "an incomplete list is not used"]);
    both(&json!({"kind": "half"}), &["hung up before its answer was whole", "try again"]);
    both(&json!({"kind": "compress"}), &["is compressed (gzip)", "turn dynamic compression off"]);
    succeeded(&world.popgate(["apply", "--yes"]));
    assert!(!double.pop("alice@contoso.example"));
}

#[test]
fn whoever_asks_to_be_left_alone_for_a_while_is() {
    let double = Exchange::start(&three_servers(&json!({})));
    let world = world(&double, "15m");
    world.write("desired/users.yaml", nobody(10));
    let quota = |wait: u32| {
        format!(
            "The user load quota of 1000 requests per 2 seconds has been exceeded. The next request from this user will \
             not be approved for at least {wait} milliseconds."
        )
    };
    double.fault(&json!({"kind": "throttle", "message": quota(700)}));
    double.fault(&json!({
        "kind": "error", "cmdlet": "Set-CASMailbox", "exception": "OverBudgetException", "message": quota(2500),
    }));
    succeeded(&world.popgate(["apply", "--yes"]));
    let writes = double.events("set");
    assert_eq!(writes.len(), 5);
    let at = |event: &Value| event["at"].as_f64().unwrap();
    assert!(at(&writes[4]) - at(&writes[3]) > 2.4, "{writes:?}");
    for server in ["EX01", "EX02", "EX03"] {
        assert_eq!(double.restarts(server), (1, 1), "{server} is restarted when everything is written");
    }
}

#[test]
fn names_that_two_have_or_that_are_full_of_signs_mean_whom_they_mean_or_nobody() {
    let odd = "O'Neil <b>&amp; $(calc); | % {1} \"q\" `n #";
    let double = Exchange::start(&json!({"generate": 40, "mailboxes": [
        {"name": "John Smith", "smtp": "john1@contoso.example", "display_name": "John"},
        {"name": "John Smith 2", "smtp": "john2@contoso.example", "display_name": "John"},
        {"name": odd, "smtp": "oneil@contoso.example"},
        {"name": "Smile 😀", "smtp": "smile@contoso.example"},
        {"name": "_x0041_", "smtp": "x@contoso.example"},
        {"name": "Ann", "alias": "ann;$(x)<&😀"},
    ]}));
    let world = world(&double, "15m");
    let users = json!({
        "John": "disabled", odd: "disabled", "Smile 😀": "disabled", "_x0041_": "disabled",
        "ann;$(x)<&😀": "disabled", "*": "disabled", "nobody's <x> $(y) 😀": "disabled", "A": "disabled",
    });
    // JSON is YAML.
    world.write("desired/users.yaml", format!("pop3: {users}\n"));
    let ran = world.popgate(["apply", "--yes"]);
    let twins = "could mean any of 2 accounts: john";
    says(&ran, 5, &[twins, "`*` (", "is not in the store", "`nobody's <x> $(y) 😀`", "`A` ("]);
    let changed: Vec<Value> = double.events("set").iter().map(|event| event["name"].clone()).collect();
    assert_eq!(changed.len(), 4, "{changed:?}");
    for name in [odd, "Smile 😀", "_x0041_", "Ann"] {
        assert!(changed.contains(&json!(name)), "{name}: {changed:?}");
    }
    let history = world.popgate(["history"]).stdout;
    assert!(history.contains(odd) && history.contains("Smile 😀: enabled → disabled"), "{history}");
}

#[test]
fn whom_a_plan_named_is_followed_to_another_name_and_missed_when_deleted() {
    let double = Exchange::start(&json!({"generate": 40, "mailboxes": [{"name": "Alice"}, {"name": "Bob"}]}));
    let world = world(&double, "15m");
    let planned = || {
        let plan: Value = serde_json::from_str(&world.popgate(["plan", "--format", "json"]).stdout).unwrap();
        plan["plan_id"].as_str().unwrap().to_owned()
    };
    let id = planned();
    let rename = json!({"of": "alice@contoso.example", "set": {"name": "Anna", "display_name": "Anna"}});
    double.control("/mailbox", &rename);
    succeeded(&world.popgate(["apply", "--yes", "--plan", &id]));
    assert!(!double.pop("alice@contoso.example"));

    world.write(
        "desired/users.yaml",
        "pop3:\n  alice@contoso.example: disabled\n  bob@contoso.example: disabled\n",
    );
    let id = planned();
    double.control("/mailbox", &json!({"of": "bob@contoso.example", "remove": true}));
    says(
        &world.popgate(["apply", "--yes", "--plan", &id]),
        6,
        &["the plan is not", "look at `popgate plan` again"],
    );
    says(&world.popgate(["plan"]), 0, &["`bob@contoso.example`", "is not in the store"]);
}

#[test]
fn each_refusal_is_told_with_its_remedy_and_the_others_are_done() {
    let double = Exchange::start(&json!({"generate": 40, "mailboxes": [
        {"name": "Alice"}, {"name": "Far", "out_of_scope": true}, {"name": "Deny", "denied": true},
        {"name": "Bad", "corrupted": true},
    ]}));
    let world = world(&double, "15m");
    let users = ["alice", "far", "deny", "bad"].map(|user| format!("  {user}@contoso.example: disabled\n"));
    world.write("desired/users.yaml", format!("pop3:\n{}", users.concat()));
    let ran = world.popgate(["apply", "--yes"]);
    says(
        &ran,
        5,
        &[
            "narrow popgate's `scope`",
            "give Exchange Trusted Subsystem the right",
            "error: far@contoso.example: the store refused it, for the reason told above",
            "`bad@contoso.example` (desired/users.yaml:5) cannot be read",
            "the object is corrupted",
        ],
    );
    assert!(!double.pop("alice@contoso.example") && double.pop("bad@contoso.example"));
    let history = world.popgate(["history"]).stdout;
    assert_eq!(history.matches("not written: the store refused it").count(), 2, "{history}");
}

#[test]
fn who_may_keep_pop3_does_not_lose_it_because_nobody_looked_the_name_up() {
    let double = Exchange::start(&json!({"mailboxes": [
        {"name": "Ann", "alias": "a1"}, {"name": "Ben", "alias": "b1"}, {"name": "Cyd", "alias": "c1"}, {"name": "Dan"},
    ]}));
    let limits = "    unlisted: disable\n    windows";
    let world = world_with(&double, "    windows", limits);
    world.write(
        "desired/users.yaml",
        "pop3:\n  a1: enabled\n  b1: enabled\n  c1: enabled\n  gone1: disabled\n",
    );
    change(&world, "replication_wait: 15m", "replication_wait: 15m\n      look_ups: 2");
    gets_nowhere(&double, &world, &["3 names are not among those that Exchange lists", "raise `look_ups`"]);
    change(&world, "look_ups: 2", "look_ups: 3");
    succeeded(&world.popgate(["apply", "--yes"]));
    let changed: Vec<Value> = double.events("set").iter().map(|event| event["name"].clone()).collect();
    assert_eq!(changed, ["Dan"]);
}

#[test]
fn nobody_is_taken_for_a_name_that_exchange_answers_with_everybody() {
    for others in [json!([]), json!([{"name": "Ben"}, {"name": "Cyd"}])] {
        let mut mailboxes = vec![json!({"name": "Ann", "sam": "ann", "alias": "a1"})];
        mailboxes.extend(others.as_array().unwrap().iter().cloned());
        let double = Exchange::start(&json!({
            "mailboxes": mailboxes, "unknown_is_everybody": true,
            "domains": [{"dns": "contoso.example", "netbios": "ACME", "controllers": [{"name": "dc01"}]}],
        }));
        let world = world(&double, "15m");
        world.write(
            "desired/users.yaml",
            "pop3:\n  ghost: disabled\n  gone@elsewhere.example: disabled\n  CONTOSO\\ann: disabled\n",
        );
        let missing = ["`ghost`", "`gone@elsewhere.example`", "`CONTOSO\\ann`"];
        says(&world.popgate(["plan"]), 0, &missing);
        let ran = world.popgate(["apply", "--yes"]);
        says(&ran, 0, &["nothing to change", "an identity that nobody has"]);
        assert_eq!(double.events("set").len(), 0, "{}{}", ran.stdout, ran.stderr);
        // With others beside it, an alias can still be told from a name that nobody has.
        let alone = mailboxes.len() == 1;
        world.write("desired/users.yaml", "pop3:\n  ben@contoso.example: enabled\n  a1: disabled\n");
        let plan = world.popgate(["plan"]).stdout;
        assert_eq!(plan.contains("`a1` (desired/users.yaml:3) is not in the store"), alone, "{plan}");
        assert_eq!(plan.contains("disable POP3 for 1 user"), !alone, "{plan}");
    }
}

#[test]
fn a_restart_does_not_wait_for_what_was_not_written_after_all() {
    let double = Exchange::start(&three_servers(&json!({})));
    let guards = "    guards: {max_disable: {percent: 0, always_allow: 5}}\n    windows";
    let world = world_with(&double, "    windows", guards);
    world.write("desired/users.yaml", nobody(10));
    double.fault(&json!({"kind": "gone", "after": 2}));
    let ran = world.popgate(["apply", "--yes"]);
    says(&ran, 1, &["did not say whether it was written", "hung up before its answer was whole"]);
    let told = ran.stderr.matches("Until then these users can still use POP3: user00000@contoso.example,");
    assert_eq!(told.count(), 1, "{}", ran.stderr);
    double.control("/server", &json!({"of": "EX01", "down": false}));
    // The rest waits for an approval, and what was written is made effective without waiting for the rest.
    change(&world, "always_allow: 5", "always_allow: 4");
    says(&world.popgate(["apply", "--yes"]), 4, &["max_disable tripped"]);
    for server in ["EX01", "EX02", "EX03"] {
        assert_eq!(double.restarts(server), (1, 1), "{server}");
    }
    assert_eq!(world.popgate(["restart"]).stdout, "no restart is owed\n");
}

#[test]
fn a_server_in_maintenance_stays_owed_until_it_is_active() {
    let double = Exchange::start(&three_servers(&json!({})));
    double.control("/server", &json!({"of": "EX03", "PopProxy": "Inactive"}));
    let world = world(&double, "15m");
    world.write("desired/users.yaml", nobody(2));
    says(&world.popgate(["doctor"]), 0, &["EX03 is in maintenance: its PopProxy is Inactive"]);
    let words = ["EX03 is in maintenance", "Set-ServerComponentState EX03 -Component PopProxy -State Active"];
    says(&world.popgate(["apply", "--yes"]), 8, &words);
    assert_eq!(double.restarts("EX03"), (0, 0));
    says(&world.popgate(["status"]), 0, &["2 restarts owed", "EX03 is in maintenance"]);
    double.control("/server", &json!({"of": "EX03", "PopProxy": "Active", "serve": true}));
    succeeded(&world.popgate(["restart"]));
    assert_eq!(["EX01", "EX02", "EX03"].map(|server| double.restarts(server)), [(1, 1); 3]);
}

#[test]
fn a_server_that_lets_nobody_in_is_told_once_and_owes_its_restarts() {
    let double = Exchange::start(&json!({"generate": 20, "not_local_admin": [crate::world::exchange::USER]}));
    let world = world(&double, "15m");
    world.write("desired/users.yaml", nobody(2));
    says(
        &world.popgate(["doctor"]),
        1,
        &["EX01 cannot be reached for restarts", "fault 5: Access is denied", "JEA"],
    );
    let ran = world.popgate(["apply", "--yes"]);
    says(&ran, 8, &["the restart of MSExchangePop3 on EX01 failed and stays owed"]);
    assert_eq!(ran.stderr.matches("cannot be seen").count(), 1, "{}", ran.stderr);
    says(
        &world.popgate(["status"]),
        0,
        &["2 restarts owed", "POP3 still works for user00000@contoso.example"],
    );
}

#[test]
fn doctor_tells_of_a_password_that_everybody_may_read() {
    use std::os::unix::fs::PermissionsExt as _;

    let double = Exchange::start(&json!({"mailboxes": [{"name": "Alice"}]}));
    let world = world(&double, "15m");
    for (mode, told) in [(0o644, 1), (0o600, 0)] {
        std::fs::set_permissions(world.path("password"), std::fs::Permissions::from_mode(mode)).unwrap();
        let ran = world.popgate(["doctor"]);
        let open = ran.stdout.matches("is open to everybody (mode 644)").count();
        assert_eq!(open, told, "{}", ran.stdout);
    }
}

#[test]
fn writes_that_the_server_gave_up_are_in_doubt_and_looked_at_again() {
    let double = Exchange::start(&three_servers(&json!({})));
    let world = world(&double, "15m");
    world.write("desired/users.yaml", nobody(4));
    // The first input is that of the look before.
    double.fault(&json!({"kind": "fault", "code": 2_150_858_793_u32, "action": "Send", "after": 1}));
    let ran = world.popgate(["apply", "--yes"]);
    says(&ran, 0, &["2 sent without an answer, looked at again", "batch 2: 2 changes done"]);
    assert!(!double.pop("user00000@contoso.example") && !double.pop("user00002@contoso.example"));
    assert_eq!(["EX01", "EX02", "EX03"].map(|server| double.restarts(server)), [(1, 1); 3]);
    assert_eq!(world.popgate(["restart"]).stdout, "no restart is owed\n");
    assert_eq!(double.state()["open_shells"], 0);
}
