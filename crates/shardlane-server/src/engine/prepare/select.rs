//! SELECT compiled.

use std::sync::Arc;

use shardlane_wire::{ColumnSpec, CqlType};

use super::context::Context;
use super::expr::Expr;
use super::relation::{Filter, compile_relation, find_column};
use super::restrict::Restrictions;
use super::selection::{Aggregate, Selected, Selection};
use crate::cql::ast::{Operator, Select, SelectItem};
use crate::engine::error::CqlError;
use crate::engine::schema::{ColumnKind, Table};

/// A compiled SELECT.
#[derive(Debug)]
pub(crate) struct SelectPlan {
    pub(crate) table: Arc<Table>,
    /// Where the rows come from: the table itself, or a view's base.
    pub(crate) source: Arc<Table>,
    pub(crate) restrictions: Restrictions,
    /// A view's own WHERE, over its base.
    pub(crate) view_filters: Vec<Filter>,
    pub(crate) selection: Selection,
    /// The result's columns.
    pub(crate) columns: Arc<Vec<ColumnSpec>>,
    pub(crate) distinct: bool,
    pub(crate) json: bool,
    /// Rows backwards within the partition.
    pub(crate) reversed: bool,
    /// Positions of clustering columns to sort by, where several partitions are read; with DESC.
    pub(crate) sort: Vec<(usize, bool)>,
    /// How many primary key columns a group shares; `None` without GROUP BY.
    pub(crate) group_by: Option<usize>,
    pub(crate) limit: Option<Expr>,
    pub(crate) per_partition_limit: Option<Expr>,
}

const NEEDS_FILTERING: &str = "Cannot execute this query as it might involve data filtering and thus may have \
                               unpredictable performance. If you want to execute this query despite the performance \
                               unpredictability, use ALLOW FILTERING";

pub(crate) fn compile(
    cx: &mut Context<'_>,
    table: &Arc<Table>,
    select: &Select,
) -> Result<SelectPlan, CqlError> {
    let source = match &table.view {
        Some(view) => cx.schema.table_by_id(view.base).cloned().ok_or_else(|| {
            CqlError::server(format!("the table of view {} is missing", table.name))
        })?,
        None => table.clone(),
    };
    let selected = if select.items.is_empty() {
        all_columns(table, select)
    } else {
        items(cx, &select.items)?
    };
    if select.distinct {
        check_distinct(table, select, &selected)?;
    }
    let restrictions = Restrictions::compile(cx, &select.relations)?;
    if restrictions
        .filters
        .iter()
        .any(|filter| filter.operator == Operator::Ne)
    {
        return Err(CqlError::invalid(
            "Unsupported \"!=\" relation in WHERE clause",
        ));
    }
    if !select.allow_filtering && restrictions.needs_filtering(table) {
        return Err(CqlError::invalid(NEEDS_FILTERING));
    }
    let view_filters = match &table.view {
        Some(view) => {
            let mut cx = cx.over(&source);
            view.relations
                .iter()
                .map(|relation| compile_relation(&mut cx, relation))
                .collect::<Result<_, _>>()?
        }
        None => Vec::new(),
    };
    let group_by = group_by(table, &select.group_by)?;
    let per_partition_limit = select
        .per_partition_limit
        .as_ref()
        .map(|t| cx.term(t, &CqlType::Int, "[limit]"))
        .transpose()?;
    let limit = select
        .limit
        .as_ref()
        .map(|t| cx.term(t, &CqlType::Int, "[limit]"))
        .transpose()?;
    let (reversed, sort) = ordering(table, &restrictions, &select.order_by)?;
    let columns = if select.json {
        vec![spec(table, "[json]", CqlType::Text)]
    } else {
        selected
            .iter()
            .map(|s| spec(table, &s.name, s.ty.clone()))
            .collect()
    };
    Ok(SelectPlan {
        table: table.clone(),
        source,
        restrictions,
        view_filters,
        selection: Selection::new(selected, group_by.is_some()),
        columns: Arc::new(columns),
        distinct: select.distinct,
        json: select.json,
        reversed,
        sort,
        group_by,
        limit,
        per_partition_limit,
    })
}

fn spec(table: &Table, name: &str, ty: CqlType) -> ColumnSpec {
    ColumnSpec {
        keyspace: table.keyspace.clone(),
        table: table.name.clone(),
        name: name.into(),
        cql_type: ty,
    }
}

