//! A turn: read the files, read the store, plan, and hand over to a batch if there is something to write.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::draft::Draft;
use super::effect::{Beside, Effect, Notice};
use super::event::{Answer, Decision, DesiredRead, ReadFailure};
use super::retry::Backoff;
use super::target::Unsaid;
use super::window::Kind;
use super::{Activity, Engine, Goal, PendingRecords, replication};
use crate::journal::entry::Record;
use crate::model::{Fault, Live, Now};
use crate::name::fold;
use crate::plan::{self, Change, Plan, Planned};
use crate::services::ServiceError;
use crate::stores::StoreError;

/// How often a goal that ends looks at files that keep moving, and how often it plans again.
const PATIENCE: u32 = 50;
pub(super) const REPLANS: u32 = 3;

/// The step whose answer is awaited.
#[derive(Debug)]
pub(super) enum Step {
    Desired,
    Live,
    Decide(Box<Turn>),
    Approved(PendingRecords, Box<Turn>),
    Noted(PendingRecords),
}

impl Step {
    /// Tells whether nothing is lost when the answer is not waited for.
    pub(super) fn can_be_given_up(&self) -> bool {
        matches!(self, Self::Desired | Self::Live | Self::Decide(_))
    }
}

/// What a turn found.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) live: Arc<Live>,
    pub(super) plan: Arc<Plan>,
}

impl Engine {
    /// Begins to read what is going to be read if it stays quiet.
    pub(super) fn begin_reading(&mut self, now: Now) {
        let watch = self.mode.watch;
        let begins = self.targets.iter_mut().filter_map(|(name, target)| {
            target.begin(watch, now).then(|| (name.clone(), target.due(watch, now).unwrap_or(now.mono)))
        });
        for (target, due) in begins.collect::<Vec<_>>() {
            let keep = (self.mode.goal != Goal::Observe).then(|| self.beside(&target));
            self.effects.push_back(Effect::Begin { target, due, keep });
        }
    }

    pub(super) fn begin_turn(&mut self, name: &str, now: Now) {
        let resync = self.mode.watch.resync;
        let Some(target) = self.targets.get_mut(name) else { return };
        let begun = target.looking();
        target.next_resync = Some(now.mono + resync);
        target.turns += 1;
        target.pause = None;
        let ahead = target.needs_live(now);
        let target = name.to_owned();
        self.emit(
            |ticket| Effect::ReadDesired { ticket, target, ahead, begun },
            Activity::Turn(name.to_owned(), Step::Desired),
        );
    }

    pub(super) fn turn_answered(&mut self, name: String, step: Step, answer: Answer, now: Now) {
        match (step, answer) {
            (Step::Desired, Answer::Desired(Ok(read))) => self.desired_read(name, &read, now),
            (Step::Desired, Answer::Desired(Err(failure))) => self.desired_failed(&name, failure, now),
            (Step::Live, Answer::Live(Ok(live))) => self.live_read(&name, Arc::new(live), now),
            (Step::Live, Answer::Live(Err(error))) => self.live_failed(&name, &error, now),
            (Step::Decide(turn), Answer::Decided(decision)) => self.decided(name, turn, decision, now),
            (Step::Approved(pending, turn), answer) => {
                self.remember(&pending, &answer);
                self.live_read(&name, turn.live, now);
            }
            (Step::Noted(pending), answer) => {
                self.remember(&pending, &answer);
                self.adopt_mark(&name);
                self.end_turn(&name);
            }
            (_, _) => self.end_turn(&name),
        }
    }

    fn desired_read(&mut self, name: String, read: &DesiredRead, now: Now) {
        let Some(target) = self.targets.get_mut(&name) else { return };
        target.moving = None;
        let refused = plan::refuse_listed(&read.desired, &target.passed, &target.policy);
        if !refused.is_empty() {
            self.desired_failed(&name, ReadFailure::Invalid(refused), now);
            return;
        }
        target.passed = read.desired.clone();
        if target.invalid.take().is_some() {
            self.tell(Notice::ValidAgain { target: name.clone() });
        }
        self.accept(name, read, now);
    }

    /// Has a state kept that comes into force. Whether that succeeds is known with the record that says so.
    fn keep(&mut self, name: &str, read: &DesiredRead) {
        let beside = self.beside(name);
        let Some(target) = self.targets.get_mut(name) else { return };
        let record = Record::Good {
            target: name.to_owned(),
            digest: read.desired.digest(),
            commit: read.commit.clone(),
            author: read.author.clone(),
        };
        let before = target.unsaid.take().map_or_else(|| target.good.clone(), |unsaid| unsaid.before);
        target.unsaid = Some(Unsaid { record, before });
        let (target, desired) = (name.to_owned(), read.desired.clone());
        self.effects.push_back(Effect::Keep { target, desired, beside });
    }

