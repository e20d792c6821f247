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

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::net::SocketAddr;
    use std::sync::Arc;

    use shardlane_routing::HostId;
    use shardlane_wire::Opcode;

    use super::*;
    use crate::cluster::{NodeInfo, Snapshot};
    use crate::config::Config;
    use crate::ids::ConnId;
    use crate::time::Instant;

    /// Nodes 0 and 1 in "here", 2 and 3 in "there", in ring order 0, 2, 1, 3; `connected` ones are usable.
    fn cluster(connected: &[u32], rng: &mut Rng) -> Cluster {
        let mut config = Config::new(Vec::new());
        config.local_datacenter = Some("here".to_owned());
        let node = |id: u8, datacenter: &str, token| NodeInfo {
            host_id: HostId([id; 16]),
            address: SocketAddr::from(([10, 0, 0, id], 9042)),
            datacenter: datacenter.to_owned(),
            rack: "r".to_owned(),
            release_version: String::new(),
            tokens: vec![Token(token)],
            schema_version: None,
        };
        let options = [("class", "SimpleStrategy"), ("replication_factor", "3")];
        let options: HashMap<String, String> = options
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        let snapshot = Snapshot {
            partitioner: "org.apache.cassandra.dht.Murmur3Partitioner".to_owned(),
            nodes: vec![
                node(0, "here", 0),
                node(1, "here", 20),
                node(2, "there", 10),
                node(3, "there", 30),
            ],
            replication: [("ks".to_owned(), options)].into(),
            ..Snapshot::default()
        };
        let mut cluster = Cluster::new(&config);
        assert!(cluster.apply(&config, &snapshot).is_empty());
        for &key in connected {
            let now = Instant(1);
            let pool = &mut cluster.node_mut(NodeKey(key)).expect("just added").pool;
            let via = pool.next_open(now).expect("wanted");
            pool.opened(ConnId(key), via, rng).expect("no port to bind");
            pool.established(now, ConnId(key), None, rng, &mut Vec::new());
        }
        cluster
    }

    fn spec(token: Option<i64>) -> RequestSpec {
        RequestSpec {
            token: token.map(Token),
            table_keyspace: Some(Arc::from("ks")),
            ..RequestSpec::new(Opcode::Execute, Vec::new())
        }
    }

    fn rest(cluster: &Cluster, spec: &RequestSpec, tried: u32, rng: &mut Rng) -> Vec<u32> {
        let mut plan = QueryPlan::rest(cluster, spec, NodeKey(tried), false, rng);
        std::iter::from_fn(|| plan.next())
            .map(|key| key.0)
            .collect()
    }

    #[test]
    fn local_replicas_then_remote_ones_then_the_others() {
        let mut rng = Rng::new(9);
        let mut all = cluster(&[0, 1, 2, 3], &mut rng);
        // Replicas of 5: 2, 1, 3. Only 1 is local.
        for _ in 0..20 {
            let spec = spec(Some(5));
            assert_eq!(
                QueryPlan::first(&mut all, &spec, &mut rng),
                Some(NodeKey(1))
            );
            let mut order = rest(&all, &spec, 1, &mut rng);
            assert_eq!(order.pop(), Some(0), "local, but no replica");
            order.sort_unstable();
            assert_eq!(order, [2, 3]);
        }
        // Without a token: local nodes in turn.
        let mut firsts: Vec<_> = (0..4)
            .filter_map(|_| QueryPlan::first(&mut all, &spec(None), &mut rng))
            .collect();
        firsts.sort_unstable();
        assert_eq!(firsts, [0, 0, 1, 1].map(NodeKey));
    }

    #[test]
    fn what_is_not_connected_is_passed_over() {
        let mut rng = Rng::new(9);
        let mut some = cluster(&[0, 3], &mut rng);
        let first = QueryPlan::first(&mut some, &spec(Some(5)), &mut rng);
        assert_eq!(
            first,
            Some(NodeKey(3)),
            "a remote replica before a local other"
        );
        assert_eq!(rest(&some, &spec(Some(5)), 3, &mut rng), [0]);
        let mut none = cluster(&[], &mut rng);
        assert_eq!(QueryPlan::first(&mut none, &spec(Some(5)), &mut rng), None);
    }

    #[test]
    fn transactions_take_replicas_in_ring_order() {
        let mut rng = Rng::new(9);
        let mut all = cluster(&[0, 1, 2, 3], &mut rng);
        let spec = RequestSpec {
            lwt: true,
            ..spec(Some(15))
        };
        // Replicas of 15: 1, 3, 0.
        for _ in 0..20 {
            assert_eq!(
                QueryPlan::first(&mut all, &spec, &mut rng),
                Some(NodeKey(1))
            );
            assert_eq!(rest(&all, &spec, 1, &mut rng), [0, 3, 2]);
        }
    }

    #[test]
    fn a_lost_connection_leaves_the_node_itself_as_the_last_resort() {
        let mut rng = Rng::new(9);
        let all = cluster(&[0, 1], &mut rng);
        let mut plan = QueryPlan::rest(&all, &spec(Some(5)), NodeKey(1), true, &mut rng);
        assert_eq!(
            [plan.next(), plan.next(), plan.next()],
            [Some(NodeKey(0)), Some(NodeKey(1)), None]
        );
        let pinned = RequestSpec {
            node: Some(HostId([1; 16])),
            ..spec(None)
        };
        let mut plan = QueryPlan::rest(&all, &pinned, NodeKey(1), true, &mut rng);
        assert_eq!([plan.next(), plan.next()], [Some(NodeKey(1)), None]);
        assert!(rest(&all, &pinned, 1, &mut rng).is_empty());
    }
}
