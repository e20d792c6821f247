//! Prepared statements and values to operations.

mod columns;
mod write;

use std::sync::Arc;

use shardlane_wire::{ColumnSpec, CqlType};

pub(crate) use write::{Changes, build_changes, touched};

use crate::cql::ast::{BatchKind, RoleStatement};
use crate::engine::cas::CasPlan;
use crate::engine::error::CqlError;
use crate::engine::prepare::{ModifyPlan, Plan, Prepared, Scope, Values};
use crate::engine::schema::{Ddl, Table, TableId};
use crate::engine::select::{ReadPlan, RowsOut};
use crate::engine::storage::{CounterUpdate, Mutation};
use crate::engine::value::Bytes;

/// The surroundings of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Env {
    /// The time, in microseconds since the epoch.
    pub now_us: i64,
    /// The timestamp of writes: the client's, or `now_us`.
    pub timestamp_us: i64,
    /// Feeds `uuid()`, `now()` and list positions. Must differ between requests and nodes.
    pub seed: u64,
}

/// A bound value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound<'a> {
    /// Bytes.
    Value(&'a [u8]),
    /// Null.
    Null,
    /// Not set.
    Unset,
}

/// Values for a statement's bind variables.
#[derive(Debug, Clone, Copy)]
pub enum BoundArgs<'a> {
    /// In the order of the variables.
    Positional(&'a [Bound<'a>]),
    /// By name.
    Named(&'a [(&'a str, Bound<'a>)]),
}

impl BoundArgs<'_> {
    /// No values.
    pub const NONE: Self = Self::Positional(&[]);
}

/// One statement of a batch message.
#[derive(Debug, Clone, Copy)]
pub struct BatchStatement<'a> {
    /// The statement.
    pub prepared: &'a Arc<Prepared>,
    /// Its values.
    pub args: BoundArgs<'a>,
}

/// What a coordinator is to do.
#[derive(Debug)]
pub enum Operation {
    /// Apply to replicas.
    Write(Vec<Mutation>),
    /// Let one replica of each add, then apply what it returns to the others.
    Counter(Vec<CounterUpdate>),
    /// Read.
    Read(ReadPlan),
    /// Read, decide, write: atomically for the partition.
    Cas(Box<CasPlan>),
    /// Change the schema.
    Ddl(Ddl),
    /// Switch the session's keyspace.
    Use(String),
    /// Forget a table's data everywhere.
    Truncate(TableId),
    /// The answer is known.
    Rows(RowsOut),
    /// Nothing to do.
    Void,
}

/// Joins a statement with values.
pub fn bind(
    prepared: &Arc<Prepared>,
    args: BoundArgs<'_>,
    env: &Env,
) -> Result<Operation, CqlError> {
    let values = Values::check(args, &prepared.bind)?;
    let mut scope = Scope::new(&values, env);
    match &prepared.plan {
        Plan::Select(plan) => ReadPlan::bind(plan.clone(), &mut scope).map(Operation::Read),
        Plan::Modify(plan) => {
            if plan.conditions.is_some() || plan.ops.iter().any(|op| op.needs_read(&plan.table)) {
                let mut cas = CasPlan::new(env);
                cas.add(plan, &mut scope)?;
                return cas.finish().map(|plan| Operation::Cas(Box::new(plan)));
            }
            let timestamp = timestamp_of(plan, &mut scope, env)?;
            let changes = build_changes(plan, &mut scope, timestamp, None)?;
            Ok(as_operation(changes))
        }
        Plan::Batch(kind, timestamp, plans) => {
            let env = match timestamp {
                Some(expr) => {
                    let given = scope.number(expr, "timestamp")?;
                    Env {
                        timestamp_us: given.unwrap_or(env.timestamp_us),
                        ..*env
                    }
                }
                None => *env,
            };
            let mut batch = Batch::new(*kind, &env);
            for (at, plan) in plans.iter().enumerate() {
                let mut scope = Scope::new(&values, &env);
                scope.vary(at);
                batch.add(plan, &mut scope, &env)?;
            }
            batch.finish()
        }
        Plan::Truncate(table) => Ok(Operation::Truncate(*table)),
        Plan::Use(keyspace) => Ok(Operation::Use(keyspace.clone())),
        Plan::Ddl(statement) => {
            let keyspace = prepared.keyspace.as_deref().map(str::to_owned);
            Ok(Operation::Ddl(Ddl {
                statement: statement.clone(),
                keyspace,
            }))
        }
        Plan::Role(statement) => role(statement),
    }
}

/// Joins the statements of a batch message with their values.
pub fn bind_batch(
    kind: BatchKind,
    statements: &[BatchStatement<'_>],
    env: &Env,
) -> Result<Operation, CqlError> {
    let mut batch = Batch::new(kind, env);
    for (at, statement) in statements.iter().enumerate() {
        let Plan::Modify(plan) = &statement.prepared.plan else {
            return Err(CqlError::invalid(
                "Invalid statement in batch: only UPDATE, INSERT and DELETE statements are allowed.",
            ));
        };
        let values = Values::check(statement.args, &statement.prepared.bind)?;
        let mut scope = Scope::new(&values, env);
        scope.vary(at);
        batch.add(plan, &mut scope, env)?;
    }
    batch.finish()
}

/// A batch being put together.
struct Batch<'a> {
    kind: BatchKind,
    changes: Changes,
    cas: CasPlan,
    conditional: bool,
    plans: Vec<&'a Arc<ModifyPlan>>,
}

