//! Protocol v5 beside cassandra-protocol, the only other implementation of its segments: both formats in
//! both directions, and the requests that v5 lays out in another way.

use std::io::Cursor;

use cassandra_protocol::compression::Compression as Theirs;
use cassandra_protocol::consistency::Consistency as TheirConsistency;
use cassandra_protocol::frame::frame_decoder::{
    FrameDecoder, Lz4FrameDecoder, UncompressedFrameDecoder,
};
use cassandra_protocol::frame::frame_encoder::{
    FrameEncoder, Lz4FrameEncoder, UncompressedFrameEncoder,
};
use cassandra_protocol::frame::message_batch::{BatchQuery as TheirQuery, BodyReqBatch};
use cassandra_protocol::frame::message_batch::{BatchQuerySubj, BatchType as TheirBatchType};
use cassandra_protocol::frame::message_execute::BodyReqExecuteOwned;
use cassandra_protocol::frame::message_prepare::BodyReqPrepare;
use cassandra_protocol::frame::message_query::BodyReqQuery;
use cassandra_protocol::frame::{FromCursor, Serialize, Version as TheirVersion};
use cassandra_protocol::query::{QueryParams as TheirParams, QueryValues};
use cassandra_protocol::types::value::Value as TheirValue;
use cassandra_protocol::types::{CBytes, CBytesShort};
use proptest::prelude::*;
use shardlane_wire::request::{
    Batch, BatchQuery, BatchStatement, BatchStatements, BatchType, Execute, Prepare, Query,
};
use shardlane_wire::segment::MAX_PAYLOAD_LEN;
use shardlane_wire::{
    BoundValues, Consistency, Direction, FrameHeader, HEADER_LEN, Opcode, QueryParams,
    SegmentWriter, SerialConsistency, StreamParser, Version, primitive,
};

const V5: TheirVersion = TheirVersion::V5;

/// Bodies of answers: some that compress and some that do not, around the length of a segment, too.
fn bodies() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let len = prop_oneof![
        0..600_usize,
        (MAX_PAYLOAD_LEN - 12)..(MAX_PAYLOAD_LEN + 12),
        (2 * MAX_PAYLOAD_LEN - 12)..(2 * MAX_PAYLOAD_LEN + 12),
    ];
    let body = (len, any::<u32>(), any::<bool>()).prop_map(|(len, seed, repeats)| {
        let noise = |n: u32| (n ^ (n >> 15)).wrapping_mul(0x85EB_CA6B);
        let byte = |n: usize| noise((n as u32).wrapping_add(seed).wrapping_mul(0x9E37_79B9)) >> 24;
        (0..len)
            .map(|n| if repeats { seed as u8 } else { byte(n) as u8 })
            .collect()
    });
    proptest::collection::vec(body, 1..6)
}

fn envelope(stream: usize, body: &[u8]) -> ([u8; HEADER_LEN], Vec<u8>) {
    let mut header = FrameHeader::response(Version::V5, stream as i16, Opcode::Result);
    header.length = body.len() as u32;
    let header = header.encode();
    (header, [&header, body].concat())
}

fn ours(compressed: bool, bodies: &[Vec<u8>]) -> Vec<u8> {
    let (mut writer, mut out) = (SegmentWriter::new(compressed), Vec::new());
    for (stream, body) in bodies.iter().enumerate() {
        writer.push(&envelope(stream, body).0, body, &mut out);
    }
    writer.seal(&mut out);
    out
}

/// As their own sender does: what fits shares a frame, what is too long has several.
fn theirs<E: FrameEncoder>(mut encoder: E, bodies: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    encoder.reset();
    for (stream, body) in bodies.iter().enumerate() {
        let (_, envelope) = envelope(stream, body);
        if encoder.can_fit(envelope.len()) {
            encoder.add_envelope(envelope);
            continue;
        }
        if encoder.has_envelopes() {
            out.extend_from_slice(encoder.finalize_self_contained());
            encoder.reset();
        }
        if encoder.can_fit(envelope.len()) {
            encoder.add_envelope(envelope);
            continue;
        }
        let mut rest = &envelope[..];
        while !rest.is_empty() {
            let (taken, frame) = encoder.finalize_non_self_contained(rest);
            out.extend_from_slice(frame);
            rest = &rest[taken..];
            encoder.reset();
        }
    }
    if encoder.has_envelopes() {
        out.extend_from_slice(encoder.finalize_self_contained());
    }
    out
}

