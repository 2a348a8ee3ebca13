//! One read of every kind of directory.

use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::process::Command;

use super::*;
use crate::diagnostic::codes::{FILE_NAME, LINK_LOOP, LINK_OUT, NO_DIRECTORY};
use tempfile::TempDir;

/// A directory with these files, and a place beside it.
fn tree(files: &[&str]) -> (TempDir, PathBuf) {
    let outer = tempfile::tempdir().unwrap();
    let dir = outer.path().join("desired");
    fs::create_dir(&dir).unwrap();
    for file in files {
        put(&dir, file);
    }
    (outer, dir)
}

fn put(dir: &Path, file: &str) {
    let path = dir.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, format!("# {file}\n")).unwrap();
}

fn paths(dir: &Path) -> Vec<String> {
    read(dir).unwrap().files.into_iter().map(|file| file.path).collect()
}

fn problems(dir: &Path) -> Vec<Diagnostic> {
    match read(dir) {
        Err(ReadProblem::Invalid(problems)) => problems,
        other => panic!("not invalid: {other:?}"),
    }
}

/// The code and the file of each problem.
fn codes(dir: &Path) -> Vec<(u16, String)> {
    let place =
        |problem: &Diagnostic| problem.labels.first().map(|label| label.path.clone()).unwrap_or_default();
    problems(dir).iter().map(|problem| (problem.code.0, place(problem))).collect()
}

fn what_moves(dir: &Path) -> String {
    match read(dir) {
        Err(ReadProblem::Moving { what }) => what,
        other => panic!("not moving: {other:?}"),
    }
}

#[test]
fn every_yaml_file_below_is_read_sorted_by_its_path() {
    let (_outer, dir) = tree(&["b.yaml", "a/z.yml", "a.yaml", "a-b/c.yaml", "a/b/c/d.yaml", "ü.yaml"]);
    let reading = read(&dir).unwrap();
    let paths: Vec<_> = reading.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["a-b/c.yaml", "a.yaml", "a/b/c/d.yaml", "a/z.yml", "b.yaml", "ü.yaml"]);
    assert_eq!(reading.files[3].bytes, b"# a/z.yml\n");
    assert_eq!(reading.real_path, dir.canonicalize().unwrap());
}

#[test]
fn hidden_names_are_passed_over_and_other_files_noted() {
    let (_outer, dir) =
        tree(&["a.yaml", ".b.yaml", ".git/c.yaml", "d/.e.yaml", "README.md", "d/x.YAML", "a.yaml~"]);
    let reading = read(&dir).unwrap();
    assert_eq!(reading.files.len(), 1);
    assert_eq!(reading.skipped, ["README.md", "a.yaml~", "d/x.YAML"]);
}

#[test]
fn a_missing_directory_an_empty_one_and_a_file_are_told_apart() {
    let (outer, dir) = tree(&[]);
    assert_eq!(codes(&dir), [(NO_FILE.0, String::new())]);
    put(&dir, "notes.txt");
    assert!(problems(&dir)[0].message.contains("only `notes.txt`"));
    for missing in ["none", "desired/notes.txt", "desired/notes.txt/below"] {
        assert_eq!(codes(&outer.path().join(missing)), [(NO_DIRECTORY.0, String::new())], "{missing}");
    }
    symlink("nowhere", outer.path().join("dangling")).unwrap();
    assert_eq!(codes(&outer.path().join("dangling")), [(NO_DIRECTORY.0, String::new())]);
}

#[test]
fn every_problem_says_what_to_do() {
    let (outer, dir) = tree(&["outside/x.yaml"]);
    symlink("../none.yaml", dir.join("dangling.yaml")).unwrap();
    symlink(outer.path(), dir.join("out")).unwrap();
    for problem in [problems(&dir), problems(&outer.path().join("none"))].concat() {
        assert!(problem.help.is_some_and(|help| !help.is_empty()), "{}", problem.message);
        assert!(!problem.message.ends_with('.'));
    }
}

