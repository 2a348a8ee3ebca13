//! The one door through which XML comes in: quick-xml's events, with what nobody needs refused and everything bounded.
//!
//! No document type, so no entities of its own; no element deeper than [`MOST_DEPTH`]. Names are local names: who
//! writes which prefix differs from server to server.

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

/// How deep elements may lie in each other. What PowerShell sends is far shallower than half of this.
pub(super) const MOST_DEPTH: usize = 64;

/// Why a text is not the XML that was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum XmlError {
    /// Not well-formed, or cut off.
    #[error("the XML is damaged at byte {at}: {why}")]
    Damaged {
        /// Where.
        at: u64,
        /// What the parser said.
        why: String,
    },
    /// A document type could define entities, and nothing here needs one.
    #[error("the XML has a document type, which is refused")]
    DocumentType,
    /// Elements in elements without end.
    #[error("the XML is nested deeper than {MOST_DEPTH} levels")]
    Deep,
    /// More than anybody could mean.
    #[error("the XML holds more than {0}")]
    Much(&'static str),
}

/// One step through a document.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// An element begins.
    Start(Tag),
    /// Text, or a part of it.
    Text(String),
    /// The innermost element ends.
    End,
    /// The document ends.
    Eof,
}

/// The beginning of an element.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tag {
    /// The local name.
    pub(super) name: String,
    attributes: Vec<(String, String)>,
}

impl Tag {
    /// Returns an attribute by its local name.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str())
    }
}

/// Walks through a document.
pub(super) struct Walk<'a> {
    reader: Reader<&'a [u8]>,
    depth: usize,
}

impl<'a> Walk<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let mut reader = Reader::from_str(text);
        reader.config_mut().expand_empty_elements = true;
        Self { reader, depth: 0 }
    }

    /// Returns the next step. After [`Step::Eof`] there is only [`Step::Eof`].
    pub(super) fn step(&mut self) -> Result<Step, XmlError> {
        loop {
            let event = match self.reader.read_event() {
                Ok(event) => event,
                Err(error) => return Err(self.damaged(error.to_string())),
            };
            match event {
                Event::Start(start) | Event::Empty(start) => {
                    let tag = tag(&start).map_err(|why| self.damaged(why))?;
                    self.depth += 1;
                    if self.depth > MOST_DEPTH {
                        return Err(XmlError::Deep);
                    }
                    return Ok(Step::Start(tag));
                }
                Event::End(_) => {
                    self.depth = self.depth.saturating_sub(1);
                    return Ok(Step::End);
                }
                Event::Text(text) => return Ok(Step::Text(text.xml10_content().into_owned())),
                Event::CData(text) => return Ok(Step::Text(text.xml10_content().into_owned())),
                Event::GeneralRef(reference) => {
                    let character = match reference.resolve_char_ref() {
                        Ok(character) => character,
                        Err(error) => return Err(self.damaged(error.to_string())),
                    };
                    let name: &str = &reference;
                    let text = match character {
                        Some(character) => character.to_string(),
                        None => match quick_xml::escape::resolve_predefined_entity(name) {
                            Some(text) => text.to_owned(),
                            None => return Err(self.damaged(format!("unknown entity `&{name};`"))),
                        },
                    };
                    return Ok(Step::Text(text));
                }
                Event::DocType(_) => return Err(XmlError::DocumentType),
                Event::Eof if self.depth > 0 => return Err(self.damaged("it ends too early".to_owned())),
                Event::Eof => return Ok(Step::Eof),
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            }
        }
    }

    /// Passes over the rest of the element that has just begun.
    pub(super) fn skip(&mut self) -> Result<(), XmlError> {
        let outside = self.depth.saturating_sub(1);
        while self.depth > outside {
            if self.step()? == Step::Eof {
                break;
            }
        }
        Ok(())
    }

    /// Returns the text of the element that has just begun, and passes its end. Elements in it are passed over.
    pub(super) fn text(&mut self) -> Result<String, XmlError> {
        let mut all = String::new();
        loop {
            match self.step()? {
                Step::Start(_) => self.skip()?,
                Step::Text(text) if all.is_empty() => all = text,
                Step::Text(text) => all.push_str(&text),
                Step::End | Step::Eof => return Ok(all),
            }
        }
    }

    fn damaged(&self, why: String) -> XmlError {
        XmlError::Damaged { at: self.reader.error_position().max(self.reader.buffer_position()), why }
    }
}

fn tag(start: &BytesStart<'_>) -> Result<Tag, String> {
    let mut attributes = Vec::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| error.to_string())?;
        let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|error| error.to_string())?;
        let name: &str = attribute.key.local_name().into_inner();
        attributes.push((name.to_owned(), value.into_owned()));
    }
    let name: &str = start.local_name().into_inner();
    Ok(Tag { name: name.to_owned(), attributes })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(text: &str) -> Result<Vec<Step>, XmlError> {
        let mut walk = Walk::new(text);
        let mut all = Vec::new();
        loop {
            match walk.step()? {
                Step::Eof => return Ok(all),
                step => all.push(step),
            }
        }
    }

    #[test]
    fn entities_and_cdata_are_text_and_prefixes_do_not_matter() {
        let all =
            steps("<?xml version='1.0'?><a:b c:d='&lt;1'>x&amp;&#x1F600;<![CDATA[<y>]]></a:b>").unwrap();
        let Step::Start(tag) = &all[0] else { panic!("{all:?}") };
        assert_eq!((tag.name.as_str(), tag.attribute("d")), ("b", Some("<1")));
        let text: String =
            all.iter().filter_map(|step| if let Step::Text(t) = step { Some(&**t) } else { None }).collect();
        assert_eq!(text, "x&😀<y>");
    }

    #[test]
    fn a_cut_off_document_is_damaged_wherever_it_is_cut() {
        let whole = "<a><b c='d'>e&amp;f</b></a>";
        for end in 1..whole.len() {
            assert!(matches!(steps(&whole[..end]), Err(XmlError::Damaged { .. })), "{}", &whole[..end]);
        }
    }

    #[test]
    fn document_types_foreign_entities_and_endless_nesting_are_refused() {
        assert_eq!(steps("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"), Err(XmlError::DocumentType));
        assert!(matches!(steps("<a>&b;</a>"), Err(XmlError::Damaged { .. })));
        assert_eq!(steps(&"<a>".repeat(100_000)), Err(XmlError::Deep));
    }
}
