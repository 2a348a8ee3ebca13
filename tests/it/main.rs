//! Integration tests.

mod journal;
mod watch;
