//! Waiting with a restart until what it makes effective has reached the directory servers that the instance reads from.
//!
//! A service that starts again too early reads what was there before the write, and keeps it. So a restart of a service
//! behind a store with several servers is due when every account reads as it was written on those of the instance's
//! site; or when a write must have arrived, and then its proof says that nobody saw it.

use std::time::Duration;

use jiff::SignedDuration;

use super::{Settle, Step, whole_seconds, with_help};
use crate::engine::effect::{Effect, Notice};
use crate::engine::replication;
use crate::engine::service::Arriving;
use crate::engine::{Activity, Engine, Goal, Restarts};
use crate::model::{Access, AccountId, Live, Now, State};
use crate::services::{Observed, ServiceError};
use crate::stores::StoreError;

/// What was written to the store of a target.
type Written = (String, Vec<(AccountId, Access)>);

/// What is still to be asked, store by store, and what was heard so far.
#[derive(Debug)]
pub(super) struct Arrival {
    /// How the instance was seen right before.
    seen: Option<Observed>,
    rest: Vec<Written>,
    /// How much longer the restart may wait.
    left: Duration,
    absent: usize,
    /// Why it is not known.
    unknown: Option<StoreError>,
}

impl Engine {
    /// Asks whether everything has arrived; goes on at once where there is nothing to wait for.
    pub(super) fn look_for_arrival(&mut self, settle: Box<Settle>, seen: Option<Observed>, now: Now) {
        let (rest, left) = self.on_their_way(&settle, now);
        if rest.is_empty() {
            return self.intend(settle, seen, None, now);
        }
        if self.has_arrived(&settle) {
            return self.intend(settle, seen, Some(true), now);
        }
        self.ask_next(settle, Arrival { seen, rest, left, absent: 0, unknown: None }, now);
    }

    fn ask_next(&mut self, mut settle: Box<Settle>, mut arrival: Arrival, now: Now) {
        let Some((target, written)) = arrival.rest.pop() else { return self.asked(settle, arrival, now) };
        let server = settle.instance.server.clone();
        settle.step = Step::Arrival(arrival);
        self.emit(|ticket| Effect::Arrival { ticket, target, server, written }, Activity::Settle(settle));
    }

    pub(super) fn arrival_answered(
        &mut self,
        settle: Box<Settle>,
        mut arrival: Arrival,
        answer: Result<usize, StoreError>,
        now: Now,
    ) {
        match answer {
            Ok(absent) => arrival.absent += absent,
            Err(error) => arrival.unknown = Some(error),
        }
        self.ask_next(settle, arrival, now);
    }

    fn asked(&mut self, settle: Box<Settle>, arrival: Arrival, now: Now) {
        let Some(owed) = self.owed(&settle) else { return };
        let (covers, wait) = (owed.last_write, replication::patience(owed, arrival.left, now));
        let arrived = arrival.absent == 0 && arrival.unknown.is_none();
        let forced = self.is_forced(&settle);
        let Some(service) = self.services.get_mut(&settle.service) else { return };
        if arrived {
            service.arrived.insert(settle.instance.server.clone(), covers);
        }
        if arrived || forced || arrival.left.is_zero() {
            service.arriving.remove(&settle.instance);
            return self.intend(settle, arrival.seen, Some(arrived), now);
        }
        let server = &settle.instance.server;
        let why = if let Some(error) = arrival.unknown {
            let what = format!("whether {server} can read the changes yet cannot be asked: {error}");
            // Who types a command shall not sit before a store that does not answer.
            if error.fault.is_transient() && !matches!(self.mode.goal, Goal::Run) {
                let error = ServiceError { what, fault: error.fault, help: error.help };
                return self.failed(settle, error, now);
            }
            with_help(what, error.help.as_deref())
        } else {
            let verb = if arrival.absent == 1 { "does" } else { "do" };
            format!("{} of its accounts {verb} not read so yet where {server} looks", arrival.absent)
        };
        let left = SignedDuration::try_from(arrival.left).unwrap_or_default();
        let until = now.wall.checked_add(left).unwrap_or(now.wall);
        let arriving = Arriving { look: now.mono + wait, why: why.clone(), until };
        // A goal that ends looks again as well: nobody else would restart it afterwards.
        service.tried.remove(&settle.instance);
        if service.arriving.insert(settle.instance.clone(), arriving).is_none() {
            let (name, instance) = (self.service_name(&settle.service), settle.instance.clone());
            let at_most = whole_seconds(arrival.left);
            self.tell(Notice::Arriving { service: name, instance, why, at_most });
        }
    }

