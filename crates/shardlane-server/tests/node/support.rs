//! A small blocking client over the wire crate, and clusters to try it on.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use shardlane_routing::{Sharder, Token, murmur3_token};
use shardlane_server::{Cluster, ClusterConfig, ShardAssignment, Shards, Timeouts};
use shardlane_wire::request::{Execute, Prepare, Query, Register};
use shardlane_wire::result::ColumnSpec;
use shardlane_wire::{
    BoundValues, Compression, Consistency, Dialect, Direction, ErrorBody, Event, EventKind, Flags,
    Opcode, QueryParams, Request, RequestEnvelope, Response, ResponseEnvelope, ResultBody,
    SegmentWriter, SerialConsistency, StartupOptions, StreamParser, SupportedOptions, Version,
    primitive,
};
use socket2::{Domain, Socket, Type};

/// A response that takes longer than this is taken for lost.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Clusters of one test run have addresses of their own, so that source ports never meet.
static NEXT_NET: AtomicU32 = AtomicU32::new(0);

/// A configuration for tests: free ports, short timeouts, addresses nobody else uses.
pub(crate) fn config(nodes: usize, shards: usize) -> ClusterConfig {
    let net = NEXT_NET.fetch_add(1, Ordering::Relaxed);
    let process = std::process::id();
    let first_address = Ipv4Addr::new(127, 64 + (process % 128) as u8, (net % 250) as u8, 1);
    ClusterConfig {
        nodes,
        shards: Shards::Same(shards),
        first_address,
        port: 0,
        shard_aware_port: Some(0),
        assignment: ShardAssignment::LeastLoaded,
        timeouts: Timeouts::all(Duration::from_millis(500)),
        ..ClusterConfig::default()
    }
}

pub(crate) fn start(config: ClusterConfig) -> Cluster {
    Cluster::start(config).expect("the cluster starts")
}

/// An answer, owned.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    Ready,
    Authenticate,
    AuthSuccess,
    Supported(SupportedOptions),
    Void,
    Rows(Rows),
    SetKeyspace(String),
    Prepared(Statement),
    SchemaChange(String),
    Error(ErrorBody),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rows {
    pub(crate) columns: Vec<ColumnSpec>,
    pub(crate) rows: Vec<Vec<Option<Vec<u8>>>>,
    pub(crate) paging_state: Option<Vec<u8>>,
    pub(crate) new_metadata_id: Option<Vec<u8>>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Statement {
    pub(crate) id: Vec<u8>,
    /// Empty if there is none.
    pub(crate) result_metadata_id: Vec<u8>,
    pub(crate) bind_flags: u32,
    pub(crate) pk_indexes: Vec<u16>,
    pub(crate) bind: Vec<ColumnSpec>,
}

impl Answer {
    pub(crate) fn rows(self) -> Vec<Vec<Option<Vec<u8>>>> {
        match self {
            Self::Rows(rows) => rows.rows,
            other => panic!("rows were expected, not {other:?}"),
        }
    }

    pub(crate) fn error(self) -> ErrorBody {
        match self {
            Self::Error(error) => error,
            other => panic!("an error was expected, not {other:?}"),
        }
    }

    /// Fails the test unless the request succeeded.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        if let Self::Error(error) = &self {
            panic!("the server answered {error}");
        }
        self
    }
}

/// A connection that sends one request at a time.
pub(crate) struct Client {
    socket: Socket,
    parser: StreamParser,
    dialect: Dialect,
    segments: Option<SegmentWriter>,
    compression: Option<Compression>,
    unread: Vec<u8>,
    next_stream: i16,
    pub(crate) events: Vec<Event>,
    pub(crate) supported: Option<SupportedOptions>,
    /// What the next EXECUTE shows of a tablet's version, on connections where it must.
    pub(crate) block: u8,
    /// The custom payload of the last answer.
    pub(crate) payload: Vec<(String, Vec<u8>)>,
}

