//! Envelopes over HTTP: one connection for each session, its cookies kept, everything bounded.

use std::error::Error as _;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use reqwest::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, COOKIE, HeaderMap, HeaderValue,
    SET_COOKIE, WWW_AUTHENTICATE,
};
use reqwest::{Response, StatusCode, Url};
use secrecy::ExposeSecret as _;

use super::cookies::Cookies;
use super::endpoint::{Auth, Endpoint};
use super::error::{AGAIN, Error, Kind};
use crate::tls;

/// The largest body that is read. Servers keep to `MaxEnvelopeSize`, which is an eighth of it.
const MOST_BODY: usize = 4 * 1024 * 1024;

pub(super) const SOAP: &str = "application/soap+xml;charset=UTF-8";

/// One conversation with an endpoint.
pub(super) struct Http {
    wire: Wire,
    proof: Proof,
}

/// The connection, whoever asks.
pub(super) struct Wire {
    client: reqwest::Client,
    url: Url,
    cookies: Cookies,
}

/// How each request shows who asks.
enum Proof {
    /// Nobody; to see what is offered.
    None,
    /// The same header each time.
    Header(HeaderValue),
    /// A context for each connection.
    #[cfg(feature = "kerberos")]
    Kerberos(Box<super::negotiate::Negotiate>),
}

/// What came back.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) text: String,
}

impl Reply {
    pub(super) fn new(status: StatusCode, bytes: Vec<u8>) -> Result<Self, Error> {
        let text = String::from_utf8(bytes).map_err(|_| Error::protocol("it is no UTF-8 text"))?;
        Ok(Self { status, text })
    }
}

impl Http {
    /// Prepares a conversation; fetches the secret.
    pub(super) async fn new(endpoint: &Endpoint) -> Result<Self, Error> {
        let proof = match &endpoint.auth {
            Auth::Basic { username, password } => {
                let password = password.resolve().await.map_err(|error| {
                    Error::new(Kind::Secret, chain(&error), "see `password` in the settings").in_vain()
                })?;
                let pair = BASE64.encode(format!("{username}:{}", password.expose_secret()));
                let header = HeaderValue::from_str(&format!("Basic {pair}"));
                let mut header = header.map_err(|_| Error::protocol("a header of Base64"))?;
                header.set_sensitive(true);
                Proof::Header(header)
            }
            #[cfg(feature = "kerberos")]
            Auth::Kerberos { username, credential, service_host } => {
                let url = check(endpoint)?;
                let host =
                    service_host.clone().unwrap_or_else(|| url.host_str().unwrap_or_default().to_owned());
                let negotiate = super::negotiate::Negotiate::new(
                    username.clone(),
                    credential.clone(),
                    host,
                    url.scheme() != "https",
                );
                Proof::Kerberos(Box::new(negotiate.await?))
            }
            #[cfg(not(feature = "kerberos"))]
            Auth::Kerberos { .. } => return Err(no_kerberos()),
        };
        Self::with(endpoint, proof)
    }

    /// Prepares a conversation of somebody unknown.
    pub(super) fn anonymous(endpoint: &Endpoint) -> Result<Self, Error> {
        Self::with(endpoint, Proof::None)
    }

    fn with(endpoint: &Endpoint, proof: Proof) -> Result<Self, Error> {
        let url = check(endpoint)?;
        let builder = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(endpoint.patience.connect)
            .pool_max_idle_per_host(1)
            .http1_only();
        let builder = if url.scheme() == "https" {
            let config = tls::client(&endpoint.trust).map_err(|error| {
                Error::new(Kind::Tls, error.to_string(), "see `ca_file` and `pin` in the settings").in_vain()
            })?;
            builder.tls_backend_preconfigured(config)
        } else {
            // A configuration is wanted even where it is never used.
            let config = rustls::ClientConfig::builder_with_provider(tls::provider())
                .with_safe_default_protocol_versions()
                .map_err(|error| Error::new(Kind::Tls, error.to_string(), ""))?
                .with_root_certificates(rustls::RootCertStore::empty())
                .with_no_client_auth();
            builder.tls_backend_preconfigured(config)
        };
        let client = builder.build().map_err(|error| {
            Error::new(Kind::Settings, format!("setting up HTTP: {}", chain(&error)), "").in_vain()
        })?;
        Ok(Self { wire: Wire { client, url, cookies: Cookies::default() }, proof })
    }

