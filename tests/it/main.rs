//! Integration tests.

mod journal;
