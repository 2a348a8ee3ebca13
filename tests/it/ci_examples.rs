//! The examples for CI and for deploying, run as far as they can be run here: the shell steps are taken out of the very
//! files that are shipped.

mod deploy;
mod sample;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_yaml::Value;

use crate::daemon::{SOON, desire, settings, users};
use crate::git_source::git;
use crate::world::program::Ran;
use crate::world::{World, require};

/// Reads an example.
fn example(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_else(|| panic!("`{key}` in {value:?}"))
}

/// A repository `origin` whose branch disables u2 and u3 of 20, a snapshot, and a shallow clone `ci` of the branch.
fn world() -> World {
    let mut world = World::new();
    users(&world, 20);
    desire(&world, 20, &[1]);
    settings(&world, SOON);
    let _apply = world.popgate(["apply", "--yes"]).success();
    let snapshot = world.popgate(["export", "--format", "snapshot"]).success().stdout;
    world.write("snapshot.json", snapshot);
    std::fs::rename(world.path("desired-state"), world.path("origin-files")).unwrap();
    std::fs::create_dir_all(world.path("origin")).unwrap();
    std::fs::rename(world.path("origin-files"), world.path("origin/desired-state")).unwrap();
    let _canonical = world.popgate(["fmt", "origin/desired-state"]).success();
    git(&world, "origin", &["init", "-q", "--initial-branch=main"]);
    git(&world, "origin", &["config", "uploadpack.allowAnySHA1InWant", "true"]);
    git(&world, "origin", &["add", "."]);
    git(&world, "origin", &["commit", "-qm", "Begin"]);
    git(&world, "origin", &["checkout", "-qb", "branch"]);
    change(&world, |text| {
        text.replace("u2@x.test: enabled", "u2@x.test: disabled")
            .replace("u3@x.test: enabled", "u3@x.test: disabled")
    });
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_popgate"), bin(&world).join("popgate")).unwrap();
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", bin(&world).display());
    world.env("PATH", path);
    world.env("SERVED", world.path("served").display().to_string());
    std::fs::create_dir(world.path("served")).unwrap();
    world
}

fn bin(world: &World) -> PathBuf {
    std::fs::create_dir_all(world.path("bin")).unwrap();
    world.path("bin")
}

/// Changes the branch, commits, and lets CI clone it anew.
fn change(world: &World, edit: impl Fn(&str) -> String) {
    let text = world.read("origin/desired-state/users.yaml");
    world.write("origin/desired-state/users.yaml", edit(&text));
    git(world, "origin", &["commit", "-qam", "Change"]);
    if world.path("ci").exists() {
        std::fs::remove_dir_all(world.path("ci")).unwrap();
    }
    let origin = format!("file://{}", world.path("origin").display());
    git(world, ".", &["clone", "-q", "--depth=1", "--branch=branch", &origin, "ci"]);
}

/// The line of a user's entry, from 1.
fn line_of(world: &World, user: &str) -> usize {
    let text = world.read("origin/desired-state/users.yaml");
    text.lines().position(|line| line.contains(user)).unwrap() + 1
}

/// Runs one script in the clone, with these variables.
fn script(world: &World, shell: &[&str], script: &str, environment: &BTreeMap<String, String>) -> Ran {
    let mut command: Command = world.command(require(shell[0]));
    command.args(&shell[1..]).arg(script).current_dir(world.path("ci")).envs(environment);
    world.run(command, "")
}

/// GitHub Actions, as far as these files need it.
struct Actions<'w> {
    world: &'w World,
    expressions: BTreeMap<String, String>,
    environment: BTreeMap<String, String>,
}

impl<'w> Actions<'w> {
    fn new(world: &'w World) -> Self {
        let temp = world.path("temp");
        std::fs::create_dir_all(&temp).unwrap();
        let (pairs, path) =
            ([("GITHUB_BASE_REF", "main"), ("GITHUB_REPOSITORY", "contoso/mail")], |name: &str| {
                temp.join(name).display().to_string()
            });
        let mut environment: BTreeMap<_, _> =
            pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        for (name, file) in
            [("RUNNER_TEMP", ""), ("GITHUB_OUTPUT", "output"), ("GITHUB_STEP_SUMMARY", "summary")]
        {
            environment.insert(name.to_owned(), path(file));
        }
        let expressions = [
            ("inputs.desired", "desired-state".to_owned()),
            ("inputs.max-age", "24h".to_owned()),
            ("inputs.snapshot-url", format!("file://{}", world.path("snapshot.json").display())),
            ("inputs.popgate-repository", String::new()),
            ("vars.POPGATE_REPOSITORY", String::new()),
            ("github.token", "secret-token".to_owned()),
            ("github.event.pull_request.number", "7".to_owned()),
        ];
        let expressions = expressions.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self { world, expressions, environment }
    }

