use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::problems::Problems;
use super::super::sample::{at, crowded, effect, empty, ordinary, planned, view, with_changes, written};
use super::super::shown::Unlisted;
use super::super::text::View;
use super::*;
use crate::desired::Desired;
use crate::diagnostic::{Diagnostic, Label, Lines, codes};
use crate::model::{Access, AccountId, State};
use crate::plan::policy::Action;
use crate::plan::{Base, Cause, Context, Due, Effect, Provenance, Taken};

fn text(all: &[Plan]) -> String {
    let commits = vec![view().commit; all.len()];
    let mut text = String::new();
    plans(all, &commits, 4, "a guard tripped", &mut text).unwrap();
    text
}

fn value(plan: &Plan) -> Value {
    serde_json::from_str(&text(std::slice::from_ref(plan))).unwrap()
}

/// The schema with every object closed, so that a field that the schema does not know fails, too.
fn closed(mut schema: Value) -> Value {
    fn close(at: &mut Value) {
        match at {
            Value::Object(fields) => {
                if fields.contains_key("properties") {
                    fields.insert("additionalProperties".to_owned(), json!(false));
                }
                fields.values_mut().for_each(close);
            }
            Value::Array(items) => items.iter_mut().for_each(close),
            _ => {}
        }
    }
    close(&mut schema);
    schema
}

fn problems(schema: &Value, document: &Value) -> Vec<String> {
    let validator = jsonschema::draft202012::options().should_validate_formats(true).build(schema).unwrap();
    validator.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path)).collect()
}

fn varied() -> Vec<Plan> {
    let mut windowless = ordinary();
    windowless.effects = vec![Effect { due: Due::Never, restarts: 0, ..effect(Action::Reload) }];
    let actions = [Action::None, Action::Restart, Action::Command, Action::Manual, Action::Announce];
    let mut acting = crowded();
    acting.effects = actions.into_iter().map(effect).collect();
    vec![empty(), ordinary(), crowded(), windowless, acting]
}

#[test]
fn the_fields_are_those_of_the_contract() {
    let fields = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let plan = value(&crowded());
    assert_eq!(
        fields(&plan),
        [
            "format_version",
            "plan_id",
            "target",
            "digest",
            "commit",
            "author",
            "generated_at",
            "summary",
            "changes",
            "held",
            "blocked",
            "notes",
            "guards",
            "effects",
            "base",
            "snapshot",
            "only",
            "unlisted",
            "exit_code",
            "exit_reason"
        ]
    );
    assert_eq!(
        fields(&plan["summary"]),
        [
            "enable",
            "disable",
            "unchanged",
            "missing",
            "blocked",
            "released",
            "unlisted",
            "unlisted_enabled",
            "unreadable"
        ]
    );
    assert_eq!(
        fields(&plan["changes"][0])[..10],
        ["account", "name", "from", "to", "cause", "file", "line", "column", "until", "reason"]
    );
    assert_eq!(fields(&plan["guards"][0])[..5], ["name", "value", "limit", "tripped", "evaluated"]);
    assert_eq!(fields(&plan["effects"][0])[..4], ["service", "action", "restarts", "due"]);
}

#[test]
fn a_change_tells_what_the_text_tells() {
    let plan = value(&ordinary());
    assert_eq!(
        plan["changes"][2],
        json!({
            "account": "id-scanner-3@contoso.example",
            "name": "scanner-3@contoso.example",
            "from": "disabled",
            "to": "enabled",
            "cause": "listed",
            "file": "finance/eu.yaml",
            "line": 14,
            "column": 3,
            "until": "2099-12-31",
            "reason": "CHG-1234 legacy scanner",
            "waits": false,
            "approved": false,
            "provenance": null,
        })
    );
    assert_eq!(plan["changes"][1]["cause"], "expired");
    assert_eq!(plan["format_version"], "1.0");
    assert_eq!(plan["plan_id"], ordinary().id.as_str());
    assert_eq!(plan["digest"], "ab".repeat(32));
    assert_eq!(plan["commit"], view().commit.unwrap());
    assert_eq!(plan["generated_at"], "2026-08-22T12:00:00Z");
    assert_eq!(
        plan["effects"][0],
        json!({
            "service": "dovecot.service",
            "action": "flush_and_end_sessions",
            "restarts": 1,
            "due": "2026-08-22T12:00:30Z",
            "disabled": 2,
        })
    );
    assert_eq!((&plan["exit_code"], &plan["exit_reason"]), (&json!(4), &json!("a guard tripped")));
    let crowded = value(&crowded());
    assert_eq!(crowded["changes"][2]["file"], Value::Null, "no entry is the cause");
    assert_eq!(crowded["changes"][2]["from"], "mixed");
}

