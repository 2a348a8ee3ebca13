//! The loop: effects out, inputs in, one at a time.

mod journal;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::spawn_blocking;

use super::ahead::Ahead;
use super::answering::Answering;
use super::begin::{Begin, LATE};
use super::clock::Clock;
use super::crash;
use super::fetch::Fetching;
use super::keep::{Heard, Keeping};
use super::signals::{Asked, Signals};
use super::snapshot::Snapshots;
use super::staged::{self, Staged};
use super::supervisor::Supervisor;
use super::world::{Reuse, World, desired_at_hand, read_desired, read_live};
use crate::engine::Engine;
use crate::engine::effect::{Chunk, Effect, Notice};
use crate::engine::event::{Answer, Command, Decision, Input, ReadFailure, RestartFailure, Ticket};
use crate::plan::Plan;
use crate::report;
use crate::source::Source;
use crate::source::watch::Watch;
use crate::stores::Leave;
use crate::web::{Request, Snapshot};

/// What the driver needs from whoever drives.
pub struct Hooks<'a> {
    /// Hears everything the engine has to say.
    pub notice: &'a mut (dyn FnMut(&Notice) + Send),
    /// Shows a plan and says what shall become of it; may block, for it may ask a person.
    pub decide: Arc<dyn Fn(&Plan) -> Decision + Send + Sync>,
    /// Operators' requests.
    pub requests: Option<mpsc::Receiver<Request>>,
    /// Where the state is published.
    pub publish: Option<watch::Sender<Arc<Snapshot>>>,
    /// Whether this is a daemon: its directories are watched, and a service manager hears of it.
    pub watch: bool,
    /// Reads the settings again on SIGHUP. Says whether the engine shall be put together anew from them; then
    /// driving ends after the step in flight.
    pub reload: Option<&'a mut (dyn FnMut() -> bool + Send)>,
}

/// How driving ended.
pub struct Driven {
    /// The engine, for its results.
    pub engine: Engine,
    /// The number of the signal that ended it, if one did.
    pub signal: Option<i32>,
    /// Whether it ended because the settings are others now.
    pub reload: bool,
    /// What it acted on.
    pub world: Arc<World>,
    /// Operators' requests that may still come.
    pub requests: Option<mpsc::Receiver<Request>>,
}

