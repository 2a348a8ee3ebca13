//! Text from outside, made harmless: nothing in it steers a terminal, starts a line or hides.

use std::fmt::Write as _;

use crate::diagnostic::{begins_command, is_invisible};

/// Returns a text as it may be shown to a person: every character that a terminal would obey, that ends a line
/// or that nobody could see is written as `\u{…}`, and so is white space at the ends.
pub fn harmless(text: &str) -> String {
    let edges = text.len() - text.trim_start_matches(' ').len();
    let last = text.trim_end_matches(' ').len();
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        let harmful = is_harmful(c) || c == ' ' && (at < edges || at >= last);
        push(&mut out, c, harmful || c == '[' && begins_command(&text[..at]));
    }
    out
}

/// Returns a line of a file as it may be shown to a person: like [`harmless`], but white space at its ends and tabs
/// stay, and so that no CI takes it for a command where it is printed.
pub(super) fn line_as_shown(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let first = line.len() - line.trim_start().len();
    let workflow = line[first..].starts_with("::");
    for (at, c) in line.char_indices() {
        let harmful = is_harmful(c) && c != '\t';
        push(&mut out, c, harmful || workflow && at == first || c == '[' && begins_command(&line[..at]));
    }
    out
}

fn push(out: &mut String, c: char, harmful: bool) {
    if harmful {
        // Writing to a `String` cannot fail.
        let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
    } else {
        out.push(c);
    }
}

/// Like [`harmless`], with at most so many characters of the text.
pub(super) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", harmless(&text[..end])),
        None => harmless(text),
    }
}

/// Tells whether a character steers a terminal, ends a line, or cannot be seen: controls, all white space but the
/// space, what is invisible, and interlinear annotations.
pub(super) fn is_harmful(c: char) -> bool {
    c.is_control() || c != ' ' && c.is_whitespace() || is_invisible(c) || matches!(c, '\u{fff9}'..='\u{fffb}')
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
    fn no_ci_takes_a_name_or_a_line_for_a_command() {
        assert_eq!(
            harmless("a##[error]b ##vso[x] ##teamcity[y]"),
            r"a##\u{5b}error]b ##vso\u{5b}x] ##teamcity\u{5b}y]"
        );
        assert_eq!(line_as_shown("  ::add-mask::x:: y\t"), "  \\u{3a}:add-mask::x:: y\t");
        assert_eq!(line_as_shown(" a: b # ##[x]\u{202e}"), r" a: b # ##\u{5b}x]\u{202e}");
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
