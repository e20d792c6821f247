//! Materialized views, computed from their base when read.

use super::row::{FlatRow, RowView};
use crate::engine::schema::Table;
use crate::engine::value::{Bytes, encode_comparable};
use shardlane_routing::Token;

/// The view's row for a row of its base; `None` if a key column is null.
pub(super) fn view_row(view: &Table, base: &Table, row: &RowView<'_>) -> Option<FlatRow> {
    let mut values: Vec<Option<Bytes>> = Vec::with_capacity(view.columns.len());
    let mut stamps = Vec::with_capacity(view.columns.len());
    for column in &view.columns {
        let at = base
            .columns
            .iter()
            .position(|other| other.name == column.name);
        values.push(match at {
            Some(at) => row.value(at),
            // an index's view holds the token of the base row
            None => row
                .token()
                .map(|token| Bytes::from(&token.0.to_be_bytes()[..])),
        });
        stamps.push(at.and_then(|at| row.stamp(at)));
    }
    if values[..view.partition_key_len + view.clustering_len]
        .iter()
        .any(Option::is_none)
    {
        return None;
    }
    let mut out = FlatRow {
        values,
        stamps,
        token: None,
        now_s: row.now_s(),
    };
    out.token = out.token_of(view.partition_key_len);
    Some(out)
}

/// Sorts rows as the view would have them.
pub(super) fn sort(view: &Table, rows: &mut [FlatRow], reversed: bool) {
    rows.sort_by_cached_key(|row| place(view, row, reversed));
}

fn place(view: &Table, row: &FlatRow, reversed: bool) -> (Option<Token>, Vec<u8>) {
    let mut order = Vec::new();
    for (column, value) in view
        .columns
        .iter()
        .zip(&row.values)
        .take(view.partition_key_len + view.clustering_len)
    {
        let descending =
            column.descending != (reversed && !is_partition(view, column.position, &column.name));
        encode_comparable(
            &column.ty,
            value.as_deref().unwrap_or_default(),
            descending,
            &mut order,
        );
    }
    (row.token, order)
}

fn is_partition(view: &Table, position: usize, name: &str) -> bool {
    view.partition_key()
        .get(position)
        .is_some_and(|column| *column.name == *name)
}
