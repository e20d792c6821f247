//! INSERT, UPDATE and DELETE compiled.

use std::sync::Arc;

use shardlane_wire::{ColumnSpec, CqlType};

use super::assign::compile_assignment;
use super::context::Context;
use super::expr::Expr;
use super::relation::{Filter, Target, compile_relation, find_column};
use super::restrict::Restrictions;
use crate::cql::ast::{
    Conditions, Delete, DeleteTarget, Insert, InsertSource, Modification, Operator, Relation,
    Update, Using,
};
use crate::engine::error::CqlError;
use crate::engine::schema::{ColumnKind, Table};

/// What a write does to a column; the first field is the column's position.
#[derive(Debug, Clone)]
pub(crate) enum ColumnOp {
    /// `c = v`.
    Set(usize, Expr),
    /// `c = c + v` of a collection.
    Append(usize, Expr),
    /// `l = v + l`.
    Prepend(usize, Expr),
    /// `c = c - v` of a collection.
    Remove(usize, Expr),
    /// `c[k] = v`.
    SetElement(usize, Expr, Expr),
    /// `u.f = v`.
    SetField(usize, usize, Expr),
    /// DELETE `c`.
    Delete(usize),
    /// DELETE `c[k]`.
    DeleteElement(usize, Expr),
    /// DELETE `u.f`.
    DeleteField(usize, usize),
    /// Counter `c = c + v`; `true` subtracts.
    Count(usize, Expr, bool),
}

impl ColumnOp {
    pub(crate) const fn column(&self) -> usize {
        match self {
            Self::Set(c, _)
            | Self::Append(c, _)
            | Self::Prepend(c, _)
            | Self::Remove(c, _)
            | Self::SetElement(c, ..)
            | Self::SetField(c, ..)
            | Self::Delete(c)
            | Self::DeleteElement(c, _)
            | Self::DeleteField(c, _)
            | Self::Count(c, ..) => *c,
        }
    }

    /// Lists are changed by position: the row must be read first.
    pub(crate) fn needs_read(&self, table: &Table) -> bool {
        let is_list = |c: &usize| matches!(table.columns[*c].ty, CqlType::List(_));
        match self {
            Self::Remove(c, _) | Self::SetElement(c, ..) | Self::DeleteElement(c, _) => is_list(c),
            _ => false,
        }
    }
}

/// What the statement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ModifyKind {
    Insert,
    Update,
    Delete,
}

/// The conditions of a conditional write.
#[derive(Debug, Clone)]
pub(crate) enum CompiledConditions {
    NotExists,
    Exists,
    All(Vec<Filter>),
}

/// A compiled write.
#[derive(Debug, Clone)]
pub(crate) struct ModifyPlan {
    pub(crate) table: Arc<Table>,
    pub(crate) kind: ModifyKind,
    pub(crate) restrictions: Restrictions,
    pub(crate) ops: Vec<ColumnOp>,
    /// INSERT JSON: the document; whether columns it does not name are left alone.
    pub(crate) json: Option<(Expr, bool)>,
    pub(crate) ttl: Option<Expr>,
    pub(crate) timestamp: Option<Expr>,
    pub(crate) conditions: Option<CompiledConditions>,
    /// DELETE of rows or partitions, not of columns.
    pub(crate) whole_rows: bool,
    /// Names the partition only, and means static columns.
    pub(crate) static_only: bool,
}

pub(crate) fn compile(
    cx: &mut Context<'_>,
    table: &Arc<Table>,
    statement: &Modification,
) -> Result<ModifyPlan, CqlError> {
    if table.is_virtual {
        return Err(CqlError::unauthorized(format!(
            "{} keyspace is not user-modifiable.",
            table.keyspace
        )));
    }
    if table.is_view() {
        return Err(CqlError::invalid(
            "Cannot directly modify a materialized view",
        ));
    }
    let plan = match statement {
        Modification::Insert(insert) => compile_insert(cx, table, insert)?,
        Modification::Update(update) => compile_update(cx, table, update)?,
        Modification::Delete(delete) => compile_delete(cx, table, delete)?,
    };
    if table.is_counter {
        if plan.conditions.is_some() {
            return Err(CqlError::invalid(
                "Conditional updates are not supported on counter tables",
            ));
        }
        if plan.timestamp.is_some() && plan.kind == ModifyKind::Update {
            return Err(CqlError::invalid(
                "Cannot provide custom timestamp for counter updates",
            ));
        }
        if plan.ttl.is_some() {
            return Err(CqlError::invalid(
                "Cannot provide custom TTL for counter updates",
            ));
        }
        if plan.kind == ModifyKind::Insert {
            return Err(CqlError::invalid(
                "INSERT statements are not allowed on counter tables, use UPDATE instead",
            ));
        }
    }
    if plan.conditions.is_some() && plan.timestamp.is_some() {
        return Err(CqlError::invalid(
            "Cannot provide custom timestamp for conditional updates",
        ));
    }
    Ok(plan)
}

