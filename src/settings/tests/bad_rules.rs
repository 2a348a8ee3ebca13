//! What is wrong with the rules of a target, its directories, and between targets.

use insta::assert_snapshot;

use super::*;

#[test]
fn durations_need_a_unit() {
    assert_snapshot!(problems(&with("refresh: 60")), @"
    POP115 Error popgate.yaml:6:14+2 `60` has no unit
      help write `60s` for seconds or `60m` for minutes
    ");
    assert_snapshot!(problems(&with("refresh: 1 day")), @"
    POP115 Error popgate.yaml:6:14+5 `1 day` is not a duration
      help write for example `500ms`, `30s`, `15m`, `1h` or `1h30m`
    ");
    assert_snapshot!(problems(&with("refresh: 9999h")), @"
    POP115 Error popgate.yaml:6:14+5 `9999h` is too long
      help the longest is 8784h (366 days)
    ");
    assert_snapshot!(problems(&with("refresh: 0s")), @"POP116 Error popgate.yaml:6:14+2 `refresh` must be more than zero");
    assert_snapshot!(problems(&with("refresh: 1.5")), @"POP113 Error popgate.yaml:6:14+3 `refresh` must be a duration such as `30s`, not `1.5`");
    assert_snapshot!(problems(&with("refresh: {seconds: 5}")), @"POP113 Error popgate.yaml:6:14+12 `refresh` must be a duration such as `30s`, not a map");
    assert_snapshot!(problems(&with("refresh:")), @"
    POP113 Error popgate.yaml:6:5+7 `refresh` is empty, it must be a duration such as `30s`
      help write a value, or remove `refresh`
    ");
}

#[test]
fn words_are_taken_only_as_they_are() {
    assert_snapshot!(problems(&with("unlisted: kept\non_blocked: All\ndrift: {enabled_by_hand: revert, disabled_by_hand: true}")), @"
    POP114 Error popgate.yaml:6:15+4 `unlisted` must be `keep` or `disable`, not `kept`
    POP114 Error popgate.yaml:7:17+3 `on_blocked` must be `enable` or `all`, not `All`
      help did you mean `all`?
    POP114 Error popgate.yaml:8:30+6 `enabled_by_hand` must be `restore` or `report`, not `revert`
    POP114 Error popgate.yaml:8:56+4 `disabled_by_hand` must be `restore` or `report`, not `true`
    ");
    assert_snapshot!(problems(&with("unlisted: 1\ndrift: restore")), @"
    POP113 Error popgate.yaml:6:15+1 `unlisted` must be `keep` or `disable`, not a number
    POP113 Error popgate.yaml:7:12+7 `drift` must be a map of fields, not text
    ");
}

#[test]
fn percentages_end_at_a_hundred() {
    assert_snapshot!(problems(&with("guards:\n  max_disable: {percent: 101, always_allow: -1}\n  max_enable: {percent: 5%}\n  max_changes: 0\n  shrunk_live: 2.5\n  unreadable: many")), @"
    POP116 Error popgate.yaml:7:30+3 `percent` must be from 0 to 100, not 101
    POP116 Error popgate.yaml:7:49+2 `always_allow` must be at least 0, not -1
    POP113 Error popgate.yaml:8:29+2 `percent` must be a whole number, not text
      help write `5`
    POP116 Error popgate.yaml:9:20+1 `max_changes` must be at least 1, not 0
    POP113 Error popgate.yaml:10:20+3 `shrunk_live` must be a whole number, not `2.5`
    POP113 Error popgate.yaml:11:19+4 `unreadable` must be a whole number, not text
    ");
    assert_snapshot!(problems(&with("guards: {max_disable: 5, first_contact: no}")), @"
    POP113 Error popgate.yaml:6:27+1 `max_disable` must be a map of fields, not a number
    POP113 Error popgate.yaml:6:45+2 `first_contact` must be `true` or `false`, not text
    ");
}

#[test]
fn patterns_are_lists_of_text() {
    assert_snapshot!(problems(&with("ignored: HealthMailbox*\nprotected: [1, '', {a: b}]")), @r#"
    POP113 Error popgate.yaml:6:14+14 `ignored` must be a list of patterns, not text
      help write `["HealthMailbox*"]`
    POP113 Error popgate.yaml:7:17+1 an item of `protected` must be text, not a number
      help write "1" in quotes
    POP117 Error popgate.yaml:7:20+2 an item of `protected` may not be empty
    POP113 Error popgate.yaml:7:24+6 an item of `protected` must be text, not a map
    "#);
}

#[test]
fn a_restart_may_not_be_overdue_before_it_may_happen() {
    assert_snapshot!(problems(&with("restart: {max_delay: 5m, min_interval: 10m}")), @"
    POP123 Error popgate.yaml:6:26+2 `max_delay` is 5m, but `min_interval` is 10m
      help `max_delay` must be at least as long as `min_interval`: write both
    ");
    assert_snapshot!(problems(&with("restart: {max_delay: 5m}")), @"
    POP123 Error popgate.yaml:6:26+2 `max_delay` is 5m, but `min_interval` is 10m by default
      help `max_delay` must be at least as long as `min_interval`: write both
    ");
    assert_snapshot!(problems(&with("restart: {min_interval: 1h}")), @"
    POP123 Error popgate.yaml:6:29+2 `max_delay` is 15m by default, but `min_interval` is 1h
      help `max_delay` must be at least as long as `min_interval`: write both
    ");
    assert_snapshot!(problems(&with("restart: {quiet: 20m}")), @"
    POP123 Error popgate.yaml:6:22+3 `max_delay` is 15m by default, but `quiet` is 20m
      help `max_delay` must be at least as long as `quiet`: write both
    ");
    assert_eq!(problems(&with("restart: {quiet: 0s, max_delay: 0s, min_interval: 0s}")), "no error\n");
}

#[test]
fn windows_are_read_word_by_word() {
    assert_snapshot!(problems(&with("windows:\n  - {allow: restart, at: 22:00-02:00}\n  - {deny: [writes, all, none], at: \"8:00-9:00\", days: [mon, thurs]}\n  - {at: 22:00-22:00}\n  - {allow: all, deny: writes, at: 25:00-26:00}\n  - {allow: all}\n  - {allow: [], at: 24:00-01:00, days: []}\n  - 22:00-02:00")), @r#"
    POP114 Error popgate.yaml:7:17+7 `allow` must be `restarts`, `writes` or `all`, not `restart`
      help did you mean `restarts`?
    POP114 Error popgate.yaml:8:30+4 an item of `deny` must be `restarts`, `writes` or `all`, not `none`
    POP121 Error popgate.yaml:8:41+11 hours are written as `22:00-02:00`
    POP114 Error popgate.yaml:8:66+5 an item of `days` must be `mon`, `tue`, `wed`, `thu`, `fri`, `sat` or `sun`, not `thurs`
    POP112 Error popgate.yaml:9:9+17 missing field `allow` or `deny`
      help write for example `{allow: restarts, at: "22:00-02:00"}`
    POP121 Error popgate.yaml:9:14+11 a window may not end when it begins; `00:00-24:00` is a whole day
    POP111 Error popgate.yaml:10:22+4 a window either allows or denies
      help write two windows
    POP121 Error popgate.yaml:10:40+11 a time is from `00:00` to `23:59`, and `24:00` may end a window
    POP112 Error popgate.yaml:11:9+12 missing field `at` in `windows`
      help write for example `at: "22:00-02:00"`
    POP116 Error popgate.yaml:12:17+2 `allow` may not be an empty list
    POP121 Error popgate.yaml:12:25+11 a time is from `00:00` to `23:59`, and `24:00` may end a window
    POP116 Error popgate.yaml:12:44+2 `days` may not be an empty list
    POP113 Error popgate.yaml:13:9+11 an item of `windows` must be a map of fields, not text
    "#);
    assert_snapshot!(problems(&with("windows: []")), @"
    POP116 Error popgate.yaml:6:14+2 `windows` may not be an empty list
      help write `windows: always`
    ");
    assert_snapshot!(problems(&with("windows: never")), @"POP113 Error popgate.yaml:6:14+5 `windows` must be `always` or a list of windows, not text");
}

#[test]
fn windows_that_never_open_are_a_warning() {
    assert_snapshot!(problems(&with("windows: [{allow: restarts, at: 22:00-02:00}, {deny: restarts, at: 00:00-24:00}]")), @"
    no error
    POP122 Warning popgate.yaml:6:14+71 these windows never allow restarts
      help shorten the windows that deny them
    ");
}

#[test]
fn the_state_directory_and_the_desired_directory_keep_apart() {
    let at = |state: &str, desired: &str| {
        problems(&format!("state: {state}\n{}", TARGET.replace("/srv/desired-state", desired)))
    };
    assert_snapshot!(at("/srv/d/state", "/srv/d"), @"
    POP130 Error popgate.yaml:4:14+6 the state directory lies in the desired directory
      also popgate.yaml:1:8+12 the state directory
      help write `state:` with a directory outside, such as `/var/lib/popgate`
    ");
    assert_snapshot!(at("/srv", "/srv/d"), @"
    POP130 Error popgate.yaml:4:14+6 the desired directory lies in the state directory
      also popgate.yaml:1:8+4 the state directory
      help write `state:` with a directory outside, such as `/var/lib/popgate`
    ");
    assert_snapshot!(at("/srv/x/../d/.", "/srv/d/"), @"
    POP130 Error popgate.yaml:4:14+7 the state directory is the desired directory
      also popgate.yaml:1:8+13 the state directory
      help write `state:` with a directory outside, such as `/var/lib/popgate`
    ");
    assert_snapshot!(problems(&TARGET.replace("/srv/desired-state", ".")), @"
    POP130 Error popgate.yaml:3:14+1 the state directory lies in the desired directory
      help write `state:` with a directory outside, such as `/var/lib/popgate`
    ");
    assert_eq!(at("/srv/d-state", "/srv/d"), "no error\n");
    assert_eq!(at("../state", "desired"), "no error\n");
}

#[test]
fn paths_are_compared_only_where_they_can_be() {
    let base = Path::new("");
    let within = |state: &str, desired: &str| {
        let text = format!("state: {state}\n{}", TARGET.replace("/srv/desired-state", desired));
        read(&text, "popgate.yaml", base).is_err()
    };
    assert!(within(".popgate", "."));
    assert!(within("a/b", "./a"));
    assert!(!within("/var/lib/popgate", "."));
    assert!(!within("../state", "."));
    assert!(!within("../state", "../desired"));
}

#[test]
fn settings_inside_a_desired_directory_are_a_warning() {
    let text = format!("state: /var/lib/popgate\n{}", TARGET.replace("/srv/desired-state", "/srv/all"));
    let settings = read(&text, "/srv/all/popgate.yaml", Path::new("/srv/all")).unwrap();
    assert_snapshot!(sketch(&settings.warnings), @"
    POP133 Warning /srv/all/popgate.yaml:4:14+8 this settings file lies in the desired directory
      help keep the settings outside, so that an edit of the desired state cannot change its guards
    ");
}

fn two(first: &str, second: &str) -> String {
    let one = |name, lines: &str| {
        format!("  {name}:\n    desired: /srv/{name}\n    service: {{type: none}}\n    {lines}\n")
    };
    format!("targets:\n{}{}", one("a", first), one("b", second))
}

#[test]
fn two_targets_share_a_store_only_if_neither_disables_the_unlisted() {
    let store = "store: {type: sqlite, path: /var/pop3.db}";
    let strict = format!("unlisted: disable\n    {store}");
    assert_snapshot!(problems(&two(store, &strict)), @"
    POP131 Error popgate.yaml:10:12+34 the targets `a` and `b` have the same store
      also popgate.yaml:5:12+34 the same store
      help write `unlisted: keep` in both, or make one target of them
    ");
    assert!(problems(&two(&strict, store)).starts_with("POP131 "));
    assert_eq!(problems(&two(store, store)), "no error\n");
    assert_eq!(problems(&two(&strict, &strict.replace("/pop3", "/other"))), "no error\n");
    assert!(
        problems(&two(&strict, &strict.replace("/var/pop3", "/var/../var//./pop3"))).starts_with("POP131 ")
    );
}

#[test]
fn a_table_can_be_divided_between_targets() {
    let part = |condition: &str, column: &str| {
        format!(
            "unlisted: disable\n    store: {{type: sqlite, path: /db, table: mailbox, key: username, \
             access: {{columns: [{column}], enabled: 1, disabled: 0}}{condition}}}"
        )
    };
    let (one, two_) = (part(", where: \"site = 1\"", "pop3"), part(", where: \"site = 2\"", "pop3"));
    assert_eq!(problems(&two(&one, &two_)), "no error\n");
    assert!(problems(&two(&one, &part("", "POP3"))).starts_with("POP131 "));
    assert!(problems(&two(&one, &one)).starts_with("POP131 "));
    assert_eq!(problems(&two(&one, &part("", "imap"))), "no error\n");
}

#[test]
fn a_git_source_is_no_way_to_run_commands_or_show_passwords() {
    let git = |written: &str| problems(&TARGET.replace("/srv/desired-state", written));
    assert_snapshot!(git("https://git.example/mail.git"), @"
    POP113 Error popgate.yaml:3:14+28 `desired` is a directory here, not an address
      help write `desired: {git: ADDRESS}` for a git repository
    ");
    assert_snapshot!(git("{git: \"https://me:hunter2@git.example/x\"}"), @"
    POP170 Error popgate.yaml:3:20+34 an address must not hold a password or token
      help write `password: {env: NAME}` beside `git`, or use an SSH key
    ");
    assert_snapshot!(git("{git: \"ext::sh -c id\"}"), @"
    POP170 Error popgate.yaml:3:20+15 this is not the address of a repository
      help write `https://…`, `ssh://…`, `git@host:path` or a path
    ");
    assert_snapshot!(git("{git: --upload-pack=id}"), @"
    POP170 Error popgate.yaml:3:20+16 this is not the address of a repository
      help write `https://…`, `ssh://…`, `git@host:path` or a path
    ");
    assert_snapshot!(git("{git: ftp://x}"), @"
    POP170 Error popgate.yaml:3:20+7 `ftp` is not a way to fetch a repository
      help write `https://…`, `ssh://…`, `git@host:path` or a path
    ");
    assert_snapshot!(git("{git: /srv/x.git, ref: -x, path: ../y, interval: 0s, verify: {}}"), @"
    POP170 Error popgate.yaml:3:37+2 `-x` cannot be a branch or tag
      help write for example `ref: main`
    POP170 Error popgate.yaml:3:47+4 the path leaves the repository
      help write a path relative to the top of the repository, without `..`
    POP116 Error popgate.yaml:3:63+2 `interval` must be more than zero
    POP112 Error popgate.yaml:3:67+6 missing field `allowed_signers` in `verify`
      help name the file of allowed signers
    ");
    assert_snapshot!(git("{ref: main}"), @"
    POP112 Error popgate.yaml:3:5+7 missing field `git` in `desired`
      help write the address of the repository: `git: https://git.example/mail.git`
    ");
    assert_snapshot!(git("5"), @r#"
    POP113 Error popgate.yaml:3:14+1 `desired` must be text, the path of a directory, or a map with `git`, not a number
      help write "5" in quotes
    "#);
}

#[test]
fn a_snapshot_has_a_file_of_its_own_outside_of_every_desired_directory() {
    assert_snapshot!(problems(&with("snapshot: {path: /srv/desired-state/x/s.json, interval: 0s}")), @"
    POP172 Error popgate.yaml:6:15+49 the snapshot lies in a desired directory
      also popgate.yaml:3:14+18 the desired directory
      help write it elsewhere: each new one would look like a change of the desired state
    POP116 Error popgate.yaml:6:61+2 `interval` must be more than zero
    ");
    assert_snapshot!(problems(&with("snapshot: {interval: 1h}")), @"
    POP112 Error popgate.yaml:6:5+8 missing field `path` in `snapshot`
      help write for example `path: /srv/popgate/snapshot.json`
    ");
}
