//! Service instances: they hang, start late, are stopped, and are restarted by somebody else.

use std::time::Duration;

use popgate::model::Fault;
use popgate::services::{Condition, Instance, Observed, ServiceError};

use crate::random::Random;

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
    changing_until: Duration,
}

/// What an attempt to restart came to.
pub(crate) struct Attempt {
    pub(crate) answer: Result<(), ServiceError>,
    pub(crate) happened: bool,
    pub(crate) takes: Duration,
}

impl Unit {
    pub(crate) fn new(instance: Instance, shows: Shows) -> Self {
        Self {
            instance,
            shows,
            running: true,
            started: Duration::ZERO,
            run: 1,
            changing_until: Duration::ZERO,
        }
    }

    pub(crate) fn start_anew(&mut self, now: Duration) {
        self.running = true;
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
            age: up.then(|| now.saturating_sub(self.started)),
            condition,
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
        let error =
            |what: &str| Err(ServiceError { what: what.to_owned(), fault: Fault::TRANSIENT, help: None });
        let fate = if faults { random.below(10) } else { 9 };
        let (answer, happened, takes) = match fate {
            0 => (error("it did not stop"), false, soon),
            1 => (error("no answer in time"), random.chance(500), Duration::from_mins(1)),
            // It says that all is well, and the old run is still there.
            2 if seen && self.shows != Shows::Nothing => (Ok(()), false, soon),
            3 => {
                self.changing_until = now + random.millis(1000, 20_000);
                (Ok(()), true, soon)
            }
            _ => (Ok(()), true, soon),
        };
        if happened {
            self.start_anew(now);
        }
        Attempt { answer, happened, takes }
    }
}