fn read_by_them(compressed: bool, mut bytes: Vec<u8>) -> Vec<(i16, Vec<u8>)> {
    let envelopes = if compressed {
        Lz4FrameDecoder::default().consume(&mut bytes, Theirs::Lz4)
    } else {
        UncompressedFrameDecoder::default().consume(&mut bytes, Theirs::None)
    };
    assert!(bytes.is_empty(), "all is read");
    let envelopes = envelopes.expect("they read what we write");
    envelopes
        .into_iter()
        .map(|envelope| (envelope.stream_id, envelope.body))
        .collect()
}

fn read_by_us(compressed: bool, bytes: &[u8]) -> Vec<(i16, Vec<u8>)> {
    let mut parser = StreamParser::new(Direction::Response, 16 << 20);
    parser.begin_segments(compressed);
    let (mut input, mut all) = (bytes, Vec::new());
    while let Some(frame) = parser.push(&mut input).expect("we read what they write") {
        all.push((frame.header.stream, frame.body.to_vec()));
    }
    assert!(parser.is_between_frames());
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn each_reads_the_others_segments(bodies in bodies(), compressed: bool) {
        let expected: Vec<(i16, Vec<u8>)> = (0..).zip(bodies.iter().cloned()).collect();
        let bytes = ours(compressed, &bodies);
        prop_assert_eq!(read_by_us(compressed, &bytes), expected.clone());
        prop_assert_eq!(read_by_them(compressed, bytes), expected.clone());
        let bytes = if compressed {
            theirs(Lz4FrameEncoder::default(), &bodies)
        } else {
            theirs(UncompressedFrameEncoder::default(), &bodies)
        };
        prop_assert_eq!(read_by_us(compressed, &bytes), expected);
    }
}

/// Without compression there is only one way to write a segment.
#[test]
fn plain_segments_are_the_same_bytes() {
    let bodies = [b"one".to_vec(), vec![], vec![7; 1000]];
    assert_eq!(
        ours(false, &bodies),
        theirs(UncompressedFrameEncoder::default(), &bodies)
    );
}

#[derive(Debug, Clone)]
struct Terms {
    values: Vec<Option<Option<Vec<u8>>>>,
    page_size: Option<i32>,
    paging_state: Option<Vec<u8>>,
    is_serial: bool,
    timestamp: Option<i64>,
    keyspace: Option<String>,
    now_in_seconds: Option<i32>,
}

fn terms() -> impl Strategy<Value = Terms> {
    let value = proptest::option::of(proptest::option::of(proptest::collection::vec(
        any::<u8>(),
        0..9,
    )));
    (
        proptest::collection::vec(value, 0..5),
        proptest::option::of(any::<i32>()),
        proptest::option::of(proptest::collection::vec(any::<u8>(), 0..9)),
        any::<bool>(),
        proptest::option::of(any::<i64>()),
        proptest::option::of("[a-z]{1,9}"),
        proptest::option::of(any::<i32>()),
    )
        .prop_map(
            |(values, page_size, paging_state, is_serial, timestamp, keyspace, now_in_seconds)| {
                Terms {
                    values,
                    page_size,
                    paging_state,
                    is_serial,
                    timestamp,
                    keyspace,
                    now_in_seconds,
                }
            },
        )
}

impl Terms {
    fn encoded_values(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for value in &self.values {
            match value {
                None => primitive::write_unset(&mut bytes),
                Some(value) => {
                    primitive::write_bytes_opt(&mut bytes, value.as_deref(), "value").unwrap();
                }
            }
        }
        bytes
    }

    fn ours<'a>(&'a self, values: &'a [u8]) -> QueryParams<'a> {
        QueryParams {
            values: BoundValues::positional(self.values.len() as u16, values),
            page_size: self.page_size,
            paging_state: self.paging_state.as_deref(),
            serial_consistency: self.is_serial.then_some(SerialConsistency::LocalSerial),
            timestamp: self.timestamp,
            keyspace: self.keyspace.as_deref(),
            now_in_seconds: self.now_in_seconds,
            ..QueryParams::new(Consistency::LocalQuorum)
        }
    }

