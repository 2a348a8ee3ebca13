//! Services: what must learn that access changed. A service knows [`crate::model`] only.
//!
//! * [`command`], [`systemd`], [`dovecot`]: restart something on this machine, or do less where less suffices.
//! * [`exchange`]: restarts two services on every server of an Exchange organisation.
//! * [`manual`]: a person does it. [`none`]: nothing has to be done. [`announce`]: a line in the log.
//! * `process`, `proc`: running other programs, and looking at processes.
//!
//! [`Observed::identity`] decides how a restart is proven. A service whose action starts a new run tells one run
//! from another, and a new identity, or an age that is too short, is the proof. A service that cannot tell, or
//! whose action starts no new run (a flushed cache, a command), answers `None`: there the success of
//! [`Service::restart`] is the proof. [`Condition::Stopped`] counts for both.

pub mod announce;
pub mod command;
pub mod dovecot;
pub mod exchange;
pub mod manual;
pub mod none;
mod proc;
mod process;
pub mod systemd;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::model::{AccountId, Fault, Finding};
use crate::plan::policy::Profile;

/// The server of a service on this machine.
pub const LOCALHOST: &str = "localhost";

/// One thing that owes its own restart: a service on a server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Instance {
    /// The host, as the settings name it; `localhost` for a local service.
    pub server: String,
    /// The service's name there.
    pub service: String,
}

impl Instance {
    /// Names a service on this machine.
    pub fn local(service: impl Into<String>) -> Self {
        Self { server: LOCALHOST.to_owned(), service: service.into() }
    }

    /// Tells whether it is a service on this machine.
    pub fn is_local(&self) -> bool {
        self.server == LOCALHOST
    }
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_local() {
            f.write_str(&self.service)
        } else {
            write!(f, "{} on {}", self.service, self.server)
        }
    }
}

/// What was seen of one instance at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// Which instance.
    pub instance: Instance,
    /// What tells this run of the service from any other (systemd's `InvocationID`, or PID and start time);
    /// `None` where the service has no way to tell.
    pub identity: Option<String>,
    /// How long this run has lasted, measured by the service's own clock in the same call.
    pub age: Option<Duration>,
    /// Whether it runs.
    pub condition: Condition,
}

impl Observed {
    /// Returns what is seen of an instance that cannot be observed.
    fn unknown(instance: Instance) -> Self {
        Self { instance, identity: None, age: None, condition: Condition::Unknown }
    }
}

/// Whether an instance runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Condition {
    /// It runs.
    Running,
    /// It is stopped, and nothing is about to start it: its next start reads the new state.
    Stopped,
    /// It is starting or stopping.
    Changing,
    /// The service has no way to tell.
    Unknown,
}

/// Something that has to learn that access changed.
#[async_trait]
pub trait Service: Send + Sync {
    /// Says what this service is and does, without asking anybody.
    fn profile(&self) -> Profile;

    /// Looks at every instance without changing anything.
    async fn observe(&self) -> Result<Vec<Observed>, ServiceError>;

    /// Looks at one instance without changing anything; `None` when it is not there. For services to which a look at all
    /// of them costs more.
    async fn observe_one(&self, instance: &Instance) -> Result<Option<Observed>, ServiceError> {
        let seen = self.observe().await?;
        Ok(seen.into_iter().find(|seen| seen.instance == *instance))
    }

    /// Makes the change effective on one instance; `disabled` are the accounts that lost POP3 since the last time.
    /// Success means that the service itself said so.
    async fn restart(&self, instance: &Instance, disabled: &[AccountId]) -> Result<(), ServiceError>;

    /// Tells whether a restart that failed may have left the instance stopped. Then nobody stopped it on purpose, and
    /// popgate brings it back.
    fn halted(&self, instance: &Instance) -> bool {
        let _ = instance;
        false
    }

    /// Takes note that an earlier process may have left the instance stopped: its next restart starts it.
    fn left_halted(&self, instance: &Instance) {
        let _ = instance;
    }

    /// Waits until the instance serves again, at most as long as its settings allow.
    async fn ready(&self, instance: &Instance) -> Result<(), ServiceError>;

    /// Looks at reachability and permissions without changing anything.
    async fn preflight(&self) -> Vec<Finding>;

    /// Returns the commands that a person would type to do what [`Service::restart`] does; empty when there is
    /// nothing to do.
    fn instructions(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Why a service could not be observed or restarted.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{what}")]
pub struct ServiceError {
    /// What was attempted and what came of it, for a person; never a secret.
    pub what: String,
    /// All that the engine may look at.
    pub fault: Fault,
    /// What to do about it.
    pub help: Option<String>,
}
