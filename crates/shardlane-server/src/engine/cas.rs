//! Conditional writes: read, decide, write.

use std::sync::Arc;

use shardlane_wire::ColumnSpec;

use crate::engine::bind::{Changes, Env, build_changes, timestamp_of, touched};
use crate::engine::error::CqlError;
use crate::engine::prepare::{
    BoundFilter, CompiledConditions, ModifyPlan, Scope, Values, cas_specs, partition_parts,
};
use crate::engine::schema::Table;
use crate::engine::select::{FlatRow, RowView, RowsOut, StoredRow, satisfies};
use crate::engine::storage::{
    Fragment, Mutation, PartialResult, PartitionKey, ReadCommand, ReadTarget, Row, Slice,
};
use crate::engine::value::Bytes;

/// One statement of a conditional write, with its values.
#[derive(Debug)]
struct CasStatement {
    plan: Arc<ModifyPlan>,
    conditions: Option<CasConditions>,
    slices: Option<Arc<[Slice]>>,
    /// Makes the mutations once the row is known.
    write: Write,
}

/// The statement's values, kept until the decision.
#[derive(Debug)]
struct Write {
    values: Vec<OwnedBound>,
    number: usize,
}

#[derive(Debug)]
enum OwnedBound {
    Value(Bytes),
    Null,
    Unset,
}

#[derive(Debug)]
enum CasConditions {
    NotExists,
    Exists,
    All(Vec<BoundFilter>),
}

/// A conditional write of one partition.
///
/// Also what a write becomes that must read first without having conditions: `UPDATE ... SET l[0] = ...`. Its
/// result has no columns, which stands for VOID.
#[derive(Debug)]
pub struct CasPlan {
    env: Env,
    key: Option<PartitionKey>,
    statements: Vec<CasStatement>,
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CasOutcome {
    /// To be applied; empty if the conditions did not hold.
    pub mutations: Vec<Mutation>,
    /// The answer. Without columns: VOID.
    pub rows: RowsOut,
    /// Whether the conditions held.
    pub applied: bool,
}

impl CasPlan {
    pub(crate) const fn new(env: &Env) -> Self {
        Self {
            env: *env,
            key: None,
            statements: Vec::new(),
        }
    }

    /// Adds a statement. All are about the same partition.
    pub(crate) fn add(
        &mut self,
        plan: &Arc<ModifyPlan>,
        scope: &mut Scope<'_>,
    ) -> Result<(), CqlError> {
        let (keys, slices) = touched(plan, scope)?;
        if keys.len() != 1 && plan.conditions.is_some() {
            return Err(CqlError::invalid(
                "IN on the partition key is not supported with conditional updates",
            ));
        }
        for key in keys {
            match &self.key {
                None => self.key = Some(key),
                Some(first)
                    if *first == key
                        && self
                            .statements
                            .iter()
                            .all(|s| s.plan.table.id == plan.table.id) => {}
                Some(_) => {
                    self.key = Some(PartitionKey {
                        token: shardlane_routing::Token::MIN,
                        bytes: [].into(),
                    })
                }
            }
        }
        let conditions = match &plan.conditions {
            None => None,
            Some(CompiledConditions::NotExists) => Some(CasConditions::NotExists),
            Some(CompiledConditions::Exists) => Some(CasConditions::Exists),
            Some(CompiledConditions::All(filters)) => Some(CasConditions::All(
                filters
                    .iter()
                    .map(|filter| filter.bind(scope))
                    .collect::<Result<_, _>>()?,
            )),
        };
        let number = self.statements.len();
        let values = scope.values.owned().into_iter().map(|value| match value {
            crate::engine::bind::Bound::Value(bytes) => OwnedBound::Value(bytes.into()),
            crate::engine::bind::Bound::Null => OwnedBound::Null,
            crate::engine::bind::Bound::Unset => OwnedBound::Unset,
        });
        let write = Write {
            values: values.collect(),
            number,
        };
        self.statements.push(CasStatement {
            plan: plan.clone(),
            conditions,
            slices,
            write,
        });
        Ok(())
    }

