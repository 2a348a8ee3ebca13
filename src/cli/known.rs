//! What a plan is made from besides the desired state: the store and the journal, or a snapshot of both.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};

use super::Failure;
use super::args::Plan as Args;
use super::exit::Exit;
use super::session::{Opened, Session};
use crate::daemon::{self, Begun, world::located};
use crate::desired::{self, Desired};
use crate::diagnostic;
use crate::elsewhere;
use crate::engine::event::DesiredRead;
use crate::journal::fold::Ledger;
use crate::model::{AccountId, AccountRef, Live, Now};
use crate::plan::snapshot::{Restored, Snapshot, SnapshotError};
use crate::plan::{self, Memory, Plan, Policy, Taken, base};
use crate::report::Unlisted;
use crate::source::Source;
use crate::source::git::{RevisionError, revision};

/// How long a snapshot is good enough, unless somebody says otherwise.
pub(super) const MAX_AGE: &str = "24h";

/// The largest file that is read as a snapshot, in bytes.
const LARGEST: u64 = 4 << 30;

/// Returns the targets that a plan is wanted of, and with snapshots what each of these says.
pub(super) fn targets(session: &Session, args: &Args) -> Result<(Vec<Opened>, Vec<Known>), Failure> {
    let (mut targets, mut known) = (Vec::new(), Vec::new());
    for path in &args.live {
        let loaded = load(path)?;
        let mut target = loaded.target(session)?;
        if targets.iter().any(|other: &Opened| other.name == target.name) {
            let message = format!("{}: a second snapshot of target `{}`", loaded.file, target.name);
            return Err(Failure::usage(message).help("give one snapshot for each target"));
        }
        let from = loaded.known(args.max_age, session.clock.now().wall)?;
        // What will be in force after the merge is what was in force when the snapshot was taken.
        target.policy = from.policy.clone();
        targets.push(target);
        known.push(from);
    }
    if args.live.is_empty() {
        targets = session.targets()?;
    }
    if let Some(directory) = &args.desired {
        let [target] = &mut targets[..] else {
            return Err(Failure::usage("--desired is for one target, and there are several")
                .help("choose one with --target NAME"));
        };
        target.directory.clone_from(directory);
        target.source = Source::Directory(directory.clone());
    }
    Ok((targets, known))
}

/// Begins to read the store of each target, but for those that must know the names in the files. Not while something is
/// fetched: that may take long.
pub(super) fn ask(targets: &[Opened]) -> Begun {
    let begin = |target: &Opened| {
        let reader = target.reader();
        let useful = !reader.looks_up() && target.source.remote().is_none();
        useful.then(|| (target.name.clone(), daemon::begin(reader)))
    };
    targets.iter().filter_map(begin).collect()
}

/// Waits for the answers of the stores, and adds what the journal says.
pub(super) async fn answers(
    session: &Session,
    targets: &[Opened],
    reads: &[DesiredRead],
    mut asked: Begun,
) -> Result<Vec<Known>, Failure> {
    let ledger = session.ledger()?;
    let mut known = Vec::new();
    for (target, read) in targets.iter().zip(reads) {
        let live = match asked.remove(&target.name) {
            Some(reading) => reading
                .await
                .map_err(|stopped| Failure::operational(format!("reading the store: {stopped}")))??,
            None => super::plan::live(target, read, &ledger, ledger.seen(session.clock.now())).await?,
        };
        known.push(Known::new(session, target, &ledger, live));
    }
    Ok(known)
}

/// Live state, memory and policy of one target.
pub(super) struct Known {
    live: Live,
    memory: Memory,
    policy: Policy,
    snapshot: Option<Taken>,
    /// The latest moment that the journal knows.
    wall: Option<Timestamp>,
}

impl Known {
    /// Asks the store and the journal.
    pub(super) async fn ask(session: &Session, target: &Opened, ledger: &Ledger) -> Result<Self, Failure> {
        let live = target.reader().read().await?;
        Ok(Self::new(session, target, ledger, live))
    }

