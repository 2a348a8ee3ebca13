//! Exchange Server: who has POP3, by `Get-CASMailbox` and `Set-CASMailbox` over PowerShell remoting.
//!
//! `wire` turns mailboxes into accounts, `verdict` says what errors and warnings mean, `controllers` chooses who
//! answers; all three are pure. `client` opens sessions, `read`, `names`, `look`, `write` and `arrival` use them.
//!
//! Rules that follow from how Exchange is: never an empty identity, which means everybody; always an unlimited result
//! size, and "more results" is an error; an error is never an empty list; one controller for each domain; a write counts
//! when it was read back.

mod arrival;
mod client;
mod controllers;
mod look;
mod names;
mod preflight;
mod read;
mod verdict;
mod wire;
mod write;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::{Reader, StoreError, Wanted, Writer};
use crate::model::{Access, AccountId, Fault, Finding, Live, Outcome};
use crate::plan::Change;
use crate::psrp::{Client, Endpoint, Error};

/// How long a read waits in all when Exchange asks it to.
const PATIENCE: Duration = Duration::from_secs(30);
/// What a pause counts for at least.
const SHORTEST: Duration = Duration::from_secs(1);

/// An organisation, and which part of it is looked after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organisation {
    /// The endpoint `/PowerShell/` of a server, or of a farm of them.
    pub endpoint: Endpoint,
    /// Which mailboxes.
    pub scope: Scope,
    /// How many sessions write at once.
    pub sessions: usize,
    /// How many changes one chunk may hold.
    pub chunk: usize,
    /// How long a read or the writing of a chunk may take.
    pub within: Duration,
    /// How many names one read looks up one by one.
    pub look_ups: usize,
    /// How long a write may take to reach every domain controller.
    pub replication_wait: Duration,
}

/// Which mailboxes are looked after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Those of the domain that the server is in.
    Domain,
    /// Those of every domain.
    Forest,
    /// Those below an organizational unit: `contoso.example/Users` or a distinguished name.
    Unit(String),
}

/// The store.
#[derive(Debug)]
pub struct ExchangeStore {
    organisation: Organisation,
    known: Mutex<Known>,
}

/// What the store learnt, and needs again.
#[derive(Debug, Default)]
struct Known {
    /// The controller for each domain.
    controllers: BTreeMap<String, String>,
    /// Controllers that did not answer.
    avoid: BTreeSet<String>,
    /// The short name of each domain, where a look-up proved it.
    netbios: BTreeMap<String, Option<String>>,
    /// The domain of each mailbox, as a place in the sorted list of domains.
    domains: HashMap<Uuid, usize>,
    /// Accounts that are never written: the administrator's, monitoring ones, popgate's own.
    never: HashSet<Uuid>,
    /// `Select-Object` is not to be had.
    bare: bool,
}

impl Organisation {
    /// An organisation with all defaults.
    pub fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            scope: Scope::Domain,
            sessions: 4,
            chunk: 5_000,
            within: Duration::from_hours(1),
            look_ups: 200,
            replication_wait: Duration::from_mins(15),
        }
    }
}

/// Makes the store. Nothing is contacted.
pub fn open(organisation: Organisation) -> ExchangeStore {
    ExchangeStore { organisation, known: Mutex::default() }
}

impl ExchangeStore {
    fn client(&self) -> Result<Client, Error> {
        Client::new(self.organisation.endpoint.clone())
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // What is in it is true whether or not somebody panicked.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Reader for ExchangeStore {
    fn name(&self) -> String {
        format!("exchange {}", self.organisation.endpoint.url)
    }

    async fn read(&self) -> Result<Live, StoreError> {
        self.read_for(&Wanted::default()).await
    }

    async fn read_for(&self, wanted: &Wanted) -> Result<Live, StoreError> {
        let mut left = PATIENCE;
        loop {
            match self.read_once(wanted).await {
                // A short pause that Exchange asks for is granted here: whoever waits for a plan has nobody else to.
                Err(StoreError { fault: Fault::Transient { retry_after: Some(asked) }, what, .. })
                    if asked <= left && !left.is_zero() =>
                {
                    tracing::info!("{what}: waiting {asked:?}.");
                    left = left.saturating_sub(asked.max(SHORTEST));
                    tokio::time::sleep(asked).await;
                }
                read => return read,
            }
        }
    }

    async fn preflight(&self) -> Vec<Finding> {
        preflight::preflight(self).await
    }

    fn own_account(&self) -> Option<String> {
        self.organisation.endpoint.auth.username().map(str::to_owned)
    }

    fn looks_up(&self) -> bool {
        true
    }

    fn replication(&self) -> Option<Duration> {
        Some(self.organisation.replication_wait)
    }

    async fn not_arrived(&self, server: &str, written: &[(AccountId, Access)]) -> Result<usize, StoreError> {
        arrival::not_arrived(self, server, written).await
    }
}

impl ExchangeStore {
    /// Reads on the controllers that are pinned, or once more on others.
    async fn read_once(&self, wanted: &Wanted) -> Result<Live, StoreError> {
        let before = self.known().controllers.clone();
        match read::read(self, wanted).await {
            Ok(live) => Ok(live),
            Err(read::Failed::Store(error)) => Err(error),
            // Another controller may do better, once.
            Err(read::Failed::Controller(name, error)) => {
                tracing::warn!(controller = name, "{}: taking another controller.", error.what);
                {
                    let mut known = self.known();
                    known.avoid.insert(name);
                    known.controllers.clear();
                }
                let again = read::read(self, wanted).await;
                again.map_err(|_| {
                    self.known().controllers = before;
                    error
                })
            }
        }
    }
}

#[async_trait]
impl Writer for ExchangeStore {
    async fn write(&self, chunk: &[Change]) -> Vec<Outcome> {
        write::write(self, chunk).await
    }

    fn chunk_size(&self) -> usize {
        self.organisation.chunk
    }
}
