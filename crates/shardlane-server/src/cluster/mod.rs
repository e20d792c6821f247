//! The cluster: starting it, controlling its nodes while clients run, and asking what it has done.

mod client_routes;
mod error;
mod membership;
mod migration;
mod ports;
pub(crate) mod shared;
mod slot;
pub(crate) mod tablets;
pub(crate) mod view;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shardlane_routing::{Tablet, Token};

pub use error::ControlError;
pub use membership::NodePlan;
pub use slot::{NodeInfo, NodeState};

use crate::config::{ClusterConfig, Credentials, StartError};
use crate::faults::{PortFault, Rule, RuleId};
use crate::stats::{ClusterStats, PortKind};
use crate::tls::Authority;
use membership::Plane;
use shared::Shared;

/// A running cluster. All methods may be called from any thread while clients are at work; those
/// that change nodes take turns. Dropping it stops everything.
///
/// ```
/// use shardlane_server::{Cluster, ClusterConfig};
///
/// let cluster = Cluster::start(ClusterConfig::on_free_ports(3, 2))?;
/// println!("connect to {:?}", cluster.contact_points());
/// cluster.kill_node(1)?;
/// cluster.start_node(1)?;
/// cluster.stop();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Cluster {
    shared: Arc<Shared>,
    plane: Mutex<Plane>,
}

impl Cluster {
    /// Starts a cluster; when this returns, every node can be connected to.
    pub fn start(config: ClusterConfig) -> Result<Self, StartError> {
        let (shared, plane) = Plane::start(config)?;
        Ok(Self {
            shared,
            plane: Mutex::new(plane),
        })
    }

    fn plane(&self) -> MutexGuard<'_, Plane> {
        self.plane.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The configuration that the cluster was started with. The ports in use are
    /// [`Self::port`] and [`Self::shard_aware_port`].
    pub fn config(&self) -> &ClusterConfig {
        &self.shared.config
    }

    /// The normal port of every node.
    pub fn port(&self) -> u16 {
        self.shared.ports.normal()
    }

    /// The shard-aware port of every node, unless there is none.
    pub fn shard_aware_port(&self) -> Option<u16> {
        self.shared.ports.of(PortKind::ShardAware)
    }

    /// The normal port with TLS of every node, if there is one.
    pub fn tls_port(&self) -> Option<u16> {
        self.shared.ports.of(PortKind::NormalTls)
    }

    /// The shard-aware port with TLS of every node, if there is one.
    pub fn tls_shard_aware_port(&self) -> Option<u16> {
        self.shared.ports.of(PortKind::ShardAwareTls)
    }

    /// The certificate of the CA that has issued those of the nodes, as PEM; `None` without TLS.
    pub fn ca_pem(&self) -> Option<String> {
        self.shared.authority.as_ref().map(Authority::ca_pem)
    }

    /// A certificate and its key for a client, as PEM; `None` without TLS.
    pub fn client_pem(&self) -> Option<(String, String)> {
        self.shared.authority.as_ref().map(Authority::client_pem)
    }

    /// Address and normal port of every member, up or down.
    pub fn contact_points(&self) -> Vec<SocketAddr> {
        let port = self.port();
        self.nodes()
            .into_iter()
            .map(|node| SocketAddr::new(node.address, port))
            .collect()
    }

    /// The members, up or down, by index.
    pub fn nodes(&self) -> Vec<NodeInfo> {
        self.plane().nodes()
    }

    /// What each node and shard has done since the start, or the last [`Self::reset_stats`].
    pub fn stats(&self) -> ClusterStats {
        self.plane().stats()
    }

    /// Sets all counters to zero, but for connections that are open.
    pub fn reset_stats(&self) {
        self.plane().reset_stats();
    }

    /// Stops a node in good order: its clients get the answers that are due, its connections are
    /// closed, the others tell their clients that it is down. Its data stays.
    pub fn stop_node(&self, index: usize) -> Result<(), ControlError> {
        self.plane().stop_node(index, true)
    }

    /// Ends a node as a crash does: its sockets are gone at once, with whatever was under way. Its
    /// data stays, as on a disk.
    pub fn kill_node(&self, index: usize) -> Result<(), ControlError> {
        self.plane().stop_node(index, false)
    }

