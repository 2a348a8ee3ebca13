//! The journal as a story: who changed what, when and why. Pure.
//!
//! Where [`super::fold`] asks what everything adds up to, this keeps the order of things. It knows what the
//! segments at hand say and nothing before them.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::entry::{Proof, Record};
use super::fold::TargetLedger;
use super::line::Line;
use crate::model::{Access, AccountId, Outcome, State};
use crate::name::{Glob, fold};
use crate::plan::Cause;
use crate::plan::policy::{self, Rules};
use crate::services::Instance;

/// Something that happened, in the order in which it began.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A plan was made true.
    Batch(Batch),
    /// A restart was proven.
    Restarted {
        /// When.
        at: Timestamp,
        /// Which instance.
        instance: Instance,
        /// By what.
        proof: Proof,
        /// Whether nobody saw what was written arrive where the instance reads.
        unconfirmed: bool,
    },
    /// A restart failed.
    RestartFailed {
        /// When.
        at: Timestamp,
        /// Which instance.
        instance: Instance,
        /// Why.
        why: String,
    },
    /// Somebody did something.
    Operator {
        /// When.
        at: Timestamp,
        /// Who.
        by: String,
        /// What: `approved PLAN (N changes)`, `suspended`, `resumed`, `urged the restarts that were owed`.
        what: String,
        /// Why.
        reason: String,
    },
}

/// One batch with all its changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Its number.
    pub number: u64,
    /// Whose.
    pub target: String,
    /// When it began.
    pub at: Timestamp,
    /// When it ended; `None` when a crash came between, or when it has not ended yet.
    pub ended: Option<Timestamp>,
    /// Who or what asked for it.
    pub by: String,
    /// The plan.
    pub plan: String,
    /// The digest of the desired state, short.
    pub digest: String,
    /// The git commit, where there was one.
    pub commit: Option<String>,
    /// Who wrote that commit, if anybody knows.
    pub author: Option<String>,
    /// Its changes, in the order in which they were sent.
    pub changes: Vec<Made>,
}

/// One change of a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Made {
    /// The account.
    pub account: AccountId,
    /// The name shown to a person.
    pub name: String,
    /// What the store said before.
    pub from: State,
    /// What it was to be.
    pub to: Access,
    /// Why.
    pub cause: Cause,
    /// The entry's reason.
    pub reason: Option<String>,
    /// What became of it.
    pub fate: Fate,
}

/// What became of one change.
#[derive(Clone, Debug, PartialEq)]
pub enum Fate {
    /// It was never sent: a crash came between.
    NotSent,
    /// It was sent, and a crash came before the outcome.
    InDoubt,
    /// The store said so, then.
    Known(Outcome, Timestamp),
}

impl Event {
    /// Returns when it began.
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Batch(batch) => batch.at,
            Self::Restarted { at, .. } | Self::RestartFailed { at, .. } | Self::Operator { at, .. } => *at,
        }
    }
}

/// Tells the story of these lines.
pub fn tell<'a>(lines: &'a [Line<Record>]) -> Vec<Event> {
    let mut events = Vec::new();
    // Where the batch that has not ended yet stands.
    let mut open: Option<usize> = None;
    let mut rules: BTreeMap<&str, &Rules> = BTreeMap::new();
    for line in lines {
        let at = line.at;
        match &line.record {
            Record::Start { .. } => open = None,
            Record::Batch { target, batch, plan, digest, commit, author, by, .. } => {
                open = Some(events.len());
                events.push(Event::Batch(Batch {
                    number: *batch,
                    target: target.clone(),
                    at,
                    ended: None,
                    by: by.clone(),
                    plan: plan.to_string(),
                    digest: digest.short(),
                    commit: commit.clone(),
                    author: author.clone(),
                    changes: Vec::new(),
                }));
            }
            Record::State { ledger } => {
                let known = |(name, target): (&'a String, &'a TargetLedger)| {
                    Some((name.as_str(), target.rules.as_ref()?))
                };
                rules.extend(ledger.targets.iter().filter_map(known));
            }
            Record::Policy { target, by, rules: now } => {
                let was = rules.insert(target, now);
                let changed = was.map(|was| policy::changed(was, now)).unwrap_or_default();
                if !changed.is_empty() {
                    let changed =
                        changed.iter().map(|rule| format!("{}: {} → {}", rule.rule, rule.was, rule.now));
                    let changed = changed.collect::<Vec<_>>().join("; ");
                    let what = format!("ran target {target} under another policy ({changed})");
                    events.push(Event::Operator { at, by: by.clone(), what, reason: String::new() });
                }
            }
            Record::Urged { by, reason } => {
                let what = "urged the restarts that were owed".to_owned();
                events.push(Event::Operator { at, by: by.clone(), what, reason: reason.clone() });
            }
            Record::Restart { .. } => {}
            Record::RestartFailed { instance, why, .. } => {
                events.push(Event::RestartFailed { at, instance: instance.clone(), why: why.clone() });
            }
            Record::Settled { instance, proof, unconfirmed, .. } => {
                let (instance, proof, unconfirmed) = (instance.clone(), proof.clone(), *unconfirmed);
                events.push(Event::Restarted { at, instance, proof, unconfirmed });
            }
            Record::Suspended { suspension } => {
                let until = suspension.until.map_or_else(String::new, |until| format!(" until {until}"));
                let (by, reason) = (suspension.by.clone(), suspension.reason.clone());
                events.push(Event::Operator {
                    at,
                    by,
                    what: format!("suspended all writing{until}"),
                    reason,
                });
            }
            Record::Resumed { by, reason } => {
                let what = "let writing go on".to_owned();
                events.push(Event::Operator { at, by: by.clone(), what, reason: reason.clone() });
            }
            Record::Approved { approval, .. } => {
                let count = approval.changes.len();
                let changes = if count == 1 { "1 change".to_owned() } else { format!("{count} changes") };
                let what = format!("approved {} ({changes})", approval.plan);
                events.push(Event::Operator {
                    at,
                    by: approval.by.clone(),
                    what,
                    reason: approval.reason.clone(),
                });
            }
            record => {
                if let Some(Event::Batch(batch)) = open.and_then(|at| events.get_mut(at)) {
                    batch.take(at, record);
                }
            }
        }
    }
    events
}

