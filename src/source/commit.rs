//! Which git commit a desired directory is a checkout of, for people to recognise. Nothing is decided by it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::repository::Repository;
use super::tree::Stat;

/// How many digits of an id are shown.
const SHOWN: usize = 12;
/// What would lead git elsewhere than to the directory, as happens inside a hook.
pub(super) const MISLEADING: [&str; 8] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_PREFIX",
];

/// A commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Its full id.
    pub id: String,
    /// The first line of its message, if git could be asked.
    pub subject: Option<String>,
    /// Its author as `Name <address>`, if git could be asked.
    pub author: Option<String>,
    /// Whether the YAML files in the directory differ from the commit.
    pub dirty: bool,
}

impl fmt::Display for Commit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id.get(..SHOWN).unwrap_or(&self.id))?;
        if self.dirty { f.write_str(" (with local changes)") } else { Ok(()) }
    }
}

/// What git said of a directory, and what its own files were like then.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) commit: Option<Commit>,
    /// What says which commit is checked out, and what says which files belong to it.
    head: Vec<(PathBuf, Option<Stat>)>,
    index: Option<Stat>,
}

/// Does what [`commit_of`] does, and asks git only what it may have to say otherwise than before. `unmoved` says whether
/// all files in the directory are as they were, `settled` tells whether a file had been left alone for a while then.
pub(super) fn ask(
    dir: &Path,
    before: Option<&Asked>,
    unmoved: bool,
    settled: impl Fn(&Stat) -> bool,
) -> Option<Asked> {
    let real = dir.canonicalize().ok()?;
    let Some(repository) = Repository::around(&real) else {
        return Some(Asked { commit: named(&real), head: Vec::new(), index: None });
    };
    let (head, index) = (repository.head()?, repository.index());
    let known = before.filter(|before| {
        before.head == head && head.iter().filter_map(|(_, stat)| stat.as_ref()).all(&settled)
    });
    let commit = match known.map(|known| known.commit.clone()) {
        None => commit_of(&real),
        Some(Some(commit)) => {
            let same_index = index.is_some() && known.is_some_and(|known| known.index == index);
            let same = unmoved && same_index && index.as_ref().is_some_and(&settled);
            Some(if same { commit } else { Commit { dirty: is_dirty(ask_changes(&real)), ..commit } })
        }
        Some(None) => None,
    };
    Some(Asked { commit, head, index })
}

/// Finds the commit that a directory is a checkout of, by asking git; or, where git is not installed or refuses
/// (the directory belongs to somebody else, `safe.directory`), by a name in the real path that looks like a
/// commit's id, as git-sync makes it. `None` if neither says anything, or the commit does not have the directory.
///
/// It takes no lock in the repository and runs none of its hooks.
pub fn commit_of(dir: &Path) -> Option<Commit> {
    let real = dir.canonicalize().ok()?;
    if Repository::around(&real).is_none() {
        return named(&real);
    }
    // Both at once: to begin a git takes longer than what it does.
    let changes = ask_changes(&real);
    let described_with_directory =
        begin(&real, &[&describe("HEAD")[..], &["HEAD:./"]].concat()).and_then(answer);
    let Some(text) = described_with_directory else {
        if let Some(git) = changes {
            give_up(git);
        }
        // A git that knows the commit does not find the directory in it.
        return if begin(&real, &describe("HEAD")).and_then(answer).is_some() { None } else { named(&real) };
    };
    Some(Commit { dirty: is_dirty(changes), ..described(text.lines().next()?)? })
}

/// Asks which YAML files differ from the commit.
fn ask_changes(real: &Path) -> Option<Child> {
    // Only what `read` would read: neither an editor's backup nor a name that starts with a dot counts.
    let yaml = [":(glob)**/*.yaml", ":(glob)**/*.yml", ":(exclude,glob)**/.*", ":(exclude,glob)**/.*/**"];
    let status = ["status", "--porcelain", "--untracked-files=all", "--ignored", "--"];
    begin(real, &[&status[..], &yaml].concat())
}

fn is_dirty(changes: Option<Child>) -> bool {
    changes.and_then(answer).is_none_or(|changes| !changes.is_empty())
}

/// The arguments with which git says what [`described`] understands.
pub(super) fn describe(revision: &str) -> [&str; 7] {
    let format = "--format=%H%x00%an <%ae>%x00%s";
    ["show", "-s", "--no-show-signature", "--no-color", "--encoding=UTF-8", format, revision]
}

/// Reads what git says of a commit.
pub(super) fn described(text: &str) -> Option<Commit> {
    let mut fields = text.trim_end_matches('\n').split('\0').map(printable);
    let (id, author, subject) = (fields.next()?, fields.next(), fields.next());
    Some(Commit { id, subject, author, dirty: false })
}

/// Begins to run git; `None` if it is not there.
fn begin(dir: &Path, arguments: &[&str]) -> Option<Child> {
    let mut command = Command::new("git");
    command.arg("-C").arg(dir).args(["-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"]);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    // `status` would otherwise lock the index, which we take for somebody at work.
    command.env("GIT_OPTIONAL_LOCKS", "0").env("GIT_TERMINAL_PROMPT", "0").env("LC_ALL", "C");
    for name in MISLEADING {
        command.env_remove(name);
    }
    command.spawn().ok()
}

