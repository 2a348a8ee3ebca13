//! What counts for the guards of the last hour: unapproved changes that were made, and those of which nobody knows.
//!
//! Of these, the account is remembered. Whoever is sent to the store again after a crash is one user who loses or gets
//! POP3, and not two; a batch that was interrupted could else not be finished within the hour.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::TargetLedger;
use crate::model::{Access, AccountId};
use crate::plan::memory::GUARD_HOUR;

/// Notes that what was sent may have been made.
pub(super) fn doubt<'a>(
    recent: &mut Vec<(Timestamp, Access)>,
    doubtful: &mut BTreeMap<AccountId, (Timestamp, Access)>,
    at: Timestamp,
    sent: impl IntoIterator<Item = (&'a AccountId, Access)>,
) {
    for (account, to) in sent {
        // A doubt in the other direction counts for itself.
        if let Some((when, before)) = doubtful.insert(account.clone(), (at, to))
            && before != to
        {
            recent.push((when, before));
        }
    }
}

impl TargetLedger {
    /// Nobody knows whether this was made.
    pub(super) fn doubt<'a>(
        &mut self,
        at: Timestamp,
        sent: impl IntoIterator<Item = (&'a AccountId, Access)>,
    ) {
        doubt(&mut self.recent, &mut self.doubtful, at, sent);
    }

    /// Something is on its way to the store. If it was before, it is still one change, whatever became of it then.
    pub(super) fn send(&mut self, account: &AccountId, to: Access) {
        if self.doubtful.get(account).is_some_and(|(_, before)| *before == to) {
            self.doubtful.remove(account);
        }
    }

    /// A batch ended: what is older than an hour counts no more.
    pub(super) fn pass(&mut self, at: Timestamp) {
        self.recent.retain(|(then, _)| at.duration_since(*then) < GUARD_HOUR);
        self.doubtful.retain(|_, (then, _)| at.duration_since(*then) < GUARD_HOUR);
    }
}
