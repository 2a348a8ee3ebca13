//! Who may write what, by the mode bits alone: asking the system means to try, and a preflight tries nothing.

use std::fs::{self, Metadata};
use std::os::unix::fs::{MetadataExt, PermissionsExt};

/// The user that this process acts as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct User {
    pub(super) id: u32,
    groups: Vec<u32>,
}

impl User {
    /// Returns the user of this process, where the system tells.
    pub(super) fn current() -> Option<Self> {
        Self::parse(&fs::read_to_string("/proc/self/status").ok()?)
    }

    /// Reads `/proc/PID/status`: the second number of `Uid` and `Gid` is the effective one (`man proc_pid_status`).
    fn parse(status: &str) -> Option<Self> {
        let numbers = |field: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
            line.split_whitespace().map(|number| number.parse().ok()).collect::<Option<Vec<u32>>>()
        };
        let mut groups = numbers("Groups")?;
        groups.push(*numbers("Gid")?.get(1)?);
        Some(Self { id: *numbers("Uid")?.get(1)?, groups })
    }

    /// Tells whether the mode bits let this user write; root always may.
    pub(super) fn may_write(&self, file: &Metadata) -> bool {
        self.writes(file.permissions().mode(), file.uid(), file.gid())
    }

    fn writes(&self, mode: u32, owner: u32, group: u32) -> bool {
        // The first class that fits decides, even if a later one would allow more.
        let bit = if self.id == owner {
            0o200
        } else if self.groups.contains(&group) {
            0o020
        } else {
            0o002
        };
        self.id == 0 || mode & bit != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_effective_user_and_all_groups_are_read() {
        let status = "Name:\tpopgate\nUid:\t1000\t5000\t5000\t5000\nGid:\t1000\t8\t8\t8\nGroups:\t20 30 \n";
        assert_eq!(User::parse(status), Some(User { id: 5000, groups: vec![20, 30, 8] }));
        assert_eq!(User::parse("Uid:\tx\n"), None);
        assert!(User::current().is_some());
    }

    #[test]
    fn the_first_class_that_fits_decides() {
        let user = User { id: 5000, groups: vec![8] };
        for (mode, owner, group, writes) in [
            (0o600, 5000, 1, true),
            (0o466, 5000, 8, false),
            (0o660, 1, 8, true),
            (0o606, 1, 8, false),
            (0o606, 1, 1, true),
            (0o644, 1, 1, false),
        ] {
            assert_eq!(user.writes(mode, owner, group), writes, "{mode:o} {owner} {group}");
        }
        assert!(User { id: 0, groups: vec![] }.writes(0o400, 1, 1));
    }
}
