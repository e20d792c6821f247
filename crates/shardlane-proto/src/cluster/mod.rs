//! The cluster as the client knows it: nodes with their pools, the ring, who replicates what.

mod control;
mod keyspaces;
mod names;
mod node;
mod placement;
mod refresh;
mod rings;
mod routes;
mod rows;
mod selection;
mod topology;
mod view;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use shardlane_routing::{HostId, Partitioner, Ring, RingNode, Tablet, Token};
use slab::Slab;

pub(crate) use self::control::{Control, ControlEvent, ControlRequest};
use self::keyspaces::KnownKeyspaces;
pub use self::node::Coordinator;
pub(crate) use self::node::{Nearness, Node, NodeKey};
use self::placement::Placement;
pub(crate) use self::placement::{Place, Replicas};
pub(crate) use self::refresh::Scope;
use self::rings::Rings;
use self::routes::Routes;
pub(crate) use self::routes::Way;
pub(crate) use self::rows::for_each_row;
pub(crate) use self::selection::Verdict;
#[cfg(any(test, feature = "bench"))]
pub(crate) use self::topology::KeyspaceInfo;
pub(crate) use self::topology::{NodeInfo, Topology, Update};
use self::view::RingView;
pub use self::view::{ClusterView, KeyspaceView, NodeView};
use crate::config::Config;
use crate::notice::Told;
use crate::policy::Balancing;
use crate::pool::Pool;

#[derive(Debug, Default)]
pub(crate) struct Cluster {
    nodes: Slab<Node>,
    by_host_id: HashMap<HostId, NodeKey>,
    local_datacenter: Option<String>,
    name: String,
    partitioner: String,
    keyspaces: KnownKeyspaces,
    rings: Rings,
    /// What the ring was made of.
    ring_of: Vec<(NodeKey, NodeInfo)>,
    placement: Placement,
    tablets_per_table_max: usize,
    rotation: usize,
    routes: Option<Routes>,
    /// What the application says about nodes.
    verdicts: HashMap<HostId, Verdict>,
    /// Made when somebody looks; `None`: something has changed since.
    view: Option<Arc<ClusterView>>,
}

