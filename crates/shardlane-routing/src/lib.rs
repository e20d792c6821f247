//! Tokens, partitioner, sharder, ring and replication strategies as pure values.
