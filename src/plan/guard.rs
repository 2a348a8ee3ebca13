//! Guards: the rules that refuse a dangerous plan until somebody approves it.

use std::collections::HashSet;

use super::memory::{Doubted, Memory};
use super::policy::{OnBlocked, Policy};
use super::{Cause, Planned};
use crate::desired::Desired;
use crate::model::{Access, Counts, Now};

/// The rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guard {
    /// The first batch against a store that popgate did not create.
    FirstContact,
    /// Nothing is listed, though the last applied state had entries.
    Empty,
    /// A file, or all together, lost too large a part of its entries.
    ShrunkInput,
    /// The store lists far fewer accounts than last time.
    ShrunkLive,
    /// The store could not read too many accounts.
    Unreadable,
    /// Too many accounts would lose POP3.
    MaxDisable,
    /// Too many accounts would gain POP3.
    MaxEnable,
    /// Too many changes at once.
    MaxChanges,
    /// The wall clock jumped, so expiries cannot be trusted.
    Clock,
}

impl Guard {
    /// Returns the name used in settings and reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::FirstContact => "first_contact",
            Self::Empty => "empty",
            Self::ShrunkInput => "shrunk_input",
            Self::ShrunkLive => "shrunk_live",
            Self::Unreadable => "unreadable",
            Self::MaxDisable => "max_disable",
            Self::MaxEnable => "max_enable",
            Self::MaxChanges => "max_changes",
            Self::Clock => "clock",
        }
    }

    /// Tells whether this guard doubts the input as a whole rather than the number of changes.
    pub fn doubts_input(self) -> bool {
        matches!(
            self,
            Self::FirstContact | Self::Empty | Self::ShrunkInput | Self::ShrunkLive | Self::Unreadable
        )
    }
}

/// What one guard says of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Which rule.
    pub guard: Guard,
    /// What was measured: changes, or per cent for the guards that compare with an earlier count.
    pub value: u64,
    /// The largest value that passes.
    pub limit: u64,
    /// Whether it stops anything.
    pub tripped: bool,
    /// Whether the rule could be looked at; one that lacks its memory is not "ok".
    pub evaluated: bool,
    /// What was measured, in words, where a number does not say it.
    pub detail: Option<String>,
}

pub(super) fn judge(
    changes: &mut [Planned],
    desired: &Desired,
    memory: &Memory,
    policy: &Policy,
    counts: Counts,
    now: Now,
) -> Vec<Verdict> {
    let limits = policy.guards;
    let pairs: Vec<_> = changes.iter().map(|planned| (&planned.change.account, planned.change.to)).collect();
    let doubted = Doubted { digest: desired.digest(), accounts: counts.total };
    let approved = memory.approves_all(doubted, &pairs, now.wall);
    let unapproved = |to: Access| {
        changes
            .iter()
            .filter(move |planned| planned.counted && !planned.approved && planned.change.to == to)
            .map(|planned| &planned.change.account)
    };
    let recent = |to| {
        // Most of the time nothing is in doubt.
        let doubtful = !memory.doubtful.is_empty();
        let planned: HashSet<_> = unapproved(to).take_while(|_| doubtful).collect();
        memory.recent(to, now.wall, |account| planned.contains(account))
    };
    let (lately_disabled, lately_enabled) = (recent(Access::Disabled), recent(Access::Enabled));
    let count = |to| unapproved(to).count() as u64;
    let (disabling, enabling) = (count(Access::Disabled), count(Access::Enabled));
    let mut verdicts = vec![
        first_contact(changes, memory, policy, approved),
        empty(desired, memory, approved),
        shrunk_input(desired, memory, limits.shrunk_input, approved),
        shrunk_live(counts, memory, limits.shrunk_live, approved),
        unreadable(counts, limits.unreadable, approved),
        share(Guard::MaxDisable, disabling, lately_disabled, limits.max_disable.of(counts.enabled)),
        share(Guard::MaxEnable, enabling, lately_enabled, limits.max_enable.of(counts.total)),
        share(Guard::MaxChanges, disabling + enabling, 0, limits.max_changes),
    ];
    let is_expiry = |planned: &Planned| matches!(planned.change.cause, Cause::Expired(_));
    if memory.clock_jumped {
        let value = changes.iter().filter(|planned| is_expiry(planned) && !planned.approved).count() as u64;
        verdicts.push(Verdict {
            detail: Some(
                "the wall clock jumped by more than a day, or the journal is that far ahead of it".to_owned(),
            ),
            ..verdict(Guard::Clock, value, 0, value > 0)
        });
    }
    let any = verdicts.iter().any(|verdict| verdict.tripped);
    for planned in changes.iter_mut().filter(|planned| !planned.approved) {
        let disables = planned.change.to == Access::Disabled;
        let expires = is_expiry(planned);
        planned.waits = any && policy.on_blocked == OnBlocked::All
            || verdicts.iter().filter(|verdict| verdict.tripped).any(|verdict| match verdict.guard {
                Guard::MaxEnable => !disables,
                Guard::MaxChanges => !disables || disabling > limits.max_changes,
                Guard::Clock => expires,
                _ => true,
            });
    }
    verdicts
}

