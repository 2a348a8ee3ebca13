//! Durations as they are written: `500ms`, `30s`, `15m`, `1h`, `1h30m`.

use std::time::Duration;

/// The longest duration that makes sense in settings.
pub(super) const LONGEST: Duration = Duration::from_hours(366 * 24);

/// Why a text is no duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadDuration {
    /// A bare number.
    NoUnit,
    /// No whole numbers with known units, the largest unit first.
    Form,
    /// Longer than [`LONGEST`].
    TooLong,
}

/// Units in the order in which they are written, with their milliseconds.
const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// Reads a duration.
pub(super) fn parse(text: &str) -> Result<Duration, BadDuration> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(BadDuration::NoUnit);
    }
    let (mut rest, mut units, mut total) = (text, UNITS.iter(), 0u64);
    while !rest.is_empty() {
        let (digits, after) = split(rest, |byte| byte.is_ascii_digit());
        let (unit, after) = split(after, |byte| byte.is_ascii_alphabetic());
        // Only smaller units may follow.
        let &(_, scale) = units.find(|(name, _)| *name == unit).ok_or(BadDuration::Form)?;
        if digits.is_empty() {
            return Err(BadDuration::Form);
        }
        let number: u64 = digits.parse().map_err(|_| BadDuration::TooLong)?;
        total =
            number.checked_mul(scale).and_then(|part| total.checked_add(part)).ok_or(BadDuration::TooLong)?;
        rest = after;
    }
    match Duration::from_millis(total) {
        _ if text.is_empty() => Err(BadDuration::Form),
        total if total > LONGEST => Err(BadDuration::TooLong),
        total => Ok(total),
    }
}

/// Writes a duration so that it reads back.
pub(super) fn written(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, scale) in UNITS {
        if rest >= scale {
            text += &(rest / scale).to_string();
            text += unit;
            rest %= scale;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

fn split(text: &str, belongs: impl Fn(u8) -> bool) -> (&str, &str) {
    text.split_at(text.bytes().position(|byte| !belongs(byte)).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_have_units_largest_first() {
        for (text, milliseconds) in [
            ("500ms", 500),
            ("30s", 30_000),
            ("15m", 900_000),
            ("1h", 3_600_000),
            ("1h30m", 5_400_000),
            ("1m500ms", 60_500),
            ("90m", 5_400_000),
            ("0s", 0),
            ("8784h", 31_622_400_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn odd_durations_are_refused() {
        for (text, why) in [
            ("30", BadDuration::NoUnit),
            ("", BadDuration::Form),
            ("s", BadDuration::Form),
            ("30 s", BadDuration::Form),
            ("30S", BadDuration::Form),
            ("1.5h", BadDuration::Form),
            ("-30s", BadDuration::Form),
            ("30m1h", BadDuration::Form),
            ("1s1s", BadDuration::Form),
            ("1d", BadDuration::Form),
            ("1h30", BadDuration::Form),
            ("３0s", BadDuration::Form),
            ("8785h", BadDuration::TooLong),
            ("99999999999999999999h", BadDuration::TooLong),
            ("9999999999999999999h", BadDuration::TooLong),
        ] {
            assert_eq!(parse(text), Err(why), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(milliseconds in 0..31_622_400_000u64) {
            let duration = Duration::from_millis(milliseconds);
            prop_assert_eq!(parse(&written(duration)), Ok(duration));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[0-9hms \\PC]{0,30}") {
            prop_assert!(parse(&text).is_err() || !text.contains(' '));
        }
    }
}
