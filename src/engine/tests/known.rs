//! Turns by heart: when the store is read again, and when what is remembered of it is enough.

use super::*;

/// Edits and returns what is asked of the store and the service until nothing more is to be done: `r` for a read,
/// `w` for a write.
fn asked(hand: &mut Hand, entries: &str, outcome: &Outcome) -> String {
    let before = hand.reads;
    hand.edit(entries);
    let mut asked = String::new();
    while let Some(effect) = hand.next_within(Duration::from_secs(1)) {
        asked.push_str(&"r".repeat(hand.reads - before - asked.matches('r').count()));
        match effect {
            Effect::Observe { ticket, .. } => {
                hand.answer(ticket, Answer::Observed(Ok(running("one", Duration::from_hours(5)))));
            }
            Effect::Write { ticket, chunk, .. } => {
                asked.push('w');
                hand.take(&chunk.changes, outcome);
                hand.answer(ticket, Answer::Written(vec![outcome.clone(); chunk.changes.len()]));
            }
            other => panic!("a look or a write was expected, not {other:?}"),
        }
    }
    asked.push_str(&"r".repeat(hand.reads - before - asked.matches('r').count()));
    asked
}

fn settled() -> Hand {
    let mut policy = policy();
    policy.restart = RestartPolicy { quiet: Duration::from_hours(1), ..RestartPolicy::default() };
    policy.restart.max_delay = Duration::from_hours(1);
    let mut hand = Hand::with("  al: enabled\n  bo: enabled\n  cy: enabled\n", &["al", "bo", "cy"], policy);
    assert!(hand.next_within(Duration::from_secs(1)).is_none());
    assert_eq!(hand.reads, 1);
    hand
}

#[test]
fn an_edit_is_written_without_another_read_of_the_store() {
    let mut hand = settled();
    let done = Outcome::Done;
    assert_eq!(asked(&mut hand, "  al: disabled\n  bo: enabled\n  cy: enabled\n", &done), "w");
    // What was written is remembered: the next edit is about its own account only.
    assert_eq!(asked(&mut hand, "  al: disabled\n  bo: disabled\n  cy: enabled\n", &done), "w");
    assert_eq!(asked(&mut hand, "  al: disabled\n  bo: disabled\n  cy: enabled # same\n", &done), "");
    let plan = hand.engine.plan("t").unwrap();
    assert_eq!((plan.summary.unchanged, plan.counts.disabled), (3, 2));
}

#[test]
fn what_is_not_certain_is_not_remembered() {
    for outcome in [Outcome::Unknown, Outcome::Missing, Outcome::NotApplied(Fault::Invalid)] {
        let mut hand = settled();
        assert!(
            asked(&mut hand, "  al: disabled\n  bo: enabled\n  cy: enabled\n", &outcome).starts_with('w')
        );
        let after = asked(&mut hand, "  al: disabled\n  bo: disabled\n  cy: enabled\n", &Outcome::Done);
        assert!(after.starts_with('r'), "{outcome:?}: {after}");
    }
}

#[test]
fn a_plan_that_somebody_would_look_at_twice_is_made_of_a_fresh_read() {
    // A name that the store did not have: it may have come meanwhile.
    let mut hand = settled();
    hand.accounts.push(Account {
        id: AccountId::new("di"),
        name: "di".to_owned(),
        ..hand.accounts[0].clone()
    });
    let more = "  al: enabled\n  bo: enabled\n  cy: enabled\n  di: disabled\n";
    assert_eq!(asked(&mut hand, more, &Outcome::Done), "rw");
    // A guard that trips.
    let mut hand = settled();
    hand.edit("  al: disabled\n");
    assert!(hand.next_within(Duration::from_secs(2)).is_none());
    assert!(hand.engine.plan("t").unwrap().is_guarded());
    assert_eq!(hand.reads, 2);
}

#[test]
fn a_refresh_reads_the_store_whatever_is_remembered() {
    let mut hand = settled();
    asked(&mut hand, "  al: disabled\n  bo: enabled\n  cy: enabled\n", &Outcome::Done);
    hand.accounts[0].state = State::Is(Access::Enabled);
    let reads = hand.reads;
    hand.look(Ok(running("one", Duration::from_hours(6))));
    hand.write(&Outcome::Done);
    assert_eq!(hand.reads, reads + 1, "the drift was seen at the refresh");
}
