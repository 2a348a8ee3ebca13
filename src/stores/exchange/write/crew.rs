//! Several sessions that share one piece of work, and finish it together before the next begins.

use std::collections::{BTreeMap, HashMap};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use uuid::Uuid;

use super::judge::Sent;
use super::verdict_of;
use crate::model::{Access, Fault};
use crate::name::fold;
use crate::psrp::{Answer, Ending, Session};
use crate::stores::StoreError;
use crate::stores::exchange::ExchangeStore;
use crate::stores::exchange::look::{self, Look, MANY, Seen};
use crate::stores::exchange::verdict::{Caution, Verdict, attribute};

/// The sessions; one that broke is opened again when it is needed.
pub(super) struct Crew {
    sessions: Vec<Result<Session, StoreError>>,
    /// The controller of each domain, in order of the domains; at least one.
    controllers: Vec<Option<String>>,
}

impl Crew {
    /// Opens sessions: as many as the server lets us have, and at least one.
    pub(super) async fn gather(store: &ExchangeStore, count: usize) -> Result<Self, StoreError> {
        let mut first = store.session().await?;
        let controllers = store.controllers(&mut first, &BTreeMap::new()).await?;
        let controllers =
            if controllers.is_empty() { vec![None] } else { controllers.into_values().map(Some).collect() };
        let mut sessions = vec![Ok(first)];
        for opened in together((1..count).map(|_| store.session()).collect()).await {
            match opened {
                Ok(session) => sessions.push(Ok(session)),
                Err(error) => tracing::debug!("One session less: {}.", error.what),
            }
        }
        Ok(Self { sessions, controllers })
    }

    /// Looks at these mailboxes, wherever they are. Fails only when nothing can be seen at all.
    pub(super) async fn look(&mut self, store: &ExchangeStore, guids: &[Uuid]) -> Result<Seen, StoreError> {
        let controllers = self.controllers.clone();
        self.ready(store).await;
        let mut all = match self.sessions.first_mut() {
            Some(Ok(session)) if guids.len() >= MANY => sweep(store, session, &controllers, guids).await,
            _ => Seen::new(),
        };
        // One that the sweep did not bring is looked at by itself before anything is said of it.
        let rest: Vec<Uuid> = guids.iter().filter(|guid| !all.contains_key(*guid)).copied().collect();
        let homes = homes(store, &rest, controllers.len());
        let shares = self.shares(&rest);
        let work = self.sessions.iter_mut().zip(shares);
        let work = work.map(|(place, share)| look_share(store, place, &controllers, &homes, share));
        let done = together(work.collect()).await;
        let mut failed = None;
        for (share, seen, error) in done {
            if let Some(error) = error {
                let verdict = verdict_of(&error);
                all.extend(share.into_iter().map(|guid| (guid, Look::Failed(verdict.clone()))));
                failed = Some(error);
            }
            all.extend(seen);
        }
        if !all.values().any(|look| !matches!(look, Look::Failed(_)))
            && let Some(error) = failed
        {
            return Err(error);
        }
        Ok(all)
    }

    /// Looks again; what cannot be seen is simply not there.
    pub(super) async fn look_again(&mut self, store: &ExchangeStore, guids: &[Uuid]) -> Seen {
        if guids.is_empty() {
            return Seen::new();
        }
        self.look(store, guids).await.unwrap_or_else(|error| {
            tracing::warn!("Nothing could be read back: {}.", error.what);
            Seen::new()
        })
    }

    /// Gives these mailboxes this access, and notes what was said of each.
    pub(super) async fn set(
        &mut self,
        store: &ExchangeStore,
        access: Access,
        guids: &[Uuid],
        seen: &Seen,
        sent: &mut BTreeMap<Uuid, Sent>,
    ) {
        let controllers = self.controllers.clone();
        let homes = homes(store, guids, controllers.len());
        self.ready(store).await;
        let shares = self.shares(guids);
        let work = self.sessions.iter_mut().zip(shares);
        let work = work.map(|(place, share)| set_share(store, place, access, &controllers, &homes, share));
        for (share, result) in together(work.collect()).await {
            match result {
                Ok(answers) => answers.iter().for_each(|(fed, answer)| note(fed, answer, seen, sent)),
                Err(error) => share.into_iter().for_each(|guid| {
                    let entry = sent.entry(guid).or_default();
                    entry.verdict = Some(verdict_of(&error));
                    entry.message.clone_from(&error.what);
                }),
            }
        }
    }

