//! The vocabulary that every other module shares. It knows no YAML, no store and no clock.

mod live;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use live::{AccountRef, AccountSet, Counts, DuplicateAccount, Live, LiveBuilder, Match, Servers};

/// May this account use POP3?
///
/// `Disabled` sorts before `Enabled`, because within a batch all disabling comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// POP3 is refused.
    Disabled,
    /// POP3 is allowed.
    Enabled,
}

impl Access {
    /// Returns the word that stands for this access in YAML and in every output.
    pub fn word(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Enabled => "enabled",
        }
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// What a store answered for one account. Missing and unreadable are different things, and neither is ever
/// "disabled".
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// The account has this access.
    Is(Access),
    /// Several flags that should agree do not; always repaired.
    Mixed,
    /// The store has the account and could not say; carries the store's reason.
    Unreadable(String),
    /// The store has no such account.
    Missing,
}

impl State {
    /// Returns the word shown to a person.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Is(access) => access.word(),
            Self::Mixed => "mixed",
            Self::Unreadable(_) => "unreadable",
            Self::Missing => "missing",
        }
    }

    /// Tells whether the account certainly has exactly this access.
    pub fn is(&self, access: Access) -> bool {
        matches!(self, Self::Is(have) if *have == access)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// The canonical id of an account in its store: a primary key, a GUID, a DN. Opaque, compared byte by byte.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AccountId(Box<str>);

impl AccountId {
    /// Wraps a store's key.
    pub fn new(id: impl Into<Box<str>>) -> Self {
        Self(id.into())
    }

    /// Returns the key as the store wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// One mailbox in a live store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The canonical id.
    pub id: AccountId,
    /// The name that a person recognises, usually an address.
    pub name: String,
    /// Every other name that the store resolves to this account.
    pub aliases: Vec<String>,
    /// What the store answered.
    pub state: State,
}

/// Where an entry stands: a file relative to the desired directory, a line and a column.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Origin {
    /// Path relative to the desired directory, with `/` between its parts.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// SHA-256 over every (relative path, SHA-256 of the bytes) of a desired directory, files in sorted order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Returns the first twelve hexadecimal digits, enough for a person to compare.
    pub fn short(&self) -> String {
        let mut text = self.to_string();
        text.truncate(12);
        text
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digit = |four: u8| char::from_digit(u32::from(four), 16).unwrap_or_default();
        let text: String = self.0.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect();
        f.write_str(&text)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({})", self.short())
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bad = || serde::de::Error::custom("a digest is 64 hexadecimal digits");
        if text.len() != 64 || !text.is_ascii() {
            return Err(bad());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| bad())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| bad())?;
        }
        Ok(Self(bytes))
    }
}

/// One moment, read once per turn by the driver and passed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Monotonic time since the process started.
    pub mono: Duration,
    /// Wall-clock time.
    pub wall: jiff::Timestamp,
}

/// What became of one change that was sent to a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The store took it.
    Done,
    /// The account already had the wanted access, because somebody else was faster.
    Already,
    /// The account is gone.
    Missing,
    /// Certainly not written.
    NotApplied(Fault),
    /// Sent, but no answer came: it may or may not be written.
    Unknown,
}

/// Everything the engine may look at in a failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// popgate lacks a permission; waits for an operator, a new digest or a refresh.
    Denied,
    /// The store refuses this request as such; waits like `Denied`.
    Invalid,
    /// The name means several accounts; waits like `Denied`.
    Ambiguous,
    /// Likely to pass: tried again with back-off.
    Transient {
        /// How long the other side asked to be left alone, if it said so.
        retry_after: Option<Duration>,
    },
}

impl Fault {
    /// A transient fault without a wish for the time of the next attempt.
    pub const TRANSIENT: Self = Self::Transient { retry_after: None };

    /// Tells whether trying again may help without anybody doing anything.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Transient { .. })
    }
}

/// One finding of a preflight, for `doctor`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What was looked at and found.
    pub what: String,
    /// What to do about it; empty when there is nothing to do.
    pub remedy: String,
}

impl Finding {
    /// Something that was looked at and is in order.
    pub fn ok(what: impl Into<String>) -> Self {
        Self { severity: Severity::Ok, what: what.into(), remedy: String::new() }
    }

    /// Something that works now and may bite later.
    pub fn warning(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, what: what.into(), remedy: remedy.into() }
    }

    /// Something that stops popgate from doing its work.
    pub fn error(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { severity: Severity::Error, what: what.into(), remedy: remedy.into() }
    }
}

/// How bad a finding or a diagnostic is. Later is worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// In order.
    Ok,
    /// Worth knowing.
    Note,
    /// Works, but somebody should look.
    Warning,
    /// Stops the work.
    Error,
}
