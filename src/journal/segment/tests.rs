//! The writer's behaviour on real files.

use super::*;
use crate::journal::{read_all, read_current, verify};
use proptest::prelude::*;
use serde::Deserialize;
use tempfile::TempDir;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Record {
    State { open: u64 },
    Wrote { account: String },
}

fn wrote(account: &str) -> Record {
    Record::Wrote { account: account.to_owned() }
}

fn now() -> Timestamp {
    "2026-05-01T08:00:00Z".parse().unwrap()
}

fn open(dir: &Path) -> Result<(Journal<Record>, Vec<Line<Record>>), JournalError> {
    Journal::open(dir, Lock::take(dir).unwrap())
}

fn accounts(lines: &[Line<Record>]) -> Vec<&str> {
    let mut accounts = Vec::new();
    for line in lines {
        if let Record::Wrote { account } = &line.record {
            accounts.push(account.as_str());
        }
    }
    accounts
}

/// A journal of three lines, `a`, `b` and `c`, and the path of its segment.
fn three() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, lines) = open(dir.path()).unwrap();
    assert!(lines.is_empty());
    assert_eq!(journal.append(now(), &[wrote("a"), wrote("b")], true).unwrap(), (1, 2));
    assert_eq!(journal.append(now(), &[wrote("c")], false).unwrap(), (3, 3));
    let path = dir.path().join("journal-000001");
    (dir, path)
}

#[test]
fn what_was_appended_is_there_when_opened_again() {
    let (dir, path) = three();
    let (mut journal, lines) = open(dir.path()).unwrap();
    assert_eq!(accounts(&lines), ["a", "b", "c"]);
    assert_eq!((journal.last_seq(), journal.torn()), (3, None));
    assert_eq!(journal.append(now(), &[], true).unwrap(), (4, 3));
    assert_eq!(journal.append(now(), &[wrote("d")], true).unwrap(), (4, 4));
    assert_eq!(accounts(&read_current(dir.path()).unwrap()), ["a", "b", "c", "d"]);
    assert_eq!(fs::metadata(path).unwrap().mode() & 0o777, 0o600);
}

