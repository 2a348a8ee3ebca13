//! What somebody's word for an id covers.

use jiff::Timestamp;

use super::memory::{APPROVAL_LASTS, Approval, Doubted};
use super::{Plan, PlanId, Planned};

/// Why a plan does not take an approval.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotApproved {
    /// Neither the plan nor one of its held changes has this id.
    #[error("no plan or held change has the id {0} now")]
    Unknown(PlanId),
    /// It is the plan's id, and nothing waits. Every plan without changes has the same id, so a word for it would
    /// cover others that nobody has seen.
    #[error("there is nothing to approve: plan {0} changes nothing, and no guard stops it")]
    Nothing(PlanId),
}

impl Plan {
    /// Returns the approval of `id` by somebody, at this moment and for this reason.
    pub fn approve(
        &self,
        id: &PlanId,
        by: &str,
        reason: &str,
        now: Timestamp,
    ) -> Result<Approval, NotApproved> {
        let pair = |planned: &Planned| (planned.change.account.clone(), planned.change.to);
        let changes = if *id == self.id {
            self.changes.iter().map(pair).collect()
        } else {
            let held = self.held.iter().find(|held| held.id == *id);
            let held = held.ok_or_else(|| NotApproved::Unknown(id.clone()))?;
            [(held.change.account.clone(), held.change.to)].into()
        };
        let nothing = *id == self.id && self.changes.is_empty();
        if nothing && !self.is_guarded() {
            return Err(NotApproved::Nothing(id.clone()));
        }
        let doubted = Doubted { digest: self.digest, accounts: self.counts.total };
        Ok(Approval {
            plan: id.clone(),
            changes,
            doubted: nothing.then_some(doubted),
            by: by.to_owned(),
            reason: reason.to_owned(),
            until: now + APPROVAL_LASTS,
        })
    }
}
