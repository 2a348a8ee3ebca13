//! Reading one map of the settings, field by field: each reader returns what it understood and reports what it did
//! not, and then goes on, so that one run names every problem.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::codes;
use super::duration::{self, BadDuration};
use super::nearest::{choice, listed, nearest};
use super::problems::{Problems, shown};
use super::schema::Field;
use super::written::{Node, Value};
use crate::secret::Secret;
use crate::yaml::tree::{Key, Place};

/// One value and the field it belongs to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'n> {
    /// The field's name, for messages.
    pub(super) name: &'n str,
    /// Where the name stands.
    pub(super) key: Place,
    /// The value.
    pub(super) node: &'n Node,
    /// It is one of several in a list.
    item: bool,
}

/// The fields of one map.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'n> {
    /// The map.
    of: Piece<'n>,
    entries: &'n [(Key, Node)],
    known: &'static [Field],
}

impl<'n> Fields<'n> {
    /// Opens a map; reports unknown and doubled fields.
    pub(super) fn open(of: Piece<'n>, known: &'static [Field], problems: &mut Problems<'_>) -> Option<Self> {
        let Value::Map(entries) = &of.node.value else { return of.wrong("a map of fields", problems) };
        let fields = Self { of, entries, known };
        for (at, (key, _)) in entries.iter().enumerate() {
            if !known.iter().any(|field| field.name == key.text) {
                fields.unknown(key, problems);
            }
            if let Some((first, _)) = entries[..at].iter().find(|(first, _)| first.text == key.text) {
                doubled(first, key, problems);
            }
        }
        Some(fields)
    }

    /// Returns a field that may be left out.
    pub(super) fn get(&self, name: &str) -> Option<Piece<'n>> {
        debug_assert!(self.known.iter().any(|field| field.name == name), "`{name}` is in no table");
        let (key, node) = self.entries.iter().find(|(key, _)| key.text == name)?;
        Some(Piece::new(key, node))
    }

    /// Returns a field that must be there; `help` says what to write.
    pub(super) fn need(&self, name: &str, help: &str, problems: &mut Problems<'_>) -> Option<Piece<'n>> {
        let piece = self.get(name);
        if piece.is_none() {
            let place = if self.of.name.is_empty() { self.of.node.at } else { self.of.key };
            let of = if self.of.name.is_empty() {
                String::new()
            } else {
                format!(" in `{}`", shown(self.of.name))
            };
            problems.error(codes::MISSING_FIELD, place, format!("missing field `{name}`{of}")).help(help);
        }
        piece
    }

    /// Returns the map itself.
    pub(super) fn whole(&self) -> Piece<'n> {
        self.of
    }

    fn unknown(&self, key: &Key, problems: &mut Problems<'_>) {
        let names = || self.known.iter().map(|field| field.name);
        let help = match nearest(&key.text, names()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None if self.known.len() == 1 => format!("the only field here is {}", listed(names())),
            None => format!("the fields here are {}", listed(names())),
        };
        problems
            .error(codes::UNKNOWN_FIELD, key.at, format!("unknown field `{}`", shown(&key.text)))
            .help(help);
    }
}

/// Reports a key written twice.
pub(super) fn doubled(first: &Key, again: &Key, problems: &mut Problems<'_>) {
    let label = problems.label(first.at, "first written here");
    problems
        .error(codes::DOUBLED_FIELD, again.at, format!("`{}` is written twice", shown(&again.text)))
        .label("written again here")
        .also(label)
        .help("keep one of the two");
}

impl<'n> Piece<'n> {
    /// The value of a field.
    pub(super) fn new(key: &'n Key, node: &'n Node) -> Self {
        Self { name: &key.text, key: key.at, node, item: false }
    }

    /// The whole file.
    pub(super) fn root(node: &'n Node) -> Self {
        Self { name: "", key: node.at, node, item: false }
    }

    /// Says of what a message speaks.
    pub(super) fn title(self) -> String {
        match self.name {
            "" => "the file".to_owned(),
            name if self.item => format!("an item of `{}`", shown(name)),
            name => format!("`{}`", shown(name)),
        }
    }

    /// Reports a value of the wrong kind.
    pub(super) fn wrong<T>(self, expected: &str, problems: &mut Problems<'_>) -> Option<T> {
        let title = self.title();
        let message = match &self.node.value {
            Value::Nothing => format!("{title} is empty, it must be {expected}"),
            value => format!("{title} must be {expected}, not {}", value.kind()),
        };
        let report = problems.error(codes::WRONG_TYPE, self.node.at, message);
        match &self.node.value {
            Value::Integer(_, text) | Value::Number(text) if expected.contains("text") => {
                report.help(format!("write \"{}\" in quotes", shown(text)));
            }
            Value::Nothing if !self.name.is_empty() => {
                report.help(format!("write a value, or remove `{}`", shown(self.name)));
            }
            _ => {}
        }
        None
    }

