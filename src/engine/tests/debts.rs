//! Restarts that are owed: none lost, none twice, none without a write.

use super::*;

const OFF: &str = "  al: disabled\n";
const BOTH_OFF: &str = "  al: disabled\n  bo: disabled\n";

#[test]
fn a_restart_follows_a_write_after_the_quiet_time_and_only_once() {
    let mut hand = Hand::new(OFF, &["al", "bo"]);
    hand.batch("one", &Outcome::Done);
    hand.owes(1);
    let written = hand.now.mono;
    hand.settle("one", "two");
    assert!(hand.now.mono >= written + Duration::from_secs(30), "the quiet time");
    assert!(hand.next_within(Duration::from_hours(3)).is_none(), "nothing more is to be done");
}

#[test]
fn the_least_time_between_two_restarts_outlives_the_process() {
    let mut hand = Hand::new(OFF, &["al", "bo"]);
    hand.batch("one", &Outcome::Done);
    hand.settle("one", "two");
    hand.edit(BOTH_OFF);
    hand.crash(Duration::from_secs(5));
    let start = hand.now.mono;
    hand.batch("two", &Outcome::Done);
    hand.look(Ok(running("two", Duration::from_hours(5))));
    assert!(hand.now.mono >= start + Duration::from_mins(9), "only {:?} later", hand.now.mono);
}

#[test]
fn the_longest_delay_counts_from_the_first_write_whatever_process_made_it() {
    let mut hand = Hand::new(OFF, &["al", "bo"]);
    hand.policy.restart.quiet = Duration::from_mins(10);
    hand.policy.restart.min_interval = Duration::ZERO;
    hand.crash(Duration::ZERO);
    hand.batch("one", &Outcome::Done);
    hand.owes(1);
    hand.crash(Duration::from_mins(9));
    let start = hand.now.mono;
    hand.look(Ok(running("one", Duration::from_hours(5))));
    let waited = hand.now.mono.saturating_sub(start);
    assert!(waited <= Duration::from_mins(6), "{waited:?} more, after 9 minutes of at most 15");
}

#[test]
fn an_age_that_was_long_on_its_way_proves_nothing() {
    let mut hand = Hand::new(OFF, &["al", "bo"]);
    let aged = |age: Duration| {
        let mut seen = running("", age);
        seen[0].identity = None;
        seen
    };
    hand.look(Ok(aged(Duration::from_secs(1))));
    hand.write(&Outcome::Done);
    hand.look(Ok(aged(Duration::from_secs(1))));
    // The run began a second before the write. The look at it is answered ten seconds late.
    let Effect::Observe { ticket, .. } = hand.next() else { panic!("a look") };
    hand.pass(Duration::from_secs(10));
    hand.answer(ticket, Answer::Observed(Ok(aged(Duration::from_secs(31)))));
    hand.restart();
}

#[test]
fn a_store_that_refuses_everything_owes_no_restart_even_when_the_end_of_the_batch_is_not_written() {
    let mut hand = Hand::new(OFF, &["al", "bo"]);
    hand.look(Ok(running("one", Duration::ZERO)));
    hand.write(&Outcome::NotApplied(Fault::Denied));
    let Effect::Observe { ticket, .. } = hand.next() else { panic!("a look") };
    hand.full = true;
    hand.answer(ticket, Answer::Observed(Ok(running("one", Duration::ZERO))));
    hand.owes(0);
    hand.crash(Duration::from_secs(1));
    assert!(hand.engine.ledger().debts(SERVICE).is_empty());
}

#[test]
fn a_batch_in_vain_does_not_put_off_the_restart_that_is_owed() {
    let mut hand = Hand::new(OFF, &["al", "bo"]);
    hand.policy.restart.min_interval = Duration::ZERO;
    hand.crash(Duration::ZERO);
    hand.batch("one", &Outcome::Done);
    hand.owes(1);
    let written = hand.now.mono;
    assert!(hand.next_within(Duration::from_secs(20)).is_none());
    hand.edit(BOTH_OFF);
    hand.batch("one", &Outcome::NotApplied(Fault::Denied));
    hand.look(Ok(running("one", Duration::from_hours(5))));
    assert!(hand.now.mono < written + Duration::from_secs(32), "it was due 30 s after the write");
}

#[test]
fn a_restart_that_the_journal_does_not_know_yet_is_not_done_twice_after_a_crash() {
    let mut hand = Hand::new(OFF, &["al", "bo"]);
    hand.look(Ok(running("one", Duration::from_hours(5))));
    hand.write(&Outcome::Done);
    // No look after the last write comes back: the crash takes it.
    hand.next();
    hand.crash(Duration::from_secs(1));
    hand.look(Ok(running("one", Duration::from_hours(5))));
    let ticket = hand.restart();
    hand.answer(ticket, Answer::Restarted(Ok(())));
    hand.crash(Duration::from_secs(1));
    hand.look(Ok(running("two", Duration::from_secs(40))));
    hand.owes(0);
}

