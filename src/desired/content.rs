//! What one file lists, taken down as places in its text: eight bytes for an entry, and twenty-four more for one that
//! has an `until` or a `reason`.

use std::ops::Range;

use jiff::civil::Date;

use super::{Brief, EntryRef};
use crate::model::Access;

/// The entries of one file, in the order of its lines. Every method wants the text that they were found in.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) listed: Vec<Listed>,
    /// What entries say besides, in order of their positions.
    pub(super) details: Vec<Detail>,
    /// The names that do not stand in the text as they are, in order of their positions.
    elsewhere: Vec<(u32, Piece)>,
    /// The texts that do not stand there as they are, one after the other.
    beyond: String,
}

/// An entry: where it stands, and what almost all of them say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    /// Where its name begins, a quote included.
    pub(super) offset: u32,
    /// The length of its name.
    pub(super) length: u16,
    pub(super) access: Access,
    pub(super) form: Form,
}

/// How the name of an entry is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As it is.
    Plain,
    /// As it is, behind a quote.
    Quoted,
    /// With escapes, or over several lines.
    Elsewhere,
}

/// What few entries have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Detail {
    pub(super) position: u32,
    pub(super) until: Option<Date>,
    pub(super) reason: Option<Piece>,
}

/// A text: a place in that of the file or, counted on from its end, in what does not stand there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    offset: u32,
    length: u32,
}

impl Piece {
    /// Returns a place in the text; `None` for one that is too far for it.
    pub(super) fn new(offset: usize, length: usize) -> Option<Self> {
        Some(Self { offset: u32::try_from(offset).ok()?, length: u32::try_from(length).ok()? })
    }

    /// Returns where a part of the text stands; `None` for what only says the same.
    fn standing(text: &str, part: &str) -> Option<Self> {
        let offset = part.as_ptr().addr().checked_sub(text.as_ptr().addr())?;
        let stands = text.len().checked_sub(part.len()).is_some_and(|last| offset <= last);
        if stands { Self::new(offset, part.len()) } else { None }
    }
}

impl Content {
    /// Returns the name of an entry.
    pub(super) fn name<'a>(&'a self, text: &'a [u8], position: usize) -> &'a str {
        self.name_of(text, position, self.listed[position])
    }

    fn name_of<'a>(&'a self, text: &'a [u8], position: usize, one: Listed) -> &'a str {
        let start = one.offset as usize;
        match one.form {
            Form::Plain => valid(text, start, one.length.into()),
            Form::Quoted => valid(text, start + 1, one.length.into()),
            Form::Elsewhere => {
                let found = self.elsewhere.binary_search_by_key(&position, |(at, _)| *at as usize);
                self.piece(text, self.elsewhere[found.expect("a name of this form is in the list")].1)
            }
        }
    }

    /// Returns the bytes of the name of an entry, which are those of a text.
    pub(super) fn name_bytes<'a>(&'a self, text: &'a [u8], position: usize) -> &'a [u8] {
        let one = self.listed[position];
        let start = one.offset as usize + usize::from(one.form == Form::Quoted);
        match one.form {
            Form::Plain | Form::Quoted => &text[start..start + usize::from(one.length)],
            Form::Elsewhere => self.name(text, position).as_bytes(),
        }
    }

    /// Returns an entry.
    pub(super) fn entry<'a>(&'a self, text: &'a [u8], position: usize) -> EntryRef<'a> {
        let found = self.details.binary_search_by_key(&position, |detail| detail.position as usize);
        self.joined(text, position, found.ok().map(|at| self.details[at]))
    }

    /// Iterates over all entries.
    pub(super) fn entries<'a>(&'a self, text: &'a [u8]) -> impl Iterator<Item = EntryRef<'a>> {
        let mut details = self.details.iter().copied().peekable();
        (0..self.listed.len()).map(move |position| {
            let detail = details.next_if(|detail| detail.position as usize == position);
            self.joined(text, position, detail)
        })
    }

    /// Iterates over what the entries at some positions say at the least.
    pub(super) fn brief<'a>(
        &'a self,
        text: &'a [u8],
        positions: Range<usize>,
    ) -> impl Iterator<Item = Brief<'a>> {
        let first = self.details.partition_point(|detail| (detail.position as usize) < positions.start);
        let mut details = self.details[first..].iter().peekable();
        positions.map(move |position| {
            let detail = details.next_if(|detail| detail.position as usize == position);
            Brief {
                name: self.name_bytes(text, position),
                access: self.listed[position].access,
                until: detail.and_then(|detail| detail.until),
            }
        })
    }

    /// Iterates over the entries that say more than an access.
    pub(super) fn detailed<'a>(&'a self, text: &'a [u8]) -> impl Iterator<Item = EntryRef<'a>> {
        self.details.iter().map(|detail| self.joined(text, detail.position as usize, Some(*detail)))
    }

    fn joined<'a>(&'a self, text: &'a [u8], position: usize, detail: Option<Detail>) -> EntryRef<'a> {
        let one = self.listed[position];
        EntryRef {
            name: self.name_of(text, position, one),
            access: one.access,
            until: detail.and_then(|detail| detail.until),
            reason: detail.and_then(|detail| detail.reason).map(|reason| self.piece(text, reason)),
        }
    }

    fn piece<'a>(&'a self, text: &'a [u8], piece: Piece) -> &'a str {
        let (offset, length) = (piece.offset as usize, piece.length as usize);
        match offset.checked_sub(text.len()) {
            Some(beyond) => &self.beyond[beyond..beyond + length],
            None => valid(text, offset, length),
        }
    }

    /// Takes down a name that does not stand in the text as it is.
    pub(super) fn name_elsewhere(&mut self, text: &str, position: u32, name: &str) {
        let piece = self.add(text, name);
        self.elsewhere.push((position, piece));
    }

    /// Takes down a text that may stand in that of the file.
    pub(super) fn take(&mut self, text: &str, part: &str) -> Piece {
        Piece::standing(text, part).unwrap_or_else(|| self.add(text, part))
    }

    fn add(&mut self, text: &str, part: &str) -> Piece {
        let piece = Piece::new(text.len() + self.beyond.len(), part.len());
        self.beyond.push_str(part);
        piece.expect("a file has at most 64 MiB, and what it says is no longer")
    }

    /// Gives back what was reserved in vain.
    pub(super) fn shrink_to_fit(&mut self) {
        self.listed.shrink_to_fit();
        self.details.shrink_to_fit();
        self.elsewhere.shrink_to_fit();
        self.beyond.shrink_to_fit();
    }
}

fn valid(text: &[u8], start: usize, length: usize) -> &str {
    std::str::from_utf8(&text[start..start + length]).expect("it was found in a valid text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_takes_no_more_room_than_it_is_said_to() {
        assert_eq!(size_of::<Listed>(), 8);
        assert!(size_of::<Detail>() <= 24, "{}", size_of::<Detail>());
    }

    #[test]
    fn what_does_not_stand_in_the_text_is_found_behind_it() {
        let (text, mut content) = ("pop3: ä", Content::default());
        let same = String::from("pop3");
        let pieces = [content.take(text, &text[6..]), content.take(text, &same), content.take(text, "")];
        let read = pieces.map(|piece| content.piece(text.as_bytes(), piece));
        assert_eq!(read, ["ä", "pop3", ""]);
    }
}
