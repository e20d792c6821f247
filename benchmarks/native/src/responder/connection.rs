//! One client's connection, and the one to the server behind that belongs to it.

use std::collections::HashMap;
use std::io::{self, Read, Write};

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use shardlane_wire::frame::{begin_frame, end_frame};
use shardlane_wire::{
    Dialect, Direction, Frame, FrameHeader, FrameParser, Opcode, Request, Response,
    ResponseEnvelope, Version,
};

use super::answers::{Answers, prefix};
use super::listen::{Accepted, Place};
use crate::Fallible;

/// Which end of the connection something happened at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ends {
    /// The driver's.
    Client,
    /// That of the server behind.
    Server,
}

/// A socket, and what is to be written to it.
struct End {
    stream: TcpStream,
    parser: FrameParser,
    out: Vec<u8>,
}

impl End {
    fn new(stream: TcpStream, direction: Direction) -> Self {
        let mut parser = FrameParser::new(direction);
        parser.set_versions(Version::V3, Version::V5);
        Self {
            stream,
            parser,
            out: Vec::new(),
        }
    }

    /// Writes what the socket takes.
    fn flush(&mut self) -> io::Result<()> {
        let mut written = 0;
        while written < self.out.len() {
            match self.stream.write(&self.out[written..]) {
                Ok(length) => written += length,
                Err(error) if is_for_later(&error) => break,
                Err(error) => return Err(error),
            }
        }
        self.out.drain(..written);
        Ok(())
    }

    /// Reads once; `None`: nothing is there. Zero bytes: the other side has closed.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match self.stream.read(buffer) {
            Ok(length) => Ok(Some(length)),
            Err(error) if is_for_later(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn is_for_later(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted | io::ErrorKind::NotConnected
    )
}

/// What of a connection is neither of its ends.
struct State {
    dialect: Dialect,
    shard: u16,
    shard_aware_port: u16,
    /// The client speaks what the parser does not know: its bytes are handed on as they are.
    is_unreadable: bool,
    /// Requests whose answer is to be kept, by stream id.
    learning: HashMap<i16, (Opcode, Box<[u8]>)>,
}

/// A client's connection.
pub(super) struct Connection {
    pub(super) place: Place,
    client: End,
    server: End,
    state: State,
}

impl Connection {
    pub(super) fn new(accepted: Accepted, shard_aware_port: u16) -> Fallible<Self> {
        accepted.client.set_nodelay(true)?;
        let server = TcpStream::connect(accepted.backend)?;
        Ok(Self {
            place: accepted.place,
            client: End::new(accepted.client, Direction::Request),
            server: End::new(server, Direction::Response),
            state: State {
                dialect: Dialect::V4,
                shard: accepted.place.shard,
                shard_aware_port,
                is_unreadable: false,
                learning: HashMap::new(),
            },
        })
    }

    pub(super) fn register(&mut self, registry: &Registry, token: usize) -> io::Result<()> {
        let both = Interest::READABLE | Interest::WRITABLE;
        registry.register(&mut self.client.stream, Token(token), both)?;
        registry.register(&mut self.server.stream, Token(token + 1), both)
    }