    /// Returns what a new state of a target is kept beside.
    fn beside(&self, name: &str) -> Beside {
        let ledger = self.ledger.of(name);
        let applied = ledger.and_then(|ledger| ledger.applied.as_ref()).map(|mark| mark.digest);
        let retain = ledger.and_then(|ledger| ledger.good).into_iter().chain(applied).collect();
        Beside { before: self.targets.get(name).and_then(|target| target.good.clone()), retain }
    }

    fn tell_accepted(&mut self, name: &str, read: &DesiredRead) {
        self.tell(Notice::Accepted {
            target: name.to_owned(),
            entries: read.desired.len(),
            digest: read.desired.digest().short(),
            commit: read.commit.clone(),
        });
    }

    /// The files are in order: what they say is in force from here on.
    fn accept(&mut self, name: String, read: &DesiredRead, now: Now) {
        let fresh = self.desired(&name) != Some(&read.desired);
        if fresh {
            self.tell_accepted(&name, read);
            if self.mode.goal != Goal::Observe {
                self.keep(&name, read);
            }
        }
        let Some(target) = self.targets.get_mut(&name) else { return };
        target.commit.clone_from(&read.commit);
        target.author.clone_from(&read.author);
        if fresh {
            target.good = Some(read.desired.clone());
            // Whoever edited the entries had a look at what failed.
            target.parked.clear();
            target.retries.clear();
        }
        self.read_live_if_due(name, fresh, now);
    }

    fn desired_failed(&mut self, name: &str, failure: ReadFailure, now: Now) {
        let ends = !matches!(self.mode.goal, Goal::Run | Goal::Observe);
        let watch = self.mode.watch;
        let Some(target) = self.targets.get_mut(name) else { return };
        match failure {
            ReadFailure::Moving(what) => {
                let told = target.moving.is_some();
                let since = target.moving.as_ref().map_or(now.wall, |(since, _)| *since);
                target.moving = Some((since, what.clone()));
                target.hint(now);
                let in_force = target.good.is_some();
                if !in_force {
                    target.nothing_in_force(now.mono + watch.quiet);
                }
                if ends || !in_force {
                    target.forced = false;
                    target.next_refresh = target.next_refresh.map(|due| due.max(now.mono + watch.quiet));
                }
                if ends && target.turns > PATIENCE {
                    target.finished = true;
                }
                if !told {
                    self.tell(Notice::Moving { target: name.to_owned(), what });
                }
                if !ends && in_force {
                    // The last good state stays in force: what is due (an expiry, a retry, an approval) is due all
                    // the same, however long somebody writes, and a stale lock must not stop it for ever.
                    self.read_live_if_due(name.to_owned(), false, now);
                }
            }
            ReadFailure::Invalid(diagnostics) => {
                let before = target.invalid.take();
                let since = before.as_ref().map_or(now.wall, |(since, _)| *since);
                let news = before.is_none_or(|(_, before)| before != diagnostics);
                target.invalid = Some((since, diagnostics.clone()));
                target.moving = None;
                let in_force = target.good.is_some();
                if news {
                    self.tell(Notice::Invalid { target: name.to_owned(), in_force, diagnostics });
                }
                if ends || !in_force {
                    self.end_turn(name);
                    if let Some(target) = self.targets.get_mut(name) {
                        // Without any state in force there is nothing to read the store for.
                        target.nothing_in_force(now.mono + watch.resync);
                    }
                    if let (true, Some(target)) = (ends, self.targets.get_mut(name)) {
                        target.finished = true;
                    }
                } else {
                    self.read_live_if_due(name.to_owned(), false, now);
                }
            }
        }
    }

    /// Reads the store if anything but the tick of the clock asks for it.
    fn read_live_if_due(&mut self, name: String, fresh: bool, now: Now) {
        if self.stopping.is_some() {
            return self.end_turn(&name);
        }
        let Some(target) = self.targets.get_mut(&name) else { return };
        if target.next_refresh.is_some_and(|due| due <= now.mono) {
            // What a store refused is tried again at each refresh: its administrator may have given way.
            target.parked.clear();
        }
        let due = target.live_due(now).is_some_and(|due| due <= now.mono);
        if fresh || target.needs_live(now) {
            self.look_at_store(name, due, now);
        } else {
            self.finish_turn(&name, now);
        }
    }

    fn live_failed(&mut self, name: &str, error: &StoreError, now: Now) {
        self.cannot_go_on(name, &error.what, error.help.as_deref(), &error.fault, now);
    }

