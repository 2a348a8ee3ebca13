//! One record as one line of JSON, chained to the line before it, and back. Pure.
//!
//! ```text
//! {"seq":7,"at":"2026-05-01T08:00:00.000000Z","type":"chunk","count":2,"sum":"51a0c3f2be9d1477"}
//! ```
//!
//! The sum is SHA-256, cut to 64 bits, over the sum of the line before and the bytes of this line before
//! `,"sum"`. So a line that was changed, removed, added or moved is noticed. It guards against accidents, not
//! against somebody who computes the sums anew.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

/// The fields of a line that belong to the line itself, so that no record may use them.
const RESERVED: [&str; 4] = ["seq", "at", "after", "sum"];
const SUM_KEY: &[u8] = br#","sum":""#;
const SUM_END: &[u8] = br#""}"#;
const SUM_DIGITS: usize = 16;

/// The checksum of a line, which stands for everything before it in its segment too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sum([u8; SUM_DIGITS / 2]);

impl Sum {
    /// What the first line of a segment is chained to.
    pub const START: Self = Self([0; SUM_DIGITS / 2]);

    fn over(before: Self, body: &[u8]) -> Self {
        let hash = Sha256::new().chain_update(before.0).chain_update(body).finalize();
        let mut sum = Self::START;
        sum.0.copy_from_slice(&hash[..SUM_DIGITS / 2]);
        sum
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

/// A text that is not sixteen lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a sum is {SUM_DIGITS} lower-case hexadecimal digits")]
pub struct NotASum;

impl FromStr for Sum {
    type Err = NotASum;

    fn from_str(text: &str) -> Result<Self, NotASum> {
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() != SUM_DIGITS || !text.bytes().all(digit) {
            return Err(NotASum);
        }
        let number = u64::from_str_radix(text, 16).map_err(|_| NotASum)?;
        Ok(Self(number.to_be_bytes()))
    }
}

impl Serialize for Sum {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sum {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Which segment a segment continues, and the sum of that segment's last line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct After {
    /// The file name of the predecessor.
    pub segment: String,
    /// The sum of its last line.
    pub sum: Sum,
}

/// One line, read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line<R> {
    /// Its number, from 1, without gaps over all segments.
    pub seq: u64,
    /// When it was written; microseconds.
    pub at: Timestamp,
    /// What its segment continues; only on the first line of a segment, and not of the very first one.
    pub after: Option<After>,
    /// What it says.
    pub record: R,
    /// Its checksum.
    pub sum: Sum,
}

/// Why a line could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// The line does not end as every line does: it was not written to its end, or its end was changed.
    #[error("it does not end with a checksum")]
    Unfinished,
    /// The checksum does not fit.
    #[error("its checksum should be {expected} and is {found}")]
    Sum {
        /// What the line before and the bytes of this one give.
        expected: Sum,
        /// What the line says.
        found: Sum,
    },
    /// The checksum fits and the content is not understood, so another version of popgate wrote it.
    #[error("it is whole, but this version of popgate does not understand it: {0}")]
    Content(String),
    /// A record that cannot become a line: not a JSON object, or it has a field named as one of the line's own.
    #[error("the record cannot be written as a line: {0}")]
    Record(String),
}

/// Writes one line, without its line break, and returns it with its sum.
///
/// # Errors
/// [`LineError::Record`] for a record that is no JSON object or uses a field of the line itself.
pub fn encode<R: Serialize>(
    seq: u64,
    at: Timestamp,
    before: Sum,
    record: &R,
) -> Result<(String, Sum), LineError> {
    encode_line(seq, at, None, before, record)
}

/// Writes the first line of a segment that continues another one.
///
/// # Errors
/// As [`encode`].
pub fn encode_first<R: Serialize>(
    seq: u64,
    at: Timestamp,
    after: &After,
    record: &R,
) -> Result<(String, Sum), LineError> {
    encode_line(seq, at, Some(after), Sum::START, record)
}

fn encode_line<R: Serialize>(
    seq: u64,
    at: Timestamp,
    after: Option<&After>,
    before: Sum,
    record: &R,
) -> Result<(String, Sum), LineError> {
    let unwritten = |error: serde_json::Error| LineError::Record(error.to_string());
    let record = serde_json::to_string(record).map_err(unwritten)?;
    let fields = record.strip_prefix('{').and_then(|record| record.strip_suffix('}'));
    let fields = fields.ok_or_else(|| LineError::Record("it is no JSON object".to_owned()))?;
    refuse_reserved(&record)?;
    let mut line = format!(r#"{{"seq":{seq},"at":"{at:.6}""#);
    if let Some(after) = after {
        line.push_str(r#","after":"#);
        line.push_str(&serde_json::to_string(after).map_err(unwritten)?);
    }
    if !fields.is_empty() {
        line.push(',');
        line.push_str(fields);
    }
    let sum = Sum::over(before, line.as_bytes());
    write!(line, r#","sum":"{sum}"}}"#).expect("a text takes whatever is written");
    Ok((line, sum))
}

/// Refuses a record with a field that belongs to the line. Few hold such a name anywhere, and only they are taken apart.
fn refuse_reserved(record: &str) -> Result<(), LineError> {
    let quoted = |key: &str| {
        let mut found = record.match_indices(key);
        found.any(|(at, _)| record[..at].ends_with('"') && record[at + key.len()..].starts_with('"'))
    };
    if !RESERVED.into_iter().any(quoted) {
        return Ok(());
    }
    let fields: Map<String, Value> =
        serde_json::from_str(record).map_err(|error| LineError::Record(error.to_string()))?;
    match RESERVED.into_iter().find(|&key| fields.contains_key(key)) {
        Some(taken) => Err(LineError::Record(format!("the field `{taken}` belongs to the line"))),
        None => Ok(()),
    }
}

/// Reads one line, without its line break, that follows a line with the sum `before`.
///
/// # Errors
/// [`LineError::Unfinished`] and [`LineError::Sum`] for a damaged line, [`LineError::Content`] for a whole one
/// that this version does not understand.
pub fn decode<R: DeserializeOwned>(line: &[u8], before: Sum) -> Result<Line<R>, LineError> {
    let (body, found) = split(line).ok_or(LineError::Unfinished)?;
    let expected = Sum::over(before, body);
    if found != expected {
        return Err(LineError::Sum { expected, found });
    }
    let foreign = |error: serde_json::Error| LineError::Content(error.to_string());
    let mut fields: Map<String, Value> = serde_json::from_slice(line).map_err(foreign)?;
    let mut take = |key: &str| fields.shift_remove(key).unwrap_or_default();
    let seq = serde_json::from_value(take("seq")).map_err(foreign)?;
    let at = serde_json::from_value(take("at")).map_err(foreign)?;
    let after = serde_json::from_value(take("after")).map_err(foreign)?;
    take("sum");
    let record = serde_json::from_value(Value::Object(fields)).map_err(foreign)?;
    Ok(Line { seq, at, after, record, sum: found })
}

/// Tells whether these bytes have the shape of a whole line, whatever its checksum says.
pub(super) fn looks_whole(line: &[u8]) -> bool {
    split(line).is_some() && serde_json::from_slice::<Map<String, Value>>(line).is_ok()
}

/// Splits a line into the bytes that its sum covers and the sum.
fn split(line: &[u8]) -> Option<(&[u8], Sum)> {
    let line = line.strip_suffix(SUM_END)?;
    let (rest, digits) = line.split_at_checked(line.len().checked_sub(SUM_DIGITS)?)?;
    let body = rest.strip_suffix(SUM_KEY)?;
    Some((body, std::str::from_utf8(digits).ok()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "type", rename_all = "snake_case")]
    enum Record {
        Said { text: String, count: u64 },
        Nothing,
    }

    fn at() -> Timestamp {
        "2026-05-01T08:00:00.123456789Z".parse().unwrap()
    }

    fn said(text: &str) -> Record {
        Record::Said { text: text.to_owned(), count: 2 }
    }

    #[test]
    fn a_line_is_one_json_object_that_a_person_can_read() {
        let (line, sum) = encode(7, at(), Sum::START, &said("a\nb")).unwrap();
        let expected = r#"{"seq":7,"at":"2026-05-01T08:00:00.123456Z","type":"said","text":"a\nb","count":2"#;
        assert_eq!(line, format!(r#"{expected},"sum":"{sum}"}}"#));
        assert_eq!(sum.to_string().parse(), Ok(sum));
    }

    #[test]
    fn a_line_comes_back_as_it_was_to_the_microsecond() {
        let (line, sum) = encode(7, at(), Sum::START, &Record::Nothing).unwrap();
        let back: Line<Record> = decode(line.as_bytes(), Sum::START).unwrap();
        let micros = "2026-05-01T08:00:00.123456Z".parse().unwrap();
        assert_eq!(back, Line { seq: 7, at: micros, after: None, record: Record::Nothing, sum });
    }

    #[test]
    fn the_first_line_of_a_later_segment_names_its_predecessor() {
        let after = After { segment: "journal-000001".to_owned(), sum: "00000000000000ff".parse().unwrap() };
        let (line, _) = encode_first(9, at(), &after, &Record::Nothing).unwrap();
        assert_eq!(decode::<Record>(line.as_bytes(), Sum::START).unwrap().after, Some(after));
    }

    #[test]
    fn a_line_does_not_fit_after_another_line() {
        let (first, sum) = encode(1, at(), Sum::START, &said("a")).unwrap();
        let (second, _) = encode(2, at(), sum, &said("b")).unwrap();
        assert!(decode::<Record>(second.as_bytes(), sum).is_ok());
        assert!(matches!(decode::<Record>(second.as_bytes(), Sum::START), Err(LineError::Sum { .. })));
        assert!(matches!(decode::<Record>(first.as_bytes(), sum), Err(LineError::Sum { .. })));
    }

    #[test]
    fn a_whole_line_of_another_version_is_not_called_damaged() {
        let (line, _) = encode(1, at(), Sum::START, &serde_json::json!({"type": "later"})).unwrap();
        assert!(matches!(decode::<Record>(line.as_bytes(), Sum::START), Err(LineError::Content(_))));
    }

    #[test]
    fn a_record_may_not_use_the_fields_of_the_line() {
        for key in RESERVED {
            let refused = encode(1, at(), Sum::START, &serde_json::json!({key: 1}));
            assert!(matches!(refused, Err(LineError::Record(_))), "{key}");
        }
        let below = serde_json::json!({"type": "sum", "in": {"seq": 1, "at": ["after"]}});
        assert!(encode(1, at(), Sum::START, &below).is_ok());
        assert!(encode(1, at(), Sum::START, &"text").is_err());
        assert!(encode(1, at(), Sum::START, &serde_json::json!({})).is_ok());
    }

    proptest! {
        #[test]
        fn whatever_text_a_record_holds_it_comes_back(text in any::<String>(), seq in any::<u64>()) {
            let (line, _) = encode(seq, at(), Sum::START, &said(&text)).unwrap();
            prop_assert!(!line.contains(['\n', '\0']));
            let back: Line<Record> = decode(line.as_bytes(), Sum::START).unwrap();
            prop_assert_eq!((back.seq, back.record), (seq, said(&text)));
        }

        #[test]
        fn any_changed_byte_is_found(at_byte in any::<prop::sample::Index>(), flip in 1u8..) {
            let (line, _) = encode(3, at(), Sum::START, &said("anna@contoso.example")).unwrap();
            let mut bytes = line.into_bytes();
            let index = at_byte.index(bytes.len());
            bytes[index] ^= flip;
            let found = decode::<Record>(&bytes, Sum::START);
            let damaged = matches!(found, Err(LineError::Unfinished | LineError::Sum { .. }));
            prop_assert!(damaged, "{found:?}");
        }

        #[test]
        fn no_bytes_whatever_make_decode_panic(bytes in any::<Vec<u8>>()) {
            prop_assert!(decode::<Record>(&bytes, Sum::START).is_err());
        }
    }
}
