//! The settings of the service `exchange`: which servers, how they are reached, and which ports must greet.

use std::path::Path;
use std::time::Duration;

use super::codes;
use super::piece::{Fields, Piece};
use super::problems::{Problems, shown};
use super::written::Value;
use super::{remoting, schema};
use crate::psrp::Endpoint;
use crate::services::exchange::{Farm, Pop3, Server, Servers};
use crate::tls::Trust;

/// The URL of a server's own endpoint, unless the settings say otherwise.
const URL: &str = "https://{server}:5986/wsman";
/// Windows' own configuration.
const CONFIGURATION: &str = "Microsoft.PowerShell";

/// Reads the service. `organisation` is the endpoint of the target's store, if that is Exchange.
pub(super) fn read(
    fields: Fields<'_>,
    organisation: Option<&Endpoint>,
    base: &Path,
    problems: &mut Problems<'_>,
) -> Option<Farm> {
    let organisation = match fields.get("organisation") {
        Some(field) => read_organisation(field, organisation, base, problems),
        None => organisation.cloned().or_else(|| {
            problems
                .error(codes::MISSING_FIELD, fields.whole().key, "missing field `organisation` in `service`")
                .help(
                    "the store is no Exchange that could be asked: write `organisation: {url: \
                     \"https://ex01.contoso.example/PowerShell/\", …}`",
                );
            None
        }),
    };
    let name = fields
        .get("configuration")
        .map_or_else(|| Some(CONFIGURATION.to_owned()), |field| remoting::configuration(field, problems));
    // What is wrong with the rest is said all the same.
    let shown = name.as_deref().unwrap_or(CONFIGURATION);
    let remote = remoting::endpoint(fields, URL, shown, organisation.as_ref(), base, problems);
    let auth = remote.as_ref().map(|remote| &remote.auth);
    let written = fields.get("url");
    let url = written.map_or_else(|| Some(URL.to_owned()), |field| remoting::url(field, auth, problems));
    let servers = fields.need("servers", "write `servers: auto`, or a list of servers", problems);
    let servers = servers.and_then(|field| read_servers(field, auth, problems));
    if let (Some(field), Some(url), Some(servers)) = (written, &url, &servers) {
        places(field, url, servers, problems);
    }
    let trust = remote.as_ref().map(|remote| remote.trust.clone()).unwrap_or_default();
    let pop3 = fields.get("pop3").map_or_else(
        || Some(Pop3 { trust: trust.clone(), ..Pop3::default() }),
        |field| read_pop3(field, &trust, base, problems),
    );
    let mut duration = |name: &str, seconds| {
        let written = fields.get(name).and_then(|field| field.some_duration(problems));
        written.unwrap_or(Duration::from_secs(seconds))
    };
    let (timeout, ready) = (duration("timeout", 180), duration("ready", 120));
    let remote = Endpoint { url: url?, configuration: name?, ..remote? };
    Some(Farm { organisation: organisation?, servers: servers?, remote, pop3: pop3?, timeout, ready })
}

fn read_organisation(
    of: Piece<'_>,
    like: Option<&Endpoint>,
    base: &Path,
    problems: &mut Problems<'_>,
) -> Option<Endpoint> {
    let fields = Fields::open(of, schema::ORGANISATION, problems)?;
    let endpoint = remoting::endpoint(fields, "", "Microsoft.Exchange", like, base, problems);
    let help = "write for example `url: \"https://ex01.contoso.example/PowerShell/\"`";
    let url = fields.need("url", help, problems)?;
    let url = remoting::url(url, endpoint.as_ref().map(|endpoint| &endpoint.auth), problems)?;
    Some(Endpoint { url, ..endpoint? })
}

/// With one URL for several servers, one server would be restarted several times and the others never.
fn places(field: Piece<'_>, url: &str, servers: &Servers, problems: &mut Problems<'_>) {
    let needed = match servers {
        Servers::Auto => true,
        Servers::Listed(servers) => servers.iter().filter(|server| server.url.is_none()).count() > 1,
    };
    if needed && !url.contains("{server}") {
        problems
            .error(codes::BAD_URL, field.node.at, "one `url` for several servers")
            .help("write `{server}` where the server's name belongs: `https://{server}:5986/wsman`");
    }
}

