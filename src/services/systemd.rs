//! A unit of systemd on this machine, through `systemctl`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{sleep, timeout};

use super::process::{Ended, Run, line, printable};
use super::{Condition, Instance, Observed, Service, ServiceError, proc};
use crate::model::{AccountId, Fault, Finding};
use crate::plan::policy::{Action, Profile};

/// What is asked of a unit (org.freedesktop.systemd1(5), "Unit objects").
const PROPERTIES: &str =
    "--property=LoadState,ActiveState,SubState,InvocationID,InactiveExitTimestampMonotonic,MainPID";
/// The longest that asking may take: systemd answers at once or is in trouble.
const ASKING: Duration = Duration::from_secs(20);

/// Restarts one unit.
#[derive(Clone, Debug)]
pub struct Systemd {
    /// The unit, such as `dovecot.service`; without a suffix a service is meant.
    pub unit: String,
    /// How long a restart may take, and afterwards how long the unit may take to be active.
    pub timeout: Duration,
    /// The program to ask: `systemctl`, to be found in PATH.
    pub systemctl: PathBuf,
}

impl Systemd {
    /// A restart may wait for the unit's own stop and start, 90 seconds each unless the unit says otherwise.
    pub const TIMEOUT: Duration = Duration::from_mins(4);

    /// Takes a unit, with the usual program and the usual time limit.
    pub fn new(unit: impl Into<String>) -> Self {
        Self { unit: unit.into(), timeout: Self::TIMEOUT, systemctl: "systemctl".into() }
    }

    /// Returns the unit's full name.
    pub fn full_name(&self) -> String {
        const SUFFIXES: [&str; 11] = [
            "service",
            "socket",
            "device",
            "mount",
            "automount",
            "swap",
            "target",
            "path",
            "timer",
            "slice",
            "scope",
        ];
        match self.unit.rsplit_once('.') {
            Some((_, suffix)) if SUFFIXES.contains(&suffix) => self.unit.clone(),
            _ => format!("{}.service", self.unit),
        }
    }

    /// Tells whether this process is the unit's main process.
    pub(super) async fn has_main_process(&self, pid: u32) -> Result<bool, ServiceError> {
        Ok(self.show().await?.property("MainPID") == pid.to_string())
    }

    /// `systemctl restart` takes patterns; one typing error must not restart half of the machine.
    fn checked(&self) -> Result<String, ServiceError> {
        let unit = self.full_name();
        let allowed = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
        if !self.unit.is_empty() && unit.chars().all(allowed) {
            return Ok(unit);
        }
        Err(ServiceError {
            what: format!("{:?} is not the name of a systemd unit", self.unit),
            fault: Fault::Invalid,
            help: Some("write one unit, such as `dovecot.service`; `systemctl list-units` shows all".into()),
        })
    }

    async fn show(&self) -> Result<Shown, ServiceError> {
        let unit = self.checked()?;
        let run = Run::new(&self.systemctl, ["show", PROPERTIES, "--", &unit], ASKING);
        let ended = run.ended().await?;
        if ended.code != 0 {
            return Err(explained(run.failed(&ended), &ended));
        }
        let shown = Shown::parse(&String::from_utf8_lossy(&ended.stdout));
        match shown.property("LoadState") {
            "" => Err(ServiceError {
                what: format!("`{}` did not say in which state {unit} is", run.line()),
                fault: Fault::TRANSIENT,
                help: None,
            }),
            "loaded" => Ok(shown),
            "not-found" => Err(ServiceError {
                what: format!("systemd knows no unit {unit}"),
                fault: Fault::Invalid,
                help: Some(
                    "correct `unit` in the settings; `systemctl list-unit-files` shows all there are".into(),
                ),
            }),
            "masked" => Err(ServiceError {
                what: format!("the unit {unit} is masked, so it cannot be started"),
                fault: Fault::Invalid,
                help: Some(format!("`systemctl unmask {unit}`, or correct `unit` in the settings")),
            }),
            other => Err(ServiceError {
                what: format!("systemd could not load the unit {unit}: {}", printable(other.as_bytes())),
                fault: Fault::Invalid,
                help: Some(format!("`systemctl status {unit}` says why")),
            }),
        }
    }
}

