//! Restarts that wait until what was written has reached the servers that an instance reads from.

use super::*;
use crate::journal::entry::Proof;
use crate::stores::StoreError;

const OFF: &str = "  al: disabled\n";

fn afar() -> Hand {
    let mut policy = policy();
    policy.service.instances[0].server = "ex01".to_owned();
    let mut hand = Hand::with(OFF, &["al", "bo"], policy);
    hand.look(Ok(away("one")));
    hand.write(&Outcome::Done);
    hand.look(Ok(away("one")));
    hand
}

fn away(run: &str) -> Vec<Observed> {
    let mut seen = running(run, Duration::from_hours(5));
    seen[0].instance.server = "ex01".to_owned();
    seen
}

fn unreachable() -> StoreError {
    StoreError { what: "no controller answers".to_owned(), fault: Fault::TRANSIENT, help: None }
}

impl Hand {
    /// It is asked next whether everything has arrived.
    fn arrives(&mut self, absent: Result<usize, StoreError>) {
        self.look(Ok(away("one")));
        match self.next() {
            Effect::Arrival { ticket, server, written, .. } => {
                assert_eq!((server.as_str(), written.len()), ("ex01", 1));
                self.answer(ticket, Answer::Arrival(absent));
            }
            other => panic!("a question for arrivals was expected, not {other:?}"),
        }
    }

    fn restarts(&mut self) {
        let ticket = self.restart();
        self.answer(ticket, Answer::Restarted(Ok(())));
        self.look(Ok(away("two")));
        self.owes(0);
    }

    /// Whether the proof of the last restart leaves open what the instance read.
    fn unconfirmed(&self) -> bool {
        let settled = self.lines.iter().rev().find_map(|(_, record)| match record {
            Record::Settled { unconfirmed, .. } => Some(*unconfirmed),
            _ => None,
        });
        settled.unwrap()
    }
}

#[test]
fn a_restart_waits_until_everything_has_arrived() {
    let mut hand = afar();
    let written = hand.now.mono;
    hand.arrives(Ok(1));
    let waiting = hand.engine.status(hand.now).services[0].owed[0].arriving.clone().unwrap();
    assert_eq!(waiting.0, "1 of its accounts does not read so yet where ex01 looks");
    hand.arrives(Ok(1));
    hand.arrives(Ok(0));
    hand.restarts();
    assert!(!hand.unconfirmed());
    assert!(hand.now.mono < written + Duration::from_mins(2), "it is looked for often at first");
}

#[test]
fn a_restart_waits_no_longer_than_a_write_may_take_and_then_its_proof_says_so() {
    for absent in [Ok(1), Err(unreachable())] {
        let mut hand = afar();
        let written = hand.now.mono;
        while hand.now.mono < written + REPLICATION {
            hand.arrives(absent.clone());
        }
        hand.restarts();
        assert!(hand.unconfirmed());
        assert!(hand.now.mono < written + REPLICATION + Duration::from_secs(2));
        let settled = &hand.engine.ledger().services[SERVICE].settled[0];
        assert!(settled.proof.words(settled.unconfirmed).ends_with("; replication not confirmed"));
    }
}

#[test]
fn a_new_write_is_waited_for_anew() {
    let mut hand = afar();
    hand.arrives(Ok(1));
    hand.edit("  al: disabled\n  bo: disabled\n");
    hand.look(Ok(away("one")));
    hand.write(&Outcome::Done);
    hand.look(Ok(away("one")));
    hand.look(Ok(away("one")));
    let Effect::Arrival { ticket, written, .. } = hand.next() else { panic!("a question for arrivals") };
    assert_eq!(written.len(), 2);
    hand.answer(ticket, Answer::Arrival(Ok(0)));
    hand.restarts();
    assert!(!hand.unconfirmed());
}

#[test]
fn a_person_with_a_reason_waits_for_nothing_and_one_without_waits_for_arrivals() {
    for reason in [None, Some("now".to_owned())] {
        let mut hand = afar();
        hand.arrives(Ok(1));
        hand.command(Command::Restart { by: "jo".to_owned(), reason: reason.clone() });
        hand.arrives(Ok(1));
        if reason.is_none() {
            hand.arrives(Ok(0));
        }
        hand.restarts();
        assert_eq!(hand.unconfirmed(), reason.is_some());
    }
}

#[test]
fn a_restart_by_somebody_else_settles_and_nobody_claims_what_it_read() {
    let mut hand = afar();
    hand.arrives(Ok(1));
    hand.look(Ok(away("two")));
    hand.owes(0);
    assert!(hand.unconfirmed());
}

#[test]
fn what_had_arrived_before_a_crash_is_known_after_it() {
    let mut hand = afar();
    hand.arrives(Ok(0));
    hand.restart();
    hand.crash(Duration::from_secs(1));
    hand.look(Ok(away("two")));
    hand.owes(0);
    assert!(!hand.unconfirmed());
}

#[test]
fn what_was_sent_and_never_answered_is_waited_for_as_well() {
    let mut hand = Hand::with(OFF, &["al", "bo"], {
        let mut policy = policy();
        policy.service.instances[0].server = "ex01".to_owned();
        policy
    });
    hand.look(Ok(away("one")));
    hand.write_unrecorded();
    hand.owes(1);
    hand.full = false;
    hand.crash(Duration::from_secs(1));
    hand.arrives(Ok(1));
    hand.arrives(Ok(0));
    hand.restarts();
    assert!(!hand.unconfirmed());
}

#[test]
fn a_person_is_told_to_restart_once_everything_has_arrived() {
    let mut policy = policy();
    policy.service.action = Action::Manual;
    policy.service.instances[0].server = "ex01".to_owned();
    let mut hand = Hand::with(OFF, &["al"], policy);
    hand.look(Ok(away("one")));
    hand.write(&Outcome::Done);
    hand.look(Ok(away("one")));
    hand.arrives(Ok(1));
    hand.arrives(Ok(0));
    assert!(hand.next_within(Duration::from_secs(30)).is_none(), "now a person is to act");
    hand.look(Ok(away("two")));
    hand.owes(0);
    assert!(!hand.unconfirmed());
}

#[test]
fn a_stopped_service_waits_for_nothing() {
    let mut hand = afar();
    let mut seen = away("one");
    (seen[0].identity, seen[0].age, seen[0].condition) = (None, None, Condition::Stopped);
    hand.look(Ok(seen));
    hand.owes(0);
    assert!(!hand.unconfirmed());
    let settled = &hand.engine.ledger().services[SERVICE].settled[0];
    assert_eq!(settled.proof, Proof::Stopped);
}
