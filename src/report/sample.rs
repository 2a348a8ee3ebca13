//! Plans made by hand, for the tests of the reports.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::shown::Extent;
use super::text::View;
use crate::desired::{Desired, SourceFile};
use crate::model::{Access, AccountId, Counts, Digest, Origin, State};
use crate::plan::policy::Action;
use crate::plan::{
    Blocked, BlockedBecause, Cause, Change, Context, Due, Effect, Guard, Held, HeldBecause, Note, Plan,
    PlanId, Planned, Summary, Verdict,
};

pub(super) fn view() -> View {
    View {
        color: false,
        commit: Some("4f2c9a1b0c2d4e5f60718293a4b5c6d7e8f90123".to_owned()),
        directory: "desired-state".to_owned(),
        rooted: "desired-state".to_owned(),
        timezone: TimeZone::UTC,
        extent: Extent::default(),
    }
}

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(super) fn origin(file: &str, line: u32) -> Origin {
    Origin { file: file.to_owned(), line, column: 3 }
}

pub(super) fn empty() -> Plan {
    Plan {
        id: PlanId::of("default", std::iter::empty()),
        target: "default".to_owned(),
        digest: Digest([0xab; 32]),
        generated_at: at("2026-08-22T12:00:00Z"),
        changes: Vec::new(),
        held: Vec::new(),
        blocked: Vec::new(),
        notes: Vec::new(),
        guards: vec![verdict(Guard::MaxDisable, 0, 10), verdict(Guard::MaxEnable, 0, 10)],
        effects: Vec::new(),
        summary: Summary { unchanged: 37, ..Summary::default() },
        counts: Counts { total: 1482, enabled: 1400, disabled: 82, mixed: 0, unreadable: 0 },
        bind: Vec::new(),
        unsatisfied: Vec::new(),
        context: Context::default(),
    }
}

pub(super) fn planned(name: &str, from: State, to: Access, cause: Cause) -> Planned {
    let change =
        Change { account: AccountId::new(format!("id-{name}")), name: name.to_owned(), from, to, cause };
    Planned {
        change,
        until: None,
        reason: None,
        counted: true,
        approved: false,
        waits: false,
        provenance: None,
    }
}

pub(super) fn verdict(guard: Guard, value: u64, limit: u64) -> Verdict {
    Verdict { guard, value, limit, tripped: value > limit, evaluated: true, detail: None }
}

pub(super) fn effect(action: Action) -> Effect {
    Effect {
        service: "dovecot.service".to_owned(),
        action,
        restarts: 1,
        disabled: 2,
        due: Due::At(at("2026-08-22T12:00:30Z")),
    }
}

/// The files of a desired state, by path and text.
pub(super) fn desired(files: &[(&str, &str)]) -> Desired {
    let file = |(path, text): &(&str, &str)| SourceFile {
        path: (*path).to_owned(),
        bytes: text.as_bytes().to_vec(),
    };
    crate::desired::read(files.iter().map(file).collect()).unwrap()
}

/// What a renderer writes.
pub(super) fn written(render: impl FnOnce(&mut String) -> std::fmt::Result) -> String {
    let mut text = String::new();
    render(&mut text).unwrap();
    text
}

/// Puts changes into a plan and counts them.
pub(super) fn with_changes(changes: Vec<Planned>) -> Plan {
    let count = |to| changes.iter().filter(|planned| planned.change.to == to).count() as u64;
    let mut plan = empty();
    plan.summary.disable = count(Access::Disabled);
    plan.summary.enable = count(Access::Enabled);
    let pairs = changes.iter().map(|planned| (&planned.change.account, planned.change.to));
    plan.id = PlanId::of("default", pairs);
    plan.changes = changes;
    plan
}

/// Two users lose POP3 and one gets it.
pub(super) fn ordinary() -> Plan {
    let (on, off) = (State::Is(Access::Enabled), State::Is(Access::Disabled));
    let mut expired =
        planned("kim@contoso.example", on.clone(), Access::Disabled, Cause::Expired(origin("sales.yaml", 7)));
    expired.until = Some("2026-01-01".parse().unwrap());
    let mut scanner = planned(
        "scanner-3@contoso.example",
        off,
        Access::Enabled,
        Cause::Listed(origin("finance/eu.yaml", 14)),
    );
    scanner.until = Some("2099-12-31".parse().unwrap());
    scanner.reason = Some("CHG-1234 legacy scanner".to_owned());
    let bob = planned("bob@contoso.example", on, Access::Disabled, Cause::Listed(origin("sales.yaml", 3)));
    let mut plan = with_changes(vec![bob, expired, scanner]);
    plan.effects = vec![effect(Action::FlushAndEndSessions)];
    plan
}

