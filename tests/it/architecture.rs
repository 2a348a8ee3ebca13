//! The rules of the house, read off its sources.
//!
//! [`check`] looks at one file as text, so that every rule can be shown to fail on a made-up bad file.

mod reach;
mod rules_can_fail;

use std::fs;
use std::path::{Path, PathBuf};

use reach::{Kind, Reach, reaches};

/// What each top-level module may use of this crate, besides itself. A path covers everything below it.
/// A module that is missing here fails the test, so that a new one gets its place in the house.
const MAY_USE: &[(&str, &[&str])] = &[
    ("model", &["name"]),
    ("name", &[]),
    ("diagnostic", &["model"]),
    ("yaml", &["diagnostic", "model", "name"]),
    ("desired", &["yaml", "diagnostic", "model", "name"]),
    (
        "plan",
        &[
            "desired",
            "diagnostic",
            "engine::window",
            "journal",
            "model",
            "name",
            "services::Condition",
            "services::Instance",
            "services::Observed",
        ],
    ),
    (
        "journal",
        &[
            "desired",
            "diagnostic",
            "model",
            "name",
            "plan",
            "replace",
            "services::Condition",
            "services::Instance",
            "services::Observed",
        ],
    ),
    (
        "engine",
        &[
            "desired",
            "diagnostic",
            "journal",
            "model",
            "name",
            "plan",
            "services::Condition",
            "services::Instance",
            "services::Observed",
            "services::ServiceError",
            "stores::StoreError",
            "stores::Wanted",
        ],
    ),
    (
        "report",
        &["desired", "diagnostic", "engine", "journal", "model", "name", "plan", "services::Instance"],
    ),
    ("source", &["desired", "diagnostic", "model", "secret"]),
    ("secret", &["diagnostic", "model"]),
    ("replace", &[]),
    ("tls", &[]),
    ("elsewhere", &[]),
    ("psrp", &["secret", "tls"]),
    (
        "stores",
        &[
            "elsewhere",
            "model",
            "name",
            "plan::Cause",
            "plan::Change",
            "plan::policy",
            "psrp",
            "secret",
            "tls",
        ],
    ),
    ("services", &["diagnostic::is_invisible", "model", "name", "plan::policy", "psrp", "secret", "tls"]),
    (
        "settings",
        &[
            "desired",
            "diagnostic",
            "engine::window",
            "model",
            "name",
            "plan",
            "psrp",
            "secret",
            "services",
            "stores",
            "tls",
            "yaml",
        ],
    ),
    // Commands in, a published snapshot out: it holds nothing of the engine itself.
    ("web", &["engine::event", "engine::status", "plan"]),
    (
        "daemon",
        &[
            "desired",
            "diagnostic",
            "engine",
            "journal",
            "model",
            "name",
            "plan",
            "replace",
            "report",
            "secret",
            "services",
            "settings",
            "source",
            "stores",
            "web",
        ],
    ),
    (
        "cli",
        &[
            "daemon",
            "desired",
            "diagnostic",
            "elsewhere",
            "engine",
            "journal",
            "model",
            "name",
            "plan",
            "psrp",
            "replace",
            "report",
            "secret",
            "services",
            "settings",
            "source",
            "stores",
            "web",
            "yaml",
        ],
    ),
];

/// The modules that know no clock, no file, no socket and no environment.
const PURE: &[&str] = &[
    "model",
    "name",
    "diagnostic",
    "yaml",
    "desired",
    "plan",
    "journal",
    "engine",
    "report",
    "psrp::clixml",
    "psrp::conversation",
    "psrp::fragment",
    "psrp::message",
    "psrp::record",
    "psrp::value",
    "psrp::wsman",
    "psrp::xml",
];

/// The parts of pure modules that do touch the disk.
const NOT_PURE: &[&str] = &["journal::keep", "journal::lock", "journal::read", "journal::segment"];

/// What no pure module may name, wherever the path begins.
const OUTSIDE: &[&str] = &[
    "indicatif",
    "notify",
    "reqwest",
    "rusqlite",
    "rustls",
    "std::*",
    "std::env",
    "std::fs",
    "std::net",
    "std::os::fd",
    "std::os::linux",
    "std::os::unix::fs",
    "std::os::unix::net",
    "std::os::unix::process",
    "std::process",
    "std::thread",
    "tempfile",
    "tokio",
    "tokio_util",
    "tracing",
    "tracing_subscriber",
];