#[test]
fn links_are_followed_inside_and_refused_outside() {
    let (outer, dir) = tree(&["real/a.yaml", ".data/b.yaml", ".data/sub/c.yaml"]);
    symlink(".data/b.yaml", dir.join("b.yaml")).unwrap();
    symlink(dir.join(".data/sub"), dir.join("sub")).unwrap();
    assert_eq!(paths(&dir), ["b.yaml", "real/a.yaml", "sub/c.yaml"]);
    put(outer.path(), "elsewhere/d.yaml");
    put(outer.path(), "desired2/e.yaml");
    put(outer.path(), "LICENSE");
    symlink("../elsewhere", dir.join("out")).unwrap();
    symlink("../elsewhere/d.yaml", dir.join("d.yaml")).unwrap();
    symlink("../desired2/e.yaml", dir.join("e.yaml")).unwrap();
    symlink("../LICENSE", dir.join("LICENSE")).unwrap();
    let outside: Vec<_> = ["d.yaml", "e.yaml", "out"].map(|name| (LINK_OUT.0, name.to_owned())).into();
    assert_eq!(codes(&dir), outside);
}

#[test]
fn the_directory_itself_may_be_a_link_and_lies_where_that_leads() {
    let (outer, dir) = tree(&["a.yaml"]);
    put(&dir, "b.yaml");
    symlink("desired", outer.path().join("link")).unwrap();
    symlink(dir.join("b.yaml"), dir.join("c.yaml")).unwrap();
    let link = outer.path().join("link");
    assert_eq!(paths(&link), ["a.yaml", "b.yaml", "c.yaml"]);
    assert_eq!(signature(&link), signature(&dir));
}

#[test]
fn links_that_lead_back_or_to_nothing_are_refused() {
    let (_outer, dir) = tree(&["a/b/c.yaml"]);
    symlink("..", dir.join("a/b/up")).unwrap();
    symlink(".", dir.join("self")).unwrap();
    symlink("loop.yaml", dir.join("loop.yaml")).unwrap();
    symlink("nothing.yaml", dir.join("gone.yaml")).unwrap();
    symlink("nothing", dir.join("gone")).unwrap();
    let expected = [
        (LINK_LOOP.0, "a/b/up"),
        (UNREADABLE.0, "gone.yaml"),
        (LINK_LOOP.0, "loop.yaml"),
        (LINK_LOOP.0, "self"),
    ];
    assert_eq!(codes(&dir), expected.map(|(code, path)| (code, path.to_owned())));
}

#[test]
fn directories_full_of_links_come_to_an_end() {
    let (_outer, dir) = tree(&["x.yaml"]);
    for level in 0..40 {
        fs::create_dir(dir.join(format!("{level:02}"))).unwrap();
        for name in ["a", "b"] {
            symlink(format!("../{:02}", level + 1), dir.join(format!("{level:02}/{name}"))).unwrap();
        }
    }
    assert!(problems(&dir).iter().any(|problem| problem.code == FILE_SIZE));
}

#[test]
fn what_is_not_a_file_is_never_opened() {
    let (_outer, dir) = tree(&["a.yaml"]);
    for name in ["pipe.yaml", "pipe"] {
        assert!(Command::new("mkfifo").arg(dir.join(name)).status().unwrap().success());
    }
    let _socket = UnixListener::bind(dir.join("socket.yml")).unwrap();
    symlink("pipe", dir.join("link.yaml")).unwrap();
    let expected = ["link.yaml", "pipe.yaml", "socket.yml"].map(|name| (UNREADABLE.0, name.to_owned()));
    assert_eq!(codes(&dir), expected);
    assert!(problems(&dir)[0].message.contains("a named pipe"));
}

#[test]
fn a_file_of_64_mib_is_read_and_a_larger_one_is_not() {
    let (_outer, dir) = tree(&["a.yaml"]);
    let file = File::create(dir.join("large.yaml")).unwrap();
    file.set_len(MAX_FILE).unwrap();
    assert_eq!(read(&dir).unwrap().files[1].bytes.len() as u64, MAX_FILE);
    file.set_len(MAX_FILE + 1).unwrap();
    assert_eq!(codes(&dir), [(FILE_SIZE.0, "large.yaml".to_owned())]);
    for count in 0..9 {
        File::create(dir.join(format!("{count}.yaml"))).unwrap().set_len(MAX_FILE).unwrap();
    }
    fs::remove_file(dir.join("large.yaml")).unwrap();
    assert_eq!(codes(&dir), [(FILE_SIZE.0, String::new())]);
}

