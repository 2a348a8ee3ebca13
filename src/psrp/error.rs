//! What can go wrong between a client and an endpoint, and what to do about it.

use std::time::Duration;

use super::record::ErrorRecord;
use super::wsman::Fault;

/// What to do about a failure that may pass by itself.
pub(super) const AGAIN: &str = "try again; `popgate run` does so by itself";

/// A failure of a session, not of a command in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Error {
    /// What kind of failure.
    pub kind: Kind,
    /// What was attempted and what came of it, for a person; never a secret.
    pub what: String,
    /// What to do about it; empty when there is nothing to say.
    pub help: String,
    /// The request did not get there, or got a whole answer that refuses it: nothing came of it.
    pub in_vain: bool,
}

/// What kind of failure; whoever must act differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The settings cannot work.
    Settings,
    /// The secret could not be had.
    Secret,
    /// Nobody answers there, or hung up.
    Unreachable,
    /// The certificate, or TLS altogether.
    Tls,
    /// No answer in time.
    Late,
    /// The name or the password, or the method is not offered.
    Unauthorised,
    /// Known, but not allowed.
    Forbidden,
    /// Something else lives at this address.
    WrongAddress,
    /// Too many sessions of this account.
    SessionLimit,
    /// Asked to wait.
    Throttled {
        /// How long, if it was said.
        retry_after: Option<Duration>,
    },
    /// The server does not know the session any more.
    SessionLost,
    /// The server is there, and not well.
    Unwell,
    /// The answer cannot be understood.
    Protocol,
    /// A long poll ended with nothing to say. Nobody outside sees it.
    Empty,
    /// The server refuses, with a number that has no remedy here.
    Refused {
        /// The number of the fault.
        code: u32,
    },
}

impl Kind {
    /// Tells whether trying again later may help without anybody doing anything.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unreachable
                | Self::Late
                | Self::SessionLimit
                | Self::Throttled { .. }
                | Self::SessionLost
                | Self::Unwell
                | Self::Protocol
        )
    }
}

impl Error {
    pub(super) fn new(kind: Kind, what: impl Into<String>, help: impl Into<String>) -> Self {
        Self { kind, what: what.into(), help: help.into(), in_vain: false }
    }

    /// Says that nothing came of the request.
    pub(super) fn in_vain(self) -> Self {
        Self { in_vain: true, ..self }
    }

    /// The process ends; what became of the request was not heard.
    pub(super) fn interrupted() -> Self {
        Self::new(Kind::SessionLost, "it was interrupted", "")
    }

    /// The other side's words make no sense.
    pub(super) fn protocol(what: impl std::fmt::Display) -> Self {
        Self::new(
            Kind::Protocol,
            format!("the server's answer cannot be understood: {what}"),
            "look whether a proxy stands between, and whether the URL is that of PowerShell remoting",
        )
    }

    /// What a fault means.
    pub(super) fn of_fault(doing: &str, fault: &Fault) -> Self {
        Self::fault(doing, fault).in_vain()
    }

    /// The server gave a request up that is no open question. Whether anything came of it, it does not say.
    pub(super) fn given_up(self) -> Self {
        Self { kind: Kind::Late, help: AGAIN.to_owned(), in_vain: false, ..self }
    }

    fn fault(doing: &str, fault: &Fault) -> Self {
        let said = if fault.reason.is_empty() { fault.name.as_str() } else { fault.reason.as_str() };
        // Our own sentence goes on behind it.
        let said = said.trim().trim_end_matches('.');
        let what = match fault.code {
            0 => format!("{doing}: {said}"),
            code => format!("{doing}: fault {code}: {said}"),
        };
        if let Some(kind) = limit(said) {
            let help = limit_help(&kind);
            return Self::new(kind, what, help);
        }
        match fault.code {
            // ERROR_WSMAN_OPERATION_TIMEDOUT
            2_150_858_793 => Self::new(Kind::Empty, what, ""),
            // ERROR_WSMAN_INVALID_RESOURCE_URI
            2_150_858_811 => Self::new(
                Kind::WrongAddress,
                what,
                "the server has no configuration of that name at this URL: Exchange's is Microsoft.Exchange at \
                 /PowerShell/, Windows' own is Microsoft.PowerShell at /wsman, and one of your own has to be \
                 registered on that server",
            ),
            // ERROR_WSMAN_INVALID_SELECTORS and ERROR_WINRS_SHELL_NOT_FOUND in its words
            2_150_858_843 => Self::new(
                Kind::SessionLost,
                what,
                "the server lost the session, or a load balancer sent us to another one that never had it; name one \
                 server, or let the balancer keep a client's cookie (MS-WSMAN)",
            ),
            // ERROR_WSMAN_QUOTA_MAX_SHELLS_USERS, whatever language its words are in
            2_150_859_173 => Self::new(Kind::SessionLimit, what, limit_help(&Kind::SessionLimit)),
            // ERROR_ACCESS_DENIED, and the same as HRESULT
            5 | 2_147_942_405 => Self::forbidden(what),
            code if fault.name == "TimedOut" => Self::new(
                if code == 0 { Kind::Empty } else { Kind::Unwell },
                what,
                "the server is busy; try again, as `popgate run` does by itself",
            ),
            _ if fault.name == "AccessDenied" => Self::forbidden(what),
            code => Self::new(
                Kind::Refused { code },
                what,
                format!("`winrm helpmsg 0x{code:x}` on a Windows machine says what the number means"),
            ),
        }
    }

