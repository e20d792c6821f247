//! What DDL does to the outside: results, events and warnings.

use std::sync::Arc;

use super::Schema;
use crate::cql::ast::DdlStatement;
use crate::engine::error::CqlError;
use crate::engine::system::Flavour;

/// CREATED, UPDATED or DROPPED.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// Created.
    Created,
    /// Updated.
    Updated,
    /// Dropped.
    Dropped,
}

/// One schema change, as RESULT and EVENT report it (native protocol v4, sections 4.2.5.5 and 4.2.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchemaChange {
    /// A keyspace.
    Keyspace(ChangeKind, String),
    /// A table or view: keyspace, name.
    Table(ChangeKind, String, String),
    /// A user-defined type: keyspace, name.
    Type(ChangeKind, String, String),
    /// A function: keyspace, name, argument types.
    Function(ChangeKind, String, String, Vec<String>),
    /// An aggregate: keyspace, name, argument types.
    Aggregate(ChangeKind, String, String, Vec<String>),
}

/// A DDL statement ready to be applied to the newest schema.
#[derive(Debug, Clone)]
pub struct Ddl {
    /// The statement.
    pub(crate) statement: DdlStatement,
    /// The session's keyspace.
    pub(crate) keyspace: Option<String>,
}

/// What applying DDL gave.
#[derive(Debug, Clone)]
pub struct DdlOutcome {
    /// The next schema; the same one if nothing changed (`IF NOT EXISTS` and the like).
    pub schema: Arc<Schema>,
    /// The RESULT; `None` is VOID. ScyllaDB reports CREATED even if `IF NOT EXISTS` found it there already.
    pub result: Option<SchemaChange>,
    /// The EVENTs, in order.
    pub events: Vec<SchemaChange>,
    /// Warnings for the client.
    pub warnings: Vec<String>,
}

impl DdlOutcome {
    /// Nothing happened.
    pub(super) fn unchanged(schema: &Arc<Schema>) -> Self {
        Self {
            schema: schema.clone(),
            result: None,
            events: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// What was to be created is there.
    pub(super) fn existed(
        schema: &Arc<Schema>,
        change: SchemaChange,
        warnings: Vec<String>,
    ) -> Self {
        let result = (schema.flavour == Flavour::Scylla).then_some(change);
        Self {
            schema: schema.clone(),
            result,
            events: Vec::new(),
            warnings,
        }
    }
}

impl Schema {
    /// Applies `ddl`. `now_us` is the time, `seed` must differ between statements (it makes table ids), and
    /// `datacenters` are the known ones, over which a bare `replication_factor` is spread.
    pub fn apply(
        self: &Arc<Self>,
        ddl: &Ddl,
        now_us: i64,
        seed: u64,
        datacenters: &[&str],
    ) -> Result<DdlOutcome, CqlError> {
        let keyspace = ddl.keyspace.as_deref();
        match &ddl.statement {
            DdlStatement::CreateKeyspace(s) => self.create_keyspace(s, now_us, datacenters),
            DdlStatement::AlterKeyspace(s) => self.alter_keyspace(s, now_us, datacenters),
            DdlStatement::DropKeyspace(s) => self.drop_keyspace(s, now_us),
            DdlStatement::CreateTable(s) => self.create_table(s, keyspace, now_us, seed),
            DdlStatement::AlterTable(s) => self.alter_table(s, keyspace, now_us),
            DdlStatement::DropTable(s) => self.drop_table(s, keyspace, now_us),
            DdlStatement::CreateType(s) => self.create_type(s, keyspace, now_us),
            DdlStatement::AlterType(s) => self.alter_type(s, keyspace, now_us),
            DdlStatement::DropType(s) => self.drop_type(s, keyspace, now_us),
            DdlStatement::CreateIndex(s) => self.create_index(s, keyspace, now_us, seed),
            DdlStatement::DropIndex(s) => self.drop_index(s, keyspace, now_us),
            DdlStatement::CreateView(s) => self.create_view(s, keyspace, now_us, seed),
            DdlStatement::AlterView(s) => self.alter_view(s, keyspace, now_us),
            DdlStatement::DropView(s) => self.drop_view(s, keyspace, now_us),
            DdlStatement::CreateFunction(s) => self.create_function(s, keyspace, now_us),
            DdlStatement::DropFunction(s) => self.drop_function(s, keyspace, now_us),
            DdlStatement::CreateAggregate(s) => self.create_aggregate(s, keyspace, now_us),
            DdlStatement::DropAggregate(s) => self.drop_aggregate(s, keyspace, now_us),
            DdlStatement::CreateTrigger(s) => self.create_trigger(s, keyspace, now_us),
            DdlStatement::DropTrigger(s) => self.drop_trigger(s, keyspace, now_us),
        }
    }
}
