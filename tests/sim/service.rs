//! Service instances: they hang, start late, are stopped, and are restarted by somebody else.

use std::time::Duration;

use popgate::engine::event::RestartFailure;
use popgate::model::Fault;
use popgate::services::{Condition, Instance, Observed, ServiceError};

use crate::random::Random;
use crate::seen::Seen;

/// What a service can show of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shows {
    /// Identity and age.
    Identity,
    /// Its age only.
    Age,
    /// Nothing: the success of a restart is its proof.
    Nothing,
}

pub(crate) struct Unit {
    pub(crate) instance: Instance,
    pub(crate) shows: Shows,
    pub(crate) running: bool,
    /// When this run began, in true time, and which one it is.
    pub(crate) started: Duration,
    pub(crate) run: u64,
    /// The clock of its own machine: how far ahead it is, and by how many millionths it runs too fast.
    ahead: Duration,
    fast: i64,
    /// Whether it tells its age in whole seconds only.
    coarse: bool,
    changing_until: Duration,
    /// popgate stopped it and did not bring it back.
    pub(crate) left: bool,
}

/// What an attempt to restart came to.
pub(crate) struct Attempt {
    pub(crate) answer: Result<(), RestartFailure>,
    pub(crate) happened: bool,
    pub(crate) takes: Duration,
}

impl Unit {
    pub(crate) fn new(instance: Instance, shows: Shows, random: &mut Random) -> Self {
        let fast = 100 - i64::try_from(random.below(201)).expect("small");
        if fast != 0 {
            random.saw(Seen::ClockSkewed);
        }
        Self {
            ahead: random.millis(0, 100_000_000),
            fast,
            coarse: random.chance(300),
            instance,
            shows,
            running: true,
            started: Duration::ZERO,
            run: 1,
            changing_until: Duration::ZERO,
            left: false,
        }
    }

    pub(crate) fn start_anew(&mut self, now: Duration) {
        (self.running, self.left) = (true, false);
        self.started = now;
        self.run += 1;
    }

    pub(crate) fn observe(&self, now: Duration) -> Observed {
        let condition = match (self.shows, self.running) {
            (Shows::Nothing, _) => Condition::Unknown,
            (_, false) => Condition::Stopped,
            _ if now < self.changing_until => Condition::Changing,
            _ => Condition::Running,
        };
        let up = self.running && self.shows != Shows::Nothing;
        Observed {
            instance: self.instance.clone(),
            identity: (up && self.shows == Shows::Identity).then(|| self.identity()),
            age: up.then(|| self.age(now)),
            condition,
        }
    }

    /// The difference of two readings of its own clock, wherever that clock stands.
    fn age(&self, now: Duration) -> Duration {
        let age = self.reading(now).saturating_sub(self.reading(self.started));
        if self.coarse { Duration::from_secs(age.as_secs()) } else { age }
    }

    fn reading(&self, now: Duration) -> Duration {
        let off = now / 1_000_000 * u32::try_from(self.fast.abs()).expect("small");
        let reading = self.ahead + now;
        if self.fast < 0 { reading.saturating_sub(off) } else { reading + off }
    }

    /// Whether a run that goes on can be told from a new one. An age alone tells nothing about two runs that begin
    /// within the time that a look may take and the engine's tolerance for ages.
    fn can_be_told_apart(&self, now: Duration) -> bool {
        match self.shows {
            Shows::Identity => true,
            Shows::Age => now.saturating_sub(self.started) > Duration::from_secs(20),
            Shows::Nothing => false,
        }
    }

    pub(crate) fn identity(&self) -> String {
        format!("run {}", self.run)
    }

    /// `seen` says whether the last look at it worked; one that nobody saw is not believed to lie.
    pub(crate) fn restart(
        &mut self,
        now: Duration,
        seen: bool,
        faults: bool,
        random: &mut Random,
    ) -> Attempt {
        let soon = random.millis(50, 3000);
        let left = self.left;
        let error = |what: &str, halted| {
            let error = ServiceError { what: what.to_owned(), fault: Fault::TRANSIENT, help: None };
            Err(RestartFailure { error, halted })
        };
        let fate = if faults { random.below(10) } else { 9 };
        let (answer, happened, takes) = match fate {
            0 => {
                random.saw(Seen::DidNotStop);
                (error("it did not stop", left), false, soon)
            }
            1 => {
                let happened = random.chance(500);
                random.saw(if happened { Seen::HungAndRestarted } else { Seen::Hung });
                (error("no answer in time", left && !happened), happened, Duration::from_mins(1))
            }
            // It says that all is well, and the old run is still there.
            2 if seen && self.running && self.can_be_told_apart(now) => {
                random.saw(Seen::Lied);
                (Ok(()), false, soon)
            }
            3 => {
                random.saw(Seen::StartedLate);
                self.changing_until = now + random.millis(1000, 20_000);
                (Ok(()), true, soon)
            }
            4 => {
                random.saw(Seen::LeftStopped);
                (self.running, self.left) = (false, true);
                (error("it does not start", true), false, soon)
            }
            _ => (Ok(()), true, soon),
        };
        if happened {
            self.start_anew(now);
        }
        Attempt { answer, happened, takes }
    }
}
