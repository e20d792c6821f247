//! Rows of virtual tables: made from cells by name, kept in a store of their own, read like any others.

use std::net::IpAddr;
use std::sync::Arc;

use shardlane_routing::{composite_key, murmur3_token};

use crate::engine::schema::{Column, ColumnKind, Table};
use crate::engine::storage::{
    Cell, ClusteringKey, ColumnData, Fragment, Marker, MultiCell, Mutation, PartitionKey, Row, Store,
};
use crate::engine::value::{Bytes, collection, encode_comparable, inet_bytes, map_entries, read_values};
use shardlane_wire::CqlType;

/// All cells were written at the beginning of time.
const TIMESTAMP: i64 = 0;

/// A cell by column name; `None` is null.
pub(super) type NamedCell<'a> = (&'a str, Option<Vec<u8>>);

/// Collects the rows of one table.
pub(super) struct Rows<'a> {
    table: &'a Table,
    pub(super) store: Store,
}

impl<'a> Rows<'a> {
    pub(super) const fn new(table: &'a Table) -> Self {
        Self { table, store: Store::new() }
    }

    /// Adds a row. Cells of columns that the table does not have are left out: flavours differ.
    pub(super) fn add(&mut self, cells: &[NamedCell<'_>]) {
        let value = |column: &Column| -> Bytes {
            let cell = cells.iter().find(|(name, _)| *name == &*column.name);
            cell.and_then(|(_, value)| value.clone()).unwrap_or_default().into()
        };
        let key: Vec<Bytes> = self.table.partition_key().iter().map(value).collect();
        let mut fragment = Fragment::new(partition_key(&key));
        let mut row = Row { marker: Some(Marker { timestamp: TIMESTAMP, expiry: None }), ..Row::default() };
        for (name, value) in cells {
            let (Some(column), Some(value)) = (self.table.column(name), value) else { continue };
            match column.kind {
                ColumnKind::PartitionKey | ColumnKind::Clustering => {}
                ColumnKind::Static => fragment.static_row.put(column.id, data(column, value)),
                ColumnKind::Regular => row.put(column.id, data(column, value)),
            }
        }
        let clustering = clustering_key(self.table.clustering(), value);
        *fragment.row_mut(clustering) = row;
        self.store.apply(Mutation { table: self.table.id, fragment });
    }
}

fn partition_key(parts: &[Bytes]) -> PartitionKey {
    let mut bytes = Vec::new();
    // Names are short: they fit.
    let _ = composite_key(parts.iter().map(|part| &**part), &mut bytes);
    PartitionKey { token: murmur3_token(&bytes), bytes: bytes.into() }
}

fn clustering_key(columns: &[Column], value: impl Fn(&Column) -> Bytes) -> ClusteringKey {
    let mut order = Vec::new();
    let mut values: Vec<Box<[u8]>> = Vec::new();
    for column in columns {
        let part = value(column);
        encode_comparable(&column.ty, &part, column.descending, &mut order);
        values.push(Box::from(&*part));
    }
    ClusteringKey { order: order.into(), values: Arc::from(values) }
}

fn data(column: &Column, value: &[u8]) -> ColumnData {
    let cell = |bytes: &[u8]| Cell::live(TIMESTAMP, bytes, None);
    if !column.multi_cell {
        return ColumnData::Atomic(cell(value));
    }
    let mut multi = MultiCell::default();
    match &column.ty {
        CqlType::Map(_) => {
            for (key, element) in map_entries(value).unwrap_or_default() {
                multi.cells.insert(key.into(), cell(element));
            }
        }
        _ => {
            for element in read_values(value, 1).unwrap_or_default() {
                multi.cells.insert(element.into(), cell(&[]));
            }
        }
    }
    ColumnData::Multi(multi)
}

pub(super) fn text(value: &str) -> Option<Vec<u8>> {
    Some(value.as_bytes().to_vec())
}

pub(super) fn int(value: i32) -> Option<Vec<u8>> {
    Some(value.to_be_bytes().to_vec())
}

pub(super) fn bigint(value: i64) -> Option<Vec<u8>> {
    Some(value.to_be_bytes().to_vec())
}

pub(super) fn double(value: f64) -> Option<Vec<u8>> {
    Some(value.to_be_bytes().to_vec())
}

pub(super) fn boolean(value: bool) -> Option<Vec<u8>> {
    Some(vec![u8::from(value)])
}

pub(super) fn uuid(value: &[u8; 16]) -> Option<Vec<u8>> {
    Some(value.to_vec())
}

pub(super) fn inet(value: IpAddr) -> Option<Vec<u8>> {
    Some(inet_bytes(value))
}

/// A `list<text>`, or a `set<text>` if `values` are sorted.
pub(super) fn texts<S: AsRef<str>>(values: &[S]) -> Option<Vec<u8>> {
    Some(collection(values.len(), values.iter().map(|v| v.as_ref().as_bytes())))
}

/// A `map<text, text>`; maps are sorted by key.
pub(super) fn text_map<'a>(entries: impl IntoIterator<Item = (&'a str, &'a str)>) -> Option<Vec<u8>> {
    let mut entries: Vec<(&str, &str)> = entries.into_iter().collect();
    entries.sort_unstable();
    let flat: Vec<&[u8]> = entries.iter().flat_map(|(k, v)| [k.as_bytes(), v.as_bytes()]).collect();
    Some(collection(entries.len(), flat))
}
