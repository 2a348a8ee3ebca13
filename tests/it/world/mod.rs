//! The world the integration tests live in: real servers, the real program, and nothing of the machine's own.
//!
//! A test that needs a program says so with [`require`], which fails it (never skips it) with the command that
//! installs the program.

mod dovecot;
pub(crate) mod exchange;
mod pop3;
pub(crate) mod program;

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

pub(crate) use dovecot::{Dovecot, Options, Style};
pub(crate) use pop3::{Imap, Pop3};
pub(crate) use program::World;

/// How long anything in a test may take before it counts as hanging.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Returns the path of a program, or fails the test with the command that installs it.
pub(crate) fn require(program: &str) -> PathBuf {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin";
    if let Some(found) = path.split(':').map(|dir| Path::new(dir).join(program)).find(|path| is_program(path))
    {
        return found;
    }
    let packages = match program {
        "dovecot" | "doveadm" | "doveconf" => "dovecot-core dovecot-pop3d dovecot-imapd dovecot-sqlite",
        "psql" | "initdb" | "pg_ctl" => "postgresql",
        "slapd" | "slapadd" => "slapd ldap-utils",
        "ps" | "pgrep" => "procps",
        "ssh-keygen" => "openssh-client",
        "systemd-analyze" => "systemd",
        "script" => "bsdutils",
        "dpkg-shlibdeps" => "dpkg-dev",
        "strip" => "binutils",
        other => other,
    };
    panic!("this test needs `{program}`, which is not installed: apt-get install --yes {packages}");
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// Returns a TCP port that nobody listens on. Below the range from which the kernel takes its own, so that it
/// stays free until it is used; other processes that run these tests start elsewhere.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let base = std::process::id() % 200 * 100;
    for _ in 0..2000 {
        let offset = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(11_000 + (base + offset) % 20_000).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free TCP port between 11000 and 31000");
}

/// Creates a directory with a path short enough for Unix sockets (108 bytes) that every user may enter: parts of
/// a mail server run as other users than the test.
pub(crate) fn short_dir() -> tempfile::TempDir {
    let dir = tempfile::Builder::new().prefix("pg").rand_bytes(8).tempdir_in("/tmp").unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    dir
}

/// Looks again and again until `look` finds something; fails the test after [`PATIENCE`].
#[track_caller]
pub(crate) fn wait_until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let since = clock();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(since.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The only clock of the tests.
#[expect(clippy::disallowed_methods, reason = "these tests wait for real programs")]
pub(crate) fn clock() -> Instant {
    Instant::now()
}

/// Sends a signal such as `TERM` to a process, or with a minus in front of the number to its group.
pub(crate) fn signal(name: &str, pid: impl std::fmt::Display) {
    let script = format!("kill -s {name} -- {pid} 2>/dev/null");
    std::process::Command::new("/bin/sh").args(["-c", &script]).status().unwrap();
}

/// Tells whether a process runs; one that has ended and waits for its parent does not.
pub(crate) fn runs(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.rsplit(") ").next().is_some_and(|rest| !rest.starts_with(['Z', 'X'])))
}
