//! The files of a directory within a commit, read from git's objects. Nothing is checked out, so nothing is ever
//! half written, and what is read is what was committed, whatever filters a checkout would apply.

use std::collections::BTreeMap;

use super::run::{Git, GitError};
use crate::desired::SourceFile;
use crate::diagnostic::codes::{FILE_NAME, FILE_SIZE, LINK_LOOP, LINK_OUT, NO_FILE, UNREADABLE};
use crate::diagnostic::{Code, Diagnostic};
use crate::source::directory::{MAX_FILE, MAX_TOTAL};
use crate::source::tree::{misleads, printable, problem, problem_at};

/// How many links may lead to each other.
const MOST_LINKS: usize = 10;
const MOST_FILES: usize = 100_000;

/// What lies below a directory of a commit.
#[derive(Clone, Debug, Default)]
pub(super) struct Listing {
    /// Every file and link by its path from the directory, with whether it is a link and its object's id.
    blobs: BTreeMap<String, (bool, String)>,
    problems: Vec<Diagnostic>,
}

/// The files to be read and the paths that are none.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) files: Vec<SourceFile>,
    pub(super) skipped: Vec<String>,
}

/// Why files cannot be had.
#[derive(Debug)]
pub(super) enum ObjectsError {
    /// Git failed.
    Git(GitError),
    /// Something is wrong with what was committed.
    Invalid(Vec<Diagnostic>),
}

impl From<GitError> for ObjectsError {
    fn from(error: GitError) -> Self {
        Self::Git(error)
    }
}

/// Lists a directory of a commit; `None` if the commit has no such directory. `path` is empty for the top.
pub(super) fn list(git: &Git, commit: &str, path: &str) -> Result<Option<Listing>, GitError> {
    let tree = format!("{commit}:{path}");
    if !path.is_empty() {
        // Looked up from above, so that a missing directory is told apart from a git that failed.
        let found = git.run(&["ls-tree", "-z", "--full-tree", commit, "--", path], b"")?;
        if !found.starts_with(b"040000 tree ") {
            return Ok(None);
        }
    }
    let printed = git.run(&["ls-tree", "-r", "-z", "--full-tree", &tree], b"")?;
    let mut listing = Listing::default();
    for line in printed.split(|byte| *byte == 0).filter(|line| !line.is_empty()) {
        listing.add(line);
    }
    if listing.blobs.len() > MOST_FILES {
        let message = format!("there are more than {MOST_FILES} files");
        listing.problems.push(problem(FILE_SIZE, message, "check that this is the right directory"));
    }
    Ok(Some(listing))
}

impl Listing {
    /// Takes one line of `git ls-tree -z`: mode, type, id, a tab, the path.
    fn add(&mut self, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        let Some((head, path)) = text.split_once('\t') else { return };
        let mut words = head.split(' ');
        let (mode, id) = (words.next().unwrap_or_default(), words.nth(1).unwrap_or_default().to_owned());
        if path.split('/').any(|part| part.starts_with('.')) || mode == "160000" {
            return;
        }
        if is_yaml(path) && path.contains(misleads) {
            let message = format!("the name `{}` cannot be shown", printable(path));
            self.problems.push(problem_at(FILE_NAME, path, message, "rename it"));
            return;
        }
        self.blobs.insert(path.to_owned(), (mode == "120000", id));
    }

