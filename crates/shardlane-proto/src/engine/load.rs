//! How much an engine holds: what its bounds are tested by.

use std::cmp::Reverse;

use super::Engine;

/// Sizes of everything in an engine that can grow, at one moment. For tests, and for a look at an
/// application whose memory grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EngineLoad {
    /// Connections, those that are being made included.
    pub connections: usize,
    /// Bytes that the connections have not written yet.
    pub unsent_bytes: usize,
    /// Streams taken on all connections, by orphans too.
    pub streams: usize,
    /// Requests under way, those that the engine makes of its own accord included.
    pub requests: usize,
    /// Deadlines kept, and times of further attempts and executions; some belong to requests that are over.
    pub deadlines: usize,
    /// Timers of connections; some are out of date.
    pub timers: usize,
    /// Questions that the application has not answered.
    pub questions: usize,
    /// Refreshes that wait for its answer.
    pub held_back: usize,
    /// Statements that are being prepared.
    pub prepares: usize,
    /// Effects and completions that the shell has not fetched.
    pub unfetched: usize,
}

impl<C> Engine<C> {
    /// How much the engine holds. Takes time in proportion to the number of connections.
    #[must_use]
    pub fn load(&self) -> EngineLoad {
        let mut load = EngineLoad {
            connections: self.connections.len(),
            requests: self.requests.len(),
            deadlines: self.deadlines.len() + self.speculations.len() + self.delayed.len(),
            timers: self.timers.len(),
            questions: self.questions.len(),
            held_back: self.held_back.len(),
            prepares: self.prepares.len(),
            unfetched: self.effects.len() + self.completions.len(),
            ..EngineLoad::default()
        };
        for (_, entry) in &self.connections {
            load.unsent_bytes += entry.machine.unsent().len();
            load.streams += entry.machine.in_flight();
        }
        load
    }

    /// Requests that have no outcome yet, those that the engine makes of its own accord included.
    #[must_use]
    pub fn requests_under_way(&self) -> usize {
        self.requests.len()
    }

    /// Timers that were brought forward leave their old entries in the heap until these are due. Where that
    /// happens often (a node that is reported down again and again) they are cleared out before.
    pub(super) fn forget_old_timers(&mut self) {
        if self.timers.len() > 4 * self.connections.len() + OLD_TIMERS_MAX {
            let connections = &self.connections;
            self.timers.retain(|&Reverse((at, conn))| {
                connections
                    .get(conn.0 as usize)
                    .is_some_and(|entry| entry.timer_at == at)
            });
        }
    }
}

/// Clearing out is not worth while for fewer than these, on top of four for each connection.
const OLD_TIMERS_MAX: usize = 256;