    /// Reads text of one line that says something.
    pub(super) fn text(self, problems: &mut Problems<'_>) -> Option<&'n str> {
        let Value::Text(text) = &self.node.value else { return self.wrong("text", problems) };
        let bad = match text {
            _ if text.trim().is_empty() => "may not be empty",
            _ if text.chars().any(char::is_control) => "may not contain control characters or line breaks",
            _ if text.len() > 4096 => "is too long",
            _ => return Some(text),
        };
        problems.error(codes::BAD_TEXT, self.node.at, format!("{} {bad}", self.title()));
        None
    }

    /// Reads `true` or `false`.
    pub(super) fn flag(self, problems: &mut Problems<'_>) -> Option<bool> {
        match self.node.value {
            Value::Flag(flag) => Some(flag),
            _ => self.wrong("`true` or `false`", problems),
        }
    }

    /// Reads a whole number within bounds.
    pub(super) fn integer(self, least: i64, most: i64, problems: &mut Problems<'_>) -> Option<i64> {
        let Value::Integer(number, text) = &self.node.value else {
            return self.wrong("a whole number", problems);
        };
        if (least..=most).contains(number) {
            return Some(*number);
        }
        let bounds =
            if most == i64::MAX { format!("at least {least}") } else { format!("from {least} to {most}") };
        let message = format!("{} must be {bounds}, not {}", self.title(), shown(text));
        problems.error(codes::OUT_OF_RANGE, self.node.at, message);
        None
    }

    /// Reads a percentage.
    pub(super) fn percent(self, problems: &mut Problems<'_>) -> Option<u8> {
        if let Value::Text(text) = &self.node.value
            && let Some(number) = text.strip_suffix('%')
            && number.parse::<u8>().is_ok()
        {
            let message = format!("{} must be a whole number, not text", self.title());
            problems.error(codes::WRONG_TYPE, self.node.at, message).help(format!("write `{number}`"));
            return None;
        }
        self.integer(0, 100, problems).and_then(|percent| u8::try_from(percent).ok())
    }

    /// Reads a duration, which may be zero.
    pub(super) fn duration(self, problems: &mut Problems<'_>) -> Option<Duration> {
        let (Value::Text(text) | Value::Integer(_, text)) = &self.node.value else {
            return self.wrong("a duration such as `30s`", problems);
        };
        let (message, help) = match duration::parse(text) {
            Ok(duration) => return Some(duration),
            Err(BadDuration::NoUnit) => (
                format!("`{}` has no unit", shown(text)),
                format!("write `{0}s` for seconds or `{0}m` for minutes", shown(text)),
            ),
            Err(BadDuration::Form) => (
                format!("`{}` is not a duration", shown(text)),
                "write for example `500ms`, `30s`, `15m`, `1h` or `1h30m`".to_owned(),
            ),
            Err(BadDuration::TooLong) => (
                format!("`{}` is too long", shown(text)),
                format!("the longest is {} (366 days)", duration::written(duration::LONGEST)),
            ),
        };
        problems.error(codes::BAD_DURATION, self.node.at, message).help(help);
        None
    }

    /// Reads a duration of which zero would make no sense.
    pub(super) fn some_duration(self, problems: &mut Problems<'_>) -> Option<Duration> {
        let duration = self.duration(problems)?;
        if duration.is_zero() {
            let message = format!("{} must be more than zero", self.title());
            problems.error(codes::OUT_OF_RANGE, self.node.at, message);
            return None;
        }
        Some(duration)
    }

    /// Reads one of some words.
    pub(super) fn word<T: Copy>(self, words: &[(&str, T)], problems: &mut Problems<'_>) -> Option<T> {
        let names = || words.iter().map(|(word, _)| *word);
        let text = match &self.node.value {
            Value::Text(text) => text.as_str(),
            Value::Flag(true) => "true",
            Value::Flag(false) => "false",
            _ => return self.wrong(&choice(names()), problems),
        };
        if let Some((_, meaning)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*meaning);
        }
        let message = format!("{} must be {}, not `{}`", self.title(), choice(names()), shown(text));
        let report = problems.error(codes::WRONG_WORD, self.node.at, message);
        if let Some(meant) = nearest(text, names()) {
            report.help(format!("did you mean `{meant}`?"));
        }
        None
    }

    /// Returns the items of a list, each under the name of the field.
    pub(super) fn items(self, expected: &str, problems: &mut Problems<'_>) -> Option<Vec<Self>> {
        let Value::List(items) = &self.node.value else { return self.wrong(expected, problems) };
        Some(items.iter().map(|node| Piece { name: self.name, key: node.at, node, item: true }).collect())
    }

