//! What a plan says that making it effective will do.

use super::*;
use crate::engine::window::{Days, Kind, Verdict as Allowed, Window};

fn one_of_each() -> World {
    World::new("anna@x: disabled\nbert@x: enabled").with("anna@x", &[], ON).with("bert@x", &[], OFF)
}

#[test]
fn a_restart_is_due_when_it_has_been_quiet_for_a_while() {
    let plan = one_of_each().plan();
    assert_eq!(
        plan.effects,
        [Effect {
            service: "dovecot.service".to_owned(),
            action: Action::Restart,
            restarts: 1,
            disabled: 1,
            due: Due::At(at("2026-08-22T12:00:30Z")),
        }]
    );
}

#[test]
fn a_restart_waits_for_its_window() {
    let window = |hours: &str| Window {
        verdict: Allowed::Allow,
        kinds: [Kind::Restarts].into(),
        days: Days::EVERY,
        hours: hours.parse().unwrap(),
    };
    let mut world = one_of_each();
    world.policy.windows = Windows::new(&[window("22:00-02:00")], TimeZone::UTC);
    assert_eq!(world.plan().effects[0].due, Due::At(at("2026-08-22T22:00:00Z")));
    let deny = Window { verdict: Allowed::Deny, ..window("00:00-24:00") };
    world.policy.windows = Windows::new(&[deny], TimeZone::UTC);
    assert_eq!(world.plan().effects[0].due, Due::Never);
}

#[test]
fn nothing_happens_without_a_change_or_a_service() {
    assert_eq!(World::new("anna@x: enabled").with("anna@x", &[], ON).plan().effects, []);
    let mut world = one_of_each();
    world.policy.service.action = Action::None;
    assert_eq!(world.plan().effects, []);
}

#[test]
fn what_is_not_effective_yet_is_a_note_of_every_plan() {
    let note = Note::NotEffective { service: "dovecot.service".to_owned(), names: vec!["anna@x".to_owned()] };
    let mut world = World::new("");
    world.memory.not_effective = vec![note.clone()];
    assert_eq!(world.plan().notes, [note]);
}
