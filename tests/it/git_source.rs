//! Git as a source, against real repositories: what is pushed comes into force, and what goes wrong there does not.

mod http;
mod signed;
mod whole_way;

use std::fmt::Write as _;

use serde_json::Value;

use crate::daemon::{SOON, disabled, settings, users};
use crate::world::program::Daemon;
use crate::world::{World, require, wait_until};

/// Runs git as an administrator would, and returns what it printed.
pub(crate) fn git(world: &World, directory: &str, args: &[&str]) -> String {
    run_git(world, directory, None, args)
}

/// As [`git`], at this moment.
pub(crate) fn git_at(world: &World, directory: &str, at: &str, args: &[&str]) -> String {
    run_git(world, directory, Some(at), args)
}

fn run_git(world: &World, directory: &str, at: Option<&str>, args: &[&str]) -> String {
    let mut command = world.command(require("git"));
    command.arg("-C").arg(world.path(directory)).args(args);
    command.envs([
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_AUTHOR_NAME", "Anna Admin"),
        ("GIT_AUTHOR_EMAIL", "anna@x.test"),
        ("GIT_COMMITTER_NAME", "Anna Admin"),
        ("GIT_COMMITTER_EMAIL", "anna@x.test"),
    ]);
    if let Some(at) = at {
        command.envs([("GIT_AUTHOR_DATE", at), ("GIT_COMMITTER_DATE", at)]);
    }
    world.run(command, "").success().stdout.trim().to_owned()
}

/// Commits a desired state in which these of 20 users are disabled, and pushes it by force.
pub(crate) fn push(world: &World, disabled: &[u32]) {
    let mut text = "pop3:\n".to_owned();
    for n in 1..=20 {
        let access = if disabled.contains(&n) { "disabled" } else { "enabled" };
        writeln!(text, "  u{n}@x.test: {access}").unwrap();
    }
    world.write("admin/desired-state/users.yaml", text);
    git(world, "admin", &["add", "."]);
    git(world, "admin", &["commit", "-qm", "Who may use POP3"]);
    git(world, "admin", &["push", "-qf", "origin", "HEAD:main"]);
}

/// A bare repository `origin`, a clone `admin`, twenty users, and settings that name the repository.
pub(crate) fn repository(more: &str) -> World {
    let world = World::new();
    for directory in ["origin", "admin"] {
        std::fs::create_dir(world.path(directory)).unwrap();
    }
    git(&world, "origin", &["init", "-q", "--bare", "--initial-branch=main"]);
    git(&world, "admin", &["init", "-q", "--initial-branch=main"]);
    git(&world, "admin", &["remote", "add", "origin", &world.path("origin").display().to_string()]);
    push(&world, &[]);
    users(&world, 20);
    names(&world, &format!("{{git: ./origin, interval: 1s{more}}}"));
    world
}

/// Writes settings whose desired state comes from there.
fn names(world: &World, source: &str) {
    settings(world, SOON);
    let text = world.read("popgate.yaml").replace("desired: desired-state", &format!("desired: {source}"));
    world.script("page", "cat >> events");
    world.write("popgate.yaml", text + "notify: {command: [./page]}\n");
}

fn converges(world: &World) {
    wait_until("convergence", || world.popgate(["status", "--wait"]).code.filter(|code| *code == 0));
}

fn running(more: &str) -> (World, Daemon) {
    let world = repository(more);
    let daemon = world.start(["run"]);
    converges(&world);
    (world, daemon)
}

/// Waits until the notification command heard of an invalid desired state with this code.
fn hears(world: &World, code: &str) -> Value {
    wait_until(code, || {
        let text = std::fs::read_to_string(world.path("events")).unwrap_or_default();
        let mut events = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        events.find(|event| event["event"] == "invalid" && event.to_string().contains(code))
    })
}

fn becomes(world: &World, users: &str) {
    wait_until(users, || (disabled(world) == users).then_some(()));
}

