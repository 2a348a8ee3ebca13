//! A repository that popgate fetches into a bare clone of its own, and reads without a checkout.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

use super::objects::{self, ObjectsError};
use super::run::{Git, GitError};
use super::{address, verify};
use crate::diagnostic::Diagnostic;
use crate::diagnostic::codes::{GIT_FETCH, GIT_REF, NO_DIRECTORY};
use crate::secret::Secret;
use crate::source::directory::ReadProblem;
use crate::source::tree::problem;
use crate::source::{Commit, commit};

/// How long a fetch may take, the checks of what came included.
pub const FETCH: Duration = Duration::from_mins(5);
/// How often and how long somebody else's fetch into the same clone is waited for.
const LOCK_ATTEMPTS: u32 = 600;
const LOCK_PAUSE: Duration = Duration::from_millis(100);
/// How many fetches in a row may fail before that is more than a passing trouble.
const PATIENCE: u32 = 3;
/// What git asks for the password: the words are in the environment and not in the arguments.
const HELPER: &str = "!f() { test \"$1\" = get && printf 'username=%s\\npassword=%s\\n' \
    \"$POPGATE_GIT_USERNAME\" \"$POPGATE_GIT_PASSWORD\"; }; f";

/// Where a desired state is fetched from, as the settings say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The repository's address; never holds a password.
    pub url: String,
    /// Branch or tag.
    pub reference: String,
    /// The directory within the repository; empty for its top.
    pub path: PathBuf,
    /// The file of the signers of whom one must have signed the commit.
    pub allowed_signers: Option<PathBuf>,
    /// Who logs in, and where the password is to be found.
    pub login: Option<(String, Secret)>,
    /// The private key for SSH.
    pub ssh_key: Option<PathBuf>,
    /// How often the daemon fetches.
    pub interval: Duration,
}

/// Names it for a person: the address without anything secret, the branch or tag, the directory.
impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at {}, {}", address::shown(&self.url), self.reference, self.path.display())
    }
}

/// A repository with its bare clone.
#[derive(Debug)]
pub struct Remote {
    address: Address,
    /// The name under which the clone keeps what was fetched.
    kept_as: String,
    clone: PathBuf,
    /// A clone somewhere else, for who may not write the state directory. Deleted at the end.
    scratch: Mutex<Option<PathBuf>>,
    last: Mutex<Last>,
}

/// What became of the last fetch.
#[derive(Debug, Default)]
struct Last {
    tried: bool,
    problem: Option<Diagnostic>,
    /// How often it could not be fetched in a row.
    failures: u32,
}

/// What was read of a repository, at one commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Every YAML file, sorted by path.
    pub files: Vec<crate::desired::SourceFile>,
    /// The paths of other files.
    pub skipped: Vec<String>,
    /// The commit.
    pub commit: Commit,
}

impl Remote {
    /// Prepares to fetch below a state directory, for one target. Nothing is created yet.
    pub fn new(mut address: Address, state: &Path, target: &str) -> Self {
        // Git runs within the clone, from where a relative path leads elsewhere.
        let state = std::path::absolute(state).unwrap_or_else(|_| state.to_owned());
        address.url = address::absolute(address.url);
        let digest: [u8; 32] = Sha256::digest(address.url.as_bytes()).into();
        let name = crate::model::Digest(digest).short();
        Self {
            kept_as: format!("refs/popgate/{target}"),
            clone: state.join("git").join(name),
            address,
            scratch: Mutex::default(),
            last: Mutex::default(),
        }
    }

    /// Returns where this fetches from.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Tells whether this process has tried to fetch.
    pub fn was_tried(&self) -> bool {
        self.last().tried
    }

