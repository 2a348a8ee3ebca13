//! The loop that takes connections, and who may have one. Says nothing about what the requests mean.

use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::UnixStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::socket::{Socket, own_uid};
use super::{Control, routes};

/// The most connections at a time; more wait in the system's queue.
const CONNECTIONS: usize = 64;

/// The most bytes of a request's line and headers.
const LONGEST_HEAD: usize = 16 * 1024;

/// How long to wait after the system refused a connection, for example because too many files are open.
const BREATHER: Duration = Duration::from_millis(200);

/// How long each part of a conversation may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Until the request's headers are there.
    pub(super) head: Duration,
    /// Until its body is there.
    pub(super) body: Duration,
    /// Until the daemon takes a command.
    pub(super) taken: Duration,
    /// Until the daemon answers a command it took. Less than the client waits, so that it hears why.
    pub(super) reply: Duration,
    /// All in all; also ends a conversation whose other side does not read.
    pub(super) whole: Duration,
    /// After the end of serving.
    pub(super) drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(5),
            body: Duration::from_secs(5),
            taken: Duration::from_secs(5),
            reply: Duration::from_secs(45),
            whole: Duration::from_secs(90),
            drain: Duration::from_secs(2),
        }
    }
}

/// Who is at the other end, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    /// Root, or the user this process acts as.
    Welcome,
    /// Anybody else, or somebody the kernel does not name.
    Stranger,
}

impl Peer {
    /// Judges a peer by its user id.
    pub(super) fn of(peer: Option<u32>, own: Option<u32>) -> Self {
        match peer {
            Some(0) => Self::Welcome,
            Some(_) if peer == own => Self::Welcome,
            _ => Self::Stranger,
        }
    }
}

/// Serves until `shutdown`.
pub(super) async fn attend(socket: Socket, control: Control, limits: Limits, shutdown: CancellationToken) {
    let own = own_uid().ok();
    let router = routes::router(control, limits);
    let mut conversations = JoinSet::new();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            Some(ended) = conversations.join_next() => report(ended),
            accepted = socket.listener.accept(), if conversations.len() < CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    let uid = stream.peer_cred().ok().map(|peer| peer.uid());
                    let peer = Peer::of(uid, own);
                    if peer == Peer::Stranger {
                        tracing::warn!(uid, "Refused a stranger on the control socket.");
                    }
                    conversations.spawn(converse(stream, peer, router.clone(), limits));
                }
                Err(error) => {
                    tracing::warn!("Taking a connection on the control socket failed: {error}.");
                    sleep(BREATHER).await;
                }
            },
        }
    }
    socket.close();
    let drained = async {
        while let Some(ended) = conversations.join_next().await {
            report(ended);
        }
    };
    if timeout(limits.drain, drained).await.is_err() {
        tracing::debug!("Left {} conversations on the control socket unfinished.", conversations.len());
    }
}

/// One connection: one request, one answer.
pub(super) async fn converse(stream: UnixStream, peer: Peer, router: Router, limits: Limits) {
    let router = if peer == Peer::Welcome { router } else { routes::refusing() };
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .keep_alive(false)
        // Shell tools close their side as soon as they have sent the request.
        .half_close(true)
        .max_buf_size(LONGEST_HEAD)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    match timeout(limits.whole, served).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!("A conversation on the control socket broke off: {error}."),
        Err(_) => tracing::debug!("A conversation on the control socket took too long."),
    }
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!("A conversation on the control socket failed: {error}.");
    }
}
