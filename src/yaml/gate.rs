//! What is refused before decoding: everything by which two readers of the same file could see different data,
//! and everything that could make a small file expensive.

use saphyr_parser::Event;

use super::locate::{Part, Walk, position};
use super::syntax;
use crate::diagnostic::{Code, Diagnostic, Label, Lines, codes, is_bidirectional_override};

/// The largest file that is read, in bytes.
pub const LARGEST_FILE: usize = 64 << 20;

/// The deepest nesting of lists and maps.
const DEEPEST: usize = 8;

/// At most this many problems of one file are reported by the gate: beyond that it is not a text at all.
const MOST_PROBLEMS: usize = 1000;

/// What the gate has to say about one file.
pub struct Gated<'t> {
    /// The text without its byte order mark; `None` when it must not be decoded.
    pub text: Option<&'t str>,
    /// What was found. There can be problems in a text that may be decoded.
    pub problems: Vec<Diagnostic>,
}

/// Lets a file through, or says everything that is wrong with it.
pub fn gate<'t>(path: &str, bytes: &'t [u8]) -> Result<&'t str, Vec<Diagnostic>> {
    match inspect(path, bytes) {
        Gated { text: Some(text), problems } if problems.is_empty() => Ok(text),
        Gated { problems, .. } => Err(problems),
    }
}

/// Looks at a file and tells apart problems that only have to be reported from those that forbid decoding.
pub fn inspect<'t>(path: &str, bytes: &'t [u8]) -> Gated<'t> {
    let refused = |problem| Gated { text: None, problems: vec![problem] };
    if bytes.len() > LARGEST_FILE {
        return refused(
            Diagnostic::error(codes::FILE_SIZE, "the file is larger than 64 MiB")
                .at(Label::file(path))
                .help("split it: all files of the directory count together"),
        );
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => return refused(not_utf8(path, bytes, error)),
    };
    let mut problems = Vec::new();
    let may_decode = characters(path, text, &mut problems);
    if may_decode && needs_walk(text) {
        let found = walk(path, text);
        if !found.is_empty() {
            problems.extend(found);
            return Gated { text: None, problems };
        }
    }
    Gated { text: may_decode.then_some(text), problems }
}

/// Returns the text of a file in which no character is refused, without its byte order mark; `None` when
/// [`inspect`] would have something to say about a character, or about the file as a whole.
pub fn certain(bytes: &[u8]) -> Option<&str> {
    if bytes.len() > LARGEST_FILE {
        return None;
    }
    let text = std::str::from_utf8(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)).ok()?;
    // Looks at every byte, so that the compiler can look at many at once.
    let suspicious = text.bytes().fold(false, |any, byte| any | may_begin_refused(byte));
    let mut problems = Vec::new();
    (!suspicious || characters("", text, &mut problems) && problems.is_empty()).then_some(text)
}

/// Tells whether a byte could begin a character that is refused.
fn may_begin_refused(byte: u8) -> bool {
    (byte < 0x20 && byte != b'\n' && byte != b'\t') || matches!(byte, 0x7f | 0xc2 | 0xe2 | 0xef)
}

fn not_utf8(path: &str, bytes: &[u8], error: std::str::Utf8Error) -> Diagnostic {
    let sixteen = bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff");
    let message = if sixteen {
        "the file is UTF-16, not UTF-8".to_owned()
    } else {
        let byte = bytes.get(error.valid_up_to()).copied().unwrap_or_default();
        format!("the byte 0x{byte:02x} is not valid UTF-8")
    };
    // The line of the bad byte is shown as far as it is text.
    let rest = &bytes[error.valid_up_to()..];
    let line_end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()).min(200);
    let shown = String::from_utf8_lossy(&bytes[..error.valid_up_to() + line_end]);
    let spot = Lines::new(&*shown).spot(&shown, error.valid_up_to()..error.valid_up_to() + 1);
    Diagnostic::error(codes::NOT_UTF8, message)
        .at(Label::spot(path, spot).saying("from here on"))
        .help("save the file as UTF-8")
}

