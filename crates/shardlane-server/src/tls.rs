//! TLS of the embedded cluster: a CA made at the start, a certificate for each node, and what may be wrong with it.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType,
};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion, version};

use crate::config::StartError;

/// How long certificates are valid, before and after the start.
const VALIDITY: Duration = Duration::from_secs(24 * 3600);

/// A name that every node's certificate is valid for, besides its address.
pub const COMMON_NAME: &str = "cluster.shardlane.test";

/// Encrypted listeners beside the plain ones.
#[derive(Debug, Clone)]
pub struct TlsConfig {
    /// The normal port with TLS, the same on every node; 0 takes one that is free on all.
    pub port: u16,
    /// The shard-aware port with TLS; 0 takes a free one, `None` leaves it out.
    pub shard_aware_port: Option<u16>,
    /// Whether clients need a certificate of the cluster's CA.
    pub requires_client_certificate: bool,
    /// What is wrong with the nodes' certificates.
    pub flaw: CertificateFlaw,
    /// Which versions are spoken.
    pub versions: TlsVersions,
}

impl Default for TlsConfig {
    /// On ScyllaDB's ports, with nothing wrong.
    fn default() -> Self {
        Self {
            port: 9142,
            shard_aware_port: Some(19142),
            requires_client_certificate: false,
            flaw: CertificateFlaw::None,
            versions: TlsVersions::Both,
        }
    }
}

/// What is wrong with a node's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateFlaw {
    /// Nothing.
    None,
    /// It was valid until yesterday.
    Expired,
    /// It will be valid from tomorrow on.
    NotValidYet,
    /// It is for other names and addresses.
    WrongName,
    /// Another CA has issued it, of the same name.
    OtherIssuer,
}

/// Versions of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsVersions {
    /// 1.2 and 1.3.
    Both,
    /// Only 1.2.
    Only12,
    /// Only 1.3.
    Only13,
}

impl TlsVersions {
    fn list(self) -> &'static [&'static SupportedProtocolVersion] {
        static BOTH: [&SupportedProtocolVersion; 2] = [&version::TLS13, &version::TLS12];
        static ONLY_12: [&SupportedProtocolVersion; 1] = [&version::TLS12];
        static ONLY_13: [&SupportedProtocolVersion; 1] = [&version::TLS13];
        match self {
            Self::Both => &BOTH,
            Self::Only12 => &ONLY_12,
            Self::Only13 => &ONLY_13,
        }
    }
}

/// The cluster's CA, and a certificate for clients.
pub(crate) struct Authority {
    config: TlsConfig,
    ca: CertifiedIssuer<'static, KeyPair>,
    client: (String, String),
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

fn failed(error: impl fmt::Display) -> StartError {
    StartError::Config(format!("cannot set up TLS: {error}"))
}

fn make_ca() -> Result<CertifiedIssuer<'static, KeyPair>, rcgen::Error> {
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, "shardlane embedded CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let now = SystemTime::now();
    params.not_before = (now - 3 * VALIDITY).into();
    params.not_after = (now + 3 * VALIDITY).into();
    CertifiedIssuer::self_signed(params, KeyPair::generate()?)
}

impl Authority {
    pub(crate) fn new(config: TlsConfig) -> Result<Self, StartError> {
        let ca = make_ca().map_err(failed)?;
        let key = KeyPair::generate().map_err(failed)?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "client");
        params
            .extended_key_usages
            .push(ExtendedKeyUsagePurpose::ClientAuth);
        let certificate = params.signed_by(&key, &ca).map_err(failed)?;
        Ok(Self {
            config,
            client: (certificate.pem(), key.serialize_pem()),
            ca,
        })
    }

    pub(crate) fn ca_pem(&self) -> String {
        self.ca.pem()
    }

    /// A client's certificate and key.
    pub(crate) fn client_pem(&self) -> (String, String) {
        self.client.clone()
    }

    /// What the node at `address` needs to speak TLS.
    pub(crate) fn node(&self, address: IpAddr) -> Result<Arc<ServerConfig>, StartError> {
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(self.config.versions.list())
            .map_err(failed)?;
        let builder = if self.config.requires_client_certificate {
            let mut roots = RootCertStore::empty();
            roots.add(self.ca.der().clone()).map_err(failed)?;
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.map_err(failed)?)
        } else {
            builder.with_no_client_auth()
        };
        let (certificate, key) = self.certificate(address).map_err(failed)?;
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        let config = builder.with_single_cert(vec![certificate], key.into());
        config.map(Arc::new).map_err(failed)
    }

    fn certificate(
        &self,
        address: IpAddr,
    ) -> Result<(CertificateDer<'static>, KeyPair), rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, address.to_string());
        let name = |name: &str| name.try_into().map(SanType::DnsName);
        params.subject_alt_names = match self.config.flaw {
            CertificateFlaw::WrongName => vec![name("elsewhere.shardlane.test")?],
            _ => vec![
                SanType::IpAddress(address),
                name(COMMON_NAME)?,
                name("localhost")?,
            ],
        };
        params
            .extended_key_usages
            .push(ExtendedKeyUsagePurpose::ServerAuth);
        let now = SystemTime::now();
        let (from, to) = match self.config.flaw {
            CertificateFlaw::Expired => (now - 2 * VALIDITY, now - VALIDITY),
            CertificateFlaw::NotValidYet => (now + VALIDITY, now + 2 * VALIDITY),
            _ => (now - VALIDITY, now + VALIDITY),
        };
        params.not_before = from.into();
        params.not_after = to.into();
        let certificate = if self.config.flaw == CertificateFlaw::OtherIssuer {
            let other = make_ca()?;
            params.signed_by(&key, &other)?
        } else {
            params.signed_by(&key, &self.ca)?
        };
        Ok((certificate.der().clone(), key))
    }
}
