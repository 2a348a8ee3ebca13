//! Handing over to a running daemon through its control socket.

use std::time::Duration;

use super::args::Apply as Args;
use super::exit::Exit;
use super::session::{Opened, Session};
use super::{Failure, plan};
use crate::engine::event::Command;
use crate::plan::PlanId;
use crate::report;
use crate::web::client;

/// How long `apply` waits for the daemon to make the plan true.
const PATIENCE: Duration = Duration::from_mins(5);

/// Sends a command; `None` when no daemon is there. A refusal ends with `refused`.
pub(super) async fn ask(
    session: &Session,
    command: &Command,
    refused: Exit,
) -> Result<Option<Exit>, Failure> {
    let daemon =
        client::status(session.state()).await.map_err(|error| Failure::operational(error.to_string()))?;
    if daemon.is_none() {
        return Ok(None);
    }
    match client::command(session.state(), command)
        .await
        .map_err(|error| Failure::operational(error.to_string()))?
    {
        Ok(text) => {
            session.render.result(&format!("{text}\n"));
            Ok(Some(Exit::Success))
        }
        Err(why) => Err(Failure::new(refused, why)),
    }
}

/// Does what `apply` is asked by way of the daemon; `None` when whoever holds the lock is no daemon.
pub(super) async fn apply(
    session: &Session,
    targets: &[Opened],
    args: &Args,
) -> Result<Option<Exit>, Failure> {
    let daemon =
        client::status(session.state()).await.map_err(|error| Failure::operational(error.to_string()))?;
    let Some(daemon) = daemon else { return Ok(None) };
    if args.limit.is_some() || args.only.is_some() {
        return Err(Failure::new(Exit::Locked, "a daemon is running, and it applies whole plans")
            .help("stop it before using --limit or --only"));
    }
    let reads = session.desired(targets)?;
    let ledger = session.ledger()?;
    let mut plans = Vec::new();
    for (target, read) in targets.iter().zip(&reads) {
        let live = target.reader()?.read().await?;
        plans.push(plan::make(session, target, read, &live, &ledger, session.clock.now()));
    }
    let wanted = args.plan.as_deref().map(PlanId::from_text);
    if let Some(wanted) = &wanted
        && !plans.iter().any(|plan| plan.id == *wanted)
    {
        return Err(Failure::new(Exit::Stale, format!("the plan is not {wanted} any more"))
            .help("look at `popgate plan` again"));
    }
    {
        let mut out = session.render.stream();
        let exit = plans.iter().map(plan::exit_of).fold(Exit::Success, Exit::or);
        plan::write(session, targets, &reads, &plans, args.format, session.render.color, exit, &mut out);
    }
    let changes = plans.iter().map(|plan| plan.admitted().count()).sum::<usize>();
    if changes > 0 && !args.yes {
        if !session.render.has_person() {
            return Err(
                Failure::usage("there is nobody to ask").help("give --yes to apply without a question")
            );
        }
        if !session.render.ask(&format!("Let the daemon (process {}) apply {changes} changes?", daemon.pid)) {
            session.render.remark("Nothing was written.");
            return Ok(Some(Exit::Success));
        }
    }
    if let Some(id) = &args.approve {
        let command =
            Command::Approve { id: PlanId::from_text(id), by: session.by(), reason: args.reason.clone() };
        ask(session, &command, Exit::Stale).await?;
    }
    ask(session, &Command::Reconcile { by: session.by() }, Exit::Operational).await?;
    session.render.remark(&format!("Handed over to the daemon (process {}); waiting for it.", daemon.pid));
    let digests: Vec<String> = reads.iter().map(|read| read.desired.digest().short()).collect();
    wait(session, &digests).await.map(Some)
}

async fn wait(session: &Session, digests: &[String]) -> Result<Exit, Failure> {
    let start = session.clock.now().mono;
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let daemon =
            client::status(session.state()).await.map_err(|error| Failure::operational(error.to_string()))?;
        let Some(daemon) = daemon else { return Err(Failure::operational("the daemon stopped")) };
        let status = daemon.status;
        let seen = status.targets.iter().filter_map(|target| target.digest.as_ref()).collect::<Vec<_>>();
        if digests.iter().all(|digest| seen.contains(&digest)) {
            let plans = || status.targets.iter().filter_map(|target| target.plan.as_ref());
            if plans().any(|plan| !plan.guards.is_empty()) {
                return Ok(Exit::Guarded);
            }
            if status.targets.iter().all(|target| target.converged) {
                return Ok(Exit::Success);
            }
            let written = plans().all(|plan| plan.enable + plan.disable == 0);
            if plans().any(|plan| plan.blocked > 0) && written {
                return Ok(Exit::Partial);
            }
            if written && status.services.iter().any(|service| !service.owed.is_empty()) {
                let _ =
                    report::status::text(&status, &session.settings.timezone, &mut session.render.stream());
                return Ok(Exit::RestartOwed);
            }
        }
        if session.clock.now().mono.saturating_sub(start) > PATIENCE {
            return Err(Failure::operational("the daemon is not done after 5 minutes")
                .help("look at `popgate status`"));
        }
    }
}
