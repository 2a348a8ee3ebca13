//! Reports of `plan` and `validate`: one on standard output, any others into files, each written piece by piece.

use std::fmt;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::ValueEnum as _;

use super::Failure;
use super::args::{Output, ReportFormat};
use super::render::Render;
use crate::diagnostic::Diagnostic;
use crate::report::{self, problems::Problems};

/// A report into a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct File {
    format: ReportFormat,
    path: PathBuf,
}

/// Where a report goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum To {
    /// A file, in which nothing is coloured.
    File,
    /// Standard output.
    Output,
}

/// Reads `FORMAT=PATH` as it stands on the command line.
pub(super) fn file(text: &str) -> Result<File, String> {
    let (format, path) =
        text.split_once('=').ok_or_else(|| "write FORMAT=PATH, such as json=plan.json".to_owned())?;
    let format = ReportFormat::from_str(format, false).map_err(|_| {
        let known = ReportFormat::value_variants().iter().filter_map(clap::ValueEnum::to_possible_value);
        let known: Vec<String> = known.map(|value| value.get_name().to_owned()).collect();
        format!("there is no format `{format}`; there are: {}", known.join(", "))
    })?;
    match path {
        "" => Err("a path belongs behind the `=`, such as json=plan.json".to_owned()),
        "-" => Err("standard output is for `--format`; `--report` writes into a file".to_owned()),
        path => Ok(File { format, path: path.into() }),
    }
}

/// Refuses two reports into one file: the second would be the only one.
pub(super) fn check(output: &Output) -> Result<(), Failure> {
    let files = &output.report;
    for (position, file) in files.iter().enumerate() {
        if files[..position].iter().any(|earlier| earlier.path == file.path) {
            return Err(Failure::usage(format!("two reports go to {}", file.path.display()))
                .help("give each --report a file of its own"));
        }
    }
    Ok(())
}

/// Writes every report: first the files, each replaced as a whole, then the one on standard output.
pub(super) fn write(
    render: Render,
    output: &Output,
    mut report: impl FnMut(ReportFormat, To, &mut dyn fmt::Write) -> fmt::Result,
) -> Result<(), Failure> {
    for file in &output.report {
        write_file(&file.path, |out| report(file.format, To::File, out)).map_err(|error| {
            Failure::operational(format!("writing the report {}: {error}", file.path.display()))
        })?;
    }
    // A reader that has seen enough closes the pipe; that is no error.
    let _ = report(output.format, To::Output, &mut render.stream());
    Ok(())
}

fn write_file(path: &Path, report: impl FnOnce(&mut dyn fmt::Write) -> fmt::Result) -> io::Result<()> {
    crate::replace::replace_with(path, |file| {
        let mut sink = Sink { file, failed: None };
        match (report(&mut sink), sink.failed) {
            (_, Some(error)) => Err(error),
            (Err(_), None) => Err(io::Error::other("the report could not be put together")),
            (Ok(()), None) => Ok(()),
        }
    })
}

/// A file as a `fmt::Write`; remembers why it could not be written.
struct Sink<'f> {
    file: &'f mut io::BufWriter<std::fs::File>,
    failed: Option<io::Error>,
}

impl fmt::Write for Sink<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.file.write_all(text.as_bytes()).map_err(|error| {
            self.failed = Some(error);
            fmt::Error
        })
    }
}

/// Writes what stopped a command into every report, so that no earlier report is taken for the result. A person
/// reads the same on standard error.
pub(super) fn failed(render: Render, output: &Output, failure: &Failure) {
    let diagnostics = rooted(&failure.diagnostics);
    let problems = Problems {
        failure: (!failure.message.is_empty()).then_some((&*failure.message, failure.help.as_deref())),
        ..Problems::of(&diagnostics, failure.exit.code(), failure.exit.reason())
    };
    // The failure itself is what the command ends with; that of a report would hide it.
    drop(write(render, output, |format, to, out| write_problems(&problems, format, to, out)));
}

/// Writes what is wrong in one format. As text, standard error has it already.
pub(super) fn write_problems(
    problems: &Problems<'_>,
    format: ReportFormat,
    to: To,
    out: &mut dyn fmt::Write,
) -> fmt::Result {
    match format {
        ReportFormat::Github => report::github::problems(problems, out),
        ReportFormat::Gitlab => report::gitlab::problems(problems, out),
        ReportFormat::Json => problems.json(out),
        ReportFormat::Junit => report::junit::problems(problems, out),
        ReportFormat::Markdown => report::markdown::problems(problems, out),
        ReportFormat::Diff | ReportFormat::Text if to == To::Output => Ok(()),
        ReportFormat::Diff | ReportFormat::Text => problems.text(out),
    }
}

/// Names the files of diagnostics from the root of the repository, as whoever annotates lines wants them.
pub(super) fn rooted(diagnostics: &[Diagnostic]) -> Vec<Diagnostic> {
    let mut diagnostics = diagnostics.to_vec();
    for label in diagnostics.iter_mut().flat_map(|diagnostic| &mut diagnostic.labels) {
        label.path = from_root(Path::new(&label.path));
    }
    diagnostics
}

/// Returns a path from the root of the git repository around it; outside of any, from the working directory, if it
/// lies below that.
pub(super) fn from_root(path: &Path) -> String {
    let name = |path: &Path| path.display().to_string();
    let Ok(real) = std::path::absolute(path) else { return name(path) };
    let root = real.ancestors().find(|folder| folder.join(".git").exists()).map(Path::to_owned);
    let root = root.or_else(|| std::env::current_dir().ok());
    match root.as_ref().and_then(|root| real.strip_prefix(root).ok()) {
        Some(below) => name(below),
        None => name(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_names_its_format_and_its_file() {
        let wanted = file("junit=a=b.xml").unwrap();
        assert_eq!((wanted.format, wanted.path), (ReportFormat::Junit, PathBuf::from("a=b.xml")));
        for bad in ["", "json", "json=", "json=-", "JSON=x", "=x"] {
            assert!(file(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_format_is_documented() {
        let documents = [include_str!("../../README.md"), include_str!("../../docs/reports.md")];
        for format in ReportFormat::value_variants() {
            let name = format.to_possible_value().unwrap().get_name().to_owned();
            for document in documents {
                let rows = document.lines().filter(|line| line.starts_with('|'));
                let first = rows.filter_map(|row| row.split('|').nth(1));
                assert!(first.into_iter().any(|cell| cell.contains(&format!("`{name}`"))), "{name}");
            }
        }
    }

    #[test]
    fn a_path_is_named_from_the_root_of_its_repository() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("repo/.git")).unwrap();
        std::fs::create_dir_all(dir.path().join("repo/a/b")).unwrap();
        assert_eq!(from_root(&dir.path().join("repo/a/b/c.yaml")), "a/b/c.yaml");
        assert_eq!(from_root(&dir.path().join("repo/a/gone/c.yaml")), "a/gone/c.yaml");
        let outside = dir.path().join("x.yaml");
        assert_eq!(from_root(&outside), outside.display().to_string());
    }
}
