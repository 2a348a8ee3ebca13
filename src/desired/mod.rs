//! Desired state: YAML text in, desired state and diagnostics out; and the way back.
//!
//! * [`read`] turns the files of a directory into a [`Desired`], or into every problem of every file.
//! * [`set`] changes one entry where it stands; [`format()`] gives whole files their canonical form; [`write()`]
//!   renders entries as a file of that form.
//! * [`json_schema`] describes a file for editors.
//!
//! This module knows no store, no directory and no clock: whether an `until` is over, its callers ask with a date.

mod canonical;
mod check;
mod edit;
mod pieces;
mod read;
mod rules;
mod schema;
mod span;
mod words;
mod write;

use std::fmt;
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::diagnostic::{Label, Lines};
use crate::model::{Access, Digest, Origin};
use crate::name::fold;

pub use canonical::format;
pub use edit::{Edit, set};
pub use read::{digest, read};
pub use rules::{LONGEST_NAME, LONGEST_REASON, objection_to_name, objection_to_reason};
pub use schema::json_schema;
pub use span::Span;
pub use write::{key, write};

/// One file of a desired directory, as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Path relative to the desired directory, with `/` between its parts.
    pub path: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// One user in the desired state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name as written.
    pub name: Box<str>,
    /// The access as written.
    pub access: Access,
    /// The last day of access, in the target's time zone.
    pub until: Option<Date>,
    /// Why, in the administrator's words.
    pub reason: Option<Box<str>>,
}

impl Entry {
    /// Returns the access that the entry means on a day: `until` is the last day of access.
    pub fn access_on(&self, today: Date) -> Access {
        match self.until {
            Some(until) if today > until => Access::Disabled,
            _ => self.access,
        }
    }

    /// Returns the moment from which the entry means `disabled`: the first moment of the day after `until` in
    /// a time zone, which need not be midnight. `None` when it never expires.
    pub fn expires_at(&self, zone: &TimeZone) -> Option<Timestamp> {
        let next_day = self.until?.tomorrow().ok()?;
        Some(next_day.to_zoned_datetime(zone.clone()).ok()?.start_of_day().ok()?.timestamp())
    }

    /// Tells whether two entries mean the same access, until the same day, for the same reason.
    pub fn means_same(&self, other: &Self) -> bool {
        (self.access, self.until, &self.reason) == (other.access, other.until, &other.reason)
    }
}

/// All entries of one directory, read at one moment. Opaque: iterated in order of folded name, looked up by name.
/// A clone is cheap.
#[derive(Clone)]
pub struct Desired(Arc<Inner>);

struct Inner {
    digest: Digest,
    files: Vec<File>,
    /// Sorted by folded name, each of which occurs once.
    listed: Vec<Listed>,
}

struct File {
    source: SourceFile,
    /// The length of a byte order mark; offsets count from behind it.
    mark: usize,
    entries: usize,
    lines: OnceLock<Lines>,
}

/// An entry, what it is sorted by, and where it stands.
struct Listed {
    entry: Entry,
    /// `None` where it is the name itself.
    folded: Option<Box<str>>,
    file: u32,
    offset: u32,
}

impl Listed {
    fn folded(&self) -> &str {
        self.folded.as_deref().unwrap_or(&self.entry.name)
    }
}

impl File {
    fn text(&self) -> &[u8] {
        &self.source.bytes[self.mark..]
    }

    fn lines(&self) -> &Lines {
        self.lines.get_or_init(|| Lines::new(self.valid()))
    }

    /// Returns the whole text, which costs a look at all of it.
    fn valid(&self) -> &str {
        std::str::from_utf8(self.text()).expect("only valid texts become a desired state")
    }

    /// Returns line and column of an offset.
    fn position(&self, offset: u32) -> (u32, u32) {
        self.lines().position(self.text(), offset as usize)
    }
}

impl Desired {
    /// Returns the digest over every path and every byte.
    pub fn digest(&self) -> Digest {
        self.0.digest
    }

    /// Iterates in order of folded name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Entry> + DoubleEndedIterator {
        self.0.listed.iter().map(|listed| &listed.entry)
    }

    /// Returns how many users are listed.
    pub fn len(&self) -> usize {
        self.0.listed.len()
    }

    /// Tells whether nobody is listed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Looks an entry up by a name as a person writes it.
    pub fn get(&self, name: &str) -> Option<&Entry> {
        self.find(name).map(|listed| &listed.entry)
    }

    /// Tells whether this and another desired state list a name with the same access, until the same day, for
    /// the same reason. False if either does not list it.
    pub fn same_entry(&self, other: &Self, name: &str) -> bool {
        match (self.get(name), other.get(name)) {
            (Some(ours), Some(theirs)) => ours.means_same(theirs),
            _ => false,
        }
    }

    /// Says where an entry stands. Computed when asked.
    ///
    /// # Panics
    /// When the entry's name is not listed here: it must come from this desired state or from a clone of it.
    pub fn origin(&self, entry: &Entry) -> Origin {
        let listed = self.find(&entry.name).expect("the entry comes from this desired state");
        let file = &self.0.files[listed.file as usize];
        let (line, column) = file.position(listed.offset);
        Origin { file: file.source.path.clone(), line, column }
    }

    /// Points at an entry, for a diagnostic.
    ///
    /// # Panics
    /// Like [`Desired::origin`].
    pub fn label(&self, entry: &Entry, message: impl Into<String>) -> Label {
        let listed = self.find(&entry.name).expect("the entry comes from this desired state");
        let file = &self.0.files[listed.file as usize];
        let start = listed.offset as usize;
        let spot = file.lines().spot(file.valid(), start..start + entry.name.len());
        Label::spot(file.source.path.clone(), spot).saying(message)
    }

    /// Returns the path of the file that lists a name; `None` when none does.
    pub fn file_of(&self, name: &str) -> Option<&str> {
        self.find(name).map(|listed| &*self.0.files[listed.file as usize].source.path)
    }

    /// Iterates over the files, sorted by path, with how many entries each has.
    pub fn files(&self) -> impl Iterator<Item = (&SourceFile, usize)> {
        self.0.files.iter().map(|file| (&file.source, file.entries))
    }

    fn find(&self, name: &str) -> Option<&Listed> {
        let folded = fold(name);
        let found = self.0.listed.binary_search_by(|listed| listed.folded().cmp(&folded)).ok()?;
        Some(&self.0.listed[found])
    }
}

impl Default for Desired {
    /// No file and nobody listed: what there is before anything was read. [`read`] never returns it.
    fn default() -> Self {
        Self(Arc::new(Inner { digest: digest(&[]), files: Vec::new(), listed: Vec::new() }))
    }
}

impl fmt::Debug for Desired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desired").field("digest", &self.digest()).field("entries", &self.len()).finish()
    }
}

/// Equal when every path and every byte are.
impl PartialEq for Desired {
    fn eq(&self, other: &Self) -> bool {
        self.digest() == other.digest()
    }
}

impl Eq for Desired {}

#[cfg(test)]
mod tests;
