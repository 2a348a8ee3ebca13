//! What an engine says of itself: plain data for `status`, the control socket and metrics.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::debt::on_the_wall;
use super::{Engine, Goal};
use crate::desired::Desired;
use crate::journal::fold::{BatchSummary, Ledger, ServiceLedger, Settlement, Suspension};
use crate::model::{Counts, Now, Outcome};
use crate::plan::{HeldBecause, Note, Plan};
use crate::services::Instance;

/// The state of everything at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Whether a daemon said this; otherwise it is read off the journal.
    pub live: bool,
    /// Each target.
    pub targets: Vec<TargetStatus>,
    /// Each service.
    pub services: Vec<ServiceStatus>,
    /// Who stopped all writing.
    pub suspended: Option<Suspension>,
    /// Why the journal cannot be written.
    pub journal: Option<String>,
}

/// The state of one target.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TargetStatus {
    /// Its name.
    pub name: String,
    /// The digest in force, short.
    pub digest: Option<String>,
    /// The git commit in force.
    pub commit: Option<String>,
    /// Whether a look that was asked for, or a batch, is not over yet.
    #[serde(default)]
    pub busy: bool,
    /// Whether everything is as desired, nothing waits and nothing failed.
    pub converged: bool,
    /// Since when the desired directory has errors, and how many.
    pub invalid: Option<(Timestamp, usize)>,
    /// Since when files keep changing while they are read.
    pub moving: Option<Timestamp>,
    /// Why the store cannot be read.
    pub store: Option<String>,
    /// Whether something waits for a window for writes.
    #[serde(default)]
    pub closed: bool,
    /// When that window opens; `None` if it never does.
    #[serde(default)]
    pub opens: Option<Timestamp>,
    /// The last plan, if it wants anything.
    pub plan: Option<PlanStatus>,
    /// Counts of the last live state.
    pub counts: Option<Counts>,
    /// The last batch.
    pub last_batch: Option<BatchSummary>,
    /// Accounts whose writing failed and is tried again.
    pub retrying: usize,
    /// Accounts whose writing failed and waits for somebody.
    pub parked: usize,
    /// When the next `until` ends.
    pub next_expiry: Option<Timestamp>,
    /// Users whose access ends within 14 days, with their last day, the first to end first.
    #[serde(default)]
    pub expiring: Vec<(String, jiff::civil::Date)>,
}

/// What a plan waits for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PlanStatus {
    /// Its id.
    pub id: String,
    /// Accounts that would gain POP3.
    pub enable: u64,
    /// Accounts that would lose POP3.
    pub disable: u64,
    /// Entries that are blocked one by one.
    pub blocked: u64,
    /// Changes that need an approval of their own, but for those of `drift`.
    pub held: usize,
    /// Accounts that were changed by hand and are left alone.
    #[serde(default)]
    pub drift: usize,
    /// The guards that tripped, with value and limit.
    pub guards: Vec<(String, u64, u64)>,
}

/// The state of one service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// Its name.
    pub name: String,
    /// Restarts that are owed.
    pub owed: Vec<OwedStatus>,
    /// The last proven restart of each instance.
    pub settled: Vec<Settlement>,
    /// Instances that restarted and do not serve, with the reason.
    pub unready: Vec<(Instance, String)>,
    /// Whether the settings do not name it any more, so that nobody restarts it.
    #[serde(default)]
    pub unknown: bool,
}

/// What becomes of a restart that is owed by a service that the settings do not name any more.
pub const UNKNOWN: &str = "the settings do not name this service any more; put it back, or restart it by hand and say \
                           `popgate restart --done`";

