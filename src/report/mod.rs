//! Reports: plans, statuses and notices put into words for people and into JSON for programs.
//!
//! Pure: everything is written to a `fmt::Write`, piece by piece, so that a plan with half a million changes needs
//! no memory of its own. What stands in a report comes from files and mail systems that others write; no
//! character of it may steer a terminal or a log. This module does not know where a report goes.

pub mod diff;
pub mod event;
mod findings;
pub mod github;
pub mod gitlab;
mod harmless;
pub mod history;
pub mod json;
pub mod junit;
pub mod markdown;
pub mod notice;
pub mod problems;
#[cfg(test)]
mod sample;
mod shown;
pub mod status;
#[cfg(test)]
mod tests;
pub mod text;
mod words;

pub use harmless::harmless;
pub use shown::{Extent, Shown, Unlisted};
pub(crate) use words::names;
