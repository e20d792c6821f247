//! Tables with tablets: where their data lies, what drivers are told, and that it moves under load.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::thread;

use shardlane_routing::tablets::payload;
use shardlane_routing::{Tablet, Token};
use shardlane_server::{
    Cluster, ClusterConfig, Condition, ControlError, NodePlan, Reaction, Rule, TabletLie,
    TabletsRouting,
};
use shardlane_wire::{Consistency, Opcode};

use crate::support::{Client, config, int, start, token};

pub(crate) fn make_tablets(cluster: &Cluster, factor: usize, initial: usize) {
    let mut client = Client::connect(cluster, 0);
    client
        .query(&format!(
            "CREATE KEYSPACE ks WITH replication = {{'class': 'NetworkTopologyStrategy', \
             'replication_factor': {factor}}} AND tablets = {{'enabled': true, 'initial': {initial}}}"
        ))
        .ok();
    client
        .query("CREATE TABLE ks.kv (k int PRIMARY KEY, v int)")
        .ok();
}

fn tablets(cluster: &Cluster) -> Vec<Tablet> {
    cluster.tablets("ks", "kv").expect("tablets")
}

fn tablet_of(cluster: &Cluster, key: &[u8]) -> Tablet {
    let found = tablets(cluster)
        .into_iter()
        .find(|tablet| tablet.contains(token(key)));
    found.expect("they hold all tokens")
}

/// Node and shard of each replica.
pub(crate) fn places(cluster: &Cluster, tablet: &Tablet) -> Vec<(usize, u16)> {
    let nodes = cluster.nodes();
    let index = |host_id| {
        let node = nodes.iter().find(|node| node.host_id == host_id);
        node.expect("a member").index
    };
    let replicas = tablet.replicas().iter();
    replicas.map(|&(id, shard)| (index(id), shard)).collect()
}

#[test]
fn a_table_is_cut_into_equal_ranges_that_are_spread_evenly() {
    let cluster = start(config(3, 4));
    make_tablets(&cluster, 2, 16);
    let all = tablets(&cluster);
    assert_eq!(all.len(), 16);
    assert_eq!(all[0].first(), Token(i64::MIN));
    // The boundaries that a real ScyllaDB has for 16 tablets.
    assert_eq!(all[0].last(), Token(-8_070_450_532_247_928_833));
    assert_eq!(all[7].last(), Token(-1));
    assert_eq!(all[15].last(), Token(i64::MAX));
    let mut per_shard = std::collections::BTreeMap::new();
    for tablet in &all {
        let places = places(&cluster, tablet);
        assert_eq!(places.len(), 2);
        assert_ne!(places[0].0, places[1].0, "on different nodes");
        for place in places {
            *per_shard.entry(place).or_insert(0) += 1;
        }
    }
    assert_eq!(per_shard.len(), 12, "every shard has some");
    assert!(
        per_shard.values().all(|count| (2..=3).contains(count)),
        "{per_shard:?}"
    );
}

#[test]
fn without_a_number_there_are_two_for_each_shard_of_the_largest_node() {
    let cluster = start(config(3, 5));
    make_tablets(&cluster, 3, 0);
    assert_eq!(tablets(&cluster).len(), 16);
}

