//! A plan as text for a person: the summary first, the command that approves it last.

mod changes;
mod guards;
mod notes;

use std::fmt;

use jiff::tz::TimeZone;

use super::harmless::{cut, harmless};
use super::shown::Extent;
use super::words::{counted, moment, moment_near, number, zone};
use crate::model::{Access, Origin};
use crate::plan::policy::Action;
use crate::plan::{Cause, Due, Effect, HeldBecause, Plan, Provenance};

pub(super) use changes::{cause, why};
pub(super) use guards::verdict;
pub(super) use notes::{blocked, note};

/// How a plan is shown.
#[derive(Clone, Debug)]
pub struct View {
    /// Whether the terminal understands colours.
    pub color: bool,
    /// The git commit of the desired state, where there is one.
    pub commit: Option<String>,
    /// The desired directory as a person would name it, put before the names of its files; may be empty.
    pub directory: String,
    /// The same from the root of its repository, for whoever annotates lines; may be empty.
    pub rooted: String,
    /// The zone in which times are shown.
    pub timezone: TimeZone,
    /// How much is shown.
    pub extent: Extent,
}

impl View {
    pub(super) fn paint(&self) -> Paint {
        Paint { on: self.color }
    }

    pub(super) fn places(&self) -> Places<'_> {
        Places { directory: &self.directory }
    }

    /// Names places from the root of the repository.
    pub(super) fn rooted_places(&self) -> Places<'_> {
        Places { directory: &self.rooted }
    }

    /// Names a file from the root of the repository, exactly as the file system does.
    pub(super) fn rooted_path(&self, file: &str) -> String {
        self.rooted_places().file(file)
    }
}

/// Writes a plan as text.
///
/// The summary comes first, then who would lose POP3, then who would get it, then what happens besides, what is
/// blocked, what is worth knowing, what the guards say, and last the command that approves the plan if it waits.
///
/// # Errors
/// Only those of `out`.
pub fn plan(plan: &Plan, view: &View, out: &mut dyn fmt::Write) -> fmt::Result {
    let paint = view.paint();
    writeln!(out, "{}", paint.bold(&summary(plan)))?;
    writeln!(out, "{}", paint.dim(&source(plan, view)))?;
    if plan.context.base.is_some() {
        writeln!(out, "{}", base(plan))?;
    }
    if let Some((only, hidden)) = &view.extent.only {
        let others = counted(*hidden, "other change");
        writeln!(out, "only users whose name matches `{}`; not listed: {others}", harmless(only))?;
    }
    if !view.extent.concise {
        changes::section(plan, Access::Disabled, view, out)?;
        changes::section(plan, Access::Enabled, view, out)?;
    }
    effects(plan, view, out)?;
    if !view.extent.concise {
        notes::blocked_section(plan, view, out)?;
        notes::left_alone_section(plan, view, out)?;
        notes::section(plan, view, out)?;
    }
    unlisted(plan, out)?;
    for one in view.extent.unlisted.iter().flatten() {
        writeln!(out, "  {:10}  {}", one.state.word(), harmless(&one.name))?;
    }
    guards::section(plan, paint, out)?;
    if plan.is_guarded() {
        writeln!(out, "\nTo approve this plan: {}", paint.bold(&approve(plan.id.as_str())))?;
    }
    Ok(())
}

/// The command that approves an id.
pub(super) fn approve(id: &str) -> String {
    format!("popgate approve {} --reason \"…\"", harmless(id))
}

/// Counts the changes made by hand that the drift policy leaves alone.
pub(super) fn left_alone(plan: &Plan) -> u64 {
    plan.held.iter().filter(|held| held.why == HeldBecause::DriftLeft).count() as u64
}