/// Reports characters that are refused wherever they stand. Tells whether the text may be decoded all the same.
fn characters(path: &str, text: &str, problems: &mut Vec<Diagnostic>) -> bool {
    let mut lines = None;
    let mut may_decode = true;
    // The end and the kind of the run that was reported last.
    let mut last: Option<(usize, Code)> = None;
    for (offset, byte) in text.bytes().enumerate() {
        if !may_begin_refused(byte) {
            continue;
        }
        let Some(c) = text[offset..].chars().next() else { break };
        let code = match c {
            '\r' if text[offset + 1..].starts_with('\n') => continue,
            '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => codes::LINE_BREAK,
            '\u{feff}' | '\u{fffe}' | '\u{ffff}' => codes::CONTROL_CHARACTER,
            c if c.is_control() => codes::CONTROL_CHARACTER,
            c if is_bidirectional_override(c) => codes::BIDIRECTIONAL_OVERRIDE,
            _ => continue,
        };
        may_decode &= code == codes::BIDIRECTIONAL_OVERRIDE;
        let end = offset + c.len_utf8();
        let continues = last.is_some_and(|(end, kind)| end == offset && kind == code);
        last = Some((end, code));
        if continues || problems.len() >= MOST_PROBLEMS {
            continue;
        }
        let lines = lines.get_or_insert_with(|| Lines::new(text));
        let name = format!("U+{:04X}", u32::from(c));
        let (message, help) = match code {
            codes::LINE_BREAK if c == '\r' => (
                "a carriage return without a line feed is not a line break for every reader".to_owned(),
                "end lines with LF or CRLF",
            ),
            codes::LINE_BREAK => (
                format!("the character {name} is a line break for some readers and not for others"),
                "end lines with LF or CRLF",
            ),
            codes::CONTROL_CHARACTER => (format!("the character {name} is not allowed"), "delete it"),
            _ => (
                format!("the character {name} makes this line read in another order than it is written"),
                "delete it",
            ),
        };
        let label = Label::spot(path, lines.spot(text, offset..end)).saying("here");
        problems.push(Diagnostic::error(code, message).at(label).help(help));
    }
    may_decode
}

/// Tells whether anything occurs that could be more than block maps of plain values. May be wrong only by
/// saying yes.
pub(super) fn needs_walk(text: &str) -> bool {
    text.bytes().any(|byte| matches!(byte, b'&' | b'*' | b'!' | b'[' | b'{'))
        || text.contains("<<")
        || text.split('\n').any(could_nest)
}

/// Tells whether a line could begin something nested deeper than [`DEEPEST`] without a bracket: by its
/// indentation, or by `- - -`, which opens a level with every two bytes.
fn could_nest(line: &str) -> bool {
    let content = line.trim_start_matches(' ');
    line.len() - content.len() >= DEEPEST
        || (content.starts_with(['-', '?', ':'])
            && content[1..].bytes().next().is_none_or(|byte| matches!(byte, b' ' | b'\t' | b'\r')))
}

/// Reads the structure of a text and refuses what is not plain data. Also finds the place of what makes
/// decoding fail without one.
pub(super) fn walk(path: &str, text: &str) -> Vec<Diagnostic> {
    let lines = Lines::new(text);
    let mut walk = Walk::new(text);
    let mut problems = Vec::new();
    let mut documents = 0;
    while let Some(next) = walk.next() {
        if problems.len() >= MOST_PROBLEMS {
            break;
        }
        let (event, span) = match next {
            Ok(next) => next,
            Err(error) => {
                problems.push(syntax::from_scan(path, text, &lines, &error));
                break;
            }
        };
        let mut refuse = |code, message: &str, help: &str| {
            let (line, column) = position(span.start);
            let offset = lines.offset(text, line, column);
            let label = Label::spot(path, lines.spot(text, offset..offset + 1));
            problems.push(Diagnostic::error(code, message).at(label).help(help));
        };
        let (anchor, tag) = match &event {
            Event::Scalar(value, style, anchor, tag) => {
                if *value == "<<" && *style == saphyr_parser::ScalarStyle::Plain && walk.part() == Part::Key {
                    refuse(
                        codes::ANCHOR,
                        "a merge key is not allowed: this file is plain data",
                        "write the fields out",
                    );
                }
                (*anchor, tag.is_some())
            }
            Event::SequenceStart(anchor, tag) | Event::MappingStart(anchor, tag) => {
                if walk.part() == Part::Key {
                    refuse(
                        codes::KEY_KIND,
                        "a list or a map cannot stand before a colon",
                        "write a name; one with brackets or braces in it must be put in quotes",
                    );
                }
                if walk.depth() >= DEEPEST {
                    refuse(
                        codes::TOO_DEEP,
                        "this is nested deeper than 8 levels",
                        "a name or a text with brackets or braces in it must be put in quotes",
                    );
                    break;
                }
                (*anchor, tag.is_some())
            }
            Event::Alias(_) => {
                refuse(codes::ANCHOR, syntax::ALIAS, syntax::ALIAS_HELP);
                (0, false)
            }
            Event::DocumentStart(_) => {
                documents += 1;
                if documents > 1 {
                    refuse(
                        codes::SECOND_DOCUMENT,
                        "a second document begins here",
                        "move it to a file of its own",
                    );
                    break;
                }
                (0, false)
            }
            _ => (0, false),
        };
        if anchor != 0 {
            refuse(
                codes::ANCHOR,
                "an anchor is not allowed: this file is plain data",
                "remove it; a name or a text that begins with `&` must be put in quotes",
            );
        }
        if tag {
            refuse(
                codes::TAG,
                "a tag is not allowed: this file is plain data",
                "remove it; a name or a text that begins with `!` must be put in quotes",
            );
        }
    }
    problems
}
