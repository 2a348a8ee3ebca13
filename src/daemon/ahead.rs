//! Reading a store while the files are read, when both are going to be needed: a million rows and a million lines take
//! their time, and two processors can do it at once.
//!
//! Only stores of which everything is read whatever the files say. What was read ahead is some moments older than the
//! files, which is as good: each write is conditional on the state that the plan saw.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio_util::task::AbortOnDropHandle;

use super::answering::first_step;
use crate::model::{Fault, Live};
use crate::stores::{Reader, StoreError};

/// Begins to read a store. What it does first is done at once, and not when some thread of the runtime comes to it: a
/// thread that reads is sent away from the processor of whoever begins it, which has to be the one who goes on to read
/// files.
pub fn begin(reader: Arc<dyn Reader>) -> Reading {
    AbortOnDropHandle::new(match first_step(async move { reader.read().await }) {
        Ok(read) => tokio::spawn(std::future::ready(read)),
        Err(reading) => tokio::spawn(reading),
    })
}

/// A read under way. Whoever does not wait for it any more stops it.
pub type Reading = AbortOnDropHandle<Result<Live, StoreError>>;

/// The reads under way, by target.
pub type Begun = BTreeMap<String, Reading>;

/// The reads that are of use if everything goes as expected.
#[derive(Debug)]
pub(super) struct Ahead {
    reads: Begun,
    /// Those that somebody else began, each for the first time that it is wanted.
    begun: Begun,
}

impl Ahead {
    pub(super) fn with(begun: Begun) -> Self {
        Self { reads: Begun::new(), begun }
    }

    /// Begins to read a store, if that is of use without knowing the files.
    pub(super) fn begin(&mut self, target: &str, reader: Arc<dyn Reader>) {
        if !reader.looks_up() {
            let read = self.begun.remove(target).unwrap_or_else(|| begin(reader));
            self.reads.insert(target.to_owned(), read);
        }
    }

    /// What is read, or was, does not count any more.
    pub(super) fn forget(&mut self, target: &str) {
        self.reads.remove(target);
    }

    /// Returns what comes of the read that was begun, if one was.
    pub(super) fn take(
        &mut self,
        target: &str,
    ) -> Option<impl Future<Output = Result<Live, StoreError>> + Send + use<>> {
        let read = self.reads.remove(target)?;
        let stopped = || StoreError {
            what: "the reader of the store stopped".to_owned(),
            fault: Fault::TRANSIENT,
            help: None,
        };
        Some(async move { read.await.unwrap_or_else(|_| Err(stopped())) })
    }
}
