//! What the names of a desired state mean in a store, and which entries are blocked because that is not clear.

use std::collections::{BTreeMap, BTreeSet};

use super::memory::Memory;
use super::policy::{Missing, Policy};
use super::{Blocked, BlockedBecause, PlanId};
use crate::desired::{Desired, Entry};
use crate::diagnostic::{Diagnostic, Severity, codes};
use crate::model::{Account, AccountId, Live, Match, Now};
use crate::name::{Glob, fold};

/// Which accounts the policy takes out of popgate's hands.
pub(super) struct Scope<'a> {
    ignored: &'a [Glob],
    protected: &'a [Glob],
}

impl<'a> Scope<'a> {
    pub(super) fn new(policy: &'a Policy) -> Self {
        Self { ignored: &policy.ignored, protected: &policy.protected }
    }

    pub(super) fn is_ignored(&self, account: &Account) -> bool {
        matching(self.ignored, account).is_some()
    }

    pub(super) fn is_protected(&self, account: &Account) -> bool {
        matching(self.protected, account).is_some()
    }

    fn refusal(&self, account: &Account) -> Option<BlockedBecause> {
        let ignored =
            matching(self.ignored, account).map(|glob| BlockedBecause::Ignored(glob.as_str().to_owned()));
        ignored.or_else(|| {
            matching(self.protected, account).map(|glob| BlockedBecause::Protected(glob.as_str().to_owned()))
        })
    }
}

fn matching<'a>(globs: &'a [Glob], account: &Account) -> Option<&'a Glob> {
    globs.iter().find(|glob| {
        glob.matches(account.id.as_str())
            || glob.matches(&account.name)
            || account.aliases.iter().any(|alias| glob.matches(alias))
    })
}

/// What each entry means.
pub(super) struct Resolved<'a> {
    /// Entries with their one account, in order of folded name.
    pub(super) found: Vec<(&'a Entry, &'a Account)>,
    /// Entries that the store does not know.
    pub(super) missing: Vec<&'a Entry>,
    /// Entries that are not acted on.
    pub(super) blocked: Vec<Blocked>,
    /// Accounts that an entry names, clearly or not: none of them is unlisted.
    pub(super) named: BTreeSet<&'a AccountId>,
    /// Names whose meaning is to be remembered.
    pub(super) bind: Vec<(String, AccountId)>,
}

