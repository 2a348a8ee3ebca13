//! Whole desired states, kept on disk by digest, so that the last good one is there when the desired directory
//! is broken or gone.
//!
//! Each is one file, `desired/TARGET/DIGEST` in the state directory: a line of JSON with the path and length of
//! every file, then their bytes one after the other.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::remedy;
use crate::desired::SourceFile;
use crate::model::Digest;
use crate::replace::{replace, sync_dir};

const FOLDER: &str = "desired";
const MAX_TARGET: usize = 100;

/// Why a desired state could not be kept or loaded.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// The name of the target cannot be the name of a directory.
    #[error("the target name `{0}` cannot be used: write a to z, 0 to 9, `-`, `_` and `.`, not `.` first")]
    Target(String),
    /// No such desired state is kept.
    #[error("no desired state {} is kept for the target `{target}` (looked for `{}`)", .digest.short(), .path.display())]
    Missing {
        /// The target.
        target: String,
        /// The digest asked for.
        digest: Digest,
        /// Where it would be.
        path: PathBuf,
    },
    /// The file is not as it was written.
    #[error("the kept desired state `{}` is damaged: {why}; delete it, and popgate reads the desired directory anew", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
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

#[derive(Serialize, Deserialize)]
struct Header {
    files: Vec<Part>,
}

#[derive(Serialize, Deserialize)]
struct Part {
    path: String,
    length: usize,
}

/// Keeps the files of a desired state; on disk when this returns. Keeping one that is kept already writes
/// nothing.
///
/// # Errors
/// [`KeepError`]; then whatever was kept before is still there.
pub fn keep<'a>(
    state_dir: &Path,
    target: &str,
    digest: Digest,
    files: impl IntoIterator<Item = &'a SourceFile>,
) -> Result<(), KeepError> {
    let dir = folder(state_dir, target)?;
    let path = dir.join(digest.to_string());
    let files: Vec<_> = files.into_iter().collect();
    let parts = files.iter().map(|file| Part { path: file.path.clone(), length: file.bytes.len() }).collect();
    let header = serde_json::to_vec(&Header { files: parts })
        .map_err(|error| failed("describing the desired state", &path)(error.into()))?;
    let mut bytes = header;
    bytes.push(b'\n');
    for file in files {
        bytes.extend_from_slice(&file.bytes);
    }
    if fs::read(&path).is_ok_and(|kept| kept == bytes) {
        return Ok(());
    }
    create(state_dir, &dir)?;
    replace(&path, &bytes).map_err(failed("keeping the desired state", &path))
}

/// Loads the files of a desired state. Their lengths are checked; whoever asks computes the digest again.
///
/// # Errors
/// [`KeepError`]; in particular when none of that digest is kept.
pub fn load(state_dir: &Path, target: &str, digest: Digest) -> Result<Vec<SourceFile>, KeepError> {
    let path = folder(state_dir, target)?.join(digest.to_string());
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(KeepError::Missing { target: target.to_owned(), digest, path });
        }
        Err(error) => return Err(failed("loading the desired state", &path)(error)),
    };
    split(&bytes).map_err(|why| KeepError::Damaged { path, why })
}

/// Deletes every desired state of a target but these, and returns how many were deleted.
///
/// # Errors
/// [`KeepError`] at the first one that cannot be deleted.
pub fn prune(state_dir: &Path, target: &str, keep: &[Digest]) -> Result<usize, KeepError> {
    let dir = folder(state_dir, target)?;
    let listing = || failed("listing the desired states", &dir);
    let entries = match fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(listing()(error)),
    };
    let keep: Vec<String> = keep.iter().map(Digest::to_string).collect();
    let mut deleted = 0;
    for entry in entries {
        let entry = entry.map_err(listing())?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let is_digest = name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        // A name of the second kind was left by a replacement that a crash interrupted.
        if (is_digest && !keep.contains(&name)) || name.starts_with(".popgate-") {
            fs::remove_file(entry.path()).map_err(failed("deleting the desired state", &entry.path()))?;
            deleted += usize::from(is_digest);
        }
    }
    Ok(deleted)
}

/// The names of targets are validated with the settings; a name that leads elsewhere must not get past here in
/// any case.
fn folder(state_dir: &Path, target: &str) -> Result<PathBuf, KeepError> {
    let plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.');
    let fits = (1..=MAX_TARGET).contains(&target.len()) && !target.starts_with('.');
    if !fits || !target.bytes().all(plain) {
        return Err(KeepError::Target(target.to_owned()));
    }
    Ok(state_dir.join(FOLDER).join(target))
}

fn create(state_dir: &Path, dir: &Path) -> Result<(), KeepError> {
    if dir.is_dir() {
        return Ok(());
    }
    let creating = || failed("creating the directory", dir);
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(creating())?;
    sync_dir(&state_dir.join(FOLDER)).and_then(|()| sync_dir(state_dir)).map_err(creating())
}

