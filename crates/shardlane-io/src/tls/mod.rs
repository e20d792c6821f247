//! TLS on the sockets of the I/O thread, by rustls.
//!
//! rustls is memory-safe and, with the *ring* provider, needs nothing but a Rust toolchain and a C compiler to be
//! built. Certificates and names are verified unless the options say otherwise. Which name: the one in the options,
//! else the contact point's name that the address was resolved from, else the address itself.

mod fault;
mod material;
mod stream;
mod verify;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, SupportedProtocolVersion, version};
use shardlane_proto::{TlsError, TlsFault};

pub(crate) use self::stream::{TlsStream, Trouble};

/// Names whose sessions can be resumed: more than a cluster has nodes.
const SESSIONS_MAX: usize = 1024;

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.2.
    V1_2,
    /// TLS 1.3.
    V1_3,
}

/// What is verified of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verification {
    /// That its certificate comes from a CA that is trusted, and is for the name in use.
    Full,
    /// Only that it comes from a CA that is trusted: whoever has any certificate of it can pose as the server.
    AnyName,
    /// Nothing: anybody can pose as the server.
    Nothing,
}

/// The client's own certificate. Its `Debug` shows none of it.
#[derive(Clone)]
pub struct Identity {
    /// PEM: the certificate, and those that lead from it to its CA.
    pub certificate_pem: Vec<u8>,
    /// PEM: the key, PKCS#8 (encrypted or not), PKCS#1 or SEC1.
    pub key_pem: Vec<u8>,
    /// What the key is encrypted with.
    pub password: Option<Vec<u8>>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

/// How to speak TLS.
#[derive(Debug, Clone)]
pub struct TlsOptions {
    /// PEM: CA certificates to trust.
    pub ca_pem: Vec<u8>,
    /// The same in DER, one each.
    pub ca_der: Vec<Vec<u8>>,
    /// Whether the system's CA certificates are trusted too.
    pub system_roots: bool,
    /// The client's own certificate, if the server wants one.
    pub identity: Option<Identity>,
    /// Verify this name on every node, and send it (SNI).
    pub server_name: Option<String>,
    /// What to verify.
    pub verification: Verification,
    /// The lowest version.
    pub min_version: TlsVersion,
    /// The highest version.
    pub max_version: TlsVersion,
}

/// Options that make no sense, or files that are not what they should be. Never quotes a key or a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsOptionsError(pub(crate) String);

impl fmt::Display for TlsOptionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TlsOptionsError {}

/// Options that were looked at, and sessions to resume. Clones share the sessions.
#[derive(Debug, Clone)]
pub struct Tls {
    config: Arc<ClientConfig>,
    server_name: Option<ServerName<'static>>,
}

impl Tls {
    /// Reads certificates and keys, which may take a moment: a key's password is slow by design.
    ///
    /// # Errors
    /// If any of them is not what it should be.
    pub fn new(options: &TlsOptions) -> Result<Self, TlsOptionsError> {
        let failed = |what: &str| {
            let what = what.to_owned();
            move |e: rustls::Error| TlsOptionsError(format!("{what}: {e}"))
        };
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(versions(options)?)
            .map_err(failed("these versions of TLS"))?
            .dangerous()
            .with_custom_certificate_verifier(verifier(options, &provider)?);
        let mut config = match &options.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let (chain, key) = material::identity(identity)?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(failed("the client's certificate and key"))?
            }
        };
        config.resumption = Resumption::in_memory_sessions(SESSIONS_MAX);
        let server_name = options.server_name.clone().map(parsed_name).transpose();
        Ok(Self {
            config: Arc::new(config),
            server_name: server_name.map_err(|e| TlsOptionsError(e.message))?,
        })
    }

    /// The client's side of a connection to `address`, which was resolved from `name` if that is given.
    pub(crate) fn connect(
        &self,
        address: IpAddr,
        name: Option<&str>,
    ) -> Result<TlsStream, TlsError> {
        let name = match (&self.server_name, name) {
            (Some(name), _) => name.clone(),
            (None, Some(name)) => parsed_name(name.to_owned())?,
            (None, None) => ServerName::IpAddress(address.into()),
        };
        let shown = name.to_str().into_owned();
        let connection = ClientConnection::new(self.config.clone(), name)
            .map_err(|e| TlsError::new(TlsFault::Other, e.to_string()))?;
        Ok(TlsStream::new(connection, shown))
    }
}

fn parsed_name(name: String) -> Result<ServerName<'static>, TlsError> {
    ServerName::try_from(name.clone()).map_err(|_| {
        let what = format!("{name:?} is no host name, so no certificate can be for it");
        TlsError::new(TlsFault::WrongName, what)
    })
}

fn versions(
    options: &TlsOptions,
) -> Result<&'static [&'static SupportedProtocolVersion], TlsOptionsError> {
    use TlsVersion::{V1_2, V1_3};
    static ONLY_1_2: [&SupportedProtocolVersion; 1] = [&version::TLS12];
    static ONLY_1_3: [&SupportedProtocolVersion; 1] = [&version::TLS13];
    static BOTH: [&SupportedProtocolVersion; 2] = [&version::TLS13, &version::TLS12];
    match (options.min_version, options.max_version) {
        (V1_2, V1_2) => Ok(&ONLY_1_2),
        (V1_3, V1_3) => Ok(&ONLY_1_3),
        (V1_2, V1_3) => Ok(&BOTH),
        (V1_3, V1_2) => Err(TlsOptionsError(
            "the lowest version of TLS is above the highest".to_owned(),
        )),
    }
}

fn verifier(
    options: &TlsOptions,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn rustls::client::danger::ServerCertVerifier>, TlsOptionsError> {
    if options.verification == Verification::Nothing {
        return Ok(Arc::new(verify::Nothing(provider.clone())));
    }
    let roots = Arc::new(material::roots(options)?);
    let webpki = WebPkiServerVerifier::builder_with_provider(roots, provider.clone())
        .build()
        .map_err(|e| TlsOptionsError(format!("the CA certificates: {e}")))?;
    Ok(match options.verification {
        Verification::AnyName => Arc::new(verify::AnyName(webpki)),
        _ => webpki,
    })
}

#[cfg(test)]
mod tests;
