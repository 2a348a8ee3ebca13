//! From the files of a directory to its desired state: several files at once, and none again that has not changed.

mod begun;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use begun::Place;

use crate::desired::{self, Desired, Parsed, SourceFile};
use crate::diagnostic::Diagnostic;
use crate::model::Digest;
use crate::source::{Commit, Read, Seen};

/// Files smaller than this together are not worth another thread: it would begin when most of them are parsed, and take
/// a processor from whoever reads the store meanwhile. Tests split whatever can be split.
const WORTH_A_THREAD: usize = if cfg!(test) { 1 << 10 } else { 2 << 20 };

/// Parses files and remembers the last good desired state of each directory.
#[derive(Debug, Default)]
pub struct Parsing {
    last: Mutex<BTreeMap<PathBuf, Last>>,
    begun: Mutex<BTreeMap<PathBuf, Place>>,
    /// What was last before that. To let go of a thousand paths takes its time, so it is done when nobody waits.
    spent: Mutex<Option<Last>>,
}

/// The last good desired state of a directory.
#[derive(Clone, Debug, Default)]
pub struct Last {
    desired: Desired,
    /// The reading that it was made of, if another may build on that.
    pub seen: Option<Arc<Seen>>,
}

/// A reading of a directory, judged.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The desired state, or every problem of every file.
    pub desired: Result<Desired, Vec<Diagnostic>>,
    /// The commit that the directory is a checkout of, where there is one.
    pub commit: Option<Commit>,
}

impl Parsing {
    /// Turns the files of a directory into its desired state. A file that is byte for byte as it was is not parsed
    /// again, and if all are, the state is the one that there was.
    ///
    /// # Errors
    /// Every problem of every file.
    pub fn read(&self, directory: &Path, files: Vec<SourceFile>) -> Result<Desired, Vec<Diagnostic>> {
        self.take(directory, &self.last(directory), Read { files, part: None, commit: None, seen: None })
    }

    /// Turns a reading of a directory into its desired state. A reading of a part of the files is one of those that have
    /// changed since the last good state. What did not change is neither parsed nor put together again.
    ///
    /// # Errors
    /// Every problem of every file.
    pub fn take(&self, directory: &Path, last: &Last, read: Read) -> Result<Desired, Vec<Diagnostic>> {
        let desired = last.and_then(read.files, read.part)?;
        drop(self.remember(directory, desired.clone(), read.seen));
        Ok(desired)
    }

    /// Remembers the last good state; returns the one before.
    fn remember(&self, directory: &Path, desired: Desired, seen: Option<Seen>) -> Option<Last> {
        self.all().insert(directory.to_owned(), Last { desired, seen: seen.map(Arc::new) })
    }

    /// Returns the last good desired state of a directory, if it has this digest.
    pub fn known(&self, directory: &Path, digest: Digest) -> Option<Desired> {
        Some(self.last(directory).desired).filter(|last| last.digest() == digest)
    }

