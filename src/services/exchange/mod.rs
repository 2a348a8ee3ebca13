//! Exchange's two POP3 services on each of its servers, through the servers' own `WinRM` or JEA endpoints.
//!
//! Exchange remembers who may use POP3: a change counts once `MSExchangePop3` and `MSExchangePOP3BE` were restarted on
//! every server. Each of the two on each server owes its own restart. Only what runs is restarted; one server after the
//! other, and a server that does not come back stops the roll. While a server's component `PopProxy` is inactive its
//! services stop by themselves, so it is left alone and stays owed.
//!
//! The proof of a restart is another process. Where a JEA endpoint shows no processes, it is Windows' word for it.

mod banner;
mod preflight;
mod roll;
mod server;
mod wire;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use self::roll::Roll;
use self::wire::{BOTH, FRONT, Found};
use super::{Condition, Instance, Observed, Service, ServiceError};
use crate::model::{AccountId, Fault, Finding};
use crate::plan::policy::{Action, Profile};
use crate::psrp::Endpoint;

pub use self::banner::Pop3;

/// How many servers are looked at at once.
const AT_ONCE: usize = 8;
/// How long between two looks at a server that is coming back.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a server in maintenance is left alone before its state is asked for again.
const MAINTENANCE: Duration = Duration::from_mins(5);

/// The servers of an organisation, and how to reach them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Farm {
    /// The organisation's `/PowerShell/`: it knows the servers and the state of their components.
    pub organisation: Endpoint,
    /// Which servers.
    pub servers: Servers,
    /// How each server is reached; `{server}` in its URL stands for the server's name.
    pub remote: Endpoint,
    /// Which ports must greet after a restart.
    pub pop3: Pop3,
    /// How long the restart of one service may take.
    pub timeout: Duration,
    /// How long a server may take to greet again.
    pub ready: Duration,
}

/// Which servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Servers {
    /// All that `Get-ExchangeServer` names, but for Edge servers.
    Auto,
    /// These.
    Listed(Vec<Server>),
}

/// One server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Server {
    /// Its name, as Exchange knows it and a person reads it.
    pub name: String,
    /// Its host for URLs and POP3.
    pub host: String,
    /// The URL of its endpoint, if it is not the usual one.
    pub url: Option<String>,
}

/// What a look at one server showed.
struct Seen {
    observed: Vec<Observed>,
    server: String,
    /// Why nothing could be seen.
    why: Option<String>,
}

/// The service.
#[derive(Debug)]
pub struct Exchange {
    farm: Farm,
    roll: Mutex<Roll>,
    /// The servers that were found last.
    found: Mutex<Vec<Server>>,
    /// Why each server could not be seen when that was last told: it is looked at before and after everything.
    unseen: Mutex<BTreeMap<String, String>>,
}

impl Exchange {
    /// Makes the service. Nothing is contacted.
    pub fn new(farm: Farm) -> Self {
        Self { farm, roll: Mutex::default(), found: Mutex::default(), unseen: Mutex::default() }
    }

    fn roll(&self) -> MutexGuard<'_, Roll> {
        // What is in it is true whether or not somebody panicked.
        self.roll.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn endpoint(&self, server: &Server) -> Endpoint {
        let url =
            server.url.clone().unwrap_or_else(|| self.farm.remote.url.replace("{server}", &server.host));
        Endpoint { url, ..self.farm.remote.clone() }
    }

    /// Returns the servers; asks Exchange for them where nobody listed them.
    async fn servers(&self) -> Result<Vec<Server>, ServiceError> {
        if let Servers::Listed(servers) = &self.farm.servers {
            return Ok(servers.clone());
        }
        let known = || self.found.lock().unwrap_or_else(PoisonError::into_inner);
        match self.discover().await {
            Ok(servers) => {
                known().clone_from(&servers);
                Ok(servers)
            }
            // Servers do not vanish because one of them does not answer.
            Err(error) => match known().clone() {
                servers if servers.is_empty() => Err(error),
                servers => {
                    tracing::warn!("{error}: taking the servers that were found before.");
                    Ok(servers)
                }
            },
        }
    }

