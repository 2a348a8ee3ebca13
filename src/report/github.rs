//! Annotations of GitHub Actions: workflow commands on standard output that the runner turns into remarks on the
//! lines of a pull request.
//!
//! GitHub shows ten annotations of each kind for one step. So the worst come first, and where there are more than
//! ten of a kind, the tenth counts the rest.

use std::fmt;

use super::findings::{self, Finding, SEVERITIES};
use super::harmless::cut;
use super::problems::Problems;
use super::shown::Shown;
use super::text;
use super::words::number;
use crate::model::Severity;

/// How many annotations of one kind GitHub shows for one step.
const MOST: usize = 10;

/// The longest message, in characters.
const LONGEST: usize = 1000;

/// Writes plans as annotations: one line each, and a last one with the summary of each plan.
///
/// # Errors
/// Only those of `out`.
pub fn plans(shown: &[Shown<'_>], out: &mut dyn fmt::Write) -> fmt::Result {
    for severity in SEVERITIES {
        let all = || shown.iter().flat_map(move |one| findings::of_plan(*one, severity));
        // The summaries are notices too, and have to be among the ten.
        let room = if severity == Severity::Note { MOST.saturating_sub(shown.len()).max(1) } else { MOST };
        if severity == Severity::Note {
            shown.iter().try_for_each(|one| summary(one, shown.len() > 1, out))?;
        }
        annotations(severity, all, room, out)?;
    }
    Ok(())
}

fn summary(shown: &Shown<'_>, several: bool, out: &mut dyn fmt::Write) -> fmt::Result {
    let target = if several { format!("target {}: ", shown.plan.target) } else { String::new() };
    let message = format!("{target}{} (plan {})", text::summary(shown.plan), shown.plan.id);
    command(Severity::Note, &[("title", "popgate plan")], &message, out)
}

/// Writes what is wrong with the files as annotations.
///
/// # Errors
/// Only those of `out`.
pub fn problems(problems: &Problems<'_>, out: &mut dyn fmt::Write) -> fmt::Result {
    if let Some((message, help)) = problems.failure {
        let help = help.map_or_else(String::new, |help| format!("; {help}"));
        command(Severity::Error, &[("title", "popgate failed")], &format!("{message}{help}"), out)?;
    }
    SEVERITIES.into_iter().try_for_each(|severity| {
        annotations(severity, || findings::of_diagnostics(problems.diagnostics, severity), MOST, out)
    })
}

/// Writes at most so many annotations of one kind.
fn annotations<I: Iterator<Item = Finding>>(
    severity: Severity,
    all: impl Fn() -> I,
    room: usize,
    out: &mut dyn fmt::Write,
) -> fmt::Result {
    let count = all().count();
    let shown = if count > room { room - 1 } else { count };
    all().take(shown).try_for_each(|finding| annotation(&finding, out))?;
    if shown < count {
        let kind = match severity {
            Severity::Error => "errors",
            Severity::Warning => "warnings",
            _ => "notices",
        };
        let message = format!(
            "and {} more {kind}: the job summary and the JSON report have them all",
            number((count - shown) as u64)
        );
        command(severity, &[("title", "popgate: not all is shown")], &message, out)?;
    }
    Ok(())
}

fn annotation(finding: &Finding, out: &mut dyn fmt::Write) -> fmt::Result {
    let mut properties = Vec::new();
    let (line, column);
    if let Some(place) = &finding.place {
        properties.push(("file", &*place.path));
        if let Some((at_line, at_column)) = place.at {
            (line, column) = (at_line.to_string(), at_column.to_string());
            properties.extend([("line", &*line), ("col", &*column)]);
        }
    }
    properties.push(("title", &*finding.title));
    command(finding.severity, &properties, &finding.message, out)
}

/// Writes one workflow command. A property ends at a comma or a colon, a command at the end of its line; the runner
/// knows a percent sign and two digits for what must not end them.
fn command(
    severity: Severity,
    properties: &[(&str, &str)],
    message: &str,
    out: &mut dyn fmt::Write,
) -> fmt::Result {
    out.write_str(match severity {
        Severity::Error => "::error",
        Severity::Warning => "::warning",
        Severity::Note | Severity::Ok => "::notice",
    })?;
    for (position, (name, value)) in properties.iter().enumerate() {
        write!(out, "{}{name}=", if position == 0 { " " } else { "," })?;
        escaped(value, true, out)?;
    }
    out.write_str("::")?;
    escaped(message, false, out)?;
    out.write_char('\n')
}

fn escaped(text: &str, property: bool, out: &mut dyn fmt::Write) -> fmt::Result {
    cut(text, LONGEST).chars().try_for_each(|c| match c {
        '%' => out.write_str("%25"),
        ':' if property => out.write_str("%3A"),
        ',' if property => out.write_str("%2C"),
        c => out.write_char(c),
    })
}

#[cfg(test)]
mod tests;
