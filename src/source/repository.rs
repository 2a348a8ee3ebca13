//! Where the git around a directory keeps what popgate looks at without asking it.

use std::fs;
use std::path::{Path, PathBuf};

use super::tree::Stat;

/// A repository with a work tree.
#[derive(Debug)]
pub(super) struct Repository {
    /// Of this work tree: `HEAD` and the index.
    own: PathBuf,
}

impl Repository {
    /// Finds the repository around a real path.
    pub(super) fn around(real: &Path) -> Option<Self> {
        let repository = real.ancestors().find(|dir| fs::symlink_metadata(dir.join(".git")).is_ok())?;
        let git = repository.join(".git");
        // In a further worktree and in a submodule it is a file that names the directory.
        if !git.is_file() {
            return Some(Self { own: git });
        }
        let text = fs::read_to_string(&git).ok()?;
        Some(Self { own: repository.join(text.strip_prefix("gitdir:")?.trim()) })
    }

    /// Returns where git locks its index, whether locked or not.
    pub(super) fn index_lock(&self) -> PathBuf {
        self.own.join("index.lock")
    }

    /// Says what the index is like.
    pub(super) fn index(&self) -> Option<Stat> {
        stat(&self.own.join("index"))
    }

    /// Says what the files are like that tell which commit is checked out: `HEAD`, the branch that it names, and where
    /// branches are packed. `None` if that is not clear.
    pub(super) fn head(&self) -> Option<Vec<(PathBuf, Option<Stat>)>> {
        let head = self.own.join("HEAD");
        let text = fs::read_to_string(&head).ok()?;
        let common = match fs::read_to_string(self.own.join("commondir")) {
            Ok(common) => self.own.join(common.trim()),
            Err(_) => self.own.clone(),
        };
        let branch = text.strip_prefix("ref:").map(|branch| common.join(branch.trim()));
        let packed = ["packed-refs", "reftable/tables.list"].map(|name| common.join(name));
        let files = std::iter::once(head).chain(branch).chain(packed);
        Some(files.map(|file| (stat(&file), file)).map(|(stat, file)| (file, stat)).collect())
    }
}

fn stat(path: &Path) -> Option<Stat> {
    fs::metadata(path).ok().as_ref().map(Stat::of)
}
