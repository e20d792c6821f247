//! From bytes to requests: framing, compression, faults, and who may ask what when.

use std::rc::Rc;
use std::sync::Arc;

use shardlane_wire::request::BatchQuery;
use shardlane_wire::{
    FrameError, FrameHeader, Opcode, Request, RequestEnvelope, StreamError, Version, WireError,
};

use super::errors;
use super::task::{Client, MetadataWish, TabletNote};
use crate::faults::{Reaction, RequestContext, ResponseFault, SupportedLie, TabletLie, first_hit};
use crate::net::connection::{ConnectionKey, Phase, UNSENT_MAX};
use crate::node::shard::Shard;

/// What a fault leaves of a request.
enum Judged {
    /// It goes on; SUPPORTED may have to say something that is not true.
    GoOn(Option<SupportedLie>),
    /// It goes on; the answer is not to be true about its tablet.
    Lie(TabletLie),
    /// It has been dealt with.
    Done,
}

impl Shard {
    /// Takes what a connection has read.
    pub(crate) fn on_bytes(&mut self, key: ConnectionKey, mut bytes: &[u8]) {
        // The parser is taken out while its frames are handled, for they may borrow from it.
        let Some(mut parser) = self.connection(key).and_then(|c| c.parser.take()) else {
            return;
        };
        let over = loop {
            if self.must_wait(key, bytes) {
                break false;
            }
            match parser.push(&mut bytes) {
                Ok(Some(frame)) => {
                    self.on_frame(key, &frame.header, frame.body);
                    if let Some(connection) = self.connection(key)
                        && std::mem::take(&mut connection.segments_begin)
                    {
                        parser.begin_segments(connection.compression.is_some());
                    }
                }
                Ok(None) => break false,
                Err(error) => {
                    self.on_broken_frame(key, error);
                    break true;
                }
            }
        };
        // Without a parser nothing more is read from this connection.
        if !over && let Some(connection) = self.connection(key) {
            connection.parser = Some(parser);
        }
    }

    /// Whether the client must first take what it has asked for; the rest of its requests waits.
    fn must_wait(&mut self, key: ConnectionKey, rest: &[u8]) -> bool {
        let Some(connection) = self.connection(key) else {
            return false;
        };
        if connection.unsent() <= UNSENT_MAX {
            return false;
        }
        connection.is_throttled = true;
        connection.unhandled.extend_from_slice(rest);
        true
    }

    /// Says what was wrong, then closes: nobody knows where the next frame would begin.
    fn on_broken_frame(&mut self, key: ConnectionKey, error: StreamError) {
        let Some(connection) = self.connection(key) else {
            return;
        };
        let (message, stream) = match error {
            // Drivers look for these words before they try an older version. The answer itself is in
            // the highest version that there is.
            StreamError::Frame(FrameError::Version { seen, stream }) => {
                if connection.phase == Phase::New {
                    connection.dialect.version = connection.max_version;
                }
                let message = format!("Invalid or unsupported protocol version: {seen}");
                (message, stream)
            }
            StreamError::Frame(error) => (error.to_string(), error.stream()),
            error => (error.to_string(), 0),
        };
        let client = Client {
            connection: key,
            stream,
            tracing_id: None,
            metadata: MetadataWish::Full,
            statement: None,
            tablet: TabletNote::None,
        };
        self.respond_error(&client, errors::protocol(message));
        if let Some(connection) = self.connection(key) {
            connection.closes_when_sent = true;
        }
    }

    fn on_frame(&mut self, key: ConnectionKey, header: &FrameHeader, body: &[u8]) {
        self.refresh();
        self.counters().request();
        let limit = self.shared.config.max_frame_bytes;
        let Some(connection) = self.connection(key) else {
            return;
        };
        if connection.phase == Phase::New {
            // The version of the first frame is that of the connection.
            connection.dialect.version = header.version;
        }
        let mut client = Client {
            connection: key,
            stream: header.stream,
            tracing_id: None,
            metadata: MetadataWish::Full,
            statement: None,
            tablet: TabletNote::None,
        };
        let mut unpacked = Vec::new();
        // In v5 segments are compressed, and the flag means nothing.
        let is_packed =
            header.has(shardlane_wire::Flags::COMPRESSION) && header.version < Version::V5;
        let body = if is_packed {
            let result = match connection.compression {
                Some(compression) => compression
                    .decompress(body, limit, &mut unpacked)
                    .map_err(|error| error.to_string()),
                None => Err("a compressed frame, but no compression was agreed on".to_owned()),
            };
            if let Err(message) = result {
                return self.respond_error(&client, errors::protocol(message));
            }
            &unpacked[..]
        } else {
            body
        };
        let dialect = connection.dialect;
        let envelope = match RequestEnvelope::decode(header, body) {
            Ok(envelope) => envelope,
            Err(error) => return self.on_malformed(&client, &error),
        };
        if envelope.tracing && is_traceable(header.opcode) {
            client.tracing_id = Some(self.rng.uuid());
        }
        let request = match Request::decode(dialect, header.opcode, envelope.body) {
            Ok(request) => request,
            Err(error) => return self.on_malformed(&client, &error),
        };
        let lie = if self.rules.is_empty() {
            None
        } else {
            match self.judge(&client, &request) {
                Judged::GoOn(lie) => lie,
                Judged::Lie(lie) => {
                    client.tablet = TabletNote::Lie(lie);
                    None
                }
                Judged::Done => return,
            }
        };
        self.begin_trace(&client, &request);
        self.dispatch(client, &request, lie, header.version);
        self.leave_trace();
    }

