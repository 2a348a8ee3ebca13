//! Exit codes: one table, and which of several wins.

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// All is well; for `plan`, whatever it found.
    Success,
    /// A store, a service or a file failed.
    Operational,
    /// Changes are present, and `--detailed-exitcode` asked for this code.
    Changes,
    /// The desired state or the settings are invalid.
    Invalid,
    /// A guard tripped; the plan was computed and reported.
    Guarded,
    /// Some accounts failed or are blocked, the others are done.
    Partial,
    /// It is not that plan any more, or the snapshot is too old.
    Stale,
    /// Another process holds the lock, writing is suspended, or its window is closed.
    Locked,
    /// The writes are done, and the restart failed.
    RestartFailed,
    /// The writes are done, and the restart is still owed.
    RestartOwed,
    /// The command line is wrong.
    Usage,
    /// A signal ended it, after the journal was written.
    Interrupted(i32),
}

/// The table of exit codes: how a command ended, its code, and what that means. The most severe comes first: in a mixed
/// situation the one that stands first is reported.
const TABLE: [(Exit, u8, &str); 11] = [
    (Exit::Usage, 64, "usage error"),
    (Exit::Invalid, 3, "desired state or settings invalid"),
    (Exit::Guarded, 4, "a guard tripped"),
    (Exit::Stale, 6, "not that plan any more, or the snapshot is too old"),
    (Exit::Locked, 7, "locked by another process, suspended, or not the time to write"),
    (Exit::Operational, 1, "operational error: store, service or file"),
    (Exit::RestartFailed, 8, "writes done, restart failed or overdue"),
    (Exit::Partial, 5, "some accounts failed or are blocked"),
    (Exit::RestartOwed, 9, "writes done, restart still owed"),
    (Exit::Changes, 2, "changes present"),
    (Exit::Success, 0, "success"),
];

impl Exit {
    /// Returns the number that the process ends with.
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Interrupted(signal) => u8::try_from(128 + signal).unwrap_or(130),
            other => other.row().map_or(1, |row| TABLE[row].1),
        }
    }

    /// Returns what the code means.
    pub(super) fn reason(self) -> &'static str {
        self.row().map_or("interrupted", |row| TABLE[row].2)
    }

    /// Returns the more severe of two. Whoever interrupts a command knows why it ended.
    pub(super) fn or(self, other: Self) -> Self {
        if other.row() < self.row() { other } else { self }
    }

    /// Returns the position in the table; none for a signal, which comes before all of them.
    fn row(self) -> Option<usize> {
        TABLE.iter().position(|(exit, ..)| *exit == self)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the documents promise, from the most severe to none.
    const PROMISED: [u8; 11] = [64, 3, 4, 6, 7, 1, 8, 5, 9, 2, 0];

    fn every() -> impl Iterator<Item = Exit> {
        TABLE.into_iter().map(|(exit, ..)| exit)
    }

    #[test]
    fn of_any_two_the_more_severe_is_reported() {
        let severity = |exit: Exit| PROMISED.iter().position(|code| *code == exit.code()).unwrap();
        for one in every() {
            for other in every() {
                let worse = if severity(one) <= severity(other) { one } else { other };
                assert_eq!(one.or(other), worse, "{one:?} and {other:?}");
            }
            for signal in [2, 15] {
                let interrupted = Exit::Interrupted(signal);
                assert_eq!((one.or(interrupted), interrupted.or(one)), (interrupted, interrupted));
            }
        }
    }

    #[test]
    fn every_way_to_end_is_in_the_table_once() {
        assert_eq!(every().map(Exit::code).collect::<Vec<_>>(), PROMISED);
        assert_eq!([2, 15].map(|signal| Exit::Interrupted(signal).code()), [130, 143]);
        assert!(every().all(|exit| !exit.reason().is_empty()));
    }

    #[test]
    fn the_readme_has_the_same_table() {
        let rows = include_str!("../../README.md")
            .lines()
            .skip_while(|line| !line.starts_with("| exit |"))
            .skip(2)
            .take_while(|line| line.starts_with('|'));
        let cells = rows.map(|row| row.trim_matches('|').split('|').next().unwrap_or_default().trim());
        let mut codes: Vec<u8> =
            cells.flat_map(|cell| cell.split(", ").map(|code| code.parse().unwrap())).collect();
        codes.sort_unstable();
        let mut promised = [&PROMISED[..], &[130, 143]].concat();
        promised.sort_unstable();
        assert_eq!(codes, promised);
    }
}
