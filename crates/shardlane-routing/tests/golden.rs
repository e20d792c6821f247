//! 480 partition keys of a real ScyllaDB cluster: their tokens, and the nodes and shards that read
//! them.

use std::collections::BTreeMap;
use std::num::NonZeroU16;

use serde_json::Value;
use shardlane_routing::{
    HostId, ReplicaMap, ReplicationStrategy, Ring, RingNode, Sharder, Tablet, TabletMap, Token,
    murmur3_token,
};

struct Cluster {
    ring: Ring,
    /// By node index.
    addresses: Vec<String>,
    sharders: Vec<Sharder>,
    /// By keyspace and table.
    tablets: BTreeMap<(String, String), TabletMap>,
}

fn golden() -> Value {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/golden/routing.json"
    );
    serde_json::from_slice(&std::fs::read(path).expect("tests/golden/routing.json")).unwrap()
}

fn text(value: &Value, key: &str) -> String {
    value[key]
        .as_str()
        .unwrap_or_else(|| panic!("{key} in {value}"))
        .to_owned()
}

fn number(value: &Value, key: &str) -> i64 {
    value[key]
        .as_i64()
        .unwrap_or_else(|| panic!("{key} in {value}"))
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key]
        .as_array()
        .unwrap_or_else(|| panic!("{key} in {value}"))
}

fn unhex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "{text}");
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

/// Reads `[(UUID('...'), 1), ...]`, Python's notation, in which the data was written down.
fn replicas(text: &str) -> Vec<(HostId, u16)> {
    let entries = text.split("UUID('").skip(1);
    let replicas: Vec<_> = entries
        .map(|entry| {
            let (id, rest) = entry.split_once("'), ").unwrap();
            (
                id.parse().unwrap(),
                rest[..rest.find(')').unwrap()].parse().unwrap(),
            )
        })
        .collect();
    assert!(!replicas.is_empty(), "{text}");
    replicas
}

fn cluster(golden: &Value) -> Cluster {
    let nodes = list(golden, "nodes");
    let table = nodes
        .iter()
        .map(|node| RingNode {
            host_id: text(node, "host_id").parse().unwrap(),
            datacenter: "datacenter1".to_owned(),
            rack: "rack1".to_owned(),
        })
        .collect();
    let tokens = (0..).zip(nodes).flat_map(|(index, node)| {
        list(node, "tokens")
            .iter()
            .map(move |token| (Token(token.as_i64().unwrap()), index))
    });
    let sharders = nodes.iter().map(|node| {
        let shards = u16::try_from(number(node, "shards")).unwrap();
        let ignore_msb = u8::try_from(number(node, "ignore_msb")).unwrap();
        Sharder::new(NonZeroU16::new(shards).unwrap(), ignore_msb)
    });
    let mut tablets: BTreeMap<_, TabletMap> = BTreeMap::new();
    // The data names the last tokens only: each tablet begins where its table's previous one ended.
    for entry in list(golden, "tablets") {
        let map = tablets
            .entry((text(entry, "keyspace"), text(entry, "table")))
            .or_default();
        let first = map.iter().last().map_or(Token::MIN, Tablet::last);
        let last = Token(number(entry, "last_token"));
        let tablet = Tablet::new(first, last, replicas(&text(entry, "replicas"))).unwrap();
        assert!(map.insert(tablet));
    }
    Cluster {
        ring: Ring::new(table, tokens).unwrap(),
        addresses: nodes.iter().map(|node| text(node, "address")).collect(),
        sharders: sharders.collect(),
        tablets,
    }
}

#[test]
fn all_480_keys_go_to_the_real_token_node_and_shard() {
    let golden = golden();
    let cluster = cluster(&golden);
    let strategies = [
        ReplicationStrategy::Simple { rf: 1 },
        ReplicationStrategy::NetworkTopology {
            factors: [("datacenter1".to_owned(), 1)].into(),
        },
    ];
    let maps = strategies.map(|strategy| ReplicaMap::new(&cluster.ring, &strategy));
    let mut checked = BTreeMap::new();
    for entry in list(&golden, "keys") {
        let key = unhex(&text(entry, "routing_key"));
        let token = murmur3_token(&key);
        assert_eq!(token, Token(number(entry, "token")), "{entry}");

        let keyspace = text(entry, "keyspace");
        let (node, shard) = match keyspace.as_str() {
            "vn1" => {
                let [simple, network] = maps.each_ref().map(|map| map.replicas(token));
                assert_eq!(simple, network);
                let &[node] = simple else {
                    panic!("one replica: {simple:?}")
                };
                (node, cluster.sharders[node as usize].shard_of(token))
            }
            _ => {
                let map = &cluster.tablets[&(keyspace.clone(), text(entry, "table"))];
                let &[(host_id, shard)] = map.lookup(token).unwrap().replicas() else {
                    panic!("one replica: {entry}")
                };
                (cluster.ring.node_index(host_id).unwrap(), shard)
            }
        };
        assert_eq!(
            cluster.addresses[node as usize],
            text(entry, "owner"),
            "{entry}"
        );
        assert_eq!(i64::from(shard), number(entry, "shard"), "{entry}");
        *checked.entry(keyspace).or_insert(0) += 1;
    }
    assert_eq!(
        checked,
        [("tb1".to_owned(), 240), ("vn1".to_owned(), 240)].into()
    );
}

#[test]
fn the_tablets_of_each_table_cover_the_ring() {
    let cluster = cluster(&golden());
    assert!(!cluster.tablets.is_empty());
    for (table, map) in &cluster.tablets {
        assert_eq!(
            map.iter().last().map(Tablet::last),
            Some(Token::MAX),
            "{table:?}"
        );
        assert!(map.lookup(Token(i64::MIN + 1)).is_some(), "{table:?}");
    }
}
