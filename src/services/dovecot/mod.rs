//! A Dovecot on this machine, through its own programs.
//!
//! No mail server needs a restart because one user may not use POP3 any longer: Dovecot asks its user database at
//! every login. What does not take notice by itself is its authentication cache, if there is one, and the
//! sessions that are open already. [`Action::FlushAndEndSessions`] deals with exactly these two, and is the
//! default; a reload or a restart ends the sessions of everybody.

mod doveadm;
mod master;
mod preflight;
mod sessions;

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;

use super::{Condition, Instance, Observed, Service, ServiceError, proc};
use crate::model::{AccountId, Fault, Finding};
use crate::plan::policy::{Action, Profile};
use doveadm::{Doveadm, Lookup};

/// How many disabled users are looked up afterwards.
const SAMPLE: usize = 10;

/// What Dovecot is made to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DovecotAction {
    /// The authentication cache is emptied, and the POP3 sessions of the disabled users end. Nobody else, and no
    /// IMAP session, notices.
    #[default]
    FlushAndEndSessions,
    /// `doveadm reload`. Six seconds later Dovecot ends every POP3 and IMAP session, unless its setting
    /// `shutdown_clients` is `no`.
    Reload,
    /// Stopped and started; every session ends at once.
    Restart,
}

/// A Dovecot on this machine.
///
/// It knows users by the names they log in with, so the store's account ids have to be those names (a key column
/// that holds addresses), but for their case, `auth_username_format` and `auth_default_realm`. Sessions that an
/// earlier master left behind are invisible to Dovecot itself and end by themselves within 30 seconds.
#[derive(Clone, Debug)]
pub struct Dovecot {
    /// What to do.
    pub action: DovecotAction,
    /// The configuration of the running Dovecot; its own default when absent.
    pub config: Option<PathBuf>,
    /// The directory of `doveadm`, `doveconf` and `dovecot`; PATH when absent.
    pub programs: Option<PathBuf>,
    /// How long each step may take.
    pub timeout: Duration,
}

impl Dovecot {
    /// How long a step may take when nobody says otherwise.
    pub const TIMEOUT: Duration = Duration::from_secs(30);

    /// Takes an action and a configuration, with the usual programs and time limit.
    pub fn new(action: DovecotAction, config: Option<PathBuf>) -> Self {
        Self { action, config, programs: None, timeout: Self::TIMEOUT }
    }

    fn doveadm(&self) -> Doveadm {
        Doveadm { config: self.config.clone(), programs: self.programs.clone(), limit: self.timeout }
    }

    /// Looks some of the disabled users up, as a POP3 client would. Whoever would still be admitted is a warning
    /// and no failure: the cache is empty and the sessions are over, so no further attempt would change it.
    async fn verify(&self, doveadm: &Doveadm, disabled: &[AccountId]) {
        let mut admitted = Vec::new();
        for id in disabled.iter().step_by(disabled.len().div_ceil(SAMPLE).max(1)) {
            match doveadm.lookup(id.as_str()).await {
                Lookup::Refused => {}
                Lookup::Admitted => admitted.push(id.as_str()),
                Lookup::Unclear(why) => {
                    tracing::warn!("Cannot tell whether Dovecot still admits {id}: {why}.");
                }
            }
        }
        if let Some(first) = admitted.first() {
            tracing::warn!(
                admitted = admitted.len(),
                "Dovecot still admits {first} to POP3, although POP3 is disabled there. Its password query looks \
                 at something else than the store writes, or somebody enabled POP3 again meanwhile; see `doveadm \
                 auth lookup -x service=pop3 {first}`."
            );
        }
    }
}

#[async_trait]
impl Service for Dovecot {
    fn profile(&self) -> Profile {
        let instance = instance(self.config.as_deref());
        Profile {
            key: match self.config.as_deref().filter(|path| !doveadm::is_default(Some(path))) {
                Some(path) => format!("dovecot:{}", path.display()),
                None => "dovecot".into(),
            },
            name: instance.service.clone(),
            action: match self.action {
                DovecotAction::FlushAndEndSessions => Action::FlushAndEndSessions,
                DovecotAction::Reload => Action::Reload,
                DovecotAction::Restart => Action::Restart,
            },
            instances: vec![instance],
        }
    }

