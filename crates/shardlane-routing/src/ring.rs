//! The token ring: which node owns which tokens.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::walk::{Placement, Walker};
use crate::{HostId, ReplicationStrategy, Token};

/// What the ring needs to know of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RingNode {
    /// The node's identity.
    pub host_id: HostId,
    /// Its datacenter; empty if the cluster has not told.
    pub datacenter: String,
    /// Its rack, unique only within the datacenter; empty if the cluster has not told.
    pub rack: String,
}

/// Why a ring cannot be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RingError {
    /// A token belongs to a node that is not in the node table.
    NoSuchNode {
        /// The token.
        token: Token,
        /// The index given with it.
        node: u32,
    },
    /// There are more nodes or tokens than 32-bit indexes can tell apart.
    TooLarge,
}

impl fmt::Display for RingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchNode { token, node } => write!(
                f,
                "token {token} belongs to node {node}, which is not in the table"
            ),
            Self::TooLarge => f.write_str("a ring has at most 2^32 - 1 nodes and tokens"),
        }
    }
}

impl Error for RingError {}

/// The nodes of a cluster and their tokens, in order.
///
/// A partition belongs to the node with the first token that is not less than the partition's;
/// after the greatest token the ring begins anew. Nodes are named by their index in the table given
/// to [`Ring::new`].
#[derive(Clone, Debug)]
pub struct Ring {
    nodes: Vec<RingNode>,
    /// For each node its place; nodes of equal datacenter (and rack) have equal numbers.
    places: Vec<Place>,
    /// The datacenters in which a node has tokens, sorted by name.
    datacenters: Vec<Datacenter>,
    rack_count: usize,
    /// Sorted, without repetition; shared with the replica maps built from this ring.
    tokens: Arc<[Token]>,
    /// The node of each token.
    owners: Vec<u32>,
    /// Sorted.
    by_host_id: Vec<(HostId, u32)>,
}

/// A node's datacenter and rack as numbers; racks are numbered over the whole cluster.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// Index into `Ring::datacenters`; `None` for a node without tokens, which is no replica of
    /// anything.
    pub(crate) datacenter: Option<u32>,
    pub(crate) rack: u32,
}

/// A datacenter and its size, of nodes that have tokens.
#[derive(Clone, Debug)]
pub(crate) struct Datacenter {
    pub(crate) name: String,
    pub(crate) nodes: u32,
    pub(crate) racks: u32,
}

impl Ring {
    /// A ring of `nodes` and their `tokens`, each with its node's index. Order does not matter.
    ///
    /// If several nodes claim a token, which a client can see while a node is being replaced, the
    /// one that comes first in the table keeps it. Nodes without tokens are allowed.
    pub fn new(
        nodes: Vec<RingNode>,
        tokens: impl IntoIterator<Item = (Token, u32)>,
    ) -> Result<Self, RingError> {
        let mut points: Vec<(Token, u32)> = tokens.into_iter().collect();
        if u32::try_from(nodes.len()).is_err() || u32::try_from(points.len()).is_err() {
            return Err(RingError::TooLarge);
        }
        if let Some(&(token, node)) = points
            .iter()
            .find(|(_, node)| *node as usize >= nodes.len())
        {
            return Err(RingError::NoSuchNode { token, node });
        }
        points.sort_unstable();
        points.dedup_by_key(|point| point.0);
        let (tokens, owners): (Vec<Token>, Vec<u32>) = points.into_iter().unzip();
        let (places, datacenters, rack_count) = survey(&nodes, &owners);
        let mut by_host_id: Vec<_> = (0..)
            .zip(&nodes)
            .map(|(index, node)| (node.host_id, index))
            .collect();
        by_host_id.sort_unstable();
        Ok(Self {
            nodes,
            places,
            datacenters,
            rack_count,
            tokens: tokens.into(),
            owners,
            by_host_id,
        })
    }

