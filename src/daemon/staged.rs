//! A chunk that is going to be written: its writer gets ready while the intents are on their way to the disk, and goes on
//! by itself when they are there.

use std::pin::Pin;

use super::answering::first_step;
use super::crash;
use super::world::Store;
use crate::engine::effect::Chunk;
use crate::model::{Fault, Outcome};
use crate::stores::Leave;

/// What comes of the changes. Whoever does not wait for it stops a writer that has not begun.
pub(super) type Staged = Pin<Box<dyn Future<Output = Vec<Outcome>> + Send>>;

/// Has the writer of a store get ready. Nothing is written without leave.
pub(super) fn stage(store: Option<&Store>, chunk: Chunk, leave: Leave) -> Staged {
    let Some(Store::Write(writer)) = store.cloned() else {
        // There is no way to write through a reader.
        let outcomes = vec![Outcome::NotApplied(Fault::Denied); chunk.changes.len()];
        return Box::pin(std::future::ready(outcomes));
    };
    let begun = first_step(async move {
        let outcomes = writer.write_with(&chunk.changes, leave).await;
        crash::point("after write");
        outcomes
    });
    begun.map_or_else(|writing| writing as Staged, |outcomes| Box::pin(std::future::ready(outcomes)))
}
