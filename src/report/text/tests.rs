use super::super::sample::{self, at, crowded, effect, empty, ordinary, origin, planned, view, with_changes};
use super::*;
use crate::model::State;
use crate::plan::{Base, BlockedBecause, Guard, Note, Provenance, Taken};

fn shown(plan: &Plan) -> String {
    shown_as(plan, &view())
}

fn shown_as(plan: &Plan, view: &View) -> String {
    let mut text = String::new();
    super::plan(plan, view, &mut text).unwrap();
    text
}

#[test]
fn an_ordinary_plan_reads_from_the_summary_to_the_guards() {
    assert_eq!(
        shown(&ordinary()),
        "\
3 changes: disable POP3 for 2 users, enable POP3 for 1 user · 37 unchanged
plan ID · target default · desired state abababababab, commit 4f2c9a1b0c2d… · 1,482 accounts in the store · 2026-08-22 12:00:00 UTC

Disable POP3 for 2 users
  - bob@contoso.example  enabled → disabled  desired-state/sales.yaml:3  listed
  - kim@contoso.example  enabled → disabled  desired-state/sales.yaml:7  `until 2026-01-01` is over

Enable POP3 for 1 user
  + scanner-3@contoso.example  disabled → enabled  desired-state/finance/eu.yaml:14  listed, `until 2099-12-31`, reason: CHG-1234 legacy scanner

What happens then
  empties the authentication cache of dovecot.service and ends the POP3 sessions of 2 users, not before 12:00:30; nothing restarts

guards: ok
"
        .replace("ID", ordinary().id.as_str())
    );
}

#[test]
fn a_crowded_plan_says_everything_and_ends_with_the_command_that_approves_it() {
    let plan = crowded();
    let rebound = plan.held[1].id.clone();
    assert_eq!(
        shown(&plan),
        "\
4 changes: disable POP3 for 3 users, enable POP3 for 1 user · 3 of them wait for an approval · 5 blocked · 1 changed by hand and left alone · 2 not in the store · 2 unreadable · 4 released · 1,234 unchanged
plan ID · target default · desired state abababababab, commit 4f2c9a1b0c2d… · 1,482 accounts in the store · 2026-08-22 12:00:00 UTC

Disable POP3 for 3 users
  - approved@x  enabled → disabled  desired-state/a.yaml:1  listed  [approved]
  - drifted@x   enabled → disabled  desired-state/a.yaml:2  drift: changed by hand  [waits for an approval]
  - mixed@x     mixed   → disabled  -                       not listed, allow-list mode  [waits for an approval]

Enable POP3 for 1 user
  + new@x  missing → enabled  desired-state/a.yaml:4  listed, created in the store  [waits for an approval]

What happens then
  restarts dovecot.service once, not before 12:00:30; every session on it ends

Blocked: 5 entries; nothing is written for these
  ! info@x  desired-state/c.yaml:1  could mean any of 2 accounts: anna@x (17), bert@x
      write a name that only one of them has
  ! Anna  desired-state/c.yaml:2  means the account anna@x, and so does `anna@x` at desired-state/d.yaml:9
      keep one of these entries
  ! reused@x  desired-state/c.yaml:3  means the account 18 now, and meant 17 before
      edit the entry if the new user is meant, or: popgate approve REBOUND --reason \"…\"
  ! HealthMailbox1  desired-state/c.yaml:4  its account is ignored: it matches `HealthMailbox*`
      remove the entry, or take `HealthMailbox*` out of `ignored` in the settings
  ! ceo@x  desired-state/c.yaml:5  its account is protected: it matches `ceo@*`
      remove the entry, or take `ceo@*` out of `protected` in the settings; one that is not there is protected in any case

Changed by hand and left alone: 1 user
  ~ quiet@x  desired-state/b.yaml:5  is disabled, the entry says enabled
      to write it back: popgate approve QUIET --reason \"…\"

Notes
  warning: `alcie@x` (desired-state/e.yaml:1) is not in the store, so nobody loses POP3 by this entry; did you mean `alice@x`?
  note: `zoe@x` (desired-state/e.yaml:2) is not in the store; it is looked for again at every read
  warning: `odd@x` cannot be read, so nothing is written for it: flag is `maybe`
  warning: `odder@x` (desired-state/e.yaml:3) cannot be read, so nothing is written for it: flag is NULL
  note: `left@x` is no longer managed, POP3 stays enabled; write `disabled` to disable it
  note: `gone@x` is no longer managed, POP3 stays disabled; write `enabled` to enable it
  note: `half@x` is no longer managed, its POP3 flags disagree and stay so; write `enabled` or `disabled` to settle them
  note: `murky@x` is no longer managed
  note: popgate has not met this store before; `popgate run` will wait until somebody says `popgate approve ID --reason \"…\"`
  warning: not effective yet, because a restart of dovecot.service is owed: u0@x, u1@x, u2@x, u3@x, u4@x, u5@x, u6@x, u7@x, u8@x, u9@x and 2 more may still use POP3

Not listed: 212 accounts, 14 of them with POP3 enabled, and 4 released; 1 loses POP3

Guards
  max_disable tripped: 13 users would lose POP3 (3 of them in the last hour); the limit is 10
  shrunk_live: not evaluated, nothing is remembered yet to compare with
  the other one: ok

To approve this plan: popgate approve ID --reason \"…\"
"
        .replace("ID", plan.id.as_str())
        .replace("REBOUND", rebound.as_str())
        .replace("QUIET", plan.held[0].id.as_str())
    );
}

