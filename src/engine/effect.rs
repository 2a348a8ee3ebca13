//! Effects: everything the engine wants done, as plain data, and what it has to say.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::event::Ticket;
use crate::desired::Desired;
use crate::diagnostic::Diagnostic;
use crate::journal::entry::{Proof, Record};
use crate::model::{Access, AccountId, Digest, Outcome};
use crate::plan::{Change, Plan};
use crate::services::Instance;
use crate::stores::Wanted;

/// Something to be done. All but [`Effect::Begin`], [`Effect::Keep`], [`Effect::Tell`] and [`Effect::Reply`] are answered
/// with their ticket.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Begin to read the desired directory: it has been quiet for a while, and is going to be read if it stays so.
    Begin {
        /// Whose.
        target: String,
        /// When it is going to be wanted, on the monotonic clock.
        due: Duration,
        /// What the state is kept beside if it comes into force; `None` where nothing is kept.
        keep: Option<Beside>,
    },
    /// Read the desired directory, one consistent time.
    ReadDesired {
        /// For the answer.
        ticket: Ticket,
        /// Whose.
        target: String,
        /// Whether the store is going to be read next, whatever the files say.
        ahead: bool,
        /// Whether a reading was begun after the last hint.
        begun: bool,
    },
    /// Keep a desired state, so that it can stay in force. It is on disk before any record that is appended and synced
    /// after that: if it could not be kept, the first of them is not appended either.
    Keep {
        /// Whose.
        target: String,
        /// What.
        desired: Desired,
        /// Beside what.
        beside: Beside,
    },
    /// Read the store.
    ReadLive {
        /// For the answer.
        ticket: Ticket,
        /// Whose.
        target: String,
        /// Whose names are to resolve.
        desired: Option<Desired>,
        /// What is remembered of the store: which account a folded name meant at first, and who answered.
        known: Box<Wanted>,
    },
    /// Show a plan and ask what shall become of it.
    Present {
        /// For the answer.
        ticket: Ticket,
        /// What.
        plan: Arc<Plan>,
    },
    /// Append records to the journal.
    Append {
        /// For the answer.
        ticket: Ticket,
        /// When they are written.
        at: Timestamp,
        /// What.
        records: Arc<[Record]>,
        /// Whether they must be on disk before the answer.
        sync: bool,
        /// What is going to be written as soon as they are; it may be begun by itself then.
        then: Option<Chunk>,
    },
    /// Write one chunk to the store, unless that has begun already, and say what came of it.
    Write {
        /// For the answer.
        ticket: Ticket,
        /// What.
        chunk: Chunk,
    },
    /// Look at a service.
    Observe {
        /// For the answer.
        ticket: Ticket,
        /// Its key.
        service: String,
        /// The instance it is about; all of them are looked at when there is none.
        instance: Option<Instance>,
    },
    /// Ask whether what was written has reached the servers that an instance reads from.
    Arrival {
        /// For the answer.
        ticket: Ticket,
        /// Whose store.
        target: String,
        /// The instance's server.
        server: String,
        /// What was written.
        written: Vec<(AccountId, Access)>,
    },
    /// Restart one instance.
    Restart {
        /// For the answer.
        ticket: Ticket,
        /// The service's key.
        service: String,
        /// Which instance.
        instance: Instance,
        /// Accounts that lost POP3.
        disabled: Vec<AccountId>,
        /// Whether an earlier attempt may have left it stopped.
        halted: bool,
    },
    /// Wait until an instance serves again.
    Ready {
        /// For the answer.
        ticket: Ticket,
        /// The service's key.
        service: String,
        /// Which instance.
        instance: Instance,
    },
    /// Say something.
    Tell(Notice),
    /// Answer an operator.
    Reply {
        /// The operator's ticket.
        ticket: Ticket,
        /// What to say; an error when it was refused.
        reply: Result<String, String>,
    },
}

/// Changes that are sent to a store together.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// Whose.
    pub target: String,
    /// What.
    pub changes: Arc<[Change]>,
}

