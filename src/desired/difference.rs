//! Which files two desired states share, in numbers of entries: their place in the order of files and lines.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use super::Desired;

/// How a desired state differs from an earlier one. Every entry of both stands in one of the ranges.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// The entries of files that both hold byte by byte: in the earlier one, and with which number they begin now.
    kept: Vec<(Range<u32>, u32)>,
    /// The entries of all other files of the earlier one.
    pub gone: Vec<Range<u32>>,
    /// The entries of all other files now.
    pub come: Vec<Range<u32>>,
}

impl Difference {
    /// Returns the numbers that some entries of the earlier state, given in order, have now; those of them that stand in
    /// files that both hold.
    pub fn kept(&self, numbers: impl IntoIterator<Item = u32>) -> Vec<u32> {
        let mut files = self.kept.iter().peekable();
        let now = |number| {
            while files.next_if(|(earlier, _)| earlier.end <= number).is_some() {}
            let (earlier, start) = files.peek().filter(|(earlier, _)| earlier.contains(&number))?;
            Some(start + (number - earlier.start))
        };
        numbers.into_iter().filter_map(now).collect()
    }
}

impl Desired {
    /// Compares this state with an earlier one, file by file.
    pub fn since(&self, earlier: &Self) -> Difference {
        let mut difference = Difference::default();
        let (mut old, mut new) = (earlier.ranges().peekable(), self.ranges().peekable());
        loop {
            let order = match (old.peek(), new.peek()) {
                (None, None) => return difference,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((old, _)), Some((new, _))) => old.source.path.cmp(&new.source.path),
            };
            let before = old.next_if(|_| order.is_le());
            let after = new.next_if(|_| order.is_ge());
            match (before, after) {
                (Some((old, before)), Some((new, after)))
                    if Arc::ptr_eq(old, new) || old.hash == new.hash =>
                {
                    difference.kept.push((before, after.start));
                }
                (before, after) => {
                    difference.gone.extend(before.map(|(_, range)| range));
                    difference.come.extend(after.map(|(_, range)| range));
                }
            }
        }
    }
}
