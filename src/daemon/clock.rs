//! The clocks. Everything else is told what time it is.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use crate::model::Now;

/// Names the moment that the wall clock shows when the process starts; for tests and demonstrations.
pub const NOW_VARIABLE: &str = "POPGATE_NOW";

/// Names a file with the number of seconds by which the wall clock is ahead of what it would show, so that a test
/// may set the clock of a running process. A release build ignores it.
pub const AHEAD_VARIABLE: &str = "POPGATE_CRASH_CLOCK";

/// How much longer than asked for a thread may sleep: to wake a processor takes its time.
const OVERSLEEPS: Duration = Duration::from_micros(300);

/// Reads both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
    /// A fixed wall-clock start, instead of the system's.
    wall: Option<Timestamp>,
}

impl Clock {
    /// Starts the monotonic clock. `fixed` is the text of [`NOW_VARIABLE`]; anything but a timestamp is ignored.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads clocks")]
    pub fn start(fixed: Option<&str>) -> Self {
        Self { start: Instant::now(), wall: fixed.and_then(|text| text.parse().ok()) }
    }

    /// Keeps the thread until a moment on the monotonic clock, but no longer than for `most`.
    pub fn wait(&self, until: Duration, most: Duration) {
        let until = until.min(self.now().mono + most);
        std::thread::sleep(until.saturating_sub(self.now().mono + OVERSLEEPS));
        while self.now().mono < until {
            std::hint::spin_loop();
        }
    }

    /// Returns the present moment.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads clocks")]
    pub fn now(&self) -> Now {
        let mono: Duration = self.start.elapsed();
        let wall = match self.wall {
            Some(start) => start
                .checked_add(SignedDuration::try_from(mono).unwrap_or_default())
                .unwrap_or(Timestamp::MAX),
            None => Timestamp::now(),
        };
        Now { mono, wall: wall.saturating_add(ahead()).unwrap_or(wall) }
    }
}

/// Returns by how much a test has set the wall clock.
fn ahead() -> SignedDuration {
    if !cfg!(debug_assertions) {
        return SignedDuration::ZERO;
    }
    let text = std::env::var_os(AHEAD_VARIABLE).and_then(|file| std::fs::read_to_string(file).ok());
    SignedDuration::from_secs(text.and_then(|text| text.trim().parse().ok()).unwrap_or_default())
}
