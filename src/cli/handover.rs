//! Handing over to a running daemon through its control socket.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::apply::closed;
use super::args::{Apply as Args, RestartWhen};
use super::exit::Exit;
use super::session::{Opened, Session};
use super::{Failure, plan};
use crate::engine::event::Command;
use crate::engine::status::{Status, TargetStatus};
use crate::plan::PlanId;
use crate::report;
use crate::web::{DaemonStatus, client};

/// How long `apply` waits for the daemon to make the plan true.
const PATIENCE: Duration = Duration::from_mins(5);

/// How long after its wish a failed restart counts as the answer to it.
const ATTEMPT: Duration = Duration::from_secs(3);

/// Sends a command; `None` when no daemon is there. A refusal ends with `refused`.
pub(super) async fn ask(
    session: &Session,
    command: &Command,
    refused: Exit,
) -> Result<Option<Exit>, Failure> {
    if status(session).await?.is_none() {
        return Ok(None);
    }
    match tell(session, command).await? {
        Ok(text) => {
            session.render.result(&format!("{text}\n"));
            Ok(Some(Exit::Success))
        }
        Err(why) => Err(Failure::new(refused, why)),
    }
}

async fn status(session: &Session) -> Result<Option<DaemonStatus>, Failure> {
    client::status(session.state()).await.map_err(|error| Failure::operational(error.to_string()))
}

/// Sends a command; the inner result is the daemon's answer.
async fn tell(session: &Session, command: &Command) -> Result<Result<String, String>, Failure> {
    client::command(session.state(), command).await.map_err(|error| Failure::operational(error.to_string()))
}

/// Does what `apply` is asked by way of the daemon; `None` when whoever holds the lock is no daemon.
pub(super) async fn apply(
    session: &Session,
    targets: &[Opened],
    args: &Args,
) -> Result<Option<Exit>, Failure> {
    let Some(daemon) = status(session).await? else { return Ok(None) };
    if args.limit.is_some() || args.only.is_some() {
        return Err(Failure::new(Exit::Locked, "a daemon is running, and it applies whole plans")
            .help("stop it before using --limit or --only"));
    }
    let reads = session.desired(targets)?;
    let ledger = session.ledger()?;
    let mut plans = Vec::new();
    for (target, read) in targets.iter().zip(&reads) {
        let now = ledger.seen(session.clock.now());
        let live = plan::live(target, read, &ledger, now).await?;
        plans.push(plan::make(session, target, read, live, &ledger, now));
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
        let format = args.format.into();
        // A reader that has seen enough closes the pipe; that is no error.
        let _ = plan::write(targets, &reads, &plans, &[], format, session.render.color, exit, &mut out);
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
        let command = Command::Approve {
            id: PlanId::from_text(id),
            by: session.by.clone(),
            reason: args.reason.clone(),
        };
        let approved = tell(session, &command).await?.map_err(|why| Failure::new(Exit::Stale, why))?;
        session.render.remark(&approved);
    }
    tell(session, &Command::Reconcile { by: session.by.clone() }).await?.map_err(Failure::operational)?;
    session.render.remark(&format!("Handed over to the daemon (process {}); waiting for it.", daemon.pid));
    let digests = targets
        .iter()
        .zip(&reads)
        .map(|(target, read)| (target.name.clone(), read.desired.digest().short()))
        .collect();
    let services = targets.iter().map(|target| target.policy.service.name.clone()).collect();
    Wait { session, digests, services, restart: args.restart, asked: None }.until_done().await.map(Some)
}

/// Waits until the daemon made these targets as they are wanted.
struct Wait<'a> {
    session: &'a Session,
    /// The digest that each target must have in force.
    digests: BTreeMap<String, String>,
    /// The names of their services.
    services: BTreeSet<String>,
    restart: RestartWhen,
    /// When the daemon was asked to restart at once.
    asked: Option<Duration>,
}

impl Wait<'_> {
    async fn until_done(mut self) -> Result<Exit, Failure> {
        let start = self.session.clock.now().mono;
        loop {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let Some(daemon) = status(self.session).await? else {
                return Err(Failure::operational("the daemon stopped"));
            };
            let mut status = daemon.status;
            status.targets.retain(|target| self.digests.contains_key(&target.name));
            status.services.retain(|service| service.unknown || self.services.contains(&service.name));
            if let Some(exit) = self.look(&status).await? {
                if exit != Exit::Success {
                    self.show(&status);
                }
                return Ok(exit);
            }
            if self.session.clock.now().mono.saturating_sub(start) > PATIENCE {
                return Err(Failure::operational("the daemon is not done after 5 minutes")
                    .help("look at `popgate status`"));
            }
        }
    }

    async fn look(&mut self, status: &Status) -> Result<Option<Exit>, Failure> {
        if let Some(why) = &status.journal {
            return Err(Failure::operational(why.clone()).help("look at `popgate status`"));
        }
        if let Some((target, why)) = status.targets.iter().find_map(|t| t.store.as_ref().map(|why| (t, why)))
        {
            return Err(Failure::operational(format!("target {}: {why}", target.name)));
        }
        if status.suspended.as_ref().is_some_and(|held| held.holds(self.session.clock.now().wall)) {
            return Ok(Some(Exit::Locked));
        }
        if let Some(target) = status.targets.iter().find(|target| target.invalid.is_some()) {
            let why = format!("the desired state of target {} became invalid meanwhile", target.name);
            return Err(Failure::new(Exit::Invalid, why).help("run `popgate validate`"));
        }
        let seen = |target: &TargetStatus| target.digest.as_ref() == self.digests.get(&target.name);
        if status.targets.len() < self.digests.len() || !status.targets.iter().all(seen) {
            return Ok(None);
        }
        if status.targets.iter().all(|target| target.converged) {
            return Ok(Some(Exit::Success));
        }
        if status.targets.iter().any(|target| target.busy) {
            return Ok(None);
        }
        if let Some(target) = status.targets.iter().find(|target| target.closed) {
            self.session.render.remark(&closed(target));
            return Ok(Some(Exit::Locked));
        }
        let plans = || status.targets.iter().filter_map(|target| target.plan.as_ref());
        if plans().any(|plan| !plan.guards.is_empty()) {
            return Ok(Some(Exit::Guarded));
        }
        let owed = || status.services.iter().flat_map(|service| &service.owed);
        if owed().next().is_none() {
            let partial = status.targets.iter().any(|target| target.retrying + target.parked > 0)
                || plans().any(|plan| plan.blocked > 0);
            return Ok(partial.then_some(Exit::Partial));
        }
        if self.restart == RestartWhen::Defer {
            return Ok(Some(Exit::RestartOwed));
        }
        let now = self.session.clock.now().mono;
        let Some(asked) = self.asked else {
            self.asked = Some(now);
            let command = Command::Restart { by: self.session.by.clone(), reason: None };
            return Ok(match tell(self.session, &command).await? {
                Ok(_) => None,
                Err(why) => {
                    self.session.render.remark(&why);
                    Some(Exit::RestartOwed)
                }
            });
        };
        // A failure may be older than the wish; a new attempt says so soon enough.
        let failed = now.saturating_sub(asked) > ATTEMPT && owed().any(|owed| owed.failure.is_some());
        Ok(failed.then_some(Exit::RestartFailed))
    }

    fn show(&self, status: &Status) {
        let mut text = String::new();
        // Writing to a `String` cannot fail.
        let _ = report::status::text(status, &self.session.settings.timezone, &mut text);
        self.session.render.message(&text);
    }
}