    /// Closes all sessions.
    pub(super) async fn leave(self) {
        let goodbyes = self.sessions.into_iter().flatten().map(|session| async {
            if let Err(error) = session.close().await {
                tracing::debug!(%error, "The session was not closed.");
            }
        });
        together(goodbyes.collect()).await;
    }

    /// Cuts work into a share for each session.
    fn shares(&self, guids: &[Uuid]) -> Vec<Vec<Uuid>> {
        let size = guids.len().div_ceil(self.sessions.len()).max(1);
        guids.chunks(size).map(<[Uuid]>::to_vec).collect()
    }

    /// Opens the sessions again that broke.
    async fn ready(&mut self, store: &ExchangeStore) {
        let broken = self.sessions.iter_mut().filter(|place| !place.as_ref().is_ok_and(Session::is_open));
        let opening = broken.map(|place| async {
            if let Ok(session) = std::mem::replace(place, Err(gone())) {
                // Its pipeline may still run; deleting the session ends it.
                drop(session.close().await);
            }
            *place = store.session().await;
        });
        together(opening.collect()).await;
    }
}

fn gone() -> StoreError {
    StoreError { what: "the session is gone".to_owned(), fault: Fault::TRANSIENT, help: None }
}

/// Lets one session look at its share.
async fn look_share(
    store: &ExchangeStore,
    place: &mut Result<Session, StoreError>,
    controllers: &[Option<String>],
    homes: &HashMap<Uuid, usize>,
    share: Vec<Uuid>,
) -> (Vec<Uuid>, Seen, Option<StoreError>) {
    let mut seen = Seen::new();
    let session = match place {
        Ok(session) => session,
        Err(error) => return (share, seen, Some(error.clone())),
    };
    let mut last = None;
    for (number, controller) in controllers.iter().enumerate() {
        // Whose domain is not known is looked for in each.
        let own = |guid: &&Uuid| match homes.get(*guid) {
            Some(home) => *home == number,
            None => !matches!(seen.get(*guid), Some(Look::There(_))),
        };
        let asked: Vec<Uuid> = share.iter().filter(own).copied().collect();
        if let Err(error) = look::at_each(store, session, controller.as_deref(), &asked, &mut seen).await {
            last = Some(error);
        }
        let there = asked.iter().filter(|guid| matches!(seen.get(*guid), Some(Look::There(_))));
        store.known().domains.extend(there.map(|guid| (*guid, number)));
    }
    (share, seen, last)
}

/// Looks at so many mailboxes by reading all of them: one cmdlet instead of one for each. Brings only what is certain.
async fn sweep(
    store: &ExchangeStore,
    session: &mut Session,
    controllers: &[Option<String>],
    guids: &[Uuid],
) -> Seen {
    let mut seen = Seen::new();
    for (number, controller) in controllers.iter().enumerate() {
        let Ok(found) = look::at_all(store, session, controller.as_deref(), guids).await else { continue };
        store.known().domains.extend(found.keys().map(|guid| (*guid, number)));
        seen.extend(found);
    }
    seen
}

/// Lets one session write its share; returns what was fed to each pipeline, and its answer.
async fn set_share(
    store: &ExchangeStore,
    place: &mut Result<Session, StoreError>,
    access: Access,
    controllers: &[Option<String>],
    homes: &HashMap<Uuid, usize>,
    share: Vec<Uuid>,
) -> (Vec<Uuid>, Result<Vec<(Vec<Uuid>, Answer)>, StoreError>) {
    let session = match place {
        Ok(session) => session,
        Err(error) => {
            let error = error.clone();
            return (share, Err(error));
        }
    };
    let mut all = Vec::new();
    for (number, controller) in controllers.iter().enumerate() {
        let own = |guid: &&Uuid| homes.get(*guid).copied().unwrap_or(0) == number;
        let fed: Vec<Uuid> = share.iter().filter(own).copied().collect();
        if !fed.is_empty() {
            let asking = store.asking(controller.as_deref());
            let pipeline = asking.set(access, &fed).within(store.organisation.within);
            let answer = session.run(&pipeline, &mut |_| ()).await;
            all.push((fed, answer));
        }
    }
    (share, Ok(all))
}

