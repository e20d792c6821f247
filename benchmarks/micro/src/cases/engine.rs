//! The whole engine, turn by turn, as the I/O thread drives it: what costs there and nothing else, since
//! no sockets are around it. 3 nodes of 8 shards; EXECUTE with a token; one row in each answer.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use shardlane_proto::{
    AttemptBudget, Config, ConnId, ContactPoint, Effect, Engine, Instant, Outcome, PreparedRef,
    PreparedRefs, RequestSpec,
};
use shardlane_routing::Token;
use shardlane_wire::request::Execute;
use shardlane_wire::{BoundValues, Consistency, Dialect, Opcode, QueryParams, Request, Version};

use super::line::Line;
use super::random::Random;
use super::server::{KEYSPACE, Servers, TABLE, cell, frame, tokens};
use super::wire::page;
use crate::case::{Case, Subject};

const NODES: u8 = 3;
const SHARDS: u16 = 8;
const TABLETS: u32 = 1024;

/// What passes between two turns.
const TURN: Duration = Duration::from_micros(100);

const fn case(name: &'static str, in_flight: u32, make: fn() -> Box<dyn Subject>) -> Case {
    Case {
        name,
        units: in_flight,
        unit: "request",
        make,
    }
}

// The number is how many requests are in flight.
pub(super) const CASES: [Case; 5] = [
    case("engine/turn_1", 1, || turns(1, Version::V4, 0)),
    case("engine/turn_32", 32, || turns(32, Version::V4, 0)),
    case("engine/turn_256", 256, || turns(256, Version::V4, 0)),
    case("engine/turn_32_tablets", 32, || {
        turns(32, Version::V4, TABLETS)
    }),
    case("engine/turn_32_v5", 32, || turns(32, Version::V5, 0)),
];

fn turns(in_flight: u32, version: Version, tablets: u32) -> Box<dyn Subject> {
    Box::new(Turns::new(in_flight, version, tablets))
}

/// A connected engine with `in_flight` requests under way. A run is a turn of the I/O thread: the answers
/// to all of them come in and are delivered, and as many requests are submitted and written.
struct Turns {
    engine: Engine<u32>,
    now: Instant,
    lines: Vec<Line>,
    /// Who wrote in the turn before.
    asked: Vec<ConnId>,
    /// The frame that answers each request; only the stream id is another.
    answer: Vec<u8>,
    tokens: Random,
    template: RequestSpec,
    in_flight: u32,
    specs: Vec<RequestSpec>,
    done: Vec<(u32, Outcome)>,
}

impl Turns {
    fn new(in_flight: u32, version: Version, tablets: u32) -> Self {
        let (engine, now, lines) = connect(&Servers {
            shards: SHARDS,
            version,
            tablets,
            tokens: tokens(NODES),
        });
        assert_eq!(engine.dialect().version, version);
        let mut turns = Self {
            template: execute(engine.dialect()),
            engine,
            now,
            lines,
            asked: Vec::new(),
            answer: frame(version, 0, Opcode::Result, &page(1, false)),
            tokens: Random::new(1),
            in_flight,
            specs: Vec::new(),
            done: Vec::new(),
        };
        // The first requests: from now on each turn has something to answer.
        turns.make_specs();
        turns.submit();
        turns.write();
        turns
    }

    fn make_specs(&mut self) {
        let spec = |_| {
            let mut spec = self.template.clone();
            spec.token = Some(Token(self.tokens.next() as i64));
            // As the binding leaves it: the answer goes into the same buffer.
            spec.body.reserve_exact(64);
            spec
        };
        self.specs.extend((0..self.in_flight).map(spec));
    }

    fn read(&mut self) {
        for conn in self.asked.drain(..) {
            let answers = &self.lines[conn.0 as usize].answers;
            self.engine.handle_bytes(self.now, conn, answers);
            assert!(self.engine.poll_effect().is_none());
        }
    }

    fn submit(&mut self) {
        for (id, spec) in (0..).zip(self.specs.drain(..)) {
            self.engine.submit(self.now, spec, id);
        }
    }

    /// As into a socket, which takes a copy.
    fn write(&mut self) {
        assert!(self.engine.poll_effect().is_none());
        while let Some(conn) = self.engine.poll_dirty() {
            let unsent = self.engine.unsent(conn);
            let len = unsent.len();
            self.lines[conn.0 as usize]
                .received
                .extend_from_slice(unsent);
            self.engine.handle_written(conn, len);
            self.asked.push(conn);
        }
    }

