//! Whole desired states, kept on disk by digest, so that the last good one is there when the desired directory
//! is broken or gone.
//!
//! Each is one file, `desired/TARGET/DIGEST` in the state directory: a line of JSON with the path and length of
//! every file, then their bytes one after the other. Where little has changed, the line names another such file, the
//! base, and for most files says where in the base their bytes stand. A base has no base itself.

use std::fs::{self, DirBuilder, File};
use std::io::{self, BufRead, BufReader, Read, Seek, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::remedy;
use crate::desired::SourceFile;
use crate::model::Digest;
use crate::replace::{replace_with, sync_dir};

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

#[derive(Default, Serialize, Deserialize)]
struct Header {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base: Option<Digest>,
    files: Vec<Part>,
}

#[derive(Serialize, Deserialize)]
struct Part {
    path: String,
    length: usize,
    /// Where its bytes begin among those of the base; among the own ones, behind those before it, if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<u64>,
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
    if load(state_dir, target, digest).is_ok_and(|kept| kept.iter().eq(files.iter().copied())) {
        return Ok(());
    }
    create(state_dir, &dir)?;
    let header = on_a_base(&dir, digest, &files).unwrap_or_else(|| {
        let part = |file: &&SourceFile| Part { path: file.path.clone(), length: file.bytes.len(), at: None };
        Header { base: None, files: files.iter().map(part).collect() }
    });
    let first_line = serde_json::to_vec(&header)
        .map_err(|error| failed("describing the desired state", &path)(error.into()))?;
    let written = replace_with(&path, |out| {
        out.write_all(&first_line)?;
        out.write_all(b"\n")?;
        let own = header.files.iter().zip(&files).filter(|(part, _)| part.at.is_none());
        own.map(|(_, file)| file).try_for_each(|file| out.write_all(&file.bytes))
    });
    written.map_err(failed("keeping the desired state", &path))
}

/// Describes files by what a base has of them already; nothing if no base has most of it.
fn on_a_base(dir: &Path, own: Digest, files: &[&SourceFile]) -> Option<Header> {
    let bases = kept(dir).ok()?.into_iter().filter(|base| *base != own);
    let (base, header, mut bytes) = bases
        .filter_map(|base| Some((base, open(&dir.join(base.to_string())).ok()?)))
        .map(|(base, (header, bytes))| (base, header, bytes))
        .find(|(_, header, _)| header.base.is_none())?;
    let mut parts: Vec<Part> = Vec::with_capacity(files.len());
    let (mut at, mut old) = (0, header.files.into_iter().peekable());
    let (mut total, mut shared) = (0, 0);
    // Both are in order of path.
    for file in files {
        while let Some(before) = old.next_if(|before| before.path < file.path) {
            bytes.seek_relative(i64::try_from(before.length).ok()?).ok()?;
            at += before.length as u64;
        }
        let mut same = false;
        if let Some(before) = old.next_if(|before| before.path == file.path) {
            let mut content = Vec::new();
            bytes.by_ref().take(before.length as u64).read_to_end(&mut content).ok()?;
            same = content == file.bytes;
            at += before.length as u64;
        }
        total += file.bytes.len();
        shared += if same { file.bytes.len() } else { 0 };
        let length = file.bytes.len();
        parts.push(Part { path: file.path.clone(), length, at: same.then(|| at - length as u64) });
    }
    (shared * 2 > total).then_some(Header { base: Some(base), files: parts })
}

/// Loads the files of a desired state. Their lengths are checked; whoever asks computes the digest again.
///
/// # Errors
/// [`KeepError`]; in particular when none of that digest is kept.
pub fn load(state_dir: &Path, target: &str, digest: Digest) -> Result<Vec<SourceFile>, KeepError> {
    let dir = folder(state_dir, target)?;
    let path = dir.join(digest.to_string());
    let loading = |path: &Path, error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => {
            KeepError::Missing { target: target.to_owned(), digest, path: path.to_owned() }
        }
        io::ErrorKind::InvalidData => KeepError::Damaged { path: path.to_owned(), why: error.to_string() },
        _ => failed("loading the desired state", path)(error),
    };
    let (header, own) = open(&path).map_err(|error| loading(&path, error))?;
    let base_path = header.base.map(|base| dir.join(base.to_string()));
    let base = match &base_path {
        Some(path) => Some(open(path).map_err(|error| loading(path, error))?.1),
        None => None,
    };
    split(header, own, base).map_err(|error| loading(&path, error))
}

/// Opens what is kept: its first line, and its bytes from behind it.
fn open(path: &Path) -> io::Result<(Header, BufReader<File>)> {
    let mut file = BufReader::with_capacity(1 << 17, File::open(path)?);
    let mut line = Vec::new();
    file.read_until(b'\n', &mut line)?;
    if line.pop() != Some(b'\n') {
        return Err(damaged("it has no first line"));
    }
    let header =
        serde_json::from_slice(&line).map_err(|error| damaged(format!("its first line: {error}")))?;
    Ok((header, file))
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
    let base_of = |kept: &Digest| open(&dir.join(kept.to_string())).ok().and_then(|(header, _)| header.base);
    let keep: Vec<String> =
        keep.iter().copied().chain(keep.iter().filter_map(base_of)).map(|kept| kept.to_string()).collect();
    let mut deleted = 0;
    for entry in entries {
        let entry = entry.map_err(listing())?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        // A name of the second kind was left by a replacement that a crash interrupted.
        if (is_digest(&name) && !keep.contains(&name)) || name.starts_with(".popgate-") {
            fs::remove_file(entry.path()).map_err(failed("deleting the desired state", &entry.path()))?;
            deleted += usize::from(is_digest(&name));
        }
    }
    Ok(deleted)
}

