//! How everything stands: whether it is as desired, and if not, what it waits for.

mod json;

use std::fmt;

use jiff::tz::TimeZone;

use super::harmless::{cut, harmless};
use super::text::approve;
use super::words::{counted, counted_as, moment, names, number, zone};
use crate::engine::status::{OwedStatus, PlanStatus, ServiceStatus, Status, TargetStatus};
use crate::journal::entry::Proof;
use crate::journal::fold::{Settlement, Suspension};

pub use json::json;

/// The longest text from outside that a line repeats, in characters.
const LONGEST: usize = 500;

/// Writes a status as text, with times in a zone. The first line says in a word whether all is as desired.
///
/// # Errors
/// Only those of `out`.
pub fn text(status: &Status, timezone: &TimeZone, out: &mut dyn fmt::Write) -> fmt::Result {
    writeln!(out, "{}", headline(status))?;
    if let Some(why) = &status.journal {
        writeln!(
            out,
            "the journal cannot be written, so nothing is written to any store: {}",
            cut(why, LONGEST)
        )?;
    }
    if let Some(suspension) = &status.suspended {
        suspended(suspension, timezone, out)?;
    }
    for one in &status.targets {
        target(one, timezone, out)?;
    }
    for one in &status.services {
        service(one, status.live, status.suspended.is_some(), timezone, out)?;
    }
    if !status.targets.is_empty() || !status.services.is_empty() {
        writeln!(out, "times are in {}", zone(timezone))?;
    }
    Ok(())
}

/// Tells whether all is as desired, nothing waits and nothing failed. What the journal alone says is never enough.
pub(super) fn is_converged(status: &Status) -> bool {
    status.live
        && status.journal.is_none()
        && status.targets.iter().all(|target| target.converged)
        && status.services.iter().all(|service| service.owed.is_empty() && service.unready.is_empty())
}

/// Says in one line whether all is as desired, and if not, what it waits for.
pub fn headline(status: &Status) -> String {
    let mut waits = Vec::new();
    let mut say = |count: usize, one: &str, many: &str| {
        if count > 0 {
            waits.push(counted_as(count as u64, one, many));
        }
    };
    let targets = || status.targets.iter();
    let services = || status.services.iter();
    say(services().map(|service| service.owed.len()).sum(), "restart owed", "restarts owed");
    say(services().map(|service| service.unready.len()).sum(), "service not ready", "services not ready");
    say(targets().filter(|one| is_blocked(one)).count(), "plan blocked", "plans blocked");
    say(
        targets().filter(|one| one.invalid.is_some()).count(),
        "desired state invalid",
        "desired states invalid",
    );
    say(targets().filter(|one| one.store.is_some()).count(), "store failing", "stores failing");
    say(
        targets().filter(|one| one.closed).count(),
        "plan waiting for its window",
        "plans waiting for their windows",
    );
    let waits = waits.join(", ");
    match (status.live, waits.is_empty()) {
        (false, true) => "no daemon is running; this is what the journal remembers".to_owned(),
        (false, false) => format!("no daemon is running, {waits}; this is what the journal remembers"),
        (true, true) if is_converged(status) => "converged".to_owned(),
        (true, true) => "not converged yet".to_owned(),
        (true, false) => format!("not converged: {waits}"),
    }
}

fn is_blocked(target: &TargetStatus) -> bool {
    target.plan.as_ref().is_some_and(|plan| !plan.guards.is_empty() || plan.blocked > 0)
}

fn suspended(suspension: &Suspension, timezone: &TimeZone, out: &mut dyn fmt::Write) -> fmt::Result {
    let until = match suspension.until {
        Some(until) => format!("until {}", moment(until, timezone)),
        None => "until `popgate resume`".to_owned(),
    };
    let (by, since) = (harmless(&suspension.by), moment(suspension.since, timezone));
    let why = cut(&suspension.reason, LONGEST);
    writeln!(out, "suspended {until}, by {by} since {since}: {why}")
}

