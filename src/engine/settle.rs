//! Settling: looking whether a restart that is owed has happened, and making it happen when it is due.

mod arrival;

use std::time::Duration;

use super::debt::{self, Writes};
use super::effect::{Effect, Notice};
use super::event::Answer;
use super::retry::Backoff;
use super::service::{Proven, ServiceState};
use super::window::Kind;
use super::{Activity, Engine, Goal, Owed, PendingRecords, Restarts};
use crate::journal::entry::{Proof, Record};
use crate::journal::fold::Debt;
use crate::model::{Fault, Now};
use crate::plan::policy::Action;
use crate::services::{Condition, Instance, Observed, ServiceError};
use arrival::Arrival;

/// How often a service is looked at that only a person restarts.
const MANUAL_LOOK: Duration = Duration::from_mins(1);

/// How often a service that showed its runs before is looked at in vain before it is restarted unseen.
const BLIND_LOOKS: u32 = 3;

/// The restart of one instance under way.
#[derive(Debug)]
pub(super) struct Settle {
    service: String,
    instance: Instance,
    /// The identity right before the restart, if the service shows one.
    before: Option<String>,
    /// Whether the service shows anything of its runs, as far as it could be looked at.
    shows: bool,
    /// Whether an earlier attempt may have left it stopped.
    halted: bool,
    /// When the restart was asked for.
    asked: Duration,
    step: Step,
}

#[derive(Debug)]
enum Step {
    Look,
    Arrival(Arrival),
    Intent(PendingRecords),
    Restart,
    LookAgain,
    Settled(PendingRecords, Proof, bool, usize),
    Ready,
    Failed(PendingRecords, ServiceError),
}

impl Settle {
    /// Tells whether nothing is lost when the answer is not waited for.
    pub(super) fn can_be_given_up(&self) -> bool {
        matches!(self.step, Step::Look | Step::Arrival(_) | Step::Ready)
    }
}

impl Engine {
    /// Returns the instances that a service is known to have.
    pub(super) fn service_instances(&self, key: &str) -> Vec<Instance> {
        self.services.get(key).map(|service| service.profile.instances.clone()).unwrap_or_default()
    }

    /// Tells whether a service has instances, known already or found by looking.
    pub(super) fn has_instances(&self, key: &str) -> bool {
        self.services.get(key).is_some_and(|service| {
            !service.profile.instances.is_empty() || service.profile.action != Action::None
        })
    }

    /// A chunk was sent to the store behind this service.
    pub(super) fn wrote(&mut self, key: &str, now: Now) {
        let owing: Vec<Instance> = self.ledger.debts(key).iter().map(|debt| debt.instance.clone()).collect();
        let Some(service) = self.services.get_mut(key) else { return };
        for instance in owing {
            let latest = now.mono + service.policy.max_delay;
            let writes = service.writes.entry(instance.clone()).or_insert(Writes {
                latest,
                last: now.mono,
                seen: true,
            });
            writes.last = now.mono;
            writes.seen = true;
            // A new write is a new reason to try at once.
            service.failing.remove(&instance);
            service.reported.remove(&instance);
            service.arriving.remove(&instance);
        }
    }

    /// Tells when the window of these debts opens, if it is closed.
    pub(super) fn closed_until(&self, owed: &[Owed], now: Now) -> Option<String> {
        let windows =
            owed.iter().filter_map(|(key, _)| self.services.get(key)).map(|service| &service.windows);
        let closed = windows.filter(|windows| !windows.open(Kind::Restarts, now.wall));
        let opens = closed.map(|windows| windows.next_open(Kind::Restarts, now.wall));
        opens.map(|at| at.map_or_else(|| "for ever".to_owned(), |at| at.to_string())).max()
    }

    pub(super) fn tell_owed(&mut self, key: &str, now: Now) {
        let Some(service) = self.services.get(key) else { return };
        let notices: Vec<Notice> = self
            .ledger
            .debts(key)
            .iter()
            .map(|owed| Notice::Owed {
                service: service.profile.name.clone(),
                instance: owed.instance.clone(),
                due_in: self
                    .restart_due(key, service, owed, now)
                    .map(|due| whole_seconds(due.saturating_sub(now.mono))),
            })
            .collect();
        for notice in notices {
            self.tell(notice);
        }
    }

