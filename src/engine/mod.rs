//! The daemon as a state machine without I/O: inputs in, effects out, `now` as an argument.
//!
//! The engine does one thing at a time: a turn of a target (read, plan, batch) or the restart of one instance.
//! Each step emits one effect and waits for its answer; hints, operators and signals may come at any time and are
//! kept until the step in flight is over. `apply` is the same engine with a goal that ends.

mod batch;
mod debt;
mod draft;
pub mod effect;
pub mod event;
mod expiry;
mod known;
mod learn;
mod operator;
pub mod replication;
pub mod retry;
mod service;
mod settle;
pub mod status;
mod target;
#[cfg(test)]
mod tests;
mod turn;
pub mod window;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;

use crate::desired::Desired;
use crate::journal::entry::Record;
use crate::journal::fold::{CLOCK_STEP, Ledger};
use crate::model::Now;
use crate::name::Glob;
use crate::plan::memory::Memory;
use crate::plan::policy::Policy;
use crate::plan::{self, Note, Plan};
use crate::services::Instance;

use effect::{Chunk, Effect, Notice};
use event::{Answer, Command, Input, Ticket, Urgent};
use retry::{Backoff, Jitter};
use target::Target;

/// The longest time the engine sleeps, so that a step of the wall clock is noticed.
const LONGEST_SLEEP: Duration = Duration::from_mins(1);

/// How long a restart in flight may take once a stop was asked for.
const STOP_GRACE: Duration = Duration::from_secs(30);

/// How an engine is to work.
#[derive(Clone, Debug)]
pub struct Mode {
    /// When it is done.
    pub goal: Goal,
    /// Whether plans are shown before they are made true.
    pub present: bool,
    /// Only changes of accounts whose name matches.
    pub only: Option<Glob>,
    /// At most so many changes; disabling first.
    pub limit: Option<usize>,
    /// Who or what runs it; stands in every batch.
    pub by: String,
    /// When files are looked at.
    pub watch: Watch,
    /// Feeds the jitter of back-offs.
    pub seed: u64,
}

/// When an engine is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// Never: the daemon.
    Run,
    /// Never, and nothing is written: neither to stores nor to the journal.
    Observe,
    /// After one batch of each target.
    Once(Restarts),
    /// When what is owed has been tried once.
    Settle(Restarts),
}

/// What an engine that ends does about restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restarts {
    /// At once, but never in a closed window.
    AtOnce,
    /// At once, whatever the window: somebody gave a reason.
    Forced,
    /// They stay owed.
    Defer,
}

/// When files are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch {
    /// How long no further hint may come.
    pub quiet: Duration,
    /// How long after the first hint at the latest.
    pub max_wait: Duration,
    /// How often without any hint.
    pub resync: Duration,
}

/// What an engine starts from for one target.
#[derive(Clone, Debug)]
pub struct Start {
    /// The policy.
    pub policy: Policy,
    /// How the store takes changes.
    pub chunks: Chunks,
    /// How long a write may take to reach all servers of the store; `None` where it is everywhere at once.
    pub replication: Option<Duration>,
    /// The last good desired state, as kept on disk.
    pub good: Option<Desired>,
    /// The last applied desired state, as kept on disk.
    pub applied: Option<Desired>,
}

/// How a store takes changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunks {
    /// How many at most.
    pub size: usize,
    /// Whether nobody ever sees a part of a chunk, so that one may hold both directions.
    pub at_once: bool,
}

/// The state machine.
#[derive(Debug)]
pub struct Engine {
    mode: Mode,
    ledger: Ledger,
    targets: BTreeMap<String, Target>,
    services: BTreeMap<String, service::ServiceState>,
    /// Keys of further services that the settings name: those of targets that this engine does not run.
    elsewhere: BTreeSet<String>,
    activity: Activity,
    waiting: Option<Ticket>,
    tickets: Ticket,
    effects: VecDeque<Effect>,
    /// What operators ask, with the last record that stood in the journal when they did.
    operators: VecDeque<(Ticket, Command, u64)>,
    urgent: Urgent,
    journal: Option<Backoff>,
    journal_error: Option<String>,
    jitter: Jitter,
    stopping: Option<Duration>,
    finished: bool,
    /// The last moment seen, to notice a jump of the wall clock.
    before: Option<Now>,
    clock_jumped: bool,
    /// Who looks at two halves of the entries.
    both: fn(plan::Work<'_>, plan::Work<'_>),
}

