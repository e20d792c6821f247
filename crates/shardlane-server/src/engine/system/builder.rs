//! Rows of a system table as stored data.

use std::net::IpAddr;

use shardlane_wire::CqlType;

use crate::engine::prepare::{clustering_key, partition_key};
use crate::engine::schema::{ColumnKind, Table};
use crate::engine::storage::{
    Cell, ClusteringKey, ColumnData, Fragment, Marker, MultiCell, Mutation, Store,
};
use crate::engine::value::{Bytes, collection, inet_bytes, map_entries, read_values};

/// Collects rows of one table.
pub(super) struct TableBuilder<'a> {
    table: &'a Table,
    store: Store,
}

/// System rows have always been there.
const TIMESTAMP: i64 = 0;

impl<'a> TableBuilder<'a> {
    pub(super) const fn new(table: &'a Table) -> Self {
        Self {
            table,
            store: Store::new(),
        }
    }

    /// The table's name.
    pub(super) fn name(&self) -> &'a str {
        &self.table.name
    }

    pub(super) const fn store(&self) -> &Store {
        &self.store
    }

    /// Adds a row. Columns that the table does not have are left out; a row without its whole key is none.
    pub(super) fn row(&mut self, values: &[(&str, Value)]) {
        let find = |name: &str| {
            values
                .iter()
                .find(|(given, _)| *given == name)
                .and_then(|(_, value)| value.0.clone())
        };
        let parts: Option<Vec<Bytes>> = self
            .table
            .partition_key()
            .iter()
            .map(|column| find(&column.name))
            .collect();
        let clustering: Option<Vec<Bytes>> = self
            .table
            .clustering()
            .iter()
            .map(|column| find(&column.name))
            .collect();
        let (Some(parts), Some(clustering)) = (parts, clustering) else {
            return;
        };
        let Ok(key) = partition_key(self.table, &parts) else {
            return;
        };
        let mut fragment = Fragment::new(key);
        let place = if clustering.is_empty() {
            ClusteringKey::empty()
        } else {
            clustering_key(self.table.clustering(), &clustering)
        };
        fragment.row_mut(place.clone()).marker = Some(Marker {
            timestamp: TIMESTAMP,
            expiry: None,
        });
        for column in self.table.value_columns() {
            let Some(value) = find(&column.name) else {
                continue;
            };
            let data = if column.multi_cell {
                ColumnData::Multi(cells(&column.ty, &value))
            } else {
                ColumnData::Atomic(Cell::live(TIMESTAMP, value, None))
            };
            match column.kind {
                ColumnKind::Static => fragment.static_row.put(column.id, data),
                _ => fragment.row_mut(place.clone()).put(column.id, data),
            }
        }
        self.store.apply(Mutation {
            table: self.table.id,
            fragment,
        });
    }
}

fn cells(ty: &CqlType, bytes: &[u8]) -> MultiCell {
    let mut multi = MultiCell::default();
    let mut put = |key: &[u8], value: &[u8]| {
        multi
            .cells
            .insert(key.into(), Cell::live(TIMESTAMP, value, None));
    };
    match ty {
        CqlType::Map(_) => map_entries(bytes)
            .unwrap_or_default()
            .into_iter()
            .for_each(|(key, value)| put(key, value)),
        _ => read_values(bytes, 1)
            .unwrap_or_default()
            .into_iter()
            .for_each(|value| put(value, &[])),
    }
    multi
}

/// A value of a system column.
#[derive(Debug, Clone)]
pub(super) struct Value(Option<Bytes>);

impl Value {
    pub(super) const NULL: Self = Self(None);

    pub(super) fn bytes(bytes: impl AsRef<[u8]>) -> Self {
        Self(Some(bytes.as_ref().into()))
    }

    pub(super) fn strings<T: AsRef<str>>(items: impl IntoIterator<Item = T>) -> Self {
        let items: Vec<T> = items.into_iter().collect();
        Self::bytes(collection(
            items.len(),
            items.iter().map(|item| item.as_ref().as_bytes()),
        ))
    }

    pub(super) fn map<K: AsRef<str>, V: AsRef<str>>(
        entries: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let mut entries: Vec<(K, V)> = entries.into_iter().collect();
        entries.sort_by(|a, b| a.0.as_ref().cmp(b.0.as_ref()));
        let flat = entries
            .iter()
            .flat_map(|(k, v)| [k.as_ref().as_bytes(), v.as_ref().as_bytes()]);
        Self::bytes(collection(entries.len(), flat))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::bytes(text)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::bytes([u8::from(value)])
    }
}

impl From<i32> for Value {
    fn from(value: i32) -> Self {
        Self::bytes(value.to_be_bytes())
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::bytes(value.to_be_bytes())
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::bytes(value.to_be_bytes())
    }
}

impl From<[u8; 16]> for Value {
    fn from(id: [u8; 16]) -> Self {
        Self::bytes(id)
    }
}

impl From<IpAddr> for Value {
    fn from(address: IpAddr) -> Self {
        Self::bytes(inet_bytes(address))
    }
}