    /// Fetches the branch or tag, and what is needed of it: one commit without its history, and of the files only
    /// the desired ones, where the server can do that. Returns whether there is news, good or bad.
    ///
    /// # Errors
    /// The problem, which [`Remote::read`] will repeat until a fetch succeeds.
    pub async fn fetch(self: &std::sync::Arc<Self>) -> Result<bool, Diagnostic> {
        let password = match &self.address.login {
            None => Ok(None),
            Some((_, secret)) => secret.resolve().await.map(Some).map_err(|error| {
                self.cannot_fetch(&error.to_string(), "look at `password` of this repository in the settings")
            }),
        };
        let this = std::sync::Arc::clone(self);
        let before = self.last().problem.clone();
        let fetched = match password {
            Ok(password) => tokio::task::spawn_blocking(move || this.fetch_with(password.as_ref()))
                .await
                .unwrap_or_else(|_| Err(self.cannot_fetch("it was cut off", "try again"))),
            Err(problem) => Err(problem),
        };
        let mut last = self.last();
        last.tried = true;
        last.failures = if fetched.is_ok() { 0 } else { last.failures + 1 };
        last.problem = fetched.as_ref().err().cloned();
        let news = before != last.problem;
        fetched.map(|moved| moved || news)
    }

    /// Reads the desired directory of what was fetched last. Stays on this machine.
    ///
    /// # Errors
    /// [`ReadProblem::Invalid`]; also when the last fetches failed, or the commit is not signed as it must be.
    pub fn read(&self) -> Result<Fetched, ReadProblem> {
        let (passing, tried) = {
            let last = self.last();
            let lasting = |problem: &Diagnostic| problem.code != GIT_FETCH || last.failures >= PATIENCE;
            if let Some(problem) = last.problem.clone().filter(lasting) {
                return Err(ReadProblem::Invalid(vec![problem]));
            }
            (last.problem.clone(), last.tried)
        };
        let clone = self.clone();
        let git = Git::own(&clone).env("GIT_NO_LAZY_FETCH", "1");
        let invalid = |problem: Diagnostic| ReadProblem::Invalid(vec![problem]);
        let failed = |error: GitError| {
            let help = format!("delete {}, and popgate fetches it anew", clone.display());
            invalid(problem(GIT_FETCH, format!("{} cannot be read: {error}", clone.display()), &help))
        };
        let peeled = format!("{}^{{commit}}", self.kept_as);
        let parse = ["rev-parse", "--verify", "--quiet", "--end-of-options", &peeled];
        let id = git.line(&parse).map_err(|_| match passing {
            Some(problem) => invalid(problem),
            None if tried => invalid(self.cannot_fetch("nothing came", "look at the log")),
            None => ReadProblem::Moving { what: format!("{} is being fetched", self.address) },
        })?;
        if let Some(signers) = &self.address.allowed_signers {
            verify::verify(&git, &id, signers).map_err(invalid)?;
        }
        let commit =
            commit::described(&git.line(&commit::describe(&id)).map_err(failed)?).ok_or_else(|| {
                failed(GitError::Failed {
                    command: "log".to_owned(),
                    said: "its answer is no commit".to_owned(),
                })
            })?;
        let path = self.path();
        let Some(listing) = objects::list(&git, &id, &path).map_err(failed)? else {
            let message = format!("the commit {commit} has no directory `{path}`");
            let help = "commit a file there, or correct `path` in the settings";
            return Err(invalid(problem(NO_DIRECTORY, message, help)));
        };
        match objects::read(&git, &listing, if path.is_empty() { "." } else { &path }) {
            Ok(read) => Ok(Fetched { files: read.files, skipped: read.skipped, commit }),
            Err(ObjectsError::Git(error)) => Err(failed(error)),
            Err(ObjectsError::Invalid(problems)) => Err(ReadProblem::Invalid(problems)),
        }
    }

