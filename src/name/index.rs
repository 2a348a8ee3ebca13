//! Where names stand in a list: a table of 32-bit slots, about eight bytes for each name, without their text.
//!
//! A slot holds a position and, in the bits that positions leave free, a piece of the name's hash, so that a look at
//! the text of a name that is not meant is rare. Which slot a name gets depends on a seed that nobody knows: names
//! come from files that other people write, and they could else be chosen to meet in one place.

use std::borrow::Cow;
use std::hash::{BuildHasher, RandomState};
use std::hint::black_box;

use super::folded;

/// How many names are best looked up together: as many as a processor can wait for at once. The table and the text of
/// a million names lie far from it, and one look after the other would be spent on waiting.
pub const TOGETHER: usize = 32;

/// A name as a table looks for it.
#[derive(Clone, Copy, Debug)]
pub struct Hashed(u64);

/// A table from folded names to positions in a list that holds their text.
#[derive(Clone, Debug)]
pub struct Index {
    seed: u64,
    /// A power of two, at least twice as many as names. Zero is free; else a position plus one, and a tag above.
    slots: Box<[u32]>,
    /// The bits of a slot that hold the position.
    positions: u32,
}

impl Index {
    /// Makes room for so many names, none of which is inserted yet.
    ///
    /// # Panics
    /// When there are more than two thousand million.
    pub fn for_names(count: usize) -> Self {
        assert!(count < 1 << 31, "a position has 31 bits");
        let slots = (count * 2).next_power_of_two().max(2);
        let mut empty: Box<[u32]> = vec![0; slots].into();
        // The system hands out pages when they are looked at, and again, with a word to all processors, when they are then
        // written to. Written to at once, they are handed out once.
        empty.fill(black_box(0));
        let positions = u32::MAX >> (u32::try_from(count).unwrap_or(u32::MAX) | 1).leading_zeros();
        Self { seed: RandomState::new().hash_one(count), slots: empty, positions }
    }

    /// Prepares to look for a name.
    pub fn hash(&self, name: &str) -> Hashed {
        self.hash_bytes(name.as_bytes())
    }

    /// Prepares to look for a name of which only the bytes are at hand: to prove a million times that they are a text
    /// takes longer than anything else that is done with them.
    pub fn hash_bytes(&self, name: &[u8]) -> Hashed {
        if name.is_ascii() {
            return Hashed(hash(self.seed, name));
        }
        let folded = std::str::from_utf8(name).map_or(Cow::Borrowed(name), |name| match folded(name) {
            Cow::Borrowed(name) => Cow::Borrowed(name.as_bytes()),
            Cow::Owned(name) => Cow::Owned(name.into_bytes()),
        });
        Hashed(hash(self.seed, &folded))
    }

    /// Looks at where several names begin, so that their parts of the table are fetched together before any of them is
    /// looked up.
    pub fn fetch(&self, names: impl Iterator<Item = Hashed>) {
        black_box(names.fold(0, |all, name| all | self.slots[self.start(name)]));
    }

    /// Returns the position that is almost certainly the one of a name, without a look at any text.
    pub fn guess(&self, name: Hashed) -> Option<u32> {
        self.find(name, |_| true)
    }

    /// Notes that a name stands at a position. Returns a position at which the same name stands already and for which
    /// `is_same` holds; then nothing is noted.
    pub fn insert(&mut self, name: Hashed, position: u32, is_same: impl FnMut(u32) -> bool) -> Option<u32> {
        match self.look(name, is_same) {
            Ok(found) => Some(found),
            Err((slot, tag)) => {
                debug_assert!(position < self.positions, "more names than room was made for");
                self.slots[slot] = tag | (position + 1);
                None
            }
        }
    }

    /// Finds the position of a name: the first for which `is_same` holds.
    pub fn find(&self, name: Hashed, is_same: impl FnMut(u32) -> bool) -> Option<u32> {
        self.look(name, is_same).ok()
    }

