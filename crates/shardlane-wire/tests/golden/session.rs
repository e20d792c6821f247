//! Loading the captured sessions.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;

use flate2::bufread::GzDecoder;
use serde_json::Value as Json;
use shardlane_wire::{Flags, FrameHeader, Opcode, Version};

/// One captured frame.
pub(crate) struct GoldenFrame {
    pub(crate) connection: u64,
    pub(crate) client_port: u16,
    server: String,
    pub(crate) header: FrameHeader,
    /// As sent, so perhaps compressed.
    pub(crate) body: Vec<u8>,
}

impl GoldenFrame {
    /// The frame as it went over the wire.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        [&self.header.encode()[..], &self.body].concat()
    }

    /// The frame as it would have gone over the wire without compression.
    pub(crate) fn plain_bytes(&self, plain_body: &[u8]) -> Vec<u8> {
        let mut header = self.header;
        header.flags &= !Flags::COMPRESSION;
        header.length = plain_body.len() as u32;
        [&header.encode()[..], plain_body].concat()
    }

    pub(crate) fn is_on_shard_aware_port(&self) -> bool {
        self.server.ends_with(":19042")
    }
}

fn golden_path(name: &str) -> PathBuf {
    [
        env!("CARGO_MANIFEST_DIR"),
        "..",
        "..",
        "tests",
        "golden",
        name,
    ]
    .iter()
    .collect()
}

pub(crate) fn read_json(name: &str) -> Json {
    serde_json::from_slice(&std::fs::read(golden_path(name)).expect("golden file")).expect("JSON")
}

pub(crate) fn load_session(name: &str) -> Vec<GoldenFrame> {
    let path = golden_path("frames").join(format!("{name}.jsonl.gz"));
    let packed = std::fs::read(path).expect("golden session");
    let lines = BufReader::new(GzDecoder::new(&packed[..])).lines();
    lines
        .map(|line| parse_frame(&line.expect("gzip")))
        .collect()
}

fn parse_frame(line: &str) -> GoldenFrame {
    let json: Json = serde_json::from_str(line).expect("JSON");
    let number = |key: &str| json[key].as_i64().expect("number");
    let text = |key: &str| json[key].as_str().expect("text");
    let opcode = Opcode::ALL
        .into_iter()
        .find(|opcode| opcode.as_str() == text("opcode"));
    let body = unhex(text("body"));
    assert_eq!(body.len() as i64, number("length"));
    GoldenFrame {
        connection: number("conn") as u64,
        client_port: number("client_port") as u16,
        server: text("server").to_owned(),
        header: FrameHeader {
            version: Version::from_number(number("version") as u8).expect("version"),
            is_response: text("dir") == "<",
            flags: number("flags") as u8,
            stream: number("stream") as i16,
            opcode: opcode.expect("opcode"),
            length: body.len() as u32,
        },
        body,
    }
}

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    assert!(rest.is_empty(), "an even number of digits");
    let digit = |c: u8| char::from(c).to_digit(16).expect("hex digit") as u8;
    pairs
        .iter()
        .map(|[high, low]| digit(*high) << 4 | digit(*low))
        .collect()
}
