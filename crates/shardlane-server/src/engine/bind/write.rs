//! Writes as mutations.

use std::sync::Arc;

use shardlane_wire::CqlType;

use super::columns::{Stamp, apply_op};
use super::default_ttl;
use crate::engine::error::CqlError;
use crate::engine::prepare::{
    ColumnOp, Expr, Filter, ModifyKind, ModifyPlan, Restrictions, Scope, Val, clustering_key,
};
use crate::engine::schema::{ColumnKind, Table};
use crate::engine::storage::{
    ClusteringKey, CounterRowUpdate, CounterUpdate, Expiry, Fragment, Marker, Mutation,
    PartitionKey, RangeTombstone, Row, Slice,
};
use crate::engine::value::{Bytes, Json, int_from_bytes, json_value, parse_json};

/// Cassandra's and ScyllaDB's limit: 20 years.
const MAX_TTL_S: i64 = 630_720_000;

/// What writes do.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) mutations: Vec<Mutation>,
    pub(crate) counters: Vec<CounterUpdate>,
}

impl Changes {
    /// Adds more, merging what concerns the same partition.
    pub(crate) fn append(&mut self, other: Self) {
        for mutation in other.mutations {
            let same = |m: &&mut Mutation| {
                m.table == mutation.table && m.fragment.key == mutation.fragment.key
            };
            match self.mutations.iter_mut().find(same) {
                Some(ours) => ours.fragment.merge(mutation.fragment),
                None => self.mutations.push(mutation),
            }
        }
        self.counters.extend(other.counters);
    }
}

/// The rows that a write names: full keys, or ranges (deletions only).
enum Rows {
    /// The static row alone.
    Static,
    Keys(Vec<ClusteringKey>),
    Ranges(Vec<Slice>),
    /// The partition.
    All,
}

/// Partitions, and the rows of them as ranges; `None` is all rows.
type Touched = (Vec<PartitionKey>, Option<Arc<[Slice]>>);

/// Where a write writes, for those who must read there first.
pub(crate) fn touched(plan: &ModifyPlan, scope: &mut Scope<'_>) -> Result<Touched, CqlError> {
    if plan.json.is_some() {
        let plan = from_json(plan, scope)?;
        return touched(&plan, scope);
    }
    let keys = plan.restrictions.partition_keys(&plan.table, scope)?;
    let slices = if plan.static_only {
        // no row is looked at
        Some(Arc::from([]))
    } else {
        plan.restrictions.slices(&plan.table, scope)?
    };
    Ok((keys, slices))
}

/// Makes the mutations of a write. `current` is what was read of its partitions, for operations on list positions.
pub(crate) fn build_changes(
    plan: &ModifyPlan,
    scope: &mut Scope<'_>,
    timestamp: i64,
    current: Option<&[Fragment]>,
) -> Result<Changes, CqlError> {
    if plan.json.is_some() {
        let plan = from_json(plan, scope)?;
        return build_changes(&plan, scope, timestamp, current);
    }
    let table = &*plan.table;
    let keys = plan.restrictions.partition_keys(table, scope)?;
    let rows = rows_of(plan, scope)?;
    let stamp = stamp(plan, scope, timestamp)?;
    let counting = plan.ops.iter().any(|op| matches!(op, ColumnOp::Count(..)));
    let mut changes = Changes::default();
    for key in keys {
        if counting {
            changes
                .counters
                .push(counter_update(plan, &key, &rows, scope, stamp)?);
            continue;
        }
        let read =
            current.and_then(|fragments| fragments.iter().find(|fragment| fragment.key == key));
        let mut fragment = Fragment::new(key);
        fill(plan, &rows, scope, stamp, read, &mut fragment)?;
        if !fragment.is_empty() {
            changes.mutations.push(Mutation {
                table: table.id,
                fragment,
            });
        }
    }
    Ok(changes)
}

fn rows_of(plan: &ModifyPlan, scope: &mut Scope<'_>) -> Result<Rows, CqlError> {
    let table = &*plan.table;
    if plan.static_only {
        return Ok(Rows::Static);
    }
    if table.clustering_len == 0 {
        return Ok(if plan.whole_rows {
            Rows::All
        } else {
            Rows::Keys(vec![ClusteringKey::empty()])
        });
    }
    if !plan.restrictions.restricts_rows() {
        return Ok(Rows::All);
    }
    let full = plan.restrictions.prefix.len() == table.clustering_len;
    if full {
        return Ok(Rows::Keys(full_keys(table, &plan.restrictions, scope)?));
    }
    let slices = plan
        .restrictions
        .slices(table, scope)?
        .map_or_else(Vec::new, |slices| slices.to_vec());
    if plan.whole_rows {
        return Ok(Rows::Ranges(slices));
    }
    // full keys named by tuples
    let keys = tuple_keys(table, &plan.restrictions, scope)?;
    Ok(Rows::Keys(keys))
}

