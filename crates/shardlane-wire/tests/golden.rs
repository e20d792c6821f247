//! Every frame of the sessions captured from a real ScyllaDB must be read, and written back to the
//! same bytes. See `tests/golden/README.md`.

#[path = "golden/session.rs"]
mod session;

use std::collections::{BTreeMap, HashMap};

use serde_json::Value as Json;
use session::{GoldenFrame, load_session, read_json, unhex};
use shardlane_wire::compression::CompressionError;
use shardlane_wire::extensions::OptionKey;
use shardlane_wire::frame::MAX_BODY_LEN;
use shardlane_wire::primitive::{Reader, write_bytes_opt};
use shardlane_wire::result::{encode_columns, parse_columns};
use shardlane_wire::types::{encode_type, read_type, skip_type};
use shardlane_wire::{
    Compression, Dialect, Direction, ErrorDetail, Flags, FrameParser, Opcode, Request,
    RequestEnvelope, Response, ResponseEnvelope, ResultBody, Rows, StartupOptions,
    SupportedOptions, Version,
};

/// The code that the captured server announced for its rate limit error.
const RATE_LIMIT_ERROR: i32 = 0xF000;

/// What a connection has negotiated so far.
struct Connection {
    supported: SupportedOptions,
    dialect: Dialect,
    compression: Option<Compression>,
}

impl Connection {
    fn new() -> Self {
        let dialect = Dialect::V4;
        Self {
            supported: SupportedOptions::default(),
            dialect,
            compression: None,
        }
    }

    /// The body as it was before compression, and a check that our compression can be undone.
    fn plain_body(&self, frame: &GoldenFrame) -> Vec<u8> {
        if !frame.header.has(Flags::COMPRESSION) {
            return frame.body.clone();
        }
        let algorithm = self.compression.expect("compressed before it was agreed");
        let mut plain = Vec::new();
        algorithm
            .decompress(&frame.body, MAX_BODY_LEN, &mut plain)
            .expect("body unpacks");

        let (mut packed, mut again) = (Vec::new(), Vec::new());
        algorithm.compress(&plain, &mut packed).expect("body packs");
        algorithm
            .decompress(&packed, plain.len(), &mut again)
            .expect("our body unpacks");
        assert_eq!(again, plain);
        // The server compresses even the empty body of READY.
        if let Some(max) = plain.len().checked_sub(1) {
            let seen = plain.len();
            let refused = algorithm.decompress(&packed, max, &mut again);
            assert_eq!(refused, Err(CompressionError::TooLong { seen, max }));
        }
        plain
    }

    fn check_request(&mut self, frame: &GoldenFrame, counts: &mut Counts) {
        let plain = self.plain_body(frame);
        let envelope = RequestEnvelope::decode(&frame.header, &plain).expect("envelope");
        let opcode = frame.header.opcode;
        let request = Request::decode(self.dialect, opcode, envelope.body).expect("request");
        let mut out = Vec::new();
        request
            .encode_frame(self.dialect, frame.header.stream, &envelope, &mut out)
            .unwrap();
        assert_eq!(out, frame.plain_bytes(&plain), "{request:?}");
        counts.add(format!("> {opcode}"));

        match request {
            Request::Startup(startup) => {
                let options = StartupOptions::parse(&startup, &self.supported).expect("options");
                self.dialect = options.dialect(Version::V4);
                self.compression = options.compression;
            }
            Request::Query(query) => assert_eq!(query.params.values.iter().count(), 0),
            Request::Execute(execute) => {
                let values = execute.params.values;
                let read = values.iter().filter(Result::is_ok).count();
                assert_eq!(read, usize::from(values.count));
                counts.cells += read;
            }
            Request::Batch(batch) => {
                let mut again = Vec::new();
                for statement in batch.statements.iter() {
                    statement.expect("statement").encode(&mut again).unwrap();
                }
                assert_eq!(again, batch.statements.bytes);
            }
            _ => {}
        }
    }

