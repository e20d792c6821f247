//! Requests, in every dialect.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use shardlane_wire::request::{
    AuthResponse, Batch, BatchQuery, BatchStatement, BatchStatements, BatchType, Execute, Prepare,
    Query, Register, Startup,
};
use shardlane_wire::{
    BoundValues, Dialect, EventKind, FrameHeader, HEADER_LEN, QueryParams, Request,
    RequestEnvelope, Value, Version,
};

use crate::strategies::{
    Values, blobs, borrowed, consistencies, dialects, names, payloads, serial_consistencies, values,
};

/// Encodes a request, reads it back, and checks that no part of the bytes reads as a whole.
fn assert_round_trip(request: &Request<'_>, dialect: Dialect, cut: Index) {
    let mut body = vec![0xEE];
    request.encode(dialect, &mut body).unwrap();
    let body = &body[1..];
    assert_eq!(
        Request::decode(dialect, request.opcode(), body).as_ref(),
        Ok(request)
    );

    if !body.is_empty() {
        let part = &body[..cut.index(body.len())];
        assert!(
            Request::decode(dialect, request.opcode(), part).is_err(),
            "{part:?}"
        );
    }
    let longer = [body, &[0]].concat();
    assert!(Request::decode(dialect, request.opcode(), &longer).is_err());
}

prop_compose! {
    fn params()(
        consistency in consistencies(),
        skip_metadata in any::<bool>(),
        page_size in option::of(any::<i32>()),
        paging_state in option::of(blobs()),
        serial_consistency in option::of(serial_consistencies()),
        timestamp in option::of(any::<i64>()),
        keyspace in option::of(names()),
        now_in_seconds in option::of(any::<i32>()),
        values in values(any::<bool>()),
    ) -> Params {
        let scalars = QueryParams {
            skip_metadata,
            page_size,
            serial_consistency,
            timestamp,
            now_in_seconds,
            ..QueryParams::new(consistency)
        };
        Params { scalars, paging_state, keyspace, bytes: values.encode(), values }
    }
}

/// Parameters with what they borrow.
#[derive(Debug)]
struct Params {
    scalars: QueryParams<'static>,
    paging_state: Option<Vec<u8>>,
    keyspace: Option<String>,
    values: Values,
    bytes: Vec<u8>,
}

impl Params {
    fn borrow(&self, dialect: Dialect) -> QueryParams<'_> {
        let v5 = dialect.version >= Version::V5;
        QueryParams {
            values: BoundValues {
                count: self.values.values.len() as u16,
                named: self.values.named,
                bytes: &self.bytes,
            },
            paging_state: self.paging_state.as_deref(),
            keyspace: self.keyspace.as_deref().filter(|_| v5),
            now_in_seconds: self.scalars.now_in_seconds.filter(|_| v5),
            ..self.scalars
        }
    }
}

