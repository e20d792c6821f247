//! The control connection: finds a node that answers, reads topology and schema over it, listens to its
//! events, and moves to another node when it is lost.
//!
//! The machine asks for things with [`ControlRequest`]s and is told how they ended. It owns no
//! connection: the engine does, and hands over the answers.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use shardlane_wire::event::StatusChangeKind;
use shardlane_wire::request::{Query as WireQuery, Register};
use shardlane_wire::{
    Consistency, Dialect, Event, EventKind, Opcode, QueryParams, Request, Response, ResultBody,
    SchemaChange, SchemaChangeKind, SchemaTarget,
};

use super::refresh::{Abilities, Query, Refresh, Scope};
use super::routes::RouteScope;
use super::topology::Update;
use crate::config::{Config, ContactPoint};
use crate::error::ConnectionError;
use crate::ids::ConnId;
use crate::pool::Backoff;
use crate::rng::Rng;
use crate::time::Instant;

/// Token of REGISTER; others are indices of a refresh's queries.
const REGISTER: u64 = u64::MAX;
/// Servers send events in bursts (DOWN, UP, DOWN for one restart; one per table of a DDL script): wait so
/// long for the rest before reading the system tables again.
const EVENT_QUIET: Duration = Duration::from_millis(100);
/// Rows per page of a refresh: a large schema must not hold up the server, or make a frame too large.
const PAGE_ROWS: i32 = 5000;
/// Pages of one refresh: some fifty million rows. A server that goes on for ever is broken.
const PAGES_MAX: u32 = 10_000;

/// What the control machine wants done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ControlRequest {
    Resolve {
        host: String,
        port: u16,
    },
    Connect {
        address: SocketAddr,
    },
    Send {
        conn: ConnId,
        token: u64,
        opcode: Opcode,
        body: Vec<u8>,
    },
    Close {
        conn: ConnId,
        error: ConnectionError,
    },
}

/// What the control machine has found out.
#[derive(Debug)]
pub(crate) enum ControlEvent {
    /// The refresh of this generation is complete.
    Refreshed {
        update: Box<Update>,
        generation: u64,
    },
    /// Something in this keyspace has changed.
    SchemaChanged(SchemaChange),
    /// Changes may have been missed: nobody listened for a while.
    SchemaUnknown,
    /// Every contact point and every known node failed: which, and why.
    Unreachable(Vec<(String, ConnectionError)>),
    /// What was known of the places of a table's partitions, or of all of a keyspace's tables, is void.
    Unplaced {
        keyspace: Box<str>,
        table: Option<Box<str>>,
    },
    NodeUp(SocketAddr),
    NodeDown(SocketAddr),
}

#[derive(Debug)]
enum State {
    /// Not trying. `retry_at`: when to begin a new round.
    Idle {
        retry_at: Option<Instant>,
    },
    Resolving {
        outstanding: usize,
    },
    Connecting {
        address: SocketAddr,
        conn: Option<ConnId>,
    },
    Up {
        address: SocketAddr,
        conn: ConnId,
        dialect: Dialect,
        abilities: Abilities,
        /// A refresh has come over it: the node is of use.
        proven: bool,
    },
}

#[derive(Debug)]
pub(crate) struct Control {
    contact_points: Vec<ContactPoint>,
    timeout: Duration,
    refresh_interval: Option<Duration>,
    tablet_warm_up: bool,
    /// Of the client routes that are configured, if any.
    connection_ids: Vec<Box<str>>,
    state: State,
    /// Addresses still to try in this round.
    candidates: VecDeque<SocketAddr>,
    /// All candidates of this round so far.
    seen: Vec<SocketAddr>,
    /// Names are resolved only when no address is left to try.
    names_left: bool,
    /// Where the last control connection was: the last place to look for the next one.
    lost: Option<SocketAddr>,
    errors: Vec<(String, ConnectionError)>,
    backoff: Backoff,
    /// Whether schema changes are listened to.
    schema_events: bool,
    refresh: Option<Refresh>,
    refresh_at: Option<Instant>,
    /// When the nodes are read again whether or not anything was heard of them.
    periodic_at: Option<Instant>,
    /// What the next refresh is to read.
    pending: Scope,
    /// Counts refreshes begun, so that a waiter can tell those that began after it.
    generation: u64,
    requests: VecDeque<ControlRequest>,
    events: VecDeque<ControlEvent>,
}

