//! Messages to bytes, and bytes to messages.

use std::hint::black_box;

use shardlane_wire::request::{Batch, BatchQuery, BatchStatement, BatchStatements, BatchType};
use shardlane_wire::request::{Execute, Query};
use shardlane_wire::result::{MetadataFlags, encode_columns};
use shardlane_wire::types::CqlType;
use shardlane_wire::{
    BoundValues, ColumnSpec, Consistency, Dialect, Opcode, QueryParams, Request, RequestEnvelope,
    Response, ResultBody, Rows, RowsMetadata,
};

use super::server::cell;
use crate::case::{Case, Subject};

/// Messages of a run.
const COUNT: u32 = 64;
/// Statements of a batch.
const STATEMENTS: u16 = 10;
/// Rows of a page whose cells are walked.
const ROWS: u32 = 100;
const COLUMNS: u32 = 3;

const fn case(name: &'static str, make: fn() -> Box<dyn Subject>) -> Case {
    Case {
        name,
        units: COUNT,
        unit: "message",
        make,
    }
}

pub(super) const CASES: [Case; 6] = [
    case("encode/execute", || {
        let values = bound_values();
        let execute = Request::Execute(Execute {
            id: ID,
            result_metadata_id: None,
            params: params(values),
            tablet_block: None,
        });
        encoding(execute)
    }),
    case("encode/query", || {
        let values = bound_values();
        let query = Request::Query(Query {
            text: "SELECT a, b, c FROM ks.t WHERE a = ? AND b = ? AND c = ?",
            params: params(values),
        });
        encoding(query)
    }),
    case("encode/batch_10", || {
        let values = bound_values();
        let mut bytes = Vec::new();
        for _ in 0..STATEMENTS {
            let statement = BatchStatement {
                query: BatchQuery::Prepared(ID),
                values: BoundValues::positional(3, values),
            };
            statement.encode(&mut bytes).expect("short");
        }
        let batch = Request::Batch(Batch {
            batch_type: BatchType::Unlogged,
            statements: BatchStatements {
                count: STATEMENTS,
                bytes: bytes.leak(),
            },
            consistency: Consistency::LocalQuorum,
            serial_consistency: None,
            timestamp: Some(1_700_000_000_000_000),
            keyspace: None,
            now_in_seconds: None,
        });
        encoding(batch)
    }),
    case("decode/rows", || decoding(&page(1, false), |_| ())),
    case("decode/rows_with_metadata", || {
        decoding(&page(1, true), |rows| {
            let columns = rows.metadata.parse_columns().expect("sound");
            assert_eq!(black_box(columns).len(), COLUMNS as usize);
        })
    }),
    Case {
        name: "decode/cells",
        units: ROWS * COLUMNS,
        unit: "cell",
        make: || {
            let body = page(ROWS, false);
            Box::new(move || {
                let mut cells = rows_of(black_box(&body)).cells();
                for _ in 0..ROWS * COLUMNS {
                    black_box(cells.next_cell().expect("sound"));
                }
                assert!(cells.is_at_end());
            })
        },
    },
];

const ID: &[u8] = &[7; 16];

/// A bigint, a text, a double; never freed, so that requests can borrow them.
fn bound_values() -> &'static [u8] {
    let mut values = Vec::new();
    cell(&mut values, &1i64.to_be_bytes());
    cell(&mut values, b"a short text");
    cell(&mut values, &1f64.to_be_bytes());
    values.leak()
}

fn params(values: &[u8]) -> QueryParams<'_> {
    QueryParams {
        values: BoundValues::positional(3, values),
        skip_metadata: true,
        page_size: Some(5000),
        timestamp: Some(1_700_000_000_000_000),
        ..QueryParams::new(Consistency::LocalQuorum)
    }
}

/// Frames of this request, one after another into one buffer.
fn encoding(request: Request<'static>) -> Box<dyn Subject> {
    let mut out = Vec::new();
    Box::new(move || {
        out.clear();
        for stream in 0..COUNT as i16 {
            let envelope = RequestEnvelope::default();
            black_box(&request)
                .encode_frame(Dialect::V4, stream, &envelope, &mut out)
                .expect("short");
        }
        black_box(&out);
    })
}

fn decoding(body: &[u8], then: fn(Rows<'_>)) -> Box<dyn Subject> {
    let body = body.to_vec();
    Box::new(move || {
        for _ in 0..COUNT {
            then(black_box(rows_of(black_box(&body))));
        }
    })
}

fn rows_of(body: &[u8]) -> Rows<'_> {
    match Response::decode(Dialect::V4, Opcode::Result, body) {
        Ok(Response::Result(ResultBody::Rows(rows))) => rows,
        other => unreachable!("{other:?}"),
    }
}

/// The body of a RESULT: rows of a bigint, a text and a double.
pub(super) fn page(count: u32, with_metadata: bool) -> Vec<u8> {
    let column = |name: &str, cql_type| ColumnSpec {
        keyspace: "ks".into(),
        table: "t".into(),
        name: name.into(),
        cql_type,
    };
    let columns = [
        column("a", CqlType::BigInt),
        column("b", CqlType::Text),
        column("c", CqlType::Double),
    ];
    let (mut raw_columns, mut cells) = (Vec::new(), Vec::new());
    encode_columns(&columns, true, &mut raw_columns).expect("short");
    for row in 0..count {
        cell(&mut cells, &i64::from(row).to_be_bytes());
        cell(&mut cells, b"a short text of a row");
        cell(&mut cells, &f64::from(row).to_be_bytes());
    }
    let metadata = RowsMetadata {
        column_count: COLUMNS,
        ..RowsMetadata::default()
    };
    let metadata = if with_metadata {
        RowsMetadata {
            flags: MetadataFlags::GLOBAL_TABLE_SPEC,
            raw_columns: &raw_columns,
            ..metadata
        }
    } else {
        RowsMetadata {
            flags: MetadataFlags::NO_METADATA,
            ..metadata
        }
    };
    let mut body = Vec::new();
    ResultBody::Rows(Rows {
        metadata,
        rows_count: count,
        rows: &cells,
    })
    .encode(Dialect::V4, &mut body)
    .expect("short");
    body
}
