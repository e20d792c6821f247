//! CREATE, ALTER and DROP TABLE.

use std::collections::BTreeMap;
use std::sync::Arc;

use shardlane_wire::CqlType;

use super::keyspace_ddl::check_name;
use super::options::TableOptions;
use super::types::{resolve_type, type_text};
use super::{
    ChangeKind, Column, ColumnKind, DdlOutcome, Keyspace, Schema, SchemaChange, Table, TableId,
};
use crate::cql::ast::{
    AlterTable, ColumnDefinition, CreateTable, Drop, TableChange, TableWith, TypeAst,
};
use crate::engine::error::CqlError;
use crate::engine::value::time_uuid;

impl Schema {
    pub(super) fn create_table(
        self: &Arc<Self>,
        statement: &CreateTable,
        session: Option<&str>,
        now_us: i64,
        seed: u64,
    ) -> Result<DdlOutcome, CqlError> {
        let old = self.ddl_keyspace(&statement.table, session)?;
        let name = statement.table.name.as_str();
        check_name(name, "table")?;
        let change =
            SchemaChange::Table(ChangeKind::Created, old.name.to_string(), name.to_owned());
        if old.table(name).is_some() {
            if statement.if_not_exists {
                return Ok(DdlOutcome::existed(self, change, Vec::new()));
            }
            return Err(CqlError::table_exists(&old.name, name));
        }
        let id = statement.with.id.unwrap_or_else(|| time_uuid(now_us, seed));
        let mut table = build_table(old, statement, TableId(id))?;
        table.refuses_lwt = table.uses_tablets && !self.lwt_with_tablets;
        if table.is_counter && table.uses_tablets {
            return Err(CqlError::invalid(format!(
                "Cannot use the 'counter' type for table {}.{name}: Counters are not yet supported with tablets",
                old.name
            )));
        }
        let mut keyspace = (**old).clone();
        keyspace.tables.insert(name.into(), Arc::new(table));
        Ok(self.changed(keyspace, change, now_us))
    }

    pub(super) fn alter_table(
        self: &Arc<Self>,
        statement: &AlterTable,
        session: Option<&str>,
        now_us: i64,
    ) -> Result<DdlOutcome, CqlError> {
        let old = self.ddl_keyspace(&statement.table, session)?;
        let name = statement.table.name.as_str();
        let table = old
            .table(name)
            .ok_or_else(|| CqlError::invalid(format!("unconfigured table {name}")))?;
        if table.is_view() {
            return Err(CqlError::invalid(
                "Cannot use ALTER TABLE on Materialized View",
            ));
        }
        let mut next = (**table).clone();
        match &statement.change {
            TableChange::Add(columns) => columns
                .iter()
                .try_for_each(|column| next.add(old, column))?,
            TableChange::Drop(names, _) => names
                .iter()
                .try_for_each(|column| next.drop_column(old, column, now_us))?,
            TableChange::Rename(renames) => {
                renames
                    .iter()
                    .try_for_each(|(from, to)| next.rename(from, to))?;
            }
            TableChange::Retype(column, ty) => next.retype(old, column, ty)?,
            TableChange::With(with) => next.options.update(&with.properties)?,
        }
        next.reindex();
        let id = next.id;
        let added: Vec<Column> = match &statement.change {
            TableChange::Add(columns) => columns
                .iter()
                .filter_map(|column| next.column(&column.name).cloned())
                .collect(),
            _ => Vec::new(),
        };
        let mut keyspace = (**old).clone();
        keyspace.tables.insert(name.into(), Arc::new(next));
        let change = SchemaChange::Table(
            ChangeKind::Updated,
            keyspace.name.to_string(),
            name.to_owned(),
        );
        let mut events = vec![change.clone()];
        // views of all columns show new ones, too
        for view in keyspace.views.values_mut() {
            let shows_all = view
                .view
                .as_ref()
                .is_some_and(|v| v.base == id && v.include_all);
            if shows_all && !added.is_empty() {
                let view = Arc::make_mut(view);
                view.columns.extend(
                    added
                        .iter()
                        .filter(|c| c.kind == ColumnKind::Regular)
                        .cloned(),
                );
                view.reindex();
                events.push(SchemaChange::Table(
                    ChangeKind::Updated,
                    view.keyspace.to_string(),
                    view.name.to_string(),
                ));
            }
        }
        Ok(self.changed_more(keyspace, change, events, now_us))
    }

