//! Compares with an oracle that looks at every minute, over the days when clocks are put forward and back.

use jiff::civil::{Date, Weekday};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::*;

const MINUTE: SignedDuration = SignedDuration::from_secs(60);

fn window(verdict: Verdict, kinds: &[Kind], hours: &str, days: Days) -> Window {
    Window { verdict, kinds: kinds.iter().copied().collect(), days, hours: hours.parse().unwrap() }
}

fn allow(hours: &str, days: &[Weekday]) -> Window {
    let days = if days.is_empty() { Days::EVERY } else { days.iter().copied().collect() };
    window(Verdict::Allow, &[Kind::Restarts], hours, days)
}

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The rule, written as naively as it is said.
fn open_by_the_rule(windows: &[Window], zone: &TimeZone, what: Kind, at: Timestamp) -> bool {
    let shown = zone.to_datetime(at);
    let within = |window: &Window| {
        let opened_on = |day: Date| {
            let since = day.to_datetime(jiff::civil::Time::midnight()).duration_until(shown).as_mins();
            window.days.contains(day.weekday())
                && (i64::from(window.hours.from())..i64::from(window.hours.to())).contains(&since)
        };
        opened_on(shown.date()) || opened_on(shown.date().yesterday().unwrap())
    };
    let of = |verdict| {
        windows.iter().filter(move |window| window.verdict == verdict && window.kinds.contains(&what))
    };
    let allowed = of(Verdict::Allow).next().is_none() || of(Verdict::Allow).any(within);
    allowed && !of(Verdict::Deny).any(within)
}

#[test]
fn without_a_window_everything_is_always_open() {
    let always = Windows::always();
    for what in [Kind::Restarts, Kind::Writes] {
        assert!(always.open(what, Timestamp::MIN));
        assert_eq!(always.next_open(what, Timestamp::MAX), Some(Timestamp::MAX));
        assert!(!always.never(what));
    }
    assert_eq!(always.next_edge(Timestamp::UNIX_EPOCH), None);
    assert_eq!(Windows::default(), always);
}

#[test]
fn a_window_for_restarts_does_not_close_writes() {
    let windows = Windows::new(&[allow("22:00-02:00", &[])], zone("Asia/Taipei"));
    let noon = at("2026-05-05T04:00:00Z");
    assert!(windows.open(Kind::Writes, noon) && !windows.open(Kind::Restarts, noon));
    assert_eq!(windows.next_open(Kind::Restarts, noon), Some(at("2026-05-05T14:00:00Z")));
}

#[test]
fn the_day_is_the_day_the_window_opens() {
    let windows = Windows::new(&[allow("22:00-02:00", &[Weekday::Sunday])], TimeZone::UTC);
    // 2026-05-03 is a Sunday.
    for (moment, open) in [
        ("2026-05-03T01:00:00Z", false),
        ("2026-05-03T22:00:00Z", true),
        ("2026-05-04T01:59:59.999999999Z", true),
        ("2026-05-04T02:00:00Z", false),
        ("2026-05-04T22:00:00Z", false),
    ] {
        assert_eq!(windows.open(Kind::Restarts, at(moment)), open, "{moment}");
    }
}

#[test]
fn deny_wins_over_allow() {
    let deny = window(Verdict::Deny, &[Kind::Restarts, Kind::Writes], "23:00-23:30", Days::EVERY);
    let windows = Windows::new(&[allow("22:00-02:00", &[]), deny], TimeZone::UTC);
    let denied = at("2026-05-05T23:10:30Z");
    for what in [Kind::Restarts, Kind::Writes] {
        assert!(!windows.open(what, denied));
        assert_eq!(windows.next_open(what, denied), Some(at("2026-05-05T23:30:00Z")));
    }
}

#[test]
fn windows_that_cancel_out_never_open() {
    let deny = window(Verdict::Deny, &[Kind::Restarts], "00:00-24:00", Days::EVERY);
    let windows = Windows::new(&[allow("22:00-02:00", &[]), deny], zone("Europe/Berlin"));
    assert!(windows.never(Kind::Restarts) && !windows.never(Kind::Writes));
    assert_eq!(windows.next_open(Kind::Restarts, Timestamp::UNIX_EPOCH), None);
    assert_eq!(windows.next_edge(Timestamp::UNIX_EPOCH), None);
}

