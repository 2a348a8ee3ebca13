//! Commands on a terminal, where a person is asked and may press keys.

use std::fs::OpenOptions;
use std::io::Write as _;

use crate::daemon::{SOON, desire, disabled, settings, users};
use crate::world::program::Daemon;
use crate::world::{World, require};

/// `popgate apply` on a terminal of its own, waiting for an answer to its question; returns what was pressed into.
fn asked(world: &World) -> (Daemon, std::fs::File) {
    users(world, 20);
    settings(world, SOON);
    desire(world, 20, &[3]);
    let mut fifo = world.command("mkfifo");
    fifo.arg("keys");
    let _made = world.run(fifo, "").success();
    let mut command = world.command("sh");
    let script = require("script").display().to_string();
    command.args(["-c", r#"exec "$1" -qfec "$2 apply" /dev/null < keys"#, "sh", &script]);
    command.arg(env!("CARGO_BIN_EXE_popgate"));
    let mut terminal = world.start_command(command);
    let keys = OpenOptions::new().write(true).open(world.path("keys")).unwrap();
    terminal.wait_for("Apply 1 change? [y/N]");
    (terminal, keys)
}

/// Presses keys; returns how it ended, and what stood on the terminal from the question on.
fn pressing(keys: &str) -> (World, Option<i32>, String) {
    let world = World::new();
    let (mut terminal, mut input) = asked(&world);
    input.write_all(keys.as_bytes()).unwrap();
    let code = terminal.wait();
    drop(input);
    let log = terminal.log().replace('\r', "");
    let (_, after) = log.split_once("[y/N]").unwrap();
    (world, code, after.to_owned())
}

#[test]
fn yes_applies_and_everything_else_does_not() {
    let (world, code, after) = pressing("y\n");
    assert_eq!((code, disabled(&world).as_str()), (Some(0), "u3@x.test"), "{after}");
    for keys in ["n\n", "\n", "yess\n"] {
        let (world, code, after) = pressing(keys);
        assert_eq!((code, disabled(&world).as_str()), (Some(0), ""), "{after}");
        assert!(after.contains("\nNothing was written."), "{after:?}");
    }
}

#[test]
fn an_interrupt_at_the_question_ends_its_line_and_writes_nothing() {
    let (world, code, after) = pressing("\u{3}");
    assert_eq!((code, disabled(&world).as_str()), (Some(130), ""), "{after}");
    assert!(after.trim_start_matches([' ', '^', 'C']).starts_with('\n'), "{after:?}");
    // The lock is free, and nothing is left half-done.
    let _applied = world.popgate(["apply", "--yes"]).success();
    assert_eq!(disabled(&world), "u3@x.test");
}

#[test]
fn the_end_of_the_input_is_a_no_with_a_line_of_its_own() {
    let (world, code, after) = pressing("\u{4}");
    assert_eq!((code, disabled(&world).as_str()), (Some(0), ""), "{after}");
    assert!(after.contains("\nNothing was written."), "{after:?}");
}
