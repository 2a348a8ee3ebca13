use std::time::Duration;

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::*;
use crate::engine::window::Windows;
use crate::name::Glob;
use crate::plan::policy::{Action, Drift, Limits, Missing, OnBlocked, Profile, RestartPolicy, Unlisted};
use crate::plan::{Cause, PlanId, plan};
use crate::services::Instance;

fn listing(text: &str) -> Desired {
    desired::read(vec![SourceFile { path: "users.yaml".to_owned(), bytes: text.as_bytes().to_vec() }])
        .unwrap()
}

fn policy() -> Policy {
    let zone = TimeZone::get("Asia/Taipei").unwrap();
    Policy {
        target: "mail".to_owned(),
        unlisted: Unlisted::Keep,
        missing: Missing::Report,
        ignored: vec![Glob::new("health*")],
        protected: vec![Glob::new("ceo@x")],
        drift: Drift::default(),
        guards: Limits { first_contact: false, ..Limits::default() },
        on_blocked: OnBlocked::All,
        timezone: zone.clone(),
        own_store: false,
        service: Profile {
            key: "{\"restart\":[\"./restart\",\"--token=hunter2\"]}".to_owned(),
            name: "dovecot".to_owned(),
            action: Action::Restart,
            instances: vec![Instance::local("dovecot")],
        },
        restart: RestartPolicy::default(),
        windows: Windows::new(&[], zone),
        refresh: Duration::from_mins(1),
    }
}

fn now() -> Now {
    Now { mono: Duration::ZERO, wall: "2026-08-22T12:00:00Z".parse().unwrap() }
}

fn live() -> Live {
    let account = |id: &str, name: &str, aliases: &[&str], state| Account {
        id: AccountId::new(id),
        name: name.to_owned(),
        aliases: aliases.iter().map(|&alias| alias.to_owned()).collect(),
        state,
    };
    let on = State::Is(Access::Enabled);
    Live::new(vec![
        account("1", "al@x", &["al", "a@x"], on.clone()),
        account("bo@x", "bo@x", &[], on.clone()),
        account("health1", "health1", &[], on),
        account("odd@x", "odd@x", &[], State::Unreadable("flag is NULL".to_owned())),
        account("mix@x", "mix@x", &[], State::Mixed),
    ])
    .unwrap()
}

fn memory() -> Memory {
    Memory {
        applied: Some(Applied {
            desired: listing("pop3:\n  al@x: disabled\n  bo@x: enabled\n  x@x: enabled\n"),
            at: "2026-08-20T12:00:00Z".parse().unwrap(),
            except: BTreeSet::from(["x@x".to_owned()]),
            accepted: BTreeSet::new(),
        }),
        bindings: BTreeMap::from([("al@x".to_owned(), AccountId::new("1"))]).into(),
        counts: Some(Counts { total: 4, enabled: 2, disabled: 0, mixed: 1, unreadable: 1 }),
        approvals: vec![Approval {
            plan: PlanId::from_text("0123456789ab"),
            changes: BTreeSet::from([(AccountId::new("1"), Access::Disabled)]),
            doubted: None,
            by: "root".to_owned(),
            reason: "CHG-1".to_owned(),
            until: "2026-08-23T12:00:00Z".parse().unwrap(),
        }],
        recent: vec![("2026-08-22T11:30:00Z".parse().unwrap(), Access::Disabled)],
        doubtful: [(AccountId::new("eve"), ("2026-08-22T11:31:00Z".parse().unwrap(), Access::Enabled))]
            .into(),
        contact: true,
        clock_jumped: false,
        not_effective: vec![Note::NotEffective {
            service: "dovecot".to_owned(),
            names: vec!["z@x".to_owned()],
        }],
        rules: Some(policy().rules()),
    }
}

fn taken() -> Snapshot {
    let good = listing("pop3:\n  al@x: disabled\n  bo@x: disabled\n");
    Snapshot::take("sqlite users.db".to_owned(), &policy(), &live(), &memory(), Some(&good), now())
}