    /// Runs the `run:` blocks of these steps until one fails; returns the last one that ran.
    fn run(&mut self, steps: &Value) -> Ran {
        let mut last = None;
        for step in steps.as_sequence().unwrap() {
            let Some(block) = step.get("run").and_then(Value::as_str) else { continue };
            assert!(!block.contains("${{"), "an expression in a script is an injection:\n{block}");
            let mut environment = self.environment.clone();
            for (name, value) in step.get("env").and_then(Value::as_mapping).into_iter().flatten() {
                let value = self.evaluate(value.as_str().unwrap());
                environment.insert(name.as_str().unwrap().to_owned(), value);
            }
            let shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c"];
            let ran = script(self.world, &shell, block, &environment);
            let failed = ran.code != Some(0);
            last = Some(ran);
            if failed {
                break;
            }
            let output = std::fs::read_to_string(&self.environment["GITHUB_OUTPUT"]).unwrap_or_default();
            for (name, value) in output.lines().filter_map(|line| line.split_once('=')) {
                self.expressions.insert(format!("steps.plan.outputs.{name}"), value.to_owned());
            }
        }
        last.expect("there is something to run")
    }

    fn evaluate(&self, value: &str) -> String {
        let Some(expression) = value.strip_prefix("${{").and_then(|rest| rest.strip_suffix("}}")) else {
            return value.to_owned();
        };
        let known = self.expressions.get(expression.trim());
        known.unwrap_or_else(|| panic!("nobody knows the expression {expression}")).clone()
    }
}

/// A `gh` that keeps comments in files.
fn gh(world: &World) {
    world.script(
        "bin/gh",
        r#"test "$GH_TOKEN" = secret-token || exit 4
body= method=GET url=
while [ $# -gt 0 ]; do
    case "$1" in
        api | --silent | --paginate) ;;
        --method) method="$2"; shift ;;
        --jq) shift ;;
        --field) body="${2#body=@}"; shift ;;
        *) url="$1" ;;
    esac
    shift
done
echo "$method $url" >> "$SERVED/asked"
case "$method $url" in
    "GET repos/contoso/mail/issues/7/comments") if [ -f "$SERVED/comment" ]; then echo 41; fi ;;
    "POST repos/contoso/mail/issues/7/comments") cp "$body" "$SERVED/comment" ;;
    "PATCH repos/contoso/mail/issues/comments/41") cp "$body" "$SERVED/comment" ;;
    *) exit 1 ;;
esac"#,
    );
}

fn action() -> Value {
    serde_yaml::from_str(&example("ci/github/actions/popgate-plan/action.yml")).unwrap()
}

#[test]
fn the_github_action_plans_and_keeps_one_comment_up_to_date() {
    let world = world();
    gh(&world);
    let action = action();
    let steps = &action["runs"]["steps"];
    let _ran = Actions::new(&world).run(steps).success();
    let comment = world.read("served/comment");
    assert!(comment.starts_with("<!-- popgate:plan -->"), "{comment}");
    assert!(comment.contains("disable POP3 for 2 users"), "{comment}");
    assert!(comment.contains("2 caused by this branch"), "{comment}");
    assert_eq!(world.read("temp/summary"), comment);
    let plan: serde_json::Value = serde_json::from_str(&world.read("temp/plan.json")).unwrap();
    assert_eq!(plan["base"]["branch"], 2);
    // A further push updates the same comment.
    change(&world, |text| text.replace("u3@x.test: disabled", "u3@x.test: enabled"));
    let _ran = Actions::new(&world).run(steps).success();
    assert!(world.read("served/comment").contains("disable POP3 for 1 user"));
    let asked = world.read("served/asked");
    assert_eq!(asked.matches("POST").count(), 1, "{asked}");
    assert_eq!(asked.matches("PATCH").count(), 1, "{asked}");
}

