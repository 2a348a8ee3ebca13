//! Numbers, times and lists of names in plain English.

use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::harmless::harmless;

/// How many names a sentence lists before it only counts.
const MOST_NAMES: usize = 10;

/// A number with commas between thousands.
pub(super) fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number with the word for what it counts, whose plural ends in `s`.
pub(super) fn counted(value: u64, word: &str) -> String {
    format!("{} {word}{}", number(value), if value == 1 { "" } else { "s" })
}

/// The same for words with a plural of their own.
pub(super) fn counted_as(value: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(value), if value == 1 { one } else { many })
}

/// A length of time, as exact as a person wants it.
pub(super) fn seconds(value: u64) -> String {
    let (days, hours, minutes) = (value / 86_400, value / 3600 % 24, value / 60 % 60);
    match value {
        0..120 => format!("{value} s"),
        120..7200 => format!("{minutes} min", minutes = value / 60),
        7200..172_800 if minutes == 0 => format!("{} h", value / 3600),
        7200..172_800 => format!("{} h {minutes} min", value / 3600),
        _ if hours == 0 => format!("{days} days"),
        _ => format!("{days} days {hours} h"),
    }
}

/// A moment in a zone, to the second.
pub(super) fn moment(at: Timestamp, zone: &TimeZone) -> String {
    zone.to_datetime(at).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// A moment in a zone, without the day where it is that of another moment.
pub(super) fn moment_near(at: Timestamp, near: Timestamp, zone: &TimeZone) -> String {
    let here = zone.to_datetime(at);
    if here.date() == zone.to_datetime(near).date() {
        here.strftime("%H:%M:%S").to_string()
    } else {
        moment(at, zone)
    }
}

/// The name of a zone, for a person.
pub(super) fn zone(zone: &TimeZone) -> String {
    zone.iana_name().map_or_else(|| "local time".to_owned(), harmless)
}

/// The first names of many, and how many more there are.
pub(crate) fn names<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut names = names.into_iter();
    let mut out = String::new();
    for name in names.by_ref().take(MOST_NAMES) {
        let comma = if out.is_empty() { "" } else { ", " };
        // Writing to a `String` cannot fail.
        let _ = write!(out, "{comma}{}", harmless(name));
    }
    match names.count() as u64 {
        0 => out,
        more => format!("{out} and {} more", number(more)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        for (value, text) in
            [(0, "0"), (999, "999"), (1000, "1,000"), (123_456, "123,456"), (1_000_000, "1,000,000")]
        {
            assert_eq!(number(value), text);
        }
        assert_eq!(counted(1, "change"), "1 change");
        assert_eq!(counted(0, "change"), "0 changes");
        assert_eq!(counted_as(2, "entry", "entries"), "2 entries");
    }

    #[test]
    fn lengths_of_time_are_as_exact_as_they_need_to_be() {
        for (value, text) in [
            (0, "0 s"),
            (30, "30 s"),
            (119, "119 s"),
            (120, "2 min"),
            (900, "15 min"),
            (7199, "119 min"),
            (7200, "2 h"),
            (29_520, "8 h 12 min"),
            (172_800, "2 days"),
            (180_000, "2 days 2 h"),
        ] {
            assert_eq!(seconds(value), text);
        }
    }

    #[test]
    fn times_are_shown_in_the_zone_asked_for() {
        let zone = TimeZone::get("Asia/Taipei").unwrap();
        let at: Timestamp = "2026-08-22T16:30:05Z".parse().unwrap();
        let before: Timestamp = "2026-08-22T15:59:59Z".parse().unwrap();
        assert_eq!(moment(at, &zone), "2026-08-23 00:30:05");
        assert_eq!(moment_near(at, at, &zone), "00:30:05");
        assert_eq!(moment_near(at, before, &zone), "2026-08-23 00:30:05");
    }

    #[test]
    fn more_than_ten_names_are_counted() {
        let all: Vec<String> = (0..12).map(|n| format!("u{n}")).collect();
        assert_eq!(names(["a", "b\n"]), r"a, b\u{a}");
        assert_eq!(names(all[..10].iter().map(String::as_str)), "u0, u1, u2, u3, u4, u5, u6, u7, u8, u9");
        assert_eq!(
            names(all.iter().map(String::as_str)),
            "u0, u1, u2, u3, u4, u5, u6, u7, u8, u9 and 2 more"
        );
    }
}
