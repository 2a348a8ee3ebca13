use serde_json::{Value, json};

use super::super::sample::at;
use super::*;
use crate::journal::fold::BatchSummary;
use crate::model::Counts;
use crate::services::Instance;

fn shown(status: &Status) -> String {
    let mut out = String::new();
    text(status, &TimeZone::UTC, &mut out).unwrap();
    out
}

fn instance(server: &str, service: &str) -> Instance {
    Instance { server: server.to_owned(), service: service.to_owned() }
}

fn settled_by(proof: Proof) -> Settlement {
    Settlement {
        instance: instance("localhost", "MSExchangePOP3"),
        at: at("2026-08-22T10:03:10Z"),
        proof,
        covers: 7,
        ours: true,
        unconfirmed: false,
        restarted: None,
    }
}

fn converged() -> Status {
    Status {
        live: true,
        targets: vec![TargetStatus {
            name: "onprem".to_owned(),
            digest: Some("abababababab".to_owned()),
            commit: Some("4f2c9a1b0c2d4e5f6071".to_owned()),
            converged: true,
            counts: Some(Counts { total: 1482, enabled: 1400, disabled: 80, mixed: 1, unreadable: 1 }),
            last_batch: Some(BatchSummary {
                batch: 3,
                at: at("2026-08-22T10:02:00Z"),
                done: 40,
                already: 2,
                failed: 0,
            }),
            next_expiry: Some(at("2027-01-01T00:00:00Z")),
            ..TargetStatus::default()
        }],
        services: vec![ServiceStatus {
            name: "MSExchangePOP3".to_owned(),
            settled: vec![settled_by(Proof::NewIdentity { before: "1".to_owned(), now: "4711".to_owned() })],
            ..ServiceStatus::default()
        }],
        ..Status::default()
    }
}

fn owed() -> OwedStatus {
    OwedStatus {
        instance: instance("ex01", "MSExchangePOP3"),
        since: at("2026-08-22T10:02:00Z"),
        due: Some(at("2026-08-22T22:00:00Z")),
        overdue: false,
        accounts: 3,
        not_effective: vec!["bob@x".to_owned(), "kim@x".to_owned()],
        failure: None,
        arriving: None,
    }
}

#[test]
fn all_well_is_one_word_and_then_the_proof() {
    assert_eq!(
        shown(&converged()),
        "\
converged

target onprem: converged
  desired state abababababab, commit 4f2c9a1b0c2d…
  last read: 1,482 accounts, 1,400 with POP3 enabled, 80 disabled, 1 mixed, 1 unreadable
  last batch 3 ended 2026-08-22 10:02:00: 40 changes done, 2 so already
  the next `until` is over 2027-01-01 00:00:00

service MSExchangePOP3
  no restart is owed
  MSExchangePOP3 restarted 2026-08-22 10:03:10: it runs anew as 4711
times are in UTC
"
    );
}

