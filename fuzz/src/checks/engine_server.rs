//! What a sound server says to an engine, roughly: enough for it to get ready and to work.

use std::net::{IpAddr, SocketAddr};

use shardlane_wire::error::ErrorBody;
use shardlane_wire::event::{StatusChangeKind, TopologyChangeKind};
use shardlane_wire::result::MetadataFlags;
use shardlane_wire::types::CqlType;
use shardlane_wire::{
    ColumnSpec, Consistency, Dialect, ErrorDetail, Event, Opcode, Prepared, Request, Response,
    ResultBody, Rows, RowsMetadata, SchemaChange, SchemaChangeKind, SchemaTarget, Version,
};

/// A message of a server.
pub(super) struct Said {
    pub(super) opcode: Opcode,
    pub(super) body: Vec<u8>,
}

fn said(response: &Response<'_>) -> Said {
    let mut body = Vec::new();
    response.encode(Dialect::V4, &mut body).expect("short");
    Said {
        opcode: response.opcode(),
        body,
    }
}

/// The answer of the server at `address`; `choice` says which of several.
pub(super) fn answer(address: SocketAddr, opcode: Opcode, body: &[u8], choice: u8) -> Said {
    match Request::decode(Version::V4, opcode, body).expect("a sound request") {
        Request::Options => {
            let shards = ["1", "2", "3"][usize::from(choice) % 3];
            let options = vec![
                ("CQL_VERSION", vec!["3.3.1"]),
                ("COMPRESSION", vec![]),
                ("SCYLLA_SHARD", vec!["0"]),
                ("SCYLLA_NR_SHARDS", vec![shards]),
                (
                    "SCYLLA_PARTITIONER",
                    vec!["org.apache.cassandra.dht.Murmur3Partitioner"],
                ),
                (
                    "SCYLLA_SHARDING_ALGORITHM",
                    vec!["biased-token-round-robin"],
                ),
                ("SCYLLA_SHARDING_IGNORE_MSB", vec!["12"]),
                ("SCYLLA_SHARD_AWARE_PORT", vec!["19042"]),
            ];
            let cut = if choice & 8 == 0 { options.len() } else { 2 };
            said(&Response::Supported(options[..cut].to_vec()))
        }
        Request::Startup(_) | Request::Register(_) => said(&Response::Ready),
        Request::Prepare(_) if choice & 3 != 3 => {
            said(&Response::Result(ResultBody::Prepared(Prepared {
                id: b"id",
                result_metadata_id: None,
                bind_flags: 4,
                bind_count: 0,
                pk_indexes: Vec::new(),
                raw_bind_columns: &[],
                result_metadata: RowsMetadata {
                    flags: 4,
                    ..RowsMetadata::default()
                },
            })))
        }
        Request::Query(query) if query.text.contains("system") => Said {
            opcode: Opcode::Result,
            body: system_table(address, query.text, choice),
        },
        Request::Query(query) if query.text.starts_with("USE") && choice & 7 != 7 => {
            said(&Response::Result(ResultBody::SetKeyspace("ks")))
        }
        _ => match choice % 8 {
            0 => said(&Response::Result(ResultBody::SchemaChange(change()))),
            1 => error(ErrorDetail::Overloaded),
            2 => error(ErrorDetail::IsBootstrapping),
            3 => error(ErrorDetail::Unprepared {
                id: Box::from(&b"id"[..]),
            }),
            4 => error(ErrorDetail::Unavailable {
                consistency: Consistency::One,
                required: 1,
                alive: 0,
            }),
            _ => said(&Response::Result(ResultBody::Void)),
        },
    }
}

fn error(detail: ErrorDetail) -> Said {
    said(&Response::Error(ErrorBody::new("by chance", detail)))
}

fn change() -> SchemaChange {
    SchemaChange {
        kind: SchemaChangeKind::Created,
        keyspace: "ks".into(),
        target: SchemaTarget::Keyspace,
    }
}

/// An event.
pub(super) fn event(choice: u8) -> Said {
    let address = SocketAddr::from(([10, 0, 0, choice % 4], 9042));
    said(&Response::Event(match choice % 5 {
        0 => Event::SchemaChange(change()),
        1 => Event::StatusChange {
            change: StatusChangeKind::Up,
            address,
        },
        2 => Event::StatusChange {
            change: StatusChangeKind::Down,
            address,
        },
        3 => Event::TopologyChange {
            change: TopologyChangeKind::New,
            address,
        },
        _ => Event::TopologyChange {
            change: TopologyChangeKind::Removed,
            address,
        },
    }))
}

/// One to three nodes, as `choice` says, of which the asked one is the first.
fn system_table(address: SocketAddr, query: &str, choice: u8) -> Vec<u8> {
    let IpAddr::V4(asked) = address.ip() else {
        unreachable!("only v4 here")
    };
    let columns = [
        "host_id",
        "data_center",
        "rack",
        "release_version",
        "tokens",
        "schema_version",
        "rpc_address",
        "partitioner",
    ];
    let node = |ip: [u8; 4]| -> Vec<Vec<u8>> {
        let token = (i64::from(ip[3]) << 60).to_string();
        let tokens = [
            &1i32.to_be_bytes()[..],
            &(token.len() as i32).to_be_bytes(),
            token.as_bytes(),
        ];
        vec![
            vec![ip[3]; 16],
            b"dc1".to_vec(),
            b"r1".to_vec(),
            b"3.0.8".to_vec(),
            tokens.concat(),
            vec![choice >> 6; 16],
            ip.to_vec(),
            b"org.apache.cassandra.dht.Murmur3Partitioner".to_vec(),
        ]
    };
    if query.contains("system.local") {
        rows(&columns, &[node(asked.octets())])
    } else if query.contains("system.peers") {
        let peers = (1..=choice % 4).map(|last| [10, 0, 0, last]);
        let peers = peers.filter(|ip| *ip != asked.octets()).map(node);
        rows(&columns, &peers.collect::<Vec<_>>())
    } else {
        rows(&["keyspace_name"], &[])
    }
}

fn rows(columns: &[&str], rows: &[Vec<Vec<u8>>]) -> Vec<u8> {
    let specs: Vec<ColumnSpec> = columns
        .iter()
        .map(|name| ColumnSpec {
            keyspace: "k".into(),
            table: "t".into(),
            name: (*name).into(),
            cql_type: CqlType::Blob,
        })
        .collect();
    let (mut raw_columns, mut cells) = (Vec::new(), Vec::new());
    shardlane_wire::result::encode_columns(&specs, true, &mut raw_columns).expect("short");
    for value in rows.iter().flatten() {
        cells.extend_from_slice(&(value.len() as i32).to_be_bytes());
        cells.extend_from_slice(value);
    }
    let mut body = Vec::new();
    ResultBody::Rows(Rows {
        metadata: RowsMetadata {
            flags: MetadataFlags::GLOBAL_TABLE_SPEC,
            column_count: columns.len() as u32,
            raw_columns: &raw_columns,
            ..RowsMetadata::default()
        },
        rows_count: rows.len() as u32,
        rows: &cells,
    })
    .encode(Version::V4, &mut body)
    .expect("short");
    body
}