    fn check_response(&mut self, frame: &GoldenFrame, counts: &mut Counts) {
        let plain = self.plain_body(frame);
        let envelope = ResponseEnvelope::decode(&frame.header, &plain).expect("envelope");
        let opcode = frame.header.opcode;
        let response = Response::decode(self.dialect, opcode, envelope.body).expect("response");
        let mut out = Vec::new();
        response
            .encode_frame(self.dialect, frame.header.stream, &envelope, &mut out)
            .unwrap();
        assert_eq!(out, frame.plain_bytes(&plain), "{response:?}");
        counts.add(format!("< {opcode}"));

        match &response {
            Response::Supported(options) => {
                self.supported = SupportedOptions::parse(options).expect("options");
                let again = self.supported.to_options();
                assert!(
                    again
                        .iter()
                        .map(|(key, _)| *key)
                        .eq(options.iter().map(|(key, _)| *key))
                );
                assert!(
                    again
                        .iter()
                        .zip(options)
                        .all(|(ours, theirs)| ours.1 == theirs.1)
                );
                let shards = self.supported.shard_info.expect("ScyllaDB has shards");
                if frame.is_on_shard_aware_port() {
                    assert_eq!(frame.client_port % shards.nr_shards.get(), shards.shard);
                }
            }
            Response::Error(error) => {
                assert!(
                    !matches!(error.detail, ErrorDetail::Other { .. }),
                    "{error:?}"
                );
                counts.add(error.detail.name().to_owned());
            }
            Response::Event(event) => counts.add(event.kind().as_str().to_owned()),
            Response::Result(ResultBody::Rows(rows)) => counts.cells += check_rows(rows),
            Response::Result(ResultBody::Prepared(prepared)) => {
                let global = prepared.bind_flags & 1 != 0;
                check_columns(prepared.raw_bind_columns, global, prepared.bind_count);
                let metadata = prepared.result_metadata;
                let global = metadata.has_global_table_spec();
                check_columns(metadata.raw_columns, global, metadata.column_count);
                if prepared.bind_flags & self.supported.lwt_mark.expect("offered") != 0 {
                    counts.add("conditional statement".to_owned());
                }
            }
            _ => {}
        }
        for (key, value) in &envelope.custom_payload {
            assert_eq!((*key, value.is_some()), ("tablets-routing-v1", true));
            counts.add("tablet".to_owned());
        }
        if envelope.tracing_id.is_some() {
            counts.add("tracing id".to_owned());
        }
    }
}

/// What was seen, so that a test cannot pass by seeing nothing.
#[derive(Default)]
struct Counts {
    by_kind: BTreeMap<String, usize>,
    cells: usize,
}

impl Counts {
    fn add(&mut self, kind: String) {
        *self.by_kind.entry(kind).or_default() += 1;
    }

    fn get(&self, kind: &str) -> usize {
        self.by_kind.get(kind).copied().unwrap_or(0)
    }

    fn frames(&self) -> usize {
        let is_frame = |kind: &str| kind.starts_with(['<', '>']);
        self.by_kind
            .iter()
            .filter(|(kind, _)| is_frame(kind))
            .map(|(_, count)| count)
            .sum()
    }
}

fn check_columns(raw: &[u8], global: bool, count: u32) {
    let columns = parse_columns(raw, global, count).expect("columns");
    let mut out = Vec::new();
    encode_columns(&columns, global, &mut out).unwrap();
    assert_eq!(out, raw, "{columns:?}");
}

fn check_rows(rows: &Rows<'_>) -> usize {
    let metadata = rows.metadata;
    check_columns(
        metadata.raw_columns,
        metadata.has_global_table_spec(),
        metadata.column_count,
    );
    rows.validate().expect("cells end where the body ends");
    let (mut out, mut cells) = (Vec::new(), rows.cells());
    for _ in 0..rows.cell_count() {
        write_bytes_opt(&mut out, cells.next_cell().expect("cell"), "cell").unwrap();
    }
    assert_eq!(out, rows.rows);
    rows.cell_count() as usize
}

