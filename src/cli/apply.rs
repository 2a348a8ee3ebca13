//! `popgate apply`: one batch. The same engine as the daemon's, told to stop after it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard};

use jiff::Timestamp;

use super::args::{Apply as Args, Format, RestartWhen};
use super::exit::Exit;
use super::progress::Progress;
use super::render::Render;
use super::session::{Opened, Session, located_refusals, services};
use super::{Failure, approve, handover, known, plan};
use crate::daemon::{self, Begun, Driven, Hooks, World, crash, drive};
use crate::diagnostic;
use crate::elsewhere;
use crate::engine::effect::Notice;
use crate::engine::event::{Decision, DesiredRead};
use crate::engine::status::TargetStatus;
use crate::engine::{Chunks, Engine, Goal, Mode, Restarts, Start, Watch};
use crate::journal::entry::Record;
use crate::journal::fold::Ledger;
use crate::journal::{Journal, Lock, LockError};
use crate::model::Outcome;
use crate::name::Glob;
use crate::plan::policy::Action;
use crate::plan::{Plan, PlanId};
use crate::report;

pub(super) async fn run(session: &Session, args: &Args) -> Result<Exit, Failure> {
    if args.approve.is_some() && args.reason.trim().is_empty() {
        return Err(Failure::usage("an approval needs a reason").help("say why: --reason \"CHG-1234 …\""));
    }
    let targets = session.targets()?;
    // The stores answer while the files are read. Everything that can be wrong offline is said before anything is locked
    // or created.
    let (asked_at, begun) = (session.clock.now().wall, known::ask(&targets));
    let reads = session.desired(&targets)?;
    let restarts = match args.restart {
        RestartWhen::Now => Restarts::AtOnce,
        RestartWhen::Defer => Restarts::Defer,
    };
    let mut held = match open_journal(session, "apply") {
        Ok(held) => held,
        Err(failure) if failure.exit == Exit::Locked => {
            return handover::apply(session, &targets, args).await?.ok_or(failure);
        }
        Err(failure) => return Err(failure),
    };
    // Whatever another process wrote into a store, it wrote into the journal before.
    if held.last.is_none_or(|last| last < asked_at) {
        held.begun = begun;
    } else {
        tracing::debug!("the journal was written into while the stores were read: they are read again");
    }
    if let Some(id) = &args.approve {
        approve::write_down(session, &targets, &reads, &mut held, &PlanId::from_text(id), &args.reason)
            .await?;
    }
    let asked = Arc::new(Asked::new(session, &targets, &reads, args));
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
        reload: None,
    };
    let driven = drive_once(session, &targets, held, mode, hooks).await?;
    let mut answers = asked.answers();
    if let Some(failure) = answers.verdict.take() {
        return Err(failure);
    }
    let meant: Vec<&Opened> =
        targets.iter().filter(|target| !answers.passed_over.contains(&target.name)).collect();
    let exit = match (&args.plan, meant.is_empty()) {
        (Some(wanted), true) => return Err(asked.stale(wanted, &answers.seen)),
        _ => conclude(session, &meant, &driven),
    };
    asked.show_together(&answers.seen, exit);
    asked.say_what_is_left(&answers.seen, &driven.engine);
    Ok(exit)
}

/// The journal of this state directory, with the lock that makes it ours.
pub(super) struct Held {
    pub(super) journal: Journal<Record>,
    pub(super) ledger: Ledger,
    /// When the last record was written before this process.
    last: Option<Timestamp>,
    /// Reads of stores that are under way already.
    begun: Begun,
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
    let last = ledger.wall;
    let start = Record::Start {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        by: session.by.clone(),
        command: command.to_owned(),
    };
    let at = session.clock.now().wall.max(ledger.wall.unwrap_or(Timestamp::MIN));
    crash::append("before", std::slice::from_ref(&start));
    let (seq, _) = journal
        .append(at, std::slice::from_ref(&start), false)
        .map_err(|error| Failure::operational(error.to_string()))?;
    crash::append("after", std::slice::from_ref(&start));
    ledger.apply(seq, at, &start);
    Ok(Held { journal, ledger, last, begun: Begun::new() })
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
        by: session.by.clone(),
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
        starts(session, targets, &held.ledger, writes),
        session.clock.now(),
    )
    .with_services(session.services())
    .planning_with(elsewhere::both);
    let journal = Some(Arc::new(Mutex::new(held.journal)));
    let world = World { begun: held.begun, ..world(session, targets, journal, writes) };
    drive(engine, world, session.clock, hooks).await.map_err(|error| Failure::operational(error.to_string()))
}

