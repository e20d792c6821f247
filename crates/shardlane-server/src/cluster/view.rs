//! The cluster as its nodes see it: members, ring, schema and where replicas are, as one immutable
//! value. A change makes a new value; shards notice by a version number and never take a lock for it
//! on the way of a request.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::sync::Arc;

use shardlane_routing::{HostId, ReplicaMap, ReplicationStrategy, Ring, RingNode, Sharder, Token};

use super::tablets::TabletLayout;
use crate::engine::{
    ClientRoute, Flavour, Keyspace, NodeInfo, Schema, Table, TableId, TabletInfo, Topology,
};
use crate::node::inbox::Link;
use crate::node::shard::ShardId;

/// Whether a member takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MemberState {
    /// It does not run.
    Down,
    /// It is new: it takes writes for the ranges it is going to own, and is given their data.
    Joining,
    /// It runs again and takes writes; what it has missed is being given to it.
    Restoring,
    /// It serves.
    Up,
}

/// A node of the cluster.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) index: u32,
    pub(crate) host_id: HostId,
    pub(crate) address: IpAddr,
    pub(crate) datacenter: Arc<str>,
    /// Equal for members of one datacenter.
    pub(crate) datacenter_id: u32,
    pub(crate) rack: Arc<str>,
    pub(crate) tokens: Arc<[Token]>,
    /// Shards as announced; 0 for Apache Cassandra's flavour.
    pub(crate) announced_shards: u16,
    pub(crate) sharder: Sharder,
    pub(crate) state: MemberState,
    /// Grows each time a node comes up: the oldest live replica leads conditional writes, so that
    /// leadership moves only when a leader has ended.
    pub(crate) up_epoch: u64,
    /// One for each shard thread; empty while it does not run.
    pub(crate) shards: Arc<[Link]>,
}

impl Member {
    /// Whether it may be asked, and its acknowledgement counts.
    pub(crate) fn is_live(&self) -> bool {
        self.state == MemberState::Up
    }

    /// Whether writes are sent to it.
    pub(crate) fn takes_writes(&self) -> bool {
        self.state != MemberState::Down
    }

    /// Which of its shards owns the token, in tables without tablets.
    fn shard_of(&self, token: Token) -> u16 {
        self.sharder.shard_of(token)
    }
}

/// How a keyspace's partitions are spread.
#[derive(Debug)]
pub(crate) struct Replication {
    strategy: ReplicationStrategy,
    map: ReplicaMap,
    /// The replicas after the topology change that is under way.
    pending: Option<ReplicaMap>,
}

impl Replication {
    /// Whether each node has data of its own, and nobody else has it.
    pub(crate) const fn is_local(&self) -> bool {
        matches!(
            self.strategy,
            ReplicationStrategy::Local | ReplicationStrategy::Other(_)
        )
    }

    /// The replicas that are asked and counted. `None`: only the asking node itself.
    fn replicas(&self, token: Token) -> Option<&[u32]> {
        (!self.is_local()).then(|| self.map.replicas(token))
    }

    /// The replicas after the topology change that is under way, if any.
    fn pending_replicas(&self, token: Token) -> &[u32] {
        self.pending.as_ref().map_or(&[], |map| map.replicas(token))
    }

    /// Replicas of each partition, over all datacenters, as the keyspace asks for.
    pub(crate) fn total_factor(&self, view: &View) -> u32 {
        if self.is_local() {
            return 1;
        }
        self.strategy
            .replication_factor()
            .unwrap_or_else(|| view.member_count())
    }

    /// Replicas of each partition in one datacenter, as the keyspace asks for.
    pub(crate) fn factor_in(&self, datacenter: u32, view: &View) -> u32 {
        match &self.strategy {
            ReplicationStrategy::NetworkTopology { factors } => view
                .datacenters
                .get(datacenter as usize)
                .and_then(|name| factors.get(&**name))
                .copied()
                .unwrap_or(0),
            _ => self.total_factor(view),
        }
    }

