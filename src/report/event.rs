//! Events for a notification: what somebody has to look at, as JSON.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::harmless;
use super::json::FORMAT_VERSION;
use super::notice::sentence;
use crate::engine::effect::Notice;
use crate::model::Outcome;
use crate::services::Instance;

/// How many problems of a desired state an event names.
const MOST_PROBLEMS: usize = 10;

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A guard holds a plan back.
    Blocked,
    /// Something failed: a store, a write, a restart, the journal.
    Failed,
    /// The desired state has errors.
    Invalid,
    /// A restart could have happened and did not.
    Overdue,
    /// A restart is proven.
    Settled,
}

impl Kind {
    /// Returns the word in the JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::Failed => "failed",
            Self::Invalid => "invalid",
            Self::Overdue => "overdue",
            Self::Settled => "settled",
        }
    }
}

/// Tells what kind of event a notice is; `None` when nobody has to be told.
pub fn kind(notice: &Notice) -> Option<Kind> {
    let refused = |outcome: &Outcome| match outcome {
        Outcome::NotApplied(fault) => !fault.is_transient(),
        _ => false,
    };
    match notice {
        Notice::Blocked { .. } => Some(Kind::Blocked),
        Notice::Invalid { .. } => Some(Kind::Invalid),
        Notice::Settled { .. } => Some(Kind::Settled),
        Notice::Manual { .. } => Some(Kind::Overdue),
        Notice::BatchEnded { outcomes, .. } if outcomes.iter().any(|(_, outcome)| refused(outcome)) => {
            Some(Kind::Failed)
        }
        Notice::StoreFailed { .. }
        | Notice::RestartFailed { .. }
        | Notice::NotReady { .. }
        | Notice::JournalFailed { .. } => Some(Kind::Failed),
        _ => None,
    }
}

/// Returns the service and instance that a notice is about.
pub fn instance(notice: &Notice) -> Option<(&str, &Instance)> {
    match notice {
        Notice::Settled { service, instance, .. }
        | Notice::RestartFailed { service, instance, .. }
        | Notice::NotReady { service, instance, .. }
        | Notice::Manual { service, instance } => Some((service, instance)),
        _ => None,
    }
}

/// Puts an event into JSON; what does not apply is `null`.
pub fn json(kind: Kind, notice: &Notice, at: Timestamp) -> Value {
    let (target, plan) = match notice {
        Notice::Blocked { plan } => (Some(&plan.target), Some(plan.id.as_str())),
        Notice::Invalid { target, .. }
        | Notice::StoreFailed { target, .. }
        | Notice::BatchEnded { target, .. } => (Some(target), None),
        _ => (None, None),
    };
    let instance = instance(notice);
    let problems = match notice {
        Notice::Invalid { diagnostics, .. } => {
            let first = diagnostics.iter().take(MOST_PROBLEMS);
            Some(first.map(|found| harmless(&found.to_string())).collect::<Vec<_>>())
        }
        _ => None,
    };
    json!({
        "format_version": FORMAT_VERSION,
        "event": kind.word(),
        "at": at,
        "target": target,
        "plan_id": plan,
        "problems": problems,
        "server": instance.map(|(_, instance)| &instance.server),
        "service": instance.map(|(service, _)| service),
        "message": sentence(notice).1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::entry::Proof;

    #[test]
    fn an_event_says_what_where_and_when_and_ordinary_news_is_none() {
        let notice = Notice::Settled {
            service: "dovecot.service".to_owned(),
            instance: Instance::local("dovecot.service"),
            proof: Proof::Succeeded,
            unconfirmed: false,
            accounts: 2,
        };
        assert_eq!(
            json(kind(&notice).unwrap(), &notice, Timestamp::UNIX_EPOCH),
            json!({
                "format_version": "1.0",
                "event": "settled",
                "at": "1970-01-01T00:00:00Z",
                "target": null,
                "plan_id": null,
                "problems": null,
                "server": "localhost",
                "service": "dovecot.service",
                "message": "restart of dovecot.service settled: it reported success; 2 changes are effective",
            })
        );
        assert_eq!(kind(&Notice::StoreBack { target: "t".to_owned() }), None);
        assert_eq!(kind(&Notice::Progress { done: 1, of: 2 }), None);
    }
}
