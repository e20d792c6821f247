//! One connection: handshake, streams, keepalive, keyspace, and the bytes both ways.
//!
//! Methods fall into three families. `handle_*` take in what happened: TCP is up, a frame came, time
//! passed. [`Connection::send`] and [`Connection::abandon`] are what the pool's users do. `poll_event` and
//! [`Connection::unsent`] give out what follows. After any `handle_*`, drain events, then write what
//! is unsent. An error from a `handle_*` means the connection is finished: take the tokens of its
//! requests ([`Connection::unanswered`]) and drop it.
//!
//! Bytes come in three steps, so that the answer to a request is looked at where it lies, in the read buffer:
//! [`Connection::begin_input`] lends the parser, which cuts the bytes into frames, each of which goes to
//! [`Connection::handle_frame`]; [`Connection::end_input`] takes the parser back.

mod handshake;
mod keyspace;
mod login;
mod streams;
mod version;

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;

use shardlane_wire::error::ErrorBody;
use shardlane_wire::request::Query;
use shardlane_wire::{
    Compression, Consistency, Dialect, Direction, ErrorDetail, Event, Flags, Frame, FrameHeader,
    Opcode, QueryParams, Request, Response, ResponseEnvelope, ResultBody, SegmentWriter,
    StreamParser, Version, compression::COMPRESS_FROM_BYTES,
};

use self::handshake::{Handshake, Step};
pub(crate) use self::handshake::{Session, Sharding};
use self::keyspace::KeyspaceState;
use self::streams::{Owner, Released, Streams};
pub(crate) use self::version::Wanted;
use crate::advice::{Advice, AdviceError, LoginStep};
use crate::config::Config;
use crate::error::ConnectionError;
use crate::time::Instant;
use crate::tls_error::{TlsError, TlsFault};

/// Unsent bytes from which a connection counts as busy: the peer does not read.
const UNSENT_BYTES_MAX: usize = 16 << 20;

/// A write buffer that has grown beyond this is given back when it is empty.
const ROOM_KEPT_BYTES_MAX: usize = 256 << 10;

/// Bodies up to so many bytes are copied out of the parser; a longer one that was gathered there is taken as it is.
pub(crate) const COPIED_BYTES_MAX: usize = 4096;

/// A body may take up so many bytes more than four times its length.
const SPARE_BYTES_MAX: usize = 128;

/// What a connection reports to its engine.
#[derive(Debug)]
pub(crate) enum ConnEvent {
    Established(Box<Session>),
    /// The application is asked about the login; answer with [`Connection::handle_advice`].
    Ask {
        class: String,
        step: LoginStep,
    },
    /// The keyspace that this request waited for is in use: answer with [`Connection::send_admitted`], or
    /// with [`Connection::decline`] if it has gone away.
    KeyspaceReady {
        token: u64,
    },
    /// The server refused the keyspace that this request needs.
    KeyspaceRefused {
        token: u64,
        error: ErrorBody,
    },
    /// A server event (after REGISTER).
    Server(Event),
}

/// The answer to a request.
#[derive(Debug)]
pub(crate) struct Reply<'a> {
    /// Of the request.
    pub(crate) token: u64,
    pub(crate) opcode: Opcode,
    pub(crate) flags: u8,
    /// Uncompressed. Borrowed from the read buffer or the parser, if it came so.
    pub(crate) body: Cow<'a, [u8]>,
}

impl Reply<'_> {
    /// Copies the body into `buffer` and takes that, where it fits and was not allocated for far more: an
    /// application may keep its results.
    pub(crate) fn into_body(self, buffer: Vec<u8>) -> Vec<u8> {
        match self.body {
            Cow::Borrowed(bytes)
                if bytes.len() <= buffer.capacity()
                    && buffer.capacity() <= 4 * bytes.len() + SPARE_BYTES_MAX =>
            {
                let mut body = buffer;
                body.clear();
                body.extend_from_slice(bytes);
                body
            }
            body => body.into_owned(),
        }
    }
}

/// How a request left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    /// It is in the write buffer, on this stream; `position` is where it begins in the connection's output.
    OnStream { stream: u16, position: u64 },
    /// It waits for its keyspace; `KeyspaceReady` or `KeyspaceRefused` will come.
    AwaitingKeyspace,
}