    /// The node table, as it was given.
    pub fn nodes(&self) -> &[RingNode] {
        &self.nodes
    }

    /// The index of the node with this host id.
    pub fn node_index(&self, host_id: HostId) -> Option<u32> {
        let at = self
            .by_host_id
            .binary_search_by_key(&host_id, |entry| entry.0)
            .ok()?;
        Some(self.by_host_id[at].1)
    }

    /// All tokens with the nodes that own them, in ring order.
    pub fn tokens(&self) -> impl ExactSizeIterator<Item = (Token, u32)> + '_ {
        self.tokens.iter().copied().zip(self.owners.iter().copied())
    }

    /// True if no node has a token.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// The node that owns `token`; `None` on an empty ring.
    pub fn owner(&self, token: Token) -> Option<u32> {
        self.owners
            .get(first_at_or_after(&self.tokens, token))
            .copied()
    }

    /// The replicas of `token`, in ring order (the owner first, if its datacenter has replicas),
    /// each node once.
    ///
    /// Walks the ring each time; where it matters use a [`ReplicaMap`](crate::ReplicaMap).
    pub fn replicas(&self, token: Token, strategy: &ReplicationStrategy) -> Vec<u32> {
        let mut replicas = Vec::new();
        let start = first_at_or_after(&self.tokens, token);
        match Placement::new(self, strategy) {
            Placement::Fixed(nodes) => replicas = nodes,
            Placement::Walk(rule) => Walker::new(self, rule).replicas_from(start, &mut replicas),
        }
        replicas
    }

    pub(crate) fn shared_tokens(&self) -> &Arc<[Token]> {
        &self.tokens
    }

    pub(crate) fn owners(&self) -> &[u32] {
        &self.owners
    }

    pub(crate) fn place(&self, node: u32) -> Place {
        self.places[node as usize]
    }

    pub(crate) fn datacenters(&self) -> &[Datacenter] {
        &self.datacenters
    }

    pub(crate) fn rack_count(&self) -> usize {
        self.rack_count
    }
}

/// Index of the first token that is not less than `token`, from the beginning again after the last
/// one; 0 if there are none.
#[inline]
pub(crate) fn first_at_or_after(tokens: &[Token], token: Token) -> usize {
    let at = tokens.partition_point(|&other| other < token);
    if at == tokens.len() { 0 } else { at }
}

/// Numbers the datacenters and racks, and counts those that matter to replication.
fn survey(nodes: &[RingNode], owners: &[u32]) -> (Vec<Place>, Vec<Datacenter>, usize) {
    let mut has_tokens = vec![false; nodes.len()];
    for &owner in owners {
        has_tokens[owner as usize] = true;
    }
    let mut order: Vec<usize> = (0..nodes.len()).filter(|&node| has_tokens[node]).collect();
    order.sort_unstable_by_key(|&node| (&nodes[node].datacenter, &nodes[node].rack));

    let mut places = vec![
        Place {
            datacenter: None,
            rack: 0
        };
        nodes.len()
    ];
    let mut datacenters: Vec<Datacenter> = Vec::new();
    let mut rack_count = 0u32;
    let mut previous: Option<&RingNode> = None;
    for index in order {
        let node = &nodes[index];
        let same_datacenter = previous.is_some_and(|p| p.datacenter == node.datacenter);
        if !same_datacenter {
            datacenters.push(Datacenter {
                name: node.datacenter.clone(),
                nodes: 0,
                racks: 0,
            });
        }
        let number = datacenters.len() - 1;
        let datacenter = &mut datacenters[number];
        if !(same_datacenter && previous.is_some_and(|p| p.rack == node.rack)) {
            datacenter.racks += 1;
            rack_count += 1;
        }
        datacenter.nodes += 1;
        places[index] = Place {
            datacenter: Some(number as u32),
            rack: rack_count - 1,
        };
        previous = Some(node);
    }
    (places, datacenters, rack_count as usize)
}
