//! Live state: what a store answered, and what its names mean.
//!
//! Made for a million accounts: all names are one text, a state is one byte, and nothing is sorted unless somebody
//! asks for an order.

mod build;
mod set;

use std::collections::BTreeMap;
use std::fmt;
use std::hint::black_box;
use std::ops::Range;
use std::sync::OnceLock;

use super::{Access, Account, AccountId, State};
use crate::name::{Hashed, Index, TOGETHER, same_bytes};

pub use build::LiveBuilder;
pub use set::AccountSet;

/// Every account of a store at one moment. Opaque: iterated in order of id or as the store listed them, looked up
/// by id or by name.
#[derive(Clone)]
pub struct Live {
    /// The names of all accounts, one after the other: of each its id, then what it is shown as, then its aliases. The
    /// second is left out where it is the id and no alias follows.
    text: Box<str>,
    /// Where each name ends in the text.
    ends: Box<[u32]>,
    /// The number of each account's first name; empty where every account has one name.
    firsts: Box<[u32]>,
    /// Positions in `STATES`, or of what only `unreadable` says.
    states: Vec<u8>,
    /// How many accounts have each of these bytes.
    tally: [u64; 5],
    /// What the store could not read, in order of position.
    unreadable: Vec<(u32, State)>,
    /// Positions of accounts by each of their names.
    names: Index,
    /// Positions in order of id, once somebody asked.
    order: OnceLock<Box<[u32]>>,
    /// Whether they came in that order.
    in_order: bool,
    /// Which directory server answered for each domain.
    servers: Option<Box<Servers>>,
}

/// Directory servers of a store that keeps to one for each domain, because a write reaches the others later.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Servers {
    /// The one that answered, by domain.
    pub by_domain: BTreeMap<String, String>,
}

/// Every state that needs no words, by its byte.
static STATES: [State; 4] =
    [State::Is(Access::Disabled), State::Is(Access::Enabled), State::Mixed, State::Missing];
const UNREADABLE: u8 = 4;

/// Returns the byte that stands for a state.
fn byte_of(state: &State) -> u8 {
    match state {
        State::Is(Access::Disabled) => 0,
        State::Is(Access::Enabled) => 1,
        State::Mixed => 2,
        State::Missing => 3,
        State::Unreadable(_) => UNREADABLE,
    }
}

/// Two rows of a store carry the same canonical id, so nothing can be said about either.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store lists the account `{0}` twice: its key is not unique")]
pub struct DuplicateAccount(pub AccountId);

/// One account of a [`Live`], as an [`Account`] but borrowed.
#[derive(Clone, Copy)]
pub struct AccountRef<'a> {
    /// The canonical id.
    pub id: &'a str,
    /// The name that a person recognises, usually an address.
    pub name: &'a str,
    /// What the store answered.
    pub state: &'a State,
    position: u32,
    live: &'a Live,
}