#[test]
fn what_is_blocked_or_held_names_the_id_that_releases_it() {
    let plan = crowded();
    let document = value(&plan);
    assert_eq!(document["held"][0]["id"], plan.held[0].id.as_str());
    assert_eq!(document["held"][0]["why"], "drift_left");
    assert_eq!(document["blocked"][2]["approve"], plan.held[1].id.as_str());
    assert_eq!(
        document["blocked"][0]["accounts"],
        json!([{ "account": "17", "name": "anna@x" }, { "account": "bert@x", "name": "bert@x" }])
    );
    assert_eq!(
        document["blocked"][1]["others"],
        json!([{ "name": "anna@x", "file": "d.yaml", "line": 9, "column": 3 }])
    );
    assert_eq!(document["blocked"][3]["pattern"], "HealthMailbox*");
    assert_eq!(document["guards"][1]["message"], Value::Null, "nothing is wrong");
    assert_eq!(
        document["guards"][0]["message"],
        "13 users would lose POP3 (3 of them in the last hour); the limit is 10"
    );
    assert_eq!(document["notes"][9]["names"].as_array().unwrap().len(), 12, "every name, not the first ten");
}

#[test]
fn every_plan_obeys_the_schema() {
    for schema in [schema(), closed(schema())] {
        for plan in varied() {
            assert_eq!(problems(&schema, &value(&plan)), [""; 0]);
        }
        let several: Value = serde_json::from_str(&text(&varied())).unwrap();
        assert_eq!(problems(&schema, &several), [""; 0]);
    }
}

#[test]
fn a_part_of_a_plan_and_what_stopped_one_obey_the_schema_too() {
    let unlisted = Unlisted { account: AccountId::new("7"), name: "z@x".to_owned(), state: State::Mixed };
    let extent = Extent { concise: false, only: Some(("*@x".to_owned(), 3)), unlisted: Some(vec![unlisted]) };
    let (plan, view, desired) = (crowded(), View { extent, ..view() }, Desired::default());
    let one = Shown { plan: &plan, desired: &desired, view: &view };
    let document: Value =
        serde_json::from_str(&written(|out| shown(&[one], 4, "a guard tripped", out))).unwrap();
    assert_eq!(document["only"], "*@x");
    assert_eq!(document["unlisted"], json!([{ "account": "7", "name": "z@x", "state": "mixed" }]));
    let found = [Diagnostic::error(codes::ACCESS_WORD, "on")
        .at(Label::spot("a.yaml", Lines::new("a").spot("a", 0..1)))
        .at(Label::file("b.yaml"))];
    let failed =
        Problems { failure: Some(("x", None)), seen: Some((1, 2)), ..Problems::of(&found, 3, "invalid") };
    for schema in [schema(), closed(schema())] {
        assert_eq!(problems(&schema, &document), [""; 0]);
        for stopped in [failed, Problems::of(&[], 0, "success")] {
            let document = serde_json::from_str(&written(|out| stopped.json(out))).unwrap();
            assert_eq!(problems(&schema, &document), [""; 0]);
        }
    }
}

#[test]
fn a_wrong_document_does_not_obey_the_schema() {
    let wrong = |change: fn(&mut Value)| {
        let mut document = value(&crowded());
        change(&mut document);
        assert_ne!(problems(&schema(), &document), [""; 0], "{document:#}");
    };
    wrong(|plan| plan["format_version"] = json!("2.0"));
    wrong(|plan| plan["plan_id"] = json!("123"));
    wrong(|plan| drop(plan.as_object_mut().unwrap().remove("changes")));
    wrong(|plan| drop(plan["changes"][0].as_object_mut().unwrap().remove("until")));
    wrong(|plan| plan["changes"][0]["to"] = json!("on"));
    wrong(|plan| plan["changes"][0]["from"] = json!("Enabled"));
    wrong(|plan| plan["changes"][0]["line"] = json!("7"));
    wrong(|plan| plan["changes"][0]["cause"] = json!("whim"));
    wrong(|plan| plan["changes"][0]["until"] = json!("tomorrow"));
    wrong(|plan| plan["summary"]["enable"] = json!(-1));
    wrong(|plan| plan["guards"][0]["tripped"] = json!("yes"));
    wrong(|plan| plan["effects"][0]["action"] = json!("explode"));
    wrong(|plan| plan["effects"][0]["due"] = json!("noon"));
    wrong(|plan| plan["generated_at"] = json!(1));
    wrong(|plan| plan["exit_code"] = json!(256));
    wrong(|plan| *plan = json!({ "format_version": "1.0", "targets": [{}] }));
    wrong(|plan| *plan = json!([]));
}

#[test]
fn readers_of_a_later_minor_version_see_no_error() {
    let mut later = value(&crowded());
    later["format_version"] = json!("1.7");
    later["brand_new"] = json!(true);
    later["changes"][0]["brand_new"] = json!({});
    assert_eq!(problems(&schema(), &later), [""; 0]);
}

