//! Why a daemon could not be asked, with the place and what to do about it.

use std::io;
use std::path::PathBuf;

/// Why a daemon could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The answer did not come in one piece.
    #[error(
        "the daemon on `{}` broke off: {why}; see `popgate status` and the daemon's log, then try again",
        .path.display()
    )]
    Broken {
        /// The socket.
        path: PathBuf,
        /// How.
        why: String,
    },
    /// The system refused the connection.
    #[error(
        "talking to the daemon on `{}` failed: {source}; run this as root or as the user the daemon runs as",
        .path.display()
    )]
    Connecting {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Whoever listens there is neither root, nor this user, nor the owner of the state directory.
    #[error(
        "the user with id {uid} listens on `{}`, who is neither root, nor you, nor the owner of the state \
         directory; nothing was sent; find out who that is",
        .path.display()
    )]
    Impostor {
        /// The socket.
        path: PathBuf,
        /// Who.
        uid: u32,
    },
    /// Nobody listens.
    #[error("no daemon listens on `{}`; start it with `popgate run`", .path.display())]
    NoDaemon {
        /// The socket.
        path: PathBuf,
    },
    /// The daemon said no, before any command was carried out or for want of time.
    #[error("the daemon on `{}` answered {status}: {why}", .path.display())]
    Refused {
        /// The socket.
        path: PathBuf,
        /// The HTTP status.
        status: u16,
        /// The daemon's words.
        why: String,
    },
    /// No answer came in time.
    #[error(
        "the daemon on `{}` did not answer within {after} s and may still carry out what was asked; look at \
         its log before you ask again",
        .path.display()
    )]
    Silent {
        /// The socket.
        path: PathBuf,
        /// How many seconds.
        after: u64,
    },
    /// The answer is not understood.
    #[error(
        "the answer of the daemon on `{}` is not understood: {why}; the daemon is popgate {}, this is \
         popgate {}; use the same version for both",
        .path.display(), .version.as_deref().unwrap_or("of an unknown version"), env!("CARGO_PKG_VERSION")
    )]
    Strange {
        /// The socket.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
        /// The daemon's version, if it said so.
        version: Option<String>,
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
}
