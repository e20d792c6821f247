//! Puts captured requests to a cluster.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use shardlane_server::cluster::{NodePlan, NodeState};
use shardlane_server::{Cluster, ClusterConfig, Credentials, Shards};
use shardlane_wire::event::{StatusChangeKind, TopologyChangeKind};
use shardlane_wire::request::{Batch, BatchQuery, BatchStatement, BatchStatements, Query, Startup};
use shardlane_wire::{
    Compression, Consistency, Direction, Event, Flags, FrameHeader, FrameParser, Opcode,
    QueryParams, Request, RequestEnvelope, Response, ResponseEnvelope, ResultBody, Version,
};
use socket2::{Domain, Socket, Type};

use crate::accepted::Judge;
use crate::capture::{Frame, Step, load};
use crate::kind::describe;

/// No answer takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connection of the capture, made again.
struct Line {
    socket: Socket,
    parser: FrameParser,
    unread: Vec<u8>,
    compression: Option<Compression>,
}

/// A session at work.
pub(crate) struct Player {
    cluster: Cluster,
    /// The last byte of the first node's address in the capture.
    first_server: u8,
    steps: Vec<Step>,
    lines: HashMap<u64, Line>,
    /// From ids of the capture to ours.
    ids: HashMap<Vec<u8>, Vec<u8>>,
    texts: HashMap<Vec<u8>, String>,
    paging_states: HashMap<Vec<u8>, Option<Vec<u8>>>,
}

impl Player {
    pub(crate) fn new(session: &str) -> Self {
        let is_auth = session == "auth";
        let (shards, first_server) = if is_auth {
            (vec![2], 31)
        } else {
            (vec![3, 5, 4], 21)
        };
        static NEXT_NET: AtomicU32 = AtomicU32::new(0);
        let net = NEXT_NET.fetch_add(1, Ordering::Relaxed) as u8;
        let process = (std::process::id() % 128) as u8;
        let mut users = Vec::new();
        if is_auth {
            for (user, password) in [("cassandra", "cassandra"), ("bob", "b")] {
                users.push(Credentials {
                    user: user.to_owned(),
                    password: password.to_owned(),
                });
            }
        }
        let config = ClusterConfig {
            name: "real-scylla".to_owned(),
            nodes: shards.len(),
            shards: Shards::PerNode(shards),
            first_address: Ipv4Addr::new(127, 64 + process, 200 + net, first_server),
            port: 0,
            shard_aware_port: Some(0),
            layout: vec![("dc1".to_owned(), "rack1".to_owned())],
            users,
            // The sessions are of 6.2, which refused them.
            lwt_with_tablets: false,
            ..ClusterConfig::default()
        };
        let cluster = Cluster::start(config).expect("a cluster");
        prepare_ground(&cluster, session);
        Self {
            cluster,
            first_server,
            steps: load(session),
            lines: HashMap::new(),
            ids: HashMap::new(),
            texts: HashMap::new(),
            paging_states: HashMap::new(),
        }
    }

    pub(crate) fn play(mut self, judge: &mut Judge) {
        let steps = std::mem::take(&mut self.steps);
        for (at, step) in steps.into_iter().enumerate() {
            match step {
                Step::Event(event, _) => self.follow(&event),
                Step::Ask { request, response } => self.ask(at, &request, response, judge),
            }
        }
    }

    /// Does to our nodes what had been done to the real ones.
    fn follow(&mut self, event: &Event) {
        let index = |address: &SocketAddr| match address.ip() {
            std::net::IpAddr::V4(ip) => usize::from(ip.octets()[3] - self.first_server),
            std::net::IpAddr::V6(ip) => panic!("{ip}"),
        };
        let state = |index: usize| {
            let nodes = self.cluster.nodes();
            nodes
                .into_iter()
                .find(|node| node.index == index)
                .map(|node| node.state)
        };
        let done = match event {
            Event::StatusChange {
                change: StatusChangeKind::Down,
                address,
            } if state(index(address)) == Some(NodeState::Up) => {
                self.cluster.kill_node(index(address))
            }
            Event::StatusChange {
                change: StatusChangeKind::Up,
                address,
            } if state(index(address)) == Some(NodeState::Down) => {
                self.cluster.start_node(index(address))
            }
            Event::TopologyChange {
                change: TopologyChangeKind::New,
                ..
            } => {
                // The capture's fourth node had two shards.
                let plan = NodePlan {
                    shards: Some(2),
                    ..NodePlan::default()
                };
                self.cluster.add_node(plan).map(|_| ())
            }
            Event::TopologyChange {
                change: TopologyChangeKind::Removed,
                address,
            } => self.cluster.remove_node(index(address)),
            _ => Ok(()),
        };
        done.expect("the node follows");
    }

