//! The simulation: whole histories of the real engine, planner, guards and journal fold in a seeded world, in
//! virtual time and without sleeping. After each history the invariants are checked.
//!
//! `SIM_RUNS` says how many histories, `SIM_FIRST` with which seed they begin, `SIM_SEED` replays one and prints it,
//! `SIM_SURVEY=1` plays all of them and counts what breaks.

#![expect(
    clippy::needless_pass_by_value,
    clippy::struct_excessive_bools,
    clippy::struct_field_names,
    reason = "a test world is read, not reused"
)]

mod bugs;
mod check;
mod disk;
mod files;
mod history;
mod random;
mod seen;
mod service;
mod setup;
mod store;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use bugs::Bug;
use check::Violation;
use history::play;
use seen::Tally;

/// How many histories are played unless `SIM_RUNS` says otherwise.
const RUNS: u64 = 20_000;

/// From how many histories on each kind of thing must have happened at least once.
const ALL_KINDS: u64 = 10_000;

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
        if let Err(violation) = result {
            panic!("history {seed} breaks invariant {}: {}", violation.invariant, violation.what);
        }
        return;
    }
    let (first, runs) = (number("SIM_FIRST").unwrap_or(0), number("SIM_RUNS").unwrap_or(RUNS));
    let survey = number("SIM_SURVEY").is_some();
    let next = AtomicU64::new(first);
    let found = Mutex::new((Tally::NONE, BTreeMap::<u64, Violation>::new()));
    let player = || {
        let mut seen = Tally::NONE;
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + runs {
                break;
            }
            match play(seed, None, false).0 {
                Ok(tally) => seen.add(&tally),
                Err(violation) => {
                    if !survey {
                        next.store(first + runs, Ordering::Relaxed);
                    }
                    found.lock().expect("nobody panics with it").1.insert(seed, violation);
                }
            }
        }
        found.lock().expect("nobody panics with it").0.add(&seen);
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(player);
        }
    });
    let (tally, violations) = found.into_inner().expect("nobody panics with it");
    if survey {
        let mut kinds = BTreeMap::new();
        for (seed, violation) in &violations {
            let kind: String = violation.what.chars().filter(|c| !c.is_numeric()).take(100).collect();
            kinds.entry((violation.invariant, kind)).or_insert((*seed, 0)).1 += 1;
        }
        println!("{tally}");
        assert!(kinds.is_empty(), "first seed and number of each kind: {kinds:#?}");
    }
    if let Some((seed, violation)) = violations.first_key_value() {
        fail(*seed, violation);
    }
    println!("{runs} histories from seed {first} on; what happened in them:\n{tally}");
    if runs >= ALL_KINDS {
        assert!(tally.never().is_empty(), "never happened: {:?}", tally.never());
    }
}

fn fail(seed: u64, violation: &Violation) -> ! {
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
        // A bug may break another rule first; some history must break the one that is there for it.
        let broken_by = |seed| play(seed, Some(bug), false).0.err().map(|broken| (seed, broken));
        let broken_by = |seed| broken_by(seed).filter(|(_, broken)| broken.invariant == invariant);
        let found = (0..PATIENCE).find_map(broken_by);
        let Some((seed, broken)) = found else { panic!("{bug:?} was not found in {PATIENCE} histories") };
        println!("{bug:?}: history {seed}: {}", broken.what);
    }
}