    /// The datacenters that EACH_QUORUM asks.
    pub(crate) fn datacenters<'a>(&'a self, view: &'a View) -> impl Iterator<Item = u32> + 'a {
        (0..view.datacenters.len() as u32).filter(|&id| self.factor_in(id, view) > 0)
    }
}

/// A table and where it lives: all that a request needs to know of it.
#[derive(Debug, Clone)]
pub(crate) struct TableRoute {
    pub(crate) table: Arc<Table>,
    pub(crate) replication: Arc<Replication>,
    /// In a keyspace with tablets: then the ring has no say.
    pub(crate) tablets: Option<Arc<TabletLayout>>,
}

impl TableRoute {
    /// The replicas that are asked and counted. `None`: only the asking node itself.
    pub(crate) fn replicas(&self, token: Token) -> Option<&[u32]> {
        match &self.tablets {
            Some(layout) => Some(layout.place(token).map_or(&[], |place| &place.nodes)),
            None => self.replication.replicas(token),
        }
    }

    /// The shard of a replica.
    pub(crate) fn shard_of(&self, member: &Member, token: Token) -> u16 {
        let place = self.tablets.as_ref().and_then(|t| t.place(token));
        place
            .and_then(|place| place.shard_on(member.index))
            .unwrap_or_else(|| member.shard_of(token))
    }

    /// The nodes that take writes besides: they are going to be replicas.
    pub(crate) fn pending_replicas(&self, token: Token) -> &[u32] {
        match &self.tablets {
            Some(_) => &[],
            None => self.replication.pending_replicas(token),
        }
    }

    /// The shard that takes writes besides, of a tablet that moves.
    pub(crate) fn also_written(&self, token: Token) -> Option<ShardId> {
        self.tablets.as_ref()?.place(token)?.also
    }

    /// The last token of the range in which all have the replicas of `token`.
    pub(crate) fn range_end(&self, view: &View, token: Token) -> Token {
        match &self.tablets {
            Some(layout) => layout.place(token).map_or(Token::MAX, |place| place.last),
            None => view.range_end(token),
        }
    }
}

/// Table ids are random already: their first bytes are the hash.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0 = (self.0.rotate_left(5) ^ u64::from_le_bytes(word))
                .wrapping_mul(0x517C_C1B7_2722_0A95);
        }
    }

    fn write_usize(&mut self, _: usize) {
        // The length of a fixed-size array says nothing.
    }
}

/// The build hasher of maps keyed by ids that are hashes or UUIDs.
pub(crate) type IdHash = BuildHasherDefault<IdHasher>;

/// One version of everything that nodes agree on.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) version: u64,
    pub(crate) cluster_name: Arc<str>,
    pub(crate) schema: Arc<Schema>,
    /// By index; `None` for a node that was removed.
    pub(crate) members: Vec<Option<Arc<Member>>>,
    /// Names by datacenter id.
    pub(crate) datacenters: Vec<Arc<str>>,
    pub(crate) ring: Arc<Ring>,
    pub(crate) pending_ring: Option<Arc<Ring>>,
    /// The ring's tokens, ascending: the ends of the ranges.
    pub(crate) range_ends: Arc<[Token]>,
    tables: HashMap<TableId, TableRoute, IdHash>,
    replications: BTreeMap<Arc<str>, Arc<Replication>>,
    pub(crate) client_routes: Arc<[ClientRoute]>,
    /// Leaders of conditional writes hold new ones back while replicas are changing.
    pub(crate) cas_frozen: bool,
}

/// What the next view is made of.
#[derive(Debug, Clone)]
pub(crate) struct ViewParts {
    pub(crate) cluster_name: Arc<str>,
    pub(crate) schema: Arc<Schema>,
    pub(crate) members: Vec<Option<Arc<Member>>>,
    pub(crate) datacenters: Vec<Arc<str>>,
    /// Whether the node with this index has its tokens in the ring.
    pub(crate) in_ring: Vec<bool>,
    /// The same after the change under way.
    pub(crate) in_pending_ring: Option<Vec<bool>>,
    /// The tablets of each table that has any.
    pub(crate) tablets: BTreeMap<TableId, Arc<TabletLayout>>,
    pub(crate) client_routes: Arc<[ClientRoute]>,
    pub(crate) cas_frozen: bool,
}

