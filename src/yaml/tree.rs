//! A small YAML file as a tree in which every piece knows its place. Made for settings: it keeps what a decoder
//! throws away (order, doubled keys, quotes, positions) and holds everything in memory.
//!
//! Only plain data passes: anchors, aliases, tags, merge keys, second documents and deep nesting are refused,
//! because they make one text mean different things to different readers. What a scalar means is not decided here.

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, StrInput};

/// How deep maps and lists may nest.
pub const DEPTH: usize = 8;

/// After so many refusals the rest of the file is not looked at.
const ENOUGH: usize = 100;

/// A run of characters in one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// How many characters; at least 1.
    pub width: u32,
    /// The line on which the piece ends.
    pub last_line: u32,
}

/// A value and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Where it stands; for a map or list in block style, where its first piece stands.
    pub at: Place,
    /// What stands there.
    pub value: Value,
}

/// What a node holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Keys with their values as written, doubled keys included.
    Map(Vec<(Key, Node)>),
    /// Values in order.
    List(Vec<Node>),
    /// One piece of text; nothing at all is an empty plain one.
    Scalar {
        /// The text, escapes resolved.
        text: String,
        /// Written without quotes, so that it may mean a number or nothing.
        plain: bool,
    },
}

/// The key of a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Where it stands.
    pub at: Place,
    /// Its text.
    pub text: String,
}

/// Something that makes the file no plain data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Where.
    pub at: Place,
    /// What.
    pub what: Refused,
}

/// What is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// `*name`.
    Alias,
    /// `&name`.
    Anchor,
    /// More than [`DEPTH`] maps and lists within each other. Nothing after it was looked at.
    Depth,
    /// A map or list where the key of a map belongs.
    Key,
    /// The merge key `<<`.
    Merge,
    /// A second document. Nothing after it was looked at.
    SecondDocument,
    /// Not YAML; carries the parser's words, which quote at most one character of the file. Nothing after it was
    /// looked at.
    Syntax(String),
    /// `!name`.
    Tag,
}

/// Reads the one document of a text; `None` when there is none (an empty or comment-only file).
///
/// # Errors
/// Everything that is refused, in order of place.
pub fn read(text: &str) -> Result<Option<Node>, Vec<Refusal>> {
    let mut reader = Reader {
        events: Parser::new_from_str(text),
        lines: text.lines().collect(),
        refusals: Vec::new(),
        depth: 0,
    };
    let root = reader.document();
    if let (Ok(root), []) = (root, &*reader.refusals) {
        return Ok(root);
    }
    reader.refusals.sort_by_key(|refusal| refusal.at);
    Err(reader.refusals)
}

/// Reading cannot go on; why is in the refusals.
struct Stop;

