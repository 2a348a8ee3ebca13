//! The fold: what all records add up to. Recovery is nothing else, so a crash needs no code of its own.

mod hour;
mod owed;
mod servers;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::entry::{Owing, Record, Warnings};
use crate::desired::Desired;
use crate::model::{Access, AccountId, Counts, Digest, Now, Outcome};
use crate::plan::Note;
use crate::plan::memory::{Applied, Approval, Memory};
use crate::plan::policy::Rules;
use crate::services::{Condition, Instance, Observed};

pub use owed::{Debt, ServiceLedger, Settlement};

/// The largest step of the wall clock that leaves expiries alone.
pub const CLOCK_STEP: SignedDuration = SignedDuration::from_hours(24);

/// Everything that is remembered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    /// The number of the last record.
    pub seq: u64,
    /// The latest wall-clock time seen; time never runs back behind it.
    pub wall: Option<Timestamp>,
    /// The number of the last batch.
    pub batch: u64,
    /// What is remembered of each target.
    pub targets: BTreeMap<String, TargetLedger>,
    /// What is remembered of each service, by key.
    pub services: BTreeMap<String, ServiceLedger>,
    /// Who stopped all writing, until when and why.
    pub suspended: Option<Suspension>,
    /// A batch that has begun and not ended.
    open: Option<OpenBatch>,
}

/// What is remembered of one target.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TargetLedger {
    /// The desired state in force.
    pub good: Option<Digest>,
    /// The git commit it came from.
    pub commit: Option<String>,
    /// The last state that the guards let pass.
    pub applied: Option<Mark>,
    /// Names that mean an account with another id; shared with every plan.
    pub bindings: Arc<BTreeMap<String, AccountId>>,
    /// Counts of the last live state.
    pub counts: Option<Counts>,
    /// Approvals that are not used up.
    pub approvals: Vec<Approval>,
    /// Unapproved changes of about the last hour.
    pub recent: Vec<(Timestamp, Access)>,
    /// Those of them of which nobody knows whether they were made.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub doubtful: BTreeMap<AccountId, (Timestamp, Access)>,
    /// Whether popgate has met this store.
    pub contact: bool,
    /// The last batch that ended.
    pub last_batch: Option<BatchSummary>,
    /// Which directory server answers for each domain, of a store that keeps to one.
    #[serde(default)]
    pub servers: BTreeMap<String, String>,
    /// What was written on these servers lately.
    #[serde(default)]
    pub written: BTreeMap<AccountId, (Timestamp, Access)>,
    /// What was written lately on servers that do not answer any more.
    #[serde(default)]
    pub elsewhere: BTreeMap<AccountId, (Timestamp, Access)>,
    /// The policy under which the last plan was made true.
    #[serde(default)]
    pub rules: Option<Rules>,
    /// Who was warned that access ends soon.
    #[serde(default)]
    pub warned: Warnings,
}

/// Somebody's wish that nothing is written for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspension {
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub since: Timestamp,
    /// When it ends by itself.
    pub until: Option<Timestamp>,
}

impl Suspension {
    /// Tells whether it still holds.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| until > now)
    }
}

/// When a desired state was last found satisfied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// The state.
    pub digest: Digest,
    /// When.
    pub at: Timestamp,
    /// Folded names of entries that were not satisfied.
    pub except: BTreeSet<String>,
    /// Those of them whose `until` was accepted before its day, and is over without having been acted on yet.
    #[serde(default)]
    pub accepted: BTreeSet<String>,
}

/// How a batch ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BatchSummary {
    /// Its number.
    pub batch: u64,
    /// When it ended.
    pub at: Timestamp,
    /// Changes the store took.
    pub done: u64,
    /// Changes that somebody else had made already.
    pub already: u64,
    /// Changes that certainly or possibly were not made.
    pub failed: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct OpenBatch {
    batch: u64,
    target: String,
    service: String,
    instances: Vec<Owing>,
    /// The debts of the service as they were before this batch.
    before: Vec<Debt>,
    /// Intents whose chunk line has not come yet.
    unsent: Vec<(AccountId, Access, String, bool)>,
    /// Intents that were sent and have no outcome yet; the flag says whether they count for the guards.
    sent: BTreeMap<AccountId, (Access, bool)>,
    done: u64,
    already: u64,
    failed: u64,
    /// Whether anything of it may have reached the store, of what has an outcome.
    #[serde(default)]
    touched: bool,
}

