//! Looking at mailboxes on one controller: each by itself, or many by reading all of them.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::client::{controller_failed, ended};
use super::verdict::{Caution, Verdict, attribute};
use super::wire::Mailbox;
use super::{ExchangeStore, Scope};
use crate::model::State;
use crate::name::fold;
use crate::psrp::Session;
use crate::stores::StoreError;

/// From how many mailboxes on all are read rather than each by itself.
pub(super) const MANY: usize = 200;

/// What was seen of one mailbox.
#[derive(Clone, Debug)]
pub(super) enum Look {
    /// It is there.
    There(Mailbox),
    /// Exchange says that there is none.
    Gone,
    /// Nobody knows, because of this.
    Failed(Verdict),
}

impl Look {
    pub(super) fn state(&self) -> Option<&State> {
        match self {
            Self::There(mailbox) => Some(&mailbox.state),
            Self::Gone | Self::Failed(_) => None,
        }
    }
}

/// What was seen of each mailbox.
pub(super) type Seen = HashMap<Uuid, Look>;

/// Looks at mailboxes by reading all there are, and brings only what is certain.
pub(super) async fn at_all(
    store: &ExchangeStore,
    session: &mut Session,
    controller: Option<&str>,
    guids: &[Uuid],
) -> Result<Seen, StoreError> {
    let unit = if let Scope::Unit(unit) = &store.organisation.scope { Some(unit.as_str()) } else { None };
    let wanted: HashSet<&Uuid> = guids.iter().collect();
    let mut found = Vec::new();
    let answer = store
        .ask(session, controller, |asking| asking.every_state(unit), &mut |value| {
            found.extend(Mailbox::read(&value).filter(|mailbox| wanted.contains(&mailbox.guid)));
        })
        .await;
    ended("looking at the mailboxes", &answer)?;
    let odd: HashSet<String> = answer
        .warnings
        .iter()
        .filter_map(|warning| match Caution::of(warning) {
            Caution::Corrupted(name) => Some(fold(&name)),
            _ => None,
        })
        .collect();
    found.retain(|mailbox| !odd.contains(&fold(&mailbox.canonical)));
    Ok(found.into_iter().map(|mailbox| (mailbox.guid, Look::There(mailbox))).collect())
}

/// Looks at each of these mailboxes.
pub(super) async fn at_each(
    store: &ExchangeStore,
    session: &mut Session,
    controller: Option<&str>,
    guids: &[Uuid],
    seen: &mut Seen,
) -> Result<(), StoreError> {
    if guids.is_empty() {
        return Ok(());
    }
    let mut found = Vec::new();
    let answer = store
        .ask(session, controller, |asking| asking.states(guids), &mut |value| {
            found.extend(Mailbox::read(&value));
        })
        .await;
    ended("looking at the mailboxes", &answer)?;
    if controller_failed(&answer) {
        // The next read takes another one.
        let mut known = store.known();
        known.avoid.extend(controller.map(str::to_owned));
        if known.controllers.values().any(|pinned| Some(pinned.as_str()) == controller) {
            known.controllers.clear();
        }
    }
    // An answer that nobody asked for does not count.
    let asked: HashSet<&Uuid> = guids.iter().collect();
    let there: Vec<Mailbox> = found.into_iter().filter(|mailbox| asked.contains(&mailbox.guid)).collect();
    seen.extend(there.into_iter().map(|mailbox| (mailbox.guid, Look::There(mailbox))));
    let (mut of, rest) = attribute(&answer.errors, guids, |_| None);
    let stray = rest.first().map(|error| Verdict::of(error));
    for guid in guids {
        if matches!(seen.get(guid), Some(Look::There(_))) {
            continue;
        }
        let look = match of.remove(guid).map(Verdict::of).or_else(|| stray.clone()) {
            Some(Verdict::NotFound) => Look::Gone,
            Some(verdict) => Look::Failed(verdict),
            // Neither an answer nor an error: nobody knows.
            None => Look::Failed(Verdict::Wait(None)),
        };
        seen.insert(*guid, look);
    }
    for warning in &answer.warnings {
        if let Caution::Corrupted(name) = Caution::of(warning) {
            let name = fold(&name);
            for look in seen.values_mut() {
                if let Look::There(mailbox) = look
                    && fold(&mailbox.canonical) == name
                {
                    mailbox.corrupted();
                }
            }
        }
    }
    Ok(())
}
