//! How fast the output of a pipeline is asked for.

use std::time::Duration;

use tokio::time::Instant;

/// An answer of fewer bytes came before there was much to say: an envelope holds some 400,000.
const LITTLE: usize = 128 << 10;

/// An answer of as many is nearly all that an envelope holds.
const PLENTY: usize = 2 * LITTLE;

/// The first pause after an answer of little; each further one is twice as long.
const SHORTEST: Duration = Duration::from_millis(5);

/// The longest pause: what a pipeline that is over may be noticed too late.
const LONGEST: Duration = Duration::from_millis(200);

/// Of so many answers after the longest pause, one is followed by a question at once.
const PROBE: u32 = 8;

/// Waits between one question for output and the next. A server answers as soon as it has anything, so whoever asks again
/// at once has a request for every mailbox. But a server may also say no more than a fragment at a time, however much it
/// holds; to pause between those would be to wait for nothing.
#[derive(Default)]
pub(super) struct Pace {
    pause: Duration,
    /// Answers after the longest pause so far.
    turn: u32,
    /// What the answer before the last question held, if that was asked at once to see whether as much comes again.
    portion: Option<usize>,
}

impl Pace {
    /// Waits after an answer of so many bytes, but not beyond the end of the pipeline's time.
    pub(super) async fn wait(&mut self, size: usize, limit: Option<Instant>) {
        let mut pause = self.after(size);
        if let Some(limit) = limit {
            pause = pause.min(limit.saturating_duration_since(Instant::now()));
        }
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
    }

    fn after(&mut self, size: usize) -> Duration {
        if let Some(portion) = self.portion {
            // As much came without a pause as with one: the server has more than it says at a time.
            if size.saturating_mul(2) > portion {
                return Duration::ZERO;
            }
            self.portion = None;
        }
        self.pause = match size {
            1..LITTLE if self.pause == LONGEST => {
                self.turn += 1;
                if self.turn % PROBE == 1 {
                    self.portion = Some(size);
                    return Duration::ZERO;
                }
                LONGEST
            }
            ..LITTLE => (self.pause * 2).clamp(SHORTEST, LONGEST),
            LITTLE..PLENTY => self.pause,
            // The server would wait for us, sooner or later.
            PLENTY.. => self.pause / 2,
        };
        self.pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trickle_is_collected_and_a_stream_is_not_held_up() {
        let mut pace = Pace::default();
        // Five milliseconds for each mailbox of 300 bytes.
        let mut size = 300;
        let mut pauses = Vec::new();
        for _ in 0..40 {
            let pause = pace.after(size).as_millis();
            size = 300 * usize::try_from(pause / 5).unwrap().max(1);
            pauses.push(pause);
        }
        assert_eq!(pauses[..8], [5, 10, 20, 40, 80, 160, 200, 0]);
        assert_eq!(pauses.iter().filter(|pause| **pause == 0).count(), 5, "{pauses:?}");
        assert!(pauses[8..].iter().all(|pause| matches!(pause, 0 | 200)), "{pauses:?}");
        let mut pace = Pace::default();
        for _ in 0..7 {
            pace.after(300);
        }
        assert_eq!(pace.after(LITTLE), LONGEST);
        assert_eq!(pace.after(PLENTY), LONGEST / 2);
        let last = (0..40).map(|_| pace.after(PLENTY)).last();
        assert_eq!(last, Some(Duration::ZERO));
        assert_eq!(pace.after(0), SHORTEST);
    }

    #[test]
    fn a_server_that_says_little_at_a_time_is_not_waited_for() {
        let mut pace = Pace::default();
        let waited: Duration = (0..1000).map(|_| pace.after(32 << 10)).sum();
        assert!(waited < Duration::from_millis(600), "{waited:?}");
        assert_eq!(pace.after(300), LONGEST, "it has said all");
        let idle: Vec<Duration> = (0..20).map(|_| pace.after(0)).collect();
        assert!(idle.iter().all(|pause| *pause == LONGEST), "{idle:?}");
    }
}
