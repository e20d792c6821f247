//! Bare sockets: a frame is written, and the answer is read, by the thread that wants it.
//!
//! No driver can take less. Each request goes to its shard, so that the server's work is the same.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::num::NonZeroU16;
use std::thread;
use std::time::{Duration, Instant};

use shardlane_routing::{Sharder, Token, murmur3_token};
use shardlane_wire::request::{Prepare, Query, Register};
use shardlane_wire::{
    Consistency, Dialect, Direction, EventKind, FrameParser, Opcode, QueryParams, Request,
    RequestEnvelope, Response, ResultBody, ShardInfo, StartupOptions, SupportedOptions, Version,
};
use socket2::{Domain, Protocol, Socket, Type};

use crate::Fallible;
use crate::data::{SELECT, Statement, bound, check, keys};
use crate::serve::{Measured, Task};

const PATIENCE: Duration = Duration::from_secs(30);
/// Local ports for the shard-aware port: the IANA dynamic range.
const FIRST_PORT: u16 = 49_152;

/// A connection, after its handshake.
struct Connection {
    stream: TcpStream,
    parser: FrameParser,
    out: Vec<u8>,
    dialect: Dialect,
    shard: Option<ShardInfo>,
    shard_aware_port: Option<u16>,
}

impl Connection {
    /// Connects, and makes the handshake: OPTIONS, SUPPORTED, STARTUP, READY.
    fn open(stream: TcpStream) -> Fallible<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut connection = Self {
            stream,
            parser: FrameParser::new(Direction::Response),
            out: Vec::new(),
            dialect: Dialect::V4,
            shard: None,
            shard_aware_port: None,
        };
        let supported = connection.ask(
            &Request::Options,
            |_, opcode, body| match Response::decode(Version::V4, opcode, body)? {
                Response::Supported(options) => Ok(SupportedOptions::parse(&options)?),
                other => Err(format!("OPTIONS was answered with {other:?}").into()),
            },
        )?;
        connection.shard = supported.shard_info;
        connection.shard_aware_port = supported.shard_aware_port;
        let startup = StartupOptions {
            cql_version: "3.0.0".to_owned(),
            compression: None,
            lwt_mark: None,
            rate_limit_error: None,
            tablets_routing_v1: false,
            tablets_routing_v2: false,
            use_metadata_id: supported.use_metadata_id,
            other: Vec::new(),
        };
        let message = Request::Startup(startup.to_message());
        connection.ask(&message, |_, opcode, _| {
            if opcode == Opcode::Ready {
                Ok(())
            } else {
                Err(format!("STARTUP was answered with {opcode}").into())
            }
        })?;
        connection.dialect.metadata_id = supported.use_metadata_id;
        Ok(connection)
    }

    /// Sends a request, and gives its answer to `read`.
    fn ask<T>(
        &mut self,
        request: &Request<'_>,
        read: impl FnOnce(Dialect, Opcode, &[u8]) -> Fallible<T>,
    ) -> Fallible<T> {
        self.out.clear();
        request.encode_frame(self.dialect, 0, &RequestEnvelope::default(), &mut self.out)?;
        self.stream.write_all(&self.out)?;
        let mut buffer = [0; 16 * 1024];
        loop {
            let length = self.stream.read(&mut buffer)?;
            if length == 0 {
                return Err("the server has closed the connection".into());
            }
            let mut input = &buffer[..length];
            if let Some(frame) = self.parser.push(&mut input)? {
                return read(self.dialect, frame.header.opcode, frame.body);
            }
        }
    }

    fn query<T>(
        &mut self,
        text: &str,
        read: impl FnOnce(&ResultBody<'_>) -> Fallible<T>,
    ) -> Fallible<T> {
        let params = QueryParams::new(Consistency::One);
        self.ask(
            &Request::Query(Query { text, params }),
            |dialect, opcode, body| match Response::decode(dialect, opcode, body)? {
                Response::Result(result) => read(&result),
                other => Err(format!("{text} was answered with {other:?}").into()),
            },
        )
    }
}

/// A node, and a connection for each of its shards.
struct Node {
    shards: Vec<Connection>,
    tokens: Vec<Token>,
}

impl Node {
    /// One handshake after the other: the first by the normal port, then one for each other shard.
    fn open(address: SocketAddr) -> Fallible<Self> {
        let mut first = Connection::open(TcpStream::connect(address)?)?;
        let tokens = first.query("SELECT tokens FROM system.local", tokens)?;
        let (Some(info), Some(port)) = (first.shard, first.shard_aware_port) else {
            return Ok(Self {
                shards: vec![first],
                tokens,
            });
        };
        let mut shards = vec![first];
        let taken = info.shard;
        for shard in (0..info.nr_shards.get()).filter(|shard| *shard != taken) {
            let target = SocketAddr::new(address.ip(), port);
            shards.push(Connection::open(connect_from(
                target,
                info.nr_shards,
                shard,
            )?)?);
        }
        shards.sort_by_key(|connection| connection.shard.map_or(0, |info| info.shard));
        Ok(Self { shards, tokens })
    }