impl View {
    /// Builds a view, taking over from `previous` what has not changed.
    pub(crate) fn build(version: u64, parts: &ViewParts, previous: Option<&Self>) -> Self {
        let ring = ring_of(parts, &parts.in_ring, previous.map(|view| &view.ring));
        let pending_ring = parts.in_pending_ring.as_ref().map(|in_ring| {
            ring_of(
                parts,
                in_ring,
                previous.and_then(|v| v.pending_ring.as_ref()),
            )
        });
        let range_ends = match previous {
            Some(view) if Arc::ptr_eq(&view.ring, &ring) => Arc::clone(&view.range_ends),
            _ => ring.tokens().map(|(token, _)| token).collect(),
        };
        let replications = replications_of(&parts.schema, &ring, pending_ring.as_ref(), previous);
        let mut tables = HashMap::default();
        for keyspace in parts.schema.keyspaces() {
            let replication = &replications[&keyspace.name];
            for table in keyspace.tables.values().chain(keyspace.views.values()) {
                let route = TableRoute {
                    table: Arc::clone(table),
                    replication: Arc::clone(replication),
                    tablets: parts.tablets.get(&table.id).cloned(),
                };
                tables.insert(table.id, route);
            }
        }
        Self {
            version,
            cluster_name: Arc::clone(&parts.cluster_name),
            schema: Arc::clone(&parts.schema),
            members: parts.members.clone(),
            datacenters: parts.datacenters.clone(),
            ring,
            pending_ring,
            range_ends,
            tables,
            replications,
            client_routes: Arc::clone(&parts.client_routes),
            cas_frozen: parts.cas_frozen,
        }
    }

    pub(crate) fn member(&self, index: u32) -> Option<&Arc<Member>> {
        self.members.get(index as usize)?.as_ref()
    }

    /// How many nodes there are, up or down.
    pub(crate) fn member_count(&self) -> u32 {
        self.members.iter().flatten().count() as u32
    }

    pub(crate) fn table(&self, id: TableId) -> Option<&TableRoute> {
        self.tables.get(&id)
    }

    pub(crate) fn tables(&self) -> impl Iterator<Item = &TableRoute> {
        self.tables.values()
    }

    /// The members that run, with their links.
    pub(crate) fn running(&self) -> impl Iterator<Item = &Arc<Member>> {
        self.members
            .iter()
            .flatten()
            .filter(|member| !member.shards.is_empty())
    }

    /// The replica that leads conditional writes: the live one that has been up longest.
    pub(crate) fn leader(&self, replicas: &[u32], datacenter: Option<u32>) -> Option<&Arc<Member>> {
        replicas
            .iter()
            .filter_map(|&node| self.member(node))
            .filter(|member| member.is_live())
            .filter(|member| datacenter.is_none_or(|wanted| wanted == member.datacenter_id))
            .min_by_key(|member| member.up_epoch)
    }

    /// The last token of the range of the ring that `token` is in.
    fn range_end(&self, token: Token) -> Token {
        let at = self.range_ends.partition_point(|end| *end < token);
        self.range_ends.get(at).copied().unwrap_or(Token::MAX)
    }

    /// What `system.local` and the peers of the node with this index say.
    pub(crate) fn topology(&self, local: u32, port: u16) -> Option<Topology> {
        let local = self.member(local)?;
        let info = |member: &Arc<Member>| NodeInfo {
            host_id: member.host_id.0,
            address: member.address,
            datacenter: member.datacenter.to_string(),
            rack: member.rack.to_string(),
            tokens: member.tokens.to_vec(),
            schema_version: None,
            shards: member.announced_shards,
            up: member.is_live(),
        };
        // A node that is still joining has no tokens that anybody may use.
        let peers =
            self.members.iter().flatten().filter(|member| {
                member.index != local.index && member.state != MemberState::Joining
            });
        Some(Topology {
            cluster_name: self.cluster_name.to_string(),
            flavour: if local.announced_shards == 0 {
                Flavour::Cassandra
            } else {
                Flavour::Scylla
            },
            port,
            partitioner: PARTITIONER.to_owned(),
            local: info(local),
            peers: peers.map(info).collect(),
            tablets: self.tablet_infos(),
            client_routes: Arc::clone(&self.client_routes),
        })
    }
}

