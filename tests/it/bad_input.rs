//! Bad input of every kind, and what a person gets for it: the place, the remedy, the exit code, nothing half-written.

use crate::daemon::{SOON, desire, disabled, settings, sqlite, users};
use crate::world::{World, wait_until};

/// Twenty users, all listed and enabled.
pub(crate) fn world() -> World {
    let world = World::new();
    users(&world, 20);
    desire(&world, 20, &[]);
    settings(&world, SOON);
    world
}

/// Plans and applies a desired state that must be refused by both, and returns what is said.
#[track_caller]
fn refused(world: &World, code: &str, place: &str) -> String {
    let plan = world.popgate(["plan"]).ends_with(3);
    assert_eq!(plan.stdout, "", "no plan is claimed");
    assert!(plan.stderr.contains(code), "{}", plan.stderr);
    assert!(plan.stderr.contains(place), "{place} in:\n{}", plan.stderr);
    assert!(plan.stderr.contains("help"), "{}", plan.stderr);
    let _apply = world.popgate(["apply", "--yes"]).ends_with(3);
    assert_eq!(disabled(world), "", "nothing was written");
    plan.stderr
}

#[test]
fn every_bad_file_is_refused_with_its_place() {
    let cases: [(&[u8], &str); 25] = [
        (b"pop3:\n  a: [enabled\n", "bad.yaml:"),
        (b"", "bad.yaml"),
        (b"# nothing but a comment\n", "bad.yaml"),
        (b"pop3:\n", "bad.yaml:1:"),
        (b"pop3:\n  U1@X.test: disabled\n", "users.yaml:2:3"),
        (b"pop3:\n  zoe@x.test: {access: enabled, untill: 2099-01-01}\n", "bad.yaml:2:"),
        (b"pop3:\n  alice@x.test: on\n", "bad.yaml:2:17"),
        (b"pop3:\n  \"a\\nb\": enabled\n", "bad.yaml:2:3"),
        (b"a: &a [x, x]\nb: &b [*a, *a]\npop3: {c: *b}\n", "bad.yaml:1:4"),
        (b"pop3:\n  z@x.test: enabled\xff\n", "bad.yaml:2:"),
        (b"\xff\xfep\x00o\x00p\x003\x00", "bad.yaml:1:1"),
        (b"pop3:\n  z@x.test: enabled\0\n", "bad.yaml:2:"),
        (b"pop3:\n\tz@x.test: enabled\n", "bad.yaml:2:1"),
        (b"pop3:\n  z@x.test: enabled\n---\npop3: {}\n", "bad.yaml:3:1"),
        (b"pop3:\n- z@x.test: enabled\n", "bad.yaml:2:"),
        (b"version: 2\npop3: {}\n", "bad.yaml:1:10"),
        (b"pop3:\n  z@x.test:\n", "bad.yaml:2:3"),
        (b"pop3:\n  z@x.test: {access: disabled, until: 2099-01-01}\n", "bad.yaml:2:"),
        (b"pop3:\n  z@x.test: {access: enabled, until: 2099-02-30}\n", "bad.yaml:2:"),
        (b"pop3:\n  z@x.test: {access: enabled, reason: 12}\n", "bad.yaml:2:"),
        (b"pop3:\n  \" z@x.test\": enabled\n", "bad.yaml:2:3"),
        (b"pop3:\n  z\xe2\x80\x8b@x.test: enabled\n", "bad.yaml:2:3"),
        (b"pop3:\n  z@x.test: enabled # \xe2\x80\xae\n", "bad.yaml:2:"),
        (b"pop3:\n  z@x.test: enabled\npop3:\n  y@x.test: enabled\n", "bad.yaml:3:1"),
        (b"pop3:\n  \"\": enabled\n", "bad.yaml:2:3"),
    ];
    for (text, place) in cases {
        let world = world();
        world.write("desired-state/bad.yaml", text);
        refused(&world, "error[POP", place);
    }
}

#[test]
fn what_only_looks_odd_is_read_as_it_is_meant() {
    let odd: [&[u8]; 4] = [
        b"pop3:\r\n  u1@x.test: disabled\r\n",
        b"\xef\xbb\xbfpop3:\n  u1@x.test: disabled\n",
        b"pop3: {u1@x.test: disabled}",
        b"# who\npop3:\n    'u1@x.test':   disabled   # left\n\n",
    ];
    for text in odd {
        let world = world();
        world.write("desired-state/users.yaml", text);
        let _apply = world.popgate(["apply", "--yes"]).success();
        assert_eq!(disabled(&world), "u1@x.test", "{}", String::from_utf8_lossy(text));
    }
}

