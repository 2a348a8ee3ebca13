//! What a program prints: its last bytes, and its lines for the log.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::Echo;
use crate::diagnostic::is_invisible;

/// A longer line is logged in pieces.
const LINE: usize = 4096;
/// How much of the output an error shows.
const SHOWN: usize = 1000;

/// One stream, read by a task of its own until its last writer closes it.
///
/// The task outlives the program if a daemon holds the stream: closing our end would kill that daemon with
/// SIGPIPE when it next prints something.
pub(super) struct Stream {
    tail: Arc<Mutex<Tail>>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Tail {
    bytes: Vec<u8>,
    truncated: bool,
}

impl Stream {
    /// Starts to read a stream of `program`.
    pub(super) fn of(
        mut pipe: impl AsyncRead + Unpin + Send + 'static,
        keep: usize,
        echo: Echo,
        program: String,
    ) -> Self {
        let tail = Arc::new(Mutex::new(Tail::default()));
        let shared = Arc::clone(&tail);
        let task = tokio::spawn(async move {
            let mut lines = Lines { echo, program, pending: Vec::new() };
            let mut buffer = vec![0; 8192];
            while let Ok(count @ 1..) = pipe.read(&mut buffer).await {
                lines.take(&buffer[..count]);
                shared.lock().unwrap_or_else(PoisonError::into_inner).push(&buffer[..count], keep);
            }
            lines.end();
        });
        Self { tail, task }
    }

    /// Returns what was read and whether more had been, giving a stream that is still open so long to close.
    pub(super) async fn rest(stream: Option<Self>, patience: Duration) -> (Vec<u8>, bool) {
        let Some(Self { tail, task }) = stream else { return (Vec::new(), false) };
        let _closed = timeout(patience, task).await;
        let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
        (std::mem::take(&mut tail.bytes), tail.truncated)
    }
}

impl Tail {
    fn push(&mut self, bytes: &[u8], keep: usize) {
        self.bytes.extend_from_slice(bytes);
        if let Some(excess) = self.bytes.len().checked_sub(keep).filter(|&excess| excess > 0) {
            self.bytes.drain(..excess);
            self.truncated = true;
        }
    }
}

struct Lines {
    echo: Echo,
    program: String,
    pending: Vec<u8>,
}

impl Lines {
    fn take(&mut self, mut bytes: &[u8]) {
        if self.echo == Echo::Nothing {
            return;
        }
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            self.pending.extend_from_slice(&bytes[..end]);
            self.end();
            bytes = &bytes[end + 1..];
        }
        self.pending.extend_from_slice(bytes);
        if self.pending.len() > LINE {
            self.end();
        }
    }

    fn end(&mut self) {
        let line = printable(self.pending.trim_ascii_end());
        self.pending.clear();
        match self.echo {
            _ if line.is_empty() => {}
            Echo::Info => tracing::info!(program = self.program, "{line}"),
            Echo::Debug => tracing::debug!(program = self.program, "{line}"),
            Echo::Nothing => {}
        }
    }
}

/// Returns foreign text with everything spelled out that could act on a terminal, look like another line or hide.
pub(in crate::services) fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => out.push(' '),
            // The line separators are no control characters.
            '\u{2028}' | '\u{2029}' => out.extend(c.escape_unicode()),
            c if c.is_control() || is_invisible(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

/// Returns the last lines of an output as one line, short enough for an error message.
pub(super) fn last_lines(bytes: &[u8]) -> String {
    let cut = bytes.len() > SHOWN;
    let bytes = &bytes[bytes.len().saturating_sub(SHOWN)..];
    let lines: Vec<String> = bytes
        .split(|&byte| byte == b'\n')
        .map(|line| printable(line.trim_ascii()))
        .filter(|line| !line.is_empty())
        .collect();
    let lines = &lines[lines.len().saturating_sub(5)..];
    let text = lines.join("; ");
    if cut { format!("… {text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_cannot_act_on_a_terminal() {
        assert_eq!(printable(b"a\x1b[31mb\rc\td\xff"), "a\\u{1b}[31mb\\u{d}c d\u{fffd}");
        assert_eq!(printable("a\u{202e}b\u{2028}c".as_bytes()), r"a\u{202e}b\u{2028}c");
    }

    #[test]
    fn an_error_shows_the_last_five_lines() {
        assert_eq!(last_lines(b"1\n2\n\n3\n4\n5\n6\n"), "2; 3; 4; 5; 6");
        assert_eq!(last_lines(b" \n"), "");
        assert!(last_lines(&[b'x'; 5000]).starts_with('…'));
    }
}
