//! The lock on a state directory: one writer at a time, named to whoever comes second.
//!
//! The file `lock` is never removed or renamed, or two processes could each lock a file of that name. The lock
//! itself is the kernel's and ends with its process; what the file says only names the holder. It is not
//! inherited by children, because the standard library opens every file close-on-exec.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::remedy;
use super::mount::{Mount, mount_of};
use crate::replace::sync_dir;

const FILE: &str = "lock";
const MAX_COMMAND: usize = 200;
/// A reader that looks whether the lock is held holds it for some microseconds itself.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(10);

/// The lock, held until this is dropped.
#[derive(Debug)]
pub struct Lock {
    dir: PathBuf,
    file: File,
}

/// Who holds a lock, as far as he wrote it down.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Holder {
    /// The host's name.
    pub host: String,
    /// The process, as its own host and container count.
    pub pid: u32,
    /// When the process started, in clock ticks since the host booted; tells apart two with one number.
    pub start: u64,
    /// The user it runs as.
    pub user: String,
    /// Its command line, cut to 200 characters.
    pub command: String,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.pid == 0 {
            return f.write_str("another process");
        }
        write!(f, "`{}`, process {} of {} on {}", self.command, self.pid, self.user, self.host)
    }
}

/// Why a lock could not be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error(
        "the state directory `{}` is in use by {holder}; wait for it to end, or use another one with `--state`",
        .dir.display()
    )]
    Held {
        /// The state directory.
        dir: PathBuf,
        /// Who has it.
        holder: Box<Holder>,
    },
    /// Other hosts may use the directory too and would not see the lock.
    #[error(
        "the state directory `{}` lies on a {kind} file system (mounted at `{}`), where a lock does not keep \
         other hosts out; choose a directory on a local disk with `--state`",
        .dir.display(), .point.display()
    )]
    SharedFileSystem {
        /// The state directory.
        dir: PathBuf,
        /// Where that file system is mounted.
        point: PathBuf,
        /// Its type, such as `nfs4`.
        kind: String,
    },
    /// The system refused something.
    #[error("{what} `{}` failed: {source}{}", .path.display(), remedy(source))]
    Io {
        /// What was attempted.
        what: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Lock {
    /// Takes the lock on a state directory, which is created, for its owner only (0700), if it is not there.
    ///
    /// # Errors
    /// [`LockError`]; in particular when another process has the lock, and when the directory lies on a network
    /// file system.
    pub fn take(state_dir: &Path) -> Result<Self, LockError> {
        create_private(state_dir)?;
        refuse_shared(state_dir)?;
        Self::take_created(state_dir)
    }

    /// As [`Lock::take`], on any file system: the caller answers for it that no other host uses the directory.
    ///
    /// # Errors
    /// As [`Lock::take`].
    pub fn take_on_any_file_system(state_dir: &Path) -> Result<Self, LockError> {
        create_private(state_dir)?;
        Self::take_created(state_dir)
    }

    fn take_created(state_dir: &Path) -> Result<Self, LockError> {
        let path = state_dir.join(FILE);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(&path).map_err(failed("opening the lock", &path))?;
        let mut attempt = 1;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if attempt < ATTEMPTS => {
                    attempt += 1;
                    thread::sleep(PAUSE);
                }
                Err(TryLockError::WouldBlock) => {
                    let holder = Box::new(read_holder(&mut file));
                    return Err(LockError::Held { dir: state_dir.to_owned(), holder });
                }
                Err(TryLockError::Error(source)) => return Err(failed("locking", &path)(source)),
            }
        }
        let mut text = serde_json::to_string(&Holder::this_process()).unwrap_or_default();
        text.push('\n');
        file.set_len(0)
            .and_then(|()| file.write_all(text.as_bytes()))
            .map_err(failed("writing the lock", &path))?;
        Ok(Self { dir: state_dir.to_owned(), file })
    }

    /// Returns the directory that is locked.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Tells who holds the lock on a state directory now; `None` when nobody does or there is no such directory.
    ///
    /// It needs no right to write. It asks the kernel, by trying to share the lock for a moment, and believes
    /// the file only if the lock is held; so a holder that crashed, or one in another container, is told rightly.
    ///
    /// # Errors
    /// When the file is there and cannot be opened or asked.
    pub fn holder(state_dir: &Path) -> Result<Option<Holder>, LockError> {
        let path = state_dir.join(FILE);
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(failed("opening the lock", &path)(source)),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => Ok(Some(read_holder(&mut file))),
            Err(TryLockError::Error(source)) => Err(failed("asking for the lock", &path)(source)),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file ends the lock in any case; the name in it is a courtesy.
        drop(self.file.set_len(0));
    }
}

impl Holder {
    fn this_process() -> Self {
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let command: Vec<_> =
            std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect();
        Self {
            host: or_unknown(host.trim()),
            pid: std::process::id(),
            start: fs::read_to_string("/proc/self/stat").ok().and_then(|stat| start_of(&stat)).unwrap_or(0),
            user: running_user(),
            command: command.join(" ").chars().take(MAX_COMMAND).collect(),
        }
    }
}

/// Reads field 22 of `/proc/PID/stat`. The second is the program's name in brackets and may hold anything.
fn start_of(stat: &str) -> Option<u64> {
    stat.rsplit_once(") ")?.1.split(' ').nth(19)?.parse().ok()
}