#[test]
fn a_week_is_said_in_words() {
    let words = |windows: &[Window]| Windows::new(windows, TimeZone::UTC).in_words(Kind::Restarts);
    let restarts = [Kind::Restarts];
    assert_eq!(words(&[]), "always");
    assert_eq!(words(&[window(Verdict::Deny, &restarts, "00:00-24:00", Days::EVERY)]), "never");
    let nights = allow("22:00-02:00", &[Weekday::Sunday, Weekday::Tuesday]);
    assert_eq!(words(&[nights]), "tue 22:00 to wed 02:00, sun 22:00 to mon 02:00");
    let monday = allow("00:00-24:00", &[Weekday::Monday]);
    assert_eq!(words(&[monday]), "mon 00:00 to tue 00:00");
    let but_monday = window(Verdict::Deny, &restarts, "00:00-24:00", [Weekday::Monday].into_iter().collect());
    assert_eq!(words(&[but_monday]), "tue 00:00 to mon 00:00");
}

#[test]
fn windows_that_mean_the_same_are_equal() {
    let one = Windows::new(&[allow("22:00-02:00", &[])], TimeZone::UTC);
    let two = Windows::new(
        &[allow("22:00-23:30", &[]), allow("23:30-00:00", &[]), allow("00:00-02:00", &[])],
        TimeZone::UTC,
    );
    assert_eq!(one, two);
    assert_ne!(one, Windows::new(&[allow("22:00-02:01", &[])], TimeZone::UTC));
}

#[test]
fn a_window_inside_the_skipped_hour_waits_for_the_next_day() {
    // 2026-03-29 02:00 CET becomes 03:00 CEST.
    let windows = Windows::new(&[allow("02:15-02:45", &[])], zone("Europe/Berlin"));
    let evening = at("2026-03-28T20:00:00Z");
    assert_eq!(windows.next_open(Kind::Restarts, evening), Some(at("2026-03-30T00:15:00Z")));
    let sundays = Windows::new(&[allow("02:15-02:45", &[Weekday::Sunday])], zone("Europe/Berlin"));
    assert_eq!(sundays.next_open(Kind::Restarts, evening), Some(at("2026-04-05T00:15:00Z")));
}

#[test]
fn a_window_that_begins_in_the_skipped_hour_opens_when_the_clock_jumps() {
    let windows = Windows::new(&[allow("02:30-04:00", &[])], zone("Europe/Berlin"));
    let opening = windows.next_open(Kind::Restarts, at("2026-03-28T20:00:00Z")).unwrap();
    assert_eq!(opening, at("2026-03-29T01:00:00Z"));
    assert_eq!(windows.next_edge(opening), Some(at("2026-03-29T02:00:00Z")));
}

#[test]
fn a_window_in_the_hour_that_comes_twice_opens_twice() {
    // 2026-11-01 02:00 EDT becomes 01:00 EST.
    let windows = Windows::new(&[allow("01:15-01:45", &[])], zone("America/New_York"));
    let mut edges = vec![at("2026-11-01T04:00:00Z")];
    for _ in 0..4 {
        edges.push(windows.next_edge(*edges.last().unwrap()).unwrap());
    }
    let shown: Vec<_> = edges[1..].iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        ["2026-11-01T05:15:00Z", "2026-11-01T05:45:00Z", "2026-11-01T06:15:00Z", "2026-11-01T06:45:00Z"]
    );
}

#[test]
fn a_window_over_the_hour_that_comes_twice_is_one_hour_longer() {
    let windows = Windows::new(&[allow("00:00-03:00", &[])], zone("America/New_York"));
    let opening = at("2026-11-01T04:00:00Z");
    assert!(windows.open(Kind::Restarts, opening));
    assert_eq!(windows.next_edge(opening), Some(at("2026-11-01T08:00:00Z")));
}

