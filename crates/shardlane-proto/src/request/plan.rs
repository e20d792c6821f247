//! The order in which nodes are tried.
//!
//! The first target is chosen at once and without allocation; the rest of the plan is made only when
//! that one failed.

use std::collections::VecDeque;

use shardlane_routing::Token;

use super::RequestSpec;
use crate::cluster::{Cluster, NodeKey};
use crate::rng::Rng;

/// What is left to try after the first target.
#[derive(Debug, Default)]
pub(crate) struct QueryPlan {
    rest: VecDeque<NodeKey>,
}

impl QueryPlan {
    /// The node for the first attempt: a replica in the local datacenter if the token is known,
    /// else any replica, else a node of the local datacenter, else any node.
    pub(crate) fn first(
        cluster: &mut Cluster,
        spec: &RequestSpec,
        rng: &mut Rng,
    ) -> Option<NodeKey> {
        if let Some(host_id) = spec.node {
            return cluster.by_host_id(host_id);
        }
        if let Some(replica) = first_replica(cluster, spec, rng) {
            return Some(replica);
        }
        cluster.next_in_rotation()
    }

    /// Everything usable that has not been tried: replicas (local, then remote), then others likewise.
    /// If it was only a connection that failed (`may_return`), the node tried comes last: it may have another.
    pub(crate) fn rest(
        cluster: &Cluster,
        spec: &RequestSpec,
        tried: NodeKey,
        may_return: bool,
        rng: &mut Rng,
    ) -> Self {
        let replicas = replicas_of(cluster, spec);
        let only = spec.node.map(|host_id| cluster.by_host_id(host_id));
        let mut order: Vec<(u8, u64, NodeKey)> = cluster
            .usable()
            .filter(|&key| key != tried || may_return)
            .filter(|&key| only.is_none_or(|only| only == Some(key)))
            .map(|key| {
                let place = replicas.iter().position(|&r| NodeKey(r) == key);
                let remote = u8::from(!cluster.is_local(key));
                let rank = match place {
                    _ if key == tried => 4,
                    Some(_) => remote,
                    None => remote + 2,
                };
                let tie = match place {
                    // Coordinators of one transaction must not compete: ring order, no shuffle.
                    Some(place) if spec.lwt => place as u64,
                    _ => rng.next_u64(),
                };
                (rank, tie, key)
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

fn routed(spec: &RequestSpec) -> Option<(&str, Token)> {
    Some((spec.table_keyspace.as_deref()?, spec.token?))
}

fn replicas_of<'a>(cluster: &'a Cluster, spec: &RequestSpec) -> &'a [u32] {
    routed(spec).map_or(&[], |(keyspace, token)| cluster.replicas(keyspace, token))
}

fn first_replica(cluster: &Cluster, spec: &RequestSpec, rng: &mut Rng) -> Option<NodeKey> {
    let replicas = replicas_of(cluster, spec);
    let start = if spec.lwt || replicas.len() < 2 {
        0
    } else {
        rng.below(replicas.len())
    };
    let (head, tail) = replicas.split_at(start);
    let mut usable = tail
        .iter()
        .chain(head)
        .map(|&r| NodeKey(r))
        .filter(|&key| cluster.is_usable(key));
    let first = usable.next()?;
    if cluster.is_local(first) {
        return Some(first);
    }
    usable.find(|&key| cluster.is_local(key)).or(Some(first))
}
