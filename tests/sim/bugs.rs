//! Deliberate bugs, one for each invariant, in the world or between it and the engine: each makes the engine see
//! or do what a broken build of it would.

/// One way to be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// A tree with an error is applied without the files that have one.
    HalfState,
    /// A list that was cut short, or an account that could not be read, passes for a whole answer.
    UnknownIsAbsent,
    /// Restarts that are owed are only kept in memory.
    ForgottenDebt,
    /// Files are not looked at again after a restart of the process.
    DeafAfterStart,
    /// What was written is taken to be everywhere at once.
    ArrivedAtOnce,
    /// A restart is never believed.
    NothingProves,
    /// The guards let everything pass.
    OpenGuards,
    /// A new process does not know what it wrote within the hour.
    ForgottenHour,
    /// A new process does not know that somebody suspended it.
    ForgottenSuspension,
    /// Windows for restarts are not read.
    OpenWindows,
    /// A new process does not know when it restarted a service.
    ForgottenRestart,
    /// Writes reach the store in another order than they were sent.
    WriteBehind,
    /// `ignored` and `protected` are not read.
    NothingProtected,
    /// Chunk lines do not reach the disk.
    LostChunkLine,
    /// The store's answer differs a little each time.
    Restless,
    /// A wake-up that has passed stays due.
    Circles,
}

impl Bug {
    /// All of them, with the invariant that each breaks; 0 stands for an engine that goes round in circles. Invariants 5
    /// and 10 are not checked here, see [`crate::check`].
    pub(crate) const ALL: [(Self, u8); 16] = [
        (Self::HalfState, 1),
        (Self::UnknownIsAbsent, 2),
        (Self::ForgottenDebt, 3),
        (Self::DeafAfterStart, 3),
        (Self::ArrivedAtOnce, 3),
        (Self::NothingProves, 4),
        (Self::OpenWindows, 4),
        (Self::ForgottenRestart, 4),
        (Self::OpenGuards, 6),
        (Self::ForgottenHour, 6),
        (Self::ForgottenSuspension, 6),
        (Self::WriteBehind, 7),
        (Self::NothingProtected, 8),
        (Self::LostChunkLine, 9),
        (Self::Restless, 11),
        (Self::Circles, 0),
    ];
}