#[async_trait]
impl Service for Systemd {
    fn profile(&self) -> Profile {
        let unit = self.full_name();
        Profile {
            key: format!("systemd:{unit}"),
            name: unit.clone(),
            action: Action::Restart,
            instances: vec![Instance::local(unit)],
        }
    }

    async fn observe(&self) -> Result<Vec<Observed>, ServiceError> {
        let shown = self.show().await?;
        // Read after the answer: an age that is too long is safe, one that is too short would prove a restart.
        let now = proc::now().map_err(|error| ServiceError {
            what: format!("reading the time since boot: {error}"),
            fault: Fault::TRANSIENT,
            help: None,
        })?;
        Ok(vec![shown.observed(Instance::local(self.full_name()), now)])
    }

    async fn restart(&self, _instance: &Instance, _disabled: &[AccountId]) -> Result<(), ServiceError> {
        let unit = self.checked()?;
        let run = Run::new(&self.systemctl, ["restart", "--no-ask-password", "--", &unit], self.timeout);
        let ended = run.ended().await?;
        if ended.code == 0 { Ok(()) } else { Err(explained(run.failed(&ended), &ended)) }
    }

    async fn ready(&self, _instance: &Instance) -> Result<(), ServiceError> {
        let unit = self.full_name();
        let active = async {
            loop {
                let shown = self.show().await?;
                match shown.property("ActiveState") {
                    "active" | "reloading" => return Ok(()),
                    "failed" => {
                        return Err(ServiceError {
                            what: format!("{unit} failed after its restart"),
                            fault: Fault::TRANSIENT,
                            help: Some(format!("`journalctl --unit={unit} --lines=50` says why")),
                        });
                    }
                    _ => sleep(Duration::from_millis(250)).await,
                }
            }
        };
        timeout(self.timeout, active).await.unwrap_or_else(|_| {
            Err(ServiceError {
                what: format!("{unit} is not active {:?} after its restart", self.timeout),
                fault: Fault::TRANSIENT,
                help: Some(format!("`systemctl status {unit}` says what it waits for")),
            })
        })
    }

    async fn preflight(&self) -> Vec<Finding> {
        let unit = self.full_name();
        let mut findings = match self.show().await {
            Ok(shown) => match shown.condition() {
                Condition::Stopped => vec![Finding::warning(
                    format!("{unit} is {}", shown.property("ActiveState")),
                    format!(
                        "nothing to do if that is meant: popgate never starts it; else `systemctl start {unit}`"
                    ),
                )],
                _ => vec![Finding::ok(format!("{unit} is {}", shown.property("ActiveState")))],
            },
            Err(error) => return vec![Finding::error(error.what, error.help.unwrap_or_default())],
        };
        if !proc::is_root() {
            findings.push(Finding::warning(
                format!("popgate does not run as root, so systemd may refuse to restart {unit}"),
                format!("run popgate as root, or allow its user `org.freedesktop.systemd1.manage-units` for {unit} in polkit"),
            ));
        }
        findings
    }

    fn instructions(&self) -> Vec<String> {
        vec![line(["systemctl", "restart", &self.full_name()])]
    }
}

/// What `systemctl show` printed.
struct Shown(BTreeMap<String, String>);

impl Shown {
    fn parse(text: &str) -> Self {
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        Self(pairs.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect())
    }

