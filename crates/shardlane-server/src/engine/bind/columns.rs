//! What a write does to one column.

use std::sync::Arc;

use shardlane_wire::CqlType;

use crate::engine::error::CqlError;
use crate::engine::prepare::{ColumnOp, Scope, Val};
use crate::engine::schema::{Column, Table};
use crate::engine::storage::{Cell, ColumnData, Expiry, MultiCell, Row};
use crate::engine::value::{Bytes, int_from_bytes, map_entries, read_values, tuple_values};

/// How values are written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamp {
    pub(super) timestamp: i64,
    pub(super) expiry: Option<Expiry>,
    pub(super) now_s: i64,
}

impl Stamp {
    fn live(&self, value: impl Into<Bytes>) -> Cell {
        Cell::live(self.timestamp, value, self.expiry)
    }

    fn dead(&self) -> Cell {
        Cell::dead(self.timestamp)
    }
}

/// Writes one column into `row`. `current` is the row as read, for operations on list positions.
pub(super) fn apply_op(
    table: &Table,
    op: &ColumnOp,
    scope: &mut Scope<'_>,
    stamp: Stamp,
    current: Option<&Row>,
    row: &mut Row,
) -> Result<(), CqlError> {
    let column = &table.columns[op.column()];
    let mut multi = MultiCell::default();
    match op {
        ColumnOp::Set(_, expr) => {
            let value = scope.eval(expr)?;
            set(column, value, scope, stamp, row);
            return Ok(());
        }
        ColumnOp::Append(_, expr) => match scope.eval(expr)? {
            Val::Bytes(bytes) => add_elements(&mut multi, &column.ty, &bytes, scope, stamp, false),
            Val::Null | Val::Unset => return Ok(()),
        },
        ColumnOp::Prepend(_, expr) => match scope.eval(expr)? {
            Val::Bytes(bytes) => add_elements(&mut multi, &column.ty, &bytes, scope, stamp, true),
            Val::Null | Val::Unset => return Ok(()),
        },
        ColumnOp::Remove(_, expr) => match scope.eval(expr)? {
            Val::Bytes(bytes) => remove_elements(&mut multi, column, &bytes, stamp, current),
            Val::Null | Val::Unset => return Ok(()),
        },
        ColumnOp::SetElement(_, key, value) => {
            let key = element_key(column, scope.eval(key)?, stamp, current)?;
            let cell = match scope.eval(value)? {
                Val::Bytes(bytes) => stamp.live(bytes),
                Val::Null => stamp.dead(),
                Val::Unset => return Ok(()),
            };
            multi.cells.insert(key, cell);
        }
        ColumnOp::SetField(_, field, value) => {
            let cell = match scope.eval(value)? {
                Val::Bytes(bytes) => stamp.live(bytes),
                Val::Null => stamp.dead(),
                Val::Unset => return Ok(()),
            };
            multi.cells.insert(field_key(*field), cell);
        }
        ColumnOp::Delete(_) => {
            set(column, Val::Null, scope, stamp, row);
            return Ok(());
        }
        ColumnOp::DeleteElement(_, key) => {
            let key = element_key(column, scope.eval(key)?, stamp, current)?;
            multi.cells.insert(key, stamp.dead());
        }
        ColumnOp::DeleteField(_, field) => {
            multi.cells.insert(field_key(*field), stamp.dead());
        }
        // counted elsewhere
        ColumnOp::Count(..) => return Ok(()),
    }
    row.put(column.id, ColumnData::Multi(multi));
    Ok(())
}

/// `c = v`.
fn set(column: &Column, value: Val, scope: &mut Scope<'_>, stamp: Stamp, row: &mut Row) {
    if value == Val::Unset {
        return;
    }
    let data = if column.multi_cell {
        // what was there goes, but not what this very write puts
        let mut multi = MultiCell {
            deleted_at: Some(stamp.timestamp),
            ..MultiCell::default()
        };
        if let Val::Bytes(bytes) = value {
            multi.deleted_at = Some(stamp.timestamp - 1);
            add_elements(&mut multi, &column.ty, &bytes, scope, stamp, false);
        }
        ColumnData::Multi(multi)
    } else if column.ty == CqlType::Counter {
        // only DELETE comes here
        let counter = crate::engine::storage::CounterCell {
            deleted_at: Some(stamp.timestamp),
            ..Default::default()
        };
        ColumnData::Counter(counter)
    } else {
        ColumnData::Atomic(match value {
            Val::Bytes(bytes) => stamp.live(bytes),
            Val::Null | Val::Unset => stamp.dead(),
        })
    };
    row.put(column.id, data);
}