proptest! {
    #[test]
    fn query(text in names(), params in params(), dialect in dialects(), cut: Index) {
        let query = Query { text: &text, params: params.borrow(dialect) };
        assert_round_trip(&Request::Query(query), dialect, cut);
    }

    #[test]
    fn execute(
        id in blobs(), metadata_id in blobs(), params in params(), dialect in dialects(), block: u8,
        cut: Index,
    ) {
        let result_metadata_id = dialect.has_metadata_id().then_some(&metadata_id[..]);
        let tablet_block = dialect.tablet_block.then_some(block);
        let params = params.borrow(dialect);
        let execute = Execute { id: &id, result_metadata_id, params, tablet_block };
        assert_round_trip(&Request::Execute(execute), dialect, cut);
    }

    #[test]
    fn bound_values_are_walked(values in values(any::<bool>())) {
        let bytes = values.encode();
        let count = values.values.len() as u16;
        let bound = BoundValues { count, named: values.named, bytes: &bytes };
        let walked: Vec<_> = bound.iter().collect::<Result<_, _>>().unwrap();
        let expected: Vec<_> = values.values.iter().map(|(name, value)| {
            let value = match value {
                Some(Some(bytes)) => Value::Bytes(bytes),
                Some(None) => Value::Null,
                None => Value::Unset,
            };
            (values.named.then_some(name.as_str()), value)
        }).collect();
        prop_assert_eq!(walked, expected);
        // One value too many is an error, and the walk ends there.
        let longer = BoundValues { count: count + 2, ..bound };
        let walked: Vec<_> = longer.iter().collect();
        prop_assert_eq!(walked.len(), usize::from(count) + 1);
        prop_assert!(walked.last().is_some_and(Result::is_err));
    }

    #[test]
    fn batch(
        batch_type in select(vec![BatchType::Logged, BatchType::Unlogged, BatchType::Counter]),
        statements in vec((any::<bool>(), names(), values(Just(false))), 0..4),
        params in params(),
        dialect in dialects(),
        cut: Index,
    ) {
        let mut bytes = Vec::new();
        for (prepared, text, values) in &statements {
            let encoded = values.encode();
            let query = match prepared {
                true => BatchQuery::Prepared(text.as_bytes()),
                false => BatchQuery::Text(text),
            };
            let values = BoundValues::positional(values.values.len() as u16, &encoded);
            let statement = BatchStatement { query, values };
            let start = bytes.len();
            statement.encode(&mut bytes).unwrap();
            let one = BatchStatements { count: 1, bytes: &bytes[start..] };
            prop_assert_eq!(one.iter().next(), Some(Ok(statement)));
        }
        let params = params.borrow(dialect);
        let batch = Batch {
            batch_type,
            statements: BatchStatements { count: statements.len() as u16, bytes: &bytes },
            consistency: params.consistency,
            serial_consistency: params.serial_consistency,
            timestamp: params.timestamp,
            keyspace: params.keyspace,
            now_in_seconds: params.now_in_seconds,
        };
        prop_assert_eq!(batch.statements.iter().filter(Result::is_ok).count(), statements.len());
        assert_round_trip(&Request::Batch(batch), dialect, cut);
    }

    #[test]
    fn small_ones(
        pairs in vec((names(), names()), 0..4),
        token in option::of(blobs()),
        keyspace in option::of(names()),
        kinds in vec(select(EventKind::ALL.to_vec()), 0..4),
        dialect in dialects(),
        cut: Index,
    ) {
        let options = pairs.iter().map(|(k, v)| (k.into(), v.into())).collect();
        assert_round_trip(&Request::Startup(Startup { options }), dialect, cut);
        let auth = AuthResponse { token: token.as_deref() };
        assert_round_trip(&Request::AuthResponse(auth), dialect, cut);
        assert_round_trip(&Request::Register(Register { kinds }), dialect, cut);
        assert_round_trip(&Request::Options, dialect, cut);
        let text = "SELECT ☃";
        let keyspace = keyspace.as_deref().filter(|_| dialect.version >= Version::V5);
        assert_round_trip(&Request::Prepare(Prepare { text, keyspace }), dialect, cut);
    }

    #[test]
    fn fields_of_v5_are_refused_before_v5(params in params(), text in names()) {
        let v5 = Dialect::new(Version::V5);
        let query = Query { text: &text, params: params.borrow(v5) };
        let new = query.params.keyspace.is_some() || query.params.now_in_seconds.is_some();
        let mut out = vec![1, 2, 3];
        let written = Request::Query(query).encode(Version::V4, &mut out);
        prop_assert_eq!(written.is_err(), new);
        prop_assert_eq!(out.len() == 3, new, "an error leaves nothing behind");
    }

    #[test]
    fn frames(
        tracing: bool,
        payload in payloads(),
        params in params(),
        stream: i16,
        dialect in dialects(),
    ) {
        let v3 = dialect.version < Version::V4;
        let envelope = RequestEnvelope {
            tracing,
            custom_payload: if v3 { Vec::new() } else { borrowed(&payload) },
            body: &[],
        };
        let request = Request::Query(Query { text: "q", params: params.borrow(dialect) });
        let mut out = Vec::new();
        request.encode_frame(dialect, stream, &envelope, &mut out).unwrap();

        let (head, body) = out.split_first_chunk::<HEADER_LEN>().unwrap();
        let header = FrameHeader::decode(head).unwrap();
        prop_assert_eq!((header.stream, header.length as usize), (stream, body.len()));
        let read = RequestEnvelope::decode(&header, body).unwrap();
        let decoded = Request::decode(dialect, header.opcode, read.body);
        prop_assert_eq!(decoded.as_ref(), Ok(&request));
        prop_assert_eq!(RequestEnvelope { body: &[], ..read }, envelope);
    }
}
