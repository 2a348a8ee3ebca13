//! `popgate set`: edits one entry in place and shows the difference.

use super::Failure;
use super::args::Set as Args;
use super::exit::Exit;
use super::session::{Opened, Session};
use crate::daemon::world::located;
use crate::desired::{self, SourceFile};
use crate::diagnostic::{Diagnostic, codes};
use crate::model::Access;
use crate::report;

pub(super) fn run(session: &Session, args: &Args) -> Result<Exit, Failure> {
    if args.access == Access::Disabled && args.until.is_some() {
        return Err(Failure::usage("--until goes with `enabled` only").help("`disabled` has no end"));
    }
    let target = session.one_target()?;
    refuse_unmanaged(&target, &args.user)?;
    if target.source.remote().is_some() {
        let message =
            format!("target `{}` is fetched from git, so there is no file here to edit", target.name);
        let help = "edit the file in a clone of the repository, commit and push it";
        return Err(Failure::usage(message).help(help));
    }
    let files: Vec<SourceFile> = match session.read_settled(&target.source)? {
        Ok(read) => read.desired.files().map(|(file, _)| file.clone()).collect(),
        Err(diagnostics) => return Err(Failure::invalid(diagnostics)),
    };
    let edit = desired::set(
        &files,
        &args.user,
        args.access,
        args.until,
        args.reason.as_deref(),
        args.file.as_deref(),
    )
    .map_err(|diagnostic| Failure::invalid(located(&target.directory, vec![diagnostic])))?;
    let path = target.directory.join(&edit.path);
    if !edit.is_change() {
        session.render.remark(&format!("{} says so already.", path.display()));
        return Ok(Exit::Success);
    }
    let name = path.display().to_string();
    let before = edit.before.as_deref().unwrap_or_default();
    // A reader that has seen enough closes the pipe; that is no error.
    let _ = report::diff::texts(&name, before, &edit.after, &mut session.render.stream());
    let today = target.policy.timezone.to_datetime(session.clock.now().wall).date();
    if args.until.is_some_and(|until| until < today) {
        session.render.remark("That day is over already: the entry means `disabled`.");
    }
    if args.dry_run {
        return Ok(Exit::Success);
    }
    // The file may have changed since it was read; an edit of an old text would undo that.
    let now = std::fs::read(&path).unwrap_or_default();
    if now != before.as_bytes() {
        return Err(
            Failure::operational(format!("{name} changed while it was edited")).help("run the command again")
        );
    }
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)
            .map_err(|error| Failure::operational(format!("creating {}: {error}", parent.display())))?;
    }
    crate::replace::replace(&path, edit.after.as_bytes())
        .map_err(|error| Failure::operational(format!("writing {name}: {error}")))?;
    session.render.remark(&format!("Wrote {name}. Commit it, or let the daemon see it."));
    Ok(Exit::Success)
}

/// An entry that the settings ignore or protect would make the whole directory invalid.
fn refuse_unmanaged(target: &Opened, user: &str) -> Result<(), Failure> {
    for (list, globs) in [("ignored", &target.policy.ignored), ("protected", &target.policy.protected)] {
        if let Some(glob) = globs.iter().find(|glob| glob.matches(user)) {
            let refused =
                Diagnostic::error(codes::PROTECTED_ENTRY, format!("user `{user}` is {list} by the settings"));
            let help = crate::plan::release(list, glob.as_str());
            return Err(Failure::invalid(vec![refused.help(help)]));
        }
    }
    Ok(())
}