/// Waits for what git says; `None` if it fails.
fn answer(git: Child) -> Option<String> {
    let output = git.wait_with_output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Does not want to know any more.
fn give_up(mut git: Child) {
    // Fails only for one that has ended.
    drop(git.kill());
    drop(git.wait());
}

fn named(real: &Path) -> Option<Commit> {
    let is_id = |name: &&str| {
        matches!(name.len(), 40 | 64) && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let id = real.iter().rev().filter_map(|name| name.to_str()).find(is_id)?;
    Some(Commit { id: id.to_owned(), subject: None, author: None, dirty: false })
}

fn printable(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Seen, Source};
    use super::*;
    use std::fs;

    fn run(dir: &Path, arguments: &[&str]) {
        let mut command = Command::new("git");
        command.arg("-C").arg(dir).args(["-c", "user.name=Anna", "-c", "user.email=anna@contoso.example"]);
        for name in MISLEADING {
            command.env_remove(name);
        }
        let output = command.args(arguments).output().expect("git is needed: apt-get install git");
        assert!(output.status.success(), "git {arguments:?}: {output:?}");
    }

    fn repository() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        run(dir.path(), &["init", "-q"]);
        fs::create_dir_all(dir.path().join("desired/eu")).unwrap();
        fs::write(dir.path().join("desired/eu/a.yaml"), "pop3: {}\n").unwrap();
        fs::write(dir.path().join(".gitignore"), "local.yaml\n").unwrap();
        run(dir.path(), &["add", "."]);
        run(dir.path(), &["commit", "-qm", "Add \u{1b}[31mthe first users"]);
        dir
    }

    #[test]
    fn a_clean_checkout_is_its_commit_below_and_at_the_top() {
        let dir = repository();
        for place in [dir.path().join("desired"), dir.path().to_owned()] {
            let commit = commit_of(&place).unwrap();
            assert_eq!(commit.id.len(), 40);
            assert_eq!(commit.subject.as_deref(), Some("Add [31mthe first users"));
            assert_eq!(commit.author.as_deref(), Some("Anna <anna@contoso.example>"));
            assert_eq!(commit.to_string(), commit.id[..12]);
        }
    }

    #[test]
    fn changed_new_deleted_and_ignored_yaml_files_are_local_changes_and_others_are_not() {
        let dir = repository();
        let desired = dir.path().join("desired");
        for other in ["desired/eu/a.yaml~", "desired/.hidden.yaml", "outside.yaml"] {
            fs::write(dir.path().join(other), "x").unwrap();
        }
        assert!(!commit_of(&desired).unwrap().dirty);
        let change: [fn(&Path); 4] = [
            |desired| fs::write(desired.join("eu/a.yaml"), "pop3: {a: enabled}\n").unwrap(),
            |desired| fs::write(desired.join("new.yml"), "").unwrap(),
            |desired| fs::remove_file(desired.join("eu/a.yaml")).unwrap(),
            |desired| fs::write(desired.join("local.yaml"), "").unwrap(),
        ];
        for change in change {
            change(&desired);
            let commit = commit_of(&desired).unwrap();
            assert_eq!(commit.to_string(), format!("{} (with local changes)", &commit.id[..12]));
            run(dir.path(), &["clean", "-qfdx"]);
            run(dir.path(), &["checkout", "-q", "."]);
            assert!(!commit_of(&desired).unwrap().dirty);
        }
    }

    #[test]
    fn a_directory_that_the_commit_does_not_have_has_no_commit() {
        let dir = repository();
        fs::create_dir(dir.path().join("state")).unwrap();
        assert_eq!(commit_of(&dir.path().join("state")), None);
        assert_eq!(commit_of(&dir.path().join("none")), None);
        assert_eq!(commit_of(tempfile::tempdir().unwrap().path()), None);
    }

    #[test]
    fn asking_changes_nothing_in_the_repository() {
        let dir = repository();
        // Makes the index stale, which `git status` would refresh and write back.
        let file = dir.path().join("desired/eu/a.yaml");
        fs::write(&file, "pop3: {}\n").unwrap();
        let index = dir.path().join(".git/index");
        let before = fs::metadata(&index).unwrap().modified().unwrap();
        commit_of(&dir.path().join("desired")).unwrap();
        assert_eq!(fs::metadata(&index).unwrap().modified().unwrap(), before);
    }

    #[test]
    fn without_a_repository_a_name_like_an_id_is_believed() {
        let dir = tempfile::tempdir().unwrap();
        let id = "0123456789abcdef0123456789abcdef01234567";
        fs::create_dir_all(dir.path().join(id).join("desired")).unwrap();
        std::os::unix::fs::symlink(id, dir.path().join("current")).unwrap();
        let commit = commit_of(&dir.path().join("current/desired")).unwrap();
        assert_eq!((commit.id.as_str(), commit.subject, commit.dirty), (id, None, false));
    }

    #[test]
    fn what_git_said_before_is_said_again_only_where_nothing_speaks_against_it() {
        let dir = repository();
        let desired = dir.path().join("desired");
        let source = Source::Directory(desired.clone());
        let mut seen = None;
        let acts: [(&str, &dyn Fn()); 10] = [
            ("nothing", &|| {}),
            ("nothing again", &|| {}),
            ("an edit", &|| fs::write(desired.join("eu/a.yaml"), "pop3: {} # edited\n").unwrap()),
            ("nothing after an edit", &|| {}),
            ("the edit staged", &|| run(dir.path(), &["add", "."])),
            ("the edit committed", &|| run(dir.path(), &["commit", "-qm", "Edit"])),
            ("a new branch", &|| run(dir.path(), &["checkout", "-qb", "other"])),
            ("branches packed", &|| run(dir.path(), &["pack-refs", "--all"])),
            ("an amended commit", &|| run(dir.path(), &["commit", "-q", "--amend", "-m", "Amend"])),
            ("the commit before", &|| run(dir.path(), &["checkout", "-q", "HEAD~"])),
        ];
        for (what, act) in acts {
            act();
            let read = source.read(seen.as_ref()).unwrap();
            assert_eq!(read.commit, commit_of(&desired), "{what}");
            seen = read.seen.map(Seen::aged);
        }
    }
}
