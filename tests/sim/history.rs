//! One history: the real engine in a seeded world, in virtual time.

mod calm;
mod hear;
mod perform;
mod trouble;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use popgate::engine::effect::Effect;
use popgate::engine::event::{Answer, DesiredRead, Input, Ticket};
use popgate::engine::{Chunks, Engine, Mode, Start};
use popgate::journal::entry::Record;
use popgate::model::{Live, Now};
use popgate::plan::Change;
use popgate::plan::policy::{Limits, Share};
use popgate::stores::StoreError;

use crate::bugs::Bug;
use crate::check::{Check, Violation, broken};
use crate::disk::Disk;
use crate::random::Random;
use crate::seen::{Seen, Tally};
use crate::service::Unit;
use crate::setup::{SERVICE, Setup, TargetWorld, for_writes_only};

enum Event {
    /// An effect takes place.
    Perform(Box<Effect>),
    Answer(Ticket, Answer),
    /// Something happens in the world.
    Trouble,
    Crash,
    Boot,
    Input(Input),
    /// The rest of a half-copied tree arrives.
    Arrival(String),
}

pub(crate) struct History {
    random: Random,
    mode: Mode,
    targets: BTreeMap<String, TargetWorld>,
    units: Vec<Unit>,
    disk: Disk,
    check: Check,
    bug: Option<Bug>,
    base: Timestamp,
    /// True time since the beginning; how far the wall clock is off; when the process started.
    now: Duration,
    wall_off: i64,
    started: Duration,
    engine: Option<Engine>,
    queue: BTreeMap<(Duration, u64), Event>,
    numbered: u64,
    faults: bool,
    /// Whether a live state is answered that differs from the true one.
    restless: bool,
    /// A chunk that a lazy store has not taken yet.
    behind: Option<(String, Vec<Change>)>,
    /// What was read of stores while the files were.
    ahead: BTreeMap<String, Result<Live, StoreError>>,
    looks: (Duration, usize),
    circles: usize,
    crashes: usize,
    /// The latest wall-clock time that the engine was shown, and since when it must doubt expiries.
    shown: Timestamp,
    doubted: Option<Timestamp>,
    trace: Option<Vec<String>>,
}

/// Plays one history to its end.
pub(crate) fn play(seed: u64, bug: Option<Bug>, traced: bool) -> (Result<Tally, Violation>, Vec<String>) {
    let mut history = History::new(seed, bug, traced);
    let result = history.run();
    (result.map(|()| history.random.tally), history.trace.unwrap_or_default())
}

impl History {
    fn new(seed: u64, bug: Option<Bug>, traced: bool) -> Self {
        let mut random = Random::new(seed);
        let setup = Setup::new(seed, &mut random);
        let policies = setup.targets.iter().map(|(name, target)| (name.clone(), target.policy.clone()));
        let check = Check::new(policies, &setup.units);
        let mut history = Self {
            random,
            mode: setup.mode,
            targets: setup.targets,
            units: setup.units,
            disk: Disk::default(),
            check,
            bug,
            base: setup.base,
            now: Duration::from_secs(1),
            wall_off: 0,
            started: Duration::ZERO,
            engine: None,
            queue: BTreeMap::new(),
            numbered: 0,
            faults: true,
            restless: false,
            behind: None,
            ahead: BTreeMap::new(),
            looks: (Duration::ZERO, 0),
            circles: 0,
            crashes: 0,
            shown: Timestamp::MIN,
            doubted: None,
            trace: traced.then(Vec::new),
        };
        history.note_trees();
        let faults_for = setup.faults_for;
        history.say(|| format!("faults for {faults_for:?}"));
        history.schedule(Duration::ZERO, Event::Boot);
        history.schedule(Duration::from_secs(5), Event::Trouble);
        history.schedule(faults_for, Event::Input(Input::Tick));
        history.looks.0 = faults_for;
        history
    }

    fn run(&mut self) -> Result<(), Violation> {
        let faults_for = std::mem::take(&mut self.looks.0);
        self.until(self.now + faults_for)?;
        self.calm_down()
    }

