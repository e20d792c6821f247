//! Sequences of operations on the client's engine: whatever a shell and servers do, in any order that the
//! engine's contract allows, each request ends exactly once, and closing ends everything.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use shardlane_proto::{
    AttemptBudget, Config, ConnId, ConnectFailure, ConnectionError, ContactPoint, Effect, Engine,
    Instant, PreparedRef, PreparedRefs, RequestKey, RequestSpec,
};
use shardlane_routing::Token;
use shardlane_wire::request::{Prepare, Query};
use shardlane_wire::{
    BoundValues, Consistency, Dialect, Direction, FrameHeader, FrameParser, Opcode, QueryParams,
    Request, Version,
};

use super::Depth;
use super::engine_server::{self, Said};

const MS: Duration = Duration::from_millis(1);
/// Timeouts in a row without time passing, before it is a busy loop.
const TIMEOUTS_IN_A_ROW_MAX: u32 = 20;
/// Ids of requests; the one before is that of `when_ready`.
const FIRST_REQUEST: u64 = 1;

/// A connection as a shell sees it.
struct Line {
    is_connected: bool,
    is_aimed: bool,
    address: SocketAddr,
    parser: FrameParser,
    /// Requests that have no answer yet.
    asked: VecDeque<(i16, Opcode, Vec<u8>)>,
}

struct Shell<'a> {
    input: &'a [u8],
    engine: Engine<u64>,
    now: Instant,
    lines: BTreeMap<ConnId, Line>,
    names: VecDeque<(String, u16)>,
    /// Requests under way, with their deadlines.
    pending: BTreeMap<u64, (RequestKey, Option<Instant>)>,
    next_id: u64,
    is_finished: bool,
    depth: Depth,
}

/// Lets `input` decide what happens to an engine, operation by operation.
pub fn check_engine(input: &[u8]) -> Depth {
    let address = |last| SocketAddr::from(([10, 0, 0, last], 9042));
    let mut shell = Shell {
        input,
        engine: Engine::new(config(input, address), Arc::new(AttemptBudget::new(4))),
        now: Instant(1),
        lines: BTreeMap::new(),
        names: VecDeque::new(),
        pending: BTreeMap::new(),
        next_id: FIRST_REQUEST,
        is_finished: false,
        depth: Depth::default(),
    };
    shell.engine.when_ready(0);
    while !shell.input.is_empty() {
        shell.operate();
        shell.turn();
    }
    shell.end();
    shell.depth
}

fn config(input: &[u8], address: impl Fn(u8) -> SocketAddr) -> Config {
    let name = ContactPoint::Name {
        host: "nodes".to_owned(),
        port: 9042,
    };
    let points = match input.first() {
        Some(first) if first & 1 != 0 => vec![name],
        _ => vec![ContactPoint::Address(address(1)), name],
    };
    let mut config = Config::new(points);
    config.protocol_version = Some(Version::V4);
    config.connect_timeout = MS * 500;
    config.control_timeout = MS * 500;
    config.keepalive_interval = MS * 2000;
    config.keepalive_timeout = MS * 500;
    config.orphan_age = MS * 10;
    config.orphans_max = 4;
    config.in_flight_per_connection_max = 8;
    config.schema_agreement_timeout = MS * 300;
    config
}

