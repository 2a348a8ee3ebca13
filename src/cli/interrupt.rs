//! Commands that read, and a signal while they do: what they opened elsewhere is closed before the process ends. Of these,
//! `approve` ends with one record for the journal, which is on the disk or not.
//!
//! Whatever writes to a store has the driver, which knows what may be given up.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use super::Failure;
use super::exit::Exit;

/// How long the process may take to go after a signal: longer than sessions may take to close.
const GRACE: Duration = Duration::from_secs(8);

/// Carries out a command, or as much of it as there was time for before a signal.
pub(super) async fn or_done(work: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    let listening = |error: std::io::Error| Failure::operational(format!("listening for signals: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(listening)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(listening)?;
    let (tell, told) = oneshot::channel();
    let watch = tokio::spawn(async move {
        let number = tokio::select! {
            _ = interrupt.recv() => 2,
            _ = terminate.recv() => 15,
        };
        // Nobody listens any more when the command was quicker.
        let _heard = tell.send(number);
        // The second signal, or none: the command may be in the middle of something that nobody can interrupt.
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            () = tokio::time::sleep(GRACE) => {}
        }
        end(Exit::Interrupted(number));
    });
    let done = tokio::select! {
        biased;
        Ok(number) = told => return Ok(Exit::Interrupted(number)),
        done = work => done,
    };
    watch.abort();
    done
}

#[expect(clippy::disallowed_methods, reason = "a command that reads leaves nothing half done")]
fn end(exit: Exit) {
    std::process::exit(exit.code().into());
}
