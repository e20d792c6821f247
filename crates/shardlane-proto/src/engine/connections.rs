//! The engine's connections: opening them for pools and for control, and what becomes of them.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use shardlane_wire::StreamParser;

use super::{ConnId, Effect, Engine, Life, RequestKey};
use crate::advice::ClusterEventKind;
use crate::advice::QuestionId;
use crate::cluster::{ControlRequest, NodeKey, Scope, Way};
use crate::config::Config;
use crate::connection::{
    COPIED_BYTES_MAX, ConnEvent, Connection, Reply, Session, Wanted, decode_response,
};
use crate::error::{ConnectFailure, ConnectionError};
use crate::metrics::{ConnectionView, Opened, ShardCounters};
use crate::notice::{Notice, Severity};
use crate::pool::{Landing, Via};
use crate::time::Instant;

/// A node at the wrong address is often one of several: wait so long before reading the system tables again.
const WRONG_NODE_QUIET: Duration = Duration::from_secs(1);

/// How long to wait when the process has no connection attempt left.
const BUDGET_RETRY: Duration = Duration::from_millis(5);

/// Addresses whose names are remembered: far more than contact points resolve to.
const NAMES_MAX: usize = 4096;

/// Requests in flight on a control connection, which sends some ten at a time.
const CONTROL_IN_FLIGHT_MAX: usize = 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Control,
    Pool(NodeKey),
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) machine: Connection,
    pub(super) role: Role,
    via: Via,
    pub(super) address: SocketAddr,
    pub(super) shard: Option<u16>,
    opened: Opened,
    local_port: u16,
    /// Through the handshake, and counted as opened: to be missed when it is gone.
    joined: bool,
    /// In a pool's bucket: requests may use it.
    pooled: bool,
    pub(super) counters: Arc<ShardCounters>,
    pub(super) dirty: bool,
    pub(super) timer_at: Instant,
    holds_budget: bool,
    /// Asked about the login, and not answered yet.
    pub(super) question: Option<QuestionId>,
    /// Names this connection's login to the application, once it was asked.
    pub(super) login: Option<u64>,
}

impl<C> Engine<C> {
    /// Starts what pools want, as far as the process's budget goes.
    pub(super) fn fill_pools(&mut self, now: Instant) {
        if !self.fill {
            return;
        }
        self.fill = false;
        self.pool_timer = None;
        if matches!(self.life, Life::Draining { .. } | Life::Closed) {
            return;
        }
        for key in self.cluster.keys() {
            if self.cluster.node(key).is_none_or(|n| n.is_excluded) {
                continue;
            }
            while let Some(via) = self.cluster.node(key).and_then(|n| n.pool.next_open(now)) {
                let address = match self.cluster.way_to(key) {
                    Way::To(address) => address,
                    Way::Resolve(host) => {
                        self.look_up(host.to_string(), None);
                        break;
                    }
                    Way::Wait | Way::None => break,
                };
                if !self.budget.acquire() {
                    self.pool_timer = Some(now + BUDGET_RETRY);
                    return;
                }
                self.open_for_pool(now, key, via, address);
            }
            let next = self
                .cluster
                .node(key)
                .and_then(|n| n.pool.next_timeout(now));
            self.pool_timer = [self.pool_timer, next].into_iter().flatten().min();
        }
    }

    fn open_for_pool(&mut self, now: Instant, key: NodeKey, via: Via, mut address: SocketAddr) {
        if let Via::ShardAware { port, .. } = via {
            address.set_port(port);
        }
        let conn = self.insert_connection(now, Role::Pool(key), via, address);
        let entry = &mut self.connections[conn.0 as usize];
        entry.holds_budget = true;
        let Some(node) = self.cluster.node_mut(key) else {
            return;
        };
        let was_blocked = node.pool.is_blocked(now);
        match node.pool.opened(conn, via, &mut self.rng) {
            Ok(source_port) => {
                entry.local_port = source_port.unwrap_or(0);
                self.push_connect(conn, address, source_port);
            }
            Err(()) => {
                // The configured range has no port for this shard: the legacy algorithm may still get there.
                node.pool.block_shard_aware_port(now);
                self.connections.remove(conn.0 as usize);
                self.budget.release();
                self.note_blocked(
                    now,
                    key,
                    was_blocked,
                    "source_ports has no port for a shard",
                );
            }
        }
    }

