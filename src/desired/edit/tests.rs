use jiff::civil::date;
use proptest::prelude::*;

use super::super::tests::files;
use super::super::write::tests::any_entry;
use super::*;
use crate::model::Access::{Disabled, Enabled};

fn edit(text: &str, name: &str, access: Access, until: Option<Date>, reason: Option<&str>) -> String {
    set(&files(&[("a.yaml", text)]), name, access, until, reason, None)
        .unwrap_or_else(|problem| panic!("{}", crate::diagnostic::render(&[problem], false)))
        .after
}

const LAST: Option<Date> = Some(date(2026, 12, 31));

#[test]
fn a_word_is_replaced_and_everything_else_stays() {
    let text =
        "# who\r\npop3:   # all\r\n\r\n  \"Bob\" : enabled   # since 2019\r\n  anna: 'disabled'\r\n# end";
    assert_eq!(edit(text, "bob", Disabled, None, None), text.replace(": enabled", ": disabled"));
    assert_eq!(edit(text, "ANNA", Enabled, None, None), text.replace("'disabled'", "'enabled'"));
    assert_eq!(edit(text, "bob", Enabled, None, None), text);
    let marked = format!("\u{feff}{text}");
    assert_eq!(edit(&marked, "bob", Disabled, None, None), marked.replace(": enabled", ": disabled"));
    assert!(!set(&files(&[("a.yaml", text)]), "bob", Enabled, None, None, None).unwrap().is_change());
}

#[test]
fn the_short_form_becomes_a_map_where_it_must() {
    assert_eq!(
        edit("pop3:\n    a: enabled # x\n    b: enabled", "b", Enabled, LAST, Some("CHG: 1")),
        "pop3:\n    a: enabled # x\n    b:\n        access: enabled\n        until: 2026-12-31\n        reason: \"CHG: 1\""
    );
    assert_eq!(
        edit("pop3:\n  a: disabled # x\n  b: enabled\n", "a", Disabled, None, Some("gone")),
        "pop3:\n  a: # x\n    access: disabled\n    reason: gone\n  b: enabled\n"
    );
    assert_eq!(
        edit("pop3: {a: disabled, b: enabled} # x\n", "a", Enabled, LAST, None),
        "pop3: {a: {access: enabled, until: 2026-12-31}, b: enabled} # x\n"
    );
    assert_eq!(
        edit("{\"pop3\": {\"a\": \"disabled\"}}", "a", Enabled, LAST, Some("x")),
        "{\"pop3\": {\"a\": {\"access\": \"enabled\", \"until\": \"2026-12-31\", \"reason\": \"x\"}}}"
    );
    assert_eq!(
        edit("pop3:\n  a:\n    disabled\n  ? b\n  : enabled\n", "b", Enabled, LAST, None),
        "pop3:\n  a:\n    disabled\n  ? b\n  : {access: enabled, until: 2026-12-31}\n"
    );
}

const MAP: &str = "pop3:\n  a:\n    # the scanner\n    access: enabled # x\n    until: 2026-01-01\n    reason: \
                   'CHG-1' # y\n  b: enabled\n";

#[test]
fn the_fields_of_a_map_are_changed_where_they_stand() {
    assert_eq!(edit(MAP, "a", Enabled, LAST, None), MAP.replace("2026-01-01", "2026-12-31"));
    assert_eq!(
        edit(MAP, "a", Enabled, LAST, Some("new #2")),
        MAP.replace("2026-01-01", "2026-12-31").replace("'CHG-1'", "\"new #2\"")
    );
    assert_eq!(
        edit("pop3:\n  a:\n    access: enabled # x\n  b: enabled\n", "a", Enabled, LAST, Some("why")),
        "pop3:\n  a:\n    access: enabled # x\n    until: 2026-12-31\n    reason: why\n  b: enabled\n"
    );
}

#[test]
fn an_until_that_is_not_given_again_goes_and_the_reason_stays() {
    assert_eq!(edit(MAP, "a", Enabled, None, None), MAP.replace("    until: 2026-01-01\n", ""));
    assert_eq!(
        edit(MAP, "a", Disabled, None, None),
        MAP.replace("    until: 2026-01-01\n", "").replace("access: enabled", "access: disabled")
    );
    let commented = MAP.replace("2026-01-01", "2026-01-01  # asked by Bob");
    assert_eq!(
        edit(&commented, "a", Enabled, None, None),
        commented.replace("until: 2026-01-01  # asked", "# asked")
    );
    assert_eq!(
        edit("pop3:\n  a:\n    until: 2026-01-01\n    access: enabled # x", "a", Disabled, None, None),
        "pop3:\n  a:\n    access: disabled # x"
    );
}

