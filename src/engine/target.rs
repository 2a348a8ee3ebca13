//! What the engine keeps of one target between turns, and when its next turn is due.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::draft::Draft;
use super::expiry::{Ending, Warned};
use super::retry::Backoff;
use super::{Chunks, Start, Watch};
use crate::desired::Desired;
use crate::diagnostic::Diagnostic;
use crate::journal::entry::Record;
use crate::model::{AccountId, Fault, Live, Now, Outcome};
use crate::plan::policy::Policy;
use crate::plan::{Change, Plan, Standing};

/// A desired state in force that the journal does not know yet.
#[derive(Debug)]
pub(super) struct Unsaid {
    /// What is to be written down.
    pub(super) record: Record,
    /// The last one that the journal knows.
    pub(super) before: Option<Desired>,
}

/// Hints that files may have changed.
#[derive(Clone, Copy, Debug)]
struct Hints {
    first: Duration,
    last: Duration,
    /// Whether a reading was begun after the last one.
    begun: bool,
}

#[derive(Debug)]
pub(super) struct Target {
    pub(super) policy: Policy,
    pub(super) chunks: Chunks,
    /// How long a write may take to reach all servers of the store, if it has several.
    pub(super) replication: Option<Duration>,
    /// The desired state in force, and the one that the guards last let pass.
    pub(super) good: Option<Desired>,
    pub(super) applied: Option<Desired>,
    /// That the first is in force, until it stands in the journal.
    pub(super) unsaid: Option<Unsaid>,
    /// The last one in which the policy forbids no entry.
    pub(super) passed: Desired,
    pub(super) commit: Option<String>,
    pub(super) author: Option<String>,
    /// The hints since the last read.
    hints: Option<Hints>,
    pub(super) next_resync: Option<Duration>,
    pub(super) next_refresh: Option<Duration>,
    pub(super) next_expiry: Option<Timestamp>,
    /// Entries whose access ends soon, and who was warned of.
    pub(super) ending: Vec<Ending>,
    pub(super) warned: Warned,
    /// When a window for writes opens that something waits for.
    pub(super) next_window: Option<Timestamp>,
    /// Somebody wants a turn now, with a read of the store.
    pub(super) forced: bool,
    /// The store failed.
    pub(super) store: Option<(Backoff, String)>,
    pub(super) invalid: Option<(Timestamp, Vec<Diagnostic>)>,
    pub(super) moving: Option<(Timestamp, String)>,
    /// Accounts that failed in passing, and those that wait for somebody.
    pub(super) retries: BTreeMap<AccountId, Backoff>,
    pub(super) parked: BTreeMap<AccountId, Fault>,
    pub(super) plan: Option<Arc<Plan>>,
    /// The store as it was read last, with what was written since; nothing once that is not certain.
    pub(super) live: Option<Arc<Live>>,
    /// What the last plan of it leaves for the next one.
    pub(super) standing: Option<Standing>,
    /// A plan that was made before it is due.
    pub(super) draft: Option<Draft>,
    /// How many of its changes were made since it was planned: disabled, enabled.
    pub(super) made: (u64, u64),
    /// The id of the plan last told as blocked.
    pub(super) told_blocked: Option<String>,
    /// Everything that was sent since the engine started, for a goal that ends.
    pub(super) outcomes: Vec<(Change, Outcome)>,
    /// Turns taken; a goal that ends plans again at most three times.
    pub(super) turns: u32,
    /// The store asked for a pause before what it refused in passing is sent again.
    pub(super) pause: Option<Duration>,
    pub(super) finished: bool,
    pub(super) declined: bool,
    /// Which directory servers answered last, of a store that keeps to them.
    pub(super) servers: Option<BTreeMap<String, String>>,
}

