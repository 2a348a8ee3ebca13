//! How an endpoint of PowerShell remoting is reached: the fields that the Exchange store and its service share.

use std::path::Path;

use super::codes;
use super::piece::{Fields, Piece, from};
use super::problems::{Problems, shown};
use crate::psrp::{Auth, Credential, Endpoint};
use crate::secret::Secret;
use crate::tls::{Pin, Trust};

/// The fields that say as whom.
const PERSON: [&str; 5] = ["auth", "username", "password", "keytab", "service_host"];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Method {
    Basic,
    Kerberos,
}

/// Reads the fields of an endpoint but for its URL. What is not written is taken from `like`, where there is one.
pub(super) fn endpoint(
    fields: Fields<'_>,
    url: &str,
    configuration: &str,
    like: Option<&Endpoint>,
    base: &Path,
    problems: &mut Problems<'_>,
) -> Option<Endpoint> {
    let written = PERSON.iter().any(|name| fields.get(name).is_some());
    let auth = match like {
        Some(like) if !written => Some(like.auth.clone()),
        _ => auth(fields, base, problems),
    };
    let trust = trust(fields, base, problems);
    let trust = match like {
        Some(like) if trust == Some(Trust::default()) => Some(like.trust.clone()),
        _ => trust,
    };
    Some(Endpoint { trust: trust?, ..Endpoint::new(url, configuration, auth?) })
}

fn auth(fields: Fields<'_>, base: &Path, problems: &mut Problems<'_>) -> Option<Auth> {
    let words = [("kerberos", Method::Kerberos), ("basic", Method::Basic)];
    let method = fields.get("auth").map_or(Some(Method::Kerberos), |field| field.word(&words, problems));
    let username = fields.get("username").and_then(|field| field.text(problems)).map(str::to_owned);
    let password = fields.get("password").and_then(|field| field.secret(base, problems));
    let keytab = fields.get("keytab").and_then(|field| field.text(problems)).map(|path| from(base, path));
    let service_host = fields.get("service_host").and_then(|field| field.text(problems)).map(str::to_owned);
    match method? {
        Method::Basic => {
            for name in ["keytab", "service_host"] {
                if let Some(field) = fields.get(name) {
                    superfluous(field, "basic", problems);
                }
            }
            fields.need("username", "write for example `username: CONTOSO\\svc-popgate`", problems);
            fields.need("password", "write `password: {file: /etc/popgate/password}`", problems);
            Some(Auth::Basic { username: username?, password: password? })
        }
        Method::Kerberos => {
            if let (Some(_), Some(field)) = (&keytab, fields.get("password")) {
                problems
                    .error(codes::DOUBLED_FIELD, field.key, "`keytab` and `password`: which of them?")
                    .help("keep one of the two");
            }
            Some(Auth::Kerberos { username, credential: credential(keytab, password), service_host })
        }
    }
}

fn credential(keytab: Option<std::path::PathBuf>, password: Option<Secret>) -> Credential {
    match (keytab, password) {
        (Some(keytab), _) => Credential::Keytab(keytab),
        (None, Some(password)) => Credential::Password(password),
        (None, None) => Credential::Cache,
    }
}

fn superfluous(field: Piece<'_>, method: &str, problems: &mut Problems<'_>) {
    let message = format!("`{}` has no meaning with `auth: {method}`", field.name);
    problems.error(codes::UNKNOWN_FIELD, field.key, message).help("remove it");
}

/// Reads whom to trust.
pub(super) fn trust(fields: Fields<'_>, base: &Path, problems: &mut Problems<'_>) -> Option<Trust> {
    let authorities =
        fields.get("ca_file").and_then(|field| field.text(problems)).map(|path| from(base, path));
    let mut all_read = true;
    let pins = fields.get("pin").and_then(|field| field.one_or_more(problems)).unwrap_or_default();
    let pins = pins.into_iter().filter_map(|item| {
        let pin = item.text(problems).and_then(|text| {
            let pin = Pin::parse(text);
            if pin.is_none() {
                problems
                    .error(codes::BAD_TEXT, item.node.at, format!("`{}` is no SHA-256", shown(text)))
                    .help("write `sha256:` and its 64 hexadecimal digits");
            }
            pin
        });
        all_read &= pin.is_some();
        pin
    });
    let pins = pins.collect();
    all_read.then_some(Trust { authorities, pins })
}

/// Reads a URL of an endpoint. `{server}` in it stands for the name of a server.
pub(super) fn url(field: Piece<'_>, auth: Option<&Auth>, problems: &mut Problems<'_>) -> Option<String> {
    let text = field.text(problems)?;
    let host = text
        .strip_prefix("https://")
        .map(|rest| (true, rest))
        .or_else(|| text.strip_prefix("http://").map(|rest| (false, rest)))
        .map(|(tls, rest)| (tls, rest.split(['/', '?', '#']).next().unwrap_or_default()));
    let Some((tls, host)) = host.filter(|(_, host)| !host.is_empty() && !host.contains('@')) else {
        problems
            .error(codes::BAD_URL, field.node.at, format!("`{}` is no URL of an endpoint", shown(text)))
            .help("write for example `https://ex01.contoso.example/PowerShell/`");
        return None;
    };
    if !tls && matches!(auth, Some(Auth::Basic { .. })) && !is_loopback(host) {
        problems
            .error(
                codes::BAD_URL,
                field.node.at,
                "Basic authentication over plain HTTP shows the password to everybody",
            )
            .help("write `https://`, or `auth: kerberos`, which seals what it sends");
        return None;
    }
    Some(text.to_owned())
}

fn is_loopback(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name == "localhost"
        || name
            .trim_matches(['[', ']'])
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// Reads the name of a configuration.
pub(super) fn configuration(field: Piece<'_>, problems: &mut Problems<'_>) -> Option<String> {
    let text = field.text(problems)?;
    if text.len() <= 256 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)) {
        return Some(text.to_owned());
    }
    problems
        .error(codes::BAD_TEXT, field.node.at, format!("`{}` cannot be a configuration", shown(text)))
        .help("write its name as `Get-PSSessionConfiguration` shows it, such as `Microsoft.PowerShell`");
    None
}
