//! The shape in which almost all files come: one user on a line, or one with its fields below, and nothing that YAML
//! could read in two ways.
//!
//! ```yaml
//! version: 1
//! pop3:
//!   # a comment, also in other scripts
//!   alice@contoso.example: enabled
//!   John Smith: disabled  # left
//!   "1": enabled
//!   bob@contoso.example:
//!     access: enabled
//!     until: 2026-12-31
//!     reason: "CHG-1234: moves to IMAP"
//! ```
//!
//! A file is taken as a whole or not at all. What is taken means exactly what the full decoder would read, at the same
//! places; tests compare the two. Whatever is not certain, wrong files above all, is left to the decoder.

mod fields;

use super::content::{Content, Form, Listed};
use super::rules;
use crate::model::Access;
use crate::yaml;

/// How long a line usually is; only the room that is made for entries depends on it.
const TYPICAL_LINE: usize = 32;

/// Eight spaces and more could be deeply nested.
const DEEPEST: usize = 8;

/// Returns the entries of a file of this shape, of which there is at least one; `None` when it is none.
pub(super) fn content(bytes: &[u8]) -> Option<Content> {
    let text = yaml::certain(bytes)?;
    let mut reading = Reading {
        text: text.as_bytes(),
        is_ascii: text.is_ascii(),
        at: 0,
        indent: 0,
        content: Content::default(),
    };
    reading.content.listed.reserve(text.len() / TYPICAL_LINE);
    reading.head()?;
    while reading.at < reading.text.len() {
        reading.line()?;
    }
    (!reading.content.listed.is_empty()).then_some(reading.content)
}

struct Reading<'t> {
    text: &'t [u8],
    is_ascii: bool,
    /// The beginning of a line.
    at: usize,
    /// How far entries stand from the margin.
    indent: usize,
    content: Content,
}

/// What a byte may be to a name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Nothing at all: it could mean something.
    Never,
    /// Any part of it.
    Any,
    /// Any but the first.
    Inside,
}

/// A name begins with a letter, a digit or `_`, and goes on with what means nothing to YAML inside of a text. What is
/// beyond ASCII is a letter here, and looked at again.
static CLASS: [Class; 256] = classes();

const fn classes() -> [Class; 256] {
    let mut class = [Class::Never; 256];
    let mut byte: u8 = 0;
    loop {
        class[byte as usize] = match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | 0x80.. => Class::Any,
            b' ' | b'@' | b'.' | b'-' | b'+' | b'/' | b'=' | b'$' | b'~' | b'^' | b'\'' | b'(' | b')' => {
                Class::Inside
            }
            _ => Class::Never,
        };
        if byte == u8::MAX {
            return class;
        }
        byte += 1;
    }
}

