//! The journal against a disk that is really full, a process that is really killed, and readers that really
//! read while it is written.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use popgate::journal::{Journal, Line, Lock, read_all, read_current, verify};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Record {
    State { count: u64 },
    Wrote { number: u64, text: String },
}

fn wrote(number: u64) -> Record {
    Record::Wrote { number, text: "x".repeat(100) }
}

fn now() -> Timestamp {
    "2026-05-01T08:00:00Z".parse().unwrap()
}

fn open(dir: &Path) -> (Journal<Record>, Vec<Line<Record>>) {
    Journal::open(dir, Lock::take(dir).unwrap()).unwrap()
}

/// Names the directory in which a child process finds its work.
const CHILD_DIR: &str = "POPGATE_TEST_JOURNAL_DIR";

pub(crate) fn child_dir() -> String {
    std::env::var(CHILD_DIR).expect("this test is run by another one, in a child process")
}

/// Runs one of the ignored tests below in a process of its own, started through `wrapper`.
pub(crate) fn child(wrapper: &[&str], test: &str, dir: &Path) -> Command {
    let mut command = Command::new(wrapper[0]);
    command
        .args(&wrapper[1..])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env(CHILD_DIR, dir);
    command
}

pub(crate) fn succeeds(mut command: Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("1 passed"), "{command:?}: {}\n{text}", output.status);
}

/// Appends until nothing fits any more, and checks that what was said to be written is there, no more, no less.
fn fill(dir: &Path) -> (Journal<Record>, u64) {
    let (mut journal, _) = open(dir);
    let mut count = 0;
    let error = loop {
        match journal.append(now(), &[wrote(count), wrote(count + 1)], true) {
            Ok(_) => count += 2,
            Err(error) => break error,
        }
    };
    assert!(error.is_full(), "{error:?}");
    assert!(count > 4 && !journal.is_broken(), "{count} fitted");
    let lines = read_current::<Record>(dir).unwrap();
    assert_eq!(lines.len() as u64, count);
    assert_eq!(verify(dir).unwrap().torn, None, "the part that fitted was taken back");
    (journal, count)
}

fn goes_on(dir: &Path, mut journal: Journal<Record>, count: u64) {
    journal.append(now(), &[wrote(count)], true).unwrap();
    drop(journal);
    let (journal, lines) = open(dir);
    assert_eq!((lines.len() as u64, journal.torn()), (count + 1, None));
}

