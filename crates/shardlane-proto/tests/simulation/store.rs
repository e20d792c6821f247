//! What the simulated nodes hold: a write goes to its replicas one by one, and is acknowledged when as many
//! hold it as its consistency asks for. Nodes keep what they hold when they are killed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use shardlane_wire::error::WriteType;
use shardlane_wire::{Consistency, ErrorDetail};

use crate::node;
use crate::world::{Happening, MS, World};

/// A coordinator waits so long for replicas.
const WRITE_TIMEOUT: Duration = Duration::from_millis(800);

/// One write, as its coordinator sees it.
#[derive(Debug)]
struct Write {
    id: u64,
    coordinator: usize,
    /// Whom to answer; nobody, if the answer was something else already.
    asker: Option<(u64, i16)>,
    consistency: Consistency,
    needed: usize,
    held_by: BTreeSet<usize>,
}

/// All nodes' data, and what is on its way there.
#[derive(Debug, Default)]
pub(crate) struct Store {
    /// Which nodes hold the write with this id.
    pub(crate) held: BTreeMap<u64, BTreeSet<usize>>,
    /// Where it belongs: token and replication factor.
    places: BTreeMap<u64, (i64, usize)>,
    under_way: BTreeMap<u64, Write>,
    next: u64,
}

impl Store {
    /// Forgets finished writes, so that long runs do not grow.
    pub(crate) fn forget(&mut self) {
        self.held.clear();
        self.places.clear();
    }
}

/// How many of `replicas` nodes a consistency asks for.
pub(crate) const fn needed(consistency: Consistency, replicas: usize) -> usize {
    match consistency {
        Consistency::Quorum => replicas / 2 + 1,
        Consistency::All => replicas,
        _ => 1,
    }
}

impl World {
    /// Whether nodes can talk to each other just now.
    fn can_talk(&self, one: usize, other: usize) -> bool {
        let is_split = self.now < self.split_until;
        self.nodes[other].is_reachable()
            && !(is_split && self.split.contains(&one) != self.split.contains(&other))
    }

    fn replicas_seen_by(
        &self,
        coordinator: usize,
        token: i64,
        factor: usize,
        consistency: Consistency,
    ) -> Result<(Vec<usize>, usize), ErrorDetail> {
        let replicas = node::replicas(&self.nodes, token, factor);
        let needed = needed(consistency, replicas.len());
        let alive: Vec<usize> = replicas
            .into_iter()
            .filter(|&replica| self.can_talk(coordinator, replica))
            .collect();
        if alive.len() < needed {
            return Err(ErrorDetail::Unavailable {
                consistency,
                required: needed as i32,
                alive: alive.len() as i32,
            });
        }
        Ok((alive, needed))
    }

    /// A coordinator takes a write; an error: it refuses it, and nothing is written.
    pub(crate) fn begin_write(
        &mut self,
        coordinator: usize,
        asker: Option<(u64, i16)>,
        id: u64,
        (token, factor): (i64, usize),
        consistency: Consistency,
    ) -> Result<(), ErrorDetail> {
        let (replicas, needed) = self.replicas_seen_by(coordinator, token, factor, consistency)?;
        let number = self.store.next;
        self.store.next += 1;
        self.store.places.insert(id, (token, factor));
        self.store.under_way.insert(
            number,
            Write {
                id,
                coordinator,
                asker,
                consistency,
                needed,
                held_by: BTreeSet::new(),
            },
        );
        for replica in replicas {
            let delay = if replica == coordinator {
                Duration::ZERO
            } else {
                self.latency()
            };
            self.after(
                delay,
                Happening::Replicate {
                    write: number,
                    node: replica,
                },
            );
        }
        self.after(WRITE_TIMEOUT, Happening::WriteExpires { write: number });
        Ok(())
    }

    /// A write reaches a replica, if that can be reached.
    pub(crate) fn replicate(&mut self, number: u64, node: usize) {
        let Some(write) = self.store.under_way.get(&number) else {
            return;
        };
        if !self.can_talk(write.coordinator, node) {
            return;
        }
        let silent_until = self.nodes[node].silent_until;
        if self.now < silent_until {
            let write = number;
            self.at(silent_until, Happening::Replicate { write, node });
            return;
        }
        let (id, is_own) = (write.id, write.coordinator == node);
        self.store.held.entry(id).or_default().insert(node);
        let delay = if is_own {
            Duration::ZERO
        } else {
            self.latency()
        };
        let write = number;
        self.after(delay, Happening::Replicated { write, node });
    }

    /// The coordinator hears of it.
    pub(crate) fn replicated(&mut self, number: u64, node: usize) {
        let Some(write) = self.store.under_way.get(&number) else {
            return;
        };
        let coordinator = write.coordinator;
        if !self.can_talk(node, coordinator) {
            return;
        }
        let silent_until = self.nodes[coordinator].silent_until;
        if self.now < silent_until {
            let write = number;
            self.at(silent_until, Happening::Replicated { write, node });
            return;
        }
        let write = self.store.under_way.get_mut(&number).expect("looked at");
        write.held_by.insert(node);
        if write.held_by.len() < write.needed {
            return;
        }
        if let Some((socket, stream)) = write.asker.take() {
            let id = write.id.to_be_bytes().to_vec();
            self.answer_rows(socket, stream, &node::rows(&["id"], &[vec![id]]));
        }
    }

    /// The coordinator's patience ends.
    pub(crate) fn write_expires(&mut self, number: u64) {
        let Some(write) = self.store.under_way.remove(&number) else {
            return;
        };
        if let Some((socket, stream)) = write.asker {
            let detail = ErrorDetail::WriteTimeout {
                consistency: write.consistency,
                received: write.held_by.len() as i32,
                block_for: write.needed as i32,
                write_type: WriteType::Simple,
                contentions: None,
            };
            self.refuse(socket, stream, detail);
        }
    }

    /// Whether the write with this id is found at this consistency.
    pub(crate) fn read(
        &mut self,
        coordinator: usize,
        id: u64,
        (token, factor): (i64, usize),
        consistency: Consistency,
    ) -> Result<bool, ErrorDetail> {
        let (mut alive, needed) = self.replicas_seen_by(coordinator, token, factor, consistency)?;
        while alive.len() > needed {
            let out = self.rng.below(alive.len());
            alive.swap_remove(out);
        }
        let held = self.store.held.get(&id);
        Ok(held.is_some_and(|held| alive.iter().any(|node| held.contains(node))))
    }

    /// Nodes have joined or left: what anybody holds goes to its new replicas; what is being written when
    /// that happens is never acknowledged.
    pub(crate) fn move_data(&mut self) {
        for write in self.store.under_way.values_mut() {
            write.needed = usize::MAX;
        }
        for (id, held) in &mut self.store.held {
            let (token, factor) = self.store.places[id];
            held.extend(node::replicas(&self.nodes, token, factor));
        }
    }

    /// Nodes of one part cannot talk to those of the other for a while.
    pub(crate) fn split_nodes(&mut self) {
        self.split = (0..self.nodes.len())
            .filter(|_| self.rng.chance(50))
            .collect();
        self.split_until = self.now + MS * self.rng.below(4000) as u32;
    }
}