    /// Looks at every position that may have this name; the last one that fits, or the free slot behind them.
    fn look(&self, name: Hashed, mut is_same: impl FnMut(u32) -> bool) -> Result<u32, (usize, u32)> {
        let mask = self.slots.len() - 1;
        let tag = (name.0 >> 32) as u32 & !self.positions;
        let mut at = self.start(name);
        loop {
            let slot = self.slots[at];
            if slot == 0 {
                return Err((at, tag));
            }
            let position = (slot & self.positions).wrapping_sub(1);
            if slot & !self.positions == tag && is_same(position) {
                return Ok(position);
            }
            at = (at + 1) & mask;
        }
    }

    /// Returns the first slot that may hold a name.
    #[expect(clippy::cast_possible_truncation, reason = "only the low bits are wanted")]
    fn start(&self, name: Hashed) -> usize {
        name.0 as usize & (self.slots.len() - 1)
    }
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x80 * ONES;

/// Hashes what [`folded`] makes of a name that is ASCII, or a name that is folded already.
fn hash(seed: u64, name: &[u8]) -> u64 {
    /// An odd number with as many ones as zeros, in no order.
    const MIX: u64 = 0x9e37_79b9_7f4a_7c15;
    // Nobody knows it, so nobody can choose words that make a product zero.
    let key = MIX ^ seed.rotate_left(32);
    let word = |bytes: [u8; 8]| lower(u64::from_le_bytes(bytes));
    let mut state = seed ^ (name.len() as u64).wrapping_mul(MIX);
    let mut step = |[first, second]: [[u8; 8]; 2]| {
        state = fold_product(state ^ word(first), key ^ word(second));
    };
    let (pairs, rest) = name.as_chunks::<16>();
    for pair in pairs {
        step(halves(*pair));
    }
    // What is left of a long name is taken together with some of what was before it.
    let last = name.last_chunk::<16>().copied().unwrap_or_else(|| {
        let mut last = [0; 16];
        last[..rest.len()].copy_from_slice(rest);
        last
    });
    step(halves(last));
    fold_product(state, MIX)
}

fn halves(pair: [u8; 16]) -> [[u8; 8]; 2] {
    let (first, second) = pair.split_at(8);
    [first.try_into().unwrap_or_default(), second.try_into().unwrap_or_default()]
}

/// Makes eight bytes lower case at once, unless they are no ASCII: then they are folded already.
fn lower(word: u64) -> u64 {
    if word & HIGH != 0 {
        return word;
    }
    let from_a = word + (0x80 - u64::from(b'A')) * ONES;
    let above_z = word + (0x80 - u64::from(b'Z') - 1) * ONES;
    // The highest bit of a byte, moved to the one that tells the cases apart.
    word | (from_a & !above_z & HIGH) >> 2
}

/// Multiplies to 128 bits and folds the halves, so that every bit of the result depends on every bit given.
#[expect(clippy::cast_possible_truncation, reason = "the halves are what is wanted")]
fn fold_product(one: u64, other: u64) -> u64 {
    let product = u128::from(one) * u128::from(other);
    (product as u64) ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{fold, same};
    use super::*;

    proptest! {
        #[test]
        fn names_are_found_whatever_their_case_and_no_others(
            names in proptest::collection::vec("[a-cA-C\u{e4}\u{c4}\u{212a}k@]{0,10}", 0..60),
            other in "[a-cA-C\u{e4}\u{c4}\u{212a}k@]{0,10}",
        ) {
            let mut index = Index::for_names(names.len());
            for (position, name) in (0..).zip(&names) {
                let before = index.insert(index.hash(name), position, |at| same(&names[at as usize], name));
                let first = names.iter().position(|first| fold(first) == fold(name)).unwrap();
                let expected = (first < position as usize).then(|| u32::try_from(first).unwrap());
                prop_assert_eq!(before, expected);
            }
            for name in names.iter().chain([&other]) {
                let name = name.to_uppercase();
                let found = index.find(index.hash(&name), |at| same(&names[at as usize], &name));
                let first = names.iter().position(|first| fold(first) == fold(&name));
                prop_assert_eq!(found.map(|at| at as usize), first);
            }
        }

        #[test]
        fn eight_bytes_are_lowered_as_one_by_one(bytes: [u8; 8]) {
            let ascii = bytes.map(|byte| byte & 0x7f);
            let lowered = u64::from_le_bytes(ascii.map(|byte| byte.to_ascii_lowercase()));
            prop_assert_eq!(lower(u64::from_le_bytes(ascii)), lowered);
        }
    }
}
