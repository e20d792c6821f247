//! Tokens, partitioner, sharder, ring and replication strategies as pure values.
//!
//! Everything that answers "which node and which CPU shard own this partition key" lives here, for
//! the client and for the embedded server alike. There is no clock, no thread and no I/O, and
//! randomness is an argument.
//!
//! The way of a request, from key to shard:
//!
//! 1. [`partition_key`]: the bound partition key columns become one key, or its token directly;
//! 2. [`Partitioner`] (nearly always Murmur3) turns the key into a [`Token`];
//! 3. a table with tablets looks the token up in its [`TabletMap`], which names nodes *and* shards;
//!    any other table asks its keyspace's [`ReplicaMap`], the replicas of one
//!    [`ReplicationStrategy`] over one [`Ring`];
//! 4. for the latter, each node's [`Sharder`] says which of its shards owns the token, and
//!    [`SourcePorts`] which local ports reach that shard through the shard-aware port.

mod host_id;
mod murmur3;
pub mod partition_key;
mod partitioner;
mod replica_map;
mod ring;
mod sharder;
mod source_ports;
mod strategy;
pub mod tablets;
mod token;
mod walk;

pub use host_id::{HostId, HostIdError};
pub use murmur3::{Murmur3Hasher, murmur3_token};
pub use partition_key::{KeyError, composite_key, composite_token};
pub use partitioner::Partitioner;
pub use replica_map::ReplicaMap;
pub use ring::{Ring, RingError, RingNode};
pub use sharder::Sharder;
pub use source_ports::{SourcePortError, SourcePorts};
pub use strategy::{ReplicationStrategy, StrategyError, expand_replication_factor};
pub use tablets::{Tablet, TabletError, TabletMap, TabletReplica, TabletVersion};
pub use token::Token;
