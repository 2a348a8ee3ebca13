//! Every way in which a directory is published, against the running daemon.
//!
//! Each revision says the same of all users, and the journal shows every batch with all its changes. So a batch
//! that does not change every user was made from half a revision. Nothing but hints can bring a change within the
//! time of a test, unless the test says otherwise: the next look without a hint is an hour away.

use std::fmt::Write as _;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use popgate::journal::entry::Record;
use popgate::journal::read_all;

use crate::daemon::sqlite;
use crate::main_job::git;
use crate::world::program::Daemon;
use crate::world::{World, require, wait_until};

/// Revision 0 enables all users, revision 1 disables them, revision 2 enables them again, and so on.
type Revision = u32;

struct Published {
    world: World,
    daemon: Daemon,
    files: u32,
    last: Revision,
}

/// The text of one file of a revision.
fn text(file: u32, revision: Revision) -> String {
    let access = if revision % 2 == 1 { "disabled" } else { "enabled" };
    format!("# revision {revision}\npop3:\n  u{file}@x.test: {access}\n")
}

/// Writes all files of a revision.
fn write(dir: &Path, files: u32, revision: Revision) {
    for file in 1..=files {
        let folder = dir.join(format!("team-{}", file % 7));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("{file}.yaml")), text(file, revision)).unwrap();
    }
}

fn prepare(world: &World, files: u32, desired: &str, resync: &str) {
    let mut sql = "PRAGMA journal_mode = WAL;\
        CREATE TABLE mailbox (username TEXT PRIMARY KEY, pop3 INTEGER NOT NULL);\nBEGIN;\n"
        .to_owned();
    for n in 1..=files {
        writeln!(sql, "INSERT INTO mailbox VALUES ('u{n}@x.test', 1);").unwrap();
    }
    sqlite(world, &(sql + "COMMIT;\n"));
    world.write(
        "etc/popgate.yaml",
        format!(
            "version: 1
state: ../state
targets:
  default:
    desired: ../{desired}
    store: {{type: sqlite, path: ../users.db, table: mailbox, key: username, access: {{columns: [pop3], enabled: 1, disabled: 0}}}}
    service: {{type: none}}
    refresh: 1h
    guards: {{max_disable: {{percent: 100, always_allow: 100000}}, max_enable: {{percent: 100, always_allow: 100000}}}}
watch: {{quiet: 500ms, max_wait: 5s, resync: {resync}}}
"
        ),
    );
}

impl Published {
    /// Starts the daemon on a directory that holds revision 0.
    fn start(world: World, files: u32, desired: &str) -> Self {
        prepare(&world, files, desired, "1h");
        let daemon = world.start(["--config", "etc/popgate.yaml", "run"]);
        Self::ready(world, daemon, files)
    }

    fn ready(world: World, daemon: Daemon, files: u32) -> Self {
        let published = Self { world, daemon, files, last: 0 };
        published.converges();
        published
    }

    fn converges(&self) {
        let status = || self.world.popgate(["--config", "etc/popgate.yaml", "status", "--format", "json"]);
        wait_until("convergence", || status().stdout.contains("\"converged\": true").then_some(()));
    }

    fn disabled(&self) -> u32 {
        sqlite(&self.world, "SELECT count(*) FROM mailbox WHERE pop3 = 0;").parse().unwrap()
    }

    /// The next revision was published: waits until it is in force.
    fn arrives(&mut self) {
        self.last += 1;
        let expected = if self.last % 2 == 1 { self.files } else { 0 };
        wait_until("the change", || (self.disabled() == expected).then_some(()));
        self.converges();
    }

    /// Every revision was one whole batch.
    fn ends(mut self) {
        assert_eq!(self.daemon.stop(), Some(143));
        let mut batches: Vec<u32> = Vec::new();
        for line in read_all::<Record>(&self.world.path("state")).unwrap() {
            match line.record {
                Record::Batch { .. } => batches.push(0),
                Record::Intent { .. } => *batches.last_mut().unwrap() += 1,
                _ => {}
            }
        }
        let whole = vec![self.files; self.last as usize];
        assert_eq!(batches, whole, "changes of each batch\n{}", self.daemon.log());
    }
}

fn desired(world: &World, files: u32) {
    write(&world.path("desired-state"), files, 0);
}

