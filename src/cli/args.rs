//! The command line as it is written. The doc comments are the help.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::model::Access;

/// Declarative POP3 access: commit YAML that lists who may use POP3, review the plan, let the daemon apply just the
/// difference and restart the mail service once.
///
/// Without any settings file, popgate works on the directory `desired-state/` and on a small `SQLite` list of its own
/// below `.popgate/`, so that everything can be tried before a mail server is named.
#[derive(Debug, Parser)]
#[command(name = "popgate", version, propagate_version = true, max_term_width = 100)]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub(super) struct Global {
    /// Settings file [default: popgate.yaml, if it is there].
    #[arg(short, long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// State directory: journal, lock, control socket [default: from the settings, else .popgate].
    #[arg(long, global = true, value_name = "DIR")]
    pub(super) state: Option<PathBuf>,
    /// Only this target of the settings.
    #[arg(long, global = true, value_name = "NAME")]
    pub(super) target: Option<String>,
    /// When to use colour.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(super) color: When,
    /// Form of the log on standard error [default: from the settings, else text].
    #[arg(long, global = true, value_name = "FORMAT")]
    pub(super) log_format: Option<LogFormat>,
    /// Say more on standard error; twice for even more.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
    /// Say only what went wrong.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(super) quiet: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum When {
    Auto,
    Always,
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    Text,
    Json,
}

// The arguments of a command are put together only when it is the one that was asked for.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(super) enum Command {
    /// Check desired state and settings, offline.
    Validate(Validate),
    /// Give the YAML its canonical form, keeping every comment.
    Fmt(Fmt),
    /// Show what would change and why. Never writes.
    Plan(Plan),
    /// Make one batch: write the difference, then restart what has to learn of it.
    Apply(Apply),
    /// Watch the files and keep the store as they say: the daemon.
    Run(Run),
    /// Show who has POP3: live, desired, where that is written, since when and why.
    Get(Get),
    /// Edit one user's entry in the YAML in place, keeping every comment.
    Set(Set),
    /// Write live state as desired-state YAML.
    Export(Export),
    /// Show restarts owed, blocked plans and the last batch.
    Status(Status),
    /// Show who changed what, when and why.
    History(History),
    /// Settle the restarts that are owed.
    Restart(Restart),
    /// Approve a blocked plan, or one change that was held back.
    Approve(Approve),
    /// Stop all writing until `resume`.
    Suspend(Suspend),
    /// Let writing go on.
    Resume(Resume),
    /// Make a running daemon look at files and stores at once.
    Reconcile,
    /// Look for whatever could stop popgate from doing its work.
    Doctor(Doctor),
    /// Print a JSON schema.
    Schema(Schema),
    /// Print a completion script.
    Completions(Completions),
    /// Print the version, and whether Kerberos is built in.
    Version(Version),
}

#[derive(Debug, Args)]
pub(super) struct Validate {
    /// Desired directories [default: those of the settings].
    #[arg(value_name = "DIR")]
    pub(super) directories: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) output: Output,
}

#[derive(Debug, Args)]
pub(super) struct Fmt {
    /// Desired directories [default: those of the settings].
    #[arg(value_name = "DIR")]
    pub(super) directories: Vec<PathBuf>,
    /// Write nothing, name the files that would change, and exit with 2 if there are any.
    #[arg(long)]
    pub(super) check: bool,
    /// Write nothing and show what would change.
    #[arg(long)]
    pub(super) diff: bool,
}

/// The forms of a report: of a plan, or of what is wrong with the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ReportFormat {
    /// For a person at a terminal.
    Text,
    /// As if live state were the YAML: a unified diff of each file.
    Diff,
    /// For programs; `popgate schema plan` describes it.
    Json,
    /// For a comment on a pull request, or a job summary.
    Markdown,
    /// Annotations of GitHub Actions.
    Github,
    /// A code quality report of GitLab.
    Gitlab,
    /// `JUnit` XML.
    Junit,
}

impl From<Format> for ReportFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Text => Self::Text,
            Format::Json => Self::Json,
        }
    }
}

// Which reports are wanted. This is no documentation, which would be the help of each command that has them.
#[derive(Clone, Debug, Args)]
pub(super) struct Output {
    /// Form of the report on standard output.
    #[arg(long, default_value = "text")]
    pub(super) format: ReportFormat,
    /// Another report into a file, such as json=plan.json; may be given several times.
    #[arg(long, value_name = "FORMAT=PATH", value_parser = super::reports::file)]
    pub(super) report: Vec<super::reports::File>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    Text,
    Json,
}