    /// Sends an envelope and returns the whole answer.
    pub(super) async fn post(&mut self, envelope: String, patience: Duration) -> Result<Reply, Error> {
        #[cfg(feature = "kerberos")]
        if let Proof::Kerberos(negotiate) = &mut self.proof {
            return negotiate.post(&mut self.wire, envelope, patience).await;
        }
        let mut headers = HeaderMap::new();
        if let Proof::Header(header) = &self.proof {
            headers.insert(AUTHORIZATION, header.clone());
        }
        let response = self.wire.send(headers, SOAP, envelope.into_bytes(), patience).await?;
        self.wire.refuse(&response)?;
        let status = response.status();
        Reply::new(status, body(response).await?)
    }

    /// Asks without a name, and returns the methods by which one could give it.
    pub(super) async fn offers(&mut self, patience: Duration) -> Result<Vec<String>, Error> {
        let response = self.wire.send(HeaderMap::new(), SOAP, Vec::new(), patience).await?;
        Ok(offered(response.headers()))
    }
}

impl Wire {
    /// Sends a body and returns the head of the answer.
    pub(super) async fn send(
        &mut self,
        mut headers: HeaderMap,
        content_type: &'static str,
        body: Vec<u8>,
        patience: Duration,
    ) -> Result<Response, Error> {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        // IIS compresses what it may, and popgate does not unpack what a stranger packed.
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let Some(cookies) = self.cookies.header() {
            headers.insert(COOKIE, cookies);
        }
        let request = self.client.post(self.url.clone()).headers(headers).body(body).timeout(patience);
        let response = request.send().await.map_err(|error| lost(&error, &self.url))?;
        for cookie in response.headers().get_all(SET_COOKIE) {
            self.cookies.keep(cookie.as_bytes());
        }
        Ok(response)
    }

    /// Recognises answers that no envelope can be in.
    pub(super) fn refuse(&self, response: &Response) -> Result<(), Error> {
        let status = response.status();
        let packed =
            response.headers().get(CONTENT_ENCODING).map(|value| String::from_utf8_lossy(value.as_bytes()));
        if let Some(packed) = packed.filter(|packed| !packed.trim().eq_ignore_ascii_case("identity")) {
            return Err(Error::new(
                Kind::Protocol,
                format!(
                    "the answer of {} is compressed ({}), although none was asked for",
                    self.url,
                    clean(&packed)
                ),
                "turn dynamic compression off for this virtual directory, or go round the proxy that does it",
            ));
        }
        let url = &self.url;
        let error = match status.as_u16() {
            401 => unauthorised(url, &offered(response.headers())),
            403 => Error::new(
                Kind::Forbidden,
                format!("{url} answers 403 Forbidden"),
                "the account may not use this address: look at its authentication settings, and whether it demands TLS",
            ),
            404 | 405 => Error::new(
                Kind::WrongAddress,
                format!("{url} answers {status}"),
                "nothing of PowerShell is there: Exchange has /PowerShell/, Windows has /wsman",
            ),
            300..=399 => {
                let place = response.headers().get(reqwest::header::LOCATION);
                let place = place.map_or_else(
                    || "elsewhere".to_owned(),
                    |place| format!("to {}", clean(String::from_utf8_lossy(place.as_bytes()))),
                );
                Error::new(
                    Kind::WrongAddress,
                    format!("{url} answers {status} and sends us {place}"),
                    "write the URL it leads to; credentials are not carried along",
                )
            }
            413 => Error::new(
                Kind::Refused { code: 413 },
                format!("{url} finds the request too large"),
                "raise MaxEnvelopeSizekb and the request limit of the site, or lower `envelope`",
            ),
            429 | 503 => {
                let after = response.headers().get(reqwest::header::RETRY_AFTER);
                let after = after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
                let retry_after = after.map(|seconds: u64| Duration::from_secs(seconds.min(3600)));
                Error::new(Kind::Throttled { retry_after }, format!("{url} answers {status}"), AGAIN)
            }
            502 | 504 => Error::new(Kind::Unwell, format!("{url} answers {status}"), AGAIN),
            _ => return Ok(()),
        };
        Err(if status.as_u16() == 504 || status.as_u16() == 502 { error } else { error.in_vain() })
    }
}

