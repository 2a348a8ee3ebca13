//! Diagnostics: what is wrong with something a person wrote, where, and what to write instead.
//!
//! A diagnostic is plain data and carries the source lines it points at, so that showing it needs no file.
//! This module does not know what YAML is.

pub use crate::model::Severity;

/// A stable identifier such as `POP020`. Every code is documented in `docs/diagnostics.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub u16);

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "POP{:03}", self.0)
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

/// A run of characters in one line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// How many characters; at least 1.
    pub width: u32,
    /// The text of that line, without its line break; `None` when it must not be shown (a secret).
    pub source: Option<String>,
}
