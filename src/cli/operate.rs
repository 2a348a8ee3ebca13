//! `popgate suspend`, `resume` and `reconcile`: what an operator asks of a daemon, or writes down for the next one.

use super::apply::open_journal;
use super::args::{Resume as ResumeArgs, Suspend as SuspendArgs};
use super::exit::Exit;
use super::session::Session;
use super::{Failure, handover, plan};
use crate::engine::event::Command;
use crate::journal::entry::Record;
use crate::journal::fold::Suspension;

pub(super) async fn suspend(session: &Session, args: &SuspendArgs) -> Result<Exit, Failure> {
    if args.reason.trim().is_empty() {
        return Err(Failure::usage("a suspension needs a reason").help("say why: --reason \"CHG-1234 …\""));
    }
    let until = match &args.until {
        None => None,
        Some(text) => Some(plan::moment(text, &session.settings.timezone).ok_or_else(|| {
            Failure::usage(format!(
                "--until {text}: write a day (2027-01-01) or a moment (2027-01-01T08:00:00Z)"
            ))
        })?),
    };
    let now = session.clock.now().wall;
    if until.is_some_and(|until| until <= now) {
        return Err(Failure::usage("--until is in the past"));
    }
    let command = Command::Suspend { by: session.by.clone(), reason: args.reason.clone(), until };
    if let Some(exit) = handover::ask(session, &command, Exit::Operational).await? {
        return Ok(exit);
    }
    let suspension = Suspension { by: session.by.clone(), reason: args.reason.clone(), since: now, until };
    write_down(session, "suspend", &Record::Suspended { suspension })?;
    session.render.result("suspended\n");
    Ok(Exit::Success)
}

pub(super) async fn resume(session: &Session, args: &ResumeArgs) -> Result<Exit, Failure> {
    let command = Command::Resume { by: session.by.clone(), reason: args.reason.clone() };
    if let Some(exit) = handover::ask(session, &command, Exit::Operational).await? {
        return Ok(exit);
    }
    if session.ledger()?.suspended.is_none() {
        session.render.result("nothing was suspended\n");
        return Ok(Exit::Success);
    }
    write_down(session, "resume", &Record::Resumed { by: session.by.clone(), reason: args.reason.clone() })?;
    session.render.result("resumed\n");
    Ok(Exit::Success)
}

pub(super) async fn reconcile(session: &Session) -> Result<Exit, Failure> {
    let command = Command::Reconcile { by: session.by.clone() };
    match handover::ask(session, &command, Exit::Operational).await? {
        Some(exit) => Ok(exit),
        None => Err(Failure::operational("no daemon is running").help("`popgate apply` does it once")),
    }
}

fn write_down(session: &Session, command: &str, record: &Record) -> Result<(), Failure> {
    let mut held = open_journal(session, command)?;
    let now = held.ledger.seen(session.clock.now()).wall;
    let appended = held.journal.append(now, std::slice::from_ref(record), true);
    appended.map(drop).map_err(|error| Failure::operational(error.to_string()))
}
