//! What a coordinator asks of a shard, and what it gets.

use std::cmp::Ordering;
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

impl ReadCommand {
    /// A scan of whole partitions with a token in `(after, last]`.
    pub const fn scan(table: TableId, after: Token, last: Token, max_rows: usize) -> Self {
        Self {
            table,
            target: ReadTarget::Range { after, last },
            slices: None,
            reversed: false,
            resume: None,
            max_rows,
            clipped: false,
        }
    }

    /// The partition, if it is only one.
    pub const fn partition(&self) -> Option<&PartitionKey> {
        match &self.target {
            ReadTarget::Partition(key) => Some(key),
            ReadTarget::Range { .. } => None,
        }
    }

    /// The tokens that are left to read, as `(after, last]`.
    pub fn token_range(&self) -> (Token, Token) {
        match &self.target {
            ReadTarget::Partition(key) => (Token(key.token.0.saturating_sub(1)), key.token),
            ReadTarget::Range { after, last } => {
                let resumed = match &self.resume {
                    Some(Position::AfterToken(token)) => *token,
                    // more partitions may share the token
                    Some(Position::AfterPartition(key) | Position::AfterRow(key, _)) => {
                        Token(key.token.0.saturating_sub(1))
                    }
                    None => *after,
                };
                (resumed.max(*after), *last)
            }
        }
    }

    /// The first token that is left to read: who owns it can answer the beginning of the command.
    pub fn first_token(&self) -> Token {
        match &self.target {
            ReadTarget::Partition(key) => key.token,
            ReadTarget::Range { .. } => Token(self.token_range().0.0.saturating_add(1)),
        }
    }

    /// The same command up to `last` only. Its answer will say that more follows.
    pub fn clip(&self, last: Token) -> Self {
        let mut out = self.clone();
        if let ReadTarget::Range { last: old, .. } = &mut out.target
            && last < *old
        {
            *old = last;
            out.clipped = true;
        }
        out
    }

    /// The end to report when the target was exhausted.
    pub(crate) fn clipped_end(&self) -> Option<Position> {
        match &self.target {
            ReadTarget::Range { last, .. } if self.clipped => Some(Position::AfterToken(*last)),
            _ => None,
        }
    }
}

impl Position {
    /// The order in which a scan passes positions; `reversed` turns rows round, not partitions.
    pub fn compare(&self, other: &Self, reversed: bool) -> Ordering {
        use Position::{AfterPartition, AfterRow, AfterToken};
        // a token's end lies behind all its partitions, a partition's end behind all its rows
        let key = |position: &Self| match position {
            AfterToken(token) => (*token, None),
            AfterPartition(key) | AfterRow(key, _) => (key.token, Some(key.bytes.clone())),
        };
        let ((left_token, left_key), (right_token, right_key)) = (key(self), key(other));
        left_token
            .cmp(&right_token)
            .then_with(|| match (left_key, right_key) {
                (None, None) => Ordering::Equal,
                (None, Some(_)) => Ordering::Greater,
                (Some(_), None) => Ordering::Less,
                (Some(left), Some(right)) => left.cmp(&right).then_with(|| match (self, other) {
                    (AfterRow(_, left), AfterRow(_, right)) if reversed => right.cmp(left),
                    (AfterRow(_, left), AfterRow(_, right)) => left.cmp(right),
                    (AfterRow(..), _) => Ordering::Less,
                    (_, AfterRow(..)) => Ordering::Greater,
                    _ => Ordering::Equal,
                }),
            })
    }

    /// Whether the scan has passed all of the partition `key`.
    pub fn covers_partition(&self, key: &PartitionKey) -> bool {
        match self {
            Self::AfterToken(token) => key.token <= *token,
            Self::AfterPartition(at) => key <= at,
            Self::AfterRow(at, _) => key < at,
        }
    }

    /// Whether the scan has passed the row at `order` of the partition `key`.
    pub fn covers_row(&self, key: &PartitionKey, order: &[u8], reversed: bool) -> bool {
        match self {
            Self::AfterRow(at, last) if at == key => {
                if reversed {
                    order >= &**last
                } else {
                    order <= &**last
                }
            }
            _ => self.covers_partition(key),
        }
    }
}
