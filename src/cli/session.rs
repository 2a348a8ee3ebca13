//! What every command starts from: settings, time, the printer, and how stores and services are opened.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tracing_subscriber::EnvFilter;

use super::args::{Global, LogFormat};
use super::render::Render;
use super::{Failure, open as store, who};
use crate::daemon::clock::NOW_VARIABLE;
use crate::daemon::world::{Reuse, located, read_desired};
use crate::daemon::{Clock, Parsing, Store, TargetIo};
use crate::desired::Desired;
use crate::diagnostic::{self, Diagnostic, codes};
use crate::engine::event::{DesiredRead, ReadFailure};
use crate::journal::entry::Record;
use crate::journal::fold::Ledger;
use crate::journal::{self, keep};
use crate::model::Digest;
use crate::plan::{self, policy::Policy};
use crate::services::Service;
use crate::settings::{self, DesiredSource, Settings, Target};
use crate::source::{Source, git};

/// How long a command waits for files that are just being written.
const SETTLE: Duration = Duration::from_secs(10);

/// One invocation.
pub(super) struct Session {
    pub(super) settings: Settings,
    pub(super) global: Global,
    pub(super) render: Render,
    pub(super) clock: Clock,
    /// Who runs this, for the journal.
    pub(super) by: String,
    /// What was parsed last.
    pub(super) parsing: Arc<Parsing>,
}

/// One target with everything that acts on it.
pub(super) struct Opened {
    pub(super) name: String,
    /// What a person puts before the names of its files.
    pub(super) directory: PathBuf,
    pub(super) source: Source,
    pub(super) policy: Policy,
    pub(super) service: Arc<dyn Service>,
    target: Target,
}

impl Session {
    pub(super) fn open(global: Global, render: Render) -> Result<Self, Failure> {
        let settings =
            settings::load(global.config.as_deref(), global.state.as_deref()).map_err(Failure::invalid)?;
        log(&global, settings.log == settings::LogFormat::Json, render);
        if !settings.warnings.is_empty() {
            render.remark(&diagnostic::render(&settings.warnings, render.color_messages));
        }
        let clock = Clock::start(std::env::var(NOW_VARIABLE).ok().as_deref());
        Ok(Self { settings, global, render, clock, by: who::who(), parsing: Arc::default() })
    }

    /// Reads the settings again. Clock, log and everything that the command line said stay.
    pub(super) fn reopen(&self) -> Result<Self, Failure> {
        let settings = settings::load(self.global.config.as_deref(), self.global.state.as_deref())
            .map_err(Failure::invalid)?;
        Ok(Self {
            settings,
            global: self.global.clone(),
            render: self.render,
            clock: self.clock,
            by: self.by.clone(),
            parsing: Arc::clone(&self.parsing),
        })
    }

    /// Returns the state directory.
    pub(super) fn state(&self) -> &Path {
        &self.settings.state
    }

    /// Opens the targets that were asked for; nothing is contacted yet.
    pub(super) fn targets(&self) -> Result<Vec<Opened>, Failure> {
        let wanted = self.global.target.as_deref();
        if let Some(wanted) = wanted
            && !self.settings.targets.contains_key(wanted)
        {
            let known: Vec<_> = self.settings.targets.keys().cloned().collect();
            return Err(Failure::usage(format!("no target `{wanted}` in the settings"))
                .help(format!("the targets are: {}", known.join(", "))));
        }
        let chosen =
            self.settings.targets.iter().filter(|(name, _)| wanted.is_none_or(|wanted| wanted == *name));
        Ok(chosen.map(|(name, target)| open(self.state(), name, target)).collect())
    }

    /// Opens all targets of the settings, whichever were asked for.
    pub(super) fn every_target(&self) -> Vec<Opened> {
        self.settings.targets.iter().map(|(name, target)| open(self.state(), name, target)).collect()
    }

    /// Returns the one target, for commands that can do only one.
    pub(super) fn one_target(&self) -> Result<Opened, Failure> {
        let mut targets = self.targets()?;
        match (targets.pop(), targets.is_empty()) {
            (Some(only), true) => Ok(only),
            _ => {
                Err(Failure::usage("the settings name several targets").help("choose one with --target NAME"))
            }
        }
    }

    /// Returns the keys of all services that the settings name.
    pub(super) fn services(&self) -> impl Iterator<Item = String> {
        self.settings.targets.values().map(|target| target.service.key())
    }

    /// Folds the journal without taking its lock.
    pub(super) fn ledger(&self) -> Result<Ledger, Failure> {
        let lines = journal::read_current::<Record>(self.state())
            .map_err(|error| Failure::operational(error.to_string()))?;
        let mut ledger = Ledger::default();
        for line in &lines {
            ledger.apply(line.seq, line.at, &line.record);
        }
        Ok(ledger)
    }

    /// Loads a desired state that was kept. One that is gone or damaged is as good as none.
    pub(super) fn kept(&self, target: &Opened, digest: Option<Digest>) -> Option<Desired> {
        let digest = digest?;
        // Usually it is what the directory holds, and a large one takes its time to read.
        if let Some(known) = self.parsing.known(&target.directory, digest) {
            return Some(known);
        }
        let files = match keep::load(self.state(), &target.name, digest) {
            Ok(files) => files,
            Err(error) => {
                tracing::warn!("Cannot load the desired state {} that was kept: {error}.", digest.short());
                return None;
            }
        };
        self.parsing.read(&target.directory, files).ok().filter(|desired| desired.digest() == digest)
    }