impl Control {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            contact_points: config.contact_points.clone(),
            timeout: config.control_timeout,
            refresh_interval: config.refresh_interval,
            tablet_warm_up: config.tablet_warm_up,
            connection_ids: config
                .client_routes
                .as_ref()
                .map_or_else(Vec::new, |routes| {
                    let ids = routes.connections.iter();
                    ids.map(|c| c.connection_id.as_str().into()).collect()
                }),
            state: State::Idle {
                retry_at: Some(Instant::default()),
            },
            candidates: VecDeque::new(),
            seen: Vec::new(),
            names_left: false,
            lost: None,
            errors: Vec::new(),
            backoff: Backoff::new(config.reconnect_delay_min, config.reconnect_delay_max),
            schema_events: config.schema_events,
            refresh: None,
            refresh_at: None,
            periodic_at: None,
            pending: Scope::default(),
            generation: 0,
            requests: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    pub(crate) fn poll_request(&mut self) -> Option<ControlRequest> {
        self.requests.pop_front()
    }

    pub(crate) fn poll_event(&mut self) -> Option<ControlEvent> {
        self.events.pop_front()
    }

    /// Begins a round: the nodes in `known` first, then the contact points that are addresses, then those
    /// that are names.
    fn begin_round(&mut self, now: Instant, known: &[SocketAddr], rng: &mut Rng) {
        self.errors.clear();
        self.seen.clear();
        self.names_left = true;
        let lost = self.lost.take();
        known
            .iter()
            .filter(|&&address| Some(address) != lost)
            .for_each(|&address| self.add_candidate(address));
        for at in 0..self.contact_points.len() {
            if let ContactPoint::Address(address) = self.contact_points[at]
                && Some(address) != lost
            {
                self.add_candidate(address);
            }
        }
        if let Some(lost) = lost {
            self.add_candidate(lost);
        }
        self.try_next(now, rng);
    }

    fn add_candidate(&mut self, address: SocketAddr) {
        if !self.seen.contains(&address) {
            self.seen.push(address);
            self.candidates.push_back(address);
        }
    }

    /// A contact point's name was resolved, or could not be.
    pub(crate) fn handle_resolved(
        &mut self,
        now: Instant,
        host: &str,
        result: Result<Vec<SocketAddr>, String>,
        rng: &mut Rng,
    ) {
        let State::Resolving { outstanding } = &mut self.state else {
            return;
        };
        *outstanding -= 1;
        let done = *outstanding == 0;
        match result {
            Ok(addresses) if addresses.is_empty() => {
                let error = ConnectionError::Resolve("it resolves to no address".to_owned());
                self.errors.push((host.to_owned(), error));
            }
            Ok(addresses) => addresses
                .into_iter()
                .for_each(|address| self.add_candidate(address)),
            Err(why) => self
                .errors
                .push((host.to_owned(), ConnectionError::Resolve(why))),
        }
        if done {
            self.try_next(now, rng);
        }
    }

    fn try_next(&mut self, now: Instant, rng: &mut Rng) {
        if let Some(address) = self.candidates.pop_front() {
            self.state = State::Connecting {
                address,
                conn: None,
            };
            self.requests.push_back(ControlRequest::Connect { address });
            return;
        }
        let mut outstanding = 0;
        if std::mem::take(&mut self.names_left) {
            for point in &self.contact_points {
                if let ContactPoint::Name { host, port } = point {
                    let (host, port) = (host.clone(), *port);
                    self.requests
                        .push_back(ControlRequest::Resolve { host, port });
                    outstanding += 1;
                }
            }
        }
        self.state = if outstanding > 0 {
            State::Resolving { outstanding }
        } else {
            let refused = self.errors.iter().any(|(_, e)| e.is_authentication());
            self.events
                .push_back(ControlEvent::Unreachable(self.errors.clone()));
            // A login that was refused will be refused again, and repeated quickly it may lock the role out.
            let delay = if refused {
                rng.jitter(self.backoff.max())
            } else {
                self.backoff.fail(rng)
            };
            State::Idle {
                retry_at: Some(now + delay),
            }
        };
    }

