//! Which shard serves a connection, and what a request pays that comes to the wrong one.

use shardlane_server::stats::PortKind;
use shardlane_server::{ClusterConfig, PortFault, ShardAssignment, Shards};
use shardlane_wire::Consistency;

use crate::support::{Client, config, int, make_table, owner_shard, start};

#[test]
fn the_source_port_picks_the_shard_on_the_shard_aware_port() {
    let cluster = start(config(1, 5));
    for shard in 0..5 {
        assert_eq!(Client::connect_to_shard(&cluster, 0, shard).shard(), shard);
    }
}

#[test]
fn the_normal_port_gives_each_connection_to_the_least_loaded_shard() {
    let cluster = start(config(1, 4));
    let clients: Vec<Client> = (0..8).map(|_| Client::connect(&cluster, 0)).collect();
    let shards: Vec<u16> = clients.iter().map(Client::shard).collect();
    assert_eq!(shards, [0, 1, 2, 3, 0, 1, 2, 3]);
    let stats = &cluster.stats().nodes[0];
    assert!(
        stats
            .shards
            .iter()
            .all(|shard| shard.normal_port.current == 2)
    );
    assert_eq!(stats.total().shard_aware_port.opened, 0);
}

#[test]
fn random_assignment_repeats_with_its_seed() {
    let shards = |seed| -> Vec<u16> {
        let config = ClusterConfig {
            assignment: ShardAssignment::Random,
            seed,
            ..config(1, 8)
        };
        let cluster = start(config);
        (0..12)
            .map(|_| Client::connect(&cluster, 0).shard())
            .collect()
    };
    assert_eq!(shards(1), shards(1));
    assert_ne!(shards(1), shards(2));
}

#[test]
fn requests_are_counted_where_they_arrive_and_answered_wherever_that_is() {
    let cluster = start(config(3, 4));
    make_table(&mut Client::connect(&cluster, 0), 1);
    let key = int(7);
    // With one replica, exactly one node is right.
    let mut seen = (0, 0, 0);
    for node in 0..3 {
        for shard in 0..4 {
            let mut client = Client::connect_to_shard(&cluster, node, shard);
            let insert = client.prepare("INSERT INTO ks.kv (k, v) VALUES (?, ?)");
            assert_eq!(insert.pk_indexes, [0]);
            let select = client.prepare("SELECT v FROM ks.kv WHERE k = ?");
            cluster.reset_stats();
            let value = int(i32::from(shard) + 10 * node as i32);
            client
                .execute(&insert.id, &[&key, &value], Consistency::One)
                .ok();
            let rows = client.execute(&select.id, &[&key], Consistency::One).rows();
            assert_eq!(rows, [[Some(value.to_vec())]]);
            let stats = cluster.stats();
            let total = stats.total();
            assert_eq!(total.routable(), 2, "{total:?}");
            assert_eq!(total.operations, 2);
            let here = stats.nodes[node].shards[usize::from(shard)];
            assert_eq!(here.routable(), 2);
            seen = (
                seen.0 + here.right_shard,
                seen.1 + here.wrong_shard,
                seen.2 + here.wrong_node,
            );
            // A hop is made exactly if this is not the owner.
            assert_eq!(total.forwarded, 2 - here.right_shard);
            if here.right_shard > 0 {
                assert_eq!(owner_shard(&cluster, node, &key), shard);
            }
        }
    }
    assert_eq!(seen, (2, 6, 16));
}

#[test]
fn with_all_nodes_replicas_only_the_shard_can_be_wrong() {
    let cluster = start(config(3, 2));
    make_table(&mut Client::connect(&cluster, 0), 3);
    for node in 0..3 {
        for i in 0..20 {
            let key = int(i);
            let mut client = Client::connect_to_owner(&cluster, node, &key);
            let select = client.prepare("SELECT v FROM ks.kv WHERE k = ?");
            client
                .execute(&select.id, &[&key], Consistency::LocalOne)
                .ok();
        }
    }
    let total = cluster.stats().total();
    assert_eq!(
        (total.routable(), total.right_shard_percent()),
        (60, Some(100.0))
    );
}

#[test]
fn without_shards_a_node_behaves_like_apache_cassandra() {
    let cluster = start(ClusterConfig {
        shards: Shards::Same(0),
        ..config(2, 0)
    });
    assert_eq!(cluster.shard_aware_port(), None);
    let mut client = Client::connect(&cluster, 0);
    let supported = client.supported.clone().expect("after the handshake");
    assert_eq!(supported.shard_info, None);
    assert_eq!(supported.lwt_mark, None);
    assert_eq!(
        supported.protocol_versions,
        ["3/v3", "4/v4", "5/v5", "6/v6-beta"]
    );
    client
        .query(
            "CREATE KEYSPACE ks WITH replication = {'class': 'SimpleStrategy', \
             'replication_factor': 2}",
        )
        .ok();
    client
        .query("CREATE TABLE ks.kv (k int PRIMARY KEY, v int)")
        .ok();
    client.query("INSERT INTO ks.kv (k, v) VALUES (1, 2)").ok();
    let rows = Client::connect(&cluster, 1)
        .query("SELECT v FROM ks.kv WHERE k = 1")
        .rows();
    assert_eq!(rows, [[Some(int(2).to_vec())]]);
}

#[test]
fn behind_nat_the_shard_is_not_the_one_asked_for() {
    let cluster = start(config(1, 4));
    cluster
        .set_port_fault(0, PortKind::ShardAware, PortFault::Nat)
        .expect("a node");
    assert_eq!(Client::connect_to_shard(&cluster, 0, 1).shard(), 2);
    cluster
        .set_port_fault(0, PortKind::ShardAware, PortFault::None)
        .expect("a node");
    assert_eq!(Client::connect_to_shard(&cluster, 0, 1).shard(), 1);
}

#[test]
fn log_tables_of_cdc_lie_where_their_stream_ids_say() {
    let cluster = start(config(1, 4));
    let mut client = Client::connect(&cluster, 0);
    make_table(&mut client, 1);
    client
        .query(
            "CREATE TABLE ks.t_scylla_cdc_log (\"cdc$stream_id\" blob, n int, \
             PRIMARY KEY (\"cdc$stream_id\", n))",
        )
        .ok();
    let rows = client
        .query("SELECT partitioner FROM system_schema.scylla_tables WHERE keyspace_name = 'ks'")
        .rows();
    let told: Vec<_> = rows.iter().filter_map(|row| row[0].as_deref()).collect();
    assert_eq!(told, [b"com.scylladb.dht.CDCPartitioner"]);
    for token in [i64::MIN + 1, -5, 7 << 50, i64::MAX] {
        let stream = [token.to_be_bytes(), [9; 8]].concat();
        let sharder = shardlane_routing::Sharder::new(4.try_into().expect("four"), 12);
        let shard = sharder.shard_of(shardlane_routing::Token(token));
        let mut client = Client::connect_to_shard(&cluster, 0, shard);
        let insert =
            client.prepare("INSERT INTO ks.t_scylla_cdc_log (\"cdc$stream_id\", n) VALUES (?, 1)");
        cluster.reset_stats();
        client
            .execute(&insert.id, &[&stream], Consistency::One)
            .ok();
        assert_eq!(cluster.stats().total().right_shard, 1);
    }
}