fn read_servers(
    field: Piece<'_>,
    auth: Option<&crate::psrp::Auth>,
    problems: &mut Problems<'_>,
) -> Option<Servers> {
    if let Value::Text(text) = &field.node.value {
        if text == "auto" {
            return Some(Servers::Auto);
        }
        let message = format!("`servers` must be `auto` or a list of servers, not `{}`", shown(text));
        problems
            .error(codes::WRONG_WORD, field.node.at, message)
            .help(format!("write `auto` or `[{}]`", shown(text)));
        return None;
    }
    let items = field.items("`auto` or a list of servers", problems)?;
    if items.is_empty() {
        return field.too_few(problems);
    }
    let mut servers: Vec<Server> = Vec::new();
    let mut all_read = true;
    for item in items {
        let Some(server) = read_server(item, auth, problems) else {
            all_read = false;
            continue;
        };
        if servers.iter().any(|other| other.name.eq_ignore_ascii_case(&server.name)) {
            problems
                .error(
                    codes::DOUBLED_FIELD,
                    item.node.at,
                    format!("the server `{}` is listed twice", server.name),
                )
                .help("keep one of the two");
        } else {
            servers.push(server);
        }
    }
    all_read.then_some(Servers::Listed(servers))
}

fn read_server(
    item: Piece<'_>,
    auth: Option<&crate::psrp::Auth>,
    problems: &mut Problems<'_>,
) -> Option<Server> {
    if let Value::Text(_) = &item.node.value {
        let name = host(item, problems)?;
        return Some(Server { host: name.clone(), name, url: None });
    }
    let fields = Fields::open(item, schema::SERVER, problems)?;
    let name = fields
        .need("name", "write for example `name: ex01`", problems)
        .and_then(|field| host(field, problems));
    let host_field = fields.get("host");
    let address = host_field.and_then(|field| host(field, problems));
    let url_field = fields.get("url");
    let url = url_field.and_then(|field| remoting::url(field, auth, problems));
    if (host_field.is_some() && address.is_none()) || (url_field.is_some() && url.is_none()) {
        return None;
    }
    let name = name?;
    let within = url.as_deref().and_then(host_of).map(str::to_owned);
    let host = address.or(within).unwrap_or_else(|| name.clone());
    Some(Server { name, host, url })
}

fn host_of(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    Some(authority.rsplit_once(':').map_or(authority, |(host, _)| host))
}

/// Reads the name of a host.
fn host(field: Piece<'_>, problems: &mut Problems<'_>) -> Option<String> {
    let text = field.text(problems)?;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    if text.len() <= 255 && text.bytes().all(fits) && !text.starts_with('-') {
        return Some(text.to_owned());
    }
    problems
        .error(codes::BAD_TEXT, field.node.at, format!("`{}` cannot be the name of a server", shown(text)))
        .help("write its full name, such as `ex01.contoso.example`");
    None
}

fn read_pop3(of: Piece<'_>, trust: &Trust, base: &Path, problems: &mut Problems<'_>) -> Option<Pop3> {
    let fields = Fields::open(of, schema::POP3, problems)?;
    let mut port = |name: &str, usual: u16| match fields.get(name) {
        None => Some(Some(usual)),
        Some(field) if matches!(&field.node.value, Value::Text(text) if text == "off") => Some(None),
        Some(field) if matches!(field.node.value, Value::Integer(..)) => {
            let port = field.integer(1, 65_535, problems)?;
            u16::try_from(port).ok().map(Some)
        }
        Some(field) => field.wrong("a port or `off`", problems),
    };
    let (plain, tls) = (port("plain", 110), port("tls", 995));
    let tls_name = fields.get("tls_name").and_then(|field| host(field, problems));
    let own = remoting::trust(fields, base, problems)?;
    let trust = if own == Trust::default() { trust.clone() } else { own };
    Some(Pop3 { plain: plain?, tls: tls?, tls_name, trust })
}
