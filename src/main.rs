//! The `popgate` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    popgate::cli::run()
}
