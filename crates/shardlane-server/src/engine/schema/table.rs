//! Tables, views and their columns.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use shardlane_routing::Partitioner;
use shardlane_wire::CqlType;

use super::options::TableOptions;
use crate::cql::ast::{Relation, TypeAst};

/// The identity of a table, a UUID's bytes. A table created again under an old name has a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableId(pub [u8; 16]);

impl fmt::Display for TableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::engine::value::uuid_text(&self.0))
    }
}

/// What a column is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ColumnKind {
    /// Part of the partition key.
    PartitionKey,
    /// A clustering column.
    Clustering,
    /// One value per partition.
    Static,
    /// Everything else.
    Regular,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: Arc<str>,
    /// Identifies the column's data within its table for good; never used again after a DROP.
    pub id: u32,
    /// What it is for.
    pub kind: ColumnKind,
    /// Position within the partition key or among the clustering columns; 0 otherwise.
    pub position: usize,
    /// Its type.
    pub ty: CqlType,
    /// The type as declared.
    pub declared: TypeAst,
    /// A cell per element: a collection or UDT that is not frozen.
    pub multi_cell: bool,
    /// Clustering order DESC.
    pub descending: bool,
}

impl Column {
    /// Part of the primary key.
    pub const fn is_primary_key(&self) -> bool {
        matches!(self.kind, ColumnKind::PartitionKey | ColumnKind::Clustering)
    }
}

/// A secondary index: metadata; reads that use it filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Its name.
    pub name: Arc<str>,
    /// The indexed column.
    pub column: Arc<str>,
    /// The `target` option as `system_schema.indexes` reports it.
    pub target: String,
    /// Further options.
    pub options: BTreeMap<String, String>,
}

/// What makes a table a materialized view.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// The table it shows.
    pub base: TableId,
    /// That table's name.
    pub base_name: Arc<str>,
    /// `SELECT *`.
    pub include_all: bool,
    /// The WHERE clause as text.
    pub where_text: String,
    /// The WHERE clause.
    pub relations: Vec<Relation>,
    /// Made for the index of this name.
    pub index: Option<Arc<str>>,
}

/// A table or view.
#[derive(Debug, Clone)]
pub struct Table {
    /// The keyspace's name.
    pub keyspace: Arc<str>,
    /// The table's name.
    pub name: Arc<str>,
    /// Identity.
    pub id: TableId,
    /// All columns in the order of `SELECT *`: partition key, clustering, static, regular, the last two by name.
    pub columns: Vec<Column>,
    /// How many of `columns` are the partition key.
    pub partition_key_len: usize,
    /// How many of `columns` behind those are clustering columns.
    pub clustering_len: usize,
    /// Where each name is in `columns`.
    pub(super) by_name: BTreeMap<Arc<str>, usize>,
    /// Options of WITH.
    pub options: TableOptions,
    /// Secondary indexes by name.
    pub indexes: BTreeMap<Arc<str>, Index>,
    /// Triggers by name, with their Java classes; they never fire.
    pub triggers: BTreeMap<Arc<str>, String>,
    /// Set for a materialized view.
    pub view: Option<View>,
    /// A table of counters.
    pub is_counter: bool,
    /// Made from schema and topology when read, not stored ([`crate::engine::system::read_virtual`]).
    pub is_virtual: bool,
    /// Its keyspace uses tablets.
    pub uses_tablets: bool,
    /// It has tablets, and the server's version has no conditional statements on them.
    pub refuses_lwt: bool,
    /// The id for the next column added.
    pub(super) next_column_id: u32,
    /// Dropped columns: name, declared type, microseconds, kind.
    pub dropped: Vec<(Arc<str>, TypeAst, i64, ColumnKind)>,
}

impl Table {
    /// The function that gives its partitions their tokens: another one for log tables of CDC. Nothing
    /// is written to those here but what clients write.
    pub fn partitioner(&self) -> Partitioner {
        let is_blob = matches!(self.partition_key(), [only] if only.ty == CqlType::Blob);
        Partitioner::of_table(&self.name, is_blob)
    }

    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.by_name.get(name).map(|&at| &self.columns[at])
    }

    /// The partition key's columns.
    pub fn partition_key(&self) -> &[Column] {
        &self.columns[..self.partition_key_len]
    }

    /// The clustering columns.
    pub fn clustering(&self) -> &[Column] {
        &self.columns[self.partition_key_len..self.partition_key_len + self.clustering_len]
    }

    /// Static and regular columns.
    pub fn value_columns(&self) -> &[Column] {
        &self.columns[self.partition_key_len + self.clustering_len..]
    }

    /// Whether there are static columns.
    pub fn has_static(&self) -> bool {
        self.value_columns()
            .first()
            .is_some_and(|column| column.kind == ColumnKind::Static)
    }

    /// Whether the table is a materialized view.
    pub const fn is_view(&self) -> bool {
        self.view.is_some()
    }

    /// The index on that column, if any.
    pub fn index_on(&self, column: &str) -> Option<&Index> {
        self.indexes.values().find(|index| &*index.column == column)
    }

    /// Puts the columns into `SELECT *` order and rebuilds what depends on it.
    pub(super) fn reindex(&mut self) {
        self.columns.sort_by(|a, b| {
            let key = |c: &Column| match c.kind {
                ColumnKind::PartitionKey | ColumnKind::Clustering => {
                    (c.kind, c.position, Arc::from(""))
                }
                ColumnKind::Static | ColumnKind::Regular => (c.kind, 0, c.name.clone()),
            };
            key(a).cmp(&key(b))
        });
        self.partition_key_len = self
            .columns
            .iter()
            .filter(|c| c.kind == ColumnKind::PartitionKey)
            .count();
        self.clustering_len = self
            .columns
            .iter()
            .filter(|c| c.kind == ColumnKind::Clustering)
            .count();
        self.by_name = self
            .columns
            .iter()
            .enumerate()
            .map(|(at, c)| (c.name.clone(), at))
            .collect();
    }
}