/// Reads a body up to what an envelope can be.
pub(super) async fn body(mut response: Response) -> Result<Vec<u8>, Error> {
    let url = response.url().clone();
    let mut all = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| lost(&error, &url))? {
        if all.len() + chunk.len() > MOST_BODY {
            return Err(Error::protocol(format_args!("it is longer than {MOST_BODY} bytes")));
        }
        all.extend(chunk);
    }
    Ok(all)
}

/// Looks at the URL and whether the method may be used with it.
pub(super) fn check(endpoint: &Endpoint) -> Result<Url, Error> {
    let settings = |what: String, help: &str| Error::new(Kind::Settings, what, help).in_vain();
    let url = Url::parse(&endpoint.url).map_err(|error| {
        settings(
            format!("the URL `{}` cannot be read: {error}", clean(&endpoint.url)),
            "write it whole: `https://ex01.contoso.example/PowerShell/`",
        )
    })?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() || !url.username().is_empty() {
        return Err(settings(
            format!("the URL `{}` is no plain http or https URL", clean(&endpoint.url)),
            "write `https://` and a host; names and passwords have their own settings",
        ));
    }
    if matches!(endpoint.auth, Auth::Basic { .. }) && url.scheme() == "http" && !is_loopback(&url) {
        return Err(settings(
            format!("Basic authentication over plain HTTP to {url} would show the password to the network"),
            "write `https://`, or use `auth: kerberos`, which seals what it sends",
        ));
    }
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    address.map_or(host.eq_ignore_ascii_case("localhost"), |address| address.is_loopback())
}

fn offered(headers: &HeaderMap) -> Vec<String> {
    let mut methods: Vec<String> = headers
        .get_all(WWW_AUTHENTICATE)
        .iter()
        .filter_map(|value| value.to_str().ok()?.split_whitespace().next().map(clean))
        .collect();
    methods.sort_unstable();
    methods.dedup();
    methods
}

fn unauthorised(url: &Url, offers: &[String]) -> Error {
    let offers = if offers.is_empty() { "no method".to_owned() } else { offers.join(", ") };
    Error::new(
        Kind::Unauthorised,
        format!("{url} refuses the account (it offers {offers})"),
        "check name and password or keytab, whether the account is locked or expired, with Kerberos also whether the \
         clocks of both machines agree, and whether the method in `auth` is among those offered",
    )
}

#[cfg(not(feature = "kerberos"))]
fn no_kerberos() -> Error {
    Error::new(
        Kind::Settings,
        "this popgate was built without Kerberos",
        "take it from a package or build it with `--features kerberos`, or use `auth: basic` over TLS",
    )
    .in_vain()
}

/// What it means that a request got no answer, or half of one.
fn lost(error: &reqwest::Error, url: &Url) -> Error {
    let why = reason(error);
    if let Some(tls) = tls_error(error) {
        let what = format!("no TLS connection to {url}: {}", tls_words(tls));
        return Error::new(Kind::Tls, what, tls_help(tls)).in_vain();
    }
    let broke = is_eof(error);
    if error.is_connect() {
        let help = if broke {
            "it hung up instead of beginning TLS: is that a port for `http://`?"
        } else {
            "check the host's name, the port, the firewall, and whether the service runs"
        };
        return Error::new(Kind::Unreachable, format!("no connection to {url}: {why}"), help).in_vain();
    }
    if error.is_timeout() {
        return Error::new(Kind::Late, format!("{url} did not answer in time"), AGAIN);
    }
    if broke {
        let what = format!("{url} hung up before its answer was whole");
        return Error::new(Kind::Unreachable, what, AGAIN);
    }
    let help = if url.scheme() == "http" {
        "if that port speaks TLS, write `https://`; otherwise try again, as `popgate run` does by itself"
    } else {
        AGAIN
    };
    Error::new(Kind::Unreachable, format!("{url} hung up in the middle: {why}"), help)
}

