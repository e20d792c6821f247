//! Errors by blame: the server said no, the peer misbehaved, the network failed, the caller misused us,
//! or it is our bug. A request's error carries the history of its attempts.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use shardlane_routing::HostId;
use shardlane_wire::Version;
use shardlane_wire::error::{ErrorBody, ErrorDetail};

use crate::advice::AdviceError;
use crate::request::Reprepared;
use crate::tls_error::TlsError;

/// Why a connection attempt ended before TCP was up, as the shell reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectFailure {
    /// The local port is taken or forbidden: another one may do.
    PortUnavailable(String),
    /// TCP came up, TLS did not.
    Tls(TlsError),
    /// Anything else.
    Failed(String),
}

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectionError {
    /// The name of a contact point could not be resolved.
    Resolve(String),
    /// TCP connect failed.
    Connect(String),
    /// TCP connect and handshake took longer than this.
    HandshakeTimeout(Duration),
    /// TLS failed.
    Tls(TlsError),
    /// Another node has answered than the one that was meant (`SCYLLA_HOST_ID`).
    WrongNode {
        /// Whose address it should have been.
        expected: HostId,
        /// Who has answered.
        found: HostId,
    },
    /// The server closed the connection.
    ClosedByServer,
    /// The connection ended before the server had said anything: as a server does that wants TLS, or nobody.
    HungUp(String),
    /// Reading or writing failed.
    Io(String),
    /// The server sent something the protocol does not allow.
    Protocol(String),
    /// The server does not speak the protocol version that this cluster object does.
    Version {
        /// The version wanted.
        wanted: Version,
        /// The server has it, but as a beta, which may change any day.
        is_beta: bool,
        /// What the server offers, as far as it is known here.
        offered: Vec<Version>,
    },
    /// The server refused the protocol version, and has a lower one, which is tried next.
    LowerVersion {
        /// That one.
        lower: Version,
        /// What the server said.
        message: Box<str>,
    },
    /// The server refused the handshake with this error.
    Refused(ErrorBody),
    /// The server wants a login and none is configured, or uses an authenticator we do not speak.
    Authentication(String),
    /// The application's own code failed to answer.
    Advice(AdviceError),
    /// The request cannot be said in what this connection speaks.
    Layout(String),
    /// Nothing arrived for this long in spite of a keepalive.
    KeepaliveTimeout(Duration),
    /// Too many requests were abandoned without an answer.
    TooManyOrphans(usize),
    /// We closed it: pool full, node removed, cluster object closed.
    Closed,
}

impl ConnectionError {
    /// Whether the login is what failed: trying it again soon is of no use, and may lock the role out.
    #[must_use]
    pub const fn is_authentication(&self) -> bool {
        match self {
            Self::Refused(body) => matches!(body.detail, ErrorDetail::AuthenticationError),
            Self::Authentication(_) | Self::Advice(_) => true,
            _ => false,
        }
    }
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resolve(why) => write!(f, "cannot resolve the name: {why}"),
            Self::Connect(why) => write!(f, "could not connect: {why}"),
            Self::Tls(error) => write!(f, "TLS failed: {error}"),
            Self::HandshakeTimeout(after) => write!(f, "no connection within {after:?}"),
            Self::WrongNode { expected, found } => write!(
                f,
                "node {found} has answered at the address of node {expected}"
            ),
            Self::HungUp(how) => write!(f, "the server hung up before it said anything ({how})"),
            Self::ClosedByServer => f.write_str("the server closed the connection"),
            Self::Io(why) => write!(f, "connection failed: {why}"),
            Self::Protocol(why) => write!(f, "the server broke the protocol: {why}"),
            Self::Version {
                wanted,
                is_beta,
                offered,
            } => {
                let offered: Vec<String> = offered.iter().map(ToString::to_string).collect();
                let offered = match &offered[..] {
                    [] => "no version known here".to_owned(),
                    some => some.join(", "),
                };
                let verdict = if *is_beta {
                    "is a beta on"
                } else {
                    "is not spoken by"
                };
                write!(
                    f,
                    "protocol {wanted} {verdict} this server, which offers {offered}"
                )
            }
            Self::LowerVersion { lower, message } => {
                write!(
                    f,
                    "the server refused the protocol version ({message}); {lower} is next"
                )
            }
            Self::Refused(body) if self.is_authentication() => {
                write!(f, "the server refused the login: {}", body.message)
            }
            Self::Refused(body) => write!(f, "the server refused the handshake: {}", body.message),
            Self::Authentication(why) => write!(f, "authentication failed: {why}"),
            Self::Advice(error) => write!(f, "the authenticator failed: {error}"),
            Self::Layout(why) => write!(f, "the node's connection cannot carry the request: {why}"),
            Self::KeepaliveTimeout(after) => {
                write!(f, "the server was silent for {after:?} after a keepalive")
            }
            Self::TooManyOrphans(count) => {
                write!(f, "{count} abandoned requests were never answered")
            }
            Self::Closed => f.write_str("closed by the client"),
        }
    }
}