/// One of everything.
pub(super) fn crowded() -> Plan {
    let (on, off) = (State::Is(Access::Enabled), State::Is(Access::Disabled));
    let mut changes = vec![
        planned("approved@x", on.clone(), Access::Disabled, Cause::Listed(origin("a.yaml", 1))),
        planned("drifted@x", on.clone(), Access::Disabled, Cause::Drift(origin("a.yaml", 2))),
        planned("mixed@x", State::Mixed, Access::Disabled, Cause::Unlisted),
        planned("new@x", State::Missing, Access::Enabled, Cause::Listed(origin("a.yaml", 4))),
    ];
    changes[0].approved = true;
    for change in &mut changes[1..] {
        change.waits = true;
    }
    let id = |name: &str| AccountId::new(name);
    let held = |name: &str, why| {
        let cause = Cause::Drift(origin("b.yaml", 5));
        let change = Change {
            account: id(name),
            name: name.to_owned(),
            from: off.clone(),
            to: Access::Enabled,
            cause,
        };
        let id = PlanId::of("default", std::iter::once((&change.account, change.to)));
        Held { id, change, why }
    };
    let rebound = held("reused@x", HeldBecause::Rebound { was: id("17") });
    let blocked =
        |name: &str, line, why| Blocked { name: name.to_owned(), origin: origin("c.yaml", line), why };
    let mut plan = with_changes(changes);
    plan.blocked = vec![
        blocked(
            "info@x",
            1,
            BlockedBecause::Ambiguous(vec![
                (id("17"), "anna@x".to_owned()),
                (id("bert@x"), "bert@x".to_owned()),
            ]),
        ),
        blocked(
            "Anna",
            2,
            BlockedBecause::Doubled("anna@x".to_owned(), vec![("anna@x".to_owned(), origin("d.yaml", 9))]),
        ),
        blocked(
            "reused@x",
            3,
            BlockedBecause::Rebound { was: id("17"), now: id("18"), approve: rebound.id.clone() },
        ),
        blocked("HealthMailbox1", 4, BlockedBecause::Ignored("HealthMailbox*".to_owned())),
        blocked("ceo@x", 5, BlockedBecause::Protected("ceo@*".to_owned())),
    ];
    plan.held = vec![held("quiet@x", HeldBecause::DriftLeft), rebound];
    plan.notes = vec![
        Note::Missing {
            name: "alcie@x".to_owned(),
            origin: origin("e.yaml", 1),
            wanted: Access::Disabled,
            suggestion: Some("alice@x".to_owned()),
        },
        Note::Missing {
            name: "zoe@x".to_owned(),
            origin: origin("e.yaml", 2),
            wanted: Access::Enabled,
            suggestion: None,
        },
        Note::Unreadable { name: "odd@x".to_owned(), why: "flag is `maybe`".to_owned(), origin: None },
        Note::Unreadable {
            name: "odder@x".to_owned(),
            why: "flag is NULL".to_owned(),
            origin: Some(origin("e.yaml", 3)),
        },
        Note::Released { name: "left@x".to_owned(), state: on },
        Note::Released { name: "gone@x".to_owned(), state: off },
        Note::Released { name: "half@x".to_owned(), state: State::Mixed },
        Note::Released { name: "murky@x".to_owned(), state: State::Unreadable(String::new()) },
        Note::FirstContact,
        Note::NotEffective {
            service: "dovecot.service".to_owned(),
            names: (0..12).map(|n| format!("u{n}@x")).collect(),
        },
    ];
    plan.guards = vec![
        Verdict {
            detail: Some("3 of them in the last hour".to_owned()),
            ..verdict(Guard::MaxDisable, 13, 10)
        },
        verdict(Guard::MaxEnable, 1, 10),
        Verdict { evaluated: false, ..verdict(Guard::ShrunkLive, 0, 10) },
    ];
    plan.effects = vec![effect(Action::Restart)];
    plan.summary = Summary {
        enable: 1,
        disable: 3,
        unchanged: 1234,
        missing: 2,
        blocked: 5,
        released: 4,
        unlisted: 212,
        unlisted_enabled: 14,
        unreadable: 2,
    };
    plan
}
