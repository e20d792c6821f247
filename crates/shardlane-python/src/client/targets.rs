//! Nodes that the caller names: for one request, or as the query plan of one.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use shardlane_proto::{ClusterView, RequestSpec, Target};
use shardlane_routing::HostId;

use super::args::refused;

/// Targets of a plan that are looked at: attempts of one request are fewer.
const PLAN_MAX: usize = 64;

/// A node of the cluster: a host id, an address, anything that has a `host_id`, or one of these with a shard.
pub(super) fn target(view: &ClusterView, given: &Bound<'_, PyAny>) -> PyResult<Target> {
    let py = given.py();
    let pair = given.cast::<PyTuple>().ok().filter(|pair| pair.len() == 2);
    let (node, shard) = match pair {
        Some(pair) => {
            let shard = pair.get_item(1)?;
            let shard: Option<u16> = shard
                .extract()
                .map_err(|_| refused(&shard, "a shard", "its number, from 0, or None"))?;
            (pair.get_item(0)?, shard)
        }
        None => (given.clone(), None),
    };
    let named = node
        .getattr_opt(intern!(py, "host_id"))?
        .unwrap_or_else(|| node.clone());
    let text = named.str()?.to_string();
    let found = match text.parse::<HostId>() {
        Ok(id) => view.nodes.iter().find(|n| n.host_id == id),
        Err(_) => view
            .nodes
            .iter()
            .find(|n| n.address.to_string() == text || n.address.ip().to_string() == text),
    };
    found
        .map(|node| Target {
            host_id: node.host_id,
            shard,
        })
        .ok_or_else(|| {
            let known: Vec<String> = view
                .nodes
                .iter()
                .map(|n| format!("{} ({})", n.address, n.host_id))
                .collect();
            refused(
                &node,
                "a node of this cluster",
                &format!("a Node, a host id or an address of: {}", known.join(", ")),
            )
        })
}

/// Asks the application for a query plan, here on the caller's thread.
pub(super) fn plan(
    view: &ClusterView,
    planner: &Bound<'_, PyAny>,
    spec: &RequestSpec,
) -> PyResult<Box<[Target]>> {
    let targets = planner.call1((
        spec.table_keyspace.as_deref().or(spec.keyspace.as_deref()),
        spec.table.as_deref(),
        spec.token.map(|token| token.0),
        spec.consistency.as_str(),
        spec.idempotent,
        spec.lwt,
    ))?;
    let mut plan = Vec::new();
    for given in targets.try_iter()?.take(PLAN_MAX) {
        plan.push(target(view, &given?)?);
    }
    Ok(plan.into())
}
