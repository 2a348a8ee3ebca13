//! Names of users: how they compare, where to find them again, and the globs that match them.

mod index;

use std::borrow::Cow;
use std::cmp::Ordering;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

pub use index::{Hashed, Index, TOGETHER};

/// Folds a name for comparison: Unicode NFC, then default case folding, then NFC again (Unicode Standard,
/// section 3.13, canonical caseless matching for already composed text).
pub fn fold(name: &str) -> String {
    folded(name).into_owned()
}

/// Folds a name like [`fold`]; a name that is folded already is only borrowed.
pub fn folded(name: &str) -> Cow<'_, str> {
    if name.is_ascii() {
        return if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Owned(name.to_ascii_lowercase())
        } else {
            Cow::Borrowed(name)
        };
    }
    let composed: String = name.nfc().collect();
    Cow::Owned(caseless::default_case_fold_str(&composed).nfc().collect())
}

/// Tells whether two names are the same once they are folded.
pub fn same(one: &str, other: &str) -> bool {
    same_bytes(one.as_bytes(), other.as_bytes())
}

/// Tells whether two names are the same once they are folded, of which only the bytes are at hand.
pub fn same_bytes(one: &[u8], other: &[u8]) -> bool {
    if one == other {
        return true;
    }
    if one.is_ascii() && other.is_ascii() {
        return one.eq_ignore_ascii_case(other);
    }
    match (std::str::from_utf8(one), std::str::from_utf8(other)) {
        (Ok(one), Ok(other)) => folded(one) == folded(other),
        _ => false,
    }
}

/// Orders two names as they stand once they are folded.
pub fn order(one: &str, other: &str) -> Ordering {
    folded(one).cmp(&folded(other))
}

/// A pattern for names: `*` stands for any run of characters, `?` for one; everything else for itself,
/// whatever its case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Glob {
    written: String,
    folded: Vec<char>,
}

impl Glob {
    /// Takes a pattern as written. Every text is a valid pattern.
    pub fn new(pattern: &str) -> Self {
        Self { written: pattern.to_owned(), folded: fold(pattern).chars().collect() }
    }

    /// Returns the pattern as written.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// Tells whether the whole name matches.
    pub fn matches(&self, name: &str) -> bool {
        if name.is_ascii() {
            return self
                .matches_folded(name.len(), |at| char::from(name.as_bytes()[at].to_ascii_lowercase()));
        }
        let name: Vec<char> = folded(name).chars().collect();
        self.matches_folded(name.len(), |at| name[at])
    }

    fn matches_folded(&self, length: usize, name: impl Fn(usize) -> char) -> bool {
        let (mut at, mut text) = (0, 0);
        // Where to go back to when the text after the last `*` stops matching.
        let mut retry: Option<(usize, usize)> = None;
        while text < length {
            match self.folded.get(at) {
                Some('*') => {
                    retry = Some((at, text));
                    at += 1;
                }
                Some(&wanted) if wanted == '?' || wanted == name(text) => {
                    at += 1;
                    text += 1;
                }
                _ => match retry {
                    Some((star, from)) => {
                        retry = Some((star, from + 1));
                        at = star + 1;
                        text = from + 1;
                    }
                    None => return false,
                },
            }
        }
        self.folded[at..].iter().all(|&rest| rest == '*')
    }
}

impl From<String> for Glob {
    fn from(pattern: String) -> Self {
        Self::new(&pattern)
    }
}

impl From<Glob> for String {
    fn from(glob: Glob) -> Self {
        glob.written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_compare_after_composition_and_case_folding() {
        assert_eq!(fold("BJÖRN"), fold("bjo\u{308}rn"));
        assert_eq!(fold("STRASSE"), fold("straße"));
        assert_eq!(fold("John Smith"), "john smith");
        assert_ne!(fold("john  smith"), fold("john smith"));
    }

    #[test]
    fn the_short_cuts_for_plain_names_say_the_same_as_folding() {
        let names = [
            "bob",
            "BOB",
            "Bob",
            "bo\u{308}b",
            "b\u{f6}b",
            "B\u{d6}B",
            "stra\u{df}e",
            "STRASSE",
            "\u{212a}",
            "k",
            "",
        ];
        for one in names {
            assert_eq!(folded(one), fold(one));
            assert_eq!(matches!(folded(one), Cow::Borrowed(_)), one.is_ascii() && fold(one) == one, "{one}");
            for other in names {
                assert_eq!(same(one, other), fold(one) == fold(other), "{one} {other}");
                assert_eq!(order(one, other), fold(one).cmp(&fold(other)), "{one} {other}");
            }
        }
    }

    #[test]
    fn a_glob_matches_the_whole_name() {
        for (pattern, name, matches) in [
            ("HealthMailbox*", "healthmailbox0a1b", true),
            ("*@contoso.example", "a@CONTOSO.example", true),
            ("*@contoso.example", "a@contoso.example.org", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b*", "xxbxxaxx", false),
            ("", "", true),
            ("*", "", true),
        ] {
            assert_eq!(Glob::new(pattern).matches(name), matches, "{pattern} on {name}");
        }
    }
}
