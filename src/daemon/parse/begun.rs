//! Reading before it is wanted: while the daemon waits for quiet, files are read and parsed, so that there is nothing left
//! to do when it has been quiet for long enough.
//!
//! Nothing depends on it. As always, a reading takes two looks at everything, one before the files are read and one after;
//! here they are further apart, because the second one is taken only when the reading is about to be wanted. A hint that
//! comes after the first look makes the reading worthless.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Judged, Parsing};
use crate::desired::Desired;
use crate::diagnostic::Diagnostic;
use crate::source::{Begun, Commit, Seen, Source};

/// Where the reading of a directory is kept that has begun; locked while it begins, so that whoever wants it waits.
pub(super) type Place = Arc<Mutex<Option<Early>>>;

/// How old the second look may be when the reading is wanted.
const FRESH: Duration = Duration::from_millis(100);

/// A reading that has begun, and what comes of it.
#[derive(Debug)]
pub(super) struct Early {
    begun: Begun,
    /// The reading that it builds on.
    before: Arc<Seen>,
    desired: Result<Desired, Vec<Diagnostic>>,
    /// What the second look showed, if nothing had moved, and when that was on the monotonic clock.
    ended: Option<(Option<Commit>, Duration)>,
}

impl Parsing {
    /// Begins to read a directory that was read before. Returns the desired state that may come of it, and how long a look
    /// takes.
    pub fn begin(&self, source: &Source) -> Option<(Option<Desired>, Duration)> {
        let place = self.place(source.directory());
        let mut place = lock(&place);
        *place = None;
        drop(lock(&self.spent).take());
        let last = self.last(source.directory());
        let before = last.seen.clone()?;
        let (begun, read) = Begun::reading(source, &before)?;
        let (took, desired) = (begun.took(), last.and_then(read.files, read.part));
        *place = Some(Early { begun, before, desired: desired.clone(), ended: None });
        Some((desired.ok(), took))
    }

    /// Takes the second look of the reading that was begun last. If anything has moved, that reading is of no use, and this
    /// says so.
    pub fn look_again(&self, directory: &Path, now: Duration) -> bool {
        let place = self.place(directory);
        let mut place = lock(&place);
        *place = place.take().and_then(|mut early| {
            let commit = early.begun.end(&early.before)?;
            early.ended = Some((commit, now));
            Some(early)
        });
        place.is_some()
    }

    /// Returns the reading that was begun last, if there is nothing left to be done about it: the second look was taken just
    /// now.
    pub fn take_ended(&self, directory: &Path, now: Duration) -> Option<Judged> {
        let place = self.place(directory);
        let mut place = place.try_lock().ok()?;
        let (_, looked) = place.as_ref()?.ended.as_ref()?;
        let is_fresh = now.saturating_sub(*looked) < FRESH;
        let Early { begun, before, desired, ended } = place.take_if(|_| is_fresh)?;
        let (commit, _) = ended?;
        if !Arc::ptr_eq(self.last(directory).seen.as_ref()?, &before) {
            return None;
        }
        if let Ok(desired) = &desired {
            *lock(&self.spent) = self.remember(directory, desired.clone(), Some(begun.seen()));
        }
        Some(Judged { desired, commit })
    }

    /// Ends the reading that was begun last, if it is of any use: nothing has moved since.
    pub fn end(&self, directory: &Path, now: Duration) -> Option<Judged> {
        // Whoever is at it ends first.
        drop(lock(&self.place(directory)));
        let at_hand = self.take_ended(directory, now);
        if at_hand.is_some() || !self.look_again(directory, now) {
            return at_hand;
        }
        self.take_ended(directory, now)
    }