/// The one thing being done, with the step whose answer is awaited.
#[derive(Debug)]
enum Activity {
    Idle,
    Turn(String, turn::Step),
    Batch(Box<batch::Batch>),
    Settle(Box<settle::Settle>),
    /// An operator's wish is being written down.
    Note(operator::Noted),
}

impl Activity {
    /// Tells whether a batch of this target is under way.
    fn writes_to(&self, target: &str) -> bool {
        matches!(self, Self::Batch(batch) if batch.is_for(target))
    }
}

impl Engine {
    /// Puts an engine together from what the journal remembers. Nothing happens until the first input.
    pub fn new(mode: Mode, ledger: Ledger, targets: BTreeMap<String, Start>, now: Now) -> Self {
        let mut services = BTreeMap::new();
        for start in targets.values() {
            let key = start.policy.service.key.clone();
            services
                .entry(key.clone())
                .or_insert_with(|| service::ServiceState::new(&start.policy, ledger.services.get(&key), now));
        }
        let reads = !matches!(mode.goal, Goal::Settle(_));
        let daemon = matches!(mode.goal, Goal::Run | Goal::Observe);
        let known = |(name, start): (String, Start)| {
            let warned = ledger.of(&name).map(|known| known.warned.clone()).unwrap_or_default();
            let warned = expiry::Warned::before(warned);
            let mut target = Target::new(start, reads, daemon, now);
            target.warned = warned;
            (name, target)
        };
        let targets = targets.into_iter().map(known).collect();
        let jitter = Jitter::new(mode.seed);
        let clock_jumped = ledger.is_ahead_of(now.wall);
        let mut engine = Self {
            mode,
            ledger,
            targets,
            services,
            elsewhere: BTreeSet::new(),
            activity: Activity::Idle,
            waiting: None,
            tickets: 0,
            effects: VecDeque::new(),
            operators: VecDeque::new(),
            urgent: BTreeMap::new(),
            journal: None,
            journal_error: None,
            jitter,
            stopping: None,
            finished: false,
            before: None,
            clock_jumped,
            both: plan::in_turn,
        };
        if let Goal::Settle(_) | Goal::Once(_) = engine.mode.goal {
            // Nothing to do at all is an end, too; the first tick finds out.
            engine.before = Some(now);
        }
        engine
    }

    /// Says which services the settings name, also for targets that this engine does not run. Whatever else owes a
    /// restart is nobody's to restart.
    #[must_use]
    pub fn with_services(self, keys: impl IntoIterator<Item = String>) -> Self {
        Self { elsewhere: keys.into_iter().collect(), ..self }
    }

    /// Says who can do two pieces of work at once, for plans.
    #[must_use]
    pub fn planning_with(self, both: fn(plan::Work<'_>, plan::Work<'_>)) -> Self {
        Self { both, ..self }
    }

    /// Returns the keys of services that owe a restart although the settings do not name them any more.
    fn orphans(&self) -> impl Iterator<Item = &String> {
        let unknown = |key: &&String| !self.services.contains_key(*key) && !self.elsewhere.contains(*key);
        self.ledger.services.keys().filter(unknown).filter(|key| !self.ledger.debts(key).is_empty())
    }

    /// Takes one input. Answers to anything but the effect in flight are dropped.
    pub fn handle(&mut self, input: Input, now: Now) {
        let now = self.settle_clock(now);
        match input {
            Input::Tick => {}
            Input::Hint { target } => {
                if let Some(target) = self.targets.get_mut(&target) {
                    target.hint(now);
                }
            }
            Input::Begun { target, desired } => self.begun(&target, &desired, now),
            Input::Operator { ticket, command } => {
                self.operators.push_back((ticket, command, self.ledger.seq));
            }
            Input::Stop => {
                self.stopping = self.stopping.or(Some(now.mono + STOP_GRACE));
                // Nobody loses anything when a read, a question or a wait is given up.
                self.finished |= match &self.activity {
                    Activity::Turn(_, step) => step.can_be_given_up(),
                    Activity::Settle(settle) => settle.can_be_given_up(),
                    Activity::Idle => true,
                    Activity::Batch(_) | Activity::Note(_) => false,
                };
            }
            Input::Abort => {
                self.finished = true;
                return;
            }
            Input::Answer { ticket, answer } => {
                if self.waiting != Some(ticket) {
                    return;
                }
                self.waiting = None;
                self.answered(answer, now);
            }
        }
        self.advance(now);
    }

