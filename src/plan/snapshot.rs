//! A snapshot: everything that planning needs besides the desired state, as a file that holds no secret. With it a
//! change can be planned where nobody may reach the store, such as in CI.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::memory::{Applied, Approval, Memory};
use super::policy::{Policy, Rules};
use super::{Note, Plan};
use crate::desired::{self, Desired, SourceFile};
use crate::model::{Access, Account, AccountId, AccountRef, Counts, Digest, Live, Now, State};

/// The version of the format: a minor one adds fields, a major one breaks.
pub const FORMAT_VERSION: &str = "1.0";

/// What tells a snapshot from any other JSON.
const KIND: &str = "popgate snapshot";

/// The state of one target at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    kind: String,
    format_version: String,
    /// When it was taken.
    pub taken_at: Timestamp,
    /// The target's name.
    pub target: String,
    /// The store, as popgate names it.
    pub store: String,
    /// What was allowed.
    policy: Policy,
    /// Counts of the accounts in scope, for people.
    counts: Counts,
    accounts: Vec<AccountRow>,
    memory: Remembered,
    /// What the desired state in force wanted and was not made yet.
    pending: Vec<PendingRow>,
}

/// One account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct AccountRow {
    id: AccountId,
    /// Left out where it is the id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    aliases: Vec<String>,
    state: State,
}

