//! Rows: a liveness marker, a deletion and columns.

use super::cell::{ColumnData, Expiry};

/// What an INSERT leaves besides its cells: the row exists even if all its columns are null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marker {
    /// The INSERT's timestamp, in microseconds.
    pub timestamp: i64,
    /// Its time to live, if any.
    pub expiry: Option<Expiry>,
}

impl Marker {
    fn rank(&self) -> (i64, i64, i32) {
        let (at, ttl) = self.expiry.map_or((i64::MIN, 0), |e| (e.at_s, e.ttl_s));
        (self.timestamp, at, ttl)
    }
}

/// One row, or a change to one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row {
    /// Set by INSERT.
    pub marker: Option<Marker>,
    /// Everything at or before this timestamp is deleted.
    pub deleted_at: Option<i64>,
    /// Column id to data, sorted by id.
    pub columns: Vec<(u32, ColumnData)>,
}

impl Row {
    /// The data of a column.
    pub fn get(&self, id: u32) -> Option<&ColumnData> {
        self.columns
            .binary_search_by_key(&id, |(id, _)| *id)
            .ok()
            .map(|at| &self.columns[at].1)
    }

    /// Merges `data` into column `id`.
    pub fn put(&mut self, id: u32, data: ColumnData) {
        match self.columns.binary_search_by_key(&id, |(id, _)| *id) {
            Ok(at) => self.columns[at].1.merge(data),
            Err(at) => self.columns.insert(at, (id, data)),
        }
    }

    /// Joins two versions of the row.
    pub fn merge(&mut self, other: Self) {
        self.deleted_at = self.deleted_at.max(other.deleted_at);
        if let Some(theirs) = other.marker
            && self.marker.is_none_or(|ours| theirs.rank() > ours.rank())
        {
            self.marker = Some(theirs);
        }
        if self.columns.is_empty() {
            self.columns = other.columns;
        } else {
            for (id, data) in other.columns {
                self.put(id, data);
            }
        }
        if let Some(deleted_at) = self.deleted_at {
            self.delete_up_to(deleted_at);
        }
    }

    /// Drops what was written at or before `timestamp`, but keeps the row's own deletion mark.
    pub fn delete_up_to(&mut self, timestamp: i64) {
        if self
            .marker
            .is_some_and(|marker| marker.timestamp <= timestamp)
        {
            self.marker = None;
        }
        self.columns
            .retain_mut(|(_, data)| !data.delete_up_to(timestamp));
    }

    /// Whether the row exists at `now_s`: its marker or any column is live.
    pub fn is_live(&self, now_s: i64) -> bool {
        self.marker
            .is_some_and(|marker| marker.expiry.is_none_or(|expiry| expiry.at_s > now_s))
            || self.columns.iter().any(|(_, data)| data.is_live(now_s))
    }

    /// Nothing at all is recorded.
    pub fn is_empty(&self) -> bool {
        self.marker.is_none() && self.deleted_at.is_none() && self.columns.is_empty()
    }
}
