//! Plans without credentials, and which changes a branch causes.

use serde_json::Value;

use crate::daemon::{SOON, desire, disabled, settings, sqlite, users};
use crate::git_source::git;
use crate::world::{World, wait_until};

/// Ten minutes later than [`EXPORTED`], and some seconds: the clock of each process goes on, and either may be slower.
const NOW: &str = "2026-05-04T12:10:30Z";
const EXPORTED: &str = "2026-05-04T12:00:00Z";

fn world() -> World {
    let mut world = World::new();
    world.env("POPGATE_NOW", EXPORTED);
    users(&world, 20);
    desire(&world, 20, &[1]);
    settings(&world, SOON);
    world
}

/// Applies, takes a snapshot, and takes the store and the journal away, as they are in CI.
fn in_ci(world: &mut World) {
    let _apply = world.popgate(["apply", "--yes"]).success();
    export(world);
    std::fs::remove_file(world.path("users.db")).unwrap();
    std::fs::remove_dir_all(world.path("state")).unwrap();
    world.env("POPGATE_NOW", NOW);
}

fn export(world: &World) {
    let snapshot = world.popgate(["export", "--format", "snapshot"]).success().stdout;
    world.write("snapshot.json", snapshot);
}

fn json(world: &World, args: &[&str]) -> Value {
    let plan = world.popgate(["plan", "--format", "json"].iter().chain(args)).success();
    serde_json::from_str(&plan.stdout).unwrap()
}

fn provenances(plan: &Value) -> Vec<String> {
    let changes = plan["changes"].as_array().unwrap().iter();
    changes.map(|change| format!("{} {}", change["name"].as_str().unwrap(), change["provenance"])).collect()
}

#[test]
fn a_plan_against_a_snapshot_needs_neither_store_nor_journal_and_says_how_old_it_is() {
    let mut world = world();
    in_ci(&mut world);
    desire(&world, 20, &[2]);
    let plan = world.popgate(["plan", "--live", "snapshot.json"]).success();
    assert!(
        plan.stdout.contains("2 changes: disable POP3 for 1 user, enable POP3 for 1 user"),
        "{}",
        plan.stdout
    );
    assert!(plan.stdout.contains("a snapshot has it that is 10 min old"), "{}", plan.stdout);
    assert!(plan.stdout.contains("guards: ok"), "the snapshot remembers enough: {}", plan.stdout);
    let json = json(&world, &["--live", "snapshot.json"]);
    assert_eq!(json["snapshot"]["taken_at"].as_str().unwrap()[..16], EXPORTED[..16]);
    assert!(!world.path("users.db").exists() && !world.path("state").exists(), "nothing was opened");
    // An account that was emptied out of the files is still known to have been managed.
    world.write("desired-state/users.yaml", "pop3: {}\n");
    let guarded = world.popgate(["plan", "--live", "snapshot.json"]).ends_with(4);
    assert!(guarded.stdout.contains("empty tripped"), "{}", guarded.stdout);
}

#[test]
fn a_guard_without_memory_is_not_evaluated() {
    let world = world();
    export(&world);
    let plan = world.popgate(["plan", "--live", "snapshot.json"]).success();
    assert!(plan.stdout.contains("shrunk_input: not evaluated"), "{}", plan.stdout);
    let json = json(&world, &["--live", "snapshot.json"]);
    let guards = json["guards"].as_array().unwrap();
    let empty = guards.iter().find(|guard| guard["name"] == "empty").unwrap();
    assert_eq!((&empty["evaluated"], &empty["tripped"]), (&false.into(), &false.into()));
}

#[test]
fn no_settings_and_no_secrets_are_needed() {
    let mut world = world();
    in_ci(&mut world);
    desire(&world, 20, &[2]);
    std::fs::remove_file(world.path("popgate.yaml")).unwrap();
    let plan = json(&world, &["--live", "snapshot.json"]);
    assert_eq!((&plan["target"], &plan["summary"]["disable"]), (&"default".into(), &1.into()));
    // With settings whose secrets nobody has here.
    settings(&world, SOON);
    let text = world.read("popgate.yaml");
    let git = "{git: 'https://git.example/mail.git', password: {env: NOT_HERE}}";
    world.write("popgate.yaml", text.replace("desired: desired-state", &format!("desired: {git}")));
    let plan = json(&world, &["--live", "snapshot.json", "--desired", "desired-state"]);
    assert_eq!(plan["summary"]["disable"], 1);
}

