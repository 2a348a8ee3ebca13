use serde_json::Value;

use super::super::sample::{crowded, ordinary, origin, view, written};
use super::*;
use crate::desired::Desired;
use crate::diagnostic::{Diagnostic, Label, codes};
use crate::plan::{Cause, Plan};

fn shown(all: &[Plan]) -> Vec<Value> {
    let (view, desired) = (view(), Desired::default());
    let all: Vec<_> = all.iter().map(|plan| Shown { plan, desired: &desired, view: &view }).collect();
    serde_json::from_str(&written(|out| plans(&all, out))).unwrap()
}

/// The fields that GitLab documents, and their values.
fn check(remarks: &[Value]) {
    let schema = serde_json::json!({
        "type": "array",
        "items": {
            "type": "object",
            "required": ["description", "check_name", "fingerprint", "severity", "location"],
            "additionalProperties": false,
            "properties": {
                "description": { "type": "string", "minLength": 1 },
                "check_name": { "type": "string", "pattern": "^[A-Za-z0-9_/]+$" },
                "fingerprint": { "type": "string", "pattern": "^[0-9a-f]{64}$" },
                "severity": { "enum": ["info", "minor", "major", "critical", "blocker"] },
                "location": {
                    "type": "object",
                    "required": ["path", "lines"],
                    "additionalProperties": false,
                    "properties": {
                        "path": { "type": "string", "pattern": "^[^/]" },
                        "lines": {
                            "type": "object",
                            "required": ["begin"],
                            "properties": { "begin": { "type": "integer", "minimum": 1 } },
                        },
                    },
                },
            },
        },
    });
    let validator = jsonschema::validator_for(&schema).unwrap();
    let all = Value::Array(remarks.to_vec());
    let wrong: Vec<String> = validator.iter_errors(&all).map(|error| error.to_string()).collect();
    assert_eq!(wrong, [""; 0]);
    let mut fingerprints: Vec<_> = remarks.iter().map(|remark| remark["fingerprint"].to_string()).collect();
    fingerprints.sort();
    fingerprints.dedup();
    assert_eq!(fingerprints.len(), remarks.len(), "every remark has a fingerprint of its own");
}

#[test]
fn every_remark_has_the_documented_fields_and_a_fingerprint_of_its_own() {
    let remarks = shown(&[ordinary(), crowded()]);
    check(&remarks);
    let severities: Vec<_> = shown(&[crowded()]).iter().map(|one| one["severity"].to_string()).collect();
    assert!(
        severities
            .is_sorted_by_key(|one| ["\"critical\"", "\"major\"", "\"info\""].iter().position(|o| o == one))
    );
    let guard = &shown(&[crowded()])[0];
    assert_eq!(guard["check_name"], "guard/max_disable");
    assert!(
        guard["description"]
            .as_str()
            .unwrap()
            .contains("will be blocked after the merge; then run `popgate approve")
    );
    assert_eq!(guard["location"]["path"], "desired-state/a.yaml", "at the file of the first change");
}

#[test]
fn an_entry_that_moves_to_another_line_is_the_same_remark() {
    let mut moved = ordinary();
    moved.changes[0].change.cause = Cause::Listed(origin("sales.yaml", 300));
    let (before, after) = (shown(&[ordinary()]), shown(&[moved]));
    assert_eq!(before[0]["fingerprint"], after[0]["fingerprint"]);
    assert_ne!(before[0]["location"], after[0]["location"]);
    let mut elsewhere = ordinary();
    elsewhere.target = "other".to_owned();
    assert_ne!(before[0]["fingerprint"], shown(&[elsewhere])[0]["fingerprint"]);
}

#[test]
fn what_is_wrong_twice_in_one_file_is_two_remarks() {
    let found: Vec<_> = (0..3)
        .map(|_| Diagnostic::error(codes::ACCESS_WORD, "write `enabled`").at(Label::file("a.yaml")))
        .collect();
    let text = written(|out| problems(&Problems::of(&found, 3, ""), out));
    let remarks: Vec<Value> = serde_json::from_str(&text).unwrap();
    check(&remarks);
    assert_eq!((remarks.len(), &remarks[2]["check_name"]), (3, &Value::from("POP012")));
    let failed = Problems { failure: Some(("no store", None)), ..Problems::of(&[], 1, "") };
    let remarks: Vec<Value> = serde_json::from_str(&written(|out| problems(&failed, out))).unwrap();
    check(&remarks);
    assert_eq!(
        serde_json::from_str::<Vec<Value>>(&written(|out| problems(&Problems::of(&[], 0, ""), out))).unwrap(),
        [Value::Null; 0]
    );
}