    async fn discover(&self) -> Result<Vec<Server>, ServiceError> {
        let doing = "asking Exchange for its servers";
        let mut session = server::open(&self.farm.organisation).await?;
        let found = server::ask(&mut session, doing, &wire::servers()).await;
        server::close(session).await;
        // Here it is a role of Exchange that is missing, and none of the server's endpoint.
        let found = found.map_err(|error| match error.fault {
            Fault::Denied => ServiceError { help: Some(preflight::ROLE.to_owned()), ..error },
            _ => error,
        });
        let found: Vec<Found> = found?.iter().filter_map(wire::read_server).collect();
        let mut servers: Vec<_> =
            found.into_iter().map(|found| Server { name: found.name, host: found.fqdn, url: None }).collect();
        servers.sort_unstable();
        servers.dedup();
        if servers.is_empty() {
            return Err(ServiceError {
                what: format!("{doing}: it names none but Edge servers"),
                fault: Fault::Denied,
                help: Some(
                    "list them under `servers`, or give the account `View-Only Configuration`".to_owned(),
                ),
            });
        }
        Ok(servers)
    }

    async fn server(&self, name: &str) -> Result<Server, ServiceError> {
        let known = self.found.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let servers = if known.is_empty() { self.servers().await? } else { known };
        let found = servers.into_iter().find(|server| server.name == name);
        found.ok_or_else(|| ServiceError {
            what: format!("Exchange has no server {name} any more"),
            fault: Fault::TRANSIENT,
            help: Some("if it is gone for good, `popgate restart --done` settles what it owed".to_owned()),
        })
    }

    /// Looks at one server. One that cannot be seen is not stopped, it is unknown.
    async fn seen(endpoint: Endpoint, name: String) -> Seen {
        let instance = |service: &str| Instance { server: name.clone(), service: service.to_owned() };
        let seen = server::look(&endpoint).await;
        let why = seen.as_ref().err().map(ToString::to_string);
        let observed = match seen {
            Ok(look) => look
                .services
                .iter()
                .map(|(service, condition, run)| Observed {
                    instance: instance(service),
                    identity: run.as_ref().map(wire::Run::identity),
                    age: run.as_ref().and_then(|run| run.age(look.now?)),
                    condition: *condition,
                })
                .collect(),
            Err(_) => BOTH.map(|service| Observed::unknown(instance(service))).to_vec(),
        };
        Seen { observed, server: name, why }
    }

    /// Says what a look at one server means.
    fn understood(&self, Seen { mut observed, server, why }: Seen) -> Vec<Observed> {
        self.tell_unseen(&server, why.as_deref());
        for observed in &mut observed {
            let Instance { server, service } = &observed.instance;
            // A service that popgate's own restart left stopped still owes: nobody stopped it on purpose.
            if observed.condition == Condition::Stopped && self.roll().is_halted(server, service) {
                observed.condition = Condition::Unknown;
            }
        }
        observed
    }

    /// Says once that a server cannot be seen, and again when the reason is another one.
    fn tell_unseen(&self, name: &str, why: Option<&str>) {
        let mut unseen = self.unseen.lock().unwrap_or_else(PoisonError::into_inner);
        match why {
            Some(why) if unseen.get(name).is_none_or(|told| told != why) => {
                tracing::warn!(server = name, "The POP3 services of {name} cannot be seen: {why}.");
                unseen.insert(name.to_owned(), why.to_owned());
            }
            Some(_) => {}
            None => drop(unseen.remove(name)),
        }
    }

