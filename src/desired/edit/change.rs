//! Changing an entry that stands in a file.

use std::ops::Range;

use super::super::{Entry, write};
use super::layout::{Layout, Piece};
use crate::yaml::{plain_or_quoted, quote};

/// A piece of the text, and what takes its place.
pub(super) type Splice = (Range<usize>, String);

/// Returns the text with one entry changed from what it is to what it shall be; `None` when it is written in a
/// way that cannot be changed.
pub(super) fn change(layout: &Layout<'_>, ordinal: usize, is: &Entry, wanted: &Entry) -> Option<String> {
    let key = layout.key(&[ordinal])?;
    let value = layout.value(&[ordinal])?;
    let splices = match layout.fields(ordinal) {
        None if write::is_short(wanted) => {
            vec![(value.range.clone(), like(layout, &value, wanted.access.word()))]
        }
        None => short_to_map(layout, &key, &value, wanted)?,
        Some(_) if value.flow => vec![(value.range.clone(), in_braces(layout, &value, wanted)?)],
        Some(fields) => in_lines(layout, ordinal, fields, is, wanted)?,
    };
    Some(apply(layout.text, splices))
}

/// Returns a text with pieces replaced that do not overlap. What is inserted where another piece begins comes
/// before it.
pub(super) fn apply(text: &str, mut splices: Vec<Splice>) -> String {
    splices.sort_by_key(|(range, _)| (range.start, range.end));
    let mut out = String::with_capacity(text.len() + 64);
    let mut done = 0;
    for (range, new) in splices {
        out.push_str(&text[done..range.start]);
        out.push_str(&new);
        done = range.end;
    }
    out.push_str(&text[done..]);
    out
}

/// Returns a word in the same quotes as the one it replaces.
fn like(layout: &Layout<'_>, old: &Piece, word: &str) -> String {
    match layout.text[old.range.clone()].chars().next() {
        Some(quote @ ('"' | '\'')) => format!("{quote}{word}{quote}"),
        _ => word.to_owned(),
    }
}

/// Tells whether a piece is written as JSON is.
fn is_json(layout: &Layout<'_>, piece: &Piece) -> bool {
    layout.text[piece.range.clone()].starts_with('"')
}

fn short_to_map(layout: &Layout<'_>, key: &Piece, value: &Piece, wanted: &Entry) -> Option<Vec<Splice>> {
    let text = layout.text;
    let lines = || {
        let indent = layout.indent(key.range.start).filter(|_| !layout.flow)?;
        Some((indent, layout.after_colon(key, value)?))
    };
    let Some((indent, colon)) = lines() else {
        // Braces may stand wherever a word may.
        let json = layout.flow && is_json(layout, key) && is_json(layout, value);
        return Some(vec![(value.range.clone(), write::flow(wanted, json))]);
    };
    let block = write::block(wanted, indent, step(indent), layout.newline);
    // Its first line is the name, which stays as it is written.
    let fields = block.split_once(layout.newline)?.1;
    let end = layout.line_end(value.range.end);
    Some(vec![(colon..value.range.end, String::new()), (end..end, format!("{}{fields}", layout.newline))])
        .filter(|_| !text[value.range.clone()].contains('\n'))
}

/// Returns by how much the fields of an entry are indented more than its name: as much as names are.
pub(super) fn step(indent: &str) -> &str {
    if (2..=8).contains(&indent.len()) { indent } else { "  " }
}

fn in_braces(layout: &Layout<'_>, value: &Piece, wanted: &Entry) -> Option<String> {
    let old = &layout.text[value.range.clone()];
    // A comment within braces needs a line break behind it.
    let may_have_comment = old.contains('#') && old.contains('\n');
    let json = old[1..].trim_start().starts_with('"');
    (!may_have_comment).then(|| write::flow(wanted, json))
}

fn in_lines(
    layout: &Layout<'_>,
    ordinal: usize,
    fields: &[String],
    is: &Entry,
    wanted: &Entry,
) -> Option<Vec<Splice>> {
    let position = |name: &str| fields.iter().position(|field| field == name);
    let access = layout.value(&[ordinal, position("access")?])?;
    let removed = match position("until") {
        Some(until) if wanted.until.is_none() => Some(until),
        _ => None,
    };
    if removed.is_some()
        && write::is_short(wanted)
        && let Some(splice) = map_to_short(layout, ordinal, fields.len(), wanted)
    {
        return Some(vec![splice]);
    }
    let mut splices = vec![(access.range.clone(), like(layout, &access, wanted.access.word()))];
    if let Some(until) = removed {
        splices.push(without_field(layout, &[ordinal, until])?);
    }
    let indent = layout.indent(layout.key(&[ordinal, position("access")?])?.range.start)?;
    let mut new_lines = String::new();
    let reason = wanted.reason.as_ref().filter(|_| wanted.reason != is.reason);
    for (name, new) in [
        ("until", wanted.until.map(|until| until.to_string())),
        ("reason", reason.map(|reason| plain_or_quoted(reason))),
    ] {
        let Some(new) = new else { continue };
        match position(name) {
            Some(field) => {
                let old = layout.value(&[ordinal, field])?;
                let new = match (name, &wanted.reason) {
                    ("until", _) => like(layout, &old, &new),
                    (_, Some(reason)) if is_json(layout, &old) => quote(reason),
                    _ => new,
                };
                splices.push((old.range, new));
            }
            None => new_lines.extend([layout.newline, indent, name, ": ", &new]),
        }
    }
    let end = layout.line_end(access.range.end);
    splices.push((end..end, new_lines));
    Some(splices)
}

/// Puts the word behind the name, if no comment would be lost.
fn map_to_short(layout: &Layout<'_>, ordinal: usize, fields: usize, wanted: &Entry) -> Option<Splice> {
    let key = layout.key(&[ordinal])?;
    let last = layout.value(&[ordinal, fields.checked_sub(1)?])?;
    let old = &layout.text[key.range.end..layout.line_end(last.range.end)];
    let colon = old.find(':').filter(|colon| old[..*colon].trim_matches([' ', '\t']).is_empty())?;
    let lost = key.range.end + colon + 1..last.range.end;
    (!old.contains('#') && !old.contains("\n\n") && !old.contains("\n\r\n"))
        .then(|| (lost, format!(" {}", wanted.access)))
}

/// Takes a field out with its whole line; a comment behind it stays on a line of its own.
fn without_field(layout: &Layout<'_>, path: &[usize]) -> Option<Splice> {
    let (key, value) = (layout.key(path)?, layout.value(path)?);
    let start = layout.line_start(key.range.start);
    let indent = layout.indent(key.range.start)?;
    let end = layout.line_end(value.range.end);
    let comment = layout.text[value.range.end..end].trim();
    if !comment.is_empty() {
        return Some((start..end, format!("{indent}{comment}")));
    }
    // The line break before it goes too: the last line of a file may have none behind it.
    let before = layout.text[..start].strip_suffix('\n')?;
    Some((before.strip_suffix('\r').unwrap_or(before).len()..end, String::new()))
}
