//! What is checked while a history runs. It counts for itself and asks the engine nothing but its effects.
//!
//! Two invariants are not for a pure world. Commands that only read hold a store without a method to write (5), and
//! `.ci/run` looks whether `plan` left anything behind. No secret gets as far as the engine (10); the tests of
//! `src/secret.rs` and `src/settings` see to that.

mod justify;
mod memory;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use popgate::journal::entry::{Proof, Record};
use popgate::journal::fold::Suspension;
use popgate::model::{Access, Account, AccountId, Digest, Live, Outcome, State};
use popgate::plan::policy::{Limits, Policy};
use popgate::plan::{Cause, Change};
use popgate::services::{Condition, Instance};

use crate::files::Model;
use crate::service::{Shows, Unit};

/// How long an effect is under way at most; the engine counts from when it asked.
const SLOW: Duration = Duration::from_secs(20);

/// How long ago the engine may have looked whether a window is open when it begins something in it.
const WINDOW_SLACK: SignedDuration = SignedDuration::from_mins(1);

/// How often a service that shows its runs must be looked at in vain before a restart that happened may be repeated.
const BLIND_LOOKS: usize = 3;

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
    /// What the store answered last, with what was written before this batch; `None` after a failure.
    live: Option<BTreeMap<AccountId, Account>>,
    /// What was written since.
    written: Vec<(AccountId, Access)>,
    contact: bool,
    /// How many accounts were listed when a list was last taken as normal.
    counted: Option<u64>,
    approvals: Vec<(Timestamp, BTreeSet<(AccountId, Access)>)>,
    /// Unapproved changes that reached the store.
    recent: Vec<(Timestamp, (AccountId, Access))>,
    /// What was sent and has no outcome on the disk, or one that does not say whether it was made. Sent again, it is
    /// still one user who gets or loses POP3.
    unanswered: BTreeSet<(AccountId, Access)>,
    /// What was answered for in records that are not synced.
    loose: BTreeSet<(AccountId, Access)>,
}

impl Known {
    /// The next plan may be made with what is remembered of the store, and counts its own writes.
    fn take_in_what_was_written(&mut self) {
        let Some(live) = &mut self.live else { return };
        for (account, to) in self.written.drain(..) {
            if let Some(account) = live.get_mut(&account) {
                account.state = State::Is(to);
            }
        }
    }

    fn limits(&self) -> Limits {
        self.policy.as_ref().expect("set at the start").guards
    }
}

/// What is known of one instance.
#[derive(Clone, Default)]
struct Served {
    /// When it was last settled, by the true clock.
    settled: Duration,
    /// A write since the last settlement that may have reached the store.
    owed: bool,
    /// A restart since the last write that happened, was answered, and could be seen afterwards.
    proven: Option<Duration>,
    answered: bool,
    /// What the journal shows of it after the last write, and what it showed when it was last looked at.
    anchor: Option<String>,
    looked: Option<String>,
    /// Looks in vain since the process started.
    blind: usize,
    /// The last restart of ours that settled something: by the true clock and on the wall, and whether another process
    /// came since, which has only the wall to go by.
    last: Option<(Duration, Timestamp)>,
    asked: Option<(Duration, Timestamp)>,
    another: bool,
    /// Proof and anchor before the batch under way, which may turn out to write nothing.
    before: (Option<Duration>, Option<String>),
}

pub(crate) struct Check {
    targets: BTreeMap<String, Known>,
    units: BTreeMap<Instance, Served>,
    pub(crate) whole: BTreeMap<String, BTreeMap<Digest, Rc<Model>>>,
    /// Intents on disk that wait for their chunk line, and those that have it.
    intents: Vec<(u64, AccountId, Access)>,
    durable: BTreeSet<(u64, AccountId, Access)>,
    /// How many chunk lines are on disk, as far as it was told.
    chunks: usize,
    batch: u64,
    batch_target: String,
    /// Whether an enabling write of this batch has reached the store.
    enabling: bool,
    /// Chunks on disk without outcomes there.
    doubt: BTreeSet<AccountId>,
    /// Whether an outcome was written down that a crash may take away again.
    unsynced: bool,
    /// The target of the batch under way.
    writing: String,
    suspended: Option<Suspension>,
    /// Until when the wall clock cannot be used to tell whether a window was open.
    jumped: Duration,
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
        let served = |unit: &Unit| (unit.instance.clone(), Served::default());
        Self {
            targets: targets.map(known).collect(),
            units: units.iter().map(served).collect(),
            whole: BTreeMap::new(),
            intents: Vec::new(),
            durable: BTreeSet::new(),
            chunks: 0,
            batch: 0,
            batch_target: String::new(),
            enabling: false,
            doubt: BTreeSet::new(),
            unsynced: false,
            writing: String::new(),
            suspended: None,
            jumped: Duration::ZERO,
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
        let known = self.of(target);
        (known.live, known.written) = (live, Vec::new());
    }

