//! The planner: (desired, live, memory, policy, now) to a plan. Pure; a plan is data, never closures.
//!
//! It knows neither stores nor services: only what they answered.

mod alike;
mod approve;
pub mod base;
mod diff;
mod effect;
mod guard;
pub mod memory;
mod only;
pub mod policy;
mod resolve;
pub mod snapshot;
mod standing;
#[cfg(test)]
mod tests;
mod untouched;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::desired::Desired;
use crate::engine::window::Kind;
use crate::model::{Access, AccountId, AccountRef, Counts, Digest, Live, Now, Origin, State};
use crate::name::fold;

pub use approve::NotApproved;
pub use base::{Base, Context, Provenance, Taken};
pub use effect::{Due, Effect};
pub use guard::{Guard, Verdict};
pub use memory::Memory;
pub use policy::{ChangedRule, Policy};
pub use resolve::refuse_listed;
pub(crate) use resolve::release;
pub use standing::{Standing, plan_again};

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

    /// Returns the word for this cause in the JSON report.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Listed(_) => "listed",
            Self::Expired(_) => "expired",
            Self::Unlisted => "unlisted",
            Self::Drift(_) => "drift",
        }
    }
}

/// Names a set of changes: a hash over the target and every (account, access), not over time or digest, so that
/// the same changes planned tomorrow carry the same id. Twelve hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PlanId(String);

impl PlanId {
    /// Computes the id of these changes, in whatever order they come.
    pub fn of<'a>(target: &str, changes: impl Iterator<Item = (&'a AccountId, Access)>) -> Self {
        let mut changes: Vec<_> = changes.collect();
        changes.sort_unstable();
        let mut hash = Sha256::new();
        let mut part = |text: &str| {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text.as_bytes());
        };
        part(target);
        for (account, to) in changes {
            part(account.as_str());
            part(to.word());
        }
        let digest: [u8; 32] = hash.finalize().into();
        Self(Digest(digest).short())
    }

    /// Takes an id as a person typed it.
    pub fn from_text(text: &str) -> Self {
        Self(text.trim().to_ascii_lowercase())
    }

    /// Returns the id's digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for PlanId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

/// A change with what the entry says about it and what the guards say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// What would be written.
    pub change: Change,
    /// The entry's last day of access.
    pub until: Option<jiff::civil::Date>,
    /// The entry's reason.
    pub reason: Option<String>,
    /// Whether the guards count it: creations and expiries accepted in time are free.
    pub counted: bool,
    /// Whether a valid approval names it.
    pub approved: bool,
    /// Whether it waits for an approval because a guard tripped.
    pub waits: bool,
    /// Where it comes from, if a base revision was there to compare with.
    pub provenance: Option<Provenance>,
}

/// A change that is not made unless somebody approves it by its own id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The id that approves just this one.
    pub id: PlanId,
    /// What would be written.
    pub change: Change,
    /// Why it is not.
    pub why: HeldBecause,
}

/// Why a change is held back on its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeldBecause {
    /// Somebody changed the store by hand, and the policy only reports that.
    DriftLeft,
    /// The name meant another account when it was first resolved.
    Rebound {
        /// The account it meant then.
        was: AccountId,
    },
}

/// An entry that is not acted on, because what it means is not clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// The entry's name as written.
    pub name: String,
    /// Where the entry stands.
    pub origin: Origin,
    /// Why.
    pub why: BlockedBecause,
}

/// Why an entry is blocked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockedBecause {
    /// The store resolves the name to all of these.
    Ambiguous(Vec<(AccountId, String)>),
    /// These other entries mean the same account.
    Doubled(String, Vec<(String, Origin)>),
    /// The name means another account than when it was first resolved.
    Rebound {
        /// The account it meant then.
        was: AccountId,
        /// The account it means now.
        now: AccountId,
        /// The id that approves the new meaning.
        approve: PlanId,
    },
    /// The account matches this `ignored` pattern of the settings.
    Ignored(String),
    /// The account matches this `protected` pattern of the settings.
    Protected(String),
}

