//! What the engine has to say, as one plain sentence each: for the log, and for whoever reads along.
//!
//! The sentences end without a full stop where an id stands last, so that it can be copied; their beginnings are
//! stable, because scripts look for them.

use std::collections::BTreeMap;

use crate::engine::effect::Notice;
use crate::journal::entry::Proof;
use crate::model::{Access, Fault, Outcome};
use crate::plan::{Change, Note, Plan};

use super::harmless::{cut, harmless};
use super::words::{names, seconds};

/// The longest text from outside that a sentence repeats, in characters.
const LONGEST: usize = 500;

/// How much a sentence matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Only for somebody who looks closely.
    Debug,
    /// Something changed in the world.
    Info,
    /// Somebody should look.
    Warn,
    /// Something does not work.
    Error,
}

/// Puts a notice into words.
pub fn sentence(notice: &Notice) -> (Level, String) {
    match notice {
        Notice::Accepted { target, entries, digest, commit } => {
            let commit =
                commit.as_ref().map_or_else(String::new, |commit| format!(", commit {}", cut(commit, 12)));
            let users = counted(*entries, "user");
            (Level::Info, of(target, &format!("desired state {digest} is in force: {users}{commit}")))
        }
        Notice::Invalid { target, in_force, diagnostics } => {
            let problems = counted(diagnostics.len(), "problem");
            let stays = match in_force {
                true => "the last good one stays in force",
                false => "and there was none before it: nothing is written",
            };
            let what = format!("the desired state has {problems}, {stays}");
            (Level::Error, of(target, &what))
        }
        Notice::ValidAgain { target } => (Level::Info, of(target, "the desired state is in order again")),
        Notice::Moving { target, what } => {
            let what = format!("files keep changing while they are read ({}), waiting", cut(what, LONGEST));
            (Level::Debug, of(target, &what))
        }
        Notice::StoreFailed { target, why } => {
            let what = format!("the store cannot be read, so nothing is written: {}", cut(why, LONGEST));
            (Level::Error, of(target, &what))
        }
        Notice::StoreBack { target } => (Level::Info, of(target, "the store answers again")),
        Notice::Expiring { target, days, entries } => {
            let within = if *days == 1 { "a day".to_owned() } else { format!("{days} days") };
            let users = counted(entries.len(), "user");
            let who: Vec<String> =
                entries.iter().map(|(name, until)| format!("{name} (last day {until})")).collect();
            let who = names(who.iter().map(String::as_str));
            (Level::Warn, of(target, &format!("POP3 of {users} ends within {within}: {who}")))
        }
        Notice::Planned { plan } => (Level::Info, planned(plan)),
        Notice::Blocked { plan } => (Level::Warn, blocked(plan)),
        Notice::BatchBegins { target, batch, changes } => {
            let what = format!("batch {batch} begins: {}", counted(*changes, "change"));
            (Level::Debug, of(target, &what))
        }
        Notice::Progress { done, of } => (Level::Debug, format!("{done} of {of} changes have their outcome")),
        Notice::BatchEnded { target: _, batch, outcomes } => ended(*batch, outcomes),
        Notice::Owed { service: _, instance, due_in } => {
            let instance = harmless(&instance.to_string());
            let due = match due_in {
                Some(0) => "due now".to_owned(),
                Some(wait) => format!("due in {}", seconds(*wait)),
                None => "not due by itself: it waits for a window or for `popgate restart`".to_owned(),
            };
            (Level::Info, format!("restart of {instance} owed, {due}"))
        }
        Notice::Arriving { service: _, instance, why, at_most } => {
            let (instance, at_most) = (harmless(&instance.to_string()), seconds(*at_most));
            let why = cut(why, LONGEST);
            (
                Level::Info,
                format!("restart of {instance} waits for replication, {at_most} at the most: {why}"),
            )
        }
        Notice::Restarting { service: _, instance } => {
            (Level::Debug, format!("restarting {}", harmless(&instance.to_string())))
        }
        Notice::Settled { service: _, instance, proof, unconfirmed, accounts } => {
            let level = if *unconfirmed { Level::Warn } else { Level::Info };
            (level, settled(&instance.to_string(), proof, *unconfirmed, *accounts as u64))
        }
        Notice::RestartFailed { service: _, instance, why, again_in } => {
            let (instance, again) = (harmless(&instance.to_string()), seconds(*again_in));
            let why = cut(why, LONGEST);
            (Level::Error, format!("restart of {instance} failed, tried again in {again}: {why}"))
        }
        Notice::Manual { service: _, instance } => {
            let instance = harmless(&instance.to_string());
            let what = format!(
                "restart of {instance} waits for a person: restart it, and if popgate does not see that by \
                 itself, say `popgate restart --done`"
            );
            (Level::Warn, what)
        }
        Notice::NotReady { service: _, instance, why } => {
            let instance = harmless(&instance.to_string());
            (Level::Error, format!("{instance} runs anew and does not serve: {}", cut(why, LONGEST)))
        }
        Notice::JournalFailed { why } => {
            let why = cut(why, LONGEST);
            (
                Level::Error,
                format!("the journal cannot be written, so nothing is written to any store: {why}"),
            )
        }
    }
}

fn of(target: &str, what: &str) -> String {
    format!("target {}: {what}", harmless(target))
}

