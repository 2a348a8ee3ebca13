//! A service whose instances are found only by looking.

use super::*;

fn unfound() -> Hand {
    let mut policy = policy();
    policy.service.instances.clear();
    Hand::with("  al: disabled\n", &["al", "bo"], policy)
}

#[test]
fn what_is_found_before_the_first_write_owes_its_restart() {
    let mut hand = unfound();
    hand.batch("one", &Outcome::Done);
    hand.owes(1);
    hand.settle("one", "two");
    assert!(hand.next_within(Duration::from_mins(50)).is_none(), "nothing more is to be done");
}

#[test]
fn nothing_is_written_while_nobody_knows_what_would_owe_a_restart() {
    let mut hand = unfound();
    hand.look(Err(blind()));
    hand.owes(0);
    // It is tried again, and then goes as ever.
    hand.batch("one", &Outcome::Done);
    hand.owes(1);
}
