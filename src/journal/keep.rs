//! Whole desired states, kept on disk by digest, so that the last good one is there when the desired directory
//! is broken or gone.
//!
//! Each is one file, `desired/TARGET/DIGEST` in the state directory: two lines of JSON, then the bytes of files, one after
//! the other. The first line says what the state is based on, another such file, and how many bytes follow; the second
//! one names the files that it has besides those of the base or in their place, with their lengths, and those of the
//! base that it lacks. So what is written grows with what has changed.

mod layer;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::error::remedy;
use crate::desired::SourceFile;
use crate::model::Digest;
use crate::replace::{Placed, place, sync_dir};
use layer::{Head, Layer, Parts};

const FOLDER: &str = "desired";
const MAX_TARGET: usize = 100;
/// How many states stand on one another before one stands on its own again.
const DEEPEST: u32 = 64;

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

/// How a desired state differs from one that is kept.
#[derive(Clone, Debug)]
pub struct Edit<'a> {
    /// The one that is kept.
    pub base: Digest,
    /// The files that it does not have, or has otherwise.
    pub files: Vec<&'a SourceFile>,
    /// The paths of files that only it has.
    pub gone: Vec<&'a str>,
}

/// A desired state that is written, and perhaps not on disk yet.
#[derive(Debug)]
#[must_use = "it is on disk only once it is synced"]
pub struct Written {
    /// Nothing, where it was on disk already.
    placed: Option<Placed>,
    path: PathBuf,
}

impl Written {
    /// Returns when the state is on disk, to stay.
    ///
    /// # Errors
    /// [`KeepError`]; then it may not be there after a failure of power.
    pub fn sync(self) -> Result<(), KeepError> {
        let synced = self.placed.map_or(Ok(()), Placed::sync);
        synced.map_err(failed("keeping the desired state", &self.path))
    }
}

/// Writes a desired state down: as an edit of one that is kept, if that is there and it is worth while, else as a
/// whole. One that others are based on, of those that are needed, is on disk already and stays as it is.
///
/// # Errors
/// [`KeepError`]; then whatever was kept before is still there.
pub fn write<'a>(
    state_dir: &Path,
    target: &str,
    digest: Digest,
    files: impl IntoIterator<Item = &'a SourceFile>,
    mut edit: Option<Edit<'a>>,
    needed: &[Digest],
) -> Result<Written, KeepError> {
    let dir = folder(state_dir, target)?;
    let path = dir.join(digest.to_string());
    create(state_dir, &dir)?;
    let files: Vec<&SourceFile> = files.into_iter().collect();
    let base = edit.as_ref().map(|edit| edit.base);
    if path.exists() && with_bases(&dir, needed.iter().copied().chain(base)).contains(&digest) {
        let is_whole =
            || load(state_dir, target, digest).is_ok_and(|kept| kept.iter().eq(files.iter().copied()));
        // Without an edit, what was kept may be what could not be loaded.
        if edit.is_some() && Layer::open(&path).is_ok() || is_whole() {
            return Ok(Written { placed: None, path });
        }
        // Whatever is based on it is lost, so it must not be based on that.
        edit = None;
    }
    let (base, depth, files, gone) =
        match edit.and_then(|edit| Some((depth_on(&dir, digest, &edit, &files)?, edit))) {
            Some((depth, edit)) => (Some(edit.base), depth, edit.files, edit.gone),
            None => (None, 0, files, Vec::new()),
        };
    let describing = |error: serde_json::Error| failed("describing the desired state", &path)(error.into());
    let second = serde_json::to_vec(&Parts::of(&files, &gone)).map_err(describing)?;
    let size: usize = files.iter().map(|file| file.bytes.len()).sum();
    let head = Head { base, depth, rest: (second.len() + 1 + size) as u64 };
    let first = serde_json::to_vec(&head).map_err(describing)?;
    let placed = place(&path, |out| {
        for line in [&first, &second] {
            out.write_all(line)?;
            out.write_all(b"\n")?;
        }
        files.iter().try_for_each(|file| out.write_all(&file.bytes))
    });
    let placed = placed.map_err(failed("keeping the desired state", &path))?;
    Ok(Written { placed: Some(placed), path })
}

/// Says how deep a state would stand that is an edit of another. `None` if it had better stand on its own.
fn depth_on(dir: &Path, own: Digest, edit: &Edit<'_>, files: &[&SourceFile]) -> Option<u32> {
    let size = |files: &[&SourceFile]| files.iter().map(|file| file.bytes.len()).sum::<usize>();
    let base = Layer::open(&dir.join(edit.base.to_string())).ok().filter(|_| edit.base != own)?;
    (base.head().depth < DEEPEST && size(&edit.files) * 2 <= size(files)).then(|| base.head().depth + 1)
}

/// Loads the files of a desired state. Their lengths are checked; whoever asks computes the digest again.
///
/// # Errors
/// [`KeepError`]; in particular when none of that digest is kept.
pub fn load(state_dir: &Path, target: &str, digest: Digest) -> Result<Vec<SourceFile>, KeepError> {
    let dir = folder(state_dir, target)?;
    let loading = |path: &Path, error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => {
            KeepError::Missing { target: target.to_owned(), digest, path: path.to_owned() }
        }
        io::ErrorKind::InvalidData => KeepError::Damaged { path: path.to_owned(), why: error.to_string() },
        _ => failed("loading the desired state", path)(error),
    };
    let mut layers = Vec::new();
    let mut next = Some(digest);
    while let Some(digest) = next {
        let path = dir.join(digest.to_string());
        let layer = Layer::open(&path).map_err(|error| loading(&path, error))?;
        let deep = layers.len() > DEEPEST as usize;
        next = layer.head().base.filter(|_| !deep);
        if deep {
            return Err(KeepError::Damaged { path, why: "it stands on too many others".to_owned() });
        }
        layers.push((path, layer));
    }
    let mut files = BTreeMap::new();
    for (path, layer) in layers.into_iter().rev() {
        layer.read_over(&mut files).map_err(|error| loading(&path, error))?;
    }
    Ok(files.into_iter().map(|(path, bytes)| SourceFile { path, bytes }).collect())
}

/// Deletes every desired state of a target but these and what they are based on, and returns how many were deleted.
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
    let needed = with_bases(&dir, keep.iter().copied());
    let needed: BTreeSet<String> = needed.iter().map(Digest::to_string).collect();
    let mut deleted = 0;
    for entry in entries {
        let entry = entry.map_err(listing())?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        // A name of the second kind was left by a replacement that a crash interrupted.
        if (is_digest(&name) && !needed.contains(&name)) || name.starts_with(".popgate-") {
            fs::remove_file(entry.path()).map_err(failed("deleting the desired state", &entry.path()))?;
            deleted += usize::from(is_digest(&name));
        }
    }
    Ok(deleted)
}

/// Returns some desired states and everything that they are based on.
fn with_bases(dir: &Path, digests: impl IntoIterator<Item = Digest>) -> BTreeSet<Digest> {
    let mut all = BTreeSet::new();
    for digest in digests {
        let mut next = Some(digest);
        while let Some(digest) = next.filter(|digest| all.insert(*digest)) {
            next = Layer::open(&dir.join(digest.to_string())).ok().and_then(|layer| layer.head().base);
        }
    }
    all
}

fn is_digest(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
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

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> KeepError + use<> {
    let path = path.to_owned();
    move |source| KeepError::Io { what, path, source }
}

#[cfg(test)]
mod tests;
