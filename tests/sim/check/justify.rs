//! Whether a write is one that the files, the policy and the guards allow.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use popgate::model::{Access, Account, AccountId, Digest, State};
use popgate::plan::policy::{Missing, Unlisted};
use popgate::plan::{Cause, Change};

use super::{Check, Violation, broken, counts, names};

impl Check {
    pub(super) fn justified(
        &self,
        target: &str,
        change: &Change,
        day: jiff::civil::Date,
    ) -> Result<(), Violation> {
        let known = &self.targets[target];
        let policy = known.policy.as_ref().expect("set at the start");
        let account = &change.account;
        let Some(live) = &known.live else {
            return broken(2, format!("{account} is written after a failed read"));
        };
        let creates = policy.missing == Missing::Create && change.from == State::Missing;
        match live.get(account) {
            Some(Account { state: State::Unreadable(_), .. }) => {
                return broken(2, format!("{account} is written although it could not be read"));
            }
            None if !creates => return broken(2, format!("{account} is written and was not listed")),
            Some(found)
                if names(found).any(|name| name.starts_with("boss") || name.starts_with("health")) =>
            {
                return broken(8, format!("{account} is written and out of bounds"));
            }
            _ => {}
        }
        let model = known.good.and_then(|good| self.whole[target].get(&good));
        let Some(model) = model else {
            return broken(1, format!("{account} is written for a state that never was whole"));
        };
        let mut named = false;
        for (name, (access, until)) in model.iter() {
            let folded = name.to_lowercase();
            let candidates: Vec<&AccountId> =
                live.values().filter(|one| names(one).any(|one| one == folded)).map(|one| &one.id).collect();
            named |= candidates.contains(&account);
            let wanted = if until.is_some_and(|until| day > until) { Access::Disabled } else { *access };
            let meant = candidates == [account]
                || creates && candidates.is_empty() && folded == account.as_str().to_lowercase();
            if meant && wanted == change.to {
                return Ok(());
            }
        }
        if named {
            return broken(1, format!("{account} is made {}, which no entry says", change.to));
        }
        if policy.unlisted == Unlisted::Disable && change.to == Access::Disabled {
            return Ok(());
        }
        broken(8, format!("{account} is written and nobody lists it"))
    }

    pub(super) fn guarded(
        &mut self,
        target: &str,
        chunk: &[Change],
        planned: Timestamp,
        doubted: bool,
    ) -> Result<(), Violation> {
        let entries = |digest: Option<Digest>| Some(self.whole[target].get(&digest?)?.len() as u64);
        let known = &self.targets[target];
        let (now, before) = (entries(known.good), entries(known.applied));
        let emptied = now == Some(0) && before.is_some_and(|before| before > 0);
        let shrunk = now.zip(before).is_some_and(|(now, before)| {
            before > now && (before - now) * 100 > before * u64::from(known.limits().shrunk_input)
        });
        let known = self.of(target);
        let policy = known.policy.clone().expect("set at the start");
        let approved = |change: &Change| {
            let pair = (change.account.clone(), change.to);
            known.approvals.iter().any(|(until, changes)| *until > planned && changes.contains(&pair))
        };
        let unapproved: Vec<&Change> = chunk.iter().filter(|change| !approved(change)).collect();
        if unapproved.is_empty() {
            known.contact = true;
            return Ok(());
        }
        if policy.guards.first_contact && !policy.own_store && !known.contact {
            return broken(6, "the first batch was not approved");
        }
        known.contact = true;
        if emptied {
            return broken(6, "an empty desired state is applied and nobody approved it");
        }
        if shrunk {
            return broken(
                6,
                "a desired state that lost most of its entries is applied and nobody approved it",
            );
        }
        let live = known.live.as_ref().expect("checked before").values();
        let scope = live.filter(|one| !names(one).any(|name| name.starts_with("health")));
        let (mut total, mut enabled, mut unreadable) = (0, 0, 0);
        for account in scope {
            total += 1;
            enabled += u64::from(account.state.is(Access::Enabled));
            unreadable += u64::from(matches!(account.state, State::Unreadable(_)));
        }
        if unreadable * 100 > total * u64::from(policy.guards.unreadable) {
            return broken(
                6,
                format!("{unreadable} of {total} accounts could not be read, and nobody approved it"),
            );
        }
        if doubted && unapproved.iter().any(|change| matches!(change.cause, Cause::Expired(_))) {
            return broken(6, "the clock jumped by a day, and an expiry is believed");
        }
        let since = planned - SignedDuration::from_hours(1);
        for (to, limit) in [
            (Access::Disabled, policy.guards.max_disable.of(enabled)),
            (Access::Enabled, policy.guards.max_enable.of(total)),
        ] {
            let new: BTreeSet<(AccountId, Access)> = unapproved
                .iter()
                .filter(|change| change.to == to && counts(change))
                .map(|change| (change.account.clone(), to))
                .collect();
            let again = |pair| new.contains(pair) && known.unanswered.contains(pair);
            let lately = known.recent.iter().filter(|(at, pair)| *at > since && pair.1 == to && !again(pair));
            let (new, before) = (new.len() as u64, lately.count() as u64);
            if new > 0 && new + before > limit {
                let what = format!("{new} more accounts become {to} after {before} in an hour, {limit} may");
                return broken(6, what);
            }
        }
        if unapproved.iter().filter(|change| counts(change)).count() as u64 > policy.guards.max_changes {
            return broken(6, "more changes in one chunk than one batch may have");
        }
        Ok(())
    }
}
