//! A node: one thread for each shard, which owns that shard's data and connections.

pub(crate) mod accept;
pub(crate) mod control;
pub(crate) mod inbox;
pub(crate) mod shard;
pub(crate) mod statements;
pub(crate) mod timers;