    pub(super) fn drop_table(
        self: &Arc<Self>,
        statement: &Drop,
        session: Option<&str>,
        now_us: i64,
    ) -> Result<DdlOutcome, CqlError> {
        let name = statement.name.name.as_str();
        let keyspace = statement
            .name
            .keyspace
            .as_deref()
            .or(session)
            .unwrap_or_default();
        let missing = self.table(keyspace, name).is_none();
        if missing && statement.if_exists {
            return Ok(DdlOutcome::unchanged(self));
        }
        let old = self.ddl_keyspace(&statement.name, session)?;
        let Some(table) = old.tables.get(name) else {
            if old.views.contains_key(name) {
                return Err(CqlError::invalid(
                    "Cannot use DROP TABLE on Materialized View",
                ));
            }
            return Err(CqlError::invalid(format!(
                "Cannot drop non existing table '{name}' in keyspace '{}'.",
                old.name
            )));
        };
        let views: Vec<_> = old
            .views_of(table.id)
            .filter(|view| view.view.as_ref().is_some_and(|v| v.index.is_none()))
            .collect();
        if !views.is_empty() {
            let names = views
                .iter()
                .map(|view| &*view.name)
                .collect::<Vec<_>>()
                .join(", ");
            return Err(CqlError::invalid(format!(
                "Cannot drop table when materialized views still depend on it ({}.{{{names}}})",
                old.name
            )));
        }
        let mut keyspace = (**old).clone();
        let id = table.id;
        keyspace.tables.remove(name);
        keyspace
            .views
            .retain(|_, view| view.view.as_ref().is_none_or(|v| v.base != id));
        let change = SchemaChange::Table(
            ChangeKind::Dropped,
            keyspace.name.to_string(),
            name.to_owned(),
        );
        Ok(self.changed(keyspace, change, now_us))
    }
}

impl Keyspace {
    /// The views and index views of a table.
    pub fn views_of(&self, base: TableId) -> impl Iterator<Item = &Arc<Table>> {
        self.views
            .values()
            .filter(move |view| view.view.as_ref().is_some_and(|v| v.base == base))
    }
}

/// Makes a table from its definition.
pub(crate) fn build_table(
    keyspace: &Keyspace,
    statement: &CreateTable,
    id: TableId,
) -> Result<Table, CqlError> {
    let (partition_key, clustering) = match statement.primary_keys.as_slice() {
        [] => {
            return Err(CqlError::invalid(
                "No PRIMARY KEY specifed (exactly one required)",
            ));
        }
        [key] => key,
        _ => {
            return Err(CqlError::invalid(
                "Multiple PRIMARY KEYs specifed (exactly one required)",
            ));
        }
    };
    let mut table = empty_table(keyspace, &statement.table.name, id);
    for definition in &statement.columns {
        if table
            .columns
            .iter()
            .any(|column| *column.name == *definition.name)
        {
            return Err(CqlError::invalid(format!(
                "Multiple definition of identifier {}",
                definition.name
            )));
        }
        let column = table.new_column(keyspace, definition)?;
        table.columns.push(column);
    }
    table.set_primary_key(partition_key, clustering)?;
    table.set_order(&statement.with)?;
    let counters = table
        .columns
        .iter()
        .filter(|c| !c.is_primary_key() && c.ty == CqlType::Counter)
        .count();
    let values = table.columns.iter().filter(|c| !c.is_primary_key()).count();
    if counters > 0 && counters < values {
        return Err(CqlError::invalid(
            "Cannot mix counter and non counter columns in the same table",
        ));
    }
    table.is_counter = counters > 0;
    if clustering.is_empty() && table.columns.iter().any(|c| c.kind == ColumnKind::Static) {
        return Err(CqlError::invalid(
            "Static columns are only useful (and thus allowed) if the table has at least one clustering column",
        ));
    }
    if statement.with.compact_storage {
        return Err(CqlError::invalid(
            "Support for the deprecated feature of 'CREATE TABLE WITH COMPACT STORAGE' is disabled",
        ));
    }
    table.options.update(&statement.with.properties)?;
    if table.is_counter
        && table
            .options
            .int("default_time_to_live")
            .is_some_and(|ttl| ttl > 0)
    {
        return Err(CqlError::invalid(
            "Cannot set default_time_to_live on a table with counters",
        ));
    }
    table.reindex();
    Ok(table)
}

