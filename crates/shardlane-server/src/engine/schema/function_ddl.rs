//! CREATE and DROP of FUNCTION, AGGREGATE and TRIGGER: recorded, not executed.

use std::sync::Arc;

use shardlane_wire::CqlType;

use super::types::resolve_type;
use super::{
    ChangeKind, DdlOutcome, Keyspace, Schema, SchemaChange, Table, UserAggregate, UserFunction,
};
use crate::cql::ast::{
    CreateAggregate, CreateFunction, CreateTrigger, DropFunction, DropTrigger, QualifiedName,
    TypeAst,
};
use crate::engine::error::CqlError;
use crate::engine::system::Flavour;

impl Schema {
    pub(super) fn create_function(
        self: &Arc<Self>,
        statement: &CreateFunction,
        session: Option<&str>,
        now_us: i64,
    ) -> Result<DdlOutcome, CqlError> {
        let old = self.ddl_keyspace(&statement.name, session)?;
        let mut arguments = Vec::with_capacity(statement.arguments.len());
        for (name, ty) in &statement.arguments {
            arguments.push((name.clone(), resolve_type(old, ty)?.0));
        }
        let function = UserFunction {
            name: statement.name.name.as_str().into(),
            arguments,
            returns: resolve_type(old, &statement.returns)?.0,
            language: statement.language.clone(),
            body: statement.body.clone(),
            called_on_null: statement.called_on_null,
        };
        let mut keyspace = (**old).clone();
        let types: Vec<String> = function
            .arguments
            .iter()
            .map(|(_, ty)| ty.to_string())
            .collect();
        let same = |other: &UserFunction| {
            other.name == function.name
                && other
                    .arguments
                    .iter()
                    .map(|a| &a.1)
                    .eq(function.arguments.iter().map(|a| &a.1))
        };
        let mut kind = ChangeKind::Created;
        if let Some(at) = keyspace.functions.iter().position(same) {
            if statement.if_not_exists {
                return Ok(DdlOutcome::unchanged(self));
            }
            if !statement.or_replace {
                return Err(CqlError::invalid(format!(
                    "The function '{}.{} : ({}) -> {}' already exists",
                    keyspace.name,
                    function.name,
                    types.join(", "),
                    function.returns
                )));
            }
            kind = ChangeKind::Updated;
            keyspace.functions.remove(at);
        }
        let change = SchemaChange::Function(
            kind,
            keyspace.name.to_string(),
            function.name.to_string(),
            types,
        );
        keyspace.functions.push(function);
        Ok(self.changed(keyspace, change, now_us))
    }

    pub(super) fn drop_function(
        self: &Arc<Self>,
        statement: &DropFunction,
        session: Option<&str>,
        now_us: i64,
    ) -> Result<DdlOutcome, CqlError> {
        let old = self.ddl_keyspace(&statement.name, session)?;
        let name = statement.name.name.as_str();
        let wanted = match &statement.arguments {
            Some(types) => Some(resolve_all(old, types)?),
            None => None,
        };
        let mut keyspace = (**old).clone();
        let at = keyspace.functions.iter().position(|function| {
            let types = function.arguments.iter().map(|(_, ty)| ty);
            &*function.name == name && wanted.as_ref().is_none_or(|wanted| wanted.iter().eq(types))
        });
        let Some(at) = at else {
            if statement.if_exists {
                return Ok(DdlOutcome::unchanged(self));
            }
            return Err(CqlError::invalid(format!(
                "User function {}.{name} doesn't exist",
                old.name
            )));
        };
        let dropped = &keyspace.functions[at];
        let uses = |aggregate: &&UserAggregate| {
            let functions = [
                Some(&aggregate.state_func),
                aggregate.final_func.as_ref(),
                aggregate.reduce_func.as_ref(),
            ];
            functions
                .into_iter()
                .flatten()
                .any(|name| **name == *dropped.name)
        };
        if let Some(user) = keyspace.aggregates.iter().find(uses) {
            return Err(CqlError::invalid(format!(
                "Cannot delete function {}.{name}, as it is used by user-defined aggregate {}.{}",
                old.name, old.name, user.name
            )));
        }
        let types = keyspace
            .functions
            .remove(at)
            .arguments
            .iter()
            .map(|(_, ty)| ty.to_string())
            .collect();
        let change = SchemaChange::Function(
            ChangeKind::Dropped,
            keyspace.name.to_string(),
            name.to_owned(),
            types,
        );
        Ok(self.changed(keyspace, change, now_us))
    }

