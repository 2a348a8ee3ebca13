use std::sync::Arc;

use super::super::sample::{crowded, empty, ordinary};
use super::*;
use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::model::{AccountId, State};
use crate::plan::Cause;
use crate::services::Instance;

fn dovecot() -> Instance {
    Instance { server: "localhost".to_owned(), service: "dovecot.service".to_owned() }
}

fn change(name: &str, to: Access) -> Change {
    let from = match to {
        Access::Enabled => State::Is(Access::Disabled),
        Access::Disabled => State::Is(Access::Enabled),
    };
    Change { account: AccountId::new(name), name: name.to_owned(), from, to, cause: Cause::Unlisted }
}

fn batch(outcomes: Vec<(Change, Outcome)>) -> (Level, String) {
    sentence(&Notice::BatchEnded { target: "default".to_owned(), batch: 3, outcomes })
}

#[test]
fn a_batch_ends_with_counts_that_scripts_can_read() {
    let named = |to, count: usize| (0..count).map(move |n| (change(&format!("{to}-{n}"), to), Outcome::Done));
    let all = named(Access::Disabled, 12).chain(named(Access::Enabled, 1028)).collect();
    let (level, text) = batch(all);
    assert_eq!(level, Level::Info);
    assert!(text.starts_with("batch 3: 1040 changes done: 12 disabled, 1028 enabled; disabled "), "{text}");
    assert!(text.contains("disabled-9 and 2 more; enabled enabled-0, "), "{text}");
    assert!(text.ends_with("enabled-9 and 1,018 more"), "{text}");
    assert_eq!(
        batch(vec![(change("bob@x", Access::Disabled), Outcome::Done)]).1,
        "batch 3: 1 change done: 1 disabled, 0 enabled; disabled bob@x"
    );
}

#[test]
fn what_failed_in_a_batch_is_told_with_the_worst_level() {
    let one = |outcome| batch(vec![(change("bob@x", Access::Disabled), outcome)]);
    let none_done = "batch 3: 0 changes done: 0 disabled, 0 enabled; 1 ";
    for (outcome, level, words) in [
        (Outcome::Already, Level::Info, "had it already: bob@x"),
        (Outcome::Missing, Level::Warn, "gone from the store: bob@x"),
        (Outcome::Unknown, Level::Warn, "sent without an answer, looked at again: bob@x"),
        (Outcome::NotApplied(Fault::TRANSIENT), Level::Warn, "not written, tried again: bob@x"),
        (
            Outcome::NotApplied(Fault::Denied),
            Level::Error,
            "not written, popgate lacks the permission: bob@x",
        ),
        (Outcome::NotApplied(Fault::Invalid), Level::Error, "not written, the store refuses it: bob@x"),
        (
            Outcome::NotApplied(Fault::Ambiguous),
            Level::Error,
            "not written, the name means several accounts: bob@x",
        ),
    ] {
        assert_eq!(one(outcome), (level, format!("{none_done}{words}")));
    }
    let (level, text) = batch(vec![
        (change("a@x", Access::Enabled), Outcome::Done),
        (change("b@x", Access::Enabled), Outcome::NotApplied(Fault::Denied)),
        (change("c@x", Access::Enabled), Outcome::Unknown),
    ]);
    assert_eq!(level, Level::Error);
    assert!(text.starts_with("batch 3: 1 change done: 0 disabled, 1 enabled; enabled a@x; 1 sent"), "{text}");
}

#[test]
fn only_the_end_of_a_batch_is_told_at_an_ordinary_level() {
    let begins = Notice::BatchBegins { target: "default".to_owned(), batch: 3, changes: 40 };
    assert_eq!(sentence(&begins), (Level::Debug, "target default: batch 3 begins: 40 changes".to_owned()));
    assert_eq!(sentence(&Notice::Progress { done: 1, of: 40 }).0, Level::Debug);
}

#[test]
fn a_restart_is_owed_until_a_time_that_can_be_read() {
    let owed = |instance, due_in| {
        let service = "dovecot.service".to_owned();
        sentence(&Notice::Owed { service, instance, due_in })
    };
    assert_eq!(
        owed(dovecot(), Some(30)),
        (Level::Info, "restart of dovecot.service owed, due in 30 s".to_owned())
    );
    assert_eq!(owed(dovecot(), Some(0)).1, "restart of dovecot.service owed, due now");
    let exchange = Instance { server: "ex01".to_owned(), service: "MSExchangePOP3".to_owned() };
    assert_eq!(owed(exchange, Some(900)).1, "restart of MSExchangePOP3 on ex01 owed, due in 15 min");
    assert_eq!(
        owed(dovecot(), None).1,
        "restart of dovecot.service owed, not due by itself: it waits for a window or for `popgate restart`"
    );
}

#[test]
fn a_settled_restart_tells_its_proof() {
    let settled = |proof, accounts| {
        let (service, instance) = ("dovecot.service".to_owned(), dovecot());
        sentence(&Notice::Settled { service, instance, proof, unconfirmed: false, accounts }).1
    };
    assert_eq!(
        settled(Proof::Succeeded, 3),
        "restart of dovecot.service settled: it reported success; 3 changes are effective"
    );
    assert_eq!(
        settled(Proof::NewIdentity { before: "1".to_owned(), now: "2".to_owned() }, 1),
        "dovecot.service restarted: it runs anew as 2; 1 change is effective"
    );
    assert_eq!(
        settled(Proof::Told { by: "jo".to_owned() }, 0),
        "dovecot.service restarted: jo said so; no change waited for it"
    );
    assert_eq!(
        settled(Proof::Stopped, 2),
        "dovecot.service needs no restart: it is stopped, its next start reads the new state; 2 changes are effective"
    );
}