    /// When the restart of one instance is due, on the monotonic clock.
    pub(super) fn restart_due(
        &self,
        key: &str,
        service: &ServiceState,
        owed: &Debt,
        now: Now,
    ) -> Option<Duration> {
        let instance = &owed.instance;
        let wish = self.urgent.get(&(key.to_owned(), instance.clone()));
        let urgent = wish.is_some();
        let suspended = self.ledger.suspended.as_ref().is_some_and(|suspension| suspension.holds(now.wall));
        let writes = service.writes.get(instance).copied();
        let writes = writes.unwrap_or_else(|| Writes::inherited(owed, &service.policy, now));
        let due = match self.mode.goal {
            Goal::Observe | Goal::Once(Restarts::Defer) | Goal::Settle(Restarts::Defer) => None,
            Goal::Once(_) | Goal::Settle(_) if service.tried.contains(instance) => None,
            _ if suspended && !urgent => None,
            Goal::Once(Restarts::Forced) | Goal::Settle(Restarts::Forced) => Some(now.mono),
            Goal::Once(_) | Goal::Settle(_) => {
                // A goal that ends does not wait for a window either.
                debt::due_at_once(&service.windows, now).filter(|due| *due <= now.mono)
            }
            Goal::Run if urgent || service.proven.contains_key(instance) => Some(now.mono),
            Goal::Run => {
                let rested = service.rested.get(instance).copied();
                debt::due(writes, rested, &service.policy, &service.windows, now)
            }
        }?;
        let failing = service.failing.get(instance).map_or(Duration::ZERO, |(backoff, _)| backoff.due);
        let due = if urgent { due } else { due.max(failing) };
        let arrives = service.arriving.get(instance).map_or(Duration::ZERO, |arriving| arriving.look);
        Some(if wish == Some(&true) { due } else { due.max(arrives) })
    }

    /// Tells whether restarts wait until every target is done with its batches, so that one restart is enough.
    pub(super) fn batches_first(&self) -> bool {
        matches!(self.mode.goal, Goal::Once(_)) && self.targets.values().any(|target| !target.finished)
    }

    /// Returns an instance whose restart is due now.
    pub(super) fn due_restart(&self, now: Now) -> Option<Owed> {
        if self.batches_first() {
            return None;
        }
        self.services.iter().find_map(|(key, service)| {
            let due =
                |owed: &&Debt| self.restart_due(key, service, owed, now).is_some_and(|due| due <= now.mono);
            self.ledger.debts(key).iter().find(due).map(|owed| (key.clone(), owed.instance.clone()))
        })
    }

    pub(super) fn begin_settle(&mut self, service: String, instance: Instance, now: Now) {
        if let Some(state) = self.services.get_mut(&service) {
            state.tried.insert(instance.clone());
        }
        let mut settle = Settle {
            service: service.clone(),
            instance,
            before: None,
            shows: false,
            halted: false,
            asked: now.mono,
            step: Step::Look,
        };
        let proven =
            self.services.get(&service).and_then(|state| state.proven.get(&settle.instance)).cloned();
        if let Some(proven) = proven
            && self.owed(&settle).is_some_and(|owed| owed.last_write == proven.covers)
        {
            settle.asked = proven.asked;
            return self.settle_by(Box::new(settle), proven.proof, now);
        }
        let instance = Some(settle.instance.clone());
        self.emit(|ticket| Effect::Observe { ticket, service, instance }, Activity::Settle(Box::new(settle)));
    }

