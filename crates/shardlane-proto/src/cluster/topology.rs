//! What the control connection reads: nodes, tokens, keyspaces, partition keys.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;

use shardlane_routing::{HostId, Token};
use shardlane_wire::{Response, ResultBody, Rows};

use super::rows::{SystemRow, for_each_row};
use crate::error::ConnectionError;

/// The queries of one refresh, pipelined on the control connection. `SELECT *`, because servers differ in columns.
pub(crate) const QUERIES: [&str; 4] = [
    "SELECT * FROM system.local WHERE key = 'local'",
    "SELECT * FROM system.peers",
    "SELECT keyspace_name, replication FROM system_schema.keyspaces",
    "SELECT keyspace_name, table_name, column_name, kind, position FROM system_schema.columns",
];

/// A node as the system tables describe it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NodeInfo {
    pub(crate) host_id: HostId,
    pub(crate) address: SocketAddr,
    pub(crate) datacenter: String,
    pub(crate) rack: String,
    pub(crate) release_version: String,
    pub(crate) tokens: Vec<Token>,
    pub(crate) schema_version: Option<HostId>,
}

/// Everything that one refresh brings.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) cluster_name: String,
    pub(crate) partitioner: String,
    /// The node that was asked comes first.
    pub(crate) nodes: Vec<NodeInfo>,
    /// Replication options by keyspace.
    pub(crate) replication: BTreeMap<String, HashMap<String, String>>,
    /// Partition key columns by keyspace and table, in order.
    pub(crate) partition_keys: BTreeMap<(String, String), Vec<String>>,
}

impl Snapshot {
    /// Takes in the answer to `QUERIES[index]`, asked over a connection to `via`.
    pub(crate) fn absorb(
        &mut self,
        index: usize,
        response: &Response<'_>,
        via: SocketAddr,
    ) -> Result<(), ConnectionError> {
        let rows = match response {
            Response::Result(ResultBody::Rows(rows)) => rows,
            Response::Error(body) => {
                return Err(ConnectionError::Protocol(format!(
                    "the server refused \"{}\": {}",
                    QUERIES[index], body.message
                )));
            }
            other => {
                return Err(ConnectionError::Protocol(format!(
                    "{} as the answer to a query",
                    other.opcode()
                )));
            }
        };
        self.absorb_rows(index, rows, via)
            .map_err(|e| ConnectionError::Protocol(e.to_string()))
    }

    fn absorb_rows(
        &mut self,
        index: usize,
        rows: &Rows<'_>,
        via: SocketAddr,
    ) -> Result<(), shardlane_wire::WireError> {
        match index {
            0 => for_each_row(rows, |row| {
                self.cluster_name = row.text("cluster_name").unwrap_or_default();
                self.partitioner = row.text("partitioner").unwrap_or_default();
                // The address that was reached, not the one the node believes in: it is known to work.
                self.nodes.extend(node(row, via).into_iter().take(1));
                let last = self.nodes.len().saturating_sub(1);
                self.nodes.swap(0, last);
            }),
            1 => for_each_row(rows, |row| {
                let rpc = row.inet("rpc_address").filter(|ip| !ip.is_unspecified());
                if let Some(ip) = rpc.or_else(|| row.inet("peer")) {
                    self.nodes
                        .extend(node(row, SocketAddr::new(ip, via.port())));
                }
            }),
            2 => for_each_row(rows, |row| {
                if let (Some(keyspace), Some(options)) =
                    (row.text("keyspace_name"), row.text_map("replication"))
                {
                    self.replication.insert(keyspace, options);
                }
            }),
            _ => {
                let mut keys: BTreeMap<(String, String), Vec<(i32, String)>> = BTreeMap::new();
                for_each_row(rows, |row| {
                    if row.text("kind").as_deref() != Some("partition_key") {
                        return;
                    }
                    let (Some(keyspace), Some(table)) =
                        (row.text("keyspace_name"), row.text("table_name"))
                    else {
                        return;
                    };
                    let column = row.text("column_name").unwrap_or_default();
                    let position = row.int("position").unwrap_or_default();
                    keys.entry((keyspace, table))
                        .or_default()
                        .push((position, column));
                })?;
                for (table, mut columns) in keys {
                    columns.sort();
                    self.partition_keys
                        .insert(table, columns.into_iter().map(|(_, name)| name).collect());
                }
                Ok(())
            }
        }
    }

    /// Keeps the first entry of each host id: a node may be its own peer under a second address.
    pub(crate) fn drop_repeated_nodes(&mut self) {
        let mut seen = HashSet::new();
        self.nodes.retain(|node| seen.insert(node.host_id));
    }

    /// Whether all nodes that say so, and that `counts` holds for, report one schema version.
    pub(crate) fn schema_agrees(&self, counts: impl Fn(HostId) -> bool) -> bool {
        let mut versions = self
            .nodes
            .iter()
            .filter(|n| counts(n.host_id))
            .filter_map(|n| n.schema_version);
        let first = versions.next();
        versions.all(|v| Some(v) == first)
    }
}

/// `None` for rows that are not a usable node: no host id (half-joined), or no tokens (zero-token nodes
/// hold no data).
fn node(row: &SystemRow<'_>, address: SocketAddr) -> Option<NodeInfo> {
    let tokens: Vec<Token> = row
        .texts("tokens")?
        .iter()
        .filter_map(|t| t.parse().ok().map(Token))
        .collect();
    Some(NodeInfo {
        host_id: row.uuid("host_id")?,
        address,
        datacenter: row.text("data_center")?,
        rack: row.text("rack").unwrap_or_default(),
        release_version: row.text("release_version").unwrap_or_default(),
        tokens: if tokens.is_empty() {
            return None;
        } else {
            tokens
        },
        schema_version: row.uuid("schema_version"),
    })
}
