//! Where every piece of a file stands: the fields at the top, each entry, each field of an entry.

use std::ops::Range;

use crate::diagnostic::Lines;
use crate::yaml::{self, At, Raw};

/// One file that was read without a problem, taken apart.
pub(super) struct Pieces {
    /// The field `version`, where there is one.
    pub(super) version: Option<Pair>,
    /// The field `pop3`; its value is the whole map.
    pub(super) pop3: Pair,
    /// The entries in the order of the file.
    pub(super) entries: Vec<EntryPiece>,
}

/// A key and its value: ranges of bytes in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) key: Range<usize>,
    pub(super) value: Range<usize>,
}

/// One entry.
pub(super) struct EntryPiece {
    pub(super) name: Box<str>,
    pub(super) pair: Pair,
    /// Its fields with their names; none in the short form.
    pub(super) fields: Vec<(Box<str>, Pair)>,
}

impl EntryPiece {
    /// Returns where its access word stands.
    pub(super) fn access(&self) -> &Range<usize> {
        let field = self.fields.iter().find(|(name, _)| &**name == "access");
        field.map_or(&self.pair.value, |(_, pair)| &pair.value)
    }
}

/// Takes a text apart, a byte order mark aside; `None` where the places of its pieces cannot be told.
pub(super) fn take_apart(text: &str) -> Option<Pieces> {
    let Ok(Raw::Map(top)) = yaml::decode("", text) else { return None };
    let mut wanted = Vec::new();
    for (position, (key, raw)) in (0u32..).zip(&top) {
        both(&mut wanted, &[position]);
        let Raw::Map(entries) = raw else { continue };
        if key.text != "pop3" {
            return None;
        }
        for (ordinal, (_, raw)) in (0..).zip(entries) {
            both(&mut wanted, &[position, ordinal]);
            let Raw::Map(fields) = raw else { continue };
            (0..).zip(fields).for_each(|(field, _)| both(&mut wanted, &[position, ordinal, field]));
        }
    }
    let lines = Lines::new(text);
    let places = yaml::locate(text, &wanted);
    let mut places = places.into_iter().map(|place| {
        let place = place?;
        let start = lines.offset(text, place.start.0, place.start.1);
        let end = lines.offset(text, place.end.0, place.end.1).max(start);
        // The end of a text of several lines lies behind its last line break.
        Some(start..start + text[start..end].trim_end().len())
    });
    let mut pair = || Some(Pair { key: places.next()??, value: places.next()?? });
    let (mut version, mut pop3, mut found) = (None, None, Vec::new());
    for (key, raw) in &top {
        let field = pair()?;
        match raw {
            Raw::Map(entries) => {
                for (name, raw) in entries {
                    let own = pair()?;
                    let mut fields = Vec::new();
                    if let Raw::Map(below) = raw {
                        for (field, _) in below {
                            fields.push((Box::from(&*field.text), pair()?));
                        }
                    }
                    found.push(EntryPiece { name: Box::from(&*name.text), pair: own, fields });
                }
                pop3 = Some(field);
            }
            _ if key.text == "version" => version = Some(field),
            _ => return None,
        }
    }
    Some(Pieces { version, pop3: pop3?, entries: found })
}

/// Asks for the key and for the value at a path.
fn both(wanted: &mut Vec<At>, path: &[u32]) {
    wanted.extend([At::key(path), At::value(path)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_piece_is_where_it_stands() {
        let text = "# x\nversion: 1\npop3:\n  'a b' : \"enabled\" # c\n  z: {access: disabled, reason: x}\n";
        let pieces = take_apart(text).unwrap();
        let at = |range: &Range<usize>| &text[range.clone()];
        assert_eq!(at(&pieces.version.unwrap().value), "1");
        assert_eq!(at(&pieces.pop3.key), "pop3");
        let entries: Vec<_> =
            pieces.entries.iter().map(|entry| (at(&entry.pair.key), at(entry.access()))).collect();
        assert_eq!(entries, [("'a b'", "\"enabled\""), ("z", "disabled")]);
        assert_eq!(&*pieces.entries[0].name, "a b");
        assert_eq!(at(&pieces.entries[1].fields[1].1.value), "x");
    }
}
