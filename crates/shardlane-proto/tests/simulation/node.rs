//! A simulated node: what it is, how it places connections, and the tables it shows.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;
use std::time::Duration;

use shardlane_proto::Instant;
use shardlane_routing::HostId;
use shardlane_wire::result::MetadataFlags;
use shardlane_wire::types::CqlType;
use shardlane_wire::{
    ColumnSpec, ResultBody, Rows, RowsMetadata, ShardInfo, SupportedOptions, Version,
};

use crate::rng::Rng;

pub(crate) const PORT: u16 = 9042;
pub(crate) const SHARD_AWARE_PORT: u16 = 19042;
pub(crate) const IGNORE_MSB: u8 = 12;

/// What becomes of connections to the shard-aware port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ShardPort {
    Open,
    Refused,
    /// SYNs vanish.
    Dropped,
    /// Something rewrites source ports.
    Nat,
    NotAdvertised,
}

/// Which shard serves a connection to the normal port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placement {
    LeastLoaded,
    Random,
    Always(u16),
}

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) address: SocketAddr,
    pub(crate) host_id: HostId,
    /// 0: like Apache Cassandra.
    pub(crate) shards: u16,
    pub(crate) tokens: Vec<i64>,
    pub(crate) datacenter: &'static str,
    /// The address that the system tables tell; `None`: the real one.
    pub(crate) told: Option<Ipv4Addr>,
    /// The application does not want to connect to it.
    pub(crate) is_unwanted: bool,
    pub(crate) is_member: bool,
    pub(crate) is_alive: bool,
    /// While down: SYNs vanish instead of being refused.
    pub(crate) drops_syn: bool,
    pub(crate) silent_until: Instant,
    /// Until then nothing gets through between it and the client; what was sent arrives late.
    pub(crate) cut_off_until: Instant,
    /// On top of the usual latency, both ways.
    pub(crate) lag: Duration,
    pub(crate) shard_port: ShardPort,
    pub(crate) placement: Placement,
    pub(crate) prepared: BTreeSet<Vec<u8>>,
    pub(crate) schema_version: u64,
    /// Versions of other nodes that it still believes in, because news of later ones are on their way.
    pub(crate) outdated: BTreeMap<usize, u64>,
    /// Closes every connection when its handshake is over.
    pub(crate) closes_at_once: bool,
    /// What it answers to EXECUTE: bytes that follow the stream id, and then silence.
    pub(crate) bad_answer: Option<&'static [u8]>,
    /// Has `system.peers_v2`.
    pub(crate) has_peers_v2: bool,
    /// Cannot read its system tables.
    pub(crate) is_broken: bool,
    /// Connection attempts so far, local ports that were taken not counted.
    pub(crate) connects: u64,
}

impl Node {
    pub(crate) fn new(index: usize, shards: u16, rng: &mut Rng) -> Self {
        let ip = Ipv4Addr::new(10, 0, 0, index as u8 + 1);
        Self {
            address: SocketAddr::new(IpAddr::V4(ip), PORT),
            host_id: HostId([index as u8 + 1; 16]),
            shards,
            tokens: (0..8).map(|_| rng.next() as i64).collect(),
            datacenter: "dc1",
            told: None,
            is_unwanted: false,
            is_member: true,
            is_alive: true,
            drops_syn: false,
            silent_until: Instant(0),
            cut_off_until: Instant(0),
            lag: Duration::ZERO,
            shard_port: ShardPort::Open,
            placement: Placement::LeastLoaded,
            prepared: BTreeSet::new(),
            schema_version: 1,
            outdated: BTreeMap::new(),
            closes_at_once: false,
            bad_answer: None,
            // Old and new Cassandra nodes, as in the middle of an upgrade.
            has_peers_v2: shards == 0 && index.is_multiple_of(2),
            is_broken: false,
            connects: 0,
        }
    }

    pub(crate) fn is_reachable(&self) -> bool {
        self.is_member && self.is_alive
    }

    pub(crate) fn supported(&self, shard: u16) -> SupportedOptions {
        SupportedOptions {
            cql_versions: vec!["3.3.1".to_owned()],
            shard_info: NonZeroU16::new(self.shards).map(|nr_shards| ShardInfo {
                shard,
                nr_shards,
                ignore_msb: IGNORE_MSB,
            }),
            shard_aware_port: (self.shards > 0 && self.shard_port != ShardPort::NotAdvertised)
                .then_some(SHARD_AWARE_PORT),
            // Never to be used: nobody listens there.
            shard_aware_port_ssl: Some(29042),
            ..SupportedOptions::default()
        }
    }

    /// A row of `system.peers_v2`.
    fn row_v2(&self, known_version: u64) -> Vec<Vec<u8>> {
        let mut row = self.row(false, known_version);
        row.push(i32::from(self.address.port()).to_be_bytes().to_vec());
        row
    }

