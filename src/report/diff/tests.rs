use super::super::sample::{desired, origin, planned, view, with_changes, written};
use super::super::text::View;
use super::*;
use crate::desired::Desired;
use crate::model::{Access, Origin, State};
use crate::plan::Plan;

const ON: State = State::Is(Access::Enabled);
const OFF: State = State::Is(Access::Disabled);

fn shown(plan: &Plan, desired: &Desired) -> String {
    let view = view();
    written(|out| plans(&[Shown { plan, desired, view: &view }], out))
}

fn listed(desired: &Desired, name: &str) -> Origin {
    desired.origin(desired.get(name).unwrap())
}

const TEXT: &str = "# who\npop3:\n  anna: enabled\n  bob: disabled  # gone\n  c1: enabled\n  c2: enabled\n  c3: enabled\n  c4: \
                    enabled\n  kim:\n    access: 'enabled'\n    until: 2026-01-01\n  lee: enabled\n  {zoe}\n";

#[test]
fn live_state_is_shown_as_if_it_were_the_yaml() {
    let text = TEXT.replace("{zoe}", "\"z: 1\": {access: enabled, reason: new}");
    let desired = desired(&[("a.yaml", &text)]);
    let kim_at = listed(&desired, "kim");
    let listed = |name: &str| Cause::Listed(listed(&desired, name));
    let mut kim = planned("kim", ON, Access::Disabled, Cause::Expired(kim_at));
    kim.until = Some("2026-01-01".parse().unwrap());
    let mut zoe = planned("z: 1", State::Mixed, Access::Enabled, listed("z: 1"));
    zoe.waits = true;
    let plan = with_changes(vec![
        planned("bob", ON, Access::Disabled, listed("bob")),
        kim,
        planned("old@x", ON, Access::Disabled, Cause::Unlisted),
        planned("lee", State::Missing, Access::Enabled, listed("lee")),
        zoe,
    ]);
    assert_eq!(
        shown(&plan, &desired),
        "--- desired-state/a.yaml\tas the mail system is
+++ desired-state/a.yaml\tas it shall be
@@ -1,12 +1,13 @@
 # who
 pop3:
   anna: enabled
-  bob: enabled  # gone
+  bob: disabled  # gone
   c1: enabled
   c2: enabled
   c3: enabled
   c4: enabled
   kim:
-    access: 'enabled'
+    access: disabled  # until 2026-01-01 is over
     until: 2026-01-01
+  lee: enabled
-  \"z: 1\": {access: mixed, reason: new}
+  \"z: 1\": {access: enabled, reason: new}  # waits for an approval
--- (not listed)\tas the mail system is
+++ (not listed)\tas it shall be
@@ -1 +1 @@
-  old@x: enabled
+  old@x: disabled
"
    );
}

#[test]
fn entries_in_braces_are_shown_on_their_one_line() {
    let desired =
        desired(&[("a.yaml", "pop3: {a: enabled, b: disabled, c: enabled}\n"), ("b.yaml", "pop3: {}\n")]);
    let cause = |name: &str| Cause::Listed(listed(&desired, name));
    let plan = with_changes(vec![
        planned("b", ON, Access::Disabled, cause("b")),
        planned("a", OFF, Access::Enabled, cause("a")),
        planned("c", State::Missing, Access::Enabled, cause("c")),
    ]);
    assert_eq!(
        shown(&plan, &desired),
        "--- desired-state/a.yaml\tas the mail system is\n+++ desired-state/a.yaml\tas it shall be\n@@ -1 +1 @@\n\
         -pop3: {a: disabled, b: enabled, c: missing}\n+pop3: {a: enabled, b: disabled, c: enabled}\n"
    );
    assert_eq!(shown(&with_changes(Vec::new()), &desired), "");
}

/// Undoes the diff: what is there before must be the text with the words of live state.
fn before(diff: &str, text: &str) -> String {
    let (mut out, mut lines) = (Vec::new(), text.lines());
    let mut at = 1;
    for line in diff.lines().skip(2) {
        match line.split_at(1) {
            ("@", _) => {
                let start: usize =
                    line.split('+').nth(1).unwrap().split([',', ' ']).next().unwrap().parse().unwrap();
                while at < start {
                    out.push(lines.next().unwrap().to_owned());
                    at += 1;
                }
            }
            ("-", line) => out.push(line.to_owned()),
            (sign, line) => {
                assert_eq!(lines.next(), Some(line));
                at += 1;
                if sign == " " {
                    out.push(line.to_owned());
                }
            }
        }
    }
    out.extend(lines.map(str::to_owned));
    out.join("\n") + "\n"
}

#[test]
fn the_diff_of_a_large_file_can_be_undone_and_costs_no_more_than_its_lines() {
    let on = |n: u32| n.is_multiple_of(3);
    let entry = |n: u32, on: bool| format!("  u{n:06}@x: {}\n", if on { "enabled" } else { "disabled" });
    let text: String =
        std::iter::once("pop3:\n".to_owned()).chain((0..100_000).map(|n| entry(n, on(n)))).collect();
    let desired = desired(&[("a.yaml", &text)]);
    let changes = (0..100_000).filter(|n| n % 7 < 4 && n % 1000 < 900).map(|n| {
        let cause = Cause::Listed(origin("a.yaml", n + 2));
        let (from, to) = if on(n) { (OFF, Access::Enabled) } else { (ON, Access::Disabled) };
        planned(&format!("u{n:06}@x"), from, to, cause)
    });
    let plan = with_changes(changes.collect());
    let live: String = std::iter::once("pop3:\n".to_owned())
        .chain((0..100_000).map(|n| entry(n, on(n) != (n % 7 < 4 && n % 1000 < 900))))
        .collect();
    assert_eq!(before(&shown(&plan, &desired), &text), live);
}

#[test]
fn a_terminal_gets_colours_and_every_target_its_name() {
    let desired = desired(&[("a.yaml", "pop3: {a: enabled}\n")]);
    let plan = with_changes(vec![planned("a", OFF, Access::Enabled, Cause::Listed(listed(&desired, "a")))]);
    let view = View { color: true, ..view() };
    let one = Shown { plan: &plan, desired: &desired, view: &view };
    let text = written(|out| plans(&[one, one], out));
    assert_eq!(text.matches("target default\n").count(), 2);
    assert!(
        text.contains("\u{1b}[31m-pop3: {a: disabled}\u{1b}[0m\n\u{1b}[32m+pop3: {a: enabled}\u{1b}[0m\n"),
        "{text}"
    );
}
