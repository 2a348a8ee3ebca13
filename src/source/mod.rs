//! Where desired state comes from: a directory of YAML files, read in one moment, and watched for changes.
//!
//! * [`directory`]: one consistent read of the directory as it is, or of what has changed since the last one.
//! * [`commit`]: which git commit it is a checkout of, for people to recognise.
//! * [`git`]: a repository that popgate fetches, and other revisions of a directory.
//! * [`mod@watch`]: hints that it may have changed.
//!
//! Nothing here knows what the files say.

pub mod commit;
pub mod directory;
pub mod git;
mod repository;
mod since;
mod tree;
pub mod watch;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use commit::{Commit, commit_of};
pub use directory::{ReadProblem, Reading, read, read_since, signature, skipped};
pub use since::{Changes, Seen};
pub use tree::Signature;
pub use watch::{Watch, WatchError, watch};

/// Where the files of one target come from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A directory that somebody else keeps.
    Directory(PathBuf),
    /// A repository that popgate fetches.
    Git(Arc<git::Remote>),
}

/// The files of a desired state and the commit they are of, where there is one.
#[derive(Clone, Debug)]
pub struct Read {
    /// Every YAML file, sorted by path; only some of them, if this is a part.
    pub files: Vec<crate::desired::SourceFile>,
    /// Of a part, which files are gone. All others are as they were.
    pub part: Option<Vec<String>>,
    /// The commit.
    pub commit: Option<Commit>,
    /// For the next reading.
    pub seen: Option<Seen>,
}

impl Source {
    /// Returns what a person puts before the names of the files: the directory, or the path within the repository.
    pub fn directory(&self) -> &Path {
        match self {
            Self::Directory(directory) => directory,
            Self::Git(remote) => &remote.address().path,
        }
    }

    /// Returns the repository, if popgate fetches one.
    pub fn remote(&self) -> Option<&Arc<git::Remote>> {
        match self {
            Self::Directory(_) => None,
            Self::Git(remote) => Some(remote),
        }
    }

    /// Reads the files once, consistently, without talking to another machine; of a directory that was read before,
    /// perhaps only those that have changed.
    ///
    /// # Errors
    /// [`ReadProblem`].
    pub fn read(&self, seen: Option<&Seen>) -> Result<Read, ReadProblem> {
        match self {
            Self::Directory(directory) => {
                let Changes { files, gone, is_whole, seen: mut now } = read_since(directory, seen)?;
                let commit = now.ask_git(directory, seen.filter(|_| !is_whole));
                let part = (!is_whole).then_some(gone);
                Ok(Read { files, part, commit, seen: Some(now) })
            }
            Self::Git(remote) => remote.read().map(|read| Read {
                files: read.files,
                part: None,
                commit: Some(read.commit),
                seen: None,
            }),
        }
    }
}

/// A reading that has begun and not ended: its files are read, and whether they are of one moment is still to be seen.
#[derive(Debug)]
pub struct Begun {
    directory: PathBuf,
    seen: Seen,
    took: Duration,
}

impl Begun {
    /// Begins to read a directory that was read before, as far as it has changed since. Returns what was read so far,
    /// without the commit, unless there is nothing to be gained by that.
    pub fn reading(source: &Source, before: &Seen) -> Option<(Self, Read)> {
        let Source::Directory(directory) = source else { return None };
        let (Changes { files, gone, seen, .. }, took) = directory::begin_since(directory, before)?;
        let begun = Self { directory: directory.clone(), seen, took };
        Some((begun, Read { files, part: Some(gone), commit: None, seen: None }))
    }

    /// Returns how long a look takes, by the first one.
    pub fn took(&self) -> Duration {
        self.took
    }

    /// Takes the second look. Returns the commit; `None` if anything has moved, so that what was read may not be of one
    /// moment.
    pub fn end(&mut self, before: &Seen) -> Option<Option<Commit>> {
        directory::is_still(&self.directory, &self.seen)
            .then(|| self.seen.ask_git(&self.directory, Some(before)))
    }

    /// Returns what the next reading builds on.
    pub fn seen(self) -> Seen {
        self.seen
    }
}

/// Names the source for a person.
impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Directory(directory) => directory.display().fmt(f),
            Self::Git(remote) => remote.address().fmt(f),
        }
    }
}
