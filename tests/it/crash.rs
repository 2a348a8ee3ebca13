//! The real program, killed with `kill -9` at every named point of its work, on a real `SQLite` store and with a
//! real service. Started again, it has to finish what it began.
//!
//! A trigger in the store writes down every change, and the service writes down how many changes it has seen at
//! each restart. So a lost restart, a restart too many and a change made twice cannot hide.

use std::fmt::Write as _;

use std::collections::BTreeSet;
use std::sync::Mutex;

use popgate::daemon::crash::{AT_VARIABLE, POINTS, SEGMENT_VARIABLE};
use popgate::journal::entry::Record;
use popgate::journal::fold::Ledger;
use popgate::journal::{read_all, verify};
use serde_json::Value;

use crate::daemon::{plan_id, sqlite};
use crate::world::program::Daemon;
use crate::world::{PATIENCE, World, clock};

const USERS: u32 = 30;

/// A command without an identity cannot show that it ran, so these two may cost one restart too many.
const BETWEEN_SUCCESS_AND_RECORD: [&str; 2] = ["after restart", "before append settled"];

/// Only a store that consists of several servers is ever pinned to one of them: `exchange::farm` is killed there.
const SEVERAL_SERVERS: [&str; 2] = ["before append pinned", "after append pinned"];

/// Whether the service can show that it was restarted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shows {
    Identity,
    Nothing,
}

/// The daemon was killed; the step has to be taken again.
struct Died;

struct History {
    // Before its world, so that the log is still there when a failed test shows it.
    daemon: Daemon,
    world: World,
    deaths: u32,
}

#[test]
fn killed_at_any_point_it_finishes_what_it_began_and_restarts_a_command_once() {
    let seconds = ["before append chunk:2", "after append chunk:2", "before write:2", "after write:2"];
    let passed = POINTS.iter().filter(|point| !SEVERAL_SERVERS.contains(point));
    at_each(passed.chain(&seconds), Shows::Nothing);
}

#[test]
fn killed_at_any_point_it_restarts_a_service_with_an_identity_exactly_once() {
    let first = POINTS.iter().position(|point| *point == "before append batch").unwrap();
    let tells =
        |point: &&&str| !["urged", "suspended", "resumed", "approved"].iter().any(|w| point.ends_with(w));
    at_each(POINTS[first..].iter().filter(tells), Shows::Identity);
}

/// Runs the history once for each point, several at a time: they spend most of their time waiting.
fn at_each<'a>(points: impl Iterator<Item = &'a &'a str>, shows: Shows) {
    let queue = Mutex::new(points.copied().collect::<Vec<_>>());
    let next = || queue.lock().unwrap().pop();
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                while let Some(point) = next() {
                    let run = std::panic::AssertUnwindSafe(|| killed_at(point, shows));
                    if std::panic::catch_unwind(run).is_err() {
                        failed.lock().unwrap().push(point);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "killed at these points, something was wrong (see above): {failed:?}");
}

fn killed_at(point: &str, shows: Shows) {
    let mut world = World::new();
    let system = format!("{}:/usr/local/bin:/usr/bin:/bin", world.path("bin").display());
    world.env("PATH", system);
    world.env(SEGMENT_VARIABLE, "6000");
    // Near enough to the end of somebody's access that a warning is due.
    world.env("POPGATE_NOW", "2026-05-04T12:00:00Z");
    prepare(&world, shows);
    world.env(AT_VARIABLE, point);
    let daemon = world.start(["run"]);
    world.env(AT_VARIABLE, "");
    let mut history = History { world, daemon, deaths: 0 };
    for step in [meet, edit, suspend_and_resume, approve_and_urge] {
        while step(&mut history).is_err() {
            history.deaths += 1;
            assert_eq!(history.deaths, 1, "{point}: it died more than once");
            assert_eq!(history.daemon.wait(), None, "{point}: killed by a signal:\n{}", history.daemon.log());
            history.daemon = history.world.start(["run"]);
        }
        if history.deaths > 0 {
            break;
        }
    }
    assert_eq!(history.deaths, 1, "{point}: the point was never passed");
    assert_eq!(history.daemon.stop(), Some(143), "{point}");
    check(&history.world, point, shows);
}

