//! Reports as CI would take them: every format beside the others, on true lines, and read by somebody else's parser.

use serde_json::Value;

use crate::daemon::{SOON, desire, disabled, settings, sqlite, users};
use crate::world::{World, require};

const FORMATS: [&str; 7] = ["text", "diff", "json", "markdown", "github", "gitlab", "junit"];

fn world() -> World {
    let world = World::new();
    users(&world, 20);
    desire(&world, 20, &[3]);
    settings(&world, SOON);
    world
}

/// Runs a command with a report of each format in a file, named after the format.
fn reports(world: &World, command: &[&str], code: i32) {
    let wanted = FORMATS.iter().flat_map(|format| ["--report".to_owned(), format!("{format}=out.{format}")]);
    let _ran = world.popgate(command.iter().map(|arg| (*arg).to_owned()).chain(wanted)).ends_with(code);
}

#[test]
fn every_format_comes_on_standard_output_and_the_same_into_files_beside_it() {
    let world = world();
    let plan = ["plan", "--at", "2027-01-01T00:00:00Z"];
    reports(&world, &plan, 0);
    for format in FORMATS {
        let printed = world.popgate(plan.iter().chain(&["--format", format])).success();
        assert_eq!(printed.stderr, "");
        assert_eq!(printed.stdout, world.read(&format!("out.{format}")), "{format}");
        assert!(printed.stdout.contains("u3@x.test") || format == "markdown", "{}", printed.stdout);
    }
    assert_eq!(
        world.read("out.diff"),
        "--- desired-state/users.yaml\tas the mail system is\n+++ desired-state/users.yaml\tas it shall be\n@@ -1,7 +1,7 @@\n pop3:\n   \
         u1@x.test: enabled\n   u2@x.test: enabled\n-  u3@x.test: enabled\n+  u3@x.test: disabled\n   u4@x.test: enabled\n   u5@x.test: \
         enabled\n   u6@x.test: enabled\n"
            .replace("$WORLD/", "")
    );
    assert_eq!(disabled(&world), "");
}

#[test]
fn a_report_replaces_a_file_as_a_whole_and_what_is_no_file_is_refused() {
    let world = world();
    world.write("plan.json", "x".repeat(1_000_000));
    let _ran = world.popgate(["plan", "--report", "json=plan.json"]).success();
    assert!(serde_json::from_str::<Value>(&world.read("plan.json")).is_ok());
    for bad in ["json=-", "json=", "json", "yaml=x", "=x"] {
        let refused = world.popgate(["plan", "--report", bad]).ends_with(64);
        assert!(refused.stderr.contains("--report <FORMAT=PATH>"), "{bad}: {}", refused.stderr);
    }
    let refused = world.popgate(["plan", "--report", "json=state/none/x"]).ends_with(1);
    assert!(refused.stderr.contains("writing the report state/none/x"), "{}", refused.stderr);
    let refused = world.popgate(["plan", "--report", "json=/dev/full"]).ends_with(1);
    assert!(refused.stderr.contains("not a regular file"), "{}", refused.stderr);
}

#[test]
fn paths_are_those_from_the_root_of_the_repository() {
    let world = World::new();
    users(&world, 5);
    settings(&world, SOON);
    let mut git = world.command(require("git"));
    git.args(["init", "-q", "."]);
    let _init = world.run(git, "").success();
    world.write("mail/popgate.yaml", world.read("popgate.yaml").replace("users.db", "../users.db"));
    world.write("mail/desired-state/a.yaml", "pop3:\n  u1@x.test: disabled\n");
    let config = world.path("mail/popgate.yaml");
    let here = world.popgate(["-c", "mail/popgate.yaml", "plan", "--format", "github"]).success();
    let there = world.popgate(["-c", config.to_str().unwrap(), "plan", "--format", "github"]).success();
    let annotation = "::notice file=mail/desired-state/a.yaml,line=2,col=3,title=disables POP3::";
    for ran in [here, there] {
        assert!(ran.stdout.contains(annotation), "{}", ran.stdout);
    }
    world.write("mail/desired-state/b.yaml", "pop3:\n  x@x.test: on\n");
    let broken =
        world.popgate(["-c", config.to_str().unwrap(), "validate", "--format", "github"]).ends_with(3);
    assert!(
        broken.stdout.contains("::error file=mail/desired-state/b.yaml,line=2,col=13,title=POP012"),
        "{}",
        broken.stdout
    );
}

