//! Running the `popgate` program as a person or a service manager would.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{PATIENCE, clock, short_dir, signal, wait_until};

/// A directory of its own, in which `popgate` runs with an environment of its own.
pub(crate) struct World {
    dir: tempfile::TempDir,
    environment: Vec<(String, String)>,
}

/// What came of a program that ended.
#[must_use = "look at the output, or assert how it ended"]
#[derive(Debug)]
pub(crate) struct Ran {
    /// The exit code; `None` when a signal ended it.
    pub(crate) code: Option<i32>,
    /// Standard output, with the world's directory written as `$WORLD`.
    pub(crate) stdout: String,
    /// Standard error, likewise.
    pub(crate) stderr: String,
}

/// A program in the background. Killed, with all it started, when dropped.
pub(crate) struct Daemon {
    child: Child,
    log: PathBuf,
}

impl World {
    /// Creates an empty world.
    pub(crate) fn new() -> Self {
        let dir = short_dir();
        std::fs::create_dir(dir.path().join("home")).unwrap();
        Self { dir, environment: Vec::new() }
    }

    /// Returns a path inside the world.
    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file, and the directories above it.
    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Writes a shell script and makes it executable.
    pub(crate) fn script(&self, name: &str, body: &str) -> PathBuf {
        let path = self.write(name, format!("#!/bin/sh\n{body}\n"));
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&path, mode).unwrap();
        path
    }

    /// Reads a file as text.
    #[track_caller]
    pub(crate) fn read(&self, name: &str) -> String {
        let path = self.path(name);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Sets a variable for every program that this world runs from now on.
    pub(crate) fn env(&mut self, name: &str, value: impl Into<String>) {
        self.environment.push((name.to_owned(), value.into()));
    }

    /// Runs `popgate` to its end, with nothing on standard input.
    pub(crate) fn popgate<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Ran {
        self.popgate_with("", args)
    }

    /// Runs `popgate` to its end, with this on standard input.
    pub(crate) fn popgate_with<A: AsRef<OsStr>>(
        &self,
        input: &str,
        args: impl IntoIterator<Item = A>,
    ) -> Ran {
        let mut command = self.command(env!("CARGO_BIN_EXE_popgate"));
        command.args(args);
        self.run(command, input)
    }

    /// Starts `popgate` in the background.
    pub(crate) fn start<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Daemon {
        let mut command = self.command(env!("CARGO_BIN_EXE_popgate"));
        command.args(args);
        self.start_command(command)
    }

    /// Starts any prepared command in the background.
    pub(crate) fn start_command(&self, mut command: Command) -> Daemon {
        let log =
            (0..1000).map(|n| self.path(format!("daemon-{n}.log"))).find(|path| !path.exists()).unwrap();
        let file = File::create(&log).unwrap();
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file).process_group(0);
        let child = command.spawn().unwrap();
        Daemon { child, log }
    }

    /// Prepares a program with a cleared environment, in the world's directory.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.dir.path())
            .env_clear()
            .env("HOME", self.path("home"))
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("TZ", "UTC")
            .env("NO_COLOR", "1")
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a prepared command to its end and takes down what it printed.
    pub(crate) fn run(&self, mut command: Command, input: &str) -> Ran {
        // Files, not pipes: a daemon that the command leaves behind would hold a pipe open for ever.
        let [stdout, stderr] = [(); 2].map(|()| tempfile::tempfile().unwrap());
        command.stdin(Stdio::piped()).stdout(stdout.try_clone().unwrap()).stderr(stderr.try_clone().unwrap());
        let mut child = command.process_group(0).spawn().unwrap();
        // Not read to its end is no error: the program may refuse its arguments first.
        let _written = child.stdin.take().unwrap().write_all(input.as_bytes());
        let since = clock();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if since.elapsed() > PATIENCE {
                signal("KILL", format!("-{}", child.id()));
                child.wait().unwrap();
                panic!(
                    "{command:?} did not end within {PATIENCE:?}; it printed:\n{}{}",
                    text(stdout),
                    text(stderr)
                );
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let shown = |file: File| text(file).replace(&*self.dir.path().to_string_lossy(), "$WORLD");
        Ran { code: status.code(), stdout: shown(stdout), stderr: shown(stderr) }
    }
}