impl Cluster {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            local_datacenter: config.local_datacenter.clone(),
            tablets_per_table_max: config.tablets_per_table_max,
            routes: Routes::new(config),
            ..Self::default()
        }
    }

    /// Takes over what a refresh has read. Returns the nodes that are gone: they take no requests from now
    /// on, and keep their keys (so that these are not reused) until [`Self::remove`]. And the topology, as it
    /// was read.
    #[must_use]
    pub(crate) fn apply(
        &mut self,
        config: &Config,
        mut update: Update,
    ) -> (Vec<NodeKey>, Topology) {
        self.view = None;
        let changed = self
            .keyspaces
            .apply(&update.scope.keyspaces, update.keyspaces);
        for name in &changed.removed {
            self.placement.remove(name);
        }
        for keyspace in changed
            .put
            .iter()
            .filter_map(|name| self.keyspaces.get(name))
        {
            let map = self.rings.map_of(&keyspace.replication);
            self.placement
                .put(&keyspace.name, map, keyspace.has_leaders);
        }
        let mut gone = Vec::new();
        if update.scope.nodes {
            let nodes = &mut update.topology.nodes;
            nodes.retain(|node| config.zero_token_nodes || !node.tokens.is_empty());
            let told = self.translate(&mut update.topology);
            gone = self.apply_topology(config, &update.topology);
            self.select(config, &told);
        }
        if let Some(routes) = &mut self.routes {
            routes.take(&update.scope.routes, update.routes);
        }
        for (keyspace, table, tablet) in update.tablets {
            self.learn_tablet(&keyspace, &table, tablet);
        }
        (gone, update.topology)
    }

    fn apply_topology(&mut self, config: &Config, topology: &Topology) -> Vec<NodeKey> {
        if self.local_datacenter.is_none() {
            self.local_datacenter = topology.nodes.first().map(|n| n.datacenter.clone());
        }
        self.name.clone_from(&topology.cluster_name);
        self.partitioner.clone_from(&topology.partitioner);
        let gone: Vec<NodeKey> = self
            .nodes()
            .filter(|(_, node)| {
                let Coordinator { address, host_id } = *node.coordinator;
                let same = |n: &NodeInfo| n.host_id == host_id && n.address == address;
                !topology.nodes.iter().any(same)
            })
            .map(|(key, _)| key)
            .collect();
        self.by_host_id.retain(|_, key| !gone.contains(key));
        for info in &topology.nodes {
            let key = self.by_host_id.get(&info.host_id).copied();
            match key.and_then(|key| self.node_mut(key)) {
                Some(node) => {
                    node.describe(&info.datacenter, &info.rack, &info.release_version);
                    node.has_tokens = !info.tokens.is_empty();
                }
                None => {
                    let key = NodeKey(self.nodes.insert(new_node(config, info)) as u32);
                    self.by_host_id.insert(info.host_id, key);
                }
            }
        }
        for (_, node) in &mut self.nodes {
            let local = self.local_datacenter.as_deref();
            node.is_local = local.is_none_or(|local| *node.datacenter == *local);
        }
        self.rebuild_ring(topology);
        gone
    }

    /// Forgets a node that [`Self::apply`] has told to be gone.
    pub(crate) fn remove(&mut self, key: NodeKey) {
        self.nodes.try_remove(key.0 as usize);
    }

    /// Computes replicas again, unless nothing that they depend on has changed.
    fn rebuild_ring(&mut self, topology: &Topology) {
        let ring_of: Vec<(NodeKey, NodeInfo)> = topology
            .nodes
            .iter()
            .filter_map(|info| {
                // The versions have no say in it.
                let info = NodeInfo {
                    release_version: String::new(),
                    schema_version: None,
                    ..info.clone()
                };
                Some((self.by_host_id(info.host_id)?, info))
            })
            .collect();
        // Other partitioners give other tokens than ours: without replicas no request is routed by token.
        let is_ours = Partitioner::from_class(&self.partitioner) == Some(Partitioner::Murmur3);
        if ring_of == self.ring_of {
            return;
        }
        let ring = is_ours.then(|| make_ring(&ring_of)).flatten();
        self.ring_of = ring_of;
        self.rings.replace(ring);
        let rings = &mut self.rings;
        let maps = self
            .keyspaces
            .iter()
            .map(|keyspace| (keyspace.name.as_str(), rings.map_of(&keyspace.replication)));
        let by_host_id = &self.by_host_id;
        self.placement
            .refresh(maps.collect(), |host_id| by_host_id.get(&host_id).copied());
    }

    fn make_view(&self) -> ClusterView {
        let current = |(key, node): &(NodeKey, &Node)| {
            self.by_host_id(node.coordinator.host_id) == Some(*key)
        };
        let nodes = self
            .nodes()
            .filter(current)
            .map(|(_, node)| node.node_view());
        let size = self.nodes.iter().map(|(key, _)| key + 1).max();
        let mut host_ids = vec![None; size.unwrap_or(0)];
        for (NodeKey(key), node) in self.nodes() {
            host_ids[key as usize] = Some(node.coordinator.host_id);
        }
        ClusterView {
            rings: RingView {
                maps: self.placement.rings(),
                host_ids,
            },
            name: self.name.clone(),
            partitioner: self.partitioner.clone(),
            nodes: nodes.collect(),
            keyspaces: self.keyspaces.iter().cloned().collect(),
        }
    }

    pub(crate) fn view(&mut self) -> Arc<ClusterView> {
        match &self.view {
            Some(view) => view.clone(),
            None => {
                let view = Arc::new(self.make_view());
                self.view = Some(view.clone());
                view
            }
        }
    }

    /// Something in that keyspace has changed.
    pub(crate) fn touch_keyspace(&mut self, name: &str) {
        self.keyspaces.touch(name);
        self.view = None;
    }

    /// Anything may have changed in any keyspace.
    pub(crate) fn touch_all_keyspaces(&mut self) {
        self.keyspaces.touch_all();
        self.view = None;
    }

    /// Where a token's partition lives, in this table or, if none is named, by the keyspace's ring.
    pub(crate) fn place(
        &self,
        keyspace: Option<&str>,
        table: Option<&str>,
        token: Token,
    ) -> Place<'_> {
        keyspace.map_or(Place::unknown(token), |keyspace| {
            self.placement.place(keyspace, table, token)
        })
    }

    /// The shard of a place on a node: by its tablet if that is known and has a replica there, else by the
    /// node's formula. `None`: the node has no shards.
    pub(crate) fn shard_of(&self, place: Place<'_>, key: NodeKey) -> Option<u16> {
        place
            .tablet_shard(key)
            .or_else(|| Some(self.node(key)?.pool.sharder()?.shard_of(place.token())))
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
        // Servers do not tell each other's ports, and those of proxies are others.
        let by_ip = self.is_routed();
        let is = |known: SocketAddr| known == address || (by_ip && known.ip() == address.ip());
        self.nodes()
            .find(|(_, n)| is(n.told_address) || is(n.coordinator.address))
            .map(|(key, _)| key)
    }

    pub(crate) fn is_usable(&self, key: NodeKey) -> bool {
        self.node(key).is_some_and(|n| n.pool.is_usable())
    }

    pub(crate) fn is_local(&self, key: NodeKey) -> bool {
        self.node(key).is_none_or(|node| node.is_local)
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
        keys.into_iter()
            .filter(|&key| self.node(key).is_some_and(|n| !n.is_excluded))
            .filter_map(|key| self.known_address(key))
            .collect()
    }

    /// One of the nearest usable nodes, each in its turn; remote ones only if the request `may_leave`.
    pub(crate) fn next_in_rotation(
        &mut self,
        balancing: &Balancing,
        may_leave: bool,
    ) -> Option<NodeKey> {
        self.rotation = self.rotation.wrapping_add(1);
        let nearness = |key| self.nearness(key, balancing);
        let best = self
            .usable()
            .map(nearness)
            .filter(|&nearness| may_leave || nearness != Nearness::Remote)
            .min()?;
        let nearest = || self.usable().filter(|&key| nearness(key) == best);
        let skip = self.rotation.checked_rem(nearest().count())?;
        nearest().nth(skip)
    }

    /// How near a node is to those whom `balancing` speaks for.
    pub(crate) fn nearness(&self, key: NodeKey, balancing: &Balancing) -> Nearness {
        self.node(key)
            .map_or(Nearness::Remote, |node| node.nearness(balancing))
    }

    pub(crate) fn local_datacenter(&self) -> Option<&str> {
        self.local_datacenter.as_deref()
    }
}

/// The ring of these nodes. Its indices are the node keys, so that a lookup needs no translation: holes get
/// an entry without tokens.
fn make_ring(of: &[(NodeKey, NodeInfo)]) -> Option<Ring> {
    let hole = RingNode {
        host_id: HostId([0; 16]),
        datacenter: String::new(),
        rack: String::new(),
    };
    let size = of.iter().map(|(key, _)| key.0 as usize + 1).max();
    let mut nodes = vec![hole; size.unwrap_or(0)];
    let mut tokens = Vec::new();
    for (NodeKey(key), info) in of {
        nodes[*key as usize] = RingNode {
            host_id: info.host_id,
            datacenter: info.datacenter.clone(),
            rack: info.rack.clone(),
        };
        tokens.extend(info.tokens.iter().map(|&token| (token, *key)));
    }
    Ring::new(nodes, tokens).ok()
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
        has_tokens: !info.tokens.is_empty(),
        is_local: false,
        is_excluded: false,
        is_new: true,
        told_address: info.address,
        route: None,
        pool: Pool::new(config),
        counters: Vec::new(),
        opened_total: 0,
        closed_total: 0,
        last_error: None,
        told: Told::default(),
    }
}
