//! The changes of a plan, one line each, in columns.

use std::fmt;

use super::super::harmless::harmless;
use super::super::words::counted;
use super::View;
use crate::model::{Access, State};
use crate::plan::{Cause, Plan, Planned, Provenance};

/// The widest a column gets; what is longer pushes the rest of its line to the right.
const WIDEST: usize = 48;

pub(super) fn section(plan: &Plan, to: Access, view: &View, out: &mut dyn fmt::Write) -> fmt::Result {
    let paint = view.paint();
    let place = |planned: &Planned| {
        let origin = planned.change.cause.origin();
        origin.map_or_else(|| "-".to_owned(), |origin| view.places().name(origin))
    };
    let those = || plan.changes.iter().filter(|planned| planned.change.to == to);
    let (mut count, mut name_width, mut from_width, mut place_width) = (0, 0, 0, 0);
    for planned in those() {
        count += 1;
        name_width = width(&name(planned)).max(name_width);
        from_width = width(planned.change.from.word()).max(from_width);
        place_width = width(&place(planned)).max(place_width);
    }
    if count == 0 {
        return Ok(());
    }
    let (verb, users) = (if to == Access::Disabled { "Disable" } else { "Enable" }, counted(count, "user"));
    writeln!(out, "\n{verb} POP3 for {users}")?;
    for planned in those() {
        let line = format!(
            "{} {}  {} → {}  {}  ",
            if to == Access::Disabled { "-" } else { "+" },
            pad(&name(planned), name_width),
            pad(planned.change.from.word(), from_width),
            to.word(),
            pad(&place(planned), place_width),
        );
        let line = format!("{line}{}", why(planned));
        let line = if to == Access::Disabled { paint.red(&line) } else { paint.green(&line) };
        write!(out, "  {line}")?;
        if planned.waits {
            write!(out, "  {}", paint.yellow("[waits for an approval]"))?;
        } else if planned.approved {
            write!(out, "  [approved]")?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn name(planned: &Planned) -> String {
    harmless(&planned.change.name)
}

/// Why, until when, and in the administrator's words.
pub(in super::super) fn why(planned: &Planned) -> String {
    match &planned.reason {
        Some(reason) => format!("{}, reason: {}", cause(planned), harmless(reason)),
        None => cause(planned),
    }
}

/// Why, and until when.
pub(in super::super) fn cause(planned: &Planned) -> String {
    let until = planned.until.map(|until| format!("`until {until}`")).unwrap_or_default();
    let mut why = match &planned.change.cause {
        Cause::Listed(_) => "listed".to_owned(),
        Cause::Expired(_) => format!("{until} is over"),
        Cause::Unlisted => "not listed, allow-list mode".to_owned(),
        Cause::Drift(_) => "drift: changed by hand".to_owned(),
    };
    if !until.is_empty() && !matches!(planned.change.cause, Cause::Expired(_)) {
        why = format!("{why}, {until}");
    }
    if planned.change.from == State::Missing {
        why.push_str(", created in the store");
    }
    match planned.provenance {
        Some(Provenance::Branch) | None => {}
        Some(Provenance::Pending) => why.push_str(", not by this branch: pending before it"),
        Some(Provenance::Drift) => why.push_str(", not by this branch"),
    }
    why
}

fn width(text: &str) -> usize {
    text.chars().count().min(WIDEST)
}

fn pad(text: &str, width: usize) -> String {
    format!("{text:width$}")
}
