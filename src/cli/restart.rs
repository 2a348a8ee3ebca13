//! `popgate restart`: settles what is owed.

use std::sync::{Arc, Mutex};

use super::apply::{conclude, drive_once, mode, open_journal};
use super::args::Restart as Args;
use super::exit::Exit;
use super::progress::Progress;
use super::session::Session;
use super::{Failure, handover};
use crate::daemon::Hooks;
use crate::engine::effect::Notice;
use crate::engine::event::{Command, Decision};
use crate::engine::{Goal, Restarts};
use crate::journal::entry::{Proof, Record};
use crate::journal::fold::Ledger;

pub(super) async fn run(session: &Session, args: &Args) -> Result<Exit, Failure> {
    let command = if args.done {
        Command::RestartDone { by: session.by.clone() }
    } else {
        Command::Restart { by: session.by.clone(), reason: args.reason.clone().filter(|_| args.now) }
    };
    if let Some(exit) = handover::ask(session, &command, Exit::RestartOwed).await? {
        return Ok(exit);
    }
    let targets = session.targets()?;
    let mut held = open_journal(session, "restart")?;
    // With one target chosen, what other services owe stays owed.
    let keys: Vec<&String> = targets.iter().map(|target| &target.policy.service.key).collect();
    let meant = |key: &String| session.global.target.is_none() || keys.contains(&key);
    let debts = |ledger: &Ledger| {
        let services = ledger.services.iter().filter(|(key, _)| meant(key));
        services
            .flat_map(|(key, service)| service.debts.iter().map(|owed| (key.clone(), owed.clone())))
            .collect::<Vec<_>>()
    };
    let owed = debts(&held.ledger);
    if owed.is_empty() {
        session.render.result("no restart is owed\n");
        return Ok(Exit::Success);
    }
    let failed = |error: crate::journal::JournalError| Failure::operational(error.to_string());
    let now = held.ledger.seen(session.clock.now()).wall;
    if args.done {
        let told = Proof::Told { by: session.by.clone() };
        let records: Vec<Record> = owed
            .into_iter()
            .map(|(service, owed)| Record::Settled {
                service,
                instance: owed.instance,
                proof: told.clone(),
                covers: owed.last_write,
                unconfirmed: false,
            })
            .collect();
        held.journal.append(now, &records, true).map_err(failed)?;
        session.render.result(&format!("{} settled\n", records.len()));
        return Ok(Exit::Success);
    }
    if let Some(reason) = args.reason.clone().filter(|_| args.now) {
        let record = Record::Urged { by: session.by.clone(), reason };
        let (seq, _) = held.journal.append(now, std::slice::from_ref(&record), true).map_err(failed)?;
        held.ledger.apply(seq, now, &record);
    }
    let progress = Mutex::new(Progress::new(session.render, &targets));
    let mut notice =
        |notice: &Notice| progress.lock().unwrap_or_else(std::sync::PoisonError::into_inner).notice(notice);
    let hooks = Hooks {
        notice: &mut notice,
        decide: Arc::new(|_| Decision::Decline),
        requests: None,
        publish: None,
        watch: false,
        reload: None,
    };
    let goal = Goal::Settle(if args.now { Restarts::Forced } else { Restarts::AtOnce });
    let mode = mode(session, goal, false, None, None);
    let driven = drive_once(session, &targets, held, mode, hooks).await?;
    Ok(conclude(session, &targets.iter().collect::<Vec<_>>(), &driven))
}
