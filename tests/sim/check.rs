//! What is checked while a history runs. It counts for itself and asks the engine nothing but its effects.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use popgate::journal::entry::{Proof, Record};
use popgate::model::{Access, Account, AccountId, Digest, Live, Outcome, State};
use popgate::plan::policy::{Missing, Policy, Unlisted};
use popgate::plan::{Cause, Change};
use popgate::services::Instance;

use crate::files::Model;
use crate::service::{Shows, Unit};

/// How long an effect is under way at most; the engine counts from when it asked.
const SLOW: Duration = Duration::from_secs(20);

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    /// The number of the invariant; 0 is for an engine that goes round in circles.
    pub(crate) invariant: u8,
    pub(crate) what: String,
}

pub(crate) fn broken<T>(invariant: u8, what: impl Into<String>) -> Result<T, Violation> {
    Err(Violation { invariant, what: what.into() })
}

/// What is known of one target.
#[derive(Default)]
struct Known {
    policy: Option<Policy>,
    /// The state in force, as the journal has it.
    good: Option<Digest>,
    applied: Option<Digest>,
    /// What the store answered last; `None` after a failure.
    live: Option<BTreeMap<AccountId, Account>>,
    contact: bool,
    approvals: Vec<(Timestamp, BTreeSet<(AccountId, Access)>)>,
    /// Unapproved changes that reached the store.
    recent: Vec<(Timestamp, Access)>,
}

/// What is known of one instance.
struct Served {
    /// A write since the last settlement that may have reached the store.
    owed: bool,
    /// A restart since the last write that happened, was answered, and could be seen afterwards.
    proven: Option<Duration>,
    answered: bool,
    /// What the journal shows of it after the last write, and what it showed when it was last looked at.
    anchor: Option<String>,
    looked: Option<String>,
    /// The last restart of ours that settled something.
    last: Option<Duration>,
    asked: Option<Duration>,
}

pub(crate) struct Check {
    targets: BTreeMap<String, Known>,
    units: BTreeMap<Instance, Served>,
    pub(crate) whole: BTreeMap<String, BTreeMap<Digest, Rc<Model>>>,
    /// Intents on disk that wait for their chunk line, and those that have it.
    intents: Vec<(u64, AccountId, Access)>,
    durable: BTreeSet<(u64, AccountId, Access)>,
    batch: u64,
    batch_target: String,
    /// Whether an enabling write of this batch has reached the store.
    enabling: bool,
    /// Chunks on disk without outcomes there.
    doubt: BTreeSet<AccountId>,
    /// Whether an outcome was written down that a crash may take away again.
    unsynced: bool,
    pub(crate) last_applied: Option<Duration>,
    pub(crate) urged: bool,
    /// Whether the last look at the service worked.
    pub(crate) seen: bool,
    pub(crate) stopped: bool,
    pub(crate) writes: usize,
    pub(crate) restarts: usize,
}

impl Check {
    pub(crate) fn new(targets: impl Iterator<Item = (String, Policy)>, units: &[Unit]) -> Self {
        let known = |(name, policy)| (name, Known { policy: Some(policy), ..Known::default() });
        let served = |unit: &Unit| {
            let served = Served {
                owed: false,
                proven: None,
                answered: false,
                anchor: None,
                looked: None,
                last: None,
                asked: None,
            };
            (unit.instance.clone(), served)
        };
        Self {
            targets: targets.map(known).collect(),
            units: units.iter().map(served).collect(),
            whole: BTreeMap::new(),
            intents: Vec::new(),
            durable: BTreeSet::new(),
            batch: 0,
            batch_target: String::new(),
            enabling: false,
            doubt: BTreeSet::new(),
            unsynced: false,
            last_applied: None,
            urged: false,
            seen: false,
            stopped: false,
            writes: 0,
            restarts: 0,
        }
    }

    fn of(&mut self, target: &str) -> &mut Known {
        self.targets.entry(target.to_owned()).or_default()
    }

    /// The store's answer, as it was before anything could spoil it.
    pub(crate) fn read(&mut self, target: &str, live: Option<&Live>) {
        let live = live.map(|live| live.iter().map(|one| (one.account_id(), one.to_account())).collect());
        self.of(target).live = live;
    }

