//! Conditional writes: one winner, whatever happens to nodes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use shardlane_server::cluster::NodeState;
use shardlane_server::{Cluster, ClusterConfig};
use shardlane_wire::{Consistency, ErrorDetail, WriteType};

use crate::support::{Answer, Client, config, int, make_table, start};
use crate::tablets::{make_tablets, places};

fn applied(answer: Answer) -> bool {
    answer.rows()[0][0] == Some(vec![1])
}

#[test]
fn a_condition_is_decided_once_whichever_node_and_shard_is_asked() {
    let cluster = start(config(3, 2));
    make_table(&mut Client::connect(&cluster, 0), 3);
    let text = "INSERT INTO ks.kv (k, v) VALUES (1, 1) IF NOT EXISTS";
    let winners: usize = thread::scope(|scope| {
        let askers = (0..6u16).map(|i| {
            let cluster = &cluster;
            scope.spawn(move || {
                let mut client = Client::connect_to_shard(cluster, usize::from(i % 3), i / 3);
                usize::from(applied(client.query_at(text, Consistency::Quorum)))
            })
        });
        let askers: Vec<_> = askers.collect();
        askers
            .into_iter()
            .map(|asker| asker.join().expect("an asker"))
            .sum()
    });
    assert_eq!(winners, 1);
}

/// Counts up by compare-and-set until told to stop. Returns how many steps were surely taken, and
/// how many may have been.
fn count_up(cluster: &Cluster, stop: &AtomicBool) -> (i32, i32) {
    let (mut sure, mut perhaps) = (0, 0);
    let mut connected: Option<Client> = None;
    while !stop.load(Ordering::Relaxed) {
        let mut client = match connected.take() {
            Some(client) => client,
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
                let startup = shardlane_wire::request::Startup {
                    options: vec![("CQL_VERSION".into(), "3.0.0".into())],
                };
                let startup = shardlane_wire::Request::Startup(startup);
                if client.try_ask(&startup).is_err() {
                    continue;
                }
                client
            }
        };
        let select = "SELECT v FROM ks.kv WHERE k = 1";
        let Ok(answer) = client.try_query_at(select, Consistency::Serial) else {
            continue;
        };
        let Answer::Rows(rows) = answer else {
            connected = Some(client);
            continue;
        };
        let cell = rows.rows[0][0].clone().expect("a value");
        let seen = i32::from_be_bytes(cell.try_into().expect("an int"));
        let next = seen + 1;
        let update = format!("UPDATE ks.kv SET v = {next} WHERE k = 1 IF v = {seen}");
        match client.try_query_at(&update, Consistency::Quorum) {
            Ok(answer @ Answer::Rows(_)) => {
                sure += i32::from(applied(answer));
                connected = Some(client);
            }
            Ok(Answer::Error(error)) => {
                perhaps += i32::from(!matches!(error.detail, ErrorDetail::Unavailable { .. }));
                connected = Some(client);
            }
            Ok(other) => panic!("{other:?}"),
            Err(_) => perhaps += 1,
        }
    }
    (sure, perhaps)
}

/// Counts up from three threads while `change` runs: no step may be lost, and none be taken twice.
fn check_counting(cluster: &Cluster, change: impl FnOnce()) {
    let mut client = Client::connect(cluster, 0);
    client
        .query_at("INSERT INTO ks.kv (k, v) VALUES (1, 0)", Consistency::All)
        .ok();
    let stop = AtomicBool::new(false);
    let counts: Vec<(i32, i32)> = thread::scope(|scope| {
        let counters: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| count_up(cluster, &stop)))
            .collect();
        change();
        stop.store(true, Ordering::Relaxed);
        counters
            .into_iter()
            .map(|counter| counter.join().expect("a counter"))
            .collect()
    });
    let sure: i32 = counts.iter().map(|(sure, _)| sure).sum();
    let perhaps: i32 = counts.iter().map(|(_, perhaps)| perhaps).sum();
    let select = "SELECT v FROM ks.kv WHERE k = 1";
    let rows = Client::connect(cluster, 1)
        .query_at(select, Consistency::Serial)
        .rows();
    let cell = rows[0][0].clone().expect("a value");
    let value = i32::from_be_bytes(cell.try_into().expect("an int"));
    assert!(sure > 20, "only {sure} steps");
    assert!(
        (sure..=sure + perhaps).contains(&value),
        "{value} after {sure} to {perhaps} more"
    );
}

