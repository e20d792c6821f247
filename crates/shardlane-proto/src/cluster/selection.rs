//! Which nodes the client uses at all, and under which addresses.

use std::collections::HashMap;
use std::net::SocketAddr;

use shardlane_routing::HostId;

use super::{Cluster, NodeKey, Topology};
use crate::config::Config;

/// What the application has decided about a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Where to reach it.
    pub(crate) address: SocketAddr,
    /// Whether to connect to it.
    pub(crate) used: bool,
}

impl Cluster {
    /// Takes the application's verdicts, for this refresh and the ones after it.
    pub(crate) fn judge(&mut self, verdicts: HashMap<HostId, Verdict>) {
        self.verdicts = verdicts;
    }

    /// Puts the addresses to use in the place of those that the servers tell; returns the latter.
    pub(super) fn translate(&self, topology: &mut Topology) -> HashMap<HostId, SocketAddr> {
        let mut told = HashMap::new();
        for node in &mut topology.nodes {
            if let Some(verdict) = self.verdicts.get(&node.host_id) {
                told.insert(node.host_id, node.address);
                node.address = verdict.address;
            }
        }
        told
    }

    /// Notes which nodes get no connections: those that the application does not want, and those of other
    /// datacenters beyond the number that may be used of each.
    pub(super) fn select(&mut self, config: &Config, told: &HashMap<HostId, SocketAddr>) {
        let mut remote: HashMap<String, Vec<(bool, u64, NodeKey)>> = HashMap::new();
        let keys = self.keys();
        for &key in &keys {
            let is_local = self.is_local(key);
            let verdicts = &self.verdicts;
            let Some(node) = self.nodes.get_mut(key.0 as usize) else {
                continue;
            };
            let host_id = node.coordinator.host_id;
            let was_unused = node.is_excluded || node.is_new;
            node.is_new = false;
            node.told_address = told
                .get(&host_id)
                .copied()
                .unwrap_or(node.coordinator.address);
            node.is_excluded = verdicts.get(&host_id).is_some_and(|v| !v.used);
            if !is_local && !node.is_excluded {
                let rank = mix(config.seed, host_id);
                let datacenter = node.datacenter.to_string();
                // What is connected stays so; of the others each client takes another choice.
                remote
                    .entry(datacenter)
                    .or_default()
                    .push((was_unused, rank, key));
            }
        }
        let Some(max) = config.remote_nodes_per_datacenter_max else {
            return;
        };
        for mut nodes in remote.into_values() {
            nodes.sort_unstable();
            for (_, _, key) in nodes.into_iter().skip(max) {
                if let Some(node) = self.node_mut(key) {
                    node.is_excluded = true;
                }
            }
        }
    }
}

/// A number that looks random, the same for the same node and seed.
fn mix(seed: u64, host_id: HostId) -> u64 {
    let (high, low) = host_id.as_bytes().split_at(8);
    let half = |bytes: &[u8]| bytes.iter().fold(0u64, |n, &b| n << 8 | u64::from(b));
    let mut rng = crate::rng::Rng::new(seed ^ half(high).rotate_left(32) ^ half(low));
    rng.next_u64()
}
