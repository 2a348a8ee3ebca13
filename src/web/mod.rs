//! The control socket of a running daemon: one axum router on a Unix socket in the state directory, and the
//! [`client`] that the command line talks to it with.
//!
//! | request | answer |
//! |---|---|
//! | `GET /v1/status` | [`DaemonStatus`] |
//! | `GET /v1/plan?target=NAME` | id and counts of the target's last plan; the name may be left out when there is one plan |
//! | `POST /v1/command` with a [`Command`] | `200 {"ok": text}`, or `409 {"error": text}` when it was refused |
//!
//! Everything else is an error with a status of 400 or above and `{"error": text}`.
//!
//! What is served is a published [`Snapshot`], and what is asked goes through a channel as a [`Request`]: this
//! module never holds a lock into the engine, knows no store and no service, and decides nothing. Only root and
//! the user the daemon runs as may talk to it; the kernel says who the peer is, so there is no password.
//!
//! Not here yet: the read-only status page, `/metrics`, `/livez` and `/readyz` on TCP. They belong in a file beside
//! `routes`, read the same [`Snapshot`], and get a router of their own, so that no command can be given over TCP.

pub mod client;
mod connection;
mod routes;
mod socket;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::engine::event::Command;
use crate::engine::status::Status;
use crate::plan::Plan;

pub use socket::{Socket, socket_path};

/// What the control socket has of the daemon: what it says of itself, and a way to ask it for something.
#[derive(Clone, Debug)]
pub struct Control {
    /// Where commands go.
    pub requests: mpsc::Sender<Request>,
    /// The latest snapshot; the daemon publishes a new one after each turn.
    pub snapshot: watch::Receiver<Arc<Snapshot>>,
}

/// One command on its way to the daemon.
#[derive(Debug)]
pub struct Request {
    /// What is asked.
    pub command: Command,
    /// Where the answer goes: what was done, or why it was refused. Sending fails when nobody waits any longer,
    /// which is not a reason to leave the command undone. Dropping it means that the daemon is leaving.
    pub reply: oneshot::Sender<Result<String, String>>,
}

/// What the daemon says of itself at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// How everything stands.
    pub status: Status,
    /// The last plan of each target that has one.
    pub plans: Vec<Arc<Plan>>,
    /// The daemon's process id.
    pub pid: u32,
    /// When the daemon started.
    pub started: Timestamp,
    /// The daemon's version of popgate.
    pub version: String,
}

/// What `GET /v1/status` answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DaemonStatus {
    /// The daemon's version of popgate.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// When it started.
    pub started: Timestamp,
    /// How everything stands.
    pub status: Status,
}

/// Serves the control socket in `state_dir` until `shutdown`; then removes it and gives the requests in flight two
/// seconds to end. Dropping the future removes the socket, too.
///
/// The caller must hold the lock on the state directory. To learn that the socket cannot be bound before anything
/// else starts, use [`Socket::bind`] and [`Socket::serve`] instead.
pub async fn serve(
    state_dir: &Path,
    control: Control,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    Socket::bind(state_dir).await?.serve(control, shutdown).await;
    Ok(())
}

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Somebody answers there.
    #[error(
        "another popgate answers on `{}`; stop it first, or give this one another `state:` directory",
        .path.display()
    )]
    Answered {
        /// The socket.
        path: PathBuf,
    },
    /// Something else has the socket's name.
    #[error("`{}` is in the way: it is not a socket; move it away, then start popgate again", .path.display())]
    InTheWay {
        /// What is in the way.
        path: PathBuf,
    },
    /// The path does not fit into a socket address.
    #[error(
        "the path `{}` is too long for a Unix socket, and `/proc` is not there to shorten it; \
         choose a shorter `state:` directory",
        .path.display()
    )]
    TooLong {
        /// The socket.
        path: PathBuf,
    },
    /// The system refused something else.
    #[error(
        "{what} `{}` failed: {source}; the state directory must be on a local file system that takes Unix \
         sockets, and belong to the user popgate runs as",
        .path.display()
    )]
    Io {
        /// What was attempted, such as "binding the control socket".
        what: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}