/// Names that mean a clock or a terminal in any path.
const CLOCKS: &[&str] =
    &["Instant", "SystemTime", "Timestamp::now", "Zoned::now", "io::stdin", "io::stdout", "io::stderr"];

/// Methods of `Path` that ask the file system.
const ASKS_DISK: &[&str] =
    &["canonicalize", "is_symlink", "metadata", "read_dir", "read_link", "symlink_metadata", "try_exists"];

const PRINTS: &[&str] = &["print", "println", "eprint", "eprintln", "dbg"];

/// The one file that prints.
const PRINTER: &str = "src/cli/render.rs";

/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &["util", "utils", "helper", "helpers", "common", "manager", "misc"];

const MOST_LINES: usize = 500;

/// Lists what is wrong with one file of `src`, each as `file:line: what`.
fn check(path: &str, text: &str) -> Vec<String> {
    let module = module_of(path);
    let mut wrong = Vec::new();
    let lines = text.lines().count();
    if lines > MOST_LINES {
        wrong.push(format!("{path}:{lines}: longer than {MOST_LINES} lines: split it"));
    }
    if let Some(name) = module.iter().find(|name| EMPTY_NAMES.contains(&name.as_str())) {
        wrong.push(format!("{path}:1: `{name}` says nothing: name it after what it does"));
    }
    let is_test = module.iter().any(|part| part == "tests");
    let pure =
        PURE.iter().any(|pure| within(&module, pure)) && !NOT_PURE.iter().any(|io| within(&module, io));
    for reach in reaches(text).iter().filter(|_| !is_test) {
        let said = house_rules(path, &module, reach)
            .or_else(|| direction(&module, reach))
            .or_else(|| if pure { purity(reach) } else { None });
        wrong.extend(said.map(|what| format!("{path}:{}: {what}", reach.line)));
    }
    wrong
}

fn house_rules(path: &str, module: &[String], reach: &Reach) -> Option<String> {
    let name = reach.path.last()?;
    match reach.kind {
        Kind::Module if EMPTY_NAMES.contains(&name.as_str()) => {
            Some(format!("`mod {name}` says nothing: name it after what it does"))
        }
        Kind::Macro if path != PRINTER && PRINTS.contains(&name.as_str()) => {
            Some(format!("`{name}!`: only {PRINTER} prints"))
        }
        Kind::Path | Kind::Use
            if !within(module, "cli")
                && ["io::stdin", "io::stdout", "io::stderr"].iter().any(|io| contains(&reach.path, io)) =>
        {
            Some(format!("`{}`: only the command line knows a terminal", reach.path.join("::")))
        }
        _ => None,
    }
}

fn direction(module: &[String], reach: &Reach) -> Option<String> {
    if !matches!(reach.kind, Kind::Path | Kind::Use | Kind::Macro) {
        return None;
    }
    let used = in_crate(module, &reach.path)?;
    // `main.rs` and `lib.rs` are above the modules, and what they name are the modules themselves.
    let (here, there) = (module.first()?, used.first()?);
    if here == there || !MAY_USE.iter().any(|(known, _)| known == there) {
        // An item of the crate's root, if anything; the compiler knows.
        return None;
    }
    let Some((_, allowed)) = MAY_USE.iter().find(|(known, _)| known == here) else {
        return Some(format!("module `{here}` has no place yet: give it a line in MAY_USE"));
    };
    let fine = allowed.iter().any(|allowed| within(&used, allowed));
    (!fine).then(|| format!("`{here}` may not use `{}`", used.join("::")))
}

fn purity(reach: &Reach) -> Option<String> {
    let path = &reach.path;
    let said = path.join("::");
    let reaches_out = match reach.kind {
        Kind::Use => OUTSIDE.iter().any(|outside| within(path, outside)) || names_clock(path),
        // One word may be a variable of that name; a crate or module is always followed by something.
        Kind::Path | Kind::Macro => {
            path.len() > 1 && (OUTSIDE.iter().any(|outside| within(path, outside)) || names_clock(path))
        }
        Kind::Method => ASKS_DISK.contains(&path[0].as_str()),
        Kind::Module => false,
    };
    reaches_out.then(|| format!("a pure module may not reach for `{said}`"))
}

fn names_clock(path: &[String]) -> bool {
    CLOCKS.iter().any(|clock| contains(path, clock))
}

