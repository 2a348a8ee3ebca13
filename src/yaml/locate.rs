//! Where a value stands. A value is addressed by ordinals, never by name, so that the second of two equal keys
//! can be meant.

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, StrInput};

use crate::diagnostic::Lines;

/// The address of a key or a value: in the n-th pair of the root, the m-th pair of its value, and so on. Orders
/// as the text does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct At {
    /// One ordinal, from 0, for each level; empty for the root value.
    pub path: Vec<u32>,
    /// Which half of the pair.
    pub part: Part,
}

impl At {
    /// The key of a pair.
    pub fn key(path: impl Into<Vec<u32>>) -> Self {
        Self { path: path.into(), part: Part::Key }
    }

    /// The value of a pair.
    pub fn value(path: impl Into<Vec<u32>>) -> Self {
        Self { path: path.into(), part: Part::Value }
    }
}

/// One half of a pair. An item of a list is a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// What stands before the colon.
    Key,
    /// What stands after it.
    Value,
}

/// From where to where something stands. Lines and columns count from 1, columns in characters; the end is the
/// first column that no longer belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Line and column of the first character.
    pub start: (u32, u32),
    /// Line and column after the last character.
    pub end: (u32, u32),
    /// Whether it is a list or a map in brackets or braces.
    pub flow: bool,
}

/// Finds the places of the wanted addresses, which must be sorted. What is not there, or stands behind a syntax
/// error, has none. The place of a value that is not written at all is that of its key.
pub fn locate(text: &str, wanted: &[At]) -> Vec<Option<Place>> {
    let lines = Lines::new(text);
    let mut places = vec![None; wanted.len()];
    let mut walk = Walk::new(text);
    // Collections that are wanted and not yet closed: how deep they are, and which address they answer.
    let mut open: Vec<(usize, usize)> = Vec::new();
    let mut last_written = Written { start: (1, 1), end: (1, 1), quoted: false };
    let mut last_key = None;
    let mut next = 0;
    while let Some(Ok((event, span))) = walk.next() {
        let mut written = Written { start: position(span.start), end: position(span.end), quoted: false };
        let empty = written.start == written.end;
        let collection = match event {
            Event::SequenceEnd | Event::MappingEnd => {
                if !empty {
                    // Only the bracket: the parser includes a comment that follows.
                    let (line, column) = written.start;
                    last_written = Written { end: (line, column + 1), ..written };
                }
                while let Some((_, index)) = open.pop_if(|(depth, _)| *depth > walk.depth()) {
                    let place: &mut Option<Place> = &mut places[index];
                    if let Some(place) = place {
                        place.end = last_written.end(text, &lines).max(place.start);
                    }
                }
                continue;
            }
            Event::Scalar(_, style, ..) => {
                written.quoted = matches!(style, ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted);
                false
            }
            Event::Alias(_) => false,
            Event::SequenceStart(..) | Event::MappingStart(..) => true,
            _ => continue,
        };
        let meant = match last_key {
            Some(key) if !collection && empty && walk.part() == Part::Value => key,
            _ => written,
        };
        if walk.part() == Part::Key {
            last_key = Some(written);
        }
        if !collection && !empty {
            last_written = written;
        }
        while next < wanted.len() && walk.is_past(&wanted[next]) {
            next += 1;
        }
        while next < wanted.len() && walk.is_at(&wanted[next]) {
            let flow = collection && !empty;
            places[next] = Some(Place { start: meant.start, end: meant.end(text, &lines), flow });
            if collection {
                open.push((walk.depth() + 1, next));
            }
            next += 1;
        }
        if next == wanted.len() && open.is_empty() {
            break;
        }
    }
    places
}

/// From where to where the parser says that something is written.
#[derive(Clone, Copy)]
struct Written {
    start: (u32, u32),
    end: (u32, u32),
    quoted: bool,
}

impl Written {
    /// Returns the end. For a scalar in quotes the parser includes a comment that follows, so its closing quote
    /// is looked for.
    fn end(self, text: &str, lines: &Lines) -> (u32, u32) {
        if !self.quoted {
            return self.end;
        }
        let start = lines.offset(text, self.start.0, self.start.1);
        quoted_end(text, start).map_or(self.end, |end| lines.position(text, end))
    }
}

/// Returns the offset after a key that begins at an offset and was read as `key`.
pub fn key_end(text: &str, start: usize, key: &str) -> usize {
    quoted_end(text, start).unwrap_or(start + key.len()).min(text.len())
}

/// Returns the offset after the quote that closes the one at `start`; `None` when there is none.
fn quoted_end(text: &str, start: usize) -> Option<usize> {
    let quote = text[start..].chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let mut rest = text[start..].char_indices().skip(1).peekable();
    while let Some((at, c)) = rest.next() {
        if c == '\\' && quote == '"' {
            rest.next();
        } else if c == quote {
            let doubled = quote == '\'' && rest.next_if(|(_, next)| *next == '\'').is_some();
            if !doubled {
                return Some(start + at + 1);
            }
        }
    }
    None
}

/// Returns line and column, both from 1.
pub(super) fn position(marker: Marker) -> (u32, u32) {
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    (number(marker.line()), number(marker.col()).saturating_add(1))
}

/// The events of a text, each with its address.
pub(super) struct Walk<'t> {
    parser: Parser<'t, StrInput<'t>>,
    frames: Vec<Frame>,
    after: After,
}

