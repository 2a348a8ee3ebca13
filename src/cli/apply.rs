//! `popgate apply`: one batch. The same engine as the daemon's, told to stop after it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use super::args::{Apply as Args, Format, RestartWhen};
use super::exit::Exit;
use super::progress::Progress;
use super::render::Render;
use super::session::{Opened, Session, services};
use super::{Failure, handover, plan};
use crate::daemon::{Driven, Hooks, World, crash, drive};
use crate::diagnostic;
use crate::engine::effect::Notice;
use crate::engine::event::Decision;
use crate::engine::{Engine, Goal, Mode, Restarts, Start, Watch};
use crate::journal::entry::Record;
use crate::journal::fold::Ledger;
use crate::journal::{Journal, Lock, LockError};
use crate::model::Outcome;
use crate::name::Glob;
use crate::plan::{Plan, PlanId};
use crate::report;

pub(super) async fn run(session: &Session, args: &Args) -> Result<Exit, Failure> {
    let targets = session.targets()?;
    // Everything that can be wrong offline is said before anything is locked or created.
    session.desired(&targets)?;
    let restarts = match args.restart {
        RestartWhen::Now => Restarts::AtOnce,
        RestartWhen::Defer => Restarts::Defer,
    };
    let held = match open_journal(session, "apply") {
        Ok(held) => held,
        Err(failure) if failure.exit == Exit::Locked => {
            return handover::apply(session, &targets, args).await?.ok_or(failure);
        }
        Err(failure) => return Err(failure),
    };
    let asked = Arc::new(Asked::new(session, &targets, args));
    let mode = mode(session, Goal::Once(restarts), true, args.only.as_deref(), args.limit);
    let progress = Mutex::new(Progress::new(session.render, &targets));
    let decide = Arc::clone(&asked);
    let mut notice =
        |notice: &Notice| progress.lock().unwrap_or_else(std::sync::PoisonError::into_inner).notice(notice);
    let hooks = Hooks {
        notice: &mut notice,
        decide: Arc::new(move |plan| decide.decide(plan)),
        requests: None,
        publish: None,
        watch: false,
    };
    let driven = drive_once(session, &targets, held, mode, hooks).await?;
    let verdict = asked.verdict.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
    if let Some(failure) = verdict {
        return Err(failure);
    }
    conclude(session, &targets, &driven)
}

/// The journal of this state directory, with the lock that makes it ours.
pub(super) struct Held {
    pub(super) journal: Journal<Record>,
    pub(super) ledger: Ledger,
}

/// Takes the lock and replays the journal.
pub(super) fn open_journal(session: &Session, command: &str) -> Result<Held, Failure> {
    let lock = Lock::take(session.state()).map_err(|error| match &error {
        LockError::Held { .. } => Failure::new(Exit::Locked, error.to_string())
            .help("wait for it, or ask it: `popgate status`, `popgate approve`, `popgate reconcile`"),
        _ => Failure::operational(error.to_string()),
    })?;
    let (mut journal, lines) =
        Journal::open(session.state(), lock).map_err(|error| Failure::operational(error.to_string()))?;
    let mut ledger = Ledger::default();
    for line in &lines {
        ledger.apply(line.seq, line.at, &line.record);
    }
    let start = Record::Start {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        by: session.by(),
        command: command.to_owned(),
    };
    let at = session.clock.now().wall.max(ledger.wall.unwrap_or(jiff::Timestamp::MIN));
    crash::append("before", std::slice::from_ref(&start));
    let (seq, _) = journal
        .append(at, std::slice::from_ref(&start), false)
        .map_err(|error| Failure::operational(error.to_string()))?;
    crash::append("after", std::slice::from_ref(&start));
    ledger.apply(seq, at, &start);
    Ok(Held { journal, ledger })
}

pub(super) fn mode(
    session: &Session,
    goal: Goal,
    present: bool,
    only: Option<&str>,
    limit: Option<usize>,
) -> Mode {
    let watch = session.settings.watch;
    Mode {
        goal,
        present,
        only: only.map(Glob::new),
        limit,
        by: session.by(),
        watch: Watch { quiet: watch.quiet, max_wait: watch.max_wait, resync: watch.resync },
        seed: u64::from(std::process::id()) ^ session.clock.now().wall.as_microsecond().unsigned_abs(),
    }
}

