//! What the simulated nodes do with requests.

use std::time::Duration;

use shardlane_proto::ConnectionError;
use shardlane_routing::{Sharder, murmur3_token};
use shardlane_wire::request::Execute;
use shardlane_wire::{
    Consistency, ErrorBody, ErrorDetail, Event, Opcode, Prepared, Request, Response,
    ResponseEnvelope, ResultBody, RowsMetadata, SchemaChange, SchemaChangeKind, SchemaTarget,
    Value, Version,
};

use crate::node::{self, IGNORE_MSB, Node};
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
                    self.execute(socket, execute, None);
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
            Request::Execute(execute) => {
                match self.execute(socket, &execute, Some(request.stream)) {
                    Some(reply) => reply,
                    // Replicas are asked first.
                    None => return,
                }
            }
            other => panic!("nobody sends {other:?}"),
        };
        let mut frame = Vec::new();
        let envelope = ResponseEnvelope::default();
        match reply {
            Reply::Message(response) => response
                .encode_frame(Version::V4, request.stream, &envelope, &mut frame)
                .expect("short"),
            Reply::Rows(body) => {
                self.answer_rows(socket, request.stream, &body);
                return;
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
            self.change_schema(index, version);
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
            match node::system_table(text, &self.nodes, index) {
                Some(body) => Reply::Rows(body),
                None if text.contains("system.peers_v2") => {
                    let error = ErrorBody::new("unconfigured table peers_v2", ErrorDetail::Invalid);
                    Reply::Message(Response::Error(error))
                }
                None => panic!("nobody asks {text:?}"),
            }
        }
    }

    /// Executes, and answers on `stream`: `None` there means that somebody else answers, `None` as the
    /// result that the answer comes later.
    fn execute<'a>(
        &mut self,
        socket: u64,
        execute: &Execute<'_>,
        stream: Option<i16>,
    ) -> Option<Reply<'a>> {
        let entry = &self.sockets[&socket];
        let (index, shard) = (entry.node, entry.shard);
        if stream.is_some() && !self.nodes[index].prepared.contains(execute.id) {
            let detail = ErrorDetail::Unprepared {
                id: execute.id.into(),
            };
            return Some(error("forgotten", detail));
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
        let token = murmur3_token(values[0]);
        let factor = if execute.id.ends_with(b"one") { 1 } else { 3 };
        let is_replica = node::replicas(&self.nodes, token.0, factor).contains(&index);
        let owner = std::num::NonZeroU16::new(self.nodes[index].shards)
            .map_or(0, |shards| Sharder::new(shards, IGNORE_MSB).shard_of(token));
        if is_replica && owner == shard {
            self.right_shard += 1;
        } else {
            self.wrong_shard += 1;
        }
        let place = (token.0, factor);
        let consistency = execute.params.consistency;
        if execute.id.starts_with(b"SELECT") {
            return Some(match self.read(index, id, place, consistency) {
                Ok(true) => Reply::Rows(node::rows(&["id"], &[vec![values[1].to_vec()]])),
                Ok(false) => Reply::Rows(node::rows(&["id"], &[])),
                Err(detail) => error("too few replicas", detail),
            });
        }
        if self.replicates {
            let asker = stream.map(|stream| (socket, stream));
            if let Err(detail) = self.begin_write(index, asker, id, place, consistency) {
                return Some(error("too few replicas", detail));
            }
            *self.executions.entry(id).or_default() += 1;
            return None;
        }
        *self.executions.entry(id).or_default() += 1;
        Some(Reply::Rows(node::rows(
            &["id"],
            &[vec![values[1].to_vec()]],
        )))
    }

    /// A RESULT with rows, perhaps a while after the request.
    pub(crate) fn answer_rows(&mut self, socket: u64, stream: i16, body: &[u8]) {
        let mut header = shardlane_wire::FrameHeader::response(Version::V4, stream, Opcode::Result);
        header.length = body.len() as u32;
        let mut frame = header.encode().to_vec();
        frame.extend_from_slice(body);
        self.answer(socket, stream, &frame, false);
    }

    /// A node has another schema from now on; others hear of it later.
    pub(crate) fn change_schema(&mut self, of: usize, version: u64) {
        let old = std::mem::replace(&mut self.nodes[of].schema_version, version);
        for at in (0..self.nodes.len()).filter(|&at| at != of) {
            self.nodes[at].outdated.entry(of).or_insert(old);
            let delay = MS * self.rng.below(400) as u32;
            self.after(delay, Happening::NewsOfSchema { at, of });
        }
    }

    pub(crate) fn refuse(&mut self, socket: u64, stream: i16, detail: ErrorDetail) {
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
        let Some(entry) = self.sockets.get_mut(&socket).filter(|s| s.server_open) else {
            return;
        };
        entry.answered(stream);
        if !ends_handshake && self.rng.chance(self.unkindness.truncate) {
            let count = self.rng.below(frame.len());
            self.say(socket, &frame[..count], false);
            self.cut(socket, ConnectionError::ClosedByServer);
            return;
        }
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

fn error<'a>(message: &'a str, detail: ErrorDetail) -> Reply<'a> {
    Reply::Message(Response::Error(ErrorBody::new(message, detail)))
}

/// How long the client may take to mend its pools after the last fault: the block of the shard-aware port
/// does not matter for that, as the normal port is used meanwhile.
pub(crate) const MENDING: Duration = Duration::from_secs(120);
