//! Every exit code, brought about by the real program; and what is reported where several would be right.

use crate::bad_input::world;
use crate::daemon::{desire, disabled, sqlite};
use crate::world::{World, wait_until};

/// Lists one entry that means two accounts, beside what is listed already.
fn ambiguous(world: &World) {
    sqlite(
        world,
        "ALTER TABLE mailbox ADD COLUMN alias TEXT;\
         UPDATE mailbox SET alias = 'info@x.test' WHERE username IN ('u19@x.test', 'u20@x.test');",
    );
    let text = world.read("popgate.yaml").replace("key: username,", "key: username, aliases: [alias],");
    world.write("popgate.yaml", text);
    let listed = world.read("desired-state/users.yaml");
    let listed =
        listed.replace("  u19@x.test: enabled\n  u20@x.test: enabled\n", "  info@x.test: disabled\n");
    world.write("desired-state/users.yaml", listed);
}

/// A way to bring about an exit code: what is prepared, and the command.
type Case = (i32, fn(&World), &'static [&'static str]);

const CASES: [Case; 17] = [
    (0, |_| {}, &["plan", "--detailed-exitcode"]),
    (0, |world| desire(world, 20, &[1]), &["plan"]),
    (1, |world| std::fs::remove_file(world.path("users.db")).unwrap(), &["plan"]),
    (1, |_| {}, &["plan", "--report", "json=no/such/folder/plan.json"]),
    (2, |world| desire(world, 20, &[1]), &["plan", "--detailed-exitcode"]),
    (2, |_| {}, &["fmt", "--check"]),
    (3, |world| drop(world.write("desired-state/bad.yaml", "pop3: [")), &["plan"]),
    (3, |world| drop(world.write("desired-state/bad.yaml", "pop3: [")), &["fmt"]),
    (3, |world| drop(world.write("popgate.yaml", "version: 1\ntargts: {}\n")), &["validate"]),
    (4, |world| desire(world, 20, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]), &["apply", "--yes"]),
    (5, ambiguous, &["apply", "--yes"]),
    (6, |world| desire(world, 20, &[1]), &["apply", "--yes", "--plan", "0123456789ab"]),
    (
        7,
        |world| {
            desire(world, 20, &[1]);
            let _suspended = world.popgate(["suspend", "--reason", "x"]).success();
        },
        &["apply", "--yes"],
    ),
    (
        8,
        |world| {
            desire(world, 20, &[1]);
            world.script("restart", "exit 1");
        },
        &["apply", "--yes"],
    ),
    (9, |world| desire(world, 20, &[1]), &["apply", "--yes", "--restart", "defer"]),
    (64, |_| {}, &["plan", "--no-such-option"]),
    (64, |_| {}, &["plan", "--report", "json=a", "--report", "text=a"]),
];

#[test]
fn every_code_ends_the_command_that_deserves_it() {
    for (code, prepare, args) in CASES {
        let world = world();
        prepare(&world);
        let ran = world.popgate(args);
        assert_eq!(ran.code, Some(code), "{args:?}:\n{}{}", ran.stdout, ran.stderr);
    }
}

#[test]
fn a_signal_ends_the_daemon_with_its_own_code() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let world = world();
        let mut daemon = world.start(["run"]);
        wait_until("the first reconcile", || {
            world.popgate(["status", "--wait"]).code.filter(|code| *code == 0)
        });
        daemon.signal(signal);
        assert_eq!(daemon.wait(), Some(code), "{}", daemon.log());
    }
}

#[test]
fn a_mixed_situation_reports_the_most_severe() {
    let both = |prepare: &[fn(&World)], args: &[&str]| {
        let world = world();
        for prepare in prepare {
            prepare(&world);
        }
        let ran = world.popgate(args);
        (ran.code.unwrap(), ran.stderr)
    };
    let guarded = |world: &World| {
        let listed = world.read("desired-state/users.yaml");
        let off = (1..=12).fold(listed, |text, n| {
            text.replace(&format!("  u{n}@x.test: enabled"), &format!("  u{n}@x.test: disabled"))
        });
        world.write("desired-state/users.yaml", off);
    };
    let one = |world: &World| {
        let listed = world.read("desired-state/users.yaml");
        world.write(
            "desired-state/users.yaml",
            listed.replace("  u1@x.test: enabled", "  u1@x.test: disabled"),
        );
    };
    let broken: fn(&World) = |world| drop(world.write("desired-state/bad.yaml", "pop3: ["));
    let no_store: fn(&World) = |world| std::fs::remove_file(world.path("users.db")).unwrap();
    let no_restart: fn(&World) = |world| drop(world.script("restart", "exit 1"));
    // 3 before 4 and 1.
    assert_eq!(both(&[guarded, broken, no_store], &["plan"]).0, 3);
    // 4 before 5 and 2.
    assert_eq!(both(&[ambiguous, guarded], &["plan", "--detailed-exitcode"]).0, 4);
    // 5 before 2.
    assert_eq!(both(&[ambiguous, one], &["plan", "--detailed-exitcode"]).0, 5);
    // 6 before 4.
    assert_eq!(both(&[guarded], &["apply", "--yes", "--plan", "0123456789ab"]).0, 6);
    // 8 before 5.
    assert_eq!(both(&[ambiguous, one, no_restart], &["apply", "--yes"]).0, 8);
    // 5 before 9.
    assert_eq!(both(&[ambiguous, one], &["apply", "--yes", "--restart", "defer"]).0, 5);
}

#[test]
fn applying_another_plan_than_was_approved_writes_nothing() {
    let world = world();
    desire(&world, 20, &[1]);
    let plan = crate::daemon::plan_id(&world);
    desire(&world, 20, &[1, 2]);
    let stale = world.popgate(["apply", "--yes", "--plan", &plan]).ends_with(6);
    assert!(stale.stderr.contains(&format!("the plan is not {plan} any more")), "{}", stale.stderr);
    assert_eq!((stale.stdout.as_str(), disabled(&world).as_str()), ("", ""));
    desire(&world, 20, &[1]);
    let _applied = world.popgate(["apply", "--yes", "--plan", &plan]).success();
    assert_eq!(disabled(&world), "u1@x.test");
}
