//! Reading: one pipeline for each domain.

use std::collections::{BTreeMap, HashMap};

use uuid::Uuid;

use super::client::{controller_failed, whole};
use super::names;
use super::verdict::{Caution, Verdict};
use super::wire::Mailbox;
use super::{ExchangeStore, Scope};
use crate::model::{Fault, Live, Servers};
use crate::name::fold;
use crate::psrp::{Ending, Session};
use crate::stores::{StoreError, Wanted};

/// How many objects Exchange returns to those who do not ask for more.
pub(super) const DEFAULT_RESULT_SIZE: usize = 1000;

/// What to do about a list that lacks some.
pub(super) const AN_INCOMPLETE_LIST: &str =
    "an incomplete list is not used; look for a limit on the results of popgate's account";

/// How a read failed.
pub(super) enum Failed {
    /// As a store does.
    Store(StoreError),
    /// This controller does not answer; another one may.
    Controller(String, StoreError),
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Reads every mailbox in scope.
pub(super) async fn read(store: &ExchangeStore, wanted: &Wanted) -> Result<Live, Failed> {
    let mut session = store.session().await?;
    let read = read_in(store, &mut session, wanted).await;
    // What was read is right, whether or not the goodbye was heard.
    if let Err(error) = session.close().await {
        tracing::debug!(%error, "The session was not closed.");
    }
    read
}

async fn read_in(store: &ExchangeStore, session: &mut Session, wanted: &Wanted) -> Result<Live, Failed> {
    let controllers = store.controllers(session, &wanted.controllers).await?;
    // Without a controller there is one read, of whatever the server thinks is its domain.
    let domains: Vec<(Option<&str>, Option<&str>)> = if controllers.is_empty() {
        vec![(None, None)]
    } else {
        controllers.iter().map(|(domain, name)| (Some(&**domain), Some(&**name))).collect()
    };
    let mut found: Vec<(usize, Mailbox)> = Vec::new();
    for (number, (domain, controller)) in domains.iter().enumerate() {
        let mailboxes = of_domain(store, session, *controller).await?;
        if let Some(domain) = domain {
            netbios(store, session, domain, *controller, &mailboxes).await?;
        }
        found.extend(mailboxes.into_iter().map(|mailbox| (number, mailbox)));
    }
    let more = names::look_up(store, session, wanted, &domains, &found).await?;
    remember(store, &found, &more);
    let shorts = store.known().netbios.clone();
    let accounts = found.into_iter().map(|(number, mailbox)| {
        let netbios = domains[number].0.and_then(|domain| shorts.get(domain)?.as_deref());
        let names = more.get(&mailbox.guid).cloned().unwrap_or_default();
        mailbox.account(netbios, names)
    });
    let servers = Servers { by_domain: controllers.clone() };
    let live = Live::new(accounts.collect()).map(|live| live.answered_by(servers));
    live.map_err(|twice| {
        Failed::Store(StoreError {
            what: twice.to_string(),
            fault: Fault::TRANSIENT,
            help: Some(
                "mailboxes may have moved while they were read; try again, as `popgate run` does by itself"
                    .to_owned(),
            ),
        })
    })
}

async fn of_domain(
    store: &ExchangeStore,
    session: &mut Session,
    controller: Option<&str>,
) -> Result<Vec<Mailbox>, Failed> {
    let unit = match &store.organisation.scope {
        Scope::Unit(unit) => Some(unit.as_str()),
        Scope::Domain | Scope::Forest => None,
    };
    let (mut mailboxes, mut odd) = (Vec::new(), 0u64);
    let answer = store
        .ask(session, controller, |asking| asking.all(unit), &mut |value| match Mailbox::read(&value) {
            Some(mailbox) => mailboxes.push(mailbox),
            None => odd += 1,
        })
        .await;
    if let Err(mut error) = whole("reading the mailboxes", &answer) {
        let why = if let Ending::Failed(why) = &answer.ending { Some(why) } else { answer.errors.first() };
        if unit.is_some() && why.is_some_and(|why| Verdict::of(why) == Verdict::NotFound) {
            error.help = Some("`scope` must name a unit as `Get-OrganizationalUnit` shows it".to_owned());
        }
        return Err(match controller.filter(|_| controller_failed(&answer)) {
            Some(controller) => Failed::Controller(controller.to_owned(), error),
            None => Failed::Store(error),
        });
    }
    let partial = |what: String, help: &str| {
        Failed::Store(StoreError { what, fault: Fault::Invalid, help: Some(help.to_owned()) })
    };
    if odd > 0 {
        return Err(partial(
            format!("reading the mailboxes: {odd} objects had no GUID"),
            "look at the output of Get-CASMailbox: popgate knows mailboxes by their GUID",
        ));
    }
    let mut at: HashMap<String, usize> = HashMap::new();
    // A warning has only its words, and not every server heeds the wish for English ones.
    let suspicious = mailboxes.len() == DEFAULT_RESULT_SIZE;
    for warning in &answer.warnings {
        match Caution::of(warning) {
            caution if caution == Caution::Truncated || suspicious && caution == Caution::Other => {
                return Err(partial(
                    format!(
                        "reading the mailboxes: Exchange stopped after {}: {}",
                        mailboxes.len(),
                        warning.message
                    ),
                    AN_INCOMPLETE_LIST,
                ));
            }
            Caution::Corrupted(name) => {
                if at.is_empty() {
                    at.extend(mailboxes.iter().enumerate().map(|(n, mailbox)| (fold(&mailbox.canonical), n)));
                }
                if let Some(place) = at.get(&fold(&name)) {
                    mailboxes[*place].corrupted();
                } else {
                    tracing::warn!("{}", warning.message);
                }
            }
            Caution::NothingModified(_) | Caution::Truncated | Caution::Other => {
                tracing::debug!("{}", warning.message);
            }
        }
    }
    Ok(mailboxes)
}

/// Finds out the short name of a domain, with a guess that a look-up must prove.
async fn netbios(
    store: &ExchangeStore,
    session: &mut Session,
    domain: &str,
    controller: Option<&str>,
    mailboxes: &[Mailbox],
) -> Result<(), StoreError> {
    if store.known().netbios.contains_key(domain) {
        return Ok(());
    }
    let Some(witness) = mailboxes.iter().find(|mailbox| !mailbox.sam.is_empty() && !mailbox.is_sacred())
    else {
        return Ok(());
    };
    let label = domain.split('.').next().unwrap_or_default().to_uppercase();
    let guess: String = label.chars().take(15).collect();
    let name = format!("{guess}\\{}", witness.sam);
    let meaning = names::Inquiry::new(store, controller).about(session, &name).await?;
    let proven = (meaning == [witness.guid]).then_some(guess);
    store.known().netbios.insert(domain.to_owned(), proven);
    Ok(())
}

/// Keeps what a write needs to know.
fn remember(store: &ExchangeStore, found: &[(usize, Mailbox)], more: &HashMap<Uuid, Vec<String>>) {
    let own = store.organisation.endpoint.auth.username().map(fold);
    let shorts: BTreeMap<String, Option<String>> = store.known().netbios.clone();
    let mut known = store.known();
    known.domains = found.iter().map(|(number, mailbox)| (mailbox.guid, *number)).collect();
    known.never =
        found.iter().filter(|(_, mailbox)| mailbox.is_sacred()).map(|(_, mailbox)| mailbox.guid).collect();
    if let Some(own) = own {
        for (_, mailbox) in found {
            let mut is_own =
                more.get(&mailbox.guid).is_some_and(|names| names.iter().any(|name| fold(name) == own));
            for netbios in shorts.values() {
                mailbox.folded_names(netbios.as_deref(), &mut |name| is_own |= name == own);
            }
            if is_own {
                known.never.insert(mailbox.guid);
            }
        }
    }
}
