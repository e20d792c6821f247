//! A stored partition.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::cell::ColumnData;
use super::command::{Position, ReadCommand, Slice};
use super::fragment::{ClusteringKey, Fragment, PartitionKey, RangeTombstone};
use super::row::Row;

/// All of one partition that a shard holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Partition {
    deleted_at: Option<i64>,
    ranges: Vec<RangeTombstone>,
    static_row: Row,
    rows: BTreeMap<Arc<[u8]>, (Arc<[Box<[u8]>]>, Row)>,
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
        for (key, row) in change.rows {
            match self.rows.entry(key.order) {
                std::collections::btree_map::Entry::Vacant(slot) => {
                    slot.insert((key.values, row));
                }
                std::collections::btree_map::Entry::Occupied(mut slot) => slot.get_mut().1.merge(row),
            }
        }
        if deletes || self.deleted_at.is_some() || !self.ranges.is_empty() {
            self.settle();
        }
    }

    /// Makes deletions felt.
    fn settle(&mut self) {
        if let Some(deleted_at) = self.deleted_at {
            self.static_row.delete_up_to(deleted_at);
            if self.static_row.deleted_at.is_some_and(|at| at <= deleted_at) {
                self.static_row.deleted_at = None;
            }
        }
        let (deleted_at, ranges) = (self.deleted_at, &self.ranges);
        self.rows.retain(|order, (_, row)| {
            let covering = ranges.iter().filter(|range| range.covers(order)).map(|range| range.timestamp);
            if let Some(timestamp) = covering.chain(deleted_at).max() {
                row.delete_up_to(timestamp);
                if row.deleted_at.is_some_and(|at| at <= timestamp) {
                    row.deleted_at = None;
                }
            }
            !row.is_empty()
        });
    }

    /// The static row.
    pub fn static_row(&self) -> &Row {
        &self.static_row
    }

    /// The row at a comparable clustering key.
    pub fn row(&self, order: &[u8]) -> Option<&Row> {
        self.rows.get(order).map(|(_, row)| row)
    }

    /// Whether nothing is recorded.
    pub fn is_empty(&self) -> bool {
        self.deleted_at.is_none() && self.ranges.is_empty() && self.static_row.is_empty() && self.rows.is_empty()
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
        let whole = [Slice { start: Arc::from([]), end: None }];
        let slices = command.slices.as_deref().unwrap_or(&whole);
        let mut stopped = None;
        if command.reversed {
            'slices: for slice in slices.iter().rev() {
                for (order, (values, row)) in self.rows.range::<[u8], _>(bounds(slice)).rev() {
                    if resume.is_some_and(|resume| order >= resume) {
                        continue;
                    }
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
                for (order, (values, row)) in self.rows.range::<[u8], _>(bounds) {
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
    values: &Arc<[Box<[u8]>]>,
    row: &Row,
    now_s: i64,
    budget: &mut usize,
) {
    if row.is_live(now_s) {
        *budget -= 1;
    }
    out.rows.push((ClusteringKey { order: order.clone(), values: values.clone() }, row.clone()));
}

/// Where a read stands that has just pushed its last row; nothing read is no position.
fn last_position(key: &PartitionKey, out: &Fragment) -> Option<Position> {
    out.rows.last().map(|(last, _)| Position::AfterRow(key.clone(), last.order.clone()))
}
