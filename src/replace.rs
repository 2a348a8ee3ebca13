//! Whole-file replacement: afterwards a file has its old content or its new one, whatever happens.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// How many links are followed from a path to its real file, as in the kernel.
const MAX_LINKS: usize = 40;

/// Replaces the content of a file, or creates it.
///
/// When this returns `Ok`, the new content is on disk under the old name. When it fails, or the machine stops in
/// the middle, the file is as it was, or already new as a whole; a reader never sees a part. A temporary file
/// whose name starts with a dot may be left beside it after a crash.
///
/// If the path is a symlink, the file that it leads to is replaced and the link stays. Permissions of an existing
/// file are kept, owner and group too as far as this process may set them. Hard links, ACLs and other extended
/// attributes are not kept: the path names a new file afterwards.
///
/// # Errors
/// Whatever the file system says; `InvalidInput` for something that is not a regular file.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_with(path, |file| file.write_all(bytes))
}

/// Like [`replace`], with a content that `write` writes piece by piece.
///
/// # Errors
/// Like those of [`replace`], and those of `write`; then the file is as it was.
pub fn replace_with(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    let real = real_file(path)?;
    let old = match fs::symlink_metadata(&real) {
        Ok(old) if old.is_file() => Some(old),
        Ok(_) => return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let dir = match real.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let (temporary, file) = create_beside(dir, old.is_some())?;
    let written = fill(file, write, old.as_ref()).and_then(|()| fs::rename(&temporary, &real));
    if written.is_err() {
        // The first failure is the one to report; a left-over starts with a dot and so is read by nobody.
        drop(fs::remove_file(&temporary));
    }
    written?;
    sync_dir(dir)
}

/// A file that has its new content under its name, but perhaps not on disk.
#[derive(Debug)]
pub(crate) struct Placed {
    file: File,
    dir: PathBuf,
}

/// Creates or replaces a file that nobody counts on before it is synced: a reader sees the old content or the new one,
/// but after a failure of power there may be a part of it. Not for files that are links or have owners to keep.
pub(crate) fn place(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<Placed> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let (temporary, file) = create_beside(dir, true)?;
    let mut buffer = BufWriter::new(file);
    let written =
        write(&mut buffer).and_then(|()| buffer.into_inner().map_err(io::IntoInnerError::into_error));
    let placed = written.and_then(|file| fs::rename(&temporary, path).map(|()| file));
    match placed {
        Ok(file) => Ok(Placed { file, dir: dir.to_owned() }),
        Err(error) => {
            drop(fs::remove_file(&temporary));
            Err(error)
        }
    }
}

impl Placed {
    /// Returns when content and name are on disk.
    pub(crate) fn sync(self) -> io::Result<()> {
        self.file.sync_all()?;
        sync_dir(&self.dir)
    }
}

/// Makes the names in a directory durable: what was created, renamed or removed there.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    match File::open(dir)?.sync_all() {
        // Some network file systems know no fsync of a directory; there is nothing more to be done there.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        done => done,
    }
}

/// Follows links by hand, because the last one may lead to a file that does not exist yet.
fn real_file(path: &Path) -> io::Result<PathBuf> {
    let mut real = path.to_owned();
    for _ in 0..MAX_LINKS {
        match fs::read_link(&real) {
            Ok(target) => real = real.parent().unwrap_or(Path::new("")).join(target),
            Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::NotFound) => {
                return Ok(real);
            }
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "it is a loop of symlinks"))
}

fn create_beside(dir: &Path, private: bool) -> io::Result<(PathBuf, File)> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    if private {
        // Until it gets the permissions of the old file; a new one gets what the umask leaves.
        options.mode(0o600);
    }
    loop {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = OsString::from(format!(".popgate-{}-{count}.tmp", std::process::id()));
        let path = dir.join(name);
        match options.open(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            opened => return opened.map(|file| (path, file)),
        }
    }
}

