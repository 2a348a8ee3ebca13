//! A chunk that is going to be written: its writer gets ready while the intents are on their way to the disk, and goes on
//! by itself when they are there.

use std::pin::Pin;

use super::answering::first_step;
use super::crash;
use super::world::Store;
use crate::engine::effect::Chunk;
use crate::model::{Fault, Outcome};
use crate::stores::{Leave, Permit};

/// What comes of the changes. Whoever does not wait for it stops a writer that has not begun.
pub(super) type Staged = Pin<Box<dyn Future<Output = Vec<Outcome>> + Send>>;

/// Has the writer of a store get ready. Nothing is written without leave.
pub(super) fn stage(store: Option<&Store>, chunk: Chunk) -> (Permit, Staged) {
    let (permit, leave) = Leave::with_permit();
    let Some(Store::Write(writer)) = store.cloned() else {
        // There is no way to write through a reader.
        let outcomes = vec![Outcome::NotApplied(Fault::Denied); chunk.changes.len()];
        return (permit, Box::pin(std::future::ready(outcomes)));
    };
    let begun = first_step(async move {
        let outcomes = writer.write_with(&chunk.changes, leave).await;
        crash::point("after write");
        outcomes
    });
    match begun {
        Ok(outcomes) => (permit, Box::pin(std::future::ready(outcomes))),
        Err(writing) => (permit, writing),
    }
}

/// Lets a writer go on, if one waits for that.
pub(super) fn go_on(permit: Option<Permit>) {
    if let Some(permit) = permit {
        crash::point("before write");
        permit.give();
    }
}
