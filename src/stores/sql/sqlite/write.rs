//! Writing one chunk: one transaction that takes the write lock first, so that what it looks at stays so.

use std::time::Duration;

use rusqlite::{Connection, Result, Transaction, TransactionBehavior};

use super::connect::{self, Connected, Identity};
use super::log::{self, Mover};
use super::rows::Rows;
use super::shape::{self, Shape};
use super::{CHUNK, fault, read};
use crate::model::{Fault, Outcome};
use crate::plan::Change;
use crate::stores::sql::{Table, text};
use crate::stores::{Leave, StoreError, not_written};

/// How many pages of a log in WAL mode are moved into the file by a commit. Usually it is 1,000, which is less than one
/// chunk that is spread over the table, and each time costs two syncs. 64 MiB at the usual size of a page.
const LOG: u32 = 16 << 10;

/// How many changes are made before leave is given to commit them. With more, the mail server would wait for the lock
/// longer than it has to.
const FEW: usize = 100;

/// How long the lock is usually kept for a leave that is not given.
const LOCKED: Duration = Duration::from_millis(100);

/// The side of a store that writes.
#[derive(Debug)]
pub(super) struct Writing {
    /// Whether the batch under way has more than one chunk.
    is_large: bool,
    /// The connection of the batch under way.
    connected: Option<Connected>,
    /// Moves the log of that batch.
    mover: Mover,
    /// The file that was written last.
    last: Option<Identity>,
    /// How long the lock is kept for a leave that is not given.
    keeps: Duration,
}

impl Default for Writing {
    fn default() -> Self {
        Self { is_large: false, connected: None, mover: Mover::default(), last: None, keeps: LOCKED }
    }
}

impl Writing {
    /// Writes the changes once it may, and says what became of each, in the same order. A few are made before, which
    /// nobody sees until they are committed.
    pub(super) fn chunk(&mut self, table: &Table, changes: &[Change], mut leave: Leave) -> Vec<Outcome> {
        if changes.is_empty() {
            return Vec::new();
        }
        let begins = changes.len() <= FEW && exists(table);
        if !begins && !leave.is_given() {
            return not_written(changes);
        }
        let keeps = self.keeps;
        let written = self.connected(table).and_then(|connected| {
            let Some(staged) = stage_and_wait(&connected.connection, table, changes, &mut leave, keeps)?
            else {
                return Ok(not_written(changes));
            };
            let mut outcomes = staged.commit(table)?;
            doubt_a_replaced_file(connected, table, &mut outcomes);
            Ok(outcomes)
        });
        // A chunk that is not full is the last one of its batch.
        if written.is_err() || changes.len() < CHUNK {
            self.close();
        } else {
            self.is_large = true;
            if let Some(connected) = &self.connected {
                self.mover.begin(connected, table);
            }
        }
        written.unwrap_or_else(|error| {
            let help = error.help.as_deref().unwrap_or_default();
            tracing::warn!(changes = changes.len(), "nothing written: {}: {help}.", error.what);
            vec![Outcome::NotApplied(error.fault); changes.len()]
        })
    }

    /// Opens the connection for a chunk that is going to be written, and has the database read what that needs. What does
    /// not exist yet is not made, and what is wrong will be said by the write. Tells whether it was opened by this.
    pub(super) fn prepare(&mut self, table: &Table) -> bool {
        if self.connected.is_some() || !exists(table) {
            return false;
        }
        let ready = self.connected(table).is_ok_and(|connected| {
            let connection = &connected.connection;
            let shape = shape::of(connection, table).ok().flatten();
            shape.is_some_and(|shape| Rows::prepare(connection, table, &shape).is_ok())
        });
        if !ready {
            self.close();
        }
        ready
    }

    /// Closes the connection. The last one to close a database in WAL mode moves its log into the file; where the mail
    /// server has it open too, a long log is moved before, as its own commits would have done.
    pub(super) fn close(&mut self) {
        drop(self.mover.end());
        if let Some(connected) = self.connected.take().filter(|_| self.is_large) {
            log::move_log(&connected.connection);
        }
        self.is_large = false;
    }

