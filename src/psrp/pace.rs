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

/// Waits between one question for output and the next. A server answers as soon as it has anything, so whoever asks again
/// at once has a request for every mailbox.
#[derive(Default)]
pub(super) struct Pace(Duration);

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
        self.0 = match size {
            ..LITTLE => (self.0 * 2).clamp(SHORTEST, LONGEST),
            LITTLE..PLENTY => self.0,
            // The server would wait for us, sooner or later.
            PLENTY.. => self.0 / 2,
        };
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trickle_is_collected_and_a_stream_is_not_held_up() {
        let mut pace = Pace::default();
        let pauses: Vec<u128> = (0..8).map(|_| pace.after(300).as_millis()).collect();
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 200, 200]);
        assert_eq!(pace.after(LITTLE), LONGEST);
        assert_eq!(pace.after(PLENTY), LONGEST / 2);
        let last = (0..40).map(|_| pace.after(PLENTY)).last();
        assert_eq!(last, Some(Duration::ZERO));
        assert_eq!(pace.after(0), SHORTEST);
    }
}