    /// The engine has given the attempt a connection.
    pub(crate) fn opened(&mut self, id: ConnId) {
        if let State::Connecting { conn, .. } = &mut self.state {
            *conn = Some(id);
        }
    }

    /// The control connection is through its handshake: listen to events, read everything.
    pub(crate) fn handle_established(
        &mut self,
        now: Instant,
        conn: ConnId,
        dialect: Dialect,
        is_scylla: bool,
    ) {
        let State::Connecting { address, .. } = self.state else {
            return;
        };
        self.state = State::Up {
            address,
            conn,
            dialect,
            abilities: Abilities::new(dialect, is_scylla, self.tablet_warm_up),
            proven: false,
        };
        let mut kinds = EventKind::ALL.to_vec();
        kinds.retain(|kind| match kind {
            EventKind::SchemaChange => self.schema_events,
            // Servers that do not know it refuse to be asked for it.
            EventKind::ClientRoutesChange => !self.connection_ids.is_empty(),
            EventKind::TopologyChange | EventKind::StatusChange => true,
        });
        // REGISTER goes first, so that no change between reading and listening is missed.
        self.send(REGISTER, &Request::Register(Register { kinds }));
        self.events.push_back(ControlEvent::SchemaUnknown);
        self.pending = Scope::EVERYTHING;
        // From the end of this reading on.
        self.periodic_at = None;
        self.begin_refresh(now);
    }

    /// Reads what is pending.
    fn begin_refresh(&mut self, now: Instant) {
        let State::Up { abilities, .. } = self.state else {
            return;
        };
        self.refresh_at = None;
        self.generation += 1;
        let scope = std::mem::take(&mut self.pending);
        let ids = &self.connection_ids;
        let deadline = now + self.timeout;
        let refresh = Refresh::new(self.generation, scope, abilities, ids, deadline);
        for (token, query) in (0..).zip(&refresh.queries) {
            self.ask(token, query, None);
        }
        self.refresh = Some(refresh);
    }

    fn ask(&mut self, token: u64, query: &Query, paging_state: Option<&[u8]>) {
        let params = QueryParams {
            page_size: Some(PAGE_ROWS),
            paging_state,
            ..QueryParams::new(Consistency::One)
        };
        let State::Up { abilities, .. } = self.state else {
            return;
        };
        let text = &query.told(abilities.using_timeout.then_some(self.timeout));
        self.send(token, &Request::Query(WireQuery { text, params }));
    }

    fn send(&mut self, token: u64, request: &Request<'_>) {
        let State::Up { conn, dialect, .. } = self.state else {
            return;
        };
        let (opcode, mut body) = (request.opcode(), Vec::new());
        // Only texts over 2 GiB fail to encode.
        if request.encode(dialect, &mut body).is_ok() {
            self.requests.push_back(ControlRequest::Send {
                conn,
                token,
                opcode,
                body,
            });
        }
    }

    /// Reads `scope` again, after `delay`. Returns the generation that will reflect everything that has
    /// happened up to now.
    pub(crate) fn schedule_refresh(&mut self, now: Instant, delay: Duration, scope: Scope) -> u64 {
        let at = now + delay;
        self.refresh_at = Some(self.refresh_at.map_or(at, |planned| planned.min(at)));
        self.pending.merge(scope);
        self.generation + 1
    }

