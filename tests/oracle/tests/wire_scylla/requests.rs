//! Requests: the same bytes from the same parts, and the same parts from the same bytes.

use std::borrow::Cow;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use scylla_cql::frame::request::batch as their_batch;
use scylla_cql::frame::request::execute::ExecuteV2;
use scylla_cql::frame::request::query::{PagingState, QueryParameters};
use scylla_cql::frame::request::register::Register as TheirRegister;
use scylla_cql::frame::request::{
    self as theirs, DeserializableRequest, RequestV2, SerializableRequest,
};
use scylla_cql::frame::server_event_type::EventType;
use scylla_cql::frame::types::SerialConsistency as TheirSerial;
use scylla_cql::frame::{Compression as TheirCompression, SerializedRequest};
use scylla_cql::serialize::row::SerializedValues;
use shardlane_wire::primitive::{write_bytes_opt, write_unset};
use shardlane_wire::request::{
    AuthResponse, Batch, BatchQuery, BatchStatement, BatchStatements, BatchType, Execute, Prepare,
    Query, Register, Startup,
};
use shardlane_wire::{
    BoundValues, Compression, Consistency, Direction, EventKind, FrameParser, QueryParams, Request,
    RequestEnvelope, SerialConsistency, Version,
};

use crate::features;

/// Some for a value with its bytes or null, none for one that is not set.
type Values = Vec<Option<Option<Vec<u8>>>>;

fn encode(values: &Values) -> Vec<u8> {
    let mut out = Vec::new();
    for value in values {
        match value {
            Some(value) => write_bytes_opt(&mut out, value.as_deref(), "value").unwrap(),
            None => write_unset(&mut out),
        }
    }
    out
}

fn serialized(count: usize, bytes: &[u8]) -> SerializedValues {
    let counted = [&(count as u16).to_be_bytes()[..], bytes].concat();
    SerializedValues::new_from_frame(&mut &counted[..]).expect("values")
}

fn values() -> impl Strategy<Value = Values> {
    vec(
        option::weighted(0.9, option::weighted(0.9, vec(any::<u8>(), 0..12))),
        0..5,
    )
}

/// Parts of parameters that both sides can say.
#[derive(Debug)]
struct Params {
    level: Consistency,
    skip_metadata: bool,
    page_size: Option<i32>,
    paging_state: Option<Vec<u8>>,
    serial: Option<SerialConsistency>,
    timestamp: Option<i64>,
    count: usize,
    bytes: Vec<u8>,
}

prop_compose! {
    fn params()(
        level in select(Consistency::ALL.to_vec()),
        skip_metadata: bool,
        page_size in option::of(any::<i32>()),
        paging_state in option::of(vec(any::<u8>(), 0..12)),
        serial in option::of(select(SerialConsistency::ALL.to_vec())),
        timestamp in option::of(any::<i64>()),
        values in values(),
    ) -> Params {
        let (count, bytes) = (values.len(), encode(&values));
        Params { level, skip_metadata, page_size, paging_state, serial, timestamp, count, bytes }
    }
}

fn their_serial(level: SerialConsistency) -> TheirSerial {
    TheirSerial::try_from(level.code() as i16).expect("known to both")
}

impl Params {
    fn ours(&self) -> QueryParams<'_> {
        QueryParams {
            values: BoundValues::positional(self.count as u16, &self.bytes),
            skip_metadata: self.skip_metadata,
            page_size: self.page_size,
            paging_state: self.paging_state.as_deref(),
            serial_consistency: self.serial,
            timestamp: self.timestamp,
            ..QueryParams::new(self.level)
        }
    }

    fn theirs(&self) -> QueryParameters<'static> {
        QueryParameters {
            consistency: self.level.code().try_into().expect("known to both"),
            serial_consistency: self.serial.map(their_serial),
            timestamp: self.timestamp,
            page_size: self.page_size,
            paging_state: match &self.paging_state {
                Some(state) => PagingState::new_from_raw_bytes(&state[..]),
                None => PagingState::start(),
            },
            skip_metadata: self.skip_metadata,
            values: Cow::Owned(serialized(self.count, &self.bytes)),
        }
    }

    fn assert_read(&self, theirs: &QueryParameters<'_>) {
        assert_eq!(theirs.consistency as u16, self.level.code());
        assert_eq!(theirs.serial_consistency, self.serial.map(their_serial));
        assert_eq!(theirs.timestamp, self.timestamp);
        assert_eq!(theirs.page_size, self.page_size);
        assert_eq!(
            theirs
                .paging_state
                .as_bytes_slice()
                .map(|state| state.to_vec()),
            self.paging_state
        );
        assert_eq!(theirs.skip_metadata, self.skip_metadata);
        assert_eq!(usize::from(theirs.values.element_count()), self.count);
        let mut bytes = Vec::new();
        theirs.values.write_to_request(&mut bytes);
        assert_eq!(&bytes[2..], self.bytes);
    }
}