    /// What it means that a pool broke.
    pub(super) fn of_pool(record: Option<&ErrorRecord>) -> Self {
        let said = record.map_or("no reason given", |record| record.message.as_str());
        let what = format!("the server closed the session: {said}");
        match limit(said) {
            Some(kind) => {
                let help = limit_help(&kind);
                Self::new(kind, what, help)
            }
            None => Self::new(Kind::SessionLost, what, AGAIN),
        }
    }

    fn forbidden(what: String) -> Self {
        Self::new(
            Kind::Forbidden,
            what,
            "the account may not open a session here: Exchange wants a role group and \
             `Set-User NAME -RemotePowerShellEnabled $true`, Windows a member of Remote Management Users or a JEA \
             role",
        )
    }
}

fn limit_help(kind: &Kind) -> &'static str {
    match kind {
        Kind::SessionLimit => {
            "the account holds all its sessions (18 by default): close others, lower `sessions`, or wait until the \
             abandoned ones expire"
        }
        _ => "the server asks to be left alone for a while; then try again, as `popgate run` does by itself",
    }
}

/// Recognises the words of a limit: too many sessions, or too much work.
pub fn limit(text: &str) -> Option<Kind> {
    let lower = text.to_ascii_lowercase();
    let has = |part: &str| lower.contains(part);
    if has("maxconcurrency") || has("maximum number of connections allowed") || has("concurrent shells") {
        return Some(Kind::SessionLimit);
    }
    let throttled = has("load quota")
        || has("throttl")
        || has("budget")
        || has("retry after")
        || has("overbudgetexception")
        || has("will not be approved for at least");
    throttled.then(|| Kind::Throttled { retry_after: retry_after(&lower) })
}

/// Reads how long to wait: a number after `at least`, `retry after` or `back off`, with its unit.
fn retry_after(lower: &str) -> Option<Duration> {
    ["at least", "retry after", "retry-after", "back off", "backoff"].into_iter().find_map(|words| {
        let (_, from) = lower.split_once(words)?;
        let from = from.trim_start_matches(|character: char| !character.is_ascii_digit() && character != '.');
        let digits: String = from.chars().take_while(char::is_ascii_digit).collect();
        let number: u64 = digits.parse().ok()?;
        let unit = from[digits.len()..].trim_start();
        let duration = if unit.starts_with("mi") && !unit.starts_with("mil") {
            Duration::from_secs(number.checked_mul(60)?)
        } else if unit.starts_with("ms") || unit.starts_with("mil") {
            Duration::from_millis(number)
        } else {
            Duration::from_secs(number)
        };
        // Whoever says a week means something else, or wants us silent.
        Some(duration.min(Duration::from_hours(1)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_limits_are_known() {
        let full = "Fail to create a runspace because you have exceeded the maximum number of connections allowed: 18 \
                    for the policy party : MaxConcurrency. Please close existing runspace and try again.";
        assert_eq!(limit(full), Some(Kind::SessionLimit));
        assert_eq!(
            limit("This user is allowed a maximum of 18 concurrent shells, which has been exceeded."),
            Some(Kind::SessionLimit)
        );
        let wait = |text: &str| match limit(text) {
            Some(Kind::Throttled { retry_after }) => retry_after,
            other => panic!("{text}: {other:?}"),
        };
        let quota = "The user load quota of 500 requests per 10 seconds has been exceeded. The next request from this \
                     user will not be approved for at least 7345 milliseconds";
        assert_eq!(wait(quota), Some(Duration::from_millis(7345)));
        assert_eq!(wait("Throttled. Retry after 250 ms."), Some(Duration::from_millis(250)));
        assert_eq!(
            wait("Micro delay applied, throttled: retry after 3 minutes"),
            Some(Duration::from_mins(3))
        );
        assert_eq!(wait("retry after 99999999999 s, throttled"), Some(Duration::from_hours(1)));
        assert_eq!(wait("OverBudgetException"), None);
        assert_eq!(limit("The operation couldn't be performed because object 'x' couldn't be found"), None);
    }

    #[test]
    fn too_many_sessions_are_known_by_their_number_in_every_language() {
        let reason = "Es wurden zu viele Sitzungen geöffnet".to_owned();
        let fault = Fault { code: 2_150_859_173, name: "QuotaLimit".into(), reason };
        let error = Error::of_fault("opening a session", &fault);
        assert_eq!(error.kind, Kind::SessionLimit);
        assert!(error.help.contains("`sessions`") && error.in_vain, "{error:?}");
    }

    #[test]
    fn the_wrong_url_is_explained() {
        let fault =
            Fault { code: 2_150_858_811, name: "DestinationUnreachable".into(), reason: "No plug-in".into() };
        let error = Error::of_fault("opening a session", &fault);
        assert_eq!(error.kind, Kind::WrongAddress);
        assert!(error.help.contains("/PowerShell/"), "{}", error.help);
        assert_eq!(error.to_string(), "opening a session: fault 2150858811: No plug-in");
    }
}
