//! The difference between desired and live state: what would be written, and what only has to be said.

use super::alike::{MOST_LOOKS, Misspelt};
use super::memory::Memory;
use super::policy::{Missing, OnDrift, Policy, Unlisted};
use super::resolve::{Resolved, Scope};
use super::{BlockedBecause, Cause, Change, Held, HeldBecause, Note, PlanId, Planned, Summary};
use crate::desired::{Desired, EntryRef};
use crate::model::{Access, AccountId, AccountRef, AccountSet, Live, Match, Now, State};
use crate::name::{self, fold};

/// What the comparison found.
pub(super) struct Found {
    pub(super) changes: Vec<Planned>,
    pub(super) held: Vec<Held>,
    pub(super) notes: Vec<Note>,
    pub(super) summary: Summary,
    pub(super) unsatisfied: Vec<String>,
}

pub(super) fn diff(
    desired: &Desired,
    live: &Live,
    memory: &Memory,
    policy: &Policy,
    scope: &Scope<'_>,
    resolved: &Resolved<'_>,
    now: Now,
) -> Found {
    let mut diff = Diff::new(desired, live, memory, policy, now);
    diff.found.summary.unchanged = resolved.unchanged();
    for (entry, account) in resolved.differing() {
        diff.compare(entry, account);
    }
    // As a person looks for them; so far they stand as in the files.
    diff.found.notes.sort_by(|a, b| name::order(note_name(a), note_name(b)));
    diff.found.held.sort_by(|a, b| name::order(&a.change.name, &b.change.name));
    for entry in &resolved.missing {
        diff.absent(*entry, resolved);
    }
    diff.rebound(resolved);
    let released = diff.released(resolved);
    diff.unlisted(scope, resolved, &released);
    let mut found = diff.found;
    found.unsatisfied.extend(resolved.blocked.iter().map(|blocked| fold(&blocked.name)));
    found.unsatisfied.sort();
    found.summary.blocked = resolved.blocked.len() as u64;
    found.changes.sort_by_cached_key(|planned| {
        let change = &planned.change;
        (change.to, fold(&change.name), change.account.clone())
    });
    for planned in &found.changes {
        match planned.change.to {
            Access::Disabled => found.summary.disable += 1,
            Access::Enabled => found.summary.enable += 1,
        }
    }
    found
}

/// Returns the name that a note about an account is about.
fn note_name(note: &Note) -> &str {
    match note {
        Note::Unreadable { name, .. } | Note::Missing { name, .. } | Note::Released { name, .. } => name,
        Note::FirstContact
        | Note::NotEffective { .. }
        | Note::PolicyChanged(_)
        | Note::WritesClosed { .. } => "",
    }
}

struct Diff<'a> {
    desired: &'a Desired,
    live: &'a Live,
    memory: &'a Memory,
    policy: &'a Policy,
    now: Now,
    today: jiff::civil::Date,
    found: Found,
}

/// Lists the accounts in scope that no entry names and that are not released.
pub(super) fn not_named<'l>(
    desired: &Desired,
    live: &'l Live,
    memory: &Memory,
    policy: &Policy,
    scope: &Scope<'_>,
    resolved: &Resolved<'_>,
    now: Now,
) -> Vec<AccountRef<'l>> {
    let released = Diff::new(desired, live, memory, policy, now).released(resolved);
    let named = |account| resolved.named.contains(account) || released.contains(account);
    live.iter().filter(|account| !named(*account) && !scope.is_ignored(*account)).collect()
}

/// Tells whether an account counts as one with POP3.
pub(super) fn may_have_pop3(account: AccountRef<'_>) -> bool {
    matches!(account.state, State::Is(Access::Enabled) | State::Mixed)
}

impl<'a> Diff<'a> {
    fn new(desired: &'a Desired, live: &'a Live, memory: &'a Memory, policy: &'a Policy, now: Now) -> Self {
        let found = Found {
            changes: Vec::new(),
            held: Vec::new(),
            notes: Vec::new(),
            summary: Summary::default(),
            unsatisfied: Vec::new(),
        };
        let today = policy.timezone.to_datetime(now.wall).date();
        Self { desired, live, memory, policy, now, today, found }
    }
}

