//! Each rule of the house, shown to fail on a made-up bad file.

use super::{EMPTY_NAMES, check, undeclared};

#[track_caller]
fn fails(path: &str, text: &str, line: usize, what: &str) {
    let wrong = check(path, text);
    let start = format!("{path}:{line}: ");
    assert!(
        wrong.iter().any(|said| said.starts_with(&start) && said.contains(what)),
        "expected `{start}…{what}…`, got {wrong:?}"
    );
}

#[track_caller]
fn passes(path: &str, text: &str) {
    assert_eq!(check(path, text), Vec::<String>::new());
}

#[test]
fn a_pure_module_may_not_touch_the_world() {
    let plan = "src/plan/diff.rs";
    for reached in [
        "tokio::spawn(x)",
        "std::fs::read(x)",
        "::std::net::lookup()",
        "std::env::var(x)",
        "std::process::abort()",
        "std::thread::sleep(x)",
        "std::time::Instant::now()",
        "std::time::SystemTime::UNIX_EPOCH",
        "jiff::Timestamp::now()",
        "Zoned::now()",
        "rusqlite::Connection::open(x)",
        "notify::recommended_watcher(x)",
        "tracing::info!(x)",
    ] {
        let path: String = reached.split(['(', '!']).next().unwrap_or_default().replacen("::std", "std", 1);
        fails(plan, &format!("//! Text.\nfn f() {{ {reached}; }}"), 2, &path);
    }
    fails(plan, "fn f(p: &Path) { p.canonicalize(); }", 1, "canonicalize");
    fails(plan, "fn f() { println!(); }", 1, "only src/cli/render.rs prints");
    fails(plan, "use std::{\n    fmt,\n    fs as disk,\n};", 3, "std::fs");
    fails(plan, "use std::time::{Duration, SystemTime};", 1, "std::time::SystemTime");
    fails(plan, "use std::*;", 1, "std::*");
    fails("src/journal/entry.rs", "use std::fs::File;", 1, "std::fs::File");
}

#[test]
fn the_outer_modules_may_touch_the_world() {
    let text = "use std::fs;\nuse std::time::Duration;\nasync fn f() { tokio::time::sleep(x).await }";
    for path in ["src/stores/sql.rs", "src/journal/segment.rs", "src/daemon/driver.rs"] {
        passes(path, text);
    }
}

#[test]
fn what_only_looks_like_the_world_passes() {
    passes(
        "src/plan/diff.rs",
        "/// Uses no `std::fs`.\nfn f() -> &'static str { \"tokio::spawn println!\" }",
    );
    passes("src/plan/diff.rs", "fn f(notify: bool) -> bool { notify }");
    passes("src/plan/diff.rs", "#[cfg(test)]\nmod tests { fn f() { std::fs::read(x); println!(); } }");
    passes("src/plan/diff/tests.rs", "use std::fs;");
}

#[test]
fn the_direction_of_use_is_kept() {
    fails("src/plan/mod.rs", "use crate::stores::Reader;", 1, "`plan` may not use `stores::Reader`");
    fails("src/plan/mod.rs", "use crate::{model::Access, cli};", 1, "`plan` may not use `cli`");
    fails("src/plan/mod.rs", "use super::daemon;", 1, "`plan` may not use `daemon`");
    fails("src/plan/guard.rs", "fn f() { super::super::source::read() }", 1, "source::read");
    fails("src/plan/guard.rs", "use crate::services::Service;", 1, "services::Service");
    fails("src/plan/guard.rs", "use crate::engine::Engine;", 1, "engine::Engine");
    fails("src/model/live.rs", "use crate::plan::Plan;", 1, "`model` may not use `plan::Plan`");
    fails("src/stores/sql.rs", "use crate::engine::Engine;", 1, "`stores` may not use `engine::Engine`");
    fails("src/services/none.rs", "use crate::stores::Writer;", 1, "`services` may not use");
    fails("src/daemon/driver.rs", "use crate::cli::render;", 1, "`daemon` may not use");
    fails("src/attic.rs", "use crate::plan::Plan;", 1, "has no place yet");
    passes(
        "src/plan/policy.rs",
        "use crate::services::{Instance, Observed};\nuse crate::engine::window::Windows;",
    );
    passes("src/stores/sql.rs", "use crate::plan::Change;\nuse super::StoreError;");
}

#[test]
fn only_the_renderer_prints_and_only_the_command_line_knows_a_terminal() {
    for print in ["print", "println", "eprint", "eprintln", "dbg"] {
        let text = format!("\nfn f() {{ {print}!(\"x\") }}");
        fails("src/daemon/driver.rs", &text, 2, print);
        fails("src/cli/plan.rs", &text, 2, print);
        passes("src/cli/render.rs", &text);
    }
    fails("src/daemon/driver.rs", "use std::io;\nfn f() { io::stdout() }", 2, "terminal");
    passes("src/cli/progress.rs", "fn f() { std::io::stderr() }");
}

#[test]
fn a_long_file_and_an_empty_name_are_refused() {
    let line = "// A line.\n";
    fails("src/plan/diff.rs", &line.repeat(501), 501, "split it");
    passes("src/plan/diff.rs", &line.repeat(500));
    for name in EMPTY_NAMES {
        fails(&format!("src/plan/{name}.rs"), "", 1, name);
        fails(&format!("src/{name}/mod.rs"), "", 1, name);
        fails("src/plan/mod.rs", &format!("\nmod {name};"), 2, name);
    }
}

#[test]
fn a_test_file_that_nobody_declares_is_found() {
    let entries = ["main.rs", "cli.rs", "watch.rs", "world"].map(str::to_owned);
    assert_eq!(undeclared("mod cli;\n// mod watch;\nmod world;", &entries), ["watch.rs"]);
}
