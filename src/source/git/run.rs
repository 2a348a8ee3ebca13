//! Running the `git` program: without questions, without the machine's configuration, and never for ever.

use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::source::commit::MISLEADING;

/// How long what happens on this machine may take.
pub(super) const LOCAL: Duration = Duration::from_mins(1);
/// The most that git may print, in bytes: somewhat more than all desired files may have together.
const MOST: u64 = 600 << 20;
/// The most of what git says of a failure that is repeated, in bytes.
const MOST_SAID: u64 = 4096;
/// How long a process that has closed its output may take to end.
const FAREWELL: Duration = Duration::from_secs(5);

/// A git in one repository.
#[derive(Clone, Debug)]
pub(super) struct Git {
    dir: PathBuf,
    own: bool,
    limit: Duration,
    config: Vec<String>,
    environment: Vec<(&'static str, String)>,
    hidden: Vec<String>,
}

/// Why git did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum GitError {
    /// The program cannot be started.
    #[error("running `git` failed: {0}")]
    NotThere(#[source] io::Error),
    /// It said no.
    #[error("`git {command}` failed: {said}")]
    Failed {
        /// Which of its commands.
        command: String,
        /// What it said, fit to be shown.
        said: String,
    },
    /// It did not end in time.
    #[error("`git {command}` did not end within {} s", limit.as_secs())]
    Late {
        /// Which of its commands.
        command: String,
        /// How long it had.
        limit: Duration,
    },
    /// It printed more than all desired files may have together.
    #[error("`git {0}` printed more than {most} MiB", most = MOST >> 20)]
    TooLong(String),
}

impl Git {
    /// In a repository that popgate made itself: nothing of the machine's or a user's configuration counts.
    pub(super) fn own(dir: &Path) -> Self {
        Self::new(dir, true)
    }

    /// In somebody's repository, as he has configured it, but without hooks.
    pub(super) fn of_user(dir: &Path) -> Self {
        Self::new(dir, false)
    }

    fn new(dir: &Path, own: bool) -> Self {
        let dir = dir.to_owned();
        Self { dir, own, limit: LOCAL, config: Vec::new(), environment: Vec::new(), hidden: Vec::new() }
    }

    /// Sets how long each command may take.
    pub(super) fn within(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// Sets one value of the configuration, as `name=value`. It is seen in the list of processes.
    pub(super) fn config(mut self, setting: impl Into<String>) -> Self {
        self.config.push(setting.into());
        self
    }

    /// Sets a variable for git and what it starts.
    pub(super) fn env(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    /// Keeps a variable of this process from git.
    pub(super) fn hide(mut self, name: impl Into<String>) -> Self {
        self.hidden.push(name.into());
        self
    }

    /// Runs a command with this on standard input and returns what it printed.
    pub(super) fn run(&self, arguments: &[&str], input: &[u8]) -> Result<Vec<u8>, GitError> {
        let named = || arguments.first().copied().unwrap_or_default().to_owned();
        let mut child = self.command(arguments).spawn().map_err(GitError::NotThere)?;
        let (done, printed) = mpsc::channel();
        // Threads of their own, for which nobody has to wait: something that git left behind may hold a pipe open.
        if let (Some(mut stdin), input) = (child.stdin.take(), input.to_owned()) {
            // Whoever does not read all of it says so by failing.
            thread::spawn(move || drop(stdin.write_all(&input)));
        }
        let said = child.stderr.take().map(|stderr| heard(stderr, MOST_SAID));
        if let Some(stdout) = child.stdout.take() {
            let heard = heard(stdout, MOST + 1);
            thread::spawn(move || done.send(heard.recv()));
        }
        let Ok(printed) = printed.recv_timeout(self.limit) else {
            end(&mut child);
            return Err(GitError::Late { command: named(), limit: self.limit });
        };
        let printed = printed.unwrap_or_default();
        if printed.len() as u64 > MOST {
            end(&mut child);
            return Err(GitError::TooLong(named()));
        }
        let Some(success) = farewell(&mut child) else {
            end(&mut child);
            return Err(GitError::Late { command: named(), limit: self.limit });
        };
        if success {
            return Ok(printed);
        }
        let said = said.and_then(|said| said.recv_timeout(FAREWELL).ok()).unwrap_or_default();
        Err(GitError::Failed { command: named(), said: shown(&String::from_utf8_lossy(&said)) })
    }

    /// As [`Git::run`], for one line of text.
    pub(super) fn line(&self, arguments: &[&str]) -> Result<String, GitError> {
        Ok(String::from_utf8_lossy(&self.run(arguments, b"")?).trim_end_matches('\n').to_owned())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        command.arg("-C").arg(&self.dir).args([
            "-c",
            "core.fsmonitor=false",
            "-c",
            "core.hooksPath=/dev/null",
        ]);
        for setting in &self.config {
            command.args(["-c", setting]);
        }
        command.args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        for name in MISLEADING.into_iter().chain(self.hidden.iter().map(String::as_str)) {
            command.env_remove(name);
        }
        command.env("LC_ALL", "C").env("GIT_TERMINAL_PROMPT", "0").env("GIT_OPTIONAL_LOCKS", "0");
        if self.own {
            // Some of these lead elsewhere, some run programs, some write down what was sent.
            let of_git = |name: &std::ffi::OsString| name.as_encoded_bytes().starts_with(b"GIT_");
            for (name, _) in std::env::vars_os().filter(|(name, _)| of_git(name)) {
                command.env_remove(name);
            }
            command.env("GIT_TERMINAL_PROMPT", "0").env("GIT_OPTIONAL_LOCKS", "0");
            command.env("GIT_ASKPASS", "").env("SSH_ASKPASS", "").env("SSH_ASKPASS_REQUIRE", "never");
            command.env("GIT_DIR", &self.dir);
            command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
            command.env("GIT_ATTR_NOSYSTEM", "1").env("GIT_ALLOW_PROTOCOL", "file:git:http:https:ssh");
        }
        for (name, value) in &self.environment {
            command.env(name, value);
        }
        command
    }
}

/// Reads a pipe to its end, in a thread of its own.
fn heard(pipe: impl Read + Send + 'static, most: u64) -> mpsc::Receiver<Vec<u8>> {
    let (done, heard) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let mut pipe = pipe;
        // What was read before an error still says something.
        drop(pipe.by_ref().take(most).read_to_end(&mut bytes));
        drop(done.send(bytes));
        // A process that has more to say than anybody wants to hear must not wait for a reader.
        drop(io::copy(&mut pipe, &mut io::sink()));
    });
    heard
}

/// Waits for the end of a process that has nothing more to print.
fn farewell(child: &mut Child) -> Option<bool> {
    let pause = Duration::from_millis(5);
    for _ in 0..FAREWELL.as_millis() / pause.as_millis() {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status.success()),
            Ok(None) => thread::sleep(pause),
            Err(_) => return Some(false),
        }
    }
    None
}

