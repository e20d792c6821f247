//! Responses, in every dialect.

use std::net::IpAddr;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use shardlane_wire::event::{StatusChangeKind, TopologyChangeKind};
use shardlane_wire::primitive::{Reader, write_bytes_opt};
use shardlane_wire::result::{MetadataFlags, encode_columns};
use shardlane_wire::types::{encode_type, parse_type_class, read_type, skip_type, type_class};
use shardlane_wire::{
    ClientRoutesChange, Dialect, ErrorBody, ErrorDetail, Event, Failures, FrameHeader, HEADER_LEN,
    Prepared, RateLimitOp, Response, ResponseEnvelope, ResultBody, Rows, RowsMetadata,
    SchemaChange, SchemaChangeKind, SchemaTarget, Version, WriteType,
};

use crate::strategies::{
    addresses, blobs, borrowed, columns, consistencies, cql_types, dialects, names, payloads,
};

fn assert_round_trip(response: &Response<'_>, dialect: Dialect) -> Vec<u8> {
    let mut body = Vec::new();
    response.encode(dialect, &mut body).unwrap();
    assert_eq!(
        Response::decode(dialect, response.opcode(), &body).as_ref(),
        Ok(response)
    );
    body
}

fn boxed(name: impl Strategy<Value = String>) -> impl Strategy<Value = Box<str>> {
    name.prop_map(Box::from)
}

prop_compose! {
    fn failures()(
        count: i32, reasons in vec((any::<IpAddr>(), any::<u16>()), 0..3),
    ) -> Failures {
        Failures { count, reasons }
    }
}

/// Details that exist in v4; [`fit`] makes them fit other dialects.
fn details() -> impl Strategy<Value = ErrorDetail> {
    let counts = || (consistencies(), any::<i32>(), any::<i32>());
    let write_types = || names().prop_map(|word| WriteType::from(&*word));
    let known = select(vec![WriteType::Simple, WriteType::Cas, WriteType::BatchLog]);
    let types = || vec(boxed(names()), 0..3);
    prop_oneof![
        select(vec![
            ErrorDetail::ServerError,
            ErrorDetail::ProtocolError,
            ErrorDetail::AuthenticationError,
            ErrorDetail::Overloaded,
            ErrorDetail::IsBootstrapping,
            ErrorDetail::TruncateError,
            ErrorDetail::CdcWriteFailure,
            ErrorDetail::SyntaxError,
            ErrorDetail::Unauthorized,
            ErrorDetail::Invalid,
            ErrorDetail::ConfigError,
        ]),
        counts().prop_map(|(consistency, required, alive)| ErrorDetail::Unavailable {
            consistency,
            required,
            alive
        }),
        (counts(), known, option::of(any::<u16>())).prop_map(
            |((consistency, received, block_for), write_type, contentions)| {
                ErrorDetail::WriteTimeout {
                    consistency,
                    received,
                    block_for,
                    write_type,
                    contentions,
                }
            }
        ),
        (counts(), any::<bool>()).prop_map(|((consistency, received, block_for), data_present)| {
            ErrorDetail::ReadTimeout {
                consistency,
                received,
                block_for,
                data_present,
            }
        }),
        (counts(), failures(), any::<bool>()).prop_map(
            |((consistency, received, block_for), failures, data_present)| {
                ErrorDetail::ReadFailure {
                    consistency,
                    received,
                    block_for,
                    failures,
                    data_present,
                }
            }
        ),
        (boxed(names()), boxed(names()), types()).prop_map(
            |(keyspace, function, argument_types)| {
                ErrorDetail::FunctionFailure {
                    keyspace,
                    function,
                    argument_types,
                }
            }
        ),
        (counts(), failures(), write_types()).prop_map(
            |((consistency, received, block_for), failures, write_type)| {
                ErrorDetail::WriteFailure {
                    consistency,
                    received,
                    block_for,
                    failures,
                    write_type,
                }
            }
        ),
        counts().prop_map(
            |(consistency, received, block_for)| ErrorDetail::CasWriteUnknown {
                consistency,
                received,
                block_for
            }
        ),
        (boxed(names()), boxed(names()))
            .prop_map(|(keyspace, table)| ErrorDetail::AlreadyExists { keyspace, table }),
        blobs().prop_map(|id| ErrorDetail::Unprepared { id: id.into() }),
        (any::<bool>(), 0u8..5).prop_map(|(rejected_by_coordinator, operation)| {
            let operation = match operation {
                0 => RateLimitOp::Read,
                1 => RateLimitOp::Write,
                code => RateLimitOp::Other(code),
            };
            ErrorDetail::RateLimitReached {
                code: 0xF000,
                operation,
                rejected_by_coordinator,
            }
        }),
        (0x7000..0x8000, blobs()).prop_map(|(code, rest)| ErrorDetail::Other {
            code,
            rest: rest.into()
        }),
    ]
}