fn check_session(name: &str) -> Counts {
    let mut counts = Counts::default();
    let mut connections = HashMap::new();
    for frame in &load_session(name) {
        let connection = connections
            .entry(frame.connection)
            .or_insert_with(Connection::new);
        match frame.header.direction() {
            Direction::Request => connection.check_request(frame, &mut counts),
            Direction::Response => connection.check_response(frame, &mut counts),
        }
    }
    counts
}

#[test]
fn types_session() {
    let counts = check_session("types");
    assert_eq!(counts.frames(), 2340);
    assert_eq!((counts.get("> QUERY"), counts.get("< RESULT")), (889, 1123));
    assert!(counts.cells > 5_000, "{}", counts.cells);
}

#[test]
fn statements_session() {
    let counts = check_session("statements");
    assert_eq!(counts.frames(), 1185);
    assert_eq!((counts.get("> EXECUTE"), counts.get("> BATCH")), (254, 4));
    assert!(counts.get("tablet") > 0 && counts.get("tracing id") > 0);
    assert!(counts.get("conditional statement") > 0);
}

#[test]
fn statements_session_with_lz4() {
    let counts = check_session("statements-lz4");
    assert_eq!(counts.frames(), 1226);
    assert!(counts.get("tablet") > 0 && counts.get("tracing id") > 0);
}

#[test]
fn errors_session() {
    let counts = check_session("errors");
    assert_eq!((counts.frames(), counts.get("< ERROR")), (227, 19));
    for name in [
        "syntax error",
        "invalid",
        "already exists",
        "unprepared",
        "rate limit reached",
    ] {
        assert!(counts.get(name) > 0, "no {name} among {:?}", counts.by_kind);
    }
}

#[test]
fn routing_session() {
    let counts = check_session("routing");
    assert_eq!((counts.frames(), counts.get("> EXECUTE")), (4690, 1920));
}

#[test]
fn events_session() {
    let counts = check_session("events");
    assert_eq!((counts.frames(), counts.get("< EVENT")), (3442, 18));
    for name in [
        "TOPOLOGY_CHANGE",
        "STATUS_CHANGE",
        "SCHEMA_CHANGE",
        "tablet",
    ] {
        assert!(counts.get(name) > 0, "no {name} among {:?}", counts.by_kind);
    }
}

#[test]
fn auth_session() {
    let counts = check_session("auth");
    assert_eq!(counts.frames(), 115);
    assert_eq!(
        (counts.get("< AUTHENTICATE"), counts.get("< AUTH_SUCCESS")),
        (10, 6)
    );
    assert!(counts.get("authentication error") > 0 && counts.get("unauthorized") > 0);
}

/// The parser must cut the same frames from a stream however it is split.
#[test]
fn streams_are_cut_alike_under_any_split() {
    let frames = load_session("statements");
    for direction in [Direction::Request, Direction::Response] {
        let frames: Vec<_> = frames
            .iter()
            .filter(|f| f.header.direction() == direction)
            .collect();
        let stream: Vec<u8> = frames.iter().flat_map(|frame| frame.bytes()).collect();
        for chunk_len in [1, 2, 3, 8, 9, 10, 61, 997, 65_536, stream.len()] {
            let mut parser = FrameParser::new(direction);
            let mut expected = frames.iter();
            for mut input in stream.chunks(chunk_len) {
                while let Some(frame) = parser.push(&mut input).expect("well-formed") {
                    let golden = expected.next().expect("no more frames than were sent");
                    assert_eq!(
                        (frame.header, frame.body),
                        (golden.header, &golden.body[..])
                    );
                }
                assert!(input.is_empty());
            }
            assert_eq!(
                expected.len(),
                0,
                "all frames found, {chunk_len} bytes at a time"
            );
            assert!(parser.is_between_frames());
        }
    }
}

