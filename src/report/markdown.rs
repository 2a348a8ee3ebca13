//! A plan as Markdown, for one comment on a pull request or for a job summary: the summary first, then one folded
//! table for each file. Never more than 60,000 characters, however large the plan.
//!
//! It begins with [`MARKER`], which nobody sees, so that CI can find its comment again and update it.

mod cells;
mod room;

use std::collections::BTreeMap;
use std::fmt;

use super::findings::{self, SEVERITIES};
use super::problems::Problems;
use super::shown::Shown;
use super::text;
use super::words::{counted, number};
use crate::model::{Access, Severity};
use crate::plan::Planned;
use cells::code;
use room::Room;

/// The first line of every report.
pub const MARKER: &str = "<!-- popgate:plan -->";

/// The most characters of a report; a comment on GitHub holds 65,536.
pub const MOST: usize = 60_000;

/// How much of it is kept for what comes after the lists.
const LAST: usize = 400;

/// How much of it what is said before the lists may take.
const HEAD: usize = 20_000;

/// Writes plans: first every summary, then the lists as far as there is room.
///
/// # Errors
/// Only those of `out`.
pub fn plans(shown: &[Shown<'_>], out: &mut dyn fmt::Write) -> fmt::Result {
    let mut room = Room::new(MOST - LAST);
    room.line(MARKER);
    let mut left = Left::default();
    for one in shown {
        head(one, HEAD / shown.len().max(1), &mut room, &mut left);
    }
    for one in shown.iter().filter(|one| !one.view.extent.concise) {
        if shown.len() > 1 && !one.plan.changes.is_empty() {
            room.line(&format!("\n#### Target {}", code(&one.plan.target)));
        }
        lists(one, &mut room, &mut left);
    }
    left.say(&mut room);
    out.write_str(&room.text())
}

/// Writes what is wrong with the files.
///
/// # Errors
/// Only those of `out`.
pub fn problems(problems: &Problems<'_>, out: &mut dyn fmt::Write) -> fmt::Result {
    let mut room = Room::new(MOST - LAST);
    room.line(MARKER);
    let well = problems.failure.is_none() && problems.diagnostics.is_empty();
    if well {
        let (users, files) = problems.seen.unwrap_or_default();
        let (users, files) = (counted(users as u64, "user"), counted(files as u64, "file"));
        room.line(&format!("### popgate: the desired state is valid\n\n{users} in {files}."));
        return out.write_str(&room.text());
    }
    let what = if problems.seen.is_some() { "the desired state is invalid" } else { "no plan could be made" };
    room.line(&format!("### popgate: {what}\n"));
    if let Some((message, help)) = problems.failure {
        room.line(&format!("**Error:** {}\n", code(message)));
        if let Some(help) = help {
            room.line(&format!("Help: {}\n", code(help)));
        }
    }
    let mut left = Left::default();
    if !problems.diagnostics.is_empty() {
        room.line(&format!("{}\n", crate::diagnostic::summary(problems.diagnostics)));
        room.line("| | Where | What |\n|---|---|---|");
        let all =
            || SEVERITIES.into_iter().flat_map(|one| findings::of_diagnostics(problems.diagnostics, one));
        let mut written = 0;
        for finding in all() {
            let place = finding.place.as_ref().map_or_else(String::new, |place| match place.at {
                Some((line, column)) => format!("{}:{line}:{column}", place.path),
                None => place.path.clone(),
            });
            let row = format!(
                "| {} | {} | {} {} |",
                sign(finding.severity),
                code(&place),
                finding.check,
                code(&finding.message)
            );
            if !room.try_line(&row) {
                break;
            }
            written += 1;
        }
        left.problems = problems.diagnostics.len() as u64 - written;
    }
    left.say(&mut room);
    out.write_str(&room.text())
}

fn sign(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "❌",
        Severity::Warning => "⚠",
        Severity::Note | Severity::Ok => "ℹ",
    }
}

/// What found no room.
#[derive(Default)]
struct Left {
    changes: u64,
    files: u64,
    remarks: u64,
    problems: u64,
}

impl Left {
    fn say(&self, room: &mut Room) {
        let changes = match self.files {
            0 => counted(self.changes, "change"),
            files => format!("{} in {}", counted(self.changes, "change"), counted(files, "file")),
        };
        let mut parts = Vec::new();
        for (count, said) in [
            (self.changes, changes),
            (self.remarks, counted(self.remarks, "remark")),
            (self.problems, counted(self.problems, "problem")),
        ] {
            if count > 0 {
                parts.push(said);
            }
        }
        if !parts.is_empty() {
            room.reserve(LAST);
            room.line(&format!(
                "\n**… and {} more.** The full JSON report, an artifact of this job, has them all \
                 (`popgate plan --report json=plan.json`).",
                parts.join(", ")
            ));
        }
    }
}

