//! Streams: cut into the same frames however they are split, each a message or refused.

use shardlane_wire::parser::EAGER_RESERVE_MAX;
use shardlane_wire::{Dialect, Direction, FrameError, FrameHeader, FrameParser, Version};

use super::{Depth, check_request, check_response};
use crate::soak::Rng;

/// The limit of the parsers under test, small enough for mutants to exceed it, in bytes.
pub(super) const MAX_BODY_LEN: usize = 64 * 1024;

/// Frames by header and body, and the error that ended the stream.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) frames: Vec<(FrameHeader, Vec<u8>)>,
    pub(super) error: Option<FrameError>,
}

pub(super) fn new_parser(direction: Direction) -> FrameParser {
    let mut parser = FrameParser::with_max_body_len(direction, MAX_BODY_LEN);
    parser.set_versions(Version::V3, Version::V5);
    parser
}

/// Cuts `data` into frames, whole and in pieces, and reads each.
pub fn check_stream(direction: Direction, data: &[u8]) -> Depth {
    let mut depth = Depth::default();
    let mut whole = Outcome::default();
    let mut parser = new_parser(direction);
    let mut input = data;
    loop {
        match parser.push(&mut input) {
            Ok(Some(frame)) => {
                assert_eq!(frame.header.length as usize, frame.body.len());
                depth.frames += 1;
                depth += check_body(direction, &frame.header, frame.body);
                whole.frames.push((frame.header, frame.body.to_vec()));
            }
            Ok(None) => break,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                whole.error = Some(error);
                break;
            }
        }
    }
    assert!(
        whole.error.is_some() || input.is_empty(),
        "all of the input is taken"
    );

    // The splits depend on the data alone, so that an input is all it takes to reproduce.
    let hash = data.iter().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01B3)
    });
    let mut rng = Rng::new(hash);
    let longest = [1, 3, 12, 300][rng.below(4)];
    let pieces = std::iter::repeat_with(|| 1 + rng.below(longest));
    assert_eq!(cut(direction, data, pieces), whole);
    depth
}

fn check_body(direction: Direction, header: &FrameHeader, body: &[u8]) -> Depth {
    // Which extensions were negotiated is not in the frame: its stream id stands in for it.
    let extended = header.stream & 1 != 0;
    let dialect = Dialect {
        version: header.version,
        metadata_id: extended,
        tablet_block: header.stream & 2 != 0,
        rate_limit_error: extended.then_some(0xF000),
    };
    match direction {
        Direction::Request => check_request(dialect, header, body),
        Direction::Response => check_response(dialect, header, body),
    }
}

/// Cuts `data` into frames, fed in pieces of the given lengths.
fn cut(direction: Direction, data: &[u8], lens: impl Iterator<Item = usize>) -> Outcome {
    let mut outcome = Outcome::default();
    let mut parser = new_parser(direction);
    let mut rest = data;
    for len in lens {
        if rest.is_empty() {
            break;
        }
        let (mut input, after) = rest.split_at(len.min(rest.len()));
        rest = after;
        loop {
            match parser.push(&mut input) {
                Ok(Some(frame)) => outcome.frames.push((frame.header, frame.body.to_vec())),
                Ok(None) => break,
                Err(error) => {
                    outcome.error = Some(error);
                    return outcome;
                }
            }
        }
        assert!(parser.buffered_capacity() <= EAGER_RESERVE_MAX.max(2 * data.len()));
    }
    outcome
}