/// Something worth saying that changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// The store does not know this user; it is looked for again at every read.
    Missing {
        /// The name as written.
        name: String,
        /// Where the entry stands.
        origin: Origin,
        /// The access the entry wants.
        wanted: Access,
        /// A live name that looks alike, or the present name of the account that this one meant before.
        suggestion: Option<String>,
    },
    /// The store has the account and could not say whether POP3 is enabled.
    Unreadable {
        /// The account's name.
        name: String,
        /// The store's reason.
        why: String,
        /// The entry that names it, if one does.
        origin: Option<Origin>,
    },
    /// No entry names this user any more; nothing is written.
    Released {
        /// The name that the last applied state listed.
        name: String,
        /// What the store says now.
        state: State,
    },
    /// The daemon's first batch against this store will wait for an approval.
    FirstContact,
    /// The changed access of these accounts is not effective yet, because a restart is owed.
    NotEffective {
        /// The service that owes the restart.
        service: String,
        /// Names of accounts whose disabling is not effective.
        names: Vec<String>,
    },
    /// Nothing may be written at this time of the week.
    WritesClosed {
        /// When the window opens; `None` if it never does.
        until: Option<Timestamp>,
    },
    /// A rule of the policy is not what it was when a plan was last made true.
    PolicyChanged(ChangedRule),
}

/// Counts of a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Accounts that would gain POP3.
    pub enable: u64,
    /// Accounts that would lose POP3.
    pub disable: u64,
    /// Entries whose account is as it should be.
    pub unchanged: u64,
    /// Entries that the store does not know.
    pub missing: u64,
    /// Entries and changes held back one by one.
    pub blocked: u64,
    /// Accounts that an entry named before and none does now.
    pub released: u64,
    /// Accounts in scope that no entry names.
    pub unlisted: u64,
    /// Those of them that have POP3.
    pub unlisted_enabled: u64,
    /// Accounts in scope that the store could not read.
    pub unreadable: u64,
}

/// The pure result of planning. Only the planner makes one.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Names the changes.
    pub id: PlanId,
    /// The target's name.
    pub target: String,
    /// The desired state that was planned.
    pub digest: Digest,
    /// When.
    pub generated_at: Timestamp,
    /// Disabling first, then enabling; each in order of folded name and id.
    pub changes: Vec<Planned>,
    /// Changes that need an approval of their own.
    pub held: Vec<Held>,
    /// Entries that are not acted on.
    pub blocked: Vec<Blocked>,
    /// What else is worth saying.
    pub notes: Vec<Note>,
    /// What every guard says.
    pub guards: Vec<Verdict>,
    /// What making the changes effective will do.
    pub effects: Vec<Effect>,
    /// Counts.
    pub summary: Summary,
    /// Counts of the live state in scope.
    pub counts: Counts,
    /// Names resolved for the first time or anew, to be remembered once the plan is acted on.
    pub bind: Vec<(String, AccountId)>,
    /// Folded names of entries that are not satisfied by this plan's changes.
    pub unsatisfied: Vec<String>,
    /// What it was made beside.
    pub context: Context,
}

impl Plan {
    /// Iterates over the changes that may be made now.
    pub fn admitted(&self) -> impl Iterator<Item = &Planned> {
        self.changes.iter().filter(|planned| !planned.waits)
    }

    /// Iterates over the folded names of entries whose `until` was accepted before its day and is over now. Until
    /// they are acted on, this has to be remembered.
    pub fn accepted(&self) -> impl Iterator<Item = String> {
        let accepted =
            |planned: &&Planned| matches!(planned.change.cause, Cause::Expired(_)) && !planned.counted;
        self.changes.iter().filter(accepted).map(|planned| fold(&planned.change.name))
    }

    /// Tells whether the account of a change, which is none of this plan's, read as the change wanted it.
    pub fn is_content_with(&self, change: &Change) -> bool {
        let name = fold(&change.name);
        let unreadable =
            |note: &Note| matches!(note, Note::Unreadable { name: other, .. } if fold(other) == name);
        !self.changes.iter().any(|planned| planned.change.account == change.account)
            && !self.unsatisfied.contains(&name)
            && !self.notes.iter().any(unreadable)
    }

