//! Rows as SELECT sees them.

use shardlane_routing::Token;
use shardlane_wire::CqlType;

use crate::engine::prepare::token_of;
use crate::engine::schema::{Column, ColumnKind, Table};
use crate::engine::storage::{Cell, ColumnData, Expiry, MultiCell, Row};
use crate::engine::value::{Bytes, collection, compare, push_value};

/// A row of a table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StoredRow<'a> {
    pub(crate) table: &'a Table,
    pub(crate) keys: &'a [Bytes],
    pub(crate) token: Token,
    /// `None`: the partition has a static row only.
    pub(crate) clustering: Option<&'a [Box<[u8]>]>,
    pub(crate) static_row: &'a Row,
    pub(crate) row: Option<&'a Row>,
    pub(crate) now_s: i64,
}

/// A row's values, taken out of where they were.
#[derive(Debug, Clone, Default)]
pub(crate) struct FlatRow {
    pub(crate) values: Vec<Option<Bytes>>,
    /// Timestamp and expiry of single cells.
    pub(crate) stamps: Vec<Option<(i64, Option<Expiry>)>>,
    pub(crate) token: Option<Token>,
    pub(crate) now_s: i64,
}

/// Either.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RowView<'a> {
    Stored(StoredRow<'a>),
    Flat(&'a FlatRow),
}

impl<'a> StoredRow<'a> {
    fn data(&self, column: &Column) -> Option<&'a ColumnData> {
        match column.kind {
            ColumnKind::Static => self.static_row.get(column.id),
            ColumnKind::Regular => self.row?.get(column.id),
            ColumnKind::PartitionKey | ColumnKind::Clustering => None,
        }
    }

    fn value(&self, at: usize) -> Option<Bytes> {
        let column = &self.table.columns[at];
        match column.kind {
            ColumnKind::PartitionKey => self.keys.get(column.position).cloned(),
            ColumnKind::Clustering => self
                .clustering?
                .get(column.position)
                .map(|value| Bytes::from(&**value)),
            ColumnKind::Static | ColumnKind::Regular => {
                column_value(column, self.data(column)?, self.now_s)
            }
        }
    }

    fn stamp(&self, at: usize) -> Option<(i64, Option<Expiry>)> {
        let column = &self.table.columns[at];
        match self.data(column)? {
            ColumnData::Atomic(cell) => cell
                .read(self.now_s)
                .map(|(_, expiry)| (cell.timestamp, expiry)),
            ColumnData::Counter(counter) => counter.is_live().then_some((counter.timestamp, None)),
            ColumnData::Multi(_) => None,
        }
    }
}

impl RowView<'_> {
    /// The value of the column at a position.
    pub(crate) fn value(&self, at: usize) -> Option<Bytes> {
        match self {
            Self::Stored(row) => row.value(at),
            Self::Flat(row) => row.values.get(at).cloned().flatten(),
        }
    }

    /// Timestamp and expiry of a single cell.
    pub(crate) fn stamp(&self, at: usize) -> Option<(i64, Option<Expiry>)> {
        match self {
            Self::Stored(row) => row.stamp(at),
            Self::Flat(row) => row.stamps.get(at).copied().flatten(),
        }
    }

    /// The partition's token.
    pub(crate) fn token(&self) -> Option<Token> {
        match self {
            Self::Stored(row) => Some(row.token),
            Self::Flat(row) => row.token,
        }
    }

    pub(crate) fn now_s(&self) -> i64 {
        match self {
            Self::Stored(row) => row.now_s,
            Self::Flat(row) => row.now_s,
        }
    }

    /// All values of the row.
    pub(crate) fn flatten(&self, columns: usize) -> FlatRow {
        FlatRow {
            values: (0..columns).map(|at| self.value(at)).collect(),
            stamps: (0..columns).map(|at| self.stamp(at)).collect(),
            token: self.token(),
            now_s: self.now_s(),
        }
    }
}

impl FlatRow {
    /// The token of the first `len` values.
    pub(crate) fn token_of(&self, len: usize) -> Option<Token> {
        let parts: Option<Vec<&[u8]>> = self.values[..len].iter().map(Option::as_deref).collect();
        parts.map(|parts| token_of(&parts))
    }
}

/// A column's value as CQL bytes.
pub(crate) fn column_value(column: &Column, data: &ColumnData, now_s: i64) -> Option<Bytes> {
    match data {
        ColumnData::Atomic(cell) => cell.read(now_s).map(|(value, _)| value.clone()),
        ColumnData::Multi(multi) => assemble(&column.ty, multi, now_s).map(Bytes::from),
        ColumnData::Counter(counter) => counter
            .is_live()
            .then(|| Bytes::from(&counter.total().to_be_bytes()[..])),
    }
}

/// The value of a collection or user-defined type made of cells; an empty one is null.
fn assemble(ty: &CqlType, multi: &MultiCell, now_s: i64) -> Option<Vec<u8>> {
    let live = |cell: &Cell| cell.read(now_s).map(|(value, _)| value.clone());
    if let CqlType::Udt(udt) = ty {
        let field = |at: usize| live(multi.cells.get(&(at as u16).to_be_bytes()[..])?);
        let values: Vec<_> = (0..udt.fields.len()).map(field).collect();
        if values.iter().all(Option::is_none) {
            return None;
        }
        let mut out = Vec::new();
        values
            .iter()
            .for_each(|value| push_value(&mut out, value.as_deref()));
        return Some(out);
    }
    let mut entries: Vec<(&[u8], Bytes)> = multi
        .cells
        .iter()
        .filter_map(|(key, cell)| Some((&**key, live(cell)?)))
        .collect();
    if entries.is_empty() {
        return None;
    }
    let count = entries.len();
    Some(match ty {
        CqlType::Set(element) => {
            entries.sort_by(|a, b| compare(element, a.0, b.0));
            collection(count, entries.iter().map(|(key, _)| *key))
        }
        CqlType::Map(entry) => {
            entries.sort_by(|a, b| compare(&entry.0, a.0, b.0));
            collection(
                count,
                entries.iter().flat_map(|(key, value)| [*key, &**value]),
            )
        }
        // list cells lie in the order of their positions
        _ => collection(count, entries.iter().map(|(_, value)| &**value)),
    })
}
