//! What every store promises, as one suite that each store passes against the real thing.
//!
//! A store comes as a [`World`]: a fresh system, the store on it, and a way to change the system behind popgate's
//! back. Every case makes changes, applies them, and reads what the system then holds.

use std::collections::BTreeMap;

use async_trait::async_trait;
use popgate::model::{Access, AccountId, Fault, Live, Outcome, Severity, State};
use popgate::plan::{Cause, Change};
use popgate::stores::Writer;

use Access::{Disabled, Enabled};

/// A fresh live system without any account.
#[async_trait]
pub(crate) trait World: Send + Sync {
    /// The store under test.
    fn store(&self) -> &dyn Writer;

    /// Adds accounts, or sets those that are there, without the store.
    async fn put(&self, accounts: &[(String, State)]);

    /// Deletes an account without the store.
    async fn delete(&self, name: &str);

    /// Returns everything that the system holds of each account, also what popgate has no business with.
    async fn dump(&self) -> BTreeMap<String, String>;

    /// The id under which the store knows the account of this name, whether or not it is there.
    fn id(&self, name: &str) -> AccountId {
        AccountId::new(name)
    }

    /// Whether an account holds several flags, which can disagree.
    fn mixes(&self) -> bool;

    /// Whether the store creates accounts that are missing.
    fn creates(&self) -> bool;
}

/// Runs every case, each in a world of its own.
pub(crate) async fn contract<W: World>(make: impl AsyncFn() -> W) {
    an_empty_system_reads_as_no_accounts(&make().await).await;
    what_is_written_is_read_back_and_a_second_apply_finds_nothing(&make().await).await;
    outcomes_come_in_the_order_of_the_changes(&make().await).await;
    who_was_faster_is_not_written_over(&make().await).await;
    a_deleted_account_is_missing_and_stays_so(&make().await).await;
    odd_names_are_only_names(&make().await).await;
    many_accounts_go_through_many_chunks_and_others_stay(&make().await).await;
    a_preflight_finds_nothing_wrong_and_changes_nothing(&make().await).await;
    let world = make().await;
    if world.mixes() {
        flags_that_disagree_are_repaired(&world).await;
    }
    let world = make().await;
    if world.creates() {
        a_missing_account_is_created_once(&world).await;
    } else {
        a_missing_account_is_never_created(&world).await;
    }
}

async fn an_empty_system_reads_as_no_accounts(world: &impl World) {
    assert!(read(world).await.is_empty());
    assert_eq!(world.store().write(&[]).await, []);
}

async fn what_is_written_is_read_back_and_a_second_apply_finds_nothing(world: &impl World) {
    put(world, [("a@x", Enabled), ("b@x", Disabled), ("c@x", Enabled)]).await;
    let wanted = wants([("a@x", Disabled), ("b@x", Enabled), ("c@x", Enabled)]);
    assert_eq!(apply(world, &wanted).await, [Outcome::Done, Outcome::Done]);
    for (name, access) in &wanted {
        assert_eq!(state(world, name).await, State::Is(*access), "{name}");
    }
    assert_eq!(apply(world, &wanted).await, []);
    // The same changes sent again, as after a crash.
    let before = world.dump().await;
    let again =
        [of(world, "a@x", State::Is(Enabled), Disabled), of(world, "b@x", State::Is(Disabled), Enabled)];
    assert_eq!(world.store().write(&again).await, [Outcome::Already, Outcome::Already]);
    assert_eq!(world.dump().await, before);
}

async fn outcomes_come_in_the_order_of_the_changes(world: &impl World) {
    put(world, [("a@x", Enabled), ("b@x", Disabled), ("d@x", Disabled), ("e@x", Enabled)]).await;
    let changes = [
        of(world, "e@x", State::Is(Enabled), Disabled),
        of(world, "b@x", State::Is(Enabled), Disabled),
        of(world, "c@x", State::Is(Enabled), Disabled),
        of(world, "a@x", State::Is(Enabled), Disabled),
        of(world, "d@x", State::Is(Disabled), Enabled),
    ];
    let expected = [Outcome::Done, Outcome::Already, Outcome::Missing, Outcome::Done, Outcome::Done];
    assert_eq!(world.store().write(&changes).await, expected);
}

