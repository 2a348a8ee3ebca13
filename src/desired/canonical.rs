//! The canonical form of a file: users sorted, two spaces of indent, short form where it suffices, quotes where they are
//! needed. Every comment stays, with whatever it belongs to.
//!
//! * A comment behind something stays behind it, after two spaces; comment lines above an entry or a field stay above.
//! * Comment lines below the last field of an entry, as far indented as its fields, stay below it.
//! * What stands above the first field of the file stays on top, and what stands below the last entry stays last. So
//!   does a comment between `pop3:` and the first entry, if a blank line follows it.
//! * Entries follow each other without blank lines; one blank line stays where it sets such comments apart.
//!
//! A file that has `version` keeps it, before `pop3`; one without gets none. Line breaks stay LF or CRLF.

mod comments;
mod lay_out;

use super::pieces::take_apart;
use super::{Edit, Entry, SourceFile, read};
use crate::diagnostic::{Diagnostic, Label, codes, shown};

/// Returns every file in its canonical form, in the order given.
///
/// # Errors
/// Every problem of every file; also where a file is written in a way in which its comments cannot be told apart.
pub fn format(files: &[SourceFile]) -> Result<Vec<Edit>, Vec<Diagnostic>> {
    // All together, because a user may be listed twice in different files.
    read(files.to_vec())?;
    let (mut edits, mut problems) = (Vec::new(), Vec::new());
    for file in files {
        let before = String::from_utf8_lossy(&file.bytes).into_owned();
        match one(&file.path, &before) {
            Some(after) => edits.push(Edit { path: file.path.clone(), before: Some(before), after }),
            None => problems.push(refusal(&file.path)),
        }
    }
    if problems.is_empty() { Ok(edits) } else { Err(problems) }
}

/// Formats one file and reads the result: it must mean the same and have the same comments.
fn one(path: &str, before: &str) -> Option<String> {
    let text = before.strip_prefix('\u{feff}').unwrap_or(before);
    let entries = entries(path, text)?;
    let pieces = take_apart(text)?;
    let after = lay_out::lay_out(text, &pieces, &entries)?;
    let again = take_apart(&after)?;
    let same = self::entries(path, &after)? == entries
        && again.version.is_some() == pieces.version.is_some()
        && comments::texts(&after, &again) == comments::texts(text, &pieces);
    same.then_some(after)
}

/// The entries of one file, in order of folded name.
fn entries(path: &str, text: &str) -> Option<Vec<Entry>> {
    let file = SourceFile { path: path.to_owned(), bytes: text.as_bytes().to_vec() };
    Some(read(vec![file]).ok()?.iter().map(|entry| entry.to_entry()).collect())
}

fn refusal(path: &str) -> Diagnostic {
    let message = format!("`{}` is written in a way in which it cannot be formatted", shown(path));
    Diagnostic::error(codes::EDIT_SHAPE, message)
        .at(Label::file(path))
        .help("write each user on a line of its own: `name: enabled`")
}

#[cfg(test)]
mod tests;
