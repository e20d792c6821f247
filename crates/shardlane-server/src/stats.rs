//! Counters per node and shard. Shards count with relaxed atomics of their own; anybody may read.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use shardlane_routing::HostId;

/// The port that a connection came in by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PortKind {
    /// The normal port: the server picks the shard.
    Normal,
    /// The shard-aware port: the client's source port picks the shard.
    ShardAware,
    /// The normal port with TLS.
    NormalTls,
    /// The shard-aware port with TLS.
    ShardAwareTls,
}

impl PortKind {
    /// All of them, in the order of their numbers.
    pub(crate) const ALL: [Self; 4] = [
        Self::Normal,
        Self::ShardAware,
        Self::NormalTls,
        Self::ShardAwareTls,
    ];

    const fn index(self) -> usize {
        self as usize
    }

    /// Whether the client's source port picks the shard.
    #[must_use]
    pub const fn is_shard_aware(self) -> bool {
        matches!(self, Self::ShardAware | Self::ShardAwareTls)
    }

    /// Whether clients speak TLS there.
    #[must_use]
    pub const fn is_encrypted(self) -> bool {
        matches!(self, Self::NormalTls | Self::ShardAwareTls)
    }
}

/// How a request with a routable token met the shard that serves its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// This node is a replica, and this shard owns the token there.
    RightShard,
    /// This node is a replica, but another of its shards owns the token.
    WrongShard,
    /// This node is no replica.
    WrongNode,
}

/// The counters of one shard, written by that shard alone. They outlive a restart of the node.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct ShardCounters {
    opened: [AtomicU64; 4],
    closed: [AtomicU64; 4],
    /// Set by the shard that accepts, so that the least loaded shard is known without asking.
    current: [AtomicU64; 4],
    tls_handshakes: AtomicU64,
    tls_resumed: AtomicU64,
    requests: AtomicU64,
    right_shard: AtomicU64,
    wrong_shard: AtomicU64,
    wrong_node: AtomicU64,
    forwarded: AtomicU64,
    operations: AtomicU64,
    errors: AtomicU64,
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

impl ShardCounters {
    pub(crate) fn connection_opened(&self, port: PortKind) {
        add(&self.opened[port.index()]);
        add(&self.current[port.index()]);
    }

    pub(crate) fn connection_closed(&self, port: PortKind) {
        add(&self.closed[port.index()]);
        self.current[port.index()].fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn connections(&self, port: PortKind) -> u64 {
        get(&self.current[port.index()])
    }

    pub(crate) fn tls_handshake(&self, is_resumed: bool) {
        add(&self.tls_handshakes);
        if is_resumed {
            add(&self.tls_resumed);
        }
    }

    pub(crate) fn request(&self) {
        add(&self.requests);
    }

    pub(crate) fn arrival(&self, arrival: Arrival) {
        add(match arrival {
            Arrival::RightShard => &self.right_shard,
            Arrival::WrongShard => &self.wrong_shard,
            Arrival::WrongNode => &self.wrong_node,
        });
    }

    pub(crate) fn forwarded(&self) {
        add(&self.forwarded);
    }

    pub(crate) fn operation(&self) {
        add(&self.operations);
    }

    pub(crate) fn error(&self) {
        add(&self.errors);
    }

    /// Sets everything to zero but the connections that are open now.
    pub(crate) fn reset(&self) {
        let pairs = self.opened.iter().chain(&self.closed);
        let rest = [
            &self.tls_handshakes,
            &self.tls_resumed,
            &self.requests,
            &self.right_shard,
            &self.wrong_shard,
            &self.wrong_node,
            &self.forwarded,
            &self.operations,
            &self.errors,
        ];
        for counter in pairs.chain(rest) {
            counter.store(0, Ordering::Relaxed);
        }
    }

    pub(crate) fn snapshot(&self) -> ShardStats {
        let port = |kind: PortKind| ConnectionStats {
            opened: get(&self.opened[kind.index()]),
            closed: get(&self.closed[kind.index()]),
            current: get(&self.current[kind.index()]),
        };
        ShardStats {
            normal_port: port(PortKind::Normal),
            shard_aware_port: port(PortKind::ShardAware),
            tls_port: port(PortKind::NormalTls),
            tls_shard_aware_port: port(PortKind::ShardAwareTls),
            tls_handshakes: get(&self.tls_handshakes),
            tls_resumed: get(&self.tls_resumed),
            requests: get(&self.requests),
            right_shard: get(&self.right_shard),
            wrong_shard: get(&self.wrong_shard),
            wrong_node: get(&self.wrong_node),
            forwarded: get(&self.forwarded),
            operations: get(&self.operations),
            errors: get(&self.errors),
        }
    }
}

/// Connections of one shard by one port.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ConnectionStats {
    /// Accepted since the start or the last reset.
    pub opened: u64,
    /// Closed, by either side, since the start or the last reset.
    pub closed: u64,
    /// Open now.
    pub current: u64,
}

impl ConnectionStats {
    fn plus(self, other: Self) -> Self {
        Self {
            opened: self.opened + other.opened,
            closed: self.closed + other.closed,
            current: self.current + other.current,
        }
    }
}