impl Ran {
    /// Asserts exit code 0.
    #[track_caller]
    pub(crate) fn success(self) -> Self {
        self.ends_with(0)
    }

    /// Asserts this exit code.
    #[track_caller]
    pub(crate) fn ends_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }
}

impl Daemon {
    /// Returns its process number.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns all that it has printed.
    pub(crate) fn log(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap();
        // One that was killed may have left half a letter.
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits until it has printed this; fails the test when it ends first.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, text: &str) {
        self.wait_for_times(text, 1);
    }

    /// Waits until it has printed this so many times.
    #[track_caller]
    pub(crate) fn wait_for_times(&mut self, text: &str, times: usize) {
        let since = clock();
        loop {
            // In this order: what it printed just before its end is in the log.
            let ended = self.child.try_wait().unwrap();
            let log = self.log();
            if log.matches(text).count() >= times {
                return;
            }
            assert!(ended.is_none(), "it ended ({}) without printing {text:?}:\n{log}", ended.unwrap());
            assert!(since.elapsed() < PATIENCE, "it did not print {text:?} {times} times:\n{log}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Sends a signal such as `TERM`, `KILL` or `HUP`.
    pub(crate) fn signal(&self, name: &str) {
        signal(name, self.pid());
    }

    /// Tells whether it has ended.
    pub(crate) fn ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end and returns the exit code; `None` when a signal ended it.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> Option<i32> {
        wait_until("the program's end", || self.child.try_wait().unwrap()).code()
    }

    /// Asks it to end and returns the exit code.
    #[track_caller]
    pub(crate) fn stop(&mut self) -> Option<i32> {
        self.signal("TERM");
        self.wait()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        signal("KILL", format!("-{}", self.child.id()));
        let _status = self.child.wait();
        if std::thread::panicking() {
            // Its world may be gone already, and a second panic would end all other tests, too.
            let log = std::fs::read(&self.log).unwrap_or_default();
            eprintln!("--- the program in the background printed ---\n{}", String::from_utf8_lossy(&log));
        }
    }
}

fn text(mut file: File) -> String {
    use std::io::{Read, Seek};
    let mut bytes = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut bytes).unwrap();
    // One that was killed may have left half a letter.
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn the_program_ends_by_itself_in_an_empty_environment() {
    let world = World::new();
    let _ran = world.popgate(["--version"]).success();
    assert_eq!(world.start(["--version"]).wait(), Some(0));
}

#[test]
fn a_world_shows_nothing_of_the_machine() {
    let mut world = World::new();
    world.env("EXTRA", "1");
    let script = world.script("bin/show", "env | sort; cat; pwd >&2; exit 3");
    let ran = world.run(world.command(script), "in\n").ends_with(3);
    let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    assert_eq!(
        ran.stdout,
        format!("EXTRA=1\nHOME=$WORLD/home\nNO_COLOR=1\nPATH={path}\nPWD=$WORLD\nTZ=UTC\nin\n")
    );
    assert_eq!(ran.stderr, "$WORLD\n");
    world.write("a/b.yaml", "x");
    assert_eq!(world.read("a/b.yaml"), "x");
    let _ran = world.popgate_with("unread", ["--version"]).success();
}

#[test]
fn a_daemon_is_heard_signalled_and_not_left_behind() {
    let world = World::new();
    let script = world.script("d", "trap 'echo bye; exit 7' TERM\necho ready >&2\nsleep 600 & wait");
    let mut daemon = world.start_command(world.command(&script));
    daemon.wait_for("ready");
    assert_eq!(daemon.stop(), Some(7));
    assert_eq!(daemon.log(), "ready\nbye\n");

    let mut daemon = world.start_command(world.command(&script));
    daemon.wait_for("ready");
    let pid = daemon.pid();
    drop(daemon);
    assert!(!super::runs(pid));
}