#[test]
fn a_torn_tail_is_kept_aside_and_cut_off_and_the_next_append_fits() {
    let (dir, path) = three();
    let whole = fs::read(&path).unwrap();
    fs::write(&path, [&whole[..], b"{\"seq\":4,\"at\":", &[0; 9]].concat()).unwrap();
    let (mut journal, lines) = open(dir.path()).unwrap();
    assert_eq!(accounts(&lines), ["a", "b", "c"]);
    let torn = journal.torn().unwrap().clone();
    assert_eq!((torn.line, torn.bytes), (4, 23));
    assert!(torn.kept.file_name().unwrap().to_str().unwrap().starts_with("torn-2"));
    assert_eq!(fs::read(&torn.kept).unwrap(), [&b"{\"seq\":4,\"at\":"[..], &[0; 9]].concat());
    assert_eq!(fs::read(&path).unwrap(), whole);
    journal.append(now(), &[wrote("d")], true).unwrap();
    drop(journal);
    assert_eq!(accounts(&open(dir.path()).unwrap().1), ["a", "b", "c", "d"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn a_journal_cut_anywhere_recovers_and_goes_on(cut in any::<prop::sample::Index>(), zeros in 0usize..3) {
        let (dir, path) = three();
        let mut bytes = fs::read(&path).unwrap();
        bytes.truncate(cut.index(bytes.len() + 1));
        bytes.resize(bytes.len() + zeros * 4096, 0);
        fs::write(&path, &bytes).unwrap();
        let (mut journal, lines) = open(dir.path()).unwrap();
        let mut expected = ["a", "b", "c"][..lines.len()].to_vec();
        prop_assert_eq!(accounts(&lines), expected.clone());
        journal.append(now(), &[wrote("next")], true).unwrap();
        drop(journal);
        expected.push("next");
        let (_, lines) = open(dir.path()).unwrap();
        prop_assert_eq!(accounts(&lines), expected);
        prop_assert!(verify(dir.path()).unwrap().torn.is_none());
    }
}

#[test]
fn damage_inside_stops_and_nothing_is_touched() {
    let (dir, path) = three();
    let text = fs::read_to_string(&path).unwrap().replace("\"b\"", "\"x\"");
    fs::write(&path, &text).unwrap();
    let error = open(dir.path()).map(drop).unwrap_err().to_string();
    assert!(error.contains("journal-000001") && error.contains("line 2"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "the lock and the segment");
}

#[test]
fn a_new_segment_continues_the_old_one_which_stays_as_it_was() {
    let (dir, path) = three();
    let old = fs::read(&path).unwrap();
    let (mut journal, _) = open(dir.path()).unwrap();
    assert_eq!(journal.rotate(now(), &Record::State { open: 7 }).unwrap(), 4);
    assert_eq!(journal.append(now(), &[wrote("d")], true).unwrap(), (5, 5));
    assert_eq!(journal.rotate(now(), &Record::State { open: 8 }).unwrap(), 6);
    assert_eq!((journal.segment().as_str(), fs::read(&path).unwrap()), ("journal-000003", old));
    drop(journal);
    let (journal, lines) = open(dir.path()).unwrap();
    assert_eq!((lines.len(), &lines[0].record), (1, &Record::State { open: 8 }));
    assert_eq!((journal.last_seq(), journal.segment_len() > 0), (6, true));
    assert_eq!(accounts(&read_all(dir.path()).unwrap()), ["a", "b", "c", "d"]);
    assert_eq!(verify(dir.path()).unwrap().segments, 3);
}

#[test]
fn an_empty_journal_can_be_rotated_too() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(dir.path()).unwrap();
    journal.rotate(now(), &Record::State { open: 0 }).unwrap();
    assert_eq!(verify(dir.path()).unwrap().lines, 1);
}

#[test]
fn a_rotation_that_a_crash_interrupted_is_forgotten() {
    let (dir, _) = three();
    fs::write(dir.path().join("journal-000002.tmp"), "{\"seq\":4").unwrap();
    let (mut journal, lines) = open(dir.path()).unwrap();
    assert_eq!(lines.len(), 3);
    assert!(!dir.path().join("journal-000002.tmp").exists());
    assert_eq!(journal.rotate(now(), &Record::State { open: 0 }).unwrap(), 4);
}

#[test]
fn after_a_failed_write_the_journal_is_as_before_and_goes_on() {
    let (dir, path) = three();
    let (mut journal, _) = open(dir.path()).unwrap();
    // A file that is open for reading only refuses the write, not the rest.
    let good = std::mem::replace(&mut journal.file, File::open(&path).unwrap());
    assert!(matches!(journal.append(now(), &[wrote("d")], true), Err(JournalError::Io { .. })));
    // Such a file refuses the truncation, too, so it is not known what is on disk.
    assert!(journal.is_broken());
    (journal.file, journal.broken) = (good, false);
    assert_eq!(journal.append(now(), &[wrote("e")], true).unwrap(), (4, 4));
    assert_eq!(accounts(&read_current(dir.path()).unwrap()), ["a", "b", "c", "e"]);
}

#[test]
fn a_full_device_is_told_apart() {
    let (dir, _) = three();
    let (mut journal, _) = open(dir.path()).unwrap();
    journal.file = OpenOptions::new().write(true).open("/dev/full").unwrap();
    journal.len = 0;
    let error = journal.append(now(), &[wrote("d")], true).unwrap_err();
    assert!(error.is_full() && error.to_string().contains("free some space"), "{error}");
    assert!(journal.is_broken(), "a device cannot be truncated");
    assert!(matches!(journal.append(now(), &[wrote("d")], true), Err(JournalError::Broken { .. })));
}

#[test]
fn after_a_failed_fsync_nothing_more_is_appended() {
    let (dir, path) = three();
    let before = fs::read(&path).unwrap();
    let (mut journal, _) = open(dir.path()).unwrap();
    journal.sync_file = |_| Err(io::Error::other("input/output error"));
    journal.append(now(), &[wrote("unsynced")], false).unwrap();
    assert!(matches!(journal.append(now(), &[wrote("d")], true), Err(JournalError::Io { .. })));
    journal.sync_file = File::sync_data;
    for sync in [false, true] {
        assert!(matches!(journal.append(now(), &[wrote("e")], sync), Err(JournalError::Broken { .. })));
    }
    assert!(matches!(journal.rotate(now(), &Record::State { open: 0 }), Err(JournalError::Broken { .. })));
    assert!(fs::read(&path).unwrap().starts_with(&before));
    assert_eq!(accounts(&read_current(dir.path()).unwrap()), ["a", "b", "c", "unsynced"]);
}

#[test]
fn a_segment_changed_or_removed_by_somebody_else_is_noticed_before_the_append() {
    let spoil: [fn(&Path); 3] = [
        |path| fs::write(path, "").unwrap(),
        |path| fs::remove_file(path).unwrap(),
        |path| fs::write(path, [&fs::read(path).unwrap()[..], b"more"].concat()).unwrap(),
    ];
    for spoil in spoil {
        let (dir, path) = three();
        let (mut journal, _) = open(dir.path()).unwrap();
        spoil(&path);
        assert!(matches!(journal.append(now(), &[wrote("d")], true), Err(JournalError::Changed { .. })));
        assert!(journal.is_broken());
    }
}

#[test]
fn the_lock_is_held_as_long_as_the_journal_is_open() {
    let (dir, _) = three();
    let (journal, _) = open(dir.path()).unwrap();
    assert!(Lock::take(dir.path()).is_err());
    drop(journal);
    assert!(Lock::take(dir.path()).is_ok());
}