    /// Reads all that is there at one end, and writes what follows. Tells whether it stays open.
    /// `is_closed`: the other side sends no more.
    pub(super) fn turn(
        &mut self,
        end: Ends,
        is_closed: bool,
        buffer: &mut [u8],
        answers: &mut Answers,
    ) -> Fallible<bool> {
        loop {
            let from = match end {
                Ends::Client => &mut self.client,
                Ends::Server => &mut self.server,
            };
            let length = match from.read(buffer) {
                Ok(Some(0)) | Err(_) => {
                    // The last words before the end.
                    let _ = (self.client.flush(), self.server.flush());
                    return Ok(false);
                }
                Ok(Some(length)) => length,
                Ok(None) => break,
            };
            let mut input = &buffer[..length];
            let Self {
                client,
                server,
                state,
                ..
            } = self;
            match end {
                Ends::Client if state.is_unreadable => server.out.extend_from_slice(input),
                Ends::Client => loop {
                    match client.parser.push(&mut input) {
                        Ok(Some(frame)) => {
                            state.request(&frame, answers, &mut client.out, &mut server.out)?;
                        }
                        Ok(None) => break,
                        Err(_) => {
                            // A version that nobody knows: the server behind says which it has.
                            state.is_unreadable = true;
                            server.out.extend_from_slice(input);
                            break;
                        }
                    }
                },
                Ends::Server => {
                    while let Some(frame) = server.parser.push(&mut input)? {
                        state.response(&frame, answers, &mut client.out)?;
                    }
                }
            }
            // The next event comes only after the socket was found empty, which a short read shows;
            // but the end of the stream is no event of its own if bytes came along with it.
            if length < buffer.len() && !is_closed {
                break;
            }
        }
        Ok(self.client.flush().is_ok() && self.server.flush().is_ok())
    }
}

impl State {
    /// Answers a request, or hands it on.
    fn request(
        &mut self,
        frame: &Frame<'_>,
        answers: &Answers,
        to_client: &mut Vec<u8>,
        to_server: &mut Vec<u8>,
    ) -> Fallible<()> {
        let (header, body) = (&frame.header, frame.body);
        if let Some(prefix) = prefix(header, self.dialect, body) {
            if let Some(known) = answers.find(header.opcode, prefix) {
                let answer = FrameHeader::response(header.version, header.stream, Opcode::Result);
                return append(to_client, answer, known);
            }
            let key = (header.opcode, prefix.into());
            self.learning.insert(header.stream, key);
        }
        if header.opcode == Opcode::Startup
            && let Request::Startup(startup) = Request::decode(header.version, header.opcode, body)?
        {
            let has = |name: &str| startup.options.iter().any(|(key, _)| key == name);
            self.dialect = Dialect {
                metadata_id: has("SCYLLA_USE_METADATA_ID"),
                ..Dialect::new(header.version)
            };
        }
        append(to_server, *header, body)
    }

    /// Hands an answer on; keeps it if it is one to be repeated.
    fn response(
        &mut self,
        frame: &Frame<'_>,
        answers: &mut Answers,
        to_client: &mut Vec<u8>,
    ) -> Fallible<()> {
        let (header, body) = (&frame.header, frame.body);
        if let Some((opcode, prefix)) = self.learning.remove(&header.stream)
            && header.opcode == Opcode::Result
            && header.flags == 0
        {
            answers.learn(opcode, &prefix, body);
        }
        if header.opcode == Opcode::Supported {
            return self.supported(header, body, to_client);
        }
        append(to_client, *header, body)
    }

    /// SUPPORTED says which shard serves the connection, where the shard-aware port is (here), and that
    /// nothing is compressed.
    fn supported(
        &self,
        header: &FrameHeader,
        body: &[u8],
        to_client: &mut Vec<u8>,
    ) -> Fallible<()> {
        let Response::Supported(mut options) =
            Response::decode(header.version, header.opcode, body)?
        else {
            return Err("SUPPORTED is something else".into());
        };
        let (shard, port) = (self.shard.to_string(), self.shard_aware_port.to_string());
        for (key, values) in &mut options {
            match *key {
                "SCYLLA_SHARD" => *values = vec![&shard],
                "SCYLLA_SHARD_AWARE_PORT" => *values = vec![&port],
                // A compressed request would have to be opened to be known again.
                "COMPRESSION" => values.clear(),
                _ => {}
            }
        }
        let envelope = ResponseEnvelope::default();
        Response::Supported(options).encode_frame(
            header.version,
            header.stream,
            &envelope,
            to_client,
        )?;
        Ok(())
    }
}

fn append(out: &mut Vec<u8>, header: FrameHeader, body: &[u8]) -> Fallible<()> {
    let mark = begin_frame(out, header);
    out.extend_from_slice(body);
    end_frame(out, mark)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use shardlane_wire::{RequestEnvelope, SupportedOptions};

    fn state() -> State {
        State {
            dialect: Dialect::V4,
            shard: 5,
            shard_aware_port: 19_042,
            is_unreadable: false,
            learning: HashMap::new(),
        }
    }

    fn request(stream: i16, value: u8) -> Frame<'static> {
        let bodies: [&[u8]; 2] = [
            &[0, 1, 0xAB, 0, 10, 1, 0, 1, 0, 0, 0, 1, 1],
            &[0, 1, 0xAB, 0, 10, 1, 0, 1, 0, 0, 0, 1, 2],
        ];
        Frame {
            header: FrameHeader::request(Version::V4, stream, Opcode::Execute),
            body: bodies[usize::from(value - 1)],
            is_gathered: false,
        }
    }