    fn say(&mut self, what: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            let wall = self.base + SignedDuration::try_from(self.now).expect("days");
            trace.push(format!("{:>10.3} {} {}", self.now.as_secs_f64(), wall.strftime("%a %T"), what()));
        }
    }

    fn note_trees(&mut self) {
        for (name, target) in &self.targets {
            self.check.whole.insert(name.clone(), target.files.whole.clone());
        }
    }

    fn wall(&self) -> Timestamp {
        let wall = self.base + SignedDuration::try_from(self.now).expect("days");
        wall + SignedDuration::from_millis(self.wall_off)
    }

    /// Wall time as the journal knows it: it never runs back.
    fn settled_wall(&self) -> Timestamp {
        let seen = self.engine.as_ref().and_then(|engine| engine.ledger().wall);
        self.wall().max(seen.unwrap_or(Timestamp::MIN))
    }

    fn clock(&mut self) -> Now {
        self.shown = self.shown.max(self.wall());
        self.now_here()
    }

    fn now_here(&self) -> Now {
        Now { mono: self.now.saturating_sub(self.started), wall: self.wall() }
    }

    fn schedule(&mut self, after: Duration, event: Event) {
        self.numbered += 1;
        self.queue.insert((self.now + after, self.numbered), event);
    }

    /// Lets time pass.
    fn until(&mut self, end: Duration) -> Result<(), Violation> {
        loop {
            self.drain()?;
            let event = self.queue.first_key_value().map(|((at, _), _)| *at);
            let wakeup = self.engine.as_ref().and_then(|engine| engine.next_wakeup(self.now_here()));
            let tick = wakeup.map(|wakeup| self.now + wakeup);
            let next = [event, tick].into_iter().flatten().min().unwrap_or(end);
            if next >= end {
                self.now = end;
                return Ok(());
            }
            self.circles = if next == self.now { self.circles + 1 } else { 0 };
            if self.circles > 100 {
                return broken(0, "the engine wakes up again and again and does nothing");
            }
            self.now = next;
            if event == Some(next) {
                let (_, event) = self.queue.pop_first().expect("there is one");
                self.happen(event)?;
            } else {
                let now = if self.bug == Some(Bug::Circles) && self.random.chance(20) {
                    self.clock_back()
                } else {
                    self.clock()
                };
                if let Some(engine) = &mut self.engine {
                    engine.handle(Input::Tick, now);
                }
            }
        }
    }

    fn clock_back(&mut self) -> Now {
        // A driver that hands the engine an old moment again and again.
        let end = self.now;
        self.numbered += 200;
        for number in 0..200 {
            self.queue.insert((end, self.numbered + number), Event::Input(Input::Tick));
        }
        self.numbered += 200;
        self.clock()
    }

    /// Takes what the engine wants done.
    fn drain(&mut self) -> Result<(), Violation> {
        while let Some(effect) = self.engine.as_mut().and_then(Engine::poll_effect) {
            self.circles = 0;
            match effect {
                Effect::Tell(notice) => {
                    self.say(|| format!("  says {}", shorten(&format!("{notice:?}"))));
                    self.hear(&notice);
                }
                Effect::Begin { target, due, .. } => {
                    self.random.saw(Seen::ReadBegun);
                    self.read_early(target, due);
                }
                Effect::Keep { target, desired, mut beside } => {
                    beside.retain.push(desired.digest());
                    self.disk.keep(&target, &desired, &beside.retain);
                }
                Effect::Reply { reply, .. } => self.say(|| format!("  replies {reply:?}")),
                effect => self.begin(effect)?,
            }
        }
        if self.engine.as_ref().is_some_and(Engine::finished) {
            self.say(|| "the process leaves".to_owned());
            self.leave(false)?;
        }
        if !self.disk.broken && !self.disk.full && self.random.chance(3) {
            self.rotate();
        }
        Ok(())
    }

    /// Nothing depends on a reading that begins early, nor on when it is told what comes of it.
    fn read_early(&mut self, target: String, due: Duration) {
        if let Ok(DesiredRead { desired, .. }) = self.targets[&target].files.read(self.now) {
            let wait = due.saturating_sub(self.clock().mono).as_millis();
            let at = self.random.millis(0, usize::try_from(wait).unwrap_or_default() + 10);
            self.schedule(at, Event::Input(Input::Begun { target, desired }));
        }
    }

    fn rotate(&mut self) {
        let wall = self.settled_wall();
        let Some(engine) = self.engine.as_mut().filter(|engine| engine.idle()) else { return };
        let state = Record::State { ledger: Box::new(engine.ledger().clone()) };
        if let Ok(seq) = self.disk.append(wall, &[state], true, false, &mut self.random) {
            engine.rotated(seq);
            self.random.saw(Seen::NewSegment);
            self.say(|| "the journal begins a new segment".to_owned());
        }
    }

    fn happen(&mut self, event: Event) -> Result<(), Violation> {
        match event {
            Event::Perform(effect) => self.perform(*effect),
            Event::Answer(ticket, answer) => {
                self.say(|| format!("  answer {ticket}: {}", shorten(&format!("{answer:?}"))));
                let now = self.clock();
                if let Some(engine) = &mut self.engine {
                    engine.handle(Input::Answer { ticket, answer }, now);
                }
                if self.disk.broken {
                    self.say(|| "the journal is broken, the process ends".to_owned());
                    self.leave(true)?;
                }
                Ok(())
            }
            Event::Arrival(target) => {
                if self.targets.get_mut(&target).expect("known").files.arrive() {
                    self.say(|| format!("the rest of {target} arrives"));
                    self.schedule(Duration::ZERO, Event::Input(Input::Hint { target }));
                }
                Ok(())
            }
            Event::Input(Input::Abort) => {
                self.say(|| "SIGTERM again".to_owned());
                self.leave(true)
            }
            Event::Input(input) => {
                self.say(|| format!("input {input:?}"));
                let now = self.clock();
                if let Some(engine) = &mut self.engine {
                    engine.handle(input, now);
                }
                Ok(())
            }
            Event::Crash if self.engine.is_some() => {
                self.say(|| "CRASH".to_owned());
                self.crashes += 1;
                self.count_crash();
                self.leave(true)
            }
            Event::Crash => Ok(()),
            Event::Boot => self.boot(),
            Event::Trouble => {
                if self.faults {
                    self.trouble()?;
                    let pause = self.random.millis(200, 600_000);
                    self.schedule(pause, Event::Trouble);
                }
                Ok(())
            }
        }
    }

    /// What a crash comes in the middle of.
    fn count_crash(&mut self) {
        let under_way = self.queue.values().find_map(|event| match event {
            Event::Perform(effect) => Some(match **effect {
                Effect::ReadDesired { .. } => Seen::CrashReadDesired,
                Effect::ReadLive { .. } => Seen::CrashReadLive,
                Effect::Append { .. } => Seen::CrashAppend,
                Effect::Write { .. } => Seen::CrashWrite,
                Effect::Observe { .. } => Seen::CrashObserve,
                Effect::Arrival { .. } => Seen::CrashArrival,
                Effect::Restart { .. } => Seen::CrashRestart,
                _ => Seen::CrashReady,
            }),
            Event::Answer(..) => Some(Seen::CrashAnswered),
            _ => None,
        });
        self.random.saw(under_way.unwrap_or(Seen::CrashIdle));
        if self.disk.is_keeping() {
            self.random.saw(Seen::CrashKeep);
        }
    }

    /// The process is gone; it comes back by itself.
    fn leave(&mut self, crashed: bool) -> Result<(), Violation> {
        self.engine = None;
        let mut append = None;
        self.queue.retain(|_, event| {
            if let Event::Perform(effect) = event
                && let Effect::Append { at, records, .. } = &mut **effect
            {
                append = Some((*at, Arc::clone(records)));
            }
            !matches!(event, Event::Perform(_) | Event::Answer(..) | Event::Crash | Event::Boot)
        });
        if crashed {
            let lost = self.disk.full || self.disk.broken || self.bug == Some(Bug::LostChunkLine);
            let append = append.filter(|_| !lost);
            self.disk.crash(append, &mut self.random).or_else(|what| broken(9, what))?;
        } else {
            self.disk.end();
        }
        let shows = self.units[0].shows;
        self.check.crashed(shows);
        self.check.stopped = false;
        self.behind = None;
        let pause = self.random.millis(100, 30_000);
        self.schedule(pause, Event::Boot);
        Ok(())
    }

    fn boot(&mut self) -> Result<(), Violation> {
        self.check.reread(self.disk.lines.iter().map(|(_, record)| record));
        let text = self.random.chance(20);
        if text {
            self.random.saw(Seen::ReadBack);
        }
        let mut ledger = self.disk.fold(text);
        let start =
            Record::Start { version: "sim".to_owned(), by: "sim".to_owned(), command: "run".to_owned() };
        let at = self.wall().max(ledger.wall.unwrap_or(Timestamp::MIN));
        let Ok(seq) = self.disk.append(at, std::slice::from_ref(&start), false, false, &mut self.random)
        else {
            // The daemon ends at once, and is started again later.
            self.schedule(Duration::from_secs(30), Event::Boot);
            return Ok(());
        };
        ledger.apply(seq, at, &start);
        match self.bug {
            Some(Bug::ForgottenDebt) => {
                ledger.services.values_mut().for_each(|service| service.debts.clear());
            }
            Some(Bug::ForgottenRestart) => {
                ledger.services.values_mut().for_each(|service| service.settled.clear());
            }
            Some(Bug::ForgottenHour) => {
                for target in ledger.targets.values_mut() {
                    target.recent.clear();
                    target.doubtful.clear();
                }
            }
            Some(Bug::ForgottenSuspension) => ledger.suspended = None,
            _ => {}
        }
        self.started = self.now;
        (self.shown, self.doubted) = (at, None);
        for name in self.targets.keys() {
            let good = ledger.of(name).and_then(|known| known.good);
            if good.is_some() && self.disk.kept(name, good).is_none() {
                return broken(1, format!("the journal names a state of {name} that is not kept"));
            }
        }
        let starts = self.targets.iter().map(|(name, target)| {
            let known = ledger.of(name);
            let applied = known.and_then(|known| known.applied.as_ref()).map(|mark| mark.digest);
            let mut policy = target.policy.clone();
            if self.bug == Some(Bug::OpenGuards) {
                let all = Share { percent: 100, always_allow: 1000 };
                policy.guards = Limits { max_disable: all, max_enable: all, ..policy.guards };
            }
            if self.bug == Some(Bug::OpenWindows) {
                policy.windows = for_writes_only(&policy.windows);
            }
            if self.bug == Some(Bug::NothingProtected) {
                (policy.ignored, policy.protected) = (Vec::new(), Vec::new());
            }
            let start = Start {
                policy,
                chunks: Chunks { size: target.chunk_size, at_once: target.store.at_once },
                replication: target.replication,
                good: self.disk.kept(name, known.and_then(|known| known.good)),
                applied: self.disk.kept(name, applied),
            };
            (name.clone(), start)
        });
        let starts = starts.collect();
        let mut mode = self.mode.clone();
        mode.seed ^= u64::try_from(self.now.as_millis()).unwrap_or(u64::MAX);
        let now = self.clock();
        let mut engine = Engine::new(mode, ledger, starts, now);
        engine.handle(Input::Tick, now);
        self.engine = Some(engine);
        self.ahead.clear();
        self.say(|| "the process starts".to_owned());
        Ok(())
    }
}

fn shorten(text: &str) -> String {
    text.chars().take(260).collect()
}

fn is_service(key: &str) -> bool {
    key == SERVICE
}
