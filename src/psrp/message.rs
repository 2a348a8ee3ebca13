//! Messages (MS-PSRP 2.2.1 and 2.2.2): what a session says before it is cut into fragments.

use uuid::Uuid;

use super::clixml::{self, Writer};
use super::value::Value;
use super::xml::XmlError;

/// Bytes before the data of a message.
const HEADER: usize = 40;

/// The kinds of messages that matter here; the rest is [`Kind::Other`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Which versions a side speaks; both send it first.
    SessionCapability,
    /// Opens a pool of runspaces.
    InitRunspacePool,
    /// How the pool is.
    RunspacePoolState,
    /// Begins a pipeline.
    CreatePipeline,
    /// One object of input.
    PipelineInput,
    /// There is no more input.
    EndOfPipelineInput,
    /// One object of output.
    PipelineOutput,
    /// An error that did not stop the pipeline.
    ErrorRecord,
    /// How the pipeline is.
    PipelineState,
    /// A warning.
    WarningRecord,
    /// The server asks the client's terminal something.
    PipelineHostCall,
    /// Anything else.
    Other(u32),
}

const KINDS: &[(Kind, u32)] = &[
    (Kind::SessionCapability, 0x0001_0002),
    (Kind::InitRunspacePool, 0x0001_0004),
    (Kind::RunspacePoolState, 0x0002_1005),
    (Kind::CreatePipeline, 0x0002_1006),
    (Kind::PipelineInput, 0x0004_1002),
    (Kind::EndOfPipelineInput, 0x0004_1003),
    (Kind::PipelineOutput, 0x0004_1004),
    (Kind::ErrorRecord, 0x0004_1005),
    (Kind::PipelineState, 0x0004_1006),
    (Kind::WarningRecord, 0x0004_1009),
    (Kind::PipelineHostCall, 0x0004_1100),
];

impl Kind {
    fn number(self) -> u32 {
        match self {
            Self::Other(number) => number,
            known => KINDS.iter().find(|(kind, _)| *kind == known).map_or(0, |(_, number)| *number),
        }
    }

    fn of(number: u32) -> Self {
        KINDS.iter().find(|(_, have)| *have == number).map_or(Self::Other(number), |(kind, _)| *kind)
    }
}

/// Why bytes are no message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Shorter than its header.
    #[error("a message of {0} bytes is shorter than its header")]
    Short(usize),
    /// Its data is no UTF-8.
    #[error("the data of a message is not UTF-8 text")]
    NotText,
    /// Its data is no CLIXML.
    #[error("the data of a message cannot be read: {0}")]
    Xml(#[from] XmlError),
}

/// Reads a message: its kind, and its data.
///
/// # Errors
/// [`MessageError`] when there is none.
pub fn parse(bytes: &[u8]) -> Result<(Kind, Value), MessageError> {
    let (header, data) = bytes.split_at_checked(HEADER).ok_or(MessageError::Short(bytes.len()))?;
    let number = header[4..].first_chunk().map_or(0, |number| u32::from_le_bytes(*number));
    let kind = Kind::of(number);
    // What nobody looks at need not be understood either.
    if matches!(kind, Kind::Other(_)) {
        return Ok((kind, Value::Nil));
    }
    let text = std::str::from_utf8(data).map_err(|_| MessageError::NotText)?;
    Ok((kind, clixml::read(text)?))
}

/// One command of a pipeline: its name, and parameters with values. Never script text.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    name: String,
    parameters: Vec<(String, Value)>,
}

impl Command {
    /// A command without parameters.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), parameters: Vec::new() }
    }

    /// Adds a parameter.
    ///
    /// A nil value is left out: to Exchange, `Get-… -Identity $null` means every object.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        let value = value.into();
        if value != Value::Nil {
            self.parameters.push((name.into(), value));
        }
        self
    }

    /// Adds a parameter if there is a value for it.
    #[must_use]
    pub fn with_some(self, name: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Returns the command's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the names of the parameters that are used.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        self.parameters.iter().map(|(name, _)| name.as_str())
    }
}