/// Puts the engine together and drives it to its end.
pub(super) async fn drive_once(
    session: &Session,
    targets: &[Opened],
    held: Held,
    mode: Mode,
    hooks: Hooks<'_>,
) -> Result<Driven, Failure> {
    let writes = mode.goal != Goal::Observe;
    let engine = Engine::new(
        mode,
        held.ledger.clone(),
        starts(session, targets, &held.ledger, writes)?,
        session.clock.now(),
    );
    let world = world(session, targets, Some(held.journal), writes)?;
    drive(engine, world, session.clock, hooks).await.map_err(|error| Failure::operational(error.to_string()))
}

/// What the engine starts from for each target.
pub(super) fn starts(
    session: &Session,
    targets: &[Opened],
    ledger: &Ledger,
    writes: bool,
) -> Result<BTreeMap<String, Start>, Failure> {
    let mut starts = BTreeMap::new();
    for target in targets {
        let known = ledger.of(&target.name);
        let applied = known.and_then(|known| known.applied.as_ref()).map(|mark| mark.digest);
        let chunk_size = match target.io(writes)?.store {
            crate::daemon::Store::Write(writer) => writer.chunk_size(),
            crate::daemon::Store::Read(_) => 1,
        };
        let good = known.and_then(|known| known.good);
        let applied_state = session.kept(&target.name, applied);
        let start = Start {
            policy: target.policy.clone(),
            chunk_size,
            // Usually both are the same state, and a large one takes its time to read.
            good: if good == applied { applied_state.clone() } else { session.kept(&target.name, good) },
            applied: applied_state,
        };
        starts.insert(target.name.clone(), start);
    }
    Ok(starts)
}

pub(super) fn world(
    session: &Session,
    targets: &[Opened],
    journal: Option<Journal<Record>>,
    writes: bool,
) -> Result<World, Failure> {
    let io = |target: &Opened| Ok((target.name.clone(), target.io(writes)?));
    Ok(World {
        targets: targets.iter().map(io).collect::<Result<_, Failure>>()?,
        services: services(targets),
        state: session.state().to_owned(),
        journal: journal.map(|journal| Arc::new(Mutex::new(journal))),
    })
}

/// Shows plans and asks what shall become of them. Every answer but the first yes is for the same person: a plan
/// that had to be made again because somebody else wrote meanwhile is not asked about twice.
struct Asked {
    render: Render,
    yes: bool,
    wanted: Option<PlanId>,
    approve: Mutex<Option<PlanId>>,
    by: String,
    reason: String,
    format: Format,
    directories: BTreeMap<String, String>,
    timezone: jiff::tz::TimeZone,
    agreed: Mutex<bool>,
    verdict: Mutex<Option<Failure>>,
}

impl Asked {
    fn new(session: &Session, targets: &[Opened], args: &Args) -> Self {
        let directory = |target: &Opened| (target.name.clone(), target.directory.display().to_string());
        Self {
            render: session.render,
            yes: args.yes,
            wanted: args.plan.as_deref().map(PlanId::from_text),
            approve: Mutex::new(args.approve.as_deref().map(PlanId::from_text)),
            by: session.by(),
            reason: args.reason.clone(),
            format: args.format,
            directories: targets.iter().map(directory).collect(),
            timezone: session.settings.timezone.clone(),
            agreed: Mutex::new(false),
            verdict: Mutex::new(None),
        }
    }

    fn decide(&self, plan: &Plan) -> Decision {
        let lock = |mutex: &Mutex<bool>| *mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let again = lock(&self.agreed);
        if let Some(wanted) = &self.wanted
            && *wanted != plan.id
        {
            return self.refuse(
                Failure::new(Exit::Stale, format!("the plan is not {wanted} any more, it is {}", plan.id))
                    .help("look at `popgate plan` again"),
            );
        }
        let approve = self.approve.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(id) = approve {
            if plan.approvable(&id).is_none() {
                return self.refuse(
                    Failure::new(Exit::Stale, format!("no plan or held change has the id {id} now"))
                        .help("look at `popgate plan` again"),
                );
            }
            return Decision::Approve { id, by: self.by.clone(), reason: self.reason.clone() };
        }
        if !again {
            self.show(plan);
        }
        let writes = plan.admitted().count();
        if writes == 0 || again || self.yes {
            *self.agreed.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = true;
            return Decision::Proceed;
        }
        if !self.render.has_person() {
            return self.refuse(
                Failure::usage("there is nobody to ask").help("give --yes to apply without a question"),
            );
        }
        let question =
            if writes == 1 { "Apply 1 change?".to_owned() } else { format!("Apply {writes} changes?") };
        if self.render.ask(&question) {
            *self.agreed.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = true;
            Decision::Proceed
        } else {
            Decision::Decline
        }
    }

