//! A plan that is made of an earlier one is the plan that is made of nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::properties::{NAMES, accounts, entry, policies};
use super::*;

/// Which file lists each name, and what it says.
type Listed = BTreeMap<&'static str, (u8, &'static str)>;

#[derive(Clone, Debug)]
enum Step {
    /// Some names are listed otherwise, elsewhere, or not any more.
    Edit(BTreeMap<&'static str, Option<(u8, &'static str)>>),
    /// What the plan admits is written, or nothing may be.
    Act { writes: bool },
    /// Somebody approves the plan, or the first change that is held.
    Approve { held: bool },
    /// Time passes.
    Wait { hours: i64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let listed = prop::option::weighted(0.8, (0u8..3, entry()));
    let edit = prop::collection::btree_map(prop::sample::select(&NAMES[..]), listed, 1..4);
    let step = prop_oneof![
        6 => edit.prop_map(Step::Edit),
        4 => any::<bool>().prop_map(|writes| Step::Act { writes }),
        1 => any::<bool>().prop_map(|held| Step::Approve { held }),
        1 => (1i64..30).prop_map(|hours| Step::Wait { hours }),
    ];
    prop::collection::vec(step, 1..20)
}

fn listing(listed: &Listed) -> Desired {
    let text = |file| {
        let own = listed.iter().filter(move |(_, (at, _))| *at == file);
        lines(own.map(|(name, (_, entry))| format!("{name}: {entry}")))
    };
    files(&[("a.yaml", &text(0)), ("b.yaml", &text(1)), ("c.yaml", &text(2))])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_between_two_reads_the_plan_is_the_same(
        accounts in accounts(), policy in policies(), steps in steps(),
    ) {
        let mut listed = Listed::new();
        let mut world = World { accounts, policy, ..World::new("") }.at("2026-08-21T12:00:00Z");
        let mut live = world.live();
        let mut standing = None;
        for step in steps {
            let now = Now { mono: Duration::from_secs(1000), wall: world.now };
            let from_nothing = plan(&world.desired, &live, &world.memory, &world.policy, now);
            let again = plan_again(&in_turn, &mut standing, &world.desired, &live, &world.memory, &world.policy, now);
            prop_assert_eq!(&again, &from_nothing);
            match step {
                Step::Edit(edit) => {
                    for (name, entry) in edit {
                        match entry {
                            Some(entry) => drop(listed.insert(name, entry)),
                            None => drop(listed.remove(name)),
                        }
                    }
                    world.desired = listing(&listed);
                }
                Step::Act { writes } => {
                    let mut made = BTreeSet::new();
                    for planned in again.admitted().filter(|_| writes) {
                        let change = &planned.change;
                        made.insert(fold(&change.name));
                        if !standing.as_ref().is_some_and(|standing| standing.allows(&live, &change.account)) {
                            standing = None;
                        }
                        if !live.note(&change.account, change.to) {
                            // It was created, which only a read can tell.
                            let accounts = live.iter().map(AccountRef::to_account);
                            let created = account(change.account.as_str(), &[], State::Is(change.to));
                            live = Live::new(accounts.chain([created]).collect()).unwrap();
                        }
                    }
                    world = world.remember(again, &made);
                    let desired = &world.desired;
                    Arc::make_mut(&mut world.memory.bindings).retain(|name, _| desired.get(name).is_some());
                }
                Step::Approve { held } => {
                    let id = again.held.first().filter(|_| held).map_or(&again.id, |held| &held.id).clone();
                    if again.approve(&id, "jo", "it is right", world.now).is_ok() {
                        world = world.approve(&again, &id);
                    }
                }
                Step::Wait { hours } => world.now += SignedDuration::from_hours(hours),
            }
        }
    }
}

#[test]
fn only_what_an_edit_is_about_is_looked_at() {
    let many = many("user", 1_000, "enabled");
    let world = World::new("").with_many("user", 1_000, &ON).with("di", &[], ON);
    let now = Now { mono: Duration::from_secs(1000), wall: world.now };
    let live = world.live();
    let mut standing = None;
    let mut planned = |other: &str| {
        let desired = files(&[("a.yaml", &many), ("b.yaml", other)]);
        let plan = plan_again(&in_turn, &mut standing, &desired, &live, &world.memory, &world.policy, now);
        (plan.summary.unchanged, plan.changes.len(), standing.as_ref().unwrap().others())
    };
    assert_eq!(planned("di: enabled"), (1_001, 0, 0));
    assert_eq!(planned("di: disabled"), (1_000, 1, 1));
    assert_eq!(planned("di: disabled\nnobody: enabled"), (1_000, 1, 2));
    assert_eq!(planned(""), (1_000, 0, 0));
}
