//! Just enough of POP3 (RFC 1939) and IMAP (RFC 9051) to log in, and to see whether one still is.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use super::PATIENCE;

/// A POP3 session after a successful login.
#[derive(Debug)]
pub(crate) struct Pop3(Line);

/// An IMAP session after a successful login.
pub(crate) struct Imap(Line);

impl Pop3 {
    /// Logs in; a refusal is the server's whole `-ERR` line.
    pub(crate) fn login(port: u16, user: &str, password: &str) -> Result<Self, String> {
        let mut line = Line::open(port);
        line.hear().and_then(ok)?;
        line.ask(&format!("USER {user}")).and_then(ok)?;
        line.ask(&format!("PASS {password}")).and_then(ok)?;
        Ok(Self(line))
    }

    /// Returns how many messages there are.
    pub(crate) fn stat(&mut self) -> Result<u32, String> {
        let answer = self.0.ask("STAT").and_then(ok)?;
        answer.split(' ').nth(1).and_then(|count| count.parse().ok()).ok_or(answer)
    }

    /// Tells whether the server still serves this session.
    pub(crate) fn is_alive(&mut self) -> bool {
        self.0.ask("NOOP").is_ok_and(|answer| answer.starts_with("+OK"))
    }

    /// Ends the session as a client should.
    pub(crate) fn quit(mut self) {
        let answer = self.0.ask("QUIT").unwrap();
        assert!(answer.starts_with("+OK"), "{answer}");
    }
}

impl Imap {
    /// Logs in; a refusal is the server's whole answer.
    pub(crate) fn login(port: u16, user: &str, password: &str) -> Result<Self, String> {
        let mut line = Line::open(port);
        line.hear()?;
        let answer = line.ask(&format!("a LOGIN {user} {password}"))?;
        if answer.starts_with("a OK") { Ok(Self(line)) } else { Err(answer) }
    }

    /// Tells whether the server still serves this session.
    pub(crate) fn is_alive(&mut self) -> bool {
        self.0.ask("b NOOP").is_ok_and(|answer| answer.starts_with("b OK"))
    }
}

#[derive(Debug)]
struct Line {
    reader: BufReader<TcpStream>,
}

impl Line {
    fn open(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { reader: BufReader::new(stream) }
    }

    fn ask(&mut self, command: &str) -> Result<String, String> {
        self.reader
            .get_mut()
            .write_all(format!("{command}\r\n").as_bytes())
            .map_err(|error| error.to_string())?;
        self.hear()
    }

    fn hear(&mut self) -> Result<String, String> {
        let mut line = String::new();
        match self.reader.read_line(&mut line) {
            Ok(0) => Err("the server closed the connection".into()),
            Ok(_) => Ok(line.trim_end().to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }
}

fn ok(answer: String) -> Result<String, String> {
    if answer.starts_with("+OK") { Ok(answer) } else { Err(answer) }
}
