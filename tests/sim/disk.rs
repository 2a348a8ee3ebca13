//! The state directory: full for a while, torn by crashes, and it forgets what was not synced.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use popgate::desired::Desired;
use popgate::journal::entry::Record;
use popgate::journal::fold::Ledger;
use popgate::journal::line::{After, Sum, encode, encode_first};
use popgate::journal::scan::scan;
use popgate::model::Digest;

use crate::random::Random;
use crate::seen::Seen;

#[derive(Default)]
pub(crate) struct Disk {
    pub(crate) lines: Vec<(Timestamp, Record)>,
    /// How many of the lines survive anything.
    durable: usize,
    pub(crate) full: bool,
    /// After a failed fsync nothing more is appended in this process.
    pub(crate) broken: bool,
    kept: BTreeMap<(String, Digest), Desired>,
    /// What comes to the disk before the next record that is synced.
    under_way: BTreeSet<(String, Digest)>,
    /// Something could not be kept, which the next record that is synced is going to learn.
    refused: bool,
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
            random.saw(Seen::AppendFailed);
            return Err("no space left on device".to_owned());
        }
        let first = self.lines.len() as u64 + 1;
        self.lines.extend(records.iter().map(|record| (at, record.clone())));
        if faults && sync && random.chance(4) {
            // The records may or may not be there for whoever reads next.
            random.saw(Seen::FsyncFailed);
            self.broken = true;
            return Err("fsync failed".to_owned());
        }
        if sync {
            self.durable = self.lines.len();
        }
        Ok(first)
    }

    /// The machine is gone, or only the process, perhaps in the middle of an append. What was not synced is cut at any
    /// byte or turned to zeros, and the real reader says what is left of it.
    pub(crate) fn crash(
        &mut self,
        under_way: Option<(Timestamp, Arc<[Record]>)>,
        random: &mut Random,
    ) -> Result<(), String> {
        let power = random.chance(500);
        let mut safe = if power { self.durable } else { self.lines.len() };
        let under_way = under_way.filter(|_| random.chance(700));
        let keeping = std::mem::take(&mut self.under_way);
        if under_way.is_none() && !keeping.is_empty() && random.chance(700) {
            random.saw(Seen::LostKept);
            self.kept.retain(|kept, _| !keeping.contains(kept));
        }
        if let Some((at, records)) = under_way {
            random.saw(Seen::TornAppend);
            self.lines.extend(records.iter().map(|record| (at, record.clone())));
        }
        if self.lines.len() > safe {
            // One line before, so that the chain of checksums is checked at the seam, too.
            let from = safe.saturating_sub(1);
            let (mut bytes, ends) = render(&self.lines[from..], from);
            let kept = if safe == from { 0 } else { ends[0] };
            let cut = kept + random.below(bytes.len() - kept + 1);
            if cut > 0 && !ends.contains(&cut) {
                random.saw(Seen::CutInsideLine);
            }
            if power && random.chance(300) {
                random.saw(Seen::ZeroFilledTail);
                bytes[cut..].fill(0);
            } else {
                bytes.truncate(cut);
            }
            let left = scan::<Record>(&bytes, from == 0).map_err(|damage| damage.to_string())?;
            let whole = ends.iter().filter(|&&end| end <= cut).count();
            if left.lines.len() != whole {
                return Err(format!("{whole} lines were whole and {} are read back", left.lines.len()));
            }
            safe = from + whole;
            for (line, (at, record)) in left.lines.iter().zip(&self.lines[from..]) {
                if line.at != *at || line.record != *record {
                    return Err(format!("line {} is read back as another one", line.seq));
                }
            }
            if safe < self.lines.len() {
                random.saw(Seen::LostUnsynced);
            }
            self.lines.truncate(safe);
        }
        self.durable = self.lines.len();
        self.end();
        Ok(())
    }

    /// The process is over, and with it what it knew.
    pub(crate) fn end(&mut self) {
        self.broken = false;
        self.refused = false;
        self.under_way.clear();
    }

    /// Tells whether something that is kept may not be on disk yet.
    pub(crate) fn is_keeping(&self) -> bool {
        !self.under_way.is_empty()
    }

    /// Begins to keep a state.
    pub(crate) fn keep(&mut self, target: &str, desired: &Desired, retain: &[Digest]) {
        if self.full {
            self.refused = true;
            return;
        }
        self.kept.retain(|(of, digest), _| of != target || retain.contains(digest));
        let key = (target.to_owned(), desired.digest());
        if !self.kept.contains_key(&key) {
            self.under_way.insert(key.clone());
            self.kept.insert(key, desired.clone());
        }
    }

    /// Waits until whatever is to be kept is on disk.
    pub(crate) fn have_kept(&mut self, faults: bool, random: &mut Random) -> Result<(), String> {
        let under_way = std::mem::take(&mut self.under_way);
        if std::mem::take(&mut self.refused) || faults && !under_way.is_empty() && random.chance(30) {
            random.saw(Seen::KeptInVain);
            self.kept.retain(|kept, _| !under_way.contains(kept));
            return Err("no space left on device".to_owned());
        }
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

/// These lines as a segment's bytes, with the offset at which each ends. The first of them is number `from` + 1.
fn render(lines: &[(Timestamp, Record)], from: usize) -> (Vec<u8>, Vec<usize>) {
    let (mut bytes, mut ends, mut sum) = (Vec::new(), Vec::new(), Sum::START);
    for (seq, (at, record)) in (from as u64 + 1..).zip(lines) {
        let begins = bytes.is_empty() && from > 0;
        let after = || After { segment: "journal-000001".to_owned(), sum: Sum::START };
        let encoded =
            if begins { encode_first(seq, *at, &after(), record) } else { encode(seq, *at, sum, record) };
        let (line, its) = encoded.expect("every record can be written");
        bytes.extend_from_slice(line.as_bytes());
        bytes.push(b'\n');
        ends.push(bytes.len());
        sum = its;
    }
    (bytes, ends)
}