/// All combinations of the values of `=` and `IN`.
fn full_keys(
    table: &Table,
    restrictions: &Restrictions,
    scope: &mut Scope<'_>,
) -> Result<Vec<ClusteringKey>, CqlError> {
    let combinations = restrictions.prefix_values(table, scope)?;
    Ok(combinations
        .iter()
        .map(|parts| clustering_key(table.clustering(), parts))
        .collect())
}

fn tuple_keys(
    table: &Table,
    restrictions: &Restrictions,
    scope: &mut Scope<'_>,
) -> Result<Vec<ClusteringKey>, CqlError> {
    let mut keys = Vec::new();
    for prefix in restrictions.prefix_values(table, scope)? {
        for tail in restrictions.tuple_values(table, scope)? {
            let parts: Vec<Bytes> = prefix.iter().cloned().chain(tail).collect();
            if parts.len() == table.clustering_len {
                keys.push(clustering_key(table.clustering(), &parts));
            }
        }
    }
    Ok(keys)
}

fn stamp(plan: &ModifyPlan, scope: &mut Scope<'_>, timestamp: i64) -> Result<Stamp, CqlError> {
    let ttl = match &plan.ttl {
        Some(expr) => match scope.eval(expr)? {
            Val::Bytes(bytes) => int_from_bytes(&bytes).unwrap_or(0),
            // unset and null: the table's default
            Val::Null | Val::Unset => default_ttl(&plan.table),
        },
        None => default_ttl(&plan.table),
    };
    if ttl < 0 {
        return Err(CqlError::invalid(format!(
            "A TTL must be greater or equal to 0, but was {ttl}"
        )));
    }
    if ttl > MAX_TTL_S {
        return Err(CqlError::invalid(format!(
            "ttl is too large. requested ({ttl}) maximum ({MAX_TTL_S})"
        )));
    }
    let now_s = scope.env.now_us.div_euclid(1_000_000);
    let expiry = (ttl > 0).then(|| Expiry {
        ttl_s: ttl as i32,
        at_s: now_s + ttl,
    });
    Ok(Stamp {
        timestamp,
        expiry,
        now_s,
    })
}

fn fill(
    plan: &ModifyPlan,
    rows: &Rows,
    scope: &mut Scope<'_>,
    stamp: Stamp,
    read: Option<&Fragment>,
    out: &mut Fragment,
) -> Result<(), CqlError> {
    let table = &*plan.table;
    if plan.whole_rows {
        match rows {
            Rows::All | Rows::Static => out.deleted_at = Some(stamp.timestamp),
            Rows::Keys(keys) => {
                for key in keys {
                    out.row_mut(key.clone()).deleted_at = Some(stamp.timestamp);
                }
            }
            Rows::Ranges(slices) => {
                for slice in slices {
                    // a range of rows always has an end: the end of its prefix
                    let end = slice.end.clone().unwrap_or_else(|| [0xFF][..].into());
                    out.ranges.push(RangeTombstone {
                        start: slice.start.clone(),
                        end,
                        timestamp: stamp.timestamp,
                    });
                }
                out.ranges.sort();
            }
        }
        return Ok(());
    }
    let is_static = |op: &&ColumnOp| table.columns[op.column()].kind == ColumnKind::Static;
    for op in plan.ops.iter().filter(is_static) {
        apply_op(
            table,
            op,
            scope,
            stamp,
            read.map(|fragment| &fragment.static_row),
            &mut out.static_row,
        )?;
    }
    let keys = match rows {
        Rows::Keys(keys) => keys.as_slice(),
        _ => return Ok(()),
    };
    for key in keys {
        let mut row = Row::default();
        if plan.kind == ModifyKind::Insert {
            row.marker = Some(Marker {
                timestamp: stamp.timestamp,
                expiry: stamp.expiry,
            });
        }
        let current = read
            .and_then(|fragment| fragment.rows.iter().find(|(at, _)| at == key))
            .map(|(_, row)| row);
        for op in plan.ops.iter().filter(|op| !is_static(op)) {
            apply_op(table, op, scope, stamp, current, &mut row)?;
        }
        if !row.is_empty() {
            out.row_mut(key.clone()).merge(row);
        }
    }
    Ok(())
}

