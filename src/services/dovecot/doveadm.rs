//! Dovecot's own programs: what they are asked, and what their answers mean.
//!
//! Facts about 2.3.19 that shape this file, each tried out:
//! * `doveadm auth cache flush` ends with exit code 0 even when it did nothing; only its standard error tells.
//! * Given more than about 1,000 bytes of names it flushes nothing (`MAX_INBUF_SIZE` of the authentication
//!   server); without names it flushes everything, in a few milliseconds.
//! * Every call complains about `stats-writer` on standard error when it may not write statistics; that is
//!   harmless.
//! * `doveadm auth lookup` prints extra fields, among them passwords for proxying: its output is never logged.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use super::super::ServiceError;
use super::super::process::{Echo, Ended, Run, line, printable};
use crate::model::Fault;

/// How much of `doveadm who` is read: some hundred thousand sessions.
const WHO: usize = 64 * 1024 * 1024;

/// Dovecot's programs for one configuration.
#[derive(Clone, Debug)]
pub(super) struct Doveadm {
    pub(super) config: Option<PathBuf>,
    pub(super) programs: Option<PathBuf>,
    pub(super) limit: Duration,
}

/// What the configuration says, as far as it matters here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Config {
    pub(super) base_dir: PathBuf,
    pub(super) protocols: String,
    pub(super) auth_cache_size: String,
    pub(super) auth_username_format: String,
    pub(super) auth_default_realm: String,
    pub(super) shutdown_clients: String,
}

/// One authenticated session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Session {
    pub(super) user: String,
    pub(super) service: String,
    pub(super) pid: u32,
}

/// What Dovecot would answer a POP3 client of one user, who gives the right password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Lookup {
    Admitted,
    Refused,
    Unclear(String),
}

impl Doveadm {
    /// Reads the configuration as it is on disk now.
    pub(super) async fn config(&self) -> Result<Config, ServiceError> {
        let names = [
            "base_dir",
            "protocols",
            "auth_cache_size",
            "auth_username_format",
            "auth_default_realm",
            // The same in Dovecot 2.4; a name that is not known is not answered.
            "auth_default_domain",
            "shutdown_clients",
        ];
        let run = self.run("doveconf", &names).echo(Echo::Nothing);
        let ended = run.ended().await?;
        if ended.code != 0 {
            return Err(explained(&run, &ended));
        }
        let config = Config::parse(&String::from_utf8_lossy(&ended.stdout));
        if config.base_dir.is_absolute() {
            return Ok(config);
        }
        Err(ServiceError {
            what: format!("`{}` names no absolute `base_dir`", run.line()),
            fault: Fault::Invalid,
            help: Some("check Dovecot's configuration".into()),
        })
    }

    /// Empties the whole authentication cache.
    pub(super) async fn flush(&self) -> Result<(), ServiceError> {
        let run = self.run("doveadm", &["auth", "cache", "flush"]);
        let ended = run.ended().await?;
        let flushed = String::from_utf8_lossy(&ended.stdout).contains("cache entries flushed");
        if ended.code == 0 && flushed && complaint(&ended.stderr).is_none() {
            Ok(())
        } else {
            Err(explained(&run, &ended))
        }
    }

    /// Lists every session, one for each connection.
    pub(super) async fn who(&self) -> Result<Vec<Session>, ServiceError> {
        let run = self.run("doveadm", &["-f", "json", "who", "-1"]).keep(WHO).echo(Echo::Nothing);
        let ended = run.ended().await?;
        if ended.code != 0 {
            return Err(explained(&run, &ended));
        }
        let unreadable = |why: &str| ServiceError {
            what: format!("the answer of `{}` cannot be read: {why}", run.line()),
            fault: Fault::Invalid,
            help: Some("use Dovecot 2.3 or later, or `action: restart`".into()),
        };
        if ended.truncated {
            return Err(unreadable("it is longer than 64 MiB"));
        }
        sessions(&ended.stdout).map_err(|why| unreadable(&why))
    }

    /// Asks what a POP3 client of this user would get; honours the cache, needs no password, changes nothing.
    pub(super) async fn lookup(&self, user: &str) -> Lookup {
        let args = ["auth", "lookup", "-x", "service=pop3", "-x", "secured", "--", user];
        match self.run("doveadm", &args).echo(Echo::Nothing).ended().await {
            Ok(ended) => verdict(&ended),
            Err(error) => Lookup::Unclear(error.what),
        }
    }

    /// Makes Dovecot read its configuration again.
    pub(super) async fn reload(&self) -> Result<(), ServiceError> {
        self.succeed(&self.run("doveadm", &["reload"])).await
    }

    /// Starts Dovecot in the background, by the same program file as before where that is known.
    pub(super) async fn start(&self, program: Option<&Path>) -> Result<(), ServiceError> {
        self.succeed(&Run::new(self.master(program), self.args(&[]), self.limit)).await
    }

