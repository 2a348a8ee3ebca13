//! The rules for single values: names, access words, dates, reasons. Each is stated here once, for files and for
//! the command line alike.

use std::borrow::Cow;

use jiff::civil::Date;

use super::words;
use crate::diagnostic::{Code, codes, is_invisible, shown};
use crate::model::Access;
use crate::yaml::Raw;

/// The longest name, in characters.
pub const LONGEST_NAME: usize = 320;

/// The longest reason, in characters.
pub const LONGEST_REASON: usize = 1000;

/// Why a value is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Objection {
    pub(super) code: Code,
    /// One sentence without a full stop.
    pub(super) message: String,
    /// What is to be seen at the value.
    pub(super) label: &'static str,
    pub(super) help: String,
}

impl Objection {
    fn new(code: Code, message: impl Into<String>, label: &'static str, help: impl Into<String>) -> Self {
        Self { code, message: message.into(), label, help: help.into() }
    }
}

/// Returns why a name cannot be listed, in one sentence; `None` when it can. For names that come from
/// elsewhere than a file.
pub fn objection_to_name(name: &str) -> Option<String> {
    check_name(name).err().map(|objection| objection.message)
}

/// Returns why a text cannot be a reason, in one sentence; `None` when it can.
pub fn objection_to_reason(reason: &str) -> Option<String> {
    check_reason(reason).err().map(|objection| objection.message)
}

pub(super) fn check_name(name: &str) -> Result<(), Objection> {
    if name.is_empty() {
        return Err(Objection::new(
            codes::NAME_EMPTY,
            "the name is empty",
            "no name",
            "write the name of a user before the colon",
        ));
    }
    if let Some(c) = name.chars().find(|c| is_unseen(*c)) {
        return Err(Objection::new(
            codes::NAME_CHARACTERS,
            format!("the name `{}` has the invisible character U+{:04X}", shown(name), u32::from(c)),
            "another name than it looks like",
            "type the name again",
        ));
    }
    let mut ends = name.chars().next().into_iter().chain(name.chars().next_back());
    if let Some(c) = ends.find(|c| c.is_whitespace()) {
        return Err(Objection::new(
            codes::NAME_SPACE,
            format!("the name `{}` begins or ends with white space (U+{:04X})", shown(name), u32::from(c)),
            "another name than it looks like",
            "remove the white space",
        ));
    }
    let length = name.chars().count();
    if length > LONGEST_NAME {
        return Err(Objection::new(
            codes::NAME_LENGTH,
            format!("the name `{}` has {length} characters, more than {LONGEST_NAME}", shown(name)),
            "too long",
            "no mail system has such a name; look for a missing line break",
        ));
    }
    Ok(())
}

/// Control characters, what is invisible, line breaks of any kind, and what is no character at all.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || is_invisible(c)
        || matches!(c, '\u{2028}' | '\u{2029}')
        || u32::from(c) & 0xfffe == 0xfffe
        || matches!(c, '\u{fdd0}'..='\u{fdef}')
}

pub(super) fn access(raw: &Raw<'_>) -> Result<Access, Objection> {
    let word = match raw {
        Raw::Text(word) if word == "enabled" => return Ok(Access::Enabled),
        Raw::Text(word) if word == "disabled" => return Ok(Access::Disabled),
        Raw::Text(word) => word.to_string(),
        Raw::Bool(value) => value.to_string(),
        Raw::Number(number) => number.to_string(),
        Raw::Null => {
            return Err(Objection::new(
                codes::NO_ACCESS,
                "access is missing",
                "no value",
                "write `enabled` or `disabled`",
            ));
        }
        Raw::List | Raw::Map(_) => {
            return Err(Objection::new(
                codes::WRONG_KIND,
                format!("access must be `enabled` or `disabled`, not {}", raw.kind()),
                "not an access word",
                "write `enabled` or `disabled`",
            ));
        }
    };
    let help = match words::meant_access(&word) {
        Some(access) => format!("write `{access}`"),
        None => "write `enabled` or `disabled`".to_owned(),
    };
    let message = format!("access must be `enabled` or `disabled`, not `{}`", shown(&word));
    Err(Objection::new(codes::ACCESS_WORD, message, "not an access word", help))
}

