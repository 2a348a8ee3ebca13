//! What comes back: the answer to a request, or a fault.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use uuid::Uuid;

use crate::psrp::xml::{Step, Tag, Walk, XmlError};

/// The most parts of one kind in an envelope; each fragment of a large answer may be a part of its own.
const MOST_PARTS: usize = 100_000;

/// An answer, whatever it answers: most parts are empty for most requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The shell that was created, as the server names it.
    pub shell: Option<String>,
    /// The command that was begun, as the server names it.
    pub command: Option<String>,
    /// What the stream holds, all parts in a row.
    pub stream: Vec<u8>,
    /// The command has nothing more to say.
    pub done: bool,
    /// Which message it answers.
    relates_to: Option<String>,
    fault: Option<Fault>,
}

/// What a server says instead of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fault {
    /// The number of the fault in `WSManFault`, or 0.
    pub code: u32,
    /// The name of the SOAP fault, without a prefix: `TimedOut`, `InvalidSelectors` …
    pub name: String,
    /// What it says, for a person, in one line.
    pub reason: String,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// A fault.
    #[error("{}", .0.reason)]
    Fault(Fault),
    /// No envelope, or half of one.
    #[error("the answer cannot be read: {0}")]
    Xml(#[from] XmlError),
    /// XML, but no envelope.
    #[error("the answer is XML, but no SOAP envelope")]
    NoEnvelope,
    /// A stream that is no Base64.
    #[error("the answer's stream is not Base64")]
    Stream,
    /// The answer to something else.
    #[error("the answer belongs to another request")]
    Stray,
}

/// Reads the envelope that answers a message.
///
/// # Errors
/// [`AnswerError`], most often a fault.
pub fn read(text: &str, message: Uuid) -> Result<Answer, AnswerError> {
    let mut walk = Walk::new(text.trim_start_matches('\u{FEFF}'));
    let mut path: Vec<String> = Vec::new();
    let mut answer = Answer::default();
    let mut parts = 0;
    let mut envelope = false;
    loop {
        match walk.step()? {
            Step::Start(tag) => {
                parts += 1;
                if parts > MOST_PARTS {
                    return Err(XmlError::Much("100,000 elements").into());
                }
                envelope |= path.is_empty() && tag.name == "Envelope";
                if answer.part(&tag, &path, &mut walk)? {
                    continue;
                }
                path.push(tag.name);
            }
            Step::End => drop(path.pop()),
            Step::Text(_) => {}
            Step::Eof => break,
        }
    }
    if let Some(fault) = answer.fault {
        return Err(AnswerError::Fault(fault));
    }
    if !envelope {
        return Err(AnswerError::NoEnvelope);
    }
    match &answer.relates_to {
        Some(id) if Uuid::parse_str(id.trim().trim_start_matches("uuid:")) != Ok(message) => {
            Err(AnswerError::Stray)
        }
        _ => Ok(answer),
    }
}