#[test]
fn several_targets_are_a_list() {
    let several: Value = serde_json::from_str(&text(&[ordinary(), crowded()])).unwrap();
    assert_eq!(several.as_object().unwrap().keys().collect::<Vec<_>>(), ["format_version", "targets"]);
    assert_eq!(several["targets"][0], value(&ordinary()));
    assert_eq!(several["targets"][1], value(&crowded()));
    let none: Value = serde_json::from_str(&text(&[])).unwrap();
    assert_eq!(none, json!({ "format_version": "1.0", "targets": [] }));
}

#[test]
fn each_target_has_its_own_commit() {
    let all = [ordinary(), ordinary()];
    let mut text = String::new();
    plans(&all, &[None, Some("abc".to_owned())], 0, "success", &mut text).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["targets"][0]["commit"], Value::Null);
    assert_eq!(document["targets"][1]["commit"], "abc");
}

#[test]
fn names_survive_and_cannot_steer_a_terminal() {
    let name = "é\u{202e}\u{9b}31m\u{7f}\u{2028}\u{e0041}\n\"\\\u{1b}";
    let cause = Cause::Unlisted;
    let plan = with_changes(vec![planned(name, State::Is(Access::Enabled), Access::Disabled, cause)]);
    let text = text(std::slice::from_ref(&plan));
    let harmful: String = text.chars().filter(|c| *c != '\n' && is_harmful(*c)).collect();
    assert_eq!(harmful, "");
    assert_eq!(value(&plan)["changes"][0]["name"], name);
}

/// Counts what it is given and keeps only the longest piece.
#[derive(Default)]
struct Meter {
    total: usize,
    longest: usize,
}

impl fmt::Write for Meter {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.total += text.len();
        self.longest = self.longest.max(text.len());
        Ok(())
    }
}

#[test]
fn a_large_plan_is_written_piece_by_piece() {
    let one = ordinary().changes.remove(0);
    let mut plan = ordinary();
    plan.changes = vec![one; 20_000];
    let mut meter = Meter::default();
    plans(std::slice::from_ref(&plan), &[None], 0, "success", &mut meter).unwrap();
    assert!(meter.total > 20_000 * 200, "{}", meter.total);
    assert!(meter.longest < 200, "{}", meter.longest);
}

#[test]
fn the_first_failure_to_write_ends_the_report() {
    struct Full(usize);
    impl fmt::Write for Full {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0 = self.0.checked_sub(text.len()).ok_or(fmt::Error)?;
            Ok(())
        }
    }
    let whole = text(&[ordinary()]).len();
    for room in [0, 1, whole / 2, whole - 1] {
        let commits = [view().commit];
        assert!(plans(&[ordinary()], &commits, 4, "a guard tripped", &mut Full(room)).is_err(), "{room}");
        assert!(plans(&[ordinary()], &commits, 4, "a guard tripped", &mut Full(whole)).is_ok());
    }
}

#[test]
fn a_window_that_never_opens_has_no_due_time() {
    let mut plan = ordinary();
    plan.effects = vec![Effect { due: Due::Never, ..effect(Action::Restart) }];
    assert_eq!(value(&plan)["effects"][0]["due"], Value::Null);
    plan.effects = vec![Effect { due: Due::At(at("2026-08-22T22:00:00Z")), ..effect(Action::Restart) }];
    assert_eq!(value(&plan)["effects"][0]["due"], "2026-08-22T22:00:00Z");
}

#[test]
fn what_a_plan_was_made_beside_is_part_of_it_and_obeys_the_schema() {
    let mut plan = ordinary();
    plan.changes[0].provenance = Some(Provenance::Branch);
    plan.context = Context {
        author: Some("Anna <anna@x>".to_owned()),
        base: Some(Base { revision: "main".to_owned(), commit: "c0ffee".to_owned(), unsorted: None }),
        snapshot: Some(Taken { at: Timestamp::UNIX_EPOCH, age_s: 60 }),
    };
    let document = value(&plan);
    assert_eq!(
        (&document["author"], &document["changes"][0]["provenance"]),
        (&json!("Anna <anna@x>"), &json!("branch"))
    );
    let base = json!({
        "revision": "main",
        "commit": "c0ffee",
        "branch": 1,
        "pending": 0,
        "drift": 0,
        "unsorted": null,
    });
    assert_eq!(document["base"], base);
    assert_eq!(document["snapshot"], json!({ "taken_at": "1970-01-01T00:00:00Z", "age_seconds": 60 }));
    let validator = jsonschema::validator_for(&schema()).unwrap();
    assert!(validator.is_valid(&document));
    plan.context.base.as_mut().unwrap().unsorted = Some("it is invalid".to_owned());
    let document = value(&plan);
    assert_eq!(document["base"]["branch"], Value::Null, "not counted is not none");
    assert!(validator.is_valid(&document));
}
