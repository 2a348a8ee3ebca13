//! What is remembered of a directory between two readings, so that the second one reads only what has changed.
//!
//! A file is certainly as it was when the file system says the same of it and had not noted a change shortly before it
//! was looked at: within one tick of its clock two changes look alike. What the file system never says, of a file
//! that is written through a mapping of its memory for instance, is seen when everything is read again.

use std::path::Path;
use std::time::{Duration, SystemTime};

use super::commit::{self, Asked, Commit, commit_of};
use super::directory::Reading;
use super::tree::{Node, Signature, Stat};
use crate::desired::SourceFile;

/// How long before a look the last change must have been: longer than a tick of any file system's clock.
const MARGIN: Duration = Duration::from_secs(2);
/// After this time everything is read again.
const WHOLE: Duration = Duration::from_hours(1);

/// What a reading found, for the next one to build on.
#[derive(Clone, Debug)]
pub struct Seen {
    signature: Signature,
    /// When the first look of that reading began.
    looked: SystemTime,
    /// The same of the last reading that read everything.
    whole: SystemTime,
    /// What git said then.
    asked: Option<Asked>,
}

/// What has changed in a directory since an earlier reading.
#[derive(Clone, Debug)]
pub struct Changes {
    /// The files that are new or perhaps others, sorted by path; all files, if [`Changes::is_whole`].
    pub files: Vec<SourceFile>,
    /// The paths of files that are gone.
    pub gone: Vec<String>,
    /// Whether nothing of the earlier reading was of use.
    pub is_whole: bool,
    /// For the next reading.
    pub seen: Seen,
}

impl Seen {
    /// Tells whether a reading now may build on this one.
    pub(super) fn holds(&self, now: SystemTime) -> bool {
        now.duration_since(self.whole).is_ok_and(|age| age < WHOLE)
    }

    /// Returns what tells, of one file after the other in order of path, whether it is certainly as it was.
    pub(super) fn vouches(&self) -> impl FnMut(&Node) -> bool {
        let mut own = self.signature.files.iter().peekable();
        move |file| {
            while own.next_if(|own| own.path < file.path).is_some() {}
            own.peek().is_some_and(|own| *own == file) && self.was_quiet(file)
        }
    }

    /// Returns what the file system said then.
    pub(super) fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Tells whether everything is certainly as it was.
    pub(super) fn vouches_for_all(&self, signature: &Signature) -> bool {
        self.signature == *signature && signature.nodes().all(|node| self.was_quiet(node))
    }

    /// Finds the commit that the directory is a checkout of, as far as an earlier reading does not know it.
    pub(super) fn ask_git(&mut self, dir: &Path, before: Option<&Self>) -> Option<Commit> {
        let unmoved = before.is_some_and(|before| before.vouches_for_all(&self.signature));
        let settled = |stat: &Stat| before.is_some_and(|before| stat.untouched_for(before.looked) >= MARGIN);
        self.asked = commit::ask(dir, before.and_then(|before| before.asked.as_ref()), unmoved, settled);
        match &self.asked {
            Some(asked) => asked.commit.clone(),
            None => commit_of(dir),
        }
    }

    /// Goes on as if the reading had been later, so that nothing was young then.
    #[cfg(test)]
    pub(super) fn aged(mut self) -> Self {
        self.looked += 2 * MARGIN;
        self
    }

    fn was_quiet(&self, node: &Node) -> bool {
        node.stat.untouched_for(self.looked) >= MARGIN
    }
}

impl Changes {
    /// Compares a reading, the first look of which began at some time, with the one that it builds on.
    pub(super) fn between(seen: Option<&Seen>, reading: Reading, looked: SystemTime) -> Self {
        let Reading { files, signature, .. } = reading;
        let mut now = signature.files.iter().peekable();
        let mut is_gone = |file: &&Node| {
            while now.next_if(|now| now.path < file.path).is_some() {}
            now.peek().is_none_or(|now| now.path != file.path)
        };
        let before = seen.into_iter().flat_map(|seen| &seen.signature.files);
        let gone = before.filter(|file| is_gone(file)).map(|file| file.path.clone()).collect();
        let whole = seen.map_or(looked, |seen| seen.whole);
        Self { files, gone, is_whole: seen.is_none(), seen: Seen { signature, looked, whole, asked: None } }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::path::Path;

    use super::super::{ReadProblem, read, read_since};
    use super::*;

    fn directory(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            fs::write(dir.path().join(file), format!("# {file}\n")).unwrap();
        }
        dir
    }