struct Reader<'a> {
    events: Parser<'a, StrInput<'a>>,
    lines: Vec<&'a str>,
    refusals: Vec<Refusal>,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn document(&mut self) -> Result<Option<Node>, Stop> {
        let mut root = None;
        loop {
            match self.next()? {
                (Event::StreamStart | Event::Nothing | Event::DocumentEnd, _) => {}
                (Event::StreamEnd, _) => return Ok(root),
                (Event::DocumentStart(_), span) if root.is_some() => {
                    return Err(self.stop(Refused::SecondDocument, span));
                }
                (Event::DocumentStart(_), _) => {
                    let first = self.next()?;
                    root = Some(self.node(first)?);
                }
                // The parser begins no node outside a document.
                (_, span) => return Err(self.stop(Refused::Syntax("unexpected content".to_owned()), span)),
            }
        }
    }

    fn node(&mut self, (event, span): (Event<'a>, Span)) -> Result<Node, Stop> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.decorations(anchor, tag.is_some(), span)?;
                let plain = matches!(style, ScalarStyle::Plain);
                Ok(Node { at: self.place(span), value: Value::Scalar { text: text.into_owned(), plain } })
            }
            Event::MappingStart(anchor, tag) => {
                self.decorations(anchor, tag.is_some(), span)?;
                self.nested(span, Self::map)
            }
            Event::SequenceStart(anchor, tag) => {
                self.decorations(anchor, tag.is_some(), span)?;
                self.nested(span, Self::list)
            }
            Event::Alias(_) => {
                self.refuse(Refused::Alias, span)?;
                Ok(Node { at: self.place(span), value: Value::Scalar { text: String::new(), plain: true } })
            }
            // The parser emits nothing else where a value belongs.
            _ => Err(self.stop(Refused::Syntax("expected a value".to_owned()), span)),
        }
    }

    /// Reads a map or a list; `content` returns what it holds and where it ends.
    fn nested(
        &mut self,
        span: Span,
        content: fn(&mut Self) -> Result<(Value, Span), Stop>,
    ) -> Result<Node, Stop> {
        if self.depth == DEPTH {
            return Err(self.stop(Refused::Depth, span));
        }
        self.depth += 1;
        let (value, end) = content(self)?;
        self.depth -= 1;
        let flow = span.start.index() < span.end.index();
        let at = match &value {
            _ if flow => self.place(Span::new(span.start, end.end)),
            Value::Map(entries) if !entries.is_empty() => entries[0].0.at,
            Value::List(items) if !items.is_empty() => self.place(Span::new(span.start, span.start)),
            _ => self.place(span),
        };
        let last_line = at.last_line.max(match &value {
            Value::Map(entries) => entries.last().map_or(0, |(_, last)| last.at.last_line),
            Value::List(items) => items.last().map_or(0, |last| last.at.last_line),
            Value::Scalar { .. } => 0,
        });
        Ok(Node { at: Place { last_line, ..at }, value })
    }

    fn map(&mut self) -> Result<(Value, Span), Stop> {
        let mut entries = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                return Ok((Value::Map(entries), span));
            }
            let node = self.node((event, span))?;
            let key = match node.value {
                Value::Scalar { text, plain } => {
                    if plain && text == "<<" {
                        self.refuse(Refused::Merge, span)?;
                    }
                    Key { at: node.at, text }
                }
                Value::Map(_) | Value::List(_) => {
                    self.refuse(Refused::Key, span)?;
                    Key { at: node.at, text: String::new() }
                }
            };
            let value = self.next()?;
            entries.push((key, self.node(value)?));
        }
    }

    fn list(&mut self) -> Result<(Value, Span), Stop> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::SequenceEnd {
                return Ok((Value::List(items), span));
            }
            items.push(self.node((event, span))?);
        }
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), Stop> {
        match self.events.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(self.syntax(&error)),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn decorations(&mut self, anchor: usize, tag: bool, span: Span) -> Result<(), Stop> {
        if anchor != 0 {
            self.refuse(Refused::Anchor, span)?;
        }
        if tag {
            self.refuse(Refused::Tag, span)?;
        }
        Ok(())
    }

    fn syntax(&mut self, error: &ScanError) -> Stop {
        self.stop(Refused::Syntax(error.info().to_owned()), Span::empty(*error.marker()))
    }

    fn stop(&mut self, what: Refused, span: Span) -> Stop {
        let at = self.place(span);
        self.refusals.push(Refusal { at, what });
        Stop
    }

    fn refuse(&mut self, what: Refused, span: Span) -> Result<(), Stop> {
        let stop = self.stop(what, span);
        if self.refusals.len() < ENOUGH { Ok(()) } else { Err(stop) }
    }

    /// Turns a span of the parser into the part of it that stands in its first line.
    fn place(&self, Span { start, end }: Span) -> Place {
        let Some(line) = self.lines.get(start.line().saturating_sub(1)) else {
            return self.end_of_text();
        };
        let width =
            if end.line() == start.line() { end.col().saturating_sub(start.col()) } else { usize::MAX };
        let after = line.get(byte_of(line, start.col())..).unwrap_or_default();
        let shown = after.get(..byte_of(after, width)).unwrap_or_default();
        Place {
            line: number(start.line()).max(1),
            column: number(start.col()).saturating_add(1),
            width: number(shown.trim_end().chars().count()).max(1),
            last_line: number(last_line(start, end)).max(1),
        }
    }

    /// The parser reports a text that ends too soon on the line after its last one.
    fn end_of_text(&self) -> Place {
        let line = number(self.lines.len()).max(1);
        let column = number(self.lines.last().map_or(0, |last| last.chars().count())).saturating_add(1);
        Place { line, column, width: 1, last_line: line }
    }
}

/// Returns where the character with this number begins, at most the end of the text. Far out in a line that is not
/// ASCII this is only a guess, because counting anew for each of many pieces takes its time.
fn byte_of(text: &str, character: usize) -> usize {
    const FAR: usize = 4096;
    let head = text.as_bytes().get(..character.min(FAR)).unwrap_or(text.as_bytes());
    if head.is_ascii() || character > FAR {
        return character.min(text.len());
    }
    text.char_indices().nth(character).map_or(text.len(), |(byte, _)| byte)
}

