//! From rustls's errors to kinds of trouble that want different remedies.

use rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};
use shardlane_proto::{TlsError, TlsFault};

/// What `error` means for the user; `name` is what was verified.
pub(super) fn classify(error: &Error, name: &str) -> TlsError {
    let fault = match error {
        Error::InvalidCertificate(why) => return of_certificate(why, name),
        Error::NoCertificatesPresented => TlsFault::BadCertificate,
        Error::AlertReceived(alert) => return of_alert(*alert),
        Error::PeerIncompatible(PeerIncompatible::NoCertificateRequestSignatureSchemesInCommon) => {
            TlsFault::ClientCertificateRefused
        }
        Error::PeerIncompatible(_) => TlsFault::NothingInCommon,
        _ => TlsFault::Other,
    };
    TlsError::new(fault, error.to_string())
}

fn of_certificate(why: &CertificateError, name: &str) -> TlsError {
    use CertificateError as C;
    let (fault, message) = match why {
        C::UnknownIssuer => (
            TlsFault::UnknownIssuer,
            "the server's certificate was issued by nobody who is trusted".to_owned(),
        ),
        // A CA of the right name, but with another key.
        C::BadSignature => (
            TlsFault::UnknownIssuer,
            "the server's certificate was issued by nobody who is trusted, though by a CA of the same name"
                .to_owned(),
        ),
        C::Expired | C::ExpiredContext { .. } => (
            TlsFault::Expired,
            "the server's certificate has expired".to_owned(),
        ),
        C::NotValidYet | C::NotValidYetContext { .. } => (
            TlsFault::NotValidYet,
            "the server's certificate is not valid yet".to_owned(),
        ),
        C::Revoked => (
            TlsFault::Revoked,
            "the server's certificate was revoked".to_owned(),
        ),
        C::NotValidForName => (TlsFault::WrongName, wrong_name(name, &[])),
        C::NotValidForNameContext { presented, .. } => {
            (TlsFault::WrongName, wrong_name(name, presented))
        }
        C::InvalidPurpose | C::InvalidPurposeContext { .. } => (
            TlsFault::NotForServers,
            "the server's certificate is not one for servers".to_owned(),
        ),
        other => {
            let text = other.to_string();
            // webpki's own error, which rustls has no kind for.
            if text.contains("CaUsedAsEndEntity") {
                let message = "the server shows the certificate of a CA as its own";
                (TlsFault::NotForServers, message.to_owned())
            } else {
                (
                    TlsFault::BadCertificate,
                    format!("the server's certificate is not accepted: {text}"),
                )
            }
        }
    };
    TlsError::new(fault, message)
}

/// Names that a certificate is said to be for, in an error.
const NAMES_SHOWN_MAX: usize = 5;

fn wrong_name(name: &str, presented: &[String]) -> String {
    let more = if presented.len() > NAMES_SHOWN_MAX {
        ", ..."
    } else {
        ""
    };
    let shown: Vec<&str> = presented
        .iter()
        .take(NAMES_SHOWN_MAX)
        .map(|name| bare(name))
        .collect();
    let shown = match shown[..] {
        [] => "no name that counts".to_owned(),
        _ => shown.join(", "),
    };
    format!("the server's certificate is not for {name}, but for {shown}{more}")
}

/// rustls shows a name as `DnsName("a.example")` or `IpAddress(10.0.0.1)`.
fn bare(name: &str) -> &str {
    let inside = name.split_once('(').map_or(name, |(_, inside)| inside);
    inside.trim_end_matches(')').trim_matches('"')
}

fn of_alert(alert: AlertDescription) -> TlsError {
    use AlertDescription as A;
    let (fault, message) = match alert {
        A::CertificateRequired => (
            TlsFault::ClientCertificateWanted,
            "the server wants a certificate of the client".to_owned(),
        ),
        A::BadCertificate
        | A::UnsupportedCertificate
        | A::CertificateRevoked
        | A::CertificateExpired
        | A::CertificateUnknown
        | A::UnknownCA
        | A::AccessDenied
        | A::DecryptError => (
            TlsFault::ClientCertificateRefused,
            format!("the server does not accept the client's certificate ({alert:?})"),
        ),
        A::ProtocolVersion | A::HandshakeFailure | A::InsufficientSecurity => (
            TlsFault::NothingInCommon,
            format!("the server refused the handshake ({alert:?})"),
        ),
        _ => (
            TlsFault::Other,
            format!("the server ended the handshake ({alert:?})"),
        ),
    };
    TlsError::new(fault, message)
}

pub(super) fn not_tls() -> TlsError {
    TlsError::new(TlsFault::NotTls, "the server answered in plain text")
}

pub(super) fn closed() -> TlsError {
    TlsError::new(
        TlsFault::Closed,
        "the server closed the connection in the middle of the TLS handshake",
    )
}
