//! Prepared statements: one table for each node, and on each shard a copy that needs no lock.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use shardlane_wire::result::{ColumnSpec, MetadataFlags, encode_columns};

use crate::cluster::view::IdHash;
use crate::engine::{Prepared, Schema, md5};

/// Statements a node remembers. A client that prepares more has forgotten to bind values, and
/// gets UNPREPARED for older ones.
const STATEMENTS_MAX: usize = 10_000;

/// Texts of unprepared statements that a shard remembers the parse of.
const TEXTS_MAX: usize = 1_000;

/// A longer text is parsed each time: remembering it costs more than it saves.
const TEXT_LEN_MAX: usize = 4_096;

/// Column specs in the form that the wire wants, made once.
#[derive(Debug, Default)]
pub(crate) struct EncodedColumns {
    pub(crate) raw: Vec<u8>,
    /// Says which columns these are, for clients that keep them.
    pub(crate) id: [u8; 16],
    pub(crate) flags: u32,
    pub(crate) count: u32,
}

impl EncodedColumns {
    /// Encodes columns; those of one table name it once.
    pub(crate) fn new(columns: &[ColumnSpec]) -> Self {
        let is_one_table = columns
            .windows(2)
            .all(|pair| pair[0].keyspace == pair[1].keyspace && pair[0].table == pair[1].table);
        let is_global = is_one_table && !columns.is_empty();
        let mut raw = Vec::new();
        // Names come from CQL text in a frame, so they are short enough for the wire.
        if encode_columns(columns, is_global, &mut raw).is_err() {
            return Self::default();
        }
        let flags = if is_global {
            MetadataFlags::GLOBAL_TABLE_SPEC
        } else {
            0
        };
        Self {
            id: md5(&raw),
            raw,
            flags,
            count: columns.len() as u32,
        }
    }
}

/// A statement and what the wire says of it.
#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) prepared: Arc<Prepared>,
    pub(crate) bind: EncodedColumns,
    pub(crate) result: Option<EncodedColumns>,
}

impl Statement {
    pub(crate) fn new(prepared: Arc<Prepared>) -> Self {
        let bind = EncodedColumns::new(&prepared.bind);
        let result = prepared
            .result
            .as_ref()
            .map(|columns| EncodedColumns::new(columns));
        Self {
            prepared,
            bind,
            result,
        }
    }
}

/// A statement as a shard holds it: the count of its users is the shard's own, for a shared one would
/// be a cache line that all shards write to.
pub(crate) type LocalStatement = Rc<Arc<Statement>>;

/// The id that clients execute by.
pub(crate) type StatementId = [u8; 16];

type Table = HashMap<StatementId, Arc<Statement>, IdHash>;

/// The prepared statements of a node.
#[derive(Debug, Default)]
pub(crate) struct NodeStatements {
    table: RwLock<Table>,
    /// Grows when statements are forgotten: copies are then void.
    generation: AtomicU64,
}

impl NodeStatements {
    pub(crate) fn insert(&self, statement: Arc<Statement>) {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        if table.len() >= STATEMENTS_MAX && !table.contains_key(&statement.prepared.id) {
            table.clear();
            self.generation.fetch_add(1, Ordering::Release);
        }
        table.insert(statement.prepared.id, statement);
    }

    pub(crate) fn remove(&self, id: &StatementId) {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        if table.remove(id).is_some() {
            self.generation.fetch_add(1, Ordering::Release);
        }
    }

    /// Forgets everything, so that clients meet UNPREPARED. Returns how many there were.
    pub(crate) fn clear(&self) -> usize {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let count = table.len();
        table.clear();
        self.generation.fetch_add(1, Ordering::Release);
        count
    }

    fn get(&self, id: &StatementId) -> Option<Arc<Statement>> {
        self.table
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(id)
            .cloned()
    }
}

/// A shard's copy of its node's table, and the statements it has met as text.
#[derive(Debug, Default)]
pub(crate) struct ShardStatements {
    prepared: HashMap<StatementId, LocalStatement, IdHash>,
    generation: u64,
    texts: HashMap<(Option<Arc<str>>, Box<str>), LocalStatement>,
}

impl ShardStatements {
    /// The statement with this id, if the node knows it.
    pub(crate) fn get(
        &mut self,
        node: &NodeStatements,
        id: &StatementId,
    ) -> Option<LocalStatement> {
        let generation = node.generation.load(Ordering::Acquire);
        if generation != self.generation {
            self.prepared.clear();
            self.generation = generation;
        }
        if let Some(statement) = self.prepared.get(id) {
            return Some(Rc::clone(statement));
        }
        let statement = Rc::new(node.get(id)?);
        self.prepared.insert(*id, Rc::clone(&statement));
        Some(statement)
    }

    /// The parse of a text met before, if it still holds.
    pub(crate) fn text(
        &self,
        keyspace: Option<&Arc<str>>,
        text: &str,
        schema: &Schema,
    ) -> Option<LocalStatement> {
        // The standard map cannot look up a borrowed pair, and this path parses otherwise.
        let key = (keyspace.cloned(), Box::from(text));
        let statement = self.texts.get(&key)?;
        statement
            .prepared
            .is_current(schema)
            .then(|| Rc::clone(statement))
    }

    pub(crate) fn remember_text(
        &mut self,
        keyspace: Option<&Arc<str>>,
        text: &str,
        statement: &LocalStatement,
    ) {
        if text.len() > TEXT_LEN_MAX {
            return;
        }
        if self.texts.len() >= TEXTS_MAX {
            self.texts.clear();
        }
        self.texts
            .insert((keyspace.cloned(), Box::from(text)), Rc::clone(statement));
    }
}
