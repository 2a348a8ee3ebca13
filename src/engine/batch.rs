//! A batch: intents on disk, chunk by chunk to the store, outcomes to the journal, and the debt that follows.

use std::sync::Arc;
use std::time::Duration;

use super::effect::{Chunk, Effect, Notice};
use super::event::Answer;
use super::retry::{Backoff, LONGEST};
use super::turn::{REPLANS, names};
use super::{Activity, Chunks, Engine, Goal, PendingRecords};
use crate::journal::entry::{Owing, Record};
use crate::model::{Access, Counts, Fault, Now, Outcome};
use crate::plan::{Change, Plan, Planned};
use crate::services::{Observed, ServiceError};

/// A batch under way.
#[derive(Debug)]
pub(super) struct Batch {
    target: String,
    plan: Arc<Plan>,
    number: u64,
    service: String,
    /// What is still to be sent, in order; disabling first.
    rest: std::collections::VecDeque<Planned>,
    of: usize,
    /// The chunk in flight.
    chunk: Chunk,
    outcomes: Vec<(Change, Outcome)>,
    /// Records that go out with the first chunk.
    first: Vec<Record>,
    step: Step,
}

impl Batch {
    /// Tells whether this is a batch of that target.
    pub(super) fn is_for(&self, target: &str) -> bool {
        self.target == target
    }

    /// What the store holds now, as far as the outcomes tell.
    fn counts(&self) -> Counts {
        let made = self.outcomes.iter().filter(|(_, outcome)| is_made(outcome));
        made.fold(self.plan.counts, |counts, (change, _)| counts.after(&change.from, change.to))
    }
}

#[derive(Debug)]
enum Step {
    /// The service is looked at before the first write.
    Before,
    /// A chunk's intents are on their way to the disk.
    Intents(PendingRecords),
    /// The chunk is on its way to the store.
    Write,
    /// The last outcomes are on their way to the disk.
    Outcomes(PendingRecords),
    /// The service is looked at after the last write.
    After,
    /// The end of the batch is on its way to the disk.
    End(PendingRecords),
}

impl Engine {
    pub(super) fn begin_batch(
        &mut self,
        name: &str,
        plan: &Arc<Plan>,
        admitted: Vec<Planned>,
        first: Vec<Record>,
        now: Now,
    ) {
        // A restart that fell due while this turn was reading goes first; the turn begins anew after it.
        if matches!(self.mode.goal, Goal::Run) && self.due_restart(now).is_some() {
            if let Some(target) = self.targets.get_mut(name) {
                target.again();
            }
            return;
        }
        let service = plan_service(self, name);
        let chunk = Chunk { target: name.to_owned(), changes: Arc::default() };
        let batch = Batch {
            target: name.to_owned(),
            plan: Arc::clone(plan),
            number: self.ledger.batch + 1,
            service: service.clone(),
            of: admitted.len(),
            rest: admitted.into(),
            chunk,
            outcomes: Vec::new(),
            first,
            step: Step::Before,
        };
        let (target, number, changes) = (name.to_owned(), batch.number, batch.of);
        self.tell(Notice::BatchBegins { target, batch: number, changes });
        if self.has_instances(&service) {
            self.emit(
                |ticket| Effect::Observe { ticket, service, instance: None },
                Activity::Batch(Box::new(batch)),
            );
        } else {
            self.before_seen(Box::new(batch), &Ok(Vec::new()), now);
        }
    }

    pub(super) fn batch_answered(&mut self, mut batch: Box<Batch>, answer: Answer, now: Now) {
        match (std::mem::replace(&mut batch.step, Step::Before), answer) {
            (Step::Before, Answer::Observed(seen)) => self.before_seen(batch, &seen, now),
            (Step::Intents(pending), answer) => {
                self.remember(&pending, &answer);
                batch.step = Step::Write;
                let chunk = batch.chunk.clone();
                self.emit(|ticket| Effect::Write { ticket, chunk }, Activity::Batch(batch));
            }
            (Step::Write, Answer::Written(outcomes)) => self.written(batch, outcomes, now),
            (Step::Outcomes(pending), answer) => {
                self.remember(&pending, &answer);
                let service = batch.service.clone();
                if self.stopping.is_some() || !self.has_instances(&service) {
                    self.after_seen(batch, Vec::new(), now);
                } else {
                    batch.step = Step::After;
                    self.emit(
                        |ticket| Effect::Observe { ticket, service, instance: None },
                        Activity::Batch(batch),
                    );
                }
            }
            (Step::After, Answer::Observed(seen)) => self.after_seen(batch, seen.unwrap_or_default(), now),
            (Step::End(pending), answer) => {
                self.remember(&pending, &answer);
                self.end_batch(*batch, now);
            }
            (_, _) => self.end_turn(&batch.target.clone()),
        }
    }