    /// Records that stand on the disk, in order.
    pub(crate) fn recorded(
        &mut self,
        records: &[Record],
        sync: bool,
        units: &[Unit],
    ) -> Result<(), Violation> {
        for record in records {
            self.remembered(record);
            match record {
                Record::Batch { batch, .. } => {
                    self.intents.clear();
                    (self.batch, self.enabling) = (*batch, false);
                }
                Record::Intent { batch, account, to, .. } => {
                    self.intents.push((*batch, account.clone(), *to));
                }
                Record::Chunk { count, .. } if *count == self.intents.len() as u64 => {
                    self.doubt.extend(self.intents.iter().map(|(_, account, _)| account.clone()));
                    self.durable.extend(self.intents.drain(..));
                    for served in self.units.values_mut() {
                        served.anchor = None;
                    }
                }
                Record::Outcome { account, outcome, .. } => {
                    self.doubt.remove(account);
                    self.unsynced = true;
                    if !matches!(outcome, Outcome::NotApplied(_) | Outcome::Missing) {
                        self.units.values_mut().for_each(|served| served.owed = true);
                    }
                }
                Record::End { seen, .. } => {
                    for seen in seen {
                        if let Some(served) = self.units.get_mut(&seen.instance) {
                            served.anchor.clone_from(&seen.identity);
                        }
                    }
                }
                Record::Settled { instance, proof, .. } => {
                    self.settled(instance, proof, units)?;
                }
                _ => {}
            }
        }
        self.unsynced &= !sync;
        Ok(())
    }