/// Leaves out what a dialect cannot say.
fn fit(detail: ErrorDetail, dialect: &mut Dialect) -> ErrorDetail {
    let v5 = dialect.version >= Version::V5;
    let fit_failures = |mut failures: Failures| {
        if v5 {
            failures.count = failures.reasons.len() as i32;
        } else {
            failures.reasons.clear();
        }
        failures
    };
    match detail {
        ErrorDetail::WriteTimeout {
            consistency,
            received,
            block_for,
            write_type,
            contentions,
        } => {
            let contentions = contentions.filter(|_| v5 && write_type == WriteType::Cas);
            ErrorDetail::WriteTimeout {
                consistency,
                received,
                block_for,
                write_type,
                contentions,
            }
        }
        ErrorDetail::ReadFailure {
            consistency,
            received,
            block_for,
            failures,
            data_present,
        } => {
            let failures = fit_failures(failures);
            ErrorDetail::ReadFailure {
                consistency,
                received,
                block_for,
                failures,
                data_present,
            }
        }
        ErrorDetail::WriteFailure {
            consistency,
            received,
            block_for,
            failures,
            write_type,
        } => {
            let failures = fit_failures(failures);
            ErrorDetail::WriteFailure {
                consistency,
                received,
                block_for,
                failures,
                write_type,
            }
        }
        ErrorDetail::RateLimitReached { code, .. } => {
            dialect.rate_limit_error = Some(code);
            detail
        }
        other => other,
    }
}

fn schema_changes() -> impl Strategy<Value = SchemaChange> {
    use SchemaChangeKind::{Created, Dropped, Updated};
    let types = || vec(boxed(names()), 0..3);
    let targets = prop_oneof![
        Just(SchemaTarget::Keyspace),
        boxed(names()).prop_map(SchemaTarget::Table),
        boxed(names()).prop_map(SchemaTarget::Type),
        (boxed(names()), types()).prop_map(|(name, argument_types)| SchemaTarget::Function {
            name,
            argument_types
        }),
        (boxed(names()), types()).prop_map(|(name, argument_types)| SchemaTarget::Aggregate {
            name,
            argument_types
        }),
    ];
    (
        select(vec![Created, Updated, Dropped]),
        boxed(names()),
        targets,
    )
        .prop_map(|(kind, keyspace, target)| SchemaChange {
            kind,
            keyspace,
            target,
        })
}

fn events() -> impl Strategy<Value = Event> {
    use TopologyChangeKind::{Moved, New, Removed};
    prop_oneof![
        (select(vec![New, Removed, Moved]), addresses())
            .prop_map(|(change, address)| Event::TopologyChange { change, address }),
        (
            select(vec![StatusChangeKind::Up, StatusChangeKind::Down]),
            addresses()
        )
            .prop_map(|(change, address)| Event::StatusChange { change, address }),
        schema_changes().prop_map(Event::SchemaChange),
        (vec(boxed(names()), 0..4), vec(boxed(names()), 0..4)).prop_map(
            |(connection_ids, host_ids)| {
                Event::ClientRoutesChange(ClientRoutesChange::UpdateNodes {
                    connection_ids,
                    host_ids,
                })
            }
        ),
    ]
}

