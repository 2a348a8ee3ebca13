//! Fetching repositories beside the loop: what comes is a hint to look again, as a change of files is.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};
use tokio::task::AbortHandle;

use crate::diagnostic::Diagnostic;
use crate::engine::event::Input;
use crate::source::git::Remote;

/// The longest pause between two attempts that fail, unless the interval itself is longer.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// How long the first look waits for the first fetch, so that it need not say that there is nothing yet.
const FIRST: Duration = Duration::from_secs(10);

/// Fetches one repository again and again, until dropped.
#[derive(Debug)]
pub(super) struct Fetching {
    wake: Arc<Notify>,
    first: watch::Receiver<bool>,
    task: AbortHandle,
}

impl Fetching {
    /// Begins; each time something is new, the target gets a hint.
    pub(super) fn begin(remote: Arc<Remote>, target: String, inputs: mpsc::UnboundedSender<Input>) -> Self {
        let wake = Arc::new(Notify::new());
        let (tried, first) = watch::channel(false);
        let task = tokio::spawn(again_and_again(remote, target, inputs, Arc::clone(&wake), tried));
        Self { wake, first, task: task.abort_handle() }
    }

    /// Fetches at once.
    pub(super) fn now(&self) {
        self.wake.notify_one();
    }

    /// Waits for the first attempt, but not for long.
    pub(super) fn first(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut first = self.first.clone();
        async move {
            let waited = tokio::time::timeout(FIRST, first.wait_for(|tried| *tried)).await;
            // Whether it was tried or not, there is nothing more to wait for.
            drop(waited);
        }
    }
}

impl Drop for Fetching {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn again_and_again(
    remote: Arc<Remote>,
    target: String,
    inputs: mpsc::UnboundedSender<Input>,
    wake: Arc<Notify>,
    tried: watch::Sender<bool>,
) {
    let interval = remote.address().interval;
    let (mut pause, mut failing) = (interval, None::<Diagnostic>);
    loop {
        let fetched = remote.fetch().await;
        tried.send_replace(true);
        let news = match fetched {
            Ok(news) => {
                if failing.take().is_some() {
                    tracing::info!("target {target}: {} can be fetched again.", remote.address());
                }
                pause = interval;
                news
            }
            Err(problem) => {
                if failing.as_ref() != Some(&problem) {
                    tracing::warn!("target {target}: {}; trying again.", problem.message);
                }
                failing = Some(problem);
                pause = (pause * 2).min(LONGEST_PAUSE.max(interval));
                true
            }
        };
        if news && inputs.send(Input::Hint { target: target.clone() }).is_err() {
            return;
        }
        // Whoever asks does not wait out the pause; nor does one who asked while this was fetching.
        drop(tokio::time::timeout(pause, wake.notified()).await);
    }
}
