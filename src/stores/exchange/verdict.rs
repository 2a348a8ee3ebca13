//! What an error or a warning of Exchange means for one mailbox, and what to do about it, in words.

use std::collections::BTreeMap;
use std::time::Duration;

use uuid::Uuid;

use crate::model::{Fault, Outcome};
use crate::psrp::error::limit;
use crate::psrp::{Error, ErrorRecord, Kind, Warning};
use crate::stores::StoreError;

/// What an error means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// No such object.
    NotFound,
    /// The name means several objects.
    Ambiguous,
    /// The account may not do that: to this object, or at all.
    Denied(&'static str),
    /// Exchange asks to wait.
    Wait(Option<Duration>),
    /// The controller cannot be reached.
    Controller,
    /// Anything else.
    Refused,
}

const OUT_OF_SCOPE: &str = "the object lies outside the write scope of popgate's role: widen the scope of the role \
                            assignment, or narrow popgate's `scope`";
const NO_RIGHTS: &str = "Active Directory refuses Exchange the change, most often because inheritance is off for an \
                         account of a protected group: give Exchange Trusted Subsystem the right, or ignore the account";
const NO_ROLE: &str = "the command or the parameter is not in any role of popgate's account: add it to Recipient \
                       Management, or to a role group with `Mail Recipients`";

impl Verdict {
    /// Judges an error record. Never by its text where a name will do: texts are translated.
    pub(super) fn of(error: &ErrorRecord) -> Self {
        let category = error.failure_category().unwrap_or_default();
        if error.is("ManagementObjectNotFoundException") {
            return Self::NotFound;
        }
        if error.is("ManagementObjectAmbiguousException") || error.is("ManagementObjectDuplicateException") {
            return Self::Ambiguous;
        }
        if error.is("CommandNotFoundException") || error.is("NamedParameterNotFound") {
            return Self::Denied(NO_ROLE);
        }
        if let Some(Kind::Throttled { .. } | Kind::SessionLimit) =
            limit(category).or_else(|| limit(&error.reason))
        {
            return Self::Wait(retry_after(&error.message));
        }
        let lower = error.message.to_ascii_lowercase();
        if error.is("OperationRequiresGroupManagerException") || lower.contains("write scope") {
            return Self::Denied(OUT_OF_SCOPE);
        }
        if error.is("ADOperationException")
            && (lower.contains("insuff_access") || lower.contains("access is denied"))
        {
            return Self::Denied(NO_RIGHTS);
        }
        if ["SuitabilityDirectoryException", "ADTransientException", "ServerNotFoundException"]
            .iter()
            .any(|name| error.is(name))
            || lower.contains("couldn't be contacted")
        {
            return Self::Controller;
        }
        match limit(&error.message) {
            Some(_) => Self::Wait(retry_after(&error.message)),
            None => Self::Refused,
        }
    }

    /// Returns the outcome for a change that met it.
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::NotFound => Outcome::Missing,
            other => Outcome::NotApplied(other.fault()),
        }
    }

    /// Returns all that the engine may look at.
    pub(super) fn fault(&self) -> Fault {
        match self {
            Self::NotFound | Self::Refused => Fault::Invalid,
            Self::Ambiguous => Fault::Ambiguous,
            Self::Denied(_) => Fault::Denied,
            Self::Wait(retry_after) => Fault::Transient { retry_after: *retry_after },
            Self::Controller => Fault::TRANSIENT,
        }
    }

    /// Says what to do about it.
    pub(super) fn remedy(&self) -> &'static str {
        match self {
            Self::NotFound => "the mailbox was deleted, or lies outside what popgate's account can see",
            Self::Ambiguous => "write a name that only one mailbox has: its address or its GUID",
            Self::Denied(why) => why,
            Self::Wait(_) => "Exchange asks to be left alone for a while; popgate does that, and tries again",
            Self::Controller => "the domain controller does not answer; another one is taken next time",
            Self::Refused => {
                "look at the mailbox with Get-CASMailbox, and try the same with Set-CASMailbox by hand"
            }
        }
    }
}

