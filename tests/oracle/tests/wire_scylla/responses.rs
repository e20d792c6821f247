//! Responses: they have no writer for these, so ours writes and theirs reads.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use scylla_cql::frame::response::event::{EventV2, StatusChangeEvent, TopologyChangeEvent};
use scylla_cql::frame::response::result::Result as TheirResult;
use scylla_cql::frame::response::{ResponseOpcode, ResponseV2};
use scylla_cql::frame::{Compression as TheirCompression, compress_append, decompress};
use shardlane_wire::event::{StatusChangeKind, TopologyChangeKind};
use shardlane_wire::primitive::{write_bytes_opt, write_int, write_string};
use shardlane_wire::result::{MetadataFlags, encode_columns};
use shardlane_wire::types::{parse_type_class, type_class};
use shardlane_wire::{
    ColumnSpec, Compression, Consistency, CqlType, ErrorBody, ErrorDetail, Event, Failures,
    Prepared, RateLimitOp, Response, ResultBody, Rows, RowsMetadata, SchemaChange,
    SchemaChangeKind, SchemaTarget, UdtType, WriteType,
};

use crate::compare::{as_theirs, same_change, same_columns, same_type};
use crate::features;

fn read(response: &Response<'_>, metadata_id: bool) -> ResponseV2 {
    let (features, dialect) = features(metadata_id);
    let mut body = Vec::new();
    response.encode(dialect, &mut body).unwrap();
    let opcode = ResponseOpcode::try_from(response.opcode().code()).unwrap();
    ResponseV2::deserialize(&features, opcode, Bytes::from(body), None).expect("readable to them")
}

fn types() -> impl Strategy<Value = CqlType> {
    let simple = select(vec![
        CqlType::Ascii,
        CqlType::BigInt,
        CqlType::Blob,
        CqlType::Boolean,
        CqlType::Counter,
        CqlType::Date,
        CqlType::Decimal,
        CqlType::Double,
        CqlType::Duration,
        CqlType::Float,
        CqlType::Inet,
        CqlType::Int,
        CqlType::SmallInt,
        CqlType::Text,
        CqlType::Time,
        CqlType::TimeUuid,
        CqlType::Timestamp,
        CqlType::TinyInt,
        CqlType::Uuid,
        CqlType::VarInt,
    ]);
    simple.prop_recursive(4, 16, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|t| CqlType::List(Box::new(t))),
            inner.clone().prop_map(|t| CqlType::Set(Box::new(t))),
            (inner.clone(), inner.clone()).prop_map(|pair| CqlType::Map(Box::new(pair))),
            vec(inner.clone(), 1..4).prop_map(CqlType::Tuple),
            (inner.clone(), 1u16..).prop_map(|(t, n)| CqlType::Vector(Box::new(t), n)),
            ("[a-z]{1,5}", "[a-z]{1,5}", vec(("[a-z]{1,5}", inner), 1..3)).prop_map(
                |(keyspace, name, fields)| {
                    let fields = fields.into_iter().map(|(n, t)| (n.into(), t)).collect();
                    let (keyspace, name) = (keyspace.into(), name.into());
                    CqlType::Udt(
                        UdtType {
                            keyspace,
                            name,
                            fields,
                        }
                        .into(),
                    )
                }
            ),
        ]
    })
}

fn columns() -> impl Strategy<Value = Vec<ColumnSpec>> {
    let name = || "[a-z]{0,8}";
    vec((name(), types()), 1..5).prop_map(|columns| {
        let column = |(name, cql_type): (String, CqlType)| ColumnSpec {
            keyspace: "ks".into(),
            table: "tab".into(),
            name: name.into(),
            cql_type,
        };
        columns.into_iter().map(column).collect()
    })
}

