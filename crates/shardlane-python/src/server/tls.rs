//! TLS options of the embedded cluster.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use shardlane_server::{CertificateFlaw, TlsConfig, TlsVersions};

/// Encrypted listeners: ports, whether clients need certificates, what is wrong with the nodes' own, versions.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(super) struct TlsArg {
    port: u16,
    shard_aware_port: Option<u16>,
    client_certificates: bool,
    flaw: Option<String>,
    version: Option<String>,
}

impl TlsArg {
    pub(super) fn into_config(self) -> PyResult<TlsConfig> {
        Ok(TlsConfig {
            port: self.port,
            shard_aware_port: self.shard_aware_port,
            requires_client_certificate: self.client_certificates,
            flaw: match self.flaw.as_deref() {
                None => CertificateFlaw::None,
                Some("expired") => CertificateFlaw::Expired,
                Some("not_valid_yet") => CertificateFlaw::NotValidYet,
                Some("wrong_name") => CertificateFlaw::WrongName,
                Some("other_issuer") => CertificateFlaw::OtherIssuer,
                Some(other) => {
                    let choices = "'expired', 'not_valid_yet', 'wrong_name' or 'other_issuer'";
                    let message = format!("flaw={other:?}: give {choices}");
                    return Err(PyValueError::new_err(message));
                }
            },
            versions: match self.version.as_deref() {
                None => TlsVersions::Both,
                Some("1.2") => TlsVersions::Only12,
                Some("1.3") => TlsVersions::Only13,
                Some(other) => {
                    let message = format!("version={other:?}: give '1.2' or '1.3'");
                    return Err(PyValueError::new_err(message));
                }
            },
        })
    }
}
