//! WS-Management envelopes around a shell (MS-WSMV): six requests out, their answers and faults in.

mod answer;

use std::fmt::Write as _;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use quick_xml::escape::escape;
use uuid::Uuid;

pub use answer::{Answer, AnswerError, Fault, read};

const TRANSFER: &str = "http://schemas.xmlsoap.org/ws/2004/09/transfer/";
const SHELL: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/";

/// Bytes of an envelope that are not content: a bit more than the longest head has.
const HEAD: usize = 4096;

/// Where a shell is, and how it is spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The URL of the endpoint.
    pub url: String,
    /// The resource: `http://schemas.microsoft.com/powershell/` and the name of a configuration.
    pub resource: String,
    /// The largest envelope, in bytes, in either direction.
    pub envelope: usize,
    /// Names this conversation to the server.
    pub session: Uuid,
}

/// What is asked of the other side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// Creates a shell, with the first packet of a pool in it.
    Create {
        /// The id that is wished for.
        shell: Uuid,
        /// The first packet.
        packet: &'a [u8],
        /// How long the server keeps a shell that nobody speaks to.
        idle: Duration,
    },
    /// Begins a command, with the first packet of a pipeline in it.
    Command {
        /// The shell.
        shell: &'a str,
        /// The id of the pipeline, which is wished for as the command's.
        command: Uuid,
        /// The first packet.
        packet: &'a [u8],
    },
    /// Sends a packet to a command.
    Send {
        /// The shell.
        shell: &'a str,
        /// The command, as the server names it.
        command: &'a str,
        /// The packet.
        packet: &'a [u8],
    },
    /// Waits for what a command, or without one the shell itself, has to say.
    Receive {
        /// The shell.
        shell: &'a str,
        /// The command, as the server names it.
        command: Option<&'a str>,
    },
    /// Ends a command.
    Signal {
        /// The shell.
        shell: &'a str,
        /// The command, as the server names it.
        command: &'a str,
        /// How.
        signal: Signal,
    },
    /// Deletes the shell.
    Delete {
        /// The shell.
        shell: &'a str,
    },
}

/// How a command is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Stop what is running.
    Stop,
    /// It has ended; let go of it.
    Done,
}

impl Address {
    /// Returns how many bytes a packet may have so that the envelope around it stays within its limit.
    pub fn packet(&self) -> usize {
        self.envelope.saturating_sub(HEAD + self.url.len() + self.resource.len()).max(1024) / 4 * 3
    }

    /// Writes the envelope of a request; `wait` is how long the server may take to answer.
    pub fn envelope(&self, message: Uuid, request: &Request<'_>, wait: Duration) -> String {
        let (action, shell, options, body) = request.parts();
        let (url, resource) = (escape(&self.url), escape(&self.resource));
        let mut xml = String::with_capacity(HEAD + body.len());
        let written = write!(
            xml,
            "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" \
             xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" \
             xmlns:w=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\" \
             xmlns:p=\"http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd\" \
             xmlns:rsp=\"http://schemas.microsoft.com/wbem/wsman/1/windows/shell\"><s:Header>\
             <a:To>{url}</a:To>\
             <w:ResourceURI s:mustUnderstand=\"true\">{resource}</w:ResourceURI>\
             <a:ReplyTo><a:Address s:mustUnderstand=\"true\">\
             http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address></a:ReplyTo>\
             <a:Action s:mustUnderstand=\"true\">{action}</a:Action>\
             <w:MaxEnvelopeSize s:mustUnderstand=\"true\">{envelope}</w:MaxEnvelopeSize>\
             <a:MessageID>uuid:{message}</a:MessageID>\
             <w:Locale xml:lang=\"en-US\" s:mustUnderstand=\"false\"/>\
             <p:DataLocale xml:lang=\"en-US\" s:mustUnderstand=\"false\"/>\
             <p:SessionId s:mustUnderstand=\"false\">uuid:{session}</p:SessionId>\
             <w:OperationTimeout>{wait}</w:OperationTimeout>",
            envelope = self.envelope,
            session = self.session,
            wait = seconds(wait),
        );
        debug_assert!(written.is_ok(), "writing to a string cannot fail");
        if let Some(shell) = shell {
            xml.push_str("<w:SelectorSet><w:Selector Name=\"ShellId\">");
            xml.push_str(&escape(shell));
            xml.push_str("</w:Selector></w:SelectorSet>");
        }
        if !options.is_empty() {
            xml.push_str("<w:OptionSet s:mustUnderstand=\"true\">");
            xml.push_str(options);
            xml.push_str("</w:OptionSet>");
        }
        xml.push_str("</s:Header><s:Body>");
        xml.push_str(&body);
        xml.push_str("</s:Body></s:Envelope>");
        xml
    }
}

