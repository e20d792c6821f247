//! Every bound and default of the client, in one place. The unit is in the name, the reason in the comment.

use std::fmt;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use shardlane_wire::Version;

use crate::notice::NoticeLevel;
use crate::policy::Policy;

/// How many connections a node's pool keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolSize {
    /// This many connections to each shard (to the node where it has no shards).
    PerShard(u16),
    /// This many connections to each node, whichever shards they land on.
    PerHost(u16),
}

/// How far the client goes to reach the shard that owns a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShardAwareness {
    /// The shard-aware port where it is advertised, the legacy algorithm otherwise.
    Full,
    /// Only the legacy algorithm: normal port, keep what lands on a missing shard.
    Legacy,
    /// Ignore shards altogether: one connection per node (to measure what that costs).
    Off,
}

/// User name and password for `PasswordAuthenticator`. Its `Debug` never shows the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The role that logs in.
    pub username: String,
    /// Its password.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// How to log in where the server wants it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Login {
    /// Not at all.
    #[default]
    None,
    /// With a user name and a password (SASL PLAIN).
    Password(Credentials),
    /// The application is asked, see [`Question::Login`](crate::Question::Login).
    Ask,
}

/// To which authenticators of servers a password may be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedAuthenticators {
    /// Those that are known to want a user name and a password in plain, in whatever package.
    Known,
    /// These classes, by full name or by the part after the last dot.
    These(Vec<String>),
    /// Any.
    Any,
}

/// Authenticators of ScyllaDB, Cassandra and services that speak its protocol, which all do SASL PLAIN.
const KNOWN_AUTHENTICATORS: [&str; 8] = [
    "PasswordAuthenticator",
    "TransitionalAuthenticator",
    "SaslauthdAuthenticator",
    "LdapAuthenticator",
    "LDAPAuthenticator",
    "MutualTlsWithPasswordFallbackAuthenticator",
    "DseAuthenticator",
    "AdvancedPasswordAuthenticator",
];

impl AllowedAuthenticators {
    /// Whether the class that a server announces is among them.
    #[must_use]
    pub fn allows(&self, class: &str) -> bool {
        let simple = class.rsplit('.').next().unwrap_or(class);
        match self {
            Self::Known => KNOWN_AUTHENTICATORS.contains(&simple),
            Self::These(classes) => classes.iter().any(|c| c == class || c == simple),
            Self::Any => true,
        }
    }
}

/// A contact point as the user gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContactPoint {
    /// An address, ready to use.
    Address(SocketAddr),
    /// A name that the shell resolves, to possibly several addresses.
    Name {
        /// Host name.
        host: String,
        /// Port of the normal CQL listener.
        port: u16,
    },
}

impl fmt::Display for ContactPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

/// A way into a private network: the rows of `system.client_routes` with this connection id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientRoute {
    /// What the cluster's operator calls it.
    pub connection_id: String,
    /// A host name or IP address to use in the place of those in the rows; their ports count all the same.
    pub address: Option<String>,
}

/// Nodes are reached through proxies (ScyllaDB's client routes), and in no other way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientRoutes {
    /// The ways in, the preferred one first; at least one.
    pub connections: Vec<ClientRoute>,
    /// Whether the proxies lead to the shard-aware port as well, under its own number, and leave source ports
    /// as they are. A load balancer does not.
    pub shard_aware_port: bool,
}

/// Compression of frame bodies, negotiated in STARTUP.
pub use shardlane_wire::Compression;

