//! A connection as its server sees it.

use std::net::SocketAddr;

use shardlane_wire::{Direction, FrameHeader, HEADER_LEN, SegmentWriter, StreamParser, Version};

const BODY_LEN_MAX: usize = 256 << 20;

/// A connection: what came over it, and what is to go back.
pub(super) struct Line {
    pub(super) address: SocketAddr,
    pub(super) local_port: u16,
    /// From the client, not read yet.
    pub(super) received: Vec<u8>,
    /// To the client.
    pub(super) answers: Vec<u8>,
    parser: StreamParser,
    /// In v5, once STARTUP was answered.
    segments: Option<SegmentWriter>,
}

impl Line {
    pub(super) const fn new(address: SocketAddr, local_port: u16) -> Self {
        let mut parser = StreamParser::new(Direction::Request, BODY_LEN_MAX);
        parser.set_versions(Version::V3, Version::V5);
        Self {
            address,
            local_port,
            received: Vec::new(),
            answers: Vec::new(),
            parser,
            segments: None,
        }
    }

    /// Reads what was received, and has each request answered with the frame that `answer` makes.
    pub(super) fn serve(&mut self, mut answer: impl FnMut(FrameHeader, &[u8]) -> Vec<u8>) {
        self.answers.clear();
        let mut input = &self.received[..];
        while let Some(frame) = self.parser.push(&mut input).expect("sound frames") {
            let frame = answer(frame.header, frame.body);
            match &mut self.segments {
                Some(segments) => {
                    let (header, body) = frame.split_first_chunk::<HEADER_LEN>().expect("a frame");
                    segments.push(header, body, &mut self.answers);
                }
                None => self.answers.extend_from_slice(&frame),
            }
        }
        if let Some(segments) = &mut self.segments {
            segments.seal(&mut self.answers);
        }
        self.received.clear();
    }

    /// The handshake is over: v5 goes on in segments, without compression.
    pub(super) fn begin_segments(&mut self) {
        self.parser.begin_segments(false);
        self.segments = Some(SegmentWriter::new(false));
    }
}
