//! Warnings that access ends soon: 14, 3 and 1 days ahead, each once.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::desired::EntryRef;
use crate::journal::entry::Warnings;
use crate::model::Access;

/// How many days ahead somebody is warned.
const AHEAD: [u8; 3] = [14, 3, 1];

/// An entry whose access ends soon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ending {
    pub(super) name: String,
    /// The last day of access.
    pub(super) until: Date,
    /// The warning that it has reached: within so many days.
    within: u8,
}

/// Remembers who was warned of.
#[derive(Debug, Default)]
pub(super) struct Warned(Warnings);

/// Lists the entries whose access ends within the longest warning, the first to end first.
pub(super) fn ending<'a>(
    entries: impl Iterator<Item = EntryRef<'a>>,
    zone: &TimeZone,
    now: Timestamp,
) -> Vec<Ending> {
    let soon = |entry: EntryRef<'_>| {
        let ends = entry.expires_at(zone).filter(|ends| entry.access == Access::Enabled && *ends > now)?;
        let left = ends.duration_since(now);
        let reached =
            AHEAD.into_iter().filter(|days| left <= SignedDuration::from_hours(24 * i64::from(*days)));
        Some(Ending { name: entry.name.to_string(), until: entry.until?, within: reached.min()? })
    };
    let mut ending: Vec<Ending> = entries.filter_map(soon).collect();
    ending.sort_by(|one, other| (one.until, &one.name).cmp(&(other.until, &other.name)));
    ending
}

impl Warned {
    /// Goes on from what the journal remembers, so that a daemon that starts again repeats no warning.
    pub(super) fn before(warnings: Warnings) -> Self {
        Self(warnings)
    }

    /// Returns what is to be remembered.
    pub(super) fn all(&self) -> &Warnings {
        &self.0
    }

    /// Returns what nobody was warned of yet, by how many days ahead, and forgets entries that do not end any more.
    pub(super) fn news(&mut self, ending: &[Ending]) -> BTreeMap<u8, Vec<(String, Date)>> {
        let mut news = BTreeMap::<u8, Vec<_>>::new();
        let before = std::mem::take(&mut self.0);
        for one in ending {
            let told = before.get(&one.name).filter(|(until, _)| *until == one.until);
            if told.is_none_or(|(_, within)| one.within < *within) {
                news.entry(one.within).or_default().push((one.name.clone(), one.until));
            }
            self.0.insert(one.name.clone(), (one.until, one.within));
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry<'a>(name: &'a str, until: &str) -> EntryRef<'a> {
        EntryRef { name, access: Access::Enabled, until: Some(until.parse().unwrap()), reason: None }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn each_warning_comes_once_and_a_new_day_begins_anew() {
        let mut warned = Warned::default();
        let mut news = |entry: EntryRef<'_>, now: &str| {
            let ending = ending(std::iter::once(entry), &TimeZone::UTC, at(now));
            warned.news(&ending).into_keys().collect::<Vec<_>>()
        };
        let scanner = entry("scanner", "2026-05-20");
        for (now, expected) in [
            ("2026-05-06T23:59:59Z", &[][..]),
            ("2026-05-07T00:00:00Z", &[14]),
            ("2026-05-07T00:01:00Z", &[]),
            ("2026-05-17T23:59:59Z", &[]),
            ("2026-05-18T00:00:00Z", &[3]),
            ("2026-05-19T23:00:00Z", &[]),
            ("2026-05-20T00:00:00Z", &[1]),
            ("2026-05-20T23:59:59Z", &[]),
            ("2026-05-21T00:00:00Z", &[]),
        ] {
            assert_eq!(news(scanner, now), expected, "{now}");
        }
        assert_eq!(news(entry("scanner", "2026-06-01"), "2026-05-21T00:00:00Z"), [14], "it was prolonged");
    }

    #[test]
    fn the_day_ends_in_the_zone_of_the_target_and_the_first_to_end_comes_first() {
        let taipei = TimeZone::get("Asia/Taipei").unwrap();
        let entries = [entry("b", "2026-05-02"), entry("a", "2026-05-01"), entry("far", "2026-08-01")];
        let found = ending(entries.into_iter(), &taipei, at("2026-04-30T16:00:00Z"));
        let found: Vec<_> = found.iter().map(|one| (one.name.as_str(), one.within)).collect();
        assert_eq!(found, [("a", 1), ("b", 3)]);
    }
}