impl OpenBatch {
    /// What was sent, has no outcome yet, and counts for the guards.
    fn counted(&self) -> impl Iterator<Item = (&AccountId, Access)> {
        self.sent.iter().filter(|(_, (_, counted))| *counted).map(|(account, (to, _))| (account, *to))
    }
}

impl Ledger {
    /// Adds one record.
    pub fn apply(&mut self, seq: u64, at: Timestamp, record: &Record) {
        if let Record::State { ledger } = record {
            *self = (**ledger).clone();
        }
        self.seq = seq;
        self.wall = self.wall.max(Some(at));
        match record {
            Record::State { .. } | Record::Urged { .. } => {}
            Record::Start { .. } => self.close(at),
            Record::Good { target, digest, commit, .. } => {
                let target = self.target(target);
                target.good = Some(*digest);
                target.commit.clone_from(commit);
            }
            Record::Applied { target, digest, except, accepted } => {
                let except = except.iter().cloned().collect();
                let accepted = accepted.iter().cloned().collect();
                self.target(target).applied = Some(Mark { digest: *digest, at, except, accepted });
            }
            Record::Contact { target } => self.target(target).contact = true,
            Record::Bind { target, names } => {
                Arc::make_mut(&mut self.target(target).bindings).extend(names.iter().cloned());
            }
            Record::Unbind { target, names } => {
                let bindings = Arc::make_mut(&mut self.target(target).bindings);
                for name in names {
                    bindings.remove(name);
                }
            }
            Record::Policy { target, rules, .. } => self.target(target).rules = Some(rules.clone()),
            Record::Warned { target, entries } => self.target(target).warned.clone_from(entries),
            Record::Pinned { target, servers } => self.target(target).pin(at, servers),
            Record::Counted { target, counts } => self.target(target).counts = Some(*counts),
            Record::Approved { target, approval } => {
                let target = self.target(target);
                target.approvals.retain(|old| old.until > at && old.plan != approval.plan);
                target.approvals.push(approval.clone());
            }
            Record::Batch { target, batch, service, instances, .. } => {
                self.close(at);
                self.batch = (*batch).max(self.batch);
                let before = self.services.entry(service.clone()).or_default().debts.clone();
                self.open = Some(OpenBatch {
                    batch: *batch,
                    target: target.clone(),
                    service: service.clone(),
                    instances: instances.clone(),
                    before,
                    unsent: Vec::new(),
                    sent: BTreeMap::new(),
                    done: 0,
                    already: 0,
                    failed: 0,
                    touched: false,
                });
            }
            Record::Intent { account, name, to, counted, .. } => {
                if let Some(open) = &mut self.open {
                    open.unsent.push((account.clone(), *to, name.clone(), *counted));
                }
            }
            Record::Chunk { .. } => self.sent(seq, at),
            Record::Outcome { account, to, outcome, .. } => self.outcome(seq, at, account, *to, outcome),
            Record::End { seen, void, .. } => self.end(at, seen, *void),
            Record::Restart { service, instance, attempt, seen, arrived } => {
                if let Some(debt) = self.debt(service, instance) {
                    debt.attempts = *attempt;
                    debt.arrived = *arrived;
                    // Until its answer stands here, the attempt may have stopped what ran.
                    let stood = seen.as_ref().is_some_and(|seen| seen.condition == Condition::Stopped);
                    debt.halted |= !stood;
                    // Any sight after the last write will do, as long as it shows something.
                    if debt.anchor.as_ref().is_none_or(|anchor| anchor.identity.is_none()) && seen.is_some() {
                        debt.anchor.clone_from(seen);
                    }
                }
            }
            Record::RestartFailed { service, instance, why, halted } => {
                if let Some(debt) = self.debt(service, instance) {
                    debt.failure = Some(why.clone());
                    debt.halted = halted.unwrap_or(debt.halted);
                }
            }
            Record::Suspended { suspension } => self.suspended = Some(suspension.clone()),
            Record::Resumed { .. } => self.suspended = None,
            Record::Settled { service, instance, proof, covers, unconfirmed } => {
                self.settle(at, service, instance, proof, *covers, *unconfirmed);
            }
        }
    }

