//! Materialized views and secondary indexes.

use std::collections::BTreeMap;
use std::sync::Arc;

use shardlane_wire::CqlType;

use super::keyspace_ddl::check_name;
use super::table_ddl::empty_table;
use super::{
    ChangeKind, Column, ColumnKind, DdlOutcome, Index, Keyspace, Schema, SchemaChange, Table,
    TableId, View,
};
use crate::cql::ast::{
    AlterView, CreateIndex, CreateView, Drop, Operator, QualifiedName, Relation, RelationTarget,
    TypeAst,
};
use crate::engine::error::CqlError;
use crate::engine::value::time_uuid;

impl Schema {
    pub(super) fn create_view(
        self: &Arc<Self>,
        statement: &CreateView,
        session: Option<&str>,
        now_us: i64,
        seed: u64,
    ) -> Result<DdlOutcome, CqlError> {
        let old = self.ddl_keyspace(&statement.name, session)?;
        let name = statement.name.name.as_str();
        check_name(name, "materialized view")?;
        let base_keyspace = statement.base.keyspace.as_deref().unwrap_or(&old.name);
        if base_keyspace != &*old.name {
            return Err(CqlError::invalid(
                "Cannot create a materialized view on a table in a separate keyspace",
            ));
        }
        let base = old.table(&statement.base.name).ok_or_else(|| {
            CqlError::invalid(format!("unconfigured table {}", statement.base.name))
        })?;
        let change =
            SchemaChange::Table(ChangeKind::Created, old.name.to_string(), name.to_owned());
        if old.table(name).is_some() {
            if statement.if_not_exists {
                return Ok(DdlOutcome::existed(self, change, Vec::new()));
            }
            return Err(CqlError::table_exists(&old.name, name));
        }
        let id = statement.with.id.unwrap_or_else(|| time_uuid(now_us, seed));
        let view = build_view(old, base, statement, TableId(id))?;
        let mut keyspace = (**old).clone();
        keyspace.views.insert(name.into(), Arc::new(view));
        let base = SchemaChange::Table(
            ChangeKind::Updated,
            keyspace.name.to_string(),
            base.name.to_string(),
        );
        let events = vec![change.clone(), base];
        Ok(self.changed_more(keyspace, change, events, now_us))
    }

    pub(super) fn alter_view(
        self: &Arc<Self>,
        statement: &AlterView,
        session: Option<&str>,
        now_us: i64,
    ) -> Result<DdlOutcome, CqlError> {
        let old = self.ddl_keyspace(&statement.name, session)?;
        let name = statement.name.name.as_str();
        let Some(view) = old.views.get(name) else {
            return Err(CqlError::invalid(
                "Cannot use ALTER MATERIALIZED VIEW on Table",
            ));
        };
        let mut view = (**view).clone();
        view.options.update(&statement.with.properties)?;
        let mut keyspace = (**old).clone();
        keyspace.views.insert(name.into(), Arc::new(view));
        let change = SchemaChange::Table(
            ChangeKind::Updated,
            keyspace.name.to_string(),
            name.to_owned(),
        );
        Ok(self.changed(keyspace, change, now_us))
    }

    pub(super) fn drop_view(
        self: &Arc<Self>,
        statement: &Drop,
        session: Option<&str>,
        now_us: i64,
    ) -> Result<DdlOutcome, CqlError> {
        let old = self.ddl_keyspace(&statement.name, session)?;
        let name = statement.name.name.as_str();
        match old.views.get(name) {
            Some(view) if view.view.as_ref().is_some_and(|v| v.index.is_some()) => {
                Err(CqlError::invalid(format!(
                    "Cannot drop materialized view {name}: it belongs to an index, drop that"
                )))
            }
            Some(_) => {
                let mut keyspace = (**old).clone();
                keyspace.views.remove(name);
                let change = SchemaChange::Table(
                    ChangeKind::Dropped,
                    keyspace.name.to_string(),
                    name.to_owned(),
                );
                Ok(self.changed(keyspace, change, now_us))
            }
            None if statement.if_exists => Ok(DdlOutcome::unchanged(self)),
            None if old.tables.contains_key(name) => Err(CqlError::invalid(
                "Cannot use DROP MATERIALIZED VIEW on Table",
            )),
            None => Err(CqlError::invalid(format!(
                "Cannot drop non existing materialized view '{name}' in keyspace '{}'.",
                old.name
            ))),
        }
    }