pub(super) fn until(raw: &Raw<'_>) -> Result<Date, Objection> {
    const HELP: &str = "write the last day of access as YYYY-MM-DD, such as 2026-12-31";
    let objection =
        |message: String, label, help: &str| Objection::new(codes::UNTIL_DATE, message, label, help);
    let text = match raw {
        Raw::Text(text) => text,
        Raw::Number(number) => {
            return Err(objection(
                format!("`until` must be a date, not the number `{}`", shown(number)),
                "not a date",
                HELP,
            ));
        }
        Raw::Null => {
            return Err(objection(
                "`until` has no date".to_owned(),
                "no value",
                "write a date, or remove `until`",
            ));
        }
        other => {
            return Err(objection(
                format!("`until` must be a date, not {}", other.kind()),
                "not a date",
                HELP,
            ));
        }
    };
    let Some((year, month, day)) = numbers(text) else {
        return Err(objection(
            format!("`until` must be a date as YYYY-MM-DD, not `{}`", shown(text)),
            "not a date as YYYY-MM-DD",
            HELP,
        ));
    };
    Date::new(year, month, day).map_err(|_| {
        let help = match Date::new(year, month, 1) {
            Ok(first) => format!("the last day of that month is {}", first.last_of_month()),
            Err(_) => "months go from 01 to 12".to_owned(),
        };
        objection(format!("there is no day `{text}` in the calendar"), "no such day", &help)
    })
}

/// Reads a day of the calendar that is written well; `None` for anything else.
pub(super) fn day(text: &str) -> Option<Date> {
    let (year, month, day) = numbers(text)?;
    Date::new(year, month, day).ok()
}

/// Reads exactly `YYYY-MM-DD`.
fn numbers(text: &str) -> Option<(i16, i8, i8)> {
    let bytes = text.as_bytes();
    let digits = |range: std::ops::Range<usize>| bytes[range].iter().all(u8::is_ascii_digit);
    let shape = bytes.len() == 10 && bytes[4] == b'-' && bytes[7] == b'-';
    if !(shape && digits(0..4) && digits(5..7) && digits(8..10)) {
        return None;
    }
    Some((text[..4].parse().ok()?, text[5..7].parse().ok()?, text[8..].parse().ok()?))
}

pub(super) fn reason<'r, 't>(raw: &'r Raw<'t>) -> Result<&'r Cow<'t, str>, Objection> {
    match raw {
        Raw::Text(text) => check_reason(text).map(|()| text),
        Raw::Null => Err(Objection::new(
            codes::REASON_TEXT,
            "`reason` has no text",
            "no value",
            "write the reason, or remove the field",
        )),
        Raw::Number(_) | Raw::Bool(_) => Err(Objection::new(
            codes::REASON_TEXT,
            format!("`reason` must be a text, and YAML reads this as {}", raw.kind()),
            "not a text",
            "put it in quotes",
        )),
        Raw::List | Raw::Map(_) => Err(Objection::new(
            codes::WRONG_KIND,
            format!("`reason` must be a text, not {}", raw.kind()),
            "not a text",
            "put it in quotes, on one line",
        )),
    }
}

pub(super) fn check_reason(reason: &str) -> Result<(), Objection> {
    let unseen =
        |c: char| c.is_control() || is_invisible(c) && !joins(c) || matches!(c, '\u{2028}' | '\u{2029}');
    if let Some(c) = reason.chars().find(|c| unseen(*c)) {
        let (what, help) = if c == '\n' {
            ("a line break".to_owned(), "write it on one line")
        } else {
            (format!("the invisible character U+{:04X}", u32::from(c)), "delete it")
        };
        return Err(Objection::new(
            codes::REASON_CHARACTERS,
            format!("the reason has {what} in it"),
            "more than one line of visible text",
            help,
        ));
    }
    let length = reason.chars().count();
    if length > LONGEST_REASON {
        return Err(Objection::new(
            codes::REASON_LENGTH,
            format!("the reason has {length} characters, more than {LONGEST_REASON}"),
            "too long",
            "refer to a ticket for the rest",
        ));
    }
    Ok(())
}