impl Batch {
    fn take(&mut self, at: Timestamp, record: &Record) {
        match record {
            Record::Intent { account, name, from, to, cause, reason, .. } => self.changes.push(Made {
                account: account.clone(),
                name: name.clone(),
                from: from.clone(),
                to: *to,
                cause: cause.clone(),
                reason: reason.clone(),
                fate: Fate::NotSent,
            }),
            Record::Chunk { .. } => {
                for made in self.changes.iter_mut().filter(|made| made.fate == Fate::NotSent) {
                    made.fate = Fate::InDoubt;
                }
            }
            Record::Outcome { account, outcome, .. } => {
                let awaited = |made: &&mut Made| made.account == *account && made.fate == Fate::InDoubt;
                if let Some(made) = self.changes.iter_mut().find(awaited) {
                    made.fate = Fate::Known(outcome.clone(), at);
                }
            }
            Record::End { .. } => self.ended = Some(at),
            _ => {}
        }
    }
}

/// Finds one user's batches: by a name that was shown, an account id, a name of an entry, or a glob.
pub fn of_user(events: Vec<Event>, lines: &[Line<Record>], user: &str) -> Vec<Event> {
    let meant = Meant::new(lines, user);
    let kept = events.into_iter().filter_map(|event| match event {
        Event::Batch(mut batch) => {
            batch.changes.retain(|made| meant.is(&made.account, &made.name));
            (!batch.changes.is_empty()).then_some(Event::Batch(batch))
        }
        _ => None,
    });
    kept.collect()
}

/// What somebody means by a user's name.
#[derive(Debug)]
pub struct Meant {
    glob: Glob,
    name: String,
    bound: Vec<AccountId>,
}

impl Meant {
    /// Takes a name; entries' names lead to the accounts that the journal says they meant.
    pub fn new(lines: &[Line<Record>], user: &str) -> Self {
        let name = fold(user);
        let mut bound = Vec::new();
        let mut learn = |names: &mut dyn Iterator<Item = (&String, &AccountId)>| {
            bound.extend(names.filter(|(bound, _)| **bound == name).map(|(_, account)| account.clone()));
        };
        for line in lines {
            match &line.record {
                Record::Bind { names, .. } => learn(&mut names.iter().map(|(name, account)| (name, account))),
                Record::State { ledger } => {
                    ledger.targets.values().for_each(|target| learn(&mut target.bindings.iter()));
                }
                _ => {}
            }
        }
        Self { glob: Glob::new(user), name, bound }
    }

    /// Tells whether an account is meant.
    pub fn is(&self, account: &AccountId, name: &str) -> bool {
        self.bound.contains(account)
            || fold(name) == self.name
            || fold(account.as_str()) == self.name
            || self.glob.matches(name)
            || self.glob.matches(account.as_str())
    }
}

/// What the journal knows of one account at some moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    /// The target.
    pub target: String,
    /// The account.
    pub account: AccountId,
    /// The name shown to a person.
    pub name: String,
    /// What it was; `None` before popgate first wrote it, and while a write is in doubt.
    pub state: Option<Access>,
    /// The change that made it so, and its batch's place among the events.
    pub by: Option<(Made, Box<Batch>)>,
}

/// Says how every account stood at a moment, as far as popgate wrote it. Accounts that were written later only are
/// in the list, too, without a state.
pub fn as_of(events: &[Event], at: Timestamp) -> Vec<Known> {
    let mut accounts: BTreeMap<(String, AccountId), Known> = BTreeMap::new();
    for event in events {
        let Event::Batch(batch) = event else { continue };
        for made in &batch.changes {
            let key = (batch.target.clone(), made.account.clone());
            let known = accounts.entry(key).or_insert_with(|| Known {
                target: batch.target.clone(),
                account: made.account.clone(),
                name: made.name.clone(),
                state: None,
                by: None,
            });
            let state = match &made.fate {
                Fate::Known(_, when) if *when > at => continue,
                Fate::Known(Outcome::Done | Outcome::Already, _) => Some(made.to),
                // It is not as it was, or nobody knows.
                Fate::Known(Outcome::Unknown, _) => None,
                Fate::InDoubt if batch.at <= at => None,
                Fate::Known(..) | Fate::NotSent | Fate::InDoubt => continue,
            };
            known.state = state;
            let about = Batch { changes: Vec::new(), ..batch.clone() };
            known.by = Some((made.clone(), Box::new(about)));
            known.name.clone_from(&made.name);
        }
    }
    accounts.into_values().collect()
}

#[cfg(test)]
mod tests;
