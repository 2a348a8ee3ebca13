//! One consistent read of a desired directory: of everything in it, or of what has changed since an earlier one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use super::repository::Repository;
use super::since::{Changes, Seen};
use super::tree::{Node, Signature, Stat, Tree, problem, problem_at, walk};
use crate::desired::SourceFile;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::codes::{FILE_SIZE, NO_DIRECTORY, NO_FILE, UNREADABLE};

/// The largest file, in bytes.
pub const MAX_FILE: u64 = 64 << 20;
/// The most that all files may have together, in bytes.
pub const MAX_TOTAL: u64 = 512 << 20;

/// File systems stamp changes with a clock that ticks every 1 to 10 ms: within one tick two changes look alike.
const TICK: Duration = Duration::from_millis(20);
/// How long an empty file may stay empty before it is taken to be meant so.
const EMPTY: Duration = Duration::from_millis(100);
/// `O_NONBLOCK`, for which the standard library has no name: opening a named pipe returns at once.
const NONBLOCK: i32 = if cfg!(target_os = "linux") { 0o4000 } else { 4 };

/// A desired directory as it was at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Every YAML file, sorted by path.
    pub files: Vec<SourceFile>,
    /// The paths of other files, which were not read, sorted and fit to be shown.
    pub skipped: Vec<String>,
    /// Where the directory really lies.
    pub real_path: PathBuf,
    /// What to compare [`signature`] with.
    pub signature: Signature,
}

/// Why a directory could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadProblem {
    /// Somebody is changing it; try again a little later. Never a reason to give up.
    #[error("files are being changed: {what}")]
    Moving {
        /// What was seen to move.
        what: String,
    },
    /// Something is wrong with it, and stays so until somebody does something about it.
    #[error("the desired directory cannot be read: {}", first(.0))]
    Invalid(Vec<Diagnostic>),
}

fn first(problems: &[Diagnostic]) -> &str {
    problems.first().map_or("", |problem| &problem.message)
}

/// Reads every `*.yaml` and `*.yml` below a directory as they were at one moment. Blocks, usually for as long
/// as reading takes, and up to 0.1 s more when something was written just before.
///
/// Names that start with a dot are passed over, links are followed as long as they stay below the directory's
/// real path, and only regular files are opened. The real path, every directory and every file are looked at
/// before and after; anything that moved meanwhile makes this [`ReadProblem::Moving`], as does the `index.lock`
/// of a git that is at work in the repository.
///
/// What this can tell, and what not:
/// * A swap of a link or directory, a rename over a file and every write during the read are seen. Files that
///   were changed within the last 20 ms are waited for, because a file system's clock cannot tell two changes
///   within one tick apart.
/// * An empty file that is younger than 0.1 s is waited for: most likely it was truncated to be written anew.
/// * A writer who pauses in the middle of a file for longer than that, or a tool that copies file after file,
///   looks exactly like one who has finished. Against these only the quiet period of the daemon, a publication
///   by link or rename, or the `shrunk_input` guard help.
/// * A file system that keeps no times or reuses them (some network file systems) can hide a change.
///
/// # Errors
/// [`ReadProblem`]. With [`ReadProblem::Invalid`], all problems at once.
pub fn read(dir: &Path) -> Result<Reading, ReadProblem> {
    read_while(dir, None, || {}).map(|(reading, _)| reading)
}

/// Like [`read`], but leaves out files that an earlier reading of the same directory found and that are certainly as
/// they were then. Returns what the next one can build on.
///
/// # Errors
/// [`ReadProblem`].
pub fn read_since(dir: &Path, seen: Option<&Seen>) -> Result<Changes, ReadProblem> {
    let seen = seen.filter(|seen| seen.holds(now()));
    let (reading, looked) = read_while(dir, seen, || {})?;
    Ok(Changes::between(seen, reading, looked))
}

/// `meanwhile` is called before each file and after the last, so that tests can move things at any moment. Returns when
/// the first look began as well.
fn read_while(
    dir: &Path,
    seen: Option<&Seen>,
    mut meanwhile: impl FnMut(),
) -> Result<(Reading, SystemTime), ReadProblem> {
    let First { files, skipped, problems, signature, looked, unchanged, .. } =
        first_look(dir, seen, &mut meanwhile)?;
    let real_path = signature.root.clone();
    if unchanged {
        return Ok((Reading { files, skipped, real_path, signature }, looked));
    }
    meanwhile();
    second_look(dir, &signature)?;
    if !problems.is_empty() {
        return Err(ReadProblem::Invalid(problems));
    }
    if signature.files.is_empty() {
        let also = match skipped.as_slice() {
            [] => String::new(),
            [one] => format!(", only `{one}`"),
            [one, others @ ..] => format!(", only `{one}` and {} more", others.len()),
        };
        let message = format!("the desired directory `{}` holds no YAML file{also}", dir.display());
        let help = "put a file there whose name ends in `.yaml`; `pop3: {}` in it says that nobody is listed";
        return Err(ReadProblem::Invalid(vec![problem(NO_FILE, message, help)]));
    }
    Ok((Reading { files, skipped, real_path, signature }, looked))
}

