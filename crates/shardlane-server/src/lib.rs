//! The embedded ScyllaDB-like cluster: CQL in memory, thread per shard, both ports, faults.
//!
//! [`Cluster`] is a small but real CQL server, for tests and demonstrations: nodes on addresses of
//! 127.0.0.0/8, each with shards that own their data and talk to each other through queues, so that
//! a request on the wrong shard pays a real hop, and is counted.
//!
//! From the inside: `engine` is CQL as pure values, `cql` its grammar; `node` is a shard's thread,
//! `net` its sockets; `coordinator` is what a shard does with requests; [`cluster`] controls nodes;
//! [`faults`] are what tests need to go wrong; [`stats`] are the counters.

pub mod cluster;
pub mod config;
mod coordinator;
pub mod cql;
pub mod engine;
pub mod faults;
mod net;
mod node;
mod rng;
pub mod stats;
mod tls;

pub use cluster::{Cluster, ControlError, NodeInfo, NodePlan, NodeState};
pub use config::{
    Authenticator, ClusterConfig, Credentials, ShardAssignment, Shards, StartError, TabletsRouting,
    Timeouts,
};
pub use engine::ClientRoute;
pub use faults::{Condition, PortFault, Reaction, Rule, RuleId, TabletLie};
pub use stats::{ClusterStats, NodeStats, PortKind, ShardStats};
pub use tls::{COMMON_NAME, CertificateFlaw, TlsConfig, TlsVersions};