/// The key of a field's cell.
pub(super) fn field_key(field: usize) -> Arc<[u8]> {
    Arc::from(&(field as u16).to_be_bytes()[..])
}

/// The beginning of the ids of list positions, which sort by time: appended ones rise from the middle, prepended
/// ones fall from it. A random part keeps the elements of two writers of the same moment from mingling.
fn list_key(stamp: Stamp, prepend: bool, scope: &mut Scope<'_>) -> [u8; 16] {
    const MIDDLE: u64 = 1 << 63;
    let time = stamp.timestamp.cast_unsigned() & (MIDDLE - 1);
    let number = scope.statement_number();
    let (time, number) = if prepend {
        (MIDDLE - 1 - time, !number)
    } else {
        (MIDDLE + time, number)
    };
    let mut key = [0; 16];
    key[..8].copy_from_slice(&time.to_be_bytes());
    key[8..12].copy_from_slice(&number.to_be_bytes());
    key[12..].copy_from_slice(&(scope.random.next() as u32).to_be_bytes());
    key
}

fn add_elements(
    multi: &mut MultiCell,
    ty: &CqlType,
    bytes: &[u8],
    scope: &mut Scope<'_>,
    stamp: Stamp,
    prepend: bool,
) {
    match ty {
        CqlType::List(_) => {
            let values = read_values(bytes, 1).unwrap_or_default();
            let first = list_key(stamp, prepend, scope);
            for (at, value) in values.into_iter().enumerate() {
                let key = [&first[..], &(at as u32).to_be_bytes()].concat();
                multi.cells.insert(key.into(), stamp.live(value));
            }
        }
        CqlType::Set(_) => {
            for value in read_values(bytes, 1).unwrap_or_default() {
                multi.cells.insert(value.into(), stamp.live(&[][..]));
            }
        }
        CqlType::Map(_) => {
            for (key, value) in map_entries(bytes).unwrap_or_default() {
                multi.cells.insert(key.into(), stamp.live(value));
            }
        }
        CqlType::Udt(udt) => {
            let values = tuple_values(bytes, udt.fields.len()).unwrap_or_default();
            for (field, value) in values.into_iter().enumerate() {
                if let Some(value) = value {
                    multi.cells.insert(field_key(field), stamp.live(value));
                }
            }
        }
        _ => {}
    }
}

fn remove_elements(
    multi: &mut MultiCell,
    column: &Column,
    bytes: &[u8],
    stamp: Stamp,
    current: Option<&Row>,
) {
    let values = read_values(bytes, 1).unwrap_or_default();
    if !matches!(column.ty, CqlType::List(_)) {
        for value in values {
            multi.cells.insert(value.into(), stamp.dead());
        }
        return;
    }
    if let Some(ColumnData::Multi(list)) = current.and_then(|row| row.get(column.id)) {
        for (key, cell) in &list.cells {
            if cell
                .read(stamp.now_s)
                .is_some_and(|(value, _)| values.contains(&&**value))
            {
                multi.cells.insert(key.clone(), stamp.dead());
            }
        }
    }
}

/// The key of the cell that `c[key]` means.
fn element_key(
    column: &Column,
    key: Val,
    stamp: Stamp,
    current: Option<&Row>,
) -> Result<Arc<[u8]>, CqlError> {
    let is_list = matches!(column.ty, CqlType::List(_));
    let key = key.into_option().ok_or_else(|| {
        CqlError::invalid(if is_list {
            "Invalid null value for list index"
        } else {
            "Invalid null map key"
        })
    })?;
    if !is_list {
        return Ok(key);
    }
    let index = int_from_bytes(&key).unwrap_or(-1);
    let list = match current.and_then(|row| row.get(column.id)) {
        Some(ColumnData::Multi(list)) => list
            .cells
            .iter()
            .filter(|(_, cell)| cell.read(stamp.now_s).is_some())
            .collect(),
        _ => Vec::new(),
    };
    if list.is_empty() {
        return Err(CqlError::invalid(
            "Attempted to set an element on a list which is null",
        ));
    }
    usize::try_from(index)
        .ok()
        .and_then(|at| list.get(at))
        .map(|(key, _)| (*key).clone())
        .ok_or_else(|| {
            CqlError::invalid(format!(
                "List index {index} out of bound, list has size {}",
                list.len()
            ))
        })
}
