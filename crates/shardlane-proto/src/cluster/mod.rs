//! The cluster as the client knows it: nodes with their pools, the ring, who replicates what.

mod control;
mod node;
mod rows;
mod topology;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;

use shardlane_routing::{
    HostId, Partitioner, ReplicaMap, ReplicationStrategy, Ring, RingNode, Token,
};
use slab::Slab;

pub(crate) use self::control::{Control, ControlEvent, ControlRequest};
pub use self::node::Coordinator;
pub(crate) use self::node::{Node, NodeKey};
pub(crate) use self::topology::{NodeInfo, Snapshot};
use crate::config::Config;
use crate::pool::Pool;

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
    /// Replication options as the server keeps them.
    pub replication: BTreeMap<String, String>,
    /// Partition key columns by table.
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
    /// All keyspaces.
    pub keyspaces: Vec<KeyspaceView>,
}

#[derive(Debug, Default)]
pub(crate) struct Cluster {
    nodes: Slab<Node>,
    by_host_id: HashMap<HostId, NodeKey>,
    local_datacenter: Option<String>,
    /// By keyspace; equal strategies share one map.
    replicas: HashMap<Box<str>, Arc<Replicas>>,
    rotation: usize,
    view: Arc<ClusterView>,
}

/// Replicas of one strategy, as node keys instead of the ring's indices.
#[derive(Debug)]
struct Replicas {
    map: ReplicaMap,
}