    /// Starts a node that was stopped or killed. It is given the writes it has missed, and then
    /// serves. Statements prepared before are unknown to it.
    pub fn start_node(&self, index: usize) -> Result<(), ControlError> {
        self.plane().start_node(index, None)
    }

    /// As [`Self::start_node`], with another number of shards than before: the node's data moves to
    /// the shards that own it then. Its counters begin anew. Fewer shards than its tablets lie on are
    /// refused.
    pub fn start_node_with_shards(&self, index: usize, shards: usize) -> Result<(), ControlError> {
        self.plane().start_node(index, Some(shards))
    }

    /// Freezes a node: the kernel accepts connections for it, but nothing is answered, neither to
    /// clients nor to other nodes. The others still take it for alive.
    pub fn pause_node(&self, index: usize) -> Result<(), ControlError> {
        self.plane().set_paused(index, true)
    }

    /// Lets a paused node go on where it was.
    pub fn resume_node(&self, index: usize) -> Result<(), ControlError> {
        self.plane().set_paused(index, false)
    }

    /// Adds a node on the next address. It is given the data of the ranges that it takes over,
    /// then joins, and clients are told; then its share of the tablets moves to it. Returns its index.
    pub fn add_node(&self, plan: NodePlan) -> Result<usize, ControlError> {
        self.plane().add_node(plan)
    }

    /// Takes a node out of the cluster for good. If it is up, its data goes to the others first
    /// (decommission); if it is down, they take over from the replicas that are left (removenode).
    pub fn remove_node(&self, index: usize) -> Result<(), ControlError> {
        self.plane().remove_node(index)
    }

    /// The tablets of a table, ascending, with their replicas as drivers know them.
    pub fn tablets(&self, keyspace: &str, table: &str) -> Result<Vec<Tablet>, ControlError> {
        self.plane().tablets(keyspace, table)
    }

    /// Moves the replica that node `from` has of the tablet of `token` to a shard: of another node that
    /// has none of that tablet, or of `from` itself. Requests go on meanwhile. When this returns the
    /// new replica serves and the old one is empty; drivers learn of it when they ask the old one.
    pub fn migrate_tablet(
        &self,
        keyspace: &str,
        table: &str,
        token: Token,
        from: usize,
        to: (usize, u16),
    ) -> Result<(), ControlError> {
        self.plane()
            .migrate_tablet(keyspace, table, token, from, to)
    }

    /// Cuts each tablet of a table in two halves, which stay where they are. Returns how many there
    /// are now.
    pub fn split_tablets(&self, keyspace: &str, table: &str) -> Result<usize, ControlError> {
        self.plane().split_tablets(keyspace, table)
    }

    /// Makes a port of a node misbehave for connections to come, or behave again.
    pub fn set_port_fault(
        &self,
        index: usize,
        port: PortKind,
        fault: PortFault,
    ) -> Result<(), ControlError> {
        self.plane().set_port_fault(index, port, fault)
    }

    /// Changes who may log in. Connections that are open stay so.
    pub fn set_users(&self, users: Vec<Credentials>) {
        self.shared.set_users(users);
    }

    /// Adds a fault, behind those that are there.
    pub fn add_rule(&self, rule: Rule) -> RuleId {
        self.shared.faults.add(rule)
    }

    /// Removes a fault; false if it was not there.
    pub fn remove_rule(&self, id: RuleId) -> bool {
        self.shared.faults.remove(id)
    }

    /// Removes all faults that were added as rules. Port faults stay.
    pub fn clear_rules(&self) {
        self.shared.faults.clear();
    }

    /// How often a rule has applied; `None` if it is not there.
    pub fn rule_hits(&self, id: RuleId) -> Option<u64> {
        self.shared.faults.hits(id)
    }

    /// Makes one node, or all, forget their prepared statements, so that clients that execute them
    /// are answered UNPREPARED. Returns how many there were.
    pub fn forget_prepared(&self, index: Option<usize>) -> Result<usize, ControlError> {
        self.plane().forget_prepared(index)
    }

    /// Stops all nodes and waits until their threads have ended. What comes after is an error
    /// of kind [`ControlError::WrongState`]; stopping again does nothing.
    pub fn stop(&self) {
        self.plane().stop();
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop();
    }
}