    fn fetch_with(&self, password: Option<&SecretString>) -> Result<bool, Diagnostic> {
        let clone = self.prepare()?;
        let _lock = self.lock(&clone)?;
        let url = &self.address.url;
        let local = Git::own(&clone);
        let git = |error: GitError| self.said(&error);
        if !clone.join("HEAD").exists() {
            local.run(&["init", "-q", "--bare"], b"").map_err(git)?;
        }
        for (name, value) in [
            ("remote.origin.url", url.as_str()),
            ("remote.origin.promisor", "true"),
            ("remote.origin.partialclonefilter", "blob:none"),
            ("extensions.partialClone", "origin"),
            ("core.repositoryFormatVersion", "1"),
        ] {
            local.run(&["config", name, value], b"").map_err(git)?;
        }
        let before = local.line(&["rev-parse", "--verify", "--quiet", &self.kept_as]).ok();
        let remote = self.reaching(&clone, password)?;
        let found = self.resolve(&remote)?;
        let refspec = format!("+{found}:{}", self.kept_as);
        let options =
            ["fetch", "-q", "--no-tags", "--no-write-fetch-head", "--depth=1", "--filter=blob:none"];
        remote.run(&[&options[..], &["origin", &refspec]].concat(), b"").map_err(git)?;
        let id =
            local.line(&["rev-parse", "--verify", &format!("{}^{{commit}}", self.kept_as)]).map_err(git)?;
        self.fetch_files(&local, &remote, &id).map_err(git)?;
        let now = local.line(&["rev-parse", "--verify", "--quiet", &self.kept_as]).ok();
        Ok(before != now)
    }

    /// Brings the files of the desired directory that are not there yet, all in one go.
    fn fetch_files(&self, local: &Git, remote: &Git, id: &str) -> Result<(), GitError> {
        let here = local.clone().env("GIT_NO_LAZY_FETCH", "1");
        let Some(listing) = objects::list(&here, id, &self.path())? else { return Ok(()) };
        let missing = objects::missing(&here, &listing.wanted())?;
        if missing.is_empty() {
            return Ok(());
        }
        // As git itself fetches what a partial clone lacks.
        let remote = remote.clone().config("fetch.negotiationAlgorithm=noop");
        let options = ["fetch", "-q", "--no-tags", "--no-write-fetch-head", "--recurse-submodules=no"];
        let input = missing.join("\n") + "\n";
        let command = [&options[..], &["--filter=blob:none", "--stdin", "origin"]].concat();
        remote.run(&command, input.as_bytes()).map(drop)
    }

    /// Finds the branch or tag at the other end; a branch first.
    fn resolve(&self, remote: &Git) -> Result<String, Diagnostic> {
        let name = &self.address.reference;
        let names = [format!("refs/heads/{name}"), format!("refs/tags/{name}"), name.clone()];
        let wanted: Vec<&str> = names.iter().map(String::as_str).collect();
        let printed = remote
            .run(&[&["ls-remote", "-q", "origin"][..], &wanted].concat(), b"")
            .map_err(|error| self.said(&error))?;
        let printed = String::from_utf8_lossy(&printed).into_owned();
        let found = |wanted: &&String| printed.lines().any(|line| line.ends_with(&format!("\t{wanted}")));
        names.iter().find(found).cloned().ok_or_else(|| {
            let message = format!("{} has no branch or tag `{name}`", address::shown(&self.address.url));
            problem(GIT_REF, message, "push it again, or correct `ref` in the settings")
        })
    }

