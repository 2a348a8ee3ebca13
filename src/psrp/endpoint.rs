//! Where PowerShell remoting is to be had, and as whom.

use std::path::PathBuf;
use std::time::Duration;

use crate::secret::Secret;
use crate::tls::Trust;

/// An endpoint: Exchange's `/PowerShell/`, Windows' `/wsman`, or a JEA configuration on either.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The whole URL.
    pub url: String,
    /// The name of the configuration, such as `Microsoft.Exchange`.
    pub configuration: String,
    /// As whom.
    pub auth: Auth,
    /// Whom to trust over `https`.
    pub trust: Trust,
    /// How long to wait for what.
    pub patience: Patience,
    /// The largest envelope in bytes; the default is what Windows takes since 2012.
    pub envelope: usize,
}

/// As whom, and how that is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// A name and a password with each request. Over TLS only, but for this very machine.
    Basic {
        /// The name.
        username: String,
        /// The password.
        password: Secret,
    },
    /// Kerberos; over plain HTTP the messages are sealed with its key.
    Kerberos {
        /// The principal, `svc-popgate@CONTOSO.EXAMPLE`; without one, the first of the credentials found.
        username: Option<String>,
        /// How the ticket is had.
        credential: Credential,
        /// The host in the service's name, if it is not the one in the URL.
        service_host: Option<String>,
    },
}

impl Auth {
    /// Kerberos with a ticket that is there.
    pub(crate) fn ticket() -> Self {
        Self::Kerberos { username: None, credential: Credential::Cache, service_host: None }
    }
}

/// How a Kerberos ticket is had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// With the keys in a file.
    Keytab(PathBuf),
    /// With a password.
    Password(Secret),
    /// It is there already, in the cache that `KRB5CCNAME` names.
    Cache,
}

/// How long to wait for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For an answer, beyond the time that the server was given.
    pub answer: Duration,
    /// How long one question for output may stay open.
    pub poll: Duration,
    /// For any sign of life from a pipeline.
    pub silence: Duration,
    /// After how long the server may forget a session that is not spoken to.
    pub idle: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            answer: Duration::from_secs(30),
            poll: Duration::from_secs(20),
            silence: Duration::from_mins(5),
            idle: Duration::from_mins(3),
        }
    }
}

impl Endpoint {
    /// An endpoint with all defaults.
    pub fn new(url: impl Into<String>, configuration: impl Into<String>, auth: Auth) -> Self {
        Self {
            url: url.into(),
            configuration: configuration.into(),
            auth,
            trust: Trust::default(),
            patience: Patience::default(),
            envelope: 512_000,
        }
    }
}

impl Auth {
    /// Returns the secret that it is shown with, if there is one; a file of keys is one.
    pub fn secret(&self) -> Option<Secret> {
        match self {
            Self::Basic { password, .. }
            | Self::Kerberos { credential: Credential::Password(password), .. } => Some(password.clone()),
            Self::Kerberos { credential: Credential::Keytab(path), .. } => Some(Secret::File(path.clone())),
            Self::Kerberos { credential: Credential::Cache, .. } => None,
        }
    }

    /// Returns the name of the account, if the settings say it.
    pub fn username(&self) -> Option<&str> {
        match self {
            Self::Basic { username, .. } => Some(username),
            Self::Kerberos { username, .. } => username.as_deref(),
        }
    }
}