    fn insert_connection(
        &mut self,
        now: Instant,
        role: Role,
        via: Via,
        address: SocketAddr,
    ) -> ConnId {
        let config = match role {
            Role::Pool(_) => self.config.clone(),
            // The bound is for the application's requests: a refresh asks several things at once.
            Role::Control => Arc::new(Config {
                in_flight_per_connection_max: CONTROL_IN_FLIGHT_MAX,
                ..(*self.config).clone()
            }),
        };
        let machine = Connection::new(config, self.version, now);
        let timer_at = machine.next_timeout();
        let conn = ConnId(self.connections.insert(Entry {
            machine,
            role,
            via,
            address,
            shard: None,
            opened: Opened::First,
            local_port: 0,
            joined: false,
            pooled: false,
            counters: Arc::default(),
            dirty: false,
            timer_at,
            holds_budget: false,
            question: None,
            login: None,
        }) as u32);
        self.timers.push(Reverse((timer_at, conn)));
        conn
    }

    fn push_connect(&mut self, conn: ConnId, address: SocketAddr, source_port: Option<u16>) {
        self.effects.push_back(Effect::Connect {
            conn,
            address,
            source_port,
            name: self.names.get(&address.ip()).cloned(),
        });
    }

    pub(super) fn serve_control(&mut self, now: Instant, request: ControlRequest) {
        match request {
            ControlRequest::Resolve { host, port } => self.look_up(host, Some(port)),
            ControlRequest::Connect { address } => {
                let conn = self.insert_connection(now, Role::Control, Via::Normal, address);
                self.control.opened(conn);
                self.push_connect(conn, address, None);
            }
            ControlRequest::Send {
                conn,
                token,
                opcode,
                body,
            } => {
                if let Some(entry) = self.connections.get_mut(conn.0 as usize)
                    && entry.role == Role::Control
                {
                    // A fresh connection with a handful of requests is never busy.
                    let _ = entry.machine.send(token, opcode, 0, &body, None);
                    self.mark_dirty(conn);
                }
            }
            ControlRequest::Close { conn, error } => self.drop_connection(now, conn, &error),
        }
    }

    /// Has a name resolved, once at a time. `port`: the control machine asks, and wants it in the addresses.
    fn look_up(&mut self, host: String, port: Option<u16>) {
        let askers = self.lookups.get_mut(&host);
        if let Some(ports) = askers {
            ports.extend(port);
            return;
        }
        self.lookups
            .insert(host.clone(), port.into_iter().collect());
        let port = port.unwrap_or(0);
        self.effects.push_back(Effect::Resolve { host, port });
    }

    /// The routes to nodes may have changed: what is aimed at where they led before is given up, and pools
    /// are filled by the new ones at once. Connections that are up stay: there are requests on them.
    pub(super) fn reroute(&mut self, now: Instant) {
        for key in self.cluster.choose_routes() {
            let Some(node) = self.cluster.node_mut(key) else {
                continue;
            };
            for conn in node.pool.abandon_attempts() {
                self.drop_connection(now, conn, &ConnectionError::Closed);
            }
            if let Some(node) = self.cluster.node_mut(key) {
                node.pool.wake(now);
            }
            self.fill = true;
        }
    }

    /// A name was resolved to addresses, or could not be.
    pub fn handle_resolved(
        &mut self,
        now: Instant,
        host: &str,
        result: Result<Vec<SocketAddr>, String>,
    ) {
        if let Ok(addresses) = &result {
            let name: Arc<str> = host.into();
            let ips = addresses.iter().map(SocketAddr::ip);
            // A name that has moved on may leave addresses behind, whose nodes may still be there.
            if self.names.len() > NAMES_MAX {
                self.names.clear();
            }
            self.names.extend(ips.map(|ip| (ip, name.clone())));
        }
        if let Some((stuck, why)) = self.cluster.handle_resolved(host, &result) {
            let error: Arc<str> = ConnectionError::Resolve(format!("{host}: {why}"))
                .to_string()
                .into();
            self.changed = true;
            for key in stuck {
                if let Some(node) = self.cluster.node_mut(key) {
                    node.last_error = Some(error.clone());
                    node.pool.postpone(now, &mut self.rng);
                }
            }
        }
        self.fill |= self.cluster.is_routed();
        for port in self.lookups.remove(host).unwrap_or_default() {
            let of_port = |addresses: &Vec<SocketAddr>| {
                let ips = addresses.iter().map(SocketAddr::ip);
                ips.map(|ip| SocketAddr::new(ip, port)).collect()
            };
            let result = result.as_ref().map(of_port).map_err(Clone::clone);
            self.control
                .handle_resolved(now, host, result, &mut self.rng);
        }
        self.follow_up(now);
    }