/// The summary, what happens, what stops it and what is worth knowing.
fn head(shown: &Shown<'_>, most: usize, room: &mut Room, left: &mut Left) {
    let plan = shown.plan;
    let before = room.used();
    room.line(&format!("### popgate plan: {}\n", text::summary(plan)));
    room.line(&format!("{}\n", cells::sentence(&text::source(plan, shown.view))));
    let base = text::base(plan);
    if !base.is_empty() {
        room.line(&format!("{}\n", cells::sentence(&base)));
    }
    if let Some((only, hidden)) = &shown.view.extent.only {
        room.line(&format!("Only {}: {} not listed.\n", code(only), counted(*hidden, "other change")));
    }
    if plan.is_guarded() {
        let blocked = cells::sentence(&findings::after_the_merge(plan));
        room.line(&format!("> [!CAUTION]\n> This {blocked}\n"));
    }
    let mut effects = String::new();
    // Writing to a `String` cannot fail.
    let _ = text::effects(plan, shown.view, &mut effects);
    let mut effects = effects.lines().filter(|line| !line.is_empty());
    if let Some(first) = effects.next() {
        room.line(&format!("**{first}**\n"));
        effects.for_each(|line| room.line(&format!("* {}", cells::sentence(line.trim()))));
        room.line("");
    }
    let remarks = [Severity::Error, Severity::Warning, Severity::Note]
        .into_iter()
        .flat_map(|severity| findings::of_plan(*shown, severity))
        .filter(|finding| !finding.check.starts_with("change/"));
    for finding in remarks {
        let place = finding.place.as_ref().map_or_else(String::new, |place| {
            let line = place.at.map_or_else(String::new, |(line, _)| format!(":{line}"));
            format!(" ({})", code(&format!("{}{line}", place.path)))
        });
        let line = format!(
            "* {} **{}**{place}: {}",
            sign(finding.severity),
            cells::sentence(&finding.title),
            cells::sentence(&finding.message)
        );
        if room.used() - before > most || !room.try_line(&line) {
            left.remarks += 1;
        }
    }
}

/// One folded table for each file, those of no file last.
fn lists(shown: &Shown<'_>, room: &mut Room, left: &mut Left) {
    let mut files: BTreeMap<(bool, &str), Vec<&Planned>> = BTreeMap::new();
    for planned in &shown.plan.changes {
        let file = planned.change.cause.origin().map(|origin| &*origin.file);
        files.entry((file.is_none(), file.unwrap_or_default())).or_default().push(planned);
    }
    for ((nowhere, file), changes) in files {
        let title = if nowhere { "not listed".to_owned() } else { code(&shown.view.rooted_path(file)) };
        table(&title, &changes, room, left);
    }
    if let Some(unlisted) = &shown.view.extent.unlisted {
        let accounts = counted(unlisted.len() as u64, "account");
        let mut rows = unlisted.iter().map(|one| format!("| {} | {} |", code(&one.name), one.state.word()));
        let title = format!("{accounts} that no entry names");
        let written = fold(&title, "| User | Now |\n|---|---|", &mut rows, room);
        left.remarks += unlisted.len() as u64 - written;
    }
}

fn table(title: &str, changes: &[&Planned], room: &mut Room, left: &mut Left) {
    let count = |to| changes.iter().filter(|planned| planned.change.to == to).count() as u64;
    let (loses, gets) = (count(Access::Disabled), count(Access::Enabled));
    let mut parts = Vec::new();
    if loses > 0 {
        parts.push(format!("disable {}", number(loses)));
    }
    if gets > 0 {
        parts.push(format!("enable {}", number(gets)));
    }
    let title = format!("{title}: {}", parts.join(", "));
    let mut rows = changes.iter().map(|planned| row(planned));
    let written =
        fold(&title, "| | User | Now | Then | Line | Why |\n|---|---|---|---|---|---|", &mut rows, room);
    let rest = changes.len() as u64 - written;
    left.changes += rest;
    left.files += u64::from(rest > 0);
}

fn row(planned: &Planned) -> String {
    let change = &planned.change;
    let sign = if change.to == Access::Disabled { "➖" } else { "➕" };
    let line = change.cause.origin().map_or_else(String::new, |origin| origin.line.to_string());
    let mut why = cells::sentence(&text::cause(planned));
    if let Some(reason) = &planned.reason {
        why = format!("{why}, reason&#58; {}", code(reason));
    }
    if planned.waits {
        why.push_str(" **waits for an approval**");
    } else if planned.approved {
        why.push_str(" approved");
    }
    format!("| {sign} | {} | {} | {} | {line} | {why} |", code(&change.name), change.from, change.to)
}

/// Writes one folded table as far as there is room; returns how many rows found it.
fn fold(title: &str, header: &str, rows: &mut dyn Iterator<Item = String>, room: &mut Room) -> u64 {
    const END: &str = "\n</details>";
    let begin = format!("\n<details><summary>{title}</summary>\n\n{header}");
    let mut rows = rows.peekable();
    let Some(first) = rows.peek() else { return 0 };
    if !room.fits(&[&begin, first, END]) {
        return 0;
    }
    room.line(&begin);
    let mut written = 0;
    while let Some(row) = rows.next_if(|row| room.fits(&[row, END])) {
        room.line(&row);
        written += 1;
    }
    room.line(END);
    written
}

#[cfg(test)]
mod tests;
