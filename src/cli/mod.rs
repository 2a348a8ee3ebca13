//! The command line: one file per command. Only this file knows how a command's end becomes an exit code.

mod apply;
mod approve;
mod args;
mod as_of;
mod completions;
mod doctor;
mod exit;
mod export;
mod fmt;
mod get;
mod handover;
mod history;
mod interrupt;
mod known;
mod open;
mod operate;
mod plan;
mod progress;
mod reload;
mod render;
mod reports;
mod restart;
mod run;
mod schema;
mod session;
mod set;
mod status;
mod validate;
mod version;
mod who;

use std::process::ExitCode;

use clap::Parser as _;

use crate::diagnostic::{self, Diagnostic};
use crate::psrp;
use args::{Cli, Command};
use exit::Exit;
use render::Render;
use session::Session;

/// Runs the program with the arguments of the process.
pub fn run() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => {
            let render = Render::new(cli.global.color, cli.global.quiet);
            let mut exit = dispatch(cli, render).unwrap_or_else(|failure| failure.show(render));
            render.end_question();
            if render::lost_results() {
                render.message("error: the result cannot be written to standard output");
                exit = exit.or(Exit::Operational);
            }
            exit.into()
        }
        Err(error) => {
            // Printing fails only when nobody listens any more.
            drop(error.print());
            // clap's own 2 would read as "changes present".
            if error.use_stderr() { Exit::Usage.into() } else { Exit::Success.into() }
        }
    }
}

fn dispatch(cli: Cli, render: Render) -> Result<Exit, Failure> {
    let output = match &cli.command {
        Command::Plan(args) => args.output.clone(),
        Command::Validate(args) => args.output.clone(),
        _ => return carry_out(cli, render),
    };
    reports::check(&output)?;
    carry_out(cli, render).inspect_err(|failure| reports::failed(render, &output, failure))
}

fn carry_out(cli: Cli, render: Render) -> Result<Exit, Failure> {
    match cli.command {
        Command::Schema(args) => return Ok(schema::run(&args, render)),
        Command::Completions(args) => return Ok(completions::run(&args, render)),
        Command::Version(args) => return Ok(version::run(&args, render)),
        _ => {}
    }
    let session = Session::open(cli.global, render)?;
    // Beside this thread. A command that ends has little for them to do, and each takes its time to begin.
    let workers = if matches!(cli.command, Command::Run(_)) { 2 } else { 1 };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build();
    let runtime = runtime.map_err(|error| Failure::operational(format!("starting the runtime: {error}")))?;
    let exit = runtime.block_on(async {
        let exit = match cli.command {
            Command::Validate(args) => validate::run(&session, &args),
            Command::Fmt(args) => fmt::run(&session, &args),
            Command::Plan(args) => interrupt::or_done(plan::run(&session, &args)).await,
            Command::Apply(args) => apply::run(&session, &args).await,
            Command::Run(args) => run::run(&session, &args).await,
            Command::Get(args) => interrupt::or_done(get::run(&session, &args)).await,
            Command::Set(args) => set::run(&session, &args),
            Command::Export(args) => interrupt::or_done(export::run(&session, &args)).await,
            Command::Status(args) => status::run(&session, &args).await,
            Command::History(args) => history::run(&session, &args),
            Command::Restart(args) => restart::run(&session, &args).await,
            Command::Approve(args) => interrupt::or_done(approve::run(&session, &args)).await,
            Command::Suspend(args) => operate::suspend(&session, &args).await,
            Command::Resume(args) => operate::resume(&session, &args).await,
            Command::Reconcile => operate::reconcile(&session).await,
            Command::Doctor(args) => interrupt::or_done(doctor::run(&session, &args)).await,
            Command::Schema(_) | Command::Completions(_) | Command::Version(_) => Ok(Exit::Success),
        };
        // Sessions that an aborted call left behind count against the account until they are closed.
        psrp::leave(std::time::Duration::from_secs(5)).await;
        exit
    });
    // A store's call that was aborted must not keep the process alive.
    runtime.shutdown_timeout(std::time::Duration::from_millis(200));
    exit
}

/// Why a command could not do what it was asked, by who must act: the exit code says the class.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
    help: Option<String>,
    diagnostics: Vec<Diagnostic>,
}

impl Failure {
    fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), help: None, diagnostics: Vec::new() }
    }

    /// A store, a service or a file failed.
    fn operational(message: impl Into<String>) -> Self {
        Self::new(Exit::Operational, message)
    }

    /// Something that a person wrote is wrong.
    fn invalid(diagnostics: Vec<Diagnostic>) -> Self {
        Self { diagnostics, ..Self::new(Exit::Invalid, String::new()) }
    }

    /// The command line is wrong.
    fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    fn show(self, render: Render) -> Exit {
        if !self.diagnostics.is_empty() {
            render.message(&diagnostic::render(&self.diagnostics, render.color_messages));
        }
        if !self.message.is_empty() {
            render.message(&format!("error: {}", self.message));
        }
        if let Some(help) = self.help {
            render.message(&format!("  help: {help}"));
        }
        self.exit
    }
}

impl From<crate::stores::StoreError> for Failure {
    fn from(error: crate::stores::StoreError) -> Self {
        Self { help: error.help, ..Self::operational(error.what) }
    }
}
