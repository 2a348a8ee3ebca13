//! What a service manager is told: systemd's `READY`, `STATUS`, `WATCHDOG` and `STOPPING`. Without one, nothing.

use std::time::Duration;

use sd_notify::NotifyState;

/// Talks to the service manager that started this process, if one did.
#[derive(Debug)]
pub(super) struct Supervisor {
    /// How often the watchdog wants to hear.
    every: Option<Duration>,
    status: String,
    ready: bool,
}

impl Supervisor {
    /// `daemon` is false for commands that end by themselves: they tell nobody anything.
    pub(super) fn new(daemon: bool) -> Option<Self> {
        daemon.then(|| Self {
            // Twice in the time it allows, as sd_watchdog_enabled(3) recommends.
            every: sd_notify::watchdog_enabled().map(|allowed| allowed / 2),
            status: String::new(),
            ready: false,
        })
    }

    /// How long to wait at most before [`Supervisor::alive`].
    pub(super) fn every(&self) -> Option<Duration> {
        self.every
    }

    /// The loop goes round: says so, and the status if it is another one.
    pub(super) fn alive(&mut self, status: String) {
        let mut says = Vec::new();
        if !std::mem::replace(&mut self.ready, true) {
            says.push(NotifyState::Ready);
        }
        if self.every.is_some() {
            says.push(NotifyState::Watchdog);
        }
        if status != self.status {
            self.status = status;
            says.push(NotifyState::Status(&self.status));
        }
        tell(&says);
    }

    /// The process is about to leave.
    pub(super) fn stopping() {
        tell(&[NotifyState::Stopping, NotifyState::Status("stopping after the step in flight")]);
    }
}

fn tell(says: &[NotifyState<'_>]) {
    if says.is_empty() {
        return;
    }
    if let Err(error) = sd_notify::notify(says) {
        tracing::debug!("The service manager cannot be told: {error}.");
    }
}
