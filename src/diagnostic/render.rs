//! Diagnostics as text for a person, in the manner of rustc.

use std::fmt::Write;
use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::{Diagnostic, Label, Severity, Spot, begins_command, is_invisible};

/// How many problems are shown; the rest is counted.
pub const MOST_SHOWN: usize = 1000;

/// Renders diagnostics with their source lines, labels and help, one after the other with an empty line
/// between them. At most [`MOST_SHOWN`] are shown, and a last line says how many more there are.
pub fn render(diagnostics: &[Diagnostic], color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.decor_style(DecorStyle::Ascii);
    let mut out = String::new();
    for diagnostic in diagnostics.iter().take(MOST_SHOWN) {
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(&one(&renderer, diagnostic));
        out.push('\n');
    }
    if let Some(more) = diagnostics.len().checked_sub(MOST_SHOWN).filter(|more| *more > 0) {
        let s = if more == 1 { "" } else { "s" };
        // Writing to a `String` cannot fail.
        let _ = writeln!(out, "\n… and {more} more problem{s}; the first {MOST_SHOWN} are shown");
    }
    out
}

/// Says in a few words how many there are of each severity, such as `3 errors, 1 warning in 2 files`; empty
/// when there are none.
pub fn summary(diagnostics: &[Diagnostic]) -> String {
    let count = |severity| diagnostics.iter().filter(|one| one.severity == severity).count();
    let parts: Vec<String> = [
        (count(Severity::Error), "error", "errors"),
        (count(Severity::Warning), "warning", "warnings"),
        (count(Severity::Note), "note", "notes"),
    ]
    .into_iter()
    .filter(|(count, ..)| *count > 0)
    .map(|(count, one, many)| format!("{count} {}", if count == 1 { one } else { many }))
    .collect();
    let mut files: Vec<&str> =
        diagnostics.iter().filter_map(|one| one.labels.first()).map(|label| &*label.path).collect();
    files.sort_unstable();
    files.dedup();
    match (parts.is_empty(), files.len()) {
        (true, _) => String::new(),
        (false, 0) => parts.join(", "),
        (false, 1) => format!("{} in 1 file", parts.join(", ")),
        (false, files) => format!("{} in {files} files", parts.join(", ")),
    }
}

fn one(renderer: &Renderer, diagnostic: &Diagnostic) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note | Severity::Ok => Level::NOTE,
    };
    let mut group =
        Group::with_title(level.primary_title(safe(&diagnostic.message)).id(diagnostic.code.to_string()));
    let mut said = Vec::new();
    let mut labels = diagnostic.labels.iter().enumerate().peekable();
    while let Some((position, label)) = labels.next() {
        let Some((spot, source)) = label.at.as_ref().and_then(|spot| Some((spot, spot.source.as_ref()?)))
        else {
            group = group.element(origin(label));
            said.push(&label.message);
            continue;
        };
        let source = visible(source);
        let mut snippet = Snippet::source(source.clone())
            .path(safe(&label.path))
            .line_start(spot.line as usize)
            .annotation(annotation(position, label, spot, &source));
        // Two places in one line belong under one picture of it.
        while let Some((position, next)) = labels.next_if(|(_, next)| {
            next.path == label.path
                && next.at.as_ref().is_some_and(|at| at.line == spot.line && at.source.is_some())
        }) {
            let spot = next.at.as_ref().expect("looked at by the condition above");
            snippet = snippet.annotation(annotation(position, next, spot, &source));
        }
        group = group.element(snippet);
    }
    for message in said.into_iter().filter(|message| !message.is_empty()) {
        group = group.element(Level::NOTE.message(safe(message)));
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(safe(help)));
    }
    renderer.render(&[group])
}

fn origin(label: &Label) -> Origin<'static> {
    let origin = Origin::path(safe(&label.path));
    match &label.at {
        Some(spot) => origin.line(spot.line as usize).char_column(spot.column as usize),
        None => origin,
    }
}

fn annotation(position: usize, label: &Label, spot: &Spot, source: &str) -> Annotation<'static> {
    let kind = if position == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
    let annotation = kind.span(bytes(spot, source));
    if label.message.is_empty() { annotation } else { annotation.label(safe(&label.message)) }
}

/// Turns columns and widths in characters into a range of bytes that lies within the line.
fn bytes(spot: &Spot, source: &str) -> Range<usize> {
    let offset = |characters: u32| {
        source.char_indices().nth(characters as usize).map_or(source.len(), |(offset, _)| offset)
    };
    let start = spot.column.saturating_sub(1);
    offset(start)..offset(start.saturating_add(spot.width))
}

/// Returns a line with as many characters, tabs included, and none that a terminal would obey.
fn visible(line: &str) -> String {
    let hidden =
        |c: char| c.is_control() && c != '\t' || is_invisible(c) || matches!(c, '\u{2028}' | '\u{2029}');
    replaced(line, hidden)
}

/// Takes out what a terminal would obey. Unlike [`super::shown`], it cuts nothing.
fn safe(text: &str) -> String {
    replaced(text, |c| c.is_control() || is_invisible(c) || matches!(c, '\u{2028}' | '\u{2029}'))
}

/// Puts a sign that cannot be overlooked for every hidden character, and for those that would begin a command where a
/// CI prints this. The number of characters stays.
fn replaced(text: &str, hidden: impl Fn(char) -> bool) -> String {
    let command = |at: usize, c: char| c == '[' && begins_command(&text[..at]);
    text.char_indices().map(|(at, c)| if hidden(c) || command(at, c) { '\u{fffd}' } else { c }).collect()
}
