//! Reads the parts of a target that make its policy.

use std::time::Duration;

use jiff::civil::Weekday;
use jiff::tz::TimeZone;

use super::codes;
use super::duration::written;
use super::piece::{Fields, Piece};
use super::problems::{Problems, shown};
use super::schema;
use super::written::Value;
use crate::engine::window::{Days, Hours, Kind, Verdict, Window, Windows};
use crate::name::Glob;
use crate::plan::policy::{Drift, Limits, OnBlocked, OnDrift, RestartPolicy, Share, Unlisted};

/// Everything of a policy that is written in the target itself.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) unlisted: Unlisted,
    pub(super) ignored: Vec<Glob>,
    pub(super) protected: Vec<Glob>,
    pub(super) drift: Drift,
    pub(super) guards: Limits,
    pub(super) on_blocked: OnBlocked,
    pub(super) restart: RestartPolicy,
    pub(super) windows: Windows,
    pub(super) refresh: Duration,
}

impl Rules {
    /// The rules of a target that says nothing about them.
    pub(super) fn standard(timezone: &TimeZone) -> Self {
        Self {
            unlisted: Unlisted::default(),
            ignored: Vec::new(),
            protected: Vec::new(),
            drift: Drift::default(),
            guards: Limits::default(),
            on_blocked: OnBlocked::default(),
            restart: RestartPolicy::default(),
            windows: Windows::new(&[], timezone.clone()),
            refresh: Duration::from_mins(1),
        }
    }
}

/// Reads them; what is wrong or not written keeps its default.
pub(super) fn read(target: Fields<'_>, timezone: &TimeZone, problems: &mut Problems<'_>) -> Rules {
    let mut rules = Rules::standard(timezone);
    let unlisted = [("keep", Unlisted::Keep), ("disable", Unlisted::Disable)];
    set(&mut rules.unlisted, target.get("unlisted").and_then(|field| field.word(&unlisted, problems)));
    rules.ignored = globs(target.get("ignored"), problems);
    rules.protected = globs(target.get("protected"), problems);
    if let Some(field) = target.get("drift") {
        drift(field, &mut rules.drift, problems);
    }
    if let Some(field) = target.get("guards") {
        guards(field, &mut rules.guards, problems);
    }
    let on_blocked = [("enable", OnBlocked::Enable), ("all", OnBlocked::All)];
    set(&mut rules.on_blocked, target.get("on_blocked").and_then(|field| field.word(&on_blocked, problems)));
    if let Some(field) = target.get("restart") {
        restart(field, &mut rules.restart, problems);
    }
    if let Some(field) = target.get("windows") {
        set(&mut rules.windows, windows(field, timezone, problems));
    }
    set(&mut rules.refresh, target.get("refresh").and_then(|field| field.some_duration(problems)));
    rules
}

/// Overwrites a default with what was written.
pub(super) fn set<T>(value: &mut T, written: Option<T>) {
    if let Some(written) = written {
        *value = written;
    }
}

fn globs(field: Option<Piece<'_>>, problems: &mut Problems<'_>) -> Vec<Glob> {
    let Some(field) = field else { return Vec::new() };
    if let Value::Text(text) = &field.node.value {
        let message = format!("`{}` must be a list of patterns, not text", field.name);
        problems
            .error(codes::WRONG_TYPE, field.node.at, message)
            .help(format!("write `[\"{}\"]`", shown(text)));
        return Vec::new();
    }
    let items = field.items("a list of patterns", problems).unwrap_or_default();
    items.into_iter().filter_map(|item| item.text(problems)).map(Glob::new).collect()
}

fn drift(of: Piece<'_>, drift: &mut Drift, problems: &mut Problems<'_>) {
    let Some(fields) = Fields::open(of, schema::DRIFT, problems) else { return };
    let words = [("restore", OnDrift::Restore), ("report", OnDrift::Report)];
    for (name, value) in
        [("enabled_by_hand", &mut drift.enabled_by_hand), ("disabled_by_hand", &mut drift.disabled_by_hand)]
    {
        set(value, fields.get(name).and_then(|field| field.word(&words, problems)));
    }
}

fn guards(of: Piece<'_>, limits: &mut Limits, problems: &mut Problems<'_>) {
    let Some(fields) = Fields::open(of, schema::GUARDS, problems) else { return };
    for (name, value) in [("max_disable", &mut limits.max_disable), ("max_enable", &mut limits.max_enable)] {
        if let Some(field) = fields.get(name) {
            share(field, value, problems);
        }
    }
    let max_changes = fields.get("max_changes").and_then(|field| field.integer(1, i64::MAX, problems));
    set(&mut limits.max_changes, max_changes.map(i64::unsigned_abs));
    set(&mut limits.first_contact, fields.get("first_contact").and_then(|field| field.flag(problems)));
    for (name, value) in [
        ("shrunk_input", &mut limits.shrunk_input),
        ("shrunk_live", &mut limits.shrunk_live),
        ("unreadable", &mut limits.unreadable),
    ] {
        set(value, fields.get(name).and_then(|field| field.percent(problems)));
    }
}