#[test]
fn a_push_comes_into_force_and_history_names_the_commit_and_its_author() {
    let (world, mut daemon) = running("");
    push(&world, &[3]);
    becomes(&world, "u3@x.test");
    let commit = git(&world, "admin", &["rev-parse", "--short=12", "HEAD"]);
    let status = world.popgate(["status"]).success().stdout;
    assert!(status.contains(&commit), "{status}");
    let history = world.popgate(["history"]).success().stdout;
    assert!(history.contains(&format!("commit {commit} by Anna Admin <anna@x.test>")), "{history}");
    let json = world.popgate(["history", "--format", "json"]).success().stdout;
    assert!(json.contains("\"author\": \"Anna Admin <anna@x.test>\""), "{json}");
    // Rewritten history is another state like any other.
    git(&world, "admin", &["commit", "-q", "--amend", "--allow-empty", "-m", "Other words"]);
    git(&world, "admin", &["reset", "-q", "--hard", "HEAD~1"]);
    push(&world, &[4]);
    becomes(&world, "u4@x.test");
    assert_eq!(daemon.stop(), Some(143));
    assert!(
        !world
            .path("state/git")
            .read_dir()
            .unwrap()
            .next()
            .unwrap()
            .unwrap()
            .path()
            .join("desired-state")
            .exists()
    );
}

#[test]
fn a_command_fetches_by_itself() {
    let world = repository("");
    let _valid = world.popgate(["validate"]).success();
    push(&world, &[3]);
    let plan = world.popgate(["plan"]).success().stdout;
    let commit = git(&world, "admin", &["rev-parse", "--short=12", "HEAD"]);
    assert!(plan.contains("desired-state/users.yaml:4") && plan.contains(&commit), "{plan}");
    assert!(plan.contains("Anna Admin"), "{plan}");
    let json: Value = serde_json::from_str(&world.popgate(["plan", "--format", "json"]).stdout).unwrap();
    assert_eq!(
        (&json["commit"], &json["author"]),
        (&commit.as_str().into(), &"Anna Admin <anna@x.test>".into())
    );
    push(&world, &[3, 4]);
    let _apply = world.popgate(["apply", "--yes"]).success();
    assert_eq!(disabled(&world), "u3@x.test u4@x.test");
    let set = world.popgate(["set", "u1@x.test", "disabled"]).ends_with(64);
    assert!(set.stderr.contains("fetched from git"), "{}", set.stderr);
    let _doctor = world.popgate(["doctor"]).success();
    git(&world, "admin", &["rm", "-q", "desired-state/users.yaml"]);
    git(&world, "admin", &["commit", "-qm", "Nothing"]);
    git(&world, "admin", &["push", "-q", "origin", "HEAD:main"]);
    let gone = world.popgate(["validate"]).ends_with(3);
    assert!(gone.stderr.contains("POP200") && gone.stderr.contains("no directory"), "{}", gone.stderr);
}

#[test]
fn what_is_wrong_in_a_file_is_told_with_its_place_in_the_repository() {
    let world = repository("");
    world.write("admin/desired-state/bad.yaml", "pop3:\n  x@x.test: on\n");
    push(&world, &[]);
    let plan = world.popgate(["plan"]).ends_with(3);
    assert!(plan.stderr.contains("desired-state/bad.yaml:2:13"), "{}", plan.stderr);
    assert_eq!(plan.stdout, "");
}

#[test]
fn a_deleted_branch_keeps_the_last_good_state_and_is_told() {
    let (world, mut daemon) = running("");
    push(&world, &[3]);
    becomes(&world, "u3@x.test");
    git(&world, "origin", &["update-ref", "-d", "refs/heads/main"]);
    hears(&world, "POP211");
    assert_eq!(disabled(&world), "u3@x.test", "the last good state stays in force");
    let plan = world.popgate(["plan"]).ends_with(3);
    assert!(plan.stderr.contains("has no branch or tag `main`"), "{}", plan.stderr);
    // It is tried again less and less often, but not when somebody asks.
    push(&world, &[4]);
    let _asked = world.popgate(["reconcile"]).success();
    becomes(&world, "u4@x.test");
    assert_eq!(daemon.stop(), Some(143));
}

#[test]
fn a_repository_that_is_gone_is_told_once_it_is_more_than_passing_trouble() {
    let (world, mut daemon) = running("");
    std::fs::rename(world.path("origin"), world.path("moved")).unwrap();
    let plan = world.popgate(["plan"]).ends_with(1);
    assert!(plan.stderr.contains("cannot be fetched") && plan.stderr.contains("help"), "{}", plan.stderr);
    daemon.wait_for("cannot be fetched");
    hears(&world, "POP210");
    assert_eq!(world.popgate(["status"]).code, Some(0), "it goes on");
    std::fs::rename(world.path("moved"), world.path("origin")).unwrap();
    push(&world, &[5]);
    let _asked = world.popgate(["reconcile"]).success();
    becomes(&world, "u5@x.test");
    daemon.wait_for("can be fetched again");
    assert_eq!(daemon.stop(), Some(143));
}