    /// Fails while a server in maintenance keeps its POP3 switched off.
    async fn admits(&self, server: &Server) -> Result<(), ServiceError> {
        let mut session = match server::open(&self.farm.organisation).await {
            Ok(session) => session,
            Err(error) => {
                tracing::warn!("Whether PopProxy is active on {} is not known: {error}.", server.name);
                return Ok(());
            }
        };
        let state = server::ask(&mut session, "asking for PopProxy", &wire::component(&server.name)).await;
        server::close(session).await;
        match state {
            Ok(found) => match found.iter().find_map(wire::read_state) {
                Some(state) if !state.eq_ignore_ascii_case("Active") => Err(ServiceError {
                    what: format!("{} is in maintenance: its PopProxy is {state}", server.name),
                    fault: Fault::Transient { retry_after: Some(MAINTENANCE) },
                    help: Some(format!(
                        "the restart stays owed until it is active again: `Set-ServerComponentState {} -Component \
                         PopProxy -State Active -Requester Maintenance`",
                        server.name
                    )),
                }),
                _ => Ok(()),
            },
            // Who may not look at components may still restart: a restart on a server in maintenance does no harm.
            Err(error) => {
                tracing::warn!("Whether PopProxy is active on {} is not known: {error}.", server.name);
                Ok(())
            }
        }
    }

    /// Looks whether a server serves: both services that should run do, and the ports greet.
    async fn serves(&self, server: &Server, service: Option<&str>) -> Result<(), String> {
        let look = server::look(&self.endpoint(server)).await.map_err(|error| error.what)?;
        for service in BOTH.into_iter().filter(|one| service.is_none_or(|service| service == *one)) {
            let condition = look.condition(service);
            let halted = self.roll().is_halted(&server.name, service);
            if condition != Condition::Running && (condition != Condition::Stopped || halted) {
                return Err(format!("{service} is {}", server::word(condition)));
            }
        }
        // Nobody greets where somebody stopped one of the two on purpose.
        if BOTH.into_iter().any(|service| look.condition(service) == Condition::Stopped) {
            return Ok(());
        }
        self.farm.pop3.greets(&server.host).await
    }

    /// Before another server is touched, one that broke must serve again.
    async fn wait_for_others(&self, name: &str) -> Result<(), ServiceError> {
        let Some((other, _)) = self.roll().before(name) else { return Ok(()) };
        let why = match self.server(&other).await {
            Ok(server) => self.serves(&server, None).await.err(),
            // A server that is gone stands in nobody's way.
            Err(_) => None,
        };
        let Some(why) = why else {
            self.roll().mended(&other);
            return Ok(());
        };
        Err(ServiceError {
            what: format!("{name} is left alone, because {other} did not come back: {why}"),
            fault: Fault::TRANSIENT,
            help: Some(format!("look at {other}; the others follow when it serves again")),
        })
    }

    /// The roll stops within a server as well: what still serves there is not touched while popgate's restart of the
    /// other service left that one stopped.
    async fn wait_for_the_other(&self, server: &Server, service: &str) -> Result<(), ServiceError> {
        let halted = |other: &&str| *other != service && self.roll().is_halted(&server.name, other);
        let Some(other) = BOTH.into_iter().find(halted) else { return Ok(()) };
        let condition = server::look(&self.endpoint(server)).await?.condition(other);
        if condition == Condition::Running {
            self.roll().runs(&server.name, other);
            return Ok(());
        }
        Err(ServiceError {
            what: format!(
                "{service} on {} is left alone, because {other} did not come back there: it is {}",
                server.name,
                server::word(condition)
            ),
            fault: Fault::TRANSIENT,
            help: Some(format!("look at {}; this one follows when {other} runs again", server.name)),
        })
    }
}

#[async_trait]
impl Service for Exchange {
    fn profile(&self) -> Profile {
        let farm = &self.farm;
        let (which, instances) = match &farm.servers {
            Servers::Auto => ("auto".to_owned(), Vec::new()),
            Servers::Listed(servers) => {
                let names: Vec<_> = servers.iter().map(|server| server.name.as_str()).collect();
                let instances = servers.iter().flat_map(|server| {
                    BOTH.map(|service| Instance { server: server.name.clone(), service: service.to_owned() })
                });
                (names.join(","), instances.collect())
            }
        };
        Profile {
            key: format!("exchange:{}:{which}", farm.organisation.url),
            name: "Exchange POP3".to_owned(),
            action: Action::Restart,
            instances,
        }
    }

