//! What a plan or its files give cause to say at a line: the common ground of annotations, code quality and tests.

use super::harmless::harmless;
use super::shown::Shown;
use super::text;
use super::words::counted;
use crate::diagnostic::{Diagnostic, codes};
use crate::model::{Access, Origin, Severity};
use crate::plan::{Cause, HeldBecause, Note, Plan, Planned};

/// One thing to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) severity: Severity,
    /// A stable name of what was looked at, such as `guard/max_disable` or `POP012`.
    pub(super) check: String,
    /// What it is about: a user, a guard, a message. With `check` and the path it names the finding for good,
    /// wherever its line moves.
    pub(super) subject: String,
    /// A few words, harmless.
    pub(super) title: String,
    /// One sentence, harmless, and what to do about it.
    pub(super) message: String,
    pub(super) place: Option<Place>,
}

/// A place in a file, as it is called from the root of its repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) path: String,
    /// `None` when the whole file is meant.
    pub(super) at: Option<(u32, u32)>,
}

/// How often something can matter, the worst first.
pub(super) const SEVERITIES: [Severity; 3] = [Severity::Error, Severity::Warning, Severity::Note];

/// What a tripped guard means for whoever reads a pull request.
pub(super) fn after_the_merge(plan: &Plan) -> String {
    format!("will be blocked after the merge; then run `{}`", text::approve(plan.id.as_str()))
}

/// Everything that a plan gives cause to say with one severity, made one by one.
pub(super) fn of_plan<'a>(shown: Shown<'a>, severity: Severity) -> Box<dyn Iterator<Item = Finding> + 'a> {
    let plan = shown.plan;
    let place = move |origin: &Origin| Some(shown.place(origin));
    let changes = plan.changes.iter().filter(move |planned| of_change(planned) == severity);
    let changes = changes.map(move |planned| change(planned, place));
    let notes = plan.notes.iter().filter_map(move |note| {
        let (found, message) = text::note(note, plan, shown.view.rooted_places());
        (found == severity).then(|| of_note(note, found, message, place))
    });
    match severity {
        Severity::Error => Box::new(tripped(plan).chain(blocked(shown))),
        Severity::Warning => Box::new(left_alone(plan, place).chain(notes).chain(changes)),
        _ => Box::new(not_evaluated(plan).chain(notes).chain(changes)),
    }
}

/// What is wrong with files, with one severity.
pub(super) fn of_diagnostics(
    diagnostics: &[Diagnostic],
    severity: Severity,
) -> impl Iterator<Item = Finding> + '_ {
    diagnostics.iter().filter(move |diagnostic| diagnostic.severity == severity).map(of_diagnostic)
}

fn of_diagnostic(diagnostic: &Diagnostic) -> Finding {
    let help = diagnostic.help.as_ref().map_or_else(String::new, |help| format!("; {}", harmless(help)));
    let elsewhere = diagnostic.labels.iter().skip(1).filter_map(|label| {
        let spot = label.at.as_ref()?;
        Some(format!("; {}:{}: {}", harmless(&label.path), spot.line, harmless(&label.message)))
    });
    let elsewhere: String = elsewhere.collect();
    Finding {
        severity: diagnostic.severity,
        check: diagnostic.code.to_string(),
        subject: diagnostic.message.clone(),
        title: format!("{} {}", diagnostic.code, codes::title(diagnostic.code)),
        message: format!("{}{elsewhere}{help}", harmless(&diagnostic.message)),
        place: diagnostic.labels.first().map(|label| Place {
            path: label.path.clone(),
            at: label.at.as_ref().map(|spot| (spot.line, spot.column)),
        }),
    }
}

fn tripped(plan: &Plan) -> impl Iterator<Item = Finding> + '_ {
    plan.guards.iter().filter(|verdict| verdict.tripped).map(|verdict| Finding {
        severity: Severity::Error,
        check: format!("guard/{}", verdict.guard.word()),
        subject: plan.target.clone(),
        title: format!("guard {} tripped", verdict.guard.word()),
        message: format!("{}; this {}", text::verdict(verdict), after_the_merge(plan)),
        place: None,
    })
}