/// Returns the name of the user that this process runs as; `user 1000` where the table of users does not know it.
pub fn running_user() -> String {
    let Ok(process) = fs::metadata("/proc/self") else { return or_unknown("") };
    let uid = process.uid().to_string();
    let table = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let named = table.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid).then(|| name.to_owned())
    });
    named.unwrap_or_else(|| format!("user {uid}"))
}

fn or_unknown(text: &str) -> String {
    if text.is_empty() { "unknown".to_owned() } else { text.to_owned() }
}

/// Reads what a holder wrote; he may just be writing, so anything but a whole line is nobody in particular.
fn read_holder(file: &mut File) -> Holder {
    let mut text = String::new();
    let read = file.rewind().and_then(|()| file.take(65_536).read_to_string(&mut text));
    read.ok().and_then(|_| serde_json::from_str(&text).ok()).unwrap_or_default()
}

fn create_private(dir: &Path) -> Result<(), LockError> {
    if dir.is_dir() {
        return Ok(());
    }
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent {
        fs::create_dir_all(parent).map_err(failed("creating the directory", parent))?;
    }
    match DirBuilder::new().mode(0o700).create(dir) {
        Ok(()) => {
            let parent = parent.unwrap_or(Path::new("."));
            sync_dir(parent).map_err(failed("writing the directory", parent))
        }
        // Somebody else was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => Ok(()),
        Err(source) => Err(failed("creating the state directory", dir)(source)),
    }
}

fn refuse_shared(dir: &Path) -> Result<(), LockError> {
    let real = dir.canonicalize().map_err(failed("resolving the state directory", dir))?;
    // Where there is no such table (it is Linux's), nothing can be said.
    let table = fs::read("/proc/self/mountinfo").unwrap_or_default();
    match mount_of(&table, &real) {
        Some(mount) if mount.is_shared() => {
            let Mount { point, kind } = mount;
            Err(LockError::SharedFileSystem { dir: dir.to_owned(), point, kind })
        }
        _ => Ok(()),
    }
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LockError + use<> {
    let path = path.to_owned();
    move |source| LockError::Io { what, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn a_second_taker_is_told_who_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("deep/state");
        assert_eq!(Lock::holder(&state).unwrap(), None);
        let lock = Lock::take(&state).unwrap();
        assert_eq!((mode(&state), mode(&state.join(FILE))), (0o700, 0o600));
        let Err(LockError::Held { holder, .. }) = Lock::take(&state) else { panic!("taken twice") };
        assert_eq!(holder.pid, std::process::id());
        assert!(holder.start > 0 && holder.host != "unknown" && !holder.user.is_empty(), "{holder:?}");
        assert_eq!(Lock::holder(&state).unwrap(), Some(*holder));
        drop(lock);
        assert_eq!(Lock::holder(&state).unwrap(), None);
        assert!(state.join(FILE).exists(), "the file is never removed");
        drop(Lock::take(&state).unwrap());
    }

    #[test]
    fn what_a_crashed_holder_left_is_not_believed() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE), r#"{"host":"elsewhere","pid":1,"command":"popgate run"}"#).unwrap();
        assert_eq!(Lock::holder(dir.path()).unwrap(), None);
        let _lock = Lock::take(dir.path()).unwrap();
        assert_eq!(Lock::holder(dir.path()).unwrap().unwrap().pid, std::process::id());
    }

    #[test]
    fn a_holder_that_wrote_nothing_readable_still_holds_it() {
        let dir = tempfile::tempdir().unwrap();
        for odd in [&b""[..], b"{\"pid\":", b"\xff\xfe", b"[]"] {
            let path = dir.path().join(FILE);
            fs::write(&path, odd).unwrap();
            let file = File::open(&path).unwrap();
            file.lock().unwrap();
            let Err(error) = Lock::take(dir.path()) else { panic!("taken twice") };
            assert!(error.to_string().contains("in use by another process"), "{error}");
        }
    }

    #[test]
    fn a_child_does_not_inherit_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let lock = Lock::take(dir.path()).unwrap();
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        drop(lock);
        let again = Lock::take(dir.path());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(again.is_ok(), "the child still holds it");
    }

    #[test]
    fn looking_often_does_not_keep_the_writer_out() {
        let dir = tempfile::tempdir().unwrap();
        drop(Lock::take(dir.path()).unwrap());
        let stop = std::sync::atomic::AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    Lock::holder(dir.path()).unwrap();
                    thread::sleep(Duration::from_micros(200));
                }
            });
            let taken: Vec<_> = (0..200).map(|_| Lock::take(dir.path()).map(drop)).collect();
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
            assert!(taken.iter().all(Result::is_ok));
        });
    }

    #[test]
    fn the_start_of_a_process_is_found_behind_an_odd_name() {
        let fields: Vec<String> = (4..=30).map(|field| field.to_string()).collect();
        let stat = format!("77 (a) S (b)) S {}", fields.join(" "));
        assert_eq!(start_of(&stat), Some(22));
        assert_eq!(start_of("77 (a"), None);
    }

    #[test]
    fn a_state_directory_that_is_a_file_is_an_error_with_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("state");
        fs::write(&file, "").unwrap();
        assert!(Lock::take(&file).unwrap_err().to_string().contains("state"));
    }
}