    pub(super) fn create_aggregate(
        self: &Arc<Self>,
        statement: &CreateAggregate,
        session: Option<&str>,
        now_us: i64,
    ) -> Result<DdlOutcome, CqlError> {
        let old = self.ddl_keyspace(&statement.name, session)?;
        let arguments = resolve_all(old, &statement.arguments)?;
        let state_type = resolve_type(old, &statement.state_type)?.0;
        let find = |name: &str, types: &[&CqlType]| {
            old.functions.iter().find(|function| {
                let known = function.arguments.iter().map(|(_, ty)| ty);
                &*function.name == name && known.eq(types.iter().copied())
            })
        };
        let missing = |what: &str, name: &str| {
            CqlError::invalid(format!(
                "{what} function {}.{name} does not exist",
                old.name
            ))
        };
        let mut takes = vec![&state_type];
        takes.extend(&arguments);
        if find(&statement.state_func, &takes).is_none() {
            return Err(missing("State", &statement.state_func));
        }
        let returns = match &statement.final_func {
            Some(name) => match find(name, &[&state_type]) {
                Some(function) => function.returns.clone(),
                None => return Err(missing("Final", name)),
            },
            None => state_type.clone(),
        };
        if let Some(name) = &statement.reduce_func
            && find(name, &[&state_type, &state_type]).is_none()
        {
            return Err(missing("Reduce", name));
        }
        let aggregate = UserAggregate {
            name: statement.name.name.as_str().into(),
            arguments,
            state_func: statement.state_func.as_str().into(),
            state_type,
            reduce_func: statement.reduce_func.as_deref().map(Into::into),
            final_func: statement.final_func.as_deref().map(Into::into),
            initcond: statement.initcond.clone(),
            returns,
        };
        let mut keyspace = (**old).clone();
        let mut kind = ChangeKind::Created;
        let same = |other: &UserAggregate| {
            other.name == aggregate.name && other.arguments == aggregate.arguments
        };
        if let Some(at) = keyspace.aggregates.iter().position(same) {
            if statement.if_not_exists {
                return Ok(DdlOutcome::unchanged(self));
            }
            if !statement.or_replace {
                return Err(CqlError::invalid(format!(
                    "The aggregate '{}.{}' already exists",
                    keyspace.name, aggregate.name
                )));
            }
            kind = ChangeKind::Updated;
            keyspace.aggregates.remove(at);
        }
        let change = aggregate_change(kind, &keyspace, &aggregate);
        keyspace.aggregates.push(aggregate);
        Ok(self.changed(keyspace, change, now_us))
    }

    pub(super) fn drop_aggregate(
        self: &Arc<Self>,
        statement: &DropFunction,
        session: Option<&str>,
        now_us: i64,
    ) -> Result<DdlOutcome, CqlError> {
        let old = self.ddl_keyspace(&statement.name, session)?;
        let name = statement.name.name.as_str();
        let wanted = match &statement.arguments {
            Some(types) => Some(resolve_all(old, types)?),
            None => None,
        };
        let mut keyspace = (**old).clone();
        let at = keyspace.aggregates.iter().position(|aggregate| {
            let same_types = wanted.as_ref().is_none_or(|w| *w == aggregate.arguments);
            &*aggregate.name == name && same_types
        });
        let Some(at) = at else {
            if statement.if_exists {
                return Ok(DdlOutcome::unchanged(self));
            }
            return Err(CqlError::invalid(format!(
                "User aggregate {}.{name} doesn't exist",
                old.name
            )));
        };
        let dropped = keyspace.aggregates.remove(at);
        let change = aggregate_change(ChangeKind::Dropped, &keyspace, &dropped);
        Ok(self.changed(keyspace, change, now_us))
    }

    pub(super) fn create_trigger(
        self: &Arc<Self>,
        statement: &CreateTrigger,
        session: Option<&str>,
        now_us: i64,
    ) -> Result<DdlOutcome, CqlError> {
        let (keyspace, mut table) = self.table_with_triggers(&statement.table, session)?;
        let name = statement.name.as_str();
        if table.triggers.contains_key(name) {
            if statement.if_not_exists {
                return Ok(DdlOutcome::unchanged(self));
            }
            return Err(CqlError::invalid(format!("Trigger {name} already exists")));
        }
        table.triggers.insert(name.into(), statement.class.clone());
        Ok(self.table_changed(keyspace, table, now_us))
    }

    pub(super) fn drop_trigger(
        self: &Arc<Self>,
        statement: &DropTrigger,
        session: Option<&str>,
        now_us: i64,
    ) -> Result<DdlOutcome, CqlError> {
        let (keyspace, mut table) = self.table_with_triggers(&statement.table, session)?;
        let name = statement.name.as_str();
        if table.triggers.remove(name).is_none() {
            if statement.if_exists {
                return Ok(DdlOutcome::unchanged(self));
            }
            return Err(CqlError::invalid(format!("Trigger {name} was not found")));
        }
        Ok(self.table_changed(keyspace, table, now_us))
    }

    /// A table that may have triggers, and its keyspace.
    fn table_with_triggers(
        &self,
        name: &QualifiedName,
        session: Option<&str>,
    ) -> Result<(Keyspace, Table), CqlError> {
        if self.flavour() == Flavour::Scylla {
            return Err(CqlError::syntax(
                "line 1:7 no viable alternative at input 'TRIGGER'",
            ));
        }
        let keyspace = self.ddl_keyspace(name, session)?;
        let table = keyspace.tables.get(name.name.as_str()).ok_or_else(|| {
            CqlError::invalid(format!(
                "Table '{}.{}' doesn't exist",
                keyspace.name, name.name
            ))
        })?;
        Ok(((**keyspace).clone(), (**table).clone()))
    }

    fn table_changed(
        self: &Arc<Self>,
        mut keyspace: Keyspace,
        table: Table,
        now_us: i64,
    ) -> DdlOutcome {
        let (of, name) = (keyspace.name.to_string(), table.name.clone());
        let change = SchemaChange::Table(ChangeKind::Updated, of, name.to_string());
        keyspace.tables.insert(name, Arc::new(table));
        self.changed(keyspace, change, now_us)
    }
}

fn resolve_all(keyspace: &Keyspace, types: &[TypeAst]) -> Result<Vec<CqlType>, CqlError> {
    types
        .iter()
        .map(|ty| resolve_type(keyspace, ty).map(|(ty, _)| ty))
        .collect()
}

fn aggregate_change(
    kind: ChangeKind,
    keyspace: &Keyspace,
    aggregate: &UserAggregate,
) -> SchemaChange {
    let types = aggregate.arguments.iter().map(ToString::to_string);
    let name = aggregate.name.to_string();
    SchemaChange::Aggregate(kind, keyspace.name.to_string(), name, types.collect())
}
