//! Looking names up: what a part of the entries mean, each on its own, and how two parts make one.

use jiff::civil::Date;

use super::{Scope, blocked, unbound};
use crate::desired::{Brief, Desired, EntryRef};
use crate::model::{AccountId, AccountRef, AccountSet, Live, Match, Now};
use crate::name::{self, fold, folded};
use crate::plan::memory::Memory;
use crate::plan::policy::{Missing, Policy};
use crate::plan::untouched::Looked;
use crate::plan::{Blocked, BlockedBecause, Both};

/// Fewer entries are looked up before another thread has begun. Tests split whatever can be split.
const WORTH_A_SPLIT: usize = if cfg!(test) { 2 } else { 8_000 };

/// The position of the one account that an entry means, if it is to be acted on, and whether there is anything to do.
/// There is one for every entry, so it is kept small.
#[derive(Clone, Copy)]
pub(super) struct Meaning(u32);

impl Meaning {
    pub(super) const NONE: Self = Self(u32::MAX);
    /// Set where the account is as the entry wants it. Positions have 31 bits.
    const AS_WANTED: u32 = 1 << 31;

    fn new(entry: Brief<'_>, account: AccountRef<'_>, today: Date) -> Self {
        let as_wanted = if account.state.is(entry.access_on(today)) { Self::AS_WANTED } else { 0 };
        Self(account.position() | as_wanted)
    }

    pub(super) fn account(self, live: &Live) -> Option<AccountRef<'_>> {
        (self.0 != Self::NONE.0).then(|| live.at(self.0 & !Self::AS_WANTED))
    }

    pub(super) fn is_as_wanted(self) -> bool {
        self.0 != Self::NONE.0 && self.0 & Self::AS_WANTED != 0
    }
}

/// What the meaning of an entry depends on, besides the other entries.
#[derive(Clone, Copy)]
pub(in crate::plan) struct Sight<'a, 'p> {
    pub(in crate::plan) desired: &'a Desired,
    pub(in crate::plan) live: &'a Live,
    pub(in crate::plan) memory: &'p Memory,
    pub(in crate::plan) scope: &'p Scope<'p>,
    pub(in crate::plan) policy: &'p Policy,
    pub(in crate::plan) today: Date,
}

impl<'a, 'p> Sight<'a, 'p> {
    pub(in crate::plan) fn new(
        desired: &'a Desired,
        live: &'a Live,
        memory: &'p Memory,
        scope: &'p Scope<'p>,
        policy: &'p Policy,
        now: Now,
    ) -> Self {
        let today = policy.timezone.to_datetime(now.wall).date();
        Self { desired, live, memory, scope, policy, today }
    }
}

/// What is to be said of a part of the entries.
pub(super) struct Part<'a> {
    pub(super) missing: Vec<EntryRef<'a>>,
    pub(super) blocked: Vec<Blocked>,
    pub(super) bind: Vec<(String, AccountId)>,
    /// Entries that need a second look, once it is known what all the others mean; with their positions.
    pub(super) unclear: Vec<(usize, EntryRef<'a>)>,
    /// Accounts that an entry names, clearly or not.
    pub(super) named: AccountSet,
    /// Accounts that one entry means, and those that several do.
    pub(super) once: AccountSet,
    pub(super) twice: AccountSet,
}

impl<'a> Part<'a> {
    /// Looks at entries from a position on, as many as there is room for their meanings: the two halves with `both`, so
    /// often split in halves again.
    pub(super) fn split(
        sight: Sight<'a, '_>,
        looked: &Looked,
        first: usize,
        meanings: &mut [Meaning],
        both: Both<'_>,
        splits: u32,
    ) -> Self {
        if splits == 0 || meanings.len() < WORTH_A_SPLIT {
            return Self::of(sight, looked, first, meanings);
        }
        let half = meanings.len() / 2;
        let (earlier, later) = meanings.split_at_mut(half);
        let (mut one, mut other) = (None, None);
        both(&mut || one = Some(Self::split(sight, looked, first, earlier, both, splits - 1)), &mut || {
            other = Some(Self::split(sight, looked, first + half, later, both, splits - 1));
        });
        let (one, other) = one.zip(other).expect("both parts were looked at");
        one.and(other)
    }

    fn of(sight: Sight<'a, '_>, looked: &Looked, first: usize, meanings: &mut [Meaning]) -> Self {
        let Sight { desired, live, memory, scope, policy, today } = sight;
        let none = || AccountSet::of(live);
        let mut part = Self {
            missing: Vec::new(),
            blocked: Vec::new(),
            bind: Vec::new(),
            unclear: Vec::new(),
            named: none(),
            once: none(),
            twice: none(),
        };
        let positions = first..first + meanings.len();
        let mut places = meanings.iter_mut().zip(first..);
        live.resolve_all(
            looked.brief(desired, positions),
            |brief| brief.name,
            |brief, means| {
                let Some((place, position)) = places.next() else { return };
                let entry = || desired.at(looked.number(position));
                match means {
                    Match::None => part.missing(entry(), memory, policy),
                    Match::One(account) => {
                        *place = Meaning::new(brief, account, today);
                        if !part.once.insert(account) {
                            part.twice.insert(account);
                        }
                        if scope.are_out.contains(account) || !is_plain(brief, account, memory) {
                            part.unclear.push((position, entry()));
                        }
                    }
                    Match::Many(candidates) => {
                        for account in &candidates {
                            part.named.insert(*account);
                        }
                        let shown = candidates
                            .iter()
                            .map(|account| (account.account_id(), account.name.to_owned()))
                            .collect();
                        let why = BlockedBecause::Ambiguous(shown);
                        part.blocked.push(blocked(desired, entry(), why));
                    }
                }
            },
        );
        part.named.add(&part.once);
        part
    }

    fn missing(&mut self, entry: EntryRef<'a>, memory: &Memory, policy: &Policy) {
        // Nobody has the name now. Whoever gets it next must not inherit the entry.
        if policy.missing == Missing::Report {
            let folded = fold(entry.name);
            let meant = unbound(&folded, entry, memory);
            self.bind.extend(meant.map(|was| (folded, was)));
        }
        self.missing.push(entry);
    }

    /// Adds the part behind this one.
    fn and(mut self, later: Self) -> Self {
        self.missing.extend(later.missing);
        self.blocked.extend(later.blocked);
        self.bind.extend(later.bind);
        self.unclear.extend(later.unclear);
        self.twice.add(&later.twice);
        self.twice.add(&self.once.shared(&later.once));
        self.named.add(&later.named);
        self.once.add(&later.once);
        self
    }
}

/// Tells whether a name is simply the id of its account and never meant another one, so that there is nothing to
/// remember and nothing to compare.
fn is_plain(entry: Brief<'_>, account: AccountRef<'_>, memory: &Memory) -> bool {
    let is_bound = || {
        let name = std::str::from_utf8(entry.name);
        name.is_ok_and(|name| memory.bindings.contains_key(&*folded(name)))
    };
    name::same_bytes(entry.name, account.id.as_bytes()) && (memory.bindings.is_empty() || !is_bound())
}