    /// Returns the items of a list, or the one value that stands in its place.
    pub(super) fn one_or_more(self, problems: &mut Problems<'_>) -> Option<Vec<Self>> {
        match &self.node.value {
            Value::List(items) if items.is_empty() => self.too_few(problems),
            Value::List(_) => self.items("a list", problems),
            _ => Some(vec![self]),
        }
    }

    /// Reports an empty list.
    pub(super) fn too_few<T>(self, problems: &mut Problems<'_>) -> Option<T> {
        problems.error(
            codes::OUT_OF_RANGE,
            self.node.at,
            format!("`{}` may not be an empty list", shown(self.name)),
        );
        None
    }

    /// Reads a command: a program and its arguments, without a shell.
    pub(super) fn command(self, problems: &mut Problems<'_>) -> Option<Vec<String>> {
        if let Value::Text(text) = &self.node.value {
            let words: Vec<_> = text.split_whitespace().map(quoted).collect();
            let message = format!("`{}` must be a list of words, not one text", shown(self.name));
            problems
                .error(codes::NOT_A_LIST, self.node.at, message)
                .help(format!("no shell reads it; write `[{}]`", shown(&words.join(", "))));
            return None;
        }
        let items = self.items("a list of words", problems)?;
        let argv: Vec<_> = items.iter().map(|item| item.argument(problems)).collect();
        match argv.first() {
            None => {
                let message = format!("`{}` is empty", shown(self.name));
                problems
                    .error(codes::EMPTY_COMMAND, self.node.at, message)
                    .help("name a program and its arguments");
                None
            }
            Some(Some("")) => {
                let message = format!("the program of `{}` is empty", shown(self.name));
                problems.error(codes::EMPTY_COMMAND, items[0].node.at, message).help("name a program");
                None
            }
            Some(_) => argv.into_iter().map(|word| word.map(str::to_owned)).collect(),
        }
    }

    /// Reads the way to a secret. Nothing of what stands there is ever shown.
    pub(super) fn secret(self, base: &Path, problems: &mut Problems<'_>) -> Option<Secret> {
        problems.hide(self.key);
        problems.hide(self.node.at);
        let how = "write `{env: NAME}`, `{file: PATH}` or `{command: [PROGRAM, ARGUMENT]}`";
        let name = shown(self.name);
        let Value::Map(entries) = &self.node.value else {
            problems
                .error(codes::INLINE_SECRET, self.node.at, format!("`{name}` must not be written here"))
                .help(format!("{how}, and change the secret: it was readable here"));
            return None;
        };
        let text = |node: &'n Node| match &node.value {
            Value::Text(text) if !text.is_empty() && !text.contains('\0') => Some(text),
            _ => None,
        };
        let secret = match &entries[..] {
            [(key, node)] if key.text == "env" => {
                text(node).filter(|name| !name.contains('=')).map(|name| Secret::Env(name.clone()))
            }
            [(key, node)] if key.text == "file" => text(node).map(|path| Secret::File(from(base, path))),
            [(key, Node { value: Value::List(items), .. })] if key.text == "command" && !items.is_empty() => {
                items.iter().map(|item| text(item).cloned()).collect::<Option<_>>().map(Secret::Command)
            }
            _ => None,
        };
        if secret.is_none() {
            let message = format!("`{name}` is not a way to a secret");
            problems.error(codes::BAD_SECRET, self.node.at, message).help(how);
        }
        secret
    }

    fn argument(self, problems: &mut Problems<'_>) -> Option<&'n str> {
        let Value::Text(text) = &self.node.value else { return self.wrong("text", problems) };
        if text.contains('\0') {
            let message = format!("{} may not contain the character NUL", self.title());
            problems.error(codes::BAD_TEXT, self.node.at, message);
            return None;
        }
        Some(text)
    }
}

/// Resolves a path as the settings name it.
pub(super) fn from(base: &Path, path: &str) -> PathBuf {
    // Taking the path apart drops `.` within it and `/` at its end, so that equal paths look equal.
    base.join(path).components().collect()
}

/// Resolves a program as the settings name it; a bare name is searched for in `PATH`.
pub(super) fn program(base: &Path, name: &str) -> PathBuf {
    if name.contains('/') { from(base, name) } else { PathBuf::from(name) }
}

/// Writes a word so that it can stand in a list in brackets.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-=+".contains(c);
    let means_itself =
        word.parse::<f64>().is_err() && !["true", "false", "null"].contains(&&*word.to_lowercase());
    if word.chars().all(plain) && !word.starts_with('-') && means_itself {
        word.to_owned()
    } else {
        format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""))
    }
}
