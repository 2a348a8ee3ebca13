//! The story that the journal tells, as text and as JSON.

use std::fmt;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::harmless::{cut, harmless};
use super::json::{FORMAT_VERSION, write};
use super::words::{counted, moment, moment_near, zone};
use crate::journal::entry::Proof;
use crate::journal::history::{Batch, Event, Fate, Made};
use crate::model::{Fault, Outcome};

/// The longest text from outside that a line repeats, in characters.
const LONGEST: usize = 500;

/// Writes events as text, the newest first, with times in a zone. `older` tells how many there are besides.
///
/// # Errors
/// Only those of `out`.
pub fn text(events: &[Event], older: usize, timezone: &TimeZone, out: &mut dyn fmt::Write) -> fmt::Result {
    if events.is_empty() && older == 0 {
        return writeln!(out, "the journal tells of nothing");
    }
    for event in events.iter().rev() {
        match event {
            Event::Batch(one) => batch(one, timezone, out)?,
            Event::Restarted { at, instance, proof, unconfirmed } => {
                let (at, instance) = (moment(*at, timezone), harmless(&instance.to_string()));
                let what = match proof {
                    Proof::Stopped => "needed no restart",
                    _ => "restarted",
                };
                writeln!(out, "{at}  {instance} {what}: {}", cut(&proof.words(*unconfirmed), LONGEST))?;
            }
            Event::RestartFailed { at, instance, why } => {
                let (at, instance) = (moment(*at, timezone), harmless(&instance.to_string()));
                writeln!(out, "{at}  restart of {instance} failed: {}", cut(why, LONGEST))?;
            }
            Event::Operator { at, by, what, reason } => {
                let (at, by, what) = (moment(*at, timezone), harmless(by), harmless(what));
                let why =
                    if reason.is_empty() { String::new() } else { format!(": {}", cut(reason, LONGEST)) };
                writeln!(out, "{at}  {by} {what}{why}")?;
            }
        }
    }
    if older > 0 {
        writeln!(out, "{} before that, `--limit` shows more", counted(older as u64, "event"))?;
    }
    writeln!(out, "times are in {}", zone(timezone))
}

fn batch(batch: &Batch, timezone: &TimeZone, out: &mut dyn fmt::Write) -> fmt::Result {
    let began = moment(batch.at, timezone);
    let ended = batch.ended.map_or_else(
        || "without an end".to_owned(),
        |ended| format!("ended {}", moment_near(ended, batch.at, timezone)),
    );
    write!(out, "{began}  batch {} of target {}, {ended}", batch.number, harmless(&batch.target))?;
    write!(out, ", by {}, plan {}, desired state {}", harmless(&batch.by), batch.plan, batch.digest)?;
    match &batch.commit {
        Some(commit) => {
            write!(out, ", commit {}", cut(commit, 12))?;
            match &batch.author {
                Some(author) => writeln!(out, " by {}", cut(author, 80))?,
                None => writeln!(out)?,
            }
        }
        None => writeln!(out)?,
    }
    for made in &batch.changes {
        let (name, from, to) = (harmless(&made.name), made.from.word(), made.to.word());
        write!(out, "  {name}: {from} → {to}, {}", made.cause.word())?;
        if let Some(origin) = made.cause.origin() {
            write!(out, " in {}", harmless(&origin.to_string()))?;
        }
        if let Some(reason) = &made.reason {
            write!(out, " ({})", cut(reason, LONGEST))?;
        }
        match fate(&made.fate) {
            ("done", _) => writeln!(out)?,
            (_, words) => writeln!(out, "; {words}")?,
        }
    }
    Ok(())
}

/// A word for programs, and some for a person.
fn fate(fate: &Fate) -> (&'static str, &'static str) {
    match fate {
        Fate::NotSent => ("not_sent", "never sent, popgate was interrupted"),
        Fate::InDoubt => ("in_doubt", "sent, popgate was interrupted before the outcome"),
        Fate::Known(Outcome::Done, _) => ("done", "done"),
        Fate::Known(Outcome::Already, _) => ("already", "was so already"),
        Fate::Known(Outcome::Missing, _) => ("missing", "the account was gone"),
        Fate::Known(Outcome::Unknown, _) => ("unknown", "sent, and the store did not answer"),
        Fate::Known(Outcome::NotApplied(Fault::Transient { .. }), _) => {
            ("not_applied", "not written: the store failed in passing")
        }
        Fate::Known(Outcome::NotApplied(_), _) => ("not_applied", "not written: the store refused it"),
    }
}

/// Writes events as JSON, the newest first. Times are RFC 3339 in UTC; what does not apply is `null`.
///
/// # Errors
/// Only those of `out`.
pub fn json(events: &[Event], older: usize, out: &mut dyn fmt::Write) -> fmt::Result {
    let events: Vec<Value> = events.iter().rev().map(event).collect();
    write(&json!({ "format_version": FORMAT_VERSION, "older": older, "events": events }), out)
}

fn event(event: &Event) -> Value {
    match event {
        Event::Batch(batch) => json!({
            "kind": "batch",
            "at": batch.at,
            "ended": batch.ended,
            "batch": batch.number,
            "target": batch.target,
            "by": batch.by,
            "plan_id": batch.plan,
            "digest": batch.digest,
            "commit": batch.commit,
            "author": batch.author,
            "changes": batch.changes.iter().map(made).collect::<Vec<_>>(),
        }),
        Event::Restarted { at, instance, proof, unconfirmed } => json!({
            "kind": "restarted",
            "at": at,
            "server": instance.server,
            "service": instance.service,
            "proof": proof,
            "message": proof.words(*unconfirmed),
            "unconfirmed": unconfirmed,
        }),
        Event::RestartFailed { at, instance, why } => json!({
            "kind": "restart_failed",
            "at": at,
            "server": instance.server,
            "service": instance.service,
            "why": why,
        }),
        Event::Operator { at, by, what, reason } => {
            json!({ "kind": "operator", "at": at, "by": by, "what": what, "reason": reason })
        }
    }
}

fn made(made: &Made) -> Value {
    let at = if let Fate::Known(_, at) = &made.fate { Some(*at) } else { None::<Timestamp> };
    let origin = made.cause.origin();
    json!({
        "account": made.account.as_str(),
        "name": made.name,
        "from": made.from.word(),
        "to": made.to.word(),
        "cause": made.cause.word(),
        "file": origin.map(|origin| &origin.file),
        "line": origin.map(|origin| origin.line),
        "reason": made.reason,
        "outcome": fate(&made.fate).0,
        "outcome_at": at,
    })
}
