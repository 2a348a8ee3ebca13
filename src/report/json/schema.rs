//! The JSON Schema (draft 2020-12) of the JSON plan.

use serde_json::{Value, json};

/// Returns the schema that every JSON plan of this major version obeys: one plan, or `targets` with several.
pub fn schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "popgate plan",
        "description": "What popgate would change and why. A minor version adds fields, a major one breaks: \
            ignore fields you do not know, refuse a major version you do not know.",
        "oneOf": [
            { "$ref": "#/$defs/plan" },
            { "$ref": "#/$defs/several" },
            { "$ref": "#/$defs/problems" },
        ],
        "$defs": {
            "several": object(&[
                ("format_version", reference("format_version")),
                ("targets", array(&reference("plan"))),
            ]),
            "plan": plan(),
            "problems": problems(),
            "unlisted": unlisted(),
            "exit_code": { "type": "integer", "minimum": 0, "maximum": 255 },
            "format_version": {
                "type": "string",
                "pattern": "^1\\.[0-9]+$",
                "description": "Major and minor version of this format.",
            },
            "id": {
                "type": "string",
                "pattern": "^[0-9a-f]{12}$",
                "description": "What `popgate approve` takes. Depends on target and changes, not on time or digest.",
            },
            "access": { "enum": ["enabled", "disabled"] },
            "state": { "enum": ["enabled", "disabled", "mixed", "missing", "unreadable"] },
            "count": { "type": "integer", "minimum": 0 },
            "file": { "type": ["string", "null"], "description": "Relative to the desired directory." },
            "line": { "type": ["integer", "null"], "minimum": 1 },
            "column": { "type": ["integer", "null"], "minimum": 1, "description": "In characters." },
            "change": change(),
            "held": held(),
            "blocked": blocked(),
            "note": note(),
            "guard": guard(),
            "effect": effect(),
        },
    })
}

fn plan() -> Value {
    let counts = [
        "enable",
        "disable",
        "unchanged",
        "missing",
        "blocked",
        "released",
        "unlisted",
        "unlisted_enabled",
        "unreadable",
    ];
    object(&[
        ("format_version", reference("format_version")),
        ("plan_id", reference("id")),
        ("target", text()),
        ("digest", json!({ "type": "string", "pattern": "^[0-9a-f]{64}$" })),
        ("commit", nullable("string")),
        ("author", described(nullable("string"), "Who wrote that commit.")),
        ("generated_at", json!({ "type": "string", "format": "date-time" })),
        ("summary", object(&counts.map(|name| (name, reference("count"))))),
        ("changes", array(&reference("change"))),
        ("held", array(&reference("held"))),
        ("blocked", array(&reference("blocked"))),
        ("notes", array(&reference("note"))),
        ("guards", array(&reference("guard"))),
        ("effects", array(&reference("effect"))),
        ("base", described(or_null(&base()), "What `--base` compared with.")),
        ("snapshot", described(or_null(&snapshot()), "What stood in for the store.")),
        (
            "only",
            described(
                nullable("string"),
                "The pattern of `--only`: lists and their counts leave other users out. Null for the whole plan.",
            ),
        ),
        (
            "unlisted",
            json!({
                "anyOf": [array(&reference("unlisted")), { "type": "null" }],
                "description": "With `--show-unlisted`: the accounts that no entry names, those with POP3 first.",
            }),
        ),
        ("exit_code", reference("exit_code")),
        ("exit_reason", text()),
    ])
}

/// What there is instead of a plan when none could be made, and what `validate` prints.
fn problems() -> Value {
    let mut diagnostic = vec![
        ("code", json!({ "type": "string", "pattern": "^POP[0-9]{3}$" })),
        ("title", text()),
        ("severity", one_of(&["note", "warning", "error"])),
        ("message", text()),
        ("path", described(nullable("string"), "From the root of the repository.")),
    ];
    let spot = [("line", reference("line")), ("column", reference("column"))];
    let width = ("width", json!({ "type": ["integer", "null"], "minimum": 1 }));
    let mut label = vec![("path", text()), ("message", text()), width.clone()];
    label.extend(spot.clone());
    diagnostic.extend(spot);
    diagnostic.extend([width, ("help", nullable("string")), ("labels", array(&object(&label)))]);
    object(&[
        ("format_version", reference("format_version")),
        (
            "users",
            described(or_null(&reference("count")), "How many are listed; null where no plan was made."),
        ),
        ("files", or_null(&reference("count"))),
        ("diagnostics", described(array(&object(&diagnostic)), "What is wrong with the files.")),
        ("error", or_null(&object(&[("message", text()), ("help", nullable("string"))]))),
        ("exit_code", reference("exit_code")),
        ("exit_reason", text()),
    ])
}

fn unlisted() -> Value {
    object(&[("account", text()), ("name", text()), ("state", reference("state"))])
}

fn base() -> Value {
    let counts = or_null(&reference("count"));
    object(&[
        ("revision", text()),
        ("commit", text()),
        ("branch", described(counts.clone(), "How many changes the branch causes.")),
        ("pending", described(counts.clone(), "How many were wanted before it and are not made yet.")),
        ("drift", described(counts, "How many undo a change by hand.")),
        ("unsorted", described(nullable("string"), "Why nothing was compared, if nothing was.")),
    ])
}

