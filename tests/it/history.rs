//! `history`, `history --verify` and `get --as-of` on a journal that real commands wrote.

use popgate::daemon::crash::SEGMENT_VARIABLE;
use popgate::journal::entry::Record;
use popgate::journal::read_all;
use serde_json::Value;

use crate::daemon::{SOON, desire, disabled, settings, users};
use crate::world::World;

fn json(world: &World, args: &[&str]) -> Value {
    let ran = world.popgate([args, &["--format", "json"]].concat()).success();
    serde_json::from_str(&ran.stdout).unwrap()
}

/// Three batches: u3 and u4 lose POP3, u3 gets it back, u5 loses it.
fn three_batches() -> World {
    let mut world = World::new();
    world.env("USER", "anna");
    users(&world, 20);
    settings(&world, SOON);
    for off in [&[3, 4][..], &[4], &[4, 5]] {
        desire(&world, 20, off);
        let _apply = world.popgate(["apply", "--yes"]).success();
    }
    assert_eq!(disabled(&world), "u4@x.test u5@x.test");
    world
}

#[test]
fn history_says_who_changed_what_when_and_why() {
    let world = three_batches();
    let text = world.popgate(["history"]).success().stdout;
    assert!(text.contains("  u3@x.test: enabled → disabled, listed in users.yaml:4\n"), "{text}");
    assert!(text.contains("  u3@x.test: disabled → enabled, listed in users.yaml:4\n"), "{text}");
    assert!(text.contains("by anna"), "{text}");
    assert!(text.contains("restart restarted: it reported success"), "{text}");
    let (third, first) = (text.find("batch 3 of target default"), text.find("batch 1 of target default"));
    assert!(third.is_some() && third < first, "the newest first:\n{text}");

    let all = json(&world, &["history"]);
    let batches: Vec<&Value> =
        all["events"].as_array().unwrap().iter().filter(|event| event["kind"] == "batch").collect();
    assert_eq!(batches.len(), 3);
    assert_eq!(batches[2]["changes"][0]["name"], "u3@x.test");
    assert_eq!(batches[2]["changes"][0]["outcome"], "done");
    assert_eq!((&batches[2]["by"], &batches[2]["batch"]), (&"anna".into(), &1.into()));
}

#[test]
fn history_names_who_ran_it_behind_sudo_and_without_a_user_in_the_environment() {
    let id = std::process::Command::new("id").arg("-un").output().unwrap();
    let me = String::from_utf8(id.stdout).unwrap().trim().to_owned();
    for (sudo, by) in [(None, format!("by {me}, ")), (Some("carla"), format!("by carla (as {me}), "))] {
        let mut world = World::new();
        users(&world, 20);
        settings(&world, SOON);
        desire(&world, 20, &[3]);
        if let Some(person) = sudo {
            world.env("SUDO_USER", person);
        }
        let _apply = world.popgate(["apply", "--yes"]).success();
        let text = world.popgate(["history"]).success().stdout;
        assert!(text.contains(&by), "{by}:\n{text}");
    }
}

#[test]
fn history_of_one_user_holds_only_that_users_changes_and_the_limit_says_what_is_left_out() {
    let world = three_batches();
    let of = |user: &str| json(&world, &["history", "--user", user])["events"].as_array().unwrap().clone();
    let found = of("U3@X.test");
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|event| event["changes"].as_array().unwrap().len() == 1), "{found:?}");
    assert!(of("nobody@x.test").is_empty());
    let text = world.popgate(["history", "--limit", "1"]).success().stdout;
    assert!(text.contains("5 events before that"), "three batches and three restarts:\n{text}");
}

#[test]
fn history_tells_what_operators_did_and_why() {
    let world = three_batches();
    let _ran = world.popgate(["suspend", "--reason", "CHG-77 migration"]).success();
    let _ran = world.popgate(["resume", "--reason", "done"]).success();
    let text = world.popgate(["history", "--limit", "2"]).success().stdout;
    assert!(text.contains("anna suspended all writing: CHG-77 migration\n"), "{text}");
    assert!(text.contains("anna let writing go on: done\n"), "{text}");
}

#[test]
fn verify_finds_one_changed_byte_in_the_journal() {
    let world = three_batches();
    let ran = world.popgate(["history", "--verify"]).success();
    assert!(ran.stdout.starts_with("the journal is in order: 1 segment, "), "{}", ran.stdout);
    let text = world.read("state/journal-000001");
    world.write("state/journal-000001", text.replacen("u3@x.test", "u8@x.test", 1));
    let ran = world.popgate(["history", "--verify"]).ends_with(1);
    assert!(ran.stderr.contains("journal-000001") && ran.stderr.contains("checksum"), "{}", ran.stderr);
    let _ran = world.popgate(["history"]).ends_with(1);
}