    /// An answer on the control connection.
    pub(crate) fn handle_response(
        &mut self,
        now: Instant,
        token: u64,
        response: &Response<'_>,
    ) -> Result<(), ConnectionError> {
        if token == REGISTER {
            return match response {
                Response::Ready => Ok(()),
                Response::Error(error) => Err(ConnectionError::Protocol(format!(
                    "the server refused to tell of events: {}",
                    error.message
                ))),
                other => Err(unexpected(other, "REGISTER")),
            };
        }
        let (State::Up { address, .. }, Some(refresh)) = (&self.state, &mut self.refresh) else {
            return Ok(());
        };
        let Some(query) = refresh.queries.get(token as usize).cloned() else {
            return Ok(());
        };
        let rows = match response {
            Response::Result(ResultBody::Rows(rows)) => rows,
            // Whatever a server without it says: if it is in trouble, it will say so again.
            Response::Error(_) if query == Query::PeersV2 => {
                return self.do_without_peers_v2(token);
            }
            // Not there in this version, or not for us.
            Response::Error(_) if query.is_optional() => {
                if let State::Up { abilities, .. } = &mut self.state {
                    abilities.tablets &= query != Query::Tablets;
                    abilities.leaders &= query == Query::Tablets;
                }
                return self.count_answer(now);
            }
            Response::Error(error) => {
                return Err(ConnectionError::Protocol(format!(
                    "the server refused \"{}\": {}",
                    query.text(),
                    error.message
                )));
            }
            other => return Err(unexpected(other, "a query")),
        };
        refresh
            .update
            .absorb(&query, rows, *address)
            .map_err(|e| ConnectionError::Protocol(e.to_string()))?;
        if let Some(paging_state) = rows.metadata.paging_state {
            refresh.pages += 1;
            if refresh.pages > PAGES_MAX {
                let text = query.text();
                return Err(ConnectionError::Protocol(format!(
                    "\"{text}\" has no end: {PAGES_MAX} pages"
                )));
            }
            refresh.deadline = now + self.timeout;
            self.ask(token, &query, Some(paging_state));
            return Ok(());
        }
        self.count_answer(now)
    }

    /// One of the refresh's queries is answered to the end.
    fn count_answer(&mut self, now: Instant) -> Result<(), ConnectionError> {
        let Some(refresh) = &mut self.refresh else {
            return Ok(());
        };
        refresh.outstanding -= 1;
        if refresh.outstanding == 0
            && let Some(refresh) = self.refresh.take()
        {
            self.finish_refresh(now, refresh)?;
        }
        Ok(())
    }

    /// The server has no `system.peers_v2`: asks for the older table, from now on.
    fn do_without_peers_v2(&mut self, token: u64) -> Result<(), ConnectionError> {
        if let State::Up { abilities, .. } = &mut self.state {
            abilities.peers_v2 = false;
        }
        if let Some(refresh) = &mut self.refresh {
            refresh.queries[token as usize] = Query::Peers;
        }
        self.ask(token, &Query::Peers, None);
        Ok(())
    }

    fn finish_refresh(&mut self, now: Instant, refresh: Refresh) -> Result<(), ConnectionError> {
        let Refresh {
            generation,
            mut update,
            ..
        } = refresh;
        update.complete();
        if update.scope.nodes && update.topology.nodes.is_empty() {
            return Err(ConnectionError::Protocol(
                "system.local describes no usable node".to_owned(),
            ));
        }
        if let State::Up { proven, .. } = &mut self.state {
            *proven = true;
            self.backoff.succeed();
        }
        if update.scope.nodes
            && let Some(interval) = self.refresh_interval
        {
            self.periodic_at = Some(now + interval);
        }
        self.events.push_back(ControlEvent::Refreshed {
            update: Box::new(update),
            generation,
        });
        Ok(())
    }

    /// A server event.
    pub(crate) fn handle_event(&mut self, now: Instant, event: &Event) {
        match event {
            Event::StatusChange {
                change: StatusChangeKind::Up,
                address,
            } => {
                self.events.push_back(ControlEvent::NodeUp(*address));
            }
            Event::StatusChange {
                change: StatusChangeKind::Down,
                address,
            } => {
                self.events.push_back(ControlEvent::NodeDown(*address));
            }
            Event::TopologyChange { .. } => {
                self.schedule_refresh(now, EVENT_QUIET, Scope::NODES);
            }
            Event::ClientRoutesChange(change) => {
                let routes = RouteScope::of_event(change, &self.connection_ids);
                if let Some(scope) = Scope::routes(routes) {
                    self.schedule_refresh(now, Duration::ZERO, scope);
                }
            }
            Event::SchemaChange(change) => {
                self.events.extend(unplaced_by(change));
                self.events
                    .push_back(ControlEvent::SchemaChanged(change.clone()));
                if let Some(scope) = self.concerned_by(change) {
                    self.schedule_refresh(now, EVENT_QUIET, scope);
                }
            }
        }
    }

