use super::*;
use crate::journal::line::Sum;
use crate::model::{Digest, Fault, Origin};
use crate::plan::PlanId;

fn moment(minute: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + minute * 60).unwrap()
}

/// One line a minute.
fn lines(records: Vec<Record>) -> Vec<Line<Record>> {
    let line =
        |(n, record)| Line { seq: n, at: moment(n.cast_signed() - 1), after: None, record, sum: Sum::START };
    (1u64..).zip(records).map(line).collect()
}

fn begins(batch: u64) -> Record {
    Record::Batch {
        target: "mail".to_owned(),
        batch,
        plan: PlanId::from_text("0a1b"),
        digest: Digest([7; 32]),
        commit: Some("c0ffee".to_owned()),
        author: None,
        service: "s".to_owned(),
        instances: Vec::new(),
        by: "root".to_owned(),
    }
}

fn intent(account: &str, to: Access) -> Record {
    Record::Intent {
        batch: 1,
        account: AccountId::new(account),
        name: format!("{account}@x.test"),
        from: State::Mixed,
        to,
        cause: Cause::Listed(Origin { file: "a.yaml".into(), line: 3, column: 5 }),
        reason: Some("CHG-1".to_owned()),
        counted: true,
    }
}

fn chunk() -> Record {
    Record::Chunk { batch: 1, count: 1 }
}

fn outcome(account: &str, to: Access, outcome: Outcome) -> Record {
    Record::Outcome { batch: 1, account: AccountId::new(account), to, outcome }
}

fn end() -> Record {
    Record::End { batch: 1, seen: Vec::new(), void: false }
}

fn start() -> Record {
    Record::Start { version: "1".to_owned(), by: "root".to_owned(), command: "run".to_owned() }
}

fn batches(events: &[Event]) -> Vec<&Batch> {
    let mut batches = Vec::new();
    for event in events {
        if let Event::Batch(batch) = event {
            batches.push(batch);
        }
    }
    batches
}

#[test]
fn a_batch_is_told_with_who_what_when_and_why() {
    use Access::{Disabled, Enabled};
    let lines = lines(vec![
        start(),
        begins(1),
        intent("a", Disabled),
        chunk(),
        intent("b", Enabled),
        chunk(),
        outcome("a", Disabled, Outcome::Done),
        outcome("b", Enabled, Outcome::NotApplied(Fault::Denied)),
        end(),
    ]);
    let events = tell(&lines);
    let [batch] = batches(&events)[..] else { panic!("{events:?}") };
    assert_eq!((batch.number, batch.at, batch.ended), (1, moment(1), Some(moment(8))));
    assert_eq!((batch.by.as_str(), batch.commit.as_deref()), ("root", Some("c0ffee")));
    let fates: Vec<_> = batch.changes.iter().map(|made| made.fate.clone()).collect();
    let refused = Outcome::NotApplied(Fault::Denied);
    assert_eq!(fates, [Fate::Known(Outcome::Done, moment(6)), Fate::Known(refused, moment(7))]);
}

#[test]
fn a_crash_leaves_what_was_not_sent_apart_from_what_is_in_doubt() {
    let lines = lines(vec![
        begins(1),
        intent("a", Access::Disabled),
        chunk(),
        intent("b", Access::Disabled),
        start(),
        outcome("a", Access::Disabled, Outcome::Done),
    ]);
    let events = tell(&lines);
    let [batch] = batches(&events)[..] else { panic!("{events:?}") };
    let fates: Vec<_> = batch.changes.iter().map(|made| made.fate.clone()).collect();
    assert_eq!((fates, batch.ended), (vec![Fate::InDoubt, Fate::NotSent], None));
}

#[test]
fn a_user_is_found_by_name_id_glob_and_by_what_an_entry_called_her() {
    let bind = Record::Bind {
        target: "mail".to_owned(),
        names: vec![("anna berg".to_owned(), AccountId::new("a"))],
    };
    let lines = lines(vec![
        bind,
        begins(1),
        intent("a", Access::Disabled),
        intent("b", Access::Disabled),
        chunk(),
        begins(2),
        intent("b", Access::Enabled),
        chunk(),
    ]);
    for (user, numbers) in [
        ("A@X.test", &[1][..]),
        ("a", &[1]),
        ("Anna Berg", &[1]),
        ("b@*", &[1, 2]),
        ("*", &[1, 2]),
        ("nobody", &[]),
    ] {
        let found = of_user(tell(&lines), &lines, user);
        let found: Vec<u64> = batches(&found).iter().map(|batch| batch.number).collect();
        assert_eq!(found, numbers, "{user}");
    }
    let found = of_user(tell(&lines), &lines, "a");
    assert_eq!(batches(&found)[0].changes.len(), 1, "only her own changes");
}

#[test]
fn an_account_is_as_its_last_write_left_it_and_unknown_before_the_first() {
    use Access::{Disabled, Enabled};
    let lines = lines(vec![
        begins(1),
        intent("a", Disabled),
        chunk(),
        outcome("a", Disabled, Outcome::Done),
        end(),
        begins(2),
        intent("a", Enabled),
        intent("b", Enabled),
        chunk(),
        outcome("a", Enabled, Outcome::Already),
        outcome("b", Enabled, Outcome::NotApplied(Fault::TRANSIENT)),
        end(),
        begins(3),
        intent("a", Disabled),
        chunk(),
        outcome("a", Disabled, Outcome::Unknown),
        start(),
    ]);
    let events = tell(&lines);
    let at = |minute| as_of(&events, moment(minute)).into_iter().map(|known| known.state).collect::<Vec<_>>();
    assert_eq!(at(2), [None, None], "sent, and no outcome yet");
    assert_eq!(at(3), [Some(Disabled), None]);
    assert_eq!(at(8), [Some(Disabled), None]);
    assert_eq!(at(9), [Some(Enabled), None]);
    assert_eq!(at(14), [Some(Enabled), None], "a write that failed changes nothing");
    assert_eq!(at(15), [None, None], "nobody knows");
}

#[test]
fn what_operators_did_stands_between_the_batches() {
    let lines = lines(vec![
        begins(1),
        Record::Urged { by: "ann".to_owned(), reason: "outage".to_owned() },
        Record::Resumed { by: "bob".to_owned(), reason: String::new() },
    ]);
    let who: Vec<_> = tell(&lines)
        .into_iter()
        .filter_map(|event| match event {
            Event::Operator { by, reason, .. } => Some((by, reason)),
            _ => None,
        })
        .collect();
    assert_eq!(who, [("ann".to_owned(), "outage".to_owned()), ("bob".to_owned(), String::new())]);
}

#[test]
fn a_changed_policy_is_told_once_also_over_the_beginning_of_a_segment() {
    let rules = |limit: &str| BTreeMap::from([("guards.max_changes".to_owned(), limit.to_owned())]);
    let policy =
        |limit: &str| Record::Policy { target: "mail".to_owned(), by: "ann".to_owned(), rules: rules(limit) };
    let mut ledger = crate::journal::fold::Ledger::default();
    ledger.apply(1, moment(0), &policy("5"));
    let lines =
        lines(vec![Record::State { ledger: Box::new(ledger) }, policy("5"), policy("9"), policy("9")]);
    let told = tell(&lines);
    let [Event::Operator { by, what, .. }] = &told[..] else { panic!("{told:?}") };
    assert_eq!(
        (by.as_str(), what.as_str()),
        ("ann", "ran target mail under another policy (guards.max_changes: 5 → 9)")
    );
}
