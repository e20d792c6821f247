//! The byte stream of a connection: frames out of it, and segments both ways.

use std::hint::black_box;

use shardlane_wire::{
    Direction, FrameParser, HEADER_LEN, Opcode, SegmentWriter, StreamParser, Version,
};

use super::server::frame;
use super::wire::page;
use crate::case::{Case, Subject};

/// Frames of a run.
const COUNT: u32 = 64;
/// Rows of a page that comes in many reads.
const ROWS: u32 = 5000;
/// What a socket gives at a time, as a rule.
const READ_BYTES: usize = 64 << 10;
const BODY_LEN_MAX: usize = 256 << 20;

const fn case(name: &'static str, make: fn() -> Box<dyn Subject>) -> Case {
    Case {
        name,
        units: COUNT,
        unit: "frame",
        make,
    }
}

pub(super) const CASES: [Case; 8] = [
    case("parser/whole_frames", || cut(usize::MAX, 0)),
    // Each read ends with the first bytes of a header, or of a body.
    case("parser/split_headers", || cut(frame_len(), 4)),
    case("parser/split_bodies", || cut(frame_len(), HEADER_LEN + 4)),
    Case {
        name: "parser/page_of_5000_rows",
        units: 1,
        unit: "page",
        make: || {
            let bytes = frame(Version::V4, 1, Opcode::Result, &page(ROWS, false));
            parsing(bytes, READ_BYTES, 1)
        },
    },
    case("segments/write", || writing(false)),
    case("segments/write_lz4", || writing(true)),
    case("segments/read", || reading(false)),
    case("segments/read_lz4", || reading(true)),
];

fn frame_len() -> usize {
    HEADER_LEN + page(1, false).len()
}

/// Frames with one row each, in reads of `read` bytes that begin `at` bytes into a frame.
fn cut(read: usize, at: usize) -> Box<dyn Subject> {
    let answer = frame(Version::V4, 1, Opcode::Result, &page(1, false));
    let mut bytes = answer.repeat(COUNT as usize);
    bytes.rotate_left(at);
    let mut parser = FrameParser::new(Direction::Response);
    assert_eq!(parser.push(&mut &answer[..at]), Ok(None));
    parsing_with(parser, bytes, read, COUNT)
}

fn parsing(bytes: Vec<u8>, read: usize, frames: u32) -> Box<dyn Subject> {
    let parser = FrameParser::new(Direction::Response);
    parsing_with(parser, bytes, read, frames)
}

fn parsing_with(
    mut parser: FrameParser,
    bytes: Vec<u8>,
    read: usize,
    frames: u32,
) -> Box<dyn Subject> {
    Box::new(move || {
        let mut seen = 0;
        for mut input in black_box(&bytes[..]).chunks(read) {
            while let Some(frame) = parser.push(&mut input).expect("sound") {
                black_box(frame);
                seen += 1;
            }
        }
        assert_eq!(seen, frames);
    })
}

fn envelope() -> ([u8; HEADER_LEN], Vec<u8>) {
    let mut bytes = frame(Version::V5, 1, Opcode::Result, &page(1, false));
    let body = bytes.split_off(HEADER_LEN);
    (bytes.try_into().expect("a header"), body)
}

/// Collects envelopes into one segment.
fn write(writer: &mut SegmentWriter, out: &mut Vec<u8>, header: [u8; HEADER_LEN], body: &[u8]) {
    out.clear();
    for _ in 0..COUNT {
        writer.push(&header, body, out);
    }
    writer.seal(out);
}

fn writing(is_compressed: bool) -> Box<dyn Subject> {
    let (header, body) = envelope();
    let (mut writer, mut out) = (SegmentWriter::new(is_compressed), Vec::new());
    Box::new(move || {
        write(&mut writer, &mut out, header, black_box(&body));
        black_box(&out);
    })
}

fn reading(is_compressed: bool) -> Box<dyn Subject> {
    let (header, body) = envelope();
    let (mut writer, mut bytes) = (SegmentWriter::new(is_compressed), Vec::new());
    write(&mut writer, &mut bytes, header, &body);
    let mut parser = StreamParser::new(Direction::Response, BODY_LEN_MAX);
    parser.set_versions(Version::V5, Version::V5);
    parser.begin_segments(is_compressed);
    Box::new(move || {
        let (mut input, mut seen) = (black_box(&bytes[..]), 0);
        while let Some(frame) = parser.push(&mut input).expect("sound") {
            black_box(frame);
            seen += 1;
        }
        assert_eq!(seen, COUNT);
    })
}