#[test]
fn one_broken_file_of_ten_is_annotated_on_its_line_and_no_plan_is_claimed() {
    let world = world();
    for n in 1..=9 {
        world.write(&format!("desired-state/f{n}.yaml"), format!("pop3:\n  x{n}@x.test: enabled\n"));
    }
    world.write("desired-state/f5.yaml", "pop3:\n  x5@x.test: enabled\n  y5@x.test:\n    acess: enabled\n");
    world.write("desired-state/f7.yaml", "pop3:\n  x7@x.test: [\n");
    for command in ["validate", "plan"] {
        reports(&world, &[command], 3);
        let github = world.read("out.github");
        let lines: Vec<&str> = github.lines().collect();
        assert_eq!(lines.len(), 2, "{github}");
        assert!(
            lines[0]
                .starts_with("::error file=desired-state/f5.yaml,line=4,col=5,title=POP010 Unknown field::"),
            "{github}"
        );
        assert!(lines[1].starts_with("::error file=desired-state/f7.yaml,line="), "{github}");
        let gitlab: Vec<Value> = serde_json::from_str(&world.read("out.gitlab")).unwrap();
        let at = |n: usize| (&gitlab[n]["location"]["path"], &gitlab[n]["location"]["lines"]["begin"]);
        assert_eq!(at(0), (&Value::from("desired-state/f5.yaml"), &Value::from(4)));
        let json: Value = serde_json::from_str(&world.read("out.json")).unwrap();
        assert_eq!((&json["exit_code"], json["diagnostics"].as_array().unwrap().len()), (&Value::from(3), 2));
        assert_eq!(json["plan_id"], Value::Null);
        assert!(world.read("out.text").contains("error[POP010]"));
        assert!(
            world
                .read("out.markdown")
                .contains("| <code>desired-state&#47;f5.yaml&#58;4&#58;5</code> | POP010 ")
        );
        assert!(world.read("out.junit").contains("failures=\"2\""));
        let claimed = world.popgate([command, "--format", "github"]).ends_with(3);
        assert_eq!(claimed.stdout, github, "the same on standard output");
        assert!(!github.contains("popgate plan"), "no plan is claimed");
    }
}

#[test]
fn what_fails_replaces_an_older_report_so_that_nobody_takes_that_for_the_result() {
    let world = world();
    reports(&world, &["plan"], 0);
    std::fs::remove_file(world.path("users.db")).unwrap();
    reports(&world, &["plan"], 1);
    for format in FORMATS {
        let text = world.read(&format!("out.{format}"));
        assert!(!text.contains("u3") && text.contains("users.db"), "{format}:\n{text}");
    }
    world.write("popgate.yaml", "version: 1\ntargts: {}\n");
    reports(&world, &["plan"], 3);
    assert!(
        world.read("out.github").starts_with("::error file=popgate.yaml,line=2,col=1,title=POP"),
        "{}",
        world.read("out.github")
    );
    std::fs::remove_file(world.path("popgate.yaml")).unwrap();
    std::fs::remove_dir_all(world.path("desired-state")).unwrap();
    std::fs::create_dir(world.path("desired-state")).unwrap();
    reports(&world, &["plan"], 3);
    assert!(
        world.read("out.github").contains("holds no YAML file"),
        "a plan that looked at no file is an error"
    );
}

/// Reads a report with the parser of the Debian package `python3-junitparser` and returns what it counted.
fn junit(world: &World, name: &str) -> Value {
    let script = "
import json, sys
from junitparser import Error, Failure, JUnitXml, Skipped
counts = {'suites': [], 'cases': 0, 'failures': [], 'skipped': 0, 'names': []}
for suite in JUnitXml.fromfile(sys.argv[1]):
    said = (suite.tests, suite.failures, suite.skipped)
    suite.update_statistics()
    assert said == (suite.tests, suite.failures, suite.skipped), (said, suite.tests, suite.failures, suite.skipped)
    counts['suites'].append(suite.name)
    for case in suite:
        counts['cases'] += 1
        counts['names'].append(case.name)
        for result in case.result:
            if isinstance(result, Failure):
                counts['failures'].append(result.message)
            assert not isinstance(result, Error)
            counts['skipped'] += isinstance(result, Skipped)
json.dump(counts, sys.stdout)
";
    // Debian's own interpreter: another one does not see Debian's packages.
    let mut python = world.command("/usr/bin/python3");
    python.args(["-c", script, name]);
    let ran = world.run(python, "").success();
    serde_json::from_str(&ran.stdout).unwrap()
}

/// Reads a report with the model of GitLab's code quality that `pytest-gitlab-code-quality` has, every type as it says,
/// and returns how many remarks it holds.
fn gitlab(world: &World, name: &str) -> usize {
    let script = "
import sys
from pydantic import TypeAdapter
from pytest_gitlab_code_quality.report import Violation
text = open(sys.argv[1], 'rb').read()
remarks = TypeAdapter(list[Violation]).validate_json(text, strict=True, extra='forbid')
assert len({remark.fingerprint for remark in remarks}) == len(remarks), 'GitLab keeps one of each fingerprint'
assert all(remark.severity in ('info', 'minor', 'major', 'critical', 'blocker') for remark in remarks)
assert all(remark.location.lines.begin >= 1 and not remark.location.path.startswith('/') for remark in remarks)
print(len(remarks))
";
    let mut python = world.command(crate::world::exchange::python());
    python.args(["-c", script, name]);
    world.run(python, "").success().stdout.trim().parse().unwrap()
}

