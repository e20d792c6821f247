//! A node and what hangs on it.

use std::net::SocketAddr;
use std::sync::Arc;

use shardlane_routing::HostId;

use super::routes::Route;
use super::view::NodeView;
use crate::metrics::{ConnectionView, PoolView, ShardCounters};
use crate::notice::Told;
use crate::policy::Balancing;
use crate::pool::Pool;

/// A node, as results and errors name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coordinator {
    /// Address and normal port.
    pub address: SocketAddr,
    /// Host id.
    pub host_id: HostId,
}

/// A node's place in the cluster's table; stays with the node until it is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NodeKey(pub(crate) u32);

/// How near a node is to the client, the nearest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Nearness {
    /// In the preferred rack, or there is none.
    Rack,
    /// In the local datacenter.
    Datacenter,
    /// In another datacenter.
    Remote,
    /// Near, but it holds no data: a coordinator of last resort.
    Tokenless,
}

impl Nearness {
    pub(crate) const COUNT: u8 = 4;
}

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) coordinator: Arc<Coordinator>,
    pub(crate) datacenter: Arc<str>,
    pub(crate) rack: Arc<str>,
    pub(crate) release_version: Arc<str>,
    /// Whether it owns any part of the ring; nodes that do not are kept only if that is wanted.
    pub(crate) has_tokens: bool,
    /// In the client's datacenter, or the client has none.
    pub(crate) is_local: bool,
    /// It gets no connections.
    pub(crate) is_excluded: bool,
    /// No refresh has decided yet whether it is to be used.
    pub(crate) is_new: bool,
    /// Where the servers say it is, which may be another address than the one in use.
    pub(crate) told_address: SocketAddr,
    /// How it is reached, where client routes are configured.
    pub(crate) route: Option<Route>,
    pub(crate) pool: Pool,
    pub(crate) counters: Vec<Arc<ShardCounters>>,
    pub(crate) opened_total: u64,
    pub(crate) closed_total: u64,
    /// Why the last attempt at a connection failed, if none has succeeded since.
    pub(crate) last_error: Option<Arc<str>>,
    /// Why connections failed or ended, as far as the log has it.
    pub(crate) told: Told,
}

impl Node {
    /// How near it is to those whom `balancing` speaks for.
    pub(crate) fn nearness(&self, balancing: &Balancing) -> Nearness {
        let is_local = match &balancing.datacenter {
            Some(local) => *self.datacenter == **local,
            None => self.is_local,
        };
        match &balancing.rack {
            _ if !is_local => Nearness::Remote,
            _ if !self.has_tokens => Nearness::Tokenless,
            Some(rack) if *self.rack != **rack => Nearness::Datacenter,
            _ => Nearness::Rack,
        }
    }

    /// The counters of `shard`; grows the table to it.
    pub(crate) fn counters(&mut self, shard: Option<u16>) -> Arc<ShardCounters> {
        let index = usize::from(shard.unwrap_or(0));
        while self.counters.len() <= index {
            self.counters.push(Arc::default());
        }
        self.counters[index].clone()
    }

    /// Takes over what may change while a node stays the same: it was upgraded, or moved to another rack.
    pub(crate) fn describe(&mut self, datacenter: &str, rack: &str, release_version: &str) {
        let update = |old: &mut Arc<str>, new: &str| {
            if **old != *new {
                *old = new.into();
            }
        };
        update(&mut self.datacenter, datacenter);
        update(&mut self.rack, rack);
        update(&mut self.release_version, release_version);
    }

    pub(crate) fn node_view(&self) -> NodeView {
        NodeView {
            host_id: self.coordinator.host_id,
            address: self.coordinator.address,
            datacenter: self.datacenter.clone(),
            rack: self.rack.clone(),
            release_version: self.release_version.clone(),
        }
    }

    pub(crate) fn view(&self, blocked: bool, connections: Vec<ConnectionView>) -> PoolView {
        PoolView {
            host_id: self.coordinator.host_id,
            address: self.coordinator.address,
            datacenter: self.datacenter.clone(),
            nr_shards: self.pool.sharder().map(|s| s.nr_shards.get()),
            shard_aware_port_blocked: blocked,
            connections,
            counters: self.counters.clone(),
            opened_total: self.opened_total,
            closed_total: self.closed_total,
            last_error: self.last_error.clone(),
        }
    }
}