#[test]
fn all_problems_of_all_files_are_said_in_one_run() {
    let world = world();
    for n in 1..=10 {
        let access = if n % 2 == 0 { "on" } else { "enabled" };
        world.write(&format!("desired-state/f{n}.yaml"), format!("pop3:\n  x{n}@x.test: {access}\n"));
    }
    let said = refused(&world, "error[POP", "f2.yaml:2:");
    assert_eq!(said.matches("error[POP").count(), 5, "{said}");
}

#[test]
fn a_file_that_is_too_large_is_not_even_parsed() {
    let world = world();
    world.write("desired-state/huge.yaml", vec![b'#'; 65 * 1024 * 1024]);
    refused(&world, "POP203", "huge.yaml");
}

#[test]
fn a_symlink_out_of_the_tree_is_refused() {
    let world = world();
    world.write("outside.yaml", "pop3:\n  eve@x.test: enabled\n");
    std::os::unix::fs::symlink("../outside.yaml", world.path("desired-state/link.yaml")).unwrap();
    refused(&world, "POP202", "link.yaml");
}

#[test]
fn a_missing_directory_and_an_empty_one_are_errors() {
    let world = world();
    std::fs::remove_file(world.path("desired-state/users.yaml")).unwrap();
    refused(&world, "POP201", "desired-state");
    std::fs::remove_dir(world.path("desired-state")).unwrap();
    refused(&world, "POP200", "desired-state");
}

#[test]
fn a_typo_in_the_settings_names_the_line_and_the_right_word() {
    let world = world();
    let text = world.read("popgate.yaml").replace("refresh: 2s", "refersh: 2s");
    world.write("popgate.yaml", text);
    let plan = world.popgate(["plan"]).ends_with(3);
    assert!(plan.stderr.contains("popgate.yaml:8:5"), "{}", plan.stderr);
    assert!(plan.stderr.contains("refresh"), "{}", plan.stderr);
}

#[test]
fn a_usage_error_is_not_mistaken_for_changes() {
    let world = world();
    let _ran = world.popgate(["plan", "--no-such-flag"]).ends_with(64);
    let _ran = world.popgate(["--target", "nowhere", "plan"]).ends_with(64);
    let _ran = world.popgate(["apply", "--restart", "later"]).ends_with(64);
    let _ran = world.popgate(["--help"]).success();
}

#[test]
fn applying_without_a_person_needs_yes_only_when_there_is_something_to_write() {
    let world = world();
    let _apply = world.popgate(["apply"]).success();
    desire(&world, 20, &[1]);
    let apply = world.popgate(["apply"]).ends_with(64);
    assert!(apply.stderr.contains("--yes"), "{}", apply.stderr);
    assert_eq!(disabled(&world), "");
}

#[test]
fn an_alias_of_two_accounts_blocks_only_the_entry_that_uses_it() {
    let world = world();
    sqlite(
        &world,
        "ALTER TABLE mailbox ADD COLUMN alias TEXT;\
         UPDATE mailbox SET alias = 'info@x.test' WHERE username IN ('u1@x.test', 'u2@x.test');",
    );
    let text = world.read("popgate.yaml").replace("key: username,", "key: username, aliases: [alias],");
    world.write("popgate.yaml", text);
    world.write("desired-state/users.yaml", "pop3:\n  info@x.test: disabled\n  u3@x.test: disabled\n");
    let apply = world.popgate(["apply", "--yes"]).ends_with(5);
    assert!(apply.stdout.contains("u1@x.test") && apply.stdout.contains("u2@x.test"), "{}", apply.stdout);
    assert_eq!(disabled(&world), "u3@x.test");
}

#[test]
fn an_address_that_belongs_to_somebody_else_now_is_blocked_until_approved() {
    let world = world();
    sqlite(
        &world,
        "ALTER TABLE mailbox ADD COLUMN alias TEXT; UPDATE mailbox SET alias = 'jo@x.test' WHERE username = 'u1@x.test';",
    );
    let text = world.read("popgate.yaml").replace("key: username,", "key: username, aliases: [alias],");
    world.write("popgate.yaml", text);
    world.write("desired-state/users.yaml", "pop3:\n  jo@x.test: disabled\n");
    let _apply = world.popgate(["apply", "--yes"]).success();
    assert_eq!(disabled(&world), "u1@x.test");
    sqlite(
        &world,
        "UPDATE mailbox SET alias = NULL WHERE username = 'u1@x.test';\
         UPDATE mailbox SET alias = 'jo@x.test' WHERE username = 'u2@x.test';",
    );
    let apply = world.popgate(["apply", "--yes"]).ends_with(5);
    assert_eq!(disabled(&world), "u1@x.test", "the new owner of the address keeps POP3");
    let marker = "popgate approve ";
    let at = apply.stdout.find(marker).unwrap_or_else(|| panic!("no approval is offered:\n{}", apply.stdout));
    let id: String =
        apply.stdout[at + marker.len()..].chars().take_while(char::is_ascii_alphanumeric).collect();
    let _approved = world.popgate(["approve", &id, "--reason", "Jo left, Joan has the address"]).success();
    let _apply = world.popgate(["apply", "--yes"]).success();
    assert_eq!(disabled(&world), "u1@x.test u2@x.test");
}

