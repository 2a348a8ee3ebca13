//! One server: looking at its two services, and restarting one of them, in a session of its own.

use std::time::Duration;

use jiff::Timestamp;

use super::wire::{self, BOTH, Run};
use crate::model::Fault;
use crate::psrp::{self, Answer, Client, Ending, Endpoint, ErrorRecord, Kind, Session, Value};
use crate::services::{Condition, ServiceError};

/// What was seen of a server.
#[derive(Debug)]
pub(super) struct Look {
    /// Each of the two services: whether it runs, and which run that is.
    pub(super) services: Vec<(&'static str, Condition, Option<Run>)>,
    /// What the server's clock shows; `None` where the endpoint hides it.
    pub(super) now: Option<Timestamp>,
    /// The endpoint shows no processes.
    pub(super) hidden: bool,
}

impl Look {
    /// Returns whether a service runs; one that is not there does not.
    pub(super) fn condition(&self, service: &str) -> Condition {
        let found = self.services.iter().find(|(name, ..)| *name == service);
        found.map_or(Condition::Stopped, |(_, condition, _)| *condition)
    }
}

/// Opens a session.
pub(super) async fn open(endpoint: &Endpoint) -> Result<Session, ServiceError> {
    let client = Client::new(endpoint.clone()).map_err(|error| of_session(&error))?;
    client.open().await.map_err(|error| of_session(&error))
}

/// Closes a session; one that is not heard to go is forgotten by the server.
pub(super) async fn close(session: Session) {
    if let Err(error) = session.close().await {
        tracing::debug!(%error, "A session was not heard to close.");
    }
}

/// Looks at both services of a server.
pub(super) async fn look(endpoint: &Endpoint) -> Result<Look, ServiceError> {
    let mut session = open(endpoint).await?;
    let seen = look_in(&mut session).await;
    close(session).await;
    seen
}

async fn look_in(session: &mut Session) -> Result<Look, ServiceError> {
    let (found, answer) = session.collect(&wire::services()).await;
    completed("asking for the services", &answer)?;
    let serious = answer.errors.iter().find(|error| !error.is("NoServiceFoundForGivenName"));
    if let Some(error) = serious {
        return Err(of_command("asking for the services", error));
    }
    let found: Vec<_> = found.iter().filter_map(wire::read_service).collect();
    let running = found.iter().any(|(_, condition)| *condition == Condition::Running);
    let runs = if running { runs(session).await? } else { Some(Vec::new()) };
    let hidden = runs.is_none();
    let runs = runs.unwrap_or_default();
    let now = if runs.is_empty() { None } else { clock(session).await };
    let services = BOTH
        .into_iter()
        .map(|name| {
            let condition = found.iter().find(|(found, _)| *found == name);
            let condition = condition.map_or(Condition::Stopped, |(_, condition)| *condition);
            let run = runs.iter().find(|(service, _)| *service == name).map(|(_, run)| run.clone());
            (name, condition, run.filter(|_| condition != Condition::Stopped))
        })
        .collect();
    Ok(Look { services, now, hidden })
}

/// Asks which processes run the services and since when; `None` where the endpoint does not tell.
async fn runs(session: &mut Session) -> Result<Option<Vec<(&'static str, Run)>>, ServiceError> {
    let (found, answer) = session.collect(&wire::processes()).await;
    if let Ending::Refused(error) | Ending::Lost(error) = &answer.ending {
        return Err(of_session(error));
    }
    let processes: Vec<_> = found.iter().filter_map(wire::read_process).collect();
    if !answer.completed() || processes.is_empty() {
        return Ok(None);
    }
    let mut runs = Vec::new();
    for (service, process) in processes {
        let (found, answer) = session.collect(&wire::process(process)).await;
        match &answer.ending {
            Ending::Refused(error) | Ending::Lost(error) => return Err(of_session(error)),
            Ending::Failed(_) | Ending::Stopped => return Ok(None),
            // A process that is gone already belongs to no run.
            Ending::Completed => {
                let since = found.first().and_then(wire::read_start);
                runs.extend(since.map(|since| (service, Run { process, since })));
            }
        }
    }
    Ok(Some(runs).filter(|runs| !runs.is_empty()))
}

async fn clock(session: &mut Session) -> Option<Timestamp> {
    let (found, answer) = session.collect(&wire::clock()).await;
    found.first().and_then(wire::moment).filter(|_| answer.completed())
}

/// Restarts one service and waits until Windows says that it runs. `halted`: popgate itself stopped it before;
/// `begins` is called right before it may be stopped.
pub(super) async fn restart(
    endpoint: &Endpoint,
    service: &str,
    halted: bool,
    within: Duration,
    begins: impl FnOnce() + Send,
) -> Result<(), ServiceError> {
    let mut session = open(endpoint).await?;
    let done = restart_in(&mut session, service, halted, within, begins).await;
    close(session).await;
    done
}

async fn restart_in(
    session: &mut Session,
    service: &str,
    halted: bool,
    within: Duration,
    begins: impl FnOnce() + Send,
) -> Result<(), ServiceError> {
    let before = condition(session, service).await?;
    if before != Condition::Running && !halted {
        return Err(ServiceError {
            what: format!("{service} is not running, and popgate starts nothing that somebody stopped"),
            fault: Fault::TRANSIENT,
            help: Some("nothing to do if that is meant: it reads the new state when it starts".to_owned()),
        });
    }
    begins();
    let doing = format!("restarting {service}");
    let (_, answer) = session.collect(&wire::restart(service, within)).await;
    completed(&doing, &answer)?;
    if let Some(error) = answer.errors.first() {
        return Err(of_command(&doing, error));
    }
    match condition(session, service).await? {
        Condition::Running => Ok(()),
        other => Err(ServiceError {
            what: format!("{service} was restarted, and is now {}", word(other)),
            fault: Fault::TRANSIENT,
            help: Some("look at the server's application log; try again with `popgate restart`, as `popgate run` does by itself".to_owned()),
        }),
    }
}

async fn condition(session: &mut Session, service: &str) -> Result<Condition, ServiceError> {
    let (found, answer) = session.collect(&wire::service(service)).await;
    completed("asking for the service", &answer)?;
    if let Some(error) = answer.errors.iter().find(|error| !error.is("NoServiceFoundForGivenName")) {
        return Err(of_command("asking for the service", error));
    }
    let found = found.iter().find_map(wire::read_service);
    Ok(found.map_or(Condition::Stopped, |(_, condition)| condition))
}

/// Names a condition.
pub(super) fn word(condition: Condition) -> &'static str {
    match condition {
        Condition::Running => "running",
        Condition::Stopped => "stopped",
        Condition::Changing => "starting or stopping",
        Condition::Unknown => "in an unknown state",
    }
}

