//! The comments of a file and what they belong to.

use std::ops::Range;

use super::super::pieces::{EntryPiece, Pair, Pieces};

/// Comments, each from its `#` to the end of its line, sorted by what they belong to. A blank line among them is an
/// empty text.
#[derive(Debug, Default)]
pub(super) struct Comments {
    /// Above everything.
    pub(super) top: Vec<String>,
    pub(super) version: Around,
    pub(super) pop3: Around,
    /// Between `pop3:` and the first entry, set apart from it by a blank line.
    pub(super) head: Vec<String>,
    /// In the order of the file.
    pub(super) entries: Vec<OfEntry>,
    /// Below the last entry, indented like the entries.
    pub(super) foot: Vec<String>,
    /// Below everything, not indented.
    pub(super) bottom: Vec<String>,
}

/// Comments above a line and behind it.
#[derive(Clone, Debug, Default)]
pub(super) struct Around {
    pub(super) above: Vec<String>,
    pub(super) behind: Vec<String>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct OfEntry {
    pub(super) own: Around,
    /// In the order of the file.
    pub(super) fields: Vec<Around>,
    /// Below the last field.
    pub(super) below: Vec<String>,
}

/// What a key or a value belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Version,
    Pop3,
    Entry(usize),
    Field(usize, usize),
}

impl Owner {
    fn entry(self) -> Option<usize> {
        match self {
            Self::Entry(entry) | Self::Field(entry, _) => Some(entry),
            Self::Version | Self::Pop3 => None,
        }
    }
}

/// One comment, where it was found.
struct Found<'t> {
    text: &'t str,
    /// How far it is indented, if nothing stands before it.
    indent: Option<usize>,
    /// Whether it stands on the line on which the piece before it ends.
    same_line: bool,
    /// Whether a blank line stands before it, or after it.
    blank: (bool, bool),
}

/// Finds every comment, and what it belongs to.
pub(super) fn sorted(text: &str, pieces: &Pieces) -> Comments {
    let mut comments = Comments {
        entries: pieces
            .entries
            .iter()
            .map(|entry| OfEntry {
                fields: vec![Around::default(); entry.fields.len()],
                ..OfEntry::default()
            })
            .collect(),
        ..Comments::default()
    };
    let mut last = None;
    let mut end = 0;
    for (range, owner) in tokens(pieces) {
        let found = within(text, end..range.start);
        comments.place(text, pieces, last, Some(owner), &found);
        (last, end) = (Some(owner), range.end.max(end));
    }
    let found = within(text, end..text.len());
    comments.place(text, pieces, last, None, &found);
    comments
}

/// Returns the texts of all comments, sorted.
pub(super) fn texts(text: &str, pieces: &Pieces) -> Vec<String> {
    let mut end = 0;
    let mut texts = Vec::new();
    let mut take = |gap| texts.extend(within(text, gap).iter().map(|found| found.text.to_owned()));
    for (range, _) in tokens(pieces) {
        take(end..range.start);
        end = range.end.max(end);
    }
    take(end..text.len());
    texts.sort();
    texts
}

/// Every key and every value that is one text, in the order of the file.
fn tokens(pieces: &Pieces) -> Vec<(Range<usize>, Owner)> {
    let mut tokens = Vec::new();
    let mut both = |pair: &Pair, owner: Owner| {
        tokens.extend([(pair.key.clone(), owner), (pair.value.clone(), owner)]);
    };
    if let Some(version) = &pieces.version {
        both(version, Owner::Version);
    }
    for (position, EntryPiece { pair, fields, .. }) in pieces.entries.iter().enumerate() {
        for (field, (_, pair)) in fields.iter().enumerate() {
            both(pair, Owner::Field(position, field));
        }
        if fields.is_empty() {
            both(pair, Owner::Entry(position));
        }
    }
    let maps = pieces.entries.iter().enumerate().filter(|(_, entry)| !entry.fields.is_empty());
    tokens.extend(maps.map(|(position, entry)| (entry.pair.key.clone(), Owner::Entry(position))));
    tokens.push((pieces.pop3.key.clone(), Owner::Pop3));
    tokens.sort_by_key(|(range, _)| range.start);
    tokens
}

