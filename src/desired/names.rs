//! Where the names of a desired state stand: a table of all files, which many states share, and a small one of the files
//! that came since.
//!
//! A state that differs from an earlier one in a few files is made of that: files that are not there any more are
//! passed over in the tables, and new ones are added to the small one. When that is full, the next state begins with
//! tables of its own.

use std::sync::Arc;

use super::file::File;
use crate::name::{self, Index, TOGETHER};

/// How large a part of all entries may come before everything is put into one table again.
const PART: usize = 16;
/// So many entries may come in any case.
const FEW: usize = 1_024;

/// Every name of a desired state, each once.
#[derive(Clone)]
pub(super) struct Names {
    base: Part,
    since: Part,
}

/// A table, and what of it does not count any more.
#[derive(Clone)]
struct Part {
    table: Arc<Table>,
    /// Which files are gone.
    gone: Box<[bool]>,
}

#[derive(Clone)]
struct Table {
    files: Vec<Arc<File>>,
    /// The number of each file's first entry, and after the last file how many there are.
    firsts: Vec<u32>,
    index: Index,
    /// How many entries the index has room for.
    room: usize,
}

impl Names {
    /// Takes the names of all files. Tells whether each stands there once; otherwise only one of the places is known.
    pub(super) fn of(files: &[Arc<File>]) -> (Self, bool) {
        let count = files.iter().map(|file| file.len()).sum();
        let mut table = Table::with_room(count);
        let nobody = Part::of(Table::with_room(0));
        let mut unique = true;
        for file in files {
            unique &= table.add(file, &nobody, &[]);
        }
        let since = Part::of(Table::with_room((count / PART).max(FEW)));
        (Self { base: Part::of(table), since }, unique)
    }

    /// Returns the names of another state, which lacks some of these files and has others. `None` if there is no room
    /// for them, or if a name would stand there twice.
    pub(super) fn edited(&self, without: &[Arc<File>], with: &[Arc<File>]) -> Option<Self> {
        let coming: usize = with.iter().map(|file| file.len()).sum();
        if coming > self.since.table.room {
            return None;
        }
        let (mut base, mut since) = (self.base.clone(), self.since.clone());
        for file in without {
            // The files of the large table are sorted by path; the small one has few.
            let of_base = base.table.files.binary_search_by(|own| own.source.path.cmp(&file.source.path));
            let is_it = |part: &Part, place: &usize| {
                Arc::ptr_eq(&part.table.files[*place], file) && !part.gone[*place]
            };
            if let Some(place) = of_base.ok().filter(|place| is_it(&base, place)) {
                base.gone[place] = true;
            } else {
                let place = (0..since.gone.len()).find(|place| is_it(&since, place));
                since.gone[place.expect("a file that is taken out was there")] = true;
            }
        }
        let (mut table, mut gone) = since.without_much_gone(&base);
        if table.count() + coming > table.room {
            return None;
        }
        for file in with {
            if !table.add(file, &base, &gone) {
                return None;
            }
            gone.push(false);
        }
        Some(Self { base, since: Part { table: Arc::new(table), gone: gone.into() } })
    }

    /// Finds the file that lists a name, and the position of its entry there.
    pub(super) fn find(&self, name: &str) -> Option<(&Arc<File>, usize)> {
        self.base.find(name).or_else(|| self.since.find(name))
    }
}

impl Part {
    fn of(table: Table) -> Self {
        Self { gone: vec![false; table.files.len()].into(), table: Arc::new(table) }
    }

    /// Returns a copy of the table and of what is gone of it. If that is the larger part, it is left out: a file that is
    /// edited again and again would else be looked through in all its versions.
    fn without_much_gone(&self, base: &Self) -> (Table, Vec<bool>) {
        let stays =
            || self.table.files.iter().zip(&self.gone).filter(|(_, gone)| !**gone).map(|(file, _)| file);
        let count: usize = stays().map(|file| file.len()).sum();
        if count * 2 > self.table.count() {
            return ((*self.table).clone(), self.gone.to_vec());
        }
        let mut table = Table::with_room(self.table.room);
        for file in stays() {
            let unique = table.add(file, base, &[]);
            debug_assert!(unique, "it was so before");
        }
        let gone = vec![false; table.files.len()];
        (table, gone)
    }

    fn find(&self, name: &str) -> Option<(&Arc<File>, usize)> {
        if self.table.count() == 0 {
            return None;
        }
        self.table.find(name, &self.gone)
    }
}

impl Table {
    fn with_room(room: usize) -> Self {
        Self { files: Vec::new(), firsts: vec![0], index: Index::for_names(room), room }
    }

    fn count(&self) -> usize {
        self.firsts.last().map_or(0, |count| *count as usize)
    }

    /// Adds the names of a file. Tells whether all of them are new, here as far as files are not gone, and in another
    /// part.
    fn add(&mut self, file: &Arc<File>, other: &Part, gone: &[bool]) -> bool {
        let first = self.count();
        self.files.push(Arc::clone(file));
        self.firsts.push(u32::try_from(first + file.len()).unwrap_or(u32::MAX));
        let (files, firsts, index) = (&self.files, &self.firsts, &mut self.index);
        let is_gone = |place: usize| gone.get(place).copied().unwrap_or(false);
        let mut hashed = Vec::with_capacity(TOGETHER);
        let mut unique = true;
        for start in (0..file.len()).step_by(TOGETHER) {
            let block = start..file.len().min(start + TOGETHER);
            hashed.extend(block.clone().map(|position| index.hash_bytes(file.name_bytes(position))));
            index.fetch(hashed.iter().copied());
            for (position, hashed) in block.zip(hashed.drain(..)) {
                let is_same = |number| {
                    let place = at(firsts, number);
                    let there = files[place].name_bytes((number - firsts[place]) as usize);
                    !is_gone(place) && name::same_bytes(there, file.name_bytes(position))
                };
                let number = u32::try_from(first + position).unwrap_or(u32::MAX);
                unique &= index.insert(hashed, number, is_same).is_none()
                    && (other.table.count() == 0 || other.find(file.name(position)).is_none());
            }
        }
        unique
    }

    fn find(&self, name: &str, gone: &[bool]) -> Option<(&Arc<File>, usize)> {
        let mut place = 0;
        let is_same = |number| {
            place = at(&self.firsts, number);
            let position = (number - self.firsts[place]) as usize;
            !gone[place] && name::same(self.files[place].name(position), name)
        };
        let number = self.index.find(self.index.hash(name), is_same)?;
        Some((&self.files[place], (number - self.firsts[place]) as usize))
    }
}

/// Returns which file an entry stands in.
fn at(firsts: &[u32], number: u32) -> usize {
    firsts.partition_point(|first| *first <= number) - 1
}
