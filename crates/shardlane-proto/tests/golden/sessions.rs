//! The sessions, and what must be known after each.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use shardlane_proto::{PoolView, RequestSpec};
use shardlane_routing::tablets::payload;
use shardlane_routing::{HostId, Tablet, Token};
use shardlane_wire::event::{StatusChangeKind, TopologyChangeKind};
use shardlane_wire::request::Execute;
use shardlane_wire::{
    BoundValues, Consistency, Event, Opcode, QueryParams, Request, ResponseEnvelope, Version,
};

use crate::capture::{Step, load};
use crate::player::Player;
use crate::recording::Recording;

fn routing() -> Json {
    let path = [
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/golden/routing.json",
    ]
    .concat();
    serde_json::from_str(&std::fs::read_to_string(path).expect("routing.json")).expect("JSON")
}

fn text(json: &Json) -> &str {
    json.as_str().expect("a text")
}

/// Shards of each node that has a full pool: one connection to each of them.
fn covered(pools: &[PoolView]) -> BTreeMap<String, u16> {
    let is_full = |pool: &&PoolView| {
        let mut shards: Vec<_> = pool.connections.iter().filter_map(|c| c.shard).collect();
        shards.sort_unstable();
        pool.nr_shards
            .is_some_and(|nr| shards.into_iter().eq(0..nr))
    };
    let full = pools.iter().filter(is_full);
    full.map(|pool| (pool.address.to_string(), pool.nr_shards.unwrap_or(0)))
        .collect()
}

fn expect_covered(player: &Player, nodes: &[(&str, u16)]) {
    let expected: BTreeMap<String, u16> = nodes
        .iter()
        .map(|&(address, shards)| (address.to_owned(), shards))
        .collect();
    let pools = player.engine.pool_views(player.now);
    assert_eq!(covered(&pools), expected, "at {} s", player.seconds());
}

const THREE: [(&str, u16); 3] = [
    ("127.0.0.21:9042", 3),
    ("127.0.0.22:9042", 5),
    ("127.0.0.23:9042", 4),
];

/// The tablet in the custom payload of the answer.
fn told(step: &Step) -> Option<Tablet> {
    let Step::Ask {
        response: Some(response),
        ..
    } = step
    else {
        return None;
    };
    let envelope = ResponseEnvelope::decode(&response.header, &response.body).expect("sound");
    let entry = envelope
        .custom_payload
        .iter()
        .find(|e| e.0 == payload::KEY)?;
    Some(payload::parse(entry.1?).expect("a sound tablet"))
}

#[test]
fn every_key_goes_where_the_cluster_really_read_it() {
    let steps = load("routing");
    let mut player = Player::connected(&steps);
    expect_covered(&player, &THREE);
    for step in &steps {
        player.play(step);
    }
    let golden = routing();
    // Each tablet that was learned is in the cluster's own table, just so.
    let mut learned = 0;
    for table in ["ri", "rb", "rt", "ru", "rc", "rbl"] {
        for tablet in player.engine.tablets("tb1", table) {
            let last = tablet.last().0;
            let rows = golden["tablets"].as_array().expect("a list");
            let row = rows
                .iter()
                .find(|row| {
                    row["keyspace"] == "tb1" && row["table"] == table && row["last_token"] == last
                })
                .expect("the cluster has it");
            let replicas: Vec<String> = tablet
                .replicas()
                .iter()
                .map(|(host_id, shard)| format!("(UUID('{host_id}'), {shard})"))
                .collect();
            assert_eq!(text(&row["replicas"]), format!("[{}]", replicas.join(", ")));
            learned += 1;
        }
    }
    let payloads = steps.iter().filter_map(told).count();
    assert_eq!(learned, payloads, "each answer brought another one");
    // The statement is on each node by now: what is asked next goes straight to a shard.
    let keys = golden["keys"].as_array().expect("a list");
    assert_eq!(keys.len(), 480);
    let any = steps.iter().find_map(|step| match step {
        Step::Ask {
            request,
            response: Some(response),
        } if request.header.opcode == Opcode::Execute && response.header.flags == 0 => {
            Some(response)
        }
        _ => None,
    });
    let mut skipped = 0;
    for key in keys {
        let (keyspace, table) = (text(&key["keyspace"]), text(&key["table"]));
        let token = Token(key["token"].as_i64().expect("a token"));
        let tablets = player.engine.tablets(keyspace, table);
        if keyspace == "tb1" && !tablets.iter().any(|tablet| tablet.contains(token)) {
            // The driver chanced upon the right shard at once, and was told nothing.
            skipped += 1;
            continue;
        }
        let request = Request::Execute(Execute {
            tablet_block: None,
            id: b"some statement",
            result_metadata_id: None,
            params: QueryParams {
                values: BoundValues::positional(0, &[]),
                ..QueryParams::new(Consistency::One)
            },
        });
        let mut body = Vec::new();
        request.encode(Version::V4, &mut body).expect("short");
        let spec = RequestSpec {
            token: Some(token),
            table_keyspace: Some(keyspace.into()),
            table: Some(table.into()),
            ..RequestSpec::new(Opcode::Execute, body)
        };
        player.arrivals.clear();
        player.ask(spec, any.expect("an answer")).expect("answered");
        let owner = text(&key["owner"]).rsplit('.').next().expect("IPv4");
        let shard = key["shard"].as_u64().expect("a shard") as u16;
        assert_eq!(
            player.arrivals,
            [(owner.parse().expect("a number"), shard)],
            "{keyspace}.{table}, token {token}"
        );
    }
    assert!(
        skipped < 120,
        "{skipped} of 240 keys in tables with tablets"
    );
}