fn target(target: &TargetStatus, timezone: &TimeZone, out: &mut dyn fmt::Write) -> fmt::Result {
    let mut line = format!("target {}", harmless(&target.name));
    if target.converged {
        line.push_str(": converged");
    }
    writeln!(out, "\n{line}")?;
    match (&target.digest, &target.commit) {
        (Some(digest), Some(commit)) => {
            writeln!(out, "  desired state {}, commit {}", harmless(digest), cut(commit, 12))?;
        }
        (Some(digest), None) => writeln!(out, "  desired state {}", harmless(digest))?,
        (None, _) => writeln!(out, "  no desired state is in force yet")?,
    }
    if let Some((since, problems)) = target.invalid {
        let (problems, since) = (counted(problems as u64, "problem"), moment(since, timezone));
        let stays = if target.digest.is_some() { "; the last good state stays" } else { "" };
        writeln!(out, "  invalid since {since}: {problems}, `popgate validate` shows them{stays}")?;
    }
    if let Some(since) = target.moving {
        writeln!(out, "  files keep changing since {}", moment(since, timezone))?;
    }
    if let Some(why) = &target.store {
        writeln!(out, "  the store cannot be read: {}", cut(why, LONGEST))?;
    }
    if let Some(counts) = target.counts {
        let accounts = counted(counts.total, "account");
        let (enabled, disabled) = (number(counts.enabled), number(counts.disabled));
        write!(out, "  last read: {accounts}, {enabled} with POP3 enabled, {disabled} disabled")?;
        for (count, word) in [(counts.mixed, "mixed"), (counts.unreadable, "unreadable")] {
            if count > 0 {
                write!(out, ", {} {word}", number(count))?;
            }
        }
        writeln!(out)?;
    }
    if let Some(plan) = &target.plan {
        self::plan(plan, out)?;
    }
    if target.closed {
        let opens = target.opens.map_or_else(
            || "which never opens".to_owned(),
            |opens| format!("which opens {}", moment(opens, timezone)),
        );
        writeln!(out, "    writing waits for its window, {opens}")?;
    }
    if let Some(batch) = &target.last_batch {
        let (number, at, done) = (batch.batch, moment(batch.at, timezone), counted(batch.done, "change"));
        write!(out, "  last batch {number} ended {at}: {done} done")?;
        for (count, word) in [(batch.already, "so already"), (batch.failed, "failed")] {
            if count > 0 {
                write!(out, ", {count} {word}")?;
            }
        }
        writeln!(out)?;
    }
    for (count, word) in [(target.retrying, "tried again"), (target.parked, "waiting for somebody")] {
        if count > 0 {
            writeln!(out, "  writing failed for {}, {word}", counted(count as u64, "account"))?;
        }
    }
    if let Some(at) = target.next_expiry {
        writeln!(out, "  the next `until` is over {}", moment(at, timezone))?;
    }
    if !target.expiring.is_empty() {
        let who: Vec<String> =
            target.expiring.iter().map(|(name, until)| format!("{name} (last day {until})")).collect();
        writeln!(out, "  access ends within 14 days: {}", names(who.iter().map(String::as_str)))?;
    }
    Ok(())
}

fn plan(plan: &PlanStatus, out: &mut dyn fmt::Write) -> fmt::Result {
    if plan.enable + plan.disable > 0 {
        let (id, disable, enable) = (harmless(&plan.id), number(plan.disable), number(plan.enable));
        writeln!(out, "  plan {id}: {disable} to disable, {enable} to enable")?;
    }
    for (guard, value, limit) in &plan.guards {
        let (guard, value, limit) = (harmless(guard), number(*value), number(*limit));
        writeln!(out, "    blocked by {guard}: {value}, the limit is {limit}")?;
    }
    if !plan.guards.is_empty() {
        writeln!(out, "    to approve it: {}", approve(&plan.id))?;
    }
    if plan.blocked > 0 {
        let entries = counted_as(plan.blocked, "entry is", "entries are");
        writeln!(out, "  {entries} blocked, `popgate plan` shows why")?;
    }
    if plan.held > 0 {
        let changes = counted_as(plan.held as u64, "change is", "changes are");
        writeln!(out, "  {changes} held back, `popgate plan` shows why")?;
    }
    if plan.drift > 0 {
        let users = counted_as(plan.drift as u64, "user was", "users were");
        writeln!(out, "  {users} changed by hand and left alone, `popgate plan` shows them")?;
    }
    Ok(())
}