    /// Checks that it can be done.
    pub(crate) fn finish(self) -> Result<Self, CqlError> {
        let Some(first) = self.statements.first() else {
            return Err(CqlError::server("a conditional write without statements"));
        };
        let table = &first.plan.table;
        let several = self.statements.iter().any(|s| s.plan.table.id != table.id);
        let mixed = self.key.as_ref().is_none_or(|key| key.bytes.is_empty());
        if several || mixed {
            return Err(CqlError::invalid(if self.is_conditional() {
                if several {
                    "Batch with conditions cannot span multiple tables"
                } else {
                    "Batch with conditions cannot span multiple partitions (you cannot use IN on the partition key)"
                }
            } else {
                "Operations on list positions are supported for one partition at a time only"
            }));
        }
        if table.refuses_lwt && self.is_conditional() {
            return Err(CqlError::invalid(format!(
                "{}.{}: LWT is not yet supported with tablets",
                table.keyspace, table.name
            )));
        }
        Ok(self)
    }

    /// Whether there are conditions at all.
    pub fn is_conditional(&self) -> bool {
        self.statements
            .iter()
            .any(|statement| statement.conditions.is_some())
    }

    /// The table.
    pub fn table(&self) -> &Arc<Table> {
        &self.statements[0].plan.table
    }

    /// The partition.
    pub fn partition(&self) -> &PartitionKey {
        match &self.key {
            Some(key) => key,
            None => unreachable!("finish() has seen to it"),
        }
    }

    /// What to read before deciding. One answer holds it all.
    pub fn read_command(&self) -> ReadCommand {
        let mut slices = Some(Vec::new());
        for statement in &self.statements {
            match (&mut slices, &statement.slices) {
                (Some(all), Some(more)) => all.extend(more.iter().cloned()),
                _ => slices = None,
            }
        }
        let slices = slices.map(|mut slices| {
            slices.sort();
            slices.dedup();
            Arc::from(slices)
        });
        ReadCommand {
            table: self.table().id,
            target: ReadTarget::Partition(self.partition().clone()),
            slices,
            reversed: false,
            resume: None,
            max_rows: usize::MAX,
            clipped: false,
        }
    }

    /// Decides by what was read.
    pub fn decide(&self, read: PartialResult, env: &Env) -> Result<CasOutcome, CqlError> {
        let table = &**self.table();
        let key = self.partition();
        let fragment = read
            .fragments
            .into_iter()
            .find(|f| f.key == *key)
            .unwrap_or_else(|| Fragment::new(key.clone()));
        let now_s = env.now_us.div_euclid(1_000_000);
        let keys = partition_parts(table, key);
        let mut applied = true;
        let mut seen = Vec::with_capacity(self.statements.len());
        for statement in &self.statements {
            let row = find_row(table, &fragment, &keys, statement, now_s);
            applied &= statement
                .conditions
                .as_ref()
                .is_none_or(|conditions| holds(table, conditions, row.as_ref(), now_s));
            seen.push(row);
        }
        let mut changes = Changes::default();
        if applied {
            let current = [fragment];
            for statement in &self.statements {
                changes.append(statement.changes(&self.env, &current)?);
            }
        }
        let rows = self.rows(applied, &seen);
        Ok(CasOutcome {
            mutations: changes.mutations,
            rows,
            applied,
        })
    }

