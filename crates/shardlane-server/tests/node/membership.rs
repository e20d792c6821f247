//! Nodes killed, stopped, started, added and removed while clients run.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use shardlane_server::cluster::{ControlError, NodePlan, NodeState};
use shardlane_server::{Cluster, ClusterConfig};
use shardlane_wire::event::{StatusChangeKind, TopologyChangeKind};
use shardlane_wire::{Consistency, Event};

use crate::support::{Answer, Client, Statement, config, int, make_table, owner_shard, start};
use crate::tablets::under_load as read_back_under_load;

fn has_address(event: &Event, cluster: &Cluster, node: usize) -> bool {
    let wanted = cluster.config().address(node);
    match event {
        Event::StatusChange { address, .. } | Event::TopologyChange { address, .. } => {
            address.ip() == wanted && address.port() == cluster.port()
        }
        Event::SchemaChange(_) | Event::ClientRoutesChange(_) => false,
    }
}

fn is_status(event: &Event, wanted: StatusChangeKind) -> bool {
    matches!(event, Event::StatusChange { change, .. } if *change == wanted)
}

/// Writes until told to stop, and returns the keys whose write was acknowledged. Connections that
/// break are made anew, at any node.
fn write_until(
    cluster: &Cluster,
    stop: &AtomicBool,
    first: i32,
    level: Consistency,
) -> (Vec<i32>, usize) {
    let (mut acknowledged, mut failures) = (Vec::new(), 0);
    let mut connected: Option<(Client, Statement)> = None;
    let mut key = first;
    while !stop.load(Ordering::Relaxed) {
        let (mut client, insert) = match connected.take() {
            Some(connected) => connected,
            None => {
                let up = cluster
                    .nodes()
                    .into_iter()
                    .find(|node| node.state == NodeState::Up);
                let Some(up) = up else { continue };
                let address = (up.address, cluster.port()).into();
                let Ok(mut client) = Client::dial(address, 0) else {
                    continue;
                };
                let Ok(statement) = handshake(&mut client) else {
                    continue;
                };
                (client, statement)
            }
        };
        match client.try_execute(&insert.id, &[&int(key), &int(key)], level) {
            Ok(Answer::Void) => {
                acknowledged.push(key);
                connected = Some((client, insert));
            }
            Ok(Answer::Error(_)) => {
                failures += 1;
                connected = Some((client, insert));
            }
            Ok(other) => panic!("{other:?}"),
            Err(_) => failures += 1,
        }
        key += 1;
    }
    (acknowledged, failures)
}

fn handshake(client: &mut Client) -> std::io::Result<Statement> {
    use shardlane_wire::Request;
    use shardlane_wire::request::{Prepare, Startup};
    let startup = Startup {
        options: vec![("CQL_VERSION".into(), "3.0.0".into())],
    };
    client.try_ask(&Request::Startup(startup))?;
    let text = "INSERT INTO ks.kv (k, v) VALUES (?, ?)";
    match client.try_ask(&Request::Prepare(Prepare {
        text,
        keyspace: None,
    }))? {
        Answer::Prepared(statement) => Ok(statement),
        other => panic!("not prepared: {other:?}"),
    }
}

/// Reads every key at `level` through `node` and fails the test for each that is missing.
fn check_all(cluster: &Cluster, node: usize, keys: &[i32], level: Consistency) {
    let mut client = Client::connect(cluster, node);
    let select = client.prepare("SELECT v FROM ks.kv WHERE k = ?");
    for &key in keys {
        let rows = client.execute(&select.id, &[&int(key)], level).rows();
        assert_eq!(
            rows,
            [[Some(int(key).to_vec())]],
            "key {key} at {level} from node {node}"
        );
    }
}

/// Runs `change` while two writers are at work; returns the keys they were promised.
fn under_load(cluster: &Cluster, level: Consistency, change: impl FnOnce()) -> Vec<i32> {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let writers = [0, 1_000_000].map(|first| {
            let stop = &stop;
            scope.spawn(move || write_until(cluster, stop, first, level))
        });
        change();
        stop.store(true, Ordering::Relaxed);
        writers
            .into_iter()
            .flat_map(|writer| writer.join().expect("a writer").0)
            .collect()
    })
}

/// Waits until clients have had so many more writes acknowledged by replicas.
fn let_writers_work(cluster: &Cluster, operations: u64) {
    let until = cluster.stats().total().operations + operations;
    while cluster.stats().total().operations < until {
        thread::yield_now();
    }
}

