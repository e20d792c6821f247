//! A part of a partition: what a write changes, and what a read returns.

use std::cmp::Ordering;
use std::sync::Arc;

use shardlane_routing::Token;

use super::row::Row;

/// A partition's place: by token, then by the bytes of the serialized partition key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionKey {
    /// The token of `bytes`.
    pub token: Token,
    /// The routing key: one component's bytes, or the composite form.
    pub bytes: Arc<[u8]>,
}

/// A row's place within its partition.
///
/// `order` is a byte string that compares as the clustering columns do (each component is prefix-free, and
/// complemented where the order is descending). Appending 0xFF gives the place behind everything that
/// begins with it, so every range of rows is a half-open range of byte strings.
#[derive(Debug, Clone)]
pub struct ClusteringKey {
    /// The comparable form.
    pub order: Arc<[u8]>,
    /// The values as CQL bytes.
    pub values: Arc<[Box<[u8]>]>,
}

impl PartialEq for ClusteringKey {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl Eq for ClusteringKey {}

impl PartialOrd for ClusteringKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ClusteringKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order.cmp(&other.order)
    }
}

/// A deletion of all rows from `start` up to, not including, `end` in comparable form.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RangeTombstone {
    /// First place deleted.
    pub start: Arc<[u8]>,
    /// First place not deleted.
    pub end: Arc<[u8]>,
    /// Deletes what was written at or before.
    pub timestamp: i64,
}

impl RangeTombstone {
    /// Whether the row at `order` lies inside.
    pub fn covers(&self, order: &[u8]) -> bool {
        *self.start <= *order && *order < *self.end
    }
}

/// A part of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragment {
    /// Which partition.
    pub key: PartitionKey,
    /// Deletes the whole partition at or before this timestamp.
    pub deleted_at: Option<i64>,
    /// Deletions of ranges, sorted.
    pub ranges: Vec<RangeTombstone>,
    /// The static row.
    pub static_row: Row,
    /// Rows in clustering order. A table without clustering columns has one with an empty key.
    pub rows: Vec<(ClusteringKey, Row)>,
}

impl Fragment {
    /// Nothing of the partition `key`.
    pub fn new(key: PartitionKey) -> Self {
        Self {
            key,
            deleted_at: None,
            ranges: Vec::new(),
            static_row: Row::default(),
            rows: Vec::new(),
        }
    }

    /// Finds or inserts the row at `key`.
    pub fn row_mut(&mut self, key: ClusteringKey) -> &mut Row {
        let at = match self.rows.binary_search_by(|(at, _)| at.cmp(&key)) {
            Ok(at) => at,
            Err(at) => {
                self.rows.insert(at, (key, Row::default()));
                at
            }
        };
        &mut self.rows[at].1
    }

    /// Joins two fragments of the same partition.
    pub fn merge(&mut self, other: Self) {
        self.deleted_at = self.deleted_at.max(other.deleted_at);
        if !other.ranges.is_empty() {
            self.ranges.extend(other.ranges);
            self.ranges.sort();
            self.ranges.dedup();
        }
        self.static_row.merge(other.static_row);
        let ours = std::mem::take(&mut self.rows);
        self.rows = merge_sorted(ours, other.rows);
        self.settle();
    }

    /// Makes the partition's deletions felt by its rows. Rows that only a deletion emptied disappear.
    pub fn settle(&mut self) {
        if let Some(deleted_at) = self.deleted_at {
            self.static_row.delete_up_to(deleted_at);
            self.ranges.retain(|range| range.timestamp > deleted_at);
            forget_older(&mut self.static_row, deleted_at);
        }
        if self.deleted_at.is_none() && self.ranges.is_empty() {
            return;
        }
        let (deleted_at, ranges) = (self.deleted_at, &self.ranges);
        self.rows.retain_mut(|(key, row)| {
            let covering = ranges
                .iter()
                .filter(|range| range.covers(&key.order))
                .map(|range| range.timestamp);
            if let Some(timestamp) = covering.chain(deleted_at).max() {
                row.delete_up_to(timestamp);
                forget_older(row, timestamp);
            }
            !row.is_empty()
        });
    }

    /// Nothing is recorded.
    pub fn is_empty(&self) -> bool {
        self.deleted_at.is_none()
            && self.ranges.is_empty()
            && self.static_row.is_empty()
            && self.rows.is_empty()
    }
}

/// A row's own deletion mark is redundant under a later one.
fn forget_older(row: &mut Row, timestamp: i64) {
    if row.deleted_at.is_some_and(|at| at <= timestamp) {
        row.deleted_at = None;
    }
}

fn merge_sorted(
    left: Vec<(ClusteringKey, Row)>,
    right: Vec<(ClusteringKey, Row)>,
) -> Vec<(ClusteringKey, Row)> {
    if left.is_empty() {
        return right;
    }
    if right.is_empty() {
        return left;
    }
    let mut out = Vec::with_capacity(left.len().max(right.len()));
    let mut left = left.into_iter().peekable();
    let mut right = right.into_iter().peekable();
    loop {
        let order = match (left.peek(), right.peek()) {
            (Some(l), Some(r)) => l.0.cmp(&r.0),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return out,
        };
        match order {
            Ordering::Less => out.extend(left.next()),
            Ordering::Greater => out.extend(right.next()),
            Ordering::Equal => {
                if let (Some((key, mut row)), Some((_, theirs))) = (left.next(), right.next()) {
                    row.merge(theirs);
                    out.push((key, row));
                }
            }
        }
    }
}
