//! `popgate doctor`: looks for whatever could stop popgate from doing its work. Changes nothing.

use std::fmt::Write as _;

use super::Failure;
use super::args::{Doctor as Args, Format};
use super::exit::Exit;
use super::session::{Opened, Session};
use super::validate::counted;
use crate::journal::{self, Lock};
use crate::model::{Finding, Severity};
use crate::report::{self, harmless};
use crate::web::client;

pub(super) async fn run(session: &Session, args: &Args) -> Result<Exit, Failure> {
    let mut sections = vec![("popgate".to_owned(), general(session).await)];
    for target in session.targets()? {
        sections.push((format!("target {}", target.name), examine(session, &target).await));
    }
    let worst = sections.iter().flat_map(|(_, findings)| findings).map(|finding| finding.severity).max();
    session.render.result(&match args.format {
        Format::Json => {
            let json: Vec<_> = sections
                .iter()
                .map(|(section, findings)| serde_json::json!({"section": section, "findings": findings}))
                .collect();
            report::json::text(&json)
        }
        Format::Text => text(&sections),
    });
    Ok(if worst == Some(Severity::Error) { Exit::Operational } else { Exit::Success })
}

async fn general(session: &Session) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.push(match &session.settings.path {
        Some(path) => Finding::ok(format!("settings {} are valid", path.display())),
        None => Finding::ok("no settings file: the embedded default is in use"),
    });
    let state = session.state();
    findings.push(match journal::read_current::<journal::entry::Record>(state) {
        Ok(lines) if lines.is_empty() => Finding::ok(format!("the journal in {} is empty", state.display())),
        Ok(lines) => {
            Finding::ok(format!("the journal in {} reads well: {} records", state.display(), lines.len()))
        }
        Err(error) => {
            Finding::error(error.to_string(), "see the message; `popgate status` reads the same journal")
        }
    });
    let ledger = session.ledger().unwrap_or_default();
    if let Some(wall) = ledger.wall.filter(|_| ledger.is_ahead_of(session.clock.now().wall)) {
        findings.push(Finding::error(
            format!("the journal's last record is from {wall}, more than a day ahead of the clock"),
            "set the clock, if it is wrong; if it was wrong then, expiries wait for an approval, and time stands still \
             until the clock gets there: stop popgate and move the journal files away to begin anew",
        ));
    }
    findings.push(match client::status(state).await {
        Ok(Some(daemon)) => Finding::ok(format!("a daemon is running as process {}", daemon.pid)),
        Ok(None) => match Lock::holder(state) {
            Ok(Some(holder)) => Finding::warning(
                format!("{holder} holds the lock and does not answer on the control socket"),
                "look whether it hangs",
            ),
            Ok(None) => Finding::ok("no daemon is running"),
            Err(error) => Finding::error(error.to_string(), "run doctor as the user that runs the daemon"),
        },
        Err(error) => Finding::error(error.to_string(), "run doctor as the user that runs the daemon"),
    });
    findings
}

async fn examine(session: &Session, target: &Opened) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.push(match session.read_settled(&target.source) {
        Ok(Ok(read)) => Finding::ok(format!(
            "{} lists {} in {}",
            target.source,
            counted(read.desired.len(), "user"),
            counted(read.desired.files().count(), "file")
        )),
        Ok(Err(problems)) => Finding::error(
            format!("{} has {}", target.source, counted(problems.len(), "problem")),
            "`popgate validate` shows them",
        ),
        Err(failure) => Finding::error(failure.message, failure.help.unwrap_or_default()),
    });
    let reader = target.reader();
    findings.push(Finding::ok(format!("the store is {}", reader.name())));
    findings.extend(reader.preflight().await);
    findings.push(Finding::ok(format!("the service is {}", target.policy.service.name)));
    findings.extend(target.service.preflight().await);
    findings
}

fn text(sections: &[(String, Vec<Finding>)]) -> String {
    let mut out = String::new();
    for (section, findings) in sections {
        let _ = writeln!(out, "{section}");
        for finding in findings {
            let word = match finding.severity {
                Severity::Ok => "ok",
                Severity::Note => "note",
                Severity::Warning => "warning",
                Severity::Error => "error",
            };
            let _ = writeln!(out, "  {word:7}  {}", harmless(&finding.what));
            if !finding.remedy.is_empty() {
                let _ = writeln!(out, "           → {}", harmless(&finding.remedy));
            }
        }
    }
    out
}
