//! One plan in every format, side by side in `examples/ci/sample`: a branch disables two users and enables one until a
//! date, and somebody had enabled another by hand. Made anew here and compared; with `UPDATE_SAMPLE=1`, written.

use std::path::Path;

use crate::daemon::{SOON, settings, sqlite, users};
use crate::git_source::git_at;
use crate::world::World;

const APPLIED: &str = "2026-05-04T09:00:00Z";
const EXPORTED: &str = "2026-05-05T06:00:00Z";
const NOW: &str = "2026-05-05T06:30:00Z";

const FORMATS: [(&str, &str); 7] = [
    ("text", "plan.txt"),
    ("diff", "plan.diff"),
    ("json", "plan.json"),
    ("markdown", "plan.md"),
    ("github", "plan.github.txt"),
    ("gitlab", "plan.gitlab.json"),
    ("junit", "plan.junit.xml"),
];

const FINANCE: &str = "pop3:
  alice@contoso.example: enabled
  bob@contoso.example: enabled
  kim@contoso.example: disabled # left the team in March
";

const SALES: &str = "pop3:
  dave@contoso.example: enabled
  erin@contoso.example: enabled
  scanner-3@contoso.example: disabled
";

fn files(world: &World, finance: &str, sales: &str) {
    world.write("desired-state/finance.yaml", finance);
    world.write("desired-state/sales.yaml", sales);
}

fn made() -> Vec<(String, String)> {
    let mut world = World::new();
    world.env("POPGATE_NOW", APPLIED);
    users(&world, 0);
    for user in ["alice", "bob", "dave", "erin", "kim", "oscar", "scanner-3"] {
        sqlite(&world, &format!("INSERT INTO mailbox VALUES ('{user}@contoso.example', 1);"));
    }
    files(&world, FINANCE, SALES);
    settings(&world, SOON);
    let _apply = world.popgate(["apply", "--yes"]).success();
    // By hand, behind popgate's back.
    sqlite(&world, "UPDATE mailbox SET pop3 = 1 WHERE username = 'kim@contoso.example';");
    world.env("POPGATE_NOW", EXPORTED);
    let snapshot = world.popgate(["export", "--format", "snapshot"]).success().stdout;
    // Taken some milliseconds after that.
    let from = snapshot.find("\"taken_at\": \"").unwrap() + 13;
    let to = from + snapshot[from..].find('"').unwrap();
    world.write("snapshot.json", format!("{}{EXPORTED}{}", &snapshot[..from], &snapshot[to..]));

    git_at(&world, ".", APPLIED, &["init", "-q", "--initial-branch=main"]);
    git_at(&world, ".", APPLIED, &["add", "desired-state"]);
    git_at(&world, ".", APPLIED, &["commit", "-qm", "Who may use POP3"]);
    git_at(&world, ".", APPLIED, &["checkout", "-qb", "offboarding"]);
    let finance = FINANCE.replace("bob@contoso.example: enabled", "bob@contoso.example: disabled # CHG-1201");
    let scanner = "scanner-3@contoso.example:\n    access: enabled\n    until: 2026-12-31\n    reason: CHG-1234 legacy scanner\n";
    let sales = SALES
        .replace("dave@contoso.example: enabled", "dave@contoso.example: disabled # CHG-1201")
        .replace("scanner-3@contoso.example: disabled\n", scanner);
    files(&world, &finance, &sales);
    git_at(
        &world,
        ".",
        EXPORTED,
        &["commit", "-qam", "Offboard two, and lend the scanner POP3 until December"],
    );
    world.env("POPGATE_NOW", NOW);
    let mut plan = world.command(env!("CARGO_BIN_EXE_popgate"));
    plan.args(["plan", "--live", "snapshot.json", "--base", "main", "--at", NOW]);
    for (format, file) in FORMATS {
        plan.args(["--report", &format!("{format}={file}")]);
    }
    let _plan = world.run(plan, "").success();
    let mut made: Vec<_> = FORMATS.into_iter().map(|(_, file)| (file.to_owned(), world.read(file))).collect();
    let branch =
        git_at(&world, ".", NOW, &["diff", "--no-color", "main", "offboarding", "--", "desired-state"]);
    made.push(("branch.diff".to_owned(), branch + "\n"));
    made
}

#[test]
fn the_sample_shows_what_popgate_says_today_in_every_format() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/ci/sample");
    let made = made();
    let text = &made[0].1;
    for shown in [
        "4 changes: disable POP3 for 3 users, enable POP3 for 1 user",
        "3 caused by this branch · 0 pending before it · 1 changed by hand",
        "kim@contoso.example",
        "until 2026-12-31",
        "snapshot",
    ] {
        assert!(text.contains(shown), "{shown} in:\n{text}");
    }
    for (file, content) in made {
        let path = directory.join(&file);
        if std::env::var_os("UPDATE_SAMPLE").is_some() {
            std::fs::write(&path, content).unwrap();
            continue;
        }
        let shipped = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!(shipped, content, "{file}: UPDATE_SAMPLE=1 writes it anew");
    }
}
