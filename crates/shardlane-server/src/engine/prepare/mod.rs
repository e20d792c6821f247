//! CQL text to prepared statements.

mod assign;
mod context;
mod expr;
mod function;
mod key;
mod modify;
mod relation;
mod restrict;
mod select;
mod selection;

use std::sync::Arc;

use shardlane_wire::ColumnSpec;

pub(crate) use expr::{Expr, Scope, Val, Values};
pub(crate) use function::{is_integer, number_as};
pub(crate) use key::{clustering_key, partition_key, partition_parts, token_of};
pub(crate) use modify::{ColumnOp, CompiledConditions, ModifyKind, ModifyPlan, cas_specs};
pub(crate) use relation::{BoundFilter, BoundTarget, Filter, FilterValue};
pub(crate) use restrict::Restrictions;
pub(crate) use select::SelectPlan;
pub(crate) use selection::{Aggregate, AggregateKind, SelectExpr};

use self::context::Context;
use crate::cql::ast::{BatchKind, DdlStatement, QualifiedName, RoleStatement, Statement};
use crate::cql::parse;
use crate::engine::error::CqlError;
use crate::engine::md5::md5;
use crate::engine::schema::{Schema, Table, TableId};

/// What sort of statement it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatementKind {
    /// SELECT.
    Select,
    /// INSERT, UPDATE or DELETE.
    Modify,
    /// BATCH.
    Batch,
    /// TRUNCATE.
    Truncate,
    /// USE.
    Use,
    /// A schema change.
    Ddl,
    /// Roles and permissions.
    Role,
}

/// A statement ready to be bound.
#[derive(Debug)]
pub struct Prepared {
    /// MD5 of keyspace and text, as ScyllaDB makes it.
    pub id: [u8; 16],
    /// The text.
    pub cql: Arc<str>,
    /// The keyspace it was prepared in.
    pub keyspace: Option<Arc<str>>,
    /// What sort of statement it is.
    pub kind: StatementKind,
    /// Bind variables.
    pub bind: Vec<ColumnSpec>,
    /// For each partition key column the bind variable that gives it; empty unless all are bound so.
    pub pk_indexes: Vec<u16>,
    /// Result columns of a SELECT or a conditional write.
    pub result: Option<Arc<Vec<ColumnSpec>>>,
    /// A conditional write (`SCYLLA_LWT_ADD_METADATA_MARK`).
    pub is_lwt: bool,
    pub(crate) plan: Plan,
    tables: Vec<Arc<Table>>,
}

/// The compiled statement.
#[derive(Debug)]
pub(crate) enum Plan {
    Select(Arc<SelectPlan>),
    Modify(Arc<ModifyPlan>),
    Batch(BatchKind, Option<Expr>, Vec<Arc<ModifyPlan>>),
    Truncate(TableId),
    Use(String),
    Ddl(DdlStatement),
    Role(RoleStatement),
}

impl Prepared {
    /// Whether the tables it was prepared against are still the same in `schema`. If not, the statement is to be
    /// prepared again: answer UNPREPARED, as ScyllaDB does after an ALTER.
    pub fn is_current(&self, schema: &Schema) -> bool {
        self.tables.iter().all(|table| {
            schema
                .table_by_id(table.id)
                .is_some_and(|now| Arc::ptr_eq(now, table))
        })
    }

    /// The tables that it reads or writes.
    pub fn tables(&self) -> &[Arc<Table>] {
        &self.tables
    }
}