/// The module that a file holds: `src/plan/diff.rs` holds `plan::diff`.
fn module_of(path: &str) -> Vec<String> {
    let inside = path.strip_prefix("src/").unwrap_or(path);
    let mut parts: Vec<String> = inside.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if parts.last().is_some_and(|last| last == "mod") || parts == ["lib"] || parts == ["main"] {
        parts.pop();
    }
    parts
}

/// The same path from the crate's root; `None` when it leads out of the crate.
fn in_crate(module: &[String], path: &[String]) -> Option<Vec<String>> {
    let (first, rest) = path.split_first()?;
    let mut from = match first.as_str() {
        "crate" | "popgate" => Vec::new(),
        "self" => module.to_vec(),
        "super" => module[..module.len().saturating_sub(1)].to_vec(),
        _ => return None,
    };
    for segment in rest {
        if segment == "super" {
            from.pop();
        } else {
            from.push(segment.clone());
        }
    }
    Some(from)
}

fn within(path: &[String], prefix: &str) -> bool {
    let mut path = path.iter();
    prefix.split("::").all(|segment| path.next().is_some_and(|have| have == segment))
}

fn contains(path: &[String], run: &str) -> bool {
    let run: Vec<&str> = run.split("::").collect();
    path.windows(run.len()).any(|window| window == run)
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below a directory of the repository: path from its root, and text.
fn sources(below: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(below)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the repository can be listed") {
            let path = entry.expect("an entry of a folder").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root()).expect("below the root").display().to_string();
                found.push((name, fs::read_to_string(&path).expect("a source file is text")));
            }
        }
    }
    found.sort();
    found
}

/// The files and folders of one test crate that its `main.rs` does not declare.
fn undeclared(main: &str, entries: &[String]) -> Vec<String> {
    let declared: Vec<String> = reaches(main)
        .into_iter()
        .filter(|reach| reach.kind == Kind::Module)
        .flat_map(|reach| reach.path)
        .collect();
    let module = |entry: &String| entry.trim_end_matches(".rs").to_owned();
    entries
        .iter()
        .filter(|entry| entry.as_str() != "main.rs" && !declared.contains(&module(entry)))
        .cloned()
        .collect()
}

#[test]
fn the_sources_keep_the_rules_of_the_house() {
    let sources = sources("src");
    assert!(sources.len() > 10, "found only {} source files", sources.len());
    let wrong: Vec<String> = sources.iter().flat_map(|(path, text)| check(path, text)).collect();
    assert!(wrong.is_empty(), "{} problems:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_rule_is_about_a_module_that_exists() {
    let modules: Vec<Vec<String>> = sources("src").iter().map(|(path, _)| module_of(path)).collect();
    let places = MAY_USE.iter().map(|(module, _)| *module).chain(PURE.iter().copied());
    for place in places.chain(NOT_PURE.iter().copied()) {
        assert!(modules.iter().any(|module| within(module, place)), "no file holds module `{place}`");
    }
    for first in modules.iter().filter_map(|module| module.first()) {
        assert!(MAY_USE.iter().any(|(known, _)| known == first), "module `{first}` has no line in MAY_USE");
    }
    assert!(root().join(PRINTER).is_file(), "{PRINTER} is gone");
}

#[test]
fn every_test_file_is_declared_and_none_is_a_dumping_ground() {
    for name in ["it", "sim"] {
        let folder = root().join("tests").join(name);
        let Ok(main) = fs::read_to_string(folder.join("main.rs")) else { continue };
        let entries: Vec<String> = fs::read_dir(&folder)
            .expect("a folder of tests can be listed")
            .map(|entry| entry.expect("an entry of a folder").path())
            .filter(|path| path.is_file() || holds_rust(path))
            .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
            .filter(|entry| Path::new(entry).extension().is_none_or(|extension| extension == "rs"))
            .collect();
        assert_eq!(undeclared(&main, &entries), Vec::<String>::new(), "not declared in tests/{name}/main.rs");
    }
    for (path, _) in sources("tests") {
        let stem = path.trim_end_matches(".rs").rsplit('/').next().expect("a file has a name").to_owned();
        assert!(!EMPTY_NAMES.contains(&stem.as_str()), "{path}: name it after what it does");
    }
}

fn holds_rust(folder: &Path) -> bool {
    folder.join("mod.rs").is_file() || folder.with_extension("rs").is_file()
}
