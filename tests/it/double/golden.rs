//! What went over the wire, kept: a change of what either client says, or the double answers, shows here.
//!
//! `GOLDEN=keep cargo test --test it double::golden` keeps what went over the wire now, for a change that is meant.

use std::path::{Path, PathBuf};
use std::process::Command;

use popgate::psrp::fragment::{FragmentError, Joiner};
use popgate::psrp::message::{self, Kind};
use popgate::psrp::{self, wsman};
use serde_json::{Value, json};

use super::{basic, ours, witness};
use crate::world::exchange::{Exchange, double, python};

fn kept(client: &str) -> PathBuf {
    double().join("golden").join(client)
}

/// A short conversation with everything in it: objects, input, a warning, an error, a failure.
fn conversation() -> Value {
    let command = |name: &str, parameters: Value| json!({ "name": name, "parameters": parameters });
    json!([
        { "commands": [command("Get-CASMailbox", json!({ "ResultSize": "Unlimited" })),
                       command("Select-Object", json!({ "Property": ["Guid", "PopEnabled"] }))] },
        { "commands": [command("Set-CASMailbox", json!({ "PopEnabled": false }))],
          "input": ["anna", "nobody 😀 <&>", "bert"] },
        { "commands": [command("New-Mailbox", json!({ "Name": "_x0041_" }))] },
    ])
}

fn record(client: fn(&Value, &Value) -> Value) -> (Exchange, PathBuf) {
    let dir = tempfile::tempdir().unwrap().keep();
    let exchange = Exchange::start(&json!({
        "record": dir, "mailboxes": [{ "name": "Anna", "alias": "anna" }, { "name": "Bert", "alias": "bert", "pop": false }],
    }));
    client(&basic(&exchange), &conversation());
    (exchange, dir)
}

fn transcript(dir: &Path) -> String {
    let done = Command::new(python()).arg(double().join("transcript.py")).arg(dir).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

#[track_caller]
fn compare(name: &str, client: fn(&Value, &Value) -> Value) {
    let (_exchange, dir) = record(client);
    if std::env::var("GOLDEN").is_ok_and(|word| word == "keep") {
        std::fs::create_dir_all(kept(name)).unwrap();
        for old in std::fs::read_dir(kept(name)).unwrap() {
            std::fs::remove_file(old.unwrap().path()).unwrap();
        }
        for new in std::fs::read_dir(&dir).unwrap() {
            let new = new.unwrap();
            std::fs::copy(new.path(), kept(name).join(new.file_name())).unwrap();
        }
    }
    let (now, then) = (transcript(&dir), transcript(&kept(name)));
    std::fs::remove_dir_all(&dir).unwrap();
    assert!(
        now == then,
        "what goes over the wire is no longer what was kept (-)\n{}",
        similar::TextDiff::from_lines(&then, &now).unified_diff()
    );
}

#[test]
fn pypsrp_says_what_it_always_said() {
    compare("pypsrp", |endpoint, pipelines| witness(endpoint, pipelines, None));
}

#[test]
fn popgate_says_what_it_always_said() {
    compare("popgate", ours);
}

/// Needs neither Python nor a server: the bytes that once satisfied pypsrp are read by popgate's own code.
#[test]
fn popgate_reads_the_answers_that_pypsrp_was_given() {
    let mut joiner = Joiner::default();
    let (mut output, mut endings, mut warnings) = (Vec::new(), Vec::new(), 0);
    for number in 1.. {
        let file = |kind: &str| kept("pypsrp").join(format!("{number:03}-{kind}.xml"));
        let Ok(request) = std::fs::read_to_string(file("request")) else { break };
        let answer = std::fs::read_to_string(file("answer")).unwrap();
        let (_, from) = request.split_once("MessageID>uuid:").unwrap();
        let Ok(answer) = wsman::read(&answer, from[..36].parse().unwrap()) else { continue };
        joiner
            .push(&answer.stream, |bytes| {
                let (kind, value) = message::parse(&bytes).unwrap();
                match kind {
                    Kind::PipelineOutput => output.push(value),
                    Kind::WarningRecord => warnings += 1,
                    Kind::PipelineState => {
                        endings.extend(value.member("PipelineState").and_then(psrp::Value::number));
                    }
                    _ => {}
                }
                Ok::<_, FragmentError>(())
            })
            .unwrap();
    }
    let seen: Vec<_> = output
        .iter()
        .map(|mailbox| {
            (
                mailbox.member("Guid").unwrap().guid().unwrap(),
                mailbox.member("PopEnabled").unwrap().truth().unwrap(),
            )
        })
        .collect();
    assert_eq!(seen.len(), 2);
    assert_eq!([seen[0].1, seen[1].1], [true, false]);
    assert_eq!(warnings, 1);
    assert_eq!(endings, [1, 4, 1, 4, 1, 5], "running and completed, twice, then running and failed");
}