    /// TCP is up. `local_port`: where it comes from.
    pub fn handle_connected(&mut self, now: Instant, conn: ConnId, local_port: u16) {
        if let Some(entry) = self.connections.get_mut(conn.0 as usize) {
            entry.local_port = local_port;
            entry.machine.handle_connected(now);
            self.mark_dirty(conn);
        }
    }

    /// TCP did not come up.
    pub fn handle_connect_failed(&mut self, now: Instant, conn: ConnId, failure: ConnectFailure) {
        let Some(entry) = self.connections.get(conn.0 as usize) else {
            return;
        };
        let error = match failure {
            ConnectFailure::PortUnavailable(why) => {
                if let Role::Pool(key) = entry.role
                    && let Some(node) = self.cluster.node_mut(key)
                    && let Some(port) = node.pool.next_source_port(conn)
                {
                    let address = entry.address;
                    self.connections[conn.0 as usize].local_port = port;
                    self.push_connect(conn, address, Some(port));
                    return;
                }
                ConnectionError::Connect(format!("every local port was taken ({why})"))
            }
            ConnectFailure::Tls(error) => ConnectionError::Tls(error),
            ConnectFailure::Failed(why) => ConnectionError::Connect(why),
        };
        self.drop_connection(now, conn, &error);
        self.follow_up(now);
    }

    /// Bytes came from the server.
    pub fn handle_bytes(&mut self, now: Instant, conn: ConnId, bytes: &[u8]) {
        if !self.connections.contains(conn.0 as usize) {
            return;
        }
        self.counters.bytes_received.add(bytes.len() as u64);
        let result = self.read(now, conn, bytes);
        self.after_input(now, conn, result);
    }

    fn read(
        &mut self,
        now: Instant,
        conn: ConnId,
        mut bytes: &[u8],
    ) -> Result<(), ConnectionError> {
        let entry = &mut self.connections[conn.0 as usize];
        let Some(mut parser) = entry.machine.begin_input(now, bytes)? else {
            return Ok(());
        };
        let result = self.read_frames(now, conn, &mut parser, &mut bytes);
        if let Some(entry) = self.connections.get_mut(conn.0 as usize) {
            entry.machine.end_input(parser);
        }
        result
    }

    /// Takes each frame to whom it concerns, while the connection is there. An error: the server broke the
    /// protocol.
    fn read_frames(
        &mut self,
        now: Instant,
        conn: ConnId,
        parser: &mut StreamParser,
        bytes: &mut &[u8],
    ) -> Result<(), ConnectionError> {
        while let Some(entry) = self.connections.get_mut(conn.0 as usize) {
            let frame = parser
                .push(bytes)
                .map_err(|error| ConnectionError::Protocol(error.to_string()))?;
            let Some(frame) = frame else { break };
            let keeps_buffer = frame.is_gathered && frame.body.len() > COPIED_BYTES_MAX;
            let Some(reply) = entry.machine.handle_frame(frame)? else {
                entry.machine.adapt(parser);
                self.handle_events(now, conn);
                continue;
            };
            match entry.role {
                Role::Pool(_) => {
                    entry.counters.ended();
                    let Reply {
                        token,
                        opcode,
                        flags,
                        mut body,
                    } = reply;
                    if keeps_buffer && matches!(body, Cow::Borrowed(_)) {
                        body = Cow::Owned(parser.take_gathered().unwrap_or_default());
                    }
                    let reply = Reply {
                        token,
                        opcode,
                        flags,
                        body,
                    };
                    self.handle_response(now, conn, reply)?;
                }
                Role::Control => {
                    let dialect = entry.machine.dialect();
                    let response =
                        decode_response(dialect, reply.flags, reply.opcode, &reply.body)?;
                    self.control.handle_response(now, reply.token, &response)?;
                }
            }
        }
        Ok(())
    }

    /// What every input to a connection's machine ends with.
    pub(super) fn after_input(
        &mut self,
        now: Instant,
        conn: ConnId,
        result: Result<(), ConnectionError>,
    ) {
        // What was understood before an error counts.
        self.handle_events(now, conn);
        if let Err(error) = result {
            self.drop_connection(now, conn, &error);
        } else {
            self.advance_timer(conn);
            self.mark_dirty(conn);
        }
        self.follow_up(now);
    }

    /// What happened may have brought the next timeout forward: the end of the handshake begins the
    /// keepalive interval, and so does the answer to a keepalive; an orphan may be one too many.
    pub(super) fn advance_timer(&mut self, conn: ConnId) {
        if let Some(entry) = self.connections.get_mut(conn.0 as usize) {
            let at = entry.machine.next_timeout();
            if at < entry.timer_at {
                entry.timer_at = at;
                self.timers.push(Reverse((at, conn)));
            }
        }
    }

