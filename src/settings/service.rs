//! The settings of a target's service.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use super::codes;
use super::piece::{Fields, Piece, from, program};
use super::problems::{Problems, shown};
use super::store::variant;
use super::{farm, schema};
use crate::plan::policy::{Action, Profile};
use crate::psrp::Endpoint;
use crate::services::exchange::{Farm, Servers};

/// Which service, and how to make it learn of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceSettings {
    /// Nothing happens but a line that says what would.
    Announce {
        /// The name in that line.
        service: String,
    },
    /// A command that the operator gave.
    Command {
        /// The program and its arguments; never empty.
        restart: Vec<String>,
        /// How long it may take.
        timeout: Duration,
        /// The name shown to a person.
        name: Option<String>,
    },
    /// Dovecot, through doveadm.
    Dovecot {
        /// What makes a change effective.
        action: DovecotAction,
        /// Dovecot's configuration file, if it is not its own default.
        config: Option<PathBuf>,
        /// The program; a bare name is searched for in `PATH`.
        doveadm: PathBuf,
        /// How long each call may take.
        timeout: Duration,
    },
    /// The POP3 services of Exchange's servers.
    Exchange(Box<Farm>),
    /// A person does it; popgate says what to do and waits for proof.
    Manual {
        /// The service that the person restarts, if popgate can see it: `Command`, `Dovecot`, `Exchange` or `Systemd`.
        of: Option<Box<Self>>,
        /// What the person is told, line by line.
        instructions: Option<Vec<String>>,
    },
    /// Nothing has to learn: the store's readers see a change by themselves.
    None,
    /// A unit of systemd.
    Systemd {
        /// The unit with its suffix.
        unit: String,
        /// How long a restart may take.
        timeout: Duration,
    },
}

/// What makes a change effective in Dovecot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DovecotAction {
    /// The authentication cache is emptied, and the POP3 sessions of disabled users end.
    FlushAndEndSessions,
    /// `doveadm reload`.
    Reload,
    /// Dovecot is stopped and started.
    Restart,
}

impl ServiceSettings {
    /// Identifies the service across targets and in the journal: equal for two targets that name the same service,
    /// and unchanged by settings that do not say which service it is (`timeout`, `name`). Canonical JSON.
    pub fn key(&self) -> String {
        self.identity().to_string()
    }

    /// Returns the name shown to a person.
    pub fn name(&self) -> String {
        match self {
            Self::Announce { service } => service.clone(),
            Self::Command { name: Some(name), .. } => name.clone(),
            Self::Command { restart, .. } => restart.first().cloned().unwrap_or_default(),
            Self::Dovecot { .. } => "dovecot".to_owned(),
            Self::Exchange(_) => "Exchange POP3".to_owned(),
            Self::Manual { of: Some(of), .. } => of.name(),
            Self::Manual { of: None, .. } => "manual".to_owned(),
            Self::None => "none".to_owned(),
            Self::Systemd { unit, .. } => unit.clone(),
        }
    }

    /// Returns what happens.
    pub fn action(&self) -> Action {
        match self {
            Self::Announce { .. } => Action::Announce,
            Self::Command { .. } => Action::Command,
            Self::Dovecot { action: DovecotAction::FlushAndEndSessions, .. } => Action::FlushAndEndSessions,
            Self::Dovecot { action: DovecotAction::Reload, .. } => Action::Reload,
            Self::Dovecot { action: DovecotAction::Restart, .. }
            | Self::Exchange(_)
            | Self::Systemd { .. } => Action::Restart,
            Self::Manual { .. } => Action::Manual,
            Self::None => Action::None,
        }
    }

    /// Tells whether a restart disturbs so many that the settings have to say when it may be.
    pub(super) fn needs_windows(&self) -> bool {
        match self {
            Self::Exchange(_) => true,
            Self::Manual { of: Some(of), .. } => of.needs_windows(),
            _ => false,
        }
    }

    /// Returns the profile as far as the settings know it: without instances. The service itself knows the rest.
    pub(super) fn profile(&self) -> Profile {
        Profile { key: self.key(), name: self.name(), action: self.action(), instances: Vec::new() }
    }

    fn identity(&self) -> serde_json::Value {
        match self {
            Self::Announce { service } => json!({ "type": "announce", "service": service }),
            Self::Command { restart, .. } => json!({ "type": "command", "restart": restart }),
            Self::Dovecot { action, config, doveadm, .. } => {
                json!({ "type": "dovecot", "action": action, "config": config, "doveadm": doveadm })
            }
            Self::Exchange(farm) => {
                let servers: Vec<_> = match &farm.servers {
                    Servers::Auto => vec!["auto"],
                    Servers::Listed(servers) => servers.iter().map(|server| server.name.as_str()).collect(),
                };
                json!({ "type": "exchange", "organisation": farm.organisation.url, "servers": servers })
            }
            Self::Manual { of, instructions } => {
                json!({ "type": "manual", "of": of.as_ref().map(|of| of.identity()), "instructions": instructions })
            }
            Self::None => json!({ "type": "none" }),
            Self::Systemd { unit, .. } => json!({ "type": "systemd", "unit": unit }),
        }
    }
}

impl Default for ServiceSettings {
    fn default() -> Self {
        Self::Announce { service: "POP3".to_owned() }
    }
}