    fn ask(&mut self, at: usize, request: &Frame, response: Option<Frame>, judge: &mut Judge) {
        let what = self.text_of(request);
        let Some(body) = self.translate(request) else {
            return judge.skip(at, &what, "continues a page that ours did not break off");
        };
        let Some(response) = response else {
            // The real node had died under this request.
            return;
        };
        let ours = match self.exchange(request, &body) {
            Ok(ours) => ours,
            Err(error) => {
                self.lines.remove(&request.connection);
                return judge.differ(
                    at,
                    &what,
                    &describe(&response.response()),
                    &error.to_string(),
                );
            }
        };
        self.learn(request, &response, &ours);
        let (theirs, ours) = (describe(&response.response()), describe(&ours.response()));
        judge.compare(at, &what, &theirs, &ours);
    }

    /// The CQL of a request, or its name.
    fn text_of(&self, frame: &Frame) -> String {
        let prepared = |id: &[u8]| {
            self.texts
                .get(id)
                .cloned()
                .unwrap_or_else(|| "(unknown)".to_owned())
        };
        let envelope = RequestEnvelope::decode(&frame.header, &frame.body).expect("an envelope");
        let request = Request::decode(Version::V4, frame.header.opcode, envelope.body);
        match request.expect("a request") {
            Request::Query(query) => query.text.to_owned(),
            Request::Prepare(prepare) => format!("PREPARE {}", prepare.text),
            Request::Execute(execute) => format!("EXECUTE {}", prepared(execute.id)),
            Request::Batch(_) => "BATCH".to_owned(),
            other => other.opcode().as_str().to_owned(),
        }
    }

    /// The body with our ids and paging states; `None` if we have no such paging state.
    fn translate(&self, frame: &Frame) -> Option<Vec<u8>> {
        let mut request = frame.request();
        let id_of = |id: &'_ [u8]| self.ids.get(id).cloned().unwrap_or_else(|| id.to_vec());
        let (id, state, statements);
        match &mut request {
            Request::Execute(execute) => {
                id = id_of(execute.id);
                if let Some(theirs) = execute.params.paging_state {
                    state = self.paging_states.get(theirs).cloned().flatten()?;
                    execute.params.paging_state = Some(&state);
                }
                execute.id = &id;
            }
            Request::Query(query) => {
                if let Some(theirs) = query.params.paging_state {
                    state = self.paging_states.get(theirs).cloned().flatten()?;
                    query.params.paging_state = Some(&state);
                }
            }
            Request::Batch(batch) => {
                let mut bytes = Vec::new();
                for item in batch.statements.iter() {
                    let mut item = item.expect("a statement");
                    let id;
                    if let BatchQuery::Prepared(theirs) = item.query {
                        id = id_of(theirs);
                        item = BatchStatement {
                            query: BatchQuery::Prepared(&id),
                            ..item
                        };
                    }
                    item.encode(&mut bytes).expect("as long as before");
                }
                statements = bytes;
                let count = batch.statements.count;
                let statements = BatchStatements {
                    count,
                    bytes: &statements,
                };
                *batch = Batch {
                    statements,
                    ..*batch
                };
            }
            _ => {}
        }
        let mut body = Vec::new();
        request
            .encode(Version::V4, &mut body)
            .expect("as long as before");
        Some(body)
    }

    /// Remembers what the capture's ids and paging states are here.
    fn learn(&mut self, request: &Frame, theirs: &Frame, ours: &Frame) {
        if let (Response::Result(theirs), Response::Result(ours)) =
            (theirs.response(), ours.response())
        {
            match (theirs, ours) {
                (ResultBody::Prepared(theirs), ResultBody::Prepared(ours)) => {
                    if let Request::Prepare(prepare) = request.request() {
                        self.texts
                            .insert(theirs.id.to_vec(), prepare.text.to_owned());
                    }
                    self.ids.insert(theirs.id.to_vec(), ours.id.to_vec());
                }
                (ResultBody::Rows(theirs), ResultBody::Rows(ours)) => {
                    if let Some(state) = theirs.metadata.paging_state {
                        let ours = ours.metadata.paging_state.map(<[u8]>::to_vec);
                        self.paging_states.insert(state.to_vec(), ours);
                    }
                }
                _ => {}
            }
        }
    }

    fn exchange(&mut self, request: &Frame, body: &[u8]) -> io::Result<Frame> {
        if !self.lines.contains_key(&request.connection) {
            let line = self.dial(request)?;
            self.lines.insert(request.connection, line);
        }
        let line = self.lines.get_mut(&request.connection).expect("just made");
        line.send(&request.header, body)?;
        let answer = line.receive(request)?;
        if let (Request::Startup(startup), Opcode::Ready) =
            (request.request(), answer.header.opcode)
        {
            let mut options = startup.options.iter();
            let chosen = options.find(|(key, _)| key == "COMPRESSION");
            line.compression = chosen.and_then(|(_, name)| Compression::from_name(name));
        }
        Ok(answer)
    }

    /// Connects as the captured client had: to the same node, port and shard.
    fn dial(&self, request: &Frame) -> io::Result<Line> {
        let index = usize::from(request.server - self.first_server);
        let shards = self
            .cluster
            .nodes()
            .iter()
            .find(|node| node.index == index)
            .map_or(1, |node| node.shards as u16);
        let ip = self.cluster.config().address(index);
        if !request.is_shard_aware_port {
            return Line::dial(SocketAddr::new(ip, self.cluster.port()), 0);
        }
        let port = self.cluster.shard_aware_port().expect("a shard-aware port");
        let shard = request.client_port % shards;
        let mut sources = source_ports().filter(|source| source % shards == shard);
        loop {
            let source = sources.next().ok_or(io::ErrorKind::AddrInUse)?;
            match Line::dial(SocketAddr::new(ip, port), source) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                result => return result,
            }
        }
    }
}