/// What the engine starts from for each target.
pub(super) fn starts(
    session: &Session,
    targets: &[Opened],
    ledger: &Ledger,
    writes: bool,
) -> BTreeMap<String, Start> {
    let mut starts = BTreeMap::new();
    for target in targets {
        let known = ledger.of(&target.name);
        let applied = known.and_then(|known| known.applied.as_ref()).map(|mark| mark.digest);
        let chunks = match target.io(writes).store {
            daemon::Store::Write(writer) => {
                Chunks { size: writer.chunk_size(), at_once: writer.writes_at_once() }
            }
            daemon::Store::Read(_) => Chunks { size: 1, at_once: false },
        };
        let good = known.and_then(|known| known.good);
        let start = Start {
            policy: target.policy.clone(),
            chunks,
            replication: target.reader().replication(),
            good: session.kept(target, good),
            applied: session.kept(target, applied),
        };
        starts.insert(target.name.clone(), start);
    }
    starts
}

pub(super) fn world(
    session: &Session,
    targets: &[Opened],
    journal: Option<Arc<Mutex<Journal<Record>>>>,
    writes: bool,
) -> World {
    let io = |target: &Opened| (target.name.clone(), target.io(writes));
    World {
        targets: targets.iter().map(io).collect(),
        services: services(targets),
        snapshots: BTreeMap::new(),
        parsing: Arc::clone(&session.parsing),
        state: session.state().to_owned(),
        journal,
        begun: Begun::new(),
    }
}

/// Shows plans and asks what shall become of them. Every answer but the first yes is for the same person: a plan
/// that had to be made again because somebody else wrote meanwhile is not asked about twice.
struct Asked {
    render: Render,
    yes: bool,
    wanted: Option<PlanId>,
    only: Option<Glob>,
    limit: usize,
    format: Format,
    /// Where each target's desired state is, and the git commit it came from.
    sources: BTreeMap<String, (String, Option<String>)>,
    timezone: jiff::tz::TimeZone,
    answers: Mutex<Answers>,
}

/// What was shown and answered so far.
#[derive(Default)]
struct Answers {
    /// Targets whose plan was agreed to.
    agreed: BTreeSet<String>,
    /// Targets that `--plan` does not mean.
    passed_over: BTreeSet<String>,
    /// Every first plan.
    seen: Vec<Plan>,
    verdict: Option<Failure>,
}

impl Asked {
    fn new(session: &Session, targets: &[Opened], reads: &[DesiredRead], args: &Args) -> Self {
        let source = |(target, read): (&Opened, &DesiredRead)| {
            (target.name.clone(), (target.directory.display().to_string(), read.commit.clone()))
        };
        Self {
            render: session.render,
            yes: args.yes,
            wanted: args.plan.as_deref().map(PlanId::from_text),
            only: args.only.as_deref().map(Glob::new),
            limit: args.limit.unwrap_or(usize::MAX),
            format: args.format,
            sources: targets.iter().zip(reads).map(source).collect(),
            timezone: session.settings.timezone.clone(),
            answers: Mutex::default(),
        }
    }

    fn answers(&self) -> MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn decide(&self, plan: &Plan) -> Decision {
        let mut answers = self.answers();
        let again = answers.agreed.contains(&plan.target);
        let wanted = self.wanted.as_ref().is_none_or(|wanted| *wanted == plan.id);
        let admitted = plan.admitted().count();
        if again {
            if wanted || admitted == 0 {
                return Decision::Proceed;
            }
            answers.verdict = Some(stale(&plan.id, self.wanted.as_ref()));
            return Decision::Decline;
        }
        answers.seen.push(plan.clone());
        if !wanted {
            answers.passed_over.insert(plan.target.clone());
            return Decision::Decline;
        }
        self.show(plan);
        let chosen = |name: &str| self.only.as_ref().is_none_or(|only| only.matches(name));
        let writes = plan.admitted().filter(|planned| chosen(&planned.change.name)).take(self.limit).count();
        if writes > 0 && !self.yes {
            if !self.render.has_person() {
                let failure = Failure::usage("there is nobody to ask");
                answers.verdict = Some(failure.help("give --yes to apply without a question"));
                return Decision::Decline;
            }
            // A question takes as long as its person likes, and an interrupt ends it from outside.
            drop(answers);
            if !self.render.ask(&question(writes, admitted)) {
                return Decision::Decline;
            }
            answers = self.answers();
        }
        answers.agreed.insert(plan.target.clone());
        Decision::Proceed
    }