impl Answer {
    /// Takes what an element says; tells whether it read the element to its end.
    fn part(&mut self, tag: &Tag, path: &[String], walk: &mut Walk<'_>) -> Result<bool, AnswerError> {
        let inside = |name: &str| path.iter().any(|outer| outer == name);
        match tag.name.as_str() {
            "RelatesTo" if inside("Header") => self.relates_to = Some(walk.text()?),
            "Selector" if tag.attribute("Name") == Some("ShellId") => self.shell = Some(id(walk)?),
            "ShellId" if self.shell.is_none() => self.shell = Some(id(walk)?),
            "CommandId" if inside("CommandResponse") => self.command = Some(id(walk)?),
            "Stream" if inside("ReceiveResponse") => {
                let text = walk.text()?;
                let bytes: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
                self.stream.extend(BASE64.decode(bytes).map_err(|_| AnswerError::Stream)?);
            }
            "CommandState" => {
                self.done |= tag.attribute("State").is_some_and(|state| state.ends_with("/Done"));
                return Ok(false);
            }
            "Fault" if inside("Body") => {
                self.fault.get_or_insert_default();
                return Ok(false);
            }
            "Value" if inside("Fault") => {
                // The inner one, which comes later, is the telling one.
                let name = walk.text()?;
                let name = name.trim();
                let name = name.rsplit_once(':').map_or(name, |(_, name)| name);
                name.clone_into(&mut self.fault.get_or_insert_default().name);
            }
            "WSManFault" => {
                let code = tag.attribute("Code").and_then(|code| code.trim().parse::<i64>().ok());
                // Some servers write the number as a signed one.
                let code = code.and_then(|code| u32::try_from(code & 0xFFFF_FFFF).ok());
                self.fault.get_or_insert_default().code = code.unwrap_or(0);
                return Ok(false);
            }
            // The message of the innermost fault says most: a provider's, a plug-in's, PowerShell's.
            "Text" if inside("Fault") && inside("Reason") => self.reason(&walk.text()?),
            "ProviderFault" | "Message" if inside("Fault") => {
                let mut all = String::new();
                let mut depth = 0usize;
                loop {
                    match walk.step()? {
                        Step::Start(inner) => {
                            if inner.name == "WSManFault" {
                                let code =
                                    inner.attribute("Code").and_then(|code| code.trim().parse::<u32>().ok());
                                let fault = self.fault.get_or_insert_default();
                                if fault.code == 0 {
                                    fault.code = code.unwrap_or(0);
                                }
                            }
                            depth += 1;
                        }
                        Step::Text(text) => all.push_str(&text),
                        Step::End if depth == 0 => break,
                        Step::End => depth -= 1,
                        Step::Eof => break,
                    }
                }
                self.reason(&all);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn reason(&mut self, text: &str) {
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if !line.is_empty() {
            self.fault.get_or_insert_default().reason = line;
        }
    }
}

fn id(walk: &mut Walk<'_>) -> Result<String, XmlError> {
    Ok(walk.text()?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: Uuid = Uuid::from_u128(7);

    fn envelope(body: &str) -> String {
        format!(
            "<s:Envelope xmlns:s='s'><s:Header><a:RelatesTo xmlns:a='a'>uuid:{MESSAGE}</a:RelatesTo></s:Header>\
             <s:Body>{body}</s:Body></s:Envelope>"
        )
    }

    #[test]
    fn the_parts_of_a_stream_are_put_in_a_row() {
        let text = envelope(
            "<r:ReceiveResponse xmlns:r='r'><r:Stream Name='stdout'>YWI=</r:Stream><r:Stream Name='stdout'>\nYw==\n\
             </r:Stream><r:CommandState State='http://x/CommandState/Done'/></r:ReceiveResponse>",
        );
        let answer = read(&text, MESSAGE).unwrap();
        assert_eq!((answer.stream.as_slice(), answer.done), (&b"abc"[..], true));
    }

    #[test]
    fn a_server_may_name_session_and_command_by_itself() {
        let text = envelope(
            "<x:ResourceCreated xmlns:x='x'><w:Selector xmlns:w='w' Name='ShellId'>\n 8A \n</w:Selector>\
             </x:ResourceCreated>",
        );
        assert_eq!(read(&text, MESSAGE).unwrap().shell.as_deref(), Some("8A"));
        let text = envelope(
            "<r:CommandResponse xmlns:r='r'>\n<r:CommandId>\n 9B </r:CommandId></r:CommandResponse>",
        );
        assert_eq!(read(&text, MESSAGE).unwrap().command.as_deref(), Some("9B"));
    }

    #[test]
    fn a_fault_says_its_number_its_name_and_its_innermost_reason() {
        let text = envelope(
            "<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>w:TimedOut</s:Value></s:Subcode></s:Code>\
             <s:Reason><s:Text xml:lang='en-US'>outer</s:Text></s:Reason><s:Detail>\
             <f:WSManFault xmlns:f='f' Code='2150858793' Machine='m'><f:Message><f:ProviderFault>inner\n words\
             </f:ProviderFault></f:Message></f:WSManFault></s:Detail></s:Fault>",
        );
        let fault = Fault { code: 2_150_858_793, name: "TimedOut".into(), reason: "inner words".into() };
        assert_eq!(read(&text, MESSAGE), Err(AnswerError::Fault(fault)));
    }

    #[test]
    fn what_is_no_answer_to_this_message_is_refused() {
        assert_eq!(read(&envelope(""), Uuid::from_u128(8)), Err(AnswerError::Stray));
        assert_eq!(read("<html><body>Log in</body></html>", MESSAGE), Err(AnswerError::NoEnvelope));
        assert!(matches!(read("", MESSAGE), Err(AnswerError::NoEnvelope)));
        let text = envelope("<r:ReceiveResponse xmlns:r='r'><r:Stream>!</r:Stream></r:ReceiveResponse>");
        assert_eq!(read(&text, MESSAGE), Err(AnswerError::Stream));
        assert!(matches!(
            read(&text[..text.len() - 3], MESSAGE),
            Err(AnswerError::Stream | AnswerError::Xml(_))
        ));
    }
}
