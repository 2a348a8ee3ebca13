//! The desired directory as another revision of its repository has it, without touching what is checked out.

use std::path::{Path, PathBuf};

use super::objects::{self, ObjectsError};
use super::run::{Git, GitError, without_userinfo};
use crate::desired::SourceFile;
use crate::diagnostic::Diagnostic;

/// The desired directory as a revision has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// The id of the commit.
    pub commit: String,
    /// The YAML files; `None` if the revision does not have the directory.
    pub files: Option<Vec<SourceFile>>,
}

/// Why a revision cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RevisionError {
    /// It cannot be a revision, or git would take it for an option.
    #[error("`{0}` cannot be a revision")]
    Odd(String),
    /// The directory lies in no repository.
    #[error("`{}` lies in no git repository, so there is no revision of it to read ({said})", dir.display())]
    NoRepository {
        /// The directory.
        dir: PathBuf,
        /// What git says.
        said: String,
    },
    /// The repository does not have it.
    #[error("this clone does not have the revision `{revision}`{}", if *shallow { ": it is shallow" } else { "" })]
    Unknown {
        /// The revision.
        revision: String,
        /// Whether the clone was made without all of its history.
        shallow: bool,
        /// The command that fetches it.
        fetch: String,
    },
    /// Git failed.
    #[error("reading the revision `{revision}`: {why}")]
    Git {
        /// The revision.
        revision: String,
        /// What it says.
        why: String,
        /// The command that fetches what may be missing.
        fetch: String,
    },
    /// What was committed there cannot be read as a desired directory.
    #[error("the desired directory of the revision cannot be read")]
    Invalid {
        /// The id of the commit.
        commit: String,
        /// What is wrong.
        problems: Vec<Diagnostic>,
    },
}

/// Reads the desired directory of a revision straight from the objects of the repository around `dir`.
///
/// # Errors
/// [`RevisionError`]; where something has to be fetched first, with the command that does.
pub fn revision(dir: &Path, revision: &str) -> Result<Revision, RevisionError> {
    if revision.is_empty() || revision.starts_with('-') || revision.chars().any(char::is_control) {
        return Err(RevisionError::Odd(revision.escape_debug().to_string()));
    }
    let no_repository =
        |said: String| RevisionError::NoRepository { dir: dir.to_owned(), said: without_userinfo(&said) };
    let real = dir.canonicalize().map_err(|error| no_repository(error.to_string()))?;
    let git = Git::of_user(&real);
    let prefix = git.line(&["rev-parse", "--show-prefix"]).map_err(|error| match error {
        GitError::Failed { said, .. } => no_repository(said),
        other => no_repository(other.to_string()),
    })?;
    let path = prefix.trim_end_matches('/');
    let peeled = format!("{revision}^{{commit}}");
    let Ok(commit) = git.line(&["rev-parse", "--verify", "--quiet", "--end-of-options", &peeled]) else {
        let shallow = git.line(&["rev-parse", "--is-shallow-repository"]).is_ok_and(|line| line == "true");
        let (revision, fetch) = (revision.to_owned(), fetch(&git, revision));
        return Err(RevisionError::Unknown { revision, shallow, fetch });
    };
    let failed = |error: GitError| RevisionError::Git {
        revision: revision.to_owned(),
        why: error.to_string(),
        fetch: fetch(&git, revision),
    };
    let Some(listing) = objects::list(&git, &commit, path).map_err(failed)? else {
        return Ok(Revision { commit, files: None });
    };
    match objects::read(&git, &listing, path) {
        Ok(read) => Ok(Revision { commit, files: Some(read.files) }),
        Err(ObjectsError::Git(error)) => Err(failed(error)),
        Err(ObjectsError::Invalid(problems)) => Err(RevisionError::Invalid { commit, problems }),
    }
}

/// The command that brings a revision into a clone which does not have it.
fn fetch(git: &Git, revision: &str) -> String {
    let remotes = git.line(&["remote"]).unwrap_or_default();
    let first = remotes.lines().next().unwrap_or("origin").to_owned();
    if revision.contains(['~', '^', '@', ':']) {
        return format!("git fetch --deepen=50 {first}");
    }
    let of_remote = remotes.lines().find_map(|remote| {
        let branch = revision.strip_prefix("refs/remotes/").unwrap_or(revision);
        Some((remote, branch.strip_prefix(remote)?.strip_prefix('/')?))
    });
    match of_remote {
        Some((remote, branch)) => {
            let refspec = format!("+refs/heads/{branch}:refs/remotes/{remote}/{branch}");
            format!("git fetch --depth=1 {} {}", word(remote), word(&refspec))
        }
        None => format!("git fetch --depth=1 {} {}", word(&first), word(revision)),
    }
}

