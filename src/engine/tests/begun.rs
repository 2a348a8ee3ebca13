//! Readings that begin while it is still to be seen whether it stays quiet.

use super::*;

const QUIET: Duration = Duration::from_millis(500);

fn settled() -> Hand {
    let mut hand = Hand::new("  al: enabled\n", &["al"]);
    assert!(hand.next_within(Duration::from_secs(1)).is_none());
    hand
}

/// Lets time pass until files are read. Returns when readings were begun, and whether the last one counts.
fn until_read(hand: &mut Hand) -> (Vec<Duration>, bool) {
    let mut began = Vec::new();
    loop {
        match hand.engine.poll_effect() {
            Some(Effect::Begin { due, .. }) => {
                assert_eq!(due, hand.now.mono + QUIET / 2);
                began.push(hand.now.mono);
            }
            Some(Effect::ReadDesired { begun, .. }) => return (began, begun),
            Some(_) => {}
            None => {
                let wait = hand.engine.next_wakeup(hand.now).unwrap();
                hand.pass(wait);
                hand.input(Input::Tick);
            }
        }
    }
}

#[test]
fn a_reading_begins_after_half_of_the_quiet_and_ends_after_all_of_it() {
    let mut hand = settled();
    let hinted = hand.now.mono;
    hand.edit("  al: disabled\n");
    assert_eq!(until_read(&mut hand), (vec![hinted + QUIET / 2], true));
    assert_eq!(hand.now.mono, hinted + QUIET);
}

#[test]
fn a_reading_that_began_before_the_last_hint_does_not_count() {
    let mut hand = settled();
    let hinted = hand.now.mono;
    let mut began = Vec::new();
    // So often that it is never quiet, and so that no reading begins after the last one.
    for _ in 0..11 {
        hand.edit("  al: disabled\n");
        hand.pass(QUIET * 9 / 10);
        hand.input(Input::Tick);
        match hand.engine.poll_effect() {
            Some(Effect::Begin { .. }) => began.push(hand.now.mono),
            other => panic!("a reading was to begin, not {other:?}"),
        }
    }
    hand.pass(QUIET / 100);
    hand.edit("  al: disabled\n");
    assert_eq!(began.len(), 11);
    assert_eq!(until_read(&mut hand), (vec![], false));
    assert_eq!(hand.now.mono, hinted + Duration::from_secs(5));
}

#[test]
fn without_a_hint_nothing_is_begun() {
    let mut hand = settled();
    assert_eq!(until_read(&mut hand), (vec![], false));
}
