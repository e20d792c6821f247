//! The cluster for those who look at it from outside.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;

use shardlane_routing::{HostId, ReplicaMap, Token};

/// A node, for those who look at the cluster from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeView {
    /// Host id.
    pub host_id: HostId,
    /// Address and normal port.
    pub address: SocketAddr,
    /// Datacenter.
    pub datacenter: Arc<str>,
    /// Rack.
    pub rack: Arc<str>,
    /// The release version it reports.
    pub release_version: Arc<str>,
}

/// A keyspace, for those who look at the cluster from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyspaceView {
    /// Name.
    pub name: String,
    /// Grows with every change that is heard of, in the keyspace or in anything in it. Versions of different
    /// keyspaces have nothing to do with each other.
    pub version: u64,
    /// Replication options as the server keeps them.
    pub replication: BTreeMap<String, String>,
    /// Partition key columns by table. Only in protocol v3, where PREPARED does not tell; empty otherwise.
    pub partition_keys: BTreeMap<String, Vec<String>>,
    /// Strongly consistent (ScyllaDB's `consistency = 'global'`): each of its tablets has a leader. Only known
    /// where the server tells versions of tablets.
    pub has_leaders: bool,
}

/// Topology and schema at one moment. Replaced as a whole when something changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterView {
    /// The cluster's name.
    pub name: String,
    /// The partitioner's Java class.
    pub partitioner: String,
    /// All nodes.
    pub nodes: Vec<NodeView>,
    /// All keyspaces, by name.
    pub keyspaces: Vec<Arc<KeyspaceView>>,
    /// Who replicates what, by the ring.
    pub(crate) rings: RingView,
}

impl ClusterView {
    /// The replicas of a token by the keyspace's replication and the ring, in ring order; none if they are
    /// not known. Tables with tablets have others.
    #[must_use]
    pub fn replicas(&self, keyspace: &str, token: Token) -> Vec<HostId> {
        let replicas = self.rings.maps.get(keyspace).map(|map| map.replicas(token));
        replicas
            .unwrap_or_default()
            .iter()
            .filter_map(|&key| self.rings.host_ids.get(key as usize).copied().flatten())
            .collect()
    }
}

/// Replicas by keyspace, and what their numbers stand for.
#[derive(Debug, Clone, Default)]
pub(crate) struct RingView {
    pub(crate) maps: HashMap<Box<str>, Arc<ReplicaMap>>,
    pub(crate) host_ids: Vec<Option<HostId>>,
}

impl PartialEq for RingView {
    /// Maps are compared by identity: those of one refresh are shared.
    fn eq(&self, other: &Self) -> bool {
        self.host_ids == other.host_ids
            && self.maps.len() == other.maps.len()
            && self.maps.iter().all(|(name, map)| {
                let theirs = other.maps.get(name);
                theirs.is_some_and(|theirs| Arc::ptr_eq(map, theirs))
            })
    }
}

impl Eq for RingView {}
