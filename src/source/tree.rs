//! What lies below a desired directory: which files are to be read, what else is there, what is wrong with it.
//! Everything is listed and nothing is opened.

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirEntry, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::directory::ReadProblem;
use crate::diagnostic::codes::{FILE_NAME, FILE_SIZE, LINK_LOOP, LINK_OUT, NO_DIRECTORY, UNREADABLE};
use crate::diagnostic::{Code, Diagnostic, Label, Severity};

const MAX_DEPTH: usize = 64;
const MAX_FILES: usize = 100_000;
/// Counts a directory as often as it is reached, so that links to directories full of links come to an end.
const MAX_DIRS: usize = 20_000;
/// `ELOOP`, for which the standard library has no stable name.
const TOO_MANY_LINKS: i32 = if cfg!(target_os = "linux") { 40 } else { 62 };

/// What the file system says of a file or directory; any change of its content changes this, with the limits
/// told at [`super::directory::read`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    dev: u64,
    ino: u64,
    pub(super) size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stat {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            dev: metadata.dev(),
            ino: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Returns how long ago the file system last noted a change; nothing if that lies in the future.
    pub(super) fn age(&self, now: SystemTime) -> Duration {
        since(self.changed, now)
    }

    /// The same, also of the time of the last change that programs may set as they like.
    pub(super) fn untouched_for(&self, now: SystemTime) -> Duration {
        since(self.changed.max(self.modified), now)
    }
}

fn since((seconds, nanos): (i64, i64), now: SystemTime) -> Duration {
    let (Ok(seconds), Ok(nanos)) = (u64::try_from(seconds), u32::try_from(nanos)) else {
        return Duration::MAX;
    };
    now.duration_since(UNIX_EPOCH + Duration::new(seconds, nanos)).unwrap_or_default()
}

/// One file that is to be read, or one directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    /// Path relative to the root, with `/`; empty for the root.
    pub(super) path: String,
    /// Where it really lies.
    pub(super) real: PathBuf,
    pub(super) stat: Stat,
}

/// What the file system says of every directory and every YAML file. Equal signatures are a strong hint that
/// nothing has changed, and no more: it counts on the file system's own clock and inode numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The real path of the root.
    pub(super) root: PathBuf,
    /// The directories, in the order in which they were entered.
    pub(super) dirs: Vec<Node>,
    /// The YAML files, sorted by path.
    pub(super) files: Vec<Node>,
}

impl Signature {
    pub(super) fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.dirs.iter().chain(&self.files)
    }
}

/// Everything below a root.
#[derive(Debug)]
pub(super) struct Tree {
    /// The root, the directories and the YAML files.
    pub(super) signature: Signature,
    /// Files that are not YAML, made fit to be shown.
    pub(super) skipped: Vec<String>,
    /// The symlinks that were met, wherever they lead.
    pub(super) links: Vec<PathBuf>,
    pub(super) problems: Vec<Diagnostic>,
}

/// Lists everything below `dir`.
pub(super) fn walk(dir: &Path) -> Result<Tree, ReadProblem> {
    walk_through(dir, true)
}

/// Lists the directories and links below `dir`, in much less time: nothing is asked about any file.
pub(super) fn walk_directories(dir: &Path) -> Result<Tree, ReadProblem> {
    walk_through(dir, false)
}

fn walk_through(dir: &Path, files: bool) -> Result<Tree, ReadProblem> {
    let missing = |what: &str| {
        let message = format!("the desired directory `{}` {what}", dir.display());
        ReadProblem::Invalid(vec![problem(
            NO_DIRECTORY,
            message,
            "create it, or correct the path in the settings",
        )])
    };
    let resolved = dir.canonicalize().and_then(|root| fs::metadata(&root).map(|metadata| (root, metadata)));
    let (root, metadata) = match resolved {
        Ok(resolved) => resolved,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(missing("does not exist")),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(missing("lies in something that is not a directory"));
        }
        Err(error) => {
            let message = format!("the desired directory `{}` cannot be read: {error}", dir.display());
            let help = "give popgate's user the right to read it and to pass every directory above it";
            return Err(ReadProblem::Invalid(vec![problem(UNREADABLE, message, help)]));
        }
    };
    if !metadata.is_dir() {
        return Err(missing("is not a directory"));
    }
    let tree = Tree {
        signature: Signature { root: root.clone(), dirs: Vec::new(), files: Vec::new() },
        skipped: Vec::new(),
        links: Vec::new(),
        problems: Vec::new(),
    };
    let mut walk = Walk { tree, files, within: Vec::new(), full: false };
    walk.enter(Node { path: String::new(), real: root, stat: Stat::of(&metadata) })?;
    walk.tree.signature.files.sort_by(|a, b| a.path.cmp(&b.path));
    walk.tree.skipped.sort();
    Ok(walk.tree)
}

