//! The whole engine, turn by turn, as the I/O thread drives it: what costs there and nothing else, since
//! no sockets are around it. 3 nodes of 8 shards; EXECUTE with a token; one row in each answer.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use shardlane_proto::{
    AttemptBudget, Config, ConnId, ContactPoint, Effect, Engine, Instant, Outcome, PreparedRef,
    PreparedRefs, RequestSpec,
};
use shardlane_routing::Token;
use shardlane_wire::request::Execute;
use shardlane_wire::result::MetadataFlags;
use shardlane_wire::{
    BoundValues, Consistency, Dialect, Direction, FrameParser, HEADER_LEN, Opcode, QueryParams,
    Request, ResultBody, Rows, RowsMetadata,
};

use super::random::Random;
use super::server::{KEYSPACE, Servers, cell, frame};
use crate::case::{Case, Subject};

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

pub(super) const CASES: [Case; 3] = [
    // The number is how many requests are in flight.
    case("engine/turn_1", 1, || Box::new(Turns::new(1))),
    case("engine/turn_32", 32, || Box::new(Turns::new(32))),
    case("engine/turn_256", 256, || Box::new(Turns::new(256))),
];

/// A connected engine with `in_flight` requests under way. A run is a turn of the I/O thread: the answers
/// to all of them come in and are delivered, and as many requests are submitted and written.
struct Turns {
    engine: Engine<u32>,
    now: Instant,
    lines: Vec<Line>,
    /// Who wrote in this turn, and how many requests.
    asked: Vec<(ConnId, usize)>,
    answer_len: usize,
    tokens: Random,
    template: RequestSpec,
    in_flight: u32,
    specs: Vec<RequestSpec>,
    done: Vec<(u32, Outcome)>,
}

/// A connection, and the answers to as many requests as it may have in flight: only stream ids are missing.
struct Line {
    answers: Vec<u8>,
}

impl Turns {
    fn new(in_flight: u32) -> Self {
        let (engine, now, connections) = connect(3, 8);
        let answer = frame(0, Opcode::Result, &one_row());
        let line = || Line {
            answers: answer.repeat(in_flight as usize),
        };
        let mut turns = Self {
            engine,
            now,
            lines: (0..connections).map(|_| line()).collect(),
            asked: Vec::new(),
            answer_len: answer.len(),
            tokens: Random::new(1),
            template: execute(),
            in_flight,
            specs: Vec::new(),
            done: Vec::new(),
        };
        // The first requests: from now on each turn has something to answer.
        turns.prepare();
        turns.submit();
        turns.write();
        turns
    }

    fn read(&mut self) {
        for (conn, count) in self.asked.drain(..) {
            let answers = &self.lines[conn.0 as usize].answers[..count * self.answer_len];
            self.engine.handle_bytes(self.now, conn, answers);
            assert!(self.engine.poll_effect().is_none());
        }
    }

    fn submit(&mut self) {
        for (id, spec) in (0..).zip(self.specs.drain(..)) {
            self.engine.submit(self.now, spec, id);
        }
    }

    fn write(&mut self) {
        assert!(self.engine.poll_effect().is_none());
        while let Some(conn) = self.engine.poll_dirty() {
            let unsent = self.engine.unsent(conn);
            let answers = self.lines[conn.0 as usize]
                .answers
                .chunks_exact_mut(self.answer_len);
            let frame_len = HEADER_LEN + self.template.body.len();
            let (len, count) = (unsent.len(), unsent.len() / frame_len);
            for (request, answer) in unsent.chunks_exact(frame_len).zip(answers) {
                answer[2..4].copy_from_slice(&request[2..4]);
            }
            self.engine.handle_written(conn, len);
            self.asked.push((conn, count));
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
        self.now = self.now + TURN;
        let spec = |_| RequestSpec {
            token: Some(Token(self.tokens.next() as i64)),
            ..self.template.clone()
        };
        self.specs.extend((0..self.in_flight).map(spec));
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

/// An engine with a connection to each shard, the time, and how many connections it has opened.
fn connect(nodes: u8, shards: u16) -> (Engine<u32>, Instant, usize) {
    let servers = Servers::new(nodes, shards);
    let contact = ContactPoint::Address(Servers::address(0));
    let mut config = Config::new(vec![contact]);
    // Events of the clock would make turns unequal.
    config.refresh_interval = None;
    let mut engine = Engine::new(config, Arc::new(AttemptBudget::new(64)));
    let now = Instant(1);
    engine.when_ready(0);
    engine.handle_timeout(now);
    let mut addresses: Vec<(SocketAddr, u16, FrameParser)> = Vec::new();
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
            // Normal connections land on the shard of their port, too: any will do.
            let parser = FrameParser::new(Direction::Request);
            let line = (address, source_port.unwrap_or(0), parser);
            assert_eq!(conn.0 as usize, addresses.len(), "none is closed");
            addresses.push(line);
            connecting.push_back(conn);
        }
        while let Some(conn) = connecting.pop_front() {
            let (_, port, _) = addresses[conn.0 as usize];
            engine.handle_connected(now, conn, port);
        }
        while let Some(conn) = engine.poll_dirty() {
            let unsent = engine.unsent(conn).to_vec();
            engine.handle_written(conn, unsent.len());
            let (address, port, parser) = &mut addresses[conn.0 as usize];
            let mut input = &unsent[..];
            while let Some(frame) = parser.push(&mut input).expect("sound frames") {
                let answer = servers.answer(*address, *port, frame.header, frame.body);
                engine.handle_bytes(now, conn, &answer);
            }
        }
        engine.take_completions(&mut done);
    }
    assert!(matches!(done[..], [(0, Ok(_))]), "{done:?}");
    engine.take_changed();
    let views = engine.pool_views(now);
    assert!(views.len() == usize::from(nodes));
    for view in views {
        assert_eq!(view.connections.len(), usize::from(shards));
    }
    (engine, now, addresses.len())
}

/// The body of a RESULT: a row of a bigint, a text and a double, without metadata.
fn one_row() -> Vec<u8> {
    let mut cells = Vec::new();
    cell(&mut cells, &1i64.to_be_bytes());
    cell(&mut cells, b"a short text of a row");
    cell(&mut cells, &1f64.to_be_bytes());
    let rows = Rows {
        metadata: RowsMetadata {
            flags: MetadataFlags::NO_METADATA,
            column_count: 3,
            ..RowsMetadata::default()
        },
        rows_count: 1,
        rows: &cells,
    };
    let mut body = Vec::new();
    ResultBody::Rows(rows)
        .encode(Dialect::V4, &mut body)
        .expect("short");
    body
}

/// EXECUTE with one bound value.
fn execute() -> RequestSpec {
    let id = [7; 16];
    let mut values = Vec::new();
    cell(&mut values, &1i64.to_be_bytes());
    let request = Request::Execute(Execute {
        id: &id,
        result_metadata_id: None,
        params: QueryParams {
            values: BoundValues::positional(1, &values),
            skip_metadata: true,
            page_size: Some(5000),
            ..QueryParams::new(Consistency::LocalQuorum)
        },
        tablet_block: None,
    });
    let mut body = Vec::new();
    request.encode(Dialect::V4, &mut body).expect("short");
    RequestSpec {
        table_keyspace: Some(KEYSPACE.into()),
        table: Some("t".into()),
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