/// Waits until replicas have done so much more.
fn let_them_count(cluster: &Cluster, operations: u64) {
    let until = cluster.stats().total().operations + operations;
    while cluster.stats().total().operations < until {
        thread::yield_now();
    }
}

#[test]
fn compare_and_set_loses_no_step_and_takes_none_twice_while_nodes_are_killed() {
    let cluster = start(ClusterConfig {
        seed: 5,
        ..config(3, 2)
    });
    make_table(&mut Client::connect(&cluster, 0), 3);
    check_counting(&cluster, || {
        for node in [0, 1, 2, 0] {
            let_them_count(&cluster, 300);
            cluster.kill_node(node).expect("it is up");
            cluster.start_node(node).expect("it is down");
        }
    });
}

#[test]
fn compare_and_set_loses_no_step_and_takes_none_twice_while_the_tablet_moves() {
    let cluster = start(config(4, 3));
    make_tablets(&cluster, 3, 1);
    check_counting(&cluster, || {
        for round in 0..12 {
            let_them_count(&cluster, 100);
            let tablets = cluster.tablets("ks", "kv").expect("tablets");
            let places = places(&cluster, &tablets[0]);
            // The leader too: in turn each replica, within its node and to the one that has none.
            let (from, shard) = places[round % 3];
            let free = (0..4).find(|node| places.iter().all(|place| place.0 != *node));
            let to = if round % 2 == 0 {
                (free.expect("a fourth node"), shard)
            } else {
                (from, (shard + 1) % 3)
            };
            cluster
                .migrate_tablet("ks", "kv", tablets[0].last(), from, to)
                .expect("it moves");
        }
    });
}

#[test]
fn a_paused_quorum_times_out_as_a_conditional_write() {
    let cluster = start(config(3, 1));
    let mut client = Client::connect(&cluster, 0);
    make_table(&mut client, 3);
    cluster.pause_node(1).expect("it is up");
    cluster.pause_node(2).expect("it is up");
    let text = "INSERT INTO ks.kv (k, v) VALUES (1, 1) IF NOT EXISTS";
    let error = client.query_at(text, Consistency::Quorum).error();
    assert!(
        matches!(
            error.detail,
            ErrorDetail::WriteTimeout {
                write_type: WriteType::Cas,
                ..
            }
        ),
        "{error:?}"
    );
    cluster.resume_node(1).expect("it is paused");
    cluster.resume_node(2).expect("it is paused");
    assert!(applied(client.query_at(text, Consistency::Quorum)));
}

#[test]
fn writes_cannot_be_serial_and_serial_reads_see_what_was_agreed() {
    let cluster = start(config(3, 2));
    let mut client = Client::connect(&cluster, 0);
    make_table(&mut client, 3);
    let write = "INSERT INTO ks.kv (k, v) VALUES (1, 1)";
    let error = client.query_at(write, Consistency::Serial).error();
    assert_eq!(error.detail, ErrorDetail::Invalid);
    let conditional = "INSERT INTO ks.kv (k, v) VALUES (1, 1) IF NOT EXISTS";
    assert!(applied(
        client.query_at(conditional, Consistency::LocalQuorum)
    ));
    for node in 0..3 {
        for level in [Consistency::Serial, Consistency::LocalSerial] {
            let mut client = Client::connect(&cluster, node);
            let rows = client
                .query_at("SELECT v FROM ks.kv WHERE k = 1", level)
                .rows();
            assert_eq!(rows, [[Some(int(1).to_vec())]]);
        }
    }
}

#[test]
fn counters_add_up_through_any_node_and_a_restart() {
    let cluster = start(config(3, 2));
    let mut client = Client::connect(&cluster, 0);
    make_table(&mut client, 3);
    client
        .query("CREATE TABLE ks.c (k int PRIMARY KEY, n counter)")
        .ok();
    for round in 0..30 {
        if round == 10 {
            cluster.kill_node(2).expect("it is up");
        }
        if round == 20 {
            cluster.start_node(2).expect("it is down");
        }
        let node = if (10..20).contains(&round) {
            round % 2
        } else {
            round % 3
        };
        let mut client = Client::connect(&cluster, node);
        client
            .query_at("UPDATE ks.c SET n = n + 2 WHERE k = 1", Consistency::Quorum)
            .ok();
    }
    for node in 0..3 {
        let rows = Client::connect(&cluster, node)
            .query_at("SELECT n FROM ks.c WHERE k = 1", Consistency::One)
            .rows();
        assert_eq!(rows, [[Some(60i64.to_be_bytes().to_vec())]]);
    }
}
