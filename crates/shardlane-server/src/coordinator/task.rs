//! Work that waits for answers of other shards.

use std::rc::Rc;
use std::time::{Duration, Instant};

use shardlane_routing::Token;
use shardlane_wire::{Consistency, WriteType};
use slab::Slab;

use super::gather::Gather;
use super::locks::LockKey;
use super::message::{ReplyTo, TaskKey};
use super::quota::Quota;
use super::stream::Streaming;
use crate::config::Timeouts;
use crate::engine::{RowsOut, TableId};
use crate::faults::TabletLie;
use crate::net::connection::ConnectionKey;
use crate::node::statements::LocalStatement;
use crate::node::timers::DeadlineQueue;

/// After this time a read asks one more replica, if there is one: a paused or overloaded replica
/// then costs this much, not a timeout (`speculative_retry`).
const SPECULATION_DELAY: Duration = Duration::from_millis(100);

/// The client behind a request, and how it wants its answer.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) connection: ConnectionKey,
    pub(crate) stream: i16,
    pub(crate) tracing_id: Option<[u8; 16]>,
    pub(crate) metadata: MetadataWish,
    pub(crate) statement: Option<LocalStatement>,
    /// What the answer shall say of a tablet.
    pub(crate) tablet: TabletNote,
}

/// What an answer says of a tablet, in its custom payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum TabletNote {
    /// Nothing.
    #[default]
    None,
    /// Nothing so far; if the table has tablets, not the truth.
    Lie(TabletLie),
    /// Where this table has this token.
    Tell {
        table: TableId,
        token: Token,
        /// With its version, and the leader first.
        v2: bool,
        lie: Option<TabletLie>,
    },
}

/// What a client has to be told of a result's columns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum MetadataWish {
    /// The columns.
    #[default]
    Full,
    /// Nothing: it knows them from PREPARED.
    None,
    /// The columns and their id: what it knows is out of date.
    Changed,
}

/// Who gets the answer to a task.
#[derive(Debug)]
pub(crate) enum Origin {
    /// A client of this shard.
    Client(Client),
    /// A shard that has asked this one to lead.
    Shard(ReplyTo),
    /// Nobody: the shard itself.
    Nobody,
}

/// Something under way.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) origin: Origin,
    /// The partition that is locked for this task.
    pub(crate) lock: Option<Rc<LockKey>>,
    pub(crate) kind: TaskKind,
}

/// What is under way.
#[derive(Debug)]
pub(crate) enum TaskKind {
    /// A write waits for acknowledgements.
    Write(WriteTask),
    /// A read waits for rows.
    Gather(Box<Gather>),
    /// Another shard leads; its answer is passed on.
    Lead(LeadTask),
    /// Data goes to other nodes.
    Stream(Box<Streaming>),
}

/// A write under way.
#[derive(Debug)]
pub(crate) struct WriteTask {
    /// One for each mutation.
    pub(crate) quotas: Vec<Quota>,
    /// How many of them are not met.
    pub(crate) open: usize,
    pub(crate) consistency: Consistency,
    pub(crate) write_type: WriteType,
    /// The answer once all are met; `None` is VOID.
    pub(crate) rows: Option<RowsOut>,
}

/// A write that another shard leads.
#[derive(Debug)]
pub(crate) struct LeadTask {
    pub(crate) consistency: Consistency,
    pub(crate) block_for: u32,
    pub(crate) write_type: WriteType,
}

/// Which waiting time a task has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    Read = 0,
    Range = 1,
    Write = 2,
    Cas = 3,
    /// No limit: streaming and barriers end by themselves.
    Endless = 4,
}

/// The tasks of a shard, with their deadlines.
#[derive(Debug)]
pub(crate) struct Tasks {
    slab: Slab<(u32, Task)>,
    next_generation: u32,
    deadlines: [DeadlineQueue<TaskKey>; 4],
    speculations: DeadlineQueue<TaskKey>,
}

impl Tasks {
    pub(crate) fn new(timeouts: &Timeouts, first_generation: u32) -> Self {
        let times = [timeouts.read, timeouts.range, timeouts.write, timeouts.cas];
        Self {
            slab: Slab::new(),
            next_generation: first_generation,
            deadlines: times.map(DeadlineQueue::new),
            speculations: DeadlineQueue::new(SPECULATION_DELAY),
        }
    }

