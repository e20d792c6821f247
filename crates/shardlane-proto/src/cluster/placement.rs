//! Where partitions live: by keyspace the ring's replicas, by table the tablets learned so far.
//!
//! Tablets are patched in place, one at a time, as responses bring them. Each replica is kept with the key
//! of its node, so that a request needs no look-up by host id.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use shardlane_routing::{HostId, ReplicaMap, Tablet, TabletMap, TabletVersion, Token};

use super::NodeKey;
use super::names::Names;

/// A replica of a tablet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TabletOwner {
    host_id: HostId,
    /// `None`: a node that no refresh has told of yet.
    pub(crate) node: Option<NodeKey>,
    pub(crate) shard: u16,
}

/// The replicas of a token, in the order in which coordinators of a transaction take them.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Replicas<'a> {
    /// By the ring: each node's own formula gives the shard.
    Ring(&'a [u32]),
    /// By a tablet, which names the shards.
    Tablet(&'a [TabletOwner]),
}

impl<'a> Replicas<'a> {
    pub(crate) const NONE: Self = Self::Ring(&[]);

    pub(crate) const fn len(self) -> usize {
        match self {
            Self::Ring(nodes) => nodes.len(),
            Self::Tablet(owners) => owners.len(),
        }
    }

    /// The replica with this index; `None` also for a node that is not known (yet).
    pub(crate) fn get(self, index: usize) -> Option<NodeKey> {
        match self {
            Self::Ring(nodes) => nodes.get(index).map(|&node| NodeKey(node)),
            Self::Tablet(owners) => owners.get(index)?.node,
        }
    }

    /// All known replicas.
    pub(crate) fn known(self) -> impl Iterator<Item = NodeKey> + 'a {
        (0..self.len()).filter_map(move |index| self.get(index))
    }

    /// The place of a node among the replicas.
    pub(crate) fn position(self, node: NodeKey) -> Option<usize> {
        (0..self.len()).find(|&index| self.get(index) == Some(node))
    }
}

/// What is known of one keyspace.
#[derive(Debug, Default)]
struct Keyspace {
    /// Equal strategies share one map. `None`: the last refresh could not tell.
    ring: Option<Arc<ReplicaMap>>,
    /// Strongly consistent: the first replica of a tablet with a version leads it.
    has_leaders: bool,
    tablets: Names<TabletMap<TabletOwner>>,
}

#[derive(Debug, Default)]
pub(crate) struct Placement {
    keyspaces: Names<Keyspace>,
}

/// What is known of where a token's partition lives.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    token: Token,
    keyspace: Option<&'a Keyspace>,
    /// If the table has tablets, and this one is known.
    tablet: Option<&'a Tablet<TabletOwner>>,
}

impl<'a> Place<'a> {
    /// Nothing but the token is known.
    pub(crate) const fn unknown(token: Token) -> Self {
        Self {
            token,
            keyspace: None,
            tablet: None,
        }
    }

    pub(crate) const fn token(self) -> Token {
        self.token
    }

    /// The replicas: by the tablet if it is known, else by the ring; none if the keyspace is unknown.
    pub(crate) fn replicas(self) -> Replicas<'a> {
        match (self.tablet, self.keyspace.and_then(|k| k.ring.as_deref())) {
            (Some(tablet), _) => Replicas::Tablet(tablet.replicas()),
            (None, Some(ring)) => Replicas::Ring(ring.replicas(self.token)),
            (None, None) => Replicas::NONE,
        }
    }

    /// The shard of the tablet on `node`; `None` if the tablet is not known, or has no replica there.
    pub(crate) fn tablet_shard(self, node: NodeKey) -> Option<u16> {
        let mut owners = self.tablet?.replicas().iter();
        owners.find(|o| o.node == Some(node)).map(|o| o.shard)
    }

    /// The node that leads the tablet; `None`: none does, or it is not known.
    pub(crate) fn leader(self) -> Option<NodeKey> {
        let tablet = self.tablet.filter(|tablet| tablet.version().is_some())?;
        self.keyspace.filter(|known| known.has_leaders)?;
        tablet.replicas().first()?.node
    }

    /// The version of the tablet, if it is known.
    pub(crate) fn tablet_version(self) -> Option<TabletVersion> {
        self.tablet?.version()
    }
}