    /// Returns the moment as popgate takes it: its wall time never runs back behind the last record.
    pub fn seen(&self, now: Now) -> Now {
        Now { wall: self.wall.map_or(now.wall, |wall| wall.max(now.wall)), ..now }
    }

    /// Tells whether the last record is from more than a day after this moment: either this clock is wrong or the
    /// one of that time was, so nobody knows whose `until` is over.
    pub fn is_ahead_of(&self, now: Timestamp) -> bool {
        self.wall.is_some_and(|wall| wall.duration_since(now) > CLOCK_STEP)
    }

    /// Returns what is remembered of a target.
    pub fn of(&self, target: &str) -> Option<&TargetLedger> {
        self.targets.get(target)
    }

    /// Returns the restarts that a service owes.
    pub fn debts(&self, service: &str) -> &[Debt] {
        self.services.get(service).map_or(&[], |service| &service.debts)
    }

    /// Returns what is written for a service and not effective yet, as a note of a plan.
    pub fn not_effective(&self, key: &str, service: &str) -> Vec<Note> {
        let names: BTreeSet<&str> =
            self.debts(key).iter().flat_map(Debt::disabled).map(|(_, name)| name).collect();
        if names.is_empty() {
            return Vec::new();
        }
        let names = names.into_iter().map(str::to_owned).collect();
        vec![Note::NotEffective { service: service.to_owned(), names }]
    }

    /// Puts together what the planner remembers; `applied` is the desired state of the target's mark.
    pub fn memory(&self, target: &str, applied: Option<Desired>) -> Memory {
        let Some(ledger) = self.targets.get(target) else { return Memory::default() };
        let applied = applied.zip(ledger.applied.as_ref()).map(|(desired, mark)| Applied {
            desired,
            at: mark.at,
            except: mark.except.clone(),
            accepted: mark.accepted.clone(),
        });
        // What was sent and never answered for in the journal may well have happened.
        let (mut recent, mut doubtful) = (ledger.recent.clone(), ledger.doubtful.clone());
        if let Some(open) = self.open.as_ref().filter(|open| open.target == target) {
            hour::doubt(&mut recent, &mut doubtful, self.wall.unwrap_or(Timestamp::MAX), open.counted());
        }
        Memory {
            applied,
            bindings: Arc::clone(&ledger.bindings),
            counts: ledger.counts,
            approvals: ledger.approvals.clone(),
            recent,
            doubtful,
            contact: ledger.contact,
            clock_jumped: false,
            not_effective: Vec::new(),
            rules: ledger.rules.clone(),
        }
    }

    fn target(&mut self, name: &str) -> &mut TargetLedger {
        self.targets.entry(name.to_owned()).or_default()
    }

    fn debt(&mut self, service: &str, instance: &Instance) -> Option<&mut Debt> {
        self.services.get_mut(service)?.debts.iter_mut().find(|debt| debt.instance == *instance)
    }

