//! Reports: plans, statuses and notices put into words for people and into JSON for programs.
//!
//! Pure: everything is written to a `fmt::Write`, piece by piece, so that a plan with half a million changes needs
//! no memory of its own. What stands in a report comes from files and mail systems that others write; no
//! character of it may steer a terminal or a log. This module does not know where a report goes.

pub mod event;
mod harmless;
pub mod history;
pub mod json;
pub mod notice;
pub mod problems;
#[cfg(test)]
mod sample;
pub mod status;
pub mod text;
mod words;

pub use harmless::harmless;
