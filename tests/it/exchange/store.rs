//! The store: the contract, and what is peculiar to Exchange.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use popgate::model::{Access, AccountId, Fault, Live, Match, Outcome, State};
use popgate::plan::Change;
use popgate::stores::exchange::{ExchangeStore, Organisation, Scope, open};
use popgate::stores::{Reader as _, StoreError, Wanted, Writer};
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};

use super::endpoint;
use crate::contract::{World, change, contract};
use crate::world::exchange::Exchange;

use Access::{Disabled, Enabled};

/// A double, and the store on it.
struct Organised {
    double: Exchange,
    store: ExchangeStore,
}

impl Organised {
    fn start(scenario: &Json) -> Self {
        Self::with(scenario, |_| ())
    }

    fn with(scenario: &Json, settings: impl FnOnce(&mut Organisation)) -> Self {
        let double = Exchange::start(scenario);
        let mut organisation = Organisation::new(endpoint(&double));
        settings(&mut organisation);
        let store = open(organisation);
        Self { double, store }
    }

    async fn read(&self) -> Result<Live, StoreError> {
        self.store.read().await
    }

    /// Returns the GUID of a mailbox, by any of its names.
    fn guid(&self, name: &str) -> AccountId {
        let found = self.double.control("/mailbox", &json!({"of": name, "set": {}}));
        AccountId::new(found["guid"].as_str().unwrap())
    }

    fn change(&self, name: &str, to: Access) -> Change {
        let from = if to == Enabled { Disabled } else { Enabled };
        Change { account: self.guid(name), ..change(name, State::Is(from), to) }
    }
}

/// A GUID that belongs to a name, whether or not there is such a mailbox.
fn guid_of(name: &str) -> String {
    let hash = Sha256::digest(name.as_bytes());
    uuid::Uuid::from_slice(&hash[..16]).unwrap().to_string()
}

#[async_trait]
impl World for Organised {
    fn store(&self) -> &dyn Writer {
        &self.store
    }

    async fn put(&self, accounts: &[(String, State)]) {
        let there = self.dump().await;
        for (name, state) in accounts {
            let pop = state.is(Enabled);
            let guid = guid_of(name);
            if there.contains_key(name) {
                self.double.control("/mailbox", &json!({"of": guid, "set": {"pop": pop}}));
            } else {
                let alias = &guid[..8];
                let mailbox = json!({"name": name, "alias": alias, "guid": guid, "pop": pop});
                self.double.control("/mailbox", &json!({"add": mailbox}));
            }
        }
    }

    async fn delete(&self, name: &str) {
        self.double.control("/mailbox", &json!({"of": guid_of(name), "remove": true}));
    }

    async fn dump(&self) -> BTreeMap<String, String> {
        let state = self.double.state();
        let mailboxes = state["mailboxes"].as_object().unwrap().values();
        mailboxes.map(|mailbox| (mailbox["name"].as_str().unwrap().to_owned(), mailbox.to_string())).collect()
    }

    fn id(&self, name: &str) -> AccountId {
        AccountId::new(guid_of(name))
    }

    fn mixes(&self) -> bool {
        false
    }

    fn creates(&self) -> bool {
        false
    }
}

#[tokio::test]
async fn exchange_keeps_the_contract() {
    contract(async || Organised::start(&json!({}))).await;
}

#[tokio::test]
async fn exchange_without_select_object_keeps_the_contract() {
    contract(async || Organised::start(&json!({"hidden_cmdlets": ["Select-Object"]}))).await;
}