#[test]
fn names_that_cannot_be_shown_are_refused_and_never_printed_raw() {
    use std::os::unix::ffi::OsStrExt;
    let (_outer, dir) = tree(&["a.yaml"]);
    for name in [&b"\xff.yaml"[..], b"x\n::error::.yaml", b"bad\xff\xfe", b"rtl\xe2\x80\xaelmay.yaml"] {
        fs::write(dir.join(std::ffi::OsStr::from_bytes(name)), "").unwrap();
    }
    fs::create_dir(dir.join("dir\u{7}")).unwrap();
    let problems = problems(&dir);
    assert_eq!(problems.iter().map(|problem| problem.code).collect::<Vec<_>>(), [FILE_NAME; 4]);
    for problem in problems {
        let shown = format!("{}{}", problem.message, problem.labels[0].path);
        assert!(!shown.contains(|c: char| c.is_control() || c == '\u{202e}'), "{shown:?}");
    }
}

#[test]
fn git_at_work_is_somebody_moving_files() {
    let (outer, dir) = tree(&["deep/a.yaml"]);
    fs::create_dir(outer.path().join(".git")).unwrap();
    let lock = outer.path().join(".git/index.lock");
    fs::write(&lock, "").unwrap();
    for place in [&dir, &dir.join("deep"), &outer.path().to_owned()] {
        assert!(what_moves(place).contains("index.lock"), "{}", place.display());
        assert!(matches!(signature(place), Err(ReadProblem::Moving { .. })));
    }
    fs::remove_file(lock).unwrap();
    assert_eq!(paths(&dir), ["deep/a.yaml"]);
}

#[test]
fn git_at_work_in_a_further_worktree_is_seen_too() {
    let (outer, dir) = tree(&["a.yaml"]);
    fs::create_dir_all(outer.path().join("main/.git/worktrees/one")).unwrap();
    fs::write(dir.join(".git"), "gitdir: ../main/.git/worktrees/one\n").unwrap();
    assert_eq!(paths(&dir), ["a.yaml"]);
    fs::write(outer.path().join("main/.git/worktrees/one/index.lock"), "").unwrap();
    assert!(what_moves(&dir).contains("index.lock"));
}

#[test]
fn an_unchanged_tree_keeps_its_signature_and_any_change_changes_it() {
    let (_outer, dir) = tree(&["a.yaml", "sub/b.yaml"]);
    let change: [fn(&Path); 6] = [
        |dir| put(dir, "c.yaml"),
        |dir| fs::remove_file(dir.join("c.yaml")).unwrap(),
        |dir| fs::write(dir.join("sub/b.yaml"), "# sub/B.yaml\n").unwrap(),
        |dir| fs::rename(dir.join("a.yaml"), dir.join("sub/a.yaml")).unwrap(),
        |dir| fs::create_dir(dir.join("empty")).unwrap(),
        |dir| fs::rename(dir.join("sub"), dir.join("renamed")).unwrap(),
    ];
    for change in change {
        let before = read(&dir).unwrap().signature;
        assert_eq!(signature(&dir).unwrap(), before);
        change(&dir);
        assert_ne!(signature(&dir).unwrap(), before);
    }
}

#[test]
fn a_file_that_was_just_truncated_is_waited_for() {
    let (_outer, dir) = tree(&["a.yaml"]);
    let path = dir.join("a.yaml");
    let file = File::create(&path).unwrap();
    let writer = thread::spawn(move || {
        use std::io::Write;
        thread::sleep(Duration::from_millis(30));
        (&file).write_all(b"pop3: {}\n").unwrap();
    });
    let seen = read(&dir);
    writer.join().unwrap();
    // Either the write was seen to happen, or the file is whole already; never the empty moment between.
    match seen {
        Err(ReadProblem::Moving { .. }) => {}
        Ok(reading) => assert_eq!(reading.files[0].bytes, b"pop3: {}\n"),
        other => panic!("{other:?}"),
    }
    fs::write(&path, "").unwrap();
    assert_eq!(read(&dir).unwrap().files[0].bytes, b"", "one that stays empty is read as it is");
}

/// Publishes a new state in some way; the directory is the first argument, the place around it the second.
type Move = fn(&Path, &Path);

