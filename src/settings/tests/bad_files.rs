//! Files that are wrong as files, and what stands at their top.

use insta::assert_snapshot;

use super::*;

#[test]
fn an_empty_file_is_no_settings() {
    assert_snapshot!(problems(""), @"
    POP108 Error popgate.yaml the settings file is empty
      help write `version: 1` to use the defaults, or remove the file
    ");
    assert_eq!(problems("# only a comment\n"), problems(""));
    assert_eq!(problems("---\n"), problems(""));
    assert_eq!(problems("\u{feff}"), problems(""));
}

#[test]
fn what_is_no_map_is_refused() {
    assert_snapshot!(problems("- a\n"), @"POP113 Error popgate.yaml:1:1+1 the file must be a map of fields, not a list");
    assert_snapshot!(problems("popgate\n"), @"POP113 Error popgate.yaml:1:1+7 the file must be a map of fields, not text");
    assert_snapshot!(problems("~\n"), @"POP113 Error popgate.yaml:1:1+1 the file is empty, it must be a map of fields");
}

#[test]
fn broken_yaml_is_located() {
    assert_snapshot!(problems("targets:\n  t: {desired: x\nlog: {format: text}\n"), @"
    POP103 Error popgate.yaml:3:4+1 not YAML: while parsing a flow mapping, did not find expected ',' or '}'
      help look for a missing quote, bracket or colon, or an uneven indentation, here or just before
    ");
    assert_snapshot!(problems("a: b: c\n"), @"
    POP103 Error popgate.yaml:1:5+1 not YAML: mapping values are not allowed in this context
      help look for a missing quote, bracket or colon, or an uneven indentation, here or just before
    ");
    assert_snapshot!(problems("targets:\n\tt: x\n"), @"
    POP103 Error popgate.yaml:2:2+1 not YAML: tabs disallowed within this context (block indentation)
      help look for a missing quote, bracket or colon, or an uneven indentation, here or just before
    ");
}

#[test]
fn everything_but_plain_data_is_refused_at_once() {
    assert_snapshot!(problems("a: &x 1\nb: *x\nc: !!str 2\nd:\n  <<: {e: f}\n? [g]\n: h\n"), @"
    POP104 Error popgate.yaml:1:4+4 an anchor is not allowed
      help settings are plain data: write the value itself, or put text in quotes
    POP104 Error popgate.yaml:2:4+2 an alias is not allowed
      help settings are plain data: write the value itself, or put text in quotes
    POP104 Error popgate.yaml:3:4+7 a tag is not allowed
      help settings are plain data: write the value itself, or put text in quotes
    POP104 Error popgate.yaml:5:3+2 a merge key is not allowed
      help settings are plain data: write the value itself, or put text in quotes
    POP104 Error popgate.yaml:6:3+1 the key of a field must be text
      help put text that contains brackets in quotes
    ");
    assert_snapshot!(problems("version: 1\n---\nversion: 1\n"), @"
    POP105 Error popgate.yaml:2:1+3 a second document begins here
      help a settings file holds one document: remove `---` and what does not belong here
    ");
    assert_snapshot!(problems("a: [[[[[[[[[1]]]]]]]]]\n"), @"
    POP106 Error popgate.yaml:1:11+1 nested deeper than 8 levels
      help nothing in the settings is nested so deeply
    ");
}

#[test]
fn odd_characters_are_refused_before_anything_else() {
    assert_snapshot!(problems("a: 1\rb: 2\nc: \u{202e}3 # \u{2028}\nd: \u{85}\u{7}\n"), @"
    POP107 Error popgate.yaml:1:5+1 a carriage return without a line feed (U+000D)
      help remove it, or write it as an escape in double quotes
    POP107 Error popgate.yaml:2:4+1 a character that turns the direction of writing (U+202E)
      help remove it, or write it as an escape in double quotes
    POP107 Error popgate.yaml:2:9+1 an unusual line break (U+2028)
      help remove it, or write it as an escape in double quotes
    POP107 Error popgate.yaml:3:4+1 an unusual line break (U+0085)
      help remove it, or write it as an escape in double quotes
    POP107 Error popgate.yaml:3:5+1 a control character (U+0007)
      help remove it, or write it as an escape in double quotes
    ");
}

#[test]
fn a_file_of_users_is_too_long() {
    assert_snapshot!(problems(&"# 0123456789\n".repeat(30_000)), @"
    POP102 Error popgate.yaml the settings file is longer than 256 KiB
      help users belong into the desired directory, not here
    ");
}

#[test]
fn unknown_fields_are_named_and_the_nearest_is_suggested() {
    assert_snapshot!(problems(&format!("target: {{}}\nlogs: 1\ncolour: red\n{TARGET}")), @"
    POP110 Error popgate.yaml:1:1+6 unknown field `target`
      help did you mean `targets`?
    POP110 Error popgate.yaml:2:1+4 unknown field `logs`
      help did you mean `log`?
    POP110 Error popgate.yaml:3:1+6 unknown field `colour`
      help the fields here are `version`, `state`, `timezone`, `targets`, `watch`, `notify`, `web` and `log`
    ");
    assert_snapshot!(problems(&with("restart: {quite: 30s}\nguard: {}\nsecret: hunter2")), @"
    POP110 Error popgate.yaml:6:15+5 unknown field `quite`
      help did you mean `quiet`?
    POP110 Error popgate.yaml:7:5+5 unknown field `guard`
      help did you mean `guards`?
    POP110 Error popgate.yaml:8:5+6 unknown field `secret`
      help the fields here are `desired`, `store`, `service`, `refresh`, `unlisted`, `ignored`, `protected`, `drift`, `guards`, `on_blocked`, `restart`, `windows` and `snapshot`
    ");
}

#[test]
fn a_field_written_twice_shows_both_places() {
    assert_snapshot!(problems(&format!("state: a\n{TARGET}state: a\n")), @"
    POP111 Error popgate.yaml:7:1+5 `state` is written twice
      also popgate.yaml:1:1+5 first written here
      help keep one of the two
    ");
    assert_snapshot!(problems(&with("unlisted: keep\nrestart: {quiet: 1s, quiet: 2s}\nunlisted: keep")), @"
    POP111 Error popgate.yaml:7:26+5 `quiet` is written twice
      also popgate.yaml:7:15+5 first written here
      help keep one of the two
    POP111 Error popgate.yaml:8:5+8 `unlisted` is written twice
      also popgate.yaml:6:5+8 first written here
      help keep one of the two
    ");
}

#[test]
fn a_target_written_twice_shows_both_places() {
    let again = TARGET.replace("targets:\n", "");
    assert_snapshot!(problems(&format!("{TARGET}{again}")), @"
    POP111 Error popgate.yaml:6:3+1 `t` is written twice
      also popgate.yaml:2:3+1 first written here
      help keep one of the two
    ");
}

#[test]
fn values_of_the_wrong_kind_say_what_belongs_there() {
    assert_snapshot!(problems("state: 12\ntimezone: [UTC]\nwatch: 5s\nlog: text\nweb:\nnotify: {command: true}\ntargets: []\n"), @r#"
    POP113 Error popgate.yaml:1:8+2 `state` must be text, not a number
      help write "12" in quotes
    POP113 Error popgate.yaml:2:11+5 `timezone` must be text, not a list
    POP113 Error popgate.yaml:3:8+2 `watch` must be a map of fields, not text
    POP113 Error popgate.yaml:4:6+4 `log` must be a map of fields, not text
    POP113 Error popgate.yaml:5:1+3 `web` is empty, it must be a map of fields
      help write a value, or remove `web`
    POP113 Error popgate.yaml:6:19+4 `command` must be a list of words, not `true` or `false`
    POP113 Error popgate.yaml:7:10+2 `targets` must be a map of targets by name, not a list
    "#);
}

#[test]
fn an_unknown_version_is_refused() {
    for version in ["2", "0", "\"1\"", "1.0", "one"] {
        assert!(problems(&format!("version: {version}\n")).starts_with("POP118 "), "{version}");
    }
    assert_snapshot!(problems("version: 2\n"), @"
    POP118 Error popgate.yaml:1:10+1 unknown version `2` of the settings
      help this popgate reads `version: 1`
    ");
    assert_snapshot!(problems("version:\n"), @"
    POP113 Error popgate.yaml:1:1+7 `version` is empty, it must be the number 1
      help write a value, or remove `version`
    ");
}

#[test]
fn time_zones_are_those_of_the_database() {
    assert_snapshot!(problems("timezone: Asia/Taipeh\n"), @"
    POP120 Error popgate.yaml:1:11+11 unknown time zone `Asia/Taipeh`
      help did you mean `Asia/Taipei`?
    ");
    assert_snapshot!(problems("timezone: Berlin\n"), @"
    POP120 Error popgate.yaml:1:11+6 unknown time zone `Berlin`
      help did you mean `Europe/Berlin`?
    ");
    assert_snapshot!(problems("timezone: UTC+8\n"), @"
    POP120 Error popgate.yaml:1:11+5 unknown time zone `UTC+8`
      help write it as in the IANA database, such as `Asia/Taipei` or `UTC`
    ");
    assert_snapshot!(problems("timezone: ../../etc/passwd\n"), @"
    POP120 Error popgate.yaml:1:11+16 unknown time zone `../../etc/passwd`
      help write it as in the IANA database, such as `Asia/Taipei` or `UTC`
    ");
    assert_eq!(good("timezone: asia/taipei\n").timezone.iana_name(), Some("Asia/Taipei"));
}

#[test]
fn targets_have_names_that_can_stand_in_file_names() {
    let named = |name: &str| problems(&TARGET.replace("  t:", &format!("  {name}:")));
    assert_snapshot!(named("../etc"), @"
    POP125 Error popgate.yaml:2:3+6 `../etc` cannot be the name of a target
      help letters, digits, `-`, `_` and `.`, at most 64, beginning with a letter or digit
    ");
    for bad in ["''", "'a b'", "-x", ".x", "a/b", "'a\\b'", "ä", &"x".repeat(65)] {
        assert!(named(bad).starts_with("POP125 "), "{bad}");
    }
    for fine in ["1", "on-prem_2.eu", &"x".repeat(64)] {
        assert_eq!(named(fine), "no error\n", "{fine}");
    }
    assert_snapshot!(problems("targets: {}\n"), @"
    POP126 Error popgate.yaml:1:1+7 `targets` names no target
      help name one, or remove `targets` to use the target `default`
    ");
}

#[test]
fn a_target_says_what_it_lacks() {
    assert_snapshot!(problems("targets:\n  t: {}\n  u:\n"), @"
    POP112 Error popgate.yaml:2:3+1 missing field `desired` in `t`
      help write the directory: `desired: desired-state`
    POP112 Error popgate.yaml:2:3+1 missing field `store` in `t`
      help write for example `store: {type: sqlite, path: pop3.db}`
    POP112 Error popgate.yaml:2:3+1 missing field `service` in `t`
      help write `service: {type: none}` if the mail server sees changes by itself
    POP113 Error popgate.yaml:3:3+1 `u` is empty, it must be a map of fields
      help write a value, or remove `u`
    ");
}

#[test]
fn the_status_page_listens_on_an_address() {
    for (written, help) in [
        ("9477", "write \"127.0.0.1:9477\""),
        ("\":9477\"", "write \"127.0.0.1:9477\""),
        ("localhost:9477", "write \"127.0.0.1:9477\""),
        ("127.0.0.1", "write an IP address and a port: \"127.0.0.1:9477\" or \"[::1]:9477\""),
        ("mail.example:80", "write an IP address and a port: \"127.0.0.1:9477\" or \"[::1]:9477\""),
        ("127.0.0.1:99999", "write an IP address and a port: \"127.0.0.1:9477\" or \"[::1]:9477\""),
    ] {
        let found = problems(&format!("web: {{listen: {written}}}\n"));
        assert!(
            found.starts_with("POP171 Error popgate.yaml:1:15+")
                && found.ends_with(&format!("help {help}\n")),
            "{found}"
        );
    }
    assert_snapshot!(problems("web: {}\n"), @r#"
    POP112 Error popgate.yaml:1:1+3 missing field `listen` in `web`
      help write for example `listen: "127.0.0.1:9477"`
    "#);
}

#[test]
fn a_notification_is_a_command() {
    assert_snapshot!(problems("notify: {command: mail -s \"POP3 alert\" admin}\n"), @r#"
    POP151 Error popgate.yaml:1:19+26 `command` must be a list of words, not one text
      help no shell reads it; write `[mail, "-s", "\"POP3", "alert\"", admin]`
    "#);
    assert_snapshot!(problems("notify: {command: []}\n"), @"
    POP152 Error popgate.yaml:1:19+2 `command` is empty
      help name a program and its arguments
    ");
    assert_snapshot!(problems("notify: {command: ['']}\n"), @"
    POP152 Error popgate.yaml:1:20+2 the program of `command` is empty
      help name a program
    ");
    assert_snapshot!(problems("notify: {command: [sleep, 5, \"a\\0\", [x]]}\n"), @r#"
    POP113 Error popgate.yaml:1:27+1 an item of `command` must be text, not a number
      help write "5" in quotes
    POP117 Error popgate.yaml:1:30+5 an item of `command` may not contain the character NUL
    POP113 Error popgate.yaml:1:37+3 an item of `command` must be text, not a list
    "#);
}

#[test]
fn watching_needs_times_that_fit() {
    assert_snapshot!(problems("watch: {quiet: 10s, max_wait: 5s, resync: 0s}\n"), @"POP116 Error popgate.yaml:1:43+2 `resync` must be more than zero");
    assert_snapshot!(problems("watch: {quiet: 10s}\n"), @"
    POP123 Error popgate.yaml:1:16+3 `max_wait` is 5s by default, but `quiet` is 10s
      help `max_wait` must be at least as long as `quiet`: write both
    ");
    assert_snapshot!(problems("watch: {max_wait: 100ms}\n"), @"
    POP123 Error popgate.yaml:1:19+5 `max_wait` is 100ms, but `quiet` is 500ms by default
      help `max_wait` must be at least as long as `quiet`: write both
    ");
}
