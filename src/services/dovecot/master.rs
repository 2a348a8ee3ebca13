//! Dovecot's master process: whether it runs, since when, and how it is stopped and started.

use std::io::ErrorKind;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::super::proc::{self, Process};
use super::super::process::signal;
use super::super::systemd::Systemd;
use super::super::{Service, ServiceError};
use super::doveadm::{Config, Doveadm};
use crate::model::Fault;

/// How long a supervisor gets to start its Dovecot again before popgate does.
const SUPERVISOR: Duration = Duration::from_secs(3);
/// How long sessions may take to end before Dovecot is started without waiting for them any longer.
const SURVIVORS: Duration = Duration::from_secs(5);
const STEP: Duration = Duration::from_millis(50);

/// Finds the running master of a configuration; `None` when there certainly is none.
///
/// # Errors
/// When it cannot be told, which is not the same as "stopped".
pub(super) fn find(config: &Config) -> Result<Option<Process>, ServiceError> {
    let path = config.base_dir.join("master.pid");
    let error =
        |what: String, fault: Fault, help: &str| ServiceError { what, fault, help: Some(help.into()) };
    let number = match std::fs::read_to_string(&path) {
        Ok(text) => text.trim().parse::<u32>().ok(),
        Err(missing) if missing.kind() == ErrorKind::NotFound => None,
        Err(denied) => {
            return Err(error(
                format!("reading {}: {denied}", path.display()),
                if denied.kind() == ErrorKind::PermissionDenied { Fault::Denied } else { Fault::TRANSIENT },
                "run popgate as root, or as the user that Dovecot runs as",
            ));
        }
    };
    let process = match number {
        Some(pid) => proc::find(pid).map_err(|unseen| {
            error(
                format!("looking for Dovecot's process {pid}: {unseen}"),
                Fault::Denied,
                "run popgate as root",
            )
        })?,
        None => None,
    };
    // The number may by now belong to some other program.
    if let Some(process) = process.filter(|process| process.name.contains("dovecot") && !process.ended()) {
        return Ok(Some(process));
    }
    // In another container the number means nothing here, but the socket answers.
    match UnixStream::connect(config.base_dir.join("anvil")) {
        Err(refused) if matches!(refused.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => {
            Ok(None)
        }
        _ => Err(error(
            format!("Dovecot answers below {}, but its process cannot be seen", config.base_dir.display()),
            Fault::Invalid,
            "run popgate where Dovecot runs (in the same container), or use `type: command`",
        )),
    }
}

/// Returns what tells this run of Dovecot from any other, before or after a reboot.
pub(super) fn identity(master: &Process) -> String {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    format!("{}-{}-{}", master.pid, master.start, boot.trim().get(..8).unwrap_or("unknown"))
}

/// Restarts Dovecot the way it was started: through systemd when it is the main process of a unit; else by
/// stopping it, ending what would outlive it (sessions go on for half a minute, invisible to the next master),
/// and starting it, unless whoever supervises it is faster.
pub(super) async fn restart(
    doveadm: &Doveadm,
    config: &Config,
    master: &Process,
) -> Result<(), ServiceError> {
    if let Some(unit) = unit_of(master.pid).await {
        return unit.restart(&super::instance(doveadm.config.as_deref()), &[]).await;
    }
    let foreground = std::fs::read(format!("/proc/{}/cmdline", master.pid))
        .is_ok_and(|line| line.split(|&byte| byte == 0).any(|word| word == b"-F"));
    // Root finds the program here even where PATH lacks /usr/sbin, as it does under cron. After an upgrade the
    // old file is gone, and the new one has its place.
    let program = std::fs::read_link(format!("/proc/{}/exe", master.pid))
        .ok()
        .map(|path| PathBuf::from(path.to_string_lossy().trim_end_matches(" (deleted)")));
    let program = program.filter(|path| path.is_file());
    // The log process takes the last words of the others and ends after them, by itself.
    let children: Vec<Process> =
        proc::children(master.pid).into_iter().filter(|child| child.name != "log").collect();
    stop(std::slice::from_ref(master), doveadm.limit).await?;
    // From here on it must be started again, come what may.
    let mut down = Down(Some(doveadm.starting(program.as_deref())));
    if let Err(error) = stop(&children, SURVIVORS).await {
        tracing::warn!("Sessions of the stopped Dovecot go on for a while: {}.", error.what);
    }
    if foreground && appears(config, SUPERVISOR).await {
        down.0 = None;
        return Ok(());
    }
    let started = doveadm.start(program.as_deref()).await;
    down.0 = None;
    match started {
        // Somebody else was faster after all.
        Err(error) if !appears(config, SUPERVISOR).await => Err(ServiceError {
            what: format!("Dovecot was stopped and does not start again: {}", error.what),
            ..error
        }),
        _ => Ok(()),
    }
}

/// Starts a stopped Dovecot when the restart is given up half-way: whoever does not wait for the end of a restart
/// still does not want to be without a mail server.
struct Down(Option<std::process::Command>);

impl Drop for Down {
    fn drop(&mut self) {
        if let Some(mut command) = self.0.take()
            && let Err(error) = command.status()
        {
            tracing::error!("Dovecot is stopped and cannot be started again: {error}.");
        }
    }
}

/// Waits until Dovecot runs and answers.
pub(super) async fn answers(doveadm: &Doveadm, config: &Config) -> Result<(), ServiceError> {
    let mut last = None;
    let answering = async {
        loop {
            match find(config) {
                Ok(Some(_)) => match doveadm.who().await {
                    Ok(_) => return,
                    Err(error) => last = Some(error),
                },
                Ok(None) => {}
                Err(error) => last = Some(error),
            }
            sleep(STEP).await;
        }
    };
    timeout(doveadm.limit, answering).await.map_err(|_| ServiceError {
        what: format!(
            "Dovecot does not answer after {:?}{}",
            doveadm.limit,
            last.map(|error| format!(": {}", error.what)).unwrap_or_default()
        ),
        fault: Fault::TRANSIENT,
        help: Some("Dovecot's log says why; `doveadm log find` shows where it is".into()),
    })
}

/// Asks processes to end and waits for them.
async fn stop(processes: &[Process], limit: Duration) -> Result<(), ServiceError> {
    let running: Vec<u32> =
        processes.iter().filter(|process| proc::lives(process)).map(|process| process.pid).collect();
    signal("TERM", &running).await.map_err(|error| ServiceError {
        what: format!("stopping Dovecot: starting /bin/sh: {error}"),
        fault: Fault::TRANSIENT,
        help: None,
    })?;
    let gone = async {
        while processes.iter().any(proc::lives) {
            sleep(STEP).await;
        }
    };
    timeout(limit, gone).await.map_err(|_| ServiceError {
        what: format!(
            "Dovecot's process {} has not ended {limit:?} after SIGTERM",
            processes.iter().find(|process| proc::lives(process)).map_or(0, |process| process.pid)
        ),
        fault: Fault::TRANSIENT,
        help: Some("run popgate as root, or as the user that Dovecot runs as".into()),
    })
}

async fn appears(config: &Config, patience: Duration) -> bool {
    let appearing = async {
        while !matches!(find(config), Ok(Some(_))) {
            sleep(STEP).await;
        }
    };
    timeout(patience, appearing).await.is_ok()
}

/// Finds the unit whose main process this is. A Dovecot that merely was started from within some unit (by
/// popgate itself, or in a login session) has no unit of its own.
async fn unit_of(pid: u32) -> Option<Systemd> {
    let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let unit = Systemd::new(unit_in(&groups)?);
    matches!(unit.has_main_process(pid).await, Ok(true)).then_some(unit)
}

/// Control group v2 has one line `0::/path`, v1 one named `name=systemd`.
fn unit_in(groups: &str) -> Option<String> {
    let path = groups.lines().find_map(|line| {
        let (hierarchy, path) = line.rsplit_once(':')?;
        (hierarchy == "0:" || hierarchy.ends_with(":name=systemd"))
            .then_some(path)
            .filter(|path| *path != "/")
    })?;
    let unit = Path::new(path).components().next_back()?.as_os_str().to_str()?;
    (path.starts_with("/system.slice/") && unit.ends_with(".service")).then(|| unit.to_owned())
}

/// Where the master's number is kept; for messages.
pub(super) fn pid_file(config: &Config) -> PathBuf {
    config.base_dir.join("master.pid")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_is_read_from_either_kind_of_control_group() {
        let two = "0::/system.slice/dovecot.service\n";
        let one = "4:memory:/x\n1:name=systemd:/system.slice/dovecot.service\n0::/\n";
        assert_eq!(unit_in(two).as_deref(), Some("dovecot.service"));
        assert_eq!(unit_in(one).as_deref(), Some("dovecot.service"));
        for none in
            ["", "0::/\n", "0::/user.slice/user-0.slice/session-3.scope\n", "0::/user.slice/user@0.service\n"]
        {
            assert_eq!(unit_in(none), None, "{none}");
        }
    }

    #[test]
    fn a_directory_without_a_master_is_a_stopped_dovecot() {
        let dir = tempfile::tempdir().unwrap();
        let config = Config { base_dir: dir.path().into(), ..Config::default() };
        assert_eq!(find(&config).unwrap(), None);
        // A number that belongs to another program by now.
        std::fs::write(pid_file(&config), format!("{}\n", std::process::id())).unwrap();
        assert_eq!(find(&config).unwrap(), None);
        std::fs::write(pid_file(&config), "rubbish").unwrap();
        assert_eq!(find(&config).unwrap(), None);
    }

    #[test]
    fn a_dovecot_that_answers_from_elsewhere_is_not_called_stopped() {
        let dir = tempfile::tempdir().unwrap();
        let config = Config { base_dir: dir.path().into(), ..Config::default() };
        let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("anvil")).unwrap();
        assert!(find(&config).unwrap_err().what.contains("cannot be seen"));
    }
}