    fn place(&self, directory: &Path) -> Place {
        Arc::clone(lock(&self.begun).entry(directory.to_owned()).or_default())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::super::world::{Reuse, read_desired};
    use super::*;
    use crate::desired;

    const NOW: Duration = Duration::from_secs(100);

    /// A directory of two files that was read once.
    fn world() -> (tempfile::TempDir, Source, Parsing) {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.yaml"), "pop3:\n  al: enabled\n").unwrap();
        fs::write(dir.path().join("b.yaml"), "pop3:\n  bo: enabled\n").unwrap();
        let (source, parsing) = (Source::Directory(dir.path().to_owned()), Parsing::default());
        read_desired(&source, &parsing, Reuse::Nothing).unwrap();
        (dir, source, parsing)
    }

    fn now(dir: &Path) -> Desired {
        desired::read(crate::source::read(dir).unwrap().files).unwrap()
    }

    #[test]
    fn what_was_begun_counts_if_nothing_has_moved_since_and_counts_once() {
        let (dir, source, parsing) = world();
        fs::write(dir.path().join("b.yaml"), "pop3:\n  bo: disabled\n").unwrap();
        parsing.begin(&source);
        let judged = parsing.end(dir.path(), NOW).expect("nothing has moved");
        assert_eq!(judged.desired.unwrap(), now(dir.path()));
        assert!(parsing.last(dir.path()).seen.is_some(), "the next one builds on it");
        assert!(parsing.end(dir.path(), NOW).is_none());
    }

    #[test]
    fn what_has_moved_since_is_read_anew() {
        let acts: [fn(&Path); 4] = [
            |dir| fs::write(dir.join("a.yaml"), "pop3:\n  al: disabled\n").unwrap(),
            |dir| fs::write(dir.join("b.yaml"), "pop3:\n  bo: disabled # twice\n").unwrap(),
            |dir| fs::write(dir.join("c.yaml"), "pop3:\n  cy: disabled\n").unwrap(),
            |dir| fs::remove_file(dir.join("a.yaml")).unwrap(),
        ];
        for act in acts {
            let (dir, source, parsing) = world();
            fs::write(dir.path().join("b.yaml"), "pop3:\n  bo: disabled\n").unwrap();
            parsing.begin(&source);
            act(dir.path());
            let read = read_desired(&source, &parsing, Reuse::Begun { now: NOW }).unwrap();
            assert_eq!(read.desired, now(dir.path()));
        }
    }

    #[test]
    fn a_second_look_that_was_taken_long_ago_is_taken_again() {
        for (age, counts) in [(FRESH / 2, true), (FRESH, false)] {
            let (dir, source, parsing) = world();
            fs::write(dir.path().join("b.yaml"), "pop3:\n  bo: disabled\n").unwrap();
            parsing.begin(&source);
            parsing.look_again(dir.path(), NOW);
            // Of which no hint told.
            fs::write(dir.path().join("a.yaml"), "pop3:\n  al: disabled\n").unwrap();
            assert_eq!(parsing.end(dir.path(), NOW + age).is_some(), counts);
        }
    }

    #[test]
    fn what_has_moved_at_the_second_look_is_forgotten() {
        let (dir, source, parsing) = world();
        fs::write(dir.path().join("b.yaml"), "pop3:\n  bo: disabled\n").unwrap();
        parsing.begin(&source);
        fs::write(dir.path().join("a.yaml"), "pop3:\n  al: disabled\n").unwrap();
        parsing.look_again(dir.path(), NOW);
        assert!(parsing.end(dir.path(), NOW).is_none());
    }

    #[test]
    fn what_builds_on_another_reading_than_the_last_one_does_not_count() {
        let (dir, source, parsing) = world();
        fs::write(dir.path().join("b.yaml"), "pop3:\n  bo: disabled\n").unwrap();
        parsing.begin(&source);
        read_desired(&source, &parsing, Reuse::Last).unwrap();
        assert!(parsing.end(dir.path(), NOW).is_none());
    }

    #[test]
    fn mistakes_are_told_when_it_is_wanted() {
        let (dir, source, parsing) = world();
        let before = now(dir.path());
        fs::write(dir.path().join("b.yaml"), "pop3:\n  bo: on\n").unwrap();
        parsing.begin(&source);
        assert!(read_desired(&source, &parsing, Reuse::Begun { now: NOW }).is_err());
        assert_eq!(parsing.last(dir.path()).desired, before);
    }
}
