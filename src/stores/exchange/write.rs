//! Writing one chunk: look, disable, enable, look again; over several sessions at once.
//!
//! Whoever sees the GUID in an error of Exchange knows which mailbox it is about, but not every error shows it, and none
//! has a target. So what counts is what reads back.

mod crew;
mod judge;

use std::collections::BTreeMap;

use uuid::Uuid;

use super::verdict::Verdict;
use super::{ExchangeStore, wire};
use crate::model::{Access, Fault, Outcome};
use crate::plan::Change;
use crate::stores::StoreError;
use crew::Crew;
use judge::{Sent, after, before};

/// How many mailboxes are worth a session of their own. Each is looked at twice and written once, some tens of milliseconds
/// each time, and sessions open side by side.
const SHARE: usize = 30;

/// How many mailboxes, of those that did not change and nobody said why, are tried once more one by one.
const ONE_BY_ONE: usize = 20;

/// Writes a chunk; one outcome for each change, in order.
pub(super) async fn write(store: &ExchangeStore, chunk: &[Change]) -> Vec<Outcome> {
    // An id that is no GUID is no mailbox; nothing is ever created.
    let mut outcomes: Vec<Option<Outcome>> = chunk
        .iter()
        .map(|change| wire::guid(&change.account).is_none().then_some(Outcome::Missing))
        .collect();
    let jobs: Vec<(usize, Uuid)> = chunk
        .iter()
        .enumerate()
        .filter_map(|(at, change)| Some((at, wire::guid(&change.account)?)))
        .collect();
    if !jobs.is_empty() {
        match attempt(store, chunk, &jobs, &mut outcomes).await {
            Ok(()) => {}
            Err(error) => {
                let help = error.help.unwrap_or_default();
                tracing::warn!(changes = jobs.len(), "Nothing written: {}: {help}.", error.what);
                for outcome in &mut *outcomes {
                    outcome.get_or_insert(Outcome::NotApplied(error.fault.clone()));
                }
            }
        }
    }
    outcomes.into_iter().map(|outcome| outcome.unwrap_or(Outcome::Unknown)).collect()
}

/// Fails only where nothing was sent yet.
async fn attempt(
    store: &ExchangeStore,
    chunk: &[Change],
    jobs: &[(usize, Uuid)],
    outcomes: &mut [Option<Outcome>],
) -> Result<(), StoreError> {
    let most = store.organisation.sessions.max(1);
    let mut crew = Crew::gather(store, jobs.len().div_ceil(SHARE).clamp(1, most)).await?;
    let guids: Vec<Uuid> = jobs.iter().map(|(_, guid)| *guid).collect();
    let seen = match crew.look(store, &guids).await {
        Ok(seen) => seen,
        Err(error) => {
            crew.leave().await;
            return Err(error);
        }
    };
    let mut todo: BTreeMap<Access, Vec<Uuid>> = BTreeMap::new();
    let mut at: BTreeMap<Uuid, usize> = BTreeMap::new();
    for (place, guid) in jobs {
        let never = store.known().never.contains(guid);
        if let Some(outcome) = before(&chunk[*place], seen.get(guid), never) {
            outcomes[*place] = Some(outcome);
        } else {
            todo.entry(chunk[*place].to).or_default().push(*guid);
            at.insert(*guid, *place);
        }
    }
    let mut sent: BTreeMap<Uuid, Sent> = BTreeMap::new();
    // `Disabled` sorts first, and the second direction begins when the first has ended.
    for (access, guids) in &todo {
        crew.set(store, *access, guids, &seen, &mut sent).await;
    }
    let written: Vec<Uuid> = at.keys().copied().collect();
    let mut now = crew.look_again(store, &written).await;
    let silent: Vec<Uuid> = written
        .iter()
        .filter(|guid| {
            let wanted = chunk[at[*guid]].to;
            now.get(*guid).and_then(|look| look.state()).is_some_and(|state| !state.is(wanted))
                && sent.get(*guid).is_none_or(|sent| sent.verdict.is_none() && !sent.lost)
        })
        .copied()
        .take(ONE_BY_ONE)
        .collect();
    for guid in &silent {
        // Alone in its pipeline, whatever comes is about it.
        crew.set(store, chunk[at[guid]].to, std::slice::from_ref(guid), &seen, &mut sent).await;
    }
    if !silent.is_empty() {
        now.extend(crew.look_again(store, &silent).await);
    }
    crew.leave().await;
    for (guid, place) in at {
        let change = &chunk[place];
        let outcome = after(change.to, sent.get(&guid), now.get(&guid));
        tell(change, &outcome, sent.get(&guid));
        outcomes[place] = Some(outcome);
    }
    Ok(())
}

/// Says why a change was not made: outcomes have no words.
fn tell(change: &Change, outcome: &Outcome, sent: Option<&Sent>) {
    let Outcome::NotApplied(fault) = outcome else { return };
    let (what, remedy) = match sent.and_then(|sent| Some((&sent.message, sent.verdict.as_ref()?))) {
        Some((message, verdict)) => (message.as_str(), verdict.remedy()),
        None => ("Exchange took it and the mailbox did not change", "it is tried again"),
    };
    if *fault == Fault::Invalid || !fault.is_transient() {
        tracing::warn!(account = %change.account, name = change.name, "Not {}: {what}: {remedy}.", change.to);
    } else {
        tracing::info!(account = %change.account, name = change.name, "Not {} yet: {what}: {remedy}.", change.to);
    }
}

/// Turns an error of the store into a verdict on everything it kept from happening.
fn verdict_of(error: &StoreError) -> Verdict {
    match &error.fault {
        Fault::Denied => Verdict::Denied("see the error above; nothing was sent"),
        Fault::Ambiguous => Verdict::Ambiguous,
        Fault::Transient { retry_after } => Verdict::Wait(*retry_after),
        Fault::Invalid => Verdict::Refused,
    }
}