prop_compose! {
    fn metadata()(
        (global, columns) in columns(),
        paging_state in option::of(blobs()),
        metadata_id in option::of(blobs()),
        no_metadata in any::<bool>(),
    ) -> Metadata {
        let mut raw_columns = Vec::new();
        encode_columns(&columns, global, &mut raw_columns).unwrap();
        let mut flags = if global { MetadataFlags::GLOBAL_TABLE_SPEC } else { 0 };
        if paging_state.is_some() {
            flags |= MetadataFlags::HAS_MORE_PAGES;
        }
        if no_metadata {
            flags |= MetadataFlags::NO_METADATA;
        }
        Metadata { flags, columns, paging_state, metadata_id, raw_columns }
    }
}

/// Metadata with what it borrows.
#[derive(Debug)]
struct Metadata {
    flags: u32,
    columns: Vec<shardlane_wire::ColumnSpec>,
    paging_state: Option<Vec<u8>>,
    metadata_id: Option<Vec<u8>>,
    raw_columns: Vec<u8>,
}

impl Metadata {
    fn borrow(&self, dialect: Dialect) -> RowsMetadata<'_> {
        let new_metadata_id = self
            .metadata_id
            .as_deref()
            .filter(|_| dialect.has_metadata_id());
        let changed = if new_metadata_id.is_some() {
            MetadataFlags::METADATA_CHANGED
        } else {
            0
        };
        let skipped = self.flags & MetadataFlags::NO_METADATA != 0;
        RowsMetadata {
            flags: self.flags | changed,
            column_count: self.columns.len() as u32,
            paging_state: self.paging_state.as_deref(),
            new_metadata_id,
            raw_columns: if skipped { &[] } else { &self.raw_columns },
        }
    }
}

