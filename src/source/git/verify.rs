//! Whether somebody who is allowed to signed a commit.

use std::path::Path;

use super::run::{Git, GitError};
use crate::diagnostic::Diagnostic;
use crate::diagnostic::codes::GIT_SIGNATURE;
use crate::source::tree::problem;

/// Checks the SSH signature of a commit against a file of allowed signers (`ssh-keygen(1)`, section ALLOWED SIGNERS).
/// A signature of another kind does not count, nor does a good one by somebody who is not in the file.
pub(super) fn verify(git: &Git, id: &str, signers: &Path) -> Result<(), Diagnostic> {
    let short = id.get(..12).unwrap_or(id);
    let refused = |why: &str, help: &str| problem(GIT_SIGNATURE, format!("the commit {short} {why}"), help);
    if let Err(error) = std::fs::File::open(signers) {
        let why = format!("cannot be verified: {}: {error}", signers.display());
        return Err(refused(&why, "write the file, one signer a line: NAME namespaces=\"git\" KEY"));
    }
    // Absolute, because git starts ssh-keygen in the clone.
    let signers = std::path::absolute(signers).unwrap_or_else(|_| signers.to_owned());
    let git = git
        .clone()
        .config("gpg.format=ssh")
        .config(format!("gpg.ssh.allowedSignersFile={}", signers.display()))
        .config("gpg.ssh.program=ssh-keygen")
        .config("gpg.openpgp.program=false")
        .config("gpg.x509.program=false")
        .config("gpg.minTrustLevel=fully");
    let Err(error) = git.run(&["verify-commit", id], b"") else { return Ok(()) };
    let help = format!("sign it by a key in {}, and push it again", signers.display());
    Err(match &error {
        GitError::Failed { said, .. } if said == "it did not say why" => refused("is not signed", &help),
        GitError::Failed { said, .. } => {
            refused(&format!("is not signed by an allowed signer: {said}"), &help)
        }
        other => refused(&format!("cannot be verified: {other}"), "install git and openssh-client"),
    })
}
