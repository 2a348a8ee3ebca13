//! What happened in a history, counted, so that nobody believes in a world in which nothing goes wrong.

macro_rules! kinds {
    ($($name:ident),* $(,)?) => {
        /// One kind of thing that happens to popgate, or that it does.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Seen { $($name),* }

        impl Seen {
            /// All of them.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name),*];
        }
    };
}

kinds! {
    // The store.
    ReadFailed, ListCut, ListCutUnnoticed, ReadLate, ReadAhead, ReadBegun, WriteLate, TimedOutAfterWriting, TimedOutBeforeWriting, LostInMidChunk, BothAtOnce,
    AnswerTooShort, LostRace, Outage, Renamed, Recycled, Ambiguous, Appeared, Deleted, Denied, Unreadable, ChangedByHand, Created,
    // The services.
    DidNotStop, LeftStopped, Hung, HungAndRestarted, StartedLate, Lied, Stopped, RestartedBySomebody, LookFailed, NotReady, TwoInstances,
    TwoTargets, ClockSkewed, OnItsWay, Arrived, ArrivalUnknown, Unconfirmed,
    // The disk.
    DiskFull, AppendFailed, FsyncFailed, TornAppend, CutInsideLine, ZeroFilledTail, LostUnsynced, NewSegment, ReadBack, KeptInVain,
    LostKept,
    // The files.
    Edited, Broken, Emptied, Swapped, HalfCopied, Moving, Missed,
    // The operators.
    Approved, Suspended, Resumed, Reconciled, Urged, RestartDone, Terminated, Aborted,
    // The clocks.
    WallForward, WallBack, WallFarForward,
    // Crashes, by what was under way.
    CrashIdle, CrashReadDesired, CrashKeep, CrashReadLive, CrashAppend, CrashWrite, CrashObserve, CrashArrival, CrashRestart, CrashReady,
    CrashAnswered,
    // What popgate did about it all.
    Wrote, Restarted, SettledByIdentity, SettledByAge, SettledByWord, SettledByStop, SettledByPerson, Expired, Drifted,
    DisabledUnlisted, WaitedForWindow, HeldFirstContact, HeldEmpty, HeldShrunkInput, HeldShrunkLive, HeldUnreadable,
    HeldDisable, HeldEnable, HeldChanges, HeldClock,
}

/// How often each kind was seen.
#[derive(Clone)]
pub(crate) struct Tally([u64; Seen::ALL.len()]);

impl Tally {
    pub(crate) const NONE: Self = Self([0; Seen::ALL.len()]);

    pub(crate) fn saw(&mut self, what: Seen) {
        self.0[what as usize] += 1;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine += theirs;
        }
    }

    pub(crate) fn never(&self) -> Vec<Seen> {
        Seen::ALL.iter().copied().filter(|&what| self.0[what as usize] == 0).collect()
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (what, count) in Seen::ALL.iter().zip(self.0) {
            writeln!(f, "{count:>12} {what:?}")?;
        }
        Ok(())
    }
}