fn service(
    service: &ServiceStatus,
    live: bool,
    suspended: bool,
    timezone: &TimeZone,
    out: &mut dyn fmt::Write,
) -> fmt::Result {
    writeln!(out, "\nservice {}", harmless(&service.name))?;
    if service.owed.is_empty() {
        writeln!(out, "  no restart is owed")?;
    }
    for debt in &service.owed {
        owed(debt, live, suspended, timezone, out)?;
        if let Some(why) = &debt.failure {
            let what = if service.unknown { "" } else { "the last attempt failed: " };
            writeln!(out, "    {what}{}", cut(why, LONGEST))?;
        }
        if let Some((why, until)) = &debt.arriving {
            let until = moment(*until, timezone);
            writeln!(out, "    waits for replication, at the latest until {until}: {}", cut(why, LONGEST))?;
        }
        not_effective(debt, timezone, out)?;
    }
    for (instance, why) in &service.unready {
        let instance = harmless(&instance.to_string());
        writeln!(out, "  {instance} runs anew and does not serve: {}", cut(why, LONGEST))?;
    }
    service.settled.iter().try_for_each(|last| writeln!(out, "  {}", settled(last, timezone)))
}

fn owed(
    owed: &OwedStatus,
    live: bool,
    suspended: bool,
    timezone: &TimeZone,
    out: &mut dyn fmt::Write,
) -> fmt::Result {
    let due = match owed.due {
        Some(due) if owed.overdue => format!("overdue, tried again {}", moment(due, timezone)),
        Some(due) => format!("due {}", moment(due, timezone)),
        None if owed.overdue => "overdue".to_owned(),
        None if !live => "due as soon as `popgate run` or `popgate restart` does it".to_owned(),
        None if suspended => "waits until writing is resumed".to_owned(),
        None => "waits for a window, or for `popgate restart`".to_owned(),
    };
    let (instance, since) = (harmless(&owed.instance.to_string()), moment(owed.since, timezone));
    let accounts = counted(owed.accounts as u64, "account");
    writeln!(out, "  restart of {instance} owed since {since} for {accounts}, {due}")?;
    Ok(())
}

fn not_effective(owed: &OwedStatus, timezone: &TimeZone, out: &mut dyn fmt::Write) -> fmt::Result {
    if !owed.not_effective.is_empty() {
        let who = names(owed.not_effective.iter().map(String::as_str));
        match owed.due.filter(|_| !owed.overdue) {
            Some(due) => {
                let due = moment(due, timezone);
                writeln!(out, "    not effective before {due}, POP3 still works for {who}")?;
            }
            None => writeln!(out, "    not effective yet, POP3 still works for {who}")?,
        }
    }
    Ok(())
}

/// The line that says by what the last restart of an instance was proven.
pub(super) fn settled(last: &Settlement, timezone: &TimeZone) -> String {
    let (instance, at) = (harmless(&last.instance.to_string()), moment(last.at, timezone));
    let proof = cut(&last.proof.words(last.unconfirmed), LONGEST);
    match last.proof {
        Proof::Stopped => format!("{instance} needed no restart {at}: {proof}"),
        Proof::Succeeded => format!("restart of {instance} settled {at}: {proof}"),
        Proof::Told { .. } => format!("{instance} restarted {at}: {proof}"),
        _ if last.ours => format!("{instance} restarted {at}: {proof}"),
        _ => format!("{instance} restarted {at}, not by popgate: {proof}"),
    }
}

#[cfg(test)]
mod tests;
