//! A double of an Exchange organisation, started by a test and gone with it: see `tests/doubles/exchange`.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use serde_json::{Value, json};

use super::short_dir;

/// The account that a scenario has unless it says otherwise, for Basic and for Kerberos.
pub(crate) const USER: &str = "CONTOSO\\svc-popgate";
/// Its password.
pub(crate) const PASSWORD: &str = "Passw0rd!";

/// A running double.
pub(crate) struct Exchange {
    dir: tempfile::TempDir,
    child: Child,
    /// Its end is the double's end.
    stdin: Option<ChildStdin>,
    ready: Value,
}

impl Exchange {
    /// Starts a double that plays this scenario.
    pub(crate) fn start(scenario: &Value) -> Self {
        let dir = short_dir();
        let mut child = Command::new(python())
            .arg(double())
            .arg(dir.path().join("double"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env_remove("KRB5CCNAME")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        writeln!(stdin, "{scenario}").unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready = serde_json::from_str(&line).unwrap_or_else(|error| {
            panic!("the double of Exchange does not start ({error}); it said: {line}")
        });
        Self { dir, child, stdin: Some(stdin), ready }
    }

    /// Returns a port: `http`, `https`, `pop3`, `pop3s`; the same on every server.
    pub(crate) fn port(&self, name: &str) -> u16 {
        self.ready[name].as_u64().and_then(|port| u16::try_from(port).ok()).unwrap()
    }

    /// Returns the file of the authority that signed the servers' certificate.
    pub(crate) fn ca(&self) -> PathBuf {
        self.ready["ca"].as_str().unwrap().into()
    }

    /// Returns the configuration of the private realm.
    pub(crate) fn krb5_config(&self) -> PathBuf {
        self.ready["kerberos"]["krb5_config"].as_str().unwrap().into()
    }

    /// Returns the keytab of a principal.
    #[cfg(feature = "kerberos")]
    pub(crate) fn keytab(&self, principal: &str) -> PathBuf {
        self.ready["kerberos"]["keytabs"][principal].as_str().unwrap().into()
    }

    /// Returns the directory of this double, for files beside it.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Asks the control port, or tells it something.
    pub(crate) fn control(&self, path: &str, body: &Value) -> Value {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port("control"))).unwrap();
        let body = body.to_string();
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nHost: double\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{path} {body}");
        serde_json::from_str(body).unwrap()
    }

    /// Returns everything the double knows of itself.
    pub(crate) fn state(&self) -> Value {
        self.control("/state", &json!({}))
    }

    /// Returns what happened of one kind, in order.
    pub(crate) fn events(&self, kind: &str) -> Vec<Value> {
        self.control("/events", &json!({ "kind": kind })).as_array().unwrap().clone()
    }

    /// Lets something go wrong once, or as often as it says.
    pub(crate) fn fault(&self, fault: &Value) {
        self.control("/fault", fault);
    }

    /// Tells whether a mailbox has POP3, by its primary address.
    pub(crate) fn pop(&self, smtp: &str) -> bool {
        let state = self.state();
        let mailboxes = state["mailboxes"].as_object().unwrap();
        let found = mailboxes.values().find(|mailbox| mailbox["smtp"] == smtp);
        found.unwrap_or_else(|| panic!("no mailbox {smtp}"))["pop"].as_bool().unwrap()
    }

    /// Returns how often both services of a server were restarted: front end, back end.
    pub(crate) fn restarts(&self, server: &str) -> (u64, u64) {
        let services = &self.state()["servers"][server]["services"];
        let of = |name: &str| services[name]["restarts"].as_u64().unwrap_or_default();
        (of("MSExchangePop3"), of("MSExchangePOP3BE"))
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        drop(self.stdin.take());
        // It leaves when its standard input ends; whatever it was doing then is of no interest.
        let _killed = self.child.kill();
        self.child.wait().unwrap();
    }
}

/// Returns the Python that has the packages of `tests/requirements.txt`, or fails the test with the command that installs them.
pub(crate) fn python() -> PathBuf {
    let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("python");
    let wanted = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/requirements.txt")).unwrap();
    let installed = std::fs::read(venv.join("installed.txt")).unwrap_or_default();
    assert!(
        installed == wanted,
        "this test needs the Python packages of tests/requirements.txt in {}, and they are missing \
         or of other versions: run `tests/run --install`",
        venv.display()
    );
    venv.join("bin/python")
}

/// Returns the directory of the double's program.
pub(crate) fn double() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/doubles/exchange")
}
