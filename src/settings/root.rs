//! Reads a settings file from its top, without looking at a disk.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::tz::TimeZone;
use sha2::{Digest as _, Sha256};

use super::check::{self, Placed};
use super::nearest::nearest;
use super::piece::{Fields, Piece, doubled, from};
use super::policy::{self, set, too_early};
use super::problems::{Problems, shown};
use super::written::{self, Node, Value};
use super::{
    LogFormat, ServiceSettings, Settings, SnapshotFile, Target, Watch, codes, schema, service, source, store,
};
use crate::diagnostic::Diagnostic;
use crate::model::Digest;
use crate::psrp::{Auth, Endpoint};

/// The most bytes a settings file may have.
pub(super) const LIMIT: usize = 256 * 1024;

/// Reads and validates a settings file. `path` is the file as a person would name it; `base` is the directory that
/// relative paths start from.
///
/// # Errors
/// Every problem of the file, in order of place, warnings among them.
pub fn read(text: &str, path: &str, base: &Path) -> Result<Settings, Vec<Diagnostic>> {
    read_with(text, path, base, None, &check::lexical)
}

/// Like [`read`], with another state directory than the file says, and `real` to make paths comparable.
pub(super) fn read_with(
    text: &str,
    path: &str,
    base: &Path,
    state: Option<&Path>,
    real: &dyn Fn(&Path) -> PathBuf,
) -> Result<Settings, Vec<Diagnostic>> {
    let fingerprint = fingerprint(text);
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut problems = Problems::new(path, text);
    let settings = if text.len() > LIMIT {
        problems
            .error_of_file(codes::TOO_LONG, format!("the settings file is longer than {} KiB", LIMIT / 1024))
            .help("users belong into the desired directory, not here");
        None
    } else {
        let root = written::read(text, &mut problems);
        root.and_then(|root| settings(&root, path, base, state, real, &mut problems))
    };
    let failed = problems.any_error();
    let found = problems.into_sorted();
    match settings {
        Some(settings) if !failed => Ok(Settings { fingerprint, warnings: found, ..settings }),
        _ => Err(found),
    }
}

/// Returns the digest over the bytes of a settings file.
pub(super) fn fingerprint(text: &str) -> Digest {
    Digest(Sha256::digest(text.as_bytes()).into())
}

fn settings(
    root: &Node,
    path: &str,
    base: &Path,
    state: Option<&Path>,
    real: &dyn Fn(&Path) -> PathBuf,
    problems: &mut Problems<'_>,
) -> Option<Settings> {
    let fields = Fields::open(Piece::root(root), schema::ROOT, problems)?;
    if let Some(field) = fields.get("version") {
        version(field, problems);
    }
    let state_field = fields.get("state");
    let written_state = state_field.and_then(|field| field.text(problems));
    let state_at = state_field.filter(|_| state.is_none()).map(|field| field.node.at);
    let state = state.map_or_else(|| from(base, written_state.unwrap_or(".popgate")), Path::to_path_buf);
    let timezone =
        fields.get("timezone").and_then(|field| timezone(field, problems)).unwrap_or(TimeZone::UTC);
    let placed = if let Some(field) = fields.get("targets") {
        targets(field, base, &timezone, problems)
    } else {
        let target = Target::embedded(base, &state, &timezone);
        vec![Placed { desired: root.at, store: root.at, snapshot: None, target }]
    };
    let watch = fields.get("watch").map_or_else(Watch::default, |field| watch(field, problems));
    let notify = fields.get("notify").and_then(|field| {
        let fields = Fields::open(field, schema::NOTIFY, problems)?;
        let command = fields.need(
            "command",
            "write for example `command: [/usr/local/bin/page-mail-team]`",
            problems,
        )?;
        command.command(problems).map(|argv| service::argv(argv, base))
    });
    let web = fields.get("web").and_then(|field| {
        let fields = Fields::open(field, schema::WEB, problems)?;
        listen(fields.need("listen", "write for example `listen: \"127.0.0.1:9477\"`", problems)?, problems)
    });
    if let Some(field) = fields.get("web").filter(|_| web.is_some()) {
        problems
            .warning(
                codes::NOT_BUILT_IN,
                Some(field.key),
                "`web` is not built into this version: it has no effect",
            )
            .help("remove it, so that nobody relies on it");
    }
    let log = fields.get("log").and_then(|field| {
        let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
        Fields::open(field, schema::LOG, problems)?.get("format")?.word(&formats, problems)
    });
    check::directories(&placed, &state, state_at, real, problems);
    check::settings_file(&placed, Path::new(path), real, problems);
    check::shared_stores(&placed, real, problems);
    check::snapshots(&placed, real, problems);
    Some(Settings {
        path: Some(PathBuf::from(path)),
        state,
        timezone,
        targets: placed
            .into_iter()
            .map(|placed| (placed.target.policy.target.clone(), placed.target))
            .collect(),
        watch,
        notify,
        web,
        log: log.unwrap_or_default(),
        fingerprint: fingerprint(""),
        warnings: Vec::new(),
    })
}

