//! What can be done while it is still to be seen whether it stays quiet, so that nobody has to wait for it afterwards.
//!
//! Nothing is done that would have to be undone: files are read, a state is kept under its digest beside those in force,
//! the store gets ready, and the engine hears what it is about, so that it can plan.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::task::spawn_blocking;

use super::clock::Clock;
use super::keep::Keeping;
use super::world::{Store, World};
use crate::engine::effect::Beside;
use crate::engine::event::Input;

/// How late a timer of the runtime may be: it counts whole milliseconds.
pub(super) const LATE: Duration = Duration::from_millis(2);

/// A reading that begins.
pub(super) struct Begin {
    pub(super) world: Arc<World>,
    pub(super) keeping: Keeping,
    pub(super) clock: Clock,
    pub(super) target: String,
    /// When it is going to be wanted.
    pub(super) due: Duration,
    /// Where it is told what comes of it.
    pub(super) inputs: UnboundedSender<Input>,
}

impl Begin {
    /// Reads and keeps, waits until the reading is about to be wanted, and then looks whether anything has moved.
    pub(super) async fn run(self, keep: Option<Beside>) {
        let Self { world, keeping, clock, target, due, inputs } = self;
        let Some(io) = world.targets.get(&target) else { return };
        let (source, store) = (io.source.clone(), io.store.clone());
        let directory = source.directory().to_owned();
        let acts = keep.is_some();
        let (begins, parsing) = (Arc::clone(&world), Arc::clone(&world.parsing));
        let whose = target.clone();
        let began = spawn_blocking(move || {
            let (desired, took) = begins.parsing.begin(&source)?;
            if let Some((desired, beside)) = desired.as_ref().zip(keep) {
                keeping.ahead(&begins.state, whose, desired, beside);
            }
            Some((desired, took))
        });
        let Ok(Some((desired, took))) = began.await else { return };
        // A look may take longer than the last one, and the engine is to plan before it is due, too.
        let look = due.saturating_sub(took * 2 + LATE * 2);
        tokio::time::sleep(look.saturating_sub(clock.now().mono)).await;
        let looked = spawn_blocking(move || parsing.look_again(&directory, clock.now().mono)).await;
        if let (Ok(true), true, Some(desired), Store::Write(writer)) = (looked, acts, desired, store) {
            writer.prepare();
            // The engine may be gone.
            drop(inputs.send(Input::Begun { target, desired }));
        }
    }
}
