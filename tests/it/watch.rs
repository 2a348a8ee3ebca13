//! Watching and reading together, with a real file system, in every way in which a directory is published.
//!
//! The tests listen as the daemon does: after a hint they wait until it is quiet, renew the watch and read. Each
//! layout is changed more than once, because the usual mistake is to go deaf after the first swap.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use popgate::source::{ReadProblem, Watch, commit_of, read, watch};
use tempfile::TempDir;

use crate::journal::{child, child_dir, succeeds};
use crate::world::clock;

/// How long a hint may take before we call the watch deaf.
const DEAF: Duration = Duration::from_secs(20);
/// How long no hint may come before we call it quiet.
const QUIET: Duration = Duration::from_millis(100);

type Files = BTreeMap<String, String>;

fn files(files: &[(&str, &str)]) -> Files {
    files.iter().map(|&(path, text)| (path.to_owned(), text.to_owned())).collect()
}

struct Listener {
    dir: PathBuf,
    watch: Watch,
    hints: Receiver<()>,
    /// Whether every reading must have the same text in all of its files.
    uniform: bool,
}

impl Listener {
    fn new(dir: PathBuf) -> Self {
        let (hint, hints) = channel();
        let watch = watch(&dir, move || hint.send(()).unwrap_or_default()).unwrap();
        Self { dir, watch, hints, uniform: false }
    }

    fn look(&mut self) -> Result<Files, ReadProblem> {
        self.watch.renew().unwrap();
        let reading = read(&self.dir)?;
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let files: Files = reading.files.into_iter().map(|file| (file.path, text(file.bytes))).collect();
        if self.uniform {
            assert!(
                files.values().all(|text| Some(text) == files.values().next()),
                "a mixed state: {files:?}"
            );
        }
        Ok(files)
    }

    /// Waits for a hint, then goes on as the daemon does until the directory is as it should be.
    fn sees(&mut self, what: &str, expected: &Files) {
        assert!(self.hints.recv_timeout(DEAF).is_ok(), "deaf to: {what}");
        let (found, deadline) = self.look_until(|found| found.as_ref() == Ok(expected));
        assert!(deadline, "{what}: {found:?} instead of {expected:?}");
        self.is_quiet(what);
    }

    fn look_until(
        &mut self,
        done: impl Fn(&Result<Files, ReadProblem>) -> bool,
    ) -> (Result<Files, ReadProblem>, bool) {
        let start = clock();
        loop {
            while self.hints.recv_timeout(QUIET).is_ok() {}
            let found = self.look();
            if done(&found) {
                return (found, true);
            }
            if start.elapsed() > DEAF {
                return (found, false);
            }
            // A read of a moving tree is tried again without a hint, any other only after one.
            if !matches!(found, Err(ReadProblem::Moving { .. })) && self.hints.recv_timeout(DEAF).is_err() {
                return (found, false);
            }
        }
    }

    fn is_quiet(&mut self, what: &str) {
        while self.hints.recv_timeout(QUIET).is_ok() {}
        for _ in 0..3 {
            let renewed = self.watch.renew().unwrap();
            assert!(!renewed, "{what}: renewed although nothing moved");
            drop(read(&self.dir));
            drop(commit_of(&self.dir));
        }
        assert!(self.hints.recv_timeout(3 * QUIET).is_err(), "{what}: our own reading is taken for a change");
    }

    /// Does something that has nothing to do with the directory.
    fn ignores(&mut self, what: &str, act: impl FnOnce()) {
        self.is_quiet(what);
        act();
        assert!(self.hints.recv_timeout(3 * QUIET).is_err(), "{what} is taken for a change");
    }
}

fn listen(dir: impl Into<PathBuf>, expected: &Files) -> Listener {
    let mut listener = Listener::new(dir.into());
    assert_eq!(listener.look().as_ref(), Ok(expected));
    listener
}

