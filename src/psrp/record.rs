//! Errors and warnings as PowerShell's records tell them (MS-PSRP 2.2.3.15 and 2.2.3.16).

use super::value::Value;

/// What an error record says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorRecord {
    /// The text, for a person.
    pub message: String,
    /// `FullyQualifiedErrorId`, whole.
    pub id: String,
    /// The name of the category, `NotSpecified` and so on, by its number; empty if it is unknown.
    pub category: String,
    /// The name of the exception, such as `ManagementObjectNotFoundException`.
    pub reason: String,
    /// The command.
    pub activity: String,
    /// What it was about; Exchange mostly leaves it empty.
    pub target: String,
    /// The kind of what it was about.
    pub target_type: String,
    /// For each command of the pipeline, the how manieth of its inputs it was at, from 1; empty if not told.
    pub iteration: Vec<i64>,
}

/// What a warning says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Warning {
    /// The text, for a person.
    pub message: String,
    /// As in [`ErrorRecord::iteration`].
    pub iteration: Vec<i64>,
}

/// The categories of PowerShell, in the order of their numbers.
const CATEGORIES: &[&str] = &[
    "NotSpecified",
    "OpenError",
    "CloseError",
    "DeviceError",
    "DeadlockDetected",
    "InvalidArgument",
    "InvalidData",
    "InvalidOperation",
    "InvalidResult",
    "InvalidType",
    "MetadataError",
    "NotImplemented",
    "NotInstalled",
    "ObjectNotFound",
    "OperationStopped",
    "OperationTimeout",
    "SyntaxError",
    "ParserError",
    "PermissionDenied",
    "ResourceBusy",
    "ResourceExists",
    "ResourceUnavailable",
    "ReadError",
    "WriteError",
    "FromStdErr",
    "SecurityError",
    "ProtocolError",
    "ConnectionError",
    "AuthenticationError",
    "LimitsExceeded",
    "QuotaExceeded",
    "NotEnabled",
];

impl ErrorRecord {
    /// Reads the object of an error record.
    pub(super) fn read(value: &Value) -> Self {
        let text = |name: &str| value.member(name).and_then(Value::text).unwrap_or_default();
        let exception = value.member("Exception");
        let message = [
            value.member("ErrorDetails_Message").and_then(Value::text),
            exception.and_then(|exception| exception.member("Message")).and_then(Value::text),
            value.text(),
            exception.and_then(Value::text),
            value.member("ErrorCategory_Message").and_then(Value::text),
        ];
        let number = value.member("ErrorCategory_Category").and_then(Value::number);
        let category = number.and_then(|number| CATEGORIES.get(usize::try_from(number).ok()?));
        Self {
            message: message.into_iter().flatten().find(|text| !text.trim().is_empty()).unwrap_or_default(),
            id: text("FullyQualifiedErrorId"),
            category: category.copied().unwrap_or_default().to_owned(),
            reason: text("ErrorCategory_Reason"),
            activity: text("ErrorCategory_Activity"),
            target: text("ErrorCategory_TargetName"),
            target_type: text("ErrorCategory_TargetType"),
            iteration: iteration(value.member("PipelineIterationInfo")),
        }
    }

    /// Returns what Exchange names as the failure: `[FailureCategory=Cmdlet-ManagementObjectNotFoundException]` in the
    /// id gives `Cmdlet-ManagementObjectNotFoundException`.
    pub fn failure_category(&self) -> Option<&str> {
        let (_, from) = self.id.split_once("FailureCategory=")?;
        Some(from.split_once(']').map_or(from, |(category, _)| category))
    }

    /// Tells whether the failure is this exception, by its category in the id, its reason, or the id's own name.
    pub fn is(&self, exception: &str) -> bool {
        self.reason == exception
            || self.failure_category().is_some_and(|category| {
                category.split_once('-').map_or(category, |(_, name)| name) == exception
            })
            || self.id.split(',').next() == Some(exception)
    }
}

impl Warning {
    /// Reads the object of a warning.
    pub(super) fn read(value: &Value) -> Self {
        let message =
            value.member("InformationalRecord_Message").and_then(Value::text).or_else(|| value.text());
        Self {
            message: message.unwrap_or_default(),
            iteration: iteration(value.member("InformationalRecord_PipelineIterationInfo")),
        }
    }
}

fn iteration(value: Option<&Value>) -> Vec<i64> {
    value.map(Value::items).unwrap_or_default().iter().filter_map(Value::number).collect()
}
