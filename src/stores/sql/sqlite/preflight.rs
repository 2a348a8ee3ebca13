//! What `doctor` says about the database. Nothing is written; the lock of a reader is all that is taken.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rusqlite::{Connection, OpenFlags, Result};

use super::permissions::User;
use super::shape::{self, Shape};
use super::{connect, fault, read};
use crate::model::{AccountRef, Finding, Live, State};
use crate::stores::StoreError;
use crate::stores::sql::Table;

/// Looks at file, permissions, journal mode, table and values, as far as it gets.
pub(super) fn findings(table: &Table, replaced: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    if replaced {
        findings.push(Finding::warning(
            format!("{} was replaced by another file since popgate last wrote to it", table.path.display()),
            "popgate opens the new one; restart the mail server, which may still read the old one, and from now on \
             write into the database instead of replacing it",
        ));
    }
    if let Err(error) = look(table, &mut findings) {
        findings.push(Finding::error(error.what, error.help.unwrap_or_default()));
    }
    findings
}

fn look(table: &Table, findings: &mut Vec<Finding>) -> Result<(), StoreError> {
    let file = table.path.display();
    table.check()?;
    let user = User::current();
    let Some(metadata) = connect::look(&table.path)? else {
        // An error unless the database is popgate's own.
        connect::reading(table)?;
        findings.push(Finding::ok(format!("{file} does not exist yet; the first write makes it")));
        findings.extend(user.and_then(|user| uncreatable(table, &user)));
        return Ok(());
    };
    let Some(connected) = connect::reading(table)? else { return Ok(()) };
    let connection = &connected.connection;
    let explained = |error| fault::explain(table, "reading", &error);
    let wal = is_wal(connection).map_err(explained)?;
    findings.push(Finding::ok(format!("{file} is readable, {} bytes", metadata.len())));
    findings.push(journal(table, wal));
    findings.extend(unwritable(table, &metadata, user.as_ref(), wal));
    match shape::of(connection, table).map_err(explained)? {
        Some(shape) => table_findings(table, &shape, connection, findings)?,
        None if table.create => {
            findings.push(Finding::ok(format!(
                "table `{}` does not exist yet; the first write makes it",
                table.table
            )));
        }
        None => return Err(shape::no_table(connection, table)),
    }
    Ok(())
}

fn is_wal(connection: &Connection) -> Result<bool> {
    connection.pragma_query_value(None, "journal_mode", |row| Ok(row.get::<_, String>(0)? == "wal"))
}

fn journal(table: &Table, wal: bool) -> Finding {
    if wal {
        return Finding::ok("the database is in WAL mode: logins and writes do not wait for each other");
    }
    Finding::warning(
        "the database is not in WAL mode: a write can make logins fail for a moment, and the other way round",
        format!(
            "once, with the mail server's user able to write to the directory: sqlite3 {} 'PRAGMA journal_mode=WAL'",
            table.path.display()
        ),
    )
}

fn table_findings(
    table: &Table,
    shape: &Shape,
    connection: &Connection,
    findings: &mut Vec<Finding>,
) -> Result<(), StoreError> {
    shape.fits(table)?;
    let columns = table.columns.join(", ");
    findings.push(Finding::ok(format!("table `{}` has the column(s) {columns}", table.table)));
    if let Err(error) = shape.takes_writes(table) {
        findings.push(Finding::error(error.what, error.help.unwrap_or_default()));
    }
    if !shape.key_is_unique {
        findings.push(Finding::warning(
            format!("nothing stops two rows of `{}` from having one `{}`", table.table, table.key),
            format!("make it unique: CREATE UNIQUE INDEX ... ON \"{}\" (\"{}\")", table.table, table.key),
        ));
    }
    if !shape.triggers.is_empty() {
        findings.push(Finding::warning(
            format!("`{}` has triggers: {}", table.table, shape.triggers.join(", ")),
            "check that they let the access columns be written; popgate looks at each row again after writing it, \
             which is slower",
        ));
    }
    values(table, &read::accounts(connection, table)?, findings);
    Ok(())
}

fn values(table: &Table, live: &Live, findings: &mut Vec<Finding>) {
    let counts = live.counts(|_| true);
    let summary = format!(
        "{} accounts: {} enabled, {} disabled, {} mixed, {} unreadable",
        counts.total, counts.enabled, counts.disabled, counts.mixed, counts.unreadable
    );
    findings.push(match first_unreadable(live) {
        Some((account, reason)) => Finding::warning(
            format!("{summary}; the first unreadable one is {}: {reason}", account.name),
            "set these columns to one of the values for enabled and disabled, or correct the values in the settings",
        ),
        None if counts.total == 0 && !table.create => {
            Finding::warning(summary, "check `table` and `where`: an empty table has nothing to manage")
        }
        None => Finding::ok(summary),
    });
}

fn first_unreadable(live: &Live) -> Option<(AccountRef<'_>, &String)> {
    live.iter().find_map(|account| match account.state {
        State::Unreadable(reason) => Some((account, reason)),
        _ => None,
    })
}

/// Says what stands in the way of the first write of popgate's own database.
fn uncreatable(table: &Table, user: &User) -> Option<Finding> {
    let (directory, metadata) =
        table.path.ancestors().skip(1).find_map(|above| Some((above, fs::metadata(above).ok()?)))?;
    (!metadata.is_dir() || !user.may_write(&metadata)).then(|| {
        Finding::error(
            format!("{} cannot be made in {}", table.path.display(), directory.display()),
            "name a directory that popgate's user may write to",
        )
    })
}

/// Says what stands in the way of a write of a database that is there.
fn unwritable(table: &Table, metadata: &Metadata, user: Option<&User>, wal: bool) -> Vec<Finding> {
    let file = table.path.display();
    let directory = table.path.parent().unwrap_or(Path::new("/"));
    let mut findings = Vec::new();
    if !opens_for_writing(&table.path) {
        findings.push(Finding::error(
            format!("{file} is read-only for popgate"),
            "run popgate as a user who may write to it; check for a read-only mount",
        ));
    }
    let Some(user) = user else { return findings };
    if fs::metadata(directory).is_ok_and(|directory| !user.may_write(&directory)) {
        findings.push(Finding::error(
            format!(
                "the directory {} is read-only for popgate, and a write needs a journal in it",
                directory.display()
            ),
            "let popgate's user write to the directory",
        ));
    }
    if wal && user.id != 0 && user.id != metadata.uid() {
        findings.push(Finding::warning(
            format!("{file} belongs to another user than popgate's"),
            "run popgate as its owner or as root: the -wal and -shm files that SQLite makes belong to whoever opens \
             the database first, even to read it, and the mail server must be able to write to them",
        ));
    }
    if findings.is_empty() {
        findings.push(Finding::ok(format!("{file} and its directory are writable")));
    }
    findings
}

/// Tells whether the file can be opened for writing. Opening alone writes nothing and takes no lock; `SQLite` falls
/// back to reading where writing is refused.
fn opens_for_writing(path: &Path) -> bool {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags)
        .and_then(|connection| connection.is_readonly("main"))
        .is_ok_and(|read_only| !read_only)
}
