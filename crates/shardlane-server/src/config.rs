//! What a cluster is made of, and why it could not start.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::tls::TlsConfig;

/// The greatest number of nodes in one embedded cluster: the last byte of an address in a /24.
pub const NODES_MAX: usize = 250;

/// The greatest number of shards of one node.
pub const SHARDS_MAX: usize = 256;

/// The greatest number of vnodes of one node.
pub const VNODES_MAX: usize = 1024;

/// Shape and behaviour of an embedded cluster. [`ClusterConfig::default`] is three nodes with two
/// shards each on 127.0.0.1 to 127.0.0.3, ports 9042 and 19042.
#[derive(Debug, Clone)]
pub struct ClusterConfig {
    /// The cluster's name, as `system.local` tells it.
    pub name: String,
    /// How many nodes there are at the start.
    pub nodes: usize,
    /// How many shards each node has.
    pub shards: Shards,
    /// The address of the first node; the others follow, one apart. Must be in 127.0.0.0/8.
    pub first_address: Ipv4Addr,
    /// The port of the CQL protocol, the same on every node; 0 takes one that is free on all.
    pub port: u16,
    /// The shard-aware port, where the client's source port picks the shard; 0 takes a free one,
    /// `None` leaves it out. Nodes with no shards have none in any case.
    pub shard_aware_port: Option<u16>,
    /// Tokens per node.
    pub vnodes: usize,
    /// Datacenter and rack of each node, repeated if there are more nodes than entries.
    pub layout: Vec<(String, String)>,
    /// `ignore_msb` of the sharding algorithm (ScyllaDB's default is 12).
    pub ignore_msb: u8,
    /// Seed of everything that looks random: tokens, host ids, shard choice.
    pub seed: u64,
    /// Which shard serves a connection to the normal port.
    pub assignment: ShardAssignment,
    /// The longest request body that is accepted, in bytes (ScyllaDB refuses beyond its own limit
    /// of about a tenth of a shard's memory; Cassandra's `native_transport_max_frame_size`).
    pub max_frame_bytes: usize,
    /// If set, connections must log in as one of these users, ...
    pub users: Vec<Credentials>,
    /// ... in this way.
    pub authenticator: Authenticator,
    /// Whether tables with tablets take conditional statements, as since ScyllaDB 2025.4; earlier
    /// versions refuse them (and say so when a keyspace with tablets is created).
    pub lwt_with_tablets: bool,
    /// How drivers are told of tablets.
    pub tablets_routing: TabletsRouting,
    /// How long a coordinator waits for replicas.
    pub timeouts: Timeouts,
    /// If set, every node listens for TLS as well.
    pub tls: Option<TlsConfig>,
}

impl Default for ClusterConfig {
    fn default() -> Self {
        Self {
            name: "shardlane".to_owned(),
            nodes: 3,
            shards: Shards::Same(2),
            first_address: Ipv4Addr::new(127, 0, 0, 1),
            port: 9042,
            shard_aware_port: Some(19042),
            vnodes: 16,
            layout: vec![("datacenter1".to_owned(), "rack1".to_owned())],
            ignore_msb: 12,
            seed: 0,
            assignment: ShardAssignment::LeastLoaded,
            max_frame_bytes: 256 * 1024 * 1024,
            users: Vec::new(),
            authenticator: Authenticator::Plain,
            lwt_with_tablets: true,
            tablets_routing: TabletsRouting::V1,
            timeouts: Timeouts::default(),
            tls: None,
        }
    }
}

impl ClusterConfig {
    /// As the default, on ports that are free on every node's address: what tests want.
    pub fn on_free_ports(nodes: usize, shards: usize) -> Self {
        Self {
            nodes,
            shards: Shards::Same(shards),
            port: 0,
            shard_aware_port: Some(0),
            ..Self::default()
        }
    }

    /// The address of the node with this index.
    pub fn address(&self, index: usize) -> IpAddr {
        let base = u32::from(self.first_address);
        IpAddr::V4(Ipv4Addr::from(
            base.saturating_add(u32::try_from(index).unwrap_or(u32::MAX)),
        ))
    }

    /// Datacenter and rack of the node with this index.
    pub(crate) fn place(&self, index: usize) -> (&str, &str) {
        let (datacenter, rack) = &self.layout[index % self.layout.len()];
        (datacenter, rack)
    }

    /// Number of shards of the node with this index; 0 is Apache Cassandra's flavour.
    pub(crate) fn shards_of(&self, index: usize) -> usize {
        match &self.shards {
            Shards::Same(count) => *count,
            Shards::PerNode(counts) => counts.get(index).or(counts.last()).copied().unwrap_or(1),
        }
    }

