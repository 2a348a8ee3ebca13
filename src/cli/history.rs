//! `popgate history`: who changed what, when and why. Reads the journal and nothing else.

use super::Failure;
use super::args::{Format, History as Args};
use super::exit::Exit;
use super::session::Session;
use crate::journal::{self, entry::Record, history};
use crate::report;

pub(super) fn run(session: &Session, args: &Args) -> Result<Exit, Failure> {
    if session.global.target.is_some() {
        // One that the settings do not name is a slip of the pen, and not a target without a history.
        session.targets()?;
    }
    if args.verify {
        return verify(session, args.format);
    }
    let lines = journal::read_all::<Record>(session.state())
        .map_err(|error| Failure::operational(error.to_string()))?;
    let mut events = history::tell(&lines);
    if let Some(user) = &args.user {
        events = history::of_user(events, &lines, user);
    }
    if let Some(target) = &session.global.target {
        events.retain(|event| match event {
            history::Event::Batch(batch) => batch.target == *target,
            _ => true,
        });
    }
    let older = events.len().saturating_sub(args.limit);
    let shown = &events[older..];
    let mut out = session.render.stream();
    let _ = match args.format {
        Format::Text => report::history::text(shown, older, &session.settings.timezone, &mut out),
        Format::Json => report::history::json(shown, older, &mut out),
    };
    Ok(Exit::Success)
}

fn verify(session: &Session, format: Format) -> Result<Exit, Failure> {
    let found = journal::verify(session.state()).map_err(|error| Failure::operational(error.to_string()))?;
    let torn = found.torn.as_ref().map(|path| path.display().to_string());
    match format {
        Format::Json => {
            let found = serde_json::json!({
                "format_version": report::json::FORMAT_VERSION,
                "segments": found.segments,
                "lines": found.lines,
                "torn": torn,
            });
            session.render.result(&format!("{found:#}\n"));
        }
        Format::Text => {
            session.render.result(&format!(
                "the journal is in order: {} {}, {} {}\n",
                found.segments,
                if found.segments == 1 { "segment" } else { "segments" },
                found.lines,
                if found.lines == 1 { "line" } else { "lines" }
            ));
            if let Some(torn) = torn {
                session.render.remark(&format!(
                    "the last line of {torn} was not written to its end; whoever writes next cuts it off"
                ));
            }
        }
    }
    Ok(Exit::Success)
}