    /// The service was looked at; one that cannot be seen owes its restart all the same.
    fn before_seen(&mut self, mut batch: Box<Batch>, seen: &Result<Vec<Observed>, ServiceError>, now: Now) {
        if self.stopping.is_some() {
            // Nothing is written down or sent yet, and after the signal nothing begins.
            return self.end_turn(&batch.target);
        }
        if let Err(error) = seen
            && self.service_instances(&batch.service).is_empty()
        {
            // Nobody knows what would owe a restart, so there is no write that could owe one.
            return self.service_unfound(&batch.target, error, now);
        }
        let seen = seen.as_deref().unwrap_or_default();
        let mut instances: Vec<Owing> = self
            .service_instances(&batch.service)
            .into_iter()
            .map(|instance| Owing {
                seen: seen.iter().find(|seen| seen.instance == instance).cloned(),
                instance,
            })
            .collect();
        // A service may know instances that its settings do not name.
        for found in seen
            .iter()
            .filter(|found| !instances.iter().any(|owing| owing.instance == found.instance))
            .cloned()
            .collect::<Vec<_>>()
        {
            instances.push(Owing { instance: found.instance.clone(), seen: Some(found) });
        }
        let target = self.targets.get(&batch.target);
        let commit = target.and_then(|target| target.commit.clone());
        let author = target.and_then(|target| target.author.clone());
        let mut records = std::mem::take(&mut batch.first);
        records.push(Record::Batch {
            target: batch.target.clone(),
            batch: batch.number,
            plan: batch.plan.id.clone(),
            digest: batch.plan.digest,
            commit,
            author,
            service: batch.service.clone(),
            instances,
            by: self.mode.by.clone(),
        });
        self.send_chunk(batch, records, now);
    }

    /// Writes the intents of the next chunk down. A chunk mixes directions only where the store takes it at once, so that
    /// nobody ever sees an enabling write before the last disabling one.
    fn send_chunk(&mut self, mut batch: Box<Batch>, mut records: Vec<Record>, now: Now) {
        let chunks = self.targets.get(&batch.target).map(|target| target.chunks);
        let Chunks { size, at_once } = chunks.unwrap_or(Chunks { size: 1, at_once: false });
        let direction = batch.rest.front().map(|planned| planned.change.to);
        let mut changes = Vec::new();
        while changes.len() < size
            && (at_once || batch.rest.front().map(|planned| planned.change.to) == direction)
            && let Some(planned) = batch.rest.pop_front()
        {
            records.push(Record::Intent {
                batch: batch.number,
                account: planned.change.account.clone(),
                name: planned.change.name.clone(),
                from: planned.change.from.clone(),
                to: planned.change.to,
                cause: planned.change.cause.clone(),
                reason: planned.reason.clone(),
                counted: planned.counted && !planned.approved,
            });
            changes.push(planned.change);
        }
        records.push(Record::Chunk { batch: batch.number, count: changes.len() as u64 });
        batch.chunk.changes = changes.into();
        let pending = self.append(records, true, Some(batch.chunk.clone()), now);
        batch.step = Step::Intents(pending);
        self.activity = Activity::Batch(batch);
    }

    fn written(&mut self, mut batch: Box<Batch>, mut outcomes: Vec<Outcome>, now: Now) {
        // A store that answers too little has not said what became of the rest.
        outcomes.resize(batch.chunk.changes.len(), Outcome::Unknown);
        // A store that took nothing is no reason to wait longer with a restart, nor to try a failing one again.
        if !outcomes.iter().all(is_not_made) {
            self.wrote(&batch.service, now);
        }
        let mut records = Vec::with_capacity(outcomes.len());
        let changes = std::mem::take(&mut batch.chunk.changes);
        for (change, outcome) in changes.iter().zip(outcomes) {
            records.push(Record::Outcome {
                batch: batch.number,
                account: change.account.clone(),
                to: change.to,
                outcome: outcome.clone(),
            });
            batch.outcomes.push((change.clone(), outcome));
        }
        if let Some(target) = self.targets.get_mut(&batch.target) {
            batch
                .outcomes
                .iter()
                .rev()
                .take(records.len())
                .for_each(|(change, outcome)| target.wrote(change, outcome));
        }
        self.tell(Notice::Progress { done: batch.outcomes.len(), of: batch.of });
        if batch.rest.is_empty() || self.stopping.is_some() {
            self.note(records, false, now, |pending| {
                batch.step = Step::Outcomes(pending);
                Activity::Batch(batch)
            });
        } else {
            self.send_chunk(batch, records, now);
        }
    }

