//! Integration tests: one binary, real files, real servers.

#![expect(clippy::unwrap_used, reason = "this is all test code, helpers too")]

mod contract;
mod memory;
mod services;
mod sqlite;
mod world;
