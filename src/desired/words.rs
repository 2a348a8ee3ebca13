//! What a person most likely meant by a word that is not the right one.

use crate::model::Access;

/// Words that stand for an access in other programs.
const ENABLED: [&str; 16] = [
    "on",
    "yes",
    "true",
    "1",
    "1.0",
    "y",
    "t",
    "allow",
    "allowed",
    "active",
    "activated",
    "grant",
    "granted",
    "permit",
    "permitted",
    "x",
];
const DISABLED: [&str; 20] = [
    "off",
    "no",
    "false",
    "0",
    "0.0",
    "n",
    "f",
    "deny",
    "denied",
    "inactive",
    "deactivated",
    "block",
    "blocked",
    "revoke",
    "revoked",
    "forbid",
    "forbidden",
    "none",
    "never",
    "removed",
];

/// Returns the access that a word was most likely to say.
pub(super) fn meant_access(word: &str) -> Option<Access> {
    let word = word.trim().to_lowercase();
    if ENABLED.contains(&&*word) {
        return Some(Access::Enabled);
    }
    if DISABLED.contains(&&*word) {
        return Some(Access::Disabled);
    }
    match closest(&word, ["enabled", "disabled"])? {
        "enabled" => Some(Access::Enabled),
        _ => Some(Access::Disabled),
    }
}

/// Fields of an entry, and what they are called elsewhere.
const FIELDS: [(&str, &[&str]); 3] = [
    ("access", &["pop3", "pop", "enabled", "disabled", "state", "status", "allow", "allowed", "pop3enabled"]),
    ("until", &["expires", "expiry", "expiration", "end", "valid_until", "valid-until", "ends", "to"]),
    ("reason", &["comment", "note", "why", "description", "ticket", "comments", "notes"]),
];

/// Returns the field of an entry that an unknown one was most likely to be.
pub(super) fn meant_field(field: &str) -> Option<&'static str> {
    let field = field.trim().to_lowercase();
    closest(&field, FIELDS.map(|(name, _)| name))
        .or_else(|| FIELDS.iter().find(|(_, others)| others.contains(&&*field)).map(|(name, _)| *name))
}

/// Returns the field at the top of a file that an unknown one was most likely to be.
pub(super) fn meant_top_field(field: &str) -> Option<&'static str> {
    let field = field.trim().to_lowercase();
    match &*field {
        "users" | "accounts" | "mailboxes" => Some("pop3"),
        "apiversion" | "format" => Some("version"),
        _ => closest(&field, ["pop3", "version"]),
    }
}

/// Returns the candidate that is at most two slips of the keyboard away, fewer for short words.
fn closest<const N: usize>(word: &str, candidates: [&'static str; N]) -> Option<&'static str> {
    // The distance costs the product of both lengths, and a word may be as long as a file.
    if word.len() > 64 {
        return None;
    }
    candidates
        .into_iter()
        .map(|candidate| (strsim::osa_distance(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.len() / 3).min(2))
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_other_programs_and_slips_are_understood() {
        for word in ["on", "yes", "TRUE", "1", "Enabled", "enable", "enabeld", " enabled\n"] {
            assert_eq!(meant_access(word), Some(Access::Enabled), "{word}");
        }
        for word in ["off", "No", "false", "0", "DISABLED", "disable", "dissabled"] {
            assert_eq!(meant_access(word), Some(Access::Disabled), "{word}");
        }
        for word in ["", "maybe", &"e".repeat(1 << 20)] {
            assert_eq!(meant_access(word), None);
        }
    }

    #[test]
    fn fields_are_understood_by_likeness_and_by_meaning() {
        assert_eq!(meant_field("untill"), Some("until"));
        assert_eq!(meant_field("acess"), Some("access"));
        assert_eq!(meant_field("expires"), Some("until"));
        assert_eq!(meant_field("color"), None);
        assert_eq!(meant_top_field("pop"), Some("pop3"));
        assert_eq!(meant_top_field("versoin"), Some("version"));
        assert_eq!(meant_top_field("alice@x.example"), None);
    }
}
