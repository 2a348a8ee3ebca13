//! `popgate fmt` on real files.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;

use crate::world::World;

fn world() -> World {
    let world = World::new();
    world.write(
        "desired-state/a.yaml",
        "# mine\npop3:\n  b: enabled # since 2019\n  # the first\n  a: {access: disabled}\n",
    );
    world.write("desired-state/b/c.yml", "pop3:\n  c: enabled\n");
    world
}

const AFTER: &str = "# mine\npop3:\n  # the first\n  a: disabled\n  b: enabled  # since 2019\n";

#[test]
fn files_are_formatted_once_and_mean_the_same() {
    let world = world();
    let before = world.popgate(["plan", "--format", "json", "--at", "2027-01-01"]).success();
    let ran = world.popgate(["fmt"]).success();
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", "Formatted 1 of 2 files.\n"));
    assert_eq!(world.read("desired-state/a.yaml"), AFTER);
    let after = world.popgate(["plan", "--format", "json", "--at", "2027-01-01"]).success();
    let id = |text: &str| text.lines().find(|line| line.contains("plan_id")).unwrap().to_owned();
    assert_eq!(id(&before.stdout), id(&after.stdout));
    let again = world.popgate(["fmt", "--check"]).success();
    assert_eq!((again.stdout.as_str(), again.stderr.as_str()), ("", "2 files in canonical form already.\n"));
}

#[test]
fn check_and_diff_write_nothing() {
    let world = world();
    let text = world.read("desired-state/a.yaml");
    let check = world.popgate(["fmt", "--check"]).ends_with(2);
    assert_eq!(
        (check.stdout.as_str(), check.stderr.as_str()),
        ("desired-state/a.yaml\n", "1 of 2 files would change.\n")
    );
    let diff = world.popgate(["fmt", "--diff"]).success();
    assert_eq!(
        diff.stdout,
        "--- desired-state/a.yaml\n+++ desired-state/a.yaml\n@@ -1,5 +1,5 @@\n # mine\n pop3:\n-  b: enabled # since 2019\n   # the first\n-  \
         a: {access: disabled}\n+  a: disabled\n+  b: enabled  # since 2019\n"
    );
    let both = world.popgate(["fmt", "--check", "--diff", "desired-state"]).ends_with(2);
    assert_eq!(both.stdout, diff.stdout);
    assert_eq!(world.read("desired-state/a.yaml"), text);
}

#[test]
fn one_bad_file_keeps_all_as_they_are() {
    let world = world();
    world.write("other/x.yaml", "pop3:\n  x: on\n");
    let text = world.read("desired-state/a.yaml");
    let refused = world.popgate(["fmt", "desired-state", "other"]).ends_with(3);
    assert!(
        refused.stderr.contains("error[POP012]") && refused.stderr.contains("other/x.yaml:2:6"),
        "{}",
        refused.stderr
    );
    assert_eq!((refused.stdout.as_str(), world.read("desired-state/a.yaml")), ("", text));
}

#[test]
fn when_one_file_cannot_be_written_those_before_it_get_their_text_back() {
    let world = world();
    let text = world.read("desired-state/a.yaml");
    let locked = world.write("desired-state/z/z.yaml", "pop3:\n  z:   enabled\n");
    let nobody = 65_534;
    // Root may write anywhere, so the program runs as somebody else, to whom all belongs but the last folder.
    let root = std::fs::metadata(world.path(".")).unwrap().uid() == 0;
    let mut command = world.command(if root { "setpriv" } else { env!("CARGO_BIN_EXE_popgate") });
    if root {
        for path in ["desired-state", "desired-state/a.yaml"] {
            std::os::unix::fs::chown(world.path(path), Some(nobody), Some(nobody)).unwrap();
        }
        let program = readable(&world);
        command
            .args([&format!("--reuid={nobody}"), &format!("--regid={nobody}"), "--clear-groups"])
            .arg(program);
    } else {
        std::fs::set_permissions(locked.parent().unwrap(), Permissions::from_mode(0o555)).unwrap();
    }
    command.arg("fmt");
    let ran = world.run(command, "").ends_with(1);
    std::fs::set_permissions(locked.parent().unwrap(), Permissions::from_mode(0o755)).unwrap();
    assert!(ran.stderr.contains("writing desired-state/z/z.yaml: Permission denied"), "{}", ran.stderr);
    assert!(ran.stderr.contains("nothing was changed"), "{}", ran.stderr);
    assert_eq!(world.read("desired-state/a.yaml"), text);
    let left = std::fs::read_dir(world.path("desired-state")).unwrap().count();
    assert_eq!(left, 3, "no file is left behind");
}

/// The program where every user may run it.
fn readable(world: &World) -> PathBuf {
    let program = world.path("popgate");
    std::fs::copy(env!("CARGO_BIN_EXE_popgate"), &program).unwrap();
    program
}