    pub(super) fn create_index(
        self: &Arc<Self>,
        statement: &CreateIndex,
        session: Option<&str>,
        now_us: i64,
        seed: u64,
    ) -> Result<DdlOutcome, CqlError> {
        let old = self.ddl_keyspace(&statement.table, session)?;
        let base = old
            .tables
            .get(statement.table.name.as_str())
            .ok_or_else(|| {
                CqlError::invalid(format!("unconfigured table {}", statement.table.name))
            })?;
        let index = build_index(old, base, statement)?;
        let taken = old
            .tables
            .values()
            .any(|table| table.indexes.contains_key(&index.name));
        let same = base
            .indexes
            .values()
            .find(|other| other.target == index.target);
        if taken || same.is_some() {
            if statement.if_not_exists {
                let change = SchemaChange::Table(
                    ChangeKind::Updated,
                    old.name.to_string(),
                    base.name.to_string(),
                );
                return Ok(DdlOutcome::existed(self, change, Vec::new()));
            }
            return Err(CqlError::invalid(if taken {
                format!("Index {} already exists", index.name)
            } else {
                format!(
                    "Index {} is a duplicate of existing index {}",
                    index.name,
                    same.map_or("", |i| &i.name)
                )
            }));
        }
        if base.is_counter {
            return Err(CqlError::invalid(
                "Secondary indexes are not supported on counter tables",
            ));
        }
        let view = index_view(old, base, &index, TableId(time_uuid(now_us, seed)))?;
        let mut next = (**base).clone();
        next.indexes.insert(index.name.clone(), index);
        let mut keyspace = (**old).clone();
        let (table_name, view_name) = (next.name.clone(), view.name.clone());
        keyspace.tables.insert(table_name.clone(), Arc::new(next));
        keyspace.views.insert(view_name.clone(), Arc::new(view));
        let change = SchemaChange::Table(
            ChangeKind::Updated,
            keyspace.name.to_string(),
            table_name.to_string(),
        );
        let events = vec![
            SchemaChange::Table(
                ChangeKind::Created,
                keyspace.name.to_string(),
                view_name.to_string(),
            ),
            change.clone(),
        ];
        Ok(self.changed_more(keyspace, change, events, now_us))
    }

    pub(super) fn drop_index(
        self: &Arc<Self>,
        statement: &Drop,
        session: Option<&str>,
        now_us: i64,
    ) -> Result<DdlOutcome, CqlError> {
        let QualifiedName { keyspace, name } = &statement.name;
        let old = self.ddl_keyspace(&statement.name, session)?;
        let Some(table) = old
            .tables
            .values()
            .find(|table| table.indexes.contains_key(name.as_str()))
        else {
            if statement.if_exists {
                return Ok(DdlOutcome::unchanged(self));
            }
            let keyspace = keyspace.as_deref().unwrap_or(&old.name);
            return Err(CqlError::invalid(format!(
                "Index '{name}' could not be found in any of the tables of keyspace '{keyspace}'"
            )));
        };
        let mut next = (**table).clone();
        next.indexes.remove(name.as_str());
        let mut keyspace = (**old).clone();
        let table_name = next.name.clone();
        keyspace.tables.insert(table_name.clone(), Arc::new(next));
        keyspace.views.remove(format!("{name}_index").as_str());
        let change = SchemaChange::Table(
            ChangeKind::Updated,
            keyspace.name.to_string(),
            table_name.to_string(),
        );
        Ok(self.changed(keyspace, change, now_us))
    }
}

