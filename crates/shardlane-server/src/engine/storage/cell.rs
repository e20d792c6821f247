//! Cells: the unit of reconciliation.

use std::collections::BTreeMap;
use std::sync::Arc;

/// When a cell with a time to live goes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry {
    /// The time to live that was asked for, in seconds.
    pub ttl_s: i32,
    /// The moment of expiry, in seconds since the epoch.
    pub at_s: i64,
}

/// What a cell says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CellValue {
    /// A value, possibly until some moment.
    Live(Arc<[u8]>, Option<Expiry>),
    /// A tombstone.
    Dead,
}

/// One version of one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// The write's timestamp, in microseconds.
    pub timestamp: i64,
    /// What was written.
    pub value: CellValue,
}

impl Cell {
    /// A live cell.
    pub fn live(timestamp: i64, value: impl Into<Arc<[u8]>>, expiry: Option<Expiry>) -> Self {
        Self {
            timestamp,
            value: CellValue::Live(value.into(), expiry),
        }
    }

    /// A tombstone.
    pub fn dead(timestamp: i64) -> Self {
        Self {
            timestamp,
            value: CellValue::Dead,
        }
    }

    /// The value and its expiry, if the cell is live at `now_s`.
    pub fn read(&self, now_s: i64) -> Option<(&Arc<[u8]>, Option<Expiry>)> {
        match &self.value {
            CellValue::Live(_, Some(expiry)) if expiry.at_s <= now_s => None,
            CellValue::Live(value, expiry) => Some((value, *expiry)),
            CellValue::Dead => None,
        }
    }

    /// Whether `self` wins over `other`: later timestamp; then a tombstone over a value; then the cell
    /// that expires (and expires later); then the greater value. A total order, so that merging commutes.
    fn rank(&self) -> (i64, bool, i64, i32, &[u8]) {
        match &self.value {
            CellValue::Dead => (self.timestamp, true, 0, 0, &[]),
            CellValue::Live(value, expiry) => {
                let (at, ttl) = expiry.map_or((i64::MIN, 0), |e| (e.at_s, e.ttl_s));
                (self.timestamp, false, at, ttl, value)
            }
        }
    }

    /// Keeps the winner of the two.
    pub fn merge(&mut self, other: Self) {
        if other.rank() > self.rank() {
            *self = other;
        }
    }
}

/// A non-frozen collection or user-defined type: a cell per element.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MultiCell {
    /// Timestamp up to which everything is deleted (the whole value was overwritten or deleted).
    pub deleted_at: Option<i64>,
    /// Element key (list: position id; set: element; map: key; UDT: field index) to cell.
    pub cells: BTreeMap<Arc<[u8]>, Cell>,
}

impl MultiCell {
    /// Joins two versions.
    pub fn merge(&mut self, other: Self) {
        self.deleted_at = self.deleted_at.max(other.deleted_at);
        for (key, cell) in other.cells {
            match self.cells.entry(key) {
                std::collections::btree_map::Entry::Vacant(slot) => {
                    slot.insert(cell);
                }
                std::collections::btree_map::Entry::Occupied(mut slot) => {
                    slot.get_mut().merge(cell)
                }
            }
        }
        if let Some(deleted_at) = self.deleted_at {
            self.delete_up_to(deleted_at);
        }
    }

    fn delete_up_to(&mut self, timestamp: i64) {
        self.cells.retain(|_, cell| cell.timestamp > timestamp);
    }
}

/// One replica's part of a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CounterShard {
    /// The replica that counts here.
    pub replica: [u8; 16],
    /// Grows with every update; the greater clock wins.
    pub clock: i64,
    /// The replica's sum.
    pub value: i64,
}

/// A counter: the sum of its replicas' parts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CounterCell {
    /// The latest update's timestamp.
    pub timestamp: i64,
    /// Deleted for good (counters are not to be used again after a deletion).
    pub deleted_at: Option<i64>,
    /// Sorted by replica.
    pub shards: Vec<CounterShard>,
}

impl CounterCell {
    /// The counter's value.
    pub fn total(&self) -> i64 {
        self.shards
            .iter()
            .fold(0, |sum, shard| sum.wrapping_add(shard.value))
    }

    /// Adds `delta` to the part of `replica`.
    pub fn add(&mut self, replica: [u8; 16], delta: i64, timestamp: i64) {
        self.timestamp = self.timestamp.max(timestamp);
        match self
            .shards
            .binary_search_by(|shard| shard.replica.cmp(&replica))
        {
            Ok(at) => {
                self.shards[at].clock += 1;
                self.shards[at].value = self.shards[at].value.wrapping_add(delta);
            }
            Err(at) => self.shards.insert(
                at,
                CounterShard {
                    replica,
                    clock: 1,
                    value: delta,
                },
            ),
        }
    }

    /// Joins two versions.
    pub fn merge(&mut self, other: &Self) {
        self.timestamp = self.timestamp.max(other.timestamp);
        self.deleted_at = self.deleted_at.max(other.deleted_at);
        for theirs in &other.shards {
            match self
                .shards
                .binary_search_by(|shard| shard.replica.cmp(&theirs.replica))
            {
                Ok(at) => {
                    let ours = &mut self.shards[at];
                    if (theirs.clock, theirs.value) > (ours.clock, ours.value) {
                        *ours = *theirs;
                    }
                }
                Err(at) => self.shards.insert(at, *theirs),
            }
        }
    }
}

/// The data of one column in one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnData {
    /// A single cell.
    Atomic(Cell),
    /// A cell per element.
    Multi(MultiCell),
    /// A counter.
    Counter(CounterCell),
}

impl ColumnData {
    /// Joins two versions. Versions of different shape cannot meet, since a column id never changes
    /// its type; should they, the right one is kept if its shape ranks higher.
    pub fn merge(&mut self, other: Self) {
        match (&mut *self, other) {
            (Self::Atomic(ours), Self::Atomic(theirs)) => ours.merge(theirs),
            (Self::Multi(ours), Self::Multi(theirs)) => ours.merge(theirs),
            (Self::Counter(ours), Self::Counter(theirs)) => ours.merge(&theirs),
            (ours, theirs) => {
                if theirs.shape() > ours.shape() {
                    *ours = theirs;
                }
            }
        }
    }

    const fn shape(&self) -> u8 {
        match self {
            Self::Atomic(_) => 0,
            Self::Multi(_) => 1,
            Self::Counter(_) => 2,
        }
    }

    /// Drops what was written at or before `timestamp`; `true` if nothing is left.
    pub fn delete_up_to(&mut self, timestamp: i64) -> bool {
        match self {
            Self::Atomic(cell) => cell.timestamp <= timestamp,
            Self::Multi(multi) => {
                multi.delete_up_to(timestamp);
                if multi.deleted_at.is_some_and(|at| at <= timestamp) {
                    multi.deleted_at = None;
                }
                multi.cells.is_empty() && multi.deleted_at.is_none()
            }
            Self::Counter(counter) => counter.timestamp <= timestamp,
        }
    }

    /// Whether there is anything to see at `now_s`.
    pub fn is_live(&self, now_s: i64) -> bool {
        match self {
            Self::Atomic(cell) => cell.read(now_s).is_some(),
            Self::Multi(multi) => multi.cells.values().any(|cell| cell.read(now_s).is_some()),
            Self::Counter(counter) => counter.is_live(),
        }
    }
}

impl CounterCell {
    /// Whether the counter exists: updated after its last deletion.
    pub fn is_live(&self) -> bool {
        !self.shards.is_empty() && self.deleted_at.is_none_or(|at| self.timestamp > at)
    }
}