#[test]
fn a_request_that_goes_astray_is_told_the_tablet_and_no_other() {
    let cluster = start(config(3, 4));
    make_tablets(&cluster, 1, 8);
    for key in [7, 8, 9] {
        let key = int(key);
        let tablet = tablet_of(&cluster, &key);
        let [owner] = places(&cluster, &tablet)[..] else {
            panic!("one replica")
        };
        for node in 0..3 {
            for shard in 0..4 {
                let mut client = Client::connect_to_shard(&cluster, node, shard);
                let insert = client.prepare("INSERT INTO ks.kv (k, v) VALUES (?, ?)");
                let select = client.prepare("SELECT v FROM ks.kv WHERE k = ?");
                cluster.reset_stats();
                let value = int(i32::from(shard) + 10 * node as i32);
                client
                    .execute(&insert.id, &[&key, &value], Consistency::One)
                    .ok();
                let told = client.payload.clone();
                let rows = client.execute(&select.id, &[&key], Consistency::One);
                assert_eq!(rows.rows(), [[Some(value.to_vec())]]);
                assert_eq!(client.payload, told);
                let total = cluster.stats().total();
                if (node, shard) == owner {
                    assert_eq!(told, []);
                    assert_eq!((total.right_shard, total.forwarded), (2, 0));
                } else {
                    let [(name, value)] = &told[..] else {
                        panic!("{told:?}")
                    };
                    assert_eq!(name, payload::KEY);
                    assert_eq!(
                        payload::parse(value).expect("a tablet").with_version(None),
                        tablet.clone().with_version(None)
                    );
                    assert_eq!(total.right_shard, 0);
                    assert_eq!(total.wrong_shard + total.wrong_node, 2);
                    assert_eq!(total.wrong_node, if node == owner.0 { 0 } else { 2 });
                }
                // The literal says where, but no driver could know.
                client.query("SELECT v FROM ks.kv WHERE k = 7").ok();
                assert_eq!(client.payload, []);
                let fixed = client.prepare("SELECT v FROM ks.kv WHERE k = 7");
                client.execute(&fixed.id, &[], Consistency::One).ok();
                assert_eq!(client.payload, []);
            }
        }
    }
}

#[test]
fn who_does_not_ask_is_not_told() {
    let cluster = start(ClusterConfig {
        tablets_routing: TabletsRouting::Off,
        ..config(1, 4)
    });
    make_tablets(&cluster, 1, 8);
    for shard in 0..4 {
        let mut client = Client::connect_to_shard(&cluster, 0, shard);
        let select = client.prepare("SELECT v FROM ks.kv WHERE k = ?");
        client
            .execute(&select.id, &[&int(1)], Consistency::One)
            .ok();
        assert_eq!(client.payload, []);
    }
    assert_eq!(cluster.stats().total().right_shard, 1);
}

#[test]
fn the_system_table_says_the_same() {
    let cluster = start(config(3, 2));
    make_tablets(&cluster, 3, 4);
    for node in 0..3 {
        let mut client = Client::connect(&cluster, node);
        let rows = client
            .query("SELECT last_token, replicas, keyspace_name, table_name, tablet_count FROM system.tablets")
            .rows();
        assert_eq!(rows.len(), 4);
        for (row, tablet) in rows.iter().zip(tablets(&cluster)) {
            assert_eq!(row[0].as_deref(), Some(&tablet.last().0.to_be_bytes()[..]));
            // The list has the same layout as in the payload, which has it behind the two tokens.
            let mut value = Vec::new();
            payload::encode(&tablet, &mut value);
            assert_eq!(row[1].as_deref(), Some(&value[28..]));
            assert_eq!(row[2].as_deref(), Some(&b"ks"[..]));
            assert_eq!(row[3].as_deref(), Some(&b"kv"[..]));
            assert_eq!(row[4].as_deref(), Some(&int(4)[..]));
        }
    }
}

