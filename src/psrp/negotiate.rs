//! `Negotiate`: who asks is shown once for each connection, and over plain HTTP everything after that is sealed.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use reqwest::{Response, StatusCode};

use super::endpoint::Credential;
use super::error::{Error, Kind};
use super::http::{Reply, SOAP, Wire, body, chain};
use super::kerberos::{Context, Person};
use super::seal;

/// How often a context is begun for one request: a server may hang up between two.
const ATTEMPTS: usize = 2;

/// A person, and the context with the connection that is open, if there is one.
pub(super) struct Negotiate {
    person: std::sync::Arc<Person>,
    seals: bool,
    context: Option<Context>,
}

impl Negotiate {
    /// Fetches the password, where one is needed.
    pub(super) async fn new(
        username: Option<String>,
        credential: Credential,
        host: String,
        seals: bool,
    ) -> Result<Self, Error> {
        let password = match &credential {
            Credential::Password(secret) => {
                let secret = secret.resolve().await;
                let failed = |error| {
                    Error::new(Kind::Secret, chain(&error), "see `password` in the settings").in_vain()
                };
                Some(secret.map_err(failed)?)
            }
            Credential::Keytab(_) | Credential::Cache => None,
        };
        let person = Person { username, credential, password, host };
        Ok(Self { person: std::sync::Arc::new(person), seals, context: None })
    }

    /// Sends an envelope, after showing who asks where that is not known yet.
    pub(super) async fn post(
        &mut self,
        wire: &mut Wire,
        envelope: String,
        patience: Duration,
    ) -> Result<Reply, Error> {
        for attempt in 1.. {
            let fresh = self.context.is_none();
            // Whatever fails, or is dropped, takes the connection with it.
            let context = self.context.take();
            let (context, response) = if self.seals {
                let mut context = match context {
                    Some(context) => context,
                    None => self.introduce(wire, None, patience).await?.0,
                };
                let sealed = context.seal(envelope.as_bytes())?;
                let response = wire.send(HeaderMap::new(), seal::CONTENT_TYPE, sealed, patience).await?;
                (context, response)
            } else {
                match context {
                    Some(context) => {
                        let body = envelope.clone().into_bytes();
                        (context, wire.send(HeaderMap::new(), SOAP, body, patience).await?)
                    }
                    None => self.introduce(wire, Some(&envelope), patience).await?,
                }
            };
            if response.status() == StatusCode::UNAUTHORIZED && !fresh && attempt < ATTEMPTS {
                // Another connection than the one that knew us.
                continue;
            }
            wire.refuse(&response)?;
            return self.reply(context, response).await;
        }
        Err(Error::protocol("it asks who we are again and again"))
    }

    async fn reply(&mut self, mut context: Context, response: Response) -> Result<Reply, Error> {
        let status = response.status();
        let sealed = response
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(seal::is_sealed);
        let bytes = body(response).await?;
        let bytes = match (self.seals, sealed) {
            (_, true) => context.unseal(&bytes)?,
            // What is not sealed may be anybody's.
            (true, false) if status.is_success() || !bytes.is_empty() => {
                return Err(Error::protocol(format_args!("{status}, and it is not sealed")));
            }
            (_, false) => bytes,
        };
        self.context = Some(context);
        Reply::new(status, bytes)
    }

    /// Shows who asks, together with an envelope or, before anything is sealed, alone.
    async fn introduce(
        &mut self,
        wire: &mut Wire,
        envelope: Option<&str>,
        patience: Duration,
    ) -> Result<(Context, Response), Error> {
        let person = std::sync::Arc::clone(&self.person);
        // Kerberos asks the KDC and waits for it.
        let begun = tokio::task::spawn_blocking(move || person.begin()).await;
        let (mut context, mut token) = begun.map_err(|_| Error::protocol("Kerberos gave up"))??;
        // SPNEGO may need a second round to agree on a mechanism.
        for _ in 0..3 {
            let mut header = HeaderValue::from_str(&format!("Negotiate {}", BASE64.encode(&token)))
                .map_err(|_| Error::protocol("a header of Base64"))?;
            header.set_sensitive(true);
            let headers = HeaderMap::from_iter([(AUTHORIZATION, header)]);
            let body = envelope.unwrap_or_default().as_bytes().to_vec();
            let response = wire.send(headers, SOAP, body, patience).await?;
            let answer = answer(response.headers());
            if response.status() == StatusCode::UNAUTHORIZED && answer.is_none() {
                wire.refuse(&response)?;
            }
            let Some(answer) = answer else {
                return Err(Error::new(
                    Kind::Protocol,
                    "the server took the ticket and did not prove itself in turn",
                    "look whether a proxy stands between that authenticates by itself",
                ));
            };
            match context.step(&answer)? {
                Some(next) if response.status() == StatusCode::UNAUTHORIZED => token = next,
                _ => return Ok((context, response)),
            }
        }
        Err(Error::protocol("the negotiation finds no end"))
    }
}

/// Reads the server's token.
fn answer(headers: &HeaderMap) -> Option<Vec<u8>> {
    headers.get_all(WWW_AUTHENTICATE).iter().find_map(|value| {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        let known = scheme.eq_ignore_ascii_case("Negotiate") || scheme.eq_ignore_ascii_case("Kerberos");
        if known { BASE64.decode(token.trim()).ok() } else { None }
    })
}
