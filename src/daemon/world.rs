//! The things the driver acts on: directories, stores, services, the journal.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::ahead::Begun;
use super::parse::{Judged, Parsing};
use super::snapshot::Schedule;
use crate::desired::Desired;
use crate::diagnostic::Diagnostic;
use crate::engine::event::{DesiredRead, ReadFailure};
use crate::journal::Journal;
use crate::journal::entry::Record;
use crate::model::Live;
use crate::services::Service;
use crate::source::{ReadProblem, Source};
use crate::stores::{Reader, StoreError, Wanted, Writer};

/// Everything outside the engine.
pub struct World {
    /// Each target's files and store.
    pub targets: BTreeMap<String, TargetIo>,
    /// Services by key.
    pub services: BTreeMap<String, Arc<dyn Service>>,
    /// Snapshots that are kept fresh, by target.
    pub snapshots: BTreeMap<String, Schedule>,
    /// What was parsed last.
    pub parsing: Arc<Parsing>,
    /// Where desired states are kept.
    pub state: PathBuf,
    /// The journal; a daemon that only observes has none.
    pub journal: Option<Arc<Mutex<Journal<Record>>>>,
    /// Reads of stores that are under way already.
    pub begun: Begun,
}

/// One target's files and store.
pub struct TargetIo {
    /// Where the desired state comes from.
    pub source: Source,
    /// The store.
    pub store: Store,
}

/// A store, as far as this process may use it.
#[derive(Clone)]
pub enum Store {
    /// It can be read; there is no way to write it.
    Read(Arc<dyn Reader>),
    /// It can be written.
    Write(Arc<dyn Writer>),
}

impl Store {
    /// Returns the reading half.
    pub fn reader(&self) -> Arc<dyn Reader> {
        match self {
            Self::Read(reader) => Arc::clone(reader),
            Self::Write(writer) => Arc::clone(writer) as Arc<dyn Reader>,
        }
    }
}

/// What of an earlier reading may be built on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    /// That which was begun, if nothing has moved since; else the last one.
    Begun {
        /// The monotonic clock.
        now: Duration,
    },
    /// The last good one: files that have not changed since are not read again.
    Last,
    /// Nothing.
    Nothing,
}

/// Reads desired files once, consistently, and judges them.
pub fn read_desired(source: &Source, parsing: &Parsing, reuse: Reuse) -> Result<DesiredRead, ReadFailure> {
    let directory = source.directory();
    let begun = if let Reuse::Begun { now } = reuse { parsing.end(directory, now) } else { None };
    let judged = if let Some(judged) = begun {
        judged
    } else {
        let last = parsing.last(directory);
        let read = source.read(last.seen.as_deref().filter(|_| reuse != Reuse::Nothing));
        let read = read.map_err(|problem| match problem {
            ReadProblem::Moving { what } => ReadFailure::Moving(what),
            ReadProblem::Invalid(diagnostics) => ReadFailure::Invalid(located(directory, diagnostics)),
        })?;
        let commit = read.commit.clone();
        Judged { desired: parsing.take(directory, &last, read), commit }
    };
    told(directory, judged)
}

/// Returns what a reading that was begun has come to, if there is nothing left to be done about it.
pub fn desired_at_hand(
    source: &Source,
    parsing: &Parsing,
    now: Duration,
) -> Option<Result<DesiredRead, ReadFailure>> {
    let directory = source.directory();
    parsing.take_ended(directory, now).map(|judged| told(directory, judged))
}

fn told(directory: &Path, Judged { desired, commit }: Judged) -> Result<DesiredRead, ReadFailure> {
    match desired {
        Ok(desired) => {
            let author =
                commit.as_ref().filter(|commit| !commit.dirty).and_then(|commit| commit.author.clone());
            let commit = commit.map(|commit| commit.to_string());
            Ok(DesiredRead { desired, commit, author })
        }
        Err(diagnostics) => Err(ReadFailure::Invalid(located(directory, diagnostics))),
    }
}

/// Reads a store so that the names of a desired state resolve, where the store has to look them up.
pub async fn read_live(
    reader: &dyn Reader,
    desired: Option<&Desired>,
    known: Wanted,
) -> Result<Live, StoreError> {
    if !reader.looks_up() {
        return reader.read().await;
    }
    let names = desired.into_iter().flat_map(Desired::iter).map(|entry| entry.name.to_string()).collect();
    reader.read_for(&Wanted { names, ..known }).await
}

/// Names the files of diagnostics so that a person can open them from where they are.
pub fn located(directory: &Path, mut diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    for label in diagnostics.iter_mut().flat_map(|diagnostic| &mut diagnostic.labels) {
        label.path = directory.join(&label.path).display().to_string();
    }
    diagnostics
}
