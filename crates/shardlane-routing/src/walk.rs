//! The walk along the ring that finds a partition's replicas.
//!
//! `NetworkTopologyStrategy` as Cassandra (since 3.0) and ScyllaDB do it: walk from the token's
//! owner; in each datacenter take a node if its rack has no replica yet; take a node of a rack that
//! has one only as long as such repetitions are needed because the datacenter has fewer racks than
//! its replication factor. Replicas come out in ring order. (Before 3.0 repetitions were put behind
//! the first node of every rack: the same set in another order.)

use crate::{ReplicationStrategy, Ring};

/// How a strategy places replicas on one particular ring.
pub(crate) enum Placement {
    /// The same nodes for every token.
    Fixed(Vec<u32>),
    /// Found by walking from the token.
    Walk(Rule),
}

pub(crate) enum Rule {
    /// The first so many nodes.
    AnyNodes(u32),
    /// Quotas of the ring's datacenters, in its order.
    PerDatacenter(Vec<Quota>),
}

/// How many replicas a datacenter still takes.
#[derive(Clone, Copy)]
pub(crate) struct Quota {
    nodes: u32,
    /// Of these, how many may be in a rack that has a replica already.
    rack_repeats: u32,
}

impl Placement {
    pub(crate) fn new(ring: &Ring, strategy: &ReplicationStrategy) -> Self {
        match strategy {
            ReplicationStrategy::Simple { rf } => {
                let owners: u32 = ring.datacenters().iter().map(|dc| dc.nodes).sum();
                Self::Walk(Rule::AnyNodes(owners.min(*rf)))
            }
            ReplicationStrategy::NetworkTopology { factors } => {
                let quota = |dc: &crate::ring::Datacenter| {
                    let rf = factors.get(&dc.name).copied().unwrap_or(0);
                    Quota {
                        nodes: rf.min(dc.nodes),
                        rack_repeats: rf.saturating_sub(dc.racks),
                    }
                };
                Self::Walk(Rule::PerDatacenter(
                    ring.datacenters().iter().map(quota).collect(),
                ))
            }
            ReplicationStrategy::Everywhere => Self::Fixed(
                (0..)
                    .take(ring.nodes().len())
                    .filter(|&n| ring.place(n).datacenter.is_some())
                    .collect(),
            ),
            ReplicationStrategy::Local | ReplicationStrategy::Other(_) => Self::Fixed(Vec::new()),
        }
    }
}

/// Walks one ring by one rule, any number of times.
pub(crate) struct Walker<'r> {
    ring: &'r Ring,
    rule: Rule,
    quotas: Vec<Quota>,
    nodes: Marks,
    racks: Marks,
}

impl<'r> Walker<'r> {
    pub(crate) fn new(ring: &'r Ring, rule: Rule) -> Self {
        let (nodes, racks) = (
            Marks::new(ring.nodes().len()),
            Marks::new(ring.rack_count()),
        );
        Self {
            ring,
            rule,
            quotas: Vec::new(),
            nodes,
            racks,
        }
    }

    /// Puts the replicas of the ring's `start`th token into `out`, which is cleared first.
    pub(crate) fn replicas_from(&mut self, start: usize, out: &mut Vec<u32>) {
        out.clear();
        self.nodes.clear();
        self.racks.clear();
        let (before, after) = self.ring.owners().split_at(start);
        let mut steps = after.iter().chain(before).copied();
        match &self.rule {
            Rule::AnyNodes(count) => {
                while out.len() < *count as usize
                    && let Some(node) = steps.next()
                {
                    if self.nodes.set(node) {
                        out.push(node);
                    }
                }
            }
            Rule::PerDatacenter(quotas) => {
                self.quotas.clone_from(quotas);
                let mut wanted: u32 = quotas.iter().map(|quota| quota.nodes).sum();
                while wanted > 0
                    && let Some(node) = steps.next()
                {
                    let place = self.ring.place(node);
                    let Some(quota) = place
                        .datacenter
                        .and_then(|dc| self.quotas.get_mut(dc as usize))
                    else {
                        continue;
                    };
                    if quota.nodes == 0 || self.nodes.is_set(node) {
                        continue;
                    }
                    if !self.racks.set(place.rack) {
                        if quota.rack_repeats == 0 {
                            continue;
                        }
                        quota.rack_repeats -= 1;
                    }
                    self.nodes.set(node);
                    quota.nodes -= 1;
                    wanted -= 1;
                    out.push(node);
                }
            }
        }
    }
}

/// A set of small numbers that is emptied at no cost, since each of a ring's thousands of walks
/// needs empty ones.
struct Marks {
    /// The round in which a number was last put in.
    rounds: Vec<u64>,
    round: u64,
}

impl Marks {
    fn new(size: usize) -> Self {
        Self {
            rounds: vec![0; size],
            round: 1,
        }
    }

    fn clear(&mut self) {
        self.round += 1;
    }

    fn is_set(&self, number: u32) -> bool {
        self.rounds[number as usize] == self.round
    }

    /// True if the number was not in the set before.
    fn set(&mut self, number: u32) -> bool {
        let was_set = self.is_set(number);
        self.rounds[number as usize] = self.round;
        !was_set
    }
}