/// Lists the digests of everything that is kept in a folder.
fn kept(dir: &Path) -> io::Result<Vec<Digest>> {
    let name = |entry: io::Result<fs::DirEntry>| entry.ok()?.file_name().into_string().ok();
    let digest = |name: String| serde_json::from_value(name.into()).ok();
    Ok(fs::read_dir(dir)?.filter_map(name).filter_map(digest).collect())
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

/// Reads the files of a header one after the other.
fn split(
    header: Header,
    mut own: impl BufRead,
    base: Option<BufReader<File>>,
) -> io::Result<Vec<SourceFile>> {
    let mut base = base.map(|mut base| (base.stream_position().unwrap_or_default(), base));
    let mut files = Vec::with_capacity(header.files.len());
    for Part { path, length, at } in header.files {
        let mut bytes = Vec::new();
        let read = match (at, &mut base) {
            (None, _) => own.by_ref().take(length as u64).read_to_end(&mut bytes)?,
            (Some(at), Some((start, base))) => {
                let now = base.stream_position()?;
                base.seek_relative(offset(start.saturating_add(at), now)?)?;
                base.by_ref().take(length as u64).read_to_end(&mut bytes)?
            }
            (Some(_), None) => return Err(damaged(format!("`{path}` is in a base, and there is none"))),
        };
        if read != length {
            return Err(damaged(format!("it ends inside `{path}`")));
        }
        files.push(SourceFile { path, bytes });
    }
    if own.fill_buf()?.is_empty() { Ok(files) } else { Err(damaged("it has bytes too many")) }
}

/// Returns how far it is from one place to another.
fn offset(to: u64, from: u64) -> io::Result<i64> {
    let (to, from) = (i64::try_from(to), i64::try_from(from));
    to.and_then(|to| Ok(to - from?)).map_err(|_| damaged("it names a place beyond all files"))
}

fn damaged(why: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.into())
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
    fn a_state_with_few_changes_is_kept_on_the_one_before_and_outlives_it() {
        let dir = tempfile::tempdir().unwrap();
        let long = |byte: u8| vec![byte; 1_000];
        let mut state = files(&[("a", &long(1)), ("b", &long(2)), ("c", &long(3)), ("d", &long(4))]);
        let size =
            |byte| fs::metadata(dir.path().join("desired/t").join(digest(byte).to_string())).unwrap().len();
        keep(dir.path(), "t", digest(1), &state).unwrap();
        state[1].bytes = long(9);
        state.remove(2);
        state.insert(0, SourceFile { path: "0".to_owned(), bytes: b"new".to_vec() });
        keep(dir.path(), "t", digest(2), &state).unwrap();
        assert!(size(1) > 4_000 && size(2) < 1_500, "{} {}", size(1), size(2));
        assert_eq!(load(dir.path(), "t", digest(2)).unwrap(), state);
        // The next one has the same base, and the base stays for as long as somebody needs it.
        state[0].bytes = b"newer".to_vec();
        keep(dir.path(), "t", digest(3), &state).unwrap();
        assert_eq!(prune(dir.path(), "t", &[digest(3)]).unwrap(), 1);
        assert_eq!(load(dir.path(), "t", digest(3)).unwrap(), state);
        // What has little in common with it stands on its own.
        let other = files(&[("a", &long(7)), ("b", &long(8)), ("d", &long(4))]);
        keep(dir.path(), "t", digest(4), &other).unwrap();
        assert_eq!(prune(dir.path(), "t", &[digest(4)]).unwrap(), 2);
        assert_eq!(load(dir.path(), "t", digest(4)).unwrap(), other);
        assert!(load(dir.path(), "t", digest(3)).is_err());
    }

    #[test]
    fn without_its_base_a_state_is_missing_and_with_a_short_one_damaged() {
        let dir = tempfile::tempdir().unwrap();
        let mut state = files(&[("a", &[1; 1_000]), ("b", b"x")]);
        keep(dir.path(), "t", digest(1), &state).unwrap();
        state[1].bytes = b"y".to_vec();
        keep(dir.path(), "t", digest(2), &state).unwrap();
        let base = dir.path().join("desired/t").join(digest(1).to_string());
        let whole = fs::read(&base).unwrap();
        fs::write(&base, &whole[..whole.len() - 500]).unwrap();
        assert!(matches!(load(dir.path(), "t", digest(2)), Err(KeepError::Damaged { .. })));
        fs::remove_file(&base).unwrap();
        assert!(matches!(load(dir.path(), "t", digest(2)), Err(KeepError::Missing { .. })));
        // Keeping it again mends it.
        keep(dir.path(), "t", digest(2), &state).unwrap();
        assert_eq!(load(dir.path(), "t", digest(2)).unwrap(), state);
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
            fs::write(&path, &whole[..cut]).unwrap();
            let damaged = load(dir.path(), "t", digest(1));
            assert!(matches!(damaged, Err(KeepError::Damaged { .. })), "cut at {cut}");
        }
        fs::write(&path, [&whole[..], b"x"].concat()).unwrap();
        assert!(matches!(load(dir.path(), "t", digest(1)), Err(KeepError::Damaged { .. })));
        for odd in [
            "{\"files\":[{\"path\":\"a\",\"length\":18446744073709551615}]}\nx",
            "{\"files\":[{\"path\":\"a\",\"length\":1,\"at\":0}]}\n",
        ] {
            fs::write(&path, odd).unwrap();
            assert!(matches!(load(dir.path(), "t", digest(1)), Err(KeepError::Damaged { .. })), "{odd}");
        }
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
