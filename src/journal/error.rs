//! What can go wrong with a journal, with the place and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use super::line::LineError;
use super::scan::Damage;

/// Why a journal could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The disk, the quota or the file size limit is used up; nothing of the group was written.
    #[error(
        "no space left to write the journal `{}`; free some space, then try again: \
         without its journal popgate writes to no store",
        .path.display()
    )]
    Full {
        /// The segment.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system refused something else.
    #[error("{what} `{}` failed: {source}{}", .path.display(), remedy(source))]
    Io {
        /// What was attempted, such as "reading the journal".
        what: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A place inside a segment is damaged. Nothing is guessed about it.
    #[error(
        "the journal `{}` is damaged: {damage}; put the file back from a backup; or keep a copy, delete from \
         that line to the end (the whole file if it is line 1), and restart the services by hand, because what \
         was owed since then is forgotten",
        .path.display()
    )]
    Damaged {
        /// The segment.
        path: PathBuf,
        /// Where and how.
        #[source]
        damage: Damage,
    },
    /// A line is whole and not understood.
    #[error(
        "the journal `{}` was written by another version of popgate: {damage}; use that version, or a later one",
        .path.display()
    )]
    Foreign {
        /// The segment.
        path: PathBuf,
        /// Where and how.
        #[source]
        damage: Damage,
    },
    /// A segment does not continue the one before it.
    #[error(
        "the journal `{}` does not continue its predecessor: {why}; put the missing or changed file back",
        .path.display()
    )]
    Chain {
        /// The later segment.
        path: PathBuf,
        /// What does not fit.
        why: String,
    },
    /// Somebody else changed or removed the segment while this process holds the lock.
    #[error(
        "the journal `{}` was changed or removed by somebody else while popgate was running; \
         nothing more is written; find out what touches the state directory, then start popgate again",
        .path.display()
    )]
    Changed {
        /// The segment.
        path: PathBuf,
    },
    /// An earlier failure left it unknown what is on disk.
    #[error(
        "the journal `{}` is closed after an earlier failure to write it; look at the disk, then start popgate again",
        .path.display()
    )]
    Broken {
        /// The segment.
        path: PathBuf,
    },
    /// A record cannot become a line; a bug.
    #[error("a journal entry cannot be written: {0}; please report this")]
    Record(#[source] LineError),
}

impl JournalError {
    pub(super) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| {
            if is_full(&source) { Self::Full { path, source } } else { Self::Io { what, path, source } }
        }
    }

    /// Tells whether the disk is full, so that trying again later may help.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full { .. })
    }
}

/// Says what helps against what the system said of something in the state directory.
pub(super) fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "; run popgate as root or as the owner of the state directory, or name another one with `--state`"
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            "; nothing can be written there: name a state directory on another disk with `--state`"
        }
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
            "; there is something else of that name: name another state directory with `--state`"
        }
        _ if is_full(error) => "; free some space, then try again",
        io::ErrorKind::NotFound => "; name a state directory that can be made with `--state`",
        _ => "; look at the disk, then try again",
    }
}

/// Tells whether an error means that there is no room: `ENOSPC`, `EDQUOT`, or `EFBIG` (a limit on file size).
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}
