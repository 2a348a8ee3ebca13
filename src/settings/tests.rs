//! Settings as operators write them, rightly and wrongly.

mod bad_files;
mod bad_rules;
mod bad_services;
mod bad_stores;
mod farm;
mod good;
mod on_disk;
mod organisation;
mod robust;
mod schema;

use std::fmt::Write as _;
use std::path::Path;

use super::*;

/// A target that is right, to which lines can be added.
const TARGET: &str = "\
targets:
  t:
    desired: /srv/desired-state
    store: {type: sqlite, path: /var/pop3.db}
    service: {type: none}
";

/// Settings with one target that has these lines besides.
fn with(lines: &str) -> String {
    lines.lines().fold(TARGET.to_owned(), |text, line| text + "    " + line + "\n")
}

fn store(written: &str) -> String {
    format!("targets:\n  t:\n    desired: /srv/d\n    store: {written}\n    service: {{type: none}}\n")
}

fn service(written: &str) -> String {
    format!(
        "targets:\n  t:\n    desired: /srv/d\n    store: {{type: sqlite, path: x}}\n    service: {written}\n"
    )
}

fn good(text: &str) -> Settings {
    read(text, "popgate.yaml", Path::new("/etc/popgate"))
        .unwrap_or_else(|found| panic!("{}\n{text}", sketch(&found)))
}

fn only_target(text: &str) -> Target {
    let targets = good(text).targets;
    assert_eq!(targets.len(), 1);
    targets.into_values().next().unwrap()
}

/// What is wrong with a text, a line for each problem with its place, then its help and its other places.
fn problems(text: &str) -> String {
    match read(text, "popgate.yaml", Path::new("/etc/popgate")) {
        Ok(settings) => format!("no error\n{}", sketch(&settings.warnings)),
        Err(found) => sketch(&found),
    }
}

fn sketch(found: &[Diagnostic]) -> String {
    let mut out = String::new();
    for problem in found {
        for (label, first) in problem.labels.iter().zip(std::iter::once(true).chain(std::iter::repeat(false)))
        {
            let lead =
                if first { format!("{} {:?}", problem.code, problem.severity) } else { "  also".to_owned() };
            write!(out, "{lead} {}", label.path).unwrap();
            if let Some(spot) = &label.at {
                write!(out, ":{}:{}+{}", spot.line, spot.column, spot.width).unwrap();
            }
            let message = if first { &problem.message } else { &label.message };
            writeln!(out, " {message}").unwrap();
        }
        if let Some(help) = &problem.help {
            writeln!(out, "  help {help}").unwrap();
        }
    }
    out
}
