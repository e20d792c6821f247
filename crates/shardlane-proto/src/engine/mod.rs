//! The engine: one cluster object's machines, wired together.
//!
//! The shell calls in five ways, in any order, always with the time:
//!
//! 1. `handle_*`: something happened outside (a socket connected, bytes came, a name was resolved, time
//!    passed);
//! 2. [`Engine::submit`], [`Engine::cancel`], [`Engine::when_ready`], [`Engine::close`]: the caller wants
//!    something;
//! 3. then [`Engine::poll_effect`] until it is empty: what to do outside;
//! 4. [`Engine::poll_dirty`] with [`Engine::unsent`] and [`Engine::handle_written`]: bytes to write,
//!    once per connection and turn, so that writes are coalesced without waiting;
//! 5. [`Engine::take_completions`]: results to deliver, in one batch.
//!
//! [`Engine::next_timeout`] says when to call [`Engine::handle_timeout`] at the latest.

mod admission;
mod advice;
mod attempts;
mod connections;
mod executions;
mod load;
mod message;
mod nodes;
mod requests;
mod schema;
mod tablets;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use shardlane_wire::{Compression, Dialect, Version};
use slab::Slab;

use self::admission::Admission;
use self::advice::Asker;
use self::connections::Entry;
pub use self::load::EngineLoad;
use self::nodes::{Asked, HeldBack};
use self::schema::SchemaWaiter;
use crate::advice::{ClusterEventKind, Question, QuestionId};
use crate::cluster::Coordinator;
use crate::cluster::{Cluster, ClusterView, Control, ControlEvent, Scope, Topology, Update};
use crate::config::Config;
use crate::connection::Wanted;
use crate::counters::Counters;
use crate::error::{ConnectionError, RequestError, RequestErrorKind};
use crate::ids::{ConnId, RequestKey};
use crate::metrics::PoolView;
use crate::notice::Notice;
use crate::policy::{Policy, Retry};
use crate::request::{Answer, Deadlines, Latencies, Outcome, Percentile, Request};
use crate::rng::Rng;
use crate::time::Instant;

/// Later than any time that is told.
const NEVER: Instant = Instant(u64::MAX);

/// What the shell has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Connect by TCP, from `source_port` if given; answer with `handle_connected` or `handle_connect_failed`.
    Connect {
        /// The name of the connection from now on.
        conn: ConnId,
        /// Where to.
        address: SocketAddr,
        /// The local port to bind first.
        source_port: Option<u16>,
        /// The contact point's name that was resolved to this address: TLS verifies it. An address that came
        /// otherwise, from the user or from other nodes, has none.
        name: Option<Arc<str>>,
    },
    /// Close the socket (it may be in the middle of connecting). The engine has forgotten it already.
    Close {
        /// Which one.
        conn: ConnId,
    },
    /// Resolve a name; answer with `handle_resolved`.
    Resolve {
        /// Host name.
        host: String,
        /// Port to put into the addresses.
        port: u16,
    },
    /// Ask the application; answer with `handle_advice`, from however far in the future.
    Ask {
        /// Names the question.
        id: QuestionId,
        /// What it is.
        question: Question,
    },
    /// Everything is closed: the shell may end.
    Finished,
}

/// Bounds simultaneous connection attempts of the whole process: shared by all its engines.
#[derive(Debug)]
pub struct AttemptBudget {
    left: AtomicUsize,
}

impl AttemptBudget {
    /// At most `max` attempts at a time.
    #[must_use]
    pub const fn new(max: usize) -> Self {
        Self {
            left: AtomicUsize::new(max),
        }
    }

    fn acquire(&self) -> bool {
        self.left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(1)
            })
            .is_ok()
    }

    fn release(&self) {
        self.left.fetch_add(1, Ordering::Relaxed);
    }
}

#[derive(Debug)]
enum Life {
    /// The first refresh has not come yet.
    Starting,
    /// The topology is known; pools fill. `connect` returns at `until` at the latest.
    Filling {
        until: Instant,
    },
    Running,
    /// No new requests; ends when the last one has, or at `until`.
    Draining {
        until: Instant,
    },
    Closed,
}