#[test]
fn an_invalid_desired_state_says_how_many_problems() {
    let problem = Diagnostic {
        code: Code(12),
        severity: Severity::Error,
        message: "access must be `enabled` or `disabled`".to_owned(),
        labels: Vec::new(),
        help: None,
    };
    let invalid = |count, in_force| Notice::Invalid {
        target: "default".to_owned(),
        in_force,
        diagnostics: vec![problem.clone(); count],
    };
    assert_eq!(
        sentence(&invalid(3, true)),
        (
            Level::Error,
            "target default: the desired state has 3 problems, the last good one stays in force".to_owned()
        )
    );
    assert_eq!(
        sentence(&invalid(1, false)).1,
        "target default: the desired state has 1 problem, and there was none before it: nothing is written"
    );
}

#[test]
fn a_plan_is_told_with_its_id_and_a_blocked_one_with_the_command_that_approves_it() {
    let planned = |plan: Plan| sentence(&Notice::Planned { plan: Arc::new(plan) });
    let id = ordinary().id;
    assert_eq!(
        planned(ordinary()),
        (Level::Info, format!("target default: 3 changes to make, 2 to disable, 1 to enable; plan {id}"))
    );
    assert_eq!(planned(empty()).1, "target default: nothing to change");
    let id = crowded().id;
    assert_eq!(
        planned(crowded()).1,
        format!(
            "target default: 4 changes to make, 3 to disable, 1 to enable; 5 blocked; 1 changed by hand and left \
             alone; 2 not in the store; 2 unreadable; plan {id}"
        )
    );
    assert_eq!(
        sentence(&Notice::Blocked { plan: Arc::new(crowded()) }),
        (
            Level::Warn,
            format!(
                "target default: plan {id} is blocked by max_disable (13, limit 10): 3 changes wait until somebody \
                 says `popgate approve {id} --reason \"…\"`"
            )
        )
    );
}

#[test]
fn every_other_notice_is_one_sentence_at_its_level() {
    let target = || "onprem".to_owned();
    let service = || "dovecot.service".to_owned();
    let why = || "it is\nlocked".to_owned();
    let cases = [
        (
            Notice::Accepted {
                target: target(),
                entries: 41,
                digest: "abababababab".to_owned(),
                commit: None,
            },
            Level::Info,
            "target onprem: desired state abababababab is in force: 41 users",
        ),
        (
            Notice::Accepted {
                target: target(),
                entries: 1,
                digest: "abababababab".to_owned(),
                commit: Some("4f2c9a1b0c2d".to_owned()),
            },
            Level::Info,
            "target onprem: desired state abababababab is in force: 1 user, commit 4f2c9a1b0c2d",
        ),
        (
            Notice::ValidAgain { target: target() },
            Level::Info,
            "target onprem: the desired state is in order again",
        ),
        (
            Notice::Moving { target: target(), what: "a.yaml".to_owned() },
            Level::Debug,
            "target onprem: files keep changing while they are read (a.yaml), waiting",
        ),
        (
            Notice::StoreFailed { target: target(), why: why() },
            Level::Error,
            r"target onprem: the store cannot be read, so nothing is written: it is\u{a}locked",
        ),
        (Notice::StoreBack { target: target() }, Level::Info, "target onprem: the store answers again"),
        (
            Notice::Restarting { service: service(), instance: dovecot() },
            Level::Debug,
            "restarting dovecot.service",
        ),
        (
            Notice::RestartFailed { service: service(), instance: dovecot(), why: why(), again_in: 4 },
            Level::Error,
            r"restart of dovecot.service failed, tried again in 4 s: it is\u{a}locked",
        ),
        (
            Notice::Manual { service: service(), instance: dovecot() },
            Level::Warn,
            "restart of dovecot.service waits for a person: restart it, and if popgate does not see that by itself, \
             say `popgate restart --done`",
        ),
        (
            Notice::NotReady { service: service(), instance: dovecot(), why: why() },
            Level::Error,
            r"dovecot.service runs anew and does not serve: it is\u{a}locked",
        ),
        (
            Notice::JournalFailed { why: why() },
            Level::Error,
            r"the journal cannot be written, so nothing is written to any store: it is\u{a}locked",
        ),
    ];
    for (notice, level, text) in cases {
        assert_eq!(sentence(&notice), (level, text.to_owned()));
    }
}

#[test]
fn names_from_outside_start_no_line_in_the_log() {
    let (_, text) = batch(vec![(change("a\nbatch 9: \u{1b}[2J\u{202e}", Access::Disabled), Outcome::Done)]);
    assert!(text.ends_with(r"disabled a\u{a}batch 9: \u{1b}[2J\u{202e}"), "{text}");
}

#[test]
fn an_end_that_is_near_names_who_and_when() {
    let entries = vec![("scanner@x".to_owned(), jiff::civil::date(2026, 8, 30))];
    let notice = |days| Notice::Expiring { target: "default".to_owned(), days, entries: entries.clone() };
    assert_eq!(
        sentence(&notice(14)),
        (
            Level::Warn,
            "target default: POP3 of 1 user ends within 14 days: scanner@x (last day 2026-08-30)".to_owned()
        )
    );
    assert!(sentence(&notice(1)).1.contains("ends within a day"), "{:?}", sentence(&notice(1)));
}