fn all_columns(table: &Table, select: &Select) -> Vec<Selected> {
    let wanted = |kind: ColumnKind| {
        !select.distinct || matches!(kind, ColumnKind::PartitionKey | ColumnKind::Static)
    };
    let columns = table
        .columns
        .iter()
        .enumerate()
        .filter(|(_, column)| wanted(column.kind));
    columns
        .map(|(at, column)| Selected::column(at, column))
        .collect()
}

fn items(cx: &mut Context<'_>, items: &[SelectItem]) -> Result<Vec<Selected>, CqlError> {
    items
        .iter()
        .map(|item| {
            let mut selected = Selected::compile(cx, &item.selector)?;
            if let Some(alias) = &item.alias {
                selected.name.clone_from(alias);
            }
            Ok(selected)
        })
        .collect()
}

fn check_distinct(table: &Table, select: &Select, selected: &[Selected]) -> Result<(), CqlError> {
    let mut columns = Vec::new();
    for item in selected {
        item.value.columns(&mut columns);
    }
    for at in &columns {
        if matches!(
            table.columns[*at].kind,
            ColumnKind::Clustering | ColumnKind::Regular
        ) {
            return Err(CqlError::invalid(format!(
                "SELECT DISTINCT queries must only request partition key columns and/or static columns (not {})",
                table.columns[*at].name
            )));
        }
    }
    if selected
        .iter()
        .all(|item| item.value.aggregates().is_empty())
        && !select.items.is_empty()
    {
        let missing = table
            .partition_key()
            .iter()
            .enumerate()
            .find(|(at, _)| !columns.contains(at));
        if let Some((_, column)) = missing {
            return Err(CqlError::invalid(format!(
                "SELECT DISTINCT queries must request all the partition key columns (missing {})",
                column.name
            )));
        }
    }
    Ok(())
}

/// GROUP BY names the first primary key columns.
fn group_by(table: &Table, names: &[String]) -> Result<Option<usize>, CqlError> {
    if names.is_empty() {
        return Ok(None);
    }
    let mut last = 0;
    for name in names {
        let at = find_column(table, name)?;
        if !table.columns[at].is_primary_key() {
            return Err(CqlError::invalid(format!(
                "Group by is currently only supported on the columns of the PRIMARY KEY, got {name}"
            )));
        }
        if at + 1 < last {
            return Err(CqlError::invalid(
                "Group by currently only support groups of columns following their declared order in the PRIMARY KEY",
            ));
        }
        last = at + 1;
    }
    if last < table.partition_key_len {
        return Err(CqlError::invalid(
            "GROUP BY must include the whole partition key",
        ));
    }
    Ok(Some(last))
}

/// ORDER BY follows the clustering order or its reverse.
fn ordering(
    table: &Table,
    restrictions: &Restrictions,
    order_by: &[(String, bool)],
) -> Result<(bool, Vec<(usize, bool)>), CqlError> {
    if order_by.is_empty() {
        return Ok((false, Vec::new()));
    }
    if !restrictions.has_partition() {
        return Err(CqlError::invalid(
            "ORDER BY is only supported when the partition key is restricted by an EQ or an IN.",
        ));
    }
    let mut reversed = None;
    let mut sort = Vec::new();
    let mut next = table.partition_key_len;
    for (name, descending) in order_by {
        let at = find_column(table, name)?;
        let column = &table.columns[at];
        if column.kind != ColumnKind::Clustering {
            return Err(CqlError::invalid(format!(
                "Order by is currently only supported on the clustered columns of the PRIMARY KEY, got {name}"
            )));
        }
        let fixed = |at: &usize| {
            restrictions.prefix.iter().any(|filter| {
                restrictions.filters[*filter].target == super::relation::Target::Column(*at)
                    && restrictions.filters[*filter].operator == Operator::Eq
            })
        };
        while next < at && fixed(&next) {
            next += 1;
        }
        if at != next {
            return Err(CqlError::invalid(
                "Order by currently only support the ordering of columns following their declared order in the PRIMARY KEY",
            ));
        }
        next += 1;
        let turned = *descending != column.descending;
        if reversed.is_some_and(|reversed| reversed != turned) {
            return Err(CqlError::invalid("Unsupported order by relation"));
        }
        reversed = Some(turned);
        sort.push((at, *descending));
    }
    Ok((reversed == Some(true), sort))
}

/// The aggregates of a selection, for those who look from outside.
impl Selection {
    pub(crate) fn aggregates(&self) -> &[Aggregate] {
        &self.aggregates
    }
}
