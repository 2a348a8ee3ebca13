//! Databases that refuse: locked, read-only, replaced, of the wrong shape.

use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::time::Duration;

use popgate::model::{Access, Fault, Outcome, Severity, State};
use popgate::stores::{Reader as _, Writer as _};
use rusqlite::Connection;

use super::{MAILBOX, Sqlite};
use crate::contract::change;

const ENABLED: State = State::Is(Access::Enabled);
const TRANSIENT: Outcome = Outcome::NotApplied(Fault::TRANSIENT);

fn disable(name: &str) -> [popgate::plan::Change; 1] {
    [change(name, ENABLED, Access::Disabled)]
}

/// A mailbox table with one account, in rollback mode.
fn rollback() -> Sqlite {
    let schema =
        format!("PRAGMA journal_mode = DELETE; {MAILBOX}; INSERT INTO mailbox (username) VALUES ('a')");
    Sqlite::new(&schema, |table| table.busy_timeout = Duration::from_millis(50))
}

#[tokio::test]
async fn a_locked_database_is_tried_again_later() {
    let world = rollback();
    let other = world.connection();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    assert_eq!(world.store.write(&disable("a")).await, [TRANSIENT]);
    let error = world.store.read().await.unwrap_err();
    assert_eq!(error.fault, Fault::TRANSIENT);
    assert!(error.what.contains("locked by another process (waited 50ms)"), "{error}");
    assert!(error.help.unwrap().contains("WAL"));
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(world.store.write(&disable("a")).await, [Outcome::Done]);
}

#[tokio::test]
async fn a_commit_that_a_reader_holds_up_has_written_nothing() {
    let world = rollback();
    let reader = world.connection();
    reader.execute_batch("BEGIN; SELECT * FROM mailbox").unwrap();
    assert_eq!(world.store.write(&disable("a")).await, [TRANSIENT]);
    reader.execute_batch("COMMIT").unwrap();
    assert!(world.store.read().await.unwrap().iter().all(|account| *account.state == ENABLED));
    assert_eq!(world.store.write(&disable("a")).await, [Outcome::Done]);
}

#[tokio::test]
async fn a_database_that_can_only_be_read_is_read_and_denied() {
    let world = rollback();
    // The file format says "made by a newer SQLite that may write": older ones read it only, even for root
    // (https://sqlite.org/fileformat.html#file_format_version_numbers).
    let mut file = fs::OpenOptions::new().read(true).write(true).open(&world.table.path).unwrap();
    file.seek(SeekFrom::Start(18)).unwrap();
    let mut version = [0; 2];
    file.read_exact(&mut version).unwrap();
    assert_eq!(version, [1, 1]);
    file.seek(SeekFrom::Start(18)).unwrap();
    file.write_all(&[3]).unwrap();
    drop(file);
    assert_eq!(world.store.read().await.unwrap().len(), 1);
    assert_eq!(world.store.write(&disable("a")).await, [Outcome::NotApplied(Fault::Denied)]);
    assert_eq!(*world.store.read().await.unwrap().iter().next().unwrap().state, ENABLED);
}

#[tokio::test]
async fn a_table_that_lost_a_column_is_invalid_and_nothing_is_written() {
    let world = rollback();
    assert_eq!(world.store.write(&disable("a")).await, [Outcome::Done]);
    world.sql("ALTER TABLE mailbox DROP COLUMN enablepop3tls");
    let enable = [change("a", State::Is(Access::Disabled), Access::Enabled)];
    assert_eq!(world.store.write(&enable).await, [Outcome::NotApplied(Fault::Invalid)]);
    world.sql("DROP TABLE mailbox");
    assert_eq!(world.store.write(&enable).await, [Outcome::NotApplied(Fault::Invalid)]);
}

#[tokio::test]
async fn a_write_to_a_missing_file_makes_none() {
    let world = rollback();
    fs::remove_file(&world.table.path).unwrap();
    assert_eq!(world.store.write(&disable("a")).await, [Outcome::NotApplied(Fault::Invalid)]);
    assert!(!world.table.path.exists());
}