    /// `known_version`: its schema version, as far as the asked node knows.
    fn row(&self, is_local: bool, known_version: u64) -> Vec<Vec<u8>> {
        let IpAddr::V4(ip) = self.address.ip() else {
            unreachable!("simulated nodes have v4 addresses")
        };
        let mut version = [0; 16];
        version[8..].copy_from_slice(&known_version.to_be_bytes());
        let mut row = vec![
            self.host_id.0.to_vec(),
            self.datacenter.as_bytes().to_vec(),
            b"rack1".to_vec(),
            b"3.0.8".to_vec(),
            texts(&self.tokens.iter().map(i64::to_string).collect::<Vec<_>>()),
            version.to_vec(),
            self.told.unwrap_or(ip).octets().to_vec(),
        ];
        if is_local {
            row.push(b"simulated".to_vec());
            row.push(b"org.apache.cassandra.dht.Murmur3Partitioner".to_vec());
        }
        row
    }
}

const PEER_V2_COLUMNS: [&str; 8] = [
    "host_id",
    "data_center",
    "rack",
    "release_version",
    "tokens",
    "schema_version",
    "native_address",
    "native_port",
];

const NODE_COLUMNS: [&str; 9] = [
    "host_id",
    "data_center",
    "rack",
    "release_version",
    "tokens",
    "schema_version",
    "rpc_address",
    "cluster_name",
    "partitioner",
];

/// The answer to a query of a system table by `asked`; `None`: not one that it has.
pub(crate) fn system_table(query: &str, nodes: &[Node], asked: usize) -> Option<Vec<u8>> {
    let peer = |(index, node): &(usize, &Node)| *index != asked && node.is_member;
    let known = |index: usize| {
        let outdated = nodes[asked].outdated.get(&index);
        *outdated.unwrap_or(&nodes[index].schema_version)
    };
    if query.contains("system.local") {
        Some(rows(
            &NODE_COLUMNS,
            &[nodes[asked].row(true, nodes[asked].schema_version)],
        ))
    } else if query.contains("system.peers_v2") {
        let peers = nodes.iter().enumerate().filter(peer);
        let peers: Vec<_> = peers
            .map(|(index, node)| node.row_v2(known(index)))
            .collect();
        nodes[asked]
            .has_peers_v2
            .then(|| rows(&PEER_V2_COLUMNS, &peers))
    } else if query.contains("system.peers") {
        let peers = nodes.iter().enumerate().filter(peer);
        let peers: Vec<_> = peers
            .map(|(index, node)| node.row(false, known(index)))
            .collect();
        Some(rows(&NODE_COLUMNS[..7], &peers))
    } else if query.contains("system_schema.keyspaces") {
        let keyspace = |name: &str, factor: &str| {
            let options = ["class", "SimpleStrategy", "replication_factor", factor];
            let mut map = 2i32.to_be_bytes().to_vec();
            options
                .iter()
                .for_each(|text| cell(&mut map, text.as_bytes()));
            vec![name.as_bytes().to_vec(), map]
        };
        let wanted = query.split("keyspace_name = ").nth(1);
        let all = [("one", "1"), ("three", "3")];
        let found: Vec<_> = all
            .iter()
            .filter(|(name, _)| wanted.is_none_or(|w| w == format!("'{name}'")))
            .map(|(name, factor)| keyspace(name, factor))
            .collect();
        Some(rows(&["keyspace_name", "replication"], &found))
    } else {
        None
    }
}

/// The replicas of a token by SimpleStrategy, the naive way.
pub(crate) fn replicas(nodes: &[Node], token: i64, factor: usize) -> Vec<usize> {
    let mut ring: Vec<(i64, usize)> = Vec::new();
    for (index, node) in nodes.iter().enumerate().filter(|(_, n)| n.is_member) {
        ring.extend(node.tokens.iter().map(|&t| (t, index)));
    }
    ring.sort_unstable();
    let start = ring.iter().position(|&(t, _)| t >= token).unwrap_or(0);
    let mut found = Vec::new();
    for &(_, node) in ring[start..].iter().chain(&ring[..start]) {
        if found.len() < factor && !found.contains(&node) {
            found.push(node);
        }
    }
    found
}

/// The body of a RESULT of kind Rows.
pub(crate) fn rows(columns: &[&str], rows: &[Vec<Vec<u8>>]) -> Vec<u8> {
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
    rows.iter()
        .flatten()
        .for_each(|value| cell(&mut cells, value));
    let mut body = Vec::new();
    let rows = Rows {
        metadata: RowsMetadata {
            flags: MetadataFlags::GLOBAL_TABLE_SPEC,
            column_count: columns.len() as u32,
            raw_columns: &raw_columns,
            ..RowsMetadata::default()
        },
        rows_count: rows.len() as u32,
        rows: &cells,
    };
    ResultBody::Rows(rows)
        .encode(Version::V4, &mut body)
        .expect("short");
    body
}

fn texts(of: &[String]) -> Vec<u8> {
    let mut out = (of.len() as i32).to_be_bytes().to_vec();
    of.iter().for_each(|text| cell(&mut out, text.as_bytes()));
    out
}

fn cell(out: &mut Vec<u8>, value: &[u8]) {
    out.extend_from_slice(&(value.len() as i32).to_be_bytes());
    out.extend_from_slice(value);
}
