//! `popgate completions`: a script for the shell.

use clap::CommandFactory as _;

use super::args::{Cli, Completions as Args};
use super::exit::Exit;
use super::render::Render;

pub(super) fn run(args: &Args, render: Render) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "popgate", &mut script);
    render.result(&String::from_utf8_lossy(&script));
    Exit::Success
}
