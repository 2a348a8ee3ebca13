//! `popgate validate`: desired state and settings, offline.

use std::path::PathBuf;

use super::Failure;
use super::args::{ReportFormat, Validate as Args};
use super::exit::Exit;
use super::reports;
use super::session::{Opened, Session};
use crate::diagnostic;
use crate::report::problems::Problems;

pub(super) fn run(session: &Session, args: &Args) -> Result<Exit, Failure> {
    // The settings were read already; their problems ended the command before this.
    let (mut problems, mut entries, mut files) = (Vec::new(), 0, 0);
    let targets = session.targets()?;
    let directories: Vec<(PathBuf, Option<&Opened>)> = if args.directories.is_empty() {
        targets.iter().map(|target| (target.directory.clone(), Some(target))).collect()
    } else {
        args.directories.iter().map(|directory| (directory.clone(), None)).collect()
    };
    for (directory, target) in &directories {
        match session.read_settled(directory)? {
            Ok(read) => {
                entries += read.desired.len();
                files += read.desired.files().count();
                problems.extend(target.map(|target| target.refused(&read.desired)).unwrap_or_default());
            }
            Err(found) => problems.extend(found),
        }
    }
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
    Ok(exit)
}

pub(super) fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
