//! What the driver does with the journal.

use std::sync::{Arc, PoisonError};

use super::super::crash;
use super::Driver;
use crate::engine::event::{Answer, Ticket};
use crate::journal::entry::Record;
use crate::stores::Permit;

/// How many bytes a segment of the journal may have before a new one is begun.
const SEGMENT: u64 = 64 << 20;

impl Driver {
    /// Begins a new segment of the journal when the present one is large, between two batches only.
    pub(super) fn rotate(&mut self) {
        let Some(journal) = self.world.journal.as_ref().filter(|_| self.engine.idle()) else { return };
        let mut journal = journal.lock().unwrap_or_else(PoisonError::into_inner);
        if journal.segment_len() < crash::segment(SEGMENT) {
            return;
        }
        let state = Record::State { ledger: Box::new(self.engine.ledger().clone()) };
        crash::append("before", std::slice::from_ref(&state));
        let rotated = journal.rotate(self.clock.now().wall, &state);
        crash::append("after", std::slice::from_ref(&state));
        match rotated {
            Ok(seq) => self.engine.rotated(seq),
            // The old segment goes on; its next record says whether the disk is full.
            Err(error) => tracing::warn!("The journal's segment stays as large as it is: {error}."),
        }
    }

    /// Appends, and gives the permit when everything is on disk.
    pub(super) fn append(
        &mut self,
        ticket: Ticket,
        at: jiff::Timestamp,
        records: Arc<[Record]>,
        sync: bool,
        permit: Option<Permit>,
    ) {
        let Some(journal) = self.world.journal.clone() else {
            let refused = Answer::Appended(Err("this process has no journal".to_owned()));
            return self.answering.with(ticket, async move { refused });
        };
        let broken = Arc::clone(&self.broken);
        let kept = if sync { std::mem::take(&mut self.kept) } else { Vec::new() };
        let stopped = Answer::Appended(Err("the journal's writer stopped".to_owned()));
        self.answering.with_blocking(ticket, stopped, move || {
            for kept in kept {
                // What a record names is on disk before the record is.
                if let Err(why) =
                    kept.blocking_recv().unwrap_or_else(|_| Err("the writer stopped".to_owned()))
                {
                    return Answer::Appended(Err(why));
                }
            }
            let mut journal = journal.lock().unwrap_or_else(PoisonError::into_inner);
            crash::append("before", &records);
            let appended = journal.append(at, &records, sync).map(|(first, _)| first);
            crash::append("after", &records);
            if let Some(permit) = permit.filter(|_| appended.is_ok()) {
                crash::point("before write");
                permit.give();
            }
            Answer::Appended(appended.map_err(|error| {
                let why = error.to_string();
                if journal.is_broken() {
                    // The first reason is the one to tell.
                    drop(broken.set(why.clone()));
                }
                why
            }))
        });
    }
}