    /// Returns the next effect, if there is one. Its answer depends on [`Engine::handle`] alone.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Returns how long from `now` until something is due by itself; `None` when only an input can bring news.
    /// The driver sends [`Input::Tick`] then; spurious ticks are harmless.
    pub fn next_wakeup(&self, now: Now) -> Option<Duration> {
        let now = self.as_seen(now);
        if self.finished {
            return None;
        }
        if self.waiting.is_some() {
            return self.stopping.map(|until| until.saturating_sub(now.mono));
        }
        let mut due = LONGEST_SLEEP + now.mono;
        for target in self.targets.values() {
            due = due.min(target.due(self.mode.watch, now).unwrap_or(Duration::MAX));
            due = due.min(target.begins(self.mode.watch).unwrap_or(Duration::MAX));
        }
        for (key, service) in self.services.iter().filter(|_| !self.batches_first()) {
            for owed in self.ledger.debts(key) {
                due = due.min(self.restart_due(key, service, owed, now).unwrap_or(Duration::MAX));
            }
        }
        if let Some(journal) = &self.journal {
            due = due.max(journal.due);
        }
        Some(due.saturating_sub(now.mono))
    }

    /// Tells whether the engine has nothing more to do, ever.
    pub fn finished(&self) -> bool {
        self.finished && self.effects.is_empty()
    }

    /// Tells whether nothing is under way, so that the journal may begin a new segment.
    pub fn idle(&self) -> bool {
        self.waiting.is_none() && matches!(self.activity, Activity::Idle)
    }

    /// Takes note that the journal began a new segment with everything it adds up to.
    pub fn rotated(&mut self, seq: u64) {
        self.ledger.seq = seq;
    }

    /// Returns what the journal adds up to.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Returns the last plan of a target.
    pub fn plan(&self, target: &str) -> Option<&Arc<Plan>> {
        self.targets.get(target)?.plan.as_ref()
    }

    /// Returns what is remembered of a target.
    pub fn memory(&self, target: &str) -> Memory {
        let Some(known) = self.targets.get(target) else { return Memory::default() };
        let mut memory = self.ledger.memory(target, known.applied.clone());
        memory.not_effective = self.not_effective(&known.policy);
        memory
    }

    /// Returns the desired state in force.
    pub fn desired(&self, target: &str) -> Option<&Desired> {
        self.targets.get(target)?.good.as_ref()
    }

    fn answered(&mut self, answer: Answer, now: Now) {
        let activity = std::mem::replace(&mut self.activity, Activity::Idle);
        if let Answer::Appended(Err(why)) = &answer {
            let why = why.clone();
            if let Activity::Note(noted) = activity {
                self.operator_noted(noted, &answer);
            }
            self.journal_failed(why, now);
            return;
        }
        match activity {
            Activity::Idle => {}
            Activity::Turn(target, step) => self.turn_answered(target, step, answer, now),
            Activity::Batch(batch) => self.batch_answered(batch, answer, now),
            Activity::Settle(settle) => self.settle_answered(settle, answer, now),
            Activity::Note(noted) => self.operator_noted(noted, &answer),
        }
    }

    /// Starts the next thing, if nothing is under way.
    fn advance(&mut self, now: Now) {
        while self.waiting.is_none() && !self.finished {
            debug_assert!(matches!(self.activity, Activity::Idle), "every activity waits for an answer");
            if self.stopping.is_some() {
                self.finished = true;
            } else if self.journal.as_ref().is_some_and(|journal| journal.due > now.mono) {
                return;
            } else if let Some((ticket, command, seq)) = self.operators.pop_front() {
                self.operate(ticket, command, seq, now);
            } else if let Some((service, instance)) = self.due_restart(now) {
                self.begin_settle(service, instance, now);
            } else if let Some(target) = self.due_turn(now) {
                self.begin_turn(&target, now);
            } else {
                self.begin_reading(now);
                self.finished = self.reached(now);
                return;
            }
        }
        if self.stopping.is_some_and(|until| now.mono >= until) {
            self.finished = true;
        }
    }

