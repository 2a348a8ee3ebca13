//! `popgate fmt`: gives the files of desired directories their canonical form, all of them or none.

use std::path::PathBuf;

use super::Failure;
use super::args::Fmt as Args;
use super::exit::Exit;
use super::session::{Opened, Session};
use crate::daemon::world::located;
use crate::desired::{self, SourceFile};
use crate::replace::replace;
use crate::report;
use crate::source::Source;

/// A file that is not in its canonical form.
struct Change {
    path: PathBuf,
    before: String,
    after: String,
}

pub(super) fn run(session: &Session, args: &Args) -> Result<Exit, Failure> {
    let mut directories = args.directories.clone();
    if directories.is_empty() {
        let of_git = |target: &Opened| target.source.remote().is_some();
        let targets = session.targets()?;
        if let Some(target) = targets.iter().find(|target| of_git(target)) {
            let message = format!("target `{}` is fetched from git, so there are no files here", target.name);
            return Err(Failure::usage(message).help("name the directory of a clone: `popgate fmt DIR`"));
        }
        directories = targets.into_iter().map(|target| target.directory).collect();
    }
    // Two targets may share their files.
    directories.sort();
    directories.dedup();
    let (mut changes, mut problems, mut files) = (Vec::new(), Vec::new(), 0);
    for directory in &directories {
        let read = match session.read_settled(&Source::Directory(directory.clone()))? {
            Ok(read) => read,
            Err(found) => {
                problems.extend(found);
                continue;
            }
        };
        let sources: Vec<SourceFile> = read.desired.files().map(|(file, _)| file.clone()).collect();
        files += sources.len();
        match desired::format(&sources) {
            Ok(edits) => {
                let edits = edits.into_iter().filter(desired::Edit::is_change);
                changes.extend(edits.map(|edit| Change {
                    path: directory.join(&edit.path),
                    before: edit.before.unwrap_or_default(),
                    after: edit.after,
                }));
            }
            Err(found) => problems.extend(located(directory, found)),
        }
    }
    if !problems.is_empty() {
        return Err(Failure::invalid(problems));
    }
    for change in &changes {
        let name = change.path.display().to_string();
        if args.diff {
            // A reader that has seen enough closes the pipe; that is no error.
            let _ = report::diff::texts(&name, &change.before, &change.after, &mut session.render.stream());
        } else if args.check {
            session.render.result(&format!("{name}\n"));
        }
    }
    if !args.check && !args.diff {
        write(&changes)?;
    }
    session.render.remark(&summary(changes.len(), files, args));
    Ok(if args.check && !changes.is_empty() { Exit::Changes } else { Exit::Success })
}

/// Writes every file, or none: when one cannot be written, those before it get their old text back.
fn write(changes: &[Change]) -> Result<(), Failure> {
    for Change { path, before, .. } in changes {
        if std::fs::read(path).unwrap_or_default() != before.as_bytes() {
            let message = format!("{} changed while it was formatted", path.display());
            return Err(Failure::operational(message).help("run the command again; nothing was written"));
        }
    }
    for (position, Change { path, after, .. }) in changes.iter().enumerate() {
        let Err(error) = replace(path, after.as_bytes()) else { continue };
        let mut failure = Failure::operational(format!("writing {}: {error}", path.display()))
            .help("nothing was changed; run the command again when it can be written");
        for Change { path, before, .. } in &changes[..position] {
            if let Err(error) = replace(path, before.as_bytes()) {
                let message = format!("{} is formatted already: {error}", path.display());
                failure = failure.help(message);
            }
        }
        return Err(failure);
    }
    Ok(())
}

fn summary(changed: usize, files: usize, args: &Args) -> String {
    let counted = super::validate::counted;
    match (changed, args.check || args.diff) {
        (0, _) => format!("{} in canonical form already.", counted(files, "file")),
        (some, true) => format!("{} of {} would change.", some, counted(files, "file")),
        (some, false) => format!("Formatted {} of {}.", some, counted(files, "file")),
    }
}
