//! Other programs, bounded in time, in memory and in reach. Refuses to know what they are for.
//!
//! Every program runs without a shell, in a process group of its own, and gets no file descriptor besides its
//! three streams. What it says is kept only so far as `keep` allows, and never waited for once it has ended: a
//! daemon that it leaves behind may hold the streams for ever.

mod output;
mod signal;

use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::{ChildStdin, Command};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

pub(super) use output::printable;
pub(super) use signal::signal;

use crate::model::Fault;
use crate::services::{ServiceError, proc};
use output::Stream;

/// How much of each stream is kept when nobody says otherwise.
const KEEP: usize = 64 * 1024;
/// How long a program that was asked to end may take before it is killed.
const GRACE: Duration = Duration::from_secs(3);
/// How long the rest of the output may take after the program has ended.
const DRAIN: Duration = Duration::from_millis(250);

/// What becomes of the lines that a program prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Echo {
    /// They are the operator's own: logged as information.
    Info,
    /// Logged for those who look closely.
    Debug,
    /// They may hold a secret: never logged, never part of an error.
    Nothing,
}

/// One program to be run.
#[derive(Clone, Debug)]
pub(super) struct Run {
    program: OsString,
    args: Vec<OsString>,
    input: Vec<u8>,
    without_env: Vec<String>,
    limit: Duration,
    keep: usize,
    echo: Echo,
}

/// A program that ended by itself.
#[derive(Debug)]
pub(super) struct Ended {
    /// Its exit code.
    pub(super) code: i32,
    /// The last bytes of its standard output.
    pub(super) stdout: Vec<u8>,
    /// The last bytes of its standard error.
    pub(super) stderr: Vec<u8>,
    /// Whether standard output was longer than what was kept.
    pub(super) truncated: bool,
}

impl Run {
    /// Prepares a program, named by a path or to be found in PATH, with its arguments.
    pub(super) fn new<A: Into<OsString>>(
        program: impl Into<OsString>,
        args: impl IntoIterator<Item = A>,
        limit: Duration,
    ) -> Self {
        Self {
            program: program.into(),
            args: args.into_iter().map(Into::into).collect(),
            input: Vec::new(),
            without_env: Vec::new(),
            limit,
            keep: KEEP,
            echo: Echo::Debug,
        }
    }

    /// Writes this to the program's standard input, which is otherwise empty.
    pub(super) fn input(mut self, input: Vec<u8>) -> Self {
        self.input = input;
        self
    }

    /// Keeps these variables of popgate's own environment from the program.
    pub(super) fn without_env(mut self, names: &[String]) -> Self {
        self.without_env = names.to_vec();
        self
    }

    /// Keeps so many bytes of each stream.
    pub(super) fn keep(mut self, bytes: usize) -> Self {
        self.keep = bytes;
        self
    }

    /// Says what becomes of the lines.
    pub(super) fn echo(mut self, echo: Echo) -> Self {
        self.echo = echo;
        self
    }

    /// Runs the program to its end, whatever its exit code. Dropping the future kills it and its whole group.
    ///
    /// # Errors
    /// When it cannot be started, is killed by a signal, or outlasts its time; then nothing of its group is left.
    pub(super) async fn ended(&self) -> Result<Ended, ServiceError> {
        let mut command = Command::new(&self.program);
        command.args(&self.args).process_group(0).kill_on_drop(true);
        command.stdin(if self.input.is_empty() { Stdio::null() } else { Stdio::piped() });
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        for name in &self.without_env {
            command.env_remove(name);
        }
        let mut child = match command.spawn() {
            Ok(child) => child,
            // One directory of PATH that popgate may not enter makes this out of "not found".
            Err(error) if error.kind() == ErrorKind::PermissionDenied && !self.is_path() => {
                return Err(Box::pin(self.locate()).await.err().unwrap_or_else(|| self.not_started(&error)));
            }
            Err(error) => return Err(self.not_started(&error)),
        };
        let mut group = signal::Group::of(&child);
        let input = child.stdin.take().map(|pipe| write_all(pipe, self.input.clone()));
        let shown = self.program.to_string_lossy().into_owned();
        let stdout = child.stdout.take().map(|pipe| Stream::of(pipe, self.keep, self.echo, shown.clone()));
        let stderr = child.stderr.take().map(|pipe| Stream::of(pipe, self.keep, self.echo, shown));

        let status = timeout(self.limit, child.wait()).await;
        if status.is_err() {
            group.signal("TERM").await;
            wait_for_end(child.id()).await;
            group.signal("KILL").await;
            // Reaped only now: until then the kernel gives the group's number to nobody else.
            let _status = child.wait().await;
        }
        group.release();
        if let Some(writer) = input {
            writer.abort();
        }
        let (stdout, truncated) = Stream::rest(stdout, DRAIN).await;
        let (stderr, _) = Stream::rest(stderr, DRAIN).await;
        let said = self.said(&stdout, &stderr);
        match status {
            Err(_) => Err(ServiceError {
                what: format!("`{}` did not end within {:?} and was killed{said}", self.line(), self.limit),
                fault: Fault::TRANSIENT,
                help: Some("find out what it waits for, or give it a longer `timeout`".into()),
            }),
            Ok(Err(error)) => Err(ServiceError {
                what: format!("waiting for `{}`: {error}", self.line()),
                fault: Fault::TRANSIENT,
                help: None,
            }),
            Ok(Ok(status)) => match status.code() {
                Some(code) => Ok(Ended { code, stdout, stderr, truncated }),
                None => Err(ServiceError {
                    what: format!(
                        "`{}` was killed by signal {}{said}",
                        self.line(),
                        status.signal().unwrap_or_default()
                    ),
                    fault: Fault::TRANSIENT,
                    help: Some(
                        "look in the system's log for who killed it; the kernel does when memory runs out"
                            .into(),
                    ),
                }),
            },
        }
    }