impl Reading<'_> {
    /// Reads up to the line `pop3:` and that line.
    fn head(&mut self) -> Option<()> {
        let mut version = false;
        loop {
            let rest = &self.text[self.at..];
            if let Some(behind) = rest.strip_prefix(b"pop3:") {
                self.at = self.text.len() - behind.len();
                return self.end_line();
            }
            if !version && let Some(behind) = rest.strip_prefix(b"version: 1") {
                version = true;
                self.at = self.text.len() - behind.len();
                self.end_line()?;
            } else {
                self.nothing()?;
            }
        }
    }

    /// Reads one line below `pop3:`, and the fields below that.
    fn line(&mut self) -> Option<()> {
        let indent = self.indentation();
        if self.is_nothing(indent) {
            return self.nothing();
        }
        // All entries stand below one another, and less than one space is a field of the file.
        if self.content.listed.is_empty() {
            self.indent = indent;
        }
        if indent != self.indent || !(1..DEEPEST).contains(&indent) {
            return None;
        }
        let start = self.at + indent;
        let (length, form) = match self.text.get(start)? {
            quote @ (b'"' | b'\'') => (self.quoted_name(start + 1, *quote)?, Form::Quoted),
            _ => (self.name(start)?, Form::Plain),
        };
        let colon = start + length + if form == Form::Quoted { 2 } else { 0 };
        let access = self.access(colon)?;
        self.content.listed.push(Listed {
            offset: u32::try_from(start).ok()?,
            length: u16::try_from(length).ok()?,
            access,
            form,
        });
        Some(())
    }

    /// Reads what stands behind a name, from its colon on, and the fields below, if there are any.
    fn access(&mut self, colon: usize) -> Option<Access> {
        let rest = &self.text[colon..];
        // As almost all lines end, each in one glance.
        if let Some(behind) = rest.strip_prefix(b": enabled\n") {
            self.at = self.text.len() - behind.len();
            return Some(Access::Enabled);
        }
        if let Some(behind) = rest.strip_prefix(b": disabled\n") {
            self.at = self.text.len() - behind.len();
            return Some(Access::Disabled);
        }
        self.at = colon + 1;
        if let Some(access) = self.word() {
            self.end_line()?;
            return Some(access);
        }
        self.end_line()?;
        self.fields()
    }

    /// Returns the length of the name that begins here, if a colon follows it.
    fn name(&self, start: usize) -> Option<usize> {
        let rest = &self.text[start..];
        let goes_on = |byte: &u8| matches!(CLASS[usize::from(*byte)], Class::Any | Class::Inside);
        let length = rest.iter().position(|byte| !goes_on(byte))?;
        let begins_well = CLASS[usize::from(rest[0])] == Class::Any;
        if length == 0 || length > rules::LONGEST_NAME || rest[length] != b':' || !begins_well {
            return None;
        }
        if rest[length - 1] == b' ' {
            return None;
        }
        if !(self.is_ascii || rest[..length].is_ascii()) {
            let name = std::str::from_utf8(&rest[..length]).ok()?;
            rules::check_name(name).ok()?;
        }
        Some(length)
    }

    /// Returns the length of the name that begins here, behind a quote, if another one and a colon follow it.
    fn quoted_name(&self, start: usize, quote: u8) -> Option<usize> {
        let name = self.quoted(start, quote)?;
        rules::check_name(name).ok()?;
        let behind = self.text.get(start + name.len() + 1)?;
        (*behind == b':' && name.len() <= rules::LONGEST_NAME).then_some(name.len())
    }

    /// Returns the text from here to the next quote, if nothing in it means anything to YAML.
    fn quoted(&self, start: usize, quote: u8) -> Option<&str> {
        let rest = &self.text[start..];
        let length = rest.iter().position(|byte| *byte < b' ' || *byte == b'\\' || *byte == quote)?;
        if rest[length] != quote {
            return None;
        }
        std::str::from_utf8(&rest[..length]).ok()
    }

    /// Reads an access behind a colon and at least one space.
    fn word(&mut self) -> Option<Access> {
        let rest = &self.text[self.at..];
        let spaces = spaces(rest);
        let word = &rest[spaces..];
        let access = match word.first()? {
            b'e' if word.starts_with(b"enabled") => Access::Enabled,
            b'd' if word.starts_with(b"disabled") => Access::Disabled,
            _ => return None,
        };
        if spaces == 0 {
            return None;
        }
        self.at += spaces + access.word().len();
        Some(access)
    }

    /// Tells whether the line that begins here, so many spaces before its first character, has nothing but a comment.
    fn is_nothing(&self, indent: usize) -> bool {
        matches!(self.text.get(self.at + indent), Some(b'#' | b'\n'))
    }

    /// Reads a line with nothing but spaces and a comment.
    fn nothing(&mut self) -> Option<()> {
        self.at += self.indentation();
        match self.text.get(self.at)? {
            b'#' => self.comment(),
            b'\n' => self.at += 1,
            _ => return None,
        }
        Some(())
    }

    /// Reads up to the end of a line on which only spaces and a comment may follow.
    fn end_line(&mut self) -> Option<()> {
        let before = self.at;
        self.at += self.indentation();
        match self.text.get(self.at) {
            None => {}
            Some(b'\n') => self.at += 1,
            // Without a space before it, it would belong to the word.
            Some(b'#') if self.at > before => self.comment(),
            Some(_) => return None,
        }
        Some(())
    }

    fn comment(&mut self) {
        let rest = &self.text[self.at..];
        let length = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |end| end + 1);
        self.at += length;
    }

    /// Counts the spaces from here on.
    fn indentation(&self) -> usize {
        spaces(&self.text[self.at..])
    }
}

fn spaces(text: &[u8]) -> usize {
    text.iter().take_while(|byte| **byte == b' ').count()
}

#[cfg(test)]
mod tests;