impl Placement {
    /// Where a token's partition lives: one look-up for all that is asked about it.
    pub(crate) fn place(&self, keyspace: &str, table: Option<&str>, token: Token) -> Place<'_> {
        let keyspace = self.keyspaces.get(keyspace);
        Place {
            token,
            keyspace,
            // Most clusters have no tablets: nothing is hashed then.
            tablet: keyspace.and_then(|known| known.tablet(table, token)),
        }
    }

    /// Takes over a tablet that a response brought. Of a table that claims more than `tablets_max` tablets
    /// all are forgotten: what is in use will be learned again.
    pub(crate) fn learn(
        &mut self,
        keyspace: &str,
        table: &str,
        tablet: Tablet,
        tablets_max: usize,
        node_of: impl Fn(HostId) -> Option<NodeKey>,
    ) {
        // Nobody could be asked by it.
        if tablet.replicas().is_empty() {
            return;
        }
        let tablet = tablet.map(|(host_id, shard)| TabletOwner {
            host_id,
            node: node_of(host_id),
            shard,
        });
        let tables = &mut self.keyspaces.entry(keyspace.into()).or_default().tablets;
        let map = tables.entry(table.into()).or_default();
        if map.len() >= tablets_max {
            map.clear();
        }
        map.insert(tablet);
    }

    /// Forgets the tablets of a table, or of all tables of the keyspace.
    pub(crate) fn forget(&mut self, keyspace: &str, table: Option<&str>) {
        if let Some(known) = self.keyspaces.get_mut(keyspace) {
            match table {
                Some(table) => drop(known.tablets.remove(table)),
                None => known.tablets.clear(),
            }
        }
    }

    /// The replicas by the ring of all keyspaces where they are known.
    pub(crate) fn rings(&self) -> HashMap<Box<str>, Arc<ReplicaMap>> {
        self.keyspaces
            .iter()
            .filter_map(|(name, keyspace)| Some((name.clone(), keyspace.ring.clone()?)))
            .collect()
    }

    /// A keyspace is new, or its replication has changed; with the replicas by the ring if they can be told.
    pub(crate) fn put(&mut self, keyspace: &str, ring: Option<Arc<ReplicaMap>>, has_leaders: bool) {
        let keyspace = self.keyspaces.entry(keyspace.into()).or_default();
        (keyspace.ring, keyspace.has_leaders) = (ring, has_leaders);
    }

    /// A keyspace is gone.
    pub(crate) fn remove(&mut self, keyspace: &str) {
        self.keyspaces.remove(keyspace);
    }

    /// The nodes have changed: takes over the replicas of all keyspaces. Of the tablets those stay whose
    /// replicas all are on nodes that `node_of` knows: if one has left, its tablets have moved, and only a
    /// request that goes astray learns where to.
    pub(crate) fn refresh(
        &mut self,
        rings: BTreeMap<&str, Option<Arc<ReplicaMap>>>,
        node_of: impl Fn(HostId) -> Option<NodeKey>,
    ) {
        self.keyspaces.retain(|name, _| rings.contains_key(&**name));
        for (name, ring) in rings {
            let keyspace = self.keyspaces.entry(name.into()).or_default();
            keyspace.ring = ring;
            keyspace.tablets.retain(|_, map| {
                map.retain_mut(|tablet| {
                    tablet.replicas_mut().iter_mut().all(|owner| {
                        owner.node = node_of(owner.host_id);
                        owner.node.is_some()
                    })
                });
                !map.is_empty()
            });
        }
    }

    /// The known tablets of a table, in ring order.
    pub(crate) fn tablets(&self, keyspace: &str, table: &str) -> Vec<Tablet> {
        let map = self
            .keyspaces
            .get(keyspace)
            .and_then(|k| k.tablets.get(table));
        let as_told = |tablet: &Tablet<TabletOwner>| tablet.clone().map(|o| (o.host_id, o.shard));
        map.into_iter()
            .flat_map(TabletMap::iter)
            .map(as_told)
            .collect()
    }
}