#[test]
fn a_service_that_shows_its_runs_is_not_believed_without_a_look() {
    let mut hand = Hand::new(OFF, &["al", "bo"]);
    hand.batch("one", &Outcome::Done);
    for _ in 0..4 {
        hand.look(Err(blind()));
    }
    let ticket = hand.restart();
    hand.answer(ticket, Answer::Restarted(Ok(())));
    hand.look(Ok(running("one", Duration::from_hours(5))));
    hand.owes(1);
}

#[test]
fn a_look_in_vain_after_a_crash_does_not_repeat_a_restart_that_happened() {
    let mut hand = Hand::new(OFF, &["al", "bo"]);
    hand.batch("one", &Outcome::Done);
    hand.look(Ok(running("one", Duration::from_hours(5))));
    let ticket = hand.restart();
    hand.answer(ticket, Answer::Restarted(Ok(())));
    hand.crash(Duration::from_secs(1));
    hand.look(Err(blind()));
    hand.look(Ok(running("two", Duration::from_mins(1))));
    hand.owes(0);
}

#[test]
fn a_restart_that_was_reported_and_cannot_be_seen_is_not_repeated() {
    let mut hand = Hand::new(OFF, &["al", "bo"]);
    hand.batch("one", &Outcome::Done);
    hand.look(Ok(running("one", Duration::from_hours(5))));
    let ticket = hand.restart();
    hand.answer(ticket, Answer::Restarted(Ok(())));
    for _ in 0..20 {
        hand.look(Err(blind()));
    }
    hand.owes(1);
    hand.look(Ok(running("two", Duration::from_hours(1))));
    hand.owes(0);
}

#[test]
fn an_operator_who_wants_the_restart_now_need_not_wait_for_a_look() {
    let mut hand = Hand::new(OFF, &["al", "bo"]);
    hand.batch("one", &Outcome::Done);
    hand.look(Err(blind()));
    hand.command(Command::Restart { by: "op".to_owned(), reason: None });
    hand.look(Err(blind()));
    hand.restart();
}

#[test]
fn clocks_that_drift_apart_prove_nothing_however_long_a_debt_waits() {
    let mut hand = Hand::new(OFF, &["al", "bo"]);
    let aged = |age: Duration| {
        let mut seen = running("", age);
        seen[0].identity = None;
        seen
    };
    hand.policy.restart.quiet = Duration::from_hours(10);
    hand.policy.restart.max_delay = Duration::from_hours(10);
    hand.crash(Duration::ZERO);
    hand.look(Ok(aged(Duration::from_secs(1))));
    hand.write(&Outcome::Done);
    hand.look(Ok(aged(Duration::from_secs(1))));
    hand.owes(1);
    // The run began a second before the write, and its clock loses a ten-thousandth.
    let Some(Effect::Observe { ticket, .. }) = hand.next_within(Duration::from_hours(11)) else {
        panic!("a look")
    };
    hand.answer(ticket, Answer::Observed(Ok(aged(Duration::from_millis(35_997_400)))));
    hand.restart();
}

#[test]
fn what_a_person_restarted_does_not_cover_a_write_that_was_under_way() {
    let mut hand = Hand::new(OFF, &["al", "bo"]);
    hand.look(Ok(running("one", Duration::ZERO)));
    let Effect::Write { ticket, .. } = hand.next() else { panic!("a write") };
    hand.command(Command::RestartDone { by: "op".to_owned() });
    hand.answer(ticket, Answer::Written(vec![Outcome::Done]));
    hand.look(Ok(running("one", Duration::ZERO)));
    hand.owes(1);
    assert!(hand.replies[0].is_err(), "{:?}", hand.replies);
    hand.command(Command::RestartDone { by: "op".to_owned() });
    hand.owes(0);
}

#[test]
fn a_wish_for_a_restart_that_could_not_be_written_down_is_not_fulfilled() {
    let mut hand = Hand::new(OFF, &["al", "bo"]);
    hand.policy.restart.quiet = Duration::from_mins(10);
    hand.crash(Duration::ZERO);
    hand.batch("one", &Outcome::Done);
    hand.owes(1);
    hand.full = true;
    hand.command(Command::Restart { by: "op".to_owned(), reason: Some("now".to_owned()) });
    hand.owes(1);
    assert!(hand.replies[0].is_err());
    hand.full = false;
    assert!(hand.next_within(Duration::from_mins(5)).is_none(), "the quiet time holds");
}

