//! Integration tests: one binary, one module for each subject, real files and real servers.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "this is all test code, helpers too")]

mod architecture;
mod bad_input;
mod ci_examples;
mod ci_plan;
mod commands;
mod contract;
mod crash;
mod cut;
mod daemon;
mod double;
mod examples;
mod exchange;
mod exit_codes;
mod fmt;
mod footprint;
mod formats;
mod git_source;
mod guards;
mod history;
mod journal;
mod layouts;
mod main_job;
mod manual;
mod memory;
mod operate;
mod packages;
mod readme;
mod services;
mod sqlite;
mod terminal;
mod watch;
mod windows;
mod worked_example;
mod world;