/// What a name means in a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match<'a> {
    /// No account has this name.
    None,
    /// Exactly this account.
    One(AccountRef<'a>),
    /// More than one, in order of id.
    Many(Vec<AccountRef<'a>>),
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
    /// Takes whole accounts, in any order.
    ///
    /// # Errors
    /// [`DuplicateAccount`] when two accounts have the same id.
    pub fn new(accounts: Vec<Account>) -> Result<Self, DuplicateAccount> {
        let mut builder = LiveBuilder::default();
        for account in accounts {
            let aliases = account.aliases.iter().map(String::as_str);
            builder.push(account.id.as_str(), &account.name, aliases, account.state);
        }
        builder.finish()
    }

    /// Iterates in order of account id. The first who asks pays for the sorting, where the store did not do it.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = AccountRef<'_>> + Clone {
        let order = (!self.in_order).then(|| &**self.order.get_or_init(|| self.sorted()));
        (0..self.count()).map(move |at| self.at(order.map_or(at, |order| order[at as usize])))
    }

    /// Iterates in the order in which the store listed the accounts, which may be any: for whoever only counts, or
    /// sorts what he finds.
    pub fn unordered(&self) -> impl ExactSizeIterator<Item = AccountRef<'_>> + Clone {
        (0..self.count()).map(|position| self.at(position))
    }

    /// Says which directory servers answered.
    #[must_use]
    pub fn answered_by(mut self, servers: Servers) -> Self {
        self.servers = Some(Box::new(servers));
        self
    }

    /// Returns which directory servers answered, of a store that keeps to one for each domain.
    pub fn servers(&self) -> Option<&Servers> {
        self.servers.as_deref()
    }

    /// Makes an account unreadable for now, although the store said something.
    pub fn doubt(&mut self, id: &AccountId, why: impl Into<String>) {
        let Some(position) = self.get(id).map(|account| account.position) else { return };
        self.become_byte(position, UNREADABLE);
        let why = State::Unreadable(why.into());
        match self.unreadable.binary_search_by_key(&position, |(position, _)| *position) {
            Ok(at) => self.unreadable[at].1 = why,
            Err(at) => self.unreadable.insert(at, (position, why)),
        }
    }

    /// Returns how many accounts the store listed.
    pub fn len(&self) -> usize {
        self.states.len()
    }

    /// Tells whether the store listed no account at all.
    pub fn is_empty(&self) -> bool {
        self.states.is_empty()
    }

    /// Looks an account up by its canonical id.
    pub fn get(&self, id: &AccountId) -> Option<AccountRef<'_>> {
        let id = id.as_str();
        self.names
            .find(self.names.hash(id), |position| self.id(position) == id)
            .map(|position| self.at(position))
    }

    /// Tells what a name, as a person writes it, means in this store.
    pub fn resolve(&self, name: &str) -> Match<'_> {
        self.resolve_hashed(name.as_bytes(), self.names.hash(name))
    }

    /// Resolves many names, of which the bytes are enough, in their order and in less time than one after the other.
    pub fn resolve_all<'a, T>(
        &'a self,
        named: impl Iterator<Item = T>,
        name_of: impl Fn(&T) -> &[u8],
        mut then: impl FnMut(T, Match<'a>),
    ) {
        let mut named = named.map(|one| {
            let hashed = self.names.hash_bytes(name_of(&one));
            (one, hashed)
        });
        let mut block = Vec::with_capacity(TOGETHER);
        loop {
            block.extend(named.by_ref().take(TOGETHER));
            if block.is_empty() {
                return;
            }
            self.fetch(block.iter().map(|(_, hashed)| *hashed));
            for (one, hashed) in block.drain(..) {
                let meaning = self.resolve_hashed(name_of(&one), hashed);
                then(one, meaning);
            }
        }
    }

    /// Looks at whatever the look-up of these names will need. Nothing comes of it but that everything lies near then.
    fn fetch(&self, names: impl Iterator<Item = Hashed> + Clone) {
        self.names.fetch(names.clone());
        let mut places = [(0, 0); TOGETHER];
        let mut states = 0;
        for (place, name) in places.iter_mut().zip(names) {
            if let Some(position) = self.names.guess(name) {
                let name = self.place(self.range(position).0);
                *place = (name.start, name.end);
                states |= self.states[position as usize];
            }
        }
        black_box(states);
        let byte = |at: usize| self.text.as_bytes().get(at).copied().unwrap_or_default();
        black_box(places.iter().fold(0, |all, (start, end)| all | byte(*start) | byte(*end)));
    }

    fn resolve_hashed(&self, name: &[u8], hashed: Hashed) -> Match<'_> {
        let mut first = None;
        let mut others = Vec::new();
        self.names.find(hashed, |position| {
            let (from, to) = self.range(position);
            if (from..to).any(|own| same_bytes(self.bytes(own), name)) && first != Some(position) {
                match first {
                    None => first = Some(position),
                    Some(_) => others.push(position),
                }
            }
            false
        });
        let Some(first) = first.map(|position| self.at(position)) else { return Match::None };
        others.sort_unstable();
        others.dedup();
        let mut all: Vec<_> = others.into_iter().map(|position| self.at(position)).collect();
        if all.is_empty() {
            return Match::One(first);
        }
        all.push(first);
        all.sort_unstable_by_key(|account| account.id);
        Match::Many(all)
    }

    /// Iterates over the names of all accounts, each as the store has it, in any order; used to suggest one when a
    /// name matches nothing.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        (0..self.count()).flat_map(|position| self.names_of(position))
    }

    /// Counts the accounts for which `in_scope` holds, by state.
    pub fn counts(&self, mut in_scope: impl FnMut(AccountRef<'_>) -> bool) -> Counts {
        let mut counts = Counts::default();
        for account in self.unordered().filter(|account| in_scope(*account)) {
            counts.total += 1;
            match account.state {
                State::Is(Access::Enabled) => counts.enabled += 1,
                State::Is(Access::Disabled) => counts.disabled += 1,
                State::Mixed => counts.mixed += 1,
                State::Unreadable(_) => counts.unreadable += 1,
                State::Missing => {}
            }
        }
        counts
    }

    /// Notes that an account has an access now. Tells whether it is one that the store listed.
    pub fn note(&mut self, id: &AccountId, access: Access) -> bool {
        let Some(position) = self.get(id).map(|account| account.position) else { return false };
        self.unreadable.retain(|(unreadable, _)| *unreadable != position);
        self.become_byte(position, byte_of(&State::Is(access)));
        true
    }

    fn become_byte(&mut self, position: u32, byte: u8) {
        let before = std::mem::replace(&mut self.states[position as usize], byte);
        self.tally[usize::from(before)] -= 1;
        self.tally[usize::from(byte)] += 1;
    }

    /// Returns the account with a number in the order of the store.
    ///
    /// # Panics
    /// When there is none.
    pub fn at(&self, position: u32) -> AccountRef<'_> {
        let state = self.state(position);
        let (first, last) = self.range(position);
        let id = self.text(first);
        let name = if last > first + 1 { self.text(first + 1) } else { id };
        AccountRef { id, name, state, position, live: self }
    }

    fn state(&self, position: u32) -> &State {
        match self.states[position as usize] {
            UNREADABLE => {
                let found = self.unreadable.binary_search_by_key(&position, |(position, _)| *position);
                &self.unreadable[found.expect("whoever is unreadable is in the list")].1
            }
            plain => &STATES[plain as usize],
        }
    }

    /// The number of accounts; a builder takes no more than a `u32` can count.
    #[expect(clippy::cast_possible_truncation, reason = "as said")]
    fn count(&self) -> u32 {
        self.states.len() as u32
    }

    fn id(&self, position: u32) -> &str {
        self.text(self.range(position).0)
    }

    fn names_of(&self, position: u32) -> impl Iterator<Item = &str> {
        let (first, last) = self.range(position);
        (first..last).map(|number| self.text(number))
    }

    /// Returns the numbers of an account's names.
    fn range(&self, position: u32) -> (usize, usize) {
        let position = position as usize;
        if self.firsts.is_empty() {
            return (position, position + 1);
        }
        let end = self.firsts.get(position + 1).map_or(self.ends.len(), |first| *first as usize);
        (self.firsts[position] as usize, end)
    }

    fn text(&self, number: usize) -> &str {
        &self.text[self.place(number)]
    }

    fn bytes(&self, number: usize) -> &[u8] {
        &self.text.as_bytes()[self.place(number)]
    }

    /// Returns where a name stands in the text.
    fn place(&self, number: usize) -> Range<usize> {
        let end = |number: usize| self.ends[number] as usize;
        number.checked_sub(1).map_or(0, end)..end(number)
    }

    fn sorted(&self) -> Box<[u32]> {
        let mut order: Box<[u32]> = (0..self.count()).collect();
        order.sort_unstable_by(|one, other| self.id(*one).cmp(self.id(*other)));
        order
    }
}

