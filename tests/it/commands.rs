//! The commands side by side: several targets, one plan of them, handing over, and what each says and prints.

use crate::daemon::{SOON, desire, disabled, plan_id, restarts, settings, sqlite, users};
use crate::world::{World, wait_until};

/// A world with two targets that share one service: all users but `u5` under `one`, and `u5` under `two`.
fn two_targets() -> World {
    let world = World::new();
    users(&world, 20);
    settings(&world, SOON);
    let target = |name: &str, directory: &str, filter: &str| {
        format!(
            "  {name}:
    desired: {directory}
    store: {{type: sqlite, path: users.db, table: mailbox, key: username, access: {{columns: [pop3], enabled: 1, disabled: 0}}, where: \"username {filter} 'u5@x.test'\"}}
    service: {{type: command, restart: [./restart], timeout: 10s}}
"
        )
    };
    let [one, two] = [target("one", "first", "<>"), target("two", "second", "=")];
    world.write("popgate.yaml", format!("version: 1\nstate: state\ntargets:\n{one}{two}"));
    world.write("first/users.yaml", "pop3:\n  u1@x.test: disabled\n  u2@x.test: disabled\n");
    world.write("second/users.yaml", "pop3:\n  u5@x.test: disabled\n");
    world
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in:\n{text}"))
}

#[test]
fn two_targets_with_one_service_are_one_restart() {
    let world = two_targets();
    let applied = world.popgate(["apply", "--yes", "--format", "json"]).success();
    assert_eq!(disabled(&world), "u1@x.test u2@x.test u5@x.test");
    assert_eq!(restarts(&world), 1);
    let report = json(&applied.stdout);
    let named = |at: usize| report["targets"][at]["target"].as_str().unwrap().to_owned();
    assert_eq!([named(0), named(1)], ["one", "two"], "one document for both");
}

#[test]
fn applying_one_plan_by_its_id_leaves_the_other_target_alone() {
    let world = two_targets();
    let plan = json(&world.popgate(["plan", "--format", "json", "--target", "two"]).success().stdout);
    let id = plan["plan_id"].as_str().unwrap();
    let other = world.popgate(["apply", "--yes", "--plan", "000000000000"]).ends_with(6);
    assert_eq!(other.stdout, "", "no plan is shown that was not asked for");
    let applied = world.popgate(["apply", "--yes", "--plan", id]).success();
    assert!(!applied.stderr.contains("not written"), "{}", applied.stderr);
    assert_eq!(disabled(&world), "u5@x.test");
}

#[test]
fn a_user_is_unknown_only_when_no_target_knows_it() {
    let world = two_targets();
    let got = world.popgate(["get", "u5@x.test", "u1@x.test"]).success();
    assert_eq!(
        got.stdout,
        "\
TARGET  USER       LIVE     DESIRED   WHERE                SINCE  WHY
one     u1@x.test  enabled  disabled  first/users.yaml:2   -      -
two     u5@x.test  enabled  disabled  second/users.yaml:2  -      -
"
    );
    let got = world.popgate(["get", "u5@x.test", "nobody"]).ends_with(1);
    assert!(got.stderr.contains("`nobody`") && !got.stderr.contains("u5@x.test"), "{}", got.stderr);
}

#[test]
fn an_apply_that_is_limited_to_nothing_asks_nobody() {
    let world = World::new();
    users(&world, 20);
    desire(&world, 20, &[1, 2]);
    settings(&world, SOON);
    let _none = world.popgate(["apply", "--only", "nobody*"]).success();
    let _none = world.popgate(["apply", "--limit", "0"]).success();
    assert_eq!(disabled(&world), "");
    let _one = world.popgate(["apply", "--limit", "1"]).ends_with(64);
    let _one = world.popgate(["apply", "--limit", "1", "--yes"]).success();
    assert_eq!(disabled(&world), "u1@x.test");
}

#[test]
fn an_approval_on_the_way_names_a_plan_of_this_moment() {
    let world = World::new();
    users(&world, 100);
    desire(&world, 100, &(1..=30).collect::<Vec<_>>());
    settings(&world, SOON);
    let _guarded = world.popgate(["apply", "--yes"]).ends_with(4);
    let _unknown =
        world.popgate(["apply", "--yes", "--approve", "000000000000", "--reason", "x"]).ends_with(6);
    assert_eq!(disabled(&world), "");
    let id = plan_id(&world);
    let _approved = world.popgate(["apply", "--yes", "--approve", &id, "--reason", "CHG-1"]).success();
    assert_eq!(disabled(&world).split(' ').count(), 30);
}

#[test]
fn a_status_counts_what_the_last_batch_did() {
    let world = World::new();
    users(&world, 20);
    desire(&world, 20, &[1, 2]);
    settings(&world, SOON);
    let _apply = world.popgate(["apply", "--yes"]).success();
    let status = world.popgate(["status"]).success();
    assert!(status.stdout.contains("20 accounts, 18 with POP3 enabled, 2 disabled\n"), "{}", status.stdout);
}

#[test]
fn a_user_listed_under_another_name_is_not_released() {
    let world = World::new();
    users(&world, 20);
    sqlite(&world, "ALTER TABLE mailbox ADD alias TEXT; UPDATE mailbox SET alias = 'a-' || username;");
    settings(&world, SOON);
    let text = world.read("popgate.yaml").replace("access:", "aliases: [alias], access:");
    world.write("popgate.yaml", text);
    world.write("desired-state/users.yaml", "pop3:\n  u1@x.test: enabled\n  u2@x.test: enabled\n");
    let _apply = world.popgate(["apply"]).success();
    world.write("desired-state/users.yaml", "pop3:\n  A-U1@x.test: disabled\n");
    let plan = world.popgate(["plan"]).success().stdout;
    assert!(plan.contains("`u2@x.test` is no longer managed"), "{plan}");
    assert!(!plan.contains("`u1@x.test` is no longer managed"), "it is managed by its alias:\n{plan}");
}

#[test]
fn handing_over_restarts_at_once_and_prints_only_the_plan() {
    let world = World::new();
    users(&world, 20);
    desire(&world, 20, &[]);
    settings(&world, "    restart: {quiet: 10m, max_delay: 1h, min_interval: 10m}");
    let mut daemon = world.start(["run"]);
    wait_until("the first reconcile", || world.popgate(["status", "--wait"]).code.filter(|code| *code == 0));
    desire(&world, 20, &[9]);
    let apply = world.popgate(["apply", "--yes", "--format", "json"]).success();
    assert_eq!(json(&apply.stdout)["summary"]["disable"], 1);
    assert_eq!((disabled(&world).as_str(), restarts(&world)), ("u9@x.test", 1));
    desire(&world, 20, &[]);
    let _apply = world.popgate(["apply", "--yes", "--restart", "defer"]).ends_with(9);
    assert_eq!((disabled(&world).as_str(), restarts(&world)), ("", 1));
    // Nothing was edited this time: what the daemon says must be younger than the wish.
    sqlite(&world, "UPDATE mailbox SET pop3 = 0 WHERE username = 'u3@x.test';");
    desire(&world, 20, &[4]);
    let _apply = world.popgate(["apply", "--yes"]).success();
    assert_eq!((disabled(&world).as_str(), restarts(&world)), ("u3@x.test u4@x.test", 2));
    sqlite(&world, "UPDATE mailbox SET pop3 = 1 WHERE username = 'u4@x.test';");
    let _apply = world.popgate(["apply", "--yes"]).success();
    assert_eq!((disabled(&world).as_str(), restarts(&world)), ("u3@x.test u4@x.test", 3));
    assert_eq!(daemon.stop(), Some(143));
}

#[test]
fn what_the_settings_protect_is_refused_with_the_place_and_never_set() {
    let world = World::new();
    users(&world, 20);
    desire(&world, 20, &[]);
    settings(&world, "    protected: [u6@x.test]");
    let plan = world.popgate(["plan"]).ends_with(3);
    assert!(plan.stderr.contains("--> desired-state/users.yaml:7:3"), "{}", plan.stderr);
    let valid = world.popgate(["validate"]).ends_with(3);
    assert!(valid.stderr.contains("--> desired-state/users.yaml:7:3"), "{}", valid.stderr);
    let mut daemon = world.start(["run"]);
    daemon.wait_for("desired-state/users.yaml:7:3");
    assert_eq!(daemon.stop(), Some(143));
    let before = world.read("desired-state/users.yaml");
    let set = world.popgate(["set", "U6@x.test", "disabled"]).ends_with(3);
    assert!(set.stderr.contains("POP250"), "{}", set.stderr);
    assert_eq!(world.read("desired-state/users.yaml"), before);
}

#[test]
fn set_makes_the_directory_of_a_new_file() {
    let world = World::new();
    users(&world, 2);
    desire(&world, 2, &[]);
    settings(&world, SOON);
    let _set = world.popgate(["set", "zoe@x.test", "enabled", "--file", "teams/new/sales.yaml"]).success();
    assert_eq!(
        world.read("desired-state/teams/new/sales.yaml"),
        "version: 1\npop3:\n  zoe@x.test: enabled\n"
    );
    let set = world.popgate(["set", "zoe@x.test", "enabled", "--until", "2020-01-01"]).success();
    assert!(set.stderr.contains("over already"), "{}", set.stderr);
    let _valid = world.popgate(["validate"]).success();
}

#[test]
fn names_in_the_store_never_steer_a_terminal() {
    let world = World::new();
    users(&world, 1);
    sqlite(
        &world,
        "INSERT INTO mailbox VALUES ('evil' || char(27) || '[31m@x.test', 1), ('moc' || char(8238) || '@x.test', 1);",
    );
    desire(&world, 1, &[]);
    settings(&world, "    unlisted: disable");
    let commands: [&[&str]; 7] = [
        &["get"],
        &["get", "--format", "json"],
        &["get", "--format", "csv"],
        &["export"],
        &["plan"],
        &["plan", "--format", "json"],
        &["apply", "--yes"],
    ];
    for args in commands {
        let ran = world.popgate(args.iter().copied()).success();
        for text in [&ran.stdout, &ran.stderr] {
            assert!(!text.contains(['\u{1b}', '\u{202e}']), "{args:?}: {text:?}");
        }
    }
    assert!(disabled(&world).contains("moc\u{202e}@x.test"), "they are accounts like all others");
}

#[test]
fn a_result_that_cannot_be_written_is_an_error_and_a_closed_pipe_is_none() {
    let world = World::new();
    users(&world, 2000);
    desire(&world, 2000, &[1]);
    settings(&world, SOON);
    let shell = |script: &str| {
        let mut command = world.command("/bin/sh");
        command.args(["-c", script, env!("CARGO_BIN_EXE_popgate")]);
        world.run(command, "")
    };
    for command in ["plan", "get", "status", "export", "schema plan"] {
        let full = shell(&format!("\"$0\" {command} > /dev/full")).ends_with(1);
        assert!(full.stderr.contains("standard output"), "{command}: {}", full.stderr);
        let _gone = shell(&format!("(\"$0\" {command}; echo $? > code) | true")).success();
        assert_eq!(world.read("code"), "0\n", "{command}");
    }
}

#[test]
fn one_target_is_one_target_for_every_command() {
    let world = two_targets();
    for command in
        [&["plan"][..], &["status"], &["history"], &["get"], &["restart"], &["doctor"], &["validate"]]
    {
        let ran = world.popgate([command, &["--target", "nobody"]].concat()).ends_with(64);
        assert!(
            ran.stderr.contains("no target `nobody`") && ran.stderr.contains("the targets are"),
            "{}",
            ran.stderr
        );
    }
    let _apply = world.popgate(["apply", "--yes", "--restart", "defer"]).ends_with(9);
    let targets: Vec<String> = json(&world.popgate(["status", "--format", "json"]).stdout)["targets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|target| target["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(targets.len(), 2);
    let one = world.popgate(["--target", &targets[0], "status", "--format", "json"]).success().stdout;
    assert_eq!(json(&one)["targets"].as_array().unwrap().len(), 1, "{one}");
    assert_eq!(json(&one)["services"][0]["owed"].as_array().unwrap().len(), 1, "its service stays: {one}");
}

#[test]
fn a_person_who_restarts_by_hand_is_told_how_to_say_so_and_only_for_the_target_that_was_chosen() {
    let world = World::new();
    for (name, state) in [("one", "1"), ("two", "1")] {
        let sql = format!(
            "CREATE TABLE mailbox (username TEXT PRIMARY KEY, pop3 INTEGER); INSERT INTO mailbox VALUES ('a@x.test', {state});"
        );
        let mut command = world.command(crate::world::require("sqlite3"));
        command.arg(format!("{name}.db"));
        let _made = world.run(command, &sql).success();
        world.write(&format!("{name}/a.yaml"), "pop3:\n  a@x.test: disabled\n");
    }
    let target = |name: &str| {
        format!(
            "  {name}: {{desired: {name}, store: {{type: sqlite, path: {name}.db, table: mailbox, key: username, \
             access: {{columns: [pop3], enabled: 1, disabled: 0}}}}, service: {{type: manual, instructions: [\"restart {name}\"]}}}}\n"
        )
    };
    world.write(
        "popgate.yaml",
        format!("version: 1\nstate: state\ntargets:\n{}{}", target("one"), target("two")),
    );
    let ran = world.popgate(["--target", "one", "apply", "--yes"]).ends_with(9);
    assert!(ran.stderr.contains("do it by hand, and `popgate restart --done` settles it"), "{}", ran.stderr);
    let done = |name: &str| world.popgate(["--target", name, "restart", "--done"]).success().stdout;
    assert_eq!((done("two").as_str(), done("one").as_str()), ("no restart is owed\n", "1 settled\n"));
    assert_eq!(world.popgate(["restart"]).success().stdout, "no restart is owed\n");
}

#[test]
fn resuming_what_was_not_suspended_says_so_with_a_daemon_and_without() {
    let world = two_targets();
    assert_eq!(world.popgate(["resume"]).success().stdout, "nothing was suspended\n");
    let _nothing = world.popgate(["suspend", "--reason", " "]).ends_with(64);
    let _suspended = world.popgate(["suspend", "--reason", "CHG-1"]).success();
    assert_eq!(world.popgate(["resume"]).success().stdout, "resumed\n");
    let history = world.popgate(["history", "--limit", "0"]).success().stdout;
    assert!(history.starts_with("2 events before that"), "{history}");
}

#[test]
fn a_limit_makes_slices_that_do_not_walk_round_a_guard() {
    let world = World::new();
    users(&world, 20);
    settings(&world, SOON);
    desire(&world, 20, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    let slice =
        |limit: &str, code: i32| world.popgate(["apply", "--yes", "--limit", limit]).ends_with(code).stderr;
    let said = slice("4", 0);
    assert!(said.contains("6 changes are left for another time"), "{said}");
    assert_eq!(disabled(&world).split(' ').count(), 4);
    assert!(slice("5", 0).contains("1 change is left"));
    assert!(!slice("5", 0).contains("left for another time"));
    assert_eq!(disabled(&world).split(' ').count(), 10);
    desire(&world, 20, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    let _blocked = world.popgate(["apply", "--yes", "--limit", "1"]).ends_with(4);
    assert_eq!(disabled(&world).split(' ').count(), 10, "ten within the hour, however they are cut");
}

#[test]
fn what_people_did_by_hand_is_shown_apart_and_a_hand_made_disabling_stays() {
    let world = World::new();
    users(&world, 20);
    settings(&world, SOON);
    desire(&world, 20, &[1, 2]);
    let _apply = world.popgate(["apply", "--yes"]).success();
    sqlite(&world, "UPDATE mailbox SET pop3 = 1 - pop3 WHERE username IN ('u1@x.test', 'u9@x.test');");
    let mut daemon = world.start(["run"]);
    wait_until("the enabling to be undone", || {
        (disabled(&world) == "u1@x.test u2@x.test u9@x.test").then_some(())
    });
    wait_until("calm", || world.popgate(["status", "--wait"]).code.filter(|code| *code == 0));
    let status = world.popgate(["status"]).success().stdout;
    assert!(status.contains("1 user was changed by hand and left alone"), "{status}");
    let plan = world.popgate(["plan"]).success().stdout;
    assert!(plan.contains("Changed by hand and left alone: 1 user\n  ~ u9@x.test"), "{plan}");
    let history = world.popgate(["history", "--user", "u1@x.test"]).success().stdout;
    assert!(history.contains("u1@x.test: enabled → disabled, drift in users.yaml:2"), "{history}");
    // An edit of the entry is a wish, and ends it.
    let text = world.read("desired-state/users.yaml");
    let entry = "u9@x.test: {access: enabled, reason: back}";
    world.write("desired-state/users.yaml", text.replace("u9@x.test: enabled", entry));
    wait_until("the edit", || (disabled(&world) == "u1@x.test u2@x.test").then_some(()));
    assert_eq!(daemon.stop(), Some(143));
}

#[test]
fn who_approved_and_why_is_written_down_also_behind_sudo_and_holds_for_a_day() {
    let mut world = World::new();
    for (name, value) in [("USER", "root"), ("SUDO_USER", "anna"), ("POPGATE_NOW", "2026-05-04T12:00:00Z")] {
        world.env(name, value);
    }
    users(&world, 20);
    settings(&world, SOON);
    let all: Vec<u32> = (1..=15).collect();
    desire(&world, 20, &all);
    let id = plan_id(&world);
    let _blocked = world.popgate(["apply", "--yes"]).ends_with(4);
    let _approved = world.popgate(["approve", &id, "--reason", "CHG-7 wave"]).success();
    let history = world.popgate(["history"]).success().stdout;
    assert!(history.contains(&format!("anna (as root) approved {id} (15 changes): CHG-7 wave")), "{history}");
    world.env("POPGATE_NOW", "2026-05-05T12:00:10Z");
    let _expired = world.popgate(["apply", "--yes"]).ends_with(4);
    let _approved = world.popgate(["approve", &id, "--reason", "again"]).success();
    // Fewer changes than were approved are covered as well.
    desire(&world, 20, &all[..13]);
    let _apply = world.popgate(["apply", "--yes"]).success();
    assert_eq!(disabled(&world).split(' ').count(), 13);
    let nothing = world.popgate(["approve", &plan_id(&world), "--reason", "x"]).ends_with(6);
    assert!(nothing.stderr.contains("there is nothing to approve"), "{}", nothing.stderr);
    let _why = world.popgate(["apply", "--approve", &id, "--yes"]).ends_with(64);
}
