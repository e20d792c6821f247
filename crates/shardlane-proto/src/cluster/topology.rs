//! What a refresh has read: nodes, tokens, keyspaces, partition keys.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;

use shardlane_routing::{HostId, Tablet, Token, tablets::payload};
use shardlane_wire::{Rows, WireError};

use super::refresh::{Query, Scope};
use super::routes::RouteRow;
use super::rows::{SystemRow, for_each_row};

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

/// What `system.local` and the peers tell.
#[derive(Debug, Default)]
pub(crate) struct Topology {
    pub(crate) cluster_name: String,
    pub(crate) partitioner: String,
    /// The node that was asked comes first.
    pub(crate) nodes: Vec<NodeInfo>,
}

/// A keyspace as far as routing needs it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct KeyspaceInfo {
    pub(crate) replication: HashMap<String, String>,
    /// Each tablet has a leader, which is best asked for all but the weakest reads.
    pub(crate) has_leaders: bool,
    /// Partition key columns by table, in order.
    pub(crate) partition_keys: BTreeMap<String, Vec<String>>,
}

/// What one refresh brings. `scope` says of what it tells.
#[derive(Debug, Default)]
pub(crate) struct Update {
    pub(crate) scope: Scope,
    pub(crate) topology: Topology,
    pub(crate) keyspaces: BTreeMap<Box<str>, KeyspaceInfo>,
    pub(crate) tablets: Vec<TabletRow>,
    pub(crate) routes: Vec<RouteRow>,
    /// The connection leads through a proxy, whose address says nothing of where nodes are.
    pub(crate) is_routed: bool,
    strongly_consistent: Vec<String>,
    /// Key columns by keyspace and table, as they come.
    key_columns: BTreeMap<(Box<str>, String), KeyColumns>,
}

/// The port of nodes behind a proxy, where they do not tell it: nobody connects to it.
const UNTOLD_PORT: u16 = 9042;

/// A tablet as `system.tablets` has it: keyspace, table, where it ends, who has it.
pub(crate) type TabletRow = (String, String, Tablet);

/// Position and name of the columns of a partition key, not in order.
type KeyColumns = Vec<(i32, String)>;

impl Update {
    pub(crate) fn new(scope: Scope) -> Self {
        Self {
            scope,
            ..Self::default()
        }
    }

    /// Takes in a page of the answer to `query`, asked over a connection to `via`.
    pub(crate) fn absorb(
        &mut self,
        query: &Query,
        rows: &Rows<'_>,
        via: SocketAddr,
    ) -> Result<(), WireError> {
        let via = if self.is_routed {
            SocketAddr::new(via.ip(), UNTOLD_PORT)
        } else {
            via
        };
        let is_routed = self.is_routed;
        let topology = &mut self.topology;
        match query {
            Query::Local => for_each_row(rows, |row| {
                topology.cluster_name = row.text("cluster_name").unwrap_or_default();
                topology.partitioner = row.text("partitioner").unwrap_or_default();
                // The address that was reached, not the one the node believes in: it is known to work. But
                // a proxy's is none by which the node could be told from others.
                let own = row.inet("rpc_address").filter(|ip| !ip.is_unspecified());
                let own = own.or_else(|| row.inet("broadcast_address"));
                let address = match own.filter(|_| is_routed) {
                    Some(ip) => SocketAddr::new(ip, via.port()),
                    None => via,
                };
                if let Some(node) = node(row, address) {
                    topology.nodes.insert(0, node);
                }
            }),
            Query::Peers => for_each_row(rows, |row| {
                let rpc = row.inet("rpc_address").filter(|ip| !ip.is_unspecified());
                if let Some(ip) = rpc.or_else(|| row.inet("peer")) {
                    topology
                        .nodes
                        .extend(node(row, SocketAddr::new(ip, via.port())));
                }
            }),
            Query::PeersV2 => for_each_row(rows, |row| {
                let native = row.inet("native_address").filter(|ip| !ip.is_unspecified());
                let port = row.int("native_port").and_then(|p| u16::try_from(p).ok());
                let port = port.filter(|&p| p != 0).unwrap_or_else(|| via.port());
                if let Some(ip) = native.or_else(|| row.inet("peer")) {
                    topology.nodes.extend(node(row, SocketAddr::new(ip, port)));
                }
            }),
            Query::Keyspaces(_) => for_each_row(rows, |row| {
                if let (Some(keyspace), Some(options)) =
                    (row.text("keyspace_name"), row.text_map("replication"))
                {
                    let info = KeyspaceInfo {
                        replication: options,
                        ..KeyspaceInfo::default()
                    };
                    self.keyspaces.insert(keyspace.into(), info);
                }
            }),
            Query::Consistency(_) => for_each_row(rows, |row| {
                if row.text("consistency").as_deref() == Some("global") {
                    self.strongly_consistent.extend(row.text("keyspace_name"));
                }
            }),
            Query::Routes { .. } => for_each_row(rows, |row| self.routes.extend(route(row))),
            Query::Tablets => for_each_row(rows, |row| self.tablets.extend(tablet(row))),
            Query::PartitionKeys(_) => for_each_row(rows, |row| {
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
                self.key_columns
                    .entry((keyspace.into(), table))
                    .or_default()
                    .push((position, column));
            }),
        }
    }