impl<'a> AccountRef<'a> {
    /// Iterates over every other name that the store resolves to this account.
    pub fn aliases(self) -> impl Iterator<Item = &'a str> {
        self.live.names_of(self.position).skip(2)
    }

    /// Returns its number in the order of the store, for [`Live::at`].
    pub fn position(self) -> u32 {
        self.position
    }

    /// Returns the id as one that can be kept.
    pub fn account_id(self) -> AccountId {
        AccountId::new(self.id)
    }

    /// Returns a copy that can be kept.
    pub fn to_account(self) -> Account {
        let aliases = self.aliases().map(str::to_owned).collect();
        Account { id: self.account_id(), name: self.name.to_owned(), aliases, state: self.state.clone() }
    }
}

impl PartialEq for AccountRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        (self.id, self.name, self.state) == (other.id, other.name, other.state)
            && self.aliases().eq(other.aliases())
    }
}

impl Eq for AccountRef<'_> {}

impl fmt::Debug for AccountRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_account().fmt(f)
    }
}

impl Default for Live {
    fn default() -> Self {
        LiveBuilder::default().finish().expect("of no accounts, none is there twice")
    }
}

/// Equal when they have the same accounts, in whatever order they came.
impl PartialEq for Live {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Live {}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
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
            assert!(matches!(live.resolve(name), Match::One(found) if found.id == "bob@x"), "{name}");
        }
        assert_eq!(live.resolve("bo@x"), Match::None);
        assert_eq!(live.iter().map(|a| a.id).collect::<Vec<_>>(), ["al@x", "bob@x"]);
    }

    #[test]
    fn a_shared_alias_means_both_accounts() {
        let live = Live::new(vec![account("b", &["info"]), account("a", &["Info"])]).unwrap();
        let Match::Many(both) = live.resolve("INFO") else { panic!("one alias, two accounts") };
        assert_eq!(both.iter().map(|a| a.id).collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn one_id_twice_is_refused() {
        let refused = Live::new(vec![account("a", &[]), account("a", &[])]);
        assert_eq!(refused, Err(DuplicateAccount(AccountId::new("a"))));
    }
}
