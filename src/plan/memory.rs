//! What the planner remembers of a target: the folded journal, as far as planning needs it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::policy::Rules;
use super::{Note, PlanId};
use crate::desired::{Desired, EntryRef};
use crate::model::{Access, AccountId, Counts, Digest};

/// How long the guards remember a change.
pub const GUARD_HOUR: SignedDuration = SignedDuration::from_hours(1);

/// How long an approval is valid.
pub const APPROVAL_LASTS: SignedDuration = SignedDuration::from_hours(24);

/// What is remembered of one target. The default is a target never seen before.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// The last desired state that the guards let pass, with what is known of it.
    pub applied: Option<Applied>,
    /// Which account a folded name meant when it was first resolved. Names that are the account's id are left out.
    pub bindings: Arc<BTreeMap<String, AccountId>>,
    /// Counts of the last live state in scope.
    pub counts: Option<Counts>,
    /// Approvals, also expired ones.
    pub approvals: Vec<Approval>,
    /// Changes that no approval named: when, and in which direction.
    pub recent: Vec<(Timestamp, Access)>,
    /// The same of changes of which nobody knows whether they were made.
    pub doubtful: BTreeMap<AccountId, (Timestamp, Access)>,
    /// Whether popgate has met this store before.
    pub contact: bool,
    /// Whether the wall clock jumped, so that expiries cannot be trusted.
    pub clock_jumped: bool,
    /// What is written and not effective yet.
    pub not_effective: Vec<Note>,
    /// The policy under which the last plan was made true, where that is known.
    pub rules: Option<Rules>,
}

/// The last desired state that the guards let pass.
#[derive(Clone, Debug)]
pub struct Applied {
    /// The state itself.
    pub desired: Desired,
    /// When it was last found satisfied, except for what `except` names.
    pub at: Timestamp,
    /// Folded names of entries that were not satisfied.
    pub except: BTreeSet<String>,
    /// Those of them whose `until` was accepted before its day, and is over without having been acted on yet.
    pub accepted: BTreeSet<String>,
}

/// Somebody's word that these changes may be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// The plan, or the single held change, that was approved.
    pub plan: PlanId,
    /// The changes it names that are not made yet.
    pub changes: BTreeSet<(AccountId, Access)>,
    /// What the guards doubted, when the plan had no changes that could be named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubted: Option<Doubted>,
    /// Who approved.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When it expires.
    pub until: Timestamp,
}

/// What an approval of a plan without changes is bound to: every such plan has the same id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doubted {
    /// The desired state.
    pub digest: Digest,
    /// How many accounts the store listed.
    pub accounts: u64,
}

impl Memory {
    /// Tells whether a valid approval names this change.
    pub fn approves(&self, account: &AccountId, to: Access, now: Timestamp) -> bool {
        let pair = (account.clone(), to);
        self.valid(now).any(|approval| approval.changes.contains(&pair))
    }

    /// Tells whether one valid approval names every change of this plan; a plan without changes, by what was doubted.
    /// What was made is not in an approval any more, so the same plan tomorrow needs a new one.
    pub fn approves_all(&self, doubted: Doubted, changes: &[(&AccountId, Access)], now: Timestamp) -> bool {
        self.valid(now).any(|approval| {
            let named =
                |(account, to): &(&AccountId, Access)| approval.changes.contains(&((*account).clone(), *to));
            if changes.is_empty() { approval.doubted == Some(doubted) } else { changes.iter().all(named) }
        })
    }

    /// Returns the entry of this name as it was when it was last satisfied.
    pub fn satisfied(&self, folded: &str) -> Option<EntryRef<'_>> {
        let applied = self.applied.as_ref()?;
        if applied.except.contains(folded) { None } else { applied.desired.get(folded) }
    }

    /// Counts the unapproved changes of the last hour in one direction, but for those in doubt that are planned again.
    pub fn recent(&self, to: Access, now: Timestamp, is_planned: impl Fn(&AccountId) -> bool) -> u64 {
        let since = now - GUARD_HOUR;
        let counts = |at: Timestamp, direction| at > since && direction == to;
        let made = self.recent.iter().filter(|(at, direction)| counts(*at, *direction)).count();
        let doubtful = self
            .doubtful
            .iter()
            .filter(|(account, (at, direction))| counts(*at, *direction) && !is_planned(account));
        (made + doubtful.count()) as u64
    }

    fn valid(&self, now: Timestamp) -> impl Iterator<Item = &Approval> {
        self.approvals.iter().filter(move |approval| approval.until > now)
    }
}