#[test]
fn everything_that_waits_or_fails_is_told() {
    let mut status = converged();
    let target = &mut status.targets[0];
    target.converged = false;
    target.expiring = vec![("scanner@x".to_owned(), jiff::civil::date(2026, 8, 30))];
    target.invalid = Some((at("2026-08-22T10:01:00Z"), 3));
    target.moving = Some(at("2026-08-22T10:01:30Z"));
    target.store = Some("opening users.db: it is locked".to_owned());
    target.plan = Some(PlanStatus {
        id: "0123456789ab".to_owned(),
        enable: 2,
        disable: 1200,
        blocked: 1,
        held: 2,
        drift: 1,
        guards: vec![("max_disable".to_owned(), 1200, 70)],
    });
    target.retrying = 1;
    target.parked = 2;
    status.services[0].owed = vec![OwedStatus { failure: Some("it timed out".to_owned()), ..owed() }];
    status.services[0].unready = vec![(instance("ex02", "MSExchangePOP3"), "no banner".to_owned())];
    status.journal = Some("disk full".to_owned());
    status.suspended = Some(Suspension {
        by: "jo".to_owned(),
        reason: "migration".to_owned(),
        since: at("2026-08-22T09:00:00Z"),
        until: Some(at("2026-08-22T18:00:00Z")),
    });
    assert_eq!(
        shown(&status),
        "\
not converged: 1 restart owed, 1 service not ready, 1 plan blocked, 1 desired state invalid, 1 store failing
the journal cannot be written, so nothing is written to any store: disk full
suspended until 2026-08-22 18:00:00, by jo since 2026-08-22 09:00:00: migration

target onprem
  desired state abababababab, commit 4f2c9a1b0c2d…
  invalid since 2026-08-22 10:01:00: 3 problems, `popgate validate` shows them; the last good state stays
  files keep changing since 2026-08-22 10:01:30
  the store cannot be read: opening users.db: it is locked
  last read: 1,482 accounts, 1,400 with POP3 enabled, 80 disabled, 1 mixed, 1 unreadable
  plan 0123456789ab: 1,200 to disable, 2 to enable
    blocked by max_disable: 1,200, the limit is 70
    to approve it: popgate approve 0123456789ab --reason \"…\"
  1 entry is blocked, `popgate plan` shows why
  2 changes are held back, `popgate plan` shows why
  1 user was changed by hand and left alone, `popgate plan` shows them
  last batch 3 ended 2026-08-22 10:02:00: 40 changes done, 2 so already
  writing failed for 1 account, tried again
  writing failed for 2 accounts, waiting for somebody
  the next `until` is over 2027-01-01 00:00:00
  access ends within 14 days: scanner@x (last day 2026-08-30)

service MSExchangePOP3
  restart of MSExchangePOP3 on ex01 owed since 2026-08-22 10:02:00 for 3 accounts, due 2026-08-22 22:00:00
    the last attempt failed: it timed out
    not effective before 2026-08-22 22:00:00, POP3 still works for bob@x, kim@x
  MSExchangePOP3 on ex02 runs anew and does not serve: no banner
  MSExchangePOP3 restarted 2026-08-22 10:03:10: it runs anew as 4711
times are in UTC
"
    );
}

#[test]
fn a_restart_that_is_owed_says_what_it_waits_for() {
    let line = |live, suspended: bool, owed: OwedStatus| {
        let mut status = converged();
        status.live = live;
        status.suspended = suspended.then(|| Suspension {
            by: "jo".to_owned(),
            reason: "why".to_owned(),
            since: at("2026-08-22T09:00:00Z"),
            until: None,
        });
        status.services[0].owed = vec![owed];
        let text = shown(&status);
        let line = text.lines().find(|line| line.contains("restart of")).unwrap();
        line.split_once("for 3 accounts, ").unwrap().1.to_owned()
    };
    let unscheduled = || OwedStatus { due: None, ..owed() };
    assert_eq!(line(true, false, owed()), "due 2026-08-22 22:00:00");
    assert_eq!(line(true, false, unscheduled()), "waits for a window, or for `popgate restart`");
    assert_eq!(line(true, true, unscheduled()), "waits until writing is resumed");
    assert_eq!(
        line(false, false, unscheduled()),
        "due as soon as `popgate run` or `popgate restart` does it"
    );
    assert_eq!(
        line(true, false, OwedStatus { overdue: true, ..owed() }),
        "overdue, tried again 2026-08-22 22:00:00"
    );
    assert_eq!(line(true, false, OwedStatus { overdue: true, ..unscheduled() }), "overdue");
}

#[test]
fn the_first_line_never_says_converged_when_it_is_not() {
    let first = |status: &Status| shown(status).lines().next().unwrap().to_owned();
    let mut status = converged();
    assert_eq!(first(&status), "converged");
    status.targets[0].converged = false;
    assert_eq!(first(&status), "not converged yet");
    status = converged();
    status.journal = Some("disk full".to_owned());
    assert_eq!(first(&status), "not converged yet");
    status = converged();
    status.live = false;
    assert_eq!(first(&status), "no daemon is running; this is what the journal remembers");
    status.services[0].owed = vec![owed(), owed()];
    assert_eq!(first(&status), "no daemon is running, 2 restarts owed; this is what the journal remembers");
    status.live = true;
    assert_eq!(first(&status), "not converged: 2 restarts owed");
}

