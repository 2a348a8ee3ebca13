//! Where the access of an entry stands in its file, so that another one can be shown in its place.

use std::collections::BTreeMap;
use std::ops::Range;

use super::pieces::take_apart;
use super::{Desired, EntryRef};
use crate::name::fold;
use crate::yaml;

/// Where an entry stands in the text of its file: ranges of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// From its name to the end of its value.
    pub entry: Range<usize>,
    /// Its access word, with the quotes around it.
    pub access: Range<usize>,
}

impl Desired {
    /// Returns the text of a file, without a byte order mark; `None` for a file that is not part of this.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.file(path).map(|file| file.valid())
    }

    /// Finds where entries of one file stand, in the order they are asked for; `None` where that cannot be told.
    pub fn spans(&self, path: &str, names: &[&str]) -> Vec<Option<Span>> {
        let Some(file) = self.file(path) else { return vec![None; names.len()] };
        let text = file.valid();
        let mut spans: Vec<Option<Span>> = names.iter().map(|name| self.plain(text, name)).collect();
        if spans.iter().any(Option::is_none) {
            // Only what does not stand on one plain line needs the whole file to be taken apart.
            let mut missing: BTreeMap<String, Vec<usize>> = BTreeMap::new();
            for (position, _) in spans.iter().enumerate().filter(|(_, span)| span.is_none()) {
                missing.entry(fold(names[position])).or_default().push(position);
            }
            for entry in take_apart(text).into_iter().flat_map(|pieces| pieces.entries) {
                for position in missing.remove(&fold(&entry.name)).unwrap_or_default() {
                    let all = entry.pair.key.start..entry.pair.value.end;
                    spans[position] = Some(Span { access: entry.access().clone(), entry: all });
                }
            }
        }
        spans
    }

    /// Finds an entry that is one line: a name, a colon, a word, and at most a comment.
    fn plain(&self, text: &str, name: &str) -> Option<Span> {
        let EntryRef { name, access, .. } = self.get(name)?;
        let start = self.offset(name)?;
        let before = text[..start].rsplit('\n').next()?;
        let key_end = yaml::key_end(text, start, name);
        let rest = text[key_end..].split('\n').next()?;
        let value = rest.strip_prefix(':')?;
        let word = value.trim_start_matches(' ');
        let after = word.strip_prefix(access.word())?.trim_end();
        let comment = after.trim_start();
        let plain = before.bytes().all(|byte| byte == b' ')
            && word.len() < value.len()
            && (after.is_empty() || comment.starts_with('#') && comment.len() < after.len());
        let from = key_end + rest.len() - word.len();
        let access = from..from + access.word().len();
        plain.then_some(Span { entry: start..access.end, access })
    }
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::super::tests::files;

    #[test]
    fn the_access_of_every_entry_is_found_however_it_is_written() {
        let text = "pop3:\n  a: enabled\n  \"b: c\" : enabled # disabled: enabled\n  c:   disabled   # x\n  'd': 'enabled'\n  \
                    e: {access: enabled, until: 2030-01-01}\n  f:\n    reason: enabled\n    access: \"disabled\"\n  ? g\n  : \
                    enabled\n";
        let desired = read(files(&[("x.yaml", text)])).unwrap();
        let names: Vec<&str> = desired.iter().map(|entry| entry.name).collect();
        let found = desired.spans("x.yaml", &names);
        let words: Vec<_> = found.iter().map(|span| &text[span.clone().unwrap().access]).collect();
        let shown: Vec<_> = names.iter().copied().zip(words).collect();
        assert_eq!(
            shown,
            [
                ("a", "enabled"),
                ("b: c", "enabled"),
                ("c", "disabled"),
                ("d", "'enabled'"),
                ("e", "enabled"),
                ("f", "\"disabled\""),
                ("g", "enabled")
            ]
        );
        assert_eq!(
            &text[found[5].clone().unwrap().entry],
            "f:\n    reason: enabled\n    access: \"disabled\""
        );
        assert_eq!(desired.spans("y.yaml", &["a"]), [None]);
        assert_eq!(desired.text("x.yaml"), Some(text));
    }
}
