//! A plan as a unified diff, as if live state were the YAML: in each file the access that the mail system has, and
//! the one that the entry means.

mod texts;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use similar::udiff::UnifiedHunkHeader;
use similar::{DiffOp, group_diff_ops};

use super::harmless::{harmless, line_as_shown};
use super::shown::Shown;
use super::text::Paint;
use crate::diagnostic::Lines;
use crate::model::State;
use crate::plan::{Cause, Planned};

pub use texts::texts;

/// How many unchanged lines stand around a change.
const CONTEXT: usize = 3;

/// Writes plans as one diff of every file with a change. Nothing is written where nothing changes.
///
/// # Errors
/// Only those of `out`.
pub fn plans(shown: &[Shown<'_>], out: &mut dyn fmt::Write) -> fmt::Result {
    for one in shown {
        if shown.len() > 1 && !one.plan.changes.is_empty() {
            writeln!(out, "target {}", harmless(&one.plan.target))?;
        }
        let mut files: BTreeMap<&str, Vec<&Planned>> = BTreeMap::new();
        let mut unlisted = Vec::new();
        for planned in &one.plan.changes {
            match planned.change.cause.origin() {
                Some(origin) => files.entry(&origin.file).or_default().push(planned),
                None => unlisted.push(planned),
            }
        }
        for (file, changes) in files {
            in_file(one, file, &changes, out)?;
        }
        as_entries("(not listed)", &unlisted, one, out)?;
    }
    Ok(())
}

fn header(name: &str, paint: Paint, out: &mut dyn fmt::Write) -> fmt::Result {
    let name = harmless(name);
    writeln!(out, "{}", paint.bold(&format!("--- {name}\tas the mail system is")))?;
    writeln!(out, "{}", paint.bold(&format!("+++ {name}\tas it shall be")))
}

/// A line that reads differently before and after.
struct Altered<'a> {
    /// The words in it that differ, in the order of the line: where, and which change.
    words: Vec<(std::ops::Range<usize>, &'a Planned)>,
}

fn in_file(shown: &Shown<'_>, file: &str, changes: &[&Planned], out: &mut dyn fmt::Write) -> fmt::Result {
    let Some(text) = shown.desired.text(file) else { return Ok(()) };
    let lines = Lines::new(text);
    let names: Vec<&str> = changes.iter().map(|planned| &*planned.change.name).collect();
    let mut altered: BTreeMap<usize, Altered<'_>> = BTreeMap::new();
    // Lines that are not there before: what shall be created.
    let mut created: BTreeMap<usize, usize> = BTreeMap::new();
    let mut placeless = Vec::new();
    for (span, planned) in shown.desired.spans(file, &names).into_iter().zip(changes) {
        let Some(span) = span else {
            placeless.push(*planned);
            continue;
        };
        let line = |offset: usize| lines.position(text, offset).0 as usize - 1;
        let (first, last) = (line(span.entry.start), line(span.entry.end.saturating_sub(1)));
        let alone = alone(text, &span.entry);
        if planned.change.from == State::Missing && alone {
            created.insert(first, last);
        }
        let words =
            &mut altered.entry(line(span.access.start)).or_insert(Altered { words: Vec::new() }).words;
        words.push((span.access, planned));
    }
    let name = shown.view.places().file(file);
    as_entries(&name, &placeless, shown, out)?;
    if altered.is_empty() {
        return Ok(());
    }
    for line in altered.values_mut() {
        line.words.sort_by_key(|(range, _)| range.start);
    }
    let ops = operations(lines.count() as usize, text.ends_with('\n'), &altered, &created);
    let paint = shown.view.paint();
    header(&name, paint, out)?;
    let source = |index: usize| lines.line(text, u32::try_from(index + 1).unwrap_or(u32::MAX));
    let start = |index: usize| lines.offset(text, u32::try_from(index + 1).unwrap_or(u32::MAX), 1);
    for hunk in group_diff_ops(ops, CONTEXT) {
        writeln!(out, "{}", UnifiedHunkHeader::new(&hunk))?;
        for op in hunk {
            // Lines are found by their number afterwards; those before read the same but for the words.
            match op {
                DiffOp::Equal { new_index, len, .. } => {
                    for index in new_index..new_index + len {
                        writeln!(out, " {}", line_as_shown(source(index)))?;
                    }
                }
                DiffOp::Insert { new_index, new_len, .. } => {
                    for index in new_index..new_index + new_len {
                        let line = read_as(source(index), start(index), altered.get(&index), false);
                        writeln!(out, "{}", paint.green(&format!("+{}", line_as_shown(&line))))?;
                    }
                }
                DiffOp::Replace { new_index, new_len, .. } => {
                    for (sign, before) in [('-', true), ('+', false)] {
                        for index in new_index..new_index + new_len {
                            let line = read_as(source(index), start(index), altered.get(&index), before);
                            let line = format!("{sign}{}", line_as_shown(&line));
                            let line = if before { paint.red(&line) } else { paint.green(&line) };
                            writeln!(out, "{line}")?;
                        }
                    }
                }
                DiffOp::Delete { .. } => {}
            }
        }
    }
    Ok(())
}

/// Tells whether nothing but an entry stands on its lines, a comment aside.
fn alone(text: &str, entry: &std::ops::Range<usize>) -> bool {
    let before = text[..entry.start].rsplit('\n').next().unwrap_or_default();
    let after = text[entry.end..].split('\n').next().unwrap_or_default().trim();
    before.bytes().all(|byte| byte == b' ') && (after.is_empty() || after.starts_with('#'))
}

/// Says which lines stay, differ and appear. The two sides have the same lines but for those that appear.
fn operations(
    lines: usize,
    ends: bool,
    altered: &BTreeMap<usize, Altered<'_>>,
    created: &BTreeMap<usize, usize>,
) -> Vec<DiffOp> {
    // Behind the last line break there is no line.
    let lines = if ends { lines - 1 } else { lines };
    let (mut ops, mut old, mut new) = (Vec::new(), 0, 0);
    let mut marks: BTreeMap<usize, usize> = altered.keys().map(|line| (*line, 0)).collect();
    for (first, last) in created {
        for line in *first..=*last {
            marks.remove(&line);
        }
        marks.insert(*first, last - first + 1);
    }
    for (line, appear) in marks {
        if line > new {
            let len = line - new;
            ops.push(DiffOp::Equal { old_index: old, new_index: new, len });
            (old, new) = (old + len, new + len);
        }
        if appear > 0 {
            ops.push(DiffOp::Insert { old_index: old, new_index: new, new_len: appear });
            new += appear;
        } else {
            ops.push(DiffOp::Replace { old_index: old, old_len: 1, new_index: new, new_len: 1 });
            (old, new) = (old + 1, new + 1);
        }
    }
    if lines > new {
        ops.push(DiffOp::Equal { old_index: old, new_index: new, len: lines - new });
    }
    ops
}

/// A line with the words of one side put in.
fn read_as<'l>(line: &'l str, start: usize, altered: Option<&Altered<'_>>, before: bool) -> Cow<'l, str> {
    let Some(altered) = altered else { return Cow::Borrowed(line) };
    let mut out = String::new();
    let (mut at, mut remarks) = (0, Vec::new());
    for (range, planned) in &altered.words {
        let (from, to) = (range.start - start, range.end - start);
        out.push_str(&line[at..from]);
        let written = &line[from..to];
        let word = if before { planned.change.from.word() } else { planned.change.to.word() };
        out.push_str(if written.trim_matches(['"', '\'']) == word { written } else { word });
        at = to;
        if !before {
            remarks.extend(remark(planned));
        }
    }
    out.push_str(&line[at..]);
    if !remarks.is_empty() {
        out = format!("{}  # {}", out.trim_end(), remarks.join(", "));
    }
    Cow::Owned(out)
}

/// What the words alone do not say.
fn remark(planned: &Planned) -> Option<String> {
    let expired = match (&planned.change.cause, planned.until) {
        (Cause::Expired(_), Some(until)) => Some(format!("until {until} is over")),
        _ => None,
    };
    match (expired, planned.waits) {
        (Some(expired), true) => Some(format!("{expired}, waits for an approval")),
        (None, true) => Some("waits for an approval".to_owned()),
        (expired, false) => expired,
    }
}

/// Changes without a place in a text: as if each were an entry of its own.
fn as_entries(title: &str, changes: &[&Planned], shown: &Shown<'_>, out: &mut dyn fmt::Write) -> fmt::Result {
    if changes.is_empty() {
        return Ok(());
    }
    let paint = shown.view.paint();
    header(title, paint, out)?;
    let len = changes.len();
    writeln!(
        out,
        "{}",
        UnifiedHunkHeader::new(&[DiffOp::Replace { old_index: 0, old_len: len, new_index: 0, new_len: len }])
    )?;
    for planned in changes {
        let (name, change) = (crate::desired::key(&planned.change.name), &planned.change);
        let remark = remark(planned).map_or_else(String::new, |remark| format!("  # {remark}"));
        let before = format!("-  {}: {}", line_as_shown(&name), change.from);
        let after = format!("+  {}: {}{remark}", line_as_shown(&name), change.to);
        writeln!(out, "{}\n{}", paint.red(&before), paint.green(&after))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
