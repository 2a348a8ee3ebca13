//! Secrets: where one is to be found, and fetching it at the moment it is needed.
//!
//! Settings hold only the way to a secret, never the secret. [`Secret::resolve`] is called at each connect, so that a
//! rotated secret needs no restart, and nobody keeps the answer. Nothing here ever shows a value: not in an error, not
//! in a debug print, not to a child process.

use std::collections::BTreeSet;
use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use secrecy::SecretString;
use tokio::io::AsyncReadExt as _;

use crate::model::Finding;

/// How long a secret may take to come.
const PATIENCE: Duration = Duration::from_secs(10);

/// The most bytes a secret may have.
const LIMIT: u64 = 64 * 1024;

/// The way to a secret.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Secret {
    /// What a command prints; the program and its arguments.
    Command(Vec<String>),
    /// The value of an environment variable.
    Env(String),
    /// The content of a file.
    File(PathBuf),
}

/// Why a secret could not be had. Names the way to it, never what was found there.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The command could not be run.
    #[error("running the command `{program}` for a secret")]
    Run {
        /// The program.
        program: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The command said that it failed.
    #[error("the command `{program}` for a secret failed: {status}")]
    Failed {
        /// The program.
        program: String,
        /// How it ended.
        status: std::process::ExitStatus,
    },
    /// The file could not be read.
    #[error("reading the secret file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The variable is not set.
    #[error("the environment variable `{0}` for a secret is not set")]
    Unset(String),
    /// Nothing is there.
    #[error("the secret from {0} is empty")]
    Empty(Secret),
    /// No text.
    #[error("the secret from {0} is not UTF-8 text")]
    NotText(Secret),
    /// More than a secret can be.
    #[error("the secret from {0} is longer than {LIMIT} bytes")]
    TooLong(Secret),
    /// It did not come in time.
    #[error("the secret from {0} did not come within {1:?}")]
    Late(Secret, Duration),
}

impl Secret {
    /// Fetches the secret; one line break at its end does not count.
    ///
    /// # Errors
    /// [`SecretError`], which never carries the value.
    pub async fn resolve(&self) -> Result<SecretString, SecretError> {
        self.resolve_hiding(&BTreeSet::new()).await
    }

    /// Like [`resolve`](Self::resolve), but a command does not inherit these environment variables: the ones that hold
    /// other secrets, as [`env_names`] lists them.
    ///
    /// # Errors
    /// [`SecretError`], which never carries the value.
    pub async fn resolve_hiding(&self, hidden: &BTreeSet<String>) -> Result<SecretString, SecretError> {
        self.resolve_within(PATIENCE, hidden).await
    }

    async fn resolve_within(
        &self,
        patience: Duration,
        hidden: &BTreeSet<String>,
    ) -> Result<SecretString, SecretError> {
        let bytes = tokio::time::timeout(patience, self.fetch(hidden))
            .await
            .map_err(|_| SecretError::Late(self.clone(), patience))??;
        if bytes.len() as u64 > LIMIT {
            return Err(SecretError::TooLong(self.clone()));
        }
        let mut text = String::from_utf8(bytes).map_err(|_| SecretError::NotText(self.clone()))?;
        let kept =
            text.strip_suffix('\n').map_or(&*text, |line| line.strip_suffix('\r').unwrap_or(line)).len();
        text.truncate(kept);
        if text.is_empty() { Err(SecretError::Empty(self.clone())) } else { Ok(text.into()) }
    }

    /// Looks whether the secret can be had, without running a command and without keeping anything.
    pub fn preflight(&self) -> Vec<Finding> {
        match self {
            Self::Command(_) => Vec::new(),
            Self::Env(name) => match std::env::var_os(name) {
                Some(value) if !value.is_empty() => Vec::new(),
                _ => vec![Finding::error(
                    format!("the environment variable `{name}` for a secret is not set"),
                    format!("set `{name}` for popgate, or use `{{file: PATH}}`"),
                )],
            },
            Self::File(path) => look_at(path),
        }
    }