    /// Tells whether the path leads to another file than the one that was written last.
    pub(super) fn was_replaced(&self, table: &Table) -> bool {
        self.last.is_some_and(|last| Identity::now(table).is_some_and(|now| now != last))
    }

    /// Returns the connection, opened anew if the path leads to another file than it used to.
    fn connected(&mut self, table: &Table) -> Result<&Connected, StoreError> {
        if self.was_replaced(table) {
            let store = table.path.display();
            tracing::warn!(%store, "the database file is another one than at the last write; opening the new one.");
        }
        let connected = match self.connected.take().filter(|connected| connected.is_current(table)) {
            Some(connected) => connected,
            None => open(table)?,
        };
        self.last = Some(connected.file());
        Ok(self.connected.insert(connected))
    }
}

fn exists(table: &Table) -> bool {
    connect::look(&table.path).is_ok_and(|file| file.is_some_and(|file| file.len() > 0))
}

fn open(table: &Table) -> Result<Connected, StoreError> {
    table.check()?;
    let connected = connect::writing(table)?;
    let sized = connected.connection.pragma_update_and_check(None, "wal_autocheckpoint", LOG, |_| Ok(()));
    sized.map_err(|error| fault::explain(table, "opening", &error))?;
    if table.create {
        make_durable(&connected.connection).map_err(|error| fault::explain(table, "preparing", &error))?;
    }
    Ok(connected)
}

/// Prepares popgate's own database. An empty one becomes WAL, so that readers and the writer never wait for each
/// other; where the file system cannot do that, `SQLite` stays with its journal.
fn make_durable(connection: &Connection) -> Result<()> {
    connection.pragma_update(None, "synchronous", "FULL")?;
    let pages: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
    if pages == 0 {
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    }
    Ok(())
}

/// Makes the changes and waits for leave to commit them; nothing is left of them if it is never given.
fn stage_and_wait<'a>(
    connection: &'a Connection,
    table: &Table,
    changes: &[Change],
    leave: &mut Leave,
    keeps: Duration,
) -> Result<Option<Staged<'a>>, StoreError> {
    let staged = stage(connection, table, changes)?;
    if let Some(given) = leave.is_given_within(keeps) {
        return Ok(given.then_some(staged));
    }
    // Others want to write, too.
    drop(staged);
    if leave.is_given() { stage(connection, table, changes).map(Some) } else { Ok(None) }
}

/// A transaction in which the changes are made; undone when it is dropped.
struct Staged<'a> {
    transaction: Transaction<'a>,
    outcomes: Vec<Outcome>,
    refusals: Refusals,
}

/// Makes the changes in a transaction. An error means that it is undone.
fn stage<'a>(
    connection: &'a Connection,
    table: &Table,
    changes: &[Change],
) -> Result<Staged<'a>, StoreError> {
    let explained = |error| fault::explain(table, "writing", &error);
    let transaction =
        Transaction::new_unchecked(connection, TransactionBehavior::Immediate).map_err(explained)?;
    let shape = shape_to_write(&transaction, table)?;
    let mut rows =
        Rows::prepare(connection, table, &shape).map_err(|error| read::unprepared(table, &error))?;
    let mut outcomes = Vec::with_capacity(changes.len());
    let mut refusals = Refusals::default();
    for change in changes {
        match rows.apply(change) {
            Ok(outcome) => {
                if matches!(&outcome, Outcome::NotApplied(fault) if !fault.is_transient()) {
                    refusals.note(change, "more than one row has this key, or a trigger undid the change");
                }
                outcomes.push(outcome);
            }
            Err(error) if fault::is_of_one_row(&error) => {
                refusals.note(change, &fault::words(&error));
                outcomes.push(Outcome::NotApplied(Fault::Invalid));
                if transaction.is_autocommit() {
                    // A trigger with RAISE(ROLLBACK) took the whole transaction with it.
                    outcomes.iter_mut().filter(|outcome| **outcome == Outcome::Done).for_each(undo);
                    outcomes.resize(changes.len(), Outcome::NotApplied(Fault::TRANSIENT));
                    break;
                }
            }
            Err(error) => return Err(explained(error)),
        }
    }
    drop(rows);
    Ok(Staged { transaction, outcomes, refusals })
}