fn build_view(
    keyspace: &Keyspace,
    base: &Arc<Table>,
    statement: &CreateView,
    id: TableId,
) -> Result<Table, CqlError> {
    let name = &statement.name.name;
    if base.is_view() {
        return Err(CqlError::invalid(
            "Materialized views cannot be created against other materialized views",
        ));
    }
    if base.is_counter {
        return Err(CqlError::invalid(
            "Materialized views are not supported on counter tables",
        ));
    }
    let key: Vec<&String> = statement
        .partition_key
        .iter()
        .chain(&statement.clustering)
        .collect();
    for part in &key {
        let column = base.column(part).ok_or_else(|| {
            CqlError::invalid(format!(
                "Unknown column name detected in CREATE MATERIALIZED VIEW statement: {part}"
            ))
        })?;
        if column.kind == ColumnKind::Static {
            return Err(CqlError::invalid(format!(
                "Cannot use Static column '{part}' in PRIMARY KEY of materialized view"
            )));
        }
        if !restricts(&statement.relations, part) {
            return Err(CqlError::invalid(format!(
                "Primary key column '{part}' is required to be filtered by 'IS NOT NULL'"
            )));
        }
    }
    if let Some(column) = base
        .columns
        .iter()
        .find(|c| c.is_primary_key() && !key.iter().any(|k| ***k == *c.name))
    {
        return Err(CqlError::invalid(format!(
            "Cannot create Materialized View {name} without primary key columns from base {} ({})",
            base.name, column.name
        )));
    }
    let new_keys = key
        .iter()
        .filter(|k| base.column(k).is_some_and(|c| !c.is_primary_key()))
        .count();
    if new_keys > 1 {
        return Err(CqlError::invalid(format!(
            "Cannot include more than one non-primary key column '{}' in materialized view primary key",
            key[0]
        )));
    }
    for column in &statement.columns {
        if base.column(column).is_none() {
            return Err(CqlError::invalid(format!("Undefined column name {column}")));
        }
    }
    let all = statement.columns.is_empty();
    let mut view = empty_table(keyspace, name, id);
    for column in &base.columns {
        let wanted = all
            || statement.columns.iter().any(|c| **c == *column.name)
            || key.iter().any(|k| ***k == *column.name);
        if wanted && column.kind != ColumnKind::Static {
            view.columns.push(Column {
                kind: ColumnKind::Regular,
                position: 0,
                descending: false,
                ..column.clone()
            });
        }
    }
    view.set_primary_key(&statement.partition_key, &statement.clustering)?;
    view.set_order(&statement.with)?;
    view.options.update(&statement.with.properties)?;
    view.next_column_id = base.next_column_id;
    view.view = Some(View {
        base: base.id,
        base_name: base.name.clone(),
        include_all: all,
        where_text: where_text(statement),
        relations: statement.relations.clone(),
        index: None,
    });
    view.reindex();
    Ok(view)
}

/// The WHERE clause as ScyllaDB writes it.
fn where_text(statement: &CreateView) -> String {
    let parts: Option<Vec<String>> = statement
        .relations
        .iter()
        .map(|relation| match (&relation.target, relation.operator) {
            (RelationTarget::Column(name), Operator::IsNotNull) => {
                Some(format!("{} IS NOT null", super::quoted(name)))
            }
            _ => None,
        })
        .collect();
    parts.map_or_else(|| statement.where_text.clone(), |parts| parts.join(" AND "))
}

/// Whether some relation makes sure that the column is not null.
fn restricts(relations: &[Relation], column: &str) -> bool {
    relations.iter().any(|relation| match &relation.target {
        RelationTarget::Column(name) => name == column,
        RelationTarget::Tuple(names) => names.iter().any(|name| name == column),
        _ => false,
    })
}

