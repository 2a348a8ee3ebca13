//! The JSON schema knows what the reader knows.

use serde_json::Value;

use super::*;

fn validator() -> jsonschema::Validator {
    jsonschema::draft202012::new(&json_schema()).unwrap()
}

fn as_json(text: &str) -> Value {
    serde_yaml::from_str(text).unwrap()
}

/// Everything in the documentation that a settings file may say.
fn examples() -> Vec<String> {
    let stores = [
        "{type: sqlite, path: /var/vmail/users.db, table: mailbox, key: username, access: {columns: [enablepop3], enabled: 1, disabled: 0}, aliases: [alias], where: \"active = 1\", missing: report}",
        "{type: sqlite, path: users.db}",
        "{type: sqlite, path: users.db, missing: create, busy_timeout: 1s}",
        "{type: sqlite, path: users.db, table: t, key: k, name: n, access: {columns: [a, b], enabled: 'Y', disabled: 'N'}}",
    ];
    let services = [
        "{type: command, restart: [systemctl, restart, dovecot], timeout: 60s}",
        "{type: systemd, unit: dovecot.service}",
        "{type: dovecot, action: flush_and_end_sessions, config: /etc/dovecot/dovecot.conf}",
        "{type: manual, of: {type: systemd, unit: dovecot.service}}",
        "{type: manual, instructions: [restart it]}",
        "{type: none}",
        "{type: announce}",
    ];
    let rules = [
        "windows: always",
        "windows: [{deny: [restarts, writes], at: \"08:00-18:00\"}, {allow: all, at: \"00:00-24:00\", days: sat}]",
        "refresh: 1h30m",
        "guards: {first_contact: false, shrunk_input: 50, shrunk_live: 10, unreadable: 5}",
    ];
    let mut all = vec![good::WHOLE.to_owned(), TARGET.to_owned(), "version: 1\n".to_owned()];
    all.extend(stores.map(store));
    all.extend(services.map(service));
    all.extend(rules.map(with));
    all
}

#[test]
fn every_example_validates_and_reads() {
    let validator = validator();
    for example in examples() {
        good(&example);
        if let Err(error) = validator.validate(&as_json(&example)) {
            panic!("{error} at {}\n{example}", error.instance_path);
        }
    }
}

#[test]
fn what_the_schema_refuses_the_reader_refuses_too() {
    let validator = validator();
    for bad in [
        "version: 2\n".to_owned(),
        "colour: red\n".to_owned(),
        "targets: {}\n".to_owned(),
        "targets: {t: {}}\n".to_owned(),
        "log: {format: xml}\n".to_owned(),
        "watch: {quiet: 5}\n".to_owned(),
        "watch: {quiet: 5 s}\n".to_owned(),
        "watch: {quiet: \"\"}\n".to_owned(),
        "notify: {command: mail}\n".to_owned(),
        "notify: {command: []}\n".to_owned(),
        store("{type: exchange}"),
        store("{type: sqlite}"),
        store(
            "{type: sqlite, path: x, table: 'a b', key: k, access: {columns: [a], enabled: 1, disabled: 0}}",
        ),
        store("{type: sqlite, path: x, table: t, key: k, access: {columns: [], enabled: 1, disabled: 0}}"),
        service("{type: none, unit: x}"),
        service("{type: manual, of: {type: none}}"),
        with("unlisted: kept"),
        with("guards: {unreadable: 101}"),
        with("guards: {max_changes: 0}"),
        with("windows: []"),
        with("windows: [{allow: restarts}]"),
        with("windows: [{allow: restarts, at: \"08:00-18:00\", days: [monday]}]"),
    ] {
        assert!(!validator.is_valid(&as_json(&bad)), "the schema takes\n{bad}");
        assert!(problems(&bad).contains(" Error "), "the reader takes\n{bad}");
    }
}

#[test]
fn every_field_says_what_it_is_for() {
    fn walk(schema: &Value, fields: &mut usize) {
        match schema {
            Value::Object(map) => {
                for (name, field) in map.get("properties").and_then(Value::as_object).into_iter().flatten() {
                    *fields += 1;
                    let about = field["description"].as_str().unwrap_or_default();
                    assert!(!about.is_empty(), "{name} says nothing");
                }
                map.values().for_each(|value| walk(value, fields));
            }
            Value::Array(items) => items.iter().for_each(|item| walk(item, fields)),
            _ => {}
        }
    }
    let mut fields = 0;
    walk(&json_schema(), &mut fields);
    assert!(fields > 70, "{fields}");
}
