//! Effects take place, and are answered after a while.

use std::time::Duration;

use jiff::tz::TimeZone;
use popgate::engine::effect::Effect;
use popgate::engine::event::{Answer, DesiredRead, ReadFailure, Ticket};
use popgate::journal::entry::Record;
use popgate::model::{Access, Account, AccountId, Live, Outcome, Servers, State};
use popgate::plan::{Cause, Change};
use popgate::services::ServiceError;

use super::{Event, History, is_service, shorten};
use crate::bugs::Bug;
use crate::check::{Violation, broken};
use crate::seen::Seen;

impl History {
    /// An effect is on its way; the process may crash before, or after it took place.
    pub(super) fn begin(&mut self, effect: Effect) -> Result<(), Violation> {
        if matches!(effect, Effect::ReadDesired { .. }) {
            if self.now > self.looks.0 + Duration::from_secs(10) {
                self.looks = (self.now, 0);
            }
            self.looks.1 += 1;
            if self.looks.1 > 60 {
                return broken(0, "the files are read more than sixty times in ten seconds");
            }
        }
        let late = self.random.chance(50);
        match effect {
            Effect::ReadLive { .. } if late => self.random.saw(Seen::ReadLate),
            Effect::Write { .. } if late => self.random.saw(Seen::WriteLate),
            _ => {}
        }
        let before = if late { self.random.millis(100, 8000) } else { self.random.millis(1, 60) };
        self.say(|| format!("effect {}", shorten(&format!("{effect:?}"))));
        self.schedule(before, Event::Perform(Box::new(effect)));
        if self.faults && self.random.chance(8) {
            let at = self.random.millis(0, 200);
            self.schedule(at, Event::Crash);
        }
        Ok(())
    }

    fn answer(&mut self, ticket: Ticket, takes: Duration, answer: Answer) {
        let slow = self.random.chance(50);
        let extra = if slow { self.random.millis(100, 8000) } else { self.random.millis(1, 40) };
        self.schedule(takes + extra, Event::Answer(ticket, answer));
    }

    pub(super) fn perform(&mut self, effect: Effect) -> Result<(), Violation> {
        match effect {
            Effect::ReadDesired { ticket, target, ahead, .. } => {
                self.ahead.remove(&target);
                if ahead && self.random.chance(500) {
                    self.random.saw(Seen::ReadAhead);
                    let live = self.ask_store(&target);
                    self.ahead.insert(target.clone(), live);
                }
                let read = self.read_desired(&target);
                self.answer(ticket, Duration::ZERO, Answer::Desired(read));
            }
            Effect::ReadLive { ticket, target, .. } => {
                let live = match self.ahead.remove(&target) {
                    Some(live) => live,
                    None => self.ask_store(&target),
                };
                let live = self.show_live(&target, live);
                self.answer(ticket, Duration::ZERO, Answer::Live(live));
            }
            Effect::Append { ticket, at, records, sync, .. } => {
                let appended = self.append(at, &records, sync)?;
                self.answer(ticket, Duration::ZERO, Answer::Appended(appended));
            }
            Effect::Write { ticket, chunk } => {
                self.ahead.remove(&chunk.target);
                let outcomes = self.write(&chunk.target, chunk.changes.to_vec())?;
                self.answer(ticket, Duration::ZERO, Answer::Written(outcomes));
            }
            Effect::Observe { ticket, service, instance } => {
                assert!(is_service(&service), "an unknown service");
                let failed = self.faults && self.random.chance(60);
                if failed {
                    self.random.saw(Seen::LookFailed);
                }
                let looked_at =
                    |unit: &&crate::service::Unit| instance.as_ref().is_none_or(|one| *one == unit.instance);
                let units: Vec<_> = self.units.iter().filter(looked_at).collect();
                self.check.observed(&units, !failed, self.now);
                let now = self.now;
                let mut seen: Vec<_> = units.iter().map(|unit| unit.observe(now)).collect();
                if self.bug == Some(Bug::NothingProves) {
                    for seen in &mut seen {
                        seen.identity = seen.identity.as_ref().map(|_| "always the same".to_owned());
                        seen.age = seen.age.map(|_| now);
                    }
                }
                let error = ServiceError {
                    what: "cannot look".to_owned(),
                    fault: popgate::model::Fault::TRANSIENT,
                    help: None,
                };
                self.answer(
                    ticket,
                    Duration::ZERO,
                    Answer::Observed(if failed { Err(error) } else { Ok(seen) }),
                );
            }
            Effect::Arrival { ticket, target, written, .. } => {
                let counted = self.count_absent(&target, &written);
                self.answer(ticket, Duration::ZERO, Answer::Arrival(counted));
            }
            Effect::Restart { ticket, instance, halted, .. } => {
                let interval = self.targets.values().next().expect("one").policy.restart.min_interval;
                let (now, wall, faults) = (self.now, self.settled_wall(), self.faults);
                self.random.saw(Seen::Restarted);
                let unit = self.units.iter_mut().find(|unit| unit.instance == instance);
                let unit = unit.expect("every instance is known");
                self.check.restart(&instance, interval, halted && !unit.running, (now, wall))?;
                let attempt = unit.restart(now, self.check.seen, faults, &mut self.random);
                self.check.restarted(&instance, attempt.answer.is_ok(), attempt.happened, (now, wall));
                self.say(|| format!("RESTART of {instance}: {} {:?}", attempt.happened, attempt.answer));
                self.answer(ticket, attempt.takes, Answer::Restarted(attempt.answer));
            }
            Effect::Ready { ticket, .. } => {
                let takes = self.random.millis(100, 5000);
                let ready = if self.faults && self.random.chance(100) {
                    self.random.saw(Seen::NotReady);
                    Err(ServiceError {
                        what: "it does not serve".to_owned(),
                        fault: popgate::model::Fault::TRANSIENT,
                        help: None,
                    })
                } else {
                    Ok(())
                };
                self.answer(ticket, takes, Answer::Ready(ready));
            }
            Effect::Begin { .. }
            | Effect::Keep { .. }
            | Effect::Present { .. }
            | Effect::Tell(_)
            | Effect::Reply { .. } => {
                return broken(0, "a daemon asks nobody");
            }
        }
        Ok(())
    }