#[tokio::test]
async fn a_view_and_a_computed_column_are_not_written() {
    let schema = "CREATE TABLE mailbox (username TEXT PRIMARY KEY, real INTEGER, flag INTEGER AS (real)); \
        CREATE VIEW people AS SELECT * FROM mailbox; INSERT INTO mailbox (username, real) VALUES ('a', 1)";
    for table in ["mailbox", "people"] {
        let world = Sqlite::new(schema, |settings| {
            settings.table = table.into();
            settings.columns = vec!["flag".into()];
        });
        assert_eq!(world.store.read().await.unwrap().len(), 1);
        assert_eq!(world.store.write(&disable("a")).await, [Outcome::NotApplied(Fault::Invalid)], "{table}");
        let errors =
            world.store.preflight().await.into_iter().filter(|finding| finding.severity == Severity::Error);
        assert_eq!(errors.count(), 1, "{table}");
    }
}

/// Makes another database and moves it over the one of the store, as some provisioning tools do.
fn replace(world: &Sqlite) {
    let fresh = world.table.path.with_file_name("fresh.db");
    let connection = Connection::open(&fresh).unwrap();
    connection.execute_batch(MAILBOX).unwrap();
    connection.execute_batch("INSERT INTO mailbox (username) VALUES ('a'), ('new')").unwrap();
    drop(connection);
    fs::rename(&fresh, &world.table.path).unwrap();
}

async fn warns_of_the_replaced_file(world: &Sqlite) -> bool {
    let findings = world.store.preflight().await;
    findings.iter().any(|finding| finding.severity == Severity::Warning && finding.what.contains("replaced"))
}

#[tokio::test]
async fn a_file_that_was_replaced_between_batches_is_noticed() {
    for journal in ["DELETE", "WAL"] {
        let world = Sqlite::new(
            &format!(
                "PRAGMA journal_mode = {journal}; {MAILBOX}; INSERT INTO mailbox (username) VALUES ('a')"
            ),
            |_| (),
        );
        assert_eq!(world.store.write(&disable("a")).await, [Outcome::Done]);
        assert!(!warns_of_the_replaced_file(&world).await);
        // No log of the old database is left that would be taken for one of the new.
        assert!(!world.table.path.with_file_name("users.db-wal").metadata().is_ok_and(|log| log.len() > 0));
        replace(&world);
        assert!(warns_of_the_replaced_file(&world).await);
        assert_eq!(world.store.write(&disable("new")).await, [Outcome::Done]);
        assert!(!warns_of_the_replaced_file(&world).await);
        let live = world.store.read().await.unwrap();
        assert_eq!(live.counts(|_| true).disabled, 1, "the new file has `a` enabled");
        assert_eq!(live.len(), 2);
    }
}

#[tokio::test]
async fn a_file_that_was_replaced_within_a_batch_is_written_to_by_the_next_chunk() {
    let world = rollback();
    let full = vec![change("a", ENABLED, Access::Disabled); world.store.chunk_size()];
    assert_eq!(world.store.write(&full).await[0], Outcome::Done);
    replace(&world);
    assert_eq!(world.store.write(&full).await[0], Outcome::Done, "the new file has `a` enabled");
    assert_eq!(world.store.read().await.unwrap().counts(|_| true).disabled, 1);
}

#[tokio::test]
async fn a_database_of_popgates_own_that_was_deleted_is_made_again() {
    let world = Sqlite::own();
    let create = [change("a", State::Missing, Access::Enabled)];
    assert_eq!(world.store.write(&create).await, [Outcome::Done]);
    fs::remove_dir_all(world.table.path.parent().unwrap()).unwrap();
    assert!(world.store.read().await.unwrap().is_empty());
    assert_eq!(world.store.write(&create).await, [Outcome::Done]);
    assert_eq!(world.store.read().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_is_said_before_anything_is_written() {
    let world = Sqlite::own();
    fs::write(world.directory.path().join("state"), "a file in the way").unwrap();
    let create = [change("a", State::Missing, Access::Enabled)];
    assert_eq!(world.store.write(&create).await, [Outcome::NotApplied(Fault::Invalid)]);
    let worst = world.store.preflight().await.into_iter().max_by_key(|finding| finding.severity).unwrap();
    assert_eq!(worst.severity, Severity::Error, "{worst:?}");
}