    async fn fetch(&self, hidden: &BTreeSet<String>) -> Result<Vec<u8>, SecretError> {
        match self {
            Self::Command(argv) => run(argv, hidden).await,
            Self::Env(name) => {
                let value = std::env::var_os(name).ok_or_else(|| SecretError::Unset(name.clone()))?;
                Ok(value.into_encoded_bytes())
            }
            Self::File(path) => {
                let failed = |source| SecretError::Read { path: path.clone(), source };
                let (wanted, (answer, content)) = (path.clone(), tokio::sync::oneshot::channel());
                // A thread of its own, for which nobody has to wait: a pipe in the place of a file may never answer.
                std::thread::spawn(move || answer.send(read(&wanted)));
                content.await.map_err(|lost| failed(std::io::Error::other(lost)))?.map_err(failed)
            }
        }
    }
}

/// Lists the environment variables that hold secrets. No child process may inherit them.
pub fn env_names<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> BTreeSet<String> {
    let name = |secret: &Secret| if let Secret::Env(name) = secret { Some(name.clone()) } else { None };
    secrets.into_iter().filter_map(name).collect()
}

/// Arguments of a command may be delicate, so only its program is shown.
impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(argv) => write!(f, "the command `{}`", program(argv)),
            Self::Env(name) => write!(f, "the environment variable `{name}`"),
            Self::File(path) => write!(f, "the file {}", path.display()),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({self})")
    }
}

