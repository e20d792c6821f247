//! Certificates and keys, from the texts in which they are kept.

use pkcs8::EncryptedPrivateKeyInfo;
use pkcs8::der::Document;
use pkcs8::der::pem::PemLabel;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::{Identity, TlsOptions, TlsOptionsError};

const ENCRYPTED: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";
const LEGACY: &str = "Proc-Type: 4,ENCRYPTED";
const REMEDY: &str = "convert it with `openssl pkcs8 -topk8 -v2 aes-256-cbc`";

/// The certificates that are trusted.
pub(super) fn roots(options: &TlsOptions) -> Result<RootCertStore, TlsOptionsError> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(&options.ca_pem, "the CA certificates")? {
        add(&mut store, certificate)?;
    }
    for der in &options.ca_der {
        // What the system's list holds in excess is no reason to fail: it is skipped, as OpenSSL does.
        let _ = store.add(CertificateDer::from(der.clone()));
    }
    if options.system_roots {
        let found = rustls_native_certs::load_native_certs();
        let (added, _) = store.add_parsable_certificates(found.certs);
        if added == 0 && store.is_empty() {
            let why = found.errors.first();
            let why = why.map_or_else(String::new, |e| format!(" ({e})"));
            return Err(TlsOptionsError(format!(
                "the system has no CA certificates{why}: install them, or name a file with those of your cluster"
            )));
        }
    }
    if store.is_empty() {
        return Err(TlsOptionsError(
            "no CA certificate is given, so no server could be trusted".to_owned(),
        ));
    }
    Ok(store)
}

fn add(
    store: &mut RootCertStore,
    certificate: CertificateDer<'static>,
) -> Result<(), TlsOptionsError> {
    store
        .add(certificate)
        .map_err(|e| TlsOptionsError(format!("a CA certificate cannot be used: {e}")))
}

fn certificates(pem: &[u8], what: &str) -> Result<Vec<CertificateDer<'static>>, TlsOptionsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(|e| TlsOptionsError(format!("{what} are not sound PEM: {e}")))?;
    if found.is_empty() && !pem.is_empty() {
        return Err(TlsOptionsError(format!(
            "{what} are not PEM: there is no -----BEGIN CERTIFICATE-----"
        )));
    }
    Ok(found)
}

/// The client's own certificate, with those that lead to its CA, and its key.
pub(super) fn identity(
    identity: &Identity,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsOptionsError> {
    let chain = certificates(&identity.certificate_pem, "the client's certificates")?;
    if chain.is_empty() {
        return Err(TlsOptionsError(
            "the client's certificate is empty".to_owned(),
        ));
    }
    Ok((chain, key(&identity.key_pem, identity.password.as_deref())?))
}

fn key(pem: &[u8], password: Option<&[u8]>) -> Result<PrivateKeyDer<'static>, TlsOptionsError> {
    let text = String::from_utf8_lossy(pem);
    if text.contains(LEGACY) {
        return Err(TlsOptionsError(format!(
            "the client's key is encrypted in a way of the past: {REMEDY}"
        )));
    }
    match (text.find(ENCRYPTED), password) {
        (Some(at), Some(password)) => decrypt(&text[at..], password),
        (Some(_), None) => Err(TlsOptionsError(
            "the client's key is encrypted: give its password".to_owned(),
        )),
        // A password for a key that needs none does no harm, as with OpenSSL.
        (None, _) => PrivateKeyDer::from_pem_slice(pem)
            // Never the error itself: it may quote the key.
            .map_err(|_| TlsOptionsError("the client's key is no private key in PEM".to_owned())),
    }
}

fn decrypt(pem: &str, password: &[u8]) -> Result<PrivateKeyDer<'static>, TlsOptionsError> {
    let unreadable = || {
        TlsOptionsError(format!(
            "the client's encrypted key cannot be read: {REMEDY}"
        ))
    };
    let end = "-----END ENCRYPTED PRIVATE KEY-----";
    let end = pem
        .find(end)
        .map(|at| at + end.len())
        .ok_or_else(unreadable)?;
    let (label, document) = Document::from_pem(&pem[..end]).map_err(|_| unreadable())?;
    EncryptedPrivateKeyInfo::validate_pem_label(label).map_err(|_| unreadable())?;
    let info = EncryptedPrivateKeyInfo::try_from(document.as_bytes()).map_err(|_| unreadable())?;
    let plain = info.decrypt(password).map_err(|_| {
        TlsOptionsError("the client's key cannot be decrypted with that password".to_owned())
    })?;
    Ok(PrivatePkcs8KeyDer::from(plain.as_bytes().to_vec()).into())
}
