//! Integration tests.

#![expect(clippy::unwrap_used, reason = "this is all test code, helpers too")]

mod contract;
mod memory;
mod sqlite;
