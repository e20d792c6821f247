//! The captured sessions.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;

use flate2::bufread::GzDecoder;
use serde_json::Value as Json;
use shardlane_wire::request::Startup;
use shardlane_wire::{
    Compression, Event, Flags, FrameHeader, Opcode, Request, Response, ResponseEnvelope, Version,
};

/// The largest body that a captured frame may have when unpacked.
const BODY_MAX: usize = 64 * 1024 * 1024;

/// A frame, decompressed.
pub(crate) struct Frame {
    /// When it was seen, since the session's beginning.
    pub(crate) seconds: f64,
    pub(crate) connection: u64,
    pub(crate) client_port: u16,
    /// The last byte of the server's address.
    pub(crate) server: u8,
    pub(crate) is_shard_aware_port: bool,
    pub(crate) header: FrameHeader,
    pub(crate) body: Vec<u8>,
}

/// What happened next in a session.
pub(crate) enum Step {
    /// A request, with its answer if one was captured.
    Ask {
        request: Frame,
        response: Option<Frame>,
    },
    /// An event reached a client, so many seconds after the session's beginning.
    Event(Event, f64),
}

/// Reads a session: requests in the order sent, each with its own answer.
pub(crate) fn load(session: &str) -> Vec<Step> {
    let frames = read(session);
    let mut answers: HashMap<(u64, i16), Vec<usize>> = HashMap::new();
    for (at, frame) in frames.iter().enumerate() {
        if frame.header.is_response && frame.header.opcode != Opcode::Event {
            answers
                .entry((frame.connection, frame.header.stream))
                .or_default()
                .push(at);
        }
    }
    let mut partner = vec![None; frames.len()];
    for (at, frame) in frames.iter().enumerate() {
        if !frame.header.is_response
            && let Some(waiting) = answers.get_mut(&(frame.connection, frame.header.stream))
            && let Some(first) = waiting.iter().position(|answer| *answer > at)
        {
            partner[at] = Some(waiting.remove(first));
        }
    }
    let mut frames: Vec<Option<Frame>> = frames.into_iter().map(Some).collect();
    let mut steps = Vec::new();
    for at in 0..frames.len() {
        let Some(frame) = frames[at]
            .take_if(|frame| !frame.header.is_response || frame.header.opcode == Opcode::Event)
        else {
            continue;
        };
        steps.push(if frame.header.is_response {
            let event = Event::decode(Version::V4, &frame.body).expect("an event");
            Step::Event(event, frame.seconds)
        } else {
            let response = partner[at].and_then(|answer| frames[answer].take());
            Step::Ask {
                request: frame,
                response,
            }
        });
    }
    steps
}

fn read(session: &str) -> Vec<Frame> {
    let path: PathBuf = [
        env!("CARGO_MANIFEST_DIR"),
        "..",
        "..",
        "tests",
        "golden",
        "frames",
    ]
    .iter()
    .collect();
    let packed = std::fs::read(path.join(format!("{session}.jsonl.gz"))).expect("a session");
    let mut compressions: HashMap<u64, Compression> = HashMap::new();
    let lines = BufReader::new(GzDecoder::new(&packed[..])).lines();
    lines
        .map(|line| {
            let mut frame = parse(&line.expect("gzip"));
            if frame.header.has(Flags::COMPRESSION) {
                let mut body = Vec::new();
                compressions[&frame.connection]
                    .decompress(&frame.body, BODY_MAX, &mut body)
                    .expect("sound compression");
                frame.body = body;
            } else if frame.header.opcode == Opcode::Startup {
                let startup = Startup::decode(Version::V4, &frame.body).expect("STARTUP");
                let options = startup.options.iter();
                let chosen = options.filter(|(key, _)| key == "COMPRESSION");
                for compression in chosen.filter_map(|(_, name)| Compression::from_name(name)) {
                    compressions.insert(frame.connection, compression);
                }
            }
            frame
        })
        .collect()
}

fn parse(line: &str) -> Frame {
    let json: Json = serde_json::from_str(line).expect("JSON");
    let number = |key: &str| json[key].as_i64().expect("a number");
    let text = |key: &str| json[key].as_str().expect("a text");
    let opcode = Opcode::ALL
        .into_iter()
        .find(|opcode| opcode.as_str() == text("opcode"));
    let body = unhex(text("body"));
    let (address, port) = text("server").split_once(':').expect("address and port");
    Frame {
        seconds: json["t"].as_f64().expect("seconds"),
        connection: number("conn") as u64,
        client_port: number("client_port") as u16,
        server: address
            .rsplit('.')
            .next()
            .and_then(|last| last.parse().ok())
            .expect("IPv4"),
        is_shard_aware_port: port == "19042",
        header: FrameHeader {
            version: Version::from_number(number("version") as u8).expect("a version"),
            is_response: text("dir") == "<",
            flags: number("flags") as u8,
            stream: number("stream") as i16,
            opcode: opcode.expect("an opcode"),
            length: body.len() as u32,
        },
        body,
    }
}

fn unhex(text: &str) -> Vec<u8> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    assert!(rest.is_empty(), "an even number of digits");
    let digit = |c: u8| char::from(c).to_digit(16).expect("a hex digit") as u8;
    pairs
        .iter()
        .map(|[high, low]| digit(*high) << 4 | digit(*low))
        .collect()
}

impl Frame {
    /// The request, without what surrounds it.
    pub(crate) fn request(&self) -> Request<'_> {
        Request::decode(Version::V4, self.header.opcode, &self.body).expect("a request")
    }

    /// The response, without what surrounds it.
    pub(crate) fn response(&self) -> Response<'_> {
        let envelope = ResponseEnvelope::decode(&self.header, &self.body).expect("an envelope");
        Response::decode(Version::V4, self.header.opcode, envelope.body).expect("a response")
    }
}
