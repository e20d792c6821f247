//! The engine's requests: each goes from attempt to attempt until it has a result, an error, or no time.

use std::sync::Arc;

use shardlane_wire::error::{ErrorBody, ErrorDetail};
use shardlane_wire::request::Prepare;
use shardlane_wire::{Dialect, Opcode, Request as WireRequest, Response, ResultBody};

use super::connections::{Entry, Role};
use super::{ConnId, Engine, Life, RequestKey};
use crate::cluster::NodeKey;
use crate::connection::{Sent, decode_response};
use crate::error::{Attempt, AttemptFailure, ConnectionError, RequestError, RequestErrorKind};
use crate::request::{
    Answer, Decision, Outcome, Phase, PreparedRef, QueryPlan, Request, RequestSpec,
};
use crate::time::Instant;

/// A node may forget a statement again while we prepare it (its cache is too small): give up then.
const REPREPARE_MAX: u8 = 3;

/// What the shell wants back, with how the request ended.
type Finished<C> = (C, Outcome);

impl<C> Engine<C> {
    /// Takes a request. It ends with exactly one completion, whatever happens.
    ///
    /// The key is for [`Self::cancel`]. A PREPARE that is under way already is not sent twice: the second
    /// asker shares the answer, and gets [`RequestKey::NONE`].
    pub fn submit(&mut self, now: Instant, spec: RequestSpec, completion: C) -> RequestKey {
        if matches!(self.life, Life::Draining { .. } | Life::Closed) {
            self.completions.push((
                completion,
                Err(RequestError::bare(RequestErrorKind::Closed)),
            ));
            return RequestKey::NONE;
        }
        if spec.opcode == Opcode::Prepare && spec.node.is_none() {
            let identity = (spec.keyspace.clone(), spec.body.clone());
            if let Some(&key) = self.prepares.get(&identity)
                && let Some(leader) = self.request(key)
            {
                leader.followers.push(completion);
                return RequestKey::NONE;
            }
            let key = self.begin(now, spec, Some(completion));
            if self.request(key).is_some() {
                self.prepares.insert(identity, key);
            }
            return key;
        }
        self.begin(now, spec, Some(completion))
    }

    fn begin(&mut self, now: Instant, spec: RequestSpec, completion: Option<C>) -> RequestKey {
        // All ones in the upper half would make RequestKey::NONE.
        self.generation = (self.generation + 1) % u32::MAX;
        let generation = self.generation;
        let first = QueryPlan::first(&mut self.cluster, &spec, &mut self.rng);
        let timeout = spec.timeout;
        let index = self.requests.insert(Request {
            generation,
            spec,
            completion,
            followers: Vec::new(),
            phase: Phase::Idle,
            plan: None,
            attempts: Vec::new(),
            reprepared: 0,
        });
        let key = RequestKey::new(index, generation);
        if let Some(timeout) = timeout {
            self.deadlines.push(now, timeout, key);
        }
        match first {
            Some(node) => self.attempt(now, key, node),
            None => self.finish(key, Err(RequestErrorKind::NoNodeAvailable)),
        }
        key
    }

    /// Tries `node`, and others after it, until the request is on its way or over.
    fn attempt(&mut self, now: Instant, key: RequestKey, node: NodeKey) {
        let mut next = Some(node);
        while let Some(node) = next {
            match self.try_send(key, node) {
                Ok(()) => return,
                Err(failure) => next = self.follow(now, key, node, None, failure),
            }
        }
    }

