//! The cluster as the client knows it: nodes with their pools, the ring, who replicates what.

mod control;
mod node;
mod placement;
mod rows;
mod topology;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;

use shardlane_routing::{
    HostId, Partitioner, ReplicaMap, ReplicationStrategy, Ring, RingNode, Tablet, Token,
};
use slab::Slab;

pub(crate) use self::control::{Control, ControlEvent, ControlRequest};
pub use self::node::Coordinator;
pub(crate) use self::node::{Node, NodeKey};
use self::placement::Placement;
pub(crate) use self::placement::Replicas;
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
    placement: Placement,
    tablets_per_table_max: usize,
    rotation: usize,
    view: Arc<ClusterView>,
}

impl Cluster {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            local_datacenter: config.local_datacenter.clone(),
            tablets_per_table_max: config.tablets_per_table_max,
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
        let mut made: Vec<(ReplicationStrategy, Arc<ReplicaMap>)> = Vec::new();
        let ring = self.make_ring(snapshot);
        let map_of = |options: &HashMap<String, String>| {
            let (ring, strategy) = (ring.as_ref()?, ReplicationStrategy::parse(options).ok()?);
            if let Some((_, map)) = made.iter().find(|(s, _)| *s == strategy) {
                return Some(map.clone());
            }
            let map = Arc::new(ReplicaMap::new(ring, &strategy));
            made.push((strategy, map.clone()));
            Some(map)
        };
        let names = snapshot.replication.keys().map(String::as_str);
        let rings = names.zip(snapshot.replication.values().map(map_of));
        let by_host_id = &self.by_host_id;
        self.placement.refresh(
            rings.collect(),
            |keyspace, table| {
                let table = (keyspace.to_owned(), table.to_owned());
                snapshot.partition_keys.contains_key(&table)
            },
            |host_id| by_host_id.get(&host_id).copied(),
        );
    }

    /// The ring, with node keys as indices, so that a lookup needs no translation: holes get an entry without
    /// tokens. `None`: another partitioner gives other tokens than ours, and no request is routed by token.
    fn make_ring(&self, snapshot: &Snapshot) -> Option<Ring> {
        if Partitioner::from_class(&snapshot.partitioner) != Some(Partitioner::Murmur3) {
            return None;
        }
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
        Ring::new(ring_nodes, tokens).ok()
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

    /// Replicas of `token`: by its tablet if that is known, else by the ring; none if the keyspace is unknown.
    pub(crate) fn replicas(
        &self,
        keyspace: &str,
        table: Option<&str>,
        token: Token,
    ) -> Replicas<'_> {
        self.placement.replicas(keyspace, table, token)
    }

    /// The shard of `token` on a node: by its tablet if that is known and has a replica there, else by the
    /// node's formula. `None`: the node has no shards.
    pub(crate) fn shard_of(
        &self,
        keyspace: Option<&str>,
        table: Option<&str>,
        token: Token,
        key: NodeKey,
    ) -> Option<u16> {
        keyspace
            .and_then(|keyspace| self.placement.tablet_shard(keyspace, table, token, key))
            .or_else(|| Some(self.node(key)?.pool.sharder()?.shard_of(token)))
    }

    /// Takes over a tablet that a response brought.
    pub(crate) fn learn_tablet(&mut self, keyspace: &str, table: &str, tablet: Tablet) {
        let by_host_id = &self.by_host_id;
        let max = self.tablets_per_table_max;
        self.placement
            .learn(keyspace, table, tablet, max, |host_id| {
                by_host_id.get(&host_id).copied()
            });
    }

    /// Forgets the tablets of a table, or of all tables of a keyspace: it has changed, or is no more.
    pub(crate) fn forget_tablets(&mut self, keyspace: &str, table: Option<&str>) {
        self.placement.forget(keyspace, table);
    }

    /// The known tablets of a table, in ring order.
    pub(crate) fn tablets(&self, keyspace: &str, table: &str) -> Vec<Tablet> {
        self.placement.tablets(keyspace, table)
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