#[test]
fn a_map_that_says_no_more_than_a_word_becomes_one() {
    assert_eq!(
        edit(
            "pop3:\n  a:\n    access: enabled\n    until: 2026-01-01\n  b: enabled\n",
            "a",
            Enabled,
            None,
            None
        ),
        "pop3:\n  a: enabled\n  b: enabled\n"
    );
    assert_eq!(
        edit("pop3:\n  a: {access: enabled, until: 2026-01-01} # x\n", "a", Disabled, None, None),
        "pop3:\n  a: disabled # x\n"
    );
}

#[test]
fn a_new_user_finds_his_place() {
    let text = "pop3:\n  # board\n  b: enabled # x\n\n  # sales\n  d: enabled\nversion: 1\n";
    assert_eq!(edit(text, "c", Enabled, None, None), text.replace("# x\n", "# x\n  c: enabled\n"));
    assert_eq!(edit(text, "a", Disabled, None, None), text.replace("  # board", "  a: disabled\n  # board"));
    assert_eq!(
        edit(text, "E: F", Enabled, LAST, None),
        text.replace(
            "  d: enabled\n",
            "  d: enabled\n  \"E: F\":\n    access: enabled\n    until: 2026-12-31\n"
        )
    );
    assert_eq!(
        edit("pop3:\r\n  c: enabled\r\n  a: enabled", "b", Enabled, None, None),
        "pop3:\r\n  c: enabled\r\n  a: enabled\r\n  b: enabled"
    );
    assert_eq!(
        edit(
            "pop3:\n  c:\n    access: enabled\n    reason: |-\n      x\n  # end\n",
            "d",
            Enabled,
            None,
            None
        ),
        "pop3:\n  c:\n    access: enabled\n    reason: |-\n      x\n  d: enabled\n  # end\n"
    );
}

#[test]
fn a_new_user_fits_into_braces_and_into_nothing() {
    assert_eq!(edit("pop3: {} # nobody\n", "a", Enabled, None, None), "pop3: # nobody\n  a: enabled\n");
    assert_eq!(edit("pop3:\n  {\n  }", "a", Enabled, None, None), "pop3:\n  {a: enabled}");
    assert_eq!(edit("{pop3: {}}", "a b", Enabled, None, None), "{pop3: {a b: enabled}}");
    assert_eq!(
        edit("pop3: {a: enabled, c: enabled,}\n", "b", Enabled, None, None),
        "pop3: {a: enabled, b: enabled, c: enabled,}\n"
    );
    assert_eq!(
        edit("pop3: {a: enabled, c: 'enabled',}\n", "d,", Enabled, None, None),
        "pop3: {a: enabled, c: 'enabled', \"d,\": enabled,}\n"
    );
    assert_eq!(
        edit("{\"pop3\": {\n  \"a\": \"enabled\"\n}}\n", "b", Disabled, None, Some("x")),
        "{\"pop3\": {\n  \"a\": \"enabled\", \"b\": {\"access\": \"disabled\", \"reason\": \"x\"}\n}}\n"
    );
}

