//! Planning again after an edit, without a look at what the edit is not about.
//!
//! Most entries are untouched: each means one account that is as it should be, and stays so for as long as the same
//! read of the store is planned with, its own file is the same, and no other entry comes to mean that account. Only
//! the others are looked at: entries of files that are others now, and those that were worth a word before. They are
//! looked at by the same code that looks at all entries, and make the same plan; a property test compares the two.

use std::sync::Arc;

use jiff::civil::Date;

use super::memory::Memory;
use super::policy::Policy;
use super::resolve::{Resolved, Scope, Sight, resolve, resolve_some};
use super::untouched::{Looked, Untouched};
use super::{Both, Plan, conclude, in_turn};
use crate::desired::Desired;
use crate::model::{AccountId, AccountSet, Live, Match, Now};

/// So many entries may be worth a word. If more are, the next plan may as well look at all.
const MOST: usize = 10_000;

/// What one plan leaves for the next one of the same read of the same store, under the same policy.
#[derive(Clone, Debug)]
pub struct Standing {
    desired: Desired,
    /// What entries with an `until` mean depends on the day.
    today: Date,
    ignored: Arc<AccountSet>,
    out: Arc<AccountSet>,
    untouched: Untouched,
    /// The numbers of all other entries, in order.
    others: Vec<u32>,
}

/// Plans as [`super::plan()`] does, the same plan, and leaves what the next one can build on.
///
/// Whatever stands must come from a plan of this live state, which since then has changed only in accounts that
/// [`Standing::allows`] a change of, and with the same policy.
pub fn plan_again(
    both: Both<'_>,
    standing: &mut Option<Standing>,
    desired: &Desired,
    live: &Live,
    memory: &Memory,
    policy: &Policy,
    now: Now,
) -> Plan {
    let today = policy.timezone.to_datetime(now.wall).date();
    let before = standing.take().filter(|before| before.today == today);
    let scope = match &before {
        Some(before) => Scope::of(policy, Arc::clone(&before.ignored), Arc::clone(&before.out)),
        None => Scope::new(policy, live),
    };
    let sight = Sight::new(desired, live, memory, &scope, policy, now);
    let edited = before.map(|before| before.resolve(sight, now));
    let resolved = edited.filter(|edited| !edited.clashes());
    let resolved = resolved.unwrap_or_else(|| resolve(sight, now, both));
    let (untouched, others) = resolved.untouched();
    if others.len() <= MOST {
        let (ignored, out) = scope.sets();
        *standing = Some(Standing { desired: desired.clone(), today, ignored, out, untouched, others });
    }
    conclude(desired, live, memory, policy, &scope, resolved, now)
}

impl Standing {
    /// Tells whether an account may change without anything else being others than it was: no untouched entry means it.
    pub fn allows(&self, live: &Live, account: &AccountId) -> bool {
        live.get(account).is_some_and(|account| !self.untouched.accounts().contains(account))
    }

    /// Returns how many entries the next plan has to look at even without an edit.
    #[cfg(test)]
    pub(super) fn others(&self) -> usize {
        self.others.len()
    }

    /// Looks at what is not untouched, or may be so no longer.
    fn resolve<'a>(mut self, sight: Sight<'a, '_>, now: Now) -> Resolved<'a> {
        let Sight { desired, live, .. } = sight;
        let difference = desired.since(&self.desired);
        let gone = difference.gone.iter().cloned().flatten().map(|number| self.desired.at(number));
        let untouched = &mut self.untouched;
        live.resolve_all(
            gone,
            |entry| entry.name.as_bytes(),
            |_, means| {
                // An entry that was worth a word means an account that no untouched one means.
                if let Match::One(account) = means {
                    untouched.remove(account);
                }
            },
        );
        let mut numbers = difference.kept(self.others);
        numbers.extend(difference.come.into_iter().flatten());
        numbers.sort_unstable();
        resolve_some(sight, now, &in_turn, &Looked::Only(numbers.into()), self.untouched)
    }
}
