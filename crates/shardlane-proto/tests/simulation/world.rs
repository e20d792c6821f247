//! A seeded world in virtual time: one engine, its shell, a network, and some nodes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use shardlane_proto::{
    Advice, AdviceError, AttemptBudget, ClusterEventKind, Config, ConnId, ConnectFailure,
    ConnectionError, Effect, Engine, Instant, Notice, PoolSize, QuestionId, RequestKey,
};

use shardlane_routing::HostId;
use shardlane_wire::Consistency;

use crate::client::{Client, Kind};
use crate::node::{Node, PORT, Placement, SHARD_AWARE_PORT, ShardPort};
use crate::rng::Rng;
use crate::socket::{Arrived, Socket};
use crate::store::{self, Store};

pub(crate) const MS: Duration = Duration::from_millis(1);
/// Timeouts in a row, without time passing or anything else happening, before it is a busy loop.
const TIMEOUTS_IN_A_ROW_MAX: u32 = 3;

/// The index of no node.
const NOBODY: usize = usize::MAX;

/// What the environment says about how to run these tests.
#[allow(
    clippy::disallowed_methods,
    reason = "the machines get none of it, only the test's own loop does"
)]
pub(crate) fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[derive(Debug)]
pub(crate) enum Happening {
    Connected {
        socket: u64,
    },
    ConnectFailed {
        socket: u64,
        failure: ConnectFailure,
    },
    ToServer {
        socket: u64,
        bytes: Vec<u8>,
    },
    ToClient {
        socket: u64,
        bytes: Vec<u8>,
        ends_handshake: bool,
    },
    ClosedAtServer {
        socket: u64,
    },
    ClosedAtClient {
        socket: u64,
        error: ConnectionError,
    },
    Writable {
        socket: u64,
    },
    Serve {
        socket: u64,
        request: Arrived,
    },
    Resolved {
        host: String,
        port: u16,
    },
    /// The application has made up its mind about a failed attempt.
    Advised {
        question: QuestionId,
        answer: Result<Advice, AdviceError>,
    },
    SchemaArrives {
        node: usize,
        version: u64,
    },
    NewsOfSchema {
        at: usize,
        of: usize,
    },
    EventArises {
        node: usize,
        event: shardlane_wire::Event,
    },
    Replicate {
        write: u64,
        node: usize,
    },
    Replicated {
        write: u64,
        node: usize,
    },
    WriteExpires {
        write: u64,
    },
    Traffic {
        until: Instant,
        gap: Duration,
    },
    Chaos {
        until: Instant,
    },
}

/// How unkind the network and the servers are.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Unkindness {
    /// Per cent of local ports that are taken.
    pub(crate) port_taken: usize,
    /// Per cent of requests that are answered with an error.
    pub(crate) error: usize,
    /// Per cent of requests that are never answered.
    pub(crate) no_answer: usize,
    /// Per cent of requests that the application cancels.
    pub(crate) cancel: usize,
    /// Per cent of answers of which only a part arrives, before the connection is closed.
    pub(crate) truncate: usize,
}

pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) rng: Rng,
    pub(crate) config: Config,
    pub(crate) engine: Engine<u64>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) names: BTreeMap<String, Vec<usize>>,
    /// Which name each address was resolved from last.
    resolved: BTreeMap<IpAddr, String>,
    pub(crate) sockets: BTreeMap<u64, Socket>,
    pub(crate) by_conn: BTreeMap<ConnId, u64>,
    pub(crate) client: Client,
    /// What the application was told.
    /// What operators read, in the order in which it was told.
    pub(crate) notices: Vec<Notice>,
    pub(crate) events: Vec<(ClusterEventKind, HostId)>,
    /// How often it was asked about nodes.
    pub(crate) node_questions: u64,
    /// It does not answer any more.
    pub(crate) advisor_hangs: bool,
    pub(crate) unkindness: Unkindness,
    /// Writes go to replicas, and wait for them; otherwise every node acknowledges alone.
    pub(crate) replicates: bool,
    pub(crate) store: Store,
    /// The nodes of one part of a divided cluster, and until when it is divided.
    pub(crate) split: BTreeSet<usize>,
    pub(crate) split_until: Instant,
    /// Where nodes once were: nobody listens there.
    pub(crate) old_addresses: BTreeSet<IpAddr>,
    pub(crate) executions: BTreeMap<u64, u32>,
    /// Schema versions by the DDL request that made them.
    pub(crate) made_versions: BTreeMap<u64, u64>,
    /// Checks at the end of DDL that all live nodes have it.
    pub(crate) expects_agreement: bool,
    pub(crate) right_shard: u64,
    pub(crate) wrong_shard: u64,
    pub(crate) connects: u64,
    pub(crate) idle_timeouts: u64,
    pub(crate) system_queries: u64,
    /// Most attempts under way at a time, over all nodes.
    pub(crate) attempts_max: usize,
    pub(crate) is_finished: bool,
    queue: BTreeMap<(Instant, u64), Happening>,
    sequence: u64,
    next_socket: u64,
    partly_written: BTreeSet<u64>,
    timeouts_in_a_row: u32,
    steps: u64,
    is_traced: bool,
}

impl World {
    pub(crate) fn new(seed: u64, nodes: Vec<Node>, config: Config, budget: usize) -> Self {
        let budget = Arc::new(AttemptBudget::new(budget));
        Self {
            now: Instant(1),
            rng: Rng::new(seed),
            engine: Engine::new(config.clone(), budget),
            config,
            nodes,
            names: BTreeMap::new(),
            sockets: BTreeMap::new(),
            resolved: BTreeMap::new(),
            by_conn: BTreeMap::new(),
            client: Client::default(),
            notices: Vec::new(),
            events: Vec::new(),
            node_questions: 0,
            advisor_hangs: false,
            unkindness: Unkindness::default(),
            replicates: false,
            store: Store::default(),
            split: BTreeSet::new(),
            split_until: Instant(0),
            old_addresses: BTreeSet::new(),
            executions: BTreeMap::new(),
            made_versions: BTreeMap::new(),
            expects_agreement: false,
            right_shard: 0,
            wrong_shard: 0,
            connects: 0,
            idle_timeouts: 0,
            system_queries: 0,
            attempts_max: 0,
            is_finished: false,
            queue: BTreeMap::new(),
            sequence: 0,
            next_socket: 0,
            partly_written: BTreeSet::new(),
            timeouts_in_a_row: 0,
            steps: 0,
            is_traced: setting("SHARDLANE_SIM_TRACE").is_some(),
        }
    }

    fn tell(&self, what: &impl std::fmt::Debug) {
        if self.is_traced {
            eprintln!("{:12.4} ms {what:?}", self.now.0 as f64 / 1e6);
        }
    }

    pub(crate) fn at(&mut self, when: Instant, what: Happening) {
        self.sequence += 1;
        self.queue.insert((when.max(self.now), self.sequence), what);
    }

    pub(crate) fn after(&mut self, delay: Duration, what: Happening) {
        self.at(self.now + delay, what);
    }