    fn try_send(&mut self, key: RequestKey, node_key: NodeKey) -> Result<(), AttemptFailure> {
        let Some(request) = self.requests.get_mut(key.index()) else {
            return Ok(());
        };
        let connections = &self.connections;
        let load = |conn: ConnId| {
            connections
                .get(conn.0 as usize)
                .map_or(usize::MAX, |e| e.machine.in_flight())
        };
        let conn = self
            .cluster
            .node_mut(node_key)
            .and_then(|node| node.pool.pick(request.spec.token, load))
            .ok_or(AttemptFailure::NotConnected)?;
        let spec = &request.spec;
        request.phase = put(
            &mut self.connections,
            conn,
            key,
            spec.opcode,
            spec.flags,
            &spec.body,
            spec.keyspace.as_ref(),
        )?;
        self.mark_dirty(conn);
        Ok(())
    }

    /// The keyspace that the request waited for is in use.
    pub(super) fn resend(&mut self, now: Instant, conn: ConnId, key: RequestKey) {
        let Some(request) = self
            .requests
            .get_mut(key.index())
            .filter(|r| r.generation == key.generation())
        else {
            return;
        };
        let (reprepare, body);
        let (opcode, flags, body, keyspace) = match &request.phase {
            Phase::Repreparing { prepared, .. } => {
                reprepare = prepared.clone();
                body = prepare_body(&reprepare);
                (Opcode::Prepare, 0, &body[..], reprepare.keyspace.as_ref())
            }
            _ => {
                let spec = &request.spec;
                (
                    spec.opcode,
                    spec.flags,
                    &spec.body[..],
                    spec.keyspace.as_ref(),
                )
            }
        };
        match put(
            &mut self.connections,
            conn,
            key,
            opcode,
            flags,
            body,
            keyspace,
        ) {
            Ok(Phase::Sent {
                conn,
                stream,
                position,
            }) => {
                request.phase = match std::mem::replace(&mut request.phase, Phase::Idle) {
                    Phase::Repreparing { prepared, .. } => Phase::Repreparing {
                        conn,
                        stream: Some(stream),
                        prepared,
                    },
                    _ => Phase::Sent {
                        conn,
                        stream,
                        position,
                    },
                };
                self.mark_dirty(conn);
            }
            Ok(_) => {}
            Err(failure) => self.fail_attempt(now, conn, key, failure),
        }
    }

    /// A response to the request's own frame, or to the PREPARE sent on its behalf.
    pub(super) fn handle_response(
        &mut self,
        now: Instant,
        conn: ConnId,
        key: RequestKey,
        opcode: Opcode,
        flags: u8,
        body: Vec<u8>,
    ) {
        let Some(entry) = self.connections.get(conn.0 as usize) else {
            return;
        };
        let dialect = entry.machine.dialect();
        let reprepared = match self.request(key) {
            Some(Request {
                phase: Phase::Repreparing { prepared, .. },
                ..
            }) => Some(prepared.clone()),
            Some(_) => None,
            None => return,
        };
        if opcode == Opcode::Error {
            match decode_response(dialect, flags, opcode, &body) {
                Ok(Response::Error(error)) => self.handle_server_error(now, conn, key, error),
                Ok(_) => {}
                Err(error) => self.fail_attempt(
                    now,
                    conn,
                    key,
                    AttemptFailure::Connection {
                        error,
                        written: true,
                    },
                ),
            }
        } else if let Some(prepared) = reprepared {
            let same_id = matches!(
                decode_response(dialect, flags, opcode, &body),
                Ok(Response::Result(ResultBody::Prepared(p))) if *p.id == *prepared.id
            );
            if same_id {
                if let Some(request) = self.request(key) {
                    request.phase = Phase::Idle;
                }
                self.resend(now, conn, key);
            } else {
                self.finish(key, Err(RequestErrorKind::PreparedIdChanged));
            }
        } else {
            self.succeed(now, conn, key, dialect, opcode, flags, body);
        }
    }

