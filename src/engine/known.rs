//! What is remembered of a store between two reads, so that an edit of the files need not wait for a read of a million
//! accounts.
//!
//! It is what the store answered last, with what was written since. Nothing depends on its being true: each write is
//! conditional on the state that the plan saw, and a refresh reads the store again. A plan that anybody would look at
//! twice is not made by heart.

use std::sync::Arc;

use super::turn::Step;
use super::{Activity, Engine, Goal, Target, replication};
use crate::engine::effect::Effect;
use crate::model::{Live, Now, Outcome};
use crate::plan::{Change, Note, Plan};

/// How many changes are made without another look at the store.
const MOST_BY_HEART: usize = 1_000;

impl Target {
    /// Takes in what became of a change. What is not certain makes everything forgotten.
    pub(super) fn wrote(&mut self, change: &Change, outcome: &Outcome) {
        let certain = matches!(outcome, Outcome::Done | Outcome::Already);
        let live = self.live.as_deref();
        self.standing = self
            .standing
            .take()
            .filter(|standing| live.is_some_and(|live| standing.allows(live, &change.account)));
        let noted = |live: &mut Arc<Live>| certain && Arc::make_mut(live).note(&change.account, change.to);
        if !self.live.as_mut().is_some_and(noted) {
            self.live = None;
        }
    }

    /// Returns the store as it is remembered, if a turn may begin with that.
    pub(super) fn remembered(&self, due: bool) -> Option<Arc<Live>> {
        self.live.clone().filter(|_| !due && !self.forced && self.store.is_none() && self.plan.is_some())
    }
}

impl Engine {
    /// Goes on with the store: as it is remembered when only the files are others, else with a read of it.
    pub(super) fn look_at_store(&mut self, name: String, due: bool, now: Now) {
        let target = self.targets.get(&name).filter(|_| self.mode.goal == Goal::Run);
        let remembered = target.and_then(|target| Some((target.remembered(due)?, target.plan.clone()?)));
        if let Some((live, before)) = remembered
            && let Some(plan) = self.make_plan(&name, &live, now)
            && is_harmless(&plan, &before)
        {
            self.planned(&name, plan, live, now);
        } else {
            let desired = self.targets.get(&name).and_then(|target| target.good.clone());
            let known = Box::new(replication::known(self.ledger.of(&name)));
            let target = name.clone();
            self.emit(
                |ticket| Effect::ReadLive { ticket, target, desired, known },
                Activity::Turn(name, Step::Live),
            );
        }
    }
}

/// Tells whether a plan is as good without another look at the store: no guard trips, it is small, and but for its
/// changes there is nothing new in it.
fn is_harmless(plan: &Plan, before: &Plan) -> bool {
    let said = |plan: &Plan| -> Vec<Note> {
        let about_accounts = |note: &&Note| !matches!(note, Note::FirstContact | Note::NotEffective { .. });
        plan.notes.iter().filter(about_accounts).cloned().collect()
    };
    !plan.is_guarded()
        && plan.changes.len() <= MOST_BY_HEART
        && plan.held == before.held
        && plan.blocked == before.blocked
        && said(plan) == said(before)
}