#[test]
fn a_split_leaves_the_halves_where_the_whole_was() {
    let cluster = start(config(2, 3));
    make_tablets(&cluster, 1, 4);
    let mut client = Client::connect(&cluster, 0);
    for k in 0..100 {
        client
            .query(&format!("INSERT INTO ks.kv (k, v) VALUES ({k}, {k})"))
            .ok();
    }
    let before = tablets(&cluster);
    assert_eq!(cluster.split_tablets("ks", "kv").expect("it splits"), 8);
    let after = tablets(&cluster);
    for (whole, halves) in before.iter().zip(after.chunks(2)) {
        assert_eq!(halves[0].first(), whole.first());
        assert_eq!(halves[0].last(), halves[1].first());
        assert_eq!(halves[1].last(), whole.last());
        assert!(halves.iter().all(|h| h.replicas() == whole.replicas()));
    }
    assert_eq!(after[0].last(), Token(-6_917_529_027_641_081_857));
    assert_eq!(client.query("SELECT k FROM ks.kv").rows().len(), 100);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let cluster = start(config(2, 2));
    make_tablets(&cluster, 1, 1);
    let [(node, shard)] = places(&cluster, &tablets(&cluster)[0])[..] else {
        panic!("one tablet of one replica")
    };
    let other = 1 - node;
    let refused = |from, to| {
        let result = cluster.migrate_tablet("ks", "kv", Token(0), from, to);
        result.expect_err("refused").to_string()
    };
    assert!(refused(other, (node, 0)).contains("no replica"));
    assert!(refused(node, (node, shard)).contains("already"));
    assert!(refused(node, (other, 2)).contains("no shard 2"));
    assert!(refused(node, (7, 0)).contains("no node 7"));
    assert!(matches!(
        cluster.tablets("ks", "absent"),
        Err(ControlError::NoTablets { .. })
    ));
    assert!(matches!(
        cluster.split_tablets("system", "local"),
        Err(ControlError::NoTablets { .. })
    ));
    cluster.kill_node(other).expect("it was up");
    assert!(refused(node, (other, 0)).contains("is down"));
}