/// One cluster object's machines. `C` is what the shell wants back with an outcome.
#[derive(Debug)]
pub struct Engine<C> {
    config: Arc<Config>,
    budget: Arc<AttemptBudget>,
    rng: Rng,
    life: Life,
    cluster: Cluster,
    control: Control,
    /// What connections are to speak; fixed by the first control connection.
    version: Wanted,
    /// What the control connection speaks.
    dialect: Dialect,
    connections: Slab<Entry>,
    timers: BinaryHeap<Reverse<(Instant, ConnId)>>,
    /// Pools want something, as far as is known.
    fill: bool,
    pool_timer: Option<Instant>,
    requests: Slab<Request<C>>,
    generation: u32,
    deadlines: Deadlines,
    /// Refreshes that wait for the application's say.
    held_back: VecDeque<HeldBack>,
    asked_about_nodes: Option<Asked>,
    /// When requests are to be executed once more.
    speculations: Deadlines,
    /// Attempts that are not to be made at once.
    delayed: BinaryHeap<Reverse<(Instant, RequestKey)>>,
    admission: Admission,
    latencies: Arc<Latencies>,
    counters: Arc<Counters>,
    percentile: Percentile,
    /// Of requests that the engine makes of its own accord.
    unhurried: Arc<Policy>,
    /// PREPAREs under way, by keyspace and frame body.
    prepares: HashMap<(Option<Arc<str>>, Vec<u8>), RequestKey>,
    schema_waiters: Vec<SchemaWaiter>,
    ready_waiters: Vec<C>,
    /// Why the first round reached nobody, where it was over before anybody asked: for the first who does.
    first_failure: Option<Vec<(String, ConnectionError)>>,
    /// Names of contact points, by what they were resolved to.
    names: HashMap<IpAddr, Arc<str>>,
    /// Names that are being resolved, and the ports that the control machine wants to them.
    lookups: HashMap<String, Vec<u16>>,
    /// Who waits for an answer of the application.
    questions: HashMap<QuestionId, Asker>,
    questions_asked: u64,
    effects: VecDeque<Effect>,
    dirty: VecDeque<ConnId>,
    completions: Vec<(C, Outcome)>,
    changed: bool,
    /// No node could be reached when that was tried last, and the log has it.
    unreachable: bool,
}

impl<C> Engine<C> {
    /// An engine that begins to connect with the first [`Self::handle_timeout`].
    #[must_use]
    pub fn new(config: Config, budget: Arc<AttemptBudget>) -> Self {
        Self {
            rng: Rng::new(config.seed),
            cluster: Cluster::new(&config),
            control: Control::new(&config),
            version: match (config.protocol_version, config.compression) {
                (Some(version), _) => Wanted::Exactly(version),
                (None, Some(Compression::Snappy)) => Wanted::UpTo(Version::V4),
                (None, _) => Wanted::UpTo(Version::V5),
            },
            dialect: Dialect::V4,
            config: Arc::new(config),
            budget,
            life: Life::Starting,
            connections: Slab::new(),
            timers: BinaryHeap::new(),
            fill: false,
            pool_timer: None,
            requests: Slab::new(),
            generation: 0,
            deadlines: Deadlines::default(),
            held_back: VecDeque::new(),
            asked_about_nodes: None,
            speculations: Deadlines::default(),
            delayed: BinaryHeap::new(),
            admission: Admission::default(),
            latencies: Arc::default(),
            counters: Arc::default(),
            percentile: Percentile::default(),
            unhurried: Arc::new(Policy {
                retry: Retry::Fallthrough,
                ..Policy::default()
            }),
            prepares: HashMap::new(),
            schema_waiters: Vec::new(),
            ready_waiters: Vec::new(),
            first_failure: None,
            names: HashMap::new(),
            lookups: HashMap::new(),
            questions: HashMap::new(),
            questions_asked: 0,
            effects: VecDeque::new(),
            dirty: VecDeque::new(),
            completions: Vec::new(),
            changed: false,
            unreachable: false,
        }
    }

