//! Whether what was written has reached the domain controllers that a server reads from: those of its own site.
//!
//! An Exchange server asks the controllers of the Active Directory site that it is in (Microsoft, "Access to Active
//! Directory by Exchange servers"). A write on the controller that popgate keeps to reaches them by replication: within
//! seconds in one site, later between sites.

use std::collections::{BTreeMap, HashSet};

use uuid::Uuid;

use super::controllers::{local_name, those_of_site};
use super::look::{self, Look, MANY, Seen};
use super::{ExchangeStore, wire};
use crate::model::{Access, AccountId, Fault};
use crate::psrp::{Command, Pipeline, Session, Value};
use crate::stores::StoreError;

/// Counts the accounts that do not read as they were written where this server reads.
pub(super) async fn not_arrived(
    store: &ExchangeStore,
    server: &str,
    written: &[(AccountId, Access)],
) -> Result<usize, StoreError> {
    let mut session = store.session().await?;
    let counted = count(store, &mut session, server, written).await;
    if let Err(error) = session.close().await {
        tracing::debug!(%error, "The session was not closed.");
    }
    counted
}

async fn count(
    store: &ExchangeStore,
    session: &mut Session,
    server: &str,
    written: &[(AccountId, Access)],
) -> Result<usize, StoreError> {
    let pinned = store.controllers(session, &BTreeMap::new()).await?;
    let site = site_of(store, session, server).await?;
    let known = store.every_controller(session).await?;
    let written: BTreeMap<Uuid, Access> =
        written.iter().filter_map(|(id, to)| Some((wire::guid(id)?, *to))).collect();
    let (mut here, mut stale): (HashSet<Uuid>, HashSet<Uuid>) = (HashSet::new(), HashSet::new());
    let mut silent = None;
    for (number, (domain, own)) in pinned.iter().enumerate() {
        let homes = |guid: &Uuid| store.known().domains.get(guid).copied();
        // Whose domain is not known is looked for in each.
        let guids: Vec<Uuid> =
            written.keys().filter(|guid| homes(guid).is_none_or(|home| home == number)).copied().collect();
        for controller in those_of_site(&known, domain, &site, own) {
            match at(store, session, &controller, &guids).await {
                Ok(seen) => {
                    for (guid, look) in seen {
                        let to = written[&guid];
                        let fresh = match look {
                            Look::There(mailbox) => mailbox.state.is(to),
                            // Who is not there has no POP3 there either.
                            Look::Gone if homes(&guid).is_some() => to == Access::Disabled,
                            Look::Gone | Look::Failed(_) => continue,
                        };
                        if fresh {
                            here.insert(guid)
                        } else {
                            stale.insert(guid)
                        };
                    }
                }
                // One that does not answer does not answer the server either.
                Err(error) => silent = Some(error),
            }
        }
        let absent = |guid: &&Uuid| stale.contains(*guid) || !here.contains(*guid);
        let absent: Vec<Uuid> = guids.iter().filter(absent).copied().collect();
        for guid in not_written(store, session, own, &absent, &written).await? {
            stale.remove(&guid);
            here.insert(guid);
        }
    }
    let missing = written.keys().filter(|guid| stale.contains(*guid) || !here.contains(*guid)).count();
    match silent {
        Some(error) if here.is_empty() && stale.is_empty() => {
            // If Exchange answers, and it is those controllers that do not, there is nothing to be tried again at once.
            let fault = if session.is_open() { Fault::Invalid } else { error.fault };
            Err(StoreError { fault, ..error })
        }
        _ => Ok(missing),
    }
}

/// Returns those that do not read as written on the very controller that they are written on: the answer to a write may
/// have been lost with the write itself, or somebody was there since. Of these, nothing is on its way.
async fn not_written(
    store: &ExchangeStore,
    session: &mut Session,
    own: &str,
    guids: &[Uuid],
    written: &BTreeMap<Uuid, Access>,
) -> Result<Vec<Uuid>, StoreError> {
    let seen = at(store, session, own, guids).await?;
    let other = seen.into_iter().filter(|(guid, look)| match look {
        Look::There(mailbox) => !mailbox.state.is(written[guid]),
        Look::Gone => store.known().domains.contains_key(guid),
        Look::Failed(_) => false,
    });
    Ok(other.map(|(guid, _)| guid).collect())
}

/// Looks at mailboxes on one controller; many are looked at by reading all.
async fn at(
    store: &ExchangeStore,
    session: &mut Session,
    controller: &str,
    guids: &[Uuid],
) -> Result<Seen, StoreError> {
    let mut seen = if guids.len() >= MANY {
        look::at_all(store, session, Some(controller), guids).await?
    } else {
        Seen::new()
    };
    let rest: Vec<Uuid> = guids.iter().filter(|guid| !seen.contains_key(*guid)).copied().collect();
    look::at_each(store, session, Some(controller), &rest, &mut seen).await?;
    Ok(seen)
}

/// Asks for the site of a server.
async fn site_of(store: &ExchangeStore, session: &mut Session, server: &str) -> Result<String, StoreError> {
    let doing = format!("asking for the site of {server}");
    let asked = Pipeline::of([Command::new("Get-ExchangeServer").with("Identity", server)]);
    let found = store.collect(session, &doing, &asked).await?;
    let site = |value: &Value| value.member("Site").and_then(Value::text).map(|site| local_name(&site));
    found.iter().find_map(site).filter(|site| !site.is_empty()).ok_or_else(|| StoreError {
        what: format!("{doing}: Exchange does not say"),
        fault: Fault::Invalid,
        help: Some(format!("look at `Get-ExchangeServer {server} | Format-List Site`")),
    })
}