#[test]
fn planning_against_a_snapshot_is_planning_against_the_store() {
    let restored = Snapshot::read(&taken().write()).unwrap().restore().unwrap();
    for text in
        ["pop3: {}\n", "pop3:\n  al: disabled\n  bo@x: disabled\n  mix@x: enabled\n  new@x: disabled\n"]
    {
        let desired = listing(text);
        let direct = plan(&desired, &live(), &memory(), &policy(), now());
        let policy = &restored.policy;
        assert_eq!(plan(&desired, &restored.live, &restored.memory, policy, now()), direct, "{text}");
    }
    let drift =
        plan(&listing("pop3:\n  al@x: disabled\n"), &restored.live, &restored.memory, &policy(), now());
    assert!(matches!(drift.changes[0].change.cause, Cause::Drift(_)), "it knows what was satisfied");
}

#[test]
fn a_snapshot_says_what_waits_and_holds_no_argument_of_a_command() {
    let text = taken().write();
    assert!(!text.contains("hunter2"), "{text}");
    let json: Value = serde_json::from_str(&text).unwrap();
    let pending: Vec<_> = json["pending"].as_array().unwrap().iter().map(|row| &row["name"]).collect();
    assert_eq!(pending, ["al@x", "bo@x"]);
    assert_eq!(json["counts"]["total"], 4, "ignored accounts do not count");
    assert_eq!(json["accounts"][1], json!({ "id": "bo@x", "state": { "is": "enabled" } }));
}

#[test]
fn a_snapshot_that_was_cut_off_is_never_taken_for_a_whole_one() {
    let text = taken().write();
    for end in 1..text.trim_end().len() {
        let Some(part) = text.get(..end) else { continue };
        let error = Snapshot::read(part).unwrap_err();
        assert!(matches!(error, SnapshotError::Truncated(_)), "{end}: {error}");
    }
}

#[test]
fn what_is_no_snapshot_and_what_is_from_the_future_are_told_apart() {
    let mut json: Value = serde_json::from_str(&taken().write()).unwrap();
    assert!(matches!(Snapshot::read(""), Err(SnapshotError::NotJson(_))));
    assert!(matches!(Snapshot::read("pop3:\n  a: enabled\n"), Err(SnapshotError::NotJson(_))));
    for other in [
        "{}",
        "[]",
        "5",
        "{\"format_version\": \"1.0\"}",
        "{\"kind\": \"plan\", \"format_version\": \"1.0\"}",
    ] {
        assert_eq!(Snapshot::read(other), Err(SnapshotError::NotASnapshot), "{other}");
    }
    json["format_version"] = json!("1.7");
    json["later"] = json!("ignored");
    assert!(Snapshot::read(&json.to_string()).is_ok(), "a minor version only adds fields");
    json["format_version"] = json!("2.0");
    assert_eq!(Snapshot::read(&json.to_string()), Err(SnapshotError::Version("2.0".to_owned())));
    json["format_version"] = json!("1.0");
    json["accounts"] = json!("none");
    assert!(matches!(Snapshot::read(&json.to_string()), Err(SnapshotError::Damaged(_))));
}

#[test]
fn a_snapshot_that_contradicts_itself_is_damaged() {
    let damage: [fn(&mut Value); 4] = [
        |json| json["memory"]["applied"]["files"][0]["text"] = json!("pop3:\n  al@x: enabled\n"),
        |json| json["accounts"][1]["id"] = json!("1"),
        |json| json["policy"]["windows"]["writes"]["edges"] = json!([5, 3]),
        |json| json["policy"]["windows"]["writes"]["edges"] = json!([5]),
    ];
    for damage in damage {
        let mut json: Value = serde_json::from_str(&taken().write()).unwrap();
        damage(&mut json);
        let read = Snapshot::read(&json.to_string()).and_then(Snapshot::restore);
        assert!(matches!(read, Err(SnapshotError::Damaged(_))), "{read:?}");
    }
}
