//! What names mean that a whole read does not show: aliases and user principal names, each a question of its own.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::client::ended;
use super::read::{AN_INCOMPLETE_LIST, DEFAULT_RESULT_SIZE};
use super::verdict::Verdict;
use super::wire::{self, Asking, Mailbox};
use super::{ExchangeStore, Scope};
use crate::model::Fault;
use crate::name::fold;
use crate::psrp::{Ending, Session};
use crate::stores::{StoreError, Wanted};

/// Looks up the names that a whole read does not show: those that were never bound, and popgate's own.
///
/// # Errors
/// Also when there are more names than may be asked for. What was not asked for is not missing: a list of those who may
/// keep POP3 would take it from the others.
pub(super) async fn look_up(
    store: &ExchangeStore,
    session: &mut Session,
    wanted: &Wanted,
    domains: &[(Option<&str>, Option<&str>)],
    found: &[(usize, Mailbox)],
) -> Result<HashMap<Uuid, Vec<String>>, StoreError> {
    let guids: HashSet<Uuid> = found.iter().map(|(_, mailbox)| mailbox.guid).collect();
    let mut more: HashMap<Uuid, Vec<String>> = HashMap::new();
    let mut names = unknown(store, wanted, domains, found);
    names.retain(|name| {
        // The account it meant at first, as long as that is there: whoever has the name now is not asked.
        let bound = wanted.bindings.get(&fold(name)).and_then(wire::guid).filter(|guid| guids.contains(guid));
        if let Some(guid) = bound {
            more.entry(guid).or_default().push((*name).to_owned());
        }
        bound.is_none()
    });
    let most = store.organisation.look_ups;
    if names.len() > most {
        names = there(store, session, domains, names).await?;
    }
    if names.len() > most {
        return Err(too_many(&names, most));
    }
    for (number, (_, controller)) in domains.iter().enumerate() {
        let listed = found.iter().filter(|(of, _)| *of == number).count();
        let mut inquiry = Inquiry::new(store, *controller);
        for name in &names {
            for guid in inquiry.about(session, name).await? {
                if guids.contains(&guid) {
                    more.entry(guid).or_default().push((*name).to_owned());
                } else if listed == DEFAULT_RESULT_SIZE && !matches!(store.organisation.scope, Scope::Unit(_))
                {
                    return Err(cut_off(name));
                }
                // Several of one alias, or one out of scope: it is as good as unknown, and never guessed.
            }
        }
    }
    Ok(more)
}

/// A list that ends where Exchange ends one by itself lacks a mailbox that Exchange knows.
fn cut_off(name: &str) -> StoreError {
    StoreError {
        what: format!(
            "reading the mailboxes: Exchange listed just {DEFAULT_RESULT_SIZE}, and `{name}`, which it knows, is not \
             among them"
        ),
        fault: Fault::Invalid,
        help: Some(AN_INCOMPLETE_LIST.to_owned()),
    }
}

/// The names that no mailbox showed, each once; popgate's own first.
fn unknown<'a>(
    store: &'a ExchangeStore,
    wanted: &'a Wanted,
    domains: &[(Option<&str>, Option<&str>)],
    found: &[(usize, Mailbox)],
) -> Vec<&'a str> {
    let shorts = store.known().netbios.clone();
    let mut known: HashSet<String> = HashSet::with_capacity(found.len() * 5);
    for (number, mailbox) in found {
        let netbios = domains[*number].0.and_then(|domain| shorts.get(domain)?.as_deref());
        mailbox.folded_names(netbios, &mut |name| {
            known.insert(name);
        });
    }
    let own = store.organisation.endpoint.auth.username();
    let names = own.into_iter().chain(wanted.names.iter().map(String::as_str));
    names.filter(|name| known.insert(fold(name))).collect()
}

/// Asks for all of these names at once, and returns those of which Exchange did not say that there is no such mailbox.
/// Many a list names people who left long ago; they need no question each.
async fn there<'a>(
    store: &ExchangeStore,
    session: &mut Session,
    domains: &[(Option<&str>, Option<&str>)],
    names: Vec<&'a str>,
) -> Result<Vec<&'a str>, StoreError> {
    // A pattern means nobody, and is never asked for.
    let asked: Vec<&str> = names.into_iter().filter(|name| !is_pattern(name)).collect();
    let mut found: HashSet<&str> = HashSet::new();
    for (_, controller) in domains {
        let answer = store.ask(session, *controller, |asking| asking.named(&asked), &mut |_| ()).await;
        ended("looking up names", &answer)?;
        let gone: HashSet<&str> = answer
            .errors
            .iter()
            .filter(|error| Verdict::of(error) == Verdict::NotFound)
            .filter_map(|error| longest(&asked, &error.message))
            .collect();
        found.extend(asked.iter().filter(|name| !gone.contains(**name)));
    }
    Ok(asked.into_iter().filter(|name| found.contains(name)).collect())
}