#[test]
fn an_editor_that_renames_new_files_over_the_old_ones() {
    let world = World::new();
    desired(&world, 2);
    let mut published = Published::start(world, 2, "desired-state");
    for revision in 1..=3 {
        let dir = published.world.path("desired-state");
        for file in 1..=2 {
            let path = dir.join(format!("team-{file}/{file}.yaml"));
            fs::write(dir.join(format!("team-{file}/.{file}.yaml.swp")), text(file, revision)).unwrap();
            fs::rename(&path, path.with_extension("yaml~")).unwrap();
            fs::rename(dir.join(format!("team-{file}/.{file}.yaml.swp")), &path).unwrap();
            fs::remove_file(path.with_extension("yaml~")).unwrap();
        }
        published.arrives();
    }
    published.ends();
}

#[test]
fn an_editor_that_truncates_and_writes_slowly() {
    let world = World::new();
    desired(&world, 2);
    let mut published = Published::start(world, 2, "desired-state");
    for revision in 1..=3 {
        let dir = published.world.path("desired-state");
        let before = published.disabled();
        fs::write(dir.join("team-1/1.yaml"), text(1, revision)).unwrap();
        fs::write(dir.join("team-2/2.yaml"), "").unwrap();
        // Longer than the quiet time: the daemon looks and finds a file without any user.
        published.daemon.wait_for_times("the last good one stays in force", revision as usize);
        assert_eq!(published.disabled(), before, "an empty file is half a revision");
        fs::write(dir.join("team-2/2.yaml"), text(2, revision)).unwrap();
        published.arrives();
    }
    published.ends();
}

#[test]
fn rsync_of_hundreds_of_files() {
    let world = World::new();
    desired(&world, 300);
    let mut published = Published::start(world, 300, "desired-state");
    for revision in 1..=2 {
        write(&published.world.path("from"), 300, revision);
        let mut rsync = published.world.command(require("rsync"));
        rsync.args(["-a", "--checksum", "--delete", "from/", "desired-state/"]);
        let _ran = published.world.run(rsync, "").success();
        published.arrives();
    }
    published.ends();
}

fn commit(world: &World, repository: &str, revision: Revision) {
    write(&world.path(repository).join("desired-state"), 300, revision);
    git(world, repository, &["add", "."]);
    git(world, repository, &["commit", "-qm", &format!("revision {revision}")]);
}

#[test]
fn git_checkout_of_hundreds_of_files() {
    let world = World::new();
    fs::create_dir(world.path("tree")).unwrap();
    git(&world, "tree", &["init", "-q", "--initial-branch=r0"]);
    commit(&world, "tree", 0);
    git(&world, "tree", &["checkout", "-q", "-b", "r1"]);
    commit(&world, "tree", 1);
    git(&world, "tree", &["checkout", "-q", "r0"]);
    let mut published = Published::start(world, 300, "tree/desired-state");
    for revision in 1..=3 {
        git(&published.world, "tree", &["checkout", "-q", &format!("r{}", revision % 2)]);
        published.arrives();
    }
    published.ends();
}

#[test]
fn git_pull_of_hundreds_of_files() {
    let world = World::new();
    for directory in ["origin", "admin"] {
        fs::create_dir(world.path(directory)).unwrap();
    }
    git(&world, "origin", &["init", "-q", "--bare", "--initial-branch=main"]);
    git(&world, "admin", &["init", "-q", "--initial-branch=main"]);
    let origin = world.path("origin").display().to_string();
    git(&world, "admin", &["remote", "add", "origin", &origin]);
    commit(&world, "admin", 0);
    git(&world, "admin", &["push", "-q", "origin", "HEAD:main"]);
    git(&world, ".", &["clone", "-q", &origin, "server"]);
    let mut published = Published::start(world, 300, "server/desired-state");
    for revision in 1..=2 {
        commit(&published.world, "admin", revision);
        git(&published.world, "admin", &["push", "-q", "origin", "HEAD:main"]);
        git(&published.world, "server", &["pull", "-q", "--ff-only"]);
        published.arrives();
    }
    published.ends();
}

