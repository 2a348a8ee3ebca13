//! CLIXML in, values out.

use std::collections::HashMap;
use std::sync::Arc;

use uuid::Uuid;

use super::escape::unescape;
use crate::psrp::value::{Object, Value};
use crate::psrp::xml::{MOST_DEPTH, Step, Tag, Walk, XmlError};

/// The most values one document may hold. A mailbox with all its properties has a few hundred.
const MOST_VALUES: usize = 200_000;

/// Reads one document: a single value, or nothing at all as `Nil`.
///
/// # Errors
/// `XmlError` when it is not well-formed, or goes beyond what is bounded.
pub fn read(text: &str) -> Result<Value, XmlError> {
    // .NET writes a byte order mark before some of them.
    let text = text.trim_start_matches('\u{FEFF}');
    let mut reader =
        Reading { walk: Walk::new(text), objects: HashMap::new(), types: HashMap::new(), left: MOST_VALUES };
    let mut first = None;
    loop {
        match reader.walk.step()? {
            Step::Start(tag) if first.is_none() => first = Some(reader.value(&tag)?.value),
            Step::Start(_) => reader.walk.skip()?,
            Step::Text(_) | Step::End => {}
            Step::Eof => return Ok(first.unwrap_or_default()),
        }
    }
}

/// A value and how deep values lie in it. A document can refer to an object from within the next one, and so on; its
/// depth then is in no nesting of elements, but whoever walks or drops it has to go there.
#[derive(Clone)]
struct Read {
    value: Value,
    height: usize,
}

struct Reading<'a> {
    walk: Walk<'a>,
    objects: HashMap<u64, Read>,
    types: HashMap<u64, Arc<Vec<String>>>,
    left: usize,
}

impl Reading<'_> {
    /// Reads the element that has just begun, and passes its end.
    fn value(&mut self, tag: &Tag) -> Result<Read, XmlError> {
        self.left = self.left.checked_sub(1).ok_or(XmlError::Much("200,000 values"))?;
        match tag.name.as_str() {
            "Obj" => self.object(tag),
            "Ref" => {
                self.walk.skip()?;
                // An object that is not complete refers to itself; nobody needs that.
                Ok(number(tag).and_then(|id| self.objects.get(&id).cloned()).unwrap_or(leaf(Value::Nil)))
            }
            "LST" | "IE" | "QUE" | "STK" => self.list(),
            "DCT" => self.map(),
            name if is_plain(name) => {
                let text = self.walk.text()?;
                Ok(leaf(plain(name, &text)))
            }
            // Nil, and whatever else there may be.
            _ => {
                self.walk.skip()?;
                Ok(leaf(Value::Nil))
            }
        }
    }

    fn object(&mut self, tag: &Tag) -> Result<Read, XmlError> {
        let mut object = Object::default();
        let mut height = 0;
        while let Some(part) = self.next()? {
            match part.name.as_str() {
                "TN" => object.types = self.type_names(&part)?,
                "TNRef" => {
                    self.walk.skip()?;
                    if let Some(types) = number(&part).and_then(|id| self.types.get(&id)) {
                        object.types = Arc::clone(types);
                    }
                }
                "ToString" => object.text = Some(unescape(&self.walk.text()?)),
                "MS" | "Props" => {
                    while let Some(member) = self.next()? {
                        let name = member.attribute("N").map(unescape);
                        let read = self.value(&member)?;
                        if let Some(name) = name {
                            height = height.max(read.height);
                            object.members.push((name, read.value));
                        }
                    }
                }
                _ => {
                    let read = self.value(&part)?;
                    height = height.max(read.height);
                    if object.inner == Value::Nil {
                        object.inner = read.value;
                    }
                }
            }
        }
        let read = within(height, Value::Object(Arc::new(object)))?;
        if let Some(id) = number(tag) {
            self.objects.insert(id, read.clone());
        }
        Ok(read)
    }

    fn type_names(&mut self, tag: &Tag) -> Result<Arc<Vec<String>>, XmlError> {
        let mut names = Vec::new();
        while let Some(part) = self.next()? {
            self.left = self.left.checked_sub(1).ok_or(XmlError::Much("200,000 values"))?;
            let name = self.walk.text()?;
            if part.name == "T" {
                names.push(unescape(&name));
            }
        }
        let names = Arc::new(names);
        if let Some(id) = number(tag) {
            self.types.insert(id, Arc::clone(&names));
        }
        Ok(names)
    }

    fn list(&mut self) -> Result<Read, XmlError> {
        let (mut items, mut height) = (Vec::new(), 0);
        while let Some(item) = self.next()? {
            let read = self.value(&item)?;
            height = height.max(read.height);
            items.push(read.value);
        }
        within(height, Value::List(items))
    }

    fn map(&mut self) -> Result<Read, XmlError> {
        let (mut pairs, mut height) = (Vec::new(), 0);
        while let Some(entry) = self.next()? {
            if entry.name != "En" {
                self.walk.skip()?;
                continue;
            }
            let (mut key, mut value) = (Value::Nil, Value::Nil);
            while let Some(part) = self.next()? {
                let read = self.value(&part)?;
                height = height.max(read.height);
                match part.attribute("N") {
                    Some("Key") => key = read.value,
                    Some("Value") => value = read.value,
                    _ => {}
                }
            }
            pairs.push((key, value));
        }
        within(height, Value::Map(pairs))
    }

    /// Returns the next element inside the one that has begun; `None` past its end.
    fn next(&mut self) -> Result<Option<Tag>, XmlError> {
        loop {
            match self.walk.step()? {
                Step::Start(tag) => return Ok(Some(tag)),
                Step::Text(_) => {}
                Step::End | Step::Eof => return Ok(None),
            }
        }
    }
}

fn leaf(value: Value) -> Read {
    Read { value, height: 0 }
}

fn within(height: usize, value: Value) -> Result<Read, XmlError> {
    if height < MOST_DEPTH { Ok(Read { value, height: height + 1 }) } else { Err(XmlError::Deep) }
}

fn number(tag: &Tag) -> Option<u64> {
    tag.attribute("RefId")?.parse().ok()
}

fn is_plain(name: &str) -> bool {
    matches!(
        name,
        "S" | "C"
            | "B"
            | "By"
            | "SB"
            | "I16"
            | "U16"
            | "I32"
            | "U32"
            | "I64"
            | "U64"
            | "Sg"
            | "Db"
            | "D"
            | "G"
            | "DT"
            | "TS"
            | "BA"
            | "URI"
            | "Version"
            | "XD"
            | "SBK"
    )
}

/// A value that does not look as its tag promises stays text, so that whoever wants it can say so.
fn plain(name: &str, text: &str) -> Value {
    let bare = text.trim();
    let parsed = match name {
        "B" => bare.to_ascii_lowercase().parse().ok().map(Value::Bool),
        "By" | "SB" | "I16" | "U16" | "I32" | "U32" | "I64" => bare.parse().ok().map(Value::Int),
        "U64" => bare.parse().ok().map(Value::Int).or_else(|| bare.parse().ok().map(Value::Big)),
        "Sg" | "Db" => bare.parse().ok().map(Value::Float),
        "C" => bare.parse().ok().and_then(char::from_u32).map(|character| Value::Text(character.to_string())),
        "G" => Uuid::parse_str(bare).ok().map(Value::Guid),
        "DT" => Some(Value::Moment(bare.to_owned())),
        _ => None,
    };
    parsed.unwrap_or_else(|| Value::Text(unescape(text)))
}
