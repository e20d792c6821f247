//! A client's connection: its socket, what it has negotiated, and the bytes on their way out.

use std::io::{self, Read, Write};
use std::sync::Arc;

use mio::net::TcpStream;
use shardlane_wire::{
    Compression, Dialect, Direction, EventKind, HEADER_LEN, SegmentWriter, StreamParser, Version,
};

use super::tls::Tls;
use crate::coordinator::login::Exchange;
use crate::faults::ResponseFault;
use crate::stats::PortKind;

/// A client that does not read gets no more requests served while this much waits for it.
pub(crate) const UNSENT_MAX: usize = 16 * 1024 * 1024;

/// An output buffer greater than this is given back when it is empty.
const KEEP_CAPACITY_MAX: usize = 256 * 1024;

/// Names a connection of one shard; the generation tells apart those that used one slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ConnectionKey {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

/// How far the handshake has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// STARTUP has not come yet.
    New,
    /// Credentials are wanted.
    Authenticating,
    /// Requests are served.
    Ready,
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) socket: TcpStream,
    /// `None` in plain text.
    pub(crate) tls: Option<Box<Tls>>,
    pub(crate) generation: u32,
    pub(crate) port: PortKind,
    /// The how-manieth connection of its node it is, from 1.
    pub(crate) number: u64,
    /// `None` while its frames are being handled.
    pub(crate) parser: Option<StreamParser>,
    pub(crate) dialect: Dialect,
    /// The highest version that is spoken here.
    pub(crate) max_version: Version,
    /// v5, once STARTUP was answered.
    segments: Option<SegmentWriter>,
    /// An envelope on its way from `out` into a segment; a buffer to reuse.
    envelope: Vec<u8>,
    /// The parser has to go over to segments.
    pub(crate) segments_begin: bool,
    pub(crate) compression: Option<Compression>,
    pub(crate) phase: Phase,
    /// While a client logs in by challenges.
    pub(crate) exchange: Option<Exchange>,
    pub(crate) keyspace: Option<Arc<str>>,
    /// Whether PREPARED marks conditional statements.
    pub(crate) marks_lwt: bool,
    /// Whether answers to requests that have gone astray carry the right tablet.
    pub(crate) tells_tablets: bool,
    events: [bool; EventKind::ALL.len()],
    pub(crate) out: Vec<u8>,
    sent: usize,
    /// In the list of connections that have something to send.
    pub(crate) is_queued: bool,
    /// What is to go wrong with the answers on these streams.
    pub(crate) faults: Vec<(i16, ResponseFault)>,
    /// Nothing more is put into `out`, ever.
    pub(crate) is_silent: bool,
    /// To be closed as soon as everything is sent.
    pub(crate) closes_when_sent: bool,
    /// Reading has stopped because too much waits to be sent.
    pub(crate) is_throttled: bool,
    /// What had been read when that was noticed.
    pub(crate) unhandled: Vec<u8>,
}

/// How reading or writing ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Io {
    /// There is more to do when the socket says so.
    Later,
    /// The connection is over.
    Over,
}

fn parser(max_frame_bytes: usize, max_version: Version) -> StreamParser {
    let mut parser = StreamParser::new(Direction::Request, max_frame_bytes);
    parser.set_versions(Version::V3, max_version);
    parser
}

impl Connection {
    pub(crate) fn new(
        socket: TcpStream,
        tls: Option<Box<Tls>>,
        generation: u32,
        port: PortKind,
        number: u64,
        max_frame_bytes: usize,
        max_version: Version,
    ) -> Self {
        Self {
            socket,
            tls,
            generation,
            port,
            number,
            parser: Some(parser(max_frame_bytes, max_version)),
            max_version,
            segments: None,
            envelope: Vec::new(),
            segments_begin: false,
            dialect: Dialect::new(Version::V4),
            compression: None,
            phase: Phase::New,
            exchange: None,
            keyspace: None,
            marks_lwt: false,
            tells_tablets: false,
            events: [false; EventKind::ALL.len()],
            out: Vec::new(),
            sent: 0,
            is_queued: false,
            faults: Vec::new(),
            is_silent: false,
            closes_when_sent: false,
            is_throttled: false,
            unhandled: Vec::new(),
        }
    }

    /// STARTUP has been answered: in v5 everything that follows travels in segments.
    pub(crate) fn begin_segments(&mut self) {
        if self.dialect.version == Version::V5 {
            self.segments = Some(SegmentWriter::new(self.compression.is_some()));
            self.segments_begin = true;
        }
    }

    /// Puts whole envelopes into the output.
    pub(crate) fn push_frame(&mut self, frame: &[u8]) {
        match (&mut self.segments, frame.split_first_chunk::<HEADER_LEN>()) {
            (Some(segments), Some((header, body))) => segments.push(header, body, &mut self.out),
            _ => self.out.extend_from_slice(frame),
        }
    }

    /// Takes the envelope that begins at `start` out of the output, and puts it into a segment where
    /// there are segments.
    pub(crate) fn wrap(&mut self, start: usize) {
        if self.segments.is_some() && start < self.out.len() {
            let mut envelope = std::mem::take(&mut self.envelope);
            envelope.clear();
            envelope.extend_from_slice(&self.out[start..]);
            self.out.truncate(start);
            self.push_frame(&envelope);
            self.envelope = envelope;
        }
    }

    /// As [`Self::wrap`], in a segment of its own; returns where that begins.
    pub(crate) fn wrap_alone(&mut self, start: usize) -> usize {
        if self.segments.is_none() {
            return start;
        }
        let envelope = self.out.split_off(start);
        self.seal();
        let start = self.out.len();
        self.push_frame(&envelope);
        self.seal();
        start
    }

    /// Closes the segment that answers have been collected in.
    pub(crate) fn seal(&mut self) {
        if let Some(segments) = &mut self.segments {
            segments.seal(&mut self.out);
        }
    }

    pub(crate) const fn register(&mut self, kind: EventKind) {
        self.events[kind as usize] = true;
    }

    pub(crate) const fn is_registered(&self, kind: EventKind) -> bool {
        self.events[kind as usize]
    }

    /// Bytes that wait to be sent.
    pub(crate) const fn unsent(&self) -> usize {
        self.out.len() - self.sent
    }

    /// Reads once. `Ok(0)` is the end of the stream.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(tls) = &mut self.tls {
            return tls.read(&mut self.socket, buffer);
        }
        loop {
            match self.socket.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    /// Sends as much as the socket takes.
    pub(crate) fn flush(&mut self) -> Io {
        self.seal();
        while self.sent < self.out.len() {
            let result = match &mut self.tls {
                Some(tls) => tls.write(&mut self.socket, &self.out[self.sent..]),
                None => self.socket.write(&self.out[self.sent..]),
            };
            match result {
                Ok(0) => return Io::Over,
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Io::Later,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Io::Over,
            }
        }
        if let Some(tls) = &mut self.tls {
            match tls.flush(&mut self.socket) {
                Ok(()) => {}
                // `out` has nothing to send, but is not over either.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Io::Later,
                Err(_) => return Io::Over,
            }
        }
        self.sent = 0;
        if self.out.capacity() > KEEP_CAPACITY_MAX {
            self.out = Vec::new();
        } else {
            self.out.clear();
        }
        if self.closes_when_sent {
            if let Some(tls) = &mut self.tls {
                tls.say_goodbye(&mut self.socket);
            }
            Io::Over
        } else {
            Io::Later
        }
    }
}