/// One restart that is owed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OwedStatus {
    /// Who owes it.
    pub instance: Instance,
    /// When the first write began.
    pub since: Timestamp,
    /// When it is due; `None` when that is not known, or no window ever opens.
    pub due: Option<Timestamp>,
    /// Whether it could have happened and did not.
    pub overdue: bool,
    /// How many accounts it concerns.
    pub accounts: usize,
    /// Names of accounts that lost POP3 and may still use it until then.
    pub not_effective: Vec<String>,
    /// What the last attempt failed with.
    pub failure: Option<String>,
    /// Why it waits for what was written to arrive where the instance reads, and until when at the latest.
    #[serde(default)]
    pub arriving: Option<(String, Timestamp)>,
}

impl Engine {
    /// Says how everything stands.
    pub fn status(&self, now: Now) -> Status {
        let now = self.as_seen(now);
        let mut status = of_ledger(&self.ledger);
        status.live = true;
        status.journal.clone_from(&self.journal_error);
        status.targets = self.targets.iter().map(|(name, target)| self.target_status(name, target)).collect();
        status.services = self
            .services
            .iter()
            .map(|(key, service)| {
                let ledger = self.ledger.services.get(key).cloned().unwrap_or_default();
                let owed = ledger.debts.iter().map(|owed| {
                    let due = self.restart_due(key, service, owed, now);
                    let failing = service.failing.get(&owed.instance);
                    OwedStatus {
                        due: due.map(|due| on_the_wall(due, now)),
                        overdue: matches!(self.mode.goal, Goal::Run)
                            && failing.is_some_and(|(backoff, _)| backoff.attempts > 0),
                        arriving: service
                            .arriving
                            .get(&owed.instance)
                            .map(|arriving| (arriving.why.clone(), arriving.until)),
                        ..owed_status(owed)
                    }
                });
                ServiceStatus {
                    name: service.profile.name.clone(),
                    owed: owed.collect(),
                    settled: ledger.settled,
                    unready: service.unready.clone().into_iter().collect(),
                    unknown: false,
                }
            })
            .collect();
        status.services.extend(self.orphans().filter_map(|key| unknown(self.ledger.services.get(key)?)));
        if status.services.iter().any(|service| service.unknown) {
            // Somebody is told again and again that all is well only when it is.
            status.targets.iter_mut().for_each(|target| target.converged = false);
        }
        status
    }

    /// Returns every change that was sent since the engine started towards a goal that ends.
    pub fn outcomes(&self, target: &str) -> &[(crate::plan::Change, Outcome)] {
        self.targets.get(target).map_or(&[], |target| &target.outcomes)
    }

    /// Returns what is wrong with the desired directory of a target.
    pub fn diagnostics(&self, target: &str) -> &[crate::diagnostic::Diagnostic] {
        self.targets
            .get(target)
            .and_then(|target| target.invalid.as_ref())
            .map_or(&[], |(_, diagnostics)| diagnostics)
    }

    /// Tells whether a person declined the plan that was shown.
    pub fn declined(&self, target: &str) -> bool {
        self.targets.get(target).is_some_and(|target| target.declined)
    }

    fn target_status(&self, name: &str, target: &super::target::Target) -> TargetStatus {
        let ledger = self.ledger.of(name);
        let plan = target.plan.as_deref();
        let closed = plan.filter(|plan| plan.admitted().next().is_some()).and_then(|plan| {
            plan.notes.iter().find_map(|note| match note {
                Note::WritesClosed { until } => Some(*until),
                _ => None,
            })
        });
        let quiet = target.invalid.is_none() && target.store.is_none() && target.moving.is_none();
        let settled = plan.is_some_and(|plan| {
            plan.blocked.is_empty()
                && plan.changes.len() as u64 == target.made.0 + target.made.1
                && !plan.is_guarded()
                && target.retries.is_empty()
                && target.parked.is_empty()
        });
        let owed = !self.ledger.debts(&target.policy.service.key).is_empty();
        // Until a look that was asked for is over, nobody knows.
        let busy = target.forced || self.activity.writes_to(name);
        TargetStatus {
            name: name.to_owned(),
            digest: target.good.as_ref().map(|good| good.digest().short()),
            commit: target.commit.clone(),
            busy,
            converged: quiet && settled && !busy && !owed && self.is_applied(name, target),
            invalid: target.invalid.as_ref().map(|(since, all)| (*since, all.len())),
            moving: target.moving.as_ref().map(|(since, _)| *since),
            store: target.store.as_ref().map(|(_, why)| why.clone()),
            closed: closed.is_some(),
            opens: closed.flatten(),
            plan: plan.map(|plan| plan_status(plan, target.made)).filter(PlanStatus::wants_something),
            counts: ledger.and_then(|ledger| ledger.counts),
            last_batch: ledger.and_then(|ledger| ledger.last_batch.clone()),
            retrying: target.retries.len(),
            parked: target.parked.len(),
            next_expiry: target.next_expiry,
            expiring: target.ending.iter().map(|one| (one.name.clone(), one.until)).collect(),
        }
    }

