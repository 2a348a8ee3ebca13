//! The only printer. Standard output carries the requested result, standard error everything else.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

/// Where results and messages go, and whether they may be coloured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Render {
    /// Whether results may be coloured.
    pub(super) color: bool,
    /// Whether messages may be coloured.
    pub(super) color_messages: bool,
    quiet: bool,
}

#[expect(clippy::unused_self, reason = "callers hold one printer, whatever a method of it needs to know")]
impl Render {
    pub(super) fn new(when: super::args::When, quiet: bool) -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        let color = |terminal: bool| match when {
            super::args::When::Always => true,
            super::args::When::Never => false,
            super::args::When::Auto => terminal && !plain,
        };
        Self {
            color: color(io::stdout().is_terminal()),
            color_messages: color(io::stderr().is_terminal()),
            quiet,
        }
    }

    /// Prints a result. Whoever reads it may have seen enough: a closed pipe is no error.
    pub(super) fn result(self, text: &str) {
        let written = io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush());
        drop(written.inspect_err(take_note));
    }

    /// Prints a message that somebody has to see.
    pub(super) fn message(self, text: &str) {
        self.end_question();
        drop(writeln!(io::stderr(), "{}", text.trim_end()));
    }

    /// Prints a message that is merely good to know.
    pub(super) fn remark(self, text: &str) {
        if !self.quiet {
            self.message(text);
        }
    }

    /// Asks a question on the terminal; anything but yes is no.
    pub(super) fn ask(self, question: &str) -> bool {
        drop(write!(io::stderr(), "{question} [y/N] ").and_then(|()| io::stderr().flush()));
        ASKING.store(true, Ordering::Relaxed);
        let mut answer = String::new();
        let read = io::stdin().read_line(&mut answer);
        if answer.ends_with('\n') {
            // The terminal showed the line break as well.
            ASKING.store(false, Ordering::Relaxed);
        } else {
            self.end_question();
        }
        read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes" | "Yes")
    }

    /// Ends the line of a question that got no answer, so that whatever comes next has a line of its own.
    pub(super) fn end_question(self) {
        if ASKING.swap(false, Ordering::Relaxed) {
            drop(writeln!(io::stderr()));
        }
    }

    /// Tells whether there is a person to ask.
    pub(super) fn has_person(self) -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// A writer of results that can be written to bit by bit.
    pub(super) fn stream(self) -> Stream {
        Stream(io::BufWriter::new(io::stdout()))
    }
}

/// Standard output as a `fmt::Write`, so that pure reports can stream into it.
pub(super) struct Stream(io::BufWriter<io::Stdout>);

impl std::fmt::Write for Stream {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.write_all(text.as_bytes()).inspect_err(take_note).map_err(|_| std::fmt::Error)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        drop(self.0.flush().inspect_err(take_note));
    }
}

/// Whether a question stands on the terminal without an answer. Like the terminal, it belongs to the whole process.
static ASKING: AtomicBool = AtomicBool::new(false);

/// Whether a result was lost on its way out, on a full disk for instance. Standard output belongs to the whole
/// process, and so does this.
static LOST: AtomicBool = AtomicBool::new(false);

/// A closed pipe is no error: its reader has seen enough.
fn take_note(error: &io::Error) {
    if error.kind() != io::ErrorKind::BrokenPipe {
        LOST.store(true, Ordering::Relaxed);
    }
}

/// Tells whether a part of the result could not be written.
pub(super) fn lost_results() -> bool {
    LOST.load(Ordering::Relaxed)
}
