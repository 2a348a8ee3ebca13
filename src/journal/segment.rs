//! The writer of a journal: opens it, repairs what a crash has torn, appends, rotates.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::marker::PhantomData;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::JournalError;
use super::line::{After, Line, Sum, encode, encode_first};
use super::lock::Lock;
use super::read::{Segment, list, read_segment, segment_name};
use crate::replace::{replace, sync_dir};

/// How large a segment grows, in bytes, before a new one is begun, unless the caller says otherwise.
pub const SEGMENT_SIZE: u64 = 64 << 20;

/// A journal that can be written, by the holder of the lock only.
///
/// After a failed append the journal is as it was before it. If that cannot be made sure, and after every
/// failed fsync (a second one may succeed although data is lost), it is closed: nothing more is appended until
/// it is opened again by another process, which reads what really is on disk.
#[derive(Debug)]
pub struct Journal<R> {
    dir: PathBuf,
    _lock: Lock,
    number: u64,
    path: PathBuf,
    file: File,
    /// The number, checksum and end of the last line that counts.
    seq: u64,
    sum: Sum,
    len: u64,
    broken: bool,
    torn: Option<Torn>,
    sync_file: fn(&File) -> io::Result<()>,
    records: PhantomData<fn(&R)>,
}

/// A tail that a crash had torn and that was cut off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    /// The segment that it was cut off from.
    pub segment: PathBuf,
    /// The line, from 1, with which it began.
    pub line: usize,
    /// How many bytes it had.
    pub bytes: u64,
    /// Where it is kept, for whoever wants to look.
    pub kept: PathBuf,
}

impl<R: Serialize + DeserializeOwned> Journal<R> {
    /// Opens the journal in a state directory, creates it if there is none, and returns the lines of its current
    /// segment. What a crash has torn off the end is kept aside as `torn-TIME` and cut off, and everything that
    /// is returned is on disk before this returns.
    ///
    /// # Errors
    /// [`JournalError`]; in particular when a place inside is damaged.
    pub fn open(dir: &Path, lock: Lock) -> Result<(Self, Vec<Line<R>>), JournalError> {
        let segments = list(dir)?;
        let last = segments.last().map_or(0, |segment| segment.number);
        remove_unfinished(&segment_path(dir, last + 1))?;
        let segment = match segments.into_iter().next_back() {
            Some(segment) => segment,
            None => create_first(dir)?,
        };
        let scan = read_segment(&segment)?;
        let Segment { number, path } = segment;
        let opening = || JournalError::io("opening the journal", &path);
        let file = OpenOptions::new().read(true).append(true).open(&path).map_err(opening())?;
        let len = scan.valid as u64;
        let torn =
            if scan.torn { Some(cut_off(dir, &path, &file, len, scan.lines.len() + 1)?) } else { None };
        file.sync_all().map_err(opening())?;
        sync_dir(dir).map_err(JournalError::io("writing the state directory", dir))?;
        let journal = Self {
            dir: dir.to_owned(),
            _lock: lock,
            number,
            path,
            file,
            seq: scan.lines.last().map_or(0, |line| line.seq),
            sum: scan.sum(),
            len,
            broken: false,
            torn,
            sync_file: File::sync_data,
            records: PhantomData,
        };
        Ok((journal, scan.lines))
    }

    /// Appends a group of records with one write, and returns the numbers of its first and last line. With
    /// `sync` it returns only when this group and everything before it is on disk.
    ///
    /// Without records nothing is written, but `sync` holds; the numbers then are those of no line, the first
    /// one greater than the last.
    ///
    /// # Errors
    /// [`JournalError`]; then none of the records counts.
    pub fn append(&mut self, now: Timestamp, records: &[R], sync: bool) -> Result<(u64, u64), JournalError> {
        self.check()?;
        let first = self.seq + 1;
        let (mut seq, mut sum) = (self.seq, self.sum);
        let mut group = String::new();
        for record in records {
            seq += 1;
            let (line, own) = encode(seq, now, sum, record).map_err(JournalError::Record)?;
            sum = own;
            group.push_str(&line);
            group.push('\n');
        }
        if let Err(error) = (&self.file).write_all(group.as_bytes()) {
            self.broken = self.take_back().is_err();
            return Err(self.failed("appending to the journal")(error));
        }
        if sync && let Err(error) = (self.sync_file)(&self.file) {
            self.broken = true;
            // As good as it gets: the records of this group should not count when the journal is read again.
            drop(self.take_back());
            return Err(self.failed("syncing the journal")(error));
        }
        (self.seq, self.sum) = (seq, sum);
        self.len += group.len() as u64;
        Ok((first, seq))
    }