fn verdict(guard: Guard, value: u64, limit: u64, tripped: bool) -> Verdict {
    Verdict { guard, value, limit, tripped, evaluated: true, detail: None }
}

fn share(guard: Guard, value: u64, recent: u64, limit: u64) -> Verdict {
    // Nothing to do is never too much, whatever happened in the last hour.
    let tripped = value > 0 && value + recent > limit;
    let detail = (recent > 0).then(|| format!("{recent} of them in the last hour"));
    Verdict { detail, ..verdict(guard, value + recent, limit, tripped) }
}

fn first_contact(changes: &[Planned], memory: &Memory, policy: &Policy, approved: bool) -> Verdict {
    let strange = !memory.contact && !policy.own_store && policy.guards.first_contact;
    let value = if strange { changes.len() as u64 } else { 0 };
    verdict(Guard::FirstContact, value, 0, value > 0 && !approved)
}

fn empty(desired: &Desired, memory: &Memory, approved: bool) -> Verdict {
    let Some(applied) = &memory.applied else { return not_evaluated(Guard::Empty, 0) };
    let lost = if desired.is_empty() { applied.desired.len() as u64 } else { 0 };
    verdict(Guard::Empty, lost, 0, lost > 0 && !approved)
}

/// Compares each file, and all together, with the last applied state; says which lost most.
fn shrunk_input(desired: &Desired, memory: &Memory, limit: u8, approved: bool) -> Verdict {
    let limit = u64::from(limit);
    let Some(applied) = &memory.applied else { return not_evaluated(Guard::ShrunkInput, limit) };
    let mut worst = (lost(applied.desired.len(), desired.len()), "all files together".to_owned());
    for (path, before, mut kept) in desired.counts_since(&applied.desired) {
        // A file that moved or was split lost nothing as long as its users are still listed somewhere.
        if lost(before, kept) > limit {
            kept = applied.desired.of_file(path).filter(|entry| desired.get(entry.name).is_some()).count();
        }
        let share = lost(before, kept);
        if share > worst.0 {
            worst = (share, path.to_owned());
        }
    }
    let (value, place) = worst;
    let detail = (value > 0).then(|| format!("{place} lost {value} % of the entries"));
    Verdict { detail, ..verdict(Guard::ShrunkInput, value, limit, value > limit && !approved) }
}

/// Per cent lost, rounded up, so that a limit of 50 lets exactly half go and not one more.
fn lost(before: usize, after: usize) -> u64 {
    if before == 0 { 0 } else { (before.saturating_sub(after) as u64 * 100).div_ceil(before as u64) }
}

fn shrunk_live(counts: Counts, memory: &Memory, limit: u8, approved: bool) -> Verdict {
    let limit = u64::from(limit);
    let Some(before) = memory.counts else { return not_evaluated(Guard::ShrunkLive, limit) };
    let value = if before.total == 0 {
        0
    } else {
        (before.total.saturating_sub(counts.total) * 100).div_ceil(before.total)
    };
    verdict(Guard::ShrunkLive, value, limit, value > limit && !approved)
}

fn unreadable(counts: Counts, limit: u8, approved: bool) -> Verdict {
    let limit = u64::from(limit);
    let value = if counts.total == 0 { 0 } else { (counts.unreadable * 100).div_ceil(counts.total) };
    verdict(Guard::Unreadable, value, limit, value > limit && !approved)
}

fn not_evaluated(guard: Guard, limit: u64) -> Verdict {
    Verdict { evaluated: false, ..verdict(guard, 0, limit, false) }
}
