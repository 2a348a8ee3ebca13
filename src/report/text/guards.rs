//! What the guards say of a plan: only what stops it or could not be looked at is told at length.

use std::fmt;

use super::super::words::{counted, counted_as, number};
use super::Paint;
use crate::plan::{Guard, Plan, Verdict};

pub(super) fn section(plan: &Plan, paint: Paint, out: &mut dyn fmt::Write) -> fmt::Result {
    let said = || plan.guards.iter().filter(|verdict| verdict.tripped || !verdict.evaluated);
    if said().next().is_none() {
        return writeln!(out, "\nguards: ok");
    }
    writeln!(out, "\nGuards")?;
    for one in said() {
        let name = one.guard.word();
        if one.tripped {
            writeln!(out, "  {}: {}", paint.red(&format!("{name} tripped")), verdict(one))?;
        } else {
            writeln!(out, "  {name}: {}", verdict(one))?;
        }
    }
    let rest = plan.guards.iter().filter(|verdict| !verdict.tripped && verdict.evaluated).count() as u64;
    match rest {
        0 => Ok(()),
        1 => writeln!(out, "  the other one: ok"),
        many => writeln!(out, "  the other {}: ok", number(many)),
    }
}

/// What was measured, and the limit.
pub(in super::super) fn verdict(verdict: &Verdict) -> String {
    let (value, unit) = (verdict.value, unit(verdict.guard));
    let limit = format!("the limit is {}{unit}", number(verdict.limit));
    if !verdict.evaluated {
        return "not evaluated, nothing is remembered yet to compare with".to_owned();
    }
    let detail = verdict.detail.as_ref().map(|detail| super::harmless(detail));
    let measured = match verdict.guard {
        Guard::FirstContact => {
            let changes = counted(value, "change");
            return format!(
                "popgate has not met this store before, and {changes} would be its first; adopt it by approving \
                 this plan"
            );
        }
        Guard::Empty => {
            let entries = counted_as(value, "entry", "entries");
            format!("nobody is listed any more, though the last applied state had {entries}")
        }
        Guard::ShrunkInput => {
            // The detail names the file and says the same.
            let gone = || format!("{value} % of the entries are gone");
            return format!("{}; {limit}", detail.unwrap_or_else(gone));
        }
        Guard::ShrunkLive => format!("the store lists {value} % fewer accounts than last time"),
        Guard::Unreadable => format!("{value} % of the accounts cannot be read"),
        Guard::MaxDisable => format!("{} would lose POP3", counted(value, "user")),
        Guard::MaxEnable => format!("{} would get POP3", counted(value, "user")),
        Guard::MaxChanges => format!("{} at once", counted(value, "change")),
        Guard::Clock => format!("{} cannot be trusted", counted(value, "expiry date")),
    };
    match detail {
        Some(detail) => format!("{measured} ({detail}); {limit}"),
        None => format!("{measured}; {limit}"),
    }
}

fn unit(guard: Guard) -> &'static str {
    match guard {
        Guard::ShrunkInput | Guard::ShrunkLive | Guard::Unreadable => " %",
        _ => "",
    }
}