proptest! {
    #[test]
    fn rows(
        columns in columns(),
        global: bool,
        paging_state in option::of(vec(any::<u8>(), 0..9)),
        metadata_id in option::of(vec(any::<u8>(), 0..9)),
        cells in vec(option::of(vec(any::<u8>(), 0..9)), 0..12),
    ) {
        let (mut raw_columns, mut raw_rows) = (Vec::new(), Vec::new());
        encode_columns(&columns, global, &mut raw_columns).unwrap();
        let rows_count = cells.len() / columns.len();
        for cell in &cells[..rows_count * columns.len()] {
            write_bytes_opt(&mut raw_rows, cell.as_deref(), "cell").unwrap();
        }
        let metadata = RowsMetadata {
            flags: if global { MetadataFlags::GLOBAL_TABLE_SPEC } else { 0 },
            column_count: columns.len() as u32,
            paging_state: paging_state.as_deref(),
            new_metadata_id: metadata_id.as_deref(),
            raw_columns: &raw_columns,
        };
        let rows = Rows { metadata, rows_count: rows_count as u32, rows: &raw_rows };
        let theirs = read(&Response::Result(ResultBody::Rows(rows)), metadata_id.is_some());
        let ResponseV2::Result(TheirResult::Rows((raw, paging))) = theirs else {
            panic!("rows expected");
        };
        prop_assert_eq!(paging.finished(), paging_state.is_none());
        prop_assert_eq!(raw.metadata_changed(), metadata_id.is_some());
        let read = raw.deserialize_metadata().unwrap();
        prop_assert_eq!(read.rows_count(), rows_count);
        prop_assert_eq!(&read.raw_rows()[..], &raw_rows[..]);
        prop_assert_eq!(read.metadata().id(), metadata_id.as_deref());
        prop_assert!(same_columns(&columns, read.metadata().col_specs()));
    }

    #[test]
    fn prepared(
        id in vec(any::<u8>(), 0..20),
        metadata_id in option::of(vec(any::<u8>(), 0..20)),
        lwt: bool,
        bind in columns(),
        result in columns(),
        pk_indexes in vec(0u16..4, 0..4),
    ) {
        let (mut raw_bind_columns, mut raw_columns) = (Vec::new(), Vec::new());
        encode_columns(&bind, true, &mut raw_bind_columns).unwrap();
        encode_columns(&result, false, &mut raw_columns).unwrap();
        let bind_flags = MetadataFlags::GLOBAL_TABLE_SPEC | if lwt { 1 << 31 } else { 0 };
        let ours = Prepared {
            id: &id,
            result_metadata_id: metadata_id.as_deref(),
            bind_flags,
            bind_count: bind.len() as u32,
            pk_indexes: pk_indexes.clone(),
            raw_bind_columns: &raw_bind_columns,
            result_metadata: RowsMetadata {
                column_count: result.len() as u32,
                raw_columns: &raw_columns,
                ..RowsMetadata::default()
            },
        };
        let response = Response::Result(ResultBody::Prepared(ours));
        let theirs = read(&response, metadata_id.is_some());
        let ResponseV2::Result(TheirResult::Prepared(theirs)) = theirs else {
            panic!("PREPARED expected");
        };
        prop_assert_eq!(&theirs.id[..], &id[..]);
        prop_assert_eq!(theirs.prepared_metadata.flags as u32, bind_flags);
        let mut indexes = theirs.prepared_metadata.pk_indexes.clone();
        indexes.sort_by_key(|index| index.sequence);
        prop_assert_eq!(indexes.iter().map(|index| index.index).collect::<Vec<_>>(), pk_indexes);
        prop_assert!(same_columns(&bind, &theirs.prepared_metadata.col_specs));
        prop_assert!(same_columns(&result, theirs.result_metadata.col_specs()));
        prop_assert_eq!(theirs.result_metadata.id(), metadata_id.as_deref());
    }

    /// A class name in a custom type option means the same to both.
    #[test]
    fn type_classes(cql_type in types()) {
        let class = type_class(&cql_type);
        let theirs = read_custom_type(&class);
        let ResponseV2::Result(TheirResult::Rows((raw, _))) = theirs else {
            panic!("rows expected");
        };
        let read = raw.deserialize_metadata().unwrap();
        prop_assert!(same_type(&cql_type, read.metadata().col_specs()[0].typ()), "{}", class);
        prop_assert_eq!(parse_type_class(&class), Ok(cql_type));
    }

    #[test]
    fn compressed_bodies(body in vec(0u8..4, 0..3000)) {
        for (ours, theirs) in [
            (Compression::Lz4, TheirCompression::Lz4),
            (Compression::Snappy, TheirCompression::Snappy),
        ] {
            let (mut our_packed, mut their_packed, mut plain) = (vec![], vec![], vec![]);
            ours.compress(&body, &mut our_packed).unwrap();
            prop_assert_eq!(decompress(&our_packed, theirs).unwrap(), &body[..]);
            compress_append(&body, theirs, &mut their_packed).unwrap();
            ours.decompress(&their_packed, body.len(), &mut plain).unwrap();
            prop_assert_eq!(&plain, &body);
        }
    }
}

