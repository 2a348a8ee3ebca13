//! Telling somebody: the command of the settings gets each event on its standard input. In a task of its own with
//! a bounded queue, so that a slow command never delays a batch.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;
use std::time::Duration;

use jiff::Timestamp;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::engine::effect::Notice;
use crate::report::event::{self, Kind};

/// How many events may wait.
const WAITING: usize = 100;

/// How long one run of the command may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long the last events may take when the daemon leaves.
const FAREWELL: Duration = Duration::from_secs(5);

/// Passes events on to a command.
#[derive(Debug)]
pub struct Notifier {
    queue: mpsc::Sender<String>,
    task: JoinHandle<()>,
    news: News,
}

/// Decides which notices are events: one for each change of state, failures always.
#[derive(Debug, Default)]
struct News {
    blocked: BTreeMap<String, String>,
    overdue: BTreeSet<String>,
}

impl Notifier {
    /// Starts the task for a command with its arguments.
    pub fn start(argv: Vec<String>) -> Self {
        let (queue, waiting) = mpsc::channel(WAITING);
        Self { queue, task: tokio::spawn(pass_on(argv, waiting)), news: News::default() }
    }

    /// Passes a notice on if it is an event. Never waits: when too many events wait, one is lost and the log says so.
    pub fn hear(&mut self, notice: &Notice, now: Timestamp) {
        for kind in self.news.kinds(notice) {
            if self.queue.try_send(format!("{}\n", event::json(kind, notice, now))).is_err() {
                tracing::error!("A notification ({}) is lost: {WAITING} others wait.", kind.word());
            }
        }
    }

    /// Waits, but not for long, until the last events are passed on.
    pub async fn finish(self) {
        drop(self.queue);
        if tokio::time::timeout(FAREWELL, self.task).await.is_err() {
            tracing::warn!("Notifications that were waiting are lost.");
        }
    }
}

impl News {
    fn kinds(&mut self, notice: &Notice) -> Vec<Kind> {
        match notice {
            Notice::Blocked { plan } => {
                let id = plan.id.as_str().to_owned();
                if self.blocked.insert(plan.target.clone(), id.clone()) == Some(id) {
                    return Vec::new();
                }
            }
            Notice::Planned { plan } if !plan.is_guarded() => drop(self.blocked.remove(&plan.target)),
            _ => {}
        }
        let Some(kind) = event::kind(notice) else { return Vec::new() };
        let instance = event::instance(notice).map(|(_, instance)| instance.to_string());
        match (notice, instance) {
            (Notice::RestartFailed { .. }, Some(instance)) if self.overdue.insert(instance.clone()) => {
                vec![kind, Kind::Overdue]
            }
            (Notice::Manual { .. }, Some(instance)) if !self.overdue.insert(instance.clone()) => Vec::new(),
            (Notice::Settled { .. }, Some(instance)) => {
                self.overdue.remove(&instance);
                vec![kind]
            }
            _ => vec![kind],
        }
    }
}

async fn pass_on(argv: Vec<String>, mut waiting: mpsc::Receiver<String>) {
    while let Some(event) = waiting.recv().await {
        match tokio::time::timeout(PATIENCE, tell(&argv, &event)).await {
            Ok(Ok(status)) if status.success() => {}
            Ok(Ok(status)) => tracing::warn!("The notification command failed: {status}."),
            Ok(Err(error)) => tracing::warn!("The notification command cannot be run: {error}."),
            Err(_) => tracing::warn!("The notification command was ended after {} s.", PATIENCE.as_secs()),
        }
    }
}

async fn tell(argv: &[String], event: &str) -> std::io::Result<std::process::ExitStatus> {
    let Some((program, arguments)) = argv.split_first() else {
        return Err(std::io::ErrorKind::InvalidInput.into());
    };
    let mut command = tokio::process::Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let mut child = command.process_group(0).env_remove("NOTIFY_SOCKET").spawn()?;
    if let Some(mut input) = child.stdin.take() {
        // A command that does not read its input is as good as any other.
        drop(input.write_all(event.as_bytes()).await);
    }
    child.wait().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::entry::Proof;
    use crate::services::Instance;

    #[test]
    fn a_restart_that_keeps_failing_is_told_each_time_and_overdue_once_until_it_is_settled() {
        let mut news = News::default();
        let (service, instance) = ("s".to_owned(), Instance::local("s"));
        let failed = Notice::RestartFailed {
            service: service.clone(),
            instance: instance.clone(),
            why: "no".to_owned(),
            again_in: 1,
        };
        let settled =
            Notice::Settled { service, instance, proof: Proof::Succeeded, unconfirmed: false, accounts: 1 };
        assert_eq!(news.kinds(&failed), [Kind::Failed, Kind::Overdue]);
        assert_eq!(news.kinds(&failed), [Kind::Failed]);
        assert_eq!(news.kinds(&settled), [Kind::Settled]);
        assert_eq!(news.kinds(&failed), [Kind::Failed, Kind::Overdue]);
    }
}