async fn who_was_faster_is_not_written_over(world: &impl World) {
    put(world, [("a@x", Enabled), ("b@x", Enabled)]).await;
    // Between plan and write somebody disabled `a`; the plan saw `b` disabled, which it is not.
    put(world, [("a@x", Disabled)]).await;
    let before = world.dump().await;
    let outcomes = world.store().write(&[of(world, "a@x", State::Is(Enabled), Disabled)]).await;
    assert_eq!(outcomes, [Outcome::Already]);
    assert_eq!(world.dump().await, before);
    if world.mixes() {
        world.put(&[("b@x".to_owned(), State::Mixed)]).await;
        let before = world.dump().await;
        let outcomes = world.store().write(&[of(world, "b@x", State::Is(Enabled), Disabled)]).await;
        assert_eq!(outcomes, [Outcome::NotApplied(Fault::TRANSIENT)]);
        put(world, [("a@x", Enabled)]).await;
        let outcomes = world.store().write(&[of(world, "a@x", State::Mixed, Disabled)]).await;
        assert_eq!(outcomes, [Outcome::NotApplied(Fault::TRANSIENT)]);
        put(world, [("a@x", Disabled)]).await;
        assert_eq!(world.dump().await, before);
    }
}

async fn a_deleted_account_is_missing_and_stays_so(world: &impl World) {
    put(world, [("a@x", Enabled), ("b@x", Enabled)]).await;
    world.delete("a@x").await;
    let changes =
        [of(world, "a@x", State::Is(Enabled), Disabled), of(world, "b@x", State::Is(Enabled), Disabled)];
    assert_eq!(world.store().write(&changes).await, [Outcome::Missing, Outcome::Done]);
    assert_eq!(state(world, "a@x").await, State::Missing);
}

async fn odd_names_are_only_names(world: &impl World) {
    let names = [
        "björn@contoso.example",
        "李雷@例子.example",
        "👩‍🚀 crew",
        "o'brien@x",
        "\"quoted\"@x",
        "100%@x",
        "under_score@x",
        "semi;colon@x",
        "x'; DROP TABLE mailbox; --",
        "-- comment",
        "back\\slash",
        "?1 :a @b $c",
        "John Smith",
        "null",
        "0042",
        "1e3",
        "a",
        "A",
    ];
    put(world, names.map(|name| (name, Enabled))).await;
    let wanted: BTreeMap<_, _> = names.iter().map(|name| ((*name).to_owned(), Disabled)).collect();
    let other = ("untouched%".to_owned(), State::Is(Enabled));
    world.put(std::slice::from_ref(&other)).await;
    assert_eq!(apply(world, &wanted).await, vec![Outcome::Done; names.len()]);
    let live = read(world).await;
    assert_eq!(live.len(), names.len() + 1);
    for name in names {
        assert_eq!(found(world, &live, name), State::Is(Disabled), "{name}");
    }
    assert_eq!(found(world, &live, &other.0), other.1);
}

async fn many_accounts_go_through_many_chunks_and_others_stay(world: &impl World) {
    const ALL: usize = 2_500;
    let name = |number: usize| format!("user{number:04}@x");
    let at_first = |number: usize| if number.is_multiple_of(3) { Disabled } else { Enabled };
    let accounts: Vec<_> = (0..ALL).map(|number| (name(number), State::Is(at_first(number)))).collect();
    world.put(&accounts).await;
    let before = world.dump().await;
    let wanted: BTreeMap<_, _> = (0..ALL)
        .filter(|number| !number.is_multiple_of(7))
        .map(|number| (name(number), if number.is_multiple_of(2) { Enabled } else { Disabled }))
        .collect();
    let outcomes = apply(world, &wanted).await;
    assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Done));
    let (live, after) = (read(world).await, world.dump().await);
    assert_eq!((live.len(), after.len()), (ALL, ALL));
    let mut changed = 0;
    for number in 0..ALL {
        let name = name(number);
        let access = wanted.get(&name).copied().unwrap_or(at_first(number));
        assert_eq!(found(world, &live, &name), State::Is(access), "{name}");
        if access == at_first(number) {
            assert_eq!(after[&name], before[&name], "{name} had no business in any chunk");
        } else {
            changed += 1;
        }
    }
    assert_eq!(outcomes.len(), changed);
}