    /// Only a restart makes a new run, so only then is there an identity and an age to prove it by. For the other
    /// actions the success of [`Service::restart`] is the proof.
    async fn observe(&self) -> Result<Vec<Observed>, ServiceError> {
        let config = self.doveadm().config().await?;
        let instance = instance(self.config.as_deref());
        let Some(master) = master::find(&config)? else {
            return Ok(vec![Observed { instance, identity: None, age: None, condition: Condition::Stopped }]);
        };
        let mut observed = Observed { instance, identity: None, age: None, condition: Condition::Running };
        if self.action == DovecotAction::Restart {
            observed.identity = Some(master::identity(&master));
            observed.age = proc::now().ok().and_then(|now| now.checked_sub(proc::since_boot(master.start)));
        }
        Ok(vec![observed])
    }

    async fn restart(&self, instance: &Instance, disabled: &[AccountId]) -> Result<(), ServiceError> {
        let doveadm = self.doveadm();
        let config = doveadm.config().await?;
        let Some(master) = master::find(&config)? else {
            return Err(ServiceError {
                what: format!(
                    "{instance} is not running (there is no process for {})",
                    master::pid_file(&config).display()
                ),
                fault: Fault::TRANSIENT,
                help: Some("nothing to do if that is meant: it reads the new state when it starts".into()),
            });
        };
        let logins = sessions::logins(&config, disabled);
        match self.action {
            DovecotAction::FlushAndEndSessions => {
                sessions::end_all(&doveadm, master.pid, &logins, Vec::new()).await?;
            }
            DovecotAction::Reload => {
                // Listed before, because the sessions may be gone from the list while they still run.
                let known = doveadm.who().await?;
                doveadm.reload().await?;
                master::answers(&doveadm, &config).await?;
                sessions::end_all(&doveadm, master.pid, &logins, known).await?;
            }
            DovecotAction::Restart => {
                master::restart(&doveadm, &config, &master).await?;
                master::answers(&doveadm, &config).await?;
            }
        }
        self.verify(&doveadm, disabled).await;
        Ok(())
    }

    async fn ready(&self, _instance: &Instance) -> Result<(), ServiceError> {
        let doveadm = self.doveadm();
        let config = doveadm.config().await?;
        master::answers(&doveadm, &config).await
    }

    async fn preflight(&self) -> Vec<Finding> {
        preflight::look(self, &self.doveadm()).await
    }

    fn instructions(&self) -> Vec<String> {
        let doveadm = self.doveadm();
        let sessions = doveadm.line("doveadm", &["-f", "tab", "who", "-1"]);
        match self.action {
            DovecotAction::FlushAndEndSessions => vec![
                doveadm.line("doveadm", &["auth", "cache", "flush"]),
                format!(
                    "{sessions} | awk '$1 == \"USER\" && $2 == \"pop3\" {{print $3}}' | xargs -r kill  # for each disabled USER"
                ),
            ],
            DovecotAction::Reload => vec![doveadm.line("doveadm", &["reload"])],
            DovecotAction::Restart => {
                vec![format!("{} && {}", doveadm.line("doveadm", &["stop"]), doveadm.line("dovecot", &[]))]
            }
        }
    }
}

/// Returns the one instance of a configuration.
fn instance(config: Option<&Path>) -> Instance {
    match config.filter(|path| !doveadm::is_default(Some(path))) {
        Some(path) => Instance::local(format!("dovecot ({})", path.display())),
        None => Instance::local("dovecot"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_configuration_is_one_service_whether_it_is_named_or_not() {
        let named = Dovecot::new(DovecotAction::Restart, Some("/etc/dovecot/dovecot.conf".into()));
        let unnamed = Dovecot::new(DovecotAction::Restart, None);
        assert_eq!(named.profile(), unnamed.profile());
        let other = Dovecot::new(DovecotAction::Restart, Some("/srv/b.conf".into()));
        assert_eq!(other.profile().name, "dovecot (/srv/b.conf)");
        assert_eq!(other.profile().key, "dovecot:/srv/b.conf");
    }

    #[test]
    fn the_instructions_can_be_typed() {
        let flush = Dovecot::new(DovecotAction::FlushAndEndSessions, Some("/srv/my mail.conf".into()));
        assert_eq!(flush.instructions()[0], "doveadm -c '/srv/my mail.conf' auth cache flush");
        let restart = Dovecot::new(DovecotAction::Restart, None);
        assert_eq!(restart.instructions(), ["doveadm stop && dovecot"]);
    }
}