    pub(super) fn settle_answered(&mut self, mut settle: Box<Settle>, answer: Answer, now: Now) {
        match (std::mem::replace(&mut settle.step, Step::Look), answer) {
            (Step::Look, Answer::Observed(seen)) => self.looked(settle, seen, now),
            (Step::Arrival(arrival), Answer::Arrival(answer)) => {
                self.arrival_answered(settle, arrival, answer, now);
            }
            (Step::Intent(pending), answer) => {
                self.remember(&pending, &answer);
                self.ask(settle, now);
            }
            (Step::Restart, Answer::Restarted(Ok(()))) => {
                settle.step = Step::LookAgain;
                let (service, instance) = (settle.service.clone(), Some(settle.instance.clone()));
                self.emit(|ticket| Effect::Observe { ticket, service, instance }, Activity::Settle(settle));
            }
            (Step::Restart, Answer::Restarted(Err(failure))) => {
                self.failed_with(settle, failure.error, Some(failure.halted), now);
            }
            (Step::LookAgain, Answer::Observed(seen)) => self.looked_again(settle, seen, now),
            (Step::Settled(pending, proof, unconfirmed, accounts), answer) => {
                self.remember(&pending, &answer);
                self.settled(settle, proof, unconfirmed, accounts);
            }
            (Step::Ready, Answer::Ready(ready)) => self.waited(&settle, ready),
            (Step::Failed(pending, error), answer) => {
                self.remember(&pending, &answer);
                self.tell_failed(&settle, &error, now);
            }
            (_, _) => {}
        }
    }

    fn owed(&self, settle: &Settle) -> Option<&Debt> {
        self.ledger.debts(&settle.service).iter().find(|owed| owed.instance == settle.instance)
    }

    fn looked(&mut self, settle: Box<Settle>, seen: Result<Vec<Observed>, ServiceError>, now: Now) {
        let Some(service) = self.services.get(&settle.service) else { return };
        let action = service.profile.action;
        let seen = match seen {
            Ok(seen) => seen,
            // What cannot be seen can still be restarted, unless a person does that, or it may have happened already.
            Err(error) if action == Action::Manual || self.looks_again(&settle) => {
                return self.failed(settle, error, now);
            }
            Err(_) => Vec::new(),
        };
        let seen = seen.into_iter().find(|seen| seen.instance == settle.instance);
        if let Some(service) = self.services.get_mut(&settle.service).filter(|_| seen.is_some()) {
            service.blind.remove(&settle.instance);
            service.reported.remove(&settle.instance);
        }
        let Some(service) = self.services.get(&settle.service) else { return };
        let writes = service.writes.get(&settle.instance).copied();
        let found = self.owed(&settle).zip(seen.as_ref()).and_then(|(owed, seen)| {
            let writes = writes.unwrap_or_else(|| Writes::inherited(owed, &service.policy, now));
            debt::proof(owed, seen, writes, settle.asked)
        });
        if let Some(proof) = found {
            return self.settle_by(settle, proof, now);
        }
        let changes = seen.as_ref().is_some_and(|seen| seen.condition == Condition::Changing);
        if changes && action != Action::Manual {
            let error = ServiceError {
                what: format!("{} is starting or stopping", settle.instance),
                fault: Fault::TRANSIENT,
                help: None,
            };
            return self.failed(settle, error, now);
        }
        self.look_for_arrival(settle, seen, now);
    }

    /// Nothing stands in the way of the restart any more; `seen` is how the instance was seen right before.
    fn intend(&mut self, mut settle: Box<Settle>, seen: Option<Observed>, arrived: Option<bool>, now: Now) {
        let Some(service) = self.services.get(&settle.service) else { return };
        if service.profile.action == Action::Manual {
            return self.wait_for_a_person(&settle, now);
        }
        settle.shows = seen.as_ref().is_some_and(shows_runs);
        settle.before = seen.as_ref().and_then(|seen| seen.identity.clone());
        let runs = seen.as_ref().is_some_and(|seen| seen.condition == Condition::Running);
        settle.halted = !runs && self.owed(&settle).is_some_and(|owed| owed.halted);
        let attempt = self.owed(&settle).map_or(0, |owed| owed.attempts) + 1;
        let record = Record::Restart {
            service: settle.service.clone(),
            instance: settle.instance.clone(),
            attempt,
            seen,
            arrived,
        };
        self.note(vec![record], true, now, |pending| {
            settle.step = Step::Intent(pending);
            Activity::Settle(settle)
        });
    }

    /// Tells whether an instance that cannot be looked at is looked at again rather than restarted unseen: one that
    /// reported a restart, until it can be seen; one that showed its runs, a few times.
    fn looks_again(&mut self, settle: &Settle) -> bool {
        let showed = self.owed(settle).is_some_and(|owed| owed.anchor.as_ref().is_some_and(shows_runs));
        // A goal that ends does not look twice, and an operator who wants it now shall have it now.
        let once = !matches!(self.mode.goal, Goal::Run)
            || self.urgent.contains_key(&(settle.service.clone(), settle.instance.clone()));
        let Some(service) = self.services.get_mut(&settle.service) else { return false };
        let looks = service.blind.entry(settle.instance.clone()).or_default();
        *looks += 1;
        !once && (service.reported.contains(&settle.instance) || showed && *looks <= BLIND_LOOKS)
    }