#[test]
fn git_sync_that_swaps_a_link_to_a_worktree() {
    let world = World::new();
    let publish = |world: &World, revision: Revision| {
        let root = world.path("sync");
        write(&root.join(format!(".worktrees/{revision}/desired-state")), 50, revision);
        symlink(format!(".worktrees/{revision}"), root.join("tmp-link")).unwrap();
        fs::rename(root.join("tmp-link"), root.join("current")).unwrap();
    };
    publish(&world, 0);
    let mut published = Published::start(world, 50, "sync/current/desired-state");
    for revision in 1..=3 {
        publish(&published.world, revision);
        fs::remove_dir_all(published.world.path(format!("sync/.worktrees/{}", revision - 1))).unwrap();
        published.arrives();
    }
    published.ends();
}

#[test]
fn a_kubernetes_config_map_that_swaps_its_data() {
    let world = World::new();
    let publish = |world: &World, revision: Revision| {
        let root = world.path("map");
        let data = format!("..2026_{revision}");
        fs::create_dir_all(root.join(&data)).unwrap();
        for file in 1..=20 {
            fs::write(root.join(&data).join(format!("{file}.yaml")), text(file, revision)).unwrap();
        }
        symlink(&data, root.join("..data_tmp")).unwrap();
        fs::rename(root.join("..data_tmp"), root.join("..data")).unwrap();
    };
    publish(&world, 0);
    for file in 1..=20 {
        symlink(format!("..data/{file}.yaml"), world.path(format!("map/{file}.yaml"))).unwrap();
    }
    let mut published = Published::start(world, 20, "map");
    for revision in 1..=3 {
        publish(&published.world, revision);
        fs::remove_dir_all(published.world.path(format!("map/..2026_{}", revision - 1))).unwrap();
        published.arrives();
    }
    published.ends();
}

#[test]
fn a_directory_that_is_removed_and_made_again() {
    let world = World::new();
    desired(&world, 20);
    let mut published = Published::start(world, 20, "desired-state");
    for revision in 1..=2 {
        let before = published.disabled();
        fs::remove_dir_all(published.world.path("desired-state")).unwrap();
        published.daemon.wait_for_times("the last good one stays in force", revision as usize);
        assert_eq!(published.disabled(), before, "a directory that is gone says nothing");
        write(&published.world.path("new"), 20, revision);
        fs::rename(published.world.path("new"), published.world.path("desired-state")).unwrap();
        published.arrives();
    }
    published.ends();
}

#[test]
fn more_events_than_the_kernel_keeps() {
    let world = World::new();
    desired(&world, 20);
    let mut published = Published::start(world, 20, "desired-state");
    let limit: usize =
        fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap().trim().parse().unwrap();
    for revision in 1..=2 {
        // Stopped, it reads no event; what happens beside its directory fills the queue and is no hint.
        published.daemon.signal("STOP");
        for n in 0..limit {
            fs::write(published.world.path(format!("beside-{n}")), "").unwrap();
        }
        write(&published.world.path("desired-state"), 20, revision);
        published.daemon.signal("CONT");
        published.arrives();
        for n in 0..limit {
            fs::remove_file(published.world.path(format!("beside-{n}"))).unwrap();
        }
    }
    published.ends();
}

#[test]
fn a_system_that_gives_no_events_at_all() {
    let world = World::new();
    desired(&world, 20);
    prepare(&world, 20, "desired-state", "1s");
    // A user name space has limits of its own: here, nobody may watch anything.
    let mut command = world.command(require("unshare"));
    command.args(["--user", "--map-root-user", "sh", "-c"]);
    command.arg(r#"echo 0 >/proc/sys/user/max_inotify_instances && exec "$@""#).arg("sh");
    command.args([env!("CARGO_BIN_EXE_popgate"), "--config", "etc/popgate.yaml", "run"]);
    let daemon = world.start_command(command);
    let mut published = Published::ready(world, daemon, 20);
    published.daemon.wait_for("Changes are seen at the next resync only");
    for revision in 1..=3 {
        write(&published.world.path("new"), 20, revision);
        fs::rename(published.world.path("desired-state"), published.world.path("old")).unwrap();
        fs::rename(published.world.path("new"), published.world.path("desired-state")).unwrap();
        fs::remove_dir_all(published.world.path("old")).unwrap();
        published.arrives();
    }
    published.ends();
}