/// Ends a process and all that it started. The standard library can signal a child only, and `sh` always has `kill`.
fn end(child: &mut Child) {
    let mut kill = Command::new("/bin/sh");
    kill.args(["-c", r#"kill -s KILL -- "-$0""#, &child.id().to_string()]);
    let _status = kill.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    drop(child.kill());
    drop(child.wait());
}

/// Makes what git says one line that steers no terminal and shows no password.
fn shown(said: &str) -> String {
    let lines =
        said.lines().map(|line| line.trim().trim_start_matches("fatal: ").trim_start_matches("error: "));
    let joined = lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ");
    let printable: String = joined.chars().filter(|character| !character.is_control()).collect();
    if printable.is_empty() { "it did not say why".to_owned() } else { without_userinfo(&printable) }
}

/// Takes what stands before the `@` out of every address in a text.
pub(super) fn without_userinfo(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let ends = |c: char| c == '/' || c.is_whitespace() || "'\"`?#".contains(c);
        let authority = &after[..after.find(ends).unwrap_or(after.len())];
        let host = authority.rfind('@').map_or(0, |mark| mark + 1);
        // A name alone is no secret for SSH, and whoever reads this wants to know it.
        if host > 0 && (!before.ends_with("ssh://") || authority[..host].contains(':')) {
            out.push_str("…@");
            rest = &after[host..];
        } else {
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_says_is_one_harmless_line_without_passwords() {
        let said =
            "fatal: unable to access 'https://me:hunter2@git.example/x.git/':\u{1b}[31m no\nerror: bye\n";
        assert_eq!(shown(said), "unable to access 'https://…@git.example/x.git/':[31m no; bye");
        assert_eq!(shown(" \n"), "it did not say why");
        assert_eq!(
            without_userinfo("ssh://git@host/x https://token@host"),
            "ssh://git@host/x https://…@host"
        );
    }

    #[test]
    fn a_git_that_does_not_end_is_ended() {
        let dir = tempfile::tempdir().unwrap();
        let git = Git::of_user(dir.path()).within(Duration::from_millis(300));
        let git = git.config("alias.hang=!echo $$ >pid; sleep 600");
        let late = git.run(&["hang"], b"").unwrap_err();
        assert!(matches!(&late, GitError::Late { command, .. } if command == "hang"), "{late}");
        let pid = std::fs::read_to_string(dir.path().join("pid")).unwrap();
        let child = Path::new("/proc").join(pid.trim()).join("exe");
        // Its parent may have to take note of its end.
        let ended = (0..200).any(|_| {
            !child.exists() || {
                thread::sleep(Duration::from_millis(10));
                false
            }
        });
        assert!(ended, "its children, too");
    }

    #[test]
    fn the_own_git_knows_nobodys_configuration() {
        let dir = tempfile::tempdir().unwrap();
        let git = Git::own(dir.path());
        drop(git.run(&["init", "-q", "--bare"], b"").unwrap());
        let listed = git.line(&["config", "--list", "--show-scope"]).unwrap();
        assert!(
            listed.lines().all(|line| line.starts_with("local") || line.starts_with("command")),
            "{listed}"
        );
    }
}