    /// The instances of a service could not be found, and without them no batch begins.
    pub(super) fn service_unfound(&mut self, name: &str, error: &ServiceError, now: Now) {
        self.cannot_go_on(name, &error.what, error.help.as_deref(), &error.fault, now);
    }

    fn cannot_go_on(&mut self, name: &str, what: &str, help: Option<&str>, fault: &Fault, now: Now) {
        let why = match help {
            Some(help) => format!("{what}; {help}"),
            None => what.to_owned(),
        };
        let asked = match fault {
            Fault::Transient { retry_after } => *retry_after,
            _ => None,
        };
        let jitter = self.jitter.draw();
        let ends = !matches!(self.mode.goal, Goal::Run | Goal::Observe);
        let Some(target) = self.targets.get_mut(name) else { return };
        let before = target.store.as_ref();
        let news = before.is_none_or(|(_, before)| *before != why);
        let backoff = Backoff::after(before.map(|(backoff, _)| backoff), now.mono, asked, jitter);
        target.store = Some((backoff, why.clone()));
        target.live = None;
        target.finished |= ends;
        if news {
            self.tell(Notice::StoreFailed { target: name.to_owned(), why });
        }
        self.finish_turn(name, now);
    }

    fn live_read(&mut self, name: &str, mut live: Arc<Live>, now: Now) {
        let wait = self.targets.get(name).and_then(|target| target.replication);
        let settles = live
            .servers()
            .is_some()
            .then(|| replication::doubt(self.ledger.of(name), wait, Arc::make_mut(&mut live), now))
            .flatten();
        let Some(target) = self.targets.get_mut(name) else { return };
        let back = target.store.take().is_some();
        target.forced = false;
        target.next_refresh =
            Some(now.mono + settles.map_or(target.policy.refresh, |wait| wait.min(target.policy.refresh)));
        target.servers = live.servers().map(|servers| servers.by_domain.clone());
        target.standing = None;
        let Some(made) = self.make_plan(name, &live, now) else { return self.end_turn(name) };
        if back {
            self.tell(Notice::StoreBack { target: name.to_owned() });
        }
        self.planned(name, made, live, now);
    }

    /// Plans, unless that was done just before; nothing without a desired state in force.
    pub(super) fn make_plan(&mut self, name: &str, live: &Arc<Live>, now: Now) -> Option<Arc<Plan>> {
        let desired = self.targets.get(name)?.good.clone()?;
        let draft = if let Some(draft) = self.take_draft(name, &desired, live, now) {
            draft
        } else {
            let standing = self.targets.get_mut(name)?.standing.take();
            self.draft(name, &desired, live, standing, now)?
        };
        let Draft { mut plan, standing, next_expiry, ending, .. } = draft;
        let target = self.targets.get_mut(name)?;
        (target.standing, target.next_expiry, target.ending) = (standing, next_expiry, ending);
        let warnings = target.warned.news(&target.ending);
        plan.context.author.clone_from(&target.author);
        if self.mode.goal == Goal::Run || self.mode.goal == Goal::Observe {
            for (days, entries) in warnings {
                self.tell(Notice::Expiring { target: name.to_owned(), days, entries });
            }
        }
        Some(Arc::new(plan))
    }

    pub(super) fn planned(&mut self, name: &str, plan: Arc<Plan>, live: Arc<Live>, now: Now) {
        let Some(target) = self.targets.get_mut(name) else { return };
        // A retry is for what the plan still wants and may do; anything else would be due for ever.
        let wanted: BTreeSet<_> = plan.admitted().map(|planned| &planned.change.account).collect();
        target.retries.retain(|account, _| wanted.contains(account));
        target.parked.retain(|account, _| wanted.contains(account));
        let before = target.plan.replace(Arc::clone(&plan));
        target.live = (self.mode.goal == Goal::Run).then(|| Arc::clone(&live));
        target.made = (0, 0);
        let news = before.is_none_or(|before| before.id != plan.id || before.digest != plan.digest);
        let blocked = plan.is_guarded() && target.told_blocked.as_deref() != Some(plan.id.as_str());
        target.told_blocked = plan.is_guarded().then(|| plan.id.as_str().to_owned());
        if news && !self.mode.present {
            self.tell(Notice::Planned { plan: Arc::clone(&plan) });
        }
        if blocked && !self.mode.present {
            self.tell(Notice::Blocked { plan: Arc::clone(&plan) });
        }
        if self.mode.goal == Goal::Observe {
            self.end_turn(name);
            return;
        }
        let turn = Box::new(Turn { live, plan: Arc::clone(&plan) });
        if self.mode.present {
            self.emit(
                |ticket| Effect::Present { ticket, plan },
                Activity::Turn(name.to_owned(), Step::Decide(turn)),
            );
        } else {
            self.act(name, &turn, now);
        }
    }