/// Finds the comments in a part of a text in which no key and no value stands.
fn within(text: &str, range: Range<usize>) -> Vec<Found<'_>> {
    let mut found: Vec<Found<'_>> = Vec::new();
    let mut blank = false;
    let mut at = range.start;
    for (number, line) in text.get(range.clone()).unwrap_or_default().split('\n').enumerate() {
        let sign = line.char_indices().find(|(offset, c)| {
            let before = text[..at + offset].chars().next_back();
            *c == '#' && before.is_none_or(char::is_whitespace)
        });
        if let Some((offset, _)) = sign {
            let start = text[..at + offset].rfind('\n').map_or(0, |end| end + 1);
            let before = &text[start..at + offset];
            let own = before.chars().all(char::is_whitespace);
            found.push(Found {
                text: line[offset..].trim_end(),
                indent: own.then(|| before.chars().count()),
                same_line: number == 0 && range.start > 0,
                blank: (blank, false),
            });
            blank = false;
        } else if number > 0 && line.trim().is_empty() && at + line.len() < range.end {
            blank = true;
            if let Some(last) = found.last_mut() {
                last.blank.1 = true;
            }
        } else if !line.trim().is_empty() {
            blank = false;
        }
        at += line.len() + 1;
    }
    found
}

impl Comments {
    /// Sorts comments that stand between two pieces.
    fn place(
        &mut self,
        text: &str,
        pieces: &Pieces,
        last: Option<Owner>,
        next: Option<Owner>,
        found: &[Found<'_>],
    ) {
        // Up to where comments belong to the list as a whole, and not to its first entry.
        let apart = found.iter().rposition(|one| one.blank.1).map_or(0, |position| position + 1);
        for (position, one) in found.iter().enumerate() {
            let comment = one.text.to_owned();
            match (last, next) {
                (Some(last), _) if one.same_line => self.around(last).behind.push(comment),
                (None, _) => self.top.extend(with_blank(one, comment, false)),
                (Some(last), next) if below(text, pieces, last, next, one) => {
                    if let Some(entry) = last.entry() {
                        self.entries[entry].below.push(comment);
                    }
                }
                (Some(Owner::Pop3), Some(Owner::Entry(_))) if position < apart => {
                    self.head.extend(with_blank(one, comment, false));
                }
                (Some(_), Some(next @ (Owner::Entry(_) | Owner::Field(..)))) => {
                    self.around(next).above.push(comment);
                }
                (Some(last), Some(next)) if last == Owner::Version || one.indent == Some(0) => {
                    self.around(next).above.push(comment);
                }
                (Some(_), next) => {
                    let to = if one.indent == Some(0) && next.is_none() {
                        &mut self.bottom
                    } else {
                        &mut self.foot
                    };
                    to.extend(with_blank(one, comment, true));
                }
            }
        }
    }

    fn around(&mut self, owner: Owner) -> &mut Around {
        match owner {
            Owner::Version => &mut self.version,
            Owner::Pop3 => &mut self.pop3,
            Owner::Entry(entry) => &mut self.entries[entry].own,
            Owner::Field(entry, field) => &mut self.entries[entry].fields[field],
        }
    }
}

/// A comment with the blank line that sets it apart, before it or behind it.
fn with_blank(found: &Found<'_>, comment: String, before: bool) -> Vec<String> {
    match (before, found.blank) {
        (true, (true, _)) => vec![String::new(), comment],
        (false, (_, true)) => vec![comment, String::new()],
        _ => vec![comment],
    }
}

/// Tells whether a comment line belongs below the entry before it: it is indented like the fields of that entry, which
/// stand on lines of their own.
fn below(text: &str, pieces: &Pieces, last: Owner, next: Option<Owner>, found: &Found<'_>) -> bool {
    let Some(entry) = last.entry() else { return false };
    if next.and_then(Owner::entry) == Some(entry) {
        return false;
    }
    let Some((_, first)) = pieces.entries[entry].fields.first() else { return false };
    let before = text[..first.key.start].rsplit('\n').next().unwrap_or_default();
    let own_line = before.bytes().all(|byte| byte == b' ');
    own_line && found.indent.is_some_and(|indent| indent >= before.len())
}