    fn is_applied(&self, name: &str, target: &super::target::Target) -> bool {
        let mark = self.ledger.of(name).and_then(|ledger| ledger.applied.as_ref());
        mark.map(|mark| mark.digest) == target.good.as_ref().map(Desired::digest)
    }
}

/// Says what the journal alone tells, for a time when no daemon runs.
pub fn of_ledger(ledger: &Ledger) -> Status {
    Status {
        live: false,
        targets: ledger
            .targets
            .iter()
            .map(|(name, target)| TargetStatus {
                name: name.clone(),
                digest: target.good.map(|digest| digest.short()),
                commit: target.commit.clone(),
                counts: target.counts,
                last_batch: target.last_batch.clone(),
                ..TargetStatus::default()
            })
            .collect(),
        services: ledger
            .services
            .iter()
            .map(|(key, service)| ServiceStatus {
                name: key.clone(),
                owed: service.debts.iter().map(owed_status).collect(),
                settled: service.settled.clone(),
                unready: Vec::new(),
                unknown: false,
            })
            .collect(),
        suspended: ledger.suspended.clone(),
        journal: None,
    }
}

/// Says of a service that the settings do not name any more what it owes, if it owes anything.
pub fn unknown(service: &ServiceLedger) -> Option<ServiceStatus> {
    let first = service.debts.first()?;
    let owed = |owed| OwedStatus { overdue: true, failure: Some(UNKNOWN.to_owned()), ..owed_status(owed) };
    Some(ServiceStatus {
        name: first.instance.service.clone(),
        owed: service.debts.iter().map(owed).collect(),
        settled: service.settled.clone(),
        unready: Vec::new(),
        unknown: true,
    })
}

fn owed_status(owed: &crate::journal::fold::Debt) -> OwedStatus {
    let mut not_effective: Vec<String> = owed.disabled().map(|(_, name)| name.to_owned()).collect();
    not_effective.sort_unstable();
    OwedStatus {
        instance: owed.instance.clone(),
        since: owed.since,
        due: None,
        overdue: false,
        accounts: owed.accounts.len(),
        not_effective,
        failure: owed.failure.clone(),
        arriving: None,
    }
}

impl PlanStatus {
    fn wants_something(&self) -> bool {
        self.enable + self.disable + self.blocked > 0 || self.held + self.drift > 0 || !self.guards.is_empty()
    }
}

fn plan_status(plan: &Plan, (disabled, enabled): (u64, u64)) -> PlanStatus {
    let drift = plan.held.iter().filter(|held| held.why == HeldBecause::DriftLeft).count();
    PlanStatus {
        id: plan.id.as_str().to_owned(),
        enable: plan.summary.enable.saturating_sub(enabled),
        disable: plan.summary.disable.saturating_sub(disabled),
        blocked: plan.summary.blocked,
        held: plan.held.len() - drift,
        drift,
        guards: plan
            .guards
            .iter()
            .filter(|verdict| verdict.tripped)
            .map(|verdict| (verdict.guard.word().to_owned(), verdict.value, verdict.limit))
            .collect(),
    }
}