    #[allow(clippy::too_many_arguments)] // one call site; a struct for it would only rename them
    fn succeed(
        &mut self,
        now: Instant,
        conn: ConnId,
        key: RequestKey,
        dialect: Dialect,
        opcode: Opcode,
        flags: u8,
        body: Vec<u8>,
    ) {
        let entry = &self.connections[conn.0 as usize];
        let Role::Pool(node) = entry.role else { return };
        let Some(coordinator) = self.cluster.node(node).map(|n| n.coordinator.clone()) else {
            return;
        };
        let shard = entry.shard;
        let Some(request) = self.request(key) else {
            return;
        };
        let failed_attempts = std::mem::take(&mut request.attempts);
        let is_prepare = request.spec.opcode == Opcode::Prepare && request.completion.is_some();
        let answer = Answer {
            opcode,
            flags,
            body,
            coordinator,
            shard,
            failed_attempts,
        };
        if is_schema_change(dialect, &answer) {
            request.phase = Phase::AwaitingSchema {
                answer: Box::new(answer),
            };
            let generation = self.control.refresh_after_ddl(now);
            self.schema_waiters.push((key, generation));
            return;
        }
        if is_prepare {
            self.prepare_elsewhere(now, key, node);
        }
        self.finish(key, Ok(answer));
    }

    /// A statement prepared on one node will be executed on others: spare them the UNPREPARED round trip.
    fn prepare_elsewhere(&mut self, now: Instant, key: RequestKey, done: NodeKey) {
        let Some(request) = self.request(key) else {
            return;
        };
        let template = RequestSpec {
            retry: crate::request::Retry::Fallthrough,
            ..request.spec.clone()
        };
        let others: Vec<_> = self
            .cluster
            .nodes()
            .filter(|(node, n)| *node != done && n.pool.is_usable())
            .map(|(_, n)| n.coordinator.host_id)
            .collect();
        for host_id in others {
            self.begin(
                now,
                RequestSpec {
                    node: Some(host_id),
                    ..template.clone()
                },
                None,
            );
        }
    }

    /// The server answered with an error, or refused the request's keyspace.
    pub(super) fn handle_server_error(
        &mut self,
        now: Instant,
        conn: ConnId,
        key: RequestKey,
        error: ErrorBody,
    ) {
        if let ErrorDetail::Unprepared { id } = &error.detail
            && self.reprepare(conn, key, id)
        {
            return;
        }
        if let Some(entry) = self.connections.get(conn.0 as usize) {
            entry.counters.failed();
        }
        self.fail_attempt(now, conn, key, AttemptFailure::Server(error));
    }

    /// Sends PREPARE again on the connection whose node has forgotten the statement.
    fn reprepare(&mut self, conn: ConnId, key: RequestKey, id: &[u8]) -> bool {
        let Some(request) = self
            .requests
            .get_mut(key.index())
            .filter(|r| r.generation == key.generation())
        else {
            return false;
        };
        let Some(prepared) = request
            .spec
            .prepared
            .find(id)
            .filter(|_| request.reprepared < REPREPARE_MAX)
        else {
            return false;
        };
        request.reprepared += 1;
        let body = prepare_body(&prepared);
        let put = put(
            &mut self.connections,
            conn,
            key,
            Opcode::Prepare,
            0,
            &body,
            prepared.keyspace.as_ref(),
        );
        let stream = match put {
            Ok(Phase::Sent { stream, .. }) => Some(stream),
            Ok(_) => None,
            Err(_) => return false,
        };
        request.phase = Phase::Repreparing {
            conn,
            stream,
            prepared,
        };
        self.mark_dirty(conn);
        true
    }

    pub(super) fn handle_connection_lost(
        &mut self,
        now: Instant,
        key: RequestKey,
        entry: &Entry,
        error: &ConnectionError,
    ) {
        let Role::Pool(node) = entry.role else { return };
        let Some(request) = self.request(key) else {
            return;
        };
        let written = match request.phase {
            Phase::Sent { position, .. } => entry.machine.has_written_from(position),
            // What was on the wire was a PREPARE: repeating the request is safe.
            _ => false,
        };
        if !matches!(request.phase, Phase::Waiting { .. }) {
            entry.counters.ended();
        }
        entry.counters.failed();
        let failure = AttemptFailure::Connection {
            error: error.clone(),
            written,
        };
        if let Some(next) = self.follow(now, key, node, entry.shard, failure) {
            self.attempt(now, key, next);
        }
    }