    fn read_desired(&mut self, target: &str) -> Result<DesiredRead, ReadFailure> {
        let files = &self.targets[target].files;
        if self.bug == Some(Bug::DeafAfterStart) && self.crashes > 0 {
            return Err(ReadFailure::Moving("for ever".to_owned()));
        }
        let read = files.read(self.now);
        if matches!(read, Err(ReadFailure::Moving(_))) {
            self.random.saw(Seen::Moving);
        }
        match (read, self.bug) {
            (Err(ReadFailure::Invalid(problems)), Some(Bug::HalfState)) => {
                let half = files.half().map(|desired| DesiredRead { desired, commit: None, author: None });
                half.ok_or(ReadFailure::Invalid(problems))
            }
            (read, _) => read,
        }
    }

    fn ask_store(&mut self, target: &str) -> Result<Live, popgate::stores::StoreError> {
        let faults = self.faults;
        let world = &self.targets[target];
        world.store.read(faults, &mut self.random).map(|live| {
            let servers = || Servers { by_domain: [("x".to_owned(), "dc".to_owned())].into() };
            if world.replication.is_some() { live.answered_by(servers()) } else { live }
        })
    }

    /// What a store answered reaches the engine, if no deliberate bug makes something else of it.
    fn show_live(
        &mut self,
        target: &str,
        live: Result<Live, popgate::stores::StoreError>,
    ) -> Result<Live, popgate::stores::StoreError> {
        let store = &self.targets[target].store;
        self.check.read(target, live.as_ref().ok());
        if self.restless
            && let Ok(live) = &live
        {
            let turned = |account: &Account| {
                let state = match account.state {
                    State::Is(Access::Enabled) => State::Is(Access::Disabled),
                    _ => State::Is(Access::Enabled),
                };
                Account { state, ..account.clone() }
            };
            return Ok(Live::new(live.iter().map(|one| turned(&one.to_account())).collect())
                .expect("ids are unique"));
        }
        if self.bug == Some(Bug::UnknownIsAbsent) {
            let told = |account: &Account| match &account.state {
                State::Unreadable(_) => Account { state: State::Is(Access::Disabled), ..account.clone() },
                _ => account.clone(),
            };
            let whole = live.unwrap_or_else(|_| store.read_part(&mut self.random));
            return Ok(
                Live::new(whole.iter().map(|one| told(&one.to_account())).collect()).expect("ids are unique")
            );
        }
        live
    }