#[test]
fn a_clock_that_was_set_back_into_an_open_window_is_no_reason_to_spin() {
    let mut hand = Hand::new(OFF, &["al", "bo"]);
    let window = window::Window {
        verdict: window::Verdict::Allow,
        kinds: [window::Kind::Restarts].into(),
        days: window::Days::EVERY,
        hours: "11:00-12:00".parse().unwrap(),
    };
    hand.policy.windows = Windows::new(&[window], TimeZone::UTC);
    hand.crash(Duration::ZERO);
    hand.batch("one", &Outcome::Done);
    hand.owes(1);
    hand.pass(Duration::from_mins(1));
    hand.now.wall -= SignedDuration::from_mins(30);
    hand.owes(1);
    assert!(hand.engine.next_wakeup(hand.now).unwrap() > Duration::ZERO);
}

#[test]
fn the_look_at_the_end_of_a_batch_in_vain_shows_a_restart_by_somebody_else() {
    let mut hand = Hand::new(OFF, &["al", "bo"]);
    hand.look(Ok(running("one", Duration::from_hours(5))));
    hand.write(&Outcome::Done);
    // The crash takes the look after the last write.
    hand.next();
    hand.crash(Duration::from_secs(1));
    hand.edit(BOTH_OFF);
    hand.batch("one", &Outcome::NotApplied(Fault::Denied));
    hand.look(Ok(running("two", Duration::from_mins(1))));
    hand.owes(0);
}

#[test]
fn a_settlement_that_could_not_be_written_down_needs_no_second_restart() {
    let mut hand = Hand::new(OFF, &["al", "bo"]);
    let word = || {
        let mut seen = running("", Duration::ZERO);
        (seen[0].identity, seen[0].age, seen[0].condition) = (None, None, Condition::Unknown);
        Ok(seen)
    };
    hand.look(word());
    hand.write(&Outcome::Done);
    hand.look(word());
    hand.look(word());
    let ticket = hand.restart();
    hand.full = true;
    hand.answer(ticket, Answer::Restarted(Ok(())));
    hand.look(word());
    hand.owes(1);
    hand.full = false;
    assert!(hand.next_within(Duration::from_mins(1)).is_none(), "it did what it was asked for");
    hand.owes(0);
}

#[test]
fn a_service_that_was_stopped_after_the_last_write_has_read_it_when_it_runs_again() {
    let mut hand = Hand::new(OFF, &["al", "bo"]);
    let mut stopped = running("", Duration::ZERO);
    (stopped[0].identity, stopped[0].age, stopped[0].condition) = (None, None, Condition::Stopped);
    hand.look(Ok(stopped.clone()));
    hand.write(&Outcome::Done);
    hand.look(Ok(stopped));
    hand.owes(1);
    hand.crash(Duration::from_secs(1));
    hand.look(Ok(running("one", Duration::from_secs(5))));
    hand.owes(0);
}

#[test]
fn a_restart_that_hung_is_recognised_by_the_run_seen_before_it() {
    let mut hand = Hand::new(OFF, &["al", "bo"]);
    let mut changing = running("", Duration::ZERO);
    (changing[0].identity, changing[0].age, changing[0].condition) = (None, None, Condition::Changing);
    hand.look(Ok(changing.clone()));
    hand.write(&Outcome::Done);
    hand.look(Ok(changing));
    hand.owes(1);
    hand.look(Ok(running("one", Duration::from_mins(1))));
    let ticket = hand.restart();
    hand.answer(ticket, Answer::Restarted(Err(failure(false))));
    hand.crash(Duration::from_secs(1));
    hand.look(Ok(running("two", Duration::from_mins(1))));
    hand.owes(0);
}

#[test]
fn a_service_that_was_stopped_is_looked_at_again_before_it_is_restarted_unseen() {
    let mut hand = Hand::new(OFF, &["al", "bo"]);
    let mut stopped = running("", Duration::ZERO);
    (stopped[0].identity, stopped[0].age, stopped[0].condition) = (None, None, Condition::Stopped);
    hand.look(Ok(stopped.clone()));
    hand.write(&Outcome::Done);
    hand.look(Ok(stopped));
    hand.look(Err(blind()));
    hand.look(Ok(running("one", Duration::from_secs(5))));
    hand.owes(0);
}

#[test]
fn a_restart_that_was_only_reported_counts_for_the_least_time_between_two() {
    let mut hand = Hand::new(OFF, &["al", "bo"]);
    hand.batch("one", &Outcome::Done);
    hand.look(Ok(running("one", Duration::from_hours(5))));
    let ticket = hand.restart();
    let restarted = hand.now.mono;
    hand.answer(ticket, Answer::Restarted(Ok(())));
    hand.look(Err(blind()));
    hand.edit(BOTH_OFF);
    hand.batch("two", &Outcome::Done);
    hand.look(Ok(running("two", Duration::from_hours(5))));
    hand.restart();
    assert!(hand.now.mono >= restarted + Duration::from_mins(10));
}

