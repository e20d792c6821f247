//! A stored partition.

use std::ops::Bound;
use std::sync::Arc;

use super::cell::ColumnData;
use super::command::{Position, ReadCommand, Slice};
use super::fragment::{ClusteringKey, Fragment, PartitionKey, RangeTombstone};
use super::row::Row;
use super::rows::{ClusteringValues, Rows};

/// All of one partition that a shard holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Partition {
    deleted_at: Option<i64>,
    ranges: Vec<RangeTombstone>,
    static_row: Row,
    rows: Rows,
}

impl Partition {
    /// Merges a change in.
    pub fn apply(&mut self, change: Fragment) {
        let deletes = change.deleted_at.is_some() || !change.ranges.is_empty();
        self.deleted_at = self.deleted_at.max(change.deleted_at);
        if !change.ranges.is_empty() {
            self.ranges.extend(change.ranges);
            self.ranges.sort();
            self.ranges.dedup();
        }
        if let Some(deleted_at) = self.deleted_at {
            self.ranges.retain(|range| range.timestamp > deleted_at);
        }
        self.static_row.merge(change.static_row);
        if self.deleted_at.is_none() && self.ranges.is_empty() {
            for (key, row) in change.rows {
                self.rows.put(key, row);
            }
            return;
        }
        for (key, mut row) in change.rows {
            self.cover(&key.order, &mut row);
            if !row.is_empty() {
                self.rows.put(key, row);
            }
        }
        self.cover_static();
        if deletes {
            self.settle();
        }
    }

    /// Makes deletions felt by the static row.
    fn cover_static(&mut self) {
        if let Some(deleted_at) = self.deleted_at {
            cover(&mut self.static_row, deleted_at);
        }
    }

    /// Makes deletions felt by a row.
    fn cover(&self, order: &[u8], row: &mut Row) {
        let covering = self
            .ranges
            .iter()
            .filter(|range| range.covers(order))
            .map(|range| range.timestamp);
        if let Some(timestamp) = covering.chain(self.deleted_at).max() {
            cover(row, timestamp);
        }
    }

    /// Makes deletions felt by all rows.
    fn settle(&mut self) {
        let mut rows = std::mem::take(&mut self.rows);
        rows.retain(|order, row| {
            self.cover(order, row);
            !row.is_empty()
        });
        self.rows = rows;
    }

    /// The static row.
    pub fn static_row(&self) -> &Row {
        &self.static_row
    }

    /// The row at a comparable clustering key.
    pub fn row(&self, order: &[u8]) -> Option<&Row> {
        self.rows.get(order)
    }

    /// Whether nothing is recorded.
    pub fn is_empty(&self) -> bool {
        self.deleted_at.is_none()
            && self.ranges.is_empty()
            && self.static_row.is_empty()
            && self.rows.is_empty()
    }

    /// A counter's state, for the leader of an update.
    pub fn column(&self, order: Option<&[u8]>, id: u32) -> Option<&ColumnData> {
        match order {
            Some(order) => self.row(order)?.get(id),
            None => self.static_row.get(id),
        }
    }

    /// Reads what `command` asks of this partition, up to `budget` live rows. Takes what it used off the budget.
    /// The position tells where it stopped early.
    pub fn read(
        &self,
        key: &PartitionKey,
        command: &ReadCommand,
        now_s: i64,
        budget: &mut usize,
    ) -> (Fragment, Option<Position>) {
        let mut out = Fragment::new(key.clone());
        out.deleted_at = self.deleted_at;
        out.ranges = self.ranges.clone();
        out.static_row = self.static_row.clone();
        let before = *budget;
        let resume = match &command.resume {
            Some(Position::AfterRow(at, order)) if at == key => Some(order),
            _ => None,
        };
        let whole = [Slice {
            start: Arc::from([]),
            end: None,
        }];
        let slices = command.slices.as_deref().unwrap_or(&whole);
        let mut stopped = None;
        if command.reversed {
            'slices: for slice in slices.iter().rev() {
                let mut bounds = bounds(slice);
                if let Some(resume) = resume
                    && slice.end.as_ref().is_none_or(|end| **resume < **end)
                {
                    bounds.1 = Bound::Excluded(resume);
                    if *resume <= slice.start {
                        continue;
                    }
                }
                for (order, values, row) in self.rows.range(bounds).rev() {
                    if *budget == 0 {
                        stopped = last_position(key, &out);
                        break 'slices;
                    }
                    take(&mut out, order, values, row, now_s, budget);
                }
            }
            out.rows.reverse();
        } else {
            'slices: for slice in slices {
                let mut bounds = bounds(slice);
                if let Some(resume) = resume
                    && **resume >= *slice.start
                {
                    bounds.0 = Bound::Excluded(resume);
                    if slice.end.as_ref().is_some_and(|end| end <= resume) {
                        continue;
                    }
                }
                for (order, values, row) in self.rows.range(bounds) {
                    if *budget == 0 {
                        stopped = last_position(key, &out);
                        break 'slices;
                    }
                    take(&mut out, order, values, row, now_s, budget);
                }
            }
        }
        // a partition with only a static row is a result row, too
        if *budget == before && stopped.is_none() && self.static_row.is_live(now_s) {
            *budget = budget.saturating_sub(1);
        }
        (out, stopped)
    }
}

/// A deletion at `timestamp` lies over the row.
fn cover(row: &mut Row, timestamp: i64) {
    row.delete_up_to(timestamp);
    if row.deleted_at.is_some_and(|at| at <= timestamp) {
        row.deleted_at = None;
    }
}

fn bounds(slice: &Slice) -> (Bound<&[u8]>, Bound<&[u8]>) {
    let end = match &slice.end {
        // an empty range must not have its bounds the wrong way round
        Some(end) if **end <= *slice.start => Bound::Excluded(&*slice.start),
        Some(end) => Bound::Excluded(&**end),
        None => Bound::Unbounded,
    };
    (Bound::Included(&slice.start), end)
}

fn take(
    out: &mut Fragment,
    order: &Arc<[u8]>,
    values: &Arc<ClusteringValues>,
    row: &Row,
    now_s: i64,
    budget: &mut usize,
) {
    if row.is_live(now_s) {
        *budget -= 1;
    }
    out.rows.push((
        ClusteringKey {
            order: order.clone(),
            values: values.clone(),
        },
        row.clone(),
    ));
}

/// Where a read stands that has just pushed its last row; nothing read is no position.
fn last_position(key: &PartitionKey, out: &Fragment) -> Option<Position> {
    out.rows
        .last()
        .map(|(last, _)| Position::AfterRow(key.clone(), last.order.clone()))
}
