//! Everything that goes wrong, and everybody who does something meanwhile.

use std::time::Duration;

use jiff::SignedDuration;
use popgate::engine::event::{Command, Input};
use popgate::model::Access;
use popgate::model::AccountId;

use super::{Event, History};
use crate::check::{Violation, broken};
use crate::files::Model;
use crate::seen::Seen;

impl History {
    pub(super) fn trouble(&mut self) -> Result<(), Violation> {
        let names: Vec<String> = self.targets.keys().cloned().collect();
        let target = self.random.pick(&names);
        match self.random.below(34) {
            0..=8 => return self.edit(&target),
            9..=14 => {
                let world = self.targets.get_mut(&target).expect("known");
                let what = world.store.disturb(&mut self.random);
                // What somebody took back is nowhere on its way any more.
                let accounts = &world.store.accounts;
                let stands = |id: &AccountId, to| accounts.get(id).is_some_and(|found| found.state.is(to));
                world.reached.retain(|id, (_, to)| stands(id, *to));
                self.say(|| format!("in the store of {target}: {what}"));
            }
            15 => self.outage(&target, true),
            16 | 17 => self.outage(&target, false),
            18 => {
                self.random.saw(Seen::DiskFull);
                self.disk.full = true;
            }
            19 | 20 => self.disk.full = false,
            21 | 22 => self.somebody_restarts(),
            23 => {
                let at = self.random.below(self.units.len());
                self.random.saw(Seen::Stopped);
                (self.units[at].running, self.units[at].left) = (false, false);
                self.say(|| format!("somebody stops unit {at}"));
            }
            24 => self.jump(),
            25 => self.schedule(Duration::ZERO, Event::Crash),
            26 => {
                self.check.stopped |= self.engine.as_ref().is_some_and(popgate::engine::Engine::idle);
                self.say(|| "SIGTERM".to_owned());
                self.random.saw(Seen::Terminated);
                self.input(Input::Stop);
                if self.random.chance(200) {
                    self.random.saw(Seen::Aborted);
                    let at = self.random.millis(1, 500);
                    self.schedule(at, Event::Input(Input::Abort));
                }
            }
            27..=30 => self.approve(&target),
            _ => self.operate(),
        }
        Ok(())
    }

    fn input(&mut self, input: Input) {
        self.schedule(Duration::ZERO, Event::Input(input));
    }

    pub(super) fn command(&mut self, command: Command) {
        self.numbered += 1;
        let ticket = self.numbered;
        self.input(Input::Operator { ticket, command });
    }

    fn edit(&mut self, target: &str) -> Result<(), Violation> {
        let day = jiff::tz::TimeZone::UTC.to_datetime(self.base).date();
        let world = self.targets.get_mut(target).expect("known");
        let names = world.store.names();
        let random = &mut self.random;
        let mut model = world.files.model.clone();
        for _ in 0..=random.below(3) {
            let name = if random.chance(30) { "u99@x".to_owned() } else { random.pick(&names) };
            // Two names of one account are a mistake that only the store shows; now and then is enough.
            let known = name.starts_with('u') || random.chance(60);
            if random.chance(250) {
                model.remove(&name);
            } else if known {
                let access = if random.chance(500) { Access::Enabled } else { Access::Disabled };
                let until = (access == Access::Enabled && random.chance(250)).then_some(day);
                model.insert(name, (access, until));
            }
        }
        let fate = random.below(100);
        match fate {
            0..10 => world.files.write(model, true, random),
            10..14 => world.files.write(Model::new(), false, random),
            14..20 => world.files.swap(random),
            20..30 => world.files.copy_half(model, random).or_else(|what| broken(1, what))?,
            _ => world.files.write(model, false, random),
        }
        random.saw(match fate {
            0..10 => Seen::Broken,
            10..14 => Seen::Emptied,
            14..20 => Seen::Swapped,
            20..30 => Seen::HalfCopied,
            _ => Seen::Edited,
        });
        if random.chance(200) {
            world.files.moving_until = self.now + random.millis(200, 60_000);
        }
        let model = world.files.model.clone();
        self.say(|| format!("{target} is edited ({fate}): {model:?}"));
        self.note_trees();
        if (20..30).contains(&fate) {
            let at = self.random.millis(100, 900_000);
            self.schedule(at, Event::Arrival(target.to_owned()));
        }
        if self.random.chance(800) {
            self.input(Input::Hint { target: target.to_owned() });
        } else {
            self.random.saw(Seen::Missed);
        }
        Ok(())
    }