/// One open list or map.
struct Frame {
    map: bool,
    part: Part,
    ordinal: u32,
}

/// What becomes of the address once the event that was returned last has been looked at.
#[derive(Clone, Copy)]
enum After {
    Stay,
    Advance,
    Descend { map: bool },
}

impl<'t> Walk<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { parser: Parser::new_from_str(text), frames: Vec::new(), after: After::Stay }
    }

    /// Returns the next event. Nothing useful follows an error.
    pub(super) fn next(&mut self) -> Option<Result<(Event<'t>, Span), ScanError>> {
        match self.after {
            After::Stay => {}
            After::Advance => self.advance(),
            After::Descend { map } => {
                let part = if map { Part::Key } else { Part::Value };
                self.frames.push(Frame { map, part, ordinal: 0 });
            }
        }
        self.after = After::Stay;
        let next = self.parser.next_event()?;
        if let Ok((event, _)) = &next {
            self.after = match event {
                Event::Scalar(..) | Event::Alias(_) => After::Advance,
                Event::SequenceStart(..) => After::Descend { map: false },
                Event::MappingStart(..) => After::Descend { map: true },
                Event::SequenceEnd | Event::MappingEnd => {
                    self.frames.pop();
                    After::Advance
                }
                _ => After::Stay,
            };
        }
        Some(next)
    }

    /// Returns in how many lists and maps the current event stands.
    pub(super) fn depth(&self) -> usize {
        self.frames.len()
    }

    /// Tells whether the current event is a key or a value.
    pub(super) fn part(&self) -> Part {
        self.frames.last().map_or(Part::Value, |frame| frame.part)
    }

    fn is_at(&self, at: &At) -> bool {
        at.part == self.part() && at.path.iter().eq(self.frames.iter().map(|frame| &frame.ordinal))
    }

    fn is_past(&self, at: &At) -> bool {
        at.path.iter().cmp(self.frames.iter().map(|frame| &frame.ordinal)).then(at.part.cmp(&self.part()))
            == std::cmp::Ordering::Less
    }

    fn advance(&mut self) {
        if let Some(frame) = self.frames.last_mut() {
            if frame.map && frame.part == Part::Key {
                frame.part = Part::Value;
            } else {
                frame.ordinal += 1;
                frame.part = if frame.map { Part::Key } else { Part::Value };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "version: 1\r\npop3:\n  björn: {access: on, until: }\n  'q: r': \"x\" # c\n  anna:\n    \
                        access: enabled\n    reason: |-\n      long\n  last:\n";

    fn texts(text: &str, wanted: &[At]) -> Vec<Option<String>> {
        let lines = Lines::new(text);
        let offset = |(line, column)| lines.offset(text, line, column);
        locate(text, wanted)
            .into_iter()
            .map(|place| place.map(|place| text[offset(place.start)..offset(place.end)].to_owned()))
            .collect()
    }

    #[test]
    fn keys_and_values_are_found_by_their_ordinals() {
        let wanted = [
            At::key([0]),
            At::value([0]),
            At::key([1, 0]),
            At::value([1, 0]),
            At::value([1, 0, 0]),
            At::value([1, 0, 1]),
            At::key([1, 1]),
            At::value([1, 1]),
            At::value([1, 2]),
            At::value([1, 2, 0]),
            At::value([1, 3]),
            At::key([7]),
        ];
        let found = texts(TEXT, &wanted);
        let found: Vec<_> = found.iter().map(|found| found.as_deref()).collect();
        assert_eq!(
            found,
            [
                Some("version"),
                Some("1"),
                Some("björn"),
                Some("{access: on, until: }"),
                Some("on"),
                Some("until"),
                Some("'q: r'"),
                Some("\"x\""),
                Some("access: enabled\n    reason: |-\n      long\n  "),
                Some("enabled"),
                Some("last"),
                None,
            ]
        );
    }

    #[test]
    fn the_second_of_two_equal_keys_can_be_meant() {
        let lines: Vec<_> = locate("a: 1\na: 2\n", &[At::key([0]), At::key([1])])
            .into_iter()
            .map(|place| place.unwrap().start)
            .collect();
        assert_eq!(lines, [(1, 1), (2, 1)]);
    }

    #[test]
    fn a_text_ends_at_its_closing_quote_and_a_map_at_its_closing_brace() {
        for (text, value) in [
            ("a: \"x\\\"y\" # c \"\n", "\"x\\\"y\""),
            ("a: 'it''s' # c '\nb: 1\n", "'it''s'"),
            ("a: 'ü\n  b'\n", "'ü\n  b'"),
            ("a: \"\"\n", "\"\""),
        ] {
            assert_eq!(texts(text, &[At::value([0])]), [Some(value.to_owned())]);
        }
        assert_eq!(texts("{a: {b: 'c' }, d: e} # c\n", &[At::value([0])]), [Some("{b: 'c' }".to_owned())]);
        assert_eq!(texts("a: {b: c} # c\n", &[At::value([0])]), [Some("{b: c}".to_owned())]);
        assert_eq!(texts("a: [ ] # c\n", &[At::value([0])]), [Some("[ ]".to_owned())]);
        assert_eq!(texts("a:\n  b: 'c' # c\n", &[At::value([0])]), [Some("b: 'c'".to_owned())]);
    }

    #[test]
    fn what_stands_behind_a_syntax_error_has_no_place() {
        assert_eq!(locate("a: 1\nb: c: d\n", &[At::key([0]), At::key([2])])[1], None);
    }
}
