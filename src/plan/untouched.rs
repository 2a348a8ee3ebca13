//! Entries that need not be looked at: what they mean is known, and nothing has happened to it.

use std::ops::Range;

use crate::desired::{Brief, Desired, EntryRef};
use crate::model::{AccountRef, AccountSet, Live};

/// Entries each of which means one account that no other entry means, that is as the entry wants it and that is in
/// popgate's hands. Nothing about their names is to be remembered.
#[derive(Clone, Debug)]
pub(super) struct Untouched {
    accounts: AccountSet,
    count: u64,
}

impl Untouched {
    pub(super) fn nobody(live: &Live) -> Self {
        Self { accounts: AccountSet::of(live), count: 0 }
    }

    /// Returns the accounts that the entries mean.
    pub(super) fn accounts(&self) -> &AccountSet {
        &self.accounts
    }

    /// Returns how many entries, and so accounts, there are.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn insert(&mut self, account: AccountRef<'_>) {
        self.count += u64::from(self.accounts.insert(account));
    }

    pub(super) fn remove(&mut self, account: AccountRef<'_>) {
        self.count -= u64::from(self.accounts.remove(account));
    }
}

/// The entries that are looked at, in the order in which they are written.
#[derive(Clone, Debug)]
pub(super) enum Looked {
    /// Every one.
    All,
    /// Those with these numbers, in order.
    Only(std::sync::Arc<[u32]>),
}

impl Looked {
    pub(super) fn count(&self, desired: &Desired) -> usize {
        match self {
            Self::All => desired.len(),
            Self::Only(numbers) => numbers.len(),
        }
    }

    /// Returns the number of the entry at a position.
    pub(super) fn number(&self, position: usize) -> u32 {
        match self {
            Self::All => u32::try_from(position).unwrap_or(u32::MAX),
            Self::Only(numbers) => numbers[position],
        }
    }

    /// Iterates over what the entries at some positions say at the least.
    pub(super) fn brief<'d>(
        &self,
        desired: &'d Desired,
        positions: Range<usize>,
    ) -> impl Iterator<Item = Brief<'d>> {
        let (all, only) = match self {
            Self::All => (Some(desired.brief(positions)), None),
            Self::Only(numbers) => {
                (None, Some(numbers[positions].iter().map(|number| desired.at(*number).brief())))
            }
        };
        all.into_iter().flatten().chain(only.into_iter().flatten())
    }

    pub(super) fn entries<'d>(&self, desired: &'d Desired) -> impl Iterator<Item = EntryRef<'d>> {
        let (all, only) = match self {
            Self::All => (Some(desired.as_written()), None),
            Self::Only(numbers) => (None, Some(numbers.iter().map(|number| desired.at(*number)))),
        };
        all.into_iter().flatten().chain(only.into_iter().flatten())
    }
}
