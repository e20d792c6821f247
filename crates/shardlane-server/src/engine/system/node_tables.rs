//! `system.*`: the cluster as the answering node sees it.

use super::builder::{TableBuilder, Value};
use super::topology::{Flavour, NodeInfo, Topology};
use crate::engine::schema::Schema;
use crate::engine::value::{collection, push_value};

/// Where nodes would talk to each other.
const STORAGE_PORT: i32 = 7000;

pub(super) fn fill(out: &mut TableBuilder<'_>, schema: &Schema, topology: &Topology) {
    match out.name() {
        "local" => local(out, schema, topology),
        "peers" | "peers_v2" => peers(out, schema, topology),
        "cluster_status" => cluster_status(out, topology),
        "versions" => out.row(&[
            ("key", "local".into()),
            ("version", "6.2.0".into()),
            ("build_mode", "release".into()),
            ("build_id", "embedded".into()),
        ]),
        "roles" => out.row(&[
            ("role", "cassandra".into()),
            ("can_login", true.into()),
            ("is_superuser", true.into()),
        ]),
        "tablets" => tablets(out, schema, topology),
        "client_routes" => client_routes(out, topology),
        "built_views" => {
            for keyspace in schema.keyspaces() {
                for view in keyspace.views.keys() {
                    out.row(&[
                        ("keyspace_name", (&*keyspace.name).into()),
                        ("view_name", (&**view).into()),
                    ]);
                }
            }
        }
        _ => {}
    }
}

fn tokens(node: &NodeInfo) -> Value {
    if node.tokens.is_empty() {
        return Value::NULL;
    }
    Value::strings(node.tokens.iter().map(ToString::to_string))
}

fn local(out: &mut TableBuilder<'_>, schema: &Schema, topology: &Topology) {
    let node = &topology.local;
    let native = if topology.flavour == Flavour::Scylla {
        "4"
    } else {
        "5"
    };
    out.row(&[
        ("key", "local".into()),
        ("bootstrapped", "COMPLETED".into()),
        ("broadcast_address", node.address.into()),
        ("cluster_name", topology.cluster_name.as_str().into()),
        ("cql_version", topology.flavour.cql_version().into()),
        ("data_center", node.datacenter.as_str().into()),
        ("gossip_generation", 1i32.into()),
        ("host_id", node.host_id.into()),
        ("listen_address", node.address.into()),
        ("native_protocol_version", native.into()),
        ("partitioner", topology.partitioner.as_str().into()),
        ("rack", node.rack.as_str().into()),
        ("release_version", topology.flavour.release_version().into()),
        ("rpc_address", node.address.into()),
        (
            "schema_version",
            node.schema_version
                .unwrap_or_else(|| schema.version())
                .into(),
        ),
        ("tokens", tokens(node)),
    ]);
}

fn peers(out: &mut TableBuilder<'_>, schema: &Schema, topology: &Topology) {
    for node in &topology.peers {
        out.row(&[
            ("peer", node.address.into()),
            ("data_center", node.datacenter.as_str().into()),
            ("host_id", node.host_id.into()),
            ("peer_port", STORAGE_PORT.into()),
            ("native_address", node.address.into()),
            ("native_port", i32::from(topology.port).into()),
            ("preferred_ip", node.address.into()),
            ("preferred_port", STORAGE_PORT.into()),
            ("rack", node.rack.as_str().into()),
            ("release_version", topology.flavour.release_version().into()),
            ("rpc_address", node.address.into()),
            (
                "schema_version",
                node.schema_version
                    .unwrap_or_else(|| schema.version())
                    .into(),
            ),
            ("tokens", tokens(node)),
        ]);
    }
}

fn cluster_status(out: &mut TableBuilder<'_>, topology: &Topology) {
    for node in std::iter::once(&topology.local).chain(&topology.peers) {
        out.row(&[
            ("peer", node.address.into()),
            ("dc", node.datacenter.as_str().into()),
            ("host_id", node.host_id.into()),
            ("status", "NORMAL".into()),
            ("tokens", (node.tokens.len() as i32).into()),
            ("up", node.up.into()),
        ]);
    }
}

fn client_routes(out: &mut TableBuilder<'_>, topology: &Topology) {
    for route in topology.client_routes.iter() {
        let port = |port: Option<u16>| port.map_or(Value::NULL, |port| i32::from(port).into());
        out.row(&[
            ("connection_id", route.connection_id.as_str().into()),
            ("host_id", route.host_id.into()),
            ("address", route.address.as_str().into()),
            ("port", port(Some(route.port))),
            ("tls_port", port(route.tls_port)),
        ]);
    }
}

fn tablets(out: &mut TableBuilder<'_>, schema: &Schema, topology: &Topology) {
    for info in &topology.tablets {
        let Some(table) = schema.table_by_id(info.table) else {
            continue;
        };
        for (last_token, replicas) in &info.tablets {
            let replicas: Vec<Vec<u8>> = replicas
                .iter()
                .map(|(host_id, shard)| {
                    let mut tuple = Vec::with_capacity(28);
                    push_value(&mut tuple, Some(host_id));
                    push_value(&mut tuple, Some(&shard.to_be_bytes()));
                    tuple
                })
                .collect();
            out.row(&[
                ("table_id", info.table.0.into()),
                ("last_token", last_token.0.into()),
                ("keyspace_name", (&*table.keyspace).into()),
                ("table_name", (&*table.name).into()),
                ("tablet_count", (info.tablets.len() as i32).into()),
                ("resize_seq_number", 0i64.into()),
                ("resize_type", "none".into()),
                (
                    "replicas",
                    Value::bytes(collection(
                        replicas.len(),
                        replicas.iter().map(Vec::as_slice),
                    )),
                ),
            ]);
        }
    }
}
