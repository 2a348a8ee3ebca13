//! The elements of the arrays of a JSON plan. Field names and their order are the contract.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Serialize, Serializer};

use super::super::shown::Unlisted;
use super::super::text::{self, Places};
use crate::model::{Access, AccountId, Origin, Severity};
use crate::plan::policy::Action;
use crate::plan::{
    Base, Blocked, BlockedBecause, Due, Effect, Held, HeldBecause, Note, Plan, Planned, Provenance, Taken,
    Verdict,
};

/// A sequence that is made while it is written.
pub(in super::super) struct Each<F>(F);

pub(in super::super) fn each<I: Iterator<Item: Serialize>, F: Fn() -> I>(items: F) -> Each<F> {
    Each(items)
}

impl<I: Iterator<Item: Serialize>, F: Fn() -> I> Serialize for Each<F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((self.0)())
    }
}

/// Where an entry stands; all `null` where no entry is meant.
#[derive(Serialize)]
struct Place<'a> {
    file: Option<&'a str>,
    line: Option<u32>,
    column: Option<u32>,
}

impl<'a> Place<'a> {
    fn new(origin: Option<&'a Origin>) -> Self {
        Self {
            file: origin.map(|origin| origin.file.as_str()),
            line: origin.map(|origin| origin.line),
            column: origin.map(|origin| origin.column),
        }
    }
}

#[derive(Serialize)]
pub(super) struct ChangeRow<'a> {
    account: &'a str,
    name: &'a str,
    from: &'static str,
    to: Access,
    cause: &'static str,
    #[serde(flatten)]
    place: Place<'a>,
    until: Option<Date>,
    reason: Option<&'a str>,
    waits: bool,
    approved: bool,
    provenance: Option<&'static str>,
}

impl<'a> ChangeRow<'a> {
    pub(super) fn new(planned: &'a Planned) -> Self {
        let change = &planned.change;
        Self {
            account: change.account.as_str(),
            name: &change.name,
            from: change.from.word(),
            to: change.to,
            cause: change.cause.word(),
            place: Place::new(change.cause.origin()),
            until: planned.until,
            reason: planned.reason.as_deref(),
            waits: planned.waits,
            approved: planned.approved,
            provenance: planned.provenance.map(Provenance::word),
        }
    }
}

/// What the changes were compared with; counts are `null` when nothing could be.
#[derive(Serialize)]
pub(super) struct BaseRow<'a> {
    revision: &'a str,
    commit: &'a str,
    branch: Option<u64>,
    pending: Option<u64>,
    drift: Option<u64>,
    unsorted: Option<&'a str>,
}

impl<'a> BaseRow<'a> {
    pub(super) fn new(base: &'a Base, plan: &Plan) -> Self {
        let count = |from| base.unsorted.is_none().then(|| plan.coming_from(from));
        Self {
            revision: &base.revision,
            commit: &base.commit,
            branch: count(Provenance::Branch),
            pending: count(Provenance::Pending),
            drift: count(Provenance::Drift),
            unsorted: base.unsorted.as_deref(),
        }
    }
}

/// The snapshot that stood in for the store.
#[derive(Serialize)]
pub(super) struct SnapshotRow {
    taken_at: Timestamp,
    age_seconds: u64,
}

impl SnapshotRow {
    pub(super) fn new(taken: Taken) -> Self {
        Self { taken_at: taken.at, age_seconds: taken.age_s }
    }
}

#[derive(Serialize)]
pub(super) struct HeldRow<'a> {
    id: &'a str,
    account: &'a str,
    name: &'a str,
    from: &'static str,
    to: Access,
    why: &'static str,
    was: Option<&'a str>,
    #[serde(flatten)]
    place: Place<'a>,
}

impl<'a> HeldRow<'a> {
    pub(super) fn new(held: &'a Held) -> Self {
        let (why, was) = match &held.why {
            HeldBecause::DriftLeft => ("drift_left", None),
            HeldBecause::Rebound { was } => ("rebound", Some(was.as_str())),
        };
        Self {
            id: held.id.as_str(),
            account: held.change.account.as_str(),
            name: &held.change.name,
            from: held.change.from.word(),
            to: held.change.to,
            why,
            was,
            place: Place::new(held.change.cause.origin()),
        }
    }
}

#[derive(Serialize)]
pub(super) struct BlockedRow<'a> {
    name: &'a str,
    #[serde(flatten)]
    place: Place<'a>,
    why: &'static str,
    /// The accounts that the name could mean, means now, or means in other entries, too.
    accounts: Vec<Candidate<'a>>,
    others: Vec<Other<'a>>,
    was: Option<&'a str>,
    pattern: Option<&'a str>,
    approve: Option<&'a str>,
    message: String,
    help: String,
}

#[derive(Serialize)]
struct Candidate<'a> {
    account: Option<&'a str>,
    name: Option<&'a str>,
}

#[derive(Serialize)]
struct Other<'a> {
    name: &'a str,
    #[serde(flatten)]
    place: Place<'a>,
}

