//! What could stop a restart: found before one is owed, each with the role or the command that mends it.

use super::server::{self, Look};
use super::{Exchange, Server, Servers, wire};
use crate::model::Finding;
use crate::psrp::sight::{self, Need, Sight};
use crate::psrp::{Client, Endpoint, Session};
use crate::services::{Condition, ServiceError};

const WINDOWS: &[Need] = &[
    Need { command: "Get-Service", parameters: &["Name"], remedy: JEA },
    Need { command: "Restart-Service", parameters: &["Name"], remedy: JEA },
];
const COMPONENT: Need =
    Need { command: "Get-ServerComponentState", parameters: &["Identity", "Component"], remedy: ROLE };
const SERVERS: Need = Need { command: "Get-ExchangeServer", parameters: &[], remedy: ROLE };

const JEA: &str = "let the endpoint's role show it: examples/exchange/jea has a role capability and a session \
                   configuration; or make the account an administrator of the server";
pub(super) const ROLE: &str = "give the account the role: `New-ManagementRoleAssignment -Role \"View-Only Configuration\" -User \
                    ACCOUNT`, or see examples/exchange/role-group.ps1";

const UNASKED: &str = "Exchange cannot be asked for its servers and their components";

/// Looks at everything that a restart needs, without changing anything.
pub(super) async fn look(exchange: &Exchange) -> Vec<Finding> {
    let (own, other) = (&exchange.farm.remote.auth, &exchange.farm.organisation.auth);
    let secret = own.secret().filter(|_| own != other);
    let mut findings = secret.map(|secret| secret.preflight()).unwrap_or_default();
    findings.extend(organisation(exchange).await);
    if exchange.farm.servers == Servers::Auto
        && findings.iter().any(|finding| finding.what.starts_with(UNASKED))
    {
        // Nobody else knows the servers.
        return findings;
    }
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
    let auto = (exchange.farm.servers == Servers::Auto).then_some(SERVERS);
    let needed: Vec<Need> = [COMPONENT].into_iter().chain(auto).collect();
    match server::open(&exchange.farm.organisation).await {
        Err(error) => vec![failed(UNASKED, &error)],
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
            findings.push(failed(&format!("the services of {} cannot be seen", server.name), &error));
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
async fn visible(session: &mut Session, needed: &[Need], place: &str) -> Vec<Finding> {
    let Some(seen) = sight::sight(session, needed).await else {
        return vec![Finding::warning(
            format!("{place} does not tell which commands it lets the account use"),
            "let the endpoint's role show Get-Command",
        )];
    };
    let found = needed.iter().zip(seen).map(|(need, seen)| match seen {
        Sight::Whole => Finding::ok(format!("{place}: {} can be used", need.command)),
        Sight::Hidden => {
            Finding::error(format!("{place}: the account cannot see {}", need.command), need.remedy)
        }
        Sight::Without(parameter) => {
            let what = format!("{place}: the account may not use -{parameter} of {}", need.command);
            Finding::error(what, need.remedy)
        }
    });
    found.collect()
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
