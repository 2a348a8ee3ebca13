//! A command of the operator's own that makes changes effective.

use std::time::Duration;

use async_trait::async_trait;

use super::process::{Echo, Run, line};
use super::{Instance, Observed, Service, ServiceError};
use crate::model::{AccountId, Fault, Finding};
use crate::plan::policy::{Action, Profile};

/// Runs one command after each batch.
///
/// The command runs without a shell, in popgate's environment but for `without_env`. On its standard input it
/// gets the accounts that lost POP3 since the last time, one canonical id a line, in no particular order and
/// possibly none; it need not read them. Exit code 0 means that the change is effective. What it prints goes to
/// the log, a line each. At the timeout it gets SIGTERM, three seconds later SIGKILL, together with everything it
/// started in its process group. A daemon that it starts must leave that group (`setsid`) to be safe from this.
#[derive(Clone, Debug)]
pub struct Command {
    /// The program and its arguments. A program without a slash is looked for in PATH.
    pub argv: Vec<String>,
    /// How long it may take.
    pub timeout: Duration,
    /// The name shown to a person; the program's own name when absent.
    pub name: Option<String>,
    /// Variables of popgate's environment that hold secrets and are kept from the command.
    pub without_env: Vec<String>,
}

impl Command {
    fn name(&self) -> String {
        let program =
            self.argv.first().map_or("command", |program| program.rsplit('/').next().unwrap_or(program));
        self.name.clone().unwrap_or_else(|| program.to_owned())
    }

    fn run(&self) -> Result<Run, ServiceError> {
        let Some((program, args)) = self.argv.split_first().filter(|(program, _)| !program.is_empty()) else {
            return Err(ServiceError {
                what: "the service's command names no program".into(),
                fault: Fault::Invalid,
                help: Some(
                    "write the program and its arguments as a list: `restart: [systemctl, restart, dovecot]`"
                        .into(),
                ),
            });
        };
        Ok(Run::new(program, args, self.timeout).without_env(&self.without_env).echo(Echo::Info))
    }
}

#[async_trait]
impl Service for Command {
    fn profile(&self) -> Profile {
        Profile {
            key: format!("command:{}", line(&self.argv)),
            name: self.name(),
            action: Action::Command,
            instances: vec![Instance::local(self.name())],
        }
    }

    /// A command cannot be observed: its own success is all there is to know.
    async fn observe(&self) -> Result<Vec<Observed>, ServiceError> {
        Ok(vec![Observed::unknown(Instance::local(self.name()))])
    }

    async fn restart(&self, _instance: &Instance, disabled: &[AccountId]) -> Result<(), ServiceError> {
        self.run()?.input(lines(disabled)).success().await.map(drop)
    }

    async fn ready(&self, _instance: &Instance) -> Result<(), ServiceError> {
        Ok(())
    }

    async fn preflight(&self) -> Vec<Finding> {
        match self.run() {
            Ok(run) => vec![match run.locate().await {
                Ok(path) => {
                    Finding::ok(format!("`{path}` is there and may be executed; it is not tried out"))
                }
                Err(error) => Finding::error(error.what, error.help.unwrap_or_default()),
            }],
            Err(error) => vec![Finding::error(error.what, error.help.unwrap_or_default())],
        }
    }

    fn instructions(&self) -> Vec<String> {
        vec![line(&self.argv)]
    }
}

/// One id a line. An id with a line break would look like two, so it is left out, loudly.
fn lines(accounts: &[AccountId]) -> Vec<u8> {
    let mut text = Vec::new();
    for id in accounts.iter().map(AccountId::as_str) {
        if id.contains(['\n', '\r', '\0']) {
            tracing::warn!("The command is not told of the account {id:?}: its id contains a line break.");
            continue;
        }
        text.extend_from_slice(id.as_bytes());
        text.push(b'\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(argv: &[&str]) -> Command {
        Command {
            argv: argv.iter().map(|&word| word.to_owned()).collect(),
            timeout: Duration::from_secs(20),
            name: None,
            without_env: Vec::new(),
        }
    }

    #[test]
    fn one_id_with_a_line_break_cannot_forge_another() {
        let ids = ["a@x", "b@x\nroot@x", "c d@x"].map(AccountId::new);
        assert_eq!(String::from_utf8(lines(&ids)).unwrap(), "a@x\nc d@x\n");
    }

    #[test]
    fn the_program_names_the_service_unless_the_settings_do() {
        let plain = command(&["/usr/bin/systemctl", "restart", "dovecot"]);
        assert_eq!(plain.profile().name, "systemctl");
        let named = Command { name: Some("mail".into()), ..plain.clone() };
        assert_eq!(named.profile().name, "mail");
        assert_eq!(named.profile().key, plain.profile().key, "the same command owes one restart");
        assert_eq!(plain.instructions(), ["/usr/bin/systemctl restart dovecot"]);
    }

    #[tokio::test]
    async fn an_empty_command_is_an_error_and_not_a_panic() {
        for argv in [&[][..], &[""]] {
            let error = command(argv).restart(&Instance::local("x"), &[]).await.unwrap_err();
            assert_eq!(error.fault, Fault::Invalid);
            assert_eq!(command(argv).preflight().await.len(), 1);
        }
    }
}
