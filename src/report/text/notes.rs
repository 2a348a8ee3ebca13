//! What a plan does not do, and why: blocked entries, changes left alone, and what is worth knowing.

use std::fmt;

use super::super::harmless::{cut, harmless};
use super::super::words::{counted, counted_as, names};
use super::{Places, View, approve, left_alone};
use crate::model::{Access, Severity, State};
use crate::plan::{Blocked, BlockedBecause, ChangedRule, Guard, HeldBecause, Note, Plan, release};

/// The longest text of a store that a line repeats, in characters.
const LONGEST: usize = 500;

pub(super) fn blocked_section(plan: &Plan, view: &View, out: &mut dyn fmt::Write) -> fmt::Result {
    if plan.blocked.is_empty() {
        return Ok(());
    }
    let entries = counted_as(plan.blocked.len() as u64, "entry", "entries");
    writeln!(out, "\nBlocked: {entries}; nothing is written for these")?;
    for entry in &plan.blocked {
        let (what, release) = blocked(entry, view.places());
        let line = format!("{}  {}", harmless(&entry.name), view.places().name(&entry.origin));
        writeln!(out, "  {} {}  {what}", view.paint().yellow("!"), view.paint().yellow(&line))?;
        writeln!(out, "      {release}")?;
    }
    Ok(())
}

/// Why an entry is blocked, and what releases it.
pub(in super::super) fn blocked(entry: &Blocked, places: Places<'_>) -> (String, String) {
    match &entry.why {
        BlockedBecause::Ambiguous(candidates) => {
            let all = candidates.iter().map(|(account, name)| {
                let (id, name) = (harmless(account.as_str()), harmless(name));
                if id == name { name } else { format!("{name} ({id})") }
            });
            let all = all.collect::<Vec<_>>().join(", ");
            let accounts = counted(candidates.len() as u64, "account");
            (
                format!("could mean any of {accounts}: {all}"),
                "write a name that only one of them has".to_owned(),
            )
        }
        BlockedBecause::Doubled(account, others) => {
            let all = others
                .iter()
                .map(|(name, origin)| format!("`{}` at {}", harmless(name), places.name(origin)));
            let all = all.collect::<Vec<_>>().join(", ");
            (
                format!("means the account {}, and so does {all}", harmless(account)),
                "keep one of these entries".to_owned(),
            )
        }
        BlockedBecause::Rebound { was, now, approve: id } => (
            format!(
                "means the account {} now, and meant {} before",
                harmless(now.as_str()),
                harmless(was.as_str())
            ),
            format!("edit the entry if the new user is meant, or: {}", approve(id.as_str())),
        ),
        BlockedBecause::Ignored(glob) => (
            format!("its account is ignored: it matches `{}`", harmless(glob)),
            format!("remove the entry, or {}", release("ignored", &harmless(glob))),
        ),
        BlockedBecause::Protected(glob) => (
            format!("its account is protected: it matches `{}`", harmless(glob)),
            format!("remove the entry, or {}", release("protected", &harmless(glob))),
        ),
    }
}

pub(super) fn left_alone_section(plan: &Plan, view: &View, out: &mut dyn fmt::Write) -> fmt::Result {
    let count = left_alone(plan);
    if count == 0 {
        return Ok(());
    }
    writeln!(out, "\nChanged by hand and left alone: {}", counted(count, "user"))?;
    for held in plan.held.iter().filter(|held| held.why == HeldBecause::DriftLeft) {
        let change = &held.change;
        let place = change.cause.origin().map_or_else(String::new, |at| view.places().name(at));
        let line = format!("{}  {place}", harmless(&change.name));
        let (is, wanted) = (change.from.word(), change.to.word());
        writeln!(
            out,
            "  {} {}  is {is}, the entry says {wanted}",
            view.paint().yellow("~"),
            view.paint().yellow(&line)
        )?;
        writeln!(out, "      to write it back: {}", approve(held.id.as_str()))?;
    }
    Ok(())
}

pub(super) fn section(plan: &Plan, view: &View, out: &mut dyn fmt::Write) -> fmt::Result {
    // A guard that trips on the first contact says the same at more length.
    let told = plan.guards.iter().any(|verdict| verdict.tripped && verdict.guard == Guard::FirstContact);
    let mut notes = plan.notes.iter().filter(|note| !(told && **note == Note::FirstContact)).peekable();
    if notes.peek().is_none() {
        return Ok(());
    }
    writeln!(out, "\nNotes")?;
    for one in notes {
        let (severity, what) = note(one, plan, view.places());
        match severity {
            Severity::Warning => writeln!(out, "  {}: {what}", view.paint().yellow("warning"))?,
            _ => writeln!(out, "  note: {what}")?,
        }
    }
    Ok(())
}

/// A note in words, and how much it matters.
pub(in super::super) fn note(note: &Note, plan: &Plan, places: Places<'_>) -> (Severity, String) {
    match note {
        Note::Missing { name, origin, wanted, suggestion } => {
            let meant = suggestion
                .as_ref()
                .map_or_else(String::new, |name| format!("; did you mean `{}`?", harmless(name)));
            let what = format!("`{}` ({}) is not in the store", harmless(name), places.name(origin));
            match wanted {
                Access::Enabled => {
                    (Severity::Note, format!("{what}; it is looked for again at every read{meant}"))
                }
                Access::Disabled => {
                    (Severity::Warning, format!("{what}, so nobody loses POP3 by this entry{meant}"))
                }
            }
        }
        Note::Unreadable { name, why, origin } => {
            let place =
                origin.as_ref().map_or_else(String::new, |origin| format!(" ({})", places.name(origin)));
            let what = format!(
                "`{}`{place} cannot be read, so nothing is written for it: {}",
                harmless(name),
                cut(why, LONGEST)
            );
            (Severity::Warning, what)
        }
        Note::Released { name, state } => {
            let name = harmless(name);
            let what = match state {
                State::Is(access) => {
                    let other = match access {
                        Access::Enabled => "write `disabled` to disable it",
                        Access::Disabled => "write `enabled` to enable it",
                    };
                    format!("`{name}` is no longer managed, POP3 stays {access}; {other}")
                }
                State::Mixed => format!(
                    "`{name}` is no longer managed, its POP3 flags disagree and stay so; write `enabled` or \
                     `disabled` to settle them"
                ),
                State::Unreadable(_) | State::Missing => format!("`{name}` is no longer managed"),
            };
            (Severity::Note, what)
        }
        Note::FirstContact => (
            Severity::Note,
            format!(
                "popgate has not met this store before; `popgate run` will wait until somebody says `{}`",
                approve(plan.id.as_str())
            ),
        ),
        Note::NotEffective { service, names: users } => (
            Severity::Warning,
            format!(
                "not effective yet, because a restart of {} is owed: {} may still use POP3",
                harmless(service),
                names(users.iter().map(String::as_str))
            ),
        ),
        Note::WritesClosed { until } => {
            let until = match until {
                Some(until) => format!("is closed until {until}"),
                None => "never opens".to_owned(),
            };
            (Severity::Warning, format!("the window for writes {until}; nothing of this is written before"))
        }
        Note::PolicyChanged(ChangedRule { rule, was, now }) => (
            Severity::Note,
            format!(
                "the policy is another one than for the last batch: {rule} was `{}`, is `{}`",
                cut(was, LONGEST),
                cut(now, LONGEST)
            ),
        ),
    }
}
