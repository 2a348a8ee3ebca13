//! Signatures: only a commit by an allowed signer comes into force.

use super::{becomes, converges, git, hears, push, repository};
use crate::daemon::disabled;
use crate::world::{World, require};

/// Makes a key and returns its public half.
pub(crate) fn key(world: &World, name: &str) -> String {
    let mut command = world.command(require("ssh-keygen"));
    command.args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"]).arg(world.path(name));
    let _made = world.run(command, "").success();
    world.read(&format!("{name}.pub")).trim().to_owned()
}

/// From now on the administrator signs by this key.
pub(crate) fn signs_by(world: &World, name: &str) {
    let file = world.path(name).display().to_string();
    for (setting, value) in [("gpg.format", "ssh"), ("user.signingKey", &file), ("commit.gpgSign", "true")] {
        git(world, "admin", &["config", setting, value]);
    }
}

#[test]
fn only_a_commit_by_an_allowed_signer_comes_into_force() {
    let world = repository(", verify: {allowed_signers: signers}");
    let anna = key(&world, "anna");
    key(&world, "eve");
    let missing = world.popgate(["plan"]).ends_with(3);
    assert!(missing.stderr.contains("POP212") && missing.stderr.contains("signers"), "{}", missing.stderr);
    world.write("signers", format!("anna@x.test namespaces=\"git\" {anna}\n"));
    let unsigned = world.popgate(["plan"]).ends_with(3);
    assert!(
        unsigned.stderr.contains("POP212") && unsigned.stderr.contains("is not signed"),
        "{}",
        unsigned.stderr
    );
    signs_by(&world, "anna");
    push(&world, &[1]);
    let _apply = world.popgate(["apply", "--yes"]).success();
    assert_eq!(disabled(&world), "u1@x.test");

    let mut daemon = world.start(["run"]);
    converges(&world);
    // By somebody else, then by nobody: a good signature is not enough.
    signs_by(&world, "eve");
    push(&world, &[2]);
    let event = hears(&world, "POP212");
    assert!(event.to_string().contains("not signed by an allowed signer"), "{event}");
    assert_eq!(disabled(&world), "u1@x.test", "the last good state stays in force");
    let plan = world.popgate(["plan"]).ends_with(3);
    assert_eq!(plan.stdout, "");
    git(&world, "admin", &["config", "commit.gpgSign", "false"]);
    push(&world, &[3]);
    let plan = world.popgate(["plan"]).ends_with(3);
    assert!(plan.stderr.contains("is not signed"), "{}", plan.stderr);
    assert_eq!(disabled(&world), "u1@x.test");
    signs_by(&world, "anna");
    push(&world, &[4]);
    becomes(&world, "u4@x.test");
    assert_eq!(daemon.stop(), Some(143));
}

#[test]
fn a_signature_of_other_content_does_not_count() {
    let world = repository(", verify: {allowed_signers: signers}");
    let anna = key(&world, "anna");
    world.write("signers", format!("anna@x.test namespaces=\"git\" {anna}\n"));
    signs_by(&world, "anna");
    push(&world, &[1]);
    // The same commit with its signature, but another message.
    let raw = git(&world, "admin", &["cat-file", "commit", "HEAD"]);
    world.write("forged", raw.replace("Who may use POP3", "Who may use POP4") + "\n");
    let forged = world.path("forged").display().to_string();
    let id = git(&world, "admin", &["hash-object", "-t", "commit", "-w", &forged]);
    git(&world, "admin", &["push", "-qf", "origin", &format!("{id}:refs/heads/main")]);
    let plan = world.popgate(["plan"]).ends_with(3);
    assert!(plan.stderr.contains("POP212"), "{}", plan.stderr);
}
