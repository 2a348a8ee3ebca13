//! Moving the log of a database in WAL mode into its file while the next chunk is on its way.
//!
//! What is left of it is moved by the last one to close the database, and then whoever waits for the end of the batch waits
//! for two syncs and for a page for almost every change.

use std::thread::{self, JoinHandle};

use rusqlite::{Connection, Result};

use super::connect::Connected;
use crate::stores::sql::Table;

/// Moves logs, on a thread and a connection of its own.
#[derive(Debug, Default)]
pub(super) struct Mover(Option<JoinHandle<Connected>>);

impl Mover {
    /// Begins to move what is in the log now, unless it is still at it. Nothing depends on it.
    pub(super) fn begin(&mut self, writer: &Connected, table: &Table) {
        let is_busy = self.0.as_ref().is_some_and(|moving| !moving.is_finished());
        if is_busy || !has_log(&writer.connection).unwrap_or_default() {
            return;
        }
        let before = self.end().filter(|before| before.file() == writer.file());
        let Some(connected) = before.or_else(|| writer.once_more(table).ok()) else { return };
        let moving = thread::Builder::new().spawn(move || {
            move_log(&connected.connection);
            connected
        });
        self.0 = moving.ok();
    }

    /// Waits until nothing is moved any more.
    pub(super) fn end(&mut self) -> Option<Connected> {
        self.0.take()?.join().ok()
    }
}

/// Moves as much of the log as can be without waiting for anybody.
pub(super) fn move_log(connection: &Connection) {
    if let Err(error) = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
        tracing::debug!("the log stays beside the file: {error}");
    }
}

fn has_log(connection: &Connection) -> Result<bool> {
    let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    Ok(mode == "wal")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::stores::sql::sqlite::connect;

    /// A database with some rows, all of which are in the log if it is in WAL mode.
    fn database(path: &Path, mode: &str) -> (Table, Connected) {
        let table = Table::own(path.to_owned());
        let connected = connect::writing(&table).unwrap();
        let rows = "CREATE TABLE rows AS
                    WITH RECURSIVE all_of_them(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM all_of_them LIMIT 5000)
                    SELECT n, randomblob(100) AS blob FROM all_of_them";
        connected
            .connection
            .execute_batch(&format!("PRAGMA journal_mode={mode}; PRAGMA wal_autocheckpoint=0; {rows}"))
            .unwrap();
        (table, connected)
    }

    #[test]
    fn the_log_is_in_the_file_while_the_writer_goes_on() {
        let directory = tempfile::tempdir().unwrap();
        let (table, writer) = database(&directory.path().join("pop3.db"), "WAL");
        let length = || table.path.metadata().unwrap().len();
        let mut mover = Mover::default();
        assert!(length() < 500_000, "it is in the log");
        mover.begin(&writer, &table);
        assert!(mover.end().is_some());
        assert!(length() > 500_000);
        writer.connection.execute("INSERT INTO rows SELECT * FROM rows", []).unwrap();
        for _ in 0..2 {
            mover.begin(&writer, &table);
        }
        drop(mover.end());
        assert!(length() > 1_000_000);
    }

    #[test]
    fn without_a_log_and_in_another_file_nothing_is_moved() {
        let directory = tempfile::tempdir().unwrap();
        let mut mover = Mover::default();
        let (table, writer) = database(&directory.path().join("pop3.db"), "DELETE");
        mover.begin(&writer, &table);
        assert!(mover.end().is_none());
        let (table, writer) = database(&directory.path().join("other.db"), "WAL");
        std::fs::rename(directory.path().join("pop3.db"), &table.path).unwrap();
        mover.begin(&writer, &table);
        assert!(mover.end().is_none());
    }
}