fn share(of: Piece<'_>, share: &mut Share, problems: &mut Problems<'_>) {
    let Some(fields) = Fields::open(of, schema::SHARE, problems) else { return };
    set(&mut share.percent, fields.get("percent").and_then(|field| field.percent(problems)));
    let always_allow = fields.get("always_allow").and_then(|field| field.integer(0, i64::MAX, problems));
    set(&mut share.always_allow, always_allow.map(i64::unsigned_abs));
}

fn restart(of: Piece<'_>, policy: &mut RestartPolicy, problems: &mut Problems<'_>) {
    let Some(fields) = Fields::open(of, schema::RESTART, problems) else { return };
    let names = ["quiet", "max_delay", "min_interval"];
    let mut all_read = true;
    for (name, value) in
        names.into_iter().zip([&mut policy.quiet, &mut policy.max_delay, &mut policy.min_interval])
    {
        if let Some(field) = fields.get(name) {
            let duration = field.duration(problems);
            all_read &= duration.is_some();
            set(value, duration);
        }
    }
    if !all_read {
        return;
    }
    let RestartPolicy { quiet, max_delay, min_interval } = *policy;
    for (name, least) in [("min_interval", min_interval), ("quiet", quiet)] {
        if max_delay < least {
            too_early(fields, ("max_delay", max_delay), (name, least), problems);
        }
    }
}

/// Reports that `late` comes before `early`, at the one that is written.
pub(super) fn too_early(
    fields: Fields<'_>,
    late: (&str, Duration),
    early: (&str, Duration),
    problems: &mut Problems<'_>,
) {
    let at = [late.0, early.0].into_iter().find_map(|name| fields.get(name));
    let at = at.map_or(fields.whole().node.at, |field| field.node.at);
    let of = |name| if fields.get(name).is_some() { "" } else { " by default" };
    let message = format!(
        "`{}` is {}{}, but `{}` is {}{}",
        late.0,
        written(late.1),
        of(late.0),
        early.0,
        written(early.1),
        of(early.0)
    );
    problems
        .error(codes::LATE_BEFORE_EARLY, at, message)
        .help(format!("`{}` must be at least as long as `{}`: write both", late.0, early.0));
}

fn windows(of: Piece<'_>, timezone: &TimeZone, problems: &mut Problems<'_>) -> Option<Windows> {
    if let Value::Text(text) = &of.node.value
        && text == "always"
    {
        return Some(Windows::new(&[], timezone.clone()));
    }
    let items = of.items("`always` or a list of windows", problems)?;
    if items.is_empty() {
        problems
            .error(codes::OUT_OF_RANGE, of.node.at, "`windows` may not be an empty list")
            .help("write `windows: always`");
        return None;
    }
    let windows: Vec<_> = items.into_iter().map(|item| window(item, problems)).collect();
    let windows = Windows::new(&windows.into_iter().collect::<Option<Vec<_>>>()?, timezone.clone());
    for (what, name) in [(Kind::Restarts, "restarts"), (Kind::Writes, "writes")] {
        if windows.never(what) {
            problems
                .warning(codes::NEVER_OPEN, Some(of.node.at), format!("these windows never allow {name}"))
                .help("shorten the windows that deny them");
        }
    }
    Some(windows)
}

fn window(of: Piece<'_>, problems: &mut Problems<'_>) -> Option<Window> {
    let fields = Fields::open(of, schema::WINDOW, problems)?;
    let choice = match (fields.get("allow"), fields.get("deny")) {
        (Some(field), None) => Some((Verdict::Allow, field)),
        (None, Some(field)) => Some((Verdict::Deny, field)),
        (Some(_), Some(deny)) => {
            problems
                .error(codes::DOUBLED_FIELD, deny.key, "a window either allows or denies")
                .help("write two windows");
            None
        }
        (None, None) => {
            problems
                .error(codes::MISSING_FIELD, of.node.at, "missing field `allow` or `deny`")
                .help("write for example `{allow: restarts, at: \"22:00-02:00\"}`");
            None
        }
    };
    let words: [(&str, &[Kind]); 3] = [
        ("restarts", &[Kind::Restarts]),
        ("writes", &[Kind::Writes]),
        ("all", &[Kind::Restarts, Kind::Writes]),
    ];
    let kinds = choice.and_then(|(_, field)| every(field, &words, problems));
    let at = fields.need("at", "write for example `at: \"22:00-02:00\"`", problems);
    let hours = at.and_then(|field| match field.text(problems)?.parse::<Hours>() {
        Ok(hours) => Some(hours),
        Err(problem) => {
            problems.error(codes::BAD_HOURS, field.node.at, problem.to_string());
            None
        }
    });
    let names = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let days: Vec<_> = names.into_iter().zip(Weekday::Monday.cycle_forward()).collect();
    let days = match fields.get("days") {
        Some(field) => every(field, &days, problems).map(Days::from_iter),
        None => Some(Days::EVERY),
    };
    Some(Window {
        verdict: choice?.0,
        kinds: kinds?.into_iter().flatten().copied().collect(),
        days: days?,
        hours: hours?,
    })
}

/// Reads one word or a list of them.
fn every<T: Copy>(field: Piece<'_>, words: &[(&str, T)], problems: &mut Problems<'_>) -> Option<Vec<T>> {
    let items: Vec<_> =
        field.one_or_more(problems)?.into_iter().map(|item| item.word(words, problems)).collect();
    items.into_iter().collect()
}
