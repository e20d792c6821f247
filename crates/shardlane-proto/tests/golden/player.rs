//! Drives an engine in virtual time against recorded servers.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use shardlane_proto::{
    AttemptBudget, Config, ConnId, ConnectFailure, ConnectionError, ContactPoint, Effect, Engine,
    Instant, Outcome, Policy, PreparedRef, PreparedRefs, RequestSpec, Retry,
};
use shardlane_routing::{Token, composite_token};
use shardlane_wire::event::{StatusChangeKind, TopologyChangeKind};
use shardlane_wire::{
    BoundValues, Direction, Event, FrameHeader, FrameParser, Opcode, Request, Response,
    ResponseEnvelope, Value, Version,
};

use crate::capture::{Frame, Step};
use crate::recording::Recording;

/// A request ends in so much virtual time, or the test has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection at the servers' end.
struct Peer {
    server: u8,
    shard: u16,
    parser: FrameParser,
    is_registered: bool,
}

/// Where a request of the application was received.
pub(crate) type Arrival = (u8, u16);

pub(crate) struct Player {
    pub(crate) recording: Recording,
    pub(crate) engine: Engine<()>,
    pub(crate) now: Instant,
    peers: HashMap<ConnId, Peer>,
    /// Servers that are not there.
    down: BTreeSet<u8>,
    /// For the next connection to a server's normal port.
    turn: u16,
    /// The answer to the application's request that is under way.
    answer: Option<(u8, Opcode, Vec<u8>)>,
    pub(crate) arrivals: Vec<Arrival>,
}

impl Player {
    /// An engine that has connected to the first server of the session.
    pub(crate) fn connected(steps: &[Step]) -> Self {
        Self::connected_to(Recording::of(steps), steps)
    }

    /// The same, to servers that may say something else of themselves than in the capture.
    pub(crate) fn connected_to(recording: Recording, steps: &[Step]) -> Self {
        let contact = steps.iter().find_map(|step| match step {
            Step::Ask { request, .. } => Some(request.server),
            Step::Event(..) => None,
        });
        let contact = SocketAddr::from(([127, 0, 0, contact.expect("a request")], 9042));
        let config = Config::new(vec![ContactPoint::Address(contact)]);
        let mut player = Self {
            recording,
            engine: Engine::new(config, Arc::new(AttemptBudget::new(100))),
            now: Instant(1),
            peers: HashMap::new(),
            down: BTreeSet::new(),
            turn: 0,
            answer: None,
            arrivals: Vec::new(),
        };
        player.engine.when_ready(());
        let outcome = player.wait();
        outcome.expect("connected");
        player
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.now.0 as f64 / 1e9
    }

