//! What is wrong with a store.

use insta::assert_snapshot;

use super::*;

const MAILBOX: &str = "{type: sqlite, path: /db, table: mailbox, key: username, access: {columns: [pop3], enabled: 1, disabled: 0}";

#[test]
fn a_store_has_a_type_that_is_built_in() {
    assert_snapshot!(problems(&store("{path: x}")), @"
    POP112 Error popgate.yaml:4:5+5 missing field `type` in `store`
      help write `type: exchange or sqlite`
    ");
    assert_snapshot!(problems(&store("{type: sqllite, path: x}")), @"
    POP114 Error popgate.yaml:4:19+7 `sqllite` is no type of `store`
      help did you mean `sqlite`?
    ");
    assert_snapshot!(problems(&store("{type: redis}")), @"
    POP114 Error popgate.yaml:4:19+5 `redis` is no type of `store`
      help built in: `exchange` or `sqlite`
    ");
    assert_snapshot!(problems(&store("{type: 5}")), @r#"
    POP113 Error popgate.yaml:4:19+1 `type` must be text, not a number
      help write "5" in quotes
    "#);
    assert_snapshot!(problems(&store("sqlite")), @"POP113 Error popgate.yaml:4:12+6 `store` must be a map with a `type`, not text");
}

#[test]
fn planned_stores_are_no_typing_errors() {
    for planned in ["exchange_online", "ldap", "mysql", "postgresql"] {
        let found = problems(&store(&format!("{{type: {planned}, url: x}}")));
        assert!(found.starts_with(&format!("POP140 Error popgate.yaml:4:19+{} ", planned.len())), "{found}");
        assert_eq!(found.lines().count(), 2, "its fields are not judged: {found}");
    }
    assert_snapshot!(problems(&store("{type: ldap}")), @"
    POP140 Error popgate.yaml:4:19+4 the type `ldap` is not built into this version of popgate
      help built in: `exchange` or `sqlite`
    ");
    assert_snapshot!(problems(&store("{type: postgres}")), @"
    POP114 Error popgate.yaml:4:19+8 `postgres` is no type of `store`
      help did you mean `postgresql`?
    ");
}

#[test]
fn a_table_needs_its_key_and_its_access() {
    assert_snapshot!(problems(&store("{type: sqlite, path: /db, table: mailbox}")), @"
    POP112 Error popgate.yaml:4:5+5 missing field `key` in `store`
      help name the column that names an account: `key: username`
    POP112 Error popgate.yaml:4:5+5 missing field `access` in `store`
      help write for example `access: {columns: [enablepop3], enabled: 1, disabled: 0}`
    ");
    assert_snapshot!(problems(&store("{type: sqlite, path: /db, table: mailbox, key: username, access: {}}")), @"
    POP112 Error popgate.yaml:4:69+6 missing field `columns` in `access`
      help name the columns that hold the access
    POP112 Error popgate.yaml:4:69+6 missing field `enabled` in `access`
      help write the value that means enabled
    POP112 Error popgate.yaml:4:69+6 missing field `disabled` in `access`
      help write the value that means disabled
    ");
    assert_snapshot!(problems(&store("{type: sqlite, table: mailbox, key: username, access: {columns: [], enabled: , disabled: null}}")), @"
    POP112 Error popgate.yaml:4:5+5 missing field `path` in `store`
      help write the database file: `path: /var/vmail/users.db`
    POP116 Error popgate.yaml:4:76+2 `columns` may not be an empty list
    POP113 Error popgate.yaml:4:80+7 `enabled` may not be NULL
      help NULL compares with nothing; write the value that the column holds
    POP113 Error popgate.yaml:4:101+4 `disabled` may not be NULL
      help NULL compares with nothing; write the value that the column holds
    ");
}

#[test]
fn columns_without_a_table_are_asked_back() {
    assert_snapshot!(problems(&store("{type: sqlite, path: /db, key: username, where: active}")), @"
    POP112 Error popgate.yaml:4:38+3 `key` without `table`
      help name the table it belongs to; without `table`, popgate uses its own, whose columns it knows
    POP112 Error popgate.yaml:4:53+5 `where` without `table`
      help name the table it belongs to; without `table`, popgate uses its own, whose columns it knows
    ");
}

#[test]
fn names_of_sql_are_plain_identifiers() {
    let named = |name: &str| {
        problems(&store(&MAILBOX.replace("mailbox", name)).replace(", disabled: 0}", ", disabled: 0}}"))
    };
    assert_snapshot!(named("\"mail box\""), @"
    POP142 Error popgate.yaml:4:45+10 `mail box` cannot be the name of a table or column
      help letters, digits and `_`, at most 64, not beginning with a digit; for other names, make a view
    ");
    for bad in ["1a", "a-b", "a;b", "'\"a\"'", "main.a", "ä", "\"a\\u0000\"", &"x".repeat(65)] {
        assert!(named(bad).starts_with("POP1"), "{bad}: {}", named(bad));
        assert!(!named(bad).contains("POP103"), "{bad}: {}", named(bad));
    }
    assert_eq!(named("_Mail_1"), "no error\n");
}

#[test]
fn a_column_has_one_meaning() {
    let text = MAILBOX.replace("[pop3]", "[pop3, Username, POP3, mail]") + ", aliases: [mail, mail]}";
    assert_snapshot!(problems(&store(&text)), @"
    POP145 Error popgate.yaml:4:94+8 the column `username` cannot hold the access and name the account
      also popgate.yaml:4:59+8 names the account here
      help name the column that says whether POP3 is enabled
    POP145 Error popgate.yaml:4:104+4 the column `POP3` is written twice
      also popgate.yaml:4:88+4 first written here
      help keep one of the two
    POP145 Error popgate.yaml:4:110+4 the column `mail` cannot hold the access and name the account
      also popgate.yaml:4:153+4 names the account here
      help name the column that says whether POP3 is enabled
    POP145 Error popgate.yaml:4:159+4 the column `mail` is written twice
      also popgate.yaml:4:153+4 first written here
      help keep one of the two
    ");
}

#[test]
fn enabled_and_disabled_are_two_values_that_compare() {
    let values = |enabled: &str, disabled: &str| {
        let values = format!("enabled: {enabled}, disabled: {disabled}");
        problems(&store(&(MAILBOX.replace("enabled: 1, disabled: 0", &values) + "}")))
    };
    assert_snapshot!(values("1", "1"), @"
    POP144 Error popgate.yaml:4:117+1 the same value for enabled and disabled
      help write the value that the column holds when POP3 is disabled
    ");
    assert!(values("1", "'1'").starts_with("POP144 "));
    assert_snapshot!(values("true", "false"), @r#"
    POP113 Error popgate.yaml:4:104+4 `enabled` must be a whole number or text, not `true`
      help write `1`, or "true" in quotes if the column holds that text
    POP113 Error popgate.yaml:4:120+5 `disabled` must be a whole number or text, not `false`
      help write `0`, or "false" in quotes if the column holds that text
    "#);
    assert_snapshot!(values("1.5", "null"), @r#"
    POP113 Error popgate.yaml:4:104+3 `enabled` must be a whole number or text, not `1.5`
      help write "1.5" in quotes
    POP113 Error popgate.yaml:4:119+4 `disabled` may not be NULL
      help NULL compares with nothing; write the value that the column holds
    "#);
    assert_eq!(values("'Y'", "'N'"), "no error\n");
    assert_eq!(values("yes", "''"), "no error\n");
    assert_eq!(values("-1", "9223372036854775807"), "no error\n");
    assert!(values("9223372036854775808", "0").starts_with("POP113 "));
}

#[test]
fn only_popgates_own_table_gets_new_accounts() {
    assert_snapshot!(problems(&store(&format!("{MAILBOX}, missing: create}}"))), @"
    POP143 Error popgate.yaml:4:130+6 `missing: create` is only for popgate's own table
      help write `missing: report`, or remove `table` to use popgate's own
    ");
    assert_snapshot!(problems(&store("{type: sqlite, path: x, missing: ignore}")), @"POP114 Error popgate.yaml:4:45+6 `missing` must be `report` or `create`, not `ignore`");
}

#[test]
fn lists_of_columns_are_lists() {
    let text =
        MAILBOX.replace("[pop3]", "pop3") + ", aliases: alias, where: ' ', name: [x], busy_timeout: 5}";
    assert_snapshot!(problems(&store(&text)), @"
    POP113 Error popgate.yaml:4:87+4 `columns` must be a list of columns, not text
      help write `[pop3]`
    POP113 Error popgate.yaml:4:128+5 `aliases` must be a list of columns, not text
      help write `[alias]`
    POP117 Error popgate.yaml:4:142+3 `where` must be an SQL condition
      help remove `where` to select every row
    POP113 Error popgate.yaml:4:153+3 `name` must be text, not a list
    POP115 Error popgate.yaml:4:172+1 `5` has no unit
      help write `5s` for seconds or `5m` for minutes
    ");
}

#[test]
fn a_secret_written_inline_is_refused_without_showing_it() {
    assert_snapshot!(problems(&store("{type: exchange_online, password: hunter2}")), @"
    POP140 Error popgate.yaml:4:19+15 the type `exchange_online` is not built into this version of popgate
      help built in: `exchange` or `sqlite`
    POP160 Error popgate.yaml:4:46+7 `password` must not be written here
      help write `{env: NAME}`, `{file: PATH}` or `{command: [PROGRAM, ARGUMENT]}`, and change the secret: it was readable here
    ");
    assert_snapshot!(problems(&store("{type: exchange_online, password: {env: NAME}}")), @"
    POP140 Error popgate.yaml:4:19+15 the type `exchange_online` is not built into this version of popgate
      help built in: `exchange` or `sqlite`
    ");
    for way in [
        "12345",
        "{env: hunter2, file: x}",
        "{hunter2: x}",
        "{command: hunter2}",
        "[hunter2]",
        "{env: }",
        "{env: 'a=b'}",
    ] {
        let found = read(&store(&format!("{{type: mysql, password: {way}}}")), "popgate.yaml", Path::new(""))
            .unwrap_err();
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            !format!("{found:?}").contains("hunter2") && !format!("{found:?}").contains("12345"),
            "{found:?}"
        );
    }
}