impl<'a> Batch<'a> {
    fn new(kind: BatchKind, env: &Env) -> Self {
        Self {
            kind,
            changes: Changes::default(),
            cas: CasPlan::new(env),
            conditional: false,
            plans: Vec::new(),
        }
    }

    fn add(
        &mut self,
        plan: &'a Arc<ModifyPlan>,
        scope: &mut Scope<'_>,
        env: &Env,
    ) -> Result<(), CqlError> {
        match (self.kind, plan.table.is_counter) {
            (BatchKind::Counter, false) => {
                return Err(CqlError::invalid(
                    "Cannot include non-counter statement in a counter batch",
                ));
            }
            (BatchKind::Logged, true) => {
                return Err(CqlError::invalid(
                    "Cannot include a counter statement in a logged batch",
                ));
            }
            (BatchKind::Unlogged, true)
                if self.plans.iter().any(|other| !other.table.is_counter) =>
            {
                return Err(CqlError::invalid(
                    "Counter and non-counter mutations cannot exist in the same batch",
                ));
            }
            _ => {}
        }
        let reads =
            plan.conditions.is_some() || plan.ops.iter().any(|op| op.needs_read(&plan.table));
        if reads && !self.conditional {
            // what came before joins the conditional part
            self.conditional = true;
        }
        self.plans.push(plan);
        self.cas.add(plan, scope)?;
        if !self.conditional {
            let timestamp = timestamp_of(plan, scope, env)?;
            self.changes
                .append(build_changes(plan, scope, timestamp, None)?);
        }
        Ok(())
    }

    fn finish(self) -> Result<Operation, CqlError> {
        if self.conditional {
            return self.cas.finish().map(|plan| Operation::Cas(Box::new(plan)));
        }
        Ok(as_operation(self.changes))
    }
}

fn as_operation(changes: Changes) -> Operation {
    if !changes.counters.is_empty() {
        Operation::Counter(changes.counters)
    } else if changes.mutations.is_empty() {
        Operation::Void
    } else {
        Operation::Write(changes.mutations)
    }
}

/// The statement's own timestamp, or the request's.
pub(crate) fn timestamp_of(
    plan: &ModifyPlan,
    scope: &mut Scope<'_>,
    env: &Env,
) -> Result<i64, CqlError> {
    let given = match &plan.timestamp {
        Some(expr) => scope.number(expr, "timestamp")?,
        None => None,
    };
    match given.unwrap_or(env.timestamp_us) {
        // the lowest number stands for "no timestamp"
        i64::MIN => Err(CqlError::invalid(
            "Cannot provide the minimum value as a timestamp",
        )),
        timestamp => Ok(timestamp),
    }
}

/// Roles without authorization: the one superuser there is.
fn role(statement: &RoleStatement) -> Result<Operation, CqlError> {
    match statement {
        RoleStatement::ListRoles => {
            let (keyspace, table): (Arc<str>, Arc<str>) = ("system".into(), "roles".into());
            let spec = |name: &str, cql_type| ColumnSpec {
                keyspace: keyspace.clone(),
                table: table.clone(),
                name: name.into(),
                cql_type,
            };
            let columns = vec![
                spec("role", CqlType::Text),
                spec("super", CqlType::Boolean),
                spec("login", CqlType::Boolean),
                spec(
                    "options",
                    CqlType::Map(Box::new((CqlType::Text, CqlType::Text))),
                ),
            ];
            let bytes = |bytes: &[u8]| Some(Bytes::from(bytes));
            let row = vec![
                bytes(b"cassandra"),
                bytes(&[1]),
                bytes(&[1]),
                bytes(&[0; 4]),
            ];
            Ok(Operation::Rows(RowsOut {
                columns: Arc::new(columns),
                rows: vec![row],
                paging_state: None,
            }))
        }
        RoleStatement::Create { .. } => Ok(Operation::Void),
        RoleStatement::Drop {
            if_exists: true, ..
        } => Ok(Operation::Void),
        RoleStatement::Drop { name, .. } => Err(CqlError::invalid(format!("{name} doesn't exist"))),
        RoleStatement::Alter(_) => Ok(Operation::Void),
        RoleStatement::Grant | RoleStatement::Revoke => Err(CqlError::invalid(
            "GRANT and REVOKE need authorization, which this server does not have",
        )),
        RoleStatement::ListPermissions => Err(CqlError::invalid(
            "LIST PERMISSIONS needs authorization, which this server does not have",
        )),
    }
}

/// The table option `default_time_to_live`.
pub(crate) fn default_ttl(table: &Table) -> i64 {
    table
        .options
        .int("default_time_to_live")
        .map_or(0, i64::from)
}