    fn property(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    fn condition(&self) -> Condition {
        match self.property("ActiveState") {
            "active" => Condition::Running,
            // A failed unit that systemd will start again is `activating`, with the sub-state `auto-restart`.
            "inactive" | "failed" => Condition::Stopped,
            "activating" | "deactivating" | "reloading" | "refreshing" => Condition::Changing,
            _ => Condition::Unknown,
        }
    }

    /// The age counts from the moment the unit left "inactive", before any of its processes existed.
    /// `ActiveEnterTimestamp` would be too late: a service that read its users, then waited for readiness, and
    /// became active after a write has not seen that write.
    ///
    /// systemd counts from boot without the time a machine was suspended, `now` counts it too; so an age can only
    /// come out too long, which costs a superfluous restart and never a missing one.
    fn observed(&self, instance: Instance, now: Duration) -> Observed {
        let condition = self.condition();
        let started = self.property("InactiveExitTimestampMonotonic").parse().unwrap_or(0);
        let started =
            (started > 0 && condition != Condition::Stopped).then(|| Duration::from_micros(started));
        let identity = match self.property("InvocationID") {
            // systemd before version 232.
            "" => started.map(|at| format!("started-{}", at.as_micros())),
            id => Some(printable(id.as_bytes())),
        };
        Observed { instance, identity, age: started.and_then(|at| now.checked_sub(at)), condition }
    }
}

fn explained(mut error: ServiceError, ended: &Ended) -> ServiceError {
    let said = String::from_utf8_lossy(&ended.stderr).to_lowercase();
    let (fault, help) = if said.contains("not been booted with systemd") {
        (Fault::Invalid, "systemd does not run here: use `type: dovecot` or `type: command`")
    } else if ["access denied", "authentication required", "permission denied", "not authorized"]
        .iter()
        .any(|words| said.contains(words))
    {
        (
            Fault::Denied,
            "run popgate as root, or allow its user `org.freedesktop.systemd1.manage-units` in polkit",
        )
    } else if said.contains("connect to bus") {
        (
            Fault::TRANSIENT,
            "popgate cannot reach systemd's bus; inside a container that is normal: use another service type",
        )
    } else if said.contains("not found") || said.contains("not loaded") {
        (Fault::Invalid, "correct `unit` in the settings; `systemctl list-unit-files` shows all there are")
    } else {
        (Fault::TRANSIENT, "`systemctl status` and `journalctl` of the unit say why")
    };
    error.fault = fault;
    error.help = Some(help.into());
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(active: &str, exit: u64) -> Observed {
        let text = format!(
            "LoadState=loaded\nActiveState={active}\nInvocationID=0a1b\nInactiveExitTimestampMonotonic={exit}\n"
        );
        Shown::parse(&text).observed(Instance::local("d.service"), Duration::from_secs(100))
    }

    #[test]
    fn the_age_counts_from_leaving_inactive() {
        let running = seen("active", 40_000_000);
        assert_eq!(running.age, Some(Duration::from_mins(1)));
        assert_eq!(running.identity.as_deref(), Some("0a1b"));
        assert_eq!(running.condition, Condition::Running);
    }

    #[test]
    fn a_start_in_the_future_gives_no_age_rather_than_a_proof() {
        assert_eq!(seen("active", 100_000_001).age, None);
        assert_eq!(seen("active", 0).age, None);
    }

    #[test]
    fn a_unit_about_to_be_started_again_is_not_stopped() {
        for (state, condition) in [
            ("inactive", Condition::Stopped),
            ("failed", Condition::Stopped),
            ("activating", Condition::Changing),
            ("deactivating", Condition::Changing),
            ("maintenance", Condition::Unknown),
        ] {
            assert_eq!(seen(state, 1).condition, condition, "{state}");
        }
    }

    #[test]
    fn a_unit_without_a_suffix_is_a_service() {
        assert_eq!(Systemd::new("dovecot").full_name(), "dovecot.service");
        assert_eq!(Systemd::new("dovecot.socket").full_name(), "dovecot.socket");
        assert_eq!(Systemd::new("mail.example").full_name(), "mail.example.service");
        assert_eq!(Systemd::new("dovecot").profile().key, Systemd::new("dovecot.service").profile().key);
    }

    #[tokio::test]
    async fn a_pattern_is_not_a_unit() {
        for unit in ["dove*", "", "a b", "x[y]", "é"] {
            let error = Systemd::new(unit).restart(&Instance::local("x"), &[]).await.unwrap_err();
            assert_eq!(error.fault, Fault::Invalid, "{unit}");
        }
    }
}