impl Client {
    /// Connects without any handshake, from a given source port if not 0.
    pub(crate) fn dial(address: SocketAddr, source_port: u16) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        if source_port != 0 {
            let local: SocketAddr = (Ipv4Addr::LOCALHOST, source_port).into();
            socket.bind(&local.into())?;
        }
        socket.connect_timeout(&address.into(), PATIENCE)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_tcp_nodelay(true)?;
        Ok(Self {
            socket,
            parser: StreamParser::new(Direction::Response, 256 << 20),
            dialect: Dialect::V4,
            segments: None,
            compression: None,
            unread: Vec::new(),
            next_stream: 0,
            events: Vec::new(),
            supported: None,
            block: 0,
            payload: Vec::new(),
        })
    }

    /// Connects to the normal port of a node and makes the connection ready.
    pub(crate) fn connect(cluster: &Cluster, node: usize) -> Self {
        let address = address(cluster, node, cluster.port());
        let mut client = Self::dial(address, 0).expect("the node listens");
        client.handshake();
        client
    }

    /// Connects to one shard of a node through the shard-aware port.
    pub(crate) fn connect_to_shard(cluster: &Cluster, node: usize, shard: u16) -> Self {
        let port = cluster.shard_aware_port().expect("a shard-aware port");
        let shards = cluster.nodes()[node].shards as u16;
        let address = address(cluster, node, port);
        for source in free_source_ports().filter(|source| source % shards == shard) {
            match Self::dial(address, source) {
                Ok(mut client) => {
                    client.handshake();
                    return client;
                }
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::AddrInUse | io::ErrorKind::AddrNotAvailable
                    ) => {}
                Err(error) => panic!("cannot connect to shard {shard}: {error}"),
            }
        }
        panic!("no source port is free for shard {shard}")
    }

    /// Connects to the shard that owns the partition with this key.
    pub(crate) fn connect_to_owner(cluster: &Cluster, node: usize, key: &[u8]) -> Self {
        Self::connect_to_shard(cluster, node, owner_shard(cluster, node, key))
    }

    pub(crate) fn handshake(&mut self) {
        self.handshake_in(Version::V4, None);
    }

    /// Takes all that is offered.
    pub(crate) fn handshake_in(&mut self, version: Version, compression: Option<Compression>) {
        assert_eq!(self.try_handshake(version, compression), Answer::Ready);
    }

    /// As [`Self::handshake_in`]; gives the answer to STARTUP, whatever it is.
    pub(crate) fn try_handshake(
        &mut self,
        version: Version,
        compression: Option<Compression>,
    ) -> Answer {
        self.dialect = Dialect::new(version);
        let Answer::Supported(supported) = self.ask(&Request::Options) else {
            panic!("OPTIONS is answered by SUPPORTED")
        };
        let options = StartupOptions {
            compression,
            ..supported.to_startup()
        };
        let startup = Request::Startup(options.to_message());
        let answer = self.ask(&startup);
        if answer != Answer::Ready {
            return answer;
        }
        self.dialect = options.dialect(version);
        self.compression = compression;
        if version == Version::V5 {
            self.segments = Some(SegmentWriter::new(compression.is_some()));
            self.parser.begin_segments(compression.is_some());
        }
        self.supported = Some(supported);
        answer
    }

    /// The shard that serves this connection.
    pub(crate) fn shard(&self) -> u16 {
        let supported = self.supported.as_ref().expect("after the handshake");
        supported.shard_info.expect("a node with shards").shard
    }

    pub(crate) fn send(&mut self, request: &Request<'_>) -> i16 {
        let stream = self.next_stream;
        self.next_stream = (self.next_stream + 1) % 1024;
        let mut bytes = Vec::new();
        request
            .encode_frame(
                self.dialect,
                stream,
                &RequestEnvelope::default(),
                &mut bytes,
            )
            .expect("a short request");
        if let Some(segments) = &mut self.segments {
            let (header, body) = bytes.split_first_chunk().expect("a header");
            let mut out = Vec::new();
            segments.push(header, body, &mut out);
            segments.seal(&mut out);
            bytes = out;
        }
        self.write(&bytes).expect("the server reads");
        stream
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        (&self.socket).write_all(bytes)
    }

    pub(crate) fn set_patience(&self, patience: Duration) {
        self.socket
            .set_read_timeout(Some(patience))
            .expect("a timeout");
    }

    /// The next frame: stream and answer. Events are put aside.
    pub(crate) fn receive(&mut self) -> io::Result<(i16, Answer)> {
        let mut buffer = [0; 64 * 1024];
        loop {
            let unread = std::mem::take(&mut self.unread);
            let mut input = &unread[..];
            let frame = self
                .parser
                .push(&mut input)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
            if let Some(frame) = frame {
                let (header, mut body) = (frame.header, frame.body.to_vec());
                self.unread = input.to_vec();
                if header.has(Flags::COMPRESSION) {
                    let mut plain = Vec::new();
                    let compression = self.compression.expect("compression was agreed on");
                    compression
                        .decompress(&body, 256 << 20, &mut plain)
                        .expect("a sound body");
                    body = plain;
                }
                if header.opcode == Opcode::Event {
                    self.events
                        .push(Event::decode(self.dialect, &body).expect("an event"));
                    continue;
                }
                let envelope = ResponseEnvelope::decode(&header, &body).expect("an envelope");
                let entries = envelope.custom_payload.iter();
                self.payload = entries
                    .map(|(key, value)| ((*key).to_owned(), value.unwrap_or_default().to_vec()))
                    .collect();
                let response = Response::decode(self.dialect, header.opcode, envelope.body);
                return Ok((header.stream, owned(response.expect("a response"))));
            }
            match (&self.socket).read(&mut buffer)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => self.unread = buffer[..count].to_vec(),
            }
        }
    }

    pub(crate) fn try_ask(&mut self, request: &Request<'_>) -> io::Result<Answer> {
        let stream = self.send(request);
        let (seen, answer) = self.receive()?;
        assert_eq!(seen, stream, "one request at a time");
        Ok(answer)
    }

    pub(crate) fn ask(&mut self, request: &Request<'_>) -> Answer {
        self.try_ask(request).expect("an answer")
    }

    /// Runs a statement at consistency ONE.
    pub(crate) fn query(&mut self, text: &str) -> Answer {
        self.query_at(text, Consistency::One)
    }

    pub(crate) fn query_at(&mut self, text: &str, consistency: Consistency) -> Answer {
        let params = QueryParams::new(consistency);
        self.ask(&Request::Query(Query { text, params }))
    }

    pub(crate) fn try_query_at(
        &mut self,
        text: &str,
        consistency: Consistency,
    ) -> io::Result<Answer> {
        let params = QueryParams::new(consistency);
        self.try_ask(&Request::Query(Query { text, params }))
    }

    pub(crate) fn prepare(&mut self, text: &str) -> Statement {
        match self.ask(&Request::Prepare(Prepare {
            text,
            keyspace: None,
        })) {
            Answer::Prepared(statement) => statement,
            other => panic!("{text} was not prepared: {other:?}"),
        }
    }

    pub(crate) fn execute(
        &mut self,
        id: &[u8],
        values: &[&[u8]],
        consistency: Consistency,
    ) -> Answer {
        self.try_execute(id, values, consistency)
            .expect("an answer")
    }

    pub(crate) fn try_execute(
        &mut self,
        id: &[u8],
        values: &[&[u8]],
        consistency: Consistency,
    ) -> io::Result<Answer> {
        let mut bytes = Vec::new();
        for value in values {
            primitive::write_bytes(&mut bytes, value, "value").expect("short");
        }
        let params = QueryParams {
            values: BoundValues::positional(values.len() as u16, &bytes),
            serial_consistency: Some(SerialConsistency::Serial),
            ..QueryParams::new(consistency)
        };
        let shows = self
            .supported
            .as_ref()
            .is_some_and(|s| s.tablets_routing_v2);
        self.try_ask(&Request::Execute(Execute {
            tablet_block: shows.then_some(self.block),
            id,
            result_metadata_id: None,
            params,
        }))
    }

    pub(crate) fn register(&mut self) {
        let mut kinds = EventKind::ALL.to_vec();
        // Apache Cassandra does not know it.
        let supported = self.supported.as_ref();
        if supported.is_some_and(|s| s.shard_info.is_none()) {
            kinds.retain(|kind| *kind != EventKind::ClientRoutesChange);
        }
        assert_eq!(
            self.ask(&Request::Register(Register { kinds })),
            Answer::Ready
        );
    }

    /// Waits until an event comes that fits, and returns all that came until then.
    pub(crate) fn wait_for_event(&mut self, fits: impl Fn(&Event) -> bool) -> Vec<Event> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.events.iter().position(&fits) {
                return self.events.drain(..=at).collect();
            }
            assert!(
                Instant::now() < deadline,
                "no such event: {:?}",
                self.events
            );
            // A keepalive: its answer brings along the events before it.
            self.ask(&Request::Options);
        }
    }
}

