//! Desired state: YAML text in, desired state and diagnostics out.

use crate::model::{Access, Digest, Origin};

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
    pub until: Option<jiff::civil::Date>,
    /// Why, in the administrator's words.
    pub reason: Option<Box<str>>,
}

impl Entry {
    /// t
    pub fn access_on(&self, today: jiff::civil::Date) -> Access {
        let _ = today;
        self.access
    }
    /// t
    pub fn expires_at(&self, _z: &jiff::tz::TimeZone) -> Option<jiff::Timestamp> {
        None
    }
}
/// All entries of one directory, read at one moment. Opaque: iterated in order of folded name, looked up by name.
#[derive(Clone, Debug)]
pub struct Desired {}

impl Desired {
    /// Returns the digest over every path and every byte.
    pub fn digest(&self) -> Digest {
        todo!()
    }
    /// Iterates in order of folded name.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        [].iter()
    }
    /// Returns how many users are listed.
    pub fn len(&self) -> usize {
        todo!()
    }
    /// Tells whether nobody is listed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Looks an entry up by a name as a person writes it.
    pub fn get(&self, _name: &str) -> Option<&Entry> {
        todo!()
    }
    /// Says where an entry stands. Computed when asked.
    pub fn origin(&self, _entry: &Entry) -> Origin {
        todo!()
    }
    /// t
    pub fn label(&self, _e: &Entry, _m: String) -> crate::diagnostic::Label {
        todo!()
    }
    /// t
    pub fn entries_in(&self, _p: &str) -> impl Iterator<Item = &Entry> {
        [].iter()
    }
    /// Iterates over the files, sorted by path, with how many entries each has.
    pub fn files(&self) -> impl Iterator<Item = (&SourceFile, usize)> {
        [].iter().map(|f| (f, 0))
    }
}