    /// The same for the moment when nobody can wait any more.
    pub(super) fn starting(&self, program: Option<&Path>) -> std::process::Command {
        let mut command = std::process::Command::new(self.master(program));
        command.args(self.args(&[])).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Returns a command as a person would type it.
    pub(super) fn line(&self, program: &str, args: &[&str]) -> String {
        line(
            std::iter::once(program.to_owned())
                .chain(self.args(args).iter().map(|word| word.to_string_lossy().into_owned())),
        )
    }

    async fn succeed(&self, run: &Run) -> Result<(), ServiceError> {
        let ended = run.ended().await?;
        if ended.code == 0 { Ok(()) } else { Err(explained(run, &ended)) }
    }

    fn run(&self, program: &str, args: &[&str]) -> Run {
        Run::new(self.program(program), self.args(args), self.limit)
    }

    fn program(&self, name: &str) -> PathBuf {
        self.programs.as_ref().map_or_else(|| name.into(), |dir| dir.join(name))
    }

    fn master(&self, known: Option<&Path>) -> PathBuf {
        known.filter(|_| self.programs.is_none()).map_or_else(|| self.program("dovecot"), Path::to_owned)
    }

    fn args(&self, args: &[&str]) -> Vec<OsString> {
        let config = self.config.iter().flat_map(|path| [OsString::from("-c"), path.into()]);
        config.chain(args.iter().map(Into::into)).collect()
    }
}

impl Config {
    fn parse(text: &str) -> Self {
        let mut config = Self::default();
        for (name, value) in text
            .lines()
            .filter_map(|line| line.split_once(" = ").or(line.strip_suffix(" =").map(|name| (name, ""))))
        {
            let value = value.trim().trim_matches('"').trim().to_owned();
            match name.trim() {
                "base_dir" => config.base_dir = value.into(),
                "protocols" => config.protocols = value,
                "auth_cache_size" => config.auth_cache_size = value,
                "auth_username_format" => config.auth_username_format = value,
                "auth_default_realm" | "auth_default_domain" => config.auth_default_realm = value,
                "shutdown_clients" => config.shutdown_clients = value,
                // Dovecot 2.4 prints `protocols` as a block of switches.
                "pop3" if value == "yes" => config.protocols.push_str(" pop3"),
                _ => {}
            }
        }
        config
    }

    /// Tells whether Dovecot keeps answers of its user database.
    pub(super) fn caches(&self) -> bool {
        self.auth_cache_size.chars().any(|c| c.is_ascii_digit() && c != '0')
    }

