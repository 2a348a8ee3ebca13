//! Looks whether everything is there that reading and writing need, without changing anything.

use super::client::whole;
use super::wire::Mailbox;
use super::{ExchangeStore, Scope};
use crate::model::Finding;
use crate::psrp::Session;
use crate::psrp::sight::{self, Need, Sight};
use crate::stores::StoreError;

pub(super) async fn preflight(store: &ExchangeStore) -> Vec<Finding> {
    let url = &store.organisation.endpoint.url;
    let secret = store.organisation.endpoint.auth.secret();
    let mut findings = secret.map(|secret| secret.preflight()).unwrap_or_default();
    let client = match store.client() {
        Ok(client) => client,
        Err(error) => {
            findings.push(Finding::error(error.what, error.help));
            return findings;
        }
    };
    match client.offers().await {
        Ok(offers) => findings.push(Finding::ok(format!("{url} answers and offers {}", listed(&offers)))),
        Err(error) => {
            findings.push(Finding::error(error.what, error.help));
            return findings;
        }
    }
    let mut session = match store.session().await {
        Ok(session) => session,
        Err(error) => {
            findings.push(failed(error));
            return findings;
        }
    };
    findings.push(Finding::ok(format!("a session opens on {url}")));
    look(store, &mut session, &mut findings).await;
    if let Err(error) = session.close().await {
        findings.push(Finding::warning(format!("the session does not close: {}", error.what), error.help));
    }
    findings
}

/// Each command that is used, and what gives an account the right to it.
fn needed(scope: &Scope) -> Vec<Need> {
    let mut needed = vec![
        Need { command: "Get-CASMailbox", parameters: GET, remedy: RECIPIENTS },
        Need { command: "Set-CASMailbox", parameters: SET, remedy: RECIPIENTS },
        Need { command: "Get-ADServerSettings", parameters: &[], remedy: CONFIGURATION },
        Need { command: "Get-DomainController", parameters: &[], remedy: CONFIGURATION },
        Need { command: "Get-ExchangeServer", parameters: &["Identity"], remedy: CONFIGURATION },
    ];
    match scope {
        Scope::Domain => {}
        Scope::Forest => needed.push(Need {
            command: "Set-ADServerSettings",
            parameters: &["ViewEntireForest"],
            remedy: CONFIGURATION,
        }),
        Scope::Unit(_) => needed.push(Need {
            command: "Get-CASMailbox",
            parameters: &["OrganizationalUnit"],
            remedy: RECIPIENTS,
        }),
    }
    needed
}

const GET: &[&str] = &["Identity", "ResultSize", "DomainController"];
const SET: &[&str] = &["Identity", "PopEnabled", "DomainController", "Confirm"];
const RECIPIENTS: &str = "make the account a member of Recipient Management: `Add-RoleGroupMember \"Recipient Management\" \
                          -Member ACCOUNT`; or give it a role of its own, with less: examples/exchange/role-group.ps1";
const CONFIGURATION: &str = "give the account the role: `New-ManagementRoleAssignment -Role \"View-Only Configuration\" -User \
                             ACCOUNT`, or see examples/exchange/role-group.ps1";

/// Tells whether each command, and each parameter it is used with, can be seen.
async fn visible(store: &ExchangeStore, session: &mut Session) -> Vec<Finding> {
    let needed = needed(&store.organisation.scope);
    let Some(seen) = sight::sight(session, &needed).await else {
        return vec![Finding::warning(
            "Exchange does not tell which commands it lets the account use",
            "look at the roles of the account: `Get-ManagementRoleAssignment -RoleAssignee ACCOUNT`",
        )];
    };
    let found = needed.iter().zip(seen).map(|(need, seen)| match seen {
        Sight::Whole => Finding::ok(format!("{} can be used", need.command)),
        Sight::Hidden => {
            Finding::error(format!("the account cannot see {}: no role grants it", need.command), need.remedy)
        }
        Sight::Without(parameter) => {
            let what = format!("the account may not use -{parameter} of {}: no role grants it", need.command);
            Finding::error(what, need.remedy)
        }
    });
    found.collect()
}

async fn look(store: &ExchangeStore, session: &mut Session, findings: &mut Vec<Finding>) {
    findings.extend(visible(store, session).await);
    let controllers = match store.controllers(session, &std::collections::BTreeMap::new()).await {
        Ok(controllers) => controllers,
        Err(error) => {
            findings.push(failed(error));
            return;
        }
    };
    for (domain, controller) in &controllers {
        findings.push(Finding::ok(format!("{controller} answers for {domain}")));
    }
    let unit = if let Scope::Unit(unit) = &store.organisation.scope { Some(unit.as_str()) } else { None };
    let mut count = 0u64;
    for controller in controllers.values().map(Some).chain(controllers.is_empty().then_some(None)) {
        let answer = store
            .ask(session, controller.map(String::as_str), |asking| asking.all(unit), &mut |value| {
                count += u64::from(Mailbox::read(&value).is_some());
            })
            .await;
        if let Err(error) = whole("reading the mailboxes", &answer) {
            findings.push(failed(error));
            return;
        }
    }
    if count == 0 {
        findings.push(Finding::warning(
            "there is no mailbox in scope",
            "look at `scope`, and at what popgate's account can see",
        ));
    } else {
        findings.push(Finding::ok(format!("{count} mailboxes are in scope")));
    }
    if store.known().bare {
        findings.push(Finding::warning(
            "Select-Object is not visible, so reading takes about ten times the traffic",
            "add it to the commands of the session, if you can",
        ));
    }
}

fn failed(error: StoreError) -> Finding {
    Finding::error(error.what, error.help.unwrap_or_default())
}

fn listed(words: &[String]) -> String {
    if words.is_empty() { "no method to sign in".to_owned() } else { words.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_role_group_of_the_examples_gives_whatever_a_write_needs() {
        let script = include_str!("../../../examples/exchange/role-group.ps1");
        assert!(script.contains("-notin 'Get-CASMailbox', 'Set-CASMailbox'"));
        let (_, kept) = script.split_once("'POP3 Access\\Set-CASMailbox' -Parameters ").unwrap();
        let kept: Vec<&str> = kept.lines().next().unwrap().split(',').map(str::trim).collect();
        for parameter in SET {
            assert!(kept.contains(parameter), "Set-CASMailbox -{parameter} is taken away");
        }
        assert!(
            script.contains("'View-Only Configuration'") && CONFIGURATION.contains("View-Only Configuration")
        );
    }
}
