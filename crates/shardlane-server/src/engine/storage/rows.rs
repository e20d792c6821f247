//! The rows of a partition, in clustering order.
//!
//! Most partitions have one row or few, and there may be very many partitions: those are a plain sorted vector.
//! Big ones are a tree.

use std::collections::{BTreeMap, btree_map};
use std::ops::Bound;
use std::sync::Arc;

use super::fragment::ClusteringKey;
use super::row::Row;

/// More rows than this make a tree: inserting into a longer vector costs more than a tree's nodes.
const MAX_SMALL: usize = 32;

/// A clustering key's values as CQL bytes.
pub(super) type ClusteringValues = [Box<[u8]>];

/// A row with the values of its key.
type Entry = (Arc<ClusteringValues>, Row);

#[derive(Debug, Clone)]
pub(super) enum Rows {
    Small(Vec<(ClusteringKey, Row)>),
    Large(BTreeMap<Arc<[u8]>, Entry>),
}

/// A row as iteration shows it: comparable key, the key's values, row.
pub(super) type RowRef<'a> = (&'a Arc<[u8]>, &'a Arc<ClusteringValues>, &'a Row);

impl Default for Rows {
    fn default() -> Self {
        Self::Small(Vec::new())
    }
}

/// Equal content is equal, whatever the form.
impl PartialEq for Rows {
    fn eq(&self, other: &Self) -> bool {
        let all: (Bound<&[u8]>, Bound<&[u8]>) = (Bound::Unbounded, Bound::Unbounded);
        self.range(all)
            .map(|(key, _, row)| (key, row))
            .eq(other.range(all).map(|(key, _, row)| (key, row)))
    }
}

impl Eq for Rows {}

impl Rows {
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Small(rows) => rows.is_empty(),
            Self::Large(rows) => rows.is_empty(),
        }
    }

    pub(super) fn get(&self, order: &[u8]) -> Option<&Row> {
        match self {
            Self::Small(rows) => rows
                .binary_search_by(|(key, _)| (*key.order).cmp(order))
                .ok()
                .map(|at| &rows[at].1),
            Self::Large(rows) => rows.get(order).map(|(_, row)| row),
        }
    }

    /// Merges a row in.
    pub(super) fn put(&mut self, key: ClusteringKey, row: Row) {
        match self {
            Self::Small(rows) => match rows.binary_search_by(|(at, _)| at.cmp(&key)) {
                Ok(at) => rows[at].1.merge(row),
                Err(at) => {
                    if rows.len() < MAX_SMALL {
                        if rows.is_empty() {
                            rows.reserve_exact(1);
                        }
                        rows.insert(at, (key, row));
                        return;
                    }
                    let all = std::mem::take(rows).into_iter().chain([(key, row)]);
                    *self = Self::Large(
                        all.map(|(key, row)| (key.order, (key.values, row)))
                            .collect(),
                    );
                }
            },
            Self::Large(rows) => match rows.entry(key.order) {
                btree_map::Entry::Vacant(slot) => {
                    slot.insert((key.values, row));
                }
                btree_map::Entry::Occupied(mut slot) => slot.get_mut().1.merge(row),
            },
        }
    }

    /// Keeps the rows for which `keep` says so; it may change them.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&[u8], &mut Row) -> bool) {
        match self {
            Self::Small(rows) => rows.retain_mut(|(key, row)| keep(&key.order, row)),
            Self::Large(rows) => rows.retain(|order, (_, row)| keep(order, row)),
        }
    }

    /// The rows within bounds that are the right way round.
    pub(super) fn range(&self, bounds: (Bound<&[u8]>, Bound<&[u8]>)) -> RowRange<'_> {
        match self {
            Self::Small(rows) => {
                let start = match bounds.0 {
                    Bound::Included(start) => rows.partition_point(|(key, _)| *key.order < *start),
                    Bound::Excluded(start) => rows.partition_point(|(key, _)| *key.order <= *start),
                    Bound::Unbounded => 0,
                };
                let end = match bounds.1 {
                    Bound::Included(end) => rows.partition_point(|(key, _)| *key.order <= *end),
                    Bound::Excluded(end) => rows.partition_point(|(key, _)| *key.order < *end),
                    Bound::Unbounded => rows.len(),
                };
                RowRange::Small(rows[start..end.max(start)].iter())
            }
            Self::Large(rows) => RowRange::Large(rows.range::<[u8], _>(bounds)),
        }
    }
}

/// Iterator over a range of rows, from either end.
pub(super) enum RowRange<'a> {
    Small(std::slice::Iter<'a, (ClusteringKey, Row)>),
    Large(btree_map::Range<'a, Arc<[u8]>, Entry>),
}

impl<'a> Iterator for RowRange<'a> {
    type Item = RowRef<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Small(rows) => rows.next().map(|(key, row)| (&key.order, &key.values, row)),
            Self::Large(rows) => rows
                .next()
                .map(|(order, (values, row))| (order, values, row)),
        }
    }
}

impl DoubleEndedIterator for RowRange<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        match self {
            Self::Small(rows) => rows
                .next_back()
                .map(|(key, row)| (&key.order, &key.values, row)),
            Self::Large(rows) => rows
                .next_back()
                .map(|(order, (values, row))| (order, values, row)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn small_and_large_agree(keys in prop::collection::vec(0u16..200, 0..120), from: u16, to: u16) {
            let key = |n: u16| ClusteringKey { order: n.to_be_bytes()[..].into(), values: [].into() };
            let row = |n: u16| Row { deleted_at: Some(i64::from(n)), ..Row::default() };
            let mut rows = Rows::default();
            let mut tree = BTreeMap::new();
            for n in &keys {
                rows.put(key(*n), row(*n));
                tree.insert(n.to_be_bytes().to_vec(), *n);
            }
            let (from, to) = (from % 200, to % 200);
            let (low, high) = (from.min(to).to_be_bytes(), from.max(to).to_be_bytes());
            let bounds = (Bound::Included(&low[..]), Bound::Excluded(&high[..]));
            let found: Vec<_> = rows.range(bounds).map(|(order, ..)| order.to_vec()).collect();
            let expected: Vec<_> = tree.range::<[u8], _>(bounds).map(|(order, _)| order.clone()).collect();
            prop_assert_eq!(&found, &expected);
            let mut back: Vec<_> = rows.range(bounds).rev().map(|(order, ..)| order.to_vec()).collect();
            back.reverse();
            prop_assert_eq!(back, expected);
            rows.retain(|order, _| order[1] % 2 == 0);
            for n in 0..200u16 {
                prop_assert_eq!(rows.get(&n.to_be_bytes()).is_some(), keys.contains(&n) && n % 2 == 0);
            }
        }
    }
}
