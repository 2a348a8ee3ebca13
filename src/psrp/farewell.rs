//! Sessions that are still being closed while nobody waits for them.
//!
//! A session that is dropped, because its task was aborted or returned early, deletes itself on the server in a task of
//! its own: an abandoned one counts against the account's limit until it expires. A process that ends interrupts those
//! that are still in use, and waits a moment until all are gone.

use std::future::Future;
use std::sync::LazyLock;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

static LEAVING: LazyLock<TaskTracker> = LazyLock::new(TaskTracker::new);
static OPEN: LazyLock<TaskTracker> = LazyLock::new(TaskTracker::new);
static END: LazyLock<CancellationToken> = LazyLock::new(CancellationToken::new);

/// Lets a task run to its end although nobody waits for it. Outside a runtime there is nothing to run it.
pub(super) fn see_off(task: impl Future<Output = ()> + Send + 'static) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        LEAVING.spawn_on(task, &runtime);
    }
}

/// Says that a session is open as long as this is kept.
pub(super) fn open() -> TaskTrackerToken {
    OPEN.token()
}

/// Waits until the process ends.
pub(super) async fn end() {
    END.cancelled().await;
}

/// Waits until all sessions that were dropped are closed, at most so long.
pub async fn farewell(within: Duration) {
    LEAVING.close();
    // Those that do not make it expire on the server.
    let _ = tokio::time::timeout(within, LEAVING.wait()).await;
    LEAVING.reopen();
}

/// Interrupts every session and waits until all are closed, at most so long. Called once, when the process ends: no
/// session can be used afterwards.
///
/// Whoever was aborted a moment ago may not have let go of its session yet, and a read that was begun ahead has nobody
/// who would abort it.
pub async fn leave(within: Duration) {
    END.cancel();
    OPEN.close();
    let _ = tokio::time::timeout(within, OPEN.wait()).await;
}