fn program(argv: &[String]) -> &str {
    argv.first().map_or("", String::as_str)
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(LIMIT + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Runs a command that prints a secret. Its standard error is not kept, because it may quote the secret.
async fn run(argv: &[String], hidden: &BTreeSet<String>) -> Result<Vec<u8>, SecretError> {
    let program = program(argv).to_owned();
    let failed = |source| SecretError::Run { program: program.clone(), source };
    let mut command = tokio::process::Command::new(&program);
    command.args(argv.iter().skip(1)).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    for name in hidden {
        command.env_remove(name);
    }
    let mut child = command.spawn().map_err(failed)?;
    let mut bytes = Vec::new();
    if let Some(output) = child.stdout.take() {
        output.take(LIMIT + 1).read_to_end(&mut bytes).await.map_err(failed)?;
    }
    let status = child.wait().await.map_err(failed)?;
    if bytes.len() as u64 <= LIMIT && !status.success() {
        return Err(SecretError::Failed { program, status });
    }
    Ok(bytes)
}

fn look_at(path: &Path) -> Vec<Finding> {
    let unreadable = |error| {
        let what = format!("the secret file {} cannot be read: {error}", path.display());
        Finding::error(what, "create the file so that popgate's user, and nobody else, can read it")
    };
    match std::fs::metadata(path) {
        Err(error) => vec![unreadable(error)],
        Ok(metadata) => {
            // A pipe would wait for its writer; it is opened when its secret is needed.
            let opened = if metadata.is_file() { std::fs::File::open(path).err() } else { None };
            opened.map(unreadable).into_iter().chain(open_to_everybody(path, &metadata)).collect()
        }
    }
}

#[cfg(unix)]
fn open_to_everybody(path: &Path, metadata: &std::fs::Metadata) -> Option<Finding> {
    use std::os::unix::fs::PermissionsExt as _;

    let mode = metadata.permissions().mode() & 0o777;
    (mode & 0o007 != 0).then(|| {
        let path = path.display();
        Finding::warning(
            format!("the secret file {path} is open to everybody (mode {mode:03o})"),
            format!("run `chmod o= {path}`, and change the secret if others can log in here"),
        )
    })
}

#[cfg(not(unix))]
fn open_to_everybody(_path: &Path, _metadata: &std::fs::Metadata) -> Option<Finding> {
    None
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn command(script: &str) -> Secret {
        Secret::Command(vec!["sh".to_owned(), "-c".to_owned(), script.to_owned()])
    }

    fn file(content: &[u8]) -> (tempfile::TempDir, Secret) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        std::fs::write(&path, content).unwrap();
        (dir, Secret::File(path))
    }

    async fn value(secret: &Secret) -> String {
        secret.resolve().await.unwrap().expose_secret().to_owned()
    }

    #[tokio::test]
    async fn a_file_loses_one_line_break_and_nothing_else() {
        for (content, expected) in [
            ("hunter2\n", "hunter2"),
            ("hunter2\r\n", "hunter2"),
            (" hunter2 \n\n", " hunter2 \n"),
            ("a\rb\r", "a\rb\r"),
        ] {
            let (_dir, secret) = file(content.as_bytes());
            assert_eq!(value(&secret).await, expected);
        }
    }

    #[tokio::test]
    async fn a_command_prints_the_secret() {
        assert_eq!(value(&command("echo hunter2; echo noise >&2")).await, "hunter2");
    }

    #[tokio::test]
    async fn a_variable_holds_the_secret() {
        let path = std::env::var("PATH").unwrap();
        assert_eq!(value(&Secret::Env("PATH".to_owned())).await, path);
    }

    #[tokio::test]
    async fn a_command_does_not_inherit_hidden_variables() {
        let secret = command("echo \"[$PATH_OF_NOBODY$HOME]\"");
        let hidden = env_names([&Secret::Env("HOME".to_owned()), &command("true")]);
        assert_eq!(hidden, BTreeSet::from(["HOME".to_owned()]));
        let shown = secret.resolve_hiding(&hidden).await.unwrap();
        assert_eq!(shown.expose_secret(), "[]");
    }

    #[tokio::test]
    async fn what_is_no_secret_is_an_error_that_does_not_quote_it() {
        let (_empty, empty) = file(b"\n");
        let (_binary, binary) = file(b"hunter2\xff");
        let (_long, long) = file(&vec![b'a'; 70_000]);
        for (secret, expected) in [
            (
                Secret::Env("POPGATE_NOT_SET".to_owned()),
                "the environment variable `POPGATE_NOT_SET` for a secret is not set",
            ),
            (Secret::File("/nonexistent/secret".into()), "reading the secret file /nonexistent/secret"),
            (empty.clone(), &format!("the secret from {empty} is empty")),
            (binary.clone(), &format!("the secret from {binary} is not UTF-8 text")),
            (long.clone(), &format!("the secret from {long} is longer than 65536 bytes")),
            (command("echo hunter2; exit 3"), "the command `sh` for a secret failed: exit status: 3"),
            (command("true"), "the secret from the command `sh` is empty"),
            (command("yes hunter2"), "the secret from the command `sh` is longer than 65536 bytes"),
            (
                Secret::Command(vec!["/nonexistent/tool".to_owned()]),
                "running the command `/nonexistent/tool` for a secret",
            ),
            (Secret::Command(Vec::new()), "running the command `` for a secret"),
        ] {
            let error = secret.resolve().await.expect_err(expected);
            assert_eq!(error.to_string(), expected);
            assert!(!format!("{error:?} {secret:?}").contains("hunter2"), "{error:?}");
        }
    }

    #[tokio::test]
    async fn a_secret_that_does_not_come_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for secret in [command("exec sleep 600"), Secret::File(pipe)] {
            let patience = Duration::from_millis(50);
            let error = secret.resolve_within(patience, &BTreeSet::new()).await.expect_err("too late");
            assert_eq!(error.to_string(), format!("the secret from {secret} did not come within 50ms"));
        }
    }

    #[test]
    fn preflight_names_what_stands_in_the_way() {
        use std::os::unix::fs::PermissionsExt as _;

        let (_dir, secret) = file(b"hunter2");
        let Secret::File(path) = &secret else { panic!("a file") };
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(secret.preflight(), []);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let [finding] = &secret.preflight()[..] else { panic!("one finding") };
        assert_eq!(
            finding.what,
            format!("the secret file {} is open to everybody (mode 644)", path.display())
        );
        assert_eq!(Secret::Env("POPGATE_NOT_SET".to_owned()).preflight().len(), 1);
        assert_eq!(Secret::Env("PATH".to_owned()).preflight(), []);
        assert_eq!(Secret::File("/nonexistent/secret".into()).preflight().len(), 1);
    }
}
