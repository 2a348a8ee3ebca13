//! Diagnostics: what is wrong with something a person wrote, where, and what to write instead.
//!
//! A diagnostic is plain data and carries the source lines it points at, so that showing it needs no file.
//! This module does not know what YAML is.

pub mod codes;
mod lines;
mod render;
mod shown;

use serde::ser::{Serialize, SerializeStruct, Serializer};

pub use crate::model::Severity;
pub use lines::Lines;
pub use render::{MOST_SHOWN, render, summary};
pub use shown::{begins_command, is_bidirectional_override, is_invisible, shown};

/// A stable identifier such as `POP020`. Every code is documented in `docs/diagnostics.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub u16);

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "POP{:03}", self.0)
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One problem, with every place that belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Which rule was broken.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// The places, the primary one first; empty when a whole directory is meant.
    pub labels: Vec<Label>,
    /// What to do about it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A problem that stops the work.
    pub fn error(code: Code, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, message.into())
    }

    /// Something that works, but somebody should look.
    pub fn warning(code: Code, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, message.into())
    }

    /// Something worth knowing.
    pub fn note(code: Code, message: impl Into<String>) -> Self {
        Self::new(Severity::Note, code, message.into())
    }

    /// Adds a place; the first one added is the primary one.
    #[must_use]
    pub fn at(mut self, label: Label) -> Self {
        self.labels.push(label);
        self
    }

    /// Says what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Takes every source line out, for a file that may hold secrets.
    #[must_use]
    pub fn without_sources(mut self) -> Self {
        for spot in self.labels.iter_mut().filter_map(|label| label.at.as_mut()) {
            spot.source = None;
        }
        self
    }

    /// Returns what diagnostics are sorted by: path, line, column and code.
    pub fn order(&self) -> (&str, u32, u32, Code) {
        let primary = self.labels.first();
        let spot = primary.and_then(|label| label.at.as_ref());
        (
            primary.map_or("", |label| &label.path),
            spot.map_or(0, |spot| spot.line),
            spot.map_or(0, |spot| spot.column),
            self.code,
        )
    }

    fn new(severity: Severity, code: Code, message: String) -> Self {
        Self { code, severity, message, labels: Vec::new(), help: None }
    }
}

impl std::fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (path, line, column, code) = self.order();
        match (path, line) {
            ("", _) => {}
            (path, 0) => write!(f, "{}: ", shown(path))?,
            (path, line) => write!(f, "{}:{line}:{column}: ", shown(path))?,
        }
        write!(f, "{code}: {}", self.message)
    }
}

impl std::error::Error for Diagnostic {}

/// The primary place is spread out; further places come in `labels`. Source lines are left out: whoever reads
/// this has the files, and a line may hold what does not concern the problem.
impl Serialize for Diagnostic {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let primary = self.labels.first();
        let spot = primary.and_then(|label| label.at.as_ref());
        let mut object = serializer.serialize_struct("Diagnostic", 10)?;
        object.serialize_field("code", &self.code)?;
        object.serialize_field("title", codes::title(self.code))?;
        object.serialize_field("severity", &self.severity)?;
        object.serialize_field("message", &self.message)?;
        object.serialize_field("path", &primary.map(|label| &label.path))?;
        object.serialize_field("line", &spot.map(|spot| spot.line))?;
        object.serialize_field("column", &spot.map(|spot| spot.column))?;
        object.serialize_field("width", &spot.map(|spot| spot.width))?;
        object.serialize_field("help", &self.help)?;
        object.serialize_field("labels", self.labels.get(1..).unwrap_or_default())?;
        object.end()
    }
}

/// One place in one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The file as a person would name it.
    pub path: String,
    /// The line and column; `None` when the whole file is meant.
    pub at: Option<Spot>,
    /// What is to be seen at this place; may be empty.
    pub message: String,
}

impl Label {
    /// Means a whole file.
    pub fn file(path: impl Into<String>) -> Self {
        Self { path: path.into(), at: None, message: String::new() }
    }

    /// Means a run of characters in a file.
    pub fn spot(path: impl Into<String>, spot: Spot) -> Self {
        Self { path: path.into(), at: Some(spot), message: String::new() }
    }

    /// Says what is to be seen at this place.
    #[must_use]
    pub fn saying(mut self, message: impl Into<String>) -> Self {
        self.message = message.into();
        self
    }
}

impl Serialize for Label {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let spot = self.at.as_ref();
        let mut object = serializer.serialize_struct("Label", 5)?;
        object.serialize_field("path", &self.path)?;
        object.serialize_field("line", &spot.map(|spot| spot.line))?;
        object.serialize_field("column", &spot.map(|spot| spot.column))?;
        object.serialize_field("width", &spot.map(|spot| spot.width))?;
        object.serialize_field("message", &self.message)?;
        object.end()
    }
}

/// A run of characters in one line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// How many characters; at least 1.
    pub width: u32,
    /// The text of that line, without its line break; `None` when it must not be shown (a secret) or is too
    /// long to be of use.
    pub source: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_names_the_primary_place_and_lists_the_others() {
        let text = "a: on\nA: off\n";
        let lines = Lines::new(text);
        let diagnostic = Diagnostic::error(codes::LISTED_TWICE, "user `a` is listed twice")
            .at(Label::spot("x.yaml", lines.spot(text, 6..7)).saying("again"))
            .at(Label::spot("x.yaml", lines.spot(text, 0..1)).saying("first"))
            .help("keep one of the two");
        let json = serde_json::to_value(&diagnostic).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "code": "POP020",
                "title": "User listed twice",
                "severity": "error",
                "message": "user `a` is listed twice",
                "path": "x.yaml", "line": 2, "column": 1, "width": 1,
                "help": "keep one of the two",
                "labels": [{"path": "x.yaml", "line": 1, "column": 1, "width": 1, "message": "first"}],
            })
        );
        assert_eq!(diagnostic.to_string(), "x.yaml:2:1: POP020: user `a` is listed twice");
    }

    #[test]
    fn a_file_with_secrets_loses_its_source_lines_and_keeps_its_places() {
        let text = "password: hunter2";
        let spot = Lines::new(text).spot(text, 0..8);
        let diagnostic = Diagnostic::error(codes::UNKNOWN_FIELD, "no").at(Label::spot("s.yaml", spot));
        let stripped = diagnostic.without_sources();
        assert!(
            !format!("{stripped:?}{}", render(std::slice::from_ref(&stripped), false)).contains("hunter2")
        );
        assert_eq!(stripped.order().1, 1);
    }
}