    /// Begins a new segment with a record that sums up all that came before, and returns that line's number.
    /// Everything appended so far and the new segment are on disk when this returns.
    ///
    /// # Errors
    /// [`JournalError`]; then the current segment goes on, unless the journal is closed.
    pub fn rotate(&mut self, now: Timestamp, state: &R) -> Result<u64, JournalError> {
        self.check()?;
        if let Err(error) = (self.sync_file)(&self.file) {
            self.broken = true;
            return Err(self.failed("syncing the journal")(error));
        }
        let after = After { segment: segment_name(self.number), sum: self.sum };
        let seq = self.seq + 1;
        let (mut line, sum) = encode_first(seq, now, &after, state).map_err(JournalError::Record)?;
        line.push('\n');
        let path = segment_path(&self.dir, self.number + 1);
        let beginning = || JournalError::io("beginning the journal", &path);
        if path.exists() {
            return Err(JournalError::Changed { path });
        }
        let temporary = unfinished(&path);
        remove_unfinished(&path)?;
        let written = create(&temporary).and_then(|file| {
            (&file).write_all(line.as_bytes())?;
            file.sync_all()?;
            fs::rename(&temporary, &path).map(|()| file)
        });
        let file = match written {
            Ok(file) => file,
            Err(error) => {
                drop(fs::remove_file(&temporary));
                return Err(beginning()(error));
            }
        };
        if let Err(error) = sync_dir(&self.dir) {
            // Whether the new segment outlives a power failure is unknown, so neither may be appended to.
            self.broken = true;
            return Err(beginning()(error));
        }
        self.len = line.len() as u64;
        (self.number, self.path, self.file) = (self.number + 1, path, file);
        (self.seq, self.sum) = (seq, sum);
        Ok(seq)
    }

    fn check(&mut self) -> Result<(), JournalError> {
        if self.broken {
            return Err(JournalError::Broken { path: self.path.clone() });
        }
        let now = self.file.metadata().map_err(self.failed("looking at the journal"))?;
        if now.nlink() == 0 || now.len() != self.len {
            self.broken = true;
            return Err(JournalError::Changed { path: self.path.clone() });
        }
        Ok(())
    }

    fn take_back(&self) -> io::Result<()> {
        self.file.set_len(self.len)?;
        (self.sync_file)(&self.file)
    }

    fn failed(&self, what: &'static str) -> impl FnOnce(io::Error) -> JournalError + use<R> {
        JournalError::io(what, &self.path)
    }
}

impl<R> Journal<R> {
    /// Returns the size of the current segment in bytes; a caller rotates, between two batches, when it is over
    /// [`SEGMENT_SIZE`] or its own limit.
    pub fn segment_len(&self) -> u64 {
        self.len
    }

    /// Returns the file name of the current segment.
    pub fn segment(&self) -> String {
        segment_name(self.number)
    }

    /// Returns the number of the last line, 0 before the first.
    pub fn last_seq(&self) -> u64 {
        self.seq
    }

    /// Returns the checksum of the last line.
    pub fn last_sum(&self) -> Sum {
        self.sum
    }

    /// Returns the tail that was cut off when the journal was opened.
    pub fn torn(&self) -> Option<&Torn> {
        self.torn.as_ref()
    }

    /// Tells whether the journal is closed for good in this process.
    pub fn is_broken(&self) -> bool {
        self.broken
    }
}

fn segment_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(segment_name(number))
}

/// Where a segment is written until it is whole.
fn unfinished(path: &Path) -> PathBuf {
    path.with_extension("tmp")
}

fn remove_unfinished(path: &Path) -> Result<(), JournalError> {
    let path = unfinished(path);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(JournalError::io("removing the unfinished journal", &path)(error))
        }
        _ => Ok(()),
    }
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).create_new(true).mode(0o600).open(path)
}

fn create_first(dir: &Path) -> Result<Segment, JournalError> {
    let path = segment_path(dir, 1);
    create(&path).map_err(JournalError::io("creating the journal", &path))?;
    Ok(Segment { number: 1, path })
}

/// Keeps a torn tail aside, on disk, before cutting it off.
fn cut_off(dir: &Path, path: &Path, file: &File, valid: u64, line: usize) -> Result<Torn, JournalError> {
    let failed = || JournalError::io("cutting off the torn end of the journal", path);
    let bytes = fs::read(path).map_err(failed())?;
    let at = usize::try_from(valid).unwrap_or(usize::MAX).min(bytes.len());
    let written = file.metadata().and_then(|file| file.modified()).map_err(failed())?;
    let kept = free_name(dir, written);
    replace(&kept, &bytes[at..]).map_err(failed())?;
    file.set_len(valid).map_err(failed())?;
    Ok(Torn { segment: path.to_owned(), line, bytes: (bytes.len() - at) as u64, kept })
}

/// The time in the name is that of the last write to the segment, as the file system saw it.
fn free_name(dir: &Path, written: std::time::SystemTime) -> PathBuf {
    let time = Timestamp::try_from(written).unwrap_or_default().strftime("%Y%m%dT%H%M%S%.6fZ");
    let name = |count: u32| if count == 0 { format!("torn-{time}") } else { format!("torn-{time}-{count}") };
    let mut count = 0;
    while dir.join(name(count)).exists() {
        count += 1;
    }
    dir.join(name(count))
}

#[cfg(test)]
mod tests;
