//! The store: it fails, delays, times out after writing, and is changed behind our back.

use std::collections::{BTreeMap, BTreeSet};

use popgate::model::{Access, Account, AccountId, Fault, Live, Outcome, State};
use popgate::plan::Change;
use popgate::stores::StoreError;

use crate::random::Random;
use crate::seen::Seen;

pub(crate) struct Store {
    pub(crate) accounts: BTreeMap<AccountId, Account>,
    pub(crate) down: bool,
    pub(crate) denied: BTreeSet<AccountId>,
    /// Whether a chunk is written as a whole or not at all.
    pub(crate) at_once: bool,
    creates: bool,
    ids_are_names: bool,
    born: usize,
}

/// What became of one change, and whether it reached the store, whatever was answered.
pub(crate) struct Written {
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) applied: Vec<bool>,
}

impl Store {
    pub(crate) fn new(count: usize, creates: bool, random: &mut Random) -> Self {
        let mut store = Self {
            accounts: BTreeMap::new(),
            down: false,
            denied: BTreeSet::new(),
            at_once: random.chance(500),
            creates,
            ids_are_names: creates || random.chance(400),
            born: 0,
        };
        for _ in 0..count {
            store.bear(None, random);
        }
        store.put("boss@x", "chief", State::Is(Access::Enabled));
        store.put("health1@x", "probe", State::Is(Access::Enabled));
        store
    }

    fn put(&mut self, name: &str, alias: &str, state: State) {
        let id = if self.ids_are_names { name.to_owned() } else { format!("id-{}-{name}", self.born) };
        let id = AccountId::new(id);
        let aliases = vec![alias.to_owned()];
        self.accounts.insert(id.clone(), Account { id, name: name.to_owned(), aliases, state });
    }

    /// A new mailbox; one that takes over a name is a recycled address.
    pub(crate) fn bear(&mut self, name: Option<String>, random: &mut Random) {
        self.born += 1;
        let name = name.unwrap_or_else(|| format!("u{}@x", self.born));
        let state = match random.below(20) {
            0 => State::Mixed,
            1..=9 => State::Is(Access::Enabled),
            _ => State::Is(Access::Disabled),
        };
        self.put(&name, &format!("User {}", self.born), state);
    }

    pub(crate) fn ordinary(&self) -> Vec<AccountId> {
        let ours = |account: &&Account| account.name.starts_with('u');
        self.accounts.values().filter(ours).map(|account| account.id.clone()).collect()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.accounts
            .values()
            .flat_map(|account| [account.name.clone(), account.aliases[0].clone()])
            .collect()
    }

    /// Something that a person did behind our back.
    pub(crate) fn disturb(&mut self, random: &mut Random) -> String {
        let accounts = self.ordinary();
        if accounts.is_empty() {
            self.bear(None, random);
            return "an account appears".to_owned();
        }
        let id = random.pick(&accounts);
        match random.below(12) {
            0 => {
                random.saw(Seen::Appeared);
                self.bear(None, random);
                "an account appears".to_owned()
            }
            1 => {
                random.saw(Seen::Deleted);
                self.accounts.remove(&id);
                format!("{id} is deleted")
            }
            2 => {
                random.saw(Seen::Recycled);
                let name = self.accounts[&id].name.clone();
                self.accounts.remove(&id);
                self.bear(Some(name), random);
                format!("the name of {id} is recycled")
            }
            3 if accounts.len() > 1 => {
                random.saw(Seen::Ambiguous);
                let other = random.pick(&accounts);
                let alias = self.accounts[&other].aliases[0].clone();
                if let Some(account) = self.accounts.get_mut(&id) {
                    account.aliases[0] = alias;
                }
                format!("{id} gets the alias of {other} as well")
            }
            4 => {
                self.born += 1;
                let name = format!("u{}@x", self.born);
                if let Some(account) = self.accounts.get_mut(&id).filter(|_| !self.ids_are_names) {
                    random.saw(Seen::Renamed);
                    account.name.clone_from(&name);
                }
                format!("{id} is renamed to {name}")
            }
            5 => {
                random.saw(Seen::Denied);
                self.denied.insert(id.clone());
                format!("{id} may not be written")
            }
            6 => {
                random.saw(Seen::Unreadable);
                self.set(id, State::Unreadable("locked".to_owned()))
            }
            by_hand => {
                random.saw(Seen::ChangedByHand);
                self.set(
                    id,
                    match by_hand {
                        7 => State::Mixed,
                        8 | 9 => State::Is(Access::Enabled),
                        _ => State::Is(Access::Disabled),
                    },
                )
            }
        }
    }