#[test]
fn of_a_huge_repository_only_what_is_needed_is_fetched() {
    let world = repository("");
    git(&world, "origin", &["config", "uploadpack.allowFilter", "true"]);
    git(&world, "origin", &["config", "uploadpack.allowAnySHA1InWant", "true"]);
    for n in 0..8 {
        // Random, so that no packing makes it small.
        let mut command = world.command("/bin/sh");
        command.args(["-c", &format!("head -c 2000000 /dev/urandom > admin/big-{n}.bin")]);
        let _made = world.run(command, "").success();
        push(&world, &[n + 1]);
    }
    names(&world, &format!("{{git: 'file://{}'}}", world.path("origin").display()));
    let plan = world.popgate(["plan"]).success().stdout;
    assert!(plan.contains("u8@x.test"), "{plan}");
    let mut command = world.command("/usr/bin/du");
    command.args(["-sk", "state/git"]);
    let kib: u64 = world.run(command, "").success().stdout.split('\t').next().unwrap().parse().unwrap();
    assert!(kib < 1000, "{kib} KiB were fetched of 16 MB");
    // Where the server cannot do that, the one commit is fetched whole.
    git(&world, "origin", &["config", "uploadpack.allowFilter", "false"]);
    std::fs::remove_dir_all(world.path("state")).unwrap();
    let plan = world.popgate(["plan"]).success().stdout;
    assert!(plan.contains("u8@x.test"), "{plan}");
}

#[test]
fn a_clone_without_history_and_a_tag_are_sources_like_any_other() {
    let world = repository(", ref: v1");
    git(&world, "admin", &["tag", "-am", "First", "v1"]);
    git(&world, "admin", &["push", "-q", "origin", "v1"]);
    push(&world, &[7]);
    let plan = world.popgate(["plan"]).success().stdout;
    assert!(plan.contains("nothing to change"), "the tag is what counts:\n{plan}");
    let origin = format!("file://{}", world.path("origin").display());
    git(&world, ".", &["clone", "-q", "--bare", "--depth=1", &origin, "shallow"]);
    names(&world, "{git: ./shallow}");
    let plan = world.popgate(["plan"]).success().stdout;
    assert!(plan.contains("u7@x.test"), "{plan}");
}

#[test]
fn dangerous_addresses_are_refused_before_git_sees_them() {
    let world = repository("");
    for (source, code) in [
        ("{git: \"ext::sh -c 'touch pwned'\"}", "POP170"),
        ("{git: '--upload-pack=touch pwned'}", "POP170"),
        ("{git: 'https://me:hunter2@git.example/x.git'}", "POP170"),
        ("{git: ./origin, ref: '--upload-pack=x'}", "POP170"),
        ("{git: ./origin, path: ../x}", "POP170"),
        ("{git: 'http://git.example/x', password: {env: TOKEN}}", "POP170"),
        ("{git: 'https://git.example/x', password: hunter2}", "POP160"),
    ] {
        names(&world, source);
        let plan = world.popgate(["plan"]).ends_with(3);
        assert!(plan.stderr.contains(code), "{source}: {}", plan.stderr);
        assert!(!plan.stderr.contains("hunter2"), "{}", plan.stderr);
        assert!(!world.path("pwned").exists() && !world.path("state/git").exists());
    }
}

#[test]
fn a_run_that_ends_does_not_act_on_what_was_fetched_before() {
    let world = repository("");
    push(&world, &[3]);
    let _plan = world.popgate(["plan"]).success();
    std::fs::rename(world.path("origin"), world.path("moved")).unwrap();
    let once = world.popgate(["run", "--once"]).ends_with(1);
    assert!(once.stderr.contains("POP210"), "{}", once.stderr);
    let apply = world.popgate(["apply", "--yes"]).ends_with(1);
    assert!(apply.stderr.contains("cannot be fetched"), "{}", apply.stderr);
    assert_eq!(disabled(&world), "");
    std::fs::rename(world.path("moved"), world.path("origin")).unwrap();
    let _once = world.popgate(["run", "--once"]).success();
    assert_eq!(disabled(&world), "u3@x.test");
}