fn retry_after(text: &str) -> Option<Duration> {
    match limit(text) {
        Some(Kind::Throttled { retry_after }) => retry_after,
        _ => None,
    }
}

/// What a warning means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Caution {
    /// The mailbox had the access already; carries how the warning names it.
    NothingModified(String),
    /// There is more than was answered.
    Truncated,
    /// The object is corrupted; carries how the warning names it.
    Corrupted(String),
    /// Anything else.
    Other,
}

impl Caution {
    /// Judges a warning, which has nothing but its text; the session asks for English.
    pub(super) fn of(warning: &Warning) -> Self {
        let text = &warning.message;
        let lower = text.to_ascii_lowercase();
        if lower.contains("no settings of") && lower.contains("have been modified") {
            return Self::NothingModified(quoted(text).unwrap_or_default());
        }
        if lower.contains("has been corrupted") && lower.contains("inconsistent state") {
            let name = text
                .split_once("object ")
                .and_then(|(_, from)| Some(from.split_once(" has been corrupted")?.0));
            return Self::Corrupted(name.unwrap_or_default().trim_matches('\'').to_owned());
        }
        if lower.contains("more results available") || lower.contains("only the first") {
            return Self::Truncated;
        }
        Self::Other
    }
}

/// The text between the first single quote and the last: names may hold quotes themselves.
fn quoted(text: &str) -> Option<String> {
    let (_, from) = text.split_once('\'')?;
    let (name, _) = from.rsplit_once('\'')?;
    Some(name.to_owned())
}

/// Finds out which of the identities that were fed in each error is about; what cannot be told comes apart.
pub(super) fn attribute<'a>(
    errors: &'a [ErrorRecord],
    fed: &[Uuid],
    canonical: impl Fn(&str) -> Option<Uuid>,
) -> (BTreeMap<Uuid, &'a ErrorRecord>, Vec<&'a ErrorRecord>) {
    let (mut of, mut rest) = (BTreeMap::new(), Vec::new());
    for error in errors {
        let position =
            error.iteration.get(1).and_then(|position| usize::try_from(*position).ok()?.checked_sub(1));
        let guid = guids(&error.message)
            .find(|guid| fed.contains(guid))
            .or_else(|| quoted_parts(&error.message).find_map(&canonical))
            .or_else(|| fed.get(position?).copied());
        match guid {
            Some(guid) => drop(of.entry(guid).or_insert(error)),
            None => rest.push(error),
        }
    }
    (of, rest)
}

fn guids(text: &str) -> impl Iterator<Item = Uuid> {
    text.split(|c: char| !c.is_ascii_hexdigit() && c != '-')
        .filter(|word| word.len() == 36)
        .filter_map(|word| Uuid::parse_str(word).ok())
}

/// Everything from one quote to any later one.
fn quoted_parts(text: &str) -> impl Iterator<Item = &str> {
    // A message names one object, so a few quotes; one with hundreds is none of Exchange's.
    let quotes: Vec<usize> = text.match_indices('\'').map(|(at, _)| at).take(12).collect();
    let pairs: Vec<(usize, usize)> = quotes
        .iter()
        .enumerate()
        .flat_map(|(n, from)| quotes[n + 1..].iter().map(move |to| (*from, *to)))
        .collect();
    pairs.into_iter().map(move |(from, to)| &text[from + 1..to])
}

/// Says what an error of a session means to whoever reads or opens the store.
pub(super) fn of_session(error: &Error) -> StoreError {
    let fault = match &error.kind {
        Kind::Throttled { retry_after } => Fault::Transient { retry_after: *retry_after },
        Kind::Unauthorised | Kind::Forbidden | Kind::Secret | Kind::Tls => Fault::Denied,
        kind if kind.is_transient() => Fault::TRANSIENT,
        _ => Fault::Invalid,
    };
    StoreError {
        what: error.what.clone(),
        fault,
        help: Some(error.help.clone()).filter(|help| !help.is_empty()),
    }
}

