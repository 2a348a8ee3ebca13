//! How a file is laid out: where its `pop3` map is, and each entry in it.

use std::ops::Range;

use crate::diagnostic::Lines;
use crate::name::fold;
use crate::yaml::{self, At, Place, Raw};

/// One file that was read without a problem.
pub(super) struct Layout<'t> {
    pub(super) text: &'t str,
    lines: Lines,
    /// The position of `pop3` among the fields at the top.
    top: u32,
    /// The folded names of the entries, in the order of the file.
    pub(super) names: Vec<String>,
    /// For each entry, the names of its fields; `None` in the short form.
    fields: Vec<Option<Vec<String>>>,
    /// Whether the map of entries stands in braces.
    pub(super) flow: bool,
    /// Whether the whole file does.
    pub(super) root_flow: bool,
    pub(super) newline: &'static str,
}

/// One key or value in the text.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) range: Range<usize>,
    /// Whether it is a map in braces.
    pub(super) flow: bool,
}

impl<'t> Layout<'t> {
    pub(super) fn of(text: &'t str) -> Option<Self> {
        let raw = yaml::decode("", text).ok()?;
        let Raw::Map(top) = raw else { return None };
        let position = top.iter().position(|(key, _)| key.text == "pop3")?;
        let Raw::Map(entries) = &top[position].1 else { return None };
        let field_names = |raw: &Raw<'_>| match raw {
            Raw::Map(fields) => Some(fields.iter().map(|(key, _)| key.text.to_string()).collect()),
            _ => None,
        };
        let mut layout = Self {
            text,
            lines: Lines::new(text),
            top: position.try_into().ok()?,
            names: entries.iter().map(|(key, _)| fold(&key.text)).collect(),
            fields: entries.iter().map(|(_, raw)| field_names(raw)).collect(),
            flow: false,
            root_flow: false,
            newline: if text.contains("\r\n") { "\r\n" } else { "\n" },
        };
        layout.root_flow = layout.piece(At::value([]))?.flow;
        layout.flow = layout.value(&[])?.flow;
        Some(layout)
    }

    /// Returns the position of the entry with a name.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        let name = fold(name);
        self.names.iter().position(|other| *other == name)
    }

    /// Returns the names of the fields of an entry; `None` in the short form.
    pub(super) fn fields(&self, entry: usize) -> Option<&[String]> {
        self.fields.get(entry)?.as_deref()
    }

    /// Finds the key at a path below `pop3`; an empty path is `pop3` itself.
    pub(super) fn key(&self, path: &[usize]) -> Option<Piece> {
        self.piece(At::key(self.path(path)?))
    }

    /// Finds the value at a path below `pop3`.
    pub(super) fn value(&self, path: &[usize]) -> Option<Piece> {
        self.piece(At::value(self.path(path)?))
    }

    /// Returns where the line of an offset begins.
    pub(super) fn line_start(&self, offset: usize) -> usize {
        self.text[..offset].rfind('\n').map_or(0, |at| at + 1)
    }

    /// Returns where the line of an offset ends, before its line break.
    pub(super) fn line_end(&self, offset: usize) -> usize {
        let end = self.text[offset..].find('\n').map_or(self.text.len(), |at| offset + at);
        if self.text[offset..end].ends_with('\r') { end - 1 } else { end }
    }

    /// Returns the indentation of the line on which something begins, if nothing but it stands before.
    pub(super) fn indent(&self, offset: usize) -> Option<&'t str> {
        let before = &self.text[self.line_start(offset)..offset];
        before.bytes().all(|byte| byte == b' ').then_some(before)
    }

    /// Returns the offset after the colon that follows a key on the same line.
    pub(super) fn after_colon(&self, key: &Piece, value: &Piece) -> Option<usize> {
        let between = self.text.get(key.range.end..value.range.start)?;
        let colon = between.find(':')?;
        let blank = |text: &str| text.bytes().all(|byte| matches!(byte, b' ' | b'\t'));
        (blank(&between[..colon]) && blank(&between[colon + 1..])).then_some(key.range.end + colon + 1)
    }

    fn path(&self, path: &[usize]) -> Option<Vec<u32>> {
        let below = path.iter().map(|ordinal| u32::try_from(*ordinal).ok());
        std::iter::once(Some(self.top)).chain(below).collect()
    }

    fn piece(&self, at: At) -> Option<Piece> {
        let place = yaml::locate(self.text, &[at]).pop()??;
        let Place { start, end, flow } = place;
        let start = self.lines.offset(self.text, start.0, start.1);
        let end = self.lines.offset(self.text, end.0, end.1).max(start);
        // The end of a text of several lines lies behind its last line break.
        let end = start + self.text[start..end].trim_end().len();
        Some(Piece { range: start..end, flow })
    }
}
