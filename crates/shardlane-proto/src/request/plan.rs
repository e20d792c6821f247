//! The order in which nodes are tried.
//!
//! The first target is chosen at once and without allocation, and with its shard; the rest of the plan is made
//! only when that one failed.

use std::collections::VecDeque;

use shardlane_wire::{Consistency, Opcode};

use super::RequestSpec;
use crate::cluster::{Cluster, Nearness, NodeKey, Place, Replicas};
use crate::policy::{Balancing, Choice};
use crate::rng::Rng;

/// Equally near replicas among which the first target is chosen; those beyond are only tried later.
const CANDIDATES_MAX: usize = 16;

/// What a write of its own costs a connection when the less busy of two is chosen, in requests in flight. With
/// few in flight there would be as many packets as requests otherwise, each of them a system call here and there;
/// and it is too little to tip the scales where a slow node makes requests pile up.
const WRITE_COST: usize = 4;

/// Rank of the node that was tried already: after all others.
const LAST: u8 = u8::MAX;

/// Where an attempt goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Goal {
    pub(crate) node: NodeKey,
    /// `None`: any will do.
    pub(crate) shard: Option<u16>,
}

impl Goal {
    /// Where a request goes on this node: to the shard that the caller has chosen, else to that of its token.
    pub(crate) fn on(cluster: &Cluster, spec: &RequestSpec, key: NodeKey) -> Self {
        let chosen = cluster
            .node(key)
            .and_then(|node| spec.chosen_shard(node.coordinator.host_id));
        let shard = chosen.or_else(|| cluster.shard_of(spec.place(cluster)?, key));
        Self { node: key, shard }
    }
}

/// What is left to try after the first target.
#[derive(Debug, Default)]
pub(crate) struct QueryPlan {
    rest: VecDeque<NodeKey>,
}

impl QueryPlan {
    /// Where the first attempt goes: to one of the nearest replicas if the token is known, else to one of the
    /// nearest nodes. `load` tells how busy the connection is where this one would go.
    pub(crate) fn first(
        cluster: &mut Cluster,
        spec: &RequestSpec,
        balancing: &Balancing,
        load: impl Fn(&Cluster, Goal) -> usize,
        rng: &mut Rng,
    ) -> Option<Goal> {
        let node = if let Some(target) = spec.node {
            cluster.by_host_id(target.host_id)?
        } else if spec.plan.is_some() {
            given(cluster, spec).next()?
        } else if let Some(place) = spec.place(cluster)
            && let Some(goal) = first_replica(cluster, spec, place, balancing, load, rng)
        {
            return Some(goal);
        } else {
            cluster.next_in_rotation(balancing, may_leave(spec, balancing))?
        };
        Some(Goal::on(cluster, spec, node))
    }

    /// Everything usable that has not been tried: replicas (the nearest first), then others likewise.
    /// If it was only a connection that failed (`may_return`), the node tried comes last: it may have another.
    pub(crate) fn rest(
        cluster: &Cluster,
        spec: &RequestSpec,
        balancing: &Balancing,
        tried: NodeKey,
        may_return: bool,
        rng: &mut Rng,
    ) -> Self {
        if spec.plan.is_some() {
            let mut rest: VecDeque<NodeKey> =
                given(cluster, spec).filter(|&key| key != tried).collect();
            rest.extend(may_return.then_some(tried));
            return Self { rest };
        }
        let replicas = spec.place(cluster).map_or(Replicas::NONE, Place::replicas);
        let only = spec.node.map(|target| cluster.by_host_id(target.host_id));
        let may_leave = may_leave(spec, balancing);
        let mut order: Vec<(u8, u64, NodeKey)> = cluster
            .usable()
            .filter(|&key| key != tried || may_return)
            .filter(|&key| only.is_none_or(|only| only == Some(key)))
            .filter_map(|key| {
                let place = replicas.position(key);
                let nearness = cluster.nearness(key, balancing);
                if nearness == Nearness::Remote && !may_leave && only.is_none() {
                    return None;
                }
                let rank = match place {
                    _ if key == tried => LAST,
                    Some(_) => nearness as u8,
                    None => nearness as u8 + Nearness::COUNT,
                };
                let tie = match place {
                    Some(place) if spec.keeps_order() => place as u64,
                    _ => rng.next_u64(),
                };
                Some((rank, tie, key))
            })
            .collect();
        order.sort_unstable();
        Self {
            rest: order.into_iter().map(|(_, _, key)| key).collect(),
        }
    }

