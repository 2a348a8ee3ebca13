//! Turns: what is due happens, and what is not does not.

use super::*;

const OFF: &str = "  al: disabled\n";

fn stopped_in(hand: &mut Hand, time: Duration) -> bool {
    hand.next_within(time).is_none() && hand.engine.finished()
}

#[test]
fn files_that_never_stop_moving_do_not_keep_an_expiry_from_happening() {
    let mut hand = Hand::new("  al: {access: enabled, until: 2026-08-22}\n", &["al", "bo"]);
    assert!(hand.next_within(Duration::from_hours(11)).is_none());
    hand.read = Err(ReadFailure::Moving("index.lock".to_owned()));
    let before = hand.now.wall;
    hand.batch("one", &Outcome::Done);
    let midnight: Timestamp = "2026-08-23T00:00:00Z".parse().unwrap();
    assert!(before < midnight && hand.now.wall >= midnight);
    assert!(hand.now.wall < midnight + SignedDuration::from_secs(10));
}

#[test]
fn a_retry_waits_for_its_time_while_files_move() {
    let mut hand = Hand::new(OFF, &["al", "bo"]);
    hand.batch("one", &Outcome::NotApplied(Fault::TRANSIENT));
    hand.read = Err(ReadFailure::Moving("index.lock".to_owned()));
    hand.batch("one", &Outcome::Done);
}

#[test]
fn somebody_who_waits_for_a_batch_waits_as_long_as_the_store_asks_and_is_restarted_for_once() {
    let mut hand = Hand::once("  al: disabled\n  bo: disabled\n", &["al", "bo", "cy"]);
    let asked = Duration::from_secs(90);
    hand.batch("one", &Outcome::NotApplied(Fault::Transient { retry_after: Some(asked) }));
    let refused = hand.now.mono;
    hand.look(Ok(running("one", Duration::from_hours(5))));
    assert!(hand.now.mono >= refused + asked, "{:?}", hand.now.mono);
    hand.write(&Outcome::Done);
    hand.look(Ok(running("one", Duration::from_hours(5))));
    hand.settle("one", "two");
    assert!(hand.engine.finished());
}

#[test]
fn nobody_waits_for_hours_and_nobody_waits_unasked() {
    let hours = Fault::Transient { retry_after: Some(Duration::from_hours(2)) };
    let mut hand = Hand::once(OFF, &["al", "bo"]);
    hand.batch("one", &Outcome::NotApplied(hours));
    assert!(stopped_in(&mut hand, Duration::from_hours(5)));

    let mut hand = Hand::once(OFF, &["al", "bo"]);
    hand.batch("one", &Outcome::NotApplied(Fault::TRANSIENT));
    let refused = hand.now.mono;
    hand.batch("one", &Outcome::Done);
    assert!(hand.now.mono < refused + Duration::from_millis(500));
}

#[test]
fn what_a_store_refused_is_tried_again_at_the_next_refresh() {
    let mut hand = Hand::new(OFF, &["al", "bo"]);
    hand.batch("one", &Outcome::NotApplied(Fault::Denied));
    assert!(hand.next_within(Duration::from_mins(55)).is_none(), "not before");
    hand.batch("one", &Outcome::Done);
}

#[test]
fn after_the_signal_no_batch_begins() {
    let mut hand = Hand::new(OFF, &["al", "bo"]);
    hand.input(Input::Tick);
    // The desired state is on its way to the disk when the signal comes.
    let Some(Effect::ReadDesired { ticket, .. }) = hand.engine.poll_effect() else { panic!("a read") };
    hand.answer(ticket, Answer::Desired(hand.read.clone()));
    hand.input(Input::Stop);
    assert!(stopped_in(&mut hand, Duration::from_mins(1)));

    let mut hand = Hand::new(OFF, &["al", "bo"]);
    let Effect::Observe { ticket, .. } = hand.next() else { panic!("a look before the first write") };
    hand.input(Input::Stop);
    hand.answer(ticket, Answer::Observed(Ok(Vec::new())));
    assert!(stopped_in(&mut hand, Duration::from_mins(1)));
    assert!(!hand.lines.iter().any(|(_, record)| matches!(record, Record::Batch { .. })));
}

