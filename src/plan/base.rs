//! Which changes a branch causes: its plan beside the plan of the revision that it starts from.

use std::collections::BTreeMap;

use super::{Cause, Plan};
use crate::model::{Access, AccountId};

/// What a plan was made beside, as far as that was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// Who wrote the commit of the desired state, where there is one.
    pub author: Option<String>,
    /// The revision that the changes were compared with.
    pub base: Option<Base>,
    /// The snapshot that stood in for the store.
    pub snapshot: Option<Taken>,
}

/// A snapshot that stood in for the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// When it was taken.
    pub at: jiff::Timestamp,
    /// How old it was, in whole seconds.
    pub age_s: u64,
}

/// The revision that changes were compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// The revision as it was named.
    pub revision: String,
    /// The id of its commit.
    pub commit: String,
    /// Why the changes could not be sorted, if they could not.
    pub unsorted: Option<String>,
}

/// Where a change comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Provenance {
    /// The branch causes it.
    Branch,
    /// It was wanted before the branch and is not made yet.
    Pending,
    /// Somebody changed the store by hand.
    Drift,
}

impl Provenance {
    /// Returns the word for it in the JSON report.
    pub fn word(self) -> &'static str {
        match self {
            Self::Branch => "branch",
            Self::Pending => "pending",
            Self::Drift => "drift",
        }
    }

    /// Tells whether the difference between the branch and its base explains the change. What it does not explain
    /// would happen without the branch, too, and whoever reviews the branch does not expect it.
    pub fn is_explained(self) -> bool {
        self == Self::Branch
    }
}

/// Sorts each change of a plan by where it comes from. `before` is the plan of the base revision, made from the same
/// live state, memory and policy at the same moment; `Err` says why there is none.
pub fn sort(plan: &mut Plan, revision: &str, commit: &str, before: Result<&Plan, String>) {
    let (revision, commit) = (revision.to_owned(), commit.to_owned());
    let unsorted = match before {
        Ok(before) => {
            let causes: BTreeMap<(&AccountId, Access), &Cause> = before
                .changes
                .iter()
                .map(|planned| ((&planned.change.account, planned.change.to), &planned.change.cause))
                .collect();
            for planned in &mut plan.changes {
                let change = &planned.change;
                planned.provenance = Some(match causes.get(&(&change.account, change.to)) {
                    None => Provenance::Branch,
                    Some(Cause::Drift(_)) => Provenance::Drift,
                    Some(_) => Provenance::Pending,
                });
            }
            None
        }
        Err(why) => Some(why),
    };
    plan.context.base = Some(Base { revision, commit, unsorted });
}

impl Plan {
    /// Counts the changes that come from there.
    pub fn coming_from(&self, provenance: Provenance) -> u64 {
        self.changes.iter().filter(|planned| planned.provenance == Some(provenance)).count() as u64
    }
}
