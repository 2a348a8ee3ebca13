//! Windows: when writes and restarts are allowed.
//!
//! A window is open whenever a clock on the wall of the settings' time zone shows a time within it. So a
//! window in the hour that is skipped in spring does not open that night, and one in the hour that comes twice
//! in autumn is open both times. Nothing here reads a clock: every question names its moment.

mod calendar;
mod hours;

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use calendar::Calendar;
pub use hours::{BadHours, Days, Hours};

/// What a window speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Restarts of services.
    Restarts,
    /// Writes to stores.
    Writes,
}

/// Whether a window permits or forbids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Allowed within the window, and outside of all such windows not.
    Allow,
    /// Not allowed within the window, whatever other windows say.
    Deny,
}

/// One window as an operator thinks of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Permits or forbids.
    pub verdict: Verdict,
    /// What it speaks of.
    pub kinds: BTreeSet<Kind>,
    /// The days on which it opens.
    pub days: Days,
    /// From when to when.
    pub hours: Hours,
}

/// When writes and restarts are allowed. Allow windows unite, deny wins, none means always.
///
/// Two values are equal when they open and close at the same times in the same zone, however they were written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Windows {
    #[serde(with = "jiff::fmt::serde::tz::required")]
    timezone: TimeZone,
    restarts: Calendar,
    writes: Calendar,
}

impl Windows {
    /// Everything is allowed at any time.
    pub fn always() -> Self {
        Self::new(&[], TimeZone::UTC)
    }

    /// Unites the windows, each in the given zone.
    pub fn new(windows: &[Window], timezone: TimeZone) -> Self {
        let of = |kind| Calendar::new(windows.iter().filter(|window| window.kinds.contains(&kind)));
        Self { timezone, restarts: of(Kind::Restarts), writes: of(Kind::Writes) }
    }

    /// Tells whether this is allowed at that moment.
    pub fn open(&self, what: Kind, at: Timestamp) -> bool {
        self.calendar(what).open(self.timezone.to_datetime(at))
    }

    /// Returns the first moment, not before `at`, when this is allowed: `at` itself if it is allowed then, `None`
    /// if it never will be.
    pub fn next_open(&self, what: Kind, at: Timestamp) -> Option<Timestamp> {
        if self.open(what, at) { Some(at) } else { self.next_edge_of(what, at) }
    }

    /// Returns the first moment after `at` when anything opens or closes; `None` if nothing ever does.
    pub fn next_edge(&self, at: Timestamp) -> Option<Timestamp> {
        [Kind::Restarts, Kind::Writes].into_iter().filter_map(|what| self.next_edge_of(what, at)).min()
    }

    /// Tells whether this is allowed at no time of any ordinary week.
    pub fn never(&self, what: Kind) -> bool {
        self.calendar(what).never()
    }

    /// Says when this is allowed: `always`, `never`, or such as `mon 22:00 to tue 02:00`.
    pub fn in_words(&self, what: Kind) -> String {
        self.calendar(what).in_words()
    }

    fn calendar(&self, what: Kind) -> &Calendar {
        match what {
            Kind::Restarts => &self.restarts,
            Kind::Writes => &self.writes,
        }
    }

    /// Walks from one shift of the zone's offset to the next; in between, the wall clock runs evenly.
    fn next_edge_of(&self, what: Kind, at: Timestamp) -> Option<Timestamp> {
        let calendar = self.calendar(what);
        let open = self.open(what, at);
        let mut from = at;
        let mut shifts = self.timezone.following(at).map(|shift| shift.timestamp());
        loop {
            let wait = calendar.until_edge(self.timezone.to_datetime(from))?;
            let edge = from.checked_add(wait).ok()?;
            match shifts.next() {
                // The wall clock jumps before it would show the edge, or just then.
                Some(shift) if shift <= edge => {
                    if self.open(what, shift) != open {
                        return Some(shift);
                    }
                    from = shift;
                }
                _ => return Some(edge),
            }
        }
    }
}

impl Default for Windows {
    fn default() -> Self {
        Self::always()
    }
}

#[cfg(test)]
mod tests;
