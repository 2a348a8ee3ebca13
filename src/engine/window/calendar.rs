//! One week of a wall clock: open or closed in every minute.

use jiff::SignedDuration;
use jiff::civil::{DateTime, Weekday};
use serde::{Deserialize, Serialize};

use super::hours::{DAY, index};
use super::{Verdict, Window};

/// Minutes in a week.
const WEEK: u16 = 7 * DAY;

/// When something is allowed, as the edges between open and closed, in minutes since Monday 00:00.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written")]
pub(super) struct Calendar {
    /// Whether it is open in the first minute of Monday.
    starts_open: bool,
    /// Every minute whose predecessor (Sunday's last, for Monday's first) is on the other side. Sorted.
    edges: Vec<u16>,
}

/// A calendar as somebody wrote it down.
#[derive(Deserialize)]
struct Written {
    starts_open: bool,
    edges: Vec<u16>,
}

impl TryFrom<Written> for Calendar {
    type Error = &'static str;

    fn try_from(Written { starts_open, edges }: Written) -> Result<Self, Self::Error> {
        let in_order = edges.is_sorted_by(|a, b| a < b) && edges.last().is_none_or(|last| *last < WEEK);
        // It closes as often as it opens, or the weeks would not fit together.
        if in_order && edges.len() % 2 == 0 {
            Ok(Self { starts_open, edges })
        } else {
            Err("the edges of a week are sorted minutes, an even number of them")
        }
    }
}

impl Calendar {
    /// Unites windows that speak of the same thing.
    pub(super) fn new<'a>(windows: impl Iterator<Item = &'a Window>) -> Self {
        let mut allowed = None;
        let mut denied = vec![false; usize::from(WEEK)];
        for window in windows {
            let minutes = match window.verdict {
                Verdict::Allow => allowed.get_or_insert_with(|| vec![false; usize::from(WEEK)]),
                Verdict::Deny => &mut denied,
            };
            mark(minutes, window);
        }
        let open: Vec<bool> = match allowed {
            Some(allowed) => allowed.iter().zip(&denied).map(|(&allow, &deny)| allow && !deny).collect(),
            None => denied.iter().map(|deny| !deny).collect(),
        };
        let before = |minute: u16| open[usize::from((minute + WEEK - 1) % WEEK)];
        Self {
            starts_open: open[0],
            edges: (0..WEEK).filter(|&minute| open[usize::from(minute)] != before(minute)).collect(),
        }
    }

    /// Tells whether it is open when the wall clock shows this.
    pub(super) fn open(&self, shown: DateTime) -> bool {
        let passed = self.edges.partition_point(|&edge| edge <= minute_of_week(shown));
        // An edge at the very start of Monday has already shaped `starts_open`.
        let crossed = passed - usize::from(self.edges.first() == Some(&0));
        self.starts_open ^ (crossed % 2 == 1)
    }

    /// Returns how long the wall clock, running evenly, takes to the next edge; more than zero, at most a week.
    pub(super) fn until_edge(&self, shown: DateTime) -> Option<SignedDuration> {
        let minute = minute_of_week(shown);
        let next = self.edges.partition_point(|&edge| edge <= minute);
        let minutes = match self.edges.get(next) {
            Some(edge) => edge - minute,
            None => self.edges.first()? + WEEK - minute,
        };
        let into_minute = SignedDuration::new(i64::from(shown.second()), shown.subsec_nanosecond());
        Some(SignedDuration::from_secs(i64::from(minutes) * 60) - into_minute)
    }

    /// Says when it is open.
    pub(super) fn in_words(&self) -> String {
        if self.edges.is_empty() {
            return if self.starts_open { "always" } else { "never" }.to_owned();
        }
        // Opening and closing take turns; what the first edge closes was opened by the last one.
        let closes = if self.edges[0] == 0 { !self.starts_open } else { self.starts_open };
        let skip = usize::from(closes);
        let turns: Vec<u16> = self.edges.iter().copied().cycle().skip(skip).take(self.edges.len()).collect();
        let spans = turns.chunks_exact(2).map(|span| format!("{} to {}", shown(span[0]), shown(span[1])));
        spans.collect::<Vec<_>>().join(", ")
    }

    /// Tells whether it is open in no minute at all.
    pub(super) fn never(&self) -> bool {
        self.edges.is_empty() && !self.starts_open
    }
}

fn mark(minutes: &mut [bool], window: &Window) {
    for day in Weekday::Monday.cycle_forward().take(7).filter(|&day| window.days.contains(day)) {
        let midnight = u16::from(index(day)) * DAY;
        for minute in window.hours.from()..window.hours.to() {
            minutes[usize::from((midnight + minute) % WEEK)] = true;
        }
    }
}

fn shown(minute: u16) -> String {
    let day = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"][usize::from(minute / DAY % 7)];
    format!("{day} {:02}:{:02}", minute % DAY / 60, minute % 60)
}

fn minute_of_week(shown: DateTime) -> u16 {
    let part = |number: i8| u16::from(number.unsigned_abs());
    u16::from(index(shown.date().weekday())) * DAY + part(shown.hour()) * 60 + part(shown.minute())
}
