//! Text from outside, made safe to show to a person.

use std::fmt::Write;

/// How many characters of a value a message repeats.
const MOST_CHARACTERS: usize = 80;

/// Returns a text as it may appear in a message: cut after 80 characters, and every character that a terminal
/// would obey or nobody could see written as `\u{…}`.
pub fn shown(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(4 * MOST_CHARACTERS));
    let mut characters = text.chars();
    for c in characters.by_ref().take(MOST_CHARACTERS) {
        if c.is_control() || is_invisible(c) || matches!(c, '\u{2028}' | '\u{2029}') {
            // Writing to a `String` cannot fail.
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    if characters.next().is_some() {
        out.push('…');
    }
    out
}

/// Tells whether nobody can see this character: the property `Default_Ignorable_Code_Point` of Unicode 16
/// (which includes all that steers the direction of text), and the blank Braille pattern.
pub fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// Tells whether a bracket after this text would begin a command for the runners of some CI: `##[error]` for those of
/// GitHub and Azure, `##vso[…]` for Azure's, `##teamcity[…]` for `TeamCity`'s. They obey it anywhere in a line.
pub fn begins_command(before: &str) -> bool {
    ["##", "##vso", "##teamcity"].iter().any(|sign| before.ends_with(sign))
}

/// Tells whether this character makes text read in another order than it is written: the embeddings,
/// overrides and isolates of the Unicode Bidirectional Algorithm (UAX #9).
pub fn is_bidirectional_override(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_spelled_out() {
        assert_eq!(
            shown("a\u{1b}[31m\u{202e}\r\n\u{85}\u{2028}b"),
            r"a\u{1b}[31m\u{202e}\u{d}\u{a}\u{85}\u{2028}b"
        );
        assert_eq!(shown("Björn 田中"), "Björn 田中");
    }

    #[test]
    fn a_long_value_is_cut_after_eighty_characters() {
        assert_eq!(shown(&"é".repeat(80)), "é".repeat(80));
        assert_eq!(shown(&"é".repeat(81)), format!("{}…", "é".repeat(80)));
    }
}