proptest! {
    #[test]
    fn errors(message in names(), detail in details(), dialect in dialects()) {
        let mut dialect = dialect;
        let detail = fit(detail, &mut dialect);
        let code = detail.code();
        let body = assert_round_trip(&Response::Error(ErrorBody::new(message, detail)), dialect);
        prop_assert_eq!(&body[..4], code.to_be_bytes());
    }

    #[test]
    fn events_and_schema_changes(event in events(), change in schema_changes(), dialect in dialects()) {
        assert_round_trip(&Response::Event(event), dialect);
        assert_round_trip(&Response::Result(ResultBody::SchemaChange(change)), dialect);
    }

    #[test]
    fn small_ones(
        name in names(),
        token in option::of(blobs()),
        options in vec((names(), vec(names(), 0..3)), 0..4),
        dialect in dialects(),
    ) {
        let options = options.iter()
            .map(|(key, values)| (key.as_str(), values.iter().map(String::as_str).collect()));
        for response in [
            Response::Ready,
            Response::Authenticate(&name),
            Response::Supported(options.collect()),
            Response::AuthChallenge(token.as_deref()),
            Response::AuthSuccess(token.as_deref()),
            Response::Result(ResultBody::Void),
            Response::Result(ResultBody::SetKeyspace(&name)),
        ] {
            let body = assert_round_trip(&response, dialect);
            let longer = [&body[..], &[0]].concat();
            prop_assert!(Response::decode(dialect, response.opcode(), &longer).is_err());
        }
    }

    #[test]
    fn rows(
        metadata in metadata(),
        cells in vec(option::of(blobs()), 0..20),
        dialect in dialects(),
        cut: Index,
    ) {
        let columns = metadata.columns.len();
        let rows_count = cells.len().checked_div(columns).unwrap_or(0);
        let cells = &cells[..rows_count * columns];
        let mut raw = Vec::new();
        cells.iter().for_each(|cell| write_bytes_opt(&mut raw, cell.as_deref(), "cell").unwrap());
        let borrowed = metadata.borrow(dialect);
        let rows = Rows { metadata: borrowed, rows_count: rows_count as u32, rows: &raw };
        assert_round_trip(&Response::Result(ResultBody::Rows(rows)), dialect);

        prop_assert_eq!(rows.validate(), Ok(()));
        let mut reader = rows.cells();
        for cell in cells {
            prop_assert_eq!(reader.next_cell(), Ok(cell.as_deref()));
        }
        prop_assert!(reader.is_at_end());
        let parsed = borrowed.parse_columns().unwrap();
        prop_assert_eq!(&parsed[..], if borrowed.has_no_metadata() { &[] } else { &metadata.columns[..] });

        if !raw.is_empty() {
            let part = Rows { rows: &raw[..cut.index(raw.len())], ..rows };
            prop_assert!(part.validate().is_err());
        }
    }

    #[test]
    fn prepared(
        id in blobs(),
        metadata_id in blobs(),
        pk_indexes in vec(any::<u16>(), 0..4),
        lwt: bool,
        bind in metadata(),
        result in metadata(),
        dialect in dialects(),
        cut: Index,
    ) {
        let global = bind.flags & MetadataFlags::GLOBAL_TABLE_SPEC;
        let prepared = Prepared {
            id: &id,
            result_metadata_id: dialect.has_metadata_id().then_some(&metadata_id),
            bind_flags: global | if lwt { 1 << 31 } else { 0 },
            bind_count: bind.columns.len() as u32,
            pk_indexes: if dialect.version < Version::V4 { Vec::new() } else { pk_indexes },
            raw_bind_columns: &bind.raw_columns,
            result_metadata: result.borrow(dialect),
        };
        prop_assert_eq!(prepared.parse_bind_columns(), Ok(bind.columns));
        let response = Response::Result(ResultBody::Prepared(prepared));
        let body = assert_round_trip(&response, dialect);
        let part = &body[..cut.index(body.len())];
        prop_assert!(Response::decode(dialect, response.opcode(), part).is_err());
    }

    #[test]
    fn types_survive_as_options_and_as_classes(cql_type in cql_types()) {
        let mut option = Vec::new();
        encode_type(&cql_type, &mut option).unwrap();
        let mut reader = Reader::new(&option);
        let read = read_type(&mut reader).unwrap();
        prop_assert_eq!(&read, &cql_type);
        let mut skipper = Reader::new(&option);
        skip_type(&mut skipper).unwrap();
        prop_assert_eq!((reader.position(), skipper.position()), (option.len(), option.len()));
        prop_assert_eq!(parse_type_class(&type_class(&cql_type)), Ok(cql_type));
    }

    #[test]
    fn frames(
        tracing_id in option::of(any::<[u8; 16]>()),
        warnings in vec(names(), 0..3),
        payload in payloads(),
        stream: i16,
        dialect in dialects(),
    ) {
        let v3 = dialect.version < Version::V4;
        let envelope = ResponseEnvelope {
            tracing_id,
            warnings: if v3 { Vec::new() } else { warnings.iter().map(String::as_str).collect() },
            custom_payload: if v3 { Vec::new() } else { borrowed(&payload) },
            body: &[],
        };
        let response = Response::Result(ResultBody::SetKeyspace("ks"));
        let mut out = Vec::new();
        response.encode_frame(dialect, stream, &envelope, &mut out).unwrap();

        let (head, body) = out.split_first_chunk::<HEADER_LEN>().unwrap();
        let header = FrameHeader::decode(head).unwrap();
        prop_assert_eq!((header.stream, header.length as usize), (stream, body.len()));
        let read = ResponseEnvelope::decode(&header, body).unwrap();
        let decoded = Response::decode(dialect, header.opcode, read.body);
        prop_assert_eq!(decoded.as_ref(), Ok(&response));
        prop_assert_eq!(ResponseEnvelope { body: &[], ..read }, envelope);
    }
}
