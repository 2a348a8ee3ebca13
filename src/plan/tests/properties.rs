//! What holds for every desired state and every live state.

use proptest::prelude::*;

use super::*;
use crate::name::Glob;

pub(super) const NAMES: [&str; 8] = ["a@x", "b@x", "c@x", "d@x", "e@x", "f@x", "info@x", "sales@x"];

fn state() -> impl Strategy<Value = State> {
    prop_oneof![
        3 => Just(ON),
        3 => Just(OFF),
        1 => Just(State::Mixed),
        1 => Just(State::Unreadable("why".to_owned())),
    ]
}

pub(super) fn entry() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "enabled",
        "disabled",
        "{access: enabled, until: 2026-08-21}",
        "{access: enabled, until: 2026-08-22}",
        "{access: disabled, reason: left}",
    ])
}

/// Any of the names, each at most once, with an entry.
fn entries() -> impl Strategy<Value = String> {
    prop::collection::btree_map(prop::sample::select(&NAMES[..]), entry(), 0..NAMES.len())
        .prop_map(|entries| lines(entries.iter().map(|(name, entry)| format!("{name}: {entry}"))))
}

/// Accounts whose ids and aliases come from the same few names, so that all kinds of overlap occur.
pub(super) fn accounts() -> impl Strategy<Value = Vec<Account>> {
    let alias = prop::sample::select(&NAMES[..]);
    let id = prop_oneof![prop::sample::select(&NAMES[..]), prop::sample::select(&["1", "2", "3", "4"][..])];
    prop::collection::btree_map(id, (prop::collection::vec(alias, 0..3), state()), 0..8).prop_map(
        |accounts| accounts.into_iter().map(|(id, (aliases, state))| account(id, &aliases, state)).collect(),
    )
}

pub(super) fn policies() -> impl Strategy<Value = Policy> {
    let on_drift = || prop_oneof![Just(OnDrift::Restore), Just(OnDrift::Report)];
    let glob =
        || prop::collection::vec(prop::sample::select(&["e@*", "f@x", "4"][..]).prop_map(Glob::new), 0..2);
    (any::<bool>(), any::<bool>(), any::<bool>(), on_drift(), on_drift(), glob(), glob()).prop_map(
        |(disable, create, all, enabled_by_hand, disabled_by_hand, ignored, protected)| Policy {
            unlisted: if disable { Unlisted::Disable } else { Unlisted::Keep },
            missing: if create { Missing::Create } else { Missing::Report },
            on_blocked: if all { OnBlocked::All } else { OnBlocked::Enable },
            drift: Drift { enabled_by_hand, disabled_by_hand },
            ignored,
            protected,
            ..policy()
        },
    )
}

/// A world with a past: it was in some state, popgate applied other files, and then anything may have changed.
fn worlds() -> impl Strategy<Value = World> {
    (entries(), accounts(), entries(), accounts(), policies()).prop_map(
        |(before, live_before, now, live_now, policy)| {
            let past = World { accounts: live_before, policy, ..World::new(&before) };
            let mut world = past.at("2026-08-21T12:00:00Z").apply().at(NOON);
            world.desired = listing(&now);
            world.accounts = live_now;
            world
        },
    )
}

