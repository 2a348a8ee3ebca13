//! The two halves of a window: from when to when, and on which days it opens.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Weekday;

/// Minutes in a day.
pub(super) const DAY: u16 = 24 * 60;

/// From when to when a window is open, in minutes after the midnight of the day it opens. A window that ends at or
/// before the time it begins ends on the next day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    from: u16,
    to: u16,
}

impl Hours {
    /// The minute after midnight when the window opens, below 1440.
    pub(super) fn from(self) -> u16 {
        self.from
    }

    /// The minute after the same midnight when it closes: more than `from`, at most 2879.
    pub(super) fn to(self) -> u16 {
        if self.to > self.from { self.to } else { self.to + DAY }
    }
}

/// Why hours could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadHours {
    /// Not two times with a hyphen between them.
    #[error("hours are written as `22:00-02:00`")]
    Form,
    /// A time that no clock shows.
    #[error("a time is from `00:00` to `23:59`, and `24:00` may end a window")]
    Time,
    /// Begins when it ends.
    #[error("a window may not end when it begins; `00:00-24:00` is a whole day")]
    Equal,
}

impl FromStr for Hours {
    type Err = BadHours;

    fn from_str(text: &str) -> Result<Self, BadHours> {
        let (from, to) = text.split_once('-').ok_or(BadHours::Form)?;
        let (from, to) = (minute(from)?, minute(to)?);
        match (from, to) {
            (DAY, _) => Err(BadHours::Time),
            _ if from == to => Err(BadHours::Equal),
            _ => Ok(Self { from, to }),
        }
    }
}

/// Reads `HH:MM` with exactly two digits each.
fn minute(text: &str) -> Result<u16, BadHours> {
    let &[h1, h2, b':', m1, m2] = text.as_bytes() else { return Err(BadHours::Form) };
    if ![h1, h2, m1, m2].iter().all(u8::is_ascii_digit) {
        return Err(BadHours::Form);
    }
    let number = |tens: u8, ones: u8| u16::from(tens - b'0') * 10 + u16::from(ones - b'0');
    let (hour, minute) = (number(h1, h2), number(m1, m2));
    if minute > 59 || hour > 24 || (hour == 24 && minute > 0) {
        return Err(BadHours::Time);
    }
    Ok(hour * 60 + minute)
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to) = (self.from, self.to);
        write!(f, "{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, to / 60, to % 60)
    }
}

/// Days of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Days([bool; 7]);

impl Days {
    /// All seven.
    pub const EVERY: Self = Self([true; 7]);

    /// Tells whether this day is one of them.
    pub fn contains(self, day: Weekday) -> bool {
        self.0[usize::from(index(day))]
    }
}

impl FromIterator<Weekday> for Days {
    fn from_iter<I: IntoIterator<Item = Weekday>>(days: I) -> Self {
        let mut chosen = [false; 7];
        for day in days {
            chosen[usize::from(index(day))] = true;
        }
        Self(chosen)
    }
}

/// Counts the days from Monday, from 0.
pub(super) fn index(day: Weekday) -> u8 {
    day.to_monday_zero_offset().unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_read_back_as_written() {
        for text in ["22:00-02:00", "00:00-24:00", "09:30-17:05", "22:00-24:00", "22:00-00:00", "00:00-23:59"]
        {
            assert_eq!(text.parse::<Hours>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn hours_that_end_at_or_before_their_begin_end_on_the_next_day() {
        let of = |text: &str| text.parse::<Hours>().map(|hours| (hours.from(), hours.to())).unwrap();
        assert_eq!(of("22:00-02:00"), (1320, 1560));
        assert_eq!(of("22:00-00:00"), (1320, 1440));
        assert_eq!(of("22:00-24:00"), (1320, 1440));
        assert_eq!(of("00:00-24:00"), (0, 1440));
        assert_eq!(of("23:59-23:58"), (1439, 2878));
    }

    #[test]
    fn odd_hours_are_refused() {
        for (text, why) in [
            ("", BadHours::Form),
            ("22:00", BadHours::Form),
            ("22-02", BadHours::Form),
            ("2:00-3:00", BadHours::Form),
            ("22:00 - 02:00", BadHours::Form),
            ("22:00-02:00-03:00", BadHours::Form),
            ("+1:00-02:00", BadHours::Form),
            ("２２:00-02:00", BadHours::Form),
            ("10pm-2am", BadHours::Form),
            ("24:00-02:00", BadHours::Time),
            ("22:60-23:00", BadHours::Time),
            ("22:00-24:01", BadHours::Time),
            ("25:00-02:00", BadHours::Time),
            ("22:00-22:00", BadHours::Equal),
            ("00:00-00:00", BadHours::Equal),
        ] {
            assert_eq!(text.parse::<Hours>(), Err(why), "{text}");
        }
    }
}