/// Begins a reading that builds on an earlier one: takes the first look and reads the files. It is as good as one that
/// [`read_since`] makes once [`is_still`] says so. Says how long the look took. `None` where that had better be made as a
/// whole: nothing has changed, or there is something to complain of.
pub(super) fn begin_since(dir: &Path, seen: &Seen) -> Option<(Changes, Duration)> {
    let seen = Some(seen).filter(|seen| seen.holds(now()))?;
    let First { files, skipped, problems, signature, looked, took, unchanged } =
        first_look(dir, Some(seen), &mut || {}).ok()?;
    let is_good = !unchanged && problems.is_empty() && !signature.files.is_empty();
    let reading = Reading { files, skipped, real_path: signature.root.clone(), signature };
    is_good.then(|| (Changes::between(Some(seen), reading, looked), took))
}

/// Takes the second look of a reading: tells whether everything is as it was at the first one.
pub(super) fn is_still(dir: &Path, seen: &Seen) -> bool {
    second_look(dir, seen.signature()).is_ok()
}

/// What the first look of a reading found, and what was read then.
struct First {
    files: Vec<SourceFile>,
    skipped: Vec<String>,
    problems: Vec<Diagnostic>,
    signature: Signature,
    /// When it began, and how long it took.
    looked: SystemTime,
    took: Duration,
    /// Nothing has changed, so there is nothing to be read, and what was read earlier was of one moment.
    unchanged: bool,
}

fn first_look(dir: &Path, seen: Option<&Seen>, meanwhile: &mut impl FnMut()) -> Result<First, ReadProblem> {
    refuse_git_at_work(dir)?;
    let (Tree { signature, skipped, mut problems, .. }, looked, took) = settled(dir)?;
    let unchanged = problems.is_empty() && seen.is_some_and(|seen| seen.vouches_for_all(&signature));
    let mut files = Vec::new();
    if !unchanged {
        let mut vouches = seen.map(Seen::vouches);
        let is_new = |file: &Node| !vouches.as_mut().is_some_and(|vouches| vouches(file));
        files = read_files(&signature.files, is_new, &mut problems, meanwhile)?;
    }
    Ok(First { files, skipped, problems, signature, looked, took, unchanged })
}

fn second_look(dir: &Path, before: &Signature) -> Result<(), ReadProblem> {
    // In this order: without its lock now, a git that changed what was read has changed all it wanted to, so the
    // look sees it.
    refuse_git_at_work(dir)?;
    let after = walk(dir).map_err(|problem| vanished(dir, problem))?;
    unmoved(before, &after.signature)
}

/// Returns the paths of the files that [`read`] passes over, sorted and fit to be shown; none of a directory that
/// cannot be read.
pub fn skipped(dir: &Path) -> Vec<String> {
    walk(dir).map(|tree| tree.skipped).unwrap_or_default()
}

/// Looks at a directory without reading any file. Equal to that of a [`Reading`], it hints that reading again
/// would give the same.
///
/// # Errors
/// As [`read`], as far as it can be told without opening a file.
pub fn signature(dir: &Path) -> Result<Signature, ReadProblem> {
    refuse_git_at_work(dir)?;
    let tree = walk(dir)?;
    if tree.problems.is_empty() { Ok(tree.signature) } else { Err(ReadProblem::Invalid(tree.problems)) }
}

/// Says what has moved between two looks.
fn unmoved(before: &Signature, after: &Signature) -> Result<(), ReadProblem> {
    if before == after {
        return Ok(());
    }
    let pairs = before.nodes().zip(after.nodes());
    let differs = pairs.filter(|(own, other)| own != other).map(|(own, _)| own).next();
    let (count, others) = (before.nodes().count(), after.nodes().count());
    let what = match differs.or_else(|| before.nodes().nth(others)).or_else(|| after.nodes().nth(count)) {
        Some(node) if before.root == after.root && !node.path.is_empty() => {
            format!("`{}` changed while it was read", node.path)
        }
        _ => "the directory changed while it was read".to_owned(),
    };
    Err(ReadProblem::Moving { what })
}