    pub(crate) fn validate(&self) -> Result<(), StartError> {
        let bad = |what: String| Err(StartError::Config(what));
        if self.nodes == 0 || self.nodes > NODES_MAX {
            return bad(format!(
                "a cluster has 1 to {NODES_MAX} nodes, not {}",
                self.nodes
            ));
        }
        if let Shards::PerNode(counts) = &self.shards
            && counts.len() != self.nodes
        {
            return bad(format!(
                "shards are given for {} nodes, but there are {}",
                counts.len(),
                self.nodes
            ));
        }
        if let Some(index) = (0..self.nodes).find(|&index| self.shards_of(index) > SHARDS_MAX) {
            let seen = self.shards_of(index);
            return bad(format!(
                "a node has at most {SHARDS_MAX} shards, not {seen}"
            ));
        }
        if self.vnodes == 0 || self.vnodes > VNODES_MAX {
            return bad(format!(
                "a node has 1 to {VNODES_MAX} tokens, not {}",
                self.vnodes
            ));
        }
        if self.layout.is_empty() {
            return bad("the layout names no datacenter".to_owned());
        }
        if self.ignore_msb > 63 {
            return bad(format!("ignore_msb is at most 63, not {}", self.ignore_msb));
        }
        let tls = self.tls.as_ref();
        let ports = [
            Some(self.port),
            self.shard_aware_port,
            tls.map(|t| t.port),
            tls.and_then(|t| t.shard_aware_port),
        ];
        let chosen: Vec<u16> = ports.into_iter().flatten().filter(|&p| p != 0).collect();
        if let Some(twice) = (1..chosen.len()).find(|&i| chosen[..i].contains(&chosen[i])) {
            return bad(format!("two ports are both {}", chosen[twice]));
        }
        let last = self.address(NODES_MAX.min(self.nodes + 1) - 1);
        if !self.first_address.is_loopback() || !last.is_loopback() {
            return bad(format!(
                "addresses from {} on are not all in 127.0.0.0/8",
                self.first_address
            ));
        }
        Ok(())
    }
}

/// Shards per node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shards {
    /// The same number on every node; 0 means "like Apache Cassandra, without shards".
    Same(usize),
    /// One number for each node.
    PerNode(Vec<usize>),
}

/// Which shard serves a connection to the normal port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShardAssignment {
    /// The one with the fewest connections of that port, the lowest number first: as ScyllaDB.
    LeastLoaded,
    /// Any: as behind a load balancer that nobody can predict.
    Random,
}

/// Which protocol extensions tell drivers of tablets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TabletsRouting {
    /// None: every driver goes by the ring.
    Off,
    /// `TABLETS_ROUTING_V1`: a request that has met the wrong shard is answered with the right tablet.
    V1,
    /// `TABLETS_ROUTING_V2_EXPERIMENTAL` as well: a request that shows an old version is.
    V2,
}

/// How clients log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authenticator {
    /// User name and password, by SASL PLAIN.
    Plain,
    /// By an exchange of challenges that no real server knows: for tests of clients.
    Challenge,
}

/// A user.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user name.
    pub user: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// How long a coordinator waits for replicas before it answers with a timeout error. The defaults
/// are those of `scylla.yaml`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// `read_request_timeout_in_ms`.
    pub read: Duration,
    /// `range_request_timeout_in_ms`.
    pub range: Duration,
    /// `write_request_timeout_in_ms`; counters and batches too.
    pub write: Duration,
    /// `cas_contention_timeout_in_ms` and the write behind it.
    pub cas: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            read: Duration::from_secs(5),
            range: Duration::from_secs(10),
            write: Duration::from_secs(2),
            cas: Duration::from_secs(2),
        }
    }
}

impl Timeouts {
    /// One duration for everything: for tests that pause nodes.
    pub const fn all(timeout: Duration) -> Self {
        Self {
            read: timeout,
            range: timeout,
            write: timeout,
            cas: timeout,
        }
    }
}

/// Why a cluster or a node did not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration makes no sense; the text says what.
    Config(String),
    /// An address and port could not be listened on.
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// No port number was free on every node's address.
    NoFreePort,
    /// A thread or a poll could not be made.
    System(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(what) => f.write_str(what),
            Self::Listen { address, source } => write!(f, "cannot listen on {address}: {source}"),
            Self::NoFreePort => f.write_str("no port number is free on every node's address"),
            Self::System(source) => write!(f, "cannot start a shard: {source}"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Listen { source, .. } | Self::System(source) => Some(source),
            Self::Config(_) | Self::NoFreePort => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_valid_and_its_addresses_count_up() {
        let config = ClusterConfig::default();
        config.validate().expect("valid");
        let addresses: Vec<_> = (0..3).map(|i| config.address(i).to_string()).collect();
        assert_eq!(addresses, ["127.0.0.1", "127.0.0.2", "127.0.0.3"]);
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_a_reason() {
        let bad = [
            ClusterConfig {
                nodes: 0,
                ..ClusterConfig::default()
            },
            ClusterConfig {
                nodes: NODES_MAX + 1,
                ..ClusterConfig::default()
            },
            ClusterConfig {
                shards: Shards::PerNode(vec![1]),
                ..ClusterConfig::default()
            },
            ClusterConfig {
                shards: Shards::Same(SHARDS_MAX + 1),
                ..ClusterConfig::default()
            },
            ClusterConfig {
                vnodes: 0,
                ..ClusterConfig::default()
            },
            ClusterConfig {
                layout: Vec::new(),
                ..ClusterConfig::default()
            },
            ClusterConfig {
                ignore_msb: 64,
                ..ClusterConfig::default()
            },
            ClusterConfig {
                shard_aware_port: Some(9042),
                ..ClusterConfig::default()
            },
            ClusterConfig {
                first_address: Ipv4Addr::new(10, 0, 0, 1),
                ..ClusterConfig::default()
            },
            ClusterConfig {
                first_address: Ipv4Addr::new(127, 255, 255, 254),
                ..ClusterConfig::default()
            },
        ];
        for config in bad {
            assert!(
                matches!(config.validate(), Err(StartError::Config(_))),
                "{config:?}"
            );
        }
    }

    #[test]
    fn passwords_are_not_shown() {
        let user = Credentials {
            user: "ada".to_owned(),
            password: "secret".to_owned(),
        };
        assert!(!format!("{user:?}").contains("secret"));
    }
}