/// Rows of one column whose type is a custom class.
fn read_custom_type(class: &str) -> ResponseV2 {
    let mut body = Vec::new();
    for int in [2, MetadataFlags::GLOBAL_TABLE_SPEC as i32, 1] {
        write_int(&mut body, int);
    }
    for name in ["ks", "tab", "col"] {
        write_string(&mut body, name, "name").unwrap();
    }
    body.extend([0, 0]);
    write_string(&mut body, class, "class").unwrap();
    write_int(&mut body, 0);
    let opcode = ResponseOpcode::Result;
    ResponseV2::deserialize(&features(false).0, opcode, Bytes::from(body), None).unwrap()
}

#[test]
fn errors() {
    let (consistency, received, block_for) = (Consistency::LocalQuorum, 1, 2);
    let failures = Failures {
        count: 3,
        reasons: Vec::new(),
    };
    let types = vec!["int".into(), "text".into()];
    let details = [
        ErrorDetail::ServerError,
        ErrorDetail::ProtocolError,
        ErrorDetail::AuthenticationError,
        ErrorDetail::Unavailable {
            consistency,
            required: 3,
            alive: 1,
        },
        ErrorDetail::Overloaded,
        ErrorDetail::IsBootstrapping,
        ErrorDetail::TruncateError,
        ErrorDetail::WriteTimeout {
            consistency,
            received,
            block_for,
            write_type: WriteType::UnloggedBatch,
            contentions: None,
        },
        ErrorDetail::ReadTimeout {
            consistency,
            received,
            block_for,
            data_present: true,
        },
        ErrorDetail::ReadFailure {
            consistency,
            received,
            block_for,
            failures: failures.clone(),
            data_present: false,
        },
        ErrorDetail::FunctionFailure {
            keyspace: "ks".into(),
            function: "f".into(),
            argument_types: types,
        },
        ErrorDetail::WriteFailure {
            consistency,
            received,
            block_for,
            failures,
            write_type: WriteType::Other("NEW".into()),
        },
        ErrorDetail::CdcWriteFailure,
        ErrorDetail::CasWriteUnknown {
            consistency,
            received,
            block_for,
        },
        ErrorDetail::SyntaxError,
        ErrorDetail::Unauthorized,
        ErrorDetail::Invalid,
        ErrorDetail::ConfigError,
        ErrorDetail::AlreadyExists {
            keyspace: "ks".into(),
            table: "t".into(),
        },
        ErrorDetail::Unprepared {
            id: [1, 2, 3].into(),
        },
        ErrorDetail::RateLimitReached {
            code: 0xF000,
            operation: RateLimitOp::Write,
            rejected_by_coordinator: true,
        },
        ErrorDetail::Other {
            code: 0x7777,
            rest: [1].into(),
        },
    ];
    for detail in details {
        let ours = ErrorBody::new("why", detail);
        let ResponseV2::Error(theirs) = read(&Response::Error(ours.clone()), false) else {
            panic!("ERROR expected");
        };
        assert_eq!(theirs.reason, "why");
        assert_eq!(theirs.error, as_theirs(&ours));
    }
}