#[test]
fn the_github_action_says_what_a_guard_holds_and_fails_for_invalid_files() {
    let world = world();
    gh(&world);
    let action = action();
    let steps = &action["runs"]["steps"];
    change(&world, |text| text.replace(": enabled", ": disabled"));
    let _ran = Actions::new(&world).run(steps).success();
    let comment = world.read("served/comment");
    assert!(comment.contains("will be blocked after the merge; then run"), "{comment}");
    change(&world, |text| text.replace("u5@x.test: disabled", "u5@x.test: off"));
    let ran = Actions::new(&world).run(steps).ends_with(3);
    assert_eq!(ran.stdout, "", "the step that says how it ended says no more");
    let comment = world.read("served/comment");
    let place = format!("users.yaml&#58;{}&#58;", line_of(&world, "u5@x.test"));
    assert!(comment.contains("POP012") && comment.contains(&place), "{comment}");
    // Where nobody may comment, such as from a fork, the plan is in the summary all the same.
    world.script("bin/gh", "exit 1");
    change(&world, |text| text.replace("u5@x.test: off", "u5@x.test: disabled"));
    let _ran = Actions::new(&world).run(steps).success();
    // A snapshot that is too old is no plan.
    let snapshot = world.read("snapshot.json");
    let from = snapshot.find("\"taken_at\": \"").unwrap() + 13;
    world.write("snapshot.json", format!("{}2020{}", &snapshot[..from], &snapshot[from + 4..]));
    let _ran = Actions::new(&world).run(steps).ends_with(6);
}

#[test]
fn the_github_workflow_validates_each_push_and_does_nothing_on_a_merge() {
    let world = world();
    let workflow: Value = serde_yaml::from_str(&example("ci/github/popgate.yml")).unwrap();
    let jobs = &workflow["jobs"];
    let steps = &jobs["validate"]["steps"];
    let _ran = Actions::new(&world).run(steps).success();
    assert!(world.read("temp/summary").contains("the desired state is valid"));
    change(&world, |text| text.replace("u5@x.test: enabled", "u5@x.test: on"));
    let ran = Actions::new(&world).run(steps).ends_with(3);
    let place = format!("::error file=desired-state/users.yaml,line={},", line_of(&world, "u5@x.test"));
    assert!(ran.stdout.contains(&place), "{}", ran.stdout);
    let names: Vec<_> = jobs.as_mapping().unwrap().keys().map(|name| name.as_str().unwrap()).collect();
    assert_eq!(names, ["validate", "plan"]);
    assert_eq!(text(&jobs["validate"], "if"), "github.event_name == 'push'");
    assert_eq!(text(&jobs["plan"], "if"), "github.event_name == 'pull_request'");
    let uses = jobs["plan"]["steps"][1]["uses"].as_str().unwrap();
    assert_eq!(uses, "./.github/actions/popgate-plan");
    let inputs = action()["inputs"].clone();
    for (name, _) in jobs["plan"]["steps"][1]["with"].as_mapping().unwrap() {
        assert!(inputs.get(name.as_str().unwrap()).is_some(), "the action has no input {name:?}");
    }
}

/// The lines of a GitLab job, put together as the runner does.
fn gitlab(job: &str) -> String {
    let file: Value = serde_yaml::from_str(&example("ci/gitlab/.gitlab-ci.yml")).unwrap();
    let lines = file[job]["script"].as_sequence().unwrap().iter();
    lines.map(|line| line.as_str().unwrap().to_owned() + "\n").collect()
}

/// A `curl` that keeps notes in files, and is the real one for everything else.
fn curl(world: &World) {
    let curl = require("curl");
    let body = format!(
        r#"case "$*" in *merge_requests*) ;; *) exec {} "$@" ;; esac
grep -q '^header = "PRIVATE-TOKEN: secret-token"$' || exit 22
case "$*" in *secret-token*) exit 99 ;; esac
body= method=GET url=
while [ $# -gt 0 ]; do
    case "$1" in
        --config | --output) shift ;;
        --request) method="$2"; shift ;;
        --data-urlencode) body="${{2#body@}}"; shift ;;
        --*) ;;
        *) url="$1" ;;
    esac
    shift
done
echo "$method $url" >> "$SERVED/asked"
case "$method $url" in
    "GET https://gitlab.example/api/v4/projects/3/merge_requests/7/notes?per_page=100")
        if [ -f "$SERVED/comment" ]; then
            jq -n --rawfile body "$SERVED/comment" '[{{id: 40, body: "hello"}}, {{id: 41, body: $body}}]'
        else
            echo '[{{"id": 40, "body": "hello"}}]'
        fi ;;
    "POST https://gitlab.example/api/v4/projects/3/merge_requests/7/notes") cp "$body" "$SERVED/comment" ;;
    "PUT https://gitlab.example/api/v4/projects/3/merge_requests/7/notes/41") cp "$body" "$SERVED/comment" ;;
    *) exit 22 ;;