    /// Several plans are one JSON document, so they wait for the last of them.
    fn is_together(&self) -> bool {
        self.format == Format::Json && self.sources.len() > 1
    }

    fn show(&self, plan: &Plan) {
        let (directory, commit) = self.sources.get(&plan.target).cloned().unwrap_or_default();
        let mut out = self.render.stream();
        let exit = plan::exit_of(plan);
        let _ = match self.format {
            Format::Json if self.is_together() => Ok(()),
            Format::Json => report::json::plans(
                std::slice::from_ref(plan),
                &[commit],
                exit.code(),
                exit.reason(),
                &mut out,
            ),
            Format::Text => {
                let view = report::text::View {
                    color: self.render.color,
                    commit,
                    rooted: directory.clone(),
                    directory,
                    timezone: self.timezone.clone(),
                    extent: report::Extent::default(),
                };
                report::text::plan(plan, &view, &mut out)
            }
        };
    }

    fn show_together(&self, plans: &[Plan], exit: Exit) {
        if self.is_together() {
            let commit = |plan: &Plan| self.sources.get(&plan.target).and_then(|(_, commit)| commit.clone());
            let commits: Vec<_> = plans.iter().map(commit).collect();
            let mut out = self.render.stream();
            let _ = report::json::plans(plans, &commits, exit.code(), exit.reason(), &mut out);
        }
    }

    /// Says how many changes `--limit` and `--only` left for another time.
    fn say_what_is_left(&self, plans: &[Plan], engine: &Engine) {
        if self.limit == usize::MAX && self.only.is_none() {
            return;
        }
        let sent = |plan: &Plan| engine.outcomes(&plan.target).len();
        let left = |plan: &Plan| plan.admitted().count().saturating_sub(sent(plan));
        match plans.iter().filter(|plan| !engine.declined(&plan.target)).map(left).sum::<usize>() {
            0 => {}
            1 => self.render.remark("1 change is left for another time."),
            many => self.render.remark(&format!("{many} changes are left for another time.")),
        }
    }

    fn stale(&self, wanted: &str, seen: &[Plan]) -> Failure {
        match seen {
            [plan] => stale(&plan.id, self.wanted.as_ref()),
            _ => Failure::new(Exit::Stale, format!("no target's plan is {wanted} any more"))
                .help("look at `popgate plan` again"),
        }
    }
}

fn stale(now: &PlanId, wanted: Option<&PlanId>) -> Failure {
    let wanted = wanted.map_or("", PlanId::as_str);
    Failure::new(Exit::Stale, format!("the plan is not {wanted} any more, it is {now}"))
        .help("look at `popgate plan` again")
}

fn question(writes: usize, admitted: usize) -> String {
    match (writes, admitted) {
        (1, 1) => "Apply 1 change?".to_owned(),
        (all, admitted) if all == admitted => format!("Apply {all} changes?"),
        (some, admitted) => format!("Apply {some} of these {admitted} changes?"),
    }
}