fn counter_update(
    plan: &ModifyPlan,
    key: &PartitionKey,
    rows: &Rows,
    scope: &mut Scope<'_>,
    stamp: Stamp,
) -> Result<CounterUpdate, CqlError> {
    let table = &*plan.table;
    let mut on_static = Vec::new();
    let mut on_rows = Vec::new();
    for op in &plan.ops {
        let ColumnOp::Count(at, expr, subtract) = op else {
            continue;
        };
        let column = &table.columns[*at];
        let delta = match scope.eval(expr)? {
            Val::Bytes(bytes) => int_from_bytes(&bytes).unwrap_or(0),
            Val::Null => {
                return Err(CqlError::invalid(
                    "Invalid null value for counter increment",
                ));
            }
            Val::Unset => continue,
        };
        let delta = if *subtract {
            delta.wrapping_neg()
        } else {
            delta
        };
        let list = if column.kind == ColumnKind::Static {
            &mut on_static
        } else {
            &mut on_rows
        };
        list.push((column.id, delta));
    }
    let mut updates = Vec::new();
    if !on_static.is_empty() {
        updates.push(CounterRowUpdate {
            clustering: None,
            deltas: on_static,
        });
    }
    if let (Rows::Keys(keys), false) = (rows, on_rows.is_empty()) {
        for key in keys {
            updates.push(CounterRowUpdate {
                clustering: Some(key.clone()),
                deltas: on_rows.clone(),
            });
        }
    }
    Ok(CounterUpdate {
        table: table.id,
        key: key.clone(),
        timestamp: stamp.timestamp,
        rows: updates,
    })
}

/// INSERT JSON as an INSERT of constants.
fn from_json(plan: &ModifyPlan, scope: &mut Scope<'_>) -> Result<ModifyPlan, CqlError> {
    let table = &*plan.table;
    let Some((expr, default_unset)) = &plan.json else {
        return Err(CqlError::server("not an INSERT JSON"));
    };
    let text = scope
        .eval(expr)?
        .into_option()
        .ok_or_else(|| CqlError::invalid("Got null for INSERT JSON values"))?;
    let text =
        std::str::from_utf8(&text).map_err(|_| CqlError::invalid("INSERT JSON: not UTF-8"))?;
    let Json::Object(entries) = parse_json(text)? else {
        return Err(CqlError::invalid("INSERT JSON needs an object of columns"));
    };
    // names that are not quoted inside the string are folded
    let name_of = |key: &str| match key.strip_prefix('"').and_then(|k| k.strip_suffix('"')) {
        Some(quoted) => quoted.to_owned(),
        None => key.to_lowercase(),
    };
    let named: Vec<(String, &Json)> = entries
        .iter()
        .map(|(key, value)| (name_of(key), value))
        .collect();
    if let Some((unknown, _)) = named.iter().find(|(name, _)| table.column(name).is_none()) {
        return Err(CqlError::invalid(format!(
            "JSON values map contains unrecognized column: {unknown}"
        )));
    }
    let mut out = ModifyPlan {
        json: None,
        ops: Vec::new(),
        restrictions: Restrictions::default(),
        ..plan.clone()
    };
    for (at, column) in table.columns.iter().enumerate() {
        let given = named
            .iter()
            .rev()
            .find(|(name, _)| **name == *column.name)
            .map(|(_, json)| *json);
        let value = match given {
            Some(json) => json_value(&column.ty, json, &column.name)?.map(Bytes::from),
            None => None,
        };
        if column.is_primary_key() {
            let Some(value) = value else {
                return Err(CqlError::invalid(format!(
                    "Missing mandatory PRIMARY KEY part {}",
                    column.name
                )));
            };
            let filter = out.restrictions.filters.len();
            out.restrictions
                .filters
                .push(Filter::equals(at, column, Expr::Const(Some(value))));
            match column.kind {
                ColumnKind::PartitionKey => out.restrictions.partition.push(filter),
                _ => out.restrictions.prefix.push(filter),
            }
        } else if column.ty != CqlType::Counter && (given.is_some() || !default_unset) {
            out.ops.push(ColumnOp::Set(at, Expr::Const(value)));
        }
    }
    Ok(out)
}