/// The whole plan in one line.
pub(super) fn summary(plan: &Plan) -> String {
    let summary = plan.summary;
    let users = |count| counted(count, "user");
    let mut parts = Vec::new();
    let changes = counted(plan.changes.len() as u64, "change");
    parts.push(match (summary.disable, summary.enable) {
        (0, 0) => "nothing to change".to_owned(),
        (disable, 0) => format!("{changes}: disable POP3 for {}", users(disable)),
        (0, enable) => format!("{changes}: enable POP3 for {}", users(enable)),
        (disable, enable) => {
            format!("{changes}: disable POP3 for {}, enable POP3 for {}", users(disable), users(enable))
        }
    });
    let waits = plan.changes.iter().filter(|planned| planned.waits).count();
    if waits > 0 && waits == plan.changes.len() {
        parts.push("all of it waits for an approval".to_owned());
    } else if waits > 0 {
        let verb = if waits == 1 { "waits" } else { "wait" };
        parts.push(format!("{} of them {verb} for an approval", number(waits as u64)));
    }
    for (count, what) in [
        (plan.blocked.len() as u64, "blocked"),
        (left_alone(plan), "changed by hand and left alone"),
        (summary.missing, "not in the store"),
        (summary.unreadable, "unreadable"),
        (summary.released, "released"),
    ] {
        if count > 0 {
            parts.push(format!("{} {what}", number(count)));
        }
    }
    parts.push(format!("{} unchanged", number(summary.unchanged)));
    parts.join(" · ")
}

/// What was planned, against what, and when.
pub(super) fn source(plan: &Plan, view: &View) -> String {
    let mut desired = plan.digest.short();
    if let Some(commit) = &view.commit {
        desired = format!("{desired}, commit {}", cut(commit, 12));
        if let Some(author) = &plan.context.author {
            desired = format!("{desired} by {}", cut(author, 80));
        }
    }
    format!(
        "plan {} · target {} · desired state {desired} · {} in the store{} · {} {}",
        plan.id,
        harmless(&plan.target),
        counted(plan.counts.total, "account"),
        snapshot(plan, view),
        moment(plan.generated_at, &view.timezone),
        zone(&view.timezone),
    )
}

/// How old the snapshot is that stood in for the store.
fn snapshot(plan: &Plan, view: &View) -> String {
    plan.context.snapshot.map_or_else(String::new, |taken| {
        let at = moment_near(taken.at, plan.generated_at, &view.timezone);
        format!(", as a snapshot has it that is {} old (taken {at})", age(taken.age_s))
    })
}

/// What the changes were compared with, and where they come from; empty when nobody asked.
pub(super) fn base(plan: &Plan) -> String {
    let Some(base) = &plan.context.base else { return String::new() };
    let revision = format!("{} ({})", harmless(&base.revision), cut(&base.commit, 12));
    if let Some(why) = &base.unsorted {
        return format!("warning: not compared with {revision}: {}", harmless(why));
    }
    let counts = [
        (Provenance::Branch, "caused by this branch"),
        (Provenance::Pending, "pending before it"),
        (Provenance::Drift, "changed by hand"),
    ];
    let parts = counts.map(|(from, what)| format!("{} {what}", number(plan.coming_from(from))));
    format!("compared with {revision}: {}", parts.join(" · "))
}