pub(super) fn resolve<'a>(
    desired: &'a Desired,
    live: &'a Live,
    memory: &Memory,
    scope: &Scope<'_>,
    policy: &Policy,
    now: Now,
) -> Resolved<'a> {
    let today = policy.timezone.to_datetime(now.wall).date();
    let mut resolved = Resolved {
        found: Vec::new(),
        missing: Vec::new(),
        blocked: Vec::new(),
        named: BTreeSet::new(),
        bind: Vec::new(),
    };
    let mut clear: Vec<(&Entry, &Account)> = Vec::new();
    let mut entries_of: BTreeMap<&AccountId, u32> = BTreeMap::new();
    let block =
        |entry: &Entry, why| Blocked { name: entry.name.to_string(), origin: desired.origin(entry), why };
    for entry in desired.iter() {
        match live.resolve(&entry.name) {
            Match::None => {
                // Nobody has the name now. Whoever gets it next must not inherit the entry.
                let folded = fold(&entry.name);
                let meant = unbound(&folded, entry, memory).filter(|_| policy.missing == Missing::Report);
                resolved.bind.extend(meant.map(|was| (folded, was)));
                resolved.missing.push(entry);
            }
            Match::One(account) => {
                *entries_of.entry(&account.id).or_default() += 1;
                resolved.named.insert(&account.id);
                clear.push((entry, account));
            }
            Match::Many(candidates) => {
                resolved.named.extend(candidates.iter().map(|account| &account.id));
                let shown =
                    candidates.iter().map(|account| (account.id.clone(), account.name.clone())).collect();
                resolved.blocked.push(block(entry, BlockedBecause::Ambiguous(shown)));
            }
        }
    }
    let doubled: BTreeMap<&AccountId, Vec<&Entry>> = group_doubled(&clear, &entries_of);
    for (entry, account) in clear {
        if let Some(why) = scope.refusal(account) {
            resolved.blocked.push(block(entry, why));
            continue;
        }
        if let Some(entries) = doubled.get(&account.id) {
            let others = entries.iter().filter(|other| other.name != entry.name);
            let others = others.map(|other| (other.name.to_string(), desired.origin(other))).collect();
            resolved.blocked.push(block(entry, BlockedBecause::Doubled(account.name.clone(), others)));
            continue;
        }
        let folded = fold(&entry.name);
        let bound = bound_to(&folded, entry, account, memory);
        match bound {
            Some(was) if !same_account(&was, account) => {
                let to = entry.access_on(today);
                // An edited entry was looked at by somebody; so was an approved one.
                let applied = memory.applied.as_ref().and_then(|applied| applied.desired.get(&folded));
                let released = applied.is_some_and(|before| !before.means_same(entry))
                    || memory.approves(&account.id, to, now.wall);
                if !released {
                    if !memory.bindings.contains_key(&folded) {
                        resolved.bind.push((folded, was.clone()));
                    }
                    // The account it meant before is not unlisted either, until somebody has looked.
                    resolved.named.extend(live.get(&was).map(|before| &before.id));
                    let approve = PlanId::of(&policy.target, std::iter::once((&account.id, to)));
                    let why = BlockedBecause::Rebound { was, now: account.id.clone(), approve };
                    resolved.blocked.push(block(entry, why));
                    continue;
                }
                resolved.bind.push((folded, account.id.clone()));
            }
            None if folded != fold(account.id.as_str()) => resolved.bind.push((folded, account.id.clone())),
            Some(_) | None => {}
        }
        resolved.found.push((entry, account));
    }
    resolved.blocked.sort_by(|a, b| a.origin.cmp(&b.origin));
    resolved
}

fn group_doubled<'a>(
    clear: &[(&'a Entry, &'a Account)],
    entries_of: &BTreeMap<&AccountId, u32>,
) -> BTreeMap<&'a AccountId, Vec<&'a Entry>> {
    let mut doubled: BTreeMap<&AccountId, Vec<&Entry>> = BTreeMap::new();
    for (entry, account) in clear {
        if entries_of.get(&account.id).is_some_and(|count| *count > 1) {
            doubled.entry(&account.id).or_default().push(entry);
        }
    }
    doubled
}

/// Which account a name meant before, if that is not the one it means now anyway.
fn bound_to(folded: &str, entry: &Entry, account: &Account, memory: &Memory) -> Option<AccountId> {
    let bound = memory.bindings.get(folded).cloned();
    bound.or_else(|| unbound(folded, entry, memory).filter(|was| !same_account(was, account)))
}

/// A name that was satisfied without a binding meant the account of that id.
fn unbound(folded: &str, entry: &Entry, memory: &Memory) -> Option<AccountId> {
    if memory.bindings.contains_key(folded) {
        return None;
    }
    let before = memory.satisfied(folded)?;
    before.means_same(entry).then(|| AccountId::new(&*before.name))
}

/// A binding may hold an id as an entry spells it. Two accounts whose ids differ in nothing else share a name, so
/// neither is ever bound.
fn same_account(bound: &AccountId, account: &Account) -> bool {
    *bound == account.id || fold(bound.as_str()) == fold(account.id.as_str())
}

/// Refuses entries whose very name the policy ignores or protects: an error that can be seen offline.
pub fn refuse_listed(desired: &Desired, policy: &Policy) -> Vec<Diagnostic> {
    let lists = [(&policy.ignored, "ignored"), (&policy.protected, "protected")];
    let mut refused = Vec::new();
    for entry in desired.iter() {
        for (globs, list) in lists {
            let Some(glob) = globs.iter().find(|glob| glob.matches(&entry.name)) else { continue };
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
