//! All the data of one shard.

use std::collections::BTreeMap;
use std::collections::btree_map::Range;
use std::ops::Bound;

use shardlane_routing::Token;

use super::cell::{ColumnData, CounterCell};
use super::command::{CounterUpdate, Mutation, PartialResult, Position, ReadCommand, ReadTarget};
use super::fragment::{ClusteringKey, Fragment, PartitionKey};
use super::partition::Partition;
use crate::engine::schema::{Schema, TableId};

/// Boxed: the tree's nodes stay small, whatever a partition holds.
type TableData = BTreeMap<PartitionKey, Box<Partition>>;

/// A shard's tables.
#[derive(Debug, Default)]
pub struct Store {
    tables: BTreeMap<TableId, TableData>,
}

impl Store {
    /// No data.
    pub const fn new() -> Self {
        Self {
            tables: BTreeMap::new(),
        }
    }

    /// Merges a change in. Order and repetition do not matter.
    pub fn apply(&mut self, mutation: Mutation) {
        let partitions = self.tables.entry(mutation.table).or_default();
        if let Some(partition) = partitions.get_mut(&mutation.fragment.key) {
            partition.apply(mutation.fragment);
            return;
        }
        let key = mutation.fragment.key.clone();
        let mut partition = Partition::default();
        partition.apply(mutation.fragment);
        partitions.insert(key, Box::new(partition));
    }

    /// Adds to counters as the leader `replica` (its host id), and returns the new state for the other replicas.
    pub fn apply_counter(&mut self, update: &CounterUpdate, replica: [u8; 16]) -> Mutation {
        let stored = self
            .tables
            .get(&update.table)
            .and_then(|partitions| partitions.get(&update.key));
        let mut fragment = Fragment::new(update.key.clone());
        for row in &update.rows {
            let order = row.clustering.as_ref().map(|key| &*key.order);
            for (id, delta) in &row.deltas {
                let mut counter = match stored.and_then(|partition| partition.column(order, *id)) {
                    Some(ColumnData::Counter(counter)) => counter.clone(),
                    _ => CounterCell::default(),
                };
                counter.add(replica, *delta, update.timestamp);
                let target = match &row.clustering {
                    Some(key) => fragment.row_mut(key.clone()),
                    None => &mut fragment.static_row,
                };
                target.put(*id, ColumnData::Counter(counter));
            }
        }
        let mutation = Mutation {
            table: update.table,
            fragment,
        };
        self.apply(mutation.clone());
        mutation
    }

    /// Answers `command`.
    pub fn read(&self, command: &ReadCommand, now_us: i64) -> PartialResult {
        let now_s = now_us.div_euclid(1_000_000);
        let mut out = PartialResult::default();
        let Some(partitions) = self.tables.get(&command.table) else {
            out.end = command.clipped_end();
            return out;
        };
        let mut budget = command.max_rows.max(1);
        match &command.target {
            ReadTarget::Partition(key) => {
                if let Some(partition) = partitions.get(key) {
                    let (fragment, stopped) = partition.read(key, command, now_s, &mut budget);
                    out.fragments.push(fragment);
                    out.end = stopped;
                }
            }
            ReadTarget::Range { .. } => {
                for (key, partition) in scan(partitions, command) {
                    if budget == 0 {
                        out.end = out
                            .fragments
                            .last()
                            .map(|last: &Fragment| Position::AfterPartition(last.key.clone()));
                        return out;
                    }
                    let (fragment, stopped) = partition.read(key, command, now_s, &mut budget);
                    out.fragments.push(fragment);
                    if stopped.is_some() {
                        out.end = stopped;
                        return out;
                    }
                }
                out.end = command.clipped_end();
            }
        }
        out
    }

    /// Forgets a table's data.
    pub fn truncate(&mut self, table: TableId) {
        self.tables.remove(&table);
    }

    /// Forgets the data of tables that `schema` does not have.
    pub fn retain_tables(&mut self, schema: &Schema) {
        self.tables
            .retain(|id, _| schema.table_by_id(*id).is_some());
    }

    /// How many partitions a table has here.
    pub fn partition_count(&self, table: TableId) -> usize {
        self.tables.get(&table).map_or(0, BTreeMap::len)
    }

    /// All partitions of a table with a token in `(after, last]`, whole: for moving them to another owner.
    pub fn export(&self, table: TableId, after: Token, last: Token) -> Vec<Mutation> {
        let command = ReadCommand::scan(table, after, last, usize::MAX);
        let result = self.read(&command, i64::MIN);
        result
            .fragments
            .into_iter()
            .map(|fragment| Mutation { table, fragment })
            .collect()
    }

    /// All partitions of a table, whole.
    pub fn export_all(&self, table: TableId) -> Vec<Mutation> {
        self.export(table, Token::MIN, Token::MAX)
    }

    /// Forgets a table's partitions with a token in `(after, last]`.
    pub fn forget_range(&mut self, table: TableId, after: Token, last: Token) {
        if let Some(partitions) = self.tables.get_mut(&table) {
            partitions.retain(|key, _| !(after < key.token && key.token <= last));
        }
    }

    /// The tables that have data here.
    pub fn tables(&self) -> impl Iterator<Item = TableId> + '_ {
        self.tables.keys().copied()
    }
}

/// The partitions of a scan, from where it resumes.
fn scan<'a>(
    partitions: &'a TableData,
    command: &ReadCommand,
) -> Range<'a, PartitionKey, Box<Partition>> {
    let (after, last) = command.token_range();
    let behind = |token: Token| PartitionKey {
        token: Token(token.0.saturating_add(1)),
        bytes: [].into(),
    };
    let start = match &command.resume {
        // keys are never empty but in theory; with i64::MAX there is nothing behind
        Some(Position::AfterPartition(key)) => Bound::Excluded(key.clone()),
        Some(Position::AfterRow(key, _)) => Bound::Included(key.clone()),
        Some(Position::AfterToken(token)) if *token > after => Bound::Included(behind(*token)),
        _ => Bound::Included(behind(after)),
    };
    let end = if last == Token::MAX {
        Bound::Unbounded
    } else {
        Bound::Excluded(behind(last))
    };
    let empty = match (&start, &end) {
        (Bound::Included(start) | Bound::Excluded(start), Bound::Excluded(end)) => start >= end,
        _ => false,
    } || after == Token::MAX;
    if empty {
        let nowhere = PartitionKey {
            token: Token::MAX,
            bytes: [].into(),
        };
        return partitions.range((Bound::Included(nowhere.clone()), Bound::Excluded(nowhere)));
    }
    partitions.range((start, end))
}

/// The row key of tables without clustering columns.
impl ClusteringKey {
    /// No columns.
    pub fn empty() -> Self {
        Self {
            order: [].into(),
            values: [].into(),
        }
    }
}
