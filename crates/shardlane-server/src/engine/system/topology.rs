//! What the system tables say of the cluster.

use std::net::IpAddr;

use shardlane_routing::Token;

/// Whose manners to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Flavour {
    /// ScyllaDB: shards, tablets, `system.peers` only.
    #[default]
    Scylla,
    /// Apache Cassandra: no shards, release version 4.
    Cassandra,
}

impl Flavour {
    /// The `release_version` of `system.local`. ScyllaDB gives the version of Cassandra it is compatible with.
    pub const fn release_version(self) -> &'static str {
        match self {
            Self::Scylla => "3.0.8",
            Self::Cassandra => "4.1.7",
        }
    }

    /// The CQL version.
    pub const fn cql_version(self) -> &'static str {
        match self {
            Self::Scylla => "3.3.1",
            Self::Cassandra => "3.4.6",
        }
    }
}

/// A node as the system tables show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeInfo {
    /// Host id.
    pub host_id: [u8; 16],
    /// The address for clients and for other nodes.
    pub address: IpAddr,
    /// Datacenter.
    pub datacenter: String,
    /// Rack.
    pub rack: String,
    /// Its tokens on the ring.
    pub tokens: Vec<Token>,
    /// The schema version it has agreed to; `None`: the answering node's own.
    pub schema_version: Option<[u8; 16]>,
    /// Shards; 0 for Apache Cassandra.
    pub shards: u16,
    /// Whether it is up.
    pub up: bool,
}

/// Replicas as (host id, shard).
pub type Replicas = Vec<([u8; 16], u32)>;

/// The tablets of one table, for `system.tablets`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TabletInfo {
    /// The table.
    pub table: crate::engine::schema::TableId,
    /// The last token of each tablet, ascending, with its replicas.
    pub tablets: Vec<(Token, Replicas)>,
}

/// How a node is reached through a proxy: a row of `system.client_routes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientRoute {
    /// Names the proxy, or the private connection that leads to it.
    pub connection_id: String,
    /// The node's host id.
    pub host_id: [u8; 16],
    /// The proxy's host name or IP address.
    pub address: String,
    /// Its port for this node.
    pub port: u16,
    /// Its port for this node's port with TLS.
    pub tls_port: Option<u16>,
}

/// The cluster as one node sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topology {
    /// The cluster's name.
    pub cluster_name: String,
    /// Whose manners to have.
    pub flavour: Flavour,
    /// The port for clients, the same on all nodes.
    pub port: u16,
    /// The partitioner's class.
    pub partitioner: String,
    /// The answering node.
    pub local: NodeInfo,
    /// All the others, those that are down too.
    pub peers: Vec<NodeInfo>,
    /// Tablets of tables in tablet keyspaces.
    pub tablets: Vec<TabletInfo>,
    /// Ways to nodes through proxies.
    pub client_routes: std::sync::Arc<[ClientRoute]>,
}