    pub(crate) fn insert(&mut self, task: Task, patience: Patience, now: Instant) -> TaskKey {
        self.next_generation = self.next_generation.wrapping_add(1);
        let generation = self.next_generation;
        let slot = self.slab.insert((generation, task)) as u32;
        let key = TaskKey { slot, generation };
        if let Some(queue) = self.deadlines.get_mut(patience as usize) {
            // Tasks that have ended in time are forgotten when a new one comes: the queue does not
            // outgrow what is under way.
            queue.drop_done(|key| is_there(&self.slab, *key));
            queue.push(now, key);
        }
        key
    }

    /// Asks to be reminded when it is time to ask another replica.
    pub(crate) fn speculate_later(&mut self, key: TaskKey, now: Instant) {
        self.speculations
            .drop_done(|key| is_there(&self.slab, *key));
        self.speculations.push(now, key);
    }

    pub(crate) fn get_mut(&mut self, key: TaskKey) -> Option<&mut Task> {
        let (generation, task) = self.slab.get_mut(key.slot as usize)?;
        (*generation == key.generation).then_some(task)
    }

    pub(crate) fn remove(&mut self, key: TaskKey) -> Option<Task> {
        self.get_mut(key)?;
        Some(self.slab.remove(key.slot as usize).1)
    }

    /// A read under a partition's lock, which is now removed.
    pub(crate) fn take_locked_gather(&mut self) -> Option<Task> {
        let (slot, _) = self.slab.iter().find(|(_, (_, task))| {
            task.lock.is_some() && matches!(task.kind, TaskKind::Gather(_))
        })?;
        Some(self.slab.remove(slot).1)
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let queues = self.deadlines.iter().chain([&self.speculations]);
        queues.filter_map(DeadlineQueue::next_deadline).min()
    }

    /// A task whose time is up, and is now removed.
    pub(crate) fn pop_expired(&mut self, now: Instant) -> Option<Task> {
        for index in 0..self.deadlines.len() {
            while let Some(key) = self.deadlines[index].pop_due(now) {
                if let Some(task) = self.remove(key) {
                    return Some(task);
                }
            }
        }
        None
    }

    /// A read that waits so long that another replica should be asked.
    pub(crate) fn pop_speculation(&mut self, now: Instant) -> Option<TaskKey> {
        while let Some(key) = self.speculations.pop_due(now) {
            if is_there(&self.slab, key) {
                return Some(key);
            }
        }
        None
    }
}

fn is_there(slab: &Slab<(u32, Task)>, key: TaskKey) -> bool {
    slab.get(key.slot as usize)
        .is_some_and(|(generation, _)| *generation == key.generation)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task() -> Task {
        let kind = TaskKind::Write(WriteTask {
            quotas: Vec::new(),
            open: 1,
            consistency: Consistency::One,
            write_type: WriteType::Simple,
            rows: None,
        });
        Task {
            origin: Origin::Nobody,
            lock: None,
            kind,
        }
    }

    #[test]
    fn a_key_is_good_for_one_task() {
        let now = Instant::now();
        let mut tasks = Tasks::new(&Timeouts::default(), 7);
        let first = tasks.insert(task(), Patience::Write, now);
        assert!(tasks.remove(first).is_some());
        let second = tasks.insert(task(), Patience::Write, now);
        assert_eq!(first.slot, second.slot);
        assert!(tasks.get_mut(first).is_none());
        assert!(tasks.get_mut(second).is_some());
    }

    #[test]
    fn only_tasks_that_still_wait_expire() {
        let now = Instant::now();
        let mut tasks = Tasks::new(&Timeouts::all(Duration::from_millis(10)), 0);
        let done = tasks.insert(task(), Patience::Read, now);
        let slow = tasks.insert(task(), Patience::Read, now);
        tasks.insert(task(), Patience::Endless, now);
        tasks.remove(done);
        assert!(tasks.pop_expired(now).is_none());
        let later = now + Duration::from_millis(11);
        assert!(tasks.pop_expired(later).is_some());
        assert!(tasks.get_mut(slow).is_none());
        assert!(tasks.pop_expired(later).is_none());
        assert_eq!(tasks.next_deadline(), None);
    }
}