#[test]
fn the_least_time_between_two_restarts_outlives_the_word_of_a_person_and_the_process() {
    let mut hand = Hand::new(OFF, &["al", "bo"]);
    hand.batch("one", &Outcome::Done);
    hand.settle("one", "two");
    let restarted = hand.now.wall;
    hand.edit(BOTH_OFF);
    hand.batch("two", &Outcome::Done);
    hand.command(Command::RestartDone { by: "op".to_owned() });
    hand.owes(0);
    hand.crash(Duration::from_secs(5));
    hand.edit("  al: enabled\n  bo: disabled\n");
    hand.batch("two", &Outcome::Done);
    hand.look(Ok(running("two", Duration::from_hours(5))));
    let waited = hand.now.wall.duration_since(restarted);
    assert!(waited >= SignedDuration::from_mins(9), "only {waited} later");
}

#[test]
fn a_restart_that_only_a_person_could_settle_counts_for_the_least_time_between_two() {
    let mut hand = Hand::new(OFF, &["al", "bo"]);
    hand.batch("one", &Outcome::Done);
    hand.look(Ok(running("one", Duration::from_hours(5))));
    let ticket = hand.restart();
    let restarted = hand.now.mono;
    hand.full = true;
    hand.answer(ticket, Answer::Restarted(Ok(())));
    hand.look(Ok(running("two", Duration::ZERO)));
    hand.owes(1);
    hand.full = false;
    hand.command(Command::RestartDone { by: "op".to_owned() });
    assert!(
        hand.next_within(Duration::from_secs(5)).is_none(),
        "the journal is tried again, and that is all"
    );
    hand.owes(0);
    hand.edit(BOTH_OFF);
    hand.batch("two", &Outcome::Done);
    hand.look(Ok(running("two", Duration::from_hours(5))));
    hand.restart();
    assert!(hand.now.mono >= restarted + Duration::from_mins(10));
}

#[test]
fn what_a_person_settled_does_not_hurry_the_next_restart() {
    let mut hand = Hand::new(OFF, &["al", "bo"]);
    hand.batch("one", &Outcome::Done);
    hand.command(Command::RestartDone { by: "op".to_owned() });
    hand.owes(0);
    assert!(hand.next_within(Duration::from_mins(20)).is_none(), "longer than the longest delay");
    hand.edit(BOTH_OFF);
    hand.batch("one", &Outcome::Done);
    let written = hand.now.mono;
    hand.look(Ok(running("one", Duration::from_hours(5))));
    assert!(hand.now.mono >= written + Duration::from_secs(30), "the quiet time");
}

fn stopped() -> Vec<Observed> {
    let instance = Instance::local(SERVICE);
    vec![Observed { instance, identity: None, age: None, condition: Condition::Stopped }]
}

#[test]
fn what_popgate_left_stopped_is_brought_back_also_by_the_next_process() {
    let mut hand = Hand::new(OFF, &["al"]);
    hand.batch("one", &Outcome::Done);
    hand.look(Ok(running("one", Duration::from_hours(5))));
    let ticket = hand.restart();
    hand.answer(ticket, Answer::Restarted(Err(failure(true))));
    hand.owes(1);
    hand.crash(Duration::from_secs(5));
    hand.look(Ok(stopped()));
    let Effect::Restart { ticket, halted, .. } = hand.next() else { panic!("a restart") };
    assert!(halted, "the service is told that nobody stopped it on purpose");
    hand.answer(ticket, Answer::Restarted(Ok(())));
    hand.look(Ok(running("two", Duration::ZERO)));
    hand.owes(0);
}

#[test]
fn a_crash_in_the_middle_of_a_restart_leaves_a_service_that_is_brought_back() {
    let mut hand = Hand::new(OFF, &["al"]);
    hand.batch("one", &Outcome::Done);
    hand.look(Ok(running("one", Duration::from_hours(5))));
    hand.restart();
    hand.crash(Duration::from_secs(5));
    hand.look(Ok(stopped()));
    assert!(matches!(hand.next(), Effect::Restart { halted: true, .. }));
}

#[test]
fn what_somebody_stops_after_an_attempt_that_touched_nothing_stays_stopped() {
    let mut hand = Hand::new(OFF, &["al"]);
    hand.batch("one", &Outcome::Done);
    hand.look(Ok(running("one", Duration::from_hours(5))));
    let ticket = hand.restart();
    hand.answer(ticket, Answer::Restarted(Err(failure(false))));
    hand.owes(1);
    hand.look(Ok(stopped()));
    hand.owes(0);
}