#[test]
fn what_cannot_be_changed_in_place_is_refused_with_its_place() {
    let text = "pop3:\n  a: {access: enabled, # x\n      until: 2026-01-01}\n";
    let problem = set(&files(&[("a.yaml", text)]), "a", Disabled, None, None, None).unwrap_err();
    insta::assert_snapshot!(crate::diagnostic::render(&[problem], false), @r"
    error[POP042]: the file is written in a way in which `a` cannot be set in place
     --> a.yaml:2:3
      |
    2 |   a: {access: enabled, # x
      |   ^
      |
      = help: edit the file by hand; the value shall be `disabled`
    ");
    let text = "pop3: { # nobody\n  }\n";
    let problem = set(&files(&[("a.yaml", text)]), "a", Disabled, None, None, None).unwrap_err();
    assert_eq!(problem.code, codes::EDIT_SHAPE);
}

#[test]
fn a_new_user_goes_to_the_file_of_his_domain_or_to_the_one_that_is_named() {
    let two =
        files(&[("a.yaml", "pop3: {a@x.example: enabled}\n"), ("b.yaml", "pop3: {b@Y.example: enabled}\n")]);
    let path =
        |name: &str, into: Option<&str>| set(&two, name, Enabled, None, None, into).map(|edit| edit.path);
    assert_eq!(path("c@y.example", None).as_deref(), Ok("b.yaml"));
    assert_eq!(path("c@y.example", Some("a.yaml")).as_deref(), Ok("a.yaml"));
    let problem = path("John", None).unwrap_err();
    assert_eq!(problem.code, codes::EDIT_WHERE);
    assert_eq!(problem.help.as_deref(), Some("name the file with `--file`: a.yaml, b.yaml"));
    assert_eq!(path("c@y.example", Some("c.txt")).unwrap_err().code, codes::EDIT_WHERE);
    for outside in ["../c.yaml", "/c.yaml", ".c.yaml", "x/.git/c.yaml", "x//c.yaml"] {
        assert_eq!(path("c@y.example", Some(outside)).unwrap_err().code, codes::EDIT_WHERE, "{outside}");
    }
    let elsewhere = path("a@x.example", Some("b.yaml")).unwrap_err();
    assert_eq!((elsewhere.code, elsewhere.order().0), (codes::EDIT_ELSEWHERE, "a.yaml"));
}

#[test]
fn a_new_file_is_made_where_one_is_named() {
    let new = set(&[], "a", Enabled, None, None, Some("sales/x.yml")).unwrap();
    assert_eq!((new.before.as_deref(), &*new.after), (None, "version: 1\npop3:\n  a: enabled\n"));
    assert!(new.is_change());
    assert_eq!(set(&[], "a", Enabled, None, None, None).unwrap_err().code, codes::NO_FILE);
}

#[test]
fn a_wish_that_would_be_an_error_is_refused() {
    let file = files(&[("a.yaml", "pop3: {}\n")]);
    let code =
        |name: &str, access, until, reason| set(&file, name, access, until, reason, None).unwrap_err().code;
    assert_eq!(code("a\u{200b}", Enabled, None, None), codes::NAME_CHARACTERS);
    assert_eq!(code("a", Disabled, LAST, None), codes::UNTIL_DISABLED);
    assert_eq!(code("a", Enabled, None, Some("x\ny")), codes::REASON_CHARACTERS);
    assert_eq!(code("a", Enabled, Some(date(-1, 1, 1)), None), codes::UNTIL_DATE);
    let broken = files(&[("a.yaml", "pop3: {b: on}\n")]);
    assert_eq!(set(&broken, "a", Enabled, None, None, None).unwrap_err().code, codes::ACCESS_WORD);
}

/// A file with comments and blank lines between the entries, which are written in various ways.
fn file(entries: &[Entry], styles: &[u8]) -> String {
    let mut text = vec!["# top\nversion: 1\n\npop3: # users\n".to_owned()];
    let mut seen = std::collections::BTreeSet::new();
    for (entry, style) in entries.iter().zip(styles.iter().cycle()) {
        if !seen.insert(fold(&entry.name)) {
            continue;
        }
        text.push(match style % 4 {
            0 => format!("  {}: {}  # flow\n", yaml::quote(&entry.name), write::flow(entry, false)),
            1 => format!("  # before\n{}\n\n", write::block(entry, "  ", "    ", "\n")),
            2 => format!("{} # behind\n", write::block(entry, "  ", " ", "\n")),
            _ => format!("{}\n", write::block(entry, "  ", "  ", "\n")),
        });
    }
    let text = text.concat();
    if seen.is_empty() { text.replace("pop3:", "pop3: {}") } else { text + "# bottom\n" }
}

proptest! {
    #[test]
    fn an_edit_reads_back_as_wished_and_keeps_every_comment(
        entries in prop::collection::vec(any_entry(), 0..6),
        styles in prop::collection::vec(any::<u8>(), 6),
        wish in any_entry(),
        pick in prop::option::of(any::<prop::sample::Index>()),
        windows: bool,
    ) {
        prop_assume!(entries.iter().chain([&wish]).all(|entry| entry.name.len() < 900));
        let mut text = file(&entries, &styles);
        if windows {
            text = text.replace('\n', "\r\n");
        }
        let name = match pick {
            Some(pick) if !entries.is_empty() => &*pick.get(&entries).name,
            _ => &*wish.name,
        };
        let before = files(&[("a.yaml", &text)]);
        let edit = set(&before, name, wish.access, wish.until, wish.reason.as_deref(), None);
        let edit = edit.map_err(|problem| TestCaseError::fail(format!("{text}\n{problem}")))?;
        let old = read(before).unwrap();
        let new = read(files(&[("a.yaml", &edit.after)])).unwrap();
        let entry = new.get(name).unwrap();
        prop_assert_eq!((entry.access, entry.until), (wish.access, wish.until));
        let kept = old.get(name).and_then(|entry| entry.reason);
        prop_assert_eq!(entry.reason, wish.reason.as_deref().or(kept));
        prop_assert_eq!(new.len(), old.len() + usize::from(old.get(name).is_none()));
        prop_assert!(old.iter().all(|other| fold(other.name) == fold(name) || new.get(other.name) == Some(other)));
        for comment in ["# top", "# users", "# flow", "# before", "# behind", "# bottom"] {
            let count = |text: &str| text.matches(&format!("{comment}{}", if windows { "\r\n" } else { "\n" })).count();
            prop_assert_eq!(count(&edit.after), count(&text), "{} in\n{}\n->\n{}", comment, text, edit.after);
        }
        prop_assert_eq!(edit.after.contains("\r\n"), windows);
        prop_assert_eq!(edit.after.matches('\n').count() == edit.after.matches("\r\n").count(), windows);
    }
}
