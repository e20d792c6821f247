//! What the simulated nodes do with requests, and the mischief that befalls them.

use std::net::SocketAddr;
use std::time::Duration;

use shardlane_proto::ConnectionError;
use shardlane_routing::{Sharder, murmur3_token};
use shardlane_wire::event::{StatusChangeKind, TopologyChangeKind};
use shardlane_wire::request::Execute;
use shardlane_wire::{
    Consistency, ErrorBody, ErrorDetail, Event, Opcode, Prepared, Request, Response,
    ResponseEnvelope, ResultBody, RowsMetadata, SchemaChange, SchemaChangeKind, SchemaTarget,
    Value, Version,
};

use crate::node::{self, IGNORE_MSB, Node, ShardPort};
use crate::socket::Arrived;
use crate::world::{Happening, MS, World};

/// An answer: encoded already, or not.
enum Reply<'a> {
    Message(Response<'a>),
    Rows(Vec<u8>),
}

impl World {
    pub(crate) fn receive(&mut self, socket: u64, bytes: &[u8]) {
        let Some(entry) = self.sockets.get_mut(&socket).filter(|s| s.server_open) else {
            return;
        };
        for request in entry.receive(bytes) {
            let delay = MS / 10 * self.rng.below(40) as u32;
            self.after(delay, Happening::Serve { socket, request });
        }
    }

