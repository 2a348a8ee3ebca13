//! The records of the journal. Pure data; how they are laid on disk is [`super::segment`]'s business.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::fold::{Ledger, Suspension};
use crate::model::{Access, AccountId, Counts, Digest, Outcome, State};
use crate::plan::memory::Approval;
use crate::plan::policy::Rules;
use crate::plan::{Cause, PlanId};
use crate::services::{Instance, Observed};

/// Who was warned that access ends: names with the last day, and within how many days it was.
pub type Warnings = BTreeMap<String, (jiff::civil::Date, u8)>;

/// One thing worth remembering.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Record {
    /// The head of a segment: everything that the earlier segments add up to.
    State {
        /// The folded earlier segments.
        ledger: Box<Ledger>,
    },
    /// A process opened the journal for writing.
    Start {
        /// popgate's version.
        version: String,
        /// Who started it: user, also behind sudo.
        by: String,
        /// `run`, `apply`, ….
        command: String,
    },
    /// A desired state was read without any error and is in force.
    Good {
        /// The target.
        target: String,
        /// The state.
        digest: Digest,
        /// The git commit it came from, where there is one.
        commit: Option<String>,
        /// Who wrote that commit.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        author: Option<String>,
    },
    /// Live equals this desired state, but for the entries named.
    Applied {
        /// The target.
        target: String,
        /// The state.
        digest: Digest,
        /// Folded names of entries that are not satisfied.
        except: Vec<String>,
        /// Those of them whose `until` was accepted before its day, and is over without having been acted on yet.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        accepted: Vec<String>,
    },
    /// popgate met this store.
    Contact {
        /// The target.
        target: String,
    },
    /// Names were resolved for the first time, or their new meaning was accepted.
    Bind {
        /// The target.
        target: String,
        /// Folded names with the accounts they mean.
        names: Vec<(String, AccountId)>,
    },
    /// Names that no entry uses any more.
    Unbind {
        /// The target.
        target: String,
        /// Folded names.
        names: Vec<String>,
    },
    /// Other directory servers answered than before, so what was written lately may not have reached them.
    Pinned {
        /// The target.
        target: String,
        /// Domains, and the server of each.
        servers: Vec<(String, String)>,
    },
    /// How many accounts the store listed.
    Counted {
        /// The target.
        target: String,
        /// Counts of the accounts in scope.
        counts: Counts,
    },
    /// A policy that is not the one before, from the moment when a plan was made true under it.
    Policy {
        /// The target.
        target: String,
        /// Who or what runs under it.
        by: String,
        /// Its rules by name, each in words.
        rules: Rules,
    },
    /// Somebody was warned that the access of these entries ends soon. Replaces what stood here before.
    Warned {
        /// The target.
        target: String,
        /// Names with the last day of access, and within how many days it was when the warning was given.
        entries: Warnings,
    },
    /// A batch is about to begin.
    Batch {
        /// The target.
        target: String,
        /// The batch's number, from 1.
        batch: u64,
        /// The plan it makes true.
        plan: PlanId,
        /// The desired state behind the plan.
        digest: Digest,
        /// Its git commit, where there is one.
        commit: Option<String>,
        /// Who wrote that commit.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        author: Option<String>,
        /// The key of the service that will owe a restart.
        service: String,
        /// The instances that will owe it, as seen before the first write where they could be seen.
        instances: Vec<Owing>,
        /// Who or what asked for it.
        by: String,
    },
    /// One change is about to be sent.
    Intent {
        /// The batch.
        batch: u64,
        /// The account.
        account: AccountId,
        /// The name shown to a person.
        name: String,
        /// What the store said before.
        from: State,
        /// What it shall be.
        to: Access,
        /// Why.
        cause: Cause,
        /// The entry's reason.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// Whether it counts towards the hourly shares of the guards.
        counted: bool,
    },
    /// The intents before this line are complete and go out now. Without this line they were never sent.
    Chunk {
        /// The batch.
        batch: u64,
        /// How many intents it holds.
        count: u64,
    },
    /// What became of one change.
    Outcome {
        /// The batch.
        batch: u64,
        /// The account.
        account: AccountId,
        /// What it was to be.
        to: Access,
        /// What the store said.
        outcome: Outcome,
    },
    /// A batch is over.
    End {
        /// The batch.
        batch: u64,
        /// The instances as seen after the last write, where they could be seen.
        seen: Vec<Observed>,
        /// Whether nothing at all was written, so that no restart is owed for it.
        void: bool,
    },
    /// Somebody wants the restarts that are owed at once, whatever the window.
    Urged {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// A restart is about to be asked for.
    Restart {
        /// The service's key.
        service: String,
        /// The instance.
        instance: Instance,
        /// Which attempt this is, from 1.
        attempt: u32,
        /// How the instance was seen right before, after the last write: another identity later proves a restart.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seen: Option<Observed>,
        /// Whether what was written had reached the directory servers that the instance reads from; `None` where
        /// there is nothing to ask for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        arrived: Option<bool>,
    },
    /// A restart did not work; it is still owed.
    RestartFailed {
        /// The service's key.
        service: String,
        /// The instance.
        instance: Instance,
        /// What went wrong.
        why: String,
        /// Whether the attempt may have left the instance stopped; `None` where nothing was attempted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        halted: Option<bool>,
    },
    /// A restart after the last write is proven; the debt is gone.
    Settled {
        /// The service's key.
        service: String,
        /// The instance.
        instance: Instance,
        /// What proves it.
        proof: Proof,
        /// The sequence number of the last write that it covers.
        covers: u64,
        /// Whether nobody saw what was written arrive where the instance reads: replication is not confirmed.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        unconfirmed: bool,
    },
    /// Somebody stopped all writing.
    Suspended {
        /// Who, why, until when.
        suspension: Suspension,
    },
    /// Somebody let writing go on.
    Resumed {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// Somebody approved changes.
    Approved {
        /// The target.
        target: String,
        /// What exactly.
        approval: Approval,
    },
}

/// An instance that a batch will make owe a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owing {
    /// The instance.
    pub instance: Instance,
    /// How it was seen before the first write.
    pub seen: Option<Observed>,
}

/// What proves that an instance restarted after the last write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Proof {
    /// The service itself reported success, and has no way to show more.
    Succeeded,
    /// It runs with another identity than after the last write.
    NewIdentity {
        /// The identity after the last write.
        before: String,
        /// The identity now.
        now: String,
    },
    /// It is younger than the last write is old.
    Younger {
        /// Its age in milliseconds.
        age_ms: u64,
        /// How long ago the last write ended, in milliseconds.
        write_ms: u64,
    },
    /// It is stopped: its next start reads the new state.
    Stopped,
    /// A person said so.
    Told {
        /// Who.
        by: String,
    },
}

impl Proof {
    /// Returns it in words; with a caution where nobody saw what was written arrive where the instance reads.
    pub fn words(&self, unconfirmed: bool) -> String {
        format!("{self}{}", if unconfirmed { "; replication not confirmed" } else { "" })
    }
}

impl std::fmt::Display for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Succeeded => f.write_str("it reported success"),
            Self::NewIdentity { now, .. } => write!(f, "it runs anew as {now}"),
            Self::Younger { age_ms, write_ms } => {
                let tenths = |ms: &u64| format!("{}.{} s", ms / 1000, ms % 1000 / 100);
                write!(f, "it started {} ago, the last write ended {} ago", tenths(age_ms), tenths(write_ms))
            }
            Self::Stopped => f.write_str("it is stopped, its next start reads the new state"),
            Self::Told { by } => write!(f, "{by} said so"),
        }
    }
}
