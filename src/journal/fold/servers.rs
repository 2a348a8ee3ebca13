//! Which directory servers a store keeps to, and what was written on them lately.

use jiff::{SignedDuration, Timestamp};

use super::TargetLedger;
use crate::model::{Access, AccountId};

/// How long a write is remembered for the case that another server answers: longer than any replication.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(6);

impl TargetLedger {
    /// Other servers answer from now on.
    pub(super) fn pin(&mut self, at: Timestamp, servers: &[(String, String)]) {
        self.servers = servers.iter().cloned().collect();
        let written = std::mem::take(&mut self.written);
        self.elsewhere.extend(written);
        self.elsewhere.retain(|_, (when, _)| *when > at - REMEMBERED);
    }

    /// An account was written, of a store that keeps to its servers.
    pub(super) fn wrote(&mut self, at: Timestamp, account: &AccountId, to: Access) {
        if !self.servers.is_empty() {
            self.elsewhere.remove(account);
            self.written.insert(account.clone(), (at, to));
        }
    }

    /// A batch ended: writes of long ago have reached every server.
    pub(super) fn forget(&mut self, at: Timestamp) {
        self.written.retain(|_, (when, _)| *when > at - REMEMBERED);
    }
}
