//! What an operator allows: validated settings of one target, as the planner and the engine need them.

mod rules;

use std::time::Duration;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::engine::window::Windows;
use crate::name::Glob;

pub use rules::{ChangedRule, Rules, changed};

/// The policy of one target. Lives in the settings, never in the desired directory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// The target's name.
    #[serde(skip)]
    pub target: String,
    /// What happens to accounts that no entry names.
    pub unlisted: Unlisted,
    /// What happens to entries that the store does not know.
    pub missing: Missing,
    /// Accounts that popgate neither counts nor touches; matched against every name of an account.
    pub ignored: Vec<Glob>,
    /// Accounts that are counted and never written; matched like `ignored`.
    pub protected: Vec<Glob>,
    /// What happens to changes made behind popgate's back.
    pub drift: Drift,
    /// The limits above which a plan waits for an approval.
    pub guards: Limits,
    /// Which part of a plan waits when a guard trips.
    pub on_blocked: OnBlocked,
    /// The zone in which an `until` day ends.
    #[serde(with = "jiff::fmt::serde::tz::required")]
    pub timezone: TimeZone,
    /// Whether popgate created the store itself, so that there is nothing to adopt.
    pub own_store: bool,
    /// What must learn of a change.
    pub service: Profile,
    /// When a restart that is owed is due.
    pub restart: RestartPolicy,
    /// When writes and restarts are allowed.
    pub windows: Windows,
    /// How often the store is read again when nothing changed.
    #[serde(with = "milliseconds")]
    pub refresh: Duration,
}

/// What happens to accounts that no entry names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unlisted {
    /// They stay as they are and are counted.
    #[default]
    Keep,
    /// They lose POP3: allow-list mode.
    Disable,
}

/// What happens to entries that the store does not know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// A note; looked for again at every read.
    #[default]
    Report,
    /// The store creates them: only the embedded default does.
    Create,
}

/// What happens to one direction of drift.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnDrift {
    /// Written back to what the entry says.
    Restore,
    /// Shown and left alone until the entry changes or somebody approves.
    Report,
}

/// What happens to changes made behind popgate's back, by direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// Somebody enabled an account that an entry disables.
    pub enabled_by_hand: OnDrift,
    /// Somebody disabled an account that an entry enables.
    pub disabled_by_hand: OnDrift,
}

impl Default for Drift {
    fn default() -> Self {
        Self { enabled_by_hand: OnDrift::Restore, disabled_by_hand: OnDrift::Report }
    }
}

/// A share of a count, with a floor below which it never trips.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Per cent, 0 to 100.
    pub percent: u8,
    /// Always allowed, however small the share of it would be.
    pub always_allow: u64,
}

impl Share {
    /// Returns the limit for a base count: the larger of the floor and the share, rounded down.
    pub fn of(self, base: u64) -> u64 {
        (base.saturating_mul(u64::from(self.percent)) / 100).max(self.always_allow)
    }
}

/// The limits of the guards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Disabling, as a share of all live enabled accounts in scope.
    pub max_disable: Share,
    /// Enabling, as a share of all live accounts in scope.
    pub max_enable: Share,
    /// All changes of one plan.
    pub max_changes: u64,
    /// Whether the first batch against a store waits to be adopted.
    pub first_contact: bool,
    /// Per cent of its entries that a file, or all of them together, may lose at once.
    pub shrunk_input: u8,
    /// Per cent of the accounts that the store may lose between two reads.
    pub shrunk_live: u8,
    /// Per cent of the accounts that may be unreadable.
    pub unreadable: u8,
}

impl Default for Limits {
    fn default() -> Self {
        let share = Share { percent: 5, always_allow: 10 };
        Self {
            max_disable: share,
            max_enable: share,
            max_changes: 1000,
            first_contact: true,
            shrunk_input: 50,
            shrunk_live: 10,
            unreadable: 5,
        }
    }
}

/// Which part of a plan waits when a guard trips.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnBlocked {
    /// Enabling waits; disabling within its own limits goes on.
    #[default]
    Enable,
    /// Everything waits.
    All,
}

/// When a restart that is owed is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestartPolicy {
    /// How long no further write may come.
    #[serde(with = "milliseconds")]
    pub quiet: Duration,
    /// How long after the first write at the latest.
    #[serde(with = "milliseconds")]
    pub max_delay: Duration,
    /// The least time between two restarts.
    #[serde(with = "milliseconds")]
    pub min_interval: Duration,
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self {
            quiet: Duration::from_secs(30),
            max_delay: Duration::from_mins(15),
            min_interval: Duration::from_mins(10),
        }
    }
}

/// What a service does when access changed, as far as a plan has to say it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Identifies the service across targets: two targets with equal keys share one debt. Stays out of what is
    /// written down for others, because the arguments of a command may be delicate.
    #[serde(skip)]
    pub key: String,
    /// The name shown to a person, such as `dovecot.service`.
    pub name: String,
    /// What happens.
    pub action: Action,
    /// The instances known without asking anybody; each owes its own restart.
    pub instances: Vec<crate::services::Instance>,
}

/// What makes a change effective.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Nothing: the store's readers see the change by themselves.
    None,
    /// A restart of the whole service: every session ends.
    Restart,
    /// A reload; the service's sessions may end.
    Reload,
    /// The authentication cache is emptied, and the POP3 sessions of disabled users end.
    FlushAndEndSessions,
    /// A command that the operator gave.
    Command,
    /// A person does it; popgate says what to do and waits for proof.
    Manual,
    /// Nothing happens but a line that says what would.
    Announce,
}

/// Durations as whole milliseconds.
mod milliseconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_millis)
    }
}
