//! Planning before it is due: with what was read while it is still to be seen whether the files stay as they are.
//!
//! Nothing depends on it. A draft is the plan of its moment; it counts if just that desired state comes into force within
//! moments, and if neither the store nor the journal has said anything since.

use std::sync::{Arc, Weak};
use std::time::Duration;

use jiff::Timestamp;

use super::expiry::{self, Ending};
use super::{Engine, Goal};
use crate::desired::Desired;
use crate::model::{Live, Now};
use crate::plan::{self, Plan, Standing};

/// How old a plan may be that was made before it was due.
const FRESH: Duration = Duration::from_millis(100);

/// A plan, with what else is known by having made it.
#[derive(Debug)]
pub(super) struct Draft {
    desired: Desired,
    /// Not held, so that whoever changes it need not copy it.
    live: Weak<Live>,
    /// The last line of the journal that was known.
    seq: u64,
    clock_jumped: bool,
    at: Now,
    pub(super) plan: Plan,
    pub(super) standing: Option<Standing>,
    pub(super) next_expiry: Option<Timestamp>,
    pub(super) ending: Vec<Ending>,
}

impl Engine {
    /// A reading that was begun has come to this: plans, if the same could be planned when it is due.
    pub(super) fn begun(&mut self, name: &str, desired: &Desired, now: Now) {
        if self.mode.goal != Goal::Run || !self.idle() || self.stopping.is_some() {
            return;
        }
        let Some(target) = self.targets.get(name).filter(|target| target.has_begun()) else { return };
        let Some(live) = target.remembered(false) else { return };
        let standing = target.standing.clone();
        let draft = self.draft(name, desired, &live, standing, now);
        if let Some(target) = self.targets.get_mut(name) {
            target.draft = draft;
        }
    }

    /// Returns the draft that there is, if it would be the same now.
    pub(super) fn take_draft(
        &mut self,
        name: &str,
        desired: &Desired,
        live: &Arc<Live>,
        now: Now,
    ) -> Option<Draft> {
        let draft = self.targets.get_mut(name)?.draft.take()?;
        let counts = draft.desired == *desired
            && draft.live.ptr_eq(&Arc::downgrade(live))
            && (draft.seq, draft.clock_jumped) == (self.ledger.seq, self.clock_jumped)
            && draft.next_expiry.is_none_or(|at| at > now.wall)
            && now.mono.saturating_sub(draft.at.mono) < FRESH;
        counts.then_some(draft)
    }

    /// Plans, and changes nothing.
    pub(super) fn draft(
        &self,
        name: &str,
        desired: &Desired,
        live: &Arc<Live>,
        mut standing: Option<Standing>,
        now: Now,
    ) -> Option<Draft> {
        let target = self.targets.get(name)?;
        let policy = &target.policy;
        let zone = &policy.timezone;
        let mut memory = self.ledger.memory(name, target.applied.clone());
        memory.clock_jumped = self.clock_jumped;
        memory.not_effective = self.not_effective(policy);
        let both = self.both;
        let plan = if self.mode.goal == Goal::Run {
            plan::plan_again(&both, &mut standing, desired, live, &memory, policy, now)
        } else {
            plan::plan_with(&both, desired, live, &memory, policy, now)
        };
        let expiries = desired.with_until().filter_map(|entry| entry.expires_at(zone));
        Some(Draft {
            desired: desired.clone(),
            live: Arc::downgrade(live),
            seq: self.ledger.seq,
            clock_jumped: self.clock_jumped,
            at: now,
            plan,
            standing,
            next_expiry: expiries.filter(|at| *at > now.wall).min(),
            ending: expiry::ending(desired.with_until(), zone, now.wall),
        })
    }
}
