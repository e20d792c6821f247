//! Stream ids and what waits for each of them.
//!
//! An abandoned request leaves an *orphan*: its id stays taken until the server has answered, because a
//! late answer to a reused id would be taken for the answer to somebody else's request.

use std::collections::VecDeque;
use std::time::Duration;

use crate::time::Instant;

/// Who gets the answer on a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    Request { token: u64, in_keyspace: bool },
    Handshake,
    Keepalive,
    UseKeyspace,
}

#[derive(Debug, Clone, Copy)]
enum Slot {
    Free,
    Taken(Owner),
    Orphan { since: Instant, in_keyspace: bool },
}

/// What an answer's stream id turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Released {
    Owner(Owner),
    /// Abandoned; `in_keyspace` as it was sent.
    Orphan {
        in_keyspace: bool,
    },
    /// Nothing was sent on this stream: the peer is confused.
    Unknown,
}

#[derive(Debug)]
pub(crate) struct Streams {
    slots: Vec<Slot>,
    // Last in, first out: few ids stay few, and their slots stay in cache.
    free: Vec<u16>,
    max: usize,
    taken: usize,
    orphans: VecDeque<(Instant, u16)>,
    orphan_count: usize,
}

impl Streams {
    pub(crate) const fn new(max: usize) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            max: if max > 32768 { 32768 } else { max },
            taken: 0,
            orphans: VecDeque::new(),
            orphan_count: 0,
        }
    }

    /// Takes a stream id, or `None` if all are in use.
    pub(crate) fn take(&mut self, owner: Owner) -> Option<u16> {
        let stream = match self.free.pop() {
            Some(stream) => stream,
            None if self.slots.len() < self.max => {
                self.slots.push(Slot::Free);
                (self.slots.len() - 1) as u16
            }
            None => return None,
        };
        self.slots[usize::from(stream)] = Slot::Taken(owner);
        self.taken += 1;
        Some(stream)
    }

    /// The answer on `stream` has come: the id is free again.
    pub(crate) fn release(&mut self, stream: i16) -> Released {
        let Some(slot) = u16::try_from(stream)
            .ok()
            .and_then(|s| self.slots.get_mut(usize::from(s)))
        else {
            return Released::Unknown;
        };
        let released = match std::mem::replace(slot, Slot::Free) {
            Slot::Free => return Released::Unknown,
            Slot::Taken(owner) => Released::Owner(owner),
            Slot::Orphan { in_keyspace, .. } => {
                self.orphan_count -= 1;
                Released::Orphan { in_keyspace }
            }
        };
        self.taken -= 1;
        self.free.push(stream as u16);
        released
    }

    /// The requester has given up: nobody gets the answer.
    pub(crate) fn orphan(&mut self, now: Instant, stream: u16) {
        if let Some(slot @ Slot::Taken(_)) = self.slots.get_mut(usize::from(stream)) {
            let in_keyspace = matches!(
                slot,
                Slot::Taken(Owner::Request {
                    in_keyspace: true,
                    ..
                })
            );
            *slot = Slot::Orphan {
                since: now,
                in_keyspace,
            };
            self.orphan_count += 1;
            self.orphans.push_back((now, stream));
        }
    }

    /// When more than `max` orphans will be older than `age`, unless answers come; `None`: there are
    /// not that many.
    pub(crate) fn too_many_orphans_at(&mut self, max: usize, age: Duration) -> Option<Instant> {
        if self.orphan_count <= max {
            // Answered orphans leave stale entries; do not let them pile up.
            if self.orphans.len() > 2 * max + 64 {
                self.forget_answered_orphans();
            }
            return None;
        }
        self.forget_answered_orphans();
        self.orphans.get(max).map(|&(since, _)| since + age)
    }

    fn forget_answered_orphans(&mut self) {
        let slots = &self.slots;
        self.orphans.retain(
            |&(at, s)| matches!(slots[usize::from(s)], Slot::Orphan { since, .. } if since == at),
        );
    }

    pub(crate) const fn orphan_count(&self) -> usize {
        self.orphan_count
    }

    pub(crate) fn has_free(&self) -> bool {
        self.taken < self.max
    }

    /// Streams taken, orphans included.
    pub(crate) const fn in_flight(&self) -> usize {
        self.taken
    }

    /// Tokens of all requests that still wait for an answer.
    pub(crate) fn waiting_tokens(&self) -> impl Iterator<Item = u64> + '_ {
        self.slots.iter().filter_map(|slot| match slot {
            Slot::Taken(Owner::Request { token, .. }) => Some(*token),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(token: u64) -> Owner {
        Owner::Request {
            token,
            in_keyspace: false,
        }
    }

    #[test]
    fn an_orphan_keeps_its_id_until_the_late_answer() {
        let mut streams = Streams::new(2);
        let a = streams.take(request(1)).unwrap();
        let b = streams.take(request(2)).unwrap();
        assert_eq!(streams.take(request(3)), None, "bounded");
        streams.orphan(Instant(1), a);
        assert_eq!(
            streams.take(request(3)),
            None,
            "an orphan's id is not reused"
        );
        assert_eq!(
            streams.release(a as i16),
            Released::Orphan { in_keyspace: false }
        );
        assert_eq!(streams.take(request(3)), Some(a));
        assert_eq!(streams.release(b as i16), Released::Owner(request(2)));
        assert_eq!(
            streams.release(b as i16),
            Released::Unknown,
            "answered twice"
        );
        assert_eq!(streams.release(-1), Released::Unknown);
        assert_eq!(streams.release(900), Released::Unknown);
        assert_eq!(streams.waiting_tokens().collect::<Vec<_>>(), [3]);
    }

    #[test]
    fn only_old_unanswered_orphans_count() {
        let mut streams = Streams::new(100);
        let age = Duration::from_secs(1);
        let ids: Vec<u16> = (0..10).map(|i| streams.take(request(i)).unwrap()).collect();
        for &id in &ids {
            streams.orphan(Instant(0), id);
        }
        assert_eq!(streams.too_many_orphans_at(4, age), Some(Instant(0) + age));
        for &id in &ids[..6] {
            streams.release(id as i16);
        }
        assert_eq!(streams.too_many_orphans_at(4, age), None, "answered");
        assert_eq!(streams.orphan_count(), 4);
    }
}
