//! The engine by hand: a small world whose every answer is the test's own. What the simulation once found stands
//! here as a history of its own.

mod arrivals;
mod begun;
mod debts;
mod drafts;
mod known;
mod turns;
mod unfound;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::effect::Effect;
use super::event::{Answer, Command, DesiredRead, Input, ReadFailure, RestartFailure};
use super::window::Windows;
use super::*;
use crate::desired::{self, SourceFile};
use crate::journal::entry::Record;
use crate::model::{Access, Account, AccountId, Fault, Live, Outcome, State};
use crate::plan;
use crate::plan::policy::{
    Action, Drift, Limits, Missing, OnBlocked, Profile, RestartPolicy, Share, Unlisted,
};
use crate::services::{Condition, Observed, ServiceError};

const SERVICE: &str = "pop3";
/// How long a write takes, of a store behind a service on another machine.
const REPLICATION: Duration = Duration::from_mins(15);
const NOON: &str = "2026-08-22T12:00:00Z";

/// The engine with what the world around it would answer.
struct Hand {
    engine: Engine,
    policy: Policy,
    now: Now,
    /// When the process started, on the test's own clock.
    lines: Vec<(Timestamp, Record)>,
    read: Result<DesiredRead, ReadFailure>,
    accounts: Vec<Account>,
    /// How often the store was read.
    reads: usize,
    /// Appends fail while this is set.
    full: bool,
    kept: Vec<Desired>,
    replies: Vec<Result<String, String>>,
}

fn policy() -> Policy {
    Policy {
        target: "t".to_owned(),
        unlisted: Unlisted::Keep,
        missing: Missing::Report,
        ignored: Vec::new(),
        protected: Vec::new(),
        drift: Drift::default(),
        guards: Limits::default(),
        on_blocked: OnBlocked::Enable,
        timezone: TimeZone::UTC,
        own_store: true,
        service: Profile {
            key: SERVICE.to_owned(),
            name: SERVICE.to_owned(),
            action: Action::Restart,
            instances: vec![Instance::local(SERVICE)],
        },
        restart: RestartPolicy::default(),
        windows: Windows::always(),
        refresh: Duration::from_hours(1),
    }
}

fn listing(entries: &str) -> DesiredRead {
    let bytes = format!("pop3:\n{entries}").into_bytes();
    let desired = desired::read(vec![SourceFile { path: "a.yaml".to_owned(), bytes }]).unwrap();
    DesiredRead { desired, commit: None, author: None }
}

fn running(run: &str, age: Duration) -> Vec<Observed> {
    let identity = Some(run.to_owned());
    let instance = Instance::local(SERVICE);
    vec![Observed { instance, identity, age: Some(age), condition: Condition::Running }]
}

fn failure(halted: bool) -> RestartFailure {
    RestartFailure { error: blind(), halted }
}

fn blind() -> ServiceError {
    ServiceError { what: "cannot look".to_owned(), fault: Fault::TRANSIENT, help: None }
}

impl Hand {
    /// A world with these entries, and accounts that all have POP3 enabled.
    fn new(entries: &str, accounts: &[&str]) -> Self {
        Self::with(entries, accounts, policy())
    }

    fn with(entries: &str, accounts: &[&str], policy: Policy) -> Self {
        let now = Now { mono: Duration::ZERO, wall: NOON.parse().unwrap() };
        let account = |id: &&str| Account {
            id: AccountId::new(*id),
            name: (*id).to_owned(),
            aliases: Vec::new(),
            state: State::Is(Access::Enabled),
        };
        Self {
            engine: Self::engine(&policy, Ledger::default(), &[], now),
            policy,
            now,
            lines: Vec::new(),
            read: Ok(listing(entries)),
            accounts: accounts.iter().map(account).collect(),
            reads: 0,
            full: false,
            kept: Vec::new(),
            replies: Vec::new(),
        }
    }

    /// The same world, and somebody who waits for one batch.
    fn once(entries: &str, accounts: &[&str]) -> Self {
        let mut hand = Self::new(entries, accounts);
        hand.engine =
            Self::towards(Goal::Once(Restarts::AtOnce), &hand.policy, Ledger::default(), &[], hand.now);
        hand
    }

    fn engine(policy: &Policy, ledger: Ledger, kept: &[Desired], now: Now) -> Engine {
        Self::towards(Goal::Run, policy, ledger, kept, now)
    }

    fn towards(goal: Goal, policy: &Policy, ledger: Ledger, kept: &[Desired], now: Now) -> Engine {
        let watch = Watch {
            quiet: Duration::from_millis(500),
            max_wait: Duration::from_secs(5),
            resync: Duration::from_mins(1),
        };
        let mode =
            Mode { goal, present: false, only: None, limit: None, by: "test".to_owned(), watch, seed: 1 };
        let known = ledger.of("t");
        let find = |digest| kept.iter().find(|kept| Some(kept.digest()) == digest).cloned();
        let good = find(known.and_then(|known| known.good));
        let applied = find(known.and_then(|known| known.applied.as_ref()).map(|mark| mark.digest));
        let replication = policy.service.instances.iter().any(|one| !one.is_local()).then_some(REPLICATION);
        let chunks = Chunks { size: 10, at_once: false };
        let start = Start { policy: policy.clone(), chunks, replication, good, applied };
        Engine::new(mode, ledger, BTreeMap::from([("t".to_owned(), start)]), now)
    }

