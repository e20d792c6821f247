//! What shards say to each other.

use crate::engine::{
    CasPlan, CounterUpdate, Mutation, PartialResult, ReadCommand, RowsOut, TableId,
};
use crate::node::shard::ShardId;
use shardlane_routing::Token;
use shardlane_wire::{Consistency, ErrorBody, SerialConsistency};

/// Names a task of one shard. The generation tells tasks apart that used the same slot one after
/// another, also across restarts of the node, so that a late answer is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TaskKey {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

/// Where an answer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReplyTo {
    pub(crate) shard: ShardId,
    pub(crate) task: TaskKey,
    /// Which of the task's questions is answered.
    pub(crate) part: u32,
}

/// A message from shard to shard.
#[derive(Debug)]
pub(crate) enum Message {
    /// Do this; answer if somebody waits.
    Work { work: Work, reply: Option<ReplyTo> },
    /// The answer to part of a task.
    Answer {
        task: TaskKey,
        part: u32,
        /// The node that answers.
        from: u32,
        answer: Answer,
    },
}

/// What a shard is asked to do with its data.
#[derive(Debug)]
pub(crate) enum Work {
    /// Apply a write.
    Apply(Mutation),
    /// Read.
    Read(ReadCommand),
    /// Forget a table's data.
    Truncate(TableId),
    /// Forget a table's partitions with tokens in `(after, last]`: they lie elsewhere now.
    Forget {
        table: TableId,
        after: Token,
        last: Token,
    },
    /// As the leader of a counter's partition: add, and spread the sum to the other replicas.
    LeadCounter {
        update: CounterUpdate,
        consistency: Consistency,
    },
    /// As the leader of a partition: decide a conditional write.
    LeadCas(Box<LeadCas>),
    /// As the leader of a partition: read what conditional writes have agreed on.
    LeadRead {
        command: ReadCommand,
        consistency: SerialConsistency,
    },
}

/// A conditional write on its way to the leader.
#[derive(Debug)]
pub(crate) struct LeadCas {
    pub(crate) plan: Box<CasPlan>,
    pub(crate) consistency: Consistency,
    pub(crate) serial: SerialConsistency,
    /// The client's timestamp does not count in conditional writes; this is the statement's seed.
    pub(crate) seed: u64,
}

/// What came of work.
#[derive(Debug)]
pub(crate) enum Answer {
    /// Done.
    Done,
    /// The rows read.
    Read(PartialResult),
    /// How a conditional write ended.
    Cas(RowsOut),
    /// The leader could not do it, in the words for the client.
    Failed(Box<ErrorBody>),
}
