//! The greeting of a POP3 server, plain or inside TLS: what a client would see.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::tls::{self, Trust};

/// The longest a greeting may be (RFC 1939 allows 512).
const LONGEST: usize = 512;
/// How long one attempt may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Which ports must greet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pop3 {
    /// The port without TLS, if it is looked at.
    pub plain: Option<u16>,
    /// The port with TLS from the first byte, if it is looked at.
    pub tls: Option<u16>,
    /// The name that the certificate must be for, if it is not the server's.
    pub tls_name: Option<String>,
    /// Whom to trust there.
    pub trust: Trust,
}

impl Default for Pop3 {
    fn default() -> Self {
        Self { plain: Some(110), tls: Some(995), tls_name: None, trust: Trust::default() }
    }
}

impl Pop3 {
    /// Reads the greeting on each port; the first that is missing or wrong is the error, in words.
    pub(super) async fn greets(&self, host: &str) -> Result<(), String> {
        if let Some(port) = self.plain {
            within(host, port, self.plainly(host, port)).await?;
        }
        if let Some(port) = self.tls {
            within(host, port, self.sealed(host, port)).await?;
        }
        Ok(())
    }

    async fn plainly(&self, host: &str, port: u16) -> Result<(), String> {
        greeting(connect(host, port).await?).await
    }

    async fn sealed(&self, host: &str, port: u16) -> Result<(), String> {
        let name = self.tls_name.as_deref().unwrap_or(host);
        let config = tls::client(&self.trust).map_err(|error| error.to_string())?;
        let server = ServerName::try_from(name.to_owned()).map_err(|error| format!("`{name}`: {error}"))?;
        let stream = connect(host, port).await?;
        let stream = TlsConnector::from(Arc::new(config)).connect(server, stream).await;
        let stream = stream.map_err(|error| {
            format!(
                "no TLS with a certificate for {name}: {error}; if clients use another name, write it as `tls_name`"
            )
        })?;
        greeting(stream).await
    }
}

async fn within(
    host: &str,
    port: u16,
    attempt: impl Future<Output = Result<(), String>>,
) -> Result<(), String> {
    let done = timeout(PATIENCE, attempt).await;
    let done = done.unwrap_or_else(|_| Err(format!("no greeting within {PATIENCE:?}")));
    done.map_err(|why| format!("POP3 on {host}:{port}: {why}"))
}

async fn connect(host: &str, port: u16) -> Result<TcpStream, String> {
    TcpStream::connect((host, port)).await.map_err(|error| error.to_string())
}

/// Reads one line and says goodbye.
async fn greeting(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> Result<(), String> {
    let mut line = Vec::new();
    while !line.ends_with(b"\n") {
        let byte = stream.read_u8().await.map_err(|_| "it hung up before it greeted".to_owned())?;
        line.push(byte);
        if line.len() > LONGEST {
            return Err("it greets with more than 512 bytes".to_owned());
        }
    }
    if !line.starts_with(b"+OK") {
        let said: String = String::from_utf8_lossy(&line)
            .chars()
            .filter(|character| !character.is_control())
            .take(80)
            .collect();
        return Err(format!("it greets with `{said}`"));
    }
    // Whether it hears the goodbye does not matter.
    let _heard: Result<(), _> = stream.write_all(b"QUIT\r\n").await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn greeted(line: &[u8]) -> Result<(), String> {
        let (client, mut server) = tokio::io::duplex(2048);
        server.write_all(line).await.unwrap();
        let heard = greeting(client).await;
        drop(server);
        heard
    }

    #[tokio::test]
    async fn only_a_welcome_is_a_welcome() {
        assert_eq!(greeted(b"+OK The Microsoft Exchange POP3 service is ready.\r\n").await, Ok(()));
        let busy = greeted(b"-ERR Server Unavailable.\x1b[2J 21\r\n").await;
        assert_eq!(busy, Err("it greets with `-ERR Server Unavailable.[2J 21`".to_owned()));
        assert!(greeted(&[b'x'; 600]).await.unwrap_err().contains("512"));
    }
}
