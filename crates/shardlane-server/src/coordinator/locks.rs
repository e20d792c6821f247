//! One conditional write at a time per partition, on the shard that leads it.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::mpsc::Sender;

use super::cas::Leading;
use crate::engine::{PartitionKey, TableId};

/// A partition of a table.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct LockKey {
    pub(crate) table: TableId,
    pub(crate) partition: PartitionKey,
}

/// The partitions that are locked, with those who wait for each, in order.
#[derive(Debug, Default)]
pub(crate) struct PartitionLocks {
    held: HashMap<Rc<LockKey>, VecDeque<Leading>>,
    /// Those whose turn has come.
    pub(crate) ready: VecDeque<(Rc<LockKey>, Leading)>,
    /// Those who wait for replicas to settle.
    pub(crate) frozen: Vec<Leading>,
    /// Those who want to know when no lock is held any more.
    pub(crate) barriers: Vec<Sender<()>>,
}

impl PartitionLocks {
    /// Takes the lock, or puts `leading` into the line for it and returns `None`.
    pub(crate) fn acquire(&mut self, leading: Leading) -> Option<(Rc<LockKey>, Leading)> {
        let key = Rc::new(leading.lock_key());
        if let Some(line) = self.held.get_mut(&key) {
            line.push_back(leading);
            return None;
        }
        self.held.insert(Rc::clone(&key), VecDeque::new());
        Some((key, leading))
    }

    /// Gives the lock to the next in line, who is returned, or frees it.
    pub(crate) fn release(&mut self, key: &Rc<LockKey>) -> Option<Leading> {
        let next = self.held.get_mut(key)?.pop_front();
        if next.is_none() {
            self.held.remove(key);
        }
        next
    }

    /// Whether no conditional write is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.held.is_empty()
    }
}