fn build_index(
    keyspace: &Keyspace,
    base: &Table,
    statement: &CreateIndex,
) -> Result<Index, CqlError> {
    let Some((kind, column_name)) = statement.targets.last() else {
        return Err(CqlError::invalid(
            "Only CUSTOM indexes can be created without specifying a target column",
        ));
    };
    let column = base.column(column_name).ok_or_else(|| {
        CqlError::invalid(format!(
            "No column definition found for column {column_name}"
        ))
    })?;
    if statement.custom && statement.class.is_none() {
        return Err(CqlError::invalid(
            "CUSTOM index requires specifying the index class",
        ));
    }
    if column.kind == ColumnKind::PartitionKey && base.partition_key_len == 1 {
        return Err(CqlError::invalid(format!(
            "Cannot create secondary index on partition key column {column_name}"
        )));
    }
    if column.ty == CqlType::Duration {
        return Err(CqlError::invalid(
            "Secondary indexes are not supported on duration columns",
        ));
    }
    let collection = column.multi_cell && !matches!(column.ty, CqlType::Udt(_));
    let target = match (kind.as_deref(), collection, &column.ty) {
        (None, false, _) => super::quoted(column_name),
        (None | Some("values"), true, CqlType::List(_) | CqlType::Map(_)) => {
            format!("values({column_name})")
        }
        (None | Some("values"), true, CqlType::Set(_)) => format!("keys({column_name})"),
        (Some("keys"), true, CqlType::Map(_) | CqlType::Set(_)) => format!("keys({column_name})"),
        (Some("entries"), true, CqlType::Map(_)) => format!("entries({column_name})"),
        (Some("full"), false, CqlType::List(_) | CqlType::Set(_) | CqlType::Map(_)) => {
            format!("full({column_name})")
        }
        (Some(kind), ..) => {
            return Err(CqlError::invalid(format!(
                "Cannot create index on {kind} of column {column_name} with type {}",
                column.ty
            )));
        }
        _ => super::quoted(column_name),
    };
    let target = if statement.targets.len() > 1 {
        local_target(statement, &target)
    } else {
        target
    };
    let name = match &statement.name {
        Some(name) => {
            check_name(name, "index")?;
            name.clone()
        }
        None => free_name(keyspace, base, column_name),
    };
    let mut options: BTreeMap<String, String> = statement.options.iter().cloned().collect();
    if let Some(class) = &statement.class {
        options.insert("class_name".to_owned(), class.clone());
    }
    Ok(Index {
        name: name.as_str().into(),
        column: column.name.clone(),
        target,
        options,
    })
}

/// A local index's target, as JSON.
fn local_target(statement: &CreateIndex, target: &str) -> String {
    let keys: Vec<_> = statement.targets[..statement.targets.len() - 1]
        .iter()
        .map(|(_, name)| format!("\"{name}\""))
        .collect();
    format!("{{\"ck\":[\"{target}\"],\"pk\":[{}]}}", keys.join(","))
}

/// `table_column_idx`, with a number if that is taken.
fn free_name(keyspace: &Keyspace, base: &Table, column: &str) -> String {
    let stem = format!("{}_{column}_idx", base.name);
    let taken = |name: &str| {
        keyspace
            .tables
            .values()
            .any(|table| table.indexes.contains_key(name))
    };
    if !taken(&stem) {
        return stem;
    }
    (1..)
        .map(|n| format!("{stem}_{n}"))
        .find(|name| !taken(name))
        .unwrap_or(stem)
}

/// The view that ScyllaDB keeps an index in: indexed column, token of the base's key, the base's key.
fn index_view(
    keyspace: &Keyspace,
    base: &Table,
    index: &Index,
    id: TableId,
) -> Result<Table, CqlError> {
    let name = format!("{}_index", index.name);
    let mut view = empty_table(keyspace, &name, id);
    let mut clustering = Vec::new();
    for column in &base.columns {
        if column.is_primary_key() || column.name == index.column {
            let mut column = Column {
                kind: ColumnKind::Regular,
                position: 0,
                descending: false,
                ..column.clone()
            };
            if column.multi_cell {
                column.multi_cell = false;
                column.ty = match &column.ty {
                    CqlType::Map(entry) if index.target.starts_with("keys") => entry.0.clone(),
                    CqlType::Map(entry) => entry.1.clone(),
                    CqlType::List(element) | CqlType::Set(element) => (**element).clone(),
                    other => other.clone(),
                };
            }
            if column.name != index.column {
                clustering.push(column.name.to_string());
            }
            view.columns.push(column);
        }
    }
    view.columns.push(Column {
        name: "idx_token".into(),
        id: u32::MAX,
        kind: ColumnKind::Regular,
        position: 0,
        ty: CqlType::BigInt,
        declared: TypeAst::Named(None, "bigint".to_owned()),
        multi_cell: false,
        descending: false,
    });
    clustering.insert(0, "idx_token".to_owned());
    view.set_primary_key(&[index.column.to_string()], &clustering)?;
    view.view = Some(View {
        base: base.id,
        base_name: base.name.clone(),
        include_all: false,
        where_text: format!("{} IS NOT NULL", super::quoted(&index.column)),
        relations: Vec::new(),
        index: Some(index.name.clone()),
    });
    view.reindex();
    Ok(view)
}