    fn their_values(&self) -> Option<QueryValues> {
        let value = |value: &Option<Option<Vec<u8>>>| match value {
            None => TheirValue::NotSet,
            Some(None) => TheirValue::Null,
            Some(Some(bytes)) => TheirValue::Some(bytes.clone()),
        };
        (!self.values.is_empty())
            .then(|| QueryValues::SimpleValues(self.values.iter().map(value).collect()))
    }

    fn theirs(&self) -> TheirParams {
        TheirParams {
            consistency: TheirConsistency::LocalQuorum,
            with_names: false,
            values: self.their_values(),
            page_size: self.page_size,
            paging_state: self.paging_state.clone().map(CBytes::new),
            serial_consistency: self.is_serial.then_some(TheirConsistency::LocalSerial),
            timestamp: self.timestamp,
            keyspace: self.keyspace.clone(),
            now_in_seconds: self.now_in_seconds,
        }
    }
}

proptest! {
    #[test]
    fn requests_are_laid_out_alike(
        terms in terms(),
        text in "[ -~]{0,40}",
        id in proptest::collection::vec(any::<u8>(), 0..20),
        metadata_id in proptest::collection::vec(any::<u8>(), 0..20),
    ) {
        let values = terms.encoded_values();
        let params = terms.ours(&values);

        let mut body = Vec::new();
        Query { text: &text, params }.encode(Version::V5, &mut body).unwrap();
        let query = BodyReqQuery { query: text.clone(), query_params: terms.theirs() };
        prop_assert_eq!(&body, &query.serialize_to_vec(V5));

        let mut body = Vec::new();
        let execute = Execute {
            id: &id,
            result_metadata_id: Some(&metadata_id),
            tablet_block: None,
            params,
        };
        execute.encode(Version::V5, &mut body).unwrap();
        let mut cursor = Cursor::new(&body[..]);
        let read = BodyReqExecuteOwned::from_cursor(&mut cursor, V5).unwrap();
        prop_assert_eq!(cursor.position() as usize, body.len());
        prop_assert_eq!(read.id, CBytesShort::new(id.clone()));
        prop_assert_eq!(read.result_metadata_id, Some(CBytesShort::new(metadata_id)));
        // Their reader of `[value]`s takes "not set" for null.
        if terms.values.iter().all(Option::is_some) {
            prop_assert_eq!(read.query_parameters, terms.theirs());
        }

        let mut body = Vec::new();
        let prepare = Prepare { text: &text, keyspace: terms.keyspace.as_deref() };
        prepare.encode(Version::V5, &mut body).unwrap();
        let theirs = BodyReqPrepare::new(text.clone(), terms.keyspace.clone());
        prop_assert_eq!(&body, &theirs.serialize_to_vec(V5));

        let mut statements = Vec::new();
        let bound = BoundValues::positional(terms.values.len() as u16, &values);
        for query in [BatchQuery::Text(&text), BatchQuery::Prepared(&id)] {
            BatchStatement { query, values: bound }.encode(&mut statements).unwrap();
        }
        let batch = Batch {
            batch_type: BatchType::Unlogged,
            statements: BatchStatements { count: 2, bytes: &statements },
            consistency: Consistency::LocalQuorum,
            serial_consistency: params.serial_consistency,
            timestamp: params.timestamp,
            keyspace: params.keyspace,
            now_in_seconds: params.now_in_seconds,
        };
        let mut body = Vec::new();
        batch.encode(Version::V5, &mut body).unwrap();
        let none = || QueryValues::SimpleValues(Vec::new());
        let theirs = |subject| TheirQuery::new(subject, terms.their_values().unwrap_or_else(none));
        let theirs = BodyReqBatch::new(
            TheirBatchType::Unlogged,
            vec![
                theirs(BatchQuerySubj::QueryString(text.clone())),
                theirs(BatchQuerySubj::PreparedId(CBytesShort::new(id))),
            ],
            TheirConsistency::LocalQuorum,
            terms.is_serial.then_some(TheirConsistency::LocalSerial),
            terms.timestamp,
            terms.keyspace.clone(),
            terms.now_in_seconds,
        );
        prop_assert_eq!(&body, &theirs.serialize_to_vec(V5));
    }
}