    /// Tells whether the proof of a restart leaves open what the instance read.
    pub(super) fn is_unconfirmed(&self, settle: &Settle, now: Now) -> bool {
        let arrived = self.owed(settle).and_then(|owed| owed.arrived) == Some(true);
        !arrived && !self.has_arrived(settle) && !self.on_their_way(settle, now).0.is_empty()
    }

    fn has_arrived(&self, settle: &Settle) -> bool {
        let arrived = |service: &crate::engine::service::ServiceState| {
            service.arrived.get(&settle.instance.server).copied()
        };
        let covers = self.services.get(&settle.service).and_then(arrived);
        covers.is_some() && covers == self.owed(settle).map(|owed| owed.last_write)
    }

    /// Returns what may not have arrived, by target, and how long at most a restart waits for it. What nobody remembers
    /// to have written (somebody else did, or a crash came between) is asked of every store. A service on this machine
    /// is in no site.
    fn on_their_way(&self, settle: &Settle, now: Now) -> (Vec<Written>, Duration) {
        let (mut all, mut left) = (Vec::new(), Duration::ZERO);
        let Some(owed) = self.owed(settle).filter(|owed| !owed.instance.is_local()) else {
            return (all, left);
        };
        let behind = self.targets.iter().filter(|(_, target)| target.policy.service.key == settle.service);
        let behind: Vec<_> = behind.filter_map(|(name, target)| Some((name, target.replication?))).collect();
        let wrote = |name: &str, account: &AccountId| {
            self.ledger.of(name).and_then(|ledger| replication::written_to(ledger, account))
        };
        for (name, wait) in &behind {
            let live = self.targets[*name].live.as_deref();
            let ours = owed.accounts.iter().filter_map(|(account, (to, _))| {
                // Two stores may have accounts of the same id.
                let here = wrote(name, account);
                let is_ours = here.is_some()
                    || live.is_some_and(|live| live.get(account).is_some())
                    || !behind.iter().any(|(other, _)| wrote(other, account).is_some());
                let written = [Some(*to), here].into_iter().flatten().filter(|_| is_ours);
                written.into_iter().find(|to| may_read(live, account, *to)).map(|to| (account.clone(), to))
            });
            let written: Vec<_> = ours.collect();
            if !written.is_empty() {
                left = left.max(replication::time_left(owed, *wait, now));
                all.push(((*name).clone(), written));
            }
        }
        (all, left)
    }

    fn is_forced(&self, settle: &Settle) -> bool {
        let wish = self.urgent.get(&(settle.service.clone(), settle.instance.clone()));
        matches!(self.mode.goal, Goal::Once(Restarts::Forced) | Goal::Settle(Restarts::Forced))
            || wish == Some(&true)
    }

    /// Tells whether a goal that ends has a restart to do, now or once what was written has arrived.
    pub(in crate::engine) fn restarts_lie_ahead(&self, now: Now) -> bool {
        self.due_restart(now).is_some()
            || self.services.iter().any(|(key, service)| {
                let waits = |instance| service.arriving.contains_key(instance);
                let debts = self.ledger.debts(key).iter().filter(|owed| waits(&owed.instance));
                debts.into_iter().any(|owed| self.restart_due(key, service, owed, now).is_some())
            })
    }
}

/// Tells whether a write can be on its way: not when the store, as it was read last, shows that it never happened or that
/// somebody took it back.
fn may_read(live: Option<&Live>, account: &AccountId, to: Access) -> bool {
    let found = live.and_then(|live| live.get(account));
    !found.is_some_and(|found| matches!(found.state, State::Is(access) if *access != to))
}
