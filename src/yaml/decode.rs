//! From text to raw values with `serde_yaml`. Judges nothing: whatever is YAML comes out.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::{agree, gate, syntax};
use crate::diagnostic::Diagnostic;

/// A value as YAML reads it.
#[derive(Clone, Debug, PartialEq)]
pub enum Raw<'t> {
    /// A text; its bytes are those of the file where it has no escapes.
    Text(Cow<'t, str>),
    /// A map with its pairs in the order of the file, equal keys included.
    Map(Vec<(Key<'t>, Self)>),
    /// A list; what is in it is not kept.
    List,
    /// Nothing at all, `~` or `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as it would be written again; how it was written is lost.
    Number(Box<str>),
}

impl<'t> Raw<'t> {
    /// Returns the innermost key on the way to an address whose offset is known.
    pub fn nearest_key(&self, path: &[u32]) -> Option<&Key<'t>> {
        let Self::Map(pairs) = self else { return None };
        let (first, rest) = path.split_first()?;
        let (key, value) = pairs.get(*first as usize)?;
        value.nearest_key(rest).or_else(|| key.offset.map(|_| key))
    }

    /// Returns what this is, with its article, for a message.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Map(_) => "a map",
            Self::List => "a list",
            Self::Null => "nothing",
            Self::Bool(_) => "a truth value",
            Self::Number(_) => "a number",
        }
    }
}

/// A key, always exactly its text: as a key, `1` and `null` are names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key<'t> {
    /// The text, without quotes.
    pub text: Cow<'t, str>,
    /// The offset in bytes at which it begins, its opening quote included; `None` when it has escapes.
    pub offset: Option<u32>,
}

/// Decodes one text that passed the gate, and refuses one that another parser reads as other data.
pub fn decode<'t>(path: &str, text: &'t str) -> Result<Raw<'t>, Vec<Diagnostic>> {
    let deserializer = serde_yaml::Deserializer::from_str(text);
    let raw = Value { text }.deserialize(deserializer).map_err(|error| {
        // What the walk finds is told better, and some errors of the decoder have no place.
        let found = gate::walk(path, text);
        let only_syntax = found.iter().all(|one| one.code == crate::diagnostic::codes::SYNTAX);
        if only_syntax { vec![syntax::from_decoder(path, text, &error)] } else { found }
    })?;
    // In a map of plain lines there is nothing to disagree about.
    let difference = if gate::needs_walk(text) { agree::difference(&raw, text) } else { None };
    match difference {
        Some(place) => Err(vec![syntax::ambiguous(path, text, place)]),
        None => Ok(raw),
    }
}

/// Decodes a value; carries the text so that what is borrowed from it can be found in it.
#[derive(Clone, Copy)]
struct Value<'t> {
    text: &'t str,
}

impl<'t> DeserializeSeed<'t> for Value<'t> {
    type Value = Raw<'t>;

    fn deserialize<D: Deserializer<'t>>(self, deserializer: D) -> Result<Raw<'t>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'t> Visitor<'t> for Value<'t> {
    type Value = Raw<'t>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("plain data")
    }

    fn visit_borrowed_str<E>(self, text: &'t str) -> Result<Raw<'t>, E> {
        Ok(Raw::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Raw<'t>, E> {
        Ok(Raw::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw<'t>, E> {
        Ok(Raw::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw<'t>, E> {
        Ok(Raw::Number(value.to_string().into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw<'t>, E> {
        Ok(Raw::Number(value.to_string().into()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Raw<'t>, E> {
        Ok(Raw::Number(value.to_string().into()))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Raw<'t>, E> {
        Ok(Raw::Number(value.to_string().into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw<'t>, E> {
        // `{:?}` keeps the point of a whole number, so that `1.0` does not pass for `1`.
        Ok(Raw::Number(format!("{value:?}").into()))
    }

    fn visit_unit<E>(self) -> Result<Raw<'t>, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E>(self) -> Result<Raw<'t>, E> {
        Ok(Raw::Null)
    }

    fn visit_seq<A: SeqAccess<'t>>(self, mut items: A) -> Result<Raw<'t>, A::Error> {
        while items.next_element_seed(self)?.is_some() {}
        Ok(Raw::List)
    }

    fn visit_map<A: MapAccess<'t>>(self, mut pairs: A) -> Result<Raw<'t>, A::Error> {
        let mut map = Vec::new();
        while let Some(key) = pairs.next_key_seed(Name { text: self.text })? {
            map.push((key, pairs.next_value_seed(self)?));
        }
        Ok(Raw::Map(map))
    }
}

/// Decodes a key.
struct Name<'t> {
    text: &'t str,
}

impl<'t> DeserializeSeed<'t> for Name<'t> {
    type Value = Key<'t>;

    fn deserialize<D: Deserializer<'t>>(self, deserializer: D) -> Result<Key<'t>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'t> Visitor<'t> for Name<'t> {
    type Value = Key<'t>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, key: &'t str) -> Result<Key<'t>, E> {
        // Borrowed means: a part of the text. So the distance of the two addresses is the offset.
        let offset = key.as_ptr().addr().wrapping_sub(self.text.as_ptr().addr());
        let byte = |at: usize| self.text.as_bytes().get(at);
        let before = offset.checked_sub(1);
        let start = match byte(offset + key.len()) {
            // The end of a text with escapes can look like the whole of it: `"\\"` is one backslash.
            Some(quote @ (b'"' | b'\'')) => {
                before.filter(|at| byte(*at) == Some(quote) && key.as_bytes().first() != Some(quote))
            }
            _ => Some(offset),
        };
        let offset = start.filter(|start| *start < self.text.len()).and_then(|start| start.try_into().ok());
        Ok(Key { text: Cow::Borrowed(key), offset })
    }

    fn visit_str<E>(self, key: &str) -> Result<Key<'t>, E> {
        Ok(Key { text: Cow::Owned(key.to_owned()), offset: None })
    }
}