#[test]
fn an_old_snapshot_ends_with_6_and_one_that_is_no_snapshot_says_why() {
    let mut world = world();
    in_ci(&mut world);
    world.env("POPGATE_NOW", "2026-05-05T12:00:01Z");
    let old = world.popgate(["plan", "--live", "snapshot.json"]).ends_with(6);
    assert!(old.stderr.contains("24 h old") && old.stderr.contains("--max-age"), "{}", old.stderr);
    assert_eq!(old.stdout, "");
    let _old_enough = world.popgate(["plan", "--live", "snapshot.json", "--max-age", "25h"]).success();
    let _usage = world.popgate(["plan", "--live", "snapshot.json", "--max-age", "soon"]).ends_with(64);
    let _usage = world.popgate(["plan", "--max-age", "1h"]).ends_with(64);

    let text = world.read("snapshot.json");
    for (damaged, says) in [
        (text[..text.len() / 2].to_owned(), "truncated"),
        ("pop3:\n  a: enabled\n".to_owned(), "not JSON"),
        ("{}".to_owned(), "no snapshot of popgate"),
        (text.replace("\"format_version\": \"1.0\"", "\"format_version\": \"9.0\""), "version `9.0`"),
        (text.replace("u1@x.test: disabled", "u1@x.test: enabled"), "damaged"),
    ] {
        world.write("bad.json", damaged);
        let bad = world.popgate(["plan", "--live", "bad.json", "--max-age", "30h"]).ends_with(1);
        assert!(bad.stderr.contains(says) && bad.stderr.contains("bad.json"), "{says}: {}", bad.stderr);
        assert!(bad.stderr.contains("help"), "{}", bad.stderr);
        assert_eq!(bad.stdout, "", "no plan is claimed");
    }
    let _missing = world.popgate(["plan", "--live", "none.json"]).ends_with(1);
    world.write("other.json", text.replace("\"target\": \"default\"", "\"target\": \"other\""));
    let other = world.popgate(["plan", "--live", "other.json", "--max-age", "30h"]).ends_with(1);
    assert!(other.stderr.contains("a snapshot of target `other`, not of `default`"), "{}", other.stderr);
    let twice = ["plan", "--live", "snapshot.json", "--live", "snapshot.json", "--max-age", "30h"];
    let _twice = world.popgate(twice).ends_with(64);
}

#[test]
fn the_daemon_keeps_a_snapshot_fresh_and_whole() {
    let world = World::new();
    users(&world, 20);
    desire(&world, 20, &[]);
    settings(&world, &format!("{SOON}\n    snapshot: {{path: out/snapshot.json, interval: 1s}}"));
    std::fs::create_dir(world.path("out")).unwrap();
    let mut daemon = world.start(["run"]);
    let snapshot = || -> Option<Value> {
        let text = std::fs::read_to_string(world.path("out/snapshot.json")).ok()?;
        Some(serde_json::from_str(&text).expect("never a part of one"))
    };
    let first = wait_until("the first snapshot", snapshot);
    assert_eq!(first["counts"]["enabled"], 20);
    wait_until("the next one", || snapshot().filter(|next| next["taken_at"] != first["taken_at"]));
    desire(&world, 20, &[3]);
    wait_until("the batch in it", || snapshot().filter(|next| next["counts"]["disabled"] == 1));
    let _plan = world.popgate(["plan", "--live", "out/snapshot.json"]).success();
    assert_eq!(daemon.stop(), Some(143));
    // One that cannot be written stops nothing.
    std::fs::remove_dir_all(world.path("out")).unwrap();
    let mut daemon = world.start(["run"]);
    daemon.wait_for("cannot be written");
    desire(&world, 20, &[4]);
    wait_until("the write", || (disabled(&world) == "u4@x.test").then_some(()));
    assert_eq!(daemon.stop(), Some(143));
}

/// A repository around the world's desired state, with what is there committed as `main`, and a branch checked out.
fn repository(world: &World) {
    git(world, ".", &["init", "-q", "--initial-branch=main"]);
    git(world, ".", &["add", "desired-state"]);
    git(world, ".", &["commit", "-qm", "Begin"]);
    git(world, ".", &["checkout", "-qb", "branch"]);
}