    async fn observe(&self) -> Result<Vec<Observed>, ServiceError> {
        let gate = Arc::new(Semaphore::new(AT_ONCE));
        let mut looks = JoinSet::new();
        for server in self.servers().await? {
            let (gate, endpoint) = (Arc::clone(&gate), self.endpoint(&server));
            looks.spawn(async move {
                let _turn = gate.acquire().await;
                Self::seen(endpoint, server.name).await
            });
        }
        let looks = looks.join_all().await;
        let mut seen: Vec<Observed> = looks.into_iter().flat_map(|look| self.understood(look)).collect();
        seen.sort_unstable_by(|a, b| a.instance.cmp(&b.instance));
        Ok(seen)
    }

    /// Looks at the instance's server and at no other, because each look is a session.
    async fn observe_one(&self, instance: &Instance) -> Result<Option<Observed>, ServiceError> {
        let server = self.server(&instance.server).await?;
        let look = Self::seen(self.endpoint(&server), server.name).await;
        if look.why.is_some() {
            // Perhaps it is gone for good.
            self.servers().await?;
            self.server(&instance.server).await?;
        }
        Ok(self.understood(look).into_iter().find(|seen| seen.instance == *instance))
    }

    async fn restart(&self, instance: &Instance, _disabled: &[AccountId]) -> Result<(), ServiceError> {
        let server = self.server(&instance.server).await?;
        self.wait_for_others(&server.name).await?;
        self.wait_for_the_other(&server, &instance.service).await?;
        self.admits(&server).await?;
        let halted = self.roll().is_halted(&server.name, &instance.service);
        let endpoint = self.endpoint(&server);
        let done = server::restart(&endpoint, &instance.service, halted, self.farm.timeout, || {
            self.roll().halting(&server.name, &instance.service);
        });
        match done.await {
            Ok(()) => {
                self.roll().runs(&server.name, &instance.service);
                Ok(())
            }
            Err(error) => {
                if self.roll().is_halted(&server.name, &instance.service) {
                    self.roll().broke(&server.name, &error.what);
                }
                Err(error)
            }
        }
    }

    fn halted(&self, instance: &Instance) -> bool {
        self.roll().is_halted(&instance.server, &instance.service)
    }

    fn left_halted(&self, instance: &Instance) {
        self.roll().halting(&instance.server, &instance.service);
    }

    async fn ready(&self, instance: &Instance) -> Result<(), ServiceError> {
        let server = self.server(&instance.server).await?;
        let give_up = Instant::now() + self.farm.ready;
        loop {
            let why = match self.serves(&server, Some(&instance.service)).await {
                Ok(()) => {
                    self.roll().mended(&server.name);
                    return Ok(());
                }
                Err(why) => why,
            };
            if Instant::now() >= give_up {
                self.roll().broke(&server.name, &why);
                return Err(ServiceError {
                    what: format!(
                        "{} does not serve {:?} after the restart: {why}",
                        server.name, self.farm.ready
                    ),
                    fault: Fault::TRANSIENT,
                    help: Some("look at the server; the others are left alone until it serves".to_owned()),
                });
            }
            sleep(PAUSE).await;
        }
    }

    async fn preflight(&self) -> Vec<Finding> {
        preflight::look(self).await
    }

    fn instructions(&self) -> Vec<String> {
        let restart = format!("Restart-Service {}, {}", FRONT, wire::BACK);
        match &self.farm.servers {
            Servers::Auto => vec![format!(
                "Get-ExchangeServer | Where-Object {{ $_.ServerRole -notmatch 'Edge' }} | ForEach-Object {{ \
                 Invoke-Command -ComputerName $_.Fqdn {{ {restart} }} }}"
            )],
            Servers::Listed(servers) => {
                let line =
                    |server: &Server| format!("Invoke-Command -ComputerName {} {{ {restart} }}", server.host);
                servers.iter().map(line).collect()
            }
        }
    }
}