#[test]
fn a_restart_that_somebody_else_did_is_told_apart() {
    let line = |proof, ours| settled(&Settlement { ours, ..settled_by(proof) }, &TimeZone::UTC);
    let anew = || Proof::NewIdentity { before: "1".to_owned(), now: "2".to_owned() };
    assert_eq!(line(anew(), true), "MSExchangePOP3 restarted 2026-08-22 10:03:10: it runs anew as 2");
    assert_eq!(
        line(anew(), false),
        "MSExchangePOP3 restarted 2026-08-22 10:03:10, not by popgate: it runs anew as 2"
    );
    assert_eq!(
        line(Proof::Told { by: "jo".to_owned() }, false),
        "MSExchangePOP3 restarted 2026-08-22 10:03:10: jo said so"
    );
    assert_eq!(
        line(Proof::Stopped, false),
        "MSExchangePOP3 needed no restart 2026-08-22 10:03:10: it is stopped, its next start reads the new state"
    );
}

#[test]
fn times_are_shown_in_the_zone_asked_for() {
    let mut out = String::new();
    text(&converged(), &TimeZone::get("Asia/Taipei").unwrap(), &mut out).unwrap();
    assert!(out.contains("restarted 2026-08-22 18:03:10"), "{out}");
    assert!(out.ends_with("times are in Asia/Taipei\n"), "{out}");
}

#[test]
fn what_others_write_starts_no_line() {
    let evil = "e\u{1b}[2J\nconverged\u{202e}";
    let mut status = converged();
    let lines = shown(&status).lines().count();
    status.targets[0].name = evil.to_owned();
    status.targets[0].commit = Some(evil.to_owned());
    status.services[0].name = evil.to_owned();
    status.services[0].settled[0].proof = Proof::Told { by: evil.to_owned() };
    status.services[0].settled[0].instance.server = evil.to_owned();
    let text = shown(&status);
    assert_eq!(text.lines().count(), lines, "{text}");
    assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
}

#[test]
fn the_json_has_every_field_under_a_stable_name() {
    let mut status = converged();
    status.targets[0].invalid = Some((at("2026-08-22T10:01:00Z"), 3));
    status.targets[0].plan = Some(PlanStatus {
        id: "0123456789ab".to_owned(),
        guards: vec![("max_disable".to_owned(), 12, 10)],
        ..PlanStatus::default()
    });
    let arriving = Some(("2 of its accounts are on their way".to_owned(), at("2026-08-22T10:17:00Z")));
    status.services[0].owed = vec![OwedStatus { arriving, ..owed() }];
    status.services[0].unready = vec![(instance("ex02", "p"), "no banner".to_owned())];
    let mut out = String::new();
    json(&status, &mut out).unwrap();
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        document,
        json!({
            "format_version": "1.0",
            "converged": false,
            "live": true,
            "suspended": null,
            "journal": null,
            "targets": [{
                "name": "onprem",
                "converged": true,
                "digest": "abababababab",
                "commit": "4f2c9a1b0c2d4e5f6071",
                "invalid": { "since": "2026-08-22T10:01:00Z", "problems": 3 },
                "moving": null,
                "store": null,
                "counts": { "total": 1482, "enabled": 1400, "disabled": 80, "mixed": 1, "unreadable": 1 },
                "plan": {
                    "plan_id": "0123456789ab",
                    "enable": 0,
                    "disable": 0,
                    "blocked": 0,
                    "held": 0,
                    "drift": 0,
                    "guards": [{ "name": "max_disable", "value": 12, "limit": 10 }],
                },
                "writes_closed": false,
                "writes_open_at": null,
                "last_batch": { "batch": 3, "at": "2026-08-22T10:02:00Z", "done": 40, "already": 2, "failed": 0 },
                "retrying": 0,
                "parked": 0,
                "next_expiry": "2027-01-01T00:00:00Z",
                "expiring": [],
            }],
            "services": [{
                "name": "MSExchangePOP3",
                "owed": [{
                    "server": "ex01",
                    "service": "MSExchangePOP3",
                    "since": "2026-08-22T10:02:00Z",
                    "due": "2026-08-22T22:00:00Z",
                    "overdue": false,
                    "accounts": 3,
                    "not_effective": ["bob@x", "kim@x"],
                    "failure": null,
                    "arriving": { "why": "2 of its accounts are on their way", "until": "2026-08-22T10:17:00Z" },
                }],
                "settled": [{
                    "server": "localhost",
                    "service": "MSExchangePOP3",
                    "at": "2026-08-22T10:03:10Z",
                    "proof": { "kind": "new_identity", "before": "1", "now": "4711" },
                    "message": "it runs anew as 4711",
                    "unconfirmed": false,
                    "ours": true,
                }],
                "unready": [{ "server": "ex02", "service": "p", "why": "no banner" }],
            }],
        })
    );
}
