//! Some of the accounts of a store, one bit for each.

use super::{AccountRef, Live};

/// A set of accounts of one [`Live`].
#[derive(Clone, Debug)]
pub struct AccountSet {
    bits: Box<[u64]>,
    empty: bool,
}

impl AccountSet {
    /// Returns an empty set.
    pub fn of(live: &Live) -> Self {
        Self { bits: vec![0; live.len().div_ceil(64)].into(), empty: true }
    }

    /// Adds an account of the same [`Live`]. Tells whether it was not in the set.
    pub fn insert(&mut self, account: AccountRef<'_>) -> bool {
        let (word, bit) = place(account);
        let before = self.bits[word];
        self.bits[word] |= bit;
        self.empty = false;
        before & bit == 0
    }

    /// Adds all accounts of another set, of the same [`Live`].
    pub fn add(&mut self, other: &Self) {
        if !other.empty {
            self.empty = false;
            self.bits.iter_mut().zip(&other.bits).for_each(|(own, other)| *own |= other);
        }
    }

    /// Returns the accounts that are in both sets, of the same [`Live`].
    #[must_use]
    pub fn shared(&self, other: &Self) -> Self {
        let bits: Box<[u64]> = self.bits.iter().zip(&other.bits).map(|(own, other)| own & other).collect();
        Self { empty: bits.iter().all(|word| *word == 0), bits }
    }

    /// Tells whether an account of the same [`Live`] is in the set.
    pub fn contains(&self, account: AccountRef<'_>) -> bool {
        let (word, bit) = place(account);
        self.bits[word] & bit != 0
    }

    /// Iterates over the positions that are in neither set, in order, and some behind the last account.
    pub(super) fn positions_in_none(&self, other: &Self) -> impl Iterator<Item = u32> {
        let words = self.bits.iter().zip(&other.bits).map(|(own, other)| !(own | other));
        (0..).step_by(64).zip(words).flat_map(|(first, mut word)| {
            std::iter::from_fn(move || {
                let bit = (word != 0).then(|| word.trailing_zeros())?;
                word &= word - 1;
                Some(first + bit)
            })
        })
    }

    /// Tells whether no account is in the set.
    pub fn is_empty(&self) -> bool {
        self.empty
    }
}

fn place(account: AccountRef<'_>) -> (usize, u64) {
    let position = account.position();
    (position as usize / 64, 1 << (position % 64))
}
