//! What is known of one table's tablets.

use super::{Tablet, TabletReplica};
use crate::{HostId, Token};

/// The known tablets of one table: sorted, without overlaps, possibly with gaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TabletMap<R = TabletReplica> {
    tablets: Vec<Tablet<R>>,
}

impl<R> Default for TabletMap<R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<R: PartialEq> TabletMap<R> {
    /// Adds a tablet. Known ones that overlap it are dropped: tablets split, merge and move, and
    /// what the server says last is true. Returns false if it was known just so already.
    pub fn insert(&mut self, tablet: Tablet<R>) -> bool {
        let start = self
            .tablets
            .partition_point(|known| known.last() <= tablet.first());
        let overlapping =
            self.tablets[start..].partition_point(|known| known.first() < tablet.last());
        let old = &mut self.tablets[start..start + overlapping];
        match old {
            [same] if *same == tablet => false,
            // The usual case once the table is known: the same range with other replicas.
            [single] => {
                *single = tablet;
                true
            }
            _ => {
                self.tablets.splice(start..start + overlapping, [tablet]);
                true
            }
        }
    }
}

impl<R> TabletMap<R> {
    /// A map that knows no tablet.
    pub const fn new() -> Self {
        Self {
            tablets: Vec::new(),
        }
    }

    /// The tablet of `token`, if it is known.
    #[inline]
    pub fn lookup(&self, token: Token) -> Option<&Tablet<R>> {
        let at = self.tablets.partition_point(|tablet| tablet.last() < token);
        self.tablets.get(at).filter(|tablet| tablet.first() < token)
    }

    /// Forgets the tablets for which `keep` says no; it may change the replicas of the others.
    /// Returns how many were forgotten.
    pub fn retain_mut(&mut self, keep: impl FnMut(&mut Tablet<R>) -> bool) -> usize {
        let before = self.tablets.len();
        self.tablets.retain_mut(keep);
        before - self.tablets.len()
    }

    /// Forgets all tablets, because the table or its keyspace has changed.
    pub fn clear(&mut self) {
        self.tablets.clear();
    }

    /// The known tablets, in ring order.
    pub fn iter(&self) -> std::slice::Iter<'_, Tablet<R>> {
        self.tablets.iter()
    }

    /// How many tablets are known.
    pub fn len(&self) -> usize {
        self.tablets.len()
    }

    /// True if no tablet is known.
    pub fn is_empty(&self) -> bool {
        self.tablets.is_empty()
    }
}

impl TabletMap {
    /// Forgets the tablets that have a replica on `host_id`, because the node has left. Returns how
    /// many there were.
    pub fn remove_host(&mut self, host_id: HostId) -> usize {
        self.retain_mut(|tablet| tablet.shard_on(host_id).is_none())
    }
}

impl<'a, R> IntoIterator for &'a TabletMap<R> {
    type Item = &'a Tablet<R>;
    type IntoIter = std::slice::Iter<'a, Tablet<R>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<R: PartialEq> FromIterator<Tablet<R>> for TabletMap<R> {
    fn from_iter<I: IntoIterator<Item = Tablet<R>>>(tablets: I) -> Self {
        let mut map = Self::new();
        map.extend(tablets);
        map
    }
}

impl<R: PartialEq> Extend<Tablet<R>> for TabletMap<R> {
    fn extend<I: IntoIterator<Item = Tablet<R>>>(&mut self, tablets: I) {
        for tablet in tablets {
            self.insert(tablet);
        }
    }
}