    pub(crate) fn next(&mut self) -> Option<NodeKey> {
        self.rest.pop_front()
    }
}

/// How busy a connection is that has so many requests in flight, and something to write in this turn or not.
pub(crate) const fn load(in_flight: usize, is_written: bool) -> usize {
    if is_written {
        in_flight
    } else {
        in_flight.saturating_add(WRITE_COST)
    }
}

/// The usable nodes of a plan that the caller has made, in its order.
fn given<'a>(cluster: &'a Cluster, spec: &'a RequestSpec) -> impl Iterator<Item = NodeKey> + 'a {
    let targets = spec.plan.iter().flatten();
    targets
        .filter_map(|target| cluster.by_host_id(target.host_id))
        .filter(|&key| cluster.is_usable(key))
}

const fn may_leave(spec: &RequestSpec, balancing: &Balancing) -> bool {
    match spec.opcode {
        // Asks no replica, so it has no consistency.
        Opcode::Prepare => balancing.may_leave(Consistency::One, None),
        _ => balancing.may_leave(spec.consistency, spec.serial_consistency),
    }
}

/// The node that has to coordinate the request in any case, because it leads the tablet of a strongly
/// consistent table: nearer ones would only pass it on. Reads of one replica are any replica's.
fn leader_of(spec: &RequestSpec, place: Place<'_>) -> Option<NodeKey> {
    if matches!(spec.consistency, Consistency::One | Consistency::LocalOne) {
        return None;
    }
    place.leader()
}

fn first_replica(
    cluster: &Cluster,
    spec: &RequestSpec,
    place: Place<'_>,
    balancing: &Balancing,
    load: impl Fn(&Cluster, Goal) -> usize,
    rng: &mut Rng,
) -> Option<Goal> {
    let may_leave = may_leave(spec, balancing);
    // How near a node is, if the request may go there.
    let suits = |key: NodeKey| {
        let node = cluster.node(key).filter(|node| node.pool.is_usable())?;
        let nearness = node.nearness(balancing);
        (may_leave || nearness != Nearness::Remote).then_some(nearness)
    };
    let goal = |node: NodeKey| Goal {
        node,
        shard: cluster.shard_of(place, node),
    };
    if let Some(leader) = leader_of(spec, place)
        && suits(leader).is_some()
    {
        return Some(goal(leader));
    }
    let mut candidates = [NodeKey(0); CANDIDATES_MAX];
    let (mut count, mut best) = (0, Nearness::Remote);
    for key in place.replicas().known() {
        let Some(nearness) = suits(key) else {
            continue;
        };
        if nearness < best {
            (count, best) = (0, nearness);
        }
        if nearness == best && count < CANDIDATES_MAX {
            candidates[count] = key;
            count += 1;
        }
    }
    if count == 0 {
        return None;
    }
    if count == 1 || spec.keeps_order() {
        return Some(goal(candidates[0]));
    }
    let at = rng.below(count);
    let one = goal(candidates[at]);
    if balancing.choice == Choice::Random {
        return Some(one);
    }
    let other = goal(candidates[(at + 1 + rng.below(count - 1)) % count]);
    Some(if load(cluster, other) < load(cluster, one) {
        other
    } else {
        one
    })
}

#[cfg(test)]
mod tests;