/// What is remembered of the target; see [`Memory`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Remembered {
    contact: bool,
    counts: Option<Counts>,
    applied: Option<AppliedRow>,
    bindings: BTreeMap<String, AccountId>,
    approvals: Vec<Approval>,
    recent: Vec<(Timestamp, Access)>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    doubtful: BTreeMap<AccountId, (Timestamp, Access)>,
    not_effective: Vec<NotEffectiveRow>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rules: Option<Rules>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct AppliedRow {
    digest: Digest,
    at: Timestamp,
    except: BTreeSet<String>,
    accepted: BTreeSet<String>,
    files: Vec<FileRow>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct FileRow {
    path: String,
    text: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct NotEffectiveRow {
    service: String,
    names: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct PendingRow {
    account: AccountId,
    name: String,
    from: State,
    to: Access,
}

/// What a snapshot stands in for.
#[derive(Clone, Debug)]
pub struct Restored {
    /// What the store said.
    pub live: Live,
    /// What the journal remembered.
    pub memory: Memory,
    /// What was allowed.
    pub policy: Policy,
}

/// Why a text is no snapshot that can be planned against.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// It ends in the middle.
    #[error("the snapshot is truncated: it ends at line {0} in the middle of a value")]
    Truncated(usize),
    /// It is no JSON.
    #[error("this is not JSON: {0}")]
    NotJson(String),
    /// It is other JSON.
    #[error("this is JSON, but no snapshot of popgate")]
    NotASnapshot,
    /// It was written by a later popgate.
    #[error("the snapshot has the version `{0}`, and this popgate reads {FORMAT_VERSION}")]
    Version(String),
    /// Something in it cannot be.
    #[error("the snapshot is damaged: {0}")]
    Damaged(String),
}

/// What every version of the format begins with.
#[derive(Deserialize)]
struct Head {
    kind: Option<String>,
    format_version: Option<String>,
}

impl Snapshot {
    /// Takes down what there is to know of a target. `good` is the desired state in force.
    pub fn take(
        store: String,
        policy: &Policy,
        live: &Live,
        memory: &Memory,
        good: Option<&Desired>,
        now: Now,
    ) -> Self {
        let pending = good.map(|good| super::plan(good, live, memory, policy, now));
        let scope = super::resolve::Scope::new(policy, live);
        Self {
            kind: KIND.to_owned(),
            format_version: FORMAT_VERSION.to_owned(),
            taken_at: now.wall,
            target: policy.target.clone(),
            store,
            policy: policy.clone(),
            counts: live.counts(|account| !scope.is_ignored(account)),
            accounts: live.iter().map(AccountRow::of).collect(),
            memory: Remembered::of(memory),
            pending: pending.iter().flat_map(PendingRow::all).collect(),
        }
    }

    /// Reads a snapshot.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub fn read(text: &str) -> Result<Self, SnapshotError> {
        let head: Head = serde_json::from_str(text).map_err(|error| match error.classify() {
            serde_json::error::Category::Eof if !text.trim().is_empty() => {
                SnapshotError::Truncated(error.line())
            }
            serde_json::error::Category::Data => SnapshotError::NotASnapshot,
            _ => SnapshotError::NotJson(error.to_string()),
        })?;
        let (Some(KIND), Some(version)) = (head.kind.as_deref(), head.format_version) else {
            return Err(SnapshotError::NotASnapshot);
        };
        if version.split('.').next() != FORMAT_VERSION.split('.').next() {
            return Err(SnapshotError::Version(version));
        }
        serde_json::from_str(text).map_err(|error| SnapshotError::Damaged(error.to_string()))
    }

    /// Writes it as JSON.
    pub fn write(&self) -> String {
        // Every map of it has text for keys, so nothing in it cannot be JSON.
        let text = serde_json::to_string_pretty(self).unwrap_or_default();
        text + "\n"
    }

    /// Turns it into what the planner takes.
    ///
    /// # Errors
    /// [`SnapshotError::Damaged`].
    pub fn restore(self) -> Result<Restored, SnapshotError> {
        let accounts = self.accounts.into_iter().map(AccountRow::account).collect();
        let live = Live::new(accounts).map_err(|error| SnapshotError::Damaged(error.to_string()))?;
        let memory = self.memory.restore()?;
        Ok(Restored { live, memory, policy: Policy { target: self.target, ..self.policy } })
    }
}

impl AccountRow {
    fn of(account: AccountRef<'_>) -> Self {
        Self {
            id: AccountId::new(account.id),
            name: (account.name != account.id).then(|| account.name.to_owned()),
            aliases: account.aliases().map(str::to_owned).collect(),
            state: account.state.clone(),
        }
    }

    fn account(self) -> Account {
        let name = self.name.unwrap_or_else(|| self.id.as_str().to_owned());
        Account { id: self.id, name, aliases: self.aliases, state: self.state }
    }
}

impl PendingRow {
    fn all(plan: &Plan) -> Vec<Self> {
        let row = |planned: &super::Planned| Self {
            account: planned.change.account.clone(),
            name: planned.change.name.clone(),
            from: planned.change.from.clone(),
            to: planned.change.to,
        };
        plan.changes.iter().map(row).collect()
    }
}

impl Remembered {
    fn of(memory: &Memory) -> Self {
        let not_effective = memory.not_effective.iter().filter_map(|note| match note {
            Note::NotEffective { service, names } => {
                Some(NotEffectiveRow { service: service.clone(), names: names.clone() })
            }
            _ => None,
        });
        Self {
            contact: memory.contact,
            counts: memory.counts,
            applied: memory.applied.as_ref().map(AppliedRow::of),
            bindings: (*memory.bindings).clone(),
            approvals: memory.approvals.clone(),
            recent: memory.recent.clone(),
            doubtful: memory.doubtful.clone(),
            not_effective: not_effective.collect(),
            rules: memory.rules.clone(),
        }
    }

    fn restore(self) -> Result<Memory, SnapshotError> {
        let note = |row: NotEffectiveRow| Note::NotEffective { service: row.service, names: row.names };
        Ok(Memory {
            applied: self.applied.map(AppliedRow::restore).transpose()?,
            bindings: Arc::new(self.bindings),
            counts: self.counts,
            approvals: self.approvals,
            recent: self.recent,
            doubtful: self.doubtful,
            contact: self.contact,
            clock_jumped: false,
            not_effective: self.not_effective.into_iter().map(note).collect(),
            rules: self.rules,
        })
    }
}

impl AppliedRow {
    fn of(applied: &Applied) -> Self {
        let file = |(file, _): (&SourceFile, usize)| FileRow {
            path: file.path.clone(),
            // What was read as desired state is UTF-8.
            text: String::from_utf8_lossy(&file.bytes).into_owned(),
        };
        Self {
            digest: applied.desired.digest(),
            at: applied.at,
            except: applied.except.clone(),
            accepted: applied.accepted.clone(),
            files: applied.desired.files().map(file).collect(),
        }
    }

    fn restore(self) -> Result<Applied, SnapshotError> {
        let file = |row: FileRow| SourceFile { path: row.path, bytes: row.text.into_bytes() };
        let desired = desired::read(self.files.into_iter().map(file).collect())
            .ok()
            .filter(|desired| desired.digest() == self.digest)
            .ok_or_else(|| SnapshotError::Damaged("its applied state does not fit its digest".to_owned()))?;
        Ok(Applied { desired, at: self.at, except: self.except, accepted: self.accepted })
    }
}

#[cfg(test)]
mod tests;
