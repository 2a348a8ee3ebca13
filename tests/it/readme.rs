//! Runs every command of the README, in the setting that the comment before its block names, and compares every
//! output that it shows.
//!
//! * `<!-- test: NAME -->` before a `sh` or `yaml` block: its setting. Blocks of one setting share a directory and
//!   run in order. A `yaml` block with a setting becomes its `popgate.yaml`; one without is desired state.
//! * `<!-- output: NAME -->` before a `text` block: what the command before it printed; `...` stands for any lines, at the
//!   end of a line for the rest of it.
//! * `<!-- log: start -->`: lines of the daemon's log, in this order, without their time.
//! * `# exit N: why` behind a command: its exit code, 0 without.

mod blocks;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Stdio};
use std::thread::sleep;
use std::time::Duration;

use blocks::{Block, Command, blocks, commands, is_line, shows};
use rusqlite::Connection;
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_popgate");
const FROM_SOURCE: &str = "cargo run --release -- ";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn readme() -> Vec<Block> {
    blocks(&fs::read_to_string(root().join("README.md")).expect("there is a README"))
}

/// One prepared directory, in which the blocks of one setting run one after another.
struct Setting {
    dir: TempDir,
    last_output: String,
}

impl Setting {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory for a setting");
        let bin = dir.path().join(".bin");
        fs::create_dir(&bin).expect("a directory for the binary");
        symlink(BINARY, bin.join("popgate")).expect("a link to the binary");
        Self { dir, last_output: String::new() }
    }

    /// The worked organisation and nothing else: the embedded default.
    fn with_organisation() -> Self {
        let setting = Self::new();
        copy(&root().join("desired-state"), &setting.path("desired-state"));
        setting
    }

    /// A table in which 200 users and the postmaster have POP3.
    fn with_users() -> Self {
        let setting = Self::new();
        let users = Connection::open(setting.path("users.db")).expect("a new database");
        users
            .execute_batch(
                "CREATE TABLE mailbox (username TEXT PRIMARY KEY, enablepop3 INTEGER NOT NULL DEFAULT 1);
                 INSERT INTO mailbox (username) VALUES ('postmaster@contoso.example');
                 WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 199)
                 INSERT INTO mailbox (username) SELECT printf('user-%03d@contoso.example', i) FROM n;",
            )
            .expect("a table of users");
        setting
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn process(&self, program: &str) -> Process {
        let mut process = Process::new(program);
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", self.path(".bin").display());
        process
            .current_dir(self.dir.path())
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.dir.path())
            .env("LANG", "C.UTF-8")
            .stdin(Stdio::null());
        process
    }

    fn run(&mut self, command: &Command) {
        let text = if command.text.contains("PLAN_ID") {
            command.text.replace("PLAN_ID", &self.plan_id())
        } else {
            command.text.clone()
        };
        let script = format!("set -euo pipefail\n{text}");
        let out = self.process("bash").args(["-c", &script]).output().expect("bash runs");
        let (stdout, stderr) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        assert_eq!(
            out.status.code(),
            Some(command.exit),
            "README.md:{}: `{text}` did not end with {}\n{stdout}{stderr}",
            command.line,
            command.exit
        );
        self.last_output = stdout.into_owned();
    }

    /// The id that the plan of this moment has.
    fn plan_id(&self) -> String {
        let out = self.process("popgate").args(["plan", "--format", "json"]).output().expect("popgate runs");
        let plan: serde_json::Value = serde_json::from_slice(&out.stdout).expect("the plan is JSON");
        plan["plan_id"].as_str().expect("a plan has an id").to_owned()
    }

    fn exit_code(&self, arguments: &[&str]) -> Option<i32> {
        self.process("popgate").args(arguments).output().expect("popgate runs").status.code()
    }

    fn prints(&self, arguments: &[&str], wanted: &str) -> bool {
        let out = self.process("popgate").args(arguments).output().expect("popgate runs");
        String::from_utf8_lossy(&out.stdout).contains(wanted)
    }
}

/// A daemon that does not outlive its test.
struct Daemon(Child);

impl Daemon {
    fn stop(&mut self) -> Option<i32> {
        let asked = Process::new("kill").arg(self.0.id().to_string()).status().expect("kill runs");
        assert!(asked.success(), "the daemon has ended by itself");
        self.0.wait().expect("the daemon can be waited for").code()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory for the copy");
    for entry in fs::read_dir(from).expect("a directory to copy") {
        let entry = entry.expect("an entry of a directory").path();
        let target = to.join(entry.file_name().expect("an entry has a name"));
        if entry.is_dir() {
            copy(&entry, &target);
        } else {
            fs::copy(&entry, &target).expect("a file can be copied");
        }
    }
}

/// Runs all blocks of one setting in order; returns how many commands and comparisons there were.
fn walk(mut setting: Setting, name: &str) -> usize {
    let mut done = 0;
    for block in readme() {
        let Some((kind, of)) = &block.marker else { continue };
        if of != name {
            continue;
        }
        match (kind.as_str(), block.language.as_str()) {
            ("test", "sh") => {
                for command in commands(&block) {
                    setting.run(&command);
                    done += 1;
                }
            }
            ("test", "yaml") => {
                fs::write(setting.path("popgate.yaml"), block.text()).expect("the settings can be written");
            }
            ("output", "text") => {
                let shown = block.text();
                let (shown, have): (Vec<_>, Vec<_>) =
                    (shown.lines().collect(), setting.last_output.lines().collect());
                assert!(
                    shows(&shown, &have),
                    "README.md:{}: the output is not as shown, but:\n{}",
                    block.line,
                    setting.last_output
                );
                done += 1;
            }
            other => panic!("README.md:{}: no test knows {other:?}", block.line),
        }
    }
    done
}

#[test]
fn every_block_of_the_readme_is_tested() {
    let known: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("sh", ["start", "edit", "scripts", "tour", "day-one"].as_slice()),
        ("yaml", ["day-one", "settings"].as_slice()),
        ("text", ["start", "tour", "day-one"].as_slice()),
    ]);
    for block in readme() {
        let at = format!("README.md:{}", block.line);
        let settings =
            known.get(block.language.as_str()).unwrap_or_else(|| panic!("{at}: say sh, yaml or text"));
        match &block.marker {
            Some((_, name)) => assert!(settings.contains(&name.as_str()), "{at}: no test walks `{name}`"),
            None => assert_ne!(block.language, "sh", "{at}: say with `<!-- test: NAME -->` how it is tested"),
        }
    }
}