/// Compiles `cql` in the session's `keyspace`.
pub fn prepare(
    schema: &Schema,
    keyspace: Option<&str>,
    cql: &str,
) -> Result<Arc<Prepared>, CqlError> {
    let parsed = parse(cql).map_err(|error| CqlError::syntax(error.to_string()))?;
    let mut specs = Vec::new();
    let mut tables: Vec<Arc<Table>> = Vec::new();
    let find = |name: &QualifiedName| find_table(schema, keyspace, name);
    let mut is_lwt = false;
    let mut result = None;
    let mut pk_indexes = Vec::new();
    let (kind, plan) = match parsed.statement {
        Statement::Select(select) => {
            let table = find(&select.table)?;
            let mut cx = Context::new(schema, table, &parsed.markers, &mut specs);
            let plan = select::compile(&mut cx, table, &select)?;
            tables.extend([plan.table.clone(), plan.source.clone()]);
            result = Some(plan.columns.clone());
            pk_indexes = bound_key(&plan.restrictions);
            (StatementKind::Select, Plan::Select(Arc::new(plan)))
        }
        Statement::Modify(statement) => {
            let plan = compile_modify(schema, keyspace, &parsed.markers, &mut specs, &statement)?;
            tables.push(plan.table.clone());
            pk_indexes = bound_key(&plan.restrictions);
            if plan.conditions.is_some() {
                is_lwt = true;
                result = Some(Arc::new(cas_specs(&plan.table, &plan.cas_columns())));
            }
            (StatementKind::Modify, Plan::Modify(Arc::new(plan)))
        }
        Statement::Batch(batch) => {
            let mut plans = Vec::with_capacity(batch.statements.len());
            for statement in &batch.statements {
                plans.push(Arc::new(compile_modify(
                    schema,
                    keyspace,
                    &parsed.markers,
                    &mut specs,
                    statement,
                )?));
            }
            tables.extend(plans.iter().map(|plan| plan.table.clone()));
            if plans.iter().any(|plan| plan.conditions.is_some()) {
                is_lwt = true;
                result = Some(Arc::new(crate::engine::cas::batch_specs(&plans)));
            }
            if let Some(first) = plans.first() {
                pk_indexes = bound_key(&first.restrictions);
            }
            let timestamp = match (&batch.using.timestamp, plans.first()) {
                (Some(term), Some(plan)) => {
                    let mut cx = Context::new(schema, &plan.table, &parsed.markers, &mut specs);
                    Some(cx.term(term, &shardlane_wire::CqlType::BigInt, "[timestamp]")?)
                }
                _ => None,
            };
            (
                StatementKind::Batch,
                Plan::Batch(batch.kind, timestamp, plans),
            )
        }
        Statement::Truncate(name) => {
            let table = find(&name)?;
            if table.is_virtual {
                return Err(CqlError::unauthorized(format!(
                    "{} keyspace is not user-modifiable.",
                    table.keyspace
                )));
            }
            if table.is_view() {
                return Err(CqlError::invalid(
                    "Cannot TRUNCATE materialized view directly; must truncate base table instead",
                ));
            }
            (StatementKind::Truncate, Plan::Truncate(table.id))
        }
        Statement::Use(name) => {
            if schema.keyspace(&name).is_none() {
                return Err(CqlError::invalid(format!(
                    "Keyspace '{name}' does not exist"
                )));
            }
            (StatementKind::Use, Plan::Use(name))
        }
        Statement::Ddl(statement) => (StatementKind::Ddl, Plan::Ddl(statement)),
        Statement::Role(statement) => (StatementKind::Role, Plan::Role(statement)),
    };
    let bind = parsed
        .markers
        .iter()
        .enumerate()
        .map(|(at, _)| specs.get_mut(at).and_then(Option::take));
    let bind = bind
        .collect::<Option<Vec<ColumnSpec>>>()
        .ok_or_else(|| CqlError::invalid("Bind variables are not supported in this place"))?;
    let id = md5(&[keyspace.unwrap_or_default().as_bytes(), cql.as_bytes()].concat());
    Ok(Arc::new(Prepared {
        id,
        cql: cql.into(),
        keyspace: keyspace.map(Arc::from),
        kind,
        bind,
        pk_indexes,
        result,
        is_lwt,
        plan,
        tables,
    }))
}

fn compile_modify(
    schema: &Schema,
    keyspace: Option<&str>,
    markers: &[Option<String>],
    specs: &mut Vec<Option<ColumnSpec>>,
    statement: &crate::cql::ast::Modification,
) -> Result<ModifyPlan, CqlError> {
    use crate::cql::ast::Modification::{Delete, Insert, Update};
    let name = match statement {
        Insert(insert) => &insert.table,
        Update(update) => &update.table,
        Delete(delete) => &delete.table,
    };
    let table = find_table(schema, keyspace, name)?;
    let mut cx = Context::new(schema, table, markers, specs);
    modify::compile(&mut cx, table, statement)
}

fn find_table<'a>(
    schema: &'a Schema,
    keyspace: Option<&str>,
    name: &QualifiedName,
) -> Result<&'a Arc<Table>, CqlError> {
    let Some(keyspace) = name.keyspace.as_deref().or(keyspace) else {
        return Err(CqlError::invalid(
            "No keyspace has been specified. USE a keyspace, or explicitly specify keyspace.tablename",
        ));
    };
    let Some(found) = schema.keyspace(keyspace) else {
        return Err(CqlError::invalid(format!(
            "Keyspace {keyspace} does not exist"
        )));
    };
    found
        .table(&name.name)
        .ok_or_else(|| CqlError::invalid(format!("unconfigured table {}", name.name)))
}

/// The bind variables that make up the partition key, if they alone do.
fn bound_key(restrictions: &Restrictions) -> Vec<u16> {
    let marker = |at: &usize| match &restrictions.filters[*at] {
        Filter {
            operator: crate::cql::ast::Operator::Eq,
            value: FilterValue::One(Expr::Marker(marker)),
            ..
        } => u16::try_from(*marker).ok(),
        _ => None,
    };
    restrictions
        .partition
        .iter()
        .map(marker)
        .collect::<Option<Vec<_>>>()
        .unwrap_or_default()
}