/// One for all of them: without a journal to remember, none of them can be looked at.
fn not_evaluated(plan: &Plan) -> impl Iterator<Item = Finding> + '_ {
    let those = plan.guards.iter().filter(|verdict| !verdict.evaluated).map(|verdict| verdict.guard.word());
    let those: Vec<&str> = those.collect();
    let finding = || Finding {
        severity: Severity::Note,
        check: "guard/not_evaluated".to_owned(),
        subject: plan.target.clone(),
        title: format!("{} not evaluated", counted(those.len() as u64, "guard")),
        message: format!("{}: nothing is remembered yet to compare with", those.join(", ")),
        place: None,
    };
    (!those.is_empty()).then(finding).into_iter()
}

fn blocked(shown: Shown<'_>) -> impl Iterator<Item = Finding> + '_ {
    shown.plan.blocked.iter().map(move |entry| {
        let (what, release) = text::blocked(entry, shown.view.rooted_places());
        Finding {
            severity: Severity::Error,
            check: "blocked".to_owned(),
            subject: entry.name.clone(),
            title: "blocked: nothing is written".to_owned(),
            message: format!("`{}` {what}; {release}", harmless(&entry.name)),
            place: Some(shown.place(&entry.origin)),
        }
    })
}

fn left_alone<'a>(
    plan: &'a Plan,
    place: impl Fn(&Origin) -> Option<Place> + 'a,
) -> impl Iterator<Item = Finding> + 'a {
    plan.held.iter().filter(|held| held.why == HeldBecause::DriftLeft).map(move |held| {
        let change = &held.change;
        Finding {
            severity: Severity::Warning,
            check: "drift/left_alone".to_owned(),
            subject: change.name.clone(),
            title: "changed by hand and left alone".to_owned(),
            message: format!(
                "`{}` is {}, the entry says {}; to write it back: {}",
                harmless(&change.name),
                change.from,
                change.to,
                text::approve(held.id.as_str())
            ),
            place: change.cause.origin().and_then(&place),
        }
    })
}

/// A change is worth knowing; one that waits, that undoes what somebody did by hand, or that no line of the files
/// is the cause of, is worth a look.
fn of_change(planned: &Planned) -> Severity {
    match planned.change.cause {
        Cause::Drift(_) | Cause::Unlisted => Severity::Warning,
        _ if planned.provenance.is_some_and(|from| !from.is_explained()) => Severity::Warning,
        _ if planned.waits => Severity::Warning,
        _ => Severity::Note,
    }
}

fn change(planned: &Planned, place: impl Fn(&Origin) -> Option<Place>) -> Finding {
    let change = &planned.change;
    let (check, verb) = match change.to {
        Access::Disabled => ("change/disable", "disables"),
        Access::Enabled => ("change/enable", "enables"),
    };
    let waits = if planned.waits { "; waits for an approval" } else { "" };
    Finding {
        severity: of_change(planned),
        check: check.to_owned(),
        subject: change.name.clone(),
        title: format!("{verb} POP3"),
        message: format!(
            "`{}`: {} → {} ({}){waits}",
            harmless(&change.name),
            change.from,
            change.to,
            text::why(planned)
        ),
        place: change.cause.origin().and_then(place),
    }
}

fn of_note(
    note: &Note,
    severity: Severity,
    message: String,
    place: impl Fn(&Origin) -> Option<Place>,
) -> Finding {
    let (check, subject, title, origin) = match note {
        Note::Missing { name, origin, .. } => ("missing", &**name, "not in the store", Some(origin)),
        Note::Unreadable { name, origin, .. } => ("unreadable", &**name, "cannot be read", origin.as_ref()),
        Note::Released { name, .. } => ("released", &**name, "no longer managed", None),
        Note::FirstContact => ("first_contact", "", "first contact", None),
        Note::NotEffective { service, .. } => ("not_effective", &**service, "not effective yet", None),
        Note::WritesClosed { .. } => ("writes_closed", "", "not the time to write", None),
        Note::PolicyChanged(changed) => ("policy_changed", &*changed.rule, "another policy", None),
    };
    Finding {
        severity,
        check: check.to_owned(),
        subject: subject.to_owned(),
        title: title.to_owned(),
        message,
        place: origin.and_then(place),
    }
}

impl Shown<'_> {
    fn place(&self, origin: &Origin) -> Place {
        Place { path: self.view.rooted_path(&origin.file), at: Some((origin.line, origin.column)) }
    }
}
