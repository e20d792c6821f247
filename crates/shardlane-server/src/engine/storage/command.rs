//! What a coordinator asks of a shard, and what it gets.

use std::sync::Arc;

use shardlane_routing::Token;

use super::fragment::{ClusteringKey, Fragment, PartitionKey};
use crate::engine::schema::TableId;

/// A change to one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mutation {
    /// The table.
    pub table: TableId,
    /// What changes; `fragment.key` says where.
    pub fragment: Fragment,
}

impl Mutation {
    /// The token to route by.
    pub fn token(&self) -> Token {
        self.fragment.key.token
    }
}

/// Additions to the counters of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CounterRowUpdate {
    /// The row; `None` is the static row.
    pub clustering: Option<ClusteringKey>,
    /// Column id and what to add.
    pub deltas: Vec<(u32, i64)>,
}

/// Additions to the counters of one partition. One replica (the leader) turns it into a [`Mutation`] with
/// [`Store::apply_counter`](super::Store::apply_counter); that is then applied to the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CounterUpdate {
    /// The table.
    pub table: TableId,
    /// The partition.
    pub key: PartitionKey,
    /// The write's timestamp.
    pub timestamp: i64,
    /// The rows.
    pub rows: Vec<CounterRowUpdate>,
}

impl CounterUpdate {
    /// The token to route by.
    pub const fn token(&self) -> Token {
        self.key.token
    }
}

/// How far a scan has come: everything up to here has been seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Position {
    /// All partitions with this token or a smaller one.
    AfterToken(Token),
    /// The whole partition and all before it.
    AfterPartition(PartitionKey),
    /// The partition's rows up to this comparable clustering key (down to it if the read is reversed), and all
    /// partitions before.
    AfterRow(PartitionKey, Arc<[u8]>),
}

/// A half-open range of comparable clustering keys; no `end` is open.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slice {
    /// First place inside.
    pub start: Arc<[u8]>,
    /// First place outside.
    pub end: Option<Arc<[u8]>>,
}

/// Which partitions a command reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadTarget {
    /// One partition.
    Partition(PartitionKey),
    /// All partitions with a token in `(after, last]`.
    Range {
        /// Exclusive lower end; `Token::MIN` for the beginning of the ring.
        after: Token,
        /// Inclusive upper end; `Token::MAX` for the end of the ring.
        last: Token,
    },
}

/// A bounded read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadCommand {
    /// The table.
    pub table: TableId,
    /// Which partitions.
    pub target: ReadTarget,
    /// Which rows, as disjoint ascending ranges; `None` is all.
    pub slices: Option<Arc<[Slice]>>,
    /// Read rows backwards within the partition.
    pub reversed: bool,
    /// Go on behind this position.
    pub resume: Option<Position>,
    /// Stop after so many live rows.
    pub max_rows: usize,
    /// More of the caller's range follows behind `target`: set by [`ReadCommand::clip`].
    pub clipped: bool,
}

/// What one shard knows of a command's range.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PartialResult {
    /// Parts of partitions, by token and key; deletions included, so that results can be merged.
    pub fragments: Vec<Fragment>,
    /// Where it stopped; `None` when the range was exhausted.
    pub end: Option<Position>,
}