    fn outage(&mut self, target: &str, down: bool) {
        self.targets.get_mut(target).expect("known").store.down = down;
        if down {
            self.random.saw(Seen::Outage);
        }
        self.say(|| format!("the store of {target} is down: {down}"));
    }

    fn somebody_restarts(&mut self) {
        let at = self.random.below(self.units.len());
        let now = self.now;
        self.random.saw(Seen::RestartedBySomebody);
        self.units[at].start_anew(now);
        self.say(|| format!("somebody restarts unit {at}"));
    }

    fn jump(&mut self) {
        let minutes = |count: usize| i64::try_from(count).expect("small");
        let off = match self.random.below(12) {
            0 => SignedDuration::from_hours(25),
            1..=5 => SignedDuration::from_mins(minutes(self.random.below(60))),
            _ => SignedDuration::from_mins(-minutes(self.random.below(60))),
        };
        self.wall_off += i64::try_from(off.as_millis()).expect("small");
        self.random.saw(match off {
            off if off.is_negative() => Seen::WallBack,
            off if off > SignedDuration::from_hours(24) => Seen::WallFarForward,
            _ => Seen::WallForward,
        });
        self.check.jumped(self.now);
        // What the engine was shown last may be a minute old.
        let seen = self.shown + SignedDuration::from_hours(24) + SignedDuration::from_mins(2);
        if self.engine.is_some() && self.wall() > seen {
            self.doubted = Some(self.wall());
        }
        self.say(|| format!("the wall clock jumps by {off}"));
    }

    /// Approves everything that the last plan of a target waits for.
    pub(super) fn approve(&mut self, target: &str) {
        let Some(plan) = self.engine.as_ref().and_then(|engine| engine.plan(target)).cloned() else { return };
        let whole = plan.is_guarded().then(|| plan.id.clone());
        for id in whole.into_iter().chain(plan.held.iter().map(|held| held.id.clone())) {
            self.random.saw(Seen::Approved);
            self.command(Command::Approve { id, by: "op".to_owned(), reason: "seen".to_owned() });
        }
    }

    fn operate(&mut self) {
        let (by, reason) = ("op".to_owned(), "because".to_owned());
        match self.random.below(8) {
            0 => {
                let lasts =
                    SignedDuration::from_mins(1 + i64::try_from(self.random.below(90)).expect("small"));
                self.random.saw(Seen::Suspended);
                let until = self.random.chance(700).then(|| self.wall() + lasts);
                self.command(Command::Suspend { by, reason, until });
            }
            1 | 2 => {
                self.random.saw(Seen::Resumed);
                self.command(Command::Resume { by, reason });
            }
            3 | 4 => {
                self.random.saw(Seen::Reconciled);
                self.command(Command::Reconcile { by });
            }
            5 => {
                self.random.saw(Seen::Urged);
                let reason = self.random.chance(500).then_some(reason);
                self.check.urged = true;
                self.command(Command::Restart { by, reason });
            }
            6 => {
                let now = self.now;
                self.units.iter_mut().for_each(|unit| unit.start_anew(now));
                self.random.saw(Seen::RestartDone);
                self.say(|| "a person restarts everything and says so".to_owned());
                self.command(Command::RestartDone { by });
            }
            _ => self.schedule(Duration::ZERO, Event::Crash),
        }
    }
}
