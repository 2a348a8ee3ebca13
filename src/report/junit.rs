//! `JUnit` XML, which nearly every CI shows as a list of tests: what stops the plan or the files has failed, a guard
//! that could not be looked at was skipped, and everything else has passed.
//!
//! Each target is a suite. A plan that changes nothing still has its guards as tests, because an empty report is
//! taken for a job that did nothing.

use std::fmt;

use super::findings::{self, Finding, SEVERITIES};
use super::harmless::harmless;
use super::problems::Problems;
use super::shown::Shown;
use super::text;
use super::words::counted;
use crate::model::Severity;
use crate::plan::Verdict;

/// Writes plans: one suite for each.
///
/// # Errors
/// Only those of `out`.
pub fn plans(shown: &[Shown<'_>], out: &mut dyn fmt::Write) -> fmt::Result {
    // The counts stand before what they count, so everything is gone through twice rather than kept.
    let counts: Vec<Counts> = shown.iter().map(|one| count(cases(one))).collect();
    open(&counts, out)?;
    for (one, counts) in shown.iter().zip(&counts) {
        suite(&format!("popgate plan {}", one.plan.target), counts, cases(one), out)?;
    }
    out.write_str("</testsuites>\n")
}

/// Writes what is wrong with the files, or that nothing is.
///
/// # Errors
/// Only those of `out`.
pub fn problems(problems: &Problems<'_>, out: &mut dyn fmt::Write) -> fmt::Result {
    let all = || {
        let failed = problems.failure.map(|(message, help)| {
            let message = help.map_or_else(|| message.to_owned(), |help| format!("{message}; help: {help}"));
            let end = Ended::Failed(message, "failed".to_owned());
            Case { class: "popgate".to_owned(), name: "popgate failed".to_owned(), file: None, end }
        });
        let found = SEVERITIES
            .into_iter()
            .flat_map(|severity| findings::of_diagnostics(problems.diagnostics, severity))
            .map(case);
        let well = failed.is_none() && problems.diagnostics.is_empty();
        let well = well.then(|| {
            let (users, files) = problems.seen.unwrap_or_default();
            let (users, files) = (counted(users as u64, "user"), counted(files as u64, "file"));
            let name = format!("desired state is valid: {users} in {files}");
            Case { class: "popgate".to_owned(), name, file: None, end: Ended::Passed(None) }
        });
        failed.into_iter().chain(found).chain(well)
    };
    let counts = count(all());
    open(std::slice::from_ref(&counts), out)?;
    suite("popgate", &counts, all(), out)?;
    out.write_str("</testsuites>\n")
}

/// One test.
struct Case {
    class: String,
    name: String,
    file: Option<(String, Option<u32>)>,
    end: Ended,
}

enum Ended {
    /// With something to say, or without.
    Passed(Option<String>),
    Skipped(String),
    /// What failed, and which kind of check.
    Failed(String, String),
}

fn cases<'a>(shown: &'a Shown<'a>) -> Box<dyn Iterator<Item = Case> + 'a> {
    let guards = shown.plan.guards.iter().map(|verdict| guard(verdict, shown));
    let about_guard = |finding: &Finding| finding.check.starts_with("guard/");
    let found = SEVERITIES
        .into_iter()
        .flat_map(|severity| findings::of_plan(*shown, severity))
        .filter(move |finding| !about_guard(finding));
    Box::new(guards.chain(found.map(case)))
}

fn guard(verdict: &Verdict, shown: &Shown<'_>) -> Case {
    let says = text::verdict(verdict);
    let check = format!("guard/{}", verdict.guard.word());
    let end = match (verdict.tripped, verdict.evaluated) {
        (true, _) => Ended::Failed(format!("{says}; this {}", findings::after_the_merge(shown.plan)), check),
        (false, true) => Ended::Passed(None),
        (false, false) => Ended::Skipped(says),
    };
    let name = format!("guard {}", verdict.guard.word());
    Case { class: "popgate.guards".to_owned(), name, file: None, end }
}

fn case(finding: Finding) -> Case {
    let file = finding.place.map(|place| (place.path, place.at.map(|(line, _)| line)));
    let class = file.as_ref().map_or_else(|| "popgate".to_owned(), |(path, _)| path.clone());
    let name = match finding.severity {
        Severity::Error => format!("{}: {}", finding.title, finding.subject),
        _ => format!("{}: {}", finding.title, finding.message),
    };
    let end = match finding.severity {
        Severity::Error => Ended::Failed(finding.message, finding.check),
        Severity::Warning => Ended::Passed(Some(format!("warning: {}", finding.message))),
        _ => Ended::Passed(None),
    };
    Case { class, name, file, end }
}

/// Begins the document with the counts of all suites.
fn open(suites: &[Counts], out: &mut dyn fmt::Write) -> fmt::Result {
    out.write_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n")?;
    let tests: u64 = suites.iter().map(|counts| counts.tests).sum();
    let failures: u64 = suites.iter().map(|counts| counts.failures).sum();
    writeln!(
        out,
        "<testsuites name=\"popgate\" tests=\"{tests}\" failures=\"{failures}\" errors=\"0\" time=\"0\">"
    )
}

fn suite(
    name: &str,
    Counts { tests, failures, skipped }: &Counts,
    mut cases: impl Iterator<Item = Case>,
    out: &mut dyn fmt::Write,
) -> fmt::Result {
    out.write_str("  <testsuite")?;
    attribute("name", name, out)?;
    writeln!(
        out,
        " tests=\"{tests}\" failures=\"{failures}\" errors=\"0\" skipped=\"{skipped}\" time=\"0\">"
    )?;
    cases.try_for_each(|case| case.write(out))?;
    out.write_str("  </testsuite>\n")
}

#[derive(Default)]
struct Counts {
    tests: u64,
    failures: u64,
    skipped: u64,
}

fn count(cases: impl Iterator<Item = Case>) -> Counts {
    cases.fold(Counts::default(), |mut counts, case| {
        counts.tests += 1;
        counts.failures += u64::from(matches!(case.end, Ended::Failed(..)));
        counts.skipped += u64::from(matches!(case.end, Ended::Skipped(_)));
        counts
    })
}

impl Case {
    fn write(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        out.write_str("    <testcase")?;
        attribute("name", &self.name, out)?;
        attribute("classname", &self.class, out)?;
        if let Some((file, line)) = &self.file {
            attribute("file", file, out)?;
            if let Some(line) = line {
                write!(out, " line=\"{line}\"")?;
            }
        }
        out.write_str(" time=\"0\"")?;
        match &self.end {
            Ended::Passed(None) => return out.write_str("/>\n"),
            Ended::Passed(Some(said)) => {
                out.write_str(">\n      <system-out>")?;
                escaped(said, out)?;
                out.write_str("</system-out>\n")?;
            }
            Ended::Skipped(why) => {
                out.write_str(">\n      <skipped")?;
                attribute("message", why, out)?;
                out.write_str("/>\n")?;
            }
            Ended::Failed(what, check) => {
                out.write_str(">\n      <failure")?;
                attribute("message", what, out)?;
                attribute("type", check, out)?;
                out.write_str(">")?;
                if let Some((file, line)) = &self.file {
                    let line = line.map_or_else(String::new, |line| format!(":{line}"));
                    escaped(&format!("{file}{line}: {what}"), out)?;
                } else {
                    escaped(what, out)?;
                }
                out.write_str("</failure>\n")?;
            }
        }
        out.write_str("    </testcase>\n")
    }
}

fn attribute(name: &str, value: &str, out: &mut dyn fmt::Write) -> fmt::Result {
    write!(out, " {name}=\"")?;
    escaped(value, out)?;
    out.write_char('"')
}

/// Writes text so that XML takes it for nothing but text. What may not stand in XML at all, is spelled out.
fn escaped(text: &str, out: &mut dyn fmt::Write) -> fmt::Result {
    harmless(text).chars().try_for_each(|c| match c {
        '&' => out.write_str("&amp;"),
        '<' => out.write_str("&lt;"),
        '>' => out.write_str("&gt;"),
        '"' => out.write_str("&quot;"),
        '\'' => out.write_str("&apos;"),
        '\u{fffe}' | '\u{ffff}' => write!(out, "\\u{{{:x}}}", u32::from(c)),
        c => out.write_char(c),
    })
}

#[cfg(test)]
mod tests;