    fn seen(dir: &Path) -> Seen {
        read_since(dir, None).unwrap().seen.aged()
    }

    fn changes(dir: &Path, seen: &Seen) -> (Vec<String>, Vec<String>) {
        let changes = read_since(dir, Some(seen)).unwrap();
        assert!(!changes.is_whole);
        (changes.files.into_iter().map(|file| file.path).collect(), changes.gone)
    }

    #[test]
    fn only_what_has_changed_is_read_again() {
        let dir = directory(&["a.yaml", "b.yaml", "c.yaml"]);
        let path = |name: &str| dir.path().join(name);
        let before = seen(dir.path());
        assert_eq!(changes(dir.path(), &before), (vec![], vec![]));
        let time = fs::metadata(path("b.yaml")).unwrap().modified().unwrap();
        fs::write(path("b.yaml"), "# B.yaml\n").unwrap();
        // Neither its length nor its time tells; the time of the last change cannot be set.
        File::options().write(true).open(path("b.yaml")).unwrap().set_modified(time).unwrap();
        fs::remove_file(path("a.yaml")).unwrap();
        fs::write(path("d.yaml"), "# d\n").unwrap();
        let expected = (vec!["b.yaml".to_owned(), "d.yaml".to_owned()], vec!["a.yaml".to_owned()]);
        assert_eq!(changes(dir.path(), &before), expected);
    }

    #[test]
    fn a_file_that_was_young_when_it_was_read_is_read_again() {
        let dir = directory(&["a.yaml", "b.yaml"]);
        let young = read_since(dir.path(), None).unwrap().seen;
        let all = vec!["a.yaml".to_owned(), "b.yaml".to_owned()];
        assert_eq!(changes(dir.path(), &young), (all, vec![]));
    }

    #[test]
    fn everything_is_read_again_after_an_hour_and_when_the_clock_was_set_back() {
        let dir = directory(&["a.yaml"]);
        for later in [true, false] {
            let mut seen = seen(dir.path());
            seen.whole = if later { seen.whole - WHOLE } else { seen.whole + WHOLE };
            let changes = read_since(dir.path(), Some(&seen)).unwrap();
            assert_eq!((changes.is_whole, changes.files.len()), (true, 1));
        }
    }

    #[test]
    fn one_reading_after_another_adds_up_to_what_a_whole_one_finds() {
        let dir = directory(&["a.yaml"]);
        let mut seen = seen(dir.path());
        let mut files: std::collections::BTreeMap<String, SourceFile> =
            read(dir.path()).unwrap().files.into_iter().map(|file| (file.path.clone(), file)).collect();
        for round in 0..4 {
            fs::write(dir.path().join(format!("{}.yaml", round % 2)), format!("# {round}\n")).unwrap();
            if round == 2 {
                fs::remove_file(dir.path().join("a.yaml")).unwrap();
            }
            let changes = read_since(dir.path(), Some(&seen)).unwrap();
            files.retain(|path, _| !changes.gone.contains(path));
            files.extend(changes.files.into_iter().map(|file| (file.path.clone(), file)));
            assert_eq!(files.values().cloned().collect::<Vec<_>>(), read(dir.path()).unwrap().files);
            seen = changes.seen;
        }
    }

    #[test]
    fn a_directory_that_lost_its_last_file_is_an_error_whatever_was_seen_before() {
        let dir = directory(&["a.yaml"]);
        let seen = seen(dir.path());
        fs::remove_file(dir.path().join("a.yaml")).unwrap();
        assert!(matches!(read_since(dir.path(), Some(&seen)), Err(ReadProblem::Invalid(_))));
    }
}