/// Names that are somebody else's syntax, as accounts of the store.
const HOSTILE: [&str; 6] = [
    "a|b`c`",
    "<b>@everyone</b>",
    "%0A::error::x",
    "]]>&#64;&amp;",
    "[x](http://e.example)",
    "anna\u{202e}moc\u{1b}[31m",
];

#[test]
fn junit_and_code_quality_are_read_by_other_parsers_with_the_counts_that_they_claim() {
    let world = world();
    sqlite(&world, "INSERT INTO mailbox SELECT 'm' || value || '@x.test', 1 FROM generate_series(1, 300);");
    for name in HOSTILE {
        sqlite(&world, &format!("INSERT INTO mailbox VALUES ('{name}', 1);"));
    }
    let text =
        world.read("popgate.yaml").replace("    refresh: 2s\n", "    refresh: 2s\n    unlisted: disable\n");
    world.write("popgate.yaml", text);
    reports(&world, &["plan"], 4);
    assert!(gitlab(&world, "out.gitlab") > 306);
    let counts = junit(&world, "out.junit");
    assert_eq!(counts["suites"], serde_json::json!(["popgate plan default"]));
    assert!(counts["cases"].as_u64().unwrap() > 306, "{counts}");
    let failures = counts["failures"].as_array().unwrap();
    assert!(
        failures.iter().any(|message| message
            .as_str()
            .unwrap()
            .contains("will be blocked after the merge; then run `popgate approve ")),
        "{counts}"
    );
    let names = counts["names"].to_string();
    for shown in
        ["a|b`c`", "<b>@everyone</b>", "%0A::error::x", "]]>&#64;&amp;", "anna\\\\u{202e}moc\\\\u{1b}[31m"]
    {
        assert!(names.contains(shown), "{shown} in {names}");
    }
    world.write("desired-state/bad.yaml", "pop3:\n  \"]]><x>\": on\n");
    reports(&world, &["validate"], 3);
    assert_eq!(gitlab(&world, "out.gitlab"), 1);
    let counts = junit(&world, "out.junit");
    assert_eq!((&counts["cases"], counts["failures"].as_array().unwrap().len()), (&Value::from(1), 1));
    std::fs::remove_file(world.path("desired-state/bad.yaml")).unwrap();
    reports(&world, &["validate"], 0);
    assert_eq!(
        junit(&world, "out.junit")["names"],
        serde_json::json!(["desired state is valid: 20 users in 1 file"])
    );
}

#[test]
fn a_part_of_a_plan_can_be_looked_at_and_guards_still_count_the_whole() {
    let world = world();
    desire(&world, 18, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    let part = world.popgate(["plan", "--only", "U1@*"]).ends_with(4);
    assert!(part.stdout.starts_with("1 change: disable POP3 for 1 user"), "{}", part.stdout);
    assert!(
        part.stdout.contains("only users whose name matches `U1@*`; not listed: 11 other changes\n"),
        "{}",
        part.stdout
    );
    assert!(
        part.stdout.contains("max_disable tripped: 12 users") && !part.stdout.contains("u2@"),
        "{}",
        part.stdout
    );
    let whole = world.popgate(["plan", "--concise", "--show-unlisted"]).ends_with(64);
    assert!(whole.stderr.contains("cannot be used with"), "{}", whole.stderr);
    let concise = world.popgate(["plan", "--concise"]).ends_with(4);
    assert!(
        concise.stdout.contains("12 changes") && !concise.stdout.contains("@x.test"),
        "{}",
        concise.stdout
    );
    sqlite(&world, "UPDATE mailbox SET pop3 = 0 WHERE username = 'u19@x.test';");
    let unlisted = world.popgate(["plan", "--show-unlisted"]).ends_with(4);
    let list = "Not listed: 2 accounts, 1 of them with POP3 enabled; they stay as they are\n  enabled     u20@x.test\n  disabled    u19@x.test\n";
    assert!(unlisted.stdout.contains(list), "{}", unlisted.stdout);
}

#[test]
fn at_another_moment_what_is_over_then_is_over() {
    let world = world();
    world.write("desired-state/users.yaml", "pop3:\n  u1@x.test: {access: enabled, until: 2090-06-30}\n");
    let _now = world.popgate(["plan", "--detailed-exitcode"]).success();
    let then = world.popgate(["plan", "--detailed-exitcode", "--at", "2090-07-01"]).ends_with(2);
    assert!(then.stdout.contains("`until 2090-06-30` is over"), "{}", then.stdout);
    let _last_day = world.popgate(["plan", "--detailed-exitcode", "--at", "2090-06-30T23:59:59Z"]).success();
    let _bad = world.popgate(["plan", "--at", "soon"]).ends_with(64);
}