    /// What has to be read again after a change of the schema, as far as routing depends on it.
    pub(crate) fn concerned_by(&self, change: &SchemaChange) -> Option<Scope> {
        let reads_tables = match &self.state {
            State::Up { abilities, .. } => abilities.wants_partition_keys,
            _ => false,
        };
        match change.target {
            SchemaTarget::Keyspace => Some(Scope::keyspace(&change.keyspace)),
            SchemaTarget::Table(_) if reads_tables => Some(Scope::keyspace(&change.keyspace)),
            // Functions and types have no say in routing, nor have tables whose statements tell their key.
            _ => None,
        }
    }

    /// The control connection, or the attempt at one, has ended.
    pub(crate) fn handle_lost(&mut self, now: Instant, error: &ConnectionError, rng: &mut Rng) {
        self.refresh = None;
        match self.state {
            State::Connecting { address, .. }
                if matches!(error, ConnectionError::LowerVersion { .. }) =>
            {
                // The same node once more: each time the version is a lower one.
                self.candidates.push_front(address);
                self.try_next(now, rng);
            }
            State::Connecting { address, .. }
            | State::Up {
                address,
                proven: false,
                ..
            } => {
                self.errors.push((address.to_string(), error.clone()));
                self.try_next(now, rng);
            }
            State::Up { address, .. } => {
                self.lost = Some(address);
                // Soon, and as a new round: other nodes are known by now.
                self.state = State::Idle {
                    retry_at: Some(now + self.backoff.fail(rng)),
                };
            }
            State::Idle { .. } | State::Resolving { .. } => {}
        }
    }

    /// Time passed. `known`: addresses of nodes in the order in which to try them.
    pub(crate) fn handle_timeout(
        &mut self,
        now: Instant,
        known: impl FnOnce() -> Vec<SocketAddr>,
        rng: &mut Rng,
    ) {
        match self.state {
            State::Idle { retry_at: Some(at) } if now >= at => {
                self.begin_round(now, &known(), rng);
            }
            State::Up { conn, .. } => {
                if self.refresh.as_ref().is_some_and(|r| now >= r.deadline) {
                    self.refresh = None;
                    let error = ConnectionError::KeepaliveTimeout(self.timeout);
                    self.requests
                        .push_back(ControlRequest::Close { conn, error });
                } else if self.refresh.is_none() {
                    if self.periodic_at.is_some_and(|at| now >= at) {
                        self.schedule_refresh(now, Duration::ZERO, Scope::NODES);
                    }
                    if self.refresh_at.is_some_and(|at| now >= at) {
                        self.begin_refresh(now);
                    }
                }
            }
            _ => {}
        }
    }

    /// When to call [`Self::handle_timeout`] next.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Idle { retry_at } => retry_at,
            State::Up { .. } => match &self.refresh {
                Some(refresh) => Some(refresh.deadline),
                None => match (self.refresh_at, self.periodic_at) {
                    (Some(one), Some(other)) => Some(one.min(other)),
                    (one, other) => one.or(other),
                },
            },
            _ => None,
        }
    }
}

/// A dropped table's tablets are no more, and one of that name may come again; a keyspace may have been given
/// another replication.
fn unplaced_by(change: &SchemaChange) -> Option<ControlEvent> {
    let table = match (&change.target, change.kind) {
        (SchemaTarget::Keyspace, SchemaChangeKind::Updated | SchemaChangeKind::Dropped) => None,
        (SchemaTarget::Table(table), SchemaChangeKind::Dropped) => Some(table.clone()),
        _ => return None,
    };
    let keyspace = change.keyspace.clone();
    Some(ControlEvent::Unplaced { keyspace, table })
}

fn unexpected(response: &Response<'_>, to: &str) -> ConnectionError {
    ConnectionError::Protocol(format!("{} as the answer to {to}", response.opcode()))
}

#[cfg(test)]
mod tests;