#[test]
fn a_limit_on_file_size_leaves_the_journal_whole_and_it_goes_on_when_lifted() {
    let dir = tempfile::tempdir().unwrap();
    // The signal is ignored, as a service manager may do, so that the write fails instead.
    let wrapper = ["prlimit", "--fsize=8000:unlimited", "sh", "-c", r#"trap "" XFSZ; exec "$@""#, "sh"];
    succeeds(child(&wrapper, "journal::child_under_a_file_size_limit", dir.path()));
}

#[test]
#[ignore = "run in a child process by the test above"]
fn child_under_a_file_size_limit() {
    let dir = child_dir();
    let dir = Path::new(&dir);
    let (journal, count) = fill(dir);
    let lifted = Command::new("prlimit")
        .args(["--fsize=unlimited", "--pid", &std::process::id().to_string()])
        .status();
    assert!(lifted.unwrap().success());
    goes_on(dir, journal, count);
}

#[test]
fn a_full_disk_leaves_the_journal_whole_and_it_goes_on_when_there_is_space() {
    let dir = tempfile::tempdir().unwrap();
    // A file system of its own, in a name space of its own; possible for everybody where user name spaces are.
    let mount = r#"mount -t tmpfs -o size=64k popgate-test "$POPGATE_TEST_JOURNAL_DIR" && exec "$@""#;
    let wrapper = ["unshare", "--map-root-user", "--mount", "sh", "-c", mount, "sh"];
    succeeds(child(&wrapper, "journal::child_on_a_small_disk", dir.path()));
}

#[test]
#[ignore = "run in a child process by the test above"]
fn child_on_a_small_disk() {
    let dir = child_dir();
    let dir = Path::new(&dir);
    fs::write(dir.join("ballast"), vec![1; 16 << 10]).unwrap();
    let (mut journal, count) = fill(dir);
    let error = journal.rotate(now(), &Record::State { count }).unwrap_err();
    assert!(error.is_full() && !journal.is_broken(), "{error:?}");
    assert_eq!(verify(dir).unwrap().segments, 1);
    fs::remove_file(dir.join("ballast")).unwrap();
    goes_on(dir, journal, count);
}

#[test]
fn a_writer_killed_at_any_moment_leaves_all_that_it_said_was_written() {
    for round in 0..8 {
        let dir = tempfile::tempdir().unwrap();
        let mut command = child(&["env"], "journal::child_that_is_killed", dir.path());
        let mut writer = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut said = 0;
        for line in BufReader::new(writer.stdout.take().unwrap()).lines() {
            if let Some(count) = line.unwrap().strip_prefix("written ") {
                said = count.parse().unwrap();
            }
            if said >= 40 + round * 10 {
                break;
            }
        }
        writer.kill().unwrap();
        writer.wait().unwrap();
        assert!(said >= 40, "the writer ended by itself");
        let (mut journal, _) = open(dir.path());
        let last = journal.last_seq();
        assert!(last >= said, "{said} were said to be written, {last} are there");
        journal.append(now(), &[wrote(0)], true).unwrap();
        let lines = read_all::<Record>(dir.path()).unwrap();
        assert_eq!(lines.len() as u64, last + 1);
        assert_eq!(verify(dir.path()).unwrap().torn, None);
    }
}

#[test]
#[ignore = "run in a child process by the test above"]
fn child_that_is_killed() {
    let dir = child_dir();
    let (mut journal, _) = open(Path::new(&dir));
    println!();
    loop {
        let (_, last) = journal.append(now(), &[wrote(1), wrote(2), wrote(3)], true).unwrap();
        println!("written {last}");
        if last % 7 == 0 {
            let last = journal.rotate(now(), &Record::State { count: last }).unwrap();
            println!("written {last}");
        }
    }
}

#[test]
fn readers_see_a_whole_prefix_while_a_writer_appends_and_rotates() {
    let dir = tempfile::tempdir().unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let (mut reads, mut longest) = (0, 0);
            while !done.load(Ordering::Relaxed) || reads == 0 {
                let all = read_all::<Record>(dir.path()).unwrap();
                assert!(all.len() >= longest, "a record that was there is gone");
                assert!(all.iter().map(|line| line.seq).eq(1..=all.len() as u64));
                longest = all.len();
                read_current::<Record>(dir.path()).unwrap();
                Lock::holder(dir.path()).unwrap();
                reads += 1;
            }
            reads
        });
        let (mut journal, _) = open(dir.path());
        for number in 0..300 {
            journal.append(now(), &[wrote(number), wrote(number)], false).unwrap();
            if number % 50 == 49 {
                journal.rotate(now(), &Record::State { count: number }).unwrap();
            }
        }
        done.store(true, Ordering::Relaxed);
        assert!(reader.join().unwrap() > 0);
    });
    assert_eq!(verify(dir.path()).unwrap().lines, 606);
}

#[test]
fn a_second_process_is_told_who_holds_the_lock() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = child(&["env"], "journal::child_that_is_killed", dir.path());
    let mut writer = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(writer.stdout.take().unwrap()).lines();
    assert!(output.any(|line| line.unwrap().starts_with("written")));
    let error = Lock::take(dir.path()).unwrap_err().to_string();
    let holder = Lock::holder(dir.path()).unwrap().unwrap();
    writer.kill().unwrap();
    writer.wait().unwrap();
    assert_eq!(holder.pid, writer.id());
    assert!(
        error.contains("child_that_is_killed") && error.contains(&format!("process {}", writer.id())),
        "{error}"
    );
    assert_eq!(Lock::holder(dir.path()).unwrap(), None, "a killed process holds nothing");
}