/// Says what came of it and picks the exit code.
pub(super) fn conclude(session: &Session, targets: &[&Opened], driven: &Driven) -> Exit {
    let engine = &driven.engine;
    let mut exit = driven.signal.map_or(Exit::Success, Exit::Interrupted);
    let status = engine.status(session.clock.now());
    let mut text = String::new();
    for target in targets {
        let diagnostics = engine.diagnostics(&target.name);
        if !diagnostics.is_empty() {
            let diagnostics = located_refusals(&target.directory, diagnostics);
            session.render.message(&diagnostic::render(&diagnostics, session.render.color_messages));
            let unfetched = diagnostics.iter().all(|found| found.code == diagnostic::codes::GIT_FETCH);
            exit = exit.or(if unfetched { Exit::Operational } else { Exit::Invalid });
        }
        if engine.declined(&target.name) {
            session.render.remark("Nothing was written.");
            continue;
        }
        if let Some(plan) = engine.plan(&target.name) {
            exit = exit.or(plan::exit_of(plan));
        }
        exit = exit.or(failures(
            &mut text,
            engine.outcomes(&target.name),
            engine.plan(&target.name).map(|plan| &**plan),
        ));
    }
    for target in status.targets.iter().filter(|target| target.store.is_some() || target.moving.is_some()) {
        let why = target.store.clone().unwrap_or_else(|| "its files keep changing".to_owned());
        let _ = writeln!(text, "error: target {}: {why}", target.name);
        exit = exit.or(Exit::Operational);
    }
    for target in status.targets.iter().filter(|target| target.closed) {
        let _ = writeln!(text, "{}", closed(target));
        exit = exit.or(Exit::Locked);
    }
    if let Some(why) = &status.journal {
        let _ = writeln!(text, "error: {why}");
        exit = exit.or(Exit::Operational);
    }
    if status.suspended.as_ref().is_some_and(|suspension| suspension.holds(session.clock.now().wall)) {
        let _ = writeln!(text, "Writing is suspended; `popgate resume` lets it go on.");
        exit = exit.or(Exit::Locked);
    }
    let by_hand = |service: &str| {
        let profile = targets.iter().map(|target| &target.policy.service);
        profile.filter(|profile| profile.name == *service).any(|profile| profile.action == Action::Manual)
    };
    for service in &status.services {
        for owed in &service.owed {
            exit = exit.or(if owed.failure.is_some() { Exit::RestartFailed } else { Exit::RestartOwed });
            let _ = match &owed.failure {
                Some(why) => {
                    writeln!(text, "error: the restart of {} failed and stays owed: {why}", owed.instance)
                }
                None => writeln!(
                    text,
                    "The restart of {} is still owed; {} settles it.",
                    owed.instance,
                    if by_hand(&service.name) {
                        "do it by hand, and `popgate restart --done`"
                    } else {
                        "`popgate restart`"
                    },
                ),
            };
        }
        let waiting: BTreeSet<&str> =
            service.owed.iter().flat_map(|owed| &owed.not_effective).map(String::as_str).collect();
        if !waiting.is_empty() {
            let names = report::names(waiting);
            let _ = writeln!(text, "  Until then these users can still use POP3: {names}.");
        }
        if let Some((instance, why)) = service.unready.first() {
            let _ = writeln!(text, "error: {instance} restarted and does not serve: {why}");
            exit = exit.or(Exit::RestartFailed);
        }
    }
    if !text.is_empty() {
        session.render.message(&text);
    }
    exit
}

/// Says why nothing was written to a target at this time.
pub(super) fn closed(target: &TargetStatus) -> String {
    let until =
        target.opens.map_or_else(|| "never opens".to_owned(), |opens| format!("is closed until {opens}"));
    format!("Nothing was written to target {}: its window for writes {until}.", target.name)
}

fn failures(text: &mut String, outcomes: &[(crate::plan::Change, Outcome)], plan: Option<&Plan>) -> Exit {
    // An account that was tried again counts by its last outcome.
    let last: BTreeMap<_, _> =
        outcomes.iter().map(|(change, outcome)| (&change.account, (change, outcome))).collect();
    let mut exit = Exit::Success;
    for (change, outcome) in last.into_values() {
        let why = match outcome {
            Outcome::Done | Outcome::Already => continue,
            Outcome::Unknown if plan.is_some_and(|plan| plan.is_content_with(change)) => continue,
            Outcome::Missing => "the account is gone",
            Outcome::Unknown => "the store did not say whether it was written; apply again",
            Outcome::NotApplied(fault) if fault.is_transient() => "not written; apply again",
            Outcome::NotApplied(_) => "the store refused it, for the reason told above",
        };
        let _ = writeln!(text, "error: {}: {why}", change.name);
        exit = Exit::Partial;
    }
    exit
}
