//! `popgate approve`: somebody's word for a blocked plan, or for one change that was held back.

use super::apply::{Held, open_journal};
use super::args::Approve as Args;
use super::exit::Exit;
use super::session::{Opened, Session};
use super::{Failure, handover, plan};
use crate::engine::event::{Command, DesiredRead};
use crate::journal::entry::Record;
use crate::plan::{NotApproved, PlanId};

pub(super) async fn run(session: &Session, args: &Args) -> Result<Exit, Failure> {
    let id = PlanId::from_text(&args.id);
    if args.reason.trim().is_empty() {
        return Err(Failure::usage("an approval needs a reason").help("say why: --reason \"CHG-1234 …\""));
    }
    let command = Command::Approve { id: id.clone(), by: session.by.clone(), reason: args.reason.clone() };
    if let Some(exit) = handover::ask(session, &command, Exit::Stale).await? {
        return Ok(exit);
    }
    // No daemon: the approval goes into the journal, for the next `apply` or `run`.
    let targets = session.targets()?;
    let reads = session.desired(&targets)?;
    let mut held = open_journal(session, "approve")?;
    let count = write_down(session, &targets, &reads, &mut held, &id, &args.reason).await?;
    let what = if count == 1 { "1 change".to_owned() } else { format!("{count} changes") };
    session.render.result(&format!("approved {id}: {what}, for 24 hours\n"));
    Ok(Exit::Success)
}

/// Writes an approval of the one target's plan or held change that has this id into the journal. Returns how many
/// changes it names.
pub(super) async fn write_down(
    session: &Session,
    targets: &[Opened],
    reads: &[DesiredRead],
    held: &mut Held,
    id: &PlanId,
    reason: &str,
) -> Result<usize, Failure> {
    let mut refused = NotApproved::Unknown(id.clone());
    for (target, read) in targets.iter().zip(reads) {
        let now = held.ledger.seen(session.clock.now());
        let live = plan::live(target, read, &held.ledger, now).await?;
        let plan = plan::make(session, target, read, live, &held.ledger, now);
        let approval = match plan.approve(id, &session.by, reason, now.wall) {
            Ok(approval) => approval,
            Err(why) => {
                if matches!(why, NotApproved::Nothing(_)) {
                    refused = why;
                }
                continue;
            }
        };
        let count = approval.changes.len();
        let record = Record::Approved { target: target.name.clone(), approval };
        let failed = |error: crate::journal::JournalError| Failure::operational(error.to_string());
        let (seq, _) = held.journal.append(now.wall, std::slice::from_ref(&record), true).map_err(failed)?;
        held.ledger.apply(seq, now.wall, &record);
        return Ok(count);
    }
    Err(Failure::new(Exit::Stale, refused.to_string()).help("look at `popgate plan` again"))
}