    /// Puts together what a store answered and what the journal says.
    pub(super) fn new(session: &Session, target: &Opened, ledger: &Ledger, live: Live) -> Self {
        let known = ledger.of(&target.name);
        let applied = known.and_then(|known| known.applied.as_ref()).map(|mark| mark.digest);
        let mut memory = ledger.memory(&target.name, session.kept(target, applied));
        memory.not_effective = ledger.not_effective(&target.policy.service.key, &target.policy.service.name);
        memory.clock_jumped = ledger.is_ahead_of(session.clock.now().wall);
        let mut policy = target.policy.clone();
        // The first contact is the daemon's to wait for; here it is a note.
        policy.guards.first_contact = false;
        Self { live, memory, policy, snapshot: None, wall: ledger.wall }
    }

    /// Takes all of it from a snapshot.
    fn restored(restored: Restored, snapshot: Taken) -> Self {
        let Restored { live, memory, mut policy } = restored;
        policy.guards.first_contact = false;
        Self { live, memory, policy, snapshot: Some(snapshot), wall: None }
    }

    /// Returns the moment as popgate takes it: time never runs back behind the journal.
    pub(super) fn seen(&self, now: Now) -> Now {
        Now { wall: self.wall.map_or(now.wall, |wall| wall.max(now.wall)), ..now }
    }

    /// Plans as the daemon would, but without writing anything down.
    pub(super) fn plan(&self, desired: &Desired, now: Now) -> Plan {
        let mut plan =
            plan::plan_with(&elsewhere::both, desired, &self.live, &self.memory, &self.policy, now);
        // As old as it is at the moment that the plan is made for.
        plan.context.snapshot = self.snapshot.map(|taken| {
            let age = now.wall.duration_since(taken.at).max(SignedDuration::ZERO);
            Taken { age_s: age.unsigned_abs().as_secs(), ..taken }
        });
        plan
    }

    /// Lists the accounts that no entry names.
    pub(super) fn unlisted(&self, desired: &Desired, now: Now) -> Vec<Unlisted> {
        let accounts = plan::unlisted(desired, &self.live, &self.memory, &self.policy, now);
        let row = |account: AccountRef<'_>| Unlisted {
            account: AccountId::new(account.id),
            name: account.name.to_owned(),
            state: account.state.clone(),
        };
        accounts.into_iter().map(row).collect()
    }

    /// Takes down what there is to know, for others.
    pub(super) fn snapshot(&self, store: String, good: Option<&Desired>, now: Now) -> Snapshot {
        Snapshot::take(store, &self.policy, &self.live, &self.memory, good, now)
    }

    /// Sorts the changes of a plan by where they come from: this is what `--base` asks for.
    pub(super) fn compare(
        &self,
        session: &Session,
        plan: &mut Plan,
        target: &Opened,
        name: &str,
        now: Now,
    ) -> Result<(), Failure> {
        if target.source.remote().is_some() {
            let message =
                format!("--base needs a checkout, and target `{}` is fetched from git", target.name);
            return Err(Failure::usage(message).help("name the checked-out directory with --desired DIR"));
        }
        let read = match revision(&target.directory, name) {
            Ok(read) => read,
            // A branch that mends what its base got wrong must not be refused for that.
            Err(RevisionError::Invalid { commit, problems }) => {
                let why = unsorted(session, target, name, &problems);
                base::sort(plan, name, &commit, Err(why));
                return Ok(());
            }
            Err(error) => return Err(no_base(&error)),
        };
        let before = match read.files {
            // A directory that was not there listed nobody.
            None => desired::read(vec![desired::SourceFile {
                path: "none.yaml".to_owned(),
                bytes: b"pop3: {}\n".to_vec(),
            }]),
            Some(files) => desired::read(files),
        };
        match before {
            Ok(before) => {
                let before = self.plan(&before, now);
                base::sort(plan, name, &read.commit, Ok(&before));
            }
            Err(problems) => {
                let why = unsorted(session, target, name, &problems);
                base::sort(plan, name, &read.commit, Err(why));
            }
        }
        Ok(())
    }
}

/// Shows what is wrong with a base revision, and says it in one line.
fn unsorted(session: &Session, target: &Opened, name: &str, problems: &[diagnostic::Diagnostic]) -> String {
    let directory = format!("{name}:{}", target.directory.display());
    let shown =
        diagnostic::render(&located(Path::new(&directory), problems.to_vec()), session.render.color_messages);
    session.render.message(&shown);
    let why = match problems {
        [one] => one.message.clone(),
        _ => format!("it has {} problems", problems.len()),
    };
    session.render.message(&format!("warning: {name} itself is invalid, so nothing is compared with it"));
    format!("{name} itself is invalid: {why}")
}

