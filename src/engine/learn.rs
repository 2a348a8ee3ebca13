//! What a turn has learnt that the journal does not know yet, and how far live state is as desired.

use std::collections::BTreeSet;

use super::{Engine, Goal, replication};
use crate::desired::Desired;
use crate::journal::entry::Record;
use crate::plan::Plan;

impl Engine {
    /// Bindings, counts, warnings and the policy, as far as the journal does not have them yet.
    pub(super) fn what_was_learnt(&self, name: &str, plan: &Plan, acts: bool) -> Vec<Record> {
        let ledger = self.ledger.of(name);
        let mut records = Vec::new();
        let servers = self.targets.get(name).and_then(|target| target.servers.as_ref());
        records.extend(replication::pinned(name, ledger, servers));
        if !plan.bind.is_empty() {
            records.push(Record::Bind { target: name.to_owned(), names: plan.bind.clone() });
        }
        let known = ledger.and_then(|ledger| ledger.counts);
        if !plan.is_doubted() && known != Some(plan.counts) {
            records.push(Record::Counted { target: name.to_owned(), counts: plan.counts });
        }
        let Some(target) = self.targets.get(name) else { return records };
        let warned = ledger.map(|ledger| &ledger.warned);
        let is_news = |(name, at)| warned.and_then(|warned| warned.get(name)) != Some(at);
        if self.mode.goal == Goal::Run && target.warned.all().iter().any(is_news) {
            let entries = target.warned.all().clone();
            records.push(Record::Warned { target: name.to_owned(), entries });
        }
        // As long as a plan waits, it says under which changed rules it does.
        let rules = target.policy.rules();
        let known = ledger.and_then(|ledger| ledger.rules.as_ref());
        if known != Some(&rules) && (acts || plan.changes.is_empty()) {
            records.push(Record::Policy { target: name.to_owned(), by: self.mode.by.clone(), rules });
        }
        records
    }

    /// The record that says how far live state is as desired, if that is news. `made` are folded names whose
    /// changes were made since the plan.
    pub(super) fn mark(&self, name: &str, plan: &Plan, made: &BTreeSet<String>) -> Vec<Record> {
        let Some(target) = self.targets.get(name) else { return Vec::new() };
        let Some(desired) = target.good.as_ref().filter(|_| !plan.is_doubted()) else { return Vec::new() };
        let except: Vec<String> =
            plan.unsatisfied.iter().filter(|name| !made.contains(*name)).cloned().collect();
        let ledger = self.ledger.of(name);
        let known = ledger.and_then(|ledger| ledger.applied.as_ref());
        let same =
            known.is_some_and(|mark| mark.digest == plan.digest && mark.except.iter().eq(except.iter()));
        let mut records = Vec::new();
        if !same || !made.is_empty() {
            let gone: Vec<String> = ledger
                .into_iter()
                .flat_map(|ledger| ledger.bindings.keys())
                .filter(|bound| desired.get(bound).is_none())
                .cloned()
                .collect();
            if !gone.is_empty() {
                records.push(Record::Unbind { target: name.to_owned(), names: gone });
            }
            let accepted = plan.accepted().filter(|name| !made.contains(name)).collect();
            records.push(Record::Applied { target: name.to_owned(), digest: plan.digest, except, accepted });
        }
        records
    }

    /// Keeps the desired state of the mark at hand once it stands in the journal.
    pub(super) fn adopt_mark(&mut self, name: &str) {
        let marked = self.ledger.of(name).and_then(|ledger| ledger.applied.as_ref()).map(|mark| mark.digest);
        let Some(target) = self.targets.get_mut(name) else { return };
        if target.good.as_ref().map(Desired::digest) == marked {
            target.applied.clone_from(&target.good);
        }
    }
}
