//! What `SQLite`'s errors mean: for the engine a [`Fault`], for a person what happened and what to do.

use rusqlite::{Error, ErrorCode, ffi};

use super::connect;
use crate::model::Fault;
use crate::stores::StoreError;
use crate::stores::sql::Table;

/// Explains an error of `SQLite`. `attempt` is a word like `reading`.
///
/// Result codes: <https://sqlite.org/rescode.html>.
pub(super) fn explain(table: &Table, attempt: &str, error: &Error) -> StoreError {
    let file = table.path.display();
    let Error::SqliteFailure(code, _) = error else {
        return StoreError {
            what: format!("{attempt} {file}: {}", words(error)),
            fault: Fault::Invalid,
            help: Some("check `table`, `key`, `access` and `where` in the settings".to_owned()),
        };
    };
    let (fault, what, help) = match code.code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed => (
            Fault::TRANSIENT,
            format!("{file} is locked by another process (waited {:?})", table.busy_timeout),
            "it is tried again; `fuser` names who holds it, and WAL mode keeps readers and writers apart: \
             `sqlite3 FILE 'PRAGMA journal_mode=WAL'`",
        ),
        ErrorCode::ReadOnly if code.extended_code == ffi::SQLITE_READONLY_DBMOVED => {
            return connect::replaced(table);
        }
        ErrorCode::ReadOnly => read_only(table, code.extended_code),
        ErrorCode::CannotOpen => (
            Fault::Denied,
            format!("{file} cannot be opened"),
            "popgate's user must be able to read the file and to search its directory; in WAL mode, when no other \
             process has the database open, he must be able to write to the directory too",
        ),
        ErrorCode::PermissionDenied | ErrorCode::AuthorizationForStatementDenied => (
            Fault::Denied,
            format!("{attempt} {file} is not permitted"),
            "run popgate as a user who may use the file, or change its mode",
        ),
        ErrorCode::NotADatabase => (
            Fault::Invalid,
            format!("{file} is not a SQLite database, or it is encrypted"),
            "check `path`; an encrypted database cannot be used",
        ),
        ErrorCode::DatabaseCorrupt => (
            Fault::Invalid,
            format!("{file} is damaged: {}", words(error)),
            "`sqlite3 FILE 'PRAGMA integrity_check'` shows where; restore a backup, or try `.recover`",
        ),
        ErrorCode::DiskFull => (
            Fault::TRANSIENT,
            format!("no room for {attempt} {file}"),
            "make room on its file system; it is tried again",
        ),
        ErrorCode::SystemIoFailure => (
            Fault::TRANSIENT,
            format!("{attempt} {file}: {} (SQLite code {})", words(error), code.extended_code),
            "check the disk and its file system; it is tried again",
        ),
        ErrorCode::ConstraintViolation | ErrorCode::Unknown | ErrorCode::TypeMismatch | ErrorCode::TooBig => {
            (
                Fault::Invalid,
                format!("{attempt} {file}: {}", words(error)),
                "the table does not take what the settings say: check `access`, `where`, and the table's triggers",
            )
        }
        _ => (Fault::TRANSIENT, format!("{attempt} {file}: {}", words(error)), "it is tried again"),
    };
    StoreError { what, fault, help: Some(help.to_owned()) }
}

/// Returns `SQLite`'s own words, which for an error in a statement do not repeat the statement.
pub(super) fn words(error: &Error) -> String {
    match error {
        Error::SqliteFailure(code, None) => code.to_string(),
        Error::SqliteFailure(_, Some(message)) => message.clone(),
        Error::SqlInputError { msg, .. } => msg.clone(),
        other => other.to_string(),
    }
}

/// Tells whether an error concerns one row only, so that the transaction may go on without it.
pub(super) fn is_of_one_row(error: &Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::ConstraintViolation | ErrorCode::Unknown | ErrorCode::TypeMismatch | ErrorCode::TooBig
        )
    )
}

/// Tells whether a COMMIT that failed so has certainly written nothing that could come back, once its transaction is
/// rolled back: it could not get its lock, or had no room, or a deferred constraint spoke up. After an I/O error
/// nobody knows what is on the disk.
pub(super) fn is_certainly_undone(error: &Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::DiskFull
                | ErrorCode::ConstraintViolation
                | ErrorCode::ReadOnly
        )
    )
}

fn read_only(table: &Table, extended_code: i32) -> (Fault, String, &'static str) {
    let file = table.path.display();
    match extended_code {
        ffi::SQLITE_READONLY_ROLLBACK | ffi::SQLITE_READONLY_RECOVERY => (
            Fault::Denied,
            format!("{file} holds an interrupted write that must be undone first, and only a writer may"),
            "open it once with write access: `sqlite3 FILE 'SELECT 1 FROM sqlite_master'` as its owner",
        ),
        ffi::SQLITE_READONLY_DIRECTORY | ffi::SQLITE_READONLY_CANTINIT | ffi::SQLITE_READONLY_CANTLOCK => (
            Fault::Denied,
            format!("the files beside {file} (-journal, -wal, -shm) cannot be written"),
            "popgate's user must be able to write to the directory and to these files; a database in WAL mode needs \
             that even to be read while no other process has it open",
        ),
        _ => (
            Fault::Denied,
            format!("{file} is read-only for popgate"),
            "run popgate as a user who may write to the file and its directory; check for a read-only mount",
        ),
    }
}