    /// Everything has come: puts the parts together.
    pub(crate) fn complete(&mut self) {
        self.topology.drop_repeated_nodes();
        connect(&mut self.tablets);
        for name in &self.strongly_consistent {
            if let Some(info) = self.keyspaces.get_mut(name.as_str()) {
                info.has_leaders = true;
            }
        }
        for ((keyspace, table), mut columns) in std::mem::take(&mut self.key_columns) {
            columns.sort();
            if let Some(info) = self.keyspaces.get_mut(&keyspace) {
                let names = columns.into_iter().map(|(_, name)| name).collect();
                info.partition_keys.insert(table, names);
            }
        }
    }
}

impl Topology {
    /// Keeps the first entry of each host id: a node may be its own peer under a second address.
    pub(crate) fn drop_repeated_nodes(&mut self) {
        let mut seen = HashSet::new();
        self.nodes.retain(|node| seen.insert(node.host_id));
    }

    /// The schema version of all nodes that report one and that `counts` holds for; `None`: they differ.
    pub(crate) fn agreed_schema(&self, counts: impl Fn(HostId) -> bool) -> Option<Option<HostId>> {
        let mut versions = self
            .nodes
            .iter()
            .filter(|n| counts(n.host_id))
            .filter_map(|n| n.schema_version);
        let first = versions.next();
        versions.all(|v| Some(v) == first).then_some(first)
    }
}

/// `None` for rows that are not a usable node: no host id (half-joined). One without tokens holds no data.
fn node(row: &SystemRow<'_>, address: SocketAddr) -> Option<NodeInfo> {
    let tokens: Vec<Token> = row
        .texts("tokens")
        .unwrap_or_default()
        .iter()
        .filter_map(|t| t.parse().ok().map(Token))
        .collect();
    Some(NodeInfo {
        host_id: row.uuid("host_id")?,
        address,
        datacenter: row.text("data_center")?,
        rack: row.text("rack").unwrap_or_default(),
        release_version: row.text("release_version").unwrap_or_default(),
        tokens,
        schema_version: row.uuid("schema_version"),
    })
}

fn route(row: &SystemRow<'_>) -> Option<RouteRow> {
    let port = |column| {
        row.int(column)
            .and_then(|p| u16::try_from(p).ok())
            .filter(|&p| p != 0)
    };
    Some(RouteRow {
        connection_id: row.text("connection_id")?.into(),
        host_id: row.uuid("host_id")?,
        address: row.text("address"),
        port: port("port"),
        tls_port: port("tls_port"),
    })
}

/// `None` for rows without replicas of their own: tables whose tablets lie where another table's do.
fn tablet(row: &SystemRow<'_>) -> Option<TabletRow> {
    let replicas = payload::parse_replicas(row.blob("replicas")?).ok()?;
    let last = Token(row.bigint("last_token")?);
    let tablet = Tablet::new(Token::MIN, last, replicas).ok()?;
    Some((row.text("keyspace_name")?, row.text("table_name")?, tablet))
}

/// Rows tell where a tablet ends: it begins where the one before it does.
fn connect(rows: &mut [TabletRow]) {
    let mut before: Option<(String, String, Token)> = None;
    for (keyspace, table, tablet) in rows {
        let (here, last) = ((keyspace, table), tablet.last());
        if let Some((k, t, first)) = &before
            && (&*here.0, &*here.1) == (k, t)
            && let Ok(cut) = Tablet::new(*first, last, tablet.replicas().to_vec())
        {
            *tablet = cut;
        }
        before = Some((here.0.clone(), here.1.clone(), last));
    }
}