async fn a_preflight_finds_nothing_wrong_and_changes_nothing(world: &impl World) {
    put(world, [("a@x", Enabled)]).await;
    let before = world.dump().await;
    let findings = world.store().preflight().await;
    assert!(!findings.is_empty());
    assert!(findings.iter().all(|finding| finding.severity < Severity::Error), "{findings:?}");
    assert_eq!(world.dump().await, before);
    assert!(!world.store().name().is_empty());
    assert!(world.store().chunk_size() > 0);
}

async fn flags_that_disagree_are_repaired(world: &impl World) {
    world.put(&[("a@x".to_owned(), State::Mixed), ("b@x".to_owned(), State::Mixed)]).await;
    assert_eq!(state(world, "a@x").await, State::Mixed);
    let wanted = wants([("a@x", Disabled), ("b@x", Enabled)]);
    assert_eq!(apply(world, &wanted).await, [Outcome::Done, Outcome::Done]);
    assert_eq!(state(world, "a@x").await, State::Is(Disabled));
    assert_eq!(state(world, "b@x").await, State::Is(Enabled));
}

async fn a_missing_account_is_created_once(world: &impl World) {
    let create =
        [of(world, "New User", State::Missing, Enabled), of(world, "o'neil", State::Missing, Disabled)];
    assert_eq!(world.store().write(&create).await, [Outcome::Done, Outcome::Done]);
    assert_eq!(world.store().write(&create).await, [Outcome::Already, Outcome::Already]);
    assert_eq!(state(world, "New User").await, State::Is(Enabled));
    assert_eq!(state(world, "o'neil").await, State::Is(Disabled));
    // It appeared meanwhile, and is not as wanted: that needs a new plan.
    let late = [of(world, "New User", State::Missing, Disabled)];
    assert_eq!(world.store().write(&late).await, [Outcome::NotApplied(Fault::TRANSIENT)]);
    assert_eq!(read(world).await.len(), 2);
}

async fn a_missing_account_is_never_created(world: &impl World) {
    let outcomes = world.store().write(&[of(world, "a@x", State::Missing, Enabled)]).await;
    assert_eq!(outcomes, [Outcome::Missing]);
    assert!(world.dump().await.is_empty());
}

/// Returns a change as a plan would hold it.
pub(crate) fn change(name: &str, from: State, to: Access) -> Change {
    Change { account: AccountId::new(name), name: name.to_owned(), from, to, cause: Cause::Unlisted }
}

/// Returns a change of the account of this name in a world.
fn of(world: &impl World, name: &str, from: State, to: Access) -> Change {
    Change { account: world.id(name), ..change(name, from, to) }
}

/// Does what a plan does: compares, and writes in chunks what differs.
async fn apply(world: &impl World, wanted: &BTreeMap<String, Access>) -> Vec<Outcome> {
    let live = read(world).await;
    let changes: Vec<Change> = wanted
        .iter()
        .filter_map(|(name, to)| {
            let from = found(world, &live, name);
            (!from.is(*to)).then(|| of(world, name, from, *to))
        })
        .collect();
    let mut outcomes = Vec::new();
    for chunk in changes.chunks(world.store().chunk_size()) {
        let answered = world.store().write(chunk).await;
        assert_eq!(answered.len(), chunk.len());
        outcomes.extend(answered);
    }
    outcomes
}

async fn read(world: &impl World) -> Live {
    world.store().read().await.unwrap_or_else(|error| panic!("{error}: {:?}", error.help))
}

async fn state(world: &impl World, name: &str) -> State {
    found(world, &read(world).await, name)
}

fn found(world: &impl World, live: &Live, name: &str) -> State {
    live.get(&world.id(name)).map_or(State::Missing, |account| account.state.clone())
}

async fn put<const N: usize>(world: &impl World, accounts: [(&str, Access); N]) {
    world.put(&accounts.map(|(name, access)| (name.to_owned(), State::Is(access)))).await;
}

fn wants<const N: usize>(accounts: [(&str, Access); N]) -> BTreeMap<String, Access> {
    accounts.into_iter().map(|(name, access)| (name.to_owned(), access)).collect()
}
