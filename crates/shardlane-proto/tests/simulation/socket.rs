//! A simulated TCP connection, and the server's end of it.

use std::collections::BTreeSet;

use shardlane_proto::{ConnId, Instant};
use shardlane_wire::{Direction, FrameParser, Opcode, Request, Version};

/// A whole request frame that has reached the server.
#[derive(Debug, Clone)]
pub(crate) struct Arrived {
    pub(crate) stream: i16,
    pub(crate) opcode: Opcode,
    pub(crate) body: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) conn: ConnId,
    pub(crate) node: usize,
    pub(crate) shard: u16,
    pub(crate) local_port: u16,
    /// TCP is up, as the client knows.
    pub(crate) is_connected: bool,
    pub(crate) client_open: bool,
    pub(crate) server_open: bool,
    /// The handshake is not over: counts as a connection attempt.
    pub(crate) is_attempt: bool,
    /// Nothing the server says arrives any more.
    pub(crate) is_mute: bool,
    pub(crate) is_registered: bool,
    pub(crate) keyspace: Option<String>,
    /// Bytes are not reordered within one direction: when the last ones arrive.
    pub(crate) to_client_at: Instant,
    pub(crate) to_server_at: Instant,
    parser: FrameParser,
    busy_streams: BTreeSet<i16>,
    tap: Tap,
}

/// Looks at what the client writes and reads: a stream is taken until its answer has come in.
#[derive(Debug)]
struct Tap {
    requests: FrameParser,
    /// `None` once the server has said something that is no frame.
    responses: Option<FrameParser>,
    awaited: BTreeSet<i16>,
}

impl Socket {
    pub(crate) fn new(conn: ConnId, node: usize, shard: u16, local_port: u16) -> Self {
        Self {
            conn,
            node,
            shard,
            local_port,
            is_connected: false,
            client_open: true,
            server_open: true,
            is_attempt: true,
            is_mute: false,
            is_registered: false,
            keyspace: None,
            to_client_at: Instant(0),
            to_server_at: Instant(0),
            parser: FrameParser::new(Direction::Request),
            busy_streams: BTreeSet::new(),
            tap: Tap {
                requests: FrameParser::new(Direction::Request),
                responses: Some(FrameParser::new(Direction::Response)),
                awaited: BTreeSet::new(),
            },
        }
    }

    /// The client has written so much.
    pub(crate) fn client_wrote(&mut self, mut bytes: &[u8]) {
        while let Some(frame) = self.tap.requests.push(&mut bytes).expect("a sound frame") {
            let stream = frame.header.stream;
            assert!(
                self.tap.awaited.insert(stream) || self.tap.responses.is_none(),
                "stream {stream} was reused before its answer came in"
            );
        }
    }

    /// Streams whose answer the client waits for.
    pub(crate) fn awaited(&self) -> usize {
        self.tap.awaited.len()
    }

    /// The client is about to read so much.
    pub(crate) fn client_reads(&mut self, mut bytes: &[u8]) {
        while let Some(parser) = &mut self.tap.responses {
            match parser.push(&mut bytes) {
                Ok(Some(frame)) => {
                    self.tap.awaited.remove(&frame.header.stream);
                }
                Ok(None) => return,
                Err(_) => self.tap.responses = None,
            }
        }
    }

    pub(crate) const fn is_open(&self) -> bool {
        self.is_connected && self.client_open && self.server_open
    }

    /// Bytes reached the server: the frames that they complete.
    pub(crate) fn receive(&mut self, mut input: &[u8]) -> Vec<Arrived> {
        let mut arrived = Vec::new();
        while let Some(frame) = self.parser.push(&mut input).expect("a sound frame") {
            let (stream, opcode) = (frame.header.stream, frame.header.opcode);
            assert!(
                self.busy_streams.insert(stream),
                "stream {stream} was reused before its answer was sent"
            );
            Request::decode(Version::V4, opcode, frame.body).expect("a sound request");
            arrived.push(Arrived {
                stream,
                opcode,
                body: frame.body.to_vec(),
            });
        }
        arrived
    }

    pub(crate) fn answered(&mut self, stream: i16) {
        assert!(self.busy_streams.remove(&stream), "answered twice");
    }
}
