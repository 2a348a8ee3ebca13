//! Reports: plans, status and notices to text and JSON. Pure: nothing here prints.
//!
//! Names, reasons and messages come from files and stores that anybody may have written: all of them go through
//! [`harmless`] before a terminal or a log sees them.

pub mod json;
pub mod notice;
pub mod status;
pub mod text;

use std::borrow::Cow;

use crate::diagnostic;

/// Makes a text from outside harmless for a terminal, a log and a table.
pub fn harmless(text: &str) -> String {
    diagnostic::shown(text)
}

/// Counts something in words: `1 user`, `2 users`.
pub(crate) fn counted(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// Lists the first few names, and says how many more there are.
pub(crate) fn listed<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    const SHOWN: usize = 10;
    let more = names.len().saturating_sub(SHOWN);
    let mut text = names.take(SHOWN).map(harmless).collect::<Vec<_>>().join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

/// A span of seconds in words a person says: `45 s`, `10 min`, `2 h`.
pub(crate) fn seconds(seconds: u64) -> Cow<'static, str> {
    match seconds {
        0 => Cow::Borrowed("now"),
        1..=119 => format!("in {seconds} s").into(),
        120..=7199 => format!("in {} min", seconds / 60).into(),
        _ => format!("in {} h", seconds / 3600).into(),
    }
}