fn prepare(world: &World, shows: Shows) {
    let mut sql = "PRAGMA journal_mode = WAL;
        CREATE TABLE mailbox (username TEXT PRIMARY KEY, pop3 INTEGER NOT NULL, alias TEXT);
        CREATE TABLE log (id INTEGER PRIMARY KEY AUTOINCREMENT, username TEXT, before INTEGER, after INTEGER);
        CREATE TRIGGER every_write AFTER UPDATE ON mailbox BEGIN
            INSERT INTO log (username, before, after) VALUES (old.username, old.pop3, new.pop3); END;
        BEGIN;\n"
        .to_owned();
    for n in 1..=USERS {
        let enabled = u8::from(n <= 28);
        writeln!(sql, "INSERT INTO mailbox VALUES ('u{n}@x.test', {enabled}, 'alias{n}@x.test');").unwrap();
    }
    sqlite(world, &(sql + "COMMIT;\n"));
    let count = "test -e refuse && { echo refused >&2; exit 4; }
        sqlite3 -cmd '.timeout 5000' users.db 'SELECT count(*) FROM log;' >> restarts";
    let here = world.path("").display().to_string();
    let service = match shows {
        Shows::Nothing => {
            world.script("restart", &format!("cd {here}; {count}"));
            "{type: command, restart: [./restart], timeout: 10s}"
        }
        Shows::Identity => {
            world.write("run", "1");
            let show = "echo LoadState=loaded; echo ActiveState=active; echo SubState=running; echo MainPID=0
                echo InactiveExitTimestampMonotonic=5000000; echo InvocationID=$(cat run)";
            let restart = format!("{count}\necho $(($(cat run) + 1)) > run.new && mv run.new run");
            let body = format!("cd {here}\ncase $1 in\nshow) {show} ;;\nrestart) {restart} ;;\nesac");
            world.script("bin/systemctl", &body);
            "{type: systemd, unit: dovecot.service, timeout: 10s}"
        }
    };
    world.write(
        "popgate.yaml",
        format!(
            "version: 1
state: state
targets:
  default:
    desired: desired-state
    store: {{type: sqlite, path: users.db, table: mailbox, key: username, aliases: [alias], access: {{columns: [pop3], enabled: 1, disabled: 0}}}}
    service: {service}
    refresh: 2s
    restart: {{quiet: 300ms, max_delay: 2s, min_interval: 300ms}}
watch: {{quiet: 100ms, max_wait: 1s, resync: 5s}}
"
        ),
    );
    desire(world, &STATES[0]);
}

/// The desired states one after the other: the name of the first user, and the numbers of the disabled ones.
const STATES: [(&str, &[u32]); 4] = [
    ("alias1@x.test", &[29, 30]),
    ("u1@x.test", &[2, 3]),
    ("u1@x.test", &[2, 3, 4]),
    ("u1@x.test", &[2, 3, 4, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22]),
];

fn desire(world: &World, (first, disabled): &(&str, &[u32])) {
    let mut text = format!("pop3:\n  {first}: enabled\n");
    for n in 2..=USERS {
        let access = match n {
            28 => "{access: enabled, until: 2026-05-14}",
            _ if disabled.contains(&n) => "disabled",
            _ => "enabled",
        };
        writeln!(text, "  u{n}@x.test: {access}").unwrap();
    }
    world.write("new.tmp", text);
    std::fs::create_dir_all(world.path("desired-state")).unwrap();
    std::fs::rename(world.path("new.tmp"), world.path("desired-state/users.yaml")).unwrap();
}

/// It sees a store for the first time, where all is as desired already.
fn meet(history: &mut History) -> Result<(), Died> {
    history.settles(&STATES[0])
}

/// An edit that disables and enables: two chunks, one restart. An entry goes and another name comes.
fn edit(history: &mut History) -> Result<(), Died> {
    desire(&history.world, &STATES[1]);
    history.settles(&STATES[1])
}

fn suspend_and_resume(history: &mut History) -> Result<(), Died> {
    history.asks(&["suspend", "--reason", "looking"])?;
    desire(&history.world, &STATES[2]);
    history.asks(&["resume"])?;
    history.settles(&STATES[2])
}

/// A plan that a guard blocks is approved, and its restart fails until somebody urges.
fn approve_and_urge(history: &mut History) -> Result<(), Died> {
    desire(&history.world, &STATES[3]);
    let owed = |status: &Value| status["services"][0]["owed"][0].clone();
    let done = |history: &History| history.is(&STATES[3]);
    if !done(history) {
        history.world.write("refuse", "");
        history.until("a block", |world, status| {
            let guards = status["targets"][0]["plan"]["guards"].as_array().is_some_and(|all| !all.is_empty());
            guards || !owed(status).is_null() || written(world) == disabled(&STATES[3])
        })?;
        if written(&history.world) != disabled(&STATES[3]) {
            let id = plan_id(&history.world);
            let _stale_if_it_was_approved_before = history.world.popgate(["approve", &id, "--reason", "yes"]);
            history.alive()?;
        }
        history.until("a failed restart", |world, status| {
            written(world) == disabled(&STATES[3]) && (!owed(status)["failure"].is_null() || settled(world))
        })?;
        std::fs::remove_file(history.world.path("refuse")).unwrap();
        history.asks(&["restart", "--now", "--reason", "it works again"])?;
    }
    history.settles(&STATES[3])
}

