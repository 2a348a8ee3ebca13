//! On which file system a directory lies, from the text of `/proc/self/mountinfo`. Pure.
//!
//! The lock of a state directory counts on `flock`, which on a network file system is advisory, emulated, or
//! known to one host only (`proc_pid_mountinfo(5)`, `flock(2)`, `nolock` in `nfs(5)`).

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// One mounted file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Where it is mounted.
    pub point: PathBuf,
    /// Its type, such as `ext4` or `nfs4`.
    pub kind: String,
}

impl Mount {
    /// Tells whether other hosts may use the same files without seeing our locks.
    pub fn is_shared(&self) -> bool {
        const SHARED: [&str; 20] = [
            "9p", "afs", "beegfs", "ceph", "cifs", "coda", "fuse", "fuseblk", "gpfs", "lustre", "ncpfs",
            "nfs", "nfs4", "orangefs", "pvfs2", "smb3", "smbfs", "vboxsf", "virtiofs", "vmhgfs",
        ];
        SHARED.contains(&self.kind.as_str()) || self.kind.starts_with("fuse.")
    }
}

/// Finds the file system on which `path` lies; `path` must be a real path, without links.
///
/// The longest mount point that is a prefix of the path counts, and of several at one point the last, which
/// lies on top. Lines that do not have the documented shape are passed over.
pub fn mount_of(mountinfo: &[u8], path: &Path) -> Option<Mount> {
    mountinfo
        .split(|&byte| byte == b'\n')
        .filter_map(parse)
        .filter(|mount| path.starts_with(&mount.point))
        .max_by_key(|mount| mount.point.as_os_str().as_bytes().len())
}

/// Reads a line such as `36 35 98:0 /root /mnt/a\040b rw,noatime master:1 - ext3 /dev/root rw`.
fn parse(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|&byte| byte == b' ');
    let point = fields.nth(4)?;
    let kind = fields.skip_while(|&field| field != b"-").nth(1)?;
    Some(Mount {
        point: PathBuf::from(OsString::from_vec(unescape(point))),
        kind: String::from_utf8_lossy(kind).into_owned(),
    })
}

/// Undoes the octal escapes of space, tab, line feed and backslash.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [byte, tail @ ..] = rest {
        let escaped = match rest {
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..] => {
                Some((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'))
            }
            _ => None,
        };
        plain.push(escaped.unwrap_or(*byte));
        rest = if escaped.is_some() { &rest[4..] } else { tail };
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[u8] = br"22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:21 / /proc rw - proc proc rw
41 22 0:40 /exports /srv rw,relatime shared:7 master:2 - nfs4 filer:/exports rw,vers=4.2
42 41 8:2 / /srv/local rw - xfs /dev/sdb1 rw
43 22 0:41 / /mnt/a\040b\134c\011 rw - fuse.sshfs someone@host:/ rw
44 22 0:42 / /var/lib rw - cifs //filer/share rw
45 44 8:3 / /var/lib rw - btrfs /dev/sdc rw
half a line
";

    fn kind(path: &str) -> String {
        mount_of(TABLE, Path::new(path)).unwrap().kind
    }

    #[test]
    fn the_longest_mount_point_counts_by_whole_names() {
        assert_eq!(kind("/etc"), "ext4");
        assert_eq!(kind("/srv/state"), "nfs4");
        assert_eq!(kind("/srv/local"), "xfs");
        assert_eq!(kind("/srv/local/state"), "xfs");
        assert_eq!(kind("/srv/locality"), "nfs4");
        assert_eq!(kind("/srvx"), "ext4");
    }

    #[test]
    fn escapes_are_undone_and_optional_fields_passed_over() {
        assert_eq!(kind("/mnt/a b\\c\t/x"), "fuse.sshfs");
        assert_eq!(unescape(br"\\04\9990\040"), br"\\04\9990 ");
    }

    #[test]
    fn of_two_at_one_point_the_upper_one_counts() {
        assert_eq!(kind("/var/lib/popgate"), "btrfs");
    }

    #[test]
    fn network_and_user_space_file_systems_are_shared() {
        let shared = |kind: &str| Mount { point: PathBuf::from("/"), kind: kind.to_owned() }.is_shared();
        for kind in ["nfs", "nfs4", "cifs", "smb3", "fuse", "fuse.sshfs", "fuse.glusterfs", "ceph", "9p"] {
            assert!(shared(kind), "{kind}");
        }
        for kind in ["ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "fusectl", "nfsd"] {
            assert!(!shared(kind), "{kind}");
        }
    }

    #[test]
    fn a_table_that_says_nothing_about_the_path_gives_nothing() {
        assert_eq!(mount_of(b"", Path::new("/srv")), None);
        assert_eq!(mount_of(b"\x00\xff - - -\n1 2 3 4\n", Path::new("/srv")), None);
    }
}
