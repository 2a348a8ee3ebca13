//! What two desired states share, in numbers of entries: their place in the order of files and lines.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use super::file::File;
use super::{Desired, EntryRef, SourceFile};

/// How a desired state differs from an earlier one. Every entry of both stands in one of the ranges.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// The entries that both hold in a file of the same path, and that say the same: in the earlier one, and with which
    /// number they begin now.
    kept: Vec<(Range<u32>, u32)>,
    /// All other entries of the earlier one.
    pub gone: Vec<Range<u32>>,
    /// All other entries now.
    pub come: Vec<Range<u32>>,
}

impl Difference {
    /// Returns the numbers that some entries of the earlier state, given in order, have now; those of them that both hold.
    pub fn kept(&self, numbers: impl IntoIterator<Item = u32>) -> Vec<u32> {
        let mut ranges = self.kept.iter().peekable();
        let now = |number| {
            while ranges.next_if(|(earlier, _)| earlier.end <= number).is_some() {}
            let (earlier, start) = ranges.peek().filter(|(earlier, _)| earlier.contains(&number))?;
            Some(start + (number - earlier.start))
        };
        numbers.into_iter().filter_map(now).collect()
    }
}

/// A file with the numbers of its entries.
type Place<'a> = (&'a Arc<File>, Range<u32>);

impl Desired {
    /// Returns the files that another state does not have, or has otherwise, and the paths of those that only it has.
    pub fn files_since<'a>(&'a self, earlier: &'a Self) -> (Vec<&'a SourceFile>, Vec<&'a str>) {
        let (mut new, mut gone) = (Vec::new(), Vec::new());
        for (before, after) in self.others_since(earlier) {
            match (before, after) {
                (Some(before), None) => gone.push(&*before.source.path),
                (_, after) => new.extend(after.map(|file| &file.source)),
            }
        }
        (new, gone)
    }

    /// Iterates over the files of an earlier state that this one lacks or has otherwise: their paths, and how many
    /// entries each had and has.
    pub fn counts_since<'a>(&'a self, earlier: &'a Self) -> impl Iterator<Item = (&'a str, usize, usize)> {
        self.others_since(earlier).filter_map(|(before, after)| {
            let before = before?;
            Some((&*before.source.path, before.len(), after.map_or(0, |file| file.len())))
        })
    }

    /// Iterates over what is not the same file in both, in order of path.
    pub(super) fn others_since<'a>(
        &'a self,
        earlier: &'a Self,
    ) -> impl Iterator<Item = (Option<&'a Arc<File>>, Option<&'a Arc<File>>)> {
        let files = |place: Option<Place<'a>>| place.map(|(file, _)| file);
        let pairs = self.beside(earlier).map(move |(before, after)| (files(before), files(after)));
        pairs.filter(|(before, after)| !before.zip(*after).is_some_and(|(old, new)| is_same(old, new)))
    }

    /// Iterates over the entries that another desired state does not hold just so in a file of the same path, in the order
    /// of files and lines; and perhaps over some that it does.
    pub fn written_otherwise<'a>(&'a self, than: &'a Self) -> impl Iterator<Item = EntryRef<'a>> {
        self.others_since(than).flat_map(|(other, own)| {
            own.into_iter().flat_map(move |own| {
                let (first, last) = other.map_or((0, 0), |other| alike(other, own));
                (first..own.len() - last).map(|position| own.entry(position))
            })
        })
    }

    /// Compares this state with an earlier one, file by file.
    pub fn since(&self, earlier: &Self) -> Difference {
        let mut difference = Difference::default();
        for (before, after) in self.beside(earlier) {
            match (before, after) {
                (Some((old, before)), Some((new, after))) if is_same(old, new) => {
                    difference.kept.push((before, after.start));
                }
                (Some((old, before)), Some((new, after))) => {
                    let (first, last) = alike(old, new);
                    let part = |count| u32::try_from(count).unwrap_or(u32::MAX);
                    let others = |all: &Range<u32>| all.start + part(first)..all.end - part(last);
                    let (gone, come) = (others(&before), others(&after));
                    difference.kept.push((before.start..gone.start, after.start));
                    difference.kept.push((gone.end..before.end, come.end));
                    difference.gone.push(gone);
                    difference.come.push(come);
                }
                (before, after) => {
                    difference.gone.extend(before.map(|(_, range)| range));
                    difference.come.extend(after.map(|(_, range)| range));
                }
            }
        }
        difference
    }

    /// Puts the files of an earlier state beside those of this one that have the same path.
    fn beside<'a>(
        &'a self,
        earlier: &'a Self,
    ) -> impl Iterator<Item = (Option<Place<'a>>, Option<Place<'a>>)> {
        let (mut old, mut new) = (earlier.ranges().peekable(), self.ranges().peekable());
        std::iter::from_fn(move || {
            let order = match (old.peek(), new.peek()) {
                (None, None) => return None,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((old, _)), Some((new, _))) => old.source.path.cmp(&new.source.path),
            };
            Some((old.next_if(|_| order.is_le()), new.next_if(|_| order.is_ge())))
        })
    }
}

/// Returns how many entries at the beginning and how many at the end of two files say the same: an edit is mostly one of a
/// few lines.
fn alike(one: &File, other: &File) -> (usize, usize) {
    let short = one.detailed().chain(other.detailed()).next().is_none();
    let same = |(at, beside): &(usize, usize)| {
        if !short {
            return one.entry(*at) == other.entry(*beside);
        }
        // As bytes: to prove again and again that names are texts would be most of the work.
        let pair = one.brief(*at..at + 1).zip(other.brief(*beside..beside + 1));
        pair.into_iter().all(|(one, other)| (one.name, one.access) == (other.name, other.access))
    };
    let shorter = one.len().min(other.len());
    let first = (0..shorter).zip(0..).take_while(same).count();
    let back = (1..=shorter - first).map(|back| (one.len() - back, other.len() - back));
    (first, back.take_while(same).count())
}

fn is_same(one: &Arc<File>, other: &Arc<File>) -> bool {
    Arc::ptr_eq(one, other) || one.hash() == other.hash()
}
