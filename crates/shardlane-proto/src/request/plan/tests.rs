use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use shardlane_routing::{HostId, Tablet, Token};
use shardlane_wire::{Consistency, Opcode};

use super::*;
use crate::cluster::{KeyspaceInfo, NodeInfo, Scope, Topology, Update};
use crate::config::Config;
use crate::ids::ConnId;
use crate::policy::Remote;
use crate::request::Target;
use crate::time::Instant;

/// Nodes 0 and 1 in "here", 2 and 3 in "there", in ring order 0, 2, 1, 3; `connected` ones are usable.
fn cluster(connected: &[u32], rng: &mut Rng) -> Cluster {
    let mut config = Config::new(Vec::new());
    config.local_datacenter = Some("here".to_owned());
    let node = |id: u8, datacenter: &str, token| NodeInfo {
        host_id: HostId([id; 16]),
        address: SocketAddr::from(([10, 0, 0, id], 9042)),
        datacenter: datacenter.to_owned(),
        rack: format!("r{}", id % 2),
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
        consistency: Consistency::Quorum,
        ..RequestSpec::new(Opcode::Execute, Vec::new())
    }
}

fn first(cluster: &mut Cluster, spec: &RequestSpec, rng: &mut Rng) -> Option<u32> {
    let goal = QueryPlan::first(cluster, spec, &Balancing::default(), |_, _| 0, rng);
    let goal = goal?;
    assert_eq!(goal, Goal::on(cluster, spec, goal.node), "with its shard");
    Some(goal.node.0)
}

fn rest(cluster: &Cluster, spec: &RequestSpec, tried: u32, rng: &mut Rng) -> Vec<u32> {
    let mut plan = QueryPlan::rest(
        cluster,
        spec,
        &Balancing::default(),
        NodeKey(tried),
        false,
        rng,
    );
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
        assert_eq!(first(&mut all, &spec, &mut rng), Some(1));
        let mut order = rest(&all, &spec, 1, &mut rng);
        assert_eq!(order.pop(), Some(0), "local, but no replica");
        order.sort_unstable();
        assert_eq!(order, [2, 3]);
    }
    // Without a token: local nodes in turn.
    let mut firsts: Vec<_> = (0..4)
        .filter_map(|_| first(&mut all, &spec(None), &mut rng))
        .collect();
    firsts.sort_unstable();
    assert_eq!(firsts, [0, 0, 1, 1]);
}

#[test]
fn what_is_not_connected_is_passed_over() {
    let mut rng = Rng::new(9);
    let mut some = cluster(&[0, 3], &mut rng);
    let found = first(&mut some, &spec(Some(5)), &mut rng);
    assert_eq!(found, Some(3), "a remote replica before a local other");
    assert_eq!(rest(&some, &spec(Some(5)), 3, &mut rng), [0]);
    let mut none = cluster(&[], &mut rng);
    assert_eq!(first(&mut none, &spec(Some(5)), &mut rng), None);
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
        assert_eq!(first(&mut all, &spec, &mut rng), Some(1));
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
        assert_eq!(first(&mut all, &near, &mut rng), Some(1));
        assert_eq!(rest(&all, &near, 1, &mut rng)[0], 3);
    }
    assert_eq!(Goal::on(&all, &near, NodeKey(1)).shard, Some(2));
    assert_eq!(Goal::on(&all, &near, NodeKey(3)).shard, Some(7));
    assert_eq!(
        Goal::on(&all, &near, NodeKey(0)).shard,
        None,
        "no replica, no shards"
    );
    // One of this tablet's replicas is unknown: the other one it is.
    assert_eq!(first(&mut all, &of_table(5), &mut rng), Some(0));
    // Beyond what is known, and for other tables, the ring counts. Local replicas of 101: 0, 1.
    for spec in [of_table(101), spec(Some(101))] {
        let mut seen: Vec<_> = (0..50)
            .filter_map(|_| first(&mut all, &spec, &mut rng))
            .collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, [0, 1]);
    }
    all.forget_tablets("ks", Some("t"));
    assert_eq!(Goal::on(&all, &near, NodeKey(1)).shard, None);
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
        consistency: Consistency::LocalSerial,
        ..of_table(5)
    };
    for spec in [lwt, serial] {
        for _ in 0..300 {
            assert_eq!(first(&mut all, &spec, &mut rng), Some(1));
            assert_eq!(rest(&all, &spec, 1, &mut rng)[0], 0);
        }
    }
}

#[test]
fn a_lost_connection_leaves_the_node_itself_as_the_last_resort() {
    let mut rng = Rng::new(9);
    let all = cluster(&[0, 1], &mut rng);
    let mut plan = QueryPlan::rest(
        &all,
        &spec(Some(5)),
        &Balancing::default(),
        NodeKey(1),
        true,
        &mut rng,
    );
    assert_eq!(
        [plan.next(), plan.next(), plan.next()],
        [Some(NodeKey(0)), Some(NodeKey(1)), None]
    );
    let pinned = RequestSpec {
        node: Some(Target {
            host_id: HostId([1; 16]),
            shard: None,
        }),
        ..spec(None)
    };
    let mut plan = QueryPlan::rest(
        &all,
        &pinned,
        &Balancing::default(),
        NodeKey(1),
        true,
        &mut rng,
    );
    assert_eq!([plan.next(), plan.next()], [Some(NodeKey(1)), None]);
    assert!(rest(&all, &pinned, 1, &mut rng).is_empty());
}

