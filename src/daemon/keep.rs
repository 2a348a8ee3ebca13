//! Keeping desired states while the engine goes on: they come to the disk beside other work.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use super::crash;
use crate::desired::Desired;
use crate::engine::effect::Beside;
use crate::journal::keep::{self, Edit};
use crate::model::Digest;

/// Hears what came of keeping a state: it is on disk, or why it is not.
pub(super) type Heard = oneshot::Receiver<Result<(), String>>;

/// Keeps one desired state after the other.
#[derive(Clone, Debug, Default)]
pub(super) struct Keeping(Arc<Mutex<Ahead>>);

/// States that are on disk before they are in force, by target, and beside what they were kept.
type Ahead = BTreeMap<String, (Digest, Beside)>;

impl Keeping {
    /// Keeps a state and lets go of those that nobody needs.
    pub(super) fn keep(&self, state: PathBuf, target: String, desired: Desired, beside: Beside) -> Heard {
        let (kept, heard) = oneshot::channel();
        let wanted = (desired.digest(), beside);
        if self.0.try_lock().is_ok_and(|mut ahead| ahead.remove(&target).as_ref() == Some(&wanted)) {
            // Nobody has to wait for another thread.
            drop(kept.send(Ok(())));
            return heard;
        }
        let one_at_a_time = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || {
            let mut ahead = one_at_a_time.lock().unwrap_or_else(PoisonError::into_inner);
            ahead.remove(&target);
            let (digest, Beside { before, mut retain }) = wanted;
            let result = write(&state, &target, &desired, before.as_ref(), &retain).and_then(sync);
            let is_kept = result.is_ok();
            // Whoever asked may be gone.
            drop(kept.send(result));
            if is_kept {
                retain.push(digest);
                prune(&state, &target, &retain);
            }
        });
        heard
    }

    /// Keeps a state that may come into force, so that nobody has to wait for it then.
    pub(super) fn ahead(&self, state: &Path, target: String, desired: &Desired, beside: Beside) {
        let mut ahead = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = (desired.digest(), beside);
        if ahead.get(&target) == Some(&wanted) || wanted.1.before.as_ref() == Some(desired) {
            return;
        }
        ahead.remove(&target);
        let (digest, Beside { before, retain }) = &wanted;
        match write(state, &target, desired, before.as_ref(), retain).and_then(sync) {
            Ok(()) => {
                // The one in force may be in no record yet.
                let before = before.iter().map(Desired::digest);
                let needed: Vec<_> = retain.iter().copied().chain(before).chain([*digest]).collect();
                prune(state, &target, &needed);
                ahead.insert(target, wanted);
            }
            // When it is in force, it is tried again, and then somebody hears of it.
            Err(why) => tracing::debug!("A desired state is not kept ahead of time: {why}."),
        }
    }
}

fn prune(state: &Path, target: &str, needed: &[Digest]) {
    if let Err(error) = keep::prune(state, target, needed) {
        tracing::debug!("Old desired states stay on disk: {error}.");
    }
}

fn sync(kept: keep::Written) -> Result<(), String> {
    kept.sync().map_err(|error| error.to_string())
}

fn write(
    state: &Path,
    target: &str,
    desired: &Desired,
    before: Option<&Desired>,
    needed: &[Digest],
) -> Result<keep::Written, String> {
    let edit = before.map(|before| {
        let (files, gone) = desired.files_since(before);
        Edit { base: before.digest(), files, gone }
    });
    let files = desired.files().map(|(file, _)| file);
    crash::point("before keep");
    let kept = keep::write(state, target, desired.digest(), files, edit, needed);
    crash::point("after keep");
    kept.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::desired::{self, SourceFile};

    fn desired(entry: &str) -> Desired {
        let bytes = format!("pop3:\n  {entry}\n").into_bytes();
        desired::read(vec![SourceFile { path: "a.yaml".to_owned(), bytes }]).unwrap()
    }

    fn beside(before: &Desired) -> Beside {
        Beside { before: Some(before.clone()), retain: vec![before.digest()] }
    }

    /// Keeps a state as the driver does.
    async fn keep(keeping: &Keeping, state: &Path, desired: &Desired, beside: Beside) {
        let kept = keeping.keep(state.to_owned(), "t".to_owned(), desired.clone(), beside);
        kept.await.unwrap().unwrap();
    }

    /// Waits until just these states are kept.
    async fn are_kept(state: &Path, states: &[&Desired]) {
        let expected: BTreeSet<_> = states.iter().map(|state| state.digest().to_string()).collect();
        loop {
            let files = std::fs::read_dir(state.join("desired/t")).unwrap();
            let names: BTreeSet<_> =
                files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
            if names == expected {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }

    #[tokio::test]
    async fn what_is_kept_ahead_of_time_is_not_written_again_and_not_lost() {
        let state = tempfile::tempdir().unwrap();
        let state = state.path();
        let keeping = Keeping::default();
        let ahead = |desired: &Desired, beside| keeping.ahead(state, "t".to_owned(), desired, beside);
        let [one, two, three, four] = ["a: enabled", "b: enabled", "c: enabled", "d: enabled"].map(desired);
        keep(&keeping, state, &one, Beside::default()).await;
        ahead(&three, beside(&one));
        are_kept(state, &[&one, &three]).await;
        // One that does not come into force goes with the next one.
        ahead(&two, beside(&one));
        are_kept(state, &[&one, &two]).await;
        let inode = || {
            let file = state.join("desired/t").join(two.digest().to_string());
            std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(file).unwrap())
        };
        let before = inode();
        keep(&keeping, state, &two, beside(&one)).await;
        assert_eq!(inode(), before, "it was there");
        ahead(&four, beside(&two));
        are_kept(state, &[&two, &four]).await;
        // Beside others than those that it was kept beside ahead of time, it is kept anew.
        keep(&keeping, state, &four, beside(&one)).await;
        are_kept(state, &[&four]).await;
    }
}
