//! `popgate plan`: what would change and why. Holds stores that cannot write.

use std::fmt;

use jiff::Timestamp;

use super::Failure;
use super::args::{Plan as Args, ReportFormat};
use super::exit::Exit;
use super::known::{self, Known};
use super::reports::{self, To};
use super::session::{Opened, Session};
use crate::daemon::{Begun, world::read_live};
use crate::engine::event::DesiredRead;
use crate::engine::replication;
use crate::journal::fold::Ledger;
use crate::model::{Live, Now};
use crate::name::Glob;
use crate::plan::Plan;
use crate::report::{self, Extent, Shown};
use crate::stores::StoreError;

pub(super) async fn run(session: &Session, args: &Args) -> Result<Exit, Failure> {
    let (targets, restored) = known::targets(session, args)?;
    // The stores answer while the files are read; whatever is wrong in the files is said first.
    let asked = if args.live.is_empty() { known::ask(&targets) } else { Begun::new() };
    let reads = session.desired(&targets)?;
    let known =
        if args.live.is_empty() { known::answers(session, &targets, &reads, asked).await? } else { restored };
    let only = args.only.as_deref().map(Glob::new);
    let (mut plans, mut extents) = (Vec::new(), Vec::new());
    for ((target, read), known) in targets.iter().zip(&reads).zip(&known) {
        let now = match &args.at {
            Some(text) => at(text, target, session.clock.now())?,
            None => known.seen(session.clock.now()),
        };
        let mut plan = known.plan(&read.desired, now);
        plan.context.author.clone_from(&read.author);
        if let Some(revision) = &args.base {
            known.compare(session, &mut plan, target, revision, now)?;
        }
        let unlisted = args.show_unlisted.then(|| known.unlisted(&read.desired, now));
        let (plan, only) = match &only {
            Some(glob) => {
                let (plan, hidden) = plan.only(glob);
                (plan, Some((glob.as_str().to_owned(), hidden)))
            }
            None => (plan, None),
        };
        extents.push(Extent { concise: args.concise, only, unlisted });
        plans.push(plan);
    }
    let changes = plans.iter().any(|plan| !plan.changes.is_empty());
    let mut exit = plans.iter().map(exit_of).fold(Exit::Success, Exit::or);
    if args.detailed_exitcode && changes {
        exit = exit.or(Exit::Changes);
    }
    reports::write(session.render, &args.output, |format, to, out| {
        let color = to == To::Output && session.render.color;
        write(&targets, &reads, &plans, &extents, format, color, exit, out)
    })?;
    Ok(exit)
}

/// Reads one target's store as the daemon does: names that it has to look up, and doubts about what was written lately.
pub(super) async fn live(
    target: &Opened,
    read: &DesiredRead,
    ledger: &Ledger,
    now: Now,
) -> Result<Live, StoreError> {
    let known = ledger.of(&target.name);
    let reader = target.reader();
    let mut live = read_live(&*reader, Some(&read.desired), replication::known(known)).await?;
    replication::doubt(known, reader.replication(), &mut live, now);
    Ok(live)
}

/// Plans one target as the daemon would, with what the journal remembers, but without writing anything down.
pub(super) fn make(
    session: &Session,
    target: &Opened,
    read: &DesiredRead,
    live: Live,
    ledger: &Ledger,
    now: Now,
) -> Plan {
    let known = Known::new(session, target, ledger, live);
    let mut plan = known.plan(&read.desired, now);
    plan.context.author.clone_from(&read.author);
    plan
}

/// Returns the exit code that a plan deserves by itself.
pub(super) fn exit_of(plan: &Plan) -> Exit {
    if plan.is_guarded() {
        Exit::Guarded
    } else if !plan.blocked.is_empty() {
        Exit::Partial
    } else {
        Exit::Success
    }
}

/// Writes plans in one format.
#[expect(
    clippy::too_many_arguments,
    reason = "a report needs to know all of it, and only the two commands that make plans call this"
)]
pub(super) fn write(
    targets: &[Opened],
    reads: &[DesiredRead],
    plans: &[Plan],
    extents: &[Extent],
    format: ReportFormat,
    color: bool,
    exit: Exit,
    out: &mut dyn fmt::Write,
) -> fmt::Result {
    let view = |(position, target): (usize, &Opened)| report::text::View {
        color,
        commit: reads.get(position).and_then(|read| read.commit.clone()),
        directory: target.directory.display().to_string(),
        rooted: reports::from_root(&target.directory),
        timezone: target.policy.timezone.clone(),
        extent: extents.get(position).cloned().unwrap_or_default(),
    };
    let views: Vec<_> = targets.iter().enumerate().map(view).collect();
    let shown = plans.iter().zip(reads).zip(&views);
    let shown: Vec<_> =
        shown.map(|((plan, read), view)| Shown { plan, desired: &read.desired, view }).collect();
    match format {
        ReportFormat::Diff => report::diff::plans(&shown, out),
        ReportFormat::Github => report::github::plans(&shown, out),
        ReportFormat::Gitlab => report::gitlab::plans(&shown, out),
        ReportFormat::Json => report::json::shown(&shown, exit.code(), exit.reason(), out),
        ReportFormat::Junit => report::junit::plans(&shown, out),
        ReportFormat::Markdown => report::markdown::plans(&shown, out),
        ReportFormat::Text => shown.iter().try_for_each(|one| {
            if shown.len() > 1 {
                writeln!(out, "target {}", one.plan.target)?;
            }
            report::text::plan(one.plan, one.view, out)
        }),
    }
}

/// Takes a moment or a day in the target's time zone; the present moment's monotonic part stays.
fn at(text: &str, target: &Opened, now: Now) -> Result<Now, Failure> {
    let wall = moment(text, &target.policy.timezone).ok_or_else(|| {
        Failure::usage(format!("--at {text}: write a day (2027-01-01) or a moment (2027-01-01T08:00:00Z)"))
    })?;
    Ok(Now { wall, ..now })
}

/// Reads a moment, or the start of a day in this zone.
pub(super) fn moment(text: &str, zone: &jiff::tz::TimeZone) -> Option<Timestamp> {
    if let Ok(moment) = text.parse() {
        return Some(moment);
    }
    let day: jiff::civil::Date = text.parse().ok()?;
    day.to_zoned_datetime(zone.clone()).ok().map(|zoned| zoned.timestamp())
}
