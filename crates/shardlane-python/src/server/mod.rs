//! The embedded cluster as Python sees it: `shardlane._core.Server`.

mod faults;
mod tls;

use std::net::Ipv4Addr;
use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use shardlane_routing::Token;
use shardlane_server::{
    Authenticator, ClientRoute, Cluster, ClusterConfig, Credentials, NodePlan, PortFault, PortKind,
    RuleId, ShardAssignment, ShardStats, Shards, StartError, TabletsRouting,
};

/// Adds the class to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Server>()
}

/// Shards per node: one number, or one for each.
#[derive(FromPyObject)]
enum ShardsArg {
    Same(usize),
    PerNode(Vec<usize>),
}

/// A row of `system.client_routes`, with the number of a node instead of its host id.
type RouteArg = (String, usize, String, u16, Option<u16>);

/// The embedded cluster.
#[pyclass(frozen, module = "shardlane._core")]
struct Server {
    cluster: Cluster,
    nodes_at_start: usize,
    stopped: Mutex<bool>,
}

#[pymethods]
impl Server {
    #[new]
    #[pyo3(signature = (
        *, nodes=3, shards=ShardsArg::Same(4), port=0, shard_aware_port=Some(0), datacenters=None, racks=1,
        vnodes=16, first_address="127.0.0.1", random_shard=false, users=Vec::new(), authenticator="plain", seed=0,
        tablets_routing="v1", lwt_with_tablets=true, tls=None
    ))]
    #[allow(clippy::too_many_arguments)] // keyword arguments, in Python
    fn new(
        py: Python<'_>,
        nodes: usize,
        shards: ShardsArg,
        port: u16,
        shard_aware_port: Option<u16>,
        datacenters: Option<Vec<usize>>,
        racks: usize,
        vnodes: usize,
        first_address: &str,
        random_shard: bool,
        users: Vec<(String, String)>,
        authenticator: &str,
        seed: u64,
        tablets_routing: &str,
        lwt_with_tablets: bool,
        tls: Option<tls::TlsArg>,
    ) -> PyResult<Self> {
        let first_address: Ipv4Addr = first_address.parse().map_err(|_| {
            PyValueError::new_err(format!(
                "first_address={first_address:?} is not an IPv4 address"
            ))
        })?;
        let config = ClusterConfig {
            nodes,
            shards: match shards {
                ShardsArg::Same(count) => Shards::Same(count),
                ShardsArg::PerNode(counts) => Shards::PerNode(counts),
            },
            first_address,
            port,
            shard_aware_port,
            vnodes,
            layout: layout(nodes, datacenters.as_deref(), racks)?,
            seed,
            assignment: if random_shard {
                ShardAssignment::Random
            } else {
                ShardAssignment::LeastLoaded
            },
            users: credentials(users),
            authenticator: match authenticator {
                "plain" => Authenticator::Plain,
                "challenge" => Authenticator::Challenge,
                other => {
                    let message = format!("authenticator={other:?}: give 'plain' or 'challenge'");
                    return Err(PyValueError::new_err(message));
                }
            },
            tablets_routing: routing(tablets_routing)?,
            lwt_with_tablets,
            tls: tls.map(tls::TlsArg::into_config).transpose()?,
            ..ClusterConfig::default()
        };
        let cluster = py.detach(|| Cluster::start(config)).map_err(|e| match &e {
            StartError::Config(_) => PyValueError::new_err(e.to_string()),
            _ => PyOSError::new_err(e.to_string()),
        })?;
        Ok(Self {
            cluster,
            nodes_at_start: nodes,
            stopped: Mutex::new(false),
        })
    }

    #[getter]
    fn addresses(&self, py: Python<'_>) -> Vec<String> {
        py.detach(|| {
            self.cluster
                .nodes()
                .iter()
                .map(|n| n.address.to_string())
                .collect()
        })
    }

    #[getter]
    fn port(&self) -> u16 {
        self.cluster.port()
    }

    #[getter]
    fn shard_aware_port(&self) -> Option<u16> {
        self.cluster.shard_aware_port()
    }

    #[getter]
    fn tls_port(&self) -> Option<u16> {
        self.cluster.tls_port()
    }

    #[getter]
    fn tls_shard_aware_port(&self) -> Option<u16> {
        self.cluster.tls_shard_aware_port()
    }

    #[getter]
    fn ca_pem(&self) -> Option<String> {
        self.cluster.ca_pem()
    }

    /// A client's certificate and key.
    #[getter]
    fn client_pem(&self) -> Option<(String, String)> {
        self.cluster.client_pem()
    }

    fn stop(&self, py: Python<'_>) {
        *self.stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        py.detach(|| self.cluster.stop());
    }

    fn stop_node(&self, py: Python<'_>, node: usize) -> PyResult<()> {
        py.detach(|| self.cluster.stop_node(node)).map_err(refused)
    }

    fn kill_node(&self, py: Python<'_>, node: usize) -> PyResult<()> {
        py.detach(|| self.cluster.kill_node(node)).map_err(refused)
    }

    #[pyo3(signature = (node, shards=None))]
    fn start_node(&self, py: Python<'_>, node: usize, shards: Option<usize>) -> PyResult<()> {
        py.detach(|| match shards {
            Some(shards) => self.cluster.start_node_with_shards(node, shards),
            None => self.cluster.start_node(node),
        })
        .map_err(refused)
    }

    fn pause_node(&self, py: Python<'_>, node: usize) -> PyResult<()> {
        py.detach(|| self.cluster.pause_node(node)).map_err(refused)
    }

    fn resume_node(&self, py: Python<'_>, node: usize) -> PyResult<()> {
        py.detach(|| self.cluster.resume_node(node))
            .map_err(refused)
    }

    #[pyo3(signature = (shards=None, vnodes=None))]
    fn add_node(
        &self,
        py: Python<'_>,
        shards: Option<usize>,
        vnodes: Option<usize>,
    ) -> PyResult<usize> {
        let plan = NodePlan {
            shards,
            vnodes,
            ..NodePlan::default()
        };
        py.detach(|| self.cluster.add_node(plan)).map_err(refused)
    }

    fn remove_node(&self, py: Python<'_>, node: usize) -> PyResult<()> {
        py.detach(|| self.cluster.remove_node(node))
            .map_err(refused)
    }

    #[pyo3(signature = (node=None))]
    fn forget_prepared(&self, py: Python<'_>, node: Option<usize>) -> PyResult<usize> {
        py.detach(|| self.cluster.forget_prepared(node))
            .map_err(refused)
    }

    /// First and last token of each tablet, and its replicas as pairs of node and shard.
    #[allow(clippy::type_complexity)] // a list of tuples, in Python
    fn tablets(
        &self,
        py: Python<'_>,
        keyspace: &str,
        table: &str,
    ) -> PyResult<Vec<(i64, i64, Vec<(usize, u16)>)>> {
        let (tablets, nodes) = py.detach(|| {
            let tablets = self.cluster.tablets(keyspace, table).map_err(refused)?;
            PyResult::Ok((tablets, self.cluster.nodes()))
        })?;
        let place = |&(host_id, shard)| {
            let node = nodes.iter().find(|node| node.host_id == host_id)?;
            Some((node.index, shard))
        };
        let described = tablets.iter().map(|tablet| {
            let replicas = tablet.replicas().iter().filter_map(place).collect();
            (tablet.first().0, tablet.last().0, replicas)
        });
        Ok(described.collect())
    }

    fn migrate_tablet(
        &self,
        py: Python<'_>,
        keyspace: &str,
        table: &str,
        token: i64,
        source: usize,
        target: (usize, u16),
    ) -> PyResult<()> {
        py.detach(|| {
            self.cluster
                .migrate_tablet(keyspace, table, Token(token), source, target)
        })
        .map_err(refused)
    }

    fn split_tablets(&self, py: Python<'_>, keyspace: &str, table: &str) -> PyResult<usize> {
        py.detach(|| self.cluster.split_tablets(keyspace, table))
            .map_err(refused)
    }

    fn set_shard_aware_port(&self, py: Python<'_>, node: usize, state: &str) -> PyResult<()> {
        let fault = match state {
            "open" => PortFault::None,
            "refused" => PortFault::Refused,
            "dropped" => PortFault::Dropped,
            "silent" => PortFault::Silent,
            "nat" => PortFault::Nat,
            other => {
                let message =
                    format!("{other:?}: give 'open', 'refused', 'dropped', 'silent' or 'nat'");
                return Err(PyValueError::new_err(message));
            }
        };
        py.detach(|| {
            self.cluster
                .set_port_fault(node, PortKind::ShardAware, fault)
        })
        .map_err(refused)
    }

    fn add_fault(
        &self,
        condition: &Bound<'_, PyDict>,
        reaction: &Bound<'_, PyDict>,
    ) -> PyResult<u64> {
        Ok(self.cluster.add_rule(faults::rule(condition, reaction)?).0)
    }

    fn fault_hits(&self, rule: u64) -> PyResult<u64> {
        self.cluster
            .rule_hits(RuleId(rule))
            .ok_or_else(|| PyValueError::new_err(format!("there is no fault {rule}")))
    }

    fn remove_fault(&self, rule: u64) -> PyResult<()> {
        if self.cluster.remove_rule(RuleId(rule)) {
            Ok(())
        } else {
            Err(PyValueError::new_err(format!("there is no fault {rule}")))
        }
    }

    /// Rows as connection id, number of the node, address, port, TLS port.
    fn set_client_routes(&self, py: Python<'_>, routes: Vec<RouteArg>) -> PyResult<()> {
        py.detach(|| {
            let nodes = self.cluster.nodes();
            let row = |(connection_id, index, address, port, tls_port): RouteArg| {
                let node = nodes.iter().find(|node| node.index == index);
                let node = node.ok_or(shardlane_server::ControlError::NoSuchNode(index))?;
                Ok(ClientRoute {
                    connection_id,
                    host_id: node.host_id.0,
                    address,
                    port,
                    tls_port,
                })
            };
            let rows: Result<Vec<_>, _> = routes.into_iter().map(row).collect();
            rows.and_then(|rows| self.cluster.set_client_routes(rows))
        })
        .map_err(refused)
    }

    fn set_users(&self, users: Vec<(String, String)>) {
        self.cluster.set_users(credentials(users));
    }

    fn clear_faults(&self) {
        self.cluster.clear_rules();
    }

    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let (stats, infos) = py.detach(|| (self.cluster.stats(), self.cluster.nodes()));
        let nodes = PyList::empty(py);
        for node in &stats.nodes {
            let info = PyDict::new(py);
            let known = infos.iter().find(|n| n.index == node.index);
            info.set_item("node", node.index)?;
            info.set_item("address", node.address.to_string())?;
            info.set_item("host_id", node.host_id.to_string())?;
            info.set_item("state", known.map(|n| n.state.to_string()))?;
            info.set_item(
                "alive",
                known.is_some_and(|n| n.state == shardlane_server::NodeState::Up),
            )?;
            let shards = PyList::empty(py);
            for (shard, counters) in node.shards.iter().enumerate() {
                shards.append(describe(py, shard, counters)?)?;
            }
            info.set_item("shards", shards)?;
            nodes.append(info)?;
        }
        let all = PyDict::new(py);
        all.set_item("nodes", nodes)?;
        Ok(all)
    }

    fn reset_stats(&self, py: Python<'_>) {
        py.detach(|| self.cluster.reset_stats());
    }

    fn __repr__(&self) -> String {
        let stopped = *self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        let state = if stopped { "stopped" } else { "running" };
        format!(
            "<Server {state}, started with {} nodes, port {}>",
            self.nodes_at_start,
            self.cluster.port()
        )
    }
}

