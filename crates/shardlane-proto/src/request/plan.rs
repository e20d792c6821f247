//! The order in which nodes are tried.
//!
//! The first target is chosen at once and without allocation; the rest of the plan is made only when
//! that one failed.

use std::collections::VecDeque;

use super::RequestSpec;
use crate::cluster::{Cluster, NodeKey, Replicas};
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
                let place = replicas.position(key);
                let remote = u8::from(!cluster.is_local(key));
                let rank = match place {
                    _ if key == tried => 4,
                    Some(_) => remote,
                    None => remote + 2,
                };
                let tie = match place {
                    Some(place) if spec.keeps_order() => place as u64,
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

/// The shard of the request's token on a node; `None`: any will do.
pub(crate) fn shard_on(cluster: &Cluster, spec: &RequestSpec, node: NodeKey) -> Option<u16> {
    let keyspace = spec.table_keyspace.as_deref();
    cluster.shard_of(keyspace, spec.table.as_deref(), spec.token?, node)
}

fn replicas_of<'a>(cluster: &'a Cluster, spec: &RequestSpec) -> Replicas<'a> {
    match (&spec.table_keyspace, spec.token) {
        (Some(keyspace), Some(token)) => cluster.replicas(keyspace, spec.table.as_deref(), token),
        _ => Replicas::NONE,
    }
}

fn first_replica(cluster: &Cluster, spec: &RequestSpec, rng: &mut Rng) -> Option<NodeKey> {
    let replicas = replicas_of(cluster, spec);
    let start = if spec.keeps_order() || replicas.len() < 2 {
        0
    } else {
        rng.below(replicas.len())
    };
    let mut usable = replicas.from(start).filter(|&key| cluster.is_usable(key));
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

    use shardlane_routing::{HostId, Tablet, Token};
    use shardlane_wire::Opcode;

    use super::*;
    use crate::cluster::{KeyspaceInfo, NodeInfo, Scope, Topology, Update};
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
        let keyspace = KeyspaceInfo {
            replication: options,
            ..KeyspaceInfo::default()
        };
        let mut update = Update::new(Scope::EVERYTHING);
        update.topology = Topology {
            partitioner: "org.apache.cassandra.dht.Murmur3Partitioner".to_owned(),
            nodes: vec![
                node(0, "here", 0),
                node(1, "here", 20),
                node(2, "there", 10),
                node(3, "there", 30),
            ],
            ..Topology::default()
        };
        update.keyspaces.insert("ks".into(), keyspace);
        let mut cluster = Cluster::new(&config);
        assert!(cluster.apply(&config, update).0.is_empty());
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

    /// Tablets (-100, 0] on nodes 3 and 1, (0, 100] on node 0 and one that nobody knows.
    fn with_tablets(mut cluster: Cluster) -> Cluster {
        let tablet = |first, last, replicas: &[(u8, u16)]| {
            let replicas = replicas
                .iter()
                .map(|&(id, shard)| (HostId([id; 16]), shard));
            Tablet::new(Token(first), Token(last), replicas.collect()).expect("a range")
        };
        cluster.learn_tablet("ks", "t", tablet(-100, 0, &[(3, 7), (1, 2)]));
        cluster.learn_tablet("ks", "t", tablet(0, 100, &[(9, 0), (0, 5)]));
        cluster
    }

    fn of_table(token: i64) -> RequestSpec {
        RequestSpec {
            table: Some(Arc::from("t")),
            ..spec(Some(token))
        }
    }

    #[test]
    fn a_known_tablet_says_which_nodes_and_which_shards() {
        let mut rng = Rng::new(9);
        let mut all = with_tablets(cluster(&[0, 1, 2, 3], &mut rng));
        let near = of_table(-5);
        for _ in 0..20 {
            // Of the tablet's two replicas the local one; the ring would have said 0, 2, 1.
            assert_eq!(
                QueryPlan::first(&mut all, &near, &mut rng),
                Some(NodeKey(1))
            );
            assert_eq!(rest(&all, &near, 1, &mut rng)[0], 3);
        }
        assert_eq!(shard_on(&all, &near, NodeKey(1)), Some(2));
        assert_eq!(shard_on(&all, &near, NodeKey(3)), Some(7));
        assert_eq!(
            shard_on(&all, &near, NodeKey(0)),
            None,
            "no replica, no shards"
        );
        // One of this tablet's replicas is unknown: the other one it is.
        let first = QueryPlan::first(&mut all, &of_table(5), &mut rng);
        assert_eq!(first, Some(NodeKey(0)));
        // Beyond what is known, and for other tables, the ring counts. Local replicas of 101: 0, 1.
        for spec in [of_table(101), spec(Some(101))] {
            let mut seen: Vec<_> = (0..50)
                .filter_map(|_| QueryPlan::first(&mut all, &spec, &mut rng))
                .collect();
            seen.sort_unstable();
            seen.dedup();
            assert_eq!(seen, [NodeKey(0), NodeKey(1)]);
        }
        all.forget_tablets("ks", Some("t"));
        assert_eq!(shard_on(&all, &near, NodeKey(1)), None);
    }

    #[test]
    fn transactions_take_a_tablets_replicas_in_its_order() {
        let mut rng = Rng::new(9);
        let mut all = with_tablets(cluster(&[0, 1, 2, 3], &mut rng));
        all.learn_tablet(
            "ks",
            "t",
            Tablet::new(
                Token(0),
                Token(100),
                vec![(HostId([1; 16]), 4), (HostId([0; 16]), 5)],
            )
            .expect("a range"),
        );
        let lwt = RequestSpec {
            lwt: true,
            ..of_table(5)
        };
        let serial = RequestSpec {
            consistency: shardlane_wire::Consistency::LocalSerial,
            ..of_table(5)
        };
        for spec in [lwt, serial] {
            for _ in 0..300 {
                assert_eq!(
                    QueryPlan::first(&mut all, &spec, &mut rng),
                    Some(NodeKey(1))
                );
                assert_eq!(rest(&all, &spec, 1, &mut rng)[0], 0);
            }
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