fn snapshot() -> Value {
    object(&[
        ("taken_at", json!({ "type": "string", "format": "date-time" })),
        ("age_seconds", reference("count")),
    ])
}

fn change() -> Value {
    let mut fields = vec![
        ("account", described(text(), "The canonical id in the store.")),
        ("name", text()),
        ("from", reference("state")),
        ("to", reference("access")),
        ("cause", one_of(&["listed", "expired", "unlisted", "drift"])),
    ];
    fields.extend(place());
    fields.extend([
        ("until", json!({ "type": ["string", "null"], "format": "date" })),
        ("reason", nullable("string")),
        ("waits", described(boolean(), "Whether it waits for an approval because a guard tripped.")),
        ("approved", described(boolean(), "Whether a valid approval names it.")),
        (
            "provenance",
            described(
                json!({ "enum": ["branch", "pending", "drift", null] }),
                "Where it comes from: this branch, before it, or a change by hand; null without a base revision.",
            ),
        ),
    ]);
    object(&fields)
}

fn held() -> Value {
    let mut fields = vec![
        ("id", reference("id")),
        ("account", text()),
        ("name", text()),
        ("from", reference("state")),
        ("to", reference("access")),
        ("why", one_of(&["drift_left", "rebound"])),
        ("was", described(nullable("string"), "The account that the name meant before.")),
    ];
    fields.extend(place());
    object(&fields)
}

fn blocked() -> Value {
    let mut other = vec![("name", text())];
    other.extend(place());
    let candidate = object(&[("account", nullable("string")), ("name", nullable("string"))]);
    let mut fields = vec![("name", text())];
    fields.extend(place());
    fields.extend([
        ("why", one_of(&["ambiguous", "doubled", "rebound", "ignored", "protected"])),
        ("accounts", described(array(&candidate), "What the name could mean, or means now.")),
        ("others", described(array(&object(&other)), "Other entries for the same account.")),
        ("was", described(nullable("string"), "The account that the name meant before.")),
        ("pattern", described(nullable("string"), "The pattern of the settings that it matches.")),
        ("approve", json!({ "anyOf": [reference("id"), { "type": "null" }] })),
        ("message", text()),
        ("help", text()),
    ]);
    object(&fields)
}

fn note() -> Value {
    let mut fields = vec![
        (
            "kind",
            one_of(&[
                "missing",
                "unreadable",
                "released",
                "first_contact",
                "not_effective",
                "policy_changed",
                "writes_closed",
            ]),
        ),
        ("severity", one_of(&["note", "warning"])),
        ("message", text()),
        ("name", nullable("string")),
    ];
    fields.extend(place());
    fields.extend([
        ("wanted", or_null(&reference("access"))),
        ("suggestion", nullable("string")),
        ("state", or_null(&reference("state"))),
        ("why", nullable("string")),
        ("service", nullable("string")),
        ("names", array(&text())),
    ]);
    object(&fields)
}

fn guard() -> Value {
    let names = [
        "first_contact",
        "empty",
        "shrunk_input",
        "shrunk_live",
        "unreadable",
        "max_disable",
        "max_enable",
        "max_changes",
        "clock",
    ];
    object(&[
        ("name", one_of(&names)),
        ("value", reference("count")),
        ("limit", described(reference("count"), "The largest value that passes.")),
        ("tripped", boolean()),
        (
            "evaluated",
            described(boolean(), "False when the guard lacks its memory; that is not the same as ok."),
        ),
        ("message", described(nullable("string"), "What is wrong; null when nothing is.")),
    ])
}

fn effect() -> Value {
    let actions = ["none", "restart", "reload", "flush_and_end_sessions", "command", "manual", "announce"];
    object(&[
        ("service", text()),
        ("action", one_of(&actions)),
        (
            "restarts",
            described(reference("count"), "How many instances; 0 when that is found out only then."),
        ),
        (
            "due",
            json!({
                "type": ["string", "null"],
                "format": "date-time",
                "description": "The earliest time; null when no window ever opens.",
            }),
        ),
        ("disabled", described(reference("count"), "How many users lose POP3.")),
    ])
}

fn place() -> [(&'static str, Value); 3] {
    ["file", "line", "column"].map(|name| (name, reference(name)))
}

/// An object that has all of these fields, and maybe more.
fn object(fields: &[(&str, Value)]) -> Value {
    let properties: serde_json::Map<String, Value> =
        fields.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    let required: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    json!({ "type": "object", "properties": properties, "required": required })
}

fn array(items: &Value) -> Value {
    json!({ "type": "array", "items": items })
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{name}") })
}

fn one_of(words: &[&str]) -> Value {
    json!({ "enum": words })
}

fn or_null(schema: &Value) -> Value {
    json!({ "anyOf": [schema, { "type": "null" }] })
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn boolean() -> Value {
    json!({ "type": "boolean" })
}

fn nullable(kind: &str) -> Value {
    json!({ "type": [kind, "null"] })
}

fn described(mut schema: Value, text: &str) -> Value {
    schema["description"] = json!(text);
    schema
}