impl Diff<'_> {
    /// Looks at an entry whose account is not as it should be.
    fn compare(&mut self, entry: EntryRef<'_>, account: AccountRef<'_>) {
        let want = entry.access_on(self.today);
        if let State::Unreadable(why) = account.state {
            self.found.unsatisfied.push(fold(entry.name));
            let origin = Some(self.desired.origin(entry));
            self.found.notes.push(Note::Unreadable { name: entry.name.to_owned(), why: why.clone(), origin });
            return;
        }
        let cause = self.cause(entry, want);
        let change = Change {
            account: account.account_id(),
            name: entry.name.to_owned(),
            from: account.state.clone(),
            to: want,
            cause,
        };
        let approved = self.memory.approves(&change.account, want, self.now.wall);
        let left = matches!(change.cause, Cause::Drift(_))
            // Flags that disagree are nobody's wish.
            && change.from != State::Mixed
            && self.on_drift(want) == OnDrift::Report;
        if left && !approved {
            let id = PlanId::of(&self.policy.target, std::iter::once((&change.account, want)));
            self.found.held.push(Held { id, change, why: HeldBecause::DriftLeft });
            return;
        }
        if !matches!(change.cause, Cause::Drift(_)) {
            self.found.unsatisfied.push(fold(entry.name));
        }
        self.push(change, Some(entry));
    }

    /// Says why the live state differs from what the entry wants.
    fn cause(&self, entry: EntryRef<'_>, want: Access) -> Cause {
        let origin = self.desired.origin(entry);
        let over = entry.access != want;
        let satisfied = self.memory.satisfied(&fold(entry.name)).filter(|before| before.means_same(&entry));
        match (satisfied, &self.memory.applied) {
            (Some(before), Some(applied)) => {
                let then = self.policy.timezone.to_datetime(applied.at).date();
                if before.access_on(then) == want { Cause::Drift(origin) } else { Cause::Expired(origin) }
            }
            _ if over => Cause::Expired(origin),
            _ => Cause::Listed(origin),
        }
    }

    fn on_drift(&self, want: Access) -> OnDrift {
        match want {
            Access::Disabled => self.policy.drift.enabled_by_hand,
            Access::Enabled => self.policy.drift.disabled_by_hand,
        }
    }

    fn push(&mut self, change: Change, entry: Option<EntryRef<'_>>) {
        let counted = change.from != State::Missing && !self.accepted_in_time(&change, entry);
        self.found.changes.push(Planned {
            approved: self.memory.approves(&change.account, change.to, self.now.wall),
            change,
            until: entry.and_then(|entry| entry.until),
            reason: entry.and_then(|entry| entry.reason.map(str::to_owned)),
            counted,
            waits: false,
            provenance: None,
        });
    }

    /// An expiry is free for the guards when its date was accepted before the day came: somebody saw it then.
    fn accepted_in_time(&self, change: &Change, entry: Option<EntryRef<'_>>) -> bool {
        let (Cause::Expired(_), Some(entry), Some(applied)) = (&change.cause, entry, &self.memory.applied)
        else {
            return false;
        };
        let then = self.policy.timezone.to_datetime(applied.at).date();
        let in_time = |before: EntryRef<'_>| {
            before.access_on(then) == Access::Enabled || applied.accepted.contains(&fold(entry.name))
        };
        let before = applied.desired.get(entry.name);
        before.is_some_and(|before| before.until == entry.until && in_time(before))
    }

    fn absent(&mut self, entry: EntryRef<'_>, resolved: &Resolved<'_>) {
        let want = entry.access_on(self.today);
        let folded = fold(entry.name);
        if self.policy.missing == Missing::Create {
            let origin = self.desired.origin(entry);
            let cause = if entry.access == want { Cause::Listed(origin) } else { Cause::Expired(origin) };
            let change = Change {
                account: AccountId::new(entry.name),
                name: entry.name.to_owned(),
                from: State::Missing,
                to: want,
                cause,
            };
            self.found.unsatisfied.push(folded);
            self.push(change, Some(entry));
            return;
        }
        self.found.summary.missing += 1;
        let renamed = self.memory.bindings.get(&folded).and_then(|id| self.live.get(id));
        let suggestion =
            renamed.map(|account| account.name.to_owned()).or_else(|| self.alike(&folded, resolved));
        self.found.unsatisfied.push(folded);
        self.found.notes.push(Note::Missing {
            name: entry.name.to_owned(),
            origin: self.desired.origin(entry),
            wanted: want,
            suggestion,
        });
    }

    /// Finds a live name that nobody is listed by and that looks like a misspelt one. Only the first few misses
    /// are worth a scan.
    fn alike(&self, folded: &str, resolved: &Resolved<'_>) -> Option<String> {
        if self.found.summary.missing.saturating_mul(self.live.len() as u64) > MOST_LOOKS {
            return None;
        }
        let is_listed = |name: &str| match self.live.resolve(name) {
            Match::One(account) => resolved.named.contains(account),
            Match::None | Match::Many(_) => false,
        };
        let wanted = Misspelt::new(folded);
        let alike = self.live.names().filter_map(|name| Some((wanted.slips(name)?, name::folded(name))));
        alike.filter(|(_, name)| !is_listed(name)).min().map(|(_, name)| name.into_owned())
    }

    /// A name with a new meaning can be approved by an id of its own, even where nothing would be written.
    fn rebound(&mut self, resolved: &Resolved<'_>) {
        for blocked in &resolved.blocked {
            let BlockedBecause::Rebound { was, now, approve } = &blocked.why else { continue };
            let (Some(entry), Some(account)) = (self.desired.get(&blocked.name), self.live.get(now)) else {
                continue;
            };
            let change = Change {
                account: account.account_id(),
                name: blocked.name.clone(),
                from: account.state.clone(),
                to: entry.access_on(self.today),
                cause: Cause::Listed(blocked.origin.clone()),
            };
            let why = HeldBecause::Rebound { was: was.clone() };
            self.found.held.push(Held { id: approve.clone(), change, why });
        }
    }

    /// Finds the accounts that the last applied state named and this one does not, by whatever name.
    fn released(&mut self, resolved: &Resolved<'_>) -> AccountSet {
        let mut released = AccountSet::of(self.live);
        let Some(applied) = &self.memory.applied else { return released };
        let mut gone: Vec<EntryRef<'_>> = applied
            .desired
            .written_otherwise(self.desired)
            .filter(|before| self.desired.get(before.name).is_none())
            .collect();
        gone.sort_by(|a, b| name::order(a.name, b.name));
        for before in gone {
            let bound = self.memory.bindings.get(&fold(before.name)).and_then(|id| self.live.get(id));
            let account = bound.or_else(|| match self.live.resolve(before.name) {
                Match::One(account) => Some(account),
                Match::None | Match::Many(_) => None,
            });
            let Some(account) = account.filter(|account| !resolved.named.contains(*account)) else {
                continue;
            };
            if !released.insert(account) {
                continue;
            }
            self.found.summary.released += 1;
            if self.policy.unlisted == Unlisted::Keep {
                let state = account.state.clone();
                self.found.notes.push(Note::Released { name: before.name.to_owned(), state });
            }
        }
        released
    }

    fn unlisted(&mut self, scope: &Scope<'_>, resolved: &Resolved<'_>, released: &AccountSet) {
        let mut unreadable = Vec::new();
        for account in self.live.outside([&resolved.named, scope.ignored()]) {
            if let State::Unreadable(why) = account.state {
                unreadable.push((account, why));
            }
            let enabled = may_have_pop3(account);
            if !released.contains(account) {
                self.found.summary.unlisted += 1;
                self.found.summary.unlisted_enabled += u64::from(enabled);
            }
            if self.policy.unlisted == Unlisted::Disable && enabled && !scope.is_protected(account) {
                let change = Change {
                    account: account.account_id(),
                    name: account.name.to_owned(),
                    from: account.state.clone(),
                    to: Access::Disabled,
                    cause: Cause::Unlisted,
                };
                self.push(change, None);
            }
        }
        unreadable.sort_by_key(|(account, _)| account.id);
        self.found.notes.extend(unreadable.into_iter().map(|(account, why)| Note::Unreadable {
            name: account.name.to_owned(),
            why: why.clone(),
            origin: None,
        }));
    }
}