    /// Runs the program and takes any exit code but 0 for a failure.
    pub(super) async fn success(&self) -> Result<Ended, ServiceError> {
        let ended = self.ended().await?;
        if ended.code == 0 { Ok(ended) } else { Err(self.failed(&ended)) }
    }

    /// Finds the program without running it.
    ///
    /// # Errors
    /// The same as an attempt to start it would give, as far as that can be foreseen.
    pub(super) async fn locate(&self) -> Result<String, ServiceError> {
        let script = r#"set -f; IFS=:; result=1
try() { [ -e "$1" ] || return; [ -f "$1" ] && [ -x "$1" ] && { printf %s "$1"; exit 0; }; result=2; }
case $0 in */*) try "$0";; *) for dir in $PATH; do try "${dir:-.}/$0"; done;; esac; exit $result"#;
        let words = [OsString::from("-c"), script.into(), self.program.clone()];
        let ended = Self::new("/bin/sh", words, Duration::from_secs(10)).ended().await?;
        match ended.code {
            0 => Ok(printable(&ended.stdout)),
            2 => Err(self.not_started(&ErrorKind::PermissionDenied.into())),
            _ => Err(self.not_started(&ErrorKind::NotFound.into())),
        }
    }

    /// Describes an end with an exit code that means failure.
    pub(super) fn failed(&self, ended: &Ended) -> ServiceError {
        ServiceError {
            what: format!(
                "`{}` ended with exit code {}{}",
                self.line(),
                ended.code,
                self.said(&ended.stdout, &ended.stderr)
            ),
            fault: Fault::TRANSIENT,
            help: None,
        }
    }

    /// Returns the command as a person would type it.
    pub(super) fn line(&self) -> String {
        line(std::iter::once(&self.program).chain(&self.args).map(|word| word.to_string_lossy()))
    }

    fn is_path(&self) -> bool {
        self.program.as_encoded_bytes().contains(&b'/')
    }

    fn said(&self, stdout: &[u8], stderr: &[u8]) -> String {
        if self.echo == Echo::Nothing {
            return String::new();
        }
        let text = output::last_lines(if stderr.trim_ascii().is_empty() { stdout } else { stderr });
        if text.is_empty() { "; it printed nothing".into() } else { format!(": {text}") }
    }

    fn not_started(&self, error: &std::io::Error) -> ServiceError {
        let program = self.program.to_string_lossy();
        let path = Path::new(&self.program);
        let is_path = self.is_path();
        let refused = |what: String, fault: Fault, help: &str| ServiceError {
            what,
            fault,
            help: Some(help.to_owned()),
        };
        match error.kind() {
            ErrorKind::NotFound if is_path && path.exists() => refused(
                format!("`{program}` cannot be run: the interpreter that its first line names is missing"),
                Fault::Invalid,
                "correct its first line, for example to `#!/bin/sh`",
            ),
            ErrorKind::NotFound if is_path => refused(
                format!("there is no program `{program}`"),
                Fault::Invalid,
                "correct the path in the settings, or install the program",
            ),
            ErrorKind::NotFound => refused(
                format!("there is no program `{program}` in PATH"),
                Fault::Invalid,
                "install it, or write its whole path: under systemd and cron PATH is shorter than in a shell",
            ),
            ErrorKind::PermissionDenied => refused(
                format!("`{program}` may not be executed"),
                Fault::Denied,
                "`chmod +x` it, and let the user that popgate runs as reach its directory",
            ),
            ErrorKind::ExecutableFileBusy => refused(
                format!("`{program}` is being written"),
                Fault::TRANSIENT,
                "try again when it is complete",
            ),
            _ if error.raw_os_error() == Some(ENOEXEC) => refused(
                format!("`{program}` is not a program"),
                Fault::Invalid,
                "begin a script with a line such as `#!/bin/sh`",
            ),
            _ => ServiceError {
                what: format!("starting `{}`: {error}", self.line()),
                fault: Fault::TRANSIENT,
                help: None,
            },
        }
    }
}

/// "Exec format error", the same number on every Unix.
const ENOEXEC: i32 = 8;

/// Returns words as a person would type them in a shell.
pub(super) fn line<W: AsRef<str>>(words: impl IntoIterator<Item = W>) -> String {
    let quoted = words.into_iter().map(|word| quoted(word.as_ref()));
    quoted.collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", printable(word.as_bytes()).replace('\'', r"'\''"))
    }
}

/// A program need not read what it is given, so a closed pipe is no error; and a grandchild may hold the pipe
/// and never read, so this is a task that can be aborted.
fn write_all(mut pipe: ChildStdin, input: Vec<u8>) -> JoinHandle<()> {
    tokio::spawn(async move {
        if pipe.write_all(&input).await.is_ok() {
            let _closed = pipe.shutdown().await;
        }
    })
}

/// Waits until a child has ended without reaping it, at most [`GRACE`].
async fn wait_for_end(pid: Option<u32>) {
    let Some(pid) = pid else { return };
    let step = Duration::from_millis(20);
    let mut waited = Duration::ZERO;
    while waited < GRACE && !matches!(proc::find(pid), Ok(Some(process)) if process.ended()) {
        sleep(step).await;
        waited += step;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Run {
        Run::new("/bin/sh", ["-c", script], Duration::from_secs(20))
    }

    #[tokio::test]
    async fn a_program_gets_its_input_and_its_arguments_as_they_are() {
        let run =
            Run::new("/bin/sh", ["-c", "cat; printf '%s' \"$1\"", "sh", "a b;$(c)"], Duration::from_secs(20));
        let ended = run.input(b"one\ntwo\n".to_vec()).success().await.unwrap();
        assert_eq!(String::from_utf8(ended.stdout).unwrap(), "one\ntwo\na b;$(c)");
    }

    #[tokio::test]
    async fn a_program_that_never_reads_its_input_is_no_error() {
        sh("exit 0").input(vec![b'x'; 1 << 20]).success().await.unwrap();
    }

    #[tokio::test]
    async fn a_failure_shows_the_code_and_the_last_lines() {
        let error = sh("echo first; echo 'unit is masked' >&2; exit 5").success().await.unwrap_err();
        assert!(error.what.ends_with("ended with exit code 5: unit is masked"), "{}", error.what);
        assert!(error.fault.is_transient());
    }

    #[tokio::test]
    async fn nothing_of_a_secret_output_is_shown() {
        let error = sh("echo hunter2; exit 1").echo(Echo::Nothing).success().await.unwrap_err();
        assert!(!error.what.replace("echo hunter2; exit 1", "").contains("hunter2"), "{}", error.what);
    }

    #[tokio::test]
    async fn only_the_end_of_a_long_output_is_kept() {
        let ended = sh("head -c 300000 /dev/zero | tr '\\0' x; echo end").keep(1000).success().await.unwrap();
        assert!(ended.truncated);
        assert_eq!(ended.stdout.len(), 1000);
        assert!(ended.stdout.ends_with(b"xxend\n"));
    }

    #[tokio::test]
    async fn a_signal_is_named() {
        let error = sh("kill -9 $$").success().await.unwrap_err();
        assert!(error.what.contains("was killed by signal 9"), "{}", error.what);
    }

    #[tokio::test]
    async fn a_script_whose_interpreter_is_missing_is_told_from_a_missing_program() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let script = dir.path().join("restart");
        let start = || Run::new(&script, [""; 0], Duration::from_secs(20));
        let missing = start().success().await.unwrap_err();
        assert!(missing.what.starts_with("there is no program"), "{}", missing.what);
        std::fs::write(&script, "#!/no/such/shell\n").unwrap();
        let denied = start().success().await.unwrap_err();
        assert_eq!(denied.fault, Fault::Denied);
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
        let interpreter = start().success().await.unwrap_err();
        assert!(interpreter.what.contains("the interpreter"), "{}", interpreter.what);
    }

    #[test]
    fn a_line_can_be_typed_in_a_shell() {
        assert_eq!(line(["systemctl", "restart", "dovecot"]), "systemctl restart dovecot");
        assert_eq!(line(["sh", "-c", "it's; x", ""]), r"sh -c 'it'\''s; x' ''");
    }
}