struct Walk {
    tree: Tree,
    /// Whether files are wanted.
    files: bool,
    /// Device and inode of the directories from the root to here.
    within: Vec<(u64, u64)>,
    /// A limit was reached, so there is no use in going on.
    full: bool,
}

impl Walk {
    fn enter(&mut self, dir: Node) -> Result<(), ReadProblem> {
        if self.within.len() >= MAX_DEPTH {
            let message = format!("directories are nested deeper than {MAX_DEPTH}");
            self.report(FILE_SIZE, &dir.path, message, "move the files up");
            return Ok(());
        }
        if self.tree.signature.dirs.len() >= MAX_DIRS {
            self.stop(format!("there are more than {MAX_DIRS} directories"));
            return Ok(());
        }
        let entries = match list(&dir.real, self.files) {
            Ok(entries) => entries,
            Err(error) => return self.unreadable(&dir.path, "the directory", &error),
        };
        self.within.push((dir.stat.dev, dir.stat.ino));
        let (path, real) = (dir.path.clone(), dir.real.clone());
        self.tree.signature.dirs.push(dir);
        for (name, entry) in entries {
            if self.full {
                break;
            }
            let shown = name.to_string_lossy();
            let child = if path.is_empty() { shown.into_owned() } else { format!("{path}/{shown}") };
            self.visit(child, real.join(&name), &name, &entry)?;
        }
        self.within.pop();
        Ok(())
    }

    fn visit(
        &mut self,
        path: String,
        at: PathBuf,
        name: &OsStr,
        entry: &DirEntry,
    ) -> Result<(), ReadProblem> {
        let is_yaml = matches!(at.extension().and_then(OsStr::to_str), Some("yaml" | "yml"));
        // Of the entry and not of the path, so that the system need not go the whole way again.
        let metadata = match entry.metadata() {
            Ok(metadata) => metadata,
            Err(error) => return self.unreadable(&path, "the file", &error),
        };
        let (real, metadata) = if metadata.is_symlink() {
            match self.follow(&path, &at, is_yaml)? {
                Some(target) => target,
                None => return Ok(()),
            }
        } else {
            (at, metadata)
        };
        let kind = metadata.file_type();
        if !is_yaml && !kind.is_dir() {
            self.skip(&path);
        } else if name.to_str().is_none_or(|name| name.contains(misleads)) {
            let message =
                format!("the name `{}` is not UTF-8 or holds invisible characters", path.escape_debug());
            self.report(FILE_NAME, &path, message, "rename it");
        } else if kind.is_dir() {
            return self.descend(Node { path, real, stat: Stat::of(&metadata) });
        } else if kind.is_file() {
            if self.tree.signature.files.len() >= MAX_FILES {
                self.stop(format!("there are more than {MAX_FILES} files"));
            } else {
                self.tree.signature.files.push(Node { path, real, stat: Stat::of(&metadata) });
            }
        } else {
            let kind = match kind {
                kind if kind.is_fifo() => "a named pipe",
                kind if kind.is_socket() => "a socket",
                _ => "a device",
            };
            let message = format!("`{path}` is {kind}, not a file");
            self.report(
                UNREADABLE,
                &path,
                message,
                "delete it, or give it a name that does not end like YAML",
            );
        }
        Ok(())
    }

