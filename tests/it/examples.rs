//! Runs the examples as a visitor would, with the binary that was built for the tests. Each of them checks itself
//! and ends with 0 only when it saw everything that it claims; here its key lines are looked for as well.

mod exchange;

use std::path::Path;
use std::process::{Command, Stdio};

/// Longer than any wait inside the scripts, so that a script that hangs is a failure and not a hang.
const SECONDS: &str = "240";

#[track_caller]
fn run(example: &str, shows: &[&str]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(example).join("run.sh");
    let out = Command::new("timeout")
        .args(["--kill-after=10", SECONDS])
        .arg(&script)
        .env("POPGATE", env!("CARGO_BIN_EXE_popgate"))
        .stdin(Stdio::null())
        .output()
        .expect("the example starts");
    let said = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert_eq!(out.status.code(), Some(0), "{example} failed:\n{said}");
    for line in shows {
        assert!(said.contains(line), "{example} does not say `{line}`:\n{said}");
    }
}

#[test]
fn the_quickstart_turns_forty_saved_files_into_one_batch_and_one_restart() {
    run("quickstart", &["✓ done: the next plan is empty", "✓ one batch, one restart", "All of it was seen."]);
}

#[test]
fn a_commit_becomes_a_refused_pop3_login_and_one_flush() {
    run(
        "dovecot",
        &[
            "✓ alice is refused: -ERR",
            "✓ the POP3 session that alice had open has ended",
            "✓ bob's has not: +OK",
            "✓ the log has exactly one such line",
            "All of it was seen.",
        ],
    );
}