/// Runs a pipeline and returns its output; anything that goes wrong is an error.
pub(super) async fn ask(
    session: &mut Session,
    doing: &str,
    pipeline: &psrp::Pipeline,
) -> Result<Vec<Value>, ServiceError> {
    let (found, answer) = session.collect(pipeline).await;
    completed(doing, &answer)?;
    answer.errors.first().map_or(Ok(found), |error| Err(of_command(doing, error)))
}

fn completed(doing: &str, answer: &Answer) -> Result<(), ServiceError> {
    match &answer.ending {
        Ending::Completed => Ok(()),
        Ending::Failed(why) => Err(of_command(doing, why)),
        Ending::Stopped => Err(ServiceError {
            what: format!("{doing} took too long and was stopped"),
            fault: Fault::TRANSIENT,
            help: Some("the service may be waiting for sessions to end; raise `timeout`".to_owned()),
        }),
        Ending::Refused(error) | Ending::Lost(error) => {
            let error = of_session(error);
            Err(ServiceError { what: format!("{doing}: {}", error.what), ..error })
        }
    }
}

/// What it means for a service that a session failed.
pub(super) fn of_session(error: &psrp::Error) -> ServiceError {
    let fault = match &error.kind {
        Kind::Throttled { retry_after } => Fault::Transient { retry_after: *retry_after },
        kind if kind.is_transient() => Fault::TRANSIENT,
        Kind::Unauthorised | Kind::Forbidden | Kind::Tls | Kind::Secret => Fault::Denied,
        _ => Fault::Invalid,
    };
    let help = Some(error.help.clone()).filter(|help| !help.is_empty());
    ServiceError { what: error.what.clone(), fault, help }
}

fn of_command(doing: &str, error: &ErrorRecord) -> ServiceError {
    let what = format!("{doing}: {}", error.message.trim().trim_end_matches('.'));
    if is_missing(error) {
        return ServiceError {
            what,
            fault: Fault::Denied,
            help: Some(
                "the endpoint does not let the account do that: see the JEA role in examples/exchange, or make it an \
                 administrator of the server"
                    .to_owned(),
            ),
        };
    }
    let denied = error.category == "PermissionDenied" || error.reason == "UnauthorizedAccessException";
    ServiceError {
        what,
        fault: if denied { Fault::Denied } else { Fault::TRANSIENT },
        help: denied.then(|| "the account may not control services there".to_owned()),
    }
}

/// Tells whether a command or a parameter is not to be seen.
pub(super) fn is_missing(error: &ErrorRecord) -> bool {
    error.is("CommandNotFoundException")
        || error.is("NamedParameterNotFound")
        || error.is("ParameterBindingException")
}