    /// How many accounts do not read as they were written where the services look.
    fn count_absent(
        &mut self,
        target: &str,
        written: &[(AccountId, Access)],
    ) -> Result<usize, popgate::stores::StoreError> {
        let world = &self.targets[target];
        if world.store.down || self.faults && self.random.chance(100) {
            self.random.saw(Seen::ArrivalUnknown);
            let what = "no controller answers".to_owned();
            return Err(popgate::stores::StoreError {
                what,
                fault: popgate::model::Fault::TRANSIENT,
                help: None,
            });
        }
        let is_there = |(account, to): &&(AccountId, Access)| {
            let found = world.store.accounts.get(account);
            found.is_none_or(|found| found.state.is(*to))
                && world.reached.get(account).is_none_or(|(at, _)| *at + world.spread <= self.now)
        };
        let absent = if self.bug == Some(Bug::ArrivedAtOnce) {
            0
        } else {
            written.len() - written.iter().filter(is_there).count()
        };
        self.random.saw(if absent == 0 { Seen::Arrived } else { Seen::OnItsWay });
        Ok(absent)
    }

    fn append(
        &mut self,
        at: jiff::Timestamp,
        records: &[Record],
        sync: bool,
    ) -> Result<Result<u64, String>, Violation> {
        let mut records = records.to_vec();
        if self.bug == Some(Bug::LostChunkLine) {
            records.retain(|record| !matches!(record, Record::Chunk { .. }));
        }
        let kept = if sync { self.disk.have_kept(self.faults, &mut self.random) } else { Ok(()) };
        let appended =
            kept.and_then(|()| self.disk.append(at, &records, sync, self.faults, &mut self.random));
        if appended.is_ok() {
            self.count_proofs(&records);
            let several = self.targets.values().filter(|world| world.replication.is_some());
            let arrivals =
                several.flat_map(|world| world.reached.values().map(|(at, _)| (*at, *at + world.spread)));
            self.check.recorded(&records, at, self.now, sync, &self.units, &arrivals.collect::<Vec<_>>())?;
        } else {
            self.check.not_recorded(&records, self.now);
        }
        Ok(appended)
    }

    fn write(&mut self, target: &str, chunk: Vec<Change>) -> Result<Vec<Outcome>, Violation> {
        let wall = self.settled_wall();
        let planned = self.engine.as_ref().and_then(|engine| engine.plan(target));
        let planned = planned.map_or(wall, |plan| plan.generated_at);
        let day = TimeZone::UTC.to_datetime(planned).date();
        let doubted = self.doubted.is_some_and(|since| planned >= since);
        for change in &chunk {
            match change.cause {
                Cause::Expired(_) => self.random.saw(Seen::Expired),
                Cause::Drift(_) => self.random.saw(Seen::Drifted),
                Cause::Unlisted => self.random.saw(Seen::DisabledUnlisted),
                Cause::Listed(_) => self.random.saw(Seen::Wrote),
            }
        }
        self.check.write(target, &chunk, planned, day, doubted)?;
        if self.bug == Some(Bug::WriteBehind) {
            let outcomes = vec![Outcome::Done; chunk.len()];
            if let Some((target, chunk)) = self.behind.replace((target.to_owned(), chunk)) {
                let enabling = self.behind.as_ref().is_some_and(|(_, new)| new[0].to == Access::Enabled);
                if enabling && chunk[0].to == Access::Disabled {
                    // The later chunk overtakes.
                    if let Some((target, new)) = self.behind.take() {
                        self.reach(&target, &new)?;
                    }
                }
                self.reach(&target, &chunk)?;
            }
            return Ok(outcomes);
        }
        self.reach(target, &chunk)
    }

    fn reach(&mut self, target: &str, chunk: &[Change]) -> Result<Vec<Outcome>, Violation> {
        let (faults, now) = (self.faults, self.now);
        let planned = self.engine.as_ref().and_then(|engine| engine.plan(target));
        let when = (planned.map_or(self.settled_wall(), |plan| plan.generated_at), self.settled_wall());
        let world = self.targets.get_mut(target).expect("every target is known");
        let written = world.store.write(chunk, faults, &mut self.random);
        self.say(|| format!("WRITE {target}: {:?} {:?}", written.outcomes, written.applied));
        for (number, change) in chunk.iter().enumerate() {
            self.check.applied(target, change, written.applied[number], when, now)?;
            if written.applied[number] {
                let world = self.targets.get_mut(target).expect("every target is known");
                world.reached.insert(change.account.clone(), (now, change.to));
            }
        }
        Ok(written.outcomes)
    }
}