#[tokio::test]
async fn a_mailbox_resolves_by_every_name_it_has() {
    let organised = Organised::start(&json!({"mailboxes": [
        {"name": "Alice", "display_name": "Alice Example", "alias": "ally", "sam": "asmith", "upn": "a.smith@contoso.example",
         "smtp": "alice@contoso.example", "addresses": ["old.alice@contoso.example"], "ou": "Sales"},
        {"name": "Bob", "display_name": "Twin"}, {"name": "Carol", "display_name": "Twin"},
    ]}));
    let wanted = Wanted {
        names: ["ally", "A.Smith@contoso.example", "nobody", "*", " ", "Twin"].map(str::to_owned).to_vec(),
        ..Wanted::default()
    };
    let live = organised.store.read_for(&wanted).await.unwrap();
    let alice = organised.guid("Alice");
    for name in [
        alice.as_str(),
        "alice",
        "ALICE EXAMPLE",
        "alice@contoso.example",
        "old.alice@contoso.example",
        "CN=Alice,OU=Sales,DC=contoso,DC=example",
        "contoso.example/Sales/Alice",
        "CONTOSO\\asmith",
        "ally",
        "a.smith@contoso.example",
    ] {
        assert!(matches!(live.resolve(name), Match::One(found) if found.id == alice.as_str()), "{name}");
    }
    assert!(matches!(live.resolve("twin"), Match::Many(both) if both.len() == 2));
    assert_eq!(live.resolve("nobody"), Match::None);
    assert_eq!(live.get(&alice).unwrap().name, "alice@contoso.example");
    assert_eq!(organised.double.state()["open_shells"], 0);
}

#[tokio::test]
async fn a_name_that_was_looked_up_once_is_not_looked_up_again() {
    let organised =
        Organised::start(&json!({"mailboxes": [{"name": "Alice", "alias": "ally"}, {"name": "Bob"}]}));
    let mut wanted = Wanted { names: vec!["ally".into()], ..Wanted::default() };
    let live = organised.store.read_for(&wanted).await.unwrap();
    let Match::One(alice) = live.resolve("ally") else { panic!() };
    let alice = alice.account_id();
    Arc::make_mut(&mut wanted.bindings).insert("ally".into(), alice.clone());
    // The alias goes to somebody else; the entry stays with whom it meant.
    organised.double.control("/mailbox", &json!({"of": "Alice", "set": {"alias": "alice2"}}));
    organised.double.control("/mailbox", &json!({"of": "Bob", "set": {"alias": "ally"}}));
    organised.double.control("/reset", &json!({}));
    let live = organised.store.read_for(&wanted).await.unwrap();
    assert!(matches!(live.resolve("ally"), Match::One(found) if found.id == alice.as_str()));
    // One for the mailboxes, one for popgate's own account.
    assert_eq!(organised.double.state()["cmdlets"]["Get-CASMailbox"], 2);
}

#[tokio::test]
async fn a_list_that_was_cut_off_is_an_error() {
    let organised = Organised::start(&json!({"generate": 1_500}));
    organised.double.fault(&json!({"kind": "truncate", "at": 1_000, "cmdlet": "Get-CASMailbox"}));
    let error = organised.read().await.unwrap_err();
    assert!(error.what.contains("stopped after 1000"), "{error}");
    assert_eq!(organised.read().await.unwrap().len(), 1_500);
    // Whatever language the warning is in.
    let words = "Standardmäßig werden nur die ersten 1000 Elemente zurückgegeben.";
    organised
        .double
        .fault(&json!({"kind": "truncate", "at": 1_000, "words": words, "cmdlet": "Get-CASMailbox"}));
    let error = organised.read().await.unwrap_err();
    assert!(error.what.contains("stopped after 1000: Standard"), "{error}");
    // Or without a word: an entry that the list lacks is known all the same.
    let silent = json!({"kind": "truncate", "at": 1_000, "words": "", "cmdlet": "Get-CASMailbox"});
    organised.double.fault(&silent);
    let wanted = Wanted { names: vec!["user01400@contoso.example".into()], ..Wanted::default() };
    let error = organised.store.read_for(&wanted).await.unwrap_err();
    assert!(error.what.contains("listed just 1000, and `user01400@contoso.example`"), "{error}");
}

#[tokio::test]
async fn a_corrupted_mailbox_is_noted_and_the_others_are_read() {
    let organised = Organised::start(&json!({"mailboxes": [
        {"name": "Alice"}, {"name": "Bad 'un", "corrupted": true}, {"name": "Bob", "pop": false},
    ]}));
    let live = organised.read().await.unwrap();
    let state = |name: &str| live.get(&organised.guid(name)).unwrap().state.clone();
    assert_eq!((state("Alice"), state("Bob")), (State::Is(Enabled), State::Is(Disabled)));
    assert!(matches!(state("Bad 'un"), State::Unreadable(why) if why.contains("corrupted")));
    let outcomes = organised.store.write(&[organised.change("Bad 'un", Disabled)]).await;
    assert!(matches!(outcomes[..], [Outcome::NotApplied(_)]), "{outcomes:?}");
}

