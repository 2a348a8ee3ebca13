//! A policy in words, rule by rule: what the journal keeps of it, and what is different from the last one.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Missing, OnBlocked, OnDrift, Policy, Share, Unlisted};
use crate::engine::window::Kind;
use crate::name::Glob;

/// Rules by name, each with its value in words.
pub type Rules = BTreeMap<String, String>;

/// One rule that is not what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedRule {
    /// The rule's name, as in the settings.
    pub rule: String,
    /// What it was.
    pub was: String,
    /// What it is.
    pub now: String,
}

/// Lists the rules that are not what they were. A rule that only one side knows belongs to another version of
/// popgate, and nobody changed it.
pub fn changed(was: &Rules, now: &Rules) -> Vec<ChangedRule> {
    let other = |(rule, now): (&String, &String)| {
        let was = was.get(rule).filter(|was| *was != now)?;
        Some(ChangedRule { rule: rule.clone(), was: was.clone(), now: now.clone() })
    };
    now.iter().filter_map(other).collect()
}

impl Policy {
    /// Returns every rule that decides what is written and when, by its name in the settings.
    ///
    /// `first_contact` is left out: it asks only once, and a command that a person runs never waits for it.
    pub fn rules(&self) -> Rules {
        let share = |share: Share| format!("{} % or {}", share.percent, share.always_allow);
        let percent = |percent: u8| format!("{percent} %");
        let guards = &self.guards;
        let rules = [
            ("unlisted", unlisted(self.unlisted).to_owned()),
            ("missing", missing(self.missing).to_owned()),
            ("ignored", globs(&self.ignored)),
            ("protected", globs(&self.protected)),
            ("drift.enabled_by_hand", drift(self.drift.enabled_by_hand).to_owned()),
            ("drift.disabled_by_hand", drift(self.drift.disabled_by_hand).to_owned()),
            ("guards.max_disable", share(guards.max_disable)),
            ("guards.max_enable", share(guards.max_enable)),
            ("guards.max_changes", guards.max_changes.to_string()),
            ("guards.shrunk_input", percent(guards.shrunk_input)),
            ("guards.shrunk_live", percent(guards.shrunk_live)),
            ("guards.unreadable", percent(guards.unreadable)),
            ("on_blocked", on_blocked(self.on_blocked).to_owned()),
            ("timezone", self.timezone.iana_name().unwrap_or("fixed").to_owned()),
            ("restart.quiet", duration(self.restart.quiet)),
            ("restart.max_delay", duration(self.restart.max_delay)),
            ("restart.min_interval", duration(self.restart.min_interval)),
            ("windows for restarts", self.windows.in_words(Kind::Restarts)),
            ("windows for writes", self.windows.in_words(Kind::Writes)),
        ];
        rules.into_iter().map(|(rule, value)| (rule.to_owned(), value)).collect()
    }
}

fn globs(globs: &[Glob]) -> String {
    if globs.is_empty() {
        return "nobody".to_owned();
    }
    globs.iter().map(Glob::as_str).collect::<Vec<_>>().join(", ")
}

fn duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    if millis.is_multiple_of(1000) { format!("{} s", millis / 1000) } else { format!("{millis} ms") }
}

fn unlisted(unlisted: Unlisted) -> &'static str {
    match unlisted {
        Unlisted::Keep => "keep",
        Unlisted::Disable => "disable",
    }
}

fn missing(missing: Missing) -> &'static str {
    match missing {
        Missing::Report => "report",
        Missing::Create => "create",
    }
}

fn drift(drift: OnDrift) -> &'static str {
    match drift {
        OnDrift::Restore => "restore",
        OnDrift::Report => "report",
    }
}

fn on_blocked(on_blocked: OnBlocked) -> &'static str {
    match on_blocked {
        OnBlocked::Enable => "enable",
        OnBlocked::All => "all",
    }
}