fn using(cx: &mut Context<'_>, using: &Using) -> Result<(Option<Expr>, Option<Expr>), CqlError> {
    let ttl = using
        .ttl
        .as_ref()
        .map(|term| cx.term(term, &CqlType::Int, "[ttl]"))
        .transpose()?;
    let timestamp = using
        .timestamp
        .as_ref()
        .map(|term| cx.term(term, &CqlType::BigInt, "[timestamp]"))
        .transpose()?;
    Ok((ttl, timestamp))
}

fn compile_insert(
    cx: &mut Context<'_>,
    table: &Arc<Table>,
    insert: &Insert,
) -> Result<ModifyPlan, CqlError> {
    let mut restrictions = Restrictions::default();
    let mut ops = Vec::new();
    let mut json = None;
    match &insert.source {
        InsertSource::Json {
            term,
            default_unset,
        } => {
            json = Some((cx.term(term, &CqlType::Text, "[json]")?, *default_unset));
        }
        InsertSource::Values(columns, terms) => {
            if columns.len() != terms.len() {
                return Err(CqlError::invalid("Unmatched column names/values"));
            }
            let mut seen = vec![false; table.columns.len()];
            let mut keys = vec![None; table.partition_key_len + table.clustering_len];
            for (name, term) in columns.iter().zip(terms) {
                let at = find_column(table, name)
                    .map_err(|_| CqlError::invalid(format!("Unknown identifier {name}")))?;
                let column = &table.columns[at];
                if std::mem::replace(&mut seen[at], true) {
                    return Err(CqlError::invalid(format!(
                        "Multiple definitions found for column {name}"
                    )));
                }
                let expr = cx.term(term, &column.ty, name)?;
                if column.is_primary_key() {
                    keys[at] = Some(expr);
                } else {
                    ops.push(ColumnOp::Set(at, expr));
                }
            }
            let only_static = !ops.is_empty()
                && ops
                    .iter()
                    .all(|op| table.columns[op.column()].kind == ColumnKind::Static);
            for (at, expr) in keys.into_iter().enumerate() {
                let column = &table.columns[at];
                let Some(expr) = expr else {
                    if column.kind == ColumnKind::Clustering && only_static {
                        continue;
                    }
                    return Err(CqlError::invalid(format!(
                        "Missing mandatory PRIMARY KEY part {}",
                        column.name
                    )));
                };
                let filter = restrictions.filters.len();
                restrictions.filters.push(Filter::equals(at, column, expr));
                match column.kind {
                    ColumnKind::PartitionKey => restrictions.partition.push(filter),
                    _ => restrictions.prefix.push(filter),
                }
            }
        }
    }
    let (ttl, timestamp) = using(cx, &insert.using)?;
    let static_only = json.is_none() && restrictions.prefix.len() < table.clustering_len;
    Ok(ModifyPlan {
        table: table.clone(),
        kind: ModifyKind::Insert,
        restrictions,
        ops,
        json,
        ttl,
        timestamp,
        conditions: insert
            .if_not_exists
            .then_some(CompiledConditions::NotExists),
        whole_rows: false,
        static_only,
    })
}

/// WHERE of UPDATE and DELETE names keys and nothing else.
fn key_restrictions(
    cx: &mut Context<'_>,
    relations: &[Relation],
) -> Result<Restrictions, CqlError> {
    let table = cx.table;
    let restrictions = Restrictions::compile(cx, relations)?;
    for filter in &restrictions.filters {
        if let Target::Column(at) | Target::Element(at, _) | Target::Field(at, _) = &filter.target
            && !table.columns[*at].is_primary_key()
        {
            return Err(CqlError::invalid(format!(
                "Invalid where clause: Non PRIMARY KEY column {} found",
                table.columns[*at].name
            )));
        }
    }
    if !restrictions.has_partition() {
        let restricted = |at: usize| {
            restrictions
                .filters
                .iter()
                .any(|f| f.target == Target::Column(at))
        };
        let missing = (0..table.partition_key_len)
            .find(|at| !restricted(*at))
            .unwrap_or(0);
        return Err(CqlError::invalid(format!(
            "Missing mandatory PRIMARY KEY part {}",
            table.columns[missing].name
        )));
    }
    if let Some(at) = restrictions.residual.first() {
        let name = match &restrictions.filters[*at].target {
            Target::Column(at) => table.columns[*at].name.to_string(),
            _ => "token".to_owned(),
        };
        return Err(CqlError::invalid(format!(
            "Invalid restriction on {name} in a modification statement"
        )));
    }
    Ok(restrictions)
}

