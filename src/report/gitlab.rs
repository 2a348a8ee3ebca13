//! A code quality report of GitLab: a JSON list of remarks, each with a fingerprint by which GitLab tells new ones
//! from old ones. The line is no part of it, so that an entry that moves is the same remark.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::findings::{self, Finding, Place, SEVERITIES};
use super::json::{self, each};
use super::problems::Problems;
use super::shown::Shown;
use crate::model::{Digest, Severity};

/// Writes plans as one list.
///
/// # Errors
/// Only those of `out`.
pub fn plans(shown: &[Shown<'_>], out: &mut dyn fmt::Write) -> fmt::Result {
    let of = |severity| {
        shown.iter().flat_map(move |one| {
            let somewhere = somewhere(one);
            findings::of_plan(*one, severity)
                .map(move |finding| Remark::new(finding, &one.plan.target, &somewhere, 0))
        })
    };
    json::write(&each(|| SEVERITIES.into_iter().flat_map(of)), out)
}

/// Writes what is wrong with the files as one list.
///
/// # Errors
/// Only those of `out`.
pub fn problems(problems: &Problems<'_>, out: &mut dyn fmt::Write) -> fmt::Result {
    let failed = problems.failure.map(|(message, help)| {
        let help = help.map_or_else(String::new, |help| format!("; {help}"));
        Finding {
            severity: Severity::Error,
            check: "failed".to_owned(),
            subject: message.to_owned(),
            title: String::new(),
            message: super::harmless(&format!("{message}{help}")),
            place: None,
        }
    });
    let all = || {
        let found = SEVERITIES
            .into_iter()
            .flat_map(|severity| findings::of_diagnostics(problems.diagnostics, severity));
        // The same may be wrong twice in one file, and GitLab would keep one.
        let mut times = BTreeMap::new();
        failed.clone().into_iter().chain(found).map(move |finding| {
            let path = finding.place.as_ref().map_or("", |place| &place.path).to_owned();
            let time: &mut u32 =
                times.entry((path, finding.check.clone(), finding.subject.clone())).or_default();
            *time += 1;
            Remark::new(finding, "", ".", *time)
        })
    };
    json::write(&each(all), out)
}

/// GitLab wants every remark at some line: those of no line are put on the first of a file.
fn somewhere(shown: &Shown<'_>) -> String {
    let first = shown.plan.changes.iter().find_map(|planned| planned.change.cause.origin());
    let first = first.map(|origin| &*origin.file);
    let any = first.or_else(|| shown.desired.files().next().map(|(file, _)| &*file.path));
    shown.view.rooted_path(any.unwrap_or_default())
}

#[derive(Serialize)]
struct Remark {
    description: String,
    check_name: String,
    fingerprint: String,
    severity: &'static str,
    location: Location,
}

#[derive(Serialize)]
struct Location {
    path: String,
    lines: Lines,
}

#[derive(Serialize)]
struct Lines {
    begin: u32,
}

impl Remark {
    fn new(finding: Finding, target: &str, somewhere: &str, time: u32) -> Self {
        let Place { path, at } =
            finding.place.unwrap_or_else(|| Place { path: somewhere.to_owned(), at: None });
        let mut hash = Sha256::new();
        for part in [target, &finding.check, &path, &finding.subject] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        hash.update(time.to_be_bytes());
        Self {
            description: finding.message,
            check_name: finding.check,
            fingerprint: Digest(hash.finalize().into()).to_string(),
            severity: match finding.severity {
                Severity::Error => "critical",
                Severity::Warning => "major",
                Severity::Note | Severity::Ok => "info",
            },
            location: Location { path, lines: Lines { begin: at.map_or(1, |(line, _)| line) } },
        }
    }
}

#[cfg(test)]
mod tests;
