//! Sessions that are still being closed while nobody waits for them.
//!
//! A session that is dropped, because its task was aborted or returned early, deletes itself on the server in a task of
//! its own: an abandoned one counts against the account's limit until it expires. A process that ends waits for these
//! tasks a moment.

use std::future::Future;
use std::sync::LazyLock;
use std::time::Duration;

use tokio_util::task::TaskTracker;

static LEAVING: LazyLock<TaskTracker> = LazyLock::new(TaskTracker::new);

/// Lets a task run to its end although nobody waits for it. Outside a runtime there is nothing to run it.
pub(super) fn see_off(task: impl Future<Output = ()> + Send + 'static) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        LEAVING.spawn_on(task, &runtime);
    }
}

/// Waits until all sessions that were dropped are closed, at most so long. Called once, at the end.
pub async fn farewell(within: Duration) {
    LEAVING.close();
    // Those that do not make it expire on the server.
    let _ = tokio::time::timeout(within, LEAVING.wait()).await;
    LEAVING.reopen();
}
