//! The embedded ScyllaDB-like cluster: CQL in memory, thread per shard, both ports, faults.

pub mod cql;