#[test]
fn nothing_to_change_is_said_in_words() {
    let text = shown(&empty());
    assert!(text.starts_with("nothing to change · 37 unchanged\n"), "{text}");
    assert!(text.ends_with("\nguards: ok\n"), "{text}");
    assert!(!text.contains("What happens"), "{text}");
}

#[test]
fn a_plan_in_one_direction_names_only_that() {
    let one = |from, to| {
        with_changes(vec![planned("a@x", State::Is(from), to, Cause::Listed(origin("a.yaml", 1)))])
    };
    let text = shown(&one(Access::Enabled, Access::Disabled));
    assert!(text.starts_with("1 change: disable POP3 for 1 user · 37 unchanged\n"), "{text}");
    let text = shown(&one(Access::Disabled, Access::Enabled));
    assert!(text.starts_with("1 change: enable POP3 for 1 user · 37 unchanged\n"), "{text}");
}

#[test]
fn a_plan_that_waits_as_a_whole_says_so_in_the_first_line() {
    let mut plan = ordinary();
    plan.changes.iter_mut().for_each(|planned| planned.waits = true);
    plan.guards[0] = sample::verdict(Guard::MaxDisable, 2, 1);
    let text = shown(&plan);
    assert!(text.lines().next().unwrap().contains("all of it waits for an approval"), "{text}");
    assert!(text.contains("\nWhat happens then, once it is approved\n"), "{text}");
    let last = format!("\nTo approve this plan: popgate approve {} --reason \"…\"\n", plan.id);
    assert!(text.ends_with(&last), "{text}");
}

#[test]
fn a_tripped_first_contact_is_told_once() {
    let mut plan = ordinary();
    plan.notes = vec![Note::FirstContact];
    assert_eq!(shown(&plan).matches("not met this store").count(), 1);
    plan.guards[0] = sample::verdict(Guard::FirstContact, 3, 0);
    let text = shown(&plan);
    assert_eq!(text.matches("not met this store").count(), 1, "{text}");
    assert!(text.contains("adopt it by approving this plan"), "{text}");
    // Another guard says nothing about the store.
    plan.guards[0] = sample::verdict(Guard::MaxDisable, 3, 0);
    assert_eq!(shown(&plan).matches("not met this store").count(), 1);
}

#[test]
fn every_guard_tells_value_and_limit() {
    for (guard, words) in [
        (Guard::FirstContact, vec!["12 changes"]),
        (Guard::Empty, vec!["12 entries", "limit is 7"]),
        (Guard::ShrunkInput, vec!["12 %", "limit is 7 %"]),
        (Guard::ShrunkLive, vec!["12 %", "limit is 7 %"]),
        (Guard::Unreadable, vec!["12 %", "limit is 7 %"]),
        (Guard::MaxDisable, vec!["12 users would lose", "limit is 7"]),
        (Guard::MaxEnable, vec!["12 users would get", "limit is 7"]),
        (Guard::MaxChanges, vec!["12 changes", "limit is 7"]),
        (Guard::Clock, vec!["12 expiry dates", "limit is 7"]),
    ] {
        let mut plan = empty();
        plan.guards = vec![sample::verdict(guard, 12, 7)];
        let text = shown(&plan);
        for word in words {
            assert!(text.contains(&format!("  {} tripped: ", guard.word())), "{text}");
            assert!(text.contains(word), "{word} in {text}");
        }
    }
}

