//! The schema: an immutable snapshot, shared behind `Arc`, and the DDL that makes the next one.

use std::collections::BTreeMap;
use std::sync::Arc;

use shardlane_routing::ReplicationStrategy;
use shardlane_wire::{CqlType, UdtType};

use crate::cql::ast::TypeAst;
use crate::engine::md5::md5;
use crate::engine::system::{Flavour, system_keyspaces};
use crate::engine::value::time_uuid;

mod change;
mod function_ddl;
mod keyspace_ddl;
mod options;
mod table;
mod table_ddl;
mod type_ddl;
mod types;
mod view_ddl;

pub use change::{ChangeKind, Ddl, DdlOutcome, SchemaChange};
pub use options::{OptionValue, TableOptions};
pub use table::{Column, ColumnKind, Index, Table, TableId, View};
pub(crate) use table_ddl::build_table;
pub(crate) use types::{quoted, resolve_type, type_text};

/// A user-defined type as declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserType {
    /// Its name.
    pub name: Arc<str>,
    /// Field names with their declared types.
    pub fields: Vec<(Box<str>, TypeAst)>,
    /// The resolved form.
    pub resolved: Arc<UdtType>,
}

/// A user-defined function: metadata only, it cannot be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserFunction {
    /// Its name.
    pub name: Arc<str>,
    /// Argument names and types.
    pub arguments: Vec<(String, CqlType)>,
    /// The result's type.
    pub returns: CqlType,
    /// The language.
    pub language: String,
    /// The body.
    pub body: String,
    /// Whether it is called with null arguments.
    pub called_on_null: bool,
}

/// A user-defined aggregate: metadata only, it cannot be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserAggregate {
    /// Its name.
    pub name: Arc<str>,
    /// The arguments' types.
    pub arguments: Vec<CqlType>,
    /// The function that takes the state and the arguments, and gives the next state.
    pub state_func: Arc<str>,
    /// The state's type.
    pub state_type: CqlType,
    /// The function that puts two states together (ScyllaDB).
    pub reduce_func: Option<Arc<str>>,
    /// The function that makes the result of the last state.
    pub final_func: Option<Arc<str>>,
    /// The first state, as written.
    pub initcond: Option<String>,
    /// The result's type.
    pub returns: CqlType,
}

/// A keyspace.
#[derive(Debug, Clone)]
pub struct Keyspace {
    /// Its name.
    pub name: Arc<str>,
    /// Replication options as reported by `system_schema.keyspaces`, with the full class name.
    pub replication: BTreeMap<String, String>,
    /// The strategy, parsed.
    pub strategy: ReplicationStrategy,
    /// `durable_writes`.
    pub durable_writes: bool,
    /// The initial number of tablets per table, if tables here use tablets (0: the server chooses).
    pub tablets: Option<u32>,
    /// `consistency`, if it was given: drivers are told, nothing else depends on it here.
    pub consistency: Option<String>,
    /// User-defined types by name.
    pub types: BTreeMap<Arc<str>, Arc<UserType>>,
    /// Tables by name.
    pub tables: BTreeMap<Arc<str>, Arc<Table>>,
    /// Materialized views by name (their [`Table::view`] says of what).
    pub views: BTreeMap<Arc<str>, Arc<Table>>,
    /// User-defined functions.
    pub functions: Vec<UserFunction>,
    /// User-defined aggregates.
    pub aggregates: Vec<UserAggregate>,
}

impl Keyspace {
    /// The table or view of that name.
    pub fn table(&self, name: &str) -> Option<&Arc<Table>> {
        self.tables.get(name).or_else(|| self.views.get(name))
    }
}

/// One version of the whole schema.
#[derive(Debug, Clone)]
pub struct Schema {
    flavour: Flavour,
    keyspaces: BTreeMap<Arc<str>, Arc<Keyspace>>,
    by_id: BTreeMap<TableId, (Arc<str>, Arc<str>)>,
    version: [u8; 16],
    lwt_with_tablets: bool,
}

impl Schema {
    /// The schema of a new cluster: the server's own keyspaces.
    pub fn new(flavour: Flavour) -> Arc<Self> {
        let keyspaces = system_keyspaces(flavour)
            .into_iter()
            .map(|keyspace| (keyspace.name.clone(), Arc::new(keyspace)));
        let mut schema = Self {
            flavour,
            keyspaces: keyspaces.collect(),
            by_id: BTreeMap::new(),
            version: [0; 16],
            lwt_with_tablets: false,
        };
        schema.renew(0);
        Arc::new(schema)
    }

    /// The same schema, where tables with tablets do take conditional statements: so since ScyllaDB
    /// 2025.4; earlier ones (6.2 among them) refuse them.
    #[must_use]
    pub fn with_lwt_on_tablets(mut self: Arc<Self>) -> Arc<Self> {
        Arc::make_mut(&mut self).lwt_with_tablets = true;
        self
    }

    /// Whose manners the server has.
    pub const fn flavour(&self) -> Flavour {
        self.flavour
    }

    /// The keyspaces by name.
    pub fn keyspaces(&self) -> impl Iterator<Item = &Arc<Keyspace>> {
        self.keyspaces.values()
    }

    /// The keyspace of that name.
    pub fn keyspace(&self, name: &str) -> Option<&Arc<Keyspace>> {
        self.keyspaces.get(name)
    }

    /// The table or view of that name.
    pub fn table(&self, keyspace: &str, table: &str) -> Option<&Arc<Table>> {
        self.keyspace(keyspace)?.table(table)
    }

    /// The table or view with that id.
    pub fn table_by_id(&self, id: TableId) -> Option<&Arc<Table>> {
        let (keyspace, table) = self.by_id.get(&id)?;
        self.table(keyspace, table)
    }

    /// The next version: this keyspace replaced or added.
    fn with_keyspace(&self, keyspace: Keyspace, now_us: i64) -> Arc<Self> {
        let mut next = self.clone();
        next.keyspaces
            .insert(keyspace.name.clone(), Arc::new(keyspace));
        next.renew(now_us);
        Arc::new(next)
    }

    fn without_keyspace(&self, name: &str, now_us: i64) -> Arc<Self> {
        let mut next = self.clone();
        next.keyspaces.remove(name);
        next.renew(now_us);
        Arc::new(next)
    }

    fn renew(&mut self, now_us: i64) {
        let tables = |keyspace: &Arc<Keyspace>| {
            let all = keyspace.tables.values().chain(keyspace.views.values());
            all.map(|table| (table.id, (table.keyspace.clone(), table.name.clone())))
                .collect::<Vec<_>>()
        };
        self.by_id = self.keyspaces.values().flat_map(tables).collect();
        let history = [&self.version[..], &now_us.to_be_bytes()].concat();
        let low = u64::from_be_bytes(md5(&history)[..8].try_into().unwrap_or_default());
        self.version = time_uuid(now_us, low);
    }

    /// One keyspace and one change.
    fn changed(&self, keyspace: Keyspace, change: SchemaChange, now_us: i64) -> DdlOutcome {
        self.changed_more(keyspace, change.clone(), vec![change], now_us)
    }

    /// One keyspace and several events.
    fn changed_more(
        &self,
        keyspace: Keyspace,
        result: SchemaChange,
        events: Vec<SchemaChange>,
        now_us: i64,
    ) -> DdlOutcome {
        let schema = self.with_keyspace(keyspace, now_us);
        DdlOutcome {
            schema,
            result: Some(result),
            events,
            warnings: Vec::new(),
        }
    }

    /// The version, a UUID's bytes: the same content made by the same history has the same version.
    pub const fn version(&self) -> [u8; 16] {
        self.version
    }
}