fn conditions(
    cx: &mut Context<'_>,
    conditions: &Conditions,
) -> Result<Option<CompiledConditions>, CqlError> {
    Ok(match conditions {
        Conditions::Unconditional => None,
        Conditions::IfExists => Some(CompiledConditions::Exists),
        Conditions::IfNotExists => Some(CompiledConditions::NotExists),
        Conditions::If(relations) => {
            let mut filters = Vec::with_capacity(relations.len());
            for relation in relations {
                let filter = compile_relation(cx, relation)?;
                if let Target::Column(at) = &filter.target
                    && cx.table.columns[*at].is_primary_key()
                {
                    return Err(CqlError::invalid(format!(
                        "PRIMARY KEY column '{}' cannot have IF conditions",
                        cx.table.columns[*at].name
                    )));
                }
                filters.push(filter);
            }
            Some(CompiledConditions::All(filters))
        }
    })
}

fn compile_update(
    cx: &mut Context<'_>,
    table: &Arc<Table>,
    update: &Update,
) -> Result<ModifyPlan, CqlError> {
    let (ttl, timestamp) = using(cx, &update.using)?;
    let mut ops = Vec::with_capacity(update.assignments.len());
    for assignment in &update.assignments {
        let name = assignment.column();
        let at = find_column(table, name)
            .map_err(|_| CqlError::invalid(format!("Unknown identifier {name}")))?;
        if table.columns[at].is_primary_key() {
            return Err(CqlError::invalid(format!(
                "PRIMARY KEY part {name} found in SET part"
            )));
        }
        ops.push(compile_assignment(cx, table, at, assignment)?);
    }
    let restrictions = key_restrictions(cx, &update.relations)?;
    let conditions = conditions(cx, &update.conditions)?;
    let all_static = ops
        .iter()
        .all(|op| table.columns[op.column()].kind == ColumnKind::Static);
    let static_only = all_static && table.clustering_len > 0 && !restrictions.restricts_rows();
    if !static_only {
        expect_full_clustering(table, &restrictions)?;
    }
    Ok(ModifyPlan {
        table: table.clone(),
        kind: ModifyKind::Update,
        restrictions,
        ops,
        json: None,
        ttl,
        timestamp,
        conditions,
        whole_rows: false,
        static_only,
    })
}

fn expect_full_clustering(table: &Table, restrictions: &Restrictions) -> Result<(), CqlError> {
    if let Some(at) = restrictions.ranges.first()
        && restrictions.filters[*at].operator != Operator::In
        && restrictions.filters[*at].operator != Operator::Eq
    {
        return Err(CqlError::invalid(format!(
            "Invalid operator in where clause {}",
            restrictions.filters[*at].operator.symbol()
        )));
    }
    let tuple =
        restrictions
            .ranges
            .first()
            .map_or(0, |at| match &restrictions.filters[*at].target {
                Target::Tuple(columns) => columns.len(),
                _ => 1,
            });
    let named = restrictions.prefix.len() + tuple;
    match table.clustering().get(named) {
        Some(missing) => Err(CqlError::invalid(format!(
            "Missing mandatory PRIMARY KEY part {}",
            missing.name
        ))),
        None => Ok(()),
    }
}

