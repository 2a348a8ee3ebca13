//! `popgate plan`: what would change and why. Holds stores that cannot write.

use jiff::Timestamp;
use tokio_util::task::AbortOnDropHandle;

use super::Failure;
use super::args::{Format, Plan as Args};
use super::exit::Exit;
use super::session::{Opened, Session};
use crate::engine::event::DesiredRead;
use crate::journal::fold::Ledger;
use crate::model::{Live, Now};
use crate::plan::{self, Plan};
use crate::report;

pub(super) async fn run(session: &Session, args: &Args) -> Result<Exit, Failure> {
    let reports = args.report.iter().map(|text| report_file(text)).collect::<Result<Vec<_>, _>>()?;
    let targets = session.targets()?;
    let lives = read_meanwhile(&targets);
    let reads = session.desired(&targets)?;
    let ledger = session.ledger()?;
    let mut plans = Vec::new();
    for ((target, read), live) in targets.iter().zip(&reads).zip(lives) {
        let live = live.await?;
        let now = match &args.at {
            Some(text) => at(text, target, session.clock.now())?,
            None => session.clock.now(),
        };
        plans.push(make(session, target, read, &live, &ledger, now));
    }
    let changes = plans.iter().any(|plan| !plan.changes.is_empty());
    let mut exit = plans.iter().map(exit_of).fold(Exit::Success, Exit::or);
    if args.detailed_exitcode && changes {
        exit = exit.or(Exit::Changes);
    }
    for (format, path) in reports {
        let mut text = String::new();
        write(session, &targets, &reads, &plans, format, false, exit, &mut text);
        crate::replace::replace(&path, text.as_bytes()).map_err(|error| {
            Failure::operational(format!("writing the report {}: {error}", path.display()))
        })?;
    }
    let mut out = session.render.stream();
    write(session, &targets, &reads, &plans, args.format, session.render.color, exit, &mut out);
    Ok(exit)
}

/// Begins to read all stores, so that they answer while the files are read.
fn read_meanwhile(targets: &[Opened]) -> Vec<impl Future<Output = Result<Live, Failure>>> {
    let begin = |target: &Opened| {
        let reader = target.reader();
        // Whoever does not wait for it any more stops it.
        let reading = AbortOnDropHandle::new(tokio::spawn(async move { reader.read().await }));
        async move {
            let live = reading
                .await
                .map_err(|stopped| Failure::operational(format!("reading the store: {stopped}")));
            Ok(live??)
        }
    };
    targets.iter().map(begin).collect()
}

/// Plans one target as the daemon would, with what the journal remembers, but without writing anything down.
pub(super) fn make(
    session: &Session,
    target: &Opened,
    read: &DesiredRead,
    live: &Live,
    ledger: &Ledger,
    now: Now,
) -> Plan {
    let applied = ledger.of(&target.name).and_then(|known| known.applied.as_ref()).map(|mark| mark.digest);
    let mut memory = ledger.memory(&target.name, session.kept(target, applied));
    memory.not_effective = ledger.not_effective(&target.policy.service.key, &target.policy.service.name);
    let mut policy = target.policy.clone();
    // The first contact is the daemon's to wait for; here it is a note.
    policy.guards.first_contact = false;
    plan::plan(&read.desired, live, &memory, &policy, now)
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
    reason = "a report needs to know all of it, and nothing else calls this"
)]
pub(super) fn write(
    session: &Session,
    targets: &[Opened],
    reads: &[DesiredRead],
    plans: &[Plan],
    format: Format,
    color: bool,
    exit: Exit,
    out: &mut dyn std::fmt::Write,
) {
    let commits: Vec<_> = reads.iter().map(|read| read.commit.clone()).collect();
    // A reader that has seen enough closes the pipe; that is no error.
    let _ = match format {
        Format::Json => report::json::plans(plans, &commits, exit.code(), exit.reason(), out),
        Format::Text => plans.iter().zip(targets).zip(&commits).try_for_each(|((plan, target), commit)| {
            if plans.len() > 1 {
                writeln!(out, "target {}", target.name)?;
            }
            let view = report::text::View {
                color,
                commit: commit.clone(),
                directory: target.directory.display().to_string(),
                timezone: session.settings.timezone.clone(),
            };
            report::text::plan(plan, &view, out)
        }),
    };
}

fn report_file(text: &str) -> Result<(Format, std::path::PathBuf), Failure> {
    let usage = || Failure::usage(format!("--report {text}: write FORMAT=PATH, such as json=plan.json"));
    let (format, path) = text.split_once('=').ok_or_else(usage)?;
    let format = match format {
        "text" => Format::Text,
        "json" => Format::Json,
        _ => return Err(usage().help("the formats are: text, json")),
    };
    if path.is_empty() { Err(usage()) } else { Ok((format, path.into())) }
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
