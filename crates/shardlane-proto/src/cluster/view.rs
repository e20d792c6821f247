//! The cluster for those who look at it from outside.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use shardlane_routing::HostId;

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
}