fn version(field: Piece<'_>, problems: &mut Problems<'_>) {
    match &field.node.value {
        Value::Integer(1, _) => {}
        Value::Integer(_, text) | Value::Number(text) | Value::Text(text) => {
            let message = format!("unknown version `{}` of the settings", shown(text));
            problems
                .error(codes::BAD_VERSION, field.node.at, message)
                .help("this popgate reads `version: 1`");
        }
        _ => field.wrong::<()>("the number 1", problems).unwrap_or_default(),
    }
}

fn timezone(field: Piece<'_>, problems: &mut Problems<'_>) -> Option<TimeZone> {
    let name = field.text(problems)?;
    if let Ok(timezone) = TimeZone::get(name) {
        return Some(timezone);
    }
    let report = problems.error(
        codes::UNKNOWN_TIME_ZONE,
        field.node.at,
        format!("unknown time zone `{}`", shown(name)),
    );
    let help = match similar_zone(name) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "write it as in the IANA database, such as `Asia/Taipei` or `UTC`".to_owned(),
    };
    report.help(help);
    None
}

/// People forget the continent, so the city alone is compared as well.
fn similar_zone(name: &str) -> Option<String> {
    let zones: Vec<_> = jiff::tz::db().available().map(|zone| zone.as_str().to_owned()).collect();
    let city = |zone: &'_ str| zone.rsplit('/').next().unwrap_or_default().to_owned();
    if let Some(zone) = nearest(name, zones.iter().map(String::as_str)) {
        return Some(zone.to_owned());
    }
    let cities: Vec<_> =
        zones.iter().filter(|zone| zone.contains('/')).map(|zone| (city(zone), zone)).collect();
    let meant = nearest(&city(name), cities.iter().map(|(city, _)| city.as_str()))?;
    cities.iter().filter(|(city, _)| city == meant).map(|(_, zone)| (*zone).clone()).min()
}

fn targets(of: Piece<'_>, base: &Path, timezone: &TimeZone, problems: &mut Problems<'_>) -> Vec<Placed> {
    let Value::Map(entries) = &of.node.value else {
        of.wrong::<()>("a map of targets by name", problems);
        return Vec::new();
    };
    if entries.is_empty() {
        problems
            .error(codes::NO_TARGET, of.key, "`targets` names no target")
            .help("name one, or remove `targets` to use the target `default`");
    }
    let mut first = BTreeMap::new();
    let mut found = Vec::new();
    for (key, node) in entries {
        if let Some(first) = first.insert(&key.text, key) {
            doubled(first, key, problems);
        }
        if !is_target_name(&key.text) {
            problems
                .error(
                    codes::BAD_TARGET_NAME,
                    key.at,
                    format!("`{}` cannot be the name of a target", shown(&key.text)),
                )
                .help("letters, digits, `-`, `_` and `.`, at most 64, beginning with a letter or digit");
        }
        found.extend(target(Piece::new(key, node), base, timezone, problems));
    }
    found
}

fn is_target_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