    /// The connection of the shard that owns a token.
    fn connection(&mut self, token: Token) -> &mut Connection {
        let index = self.shards[0].shard.map_or(0, |info| {
            usize::from(Sharder::new(info.nr_shards, info.ignore_msb).shard_of(token))
        });
        &mut self.shards[index]
    }
}

/// Connects from a local port that picks the shard.
fn connect_from(target: SocketAddr, nr_shards: NonZeroU16, shard: u16) -> Fallible<TcpStream> {
    let offset = (std::process::id() % 4_000) as u16;
    let first = FIRST_PORT + offset - (FIRST_PORT + offset) % nr_shards + shard;
    for port in (first..=u16::MAX).step_by(usize::from(nr_shards.get())) {
        let socket = Socket::new(
            Domain::for_address(target),
            Type::STREAM,
            Some(Protocol::TCP),
        )?;
        let local = match target {
            SocketAddr::V4(_) => SocketAddr::from(([0, 0, 0, 0], port)),
            SocketAddr::V6(_) => SocketAddr::from(([0u16; 8], port)),
        };
        if socket.bind(&local.into()).is_ok() && socket.connect(&target.into()).is_ok() {
            return Ok(socket.into());
        }
    }
    Err(format!("no local port leads to shard {shard}").into())
}

/// Reads a column of type `set<text>` that holds tokens.
fn tokens(result: &ResultBody<'_>) -> Fallible<Vec<Token>> {
    let ResultBody::Rows(rows) = result else {
        return Err("no rows".into());
    };
    let cell = rows.cells().next_cell()?.ok_or("no tokens")?;
    let mut reader = shardlane_wire::primitive::Reader::new(cell);
    (0..reader.count("tokens")?)
        .map(|_| {
            let text = reader.bytes("token")?.ok_or("a token is null")?;
            Ok(Token(std::str::from_utf8(text)?.parse()?))
        })
        .collect()
}

/// All shards of all nodes.
pub(crate) struct Sockets {
    nodes: Vec<Node>,
    /// Tokens of all nodes in order, with the index of their node.
    ring: Vec<(Token, usize)>,
    statement: Option<Statement>,
    keys: Vec<i64>,
    canned: bool,
}

impl Sockets {
    /// For each node at the same time, one handshake after the other; one more connection is for events.
    pub(crate) fn connect(task: &Task) -> Fallible<Self> {
        let chains: Vec<_> = task
            .nodes
            .iter()
            .map(|&address| {
                // An error of another thread has to be one that can be sent.
                thread::spawn(move || Node::open(address).map_err(|error| error.to_string()))
            })
            .collect();
        let mut nodes = Vec::new();
        for chain in chains {
            nodes.push(chain.join().map_err(|_| "a chain of handshakes failed")??);
        }
        let kinds = vec![EventKind::TopologyChange, EventKind::StatusChange];
        let register = Request::Register(Register { kinds });
        nodes[0].shards[0].ask(&register, |_, _, _| Ok(()))?;
        let mut ring: Vec<_> = nodes
            .iter()
            .enumerate()
            .flat_map(|(index, node)| node.tokens.iter().map(move |&token| (token, index)))
            .collect();
        ring.sort_unstable();
        Ok(Self {
            nodes,
            ring,
            statement: None,
            keys: keys().collect(),
            canned: task.canned,
        })
    }

    /// The connection of the node and shard that own a token.
    fn connection(&mut self, token: Token) -> &mut Connection {
        let at = self.ring.partition_point(|&(of_node, _)| of_node < token);
        let (_, node) = self.ring[at % self.ring.len()];
        self.nodes[node].connection(token)
    }
}

impl Measured for Sockets {
    fn ready(&mut self) -> Fallible<()> {
        let prepare = Request::Prepare(Prepare {
            text: SELECT,
            keyspace: None,
        });
        for node in &mut self.nodes {
            let statement = node.shards[0].ask(&prepare, |dialect, opcode, body| {
                if opcode != Opcode::Result {
                    return Err(format!("PREPARE was answered with {opcode}").into());
                }
                Statement::read(dialect, body)
            })?;
            self.statement = Some(statement);
        }
        Ok(())
    }

    fn run(&mut self, until: Instant) -> Fallible<Vec<Duration>> {
        let statement = self.statement.clone().ok_or("nothing is prepared")?;
        let (keys, canned) = (self.keys.clone(), self.canned);
        let mut latencies = Vec::new();
        let mut began = Instant::now();
        for &key in keys.iter().cycle() {
            if began >= until {
                break;
            }
            let value = bound(key);
            let request = Request::Execute(statement.execute(&value));
            let ended = self.connection(murmur3_token(&value[4..])).ask(
                &request,
                |dialect, opcode, body| {
                    if opcode != Opcode::Result {
                        return Err(format!("SELECT was answered with {opcode}").into());
                    }
                    check(dialect, body, key, canned)?;
                    Ok(Instant::now())
                },
            )?;
            latencies.push(ended - began);
            began = ended;
        }
        Ok(latencies)
    }

    fn connections(&self) -> usize {
        self.nodes.iter().map(|node| node.shards.len()).sum()
    }
}
