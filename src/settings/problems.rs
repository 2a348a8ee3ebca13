//! Collects everything that is wrong with one settings file.

use super::hidden;
use crate::diagnostic::{Code, Diagnostic, Label, Severity, Spot};
use crate::yaml::tree::Place;

/// More problems than a person reads at once; the rest is dropped.
const ENOUGH: usize = 500;

/// Longer lines are not shown: nobody could find the place in them.
const SHOWN: usize = 2000;

/// The problems of one file, and what is needed to show them.
#[derive(Debug)]
pub(super) struct Problems<'t> {
    path: String,
    lines: Vec<&'t str>,
    hidden: Vec<bool>,
    found: Vec<Diagnostic>,
}

impl<'t> Problems<'t> {
    /// Begins with none. `path` is the file as a person would name it.
    pub(super) fn new(path: &str, text: &'t str) -> Self {
        let lines: Vec<_> = text.lines().collect();
        Self { path: path.to_owned(), hidden: hidden::lines(&lines), lines, found: Vec::new() }
    }

    /// Hides the lines of a place, because a secret stands there.
    pub(super) fn hide(&mut self, at: Place) {
        for line in at.line..=at.last_line {
            if let Some(hide) = self.hidden.get_mut(line as usize - 1) {
                *hide = true;
            }
        }
    }

    /// Adds an error.
    pub(super) fn error(&mut self, code: Code, at: Place, message: impl Into<String>) -> Report<'_> {
        self.add(Severity::Error, code, Some(at), message.into())
    }

    /// Adds an error that concerns the whole file.
    pub(super) fn error_of_file(&mut self, code: Code, message: impl Into<String>) -> Report<'_> {
        self.add(Severity::Error, code, None, message.into())
    }

    /// Adds something that works, but somebody should look.
    pub(super) fn warning(
        &mut self,
        code: Code,
        at: Option<Place>,
        message: impl Into<String>,
    ) -> Report<'_> {
        self.add(Severity::Warning, code, at, message.into())
    }

    /// Makes a label for a second place, for [`Report::also`].
    pub(super) fn label(&self, at: Place, message: &str) -> Label {
        Label { path: self.path.clone(), at: Some(self.spot(at)), message: message.to_owned() }
    }

    /// Tells whether there is an error among them.
    pub(super) fn any_error(&self) -> bool {
        self.found.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// Returns them in order of place.
    pub(super) fn into_sorted(mut self) -> Vec<Diagnostic> {
        let place = |problem: &Diagnostic| {
            let spot = problem.labels.first().and_then(|label| label.at.as_ref());
            spot.map(|spot| (spot.line, spot.column))
        };
        self.found.sort_by_key(|problem| (place(problem), problem.code));
        // Errors first, lest warnings fill the list.
        if self.found.len() > ENOUGH {
            self.found.sort_by_key(|problem| std::cmp::Reverse(problem.severity));
            self.found.truncate(ENOUGH);
        }
        self.found
    }

    fn add(&mut self, severity: Severity, code: Code, at: Option<Place>, message: String) -> Report<'_> {
        let at = at.map(|at| self.spot(at));
        let label = Label { path: self.path.clone(), at, message: String::new() };
        self.found.push(Diagnostic { code, severity, message, labels: vec![label], help: None });
        Report(self.found.len() - 1, &mut self.found)
    }

    fn spot(&self, at: Place) -> Spot {
        let line = at.line as usize - 1;
        let hidden = self.hidden.get(line).copied().unwrap_or(true);
        let source = self.lines.get(line).filter(|line| line.len() <= SHOWN && self.found.len() < ENOUGH);
        Spot {
            line: at.line,
            column: at.column,
            width: at.width,
            source: if hidden { None } else { source.map(|&line| line.to_owned()) },
        }
    }
}

/// A problem just added, to say more about it.
#[derive(Debug)]
pub(super) struct Report<'p>(usize, &'p mut Vec<Diagnostic>);

impl Report<'_> {
    /// Says what to do about it.
    pub(super) fn help(self, help: impl Into<String>) -> Self {
        self.1[self.0].help = Some(help.into());
        self
    }

    /// Says what is to be seen at its place.
    pub(super) fn label(self, message: &str) -> Self {
        if let Some(label) = self.1[self.0].labels.first_mut() {
            message.clone_into(&mut label.message);
        }
        self
    }

    /// Adds a second place.
    pub(super) fn also(self, label: Label) -> Self {
        self.1[self.0].labels.push(label);
        self
    }
}

/// Shortens what somebody wrote so that it fits into a message, and makes odd characters visible.
pub(super) fn shown(text: &str) -> String {
    const LONGEST: usize = 80;
    let mut shown = String::new();
    for char in text.chars().take(LONGEST) {
        match char {
            '"' | '\'' | '\\' => shown.push(char),
            _ => shown.extend(char.escape_debug()),
        }
    }
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}
