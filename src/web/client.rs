//! The client of the control socket, for the command line: one connection, one request, one answer.

mod error;
/// Tells whether there is no such file, nor can be: a part of its path is no directory.
fn is_nowhere(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests;

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::time::{sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::DaemonStatus;
use super::socket::{Address, own_uid, socket_path};
use crate::engine::event::Command;

pub use error::ClientError;

/// How long a daemon gets to take the connection.
const CONNECT: Duration = Duration::from_secs(2);

/// How long a daemon gets to answer.
const ANSWER: Duration = Duration::from_mins(1);

/// How long to wait when more connections are waiting than the daemon takes.
const QUEUE: Duration = Duration::from_millis(20);

/// The most bytes of an answer; a status that names a million accounts fits.
const LONGEST_ANSWER: usize = 256 * 1024 * 1024;

/// Asks the daemon of a state directory how everything stands; `None` when none is running.
pub async fn status(state_dir: &Path) -> Result<Option<DaemonStatus>, ClientError> {
    let Some(call) = Call::connect(state_dir).await? else { return Ok(None) };
    let answered = call.ask(Method::GET, "/v1/status", Bytes::new(), ANSWER).await?;
    if answered.status != StatusCode::OK {
        return Err(answered.refused());
    }
    answered.decode().map(Some)
}

/// Sends a command to the daemon of a state directory. The inner result is the daemon's own: what was done, or why
/// it refused.
#[expect(clippy::missing_panics_doc, reason = "a command is strings and times, which JSON can always say")]
pub async fn command(state_dir: &Path, command: &Command) -> Result<Result<String, String>, ClientError> {
    let Some(call) = Call::connect(state_dir).await? else {
        return Err(ClientError::NoDaemon { path: socket_path(state_dir) });
    };
    let body = serde_json::to_vec(command).expect("strings and times, which JSON can always say");
    let answered = call.ask(Method::POST, "/v1/command", body.into(), ANSWER).await?;
    match answered.status {
        StatusCode::OK => answered.decode().map(|Done { ok }| Ok(ok)),
        StatusCode::CONFLICT => answered.decode().map(|Refused { error }| Err(error)),
        _ => Err(answered.refused()),
    }
}

#[derive(Debug, Deserialize)]
struct Done {
    ok: String,
}

#[derive(Debug, Deserialize)]
struct Refused {
    error: String,
}

/// A connection that is good for one question.
#[derive(Debug)]
struct Call {
    path: PathBuf,
    stream: UnixStream,
}

impl Call {
    /// Connects; `None` when nobody listens.
    async fn connect(state_dir: &Path) -> Result<Option<Self>, ClientError> {
        let path = socket_path(state_dir);
        let connecting = |source| ClientError::Connecting { path: path.clone(), source };
        let address = match Address::of(state_dir) {
            Ok(Some(address)) => address,
            Ok(None) => return Err(ClientError::TooLong { path }),
            Err(error) if is_nowhere(&error) => return Ok(None),
            Err(error) => return Err(connecting(error)),
        };
        let connected = timeout(CONNECT, connect(&address)).await;
        let connected =
            connected.map_err(|_| ClientError::Silent { path: path.clone(), after: CONNECT.as_secs() })?;
        let stream = match connected {
            Ok(stream) => stream,
            // Refused: the file is there and its daemon is gone.
            Err(error) if is_nowhere(&error) || error.kind() == io::ErrorKind::ConnectionRefused => {
                return Ok(None);
            }
            Err(error) => return Err(connecting(error)),
        };
        let uid = stream.peer_cred().map_err(connecting)?.uid();
        let owner = std::fs::metadata(state_dir).map_err(connecting)?.uid();
        if !is_trusted(uid, own_uid().map_err(connecting)?, owner) {
            return Err(ClientError::Impostor { path, uid });
        }
        Ok(Some(Self { path, stream }))
    }

    /// Asks, and waits for the whole answer.
    async fn ask(
        self,
        method: Method,
        uri: &str,
        body: Bytes,
        within: Duration,
    ) -> Result<Answered, ClientError> {
        let Self { path, stream } = self;
        let answered = timeout(within, exchange(stream, method, uri, body)).await;
        let answered =
            answered.map_err(|_| ClientError::Silent { path: path.clone(), after: within.as_secs() })?;
        match answered {
            Ok((status, body)) => Ok(Answered { path, status, body }),
            Err(why) => Err(ClientError::Broken { path, why }),
        }
    }
}

/// Tells whether a daemon may run as `uid`, so that what it says is believed: root, the user who asks, or whom the
/// state directory belongs to.
fn is_trusted(uid: u32, own: u32, owner: u32) -> bool {
    [0, own, owner].contains(&uid)
}

async fn connect(address: &Address) -> io::Result<UnixStream> {
    loop {
        match UnixStream::connect(&address.path).await {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => sleep(QUEUE).await,
            connected => return connected,
        }
    }
}

async fn exchange(
    stream: UnixStream,
    method: Method,
    uri: &str,
    body: Bytes,
) -> Result<(StatusCode, Bytes), String> {
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    let connection = AbortOnDropHandle::new(tokio::spawn(connection));
    let request = Request::builder()
        .method(method)
        .uri(uri)
        .header(HOST, "popgate")
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(body))
        .expect("every part is a constant of this file");
    let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), LONGEST_ANSWER).collect().await;
    drop(connection);
    Ok((status, body.map_err(|error| error.to_string())?.to_bytes()))
}

/// An answer, whatever it says.
#[derive(Debug)]
struct Answered {
    path: PathBuf,
    status: StatusCode,
    body: Bytes,
}

impl Answered {
    fn decode<T: DeserializeOwned>(self) -> Result<T, ClientError> {
        #[derive(Deserialize)]
        struct Versioned {
            version: String,
        }
        serde_json::from_slice(&self.body).map_err(|error| ClientError::Strange {
            path: self.path,
            why: error.to_string(),
            version: serde_json::from_slice(&self.body).ok().map(|Versioned { version }| version),
        })
    }

    fn refused(self) -> ClientError {
        let why = match serde_json::from_slice(&self.body) {
            Ok(Refused { error }) => error,
            Err(_) => "without saying why".to_owned(),
        };
        ClientError::Refused { path: self.path, status: self.status.as_u16(), why }
    }
}