    /// Completes `completion` when requests can be sent: topology known and pools filled, or as full as
    /// they get in `Config::pool_wait`. If no contact point answers it ends with `Unreachable`.
    pub fn when_ready(&mut self, completion: C) {
        match self.life {
            Life::Starting | Life::Filling { .. } => match self.first_failure.take() {
                // The next round may be long in coming.
                Some(errors) => {
                    let kind = RequestErrorKind::Unreachable(errors);
                    self.completions
                        .push((completion, Err(RequestError::bare(kind))));
                }
                None => self.ready_waiters.push(completion),
            },
            Life::Running => self.completions.push((completion, Ok(self.ready_answer()))),
            Life::Draining { .. } | Life::Closed => {
                self.completions.push((
                    completion,
                    Err(RequestError::bare(RequestErrorKind::Closed)),
                ));
            }
        }
    }

    fn ready_answer(&self) -> Answer {
        let nobody = Coordinator {
            address: SocketAddr::from(([0, 0, 0, 0], 0)),
            host_id: shardlane_routing::HostId([0; 16]),
        };
        let coordinator = self
            .cluster
            .nodes()
            .next()
            .map_or_else(|| Arc::new(nobody), |(_, n)| n.coordinator.clone());
        Answer {
            dialect: self.dialect,
            opcode: shardlane_wire::Opcode::Ready,
            flags: 0,
            body: Vec::new(),
            coordinator,
            shard: None,
            failed_attempts: Vec::new(),
        }
    }

    /// No more requests from now on; those under way have `drain` to finish.
    pub fn close(&mut self, now: Instant, drain: Duration) {
        if matches!(self.life, Life::Closed) {
            return;
        }
        self.life = Life::Draining { until: now + drain };
        for completion in std::mem::take(&mut self.ready_waiters) {
            self.completions.push((
                completion,
                Err(RequestError::bare(RequestErrorKind::Closed)),
            ));
        }
        self.finish_if_drained(now);
    }

    fn finish_if_drained(&mut self, now: Instant) {
        let Life::Draining { until } = self.life else {
            return;
        };
        // What the engine does of its own accord (`prepare_elsewhere`) keeps nobody waiting.
        if now >= until || self.requests.iter().all(|(_, r)| r.completion.is_none()) {
            self.life = Life::Closed;
            let keys: Vec<RequestKey> = self
                .requests
                .iter()
                .map(|(i, r)| RequestKey::new(i, r.generation))
                .collect();
            for key in keys {
                self.finish(now, key, Err(RequestErrorKind::Closed));
            }
            let conns: Vec<ConnId> = self
                .connections
                .iter()
                .map(|(i, _)| ConnId(i as u32))
                .collect();
            for conn in conns {
                self.drop_connection(now, conn, &ConnectionError::Closed);
            }
            self.effects.push_back(Effect::Finished);
        }
    }

    /// What every `handle_*` ends with: follows up on what it has set going.
    fn follow_up(&mut self, now: Instant) {
        self.pump(now);
        self.start_queued(now);
        self.fill_pools(now);
        self.settle(now);
        self.finish_if_drained(now);
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if matches!(self.life, Life::Closed) {
            return;
        }
        while let Some(&Reverse((at, conn))) = self.timers.peek()
            && at <= now
        {
            self.timers.pop();
            self.handle_connection_timer(now, conn, at);
        }
        let requests = &self.requests;
        let live = |key: RequestKey| {
            requests
                .get(key.index())
                .is_some_and(|r| r.generation == key.generation())
        };
        let mut expired = Vec::new();
        while let Some(key) = self.deadlines.pop_expired(now, live) {
            expired.push(key);
        }
        for key in expired {
            self.expire(now, key);
        }
        self.make_delayed_attempts(now);
        self.begin_executions(now);
        self.expire_schema_waiters(now);
        self.expire_node_question(now);
        let cluster = &self.cluster;
        self.control
            .handle_timeout(now, || cluster.addresses_to_try(), &mut self.rng);
        if self.pool_timer.is_some_and(|at| at <= now) {
            self.fill = true;
        }
        self.forget_old_timers();
        self.follow_up(now);
    }