fn credentials(users: Vec<(String, String)>) -> Vec<Credentials> {
    users
        .into_iter()
        .map(|(user, password)| Credentials { user, password })
        .collect()
}

fn describe<'py>(
    py: Python<'py>,
    shard: usize,
    stats: &ShardStats,
) -> PyResult<Bound<'py, PyDict>> {
    let info = PyDict::new(py);
    let all = stats.connections();
    for (key, value) in [
        ("shard", shard as u64),
        ("requests", stats.requests),
        ("right_shard", stats.right_shard),
        ("wrong_shard", stats.wrong_shard),
        ("wrong_node", stats.wrong_node),
        ("forwarded", stats.forwarded),
        ("operations", stats.operations),
        ("errors", stats.errors),
        ("connections", all.current),
        ("connections_opened", all.opened),
        ("connections_closed", all.closed),
        ("shard_aware_connections", stats.shard_aware_port.current),
        (
            "shard_aware_connections_opened",
            stats.shard_aware_port.opened,
        ),
        ("tls_connections", stats.tls_port.current),
        ("tls_connections_opened", stats.tls_port.opened),
        (
            "tls_shard_aware_connections",
            stats.tls_shard_aware_port.current,
        ),
        (
            "tls_shard_aware_connections_opened",
            stats.tls_shard_aware_port.opened,
        ),
        ("tls_handshakes", stats.tls_handshakes),
        ("tls_resumed", stats.tls_resumed),
    ] {
        info.set_item(key, value)?;
    }
    Ok(info)
}

