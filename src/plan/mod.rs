//! The planner: (desired, live, memory, policy, now) to a plan. Pure; a plan is data, never closures.

pub mod policy;

use serde::{Deserialize, Serialize};

use crate::model::{Access, AccountId, Origin, State};

/// One access to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The account, by its canonical id. For an account to be created, the name as the entry has it.
    pub account: AccountId,
    /// The name shown to a person.
    pub name: String,
    /// What the store said when the plan was made.
    pub from: State,
    /// What it shall be.
    pub to: Access,
    /// Why.
    pub cause: Cause,
}

/// Why a change is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// An entry lists the user so.
    Listed(Origin),
    /// The last day of an entry's `until` is over.
    Expired(Origin),
    /// No entry names the account, and the policy disables such accounts.
    Unlisted,
    /// The store was changed behind popgate's back; the entry has not changed.
    Drift(Origin),
}

impl Cause {
    /// Returns where the entry stands, if an entry is the cause.
    pub fn origin(&self) -> Option<&Origin> {
        match self {
            Self::Listed(origin) | Self::Expired(origin) | Self::Drift(origin) => Some(origin),
            Self::Unlisted => None,
        }
    }
}