impl Request<'_> {
    /// Returns a word for a person.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Create { .. } => "opening a session",
            Self::Command { .. } => "starting a command",
            Self::Send { .. } => "sending input",
            Self::Receive { .. } => "waiting for output",
            Self::Signal { .. } => "ending a command",
            Self::Delete { .. } => "closing the session",
        }
    }

    /// Returns action, shell, options and body.
    fn parts(&self) -> (String, Option<&str>, &'static str, String) {
        match *self {
            Self::Create { shell, packet, idle } => (
                format!("{TRANSFER}Create"),
                None,
                "<w:Option Name=\"protocolversion\" MustComply=\"true\">2.3</w:Option>",
                format!(
                    "<rsp:Shell ShellId=\"{}\"><rsp:IdleTimeOut>{}</rsp:IdleTimeOut>\
                     <rsp:InputStreams>stdin pr</rsp:InputStreams><rsp:OutputStreams>stdout</rsp:OutputStreams>\
                     <creationXml xmlns=\"http://schemas.microsoft.com/powershell\">{}</creationXml></rsp:Shell>",
                    upper(shell),
                    seconds(idle),
                    BASE64.encode(packet)
                ),
            ),
            Self::Command { shell, command, packet } => (
                format!("{SHELL}Command"),
                Some(shell),
                "<w:Option Name=\"WINRS_SKIP_CMD_SHELL\">False</w:Option>",
                format!(
                    "<rsp:CommandLine CommandId=\"{}\"><rsp:Command></rsp:Command>\
                     <rsp:Arguments>{}</rsp:Arguments></rsp:CommandLine>",
                    upper(command),
                    BASE64.encode(packet)
                ),
            ),
            Self::Send { shell, command, packet } => (
                format!("{SHELL}Send"),
                Some(shell),
                "",
                format!(
                    "<rsp:Send><rsp:Stream Name=\"stdin\" CommandId=\"{}\">{}</rsp:Stream></rsp:Send>",
                    escape(command),
                    BASE64.encode(packet)
                ),
            ),
            Self::Receive { shell, command } => (
                format!("{SHELL}Receive"),
                Some(shell),
                "<w:Option Name=\"WSMAN_CMDSHELL_OPTION_KEEPALIVE\">TRUE</w:Option>",
                format!(
                    "<rsp:Receive><rsp:DesiredStream{}>stdout</rsp:DesiredStream></rsp:Receive>",
                    command.map(|id| format!(" CommandId=\"{}\"", escape(id))).unwrap_or_default()
                ),
            ),
            Self::Signal { shell, command, signal } => (
                format!("{SHELL}Signal"),
                Some(shell),
                "",
                format!(
                    "<rsp:Signal CommandId=\"{}\"><rsp:Code>{}</rsp:Code></rsp:Signal>",
                    escape(command),
                    match signal {
                        // The protocol spells it so.
                        Signal::Stop => "powershell/signal/crtl_c",
                        Signal::Done =>
                            "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/signal/terminate",
                    }
                ),
            ),
            Self::Delete { shell } => (format!("{TRANSFER}Delete"), Some(shell), "", String::new()),
        }
    }
}

/// Windows writes and compares ids in capital letters.
pub fn upper(id: Uuid) -> String {
    id.to_string().to_ascii_uppercase()
}

fn seconds(duration: Duration) -> String {
    format!("PT{}.{:03}S", duration.as_secs(), duration.subsec_millis())
}