#[test]
fn type_options_are_read_and_written_back() {
    let Json::Array(values) = read_json("types.json") else {
        panic!("a list")
    };
    assert_eq!(values.len(), 80);
    for value in values {
        let text = |key: &str| value[key].as_str().expect("text").to_owned();
        let option = unhex(&text("type_option"));
        let mut reader = Reader::new(&option);
        let cql_type = read_type(&mut reader).expect("type");
        reader.finish("type").unwrap();
        let mut skipped = Reader::new(&option);
        skip_type(&mut skipped).expect("type");
        assert_eq!(skipped.position(), option.len());

        let mut out = Vec::new();
        encode_type(&cql_type, &mut out).unwrap();
        assert_eq!(out, option, "{cql_type}");
        // The wire does not tell what is frozen.
        let mut name = text("cql_type");
        while let Some(at) = name.find("frozen<") {
            let close = matching_bracket(&name, at + "frozen<".len());
            name.remove(close);
            name.replace_range(at..at + "frozen<".len(), "");
        }
        assert_eq!(cql_type.to_string(), name);
    }
}

/// Where the bracket is closed that was opened just before `from`.
fn matching_bracket(text: &str, from: usize) -> usize {
    let mut open = 1;
    for (offset, byte) in text.bytes().enumerate().skip(from) {
        match byte {
            b'<' => open += 1,
            b'>' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return offset;
        }
    }
    panic!("no closing bracket in {text}");
}

/// What scylla-driver sends in STARTUP is either understood or passed through.
#[test]
fn startup_options_survive_a_round_trip() {
    let supported = SupportedOptions {
        compression: vec!["lz4".into()],
        lwt_mark: Some(1 << 31),
        rate_limit_error: Some(RATE_LIMIT_ERROR),
        tablets_routing_v1: true,
        ..SupportedOptions::default()
    };
    let mut seen = 0;
    for frame in load_session("statements-lz4") {
        if frame.header.opcode != Opcode::Startup {
            continue;
        }
        let decoded = Request::decode(Version::V4, Opcode::Startup, &frame.body);
        let Ok(Request::Startup(startup)) = decoded else {
            panic!("{decoded:?}")
        };
        let options = StartupOptions::parse(&startup, &supported).expect("options");
        assert_eq!(
            options.dialect(Version::V4).rate_limit_error,
            Some(RATE_LIMIT_ERROR)
        );
        assert_eq!(options.compression, Some(Compression::Lz4));
        assert_eq!(
            options.get(OptionKey::DriverVersion.as_str()),
            Some("3.29.12")
        );
        let (mut ours, mut theirs) = (options.to_message().options, startup.options.clone());
        ours.sort();
        theirs.sort();
        assert_eq!(ours, theirs);
        seen += 1;
    }
    assert_eq!(seen, 13);
}

/// The words of every captured ERROR are those that scylla-driver reported for the statement.
#[test]
fn messages_are_those_that_scylla_driver_reported() {
    let Json::Array(reports) = read_json("errors.json") else {
        panic!("a list")
    };
    let reports: Vec<&str> = reports
        .iter()
        .filter_map(|entry| entry["error"].as_str())
        .collect();
    let dialect = Dialect {
        rate_limit_error: Some(RATE_LIMIT_ERROR),
        ..Dialect::V4
    };
    let mut quoted = 0;
    for frame in load_session("errors")
        .iter()
        .filter(|f| f.header.opcode == Opcode::Error)
    {
        let decoded = Response::decode(dialect, Opcode::Error, &frame.body);
        let Ok(Response::Error(error)) = decoded else {
            panic!("{decoded:?}")
        };
        let escaped = error.message.replace('"', "\\\"");
        let found = reports
            .iter()
            .any(|r| r.contains(&*error.message) || r.contains(&escaped));
        quoted += usize::from(found);
    }
    assert!(quoted >= 10, "only {quoted} messages found again");
}
