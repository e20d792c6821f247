//! Further executions of a request whose first one is slow: the first answer wins.
//!
//! Each is a request of its own in the slab, whose `root` is the request it executes; it has neither
//! deadline nor completion. What has been tried and what is left to try is kept at the root, so that no
//! two executions go to the same node.

use shardlane_wire::Opcode;

use super::{ConnId, Engine, RequestKey};
use crate::error::{Attempt, AttemptFailure, RequestErrorKind};
use crate::policy::SpeculationDelay;
use crate::request::{Phase, Request};
use crate::time::Instant;

/// What an execution had on a connection when it ended.
#[derive(Debug, Clone, Copy)]
struct Loose {
    conn: ConnId,
    key: RequestKey,
    stream: Option<u16>,
}

impl<C> Engine<C> {
    /// Plans a further execution of a request that is under way, if its policy wants one.
    pub(super) fn plan_execution(&mut self, now: Instant, key: RequestKey) {
        let Some(request) = self.requests.get(key.index()) else {
            return;
        };
        let spec = &request.spec;
        let policy = spec.policy.as_ref().unwrap_or(&self.config.policy);
        let Some(speculation) = policy.speculation else {
            return;
        };
        let suits = spec.idempotent
            && spec.node.is_none()
            && !spec.awaits_schema_agreement
            && matches!(spec.opcode, Opcode::Query | Opcode::Execute | Opcode::Batch)
            && request.executions_begun < speculation.executions_max
            && request.generation == key.generation();
        if !suits {
            return;
        }
        let delay = match speculation.delay {
            SpeculationDelay::Constant(delay) => Some(delay),
            SpeculationDelay::Percentile(percent) => self.percentile.get(&self.latencies, percent),
        };
        if let Some(delay) = delay {
            self.speculations.push(now, delay, key);
        }
    }

    /// Begins the further executions that are due.
    pub(super) fn begin_executions(&mut self, now: Instant) {
        // One by one: with a delay of nothing an execution makes the next one due.
        loop {
            let requests = &self.requests;
            let live = |key: RequestKey| {
                requests
                    .get(key.index())
                    .is_some_and(|r| r.generation == key.generation())
            };
            let Some(key) = self.speculations.pop_expired(now, live) else {
                return;
            };
            self.begin_execution(now, key);
        }
    }

    fn begin_execution(&mut self, now: Instant, root: RequestKey) {
        let Some(request) = self.request(root) else {
            return;
        };
        if matches!(request.phase, Phase::AwaitingSchema { .. }) {
            return;
        }
        let tried = request.node;
        let Some(node) = self.next_in_plan(root, tried, false) else {
            return;
        };
        let generation = self.next_generation();
        let request = &mut self.requests[root.index()];
        request.executions_begun += 1;
        self.counters.speculative_executions.one_more();
        let mut execution = Request::new(generation, request.spec.clone(), None, None);
        execution.root = Some(root);
        let index = self.requests.insert(execution);
        let key = RequestKey::new(index, generation);
        self.requests[root.index()].executions.push(key);
        self.attempt(now, key, node);
        self.plan_execution(now, root);
    }

    /// An execution has failed for good. The request goes on while another one is under way.
    pub(super) fn end_execution(&mut self, now: Instant, key: RequestKey, kind: RequestErrorKind) {
        let Some(request) = self.request(key) else {
            return;
        };
        let Some(root) = request.root else {
            if request.executions.is_empty() {
                self.finish(now, key, Err(kind));
            } else {
                request.phase = Phase::Exhausted;
            }
            return;
        };
        let ended = self.requests.remove(key.index());
        self.withdraw(ended.phase.question());
        let Some(request) = self.request(root) else {
            return;
        };
        request.executions.retain(|&execution| execution != key);
        if request.executions.is_empty() && matches!(request.phase, Phase::Exhausted) {
            self.finish(now, root, Err(kind));
        }
    }

    /// Ends all executions of a request, its own included; returns whether an attempt was under way. Those
    /// that were go into the history.
    pub(super) fn end_executions(&mut self, now: Instant, root: RequestKey) -> bool {
        let Some(request) = self.request(root) else {
            return false;
        };
        // Not of one that was cancelled: that tells nothing of the server.
        let is_late = request.deadline.is_some_and(|deadline| deadline <= now);
        let is_slow = is_late || !request.executions.is_empty();
        let mut ended = vec![root];
        ended.append(&mut request.executions);
        // First all are made to have nothing under way: giving up a stream may end its connection, and
        // with it the attempts of others there.
        let mut loose = Vec::new();
        let mut in_flight = false;
        for &key in &ended {
            let Some(request) = self.request(key) else {
                continue;
            };
            let is_sent = matches!(request.phase, Phase::Sent { .. });
            if let Some(conn) = request.phase.conn() {
                loose.push(Loose {
                    conn,
                    key,
                    stream: request.phase.stream(),
                });
                let (node, sent_at) = (request.node, request.sent_at);
                if is_sent
                    && let Some(coordinator) =
                        self.cluster.node(node).map(|n| n.coordinator.clone())
                {
                    in_flight = true;
                    let shard = self.connections.get(conn.0 as usize).and_then(|e| e.shard);
                    if is_slow {
                        // It would have taken at least so long.
                        self.latencies.record(now.since(sent_at));
                    }
                    self.requests[root.index()].attempts.push(Attempt {
                        address: coordinator.address,
                        host_id: coordinator.host_id,
                        shard,
                        failure: AttemptFailure::Unanswered,
                    });
                }
            }
            let request = &mut self.requests[key.index()];
            if key != root {
                let ended = self.requests.remove(key.index());
                self.withdraw(ended.phase.question());
            } else if request.phase.conn().is_some() {
                request.phase = Phase::Idle;
            }
        }
        for &Loose { conn, stream, .. } in &loose {
            if stream.is_some()
                && let Some(entry) = self.connections.get(conn.0 as usize)
            {
                entry.counters.ended();
            }
        }
        for Loose { conn, key, stream } in loose {
            self.let_go(now, conn, key, stream);
        }
        in_flight
    }

    /// Leaves an orphan on the connection: the stream stays taken until the server has answered.
    pub(super) fn let_go(
        &mut self,
        now: Instant,
        conn: ConnId,
        key: RequestKey,
        stream: Option<u16>,
    ) {
        let Some(entry) = self.connections.get_mut(conn.0 as usize) else {
            return;
        };
        if stream.is_some() {
            self.counters.orphans.one_more();
        }
        match entry.machine.abandon(now, key.to_bits(), stream) {
            // Orphans that are too many are given up when they are old, even if nothing else happens.
            Ok(()) => self.advance_timer(conn),
            Err(error) => self.drop_connection(now, conn, &error),
        }
    }
}
