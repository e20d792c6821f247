//! Replicas computed in advance: the client's hot path.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ring::first_at_or_after;
use crate::walk::{Placement, Walker};
use crate::{ReplicationStrategy, Ring, Token};

/// The replicas of every token, for one strategy over one ring.
///
/// A lookup is a binary search among the ring's tokens. The tokens are shared with the ring, and
/// each distinct sequence of replicas is stored once.
#[derive(Clone, Debug)]
pub struct ReplicaMap {
    /// Empty if all tokens have the same replicas.
    tokens: Arc<[Token]>,
    /// For each token the start and the end of its replicas in `nodes`.
    spans: Vec<(u32, u32)>,
    nodes: Vec<u32>,
}

impl ReplicaMap {
    /// Computes the replicas of all of the ring's tokens by `strategy`.
    pub fn new(ring: &Ring, strategy: &ReplicationStrategy) -> Self {
        let rule = match Placement::new(ring, strategy) {
            // One span and no tokens: every search ends at index 0.
            Placement::Fixed(nodes) => {
                return Self {
                    tokens: Arc::new([]),
                    spans: vec![(0, nodes.len() as u32)],
                    nodes,
                };
            }
            Placement::Walk(rule) => rule,
        };
        let tokens = Arc::clone(ring.shared_tokens());
        let mut walker = Walker::new(ring, rule);
        let mut known: BTreeMap<Box<[u32]>, (u32, u32)> = BTreeMap::new();
        let mut spans = Vec::with_capacity(tokens.len());
        let mut nodes = Vec::new();
        let mut replicas = Vec::new();
        for start in 0..tokens.len() {
            walker.replicas_from(start, &mut replicas);
            let span = match known.get(replicas.as_slice()) {
                Some(&span) => span,
                None => {
                    let span = (nodes.len() as u32, (nodes.len() + replicas.len()) as u32);
                    nodes.extend_from_slice(&replicas);
                    known.insert(replicas.as_slice().into(), span);
                    span
                }
            };
            spans.push(span);
        }
        Self {
            tokens,
            spans,
            nodes,
        }
    }

    /// The replicas of `token` as node indexes of the ring, in ring order, each node once.
    ///
    /// Empty if the ring has no tokens or the strategy prefers no node; then any node will do.
    #[inline]
    pub fn replicas(&self, token: Token) -> &[u32] {
        match self.spans.get(first_at_or_after(&self.tokens, token)) {
            Some(&(start, end)) => &self.nodes[start as usize..end as usize],
            None => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{HostId, RingNode};

    #[test]
    fn equal_sequences_are_stored_once() {
        let node = |id| RingNode {
            host_id: HostId([id; 16]),
            datacenter: "dc".to_owned(),
            rack: "rack".to_owned(),
        };
        let points = (0..600).map(|at| (Token(at), (at % 3) as u32));
        let ring = Ring::new((0..3).map(node).collect(), points).unwrap();
        let map = ReplicaMap::new(&ring, &ReplicationStrategy::Simple { rf: 2 });
        assert_eq!(map.nodes, [0, 1, 1, 2, 2, 0]);
        assert_eq!(map.replicas(Token(599)), [2, 0]);
    }
}
