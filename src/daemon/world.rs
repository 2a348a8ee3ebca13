//! The things the driver acts on: directories, stores, services, the journal.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use super::ahead::Begun;
use super::parse::Parsing;
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

/// Reads desired files once, consistently, and judges them; all of them, or only those that have changed since the last
/// good reading.
pub fn read_desired(
    source: &Source,
    parsing: &Parsing,
    only_changes: bool,
) -> Result<DesiredRead, ReadFailure> {
    let directory = source.directory();
    let last = parsing.last(directory);
    let read =
        source.read(last.seen.as_deref().filter(|_| only_changes)).map_err(|problem| match problem {
            ReadProblem::Moving { what } => ReadFailure::Moving(what),
            ReadProblem::Invalid(diagnostics) => ReadFailure::Invalid(located(directory, diagnostics)),
        })?;
    let commit = read.commit.clone();
    match parsing.take(directory, &last, read) {
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
pub fn located(directory: &std::path::Path, mut diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    for label in diagnostics.iter_mut().flat_map(|diagnostic| &mut diagnostic.labels) {
        label.path = directory.join(&label.path).display().to_string();
    }
    diagnostics
}
