//! Mutations of real frames. Lengths are mended most of the time, so that mutants get past the
//! header and into the body.

use shardlane_wire::{Compression, Direction, HEADER_LEN, Opcode};

use super::corpus::Corpus;
use super::rng::Rng;

/// Numbers at the edges of what length fields can say.
const EDGES: [i32; 16] = [
    0,
    1,
    2,
    3,
    4,
    8,
    15,
    16,
    127,
    128,
    255,
    256,
    65_535,
    i32::MAX,
    -1,
    -2,
];

/// One to three frames of a session, mutated.
pub(super) fn stream(corpus: &Corpus, direction: Direction, rng: &mut Rng) -> Vec<u8> {
    let frames = corpus.frames(direction);
    let mut out = Vec::new();
    for _ in 0..=rng.below(3) {
        let mut frame = frames[rng.below(frames.len())].clone();
        for _ in 0..rng.below(4) {
            mutate(&mut frame, frames, rng);
        }
        if frame.len() >= HEADER_LEN {
            if rng.one_in(8) {
                // Versions and extensions change how a body is laid out.
                frame[0] = frame[0] & 0x80 | rng.pick(&[3, 4, 5]);
                frame[3] ^= 1;
            }
            if !rng.one_in(16) {
                mend_length(&mut frame);
            }
        }
        out.extend_from_slice(&frame);
    }
    if rng.one_in(16) {
        out.truncate(rng.below(out.len() + 1));
    }
    out
}

/// Writes the true length of the body into the header.
pub(super) fn mend_length(frame: &mut [u8]) {
    let len = (frame.len() - HEADER_LEN) as u32;
    frame[5..HEADER_LEN].copy_from_slice(&len.to_be_bytes());
}

fn mutate(frame: &mut Vec<u8>, others: &[Vec<u8>], rng: &mut Rng) {
    if frame.is_empty() {
        return;
    }
    // The body is where most bytes matter.
    let from = if frame.len() > HEADER_LEN && !rng.one_in(8) {
        HEADER_LEN
    } else {
        0
    };
    let at = from + rng.below(frame.len() - from);
    match rng.below(12) {
        0 => frame[at] ^= 1 << rng.below(8),
        1 => frame[at] = rng.next() as u8,
        2 => frame[at] = rng.pick(&[0, 1, 0x7F, 0x80, 0xFE, 0xFF]),
        3 => put(frame, at, &rng.pick(&EDGES).to_be_bytes()),
        4 => put(frame, at, &(rng.pick(&EDGES) as u16).to_be_bytes()),
        5 => put(frame, at, &(rng.below(40) as u16).to_be_bytes()),
        6 => frame.truncate(at),
        7 => {
            let bytes = rng.bytes(12);
            frame.splice(at..at, bytes);
        }
        8 => {
            let end = (at + 1 + rng.below(12)).min(frame.len());
            frame.drain(at..end);
        }
        9 => {
            // A part of the frame once more.
            let end = (at + 1 + rng.below(40)).min(frame.len());
            let part = frame[at..end].to_vec();
            frame.splice(at..at, part);
        }
        10 => {
            // The head of this frame, the tail of another.
            let other = &others[rng.below(others.len())];
            frame.truncate(at);
            frame.extend_from_slice(&other[rng.below(other.len())..]);
        }
        _ => {
            if frame.len() >= HEADER_LEN {
                frame[4] = rng.pick(&Opcode::ALL).code();
            }
        }
    }
}

fn put(frame: &mut [u8], at: usize, bytes: &[u8]) {
    let end = (at + bytes.len()).min(frame.len());
    frame[at..end].copy_from_slice(&bytes[..end - at]);
}

/// Changes a few characters.
pub(super) fn text(text: &mut Vec<u8>, rng: &mut Rng) {
    for _ in 0..=rng.below(3) {
        let at = rng.below(text.len() + 1);
        let byte = rng.pick(b"(),: =>.aZ09\xC3\xA9\x00");
        match rng.below(3) {
            0 => text.insert(at, byte),
            1 => text.truncate(at),
            _ if at < text.len() => text[at] = byte,
            _ => text.push(byte),
        }
    }
}

/// A body, packed and damaged, or any bytes.
pub(super) fn compressed(corpus: &Corpus, direction: Direction, rng: &mut Rng) -> Vec<u8> {
    let frames = corpus.frames(direction);
    let mut packed = Vec::new();
    let algorithm = rng.pick(&[Compression::Lz4, Compression::Snappy]);
    // Bodies of the corpus are short, so this cannot fail.
    if algorithm
        .compress(&frames[rng.below(frames.len())][HEADER_LEN..], &mut packed)
        .is_err()
    {
        packed.clear();
    }
    for _ in 0..rng.below(3) {
        mutate(&mut packed, frames, rng);
    }
    packed
}
