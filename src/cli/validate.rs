//! `popgate validate`: desired state and settings, offline.

use std::path::Path;

use super::Failure;
use super::args::{ReportFormat, Validate as Args};
use super::exit::Exit;
use super::reports;
use super::session::{Opened, Session};
use crate::diagnostic;
use crate::report::problems::Problems;
use crate::source::{self, Source};

pub(super) fn run(session: &Session, args: &Args) -> Result<Exit, Failure> {
    // The settings were read already; their problems ended the command before this.
    let (mut problems, mut entries, mut files) = (Vec::new(), 0, 0);
    let targets = session.targets()?;
    let sources: Vec<(Source, Option<&Opened>)> = if args.directories.is_empty() {
        targets.iter().map(|target| (target.source.clone(), Some(target))).collect()
    } else {
        args.directories.iter().map(|directory| (Source::Directory(directory.clone()), None)).collect()
    };
    for (source, target) in &sources {
        match session.read_settled(source)? {
            Ok(read) => {
                entries += read.desired.len();
                files += read.desired.files().count();
                problems.extend(target.map(|target| target.refused(&read.desired)).unwrap_or_default());
            }
            Err(found) => problems.extend(found),
        }
    }
    let directories = sources.iter().filter_map(|(source, _)| match source {
        Source::Directory(directory) => Some(directory),
        Source::Git(_) => None,
    });
    let skipped: Vec<String> = directories.flat_map(|directory| others(directory)).collect();
    let exit = if problems.is_empty() { Exit::Success } else { Exit::Invalid };
    let shown = reports::rooted(&problems);
    let found = Problems { seen: Some((entries, files)), ..Problems::of(&shown, exit.code(), exit.reason()) };
    if exit == Exit::Invalid {
        session.render.message(&diagnostic::render(&problems, session.render.color_messages));
    }
    reports::write(session.render, &args.output, |format, to, out| match format {
        ReportFormat::Diff | ReportFormat::Text if problems.is_empty() => {
            writeln!(out, "ok: {} in {}", counted(entries, "user"), counted(files, "file"))
        }
        format => reports::write_problems(&found, format, to, out),
    })?;
    if !skipped.is_empty() {
        let shown = skipped.iter().take(10).map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = skipped.len().saturating_sub(10);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        session.render.remark(&format!(
            "note: not read, because their names do not end in `.yaml` or `.yml`: {shown}{more}"
        ));
    }
    Ok(exit)
}

/// Returns the files of a directory that are not read: one that ends in `.YAML` is a surprise to somebody.
fn others(directory: &Path) -> Vec<String> {
    source::skipped(directory).iter().map(|file| directory.join(file).display().to_string()).collect()
}

pub(super) fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
