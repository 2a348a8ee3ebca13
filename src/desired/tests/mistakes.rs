//! What a person sees for each mistake.

use insta::assert_snapshot;

use super::super::*;
use super::{codes_of, files, good, places, shown};
use crate::diagnostic::{codes, render, summary};

#[test]
fn every_problem_of_every_file_is_shown_in_one_run() {
    let problems = read(files(&[
        ("sales.yaml", "pop3:\n  # the shop\n  anna@contoso.example: enabled\n  bob: {acces: enabled}\n"),
        (
            "board.yaml",
            "version: 2\npop3:\n  Anna@contoso.example: enabled\n  björn: {access: on, until: 2026-12-31}\n  \
             carl:\n    access: enabled\n    access: disabled\n    untill: 2026-12-31\n",
        ),
        ("broken.yaml", "pop3:\n  a: [\n"),
    ]))
    .unwrap_err();
    assert_snapshot!(render(&problems, false), @r"
    error[POP033]: version 2 of the format is not known
     --> board.yaml:1:10
      |
    1 | version: 2
      |          ^ not version 1
      |
      = help: write `version: 1`, or leave the field out

    error[POP012]: access must be `enabled` or `disabled`, not `on`
     --> board.yaml:4:19
      |
    4 |   björn: {access: on, until: 2026-12-31}
      |                   ^^ not an access word
      |
      = help: write `enabled`

    error[POP011]: the field `access` is given twice
     --> board.yaml:7:5
      |
    7 |     access: disabled
      |     ^^^^^^ given again here
      |
     ::: board.yaml:6:5
      |
    6 |     access: enabled
      |     ------ first given here
      |
      = help: keep one of the two

    error[POP010]: unknown field `untill`
     --> board.yaml:8:5
      |
    8 |     untill: 2026-12-31
      |     ^^^^^^ not a field of an entry
      |
      = help: did you mean `until`?

    error[POP001]: not YAML: while parsing a node, did not find expected node content
     --> broken.yaml:2:7
      |
    2 |   a: [
      |       ^
      |
      = help: every user is a line `name: enabled` or `name: disabled`, all indented alike

    error[POP020]: user `anna@contoso.example` is listed twice, also as `Anna@contoso.example`
     --> sales.yaml:3:3
      |
    3 |   anna@contoso.example: enabled
      |   ^^^^^^^^^^^^^^^^^^^^ listed again here
      |
     ::: board.yaml:3:3
      |
    3 |   Anna@contoso.example: enabled
      |   -------------------- first listed here
      |
      = help: keep one of the two; they say the same now, but the next change may miss one

    error[POP010]: unknown field `acces`
     --> sales.yaml:4:9
      |
    4 |   bob: {acces: enabled}
      |         ^^^^^ not a field of an entry
      |
      = help: did you mean `access`?
    ");
    assert_snapshot!(summary(&problems), @"7 errors in 3 files");
}

#[test]
fn the_same_user_twice_is_an_error_even_if_both_agree() {
    assert_snapshot!(shown("pop3:\n  straße: enabled\n  x: disabled\n  \"STRASSE\": enabled\n"), @r#"
    error[POP020]: user `STRASSE` is listed twice, also as `straße`
     --> a.yaml:4:3
      |
    4 |   "STRASSE": enabled
      |   ^^^^^^^^^ listed again here
      |
     ::: a.yaml:2:3
      |
    2 |   straße: enabled
      |   ------ first listed here
      |
      = help: keep one of the two; they say the same now, but the next change may miss one
    "#);
    assert_eq!(
        places("pop3: {bj\u{f6}rn: enabled, 'bjo\u{308}rn': disabled, \"bj\\xf6rn\": enabled}\n"),
        [(codes::LISTED_TWICE, 1, 24, 8), (codes::LISTED_TWICE, 1, 44, 10),]
    );
}

#[test]
fn access_is_one_of_two_words() {
    assert_snapshot!(shown("pop3:\n  a: on\n  b: True\n  c: 0\n  d: Enabled\n  e:\n  f: [enabled]\n  g: \"enabled \"\n  h: |\n    enabled\n  i: maybe\n"), @r#"
    error[POP012]: access must be `enabled` or `disabled`, not `on`
     --> a.yaml:2:6
      |
    2 |   a: on
      |      ^^ not an access word
      |
      = help: write `enabled`

    error[POP012]: access must be `enabled` or `disabled`, not `true`
     --> a.yaml:3:6
      |
    3 |   b: True
      |      ^^^^ not an access word
      |
      = help: write `enabled`

    error[POP012]: access must be `enabled` or `disabled`, not `0`
     --> a.yaml:4:6
      |
    4 |   c: 0
      |      ^ not an access word
      |
      = help: write `disabled`

    error[POP012]: access must be `enabled` or `disabled`, not `Enabled`
     --> a.yaml:5:6
      |
    5 |   d: Enabled
      |      ^^^^^^^ not an access word
      |
      = help: write `enabled`

    error[POP014]: `e` has neither `enabled` nor `disabled`
     --> a.yaml:6:3
      |
    6 |   e:
      |   ^ no value
      |
      = help: write `enabled` or `disabled` after the colon

    error[POP013]: access must be `enabled` or `disabled`, not a list
     --> a.yaml:7:6
      |
    7 |   f: [enabled]
      |      ^^^^^^^^^ not an access word
      |
      = help: write `enabled` or `disabled`

    error[POP012]: access must be `enabled` or `disabled`, not `enabled `
     --> a.yaml:8:6
      |
    8 |   g: "enabled "
      |      ^^^^^^^^^^ not an access word
      |
      = help: write `enabled`

    error[POP012]: access must be `enabled` or `disabled`, not `enabled\u{a}`
      --> a.yaml:10:5
       |
    10 |     enabled
       |     ^^^^^^^ not an access word
       |
       = help: write `enabled`

    error[POP012]: access must be `enabled` or `disabled`, not `maybe`
      --> a.yaml:11:6
       |
    11 |   i: maybe
       |      ^^^^^ not an access word
       |
       = help: write `enabled` or `disabled`
    "#);
}

#[test]
fn a_problem_behind_a_tab_that_only_one_parser_accepts_has_a_place() {
    assert_eq!(places("pop3:\n  a:\tenabled\n  bob: on\n"), [(codes::ACCESS_WORD, 3, 3, 3)]);
    assert_eq!(good("pop3:\n  a:\tenabled\n").len(), 1);
}

#[test]
fn a_file_must_say_something() {
    for empty in ["", "# nobody\n", "---\n", "\n\n", "~\n", "\u{feff}"] {
        assert_eq!(codes_of(empty), [codes::EMPTY_FILE], "{empty:?}");
    }
    assert_eq!(codes_of("version: 1\n"), [codes::NO_POP3]);
    assert_eq!(codes_of("{}\n"), [codes::NO_POP3]);
    for no_users in [
        "pop3:\n",
        "pop3: ~\n",
        "pop3: # x\n",
        "pop3: enabled\n",
        "pop3: []\n",
        "pop3:\n- a\n",
        "pop3:\n  john #1: enabled\n",
    ] {
        assert_eq!(codes_of(no_users), [codes::POP3_VALUE], "{no_users:?}");
    }
    assert_eq!(codes_of("- a\n"), [codes::TOP_KIND]);
    assert!(good("pop3: {}\n").is_empty());
    assert_snapshot!(shown("pop3:\n"), @r"
    error[POP032]: `pop3` has no value
     --> a.yaml:1:1
      |
    1 | pop3:
      | ^^^^ no users
      |
      = help: write `pop3: {}` to list nobody
    ");
    assert_eq!(read(Vec::new()).unwrap_err()[0].code, codes::NO_FILE);
}

#[test]
fn versions_other_than_1_are_not_known() {
    for version in ["2", "1.0", "\"1\"", "~", "", "[1]", "v1", "99999999999999999999999999999999999999999999"]
    {
        assert_eq!(codes_of(&format!("version: {version}\npop3: {{}}\n")), [codes::VERSION], "{version}");
    }
    assert!(read(files(&[("a.yaml", "pop3: {}\nversion: 1\n")])).is_ok());
}

#[test]
fn unknown_fields_come_with_a_guess() {
    assert_snapshot!(shown("pop: {}\nalice: enabled\npop3:\n  a: {access: enabled, expires: 2026-12-31, color: red}\n  b: {pop3: enabled}\n"), @r"
    error[POP010]: unknown field `pop`
     --> a.yaml:1:1
      |
    1 | pop: {}
      | ^^^ not a field of the file
      |
      = help: did you mean `pop3`?

    error[POP010]: unknown field `alice`
     --> a.yaml:2:1
      |
    2 | alice: enabled
      | ^^^^^ not a field of the file
      |
      = help: users stand below `pop3:`, indented

    error[POP010]: unknown field `expires`
     --> a.yaml:4:24
      |
    4 |   a: {access: enabled, expires: 2026-12-31, color: red}
      |                        ^^^^^^^ not a field of an entry
      |
      = help: did you mean `until`?

    error[POP010]: unknown field `color`
     --> a.yaml:4:45
      |
    4 |   a: {access: enabled, expires: 2026-12-31, color: red}
      |                                             ^^^^^ not a field of an entry
      |
      = help: an entry has `access`, `until` and `reason`

    error[POP010]: unknown field `pop3`
     --> a.yaml:5:7
      |
    5 |   b: {pop3: enabled}
      |       ^^^^ not a field of an entry
      |
      = help: did you mean `access`?
    ");
}

#[test]
fn fields_of_an_entry_are_checked() {
    assert_snapshot!(shown("pop3:\n  a:\n    access: disabled\n    until: 2026-12-31\n  b:\n    access: enabled\n    until: 2026-02-30\n    reason: 1.10\n  c:\n    until: 2026-12-31\n    reason: |\n      two\n      lines\n  d: {}\n  e: {access: enabled, until: [], reason: {}}\n"), @r"
    error[POP016]: `until` is the last day of access, and this user has none
     --> a.yaml:4:12
      |
    4 |     until: 2026-12-31
      |            ^^^^^^^^^^ means nothing here
      |
     ::: a.yaml:3:13
      |
    3 |     access: disabled
      |             -------- disabled here
      |
      = help: remove `until`, or write `access: enabled`

    error[POP015]: there is no day `2026-02-30` in the calendar
     --> a.yaml:7:12
      |
    7 |     until: 2026-02-30
      |            ^^^^^^^^^^ no such day
      |
      = help: the last day of that month is 2026-02-28

    error[POP017]: `reason` must be a text, and YAML reads this as a number
     --> a.yaml:8:13
      |
    8 |     reason: 1.10
      |             ^^^^ not a text
      |
      = help: put it in quotes

    error[POP014]: `c` has no `access`
     --> a.yaml:9:3
      |
    9 |   c:
      |   ^ no access
      |
      = help: add `access: enabled` or `access: disabled`

    error[POP019]: the reason has a line break in it
      --> a.yaml:12:7
       |
    12 |       two
       |       ^^^ more than one line of visible text
       |
       = help: write it on one line

    error[POP014]: `d` has no `access`
      --> a.yaml:14:3
       |
    14 |   d: {}
       |   ^ no access
       |
       = help: add `access: enabled` or `access: disabled`

    error[POP015]: `until` must be a date, not a list
      --> a.yaml:15:31
       |
    15 |   e: {access: enabled, until: [], reason: {}}
       |                               ^^ not a date
       |
       = help: write the last day of access as YYYY-MM-DD, such as 2026-12-31

    error[POP013]: `reason` must be a text, not a map
      --> a.yaml:15:43
       |
    15 |   e: {access: enabled, until: [], reason: {}}
       |                                           ^^ not a text
       |
       = help: put it in quotes, on one line
    ");
}

#[test]
fn fields_given_twice_are_shown_with_both_places() {
    assert_snapshot!(shown("pop3: {a: enabled}\nversion: 1\npop3: {b: on}\n"), @r"
    error[POP011]: the field `pop3` is given twice
     --> a.yaml:3:1
      |
    3 | pop3: {b: on}
      | ^^^^ given again here
      |
     ::: a.yaml:1:1
      |
    1 | pop3: {a: enabled}
      | ---- first given here
      |
      = help: keep one of the two

    error[POP012]: access must be `enabled` or `disabled`, not `on`
     --> a.yaml:3:11
      |
    3 | pop3: {b: on}
      |           ^^ not an access word
      |
      = help: write `enabled`
    ");
}

#[test]
fn names_that_look_like_others_are_refused() {
    assert_snapshot!(shown("pop3:\n  \"al\\u200bice\": enabled\n  bob\u{a0}: enabled\n  \"\": enabled\n  \"c\\u202e\": enabled\n"), @r#"
    error[POP023]: the name `al\u{200b}ice` has the invisible character U+200B
     --> a.yaml:2:3
      |
    2 |   "al\u200bice": enabled
      |   ^^^^^^^^^^^^^ another name than it looks like
      |
      = help: type the name again

    error[POP024]: the name `bob ` begins or ends with white space (U+00A0)
     --> a.yaml:3:3
      |
    3 |   bob : enabled
      |   ^^^^ another name than it looks like
      |
      = help: remove the white space

    error[POP021]: the name is empty
     --> a.yaml:4:3
      |
    4 |   "": enabled
      |   ^^ no name
      |
      = help: write the name of a user before the colon

    error[POP023]: the name `c\u{202e}` has the invisible character U+202E
     --> a.yaml:5:3
      |
    5 |   "c\u202e": enabled
      |   ^^^^^^^^^ another name than it looks like
      |
      = help: type the name again
    "#);
}
