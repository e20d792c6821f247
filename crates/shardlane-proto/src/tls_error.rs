//! What goes wrong with TLS, sorted by what to do about it. The shell tells the machines; they only pass it on.

use std::fmt;

/// The kinds of trouble, as far as they want different remedies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsFault {
    /// The server's certificate was issued by nobody we trust.
    UnknownIssuer,
    /// The server's certificate has expired.
    Expired,
    /// The server's certificate is not valid yet.
    NotValidYet,
    /// The server's certificate is for other names or addresses.
    WrongName,
    /// The server's certificate was revoked.
    Revoked,
    /// The server's certificate is a CA's own, or otherwise not one for a server.
    NotForServers,
    /// Something else is wrong with the server's certificate.
    BadCertificate,
    /// The server answered in plain text.
    NotTls,
    /// We spoke in plain text, and the server wants TLS.
    TlsWanted,
    /// The server wants a certificate of the client, and got none.
    ClientCertificateWanted,
    /// The server does not accept the client's certificate.
    ClientCertificateRefused,
    /// No TLS version or cipher in common.
    NothingInCommon,
    /// The server closed the connection in the middle of the handshake.
    Closed,
    /// Anything else.
    Other,
}

impl TlsFault {
    /// Its name in interfaces.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownIssuer => "unknown_issuer",
            Self::Expired => "expired",
            Self::NotValidYet => "not_valid_yet",
            Self::WrongName => "wrong_name",
            Self::Revoked => "revoked",
            Self::NotForServers => "not_for_servers",
            Self::BadCertificate => "bad_certificate",
            Self::NotTls => "not_tls",
            Self::TlsWanted => "tls_wanted",
            Self::ClientCertificateWanted => "client_certificate_wanted",
            Self::ClientCertificateRefused => "client_certificate_refused",
            Self::NothingInCommon => "nothing_in_common",
            Self::Closed => "closed",
            Self::Other => "other",
        }
    }
}

/// A failure of TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsError {
    /// Of which kind.
    pub fault: TlsFault,
    /// What happened, in words.
    pub message: String,
}

impl TlsError {
    /// An error of that kind.
    #[must_use]
    pub fn new(fault: TlsFault, message: impl Into<String>) -> Self {
        Self {
            fault,
            message: message.into(),
        }
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for TlsError {}
