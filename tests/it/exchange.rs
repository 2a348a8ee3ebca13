//! Exchange: the client of PowerShell remoting and the store, against the protocol double.

mod bad_day;
mod client;
mod farm;
mod interrupted;
#[cfg(feature = "kerberos")]
mod kerberos;
mod program;
mod store;

use popgate::psrp::{Auth, Client, Endpoint};
use popgate::secret::Secret;

use crate::world::exchange::{Exchange, PASSWORD, USER};

/// The endpoint of the double's first server, over TLS.
fn endpoint(double: &Exchange) -> Endpoint {
    let url = format!("https://localhost:{}/PowerShell/", double.port("https"));
    let mut endpoint = Endpoint::new(url, "Microsoft.Exchange", basic(double, PASSWORD));
    endpoint.trust.authorities = Some(double.ca());
    endpoint
}

/// Basic authentication with this password, from a file.
fn basic(double: &Exchange, password: &str) -> Auth {
    let file = double.dir().join(format!("password-{}", password.len()));
    std::fs::write(&file, password).unwrap();
    Auth::Basic { username: USER.to_owned(), password: Secret::File(file) }
}

fn client(endpoint: Endpoint) -> Client {
    Client::new(endpoint).unwrap()
}
