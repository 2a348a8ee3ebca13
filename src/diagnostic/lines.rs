//! Where the lines of a text begin, and what line and column an offset means.

use std::ops::Range;

use super::Spot;

/// The longest line, in bytes, that a diagnostic carries along.
const LONGEST_SOURCE: usize = 4096;

/// How long a line usually is; only the room that is made for marks depends on it.
const TYPICAL_LINE: usize = 32;

/// How many bytes of a long line there are at most between two marks.
const STRIDE: usize = 4096;

/// The places at which the lines of one text begin. A line ends with LF; a CR before it belongs to the break.
///
/// Within a long line there are further marks, so that a place in a file that is one line of many megabytes is
/// found as fast as any other.
#[derive(Clone, Debug)]
pub struct Lines {
    marks: Box<[Mark]>,
}

#[derive(Clone, Copy, Debug)]
struct Mark {
    offset: u32,
    line: u32,
    column: u32,
}

impl Lines {
    /// Finds the lines of a text of less than 4 GiB.
    pub fn new(text: &str) -> Self {
        let mut marks = Vec::with_capacity(text.len() / TYPICAL_LINE);
        let mut offset = 0;
        let ends = memchr::memchr_iter(b'\n', text.as_bytes()).chain([text.len()]);
        for (line, end) in (1..).zip(ends) {
            let content = &text[offset..end];
            marks.push(Mark { offset: number(offset), line, column: 1 });
            let (mut at, mut column) = (0, 1);
            while content.len() - at > STRIDE {
                let next = content.floor_char_boundary(at + STRIDE);
                column += number(content[at..next].chars().count());
                marks.push(Mark { offset: number(offset + next), line, column });
                at = next;
            }
            offset = end + 1;
        }
        Self { marks: marks.into() }
    }

    /// Returns the line, from 1, and the column, from 1 and in characters, of an offset in bytes. `text` must
    /// be the text that the lines were found in, here and below.
    /// Takes bytes too, because to prove again that they are a text would cost more than the answer.
    pub fn position(&self, text: impl AsRef<[u8]>, offset: usize) -> (u32, u32) {
        let text = text.as_ref();
        // In UTF-8, every byte but these begins a character.
        let continues = |byte: u8| byte & 0xc0 == 0x80;
        let mut offset = offset.min(text.len());
        while text.get(offset).is_some_and(|byte| continues(*byte)) {
            offset -= 1;
        }
        let mark = self.last_mark(|mark| mark.offset as usize <= offset);
        let between = &text[mark.offset as usize..offset];
        (mark.line, mark.column + number(between.iter().filter(|byte| !continues(**byte)).count()))
    }

    /// Returns the offset in bytes of a line and a column; a place outside the text means the nearest inside.
    pub fn offset(&self, text: &str, line: u32, column: u32) -> usize {
        let end = self.range(text, line).end;
        let line = line.clamp(1, self.count());
        let mark = self.last_mark(|mark| (mark.line, mark.column) <= (line, column.max(1)));
        let rest = &text[mark.offset as usize..end];
        let skip = column.saturating_sub(mark.column) as usize;
        mark.offset as usize + rest.char_indices().nth(skip).map_or(rest.len(), |(at, _)| at)
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
        self.marks.last().map_or(1, |mark| mark.line)
    }

    /// Returns where a line stands, without its LF.
    fn range(&self, text: &str, line: u32) -> Range<usize> {
        let line = line.clamp(1, self.count());
        let start = self.marks.partition_point(|mark| mark.line < line);
        let after = self.marks.partition_point(|mark| mark.line <= line);
        let end = self.marks.get(after).map_or(text.len(), |next| next.offset as usize - 1);
        self.marks[start].offset as usize..end
    }

    /// Returns the last mark for which a condition holds that holds for the first marks only.
    fn last_mark(&self, condition: impl Fn(&Mark) -> bool) -> Mark {
        let after = self.marks.partition_point(condition);
        self.marks[after.saturating_sub(1)]
    }
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

    proptest! {
        #[test]
        fn every_offset_of_every_text_has_a_place_and_comes_back(text in "(\\PC|\r\n|\n){0,40}") {
            let lines = Lines::new(&text);
            for (offset, _) in text.char_indices() {
                let (line, column) = lines.position(&text, offset);
                prop_assert_eq!(lines.offset(&text, line, column), offset);
                let spot = lines.spot(&text, offset..offset + 1);
                prop_assert_eq!((spot.line, spot.column), (line, column));
            }
        }
    }
}
