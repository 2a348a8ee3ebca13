//! Names of users: how they compare, and the globs that match them.

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

/// Folds a name for comparison: Unicode NFC, then default case folding, then NFC again (Unicode Standard,
/// section 3.13, canonical caseless matching for already composed text).
pub fn fold(name: &str) -> String {
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    let composed: String = name.nfc().collect();
    caseless::default_case_fold_str(&composed).nfc().collect()
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
        let name: Vec<char> = fold(name).chars().collect();
        let (mut at, mut text) = (0, 0);
        // Where to go back to when the text after the last `*` stops matching.
        let mut retry: Option<(usize, usize)> = None;
        while text < name.len() {
            match self.folded.get(at) {
                Some('*') => {
                    retry = Some((at, text));
                    at += 1;
                }
                Some(&wanted) if wanted == '?' || wanted == name[text] => {
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