/// Reads `service`. `organisation` is the endpoint of the target's store, if that is Exchange.
pub(super) fn read(
    of: Piece<'_>,
    organisation: Option<&Endpoint>,
    base: &Path,
    problems: &mut Problems<'_>,
) -> Option<ServiceSettings> {
    let built_in = schema::SERVICES.iter().map(|(name, _)| *name);
    match variant(of, built_in, &[], base, problems)? {
        "announce" => {
            let fields = Fields::open(of, schema::ANNOUNCE, problems)?;
            let Some(service) = fields.get("service") else { return Some(ServiceSettings::default()) };
            Some(ServiceSettings::Announce { service: service.text(problems)?.to_owned() })
        }
        "command" => command(Fields::open(of, schema::COMMAND_SERVICE, problems)?, base, problems),
        "dovecot" => Some(dovecot(Fields::open(of, schema::DOVECOT, problems)?, base, problems)),
        "exchange" => {
            let fields = Fields::open(of, schema::EXCHANGE_SERVICE, problems)?;
            farm::read(fields, organisation, base, problems)
                .map(|farm| ServiceSettings::Exchange(Box::new(farm)))
        }
        "manual" => Some(manual(Fields::open(of, schema::MANUAL, problems)?, organisation, base, problems)),
        "none" => Fields::open(of, schema::NONE, problems).map(|_| ServiceSettings::None),
        "systemd" => systemd(Fields::open(of, schema::SYSTEMD, problems)?, problems),
        // `variant` returns only what is built in.
        _ => None,
    }
}

fn timeout(fields: Fields<'_>, seconds: u64, problems: &mut Problems<'_>) -> Duration {
    let written = fields.get("timeout").and_then(|field| field.some_duration(problems));
    written.unwrap_or(Duration::from_secs(seconds))
}

fn command(fields: Fields<'_>, base: &Path, problems: &mut Problems<'_>) -> Option<ServiceSettings> {
    let timeout = timeout(fields, 60, problems);
    let name = fields.get("name").and_then(|field| field.text(problems)).map(str::to_owned);
    let restart =
        fields.need("restart", "write for example `restart: [systemctl, restart, dovecot]`", problems);
    let restart = argv(restart?.command(problems)?, base);
    Some(ServiceSettings::Command { restart, timeout, name })
}

/// Resolves the program of a command.
pub(super) fn argv(mut argv: Vec<String>, base: &Path) -> Vec<String> {
    // The name came from a text and the base from the command line, so only an odd base is no text.
    if let Some(first) = argv.first_mut()
        && let Some(resolved) = program(base, first).to_str()
    {
        resolved.clone_into(first);
    }
    argv
}

fn dovecot(fields: Fields<'_>, base: &Path, problems: &mut Problems<'_>) -> ServiceSettings {
    let actions = [
        ("flush_and_end_sessions", DovecotAction::FlushAndEndSessions),
        ("reload", DovecotAction::Reload),
        ("restart", DovecotAction::Restart),
    ];
    let action = fields.get("action").and_then(|field| field.word(&actions, problems));
    let config = fields.get("config").and_then(|field| field.text(problems));
    let doveadm = fields.get("doveadm").and_then(|field| field.text(problems));
    ServiceSettings::Dovecot {
        action: action.unwrap_or(DovecotAction::FlushAndEndSessions),
        config: config.map(|path| from(base, path)),
        doveadm: program(base, doveadm.unwrap_or("doveadm")),
        timeout: timeout(fields, 30, problems),
    }
}

fn manual(
    fields: Fields<'_>,
    organisation: Option<&Endpoint>,
    base: &Path,
    problems: &mut Problems<'_>,
) -> ServiceSettings {
    let of = fields.get("of").and_then(|field| {
        let service = read(field, organisation, base, problems)?;
        if let ServiceSettings::Announce { .. } | ServiceSettings::Manual { .. } | ServiceSettings::None =
            service
        {
            problems
                .error(
                    codes::BAD_MANUAL,
                    field.node.at,
                    "a manual service of something that popgate never restarts",
                )
                .help("`of` names what the person restarts: `command`, `dovecot`, `exchange` or `systemd`");
            return None;
        }
        Some(Box::new(service))
    });
    let instructions = fields.get("instructions").and_then(|field| {
        let items = field.items("a list of lines of text", problems)?;
        if items.is_empty() {
            return field.too_few(problems);
        }
        let lines: Vec<_> = items.iter().map(|item| item.text(problems).map(str::to_owned)).collect();
        lines.into_iter().collect()
    });
    ServiceSettings::Manual { of, instructions }
}

/// What tells that a unit is named with its kind.
const SUFFIXES: [&str; 5] = [".service", ".socket", ".target", ".timer", ".path"];

fn systemd(fields: Fields<'_>, problems: &mut Problems<'_>) -> Option<ServiceSettings> {
    let timeout = timeout(fields, 90, problems);
    let field = fields.need("unit", "write for example `unit: dovecot.service`", problems)?;
    let unit = field.text(problems)?;
    // systemd.unit(5): letters, digits and `:-_.\@`. A hyphen in front would be read as an option.
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte);
    if unit.len() > 255 || unit.starts_with(['-', '.']) || !unit.bytes().all(fits) {
        problems
            .error(codes::BAD_TEXT, field.node.at, format!("`{}` cannot be a unit", shown(unit)))
            .help("write the name as `systemctl` lists it, such as `dovecot.service`");
        return None;
    }
    let complete = SUFFIXES.iter().any(|suffix| unit.ends_with(suffix));
    let unit = if complete { unit.to_owned() } else { format!("{unit}.service") };
    Some(ServiceSettings::Systemd { unit, timeout })
}