/// Quotes a word for a shell if it needs that.
fn word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:".contains(c);
    if word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::diagnostic::codes;

    fn git(dir: &Path, arguments: &[&str]) -> String {
        let git = Git::of_user(dir).config("user.name=Anna").config("user.email=anna@contoso.example");
        let git = git.config("init.defaultBranch=main").env("GIT_CONFIG_GLOBAL", "/dev/null");
        String::from_utf8(git.run(arguments, b"").unwrap()).unwrap().trim().to_owned()
    }

    fn repository() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        git(dir.path(), &["init", "-q"]);
        fs::create_dir_all(dir.path().join("desired/eu")).unwrap();
        fs::write(dir.path().join("readme"), "none\n").unwrap();
        git(dir.path(), &["add", "."]);
        git(dir.path(), &["commit", "-qm", "Begin"]);
        for (name, text) in [("a.yaml", "a: 1\r\n"), ("eu/b.yml", ""), ("notes.txt", "x"), (".c.yaml", "c")] {
            fs::write(dir.path().join("desired").join(name), text).unwrap();
        }
        git(dir.path(), &["add", "."]);
        git(dir.path(), &["commit", "-qm", "List"]);
        git(dir.path(), &["tag", "listed"]);
        dir
    }

    fn paths(revision: &Revision) -> Vec<&str> {
        revision.files.as_ref().unwrap().iter().map(|file| file.path.as_str()).collect()
    }

    #[test]
    fn the_files_of_a_revision_are_read_whatever_is_checked_out() {
        let dir = repository();
        let desired = dir.path().join("desired");
        fs::write(desired.join("a.yaml"), "half wri").unwrap();
        fs::remove_dir_all(desired.join("eu")).unwrap();
        for name in ["listed", "HEAD", "main"] {
            let read = revision(&desired, name).unwrap();
            assert_eq!(paths(&read), ["a.yaml", "eu/b.yml"]);
            assert_eq!(read.files.as_ref().unwrap()[0].bytes, b"a: 1\r\n");
            assert_eq!(read.commit, git(dir.path(), &["rev-parse", "HEAD"]));
        }
        assert_eq!(revision(&desired, "HEAD~1").unwrap().files, None, "it did not have the directory");
        // At the top of the repository as well.
        assert_eq!(paths(&revision(dir.path(), "HEAD").unwrap()), ["desired/a.yaml", "desired/eu/b.yml"]);
    }

    #[test]
    fn a_revision_that_is_not_there_is_told_with_the_command_that_fetches_it() {
        let dir = repository();
        let clone = tempfile::tempdir().unwrap();
        let url = format!("file://{}", dir.path().display());
        git(clone.path(), &["clone", "-q", "--depth=1", &url, "c"]);
        let desired = clone.path().join("c/desired");
        let commit = "0123456789012345678901234567890123456789";
        for (name, expected) in [
            ("origin/other", "git fetch --depth=1 origin +refs/heads/other:refs/remotes/origin/other"),
            ("other", "git fetch --depth=1 origin other"),
            ("it's", r"git fetch --depth=1 origin 'it'\''s'"),
            (commit, &format!("git fetch --depth=1 origin {commit}")),
            ("HEAD~1", "git fetch --deepen=50 origin"),
        ] {
            let error = revision(&desired, name).unwrap_err();
            let RevisionError::Unknown { fetch, shallow: true, .. } = error else {
                panic!("{name}: {error}")
            };
            assert_eq!(fetch, expected);
        }
        // And the command does what it says.
        git(dir.path(), &["branch", "other", "HEAD~1"]);
        git(&desired, &["fetch", "-q", "--depth=1", "origin", "+refs/heads/other:refs/remotes/origin/other"]);
        assert_eq!(revision(&desired, "origin/other").unwrap().files, None);
    }

    #[test]
    fn what_is_no_revision_and_what_is_no_repository_are_told_apart() {
        let dir = repository();
        for odd in ["-x", "--output=/tmp/x", "", "a\nb"] {
            assert!(matches!(revision(dir.path(), odd), Err(RevisionError::Odd(_))), "{odd:?}");
        }
        let elsewhere = tempfile::tempdir().unwrap();
        let error = revision(elsewhere.path(), "HEAD").unwrap_err();
        assert!(matches!(error, RevisionError::NoRepository { .. }), "{error}");
        // A link out of the repository leads out of it.
        std::os::unix::fs::symlink(elsewhere.path(), dir.path().join("link")).unwrap();
        let error = revision(&dir.path().join("link"), "HEAD").unwrap_err();
        assert!(matches!(error, RevisionError::NoRepository { .. }), "{error}");
    }

    #[test]
    fn links_that_were_committed_are_followed_or_refused() {
        let dir = repository();
        let desired = dir.path().join("desired");
        std::os::unix::fs::symlink("eu/b.yml", desired.join("good.yaml")).unwrap();
        git(dir.path(), &["add", "."]);
        git(dir.path(), &["commit", "-qm", "Link"]);
        assert_eq!(paths(&revision(&desired, "HEAD").unwrap()), ["a.yaml", "eu/b.yml", "good.yaml"]);
        std::os::unix::fs::symlink("../readme", desired.join("out.yaml")).unwrap();
        std::os::unix::fs::symlink("self.yaml", desired.join("self.yaml")).unwrap();
        git(dir.path(), &["add", "."]);
        git(dir.path(), &["commit", "-qm", "Bad links"]);
        let RevisionError::Invalid { problems, .. } = revision(&desired, "HEAD").unwrap_err() else {
            panic!()
        };
        let found: Vec<_> = problems.iter().map(|problem| problem.code).collect();
        assert_eq!(found, [codes::LINK_OUT, codes::LINK_LOOP]);
    }
}