/// The bytes of both are the same, and ours reads them back. Returns them.
fn assert_same<R: SerializableRequest>(
    ours: &Request<'_>,
    theirs: &R,
    metadata_id: bool,
) -> Vec<u8> {
    let (_, dialect) = features(metadata_id);
    let (mut our_body, mut their_body) = (Vec::new(), Vec::new());
    ours.encode(dialect, &mut our_body).unwrap();
    theirs.serialize(&mut their_body).unwrap();
    assert_eq!(our_body, their_body);
    assert_eq!(ours.opcode().code(), R::OPCODE as u8);
    assert_eq!(
        Request::decode(dialect, ours.opcode(), &their_body).as_ref(),
        Ok(ours)
    );
    our_body
}

proptest! {
    #[test]
    fn query(text in ".{0,20}", params in params()) {
        let ours = Request::Query(Query { text: &text, params: params.ours() });
        let theirs = theirs::Query { contents: Cow::Borrowed(&text), parameters: params.theirs() };
        let body = assert_same(&ours, &theirs, false);
        let read = theirs::Query::deserialize_with_features(&mut &body[..], &features(false).0);
        let read = read.unwrap();
        prop_assert_eq!(&*read.contents, &text);
        params.assert_read(&read.parameters);
    }

    #[test]
    fn execute(
        id in vec(any::<u8>(), 0..20),
        metadata_id in option::of(vec(any::<u8>(), 0..20)),
        params in params(),
    ) {
        let with_id = metadata_id.is_some();
        let ours = Request::Execute(Execute {
            tablet_block: None,
            id: &id,
            result_metadata_id: metadata_id.as_deref(),
            params: params.ours(),
        });
        let theirs = ExecuteV2 {
            id: id[..].into(),
            result_metadata_id: metadata_id.as_deref().map(Into::into),
            parameters: params.theirs(),
            tablet_version_block: None,
        };
        let body = assert_same(&ours, &theirs, with_id);
        let opcode = theirs::RequestOpcode::Execute;
        let read = RequestV2::deserialize(&mut &body[..], opcode, &features(with_id).0).unwrap();
        let RequestV2::Execute(read) = read else { panic!("EXECUTE expected") };
        prop_assert_eq!(read.id.as_ref(), &id);
        let read_id = read.result_metadata_id.as_ref().map(|id| id.as_ref());
        prop_assert_eq!(read_id, metadata_id.as_deref());
        params.assert_read(&read.parameters);
    }

    #[test]
    fn execute_that_shows_a_tablets_version(
        id in vec(any::<u8>(), 0..20), params in params(), block: u8,
    ) {
        let ours = Execute {
            id: &id,
            result_metadata_id: None,
            params: params.ours(),
            tablet_block: Some(block),
        };
        let theirs = ExecuteV2 {
            id: id[..].into(),
            result_metadata_id: None,
            parameters: params.theirs(),
            tablet_version_block: Some(block),
        };
        let (mut features, mut dialect) = features(false);
        features.tablets_v2_supported = true;
        dialect.tablet_block = true;
        let (mut our_body, mut their_body) = (Vec::new(), Vec::new());
        ours.encode(dialect, &mut our_body).unwrap();
        theirs.serialize(&mut their_body).unwrap();
        prop_assert_eq!(&our_body, &their_body);
        prop_assert_eq!(Execute::decode(dialect, &their_body), Ok(ours));
        let opcode = theirs::RequestOpcode::Execute;
        let read = RequestV2::deserialize(&mut &our_body[..], opcode, &features).unwrap();
        let RequestV2::Execute(read) = read else { panic!("EXECUTE expected") };
        prop_assert_eq!(read.tablet_version_block, Some(block));
    }

    #[test]
    fn batch(
        batch_type in select(vec![BatchType::Logged, BatchType::Unlogged, BatchType::Counter]),
        statements in vec((any::<bool>(), "[a-z]{0,9}", values()), 0..5),
        params in params(),
    ) {
        let (mut bytes, mut their_values, mut their_statements) = (vec![], vec![], vec![]);
        for (prepared, text, values) in &statements {
            let encoded = encode(values);
            let query = match prepared {
                true => BatchQuery::Prepared(text.as_bytes()),
                false => BatchQuery::Text(text),
            };
            let bound = BoundValues::positional(values.len() as u16, &encoded);
            BatchStatement { query, values: bound }.encode(&mut bytes).unwrap();
            their_values.push(serialized(values.len(), &encoded));
            their_statements.push(match prepared {
                true => their_batch::BatchStatement::Prepared { id: text.as_bytes().into() },
                false => their_batch::BatchStatement::Query { text: text.into() },
            });
        }
        let ours = Request::Batch(Batch {
            batch_type,
            statements: BatchStatements { count: statements.len() as u16, bytes: &bytes },
            consistency: params.level,
            serial_consistency: params.serial,
            timestamp: params.timestamp,
            keyspace: None,
            now_in_seconds: None,
        });
        let theirs = their_batch::Batch {
            statements: Cow::Borrowed(&their_statements[..]),
            batch_type: batch_type.code().try_into().unwrap(),
            consistency: params.level.code().try_into().unwrap(),
            serial_consistency: params.serial.map(their_serial),
            timestamp: params.timestamp,
            values: their_values,
        };
        let body = assert_same(&ours, &theirs, false);
        let opcode = theirs::RequestOpcode::Batch;
        let read = RequestV2::deserialize(&mut &body[..], opcode, &features(false).0).unwrap();
        let RequestV2::Batch(read) = read else { panic!("BATCH expected") };
        prop_assert_eq!(&read.statements[..], &their_statements[..]);
        prop_assert_eq!(read.batch_type as u8, batch_type.code());
    }

    #[test]
    fn startup_and_the_small_ones(
        key in "[A-Z_]{1,12}", value in ".{0,12}", text in ".{0,30}",
        token in option::of(vec(any::<u8>(), 0..20)),
    ) {
        // Their options are a hash map: with one entry there is only one order.
        let options = vec![(key.as_str().into(), value.as_str().into())];
        let ours = Request::Startup(Startup { options: options.clone() });
        let theirs = theirs::Startup { options: options.into_iter().collect() };
        assert_same(&ours, &theirs, false);
        let ours = Request::AuthResponse(AuthResponse { token: token.as_deref() });
        assert_same(&ours, &theirs::AuthResponse { response: token.clone() }, false);
        let ours = Request::Prepare(Prepare { text: &text, keyspace: None });
        assert_same(&ours, &theirs::Prepare { query: &text }, false);
        assert_same(&Request::Options, &theirs::Options, false);
    }

    /// A whole frame of theirs, compressed or not, goes through our parser.
    #[test]
    fn frames(
        text in ".{0,200}", tracing: bool, stream: i16,
        compression in option::of(select(vec![Compression::Lz4, Compression::Snappy])),
    ) {
        let their_compression = compression.map(|algorithm| match algorithm {
            Compression::Lz4 => TheirCompression::Lz4,
            Compression::Snappy => TheirCompression::Snappy,
        });
        let prepare = theirs::Prepare { query: &text };
        let mut theirs = SerializedRequest::make(&prepare, their_compression, tracing).unwrap();
        theirs.set_stream(stream);

        let (mut parser, mut input) = (FrameParser::new(Direction::Request), theirs.get_data());
        let frame = parser.push(&mut input).unwrap().expect("a whole frame");
        prop_assert_eq!(frame.header.stream, stream);
        let mut body = Vec::new();
        match compression {
            Some(algorithm) => algorithm.decompress(frame.body, 10_000, &mut body).unwrap(),
            None => body.extend_from_slice(frame.body),
        }
        let envelope = RequestEnvelope::decode(&frame.header, &body).unwrap();
        prop_assert_eq!(envelope.tracing, tracing);
        let request = Request::decode(Version::V4, frame.header.opcode, envelope.body);
        prop_assert_eq!(request, Ok(Request::Prepare(Prepare { text: &text, keyspace: None })));
    }
}

#[test]
fn register() {
    let ours = Request::Register(Register {
        // Theirs does not know of client routes.
        kinds: vec![
            EventKind::TopologyChange,
            EventKind::StatusChange,
            EventKind::SchemaChange,
        ],
    });
    let event_types_to_register_for = vec![
        EventType::TopologyChange,
        EventType::StatusChange,
        EventType::SchemaChange,
    ];
    assert_same(
        &ours,
        &TheirRegister {
            event_types_to_register_for,
        },
        false,
    );
}