    fn refuse(&self, failure: Failure) -> Decision {
        *self.verdict.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(failure);
        Decision::Decline
    }

    fn show(&self, plan: &Plan) {
        let mut out = self.render.stream();
        let exit = plan::exit_of(plan);
        let _ = match self.format {
            Format::Json => {
                report::json::plans(std::slice::from_ref(plan), &[None], exit.code(), exit.reason(), &mut out)
            }
            Format::Text => {
                let view = report::text::View {
                    color: self.render.color,
                    commit: None,
                    directory: self.directories.get(&plan.target).cloned().unwrap_or_default(),
                    timezone: self.timezone.clone(),
                };
                report::text::plan(plan, &view, &mut out)
            }
        };
    }
}

/// Says what came of it and picks the exit code.
pub(super) fn conclude(session: &Session, targets: &[Opened], driven: &Driven) -> Result<Exit, Failure> {
    let engine = &driven.engine;
    let mut exit = driven.signal.map_or(Exit::Success, Exit::Interrupted);
    let status = engine.status(session.clock.now());
    let mut text = String::new();
    for target in targets {
        let diagnostics = engine.diagnostics(&target.name);
        if !diagnostics.is_empty() {
            session.render.message(&diagnostic::render(diagnostics, session.render.color_messages));
            exit = exit.or(Exit::Invalid);
        }
        if engine.declined(&target.name) {
            session.render.remark("Nothing was written.");
            continue;
        }
        if let Some(plan) = engine.plan(&target.name) {
            exit = exit.or(plan::exit_of(plan));
        }
        exit = exit.or(failures(&mut text, engine.outcomes(&target.name)));
    }
    for target in status.targets.iter().filter(|target| target.store.is_some() || target.moving.is_some()) {
        let why = target.store.clone().unwrap_or_else(|| "its files keep changing".to_owned());
        let _ = writeln!(text, "error: target {}: {why}", target.name);
        exit = exit.or(Exit::Operational);
    }
    if let Some(why) = &status.journal {
        let _ = writeln!(text, "error: {why}");
        exit = exit.or(Exit::Operational);
    }
    if status.suspended.as_ref().is_some_and(|suspension| suspension.holds(session.clock.now().wall)) {
        let _ = writeln!(text, "Writing is suspended; `popgate resume` lets it go on.");
        exit = exit.or(Exit::Locked);
    }
    for service in &status.services {
        for owed in &service.owed {
            exit = exit.or(if owed.failure.is_some() { Exit::RestartFailed } else { Exit::RestartOwed });
            let accounts = owed.not_effective.len();
            let _ = match &owed.failure {
                Some(why) => {
                    writeln!(text, "error: the restart of {} failed and stays owed: {why}", owed.instance)
                }
                None => writeln!(
                    text,
                    "The restart of {} is still owed; `popgate restart` settles it.",
                    owed.instance
                ),
            };
            if accounts > 0 {
                let names = owed.not_effective.iter().take(10).cloned().collect::<Vec<_>>().join(", ");
                let _ = writeln!(text, "  Until then these users can still use POP3: {names}.");
            }
        }
        if let Some((instance, why)) = service.unready.first() {
            let _ = writeln!(text, "error: {instance} restarted and does not serve: {why}");
            exit = exit.or(Exit::RestartFailed);
        }
    }
    if !text.is_empty() {
        session.render.message(&text);
    }
    Ok(exit)
}

fn failures(text: &mut String, outcomes: &[(crate::plan::Change, Outcome)]) -> Exit {
    // An account that was tried again counts by its last outcome.
    let last: BTreeMap<_, _> =
        outcomes.iter().map(|(change, outcome)| (&change.account, (change, outcome))).collect();
    let mut exit = Exit::Success;
    for (change, outcome) in last.into_values() {
        let why = match outcome {
            Outcome::Done | Outcome::Already => continue,
            Outcome::Missing => "the account is gone",
            Outcome::Unknown => "the store did not say whether it was written; apply again",
            Outcome::NotApplied(fault) if fault.is_transient() => "not written; apply again",
            Outcome::NotApplied(_) => "the store refused it; `popgate doctor` may say why",
        };
        let _ = writeln!(text, "error: {}: {why}", change.name);
        exit = Exit::Partial;
    }
    exit
}
