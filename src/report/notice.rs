//! What the engine has to say, one plain sentence each, for the log.

use super::{counted, harmless, listed, seconds};
use crate::engine::effect::Notice;
use crate::model::{Access, Outcome};
use crate::plan::{Change, Plan};

/// How loud a sentence is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Something went wrong.
    Error,
    /// Somebody should look.
    Warn,
    /// Something changed in the world.
    Info,
    /// Why something did not.
    Debug,
}

/// Puts a notice into one sentence.
pub fn sentence(notice: &Notice) -> (Level, String) {
    match notice {
        Notice::Accepted { target, entries, digest, commit } => {
            let from = commit.as_ref().map(|commit| format!(", commit {}", harmless(commit))).unwrap_or_default();
            let users = counted(*entries as u64, "user");
            (Level::Info, format!("Target {target}: desired state {digest}{from} lists {users}."))
        }
        Notice::Invalid { target, diagnostics } => {
            let problems = counted(diagnostics.len() as u64, "problem");
            let text = format!("Target {target}: the desired state has {problems}; the last good one stays in force.");
            (Level::Error, text)
        }
        Notice::ValidAgain { target } => {
            (Level::Info, format!("Target {target}: the desired state is in order again."))
        }
        Notice::Moving { target, what } => {
            (Level::Debug, format!("Target {target}: files are being changed ({}); looking again.", harmless(what)))
        }
        Notice::StoreFailed { target, why } => {
            (Level::Error, format!("Target {target}: the store cannot be read: {}.", harmless(why)))
        }
        Notice::StoreBack { target } => (Level::Info, format!("Target {target}: the store answers again.")),
        Notice::Planned { plan } => planned(plan),
        Notice::Blocked { plan } => (Level::Warn, blocked(plan)),
        Notice::BatchBegins { target, batch, changes } => {
            let changes = counted(*changes as u64, "change");
            (Level::Info, format!("Batch {batch} of target {target} begins: {changes}."))
        }
        Notice::Progress { done, of } => (Level::Debug, format!("{done} of {of} changes have their outcome.")),
        Notice::BatchEnded { target, batch, outcomes } => ended(target, *batch, outcomes),
        Notice::Owed { service, instance, due_in } => {
            let due = due_in.map_or("when a window opens".into(), seconds);
            let on = if instance.to_string() == *service { String::new() } else { format!(" ({instance})") };
            (Level::Info, format!("{service}{on} has to learn of this: due {due}."))
        }
        Notice::Restarting { service, instance } => {
            (Level::Debug, format!("Telling {service} ({instance}) now."))
        }
        Notice::Settled { instance, proof, accounts, .. } => {
            let accounts = counted(*accounts as u64, "change");
            let verb = if *accounts == *"1 change" { "is" } else { "are" };
            (Level::Info, format!("{instance} settled: {proof}; {accounts} {verb} effective."))
        }
        Notice::RestartFailed { instance, why, again_in, .. } => {
            let again = seconds(*again_in);
            (Level::Error, format!("{instance} failed and stays owed: {}. Next attempt {again}.", harmless(why)))
        }
        Notice::Manual { instance, .. } => {
            let text = format!("{instance} waits for a person to restart it; then `popgate restart --done`.");
            (Level::Warn, text)
        }
        Notice::NotReady { instance, why, .. } => {
            (Level::Error, format!("{instance} restarted and does not serve: {}.", harmless(why)))
        }
        Notice::JournalFailed { why } => {
            (Level::Error, format!("Nothing is written to any store until the journal can be: {}.", harmless(why)))
        }
    }
}

fn planned(plan: &Plan) -> (Level, String) {
    let summary = plan.summary;
    if plan.changes.is_empty() {
        let text = format!("Target {}: nothing to change; {} as desired.", plan.target, counted(summary.unchanged, "user"));
        return (if plan.blocked.is_empty() { Level::Info } else { Level::Warn }, text);
    }
    let text = format!(
        "Target {}: plan {} disables {} and enables {}.",
        plan.target,
        plan.id,
        counted(summary.disable, "user"),
        counted(summary.enable, "user")
    );
    (Level::Info, text)
}

fn blocked(plan: &Plan) -> String {
    let tripped = plan.guards.iter().filter(|verdict| verdict.tripped);
    let guards: Vec<String> = tripped
        .map(|verdict| format!("{} ({}, limit {})", verdict.guard.word(), verdict.value, verdict.limit))
        .collect();
    let waiting = plan.changes.iter().filter(|planned| planned.waits).count() as u64;
    format!(
        "Target {}: {} of plan {} wait: {}. Approve: popgate approve {} --reason \"…\"",
        plan.target,
        counted(waiting, "change"),
        plan.id,
        guards.join(", "),
        plan.id
    )
}

fn ended(target: &str, batch: u64, outcomes: &[(Change, Outcome)]) -> (Level, String) {
    let count = |to: Access| {
        let done = outcomes.iter().filter(|(change, outcome)| change.to == to && matches!(outcome, Outcome::Done));
        done.count() as u64
    };
    let failed: Vec<&str> = outcomes
        .iter()
        .filter(|(_, outcome)| !matches!(outcome, Outcome::Done | Outcome::Already))
        .map(|(change, _)| change.name.as_str())
        .collect();
    let mut text = format!(
        "Batch {batch} of target {target} is done: {} disabled, {} enabled.",
        counted(count(Access::Disabled), "user"),
        counted(count(Access::Enabled), "user")
    );
    if failed.is_empty() {
        return (Level::Info, text);
    }
    text.push_str(&format!(" Not written: {}.", listed(failed.into_iter())));
    (Level::Error, text)
}