    /// Finds out where a symlink leads; `None` when it is not to be followed.
    fn follow(
        &mut self,
        path: &str,
        at: &Path,
        is_yaml: bool,
    ) -> Result<Option<(PathBuf, Metadata)>, ReadProblem> {
        self.tree.links.push(at.to_owned());
        let target = at.canonicalize().and_then(|real| fs::metadata(&real).map(|metadata| (real, metadata)));
        match target {
            Ok((real, metadata)) if real.starts_with(&self.tree.signature.root) => {
                return Ok(Some((real, metadata)));
            }
            Ok((real, metadata)) if is_yaml || metadata.is_dir() => {
                let message = format!(
                    "the symlink `{path}` leads out of the desired directory, to `{}`",
                    real.display()
                );
                self.report(
                    LINK_OUT,
                    path,
                    message,
                    "put the file itself here, so that nothing else can change it",
                );
            }
            Ok(_) => self.skip(path),
            // It may have been swapped just now; that shows when everything is looked at again.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if is_yaml {
                    let message = format!("the symlink `{path}` leads to nothing");
                    self.report(UNREADABLE, path, message, "delete it, or put its file back");
                } else {
                    self.skip(path);
                }
            }
            Err(error) if error.raw_os_error() == Some(TOO_MANY_LINKS) => {
                let message = format!("the symlink `{path}` leads back to itself");
                self.report(LINK_LOOP, path, message, "delete it");
            }
            Err(error) => self.unreadable(path, "where the symlink leads", &error)?,
        }
        Ok(None)
    }

    fn descend(&mut self, dir: Node) -> Result<(), ReadProblem> {
        if self.within.contains(&(dir.stat.dev, dir.stat.ino)) {
            let message = format!("`{}` leads back to a directory that it lies in", dir.path);
            self.report(LINK_LOOP, &dir.path, message, "delete the symlink");
            return Ok(());
        }
        self.enter(dir)
    }

    fn skip(&mut self, path: &str) {
        self.tree.skipped.push(printable(path));
    }

    /// What was listed and is gone means that somebody is at work; anything else is a problem.
    fn unreadable(&mut self, path: &str, what: &str, error: &io::Error) -> Result<(), ReadProblem> {
        let path = if path.is_empty() { "." } else { path };
        if error.kind() == io::ErrorKind::NotFound {
            return Err(ReadProblem::Moving { what: format!("`{}` was there and is gone", printable(path)) });
        }
        let message = format!("{what} `{}` cannot be read: {error}", printable(path));
        self.report(UNREADABLE, path, message, "give popgate's user the right to read it");
        Ok(())
    }

    fn stop(&mut self, message: String) {
        let help = "check that this is the right directory, and whether symlinks make it larger than it is";
        self.tree.problems.push(problem(FILE_SIZE, message, help));
        self.full = true;
    }

    fn report(&mut self, code: Code, path: &str, message: String, help: &str) {
        self.tree.problems.push(problem_at(code, path, message, help));
    }
}

/// Lists what is in a directory under names that do not start with a dot, sorted by them.
fn list(dir: &Path, files: bool) -> io::Result<Vec<(OsString, DirEntry)>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if !files && entry.file_type()?.is_file() {
            continue;
        }
        let name = entry.file_name();
        if !name.as_bytes().starts_with(b".") {
            entries.push((name, entry));
        }
    }
    entries.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(entries)
}

/// Makes an error that means the directory as a whole.
pub(super) fn problem(code: Code, message: String, help: &str) -> Diagnostic {
    Diagnostic { code, severity: Severity::Error, message, labels: Vec::new(), help: Some(help.to_owned()) }
}

/// Makes an error that means one file.
pub(super) fn problem_at(code: Code, path: &str, message: String, help: &str) -> Diagnostic {
    let label = Label { path: printable(path), at: None, message: String::new() };
    Diagnostic { labels: vec![label], ..problem(code, message, help) }
}

pub(super) fn printable(path: &str) -> String {
    if path.contains(misleads) { path.escape_debug().to_string() } else { path.to_owned() }
}

/// A character with which a name could pretend to be another one, or end the line it is printed on.
pub(super) fn misleads(character: char) -> bool {
    character.is_control()
        || character == char::REPLACEMENT_CHARACTER
        || matches!(character, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}
