//! The shape of a file as a JSON Schema, for editors. It says less than the rules: what only popgate can check,
//! such as a user who is listed twice, is left to `validate`.

use serde_json::{Value, json};

use super::rules::{LONGEST_NAME, LONGEST_REASON};

/// Returns the JSON Schema (draft 2020-12) of a desired-state file.
pub fn json_schema() -> Value {
    let access = json!({
        "description": "May this user use POP3?",
        "enum": ["enabled", "disabled"],
    });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "popgate desired state",
        "description": "Who may use POP3. All files of a directory count together.",
        "type": "object",
        "properties": {
            "version": {
                "description": "The version of the format.",
                "const": 1,
            },
            "pop3": {
                "description": "One user for each key: any name that the mail system resolves to exactly one account.",
                "type": "object",
                "propertyNames": {
                    "minLength": 1,
                    "maxLength": LONGEST_NAME,
                    "pattern": r"^\S(.*\S)?$",
                },
                "additionalProperties": {
                    "oneOf": [access, {"$ref": "#/$defs/entry"}],
                },
            },
        },
        "required": ["pop3"],
        "additionalProperties": false,
        "$defs": {
            "entry": {
                "type": "object",
                "properties": {
                    "access": access,
                    "until": {
                        "description": "The last day of access, in the time zone of the target; afterwards the \
                                        entry means disabled.",
                        "type": "string",
                        "format": "date",
                        "pattern": r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$",
                    },
                    "reason": {
                        "description": "Why, in one line.",
                        "type": "string",
                        "maxLength": LONGEST_REASON,
                        "pattern": r"^[^\n\r]*$",
                    },
                },
                "required": ["access"],
                "additionalProperties": false,
                "if": {"properties": {"access": {"const": "disabled"}}, "required": ["access"]},
                "then": {"properties": {"until": false}},
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::super::{SourceFile, read};
    use super::*;

    /// Each text, as JSON so that both the schema and the reader can have it.
    #[test]
    fn the_schema_and_the_rules_agree() {
        let validator = jsonschema::validator_for(&json_schema()).unwrap();
        for (good, value) in [
            (true, json!({"pop3": {}})),
            (
                true,
                json!({"version": 1, "pop3": {"John Smith": "enabled", "b": "disabled", "c": {"access": "disabled"}}}),
            ),
            (true, json!({"pop3": {"a": {"access": "enabled", "until": "2026-12-31", "reason": "x"}}})),
            (true, json!({"pop3": {"é".repeat(320): {"access": "enabled", "reason": "ü".repeat(1000)}}})),
            (false, json!({})),
            (false, json!([])),
            (false, json!({"pop3": null})),
            (false, json!({"pop3": []})),
            (false, json!({"pop3": {}, "version": 2})),
            (false, json!({"pop3": {}, "version": "1"})),
            (false, json!({"pop3": {}, "users": {}})),
            (false, json!({"pop3": {"a": "on"}})),
            (false, json!({"pop3": {"a": true}})),
            (false, json!({"pop3": {"a": null}})),
            (false, json!({"pop3": {"a": {}}})),
            (false, json!({"pop3": {"": "enabled"}})),
            (false, json!({"pop3": {" a": "enabled"}})),
            (false, json!({"pop3": {"a": {"access": "disabled", "until": "2026-12-31"}}})),
            (false, json!({"pop3": {"a": {"access": "enabled", "until": "2026-13-31"}}})),
            (false, json!({"pop3": {"a": {"access": "enabled", "reason": 1}}})),
            (false, json!({"pop3": {"a": {"access": "enabled", "reason": "a\nb"}}})),
            (false, json!({"pop3": {"a": {"access": "enabled", "note": "x"}}})),
            (false, json!({"pop3": {"é".repeat(321): "enabled"}})),
        ] {
            assert_eq!(validator.is_valid(&value), good, "schema: {value}");
            let file = SourceFile { path: "a.yaml".to_owned(), bytes: value.to_string().into_bytes() };
            assert_eq!(read(vec![file]).is_ok(), good, "rules: {value}");
        }
    }
}