/// Tells whether the other side closed the connection where more had to come.
fn is_eof(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let io = error.downcast_ref::<std::io::Error>();
        if io.is_some_and(|error| error.kind() == std::io::ErrorKind::UnexpectedEof) {
            return true;
        }
        // An I/O error hides the one it was made of.
        if io.and_then(std::io::Error::get_ref).is_some_and(|inner| is_eof(inner)) {
            return true;
        }
        next = error.source();
    }
    false
}

fn tls_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return Some(tls);
        }
        // An I/O error hides the one it was made of.
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if let Some(tls) = inner.and_then(|inner| tls_error(inner)) {
            return Some(tls);
        }
        next = error.source();
    }
    None
}

/// What is wrong with a certificate, with its dates as a person writes them.
fn tls_words(error: &rustls::Error) -> String {
    use rustls::CertificateError as Bad;
    let day = |time: rustls::pki_types::UnixTime| {
        let moment = i64::try_from(time.as_secs()).ok().and_then(|at| jiff::Timestamp::from_second(at).ok());
        moment.map_or_else(|| "long ago".to_owned(), |at| at.strftime("%Y-%m-%d %H:%M UTC").to_string())
    };
    match error {
        rustls::Error::InvalidCertificate(Bad::ExpiredContext { not_after, time }) => {
            format!("its certificate expired on {}, and it is {} here", day(*not_after), day(*time))
        }
        rustls::Error::InvalidCertificate(Bad::NotValidYetContext { not_before, time }) => {
            format!("its certificate is valid from {}, and it is {} here", day(*not_before), day(*time))
        }
        rustls::Error::InvalidCertificate(Bad::UnknownIssuer) => {
            "its certificate was signed by an authority that nobody here knows".to_owned()
        }
        rustls::Error::General(what) => what.clone(),
        other => other.to_string(),
    }
}

fn tls_help(error: &rustls::Error) -> &'static str {
    use rustls::CertificateError as Bad;
    match error {
        rustls::Error::InvalidCertificate(Bad::Expired | Bad::ExpiredContext { .. }) => {
            "the server's certificate has expired: renew it, or set this machine's clock"
        }
        rustls::Error::InvalidCertificate(Bad::NotValidYet | Bad::NotValidYetContext { .. }) => {
            "set this machine's clock, or look at the server's certificate"
        }
        rustls::Error::InvalidCertificate(Bad::NotValidForName | Bad::NotValidForNameContext { .. }) => {
            "the certificate is for another name: write the URL with a name that is in it"
        }
        rustls::Error::InvalidCertificate(Bad::UnknownIssuer) => {
            "name the authority that signed the server's certificate with `ca_file`, or pin the certificate with `pin`"
        }
        rustls::Error::InvalidMessage(_) => "that port does not seem to speak TLS: is it one for `http://`?",
        rustls::Error::General(_) => "if the certificate was renewed, write its new fingerprint in `pin`",
        _ => "look at the server's certificate and at the TLS versions that it offers; 1.2 is the least",
    }
}

/// The innermost reason, which says most.
fn reason(error: &reqwest::Error) -> String {
    let mut last = error.source();
    while let Some(next) = last.and_then(std::error::Error::source) {
        last = Some(next);
    }
    last.map_or_else(|| "no reason given".to_owned(), ToString::to_string)
}

/// An error and its sources, in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        line.push_str(": ");
        line.push_str(&source.to_string());
        next = source.source();
    }
    line
}

/// Text from outside, harmless and short.
fn clean(text: impl AsRef<str>) -> String {
    text.as_ref().chars().filter(|c| !c.is_control()).take(200).collect()
}