    fn after_seen(&mut self, mut batch: Box<Batch>, seen: Vec<Observed>, now: Now) {
        let void = batch.outcomes.iter().all(|(_, outcome)| is_not_made(outcome));
        let mut records = vec![Record::End { batch: batch.number, seen, void }];
        let made = batch.outcomes.iter().filter(|(_, outcome)| is_made(outcome));
        let made = names(made.map(|(change, _)| change));
        records.extend(self.mark(&batch.target, &batch.plan, &made));
        if !batch.plan.is_doubted() {
            records.push(Record::Counted { target: batch.target.clone(), counts: batch.counts() });
        }
        self.note(records, true, now, |pending| {
            batch.step = Step::End(pending);
            Activity::Batch(batch)
        });
    }

    fn end_batch(&mut self, batch: Batch, now: Now) {
        let name = batch.target.clone();
        self.adopt_mark(&name);
        self.end_turn(&name);
        let again = self.settle_outcomes(&batch, now);
        let ends = !matches!(self.mode.goal, Goal::Run);
        if let Some(target) = self.targets.get_mut(&name) {
            for (change, _) in batch.outcomes.iter().filter(|(_, outcome)| is_made(outcome)) {
                match change.to {
                    Access::Disabled => target.made.0 += 1,
                    Access::Enabled => target.made.1 += 1,
                }
            }
            target.outcomes.extend(if ends { batch.outcomes.clone() } else { Vec::new() });
            let asked = batch.outcomes.iter().filter_map(|(_, outcome)| asked(outcome)).max();
            // Somebody waits for a goal that ends: not for hours, and not for a pause that nobody asked for.
            if ends && again && target.turns < REPLANS && asked.unwrap_or_default() <= LONGEST {
                target.finished = false;
                target.forced = true;
                target.pause = asked.map(|asked| now.mono + asked);
                target.retries.clear();
            }
        }
        self.tell(Notice::BatchEnded { target: name, batch: batch.number, outcomes: batch.outcomes });
        self.tell_owed(&batch.service, now);
    }

    /// Decides for each account that was not written whether it is tried again by itself. Tells whether any is.
    fn settle_outcomes(&mut self, batch: &Batch, now: Now) -> bool {
        let mut again = false;
        let jitter = self.jitter.draw();
        let Some(target) = self.targets.get_mut(&batch.target) else { return false };
        for (change, outcome) in &batch.outcomes {
            let account = &change.account;
            let fault = match outcome {
                Outcome::Done | Outcome::Already | Outcome::Missing => {
                    target.retries.remove(account);
                    target.parked.remove(account);
                    continue;
                }
                Outcome::Unknown => Fault::TRANSIENT,
                Outcome::NotApplied(fault) => fault.clone(),
            };
            if let Fault::Transient { retry_after } = fault {
                let backoff = Backoff::after(target.retries.get(account), now.mono, retry_after, jitter);
                target.retries.insert(account.clone(), backoff);
                again = true;
            } else {
                target.retries.remove(account);
                target.parked.insert(account.clone(), fault);
            }
        }
        // What succeeded or vanished elsewhere needs no retry any more.
        let horizon = now.mono + Duration::from_hours(24);
        target.retries.retain(|_, backoff| backoff.due < horizon);
        again
    }
}

/// How long the store wants to be left alone.
fn asked(outcome: &Outcome) -> Option<Duration> {
    match outcome {
        Outcome::NotApplied(Fault::Transient { retry_after }) => *retry_after,
        _ => None,
    }
}

fn is_not_made(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::NotApplied(_) | Outcome::Missing)
}

fn is_made(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Done | Outcome::Already)
}

fn plan_service(engine: &Engine, target: &str) -> String {
    engine.targets.get(target).map(|target| target.policy.service.key.clone()).unwrap_or_default()
}
