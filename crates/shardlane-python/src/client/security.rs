//! Options that concern who may talk to whom: logins and TLS.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use shardlane_io::{Identity, TlsOptions, TlsVersion, Verification};
use shardlane_proto::{AllowedAuthenticators, Credentials, Login};

/// How to log in. `asks`: the kinds of questions that the application answers.
pub(super) fn login(
    username: Option<String>,
    password: Option<String>,
    asks: &[String],
) -> PyResult<Login> {
    let bad = |message: &str| Err(PyValueError::new_err(message.to_owned()));
    let is_asked = asks.iter().any(|lane| lane == "login");
    match (username, password) {
        (Some(_), Some(_)) if is_asked => bad("give username and password, or auth, not both"),
        (Some(username), Some(password)) => Ok(Login::Password(Credentials { username, password })),
        (None, None) if is_asked => Ok(Login::Ask),
        (None, None) => Ok(Login::None),
        _ => bad("give both username and password, or neither"),
    }
}

/// `None`: those that are known. `"*"` among them: any.
pub(super) fn allowed_authenticators(classes: Option<Vec<String>>) -> AllowedAuthenticators {
    match classes {
        None => AllowedAuthenticators::Known,
        Some(classes) if classes.iter().any(|c| c == "*") => AllowedAuthenticators::Any,
        Some(classes) => AllowedAuthenticators::These(classes),
    }
}

/// TLS options that were looked at: certificates read, keys decrypted. Shows none of them.
#[pyclass(frozen, module = "shardlane._core")]
#[derive(Debug)]
pub(super) struct Tls(pub(super) shardlane_io::Tls);

#[pymethods]
impl Tls {
    #[new]
    #[pyo3(signature = (
        *, ca_pem=None, ca_der=Vec::new(), system_roots=false, certificate_pem=None, key_pem=None,
        key_password=None, server_name=None, verification="full", min_version="1.2", max_version="1.3"
    ))]
    #[allow(clippy::too_many_arguments)] // keyword arguments, in Python
    fn new(
        py: Python<'_>,
        ca_pem: Option<Vec<u8>>,
        ca_der: Vec<Vec<u8>>,
        system_roots: bool,
        certificate_pem: Option<Vec<u8>>,
        key_pem: Option<Vec<u8>>,
        key_password: Option<Vec<u8>>,
        server_name: Option<String>,
        verification: &str,
        min_version: &str,
        max_version: &str,
    ) -> PyResult<Self> {
        let identity = match (certificate_pem, key_pem) {
            (Some(certificate_pem), Some(key_pem)) => Some(Identity {
                certificate_pem,
                key_pem,
                password: key_password,
            }),
            (None, None) => None,
            _ => {
                let message = "give both a certificate and its key, or neither";
                return Err(PyValueError::new_err(message));
            }
        };
        let options = TlsOptions {
            ca_pem: ca_pem.unwrap_or_default(),
            ca_der,
            system_roots,
            identity,
            server_name,
            verification: match verification {
                "full" => Verification::Full,
                "any_name" => Verification::AnyName,
                "nothing" => Verification::Nothing,
                other => return Err(PyValueError::new_err(format!("verification={other:?}"))),
            },
            min_version: version(min_version)?,
            max_version: version(max_version)?,
        };
        py.detach(|| shardlane_io::Tls::new(&options))
            .map(Self)
            .map_err(|e| PyValueError::new_err(e.to_string()))
    }
}

fn version(name: &str) -> PyResult<TlsVersion> {
    match name {
        "1.2" => Ok(TlsVersion::V1_2),
        "1.3" => Ok(TlsVersion::V1_3),
        other => Err(PyValueError::new_err(format!(
            "there is no TLS version {other:?}: give '1.2' or '1.3'"
        ))),
    }
}