    /// The socket was closed, or failed.
    pub fn handle_closed(&mut self, now: Instant, conn: ConnId, error: &ConnectionError) {
        let Some(entry) = self.connections.get(conn.0 as usize) else {
            return;
        };
        let error = entry.machine.handle_closed(error);
        self.drop_connection(now, conn, &error);
        self.follow_up(now);
    }

    /// Takes the connection's events to whom they concern.
    fn handle_events(&mut self, now: Instant, conn: ConnId) {
        while let Some(entry) = self.connections.get_mut(conn.0 as usize)
            && let Some(event) = entry.machine.poll_event()
        {
            match (event, entry.role) {
                (ConnEvent::Established(session), Role::Pool(key)) => {
                    self.join_pool(now, conn, key, &session)
                }
                (ConnEvent::Established(session), Role::Control) => {
                    self.version = Wanted::Exactly(session.dialect.version);
                    self.dialect = session.dialect;
                    self.changed = true;
                    let is_scylla = session.sharding.is_some();
                    entry.joined = true;
                    let (address, version) = (entry.address, session.dialect.version);
                    self.note(Notice::ControlUp { address, version });
                    self.control
                        .handle_established(now, conn, session.dialect, is_scylla);
                }
                (ConnEvent::KeyspaceReady { token }, _) => {
                    self.send_admitted(now, conn, RequestKey(token));
                }
                (ConnEvent::KeyspaceRefused { token, error }, _) => {
                    self.handle_server_error(now, conn, RequestKey(token), error);
                }
                (ConnEvent::Ask { class, step }, _) => self.ask_about_login(conn, class, step),
                (ConnEvent::Server(event), _) => self.control.handle_event(now, &event),
            }
        }
    }

    fn join_pool(&mut self, now: Instant, conn: ConnId, key: NodeKey, session: &Session) {
        self.release_budget(conn);
        let sharding = session.sharding;
        let Some(node) = self.cluster.node_mut(key) else {
            return;
        };
        let expected = node.coordinator.host_id;
        if let Some(found) = session.host_id.filter(|&found| found != expected) {
            // An address that has passed to another node, or a translation that misleads: what belongs to the
            // one must not be asked of the other. Perhaps the system tables know better by now.
            let error = ConnectionError::WrongNode { expected, found };
            self.drop_connection(now, conn, &error);
            self.control
                .schedule_refresh(now, WRONG_NODE_QUIET, Scope::NODES);
            return;
        }
        let entry = &mut self.connections[conn.0 as usize];
        let mut closes = Vec::new();
        let was_up = node.pool.is_usable();
        let was_blocked = node.pool.is_blocked(now);
        entry.joined = true;
        entry.opened = node.pool.opened_as(entry.via);
        node.opened_total += 1;
        self.counters.connections_opened.one_more();
        node.last_error = None;
        node.told.clear();
        let landing = node
            .pool
            .established(now, conn, sharding, &mut self.rng, &mut closes);
        // A pool that ignores shards has none, whatever the node says.
        entry.shard = sharding
            .filter(|_| node.pool.sharder().is_some())
            .map(|s| s.shard);
        entry.counters = node.counters(entry.shard);
        entry.pooled = landing == Landing::Pooled;
        if landing == Landing::Surplus {
            closes.push(conn);
        }
        for close in closes {
            self.drop_connection(now, close, &ConnectionError::Closed);
        }
        self.fill = true;
        self.changed = true;
        if !was_up && self.cluster.is_usable(key) {
            self.tell(ClusterEventKind::Up, key);
        }
        self.note_blocked(now, key, was_blocked, "it led to another shard");
    }

