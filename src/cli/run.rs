//! `popgate run`: the daemon.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::Failure;
use super::apply::{Held, conclude, drive_once, mode, open_journal, starts, world};
use super::args::Run as Args;
use super::exit::Exit;
use super::progress::Progress;
use super::reload;
use super::session::{Opened, Session};
use crate::daemon::notify::Notifier;
use crate::daemon::snapshot::Schedule;
use crate::daemon::{Hooks, drive};
use crate::elsewhere;
use crate::engine::effect::Notice;
use crate::engine::event::Decision;
use crate::engine::status::{Status, UNKNOWN};
use crate::engine::{Engine, Goal, Restarts};
use crate::web;

pub(super) async fn run(session: &Session, args: &Args) -> Result<Exit, Failure> {
    let targets = session.targets()?;
    let mut progress = Progress::new(session.render, &targets);
    let mut notice = |notice: &Notice| progress.notice(notice);
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
            reload: None,
        };
        let mode = mode(session, Goal::Once(Restarts::AtOnce), false, None, None);
        let driven = drive_once(session, &targets, held, mode, hooks).await?;
        return Ok(conclude(session, &targets.iter().collect::<Vec<_>>(), &driven));
    }
    let signal = serve(session, held).await?;
    tracing::info!("popgate stopped; what is owed stands in the journal.");
    Ok(signal.map_or(Exit::Success, Exit::Interrupted))
}

/// Runs the daemon with its control socket, and anew whenever the settings are others. Returns the signal that
/// ended it.
async fn serve(first: &Session, held: Held) -> Result<Option<i32>, Failure> {
    let (send, requests) = mpsc::channel(16);
    let empty = web::Snapshot {
        status: Status::default(),
        plans: Vec::new(),
        pid: std::process::id(),
        started: first.clock.now().wall,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let (publish, snapshot) = watch::channel(Arc::new(empty));
    let shutdown = CancellationToken::new();
    let control = web::Control { requests: send, snapshot };
    let socket = web::Socket::bind(first.state()).await;
    let socket = socket.map_err(|error| Failure::operational(error.to_string()))?;
    let server = tokio::spawn(socket.serve(control, shutdown.clone()));
    let driven = rounds(first, held, requests, &publish).await;
    shutdown.cancel();
    drop(tokio::time::timeout(Duration::from_secs(1), server).await);
    driven
}

/// Drives one engine after the other, each with the settings of its time.
async fn rounds(
    first: &Session,
    held: Held,
    requests: mpsc::Receiver<web::Request>,
    publish: &watch::Sender<Arc<web::Snapshot>>,
) -> Result<Option<i32>, Failure> {
    let journal = Arc::new(Mutex::new(held.journal));
    let (mut ledger, mut requests) = (held.ledger, Some(requests));
    let mut fresh: Option<Session> = None;
    let mut notifier = first.settings.notify.clone().map(Notifier::start);
    loop {
        let session = fresh.as_ref().unwrap_or(first);
        let targets = session.targets()?;
        say_start(session, &targets);
        let mut progress = Progress::new(session.render, &targets);
        let mut notice = |notice: &Notice| {
            progress.notice(notice);
            if let Some(notifier) = &mut notifier {
                notifier.hear(notice, session.clock.now().wall);
            }
        };
        let mut next = None;
        let mut again = || {
            next = reload::read(session);
            next.is_some()
        };
        let hooks = Hooks {
            notice: &mut notice,
            decide: Arc::new(|_| Decision::Proceed),
            requests: requests.take(),
            publish: Some(publish.clone()),
            watch: true,
            reload: Some(&mut again),
        };
        let mode = mode(session, Goal::Run, false, None, None);
        let starts = starts(session, &targets, &ledger, true);
        let engine = Engine::new(mode, ledger.clone(), starts, session.clock.now());
        let engine = engine.with_services(session.services()).planning_with(elsewhere::both);
        for service in engine.status(session.clock.now()).services.iter().filter(|service| service.unknown) {
            tracing::error!("A restart of {} is owed, and nobody will do it: {UNKNOWN}.", service.name);
        }
        let mut world = world(session, &targets, Some(Arc::clone(&journal)), true);
        world.snapshots = targets.iter().filter_map(snapshot).collect();
        let driven = drive(engine, world, session.clock, hooks).await;
        let driven = match driven {
            Ok(driven) if driven.reload => driven,
            ended => {
                if let Some(notifier) = notifier {
                    notifier.finish().await;
                }
                let ended = ended.map_err(|error| Failure::operational(error.to_string()))?;
                return Ok(ended.signal);
            }
        };
        requests = driven.requests;
        ledger = reload::begin(session, &journal)?;
        if let Some(next) = next.filter(|next| reload::accept(session, next, &ledger)) {
            if next.settings.notify != session.settings.notify {
                if let Some(notifier) = notifier.take() {
                    notifier.finish().await;
                }
                notifier = next.settings.notify.clone().map(Notifier::start);
            }
            fresh = Some(next);
        }
    }
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
        Engine::new(mode, ledger.clone(), starts(session, targets, &ledger, false), session.clock.now());
    let hooks = Hooks {
        notice,
        decide: Arc::new(|_| Decision::Decline),
        requests: None,
        publish: None,
        watch: true,
        reload: None,
    };
    let world = world(session, targets, None, false);
    let driven = drive(engine, world, session.clock, hooks).await;
    let driven = driven.map_err(|error| Failure::operational(error.to_string()))?;
    Ok(driven.signal.map_or(Exit::Success, Exit::Interrupted))
}

/// The snapshot that is kept of a target, if one is.
fn snapshot(target: &Opened) -> Option<(String, Schedule)> {
    let (file, policy) = (target.snapshot()?, target.policy.clone());
    let schedule = Schedule { path: file.path.clone(), interval: file.interval, policy };
    Some((target.name.clone(), schedule))
}

fn say_start(session: &Session, targets: &[Opened]) {
    for target in targets {
        tracing::info!(
            "Watching {} for target {}; the service is {}. State is kept in {}.",
            target.source,
            target.name,
            target.policy.service.name,
            session.state().display()
        );
    }
}