    /// Records that stand on the disk, in order.
    pub(crate) fn recorded(
        &mut self,
        records: &[Record],
        at: Timestamp,
        now: Duration,
        sync: bool,
        units: &[Unit],
        arrivals: &[(Duration, Duration)],
    ) -> Result<(), Violation> {
        for record in records {
            self.plausible(record, at, now)?;
            self.remembered(record);
            match record {
                Record::Batch { batch, target, .. } => {
                    self.intents.clear();
                    self.of(target).take_in_what_was_written();
                    self.writing.clone_from(target);
                    (self.batch, self.enabling) = (*batch, false);
                    for served in self.units.values_mut() {
                        served.before = (served.proven, served.anchor.clone());
                    }
                }
                Record::Intent { batch, account, to, .. } => {
                    self.intents.push((*batch, account.clone(), *to));
                }
                Record::Chunk { count, .. } if *count == self.intents.len() as u64 => {
                    self.chunks += 1;
                    self.doubt.extend(self.intents.iter().map(|(_, account, _)| account.clone()));
                    self.durable.extend(self.intents.drain(..));
                    for served in self.units.values_mut() {
                        served.anchor = None;
                    }
                }
                Record::Outcome { account, to, outcome, .. } => {
                    self.doubt.remove(account);
                    self.answered((account.clone(), *to), outcome);
                    self.unsynced = true;
                    if !is_not_made(outcome) {
                        self.units.values_mut().for_each(|served| served.owed = true);
                    }
                }
                Record::End { seen, void, .. } => {
                    if *void {
                        for served in self.units.values_mut() {
                            (served.proven, served.anchor) = served.before.clone();
                        }
                    }
                    for seen in seen {
                        let served = self.units.get_mut(&seen.instance).expect("every instance is known");
                        if !(*void && served.anchor.is_some()) {
                            let stopped = seen.condition == Condition::Stopped;
                            served.anchor = seen.identity.clone().or(stopped.then(|| "stopped".to_owned()));
                        }
                    }
                }
                Record::Restart { instance, seen, .. } => {
                    let served = self.units.get_mut(instance).expect("every instance is known");
                    if served.anchor.is_none() {
                        served.anchor = seen.as_ref().and_then(|seen| seen.identity.clone());
                    }
                }
                Record::Settled { instance, proof, unconfirmed, .. } => {
                    let arrivals = if *unconfirmed { &[] } else { arrivals };
                    self.settled(instance, proof, units, arrivals, now)?;
                }
                _ => {}
            }
        }
        self.unsynced &= !sync;
        if sync {
            self.targets.values_mut().for_each(|known| known.loose.clear());
        }
        Ok(())
    }

    /// `arrivals` are writes with the moment when they had reached all servers, where the record claims that they had.
    fn settled(
        &mut self,
        instance: &Instance,
        proof: &Proof,
        units: &[Unit],
        arrivals: &[(Duration, Duration)],
        now: Duration,
    ) -> Result<(), Violation> {
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
        let covered = std::mem::replace(&mut served.settled, now);
        let arrived = arrivals.iter().filter(|(at, _)| *at > covered).map(|(_, arrived)| *arrived).max();
        let too_early = arrived.is_some_and(|arrived| unit.started < arrived);
        if !told && unit.running && *proof != Proof::Stopped && too_early {
            let what =
                format!("{instance} began to run before what was written could be read, and nobody says so");
            return broken(3, what);
        }
        served.owed = false;
        if let Some(asked) = served.asked.take() {
            (served.last, served.another) = (Some(asked), false);
        }
        if self.units.values().all(|served| !served.owed) {
            self.urged = false;
        }
        Ok(())
    }

    /// A chunk is about to reach the store. It is judged by the time at which it was planned: an approval that ended
    /// since, because the clock was set, was valid then.
    pub(crate) fn write(
        &mut self,
        target: &str,
        chunk: &[Change],
        planned: Timestamp,
        day: jiff::civil::Date,
        doubted: bool,
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
        self.guarded(target, chunk, planned, doubted)?;
        let known = self.of(target);
        for change in chunk {
            let pair = (change.account.clone(), change.to);
            if known.unanswered.contains(&pair) {
                known.recent.retain(|(_, before)| *before != pair);
            }
            known.loose.remove(&pair);
            known.unanswered.insert(pair);
        }
        for served in self.units.values_mut() {
            (served.proven, served.answered, served.anchor) = (None, false, None);
            // A restart before this write settles nothing any more.
            served.asked = None;
        }
        Ok(())
    }

