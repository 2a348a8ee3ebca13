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

#[test]
fn a_policy_that_is_not_the_one_of_the_last_batch_is_a_note_for_each_rule() {
    let mut world = one_of_each();
    assert_eq!(world.plan().notes, [], "nobody knows what it was");
    world.memory.rules = Some(world.policy.rules());
    assert_eq!(world.plan().notes, []);
    world.policy.guards.max_disable.percent = 50;
    world.policy.unlisted = Unlisted::Disable;
    let hours = "22:00-02:00".parse().unwrap();
    let window = Window { verdict: Allowed::Allow, kinds: [Kind::Restarts].into(), days: Days::EVERY, hours };
    world.policy.windows = Windows::new(&[window], TimeZone::UTC);
    let told: Vec<String> = world
        .plan()
        .notes
        .into_iter()
        .map(|note| match note {
            Note::PolicyChanged(rule) => format!("{}: {} → {}", rule.rule, rule.was, rule.now),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(told.len(), 3, "{told:?}");
    assert_eq!(told[..2], ["guards.max_disable: 5 % or 10 → 50 % or 10", "unlisted: keep → disable"]);
    assert!(
        told[2].starts_with("windows for restarts: always → mon 22:00 to tue 02:00, tue 22:00"),
        "{told:?}"
    );
}

#[test]
fn a_rule_that_another_version_does_not_know_was_not_changed_by_anybody() {
    let mut world = one_of_each();
    let mut rules = world.policy.rules();
    rules.remove("on_blocked");
    rules.insert("of the future".to_owned(), "x".to_owned());
    world.memory.rules = Some(rules);
    assert_eq!(world.plan().notes, []);
}

#[test]
fn a_closed_window_for_writes_is_a_note_of_a_plan_that_wants_to_write() {
    let mut world = one_of_each();
    let window = |hours: &str, verdict| Window {
        verdict,
        kinds: [Kind::Writes].into(),
        days: Days::EVERY,
        hours: hours.parse().unwrap(),
    };
    world.policy.windows = Windows::new(&[window("22:00-02:00", Allowed::Allow)], TimeZone::UTC);
    assert_eq!(world.plan().notes, [Note::WritesClosed { until: Some(at("2026-08-22T22:00:00Z")) }]);
    world.policy.windows = Windows::new(&[window("00:00-24:00", Allowed::Deny)], TimeZone::UTC);
    assert_eq!(world.plan().notes, [Note::WritesClosed { until: None }]);
    world.desired = listing("anna@x: enabled\nbert@x: disabled");
    assert_eq!(world.plan().notes, [], "nothing is to be written");
}