impl Shell<'_> {
    fn byte(&mut self) -> u8 {
        match self.input.split_first() {
            Some((&byte, rest)) => {
                self.input = rest;
                byte
            }
            None => 0,
        }
    }

    fn bytes(&mut self, max: usize) -> Vec<u8> {
        let count = usize::from(self.byte()) % (max + 1);
        let (bytes, rest) = self.input.split_at(count.min(self.input.len()));
        self.input = rest;
        bytes.to_vec()
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        let at = usize::from(self.byte());
        (!from.is_empty()).then(|| from[at % from.len()])
    }

    fn operate(&mut self) {
        match self.byte() % 16 {
            0 | 1 => {
                let steps = u32::from(self.byte());
                self.pass(MS * (1 << (steps % 12)));
            }
            2..=4 => self.submit(),
            5 => {
                let keys: Vec<u64> = self.pending.keys().copied().collect();
                if let Some(id) = self.pick(&keys) {
                    let key = self.pending[&id].0;
                    self.engine.cancel(self.now, key);
                    self.turn();
                    assert!(!self.pending.contains_key(&id), "cancelled at once");
                    self.engine.cancel(self.now, key);
                }
            }
            6 => self.connect(),
            7 => self.progress(),
            8..=11 => self.answer(true),
            12 => {
                let as_it_should = self.byte() % 4 != 0;
                self.answer(as_it_should);
            }
            13 => {
                if self.byte() % 8 == 0 {
                    self.interfere();
                }
            }
            14 => {
                if let Some((host, port)) = self.names.pop_front() {
                    let result = match self.byte() % 4 {
                        0 => Err("no such host".to_owned()),
                        1 => Ok(Vec::new()),
                        last => Ok(vec![SocketAddr::from(([10, 0, 0, last], port))]),
                    };
                    self.engine.handle_resolved(self.now, &host, result);
                }
            }
            _ => {
                if self.byte() % 64 == 0 {
                    let drain = MS * u32::from(self.byte());
                    self.engine.close(self.now, drain);
                }
            }
        }
    }

    /// Time passes; the engine is called whenever it wants to be.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        let mut in_a_row = 0;
        while let Some(at) = self.engine.next_timeout().filter(|&at| at <= end) {
            if at > self.now {
                self.now = at;
                in_a_row = 0;
            }
            in_a_row += 1;
            assert!(in_a_row <= TIMEOUTS_IN_A_ROW_MAX, "a busy loop");
            self.engine.handle_timeout(self.now);
            self.turn();
        }
        self.now = end;
        for (id, (_, deadline)) in &self.pending {
            assert!(
                deadline.is_none_or(|at| at >= self.now),
                "request {id} missed its deadline"
            );
        }
    }

    fn submit(&mut self) {
        let kind = self.byte();
        let text = format!("Q{}", kind % 4);
        let request = match kind % 3 {
            0 => Request::Prepare(Prepare {
                text: &text,
                keyspace: None,
            }),
            _ => Request::Query(Query {
                text: &text,
                params: QueryParams {
                    values: BoundValues::NONE,
                    ..QueryParams::new(Consistency::One)
                },
            }),
        };
        let mut body = Vec::new();
        request.encode(Dialect::V4, &mut body).expect("short");
        let mut spec = RequestSpec::new(request.opcode(), body);
        let how = self.byte();
        spec.idempotent = how & 1 != 0;
        spec.keyspace = (how & 2 != 0).then(|| "ks".into());
        spec.timeout = (how & 4 != 0).then(|| MS * u32::from(self.byte()));
        spec.token = (how & 8 != 0).then(|| Token(i64::from(self.byte()) << 56));
        spec.table_keyspace = Some("ks".into());
        if request.opcode() == Opcode::Query {
            spec.prepared = PreparedRefs::One(Arc::new(PreparedRef {
                id: Box::from(&b"id"[..]),
                query: "Q0".into(),
                keyspace: (how & 16 != 0).then(|| "ks".into()),
                bind_columns: Some(Box::default()),
            }));
        }
        let id = self.next_id;
        self.next_id += 1;
        let deadline = spec.timeout.map(|timeout| self.now + timeout);
        // It may end at once.
        self.pending.insert(id, (RequestKey::NONE, deadline));
        let key = self.engine.submit(self.now, spec, id);
        self.pending.insert(id, (key, deadline));
    }

    fn connect(&mut self) {
        let waiting: Vec<ConnId> = self
            .lines
            .iter()
            .filter(|(_, line)| !line.is_connected)
            .map(|(&conn, _)| conn)
            .collect();
        let Some(conn) = self.pick(&waiting) else {
            return;
        };
        let how = self.byte();
        let line = self.lines.get_mut(&conn).expect("listed");
        match how % 8 {
            0 => {
                let failure = ConnectFailure::Failed("refused".to_owned());
                self.engine.handle_connect_failed(self.now, conn, failure);
            }
            1 if line.is_aimed => {
                let failure = ConnectFailure::PortUnavailable("in use".to_owned());
                self.engine.handle_connect_failed(self.now, conn, failure);
            }
            _ => {
                line.is_connected = true;
                self.engine
                    .handle_connected(self.now, conn, 40_000 + u16::from(how));
            }
        }
    }

    /// For once everything works: names resolve, connections come up, all questions are answered.
    fn progress(&mut self) {
        while let Some((host, port)) = self.names.pop_front() {
            let found = Ok(vec![SocketAddr::from(([10, 0, 0, 1], port))]);
            self.engine.handle_resolved(self.now, &host, found);
            self.turn();
        }
        let choice = self.byte();
        for round in 0..8 {
            for conn in self.lines.keys().copied().collect::<Vec<_>>() {
                let Some(line) = self.lines.get_mut(&conn) else {
                    continue;
                };
                if !std::mem::replace(&mut line.is_connected, true) {
                    let port = 40_000 + u16::from(choice) + round;
                    self.engine.handle_connected(self.now, conn, port);
                } else if let Some((stream, opcode, body)) = line.asked.pop_front() {
                    let said = engine_server::answer(line.address, opcode, &body, choice);
                    self.say(conn, stream, &said);
                }
                self.turn();
            }
        }
    }

    fn connected(&self) -> Vec<ConnId> {
        let connected = |(_, line): &(&ConnId, &Line)| line.is_connected;
        self.lines
            .iter()
            .filter(connected)
            .map(|(&conn, _)| conn)
            .collect()
    }

    /// A server answers something that it was asked: as it should, or with any bytes.
    fn answer(&mut self, as_it_should: bool) {
        let asked: Vec<ConnId> = self
            .connected()
            .into_iter()
            .filter(|conn| !self.lines[conn].asked.is_empty())
            .collect();
        let Some(conn) = self.pick(&asked) else {
            return;
        };
        let choice = self.byte();
        let line = self.lines.get_mut(&conn).expect("listed");
        // Not always in order.
        let at = usize::from(choice >> 4) % line.asked.len();
        let (stream, opcode, body) = line.asked.remove(at).expect("in range");
        let said = if as_it_should {
            engine_server::answer(line.address, opcode, &body, choice)
        } else {
            let opcode = self.pick(&Opcode::ALL).expect("some");
            Said {
                opcode,
                body: self.bytes(64),
            }
        };
        self.say(conn, stream, &said);
    }

    fn say(&mut self, conn: ConnId, stream: i16, said: &Said) {
        let mut header = FrameHeader::response(Version::V4, stream, said.opcode);
        header.length = said.body.len() as u32;
        let frame = [&header.encode()[..], &said.body].concat();
        let cut = usize::from(self.byte()) % frame.len();
        for part in [&frame[..cut], &frame[cut..]] {
            // The first part may have been the end of the connection.
            if self.lines.get(&conn).is_some_and(|line| line.is_connected) {
                self.engine.handle_bytes(self.now, conn, part);
                self.turn();
            }
        }
        self.depth.messages += 1;
    }

    /// Something nobody asked for: an event, any bytes, the end.
    fn interfere(&mut self) {
        let connected = self.connected();
        let Some(conn) = self.pick(&connected) else {
            return;
        };
        match self.byte() % 4 {
            0 => {
                let bytes = self.bytes(32);
                self.engine.handle_bytes(self.now, conn, &bytes);
                self.depth.refused += 1;
            }
            1 | 2 => {
                let choice = self.byte();
                self.say(conn, -1, &engine_server::event(choice));
            }
            _ => {
                let error = ConnectionError::ClosedByServer;
                self.engine.handle_closed(self.now, conn, &error);
            }
        }
    }

    /// Does what the engine wants done.
    fn turn(&mut self) {
        while let Some(effect) = self.engine.poll_effect() {
            assert!(!self.is_finished, "{effect:?} after the end");
            match effect {
                Effect::Connect {
                    conn,
                    address,
                    source_port,
                    ..
                } => {
                    let line = Line {
                        is_connected: false,
                        is_aimed: source_port.is_some(),
                        address,
                        parser: FrameParser::new(Direction::Request),
                        asked: VecDeque::new(),
                    };
                    if let Some(old) = self.lines.insert(conn, line) {
                        assert!(!old.is_connected && old.is_aimed, "{conn:?} is taken");
                    }
                }
                Effect::Close { conn } => {
                    assert!(self.lines.remove(&conn).is_some(), "{conn:?} is not open");
                }
                Effect::Resolve { host, port } => self.names.push_back((host, port)),
                Effect::Finished => {
                    assert!(self.lines.is_empty(), "connections are left");
                    self.is_finished = true;
                }
                other => panic!("nobody asked for {other:?}"),
            }
        }
        while let Some(conn) = self.engine.poll_dirty() {
            let unsent = self.engine.unsent(conn).to_vec();
            let line = self.lines.get_mut(&conn).expect("a dirty one is open");
            assert!(line.is_connected, "bytes before TCP is up");
            self.engine.handle_written(conn, unsent.len());
            let mut bytes = &unsent[..];
            while let Some(frame) = line.parser.push(&mut bytes).expect("sound frames") {
                let FrameHeader { stream, opcode, .. } = frame.header;
                assert!(
                    line.asked.iter().all(|(taken, ..)| *taken != stream),
                    "stream {stream} is taken"
                );
                line.asked.push_back((stream, opcode, frame.body.to_vec()));
                self.depth.frames += 1;
            }
        }
        let mut done = Vec::new();
        self.engine.take_completions(&mut done);
        for (id, outcome) in done {
            if id >= FIRST_REQUEST {
                assert!(self.pending.remove(&id).is_some(), "{id} ended twice");
                self.depth.requests += 1;
                self.depth.answered += u64::from(outcome.is_ok());
            }
        }
        let load = self.engine.load();
        assert_eq!(load.connections, self.lines.len());
        assert!(load.requests <= self.pending.len() + 64, "{load:?}");
    }

    /// Closing ends everything.
    fn end(&mut self) {
        self.engine.close(self.now, Duration::ZERO);
        self.turn();
        self.pass(MS);
        assert!(self.is_finished, "it does not finish");
        assert!(self.pending.is_empty(), "{:?} never ended", self.pending);
        assert_eq!(self.engine.next_timeout(), None);
        let load = self.engine.load();
        assert_eq!((load.connections, load.requests), (0, 0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soak::Rng;

    #[test]
    fn sequences_get_as_far_as_answers() {
        let mut rng = Rng::new(1);
        let mut depth = Depth::default();
        for _ in 0..2000 {
            depth += check_engine(&rng.bytes(3000));
        }
        assert!(depth.requests > 100_000, "{depth:?}");
        assert!(depth.answered * 20 > depth.requests, "{depth:?}");
    }
}
