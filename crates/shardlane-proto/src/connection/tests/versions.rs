//! Versions: which one is spoken, and the segments of v5.

use shardlane_wire::compression::COMPRESS_FROM_BYTES;
use shardlane_wire::frame::HEADER_LEN;

use super::*;

const CASSANDRA: [&str; 4] = ["3/v3", "4/v4", "5/v5", "6/v6-beta"];

fn cassandra(versions: &[&'static str]) -> Response<'static> {
    Response::Supported(vec![
        ("CQL_VERSION", vec!["3.4.7"]),
        ("COMPRESSION", vec!["lz4", "snappy"]),
        ("PROTOCOL_VERSIONS", versions.to_vec()),
    ])
}

fn frame_in(version: Version, stream: i16, response: &Response<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    response
        .encode_frame(version, stream, &ResponseEnvelope::default(), &mut out)
        .unwrap();
    out
}

/// The connection after its handshake with Cassandra, in v5 if nothing speaks against it.
fn open(versions: &[&'static str], adapt: impl FnOnce(&mut Config)) -> (Bench, Session) {
    let mut bench = Bench::new(adapt);
    bench.sent();
    bench.answer(0, &cassandra(versions)).unwrap();
    let startup = bench.conn.unsent().to_vec();
    bench.sent();
    let version = Version::from_number(startup[0]).unwrap();
    // The answer to STARTUP is the last bare one.
    let ready = frame_in(version, 0, &Response::Ready);
    bench.conn.handle_bytes(bench.now, &ready).unwrap();
    let Some(Told::Event(ConnEvent::Established(session))) = bench.conn.poll() else {
        panic!("not established");
    };
    assert_eq!(session.dialect.version, version);
    if version == Version::V5 {
        let is_compressed = session.compression.is_some();
        bench.requests.begin_segments(is_compressed);
    }
    (bench, *session)
}

fn segments(compressed: bool, frames: &[Vec<u8>]) -> Vec<u8> {
    let (mut writer, mut out) = (SegmentWriter::new(compressed), Vec::new());
    for frame in frames {
        let (header, body) = frame.split_first_chunk::<HEADER_LEN>().unwrap();
        writer.push(header, body, &mut out);
    }
    writer.seal(&mut out);
    out
}

#[test]
fn the_best_version_is_spoken() {
    for (versions, spoken) in [
        (&CASSANDRA[..], Version::V5),
        (&["3/v3", "4/v4", "5/v5-beta"], Version::V4),
        (&["3/v3"], Version::V3),
    ] {
        let (mut bench, session) = open(versions, |_| {});
        assert_eq!(session.dialect, Dialect::new(spoken));
        let stream = bench.stream_of(7, None);
        bench.conn.seal();
        assert_eq!(bench.sent(), [(stream as i16, Opcode::Query, query_body())]);
    }
}

fn query_body() -> Vec<u8> {
    let mut body = Vec::new();
    Request::Query(plain_query("SELECT"))
        .encode(Dialect::V4, &mut body)
        .unwrap();
    body
}

#[test]
fn an_explicit_version_is_spoken_or_refused() {
    for version in [Version::V3, Version::V4, Version::V5] {
        let (_, session) = open(&CASSANDRA, |c| c.protocol_version = Some(version));
        assert_eq!(session.dialect.version, version);
    }
    let mut bench = Bench::new(|c| c.protocol_version = Some(Version::V5));
    bench.sent();
    // ScyllaDB: nothing has been wasted, and nothing is tried.
    let error = bench.answer(0, &supported()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "protocol v5 is not spoken by this server, which offers v3, v4"
    );
    assert_eq!(bench.sent(), []);
}

#[test]
fn a_refused_version_names_the_next() {
    let refusal =
        |message: &str| Response::Error(ErrorBody::new(message, ErrorDetail::ProtocolError));
    let words = "Invalid or unsupported protocol version: 4";
    let mut bench = Bench::new(|_| {});
    bench.sent();
    let bytes = frame_in(Version::V3, 0, &refusal(words));
    let error = bench.conn.handle_bytes(bench.now, &bytes).unwrap_err();
    let lower = Version::V3;
    assert!(matches!(&error, ConnectionError::LowerVersion { lower: l, .. } if *l == lower));
    // A version that was asked for is not exchanged for another.
    let mut bench = Bench::new(|c| c.protocol_version = Some(Version::V4));
    bench.sent();
    let error = bench.conn.handle_bytes(bench.now, &bytes).unwrap_err();
    assert!(matches!(error, ConnectionError::Refused(_)), "{error}");
}

#[test]
fn requests_share_segments_and_answers_come_in_any_split() {
    for compression in [None, Some(Compression::Lz4)] {
        let (mut bench, session) = open(&CASSANDRA, |c| c.compression = compression);
        assert_eq!(session.compression, compression);
        let streams = [1, 2, 3].map(|token| bench.stream_of(token, None));
        assert!(bench.conn.unsent().is_empty(), "the segment is still open");
        assert!(bench.conn.has_unsent());
        bench.conn.seal();
        let overhead = if compression.is_some() { 12 } else { 10 };
        let len = bench.conn.unsent().len();
        assert_eq!(len, overhead + 3 * (HEADER_LEN + query_body().len()));
        assert_eq!(bench.sent().len(), 3);
        let answers = streams.map(|stream| frame_in(Version::V5, stream as i16, &void()));
        let bytes = segments(compression.is_some(), &answers);
        let at = bytes.len() / 2;
        bench.conn.handle_bytes(bench.now, &bytes[..at]).unwrap();
        bench.conn.handle_bytes(bench.now, &bytes[at..]).unwrap();
        assert_eq!(bench.events(), ["RESULT 1", "RESULT 2", "RESULT 3"]);
    }
}

#[test]
fn the_login_comes_in_segments() {
    let mut bench = Bench::new(|config| {
        config.login = Login::Password(Credentials {
            username: "ada".to_owned(),
            password: "secret".to_owned(),
        });
    });
    bench.sent();
    bench.answer(0, &cassandra(&CASSANDRA)).unwrap();
    bench.sent();
    let asked = frame_in(
        Version::V5,
        0,
        &Response::Authenticate("org.apache.cassandra.auth.PasswordAuthenticator"),
    );
    bench.conn.handle_bytes(bench.now, &asked).unwrap();
    bench.requests.begin_segments(false);
    let (stream, opcode, body) = bench.sent().remove(0);
    assert_eq!((stream, opcode), (0, Opcode::AuthResponse));
    assert!(body.ends_with(b"\0ada\0secret"));
    let success = segments(
        false,
        &[frame_in(Version::V5, 0, &Response::AuthSuccess(None))],
    );
    bench.conn.handle_bytes(bench.now, &success).unwrap();
    assert_eq!(bench.events(), ["established"]);
}

#[test]
fn a_damaged_segment_ends_the_connection() {
    let (mut bench, _) = open(&CASSANDRA, |_| {});
    let stream = bench.stream_of(1, None);
    let mut bytes = segments(false, &[frame_in(Version::V5, stream as i16, &void())]);
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let error = bench.conn.handle_bytes(bench.now, &bytes).unwrap_err();
    assert!(error.to_string().contains("checksum"), "{error}");
    assert_eq!(bench.conn.unanswered(), [1]);
}

#[test]
fn large_requests_and_answers_are_split() {
    let (mut bench, _) = open(&CASSANDRA, |c| c.compression = Some(Compression::Lz4));
    let body = vec![9; 300_000];
    bench.conn.send(1, Opcode::Query, 0, &body, None).unwrap();
    bench.conn.seal();
    assert!(bench.conn.unsent().len() < 10_000, "it is compressed");
    let (stream, _, sent) = bench.sent().remove(0);
    assert_eq!(sent, body);
    let mut header = FrameHeader::response(Version::V5, stream, Opcode::Result);
    header.length = body.len() as u32;
    let answer = segments(true, &[[&header.encode()[..], &body].concat()]);
    for piece in answer.chunks(1000) {
        bench.conn.handle_bytes(bench.now, piece).unwrap();
    }
    let event = bench.conn.poll();
    assert!(matches!(event, Some(Told::Reply { body: b, .. }) if b == body));
    assert!(body.len() > COMPRESS_FROM_BYTES);
}

#[test]
fn no_snappy_in_v5() {
    let (_, session) = open(&CASSANDRA, |c| c.compression = Some(Compression::Snappy));
    assert_eq!(
        session.compression, None,
        "an engine with Snappy asks for v4 at most"
    );
}