#[test]
fn each_change_is_sorted_into_branch_pending_and_drift() {
    let mut world = world();
    in_ci(&mut world);
    // Merged and not applied yet: u2. By the branch: u3. By hand: u1, who was disabled.
    desire(&world, 20, &[1, 2]);
    repository(&world);
    desire(&world, 20, &[1, 2, 3]);
    let text = world.read("snapshot.json");
    world.write("snapshot.json", text.replacen("\"is\": \"disabled\"", "\"is\": \"enabled\"", 1));
    let args = ["--live", "snapshot.json", "--base", "main"];
    let plan = json(&world, &args);
    assert_eq!(provenances(&plan), ["u1@x.test \"drift\"", "u2@x.test \"pending\"", "u3@x.test \"branch\""]);
    assert_eq!(plan["base"]["revision"], "main");
    assert_eq!((&plan["base"]["branch"], &plan["base"]["drift"]), (&1.into(), &1.into()));
    let text = world.popgate(["plan"].iter().chain(&args)).success().stdout;
    assert!(text.contains("1 caused by this branch · 1 pending before it · 1 changed by hand"), "{text}");
    // What the difference does not explain is a warning on its line.
    let github = world.popgate(["plan", "--format", "github"].iter().chain(&args)).success().stdout;
    let line = |user: &str| github.lines().find(|line| line.contains(user)).unwrap().to_owned();
    assert!(line("u1@x.test").starts_with("::warning file=desired-state/users.yaml,line=2"), "{github}");
    assert!(line("u2@x.test").starts_with("::warning file=desired-state/users.yaml,line=3"), "{github}");
    assert!(line("u3@x.test").starts_with("::notice file=desired-state/users.yaml,line=4"), "{github}");
}

#[test]
fn a_base_that_cannot_be_read_says_what_to_do() {
    let world = world();
    let nowhere = world.popgate(["plan", "--base", "main"]).ends_with(1);
    assert!(nowhere.stderr.contains("lies in no git repository"), "{}", nowhere.stderr);
    repository(&world);
    let _option = world.popgate(["plan", "--base", "--output=x"]).ends_with(64);
    let _option = world.popgate(["plan", "--base=-x"]).ends_with(64);
    let missing = world.popgate(["plan", "--base", "origin/main"]).ends_with(1);
    assert!(missing.stderr.contains("git fetch --depth=1 origin"), "{}", missing.stderr);
    assert_eq!(missing.stdout, "");
    // Outside of the repository: a link to elsewhere.
    std::fs::rename(world.path("desired-state"), world.path("home/elsewhere")).unwrap();
    std::fs::rename(world.path(".git"), world.path("home/.git")).unwrap();
    std::fs::create_dir(world.path("there")).unwrap();
    std::fs::rename(world.path("home/elsewhere"), world.path("there/state")).unwrap();
    std::os::unix::fs::symlink("there/state", world.path("desired-state")).unwrap();
    let outside = world.popgate(["plan", "--base", "main"]).ends_with(1);
    assert!(outside.stderr.contains("lies in no git repository"), "{}", outside.stderr);
}

#[test]
fn in_a_shallow_clone_the_command_that_is_named_makes_it_work() {
    let world = world();
    repository(&world);
    desire(&world, 20, &[1, 3]);
    git(&world, ".", &["commit", "-qam", "By the branch"]);
    let origin = format!("file://{}", world.path("").display());
    git(&world, ".", &["clone", "-q", "--depth=1", "--branch=branch", &origin, "ci"]);
    let plan = ["plan", "--desired", "ci/desired-state", "--base", "origin/main", "--format", "json"];
    let refused = world.popgate(plan).ends_with(1);
    let command = refused.stderr.split('`').find(|part| part.starts_with("git fetch")).unwrap().to_owned();
    let words: Vec<&str> = command.split(' ').skip(1).collect();
    git(&world, "ci", &words);
    let plan: Value = serde_json::from_str(&world.popgate(plan).success().stdout).unwrap();
    assert_eq!(provenances(&plan), ["u1@x.test \"pending\"", "u3@x.test \"branch\""]);
}

#[test]
fn a_branch_that_mends_its_base_is_planned_and_not_sorted() {
    let world = world();
    world.write("desired-state/users.yaml", "pop3:\n  u1@x.test: on\n");
    repository(&world);
    desire(&world, 20, &[1]);
    let plan = world.popgate(["plan", "--base", "main"]).success();
    assert!(plan.stderr.contains("main:desired-state/users.yaml:2:14"), "{}", plan.stderr);
    assert!(plan.stdout.contains("not compared with main"), "{}", plan.stdout);
    let plan = json(&world, &["--base", "main"]);
    assert_eq!(plan["changes"][0]["provenance"], Value::Null);
    assert!(plan["base"]["unsorted"].as_str().unwrap().contains("invalid"));
    // And a directory that is new in the branch is the branch's own.
    git(&world, ".", &["rm", "-rq", "--cached", "desired-state"]);
    git(&world, ".", &["commit", "-qm", "None"]);
    let plan = json(&world, &["--base", "HEAD"]);
    assert_eq!(plan["base"]["branch"], 1);
    let _store = sqlite(&world, "SELECT 1;");
}
