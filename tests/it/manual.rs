//! The tables of the manual, against what the program itself says.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::world::World;

const README: &str = include_str!("../../README.md");
const SETTINGS: &str = include_str!("../../docs/settings.md");

/// One row of a table: the heading it stands under, and its first two cells.
type Row = (String, String, String);

/// The rows of all tables that begin with a field, a command or a number in back ticks or plain.
fn rows(markdown: &str) -> Vec<Row> {
    let mut heading = String::new();
    let mut rows = Vec::new();
    for line in markdown.lines() {
        if let Some(title) = line.strip_prefix('#') {
            title.trim_start_matches('#').trim().clone_into(&mut heading);
        }
        // A bar within a cell is written as `\|`.
        let line = line.replace("\\|", "\0");
        let Some(cells) = line.strip_prefix("| ").and_then(|rest| rest.strip_suffix(" |")) else { continue };
        let Some((first, second)) = cells.split_once(" | ") else { continue };
        if !first.starts_with("---") {
            rows.push((heading.clone(), first.replace('\0', "|"), second.replace('\0', "|")));
        }
    }
    rows
}

/// Every field of a schema: the heading of its map, its name, what it is for.
fn fields(schema: &Value, path: &str, found: &mut Vec<Row>) {
    if let Some(fields_here) = schema["properties"].as_object() {
        let tag = fields_here.get("type").and_then(|tag| tag["const"].as_str());
        let heading = match tag {
            Some(tag) => format!("`{path}: {{type: {tag}}}`"),
            None if path.is_empty() => "The file".to_owned(),
            None => format!("`{path}`"),
        };
        for (name, field) in fields_here.iter().filter(|(name, _)| *name != "type") {
            let about = field["description"].as_str().unwrap_or_default();
            found.push((heading.clone(), format!("`{name}`"), about.to_owned()));
        }
        for (name, field) in fields_here {
            // What a person restarts by hand has the fields of the services themselves.
            if name != "of" {
                fields(field, &if path.is_empty() { name.clone() } else { format!("{path}.{name}") }, found);
            }
        }
    }
    for inner in ["oneOf", "anyOf"].iter().filter_map(|key| schema[key].as_array()).flatten() {
        fields(inner, path, found);
    }
    fields_of_named(schema, path, found);
    if schema["items"].is_object() {
        fields(&schema["items"], path, found);
    }
}

fn fields_of_named(schema: &Value, path: &str, found: &mut Vec<Row>) {
    if schema["additionalProperties"].is_object() {
        fields(&schema["additionalProperties"], &format!("{path}.NAME"), found);
    }
}

#[test]
fn the_manual_of_the_settings_has_every_field_and_no_other() {
    let schema = World::new().popgate(["schema", "settings"]).success().stdout;
    let mut wanted = Vec::new();
    fields(&serde_json::from_str(&schema).unwrap(), "", &mut wanted);
    assert!(wanted.len() > 60, "only {} fields", wanted.len());

    let have: BTreeSet<Row> = rows(SETTINGS).into_iter().filter(|row| row.1 != "field").collect();
    let wanted: BTreeSet<Row> = wanted.into_iter().collect();
    let missing: Vec<_> = wanted.difference(&have).collect();
    let strange: Vec<_> = have.difference(&wanted).collect();
    assert!(
        missing.is_empty() && strange.is_empty(),
        "missing: {missing:#?}\nnot in the schema: {strange:#?}"
    );
}

#[test]
fn the_readme_has_every_command_and_no_other() {
    let help = World::new().popgate(["--help"]).success().stdout;
    let listed = help.split_once("Commands:\n").unwrap().1.split_once("\n\n").unwrap().0;
    let wanted: BTreeSet<&str> = listed
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|word| *word != "help")
        .collect();
    let table = rows(README);
    let have: BTreeSet<&str> = table
        .iter()
        .filter(|(heading, first, _)| heading == "Commands" && first.starts_with('`'))
        .flat_map(|(_, first, _)| first.split(", "))
        .filter_map(|cell| cell.trim_matches('`').split_whitespace().next())
        .collect();
    assert_eq!(have, wanted);
}

#[test]
fn the_readme_has_every_exit_code() {
    let table = rows(README);
    let have: Vec<&str> = table
        .iter()
        .filter(|(_, first, _)| first.starts_with(|first: char| first.is_ascii_digit()))
        .flat_map(|(_, first, _)| first.split(", "))
        .collect();
    assert_eq!(have, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "64", "130", "143"]);
}
