//! `popgate status`: from the running daemon, or else from the journal.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Failure;
use super::args::{Format, Status as Args};
use super::exit::Exit;
use super::session::Session;
use crate::engine::status::{ServiceStatus, Status, of_ledger, unknown};
use crate::report;
use crate::web::client;

pub(super) async fn run(session: &Session, args: &Args) -> Result<Exit, Failure> {
    let start = session.clock.now().mono;
    let status = loop {
        let status = ask(session).await?;
        let settled = status.targets.iter().all(|target| target.converged);
        if !args.wait || settled && status.live {
            break status;
        }
        if !status.live {
            return Err(Failure::operational("no daemon is running, so there is nothing to wait for")
                .help("start one with `popgate run`"));
        }
        if session.clock.now().mono.saturating_sub(start) > Duration::from_secs(args.timeout) {
            show(session, &status, args.format);
            return Err(Failure::operational(format!("not as desired after {} s", args.timeout)));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    show(session, &status, args.format);
    Ok(Exit::Success)
}

/// Asks the daemon or the journal, and keeps what concerns the targets that were asked for.
async fn ask(session: &Session) -> Result<Status, Failure> {
    let mut status = everything(session).await?;
    if session.global.target.is_some() {
        let targets = session.targets()?;
        let named = |name: &str| targets.iter().any(|target| target.name == name);
        let serves = |name: &str| targets.iter().any(|target| target.policy.service.name == name);
        status.targets.retain(|target| named(&target.name));
        status.services.retain(|service| serves(&service.name));
    }
    Ok(status)
}

async fn everything(session: &Session) -> Result<Status, Failure> {
    let daemon =
        client::status(session.state()).await.map_err(|error| Failure::operational(error.to_string()))?;
    if let Some(daemon) = daemon {
        return Ok(daemon.status);
    }
    let ledger = session.ledger()?;
    let mut status = of_ledger(&ledger);
    // The journal knows services by key; a person knows them by name. One that the settings do not name any more
    // is worth a word only as long as it owes something.
    let names: BTreeMap<String, String> = session
        .every_target()
        .into_iter()
        .map(|target| (target.policy.service.key, target.policy.service.name))
        .collect();
    status.services = ledger
        .services
        .iter()
        .zip(status.services)
        .filter_map(|((key, known), service)| match names.get(key) {
            Some(name) => Some(ServiceStatus { name: name.clone(), ..service }),
            None => unknown(known),
        })
        .collect();
    Ok(status)
}

fn show(session: &Session, status: &Status, format: Format) {
    let mut out = session.render.stream();
    let _ = match format {
        Format::Text => report::status::text(status, &session.settings.timezone, &mut out),
        Format::Json => report::status::json(status, &mut out),
    };
}