#[tokio::test]
async fn each_failure_is_its_own_outcome_and_hides_none_of_the_others() {
    let organised = Organised::start(&json!({"mailboxes": [
        {"name": "Alice"}, {"name": "Out", "out_of_scope": true}, {"name": "Denied", "denied": true}, {"name": "Gone"},
        {"name": "Odd"}, {"name": "Zoë"}, {"name": "Administrator", "alias": "Administrator"},
        {"name": "HealthMailbox12", "alias": "HealthMailbox12"}, {"name": "Already", "pop": false},
    ]}));
    let names =
        ["Alice", "Out", "Denied", "Gone", "Odd", "Zoë", "Administrator", "HealthMailbox12", "Already"];
    let changes: Vec<Change> = names.iter().map(|name| organised.change(name, Disabled)).collect();
    let of = |name: &str| organised.guid(name).as_str().to_owned();
    organised
        .double
        .fault(&json!({"kind": "error", "cmdlet": "Set-CASMailbox", "identity": of("Odd"), "times": 9,
        "exception": "WeirdException", "message": "Nobody knows."}));
    organised.double.control("/mailbox", &json!({"of": "Gone", "remove": true}));
    let outcomes = organised.store.write(&changes).await;
    let expected = [
        Outcome::Done,
        Outcome::NotApplied(Fault::Denied),
        Outcome::NotApplied(Fault::Denied),
        Outcome::Missing,
        Outcome::NotApplied(Fault::Invalid),
        Outcome::Done,
        Outcome::NotApplied(Fault::Denied),
        Outcome::NotApplied(Fault::Denied),
        Outcome::Already,
    ];
    for ((name, outcome), expected) in names.iter().zip(&outcomes).zip(&expected) {
        // The odd one has no name in its error, and is told apart alone.
        assert_eq!(outcome, expected, "{name}");
    }
    assert_eq!(organised.double.state()["open_shells"], 0);
}

#[tokio::test]
async fn whoever_is_asked_to_wait_is_not_asked_again_at_once() {
    let organised = Organised::start(&json!({"mailboxes": [{"name": "Alice"}, {"name": "Slow"}]}));
    let throttled = "The user load quota of 10 requests per 10 seconds has been exceeded. The next request from this user \
                     will not be approved for at least 1200 milliseconds";
    let slow = organised.guid("Slow");
    organised.double.fault(&json!({"kind": "error", "cmdlet": "Set-CASMailbox", "identity": slow.as_str(),
        "exception": "OverBudgetException", "message": throttled}));
    let outcomes =
        organised.store.write(&["Alice", "Slow"].map(|name| organised.change(name, Disabled))).await;
    let wait = Fault::Transient { retry_after: Some(Duration::from_millis(1200)) };
    assert_eq!(outcomes, [Outcome::Done, Outcome::NotApplied(wait)]);
    // The front end throttles as well, before there is a session.
    organised.double.fault(&json!({"kind": "throttle", "wait_ms": 90_000}));
    let error = organised.read().await.unwrap_err();
    assert_eq!(error.fault, Fault::Transient { retry_after: Some(Duration::from_secs(90)) }, "{error}");
    // A short pause is granted by the read itself.
    organised.double.control("/reset", &json!({}));
    organised.double.fault(&json!({"kind": "throttle", "wait_ms": 900}));
    assert!(organised.read().await.is_ok());
    let requests = organised.double.events("request");
    let at = |place: usize| requests[place]["at"].as_f64().unwrap();
    assert!(at(1) - at(0) >= 0.9, "{requests:?}");
}

#[tokio::test]
async fn without_its_role_a_write_is_denied_and_a_read_says_what_is_missing() {
    let organised =
        Organised::start(&json!({"generate": 2, "hidden_parameters": ["Set-CASMailbox:PopEnabled"]}));
    let outcomes = organised.store.write(&[organised.change("User 00000", Disabled)]).await;
    assert_eq!(outcomes, [Outcome::NotApplied(Fault::Denied)]);
    organised.double.control("/world", &json!({"hidden_cmdlets": ["Get-CASMailbox"]}));
    let error = organised.read().await.unwrap_err();
    assert_eq!(error.fault, Fault::Denied);
    assert!(
        error.what.contains("Get-CASMailbox") && error.help.unwrap().contains("Mail Recipients"),
        "{}",
        error.what
    );
}

