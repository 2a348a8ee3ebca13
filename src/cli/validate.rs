//! `popgate validate`: desired state and settings, offline.

use super::Failure;
use super::args::{Format, Validate as Args};
use super::exit::Exit;
use super::session::{Opened, Session};
use crate::diagnostic::{self, Diagnostic};
use crate::report;
use crate::source::Source;

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
    let exit = if problems.is_empty() { Exit::Success } else { Exit::Invalid };
    match args.format {
        Format::Json => session.render.result(&json(&problems, entries, files, exit)),
        Format::Text if problems.is_empty() => {
            session.render.result(&format!(
                "ok: {} in {}\n",
                counted(entries, "user"),
                counted(files, "file")
            ));
        }
        Format::Text => session.render.message(&diagnostic::render(&problems, session.render.color_messages)),
    }
    Ok(exit)
}

fn json(problems: &[Diagnostic], users: usize, files: usize, exit: Exit) -> String {
    let judged = serde_json::json!({
        "format_version": "1.0",
        "users": users,
        "files": files,
        "diagnostics": problems,
        "exit_code": exit.code(),
    });
    report::json::text(&judged)
}

pub(super) fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
