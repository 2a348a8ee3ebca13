//! Desired state: YAML text in, desired state and diagnostics out; and the way back.
//!
//! * [`parse`] reads one file on its own, so that many can be read at once and one that has not changed need not be
//!   read again; [`assemble`] makes a [`Desired`] of them, or every problem of every file. [`read`] does both, and
//!   [`reassemble`] makes one of another when few files are others.
//! * [`set`] changes one entry where it stands; [`format()`] gives whole files their canonical form; [`write()`]
//!   renders entries as a file of that form.
//! * [`json_schema`] describes a file for editors.
//!
//! This module knows no store, no directory and no clock: whether an `until` is over, its callers ask with a date.

mod canonical;
mod check;
mod content;
mod difference;
mod edit;
mod entry;
mod file;
mod listed;
mod names;
mod pieces;
mod plain;
mod read;
mod rules;
mod schema;
mod span;
mod words;
mod write;

pub use canonical::format;
pub use difference::Difference;
pub use edit::{Edit, set};
pub use entry::{Brief, Entry, EntryRef};
pub use file::{Parsed, parse};
pub use listed::Desired;
pub use read::{assemble, digest, read, reassemble};
pub use rules::{LONGEST_NAME, LONGEST_REASON, objection_to_name, objection_to_reason};
pub use schema::json_schema;
pub use span::Span;
pub use write::{key, write};

/// One file of a desired directory, as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceFile {
    /// Path relative to the desired directory, with `/` between its parts.
    pub path: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

#[cfg(test)]
mod tests;