/// A span that ends before the first character of a line ends on the line before.
fn last_line(start: Marker, end: Marker) -> usize {
    let last = if end.col() == 0 { end.line().saturating_sub(1) } else { end.line() };
    last.max(start.line())
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::*;

    /// Writes every piece as `line:column+width text`.
    fn sketch(node: &Node) -> String {
        fn piece(at: Place) -> String {
            format!("{}:{}+{}", at.line, at.column, at.width)
        }
        let mut out = String::new();
        match &node.value {
            Value::Scalar { text, plain } => {
                let quote = if *plain { "" } else { "'" };
                write!(out, "{} {quote}{text}{quote}", piece(node.at)).unwrap();
            }
            Value::Map(entries) => {
                let entry = |(key, value): &(Key, Node)| {
                    format!("{} {} => {}", piece(key.at), key.text, sketch(value))
                };
                write!(out, "{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join("; ")).unwrap();
            }
            Value::List(items) => {
                write!(out, "[{}]", items.iter().map(sketch).collect::<Vec<_>>().join("; ")).unwrap();
            }
        }
        out
    }

    fn read_ok(text: &str) -> String {
        sketch(&read(text).unwrap().unwrap())
    }

    fn refused(text: &str) -> Vec<(Refused, u32, u32)> {
        let refusals = read(text).expect_err(text);
        refusals.into_iter().map(|refusal| (refusal.what, refusal.at.line, refusal.at.column)).collect()
    }

    #[test]
    fn every_piece_knows_its_place() {
        assert_eq!(
            read_ok("a: b # note\nü:\n  d: [1, {x: 'y'  }]\n  e: |\n    two\n    lines\n"),
            "{1:1+1 a => 1:4+1 b; 2:1+1 ü => {3:3+1 d => [3:7+1 1; {3:11+1 x => 3:14+3 'y'}]; \
             4:3+1 e => 5:5+3 'two\nlines\n'}}"
        );
    }

    #[test]
    fn windows_line_breaks_shift_nothing() {
        assert_eq!(read_ok("a: b\r\nc: d\r\n"), read_ok("a: b\nc: d\n"));
    }

    #[test]
    fn doubled_keys_and_their_order_are_kept() {
        assert_eq!(
            read_ok("b: 1\na: 2\nb: 3\n"),
            "{1:1+1 b => 1:4+1 1; 2:1+1 a => 2:4+1 2; 3:1+1 b => 3:4+1 3}"
        );
    }

    #[test]
    fn nothing_is_an_empty_plain_scalar() {
        assert_eq!(read_ok("a:\nb: ''\n"), "{1:1+1 a => 1:2+1 ; 2:1+1 b => 2:4+2 ''}");
    }

    #[test]
    fn a_piece_over_several_lines_says_where_it_ends() {
        let Value::Map(entries) = read("a:\n  plain\n  text\nb: {\n  c: d\n  }\n").unwrap().unwrap().value
        else {
            panic!("a map")
        };
        let lines: Vec<_> = entries.iter().map(|(_, value)| (value.at.line, value.at.last_line)).collect();
        assert_eq!(lines, [(2, 3), (4, 6)]);
        assert_eq!(entries[0].1.at.width, 5);
    }

    #[test]
    fn a_file_without_content_is_no_tree() {
        for text in ["", "\n\n", "# only a comment\n"] {
            assert_eq!(read(text), Ok(None), "{text:?}");
        }
    }

    #[test]
    fn what_is_not_plain_data_is_refused_at_its_place() {
        assert_eq!(
            refused("a: &x 1\nb: *x\nc: !!str 2\nd: {<<: {e: f}}\n[g]: h\n"),
            [
                (Refused::Anchor, 1, 4),
                (Refused::Alias, 2, 4),
                (Refused::Tag, 3, 4),
                (Refused::Merge, 4, 5),
                (Refused::Key, 5, 1),
            ]
        );
        assert_eq!(refused("a: 1\n---\nb: 2\n"), [(Refused::SecondDocument, 2, 1)]);
        assert_eq!(read_ok("'<<': r&d@x\n"), "{1:1+4 << => 1:7+5 r&d@x}");
    }

    #[test]
    fn nesting_is_refused_below_the_eighth_level() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(read(&nested(DEPTH)).is_ok());
        assert_eq!(refused(&nested(DEPTH + 1)), [(Refused::Depth, 1, 9)]);
    }

    #[test]
    fn a_text_that_ends_too_soon_is_located_at_its_end() {
        for text in ["a: [b", "a: [b\n"] {
            let [(Refused::Syntax(_), 1, 6)] = &refused(text)[..] else { panic!("{:?}", refused(text)) };
        }
    }

    #[test]
    fn a_flood_of_refusals_ends_the_reading() {
        assert_eq!(read(&"- &a b\n".repeat(10_000)).unwrap_err().len(), ENOUGH);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,200}") {
            let _unused = read(&text).is_ok();
        }

        #[test]
        fn no_punctuation_makes_it_panic(text in "[-\\[\\]{}:,?&*!|>'\"%@`#~ \\n\\r\\tab\u{85}\u{2028}\u{feff}\0]{0,80}") {
            let _unused = read(&text).is_ok();
        }

        #[test]
        fn every_place_lies_in_the_text(text in "([a-zü]{1,3}: ?([a-zü ]{0,5}|'[a-z]*'|\\[[a-z, ]*\\])\\r?\\n){0,6}") {
            fn check(node: &Node, lines: &[&str]) {
                let line = lines[node.at.line as usize - 1];
                assert!(node.at.column as usize <= line.chars().count() + 1);
                match &node.value {
                    Value::Map(entries) => entries.iter().for_each(|(key, value)| {
                        let start = lines[key.at.line as usize - 1].chars().skip(key.at.column as usize - 1);
                        assert_eq!(start.take(key.at.width as usize).collect::<String>(), key.text.as_str());
                        check(value, lines);
                    }),
                    Value::List(items) => items.iter().for_each(|item| check(item, lines)),
                    Value::Scalar { .. } => {}
                }
            }
            if let Ok(Some(root)) = read(&text) {
                check(&root, &text.lines().collect::<Vec<_>>());
            }
        }
    }
}
