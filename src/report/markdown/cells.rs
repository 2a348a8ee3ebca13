//! Text from outside within Markdown: no character of it is syntax, a mention, a link or HTML.

use std::fmt::Write as _;

use super::super::harmless::cut;

/// The longest text in one place, in characters.
const LONGEST: usize = 400;

/// Returns a text as code, which neither Markdown nor whoever links mentions and references looks into.
///
/// As HTML, not between backticks: a table splits its rows at pipes before it looks for backticks, and what is
/// escaped for the one is not for the other. Character references mean themselves everywhere.
pub(super) fn code(text: &str) -> String {
    as_code(&cut(text, LONGEST))
}

fn as_code(harmless: &str) -> String {
    format!("<code>{}</code>", plain(harmless))
}

/// Returns a sentence of popgate's own, in which names and commands stand between backticks: those parts as code,
/// and nothing of it as syntax.
pub(super) fn sentence(text: &str) -> String {
    // A name may hold backticks of its own, which then only change what is code.
    let mut out = String::new();
    for (position, part) in cut(text, LONGEST).split('`').enumerate() {
        match (position % 2, part) {
            (_, "") => {}
            (0, part) => part.split_inclusive(' ').for_each(|word| out.push_str(&outside_code(word))),
            (_, part) => out.push_str(&as_code(part)),
        }
    }
    out
}

/// A word that a forge could take for a mention, a reference or a link becomes code all the same: the text of a
/// page is searched for these after its character references are resolved.
fn outside_code(word: &str) -> String {
    let bare = word.trim_end_matches(' ');
    if bare.contains(['@', '#', '/', '$', '!', '^']) {
        format!("{}{}", as_code(bare), &word[bare.len()..])
    } else {
        plain(word)
    }
}

/// Every character that Markdown, HTML or a forge could take for more than itself, as a character reference.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = ['\0'; 3];
    for c in text.chars() {
        let domain = c == '.' && before.iter().all(|c| c.eq_ignore_ascii_case(&'w'));
        if domain || is_syntax(c) {
            // Writing to a `String` cannot fail.
            let _ = write!(out, "&#{};", u32::from(c));
        } else {
            out.push(c);
        }
        before = [before[1], before[2], c];
    }
    out
}

fn is_syntax(c: char) -> bool {
    c.is_ascii_punctuation() && !matches!(c, '.' | ',' | ';' | '-' | '?' | '%')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_code_is_syntax() {
        assert_eq!(code("bob@x.example"), "<code>bob&#64;x.example</code>");
        assert_eq!(
            code("a|b`c`<img src=x>\\|[x](http://e) www.e.example"),
            "<code>a&#124;b&#96;c&#96;&#60;img src&#61;x&#62;&#92;&#124;&#91;x&#93;&#40;http&#58;&#47;&#47;e&#41; \
             www&#46;e.example</code>"
        );
        assert_eq!(code("one\ntwo\u{202e}"), "<code>one&#92;u&#123;a&#125;two&#92;u&#123;202e&#125;</code>");
    }

    #[test]
    fn a_sentence_shows_what_stands_between_backticks_as_code() {
        assert_eq!(sentence("run `popgate approve 1`: now"), "run <code>popgate approve 1</code>&#58; now");
        assert_eq!(sentence("`a`@b` is here"), "<code>a</code><code>&#64;b</code><code> is here</code>");
    }
}
