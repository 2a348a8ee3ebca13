//! Kerberos through the system's GSSAPI: SPNEGO tokens, and messages sealed with their key.
//!
//! `libgssapi` with its `iov` calls, and not `sspi`: it is the Kerberos that the machine has, updates and configures, and it
//! takes the ticket of `kinit`, which `sspi` 0.23 does not look for. `sspi` speaks Kerberos itself and needs no library of the
//! system, but brings more than 70 further crates, RSA and elliptic curves among them, where `libgssapi` brings two. And the
//! `iov` calls give the header of a token apart from its data, as the seal of `WinRM` wants it.

mod keytab;

use std::io::Read as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use libgssapi::context::{ClientCtx, CtxFlags, SecurityContext as _};
use libgssapi::credential::{Cred, CredUsage};
use libgssapi::name::Name;
use libgssapi::oid::{GSS_MECH_SPNEGO, GSS_NT_HOSTBASED_SERVICE, GSS_NT_KRB5_PRINCIPAL, OidSet};
use libgssapi::util::{GssIov, GssIovType};
use secrecy::{ExposeSecret as _, SecretString};

use super::endpoint::Credential;
use super::error::{Error, Kind};
use super::seal::{self, Sealed};

const NO_TICKET: &str = "there is no ticket: write `keytab`, or get one with `kinit`";

/// Who asks, and for which service.
pub(super) struct Person {
    /// The principal; without one, whoever the credentials are of.
    pub(super) username: Option<String>,
    /// How the ticket is had.
    pub(super) credential: Credential,
    /// The password, where the ticket is had with one.
    pub(super) password: Option<SecretString>,
    /// The host of the service.
    pub(super) host: String,
}

/// A security context with one connection of the server.
pub(super) struct Context(ClientCtx);

impl Person {
    /// Begins a context: returns it with the first token. Asks the KDC, so it may take its time.
    pub(super) fn begin(&self) -> Result<(Context, Vec<u8>), Error> {
        let cred = self.cred().map_err(|error| {
            let error = failed("no Kerberos ticket", error);
            match &self.credential {
                // Without a key that fits, GSSAPI goes on to look for a cache, and speaks of that.
                Credential::Keytab(path) if error.help == NO_TICKET => {
                    unusable(path, self.username.as_deref())
                }
                _ => error,
            }
        })?;
        let service = format!("HTTP@{}", self.host);
        let target = Name::new(service.as_bytes(), Some(GSS_NT_HOSTBASED_SERVICE))
            .map_err(|error| failed("naming the service", error))?;
        let flags = CtxFlags::GSS_C_MUTUAL_FLAG
            | CtxFlags::GSS_C_CONF_FLAG
            | CtxFlags::GSS_C_INTEG_FLAG
            | CtxFlags::GSS_C_SEQUENCE_FLAG;
        let mut context = ClientCtx::new(Some(cred), target, flags, Some(GSS_MECH_SPNEGO));
        let token = context
            .step(None, None)
            .map_err(|error| failed(&format!("no Kerberos ticket for HTTP/{}", self.host), error))?;
        let token = token.ok_or_else(|| Error::protocol("Kerberos has nothing to say"))?;
        Ok((Context(context), token.to_vec()))
    }

    fn cred(&self) -> Result<Cred, libgssapi::error::Error> {
        /// Caches of one process are told apart by their number.
        static CACHES: AtomicU64 = AtomicU64::new(0);
        let principal = self.username.as_deref();
        let name =
            || principal.map(|name| Name::new(name.as_bytes(), Some(GSS_NT_KRB5_PRINCIPAL))).transpose();
        match (&self.credential, &self.password) {
            (Credential::Keytab(path), _) => {
                let cache = format!("MEMORY:popgate-{}", CACHES.fetch_add(1, Ordering::Relaxed));
                keytab::acquire(principal, &format!("FILE:{}", path.display()), &cache)
            }
            (Credential::Password(_), Some(password)) => {
                let password = password.expose_secret();
                // By default it would be for Kerberos alone, which SPNEGO then does not find.
                let mut mechanisms = OidSet::new();
                mechanisms.add(GSS_MECH_SPNEGO)?;
                Cred::acquire_with_password(
                    name()?.as_ref(),
                    password,
                    None,
                    CredUsage::Initiate,
                    Some(&mechanisms),
                )
            }
            (Credential::Password(_) | Credential::Cache, _) => {
                Cred::acquire(name()?.as_ref(), None, CredUsage::Initiate, None)
            }
        }
    }
}

