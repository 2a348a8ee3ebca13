//! Where the lines of a text begin, and what line and column an offset means.

use std::ops::Range;

use super::Spot;

/// The longest line, in bytes, that a diagnostic carries along.
const LONGEST_SOURCE: usize = 4096;

/// How many bytes there are between two marks, and at most some three more.
const STRIDE: usize = 2048;

/// Marks in one text, from which the lines and columns of its places are counted. A line ends with LF; a CR before it
/// belongs to the break.
///
/// The marks stand evenly in the text, not at its lines: few are needed, and a place in a file that is one line of many
/// megabytes is found as fast as any other.
#[derive(Clone, Debug)]
pub struct Lines {
    marks: Box<[Mark]>,
    /// How many lines there are.
    count: u32,
}

#[derive(Clone, Copy, Debug)]
struct Mark {
    offset: u32,
    line: u32,
    column: u32,
}

impl Mark {
    /// Counts on over the bytes that follow.
    fn behind(self, between: &[u8]) -> Self {
        let line = self.line + number(memchr::memchr_iter(b'\n', between).count());
        let (from, column) = match memchr::memrchr(b'\n', between) {
            Some(end) => (end + 1, 1),
            None => (0, self.column),
        };
        let characters = between[from..].iter().filter(|byte| !continues(**byte)).count();
        Self { offset: self.offset + number(between.len()), line, column: column + number(characters) }
    }
}

impl Lines {
    /// Finds the lines of a text of less than 4 GiB. It takes bytes too, here and below, because to prove again that
    /// they are a text would cost more than the answer.
    pub fn new(text: impl AsRef<[u8]>) -> Self {
        let text = text.as_ref();
        let mut mark = Mark { offset: 0, line: 1, column: 1 };
        let mut marks = Vec::with_capacity(text.len() / STRIDE + 1);
        marks.push(mark);
        loop {
            let at = mark.offset as usize;
            if text.len() - at <= STRIDE {
                let count = mark.behind(&text[at..]).line;
                return Self { marks: marks.into(), count };
            }
            mark = mark.behind(&text[at..start_of_character(text, at + STRIDE)]);
            marks.push(mark);
        }
    }

    /// Returns the line, from 1, and the column, from 1 and in characters, of an offset in bytes. `text` must
    /// be the text that the lines were found in, here and below.
    pub fn position(&self, text: impl AsRef<[u8]>, offset: usize) -> (u32, u32) {
        let text = text.as_ref();
        let offset = start_of_character(text, offset);
        let mark = self.last_mark(|mark| mark.offset as usize <= offset);
        let place = mark.behind(&text[mark.offset as usize..offset]);
        (place.line, place.column)
    }

    /// Returns the offset in bytes of a line and a column; a place outside the text means the nearest inside.
    pub fn offset(&self, text: &str, line: u32, column: u32) -> usize {
        let (line, column) = (line.clamp(1, self.count), column.max(1));
        let mark = self.last_mark(|mark| (mark.line, mark.column) <= (line, column));
        let (start, from) =
            if mark.line == line { (mark.offset as usize, mark.column) } else { (self.start(text, line), 1) };
        let mut rest = text[start..].char_indices();
        let skip = (column - from) as usize;
        let end = rest.by_ref().take(skip).find(|(_, character)| *character == '\n');
        start + end.or_else(|| rest.next()).map_or(text.len() - start, |(at, _)| at)
    }

    /// Returns the text of a line, counted from 1, without its line break.
    pub fn line<'t>(&self, text: &'t str, line: u32) -> &'t str {
        let line = &text[self.range(text, line)];
        line.strip_suffix('\r').unwrap_or(line)
    }

    /// Returns the text of a line if it is short enough to be shown.
    pub fn source(&self, text: &str, line: u32) -> Option<String> {
        let source = self.line(text, line);
        (source.len() <= LONGEST_SOURCE).then(|| source.to_owned())
    }

    /// Returns the first line of a range of bytes as a spot.
    pub fn spot(&self, text: &str, range: Range<usize>) -> Spot {
        let (line, column) = self.position(text, range.start);
        let end = text.floor_char_boundary(range.end).min(self.range(text, line).end);
        let start = text.floor_char_boundary(range.start);
        let covered = text.get(start..end).unwrap_or_default().trim_end_matches('\r');
        Spot { line, column, width: number(covered.chars().count()).max(1), source: self.source(text, line) }
    }

    /// Returns how many lines there are; a text that ends with a line break has an empty last one.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Returns where a line stands, without its LF.
    fn range(&self, text: &str, line: u32) -> Range<usize> {
        let start = self.start(text, line.clamp(1, self.count));
        start..memchr::memchr(b'\n', &text.as_bytes()[start..]).map_or(text.len(), |length| start + length)
    }

    /// Returns where a line begins that there is.
    fn start(&self, text: &str, line: u32) -> usize {
        let mark = self.last_mark(|mark| (mark.line, mark.column) <= (line, 1));
        let from = mark.offset as usize;
        match (line - mark.line) as usize {
            0 => from,
            breaks => {
                let mut ends = memchr::memchr_iter(b'\n', &text.as_bytes()[from..]);
                ends.nth(breaks - 1).map_or(text.len(), |end| from + end + 1)
            }
        }
    }

    /// Returns the last mark for which a condition holds that holds for the first marks only.
    fn last_mark(&self, condition: impl Fn(&Mark) -> bool) -> Mark {
        let after = self.marks.partition_point(condition);
        self.marks[after.saturating_sub(1)]
    }
}

