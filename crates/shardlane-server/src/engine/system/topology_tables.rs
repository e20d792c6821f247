//! `system.local`, `system.peers` and the like: the cluster as the answering node sees it.

use super::rows::{Rows, bigint, inet, int, text, texts, uuid};
use super::{NodeInfo, Topology};
use crate::engine::schema::Schema;
use crate::engine::value::{collection, push_value};

/// What ScyllaDB says of itself to those who ask `system.versions`.
const SCYLLA_VERSION: &str = "6.2.0-shardlane";

/// Fills `rows` if `table` is one of these tables.
pub(super) fn fill(table: &str, schema: &Schema, topology: &Topology, rows: &mut Rows<'_>) {
    match table {
        "local" => local(schema, topology, rows),
        "peers" => {
            for peer in &topology.peers {
                self::peer(schema, topology, peer, rows);
            }
        }
        "versions" => rows.add(&[
            ("key", text("local")),
            ("build_id", text("embedded")),
            ("build_mode", text("release")),
            ("version", text(SCYLLA_VERSION)),
        ]),
        "tablets" => tablets(schema, topology, rows),
        _ => {}
    }
}

fn tokens(node: &NodeInfo) -> Option<Vec<u8>> {
    let mut tokens: Vec<String> = node.tokens.iter().map(ToString::to_string).collect();
    tokens.sort();
    texts(&tokens)
}

fn schema_version(schema: &Schema, node: &NodeInfo) -> Option<Vec<u8>> {
    uuid(&node.schema_version.unwrap_or_else(|| schema.version()))
}

fn local(schema: &Schema, topology: &Topology, rows: &mut Rows<'_>) {
    let node = &topology.local;
    rows.add(&[
        ("key", text("local")),
        ("bootstrapped", text("COMPLETED")),
        ("broadcast_address", inet(node.address)),
        ("cluster_name", text(&topology.cluster_name)),
        ("cql_version", text(topology.flavour.cql_version())),
        ("data_center", text(&node.datacenter)),
        ("gossip_generation", int(1)),
        ("host_id", uuid(&node.host_id)),
        ("listen_address", inet(node.address)),
        ("native_protocol_version", text("4")),
        ("partitioner", text(&topology.partitioner)),
        ("rack", text(&node.rack)),
        ("release_version", text(topology.flavour.release_version())),
        ("rpc_address", inet(node.address)),
        ("schema_version", schema_version(schema, node)),
        ("tokens", tokens(node)),
    ]);
}

fn peer(schema: &Schema, topology: &Topology, node: &NodeInfo, rows: &mut Rows<'_>) {
    rows.add(&[
        ("peer", inet(node.address)),
        ("data_center", text(&node.datacenter)),
        ("host_id", uuid(&node.host_id)),
        ("preferred_ip", inet(node.address)),
        ("rack", text(&node.rack)),
        ("release_version", text(topology.flavour.release_version())),
        ("rpc_address", inet(node.address)),
        ("schema_version", schema_version(schema, node)),
        ("tokens", tokens(node)),
    ]);
}

fn tablets(schema: &Schema, topology: &Topology, rows: &mut Rows<'_>) {
    for info in &topology.tablets {
        let Some(table) = schema.table_by_id(info.table) else { continue };
        for (last_token, replicas) in &info.tablets {
            let elements: Vec<Vec<u8>> = replicas
                .iter()
                .map(|(host_id, shard)| {
                    let mut tuple = Vec::new();
                    push_value(&mut tuple, Some(host_id));
                    push_value(&mut tuple, Some(&shard.to_be_bytes()));
                    tuple
                })
                .collect();
            rows.add(&[
                ("table_id", uuid(&info.table.0)),
                ("last_token", bigint(last_token.0)),
                ("keyspace_name", text(&table.keyspace)),
                ("table_name", text(&table.name)),
                ("tablet_count", int(i32::try_from(info.tablets.len()).unwrap_or(i32::MAX))),
                ("replicas", Some(collection(elements.len(), elements.iter().map(Vec::as_slice)))),
                ("stage", None),
                ("transition", None),
            ]);
        }
    }
}