impl Context {
    /// Takes the server's token, and returns another one where that is wanted.
    pub(super) fn step(&mut self, token: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let next = self
            .0
            .step(Some(token), None)
            .map_err(|error| failed("the server does not prove itself", error))?;
        Ok(next.map(|token| token.to_vec()))
    }

    /// Seals a message.
    pub(super) fn seal(&mut self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let mut data = message.to_vec();
        let mut parts = [
            GssIov::new_alloc(GssIovType::Header),
            GssIov::new(GssIovType::Data, &mut data),
            GssIov::new_alloc(GssIovType::Padding),
        ];
        self.0.wrap_iov(true, &mut parts).map_err(|error| failed("sealing a message", error))?;
        let sealed = [&*parts[1], &*parts[2]].concat();
        Ok(seal::write(Sealed { length: message.len() + parts[2].len(), header: &parts[0], data: &sealed }))
    }

    /// Opens a sealed body.
    pub(super) fn unseal(&mut self, body: &[u8]) -> Result<Vec<u8>, Error> {
        let sealed = seal::read(body).ok_or_else(|| Error::protocol("the sealed body has another shape"))?;
        let token = [sealed.header, sealed.data].concat();
        let message = self.0.unwrap(&token).map_err(|error| failed("opening a sealed message", error))?;
        if message.len() != sealed.length {
            return Err(Error::protocol("the sealed body is not as long as it says"));
        }
        Ok(message.to_vec())
    }
}

/// What is wrong with a keytab that GSSAPI found no key in.
fn unusable(path: &Path, principal: Option<&str>) -> Error {
    let secret = |what: String, help: String| Error::new(Kind::Secret, what, help).in_vain();
    let mut version = [0; 2];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut version));
    let path = path.display();
    match read {
        Err(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => secret(
            format!("the keytab {path} cannot be read: {error}"),
            "see `keytab` in the settings; popgate's own user must be able to read the file".to_owned(),
        ),
        // A keytab begins with 5 and the number of its format.
        Ok(()) if version[0] == 5 => secret(
            format!("the keytab {path} holds no usable key of {}", principal.unwrap_or("anybody")),
            format!(
                "`klist -k -e {path}` shows whose keys it holds; `username` is one of them, as it is written there"
            ),
        ),
        _ => secret(
            format!("{path} is no keytab"),
            "make one with `ktutil`, or with `ktpass` on a domain controller".to_owned(),
        ),
    }
}

fn failed(doing: &str, error: libgssapi::error::Error) -> Error {
    // Some versions end their words with a NUL.
    let words = error.to_string().replace(char::is_control, " ");
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ").replace(" )", ")");
    let lower = words.to_ascii_lowercase();
    let has = |part: &str| lower.contains(part);
    let (kind, help) = if has("skew") {
        (
            Kind::Unauthorised,
            "the clocks differ by more than five minutes: keep time on this machine and on the controllers",
        )
    } else if has("preauthentication failed") || has("password incorrect") || has("decrypt integrity") {
        (
            Kind::Unauthorised,
            "the password or the keys are not those of the account: if it was changed, make the keytab anew",
        )
    } else if has("keytab") || has("key table") {
        (
            Kind::Secret,
            "the keytab cannot be read or has no keys of this principal: look with `klist -k FILE`",
        )
    } else if has("expired") {
        (Kind::Unauthorised, "the ticket has expired: use a keytab, or renew it with `kinit`")
    } else if has("client") && has("not found in kerberos database") {
        (
            Kind::Unauthorised,
            "the domain does not know this account: write `username` as NAME@DOMAIN in capital letters",
        )
    } else if has("server") && has("not found in kerberos database") {
        (
            Kind::Unauthorised,
            "no account has this service: write the URL with the server's full name, or `service_host`; for a farm, \
             register the name with `setspn -S HTTP/NAME ACCOUNT`",
        )
    } else if has("cannot contact any kdc") || has("cannot find kdc") {
        (Kind::Unreachable, "no domain controller answers: look at /etc/krb5.conf, at the DNS and at port 88")
    } else if has("no credentials cache")
        || has("no kerberos credentials")
        || has("no credentials were supplied")
    {
        (Kind::Unauthorised, NO_TICKET)
    } else {
        (Kind::Unauthorised, "look at /etc/krb5.conf, and try `kinit` and `kvno HTTP/HOST` as the same user")
    };
    Error::new(kind, format!("{doing}: {words}"), help).in_vain()
}
