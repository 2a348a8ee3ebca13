//! Adding an entry to a file.

use super::super::{Entry, write};
use super::change::{Splice, apply, step};
use super::layout::Layout;
use crate::name::fold;
use crate::yaml::{plain_or_quoted, quote};

/// Returns the text with one more entry: in its place if the file is sorted, else at the end; `None` when the
/// file is written in a way that forbids it.
pub(super) fn add(layout: &Layout<'_>, wanted: &Entry) -> Option<String> {
    let name = fold(&wanted.name);
    let sorted = layout.names.is_sorted();
    let ordinal =
        if sorted { layout.names.partition_point(|other| *other < name) } else { layout.names.len() };
    let splice = match (layout.names.is_empty(), layout.flow) {
        (true, _) => into_empty(layout, wanted)?,
        (false, true) => into_braces(layout, wanted, ordinal)?,
        (false, false) => into_lines(layout, wanted, ordinal)?,
    };
    Some(apply(layout.text, splice))
}

fn into_empty(layout: &Layout<'_>, wanted: &Entry) -> Option<Vec<Splice>> {
    let (key, value) = (layout.key(&[])?, layout.value(&[])?);
    // A comment within braces needs a line break behind it.
    if layout.text[value.range.clone()].contains('#') {
        return None;
    }
    let colon = layout.after_colon(&key, &value).filter(|_| !layout.root_flow);
    let Some((colon, indent)) = colon.zip(layout.indent(key.range.start)) else {
        let json = layout.text[key.range].starts_with('"');
        return Some(vec![(value.range, format!("{{{}}}", pair(wanted, json)))]);
    };
    let block = write::block(wanted, &format!("{indent}  "), "  ", layout.newline);
    let end = layout.line_end(value.range.end);
    Some(vec![(colon..value.range.end, String::new()), (end..end, format!("{}{block}", layout.newline))])
}

fn into_braces(layout: &Layout<'_>, wanted: &Entry, ordinal: usize) -> Option<Vec<Splice>> {
    let json = layout.text[layout.key(&[0])?.range].starts_with('"');
    let pair = pair(wanted, json);
    if ordinal < layout.names.len() {
        let at = layout.key(&[ordinal])?.range.start;
        return Some(vec![(at..at, format!("{pair}, "))]);
    }
    let at = layout.value(&[ordinal - 1])?.range.end;
    Some(vec![(at..at, format!(", {pair}"))])
}

fn pair(wanted: &Entry, json: bool) -> String {
    let name = if json { quote(&wanted.name) } else { plain_or_quoted(&wanted.name) };
    format!("{name}: {}", write::flow(wanted, json))
}

fn into_lines(layout: &Layout<'_>, wanted: &Entry, ordinal: usize) -> Option<Vec<Splice>> {
    let first = layout.key(&[0])?.range.start;
    let indent = layout.indent(first)?;
    let block = write::block(wanted, indent, step(indent), layout.newline);
    if ordinal > 0 {
        // Behind the entry before it: a comment that follows belongs to the entry after it.
        let end = layout.line_end(layout.value(&[ordinal - 1])?.range.end);
        return Some(vec![(end..end, format!("{}{block}", layout.newline))]);
    }
    let mut start = layout.line_start(first);
    while let Some(above) = start.checked_sub(1).map(|above| layout.line_start(above)) {
        if !layout.text[above..start].trim_start().starts_with('#') {
            break;
        }
        start = above;
    }
    Some(vec![(start..start, format!("{block}{}", layout.newline))])
}
