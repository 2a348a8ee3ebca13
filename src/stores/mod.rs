//! Stores: live mail systems that know who may use POP3. A store knows [`crate::model`] and [`Change`] only.

pub mod exchange;
mod leave;
pub mod memory;
pub mod sql;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::model::{Access, AccountId, Fault, Finding, Live, Outcome};
use crate::plan::Change;

pub use leave::{Leave, Permit};

/// A store that can be read. Commands that only read hold this type and so cannot write.
#[async_trait]
pub trait Reader: Send + Sync {
    /// Returns the name shown to a person, such as `sqlite /var/vmail/users.db`; never a secret.
    fn name(&self) -> String;

    /// Reads every account. A partial answer is an error: what was not read must never look absent.
    async fn read(&self) -> Result<Live, StoreError>;

    /// Reads every account, and sees to it that these names resolve if they mean anything: a store may have names that a
    /// whole read does not show, and looks those up one by one.
    async fn read_for(&self, wanted: &Wanted) -> Result<Live, StoreError> {
        let _ = wanted;
        self.read().await
    }

    /// Looks at reachability, permissions and shape without changing anything.
    async fn preflight(&self) -> Vec<Finding>;

    /// Tells whether [`read_for`](Self::read_for) does more than [`read`](Self::read).
    fn looks_up(&self) -> bool {
        false
    }

    /// Returns how long a write may take to reach all of the store's servers; `None` for a store whose writes are
    /// everywhere at once.
    fn replication(&self) -> Option<Duration> {
        None
    }

    /// Counts those of these accounts that do not read as they were written where `server` reads: on the directory
    /// servers of its site.
    async fn not_arrived(&self, server: &str, written: &[(AccountId, Access)]) -> Result<usize, StoreError> {
        let _ = (server, written);
        Ok(0)
    }

    /// Returns the name of the account that popgate itself signs in as, which is never written.
    fn own_account(&self) -> Option<String> {
        None
    }
}

/// What a read is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The names of the desired state.
    pub names: Vec<String>,
    /// Which account a folded name meant when it was first resolved.
    pub bindings: Arc<BTreeMap<String, AccountId>>,
    /// Which directory server answered for each domain.
    pub controllers: BTreeMap<String, String>,
}

/// A store that can be written.
#[async_trait]
pub trait Writer: Reader {
    /// Writes one chunk and returns one outcome for each change, in the same order.
    ///
    /// A change whose account no longer is in the `from` state that the plan saw, but already is in the wanted
    /// one, is [`Outcome::Already`]. Nothing is sent for an account that is not in the chunk.
    async fn write(&self, chunk: &[Change]) -> Vec<Outcome>;

    /// Writes like [`write`](Self::write), once it may. What nobody sees, and what goes away when it never may, can be
    /// done before.
    async fn write_with(&self, chunk: &[Change], mut leave: Leave) -> Vec<Outcome> {
        if leave.given().await { self.write(chunk).await } else { not_written(chunk) }
    }

    /// Gets ready for a chunk that may be written soon. Nothing in the store changes by that.
    fn prepare(&self) {}

    /// Returns how many changes one chunk may hold.
    fn chunk_size(&self) -> usize;

    /// Tells whether a chunk is written at once: whoever reads the store sees all that it changed or nothing of it.
    /// Then one chunk may hold both directions, still disabling first.
    fn writes_at_once(&self) -> bool {
        false
    }
}

/// Says of each change that it was not sent, for no fault of its own.
pub fn not_written(chunk: &[Change]) -> Vec<Outcome> {
    vec![Outcome::NotApplied(Fault::TRANSIENT); chunk.len()]
}

/// Why a store could not be read or opened.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{what}")]
pub struct StoreError {
    /// What was attempted and what the store said, for a person; never a secret.
    pub what: String,
    /// All that the engine may look at.
    pub fault: Fault,
    /// What to do about it.
    pub help: Option<String>,
}