    /// Returns the name under which Dovecot knows the sessions of an account: its realm added, its domain taken
    /// away, as `auth_default_realm` and `auth_username_format` say. The comparison is folded by the caller.
    pub(super) fn login_name(&self, account: &str) -> String {
        let format = &self.auth_username_format;
        let local_only = match format.strip_prefix("%{") {
            // Dovecot 2.4: `%{user | username | lower}`.
            Some(rest) => rest.contains("username"),
            None => format.ends_with('n') && format.matches('%').count() == 1 && format.starts_with('%'),
        };
        match account.split_once('@') {
            Some((local, _)) if local_only => local.to_owned(),
            None if !local_only && !self.auth_default_realm.is_empty() => {
                format!("{account}@{}", self.auth_default_realm)
            }
            _ => account.to_owned(),
        }
    }
}

fn sessions(json: &[u8]) -> Result<Vec<Session>, String> {
    let rows: Vec<serde_json::Map<String, serde_json::Value>> =
        serde_json::from_slice(json.trim_ascii()).map_err(|error| error.to_string())?;
    let text = |row: &serde_json::Map<String, serde_json::Value>, names: &[&str]| {
        let value = names.iter().find_map(|&name| row.get(name));
        match value {
            Some(serde_json::Value::String(text)) => Ok(text.clone()),
            Some(serde_json::Value::Number(number)) => Ok(number.to_string()),
            _ => Err(format!("a session has no field `{}`", names[0])),
        }
    };
    let mut sessions = Vec::with_capacity(rows.len());
    for row in &rows {
        let pid = text(row, &["pid"])?;
        sessions.push(Session {
            user: text(row, &["username"])?,
            service: text(row, &["service", "proto"])?,
            pid: pid.parse().map_err(|_| format!("`{}` is no process number", printable(pid.as_bytes())))?,
        });
    }
    Ok(sessions)
}

/// A refusal comes in two styles: the user is not found, or is found with the field `nologin`.
fn verdict(ended: &Ended) -> Lookup {
    let stdout = String::from_utf8_lossy(&ended.stdout);
    // A field without a value has no colon.
    let field = |line: &str| line.split(':').next().is_some_and(|name| name.trim() == "nologin");
    let refused = stdout.lines().skip(1).any(field);
    match ended.code {
        0 if refused => Lookup::Refused,
        0 if stdout.starts_with("passdb:") => Lookup::Admitted,
        67 => Lookup::Refused,
        _ => Lookup::Unclear(complaint(&ended.stderr).unwrap_or_else(|| format!("exit code {}", ended.code))),
    }
}

/// Returns the first line of standard error that says that something went wrong.
fn complaint(stderr: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(stderr);
    let bad = |line: &&str| {
        ["Error:", "Fatal:", "Panic:", "Disconnected"].iter().any(|word| line.contains(word))
            && !line.contains("stats-writer")
    };
    text.lines().find(bad).map(|line| printable(line.trim().as_bytes()))
}

fn explained(run: &Run, ended: &Ended) -> ServiceError {
    let said = complaint(&ended.stderr);
    let text = said.clone().unwrap_or_default();
    let (fault, help) = if text.contains("Permission denied") || text.contains("Operation not permitted") {
        (Fault::Denied, "run popgate as root, or as the user that Dovecot runs as")
    } else if text.contains("onfiguration") || text.contains("doveconf") {
        (
            Fault::Invalid,
            "correct the configuration, or `config` in popgate's settings; `doveconf -n` checks it",
        )
    } else if ["Connection refused", "No such file or directory", "not running"]
        .iter()
        .any(|why| text.contains(why))
    {
        (Fault::TRANSIENT, "start Dovecot, or set `config` to the file that the running Dovecot uses")
    } else {
        (Fault::TRANSIENT, "Dovecot's log says more; `doveadm log find` shows where it is")
    };
    let what = match said {
        Some(text) => format!("`{}`: {text}", run.line()),
        None => run.failed(ended).what,
    };
    ServiceError { what, fault, help: Some(help.into()) }
}

/// Where Dovecot looks when nobody names a configuration.
pub(super) fn is_default(config: Option<&Path>) -> bool {
    config.is_none_or(|path| path == Path::new("/etc/dovecot/dovecot.conf"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(code: i32, stdout: &str, stderr: &str) -> Ended {
        Ended { code, stdout: stdout.into(), stderr: stderr.into(), truncated: false }
    }

    #[test]
    fn both_styles_of_refusal_are_understood() {
        let admitted = "passdb: u1@ex.test\n  user      : u1@ex.test\n  reason    : nologin: soon\n";
        let nologin = "passdb: u3@ex.test\n  user      : u3@ex.test\n  nologin   : Y\n  reason    : off\n";
        assert_eq!(verdict(&ended(0, admitted, "")), Lookup::Admitted);
        assert_eq!(verdict(&ended(0, nologin, "")), Lookup::Refused);
        assert_eq!(
            verdict(&ended(67, "passdb lookup: user u3@ex.test doesn't exist\n", "")),
            Lookup::Refused
        );
        let down = verdict(&ended(75, "", "Error: auth-master: Auth PASS lookup failed\n"));
        assert_eq!(down, Lookup::Unclear("Error: auth-master: Auth PASS lookup failed".into()));
        assert!(matches!(verdict(&ended(0, "", "")), Lookup::Unclear(_)));
    }

    #[test]
    fn a_harmless_complaint_is_told_from_a_failure() {
        let stats = b"Error: net_connect_unix(/run/dovecot/stats-writer) failed: Permission denied\n";
        assert_eq!(complaint(stats), None);
        let flush = b"Error: auth-master: auth cache flush: Disconnected unexpectedly\n";
        assert!(complaint(flush).is_some());
    }

    #[test]
    fn sessions_are_read_whatever_the_version_calls_the_protocol() {
        let json = br#"[{"username":"a/b@x","service":"imap","pid":"7","ip":"::1"},{"username":"c","proto":"pop3","pid":8}]"#;
        let read = sessions(json).unwrap();
        assert_eq!((&*read[0].user, &*read[0].service, read[0].pid), ("a/b@x", "imap", 7));
        assert_eq!((&*read[1].service, read[1].pid), ("pop3", 8));
        assert_eq!(sessions(b"[]\n").unwrap(), []);
        for bad in
            [&b""[..], b"{}", br#"[{"username":"a","service":"pop3","pid":"-1"}]"#, br#"[{"pid":"1"}]"#]
        {
            assert!(sessions(bad).is_err());
        }
    }

    #[test]
    fn the_configuration_says_how_accounts_are_called() {
        let config = |format: &str, realm: &str| {
            Config::parse(&format!(
                "base_dir = /run/dovecot\nauth_username_format = {format}\nauth_default_realm = {realm}\nprotocols = \" imap pop3\"\n"
            ))
        };
        assert_eq!(config("%Lu", "").protocols, "imap pop3");
        for (format, realm, account, login) in [
            ("%Lu", "", "Al@x", "Al@x"),
            ("%n", "", "al@x", "al"),
            ("%Ln", "y", "al", "al"),
            ("%Lu", "y", "al", "al@y"),
            ("%Lu", "y", "al@x", "al@x"),
            ("%{user|username|lower}", "", "al@x", "al"),
            ("%{user|lower}", "", "al@x", "al@x"),
            ("", "", "al@x", "al@x"),
        ] {
            assert_eq!(config(format, realm).login_name(account), login, "{format} {realm}");
        }
    }

    #[test]
    fn the_cache_is_on_when_its_size_is_not_zero() {
        for (size, on) in [("10 M", true), ("0", false), ("", false), ("1 k", true), ("0 B", false)] {
            assert_eq!(Config { auth_cache_size: size.into(), ..Config::default() }.caches(), on, "{size}");
        }
    }
}
