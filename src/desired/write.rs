//! Entries as YAML: the canonical form of a file, and the pieces that an edit puts into an existing one.

use std::fmt::Write;

use super::Entry;
use crate::name::fold;
use crate::yaml::{plain_or_quoted, quote};

/// The longest key that may stand before its colon without a question mark. YAML allows 1,024 characters; the
/// decoder counts bytes.
const LONGEST_KEY: usize = 1000;

/// Renders entries as one file, sorted by folded name: short form where it suffices, names in quotes where they
/// need them. Reads back as the same entries, provided that their names and reasons are acceptable (see
/// [`super::objection_to_name`] and [`super::objection_to_reason`]) and no name occurs twice.
pub fn write<'e>(entries: impl IntoIterator<Item = &'e Entry>) -> String {
    let mut entries: Vec<(String, &Entry)> =
        entries.into_iter().map(|entry| (fold(&entry.name), entry)).collect();
    entries.sort_by(|(a, _), (b, _)| a.cmp(b));
    if entries.is_empty() {
        return "version: 1\npop3: {}\n".to_owned();
    }
    let mut out = String::from("version: 1\npop3:\n");
    for (_, entry) in entries {
        out.push_str(&block(entry, "  ", "  ", "\n"));
        out.push('\n');
    }
    out
}

/// Renders a name as it stands before its colon.
pub fn key(name: &str) -> String {
    plain_or_quoted(name)
}

/// Renders one entry as lines, without a line break at the end.
pub(super) fn block(entry: &Entry, indent: &str, step: &str, newline: &str) -> String {
    let (key, _) = key_line(entry);
    let mut out = format!("{indent}{}", key.join(&format!("{newline}{indent}")));
    if is_short(entry) {
        // Writing to a `String` cannot fail.
        let _ = write!(out, " {}", entry.access);
    } else {
        for line in fields(entry, false) {
            let _ = write!(out, "{newline}{indent}{step}{line}");
        }
    }
    out
}

/// Renders the name of an entry with its colon: one line, or two for a very long name, which is said as well.
pub(super) fn key_line(entry: &Entry) -> (Vec<String>, bool) {
    let key = plain_or_quoted(&entry.name);
    let explicit = key.len() > LONGEST_KEY;
    (if explicit { vec![format!("? {key}"), ":".to_owned()] } else { vec![format!("{key}:")] }, explicit)
}

/// Renders the value of an entry on one line, as it may stand anywhere. With `json`, everything is in quotes.
pub(super) fn flow(entry: &Entry, json: bool) -> String {
    match (is_short(entry), json) {
        (true, false) => entry.access.word().to_owned(),
        (true, true) => quote(entry.access.word()),
        (false, _) => format!("{{{}}}", fields(entry, json).join(", ")),
    }
}

/// Tells whether the short form says everything.
pub(super) fn is_short(entry: &Entry) -> bool {
    entry.until.is_none() && entry.reason.is_none()
}

/// Renders the fields of an entry, one text each, in their order.
pub(super) fn fields(entry: &Entry, json: bool) -> Vec<String> {
    let mut fields = vec![("access", entry.access.word().to_owned())];
    fields.extend(entry.until.map(|until| ("until", until.to_string())));
    fields.extend(entry.reason.iter().map(|reason| ("reason", reason.to_string())));
    fields
        .into_iter()
        .map(|(name, value)| match (json, name) {
            (true, _) => format!("{}: {}", quote(name), quote(&value)),
            // A date is plain: popgate reads it as text, and other readers as the day that it is.
            (false, "until") => format!("{name}: {value}"),
            (false, _) => format!("{name}: {}", plain_or_quoted(&value)),
        })
        .collect()
}

#[cfg(test)]
pub(super) mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::super::{SourceFile, objection_to_name, objection_to_reason, read};
    use super::*;
    use crate::model::Access;

    fn entry(name: &str, access: Access) -> Entry {
        Entry { name: name.into(), access, until: None, reason: None }
    }

    #[test]
    fn the_canonical_form_is_sorted_short_and_quoted_where_it_must_be() {
        let entries = [
            entry("bob: x", Access::Disabled),
            Entry {
                until: Some(date(2026, 12, 31)),
                reason: Some("1.10".into()),
                ..entry("Anna", Access::Enabled)
            },
            entry("1", Access::Enabled),
        ];
        insta::assert_snapshot!(write(&entries), @r#"
        version: 1
        pop3:
          "1": enabled
          Anna:
            access: enabled
            until: 2026-12-31
            reason: "1.10"
          "bob: x": disabled
        "#);
        assert_eq!(write([]), "version: 1\npop3: {}\n");
    }

    pub(in crate::desired) fn any_entry() -> impl Strategy<Value = Entry> {
        let name = prop_oneof![
            4 => "[a-d]{1,3}(@(x|y)\\.example)?",
            3 => "\\PC{1,12}",
            2 => any::<String>(),
            1 => "[\u{1f600}-\u{1f64f}\"\\\\]{300,320}",
            1 => "[ :#'\"\\[\\]{},&*!|>%@`?~<=-]{1,4}",
        ];
        let until = (0i16..=9999, 1i8..=12, 1i8..=28).prop_map(|(year, month, day)| date(year, month, day));
        let reason = prop_oneof![Just(String::new()), "[0-9.:-]{1,8}", "\\PC{0,40}", any::<String>()];
        (name, any::<bool>(), prop::option::of(until), prop::option::of(reason))
            .prop_filter("acceptable", |(name, _, _, reason)| {
                objection_to_name(name).is_none()
                    && reason.as_ref().is_none_or(|reason| objection_to_reason(reason).is_none())
            })
            .prop_map(|(name, enabled, until, reason)| Entry {
                name: name.into(),
                access: if enabled { Access::Enabled } else { Access::Disabled },
                until: until.filter(|_| enabled),
                reason: reason.map(Into::into),
            })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_the_same(entries in prop::collection::vec(any_entry(), 0..8)) {
            let mut entries = entries;
            entries.sort_by_key(|entry| fold(&entry.name));
            entries.dedup_by_key(|entry| fold(&entry.name));
            let text = write(entries.iter().rev());
            let file = SourceFile { path: "a.yaml".to_owned(), bytes: text.clone().into_bytes() };
            let desired = read(vec![file]).map_err(|problems| {
                TestCaseError::fail(format!("{text}\n{}", crate::diagnostic::render(&problems, false)))
            })?;
            let back: Vec<Entry> = desired.iter().map(|entry| entry.to_entry()).collect();
            prop_assert_eq!(&back, &entries);
            prop_assert_eq!(write(&back), text);
        }
    }
}