fn target(of: Piece<'_>, base: &Path, timezone: &TimeZone, problems: &mut Problems<'_>) -> Option<Placed> {
    let fields = Fields::open(of, schema::TARGET, problems)?;
    let desired = fields.need("desired", "write the directory: `desired: desired-state`", problems);
    let store = fields.need("store", "write for example `store: {type: sqlite, path: pop3.db}`", problems);
    let help = "write `service: {type: none}` if the mail server sees changes by itself";
    let service = fields.need("service", help, problems);
    let source = desired.and_then(|field| source::read(field, base, problems));
    let settings = store.and_then(|field| store::read(field, base, problems));
    // A store that is wrong is told once; what leans on it is looked at as if it were right.
    let unread = store.is_some() && settings.is_none();
    let unread = unread.then(|| Endpoint::new(String::new(), String::new(), Auth::ticket()));
    let organisation = settings.as_ref().map_or(unread.as_ref(), |store| store.organisation());
    let service_field = service;
    let service = service.and_then(|field| service::read(field, organisation, base, problems));
    if let (Some(field), Some(true), None) =
        (service_field, service.as_ref().map(ServiceSettings::needs_windows), fields.get("windows"))
    {
        problems
            .error(
                codes::NO_WINDOW,
                field.key,
                "Exchange without `windows`: when may its services be restarted?",
            )
            .help("write `windows: [{allow: restarts, at: \"22:00-02:00\"}]`, or `windows: always`");
    }
    let mut rules = policy::read(fields, timezone, problems);
    if let Some(settings) = &settings {
        rules.protected.extend(settings.never());
        set(&mut rules.refresh, settings.refresh().filter(|_| fields.get("refresh").is_none()));
    }
    let snapshot = fields.get("snapshot").map(|field| (field, snapshot(field, base, problems)));
    let mut target = Target::new(of.name, source?, settings?, service?, rules, timezone);
    let snapshot_at = snapshot.as_ref().map(|(field, _)| field.node.at);
    target.snapshot = snapshot.and_then(|(_, file)| file);
    Some(Placed { desired: desired?.node.at, store: store?.node.at, snapshot: snapshot_at, target })
}

fn snapshot(of: Piece<'_>, base: &Path, problems: &mut Problems<'_>) -> Option<SnapshotFile> {
    let fields = Fields::open(of, schema::SNAPSHOT, problems)?;
    let interval = fields.get("interval").and_then(|field| field.some_duration(problems));
    let path = fields.need("path", "write for example `path: /srv/popgate/snapshot.json`", problems);
    let path = from(base, path?.text(problems)?);
    Some(SnapshotFile { path, interval: interval.unwrap_or(Duration::from_hours(1)) })
}

fn watch(of: Piece<'_>, problems: &mut Problems<'_>) -> Watch {
    let mut watch = Watch::default();
    let Some(fields) = Fields::open(of, schema::WATCH, problems) else { return watch };
    let mut all_read = true;
    for (name, value) in
        [("quiet", &mut watch.quiet), ("max_wait", &mut watch.max_wait), ("resync", &mut watch.resync)]
    {
        if let Some(field) = fields.get(name) {
            let duration =
                if name == "quiet" { field.duration(problems) } else { field.some_duration(problems) };
            all_read &= duration.is_some();
            set(value, duration);
        }
    }
    if all_read && watch.max_wait < watch.quiet {
        too_early(fields, ("max_wait", watch.max_wait), ("quiet", watch.quiet), problems);
    }
    watch
}

fn listen(field: Piece<'_>, problems: &mut Problems<'_>) -> Option<SocketAddr> {
    let (Value::Text(text) | Value::Integer(_, text)) = &field.node.value else {
        return field.wrong("an IP address and a port", problems);
    };
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let port = text.rsplit(':').next().unwrap_or_default();
    let help = match (port.parse::<u16>(), text.strip_suffix(port)) {
        (Ok(port), Some("" | ":" | "localhost:")) => format!("write \"127.0.0.1:{port}\""),
        _ => "write an IP address and a port: \"127.0.0.1:9477\" or \"[::1]:9477\"".to_owned(),
    };
    problems
        .error(
            codes::BAD_ADDRESS,
            field.node.at,
            format!("`{}` is not an IP address with a port", shown(text)),
        )
        .help(help);
    None
}
