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
    /// It is not that plan any more.
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

impl Exit {
    /// Returns the number that the process ends with.
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Operational => 1,
            Self::Changes => 2,
            Self::Invalid => 3,
            Self::Guarded => 4,
            Self::Partial => 5,
            Self::Stale => 6,
            Self::Locked => 7,
            Self::RestartFailed => 8,
            Self::RestartOwed => 9,
            Self::Usage => 64,
            Self::Interrupted(signal) => u8::try_from(128 + signal).unwrap_or(130),
        }
    }

    /// Returns why, in the words of the table in the README.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Operational => "operational error: store, service or file",
            Self::Changes => "changes present",
            Self::Invalid => "desired state or settings invalid",
            Self::Guarded => "a guard tripped",
            Self::Partial => "some accounts failed or are blocked",
            Self::Stale => "not that plan any more",
            Self::Locked => "locked by another process, suspended, or not the time to write",
            Self::RestartFailed => "writes done, restart failed or overdue",
            Self::RestartOwed => "writes done, restart still owed",
            Self::Usage => "usage error",
            Self::Interrupted(_) => "interrupted",
        }
    }

    /// Returns the more severe of two.
    pub(super) fn or(self, other: Self) -> Self {
        if other.rank() < self.rank() { other } else { self }
    }

    fn rank(self) -> u8 {
        match self {
            Self::Interrupted(_) => 0,
            Self::Usage => 1,
            Self::Invalid => 2,
            Self::Guarded => 3,
            Self::Stale => 4,
            Self::Locked => 5,
            Self::Operational => 6,
            Self::RestartFailed => 7,
            Self::Partial => 8,
            Self::RestartOwed => 9,
            Self::Changes => 10,
            Self::Success => 11,
        }
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

    #[test]
    fn a_mixed_situation_reports_the_most_severe() {
        use Exit::{
            Changes, Guarded, Invalid, Locked, Operational, Partial, RestartFailed, RestartOwed, Stale,
            Success,
        };
        let order = [
            Invalid,
            Guarded,
            Stale,
            Locked,
            Operational,
            RestartFailed,
            Partial,
            RestartOwed,
            Changes,
            Success,
        ];
        for (position, worse) in order.iter().enumerate() {
            for better in &order[position..] {
                assert_eq!(worse.or(*better), *worse);
                assert_eq!(better.or(*worse), *worse);
            }
        }
    }

    #[test]
    fn every_code_is_the_documented_one() {
        let table = [
            (Exit::Success, 0),
            (Exit::Operational, 1),
            (Exit::Changes, 2),
            (Exit::Invalid, 3),
            (Exit::Guarded, 4),
            (Exit::Partial, 5),
            (Exit::Stale, 6),
            (Exit::Locked, 7),
            (Exit::RestartFailed, 8),
            (Exit::RestartOwed, 9),
            (Exit::Usage, 64),
            (Exit::Interrupted(2), 130),
            (Exit::Interrupted(15), 143),
        ];
        for (exit, code) in table {
            assert_eq!(exit.code(), code, "{exit:?}");
        }
    }
}