/// A table without columns.
pub(super) fn empty_table(keyspace: &Keyspace, name: &str, id: TableId) -> Table {
    Table {
        keyspace: keyspace.name.clone(),
        name: name.into(),
        id,
        columns: Vec::new(),
        partition_key_len: 0,
        clustering_len: 0,
        by_name: BTreeMap::new(),
        options: TableOptions::default(),
        indexes: BTreeMap::new(),
        triggers: BTreeMap::new(),
        view: None,
        is_counter: false,
        is_virtual: false,
        uses_tablets: keyspace.tablets.is_some(),
        refuses_lwt: false,
        next_column_id: 0,
        dropped: Vec::new(),
    }
}

impl Table {
    fn new_column(
        &mut self,
        keyspace: &Keyspace,
        definition: &ColumnDefinition,
    ) -> Result<Column, CqlError> {
        let (ty, multi_cell) = resolve_type(keyspace, &definition.ty)?;
        let id = self.next_column_id;
        self.next_column_id += 1;
        Ok(Column {
            name: definition.name.as_str().into(),
            id,
            kind: if definition.is_static {
                ColumnKind::Static
            } else {
                ColumnKind::Regular
            },
            position: 0,
            ty,
            declared: definition.ty.clone(),
            multi_cell,
            descending: false,
        })
    }

    /// Makes columns parts of the primary key.
    pub(super) fn set_primary_key(
        &mut self,
        partition_key: &[String],
        clustering: &[String],
    ) -> Result<(), CqlError> {
        let parts = partition_key
            .iter()
            .enumerate()
            .map(|(at, name)| (at, name, ColumnKind::PartitionKey));
        let rest = clustering
            .iter()
            .enumerate()
            .map(|(at, name)| (at, name, ColumnKind::Clustering));
        for (position, name, kind) in parts.chain(rest) {
            let column = self
                .columns
                .iter_mut()
                .find(|column| *column.name == **name);
            let column = column.ok_or_else(|| {
                CqlError::invalid(format!(
                    "Unknown definition {name} referenced in PRIMARY KEY"
                ))
            })?;
            if column.is_primary_key() {
                return Err(CqlError::invalid(format!(
                    "Duplicate definition of {name} referenced in PRIMARY KEY"
                )));
            }
            if column.kind == ColumnKind::Static {
                return Err(CqlError::invalid(format!(
                    "Static column {name} cannot be part of the PRIMARY KEY"
                )));
            }
            if column.multi_cell {
                let what = if matches!(column.ty, CqlType::Udt(_)) {
                    "user type"
                } else {
                    "collection type"
                };
                return Err(CqlError::invalid(format!(
                    "Invalid non-frozen {what} for PRIMARY KEY component {name}"
                )));
            }
            match column.ty {
                CqlType::Counter => {
                    return Err(CqlError::invalid(format!(
                        "counter type is not supported for PRIMARY KEY part {name}"
                    )));
                }
                CqlType::Duration => {
                    return Err(CqlError::invalid(format!(
                        "duration type is not supported for PRIMARY KEY part {name}"
                    )));
                }
                _ => {}
            }
            column.kind = kind;
            column.position = position;
        }
        Ok(())
    }

    /// CLUSTERING ORDER BY names all clustering columns in order, or none.
    pub(super) fn set_order(&mut self, with: &TableWith) -> Result<(), CqlError> {
        if with.clustering_order.is_empty() {
            return Ok(());
        }
        let count = self
            .columns
            .iter()
            .filter(|c| c.kind == ColumnKind::Clustering)
            .count();
        for (position, (name, descending)) in with.clustering_order.iter().enumerate() {
            let column = self
                .columns
                .iter_mut()
                .find(|c| *c.name == **name && c.kind == ColumnKind::Clustering);
            match column {
                Some(column) if column.position == position => column.descending = *descending,
                Some(_) => {
                    return Err(CqlError::invalid(
                        "The order of columns in the CLUSTERING ORDER directive must be the one of the clustering key",
                    ));
                }
                None => {
                    return Err(CqlError::invalid(
                        "Only clustering key columns can be defined in CLUSTERING ORDER directive",
                    ));
                }
            }
        }
        if with.clustering_order.len() < count {
            return Err(CqlError::invalid(
                "Missing CLUSTERING ORDER for some clustering columns",
            ));
        }
        Ok(())
    }

