//! What the journal says, read by somebody else than the fold: what is in force, approved, suspended and owed.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use popgate::engine::window::Kind;
use popgate::journal::entry::Record;
use popgate::model::Outcome;
use popgate::plan::policy::Policy;
use popgate::services::Instance;

use super::{Check, SLOW, Violation, WINDOW_SLACK, broken, is_not_made};

impl Check {
    /// Whether this may be begun, or taken as normal, now.
    pub(super) fn plausible(
        &mut self,
        record: &Record,
        at: Timestamp,
        now: Duration,
    ) -> Result<(), Violation> {
        let suspended = self.suspended.as_ref().is_some_and(|suspension| suspension.holds(at));
        let surely_closed = |policy: &Policy, kind| {
            let open = |at| policy.windows.open(kind, at);
            now > self.jumped && !open(at) && !open(at - WINDOW_SLACK)
        };
        match record {
            Record::Batch { .. } if suspended => broken(6, "a batch begins although somebody suspended it"),
            Record::Batch { target, .. } if surely_closed(self.policy(target), Kind::Writes) => {
                broken(6, "a batch begins outside of every window")
            }
            Record::Restart { .. } if suspended && !self.urged => {
                broken(4, "a restart begins although somebody suspended it")
            }
            Record::Restart { .. } if !self.urged && surely_closed(self.any_policy(), Kind::Restarts) => {
                broken(4, "a restart begins outside of every window")
            }
            Record::Counted { target, counts } => {
                let known = &self.targets[target];
                let limit = 100 - u64::from(known.limits().shrunk_live);
                let approved = known.approvals.iter().any(|(until, _)| *until > at);
                if !approved && known.counted.is_some_and(|before| counts.total * 100 < before * limit) {
                    return broken(6, "a list that shrank is taken as normal, and nobody approved it");
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn policy(&self, target: &str) -> &Policy {
        self.targets[target].policy.as_ref().expect("set at the start")
    }

    /// What all targets have in common.
    fn any_policy(&self) -> &Policy {
        self.targets.values().next().and_then(|known| known.policy.as_ref()).expect("there is a target")
    }

    /// The wall clock was set.
    pub(crate) fn jumped(&mut self, now: Duration) {
        self.jumped = now + 6 * SLOW;
    }

    /// What a new process finds in the journal. What was sent, as far as that tells, and has no outcome there is owed.
    pub(crate) fn reread<'a>(&mut self, records: impl Iterator<Item = &'a Record>) {
        for known in self.targets.values_mut() {
            (known.good, known.applied, known.counted) = (None, None, None);
            known.approvals.clear();
        }
        self.suspended = None;
        let (mut intents, mut sent, mut chunks) = (Vec::new(), BTreeSet::new(), 0);
        let mut owed: BTreeSet<Instance> = BTreeSet::new();
        let all: Vec<Instance> = self.units.keys().cloned().collect();
        for record in records {
            self.remembered(record);
            match record {
                Record::Intent { account, .. } => intents.push(account),
                Record::Chunk { .. } => {
                    chunks += 1;
                    sent.extend(intents.drain(..));
                    let target = self.batch_target.clone();
                    self.of(&target).contact = true;
                }
                Record::Outcome { account, outcome, .. } => {
                    sent.remove(account);
                    if !is_not_made(outcome) {
                        owed.extend(all.iter().cloned());
                    }
                }
                Record::Batch { .. } | Record::Start { .. } => {
                    if !sent.is_empty() {
                        owed.extend(all.iter().cloned());
                    }
                    intents.clear();
                    sent.clear();
                }
                Record::Settled { instance, .. } => {
                    owed.remove(instance);
                }
                _ => {}
            }
        }
        // A chunk line that nobody was told of was written while the process died: its writes never went out, but that
        // is not to be seen any more.
        let more = chunks > std::mem::replace(&mut self.chunks, chunks);
        for (instance, served) in &mut self.units {
            if more {
                (served.proven, served.anchor) = (None, None);
            }
            served.owed |= !sent.is_empty() || owed.contains(instance);
        }
    }

    pub(super) fn remembered(&mut self, record: &Record) {
        match record {
            Record::Good { target, digest, .. } => self.of(target).good = Some(*digest),
            Record::Applied { target, digest, .. } => self.of(target).applied = Some(*digest),
            Record::Contact { target } => self.of(target).contact = true,
            Record::Counted { target, counts } => self.of(target).counted = Some(counts.total),
            Record::Suspended { suspension } => self.suspended = Some(suspension.clone()),
            Record::Resumed { .. } => self.suspended = None,
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
}