    /// Forgets a connection, tells its pool or control, and sends its requests elsewhere.
    pub(super) fn drop_connection(&mut self, now: Instant, conn: ConnId, error: &ConnectionError) {
        self.release_budget(conn);
        let Some(entry) = self.connections.try_remove(conn.0 as usize) else {
            return;
        };
        self.effects.push_back(Effect::Close { conn });
        self.changed = true;
        self.withdraw(entry.question);
        match entry.role {
            Role::Control => {
                if let ConnectionError::LowerVersion { lower, .. } = error {
                    self.version = Wanted::UpTo(*lower);
                }
                // One that was never up is told with the others, if none comes up.
                if entry.joined && *error != ConnectionError::Closed {
                    let (address, error) = (entry.address, error.clone());
                    self.note(Notice::ControlLost { address, error });
                }
                self.control.handle_lost(now, error, &mut self.rng);
            }
            Role::Pool(key) => {
                if *error != ConnectionError::Closed {
                    self.cluster.distrust(key, entry.address.ip());
                }
                if entry.joined {
                    self.counters.connections_closed.one_more();
                } else if *error != ConnectionError::Closed {
                    self.counters.connections_failed.one_more();
                }
                if let Some(node) = self.cluster.node_mut(key) {
                    let was_up = node.pool.is_usable();
                    let was_blocked = node.pool.is_blocked(now);
                    let is_news = *error != ConnectionError::Closed
                        && self.config.notices.wants(Severity::Warning)
                        && node.told.is_news(&error.to_string());
                    if node.pool.is_opening(conn) {
                        node.last_error = Some(error.to_string().into());
                        node.pool.failed(now, conn, error, &mut self.rng);
                    } else {
                        node.closed_total += u64::from(entry.joined);
                        node.pool.lost(now, conn, &mut self.rng);
                    }
                    let is_down = was_up && !node.pool.is_usable();
                    if is_news {
                        self.note_failure(&entry, error);
                    }
                    self.note_blocked(now, key, was_blocked, "no connection could be made to it");
                    if is_down {
                        self.tell(ClusterEventKind::Down, key);
                    }
                    self.fill = true;
                }
            }
        }
        for token in entry.machine.unanswered() {
            self.handle_connection_lost(now, RequestKey(token), &entry, error);
        }
    }

    fn note_failure(&mut self, entry: &Entry, error: &ConnectionError) {
        let (address, error) = (entry.address, error.clone());
        self.note(if entry.joined {
            Notice::ConnectionLost { address, error }
        } else {
            Notice::ConnectFailed { address, error }
        });
    }

    /// Notes that the pool has begun to leave the shard-aware port alone, if it has.
    fn note_blocked(&mut self, now: Instant, key: NodeKey, was_blocked: bool, why: &str) {
        if let Some(node) = self.cluster.node(key)
            && !was_blocked
            && node.pool.is_blocked(now)
        {
            let notice = Notice::ShardAwarePortBlocked {
                address: node.coordinator.address,
                block: self.config.shard_aware_block,
                why: why.into(),
            };
            self.note(notice);
        }
    }

    fn release_budget(&mut self, conn: ConnId) {
        if let Some(entry) = self.connections.get_mut(conn.0 as usize)
            && std::mem::take(&mut entry.holds_budget)
        {
            self.budget.release();
        }
    }

    pub(super) fn handle_connection_timer(&mut self, now: Instant, conn: ConnId, at: Instant) {
        let Some(entry) = self.connections.get_mut(conn.0 as usize) else {
            return;
        };
        if entry.timer_at != at {
            return;
        }
        match entry.machine.handle_timeout(now) {
            Ok(()) => {
                entry.timer_at = entry.machine.next_timeout();
                self.timers.push(Reverse((entry.timer_at, conn)));
                self.mark_dirty(conn);
            }
            Err(error) => self.drop_connection(now, conn, &error),
        }
    }

    /// Asks all connections of a node for a sign of life.
    pub(super) fn probe_node(&mut self, now: Instant, key: NodeKey) {
        let conns: Vec<ConnId> = self.connections_of(key).map(|(conn, _)| conn).collect();
        for conn in conns {
            let entry = &mut self.connections[conn.0 as usize];
            entry.machine.probe(now);
            let at = entry.machine.next_timeout();
            // Unless it has been asked already: reports of one failure come in numbers.
            if at != entry.timer_at {
                entry.timer_at = at;
                self.timers.push(Reverse((at, conn)));
            }
            self.mark_dirty(conn);
        }
    }

    pub(super) fn mark_dirty(&mut self, conn: ConnId) {
        if let Some(entry) = self.connections.get_mut(conn.0 as usize)
            && !entry.dirty
            && entry.machine.has_unsent()
        {
            entry.dirty = true;
            self.dirty.push_back(conn);
        }
    }

    fn connections_of(&self, key: NodeKey) -> impl Iterator<Item = (ConnId, &Entry)> {
        let of_node = move |e: &&Entry| e.role == Role::Pool(key) && e.pooled;
        self.connections
            .iter()
            .map(|(i, e)| (ConnId(i as u32), e))
            .filter(move |(_, e)| of_node(e))
    }

    pub(super) fn connection_views(&self, key: NodeKey) -> Vec<ConnectionView> {
        self.connections_of(key)
            .map(|(_, e)| ConnectionView {
                shard: e.shard,
                opened: e.opened,
                local_port: e.local_port,
            })
            .collect()
    }
}
