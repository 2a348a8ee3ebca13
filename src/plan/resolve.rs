//! What the names of a desired state mean in a store, and which entries are blocked because that is not clear.

mod part;

use std::collections::BTreeMap;

use super::memory::Memory;
use super::policy::Policy;
use super::{Blocked, BlockedBecause, Both, PlanId};
use crate::desired::{Desired, EntryRef};
use crate::diagnostic::{Diagnostic, Severity, codes};
use crate::model::{AccountId, AccountRef, AccountSet, Counts, Live, Now};
use crate::name::{self, Glob, fold};
use part::{Meaning, Part, Sight};

/// How often the entries are split in two: for four processors, and no more threads than are begun in no time.
const SPLITS: u32 = 2;

/// Which accounts the policy takes out of popgate's hands.
pub(super) struct Scope<'a> {
    ignored: &'a [Glob],
    protected: &'a [Glob],
    /// The accounts that match any of the first, or of both.
    are_ignored: AccountSet,
    are_out: AccountSet,
}

impl<'a> Scope<'a> {
    pub(super) fn new(policy: &'a Policy, live: &Live) -> Self {
        let (ignored, protected) = (&*policy.ignored, &*policy.protected);
        let (mut are_ignored, mut are_out) = (AccountSet::of(live), AccountSet::of(live));
        if !(ignored.is_empty() && protected.is_empty()) {
            for account in live.unordered() {
                if matching(ignored, account).is_some() {
                    are_ignored.insert(account);
                    are_out.insert(account);
                } else if matching(protected, account).is_some() {
                    are_out.insert(account);
                }
            }
        }
        Self { ignored, protected, are_ignored, are_out }
    }

    /// Counts the accounts that are not ignored.
    pub(super) fn counts(&self, live: &Live) -> Counts {
        match self.are_ignored.is_empty() {
            true => live.all_counts(),
            false => live.counts(|account| !self.is_ignored(account)),
        }
    }

    /// Iterates over the accounts that are neither ignored nor in a set.
    pub(super) fn beside<'l>(
        &'l self,
        live: &'l Live,
        set: &'l AccountSet,
    ) -> impl Iterator<Item = AccountRef<'l>> {
        live.beside(&self.are_ignored, set)
    }

    pub(super) fn is_ignored(&self, account: AccountRef<'_>) -> bool {
        self.are_ignored.contains(account)
    }

    pub(super) fn is_protected(&self, account: AccountRef<'_>) -> bool {
        self.are_out.contains(account) && matching(self.protected, account).is_some()
    }

    fn refusal(&self, account: AccountRef<'_>) -> Option<BlockedBecause> {
        if !self.are_out.contains(account) {
            return None;
        }
        let ignored =
            matching(self.ignored, account).map(|glob| BlockedBecause::Ignored(glob.as_str().to_owned()));
        ignored.or_else(|| {
            matching(self.protected, account).map(|glob| BlockedBecause::Protected(glob.as_str().to_owned()))
        })
    }
}

fn matching<'a>(globs: &'a [Glob], account: AccountRef<'_>) -> Option<&'a Glob> {
    globs.iter().find(|glob| {
        glob.matches(account.id)
            || glob.matches(account.name)
            || account.aliases().any(|alias| glob.matches(alias))
    })
}

/// What each entry means.
pub(super) struct Resolved<'a> {
    desired: &'a Desired,
    live: &'a Live,
    /// What each entry means, in the order in which they are written.
    meanings: Vec<Meaning>,
    /// Entries that the store does not know, in order of folded name.
    pub(super) missing: Vec<EntryRef<'a>>,
    /// Entries that are not acted on.
    pub(super) blocked: Vec<Blocked>,
    /// Accounts that an entry names, clearly or not: none of them is unlisted.
    pub(super) named: AccountSet,
    /// Names whose meaning is to be remembered.
    pub(super) bind: Vec<(String, AccountId)>,
}

impl<'a> Resolved<'a> {
    /// Counts the entries whose one account is as they want it.
    pub(super) fn unchanged(&self) -> u64 {
        self.meanings.iter().filter(|meaning| meaning.is_as_wanted()).count() as u64
    }

    /// Iterates over the entries whose one account is not as they want it, in the order in which they are written.
    pub(super) fn differing(&self) -> impl Iterator<Item = (EntryRef<'a>, AccountRef<'a>)> {
        let (desired, live) = (self.desired, self.live);
        let differing = (0..).zip(&self.meanings).filter(|(_, meaning)| !meaning.is_as_wanted());
        differing.filter_map(move |(number, meaning)| Some((desired.at(number), meaning.account(live)?)))
    }
}

/// Resolves all entries. Looking a million names up is most of the work of a plan, so it is done in parts, with `both`.
pub(super) fn resolve<'a>(
    desired: &'a Desired,
    live: &'a Live,
    memory: &Memory,
    scope: &Scope<'_>,
    policy: &Policy,
    now: Now,
    both: Both<'_>,
) -> Resolved<'a> {
    let today = policy.timezone.to_datetime(now.wall).date();
    let sight = Sight { desired, live, memory, scope, policy, today };
    let mut meanings = vec![Meaning::NONE; desired.len()];
    let Part { missing, blocked, bind, unclear, named, twice, .. } =
        Part::split(sight, 0, &mut meanings, both, SPLITS);
    let mut resolved = Resolved { desired, live, meanings, missing, blocked, named, bind };
    let doubled = resolved.doubled(&twice);
    for (number, entry) in doubled.values().flatten().copied().chain(unclear) {
        let meaning = std::mem::replace(&mut resolved.meanings[number], Meaning::NONE);
        // One that is doubled is blocked already when it comes again.
        let Some(account) = meaning.account(live) else { continue };
        if let Some(why) = scope.refusal(account) {
            resolved.block(entry, why);
        } else if let Some(entries) = doubled.get(account.id) {
            let others = entries.iter().map(|(_, other)| *other).filter(|other| other.name != entry.name);
            let others = others.map(|other| (other.name.to_owned(), desired.origin(other))).collect();
            resolved.block(entry, BlockedBecause::Doubled(account.name.to_owned(), others));
        } else if let Some(why) = resolved.rebound(entry, account, memory, policy, now) {
            resolved.block(entry, why);
        } else {
            resolved.meanings[number] = meaning;
        }
    }
    resolved.blocked.sort_by(|a, b| a.origin.cmp(&b.origin));
    resolved.missing.sort_by(|a, b| name::order(a.name, b.name));
    resolved
}