    pub(crate) fn serve(&mut self, socket: u64, request: Arrived) {
        let Some(entry) = self.sockets.get(&socket).filter(|s| s.server_open) else {
            return;
        };
        let silent_until = self.nodes[entry.node].silent_until;
        if self.now < silent_until {
            self.at(silent_until, Happening::Serve { socket, request });
            return;
        }
        let decoded = Request::decode(Version::V4, request.opcode, &request.body);
        let is_users = |r: &Request<'_>| match r {
            Request::Query(q) => !q.text.contains("system") && !q.text.starts_with("USE"),
            Request::Execute(_) | Request::Prepare(_) => true,
            _ => false,
        };
        let decoded = decoded.expect("checked on arrival");
        if is_users(&decoded) {
            if self.rng.chance(self.unkindness.no_answer) {
                return;
            }
            if self.rng.chance(self.unkindness.error) {
                if let Request::Execute(execute) = &decoded
                    && self.rng.chance(50)
                {
                    // Executed, and then something went wrong.
                    self.execute(socket, execute, true);
                    self.refuse(socket, request.stream, ErrorDetail::ServerError);
                    return;
                }
                let unavailable = ErrorDetail::Unavailable {
                    consistency: Consistency::One,
                    required: 1,
                    alive: 0,
                };
                let detail = match self.rng.below(4) {
                    0 => ErrorDetail::Overloaded,
                    1 => ErrorDetail::IsBootstrapping,
                    2 => unavailable,
                    _ => ErrorDetail::Invalid,
                };
                self.refuse(socket, request.stream, detail);
                return;
            }
        }
        let ends_handshake = matches!(decoded, Request::Startup(_));
        let is_system = matches!(&decoded, Request::Query(q) if q.text.contains("system"));
        self.system_queries += u64::from(is_system);
        if is_system && self.nodes[self.sockets[&socket].node].is_broken {
            self.refuse(socket, request.stream, ErrorDetail::ServerError);
            return;
        }
        let text;
        let reply = match decoded {
            Request::Options => {
                let entry = &self.sockets[&socket];
                let options = self.nodes[entry.node].supported(entry.shard).to_options();
                let options: Vec<(&str, Vec<&str>)> = options
                    .iter()
                    .map(|(k, v)| (*k, v.iter().map(String::as_str).collect()))
                    .collect();
                let mut frame = Vec::new();
                Response::Supported(options)
                    .encode_frame(
                        Version::V4,
                        request.stream,
                        &ResponseEnvelope::default(),
                        &mut frame,
                    )
                    .expect("short");
                self.answer(socket, request.stream, &frame, false);
                return;
            }
            Request::Startup(_) => Reply::Message(Response::Ready),
            Request::Register(_) => {
                self.sockets.get_mut(&socket).expect("open").is_registered = true;
                Reply::Message(Response::Ready)
            }
            Request::Query(query) => {
                text = query.text.to_owned();
                self.query(socket, &text)
            }
            Request::Prepare(prepare) => {
                text = prepare.text.to_owned();
                let node = self.sockets[&socket].node;
                self.nodes[node].prepared.insert(text.as_bytes().to_vec());
                Reply::Message(Response::Result(ResultBody::Prepared(Prepared {
                    id: text.as_bytes(),
                    result_metadata_id: None,
                    bind_flags: 4,
                    bind_count: 2,
                    pk_indexes: vec![0],
                    raw_bind_columns: &[],
                    result_metadata: RowsMetadata {
                        flags: 4,
                        ..RowsMetadata::default()
                    },
                })))
            }
            Request::Execute(_) if self.nodes[self.sockets[&socket].node].bad_answer.is_some() => {
                self.answer_badly(socket, request.stream);
                return;
            }
            Request::Execute(execute) => self.execute(socket, &execute, false),
            other => panic!("nobody sends {other:?}"),
        };
        let mut frame = Vec::new();
        let envelope = ResponseEnvelope::default();
        match reply {
            Reply::Message(response) => response
                .encode_frame(Version::V4, request.stream, &envelope, &mut frame)
                .expect("short"),
            Reply::Rows(body) => {
                let mut header = shardlane_wire::FrameHeader::response(
                    Version::V4,
                    request.stream,
                    Opcode::Result,
                );
                header.length = body.len() as u32;
                frame.extend_from_slice(&header.encode());
                frame.extend_from_slice(&body);
            }
        }
        self.answer(socket, request.stream, &frame, ends_handshake);
    }

    fn query<'a>(&mut self, socket: u64, text: &'a str) -> Reply<'a> {
        let entry = self.sockets.get_mut(&socket).expect("open");
        let index = entry.node;
        if let Some(keyspace) = text.strip_prefix("USE ") {
            let keyspace = keyspace.trim_matches('"');
            entry.keyspace = Some(keyspace.to_owned());
            Reply::Message(Response::Result(ResultBody::SetKeyspace(keyspace)))
        } else if let Some(id) = text
            .strip_prefix("SELECT ")
            .filter(|id| id.parse::<u64>().is_ok())
        {
            let keyspace = entry.keyspace.clone().unwrap_or_default();
            let row = vec![keyspace.into_bytes(), id.as_bytes().to_vec()];
            Reply::Rows(node::rows(&["keyspace", "id"], &[row]))
        } else if let Some(id) = text.strip_prefix("CREATE ") {
            let version = 1 + self
                .nodes
                .iter()
                .map(|n| n.schema_version)
                .max()
                .unwrap_or(0);
            self.nodes[index].schema_version = version;
            self.made_versions
                .insert(id.parse().expect("an id"), version);
            for node in (0..self.nodes.len()).filter(|&n| n != index) {
                let delay = MS * self.rng.below(700) as u32;
                self.after(delay, Happening::SchemaArrives { node, version });
            }
            let change = SchemaChange {
                kind: SchemaChangeKind::Created,
                keyspace: id.into(),
                target: SchemaTarget::Keyspace,
            };
            self.send_event(index, &Event::SchemaChange(change.clone()));
            Reply::Message(Response::Result(ResultBody::SchemaChange(change)))
        } else {
            let body = node::system_table(text, &self.nodes, index);
            Reply::Rows(body.unwrap_or_else(|| panic!("nobody asks {text:?}")))
        }
    }

    fn execute<'a>(&mut self, socket: u64, execute: &Execute<'_>, is_certain: bool) -> Reply<'a> {
        let entry = &self.sockets[&socket];
        let (index, shard) = (entry.node, entry.shard);
        if !is_certain && !self.nodes[index].prepared.contains(execute.id) {
            let detail = ErrorDetail::Unprepared {
                id: execute.id.into(),
            };
            return Reply::Message(Response::Error(ErrorBody::new("forgotten", detail)));
        }
        let values: Vec<&[u8]> = execute
            .params
            .values
            .iter()
            .map(|value| match value.expect("sound values").1 {
                Value::Bytes(bytes) => bytes,
                other => panic!("{other:?} bound"),
            })
            .collect();
        let id = u64::from_be_bytes(values[1].try_into().expect("an id"));
        *self.executions.entry(id).or_default() += 1;
        let token = murmur3_token(values[0]);
        let factor = if execute.id == b"INSERT one" { 1 } else { 3 };
        let is_replica = node::replicas(&self.nodes, token.0, factor).contains(&index);
        let owner = std::num::NonZeroU16::new(self.nodes[index].shards)
            .map_or(0, |shards| Sharder::new(shards, IGNORE_MSB).shard_of(token));
        if is_replica && owner == shard {
            self.right_shard += 1;
        } else {
            self.wrong_shard += 1;
        }
        Reply::Rows(node::rows(&["id"], &[vec![values[1].to_vec()]]))
    }

    fn refuse(&mut self, socket: u64, stream: i16, detail: ErrorDetail) {
        let mut frame = Vec::new();
        Response::Error(ErrorBody::new("by chance", detail))
            .encode_frame(
                Version::V4,
                stream,
                &ResponseEnvelope::default(),
                &mut frame,
            )
            .expect("short");
        self.answer(socket, stream, &frame, false);
    }

    fn answer(&mut self, socket: u64, stream: i16, frame: &[u8], ends_handshake: bool) {
        self.sockets
            .get_mut(&socket)
            .expect("open")
            .answered(stream);
        self.say(socket, frame, ends_handshake);
        if ends_handshake && self.nodes[self.sockets[&socket].node].closes_at_once {
            self.cut(socket, ConnectionError::ClosedByServer);
        }
    }

    fn answer_badly(&mut self, socket: u64, stream: i16) {
        let rest = self.nodes[self.sockets[&socket].node]
            .bad_answer
            .expect("looked at");
        let [high, low] = stream.to_be_bytes();
        let frame = [&[0x84, 0, high, low][..], rest].concat();
        self.answer(socket, stream, &frame, false);
        self.cut(socket, ConnectionError::ClosedByServer);
    }

    /// Tells an event to all who have registered with `node`.
    pub(crate) fn send_event(&mut self, node: usize, event: &Event) {
        let mut frame = Vec::new();
        Response::Event(event.clone())
            .encode_frame(Version::V4, -1, &ResponseEnvelope::default(), &mut frame)
            .expect("short");
        let listeners: Vec<u64> = self
            .sockets
            .iter()
            .filter(|(_, s)| s.node == node && s.is_registered && s.is_open())
            .map(|(&socket, _)| socket)
            .collect();
        for socket in listeners {
            self.say(socket, &frame, false);
        }
    }

    /// All nodes tell of something, each in its own time.
    fn gossip(&mut self, event: &Event) {
        for node in 0..self.nodes.len() {
            let delay = MS * self.rng.below(300) as u32;
            let event = event.clone();
            self.after(delay, Happening::EventArises { node, event });
        }
    }

    pub(crate) fn kill(&mut self, index: usize, is_abrupt: bool) {
        self.nodes[index].is_alive = false;
        self.nodes[index].drops_syn = is_abrupt;
        for socket in self.sockets_of(index) {
            if is_abrupt {
                // No FIN, no RST: the machine is gone.
                self.sockets.get_mut(&socket).expect("listed").server_open = false;
            } else {
                self.cut(socket, ConnectionError::ClosedByServer);
            }
        }
        self.gossip(&status(StatusChangeKind::Down, self.nodes[index].address));
    }

    pub(crate) fn restart(&mut self, index: usize) {
        let newest = self.nodes.iter().map(|n| n.schema_version).max();
        let node = &mut self.nodes[index];
        node.is_alive = true;
        node.is_member = true;
        node.prepared.clear();
        node.schema_version = newest.unwrap_or(1);
        let address = node.address;
        self.gossip(&topology(TopologyChangeKind::New, address));
        self.gossip(&status(StatusChangeKind::Up, address));
    }

    pub(crate) fn remove(&mut self, index: usize) {
        self.kill(index, false);
        self.nodes[index].is_member = false;
        self.gossip(&topology(
            TopologyChangeKind::Removed,
            self.nodes[index].address,
        ));
    }

    fn sockets_of(&self, node: usize) -> Vec<u64> {
        let open = |s: &crate::socket::Socket| s.node == node && s.server_open;
        self.sockets
            .iter()
            .filter(|(_, s)| open(s))
            .map(|(&id, _)| id)
            .collect()
    }

    /// Something bad happens.
    pub(crate) fn do_mischief(&mut self) {
        let index = self.rng.below(self.nodes.len());
        let open: Vec<u64> = self
            .by_conn
            .values()
            .copied()
            .filter(|s| self.sockets[s].is_open())
            .collect();
        let victim = if open.is_empty() {
            None
        } else {
            Some(self.rng.pick(&open))
        };
        let members = self.nodes.iter().filter(|n| n.is_member).count();
        match (self.rng.below(12), victim) {
            (0 | 1, _) if self.nodes[index].is_reachable() => {
                let is_abrupt = self.rng.chance(50);
                self.kill(index, is_abrupt);
            }
            (0..=3, _) if !self.nodes[index].is_reachable() => self.restart(index),
            (4, _) => {
                let silence = MS * self.rng.below(6000) as u32;
                self.nodes[index].silent_until = self.now + silence;
            }
            (5, _) => {
                self.nodes[index].shard_port = self.rng.pick(&[
                    ShardPort::Open,
                    ShardPort::Refused,
                    ShardPort::Dropped,
                    ShardPort::Nat,
                    ShardPort::NotAdvertised,
                ]);
            }
            (6, Some(socket)) => self.cut(socket, ConnectionError::Io("reset".to_owned())),
            (7, Some(socket)) => self.sockets.get_mut(&socket).expect("open").is_mute = true,
            (8, Some(socket)) => {
                // Garbage, or the first half of a frame and then nothing more.
                let garbage: Vec<u8> = match self.rng.below(4) {
                    0 => (0..30).map(|_| self.rng.next() as u8).collect(),
                    1 => vec![0x84, 0, 0x7F, 0xFF, 8, 0, 0, 0, 0],
                    2 => vec![0x84, 0, 0, 0, 8, 0x7F, 0xFF, 0xFF, 0xFF],
                    _ => vec![0x84, 0, 0, 0, 8, 0, 0],
                };
                self.say(socket, &garbage, false);
                self.cut(socket, ConnectionError::ClosedByServer);
            }
            (9, _) => self.nodes[index].prepared.clear(),
            (10, _) if members > 1 && self.nodes[index].is_member => self.remove(index),
            (_, _) => {
                let kind = self
                    .rng
                    .pick(&[StatusChangeKind::Up, StatusChangeKind::Down]);
                self.gossip(&status(kind, self.nodes[index].address));
            }
        }
    }

    /// All faults end.
    pub(crate) fn mend(&mut self) {
        self.unkindness = crate::world::Unkindness::default();
        for index in 0..self.nodes.len() {
            self.nodes[index].shard_port = ShardPort::Open;
            self.nodes[index].silent_until = self.now;
            if !self.nodes[index].is_reachable() {
                self.restart(index);
            }
        }
        for socket in self.sockets.values_mut() {
            if socket.is_mute {
                // What was swallowed is gone: such a connection never recovers.
                socket.server_open = false;
            }
        }
    }

    /// Whether all pools have all they should have, by the client's and by the servers' count.
    pub(crate) fn is_covered(&self, per_shard: usize) -> bool {
        let views = self.engine.pool_views(self.now);
        let members: Vec<&Node> = self.nodes.iter().filter(|n| n.is_member).collect();
        let total: usize = members
            .iter()
            .map(|n| usize::from(n.shards.max(1)) * per_shard)
            .sum();
        let right_views = members.iter().all(|node| {
            views.iter().any(|view| {
                let count = |shard| view.connections.iter().filter(|c| c.shard == shard).count();
                view.host_id == node.host_id
                    && view.connections.len() == usize::from(node.shards.max(1)) * per_shard
                    && (0..node.shards).all(|shard| count(Some(shard)) == per_shard)
            })
        });
        let open = self.sockets.values().filter(|s| s.is_open()).count();
        views.len() == members.len() && right_views && open == total + 1
    }
}

const fn status(change: StatusChangeKind, address: SocketAddr) -> Event {
    Event::StatusChange { change, address }
}

const fn topology(change: TopologyChangeKind, address: SocketAddr) -> Event {
    Event::TopologyChange { change, address }
}

/// How long the client may take to mend its pools after the last fault: the block of the shard-aware port
/// does not matter for that, as the normal port is used meanwhile.
pub(crate) const MENDING: Duration = Duration::from_secs(120);