    fn add(&mut self, keyspace: &Keyspace, definition: &ColumnDefinition) -> Result<(), CqlError> {
        let name = definition.name.as_str();
        if self.columns.iter().any(|column| *column.name == *name) {
            return Err(CqlError::invalid(format!(
                "Invalid column name {name} because it conflicts with an existing column"
            )));
        }
        let column = self.new_column(keyspace, definition)?;
        if column.kind == ColumnKind::Static && self.clustering_len == 0 {
            return Err(CqlError::invalid(
                "Static columns are only useful (and thus allowed) if the table has at least one clustering column",
            ));
        }
        if (column.ty == CqlType::Counter) != self.is_counter {
            return Err(CqlError::config(format!(
                "Cannot add a {}counter column ({name}) in a {}counter column family",
                if self.is_counter { "non " } else { "" },
                if self.is_counter { "" } else { "non " }
            )));
        }
        let dropped = self.dropped.iter().rev().find(|(old, ..)| **old == *name);
        if let Some((_, declared, _, kind)) = dropped {
            if *kind != column.kind {
                return Err(CqlError::invalid(format!(
                    "Cannot re-add previously dropped column {name} with another kind"
                )));
            }
            if column.multi_cell && type_text(declared) != type_text(&definition.ty) {
                return Err(CqlError::invalid(format!(
                    "Cannot add a collection with the name {name} because a collection with the same name and a \
                     different type has already been used in the past"
                )));
            }
        }
        self.columns.push(column);
        Ok(())
    }

    fn drop_column(
        &mut self,
        keyspace: &Keyspace,
        name: &str,
        now_us: i64,
    ) -> Result<(), CqlError> {
        let at = self
            .columns
            .iter()
            .position(|column| *column.name == *name)
            .ok_or_else(|| {
                CqlError::invalid(format!(
                    "Column {name} was not found in table {}",
                    self.name
                ))
            })?;
        if self.columns[at].is_primary_key() {
            return Err(CqlError::invalid(format!(
                "Cannot drop PRIMARY KEY part {name}"
            )));
        }
        if self.index_on(name).is_some() {
            return Err(CqlError::invalid(format!(
                "Cannot drop column {name} from base table {}.{}: it is indexed",
                self.keyspace, self.name
            )));
        }
        if let Some(view) = keyspace
            .views_of(self.id)
            .find(|view| view.columns.iter().any(|c| *c.name == *name))
        {
            return Err(CqlError::invalid(format!(
                "Cannot drop column {name} from base table {}.{}: materialized view {} needs this column",
                self.keyspace, self.name, view.name
            )));
        }
        let column = self.columns.remove(at);
        self.dropped
            .push((column.name, column.declared, now_us, column.kind));
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), CqlError> {
        if self.columns.iter().any(|column| *column.name == *to) {
            return Err(CqlError::invalid(format!(
                "Cannot rename column {from} to {to} in keyspace {}; another column of that name already exist",
                self.keyspace
            )));
        }
        let table = self.name.clone();
        let column = self.columns.iter_mut().find(|column| *column.name == *from);
        let column = column.ok_or_else(|| {
            CqlError::invalid(format!(
                "Cannot rename unknown column {from} in table {table}"
            ))
        })?;
        if !column.is_primary_key() {
            return Err(CqlError::invalid(format!(
                "Cannot rename non PRIMARY KEY part {from}"
            )));
        }
        column.name = to.into();
        Ok(())
    }

    fn retype(&mut self, keyspace: &Keyspace, name: &str, ty: &TypeAst) -> Result<(), CqlError> {
        let (resolved, _) = resolve_type(keyspace, ty)?;
        let table = self.name.clone();
        let column = self.columns.iter_mut().find(|column| *column.name == *name);
        let column = column.ok_or_else(|| {
            CqlError::invalid(format!("Column {name} was not found in table {table}"))
        })?;
        let compatible = match (&column.ty, &resolved) {
            (old, new) if old == new => true,
            (_, CqlType::Blob) => !column.is_primary_key(),
            (CqlType::Ascii, CqlType::Text) | (CqlType::TimeUuid, CqlType::Uuid) => {
                !column.is_primary_key()
            }
            (CqlType::Int | CqlType::BigInt, CqlType::VarInt) => false,
            _ => false,
        };
        if !compatible {
            return Err(CqlError::config(format!(
                "Cannot change {name} from type {} to type {resolved}: types are incompatible.",
                column.ty
            )));
        }
        column.ty = resolved;
        column.declared = ty.clone();
        Ok(())
    }
}