impl Staged<'_> {
    /// Commits. An error means that nothing at all was written.
    fn commit(self, table: &Table) -> Result<Vec<Outcome>, StoreError> {
        let Self { transaction, mut outcomes, refusals } = self;
        refusals.tell(table);
        if transaction.is_autocommit() {
            return Ok(outcomes);
        }
        if let Err(error) = transaction.execute_batch("COMMIT") {
            let explained = fault::explain(table, "writing", &error);
            let undone = transaction.is_autocommit() || transaction.execute_batch("ROLLBACK").is_ok();
            if undone && fault::is_certainly_undone(&error) {
                return Err(explained);
            }
            tracing::warn!("{}: it is not known whether the changes were written.", explained.what);
            become_unknown(&mut outcomes);
        }
        Ok(outcomes)
    }
}

/// Looks at the table inside the transaction; makes popgate's own if it is not there.
fn shape_to_write(transaction: &Connection, table: &Table) -> Result<Shape, StoreError> {
    let explained = |error| fault::explain(table, "writing", &error);
    let mut shape = shape::of(transaction, table).map_err(explained)?;
    if shape.is_none() && table.create {
        transaction.execute_batch(&text::create(table)).map_err(explained)?;
        shape = shape::of(transaction, table).map_err(explained)?;
    }
    let shape = shape.ok_or_else(|| shape::no_table(transaction, table))?;
    shape.fits(table)?;
    shape.takes_writes(table)?;
    Ok(shape)
}

/// What went into a file that has lost its place may or may not be in the one that took it.
fn doubt_a_replaced_file(connected: &Connected, table: &Table, outcomes: &mut [Outcome]) {
    if !connected.is_current(table) {
        tracing::warn!("{}: the changes went into the old one.", connect::replaced(table).what);
        become_unknown(outcomes);
    }
}

fn become_unknown(outcomes: &mut [Outcome]) {
    outcomes
        .iter_mut()
        .filter(|outcome| **outcome == Outcome::Done)
        .for_each(|outcome| *outcome = Outcome::Unknown);
}

fn undo(outcome: &mut Outcome) {
    *outcome = Outcome::NotApplied(Fault::TRANSIENT);
}

/// Changes that the database refused one by one: told together, because a trigger may refuse all of them.
#[derive(Default)]
struct Refusals {
    count: usize,
    first: Option<String>,
}

impl Refusals {
    fn note(&mut self, change: &Change, words: &str) {
        self.count += 1;
        self.first.get_or_insert_with(|| format!("{}: {words}", change.name));
    }