    /// A git that may talk to the other end.
    fn reaching(&self, clone: &Path, password: Option<&SecretString>) -> Result<Git, Diagnostic> {
        let mut ssh = "ssh -o BatchMode=yes -o ConnectTimeout=20".to_owned();
        if let Some(key) = &self.address.ssh_key {
            let key = key.display().to_string().replace('\'', r"'\''");
            ssh = format!("{ssh} -o IdentitiesOnly=yes -i '{key}'");
        }
        // A server that sends next to nothing is a server that hangs.
        let mut git = Git::own(clone).within(FETCH).env("GIT_SSH_COMMAND", ssh);
        git =
            git.config("http.lowSpeedLimit=100").config("http.lowSpeedTime=30").config("gc.autoDetach=false");
        git = git.config("maintenance.autoDetach=false").config("credential.helper=");
        let (Some((user, secret)), Some(password)) = (&self.address.login, password) else { return Ok(git) };
        if let Secret::Env(name) = secret {
            git = git.hide(name.clone());
        }
        let password = password.expose_secret();
        if password.contains(['\n', '\r', '\0']) {
            let help = "a password or token is one line";
            return Err(self.cannot_fetch(&format!("the secret from {secret} has a line break in it"), help));
        }
        // Only for this host, so that nobody who is redirected to gets it.
        let host = address::origin(&self.address.url);
        git = git.config(format!("credential.{host}.helper={HELPER}"));
        Ok(git.env("POPGATE_GIT_USERNAME", user.clone()).env("POPGATE_GIT_PASSWORD", password))
    }

    /// Makes the clone's directory; somewhere else if this user may not write the state directory.
    fn prepare(&self) -> Result<PathBuf, Diagnostic> {
        let clone = self.clone();
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        let writable = |clone: &Path| {
            builder.create(clone)?;
            File::options().create(true).truncate(false).write(true).open(clone.join("popgate.lock"))
        };
        let failed = |error: std::io::Error| {
            let what = format!("creating {}: {error}", clone.display());
            self.cannot_fetch(&what, "give popgate's user the right to write the state directory")
        };
        match writable(&clone) {
            Ok(_) => Ok(clone),
            Err(error) if is_refused(&error) => {
                static NEXT: AtomicU64 = AtomicU64::new(0);
                let number = NEXT.fetch_add(1, Ordering::Relaxed);
                let name = format!("popgate-git-{}-{number}", std::process::id());
                let scratch = std::env::temp_dir().join(name);
                // Not recursive: a directory of this name that is there already is somebody else's.
                DirBuilder::new().mode(0o700).create(&scratch).map_err(failed)?;
                *self.scratch.lock().unwrap_or_else(PoisonError::into_inner) = Some(scratch.clone());
                Ok(scratch)
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// Waits for whoever fetches into the same clone.
    fn lock(&self, clone: &Path) -> Result<File, Diagnostic> {
        let path = clone.join("popgate.lock");
        let failed = |error: &dyn std::fmt::Display| {
            self.cannot_fetch(&format!("locking {}: {error}", path.display()), "look who else fetches there")
        };
        let opened = File::options().create(true).truncate(false).write(true).open(&path);
        let file = opened.map_err(|error| failed(&error))?;
        for _ in 0..LOCK_ATTEMPTS {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
                Err(TryLockError::Error(error)) => return Err(failed(&error)),
            }
        }
        Err(failed(&"another process has held it for a minute"))
    }

    fn clone(&self) -> PathBuf {
        let scratch = self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        scratch.clone().unwrap_or_else(|| self.clone.clone())
    }

    fn path(&self) -> String {
        self.address.path.to_string_lossy().trim_end_matches('/').to_owned()
    }

    fn last(&self) -> std::sync::MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn said(&self, error: &GitError) -> Diagnostic {
        let help = match error {
            GitError::NotThere(_) => "install git",
            GitError::Late { .. } => "look whether the server answers: `git ls-remote`",
            _ => "try `git ls-remote` as popgate's user; the last good state stays in force until then",
        };
        self.cannot_fetch(&error.to_string(), help)
    }

    fn cannot_fetch(&self, why: &str, help: &str) -> Diagnostic {
        let url = address::shown(&self.address.url);
        problem(GIT_FETCH, format!("{url} cannot be fetched: {why}"), help)
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        let scratch = self.scratch.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(scratch) = scratch.take() {
            drop(fs::remove_dir_all(scratch));
        }
    }
}

fn is_refused(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem)
}