/// Tells whether a byte goes on with a character: in UTF-8, every other byte begins one.
fn continues(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

/// Returns the start of the character that holds an offset; no character has more than four bytes.
fn start_of_character(text: &[u8], offset: usize) -> usize {
    let offset = offset.min(text.len());
    let begins = |at: &usize| text.get(*at).is_none_or(|byte| !continues(*byte));
    (offset.saturating_sub(3)..=offset).rev().find(begins).unwrap_or(offset)
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn columns_count_characters_and_lines_may_end_with_crlf() {
        let text = "ä: b\r\n  日本: x\r\n";
        let lines = Lines::new(text);
        let at = text.find('本').unwrap();
        assert_eq!(lines.position(text, at), (2, 4));
        assert_eq!(lines.line(text, 1), "ä: b");
        let spot = lines.spot(text, at..text.len());
        assert_eq!((spot.width, spot.source.as_deref()), (4, Some("  日本: x")));
        assert_eq!(lines.count(), 3);
        assert_eq!(lines.spot(text, text.len()..text.len()).width, 1);
    }

    #[test]
    fn a_line_too_long_to_be_shown_is_not_carried_along() {
        let text = "x".repeat(LONGEST_SOURCE + 1);
        let spot = Lines::new(&text).spot(&text, 5..6);
        assert_eq!((spot.column, spot.source), (6, None));
    }

    #[test]
    fn a_place_far_into_a_long_line_is_found_like_any_other() {
        let text = format!("a\n{}", "é語".repeat(3 * STRIDE));
        let lines = Lines::new(&text);
        for characters in [0, 1, STRIDE - 1, STRIDE, STRIDE + 1, 6 * STRIDE - 1] {
            let offset = 2 + characters / 2 * 5 + characters % 2 * 2;
            let column = u32::try_from(characters).unwrap() + 1;
            assert_eq!(lines.position(&text, offset), (2, column));
            assert_eq!(lines.offset(&text, 2, column), offset);
        }
        assert_eq!(lines.offset(&text, 2, 99_999), text.len());
        assert_eq!((lines.count(), lines.offset(&text, 9, 1)), (2, 2));
    }

    /// What lines and columns mean, found by counting from the start.
    fn counted(text: &str, offset: usize) -> (u32, u32) {
        let before = &text[..offset];
        let start = before.rfind('\n').map_or(0, |end| end + 1);
        (1 + number(before.matches('\n').count()), 1 + number(before[start..].chars().count()))
    }

    #[test]
    fn the_distance_of_marks_does_not_show() {
        for unit in ["a\n", "\n", "日本\r\n", "é", "a b c d e f\n"] {
            for more in 0..5 {
                let text = format!("{}{}ende", "x".repeat(more), unit.repeat(3 * STRIDE / unit.len()));
                let lines = Lines::new(&text);
                assert_eq!(lines.count(), 1 + number(text.matches('\n').count()));
                let near =
                    |at: usize| (1..4).any(|mark| at.abs_diff(mark * STRIDE) < 9) || at + 9 > text.len();
                for (offset, _) in text.char_indices().filter(|(at, _)| near(*at)) {
                    let (line, column) = lines.position(&text, offset);
                    assert_eq!((line, column), counted(&text, offset), "{unit:?} {offset}");
                    assert_eq!(lines.offset(&text, line, column), offset);
                    let whole = text.split('\n').nth(line as usize - 1).unwrap();
                    assert_eq!(lines.line(&text, line), whole.strip_suffix('\r').unwrap_or(whole));
                    assert_eq!(
                        lines.offset(&text, line, 9_999_999),
                        lines.offset(&text, line, 1) + whole.len()
                    );
                }
            }
        }
    }

    proptest! {
        #[test]
        fn bytes_that_are_no_text_have_places_too(bytes in prop::collection::vec(any::<u8>(), 0..40), offset in 0_usize..50) {
            let (line, column) = Lines::new(&bytes).position(&bytes, offset);
            prop_assert!(line >= 1 && column >= 1);
        }

        #[test]
        fn every_offset_of_every_text_has_a_place_and_comes_back(text in "(\\PC|\r\n|\n){0,40}") {
            let lines = Lines::new(&text);
            for (offset, _) in text.char_indices() {
                let (line, column) = lines.position(&text, offset);
                prop_assert_eq!((line, column), counted(&text, offset));
                prop_assert_eq!(lines.offset(&text, line, column), offset);
                let spot = lines.spot(&text, offset..offset + 1);
                prop_assert_eq!((spot.line, spot.column), (line, column));
            }
        }
    }
}