    fn ask(&mut self, mut settle: Box<Settle>, now: Now) {
        let disabled = self.owed(&settle).map(|owed| owed.disabled().map(|(id, _)| id.clone()).collect());
        let disabled = disabled.unwrap_or_default();
        settle.asked = now.mono;
        settle.step = Step::Restart;
        let (service, instance, halted) = (settle.service.clone(), settle.instance.clone(), settle.halted);
        let name = self.service_name(&service);
        self.tell(Notice::Restarting { service: name, instance: instance.clone() });
        self.emit(
            |ticket| Effect::Restart { ticket, service, instance, disabled, halted },
            Activity::Settle(settle),
        );
    }

    /// The service reported success. One that shows its identity must show a new one.
    fn looked_again(&mut self, settle: Box<Settle>, seen: Result<Vec<Observed>, ServiceError>, now: Now) {
        let anchor = self.owed(&settle).and_then(|owed| owed.anchor.as_ref());
        let seen = match seen {
            Ok(seen) => seen.into_iter().find(|seen| seen.instance == settle.instance),
            // A service that can show more than its word is asked again; of any other its word is all there is.
            Err(error) if settle.shows || anchor.is_some_and(shows_runs) => {
                if let Some(service) = self.services.get_mut(&settle.service) {
                    service.reported.insert(settle.instance.clone());
                    service.rests(&settle.instance, settle.asked);
                }
                return self.failed(settle, error, now);
            }
            Err(_) => None,
        };
        let identity = seen.as_ref().and_then(|seen| seen.identity.clone());
        let condition = seen.as_ref().map(|seen| seen.condition);
        let runs = condition == Some(Condition::Running);
        // What could not be seen before the restart may be known from after the last write.
        let before = settle.before.clone().or_else(|| anchor.and_then(|anchor| anchor.identity.clone()));
        let older = seen.and_then(|seen| seen.age).is_some_and(|age| debt::is_older(age, settle.asked, now));
        let proof = match (before, identity) {
            // It ran when it reported success, and somebody stopped it since.
            _ if condition == Some(Condition::Stopped) => Some(Proof::Stopped),
            (Some(before), Some(now)) if before != now => Some(Proof::NewIdentity { before, now }),
            (Some(_), _) => None,
            (None, _) if older => None,
            (None, _) => Some(Proof::Succeeded),
        };
        if let Some(proof) = proof {
            self.settle_by(settle, proof, now);
        } else {
            let error = ServiceError {
                what: format!(
                    "{} reported success, but the same run as before is still there",
                    settle.instance
                ),
                fault: Fault::TRANSIENT,
                help: Some("restart it by hand and look at its log".to_owned()),
            };
            // Its word is not believed; what is seen is.
            self.failed_with(settle, error, runs.then_some(false), now);
        }
    }

    fn settle_by(&mut self, mut settle: Box<Settle>, proof: Proof, now: Now) {
        let Some(owed) = self.owed(&settle) else { return };
        let (covers, accounts) = (owed.last_write, owed.accounts.len());
        let unconfirmed = proof != Proof::Stopped && self.is_unconfirmed(&settle, now);
        if let Some(service) = self.services.get_mut(&settle.service) {
            let proven = Proven { proof: proof.clone(), covers, asked: settle.asked };
            service.proven.insert(settle.instance.clone(), proven);
            // Whatever the journal says of it later: by then a person may have settled the debt.
            if proof != Proof::Stopped {
                service.rests(&settle.instance, settle.asked);
            }
        }
        let record = Record::Settled {
            service: settle.service.clone(),
            instance: settle.instance.clone(),
            proof: proof.clone(),
            covers,
            unconfirmed,
        };
        self.note(vec![record], true, now, |pending| {
            settle.step = Step::Settled(pending, proof, unconfirmed, accounts);
            Activity::Settle(settle)
        });
    }

