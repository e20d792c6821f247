//! The engine's requests: each goes from attempt to attempt until it has a result, an error, or no time.

use std::sync::Arc;

use shardlane_wire::error::{ErrorBody, ErrorDetail};
use shardlane_wire::request::Prepare;
use shardlane_wire::{
    Dialect, Flags, Opcode, Request as WireRequest, Response, ResultBody, SchemaChange,
};

use super::connections::{Entry, Role};
use super::{ConnId, Engine, Life, RequestKey};
use crate::cluster::NodeKey;
use crate::connection::{Sent, decode_response};
use crate::error::{Attempt, AttemptFailure, ConnectionError, RequestError, RequestErrorKind};
use crate::request::{
    Answer, Decision, Outcome, Phase, PreparedRef, QueryPlan, Request, RequestSpec, shard_on,
};
use crate::time::Instant;

/// A node may forget a statement again while we prepare it (its cache is too small): give up then.
const REPREPARE_MAX: u8 = 3;

impl<C> Engine<C> {
    /// Takes a request. It ends with exactly one completion, whatever happens.
    ///
    /// The key is for [`Self::cancel`]. A PREPARE that is under way already is not sent twice: all who ask
    /// for it share the answer, each with its own deadline.
    pub fn submit(&mut self, now: Instant, spec: RequestSpec, completion: C) -> RequestKey {
        if matches!(self.life, Life::Draining { .. } | Life::Closed) {
            self.completions.push((
                completion,
                Err(RequestError::bare(RequestErrorKind::Closed)),
            ));
            return RequestKey::NONE;
        }
        if is_shared(&spec) {
            self.submit_shared(now, spec, completion)
        } else {
            self.begin(now, spec, Some(completion))
        }
    }

    fn submit_shared(&mut self, now: Instant, spec: RequestSpec, completion: C) -> RequestKey {
        let identity = (spec.keyspace.clone(), spec.body.clone());
        let leader = self.prepares.get(&identity).copied();
        let key = self.insert(now, spec, Some(completion));
        if let Some(leader) = leader.and_then(|leader| self.request(leader)) {
            leader.followers.push(key);
            self.requests[key.index()].phase = Phase::Following;
        } else {
            self.prepares.insert(identity, key);
            self.start(now, key);
        }
        key
    }

    fn begin(&mut self, now: Instant, spec: RequestSpec, completion: Option<C>) -> RequestKey {
        let key = self.insert(now, spec, completion);
        self.start(now, key);
        key
    }