    /// The process dies now and starts again after a while, with a clock of its own.
    fn crash(&mut self, pause: Duration) {
        let mut ledger = Ledger::default();
        self.lines.push((
            self.now.wall,
            Record::Start { version: String::new(), by: String::new(), command: String::new() },
        ));
        for (seq, (at, record)) in (1..).zip(&self.lines) {
            ledger.apply(seq, *at, record);
        }
        let wall = self.now.wall + SignedDuration::try_from(pause).unwrap();
        self.now = Now { mono: Duration::from_millis(10), wall };
        self.engine = Self::engine(&self.policy, ledger, &self.kept, self.now);
    }

    fn pass(&mut self, time: Duration) {
        self.now.mono += time;
        self.now.wall += SignedDuration::try_from(time).unwrap();
    }

    fn input(&mut self, input: Input) {
        self.engine.handle(input, self.now);
    }

    fn command(&mut self, command: Command) {
        self.input(Input::Operator { ticket: 1, command });
    }

    fn answer(&mut self, ticket: u64, answer: Answer) {
        self.input(Input::Answer { ticket, answer });
    }

    /// Answers what needs no thought, until something is to be done to the store or the service; lets time pass
    /// when nothing is. `None` when nothing was for that long.
    fn next_within(&mut self, time: Duration) -> Option<Effect> {
        let end = self.now.mono + time;
        self.input(Input::Tick);
        let mut idle = 0;
        loop {
            let Some(effect) = self.engine.poll_effect() else {
                let wait = self.engine.next_wakeup(self.now)?;
                idle = if wait.is_zero() { idle + 1 } else { 0 };
                assert!(idle < 10, "it goes round in circles");
                if self.now.mono + wait > end {
                    self.pass(end.saturating_sub(self.now.mono));
                    return None;
                }
                self.pass(wait);
                self.input(Input::Tick);
                continue;
            };
            idle = 0;
            match effect {
                Effect::Begin { .. } | Effect::Tell(_) => {}
                Effect::Reply { reply, .. } => self.replies.push(reply),
                Effect::ReadDesired { ticket, .. } => {
                    self.pass(Duration::from_millis(1));
                    self.answer(ticket, Answer::Desired(self.read.clone()));
                }
                Effect::Keep { desired, .. } => self.kept.push(desired),
                Effect::ReadLive { ticket, .. } => {
                    self.reads += 1;
                    let live = Live::new(self.accounts.clone()).unwrap();
                    self.answer(ticket, Answer::Live(Ok(live)));
                }
                Effect::Append { ticket, .. } if self.full => {
                    self.answer(ticket, Answer::Appended(Err("full".to_owned())));
                }
                Effect::Append { ticket, at, records, .. } => {
                    let first = self.lines.len() as u64 + 1;
                    self.lines.extend(records.iter().map(|record| (at, record.clone())));
                    self.answer(ticket, Answer::Appended(Ok(first)));
                }
                Effect::Ready { ticket, .. } => self.answer(ticket, Answer::Ready(Ok(()))),
                other => return Some(other),
            }
        }
    }

    fn next(&mut self) -> Effect {
        self.next_within(Duration::from_hours(2)).expect("something is to be done")
    }

    /// The service is looked at next, and shows this.
    fn look(&mut self, seen: Result<Vec<Observed>, ServiceError>) {
        match self.next() {
            Effect::Observe { ticket, .. } => self.answer(ticket, Answer::Observed(seen)),
            other => panic!("a look was expected, not {other:?}"),
        }
    }

    /// A chunk is written next, and this becomes of each of its changes.
    fn write(&mut self, outcome: &Outcome) {
        match self.next() {
            Effect::Write { ticket, chunk, .. } => {
                self.take(&chunk.changes, outcome);
                self.answer(ticket, Answer::Written(vec![outcome.clone(); chunk.changes.len()]));
            }
            other => panic!("a write was expected, not {other:?}"),
        }
    }

    /// A chunk is written next, and the journal is full when its outcomes shall be written down.
    fn write_unrecorded(&mut self) {
        let Effect::Write { ticket, chunk, .. } = self.next() else { panic!("a write was expected") };
        self.take(&chunk.changes, &Outcome::Done);
        self.full = true;
        self.answer(ticket, Answer::Written(vec![Outcome::Done; chunk.changes.len()]));
    }

    /// The store takes a chunk.
    fn take(&mut self, chunk: &[plan::Change], outcome: &Outcome) {
        for change in chunk.iter().filter(|_| *outcome == Outcome::Done) {
            let account = self.accounts.iter_mut().find(|account| account.id == change.account);
            account.unwrap().state = State::Is(change.to);
        }
    }

    /// A whole batch is written while the service runs as `run`.
    fn batch(&mut self, run: &str, outcome: &Outcome) {
        let age = Duration::from_hours(5);
        self.look(Ok(running(run, age)));
        self.write(outcome);
        self.look(Ok(running(run, age)));
    }

    /// A restart is asked for next; returns its ticket.
    fn restart(&mut self) -> u64 {
        match self.next() {
            Effect::Restart { ticket, .. } => ticket,
            other => panic!("a restart was expected, not {other:?}"),
        }
    }

    /// The restart that is owed happens: from one run to another.
    fn settle(&mut self, from: &str, to: &str) {
        self.look(Ok(running(from, Duration::from_hours(5))));
        let ticket = self.restart();
        self.answer(ticket, Answer::Restarted(Ok(())));
        self.look(Ok(running(to, Duration::ZERO)));
        self.owes(0);
    }

    fn owes(&mut self, debts: usize) {
        // What is on its way to the journal gets there first.
        assert!(self.next_within(Duration::ZERO).is_none(), "nothing is due now");
        assert_eq!(self.engine.ledger().debts(SERVICE).len(), debts, "restarts owed");
    }

    fn edit(&mut self, entries: &str) {
        self.read = Ok(listing(entries));
        self.input(Input::Hint { target: "t".to_owned() });
    }
}
