//! What is wrong with a service.

use insta::assert_snapshot;

use super::*;

#[test]
fn a_service_has_a_type_that_is_built_in() {
    assert_snapshot!(problems(&service("{}")), @"
    POP112 Error popgate.yaml:5:5+7 missing field `type` in `service`
      help write `type: announce, command, dovecot, exchange, manual, none or systemd`
    ");
    assert_snapshot!(problems(&service("{type: systmd}")), @"
    POP114 Error popgate.yaml:5:21+6 `systmd` is no type of `service`
      help did you mean `systemd`?
    ");
    assert_snapshot!(problems(&service("none")), @"POP113 Error popgate.yaml:5:14+4 `service` must be a map with a `type`, not text");
}

#[test]
fn a_command_is_a_list_of_words() {
    assert_snapshot!(problems(&service("{type: command, restart: systemctl restart 'my dovecot' 5 --now}")), @r#"
    POP151 Error popgate.yaml:5:39+38 `restart` must be a list of words, not one text
      help no shell reads it; write `[systemctl, restart, "'my", "dovecot'", "5", "--now"]`
    "#);
    assert_snapshot!(problems(&service("{type: command, restart: []}")), @"
    POP152 Error popgate.yaml:5:39+2 `restart` is empty
      help name a program and its arguments
    ");
    assert_snapshot!(problems(&service("{type: command, restart: [\"\", x], timeout: 0s}")), @"
    POP152 Error popgate.yaml:5:40+2 the program of `restart` is empty
      help name a program
    POP116 Error popgate.yaml:5:57+2 `timeout` must be more than zero
    ");
    assert_snapshot!(problems(&service("{type: command}")), @"
    POP112 Error popgate.yaml:5:5+7 missing field `restart` in `service`
      help write for example `restart: [systemctl, restart, dovecot]`
    ");
}

#[test]
fn a_unit_is_no_option_and_no_pattern() {
    assert_snapshot!(problems(&service("{type: systemd, unit: --now}")), @"
    POP117 Error popgate.yaml:5:36+5 `--now` cannot be a unit
      help write the name as `systemctl` lists it, such as `dovecot.service`
    ");
    for bad in ["'dovecot*'", "'a b'", "a/b", "'[ab]'", "ä", "."] {
        assert!(
            problems(&service(&format!("{{type: systemd, unit: {bad}}}"))).starts_with("POP117 "),
            "{bad}"
        );
    }
    assert_snapshot!(problems(&service("{type: systemd}")), @"
    POP112 Error popgate.yaml:5:5+7 missing field `unit` in `service`
      help write for example `unit: dovecot.service`
    ");
}

#[test]
fn dovecot_knows_three_actions() {
    assert_snapshot!(problems(&service("{type: dovecot, action: flush, config: [], doveadm: '', timeout: 30}")), @"
    POP114 Error popgate.yaml:5:38+5 `action` must be `flush_and_end_sessions`, `reload` or `restart`, not `flush`
    POP113 Error popgate.yaml:5:53+2 `config` must be text, not a list
    POP117 Error popgate.yaml:5:66+2 `doveadm` may not be empty
    POP115 Error popgate.yaml:5:79+2 `30` has no unit
      help write `30s` for seconds or `30m` for minutes
    ");
}

#[test]
fn a_person_restarts_what_can_be_restarted() {
    assert_snapshot!(problems(&service("{type: manual, of: {type: none}, instructions: []}")), @"
    POP153 Error popgate.yaml:5:33+12 a manual service of something that popgate never restarts
      help `of` names what the person restarts: `command`, `dovecot`, `exchange` or `systemd`
    POP116 Error popgate.yaml:5:61+2 `instructions` may not be an empty list
    ");
    assert_snapshot!(problems(&service("{type: manual, of: {type: systemd}, instructions: call us}")), @"
    POP112 Error popgate.yaml:5:29+2 missing field `unit` in `of`
      help write for example `unit: dovecot.service`
    POP113 Error popgate.yaml:5:64+7 `instructions` must be a list of lines of text, not text
    ");
    assert!(
        problems(&service("{type: manual, of: {type: manual, of: {type: none}}}")).starts_with("POP153 ")
    );
}

#[test]
fn fields_of_another_type_are_unknown() {
    assert_snapshot!(problems(&service("{type: none, unit: dovecot}")), @"
    POP110 Error popgate.yaml:5:27+4 unknown field `unit`
      help the only field here is `type`
    ");
}