    /// When to call [`Self::handle_timeout`] at the latest; `None`: nothing is due.
    pub fn next_timeout(&mut self) -> Option<Instant> {
        if matches!(self.life, Life::Closed) {
            return None;
        }
        let delayed = self.next_delayed();
        let requests = &self.requests;
        let live = |key: RequestKey| {
            requests
                .get(key.index())
                .is_some_and(|r| r.generation == key.generation())
        };
        let life = match self.life {
            Life::Filling { until } | Life::Draining { until } => Some(until),
            _ => None,
        };
        let mut earliest = NEVER;
        let mut consider = |at: Option<Instant>| earliest = earliest.min(at.unwrap_or(NEVER));
        consider(self.timers.peek().map(|&Reverse((at, _))| at));
        consider(self.deadlines.next(live));
        consider(self.speculations.next(live));
        consider(delayed);
        consider(self.control.next_timeout());
        consider(self.pool_timer);
        consider(self.asked_about_nodes.as_ref().map(|asked| asked.deadline));
        consider(self.schema_waiters.iter().filter_map(|w| w.deadline).min());
        consider(life);
        // A connection was given up between two turns: at once.
        consider(self.fill.then(Instant::default));
        (earliest < NEVER).then_some(earliest)
    }

    /// Moves control's requests and events along.
    fn pump(&mut self, now: Instant) {
        while !matches!(self.life, Life::Closed) {
            if let Some(request) = self.control.poll_request() {
                self.serve_control(now, request);
            } else if let Some(event) = self.control.poll_event() {
                self.handle_control_event(now, event);
            } else {
                break;
            }
        }
    }

    fn handle_control_event(&mut self, now: Instant, event: ControlEvent) {
        match event {
            ControlEvent::Refreshed { update, generation } => {
                self.unreachable = false;
                self.first_failure = None;
                self.take_refresh(now, update, generation);
            }
            ControlEvent::SchemaChanged(change) => {
                self.cluster.touch_keyspace(&change.keyspace);
                self.changed = true;
            }
            ControlEvent::SchemaUnknown => {
                self.cluster.touch_all_keyspaces();
                self.changed = true;
            }
            ControlEvent::Unreachable(errors) => {
                // Round after round ends like this: once will do, until one does not.
                if !std::mem::replace(&mut self.unreachable, true) {
                    self.note(Notice::Unreachable(errors.clone()));
                    if matches!(self.life, Life::Starting) && self.ready_waiters.is_empty() {
                        self.first_failure = Some(errors.clone());
                    }
                }
                if matches!(self.life, Life::Starting) {
                    for completion in std::mem::take(&mut self.ready_waiters) {
                        let kind = RequestErrorKind::Unreachable(errors.clone());
                        self.completions
                            .push((completion, Err(RequestError::bare(kind))));
                    }
                }
            }
            ControlEvent::Unplaced { keyspace, table } => {
                self.cluster.forget_tablets(&keyspace, table.as_deref());
            }
            ControlEvent::NodeUp(address) => match self.cluster.by_address(address) {
                Some(key) => {
                    if let Some(node) = self.cluster.node_mut(key) {
                        node.pool.wake(now);
                        self.fill = true;
                    }
                }
                None => {
                    self.control
                        .schedule_refresh(now, Duration::ZERO, Scope::NODES);
                }
            },
            // Gossip may be wrong, our own connections are not: ask them.
            ControlEvent::NodeDown(address) => {
                if let Some(key) = self.cluster.by_address(address) {
                    self.probe_node(now, key);
                }
            }
        }
    }

