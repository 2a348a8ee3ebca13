//! The bytes of one segment as lines: what is whole, what a crash has torn, what is damaged. Pure.
//!
//! The longest valid prefix counts. What follows it is *torn* when no record comes after it: half a line, a
//! line whose checksum does not fit, zero bytes (a file system may show those after a power failure); a crash
//! leaves such a tail and it may be cut off. A bad place with a record after it is *damage*: no crash of popgate
//! leaves that, and nothing is guessed about it.

use serde::de::DeserializeOwned;

use super::line::{self, Line, LineError, Sum};

/// A segment's lines as far as they are valid.
#[derive(Debug, PartialEq, Eq)]
pub struct Scan<R> {
    /// The valid lines.
    pub lines: Vec<Line<R>>,
    /// How many bytes they take, with their line breaks.
    pub valid: usize,
    /// Whether a torn tail follows them.
    pub torn: bool,
}

impl<R> Scan<R> {
    /// Returns the sum of the last valid line.
    pub fn sum(&self) -> Sum {
        self.lines.last().map_or(Sum::START, |line| line.sum)
    }
}

/// Which place of a segment is damaged, and how.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct Damage {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: Wrong,
}

/// What is wrong with a line that a crash cannot explain.
#[derive(Debug, thiserror::Error)]
pub enum Wrong {
    /// A record stands after it.
    #[error("{0}, and records follow it")]
    Inside(LineError),
    /// It is whole, but another version of popgate wrote it.
    #[error("{0}")]
    Foreign(LineError),
    /// Its number does not follow the number before it.
    #[error("it has the number {found} where {expected} should follow")]
    Sequence {
        /// The number that should stand here.
        expected: u64,
        /// The number that does.
        found: u64,
    },
    /// A first line of a segment that stands elsewhere, or a segment without its first line.
    #[error("{0}")]
    Place(&'static str),
}

/// Reads the bytes of a segment. `first` says that it is the very first one, which continues no other.
///
/// # Errors
/// [`Damage`] when something else than a torn tail is found.
pub fn scan<R: DeserializeOwned>(bytes: &[u8], first: bool) -> Result<Scan<R>, Damage> {
    let mut lines: Vec<Line<R>> = Vec::new();
    let mut valid = 0;
    let mut torn = None;
    while torn.is_none() && valid < bytes.len() {
        let rest = &bytes[valid..];
        let number = lines.len() + 1;
        let damage = |why| Damage { line: number, why };
        let Some(length) = rest.iter().position(|&byte| byte == b'\n') else {
            torn = Some(LineError::Unfinished);
            break;
        };
        let before = lines.last().map_or(Sum::START, |line| line.sum);
        match line::decode(&rest[..length], before) {
            Ok(line) => {
                check_place(&line, lines.last().map(|last| last.seq), first).map_err(damage)?;
                lines.push(line);
                valid += length + 1;
            }
            Err(error @ LineError::Content(_)) => return Err(damage(Wrong::Foreign(error))),
            Err(error) => torn = Some(error),
        }
    }
    let damage = |why| Damage { line: lines.len() + 1, why };
    match torn {
        Some(error) if record_after(&bytes[valid..]) => return Err(damage(Wrong::Inside(error))),
        _ if lines.is_empty() && !first => {
            return Err(damage(Wrong::Place("the segment does not begin with a whole first line")));
        }
        _ => {}
    }
    Ok(Scan { lines, valid, torn: torn.is_some() })
}

fn check_place<R>(line: &Line<R>, before: Option<u64>, first: bool) -> Result<(), Wrong> {
    let expected = match before {
        Some(before) => before.saturating_add(1),
        None if first => 1,
        None => line.seq,
    };
    if line.seq != expected {
        return Err(Wrong::Sequence { expected, found: line.seq });
    }
    match (line.after.is_some(), before.is_none() && !first) {
        (true, false) => Err(Wrong::Place("a line that begins a segment stands in the middle of one")),
        (false, true) => Err(Wrong::Place("the first line does not name the segment that it continues")),
        _ => Ok(()),
    }
}

/// Tells whether a whole record stands anywhere after the beginning of these bytes.
fn record_after(bad: &[u8]) -> bool {
    let start = br#"{"seq":"#;
    bad.windows(start.len()).enumerate().skip(1).filter(|(_, window)| window == start).any(|(at, _)| {
        let rest = &bad[at..];
        let end = rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
        line::looks_whole(&rest[..end])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::line::{After, encode, encode_first};
    use jiff::Timestamp;
    use serde_json::{Value, json};

    const COUNT: u64 = 5;

    fn segment(from: u64, after: Option<&After>) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut before = Sum::START;
        for seq in from..from + COUNT {
            let record = json!({"type": "said", "text": format!("täxt {seq}")});
            let at = Timestamp::UNIX_EPOCH;
            let (line, sum) = match after {
                Some(after) if seq == from => encode_first(seq, at, after, &record),
                _ => encode(seq, at, before, &record),
            }
            .unwrap();
            before = sum;
            bytes.extend_from_slice(line.as_bytes());
            bytes.push(b'\n');
        }
        bytes
    }

    fn ends(bytes: &[u8]) -> Vec<usize> {
        bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1).collect()
    }

    fn read(bytes: &[u8]) -> Result<Scan<Value>, Damage> {
        scan(bytes, true)
    }

    #[test]
    fn a_segment_cut_at_any_byte_keeps_its_whole_lines() {
        let bytes = segment(1, None);
        let ends = ends(&bytes);
        for cut in 0..=bytes.len() {
            let whole = ends.iter().filter(|&&end| end <= cut).count();
            let found = read(&bytes[..cut]).unwrap();
            assert_eq!(found.lines.len(), whole, "cut at {cut}");
            assert_eq!(found.valid, whole.checked_sub(1).map_or(0, |last| ends[last]), "cut at {cut}");
            assert_eq!(found.torn, found.valid != cut, "cut at {cut}");
        }
    }

    #[test]
    fn a_tail_of_zeros_after_any_cut_is_torn() {
        let bytes = segment(1, None);
        for cut in 0..bytes.len() {
            for zeros in [1, 4096] {
                let mut torn = bytes[..cut].to_vec();
                torn.resize(cut + zeros, 0);
                let found = read(&torn).unwrap();
                assert!(found.torn, "cut at {cut}");
                assert_eq!(found, read(&bytes[..cut]).map(|whole| Scan { torn: true, ..whole }).unwrap());
            }
        }
    }

    #[test]
    fn any_flipped_byte_is_found_and_stops_unless_no_record_follows() {
        let bytes = segment(1, None);
        let ends = ends(&bytes);
        let last = ends[ends.len() - 2];
        for at in 0..bytes.len() {
            for flip in [0x01, 0x20, 0x80, bytes[at]] {
                let mut bad = bytes.clone();
                bad[at] ^= flip;
                let line = ends.iter().filter(|&&end| end <= at).count() + 1;
                match read(&bad) {
                    Err(damage) => {
                        assert!(at < last && damage.line == line, "byte {at} ^ {flip:#x}: {damage}");
                    }
                    Ok(found) => {
                        assert!(at >= last && found.torn && found.valid == last, "byte {at} ^ {flip:#x}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_removed_line_and_two_exchanged_lines_are_found() {
        let bytes = segment(1, None);
        let ends = ends(&bytes);
        let (first, second, third) = (&bytes[..ends[0]], &bytes[ends[0]..ends[1]], &bytes[ends[1]..ends[2]]);
        assert_eq!(read(&[first, third].concat()).unwrap().lines.len(), 1, "nothing follows: a tail");
        let rest = &bytes[ends[2]..];
        assert_eq!(read(&[first, third, rest].concat()).unwrap_err().line, 2);
        assert_eq!(read(&[first, third, second, rest].concat()).unwrap_err().line, 2);
    }

    #[test]
    fn a_later_segment_needs_its_first_line_and_only_there() {
        let after = After { segment: "journal-000001".to_owned(), sum: Sum::START };
        let bytes = segment(40, Some(&after));
        let first = ends(&bytes)[0];
        for cut in 0..=bytes.len() {
            assert_eq!(scan::<Value>(&bytes[..cut], false).is_ok(), cut >= first, "cut at {cut}");
        }
        assert!(matches!(scan::<Value>(&bytes, true).unwrap_err().why, Wrong::Sequence { .. }));
        let wrong = scan::<Value>(&segment(40, None), false).unwrap_err();
        assert!(matches!(wrong, Damage { line: 1, why: Wrong::Place(_) }));
    }

    #[test]
    fn a_gap_in_the_numbers_is_damage_even_if_the_checksums_fit() {
        let record = json!({});
        let (first, sum) = encode(1, Timestamp::UNIX_EPOCH, Sum::START, &record).unwrap();
        let (third, _) = encode(3, Timestamp::UNIX_EPOCH, sum, &record).unwrap();
        let found = read(format!("{first}\n{third}\n").as_bytes()).unwrap_err();
        assert!(matches!(found, Damage { line: 2, why: Wrong::Sequence { expected: 2, found: 3 } }));
    }

    #[test]
    fn a_line_of_another_version_is_never_cut_off() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(tag = "type", rename_all = "snake_case")]
        enum Old {
            Known {},
        }
        let (known, sum) = encode(1, Timestamp::UNIX_EPOCH, Sum::START, &json!({"type": "known"})).unwrap();
        let (later, _) = encode(2, Timestamp::UNIX_EPOCH, sum, &json!({"type": "later"})).unwrap();
        assert!(matches!(
            scan::<Old>(format!("{known}\n").as_bytes(), true).unwrap().lines[0].record,
            Old::Known {}
        ));
        let found = scan::<Old>(format!("{known}\n{later}\n").as_bytes(), true).unwrap_err();
        assert!(matches!(found, Damage { line: 2, why: Wrong::Foreign(_) }));
    }
}