    /// Returns the last good desired state of a directory.
    pub fn last(&self, directory: &Path) -> Last {
        self.all().get(directory).cloned().unwrap_or_default()
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Last>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Last {
    /// Returns the state that follows, by a reading of all files, or of those that have changed and those that are gone.
    fn and_then(
        &self,
        files: Vec<SourceFile>,
        part: Option<Vec<String>>,
    ) -> Result<Desired, Vec<Diagnostic>> {
        let count = files.len();
        let (mut same, mut changed) = (Vec::new(), Vec::new());
        for file in files {
            match self.desired.parsed(&file) {
                Some(known) => same.push(known),
                None => changed.push(file),
            }
        }
        let is_same = changed.is_empty()
            && match &part {
                Some(gone) => gone.is_empty(),
                None => count > 0 && self.desired.files().count() == count,
            };
        Ok(match part {
            _ if is_same => self.desired.clone(),
            Some(gone) => {
                let gone: Vec<&str> = gone.iter().map(String::as_str).collect();
                desired::reassemble(&self.desired, &gone, at_once(changed))?
            }
            None => {
                same.extend(at_once(changed));
                desired::assemble(same)?
            }
        })
    }
}

/// Parses a file, and hashes it while it is at hand.
fn one(file: SourceFile) -> Parsed {
    desired::parse(file).hashed()
}

/// Parses files on as many threads as there are processors, in any order.
fn at_once(files: Vec<SourceFile>) -> Vec<Parsed> {
    let size: usize = files.iter().map(|file| file.bytes.len()).sum();
    // Asking how many there are takes longer than parsing a file.
    let processors = || thread::available_parallelism().map_or(1, usize::from);
    let threads = if size < WORTH_A_THREAD { 1 } else { processors().min(files.len()) };
    if threads < 2 {
        return files.into_iter().map(one).collect();
    }
    let rest = Mutex::new(files.into_iter());
    let next = || rest.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || std::iter::from_fn(next).map(one).collect::<Vec<_>>();
    // Wherever the kernel wants them: whoever reads the store meanwhile is not to be disturbed.
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut parsed = work();
        for other in others {
            match other.join() {
                Ok(more) => parsed.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        parsed
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> SourceFile {
        SourceFile { path: path.to_owned(), bytes: text.as_bytes().to_vec() }
    }

    fn many(count: usize) -> Vec<SourceFile> {
        let users = |file| {
            (0..400).map(move |user| format!("  user{user}-of-{file}@a-long-domain.example: enabled\n"))
        };
        let text = |file| format!("pop3:\n{}", users(file).collect::<String>());
        (0..count).map(|number| file(&format!("{number:03}.yaml"), &text(number))).collect()
    }

    #[test]
    fn many_files_at_once_are_the_same_as_one_after_the_other() {
        let files = many(40);
        let desired = Parsing::default().read(Path::new("d"), files.clone()).unwrap();
        let one_by_one = desired::read(files).unwrap();
        assert_eq!(desired, one_by_one);
        assert!(desired.iter().eq(one_by_one.iter()));
        let origins =
            |desired: &Desired| desired.iter().map(|entry| desired.origin(entry)).collect::<Vec<_>>();
        assert_eq!(origins(&desired), origins(&one_by_one));
    }

    #[test]
    fn the_problems_of_all_files_are_told_in_order() {
        let mut files = many(40);
        files[7] = file("007.yaml", "pop3:\n  a: on\n");
        files[30] = file("030.yaml", "pop3:\n  user1-of-3@a-long-domain.example: enabled\n");
        let problems = Parsing::default().read(Path::new("d"), files.clone()).unwrap_err();
        assert_eq!(problems, desired::read(files).unwrap_err());
        assert_eq!(problems.len(), 2);
    }

    #[test]
    fn only_what_changed_is_parsed_again() {
        let parsing = Parsing::default();
        let read = |files: &[SourceFile]| parsing.read(Path::new("d"), files.to_vec()).unwrap();
        let mut files = many(3);
        let first = read(&files);
        let is_same = |one: &Desired, other: &Desired, file: &SourceFile| {
            one.parsed(file).zip(other.parsed(file)).is_some_and(|(one, other)| one.is_same(&other))
        };
        assert!(files.iter().all(|file| is_same(&first, &read(&files), file)));
        files[1] = file("001.yaml", "pop3:\n  new: disabled\n");
        let second = read(&files);
        assert_eq!(second, desired::read(files.clone()).unwrap());
        assert!(is_same(&first, &second, &files[0]) && !is_same(&first, &second, &files[1]));
        files.remove(0);
        let third = read(&files);
        assert_eq!(third, desired::read(files.clone()).unwrap());
        assert_eq!(parsing.known(Path::new("d"), third.digest()), Some(third));
        assert_eq!(parsing.known(Path::new("d"), first.digest()), None);
        assert!(
            parsing.read(Path::new("d"), Vec::new()).is_err(),
            "no file at all is an error, whatever there was"
        );
        assert!(parsing.read(Path::new("other"), vec![file("a.yaml", "pop3: {}")]).unwrap().is_empty());
    }
}