#[expect(
    clippy::disallowed_methods,
    reason = "compared with the file system's own times, decides nothing else"
)]
fn now() -> SystemTime {
    SystemTime::now()
}

/// Lists the tree at a moment after which any change has another time than those before, and says when that began and how
/// long it took.
fn settled(dir: &Path) -> Result<(Tree, SystemTime, Duration), ReadProblem> {
    let looked = now();
    let tree = walk(dir)?;
    let now = now();
    let took = now.duration_since(looked).unwrap_or_default();
    let wait = |node: &Node, is_file: bool| {
        let needed = if is_file && node.stat.size == 0 { EMPTY } else { TICK };
        needed.saturating_sub(node.stat.age(now))
    };
    let dirs = tree.signature.dirs.iter().map(|dir| wait(dir, false));
    let longest =
        dirs.chain(tree.signature.files.iter().map(|file| wait(file, true))).max().unwrap_or_default();
    if longest.is_zero() {
        return Ok((tree, looked, took));
    }
    thread::sleep(longest);
    let looked = self::now();
    let again = walk(dir).map_err(|problem| vanished(dir, problem))?;
    unmoved(&tree.signature, &again.signature)?;
    Ok((again, looked, took))
}

/// A root that was there a moment ago and is not now is being swapped. If it stays away, the next read says so.
fn vanished(dir: &Path, problem: ReadProblem) -> ReadProblem {
    match problem {
        ReadProblem::Invalid(problems) if problems.iter().any(|problem| problem.code == NO_DIRECTORY) => {
            ReadProblem::Moving { what: format!("`{}` was there and is gone", dir.display()) }
        }
        problem => problem,
    }
}

fn read_files(
    listed: &[Node],
    mut is_new: impl FnMut(&Node) -> bool,
    problems: &mut Vec<Diagnostic>,
    meanwhile: &mut impl FnMut(),
) -> Result<Vec<SourceFile>, ReadProblem> {
    let total: u64 = listed.iter().map(|file| file.stat.size).sum();
    for file in listed.iter().filter(|file| file.stat.size > MAX_FILE) {
        let message = format!("`{}` is larger than {} MiB", file.path, MAX_FILE >> 20);
        problems.push(problem_at(FILE_SIZE, &file.path, message, "split it into several files"));
    }
    if total > MAX_TOTAL {
        let message = format!("the files are larger than {} MiB together", MAX_TOTAL >> 20);
        problems.push(problem(FILE_SIZE, message, "check that this is the right directory"));
        return Ok(Vec::new());
    }
    let mut files = Vec::new();
    for file in listed.iter().filter(|file| file.stat.size <= MAX_FILE) {
        if !is_new(file) {
            continue;
        }
        let moved = |what: &str| ReadProblem::Moving { what: format!("`{}` {what}", file.path) };
        meanwhile();
        match read_file(file) {
            Ok(Some(bytes)) => files.push(SourceFile { path: file.path.clone(), bytes }),
            Ok(None) => return Err(moved("changed while it was read")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(moved("was there and is gone"));
            }
            Err(error) => {
                let message = format!("`{}` cannot be read: {error}", file.path);
                let help = "give popgate's user the right to read it";
                problems.push(problem_at(UNREADABLE, &file.path, message, help));
            }
        }
    }
    Ok(files)
}

/// Reads the very file that was listed; `None` when it is another one now, or another length.
fn read_file(file: &Node) -> io::Result<Option<Vec<u8>>> {
    let opened: File = OpenOptions::new().read(true).custom_flags(NONBLOCK).open(&file.real)?;
    let metadata = opened.metadata()?;
    if !metadata.is_file() || Stat::of(&metadata) != file.stat {
        return Ok(None);
    }
    let mut bytes = Vec::with_capacity(usize::try_from(file.stat.size).unwrap_or_default());
    opened.take(file.stat.size + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 == file.stat.size).then_some(bytes))
}

/// While git works on the files of a repository, it holds `index.lock` (`gitrepository-layout(5)`).
fn refuse_git_at_work(dir: &Path) -> Result<(), ReadProblem> {
    let Some(lock) = dir.canonicalize().ok().and_then(|real| index_lock(&real)) else { return Ok(()) };
    if fs::symlink_metadata(&lock).is_err() {
        return Ok(());
    }
    let what = format!("git is at work, as `{}` says; if no git runs, delete that file", lock.display());
    Err(ReadProblem::Moving { what })
}

/// Returns where the git of the repository around a real path locks its index, whether locked or not.
pub(super) fn index_lock(real: &Path) -> Option<PathBuf> {
    Some(Repository::around(real)?.index_lock())
}

#[cfg(test)]
mod tests;