#[test]
fn no_acknowledged_quorum_write_is_lost_when_nodes_are_killed_and_restarted() {
    let cluster = start(config(3, 2));
    make_table(&mut Client::connect(&cluster, 0), 3);
    let keys = under_load(&cluster, Consistency::Quorum, || {
        for node in [1, 0, 2] {
            let_writers_work(&cluster, 300);
            cluster.kill_node(node).expect("it is up");
            let_writers_work(&cluster, 200);
            cluster.start_node(node).expect("it is down");
        }
        let_writers_work(&cluster, 300);
    });
    assert!(
        keys.len() > 300,
        "only {} writes were acknowledged",
        keys.len()
    );
    for node in 0..3 {
        check_all(&cluster, node, &keys, Consistency::Quorum);
    }
    // Restarted nodes were given what they had missed, so each alone knows everything.
    for (node, others) in [(0, [1, 2]), (1, [0, 2]), (2, [0, 1])] {
        for other in others {
            cluster.kill_node(other).expect("it is up");
        }
        check_all(&cluster, node, &keys, Consistency::One);
        for other in others {
            cluster.start_node(other).expect("it is down");
        }
    }
}

#[test]
fn a_restarted_node_has_its_data_even_if_nobody_else_has_it() {
    let cluster = start(config(1, 3));
    make_table(&mut Client::connect(&cluster, 0), 1);
    let keys: Vec<i32> = (0..50).collect();
    let mut client = Client::connect(&cluster, 0);
    for key in &keys {
        client
            .query(&format!("INSERT INTO ks.kv (k, v) VALUES ({key}, {key})"))
            .ok();
    }
    cluster.kill_node(0).expect("it is up");
    assert!(
        client
            .try_query_at("SELECT * FROM ks.kv", Consistency::One)
            .is_err()
    );
    cluster.start_node(0).expect("it is down");
    check_all(&cluster, 0, &keys, Consistency::One);
}

#[test]
fn clients_are_told_of_nodes_going_down_and_coming_up() {
    let cluster = start(config(2, 2));
    let mut client = Client::connect(&cluster, 0);
    client.register();
    for kill in [true, false] {
        if kill {
            cluster.kill_node(1).expect("it is up");
        } else {
            cluster.stop_node(1).expect("it is up");
        }
        let events = client.wait_for_event(|event| is_status(event, StatusChangeKind::Down));
        assert!(
            events.len() == 1 && has_address(&events[0], &cluster, 1),
            "{events:?}"
        );
        cluster.start_node(1).expect("it is down");
        let events = client.wait_for_event(|event| is_status(event, StatusChangeKind::Up));
        assert!(
            events.len() == 1 && has_address(&events[0], &cluster, 1),
            "{events:?}"
        );
    }
}

#[test]
fn a_stopped_node_answers_what_is_due_and_a_down_one_stays_in_system_peers() {
    let cluster = start(config(2, 1));
    let mut client = Client::connect(&cluster, 0);
    cluster.stop_node(1).expect("it is up");
    assert_eq!(
        client.query("SELECT peer FROM system.peers").rows().len(),
        1
    );
    assert_eq!(cluster.nodes()[1].state, NodeState::Down);
    let error = cluster.stop_node(1).expect_err("it is down");
    assert!(matches!(
        error,
        ControlError::WrongState {
            index: 1,
            state: NodeState::Down
        }
    ));
    assert!(matches!(
        cluster.kill_node(7),
        Err(ControlError::NoSuchNode(7))
    ));
}

#[test]
fn a_new_node_takes_over_its_share_while_clients_write() {
    let cluster = start(config(2, 2));
    make_table(&mut Client::connect(&cluster, 0), 1);
    let mut client = Client::connect(&cluster, 0);
    client.register();
    let keys = under_load(&cluster, Consistency::One, || {
        let_writers_work(&cluster, 300);
        let plan = NodePlan {
            shards: Some(3),
            ..NodePlan::default()
        };
        assert_eq!(cluster.add_node(plan).expect("a third node"), 2);
        let_writers_work(&cluster, 300);
    });
    let events = client.wait_for_event(|event| is_status(event, StatusChangeKind::Up));
    assert!(
        matches!(&events[..], [Event::TopologyChange { change: TopologyChangeKind::New, .. }, up]
            if has_address(up, &cluster, 2) && has_address(&events[0], &cluster, 2)),
        "{events:?}"
    );
    assert_eq!(
        client.query("SELECT peer FROM system.peers").rows().len(),
        2
    );
    for node in 0..3 {
        check_all(&cluster, node, &keys, Consistency::One);
    }
    let stats = cluster.stats();
    assert!(
        stats.nodes[2].total().operations > 0,
        "the new node has data of its own"
    );
    assert_eq!(stats.nodes[2].shards.len(), 3);
}

