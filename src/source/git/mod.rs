//! Desired state in git: the repository that popgate fetches by itself, and other revisions of one that somebody
//! has checked out. Everything is read from git's objects, nothing is checked out.

mod address;
mod objects;
mod remote;
mod revision;
mod run;
mod verify;

pub use remote::{Address, FETCH, Fetched, Remote};
pub use revision::{Revision, RevisionError, revision};
