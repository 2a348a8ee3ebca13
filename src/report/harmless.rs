//! Text from outside, made harmless: nothing in it steers a terminal, starts a line or hides.

use std::fmt::Write as _;

/// Returns a text as it may be shown to a person: every character that a terminal would obey, that ends a line
/// or that nobody could see is written as `\u{…}`, and so is white space at the ends.
pub fn harmless(text: &str) -> String {
    let edges = text.len() - text.trim_start_matches(' ').len();
    let last = text.trim_end_matches(' ').len();
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        if is_harmful(c) || c == ' ' && (at < edges || at >= last) {
            // Writing to a `String` cannot fail.
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

/// Like [`harmless`], with at most so many characters of the text.
pub(super) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", harmless(&text[..end])),
        None => harmless(text),
    }
}

/// Tells whether a character steers a terminal, ends a line, or cannot be seen: controls, all white space but the
/// space, the property `Default_Ignorable_Code_Point` of Unicode 16 (with all that steers the direction of text),
/// interlinear annotations, and the blank Braille pattern.
pub(super) fn is_harmful(c: char) -> bool {
    c.is_control()
        || c != ' ' && c.is_whitespace()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_or_hides_is_spelled_out() {
        for (text, shown) in [
            ("a\u{1b}[31mred", r"a\u{1b}[31mred"),
            ("anna\u{202e}moc", r"anna\u{202e}moc"),
            ("one\ntwo\r\u{85}\u{2028}", r"one\u{a}two\u{d}\u{85}\u{2028}"),
            ("a\u{200b}b\u{a0}c\td", r"a\u{200b}b\u{a0}c\u{9}d"),
            ("\u{9b}31m\u{7f}", r"\u{9b}31m\u{7f}"),
            (" John Smith ", r"\u{20}John Smith\u{20}"),
            ("  ", r"\u{20}\u{20}"),
        ] {
            assert_eq!(harmless(text), shown);
        }
    }

    #[test]
    fn ordinary_names_stay_as_they_are() {
        for name in ["", "John Smith", "björn@contoso.example", "田中", r"CONTOSO\jo", "o'neil+pop@x.example"]
        {
            assert_eq!(harmless(name), name);
        }
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(cut("ééé", 3), "ééé");
        assert_eq!(cut("éééé", 3), "ééé…");
        assert_eq!(cut("a\nb", 2), r"a\u{a}…");
    }
}