fn planned(plan: &Plan) -> String {
    let summary = plan.summary;
    let mut what = if plan.changes.is_empty() {
        "nothing to change".to_owned()
    } else {
        let changes = counted(plan.changes.len(), "change");
        format!("{changes} to make, {} to disable, {} to enable", summary.disable, summary.enable)
    };
    for (count, word) in [
        (plan.blocked.len() as u64, "blocked"),
        (super::text::left_alone(plan), "changed by hand and left alone"),
        (summary.missing, "not in the store"),
        (summary.unreadable, "unreadable"),
    ] {
        if count > 0 {
            what = format!("{what}; {count} {word}");
        }
    }
    let rules = plan.notes.iter().filter_map(|note| match note {
        Note::PolicyChanged(rule) => Some(format!("{} {} → {}", rule.rule, rule.was, rule.now)),
        _ => None,
    });
    let rules = rules.collect::<Vec<_>>().join(", ");
    for note in &plan.notes {
        if let Note::WritesClosed { until } = note {
            let until = until.map_or_else(|| "never".to_owned(), |until| format!("not before {until}"));
            what = format!("{what}; the window for writes is closed, so {until}");
        }
    }
    if !rules.is_empty() {
        what = format!("{what}; under a changed policy: {}", cut(&rules, LONGEST));
    }
    if !plan.changes.is_empty() {
        what = format!("{what}; plan {}", plan.id);
    }
    of(&plan.target, &what)
}

fn blocked(plan: &Plan) -> String {
    let tripped = plan.guards.iter().filter(|verdict| verdict.tripped);
    let tripped: Vec<String> = tripped
        .map(|verdict| format!("{} ({}, limit {})", verdict.guard.word(), verdict.value, verdict.limit))
        .collect();
    let waits = plan.changes.iter().filter(|planned| planned.waits).count() as u64;
    let what = format!(
        "plan {id} is blocked by {}: {} until somebody says `popgate approve {id} --reason \"…\"`",
        tripped.join(", "),
        match waits {
            0 => "it counts as unsafe".to_owned(),
            1 => "1 change waits".to_owned(),
            many => format!("{many} changes wait"),
        },
        id = plan.id,
    );
    of(&plan.target, &what)
}

fn ended(batch: u64, outcomes: &[(Change, Outcome)]) -> (Level, String) {
    let (mut disabled, mut enabled) = (Vec::new(), Vec::new());
    let mut others: BTreeMap<(Level, &str), Vec<&str>> = BTreeMap::new();
    for (change, outcome) in outcomes {
        let of_its_kind = match (fate(outcome), change.to) {
            (None, Access::Disabled) => &mut disabled,
            (None, Access::Enabled) => &mut enabled,
            (Some(fate), _) => others.entry(fate).or_default(),
        };
        of_its_kind.push(change.name.as_str());
    }
    let done = counted(disabled.len() + enabled.len(), "change");
    let mut text =
        format!("batch {batch}: {done} done: {} disabled, {} enabled", disabled.len(), enabled.len());
    for (word, done) in [("disabled", disabled), ("enabled", enabled)] {
        if !done.is_empty() {
            text = format!("{text}; {word} {}", names(done));
        }
    }
    let mut level = Level::Info;
    for ((severity, what), who) in others {
        text = format!("{text}; {} {what}: {}", who.len(), names(who));
        level = level.max(severity);
    }
    (level, text)
}

/// What became of a change that was not simply made; worse ones sort later.
fn fate(outcome: &Outcome) -> Option<(Level, &'static str)> {
    Some(match outcome {
        Outcome::Done => return None,
        Outcome::Already => (Level::Info, "had it already"),
        Outcome::Missing => (Level::Warn, "gone from the store"),
        Outcome::Unknown => (Level::Warn, "sent without an answer, looked at again"),
        Outcome::NotApplied(Fault::Transient { .. }) => (Level::Warn, "not written, tried again"),
        Outcome::NotApplied(Fault::Denied) => (Level::Error, "not written, popgate lacks the permission"),
        Outcome::NotApplied(Fault::Invalid) => (Level::Error, "not written, the store refuses it"),
        Outcome::NotApplied(Fault::Ambiguous) => {
            (Level::Error, "not written, the name means several accounts")
        }
    })
}

/// Scripts read the counts of a log line, so they have no commas.
fn counted(value: usize, word: &str) -> String {
    format!("{value} {word}{}", if value == 1 { "" } else { "s" })
}

fn settled(instance: &str, proof: &Proof, unconfirmed: bool, accounts: u64) -> String {
    let instance = harmless(instance);
    let proof_words = cut(&proof.words(unconfirmed), LONGEST);
    let effective = match accounts {
        0 => "no change waited for it".to_owned(),
        1 => "1 change is effective".to_owned(),
        many => format!("{many} changes are effective"),
    };
    match proof {
        Proof::Stopped => format!("{instance} needs no restart: {proof_words}; {effective}"),
        // Not every service restarts: some empty a cache, one only says what it would do.
        Proof::Succeeded => format!("restart of {instance} settled: {proof_words}; {effective}"),
        _ => format!("{instance} restarted: {proof_words}; {effective}"),
    }
}

#[cfg(test)]
mod tests;