fn fill(
    file: File,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
    old: Option<&fs::Metadata>,
) -> io::Result<()> {
    let mut buffer = BufWriter::new(file);
    write(&mut buffer)?;
    let file = buffer.into_inner().map_err(io::IntoInnerError::into_error)?;
    if let Some(old) = old {
        let new = file.metadata()?;
        if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
            let group = || std::os::unix::fs::fchown(&file, None, Some(old.gid()));
            match std::os::unix::fs::fchown(&file, Some(old.uid()), Some(old.gid())).or_else(|_| group()) {
                Err(error) if error.kind() != io::ErrorKind::PermissionDenied => return Err(error),
                _ => {}
            }
        }
        // After the owner, because a change of owner takes bits away.
        file.set_permissions(Permissions::from_mode(old.mode() & 0o7777))?;
    }
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn names(dir: &Path) -> Vec<OsString> {
        let mut names: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_created_and_replaced_and_nothing_else_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        for content in [&b"one"[..], b"", b"three"] {
            replace(&path, content).unwrap();
            assert_eq!(fs::read(&path).unwrap(), content);
        }
        assert_eq!(names(dir.path()), ["a"]);
    }

    #[test]
    fn a_content_that_fails_halfway_leaves_the_old_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        replace(&path, b"old").unwrap();
        let failed = replace_with(&path, |file| {
            file.write_all(&vec![b'x'; 100_000])?;
            Err(io::Error::other("enough"))
        });
        assert_eq!(failed.unwrap_err().to_string(), "enough");
        assert_eq!((fs::read(&path).unwrap(), names(dir.path())), (b"old".to_vec(), vec!["a".into()]));
    }

    #[test]
    fn permissions_and_owner_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, "old").unwrap();
        // Only root may give a file away; anybody may keep the group that is his already.
        let root = fs::metadata(&path).unwrap().uid() == 0;
        if root {
            std::os::unix::fs::chown(&path, Some(12_345), Some(54_321)).unwrap();
        }
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let old = fs::metadata(&path).unwrap();
        replace(&path, b"new").unwrap();
        let new = fs::metadata(&path).unwrap();
        assert_eq!((new.mode() & 0o7777, new.uid(), new.gid()), (0o640, old.uid(), old.gid()));
        assert_eq!(root, new.uid() == 12_345);
    }

    #[test]
    fn a_reader_of_the_old_file_keeps_the_old_content() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        replace(&path, b"old").unwrap();
        let reader = File::open(&path).unwrap();
        replace(&path, b"new").unwrap();
        assert_eq!(io::read_to_string(reader).unwrap(), "old");
    }

    #[test]
    fn a_symlink_stays_and_its_file_is_replaced_even_if_that_is_yet_to_be_made() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("real")).unwrap();
        symlink("real/second", dir.path().join("first")).unwrap();
        symlink("third", dir.path().join("real/second")).unwrap();
        for content in ["created", "replaced"] {
            replace(&dir.path().join("first"), content.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(dir.path().join("real/third")).unwrap(), content);
        }
        assert_eq!(names(dir.path()), ["first", "real"]);
        assert_eq!(names(&dir.path().join("real")), ["second", "third"]);
        assert!(dir.path().join("first").is_symlink() && dir.path().join("real/second").is_symlink());
    }

    #[test]
    fn what_is_no_regular_file_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        symlink("loop", dir.path().join("loop")).unwrap();
        for odd in [dir.path().to_owned(), dir.path().join("loop")] {
            assert_eq!(replace(&odd, b"").unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
        assert!(replace(&dir.path().join("missing/a"), b"").is_err());
        assert_eq!(names(dir.path()), ["loop"]);
    }

    #[test]
    fn a_name_of_the_greatest_length_works() {
        let dir = tempfile::tempdir().unwrap();
        replace(&dir.path().join("n".repeat(255)), b"x").unwrap();
    }
}