    /// What a new process finds in the journal.
    pub(crate) fn reread<'a>(&mut self, records: impl Iterator<Item = &'a Record>) {
        for known in self.targets.values_mut() {
            (known.good, known.applied) = (None, None);
            known.approvals.clear();
        }
        records.for_each(|record| self.remembered(record));
    }

    fn remembered(&mut self, record: &Record) {
        match record {
            Record::Good { target, digest, .. } => self.of(target).good = Some(*digest),
            Record::Applied { target, digest, .. } => self.of(target).applied = Some(*digest),
            Record::Contact { target } => self.of(target).contact = true,
            Record::Approved { target, approval } => {
                let approval = (approval.until, approval.changes.clone());
                self.of(target).approvals.push(approval);
            }
            Record::Batch { target, .. } => self.batch_target.clone_from(target),
            Record::Outcome { account, to, outcome: Outcome::Done | Outcome::Already, .. } => {
                let target = self.batch_target.clone();
                for (_, changes) in &mut self.of(&target).approvals {
                    changes.remove(&(account.clone(), *to));
                }
            }
            _ => {}
        }
    }

    fn settled(&mut self, instance: &Instance, proof: &Proof, units: &[Unit]) -> Result<(), Violation> {
        let unit = units.iter().find(|unit| unit.instance == *instance).expect("every instance is known");
        let told = matches!(proof, Proof::Told { .. });
        // A person may be wrong, and a stopped service has been started since, with the new state.
        if !told
            && unit.running
            && *proof != Proof::Stopped
            && self.last_applied.is_some_and(|write| unit.started < write)
        {
            let what = format!(
                "{instance} counts as restarted by {proof:?}, but it still runs with the state before the last write"
            );
            return broken(4, what);
        }
        let served = self.units.get_mut(instance).expect("every instance is known");
        served.owed = false;
        served.last = served.asked.take().or(served.last);
        if self.units.values().all(|served| !served.owed) {
            self.urged = false;
        }
        Ok(())
    }

    /// A chunk is about to reach the store.
    pub(crate) fn write(
        &mut self,
        target: &str,
        chunk: &[Change],
        wall: Timestamp,
        day: jiff::civil::Date,
    ) -> Result<(), Violation> {
        self.writes += 1;
        if self.stopped {
            return broken(3, "a batch began after the signal to stop");
        }
        for change in chunk {
            if !self.durable.contains(&(self.batch, change.account.clone(), change.to)) {
                let what = format!("{} is written without its intent and chunk on disk", change.account);
                return broken(9, what);
            }
            self.justified(target, change, day)?;
        }
        self.guarded(target, chunk, wall)?;
        for served in self.units.values_mut() {
            (served.proven, served.answered, served.anchor) = (None, false, None);
        }
        Ok(())
    }

    fn justified(&self, target: &str, change: &Change, day: jiff::civil::Date) -> Result<(), Violation> {
        let known = &self.targets[target];
        let policy = known.policy.as_ref().expect("set at the start");
        let account = &change.account;
        let Some(live) = &known.live else {
            return broken(2, format!("{account} is written after a failed read"));
        };
        let creates = policy.missing == Missing::Create && change.from == State::Missing;
        match live.get(account) {
            Some(Account { state: State::Unreadable(_), .. }) => {
                return broken(2, format!("{account} is written although it could not be read"));
            }
            None if !creates => return broken(2, format!("{account} is written and was not listed")),
            Some(found)
                if names(found).any(|name| name.starts_with("boss") || name.starts_with("health")) =>
            {
                return broken(8, format!("{account} is written and out of bounds"));
            }
            _ => {}
        }
        let model = known.good.and_then(|good| self.whole[target].get(&good));
        let Some(model) = model else {
            return broken(1, format!("{account} is written for a state that never was whole"));
        };
        let mut named = false;
        for (name, (access, until)) in model.iter() {
            let folded = name.to_lowercase();
            let candidates: Vec<&AccountId> =
                live.values().filter(|one| names(one).any(|one| one == folded)).map(|one| &one.id).collect();
            named |= candidates.contains(&account);
            let wanted = if until.is_some_and(|until| day > until) { Access::Disabled } else { *access };
            let meant = candidates == [account]
                || creates && candidates.is_empty() && folded == account.as_str().to_lowercase();
            if meant && wanted == change.to {
                return Ok(());
            }
        }
        if named {
            return broken(1, format!("{account} is made {}, which no entry says", change.to));
        }
        if policy.unlisted == Unlisted::Disable && change.to == Access::Disabled {
            return Ok(());
        }
        broken(8, format!("{account} is written and nobody lists it"))
    }

    fn guarded(&mut self, target: &str, chunk: &[Change], wall: Timestamp) -> Result<(), Violation> {
        let empty = |digest: Option<Digest>| {
            digest.and_then(|digest| self.whole[target].get(&digest)).is_some_and(|model| model.is_empty())
        };
        let emptied = {
            let known = &self.targets[target];
            empty(known.good) && known.applied.is_some() && !empty(known.applied)
        };
        let known = self.of(target);
        let policy = known.policy.clone().expect("set at the start");
        let approved = |change: &Change| {
            let pair = (change.account.clone(), change.to);
            known.approvals.iter().any(|(until, changes)| *until > wall && changes.contains(&pair))
        };
        let unapproved: Vec<&Change> = chunk.iter().filter(|change| !approved(change)).collect();
        if unapproved.is_empty() {
            known.contact = true;
            return Ok(());
        }
        if policy.guards.first_contact && !policy.own_store && !known.contact {
            return broken(6, "the first batch was not approved");
        }
        known.contact = true;
        if emptied {
            return broken(6, "an empty desired state is applied and nobody approved it");
        }
        let live = known.live.as_ref().expect("checked before").values();
        let scope = live.filter(|one| !names(one).any(|name| name.starts_with("health")));
        let (mut total, mut enabled) = (0, 0);
        for account in scope {
            total += 1;
            enabled += u64::from(account.state.is(Access::Enabled));
        }
        let since = wall - SignedDuration::from_hours(1);
        for (to, limit) in [
            (Access::Disabled, policy.guards.max_disable.of(enabled)),
            (Access::Enabled, policy.guards.max_enable.of(total)),
        ] {
            let new = unapproved.iter().filter(|change| change.to == to && counts(change)).count() as u64;
            let before = known.recent.iter().filter(|(at, what)| *at > since && *what == to).count() as u64;
            if new > 0 && new + before > limit {
                let what = format!("{new} more accounts become {to} after {before} in an hour, {limit} may");
                return broken(6, what);
            }
        }
        if unapproved.iter().filter(|change| counts(change)).count() as u64 > policy.guards.max_changes {
            return broken(6, "more changes in one chunk than one batch may have");
        }
        Ok(())
    }

    /// A change reached the store, or may have.
    pub(crate) fn applied(
        &mut self,
        target: &str,
        change: &Change,
        applied: bool,
        wall: Timestamp,
        now: Duration,
    ) -> Result<(), Violation> {
        if applied {
            self.last_applied = Some(now);
            if change.to == Access::Disabled && self.enabling {
                return broken(7, format!("{} is disabled after an enabling write", change.account));
            }
            self.enabling |= change.to == Access::Enabled;
        }
        let known = self.of(target);
        let pair = (change.account.clone(), change.to);
        let approved =
            known.approvals.iter().any(|(until, changes)| *until > wall && changes.contains(&pair));
        if applied && !approved && counts(change) {
            known.recent.push((wall, change.to));
        }
        Ok(())
    }

    /// What the process knew and had not written down is gone.
    pub(crate) fn crashed(&mut self, shows: Shows) {
        self.intents.clear();
        self.doubted();
        for served in self.units.values_mut() {
            if shows != Shows::Identity {
                served.proven = None;
            }
            (served.answered, served.asked) = (false, None);
        }
    }

    /// An append failed: what it would have said has to be found out again.
    pub(crate) fn not_recorded(&mut self) {
        self.doubted();
        self.units.values_mut().for_each(|served| (served.proven, served.asked) = (None, None));
    }

    /// Chunks that were sent and whose outcome nobody knows any more owe a restart.
    fn doubted(&mut self) {
        if !self.doubt.is_empty() || self.unsynced {
            self.units.values_mut().for_each(|served| (served.owed, served.proven) = (true, None));
        }
        self.doubt.clear();
        self.unsynced = false;
    }

    pub(crate) fn observed(&mut self, units: &[Unit], seen: bool, now: Duration) {
        self.seen = seen;
        for unit in units {
            let served = self.units.get_mut(&unit.instance).expect("every instance is known");
            let up = unit.running && unit.shows == Shows::Identity;
            served.looked = if seen && up { Some(unit.identity()) } else { None };
            if served.answered && (seen || unit.shows == Shows::Nothing) {
                served.proven = Some(now);
            }
            served.answered = false;
        }
    }

    /// An instance is about to be restarted.
    pub(crate) fn restart(
        &mut self,
        instance: &Instance,
        min_interval: Duration,
        now: Duration,
    ) -> Result<(), Violation> {
        self.restarts += 1;
        let urged = self.urged;
        let served = self.units.get_mut(instance).expect("every instance is known");
        if !served.owed {
            return broken(4, format!("{instance} is restarted although nothing was written"));
        }
        if served.proven.is_some() {
            return broken(4, format!("{instance} is restarted a second time for the same writes"));
        }
        if let (Some(anchor), Some(looked)) = (&served.anchor, &served.looked)
            && anchor != looked
        {
            let what =
                format!("{instance} is restarted although somebody else did that after the last write");
            return broken(4, what);
        }
        if let Some(last) = served.last.filter(|last| !urged && now + SLOW < *last + min_interval) {
            let what = format!("{instance} is restarted {:?} after the last time", now.saturating_sub(last));
            return broken(4, what);
        }
        Ok(())
    }

    pub(crate) fn restarted(&mut self, instance: &Instance, well: bool, happened: bool, now: Duration) {
        let served = self.units.get_mut(instance).expect("every instance is known");
        served.answered = well && happened;
        if well && happened {
            served.asked = Some(now);
        }
    }
}

fn names(account: &Account) -> impl Iterator<Item = String> {
    [account.id.as_str(), &account.name]
        .into_iter()
        .chain(account.aliases.iter().map(String::as_str))
        .map(str::to_lowercase)
        .collect::<Vec<_>>()
        .into_iter()
}

fn counts(change: &Change) -> bool {
    change.from != State::Missing && !matches!(change.cause, Cause::Expired(_))
}

/// Which accounts a name means.
pub(crate) fn meant<'a>(name: &str, accounts: impl Iterator<Item = &'a Account>) -> Vec<&'a Account> {
    let folded = name.to_lowercase();
    accounts.filter(|account| names(account).any(|one| one == folded)).collect()
}

/// Whether nobody may write an account.
pub(crate) fn out_of_bounds(account: &Account) -> bool {
    names(account).any(|name| name.starts_with("boss") || name.starts_with("health"))
}