    /// Reads desired directories, all of them, before any problem is reported.
    pub(super) fn desired(&self, targets: &[Opened]) -> Result<Vec<DesiredRead>, Failure> {
        let (mut reads, mut diagnostics) = (Vec::new(), Vec::new());
        for target in targets {
            match self.read_settled(&target.source)? {
                Ok(read) => {
                    diagnostics.extend(target.refused(&read.desired));
                    reads.push(read);
                }
                Err(problems) => diagnostics.extend(problems),
            }
        }
        if diagnostics.is_empty() { Ok(reads) } else { Err(Failure::invalid(diagnostics)) }
    }

    /// Reads one source; the inner error are its problems. A repository is fetched first, once.
    pub(super) fn read_settled(
        &self,
        source: &Source,
    ) -> Result<Result<DesiredRead, Vec<Diagnostic>>, Failure> {
        if let Some(remote) = source.remote().filter(|remote| !remote.was_tried()) {
            let runtime = tokio::runtime::Handle::current();
            match tokio::task::block_in_place(|| runtime.block_on(remote.fetch())) {
                Err(problem) if problem.code == codes::GIT_FETCH => {
                    let failure = Failure::operational(problem.message);
                    return Err(match problem.help {
                        Some(help) => failure.help(help),
                        None => failure,
                    });
                }
                Err(problem) => return Ok(Err(vec![problem])),
                Ok(_) => {}
            }
        }
        let start = self.clock.now().mono;
        loop {
            match read_desired(source, &self.parsing, Reuse::Nothing) {
                Ok(read) => return Ok(Ok(read)),
                Err(ReadFailure::Invalid(diagnostics)) => return Ok(Err(diagnostics)),
                Err(ReadFailure::Moving(what)) if self.clock.now().mono.saturating_sub(start) > SETTLE => {
                    let message = format!("the files in {source} keep changing: {what}");
                    return Err(Failure::operational(message)
                        .help("wait until whatever writes them is done; remove a stale .git/index.lock"));
                }
                Err(ReadFailure::Moving(_)) => std::thread::sleep(Duration::from_millis(100)),
            }
        }
    }
}

impl Opened {
    /// Refuses entries that the settings ignore or protect, with their places as a person can open them.
    pub(super) fn refused(&self, desired: &Desired) -> Vec<Diagnostic> {
        located(&self.directory, plan::refuse_listed(desired, &Desired::default(), &self.policy))
    }

    /// Returns where a snapshot of the target is kept.
    pub(super) fn snapshot(&self) -> Option<&settings::SnapshotFile> {
        self.target.snapshot.as_ref()
    }

    /// Opens the store for reading only.
    pub(super) fn reader(&self) -> Arc<dyn crate::stores::Reader> {
        store::reader(&self.target.store)
    }

    /// Opens what the driver acts on.
    pub(super) fn io(&self, writes: bool) -> TargetIo {
        let store =
            if writes { Store::Write(store::writer(&self.target.store)) } else { Store::Read(self.reader()) };
        TargetIo { source: self.source.clone(), store }
    }
}

/// Names the places of refusals that the engine made: it does not know where the directory is.
pub(super) fn located_refusals(directory: &Path, diagnostics: &[Diagnostic]) -> Vec<Diagnostic> {
    let of_engine = |diagnostic: &Diagnostic| diagnostic.code == codes::PROTECTED_ENTRY;
    let (refused, rest) = diagnostics.iter().cloned().partition::<Vec<_>, _>(of_engine);
    rest.into_iter().chain(located(directory, refused)).collect()
}

fn open(state: &Path, name: &str, target: &Target) -> Opened {
    let source = match &target.desired {
        DesiredSource::Directory(directory) => Source::Directory(directory.clone()),
        DesiredSource::Git(written) => {
            let address = git::Address {
                url: written.url.clone(),
                reference: written.reference.clone(),
                path: written.path.clone(),
                allowed_signers: written.allowed_signers.clone(),
                login: written.login.clone(),
                ssh_key: written.ssh_key.clone(),
                interval: written.interval,
            };
            Source::Git(Arc::new(git::Remote::new(address, state, name)))
        }
    };
    let service = store::service(&target.service);
    let mut policy = target.policy.clone();
    policy.service = service.profile();
    // The settings say which service it is; a changed timeout must not orphan a debt.
    policy.service.key = target.service.key();
    let directory = source.directory().to_owned();
    Opened { name: name.to_owned(), directory, source, policy, service, target: target.clone() }
}

/// Returns the services of these targets by key; targets with equal keys share one.
pub(super) fn services(targets: &[Opened]) -> BTreeMap<String, Arc<dyn Service>> {
    targets.iter().map(|target| (target.policy.service.key.clone(), Arc::clone(&target.service))).collect()
}

fn log(global: &Global, json: bool, render: Render) {
    let level = match (global.quiet, global.verbose) {
        (true, _) => "error",
        (false, 0) => "info",
        (false, 1) => "debug",
        (false, _) => "trace",
    };
    // notify warns about watches of directories that are gone; whoever watches them knows that already.
    let filter = EnvFilter::new(format!("warn,notify=error,popgate={level}"));
    let json = global.log_format.map_or(json, |format| format == LogFormat::Json);
    let log =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // A second subscriber is impossible here: this runs once in the process.
    if json {
        drop(log.json().flatten_event(true).try_init());
    } else {
        drop(log.with_ansi(render.color_messages).try_init());
    }
}