    /// Takes over what a refresh has read; returns the topology if that was part of it.
    fn apply(&mut self, now: Instant, update: Update) -> Option<Topology> {
        let reads_nodes = update.scope.nodes;
        let known = if reads_nodes {
            self.cluster.keys()
        } else {
            Vec::new()
        };
        let (gone, topology) = self.cluster.apply(&self.config, update);
        self.changed = true;
        self.reroute(now);
        if !reads_nodes {
            return None;
        }
        let mut conns = Vec::new();
        for key in self.cluster.keys() {
            if !known.contains(&key) {
                self.tell(ClusterEventKind::Added, key);
            }
            let is_gone = gone.contains(&key);
            if let Some(node) = self.cluster.node_mut(key)
                && (is_gone || node.is_excluded)
            {
                let was_up = node.pool.is_usable();
                conns.extend(node.pool.drain());
                if was_up {
                    self.tell(ClusterEventKind::Down, key);
                }
            }
            if is_gone {
                self.tell(ClusterEventKind::Removed, key);
            }
        }
        for conn in conns {
            self.drop_connection(now, conn, &ConnectionError::Closed);
        }
        for key in gone {
            self.cluster.remove(key);
        }
        self.fill = true;
        if matches!(self.life, Life::Starting) {
            self.life = Life::Filling {
                until: now + self.config.pool_wait,
            };
        }
        Some(topology)
    }

    /// Ends the wait for pools if they are as full as they get.
    fn settle(&mut self, now: Instant) {
        if let Life::Filling { until } = self.life {
            let is_routed = self.cluster.is_routed();
            let settled = self.cluster.nodes().all(|(_, n)| {
                n.is_excluded || n.pool.is_settled(now) || (is_routed && n.route.is_none())
            });
            let usable = self.cluster.usable().next().is_some();
            if (settled && usable) || now >= until {
                self.life = Life::Running;
                for completion in std::mem::take(&mut self.ready_waiters) {
                    let answer = self.ready_answer();
                    self.completions.push((completion, Ok(answer)));
                }
            }
        }
    }

    /// The next thing to do outside.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// The next connection with bytes to write; each appears once until it is polled.
    pub fn poll_dirty(&mut self) -> Option<ConnId> {
        while let Some(conn) = self.dirty.pop_front() {
            // Gone, or a namesake that has nothing to write: passed over.
            if let Some(entry) = self.connections.get_mut(conn.0 as usize)
                && std::mem::take(&mut entry.dirty)
            {
                entry.machine.seal();
                return Some(conn);
            }
        }
        None
    }

    /// Bytes that `conn` wants to write next.
    #[must_use]
    pub fn unsent(&self, conn: ConnId) -> &[u8] {
        self.connections
            .get(conn.0 as usize)
            .map_or(&[], |e| e.machine.unsent())
    }

    /// So many bytes of [`Self::unsent`] have been written.
    pub fn handle_written(&mut self, conn: ConnId, count: usize) {
        if let Some(entry) = self.connections.get_mut(conn.0 as usize) {
            entry.machine.handle_written(count);
            self.counters.bytes_sent.add(count as u64);
        }
    }

    /// Moves all results to deliver to `out`.
    pub fn take_completions(&mut self, out: &mut Vec<(C, Outcome)>) {
        if out.is_empty() {
            std::mem::swap(out, &mut self.completions);
        } else {
            out.append(&mut self.completions);
        }
    }

    /// What the control connection speaks, and the other connections as a rule: requests laid out so
    /// need not be laid out again.
    #[must_use]
    pub const fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Topology and schema as known now.
    #[must_use]
    pub fn cluster_view(&mut self) -> Arc<ClusterView> {
        self.cluster.view()
    }

    /// All pools as they are now.
    #[must_use]
    pub fn pool_views(&self, now: Instant) -> Vec<PoolView> {
        self.cluster
            .nodes()
            .filter(|(_, node)| !node.is_excluded)
            .map(|(key, node)| node.view(node.pool.is_blocked(now), self.connection_views(key)))
            .collect()
    }

    /// How long answers take; live.
    #[must_use]
    pub fn latencies(&self) -> Arc<Latencies> {
        self.latencies.clone()
    }

    /// What has been done so far; live.
    #[must_use]
    pub fn counters(&self) -> Arc<Counters> {
        self.counters.clone()
    }

    /// Whether pools or topology have changed since the last call.
    pub const fn take_changed(&mut self) -> bool {
        std::mem::replace(&mut self.changed, false)
    }

    fn request(&mut self, key: RequestKey) -> Option<&mut Request<C>> {
        self.requests
            .get_mut(key.index())
            .filter(|r| r.generation == key.generation())
    }
}

#[cfg(test)]
mod tests;