    /// Lets `duration` pass.
    pub(crate) fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        while self.step(end) {}
        self.now = end;
    }

    /// Lets time pass until `done`, for `limit` at most; says whether it was reached.
    pub(crate) fn run_until(&mut self, limit: Duration, done: impl Fn(&mut Self) -> bool) -> bool {
        let end = self.now + limit;
        while !done(self) {
            if !self.step(end) {
                return false;
            }
        }
        true
    }

    /// The next thing happens, if it does so before `end`.
    fn step(&mut self, end: Instant) -> bool {
        let happening = self.queue.first_key_value().map(|(&(at, _), _)| at);
        let timeout = self.engine.next_timeout();
        let Some(next) = [happening, timeout].into_iter().flatten().min() else {
            return false;
        };
        if next > end {
            return false;
        }
        if next > self.now {
            self.now = next;
            self.timeouts_in_a_row = 0;
        }
        if timeout.is_some_and(|at| at <= self.now) {
            self.timeouts_in_a_row += 1;
            assert!(
                self.timeouts_in_a_row <= TIMEOUTS_IN_A_ROW_MAX,
                "busy loop: next_timeout says {timeout:?} again and again at {:?}",
                self.now
            );
            self.engine.handle_timeout(self.now);
            if !self.turn() {
                self.idle_timeouts += 1;
            }
        } else if let Some((_, happening)) = self.queue.pop_first() {
            self.timeouts_in_a_row = 0;
            self.happen(happening);
            self.turn();
        }
        self.client.check_deadlines(self.now);
        self.steps += 1;
        if self.steps.is_multiple_of(64) {
            self.check_load();
        }
        true
    }

    fn happen(&mut self, happening: Happening) {
        self.tell(&happening);
        match happening {
            Happening::Connected { socket } => self.finish_connect(socket),
            Happening::ConnectFailed { socket, failure } => {
                if let Some(conn) = self.open_at_client(socket) {
                    self.sockets.get_mut(&socket).expect("open").is_attempt = false;
                    self.engine.handle_connect_failed(self.now, conn, failure);
                }
            }
            Happening::ToServer { socket, bytes } => self.receive(socket, &bytes),
            Happening::ToClient {
                socket,
                bytes,
                ends_handshake,
            } => {
                if let Some(conn) = self.open_at_client(socket) {
                    let entry = self.sockets.get_mut(&socket).expect("open");
                    if entry.is_mute {
                        return;
                    }
                    entry.is_attempt &= !ends_handshake;
                    entry.client_reads(&bytes);
                    self.engine.handle_bytes(self.now, conn, &bytes);
                }
            }
            Happening::ClosedAtServer { socket } => {
                if let Some(entry) = self.sockets.get_mut(&socket) {
                    entry.server_open = false;
                }
            }
            Happening::ClosedAtClient { socket, error } => {
                if let Some(conn) = self.open_at_client(socket) {
                    self.engine.handle_closed(self.now, conn, &error);
                }
            }
            Happening::Writable { socket } => {
                self.partly_written.remove(&socket);
                self.write(socket);
            }
            Happening::Serve { socket, request } => self.serve(socket, request),
            Happening::Resolved { host, port } => {
                let result: Result<Vec<SocketAddr>, String> = match self.names.get(&host) {
                    Some(nodes) => Ok(nodes
                        .iter()
                        .map(|&n| SocketAddr::new(self.nodes[n].address.ip(), port))
                        .collect()),
                    None => Err("no such host".to_owned()),
                };
                for address in result.iter().flatten() {
                    self.resolved.insert(address.ip(), host.clone());
                }
                self.engine.handle_resolved(self.now, &host, result);
            }
            Happening::Advised { question, answer } => {
                self.engine.handle_advice(self.now, question, answer);
            }
            Happening::SchemaArrives { node, version } => {
                if self.nodes[node].schema_version < version {
                    self.change_schema(node, version);
                }
            }
            Happening::NewsOfSchema { at, of } => {
                self.nodes[at].outdated.remove(&of);
            }
            Happening::EventArises { node, event } => self.send_event(node, &event),
            Happening::Replicate { write, node } => self.replicate(write, node),
            Happening::Replicated { write, node } => self.replicated(write, node),
            Happening::WriteExpires { write } => self.write_expires(write),
            Happening::Traffic { until, gap } => {
                if self.now < until {
                    self.submit_something();
                    let delay = gap.mul_f64(self.rng.below(200) as f64 / 100.0);
                    self.after(delay, Happening::Traffic { until, gap });
                }
            }
            Happening::Chaos { until } => {
                if self.now < until {
                    self.do_mischief();
                    let delay = MS * (1 + self.rng.below(700) as u32);
                    self.after(delay, Happening::Chaos { until });
                }
            }
        }
    }

    /// Does what the engine wants done; says whether there was anything.
    pub(crate) fn turn(&mut self) -> bool {
        let mut did_something = false;
        while let Some(effect) = self.engine.poll_effect() {
            assert!(!self.is_finished, "{effect:?} after Finished");
            self.tell(&effect);
            did_something = true;
            match effect {
                Effect::Connect {
                    conn,
                    address,
                    source_port,
                    name,
                } => {
                    let resolved = self.resolved.get(&address.ip());
                    assert_eq!(name.as_deref(), resolved.map(String::as_str));
                    self.connect(conn, address, source_port);
                }
                Effect::Close { conn } => {
                    let socket = self.by_conn.remove(&conn);
                    let socket = socket.unwrap_or_else(|| panic!("{conn:?} is not open"));
                    let entry = self
                        .sockets
                        .get_mut(&socket)
                        .expect("a socket per connection");
                    entry.client_open = false;
                    entry.is_attempt = false;
                    self.partly_written.remove(&socket);
                    let node = entry.node;
                    let at = self.arrival(node);
                    self.at(at, Happening::ClosedAtServer { socket });
                }
                Effect::Resolve { host, port } => {
                    let delay = self.latency();
                    self.after(delay, Happening::Resolved { host, port });
                }
                Effect::Ask { id, question } => self.advise(id, question),
                Effect::Finished => {
                    assert!(self.by_conn.is_empty(), "Finished with connections open");
                    self.is_finished = true;
                }
            }
        }
        while let Some(conn) = self.engine.poll_dirty() {
            did_something = true;
            let socket = self.by_conn.get(&conn).copied();
            let socket = socket.unwrap_or_else(|| panic!("{conn:?} is dirty, but not open"));
            assert!(self.sockets[&socket].is_connected, "bytes before TCP is up");
            self.write(socket);
        }
        let mut done = Vec::new();
        self.engine.take_completions(&mut done);
        did_something |= !done.is_empty();
        for (id, outcome) in done {
            if let Some(&version) = self
                .made_versions
                .get(&id)
                .filter(|_| self.expects_agreement)
            {
                let mut live = self.nodes.iter().filter(|n| n.is_reachable());
                assert!(
                    live.all(|n| n.schema_version >= version),
                    "DDL {id} ended too early"
                );
            }
            self.client.complete(self.now, id, outcome);
            self.check_is_held(id);
        }
        did_something
    }

    fn connect(&mut self, conn: ConnId, address: SocketAddr, source_port: Option<u16>) {
        // Another local port for an attempt whose port was taken keeps the name.
        let is_retry = if let Some(old) = self.by_conn.get(&conn) {
            let old = &self.sockets[old];
            assert!(
                source_port.is_some() && !old.is_connected,
                "{conn:?} is taken"
            );
            true
        } else {
            false
        };
        let index = self
            .nodes
            .iter()
            .position(|n| n.address.ip() == address.ip());
        assert!(
            index.is_some() || self.old_addresses.contains(&address.ip()),
            "nobody was ever at {address}"
        );
        let is_aimed = address.port() == SHARD_AWARE_PORT;
        assert!(is_aimed || address.port() == PORT);
        assert_eq!(is_aimed, source_port.is_some());
        // Who has moved away is nobody's node.
        let index = index.unwrap_or(NOBODY);
        let local_port = source_port.unwrap_or(30_000 + self.next_socket as u16 % 10_000);
        let socket = self.next_socket;
        self.next_socket += 1;
        let is_taken = source_port.is_some()
            && (self.rng.chance(self.unkindness.port_taken)
                || self.sockets.values().any(|s| {
                    s.client_open && s.is_connected && s.node == index && s.local_port == local_port
                }));
        self.sockets
            .insert(socket, Socket::new(conn, index, 0, local_port));
        self.by_conn.insert(conn, socket);
        if !is_retry {
            self.connects += 1;
            if let Some(node) = self.nodes.get_mut(index) {
                node.connects += 1;
            }
        }
        let fail = |why: &str| ConnectFailure::Failed(why.to_owned());
        let at = self.arrival(index);
        let Some(node) = self.nodes.get(index) else {
            let failure = fail("connection refused");
            self.at(at, Happening::ConnectFailed { socket, failure });
            return;
        };
        let failure = if is_taken {
            Some(ConnectFailure::PortUnavailable("address in use".to_owned()))
        } else if !node.is_reachable() {
            (!node.drops_syn).then(|| fail("connection refused"))
        } else {
            match node.shard_port {
                ShardPort::Refused | ShardPort::NotAdvertised if is_aimed => {
                    Some(fail("connection refused"))
                }
                ShardPort::Dropped if is_aimed => None,
                _ => {
                    self.check_attempts(index);
                    self.at(at, Happening::Connected { socket });
                    return;
                }
            }
        };
        self.check_attempts(index);
        if let Some(failure) = failure {
            self.at(at, Happening::ConnectFailed { socket, failure });
        }
    }

    fn finish_connect(&mut self, socket: u64) {
        let Some(conn) = self.open_at_client(socket) else {
            return;
        };
        let entry = &self.sockets[&socket];
        let (index, local_port) = (entry.node, entry.local_port);
        let node = &self.nodes[index];
        if !node.is_reachable() {
            let failure = ConnectFailure::Failed("connection refused".to_owned());
            self.engine.handle_connect_failed(self.now, conn, failure);
            return;
        }
        // Source ports of aimed connections come from the range that ends at 65535.
        let is_aimed = local_port >= 40_000;
        let shard = match (node.shards, node.placement) {
            (0, _) => 0,
            (shards, _) if is_aimed && node.shard_port == ShardPort::Nat => {
                self.rng.below(usize::from(shards)) as u16
            }
            (shards, _) if is_aimed => local_port % shards,
            (shards, Placement::Random) => self.rng.below(usize::from(shards)) as u16,
            (shards, Placement::Always(shard)) => shard % shards,
            (shards, Placement::LeastLoaded) => {
                let load = |shard: &u16| self.open_on(index, *shard);
                (0..shards).min_by_key(load).expect("at least one shard")
            }
        };
        let entry = self.sockets.get_mut(&socket).expect("just looked at");
        entry.shard = shard;
        entry.is_connected = true;
        self.engine.handle_connected(self.now, conn, local_port);
    }

    /// Writes what a connection has, perhaps only a part of it.
    fn write(&mut self, socket: u64) {
        let Some(conn) = self.open_at_client(socket) else {
            return;
        };
        if self.partly_written.contains(&socket) {
            return;
        }
        let unsent = self.engine.unsent(conn).to_vec();
        let mut count = unsent.len();
        if count > 1 && self.rng.chance(10) {
            count = self.rng.below(count);
            self.partly_written.insert(socket);
            self.after(MS, Happening::Writable { socket });
        }
        self.engine.handle_written(conn, count);
        let node = self.sockets[&socket].node;
        let arrival = self.arrival(node);
        let entry = self.sockets.get_mut(&socket).expect("open");
        entry.client_wrote(&unsent[..count]);
        let mut at = entry.to_server_at.max(arrival);
        for bytes in self.split_bytes(&unsent[..count]) {
            self.at(at, Happening::ToServer { socket, bytes });
            at = at + MS / 10;
        }
        self.sockets.get_mut(&socket).expect("open").to_server_at = at;
    }

    /// The server says something.
    pub(crate) fn say(&mut self, socket: u64, bytes: &[u8], ends_handshake: bool) {
        let Some(node) = self.sockets.get(&socket).map(|entry| entry.node) else {
            return;
        };
        let arrival = self.arrival(node);
        let mut pieces = self.split_bytes(bytes);
        let last = pieces.pop();
        let entry = self.sockets.get_mut(&socket).expect("looked at");
        let mut at = entry.to_client_at.max(arrival);
        entry.to_client_at = at + MS / 10 * (pieces.len() as u32 + 1);
        for bytes in pieces {
            self.at(
                at,
                Happening::ToClient {
                    socket,
                    bytes,
                    ends_handshake: false,
                },
            );
            at = at + MS / 10;
        }
        if let Some(bytes) = last {
            self.at(
                at,
                Happening::ToClient {
                    socket,
                    bytes,
                    ends_handshake,
                },
            );
        }
    }

    /// Cuts a connection, from the server's side or in the middle.
    pub(crate) fn cut(&mut self, socket: u64, error: ConnectionError) {
        let entry = self.sockets.get_mut(&socket).expect("a socket");
        entry.server_open = false;
        let at = match error {
            // A reset overtakes what is under way.
            ConnectionError::Io(_) => self.now + MS / 10,
            _ => entry.to_client_at.max(self.now + MS / 10),
        };
        if entry.client_open && entry.is_connected {
            self.at(at, Happening::ClosedAtClient { socket, error });
        }
    }

    pub(crate) fn submit(&mut self, kind: Kind) -> u64 {
        let timeout = MS * self.rng.pick(&[50, 500, 3000, 12_000]);
        self.submit_for(kind, timeout)
    }

    pub(crate) fn submit_for(&mut self, kind: Kind, timeout: Duration) -> u64 {
        let (id, spec) = self.client.make(self.now, kind, timeout, &mut self.rng);
        let key = self.engine.submit(self.now, spec, id);
        if let Some(pending) = self.client.pending.get_mut(&id) {
            pending.key = key;
        }
        self.turn();
        id
    }

    fn submit_something(&mut self) {
        let levels = [Consistency::One, Consistency::Quorum, Consistency::All];
        let acknowledged: Vec<u64> = self.client.acknowledged.keys().copied().collect();
        let kind = match self.rng.below(100) {
            0..20 if self.replicates && !acknowledged.is_empty() => {
                Kind::Read(self.rng.pick(&acknowledged))
            }
            0..50 if self.replicates => Kind::Write(self.rng.pick(&levels)),
            0..60 => Kind::Execute,
            60..85 => Kind::InKeyspace(self.rng.pick(&["one", "three"])),
            85..97 => Kind::Prepare(format!("INSERT {}", self.rng.pick(&["one", "three"]))),
            _ => Kind::Ddl,
        };
        self.submit(kind);
        if self.rng.chance(self.unkindness.cancel) {
            let ids: Vec<u64> = self.client.pending.keys().copied().collect();
            if !ids.is_empty() {
                let id = self.rng.pick(&ids);
                self.cancel(id);
            }
        }
    }

    pub(crate) fn cancel(&mut self, id: u64) {
        let Some(pending) = self.client.pending.get_mut(&id) else {
            return;
        };
        pending.is_cancelled = true;
        let key = pending.key;
        assert_ne!(key, RequestKey::NONE, "a pending request can be cancelled");
        self.engine.cancel(self.now, key);
        self.turn();
        assert!(!self.client.pending.contains_key(&id), "cancelled at once");
        // Once more, now that the key is stale.
        self.engine.cancel(self.now, key);
    }

    /// Nothing in the engine grows beyond its bounds.
    pub(crate) fn check_load(&self) {
        let load = self.engine.load();
        let per_node = |node: &Node| {
            // Pool and excess; while shards change the old ones are still there.
            let shards = usize::from(node.shards.max(6));
            let pool = match self.config.pool_size {
                PoolSize::PerShard(count) => usize::from(count) * shards,
                PoolSize::PerHost(count) => usize::from(count),
            };
            pool + shards * self.config.excess_per_shard_max + 1 + self.config.attempts_per_node_max
        };
        let connections: usize = self.nodes.iter().map(per_node).sum();
        assert!(load.connections <= connections + 1, "{load:?}");
        let in_flight = load.connections * self.config.in_flight_per_connection_max;
        assert!(load.streams <= in_flight, "{load:?}");
        // What is prepared elsewhere goes to each node, and statements here are few.
        // A request may be executed three more times.
        let requests = 4 * self.client.pending.len() + 64 * self.nodes.len();
        assert!(load.requests <= requests, "{load:?} for {requests}");
        assert!(load.prepares <= self.client.pending.len() + 64, "{load:?}");
        assert!(load.deadlines <= 2 * load.requests + 4097, "{load:?}");
        assert!(load.timers <= 4 * load.connections + 512, "{load:?}");
        assert!(load.unsent_bytes <= 1 << 20, "{load:?}");
        // Each execution of a request may wait for one, and a refresh.
        let questions = 4 * self.client.pending.len() + 1;
        assert!(load.questions <= questions, "{load:?} for {questions}");
        assert!(load.held_back <= 64, "{load:?}");
        assert_eq!(load.unfetched, 0, "{load:?}");
        let counters = self.engine.counters();
        let pending = self.client.pending.len() as u64;
        assert_eq!(counters.in_progress(), pending, "{counters:?}");
        let open = counters.connections_opened.get() - counters.connections_closed.get();
        assert!(open <= load.connections as u64, "{counters:?} {load:?}");
        assert!(counters.queued.get() <= pending, "{counters:?}");
    }

    /// Forgets what is over, so that long runs do not grow; all requests have ended.
    pub(crate) fn forget(&mut self) {
        assert!(self.client.pending.is_empty());
        self.sockets.retain(|_, s| s.client_open);
        self.store.forget();
        self.executions.clear();
        self.made_versions.clear();
        self.client.forget();
    }

    /// A write that has just been acknowledged is where its consistency wants it.
    fn check_is_held(&self, id: u64) {
        if let Some(written) = self.client.acknowledged.get(&id) {
            let factor = if written.keyspace == "one" { 1 } else { 3 };
            let members = self.nodes.iter().filter(|n| n.is_member).count();
            let needed = store::needed(written.consistency, members.min(factor));
            let held = self.store.held.get(&id).map_or(0, BTreeSet::len);
            assert!(
                held >= needed,
                "{id} was acknowledged, and {held} of {needed} nodes hold it"
            );
        }
    }

    fn check_attempts(&mut self, node: usize) {
        let sockets = self.by_conn.values().map(|s| &self.sockets[s]);
        let attempts: Vec<usize> = sockets
            .filter(|s| s.is_attempt && s.client_open)
            .map(|s| s.node)
            .collect();
        self.attempts_max = self.attempts_max.max(attempts.len());
        let count = attempts.into_iter().filter(|&n| n == node).count();
        // One more for the control connection.
        let max = self.config.attempts_per_node_max + 1;
        assert!(count <= max, "{count} attempts at once to node {node}");
    }

    pub(crate) fn open_at_client(&self, socket: u64) -> Option<ConnId> {
        let entry = self.sockets.get(&socket)?;
        let is_current = self.by_conn.get(&entry.conn) == Some(&socket);
        (entry.client_open && is_current).then_some(entry.conn)
    }

    /// Connections that are open at both ends, to one shard.
    pub(crate) fn open_on(&self, node: usize, shard: u16) -> usize {
        let of_shard = |s: &&Socket| s.node == node && s.shard == shard && s.is_open();
        self.sockets.values().filter(of_shard).count()
    }

    /// When something sent now between the client and a node arrives at the other side.
    fn arrival(&mut self, node: usize) -> Instant {
        let at = self.now + self.latency();
        match self.nodes.get(node) {
            Some(node) => at.max(node.cut_off_until) + node.lag,
            None => at,
        }
    }

    pub(crate) fn latency(&mut self) -> Duration {
        MS / 10 * (1 + self.rng.below(30) as u32)
    }

    fn split_bytes(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut pieces = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let count = if self.rng.chance(80) {
                rest.len()
            } else {
                1 + self.rng.below(rest.len())
            };
            let (piece, left) = rest.split_at(count);
            pieces.push(piece.to_vec());
            rest = left;
        }
        pieces
    }
}
