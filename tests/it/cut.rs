//! The journal that the real program wrote, cut as a crash may cut it, and the real program on what is left.
//!
//! A group is synced to disk before its writes go out, so a journal that ends before a chunk line goes with a
//! store that has none of its writes; one that ends after it, with a store that has all of them or none yet.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Mutex;

use popgate::journal::entry::Record;
use popgate::journal::fold::Ledger;
use popgate::journal::{Journal, Line, Lock, read_all, verify};

use crate::daemon::{SOON, desire, disabled, restarts, settings, users};
use crate::world::World;

/// Set to anything, it has the program started at every byte instead of three times a line. That takes long.
const EVERY_BYTE: &str = "CUT_EVERY_BYTE";

/// A world whose one batch is written and restarted, with the store as it was before and is after.
fn written() -> World {
    let world = World::new();
    users(&world, 20);
    settings(&world, SOON);
    desire(&world, 20, &[3, 4]);
    crate::daemon::sqlite(&world, "PRAGMA journal_mode = DELETE;");
    fs::copy(world.path("users.db"), world.path("before.db")).unwrap();
    let _apply = world.popgate(["apply", "--yes"]).success();
    fs::copy(world.path("users.db"), world.path("after.db")).unwrap();
    world
}

/// Where each line of a segment ends, with its record.
fn ends(bytes: &[u8], lines: &[Line<Record>]) -> Vec<usize> {
    let ends: Vec<usize> =
        bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1).collect();
    assert_eq!(ends.len(), lines.len());
    ends
}

#[test]
fn cut_at_every_byte_the_journal_opens_as_its_whole_lines_and_goes_on() {
    let world = written();
    let whole = fs::read(world.path("state/journal-000001")).unwrap();
    let lines = read_all::<Record>(&world.path("state")).unwrap();
    let ends = ends(&whole, &lines);
    let dir = world.path("cut");
    fs::create_dir(&dir).unwrap();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).unwrap();
    for cut in 0..=whole.len() {
        fs::write(dir.join("journal-000001"), &whole[..cut]).unwrap();
        let kept = ends.iter().filter(|end| **end <= cut).count();
        let (mut journal, found) = Journal::<Record>::open(&dir, Lock::take(&dir).unwrap())
            .unwrap_or_else(|error| panic!("{cut}: {error}"));
        assert_eq!(found, lines[..kept], "{cut}");
        let (one, other) = (fold(&found), fold(&lines[..kept]));
        assert_eq!(one, other, "{cut}");
        let sent = lines[..kept].iter().any(|line| matches!(line.record, Record::Chunk { .. }));
        let settled = lines[..kept].iter().any(|line| matches!(line.record, Record::Settled { .. }));
        let owed = one.services.values().map(|service| service.debts.len()).sum::<usize>();
        assert_eq!(
            owed,
            usize::from(sent && !settled),
            "{cut}: a restart is owed from the chunk line to the proof"
        );
        journal.append(lines[0].at, &[lines[0].record.clone()], false).unwrap();
        drop(journal);
        assert_eq!(verify(&dir).unwrap().lines, kept as u64 + 1, "{cut}");
        clear(&dir);
    }
    eprintln!("the journal was cut at {} byte offsets", whole.len() + 1);
}

fn fold(lines: &[Line<Record>]) -> Ledger {
    let mut ledger = Ledger::default();
    for line in lines {
        ledger.apply(line.seq, line.at, &line.record);
    }
    ledger
}

fn clear(dir: &Path) {
    for entry in fs::read_dir(dir).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
}

#[test]
fn started_on_a_cut_journal_the_program_ends_with_one_write_and_one_restart() {
    let world = written();
    let whole = fs::read(world.path("state/journal-000001")).unwrap();
    let lines = read_all::<Record>(&world.path("state")).unwrap();
    let ends = ends(&whole, &lines);
    let end_of =
        |wanted: fn(&Record) -> bool| ends[lines.iter().position(|line| wanted(&line.record)).unwrap()];
    let sent = end_of(|record| matches!(record, Record::Chunk { .. }));
    let settled = end_of(|record| matches!(record, Record::Settled { .. }));
    let cuts: Vec<usize> = if std::env::var_os(EVERY_BYTE).is_some() {
        (0..=whole.len()).collect()
    } else {
        // One byte short of a line, the whole line, and half of the next.
        let starts = [0].into_iter().chain(ends.iter().copied());
        let thirds = starts.zip(&ends).flat_map(|(start, end)| [start + (end - start) / 2, end - 1, *end]);
        thirds.collect()
    };
    let queue = Mutex::new(
        cuts.iter()
            .flat_map(|cut| {
                let stores = if *cut < sent {
                    &["before.db"][..]
                } else if *cut < settled {
                    &["before.db", "after.db"][..]
                } else {
                    &["after.db"][..]
                };
                stores.iter().map(|store| (*cut, *store))
            })
            .collect::<Vec<_>>(),
    );
    let starts = queue.lock().unwrap().len();
    let next = || queue.lock().unwrap().pop();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while let Some((cut, store)) = next() {
                    start(&world, &whole[..cut], store, cut < settled);
                }
            });
        }
    });
    eprintln!("the program was started on {starts} cut journals");
}

/// Starts the program in a world of its own with this journal and this store.
fn start(from: &World, journal: &[u8], store: &str, owes: bool) {
    let cut = journal.len();
    let world = World::new();
    settings(&world, SOON);
    desire(&world, 20, &[3, 4]);
    fs::copy(from.path(store), world.path("users.db")).unwrap();
    fs::create_dir(world.path("state")).unwrap();
    fs::set_permissions(world.path("state"), fs::Permissions::from_mode(0o700)).unwrap();
    world.write("state/journal-000001", journal);
    let ran = world.popgate(["apply", "--yes"]);
    assert_eq!(ran.code, Some(0), "{cut} {store}: {ran:?}");
    assert_eq!(disabled(&world), "u3@x.test u4@x.test", "{cut} {store}: {ran:?}");
    assert_eq!(restarts(&world), usize::from(owes), "{cut} {store}: {ran:?}");
    let lines = read_all::<Record>(&world.path("state")).unwrap();
    let ledger = fold(&lines);
    assert!(ledger.services.values().all(|service| service.debts.is_empty()), "{cut} {store}: {ledger:?}");
}