/// Four batches, each in a segment of its own or in several.
fn rotated() -> (World, Vec<String>) {
    let mut world = World::new();
    world.env("USER", "anna");
    world.env(SEGMENT_VARIABLE, "1500");
    users(&world, 20);
    settings(&world, SOON);
    for off in [&[3][..], &[3, 4], &[4], &[4, 5]] {
        desire(&world, 20, off);
        let _apply = world.popgate(["apply", "--yes"]).success();
    }
    let mut segments: Vec<String> = std::fs::read_dir(world.path("state"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("journal-"))
        .collect();
    segments.sort();
    assert!(segments.len() >= 4, "{segments:?}");
    (world, segments)
}

#[test]
fn history_goes_back_over_every_segment() {
    let (world, segments) = rotated();
    let batches = |args: &[&str]| -> Vec<u64> {
        let events = json(&world, &[&["history"], args].concat())["events"].as_array().unwrap().clone();
        let batches = events.iter().filter(|event| event["kind"] == "batch");
        batches.map(|event| event["batch"].as_u64().unwrap()).collect()
    };
    assert_eq!(batches(&[]), [4, 3, 2, 1]);
    assert_eq!(batches(&["--user", "u3@x.test"]), [3, 1], "the first stands in the oldest segment");
    let found = json(&world, &["history", "--verify"]);
    assert_eq!(found["segments"], segments.len());
    let first = read_all::<Record>(&world.path("state")).unwrap();
    let first = first.iter().find(|line| matches!(line.record, Record::End { .. })).unwrap().at.to_string();
    let rows = json(&world, &["get", "u3@x.test", "--as-of", &first]);
    assert_eq!(rows[0]["state"], "disabled", "{rows}");
    // Bindings, approvals and debts of old segments are in the head of the newest.
    let _same = world.popgate(["plan", "--detailed-exitcode"]).success();
    let status = world.popgate(["status"]).success().stdout;
    assert!(status.contains("it reported success"), "the proof that settled the last restart:\n{status}");
}

#[test]
fn verify_finds_damage_in_any_segment_and_a_segment_that_is_gone() {
    let (world, segments) = rotated();
    let path = |name: &str| format!("state/{name}");
    for name in &segments {
        let text = world.read(&path(name));
        let at = text.find("x.test").unwrap_or(text.len() / 2);
        let mut bytes = text.clone().into_bytes();
        bytes[at] ^= 1;
        // A line after it makes the damage more than a torn tail.
        world.write(&path(name), &bytes);
        let ran = world.popgate(["history", "--verify"]);
        let torn = name == segments.last().unwrap() && !text[at..].trim_end().contains('\n');
        if !torn {
            assert_eq!(ran.code, Some(1), "{name}: {ran:?}");
            assert!(ran.stderr.contains(name) && ran.stderr.contains("line "), "{}", ran.stderr);
        }
        world.write(&path(name), &text);
    }
    let _whole = world.popgate(["history", "--verify"]).success();

    let second = world.read(&path(&segments[1]));
    std::fs::remove_file(world.path(path(&segments[1]))).unwrap();
    let ran = world.popgate(["history", "--verify"]).ends_with(1);
    assert!(ran.stderr.contains(&segments[2]) && ran.stderr.contains("predecessor"), "{}", ran.stderr);
    // Work goes on all the same: the newest segment holds all that the next batch needs.
    desire(&world, 20, &[5]);
    let _apply = world.popgate(["apply", "--yes"]).success();
    world.write(&path(&segments[1]), second);
    let _whole = world.popgate(["history", "--verify"]).success();

    // The oldest ones may be archived elsewhere.
    std::fs::remove_file(world.path(path(&segments[0]))).unwrap();
    let _rest = world.popgate(["history", "--verify"]).success();
    let _rest = world.popgate(["history"]).success();
}

#[test]
fn a_world_without_a_journal_has_an_empty_history() {
    let world = World::new();
    let text = world.popgate(["history"]).success().stdout;
    assert_eq!(text, "the journal tells of nothing\n");
    assert!(!world.path(".popgate").exists(), "reading creates nothing");
}

#[test]
fn as_of_shows_how_accounts_stood_at_a_moment() {
    let world = three_batches();
    let ends: Vec<String> = read_all::<Record>(&world.path("state"))
        .unwrap()
        .iter()
        .filter(|line| matches!(line.record, Record::End { .. }))
        .map(|line| line.at.to_string())
        .collect();
    let states = |at: &str| {
        let rows = json(&world, &["get", "--as-of", at]);
        let rows = rows.as_array().unwrap().iter();
        let row = |row: &Value| {
            format!("{}={}", &row["user"].as_str().unwrap()[..2], row["state"].as_str().unwrap())
        };
        rows.map(row).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(states("2020-01-01"), "u3=unknown u4=unknown u5=unknown");
    assert_eq!(states(&ends[0]), "u3=disabled u4=disabled u5=unknown");
    assert_eq!(states(&ends[1]), "u3=enabled u4=disabled u5=unknown");
    assert_eq!(states(&ends[2]), "u3=enabled u4=disabled u5=disabled");

    let table = world.popgate(["get", "u4*", "--as-of", &ends[1]]).success().stdout;
    assert!(table.contains("u4@x.test  disabled") && table.contains("anna"), "{table}");
    assert!(!table.contains("u3"), "{table}");
    let nobody = world.popgate(["get", "u9@x.test", "--as-of", &ends[1]]).success();
    assert!(nobody.stderr.contains("never wrote: u9@x.test"), "{}", nobody.stderr);
    let _usage = world.popgate(["get", "--as-of", "2999-01-01"]).ends_with(64);
    let _usage = world.popgate(["get", "--as-of", "last week"]).ends_with(64);
}
