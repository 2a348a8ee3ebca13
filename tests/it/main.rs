//! Integration tests: one binary, one module for each subject.

mod architecture;
mod examples;
mod readme;