impl Target {
    pub(super) fn new(start: Start, reads: bool, daemon: bool, now: Now) -> Self {
        let mut policy = start.policy;
        policy.guards.first_contact &= daemon;
        Self {
            policy,
            chunks: Chunks { size: start.chunks.size.max(1), ..start.chunks },
            replication: start.replication,
            good: start.good,
            applied: start.applied,
            unsaid: None,
            passed: Desired::default(),
            commit: None,
            author: None,
            hints: None,
            next_resync: None,
            next_refresh: reads.then_some(now.mono),
            next_expiry: None,
            ending: Vec::new(),
            warned: Warned::default(),
            next_window: None,
            forced: reads,
            store: None,
            invalid: None,
            moving: None,
            retries: BTreeMap::new(),
            parked: BTreeMap::new(),
            plan: None,
            live: None,
            standing: None,
            draft: None,
            made: (0, 0),
            told_blocked: None,
            outcomes: Vec::new(),
            turns: 0,
            pause: None,
            finished: !reads,
            declined: false,
            servers: None,
        }
    }

    /// Takes a hint that files may have changed.
    pub(super) fn hint(&mut self, now: Now) {
        let first = self.hints.map_or(now.mono, |hints| hints.first);
        self.hints = Some(Hints { first, last: now.mono, begun: false });
    }

    /// Hints up to here are being looked at. Tells whether a reading was begun after the last one.
    pub(super) fn looking(&mut self) -> bool {
        self.hints.take().is_some_and(|hints| hints.begun)
    }

    /// When a reading is to begin, which counts if it stays quiet: after half of the quiet.
    pub(super) fn begins(&self, watch: Watch) -> Option<Duration> {
        let hints = self.hints.filter(|hints| !hints.begun && !self.finished)?;
        Some(hints.last + watch.quiet / 2)
    }

    /// Tells whether a reading was begun that counts so far.
    pub(super) fn has_begun(&self) -> bool {
        self.hints.is_some_and(|hints| hints.begun)
    }

    /// Tells whether a reading begins now.
    pub(super) fn begin(&mut self, watch: Watch, now: Now) -> bool {
        let begins = self.begins(watch).is_some_and(|at| at <= now.mono);
        self.hints.iter_mut().for_each(|hints| hints.begun |= begins);
        begins
    }

    /// What could not be written down is not in force: nothing was done for its sake yet.
    pub(super) fn take_back(&mut self) {
        if let Some(unsaid) = self.unsaid.take() {
            self.good = unsaid.before;
            self.standing = None;
        }
    }

    /// Asks for another turn without waiting for anything.
    pub(super) fn again(&mut self) {
        self.forced = true;
    }

    /// When the next turn is due, on the monotonic clock.
    pub(super) fn due(&self, watch: Watch, now: Now) -> Option<Duration> {
        if self.finished {
            return None;
        }
        let hinted = self.hints.map(|hints| (hints.last + watch.quiet).min(hints.first + watch.max_wait));
        let forced = self.forced.then_some(now.mono);
        let due = [hinted, forced, self.next_resync, self.live_due(now)].into_iter().flatten().min()?;
        // Hints never shorten a back-off of the store, nor a pause that it asked for.
        let due = due.max(self.pause.unwrap_or_default());
        Some(self.store.as_ref().map_or(due, |(backoff, _)| due.max(backoff.due)))
    }

    /// When the store is to be read again, whatever the files say.
    pub(super) fn live_due(&self, now: Now) -> Option<Duration> {
        let on_the_wall =
            |at: Timestamp| now.mono + Duration::try_from(at.duration_since(now.wall)).unwrap_or_default();
        let retry = self.retries.values().map(|backoff| backoff.due).min();
        let backoff = self.store.as_ref().map(|(backoff, _)| backoff.due);
        [
            self.next_refresh,
            self.next_expiry.map(on_the_wall),
            self.next_window.map(on_the_wall),
            retry,
            backoff,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// There is no state in force, perhaps not any more: nothing that a state wanted is due before the next look.
    pub(super) fn nothing_in_force(&mut self, next: Duration) {
        self.next_refresh = Some(next);
        (self.next_expiry, self.next_window, self.store) = (None, None, None);
        self.retries.clear();
    }

    /// Tells whether the store is to be read now, whatever the files say.
    pub(super) fn needs_live(&self, now: Now) -> bool {
        self.forced || self.plan.is_none() || self.live_due(now).is_some_and(|due| due <= now.mono)
    }

    /// Tells whether an account may be written in this turn.
    pub(super) fn may_write(&self, account: &AccountId, now: Now) -> bool {
        !self.parked.contains_key(account)
            && self.retries.get(account).is_none_or(|backoff| backoff.due <= now.mono)
    }
}
