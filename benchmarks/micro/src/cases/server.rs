//! The server's side of a cluster: enough for an engine to connect to all shards and to get answers.

use std::net::{IpAddr, SocketAddr};

use shardlane_routing::Token;
use shardlane_wire::result::{MetadataFlags, encode_columns};
use shardlane_wire::types::CqlType;
use shardlane_wire::{
    ColumnSpec, FrameHeader, Opcode, Request, Response, ResultBody, Rows, RowsMetadata, Version,
};

use super::random::Random;

/// The keyspace whose replication places tokens: three replicas of each.
pub(super) const KEYSPACE: &str = "ks";
/// Its table.
pub(super) const TABLE: &str = "t";
/// The port of clients that do not care for shards.
pub(super) const PORT: u16 = 9042;
const SHARD_AWARE_PORT: &str = "19042";
/// As ScyllaDB's default `num_tokens`.
const TOKENS_PER_NODE: usize = 256;

/// Tokens of so many nodes.
pub(super) fn tokens(nodes: u8) -> Vec<Vec<Token>> {
    let mut random = Random::new(7);
    let mut of_node = |_| {
        let tokens = (0..TOKENS_PER_NODE).map(|_| Token(random.next() as i64));
        tokens.collect()
    };
    (0..nodes).map(&mut of_node).collect()
}

/// The nodes of a cluster, all of them alike.
pub(super) struct Servers {
    pub(super) shards: u16,
    /// The highest that they speak.
    pub(super) version: Version,
    /// Of the table "t", each with three replicas; none if that has no tablets.
    pub(super) tablets: u32,
    /// By node, the first being 10.0.0.1.
    pub(super) tokens: Vec<Vec<Token>>,
}

