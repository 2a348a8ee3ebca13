//! Settings: as written, then validated.
//!
//! A text becomes a tree of values with their places (`written`), the sections read what they know from it and report
//! every problem (`piece` and the files of the sections), and what holds between sections is checked last (`check`).
//! [`read`] does all that without looking at a disk; [`load`] brings the file.

pub mod service;
pub mod source;
pub mod store;

mod check;
mod duration;
mod farm;
mod hidden;
mod load;
mod nearest;
mod organisation;
mod piece;
mod policy;
mod problems;
mod remoting;
mod root;
mod schema;
mod written;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::tz::TimeZone;

pub use crate::diagnostic::codes::settings as codes;
pub use load::load;
pub use root::read;
pub use service::{DovecotAction, ServiceSettings};
pub use source::{DesiredSource, Repository};
pub use store::{SqlValue, Sqlite, StoreSettings};

use crate::diagnostic::Diagnostic;
use crate::model::Digest;
use crate::plan::policy::{Policy, RestartPolicy};
use policy::Rules;

/// When the embedded default says what would restart: soon, because nothing restarts and somebody is watching.
const ANNOUNCED: RestartPolicy = RestartPolicy {
    quiet: Duration::from_secs(5),
    max_delay: Duration::from_mins(1),
    min_interval: Duration::from_secs(10),
};

/// Everything an operator has decided, validated.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The file they come from; `None` for the embedded default.
    pub path: Option<PathBuf>,
    /// The directory of the journal, the lock and the socket.
    pub state: PathBuf,
    /// The zone of `until` days and of windows.
    pub timezone: TimeZone,
    /// The targets by name; never empty.
    pub targets: BTreeMap<String, Target>,
    /// How changes of files are noticed.
    pub watch: Watch,
    /// The command that gets an event as JSON on its standard input.
    pub notify: Option<Vec<String>>,
    /// Where the read-only status page listens.
    pub web: Option<SocketAddr>,
    /// The form of the log.
    pub log: LogFormat,
    /// SHA-256 over the bytes of the file, to notice that they are others now.
    pub fingerprint: Digest,
    /// What works, but somebody should look at.
    pub warnings: Vec<Diagnostic>,
}

/// One desired directory bound to one store, one service, one policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Where the desired state comes from.
    pub desired: DesiredSource,
    /// The live mail system.
    pub store: StoreSettings,
    /// What must learn of a change.
    pub service: ServiceSettings,
    /// What is allowed. Its `service` knows only what the settings say: the service itself fills in the rest.
    pub policy: Policy,
    /// Where a snapshot for CI is kept.
    pub snapshot: Option<SnapshotFile>,
}

/// A file that holds a snapshot of a target, for planning where nobody may reach the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotFile {
    /// The file.
    pub path: PathBuf,
    /// How often the daemon writes it anew.
    pub interval: Duration,
}

/// How changes of files are noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch {
    /// How long no further change may come.
    pub quiet: Duration,
    /// How long after the first change at the latest.
    pub max_wait: Duration,
    /// How often files are looked at anyway.
    pub resync: Duration,
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            quiet: Duration::from_millis(500),
            max_wait: Duration::from_secs(5),
            resync: Duration::from_mins(1),
        }
    }
}

/// The form of the log on standard error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    #[default]
    Text,
}

impl Settings {
    /// The settings when there is no file: one target `default` with `desired-state/`, popgate's own table in
    /// `.popgate/pop3.db`, and a service that only says what would happen.
    pub fn default_embedded() -> Self {
        Self::embedded(PathBuf::from(".popgate"))
    }

    fn embedded(state: PathBuf) -> Self {
        let target = Target::embedded(Path::new(""), &state, &TimeZone::UTC);
        Self {
            path: None,
            state,
            timezone: TimeZone::UTC,
            targets: BTreeMap::from([(target.policy.target.clone(), target)]),
            watch: Watch::default(),
            notify: None,
            web: None,
            log: LogFormat::default(),
            fingerprint: root::fingerprint(""),
            warnings: Vec::new(),
        }
    }
}

impl Target {
    /// The one target when the settings name none.
    fn embedded(base: &Path, state: &Path, timezone: &TimeZone) -> Self {
        let desired = DesiredSource::Directory(piece::from(base, "desired-state"));
        let store = StoreSettings::Sqlite(Sqlite::own(state.join("pop3.db")));
        let rules = Rules { restart: ANNOUNCED, ..Rules::standard(timezone) };
        Self::new("default", desired, store, ServiceSettings::default(), rules, timezone)
    }

    fn new(
        name: &str,
        desired: DesiredSource,
        store: StoreSettings,
        service: ServiceSettings,
        rules: Rules,
        timezone: &TimeZone,
    ) -> Self {
        let policy = Policy {
            target: name.to_owned(),
            unlisted: rules.unlisted,
            missing: store.missing(),
            ignored: rules.ignored,
            protected: rules.protected,
            drift: rules.drift,
            guards: rules.guards,
            on_blocked: rules.on_blocked,
            timezone: timezone.clone(),
            own_store: store.is_own(),
            service: service.profile(),
            restart: rules.restart,
            windows: rules.windows,
            refresh: rules.refresh,
        };
        Self { desired, store, service, policy, snapshot: None }
    }
}

/// Reads a duration as settings and options have it: `30s`, `1h30m`; `None` for anything else.
pub fn duration(text: &str) -> Option<Duration> {
    duration::parse(text).ok()
}

/// Makes the JSON schema of a settings file, for editors and for `popgate schema settings`.
pub fn json_schema() -> serde_json::Value {
    schema::json_schema()
}

#[cfg(test)]
mod tests;
