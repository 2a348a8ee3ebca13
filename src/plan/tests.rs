//! The rules of the planner, one by one, through the files that people write.

mod again;
mod approving;
mod causes;
mod effects;
mod guarding;
mod properties;
mod provenance;
mod resolving;
mod unlisted;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::memory::Applied;
use super::policy::{
    Action, Drift, Limits, Missing, OnBlocked, OnDrift, Profile, RestartPolicy, Share, Unlisted,
};
use super::*;
use crate::desired::{self, SourceFile};
use crate::engine::window::Windows;
use crate::model::Account;
use crate::services::Instance;

const ON: State = State::Is(Access::Enabled);
const OFF: State = State::Is(Access::Disabled);

/// Noon in UTC on the day on which most tests play.
const NOON: &str = "2026-08-22T12:00:00Z";

/// Everything that a plan depends on.
#[derive(Clone, Debug)]
struct World {
    desired: Desired,
    accounts: Vec<Account>,
    memory: Memory,
    policy: Policy,
    now: Timestamp,
}

impl World {
    /// A world with these entries in one file, and popgate at home in it.
    fn new(entries: &str) -> Self {
        Self {
            desired: listing(entries),
            accounts: Vec::new(),
            memory: Memory { contact: true, ..Memory::default() },
            policy: policy(),
            now: at(NOON),
        }
    }

    fn with(mut self, id: &str, aliases: &[&str], state: State) -> Self {
        self.accounts.push(account(id, aliases, state));
        self
    }

    fn without(mut self, id: &str) -> Self {
        self.accounts.retain(|account| account.id.as_str() != id);
        self
    }

    /// So many accounts `name-0`, `name-1`, … that are all in one state.
    fn with_many(mut self, name: &str, count: usize, state: &State) -> Self {
        self.accounts.extend((0..count).map(|n| account(&format!("{name}-{n}"), &[], state.clone())));
        self
    }

    /// These entries were found satisfied at some time, with those left out.
    fn having_applied(mut self, entries: &str, when: &str, except: &[&str]) -> Self {
        self.memory.applied = Some(Applied {
            desired: listing(entries),
            at: at(when),
            except: except.iter().map(|&name| name.to_owned()).collect(),
            accepted: BTreeSet::new(),
        });
        self
    }

    fn bound(mut self, name: &str, id: &str) -> Self {
        Arc::make_mut(&mut self.memory.bindings).insert(name.to_owned(), AccountId::new(id));
        self
    }

    fn at(mut self, when: &str) -> Self {
        self.now = at(when);
        self
    }

    fn live(&self) -> Live {
        Live::new(self.accounts.clone()).unwrap()
    }

    fn plan(&self) -> Plan {
        let now = Now { mono: Duration::from_secs(1000), wall: self.now };
        plan(&self.desired, &self.live(), &self.memory, &self.policy, now)
    }

    /// Approves everything that this id names, for a day.
    fn approve(mut self, plan: &Plan, id: &PlanId) -> Self {
        let approval = plan.approve(id, "jo", "it is right", self.now).expect("the plan takes it");
        self.memory.approvals.push(approval);
        self
    }

    /// Does what the plan admits, and remembers it as the engine would.
    fn apply(mut self) -> Self {
        let plan = self.plan();
        let mut made = BTreeSet::new();
        for planned in plan.admitted() {
            let change = &planned.change;
            made.insert(fold(&change.name));
            match self.accounts.iter_mut().find(|account| account.id == change.account) {
                Some(account) => account.state = State::Is(change.to),
                None => self.accounts.push(account(change.account.as_str(), &[], State::Is(change.to))),
            }
        }
        self.memory.contact = true;
        self.remember(plan, &made)
    }

    /// Looks, and may not write: a window is closed, or somebody suspended all writing.
    fn without_writing(self) -> Self {
        let plan = self.plan();
        self.remember(plan, &BTreeSet::new())
    }

    fn remember(mut self, plan: Plan, made: &BTreeSet<String>) -> Self {
        Arc::make_mut(&mut self.memory.bindings).extend(plan.bind.iter().cloned());
        if !plan.is_doubted() {
            self.memory.counts = Some(plan.counts);
            let accepted = plan.accepted().filter(|name| !made.contains(name)).collect();
            let except = plan.unsatisfied.into_iter().filter(|name| !made.contains(name)).collect();
            let desired = self.desired.clone();
            self.memory.applied = Some(Applied { desired, at: self.now, except, accepted });
        }
        self
    }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn listing(entries: &str) -> Desired {
    files(&[("users.yaml", entries)])
}

/// Reads files whose entries are given one a line.
fn files(files: &[(&str, &str)]) -> Desired {
    let files = files.iter().map(|(path, entries)| {
        let body = lines(entries.lines().map(|line| format!("  {}", line.trim())));
        let text = if body.trim().is_empty() { "pop3: {}\n".to_owned() } else { format!("pop3:\n{body}") };
        SourceFile { path: (*path).to_owned(), bytes: text.into_bytes() }
    });
    desired::read(files.collect()).expect("the test writes what popgate reads")
}

fn many(name: &str, count: usize, access: &str) -> String {
    lines((0..count).map(|n| format!("{name}-{n}: {access}")))
}

fn lines(lines: impl Iterator<Item = String>) -> String {
    lines
        .flat_map(|line| {
            [
                line,
                "
"
                .to_owned(),
            ]
        })
        .collect()
}

fn account(id: &str, aliases: &[&str], state: State) -> Account {
    Account {
        id: AccountId::new(id),
        name: id.to_owned(),
        aliases: aliases.iter().map(|&alias| alias.to_owned()).collect(),
        state,
    }
}

fn policy() -> Policy {
    Policy {
        target: "onprem".to_owned(),
        unlisted: Unlisted::Keep,
        missing: Missing::Report,
        ignored: Vec::new(),
        protected: Vec::new(),
        drift: Drift::default(),
        guards: Limits::default(),
        on_blocked: OnBlocked::default(),
        timezone: TimeZone::UTC,
        own_store: false,
        service: Profile {
            key: "systemd:dovecot.service".to_owned(),
            name: "dovecot.service".to_owned(),
            action: Action::Restart,
            instances: vec![Instance::local("dovecot.service")],
        },
        restart: RestartPolicy::default(),
        windows: Windows::always(),
        refresh: Duration::from_mins(1),
    }
}

/// `id: from -> to (cause)` of each change, in order.
fn changes(plan: &Plan) -> Vec<String> {
    let line = |planned: &Planned| {
        let Change { account, from, to, cause, .. } = &planned.change;
        format!("{account}: {from} -> {to} ({})", cause.word())
    };
    plan.changes.iter().map(line).collect()
}

fn verdict(plan: &Plan, guard: Guard) -> &Verdict {
    plan.guards.iter().find(|verdict| verdict.guard == guard).expect("the guard was asked")
}

fn tripped(plan: &Plan) -> Vec<&'static str> {
    plan.guards.iter().filter(|verdict| verdict.tripped).map(|verdict| verdict.guard.word()).collect()
}

fn waiting(plan: &Plan, to: Access) -> usize {
    plan.changes.iter().filter(|planned| planned.waits && planned.change.to == to).count()
}

const NONE: [&str; 0] = [];