#[test]
fn an_approval_is_used_up_when_its_changes_are_made() {
    let mut policy = policy();
    policy.unlisted = Unlisted::Disable;
    let mut hand = Hand::with("  al: enabled\n  bo: enabled\n", &["al", "bo"], policy);
    assert!(hand.next_within(Duration::from_mins(2)).is_none());
    let nobody = || {
        let file = SourceFile { path: "a.yaml".to_owned(), bytes: b"pop3: {}\n".to_vec() };
        Ok(DesiredRead { desired: desired::read(vec![file]).unwrap(), commit: None, author: None })
    };
    let look = Input::Hint { target: "t".to_owned() };
    hand.read = nobody();
    hand.input(look);
    assert!(hand.next_within(Duration::from_mins(2)).is_none(), "the guard against an empty state");
    let id = hand.engine.plan("t").unwrap().id.clone();
    hand.command(Command::Approve { id, by: "op".to_owned(), reason: "yes".to_owned() });
    hand.batch("one", &Outcome::Done);
    hand.settle("one", "two");
    hand.edit("  al: enabled\n  bo: enabled\n");
    hand.batch("two", &Outcome::Done);
    hand.settle("two", "three");
    // The same accident within a day, with the same id, is not what was approved.
    hand.read = nobody();
    hand.input(Input::Hint { target: "t".to_owned() });
    assert!(hand.next_within(Duration::from_hours(3)).is_none(), "nobody approved it this time");
}

#[test]
fn what_was_written_and_could_not_be_recorded_counts_for_the_guards() {
    let mut policy = policy();
    policy.guards.max_disable = Share { percent: 0, always_allow: 1 };
    let mut hand = Hand::with(OFF, &["al", "bo"], policy);
    hand.look(Ok(running("one", Duration::ZERO)));
    hand.write_unrecorded();
    assert!(hand.next_within(Duration::from_secs(1)).is_none());
    hand.full = false;
    hand.edit("  al: disabled\n  bo: disabled\n");
    loop {
        match hand.next_within(Duration::from_mins(20)) {
            None => break,
            Some(Effect::Write { .. }) => panic!("two in an hour, and one may"),
            Some(Effect::Observe { ticket, .. }) => {
                hand.answer(ticket, Answer::Observed(Ok(running("one", Duration::ZERO))));
            }
            Some(Effect::Restart { ticket, .. }) => hand.answer(ticket, Answer::Restarted(Ok(()))),
            Some(_) => {}
        }
    }
}

#[test]
fn a_batch_of_which_nothing_was_sent_is_no_contact() {
    let mut ledger = Ledger::default();
    let mut hand = Hand::new(OFF, &["al", "bo"]);
    hand.look(Ok(Vec::new()));
    assert!(matches!(hand.next(), Effect::Write { .. }));
    let chunk = |record: &Record| matches!(record, Record::Chunk { .. });
    let at = hand.lines.iter().position(|(_, record)| chunk(record)).expect("a chunk line");
    for (seq, (when, record)) in (1..).zip(&hand.lines[..at]) {
        ledger.apply(seq, *when, record);
    }
    assert!(!ledger.of("t").unwrap().contact);
    ledger.apply(at as u64 + 1, hand.lines[at].0, &hand.lines[at].1);
    assert!(ledger.of("t").unwrap().contact);
}

#[test]
fn only_a_store_that_shows_no_part_of_a_chunk_gets_both_directions_in_one() {
    for at_once in [false, true] {
        let mut hand = Hand::new("  al: enabled\n  bo: disabled\n  cy: disabled\n", &["al", "bo", "cy"]);
        hand.accounts[0].state = State::Is(Access::Disabled);
        hand.engine.targets.get_mut("t").unwrap().chunks.at_once = at_once;
        hand.look(Ok(running("one", Duration::from_hours(5))));
        let Effect::Write { chunk, .. } = hand.next() else { panic!("a write was expected") };
        let sent: Vec<_> = chunk.changes.iter().map(|change| change.account.as_str()).collect();
        let expected: &[_] = if at_once { &["bo", "cy", "al"] } else { &["bo", "cy"] };
        assert_eq!(sent, expected);
    }
}