    fn rows(&self, applied: bool, seen: &[Option<FlatRow>]) -> RowsOut {
        if !self.is_conditional() {
            return RowsOut {
                columns: Arc::new(Vec::new()),
                rows: Vec::new(),
                paging_state: None,
            };
        }
        let plans: Vec<Arc<ModifyPlan>> = self.statements.iter().map(|s| s.plan.clone()).collect();
        let (columns, specs) = match plans.as_slice() {
            [only] => (
                only.cas_columns(),
                cas_specs(&only.table, &only.cas_columns()),
            ),
            _ => (batch_columns(&plans), batch_specs(&plans)),
        };
        let row = |row: &Option<FlatRow>| {
            let mut out = vec![Some(Bytes::from(&[u8::from(applied)][..]))];
            out.extend(
                columns
                    .iter()
                    .map(|at| row.as_ref().and_then(|row| row.values[*at].clone())),
            );
            out
        };
        RowsOut {
            columns: Arc::new(specs),
            rows: seen.iter().map(row).collect(),
            paging_state: None,
        }
    }
}

impl CasStatement {
    fn changes(&self, env: &Env, current: &[Fragment]) -> Result<Changes, CqlError> {
        use crate::engine::bind::Bound;
        let bound: Vec<Bound<'_>> = self
            .write
            .values
            .iter()
            .map(|value| match value {
                OwnedBound::Value(bytes) => Bound::Value(bytes),
                OwnedBound::Null => Bound::Null,
                OwnedBound::Unset => Bound::Unset,
            })
            .collect();
        let values = Values::InOrder(&bound);
        let mut scope = Scope::new(&values, env);
        scope.vary(self.write.number);
        let timestamp = timestamp_of(&self.plan, &mut scope, env)?;
        build_changes(&self.plan, &mut scope, timestamp, Some(current))
    }
}

/// The row that a statement is about; `None` if it does not exist.
fn find_row(
    table: &Table,
    fragment: &Fragment,
    keys: &[Bytes],
    statement: &CasStatement,
    now_s: i64,
) -> Option<FlatRow> {
    let inside = |order: &[u8]| match &statement.slices {
        None => true,
        Some(slices) => slices
            .iter()
            .any(|s| *s.start <= *order && s.end.as_ref().is_none_or(|end| *order < **end)),
    };
    let row = fragment
        .rows
        .iter()
        .find(|(key, row)| inside(&key.order) && row.is_live(now_s));
    let static_only = statement.plan.static_only;
    if row.is_none() && !fragment.static_row.is_live(now_s) {
        return None;
    }
    let none = Row::default();
    let stored = StoredRow {
        table,
        keys,
        token: fragment.key.token,
        clustering: row.map(|(key, _)| &*key.values),
        static_row: &fragment.static_row,
        row: Some(row.map_or(&none, |(_, row)| row)),
        now_s,
    };
    let mut flat = RowView::Stored(stored).flatten(table.columns.len());
    // conditions on static columns see them without a row, but no row is no row
    flat.token = (row.is_some() || static_only).then_some(fragment.key.token);
    if flat.token.is_none() {
        flat.values[..table.partition_key_len].fill(None);
    }
    Some(flat)
}

fn holds(table: &Table, conditions: &CasConditions, row: Option<&FlatRow>, now_s: i64) -> bool {
    let exists = row.is_some_and(|row| row.token.is_some());
    match conditions {
        CasConditions::NotExists => !exists,
        CasConditions::Exists => exists,
        CasConditions::All(filters) => {
            let none = FlatRow {
                values: vec![None; table.columns.len()],
                now_s,
                ..FlatRow::default()
            };
            let view = RowView::Flat(row.unwrap_or(&none));
            filters.iter().all(|filter| satisfies(filter, &view, true))
        }
    }
}

/// Columns of a conditional batch's result: the primary key, then what the conditions look at.
fn batch_columns(plans: &[Arc<ModifyPlan>]) -> Vec<usize> {
    let Some(first) = plans.first() else {
        return Vec::new();
    };
    let mut columns: Vec<usize> =
        (0..first.table.partition_key_len + first.table.clustering_len).collect();
    let conditional = plans.iter().filter(|plan| plan.conditions.is_some());
    columns.extend(conditional.flat_map(|plan| plan.cas_columns()));
    columns.sort_unstable();
    columns.dedup();
    columns
}

/// The result metadata of a conditional batch.
pub(crate) fn batch_specs(plans: &[Arc<ModifyPlan>]) -> Vec<ColumnSpec> {
    plans.first().map_or_else(Vec::new, |first| {
        cas_specs(&first.table, &batch_columns(plans))
    })
}