/// Writes rising values to `keys` rows at `level` and reads each back, through two nodes in turn, while
/// `change` runs. Returns how many writes were acknowledged; each must be seen by the read after it.
pub(crate) fn under_load(
    cluster: &Cluster,
    level: Consistency,
    keys: i32,
    change: impl FnOnce(),
) -> i32 {
    let (is_over, count) = (AtomicBool::new(false), AtomicI32::new(0));
    thread::scope(|scope| {
        for key in 0..keys {
            let (is_over, count) = (&is_over, &count);
            scope.spawn(move || {
                let mut writer = Client::connect(cluster, key as usize % 2);
                let mut reader = Client::connect(cluster, (key as usize + 1) % 2);
                let insert = writer.prepare("INSERT INTO ks.kv (k, v) VALUES (?, ?)");
                let select = reader.prepare("SELECT v FROM ks.kv WHERE k = ?");
                let key = int(key);
                let mut value = 0;
                while !is_over.load(Ordering::Acquire) || value < 10 {
                    value += 1;
                    writer.execute(&insert.id, &[&key, &int(value)], level).ok();
                    let rows = reader.execute(&select.id, &[&key], level).rows();
                    assert_eq!(rows, [[Some(int(value).to_vec())]], "a write was lost");
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        change();
        is_over.store(true, Ordering::Release);
    });
    count.into_inner()
}

#[test]
fn no_acknowledged_write_is_lost_while_tablets_move_between_shards_and_nodes() {
    for (factor, level) in [(1, Consistency::One), (2, Consistency::Quorum)] {
        let cluster = start(config(3, 3));
        make_tablets(&cluster, factor, 4);
        let acknowledged = under_load(&cluster, level, 8, || {
            for _ in 0..3 {
                for tablet in tablets(&cluster) {
                    let places = places(&cluster, &tablet);
                    let (from, shard) = places[0];
                    let taken: BTreeSet<usize> = places.iter().map(|place| place.0).collect();
                    let free = (0..3).find(|node| !taken.contains(node)).expect("a node");
                    let migrate = |from, to| {
                        cluster
                            .migrate_tablet("ks", "kv", tablet.last(), from, to)
                            .expect("it moves");
                    };
                    // Within the node, then to another.
                    migrate(from, (from, (shard + 1) % 3));
                    migrate(from, (free, shard));
                    assert!(
                        self::places(&cluster, &tablet_at(&cluster, tablet.last()))
                            .contains(&(free, shard))
                    );
                }
                cluster.split_tablets("ks", "kv").expect("it splits");
            }
        });
        assert!(acknowledged >= 80);
        let mut client = Client::connect(&cluster, 2);
        let scan = client.query_at("SELECT k FROM ks.kv", level).rows();
        assert_eq!(scan.len(), 8, "each row once");
        // What has moved is not left behind: with one replica each partition is on one shard.
        assert_eq!(tablets(&cluster).len(), 32);
    }
}

fn tablet_at(cluster: &Cluster, token: Token) -> Tablet {
    let found = tablets(cluster).into_iter().find(|t| t.contains(token));
    found.expect("they hold all tokens")
}

#[test]
fn tablets_follow_nodes_that_join_and_leave_under_load() {
    let cluster = start(config(3, 2));
    make_tablets(&cluster, 2, 16);
    under_load(&cluster, Consistency::Quorum, 6, || {
        let added = cluster.add_node(NodePlan::default()).expect("it joins");
        let on_it = |node| {
            let all = tablets(&cluster);
            let has = |tablet: &&Tablet| places(&cluster, tablet).iter().any(|p| p.0 == node);
            all.iter().filter(has).count()
        };
        assert_eq!(on_it(added), 8, "a fourth of 32 replicas");
        cluster.remove_node(2).expect("it leaves");
        let nodes: BTreeSet<usize> = tablets(&cluster)
            .iter()
            .flat_map(|tablet| places(&cluster, tablet))
            .map(|place| place.0)
            .collect();
        assert_eq!(nodes, [0, 1, added].into());
        assert!(tablets(&cluster).iter().all(|t| t.replicas().len() == 2));
    });
}

#[test]
fn a_node_that_was_away_is_given_what_its_tablets_have_missed() {
    let cluster = start(config(2, 2));
    make_tablets(&cluster, 2, 4);
    cluster.kill_node(1).expect("it was up");
    let mut client = Client::connect(&cluster, 0);
    for k in 0..50 {
        client
            .query(&format!("INSERT INTO ks.kv (k, v) VALUES ({k}, {k})"))
            .ok();
    }
    cluster.start_node(1).expect("it starts");
    cluster.kill_node(0).expect("it was up");
    let mut client = Client::connect(&cluster, 1);
    assert_eq!(client.query("SELECT k FROM ks.kv").rows().len(), 50);
}

#[test]
fn conditional_statements_are_taken_unless_an_older_version_is_wanted() {
    let conditional = "INSERT INTO ks.kv (k, v) VALUES (1, 1) IF NOT EXISTS";
    let cluster = start(config(3, 2));
    make_tablets(&cluster, 3, 4);
    let mut client = Client::connect(&cluster, 0);
    client.query_at(conditional, Consistency::Quorum).ok();
    let rows = client
        .query_at("SELECT v FROM ks.kv WHERE k = 1", Consistency::Serial)
        .rows();
    assert_eq!(rows, [[Some(int(1).to_vec())]]);
    let old = start(ClusterConfig {
        lwt_with_tablets: false,
        ..config(1, 2)
    });
    make_tablets(&old, 1, 4);
    let error = Client::connect(&old, 0).query(conditional).error();
    assert!(error.message.contains("LWT is not yet supported"));
}

#[test]
fn lies_are_told_on_request() {
    let cluster = start(config(1, 3));
    make_tablets(&cluster, 1, 1);
    let truth = tablets(&cluster)[0].clone();
    let (host_id, shard) = truth.replicas()[0];
    let mut client = Client::connect_to_shard(&cluster, 0, shard);
    let select = client.prepare("SELECT v FROM ks.kv WHERE k = ?");
    let mut told = |lie| {
        let execute = Condition::Opcode(Opcode::Execute);
        let rule = cluster.add_rule(Rule::new(execute, Reaction::WrongTablet(lie)));
        client
            .execute(&select.id, &[&int(1)], Consistency::One)
            .ok();
        cluster.remove_rule(rule);
        client.payload.first().expect("a payload").1.clone()
    };
    let replicas = |value: &[u8]| payload::parse(value).expect("a tablet").replicas().to_vec();
    let next = told(TabletLie::NextShard);
    assert_eq!(replicas(&next), [(host_id, (shard + 1) % 3)]);
    let unknown = told(TabletLie::UnknownNodes);
    assert_ne!(replicas(&unknown)[0].0, host_id);
    assert_eq!(replicas(&told(TabletLie::NoReplicas)), []);
    assert!(payload::parse(&told(TabletLie::Garbage)).is_err());
    client
        .execute(&select.id, &[&int(1)], Consistency::One)
        .ok();
    assert_eq!(client.payload, [], "the right shard was met all the time");
}

#[test]
fn tablets_keep_their_shards_when_a_node_gets_more_of_them() {
    let cluster = start(config(2, 3));
    make_tablets(&cluster, 1, 8);
    let mut client = Client::connect(&cluster, 0);
    for k in 0..100 {
        client
            .query(&format!("INSERT INTO ks.kv (k, v) VALUES ({k}, {k})"))
            .ok();
    }
    let before = tablets(&cluster);
    cluster.kill_node(1).expect("it was up");
    let refused = cluster
        .start_node_with_shards(1, 2)
        .expect_err("a tablet would be homeless");
    assert!(refused.to_string().contains("tablets on shard 2"));
    cluster.start_node_with_shards(1, 5).expect("it starts");
    assert_eq!(tablets(&cluster), before);
    assert_eq!(client.query("SELECT k FROM ks.kv").rows().len(), 100);
}

#[test]
fn with_versions_only_an_old_one_is_corrected_wherever_it_arrives() {
    let cluster = start(ClusterConfig {
        tablets_routing: TabletsRouting::V2,
        ..config(3, 2)
    });
    make_tablets(&cluster, 3, 1);
    let mut client = Client::connect(&cluster, 0);
    let supported = client.supported.as_ref().expect("after the handshake");
    assert!(supported.tablets_routing_v1 && supported.tablets_routing_v2);
    assert_eq!(supported.host_id, Some(cluster.nodes()[0].host_id.0));
    let select = client.prepare("SELECT v FROM ks.kv WHERE k = ?");
    let mut shown = |block: u8| {
        client.block = block;
        client
            .execute(&select.id, &[&int(1)], Consistency::One)
            .ok();
        client.payload.clone()
    };
    // Of the sixteen values of a nibble one is right.
    let told: Vec<_> = (0..16).map(&mut shown).filter(|p| !p.is_empty()).collect();
    assert_eq!(told.len(), 15);
    let [(key, value)] = &told[0][..] else {
        panic!("{told:?}")
    };
    assert_eq!(key, payload::KEY_V2);
    let tablet = payload::parse_v2(value).expect("a tablet");
    let version = tablet.version().expect("a version");
    let leader = cluster.nodes()[0].host_id;
    assert_eq!(
        tablet.replicas()[0].0,
        leader,
        "the node that has been up longest leads"
    );
    assert_eq!(tablet.replicas().len(), 3);
    for index in 0..16 {
        assert_eq!(shown(version.block(index)), []);
    }
    // Another order, another version: it is enough that the leader has changed.
    cluster.kill_node(0).expect("it was up");
    let mut client = Client::connect(&cluster, 1);
    let select = client.prepare("SELECT v FROM ks.kv WHERE k = ?");
    let corrected = (0..16).any(|index| {
        client.block = version.block(index);
        client
            .execute(&select.id, &[&int(1)], Consistency::One)
            .ok();
        !client.payload.is_empty()
    });
    assert!(corrected);
    let tablet = payload::parse_v2(&client.payload[0].1).expect("a tablet");
    assert_eq!(tablet.replicas()[0].0, cluster.nodes()[1].host_id);
}
