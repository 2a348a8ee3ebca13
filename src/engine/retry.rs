//! Back-off: 1 s doubling to 5 min, with jitter, longer if the other side asked for it.

use std::time::Duration;

/// The longest pause between two attempts.
pub const LONGEST: Duration = Duration::from_mins(5);

/// How often something failed in a row, and when it is tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Failures in a row.
    pub attempts: u32,
    /// Monotonic time of the next attempt.
    pub due: Duration,
}

impl Backoff {
    /// Counts one more failure after `before`. `jitter` is any number; up to a quarter of the pause is added by it.
    pub fn after(before: Option<&Self>, now: Duration, asked: Option<Duration>, jitter: u64) -> Self {
        let attempts = before.map_or(0, |before| before.attempts).saturating_add(1);
        let pause = Duration::from_secs(1 << (attempts - 1).min(9)).min(LONGEST);
        let quarter = u64::try_from(pause.as_millis() / 4).unwrap_or(u64::MAX).max(1);
        let pause = pause + Duration::from_millis(jitter % quarter);
        Self { attempts, due: now + pause.max(asked.unwrap_or_default()) }
    }
}

/// A small deterministic source of jitter (splitmix64), seeded by the driver.
#[derive(Clone, Debug)]
pub struct Jitter(u64);

impl Jitter {
    /// Starts from a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns the next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_from_one_second_to_five_minutes() {
        let mut backoff = None;
        let mut pauses = Vec::new();
        for _ in 0..12 {
            let next = Backoff::after(backoff.as_ref(), Duration::ZERO, None, 0);
            pauses.push(next.due.as_secs());
            backoff = Some(next);
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
    }

    #[test]
    fn a_wish_of_the_other_side_is_honoured_and_jitter_stays_below_a_quarter() {
        let asked = Some(Duration::from_secs(90));
        assert_eq!(Backoff::after(None, Duration::ZERO, asked, 0).due, Duration::from_secs(90));
        let jittered = Backoff::after(None, Duration::ZERO, None, u64::MAX).due;
        assert!(jittered >= Duration::from_secs(1) && jittered < Duration::from_millis(1250));
    }
}