impl std::error::Error for ConnectionError {}

/// How one attempt of a request failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptFailure {
    /// The server answered with an error.
    Server(ErrorBody),
    /// The connection ended first; `written` tells whether the request may have reached the server.
    Connection {
        /// What ended it.
        error: ConnectionError,
        /// Whether any byte of the request had left.
        written: bool,
    },
    /// The connection had no free stream id or its write queue was full.
    Busy,
    /// The node has no connection.
    NotConnected,
    /// No answer had come when the request ended: at its deadline, or because another execution of it
    /// was answered first.
    Unanswered,
}

impl fmt::Display for AttemptFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(body) => write!(f, "server error 0x{:04x}: {}", body.code(), body.message),
            Self::Connection {
                error,
                written: true,
            } => write!(f, "{error} (the request was on its way)"),
            Self::Connection {
                error,
                written: false,
            } => write!(f, "{error} (before the request left)"),
            Self::Busy => f.write_str("too many requests in flight on the connection"),
            Self::NotConnected => f.write_str("no connection to the node"),
            Self::Unanswered => f.write_str("no answer yet when the request ended"),
        }
    }
}

/// One failed try of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The node tried.
    pub address: SocketAddr,
    /// Its host id.
    pub host_id: HostId,
    /// The shard of the connection; `None` if the node has none, or nothing was sent.
    pub shard: Option<u16>,
    /// How it failed.
    pub failure: AttemptFailure,
}

/// Why a request ended without a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestError {
    /// What ended it.
    pub kind: RequestErrorKind,
    /// All failed attempts, oldest first. Where the last one decided, it is here too.
    pub attempts: Vec<Attempt>,
}

/// What ended a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestErrorKind {
    /// The last attempt's failure (the last entry of the history) decided.
    Attempt,
    /// No node was left to try; the history tells why each one failed (empty: no node is connected).
    NoNodeAvailable,
    /// The deadline passed. `in_flight`: an attempt was on its way, so the server may have acted.
    Timeout {
        /// The request's timeout.
        timeout: Duration,
        /// Whether an attempt was unanswered.
        in_flight: bool,
    },
    /// Other datacenters' nodes are connected, but none of this one; and the request may not leave it.
    NoLocalNode {
        /// The local datacenter.
        datacenter: String,
        /// Those whose nodes are connected.
        others: Vec<String>,
    },
    /// The client has as much under way as it may have, and no room for more to wait.
    ClientOverloaded {
        /// Requests under way.
        in_flight: usize,
        /// Requests that wait for their turn.
        queued: usize,
    },
    /// The caller gave it up.
    Cancelled,
    /// The cluster object was closed.
    Closed,
    /// Preparing again gave another statement, or other bind variables: the schema has changed under it.
    /// Values have to be encoded anew.
    PreparedChanged(Box<Reprepared>),
    /// The cluster could not be reached at all: per contact point, why.
    Unreachable(Vec<(String, ConnectionError)>),
}

impl RequestError {
    pub(crate) fn bare(kind: RequestErrorKind) -> Box<Self> {
        Box::new(Self {
            kind,
            attempts: Vec::new(),
        })
    }
}