    /// A change reached the store, or may have.
    pub(crate) fn applied(
        &mut self,
        target: &str,
        change: &Change,
        applied: bool,
        (planned, wall): (Timestamp, Timestamp),
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
        if applied {
            known.written.push(pair.clone());
        }
        let approved =
            known.approvals.iter().any(|(until, changes)| *until > planned && changes.contains(&pair));
        if applied && !approved && counts(change) {
            known.recent.push((wall, pair));
        }
        Ok(())
    }

    /// An outcome stands in the journal.
    fn answered(&mut self, pair: (AccountId, Access), outcome: &Outcome) {
        if *outcome == Outcome::Unknown {
            return;
        }
        let target = self.writing.clone();
        let known = self.of(&target);
        if known.unanswered.remove(&pair) {
            known.loose.insert(pair);
        }
    }

    /// What the process knew and had not written down is gone.
    pub(crate) fn crashed(&mut self, shows: Shows) {
        for known in self.targets.values_mut() {
            // The system may have lost what nobody synced.
            let loose = std::mem::take(&mut known.loose);
            known.unanswered.extend(loose);
        }
        self.intents.clear();
        self.doubt.clear();
        self.unsynced = false;
        for served in self.units.values_mut() {
            // Another identity than the one in the journal still proves it; nothing else does.
            if shows != Shows::Identity || served.anchor.is_none() {
                served.proven = None;
            }
            (served.answered, served.asked, served.another, served.blind) = (false, None, true, 0);
        }
    }

    /// An append failed. What was sent and could not be answered for owes a restart.
    pub(crate) fn not_recorded(&mut self, records: &[Record], now: Duration) {
        for record in records {
            // It may be read back all the same.
            if let Record::Settled { instance, .. } = record {
                self.units.get_mut(instance).expect("every instance is known").settled = now;
            }
        }
        if !self.doubt.is_empty() || self.unsynced {
            self.units.values_mut().for_each(|served| (served.owed, served.proven) = (true, None));
        }
        self.doubt.clear();
        self.unsynced = false;
    }

    pub(crate) fn observed(&mut self, units: &[&Unit], seen: bool, now: Duration) {
        self.seen = seen;
        for unit in units {
            let served = self.units.get_mut(&unit.instance).expect("every instance is known");
            let up = unit.running && unit.shows == Shows::Identity;
            served.blind += usize::from(!seen);
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
        brings_back: bool,
        (now, wall): (Duration, Timestamp),
    ) -> Result<(), Violation> {
        self.restarts += 1;
        let urged = self.urged;
        let served = self.units.get_mut(instance).expect("every instance is known");
        if !served.owed {
            return broken(4, format!("{instance} is restarted although nothing was written"));
        }
        // A crash hid whether popgate or somebody else stopped it; nobody loses a session by its start.
        if brings_back {
            return Ok(());
        }
        // A restart too many is better than one that may be lost, once nobody can see any more whether it happened.
        if served.proven.is_some() && !urged && served.blind <= BLIND_LOOKS {
            return broken(4, format!("{instance} is restarted a second time for the same writes"));
        }
        if let (Some(anchor), Some(looked)) = (&served.anchor, &served.looked)
            && anchor != looked
        {
            let what =
                format!("{instance} is restarted although somebody else did that after the last write");
            return broken(4, what);
        }
        let too_soon = served.last.filter(|(last, on_the_wall)| {
            let interval = SignedDuration::try_from(min_interval.saturating_sub(SLOW)).expect("minutes");
            now + SLOW < *last + min_interval
                && !(served.another && wall.duration_since(*on_the_wall) >= interval)
        });
        if let Some((last, _)) = too_soon.filter(|_| !urged) {
            let what = format!("{instance} is restarted {:?} after the last time", now.saturating_sub(last));
            return broken(4, what);
        }
        Ok(())
    }

    pub(crate) fn restarted(
        &mut self,
        instance: &Instance,
        well: bool,
        happened: bool,
        now: (Duration, Timestamp),
    ) {
        let served = self.units.get_mut(instance).expect("every instance is known");
        served.answered = well && happened;
        if well && happened {
            served.asked = Some(now);
        }
    }
}

fn is_not_made(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::NotApplied(_) | Outcome::Missing)
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
