//! What the tests of reading share.

mod editing;
mod hostile;
mod meaning;
mod mistakes;

use super::*;
use crate::diagnostic::{Code, Diagnostic, codes, render};

pub(super) fn files(files: &[(&str, &str)]) -> Vec<SourceFile> {
    files
        .iter()
        .map(|(path, text)| SourceFile { path: (*path).to_owned(), bytes: text.as_bytes().to_vec() })
        .collect()
}

pub(super) fn good(text: &str) -> Desired {
    read(files(&[("a.yaml", text)])).unwrap_or_else(|problems| panic!("{}", render(&problems, false)))
}

fn problems(bytes: &[u8]) -> Vec<Diagnostic> {
    let file = SourceFile { path: "a.yaml".to_owned(), bytes: bytes.to_vec() };
    let problems = read(vec![file]).expect_err("the file has a problem");
    for problem in &problems {
        assert!(problem.help.is_some(), "{problem} has no help");
        assert!(codes::rule(problem.code).is_some(), "{problem} is in no table");
    }
    problems
}

fn shown(text: &str) -> String {
    render(&problems(text.as_bytes()), false)
}

/// Code, line, column and width of every problem.
fn places(text: &str) -> Vec<(Code, u32, u32, u32)> {
    let place = |problem: &Diagnostic| match problem.labels.first().and_then(|label| label.at.as_ref()) {
        Some(spot) => (problem.code, spot.line, spot.column, spot.width),
        None => (problem.code, 0, 0, 0),
    };
    problems(text.as_bytes()).iter().map(place).collect()
}

fn codes_of(text: &str) -> Vec<Code> {
    problems(text.as_bytes()).iter().map(|problem| problem.code).collect()
}