fn split(bytes: &[u8]) -> Result<Vec<SourceFile>, String> {
    let end = bytes.iter().position(|&byte| byte == b'\n').ok_or("it has no first line")?;
    let header: Header =
        serde_json::from_slice(&bytes[..end]).map_err(|error| format!("its first line: {error}"))?;
    let mut rest = &bytes[end + 1..];
    let mut files = Vec::with_capacity(header.files.len());
    for Part { path, length } in header.files {
        let (own, others) =
            rest.split_at_checked(length).ok_or_else(|| format!("it ends inside `{path}`"))?;
        rest = others;
        files.push(SourceFile { path, bytes: own.to_vec() });
    }
    if rest.is_empty() { Ok(files) } else { Err(format!("it has {} bytes too many", rest.len())) }
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> KeepError + use<> {
    let path = path.to_owned();
    move |source| KeepError::Io { what, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    fn digest(byte: u8) -> Digest {
        Digest([byte; 32])
    }

    fn files(files: &[(&str, &[u8])]) -> Vec<SourceFile> {
        let file =
            |(path, bytes): &(&str, &[u8])| SourceFile { path: (*path).to_owned(), bytes: bytes.to_vec() };
        files.iter().map(file).collect()
    }

    #[test]
    fn what_was_kept_is_loaded_byte_for_byte() {
        let dir = tempfile::tempdir().unwrap();
        let all: Vec<u8> = (0..=255).collect();
        let kept = files(&[("a.yaml", b"\n\n{}"), ("b/\"ü\".yaml", &all), ("empty.yaml", b"")]);
        keep(dir.path(), "onprem", digest(1), &kept).unwrap();
        keep(dir.path(), "onprem", digest(2), &[]).unwrap();
        assert_eq!(load(dir.path(), "onprem", digest(1)).unwrap(), kept);
        assert_eq!(load(dir.path(), "onprem", digest(2)).unwrap(), []);
        assert!(matches!(load(dir.path(), "onprem", digest(3)), Err(KeepError::Missing { .. })));
        assert!(matches!(load(dir.path(), "other", digest(1)), Err(KeepError::Missing { .. })));
    }

    #[test]
    fn keeping_again_writes_only_if_the_file_is_not_as_it_should_be() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("desired/t").join(digest(1).to_string());
        let kept = files(&[("a.yaml", b"x")]);
        keep(dir.path(), "t", digest(1), &kept).unwrap();
        let first = fs::metadata(&path).unwrap().ino();
        keep(dir.path(), "t", digest(1), &kept).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().ino(), first);
        fs::write(&path, "damaged").unwrap();
        keep(dir.path(), "t", digest(1), &kept).unwrap();
        assert_eq!(load(dir.path(), "t", digest(1)).unwrap(), kept);
    }

    #[test]
    fn a_file_cut_or_grown_at_any_byte_is_damaged() {
        let dir = tempfile::tempdir().unwrap();
        keep(dir.path(), "t", digest(1), &files(&[("a.yaml", b"pop3: {}\n"), ("b.yaml", b"x")])).unwrap();
        let path = dir.path().join("desired/t").join(digest(1).to_string());
        let whole = fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            assert!(split(&whole[..cut]).is_err(), "cut at {cut}");
        }
        fs::write(&path, [&whole[..], b"x"].concat()).unwrap();
        assert!(matches!(load(dir.path(), "t", digest(1)), Err(KeepError::Damaged { .. })));
        assert!(split(b"{\"files\":[{\"path\":\"a\",\"length\":18446744073709551615}]}\nx").is_err());
    }

    #[test]
    fn pruning_deletes_the_others_of_this_target_only() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(prune(dir.path(), "t", &[]).unwrap(), 0);
        for (target, byte) in [("t", 1), ("t", 2), ("t", 3), ("u", 1)] {
            keep(dir.path(), target, digest(byte), &[]).unwrap();
        }
        fs::write(dir.path().join("desired/t/.popgate-1-1.tmp"), "left over").unwrap();
        fs::write(dir.path().join("desired/t/README"), "not ours").unwrap();
        assert_eq!(prune(dir.path(), "t", &[digest(2)]).unwrap(), 2);
        assert!(load(dir.path(), "t", digest(2)).is_ok() && load(dir.path(), "u", digest(1)).is_ok());
        assert!(load(dir.path(), "t", digest(1)).is_err());
        assert_eq!(fs::read_dir(dir.path().join("desired/t")).unwrap().count(), 2);
    }

    #[test]
    fn a_target_name_cannot_lead_out_of_its_place() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["", ".", "..", ".a", "../a", "a/b", "/a", "A", "a b", "ä", "a\0", &"a".repeat(101)] {
            let refused = keep(dir.path(), name, digest(1), &[]);
            assert!(matches!(refused, Err(KeepError::Target(_))), "{name:?}");
            assert!(load(dir.path(), name, digest(1)).is_err() && prune(dir.path(), name, &[]).is_err());
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        keep(dir.path(), "eu-1_a.b", digest(1), &[]).unwrap();
    }
}
