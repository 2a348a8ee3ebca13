//! What making changes effective will do, in data that a report can put into words.

use jiff::{SignedDuration, Timestamp};

use super::Planned;
use super::policy::{Action, Policy};
use crate::engine::window::Kind;
use crate::model::Access;

/// What one service will do because of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// The service's name.
    pub service: String,
    /// What it does.
    pub action: Action,
    /// How many instances it does it to.
    pub restarts: u64,
    /// How many users lose POP3, whose sessions end.
    pub disabled: u64,
    /// When, at the earliest.
    pub due: Due,
}

/// When an effect is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Not before this moment, if no further write comes.
    At(Timestamp),
    /// No window ever opens.
    Never,
}

pub(super) fn effects(changes: &[Planned], policy: &Policy, now: super::Now) -> Vec<Effect> {
    let service = &policy.service;
    if changes.is_empty() || service.action == Action::None {
        return Vec::new();
    }
    let quiet = SignedDuration::try_from(policy.restart.quiet).unwrap_or(SignedDuration::MAX);
    let earliest = now.wall.checked_add(quiet).unwrap_or(Timestamp::MAX);
    let due = policy.windows.next_open(Kind::Restarts, earliest).map_or(Due::Never, Due::At);
    let disabled = changes.iter().filter(|planned| planned.change.to == Access::Disabled).count() as u64;
    vec![Effect {
        service: service.name.clone(),
        action: service.action,
        restarts: service.instances.len() as u64,
        disabled,
        due,
    }]
}
