//! Some of the accounts of a store, one bit for each.

use super::{AccountRef, Counts, Live};

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

    /// Takes an account of the same [`Live`] out. Tells whether it was in the set.
    pub fn remove(&mut self, account: AccountRef<'_>) -> bool {
        let (word, bit) = place(account);
        let before = self.bits[word];
        self.bits[word] &= !bit;
        before & bit != 0
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

    /// Tells whether no account was ever put into the set.
    pub fn is_empty(&self) -> bool {
        self.empty
    }
}

impl Live {
    /// Iterates over the accounts that are in none of some sets, in the order of the store. Costs next to nothing for
    /// those that are.
    pub fn outside<'a>(&'a self, sets: [&'a AccountSet; 2]) -> impl Iterator<Item = AccountRef<'a>> {
        let words = (0..self.len().div_ceil(64)).map(move |word| !(sets[0].bits[word] | sets[1].bits[word]));
        let count = self.count();
        (0..).step_by(64).zip(words).flat_map(move |(first, mut bits)| {
            std::iter::from_fn(move || {
                let next = (bits != 0).then(|| first + bits.trailing_zeros())?;
                bits &= bits - 1;
                Some(next)
            })
            .take_while(move |position| *position < count)
            .map(|position| self.at(position))
        })
    }

    /// Counts the accounts that are not in a set, by state.
    pub fn counts_outside(&self, set: &AccountSet) -> Counts {
        // Whoever is in the set is taken off again.
        let mut by_byte = self.tally;
        for (first, mut bits) in (0..).step_by(64).zip(set.bits.iter().copied()) {
            while bits != 0 {
                let position: usize = first + bits.trailing_zeros() as usize;
                by_byte[usize::from(self.states[position])] -= 1;
                bits &= bits - 1;
            }
        }
        let [disabled, enabled, mixed, _, unreadable] = by_byte;
        Counts { total: by_byte.iter().sum(), enabled, disabled, mixed, unreadable }
    }
}

fn place(account: AccountRef<'_>) -> (usize, u64) {
    let position = account.position();
    (position as usize / 64, 1 << (position % 64))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{Access, Account, AccountId, State};

    proptest! {
        #[test]
        fn what_is_outside_of_sets_is_found_and_counted_as_one_by_one(
            accounts in proptest::collection::vec((0u8..4, any::<bool>(), any::<bool>()), 0..200),
        ) {
            let state = |byte| match byte {
                0 => State::Is(Access::Enabled),
                1 => State::Is(Access::Disabled),
                2 => State::Mixed,
                _ => State::Unreadable("why".to_owned()),
            };
            let account = |(number, (byte, _, _)): (usize, &(u8, bool, bool))| Account {
                id: AccountId::new(number.to_string()),
                name: number.to_string(),
                aliases: Vec::new(),
                state: state(*byte),
            };
            let mut live = Live::new(accounts.iter().enumerate().map(account).collect()).unwrap();
            for number in (0..accounts.len()).step_by(7) {
                live.note(&AccountId::new(number.to_string()), Access::Enabled);
                live.doubt(&AccountId::new((number / 2).to_string()), "why");
            }
            let (mut one, mut other) = (AccountSet::of(&live), AccountSet::of(&live));
            for (account, (_, in_one, in_other)) in live.unordered().zip(&accounts) {
                prop_assert_eq!(*in_one && one.insert(account), *in_one);
                prop_assert!(other.insert(account));
                prop_assert_eq!(!in_other && other.remove(account), !in_other);
            }
            let outside = live.unordered().filter(|account| !one.contains(*account) && !other.contains(*account));
            prop_assert!(live.outside([&one, &other]).eq(outside));
            prop_assert_eq!(live.counts_outside(&one), live.counts(|account| !one.contains(account)));
        }
    }
}