#[test]
fn effects_name_the_real_action() {
    let words = |effect: Effect| {
        let mut plan = ordinary();
        plan.effects = vec![effect];
        let text = shown(&plan);
        text.split_once("What happens then\n").unwrap().1.lines().next().unwrap().trim().to_owned()
    };
    assert_eq!(
        words(effect(Action::Restart)),
        "restarts dovecot.service once, not before 12:00:30; every session on it ends"
    );
    assert_eq!(
        words(Effect { restarts: 3, due: Due::At(at("2026-08-23T22:00:00Z")), ..effect(Action::Restart) }),
        "restarts dovecot.service once, 3 services in all, not before 2026-08-23 22:00:00; every session on it ends"
    );
    assert_eq!(
        words(Effect { restarts: 0, due: Due::Never, ..effect(Action::Reload) }),
        "reloads dovecot.service once wherever it runs, but no window for restarts ever opens; sessions on it may end"
    );
    assert_eq!(
        words(Effect {
            disabled: 0,
            due: Due::At(at("2026-08-22T12:00:00Z")),
            ..effect(Action::FlushAndEndSessions)
        }),
        "empties the authentication cache of dovecot.service and ends nobody's session; nothing restarts"
    );
    assert_eq!(
        words(effect(Action::Command)),
        "runs the command `dovecot.service` once, not before 12:00:30"
    );
    assert_eq!(
        words(effect(Action::Manual)),
        "a person has to restart dovecot.service, not before 12:00:30: popgate says how and waits until it sees that"
    );
    assert_eq!(
        words(effect(Action::Announce)),
        "popgate's own list only: it says that dovecot.service would restart; nothing restarts"
    );
    let mut plan = ordinary();
    plan.effects.clear();
    assert!(shown(&plan).contains("\n  nothing restarts: "));
}

#[test]
fn times_are_shown_in_the_zone_of_the_view() {
    let zone = TimeZone::get("Asia/Taipei").unwrap();
    let text = shown_as(&ordinary(), &View { timezone: zone, ..view() });
    assert!(text.contains("2026-08-22 20:00:00 Asia/Taipei"), "{text}");
    assert!(text.contains("not before 20:00:30"), "{text}");
}

#[test]
fn colours_are_used_only_when_asked_for() {
    let plain = shown(&crowded());
    assert!(!plain.contains('\u{1b}'), "{plain}");
    let coloured = shown_as(&crowded(), &View { color: true, ..view() });
    assert!(coloured.contains("\u{1b}[31m- approved@x"), "{coloured}");
    assert!(coloured.contains("\u{1b}[32m+ new@x"), "{coloured}");
    let mut stripped = coloured;
    for code in ["0", "1", "2", "31", "32", "33"] {
        stripped = stripped.replace(&format!("\u{1b}[{code}m"), "");
    }
    assert_eq!(stripped, plain);
}