impl Cluster {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            local_datacenter: config.local_datacenter.clone(),
            ..Self::default()
        }
    }

    /// Takes over what a refresh has read. Returns the nodes that are gone: they take no requests from now
    /// on, and keep their keys (so that these are not reused) until [`Self::remove`].
    #[must_use]
    pub(crate) fn apply(&mut self, config: &Config, snapshot: &Snapshot) -> Vec<NodeKey> {
        if self.local_datacenter.is_none() {
            self.local_datacenter = snapshot.nodes.first().map(|n| n.datacenter.clone());
        }
        let gone: Vec<NodeKey> = self
            .nodes()
            .filter(|(_, node)| {
                let Coordinator { address, host_id } = *node.coordinator;
                let same = |n: &NodeInfo| n.host_id == host_id && n.address == address;
                !snapshot.nodes.iter().any(same)
            })
            .map(|(key, _)| key)
            .collect();
        self.by_host_id.retain(|_, key| !gone.contains(key));
        for info in &snapshot.nodes {
            if !self.by_host_id.contains_key(&info.host_id) {
                let key = NodeKey(self.nodes.insert(new_node(config, info)) as u32);
                self.by_host_id.insert(info.host_id, key);
            }
        }
        self.rebuild_replicas(snapshot);
        self.view = Arc::new(self.make_view(snapshot));
        gone
    }

    /// Forgets a node that [`Self::apply`] has told to be gone.
    pub(crate) fn remove(&mut self, key: NodeKey) {
        self.nodes.try_remove(key.0 as usize);
    }

    fn rebuild_replicas(&mut self, snapshot: &Snapshot) {
        self.replicas.clear();
        // Other partitioners give other tokens than ours: without replicas no request is routed by token.
        if Partitioner::from_class(&snapshot.partitioner) != Some(Partitioner::Murmur3) {
            return;
        }
        // The ring's indices are the node keys, so that a lookup needs no translation: holes get an
        // entry without tokens.
        let hole = RingNode {
            host_id: HostId([0; 16]),
            datacenter: String::new(),
            rack: String::new(),
        };
        let size = self.nodes.iter().map(|(key, _)| key + 1).max().unwrap_or(0);
        let mut ring_nodes = vec![hole; size];
        let mut tokens = Vec::new();
        for info in &snapshot.nodes {
            let Some(&NodeKey(key)) = self.by_host_id.get(&info.host_id) else {
                continue;
            };
            ring_nodes[key as usize] = RingNode {
                host_id: info.host_id,
                datacenter: info.datacenter.clone(),
                rack: info.rack.clone(),
            };
            tokens.extend(info.tokens.iter().map(|&t| (t, key)));
        }
        let Ok(ring) = Ring::new(ring_nodes, tokens) else {
            return;
        };
        let mut made: Vec<(ReplicationStrategy, Arc<Replicas>)> = Vec::new();
        for (keyspace, options) in &snapshot.replication {
            let Ok(strategy) = ReplicationStrategy::parse(options) else {
                continue;
            };
            let replicas = match made.iter().find(|(s, _)| *s == strategy) {
                Some((_, replicas)) => replicas.clone(),
                None => {
                    let replicas = Arc::new(Replicas {
                        map: ReplicaMap::new(&ring, &strategy),
                    });
                    made.push((strategy, replicas.clone()));
                    replicas
                }
            };
            self.replicas.insert(keyspace.as_str().into(), replicas);
        }
    }

    fn make_view(&self, snapshot: &Snapshot) -> ClusterView {
        let keyspaces = snapshot
            .replication
            .iter()
            .map(|(name, options)| KeyspaceView {
                name: name.clone(),
                replication: options
                    .iter()
                    .map(|(k, v)| (k.clone(), v.clone()))
                    .collect(),
                partition_keys: snapshot
                    .partition_keys
                    .iter()
                    .filter(|((keyspace, _), _)| keyspace == name)
                    .map(|((_, table), columns)| (table.clone(), columns.clone()))
                    .collect(),
            });
        let current = |(key, node): &(NodeKey, &Node)| {
            self.by_host_id(node.coordinator.host_id) == Some(*key)
        };
        let nodes = self.nodes().filter(current).map(|(_, node)| NodeView {
            host_id: node.coordinator.host_id,
            address: node.coordinator.address,
            datacenter: node.datacenter.clone(),
            rack: node.rack.clone(),
            release_version: node.release_version.clone(),
        });
        ClusterView {
            name: snapshot.cluster_name.clone(),
            partitioner: snapshot.partitioner.clone(),
            nodes: nodes.collect(),
            keyspaces: keyspaces.collect(),
        }
    }

    pub(crate) fn view(&self) -> Arc<ClusterView> {
        self.view.clone()
    }

    /// Replicas of `token` in ring order; empty if the keyspace is unknown.
    pub(crate) fn replicas(&self, keyspace: &str, token: Token) -> &[u32] {
        self.replicas
            .get(keyspace)
            .map_or(&[], |r| r.map.replicas(token))
    }

    pub(crate) fn node(&self, key: NodeKey) -> Option<&Node> {
        self.nodes.get(key.0 as usize)
    }

    pub(crate) fn node_mut(&mut self, key: NodeKey) -> Option<&mut Node> {
        self.nodes.get_mut(key.0 as usize)
    }

    pub(crate) fn nodes(&self) -> impl Iterator<Item = (NodeKey, &Node)> {
        self.nodes
            .iter()
            .map(|(key, node)| (NodeKey(key as u32), node))
    }

    pub(crate) fn keys(&self) -> Vec<NodeKey> {
        self.nodes().map(|(key, _)| key).collect()
    }

    pub(crate) fn by_host_id(&self, host_id: HostId) -> Option<NodeKey> {
        self.by_host_id.get(&host_id).copied()
    }

    pub(crate) fn by_address(&self, address: SocketAddr) -> Option<NodeKey> {
        self.nodes()
            .find(|(_, n)| n.coordinator.address == address)
            .map(|(key, _)| key)
    }

    pub(crate) fn is_usable(&self, key: NodeKey) -> bool {
        self.node(key).is_some_and(|n| n.pool.is_usable())
    }

    pub(crate) fn is_local(&self, key: NodeKey) -> bool {
        match (&self.local_datacenter, self.node(key)) {
            (Some(local), Some(node)) => *node.datacenter == **local,
            _ => true,
        }
    }

    pub(crate) fn usable(&self) -> impl Iterator<Item = NodeKey> + '_ {
        self.nodes()
            .filter(|(_, n)| n.pool.is_usable())
            .map(|(key, _)| key)
    }

    /// Where to look for a control connection: usable nodes first, local ones before remote ones.
    pub(crate) fn addresses_to_try(&self) -> Vec<SocketAddr> {
        let mut keys = self.keys();
        keys.sort_by_key(|&key| (!self.is_usable(key), !self.is_local(key), key));
        keys.iter()
            .filter_map(|&key| self.node(key))
            .map(|n| n.coordinator.address)
            .collect()
    }

    /// A usable node of the local datacenter, each in its turn; any usable one if there is none.
    pub(crate) fn next_in_rotation(&mut self) -> Option<NodeKey> {
        self.rotation = self.rotation.wrapping_add(1);
        let local = self.usable().filter(|&key| self.is_local(key)).count();
        let count = if local > 0 {
            local
        } else {
            self.usable().count()
        };
        let skip = self.rotation.checked_rem(count)?;
        self.usable()
            .filter(|&key| local == 0 || self.is_local(key))
            .nth(skip)
    }
}

fn new_node(config: &Config, info: &NodeInfo) -> Node {
    Node {
        coordinator: Arc::new(Coordinator {
            address: info.address,
            host_id: info.host_id,
        }),
        datacenter: info.datacenter.as_str().into(),
        rack: info.rack.as_str().into(),
        release_version: info.release_version.as_str().into(),
        pool: Pool::new(config),
        counters: Vec::new(),
        opened_total: 0,
        closed_total: 0,
    }
}
