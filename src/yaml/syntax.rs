//! Syntax errors, in words that help: both parsers say what they could not parse, and neither says that a name
//! lacks its quotes.

use std::ops::Range;

use saphyr_parser::ScanError;

use super::locate::position;
use crate::diagnostic::{Diagnostic, Label, Lines, codes, shown};

pub(super) const ALIAS: &str = "an alias is not allowed: this file is plain data";
pub(super) const ALIAS_HELP: &str =
    "write the value out; a name or a text that begins with `*` must be put in quotes";

/// Turns an error of saphyr into a diagnostic.
pub(super) fn from_scan(path: &str, text: &str, lines: &Lines, error: &ScanError) -> Diagnostic {
    let (line, column) = position(*error.marker());
    let offset = lines.offset(text, line, column);
    if error.info().contains("unknown anchor") {
        let label = Label::spot(path, lines.spot(text, offset..offset + 1));
        return Diagnostic::error(codes::ANCHOR, ALIAS).at(label).help(ALIAS_HELP);
    }
    diagnostic(path, text, lines, offset, error.info())
}

/// Turns an error of `serde_yaml` into a diagnostic.
pub(super) fn from_decoder(path: &str, text: &str, error: &serde_yaml::Error) -> Diagnostic {
    let lines = Lines::new(text);
    let said = error.to_string();
    // The decoder says `problem at line 3 column 5, while doing this at line 2 column 1`. What it was doing is
    // where an open quote or a key without a colon begins, which is what a person has to look at.
    let began = said.rsplit_once(", while ").and_then(|(_, context)| place(context));
    let problem = said.split(" at line ").next().unwrap_or(&said);
    let problem = problem.split(", while ").next().unwrap_or(problem);
    let at = error.location().map_or(0, |location| location.index());
    let points_behind = problem.contains("could not find expected ':'") || problem.contains("end of stream");
    let offset = match began {
        Some((line, column)) if points_behind => lines.offset(text, line, column),
        _ => at,
    };
    diagnostic(path, text, &lines, offset, problem)
}

/// Reports that two parsers read a text differently.
pub(super) fn ambiguous(path: &str, text: &str, (line, column): (u32, u32)) -> Diagnostic {
    let lines = Lines::new(text);
    let offset = lines.offset(text, line, column);
    Diagnostic::error(codes::SYNTAX, "not every YAML reader reads this in the same way")
        .at(Label::spot(path, lines.spot(text, token(text, offset))))
        .help("put names and texts in quotes, and write one user on each line, without braces")
}

/// Reads `… at line 2 column 1` at the end of a message.
fn place(context: &str) -> Option<(u32, u32)> {
    let (_, place) = context.rsplit_once(" at line ")?;
    let (line, column) = place.split_once(" column ")?;
    Some((line.parse().ok()?, column.parse().ok()?))
}

fn diagnostic(path: &str, text: &str, lines: &Lines, offset: usize, problem: &str) -> Diagnostic {
    let offset = text.floor_char_boundary(offset);
    // A place after the last line break is nowhere to be seen; the end of what is written is.
    let offset = if offset >= text.len() { text.trim_end().len() } else { offset };
    let (number, _) = lines.position(text, offset);
    let culprit = before(text, lines, number).filter(|number| is_cut_by_comment(lines.line(text, *number)));
    let (offset, number) = match culprit {
        Some(number) => {
            let line = lines.line(text, number);
            (lines.offset(text, number, 1) + line.len() - line.trim_start().len(), number)
        }
        None => (offset, number),
    };
    let label = Label::spot(path, lines.spot(text, token(text, offset)));
    Diagnostic::error(codes::SYNTAX, format!("not YAML: {}", shown(problem)))
        .at(label)
        .help(advice(lines.line(text, number)))
}

/// Returns the last line before a line that holds something.
fn before(text: &str, lines: &Lines, number: u32) -> Option<u32> {
    (number.saturating_sub(20).max(1)..number).rev().find(|number| {
        let content = lines.line(text, *number).trim_start();
        !content.is_empty() && !content.starts_with('#')
    })
}

/// Tells whether a comment begins within what was to be a name: such a line is only found out on the next.
fn is_cut_by_comment(line: &str) -> bool {
    line.split_once(" #").is_some_and(|(name, rest)| !name.contains(':') && rest.contains(':'))
}

/// Returns the word that begins at an offset.
fn token(text: &str, offset: usize) -> Range<usize> {
    let length = text[offset..].find(char::is_whitespace).unwrap_or(text.len() - offset);
    offset..offset + length
}

/// Guesses from a line what is wrong with it.
fn advice(line: &str) -> String {
    let content = line.trim_start_matches([' ', '\t']);
    let indentation = &line[..line.len() - content.len()];
    if indentation.contains('\t') {
        return "indent with spaces, not with tabs".to_owned();
    }
    if content.contains(":\t") {
        return "write a space after the colon, not a tab".to_owned();
    }
    // What a person most likely meant as the name: all before the last colon.
    let (name, _) = content.rsplit_once(": ").unwrap_or((content.trim_end().trim_end_matches(':'), ""));
    let name = name.trim();
    let quoted = name.starts_with(['"', '\'']);
    let odd = name.starts_with(['@', '`', '%', '&', '*', '!', '|', '>', '[', ']', '{', '}', ',', '#']);
    if !quoted && !name.is_empty() && (odd || name.contains(": ") || name.contains(" #")) {
        return format!("a name with such characters must be quoted: {}", shown(&super::quote(name)));
    }
    if quoted {
        return "look for a quote that is not closed, or for text after the closing one".to_owned();
    }
    if content.contains(':') {
        "every user is a line `name: enabled` or `name: disabled`, all indented alike".to_owned()
    } else {
        "a line needs a colon and a space between the name and the value: `name: enabled`".to_owned()
    }
}