impl<'a> BlockedRow<'a> {
    pub(super) fn new(blocked: &'a Blocked) -> Self {
        let (message, help) = text::blocked(blocked, Places::WITHIN);
        let mut row = Self {
            name: &blocked.name,
            place: Place::new(Some(&blocked.origin)),
            why: "",
            accounts: Vec::new(),
            others: Vec::new(),
            was: None,
            pattern: None,
            approve: None,
            message,
            help,
        };
        row.why = match &blocked.why {
            BlockedBecause::Ambiguous(candidates) => {
                let candidate = |(account, name): &'a (AccountId, String)| Candidate {
                    account: Some(account.as_str()),
                    name: Some(name),
                };
                row.accounts = candidates.iter().map(candidate).collect();
                "ambiguous"
            }
            BlockedBecause::Doubled(account, others) => {
                row.accounts = vec![Candidate { account: None, name: Some(account) }];
                let other =
                    |(name, origin): &'a (String, Origin)| Other { name, place: Place::new(Some(origin)) };
                row.others = others.iter().map(other).collect();
                "doubled"
            }
            BlockedBecause::Rebound { was, now, approve } => {
                row.accounts = vec![Candidate { account: Some(now.as_str()), name: None }];
                row.was = Some(was.as_str());
                row.approve = Some(approve.as_str());
                "rebound"
            }
            BlockedBecause::Ignored(pattern) => {
                row.pattern = Some(pattern);
                "ignored"
            }
            BlockedBecause::Protected(pattern) => {
                row.pattern = Some(pattern);
                "protected"
            }
        };
        row
    }
}

#[derive(Serialize)]
pub(super) struct NoteRow<'a> {
    kind: &'static str,
    severity: Severity,
    message: String,
    name: Option<&'a str>,
    #[serde(flatten)]
    place: Place<'a>,
    wanted: Option<Access>,
    suggestion: Option<&'a str>,
    state: Option<&'static str>,
    why: Option<&'a str>,
    service: Option<&'a str>,
    names: &'a [String],
}

impl<'a> NoteRow<'a> {
    pub(super) fn new(note: &'a Note, plan: &Plan) -> Self {
        let (severity, message) = text::note(note, plan, Places::WITHIN);
        let mut row = Self {
            kind: "",
            severity,
            message,
            name: None,
            place: Place::new(None),
            wanted: None,
            suggestion: None,
            state: None,
            why: None,
            service: None,
            names: &[],
        };
        row.kind = match note {
            Note::Missing { name, origin, wanted, suggestion } => {
                row.name = Some(name);
                row.place = Place::new(Some(origin));
                row.wanted = Some(*wanted);
                row.suggestion = suggestion.as_deref();
                "missing"
            }
            Note::Unreadable { name, why, origin } => {
                row.name = Some(name);
                row.place = Place::new(origin.as_ref());
                row.why = Some(why);
                "unreadable"
            }
            Note::Released { name, state } => {
                row.name = Some(name);
                row.state = Some(state.word());
                "released"
            }
            Note::FirstContact => "first_contact",
            Note::NotEffective { service, names } => {
                row.service = Some(service);
                row.names = names;
                "not_effective"
            }
            Note::WritesClosed { .. } => "writes_closed",
            Note::PolicyChanged(changed) => {
                row.name = Some(&changed.rule);
                "policy_changed"
            }
        };
        row
    }
}

#[derive(Serialize)]
pub(super) struct UnlistedRow<'a> {
    account: &'a str,
    name: &'a str,
    state: &'static str,
}

impl<'a> UnlistedRow<'a> {
    pub(super) fn new(one: &'a Unlisted) -> Self {
        Self { account: one.account.as_str(), name: &one.name, state: one.state.word() }
    }
}

#[derive(Serialize)]
pub(super) struct GuardRow {
    name: &'static str,
    value: u64,
    limit: u64,
    tripped: bool,
    evaluated: bool,
    /// `null` for a guard that was looked at and stops nothing.
    message: Option<String>,
}

impl GuardRow {
    pub(super) fn new(verdict: &Verdict) -> Self {
        Self {
            name: verdict.guard.word(),
            value: verdict.value,
            limit: verdict.limit,
            tripped: verdict.tripped,
            evaluated: verdict.evaluated,
            message: (verdict.tripped || !verdict.evaluated).then(|| text::verdict(verdict)),
        }
    }
}

#[derive(Serialize)]
pub(super) struct EffectRow<'a> {
    service: &'a str,
    action: &'static str,
    restarts: u64,
    due: Option<Timestamp>,
    disabled: u64,
}

impl<'a> EffectRow<'a> {
    pub(super) fn new(effect: &'a Effect) -> Self {
        Self {
            service: &effect.service,
            action: match effect.action {
                Action::None => "none",
                Action::Restart => "restart",
                Action::Reload => "reload",
                Action::FlushAndEndSessions => "flush_and_end_sessions",
                Action::Command => "command",
                Action::Manual => "manual",
                Action::Announce => "announce",
            },
            restarts: effect.restarts,
            due: match effect.due {
                Due::At(due) => Some(due),
                Due::Never => None,
            },
            disabled: effect.disabled,
        }
    }
}