    /// The chunk line stands: from here on its writes may have reached the store.
    fn sent(&mut self, seq: u64, at: Timestamp) {
        let Some(open) = &mut self.open else { return };
        self.targets.entry(open.target.clone()).or_default().contact = true;
        let service = self.services.entry(open.service.clone()).or_default();
        for owing in &open.instances {
            let known = service.debts.iter().position(|debt| debt.instance == owing.instance);
            let position = known.unwrap_or_else(|| {
                service.debts.push(Debt {
                    instance: owing.instance.clone(),
                    since: at,
                    last_write: seq,
                    written: at,
                    accounts: BTreeMap::new(),
                    anchor: None,
                    attempts: 0,
                    failure: None,
                    arrived: None,
                    halted: false,
                });
                service.debts.len() - 1
            });
            let debt = &mut service.debts[position];
            debt.last_write = seq;
            debt.written = at;
            debt.anchor = None;
            debt.attempts = 0;
            debt.arrived = None;
            for (account, to, name, _) in &open.unsent {
                debt.accounts.insert(account.clone(), (*to, name.clone()));
            }
        }
        let target = self.targets.entry(open.target.clone()).or_default();
        for (account, to, _, counted) in open.unsent.drain(..) {
            target.send(&account, to);
            open.sent.insert(account, (to, counted));
        }
    }

    fn outcome(&mut self, seq: u64, at: Timestamp, account: &AccountId, to: Access, outcome: &Outcome) {
        let Some(open) = &mut self.open else { return };
        let counted = open.sent.remove(account).is_some_and(|(_, counted)| counted);
        for debt in &mut self.services.entry(open.service.clone()).or_default().debts {
            if open.instances.iter().any(|owing| owing.instance == debt.instance) {
                debt.last_write = seq;
                debt.written = at;
                debt.arrived = None;
                if matches!(outcome, Outcome::NotApplied(_) | Outcome::Missing) {
                    let before = open.before.iter().find(|before| before.instance == debt.instance);
                    match before.and_then(|before| before.accounts.get(account)) {
                        Some(owed) => debt.accounts.insert(account.clone(), owed.clone()),
                        None => debt.accounts.remove(account),
                    };
                }
            }
        }
        open.touched |= !matches!(outcome, Outcome::NotApplied(_) | Outcome::Missing);
        if !open.touched && open.sent.is_empty() {
            // Nothing was written so far. The end of the batch says so as well, but it may never be written.
            self.services.entry(open.service.clone()).or_default().debts.clone_from(&open.before);
        }
        match outcome {
            Outcome::Done => open.done += 1,
            Outcome::Already => open.already += 1,
            Outcome::Missing | Outcome::NotApplied(_) | Outcome::Unknown => open.failed += 1,
        }
        let target = self.targets.entry(open.target.clone()).or_default();
        if matches!(outcome, Outcome::Done | Outcome::Unknown) {
            target.wrote(at, account, to);
        }
        if matches!(outcome, Outcome::Done | Outcome::Already) {
            let pair = (account.clone(), to);
            for approval in &mut target.approvals {
                approval.changes.remove(&pair);
            }
        }
        match outcome {
            Outcome::Done if counted => target.recent.push((at, to)),
            Outcome::Unknown if counted => target.doubt(at, [(account, to)]),
            _ => {}
        }
    }

    fn end(&mut self, at: Timestamp, seen: &[Observed], void: bool) {
        let Some(open) = self.open.take() else { return };
        if let Some(target) = self.targets.get_mut(&open.target) {
            target.forget(at);
        }
        let service = self.services.entry(open.service).or_default();
        if void {
            service.debts = open.before;
        }
        for debt in &mut service.debts {
            // A batch in vain wrote nothing, so an older sight is as good; and where there is none, this is one.
            if let Some(seen) = seen.iter().find(|seen| seen.instance == debt.instance)
                && !(void && debt.anchor.is_some())
            {
                debt.anchor = Some(seen.clone());
            }
        }
        let target = self.targets.entry(open.target).or_default();
        target.pass(at);
        target.approvals.retain(|approval| approval.until > at);
        target.last_batch = Some(BatchSummary {
            batch: open.batch,
            at,
            done: open.done,
            already: open.already,
            failed: open.failed,
        });
    }

    /// A batch without an end: whoever ran it is gone. What was sent is in doubt, and its restart is owed.
    fn close(&mut self, at: Timestamp) {
        let Some(open) = self.open.take() else { return };
        self.targets.entry(open.target.clone()).or_default().doubt(at, open.counted());
    }
}
