//! What stopped a command, for programs: diagnostics of files, or what failed.

use std::fmt;

use serde::Serialize;

use super::{harmless, json};
use crate::diagnostic::{self, Diagnostic};

/// Why there is no plan, or what `validate` found.
#[derive(Clone, Copy, Debug)]
pub struct Problems<'a> {
    /// What is wrong in which file; none when all is well.
    pub diagnostics: &'a [Diagnostic],
    /// What failed besides, and what to do about it.
    pub failure: Option<(&'a str, Option<&'a str>)>,
    /// How many users and files were looked at, where that is known.
    pub seen: Option<(usize, usize)>,
    /// The exit code and its reason.
    pub exit: (u8, &'a str),
}

impl<'a> Problems<'a> {
    /// Diagnostics, and the exit code that they lead to.
    pub fn of(diagnostics: &'a [Diagnostic], exit_code: u8, exit_reason: &'a str) -> Self {
        Self { diagnostics, failure: None, seen: None, exit: (exit_code, exit_reason) }
    }

    /// Writes them as text, as the terminal shows them.
    ///
    /// # Errors
    /// Only those of `out`.
    pub fn text(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        out.write_str(&diagnostic::render(self.diagnostics, false))?;
        if let Some((message, help)) = self.failure {
            writeln!(out, "error: {}", harmless(message))?;
            help.map_or(Ok(()), |help| writeln!(out, "  help: {}", harmless(help)))?;
        }
        Ok(())
    }

    /// Writes them as JSON.
    ///
    /// # Errors
    /// Only those of `out`.
    pub fn json(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        let error = self.failure.map(|(message, help)| Failed { message, help });
        json::write(
            &Document {
                format_version: json::FORMAT_VERSION,
                users: self.seen.map(|(users, _)| users),
                files: self.seen.map(|(_, files)| files),
                diagnostics: self.diagnostics,
                error,
                exit_code: self.exit.0,
                exit_reason: self.exit.1,
            },
            out,
        )
    }
}

#[derive(Serialize)]
struct Document<'a> {
    format_version: &'static str,
    users: Option<usize>,
    files: Option<usize>,
    diagnostics: &'a [Diagnostic],
    error: Option<Failed<'a>>,
    exit_code: u8,
    exit_reason: &'a str,
}

#[derive(Serialize)]
struct Failed<'a> {
    message: &'a str,
    help: Option<&'a str>,
}
