//! The settings of the store `exchange`: where the organisation is, as whom, and which part of it.

use std::path::Path;
use std::time::Duration;

use super::piece::{Fields, Piece};
use super::problems::{Problems, shown};
use super::{codes, remoting};
use crate::name::Glob;
use crate::psrp::Endpoint;
use crate::stores::exchange::{Organisation, Scope};

/// How often the organisation is read again, unless the settings say otherwise.
pub(super) const REFRESH: Duration = Duration::from_hours(1);

/// Exchange's own configuration.
const CONFIGURATION: &str = "Microsoft.Exchange";

/// The most sessions: Exchange allows an account 18, and somebody else wants some.
const MOST_SESSIONS: i64 = 16;

/// Reads the store.
pub(super) fn read(fields: Fields<'_>, base: &Path, problems: &mut Problems<'_>) -> Option<Organisation> {
    let name = fields
        .get("configuration")
        .map_or_else(|| Some(CONFIGURATION.to_owned()), |field| remoting::configuration(field, problems));
    let endpoint = name.and_then(|name| remoting::endpoint(fields, "", &name, None, base, problems));
    let help = "write for example `url: \"https://ex01.contoso.example/PowerShell/\"`";
    let auth = endpoint.as_ref().map(|endpoint| &endpoint.auth);
    let url = fields.need("url", help, problems).and_then(|field| remoting::url(field, auth, problems));
    let scope = fields.get("scope").map_or(Some(Scope::Domain), |field| scope(field, problems));
    let sessions = fields.get("sessions").and_then(|field| field.integer(1, MOST_SESSIONS, problems));
    let within = fields.get("timeout").and_then(|field| field.some_duration(problems));
    let look_ups = fields.get("look_ups").and_then(|field| field.integer(0, 10_000, problems));
    let wait = fields.get("replication_wait").and_then(|field| field.duration(problems));
    let standard = Organisation::new(Endpoint { url: url?, ..endpoint? });
    let natural = |number: i64| usize::try_from(number).ok();
    Some(Organisation {
        scope: scope?,
        sessions: sessions.and_then(natural).unwrap_or(standard.sessions),
        within: within.unwrap_or(standard.within),
        look_ups: look_ups.and_then(natural).unwrap_or(standard.look_ups),
        replication_wait: wait.unwrap_or(standard.replication_wait),
        ..standard
    })
}

fn scope(field: Piece<'_>, problems: &mut Problems<'_>) -> Option<Scope> {
    match field.text(problems)? {
        "domain" => Some(Scope::Domain),
        "forest" => Some(Scope::Forest),
        unit if unit.contains(['/', '=']) => Some(Scope::Unit(unit.to_owned())),
        other => {
            problems
                .error(codes::WRONG_WORD, field.node.at, format!("`{}` is no scope", shown(other)))
                .help("write `domain`, `forest`, or a unit such as `contoso.example/Users`");
            None
        }
    }
}

/// Returns the accounts that are never written, whatever the settings say: the administrator, by whom an organisation is
/// mended; those by which Exchange watches itself; and popgate's own.
pub(super) fn never(organisation: &Organisation) -> Vec<Glob> {
    let own = organisation.endpoint.auth.username();
    ["Administrator", "*\\Administrator", "HealthMailbox*"].into_iter().chain(own).map(Glob::new).collect()
}

/// Tells whether two targets could write the same mailbox, as far as their settings show.
pub(super) fn overlap(a: &Organisation, b: &Organisation) -> bool {
    let host = |of: &Organisation| {
        let url = of.endpoint.url.to_ascii_lowercase();
        url.split("://").nth(1).and_then(|rest| rest.split(['/', ':']).next()).unwrap_or_default().to_owned()
    };
    let divided =
        matches!((&a.scope, &b.scope), (Scope::Unit(a), Scope::Unit(b)) if !a.eq_ignore_ascii_case(b));
    host(a) == host(b) && !divided
}
