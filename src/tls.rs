//! One way to do TLS: rustls with ring, at least TLS 1.2, and whom to trust.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use sha2::{Digest as _, Sha256};

/// Whom to trust.
///
/// Without anything, the authorities of this machine. With `authorities`, those in the file instead. With a pin, the
/// server's own certificate must be one of those pinned; alone, a pin is all that counts, so that a certificate
/// which nobody signed can be trusted; with `authorities`, both must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// A file of authorities in PEM.
    pub authorities: Option<PathBuf>,
    /// Certificates by their fingerprints.
    pub pins: Vec<Pin>,
}

/// The SHA-256 of a certificate, or of the public key in it (SPKI).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Pin([u8; 32]);

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file of authorities cannot be read.
    #[error("reading the authorities in {}: {why}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// There is none.
    #[error("no certificate authority is known: {0}")]
    None(String),
    /// rustls does not like them.
    #[error("setting up TLS: {0}")]
    Refused(String),
}

impl Pin {
    /// Reads `sha256:` and 64 hexadecimal digits, with or without colons, or `sha256/` and Base64.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(base64) = text.strip_prefix("sha256/") {
            return BASE64.decode(base64).ok()?.try_into().ok().map(Self);
        }
        let digits: String =
            text.strip_prefix("sha256:").unwrap_or(text).chars().filter(|c| *c != ':').collect();
        if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(bytes))
    }

    fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl std::fmt::Display for Pin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for Pin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pin({self})")
    }
}

/// Returns the one provider of cryptography.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Returns the settings of a client that trusts so. Reads the file of authorities, or those of this machine.
///
/// # Errors
/// [`TlsError`] when there is nobody to trust.
pub fn client(trust: &Trust) -> Result<ClientConfig, TlsError> {
    let provider = provider();
    let chain: Option<Arc<dyn ServerCertVerifier>> = match (&trust.authorities, trust.pins.is_empty()) {
        (None, false) => None,
        (Some(path), _) => Some(verifier(authorities(path)?, &provider)?),
        (None, true) => Some(verifier(machine()?, &provider)?),
    };
    let verifier =
        Pinned { chain, pins: trust.pins.clone(), algorithms: provider.signature_verification_algorithms };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::Refused(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(config)
}

fn verifier(
    roots: RootCertStore,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, TlsError> {
    let built = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build();
    Ok(built.map_err(|error| TlsError::Refused(error.to_string()))?)
}

fn authorities(path: &Path) -> Result<RootCertStore, TlsError> {
    let failed = |why: String| TlsError::Read { path: path.to_owned(), why };
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| failed(error.to_string()))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| failed(error.to_string()))?;
        roots.add(certificate).map_err(|error| failed(error.to_string()))?;
    }
    if roots.is_empty() { Err(failed("it holds no certificate in PEM".to_owned())) } else { Ok(roots) }
}

fn machine() -> Result<RootCertStore, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why = found.errors.first().map_or("install ca-certificates".to_owned(), ToString::to_string);
        return Err(TlsError::None(why));
    }
    Ok(roots)
}

/// Checks the chain, if there is somebody to check it against, and the pins, if there are any.
#[derive(Debug)]
struct Pinned {
    chain: Option<Arc<dyn ServerCertVerifier>>,
    pins: Vec<Pin>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Some(chain) = &self.chain {
            chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)?;
        }
        if !self.pins.is_empty() {
            let whole = Pin::of(end_entity);
            let key = Pin::of(&ParsedCertificate::try_from(end_entity)?.subject_public_key_info());
            if !self.pins.contains(&whole) && !self.pins.contains(&key) {
                return Err(rustls::Error::General(format!(
                    "the server's certificate is not the one pinned: it is {whole}, its public key {key}"
                )));
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_read_in_the_three_ways_that_tools_print_it() {
        let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let pin = Pin::of(b"");
        assert_eq!(Pin::parse(hex), Some(pin));
        assert_eq!(Pin::parse(&format!("sha256:{hex}")), Some(pin));
        let colons: Vec<String> =
            hex.as_bytes().chunks(2).map(|pair| String::from_utf8_lossy(pair).to_uppercase()).collect();
        assert_eq!(Pin::parse(&colons.join(":")), Some(pin));
        assert_eq!(Pin::parse("sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="), Some(pin));
        for bad in ["", "sha256:", "sha256/x", &hex[1..], "sha1:0011", &"é".repeat(32)] {
            assert_eq!(Pin::parse(bad), None, "{bad}");
        }
        assert_eq!(pin.to_string(), format!("sha256:{hex}"));
    }

    #[test]
    fn a_file_without_a_certificate_is_no_authority() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let trust = Trust { authorities: Some(file.path().to_owned()), pins: Vec::new() };
        assert!(client(&trust).unwrap_err().to_string().contains("no certificate"), "an empty file");
        let trust = Trust { authorities: Some("/nonexistent/ca.pem".into()), pins: Vec::new() };
        assert!(matches!(client(&trust), Err(TlsError::Read { .. })));
    }
}