/// No stream id is free, or the peer does not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Busy;

#[derive(Debug)]
enum Phase {
    Connecting,
    Handshaking(Handshake),
    Open { keepalive_sent: Option<Instant> },
}

#[derive(Debug)]
pub(crate) struct Connection {
    config: Arc<Config>,
    phase: Phase,
    wanted: Wanted,
    /// `None`: lent, by [`Connection::begin_input`].
    parser: Option<Box<StreamParser>>,
    /// The version was settled just now: the parser is to accept no other.
    settled: bool,
    /// v5, once STARTUP was answered.
    segments: Option<SegmentWriter>,
    dialect: Dialect,
    compression: Option<Compression>,
    streams: Streams,
    keyspace: KeyspaceState,
    events: VecDeque<ConnEvent>,
    out: Vec<u8>,
    out_start: usize,
    /// Total bytes handed to the shell so far.
    written: u64,
    begun: Instant,
    /// Whether the server has said anything.
    heard: bool,
    last_read: Instant,
    /// When to look at the orphans again; until then there is no need to.
    orphans_due: Option<Instant>,
}

impl Connection {
    pub(crate) fn new(config: Arc<Config>, wanted: Wanted, now: Instant) -> Self {
        Self {
            parser: Some(Box::new(StreamParser::new(
                Direction::Response,
                config.frame_body_bytes_max as usize,
            ))),
            settled: false,
            segments: None,
            streams: Streams::new(config.in_flight_per_connection_max),
            config,
            phase: Phase::Connecting,
            dialect: Dialect::new(wanted.first()),
            wanted,
            compression: None,
            keyspace: KeyspaceState::default(),
            events: VecDeque::new(),
            out: Vec::new(),
            out_start: 0,
            written: 0,
            begun: now,
            heard: false,
            last_read: now,
            orphans_due: None,
        }
    }

    /// TCP is up: the handshake begins.
    pub(crate) fn handle_connected(&mut self, now: Instant) {
        self.last_read = now;
        self.phase = Phase::Handshaking(Handshake::AwaitSupported);
        self.send_internal(Owner::Handshake, Opcode::Options, &[]);
    }

    /// Bytes came, split in any way. Lends the parser: what it makes of them goes to [`Self::handle_frame`],
    /// frame by frame, and the parser back to [`Self::end_input`]. `None`: it is lent already.
    pub(crate) fn begin_input(
        &mut self,
        now: Instant,
        input: &[u8],
    ) -> Result<Option<Box<StreamParser>>, ConnectionError> {
        self.last_read = now;
        self.check_first_bytes(input)?;
        if let Phase::Open { keepalive_sent } = &mut self.phase {
            *keepalive_sent = None;
        }
        Ok(self.parser.take())
    }

    /// The bytes are used up, or of no more use.
    pub(crate) fn end_input(&mut self, parser: Box<StreamParser>) {
        self.parser = Some(parser);
        self.continue_keyspace();
    }

    /// After each frame: what it said may change how the next ones are laid out.
    pub(crate) fn adapt(&mut self, parser: &mut StreamParser) {
        if std::mem::take(&mut self.settled) {
            self.settle(parser);
        }
    }

    /// STARTUP was answered: from here on there is one version, and v5 has its segments.
    fn settle(&mut self, parser: &mut StreamParser) {
        let version = self.dialect.version;
        parser.set_versions(version, version);
        if version == Version::V5 {
            let is_compressed = self.compression.is_some();
            parser.begin_segments(is_compressed);
        }
    }

    /// The socket has ended with this error; what that means at this point.
    pub(crate) fn handle_closed(&self, error: &ConnectionError) -> ConnectionError {
        match (&self.phase, error) {
            (
                Phase::Handshaking(Handshake::AwaitSupported),
                ConnectionError::ClosedByServer | ConnectionError::Io(_),
            ) if !self.heard => ConnectionError::HungUp(error.to_string()),
            _ => error.clone(),
        }
    }