/// What one shard has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ShardStats {
    /// Connections that came in by the normal port.
    pub normal_port: ConnectionStats,
    /// Connections that came in by the shard-aware port.
    pub shard_aware_port: ConnectionStats,
    /// Connections that came in by the normal port with TLS.
    pub tls_port: ConnectionStats,
    /// Connections that came in by the shard-aware port with TLS.
    pub tls_shard_aware_port: ConnectionStats,
    /// TLS handshakes that went through.
    pub tls_handshakes: u64,
    /// Those of them that resumed an earlier session.
    pub tls_resumed: u64,
    /// Request frames that arrived on connections of this shard, of any kind.
    pub requests: u64,
    /// Requests with a routable token (EXECUTE of one partition, BATCH of one partition) that
    /// arrived at a replica, on the very shard that owns the token.
    pub right_shard: u64,
    /// The same that arrived at a replica, on another shard.
    pub wrong_shard: u64,
    /// The same that arrived at a node that is no replica.
    pub wrong_node: u64,
    /// Operations sent on to another shard or node.
    pub forwarded: u64,
    /// Reads and writes done on the data of this shard: the heat.
    pub operations: u64,
    /// ERROR frames sent.
    pub errors: u64,
}

impl ShardStats {
    fn plus(self, other: Self) -> Self {
        Self {
            normal_port: self.normal_port.plus(other.normal_port),
            shard_aware_port: self.shard_aware_port.plus(other.shard_aware_port),
            tls_port: self.tls_port.plus(other.tls_port),
            tls_shard_aware_port: self.tls_shard_aware_port.plus(other.tls_shard_aware_port),
            tls_handshakes: self.tls_handshakes + other.tls_handshakes,
            tls_resumed: self.tls_resumed + other.tls_resumed,
            requests: self.requests + other.requests,
            right_shard: self.right_shard + other.right_shard,
            wrong_shard: self.wrong_shard + other.wrong_shard,
            wrong_node: self.wrong_node + other.wrong_node,
            forwarded: self.forwarded + other.forwarded,
            operations: self.operations + other.operations,
            errors: self.errors + other.errors,
        }
    }

    /// Connections of all ports.
    pub fn connections(&self) -> ConnectionStats {
        self.normal_port
            .plus(self.shard_aware_port)
            .plus(self.tls_port)
            .plus(self.tls_shard_aware_port)
    }

    /// Requests with a routable token, wherever they arrived.
    pub const fn routable(&self) -> u64 {
        self.right_shard + self.wrong_shard + self.wrong_node
    }

    /// Per cent of routable requests that met the owning shard; `None` if there were none.
    pub fn right_shard_percent(&self) -> Option<f64> {
        percent(self.right_shard, self.routable())
    }

    /// Per cent of routable requests that met a replica, on any shard; `None` if there were none.
    pub fn right_node_percent(&self) -> Option<f64> {
        percent(self.right_shard + self.wrong_shard, self.routable())
    }
}

fn percent(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| 100.0 * part as f64 / whole as f64)
}

/// What one node has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeStats {
    /// The index of the node: the one to control it by.
    pub index: usize,
    /// Its address.
    pub address: IpAddr,
    /// Its host id.
    pub host_id: HostId,
    /// One entry for each shard; nodes without shards have one entry.
    pub shards: Vec<ShardStats>,
}

impl NodeStats {
    /// The sum over the shards.
    pub fn total(&self) -> ShardStats {
        self.shards
            .iter()
            .fold(ShardStats::default(), |sum, shard| sum.plus(*shard))
    }
}

/// What the cluster has done, node by node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterStats {
    /// The nodes that are members, up or down, in the order of their indexes.
    pub nodes: Vec<NodeStats>,
}

impl ClusterStats {
    /// The sum over all nodes.
    pub fn total(&self) -> ShardStats {
        self.nodes
            .iter()
            .fold(ShardStats::default(), |sum, node| sum.plus(node.total()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_keeps_open_connections() {
        let counters = ShardCounters::default();
        counters.connection_opened(PortKind::Normal);
        counters.connection_opened(PortKind::ShardAware);
        counters.connection_closed(PortKind::ShardAware);
        counters.arrival(Arrival::RightShard);
        counters.reset();
        let stats = counters.snapshot();
        assert_eq!(
            stats.connections(),
            ConnectionStats {
                opened: 0,
                closed: 0,
                current: 1
            }
        );
        assert_eq!(stats.routable(), 0);
        assert_eq!(stats.right_shard_percent(), None);
    }

    #[test]
    fn per_cents_count_routable_requests_only() {
        let counters = ShardCounters::default();
        for _ in 0..10 {
            counters.request();
        }
        counters.arrival(Arrival::RightShard);
        counters.arrival(Arrival::WrongShard);
        counters.arrival(Arrival::WrongNode);
        counters.arrival(Arrival::RightShard);
        let stats = counters.snapshot();
        assert_eq!(stats.right_shard_percent(), Some(50.0));
        assert_eq!(stats.right_node_percent(), Some(75.0));
        assert_eq!(stats.requests, 10);
    }
}