    /// Returns the ids of all objects that [`read`] will want, each once.
    pub(super) fn wanted(&self) -> Vec<&str> {
        let wanted = self.blobs.iter().filter(|(path, (link, _))| *link || is_yaml(path));
        let mut ids: Vec<&str> = wanted.map(|(_, (_, id))| id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}

/// Reads the YAML files of a listing.
pub(super) fn read(git: &Git, listing: &Listing, name: &str) -> Result<Files, ObjectsError> {
    let mut problems = listing.problems.clone();
    let sizes = sizes(git, &listing.wanted())?;
    let yaml = || listing.blobs.iter().filter(|(path, _)| is_yaml(path));
    let mut total = 0;
    for (path, (_, id)) in yaml() {
        let size = sizes.get(id.as_str()).copied().unwrap_or_default();
        total += size;
        if size > MAX_FILE {
            let message = format!("`{path}` is larger than {} MiB", MAX_FILE >> 20);
            problems.push(problem_at(FILE_SIZE, path, message, "split it into several files"));
        }
    }
    if total > MAX_TOTAL {
        let message = format!("the files are larger than {} MiB together", MAX_TOTAL >> 20);
        problems.push(problem(FILE_SIZE, message, "check that this is the right directory"));
    }
    if !problems.is_empty() {
        return Err(ObjectsError::Invalid(problems));
    }
    let mut contents = contents(git, &listing.wanted())?;
    let mut files = Vec::new();
    for (path, (link, id)) in yaml() {
        let found = if *link { follow(path, listing, &contents) } else { Ok(id.as_str()) };
        match found {
            Ok(id) => match contents.get(id) {
                Some(bytes) => files.push(SourceFile { path: path.clone(), bytes: bytes.clone() }),
                None => problems.push(gone(path)),
            },
            Err((code, what)) => {
                let message = format!("the symlink `{path}` {what}");
                problems.push(problem_at(code, path, message, "commit the file itself"));
            }
        }
    }
    contents.clear();
    if !problems.is_empty() {
        return Err(ObjectsError::Invalid(problems));
    }
    let skipped = listing.blobs.keys().filter(|path| !is_yaml(path)).map(|path| printable(path)).collect();
    if files.is_empty() {
        let message = format!("the desired directory `{}` holds no YAML file", printable(name));
        let help =
            "commit a file there whose name ends in `.yaml`; `pop3: {}` in it says that nobody is listed";
        return Err(ObjectsError::Invalid(vec![problem(NO_FILE, message, help)]));
    }
    Ok(Files { files, skipped })
}

fn gone(path: &str) -> Diagnostic {
    problem_at(
        UNREADABLE,
        path,
        format!("`{path}` is not in the repository's objects"),
        "run `git fsck` there",
    )
}

fn is_yaml(path: &str) -> bool {
    [".yaml", ".yml"].iter().any(|ending| path.ends_with(ending))
}

/// Goes the way of a link within the listed directory and returns the object that it leads to.
fn follow<'a>(
    path: &str,
    listing: &'a Listing,
    contents: &BTreeMap<String, Vec<u8>>,
) -> Result<&'a str, (Code, &'static str)> {
    let mut at = path.to_owned();
    for _ in 0..MOST_LINKS {
        match listing.blobs.get(&at) {
            None => return Err((UNREADABLE, "leads to nothing that was committed as a file there")),
            Some((false, id)) => return Ok(id),
            Some((true, id)) => {
                let to =
                    String::from_utf8_lossy(contents.get(id).map_or(&[][..], Vec::as_slice)).into_owned();
                at = joined(&at, &to).ok_or((LINK_OUT, "leaves the directory"))?;
            }
        }
    }
    Err((LINK_LOOP, "leads back to itself"))
}

/// The path that a link leads to; `None` when it leaves the directory.
fn joined(link: &str, to: &str) -> Option<String> {
    if to.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = link.split('/').collect();
    parts.pop();
    for part in to.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Asks for the sizes of objects; one that is not there has none.
fn sizes(git: &Git, ids: &[&str]) -> Result<BTreeMap<String, u64>, GitError> {
    let printed =
        git.run(&["cat-file", "--batch-check=%(objectname) %(objectsize)"], lines(ids).as_bytes())?;
    let printed = String::from_utf8_lossy(&printed);
    let pair = |line: &str| {
        let (id, size) = line.split_once(' ')?;
        Some((id.to_owned(), size.parse().ok()?))
    };
    Ok(printed.lines().filter_map(pair).collect())
}

/// Returns those of the objects that are not in the repository.
pub(super) fn missing(git: &Git, ids: &[&str]) -> Result<Vec<String>, GitError> {
    let there = sizes(git, ids)?;
    Ok(ids.iter().filter(|id| !there.contains_key(**id)).map(|id| (*id).to_owned()).collect())
}

/// Reads objects. `git cat-file --batch` answers each with a line that tells its size, the bytes, and a line break.
fn contents(git: &Git, ids: &[&str]) -> Result<BTreeMap<String, Vec<u8>>, GitError> {
    let printed = git.run(&["cat-file", "--batch"], lines(ids).as_bytes())?;
    let mut contents = BTreeMap::new();
    let mut rest = &printed[..];
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let head = String::from_utf8_lossy(&rest[..end]).into_owned();
        rest = &rest[end + 1..];
        let mut words = head.split(' ');
        let (Some(id), Some(kind), size) = (words.next(), words.next(), words.next()) else { continue };
        let Some(size) = size.and_then(|size| size.parse::<usize>().ok()) else { continue };
        if size >= rest.len() {
            break;
        }
        if kind == "blob" {
            contents.insert(id.to_owned(), rest[..size].to_vec());
        }
        rest = &rest[size + 1..];
    }
    Ok(contents)
}

fn lines(ids: &[&str]) -> String {
    ids.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_followed_within_the_directory_only() {
        for (link, to, expected) in [
            ("a.yaml", "b.yaml", Some("b.yaml")),
            ("eu/a.yaml", "../b.yaml", Some("b.yaml")),
            ("eu/a.yaml", "./us/../b.yaml", Some("eu/b.yaml")),
            ("a.yaml", "../b.yaml", None),
            ("a.yaml", "/etc/passwd", None),
        ] {
            assert_eq!(joined(link, to).as_deref(), expected, "{link} → {to}");
        }
    }
}
