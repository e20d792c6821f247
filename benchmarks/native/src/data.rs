//! The rows that are read, as `benchmarks/data.py` wrote them.

use shardlane_wire::request::Execute;
use shardlane_wire::{
    BoundValues, Consistency, Dialect, Opcode, QueryParams, Response, ResultBody, Rows,
};

use crate::Fallible;

/// The statement that is measured.
pub(crate) const SELECT: &str = "SELECT id, name, score FROM bench.points WHERE id = ?";
/// Its keyspace and table.
pub(crate) const TABLE: (&str, &str) = ("bench", "points");

const POINTS: u64 = 10_000;
/// Coprime with the number of rows: multiples of it meet every key before any comes again.
const STRIDE: u64 = 7_919;

/// The keys in an order that is no order of the table.
pub(crate) fn keys() -> impl Iterator<Item = i64> {
    (0..POINTS).map(|number| (number * STRIDE % POINTS) as i64)
}

/// A prepared SELECT.
#[derive(Debug, Clone)]
pub(crate) struct Statement {
    pub(crate) dialect: Dialect,
    pub(crate) id: Box<[u8]>,
    /// Of the result's columns; empty if the server gave none, which then sends the columns each time.
    result_metadata_id: Box<[u8]>,
}

impl Statement {
    /// Reads the answer to PREPARE.
    pub(crate) fn read(dialect: Dialect, body: &[u8]) -> Fallible<Self> {
        match Response::decode(dialect, Opcode::Result, body)? {
            Response::Result(ResultBody::Prepared(prepared)) => Ok(Self {
                dialect,
                id: prepared.id.into(),
                result_metadata_id: prepared.result_metadata_id.unwrap_or_default().into(),
            }),
            other => Err(format!("PREPARE was answered with {other:?}").into()),
        }
    }

    /// The request for a key.
    pub(crate) fn execute<'a>(&'a self, value: &'a [u8; 12]) -> Execute<'a> {
        let known = self.dialect.has_metadata_id() && !self.result_metadata_id.is_empty();
        Execute {
            id: &self.id,
            result_metadata_id: self
                .dialect
                .has_metadata_id()
                .then_some(&self.result_metadata_id[..]),
            params: QueryParams {
                values: BoundValues::positional(1, value),
                skip_metadata: known,
                page_size: Some(5_000),
                ..QueryParams::new(Consistency::LocalOne)
            },
            tablet_block: None,
        }
    }
}

/// A key as a bound value: its length, and its bytes.
pub(crate) fn bound(key: i64) -> [u8; 12] {
    let mut value = [0; 12];
    value[..4].copy_from_slice(&8i32.to_be_bytes());
    value[4..].copy_from_slice(&key.to_be_bytes());
    value
}

/// Reads the row of an answer, and checks that it is `key`'s; any row's, if the server only repeats one.
pub(crate) fn check(dialect: Dialect, body: &[u8], key: i64, canned: bool) -> Fallible<()> {
    let rows = match Response::decode(dialect, Opcode::Result, body)? {
        Response::Result(ResultBody::Rows(rows)) => rows,
        other => return Err(format!("SELECT was answered with {other:?}").into()),
    };
    let (id, name, score) = row(&rows)?;
    let expected = if canned { id } else { key };
    let is_right = id == expected
        && score == (expected * 31) as i32
        && name.len() == 16
        && name.starts_with("name-");
    if is_right {
        Ok(())
    } else {
        Err(format!("expected the row of {expected}, got {id}, {name:?}, {score}").into())
    }
}

fn row<'a>(rows: &Rows<'a>) -> Fallible<(i64, &'a str, i32)> {
    let mut cells = rows.cells();
    let mut cell = || -> Fallible<&'a [u8]> { Ok(cells.next_cell()?.ok_or("a value is null")?) };
    Ok((
        i64::from_be_bytes(cell()?.try_into()?),
        std::str::from_utf8(cell()?)?,
        i32::from_be_bytes(cell()?.try_into()?),
    ))
}
