//! Settings as written: a text becomes a tree of values, each with its place, before anybody asks what they mean.
//!
//! `serde_yaml` decodes and so decides what is a number and what is text; [`tree`] knows where everything stands. Both
//! read the same text, and the two results are laid on each other. Only where they fit, popgate goes on.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

use super::codes;
use super::hidden;
use super::problems::{Problems, shown};
use crate::yaml::tree::{self, Key, Place, Refusal, Refused};

/// A value as written, with its place.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    /// Where it stands; where its key stands, if there is nothing to see.
    pub(super) at: Place,
    /// What it is.
    pub(super) value: Value,
}

/// What YAML makes of a value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// `true` or `false`.
    Flag(bool),
    /// A whole number, and how it was written.
    Integer(i64, String),
    /// Several values.
    List(Vec<Node>),
    /// Fields in order, doubled ones included.
    Map(Vec<(Key, Node)>),
    /// Nothing, or `null`.
    Nothing,
    /// Another number, as it was written.
    Number(String),
    /// Text.
    Text(String),
}

impl Value {
    /// Says what it is, for messages.
    pub(super) fn kind(&self) -> String {
        match self {
            Self::Flag(_) => "`true` or `false`".to_owned(),
            Self::Integer(..) => "a number".to_owned(),
            Self::List(_) => "a list".to_owned(),
            Self::Map(_) => "a map".to_owned(),
            Self::Nothing => "nothing".to_owned(),
            Self::Number(text) => format!("`{}`", shown(text)),
            Self::Text(_) => "text".to_owned(),
        }
    }
}

/// Reads a text. Reports what is wrong with it as a file; `None` when nothing can be said about its fields.
pub(super) fn read(text: &str, problems: &mut Problems<'_>) -> Option<Node> {
    odd_characters(text, problems);
    if problems.any_error() {
        return None;
    }
    let root = match tree::read(text) {
        Ok(root) => root,
        Err(refusals) => {
            for refusal in refusals {
                refuse(refusal, problems);
            }
            return None;
        }
    };
    let empty = |root: &tree::Node| matches!(&root.value, tree::Value::Scalar { text, plain: true } if text.is_empty());
    let Some(root) = root.filter(|root| !empty(root)) else {
        problems
            .error_of_file(codes::NOT_A_MAP, "the settings file is empty")
            .help("write `version: 1` to use the defaults, or remove the file");
        return None;
    };
    hide_secrets(&root, problems);
    let decoded = serde_yaml::from_str::<Raw>(text);
    let place = root.at;
    let node = decoded.ok().and_then(|decoded| overlay(decoded, root, place));
    if node.is_none() {
        problems
            .error_of_file(codes::READERS_DISAGREE, "two YAML readers do not agree on what this file says")
            .help("write it more simply: in block style, with quotes around text");
    }
    node
}

/// Refuses what makes a file look different from what it says, or two readers break its lines differently.
fn odd_characters(text: &str, problems: &mut Problems<'_>) {
    let mut found = Vec::new();
    let (mut line, mut column) = (1, 1);
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        let what = match char {
            '\n' | '\t' => None,
            '\r' if chars.peek() == Some(&'\n') => None,
            '\r' => Some("a carriage return without a line feed"),
            '\u{85}' | '\u{2028}' | '\u{2029}' => Some("an unusual line break"),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                Some("a character that turns the direction of writing")
            }
            _ if char.is_control() => Some("a control character"),
            _ => None,
        };
        if let Some(what) = what {
            found.push((Place { line, column, width: 1, last_line: line }, what, char));
        }
        (line, column) = if char == '\n' { (line + 1, 1) } else { (line, column + 1) };
        if found.len() > 100 {
            break;
        }
    }
    for (at, what, char) in found {
        problems
            .error(codes::ODD_CHARACTER, at, format!("{what} (U+{:04X})", u32::from(char)))
            .help("remove it, or write it as an escape in double quotes");
    }
}

