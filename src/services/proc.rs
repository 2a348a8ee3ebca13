//! Processes of this machine, as Linux shows them below `/proc` (proc(5)).

use std::io::{self, ErrorKind};
use std::time::Duration;

/// Start times are counted in this unit: `USER_HZ`, which Linux fixes at 100 for every architecture in use.
const TICKS_PER_SECOND: u64 = 100;

/// One process at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Process {
    /// Its number.
    pub(super) pid: u32,
    /// The name of its program, at most 15 bytes.
    pub(super) name: String,
    /// Its parent's number.
    pub(super) parent: u32,
    /// When it started, in ticks since the machine did. With the number, it tells this process from any other.
    pub(super) start: u64,
    state: char,
}

impl Process {
    /// Tells whether it has ended and only waits for its parent to notice.
    pub(super) fn ended(&self) -> bool {
        matches!(self.state, 'Z' | 'X')
    }
}

/// Looks a process up; `None` when there certainly is none.
///
/// # Errors
/// When this process may not see others (`hidepid`): not to be seen is not the same as not to be there.
pub(super) fn find(pid: u32) -> io::Result<Option<Process>> {
    match std::fs::read(format!("/proc/{pid}/stat")) {
        Ok(text) => parse(&String::from_utf8_lossy(&text)).map(Some).ok_or_else(|| {
            io::Error::new(ErrorKind::InvalidData, format!("/proc/{pid}/stat does not look as proc(5) says"))
        }),
        // The process ended between opening the file and reading it (ESRCH).
        Err(error) if error.kind() == ErrorKind::NotFound || error.raw_os_error() == Some(3) => {
            std::fs::read("/proc/1/stat").map(|_| None).map_err(|_| {
                io::Error::new(
                    ErrorKind::PermissionDenied,
                    "/proc does not show the processes of other users",
                )
            })
        }
        Err(error) => Err(error),
    }
}

/// Tells whether this very process still runs.
pub(super) fn lives(process: &Process) -> bool {
    matches!(find(process.pid), Ok(Some(now)) if now.start == process.start && !now.ended())
}

/// Returns the children of a process.
pub(super) fn children(pid: u32) -> Vec<Process> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let numbers = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.filter_map(|number| find(number).ok().flatten()).filter(|child| child.parent == pid).collect()
}

/// Returns the time since the machine started, on the clock of [`Process::start`].
///
/// It is the start time of a thread that is started for the purpose. `/proc/uptime` would not do: some
/// containers replace it by the container's own (lxcfs), which would make every process look younger than it is.
pub(super) fn now() -> io::Result<Duration> {
    let stat = std::thread::spawn(|| std::fs::read_to_string("/proc/thread-self/stat")).join();
    let stat = stat.unwrap_or_else(|_| Err(io::Error::other("the thread that reads the clock panicked")))?;
    parse(&stat).map(|thread| since_boot(thread.start)).ok_or_else(|| {
        io::Error::new(ErrorKind::InvalidData, "/proc/thread-self/stat does not look as proc(5) says")
    })
}

/// Returns a start time as a duration since the machine started.
pub(super) fn since_boot(ticks: u64) -> Duration {
    Duration::from_millis(ticks.saturating_mul(1000 / TICKS_PER_SECOND))
}

/// Tells whether popgate runs as root.
pub(super) fn is_root() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| {
        status.lines().any(|line| line.starts_with("Uid:") && line.split_whitespace().nth(2) == Some("0"))
    })
}

/// The name stands in parentheses and may itself contain some, so the last one ends it.
fn parse(stat: &str) -> Option<Process> {
    let (pid, rest) = stat.split_once(" (")?;
    let (name, rest) = rest.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    Some(Process {
        pid: pid.parse().ok()?,
        name: name.to_owned(),
        state: fields.next()?.chars().next()?,
        parent: fields.next()?.parse().ok()?,
        // Field 22; the state was field 3.
        start: fields.nth(17)?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let stat = "42 (a) S 7 (b) Z 9 1 1 0 -1 4 3 0 0 0 0 0 0 0 20 0 1 0 314584 71 12\n";
        let process = parse(stat).unwrap();
        assert_eq!((process.pid, process.parent, process.start), (42, 9, 314_584));
        assert_eq!(process.name, "a) S 7 (b");
        assert!(process.ended());
    }

    #[test]
    fn this_process_is_found_and_is_not_younger_than_now() {
        let me = find(std::process::id()).unwrap().unwrap();
        assert!(lives(&me));
        assert!(now().unwrap() >= since_boot(me.start));
        assert!(!lives(&Process { start: me.start + 1, ..me }));
    }

    #[test]
    fn a_process_that_is_gone_is_none() {
        let mut child = std::process::Command::new("/bin/true").spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        assert_eq!(find(pid).unwrap(), None);
    }
}