fn owned(response: Response<'_>) -> Answer {
    match response {
        Response::Ready => Answer::Ready,
        Response::Authenticate(_) => Answer::Authenticate,
        Response::AuthSuccess(_) | Response::AuthChallenge(_) => Answer::AuthSuccess,
        Response::Supported(options) => {
            Answer::Supported(SupportedOptions::parse(&options).expect("sound options"))
        }
        Response::Error(error) => Answer::Error(error),
        Response::Event(event) => panic!("an event on a request's stream: {event:?}"),
        Response::Result(ResultBody::Void) => Answer::Void,
        Response::Result(ResultBody::SetKeyspace(name)) => Answer::SetKeyspace(name.to_owned()),
        Response::Result(ResultBody::SchemaChange(change)) => {
            Answer::SchemaChange(format!("{change:?}"))
        }
        Response::Result(ResultBody::Prepared(prepared)) => Answer::Prepared(Statement {
            id: prepared.id.to_vec(),
            result_metadata_id: prepared.result_metadata_id.unwrap_or_default().to_vec(),
            bind_flags: prepared.bind_flags,
            pk_indexes: prepared.pk_indexes.clone(),
            bind: prepared.parse_bind_columns().expect("sound columns"),
        }),
        Response::Result(ResultBody::Rows(rows)) => {
            let mut cells = rows.cells();
            let mut cell = || cells.next_cell().expect("a cell").map(<[u8]>::to_vec);
            let width = rows.metadata.column_count;
            let taken = (0..rows.rows_count).map(|_| (0..width).map(|_| cell()).collect());
            Answer::Rows(Rows {
                rows: taken.collect(),
                columns: rows.metadata.parse_columns().expect("sound columns"),
                paging_state: rows.metadata.paging_state.map(<[u8]>::to_vec),
                new_metadata_id: rows.metadata.new_metadata_id.map(<[u8]>::to_vec),
            })
        }
    }
}

