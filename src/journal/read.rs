//! Readers of a journal. They take no lock, never repair, and may run while another process writes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::JournalError;
use super::line::{After, Line, Sum};
use super::scan::{Damage, Scan, Wrong, scan};

/// How often a reader looks again when a segment that was listed is gone.
const ATTEMPTS: u32 = 5;
const PREFIX: &str = "journal-";

/// What [`verify`] looked at and found in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// How many segments there are.
    pub segments: usize,
    /// How many lines they have together.
    pub lines: u64,
    /// The last segment, if it ends with a torn tail, which the next writer will cut off.
    pub torn: Option<PathBuf>,
}

/// Reads the current segment: the one with the highest number, which sums up its predecessors in its first
/// line. A torn tail is passed over in silence. Without a journal there are no lines.
///
/// # Errors
/// [`JournalError`] when the segment is damaged or cannot be read.
pub fn read_current<R: DeserializeOwned>(dir: &Path) -> Result<Vec<Line<R>>, JournalError> {
    let read = patiently(dir, |segments| match segments.last() {
        Some(segment) => read_segment(segment).map(|scan| scan.lines),
        None => Ok(Vec::new()),
    });
    read.map(|(lines, _)| lines)
}

/// Reads every segment that is there, in order. The oldest ones may have been moved away; a gap between two is
/// an error.
///
/// # Errors
/// [`JournalError`] when a segment is damaged, missing or cannot be read.
pub fn read_all<R: DeserializeOwned>(dir: &Path) -> Result<Vec<Line<R>>, JournalError> {
    let mut lines = Vec::new();
    patiently(dir, |segments| {
        lines.clear();
        walk(segments, |scan| lines.extend(scan.lines)).map(drop)
    })?;
    Ok(lines)
}

/// Checks every checksum, every number and every link between two segments.
///
/// # Errors
/// [`JournalError`] with the first thing that is not in order.
pub fn verify(dir: &Path) -> Result<Verified, JournalError> {
    let mut lines = 0;
    let (torn, segments) = patiently(dir, |segments| {
        lines = 0;
        walk(segments, |scan: Scan<Map<String, Value>>| lines += scan.lines.len() as u64)
    })?;
    Ok(Verified { segments, lines, torn })
}

/// One segment: its number and where it lies.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) path: PathBuf,
}

/// Returns the file name of a segment.
pub(super) fn segment_name(number: u64) -> String {
    format!("{PREFIX}{number:06}")
}

/// Lists the segments by number. A directory that is not there has none.
pub(super) fn list(dir: &Path) -> Result<Vec<Segment>, JournalError> {
    let failed = || JournalError::io("listing the state directory", dir);
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed()(error)),
    };
    let mut segments = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed())?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.parse().ok());
        // Only a name that we would write ourselves, so that no two files have one number.
        if let Some(number) = number.filter(|&number| number > 0 && *segment_name(number) == *name) {
            segments.push(Segment { number, path: entry.path() });
        }
    }
    segments.sort_by_key(|segment| segment.number);
    Ok(segments)
}

/// Reads one segment as far as it is valid.
pub(super) fn read_segment<R: DeserializeOwned>(segment: &Segment) -> Result<Scan<R>, JournalError> {
    let bytes = fs::read(&segment.path).map_err(JournalError::io("reading the journal", &segment.path))?;
    scan(&bytes, segment.number == 1).map_err(|damage| judge(&segment.path, damage))
}

fn judge(path: &Path, damage: Damage) -> JournalError {
    let path = path.to_owned();
    match damage.why {
        Wrong::Foreign(_) => JournalError::Foreign { path, damage },
        _ => JournalError::Damaged { path, damage },
    }
}

/// Lists and reads, and does so again when a listed segment is gone: somebody is moving old ones away.
fn patiently<T>(
    dir: &Path,
    mut read: impl FnMut(&[Segment]) -> Result<T, JournalError>,
) -> Result<(T, usize), JournalError> {
    let mut attempt = 1;
    loop {
        let segments = list(dir)?;
        match read(&segments) {
            Err(JournalError::Io { source, .. })
                if source.kind() == io::ErrorKind::NotFound && attempt < ATTEMPTS =>
            {
                attempt += 1;
            }
            read => return read.map(|read| (read, segments.len())),
        }
    }
}

/// Reads the segments one after the other, checks that each continues the one before, and returns the last one
/// if its tail is torn.
fn walk<R: DeserializeOwned>(
    segments: &[Segment],
    mut each: impl FnMut(Scan<R>),
) -> Result<Option<PathBuf>, JournalError> {
    let mut before: Option<(&Segment, Link)> = None;
    for segment in segments {
        let scan = read_segment::<R>(segment)?;
        if let Some((predecessor, link)) = &before {
            link.check(predecessor, segment, &scan)?;
        }
        let seq = scan.lines.last().map_or(0, |line| line.seq);
        before = Some((segment, Link { seq, sum: scan.sum(), torn: scan.torn }));
        each(scan);
    }
    Ok(before.and_then(|(segment, link)| link.torn.then(|| segment.path.clone())))
}

/// What a segment must continue.
struct Link {
    seq: u64,
    sum: Sum,
    torn: bool,
}

