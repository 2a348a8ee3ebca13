//! Access in a `SQLite` file: one that a mail server reads, or popgate's own.
//!
//! Reading opens the file read-only, each time anew; writing keeps one connection from the plan of an edit to the end of
//! its batch, and no longer: an idle connection would keep a write-ahead log beside the file, and who then replaces the
//! file gets the old log on top of the new one. The file is never replaced by popgate, a foreign one is never created and
//! its journal mode never changed, and `immutable` is never used, because it reads a database that somebody else writes
//! without looking at his locks.

mod connect;
mod fault;
mod log;
mod permissions;
mod preflight;
mod read;
mod rows;
mod shape;
mod write;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

use super::Table;
use crate::elsewhere;
use crate::model::{Fault, Finding, Live, Outcome};
use crate::plan::Change;
use crate::stores::{Leave, Reader, StoreError, Writer};

/// How many changes go into one transaction. Long enough that its one fsync does not count, short enough that a
/// mail server in rollback mode waits for no more than some tens of milliseconds.
const CHUNK: usize = 2_500;

/// How long a connection is kept for a chunk that was expected and did not come.
const PATIENCE: Duration = Duration::from_secs(1);

/// A store in one table of a `SQLite` file.
#[derive(Debug)]
pub struct SqliteStore {
    table: Arc<Table>,
    writing: Arc<Mutex<write::Writing>>,
    /// A chunk is going to be written.
    expects: Arc<AtomicBool>,
}

/// Makes a store from its settings. Touches no file: whatever is wrong is said by the first read.
pub fn open(mut table: Table) -> SqliteStore {
    // Absolute, because SQLite takes `file:` and `:memory:` at the start of a name for something else.
    if let Ok(path) = std::path::absolute(&table.path) {
        table.path = path;
    }
    SqliteStore { table: Arc::new(table), writing: Arc::default(), expects: Arc::default() }
}

#[async_trait]
impl Reader for SqliteStore {
    fn name(&self) -> String {
        format!("sqlite {}", self.table.path.display())
    }

    async fn read(&self) -> Result<Live, StoreError> {
        let table = Arc::clone(&self.table);
        let writing = Arc::clone(&self.writing);
        let (answer, live) = oneshot::channel();
        elsewhere::spawn(move || {
            // Whoever reads begins a new turn, so the last batch is over; unless a chunk is being written just now.
            if let Ok(mut writing) = writing.try_lock() {
                writing.close();
            }
            // Whoever asked may be gone.
            drop(answer.send(read::live(&table)));
        });
        live.await.unwrap_or_else(|_| {
            Err(StoreError {
                what: format!("reading {} stopped", self.name()),
                fault: Fault::TRANSIENT,
                help: None,
            })
        })
    }

    async fn preflight(&self) -> Vec<Finding> {
        let table = Arc::clone(&self.table);
        let writing = Arc::clone(&self.writing);
        let findings = spawn_blocking(move || {
            let replaced = lock(&writing).was_replaced(&table);
            preflight::findings(&table, replaced)
        });
        findings.await.unwrap_or_else(|stopped| {
            vec![Finding::error(
                format!("looking at {} stopped: {stopped}", self.name()),
                "report this as a bug",
            )]
        })
    }
}

#[async_trait]
impl Writer for SqliteStore {
    async fn write(&self, chunk: &[Change]) -> Vec<Outcome> {
        self.write_with(chunk, Leave::at_once()).await
    }

    async fn write_with(&self, chunk: &[Change], leave: Leave) -> Vec<Outcome> {
        let table = Arc::clone(&self.table);
        let writing = Arc::clone(&self.writing);
        let changes = chunk.to_vec();
        self.expects.store(false, Ordering::SeqCst);
        spawn_blocking(move || lock(&writing).chunk(&table, &changes, leave)).await.unwrap_or_else(
            |stopped| {
                tracing::error!(store = %self.name(), %stopped, "writing stopped");
                vec![Outcome::Unknown; chunk.len()]
            },
        )
    }

    fn prepare(&self) {
        let (table, writing) = (Arc::clone(&self.table), Arc::clone(&self.writing));
        let expects = Arc::clone(&self.expects);
        expects.store(true, Ordering::SeqCst);
        spawn_blocking(move || {
            let mut locked = lock(&writing);
            // The chunk may have come and gone.
            if expects.load(Ordering::SeqCst) && locked.prepare(&table) {
                drop(locked);
                tokio::spawn(async move {
                    tokio::time::sleep(PATIENCE).await;
                    if expects.swap(false, Ordering::SeqCst) {
                        drop(spawn_blocking(move || lock(&writing).close()));
                    }
                });
            }
        });
    }

    fn chunk_size(&self) -> usize {
        CHUNK
    }

    fn writes_at_once(&self) -> bool {
        true
    }
}

/// Locks the connection. After a panic it is closed, which rolls its transaction back.
fn lock(writing: &Mutex<write::Writing>) -> MutexGuard<'_, write::Writing> {
    writing.lock().unwrap_or_else(|poisoned: PoisonError<_>| {
        let mut guard = poisoned.into_inner();
        guard.close();
        writing.clear_poison();
        guard
    })
}