/// The longest of these names that a message quotes.
fn longest<'a>(names: &[&'a str], message: &str) -> Option<&'a str> {
    let quoted = names.iter().filter(|name| message.contains(&format!("'{name}'")));
    quoted.max_by_key(|name| name.len()).copied()
}

fn too_many(names: &[&str], most: usize) -> StoreError {
    StoreError {
        what: format!(
            "{} names are not among those that Exchange lists, such as `{}`, and no more than {most} may be looked up one \
             by one",
            names.len(),
            names.last().copied().unwrap_or_default()
        ),
        fault: Fault::Invalid,
        help: Some(
            "write addresses instead of aliases and user principal names, or raise `look_ups`".to_owned(),
        ),
    }
}

/// To Exchange, an empty name means everybody, and a pattern several.
fn is_pattern(name: &str) -> bool {
    name.trim().is_empty() || name.contains('*')
}

/// Questions about names to one controller.
pub(super) struct Inquiry<'a> {
    store: &'a ExchangeStore,
    controller: Option<&'a str>,
    /// What the controller answers about a mailbox that cannot be there, once that was asked.
    nobody: Option<Vec<Uuid>>,
}

impl<'a> Inquiry<'a> {
    pub(super) fn new(store: &'a ExchangeStore, controller: Option<&'a str>) -> Self {
        Self { store, controller, nobody: None }
    }

    /// Asks which mailboxes one name means: none, one, or any of several.
    ///
    /// An answer about an alias cannot be checked against what was asked, because no property of it shows the alias. And
    /// an unknown identity may be answered with everything there is. So an answer counts only if a mailbox that cannot be
    /// there is answered with another one.
    pub(super) async fn about(&mut self, session: &mut Session, name: &str) -> Result<Vec<Uuid>, StoreError> {
        let found = self.ask(session, name).await?;
        if found.is_empty() {
            return Ok(found);
        }
        let nobody = match self.nobody.take() {
            Some(nobody) => nobody,
            None => self.ask_about_nobody(session).await?,
        };
        let counts = found != nobody;
        self.nobody = Some(nobody);
        Ok(if counts { found } else { Vec::new() })
    }

    async fn ask_about_nobody(&self, session: &mut Session) -> Result<Vec<Uuid>, StoreError> {
        let nobody = self.ask(session, &Uuid::new_v4().to_string()).await?;
        if !nobody.is_empty() {
            tracing::warn!(
                "Exchange answers an identity that nobody has with mailboxes: such answers do not count"
            );
        }
        Ok(nobody)
    }

    /// Asks about one identity, and believes the answer.
    async fn ask(&self, session: &mut Session, identity: &str) -> Result<Vec<Uuid>, StoreError> {
        if is_pattern(identity) {
            return Ok(Vec::new());
        }
        let mut guids = Vec::new();
        let ask = |asking: Asking<'_>| asking.one(identity);
        let answer = self
            .store
            .ask(session, self.controller, ask, &mut |value| {
                guids.extend(Mailbox::read(&value).map(|mailbox| mailbox.guid));
            })
            .await;
        let doing = format!("looking up `{identity}`");
        if let Ending::Failed(why) = &answer.ending
            && matches!(Verdict::of(why), Verdict::NotFound | Verdict::Ambiguous)
        {
            return Ok(Vec::new());
        }
        ended(&doing, &answer)?;
        let other = answer.errors.iter().find(|error| {
            // A name that cannot be an identity is no name of a mailbox.
            !matches!(Verdict::of(error), Verdict::NotFound | Verdict::Ambiguous | Verdict::Refused)
        });
        if let Some(error) = other {
            return Err(super::verdict::of_command(&doing, error));
        }
        guids.sort_unstable();
        Ok(guids)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_about_the_longest_name_that_it_quotes() {
        let names = ["o", "o'neil", "neil"];
        let of = |name: &str| format!("object '{name}' couldn't be found on 'dc01'");
        assert_eq!(longest(&names, &of("o'neil")), Some("o'neil"));
        assert_eq!(longest(&names, &of("neil")), Some("neil"));
        assert_eq!(longest(&names, &of("nobody")), None);
    }
}