esac"#,
        curl.display()
    );
    world.script("bin/curl", &body);
    // Named, so that its absence fails here and says what to install.
    let _jq = require("jq");
}

#[test]
fn the_gitlab_jobs_validate_plan_and_keep_one_note_up_to_date() {
    let world = world();
    curl(&world);
    let environment = || -> BTreeMap<String, String> {
        let base = git(&world, "origin", &["rev-parse", "main"]);
        let snapshot = format!("file://{}", world.path("snapshot.json").display());
        let pairs = [
            ("CI_MERGE_REQUEST_DIFF_BASE_SHA", &*base),
            ("CI_MERGE_REQUEST_IID", "7"),
            ("CI_PROJECT_ID", "3"),
            ("CI_API_V4_URL", "https://gitlab.example/api/v4"),
            ("POPGATE_SNAPSHOT_URL", &snapshot),
            ("POPGATE_TOKEN", "secret-token"),
        ];
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    };
    let bash = ["bash", "-eo", "pipefail", "-c"];
    let _ran = script(&world, &bash, &gitlab("validate"), &environment()).success();
    let quality: serde_json::Value = serde_json::from_str(&world.read("ci/gl-code-quality.json")).unwrap();
    assert_eq!(quality, serde_json::json!([]));
    let _ran = script(&world, &bash, &gitlab("plan"), &environment()).success();
    let note = world.read("served/comment");
    assert!(note.starts_with("<!-- popgate:plan -->") && note.contains("2 caused by this branch"), "{note}");
    change(&world, |text| text.replace("u3@x.test: disabled", "u3@x.test: enabled"));
    let _ran = script(&world, &bash, &gitlab("plan"), &environment()).success();
    assert!(world.read("served/comment").contains("disable POP3 for 1 user"));
    let asked = world.read("served/asked");
    assert_eq!((asked.matches("POST").count(), asked.matches("PUT").count()), (1, 1), "{asked}");
    change(&world, |text| text.replace("u5@x.test: enabled", "u5@x.test: on"));
    let _ran = script(&world, &bash, &gitlab("validate"), &environment()).ends_with(3);
    let _ran = script(&world, &bash, &gitlab("plan"), &environment()).ends_with(3);
    assert!(world.read("ci/junit.xml").contains("POP012"), "{}", world.read("ci/junit.xml"));
}

#[test]
fn the_hook_checks_what_is_committed_and_not_what_lies_there() {
    let world = world();
    let hook = world.path("origin/.git/hooks/pre-commit");
    std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
    std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/ci/pre-commit"), &hook).unwrap();
    let commit = |message: &str| {
        let mut command = world.command(require("git"));
        command.current_dir(world.path("origin")).args(["commit", "-qm", message]);
        command.envs([("GIT_AUTHOR_NAME", "A"), ("GIT_AUTHOR_EMAIL", "a@x.test")]);
        command.envs([("GIT_COMMITTER_NAME", "A"), ("GIT_COMMITTER_EMAIL", "a@x.test")]);
        world.run(command, "")
    };
    let file = "origin/desired-state/users.yaml";
    let good = world.read(file);
    world.write(file, good.replace("u5@x.test: enabled", "u5@x.test: on"));
    git(&world, "origin", &["add", "."]);
    world.write(file, &good);
    let refused = commit("Bad in the index, good in the files").ends_with(1);
    let place = format!("desired-state/users.yaml:{}:", line_of(&world, "u5@x.test"));
    assert!(refused.stderr.contains(&place), "{}", refused.stderr);
    git(&world, "origin", &["add", "."]);
    world.write(file, good.replace("u5@x.test: enabled", "u5@x.test: on"));
    world.write("origin/other", "x");
    git(&world, "origin", &["add", "other"]);
    let _committed = commit("Good in the index, bad in the files").success();
    world.write(file, good.replace("  u5@x.test: enabled\n", "") + "  u5@x.test: enabled\n");
    git(&world, "origin", &["add", "."]);
    let unsorted = commit("Not in canonical form").ends_with(1);
    assert!(unsorted.stderr.contains("popgate fmt desired-state"), "{}", unsorted.stderr);
}