#[test]
fn a_store_that_is_missing_or_has_no_such_column_is_an_error_with_a_remedy() {
    let world = world();
    let good = world.read("popgate.yaml");
    world.write("popgate.yaml", good.replace("users.db", "nowhere.db"));
    let plan = world.popgate(["plan"]).ends_with(1);
    assert!(plan.stderr.contains("nowhere.db") && plan.stderr.contains("help"), "{}", plan.stderr);
    assert!(!world.path("nowhere.db").exists());
    world.write("popgate.yaml", good.replace("[pop3]", "[pop4]"));
    let plan = world.popgate(["plan"]).ends_with(1);
    assert!(plan.stderr.contains("pop4") && plan.stderr.contains("pop3"), "{}", plan.stderr);
}

#[test]
fn a_locked_store_is_left_alone_and_the_batch_can_be_made_later() {
    let world = world();
    let text = world.read("popgate.yaml").replace("key: username,", "key: username, busy_timeout: 200ms,");
    world.write("popgate.yaml", text);
    desire(&world, 20, &[2]);
    let mut locker = world.command(crate::world::require("sqlite3"));
    locker.arg("users.db");
    locker.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut locker = locker.spawn().unwrap();
    {
        use std::io::{BufRead as _, Write as _};
        locker.stdin.as_mut().unwrap().write_all(b"BEGIN IMMEDIATE;\nSELECT 'locked';\n").unwrap();
        let mut line = String::new();
        std::io::BufReader::new(locker.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "locked\n");
    }
    let apply = world.popgate(["apply", "--yes"]).ends_with(5);
    assert!(apply.stderr.contains("u2@x.test"), "{}", apply.stderr);
    assert_eq!(crate::daemon::restarts(&world), 0, "nothing was written, so nothing is owed");
    locker.kill().unwrap();
    locker.wait().unwrap();
    let _apply = world.popgate(["apply", "--yes"]).success();
    assert_eq!(disabled(&world), "u2@x.test");
    assert_eq!(crate::daemon::restarts(&world), 1);
}

#[test]
fn a_full_disk_under_the_journal_stops_the_batch_before_the_write() {
    let world = world();
    desire(&world, 20, &[2]);
    let _plan = world.popgate(["plan"]).success();
    // No file may grow: the journal cannot take a single byte.
    let mut command = world.command("/bin/bash");
    command.args(["-c", "ulimit -f 0; trap '' XFSZ; exec \"$0\" apply --yes", env!("CARGO_BIN_EXE_popgate")]);
    let ran = world.run(command, "");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert_eq!(disabled(&world), "", "nothing was written to the store");
    let _apply = world.popgate(["apply", "--yes"]).success();
    assert_eq!(disabled(&world), "u2@x.test");
}

#[test]
fn a_service_command_that_does_not_exist_is_named() {
    let world = world();
    let text = world.read("popgate.yaml").replace("./restart", "./no-such-program");
    world.write("popgate.yaml", text);
    desire(&world, 20, &[2]);
    let apply = world.popgate(["apply", "--yes"]).ends_with(8);
    assert!(apply.stderr.contains("no-such-program"), "{}", apply.stderr);
    let doctor = world.popgate(["doctor"]).ends_with(1);
    assert!(doctor.stdout.contains("no-such-program"), "{}", doctor.stdout);
}

#[test]
fn a_state_directory_that_cannot_be_used_is_named_with_a_remedy() {
    let world = world();
    world.write("file", "");
    for (state, says) in [
        ("file", "something else of that name"),
        ("file/below", "something else"),
        ("/proc/state", "that can be made"),
    ] {
        let ran = world.popgate(["--state", state, "apply", "--yes"]).ends_with(1);
        assert!(ran.stderr.contains(says) && ran.stderr.contains("--state"), "{state}: {}", ran.stderr);
        // Root may write anywhere but here.
        let ran = world.popgate(["--state", state, "history"]);
        assert!(ran.code == Some(0) || ran.stderr.contains("--state"), "{state}: {ran:?}");
    }
}