    fn settled(&mut self, mut settle: Box<Settle>, proof: Proof, unconfirmed: bool, accounts: usize) {
        self.urgent.remove(&(settle.service.clone(), settle.instance.clone()));
        let stopped = proof == Proof::Stopped;
        if let Some(service) = self.services.get_mut(&settle.service) {
            service.forget(&settle.instance);
        }
        let name = self.service_name(&settle.service);
        let instance = settle.instance.clone();
        self.tell(Notice::Settled { service: name, instance, proof, unconfirmed, accounts });
        if self.stopping.is_none() && !stopped {
            settle.step = Step::Ready;
            let (service, instance) = (settle.service.clone(), settle.instance.clone());
            self.emit(|ticket| Effect::Ready { ticket, service, instance }, Activity::Settle(settle));
        }
    }

    fn waited(&mut self, settle: &Settle, ready: Result<(), ServiceError>) {
        let name = self.service_name(&settle.service);
        let Some(service) = self.services.get_mut(&settle.service) else { return };
        match ready {
            Ok(()) => {
                service.unready.remove(&settle.instance);
            }
            Err(error) => {
                let why = in_words(&error);
                service.unready.insert(settle.instance.clone(), why.clone());
                self.tell(Notice::NotReady { service: name, instance: settle.instance.clone(), why });
            }
        }
    }

    fn failed(&mut self, settle: Box<Settle>, error: ServiceError, now: Now) {
        self.failed_with(settle, error, None, now);
    }

    /// `halted` says whether the attempt may have left the instance stopped.
    fn failed_with(&mut self, mut settle: Box<Settle>, error: ServiceError, halted: Option<bool>, now: Now) {
        let record = Record::RestartFailed {
            service: settle.service.clone(),
            instance: settle.instance.clone(),
            why: in_words(&error),
            halted,
        };
        self.note(vec![record], false, now, |pending| {
            settle.step = Step::Failed(pending, error);
            Activity::Settle(settle)
        });
    }

    fn tell_failed(&mut self, settle: &Settle, error: &ServiceError, now: Now) {
        let jitter = self.jitter.draw();
        // An operator's wish is tried once; after that the back-off holds again.
        self.urgent.remove(&(settle.service.clone(), settle.instance.clone()));
        let asked = match error.fault {
            Fault::Transient { retry_after } => retry_after,
            _ => None,
        };
        let name = self.service_name(&settle.service);
        let Some(service) = self.services.get_mut(&settle.service) else { return };
        let before = service.failing.get(&settle.instance).map(|(backoff, _)| backoff);
        let backoff = Backoff::after(before, now.mono, asked, jitter);
        let again_in = backoff.due.saturating_sub(now.mono).as_secs();
        let why = in_words(error);
        service.failing.insert(settle.instance.clone(), (backoff, why.clone()));
        let instance = settle.instance.clone();
        self.tell(Notice::RestartFailed { service: name, instance, why, again_in });
    }

    fn wait_for_a_person(&mut self, settle: &Settle, now: Now) {
        let name = self.service_name(&settle.service);
        self.urgent.remove(&(settle.service.clone(), settle.instance.clone()));
        let Some(service) = self.services.get_mut(&settle.service) else { return };
        let backoff = Backoff { attempts: 0, due: now.mono + MANUAL_LOOK };
        service.failing.insert(settle.instance.clone(), (backoff, "waits for a person".to_owned()));
        if service.told_manual.insert(settle.instance.clone()) {
            self.tell(Notice::Manual { service: name, instance: settle.instance.clone() });
        }
    }

    fn service_name(&self, key: &str) -> String {
        self.services.get(key).map(|service| service.profile.name.clone()).unwrap_or_default()
    }
}

/// Tells whether there is anything to compare a later sight with.
fn shows_runs(seen: &Observed) -> bool {
    seen.identity.is_some() || seen.age.is_some() || seen.condition == Condition::Stopped
}

fn in_words(error: &ServiceError) -> String {
    with_help(error.to_string(), error.help.as_deref())
}

fn with_help(what: String, help: Option<&str>) -> String {
    match help {
        Some(help) => format!("{what}; {help}"),
        None => what,
    }
}

/// Rounded up: what is due in half a second is not due now.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}