impl Link {
    fn check<R>(&self, predecessor: &Segment, segment: &Segment, scan: &Scan<R>) -> Result<(), JournalError> {
        let name = segment_name(predecessor.number);
        let broken = |why: String| Err(JournalError::Chain { path: segment.path.clone(), why });
        if segment.number != predecessor.number + 1 {
            return broken(format!("`{}` is missing", segment_name(segment.number - 1)));
        }
        if self.torn {
            return broken(format!("`{name}` has a torn tail"));
        }
        let Some(first) = scan.lines.first() else { return broken("it has no line".to_owned()) };
        let expected = After { segment: name.clone(), sum: self.sum };
        if first.after.as_ref() != Some(&expected) {
            return broken(format!("its first line does not name the last line of `{name}`"));
        }
        if first.seq != self.seq.saturating_add(1) {
            return broken(format!("its first line does not have the number after the last one of `{name}`"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::line::{encode, encode_first};
    use jiff::Timestamp;
    use serde_json::json;

    /// Writes segments of two lines each, as a writer would, and returns where they lie.
    fn segments(dir: &Path, count: u64) -> Vec<PathBuf> {
        let at = Timestamp::UNIX_EPOCH;
        let (mut seq, mut sum) = (0, Sum::START);
        let mut paths = Vec::new();
        for number in 1..=count {
            let after = After { segment: segment_name(number - 1), sum };
            let first = match number {
                1 => encode(1, at, Sum::START, &json!({"n": 1})),
                _ => encode_first(seq + 1, at, &after, &json!({"n": number})),
            };
            let (first, first_sum) = first.unwrap();
            let (second, second_sum) = encode(seq + 2, at, first_sum, &json!({"n": number})).unwrap();
            (seq, sum) = (seq + 2, second_sum);
            let path = dir.join(segment_name(number));
            fs::write(&path, format!("{first}\n{second}\n")).unwrap();
            paths.push(path);
        }
        paths
    }

    fn numbers(lines: &[Line<Value>]) -> Vec<u64> {
        lines.iter().map(|line| line.seq).collect()
    }

    #[test]
    fn without_a_directory_there_is_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let none = dir.path().join("none");
        assert!(read_current::<Value>(&none).unwrap().is_empty());
        assert!(read_all::<Value>(&none).unwrap().is_empty());
        assert_eq!(verify(&none).unwrap(), Verified { segments: 0, lines: 0, torn: None });
        assert!(!none.exists());
    }

    #[test]
    fn the_current_segment_is_the_one_with_the_highest_number() {
        let dir = tempfile::tempdir().unwrap();
        segments(dir.path(), 11);
        for odd in
            ["journal-000012.tmp", "journal-12", "journal-+00012", "journal-000000", "torn-x", "journal-"]
        {
            fs::write(dir.path().join(odd), "odd").unwrap();
        }
        assert_eq!(numbers(&read_current(dir.path()).unwrap()), [21, 22]);
        assert_eq!(numbers(&read_all(dir.path()).unwrap()), (1..=22).collect::<Vec<_>>());
        assert_eq!(verify(dir.path()).unwrap(), Verified { segments: 11, lines: 22, torn: None });
    }

    #[test]
    fn the_oldest_segments_may_be_gone_but_none_between() {
        let dir = tempfile::tempdir().unwrap();
        let paths = segments(dir.path(), 4);
        fs::remove_file(&paths[0]).unwrap();
        assert_eq!(numbers(&read_all(dir.path()).unwrap()), [3, 4, 5, 6, 7, 8]);
        fs::remove_file(&paths[2]).unwrap();
        let error = verify(dir.path()).unwrap_err().to_string();
        assert!(error.contains("`journal-000003` is missing"), "{error}");
        assert!(read_all::<Value>(dir.path()).is_err());
        assert_eq!(numbers(&read_current(dir.path()).unwrap()), [7, 8]);
    }

    #[test]
    fn a_predecessor_that_lost_its_last_line_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let paths = segments(dir.path(), 2);
        let text = fs::read_to_string(&paths[0]).unwrap();
        fs::write(&paths[0], &text[..=text.find('\n').unwrap()]).unwrap();
        assert!(matches!(verify(dir.path()), Err(JournalError::Chain { .. })));
        fs::write(&paths[0], format!("{text}half")).unwrap();
        let error = verify(dir.path()).unwrap_err().to_string();
        assert!(error.contains("torn tail"), "{error}");
    }

    #[test]
    fn a_torn_tail_is_passed_over_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let paths = segments(dir.path(), 2);
        let text = fs::read(&paths[1]).unwrap();
        let torn = [&text[..], b"{\"seq\":5,\"at", &[0; 100]].concat();
        fs::write(&paths[1], &torn).unwrap();
        assert_eq!(numbers(&read_current(dir.path()).unwrap()), [3, 4]);
        assert_eq!(verify(dir.path()).unwrap().torn.as_ref(), Some(&paths[1]));
        assert_eq!(fs::read(&paths[1]).unwrap(), torn);
    }

    #[test]
    fn damage_is_named_with_file_and_line() {
        let dir = tempfile::tempdir().unwrap();
        let paths = segments(dir.path(), 1);
        let text = fs::read_to_string(&paths[0]).unwrap();
        fs::write(&paths[0], text.replacen("\"n\":1", "\"n\":2", 1)).unwrap();
        let error = read_current::<Value>(dir.path()).unwrap_err().to_string();
        assert!(error.contains("journal-000001` is damaged: line 1: its checksum"), "{error}");
    }
}
