//! The entries of a directory, and how they are found. Made for a million of them: a name is a place in the text of
//! its file, and nothing is sorted unless somebody asks for an order.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use super::file::File;
use super::names::Names;
use super::{Brief, EntryRef, Parsed, SourceFile, digest};
use crate::diagnostic::Label;
use crate::model::{Digest, Origin};
use crate::name;

/// All entries of one directory, read at one moment. Opaque: iterated in order of folded name or as written, looked
/// up by name. A clone is cheap.
#[derive(Clone)]
pub struct Desired(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) digest: Digest,
    /// Sorted by path.
    pub(super) files: Vec<Arc<File>>,
    /// The number of each file's first entry, and after the last file how many there are.
    pub(super) firsts: Box<[u32]>,
    /// Where each name stands.
    pub(super) names: Names,
    /// Numbers of entries in order of folded name, once somebody asked.
    pub(super) order: OnceLock<Box<[u32]>>,
}

impl Inner {
    /// Returns the file of an entry and its position in it.
    fn place(&self, number: u32) -> (&File, usize) {
        place(&self.files, &self.firsts, number)
    }

    fn name(&self, number: u32) -> &str {
        let (file, position) = self.place(number);
        file.name(position)
    }

    fn sorted(&self) -> Box<[u32]> {
        let mut order: Box<[u32]> = (0..self.firsts.last().copied().unwrap_or(0)).collect();
        order.sort_unstable_by(|one, other| name::order(self.name(*one), self.name(*other)));
        order
    }
}

/// Returns the file of an entry and its position in it.
pub(super) fn place<'f>(files: &'f [Arc<File>], firsts: &[u32], number: u32) -> (&'f File, usize) {
    let file = firsts.partition_point(|first| *first <= number) - 1;
    (&files[file], (number - firsts[file]) as usize)
}

impl Desired {
    /// Returns the digest over every path and the bytes of every file.
    pub fn digest(&self) -> Digest {
        self.0.digest
    }

    /// Iterates in order of folded name. The first who asks pays for the sorting.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = EntryRef<'_>> + DoubleEndedIterator {
        let order = self.0.order.get_or_init(|| self.0.sorted());
        order.iter().map(|number| self.at(*number))
    }

    /// Iterates in the order of files and lines: for whoever only counts, or sorts what he finds.
    pub fn as_written(&self) -> impl Iterator<Item = EntryRef<'_>> {
        self.0.files.iter().flat_map(|file| file.entries())
    }

    /// Iterates over what the entries with some numbers say at the least, in the order of files and lines, which is that
    /// of the numbers.
    pub fn brief(&self, numbers: Range<usize>) -> impl Iterator<Item = Brief<'_>> {
        let firsts = self.0.firsts.iter().zip(self.0.firsts.iter().skip(1));
        self.0.files.iter().zip(firsts).flat_map(move |(file, (first, next))| {
            let (first, next) = (*first as usize, *next as usize);
            let within = |number: usize| number.clamp(first, next) - first;
            file.brief(within(numbers.start)..within(numbers.end))
        })
    }

    /// Iterates over the entries that have an `until`, in the order of files and lines.
    pub fn with_until(&self) -> impl Iterator<Item = EntryRef<'_>> {
        self.0.files.iter().flat_map(|file| file.detailed()).filter(|entry| entry.until.is_some())
    }

    /// Returns how many users are listed.
    pub fn len(&self) -> usize {
        self.0.firsts.last().map_or(0, |count| *count as usize)
    }

    /// Tells whether nobody is listed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Looks an entry up by a name as a person writes it.
    pub fn get(&self, name: &str) -> Option<EntryRef<'_>> {
        self.0.names.find(name).map(|(file, position)| file.entry(position))
    }

    /// Tells whether this and another desired state list a name with the same access, until the same day, for
    /// the same reason. False if either does not list it.
    pub fn same_entry(&self, other: &Self, name: &str) -> bool {
        match (self.get(name), other.get(name)) {
            (Some(ours), Some(theirs)) => ours.means_same(&theirs),
            _ => false,
        }
    }

    /// Says where an entry stands. Computed when asked.
    ///
    /// # Panics
    /// When the entry's name is not listed here: it must come from this desired state or from a clone of it.
    pub fn origin(&self, entry: EntryRef<'_>) -> Origin {
        let (file, position) = self.found(entry);
        let (line, column) = file.position(position);
        Origin { file: file.source.path.clone(), line, column }
    }

    /// Points at an entry, for a diagnostic.
    ///
    /// # Panics
    /// Like [`Desired::origin`].
    pub fn label(&self, entry: EntryRef<'_>, message: impl Into<String>) -> Label {
        let (file, position) = self.found(entry);
        let start = file.offset(position);
        let spot = file.lines().spot(file.valid(), start..start + entry.name.len());
        Label::spot(file.source.path.clone(), spot).saying(message)
    }

    /// Returns the path of the file that lists a name; `None` when none does.
    pub fn file_of(&self, name: &str) -> Option<&str> {
        self.0.names.find(name).map(|(file, _)| &*file.source.path)
    }

    /// Iterates over the files, sorted by path, with how many entries each has.
    pub fn files(&self) -> impl Iterator<Item = (&SourceFile, usize)> {
        self.0.files.iter().map(|file| (&file.source, file.len()))
    }

    /// Iterates over the entries of one file, in order of lines; none if there is no such file.
    pub fn of_file(&self, path: &str) -> impl Iterator<Item = EntryRef<'_>> {
        self.file(path).into_iter().flat_map(|file| file.entries())
    }

    /// Returns what was parsed of a file, if it is in this state byte for byte.
    pub fn parsed(&self, file: &SourceFile) -> Option<Parsed> {
        let own = self.file(&file.path)?;
        (own.source.bytes == file.bytes).then(|| Parsed(Arc::clone(own)))
    }

    /// Iterates over the files with the numbers of their entries.
    pub(super) fn ranges(&self) -> impl Iterator<Item = (&Arc<File>, Range<u32>)> {
        let ranges = self.0.firsts.windows(2).map(|pair| pair[0]..pair[1]);
        self.0.files.iter().zip(ranges)
    }

    pub(super) fn file(&self, path: &str) -> Option<&Arc<File>> {
        let found = self.0.files.binary_search_by(|file| (*file.source.path).cmp(path)).ok()?;
        Some(&self.0.files[found])
    }

    /// Returns where the name of an entry begins in the text of its file.
    pub(super) fn offset(&self, name: &str) -> Option<usize> {
        let (file, position) = self.0.names.find(name)?;
        Some(file.offset(position))
    }

    fn found(&self, entry: EntryRef<'_>) -> (&Arc<File>, usize) {
        self.0.names.find(entry.name).expect("the entry comes from this desired state")
    }

    /// Returns the entry with a number in the order of files and lines.
    ///
    /// # Panics
    /// When there is none.
    pub fn at(&self, number: u32) -> EntryRef<'_> {
        let (file, position) = self.0.place(number);
        file.entry(position)
    }
}

impl Default for Desired {
    /// No file and nobody listed: what there is before anything was read. [`super::read()`] never returns it.
    fn default() -> Self {
        Self(Arc::new(Inner {
            digest: digest(&[]),
            files: Vec::new(),
            firsts: Box::default(),
            names: Names::of(&[]).0,
            order: OnceLock::new(),
        }))
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