/// A number of seconds in its largest unit that says it well.
fn age(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// What becomes of the changes once they are written, under a heading; nothing without changes.
pub(super) fn effects(plan: &Plan, view: &View, out: &mut dyn fmt::Write) -> fmt::Result {
    if plan.changes.is_empty() {
        return Ok(());
    }
    let waits = plan.admitted().next().is_none();
    writeln!(
        out,
        "\n{}",
        if waits { "What happens then, once it is approved" } else { "What happens then" }
    )?;
    if plan.effects.is_empty() {
        writeln!(out, "  nothing restarts: the mail system sees the changes by itself")?;
    }
    plan.effects.iter().try_for_each(|effect| writeln!(out, "  {}", in_words(effect, plan, view)))
}

/// What a service will do, and when at the earliest.
fn in_words(effect: &Effect, plan: &Plan, view: &View) -> String {
    let service = harmless(&effect.service);
    let times = match effect.restarts {
        0 => "once wherever it runs".to_owned(),
        1 => "once".to_owned(),
        // Exchange has two on each server.
        many => format!("once, {} in all", counted(many, "service")),
    };
    let when = match effect.due {
        Due::At(due) if due <= plan.generated_at => String::new(),
        Due::At(due) => format!(", not before {}", moment_near(due, plan.generated_at, &view.timezone)),
        Due::Never => ", but no window for restarts ever opens".to_owned(),
    };
    match effect.action {
        Action::None => "nothing restarts: the mail system sees the changes by itself".to_owned(),
        Action::Restart => format!("restarts {service} {times}{when}; every session on it ends"),
        Action::Reload => format!("reloads {service} {times}{when}; sessions on it may end"),
        Action::FlushAndEndSessions => {
            let ends = match effect.disabled {
                0 => "ends nobody's session".to_owned(),
                users => format!("ends the POP3 sessions of {}", counted(users, "user")),
            };
            format!("empties the authentication cache of {service} and {ends}{when}; nothing restarts")
        }
        Action::Command => format!("runs the command `{service}` {times}{when}"),
        Action::Manual => {
            format!("a person has to restart {service}{when}: popgate says how and waits until it sees that")
        }
        Action::Announce => {
            format!("popgate's own list only: it says that {service} would restart; nothing restarts")
        }
    }
}

fn unlisted(plan: &Plan, out: &mut dyn fmt::Write) -> fmt::Result {
    let (all, enabled) = (plan.summary.unlisted, plan.summary.unlisted_enabled);
    if all == 0 {
        return Ok(());
    }
    let taken = plan.changes.iter().filter(|planned| planned.change.cause == Cause::Unlisted).count() as u64;
    // Those that were listed until now are counted on their own; what is taken is taken from both.
    let released = match plan.summary.released {
        released if released > 0 && taken > 0 => format!(", and {} released", number(released)),
        _ => String::new(),
    };
    let then = match taken {
        0 => "they stay as they are".to_owned(),
        1 => "1 loses POP3".to_owned(),
        many => format!("{} lose POP3", number(many)),
    };
    writeln!(
        out,
        "\nNot listed: {}, {} of them with POP3 enabled{released}; {then}",
        counted(all, "account"),
        number(enabled)
    )
}

/// Names places in files.
#[derive(Clone, Copy)]
pub(super) struct Places<'a> {
    directory: &'a str,
}

impl Places<'_> {
    /// Names files as they are called within the desired directory.
    pub(super) const WITHIN: Self = Self { directory: "" };

    fn name(self, origin: &Origin) -> String {
        harmless(&self.file(&origin.to_string()))
    }

    /// Names a file, exactly as the file system does.
    pub(super) fn file(self, file: &str) -> String {
        match (self.directory.trim_end_matches('/'), file) {
            ("", file) if self.directory.is_empty() => file.to_owned(),
            (directory, "") => directory.to_owned(),
            (directory, file) => format!("{directory}/{file}"),
        }
    }
}

/// Colours, or none.
#[derive(Clone, Copy)]
pub(super) struct Paint {
    on: bool,
}

impl Paint {
    pub(super) fn red(self, text: &str) -> Painted<'_> {
        self.with("31", text)
    }

    pub(super) fn green(self, text: &str) -> Painted<'_> {
        self.with("32", text)
    }

    pub(super) fn yellow(self, text: &str) -> Painted<'_> {
        self.with("33", text)
    }

    pub(super) fn bold(self, text: &str) -> Painted<'_> {
        self.with("1", text)
    }

    pub(super) fn dim(self, text: &str) -> Painted<'_> {
        self.with("2", text)
    }

    fn with<'a>(self, code: &'static str, text: &'a str) -> Painted<'a> {
        Painted { code: self.on.then_some(code), text }
    }
}

/// A text with the sequences that colour it (ECMA-48, select graphic rendition), or without.
pub(super) struct Painted<'a> {
    code: Option<&'static str>,
    text: &'a str,
}

impl fmt::Display for Painted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => write!(f, "\u{1b}[{code}m{}\u{1b}[0m", self.text),
            None => f.write_str(self.text),
        }
    }
}

#[cfg(test)]
mod tests;