    fn reached(&self, now: Now) -> bool {
        match self.mode.goal {
            Goal::Run | Goal::Observe => false,
            Goal::Once(_) => {
                self.targets.values().all(|target| target.finished) && !self.restarts_lie_ahead(now)
            }
            Goal::Settle(_) => !self.restarts_lie_ahead(now),
        }
    }

    fn due_turn(&self, now: Now) -> Option<String> {
        let due = |target: &Target| target.due(self.mode.watch, now).is_some_and(|due| due <= now.mono);
        self.targets.iter().find(|(_, target)| due(target)).map(|(name, _)| name.clone())
    }

    fn emit(&mut self, effect: impl FnOnce(Ticket) -> Effect, activity: Activity) {
        self.tickets += 1;
        self.waiting = Some(self.tickets);
        self.activity = activity;
        self.effects.push_back(effect(self.tickets));
    }

    fn tell(&mut self, notice: Notice) {
        self.effects.push_back(Effect::Tell(notice));
    }

    /// Appends records, after which a chunk may be going to be written. Whoever does that says what waits for the answer.
    fn append(&mut self, records: Vec<Record>, sync: bool, then: Option<Chunk>, now: Now) -> PendingRecords {
        let (at, records) = (now.wall, Arc::from(records));
        let pending = PendingRecords { at, records: Arc::clone(&records) };
        self.emit(|ticket| Effect::Append { ticket, at, records, sync, then }, Activity::Idle);
        pending
    }

    /// Takes records into the ledger once they stand in the journal.
    fn remember(&mut self, pending: &PendingRecords, answer: &Answer) {
        let Answer::Appended(Ok(first)) = answer else { return };
        for (seq, record) in (*first..).zip(&*pending.records) {
            self.ledger.apply(seq, pending.at, record);
            if let Record::Good { target, .. } = record
                && let Some(target) = self.targets.get_mut(target)
            {
                target.unsaid = target.unsaid.take().filter(|unsaid| unsaid.record != *record);
            }
        }
        self.journal = None;
        self.journal_error = None;
    }

    fn journal_failed(&mut self, why: String, now: Now) {
        self.activity = Activity::Idle;
        self.journal = Some(Backoff::after(self.journal.as_ref(), now.mono, None, self.jitter.draw()));
        self.journal_error = Some(why.clone());
        self.tell(Notice::JournalFailed { why });
        for target in self.targets.values_mut() {
            target.take_back();
            target.again();
        }
        if !matches!(self.mode.goal, Goal::Run) {
            self.finished = true;
        }
    }

    /// Returns what is written for a service and not effective yet.
    fn not_effective(&self, policy: &Policy) -> Vec<Note> {
        self.ledger.not_effective(&policy.service.key, &policy.service.name)
    }

    /// Wall time never runs back, and a jump against the monotonic clock makes expiries doubtful.
    fn settle_clock(&mut self, now: Now) -> Now {
        let now = self.as_seen(now);
        if let Some(before) = self.before {
            let mono = SignedDuration::try_from(now.mono.saturating_sub(before.mono)).unwrap_or_default();
            self.clock_jumped |= now.wall.duration_since(before.wall) > mono.saturating_add(CLOCK_STEP);
        }
        self.before = Some(now);
        now
    }

    /// Whoever asks when something is due must see the time that will be seen when it is done: a clock that was set
    /// back would else name a moment that never comes.
    fn as_seen(&self, mut now: Now) -> Now {
        let seen = self.ledger.wall.max(self.before.map(|before| before.wall));
        now.wall = seen.map_or(now.wall, |seen| now.wall.max(seen));
        now
    }
}

/// Records on their way into the journal.
#[derive(Debug)]
struct PendingRecords {
    at: jiff::Timestamp,
    records: Arc<[Record]>,
}

/// Names one instance of one service.
type Owed = (String, Instance);
