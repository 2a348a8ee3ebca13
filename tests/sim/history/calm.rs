//! Faults are over: the world must converge, and then nothing more may happen.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::tz::TimeZone;
use popgate::engine::event::{Command, Input};
use popgate::model::{Access, AccountId, State};
use popgate::plan::policy::{Missing, Unlisted};
use popgate::plan::{BlockedBecause, Plan};

use super::{Event, History};
use crate::bugs::Bug;
use crate::check::{Violation, broken, meant, out_of_bounds};
use crate::setup::SERVICE;

/// Longer than a closed window, the longest refresh, back-off and interval, and what a clock may have jumped.
const PATIENCE: Duration = Duration::from_hours(11);

impl History {
    pub(super) fn calm_down(&mut self) -> Result<(), Violation> {
        self.say(|| "all faults are over".to_owned());
        self.faults = false;
        self.disk.full = false;
        let now = self.now;
        for target in self.targets.values_mut() {
            target.store.heal();
            target.files.arrive();
            target.files.moving_until = now;
            if target.files.read(now).is_err() || !target.files.whole.contains_key(&target.files.digest()) {
                let mut model = target.files.model.clone();
                model.retain(|name, _| !name.starts_with("boss") && !name.starts_with("health"));
                target.files.write(model, false, &mut self.random);
            }
        }
        self.note_trees();
        let start = self.random.chance(500);
        for unit in &mut self.units {
            if start && !unit.running {
                unit.start_anew(now);
            }
        }
        // Somebody ends an open suspension, once the journal takes it.
        self.until(self.now + Duration::from_mins(10))?;
        let by = "op".to_owned();
        self.command(Command::Resume { by: by.clone(), reason: "over".to_owned() });
        let approves = self.random.chance(500);
        let end = self.now + PATIENCE;
        while self.now < end {
            self.until(self.now + Duration::from_mins(20))?;
            // Every `until` of this history must be over before nothing may happen any more.
            let today = TimeZone::UTC.to_datetime(self.settled_wall().min(self.wall())).date();
            if today > TimeZone::UTC.to_datetime(self.base).date() && self.converged(approves).is_ok() {
                break;
            }
            if approves {
                for target in self.targets.keys().cloned().collect::<Vec<_>>() {
                    self.approve(&target);
                }
            }
            self.people();
        }
        self.converged(approves)?;
        self.idle(approves)
    }

    /// Restarts by hand what only a person restarts.
    fn people(&mut self) {
        use popgate::plan::policy::Action;
        let manual = self.targets.values().any(|target| target.policy.service.action == Action::Manual);
        let owed = self.engine.as_ref().is_some_and(|engine| !engine.ledger().debts(SERVICE).is_empty());
        if manual && owed && self.engine.as_ref().is_some_and(popgate::engine::Engine::idle) {
            let now = self.now;
            self.units.iter_mut().for_each(|unit| unit.start_anew(now));
            self.command(Command::RestartDone { by: "op".to_owned() });
        }
    }

    fn converged(&self, approves: bool) -> Result<(), Violation> {
        let day = TimeZone::UTC.to_datetime(self.settled_wall()).date();
        let Some(engine) = &self.engine else { return broken(3, "the process never came back") };
        if let Some(debt) = engine.ledger().debts(SERVICE).first() {
            return broken(3, format!("the restart of {} is still owed", debt.instance));
        }
        for unit in &self.units {
            if unit.left {
                return broken(3, format!("{} was stopped by popgate and never brought back", unit.instance));
            }
            if unit.running && self.check.last_applied.is_some_and(|write| unit.started < write) {
                return broken(3, format!("{} never learnt of the last write", unit.instance));
            }
        }
        for (name, target) in &self.targets {
            if engine.desired(name).map(popgate::desired::Desired::digest) != Some(target.files.digest()) {
                return broken(3, format!("{name}: what the files say is not in force"));
            }
            let left = if approves { BTreeSet::new() } else { left(engine.plan(name).map(|plan| &**plan)) };
            let accounts = &target.store.accounts;
            let mut named: BTreeSet<&AccountId> = BTreeSet::new();
            let mut clear = Vec::new();
            for (user, wish) in &target.files.model {
                let means = meant(user, accounts.values());
                named.extend(means.iter().map(|account| &account.id));
                match means[..] {
                    [only] => clear.push((user, wish, only)),
                    [] if target.policy.missing == Missing::Create && !left.contains(user.as_str()) => {
                        return broken(3, format!("{name}: {user} was not created"));
                    }
                    _ => {}
                }
            }
            for (user, (access, until), account) in &clear {
                let doubled = clear.iter().filter(|(_, _, other)| other.id == account.id).count() > 1;
                let wanted = if until.is_some_and(|until| day > until) { Access::Disabled } else { *access };
                let left = left.contains(user.as_str()) || left.contains(account.id.as_str());
                if doubled || out_of_bounds(account) || left || account.state.is(wanted) {
                    continue;
                }
                return broken(3, format!("{name}: {user} is {} and not {wanted}", account.state));
            }
            for account in accounts.values().filter(|account| !named.contains(&account.id)) {
                let open = matches!(account.state, State::Is(Access::Enabled) | State::Mixed);
                let ours = target.policy.unlisted == Unlisted::Disable && !out_of_bounds(account);
                if open && ours && !left.contains(account.id.as_str()) {
                    return broken(3, format!("{name}: {} is not listed and still enabled", account.id));
                }
            }
        }
        Ok(())
    }

    /// Looking again, also with a new process, changes nothing and restarts nothing.
    fn idle(&mut self, approves: bool) -> Result<(), Violation> {
        if !approves {
            return Ok(());
        }
        self.restless = self.bug == Some(Bug::Restless);
        let before = (self.check.writes, self.check.restarts);
        for target in self.targets.keys().cloned().collect::<Vec<_>>() {
            self.schedule(Duration::ZERO, Event::Input(Input::Hint { target }));
        }
        self.until(self.now + Duration::from_mins(65))?;
        self.command(Command::Reconcile { by: "op".to_owned() });
        self.until(self.now + Duration::from_mins(5))?;
        self.schedule(Duration::ZERO, Event::Input(Input::Stop));
        self.until(self.now + Duration::from_mins(65))?;
        if before != (self.check.writes, self.check.restarts) {
            return broken(11, "something was written or restarted although all was as desired");
        }
        Ok(())
    }
}

/// What a plan leaves alone on purpose, by the name of the entry or the id of the account.
fn left(plan: Option<&Plan>) -> BTreeSet<&str> {
    let Some(plan) = plan else { return BTreeSet::new() };
    let blocked = plan.blocked.iter().map(|blocked| blocked.name.as_str());
    // The account that a name meant before is not unlisted either, until somebody has looked.
    let before = plan.blocked.iter().filter_map(|blocked| match &blocked.why {
        BlockedBecause::Rebound { was, .. } => Some(was.as_str()),
        _ => None,
    });
    let held = plan.held.iter().map(|held| held.change.account.as_str());
    let waits = plan.changes.iter().filter(|planned| planned.waits);
    blocked.chain(before).chain(held).chain(waits.map(|planned| planned.change.account.as_str())).collect()
}