    /// Lets time pass until then.
    pub(crate) fn advance_to(&mut self, seconds: f64) {
        let until = Instant((seconds * 1e9) as u64);
        self.settle();
        while let Some(at) = self.engine.next_timeout().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.engine.handle_timeout(self.now);
            self.settle();
        }
        self.now = self.now.max(until);
    }

    /// Lets time pass until the one request that is under way has ended.
    fn wait(&mut self) -> Outcome {
        let until = self.now + PATIENCE;
        let mut ended = Vec::new();
        loop {
            self.settle();
            self.engine.take_completions(&mut ended);
            if let Some((_, outcome)) = ended.pop() {
                assert!(ended.is_empty(), "one request, one completion");
                return outcome;
            }
            let next = self.engine.next_timeout().filter(|at| *at <= until);
            self.now = self.now.max(next.expect("it ends in time"));
            self.engine.handle_timeout(self.now);
        }
    }

    fn settle(&mut self) {
        loop {
            if let Some(effect) = self.engine.poll_effect() {
                self.carry_out(effect);
            } else if let Some(conn) = self.engine.poll_dirty() {
                let bytes = self.engine.unsent(conn).to_vec();
                self.engine.handle_written(conn, bytes.len());
                self.receive(conn, &bytes);
            } else {
                return;
            }
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Connect {
                conn,
                address,
                source_port,
                name: _,
            } => {
                let SocketAddr::V4(v4) = address else {
                    panic!("{address}")
                };
                let server = v4.ip().octets()[3];
                let shards = self.recording.shards(server);
                if shards == 0 || self.down.contains(&server) {
                    let failure = ConnectFailure::Failed("refused".to_owned());
                    return self.engine.handle_connect_failed(self.now, conn, failure);
                }
                let shard = match (address.port(), source_port) {
                    (19042, Some(port)) => port % shards,
                    _ => {
                        self.turn += 1;
                        self.turn % shards
                    }
                };
                let peer = Peer {
                    server,
                    shard,
                    parser: FrameParser::new(Direction::Request),
                    is_registered: false,
                };
                self.peers.insert(conn, peer);
                let port = source_port.unwrap_or(30_000);
                self.engine.handle_connected(self.now, conn, port);
            }
            Effect::Close { conn } => {
                self.peers.remove(&conn);
            }
            other => panic!("{other:?}"),
        }
    }

    /// A server has received these bytes.
    fn receive(&mut self, conn: ConnId, mut bytes: &[u8]) {
        let now = self.seconds();
        let Some(peer) = self.peers.get_mut(&conn) else {
            return;
        };
        let mut out = Vec::new();
        while let Some(frame) = peer.parser.push(&mut bytes).expect("sound frames") {
            let stream = frame.header.stream;
            let request = Request::decode(Version::V4, frame.header.opcode, frame.body);
            let is_execute = frame.header.opcode == Opcode::Execute;
            let (flags, opcode, body) = match request.expect("a sound request") {
                Request::Options => {
                    let body = self.recording.supported(peer.server, peer.shard);
                    (0, Opcode::Supported, body.to_vec())
                }
                Request::Startup(_) => (0, Opcode::Ready, Vec::new()),
                Request::Register(_) => {
                    peer.is_registered = true;
                    (0, Opcode::Ready, Vec::new())
                }
                Request::Query(query)
                    if query.text.starts_with("SELECT")
                        && query.text.contains(" FROM system")
                        && self.answer.is_none() =>
                {
                    (0, Opcode::Result, self.recording.answer(query.text, now))
                }
                Request::Prepare(prepare) => {
                    let body = self.recording.prepared_answer(prepare.text);
                    (0, Opcode::Result, body.to_vec())
                }
                _ => {
                    if is_execute {
                        self.arrivals.push((peer.server, peer.shard));
                    }
                    self.answer.take().expect("one answer for one request")
                }
            };
            let header = FrameHeader {
                flags,
                length: body.len() as u32,
                ..FrameHeader::response(Version::V4, stream, opcode)
            };
            out.extend_from_slice(&header.encode());
            out.extend_from_slice(&body);
        }
        self.engine.handle_bytes(self.now, conn, &out);
    }

    /// What the application did next, or what the cluster told of itself.
    pub(crate) fn play(&mut self, step: &Step) {
        match step {
            Step::Event(event, seconds) => {
                self.advance_to(*seconds);
                self.tell(event);
            }
            Step::Ask {
                request,
                response: Some(response),
            } => {
                self.advance_to(request.seconds);
                if let Some(spec) = self.spec(request) {
                    // Refused statements are part of a session; that they end is enough.
                    let _ = self.ask(spec, response);
                }
            }
            Step::Ask { response: None, .. } => {}
        }
    }

    /// Has the engine send a request, which is answered as in the capture.
    pub(crate) fn ask(&mut self, spec: RequestSpec, response: &Frame) -> Outcome {
        let (flags, opcode) = (response.header.flags, response.header.opcode);
        self.answer = Some((flags, opcode, response.body.clone()));
        self.engine.submit(self.now, spec, ());
        let outcome = self.wait();
        assert!(self.answer.is_none(), "it was sent");
        outcome
    }

    /// The application's request as our Python side would hand it over; `None` for those of the driver itself.
    fn spec(&self, request: &Frame) -> Option<RequestSpec> {
        let mut spec = RequestSpec::new(request.header.opcode, request.body.clone());
        spec.flags = request.header.flags;
        spec.policy = Some(Arc::new(Policy {
            retry: Retry::Fallthrough,
            ..Policy::default()
        }));
        match request.request() {
            Request::Query(query) if query.text.contains("FROM system") => None,
            Request::Query(_) | Request::Batch(_) => Some(spec),
            Request::Execute(execute) => {
                let prepared = &self.recording.prepared[execute.id];
                spec.prepared = PreparedRefs::One(Arc::new(PreparedRef {
                    id: execute.id.into(),
                    query: prepared.text.as_str().into(),
                    keyspace: None,
                    bind_columns: None,
                }));
                spec.table_keyspace = Some(prepared.keyspace.as_str().into());
                spec.table = Some(prepared.table.as_str().into());
                spec.token = token(&execute.params.values, &prepared.pk_indexes);
                Some(spec)
            }
            _ => None,
        }
    }

    fn tell(&mut self, event: &Event) {
        let last = |address: &SocketAddr| match address {
            SocketAddr::V4(v4) => v4.ip().octets()[3],
            SocketAddr::V6(v6) => panic!("{v6}"),
        };
        match event {
            Event::StatusChange {
                change: StatusChangeKind::Down,
                address,
            }
            | Event::TopologyChange {
                change: TopologyChangeKind::Removed,
                address,
            } => self.lose(last(address)),
            Event::StatusChange {
                change: StatusChangeKind::Up,
                address,
            } => {
                self.down.remove(&last(address));
            }
            _ => {}
        }
        let mut frame = Vec::new();
        let told = Response::Event(event.clone());
        told.encode_frame(Version::V4, -1, &ResponseEnvelope::default(), &mut frame)
            .expect("short");
        let listeners: Vec<ConnId> = self
            .peers
            .iter()
            .filter(|(_, peer)| peer.is_registered)
            .map(|(conn, _)| *conn)
            .collect();
        for conn in listeners {
            self.engine.handle_bytes(self.now, conn, &frame);
        }
        self.settle();
    }

    /// A server has ended, with all its connections.
    fn lose(&mut self, server: u8) {
        self.down.insert(server);
        let conns: Vec<ConnId> = self
            .peers
            .iter()
            .filter(|(_, peer)| peer.server == server)
            .map(|(conn, _)| *conn)
            .collect();
        for conn in conns {
            self.peers.remove(&conn);
            let error = ConnectionError::ClosedByServer;
            self.engine.handle_closed(self.now, conn, &error);
            self.settle();
        }
    }
}

fn token(values: &BoundValues<'_>, pk_indexes: &[u16]) -> Option<Token> {
    let values: Vec<&[u8]> = values
        .iter()
        .map(|item| match item.expect("a sound value").1 {
            Value::Bytes(bytes) => bytes,
            Value::Null | Value::Unset => &[],
        })
        .collect();
    let key = pk_indexes.iter().map(|&at| values[usize::from(at)]);
    (!pk_indexes.is_empty())
        .then(|| composite_token(key).ok())
        .flatten()
}