/// The captured cluster had served other sessions before; what later ones found there is made here.
fn prepare_ground(cluster: &Cluster, session: &str) {
    let left_behind: &[&str] = match session {
        "errors" => &[
            "CREATE KEYSPACE vn WITH replication = {'class': 'NetworkTopologyStrategy', \
             'replication_factor': 3} AND tablets = {'enabled': false}",
            "CREATE TABLE vn.kv (k int PRIMARY KEY, v text, n int)",
            "ALTER TABLE vn.kv ADD extra text",
        ],
        _ => return,
    };
    let address = SocketAddr::new(cluster.config().address(0), cluster.port());
    let mut line = Line::dial(address, 0).expect("it listens");
    let startup = Startup {
        options: vec![("CQL_VERSION".into(), "3.0.0".into())],
    };
    let queries = left_behind.iter().map(|text| {
        let params = QueryParams::new(Consistency::One);
        Request::Query(Query { text, params })
    });
    for request in std::iter::once(Request::Startup(startup)).chain(queries) {
        let mut body = Vec::new();
        request.encode(Version::V4, &mut body).expect("short");
        let header = FrameHeader::request(Version::V4, 0, request.opcode());
        line.send(&header, &body).expect("it reads");
        let frame = Frame {
            seconds: 0.0,
            connection: 0,
            client_port: 0,
            server: 0,
            is_shard_aware_port: false,
            header,
            body,
        };
        let answer = line.receive(&frame).expect("an answer");
        assert_ne!(
            answer.header.opcode,
            Opcode::Error,
            "{}",
            describe(&answer.response())
        );
    }
}

/// Source ports outside of the kernel's own range, each once in this process.
fn source_ports() -> impl Iterator<Item = u16> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let offset = std::process::id().wrapping_mul(7919) % 10_000;
    (0..10_000u32).map(move |_| {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        (10_000 + (offset + step) % 10_000) as u16
    })
}

impl Line {
    fn dial(address: SocketAddr, source_port: u16) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        if source_port != 0 {
            let local: SocketAddr = (Ipv4Addr::LOCALHOST, source_port).into();
            socket.bind(&local.into())?;
        }
        socket.connect_timeout(&address.into(), PATIENCE)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_tcp_nodelay(true)?;
        let parser = FrameParser::new(Direction::Response);
        Ok(Self {
            socket,
            parser,
            unread: Vec::new(),
            compression: None,
        })
    }

    fn send(&mut self, header: &FrameHeader, body: &[u8]) -> io::Result<()> {
        let mut header = *header;
        header.flags &= !Flags::COMPRESSION;
        let mut packed = Vec::new();
        let body = match self.compression {
            Some(compression) if !body.is_empty() => {
                header.flags |= Flags::COMPRESSION;
                compression.compress(body, &mut packed).expect("short");
                &packed[..]
            }
            _ => body,
        };
        header.length = body.len() as u32;
        (&self.socket).write_all(&[&header.encode()[..], body].concat())
    }

    /// The answer to `request`; events are passed over.
    fn receive(&mut self, request: &Frame) -> io::Result<Frame> {
        let mut buffer = [0; 64 * 1024];
        loop {
            let unread = std::mem::take(&mut self.unread);
            let mut input = &unread[..];
            let invalid = |error: String| io::Error::new(io::ErrorKind::InvalidData, error);
            let frame = self
                .parser
                .push(&mut input)
                .map_err(|error| invalid(error.to_string()))?;
            if let Some(frame) = frame {
                let (header, mut body) = (frame.header, frame.body.to_vec());
                self.unread = input.to_vec();
                if header.opcode == Opcode::Event {
                    continue;
                }
                if header.has(Flags::COMPRESSION) {
                    let compression = self.compression.expect("agreed on");
                    let mut unpacked = Vec::new();
                    compression
                        .decompress(&body, 1 << 28, &mut unpacked)
                        .map_err(|error| invalid(error.to_string()))?;
                    body = unpacked;
                }
                assert_eq!(
                    header.stream, request.header.stream,
                    "one request at a time"
                );
                ResponseEnvelope::decode(&header, &body)
                    .map_err(|error| invalid(error.to_string()))?;
                return Ok(Frame {
                    header,
                    body,
                    ..request.place()
                });
            }
            match (&self.socket).read(&mut buffer)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => self.unread = buffer[..count].to_vec(),
            }
        }
    }
}

impl Frame {
    /// A frame of the same connection.
    const fn place(&self) -> Self {
        let Self {
            connection,
            client_port,
            server,
            is_shard_aware_port,
            header,
            ..
        } = *self;
        Self {
            seconds: self.seconds,
            connection,
            client_port,
            server,
            is_shard_aware_port,
            header,
            body: Vec::new(),
        }
    }
}