fn compile_delete(
    cx: &mut Context<'_>,
    table: &Arc<Table>,
    delete: &Delete,
) -> Result<ModifyPlan, CqlError> {
    let mut ops = Vec::with_capacity(delete.targets.len());
    for target in &delete.targets {
        let (DeleteTarget::Column(name)
        | DeleteTarget::Element(name, _)
        | DeleteTarget::Field(name, _)) = target;
        let at = find_column(table, name)
            .map_err(|_| CqlError::invalid(format!("Unknown identifier {name}")))?;
        let column = &table.columns[at];
        if column.is_primary_key() {
            return Err(CqlError::invalid(format!(
                "Invalid identifier {name} for deletion (should not be a PRIMARY KEY part)"
            )));
        }
        let frozen = || {
            CqlError::invalid(format!(
                "Invalid deletion operation for frozen or non collection column {name}"
            ))
        };
        ops.push(match (target, &column.ty) {
            (DeleteTarget::Column(_), _) => ColumnOp::Delete(at),
            _ if !column.multi_cell => return Err(frozen()),
            (DeleteTarget::Element(_, key), CqlType::Map(entry)) => {
                ColumnOp::DeleteElement(at, cx.term(key, &entry.0, &format!("key({name})"))?)
            }
            (DeleteTarget::Element(_, key), CqlType::Set(element)) => {
                ColumnOp::DeleteElement(at, cx.term(key, element, &format!("value({name})"))?)
            }
            (DeleteTarget::Element(_, key), CqlType::List(_)) => {
                ColumnOp::DeleteElement(at, cx.term(key, &CqlType::Int, &format!("idx({name})"))?)
            }
            (DeleteTarget::Field(_, field), CqlType::Udt(udt)) => {
                let field_at = udt
                    .fields
                    .iter()
                    .position(|(f, _)| **f == **field)
                    .ok_or_else(frozen)?;
                ColumnOp::DeleteField(at, field_at)
            }
            _ => return Err(frozen()),
        });
    }
    let (_, timestamp) = using(
        cx,
        &Using {
            ttl: None,
            timestamp: delete.using.timestamp.clone(),
        },
    )?;
    if delete.using.ttl.is_some() {
        return Err(CqlError::invalid("Invalid attribute TTL for DELETE"));
    }
    let restrictions = key_restrictions(cx, &delete.relations)?;
    let conditions = conditions(cx, &delete.conditions)?;
    let all_static = !ops.is_empty()
        && ops
            .iter()
            .all(|op| table.columns[op.column()].kind == ColumnKind::Static);
    let static_only = all_static && !restrictions.restricts_rows();
    if !ops.is_empty() && !static_only {
        expect_full_clustering(table, &restrictions)?;
    }
    if let (Some(_), false) = (&conditions, static_only) {
        let static_conditions = matches!(&conditions, Some(CompiledConditions::All(filters)) if filters.iter().all(|f| {
            matches!(f.target, Target::Column(at) | Target::Element(at, _) | Target::Field(at, _) if table.columns[at].kind == ColumnKind::Static)
        }));
        if !static_conditions {
            expect_full_clustering(table, &restrictions).map_err(|_| {
                CqlError::invalid("DELETE statements must restrict all PRIMARY KEY columns with equality relations in order to use IF conditions")
            })?;
        }
    }
    Ok(ModifyPlan {
        table: table.clone(),
        kind: ModifyKind::Delete,
        restrictions,
        whole_rows: ops.is_empty(),
        ops,
        json: None,
        ttl: None,
        timestamp,
        conditions,
        static_only,
    })
}

impl ModifyPlan {
    /// Columns of the result of a conditional write: `[applied]`, then the columns that the conditions look at (all,
    /// for `IF [NOT] EXISTS`). ScyllaDB gives them whether it was applied or not.
    pub(crate) fn cas_columns(&self) -> Vec<usize> {
        match &self.conditions {
            Some(CompiledConditions::All(filters)) => {
                let mut columns: Vec<usize> = filters
                    .iter()
                    .filter_map(|filter| match &filter.target {
                        Target::Column(at) | Target::Element(at, _) | Target::Field(at, _) => {
                            Some(*at)
                        }
                        Target::Tuple(_) | Target::Token => None,
                    })
                    .collect();
                columns.sort_unstable();
                columns.dedup();
                columns
            }
            _ => (0..self.table.columns.len()).collect(),
        }
    }
}

/// The result metadata for those columns.
pub(crate) fn cas_specs(table: &Table, columns: &[usize]) -> Vec<ColumnSpec> {
    let spec = |name: &str, ty: CqlType| ColumnSpec {
        keyspace: table.keyspace.clone(),
        table: table.name.clone(),
        name: name.into(),
        cql_type: ty,
    };
    let mut out = vec![spec("[applied]", CqlType::Boolean)];
    out.extend(
        columns
            .iter()
            .map(|at| spec(&table.columns[*at].name, table.columns[*at].ty.clone())),
    );
    out
}