    /// A server that wants TLS answers the first plain frame with a TLS alert (type 0x15, version 3.x), which is no
    /// frame of any version, and shorter than its header.
    fn check_first_bytes(&mut self, input: &[u8]) -> Result<(), ConnectionError> {
        if matches!(self.phase, Phase::Handshaking(Handshake::AwaitSupported))
            && !std::mem::replace(&mut self.heard, true)
            && !self.config.tls
            && input.starts_with(&[0x15, 3])
        {
            let what = "the server speaks TLS on this port, and got plain text";
            return Err(ConnectionError::Tls(TlsError::new(
                TlsFault::TlsWanted,
                what,
            )));
        }
        Ok(())
    }

    /// A frame came: returns the answer to a request, if it is one.
    pub(crate) fn handle_frame<'f>(
        &mut self,
        frame: Frame<'f>,
    ) -> Result<Option<Reply<'f>>, ConnectionError> {
        let FrameHeader {
            version,
            flags,
            stream,
            opcode,
            ..
        } = frame.header;
        // In v5 segments are compressed, and the flag means nothing.
        let body = if flags & Flags::COMPRESSION == 0 || self.segments.is_some() {
            Cow::Borrowed(frame.body)
        } else {
            Cow::Owned(self.decompress(frame.body)?)
        };
        let flags = flags & !Flags::COMPRESSION;
        if stream < 0 {
            self.handle_server_event(flags, opcode, &body)?;
            return Ok(None);
        }
        match self.streams.release(stream) {
            Released::Owner(Owner::Request { token, in_keyspace }) => {
                if in_keyspace {
                    self.keyspace.answered();
                }
                self.note_keyspace(flags, opcode, &body);
                return Ok(Some(Reply {
                    token,
                    opcode,
                    flags,
                    body,
                }));
            }
            Released::Orphan { in_keyspace } => {
                if in_keyspace {
                    self.keyspace.answered();
                }
                self.note_keyspace(flags, opcode, &body);
            }
            Released::Owner(Owner::Handshake) => {
                self.continue_handshake(version, flags, opcode, &body)?
            }
            Released::Owner(Owner::Keepalive) => {}
            Released::Owner(Owner::UseKeyspace) => self.finish_use(flags, opcode, &body)?,
            Released::Unknown => {
                return Err(ConnectionError::Protocol(format!(
                    "a response on stream {stream}, where none is due"
                )));
            }
        }
        Ok(None)
    }

    fn decompress(&self, body: &[u8]) -> Result<Vec<u8>, ConnectionError> {
        let Some(compression) = self.compression else {
            return Err(ConnectionError::Protocol(
                "a compressed frame without negotiated compression".to_owned(),
            ));
        };
        let mut out = Vec::new();
        compression
            .decompress(body, self.config.frame_body_bytes_max as usize, &mut out)
            .map_err(|e| ConnectionError::Protocol(e.to_string()))?;
        Ok(out)
    }

    fn handle_server_event(
        &mut self,
        flags: u8,
        opcode: Opcode,
        body: &[u8],
    ) -> Result<(), ConnectionError> {
        // Negative streams other than that of events are left alone, as other drivers do.
        if opcode == Opcode::Event
            && let Response::Event(event) = self.decode(flags, opcode, body)?
        {
            self.events.push_back(ConnEvent::Server(event));
        }
        Ok(())
    }

    fn decode<'a>(
        &self,
        flags: u8,
        opcode: Opcode,
        body: &'a [u8],
    ) -> Result<Response<'a>, ConnectionError> {
        decode_response(self.dialect, flags, opcode, body)
    }

    fn continue_handshake(
        &mut self,
        version: Version,
        flags: u8,
        opcode: Opcode,
        body: &[u8],
    ) -> Result<(), ConnectionError> {
        let Phase::Handshaking(handshake) = std::mem::replace(&mut self.phase, Phase::Connecting)
        else {
            return Err(ConnectionError::Protocol(
                "a handshake message out of turn".to_owned(),
            ));
        };
        let response = self.decode(flags, opcode, body)?;
        if let Response::Error(error) = &response
            && error.detail == ErrorDetail::ProtocolError
            && let asked = self.dialect.version
            && let Some(lower) = self.wanted.lower(asked, version, &error.message)
        {
            return Err(ConnectionError::LowerVersion {
                lower,
                message: error.message.clone(),
            });
        }
        if let (Handshake::AwaitReady(session), Response::Ready | Response::Authenticate(_)) =
            (&handshake, &response)
        {
            self.settled = true;
            if session.dialect.version == Version::V5 {
                self.segments = Some(SegmentWriter::new(session.compression.is_some()));
            }
        }
        let step = handshake.handle(&self.config, self.wanted, &response)?;
        self.take_step(step);
        Ok(())
    }

    /// The application has answered what [`ConnEvent::Ask`] asked.
    pub(crate) fn handle_advice(
        &mut self,
        answer: Result<Advice, AdviceError>,
    ) -> Result<(), ConnectionError> {
        if let Phase::Handshaking(handshake) = std::mem::replace(&mut self.phase, Phase::Connecting)
        {
            let step = handshake.handle_advice(answer)?;
            self.take_step(step);
        }
        Ok(())
    }

    fn take_step(&mut self, step: Step) {
        match step {
            Step::Send { opcode, body, next } => {
                if let Some(session) = next.session() {
                    self.compression = session.compression;
                    self.dialect = session.dialect;
                }
                self.phase = Phase::Handshaking(next);
                self.send_internal(Owner::Handshake, opcode, &body);
            }
            Step::Ask { class, step, next } => {
                self.phase = Phase::Handshaking(next);
                self.events.push_back(ConnEvent::Ask { class, step });
            }
            Step::Done(session) => {
                self.phase = Phase::Open {
                    keepalive_sent: None,
                };
                self.events
                    .push_back(ConnEvent::Established(Box::new(session)));
            }
        }
    }

    /// Puts a request into the write buffer, or aside until its keyspace is in use.
    pub(crate) fn send(
        &mut self,
        token: u64,
        opcode: Opcode,
        flags: u8,
        body: &[u8],
        keyspace: Option<&Arc<str>>,
    ) -> Result<Sent, Busy> {
        if self.unsent().len() > UNSENT_BYTES_MAX {
            return Err(Busy);
        }
        if let Some(keyspace) = keyspace
            && !self.keyspace.admits(keyspace)
        {
            if self.keyspace.waiting_count() >= self.config.in_flight_per_connection_max {
                return Err(Busy);
            }
            self.keyspace.wait(token, keyspace.clone());
            self.continue_keyspace();
            return Ok(Sent::AwaitingKeyspace);
        }
        let (stream, position) = self.send_now(token, opcode, flags, body, keyspace.is_some())?;
        if keyspace.is_some() {
            self.keyspace.sent();
        }
        Ok(Sent::OnStream { stream, position })
    }

    /// Sends the request that `KeyspaceReady` named; says on which stream and from which position on.
    pub(crate) fn send_admitted(
        &mut self,
        token: u64,
        opcode: Opcode,
        flags: u8,
        body: &[u8],
    ) -> Result<(u16, u64), Busy> {
        self.send_now(token, opcode, flags, body, true)
            .inspect_err(|_| self.decline())
    }

    /// The request that `KeyspaceReady` named is not sent after all.
    pub(crate) fn decline(&mut self) {
        self.keyspace.answered();
        self.continue_keyspace();
    }

    fn send_now(
        &mut self,
        token: u64,
        opcode: Opcode,
        flags: u8,
        body: &[u8],
        in_keyspace: bool,
    ) -> Result<(u16, u64), Busy> {
        let owner = Owner::Request { token, in_keyspace };
        let stream = self.streams.take(owner).ok_or(Busy)?;
        let position = self.written + self.unsent().len() as u64;
        self.write_frame(stream, opcode, flags, body);
        Ok((stream, position))
    }

    /// Nobody waits any longer for the request on `stream`, or for the one that awaits its keyspace.
    pub(crate) fn abandon(
        &mut self,
        now: Instant,
        token: u64,
        stream: Option<u16>,
    ) -> Result<(), ConnectionError> {
        match stream {
            Some(stream) => self.streams.orphan(now, stream),
            None => self.keyspace.forget(token),
        }
        self.check_orphans(now)
    }

    /// Time passed: keepalive is due, or patience is at its end.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Result<(), ConnectionError> {
        self.check_orphans(now)?;
        let config = self.config.clone();
        match &mut self.phase {
            Phase::Connecting | Phase::Handshaking(_) => {
                if now >= self.begun + config.connect_timeout {
                    return Err(ConnectionError::HandshakeTimeout(config.connect_timeout));
                }
            }
            Phase::Open {
                keepalive_sent: Some(sent),
            } => {
                if now >= *sent + config.keepalive_timeout {
                    return Err(ConnectionError::KeepaliveTimeout(config.keepalive_timeout));
                }
            }
            Phase::Open {
                keepalive_sent: None,
            } => {
                if now >= self.last_read + config.keepalive_interval {
                    self.probe(now);
                }
            }
        }
        Ok(())
    }

    /// Asks the server for a sign of life.
    pub(crate) fn probe(&mut self, now: Instant) {
        if let Phase::Open {
            keepalive_sent: keepalive_sent @ None,
        } = &mut self.phase
        {
            *keepalive_sent = Some(now);
            self.send_internal(Owner::Keepalive, Opcode::Options, &[]);
        }
    }

    /// When to call [`Self::handle_timeout`] next.
    pub(crate) fn next_timeout(&self) -> Instant {
        let of_phase = match self.phase {
            Phase::Connecting | Phase::Handshaking(_) => self.begun + self.config.connect_timeout,
            Phase::Open {
                keepalive_sent: Some(sent),
            } => sent + self.config.keepalive_timeout,
            Phase::Open {
                keepalive_sent: None,
            } => self.last_read + self.config.keepalive_interval,
        };
        self.orphans_due.map_or(of_phase, |due| due.min(of_phase))
    }

    pub(crate) fn poll_event(&mut self) -> Option<ConnEvent> {
        self.events.pop_front()
    }

    /// Closes the segment that requests have been collected in, before they are written.
    pub(crate) fn seal(&mut self) {
        if let Some(segments) = &mut self.segments {
            segments.seal(&mut self.out);
        }
    }

    /// Whether there is anything to write.
    pub(crate) fn has_unsent(&self) -> bool {
        self.out_start < self.out.len() || self.segments.as_ref().is_some_and(|s| !s.is_empty())
    }

    /// Bytes to write next; [`Self::seal`] comes first.
    pub(crate) fn unsent(&self) -> &[u8] {
        &self.out[self.out_start..]
    }

    /// The shell has written so many of them.
    pub(crate) fn handle_written(&mut self, count: usize) {
        self.out_start += count;
        self.written += count as u64;
        if self.out_start == self.out.len() {
            self.out_start = 0;
            if self.out.capacity() > ROOM_KEPT_BYTES_MAX {
                self.out = Vec::new();
            } else {
                self.out.clear();
            }
        } else if self.out_start > self.out.len() / 2 {
            // Not sooner: the rest is moved, which must not cost more than was written.
            self.out.drain(..self.out_start);
            self.out_start = 0;
        }
    }

    /// Whether any byte of a frame that began at `position` has left.
    pub(crate) const fn has_written_from(&self, position: u64) -> bool {
        self.written > position
    }

    /// Tokens of all requests that have no answer yet: on a stream, waiting for a keyspace, or with an
    /// event that nobody has polled.
    pub(crate) fn unanswered(&self) -> Vec<u64> {
        let unpolled = self.events.iter().filter_map(|event| match event {
            ConnEvent::KeyspaceReady { token } | ConnEvent::KeyspaceRefused { token, .. } => {
                Some(*token)
            }
            ConnEvent::Established(_) | ConnEvent::Ask { .. } | ConnEvent::Server(_) => None,
        });
        self.streams
            .waiting_tokens()
            .chain(self.keyspace.waiting_tokens())
            .chain(unpolled)
            .collect()
    }

    /// Streams in use, orphans included.
    pub(crate) const fn in_flight(&self) -> usize {
        self.streams.in_flight()
    }

    pub(crate) const fn dialect(&self) -> Dialect {
        self.dialect
    }

    fn check_orphans(&mut self, now: Instant) -> Result<(), ConnectionError> {
        if self.orphans_due.is_some_and(|due| now < due) {
            return Ok(());
        }
        // A connection of few streams must not be full of orphans before they are too many.
        let max = self.config.in_flight_per_connection_max / 2;
        let max = self.config.orphans_max.min(max);
        let due = self
            .streams
            .too_many_orphans_at(max, self.config.orphan_age);
        self.orphans_due = due;
        match due {
            Some(due) if now >= due => {
                Err(ConnectionError::TooManyOrphans(self.streams.orphan_count()))
            }
            _ => Ok(()),
        }
    }

    /// Without a free stream nothing is sent, and none is missed: USE has looked before, and of a
    /// keepalive's purpose the requests in flight take care.
    fn send_internal(&mut self, owner: Owner, opcode: Opcode, body: &[u8]) {
        if let Some(stream) = self.streams.take(owner) {
            self.write_frame(stream, opcode, 0, body);
        }
    }

    fn write_frame(&mut self, stream: u16, opcode: Opcode, flags: u8, body: &[u8]) {
        let mut header = FrameHeader::request(self.dialect.version, stream as i16, opcode);
        header.flags = flags;
        header.length = body.len() as u32;
        if let Some(segments) = &mut self.segments {
            segments.push(&header.encode(), body, &mut self.out);
            return;
        }
        if let Some(compression) = self.compression
            && body.len() >= COMPRESS_FROM_BYTES
            && opcode != Opcode::Startup
            && self.dialect.version < Version::V5
        {
            let mut compressed = Vec::new();
            if compression.compress(body, &mut compressed).is_ok() {
                header.flags |= Flags::COMPRESSION;
                header.length = compressed.len() as u32;
                self.out.extend_from_slice(&header.encode());
                self.out.extend_from_slice(&compressed);
                return;
            }
        }
        self.out.extend_from_slice(&header.encode());
        self.out.extend_from_slice(body);
    }

    /// A statement `USE ...` of the application's own changes the connection's keyspace too.
    fn note_keyspace(&mut self, flags: u8, opcode: Opcode, body: &[u8]) {
        const SET_KEYSPACE: [u8; 4] = [0, 0, 0, 3];
        if opcode == Opcode::Result
            && (flags != 0 || body.starts_with(&SET_KEYSPACE))
            && let Ok(Response::Result(ResultBody::SetKeyspace(_))) =
                self.decode(flags, opcode, body)
        {
            self.keyspace.forget_current();
        }
    }

    fn finish_use(
        &mut self,
        flags: u8,
        opcode: Opcode,
        body: &[u8],
    ) -> Result<(), ConnectionError> {
        match self.decode(flags, opcode, body)? {
            Response::Result(ResultBody::SetKeyspace(_)) => self.keyspace.switched(),
            Response::Error(error) => {
                for token in self.keyspace.refused() {
                    self.events.push_back(ConnEvent::KeyspaceRefused {
                        token,
                        error: error.clone(),
                    });
                }
            }
            other => {
                return Err(ConnectionError::Protocol(format!(
                    "{} as the answer to USE",
                    other.opcode()
                )));
            }
        }
        Ok(())
    }

    fn continue_keyspace(&mut self) {
        while let Some(token) = self.keyspace.pop_admitted() {
            self.events.push_back(ConnEvent::KeyspaceReady { token });
        }
        // Without a free stream it waits for the next answer, which frees one.
        if self.streams.has_free()
            && let Some(keyspace) = self.keyspace.begin_switch()
        {
            let query = format!("USE \"{}\"", keyspace.replace('"', "\"\""));
            let mut body = Vec::new();
            // Only texts over 2 GiB fail to encode.
            let _ = Request::Query(plain_query(&query)).encode(self.dialect, &mut body);
            self.send_internal(Owner::UseKeyspace, Opcode::Query, &body);
        }
    }
}

/// A query of the client's own: no values, all rows in one page.
pub(crate) const fn plain_query(text: &str) -> Query<'_> {
    Query {
        text,
        params: QueryParams::new(Consistency::One),
    }
}

/// Decodes a response body whose header flags announce what precedes the message.
pub(crate) fn decode_response<'a>(
    dialect: Dialect,
    flags: u8,
    opcode: Opcode,
    body: &'a [u8],
) -> Result<Response<'a>, ConnectionError> {
    let protocol = |e: shardlane_wire::WireError| ConnectionError::Protocol(e.to_string());
    let header = FrameHeader {
        flags,
        ..FrameHeader::response(dialect.version, 0, opcode)
    };
    let envelope = ResponseEnvelope::decode(&header, body).map_err(protocol)?;
    Response::decode(dialect, opcode, envelope.body).map_err(protocol)
}

#[cfg(test)]
mod tests;