impl<'a> Resolved<'a> {
    fn block(&mut self, entry: EntryRef<'_>, why: BlockedBecause) {
        self.blocked.push(blocked(self.desired, entry, why));
    }

    /// Groups the entries of accounts that have more than one, with their numbers.
    fn doubled(&self, twice: &AccountSet) -> BTreeMap<&'a str, Vec<(usize, EntryRef<'a>)>> {
        let mut doubled: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        if twice.is_empty() {
            return doubled;
        }
        for (number, (entry, meaning)) in self.desired.as_written().zip(&self.meanings).enumerate() {
            if let Some(account) = meaning.account(self.live).filter(|account| twice.contains(*account)) {
                doubled.entry(account.id).or_default().push((number, entry));
            }
        }
        for entries in doubled.values_mut() {
            entries.sort_by(|(_, a), (_, b)| name::order(a.name, b.name));
        }
        doubled
    }

    /// Compares what a name means with what it meant before, and notes what is to be remembered. Returns why the entry
    /// must wait, if it must.
    fn rebound(
        &mut self,
        entry: EntryRef<'_>,
        account: AccountRef<'_>,
        memory: &Memory,
        policy: &Policy,
        now: Now,
    ) -> Option<BlockedBecause> {
        let folded = fold(entry.name);
        match bound_to(&folded, entry, account, memory) {
            Some(was) if !same_account(&was, account) => {
                let id = account.account_id();
                let to = entry.access_on(policy.timezone.to_datetime(now.wall).date());
                // An edited entry was looked at by somebody; so was an approved one.
                let applied = memory.applied.as_ref().and_then(|applied| applied.desired.get(&folded));
                let released = applied.is_some_and(|before| !before.means_same(&entry))
                    || memory.approves(&id, to, now.wall);
                if released {
                    self.bind.push((folded, id));
                    return None;
                }
                if !memory.bindings.contains_key(&folded) {
                    self.bind.push((folded, was.clone()));
                }
                // The account it meant before is not unlisted either, until somebody has looked.
                if let Some(before) = self.live.get(&was) {
                    self.named.insert(before);
                }
                let approve = PlanId::of(&policy.target, std::iter::once((&id, to)));
                return Some(BlockedBecause::Rebound { was, now: id, approve });
            }
            None if !name::same(entry.name, account.id) => self.bind.push((folded, account.account_id())),
            Some(_) | None => {}
        }
        None
    }
}

fn blocked(desired: &Desired, entry: EntryRef<'_>, why: BlockedBecause) -> Blocked {
    Blocked { name: entry.name.to_owned(), origin: desired.origin(entry), why }
}

/// Which account a name meant before, if that is not the one it means now anyway.
fn bound_to(
    folded: &str,
    entry: EntryRef<'_>,
    account: AccountRef<'_>,
    memory: &Memory,
) -> Option<AccountId> {
    let bound = memory.bindings.get(folded).cloned();
    bound.or_else(|| unbound(folded, entry, memory).filter(|was| !same_account(was, account)))
}

/// A name that was satisfied without a binding meant the account of that id.
fn unbound(folded: &str, entry: EntryRef<'_>, memory: &Memory) -> Option<AccountId> {
    if memory.bindings.contains_key(folded) {
        return None;
    }
    let before = memory.satisfied(folded)?;
    before.means_same(&entry).then(|| AccountId::new(before.name))
}

/// A binding may hold an id as an entry spells it. Two accounts whose ids differ in nothing else share a name, so
/// neither is ever bound.
fn same_account(bound: &AccountId, account: AccountRef<'_>) -> bool {
    name::same(bound.as_str(), account.id)
}

/// Refuses entries whose very name the policy ignores or protects: an error that can be seen offline.
pub fn refuse_listed(desired: &Desired, policy: &Policy) -> Vec<Diagnostic> {
    let lists = [(&policy.ignored, "ignored"), (&policy.protected, "protected")];
    let mut refused = Vec::new();
    if policy.ignored.is_empty() && policy.protected.is_empty() {
        return refused;
    }
    for entry in desired.as_written() {
        for (globs, list) in lists {
            let Some(glob) = globs.iter().find(|glob| glob.matches(entry.name)) else { continue };
            refused.push(Diagnostic {
                code: codes::PROTECTED_ENTRY,
                severity: Severity::Error,
                message: format!("user `{}` is {list} by the settings", entry.name),
                labels: vec![desired.label(entry, format!("matches `{list}: {}`", glob.as_str()))],
                help: Some(format!(
                    "remove the entry, or take `{}` out of `{list}` in the settings",
                    glob.as_str()
                )),
            });
        }
    }
    refused
}