#[test]
fn a_removed_node_leaves_its_data_behind_while_clients_write() {
    let cluster = start(config(3, 2));
    make_table(&mut Client::connect(&cluster, 0), 1);
    let mut client = Client::connect(&cluster, 0);
    client.register();
    let keys = under_load(&cluster, Consistency::One, || {
        let_writers_work(&cluster, 300);
        cluster.remove_node(1).expect("it is up");
        let_writers_work(&cluster, 300);
    });
    let events = client.wait_for_event(|event| {
        matches!(
            event,
            Event::TopologyChange {
                change: TopologyChangeKind::Removed,
                ..
            }
        )
    });
    assert!(is_status(&events[0], StatusChangeKind::Down), "{events:?}");
    assert!(events.iter().all(|event| has_address(event, &cluster, 1)));
    assert_eq!(
        client.query("SELECT peer FROM system.peers").rows().len(),
        1
    );
    for node in [0, 2] {
        check_all(&cluster, node, &keys, Consistency::One);
    }
    assert!(matches!(
        cluster.start_node(1),
        Err(ControlError::NoSuchNode(1))
    ));
    let indexes: Vec<usize> = cluster.nodes().iter().map(|node| node.index).collect();
    assert_eq!(indexes, [0, 2]);
}

#[test]
fn a_dead_node_can_be_removed_and_its_replicas_are_made_anew() {
    let cluster = start(config(4, 1));
    make_table(&mut Client::connect(&cluster, 0), 3);
    let keys: Vec<i32> = (0..100).collect();
    let mut client = Client::connect(&cluster, 0);
    let insert = client.prepare("INSERT INTO ks.kv (k, v) VALUES (?, ?)");
    for &key in &keys {
        client
            .execute(&insert.id, &[&int(key), &int(key)], Consistency::All)
            .ok();
    }
    cluster.kill_node(3).expect("it is up");
    cluster.remove_node(3).expect("it is down");
    check_all(&cluster, 0, &keys, Consistency::All);
    cluster.kill_node(1).expect("it is up");
    cluster.kill_node(2).expect("it is up");
    check_all(&cluster, 0, &keys, Consistency::One);
    assert!(matches!(
        cluster.remove_node(0),
        Err(ControlError::LastNode)
    ));
}

#[test]
fn stopping_is_quick_and_final() {
    let cluster = start(ClusterConfig {
        nodes: 3,
        ..config(3, 4)
    });
    let mut client = Client::connect(&cluster, 0);
    let before = std::time::Instant::now();
    cluster.stop();
    assert!(before.elapsed() < std::time::Duration::from_secs(2));
    assert!(
        client
            .try_query_at("SELECT * FROM system.local", Consistency::One)
            .is_err()
    );
    assert!(matches!(
        cluster.kill_node(0),
        Err(ControlError::WrongState { .. })
    ));
    cluster.stop();
}

#[test]
fn a_node_restarted_with_another_number_of_shards_has_all_its_data() {
    let cluster = start(config(2, 4));
    make_table(&mut Client::connect(&cluster, 0), 1);
    let mut client = Client::connect(&cluster, 0);
    let insert = client.prepare("INSERT INTO ks.kv (k, v) VALUES (?, ?)");
    for k in 0..200 {
        client
            .execute(&insert.id, &[&int(k), &int(k)], Consistency::One)
            .ok();
    }
    for shards in [7, 2, 64, 1] {
        cluster.kill_node(1).expect("it is up");
        cluster
            .start_node_with_shards(1, shards)
            .expect("it starts");
        assert_eq!(cluster.nodes()[1].shards, shards);
        check_all(&cluster, 0, &Vec::from_iter(0..200), Consistency::One);
        // Each partition is where the new formula says: nothing needs to be passed on.
        let mut right = 0;
        for k in 0..200 {
            let shard = owner_shard(&cluster, 1, &int(k));
            let mut client = Client::connect_to_shard(&cluster, 1, shard);
            assert_eq!(client.shard(), shard);
            cluster.reset_stats();
            let text = format!("SELECT v FROM ks.kv WHERE k = {k}");
            assert_eq!(client.query(&text).rows(), [[Some(int(k).to_vec())]]);
            right += u64::from(cluster.stats().total().forwarded == 0);
        }
        assert!((60..140).contains(&right), "about half of 200: {right}");
    }
    assert!(cluster.start_node_with_shards(1, 3).is_err(), "it is up");
    cluster.kill_node(1).expect("it is up");
    assert!(cluster.start_node_with_shards(1, 0).is_err());
    assert!(cluster.start_node_with_shards(1, 257).is_err());
}

#[test]
fn each_write_is_read_back_through_other_nodes_while_nodes_join_and_leave() {
    for (factor, level) in [(1, Consistency::One), (2, Consistency::Quorum)] {
        let cluster = start(config(3, 2));
        make_table(&mut Client::connect(&cluster, 0), factor);
        read_back_under_load(&cluster, level, 8, || {
            for _ in 0..4 {
                let added = cluster.add_node(NodePlan::default()).expect("it joins");
                let_writers_work(&cluster, 100);
                cluster.remove_node(added).expect("it leaves");
                let_writers_work(&cluster, 100);
            }
        });
    }
}
