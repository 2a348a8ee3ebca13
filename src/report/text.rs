//! The plan for a person: who loses POP3, who gains it, why, from which line, and what that will do.

use std::fmt::{self, Write};

use jiff::tz::TimeZone;

use super::{counted, harmless, listed};
use crate::model::{Access, Origin, State};
use crate::plan::policy::Action;
use crate::plan::{Blocked, BlockedBecause, Cause, Due, Effect, Held, HeldBecause, Note, Plan, Planned, Verdict};

/// How a plan is to be shown.
#[derive(Clone, Debug)]
pub struct View {
    /// Whether escape codes for colours may be used.
    pub color: bool,
    /// The git commit of the desired state.
    pub commit: Option<String>,
    /// The desired directory, put before the names of its files.
    pub directory: String,
    /// The zone in which times are shown.
    pub timezone: TimeZone,
}

const GREEN: &str = "\u{1b}[32m";
const RED: &str = "\u{1b}[31m";
const YELLOW: &str = "\u{1b}[33m";
const BOLD: &str = "\u{1b}[1m";

/// Writes a plan: the summary first, the command that approves last.
pub fn plan(plan: &Plan, view: &View, out: &mut dyn Write) -> fmt::Result {
    let text = Text { plan, view };
    text.summary(out)?;
    text.changes(Access::Disabled, out)?;
    text.changes(Access::Enabled, out)?;
    text.effects(out)?;
    text.blocked(out)?;
    text.held(out)?;
    text.notes(out)?;
    text.unlisted(out)?;
    text.guards(out)?;
    text.approval(out)
}

struct Text<'a> {
    plan: &'a Plan,
    view: &'a View,
}