/// What a client says to open a pool: its capability, then the wish for one runspace without a terminal.
pub(super) fn opening(pool: Uuid) -> [Vec<u8>; 2] {
    let mut capability = Writer::default();
    capability.object(None, &[], |into| {
        into.version("PSVersion", "2.0");
        into.version("protocolversion", "2.3");
        into.version("SerializationVersion", "1.1.0.1");
    });
    let mut init = Writer::default();
    init.object(None, &[], |into| {
        into.value(Some("MinRunspaces"), &Value::Int(1));
        into.value(Some("MaxRunspaces"), &Value::Int(1));
        into.word("PSThreadOptions", "System.Management.Automation.Runspaces.PSThreadOptions", 0, "Default");
        apartment(into);
        host(into);
        into.value(Some("ApplicationArguments"), &Value::Nil);
    });
    [
        message(Kind::SessionCapability, pool, None, &capability.finish()),
        message(Kind::InitRunspacePool, pool, None, &init.finish()),
    ]
}

/// Begins a pipeline of these commands.
pub(super) fn create_pipeline(pool: Uuid, pipeline: Uuid, commands: &[Command], input: bool) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.object(None, &[], |into| {
        into.value(Some("NoInput"), &Value::Bool(!input));
        apartment(into);
        into.word("RemoteStreamOptions", "System.Management.Automation.RemoteStreamOptions", 0, "None");
        into.value(Some("AddToHistory"), &Value::Bool(false));
        host(into);
        into.object(Some("PowerShell"), &[], |into| {
            into.list(Some("Cmds"), |into| commands.iter().for_each(|command| write_command(into, command)));
            into.value(Some("IsNested"), &Value::Bool(false));
            into.value(Some("History"), &Value::Nil);
            into.value(Some("RedirectShellErrorOutputPipe"), &Value::Bool(true));
        });
        into.value(Some("IsNested"), &Value::Bool(false));
    });
    message(Kind::CreatePipeline, pool, Some(pipeline), &writer.finish())
}

/// One object of input.
pub(super) fn input(pool: Uuid, pipeline: Uuid, value: &Value) -> Vec<u8> {
    message(Kind::PipelineInput, pool, Some(pipeline), &clixml::write(value))
}

/// There is no more input.
pub(super) fn end_of_input(pool: Uuid, pipeline: Uuid) -> Vec<u8> {
    message(Kind::EndOfPipelineInput, pool, Some(pipeline), "")
}

fn write_command(into: &mut Writer, command: &Command) {
    into.object(None, &[], |into| {
        into.value(Some("Cmd"), &command.name.as_str().into());
        into.list(Some("Args"), |into| {
            for (name, value) in &command.parameters {
                into.object(None, &[], |into| {
                    into.value(Some("N"), &name.as_str().into());
                    into.value(Some("V"), value);
                });
            }
        });
        into.value(Some("IsScript"), &Value::Bool(false));
        into.value(Some("UseLocalScope"), &Value::Nil);
        for merge in [
            "MergeMyResult",
            "MergeToResult",
            "MergePreviousResults",
            "MergeError",
            "MergeWarning",
            "MergeVerbose",
            "MergeDebug",
            "MergeInformation",
        ] {
            into.word(merge, "System.Management.Automation.Runspaces.PipelineResultTypes", 0, "None");
        }
    });
}

fn apartment(into: &mut Writer) {
    into.word("ApartmentState", "System.Threading.ApartmentState", 2, "Unknown");
}

fn host(into: &mut Writer) {
    into.object(Some("HostInfo"), &[], |into| {
        for what in ["_isHostNull", "_isHostUINull", "_isHostRawUINull", "_useRunspaceHost"] {
            into.value(Some(what), &Value::Bool(true));
        }
    });
}

fn message(kind: Kind, pool: Uuid, pipeline: Option<Uuid>, data: &str) -> Vec<u8> {
    /// The destination of everything that a client sends.
    const SERVER: u32 = 2;
    let mut bytes = Vec::with_capacity(HEADER + data.len());
    bytes.extend(SERVER.to_le_bytes());
    bytes.extend(kind.number().to_le_bytes());
    bytes.extend(pool.to_bytes_le());
    bytes.extend(pipeline.unwrap_or_default().to_bytes_le());
    bytes.extend(data.as_bytes());
    bytes
}