    /// Tells whether a guard holds anything back, or refuses the desired state as a whole.
    pub fn is_guarded(&self) -> bool {
        self.guards.iter().any(|verdict| verdict.tripped)
    }

    /// Tells whether a guard doubts the input as a whole, so that this desired state must not become what later
    /// ones are compared with.
    pub fn is_doubted(&self) -> bool {
        self.guards.iter().any(|verdict| verdict.tripped && verdict.guard.doubts_input())
    }
}

/// Lists the accounts that no entry names and that are not counted as released: those with POP3 first, otherwise in
/// the order of the store.
pub fn unlisted<'l>(
    desired: &Desired,
    live: &'l Live,
    memory: &Memory,
    policy: &Policy,
    now: Now,
) -> Vec<AccountRef<'l>> {
    let scope = resolve::Scope::new(policy, live);
    let sight = resolve::Sight::new(desired, live, memory, &scope, policy, now);
    let resolved = resolve::resolve(sight, now, &in_turn);
    let mut accounts = diff::not_named(desired, live, memory, policy, &scope, &resolved, now);
    accounts.sort_by_key(|account| !diff::may_have_pop3(*account));
    accounts
}

/// Does two pieces of work, one after the other or at once.
pub type Both<'b> = &'b (dyn Fn(Work<'_>, Work<'_>) + Sync);

/// A piece of work that can be done on any thread.
pub type Work<'w> = &'w mut (dyn FnMut() + Send);

/// Does two pieces of work, one after the other.
pub fn in_turn(one: Work<'_>, other: Work<'_>) {
    one();
    other();
}

/// Plans: what would have to be written so that live state is as desired, and whether that may be done.
///
/// The result depends on nothing but the arguments.
pub fn plan(desired: &Desired, live: &Live, memory: &Memory, policy: &Policy, now: Now) -> Plan {
    plan_with(&in_turn, desired, live, memory, policy, now)
}

/// Plans like [`plan()`], with somebody who can do two pieces of work at once.
pub fn plan_with(
    both: Both<'_>,
    desired: &Desired,
    live: &Live,
    memory: &Memory,
    policy: &Policy,
    now: Now,
) -> Plan {
    let scope = resolve::Scope::new(policy, live);
    let sight = resolve::Sight::new(desired, live, memory, &scope, policy, now);
    let resolved = resolve::resolve(sight, now, both);
    conclude(desired, live, memory, policy, &scope, resolved, now)
}

/// Plans, once it is known what the entries mean.
fn conclude(
    desired: &Desired,
    live: &Live,
    memory: &Memory,
    policy: &Policy,
    scope: &resolve::Scope<'_>,
    resolved: resolve::Resolved<'_>,
    now: Now,
) -> Plan {
    let counts = live.counts_outside(scope.ignored());
    let mut found = diff::diff(desired, live, memory, policy, scope, &resolved, now);
    found.summary.unreadable = counts.unreadable;
    let guards = guard::judge(&mut found.changes, desired, memory, policy, counts, now);
    if !memory.contact && !policy.own_store && !found.changes.is_empty() {
        found.notes.push(Note::FirstContact);
    }
    found.notes.extend(memory.not_effective.iter().cloned());
    if !found.changes.is_empty() && !policy.windows.open(Kind::Writes, now.wall) {
        let until = policy.windows.next_open(Kind::Writes, now.wall);
        found.notes.push(Note::WritesClosed { until });
    }
    if let Some(was) = &memory.rules {
        found.notes.extend(policy::changed(was, &policy.rules()).into_iter().map(Note::PolicyChanged));
    }
    let pairs = found.changes.iter().map(|planned| (&planned.change.account, planned.change.to));
    Plan {
        id: PlanId::of(&policy.target, pairs),
        target: policy.target.clone(),
        digest: desired.digest(),
        generated_at: now.wall,
        effects: effect::effects(&found.changes, policy, now),
        changes: found.changes,
        held: found.held,
        blocked: resolved.blocked,
        notes: found.notes,
        guards,
        summary: found.summary,
        counts,
        bind: resolved.bind,
        unsatisfied: found.unsatisfied,
        context: Context::default(),
    }
}
