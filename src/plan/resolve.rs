//! What the names of a desired state mean in a store, and which entries are blocked because that is not clear.

mod part;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::memory::Memory;
use super::policy::Policy;
use super::untouched::{Looked, Untouched};
use super::{Blocked, BlockedBecause, Both, PlanId};
use crate::desired::{Desired, EntryRef};
use crate::diagnostic::{Diagnostic, Severity, codes};
use crate::model::{AccountId, AccountRef, AccountSet, Live, Now};
use crate::name::{self, Glob, fold};
use part::{Meaning, Part};

pub(super) use part::Sight;

/// How often the entries are split in two: for four processors, and no more threads than are begun in no time.
const SPLITS: u32 = 2;

/// Which accounts the policy takes out of popgate's hands.
pub(super) struct Scope<'a> {
    ignored: &'a [Glob],
    protected: &'a [Glob],
    /// The accounts that match any of the first, or of both.
    are_ignored: Arc<AccountSet>,
    are_out: Arc<AccountSet>,
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
        Self { ignored, protected, are_ignored: Arc::new(are_ignored), are_out: Arc::new(are_out) }
    }

    /// Takes over the accounts that were found to match.
    pub(super) fn of(policy: &'a Policy, are_ignored: Arc<AccountSet>, are_out: Arc<AccountSet>) -> Self {
        Self { ignored: &policy.ignored, protected: &policy.protected, are_ignored, are_out }
    }

    /// Returns the accounts that match any of the first, or of both.
    pub(super) fn sets(&self) -> (Arc<AccountSet>, Arc<AccountSet>) {
        (Arc::clone(&self.are_ignored), Arc::clone(&self.are_out))
    }

    /// Returns the accounts that are ignored.
    pub(super) fn ignored(&self) -> &AccountSet {
        &self.are_ignored
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

/// What each entry means that is looked at.
pub(super) struct Resolved<'a> {
    desired: &'a Desired,
    live: &'a Live,
    looked: Looked,
    /// What each of them means, in the order in which they are written.
    meanings: Vec<Meaning>,
    /// The positions of those of whose meaning something is to be remembered.
    learnt: BTreeSet<usize>,
    /// The entries that are not looked at.
    untouched: Untouched,
    /// An entry that is looked at means an account of one that is not.
    clashes: bool,
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
        self.untouched.count() + self.meanings.iter().filter(|meaning| meaning.is_as_wanted()).count() as u64
    }

    /// Tells whether looking at some of the entries was not enough.
    pub(super) fn clashes(&self) -> bool {
        self.clashes
    }

    /// Returns the entries that need not be looked at again, and the numbers of the others.
    pub(super) fn untouched(&self) -> (Untouched, Vec<u32>) {
        let (mut untouched, mut others) = (self.untouched.clone(), Vec::new());
        for (position, meaning) in self.meanings.iter().enumerate() {
            match meaning.account(self.live) {
                Some(account) if meaning.is_as_wanted() && !self.learnt.contains(&position) => {
                    untouched.insert(account);
                }
                _ => others.push(self.looked.number(position)),
            }
        }
        (untouched, others)
    }

    /// Iterates over the entries whose one account is not as they want it, in the order in which they are written.
    pub(super) fn differing(&self) -> impl Iterator<Item = (EntryRef<'a>, AccountRef<'a>)> {
        let (desired, live, looked) = (self.desired, self.live, &self.looked);
        let differing = self.meanings.iter().enumerate().filter(|(_, meaning)| !meaning.is_as_wanted());
        differing.filter_map(move |(position, meaning)| {
            Some((desired.at(looked.number(position)), meaning.account(live)?))
        })
    }
}

/// Finds out what every entry means. Looking a million names up is most of the work of a plan, so it is done in parts,
/// with `both`.
pub(super) fn resolve<'a>(sight: Sight<'a, '_>, now: Now, both: Both<'_>) -> Resolved<'a> {
    resolve_some(sight, now, both, &Looked::All, Untouched::nobody(sight.live))
}

/// Finds out what some entries mean, where the others are known to mean an account each that is as they want it.
pub(super) fn resolve_some<'a>(
    sight: Sight<'a, '_>,
    now: Now,
    both: Both<'_>,
    looked: &Looked,
    untouched: Untouched,
) -> Resolved<'a> {
    let Sight { desired, live, memory, scope, policy, .. } = sight;
    let mut meanings = vec![Meaning::NONE; looked.count(desired)];
    let Part { missing, blocked, bind, unclear, mut named, once, mut twice } =
        Part::split(sight, looked, 0, &mut meanings, both, SPLITS);
    let again = once.shared(untouched.accounts());
    twice.add(&again);
    named.add(untouched.accounts());
    let mut resolved = Resolved {
        desired,
        live,
        meanings,
        looked: looked.clone(),
        learnt: BTreeSet::new(),
        missing,
        blocked,
        named,
        bind,
        untouched,
        clashes: !again.is_empty(),
    };
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
        } else {
            let known = resolved.bind.len();
            match resolved.rebound(entry, account, memory, policy, now) {
                Some(why) => resolved.block(entry, why),
                None => resolved.meanings[number] = meaning,
            }
            if resolved.bind.len() > known {
                resolved.learnt.insert(number);
            }
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
        for (number, (entry, meaning)) in self.looked.entries(self.desired).zip(&self.meanings).enumerate() {
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

/// Refuses entries whose very name the policy ignores or protects: an error that can be seen offline. None is in the
/// files that another state holds, too.
pub fn refuse_listed(desired: &Desired, passed: &Desired, policy: &Policy) -> Vec<Diagnostic> {
    let lists = [(&policy.ignored, "ignored"), (&policy.protected, "protected")];
    let mut refused = Vec::new();
    if policy.ignored.is_empty() && policy.protected.is_empty() {
        return refused;
    }
    for entry in desired.written_otherwise(passed) {
        for (globs, list) in lists {
            let Some(glob) = globs.iter().find(|glob| glob.matches(entry.name)) else { continue };
            refused.push(Diagnostic {
                code: codes::PROTECTED_ENTRY,
                severity: Severity::Error,
                message: format!("user `{}` is {list} by the settings", entry.name),
                labels: vec![desired.label(entry, format!("matches `{list}: {}`", glob.as_str()))],
                help: Some(format!("remove the entry, or {}", release(list, glob.as_str()))),
            });
        }
    }
    refused
}

/// Says how an account comes out of a list. Some are in none, and protected all the same: Exchange's own, popgate's own.
pub(crate) fn release(list: &str, glob: &str) -> String {
    let always = if list == "protected" { "; one that is not there is protected in any case" } else { "" };
    format!("take `{glob}` out of `{list}` in the settings{always}")
}