fn near(
    cluster: &mut Cluster,
    spec: &RequestSpec,
    balancing: &Balancing,
    rng: &mut Rng,
) -> Vec<u32> {
    let mut found: Vec<u32> = (0..50)
        .filter_map(|_| QueryPlan::first(cluster, spec, balancing, |_, _| 0, rng))
        .map(|goal| goal.node.0)
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

#[test]
fn the_local_rack_comes_before_the_rest_of_the_datacenter() {
    let mut rng = Rng::new(9);
    let mut all = cluster(&[0, 1, 2, 3], &mut rng);
    let in_rack = |rack: &str| Balancing {
        rack: Some(rack.to_owned()),
        ..Balancing::default()
    };
    // Replicas of 25: 3, 0, 2. Without a token any node of the rack serves.
    for (rack, of_25, of_any) in [("r0", 0, 0), ("r1", 0, 1), ("r9", 0, 0)] {
        let balancing = in_rack(rack);
        assert_eq!(
            near(&mut all, &spec(Some(25)), &balancing, &mut rng),
            [of_25]
        );
        let any = near(&mut all, &spec(None), &balancing, &mut rng);
        assert!(any.contains(&of_any), "{rack}: {any:?}");
        assert_eq!(any.len(), if rack == "r9" { 2 } else { 1 }, "{rack}");
    }
    // A rack of the same name elsewhere is another rack.
    let there = Balancing {
        datacenter: Some("there".to_owned()),
        ..in_rack("r1")
    };
    assert_eq!(near(&mut all, &spec(Some(5)), &there, &mut rng), [3]);
}

#[test]
fn requests_leave_the_datacenter_only_if_they_may() {
    let mut rng = Rng::new(9);
    let mut remote = cluster(&[2, 3], &mut rng);
    let with = |remote| Balancing {
        remote,
        ..Balancing::default()
    };
    let local = RequestSpec {
        consistency: Consistency::LocalQuorum,
        ..spec(Some(5))
    };
    let plan = |remote: &Cluster, spec: &RequestSpec, balancing: &Balancing| {
        let mut plan =
            QueryPlan::rest(remote, spec, balancing, NodeKey(0), false, &mut Rng::new(1));
        std::iter::from_fn(|| plan.next()).count()
    };
    let prepare = RequestSpec {
        opcode: Opcode::Prepare,
        ..local.clone()
    };
    // Whether it may go there: as QUORUM or PREPARE, as LOCAL_QUORUM.
    for (rule, quorum, local_quorum) in [
        (Remote::Never, false, false),
        (Remote::Failover, true, false),
        (Remote::Always, true, true),
    ] {
        let balancing = with(rule);
        for (spec, may) in [
            (&spec(Some(5)), quorum),
            (&local, local_quorum),
            (&prepare, quorum),
        ] {
            let found = near(&mut remote, spec, &balancing, &mut rng);
            assert_eq!(!found.is_empty(), may, "{rule:?} {:?}", spec.consistency);
            let rest = plan(&remote, spec, &balancing);
            assert_eq!(rest > 0, may, "{rule:?} {:?}", spec.consistency);
        }
    }
}

#[test]
fn a_plan_of_the_callers_is_followed() {
    let mut rng = Rng::new(9);
    let mut some = cluster(&[1, 2, 3], &mut rng);
    let target = |id: u8| Target {
        host_id: HostId([id; 16]),
        shard: Some(u16::from(id)),
    };
    let planned = RequestSpec {
        // 9 does not exist, 0 is not connected.
        plan: Some([3, 9, 0, 2].map(target).into()),
        ..spec(Some(5))
    };
    assert_eq!(first(&mut some, &planned, &mut rng), Some(3));
    assert_eq!(rest(&some, &planned, 3, &mut rng), [2]);
    assert_eq!(planned.chosen_shard(HostId([2; 16])), Some(2));
    assert_eq!(planned.chosen_shard(HostId([1; 16])), None);
    let nobody = RequestSpec {
        plan: Some(Box::new([])),
        ..spec(Some(5))
    };
    assert_eq!(first(&mut some, &nobody, &mut rng), None);
}

/// A closed loop of callers over three replicas with one server each; the last replica takes `slowness`
/// times as long. Returns requests served in a minute, and the mean time of a request in milliseconds.
fn serve(choice: Choice, callers: usize, slowness: u64) -> (usize, f64) {
    const MINUTE_US: u64 = 60_000_000;
    let mut rng = Rng::new(5);
    let mut config = Config::new(Vec::new());
    config.local_datacenter = Some("here".to_owned());
    let mut all = cluster(&[0, 1, 2], &mut rng);
    let balancing = Balancing {
        choice,
        remote: Remote::Always,
        // Replicas of 30 in ring order: 3 (not connected), 0, 2; with 1 they are alike to nobody, so all
        // count as remote.
        datacenter: Some("elsewhere".to_owned()),
        ..Balancing::default()
    };
    // Replicas of 0: 0, 2, 1.
    let spec = spec(Some(0));
    let mut queues: [VecDeque<u64>; 3] = Default::default();
    let mut free_at = [0u64; 3];
    let (mut served, mut waited) = (0usize, 0u64);
    // Each event is an answer; the caller sends its next request at once.
    let mut sent: VecDeque<u64> = std::iter::repeat_n(0, callers).collect();
    let mut now = 0;
    while now < MINUTE_US {
        let mut is_written = [false; 3];
        while let Some(at) = sent.pop_front() {
            let load = |_: &Cluster, goal: Goal| {
                let node = goal.node.0 as usize;
                load(queues[node].len(), is_written[node])
            };
            let goal = QueryPlan::first(&mut all, &spec, &balancing, load, &mut rng);
            let node = goal.expect("all are connected").node.0 as usize;
            is_written[node] = true;
            if queues[node].is_empty() {
                free_at[node] = now + if node == 2 { 1000 * slowness } else { 1000 };
            }
            queues[node].push_back(at);
        }
        let busy = (0..3).filter(|&node| !queues[node].is_empty());
        let node = busy
            .min_by_key(|&node| free_at[node])
            .expect("somebody serves");
        now = free_at[node];
        let begun = queues[node].pop_front().expect("it was busy");
        free_at[node] = now + if node == 2 { 1000 * slowness } else { 1000 };
        served += 1;
        waited += now - begun;
        sent.push_back(now);
    }
    (served, waited as f64 / served as f64 / 1000.0)
}

#[test]
fn of_two_about_as_busy_the_one_that_writes_anyway() {
    assert!(load(0, true) < load(0, false));
    assert!(load(3, true) < load(0, false));
    // Where it makes a difference who is less busy, that counts.
    assert!(load(5, true) > load(0, false));
    assert!(load(40, false) > load(35, false));
    assert_eq!(load(usize::MAX, false), usize::MAX);
}

#[test]
fn the_less_busy_of_two_keeps_a_slow_replica_from_holding_up_all() {
    for callers in [16, 64] {
        let (random, random_ms) = serve(Choice::Random, callers, 10);
        let (least, least_ms) = serve(Choice::LeastBusy, callers, 10);
        println!(
            "{callers} callers: random {random} ({random_ms:.1} ms), of two {least} ({least_ms:.1} ms)"
        );
        // The best there is: two replicas at full speed and a tenth of one.
        let best = 2.1 * 60_000.0;
        assert!(least as f64 > 0.95 * best, "{least}");
        assert!(random as f64 * 3.0 < least as f64, "{random}");
        // Where all replicas are alike it costs nothing.
        let (random, _) = serve(Choice::Random, callers, 1);
        let (least, _) = serve(Choice::LeastBusy, callers, 1);
        assert!(least >= random, "{least} {random}");
    }
}

#[test]
fn leaders_of_strongly_consistent_tables_come_first() {
    let mut rng = Rng::new(9);
    let mut all = cluster(&[0, 1, 2, 3], &mut rng);
    let version = Some(shardlane_routing::TabletVersion(7));
    let learn = |all: &mut Cluster, version| {
        // Led by 3, which is remote; 1 is local.
        let replicas = vec![(HostId([3; 16]), 0), (HostId([1; 16]), 0)];
        let tablet = Tablet::new(Token(-100), Token(0), replicas).expect("a range");
        all.learn_tablet("ks", "t", tablet.with_version(version));
    };
    let at = |consistency| RequestSpec {
        consistency,
        ..of_table(-5)
    };
    let (one, quorum) = (at(Consistency::One), at(Consistency::Quorum));
    learn(&mut all, version);
    assert_eq!(
        first(&mut all, &quorum, &mut rng),
        Some(1),
        "no such keyspace"
    );
    let mut update = Update::new(Scope::keyspace("ks"));
    let options = [("class", "SimpleStrategy"), ("replication_factor", "3")];
    let keyspace = KeyspaceInfo {
        replication: options.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
        has_leaders: true,
        ..KeyspaceInfo::default()
    };
    update.keyspaces.insert("ks".into(), keyspace);
    assert!(all.apply(&Config::new(Vec::new()), update).0.is_empty());
    assert_eq!(first(&mut all, &quorum, &mut rng), Some(3));
    assert_eq!(first(&mut all, &one, &mut rng), Some(1), "any replica's");
    learn(&mut all, None);
    assert_eq!(
        first(&mut all, &quorum, &mut rng),
        Some(1),
        "nobody has told who leads"
    );
}
