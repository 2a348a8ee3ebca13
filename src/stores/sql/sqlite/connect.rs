//! Opening the file, and noticing that it has become another one.
//!
//! No other code may open the database file: closing any descriptor of it drops every lock that this process
//! holds on it (<https://sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_>).
//! `stat` opens nothing and is safe.

use std::fs::{self, DirBuilder, File, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::fault;
use crate::model::Fault;
use crate::stores::StoreError;
use crate::stores::sql::{Table, invalid};

/// How many pages of the file are kept while it is read, from one end to the other and each once. More would only be
/// more memory to be handed out by the system, a page at a time.
const PAGES: u32 = 32;

/// What tells one file from another at the same path: device and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity(u64, u64);

/// A connection and the file it was opened on.
#[derive(Debug)]
pub(super) struct Connected {
    pub(super) connection: Connection,
    file: Identity,
}

impl Connected {
    /// Tells whether the path still leads to the file of this connection.
    pub(super) fn is_current(&self, table: &Table) -> bool {
        Identity::now(table) == Some(self.file)
    }

    /// Opens the same file once more; not if the path leads to another one by now.
    pub(super) fn once_more(&self, table: &Table) -> Result<Self, StoreError> {
        let other = with_flags(table, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        if other.file == self.file { Ok(other) } else { Err(replaced(table)) }
    }

    /// Returns the file that was opened.
    pub(super) fn file(&self) -> Identity {
        self.file
    }
}

impl Identity {
    /// Returns the file that the path leads to now; `None` when nothing can be seen there.
    pub(super) fn now(table: &Table) -> Option<Self> {
        fs::metadata(&table.path).ok().as_ref().map(Self::of)
    }

    fn of(file: &Metadata) -> Self {
        Self(file.dev(), file.ino())
    }
}

/// Opens the file for reading; `None` when it is popgate's own and does not exist yet.
pub(super) fn reading(table: &Table) -> Result<Option<Connected>, StoreError> {
    match look(&table.path)? {
        Some(_) => {
            let connected = with_flags(table, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            let sized = connected.connection.pragma_update(None, "cache_size", PAGES);
            sized.map_err(|error| fault::explain(table, "opening", &error))?;
            Ok(Some(connected))
        }
        None if table.create => Ok(None),
        None => Err(missing(&table.path)),
    }
}

/// Opens the file for writing. Only popgate's own is made, with its directory, when it does not exist.
pub(super) fn writing(table: &Table) -> Result<Connected, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
    match look(&table.path)? {
        Some(_) => with_flags(table, flags),
        None if table.create => {
            let directory = table.path.parent().unwrap_or(Path::new("/"));
            make_directory(directory)?;
            let connected = with_flags(table, flags | OpenFlags::SQLITE_OPEN_CREATE)?;
            // Without this a crash of the machine could take the new file away after its changes were reported done.
            sync(directory)?;
            Ok(connected)
        }
        None => Err(missing(&table.path)),
    }
}

/// Looks at the path without opening anything; `None` when nothing is there.
pub(super) fn look(path: &Path) -> Result<Option<Metadata>, StoreError> {
    let file = path.display();
    match fs::metadata(path) {
        Ok(found) if found.is_file() => Ok(Some(found)),
        Ok(found) if found.is_dir() => {
            Err(invalid(format!("{file} is a directory"), "name the database file in it under `path`"))
        }
        Ok(_) => Err(invalid(format!("{file} is not a regular file"), "name the database file under `path`")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(refused(&format!("looking at {file}"), &error)),
    }
}

fn with_flags(table: &Table, flags: OpenFlags) -> Result<Connected, StoreError> {
    /// `SQLite` counts milliseconds in an `int`; nobody waits longer than a day.
    const LONGEST: Duration = Duration::from_hours(24);

    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let before = look(&table.path)?.as_ref().map(Identity::of);
    let opened = Connection::open_with_flags(&table.path, flags).and_then(|connection| {
        connection.busy_timeout(table.busy_timeout.min(LONGEST))?;
        Ok(connection)
    });
    let connection = opened.map_err(|error| fault::explain(table, "opening", &error))?;
    let file = Identity::of(&look(&table.path)?.ok_or_else(|| missing(&table.path))?);
    if before.is_some_and(|before| before != file) {
        return Err(replaced(table));
    }
    Ok(Connected { connection, file })
}

/// Makes the directory of popgate's own database, for its owner alone, and makes sure that it stays.
fn make_directory(directory: &Path) -> Result<(), StoreError> {
    let absent: Vec<&Path> = directory.ancestors().take_while(|ancestor| !ancestor.exists()).collect();
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|error| refused(&format!("making the directory {}", directory.display()), &error))?;
    absent.iter().filter_map(|made| made.parent()).try_for_each(sync)
}

fn sync(directory: &Path) -> Result<(), StoreError> {
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(|error| refused(&format!("writing the directory {} to disk", directory.display()), &error))
}

/// Explains that another file has taken the place of the one in use.
pub(super) fn replaced(table: &Table) -> StoreError {
    StoreError {
        what: format!("{} was replaced while popgate used it", table.path.display()),
        fault: Fault::TRANSIENT,
        help: Some(
            "it is tried again with the new file; write into a live database instead of replacing it, because \
             its other readers keep the old one"
                .to_owned(),
        ),
    }
}

fn missing(path: &Path) -> StoreError {
    invalid(
        format!("{} does not exist", path.display()),
        "check `path`; popgate makes only a database of its own (`missing: create`)",
    )
}

fn refused(attempt: &str, error: &io::Error) -> StoreError {
    let (fault, help) = match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            (Fault::Denied, "run popgate as a user who may use this directory, or change its mode")
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            (Fault::Invalid, "a part of the path is a file where a directory is needed: check `path`")
        }
        _ => (Fault::TRANSIENT, "check the disk and the path"),
    };
    StoreError { what: format!("{attempt}: {error}"), fault, help: Some(help.to_owned()) }
}