/// What ends a daemon for good.
#[derive(Debug, thiserror::Error)]
pub enum Fatal {
    /// Signals cannot be caught.
    #[error("listening for signals")]
    Signals(#[source] std::io::Error),
    /// The journal is broken in this process.
    #[error("the journal is broken: {0}")]
    Journal(String),
}

/// Drives an engine until it is finished.
pub async fn drive(
    engine: Engine,
    mut world: World,
    clock: Clock,
    mut hooks: Hooks<'_>,
) -> Result<Driven, Fatal> {
    let mut signals = Signals::listen().map_err(Fatal::Signals)?;
    let (inputs, mut incoming) = mpsc::unbounded_channel();
    let mut requests = hooks.requests.take();
    let mut driver = Driver {
        engine,
        watches: BTreeMap::new(),
        fetches: BTreeMap::new(),
        ahead: Ahead::with(std::mem::take(&mut world.begun)),
        world: Arc::new(world),
        clock,
        answering: Answering::new(inputs.clone()),
        inputs,
        replies: BTreeMap::new(),
        keeping: Keeping::default(),
        kept: Vec::new(),
        notices: Vec::new(),
        staged: None,
        tickets: 0,
        broken: Arc::default(),
        started: clock.now().wall,
    };
    if hooks.watch {
        driver.watch();
    }
    let mut snapshots = Snapshots::new(&driver.world, driver.clock.now());
    let mut supervisor = Supervisor::new(hooks.watch);
    let (mut signal, mut reload) = (None, false);
    driver.input(Input::Tick);
    loop {
        driver.perform_all(&mut hooks);
        driver.rotate();
        // Whatever waits already is going to change it at once.
        if let Some(publish) = &hooks.publish
            && (incoming.is_empty() || driver.engine.finished())
        {
            publish.send_replace(Arc::new(driver.snapshot()));
        }
        if driver.engine.finished() {
            break;
        }
        if let Some(supervisor) = supervisor.as_mut().filter(|_| signal.is_none()) {
            supervisor.alive(report::status::headline(&driver.engine.status(driver.clock.now())));
        }
        if let Some(why) = driver.broken.get() {
            return Err(Fatal::Journal(why.clone()));
        }
        snapshots.look(&driver.engine, &driver.world, driver.clock.now());
        let now = driver.clock.now();
        let watchdog = supervisor.as_ref().and_then(Supervisor::every);
        let wakeup = [driver.engine.next_wakeup(now), watchdog, snapshots.wakeup(now)];
        let due = wakeup.into_iter().flatten().min().map(|wait| now.mono + wait);
        let early = due.map(|due| due.saturating_sub(now.mono + LATE));
        tokio::select! {
            biased;
            asked = signals.next() => match asked {
                Asked::Stop(_) if signal.is_some() => driver.input(Input::Abort),
                Asked::Stop(number) => {
                    signal = Some(number);
                    if supervisor.is_some() {
                        Supervisor::stopping();
                    }
                    driver.input(Input::Stop);
                    if !driver.engine.finished() {
                        tracing::info!("Stopping when the step in flight is over; a second signal aborts it.");
                    }
                }
                Asked::LookAgain if hooks.reload.as_mut().is_some_and(|again| again()) => {
                    reload = true;
                    driver.input(Input::Stop);
                }
                Asked::LookAgain => driver.operator(Command::Reconcile { by: "SIGHUP".to_owned() }, None),
            },
            Some(input) = incoming.recv() => driver.input(input),
            Some(taken) = snapshots.taken() => snapshots.write(taken, &driver.engine, driver.clock.now()),
            Some(request) = receive(&mut requests) => driver.operator(request.command, Some(request.reply)),
            () = sleep(early.unwrap_or_default()), if early.is_some() => {
                driver.clock.wait(due.unwrap_or_default(), LATE);
                while let Ok(input) = incoming.try_recv() {
                    driver.input(input);
                }
                driver.input(Input::Tick);
            }
        }
        driver.answering.tidy();
    }
    Ok(Driven {
        engine: driver.engine,
        signal,
        reload: reload && signal.is_none(),
        world: driver.world,
        requests,
    })
}

/// Sleeps; not at all for no time, of which the runtime's timer makes a millisecond.
async fn sleep(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

async fn receive(requests: &mut Option<mpsc::Receiver<Request>>) -> Option<Request> {
    match requests {
        Some(requests) => requests.recv().await,
        None => std::future::pending().await,
    }
}

struct Driver {
    engine: Engine,
    world: Arc<World>,
    watches: BTreeMap<String, Watch>,
    fetches: BTreeMap<String, Fetching>,
    clock: Clock,
    inputs: mpsc::UnboundedSender<Input>,
    answering: Answering,
    replies: BTreeMap<Ticket, oneshot::Sender<Result<String, String>>>,
    /// Stores that are read while the files are.
    ahead: Ahead,
    keeping: Keeping,
    /// Hear when the desired states that were to be kept since the last synced record are on disk.
    kept: Vec<Heard>,
    /// What is still to be told.
    notices: Vec<Notice>,
    /// The chunk whose intents are on their way to the disk, or just there.
    staged: Option<Staged>,
    tickets: Ticket,
    broken: Arc<OnceLock<String>>,
    started: jiff::Timestamp,
}

impl Driver {
    fn input(&mut self, input: Input) {
        self.engine.handle(input, self.clock.now());
    }

    fn operator(&mut self, command: Command, reply: Option<oneshot::Sender<Result<String, String>>>) {
        self.tickets += 1;
        if matches!(command, Command::Reconcile { .. }) {
            self.fetches.values().for_each(Fetching::now);
        }
        if let Some(reply) = reply {
            self.replies.insert(self.tickets, reply);
        }
        self.input(Input::Operator { ticket: self.tickets, command });
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            status: self.engine.status(self.clock.now()),
            plans: self.world.targets.keys().filter_map(|name| self.engine.plan(name).cloned()).collect(),
            pid: std::process::id(),
            started: self.started,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    fn watch(&mut self) {
        for (name, target) in &self.world.targets {
            let directory = match &target.source {
                Source::Directory(directory) => directory,
                Source::Git(remote) => {
                    let fetching = Fetching::begin(Arc::clone(remote), name.clone(), self.inputs.clone());
                    self.fetches.insert(name.clone(), fetching);
                    continue;
                }
            };
            let (inputs, target_name) = (self.inputs.clone(), name.clone());
            let hint = move || {
                // The driver may be gone already; then nobody needs the hint.
                drop(inputs.send(Input::Hint { target: target_name.clone() }));
            };
            match crate::source::watch::watch(directory, hint) {
                Ok(watch) => drop(self.watches.insert(name.clone(), watch)),
                Err(error) => tracing::warn!(
                    target = %name,
                    "Cannot watch {}: {error}. Changes are seen at the next resync only.",
                    directory.display()
                ),
            }
        }
    }

    /// Does everything that is wanted, and then tells what there is to tell: all that takes its time has begun by then.
    fn perform_all(&mut self, hooks: &mut Hooks<'_>) {
        while let Some(effect) = self.engine.poll_effect() {
            self.perform(effect, hooks);
        }
        self.tell(hooks);
    }

    fn tell(&mut self, hooks: &mut Hooks<'_>) {
        self.notices.drain(..).for_each(|notice| (hooks.notice)(&notice));
    }

    fn perform(&mut self, effect: Effect, hooks: &mut Hooks<'_>) {
        match effect {
            Effect::Tell(notice) => self.notices.push(notice),
            Effect::Reply { ticket, reply } => {
                if let Some(to) = self.replies.remove(&ticket) {
                    drop(to.send(reply));
                }
            }
            Effect::Present { ticket, plan } => {
                // Whoever is asked has heard everything before.
                self.tell(hooks);
                let decide = Arc::clone(&hooks.decide);
                self.answering.with(ticket, async move {
                    let decision = spawn_blocking(move || decide(&plan)).await;
                    Answer::Decided(decision.unwrap_or(Decision::Decline))
                });
            }
            Effect::Begin { target, due, keep } => {
                self.renew(&target);
                let begin = Begin {
                    world: Arc::clone(&self.world),
                    keeping: self.keeping.clone(),
                    clock: self.clock,
                    target,
                    due,
                    inputs: self.inputs.clone(),
                };
                drop(tokio::spawn(begin.run(keep)));
            }
            Effect::ReadDesired { ticket, target, ahead, begun } => {
                if !begun {
                    self.renew(&target);
                }
                let Some(source) = self.world.targets.get(&target).map(|io| io.source.clone()) else {
                    return;
                };
                self.ahead.forget(&target);
                // Not while something is fetched: that may take long.
                if ahead
                    && source.remote().is_none()
                    && let Some(io) = self.world.targets.get(&target)
                {
                    self.ahead.begin(&target, io.store.reader());
                }
                let parsing = Arc::clone(&self.world.parsing);
                let now = self.clock.now().mono;
                let reuse = if begun { Reuse::Begun { now } } else { Reuse::Last };
                if begun && let Some(read) = desired_at_hand(&source, &parsing, now) {
                    return self.answering.due(ticket, None).is(Answer::Desired(read));
                }
                let stopped = || Err(ReadFailure::Moving("the reader stopped".to_owned()));
                let Some(remote) = source.remote().cloned() else {
                    let read = move || Answer::Desired(read_desired(&source, &parsing, reuse));
                    return self.answering.with_blocking(ticket, Answer::Desired(stopped()), read);
                };
                let first = self.fetches.get(&target).map(Fetching::first);
                self.answering.with(ticket, async move {
                    match first {
                        Some(first) => first.await,
                        // Nobody fetches beside a command that ends, and it must not act on what is old.
                        None if !remote.was_tried() => {
                            if let Err(problem) = remote.fetch().await {
                                return Answer::Desired(Err(ReadFailure::Invalid(vec![problem])));
                            }
                        }
                        None => {}
                    }
                    let read = spawn_blocking(move || read_desired(&source, &parsing, reuse)).await;
                    Answer::Desired(read.unwrap_or_else(|_| stopped()))
                });
            }
            Effect::Keep { target, desired, beside } => {
                self.kept.push(self.keeping.keep(self.world.state.clone(), target, desired, beside));
            }
            Effect::ReadLive { ticket, target, desired, known } => {
                let Some(reader) = self.world.targets.get(&target).map(|io| io.store.reader()) else {
                    return;
                };
                match self.ahead.take(&target) {
                    Some(read) => self.answering.with(ticket, async move { Answer::Live(read.await) }),
                    None => self.answering.with(ticket, async move {
                        Answer::Live(read_live(&*reader, desired.as_ref(), *known).await)
                    }),
                }
            }
            Effect::Append { ticket, at, records, sync, then } => {
                let with_leave = |chunk| {
                    let (permit, leave) = Leave::with_permit();
                    (permit, (chunk, leave))
                };
                let (permit, waits) = then.map(with_leave).unzip();
                self.append(ticket, at, records, sync, permit);
                // Behind the append: that is what takes long, and there may be only one more processor.
                self.staged = waits.map(|(chunk, leave)| self.stage(chunk, leave));
            }
            Effect::Write { ticket, chunk } => {
                let staged = self.staged.take();
                let staged = staged.unwrap_or_else(|| self.stage(chunk, Leave::at_once()));
                self.answering.with(ticket, async move { Answer::Written(staged.await) });
            }
            Effect::Observe { ticket, service, instance } => {
                let Some(service) = self.service(&service) else { return };
                self.answering.with(ticket, async move {
                    Answer::Observed(match instance {
                        Some(instance) => service.observe_one(&instance).await.map(Vec::from_iter),
                        None => service.observe().await,
                    })
                });
            }
            Effect::Arrival { ticket, target, server, written } => {
                let Some(io) = self.world.targets.get(&target) else { return };
                let reader = io.store.reader();
                self.answering.with(ticket, async move {
                    Answer::Arrival(reader.not_arrived(&server, &written).await)
                });
            }
            Effect::Restart { ticket, service, instance, disabled, halted } => {
                let Some(service) = self.service(&service) else { return };
                self.answering.with(ticket, async move {
                    crash::point("before restart");
                    if halted {
                        service.left_halted(&instance);
                    }
                    let restarted = service.restart(&instance, &disabled).await;
                    crash::point("after restart");
                    Answer::Restarted(restarted.map_err(|error| {
                        let halted = service.halted(&instance);
                        RestartFailure { error, halted }
                    }))
                });
            }
            Effect::Ready { ticket, service, instance } => {
                let Some(service) = self.service(&service) else { return };
                self.answering.with(ticket, async move { Answer::Ready(service.ready(&instance).await) });
            }
        }
    }

    /// Watches what is there now, so that whatever changes after a read that begins now is a hint.
    fn renew(&mut self, target: &str) {
        if let Some(watch) = self.watches.get_mut(target)
            && let Err(error) = watch.renew()
        {
            tracing::debug!("Watching again failed: {error}.");
        }
    }

    fn service(&self, key: &str) -> Option<Arc<dyn crate::services::Service>> {
        self.world.services.get(key).cloned()
    }

    /// Has a writer get ready for a chunk, which it writes when it may.
    fn stage(&mut self, chunk: Chunk, leave: Leave) -> Staged {
        self.ahead.forget(&chunk.target);
        staged::stage(self.world.targets.get(&chunk.target).map(|io| &io.store), chunk, leave)
    }
}