/// Says what an error of a command means to whoever reads the store.
pub(super) fn of_command(doing: &str, error: &ErrorRecord) -> StoreError {
    let verdict = Verdict::of(error);
    StoreError {
        what: format!("{doing}: {}", error.message.trim().trim_end_matches('.')),
        fault: if verdict == Verdict::NotFound { Fault::TRANSIENT } else { verdict.fault() },
        help: Some(verdict.remedy().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(message: &str, id: &str) -> ErrorRecord {
        ErrorRecord { message: message.into(), id: id.into(), ..ErrorRecord::default() }
    }

    fn exchange(message: &str, exception: &str) -> Verdict {
        Verdict::of(&error(message, &format!("[Server=EX01] [FailureCategory=Cmdlet-{exception}] 7A2B,X")))
    }

    #[test]
    fn errors_are_told_apart_by_their_names() {
        assert_eq!(exchange("übersetzt", "ManagementObjectNotFoundException"), Verdict::NotFound);
        assert_eq!(exchange("x", "ManagementObjectAmbiguousException"), Verdict::Ambiguous);
        assert_eq!(exchange("isn't within your current write scopes.", "X"), Verdict::Denied(OUT_OF_SCOPE));
        assert_eq!(exchange("(INSUFF_ACCESS_RIGHTS)", "ADOperationException"), Verdict::Denied(NO_RIGHTS));
        assert_eq!(exchange("x", "SuitabilityDirectoryException"), Verdict::Controller);
        assert_eq!(exchange("x", "Whatever"), Verdict::Refused);
        let throttled = "The user load quota has been exceeded. The next request will not be approved for at least 1500 \
                         milliseconds";
        assert_eq!(
            exchange(throttled, "OverBudgetException"),
            Verdict::Wait(Some(Duration::from_millis(1500)))
        );
        for id in ["CommandNotFoundException", "NamedParameterNotFound,Set-CASMailbox"] {
            assert_eq!(Verdict::of(&error("x", id)), Verdict::Denied(NO_ROLE));
        }
        assert_eq!(Verdict::NotFound.outcome(), Outcome::Missing);
    }

    #[test]
    fn warnings_are_told_apart_and_name_their_mailbox() {
        let of = |text: &str| Caution::of(&Warning { message: text.into(), iteration: Vec::new() });
        assert_eq!(
            of("The command completed successfully but no settings of 'x/Users/O'Neil' have been modified."),
            Caution::NothingModified("x/Users/O'Neil".into())
        );
        assert_eq!(
            of("The object x/Users/A has been corrupted, and it's in an inconsistent state. The following…"),
            Caution::Corrupted("x/Users/A".into())
        );
        assert_eq!(of("There are more results available than are currently displayed."), Caution::Truncated);
        assert_eq!(of("By default, only the first 1000 items are returned."), Caution::Truncated);
        assert_eq!(of("Something else"), Caution::Other);
    }

    #[test]
    fn an_error_is_about_the_guid_the_name_or_the_position_it_gives() {
        let fed = [Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(3)];
        let mut third = error("no name at all", "x");
        third.iteration = vec![0, 3, 1];
        let errors = [
            error(
                &format!("object '{}' couldn't be found on 'dc01'", fed[0].to_string().to_uppercase()),
                "x",
            ),
            error("The operation on object 'x/Users/O'Neil' can't be performed", "x"),
            third,
            error("somebody's", "x"),
        ];
        let (of, rest) = attribute(&errors, &fed, |name| (name == "x/Users/O'Neil").then_some(fed[1]));
        assert_eq!(of.keys().copied().collect::<Vec<_>>(), fed);
        assert_eq!(rest, [&errors[3]]);
    }
}
