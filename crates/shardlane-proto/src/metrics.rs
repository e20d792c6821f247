//! What a cluster object shows of itself: counters that the I/O thread adds to and anyone may read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use shardlane_routing::HostId;

/// By which way a connection was got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opened {
    /// The first one to a node, on the normal port: it tells the node's shards.
    First,
    /// By the shard-aware port.
    ShardAwarePort,
    /// By the legacy algorithm, on the normal port.
    Legacy,
}

/// Counters of one shard of one node. Only the I/O thread writes; reads may be a moment old.
#[derive(Debug, Default)]
pub struct ShardCounters {
    in_flight: AtomicU64,
    requests: AtomicU64,
    errors: AtomicU64,
}

impl ShardCounters {
    // Load and store instead of fetch_add: there is a single writer, and a locked add costs more.
    pub(crate) fn started(&self) {
        self.requests
            .store(self.requests.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        self.in_flight.store(
            self.in_flight.load(Ordering::Relaxed) + 1,
            Ordering::Relaxed,
        );
    }

    pub(crate) fn ended(&self) {
        self.in_flight.store(
            self.in_flight.load(Ordering::Relaxed).saturating_sub(1),
            Ordering::Relaxed,
        );
    }

    pub(crate) fn failed(&self) {
        self.errors
            .store(self.errors.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// Requests sent and not yet answered.
    pub fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Requests sent so far, every attempt counted.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Attempts that ended in an error of the server or of the connection.
    pub fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }
}

/// One pooled connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionView {
    /// The shard that serves it; `None` where the node has no shards.
    pub shard: Option<u16>,
    /// How it was got.
    pub opened: Opened,
    /// The local port it comes from, 0 if unknown.
    pub local_port: u16,
}

/// The pool of one node at one moment.
#[derive(Debug, Clone)]
pub struct PoolView {
    /// The node.
    pub host_id: HostId,
    /// Its address and normal port.
    pub address: std::net::SocketAddr,
    /// Its datacenter.
    pub datacenter: Arc<str>,
    /// Number of shards; `None` if the node has none or has not answered yet.
    pub nr_shards: Option<u16>,
    /// The advertised shard-aware port is blocked for now, because it failed or misled.
    pub shard_aware_port_blocked: bool,
    /// Connections that take requests.
    pub connections: Vec<ConnectionView>,
    /// Counters by shard; one entry where the node has no shards.
    pub counters: Vec<Arc<ShardCounters>>,
    /// Connections opened to this node so far (attempts that reached the handshake's end).
    pub opened_total: u64,
    /// Connections closed again, for whatever reason.
    pub closed_total: u64,
    /// Why the last attempt at a connection failed, if none has succeeded since.
    pub last_error: Option<Arc<str>>,
}
