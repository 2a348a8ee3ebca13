//! Inputs: everything that can happen to the engine.

use std::collections::BTreeMap;

use crate::desired::Desired;
use crate::diagnostic::Diagnostic;
use crate::model::{Live, Outcome};
use crate::plan::PlanId;
use crate::services::{Instance, Observed, ServiceError};
use crate::stores::StoreError;

/// Pairs an effect with its answer; an answer to anything but the effect in flight is dropped.
pub type Ticket = u64;

/// Something happened.
#[derive(Debug)]
pub enum Input {
    /// Files may have changed: look again.
    Hint {
        /// The target whose files are meant.
        target: String,
    },
    /// A reading that was begun has come to this desired state, and nothing has moved so far.
    Begun {
        /// Whose.
        target: String,
        /// What comes into force if it stays so.
        desired: Desired,
    },
    /// Time passed; any wake-up may be due.
    Tick,
    /// An answer to an effect.
    Answer {
        /// The effect's ticket.
        ticket: Ticket,
        /// What came of it.
        answer: Answer,
    },
    /// An operator asks for something.
    Operator {
        /// Where the reply goes.
        ticket: Ticket,
        /// What is asked.
        command: Command,
    },
    /// Finish the step in flight, write the journal and leave.
    Stop,
    /// Leave at once; the journal still knows.
    Abort,
}

/// What came of an effect.
#[derive(Debug)]
pub enum Answer {
    /// The desired directory was read.
    Desired(Result<DesiredRead, ReadFailure>),
    /// The store was read.
    Live(Result<Live, StoreError>),
    /// A plan was shown; this is what shall become of it.
    Decided(Decision),
    /// Records were appended; the sequence number of the first.
    Appended(Result<u64, String>),
    /// A chunk was sent; one outcome for each change.
    Written(Vec<Outcome>),
    /// A service was looked at.
    Observed(Result<Vec<Observed>, ServiceError>),
    /// How many accounts do not read as they were written where an instance reads.
    Arrival(Result<usize, StoreError>),
    /// A restart was asked for.
    Restarted(Result<(), RestartFailure>),
    /// An instance was waited for.
    Ready(Result<(), ServiceError>),
}

/// How a restart failed.
#[derive(Clone, Debug)]
pub struct RestartFailure {
    /// What went wrong.
    pub error: ServiceError,
    /// Whether the instance may have been left stopped.
    pub halted: bool,
}

/// A desired directory without any error that can be seen offline.
#[derive(Clone, Debug)]
pub struct DesiredRead {
    /// The state.
    pub desired: Desired,
    /// The git commit it came from, where there is one.
    pub commit: Option<String>,
    /// Who wrote that commit, if nothing else stands in the files.
    pub author: Option<String>,
}

/// Why a desired directory could not be used.
#[derive(Clone, Debug)]
pub enum ReadFailure {
    /// Files were changing while they were read: again later.
    Moving(String),
    /// It has errors; the last good state stays in force.
    Invalid(Vec<Diagnostic>),
}

/// What shall become of a plan that was shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is made true.
    Proceed,
    /// Nothing is written.
    Decline,
    /// This id is approved, and then it is planned again.
    Approve {
        /// The plan or held change.
        id: PlanId,
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
}

/// What an operator can ask of a running engine.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    /// Approves a plan or one held change.
    Approve {
        /// Its id.
        id: PlanId,
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// Looks at files and stores at once, also at what waits in a back-off.
    Reconcile {
        /// Who.
        by: String,
    },
    /// Settles what is owed at once, whatever quiet time and interval say; with a reason, in a closed window, too.
    Restart {
        /// Who.
        by: String,
        /// Why.
        reason: Option<String>,
    },
    /// A person restarted what only a person restarts.
    RestartDone {
        /// Who.
        by: String,
    },
    /// Stops all writing.
    Suspend {
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// When it ends by itself.
        until: Option<jiff::Timestamp>,
    },
    /// Lets writing go on.
    Resume {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
}

/// Which instances an operator asked to restart now, and whether with a reason: that overrides every wait.
pub(super) type Urgent = BTreeMap<(String, Instance), bool>;