fn routing(given: &str) -> PyResult<TabletsRouting> {
    match given {
        "off" => Ok(TabletsRouting::Off),
        "v1" => Ok(TabletsRouting::V1),
        "v2" => Ok(TabletsRouting::V2),
        other => Err(PyValueError::new_err(format!(
            "tablets_routing={other:?}: give 'off', 'v1' or 'v2'"
        ))),
    }
}

/// Datacenter and rack of each node: `datacenters` gives the number of nodes in each, racks go round.
fn layout(
    nodes: usize,
    datacenters: Option<&[usize]>,
    racks: usize,
) -> PyResult<Vec<(String, String)>> {
    let sizes = datacenters.map_or_else(|| vec![nodes], <[usize]>::to_vec);
    if racks == 0 || sizes.iter().sum::<usize>() != nodes {
        let message = format!(
            "datacenters={sizes:?}, racks={racks}: the datacenters' sizes must add up to {nodes} nodes, and there is at least one rack"
        );
        return Err(PyValueError::new_err(message));
    }
    let mut layout = Vec::with_capacity(nodes);
    for (dc, &size) in sizes.iter().enumerate() {
        layout.extend((0..size).map(|i| {
            (
                format!("datacenter{}", dc + 1),
                format!("rack{}", i % racks + 1),
            )
        }));
    }
    Ok(layout)
}

fn refused(error: shardlane_server::ControlError) -> PyErr {
    PyRuntimeError::new_err(error.to_string())
}
