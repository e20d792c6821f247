//! Replicas computed in advance from the ring, one map for each replication strategy in use.

use std::collections::BTreeMap;
use std::sync::Arc;

use shardlane_routing::{ReplicaMap, ReplicationStrategy, Ring};

#[derive(Debug, Default)]
pub(crate) struct Rings {
    /// `None`: no node has tokens, or the partitioner is not ours; then no request is routed by token.
    ring: Option<Ring>,
    /// Equal strategies share one map.
    made: Vec<(ReplicationStrategy, Arc<ReplicaMap>)>,
}

impl Rings {
    /// Nodes or tokens have changed.
    pub(crate) fn replace(&mut self, ring: Option<Ring>) {
        self.ring = ring;
        self.made.clear();
    }

    /// The replicas of a keyspace with these replication options; `None`: they cannot be told.
    pub(crate) fn map_of(&mut self, options: &BTreeMap<String, String>) -> Option<Arc<ReplicaMap>> {
        let ring = self.ring.as_ref()?;
        let strategy = ReplicationStrategy::parse(options).ok()?;
        if let Some((_, map)) = self.made.iter().find(|(made, _)| *made == strategy) {
            return Some(map.clone());
        }
        // Those of keyspaces that have gone over to another strategy, or are gone.
        self.made.retain(|(_, map)| Arc::strong_count(map) > 1);
        let map = Arc::new(ReplicaMap::new(ring, &strategy));
        self.made.push((strategy, map.clone()));
        Some(map)
    }
}