/// Joiners and variation selectors: they belong to how some scripts and pictures are written, and a reason,
/// unlike a name, is never compared.
fn joins(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{200c}'..='\u{200f}' | '\u{61c}' | '\u{180b}'..='\u{180f}' | '\u{fe00}'..='\u{fe0f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Raw<'_> {
        Raw::Text(text.into())
    }

    #[test]
    fn a_name_is_visible_from_end_to_end() {
        for name in
            ["a", "John Smith", "名前", "O\u{a0}K", "田中\u{3000}太郎", &"é".repeat(320), "null", "<<", "1"]
        {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        for (name, code) in [
            ("", codes::NAME_EMPTY),
            (" a", codes::NAME_SPACE),
            ("a\u{a0}", codes::NAME_SPACE),
            ("\u{3000}a", codes::NAME_SPACE),
            ("a\tb", codes::NAME_CHARACTERS),
            ("a\nb", codes::NAME_CHARACTERS),
            ("a\u{200b}", codes::NAME_CHARACTERS),
            ("a\u{200e}b", codes::NAME_CHARACTERS),
            ("\u{61c}a", codes::NAME_CHARACTERS),
            ("a\u{202e}b", codes::NAME_CHARACTERS),
            ("a\u{ad}b", codes::NAME_CHARACTERS),
            ("a\u{2028}b", codes::NAME_CHARACTERS),
            ("a\u{85}b", codes::NAME_CHARACTERS),
            ("a\u{fe0f}", codes::NAME_CHARACTERS),
            ("\u{2800}", codes::NAME_CHARACTERS),
            ("a\u{fffe}", codes::NAME_CHARACTERS),
            (&"é".repeat(321), codes::NAME_LENGTH),
        ] {
            assert_eq!(check_name(name).unwrap_err().code, code, "{name:?}");
            assert!(objection_to_name(name).is_some());
        }
    }

    #[test]
    fn only_days_that_exist_are_dates() {
        assert_eq!(until(&text("2028-02-29")), Ok(jiff::civil::date(2028, 2, 29)));
        for (wrong, help) in [
            ("2026-02-29", "the last day of that month is 2026-02-28"),
            ("2026-13-01", "months go from 01 to 12"),
            ("2026-00-10", "months go from 01 to 12"),
            ("2026-1-2", "write the last day of access as YYYY-MM-DD, such as 2026-12-31"),
            ("+026-01-02", "write the last day of access as YYYY-MM-DD, such as 2026-12-31"),
            ("2026-01-02T00:00", "write the last day of access as YYYY-MM-DD, such as 2026-12-31"),
            ("２０２６-01-02", "write the last day of access as YYYY-MM-DD, such as 2026-12-31"),
        ] {
            let objection = until(&text(wrong)).unwrap_err();
            assert_eq!((objection.code, &*objection.help), (codes::UNTIL_DATE, help), "{wrong}");
        }
        assert!(until(&Raw::Number("20261231".into())).is_err());
        assert!(until(&Raw::Null).is_err());
    }

    #[test]
    fn a_reason_is_one_line_of_at_most_1000_characters() {
        assert_eq!(check_reason(&"ü".repeat(1000)), Ok(()));
        assert_eq!(check_reason("می\u{200c}خواهم ☎\u{fe0f}"), Ok(()));
        assert_eq!(check_reason(&"ü".repeat(1001)).unwrap_err().code, codes::REASON_LENGTH);
        assert_eq!(check_reason("a\nb").unwrap_err().help, "write it on one line");
        assert_eq!(check_reason("a\u{1b}[31m").unwrap_err().code, codes::REASON_CHARACTERS);
        assert_eq!(check_reason("a\u{202e}b").unwrap_err().code, codes::REASON_CHARACTERS);
    }
}