pub(crate) fn address(cluster: &Cluster, node: usize, port: u16) -> SocketAddr {
    let address: IpAddr = cluster.config().address(node);
    SocketAddr::new(address, port)
}

/// Source ports to try, each once in a process: a port in TIME_WAIT towards one address is no use.
fn free_source_ports() -> impl Iterator<Item = u16> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    const FIRST: u32 = 20_000;
    const COUNT: u32 = 12_000;
    let offset = std::process::id().wrapping_mul(7919) % COUNT;
    std::iter::from_fn(move || {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        Some((FIRST + (offset + step) % COUNT) as u16)
    })
    .take(COUNT as usize)
}

pub(crate) fn token(key: &[u8]) -> Token {
    murmur3_token(key)
}

/// The shard of a node that owns a partition key of one column.
pub(crate) fn owner_shard(cluster: &Cluster, node: usize, key: &[u8]) -> u16 {
    let shards = u16::try_from(cluster.nodes()[node].shards).expect("few shards");
    let nr_shards = shards.try_into().expect("shards");
    Sharder::new(nr_shards, cluster.config().ignore_msb).shard_of(token(key))
}

/// The bytes of a CQL int.
pub(crate) fn int(value: i32) -> [u8; 4] {
    value.to_be_bytes()
}

/// Makes keyspace `ks` with that many replicas and a table `kv` of int to int.
pub(crate) fn make_table(client: &mut Client, factor: usize) {
    client
        .query(&format!(
            "CREATE KEYSPACE ks WITH replication = {{'class': 'NetworkTopologyStrategy', \
             'replication_factor': {factor}}} AND tablets = {{'enabled': false}}"
        ))
        .ok();
    client
        .query("CREATE TABLE ks.kv (k int PRIMARY KEY, v int)")
        .ok();
}
