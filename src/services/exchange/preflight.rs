//! What could stop a restart: found before one is owed, each with the role or the command that mends it.

use super::server::{self, Look};
use super::{Exchange, Server, Servers, wire};
use crate::model::Finding;
use crate::psrp::{Client, Endpoint};
use crate::services::{Condition, ServiceError};

/// A command that is used, the parameters it is used with, and what to do when it cannot be seen.
type Needed = (&'static str, &'static [&'static str], &'static str);

const WINDOWS: &[Needed] = &[("Get-Service", &["Name"], JEA), ("Restart-Service", &["Name"], JEA)];

const JEA: &str = "let the endpoint's role show it: examples/exchange/jea has a role capability and a session \
                   configuration; or make the account an administrator of the server";

const CONFIGURATION: &str = "give the account the role: `New-ManagementRoleAssignment -Role \"View-Only Configuration\" \
                             -User ACCOUNT`, or see examples/exchange/role-group.ps1";

/// Looks at everything that a restart needs, without changing anything.
pub(super) async fn look(exchange: &Exchange) -> Vec<Finding> {
    let mut findings = organisation(exchange).await;
    match exchange.servers().await {
        Err(error) => findings.push(failed("the Exchange servers cannot be found", &error)),
        Ok(servers) => {
            if exchange.farm.servers == Servers::Auto {
                let names: Vec<_> = servers.iter().map(|server| server.name.as_str()).collect();
                findings.push(Finding::ok(format!("Exchange names its servers: {}", names.join(", "))));
            }
            for server in &servers {
                findings.extend(one(exchange, server).await);
            }
        }
    }
    findings
}

/// What Exchange itself is asked before a restart.
async fn organisation(exchange: &Exchange) -> Vec<Finding> {
    let mut needed: Vec<Needed> =
        vec![("Get-ServerComponentState", &["Identity", "Component"], CONFIGURATION)];
    if exchange.farm.servers == Servers::Auto {
        needed.push(("Get-ExchangeServer", &[], CONFIGURATION));
    }
    match server::open(&exchange.farm.organisation).await {
        Err(error) => vec![failed("Exchange cannot be asked for its servers and their components", &error)],
        Ok(mut session) => {
            let findings = visible(&mut session, &needed, "Exchange").await;
            server::close(session).await;
            findings
        }
    }
}

async fn one(exchange: &Exchange, server: &Server) -> Vec<Finding> {
    let endpoint = exchange.endpoint(server);
    let mut findings = vec![offers(server, &endpoint).await];
    let mut session = match server::open(&endpoint).await {
        Ok(session) => session,
        Err(error) => {
            findings.push(failed(&format!("{} cannot be reached for restarts", server.name), &error));
            return findings;
        }
    };
    findings.extend(visible(&mut session, WINDOWS, &server.name).await);
    server::close(session).await;
    match server::look(&endpoint).await {
        Err(error) => {
            findings.push(failed(&format!("the services of {} cannot be seen", server.name), &error))
        }
        Ok(look) => {
            findings.extend(services(server, &look));
            findings.extend(greeting(exchange, server, &look).await);
        }
    }
    if let Err(error) = exchange.admits(server).await {
        findings.push(Finding::warning(error.what, error.help.unwrap_or_default()));
    }
    findings
}

async fn offers(server: &Server, endpoint: &Endpoint) -> Finding {
    let offered = match Client::new(endpoint.clone()) {
        Ok(client) => client.offers().await,
        Err(error) => Err(error),
    };
    match offered {
        Ok(methods) if methods.is_empty() => Finding::warning(
            format!("{} offers no method of authentication at {}", server.name, endpoint.url),
            "look whether the URL is that of WinRM: `winrm enumerate winrm/config/listener` on the server",
        ),
        Ok(methods) => Finding::ok(format!("{} answers and offers {}", endpoint.url, methods.join(", "))),
        Err(error) => failed(&format!("{} does not answer", server.name), &server::of_session(&error)),
    }
}

/// Tells whether each command, and each parameter it is used with, can be seen.
async fn visible(session: &mut crate::psrp::Session, needed: &[Needed], place: &str) -> Vec<Finding> {
    let names: Vec<_> = needed.iter().map(|(name, ..)| *name).collect();
    // Commands that are missing are errors of the pipeline, and of no further interest: they are not in its output.
    let (found, answer) = session.collect(&wire::commands(&names)).await;
    if !answer.completed() {
        return vec![Finding::warning(
            format!("{place} does not tell which commands it lets the account use"),
            "let the endpoint's role show Get-Command",
        )];
    }
    let found: Vec<_> = found.iter().filter_map(wire::read_command).collect();
    let mut findings = Vec::new();
    for (name, parameters, remedy) in needed {
        let Some((_, have)) = found.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)) else {
            findings.push(Finding::error(format!("{place}: the account cannot see {name}"), *remedy));
            continue;
        };
        let lacks = |parameter: &&&str| !have.iter().any(|have| have.eq_ignore_ascii_case(parameter));
        match parameters.iter().find(lacks).filter(|_| !have.is_empty()) {
            Some(lacking) => findings.push(Finding::error(
                format!("{place}: the account may not use -{lacking} of {name}"),
                *remedy,
            )),
            None => findings.push(Finding::ok(format!("{place}: {name} can be used"))),
        }
    }
    findings
}

fn services(server: &Server, look: &Look) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (service, condition, run) in &look.services {
        let name = &server.name;
        findings.push(match (condition, run) {
            (Condition::Running, Some(run)) => Finding::ok(format!("{service} on {name} runs: {}", run.identity())),
            (Condition::Running, None) => Finding::ok(format!("{service} on {name} runs")),
            (Condition::Stopped, _) => Finding::warning(
                format!("{service} on {name} is stopped: popgate does not start it, and it owes nothing"),
                format!(
                    "if POP3 is to be served there: `Set-Service {service} -StartupType Automatic; Start-Service \
                     {service}`"
                ),
            ),
            (other, _) => {
                Finding::warning(format!("{service} on {name} is {}", server::word(*other)), "look at it again")
            }
        });
    }
    if look.hidden {
        findings.push(Finding::warning(
            format!("{} shows no start times: a restart is believed, not proven", server.name),
            "let the endpoint's role show Get-CimInstance and Get-Process, as examples/exchange/jea does",
        ));
    }
    findings
}

async fn greeting(exchange: &Exchange, server: &Server, look: &Look) -> Option<Finding> {
    let runs = wire::BOTH.into_iter().all(|service| look.condition(service) == Condition::Running);
    if !runs {
        return None;
    }
    Some(match exchange.farm.pop3.greets(&server.host).await {
        Ok(()) => Finding::ok(format!("{} greets clients of POP3", server.name)),
        Err(why) => Finding::warning(
            format!("{}: {why}", server.name),
            "after a restart this would stop the roll: mend it, or write under `pop3` which ports are served",
        ),
    })
}

fn failed(what: &str, error: &ServiceError) -> Finding {
    Finding::error(format!("{what}: {error}"), error.help.clone().unwrap_or_default())
}