impl Text<'_> {
    fn paint(&self, code: &str, text: &str) -> String {
        if self.view.color { format!("{code}{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn at(&self, origin: &Origin) -> String {
        let directory = self.view.directory.trim_end_matches('/');
        harmless(&if directory.is_empty() { origin.to_string() } else { format!("{directory}/{origin}") })
    }

    fn summary(&self, out: &mut dyn Write) -> fmt::Result {
        let summary = self.plan.summary;
        let mut parts = Vec::new();
        if self.plan.changes.is_empty() {
            parts.push("nothing to change".to_owned());
        } else {
            parts.push(format!("{} to disable", summary.disable));
            parts.push(format!("{} to enable", summary.enable));
        }
        parts.push(format!("{} as desired", summary.unchanged));
        for (count, what) in
            [(summary.missing, "missing"), (summary.blocked, "blocked"), (summary.unreadable, "unreadable")]
        {
            if count > 0 {
                parts.push(format!("{count} {what}"));
            }
        }
        let changes = counted(self.plan.changes.len() as u64, "change");
        let line = format!("{changes}: {}", parts.join(", "));
        let line = if self.plan.changes.is_empty() { parts.join(", ") } else { line };
        writeln!(out, "{}", self.paint(BOLD, &capitalised(&line)))?;
        write!(out, "target {}, plan {}, desired state {}", self.plan.target, self.plan.id, self.plan.digest.short())?;
        if let Some(commit) = &self.view.commit {
            write!(out, ", commit {}", harmless(commit))?;
        }
        writeln!(out)
    }

    fn changes(&self, to: Access, out: &mut dyn Write) -> fmt::Result {
        let of = || self.plan.changes.iter().filter(|planned| planned.change.to == to);
        if of().next().is_none() {
            return Ok(());
        }
        let (head, sign, color) = match to {
            Access::Disabled => ("Disable POP3", "-", RED),
            Access::Enabled => ("Enable POP3", "+", GREEN),
        };
        writeln!(out, "\n{head}:")?;
        // A very long name must not push everybody else's line to the right.
        let width = of().map(|planned| harmless(&planned.change.name).chars().count()).max().unwrap_or(0).min(40);
        for planned in of() {
            let name = harmless(&planned.change.name);
            let step = format!("{} → {}", planned.change.from, planned.change.to);
            let line = format!("  {sign} {name:width$}  {step:19}  {}", self.why(planned));
            writeln!(out, "{}", self.paint(color, line.trim_end()))?;
        }
        Ok(())
    }

    fn why(&self, planned: &Planned) -> String {
        let mut why = match &planned.change.cause {
            Cause::Listed(origin) => self.at(origin),
            Cause::Expired(origin) => match planned.until {
                Some(until) => format!("{}  `until: {until}` is over", self.at(origin)),
                None => self.at(origin),
            },
            Cause::Unlisted => "not listed, and the settings say `unlisted: disable`".to_owned(),
            Cause::Drift(origin) => format!("{}  drift: the store was changed by hand", self.at(origin)),
        };
        if let (Access::Enabled, Some(until)) = (planned.change.to, planned.until) {
            why.push_str(&format!("  until {until}"));
        }
        if planned.change.from == State::Missing {
            why.push_str("  new in the store");
        }
        if let Some(reason) = &planned.reason {
            why.push_str(&format!("  ({})", harmless(reason)));
        }
        if planned.waits {
            why.push_str("  waits for approval");
        } else if planned.approved {
            why.push_str("  approved");
        }
        why
    }

    fn effects(&self, out: &mut dyn Write) -> fmt::Result {
        if self.plan.changes.is_empty() {
            return Ok(());
        }
        writeln!(out, "\nEffects:")?;
        if self.plan.effects.is_empty() {
            return writeln!(out, "  nothing restarts, and no session ends");
        }
        for effect in &self.plan.effects {
            for line in self.effect(effect) {
                writeln!(out, "  {line}")?;
            }
        }
        Ok(())
    }

    fn effect(&self, effect: &Effect) -> Vec<String> {
        let name = harmless(&effect.service);
        let times = if effect.restarts > 1 { format!(" on {} instances", effect.restarts) } else { String::new() };
        let when = match effect.due {
            Due::At(at) => format!("not before {}", self.clock(at)),
            Due::Never => "never: no window for restarts ever opens".to_owned(),
        };
        let mut lines = Vec::new();
        match effect.action {
            Action::None => {}
            Action::Restart => lines.push(format!("restarts {name} once{times}, {when}")),
            Action::Reload => lines.push(format!("reloads {name} once{times}, {when}")),
            Action::FlushAndEndSessions => {
                lines.push(format!("empties the authentication cache of {name} once{times}, {when}"));
                let users = counted(effect.disabled, "user");
                lines.push(format!("ends the POP3 sessions of {users}; nobody else notices"));
            }
            Action::Command => lines.push(format!("runs the command for {name} once{times}, {when}")),
            Action::Manual => {
                lines.push(format!("{name} has to be restarted by a person; until then nothing is effective"));
            }
            Action::Announce => {
                lines.push(format!("says on the terminal that {name} would restart; there is no mail server yet"));
            }
        }
        if matches!(effect.action, Action::Restart) {
            lines.push("every open POP3 session ends; mail that was read and not deleted yet is fetched again".to_owned());
        }
        lines
    }

    fn clock(&self, at: jiff::Timestamp) -> String {
        let local = self.view.timezone.to_datetime(at);
        let zone = self.view.timezone.iana_name().unwrap_or("local time");
        format!("{} {zone}", local.strftime("%Y-%m-%d %H:%M:%S"))
    }

    fn blocked(&self, out: &mut dyn Write) -> fmt::Result {
        if self.plan.blocked.is_empty() {
            return Ok(());
        }
        writeln!(out, "\nBlocked, each by itself:")?;
        self.plan.blocked.iter().try_for_each(|blocked| self.one_blocked(blocked, out))
    }

    fn one_blocked(&self, blocked: &Blocked, out: &mut dyn Write) -> fmt::Result {
        let line = format!("  ! {}  {}", harmless(&blocked.name), self.at(&blocked.origin));
        writeln!(out, "{}", self.paint(YELLOW, &line))?;
        match &blocked.why {
            BlockedBecause::Ambiguous(candidates) => {
                writeln!(out, "      the store knows {} by this name:", counted(candidates.len() as u64, "account"))?;
                for (id, name) in candidates {
                    writeln!(out, "        {}  {}", harmless(id.as_str()), harmless(name))?;
                }
                writeln!(out, "      list the one that is meant by a name that only it has")
            }
            BlockedBecause::Doubled(account, others) => {
                let places = others.iter().map(|(name, origin)| format!("`{}` in {}", harmless(name), self.at(origin)));
                let places = places.collect::<Vec<_>>().join(", ");
                writeln!(out, "      means {}, as does {places}; keep one of them", harmless(account))
            }
            BlockedBecause::Rebound { was, now, approve } => {
                let (was, now) = (harmless(was.as_str()), harmless(now.as_str()));
                writeln!(out, "      meant {was} when it was first used, and means {now} now")?;
                writeln!(out, "      edit the entry, or approve the new meaning: {}", approval(approve.as_str()))
            }
            BlockedBecause::Ignored(glob) => {
                writeln!(out, "      the settings ignore `{}`; remove the entry", harmless(glob))
            }
            BlockedBecause::Protected(glob) => {
                writeln!(out, "      the settings protect `{}`; remove the entry", harmless(glob))
            }
        }
    }

    fn held(&self, out: &mut dyn Write) -> fmt::Result {
        let drift = || self.plan.held.iter().filter(|held| held.why == HeldBecause::DriftLeft);
        if drift().next().is_none() {
            return Ok(());
        }
        writeln!(out, "\nDrift, left as somebody made it by hand:")?;
        drift().try_for_each(|held| self.one_held(held, out))
    }

    fn one_held(&self, held: &Held, out: &mut dyn Write) -> fmt::Result {
        let change = &held.change;
        let place = change.cause.origin().map(|origin| self.at(origin)).unwrap_or_default();
        let name = harmless(&change.name);
        let line = format!("  ~ {name}  is {}, listed as {}  {place}", change.from, change.to);
        writeln!(out, "{}", self.paint(YELLOW, &line))?;
        writeln!(out, "      edit the entry, or write it back: {}", approval(held.id.as_str()))
    }

    fn notes(&self, out: &mut dyn Write) -> fmt::Result {
        if self.plan.notes.is_empty() {
            return Ok(());
        }
        writeln!(out, "\nNotes:")?;
        self.plan.notes.iter().try_for_each(|note| writeln!(out, "  {}", self.note(note)))
    }

    fn note(&self, note: &Note) -> String {
        match note {
            Note::Missing { name, origin, wanted, suggestion } => {
                let word = if *wanted == Access::Disabled { "warning: " } else { "" };
                let help = match suggestion {
                    Some(name) => format!("; did you mean `{}`?", harmless(name)),
                    None => "; it is looked for again at every read".to_owned(),
                };
                format!("{word}{} is not in the store  {}{help}", harmless(name), self.at(origin))
            }
            Note::Unreadable { name, why, .. } => {
                format!("{} cannot be read, so nothing is done: {}", harmless(name), harmless(why))
            }
            Note::Released { name, state } => {
                let name = harmless(name);
                match state {
                    State::Is(access) => {
                        let help = match access {
                            Access::Enabled => "; write `disabled` to disable",
                            Access::Disabled => "",
                        };
                        format!("{name} is no longer managed, POP3 stays {access}{help}")
                    }
                    other => format!("{name} is no longer managed; its state is {other}"),
                }
            }
            Note::FirstContact => {
                "popgate has not written to this store before; the daemon waits for an approval of its first plan".to_owned()
            }
            Note::NotEffective { service, names } => {
                let names = listed(names.iter().map(String::as_str));
                format!("{} has not restarted since they were disabled, so these can still use POP3: {names}", harmless(service))
            }
        }
    }

    fn unlisted(&self, out: &mut dyn Write) -> fmt::Result {
        let summary = self.plan.summary;
        if summary.unlisted == 0 {
            return Ok(());
        }
        let accounts = counted(summary.unlisted, "account");
        let verb = if summary.unlisted == 1 { "is" } else { "are" };
        writeln!(out, "\n{accounts} {verb} not listed, {} of them with POP3", summary.unlisted_enabled)
    }

    fn guards(&self, out: &mut dyn Write) -> fmt::Result {
        let of = |keep: fn(&&Verdict) -> bool| self.plan.guards.iter().filter(keep).collect::<Vec<_>>();
        let (tripped, blind) = (of(|verdict| verdict.tripped), of(|verdict| !verdict.evaluated));
        if tripped.is_empty() {
            write!(out, "\nGuards: ok")?;
            if !blind.is_empty() {
                let names = blind.iter().map(|verdict| verdict.guard.word()).collect::<Vec<_>>().join(", ");
                write!(out, " (not evaluated, for there is nothing to compare with yet: {names})")?;
            }
            return writeln!(out);
        }
        writeln!(out, "\nGuards:")?;
        for verdict in tripped {
            let detail = verdict.detail.as_ref().map(|detail| format!(" ({})", harmless(detail))).unwrap_or_default();
            let line = format!("  {} tripped: {}, the limit is {}{detail}", verdict.guard.word(), verdict.value, verdict.limit);
            writeln!(out, "{}", self.paint(RED, &line))?;
        }
        for verdict in blind {
            writeln!(out, "  {} not evaluated: there is nothing to compare with yet", verdict.guard.word())?;
        }
        Ok(())
    }

    fn approval(&self, out: &mut dyn Write) -> fmt::Result {
        if !self.plan.is_guarded() {
            return Ok(());
        }
        let waiting = self.plan.changes.iter().filter(|planned| planned.waits).count() as u64;
        let what = if waiting == 0 { "the desired state waits".to_owned() } else { format!("{} wait", counted(waiting, "change")) };
        writeln!(out, "\n{} for an approval:\n  {}", capitalised(&what), approval(self.plan.id.as_str()))
    }
}

fn approval(id: &str) -> String {
    format!("popgate approve {id} --reason \"…\"")
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