#[test]
fn the_tour_works_on_the_embedded_default() {
    assert!(walk(Setting::with_organisation(), "tour") >= 10);
}

#[test]
fn the_day_one_path_works_where_everybody_has_pop3() {
    assert!(walk(Setting::with_users(), "day-one") >= 6);
}

/// The commands of all blocks with this marker.
fn commands_of(kind: &str, name: &str) -> Vec<Command> {
    let marker = Some((kind.to_owned(), name.to_owned()));
    readme().iter().filter(|block| block.marker == marker).flat_map(commands).collect()
}

/// How long anything here may take before it counts as hanging.
const TENTHS: u32 = 600;

fn wait_until(what: &str, said: &dyn Fn() -> String, mut look: impl FnMut() -> bool) {
    let seen = (0..TENTHS).any(|_| {
        sleep(Duration::from_millis(100));
        look()
    });
    assert!(seen, "{what}:\n{}", said());
}

#[test]
fn the_first_command_and_an_edit_give_one_batch_and_one_announced_restart() {
    let started = commands_of("test", "start");
    let [command] = started.as_slice() else { panic!("one command starts it, not {started:?}") };
    let arguments = command.text.strip_prefix(FROM_SOURCE).expect("the first command builds from source");

    let mut setting = Setting::with_organisation();
    let log_path = setting.path("log");
    let log = fs::File::create(&log_path).expect("a log");
    let process = setting
        .process("popgate")
        .args(arguments.split_whitespace())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("popgate starts");
    let mut daemon = Daemon(process);
    let said = move || fs::read_to_string(&log_path).unwrap_or_default();
    let announced = || said().matches("This is where POP3 would be restarted").count();

    wait_until("the new list should be announced", &said, || announced() == 1);
    assert_eq!(setting.exit_code(&["plan", "--detailed-exitcode"]), Some(0), "{}", said());

    let [edit] = commands_of("test", "edit").try_into().expect("one edit");
    setting.run(&edit);
    wait_until("the edit should be announced", &said, || announced() == 2);
    assert!(setting.prints(&["export", "--only", "disabled"], "bob@contoso.example"));
    wait_until("the restart should be settled", &said, || said().matches("effective").count() == 2);

    let log = said();
    let mut lines = log.lines();
    for block in readme().iter().filter(|block| block.marker == Some(("log".to_owned(), "start".to_owned())))
    {
        for (number, shown) in &block.lines {
            let seen =
                lines.any(|line| line.split_once(' ').is_some_and(|(_, rest)| is_line(shown, rest.trim())));
            assert!(seen, "README.md:{number}: the log does not say `{shown}` there:\n{log}");
        }
    }
    assert_eq!(log.matches(" INFO batch ").count(), 2, "one batch for the list, one for the edit:\n{log}");
    let code = daemon.stop();
    assert!(matches!(code, Some(0 | 143)), "the daemon ended with {code:?}:\n{log}");
}

#[test]
fn every_yaml_of_the_readme_is_valid() {
    let mut seen = 0;
    for block in readme().iter().filter(|block| block.language == "yaml") {
        let setting = Setting::with_users();
        fs::create_dir(setting.path("desired-state")).expect("a desired state");
        let (desired, settings) = match block.marker {
            None => (block.text(), None),
            Some(_) => ("pop3: {}\n".to_owned(), Some(block.text())),
        };
        fs::write(setting.path("desired-state/all.yaml"), desired).expect("a desired state");
        if let Some(settings) = settings {
            fs::write(setting.path("popgate.yaml"), settings).expect("the settings");
        }
        let out = setting.process("popgate").arg("validate").output().expect("popgate runs");
        assert!(
            out.status.success(),
            "README.md:{}: not valid:\n{}{}",
            block.line,
            String::from_utf8_lossy(&out.stdout),
            String::from_utf8_lossy(&out.stderr)
        );
        seen += 1;
    }
    assert!(seen >= 3, "only {seen} blocks of YAML");
}

#[test]
fn every_script_of_the_readme_can_be_called() {
    let scripts = commands_of("test", "scripts");
    assert!(scripts.iter().any(|script| script.text == "tests/run"), "{scripts:?}");
    for script in scripts {
        let mode = fs::metadata(root().join(&script.text))
            .unwrap_or_else(|error| panic!("README.md:{}: {}: {error}", script.line, script.text))
            .permissions()
            .mode();
        assert_eq!(mode & 0o111, 0o111, "README.md:{}: {} is not executable", script.line, script.text);
    }
}

#[test]
fn every_file_that_a_document_links_to_is_there() {
    for document in [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "docs/settings.md",
        "docs/state.md",
    ] {
        let text = fs::read_to_string(root().join(document)).expect("the document is there");
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if !target.starts_with("http") && !target.starts_with('#') {
                let folder = root().join(document).parent().expect("a file lies in a folder").to_owned();
                assert!(folder.join(target).exists(), "{document} links to {target}, which is not there");
            }
        }
    }
}
