//! What a pool and a pipeline said so far: fragments in, streams and states out.

use uuid::Uuid;

use super::fragment::{FragmentError, Joiner, Packer};
use super::message::{self, Command, Kind, MessageError};
use super::record::{ErrorRecord, Warning};
use super::value::Value;

/// The most errors, or warnings, of one pipeline. More than there can be mailboxes in a chunk.
const MOST_RECORDS: usize = 50_000;

/// How many bytes they may take in all.
const MOST_WORDS: usize = 256 << 20;

/// Why the other side's words make no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ConversationError {
    /// No fragments.
    #[error(transparent)]
    Fragment(#[from] FragmentError),
    /// No messages.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// Too many of them.
    #[error("more than {MOST_RECORDS} errors or warnings of one pipeline, or {MOST_WORDS} bytes of them")]
    Records,
    /// More output than anybody asked for.
    #[error("more than {0} objects of one pipeline")]
    Output(usize),
}

/// A pool of one runspace, as the client knows it.
#[derive(Debug)]
pub(super) struct Pool {
    id: Uuid,
    objects: u64,
    joiner: Joiner,
    /// How the pool is.
    pub(super) state: PoolState,
}

/// How a pool is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PoolState {
    /// Not open yet.
    Opening,
    /// Open.
    Open,
    /// Closed, or broken, with the reason if one was told.
    Broken(Option<ErrorRecord>),
}

impl Pool {
    pub(super) fn new(id: Uuid) -> Self {
        Self { id, objects: 0, joiner: Joiner::default(), state: PoolState::Opening }
    }

    /// Returns the packet that opens the pool.
    pub(super) fn opening(&mut self, limit: usize) -> Vec<u8> {
        let mut packer = Packer::new(limit, self.objects);
        for message in message::opening(self.id) {
            packer.push(&message);
        }
        let (packets, objects) = packer.finish();
        self.objects = objects;
        packets.concat()
    }

    /// Takes what the pool's stream holds.
    pub(super) fn hear(&mut self, bytes: &[u8]) -> Result<(), ConversationError> {
        let state = &mut self.state;
        self.joiner.push(bytes, |message| {
            let (kind, value) = message::parse(&message)?;
            if kind == Kind::RunspacePoolState {
                // MS-PSRP 2.2.3.4: 2 is opened; 3 closed, 5 broken; the others are on the way.
                match value.member("RunspaceState").and_then(Value::number) {
                    Some(2) => *state = PoolState::Open,
                    Some(3 | 5) => {
                        let why = value.member("ExceptionAsErrorRecord").filter(|why| **why != Value::Nil);
                        *state = PoolState::Broken(why.map(ErrorRecord::read));
                    }
                    _ => {}
                }
            }
            Ok(())
        })
    }

    /// Returns the packets of a pipeline's beginning and of its input, as they become full, one after the other.
    pub(super) fn pipeline(
        &mut self,
        id: Uuid,
        commands: &[Command],
        input: &[Value],
        limit: usize,
    ) -> Vec<Vec<u8>> {
        let mut packer = Packer::new(limit, self.objects);
        packer.push(&message::create_pipeline(self.id, id, commands, !input.is_empty()));
        // The first packet creates the command; input goes to one that is there.
        let (mut packets, objects) = packer.finish();
        let mut packer = Packer::new(limit, objects);
        if !input.is_empty() {
            for value in input {
                packer.push(&message::input(self.id, id, value));
            }
            packer.push(&message::end_of_input(self.id, id));
        }
        packets.extend(packer.full());
        let (rest, objects) = packer.finish();
        packets.extend(rest);
        self.objects = objects;
        packets
    }
}

/// What a pipeline said so far, but for its output, which is handed on at once.
#[derive(Debug, Default)]
pub(super) struct Heard {
    joiner: Joiner,
    /// Errors that did not end it, in order.
    pub(super) errors: Vec<ErrorRecord>,
    /// Warnings, in order.
    pub(super) warnings: Vec<Warning>,
    /// How it ended, once it has.
    pub(super) end: Option<End>,
    /// Something was said since this was last set to false.
    pub(super) fresh: bool,
    /// How many objects may still come, and of how many.
    left: usize,
    most: usize,
    /// How many bytes errors and warnings took.
    words: usize,
}

/// How a pipeline ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    Completed,
    Stopped,
    Failed(ErrorRecord),
}

impl Heard {
    /// Nothing so far, and at most so many objects to come.
    pub(super) fn up_to(most: usize) -> Self {
        Self { left: most, most, ..Self::default() }
    }

    /// Takes what the pipeline's stream holds, and hands each object of output to `each`.
    pub(super) fn hear(
        &mut self,
        bytes: &[u8],
        each: &mut dyn FnMut(Value),
    ) -> Result<(), ConversationError> {
        let Self { joiner, errors, warnings, end, fresh, left, most, words } = self;
        joiner.push(bytes, |message| {
            *fresh = true;
            let (kind, value) = message::parse(&message)?;
            if matches!(kind, Kind::ErrorRecord | Kind::WarningRecord) {
                *words = words.saturating_add(message.len());
            }
            match kind {
                Kind::PipelineOutput => {
                    *left = left.checked_sub(1).ok_or(ConversationError::Output(*most))?;
                    each(value);
                }
                Kind::ErrorRecord => errors.push(ErrorRecord::read(&value)),
                Kind::WarningRecord => warnings.push(Warning::read(&value)),
                Kind::PipelineState => {
                    let why =
                        value.member("ExceptionAsErrorRecord").map(ErrorRecord::read).unwrap_or_default();
                    // MS-PSRP 2.2.3.5: 3 is stopped, 4 completed, 5 failed.
                    *end = match value.member("PipelineState").and_then(Value::number) {
                        Some(3) => Some(End::Stopped),
                        Some(4) => Some(End::Completed),
                        Some(5) => Some(End::Failed(why)),
                        _ => end.take(),
                    };
                }
                _ => {}
            }
            if errors.len().max(warnings.len()) > MOST_RECORDS || *words > MOST_WORDS {
                return Err(ConversationError::Records);
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests;