#[tokio::test]
async fn all_disabling_is_done_before_the_first_enabling_and_sessions_stay_within_their_number() {
    let organised = Organised::start(&json!({"generate": 800, "session_limit": 4}));
    let changes: Vec<Change> = (0..800)
        .map(|number| {
            organised.change(&format!("User {number:05}"), if number % 2 == 0 { Disabled } else { Enabled })
        })
        .collect();
    organised.double.control("/reset", &json!({}));
    let outcomes = organised.store.write(&changes).await;
    assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Done), "{outcomes:?}");
    let writes: Vec<bool> =
        organised.double.events("set").iter().map(|event| event["pop"].as_bool().unwrap()).collect();
    assert_eq!(writes.len(), 800);
    assert!(writes.is_sorted(), "an enabling came before the last disabling");
    let state = organised.double.state();
    assert_eq!((&state["most_sessions"], &state["open_shells"]), (&json!(4), &json!(0)));
}

#[tokio::test]
async fn fewer_sessions_than_wanted_are_enough() {
    let organised = Organised::start(&json!({"generate": 400, "session_limit": 1}));
    let changes: Vec<Change> =
        (0..200).map(|number| organised.change(&format!("User {:05}", number * 2), Disabled)).collect();
    let outcomes = organised.store.write(&changes).await;
    assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Done), "{outcomes:?}");
    organised.double.control("/world", &json!({"session_limit": 0}));
    let outcomes = organised.store.write(&changes[..1]).await;
    assert!(matches!(outcomes[..], [Outcome::NotApplied(Fault::Transient { .. })]), "{outcomes:?}");
    let error = organised.read().await.unwrap_err();
    assert!(error.help.unwrap().contains("sessions"), "{}", error.what);
}

#[tokio::test]
async fn a_server_that_goes_in_the_middle_of_a_chunk_leaves_nothing_called_done_that_is_not() {
    let organised = Organised::with(&json!({"generate": 20}), |organisation| organisation.sessions = 1);
    let changes: Vec<Change> =
        (0..10).map(|number| organised.change(&format!("User {:05}", number * 2), Disabled)).collect();
    organised.double.fault(&json!({"kind": "gone", "after": 4}));
    let outcomes = organised.store.write(&changes).await;
    assert!(outcomes.contains(&Outcome::Unknown), "{outcomes:?}");
    assert!(
        !outcomes.iter().any(|outcome| matches!(outcome, Outcome::Missing | Outcome::NotApplied(_))),
        "{outcomes:?}"
    );
    // It comes back, and a read decides.
    organised.double.control("/server", &json!({"of": "EX01", "down": false}));
    let live = organised.read().await.unwrap();
    let left: Vec<Change> = changes
        .iter()
        .filter(|change| !live.get(&change.account).unwrap().state.is(Disabled))
        .cloned()
        .collect();
    assert!(!left.is_empty() && left.len() < changes.len());
    let outcomes = organised.store.write(&left).await;
    assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Done), "{outcomes:?}");
}

#[tokio::test]
async fn a_mailbox_that_is_renamed_between_plan_and_apply_is_still_the_one() {
    let organised = Organised::start(&json!({"mailboxes": [{"name": "Alice"}, {"name": "Bob"}]}));
    let changes = [organised.change("Alice", Disabled)];
    organised
        .double
        .control("/mailbox", &json!({"of": "Alice", "set": {"name": "Alicia", "display_name": "Alicia"}}));
    organised
        .double
        .control("/mailbox", &json!({"of": "Bob", "set": {"name": "Alice", "display_name": "Alice"}}));
    assert_eq!(organised.store.write(&changes).await, [Outcome::Done]);
    assert!(organised.double.pop("bob@contoso.example"), "somebody of that name now is not meant");
}