#[test]
fn events() {
    let address = "[2001:db8::7]:9042".parse().unwrap();
    let topology = |change| {
        read(
            &Response::Event(Event::TopologyChange { change, address }),
            false,
        )
    };
    assert!(matches!(
        topology(TopologyChangeKind::New),
        ResponseV2::Event(EventV2::TopologyChange(TopologyChangeEvent::NewNode(a))) if a == address
    ));
    assert!(matches!(
        topology(TopologyChangeKind::Removed),
        ResponseV2::Event(EventV2::TopologyChange(TopologyChangeEvent::RemovedNode(a))) if a == address
    ));
    let status = |change| {
        read(
            &Response::Event(Event::StatusChange { change, address }),
            false,
        )
    };
    assert!(matches!(
        status(StatusChangeKind::Up),
        ResponseV2::Event(EventV2::StatusChange(StatusChangeEvent::Up(a))) if a == address
    ));
    assert!(matches!(
        status(StatusChangeKind::Down),
        ResponseV2::Event(EventV2::StatusChange(StatusChangeEvent::Down(a))) if a == address
    ));
}

#[test]
fn schema_changes() {
    use SchemaChangeKind::{Created, Dropped, Updated};
    let name: Box<str> = "thing".into();
    let argument_types: Vec<Box<str>> = vec!["int".into(), "list<text>".into()];
    let targets = [
        SchemaTarget::Keyspace,
        SchemaTarget::Table(name.clone()),
        SchemaTarget::Type(name.clone()),
        SchemaTarget::Function {
            name: name.clone(),
            argument_types: argument_types.clone(),
        },
        SchemaTarget::Aggregate {
            name,
            argument_types,
        },
    ];
    for target in targets {
        for kind in [Created, Updated, Dropped] {
            let ours = SchemaChange {
                kind,
                keyspace: "ks".into(),
                target: target.clone(),
            };
            let event = read(&Response::Event(Event::SchemaChange(ours.clone())), false);
            let ResponseV2::Event(EventV2::SchemaChange(theirs)) = event else {
                panic!("{kind:?}")
            };
            assert!(same_change(&ours, &theirs), "{theirs:?}");
            let result = ResultBody::SchemaChange(ours.clone());
            let result = read(&Response::Result(result), false);
            let ResponseV2::Result(TheirResult::SchemaChange(theirs)) = result else {
                panic!("{kind:?}")
            };
            assert!(same_change(&ours, &theirs.event), "{theirs:?}");
        }
    }
}

#[test]
fn the_small_ones() {
    assert!(matches!(read(&Response::Ready, false), ResponseV2::Ready));
    let ResponseV2::Authenticate(read_back) = read(&Response::Authenticate("a.B"), false) else {
        panic!("AUTHENTICATE expected");
    };
    assert_eq!(read_back.authenticator_name, "a.B");
    for token in [None, Some(&b""[..]), Some(&b"token"[..])] {
        let ResponseV2::AuthChallenge(c) = read(&Response::AuthChallenge(token), false) else {
            panic!("AUTH_CHALLENGE expected");
        };
        assert_eq!(c.authenticate_message.as_deref(), token);
        let ResponseV2::AuthSuccess(s) = read(&Response::AuthSuccess(token), false) else {
            panic!("AUTH_SUCCESS expected");
        };
        assert_eq!(s.success_message.as_deref(), token);
    }
    let options = vec![("A", vec!["1", "2"]), ("B", vec![])];
    let ResponseV2::Supported(supported) = read(&Response::Supported(options), false) else {
        panic!("SUPPORTED expected");
    };
    assert_eq!(supported.options["A"], ["1", "2"]);
    assert!(supported.options["B"].is_empty());
    let void = read(&Response::Result(ResultBody::Void), false);
    assert!(matches!(void, ResponseV2::Result(TheirResult::Void)));
    let set = read(&Response::Result(ResultBody::SetKeyspace("ks")), false);
    let ResponseV2::Result(TheirResult::SetKeyspace(set)) = set else {
        panic!("USE expected")
    };
    assert_eq!(set.keyspace_name, "ks");
}
