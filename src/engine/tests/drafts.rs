//! Plans that are made while it is still to be seen whether it stays quiet.

use super::*;

const QUIET: Duration = Duration::from_millis(500);
const BEFORE: &str = "  al: enabled\n  bo: enabled\n";
const AFTER: &str = "  al: disabled\n  bo:\n    access: enabled\n    until: 2026-08-22\n";

/// A world in which something was edited, and what comes of it was told so long before it is due. Returns with the
/// moment of that.
fn drafted(edited: Duration, before_due: Duration) -> (Hand, Timestamp) {
    let policy = Policy { refresh: Duration::from_hours(48), ..policy() };
    let mut hand = Hand::with(BEFORE, &["al", "bo"], policy);
    assert!(hand.next_within(edited).is_none());
    hand.edit(AFTER);
    assert!(hand.next_within(QUIET.saturating_sub(before_due)).is_none());
    hand.input(Input::Begun { target: "t".to_owned(), desired: listing(AFTER).desired });
    let told = hand.now.wall;
    (hand, told)
}

/// Returns the next plan that has changes: when it was made, and whose access it changes.
fn planned(hand: &mut Hand) -> (Timestamp, Vec<String>) {
    while hand.engine.plan("t").unwrap().changes.is_empty() {
        hand.look(Ok(running("one", Duration::from_hours(5))));
    }
    let plan = hand.engine.plan("t").unwrap();
    (plan.generated_at, plan.changes.iter().map(|planned| planned.change.name.clone()).collect())
}

const SOON: Duration = Duration::from_millis(5);
const SECOND: Duration = Duration::from_secs(1);

#[test]
fn what_is_due_was_planned_before() {
    let (mut hand, told) = drafted(SECOND, SOON);
    assert_eq!(planned(&mut hand), (told, vec!["al".to_owned()]));
    assert_eq!(hand.reads, 1, "the store is remembered");
    hand.write(&Outcome::Done);
    assert!(hand.engine.desired("t") == Some(&listing(AFTER).desired));
}

#[test]
fn a_plan_that_would_be_another_one_by_now_is_made_anew() {
    type Act = fn(&mut Hand);
    let acts: [(Act, &[&str]); 4] = [
        (|hand| hand.input(Input::Hint { target: "t".to_owned() }), &["al"]),
        (|hand| hand.read = Ok(listing("  al: disabled\n  bo: disabled\n")), &["al", "bo"]),
        (|hand| hand.command(Command::Reconcile { by: "me".to_owned() }), &["al"]),
        (
            // The journal goes on in a new segment.
            |hand| hand.engine.rotated(1_000),
            &["al"],
        ),
    ];
    for (act, changes) in acts {
        let (mut hand, told) = drafted(SECOND, SOON);
        act(&mut hand);
        let (at, names) = planned(&mut hand);
        assert!(at > told, "{at}");
        assert_eq!(names, changes);
    }
}

#[test]
fn a_plan_of_long_ago_is_made_anew() {
    let (mut hand, told) = drafted(SECOND, QUIET / 2);
    assert!(planned(&mut hand).0 > told);
}

#[test]
fn access_that_ended_meanwhile_is_in_the_plan() {
    let midnight = Duration::from_hours(12).saturating_sub(QUIET) + SOON / 2;
    let (mut hand, _) = drafted(midnight, SOON);
    assert_eq!(planned(&mut hand).1, ["al", "bo"]);
}

#[test]
fn nothing_is_planned_without_a_reading_that_counts() {
    let mut hand = Hand::new(BEFORE, &["al", "bo"]);
    assert!(hand.next_within(SECOND).is_none());
    hand.input(Input::Begun { target: "t".to_owned(), desired: listing(AFTER).desired });
    assert!(hand.engine.targets["t"].draft.is_none());
    hand.input(Input::Begun { target: "nobody".to_owned(), desired: listing(AFTER).desired });
}
