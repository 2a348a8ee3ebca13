//! The fields below the name of an entry, as the canonical form has them; in any order, and with comments between them.

use jiff::civil::Date;

use super::{DEEPEST, Reading, rules};
use crate::desired::content::{Detail, Piece};
use crate::model::Access;

/// How many bytes `YYYY-MM-DD` has.
const DAY: usize = 10;

/// How many bytes an entry with fields usually has; only the room that is made for them depends on it.
const TYPICAL_ENTRY: usize = 96;

/// What a reader could take for something else than a text. Whatever begins with a letter or `_` and is none of these
/// is one; what begins with a digit is, if there is anything in it that neither a number nor a time has.
const TYPED: [&[u8]; 6] = [b"null", b"true", b"false", b"nan", b"inf", b"infinity"];

impl Reading<'_> {
    /// Reads the lines below a name that are further from the margin, and returns the access they say.
    pub(super) fn fields(&mut self) -> Option<Access> {
        let (mut access, mut until, mut reason) = (None, None, None);
        let mut below = None;
        loop {
            let indent = self.indentation();
            if self.is_nothing(indent) {
                self.nothing()?;
                continue;
            }
            if indent <= self.indent {
                break;
            }
            if indent != *below.get_or_insert(indent) || indent >= DEEPEST {
                return None;
            }
            self.at += indent;
            let rest = &self.text[self.at..];
            if rest.starts_with(b"access:") && access.is_none() {
                self.at += b"access:".len();
                access = Some(self.word()?);
            } else if rest.starts_with(b"until: ") && until.is_none() {
                self.at += b"until: ".len();
                until = Some(self.day()?);
            } else if rest.starts_with(b"reason: ") && reason.is_none() {
                self.at += b"reason: ".len();
                reason = Some(self.reason()?);
            } else {
                return None;
            }
            self.end_line()?;
        }
        if until.is_some() && access != Some(Access::Enabled) {
            return None;
        }
        if until.is_some() || reason.is_some() {
            let position = u32::try_from(self.content.listed.len()).ok()?;
            if self.content.details.is_empty() {
                self.content.details.reserve((self.text.len() - self.at) / TYPICAL_ENTRY);
            }
            self.content.details.push(Detail { position, until, reason });
        }
        access
    }

    fn day(&mut self) -> Option<Date> {
        self.at += self.indentation();
        let day = std::str::from_utf8(self.text.get(self.at..self.at + DAY)?).ok()?;
        self.at += DAY;
        rules::day(day)
    }

    /// Reads a text on one line, in quotes or not.
    fn reason(&mut self) -> Option<Piece> {
        self.at += self.indentation();
        let (start, length) = if let quote @ (b'"' | b'\'') = self.text.get(self.at)? {
            let length = self.quoted(self.at + 1, *quote)?.len();
            self.at += length + 2;
            (self.at - length - 1, length)
        } else {
            let length = self.plain_text()?;
            self.at += length;
            (self.at - length, length)
        };
        let reason = &self.text[start..start + length];
        if length > rules::LONGEST_REASON || !(self.is_ascii || reason.is_ascii()) {
            rules::check_reason(std::str::from_utf8(reason).ok()?).ok()?;
        }
        Piece::new(start, length)
    }

    /// Returns the length of the text without quotes that begins here.
    fn plain_text(&self) -> Option<usize> {
        let rest = &self.text[self.at..];
        // A space may be followed by a comment or by the end, and a colon by a value.
        let mut end = 0;
        for (at, byte) in rest.iter().enumerate() {
            match byte {
                b'\n' => break,
                b' ' => {}
                b'#' if rest[..at].ends_with(b" ") => break,
                b':' if matches!(rest.get(at + 1), None | Some(b' ' | b'\n')) => return None,
                0..b' ' => return None,
                _ => end = at + 1,
            }
        }
        let text = &rest[..end];
        let is_text = match text.first()? {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => !TYPED.iter().any(|typed| typed.eq_ignore_ascii_case(text)),
            b'0'..=b'9' => {
                !text.iter().all(|byte| byte.is_ascii_hexdigit() || b"xXoO_.:+-TtZz".contains(byte))
            }
            0x80.. => std::str::from_utf8(text).ok()?.starts_with(char::is_alphanumeric),
            _ => false,
        };
        is_text.then_some(end)
    }
}