#[tokio::test]
async fn reads_and_writes_keep_to_one_controller_and_take_another_when_it_dies() {
    let organised = Organised::start(&json!({"generate": 4, "replication_delay": 3600}));
    let change = organised.change("User 00000", Disabled);
    let live = organised.read().await.unwrap();
    assert_eq!(live.servers().unwrap().by_domain["contoso.example"], "dc01.contoso.example");
    assert_eq!(organised.store.write(std::slice::from_ref(&change)).await, [Outcome::Done]);
    assert!(organised.read().await.unwrap().get(&change.account).unwrap().state.is(Disabled));
    organised.double.control("/controller", &json!({"name": "dc01", "down": true}));
    let live = organised.read().await.unwrap();
    let servers = live.servers().unwrap().by_domain.clone();
    assert_eq!(servers["contoso.example"], "dc02.contoso.example");
    assert!(live.get(&change.account).unwrap().state.is(Enabled), "the other one has not heard of it yet");
    // A new process remembers.
    let again = open(Organisation::new(endpoint(&organised.double)));
    organised.double.control("/controller", &json!({"name": "dc01", "down": false}));
    let wanted = Wanted { controllers: servers.clone(), ..Wanted::default() };
    let live = again.read_for(&wanted).await.unwrap();
    assert_eq!(live.servers().unwrap().by_domain, servers);
}

#[tokio::test]
async fn a_forest_is_read_domain_by_domain_and_a_unit_alone() {
    let scenario = json!({
        "domains": [
            {"dns": "contoso.example", "controllers": [{"name": "dc01"}]},
            {"dns": "fabrikam.example", "netbios": "FAB", "controllers": [{"name": "dc11"}, {"name": "dc12"}]},
        ],
        "mailboxes": [
            {"name": "Alice", "ou": "Sales"}, {"name": "Bob"},
            {"name": "Carol", "domain": "fabrikam.example", "sam": "carol", "alias": "cc"},
        ],
    });
    let organised = Organised::with(&scenario, |organisation| organisation.scope = Scope::Forest);
    let wanted = Wanted { names: vec!["FAB\\carol".into(), "cc".into()], ..Wanted::default() };
    let live = organised.store.read_for(&wanted).await.unwrap();
    assert_eq!(live.len(), 3);
    for name in ["cc", "fab\\carol"] {
        assert!(
            matches!(live.resolve(name), Match::One(found) if found.id == organised.guid("Carol").as_str()),
            "{name}"
        );
    }
    // The short name of this domain is not what it looks like, so the look-up that proved it did not.
    assert_eq!(live.resolve("FABRIKAM\\carol"), Match::None);
    let changes = ["Alice", "Carol"].map(|name| organised.change(name, Disabled));
    assert_eq!(organised.store.write(&changes).await, [Outcome::Done, Outcome::Done]);
    // A process that has not read yet looks in each domain.
    let mut organisation = Organisation::new(endpoint(&organised.double));
    organisation.scope = Scope::Forest;
    let changes =
        ["Bob", "Carol"].map(|name| organised.change(name, if name == "Bob" { Disabled } else { Enabled }));
    assert_eq!(open(organisation).write(&changes).await, [Outcome::Done, Outcome::Done]);

    let unit = Organised::with(&scenario, |organisation| {
        organisation.scope = Scope::Unit("contoso.example/Sales".into());
    });
    let live = unit.read().await.unwrap();
    assert_eq!(live.iter().map(|account| account.name).collect::<Vec<_>>(), ["alice@contoso.example"]);
    let wrong = Organised::with(&scenario, |organisation| {
        organisation.scope = Scope::Unit("contoso.example/Slaes".into());
    });
    let error = wrong.read().await.unwrap_err();
    assert!(error.help.as_deref().unwrap().contains("`scope`"), "{error:?}");
}

#[tokio::test]
async fn the_account_popgate_runs_as_is_never_written() {
    let organised = Organised::start(
        &json!({"mailboxes": [{"name": "Service", "sam": "svc-popgate"}, {"name": "Alice"}]}),
    );
    organised.read().await.unwrap();
    let changes = ["Service", "Alice"].map(|name| organised.change(name, Disabled));
    assert_eq!(organised.store.write(&changes).await, [Outcome::NotApplied(Fault::Denied), Outcome::Done]);
}
