//! The journal: what is remembered across crashes.

pub mod entry;
pub mod fold;
