//! The main job against a real Dovecot: committed YAML to a refused POP3 login.

use std::fmt::Write as _;

use crate::world::{Dovecot, Options, Style, World, require, wait_until};

fn settings(world: &World, dovecot: &Dovecot, restart: &str) {
    world.write(
        "popgate.yaml",
        format!(
            "version: 1
state: state
targets:
  mail:
    desired: server/desired-state
    store: {{type: sqlite, path: '{}', table: mailbox, key: username, access: {{columns: [enablepop3], enabled: 1, disabled: 0}}}}
    service: {{type: dovecot, config: '{}'}}
    restart: {restart}
watch: {{quiet: 200ms, max_wait: 3s, resync: 10s}}
",
            dovecot.database().display(),
            dovecot.config().display()
        ),
    );
}

pub(crate) fn git(world: &World, directory: &str, args: &[&str]) {
    let mut command = world.command(require("git"));
    command.arg("-C").arg(world.path(directory)).args(args);
    command.envs([
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_AUTHOR_NAME", "A"),
        ("GIT_AUTHOR_EMAIL", "a@x.test"),
        ("GIT_COMMITTER_NAME", "A"),
        ("GIT_COMMITTER_EMAIL", "a@x.test"),
    ]);
    let _ran = world.run(command, "").success();
}

fn commit(world: &World, disabled: &[u32]) {
    let mut text = "pop3:\n".to_owned();
    for n in 1..=20 {
        let access = if disabled.contains(&n) { "disabled" } else { "enabled" };
        writeln!(text, "  u{n}@ex.test: {access}").unwrap();
    }
    world.write("admin/desired-state/users.yaml", text);
    git(world, "admin", &["add", "."]);
    git(world, "admin", &["commit", "-qm", "Who may use POP3"]);
    git(world, "admin", &["push", "-q", "origin", "HEAD:main"]);
}

fn repository(world: &World) {
    for directory in ["origin", "admin"] {
        std::fs::create_dir(world.path(directory)).unwrap();
    }
    git(world, "origin", &["init", "-q", "--bare", "--initial-branch=main"]);
    git(world, "admin", &["init", "-q", "--initial-branch=main"]);
    let origin = world.path("origin").display().to_string();
    git(world, "admin", &["remote", "add", "origin", &origin]);
    commit(world, &[]);
    git(world, ".", &["clone", "-q", &origin, "server"]);
}

#[test]
fn a_commit_refuses_the_login_ends_the_session_and_disturbs_nobody_else() {
    let dovecot = Dovecot::start(&Options { users: 20, cache: true, ..Options::default() });
    let world = World::new();
    repository(&world);
    settings(&world, &dovecot, "{quiet: 1s, max_delay: 10s, min_interval: 1s}");
    let mut daemon = world.start(["run"]);
    wait_until("the first reconcile", || world.popgate(["status", "--wait"]).code.filter(|code| *code == 0));

    let mut one = dovecot.pop3(1).unwrap();
    let mut two = dovecot.pop3(2).unwrap();
    let mut imap = dovecot.imap(1).unwrap();
    dovecot.pop3(3).unwrap().quit();
    // Three commits, pulled one after the other within the quiet time.
    for disabled in [&[1][..], &[1, 3], &[1, 3, 4]] {
        commit(&world, disabled);
        git(&world, "server", &["pull", "-q", "--ff-only"]);
    }
    wait_until("the login to be refused", || dovecot.pop3(1).err());
    wait_until("the session to end", || (!one.is_alive()).then_some(()));
    wait_until("the other one to be refused, although Dovecot had cached her", || dovecot.pop3(3).err());
    let _status = world.popgate(["status", "--wait"]).success();
    assert!(two.is_alive(), "the others never notice");
    assert!(imap.is_alive(), "and IMAP is not POP3");
    dovecot.pop3(2).unwrap().quit();
    let told = daemon.log().lines().filter(|line| line.contains("effective")).count();
    assert_eq!(told, 1, "three commits, one flush:\n{}", daemon.log());

    // And back again, although Dovecot remembers the refusal.
    commit(&world, &[1, 4]);
    git(&world, "server", &["pull", "-q", "--ff-only"]);
    wait_until("the login to be accepted again", || dovecot.pop3(3).ok()).quit();
    assert_eq!(daemon.stop(), Some(143));
}

#[test]
fn a_refusal_in_plain_words_works_as_well() {
    let dovecot = Dovecot::start(&Options { users: 20, style: Style::Nologin, ..Options::default() });
    let world = World::new();
    repository(&world);
    settings(&world, &dovecot, "{quiet: 1s, max_delay: 10s, min_interval: 1s}");
    commit(&world, &[5]);
    git(&world, "server", &["pull", "-q", "--ff-only"]);
    dovecot.pop3(5).unwrap().quit();
    let apply = world.popgate(["apply", "--yes"]).success();
    assert!(apply.stdout.contains("ends the POP3 sessions of 1 user"), "{}", apply.stdout);
    let refused = dovecot.pop3(5).unwrap_err();
    assert!(refused.contains("disabled"), "{refused}");
    let again = world.popgate(["apply"]).success();
    assert!(!again.stderr.contains("batch"), "nothing to do a second time:\n{}", again.stderr);
}
