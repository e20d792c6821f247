//! The parser, and everything behind it, on bytes of any kind in pieces of any size.

use proptest::collection::vec;
use proptest::prelude::*;
use shardlane_wire::{
    Direction, Frame, FrameError, FrameHeader, FrameParser, Opcode, Request, RequestEnvelope,
    Response, ResponseEnvelope, ResultBody, Version,
};

/// Frames, then perhaps an error.
type Outcome = (Vec<(FrameHeader, Vec<u8>)>, Option<FrameError>);

fn cut(direction: Direction, pieces: &[&[u8]]) -> Outcome {
    let mut parser = FrameParser::with_max_body_len(direction, 1000);
    let mut frames = Vec::new();
    for mut input in pieces.iter().copied() {
        loop {
            match parser.push(&mut input) {
                Ok(Some(Frame { header, body, .. })) => frames.push((header, body.to_vec())),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
        assert!(input.is_empty(), "all of the input is taken");
    }
    (frames, None)
}

fn split<'a>(mut bytes: &'a [u8], lens: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for len in lens {
        let (piece, rest) = bytes.split_at((*len).min(bytes.len()));
        pieces.push(piece);
        bytes = rest;
    }
    pieces.push(bytes);
    pieces
}

prop_compose! {
    /// A frame, mostly well-formed, with a body of any bytes.
    fn frames(response: bool)(
        opcode in proptest::sample::select(Opcode::ALL.to_vec()),
        version in 2u8..7,
        flags in prop_oneof![Just(0u8), any::<u8>()],
        stream: i16,
        body in vec(any::<u8>(), 0..40),
        extra in prop_oneof![9 => Just(0u32), 1 => any::<u32>()],
        tidy in prop::bool::weighted(0.9),
    ) -> Vec<u8> {
        let wanted = if response { Direction::Response } else { Direction::Request };
        let fallback = if response { Opcode::Result } else { Opcode::Query };
        let opcode = if tidy && opcode.direction() != wanted { fallback } else { opcode };
        let header = FrameHeader {
            version: Version::V4,
            is_response: response,
            flags,
            stream,
            opcode,
            length: (body.len() as u32).wrapping_add(extra),
        };
        let mut bytes = [&header.encode()[..], &body].concat();
        if !tidy {
            bytes[0] = bytes[0] & 0x80 | version;
        }
        bytes
    }
}

proptest! {
    #[test]
    fn no_split_changes_the_outcome(
        stream in vec(frames(true), 0..8),
        lens in vec(0usize..30, 0..20),
    ) {
        let bytes = stream.concat();
        let whole = cut(Direction::Response, &[&bytes]);
        prop_assert_eq!(cut(Direction::Response, &split(&bytes, &lens)), whole.clone());
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        prop_assert_eq!(cut(Direction::Response, &single), whole);
    }

    #[test]
    fn any_body_is_a_message_or_an_error(
        request in frames(false), response in frames(true),
    ) {
        for (header, body) in cut(Direction::Request, &[&request]).0 {
            if let Ok(envelope) = RequestEnvelope::decode(&header, &body) {
                let request = Request::decode(header.version, header.opcode, envelope.body);
                if let Ok(Request::Batch(batch)) = request {
                    prop_assert!(batch.statements.iter().all(|statement| statement.is_ok()));
                }
            }
        }
        for (header, body) in cut(Direction::Response, &[&response]).0 {
            prop_assert!(body.len() <= 1000);
            if let Ok(envelope) = ResponseEnvelope::decode(&header, &body) {
                let response = Response::decode(header.version, header.opcode, envelope.body);
                if let Ok(Response::Result(ResultBody::Rows(rows))) = response {
                    prop_assert!(rows.cell_count() * 4 <= rows.rows.len() as u64);
                    let _ = rows.validate();
                    let _ = rows.metadata.parse_columns();
                }
            }
        }
    }
}