    fn fail_attempt(
        &mut self,
        now: Instant,
        conn: ConnId,
        key: RequestKey,
        failure: AttemptFailure,
    ) {
        let Some(entry) = self.connections.get(conn.0 as usize) else {
            return;
        };
        let (Role::Pool(node), shard) = (entry.role, entry.shard) else {
            return;
        };
        if let Some(next) = self.follow(now, key, node, shard, failure) {
            self.attempt(now, key, next);
        }
    }

    /// Records a failed attempt and says where the next one goes; `None`: the request is over.
    fn follow(
        &mut self,
        _now: Instant,
        key: RequestKey,
        node: NodeKey,
        shard: Option<u16>,
        failure: AttemptFailure,
    ) -> Option<NodeKey> {
        let max = self.config.attempts_per_request_max;
        let coordinator = self.cluster.node(node).map(|n| n.coordinator.clone());
        let request = self
            .requests
            .get_mut(key.index())
            .filter(|r| r.generation == key.generation())?;
        request.phase = Phase::Idle;
        let failed_before = request.attempts.len();
        let decision = request
            .spec
            .retry
            .decide(&failure, request.spec.idempotent, failed_before);
        if let Some(coordinator) = coordinator {
            let (address, host_id) = (coordinator.address, coordinator.host_id);
            request.attempts.push(Attempt {
                address,
                host_id,
                shard,
                failure,
            });
        }
        let next = match decision {
            Decision::GiveUp => None,
            _ if failed_before + 1 >= max => None,
            Decision::SameNode => Some(node),
            Decision::NextNode => {
                let (cluster, rng) = (&self.cluster, &mut self.rng);
                let plan = request
                    .plan
                    .get_or_insert_with(|| QueryPlan::rest(cluster, &request.spec, node, rng));
                let next = plan.next();
                if next.is_none() && failed_before > 0 {
                    self.finish(key, Err(RequestErrorKind::NoNodeAvailable));
                    return None;
                }
                next
            }
        };
        if next.is_none() {
            self.finish(key, Err(RequestErrorKind::Attempt));
        }
        next
    }

    /// The caller wants no result any more. The stream stays taken until the server has answered.
    pub fn cancel(&mut self, now: Instant, key: RequestKey) {
        let Some(request) = self.request(key) else {
            return;
        };
        if !request.followers.is_empty() {
            // Others wait for the same PREPARE: only this asker goes.
            if let Some(completion) = request.completion.take() {
                self.completions.push((
                    completion,
                    Err(RequestError::bare(RequestErrorKind::Cancelled)),
                ));
            }
            return;
        }
        self.abandon(now, key);
        self.finish(key, Err(RequestErrorKind::Cancelled));
        self.finish_if_drained(now);
    }

    pub(super) fn expire(&mut self, now: Instant, key: RequestKey) {
        let Some(request) = self.request(key) else {
            return;
        };
        let timeout = request.spec.timeout.unwrap_or_default();
        if let Phase::AwaitingSchema { .. } = request.phase {
            // The statement itself went through.
            self.finish_awaiting_schema(key);
            return;
        }
        let in_flight = matches!(request.phase, Phase::Sent { .. });
        self.abandon(now, key);
        self.finish(key, Err(RequestErrorKind::Timeout { timeout, in_flight }));
    }