    fn on_malformed(&mut self, client: &Client, error: &WireError) {
        self.respond_error(client, errors::protocol(error.to_string()));
    }

    fn dispatch(
        &mut self,
        client: Client,
        request: &Request<'_>,
        lie: Option<SupportedLie>,
        version: Version,
    ) {
        let Some(connection) = self.connection(client.connection) else {
            return;
        };
        let (phase, agreed) = (connection.phase, connection.dialect.version);
        if version != agreed {
            let message = format!(
                "Invalid message version. Got {version} but previous messages on this connection \
                 had version {agreed}"
            );
            return self.respond_error(&client, errors::protocol(message));
        }
        match (request, phase) {
            (Request::Options, _) => self.on_options(&client, lie),
            (Request::Startup(startup), _) => self.on_startup(&client, startup),
            (Request::AuthResponse(message), _) => self.on_credentials(&client, message),
            (_, Phase::New | Phase::Authenticating) => {
                let message = format!(
                    "Unexpected message {}, expecting {}",
                    request.opcode(),
                    if phase == Phase::New {
                        "STARTUP or OPTIONS"
                    } else {
                        "AUTH_RESPONSE"
                    }
                );
                self.respond_error(&client, errors::protocol(message));
            }
            (Request::Register(register), Phase::Ready) => self.on_register(&client, register),
            (Request::Prepare(prepare), Phase::Ready) => self.on_prepare(&client, prepare),
            (Request::Query(query), Phase::Ready) => self.on_query(client, query),
            (Request::Execute(execute), Phase::Ready) => self.on_execute(client, execute),
            (Request::Batch(batch), Phase::Ready) => self.on_batch(client, batch),
        }
    }

    /// Applies the first fault whose condition holds.
    fn judge(&mut self, client: &Client, request: &Request<'_>) -> Judged {
        let rules = Arc::clone(&self.rules);
        let text = self.text_of(request);
        let Some(connection) = self.connection(client.connection) else {
            return Judged::Done;
        };
        let context = RequestContext {
            opcode: request.opcode(),
            connection: connection.number,
            shard_aware_port: connection.port.is_shard_aware(),
            node: self.id.node as usize,
            shard: self.id.shard,
            text: text.as_deref(),
        };
        let Some(reaction) = first_hit(&rules, &context) else {
            return Judged::GoOn(None);
        };
        match reaction {
            Reaction::Close => {
                self.close(client.connection);
                return Judged::Done;
            }
            Reaction::Error(error) => {
                self.respond_error(client, error.clone());
                return Judged::Done;
            }
            Reaction::WrongShard(shard) => return Judged::GoOn(Some(SupportedLie::Shard(*shard))),
            Reaction::WrongHost => return Judged::GoOn(Some(SupportedLie::Host)),
            Reaction::WrongTablet(lie) => return Judged::Lie(*lie),
            _ => {}
        }
        if let Some(fault) = reaction.response_fault()
            && let Some(connection) = self.connection(client.connection)
        {
            let stream: (i16, ResponseFault) = (client.stream, fault);
            connection.faults.push(stream);
        }
        Judged::GoOn(None)
    }

    /// All CQL of a request, for faults that ask for it.
    pub(crate) fn text_of(&mut self, request: &Request<'_>) -> Option<String> {
        let mut prepared = |id: &[u8]| {
            let id = id.try_into().ok()?;
            let statement = self.statements.get(&self.node.statements, &id)?;
            Some(Rc::clone(&statement).prepared.cql.to_string())
        };
        match request {
            Request::Query(query) => Some(query.text.to_owned()),
            Request::Prepare(prepare) => Some(prepare.text.to_owned()),
            Request::Execute(execute) => prepared(execute.id),
            Request::Batch(batch) => {
                let statements = batch.statements.iter().filter_map(Result::ok);
                let texts = statements.filter_map(|statement| match statement.query {
                    BatchQuery::Text(text) => Some(text.to_owned()),
                    BatchQuery::Prepared(id) => prepared(id),
                });
                Some(texts.collect::<Vec<_>>().join("; "))
            }
            _ => None,
        }
    }
}

/// Requests that drivers may ask to be traced.
const fn is_traceable(opcode: Opcode) -> bool {
    matches!(
        opcode,
        Opcode::Query | Opcode::Prepare | Opcode::Execute | Opcode::Batch
    )
}