fn refuse(Refusal { at, what }: Refusal, problems: &mut Problems<'_>) {
    let plain = "settings are plain data: write the value itself, or put text in quotes";
    let (code, message, help) = match what {
        Refused::Alias => (codes::NOT_PLAIN, "an alias is not allowed".to_owned(), plain),
        Refused::Anchor => (codes::NOT_PLAIN, "an anchor is not allowed".to_owned(), plain),
        Refused::Depth => (
            codes::TOO_DEEP,
            format!("nested deeper than {} levels", tree::DEPTH),
            "nothing in the settings is nested so deeply",
        ),
        Refused::Key => (
            codes::NOT_PLAIN,
            "the key of a field must be text".to_owned(),
            "put text that contains brackets in quotes",
        ),
        Refused::Merge => (codes::NOT_PLAIN, "a merge key is not allowed".to_owned(), plain),
        Refused::SecondDocument => (
            codes::SECOND_DOCUMENT,
            "a second document begins here".to_owned(),
            "a settings file holds one document: remove `---` and what does not belong here",
        ),
        Refused::Syntax(why) => (
            codes::NOT_YAML,
            format!("not YAML: {why}"),
            "look for a missing quote, bracket or colon, or an uneven indentation, here or just before",
        ),
        Refused::Tag => (codes::NOT_PLAIN, "a tag is not allowed".to_owned(), plain),
    };
    problems.error(code, at, message).help(help);
}

/// Hides the values of all fields that look as if they held a secret, known to popgate or not.
fn hide_secrets(node: &tree::Node, problems: &mut Problems<'_>) {
    match &node.value {
        tree::Value::Map(entries) => {
            for (key, value) in entries {
                if hidden::is_delicate(&key.text) {
                    problems.hide(key.at);
                    problems.hide(value.at);
                }
                hide_secrets(value, problems);
            }
        }
        tree::Value::List(items) => items.iter().for_each(|item| hide_secrets(item, problems)),
        tree::Value::Scalar { text, .. } => {
            if hidden::holds_userinfo(text) {
                problems.hide(node.at);
            }
        }
    }
}

/// Lays what was decoded on where it stands; `None` when the two do not fit.
fn overlay(decoded: Raw, located: tree::Node, key: Place) -> Option<Node> {
    let tree::Node { mut at, value } = located;
    let value = match (decoded, value) {
        (Raw::Map(fields), tree::Value::Map(entries)) if fields.len() == entries.len() => {
            let pairs = fields.into_iter().zip(entries);
            let fields = pairs.map(|((name, decoded), (key, located))| {
                let place = key.at;
                (name == key.text).then_some(())?;
                Some((key, overlay(decoded, located, place)?))
            });
            Value::Map(fields.collect::<Option<_>>()?)
        }
        (Raw::List(values), tree::Value::List(items)) if values.len() == items.len() => {
            let pairs = values.into_iter().zip(items);
            let items = pairs.map(|(decoded, located)| {
                let place = located.at;
                overlay(decoded, located, place)
            });
            Value::List(items.collect::<Option<_>>()?)
        }
        (Raw::Text(decoded), tree::Value::Scalar { text, .. }) if decoded == text => Value::Text(text),
        (raw, tree::Value::Scalar { text, plain: true }) => match raw {
            Raw::Flag(flag) => Value::Flag(flag),
            Raw::Integer(number) => Value::Integer(number, text),
            Raw::Number => Value::Number(text),
            Raw::Nothing => {
                if text.is_empty() {
                    at = key;
                }
                Value::Nothing
            }
            _ => return None,
        },
        _ => return None,
    };
    Some(Node { at, value })
}

/// What `serde_yaml` says. Takes everything, so that decoding fails on syntax only.
enum Raw {
    Flag(bool),
    Integer(i64),
    List(Vec<Self>),
    Map(Vec<(String, Self)>),
    Nothing,
    Number,
    Text(String),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Raw, E> {
        Ok(Raw::Flag(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Raw, E> {
        Ok(Raw::Integer(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Raw, E> {
        Ok(i64::try_from(number).map_or(Raw::Number, Raw::Integer))
    }

    fn visit_i128<E>(self, _number: i128) -> Result<Raw, E> {
        Ok(Raw::Number)
    }

    fn visit_u128<E>(self, _number: u128) -> Result<Raw, E> {
        Ok(Raw::Number)
    }

    fn visit_f64<E>(self, _number: f64) -> Result<Raw, E> {
        Ok(Raw::Number)
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Nothing)
    }

    fn visit_str<E>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Raw, A::Error> {
        let mut map = Vec::new();
        while let Some(field) = fields.next_entry()? {
            map.push(field);
        }
        Ok(Raw::Map(map))
    }
}
