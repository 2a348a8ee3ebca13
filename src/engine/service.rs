//! What the engine keeps of one service: when it was written for, restarted and looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::debt::Writes;
use super::retry::Backoff;
use super::window::Windows;
use crate::journal::entry::Proof;
use crate::journal::fold::ServiceLedger;
use crate::model::Now;
use crate::plan::policy::{Policy, Profile, RestartPolicy};
use crate::services::Instance;

/// What the engine keeps of one service.
#[derive(Debug)]
pub(super) struct ServiceState {
    pub(super) profile: Profile,
    pub(super) policy: RestartPolicy,
    pub(super) windows: Windows,
    pub(super) writes: BTreeMap<Instance, Writes>,
    /// When the least time since the last restart is over.
    pub(super) rested: BTreeMap<Instance, Duration>,
    pub(super) failing: BTreeMap<Instance, (Backoff, String)>,
    pub(super) unready: BTreeMap<Instance, String>,
    /// Instances a goal that ends has tried once.
    pub(super) tried: BTreeSet<Instance>,
    /// How often in a row an instance was looked at in vain.
    pub(super) blind: BTreeMap<Instance, u32>,
    /// Instances that reported a restart after the last write and could not be looked at since.
    pub(super) reported: BTreeSet<Instance>,
    /// What proves a restart that could not be written down as settled yet.
    pub(super) proven: BTreeMap<Instance, Proven>,
    pub(super) told_manual: BTreeSet<Instance>,
    /// Instances that wait until what was written has arrived where they read.
    pub(super) arriving: BTreeMap<Instance, Arriving>,
    /// Up to which write everything has arrived where a server reads.
    pub(super) arrived: BTreeMap<String, u64>,
}

impl ServiceState {
    pub(super) fn new(policy: &Policy, ledger: Option<&ServiceLedger>, now: Now) -> Self {
        let debts = ledger.map(|ledger| ledger.debts.as_slice()).unwrap_or_default();
        let settled = ledger.map(|ledger| ledger.settled.as_slice()).unwrap_or_default();
        let ago = |at| Duration::try_from(now.wall.duration_since(at)).unwrap_or_default();
        Self {
            profile: policy.service.clone(),
            policy: policy.restart,
            windows: policy.windows.clone(),
            writes: debts
                .iter()
                .map(|debt| (debt.instance.clone(), Writes::inherited(debt, &policy.restart, now)))
                .collect(),
            rested: settled
                .iter()
                .filter_map(|settled| {
                    let at = settled.restarted.or(settled.ours.then_some(settled.at))?;
                    let rest = policy.restart.min_interval.saturating_sub(ago(at));
                    Some((settled.instance.clone(), now.mono + rest))
                })
                .collect(),
            failing: BTreeMap::new(),
            unready: BTreeMap::new(),
            tried: BTreeSet::new(),
            blind: BTreeMap::new(),
            reported: BTreeSet::new(),
            proven: BTreeMap::new(),
            told_manual: BTreeSet::new(),
            arriving: BTreeMap::new(),
            arrived: BTreeMap::new(),
        }
    }
}

impl ServiceState {
    /// Nothing is owed by this instance any more.
    pub(super) fn forget(&mut self, instance: &Instance) {
        self.writes.remove(instance);
        self.failing.remove(instance);
        self.told_manual.remove(instance);
        self.blind.remove(instance);
        self.reported.remove(instance);
        self.proven.remove(instance);
        self.arriving.remove(instance);
    }

    /// An instance was restarted by a wish that was sent at `asked`, as far as anybody can tell.
    pub(super) fn rests(&mut self, instance: &Instance, asked: Duration) {
        self.rested.insert(instance.clone(), asked + self.policy.min_interval);
    }
}

/// Why an instance waits for what was written.
#[derive(Clone, Debug)]
pub(super) struct Arriving {
    /// When it is looked for again.
    pub(super) look: Duration,
    /// What is known, for a person.
    pub(super) why: String,
    /// When the restart waits no longer, on the wall.
    pub(super) until: jiff::Timestamp,
}

/// A restart that is proven.
#[derive(Clone, Debug)]
pub(super) struct Proven {
    pub(super) proof: Proof,
    /// The last write before it.
    pub(super) covers: u64,
    /// When it was asked for.
    pub(super) asked: Duration,
}
