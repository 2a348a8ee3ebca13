//! Signals, by the shell's own `kill`: the standard library can signal nothing but a child, one by one, and
//! POSIX requires `kill` of every `sh`, while `/bin/kill` is a package that small systems lack.

use std::process::{Command, Stdio};

use tokio::process::Child;

/// Sends a signal to processes; to a process that is gone already, nothing happens.
///
/// # Errors
/// Only when no shell can be started.
pub(in crate::services) async fn signal(name: &str, pids: &[u32]) -> std::io::Result<()> {
    // A call has room for far more, but not for every session of a large server.
    for some in pids.chunks(1000) {
        let targets = some.iter().map(ToString::to_string);
        tokio::process::Command::from(kill(name, targets)).status().await?;
    }
    Ok(())
}

/// The process group of a child that leads it. Killed when dropped, unless it was released.
pub(super) struct Group(Option<u32>);

impl Group {
    /// Takes charge of a child's group. The child must not have been waited for.
    pub(super) fn of(child: &Child) -> Self {
        Self(child.id())
    }

    /// Sends a signal to every process of the group.
    pub(super) async fn signal(&self, name: &str) {
        if let Some(pid) = self.0
            && let Err(error) = tokio::process::Command::from(kill(name, [format!("-{pid}")])).status().await
        {
            tracing::warn!("Cannot signal process group {pid}: starting /bin/sh: {error}.");
        }
    }

    /// Leaves the group alone from now on.
    pub(super) fn release(&mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            // Waited for here, a few milliseconds: whoever dropped the future may end the process next.
            let _status = kill("KILL", [format!("-{pid}")]).status();
        }
    }
}

fn kill(name: &str, targets: impl IntoIterator<Item = String>) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", r#"kill -s "$0" -- "$@""#, name]).args(targets);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}