#[test]
fn a_state_directory_that_may_not_be_entered_is_named_with_a_remedy_and_nothing_is_written() {
    let world = world();
    let _apply = world.popgate(["apply", "--yes"]).success();
    let before = world.read("state/journal-000001");
    desire(&world, 20, &[3]);
    let mode = |mode| {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(world.path("state"), mode).unwrap();
    };
    mode(0);
    // In a user name space without any mapping even root is nobody in particular.
    let nobody = |args: &[&str]| {
        let mut command = world.command(crate::world::require("unshare"));
        command.arg("--user").arg(env!("CARGO_BIN_EXE_popgate")).args(args);
        world.run(command, "").ends_with(1).stderr
    };
    for args in [
        &["apply", "--yes"][..],
        &["run"],
        &["plan"],
        &["status"],
        &["history"],
        &["suspend", "--reason", "x"],
    ] {
        let said = nobody(args);
        assert!(said.contains("state") && said.contains("as root or as the"), "{args:?}: {said}");
    }
    mode(0o700);
    assert_eq!((world.read("state/journal-000001"), disabled(&world).as_str()), (before, ""));
}

#[test]
fn files_that_are_not_read_are_noted() {
    let world = world();
    world.write("desired-state/SALES.YAML", "pop3:\n  a@x.test: enabled\n");
    world.write("desired-state/.hidden", "");
    let ran = world.popgate(["validate"]).success();
    assert_eq!(ran.stdout, "ok: 20 users in 1 file\n");
    assert!(
        ran.stderr.contains("not read") && ran.stderr.contains("desired-state/SALES.YAML"),
        "{}",
        ran.stderr
    );
    assert!(!ran.stderr.contains(".hidden"), "{}", ran.stderr);
}

#[test]
fn a_disk_that_fills_up_under_a_daemon_stops_every_write_until_there_is_room() {
    let world = world();
    std::fs::create_dir(world.path("state")).unwrap();
    // A file system of its own, in a name space of its own; possible for everybody where user name spaces are.
    let mut command = world.command(crate::world::require("unshare"));
    command.args(["--map-root-user", "--mount", "sh", "-c"]);
    command.arg(r#"mount -t tmpfs -o size=64k,mode=700 popgate-test state && exec "$1" run"#);
    command.args(["sh", env!("CARGO_BIN_EXE_popgate")]);
    let mut daemon = world.start_command(command);
    daemon.wait_for("nothing to change");
    // Seen from within, where the small disk is.
    let inside = std::path::PathBuf::from(format!("/proc/{}/root", daemon.pid()));
    let fill = inside.join(world.path("state/fill").strip_prefix("/").unwrap());
    assert!(std::fs::write(&fill, vec![0; 128 << 10]).is_err(), "the disk is small");
    desire(&world, 20, &[3]);
    daemon.wait_for("so nothing is written to any store");
    daemon.wait_for_times("so nothing is written to any store", 2);
    assert!(daemon.log().contains("free some space"), "{}", daemon.log());
    assert_eq!(disabled(&world), "", "what cannot be written down is not done");
    std::fs::remove_file(&fill).unwrap();
    wait_until("the restart", || (crate::daemon::restarts(&world) == 1).then_some(()));
    assert_eq!(disabled(&world), "u3@x.test");
    assert_eq!(daemon.stop(), Some(143));
}

#[test]
fn a_desired_state_that_cannot_be_kept_is_not_acted_on() {
    let world = world();
    world.write("state/desired", "in the way of a directory");
    desire(&world, 20, &[3]);
    let ran = world.popgate(["apply", "--yes"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("creating the directory `state/desired/default` failed"), "{}", ran.stderr);
    assert!(!world.read("state/journal-000001").contains(r#""type":"good""#));
    assert_eq!(disabled(&world), "");
    std::fs::remove_file(world.path("state/desired")).unwrap();
    let ran = world.popgate(["apply", "--yes"]).success();
    assert!(ran.stdout.contains("1 change"), "{}", ran.stdout);
    assert_eq!(disabled(&world), "u3@x.test");
}

#[test]
fn what_cannot_be_written_down_is_not_done_although_the_store_was_ready_for_it() {
    let world = world();
    let mut daemon = world.start(["run"]);
    daemon.wait_for("nothing to change");
    // Whatever is written down before the edit has been.
    let applied = || world.read("state/journal-000001").contains(r#""type":"applied""#).then_some(());
    wait_until("the first record that nothing is to be done", applied);
    std::fs::remove_file(world.path("state/journal-000001")).unwrap();
    desire(&world, 20, &[3]);
    assert_eq!(daemon.wait(), Some(1), "{}", daemon.log());
    assert!(daemon.log().contains("the journal is broken"), "{}", daemon.log());
    assert_eq!(disabled(&world), "");
}
