//! Puts the pieces and the comments of a file together again.

use super::super::pieces::{EntryPiece, Pieces};
use super::super::{Entry, write};
use super::comments::{Around, OfEntry, sorted};
use crate::name::fold;

/// Lays a file out; `entries` are what its pieces mean, in order of folded name. `None` if the two do not agree.
pub(super) fn lay_out(text: &str, pieces: &Pieces, entries: &[Entry]) -> Option<String> {
    let comments = sorted(text, pieces);
    let mut out = Lines { lines: Vec::new() };
    out.comments("", comments.top);
    if let Some(version) = &pieces.version {
        out.line("", text.get(version.key.clone()).map(|_| "version: 1")?, comments.version);
    }
    let list = if entries.is_empty() { "pop3: {}" } else { "pop3:" };
    out.line("", list, comments.pop3);
    out.comments("  ", comments.head);
    let mut written: Vec<(String, &EntryPiece, OfEntry)> = pieces
        .entries
        .iter()
        .zip(comments.entries)
        .map(|(piece, comments)| (fold(&piece.name), piece, comments))
        .collect();
    written.sort_by(|(a, ..), (b, ..)| a.cmp(b));
    if written.len() != entries.len() {
        return None;
    }
    for (entry, (_, piece, comments)) in entries.iter().zip(written) {
        if entry.name != piece.name {
            return None;
        }
        out.entry(entry, piece, comments);
    }
    out.comments("  ", comments.foot);
    out.comments("", comments.bottom);
    Some(out.text(if text.contains("\r\n") { "\r\n" } else { "\n" }))
}

struct Lines {
    lines: Vec<String>,
}

impl Lines {
    fn entry(&mut self, entry: &Entry, piece: &EntryPiece, comments: OfEntry) {
        let OfEntry { mut own, fields, below } = comments;
        let (key, explicit) = write::key_line(entry);
        if write::is_short(entry) {
            for field in fields {
                own.above.extend(field.above);
                let to = if own.behind.is_empty() { &mut own.behind } else { &mut own.above };
                to.extend(field.behind);
            }
            own.above.extend(below);
            let line = format!("{} {}", key.last().map_or("", |line| line), entry.access);
            self.key(&key, &line, own);
            return;
        }
        if explicit {
            // Behind the colon of a long name nothing would tell whose comment it is.
            own.above.append(&mut own.behind);
        }
        self.key(&key, key.last().map_or("", |line| line), own);
        let names = piece.fields.iter().map(|(name, _)| &**name);
        let mut fields: Vec<(&str, Around)> = names.zip(fields).collect();
        for line in write::fields(entry, false) {
            let name = line.split(':').next().unwrap_or_default();
            let position = fields.iter().position(|(field, _)| *field == name);
            let around = position.map(|position| fields.swap_remove(position).1);
            self.line("    ", &line, around.unwrap_or_default());
        }
        self.comments("    ", below);
    }

    /// Writes the line with the key of an entry, which a very long key makes two.
    fn key(&mut self, key: &[String], line: &str, own: Around) {
        match key {
            [question, _] => {
                let extra = own.behind.get(1..).unwrap_or_default().to_vec();
                self.comments("  ", own.above);
                self.comments("  ", extra);
                self.lines.push(format!("  {question}"));
                let behind = own.behind.into_iter().take(1).collect();
                self.line("  ", line, Around { above: Vec::new(), behind });
            }
            _ => self.line("  ", line, own),
        }
    }

    /// Writes a line with the comments around it. There is room for one behind it; others go above.
    fn line(&mut self, indent: &str, line: &str, around: Around) {
        let mut behind = around.behind.into_iter();
        let first = behind.next().map_or_else(String::new, |comment| format!("  {comment}"));
        self.comments(indent, around.above);
        self.comments(indent, behind.collect());
        self.lines.push(format!("{indent}{line}{first}"));
    }

    /// Writes comments on lines of their own; never two blank lines in a row, and none at the very top.
    fn comments(&mut self, indent: &str, comments: Vec<String>) {
        for comment in comments {
            if !comment.is_empty() {
                self.lines.push(format!("{indent}{comment}"));
            } else if self.lines.last().is_some_and(|last| !last.is_empty()) {
                self.lines.push(String::new());
            }
        }
    }

    fn text(self, newline: &str) -> String {
        self.lines.into_iter().flat_map(|line| [line, newline.to_owned()]).collect()
    }
}
