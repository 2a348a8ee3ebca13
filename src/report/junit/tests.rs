use super::super::sample::{crowded, ordinary, view, written};
use super::*;
use crate::desired::Desired;
use crate::diagnostic::{Diagnostic, Label, codes};
use crate::plan::Plan;

fn shown(all: &[Plan]) -> String {
    let (view, desired) = (view(), Desired::default());
    let all: Vec<_> = all.iter().map(|plan| Shown { plan, desired: &desired, view: &view }).collect();
    written(|out| plans(&all, out))
}

#[test]
fn guards_and_changes_are_tests() {
    assert_eq!(
        shown(&[ordinary()]),
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<testsuites name=\"popgate\" tests=\"5\" failures=\"0\" errors=\"0\" time=\"0\">
  <testsuite name=\"popgate plan default\" tests=\"5\" failures=\"0\" errors=\"0\" skipped=\"0\" time=\"0\">
    <testcase name=\"guard max_disable\" classname=\"popgate.guards\" time=\"0\"/>
    <testcase name=\"guard max_enable\" classname=\"popgate.guards\" time=\"0\"/>
    <testcase name=\"disables POP3: `bob@contoso.example`: enabled → disabled (listed)\" classname=\"desired-state/sales.yaml\" \
         file=\"desired-state/sales.yaml\" line=\"3\" time=\"0\"/>
    <testcase name=\"disables POP3: `kim@contoso.example`: enabled → disabled (`until 2026-01-01` is over)\" \
         classname=\"desired-state/sales.yaml\" file=\"desired-state/sales.yaml\" line=\"7\" time=\"0\"/>
    <testcase name=\"enables POP3: `scanner-3@contoso.example`: disabled → enabled (listed, `until 2099-12-31`, reason: \
         CHG-1234 legacy scanner)\" classname=\"desired-state/finance/eu.yaml\" file=\"desired-state/finance/eu.yaml\" line=\"14\" \
         time=\"0\"/>
  </testsuite>
</testsuites>
"
    );
}

#[test]
fn what_stops_the_plan_has_failed_and_what_could_not_be_looked_at_was_skipped() {
    let text = shown(&[ordinary(), crowded()]);
    let guard = "<failure message=\"13 users would lose POP3 (3 of them in the last hour); the limit is 10; this will be \
                 blocked after the merge; then run `popgate approve";
    assert!(text.contains(guard), "{text}");
    assert!(text.contains(
        "<testcase name=\"guard shrunk_live\" classname=\"popgate.guards\" time=\"0\">\n      <skipped "
    ));
    assert!(text.contains(
        "<testcase name=\"blocked: nothing is written: info@x\" classname=\"desired-state/c.yaml\""
    ));
    assert_eq!(text.matches("<failure").count(), 6, "one guard, five blocked entries");
    assert!(text.contains(" failures=\"6\" errors=\"0\" skipped=\"1\" time=\"0\">"), "{text}");
    let count = text.matches("<testcase").count();
    assert!(
        text.contains(&format!("<testsuites name=\"popgate\" tests=\"{count}\" failures=\"6\"")),
        "{text}"
    );
}

#[test]
fn what_is_wrong_with_the_files_has_failed_and_well_formed_files_are_a_test_too() {
    let found = [Diagnostic::error(codes::ACCESS_WORD, "`<on>` & \"x\"\u{fffe}").at(Label::file("a.yaml"))];
    let text = written(|out| problems(&Problems::of(&found, 3, ""), out));
    assert!(
        text.contains(
            "<testcase name=\"POP012 Not an access word: `&lt;on&gt;` &amp; &quot;x&quot;\\u{fffe}\" classname=\"a.yaml\" \
             file=\"a.yaml\" time=\"0\">"
        ),
        "{text}"
    );
    let well = Problems { seen: Some((2, 1)), ..Problems::of(&[], 0, "") };
    let text = written(|out| problems(&well, out));
    assert!(text.contains("tests=\"1\" failures=\"0\"") && text.contains("2 users in 1 file"), "{text}");
}