fn put(path: PathBuf, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn run(program: &str, arguments: &[&str], dir: &Path) {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(dir).env_remove("GIT_DIR").env_remove("GIT_INDEX_FILE");
    let output =
        command.output().unwrap_or_else(|error| panic!("{program}: {error}; apt-get install {program}"));
    assert!(output.status.success(), "{command:?}: {output:?}");
}

/// A directory `desired` with one file, beside whatever a test puts there.
fn plain() -> (TempDir, PathBuf) {
    let outer = tempfile::tempdir().unwrap();
    let dir = outer.path().join("desired");
    put(dir.join("a.yaml"), "one");
    (outer, dir)
}

#[test]
fn an_editor_that_renames_a_new_file_over_the_old_one() {
    let (_outer, dir) = plain();
    let mut listener = listen(&dir, &files(&[("a.yaml", "one")]));
    for text in ["two", "three"] {
        put(dir.join(".a.yaml.swp"), text);
        fs::rename(dir.join("a.yaml"), dir.join("a.yaml~")).unwrap();
        fs::rename(dir.join(".a.yaml.swp"), dir.join("a.yaml")).unwrap();
        fs::remove_file(dir.join("a.yaml~")).unwrap();
        listener.sees("a save by rename", &files(&[("a.yaml", text)]));
    }
}

#[test]
fn an_editor_that_truncates_and_writes() {
    let (_outer, dir) = plain();
    put(dir.join("deep/er/b.yaml"), "one");
    let mut listener = listen(&dir, &files(&[("a.yaml", "one"), ("deep/er/b.yaml", "one")]));
    for text in ["two", "three"] {
        put(dir.join("deep/er/b.yaml"), text);
        listener.sees("a save in place", &files(&[("a.yaml", "one"), ("deep/er/b.yaml", text)]));
    }
    fs::remove_file(dir.join("deep/er/b.yaml")).unwrap();
    listener.sees("a deletion", &files(&[("a.yaml", "one")]));
}

#[test]
fn rsync() {
    let (outer, dir) = plain();
    let from = outer.path().join("from");
    let mut listener = listen(&dir, &files(&[("a.yaml", "one")]));
    for text in ["first", "second"] {
        put(from.join("a.yaml"), text);
        put(from.join(format!("{text}/b.yaml")), text);
        run("rsync", &["-a", "--delete", "from/", "desired/"], outer.path());
        listener.sees("rsync", &files(&[("a.yaml", text), (&format!("{text}/b.yaml"), text)]));
        fs::remove_dir_all(from.join(text)).unwrap();
    }
}

#[test]
fn a_new_directory_and_later_edits_in_it() {
    let (_outer, dir) = plain();
    let mut listener = listen(&dir, &files(&[("a.yaml", "one")]));
    for text in ["two", "three"] {
        put(dir.join("new/er/b.yaml"), text);
        listener.sees("a new directory", &files(&[("a.yaml", "one"), ("new/er/b.yaml", text)]));
    }
    fs::rename(dir.join("new"), dir.join("moved")).unwrap();
    listener.sees("a renamed directory", &files(&[("a.yaml", "one"), ("moved/er/b.yaml", "three")]));
    put(dir.join("moved/er/b.yaml"), "four");
    listener.sees("an edit in it", &files(&[("a.yaml", "one"), ("moved/er/b.yaml", "four")]));
}

#[test]
fn a_git_checkout_of_hundreds_of_files_is_seen_whole_or_not_at_all() {
    let outer = tempfile::tempdir().unwrap();
    let repository = outer.path();
    let state = |text: &str| -> Files {
        (0..400).map(|number| (format!("{}/{number}.yaml", number % 7), text.to_owned())).collect()
    };
    let git = |arguments: &[&str]| {
        let identity = ["-c", "user.name=A", "-c", "user.email=a@x", "-c", "commit.gpgsign=false"];
        run("git", &[&identity[..], arguments].concat(), repository);
    };
    git(&["init", "-q", "-b", "one"]);
    for branch in ["one", "two"] {
        git(&["checkout", "-q", "-B", branch]);
        for (path, text) in state(branch) {
            put(repository.join("desired").join(path), &text);
        }
        git(&["add", "."]);
        git(&["commit", "-qm", branch]);
    }
    let mut listener = listen(repository.join("desired"), &state("two"));
    listener.uniform = true;
    for branch in ["one", "two", "one"] {
        git(&["checkout", "-q", branch]);
        listener.sees("a checkout", &state(branch));
        assert!(!commit_of(&listener.dir).unwrap().dirty);
    }
    fs::write(repository.join(".git/index.lock"), "").unwrap();
    assert!(listener.hints.recv_timeout(DEAF).is_ok(), "deaf to git beginning its work");
    assert!(matches!(listener.look(), Err(ReadProblem::Moving { .. })));
    while listener.hints.recv_timeout(QUIET).is_ok() {}
    fs::remove_file(repository.join(".git/index.lock")).unwrap();
    listener.sees("git ending its work", &state("one"));
}

#[test]
fn git_sync_that_swaps_a_link_to_a_worktree() {
    let outer = tempfile::tempdir().unwrap();
    let root = outer.path();
    let publish = |text: &str| {
        put(root.join(format!(".worktrees/{text}/desired/a.yaml")), text);
        symlink(format!(".worktrees/{text}"), root.join("tmp-link")).unwrap();
        fs::rename(root.join("tmp-link"), root.join("current")).unwrap();
    };
    publish("one");
    let mut listener = listen(root.join("current/desired"), &files(&[("a.yaml", "one")]));
    for (old, text) in [("one", "two"), ("two", "three")] {
        publish(text);
        listener.sees("a swap", &files(&[("a.yaml", text)]));
        fs::remove_dir_all(root.join(".worktrees").join(old)).unwrap();
    }
    put(root.join(".worktrees/three/desired/a.yaml"), "edited");
    listener.sees("an edit after the swap", &files(&[("a.yaml", "edited")]));
}

#[test]
fn a_kubernetes_config_map_that_swaps_its_data() {
    let outer = tempfile::tempdir().unwrap();
    let root = outer.path();
    let publish = |text: &str| {
        put(root.join(format!("..2026_{text}/a.yaml")), text);
        put(root.join(format!("..2026_{text}/eu/b.yaml")), text);
        symlink(format!("..2026_{text}"), root.join("..data_tmp")).unwrap();
        fs::rename(root.join("..data_tmp"), root.join("..data")).unwrap();
    };
    publish("one");
    symlink("..data/a.yaml", root.join("a.yaml")).unwrap();
    symlink("..data/eu", root.join("eu")).unwrap();
    let mut listener = listen(root, &files(&[("a.yaml", "one"), ("eu/b.yaml", "one")]));
    listener.uniform = true;
    for (old, text) in [("one", "two"), ("two", "three")] {
        publish(text);
        fs::remove_dir_all(root.join(format!("..2026_{old}"))).unwrap();
        listener.sees("a swap", &files(&[("a.yaml", text), ("eu/b.yaml", text)]));
    }
    listener.uniform = false;
    put(root.join("..2026_three/a.yaml"), "edited");
    listener.sees("an edit behind the links", &files(&[("a.yaml", "edited"), ("eu/b.yaml", "three")]));
}

#[test]
fn a_directory_that_is_removed_and_made_again() {
    let (_outer, dir) = plain();
    let mut listener = listen(&dir, &files(&[("a.yaml", "one")]));
    for text in ["two", "three"] {
        fs::remove_dir_all(&dir).unwrap();
        assert!(listener.hints.recv_timeout(DEAF).is_ok(), "deaf to the removal");
        let (found, gone) = listener.look_until(|found| matches!(found, Err(ReadProblem::Invalid(_))));
        assert!(gone, "{found:?}");
        listener.is_quiet("the removal");
        put(dir.join("a.yaml"), text);
        listener.sees("its return", &files(&[("a.yaml", text)]));
        put(dir.join("a.yaml"), "edited");
        listener.sees("an edit after its return", &files(&[("a.yaml", "edited")]));
    }
    fs::remove_dir_all(&dir).unwrap();
    put(dir.join("a.yaml"), "at once");
    listener.sees("removed and made again at once", &files(&[("a.yaml", "at once")]));
    put(dir.join("a.yaml"), "edited");
    listener.sees("an edit after that", &files(&[("a.yaml", "edited")]));
}

#[test]
fn a_directory_that_does_not_exist_yet_nor_the_one_above_it() {
    let outer = tempfile::tempdir().unwrap();
    let dir = outer.path().join("x/y/desired");
    let mut listener = Listener::new(dir.clone());
    assert!(matches!(listener.look(), Err(ReadProblem::Invalid(_))));
    fs::create_dir(outer.path().join("x")).unwrap();
    assert!(listener.hints.recv_timeout(DEAF).is_ok(), "deaf to the beginning of the way");
    assert!(listener.look().is_err());
    put(dir.join("a.yaml"), "one");
    listener.sees("its first appearance", &files(&[("a.yaml", "one")]));
    put(dir.join("a.yaml"), "two");
    listener.sees("an edit", &files(&[("a.yaml", "two")]));
}

#[test]
fn a_directory_or_one_above_it_that_is_replaced_by_a_rename() {
    let outer = tempfile::tempdir().unwrap();
    let root = outer.path();
    put(root.join("release/app/desired/a.yaml"), "one");
    let mut listener = listen(root.join("release/app/desired"), &files(&[("a.yaml", "one")]));
    for (place, text) in [("desired", "two"), ("app", "three"), ("release", "four"), ("desired", "five")] {
        let at = match place {
            "desired" => root.join("release/app/desired"),
            "app" => root.join("release/app"),
            _ => root.join("release"),
        };
        run("cp", &["-r", at.to_str().unwrap(), "new"], root);
        let inside = match place {
            "desired" => "a.yaml",
            "app" => "desired/a.yaml",
            _ => "app/desired/a.yaml",
        };
        put(root.join("new").join(inside), text);
        fs::rename(&at, root.join(format!("old-{text}"))).unwrap();
        fs::rename(root.join("new"), &at).unwrap();
        listener.sees(place, &files(&[("a.yaml", text)]));
        put(root.join("release/app/desired/a.yaml"), "edited");
        listener.sees("an edit after that", &files(&[("a.yaml", "edited")]));
    }
}

#[test]
fn what_happens_beside_the_directory_is_no_hint() {
    let (outer, dir) = plain();
    symlink("/", dir.join("everything")).unwrap();
    let mut listener = Listener::new(dir);
    listener.ignores("a file beside it", || put(outer.path().join("state/journal-000001"), "x"));
    listener.ignores("a change there", || put(outer.path().join("state/journal-000001"), "xy"));
    listener.ignores("reading the directory", || {
        assert_eq!(fs::read_dir(outer.path().join("desired")).unwrap().count(), 2);
    });
}

#[test]
fn hints_end_with_the_watch() {
    let (_outer, dir) = plain();
    let listener = listen(&dir, &files(&[("a.yaml", "one")]));
    let Listener { watch, hints, .. } = listener;
    drop(watch);
    // The channel closes when the watcher's thread has let go of the callback.
    while hints.recv_timeout(DEAF).is_ok() {}
    assert_eq!(hints.recv(), Err(std::sync::mpsc::RecvError));
}

#[test]
fn what_may_not_be_read_is_named_and_the_rest_is_watched() {
    let outer = tempfile::tempdir().unwrap();
    // Root may read everything; in a user name space without any mapping even root is nobody in particular.
    succeeds(child(&["unshare", "--user"], "watch::child_without_rights", outer.path()));
}

#[test]
#[ignore = "run in a child process by the test above"]
fn child_without_rights() {
    let dir = PathBuf::from(child_dir());
    for name in ["a.yaml", "closed/b.yaml", "closed.yaml"] {
        put(dir.join(name), "one");
    }
    let close =
        |name: &str, mode| fs::set_permissions(dir.join(name), fs::Permissions::from_mode(mode)).unwrap();
    close("closed", 0);
    close("closed.yaml", 0);
    let mut listener = Listener::new(dir.clone());
    let Err(ReadProblem::Invalid(problems)) = listener.look() else { panic!("read what may not be read") };
    let found: Vec<_> =
        problems.iter().map(|problem| (problem.code.0, problem.labels[0].path.as_str())).collect();
    assert_eq!(found, [(204, "closed"), (204, "closed.yaml")]);
    close("closed", 0o700);
    close("closed.yaml", 0o600);
    let all = files(&[("a.yaml", "one"), ("closed/b.yaml", "one"), ("closed.yaml", "one")]);
    listener.sees("opening them", &all);
    put(dir.join("closed/b.yaml"), "two");
    listener.sees("an edit", &[all, files(&[("closed/b.yaml", "two")])].into_iter().flatten().collect());
}
