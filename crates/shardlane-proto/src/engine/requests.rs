//! The engine's requests: each goes from attempt to attempt until it has a result, an error, or no time.

use shardlane_wire::error::{ErrorBody, ErrorDetail};
use shardlane_wire::{Dialect, Flags, Opcode, Response, ResultBody, SchemaChange};

use super::connections::{Entry, Role};
use super::message::{Message, prepare_body};
use super::tablets::tablet_block;
use super::{ConnId, Engine, Life, RequestKey};
use crate::cluster::{Cluster, NodeKey};
use crate::connection::{Reply, Sent, decode_response};
use crate::error::{AttemptFailure, ConnectionError, RequestError, RequestErrorKind};
use crate::notice::Notice;
use crate::request::{
    Answer, Goal, Outcome, Phase, QueryPlan, Reprepared, Request, RequestSpec, Target, load,
};
use crate::time::Instant;

/// A node may forget a statement again while we prepare it (its cache is too small): give up then.
const REPREPARE_MAX: u8 = 3;

/// Room for so many requests is kept when none is under way.
const ROOM_KEPT_MAX: usize = 4096;

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
        let key = if is_shared(&spec) {
            self.submit_shared(now, spec, completion)
        } else {
            let key = self.insert(now, spec, Some(completion));
            if self.admit(now, key) {
                self.start(now, key);
            }
            key
        };
        self.start_queued(now);
        key
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

    pub(super) fn begin(
        &mut self,
        now: Instant,
        spec: RequestSpec,
        completion: Option<C>,
    ) -> RequestKey {
        let key = self.insert(now, spec, completion);
        self.start(now, key);
        key
    }

    fn insert(&mut self, now: Instant, spec: RequestSpec, completion: Option<C>) -> RequestKey {
        let generation = self.next_generation();
        if completion.is_some() {
            self.counters.requests.one_more();
        }
        let timeout = spec.timeout;
        let deadline = timeout.map(|timeout| now + timeout);
        let request = Request::new(generation, spec, completion, deadline);
        let key = RequestKey::new(self.requests.insert(request), generation);
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

    pub(super) const fn next_generation(&mut self) -> u32 {
        // All ones in the upper half would make RequestKey::NONE.
        self.generation = (self.generation + 1) % u32::MAX;
        self.generation
    }

    pub(super) fn start(&mut self, now: Instant, key: RequestKey) {
        let spec = &self.requests[key.index()].spec;
        let policy = spec.policy.as_ref().unwrap_or(&self.config.policy);
        let load_of = loads(&self.connections);
        let load = move |cluster: &Cluster, goal: Goal| {
            cluster
                .node(goal.node)
                .map_or(usize::MAX, |node| node.pool.load(goal.shard, &load_of))
        };
        let (balancing, speculates) = (&policy.balancing, policy.speculation.is_some());
        match QueryPlan::first(&mut self.cluster, spec, balancing, load, &mut self.rng) {
            Some(goal) => {
                self.attempt_at(now, key, goal);
                if speculates {
                    self.plan_execution(now, key);
                }
            }
            None => {
                if !self.await_node(now, key) {
                    let kind = self.why_no_node(key);
                    self.finish(now, key, Err(kind));
                }
            }
        }
    }

    fn why_no_node(&self, key: RequestKey) -> RequestErrorKind {
        let spec = &self.requests[key.index()].spec;
        let balancing = &self.policy(spec).balancing;
        let local = balancing.datacenter.as_deref();
        let local = local.or(self.cluster.local_datacenter());
        let usable = self.cluster.usable();
        let mut others: Vec<String> = usable
            .filter_map(|key| self.cluster.node(key))
            .map(|node| node.datacenter.to_string())
            .collect();
        others.sort_unstable();
        others.dedup();
        match local {
            Some(datacenter)
                if spec.node.is_none() && spec.plan.is_none() && !others.is_empty() =>
            {
                RequestErrorKind::NoLocalNode {
                    datacenter: datacenter.to_owned(),
                    others,
                }
            }
            _ => RequestErrorKind::NoNodeAvailable,
        }
    }

    /// Tries `node`, and others after it, until the request is on its way or over.
    pub(super) fn attempt(&mut self, now: Instant, key: RequestKey, node: NodeKey) {
        if let Some(goal) = self.goal_on(key, node) {
            self.attempt_at(now, key, goal);
        }
    }

    fn goal_on(&self, key: RequestKey, node: NodeKey) -> Option<Goal> {
        let request = self.requests.get(key.index())?;
        Some(Goal::on(&self.cluster, &request.spec, node))
    }

    fn attempt_at(&mut self, now: Instant, key: RequestKey, goal: Goal) {
        let mut next = Some(goal);
        while let Some(goal) = next {
            match self.try_send(now, key, goal) {
                Ok(()) => return,
                Err(failure) => {
                    next = self
                        .follow(now, key, goal.node, None, failure)
                        .and_then(|node| self.goal_on(key, node));
                }
            }
        }
    }

    fn try_send(
        &mut self,
        now: Instant,
        key: RequestKey,
        goal: Goal,
    ) -> Result<(), AttemptFailure> {
        let Some(request) = self.requests.get_mut(key.index()) else {
            return Ok(());
        };
        request.node = goal.node;
        request.sent_at = now;
        let load_of = loads(&self.connections);
        let conn = self
            .cluster
            .node_mut(goal.node)
            .and_then(|node| node.pool.pick(goal.shard, load_of))
            .ok_or(AttemptFailure::NotConnected)?;
        let spec = &request.spec;
        let block = self.connections.get(conn.0 as usize).map_or(0, |entry| {
            tablet_block(&self.cluster, &mut self.rng, entry, spec)
        });
        let message = Message::of(spec).showing(block);
        request.phase = put(&mut self.connections, conn, key, &message)?;
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
        let block = tablet_block(&self.cluster, &mut self.rng, entry, &request.spec);
        let (machine, spec) = (&mut entry.machine, &request.spec);
        let reprepare;
        let message = match &request.phase {
            Phase::Repreparing { prepared, .. } => {
                reprepare = prepare_body(prepared);
                Message::prepare(prepared, &reprepare)
            }
            _ => Message::of(spec).showing(block),
        };
        let sent = message.laid_out(machine.dialect()).and_then(|body| {
            let (opcode, flags) = (message.opcode, message.flags);
            machine
                .send_admitted(key.to_bits(), opcode, flags, &body)
                .map_err(|_| AttemptFailure::Busy)
        });
        let (stream, position) = match sent {
            Ok(sent) => sent,
            Err(failure) => {
                self.fail_attempt(now, conn, key, failure);
                return;
            }
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
        let block = self.connections.get(conn.0 as usize).map_or(0, |entry| {
            tablet_block(&self.cluster, &mut self.rng, entry, spec)
        });
        match put(
            &mut self.connections,
            conn,
            key,
            &Message::of(spec).showing(block),
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
        reply: Reply<'_>,
    ) -> Result<(), ConnectionError> {
        let key = RequestKey(reply.token);
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
        let (opcode, flags) = (reply.opcode, reply.flags);
        if opcode == Opcode::Result && reprepared.is_none() {
            self.succeed(now, conn, key, dialect, reply);
            return Ok(());
        }
        let error = match (
            decode_response(dialect, flags, opcode, &reply.body),
            reprepared,
        ) {
            (Ok(Response::Error(error)), _) => {
                self.handle_server_error(now, conn, key, error);
                return Ok(());
            }
            (Ok(Response::Result(ResultBody::Prepared(now_prepared))), Some(prepared)) => {
                let bound = prepared.bind_columns.as_deref();
                if *now_prepared.id == *prepared.id
                    && bound.is_none_or(|bound| *bound == *now_prepared.raw_bind_columns)
                {
                    self.resend(now, conn, key);
                } else {
                    let reprepared = Reprepared {
                        id: prepared.id.clone(),
                        dialect,
                        flags,
                        body: reply.body.into_owned(),
                    };
                    let kind = RequestErrorKind::PreparedChanged(Box::new(reprepared));
                    self.end_execution(now, key, kind);
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
        reply: Reply<'_>,
    ) {
        let entry = &self.connections[conn.0 as usize];
        let Role::Pool(node) = entry.role else { return };
        let Some(coordinator) = self.cluster.node(node).map(|n| n.coordinator.clone()) else {
            return;
        };
        let (shard, flags) = (entry.shard, reply.flags);
        if flags & Flags::CUSTOM_PAYLOAD != 0 {
            self.learn_tablet(key, dialect, flags, &reply.body);
        }
        let Some(request) = self.request(key) else {
            return;
        };
        request.phase = Phase::Idle;
        let sent_at = request.sent_at;
        let is_prepare = request.spec.opcode == Opcode::Prepare;
        let buffer = if is_prepare {
            // By its body others find it who ask for the same.
            Vec::new()
        } else {
            std::mem::take(&mut request.spec.body)
        };
        let body = reply.into_body(buffer);
        let is_prepare = is_prepare && request.completion.is_some();
        let answer = Answer {
            dialect,
            opcode: Opcode::Result,
            flags,
            body,
            coordinator,
            shard,
            failed_attempts: Vec::new(),
        };
        self.latencies.record(now.since(sent_at));
        let change = schema_change(&answer);
        if change.is_some() || self.requests[key.index()].spec.awaits_schema_agreement {
            let root = self.root_of(key);
            self.end_executions(now, root);
            self.await_schema(now, root, answer, change.as_ref());
            return;
        }
        if is_prepare {
            self.prepare_elsewhere(now, key, node);
        }
        self.finish(now, key, Ok(answer));
    }

    /// A statement prepared on one node will be executed on others: spare them the UNPREPARED round trip.
    fn prepare_elsewhere(&mut self, now: Instant, key: RequestKey, done: NodeKey) {
        let policy = Some(self.unhurried.clone());
        let Some(request) = self.request(key) else {
            return;
        };
        let template = RequestSpec {
            policy,
            ..request.spec.clone()
        };
        let others: Vec<_> = self
            .cluster
            .nodes()
            .filter(|(node, n)| *node != done && n.pool.is_usable())
            .map(|(_, n)| n.coordinator.host_id)
            .collect();
        for host_id in others {
            let spec = RequestSpec {
                node: Some(Target {
                    host_id,
                    shard: None,
                }),
                ..template.clone()
            };
            let key = self.insert(now, spec, None);
            self.start(now, key);
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
        self.counters.repreparations.one_more();
        request.phase = Phase::Idle;
        let body = prepare_body(&prepared);
        let message = Message::prepare(&prepared, &body);
        let phase = put(&mut self.connections, conn, key, &message)?;
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

    /// The caller wants no result any more. The stream stays taken until the server has answered.
    pub fn cancel(&mut self, now: Instant, key: RequestKey) {
        self.end_executions(now, key);
        self.finish(now, key, Err(RequestErrorKind::Cancelled));
        self.start_queued(now);
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
            self.note(Notice::NoSchemaAgreement { timeout });
            self.finish_awaiting_schema(now, key);
            return;
        }
        let in_flight = self.end_executions(now, key);
        self.finish(
            now,
            key,
            Err(RequestErrorKind::Timeout { timeout, in_flight }),
        );
    }

    /// Ends a request: its completion is due.
    pub(super) fn finish(
        &mut self,
        now: Instant,
        key: RequestKey,
        result: Result<Answer, RequestErrorKind>,
    ) {
        let Some(request) = self.request(key) else {
            return;
        };
        if let Some(root) = request.root {
            // One of its executions has been answered. Its own attempt has ended with that.
            return self.finish(now, root, result);
        }
        if !request.executions.is_empty() {
            self.end_executions(now, key);
        }
        let mut request = self.requests.remove(key.index());
        if self.requests.is_empty() && self.requests.capacity() > ROOM_KEPT_MAX {
            self.requests = slab::Slab::new();
        }
        self.release(request.admitted, &request.phase);
        self.withdraw(request.phase.question());
        let next_leader = if is_shared(&request.spec) {
            self.share(now, key, &mut request, &result)
        } else {
            None
        };
        let attempts = request.attempts;
        let outcome: Outcome = match result {
            Ok(answer) => Ok(Answer {
                failed_attempts: attempts,
                ..answer
            }),
            Err(kind) => Err(Box::new(RequestError { kind, attempts })),
        };
        if request.completion.is_some() {
            self.counters.ended(outcome.as_ref().err().map(|e| &**e));
        }
        match request.completion {
            Some(completion) => self.completions.push((completion, outcome)),
            // Of the engine's own requests only this kind has an answer that somebody waits for.
            None if request.spec.opcode == Opcode::Query => {
                self.note_version(now, key, outcome.ok().as_ref());
            }
            None => {}
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

/// How busy each connection is.
fn loads(connections: &slab::Slab<Entry>) -> impl Fn(ConnId) -> usize {
    |conn| {
        let entry = connections.get(conn.0 as usize);
        entry.map_or(usize::MAX, |entry| {
            load(entry.machine.in_flight(), entry.dirty)
        })
    }
}

/// Hands a message to a connection; says in which phase that puts the request.
fn put(
    connections: &mut slab::Slab<Entry>,
    conn: ConnId,
    key: RequestKey,
    message: &Message<'_>,
) -> Result<Phase, AttemptFailure> {
    let entry = connections
        .get_mut(conn.0 as usize)
        .ok_or(AttemptFailure::NotConnected)?;
    let dialect = entry.machine.dialect();
    let body = message.laid_out(dialect)?;
    // Where requests name their keyspace, they wait for none.
    let keyspace = message.keyspace.filter(|_| !dialect.has_wide_flags());
    match entry.machine.send(
        key.to_bits(),
        message.opcode,
        message.flags,
        &body,
        keyspace,
    ) {
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

/// What a RESULT of kind SchemaChange tells; `None`: another one. The kind is the first `[int]` unless header
/// flags announce something before it.
fn schema_change(answer: &Answer) -> Option<SchemaChange> {
    const SCHEMA_CHANGE: [u8; 4] = [0, 0, 0, 5];
    if answer.opcode != Opcode::Result
        || (answer.flags == 0 && !answer.body.starts_with(&SCHEMA_CHANGE))
    {
        return None;
    }
    match decode_response(answer.dialect, answer.flags, answer.opcode, &answer.body) {
        Ok(Response::Result(ResultBody::SchemaChange(change))) => Some(change),
        _ => None,
    }
}
