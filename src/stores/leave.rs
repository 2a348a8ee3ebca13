//! Leave to write: given when what is going to be written stands in the journal.

use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::time::Duration;

use tokio::sync::oneshot;

/// Leave to write one chunk, once it is given.
#[derive(Debug)]
pub struct Leave {
    /// What is known of it already.
    given: Option<bool>,
    /// For whoever waits as a task.
    task: oneshot::Receiver<()>,
    /// For whoever waits as a thread, and must not wait for the runtime's timers.
    thread: mpsc::Receiver<()>,
}

/// Gives leave. Dropped, it never will.
#[derive(Debug)]
pub struct Permit {
    task: oneshot::Sender<()>,
    thread: SyncSender<()>,
}

impl Permit {
    /// Lets the write go on.
    pub fn give(self) {
        // Whoever was to write may be gone.
        self.thread.send(()).unwrap_or_default();
        self.task.send(()).unwrap_or_default();
    }
}

impl Leave {
    /// Returns leave with what gives it.
    pub fn with_permit() -> (Permit, Self) {
        let (gives_task, task) = oneshot::channel();
        let (gives_thread, thread) = mpsc::sync_channel(1);
        (Permit { task: gives_task, thread: gives_thread }, Self { given: None, task, thread })
    }

    /// Leave that is given.
    pub fn at_once() -> Self {
        let (permit, leave) = Self::with_permit();
        permit.give();
        leave
    }

    /// Waits until it is given; tells whether it was.
    pub async fn given(&mut self) -> bool {
        match self.given {
            Some(given) => given,
            None => *self.given.insert((&mut self.task).await.is_ok()),
        }
    }

    /// Waits like [`given`](Self::given), on a thread that may block.
    pub fn is_given(&mut self) -> bool {
        *self.given.get_or_insert_with(|| self.thread.recv().is_ok())
    }

    /// Waits like [`is_given`](Self::is_given), but no longer than that; `None` when it is not known by then.
    pub fn is_given_within(&mut self, most: Duration) -> Option<bool> {
        self.given = self.given.or_else(|| match self.thread.recv_timeout(most) {
            Ok(()) => Some(true),
            Err(RecvTimeoutError::Disconnected) => Some(false),
            Err(RecvTimeoutError::Timeout) => None,
        });
        self.given
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leave_is_given_refused_or_not_known_yet() {
        let mut leave = Leave::at_once();
        assert_eq!((leave.is_given_within(Duration::ZERO), leave.is_given()), (Some(true), true));
        let (permit, mut leave) = Leave::with_permit();
        assert_eq!(leave.is_given_within(Duration::ZERO), None);
        permit.give();
        assert_eq!((leave.is_given(), leave.is_given()), (true, true));
        let (permit, mut leave) = Leave::with_permit();
        drop(permit);
        assert_eq!((leave.is_given_within(Duration::ZERO), leave.is_given()), (Some(false), false));
    }

    #[tokio::test]
    async fn a_task_may_wait_for_it_too() {
        let (permit, mut leave) = Leave::with_permit();
        let waits = tokio::spawn(async move { (leave.given().await, leave.given().await, leave.is_given()) });
        tokio::task::yield_now().await;
        permit.give();
        assert_eq!(waits.await.unwrap(), (true, true, true));
        let (permit, mut leave) = Leave::with_permit();
        drop(permit);
        assert!(!leave.given().await);
    }
}