fn write_both(dir: &Path) {
    for name in ["a.yaml", "sub/b.yaml"] {
        fs::write(dir.join(name), "# new\n").unwrap();
    }
}

fn swap_link(dir: &Path, outer: &Path) {
    fs::create_dir_all(outer.join("v2/sub")).unwrap();
    write_both(&outer.join("v2"));
    symlink("v2", outer.join("next")).unwrap();
    fs::rename(outer.join("next"), dir).unwrap();
}

/// A directory reached by a link, with two files whose texts are as long as those of the next state.
fn published() -> (TempDir, PathBuf) {
    let outer = tempfile::tempdir().unwrap();
    fs::create_dir_all(outer.path().join("v1/sub")).unwrap();
    for name in ["a.yaml", "sub/b.yaml"] {
        fs::write(outer.path().join("v1").join(name), "# old\n").unwrap();
    }
    symlink("v1", outer.path().join("current")).unwrap();
    let dir = outer.path().join("current");
    (outer, dir)
}

#[test]
fn whatever_moves_at_whatever_moment_of_a_read_two_states_are_never_mixed() {
    let moves: [(&str, Move); 11] = [
        ("a link swapped", swap_link),
        ("a link swapped and the old state deleted", |dir, outer| {
            swap_link(dir, outer);
            fs::remove_dir_all(outer.join("v1")).unwrap();
        }),
        ("files written in place", |dir, _| write_both(dir)),
        ("files written in place with their old time", |dir, _| {
            let time = fs::metadata(dir.join("a.yaml")).unwrap().modified().unwrap();
            write_both(dir);
            for name in ["a.yaml", "sub/b.yaml"] {
                File::options().write(true).open(dir.join(name)).unwrap().set_modified(time).unwrap();
            }
        }),
        ("files replaced by renames", |dir, outer| {
            for name in ["a.yaml", "sub/b.yaml"] {
                fs::write(outer.join("new"), "# new\n").unwrap();
                fs::rename(outer.join("new"), dir.join(name)).unwrap();
            }
        }),
        ("git at work and done", |dir, outer| {
            fs::create_dir(outer.join(".git")).unwrap();
            fs::write(outer.join(".git/index.lock"), "").unwrap();
            write_both(dir);
            fs::remove_file(outer.join(".git/index.lock")).unwrap();
        }),
        ("git at work and not done", |_, outer| {
            fs::create_dir(outer.join(".git")).unwrap();
            fs::write(outer.join(".git/index.lock"), "").unwrap();
        }),
        ("a file added", |dir, _| put(dir, "sub/c.yaml")),
        ("a file deleted", |dir, _| fs::remove_file(dir.join("a.yaml")).unwrap()),
        ("a directory moved away", |dir, outer| fs::rename(dir.join("sub"), outer.join("sub")).unwrap()),
        ("the directory deleted", |_, outer| fs::remove_dir_all(outer.join("v1")).unwrap()),
    ];
    // Everything is read, or only one of the two files.
    let cases = (0..3).map(|moment| (moment, false)).chain((0..2).map(|moment| (moment, true)));
    for (what, act) in moves {
        for (moment, partly) in cases.clone() {
            let (outer, dir) = published();
            let seen = partly.then(|| read_since(&dir, None).unwrap().seen.aged());
            if partly {
                fs::write(dir.join("a.yaml"), "# new\n").unwrap();
            }
            let mut calls = 0;
            let found = read_while(&dir, seen.as_ref(), || {
                if calls == moment {
                    act(&dir, outer.path());
                }
                calls += 1;
            });
            assert!(
                matches!(found, Err(ReadProblem::Moving { .. })),
                "{what} at {moment}, {partly}: {found:?}"
            );
        }
    }
}

#[test]
fn a_pipe_put_in_the_place_of_a_listed_file_does_not_hang_the_read() {
    let (_outer, dir) = published();
    let mut done = false;
    let found = read_while(&dir, None, || {
        if !std::mem::replace(&mut done, true) {
            fs::remove_file(dir.join("a.yaml")).unwrap();
            assert!(Command::new("mkfifo").arg(dir.join("a.yaml")).status().unwrap().success());
        }
    });
    assert!(matches!(found, Err(ReadProblem::Moving { .. })), "{found:?}");
}