#[test]
fn nothing_that_others_write_steers_the_terminal_or_starts_a_line() {
    let evil = "e\u{1b}[2J\n\u{202e}\u{9b}31m\r\u{2028}vil".to_owned();
    let place = || Origin { file: evil.clone(), ..origin("", 1) };
    let mut plan = crowded();
    for planned in &mut plan.changes {
        planned.change.name.clone_from(&evil);
        planned.reason = Some(evil.clone());
        planned.change.cause = Cause::Drift(place());
    }
    for held in &mut plan.held {
        held.change.name.clone_from(&evil);
        held.change.cause = Cause::Drift(place());
    }
    let id = || crate::model::AccountId::new(evil.clone());
    for blocked in &mut plan.blocked {
        blocked.name.clone_from(&evil);
        blocked.origin = place();
        match &mut blocked.why {
            BlockedBecause::Ambiguous(all) => *all = vec![(id(), evil.clone())],
            BlockedBecause::Doubled(account, others) => {
                account.clone_from(&evil);
                *others = vec![(evil.clone(), place())];
            }
            BlockedBecause::Rebound { was, now, .. } => (*was, *now) = (id(), id()),
            BlockedBecause::Ignored(glob) | BlockedBecause::Protected(glob) => glob.clone_from(&evil),
        }
    }
    for note in &mut plan.notes {
        match note {
            Note::Missing { name, origin, suggestion, .. } => {
                name.clone_from(&evil);
                *origin = place();
                *suggestion = Some(evil.clone());
            }
            Note::Unreadable { name, why, origin } => {
                name.clone_from(&evil);
                why.clone_from(&evil);
                *origin = Some(place());
            }
            Note::Released { name, .. } => name.clone_from(&evil),
            Note::FirstContact | Note::WritesClosed { .. } => {}
            Note::PolicyChanged(rule) => {
                for text in [&mut rule.rule, &mut rule.was, &mut rule.now] {
                    text.clone_from(&evil);
                }
            }
            Note::NotEffective { service, names } => {
                service.clone_from(&evil);
                *names = vec![evil.clone()];
            }
        }
    }
    for verdict in &mut plan.guards {
        verdict.detail = Some(evil.clone());
    }
    for effect in &mut plan.effects {
        effect.service.clone_from(&evil);
    }
    plan.target.clone_from(&evil);
    let lines = shown(&crowded()).lines().count();
    let view = View { commit: Some(evil.clone()), directory: evil.clone(), ..view() };
    let text = shown_as(&plan, &view);
    let harmful = |c: &char| *c != '\n' && super::super::harmless::is_harmful(*c);
    assert_eq!(text.chars().filter(harmful).collect::<String>(), "");
    assert_eq!(text.lines().count(), lines, "{text}");
}

#[test]
fn one_long_name_does_not_push_every_line_to_the_right() {
    let change = |name: &str| {
        planned(name, State::Is(Access::Enabled), Access::Disabled, Cause::Listed(origin("a.yaml", 1)))
    };
    let text = shown(&with_changes(vec![change("a@x"), change(&"n".repeat(320))]));
    let line = text.lines().find(|line| line.contains("a@x")).unwrap();
    assert!(line.len() < 120, "{line}");
}

#[test]
fn the_first_failure_to_write_ends_the_report() {
    struct Full(usize);
    impl fmt::Write for Full {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0 = self.0.checked_sub(text.len()).ok_or(fmt::Error)?;
            Ok(())
        }
    }
    let whole = shown(&crowded()).len();
    assert!(plan(&crowded(), &view(), &mut Full(whole)).is_ok());
    for room in 0..whole {
        assert!(plan(&crowded(), &view(), &mut Full(room)).is_err(), "room for {room}");
    }
}

/// Compared with `main`: the first change was pending, the second is the branch's, the third is drift.
fn compared() -> Plan {
    let mut plan = ordinary();
    let from = [Provenance::Pending, Provenance::Branch, Provenance::Drift];
    for (planned, from) in plan.changes.iter_mut().zip(from) {
        planned.provenance = Some(from);
    }
    plan.context.base =
        Some(Base { revision: "main".to_owned(), commit: "c0ffee".to_owned(), unsorted: None });
    plan.context.snapshot = Some(Taken { at: at("2026-08-22T09:00:00Z"), age_s: 10_800 });
    plan.context.author = Some("Anna <anna@x>".to_owned());
    plan
}

#[test]
fn a_plan_beside_a_base_says_what_the_branch_causes_and_how_old_the_snapshot_is() {
    let text = shown(&compared());
    for part in [
        "commit 4f2c9a1b0c2d… by Anna <anna@x> · 1,482 accounts in the store, as a snapshot has it that is 3 h old",
        "\ncompared with main (c0ffee): 1 caused by this branch · 1 pending before it · 1 changed by hand\n",
        "sales.yaml:3  listed, not by this branch: pending before it\n",
        "`until 2026-01-01` is over\n",
    ] {
        assert!(text.contains(part), "{part} in:\n{text}");
    }
}

#[test]
fn a_base_that_could_not_be_compared_with_is_a_warning_that_steers_nothing() {
    let mut plan = compared();
    let evil = "ma\u{1b}[31min\u{202e}";
    plan.context.base = Some(Base {
        revision: evil.to_owned(),
        commit: evil.to_owned(),
        unsorted: Some(format!("{evil} is invalid")),
    });
    plan.context.author = Some(format!("{evil}\n::error::"));
    let text = shown(&plan);
    assert!(text.contains("\nwarning: not compared with ma"), "{text}");
    assert!(!text.contains(['\u{1b}', '\u{202e}']) && !text.contains("\n::error"), "{text}");
}