/// The place of each mailbox's domain among the controllers; none where nobody knows.
fn homes(store: &ExchangeStore, guids: &[Uuid], domains: usize) -> HashMap<Uuid, usize> {
    if domains == 1 {
        return guids.iter().map(|guid| (*guid, 0)).collect();
    }
    let known = store.known();
    guids
        .iter()
        .filter_map(|guid| Some((*guid, *known.domains.get(guid)?)))
        .filter(|(_, n)| *n < domains)
        .collect()
}

/// Notes what a pipeline said of each mailbox that was fed to it.
fn note(fed: &[Uuid], answer: &Answer, seen: &Seen, sent: &mut BTreeMap<Uuid, Sent>) {
    let mut canonical: HashMap<String, Option<Uuid>> = HashMap::new();
    for guid in fed {
        if let Some(Look::There(mailbox)) = seen.get(guid) {
            // A name that two have tells nothing.
            let entry = canonical.entry(fold(&mailbox.canonical));
            entry.and_modify(|twice| *twice = None).or_insert(Some(*guid));
        }
    }
    let named = |name: &str| canonical.get(&fold(name)).copied().flatten();
    let (of, rest) = attribute(&answer.errors, fed, named);
    let ending = match &answer.ending {
        Ending::Failed(why) => Some((Verdict::of(why), why.message.clone())),
        Ending::Refused(error) => {
            let error = crate::stores::exchange::verdict::of_session(error);
            Some((verdict_of(&error), error.what))
        }
        Ending::Completed | Ending::Stopped | Ending::Lost(_) => None,
    };
    // What nobody can attribute may be about anybody. A wish to wait is about each, a word to one that is alone too.
    let strays: Vec<(Verdict, String)> =
        rest.iter().map(|error| (Verdict::of(error), error.message.clone())).collect();
    let wait = strays.iter().find(|(verdict, _)| matches!(verdict, Verdict::Wait(_)));
    let stray = wait.or_else(|| strays.first().filter(|_| fed.len() == 1));
    for guid in fed {
        let entry = sent.entry(*guid).or_default();
        entry.lost = matches!(answer.ending, Ending::Lost(_) | Ending::Stopped);
        let said = of.get(guid).map(|error| (Verdict::of(error), error.message.clone()));
        if let Some((verdict, message)) = said.or_else(|| stray.cloned()).or_else(|| ending.clone()) {
            entry.verdict = Some(verdict);
            entry.message = message;
        }
    }
    for warning in &answer.warnings {
        if let Caution::NothingModified(name) = Caution::of(warning) {
            if let Some(guid) = named(&name).or(if let [only] = fed { Some(*only) } else { None }) {
                sent.entry(guid).or_default().already = true;
            }
        } else {
            tracing::debug!("{}", warning.message);
        }
    }
}

/// Waits for all of these at once. A handful, so whoever wakes us is looked for among all.
async fn together<T>(tasks: Vec<impl Future<Output = T> + Send>) -> Vec<T> {
    type Task<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
    let mut tasks: Vec<Result<T, Task<'_, T>>> =
        tasks.into_iter().map(|task| Err(Box::pin(task) as Task<'_, T>)).collect();
    poll_fn(|context| {
        let mut all = true;
        for place in &mut tasks {
            if let Err(task) = place {
                match task.as_mut().poll(context) {
                    Poll::Ready(done) => *place = Ok(done),
                    Poll::Pending => all = false,
                }
            }
        }
        if all { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    tasks.into_iter().filter_map(Result::ok).collect()
}
