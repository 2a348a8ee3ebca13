//! Restarts that are owed, and those that were proven.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Ledger;
use crate::journal::entry::Proof;
use crate::model::{Access, AccountId};
use crate::services::{Instance, Observed};

/// What is remembered of one service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ServiceLedger {
    /// Restarts that are owed.
    pub debts: Vec<Debt>,
    /// The last restart of each instance that was proven.
    pub settled: Vec<Settlement>,
}

/// A restart owed by one instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Debt {
    /// Who owes it.
    pub instance: Instance,
    /// When the first write began.
    pub since: Timestamp,
    /// The sequence number of the last write.
    pub last_write: u64,
    /// When the last write was recorded.
    pub written: Timestamp,
    /// The accounts it concerns, with their new access and the name shown to a person.
    pub accounts: BTreeMap<AccountId, (Access, String)>,
    /// How the instance was seen after the last write; `None` when a crash came between.
    pub anchor: Option<Observed>,
    /// Attempts that were begun since the last write.
    pub attempts: u32,
    /// What the last attempt failed with.
    pub failure: Option<String>,
    /// Whether what was written had arrived where the instance reads when the last attempt began.
    #[serde(default)]
    pub arrived: Option<bool>,
    /// Whether an attempt of popgate's own may have left it stopped, so that nobody else did.
    #[serde(default)]
    pub halted: bool,
}

impl Debt {
    /// Returns the accounts that lost POP3 and may still use it until the restart.
    pub fn disabled(&self) -> impl Iterator<Item = (&AccountId, &str)> {
        let lost = self.accounts.iter().filter(|(_, (to, _))| *to == Access::Disabled);
        lost.map(|(account, (_, name))| (account, name.as_str()))
    }
}

/// A restart that was proven.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settlement {
    /// Which instance.
    pub instance: Instance,
    /// When the proof was found.
    pub at: Timestamp,
    /// What proves it.
    pub proof: Proof,
    /// The last write it covers.
    pub covers: u64,
    /// Whether popgate itself asked for the restart.
    pub ours: bool,
    /// Whether nobody saw what was written arrive where the instance reads.
    #[serde(default)]
    pub unconfirmed: bool,
    /// When popgate itself last restarted it, whoever did what this proves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restarted: Option<Timestamp>,
}

impl Ledger {
    /// A restart of this instance is proven, up to the write that the proof covers.
    pub(super) fn settle(
        &mut self,
        at: Timestamp,
        service: &str,
        instance: &Instance,
        proof: &Proof,
        covers: u64,
        unconfirmed: bool,
    ) {
        let service = self.services.entry(service.to_owned()).or_default();
        let mut ours = false;
        service.debts.retain(|debt| {
            // A write after the one that the proof covers keeps the debt open.
            let gone = debt.instance == *instance && debt.last_write <= covers;
            ours |= gone && debt.attempts > 0;
            !gone
        });
        let known = service.settled.iter().find(|settled| settled.instance == *instance);
        let before = known.and_then(|known| known.restarted.or(known.ours.then_some(known.at)));
        let restarted = if ours { Some(at) } else { before };
        service.settled.retain(|settled| settled.instance != *instance);
        service.settled.push(Settlement {
            instance: instance.clone(),
            at,
            proof: proof.clone(),
            covers,
            ours,
            unconfirmed,
            restarted,
        });
    }
}
