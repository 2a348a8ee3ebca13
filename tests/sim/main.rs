//! The simulation: whole histories of the real engine, planner, guards and journal fold in a seeded world, in
//! virtual time and without sleeping. After each history the invariants are checked.
//!
//! `SIM_RUNS` says how many histories, `SIM_FIRST` with which seed they begin, `SIM_SEED` replays one and prints it,
//! `SIM_SURVEY=1` plays all of them and counts what breaks.

#![expect(
    clippy::needless_pass_by_value,
    clippy::struct_excessive_bools,
    clippy::struct_field_names,
    clippy::unnecessary_wraps,
    reason = "a test world is read, not reused"
)]

mod bugs;
mod check;
mod disk;
mod files;
mod history;
mod random;
mod service;
mod setup;
mod store;

use bugs::Bug;
use history::{Stats, play};

/// How many histories are played unless `SIM_RUNS` says otherwise.
const RUNS: u64 = 2_000;

/// Within how many histories each deliberate bug must be found.
const PATIENCE: u64 = 20_000;

/// How many lines of a failed history are shown.
const TAIL: usize = 120;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} must be a number, not `{text}`")))
}

#[test]
fn no_history_breaks_an_invariant() {
    if let Some(seed) = number("SIM_SEED") {
        let (result, trace) = play(seed, None, true);
        println!("{}", trace.join("\n"));
        println!("{result:?}");
        assert!(result.is_ok(), "history {seed}: {result:?}");
        return;
    }
    let (first, runs) = (number("SIM_FIRST").unwrap_or(0), number("SIM_RUNS").unwrap_or(RUNS));
    let survey = number("SIM_SURVEY").is_some();
    let mut kinds = std::collections::BTreeMap::new();
    let mut all = Stats::default();
    for seed in first..first + runs {
        match play(seed, None, false).0 {
            Ok(stats) => {
                all.writes += stats.writes;
                all.restarts += stats.restarts;
                all.crashes += stats.crashes;
                all.effects += stats.effects;
                all.approvals += stats.approvals;
            }
            Err(violation) if survey => {
                let kind: String = violation.what.chars().filter(|c| !c.is_numeric()).collect();
                kinds.entry((violation.invariant, kind)).or_insert((seed, 0)).1 += 1;
            }
            Err(violation) => fail(seed, &violation),
        }
    }
    assert!(kinds.is_empty(), "first seed and number of each kind: {kinds:#?}");
    println!("{runs} histories: {all:?}");
    assert!(all.writes > 0 && all.restarts > 0 && all.crashes > 0 && all.approvals > 0, "too quiet: {all:?}");
}

fn fail(seed: u64, violation: &check::Violation) -> ! {
    let (again, trace) = play(seed, None, true);
    assert_eq!(again.err().as_ref(), Some(violation), "a seed must play the same history twice");
    let from = trace.len().saturating_sub(TAIL);
    panic!(
        "history {seed} breaks invariant {}: {}\n{}\nReplay it with SIM_SEED={seed}.",
        violation.invariant,
        violation.what,
        trace[from..].join("\n")
    );
}

#[test]
fn every_deliberate_bug_is_found() {
    for (bug, invariant) in Bug::ALL {
        let found =
            (0..PATIENCE).find_map(|seed| play(seed, Some(bug), false).0.err().map(|broken| (seed, broken)));
        let Some((seed, broken)) = found else { panic!("{bug:?} was not found in {PATIENCE} histories") };
        println!("{bug:?}: history {seed}: {}", broken.what);
        assert_eq!(broken.invariant, invariant, "{bug:?} in history {seed}: {}", broken.what);
    }
}