impl View {
    fn tablet_infos(&self) -> Vec<TabletInfo> {
        let of = |route: &TableRoute| {
            let places = route.tablets.as_ref()?.places().iter();
            let replicas = |nodes: &[u32], shards: &[u16]| {
                let pairs = nodes.iter().zip(shards);
                pairs
                    .filter_map(|(&node, &shard)| {
                        Some((self.member(node)?.host_id.0, u32::from(shard)))
                    })
                    .collect()
            };
            Some(TabletInfo {
                table: route.table.id,
                tablets: places
                    .map(|place| (place.last, replicas(&place.nodes, &place.shards)))
                    .collect(),
            })
        };
        self.tables.values().filter_map(of).collect()
    }
}

/// The class name of the only partitioner there is.
pub(crate) const PARTITIONER: &str = "org.apache.cassandra.dht.Murmur3Partitioner";

fn ring_of(parts: &ViewParts, in_ring: &[bool], previous: Option<&Arc<Ring>>) -> Arc<Ring> {
    let mut nodes = Vec::with_capacity(parts.members.len());
    let mut tokens = Vec::new();
    for (index, member) in (0u32..).zip(&parts.members) {
        // Indexes into the ring are indexes of nodes, so a removed node leaves a gap.
        nodes.push(member.as_ref().map_or_else(
            || RingNode {
                host_id: HostId([0; 16]),
                datacenter: String::new(),
                rack: String::new(),
            },
            |member| RingNode {
                host_id: member.host_id,
                datacenter: member.datacenter.to_string(),
                rack: member.rack.to_string(),
            },
        ));
        if let Some(member) = member
            && in_ring.get(index as usize).copied().unwrap_or(false)
        {
            tokens.extend(member.tokens.iter().map(|&token| (token, index)));
        }
    }
    tokens.sort_unstable();
    if let Some(ring) = previous
        && ring.nodes() == nodes
        && ring.tokens().eq(tokens.iter().copied())
    {
        return Arc::clone(ring);
    }
    // Every index comes from the table, and the configuration bounds nodes and tokens.
    let ring = Ring::new(nodes, tokens);
    Arc::new(ring.unwrap_or_else(|error| unreachable!("a ring of known nodes: {error}")))
}

fn replications_of(
    schema: &Schema,
    ring: &Arc<Ring>,
    pending_ring: Option<&Arc<Ring>>,
    previous: Option<&View>,
) -> BTreeMap<Arc<str>, Arc<Replication>> {
    let same_rings = previous.is_some_and(|view| {
        Arc::ptr_eq(&view.ring, ring)
            && match (&view.pending_ring, pending_ring) {
                (None, None) => true,
                (Some(old), Some(new)) => Arc::ptr_eq(old, new),
                _ => false,
            }
    });
    let mut known: HashMap<ReplicationStrategy, Arc<Replication>> = HashMap::new();
    if let Some(view) = previous
        && same_rings
    {
        let old = view.replications.values();
        known.extend(old.map(|old| (old.strategy.clone(), Arc::clone(old))));
    }
    let mut of = |keyspace: &Keyspace| {
        let replication = known.entry(keyspace.strategy.clone()).or_insert_with(|| {
            let strategy = keyspace.strategy.clone();
            Arc::new(Replication {
                map: ReplicaMap::new(ring, &strategy),
                pending: pending_ring.map(|ring| ReplicaMap::new(ring, &strategy)),
                strategy,
            })
        });
        Arc::clone(replication)
    };
    schema
        .keyspaces()
        .map(|keyspace| (Arc::clone(&keyspace.name), of(keyspace)))
        .collect()
}

/// A sharder for `shards` announced shards: without any, one thread owns everything.
pub(crate) fn sharder(shards: u16, ignore_msb: u8) -> Sharder {
    Sharder::new(
        NonZeroU16::new(shards).unwrap_or(NonZeroU16::MIN),
        ignore_msb,
    )
}