/// The desired states that are kept already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Beside {
    /// One from which a new one may differ in little.
    pub before: Option<Desired>,
    /// Those that are still needed; the others may go.
    pub retain: Vec<Digest>,
}

/// Something the engine has to say: to the log, to a person, to a notification.
#[derive(Clone, Debug)]
pub enum Notice {
    /// A desired state came into force.
    Accepted {
        /// Whose.
        target: String,
        /// How many entries it has.
        entries: usize,
        /// The digest, short.
        digest: String,
        /// The git commit, where there is one.
        commit: Option<String>,
    },
    /// The desired directory has errors; the last good state stays in force, where there is one.
    Invalid {
        /// Whose.
        target: String,
        /// Whether there is a last good state.
        in_force: bool,
        /// All of them.
        diagnostics: Vec<Diagnostic>,
    },
    /// The desired directory is in order again.
    ValidAgain {
        /// Whose.
        target: String,
    },
    /// Files keep changing while they are read.
    Moving {
        /// Whose.
        target: String,
        /// What moved.
        what: String,
    },
    /// The store could not be read.
    StoreFailed {
        /// Whose.
        target: String,
        /// Why, and what to do.
        why: String,
    },
    /// The store answers again.
    StoreBack {
        /// Whose.
        target: String,
    },
    /// Access of some entries ends soon. Each is told 14, 3 and 1 days ahead.
    Expiring {
        /// Whose.
        target: String,
        /// Within how many days.
        days: u8,
        /// The users with their last day of access.
        entries: Vec<(String, jiff::civil::Date)>,
    },
    /// A plan was made that differs from the one before.
    Planned {
        /// The plan.
        plan: Arc<Plan>,
    },
    /// A guard holds a plan back.
    Blocked {
        /// The plan.
        plan: Arc<Plan>,
    },
    /// A batch begins.
    BatchBegins {
        /// Whose.
        target: String,
        /// Its number.
        batch: u64,
        /// How many changes.
        changes: usize,
    },
    /// Some of a batch's changes have their outcome.
    Progress {
        /// How many have one.
        done: usize,
        /// How many there are.
        of: usize,
    },
    /// A batch is over.
    BatchEnded {
        /// Whose.
        target: String,
        /// Its number.
        batch: u64,
        /// Every change that was sent, with its outcome.
        outcomes: Vec<(Change, Outcome)>,
    },
    /// A restart is owed.
    Owed {
        /// The service's name.
        service: String,
        /// Which instance.
        instance: Instance,
        /// How many seconds until it is due; `None` when no window ever opens.
        due_in: Option<u64>,
    },
    /// A restart waits until what was written has reached the servers that the instance reads from.
    Arriving {
        /// The service's name.
        service: String,
        /// Which instance.
        instance: Instance,
        /// What is known.
        why: String,
        /// Seconds after which it is restarted all the same.
        at_most: u64,
    },
    /// A restart begins.
    Restarting {
        /// The service's name.
        service: String,
        /// Which instance.
        instance: Instance,
    },
    /// A restart is proven.
    Settled {
        /// The service's name.
        service: String,
        /// Which instance.
        instance: Instance,
        /// By what.
        proof: Proof,
        /// Whether nobody saw what was written arrive where the instance reads.
        unconfirmed: bool,
        /// How many accounts it made effective.
        accounts: usize,
    },
    /// A restart did not work; it stays owed.
    RestartFailed {
        /// The service's name.
        service: String,
        /// Which instance.
        instance: Instance,
        /// Why, and what to do.
        why: String,
        /// Seconds until the next attempt.
        again_in: u64,
    },
    /// A restart waits for a person.
    Manual {
        /// The service's name.
        service: String,
        /// Which instance.
        instance: Instance,
    },
    /// An instance restarted and does not serve.
    NotReady {
        /// The service's name.
        service: String,
        /// Which instance.
        instance: Instance,
        /// Why.
        why: String,
    },
    /// The journal cannot be written; nothing is written to any store until it can.
    JournalFailed {
        /// Why, and what to do.
        why: String,
    },
}
