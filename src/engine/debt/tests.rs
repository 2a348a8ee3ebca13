use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;

use super::*;
use crate::engine::window::{Days, Verdict, Window};
use crate::services::Instance;

const NOON: &str = "2026-08-22T12:00:00Z";

fn at(seconds: u64) -> Now {
    Now { mono: Duration::from_secs(seconds), wall: NOON.parse().unwrap() }
}

fn afternoon() -> Windows {
    let kinds = BTreeSet::from([Kind::Restarts]);
    let window = |hours: &str| Window {
        verdict: Verdict::Allow,
        kinds,
        days: Days::EVERY,
        hours: hours.parse().unwrap(),
    };
    Windows::new(&[window("13:00-14:00")], TimeZone::UTC)
}

fn debt() -> Debt {
    Debt {
        instance: Instance::local("pop3"),
        since: NOON.parse().unwrap(),
        last_write: 7,
        written: NOON.parse().unwrap(),
        accounts: BTreeMap::new(),
        anchor: None,
        attempts: 0,
        failure: None,
        arrived: None,
        halted: false,
    }
}

fn aged(age: Duration) -> Observed {
    let instance = Instance::local("pop3");
    Observed { instance, identity: None, age: Some(age), condition: Condition::Running }
}

fn written(seconds: u64) -> Writes {
    let last = Duration::from_secs(seconds);
    Writes { latest: last + Duration::from_mins(15), last, seen: true }
}

#[test]
fn at_once_is_now_or_when_the_window_opens() {
    assert_eq!(due_at_once(&Windows::always(), at(5)), Some(Duration::from_secs(5)));
    assert_eq!(due_at_once(&afternoon(), at(5)), Some(Duration::from_secs(5 + 3600)));
}

#[test]
fn the_latest_of_interval_and_window_counts_and_the_earlier_of_quiet_and_longest_delay() {
    let policy = RestartPolicy {
        quiet: Duration::from_secs(30),
        max_delay: Duration::from_mins(15),
        min_interval: Duration::from_mins(10),
    };
    let always = Windows::always();
    assert_eq!(due(written(100), None, &policy, &always, at(101)), Some(Duration::from_secs(130)));
    let long_ago = Writes { latest: Duration::from_secs(110), ..written(100) };
    assert_eq!(due(long_ago, None, &policy, &always, at(101)), Some(Duration::from_secs(110)));
    let rested = Some(Duration::from_secs(500));
    assert_eq!(due(written(100), rested, &policy, &always, at(101)), rested);
    assert_eq!(due(written(100), rested, &policy, &afternoon(), at(101)), Some(Duration::from_secs(3701)));
}

#[test]
fn an_age_proves_a_restart_only_beyond_every_doubt_of_the_clocks() {
    let asked = Duration::from_secs(110);
    let tried = |age: u64| proof(&debt(), &aged(Duration::from_millis(age)), written(100), asked);
    assert_eq!(tried(7_994), Some(Proof::Younger { age_ms: 7_994, write_ms: 10_000 }));
    // Ten seconds less two, and the two-thousandth part of ten.
    assert_eq!(tried(7_995), None);
    assert_eq!(tried(7_996), None);
    let unseen = Writes { seen: false, ..written(100) };
    assert_eq!(proof(&debt(), &aged(Duration::ZERO), unseen, asked), None, "another process wrote");
}

#[test]
fn a_run_is_older_only_beyond_the_tolerance() {
    let older = |millis| is_older(Duration::from_millis(millis), Duration::from_secs(100), at(110));
    assert!(!older(0) && !older(11_999) && !older(12_000));
    assert!(older(12_001));
}

#[test]
fn a_moment_is_shown_on_the_wall() {
    let noon: Timestamp = NOON.parse().unwrap();
    assert_eq!(on_the_wall(Duration::from_secs(70), at(10)), noon + SignedDuration::from_mins(1));
    assert_eq!(on_the_wall(Duration::from_secs(1), at(10)), noon, "what is due is due now");
    assert_eq!(on_the_wall(Duration::MAX, at(10)), Timestamp::MAX);
}