#[test]
fn nodes_come_and_go_and_tablets_follow_them() {
    let steps = load("events");
    let mut player = Player::connected(&steps);
    expect_covered(&player, &THREE);
    // What was told of each tablet, in order, without those of a node that has left since.
    let mut heard: Vec<(String, String, Tablet)> = Vec::new();
    let mut fourth: Option<HostId> = None;
    let (mut saw_three_of_four, mut saw_four) = (false, false);
    for step in &steps {
        player.play(step);
        if let Some(tablet) = told(step) {
            let Step::Ask { request, .. } = step else {
                continue;
            };
            let Request::Execute(execute) = request.request() else {
                continue;
            };
            let prepared = &player.recording.prepared[execute.id];
            heard.push((prepared.keyspace.clone(), prepared.table.clone(), tablet));
        }
        let Step::Event(event, _) = step else {
            continue;
        };
        match event {
            Event::StatusChange {
                change: StatusChangeKind::Down,
                address,
            } if address.to_string() == "127.0.0.23:9042" => {
                expect_covered(&player, &THREE[..2]);
                saw_three_of_four = true;
            }
            Event::StatusChange {
                change: StatusChangeKind::Up,
                address,
            } => {
                player.advance_to(player.seconds() + 8.0);
                if address.to_string() == "127.0.0.23:9042" {
                    expect_covered(&player, &THREE);
                } else {
                    let mut four = THREE.to_vec();
                    four.push(("127.0.0.24:9042", 2));
                    expect_covered(&player, &four);
                    saw_four = true;
                    let view = player.engine.cluster_view();
                    assert_eq!(view.nodes.len(), 4);
                    let new = view
                        .nodes
                        .iter()
                        .find(|n| n.address.to_string() == "127.0.0.24:9042");
                    fourth = new.map(|node| node.host_id);
                }
            }
            Event::TopologyChange {
                change: TopologyChangeKind::Removed,
                ..
            } => {
                player.advance_to(player.seconds() + 2.0);
                let gone = fourth.expect("it had joined");
                let has_left = |tablet: &Tablet| tablet.shard_on(gone).is_some();
                assert!(
                    heard.iter().any(|(_, _, tablet)| has_left(tablet)),
                    "it had tablets"
                );
                heard.retain(|(_, _, tablet)| !has_left(tablet));
                expect_covered(&player, &THREE);
                assert_eq!(player.engine.cluster_view().nodes.len(), 3);
            }
            _ => {}
        }
    }
    assert!(saw_three_of_four && saw_four);
    player.advance_to(player.seconds() + 5.0);
    expect_covered(&player, &THREE);
    let view = player.engine.cluster_view();
    let names: Vec<&str> = view.keyspaces.iter().map(|k| &*k.name).collect();
    for name in ["vn", "tb", "vn1", "tb1", "system"] {
        assert!(names.contains(&name), "{name} of {names:?}");
    }
    assert!(!names.contains(&"ss2"), "it was dropped");
    // Of each tablet that was told of, the last word counts.
    let mut compared = 0;
    for (keyspace, table, tablet) in &heard {
        let about = |entry: &&(String, String, Tablet)| {
            entry.0 == *keyspace && entry.1 == *table && entry.2.contains(tablet.last())
        };
        let (_, _, newest) = heard.iter().rfind(about).expect("itself at least");
        let known = player.engine.tablets(keyspace, table);
        let known = known.iter().find(|known| known.contains(tablet.last()));
        assert_eq!(known, Some(newest), "{keyspace}.{table}");
        compared += 1;
    }
    assert!(compared > 10, "{compared} tablets");
}

#[test]
fn a_node_that_says_it_is_another_one_gets_no_requests_until_it_is_itself() {
    let steps = load("routing");
    let golden = routing();
    let (other, own) = ([0xEE; 16], host_id_of(&golden, "127.0.0.23"));
    let mut recording = Recording::of(&steps);
    recording.rename(23, other);
    let mut player = Player::connected_to(recording, &steps);
    player.advance_to(10.0);
    expect_covered(&player, &THREE[..2]);
    let pools = player.engine.pool_views(player.now);
    let pool = pools
        .iter()
        .find(|pool| pool.address.to_string() == THREE[2].0);
    let pool = pool.expect("it is a member");
    assert!(pool.connections.is_empty());
    let why = pool.last_error.as_deref().expect("a reason");
    assert!(why.contains(&HostId(other).to_string()), "{why}");
    player.recording.rename(23, own);
    player.advance_to(player.seconds() + 30.0);
    expect_covered(&player, &THREE);
}

fn host_id_of(golden: &Json, address: &str) -> [u8; 16] {
    let nodes = golden["nodes"].as_array().expect("a list");
    let node = nodes.iter().find(|node| node["address"] == address);
    let digits: String = text(&node.expect("a node")["host_id"])
        .chars()
        .filter(|c| *c != '-')
        .collect();
    u128::from_str_radix(&digits, 16)
        .expect("a UUID")
        .to_be_bytes()
}
