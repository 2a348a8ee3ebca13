//! The shape in which almost all files come: one user on a line, and nothing that YAML could read in two ways.
//!
//! ```yaml
//! version: 1
//! pop3:
//!   # a comment, also in other scripts
//!   alice@contoso.example: enabled
//!   John Smith: disabled  # left
//! ```
//!
//! A file is taken as a whole or not at all. What is taken means exactly what the full decoder would read, at the same
//! places; tests compare the two. Whatever is not certain, wrong files above all, is left to the decoder.

use std::ops::ControlFlow;

use super::file::{Form, Listed};
use super::rules;
use crate::model::Access;
use crate::yaml;

/// Returns the entries of a file of this shape, of which there is at least one; `None` when it is none.
pub(super) fn entries(bytes: &[u8]) -> Option<Vec<Listed>> {
    let text = yaml::certain(bytes)?;
    let mut reading = Reading { text: text.as_bytes(), at: 0, indent: 0, listed: Vec::new() };
    reading.head()?;
    while reading.at < reading.text.len() {
        reading.line()?;
    }
    (!reading.listed.is_empty()).then_some(reading.listed)
}

struct Reading<'t> {
    text: &'t [u8],
    /// The beginning of a line.
    at: usize,
    /// How far entries stand from the margin.
    indent: usize,
    listed: Vec<Listed>,
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
    /// Its end.
    Colon,
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
            b':' => Class::Colon,
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

    /// Reads one line below `pop3:`.
    fn line(&mut self) -> Option<()> {
        let rest = &self.text[self.at..];
        let indent = rest.iter().take_while(|byte| **byte == b' ').count();
        if matches!(rest.get(indent), Some(b'#' | b'\n')) {
            return self.nothing();
        }
        // All entries stand below one another. Eight and more could be deeply nested, and less than one is a field.
        if self.listed.is_empty() {
            self.indent = indent;
        }
        if indent != self.indent || !(1..8).contains(&indent) {
            return None;
        }
        let start = self.at + indent;
        let length = self.name(start)?;
        self.at = start + length + 1;
        let access = self.access()?;
        self.end_line()?;
        self.listed.push(Listed {
            offset: u32::try_from(start).ok()?,
            length: u16::try_from(length).ok()?,
            access,
            form: Form::Plain,
        });
        Some(())
    }

    /// Returns the length of the name that begins here, if a colon and a space follow it.
    fn name(&self, start: usize) -> Option<usize> {
        let rest = &self.text[start..];
        let mut beyond_ascii = false;
        let end = rest.iter().try_fold(0, |length, byte| match CLASS[usize::from(*byte)] {
            Class::Any => {
                beyond_ascii |= !byte.is_ascii();
                ControlFlow::Continue(length + 1)
            }
            Class::Inside if length > 0 => ControlFlow::Continue(length + 1),
            Class::Colon if length > 0 => ControlFlow::Break(Some(length)),
            _ => ControlFlow::Break(None),
        });
        let ControlFlow::Break(Some(length)) = end else { return None };
        let ends_well = rest[length - 1] != b' ' && rest.get(length + 1) == Some(&b' ');
        if !ends_well || length > rules::LONGEST_NAME {
            return None;
        }
        if beyond_ascii {
            let name = std::str::from_utf8(&rest[..length]).ok()?;
            rules::check_name(name).ok()?;
        }
        Some(length)
    }

    /// Reads the word behind the colon.
    fn access(&mut self) -> Option<Access> {
        self.spaces();
        let rest = &self.text[self.at..];
        for access in [Access::Enabled, Access::Disabled] {
            if rest.starts_with(access.word().as_bytes()) {
                self.at += access.word().len();
                return Some(access);
            }
        }
        None
    }

    /// Reads a line with nothing but spaces and a comment.
    fn nothing(&mut self) -> Option<()> {
        self.spaces();
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
        self.spaces();
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

    fn spaces(&mut self) {
        self.at += self.text[self.at..].iter().take_while(|byte| **byte == b' ').count();
    }
}

#[cfg(test)]
mod tests;
