//! Keeping desired states while the engine goes on: one is written at once, and comes to the disk beside other work.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use super::crash;
use crate::desired::Desired;
use crate::journal::keep::{self, Edit};
use crate::model::Digest;

/// Hears what came of a step.
pub(super) type Heard = oneshot::Receiver<Result<(), String>>;

/// Keeps one desired state after the other.
#[derive(Debug, Default)]
pub(super) struct Keeping(Arc<Mutex<()>>);

impl Keeping {
    /// Keeps a state and lets go of those that nobody needs. Returns who hears when it is written, and when it is on
    /// disk.
    pub(super) fn keep(
        &self,
        state: PathBuf,
        target: String,
        desired: Desired,
        before: Option<Desired>,
        mut retain: Vec<Digest>,
    ) -> (Heard, Heard) {
        let (written, hears_written) = oneshot::channel();
        let (synced, hears_synced) = oneshot::channel();
        let one_at_a_time = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || {
            let _one_at_a_time = one_at_a_time.lock().unwrap_or_else(PoisonError::into_inner);
            crash::point("before keep");
            let kept = write(&state, &target, &desired, before.as_ref(), &retain);
            crash::point("after keep");
            // Whoever asked may be gone.
            match kept {
                Err(why) => {
                    drop(written.send(Err(why)));
                    // There is nothing to wait for.
                    return drop(synced.send(Ok(())));
                }
                Ok(kept) => {
                    drop(written.send(Ok(())));
                    drop(synced.send(kept.sync().map_err(|error| error.to_string())));
                }
            }
            retain.push(desired.digest());
            if let Err(error) = keep::prune(&state, &target, &retain) {
                tracing::debug!("Old desired states stay on disk: {error}.");
            }
        });
        (hears_written, hears_synced)
    }
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
    keep::write(state, target, desired.digest(), files, edit, needed).map_err(|error| error.to_string())
}
