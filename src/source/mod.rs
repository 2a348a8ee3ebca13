//! Where desired state comes from: a directory of YAML files, read in one moment, and watched for changes.
//!
//! * [`directory`]: one consistent read of the directory as it is.
//! * [`commit`]: which git commit it is a checkout of, for people to recognise.
//! * [`mod@watch`]: hints that it may have changed.
//!
//! Nothing here knows what the files say.

pub mod commit;
pub mod directory;
mod tree;
pub mod watch;

pub use commit::{Commit, commit_of};
pub use directory::{ReadProblem, Reading, Signature, read, signature};
pub use watch::{Watch, WatchError, watch};
