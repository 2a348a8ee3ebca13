//! The state directory: full for a while, torn by crashes, and it forgets what was not synced.

use std::collections::BTreeMap;

use jiff::Timestamp;
use popgate::desired::Desired;
use popgate::journal::entry::Record;
use popgate::journal::fold::Ledger;
use popgate::model::Digest;

use crate::random::Random;

#[derive(Default)]
pub(crate) struct Disk {
    pub(crate) lines: Vec<(Timestamp, Record)>,
    /// How many of the lines survive anything.
    durable: usize,
    pub(crate) full: bool,
    /// After a failed fsync nothing more is appended in this process.
    pub(crate) broken: bool,
    kept: BTreeMap<(String, Digest), Desired>,
}

impl Disk {
    /// Returns the number of the first line.
    pub(crate) fn append(
        &mut self,
        at: Timestamp,
        records: &[Record],
        sync: bool,
        faults: bool,
        random: &mut Random,
    ) -> Result<u64, String> {
        if self.full || self.broken || faults && random.chance(15) {
            return Err("no space left on device".to_owned());
        }
        let first = self.lines.len() as u64 + 1;
        if faults && sync && random.chance(4) {
            // The records may or may not be there for whoever reads next.
            self.torn(at, records, random);
            self.broken = true;
            return Err("fsync failed".to_owned());
        }
        self.lines.extend(records.iter().map(|record| (at, record.clone())));
        if sync {
            self.durable = self.lines.len();
        }
        Ok(first)
    }

    /// A crash in the middle of an append: some of the records are there.
    pub(crate) fn torn(&mut self, at: Timestamp, records: &[Record], random: &mut Random) {
        let some = random.below(records.len() + 1);
        self.lines.extend(records[..some].iter().map(|record| (at, record.clone())));
    }

    /// The machine is gone, or only the process.
    pub(crate) fn crash(&mut self, random: &mut Random) {
        if random.chance(500) {
            let unsynced = self.lines.len() - self.durable;
            self.lines.truncate(self.durable + random.below(unsynced + 1));
        }
        self.durable = self.lines.len();
        self.broken = false;
    }

    pub(crate) fn keep(&mut self, target: &str, desired: &Desired, retain: &[Digest]) -> Result<(), String> {
        if self.full {
            return Err("no space left on device".to_owned());
        }
        self.kept.retain(|(of, digest), _| of != target || retain.contains(digest));
        self.kept.insert((target.to_owned(), desired.digest()), desired.clone());
        Ok(())
    }

    pub(crate) fn kept(&self, target: &str, digest: Option<Digest>) -> Option<Desired> {
        self.kept.get(&(target.to_owned(), digest?)).cloned()
    }

    /// Recovery is the fold. Sometimes the records take the way through text, as they do on a real disk.
    pub(crate) fn fold(&self, through_text: bool) -> Ledger {
        let mut ledger = Ledger::default();
        for (seq, (at, record)) in (1..).zip(&self.lines) {
            if through_text {
                let text = serde_json::to_string(record).expect("every record can be written");
                let read = serde_json::from_str(&text).expect("every record can be read back");
                assert_eq!(*record, read, "a record comes back as it was");
                ledger.apply(seq, *at, &read);
            } else {
                ledger.apply(seq, *at, record);
            }
        }
        ledger
    }
}
