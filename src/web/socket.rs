//! The socket file: where it is, who owns it, and when it goes. Says nothing about what is spoken on it.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::connection::{Limits, attend};
use super::{Control, ServeError};

/// The socket's name in the state directory.
const NAME: &str = "control.sock";

/// The longest path that is used as it is. A socket address holds 108 bytes on Linux and 104 elsewhere, with the
/// zero at the end (unix(7)).
const LONGEST: usize = 103;

/// How long whoever has the socket gets to take a connection.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);

/// Returns where the control socket of a state directory is.
pub fn socket_path(state_dir: &Path) -> PathBuf {
    state_dir.join(NAME)
}

/// A bound control socket. The file goes when this is dropped.
#[derive(Debug)]
pub struct Socket {
    pub(super) listener: UnixListener,
    file: SocketFile,
}

impl Socket {
    /// Binds the control socket of a state directory: readable and writable by its owner only, in place of one that
    /// a crashed daemon left. From now on clients can connect; they wait until [`Socket::serve`].
    ///
    /// The caller must hold the lock on the state directory.
    pub async fn bind(state_dir: &Path) -> Result<Self, ServeError> {
        let path = socket_path(state_dir);
        if !state_dir.is_dir() {
            let created = DirBuilder::new().recursive(true).mode(0o700).create(state_dir);
            created.map_err(failed("creating the state directory", state_dir))?;
        }
        let mode = fs::metadata(state_dir).map_err(failed("looking at", state_dir))?.mode();
        if mode & 0o022 != 0 {
            let dir = state_dir.display();
            tracing::warn!("Others may write to the state directory `{dir}`; `chmod go-w` it.");
        }
        let address = Address::of(state_dir).map_err(failed("opening the state directory", state_dir))?;
        let address = address.ok_or_else(|| ServeError::TooLong { path: path.clone() })?;
        clear(&path, &address).await?;
        // Until the mode is set the umask rules, and every connection is judged by its peer anyway.
        let listener = UnixListener::bind(&address.path).map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => ServeError::Answered { path: path.clone() },
            _ => failed("binding the control socket", &path)(source),
        })?;
        let identity = identity(&path).map_err(failed("looking at", &path))?;
        let file = SocketFile { path: path.clone(), identity };
        fs::set_permissions(&path, Permissions::from_mode(0o600))
            .map_err(failed("making it the owner's alone:", &path))?;
        Ok(Self { listener, file })
    }

    /// Serves until `shutdown`, then removes the file and gives the requests in flight two seconds to end.
    pub async fn serve(self, control: Control, shutdown: CancellationToken) {
        attend(self, control, Limits::default(), shutdown).await;
    }

    /// Removes the file and stops listening.
    pub(super) fn close(self) {
        let Self { listener, file } = self;
        // The file first, so that whoever finds one also finds somebody listening.
        drop(file);
        drop(listener);
    }
}

/// The path of a socket in a form that fits into a socket address.
#[derive(Debug)]
pub(super) struct Address {
    /// What to bind or connect to.
    pub(super) path: PathBuf,
    /// Keeps the directory's file descriptor open for as long as `path` goes through it.
    _directory: Option<File>,
}

impl Address {
    /// Finds an address for the control socket of a state directory; `None` when the path is too long and the
    /// system has no `/proc` to go through.
    pub(super) fn of(state_dir: &Path) -> io::Result<Option<Self>> {
        let path = socket_path(state_dir);
        if path.as_os_str().len() <= LONGEST {
            return Ok(Some(Self { path, _directory: None }));
        }
        let directory = File::open(state_dir)?;
        let short = PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd()));
        if !short.is_dir() {
            return Ok(None);
        }
        Ok(Some(Self { path: short.join(NAME), _directory: Some(directory) }))
    }
}

/// Returns the user id that this process acts as, as the peer of a connection would see it.
pub(super) fn own_uid() -> io::Result<u32> {
    let (one, _other) = UnixStream::pair()?;
    Ok(one.peer_cred()?.uid())
}

/// A socket file that this process made.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    /// Device and inode.
    identity: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Somebody may have removed the file, and then another daemon made one.
        if identity(&self.path).is_ok_and(|found| found == self.identity)
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!("Removing the control socket `{}` failed: {error}.", self.path.display());
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}

/// Removes a socket on which nobody answers.
async fn clear(path: &Path, address: &Address) -> Result<(), ServeError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("looking at", path)(error)),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(ServeError::InTheWay { path: path.to_owned() });
        }
        Ok(_) => {}
    }
    match timeout(ANSWERS_WITHIN, UnixStream::connect(&address.path)).await {
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {}
        Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        // `WouldBlock`: somebody listens and has more connections waiting than he takes.
        Ok(Err(error)) if error.kind() != io::ErrorKind::WouldBlock => {
            return Err(failed("asking who has the control socket", path)(error));
        }
        _ => return Err(ServeError::Answered { path: path.to_owned() }),
    }
    tracing::info!("Removing the control socket `{}` that a crashed daemon left.", path.display());
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(failed("removing the old control socket", path)(error))
        }
        _ => Ok(()),
    }
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ServeError {
    let path = path.to_owned();
    move |source| ServeError::Io { what, path, source }
}