#[test]
fn the_ends_of_time_are_no_edge() {
    let windows = Windows::new(&[allow("22:00-02:00", &[])], zone("Europe/Berlin"));
    assert_eq!(windows.next_edge(Timestamp::MAX), None);
    assert!(windows.next_edge(Timestamp::MIN).is_some());
}

/// Zones with the days before a change of their clocks; in Taipei the last ones were in 1979.
const CHANGES: [(&str, &str); 10] = [
    ("Europe/Berlin", "2026-03-27T10:00:30Z"),
    ("Europe/Berlin", "2026-10-23T10:00:30Z"),
    ("America/New_York", "2026-03-06T10:00:30Z"),
    ("America/New_York", "2026-10-30T10:00:30Z"),
    ("Asia/Taipei", "1979-06-29T10:00:30Z"),
    ("Asia/Taipei", "1979-09-28T10:00:30Z"),
    ("Asia/Taipei", "2026-02-28T10:00:30Z"),
    ("Australia/Lord_Howe", "2026-04-03T10:00:30Z"),
    ("Australia/Lord_Howe", "2026-10-02T10:00:30Z"),
    ("Pacific/Apia", "2011-12-28T10:00:30Z"),
];

fn any_window() -> impl Strategy<Value = Window> {
    // Half of the edges near the small hours, where clocks are changed.
    let minute = prop_oneof![0..300u16, 0..1440u16];
    let kinds = prop::sample::subsequence(vec![Kind::Restarts, Kind::Writes], 1..=2);
    (any::<bool>(), kinds, prop::array::uniform7(any::<bool>()), minute.clone(), minute)
        .prop_filter("a window may not end when it begins", |(.., from, to)| from != to)
        .prop_map(|(allow, kinds, days, from, to)| Window {
            verdict: if allow { Verdict::Allow } else { Verdict::Deny },
            kinds: kinds.into_iter().collect(),
            days: Weekday::Monday
                .cycle_forward()
                .zip(days)
                .filter(|(_, chosen)| *chosen)
                .map(|(day, _)| day)
                .collect(),
            hours: format!("{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, to / 60, to % 60)
                .parse()
                .unwrap(),
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_minute_and_every_edge_are_as_the_rule_says(
        windows in prop::collection::vec(any_window(), 0..4),
        change in prop::sample::select(CHANGES.to_vec()),
        late in 0..3600i64,
    ) {
        let timezone = zone(change.0);
        let calendar = Windows::new(&windows, timezone.clone());
        let both = [Kind::Restarts, Kind::Writes];
        let by_the_rule = |at| both.map(|what| open_by_the_rule(&windows, &timezone, what, at));
        let start = at(change.1) + SignedDuration::from_secs(late);
        let whole_minute = Timestamp::from_second(start.as_second() / 60 * 60).unwrap();

        let mut edges = Vec::new();
        let mut before = by_the_rule(start);
        prop_assert_eq!(both.map(|what| calendar.open(what, start)), before);
        for minute in 1..10 * 24 * 60 {
            let now = whole_minute + MINUTE * minute;
            let open = by_the_rule(now);
            prop_assert_eq!(both.map(|what| calendar.open(what, now)), open, "{}", now);
            if open != before {
                edges.push((now, open));
            }
            before = open;
        }

        let mut from = start;
        for &(edge, _) in &edges {
            prop_assert_eq!(calendar.next_edge(from), Some(edge));
            from = edge;
        }
        for (what, kind) in both.into_iter().enumerate() {
            if let Some(&(first, _)) = edges.iter().find(|(_, open)| open[what]) {
                let expected = if calendar.open(kind, start) { start } else { first };
                prop_assert_eq!(calendar.next_open(kind, start), Some(expected));
            }
            let never = (0..7 * 24 * 60).all(|minute| {
                !open_by_the_rule(&windows, &TimeZone::UTC, kind, Timestamp::UNIX_EPOCH + MINUTE * minute)
            });
            prop_assert_eq!(calendar.never(kind), never);
            if never {
                prop_assert_eq!(calendar.next_open(kind, start), None);
            }
        }
    }
}