    fn tell(&self, table: &Table) {
        if let Some(first) = &self.first {
            let store = table.path.display();
            tracing::warn!(%store, refused = self.count, "the database refused changes, the first one {first}.");
        }
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;
    use tokio::task::{JoinHandle, spawn_blocking};
    use tokio::time::timeout;

    use super::*;
    use crate::model::{Access, AccountId, State};
    use crate::plan::Cause;
    use crate::stores::Permit;

    fn create(number: usize) -> Change {
        let name = format!("user{number:05}@a-rather-long-domain.example");
        Change {
            account: AccountId::new(name.as_str()),
            name,
            from: State::Missing,
            to: Access::Enabled,
            cause: Cause::Unlisted,
        }
    }

    #[test]
    fn a_full_disk_leaves_nothing_of_the_chunk_and_is_tried_again() {
        let directory = tempfile::tempdir().unwrap();
        let table = Table::own(directory.path().join("pop3.db"));
        let mut writing = Writing::default();
        assert_eq!(writing.chunk(&table, &[create(0)], Leave::at_once()), [Outcome::Done]);
        let chunk: Vec<Change> = (1..=CHUNK).map(create).collect();
        let connection = &writing.connected(&table).unwrap().connection;
        connection.pragma_update_and_check(None, "max_page_count", 4, |_| Ok(())).unwrap();
        let full = Outcome::NotApplied(Fault::TRANSIENT);
        assert_eq!(writing.chunk(&table, &chunk, Leave::at_once()), vec![full; CHUNK]);
        assert_eq!(read::live(&table).unwrap().len(), 1);
        // The limit went with the connection: there is room again.
        assert_eq!(writing.chunk(&table, &chunk, Leave::at_once()), vec![Outcome::Done; CHUNK]);
        assert_eq!(read::live(&table).unwrap().len(), CHUNK + 1);
    }

    #[test]
    fn only_a_full_chunk_keeps_the_connection() {
        let directory = tempfile::tempdir().unwrap();
        let table = Table::own(directory.path().join("pop3.db"));
        let mut writing = Writing::default();
        let chunk: Vec<Change> = (1..=CHUNK).map(create).collect();
        writing.chunk(&table, &chunk, Leave::at_once());
        assert!(writing.connected.is_some());
        assert!(writing.mover.end().is_some(), "its log is being moved meanwhile");
        writing.chunk(&table, &chunk[..1], Leave::at_once());
        assert!(writing.connected.is_none());
    }

    #[test]
    fn preparing_makes_no_file_and_its_connection_goes_with_the_chunk() {
        let directory = tempfile::tempdir().unwrap();
        let table = Table::own(directory.path().join("pop3.db"));
        let mut writing = Writing::default();
        assert!(!writing.prepare(&table) && !table.path.exists());
        writing.chunk(&table, &[create(0)], Leave::at_once());
        assert!(writing.prepare(&table) && !writing.prepare(&table));
        assert_eq!(writing.chunk(&table, &[create(1)], Leave::at_once()), [Outcome::Done]);
        assert!(writing.connected.is_none());
    }

    #[test]
    fn a_long_log_is_moved_into_the_file_also_while_somebody_else_has_it_open() {
        let directory = tempfile::tempdir().unwrap();
        let table = Table::own(directory.path().join("pop3.db"));
        let mut writing = Writing::default();
        writing.chunk(&table, &[create(0)], Leave::at_once());
        let other = Connection::open(&table.path).unwrap();
        let number = |pragma| other.pragma_query_value(None, pragma, |row| row.get::<_, u32>(0)).unwrap();
        let pages = || u64::from(number("page_count") * number("page_size"));
        assert_eq!(pages(), table.path.metadata().unwrap().len());
        let changes: Vec<Change> = (1..2 * CHUNK).map(create).collect();
        for chunk in changes.chunks(CHUNK) {
            writing.chunk(&table, chunk, Leave::at_once());
        }
        assert_eq!(pages(), table.path.metadata().unwrap().len());
    }

    #[test]
    fn a_file_that_was_replaced_after_preparing_is_written() {
        let directory = tempfile::tempdir().unwrap();
        let table = Table::own(directory.path().join("pop3.db"));
        let other = Table::own(directory.path().join("other.db"));
        let mut writing = Writing::default();
        for table in [&table, &other] {
            Writing::default().chunk(table, &[create(0)], Leave::at_once());
        }
        assert!(writing.prepare(&table));
        std::fs::rename(&other.path, &table.path).unwrap();
        assert_eq!(writing.chunk(&table, &[create(1)], Leave::at_once()), [Outcome::Done]);
        assert_eq!(read::live(&table).unwrap().len(), 2);
    }

    #[test]
    fn what_went_into_a_file_that_was_replaced_meanwhile_is_unknown() {
        let directory = tempfile::tempdir().unwrap();
        let table = Table::own(directory.path().join("pop3.db"));
        let mut writing = Writing::default();
        let connected = writing.connected(&table).unwrap();
        let mut outcomes =
            stage(&connected.connection, &table, &[create(1)]).unwrap().commit(&table).unwrap();
        doubt_a_replaced_file(connected, &table, &mut outcomes);
        assert_eq!(outcomes, [Outcome::Done]);
        let fresh = directory.path().join("fresh.db");
        std::fs::write(&fresh, "").unwrap();
        std::fs::rename(&fresh, &table.path).unwrap();
        doubt_a_replaced_file(connected, &table, &mut outcomes);
        assert_eq!(outcomes, [Outcome::Unknown]);
    }

    /// Has a change written that has to wait for leave, and that keeps the lock for so long until then. Returns what gives
    /// leave, and who writes.
    fn waiting(table: &Table, change: Change, keeps: Duration) -> (Permit, JoinHandle<Vec<Outcome>>) {
        let (permit, leave) = Leave::with_permit();
        let table = table.clone();
        let mut writing = Writing { keeps, ..Writing::default() };
        (permit, spawn_blocking(move || writing.chunk(&table, &[change], leave)))
    }

    #[tokio::test]
    async fn nothing_is_written_without_leave() {
        let directory = tempfile::tempdir().unwrap();
        let table = Table::own(directory.path().join("pop3.db"));
        // Once with no file at all, and once with one.
        for expected in [0, 1] {
            let (permit, writer) = waiting(&table, create(7), LOCKED);
            drop(permit);
            assert_eq!(writer.await.unwrap(), not_written(&[create(7)]));
            assert_eq!(read::live(&table).unwrap().len(), expected);
            Writing::default().chunk(&table, &[create(0)], Leave::at_once());
        }
    }

    #[tokio::test]
    async fn a_few_changes_are_made_before_leave_is_given_and_seen_afterwards() {
        let directory = tempfile::tempdir().unwrap();
        let table = Table::own(directory.path().join("pop3.db"));
        Writing::default().chunk(&table, &[create(0)], Leave::at_once());
        let other = Connection::open(&table.path).unwrap();
        other.busy_timeout(Duration::ZERO).unwrap();
        let is_locked = || other.execute_batch("BEGIN IMMEDIATE; ROLLBACK").is_err();
        let (permit, writer) = waiting(&table, create(1), Duration::from_mins(1));
        let locked = async {
            while !is_locked() {
                assert!(!writer.is_finished(), "it has no leave yet");
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(30), locked).await.expect("the changes are made before");
        assert_eq!(read::live(&table).unwrap().len(), 1, "nobody sees it");
        permit.give();
        assert_eq!(writer.await.unwrap(), [Outcome::Done]);
        assert_eq!(read::live(&table).unwrap().len(), 2);
    }

    #[tokio::test]
    async fn others_do_not_wait_long_for_a_leave_that_is_not_given() {
        let directory = tempfile::tempdir().unwrap();
        let table = Table::own(directory.path().join("pop3.db"));
        Writing::default().chunk(&table, &[create(0)], Leave::at_once());
        let other = Table { busy_timeout: Duration::from_mins(1), ..table.clone() };
        let (permit, writer) = waiting(&table, create(1), LOCKED);
        // Whoever comes while it is locked waits until it is not, and not until the other one is done.
        for number in 2..20 {
            assert_eq!(
                Writing::default().chunk(&other, &[create(number)], Leave::at_once()),
                [Outcome::Done]
            );
        }
        permit.give();
        assert_eq!(writer.await.unwrap(), [Outcome::Done]);
        assert_eq!(read::live(&table).unwrap().len(), 20);
    }

    #[test]
    fn after_an_io_error_at_commit_nobody_claims_to_know() {
        let failure = |code| rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
        for code in [ffi::SQLITE_BUSY, ffi::SQLITE_FULL, ffi::SQLITE_CONSTRAINT_FOREIGNKEY] {
            assert!(fault::is_certainly_undone(&failure(code)), "{code}");
        }
        for code in [ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_IOERR_WRITE, ffi::SQLITE_CORRUPT, ffi::SQLITE_NOMEM]
        {
            assert!(!fault::is_certainly_undone(&failure(code)), "{code}");
        }
        let mut outcomes = [Outcome::Done, Outcome::Already, Outcome::NotApplied(Fault::Invalid)];
        become_unknown(&mut outcomes);
        assert_eq!(outcomes, [Outcome::Unknown, Outcome::Already, Outcome::NotApplied(Fault::Invalid)]);
    }
}
