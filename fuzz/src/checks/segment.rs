//! Segments of v5: cut into the same envelopes however the stream is split, damage noticed, no panic
//! whatever the bytes.

use shardlane_wire::{
    Direction, FrameHeader, HEADER_LEN, SegmentWriter, StreamError, StreamParser,
};

use super::Depth;
use super::stream::{MAX_BODY_LEN, new_parser};
use crate::soak::Rng;

#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    frames: Vec<(FrameHeader, Vec<u8>)>,
    error: Option<StreamError>,
}

/// Reads `data` as segments; and puts the frames that it is made of, as far as they are frames, into
/// segments and reads those.
pub fn check_segments(direction: Direction, compressed: bool, data: &[u8]) -> Depth {
    let hash = data.iter().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01B3)
    });
    let mut rng = Rng::new(hash);
    let mut depth = Depth::default();

    // Whatever the bytes: the same in one piece and in many.
    let whole = read(direction, compressed, data, &mut || data.len());
    let longest = [1, 3, 12, 300][rng.below(4)];
    let pieces = read(direction, compressed, data, &mut || 1 + rng.below(longest));
    assert_eq!(whole, pieces);

    let (mut parser, mut input) = (new_parser(direction), data);
    let mut sent = Vec::new();
    while let Ok(Some(frame)) = parser.push(&mut input) {
        sent.push((frame.header, frame.body.to_vec()));
    }
    let (mut writer, mut wire) = (SegmentWriter::new(compressed), Vec::new());
    for (header, body) in &sent {
        let header: &[u8; HEADER_LEN] = &header.encode();
        writer.push(header, body, &mut wire);
        if rng.one_in(4) {
            writer.seal(&mut wire);
        }
    }
    writer.seal(&mut wire);
    let longest = [1, 7, 100, 5000][rng.below(4)];
    let got = read(direction, compressed, &wire, &mut || 1 + rng.below(longest));
    assert_eq!((got.error, &got.frames), (None, &sent), "nothing is lost");
    depth.frames += sent.len() as u64;

    // One wrong bit: what comes out is what was sent, up to where it is noticed.
    if !wire.is_empty() {
        let bit = rng.below(wire.len() * 8);
        wire[bit / 8] ^= 1 << (bit % 8);
        let got = read(direction, compressed, &wire, &mut || 1 + rng.below(longest));
        assert!(
            matches!(got.error, Some(StreamError::Segment(_))),
            "{got:?}"
        );
        assert!(sent.starts_with(&got.frames));
        depth.refused += 1;
    }
    depth
}

fn read(
    direction: Direction,
    compressed: bool,
    data: &[u8],
    next_len: &mut dyn FnMut() -> usize,
) -> Outcome {
    let mut parser = StreamParser::new(direction, MAX_BODY_LEN);
    parser.begin_segments(compressed);
    let (mut outcome, mut rest) = (Outcome::default(), data);
    while !rest.is_empty() {
        let (mut input, after) = rest.split_at(next_len().min(rest.len()));
        rest = after;
        loop {
            match parser.push(&mut input) {
                Ok(Some(frame)) => outcome.frames.push((frame.header, frame.body.to_vec())),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(parser.push(&mut input), Err(error), "the error stays");
                    outcome.error = Some(error);
                    return outcome;
                }
            }
        }
        assert!(input.is_empty(), "all of the input is taken");
    }
    outcome
}