impl History {
    fn alive(&mut self) -> Result<(), Died> {
        if self.daemon.ended() { Err(Died) } else { Ok(()) }
    }

    /// Asks the daemon for something; an error counts only when the daemon is still there.
    fn asks(&mut self, args: &[&str]) -> Result<(), Died> {
        // Until its socket is there, it would be asked in vain.
        self.until("the daemon", |_, status| status["live"] == true)?;
        let ran = self.world.popgate(args);
        if ran.code != Some(0) {
            let since = clock();
            while since.elapsed().as_secs() < 2 {
                self.alive()?;
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            panic!("{args:?}: {ran:?}\n{}", self.daemon.log());
        }
        self.alive()
    }

    fn until(&mut self, what: &str, done: impl Fn(&World, &Value) -> bool) -> Result<(), Died> {
        let since = clock();
        loop {
            self.alive()?;
            let ran = self.world.popgate(["status", "--format", "json"]);
            let status = serde_json::from_str(&ran.stdout).unwrap_or_default();
            if done(&self.world, &status) {
                return self.alive();
            }
            assert!(since.elapsed() < PATIENCE, "in vain for {what}: {status:#}\n{}", self.daemon.log());
            std::thread::sleep(std::time::Duration::from_millis(30));
        }
    }

    fn is(&self, state: &(&str, &[u32])) -> bool {
        written(&self.world) == disabled(state) && settled(&self.world)
    }

    fn settles(&mut self, state: &(&str, &[u32])) -> Result<(), Died> {
        self.until("convergence", |world, status| {
            status["converged"] == true
                && written(world) == disabled(state)
                && settled(world)
                && current(world, status)
        })
    }
}

/// Tells whether the daemon has read what the directory says now.
fn current(world: &World, status: &Value) -> bool {
    let plan: Value =
        serde_json::from_str(&world.popgate(["plan", "--format", "json"]).stdout).unwrap_or_default();
    let (now, seen) = (plan["digest"].as_str(), status["targets"][0]["digest"].as_str());
    now.zip(seen).is_some_and(|(now, seen)| now.starts_with(seen))
}

fn disabled((_, disabled): &(&str, &[u32])) -> BTreeSet<String> {
    disabled.iter().map(|n| format!("u{n}@x.test")).collect()
}

fn written(world: &World) -> BTreeSet<String> {
    sqlite(world, "SELECT username FROM mailbox WHERE pop3 = 0;").lines().map(str::to_owned).collect()
}

fn restarts(world: &World) -> Vec<u64> {
    let text = std::fs::read_to_string(world.path("restarts")).unwrap_or_default();
    text.lines().map(|line| line.parse().unwrap()).collect()
}

fn changes(world: &World) -> u64 {
    sqlite(world, "SELECT count(*) FROM log;").parse().unwrap()
}

/// Tells whether the service has seen every change.
fn settled(world: &World) -> bool {
    restarts(world).last().copied().unwrap_or(0) == changes(world)
}

/// What has to be true after every history, wherever it was interrupted.
fn check(world: &World, point: &str, shows: Shows) {
    assert!(settled(world), "{point}: {} changes, restarts after {:?}", changes(world), restarts(world));
    let idle = sqlite(world, "SELECT count(*) FROM log WHERE before = after;");
    assert_eq!(idle, "0", "{point}: something was written that was so already");
    let restarts = restarts(world);
    let twice = restarts.windows(2).filter(|pair| pair[0] == pair[1]).count();
    let allowed = shows == Shows::Nothing && BETWEEN_SUCCESS_AND_RECORD.contains(&point);
    assert!(restarts.is_sorted() && twice <= usize::from(allowed), "{point}: restarts after {restarts:?}");

    let state = world.path("state");
    assert_eq!(verify(&state).unwrap().torn, None, "{point}");
    let lines = read_all::<Record>(&state).unwrap();
    let mut ledger = Ledger::default();
    for line in &lines {
        ledger.apply(line.seq, line.at, &line.record);
    }
    assert!(ledger.services.values().all(|service| service.debts.is_empty()), "{point}: {ledger:?}");
    let batches = lines.iter().filter(|line| matches!(line.record, Record::Batch { .. })).count();
    assert!(restarts.len() - twice <= batches, "{point}: {batches} batches, restarts after {restarts:?}");
    let again = world.popgate(["apply"]).success();
    assert_eq!(self::restarts(world), restarts, "{point}: applying again restarts nothing: {again:?}");
}
