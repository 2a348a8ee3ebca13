//! Snapshots for CI, refreshed on a schedule and after each batch. The store is read for each of them, between two
//! things that the engine does, so that what is written down belongs together.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::mpsc;

use super::world::World;
use crate::engine::Engine;
use crate::model::{Live, Now};
use crate::plan::policy::Policy;
use crate::plan::snapshot::Snapshot;
use crate::stores::StoreError;

/// How long after a failure the next attempt comes, unless the interval is shorter.
const AGAIN: Duration = Duration::from_mins(1);

/// Where a target's snapshot goes.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// The file.
    pub path: PathBuf,
    /// How often it is written anew.
    pub interval: Duration,
    /// What is allowed.
    pub policy: Policy,
}

/// All snapshots of a daemon.
#[derive(Debug)]
pub(super) struct Snapshots {
    schedules: BTreeMap<String, Schedule>,
    /// When each is due, on the monotonic clock, and the last batch that the last one knows.
    due: BTreeMap<String, (Duration, u64)>,
    reading: bool,
    send: mpsc::UnboundedSender<Taken>,
    receive: mpsc::UnboundedReceiver<Taken>,
}

/// A store was read for a snapshot that was begun after this batch.
#[derive(Debug)]
pub(super) struct Taken {
    target: String,
    store: String,
    live: Result<Live, StoreError>,
    batch: u64,
}

impl Snapshots {
    pub(super) fn new(world: &World, now: Now) -> Self {
        let (send, receive) = mpsc::unbounded_channel();
        let due = world.snapshots.keys().map(|name| (name.clone(), (now.mono, u64::MAX))).collect();
        Self { schedules: world.snapshots.clone(), due, reading: false, send, receive }
    }

    /// When something is to be done next.
    pub(super) fn wakeup(&self, now: Now) -> Option<Duration> {
        let next = self.due.values().map(|(due, _)| due.saturating_sub(now.mono)).min();
        // What is overdue waits for the engine or the store, either of which wakes the loop.
        next.filter(|wait| !wait.is_zero() && !self.reading)
    }

    /// Begins to read a store if a snapshot is due and nothing is going on.
    pub(super) fn look(&mut self, engine: &Engine, world: &World, now: Now) {
        if self.reading || !engine.idle() {
            return;
        }
        let batch = engine.ledger().batch;
        let is_due = |name: &&String| {
            let (due, known) = self.due[*name];
            // The first one waits for the first plan, and none is taken of a target without a state in force.
            engine.plan(name).is_some() && (due <= now.mono || (known != u64::MAX && known != batch))
        };
        let Some(name) = self.due.keys().find(is_due).cloned() else { return };
        let Some(reader) = world.targets.get(&name).map(|io| io.store.reader()) else { return };
        self.reading = true;
        let send = self.send.clone();
        tokio::spawn(async move {
            let live = reader.read().await;
            // The loop may have ended; then nobody needs it.
            drop(send.send(Taken { target: name, store: reader.name(), live, batch }));
        });
    }

    /// Waits for a store that is being read.
    pub(super) async fn taken(&mut self) -> Option<Taken> {
        self.receive.recv().await
    }

    /// Writes a snapshot down, unless something went on meanwhile.
    pub(super) fn write(&mut self, taken: Taken, engine: &Engine, now: Now) {
        self.reading = false;
        let Taken { target, store, live, batch } = taken;
        let Some(schedule) = self.schedules.get(&target) else { return };
        let next = match live {
            Err(error) => {
                tracing::warn!("target {target}: no snapshot, because the store cannot be read: {error}.");
                AGAIN.min(schedule.interval)
            }
            // A batch began while the store was read: what was read may be half of it.
            Ok(_) if engine.ledger().batch != batch || !engine.idle() => Duration::from_secs(1),
            Ok(live) => {
                let memory = engine.memory(&target);
                let good = engine.desired(&target).cloned();
                let (policy, path) = (schedule.policy.clone(), schedule.path.clone());
                tokio::task::spawn_blocking(move || {
                    let snapshot = Snapshot::take(store, &policy, &live, &memory, good.as_ref(), now);
                    match crate::replace::replace(&path, snapshot.write().as_bytes()) {
                        Ok(()) => tracing::debug!("target {target}: wrote the snapshot {}.", path.display()),
                        Err(error) => tracing::warn!(
                            "target {target}: the snapshot {} cannot be written: {error}.",
                            path.display()
                        ),
                    }
                });
                schedule.interval
            }
        };
        let target = schedule.policy.target.clone();
        self.due.insert(target, (now.mono + next, engine.ledger().batch));
    }
}
