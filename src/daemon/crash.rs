//! Named points at which a test may kill this process: before and after everything that leaves a trace.
//!
//! A release build has the names and nothing else: [`point`] is empty there and reads no variable.

use crate::journal::entry::Record;

/// Names the point at which the process is killed, such as `after write`, or `after write:2` for the second time
/// that it is passed. For tests; a release build ignores it.
pub const AT_VARIABLE: &str = "POPGATE_CRASH_AT";

/// Names how many bytes a segment of the journal may have, so that a test sees a new one begin. A release build
/// ignores it.
pub const SEGMENT_VARIABLE: &str = "POPGATE_CRASH_SEGMENT";

/// Every point there is. One that is passed and not listed here panics in a debug build.
pub const POINTS: &[&str] = &[
    "before append start",
    "after append start",
    "before append good",
    "after append good",
    "before append applied",
    "after append applied",
    "before append contact",
    "after append contact",
    "before append bind",
    "after append bind",
    "before append unbind",
    "after append unbind",
    "before append pinned",
    "after append pinned",
    "before append counted",
    "after append counted",
    "before append policy",
    "after append policy",
    "before append warned",
    "after append warned",
    "before append batch",
    "after append batch",
    "before append intent",
    "after append intent",
    "before append chunk",
    "after append chunk",
    "before append outcome",
    "after append outcome",
    "before append end",
    "after append end",
    "before append urged",
    "after append urged",
    "before append restart",
    "after append restart",
    "before append restart_failed",
    "after append restart_failed",
    "before append settled",
    "after append settled",
    "before append suspended",
    "after append suspended",
    "before append resumed",
    "after append resumed",
    "before append approved",
    "after append approved",
    "before append state",
    "after append state",
    "before keep",
    "after keep",
    "before write",
    "after write",
    "before restart",
    "after restart",
];

/// Passes one point.
///
/// # Panics
/// In a debug build, when the point is missing in the list.
#[cfg(debug_assertions)]
pub fn point(name: &str) {
    use std::sync::atomic::{AtomicU32, Ordering};
    static PASSED: AtomicU32 = AtomicU32::new(0);
    assert!(POINTS.contains(&name), "`{name}` is missing in the list of points");
    let Ok(wanted) = std::env::var(AT_VARIABLE) else { return };
    let (at, times) = wanted.split_once(':').unwrap_or((&wanted, "1"));
    if at == name && PASSED.fetch_add(1, Ordering::Relaxed) + 1 == times.parse().unwrap_or(1) {
        // Nothing is flushed, closed or dropped. The shell is the one program that can signal its parent anywhere.
        let killed = std::process::Command::new("/bin/sh").args(["-c", "kill -KILL $PPID"]).status();
        unreachable!("the process survived its end: {killed:?}");
    }
}

/// Passes one point; nothing happens in a release build.
#[cfg(not(debug_assertions))]
pub fn point(_name: &str) {}

/// Passes the point before or after an append, once for each kind of record in it.
pub fn append(when: &str, records: &[Record]) {
    if cfg!(debug_assertions) {
        let mut words: Vec<&str> = records.iter().map(word).collect();
        words.dedup();
        for word in words {
            point(&format!("{when} append {word}"));
        }
    }
}

/// Returns how many bytes a segment may have.
pub fn segment(usual: u64) -> u64 {
    let other = if cfg!(debug_assertions) { std::env::var(SEGMENT_VARIABLE).ok() } else { None };
    other.and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// The word for a kind of record, as the journal writes it.
fn word(record: &Record) -> &'static str {
    match record {
        Record::State { .. } => "state",
        Record::Start { .. } => "start",
        Record::Good { .. } => "good",
        Record::Applied { .. } => "applied",
        Record::Contact { .. } => "contact",
        Record::Bind { .. } => "bind",
        Record::Unbind { .. } => "unbind",
        Record::Pinned { .. } => "pinned",
        Record::Counted { .. } => "counted",
        Record::Policy { .. } => "policy",
        Record::Warned { .. } => "warned",
        Record::Batch { .. } => "batch",
        Record::Intent { .. } => "intent",
        Record::Chunk { .. } => "chunk",
        Record::Outcome { .. } => "outcome",
        Record::End { .. } => "end",
        Record::Urged { .. } => "urged",
        Record::Restart { .. } => "restart",
        Record::RestartFailed { .. } => "restart_failed",
        Record::Settled { .. } => "settled",
        Record::Suspended { .. } => "suspended",
        Record::Resumed { .. } => "resumed",
        Record::Approved { .. } => "approved",
    }
}