impl Keyspace {
    fn tablet(&self, table: Option<&str>, token: Token) -> Option<&Tablet<TabletOwner>> {
        if self.tablets.is_empty() {
            return None;
        }
        self.tablets.get(table?)?.lookup(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: HostId = HostId([0xa; 16]);
    const B: HostId = HostId([0xb; 16]);
    const C: HostId = HostId([0xc; 16]);

    fn tablet(first: i64, last: i64, replicas: &[(HostId, u16)]) -> Tablet {
        Tablet::new(Token(first), Token(last), replicas.to_vec()).expect("a range")
    }

    /// A is node 0, B is node 1; C is known only if `c` says so.
    fn node_of(c: Option<u32>) -> impl Fn(HostId) -> Option<NodeKey> {
        move |host_id| match host_id {
            A => Some(NodeKey(0)),
            B => Some(NodeKey(1)),
            _ => c.map(NodeKey),
        }
    }

    fn refresh(placement: &mut Placement, keyspaces: &[&'static str], c: Option<u32>) {
        let rings = keyspaces.iter().map(|&name| (name, None)).collect();
        placement.refresh(rings, node_of(c));
    }

    fn nodes(placement: &Placement, token: i64) -> Vec<NodeKey> {
        let place = placement.place("ks", Some("t"), Token(token));
        place.replicas().known().collect()
    }

    fn learn(placement: &mut Placement, table: &str, tablet: Tablet) {
        placement.learn("ks", table, tablet, 4, node_of(None));
    }

    #[test]
    fn a_node_that_is_not_known_yet_is_kept_until_the_next_refresh() {
        let mut placement = Placement::default();
        learn(&mut placement, "t", tablet(0, 10, &[(C, 3), (A, 1)]));
        assert_eq!(nodes(&placement, 5), [NodeKey(0)]);
        refresh(&mut placement, &["ks"], Some(7));
        assert_eq!(nodes(&placement, 5), [NodeKey(7), NodeKey(0)]);
        let shard = placement.place("ks", Some("t"), Token(5));
        let shard = shard.tablet_shard(NodeKey(7));
        assert_eq!(shard, Some(3));
        // It was replaced by another of the same id: the tablet follows.
        refresh(&mut placement, &["ks"], Some(8));
        assert_eq!(nodes(&placement, 5), [NodeKey(8), NodeKey(0)]);
    }

    #[test]
    fn a_tablet_is_forgotten_with_any_of_its_nodes() {
        let mut placement = Placement::default();
        learn(&mut placement, "t", tablet(0, 10, &[(C, 3), (A, 1)]));
        learn(&mut placement, "t", tablet(10, 20, &[(B, 3), (A, 1)]));
        refresh(&mut placement, &["ks"], None);
        assert_eq!(nodes(&placement, 5), []);
        assert_eq!(nodes(&placement, 15), [NodeKey(1), NodeKey(0)]);
    }

    #[test]
    fn tablets_end_with_their_table_and_keyspace() {
        let mut placement = Placement::default();
        for table in ["t", "other"] {
            learn(&mut placement, table, tablet(0, 10, &[(A, 1)]));
        }
        placement.forget("ks", Some("t"));
        assert!(placement.tablets("ks", "t").is_empty());
        assert_eq!(placement.tablets("ks", "other").len(), 1);
        placement.forget("ks", None);
        assert!(placement.tablets("ks", "other").is_empty());
        learn(&mut placement, "t", tablet(0, 10, &[(A, 1)]));
        refresh(&mut placement, &["elsewhere"], None);
        assert!(placement.tablets("ks", "t").is_empty());
        learn(&mut placement, "t", tablet(0, 10, &[(A, 1)]));
        placement.put("ks", None, false);
        assert_eq!(placement.tablets("ks", "t").len(), 1);
        placement.remove("ks");
        assert!(placement.tablets("ks", "t").is_empty());
    }

    #[test]
    fn what_a_server_may_claim_has_a_bound() {
        let mut placement = Placement::default();
        for n in 0..100 {
            learn(&mut placement, "t", tablet(n, n + 1, &[(A, 1)]));
            assert!(placement.tablets("ks", "t").len() <= 4);
        }
        assert_eq!(
            nodes(&placement, 100),
            [NodeKey(0)],
            "the last one is known"
        );
        // A tablet without replicas is none.
        learn(&mut placement, "t", tablet(0, 200, &[]));
        assert_eq!(nodes(&placement, 100), [NodeKey(0)]);
    }
}