fn no_base(error: &RevisionError) -> Failure {
    let message = format!("--base: {error}");
    match error {
        RevisionError::Odd(_) => {
            Failure::usage(message).help("write a branch, tag or commit, such as `origin/main`")
        }
        RevisionError::NoRepository { .. } => {
            Failure::operational(message).help("run it in a clone, or leave --base out")
        }
        RevisionError::Unknown { fetch, .. } => {
            Failure::operational(message).help(format!("fetch it: `{fetch}`; then run this again"))
        }
        RevisionError::Git { fetch, .. } => {
            Failure::operational(message).help(format!("if something is missing, fetch it: `{fetch}`"))
        }
        RevisionError::Invalid { .. } => Failure::operational(message),
    }
}

/// A snapshot with its file's name.
struct Loaded {
    file: String,
    snapshot: Snapshot,
}

/// Reads a snapshot file.
fn load(path: &Path) -> Result<Loaded, Failure> {
    let file = path.display().to_string();
    let failed = |why: String| Failure::operational(format!("{file}: {why}"));
    let size = std::fs::metadata(path).map_err(|error| failed(error.to_string()))?.len();
    if size > LARGEST {
        return Err(failed("it is too large to be a snapshot".to_owned()));
    }
    let bytes = std::fs::read(path).map_err(|error| {
        failed(error.to_string()).help("make one: `popgate export --format snapshot > FILE`")
    })?;
    let text = String::from_utf8(bytes).map_err(|_| failed("it is not UTF-8 text".to_owned()))?;
    let snapshot = Snapshot::read(&text).map_err(|error| refused(&file, &error))?;
    Ok(Loaded { file, snapshot })
}

impl Loaded {
    /// Opens the target that it is a snapshot of. Without a settings file, its name is whatever the snapshot says.
    fn target(&self, session: &Session) -> Result<Opened, Failure> {
        let name = &self.snapshot.target;
        let another = |known: String| {
            Failure::operational(format!("{} is a snapshot of target `{name}`, not of {known}", self.file))
                .help("take the snapshot of the target that is planned, or name its target with --target")
        };
        if let Some(wanted) = session.global.target.as_ref().filter(|wanted| *wanted != name) {
            return Err(another(format!("`{wanted}`")));
        }
        let any = session.settings.path.is_none();
        let targets = session.every_target();
        if let Some(mut target) = targets.into_iter().find(|target| target.name == *name || any) {
            target.name.clone_from(name);
            return Ok(target);
        }
        let known: Vec<_> = session.settings.targets.keys().map(|name| format!("`{name}`")).collect();
        Err(another(known.join(" or ")))
    }

    /// Turns it into what plans are made from, unless it is too old.
    fn known(self, max_age: std::time::Duration, now: Timestamp) -> Result<Known, Failure> {
        let Self { file, snapshot } = self;
        let at = snapshot.taken_at;
        // A clock that is a little behind the other one makes nothing younger than new.
        let age = now.duration_since(at).max(SignedDuration::ZERO);
        if age > SignedDuration::try_from(max_age).unwrap_or(SignedDuration::MAX) {
            let message = format!(
                "{file}: the snapshot is {} old (taken {at}), and --max-age allows {}",
                duration(age.unsigned_abs()),
                duration(max_age)
            );
            return Err(Failure::new(Exit::Stale, message).help(
                "take a new one: `popgate export --format snapshot`, or let the daemon do that: `snapshot:` in the \
                 settings",
            ));
        }
        let restored = snapshot.restore().map_err(|error| refused(&file, &error))?;
        Ok(Known::restored(restored, Taken { at, age_s: age.unsigned_abs().as_secs() }))
    }
}

fn refused(file: &str, error: &SnapshotError) -> Failure {
    let failure = Failure::operational(format!("{file}: {error}"));
    match error {
        SnapshotError::Version(_) => failure.help("use the popgate that wrote it, or a newer one"),
        _ => failure.help("take a new one: `popgate export --format snapshot > FILE`"),
    }
}

/// Writes a duration in its largest unit that says it well.
fn duration(duration: std::time::Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}