    #[test]
    fn the_second_request_of_a_statement_is_answered_here() -> Fallible<()> {
        let (mut state, mut answers) = (state(), Answers::default());
        let (mut to_client, mut to_server) = (Vec::new(), Vec::new());
        state.request(&request(7, 1), &answers, &mut to_client, &mut to_server)?;
        assert_eq!(to_server.len(), 9 + request(7, 1).body.len());
        let answer = Frame {
            header: FrameHeader::response(Version::V4, 7, Opcode::Result),
            body: &[0, 0, 0, 1],
            is_gathered: false,
        };
        state.response(&answer, &mut answers, &mut to_client)?;
        to_client.clear();
        to_server.clear();
        state.request(&request(300, 2), &answers, &mut to_client, &mut to_server)?;
        assert!(to_server.is_empty());
        assert_eq!(to_client, [0x84, 0, 1, 44, 8, 0, 0, 0, 4, 0, 0, 0, 1]);
        Ok(())
    }

    #[test]
    fn an_error_is_not_repeated() -> Fallible<()> {
        let (mut state, mut answers) = (state(), Answers::default());
        let (mut to_client, mut to_server) = (Vec::new(), Vec::new());
        for _ in 0..2 {
            to_server.clear();
            state.request(&request(7, 1), &answers, &mut to_client, &mut to_server)?;
            assert!(!to_server.is_empty());
            let error = Frame {
                header: FrameHeader::response(Version::V4, 7, Opcode::Error),
                body: &[0, 0, 0, 0, 0, 0],
                is_gathered: false,
            };
            state.response(&error, &mut answers, &mut to_client)?;
        }
        Ok(())
    }

    #[test]
    fn supported_tells_of_this_port_and_shard() -> Fallible<()> {
        let told = Response::Supported(vec![
            ("SCYLLA_SHARD", vec!["0"]),
            ("SCYLLA_NR_SHARDS", vec!["8"]),
            ("SCYLLA_SHARDING_IGNORE_MSB", vec!["12"]),
            (
                "SCYLLA_SHARDING_ALGORITHM",
                vec!["biased-token-round-robin"],
            ),
            (
                "SCYLLA_PARTITIONER",
                vec!["org.apache.cassandra.dht.Murmur3Partitioner"],
            ),
            ("SCYLLA_SHARD_AWARE_PORT", vec!["9999"]),
            ("COMPRESSION", vec!["lz4"]),
        ]);
        let mut body = Vec::new();
        told.encode(Version::V4, &mut body)?;
        let frame = Frame {
            header: FrameHeader::response(Version::V4, 3, Opcode::Supported),
            body: &body,
            is_gathered: false,
        };
        let mut out = Vec::new();
        state().response(&frame, &mut Answers::default(), &mut out)?;
        let mut parser = FrameParser::new(Direction::Response);
        let mut input = &out[..];
        let frame = parser.push(&mut input)?.ok_or("no whole frame")?;
        assert_eq!(frame.header.stream, 3);
        let Response::Supported(options) =
            Response::decode(Version::V4, frame.header.opcode, frame.body)?
        else {
            return Err("not SUPPORTED".into());
        };
        let options = SupportedOptions::parse(&options)?;
        assert_eq!(options.shard_info.map(|info| info.shard), Some(5));
        assert_eq!(options.shard_aware_port, Some(19_042));
        assert!(options.compression.is_empty());
        Ok(())
    }

    #[test]
    fn startup_says_whether_requests_carry_a_metadata_id() -> Fallible<()> {
        let options = shardlane_wire::StartupOptions {
            cql_version: "3.0.0".to_owned(),
            compression: None,
            lwt_mark: None,
            rate_limit_error: None,
            tablets_routing_v1: false,
            tablets_routing_v2: false,
            use_metadata_id: true,
            other: Vec::new(),
        };
        let mut bytes = Vec::new();
        let envelope = RequestEnvelope::default();
        Request::Startup(options.to_message()).encode_frame(
            Version::V4,
            0,
            &envelope,
            &mut bytes,
        )?;
        let mut parser = FrameParser::new(Direction::Request);
        let mut input = &bytes[..];
        let frame = parser.push(&mut input)?.ok_or("no whole frame")?;
        let mut state = state();
        let mut to_server = Vec::new();
        state.request(&frame, &Answers::default(), &mut Vec::new(), &mut to_server)?;
        assert!(state.dialect.has_metadata_id());
        assert_eq!(to_server, bytes, "it is handed on as it came");
        Ok(())
    }
}