impl Servers {
    /// The address of a node.
    pub(super) fn address(node: u8) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, node + 1], PORT))
    }

    /// The frame that answers `body` on a connection to `address`, from `local_port`.
    pub(super) fn answer(
        &self,
        address: SocketAddr,
        local_port: u16,
        header: FrameHeader,
        body: &[u8],
    ) -> Vec<u8> {
        let FrameHeader {
            version, stream, ..
        } = header;
        let request = Request::decode(version, header.opcode, body).expect("a sound request");
        let response = match request {
            Request::Options => {
                let shard = (local_port % self.shards).to_string();
                let options = self.options(&shard);
                let options = options.iter().map(|(name, value)| (*name, vec![&**value]));
                return message(version, stream, &Response::Supported(options.collect()));
            }
            Request::Startup(_) | Request::Register(_) => Response::Ready,
            Request::Query(query) => {
                let body = self.system_table(address, query.text);
                return frame(version, stream, Opcode::Result, &body);
            }
            other => unreachable!("{other:?} while connecting"),
        };
        message(version, stream, &response)
    }

    fn options(&self, shard: &str) -> Vec<(&'static str, String)> {
        let version = self.version.number();
        let options = [
            ("CQL_VERSION", "3.3.1"),
            ("PROTOCOL_VERSIONS", &format!("{version}/v{version}")),
            ("SCYLLA_SHARD", shard),
            ("SCYLLA_NR_SHARDS", &self.shards.to_string()),
            (
                "SCYLLA_PARTITIONER",
                "org.apache.cassandra.dht.Murmur3Partitioner",
            ),
            ("SCYLLA_SHARDING_ALGORITHM", "biased-token-round-robin"),
            ("SCYLLA_SHARDING_IGNORE_MSB", "12"),
            ("SCYLLA_SHARD_AWARE_PORT", SHARD_AWARE_PORT),
        ];
        options.map(|(name, value)| (name, value.to_owned())).into()
    }

    fn system_table(&self, asked: SocketAddr, query: &str) -> Vec<u8> {
        let IpAddr::V4(asked) = asked.ip() else {
            unreachable!("all nodes have v4 addresses")
        };
        let asked = asked.octets()[3] - 1;
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
        if query.contains("system.local") {
            rows(&columns, &[self.node(asked)])
        } else if query.contains("system.peers") {
            let peers = (0..self.tokens.len() as u8).filter(|&node| node != asked);
            rows(&columns, &peers.map(|n| self.node(n)).collect::<Vec<_>>())
        } else if query.contains("system_schema.keyspaces") {
            let options = ["class", "SimpleStrategy", "replication_factor", "3"];
            let mut map = 2i32.to_be_bytes().to_vec();
            options
                .iter()
                .for_each(|text| cell(&mut map, text.as_bytes()));
            rows(
                &["keyspace_name", "replication"],
                &[vec![KEYSPACE.as_bytes().to_vec(), map]],
            )
        } else if query.contains("system.tablets") {
            let columns = ["keyspace_name", "table_name", "last_token", "replicas"];
            let tablets = (0..self.tablets).map(|at| self.tablet(at));
            rows(&columns, &tablets.collect::<Vec<_>>())
        } else {
            rows(&["keyspace_name"], &[])
        }
    }

    fn tablet(&self, at: u32) -> Vec<Vec<u8>> {
        let nodes = self.tokens.len() as u32;
        let size = u64::MAX / u64::from(self.tablets);
        let last = i64::MIN.wrapping_add_unsigned(size * u64::from(at + 1));
        let mut replicas = 3i32.to_be_bytes().to_vec();
        for n in 0..3 {
            let (node, shard) = ((at + n) % nodes, at % u32::from(self.shards));
            let mut replica = Vec::new();
            cell(&mut replica, &[node as u8 + 1; 16]);
            cell(&mut replica, &shard.to_be_bytes());
            cell(&mut replicas, &replica);
        }
        vec![
            KEYSPACE.as_bytes().to_vec(),
            TABLE.as_bytes().to_vec(),
            last.to_be_bytes().to_vec(),
            replicas,
        ]
    }

    fn node(&self, node: u8) -> Vec<Vec<u8>> {
        let tokens = &self.tokens[usize::from(node)];
        let mut set = (tokens.len() as i32).to_be_bytes().to_vec();
        for token in tokens {
            cell(&mut set, token.0.to_string().as_bytes());
        }
        vec![
            vec![node + 1; 16],
            b"dc1".to_vec(),
            b"r1".to_vec(),
            b"3.0.8".to_vec(),
            set,
            vec![9; 16],
            vec![10, 0, 0, node + 1],
            b"org.apache.cassandra.dht.Murmur3Partitioner".to_vec(),
        ]
    }
}

fn message(version: Version, stream: i16, response: &Response<'_>) -> Vec<u8> {
    let mut body = Vec::new();
    response.encode(version, &mut body).expect("short");
    frame(version, stream, response.opcode(), &body)
}

/// A response with this body.
pub(super) fn frame(version: Version, stream: i16, opcode: Opcode, body: &[u8]) -> Vec<u8> {
    let mut header = FrameHeader::response(version, stream, opcode);
    header.length = body.len() as u32;
    [&header.encode()[..], body].concat()
}

/// The body of a RESULT of kind Rows, with metadata, all columns being blobs.
fn rows(columns: &[&str], rows: &[Vec<Vec<u8>>]) -> Vec<u8> {
    let specs: Vec<ColumnSpec> = columns
        .iter()
        .map(|name| ColumnSpec {
            keyspace: "system".into(),
            table: "t".into(),
            name: (*name).into(),
            cql_type: CqlType::Blob,
        })
        .collect();
    let (mut raw_columns, mut cells) = (Vec::new(), Vec::new());
    encode_columns(&specs, true, &mut raw_columns).expect("short");
    for value in rows.iter().flatten() {
        cell(&mut cells, value);
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

/// Appends a \[value\].
pub(super) fn cell(out: &mut Vec<u8>, value: &[u8]) {
    out.extend_from_slice(&(value.len() as i32).to_be_bytes());
    out.extend_from_slice(value);
}