    fn deliver(&mut self) {
        assert!(!self.engine.take_changed());
        self.engine.take_completions(&mut self.done);
    }

    fn call_if_due(&mut self) {
        if self.engine.next_timeout().is_some_and(|at| at <= self.now) {
            self.engine.handle_timeout(self.now);
        }
    }
}

impl Subject for Turns {
    fn prepare(&mut self) {
        for (_, outcome) in self.done.drain(..) {
            outcome.expect("an answer");
        }
        for conn in &self.asked {
            self.lines[conn.0 as usize].serve(|header, _| {
                let mut answer = self.answer.clone();
                answer[2..4].copy_from_slice(&header.stream.to_be_bytes());
                answer
            });
        }
        self.now = self.now + TURN;
        self.make_specs();
    }

    fn run(&mut self) {
        self.read();
        self.deliver();
        self.submit();
        self.call_if_due();
        self.write();
        self.deliver();
        assert_eq!(self.done.len(), self.in_flight as usize);
    }
}

/// An engine with a connection to each shard, the time, and its connections.
fn connect(servers: &Servers) -> (Engine<u32>, Instant, Vec<Line>) {
    let mut config = Config::new(vec![ContactPoint::Address(Servers::address(0))]);
    // Events of the clock would make turns unequal.
    config.refresh_interval = None;
    config.tablet_warm_up = servers.tablets > 0;
    let mut engine = Engine::new(config, Arc::new(AttemptBudget::new(64)));
    let now = Instant(1);
    engine.when_ready(0);
    engine.handle_timeout(now);
    let mut lines: Vec<Line> = Vec::new();
    let mut connecting = VecDeque::new();
    let mut done = Vec::new();
    while done.is_empty() {
        while let Some(effect) = engine.poll_effect() {
            let Effect::Connect {
                conn,
                address,
                source_port,
                ..
            } = effect
            else {
                unreachable!("{effect:?}")
            };
            assert_eq!(conn.0 as usize, lines.len(), "none is closed");
            // Connections to the normal port land on the shard of their port, too: any will do.
            lines.push(Line::new(address, source_port.unwrap_or(0)));
            connecting.push_back(conn);
        }
        while let Some(conn) = connecting.pop_front() {
            let port = lines[conn.0 as usize].local_port;
            engine.handle_connected(now, conn, port);
        }
        while let Some(conn) = engine.poll_dirty() {
            let line = &mut lines[conn.0 as usize];
            line.received.extend_from_slice(engine.unsent(conn));
            engine.handle_written(conn, line.received.len());
            let (address, port) = (line.address, line.local_port);
            let mut ends_handshake = false;
            line.serve(|header, body| {
                ends_handshake = header.opcode == Opcode::Startup;
                servers.answer(address, port, header, body)
            });
            if ends_handshake && servers.version == Version::V5 {
                line.begin_segments();
            }
            engine.handle_bytes(now, conn, &line.answers);
        }
        engine.take_completions(&mut done);
    }
    assert!(matches!(done[..], [(0, Ok(_))]), "{done:?}");
    engine.take_changed();
    let views = engine.pool_views(now);
    assert_eq!(views.len(), servers.tokens.len());
    for view in views {
        assert_eq!(view.connections.len(), usize::from(servers.shards));
    }
    (engine, now, lines)
}

/// EXECUTE with one bound value.
fn execute(dialect: Dialect) -> RequestSpec {
    let id = [7; 16];
    let mut values = Vec::new();
    cell(&mut values, &1i64.to_be_bytes());
    let request = Request::Execute(Execute {
        id: &id,
        result_metadata_id: dialect.has_metadata_id().then_some(&id),
        params: QueryParams {
            values: BoundValues::positional(1, &values),
            skip_metadata: true,
            page_size: Some(5000),
            ..QueryParams::new(Consistency::LocalQuorum)
        },
        tablet_block: None,
    });
    let mut body = Vec::new();
    request.encode(dialect, &mut body).expect("short");
    RequestSpec {
        dialect,
        table_keyspace: Some(KEYSPACE.into()),
        table: Some(TABLE.into()),
        idempotent: true,
        timeout: Some(Duration::from_secs(10)),
        prepared: PreparedRefs::One(Arc::new(PreparedRef {
            id: Box::new(id),
            query: "SELECT a, b, c FROM ks.t WHERE a = ?".into(),
            keyspace: None,
            bind_columns: None,
        })),
        ..RequestSpec::new(Opcode::Execute, body)
    }
}