/// Without guards, which is to say: with everything approved.
fn unguarded(mut world: World) -> World {
    let share = Share { percent: 100, always_allow: u64::MAX };
    world.policy.guards = Limits {
        max_disable: share,
        max_enable: share,
        max_changes: u64::MAX,
        first_contact: false,
        shrunk_input: 100,
        shrunk_live: 100,
        unreadable: 100,
    };
    let plan = world.plan();
    if plan.is_guarded() { world.approve(&plan, &plan.id) } else { world }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn applying_a_plan_leaves_nothing_to_do(world in worlds()) {
        let world = unguarded(world);
        prop_assert!(!world.plan().is_guarded(), "{:?}", world.plan().guards);
        let after = world.clone().apply();
        prop_assert_eq!(changes(&after.plan()), NONE, "after {:?}", changes(&world.plan()));
        let again = after.clone().apply();
        prop_assert_eq!(changes(&again.plan()), NONE);
        prop_assert_eq!(again.plan().held, after.plan().held, "what is held stays held, and nothing else is");
    }

    #[test]
    fn applying_a_guarded_plan_never_does_more_than_it_admits(world in worlds()) {
        let plan = world.plan();
        let after = world.clone().apply();
        let admitted: Vec<&AccountId> = plan.admitted().map(|planned| &planned.change.account).collect();
        for account in &world.accounts {
            let now = after.accounts.iter().find(|now| now.id == account.id);
            prop_assert!(admitted.contains(&&account.id) || now.map(|now| &now.state) == Some(&account.state));
        }
        prop_assert!(plan.is_guarded() || admitted.len() == plan.changes.len());
    }

    #[test]
    fn what_is_out_of_popgate_s_hands_is_never_changed(world in worlds()) {
        let live = world.live();
        let plan = world.plan();
        let globs: Vec<&Glob> = world.policy.ignored.iter().chain(&world.policy.protected).collect();
        for planned in &plan.changes {
            let change = &planned.change;
            let Some(account) = live.get(&change.account) else {
                prop_assert_eq!(&change.from, &State::Missing);
                prop_assert_eq!(world.policy.missing, Missing::Create);
                continue;
            };
            prop_assert!(!matches!(account.state, State::Unreadable(_)), "unreadable");
            prop_assert!(!account.state.is(change.to), "already so");
            prop_assert_eq!(account.state, &change.from);
            let names = || account.aliases().chain([account.name]);
            prop_assert!(!globs.iter().any(|glob| names().any(|name| glob.matches(name))), "ignored or protected");
            let named = world.desired.iter().any(|entry| names().any(|name| fold(name) == *entry.name));
            prop_assert!(named || world.policy.unlisted == Unlisted::Disable, "unlisted and kept");
            prop_assert_eq!(change.cause == Cause::Unlisted, !named);
        }
        for held in &plan.held {
            prop_assert!(!plan.changes.iter().any(|planned| planned.change.account == held.change.account));
        }
    }

    #[test]
    fn each_account_is_changed_at_most_once_and_disabling_comes_first(world in worlds()) {
        let plan = world.plan();
        let mut accounts: Vec<&AccountId> = plan.changes.iter().map(|planned| &planned.change.account).collect();
        accounts.sort();
        let before = accounts.len();
        accounts.dedup();
        prop_assert_eq!(accounts.len(), before);
        let key = |planned: &Planned| (planned.change.to, fold(&planned.change.name));
        prop_assert!(plan.changes.is_sorted_by_key(key));
    }

    #[test]
    fn every_entry_is_accounted_for(world in worlds()) {
        let plan = world.plan();
        let listed = plan.changes.iter().filter(|planned| planned.change.cause != Cause::Unlisted).count();
        let left = plan.held.iter().filter(|held| held.why == HeldBecause::DriftLeft).count();
        let unreadable =
            plan.notes.iter().filter(|note| matches!(note, Note::Unreadable { origin: Some(_), .. })).count();
        let counted = listed + left + unreadable + plan.blocked.len();
        let summary = plan.summary;
        prop_assert_eq!(counted as u64 + summary.unchanged + summary.missing, world.desired.len() as u64);
        prop_assert_eq!(summary.enable + summary.disable, plan.changes.len() as u64);
        prop_assert_eq!(summary.blocked, plan.blocked.len() as u64);
    }

    #[test]
    fn the_same_arguments_make_the_same_plan(world in worlds()) {
        let mut shuffled = world.clone();
        shuffled.accounts.reverse();
        prop_assert_eq!(world.plan(), shuffled.plan());
    }

    #[test]
    fn everything_waits_or_nothing_does_when_all_is_to_wait(mut world in worlds()) {
        world.policy.on_blocked = OnBlocked::All;
        let plan = world.plan();
        let waits = plan.changes.iter().filter(|planned| planned.waits).count();
        prop_assert_eq!(waits, if plan.is_guarded() { plan.changes.len() } else { 0 });
    }
}
