//! The whole way against a real Dovecot: from a signed commit to a refused login, and to who is named for it.

use super::{git, signed};
use crate::world::{Dovecot, Options, World, wait_until};

fn push(world: &World, disabled: &str) {
    let users = (1..=20).map(|n| {
        let access = if format!("u{n}") == disabled { "disabled" } else { "enabled" };
        format!("  u{n}@ex.test: {access}\n")
    });
    world.write("admin/desired-state/users.yaml", format!("pop3:\n{}", users.collect::<String>()));
    git(world, "admin", &["add", "."]);
    git(world, "admin", &["commit", "-qm", "CHG-1201: offboarding"]);
    git(world, "admin", &["push", "-q", "origin", "HEAD:main"]);
}

#[test]
fn a_signed_commit_that_is_pushed_refuses_the_login_and_history_names_its_author() {
    let dovecot = Dovecot::start(&Options { users: 20, cache: true, ..Options::default() });
    let world = World::new();
    for directory in ["origin", "admin"] {
        std::fs::create_dir(world.path(directory)).unwrap();
    }
    git(&world, "origin", &["init", "-q", "--bare", "--initial-branch=main"]);
    git(&world, "admin", &["init", "-q", "--initial-branch=main"]);
    let origin = format!("file://{}", world.path("origin").display());
    git(&world, "admin", &["remote", "add", "origin", &origin]);
    let key = signed::key(&world, "anna");
    world.write("signers", format!("anna@x.test namespaces=\"git\" {key}\n"));
    signed::signs_by(&world, "anna");
    push(&world, "nobody");
    world.write(
        "popgate.yaml",
        format!(
            "version: 1
state: state
targets:
  mail:
    desired: {{git: '{origin}', interval: 1s, verify: {{allowed_signers: signers}}}}
    store: {{type: sqlite, path: '{}', table: mailbox, key: username, access: {{columns: [enablepop3], enabled: 1, disabled: 0}}}}
    service: {{type: dovecot, config: '{}'}}
    restart: {{quiet: 300ms, max_delay: 5s, min_interval: 1s}}
watch: {{quiet: 200ms, max_wait: 2s, resync: 10s}}
",
            dovecot.database().display(),
            dovecot.config().display()
        ),
    );
    let mut daemon = world.start(["run"]);
    wait_until("the first reconcile", || world.popgate(["status", "--wait"]).code.filter(|code| *code == 0));
    // Logged in, and known to Dovecot's cache.
    let mut session = dovecot.pop3(3).unwrap();

    push(&world, "u3");
    wait_until("the login to be refused", || dovecot.pop3(3).err());
    wait_until("the session to end", || (!session.is_alive()).then_some(()));
    let _status = world.popgate(["status", "--wait"]).success();
    let commit = git(&world, "admin", &["rev-parse", "--short=12", "HEAD"]);
    let history = world.popgate(["history", "--user", "u3@ex.test"]).success().stdout;
    assert!(history.contains(&format!("commit {commit} by Anna Admin <anna@x.test>")), "{history}");

    // Whoever has no key changes nothing, though he may push.
    git(&world, "admin", &["config", "commit.gpgSign", "false"]);
    push(&world, "u4");
    daemon.wait_for("POP212");
    dovecot.pop3(4).unwrap().quit();
    assert_eq!(daemon.stop(), Some(143));
}
