//! Reading the settings again while the daemon runs, on SIGHUP.

use std::collections::BTreeSet;
use std::sync::Mutex;

use super::Failure;
use super::session::Session;
use crate::journal::Journal;
use crate::journal::entry::Record;
use crate::journal::fold::Ledger;
use crate::settings::{Settings, Target};

/// Reads the settings again; `None` when the old ones stay: the new ones are the same, or they are refused.
pub(super) fn read(session: &Session) -> Option<Session> {
    let refused = |why: &str| {
        tracing::error!("The new settings are refused, the old ones stay in force: {why}.");
        None
    };
    let next = match session.reopen().and_then(|next| next.targets().map(|_| next)) {
        Ok(next) => next,
        Err(failure) => {
            failure.show(session.render);
            return refused("they are not in order, see above");
        }
    };
    if next.state() != session.state() {
        return refused(
            "the state directory cannot change while the daemon runs; stop it and start it again",
        );
    }
    if next.settings == session.settings {
        tracing::info!("The settings are as they were; looking at files and stores.");
        return None;
    }
    Some(next)
}

/// Tells whether the new settings may replace the old ones, and says what is different.
pub(super) fn accept(session: &Session, next: &Session, ledger: &Ledger) -> bool {
    let known: BTreeSet<String> = next.settings.targets.values().map(|target| target.service.key()).collect();
    let orphans: Vec<String> = session
        .settings
        .targets
        .values()
        .filter(|target| !known.contains(&target.service.key()))
        .filter(|target| !ledger.debts(&target.service.key()).is_empty())
        .map(|target| target.service.name())
        .collect();
    if !orphans.is_empty() {
        tracing::error!(
            "The new settings are refused, the old ones stay in force: they do not name the service {} any more, \
             which still owes a restart; `popgate restart` settles it, or `popgate restart --done` after somebody did it by hand; then send \
             SIGHUP again.",
            orphans.join(", ")
        );
        return false;
    }
    tracing::info!(
        "The new settings are in force: {}.",
        differences(&session.settings, &next.settings).join("; ")
    );
    true
}

/// Writes down that the settings were read again, and returns what the journal adds up to from here on.
pub(super) fn begin(session: &Session, journal: &Mutex<Journal<Record>>) -> Result<Ledger, Failure> {
    let ledger = session.ledger()?;
    let start = Record::Start {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        by: session.by.clone(),
        command: "reload".to_owned(),
    };
    let at = session.clock.now().wall.max(ledger.wall.unwrap_or(jiff::Timestamp::MIN));
    let mut held = journal.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let appended = held.append(at, std::slice::from_ref(&start), false);
    let (seq, _) = appended.map_err(|error| Failure::operational(error.to_string()))?;
    let mut ledger = ledger;
    ledger.apply(seq, at, &start);
    Ok(ledger)
}

/// Says what is different, target by target.
fn differences(old: &Settings, new: &Settings) -> Vec<String> {
    let mut said = Vec::new();
    for name in old.targets.keys().filter(|name| !new.targets.contains_key(*name)) {
        said.push(format!("target {name} is gone, its accounts stay as they are"));
    }
    for (name, target) in &new.targets {
        match old.targets.get(name) {
            None => said.push(format!("target {name} is new")),
            Some(before) if before != target => {
                said.push(format!("target {name}: other {}", parts(before, target).join(", ")));
            }
            Some(_) => {}
        }
    }
    for (same, word) in [
        (old.watch == new.watch, "watch"),
        (old.notify == new.notify, "notify"),
        (old.timezone == new.timezone, "timezone"),
    ] {
        if !same {
            said.push(format!("other {word}"));
        }
    }
    if old.web != new.web || old.log != new.log {
        said.push("`web` and `log` take effect at the next start".to_owned());
    }
    if said.is_empty() {
        said.push("nothing that matters is different".to_owned());
    }
    said
}

fn parts(old: &Target, new: &Target) -> Vec<&'static str> {
    let (before, after) = (&old.policy, &new.policy);
    [
        (old.desired == new.desired, "desired"),
        (old.store == new.store, "store"),
        (old.service == new.service, "service"),
        (before.guards == after.guards && before.on_blocked == after.on_blocked, "guards"),
        (before.drift == after.drift, "drift"),
        (before.unlisted == after.unlisted, "unlisted"),
        (before.ignored == after.ignored && before.protected == after.protected, "ignored or protected"),
        (before.restart == after.restart, "restart"),
        (before.windows == after.windows, "windows"),
        (before.refresh == after.refresh, "refresh"),
        (old.snapshot == new.snapshot, "snapshot"),
        (before.timezone == after.timezone, "timezone"),
    ]
    .into_iter()
    .filter_map(|(same, word)| (!same).then_some(word))
    .collect()
}
