//! `popgate run`: the daemon.

use std::sync::{Arc, Mutex};

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::Failure;
use super::apply::{Held, conclude, drive_once, mode, open_journal, starts, world};
use super::args::Run as Args;
use super::exit::Exit;
use super::progress::Progress;
use super::session::{Opened, Session};
use crate::daemon::{Driven, Hooks, drive};
use crate::engine::effect::Notice;
use crate::engine::event::Decision;
use crate::engine::status::Status;
use crate::engine::{Engine, Goal, Restarts};
use crate::web;

pub(super) async fn run(session: &Session, args: &Args) -> Result<Exit, Failure> {
    let targets = session.targets()?;
    let progress = Mutex::new(Progress::new(session.render, &targets));
    let mut notice =
        |notice: &Notice| progress.lock().unwrap_or_else(std::sync::PoisonError::into_inner).notice(notice);
    if args.observe {
        return observe(session, &targets, &mut notice).await;
    }
    let held = open_journal(session, "run")?;
    if args.once {
        let hooks = Hooks {
            notice: &mut notice,
            decide: Arc::new(|_| Decision::Proceed),
            requests: None,
            publish: None,
            watch: false,
        };
        let mode = mode(session, Goal::Once(Restarts::AtOnce), false, None, None);
        let driven = drive_once(session, &targets, held, mode, hooks).await?;
        return Ok(conclude(session, &targets.iter().collect::<Vec<_>>(), &driven));
    }
    say_start(session, &targets);
    let driven = serve(session, &targets, held, &mut notice).await?;
    tracing::info!("popgate stopped; what is owed stands in the journal.");
    Ok(driven.signal.map_or(Exit::Success, Exit::Interrupted))
}

/// Runs the daemon with its control socket.
async fn serve(
    session: &Session,
    targets: &[Opened],
    held: Held,
    notice: &mut (dyn FnMut(&Notice) + Send),
) -> Result<Driven, Failure> {
    let (send, requests) = mpsc::channel(16);
    let started = session.clock.now().wall;
    let empty = web::Snapshot {
        status: Status::default(),
        plans: Vec::new(),
        pid: std::process::id(),
        started,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let (publish, snapshot) = watch::channel(Arc::new(empty));
    let shutdown = CancellationToken::new();
    let control = web::Control { requests: send, snapshot };
    let socket = web::Socket::bind(session.state()).await;
    let socket = socket.map_err(|error| Failure::operational(error.to_string()))?;
    let server = tokio::spawn(socket.serve(control, shutdown.clone()));
    let hooks = Hooks {
        notice,
        decide: Arc::new(|_| Decision::Proceed),
        requests: Some(requests),
        publish: Some(publish),
        watch: true,
    };
    let mode = mode(session, Goal::Run, false, None, None);
    let driven = drive_once(session, targets, held, mode, hooks).await;
    shutdown.cancel();
    drop(tokio::time::timeout(std::time::Duration::from_secs(1), server).await);
    driven
}

/// Plans and logs with stores that cannot write, without a journal of its own.
async fn observe(
    session: &Session,
    targets: &[Opened],
    notice: &mut (dyn FnMut(&Notice) + Send),
) -> Result<Exit, Failure> {
    say_start(session, targets);
    let ledger = session.ledger()?;
    let mode = mode(session, Goal::Observe, false, None, None);
    let engine =
        Engine::new(mode, ledger.clone(), starts(session, targets, &ledger, false)?, session.clock.now());
    let hooks =
        Hooks { notice, decide: Arc::new(|_| Decision::Decline), requests: None, publish: None, watch: true };
    let world = world(session, targets, None, false)?;
    let driven = drive(engine, world, session.clock, hooks).await;
    let driven = driven.map_err(|error| Failure::operational(error.to_string()))?;
    Ok(driven.signal.map_or(Exit::Success, Exit::Interrupted))
}

fn say_start(session: &Session, targets: &[Opened]) {
    for target in targets {
        tracing::info!(
            "Watching {} for target {}; the service is {}. State is kept in {}.",
            target.directory.display(),
            target.name,
            target.policy.service.name,
            session.state().display()
        );
    }
}
