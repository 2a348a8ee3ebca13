//! Writes that may not have reached the directory server that answers now.
//!
//! A store that keeps to one server for each domain reads what it wrote. When it has to take another one, that one may
//! show the state of before: neither drift nor somebody's change, but a write on its way.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::journal::entry::Record;
use crate::journal::fold::{Debt, TargetLedger};
use crate::model::{Access, AccountId, Live, Now};
use crate::stores::Wanted;

/// How soon and how late a write that has not arrived is looked for again.
const SHORTEST_LOOK: Duration = Duration::from_secs(2);
const LONGEST_LOOK: Duration = Duration::from_mins(1);

const ON_ITS_WAY: &str = "written a short while ago on another domain controller; it may still be on its way";

/// Returns what a read of a store needs to know.
pub fn known(ledger: Option<&TargetLedger>) -> Wanted {
    let Some(ledger) = ledger else { return Wanted::default() };
    Wanted { names: Vec::new(), bindings: Arc::clone(&ledger.bindings), controllers: ledger.servers.clone() }
}

/// Returns the record that says which servers answer now, if that is news.
pub(super) fn pinned(
    name: &str,
    ledger: Option<&TargetLedger>,
    servers: Option<&BTreeMap<String, String>>,
) -> Option<Record> {
    let servers = servers?;
    let news = ledger.map_or(!servers.is_empty(), |known| known.servers != *servers);
    let pairs = servers.iter().map(|(domain, server)| (domain.clone(), server.clone()));
    news.then(|| Record::Pinned { target: name.to_owned(), servers: pairs.collect() })
}

/// Makes accounts unreadable that were written lately on another server and do not read so here. Returns when that is
/// over.
pub fn doubt(
    ledger: Option<&TargetLedger>,
    replication: Option<Duration>,
    live: &mut Live,
    now: Now,
) -> Option<Duration> {
    let (ledger, replication) = (ledger?, replication?);
    let moved = ledger.servers != live.servers()?.by_domain;
    let here = ledger.written.iter().filter(|_| moved);
    let mut last: Option<Duration> = None;
    for (account, (at, to)) in ledger.elsewhere.iter().chain(here) {
        let age = Duration::try_from(now.wall.duration_since(*at)).unwrap_or_default();
        let left = replication.checked_sub(age).filter(|left| !left.is_zero());
        if let Some(left) = left
            && live.get(account).is_some_and(|found| !found.state.is(*to))
        {
            live.doubt(account, ON_ITS_WAY);
            last = last.max(Some(left));
        }
    }
    last
}

/// Returns what this target wrote to an account lately.
pub(super) fn written_to(ledger: &TargetLedger, account: &AccountId) -> Option<Access> {
    ledger.written.get(account).or_else(|| ledger.elsewhere.get(account)).map(|(_, to)| *to)
}

/// Returns how much longer a restart waits for what it makes effective.
pub(super) fn time_left(owed: &Debt, replication: Duration, now: Now) -> Duration {
    replication.saturating_sub(age(owed, now))
}

/// Returns how long until it is looked for again: often at first, when it is most likely to arrive.
pub(super) fn patience(owed: &Debt, left: Duration, now: Now) -> Duration {
    Duration::from_secs(age(owed, now).as_secs() / 4).clamp(SHORTEST_LOOK, LONGEST_LOOK).min(left)
}

fn age(owed: &Debt, now: Now) -> Duration {
    Duration::try_from(now.wall.duration_since(owed.written)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Account, Servers, State};

    fn live(server: &str) -> Live {
        let account = |id: &str| Account {
            id: AccountId::new(id),
            name: id.to_owned(),
            aliases: Vec::new(),
            state: State::Is(Access::Enabled),
        };
        let by_domain = BTreeMap::from([("x".to_owned(), server.to_owned())]);
        Live::new(vec![account("a"), account("b"), account("c")]).unwrap().answered_by(Servers { by_domain })
    }

    fn at(minute: i64) -> Now {
        let wall = jiff::Timestamp::from_second(minute * 60).unwrap();
        Now { mono: Duration::from_secs(minute.unsigned_abs() * 60), wall }
    }

    /// `a` was disabled at minute 10 on `dc1`, `b` was enabled, `c` was not written.
    fn ledger() -> TargetLedger {
        let written = [("a", Access::Disabled), ("b", Access::Enabled)];
        TargetLedger {
            servers: BTreeMap::from([("x".to_owned(), "dc1".to_owned())]),
            written: written.map(|(id, to)| (AccountId::new(id), (at(10).wall, to))).into(),
            ..TargetLedger::default()
        }
    }

    fn doubted(ledger: &TargetLedger, server: &str, now: Now) -> (Vec<String>, Option<Duration>) {
        let mut live = live(server);
        let left = doubt(Some(ledger), Some(Duration::from_mins(15)), &mut live, now);
        let doubted = live.iter().filter(|account| matches!(account.state, State::Unreadable(_)));
        (doubted.map(|account| account.id.to_owned()).collect(), left)
    }

    #[test]
    fn the_server_that_was_written_on_is_believed() {
        assert_eq!(doubted(&ledger(), "dc1", at(11)), (vec![], None));
    }

    #[test]
    fn another_server_is_not_believed_until_the_write_must_have_arrived() {
        assert_eq!(doubted(&ledger(), "dc2", at(13)), (vec!["a".to_owned()], Some(Duration::from_mins(12))));
        assert_eq!(doubted(&ledger(), "dc2", at(25)), (vec![], None));
    }

    #[test]
    fn what_was_written_elsewhere_stays_in_doubt_in_the_next_turns() {
        let mut moved = ledger();
        moved.servers.insert("x".to_owned(), "dc2".to_owned());
        moved.elsewhere = std::mem::take(&mut moved.written);
        assert_eq!(doubted(&moved, "dc2", at(20)).0, ["a"]);
        moved.elsewhere.clear();
        assert_eq!(doubted(&moved, "dc2", at(20)).0, Vec::<String>::new());
    }
}
