//! Restarts that are owed: when one is due, and what proves that it happened. Pure arithmetic.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::window::{Kind, Windows};
use crate::journal::entry::Proof;
use crate::journal::fold::Debt;
use crate::model::Now;
use crate::plan::policy::RestartPolicy;
use crate::services::{Condition, Observed};

/// How far a service's own measure of its age may be off, whatever the age.
const AGE_TOLERANCE: Duration = Duration::from_secs(2);

/// One part in so many by which two clocks may drift apart. Ordinary ones are five times better.
const DRIFT: u32 = 2_000;

/// When a debt's writes were, on this process's monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Writes {
    /// When the restart may wait no longer for a quiet time. Not the moment of the first write itself, which may lie
    /// before the beginning of this clock.
    pub(super) latest: Duration,
    pub(super) last: Duration,
    /// Whether this process saw the last write end, so that ages may be compared with it.
    pub(super) seen: bool,
}

impl Writes {
    /// What is known of a debt that an earlier process left behind: the quiet time starts anew, so that its
    /// interrupted batch can be finished first, but the longest delay counts from the first write.
    pub(super) fn inherited(debt: &Debt, policy: &RestartPolicy, now: Now) -> Self {
        let age = Duration::try_from(now.wall.duration_since(debt.since)).unwrap_or_default();
        Self { latest: now.mono + policy.max_delay.saturating_sub(age), last: now.mono, seen: false }
    }
}

/// When a restart is due, on the monotonic clock; `None` when no window ever opens.
///
/// `max(min(last_write + quiet, first_write + max_delay), last_restart + min_interval, next open window)`; `rested`
/// is the end of `min_interval`.
pub(super) fn due(
    writes: Writes,
    rested: Option<Duration>,
    policy: &RestartPolicy,
    windows: &Windows,
    now: Now,
) -> Option<Duration> {
    let calm = (writes.last + policy.quiet).min(writes.latest);
    opened(calm.max(rested.unwrap_or_default()), windows, now)
}

/// The same without waiting for quiet and interval: `apply --restart now`.
pub(super) fn due_at_once(windows: &Windows, now: Now) -> Option<Duration> {
    opened(now.mono, windows, now)
}

fn opened(earliest: Duration, windows: &Windows, now: Now) -> Option<Duration> {
    let wait = earliest.saturating_sub(now.mono);
    let at = now.wall.checked_add(SignedDuration::try_from(wait).ok()?).ok()?;
    let open = windows.next_open(Kind::Restarts, at)?;
    let further = Duration::try_from(open.duration_since(at)).unwrap_or_default();
    Some(earliest.max(now.mono) + further)
}

/// What an observation proves about a debt, if anything. No clocks are compared: an identity other than the one
/// after the last write, or an age shorter than the time since the last write, both measured on one clock each.
/// `asked` is when the look began: its answer may have been on the way for long, and the age in it is older then.
pub(super) fn proof(debt: &Debt, seen: &Observed, writes: Writes, asked: Duration) -> Option<Proof> {
    if seen.condition == Condition::Stopped {
        return (!debt.halted).then_some(Proof::Stopped);
    }
    if seen.condition == Condition::Changing {
        return None;
    }
    if debt.anchor.as_ref().is_some_and(|anchor| anchor.condition == Condition::Stopped) {
        // It was stopped after the last write and is not any more, so this run began after it.
        return Some(match &seen.identity {
            Some(now) => Proof::NewIdentity { before: "stopped".to_owned(), now: now.clone() },
            None => Proof::Stopped,
        });
    }
    let before = debt.anchor.as_ref().and_then(|anchor| anchor.identity.as_ref());
    if let (Some(before), Some(after)) = (before, &seen.identity)
        && before != after
    {
        return Some(Proof::NewIdentity { before: before.clone(), now: after.clone() });
    }
    let since = asked.saturating_sub(writes.last);
    match seen.age {
        Some(age) if writes.seen && age + AGE_TOLERANCE + since / DRIFT < since => {
            Some(Proof::Younger { age_ms: millis(age), write_ms: millis(since) })
        }
        _ => None,
    }
}

/// Tells whether a run of this age certainly began before `moment`.
pub(super) fn is_older(age: Duration, moment: Duration, now: Now) -> bool {
    age > now.mono.saturating_sub(moment) + AGE_TOLERANCE
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Turns a monotonic moment into a wall-clock one, for a person.
pub(super) fn on_the_wall(mono: Duration, now: Now) -> Timestamp {
    let ahead = SignedDuration::try_from(mono.saturating_sub(now.mono)).unwrap_or(SignedDuration::MAX);
    now.wall.checked_add(ahead).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