/// All settings of one cluster object.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to start; at least one.
    pub contact_points: Vec<ContactPoint>,
    /// The datacenter whose replicas come first; `None`: that of the first node reached.
    pub local_datacenter: Option<String>,
    /// How to log in, if the cluster wants it.
    pub login: Login,
    /// To which authenticators a password may be sent.
    pub allowed_authenticators: AllowedAuthenticators,
    /// Compression of bodies and segments; off by default, because below some 512 bytes it costs more
    /// than it saves. Snappy ends with v4, so with it no higher version is negotiated.
    pub compression: Option<Compression>,
    /// The protocol version: this one and no other, or (`None`) the best that the server offers.
    pub protocol_version: Option<Version>,
    /// Connections per shard or per node.
    pub pool_size: PoolSize,
    /// Which connection-to-shard algorithms may be used.
    pub shard_awareness: ShardAwareness,
    /// Local ports for the shard-aware port: the IANA dynamic range by default.
    pub source_ports: RangeInclusive<u16>,
    /// Whether connections are encrypted: then only the TLS shard-aware port counts.
    pub tls: bool,
    /// TCP connect and CQL handshake together.
    pub connect_timeout: Duration,
    /// One query of the control connection; ScyllaDB is told, too (`USING TIMEOUT`).
    pub control_timeout: Duration,
    /// After so long without a byte from the server an OPTIONS is sent.
    pub keepalive_interval: Duration,
    /// After so long without any answer to it the connection is given up.
    pub keepalive_timeout: Duration,
    /// First delay of reconnection; it doubles up to `reconnect_delay_max`, with 15 % jitter.
    pub reconnect_delay_min: Duration,
    /// Longest delay of reconnection.
    pub reconnect_delay_max: Duration,
    /// How long a node's shard-aware port is left alone after it misled or failed us
    /// (5 minutes, as the Go and Rust drivers do).
    pub shard_aware_block: Duration,
    /// How long `connect` waits for pools to cover all shards once the topology is known;
    /// after that they go on filling in the background.
    pub pool_wait: Duration,
    /// Whether to follow schema changes. Without it keyspaces are read when a control connection is made, and
    /// after this client's own DDL.
    pub schema_events: bool,
    /// How often the nodes are read again although no event has told of a change, from the last reading on.
    /// Servers drop events under load, and send each only once. `None`: never.
    pub refresh_interval: Option<Duration>,
    /// How long to wait for all nodes to report one schema version after DDL.
    pub schema_agreement_timeout: Duration,
    /// Simultaneous connection attempts to one node: a restart of many clients is no storm.
    pub attempts_per_node_max: usize,
    /// Requests in flight on one connection; the protocol has 32768 stream ids.
    pub in_flight_per_connection_max: usize,
    /// Orphaned stream ids older than `orphan_age` that a connection may have before it is replaced.
    pub orphans_max: usize,
    /// Age from which an orphan counts as old.
    pub orphan_age: Duration,
    /// Excess connections of the legacy algorithm, times the number of shards.
    pub excess_per_shard_max: usize,
    /// Attempts of one request, the first included.
    pub attempts_per_request_max: usize,
    /// Whether nodes that own no part of the ring are connected to: as coordinators of last resort.
    pub zero_token_nodes: bool,
    /// Whether to read `system.tablets` when connecting, where the server has it, instead of learning each
    /// tablet from a request that goes astray. Large where there are many tables.
    pub tablet_warm_up: bool,
    /// Tablets of one table that are remembered; real tables have some thousands.
    pub tablets_per_table_max: usize,
    /// What requests use that bring no policy of their own.
    pub policy: Arc<Policy>,
    /// Nodes of each other datacenter that are connected to; `None`: all of them.
    pub remote_nodes_per_datacenter_max: Option<usize>,
    /// Nodes are reached by client routes. Not together with `asks_about_nodes` that changes addresses.
    pub client_routes: Option<ClientRoutes>,
    /// The application is asked which nodes to use, and under which addresses.
    pub asks_about_nodes: bool,
    /// Whether anybody listens to events. May change at any time.
    pub tells_events: Arc<AtomicBool>,
    /// Which notices somebody wants for a log. May change at any time.
    pub notices: Arc<NoticeLevel>,
    /// Requests under way at a time, over all connections; what is more waits for its turn.
    pub requests_in_flight_max: Option<usize>,
    /// Requests that wait for their turn; what is more is refused.
    pub requests_queued_max: usize,
    /// Largest frame body accepted from a server, in bytes (the specification's limit).
    pub frame_body_bytes_max: u32,
    /// `APPLICATION_NAME` in STARTUP.
    pub application_name: Option<String>,
    /// Seed of all randomness: ports, jitter, choice among replicas.
    pub seed: u64,
}

impl Config {
    /// How far the client goes to reach a shard, by whatever way nodes are reached.
    pub(crate) fn shard_awareness(&self) -> ShardAwareness {
        match (&self.client_routes, self.shard_awareness) {
            (Some(routes), ShardAwareness::Full) if !routes.shard_aware_port => {
                ShardAwareness::Legacy
            }
            (_, awareness) => awareness,
        }
    }

    /// The defaults, for the given contact points.
    #[must_use]
    pub fn new(contact_points: Vec<ContactPoint>) -> Self {
        Self {
            contact_points,
            local_datacenter: None,
            login: Login::None,
            allowed_authenticators: AllowedAuthenticators::Known,
            compression: None,
            protocol_version: None,
            pool_size: PoolSize::PerShard(1),
            shard_awareness: ShardAwareness::Full,
            source_ports: 49152..=65535,
            tls: false,
            connect_timeout: Duration::from_secs(5),
            control_timeout: Duration::from_secs(5),
            keepalive_interval: Duration::from_secs(30),
            keepalive_timeout: Duration::from_secs(30),
            reconnect_delay_min: Duration::from_millis(50),
            reconnect_delay_max: Duration::from_secs(10),
            shard_aware_block: Duration::from_secs(300),
            pool_wait: Duration::from_secs(2),
            schema_events: true,
            refresh_interval: Some(Duration::from_secs(60)),
            schema_agreement_timeout: Duration::from_secs(10),
            attempts_per_node_max: 8,
            in_flight_per_connection_max: 32768,
            orphans_max: 1024,
            orphan_age: Duration::from_secs(1),
            excess_per_shard_max: 10,
            attempts_per_request_max: 16,
            zero_token_nodes: false,
            tablet_warm_up: false,
            tablets_per_table_max: 1 << 20,
            policy: Arc::default(),
            remote_nodes_per_datacenter_max: None,
            client_routes: None,
            asks_about_nodes: false,
            tells_events: Arc::default(),
            notices: Arc::default(),
            requests_in_flight_max: None,
            requests_queued_max: 65536,
            frame_body_bytes_max: 256 << 20,
            application_name: None,
            seed: 0,
        }
    }
}
