//! Live state: what a store answered, in order of account id, and what its names mean.

use std::ops::Range;

use super::{Access, Account, AccountId, State};
use crate::name::fold;

/// Every account of a store at one moment. Opaque: iterated in order of id, looked up by id or by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Live {
    accounts: Vec<Account>,
    /// Folded names, sorted, each with the position of its account. One pair for each different name.
    names: Vec<(Box<str>, u32)>,
}

/// Two rows of a store carry the same canonical id, so nothing can be said about either.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store lists the account `{0}` twice: its key is not unique")]
pub struct DuplicateAccount(pub AccountId);

/// What a name means in a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match<'a> {
    /// No account has this name.
    None,
    /// Exactly this account.
    One(&'a Account),
    /// More than one, in order of id.
    Many(Vec<&'a Account>),
}

/// How many accounts are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Counts {
    /// All accounts.
    pub total: u64,
    /// Those with POP3 enabled.
    pub enabled: u64,
    /// Those with POP3 disabled.
    pub disabled: u64,
    /// Those whose flags disagree.
    pub mixed: u64,
    /// Those the store could not read.
    pub unreadable: u64,
}

impl Counts {
    /// Counts one account that went from one state to another; one that was missing was created.
    #[must_use]
    pub fn after(mut self, from: &State, to: Access) -> Self {
        match from {
            State::Is(Access::Enabled) => self.enabled = self.enabled.saturating_sub(1),
            State::Is(Access::Disabled) => self.disabled = self.disabled.saturating_sub(1),
            State::Mixed => self.mixed = self.mixed.saturating_sub(1),
            State::Unreadable(_) => self.unreadable = self.unreadable.saturating_sub(1),
            State::Missing => self.total += 1,
        }
        match to {
            Access::Enabled => self.enabled += 1,
            Access::Disabled => self.disabled += 1,
        }
        self
    }
}

impl Live {
    /// Puts the accounts in order and indexes their names.
    ///
    /// # Errors
    /// [`DuplicateAccount`] when two accounts have the same id.
    pub fn new(mut accounts: Vec<Account>) -> Result<Self, DuplicateAccount> {
        accounts.sort_by(|a, b| a.id.cmp(&b.id));
        if let Some(pair) = accounts.windows(2).find(|pair| pair[0].id == pair[1].id) {
            return Err(DuplicateAccount(pair[0].id.clone()));
        }
        let mut names = Vec::with_capacity(accounts.len());
        for (position, account) in (0u32..).zip(&accounts) {
            names.push((fold(account.id.as_str()).into_boxed_str(), position));
            // Most stores have one name for both; folding it once saves half the work.
            if account.name != account.id.as_str() {
                names.push((fold(&account.name).into_boxed_str(), position));
            }
            names.extend(account.aliases.iter().map(|alias| (fold(alias).into_boxed_str(), position)));
        }
        // A store whose keys are in order needs no sorting at all.
        if !names.is_sorted() {
            names.sort_unstable();
        }
        names.dedup();
        Ok(Self { accounts, names })
    }

    /// Iterates in order of account id.
    pub fn iter(&self) -> std::slice::Iter<'_, Account> {
        self.accounts.iter()
    }

    /// Returns how many accounts the store listed.
    pub fn len(&self) -> usize {
        self.accounts.len()
    }

    /// Tells whether the store listed no account at all.
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// Looks an account up by its canonical id.
    pub fn get(&self, id: &AccountId) -> Option<&Account> {
        self.accounts.binary_search_by(|account| account.id.cmp(id)).ok().map(|found| &self.accounts[found])
    }

    /// Tells what a name, as a person writes it, means in this store.
    pub fn resolve(&self, name: &str) -> Match<'_> {
        let matched = &self.names[self.range(&fold(name))];
        match matched {
            [] => Match::None,
            [(_, only)] => Match::One(&self.accounts[*only as usize]),
            many => {
                Match::Many(many.iter().map(|(_, position)| &self.accounts[*position as usize]).collect())
            }
        }
    }

    /// Iterates over every folded name, sorted; used to suggest one when a name matches nothing.
    pub fn folded_names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|(name, _)| &**name)
    }

    /// Counts the accounts for which `in_scope` holds, by state.
    pub fn counts(&self, mut in_scope: impl FnMut(&Account) -> bool) -> Counts {
        let mut counts = Counts::default();
        for account in self.accounts.iter().filter(|account| in_scope(account)) {
            counts.total += 1;
            match &account.state {
                State::Is(Access::Enabled) => counts.enabled += 1,
                State::Is(Access::Disabled) => counts.disabled += 1,
                State::Mixed => counts.mixed += 1,
                State::Unreadable(_) => counts.unreadable += 1,
                State::Missing => {}
            }
        }
        counts
    }

    fn range(&self, folded: &str) -> Range<usize> {
        let start = self.names.partition_point(|(name, _)| &**name < folded);
        let end = start + self.names[start..].partition_point(|(name, _)| &**name == folded);
        start..end
    }
}

impl<'a> IntoIterator for &'a Live {
    type Item = &'a Account;
    type IntoIter = std::slice::Iter<'a, Account>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(id: &str, aliases: &[&str]) -> Account {
        Account {
            id: AccountId::new(id),
            name: id.to_owned(),
            aliases: aliases.iter().map(|&alias| alias.to_owned()).collect(),
            state: State::Is(Access::Enabled),
        }
    }

    #[test]
    fn a_name_resolves_whatever_its_case_and_by_any_alias() {
        let live = Live::new(vec![account("bob@x", &["Robert", "bob@x"]), account("al@x", &[])]).unwrap();
        for name in ["bob@x", "BOB@X", "robert"] {
            assert!(
                matches!(live.resolve(name), Match::One(found) if found.id.as_str() == "bob@x"),
                "{name}"
            );
        }
        assert_eq!(live.resolve("bo@x"), Match::None);
        assert_eq!(live.iter().map(|a| a.id.as_str()).collect::<Vec<_>>(), ["al@x", "bob@x"]);
    }

    #[test]
    fn a_shared_alias_means_both_accounts() {
        let live = Live::new(vec![account("b", &["info"]), account("a", &["Info"])]).unwrap();
        let Match::Many(both) = live.resolve("INFO") else { panic!("one alias, two accounts") };
        assert_eq!(both.iter().map(|a| a.id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn one_id_twice_is_refused() {
        let refused = Live::new(vec![account("a", &[]), account("a", &[])]);
        assert_eq!(refused, Err(DuplicateAccount(AccountId::new("a"))));
    }
}
