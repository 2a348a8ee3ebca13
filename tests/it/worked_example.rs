//! The worked organisation in `desired-state/`: what CI does with it, and the contract of the JSON plan.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::world::{World, program::Ran};

fn desired() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("desired-state")
}

/// The organisation and nothing else: the embedded default.
fn world() -> World {
    let world = World::new();
    copy(&desired(), &world.path("desired-state"));
    world
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()) {
        let to = to.join(entry.file_name().unwrap());
        if entry.is_dir() {
            copy(&entry, &to);
        } else {
            std::fs::copy(&entry, to).unwrap();
        }
    }
}

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}:\n{}", ran.stdout))
}

/// Validates a plan against the schema that the program itself prints.
#[track_caller]
fn assert_described(world: &World, plan: &Value) {
    let schema = json(&world.popgate(["schema", "plan"]).success());
    let validator = jsonschema::draft202012::options().should_validate_formats(true).build(&schema).unwrap();
    let wrong: Vec<String> =
        validator.iter_errors(plan).map(|error| format!("{}: {error}", error.instance_path)).collect();
    assert_eq!(wrong, Vec::<String>::new(), "{plan:#}");
}

#[test]
fn it_is_believable_and_valid() {
    let world = world();
    assert_eq!(world.popgate(["validate"]).success().stdout, "ok: 41 users in 6 files\n");
}

#[test]
fn it_can_be_planned_and_says_with_2_that_there_is_something_to_do() {
    let world = world();
    let plan = world.popgate(["plan"]).success();
    assert!(plan.stdout.starts_with("41 changes: "), "{}", plan.stdout);
    let _ran = world.popgate(["plan", "--detailed-exitcode"]).ends_with(2);
    assert!(!world.path(".popgate").exists(), "planning must leave nothing behind");

    let _ran = world.popgate(["apply", "--yes"]).success();
    let _ran = world.popgate(["plan", "--detailed-exitcode"]).success();
}

#[test]
fn its_json_plan_is_as_the_schema_says_before_and_after() {
    let world = world();
    let before = json(&world.popgate(["plan", "--format", "json"]).success());
    assert_described(&world, &before);
    assert_eq!(before["changes"].as_array().unwrap().len(), 41);

    let _ran = world.popgate(["apply", "--yes"]).success();
    let after = json(&world.popgate(["plan", "--format", "json"]).success());
    assert_described(&world, &after);
    assert_eq!(after["changes"].as_array().unwrap().len(), 0);
    assert_eq!(after["exit_code"], 0);
}

#[test]
fn a_plan_with_guards_notes_and_a_mistake_in_a_name_is_as_the_schema_says() {
    let world = World::new();
    let users: String = (0..60).map(|n| format!("  u{n}@ex.test: enabled\n")).collect::<Vec<_>>().concat();
    world.write("desired-state/users.yaml", format!("pop3:\n{users}"));
    let _ran = world.popgate(["apply", "--yes"]).success();
    let database = rusqlite::Connection::open(world.path(".popgate/pop3.db")).unwrap();
    database.execute("UPDATE pop3 SET access = 'disabled' WHERE user = 'u7@ex.test'", []).unwrap();

    // Fewer than half are left, one is new, one has changed by hand, and twelve lose POP3.
    let users: String = (0..20)
        .map(|n| format!("  u{n}@ex.test: {}\n", if n < 12 && n != 7 { "disabled" } else { "enabled" }))
        .collect::<Vec<_>>()
        .concat();
    world.write("desired-state/users.yaml", format!("pop3:\n{users}  new@ex.test: enabled\n"));
    let plan = json(&world.popgate(["plan", "--format", "json"]).ends_with(4));
    assert_described(&world, &plan);
    assert_eq!(plan["exit_code"], 4);
    assert_ne!(plan["notes"].as_array().unwrap().len(), 0, "{plan:#}");
}