    fn set(&mut self, id: AccountId, state: State) -> String {
        let told = format!("{id} is {state} by hand");
        self.accounts.get_mut(&id).expect("an account that was listed").state = state;
        told
    }

    /// Faults are over.
    pub(crate) fn heal(&mut self) {
        self.down = false;
        self.denied.clear();
        for account in self.accounts.values_mut() {
            if matches!(account.state, State::Unreadable(_)) {
                account.state = State::Is(Access::Disabled);
            }
        }
    }

    pub(crate) fn read(&self, faults: bool, random: &mut Random) -> Result<Live, StoreError> {
        if self.down || faults && random.chance(40) {
            let cut = random.chance(300);
            random.saw(if cut { Seen::ListCut } else { Seen::ReadFailed });
            let what = if cut { "the list was cut short" } else { "no connection" };
            return Err(StoreError { what: what.to_owned(), fault: Fault::TRANSIENT, help: None });
        }
        if faults && random.chance(10) {
            random.saw(Seen::ListCutUnnoticed);
            return Ok(self.read_part(random));
        }
        Ok(Live::new(self.accounts.values().cloned().collect()).expect("ids are unique in a map"))
    }

    /// A list that is cut short without anybody noticing.
    pub(crate) fn read_part(&self, random: &mut Random) -> Live {
        let keep = random.below(self.accounts.len() + 1);
        Live::new(self.accounts.values().take(keep).cloned().collect()).expect("ids are unique in a map")
    }

    pub(crate) fn write(&mut self, chunk: &[Change], faults: bool, random: &mut Random) -> Written {
        let mut written = Written { outcomes: Vec::new(), applied: Vec::new() };
        let cut = if self.down {
            0
        } else if faults && random.chance(100) {
            if self.at_once { 0 } else { random.below(chunk.len() + 1) }
        } else {
            chunk.len()
        };
        if cut > 0 && cut < chunk.len() {
            random.saw(Seen::LostInMidChunk);
        }
        let mixed = |pair: &[Change]| pair[0].to != pair[1].to;
        if self.at_once && chunk.windows(2).any(mixed) {
            random.saw(Seen::BothAtOnce);
        }
        let doubt = faults && random.chance(600);
        let happened = random.chance(500);
        for (number, change) in chunk.iter().enumerate() {
            let lost = number >= cut;
            let (outcome, applied) = if lost && !(doubt && (number == cut || self.at_once)) {
                (Outcome::NotApplied(Fault::TRANSIENT), false)
            } else if lost {
                let applied = happened && self.apply(change, random) == Outcome::Done;
                random.saw(if applied { Seen::TimedOutAfterWriting } else { Seen::TimedOutBeforeWriting });
                (Outcome::Unknown, applied)
            } else {
                let outcome = self.apply(change, random);
                let applied = outcome == Outcome::Done;
                (outcome, applied)
            };
            written.outcomes.push(outcome);
            written.applied.push(applied);
        }
        if faults && random.chance(20) {
            random.saw(Seen::AnswerTooShort);
            written.outcomes.pop();
        }
        written
    }

    fn apply(&mut self, change: &Change, random: &mut Random) -> Outcome {
        if self.denied.contains(&change.account) {
            return Outcome::NotApplied(Fault::Denied);
        }
        match self.accounts.get_mut(&change.account) {
            None if self.creates && change.from == State::Missing => {
                random.saw(Seen::Created);
                let alias = format!("alias of {}", change.account);
                self.put(change.account.as_str(), &alias, State::Is(change.to));
                Outcome::Done
            }
            None => Outcome::Missing,
            Some(account) if account.state.is(change.to) => Outcome::Already,
            // Each write is conditional on the state that the plan saw; and what exists cannot be created.
            Some(account) if account.state != change.from => {
                random.saw(Seen::LostRace);
                Outcome::NotApplied(Fault::TRANSIENT)
            }
            Some(account) => {
                account.state = State::Is(change.to);
                Outcome::Done
            }
        }
    }
}