    fn insert(&mut self, now: Instant, spec: RequestSpec, completion: Option<C>) -> RequestKey {
        // All ones in the upper half would make RequestKey::NONE.
        self.generation = (self.generation + 1) % u32::MAX;
        let generation = self.generation;
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
            let requests = &self.requests;
            self.deadlines.forget_finished(requests.len(), |key| {
                requests
                    .get(key.index())
                    .is_some_and(|r| r.generation == key.generation())
            });
        }
        key
    }

    fn start(&mut self, now: Instant, key: RequestKey) {
        let spec = &self.requests[key.index()].spec;
        match QueryPlan::first(&mut self.cluster, spec, &mut self.rng) {
            Some(node) => self.attempt(now, key, node),
            None => self.finish(now, key, Err(RequestErrorKind::NoNodeAvailable)),
        }
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
        let shard = shard_on(&self.cluster, &request.spec, node_key);
        let conn = self
            .cluster
            .node_mut(node_key)
            .and_then(|node| node.pool.pick(shard, load))
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
    pub(super) fn send_admitted(&mut self, now: Instant, conn: ConnId, key: RequestKey) {
        let Some(entry) = self.connections.get_mut(conn.0 as usize) else {
            return;
        };
        let Some(request) = self
            .requests
            .get_mut(key.index())
            .filter(|r| r.generation == key.generation())
        else {
            entry.machine.decline();
            return;
        };
        let (machine, spec) = (&mut entry.machine, &request.spec);
        let sent = match &request.phase {
            Phase::Repreparing { prepared, .. } => {
                let body = prepare_body(prepared);
                machine.send_admitted(key.to_bits(), Opcode::Prepare, 0, &body)
            }
            _ => machine.send_admitted(key.to_bits(), spec.opcode, spec.flags, &spec.body),
        };
        let Ok((stream, position)) = sent else {
            self.fail_attempt(now, conn, key, AttemptFailure::Busy);
            return;
        };
        entry.counters.started();
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

    /// Sends the request's own frame on `conn` again, where its statement has just been prepared.
    fn resend(&mut self, now: Instant, conn: ConnId, key: RequestKey) {
        let request = &mut self.requests[key.index()];
        let spec = &request.spec;
        request.phase = Phase::Idle;
        match put(
            &mut self.connections,
            conn,
            key,
            spec.opcode,
            spec.flags,
            &spec.body,
            spec.keyspace.as_ref(),
        ) {
            Ok(phase) => {
                request.phase = phase;
                self.mark_dirty(conn);
            }
            Err(failure) => self.fail_attempt(now, conn, key, failure),
        }
    }

    /// A response to the request's own frame, or to the PREPARE sent on its behalf. An error: the server
    /// broke the protocol, and the connection is of no more use.
    pub(super) fn handle_response(
        &mut self,
        now: Instant,
        conn: ConnId,
        key: RequestKey,
        opcode: Opcode,
        flags: u8,
        body: Vec<u8>,
    ) -> Result<(), ConnectionError> {
        let Some(entry) = self.connections.get(conn.0 as usize) else {
            return Ok(());
        };
        let dialect = entry.machine.dialect();
        let reprepared = match self.request(key) {
            Some(Request {
                phase: Phase::Repreparing { prepared, .. },
                ..
            }) => Some(prepared.clone()),
            Some(_) => None,
            None => return Ok(()),
        };
        if opcode == Opcode::Result && reprepared.is_none() {
            self.succeed(now, conn, key, dialect, flags, body);
            return Ok(());
        }
        let error = match (decode_response(dialect, flags, opcode, &body), reprepared) {
            (Ok(Response::Error(error)), _) => {
                self.handle_server_error(now, conn, key, error);
                return Ok(());
            }
            (Ok(Response::Result(ResultBody::Prepared(now_prepared))), Some(prepared)) => {
                if *now_prepared.id == *prepared.id {
                    self.resend(now, conn, key);
                } else {
                    self.finish(now, key, Err(RequestErrorKind::PreparedIdChanged));
                }
                return Ok(());
            }
            (Ok(_), _) => ConnectionError::Protocol(format!("{opcode} as the answer to a request")),
            (Err(error), _) => error,
        };
        let failure = AttemptFailure::Connection {
            error: error.clone(),
            written: true,
        };
        self.fail_attempt(now, conn, key, failure);
        Err(error)
    }

    fn succeed(
        &mut self,
        now: Instant,
        conn: ConnId,
        key: RequestKey,
        dialect: Dialect,
        flags: u8,
        body: Vec<u8>,
    ) {
        let entry = &self.connections[conn.0 as usize];
        let Role::Pool(node) = entry.role else { return };
        let Some(coordinator) = self.cluster.node(node).map(|n| n.coordinator.clone()) else {
            return;
        };
        let shard = entry.shard;
        if flags & Flags::CUSTOM_PAYLOAD != 0 {
            self.learn_tablet(key, dialect, flags, &body);
        }
        let Some(request) = self.request(key) else {
            return;
        };
        let failed_attempts = std::mem::take(&mut request.attempts);
        let is_prepare = request.spec.opcode == Opcode::Prepare && request.completion.is_some();
        let answer = Answer {
            opcode: Opcode::Result,
            flags,
            body,
            coordinator,
            shard,
            failed_attempts,
        };
        let change = schema_change(dialect, &answer);
        if change.is_some() || self.requests[key.index()].spec.awaits_schema_agreement {
            self.await_schema(now, key, answer, change.as_ref());
            return;
        }
        if is_prepare {
            self.prepare_elsewhere(now, key, node);
        }
        self.finish(now, key, Ok(answer));
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
        if let ErrorDetail::Unprepared { id } = &error.detail {
            match self.reprepare(conn, key, id) {
                Ok(true) => return,
                Ok(false) => {}
                Err(failure) => return self.fail_attempt(now, conn, key, failure),
            }
        }
        if let Some(entry) = self.connections.get(conn.0 as usize) {
            entry.counters.failed();
        }
        self.fail_attempt(now, conn, key, AttemptFailure::Server(error));
    }

    /// Sends PREPARE again on the connection whose node has forgotten the statement; false: nobody knows
    /// that statement, or it has been forgotten too often.
    fn reprepare(
        &mut self,
        conn: ConnId,
        key: RequestKey,
        id: &[u8],
    ) -> Result<bool, AttemptFailure> {
        let Some(request) = self
            .requests
            .get_mut(key.index())
            .filter(|r| r.generation == key.generation())
        else {
            return Ok(false);
        };
        let Some(prepared) = request
            .spec
            .prepared
            .find(id)
            .filter(|_| request.reprepared < REPREPARE_MAX)
        else {
            return Ok(false);
        };
        request.reprepared += 1;
        request.phase = Phase::Idle;
        let body = prepare_body(&prepared);
        let phase = put(
            &mut self.connections,
            conn,
            key,
            Opcode::Prepare,
            0,
            &body,
            prepared.keyspace.as_ref(),
        )?;
        let stream = match phase {
            Phase::Sent { stream, .. } => Some(stream),
            _ => None,
        };
        request.phase = Phase::Repreparing {
            conn,
            stream,
            prepared,
        };
        self.mark_dirty(conn);
        Ok(true)
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
        if request.phase.stream().is_some() {
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
        now: Instant,
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
        let executed = matches!(request.phase, Phase::Sent { .. });
        request.phase = Phase::Idle;
        let failed_before = request.attempts.len();
        let refused = |a: &Attempt| matches!(a.failure, AttemptFailure::Server(_));
        let decision = request.spec.retry.decide(
            &failure,
            request.spec.idempotent || !executed,
            request.attempts.iter().any(refused),
        );
        let may_return = matches!(failure, AttemptFailure::Connection { .. });
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
                let plan = request.plan.get_or_insert_with(|| {
                    QueryPlan::rest(cluster, &request.spec, node, may_return, rng)
                });
                let next = plan.next();
                if next.is_none() && failed_before > 0 {
                    self.finish(now, key, Err(RequestErrorKind::NoNodeAvailable));
                    return None;
                }
                next
            }
        };
        if next.is_none() {
            self.finish(now, key, Err(RequestErrorKind::Attempt));
        }
        next
    }

    /// The caller wants no result any more. The stream stays taken until the server has answered.
    pub fn cancel(&mut self, now: Instant, key: RequestKey) {
        self.abandon(now, key);
        self.finish(now, key, Err(RequestErrorKind::Cancelled));
        self.finish_if_drained(now);
    }

    pub(super) fn expire(&mut self, now: Instant, key: RequestKey) {
        let Some(request) = self.request(key) else {
            return;
        };
        let timeout = request.spec.timeout.unwrap_or_default();
        if matches!(request.phase, Phase::AwaitingSchema { .. })
            && !request.spec.awaits_schema_agreement
        {
            // The statement itself went through.
            self.finish_awaiting_schema(now, key);
            return;
        }
        let in_flight = matches!(request.phase, Phase::Sent { .. });
        self.abandon(now, key);
        self.finish(
            now,
            key,
            Err(RequestErrorKind::Timeout { timeout, in_flight }),
        );
    }

    /// Leaves an orphan on the connection, if the request is on one.
    fn abandon(&mut self, now: Instant, key: RequestKey) {
        let Some(request) = self.request(key) else {
            return;
        };
        let stream = request.phase.stream();
        let Some(conn) = request.phase.conn() else {
            return;
        };
        request.phase = Phase::Idle;
        let Some(entry) = self.connections.get_mut(conn.0 as usize) else {
            return;
        };
        if stream.is_some() {
            entry.counters.ended();
        }
        match entry.machine.abandon(now, key.to_bits(), stream) {
            // Orphans that are too many are given up when they are old, even if nothing else happens.
            Ok(()) => self.advance_timer(conn),
            Err(error) => self.drop_connection(now, conn, &error),
        }
    }

    /// Ends a request: its completion is due.
    pub(super) fn finish(
        &mut self,
        now: Instant,
        key: RequestKey,
        result: Result<Answer, RequestErrorKind>,
    ) {
        if self.request(key).is_none() {
            return;
        }
        let mut request = self.requests.remove(key.index());
        let next_leader = if is_shared(&request.spec) {
            self.share(now, key, &mut request, &result)
        } else {
            None
        };
        let outcome: Outcome = result.map_err(|kind| {
            Box::new(RequestError {
                kind,
                attempts: request.attempts,
            })
        });
        if let Some(completion) = request.completion {
            self.completions.push((completion, outcome));
        }
        if let Some(next) = next_leader {
            self.start(now, next);
        }
    }

    /// A shared PREPARE ends: its followers end with it. But if only its asker has lost patience, one of
    /// them takes over, and is to be started.
    fn share(
        &mut self,
        now: Instant,
        key: RequestKey,
        leader: &mut Request<C>,
        result: &Result<Answer, RequestErrorKind>,
    ) -> Option<RequestKey> {
        let identity = (
            leader.spec.keyspace.clone(),
            std::mem::take(&mut leader.spec.body),
        );
        if self.prepares.get(&identity) != Some(&key) {
            // A follower gave up.
            return None;
        }
        let mut followers = std::mem::take(&mut leader.followers);
        followers.retain(|&follower| self.request(follower).is_some());
        if let Err(RequestErrorKind::Timeout { .. } | RequestErrorKind::Cancelled) = result
            && !followers.is_empty()
        {
            let next = followers.remove(0);
            self.prepares.insert(identity, next);
            let request = &mut self.requests[next.index()];
            request.followers = followers;
            request.phase = Phase::Idle;
            return Some(next);
        }
        self.prepares.remove(&identity);
        for follower in followers {
            self.requests[follower.index()]
                .attempts
                .clone_from(&leader.attempts);
            self.finish(now, follower, result.clone());
        }
        None
    }
}

/// Whether others who ask for the same may share the answer.
fn is_shared(spec: &RequestSpec) -> bool {
    spec.opcode == Opcode::Prepare && spec.node.is_none()
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

/// What a RESULT of kind SchemaChange tells; `None`: another one. The kind is the first `[int]` unless header
/// flags announce something before it.
fn schema_change(dialect: Dialect, answer: &Answer) -> Option<SchemaChange> {
    const SCHEMA_CHANGE: [u8; 4] = [0, 0, 0, 5];
    if answer.opcode != Opcode::Result
        || (answer.flags == 0 && !answer.body.starts_with(&SCHEMA_CHANGE))
    {
        return None;
    }
    match decode_response(dialect, answer.flags, answer.opcode, &answer.body) {
        Ok(Response::Result(ResultBody::SchemaChange(change))) => Some(change),
        _ => None,
    }
}
