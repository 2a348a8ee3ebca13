//! Texts as YAML: plain where every reader takes them for the same text, else in double quotes.

use std::fmt::Write;

use crate::diagnostic::is_invisible;

/// Returns a text as a YAML scalar: plain if that is safe everywhere, in braces too, else quoted.
pub fn plain_or_quoted(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { quote(text) }
}

/// Returns a text in double quotes on one line, with escapes for what cannot be seen.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        // Writing to a `String` cannot fail.
        let _ = match (c, u32::from(c)) {
            ('"' | '\\', _) => write!(out, "\\{c}"),
            ('\n', _) => write!(out, "\\n"),
            ('\t', _) => write!(out, "\\t"),
            (_, code @ ..=0xffff) if must_escape(c) => write!(out, "\\u{code:04x}"),
            (_, code) if must_escape(c) => write!(out, "\\U{code:08x}"),
            _ => write!(out, "{c}"),
        };
    }
    out.push('"');
    out
}

fn must_escape(c: char) -> bool {
    c.is_control() || is_invisible(c) || matches!(c, '\u{2028}' | '\u{2029}' | '\u{fffe}' | '\u{ffff}')
}

/// Cautious: says no to much that would be fine.
fn is_plain(text: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || "@._-+/\\ '$=~()".contains(c);
    text.starts_with(|c: char| c.is_alphanumeric() || c == '_')
        && !text.ends_with(' ')
        && text.chars().all(inside)
        && !is_typed(text)
}

/// Tells whether some reader (of YAML 1.1 or 1.2) takes the plain text for something else than a text.
fn is_typed(text: &str) -> bool {
    const WORDS: [&str; 10] = ["null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan"];
    WORDS.iter().any(|word| word.eq_ignore_ascii_case(text))
        || (text.starts_with(|c: char| c.is_ascii_digit())
            && text.chars().all(|c| c.is_ascii_hexdigit() || "xXoO_.:+-TtZz ".contains(c)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_reader_could_take_for_something_else_is_quoted() {
        for text in [
            "",
            "1",
            "1e3",
            "0x1F",
            "2026-12-31",
            "1:30",
            "yes",
            "Null",
            "~",
            "- a",
            "a: b",
            "a #b",
            "@a",
            "%a",
            "`a",
            "a,b",
            "[a]",
            "{a}",
            "*a",
            "&a",
            "!a",
            "|",
            ">",
            "a:",
            " a",
            "a ",
            "\"a\"",
            "'a'",
            "-",
            "?",
            "#",
            "<<",
            "=",
            ".inf",
            "+1",
            "a\u{a0}b",
            "a\nb",
        ] {
            assert!(plain_or_quoted(text).starts_with('"'), "{text:?}");
        }
        for text in [
            "alice@contoso.example",
            "John Smith",
            "O'Brien",
            "Björn",
            "田中",
            "CONTOSO\\jo",
            "a--b",
            "4ever",
        ] {
            assert_eq!(plain_or_quoted(text), text);
        }
        assert_eq!(quote("a\"\\\u{202e}\n"), r#""a\"\\\u202e\n""#);
    }
}