    /// Leaves an orphan on the connection, if the request is on one.
    fn abandon(&mut self, now: Instant, key: RequestKey) {
        let Some(request) = self.request(key) else {
            return;
        };
        let (conn, stream) = match request.phase {
            Phase::Sent { conn, stream, .. } => (conn, Some(stream)),
            Phase::Waiting { conn } => (conn, None),
            Phase::Repreparing { conn, stream, .. } => (conn, stream),
            Phase::Idle | Phase::AwaitingSchema { .. } => return,
        };
        request.phase = Phase::Idle;
        let Some(entry) = self.connections.get_mut(conn.0 as usize) else {
            return;
        };
        if stream.is_some() {
            entry.counters.ended();
        }
        if let Err(error) = entry.machine.abandon(now, key.to_bits(), stream) {
            self.drop_connection(now, conn, &error);
        }
    }

    pub(super) fn finish_schema_waiters(&mut self, generation: u64) {
        let waiters = std::mem::take(&mut self.schema_waiters);
        let (done, waiting): (Vec<_>, Vec<_>) = waiters
            .into_iter()
            .partition(|&(_, since)| since <= generation);
        self.schema_waiters = waiting;
        for (key, _) in done {
            self.finish_awaiting_schema(key);
        }
    }

    fn finish_awaiting_schema(&mut self, key: RequestKey) {
        let Some(request) = self.request(key) else {
            return;
        };
        if let Phase::AwaitingSchema { answer } = std::mem::replace(&mut request.phase, Phase::Idle)
        {
            self.finish(key, Ok(*answer));
        }
    }

    /// Ends a request: its completion, and those of its followers, are due.
    pub(super) fn finish(&mut self, key: RequestKey, result: Result<Answer, RequestErrorKind>) {
        if self.request(key).is_none() {
            return;
        }
        let request = self.requests.remove(key.index());
        if request.spec.opcode == Opcode::Prepare && request.spec.node.is_none() {
            self.prepares
                .remove(&(request.spec.keyspace, request.spec.body));
        }
        let outcome: Outcome = result.map_err(|kind| {
            Box::new(RequestError {
                kind,
                attempts: request.attempts,
            })
        });
        for follower in request.followers {
            let copy: Finished<C> = (follower, outcome.clone());
            self.completions.push(copy);
        }
        if let Some(completion) = request.completion {
            self.completions.push((completion, outcome));
        }
    }
}

/// Hands a frame to a connection; says in which phase that puts the request.
fn put(
    connections: &mut slab::Slab<Entry>,
    conn: ConnId,
    key: RequestKey,
    opcode: Opcode,
    flags: u8,
    body: &[u8],
    keyspace: Option<&Arc<str>>,
) -> Result<Phase, AttemptFailure> {
    let entry = connections
        .get_mut(conn.0 as usize)
        .ok_or(AttemptFailure::NotConnected)?;
    match entry
        .machine
        .send(key.to_bits(), opcode, flags, body, keyspace)
    {
        Ok(Sent::OnStream { stream, position }) => {
            entry.counters.started();
            Ok(Phase::Sent {
                conn,
                stream,
                position,
            })
        }
        Ok(Sent::AwaitingKeyspace) => Ok(Phase::Waiting { conn }),
        Err(_) => Err(AttemptFailure::Busy),
    }
}

fn prepare_body(prepared: &PreparedRef) -> Vec<u8> {
    let mut body = Vec::new();
    // Fails only for texts over 2 GiB, which could not have been prepared in the first place.
    let _ = WireRequest::Prepare(Prepare {
        text: &prepared.query,
        keyspace: None,
    })
    .encode(Dialect::V4, &mut body);
    body
}

/// RESULT of kind SchemaChange. The kind is the first [int] unless header flags announce something before it.
fn is_schema_change(dialect: Dialect, answer: &Answer) -> bool {
    const SCHEMA_CHANGE: [u8; 4] = [0, 0, 0, 5];
    answer.opcode == Opcode::Result
        && (answer.flags != 0 || answer.body.starts_with(&SCHEMA_CHANGE))
        && matches!(
            decode_response(dialect, answer.flags, answer.opcode, &answer.body),
            Ok(Response::Result(ResultBody::SchemaChange(_)))
        )
}