    fn decided(&mut self, name: String, turn: Box<Turn>, decision: Decision, now: Now) {
        match decision {
            Decision::Proceed => self.act(&name, &turn, now),
            Decision::Decline => {
                if let Some(target) = self.targets.get_mut(&name) {
                    target.declined = true;
                    target.finished = true;
                }
                self.finish_turn(&name, now);
            }
            Decision::Approve { id, by, reason } => {
                let Ok(approval) = turn.plan.approve(&id, &by, &reason, now.wall) else {
                    return self.act(&name, &turn, now);
                };
                let record = Record::Approved { target: name.clone(), approval };
                self.note(vec![record], true, now, |pending| {
                    Activity::Turn(name, Step::Approved(pending, turn))
                });
            }
        }
    }

    /// Makes the plan true as far as guards, windows and back-offs allow, or writes down that nothing is to do.
    fn act(&mut self, name: &str, turn: &Turn, now: Now) {
        let suspension = self.ledger.suspended.as_ref().filter(|suspension| suspension.holds(now.wall));
        let (suspended, resumes) = (suspension.is_some(), suspension.and_then(|suspension| suspension.until));
        let Some(target) = self.targets.get_mut(name) else { return };
        let open = target.policy.windows.open(Kind::Writes, now.wall);
        let mut admitted: Vec<Planned> = turn
            .plan
            .admitted()
            .filter(|planned| target.may_write(&planned.change.account, now))
            .filter(|planned| self.mode.only.as_ref().is_none_or(|only| only.matches(&planned.change.name)))
            .cloned()
            .collect();
        admitted.truncate(self.mode.limit.unwrap_or(usize::MAX));
        target.next_window = None;
        if !admitted.is_empty() && !open {
            target.next_window = target.policy.windows.next_open(Kind::Writes, now.wall);
        } else if !admitted.is_empty() && suspended {
            target.next_window = resumes;
        }
        if suspended || !open {
            admitted.clear();
            target.retries.clear();
        }
        if self.stopping.is_some() {
            // After the signal no new batch begins.
            admitted.clear();
        }
        let mut records: Vec<Record> = target.unsaid.iter().map(|unsaid| unsaid.record.clone()).collect();
        records.extend(self.what_was_learnt(name, &turn.plan, !admitted.is_empty()));
        if admitted.is_empty() {
            records.extend(self.mark(name, &turn.plan, &BTreeSet::new()));
            if !self.ledger.of(name).is_some_and(|ledger| ledger.contact) && turn.plan.changes.is_empty() {
                records.push(Record::Contact { target: name.to_owned() });
            }
            if records.is_empty() {
                self.end_turn(name);
            } else {
                self.note(records, true, now, |pending| {
                    Activity::Turn(name.to_owned(), Step::Noted(pending))
                });
            }
        } else {
            self.begin_batch(name, &turn.plan, admitted, records, now);
        }
    }

    /// The turn is over. That a desired state came into force is said with the first records that follow, and if none
    /// do, alone.
    fn finish_turn(&mut self, name: &str, now: Now) {
        let unsaid = self.targets.get(name).and_then(|target| target.unsaid.as_ref());
        match unsaid.map(|unsaid| unsaid.record.clone()) {
            Some(record) if self.stopping.is_none() => self.note(vec![record], true, now, |pending| {
                Activity::Turn(name.to_owned(), Step::Noted(pending))
            }),
            _ => self.end_turn(name),
        }
    }

    /// The turn is over; a goal that ends looks whether another one is needed.
    pub(super) fn end_turn(&mut self, name: &str) {
        self.activity = Activity::Idle;
        let ends = !matches!(self.mode.goal, Goal::Run | Goal::Observe);
        let Some(target) = self.targets.get_mut(name) else { return };
        target.forced = false;
        if ends {
            target.finished = true;
        }
    }

    pub(super) fn note(
        &mut self,
        records: Vec<Record>,
        sync: bool,
        now: Now,
        activity: impl FnOnce(PendingRecords) -> Activity,
    ) {
        let pending = self.append(records, sync, None, now);
        self.activity = activity(pending);
    }
}

/// Returns the folded names of these changes.
pub(super) fn names<'a>(changes: impl Iterator<Item = &'a Change>) -> BTreeSet<String> {
    changes.map(|change| fold(&change.name)).collect()
}