#[derive(Debug, Args)]
pub(super) struct Plan {
    #[command(flatten)]
    pub(super) output: Output,
    /// Exit with 2 when there are changes.
    #[arg(long)]
    pub(super) detailed_exitcode: bool,
    /// Plan as if it were this moment (2027-01-01 or 2027-01-01T08:00:00Z).
    #[arg(long, value_name = "TIME")]
    pub(super) at: Option<String>,
    /// Plan against this snapshot instead of the store; needs no credentials. Once for each target.
    #[arg(long, value_name = "FILE")]
    pub(super) live: Vec<PathBuf>,
    /// How old a snapshot may be; an older one ends with exit code 6.
    #[arg(long, value_name = "DURATION", default_value = super::known::MAX_AGE, value_parser = duration, requires = "live")]
    pub(super) max_age: Duration,
    /// Tell which changes this branch causes: compare with this revision, such as origin/main.
    #[arg(long, value_name = "REV", allow_hyphen_values = true)]
    pub(super) base: Option<String>,
    /// Plan this directory instead of the one that the settings name.
    #[arg(long, value_name = "DIR")]
    pub(super) desired: Option<PathBuf>,
    /// List only users whose name matches, such as '*@sales.example'; guards and plan id are those of the whole.
    #[arg(long, value_name = "GLOB")]
    pub(super) only: Option<String>,
    /// Summary, effects and guards, without the lists; in text and Markdown.
    #[arg(long, conflicts_with = "show_unlisted")]
    pub(super) concise: bool,
    /// List the accounts that no entry names too, those with POP3 first; in text, Markdown and JSON.
    #[arg(long)]
    pub(super) show_unlisted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum RestartWhen {
    /// At once after the writes, but never in a closed window.
    Now,
    /// Leave it owed.
    Defer,
}

#[derive(Debug, Args)]
pub(super) struct Apply {
    /// Do not ask.
    #[arg(short, long)]
    pub(super) yes: bool,
    /// Exactly the plan with this id, or nothing and exit code 6.
    #[arg(long, value_name = "ID")]
    pub(super) plan: Option<String>,
    /// Approve this id first, as `popgate approve` does; needs --reason.
    #[arg(long, value_name = "ID")]
    pub(super) approve: Option<String>,
    /// Why; stands in the journal beside an approval.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(super) reason: String,
    /// At most so many changes; disabling first.
    #[arg(long, value_name = "N")]
    pub(super) limit: Option<usize>,
    /// Only users whose name matches, such as '*@sales.example'.
    #[arg(long, value_name = "GLOB")]
    pub(super) only: Option<String>,
    /// When to restart.
    #[arg(long, value_name = "WHEN", default_value = "now")]
    pub(super) restart: RestartWhen,
    /// Form of the plan on standard output.
    #[arg(long, default_value = "text")]
    pub(super) format: Format,
}

#[derive(Debug, Args)]
pub(super) struct Run {
    /// Plan and log, but write nothing.
    #[arg(long)]
    pub(super) observe: bool,
    /// One batch, then leave.
    #[arg(long, conflicts_with = "observe")]
    pub(super) once: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum TableFormat {
    Table,
    Json,
    Csv,
}

#[derive(Debug, Args)]
pub(super) struct Get {
    /// Users, by any name that the store knows, or globs [default: all].
    #[arg(value_name = "USER")]
    pub(super) users: Vec<String>,
    /// Form of the result.
    #[arg(long, default_value = "table")]
    pub(super) format: TableFormat,
    /// What the journal knows of that moment (2027-01-01T08:00:00Z), or of the end of that day, instead.
    #[arg(long, value_name = "DATE")]
    pub(super) as_of: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Set {
    /// The user's name, as it shall stand in the YAML.
    #[arg(value_name = "USER")]
    pub(super) user: String,
    /// `enabled` or `disabled`.
    #[arg(value_name = "ACCESS", value_parser = access)]
    pub(super) access: Access,
    /// Last day of access, such as 2027-03-31.
    #[arg(long, value_name = "DATE")]
    pub(super) until: Option<jiff::civil::Date>,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: Option<String>,
    /// The file for a new entry, relative to the desired directory.
    #[arg(long, value_name = "FILE")]
    pub(super) file: Option<String>,
    /// Show the change and write nothing.
    #[arg(long)]
    pub(super) dry_run: bool,
}

fn duration(text: &str) -> Result<Duration, String> {
    crate::settings::duration(text).ok_or_else(|| "write a duration such as 24h or 1h30m".to_owned())
}

fn access(text: &str) -> Result<Access, String> {
    match text {
        "enabled" => Ok(Access::Enabled),
        "disabled" => Ok(Access::Disabled),
        "on" | "yes" | "true" | "enable" | "1" => Err("write `enabled`".to_owned()),
        "off" | "no" | "false" | "disable" | "0" => Err("write `disabled`".to_owned()),
        _ => Err("write `enabled` or `disabled`".to_owned()),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ExportFormat {
    /// Desired-state YAML.
    Yaml,
    /// A list of users for programs.
    Json,
    /// A list of users for a spreadsheet.
    Csv,
    /// All that `plan --live` needs, for CI; holds no secret.
    Snapshot,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Only {
    Enabled,
    Disabled,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Split {
    /// One file for each mail domain.
    Domain,
}

#[derive(Debug, Args)]
pub(super) struct Export {
    /// Only accounts with this access.
    #[arg(long, value_name = "ACCESS")]
    pub(super) only: Option<Only>,
    /// Form of the result.
    #[arg(long, default_value = "yaml")]
    pub(super) format: ExportFormat,
    /// Several files instead of one; needs --out.
    #[arg(long, value_name = "BY", requires = "out")]
    pub(super) split: Option<Split>,
    /// Write into this directory, which must not hold files of these names, instead of standard output.
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Status {
    /// Form of the result.
    #[arg(long, default_value = "text")]
    pub(super) format: Format,
    /// Wait until everything is as desired and no restart is owed.
    #[arg(long)]
    pub(super) wait: bool,
    /// How long to wait, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 300, requires = "wait")]
    pub(super) timeout: u64,
}

#[derive(Debug, Args)]
pub(super) struct History {
    /// Only what concerns this user: any name that the files or the store used, an account id, or a glob.
    #[arg(long, value_name = "NAME")]
    pub(super) user: Option<String>,
    /// Form of the result.
    #[arg(long, default_value = "text")]
    pub(super) format: Format,
    /// At most so many events, the newest.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(super) limit: usize,
    /// Check every checksum of the journal instead.
    #[arg(long, conflicts_with_all = ["user", "limit"])]
    pub(super) verify: bool,
}

#[derive(Debug, Args)]
pub(super) struct Restart {
    /// Whatever window and interval say.
    #[arg(long, requires = "reason")]
    pub(super) now: bool,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: Option<String>,
    /// Somebody did it by hand: settle without restarting.
    #[arg(long, conflicts_with = "now")]
    pub(super) done: bool,
}

#[derive(Debug, Args)]
pub(super) struct Approve {
    /// The id that `plan` shows.
    #[arg(value_name = "ID")]
    pub(super) id: String,
    /// Why; stands in the journal.
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: String,
}

#[derive(Debug, Args)]
pub(super) struct Suspend {
    /// Why; stands in the journal.
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: String,
    /// When it ends by itself (2027-01-01T08:00:00Z, or a day in the settings' time zone).
    #[arg(long, value_name = "TIME")]
    pub(super) until: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Resume {
    /// Why; stands in the journal.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(super) reason: String,
}

#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// Form of the result.
    #[arg(long, default_value = "text")]
    pub(super) format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum SchemaOf {
    /// The YAML of a desired directory.
    Desired,
    /// The settings file.
    Settings,
    /// The JSON report of `plan`.
    Plan,
}

#[derive(Debug, Args)]
pub(super) struct Schema {
    /// Of what.
    #[arg(value_name = "OF")]
    pub(super) of: SchemaOf,
}

#[derive(Debug, Args)]
pub(super) struct Completions {
    /// For which shell.
    #[arg(value_name = "SHELL")]
    pub(super) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(super) struct Version {
    /// Form of the result.
    #[arg(long, default_value = "text")]
    pub(super) format: Format,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn what_a_command_says_of_itself_is_what_the_list_of_commands_says() {
        let abouts = |command: &clap::Command| -> Vec<_> {
            command.get_subcommands().map(|one| one.get_about().map(ToString::to_string)).collect()
        };
        let mut command = Cli::command();
        let listed = abouts(&command);
        command.build();
        // Help and its like are added by `build`.
        assert_eq!(abouts(&command)[..listed.len()], listed);
        command.debug_assert();
    }
}
