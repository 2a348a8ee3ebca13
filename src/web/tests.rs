//! Real sockets, and a fake daemon behind them.

mod commands;
mod hostile;
mod socket_file;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::connection::{Limits, attend};
use super::socket::Address;
use super::*;
use crate::engine::status::TargetStatus;
use crate::model::{Counts, Digest};
use crate::plan::{PlanId, Summary};

/// A served socket in a directory of its own.
struct World {
    dir: TempDir,
    requests: mpsc::Receiver<Request>,
    publish: watch::Sender<Arc<Snapshot>>,
    shutdown: CancellationToken,
    serving: JoinHandle<()>,
}

impl World {
    async fn new() -> Self {
        Self::with(Limits::default(), 8).await
    }

    async fn with(limits: Limits, queue: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (control, requests, publish) = control(queue);
        let shutdown = CancellationToken::new();
        let socket = Socket::bind(dir.path()).await.unwrap();
        let serving = tokio::spawn(attend(socket, control, limits, shutdown.clone()));
        Self { dir, requests, publish, shutdown, serving }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Sends bytes as they are and returns everything that comes back.
    async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = UnixStream::connect(&address(self.path()).path).await.unwrap();
        // The server may close before it has read everything.
        let _sent = stream.write_all(bytes).await;
        answer(&mut stream).await
    }

    async fn get(&self, uri: &str) -> String {
        self.raw(format!("GET {uri} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await
    }

    async fn post(&self, body: &str) -> String {
        let head = format!("POST /v1/command HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", body.len());
        self.raw(format!("{head}{body}").as_bytes()).await
    }

    /// The server is well if it still answers.
    async fn assert_alive(&self) {
        let status = client::status(self.path()).await.unwrap().unwrap();
        assert_eq!(status.pid, 4711);
    }
}

/// Temporary directories may have long paths.
fn address(dir: &Path) -> Address {
    Address::of(dir).unwrap().unwrap()
}

async fn answer(stream: &mut UnixStream) -> String {
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    // A connection that was closed with unread bytes in it ends with an error behind the answer.
    let _ended = tokio::time::timeout(Duration::from_secs(20), read).await.expect("an answer in time");
    String::from_utf8(answer).unwrap()
}

fn control(queue: usize) -> (Control, mpsc::Receiver<Request>, watch::Sender<Arc<Snapshot>>) {
    let (sender, requests) = mpsc::channel(queue);
    let (publish, snapshot) = watch::channel(Arc::new(snapshot()));
    (Control { requests: sender, snapshot }, requests, publish)
}

fn snapshot() -> Snapshot {
    let target = |name: &str| TargetStatus { name: name.to_owned(), ..TargetStatus::default() };
    let targets = vec![target("cloud"), target("idle"), target("on prem")];
    Snapshot {
        status: Status { live: true, targets, ..Status::default() },
        plans: Vec::new(),
        pid: 4711,
        started: "2026-01-02T03:04:05Z".parse().unwrap(),
        version: "1.2.3".to_owned(),
    }
}

fn plan(target: &str, enable: u64) -> Arc<Plan> {
    Arc::new(Plan {
        id: PlanId::of(target, std::iter::empty()),
        target: target.to_owned(),
        digest: Digest([7; 32]),
        generated_at: Timestamp::UNIX_EPOCH,
        changes: Vec::new(),
        held: Vec::new(),
        blocked: Vec::new(),
        notes: Vec::new(),
        guards: Vec::new(),
        effects: Vec::new(),
        summary: Summary { enable, ..Summary::default() },
        counts: Counts::default(),
        bind: Vec::new(),
        unsatisfied: Vec::new(),
        context: crate::plan::Context::default(),
    })
}

fn short() -> Limits {
    let short = Duration::from_millis(150);
    Limits { head: short, body: short, taken: short, reply: short, whole: 20 * short, drain: short }
}
