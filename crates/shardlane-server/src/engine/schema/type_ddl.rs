//! CREATE, ALTER and DROP TYPE.

use std::sync::Arc;

use shardlane_wire::{CqlType, UdtType};

use super::keyspace_ddl::{check_name, is_system};
use super::types::{resolve_type, type_text};
use super::{ChangeKind, DdlOutcome, Keyspace, Schema, SchemaChange, UserType};
use crate::cql::ast::{AlterType, CreateType, Drop, QualifiedName, TypeAst, TypeChange};
use crate::engine::error::CqlError;

impl Schema {
    /// The keyspace that a name in DDL belongs to.
    pub(super) fn ddl_keyspace<'a>(
        &'a self,
        name: &'a QualifiedName,
        session: Option<&'a str>,
    ) -> Result<&'a Arc<Keyspace>, CqlError> {
        let keyspace = name.keyspace.as_deref().or(session).ok_or_else(|| {
            CqlError::invalid(
                "No keyspace has been specified. USE a keyspace, or explicitly specify keyspace.tablename",
            )
        })?;
        if is_system(keyspace) {
            return Err(CqlError::unauthorized(format!(
                "{keyspace} keyspace is not user-modifiable."
            )));
        }
        self.keyspace(keyspace)
            .ok_or_else(|| CqlError::invalid(format!("Keyspace '{keyspace}' does not exist")))
    }

    pub(super) fn create_type(
        self: &Arc<Self>,
        statement: &CreateType,
        session: Option<&str>,
        now_us: i64,
    ) -> Result<DdlOutcome, CqlError> {
        let old = self.ddl_keyspace(&statement.name, session)?;
        let name = statement.name.name.as_str();
        check_name(name, "type")?;
        let mut seen = std::collections::BTreeSet::new();
        for (field, ty) in &statement.fields {
            if matches!(ty, TypeAst::Named(keyspace, name) if keyspace.is_some() || CqlType::from_simple_name(name).is_none())
            {
                return Err(CqlError::invalid(
                    "A user type cannot contain non-frozen user type fields",
                ));
            }
            if matches!(ty, TypeAst::Named(None, name) if name == "counter") {
                return Err(CqlError::invalid("A user type cannot contain counters"));
            }
            if !seen.insert(field) {
                return Err(CqlError::invalid(format!(
                    "Duplicate field name {field} in type {name}"
                )));
            }
        }
        if old.types.contains_key(name) {
            if statement.if_not_exists {
                let change =
                    SchemaChange::Type(ChangeKind::Created, old.name.to_string(), name.to_owned());
                return Ok(DdlOutcome::existed(self, change, Vec::new()));
            }
            return Err(CqlError::invalid(format!(
                "A user type of name {}.{name} already exists",
                old.name
            )));
        }
        let fields = statement
            .fields
            .iter()
            .map(|(field, ty)| (field.as_str().into(), ty.clone()))
            .collect();
        let user = make_type(old, name, fields)?;
        let mut keyspace = (**old).clone();
        keyspace.types.insert(name.into(), Arc::new(user));
        let change = SchemaChange::Type(
            ChangeKind::Created,
            keyspace.name.to_string(),
            name.to_owned(),
        );
        Ok(self.changed(keyspace, change, now_us))
    }

    pub(super) fn alter_type(
        self: &Arc<Self>,
        statement: &AlterType,
        session: Option<&str>,
        now_us: i64,
    ) -> Result<DdlOutcome, CqlError> {
        let old = self.ddl_keyspace(&statement.name, session)?;
        let name = statement.name.name.as_str();
        let user = old
            .types
            .get(name)
            .ok_or_else(|| CqlError::invalid(format!("No user type named {name} exists.")))?;
        let mut fields = user.fields.clone();
        match &statement.change {
            TypeChange::Add(field, ty) => {
                if fields.iter().any(|(known, _)| **known == **field) {
                    return Err(CqlError::invalid(format!(
                        "Cannot add new field {field} to type {name}: a field of the same name already exists"
                    )));
                }
                fields.push((field.as_str().into(), ty.clone()));
            }
            TypeChange::Rename(renames) => {
                for (from, to) in renames {
                    let field = fields.iter_mut().find(|(known, _)| **known == **from);
                    let field = field.ok_or_else(|| {
                        CqlError::invalid(format!("Unknown field {from} in type {name}"))
                    })?;
                    field.0 = to.as_str().into();
                }
            }
            TypeChange::Retype(..) => {
                return Err(CqlError::invalid(
                    "Altering field types is no longer supported",
                ));
            }
        }
        let user = make_type(old, name, fields)?;
        let mut keyspace = (**old).clone();
        keyspace.types.insert(name.into(), Arc::new(user));
        keyspace.resolve_again()?;
        let change = SchemaChange::Type(
            ChangeKind::Updated,
            keyspace.name.to_string(),
            name.to_owned(),
        );
        Ok(self.changed(keyspace, change, now_us))
    }

    pub(super) fn drop_type(
        self: &Arc<Self>,
        statement: &Drop,
        session: Option<&str>,
        now_us: i64,
    ) -> Result<DdlOutcome, CqlError> {
        let old = self.ddl_keyspace(&statement.name, session)?;
        let name = statement.name.name.as_str();
        if !old.types.contains_key(name) {
            if statement.if_exists {
                return Ok(DdlOutcome::unchanged(self));
            }
            return Err(CqlError::invalid(format!(
                "No user type named {name} exists."
            )));
        }
        let in_use = |by: String| {
            CqlError::invalid(format!(
                "Cannot drop user type {}.{name} as it is still used by {by}",
                old.name
            ))
        };
        for other in old.types.values().filter(|other| &*other.name != name) {
            if other.fields.iter().any(|(_, ty)| mentions(ty, name)) {
                return Err(in_use(format!("user type {}.{}", old.name, other.name)));
            }
        }
        for table in old.tables.values() {
            if table
                .columns
                .iter()
                .any(|column| mentions(&column.declared, name))
            {
                return Err(in_use(format!("table {}.{}", old.name, table.name)));
            }
        }
        let mut keyspace = (**old).clone();
        keyspace.types.remove(name);
        let change = SchemaChange::Type(
            ChangeKind::Dropped,
            keyspace.name.to_string(),
            name.to_owned(),
        );
        Ok(self.changed(keyspace, change, now_us))
    }
}

/// Whether the declared type names the user type.
fn mentions(ast: &TypeAst, user: &str) -> bool {
    match ast {
        TypeAst::Named(_, name) => name == user,
        TypeAst::List(inner)
        | TypeAst::Set(inner)
        | TypeAst::Frozen(inner)
        | TypeAst::Vector(inner, _) => mentions(inner, user),
        TypeAst::Map(key, value) => mentions(key, user) || mentions(value, user),
        TypeAst::Tuple(types) => types.iter().any(|ty| mentions(ty, user)),
        TypeAst::Class(_) => false,
    }
}

fn make_type(
    keyspace: &Keyspace,
    name: &str,
    fields: Vec<(Box<str>, TypeAst)>,
) -> Result<UserType, CqlError> {
    let mut resolved = Vec::with_capacity(fields.len());
    for (field, ty) in &fields {
        if mentions(ty, name) {
            return Err(CqlError::invalid(format!(
                "Unknown type {}.{name} in {}",
                keyspace.name,
                type_text(ty)
            )));
        }
        resolved.push((field.clone(), resolve_type(keyspace, ty)?.0));
    }
    let resolved = UdtType {
        keyspace: (*keyspace.name).into(),
        name: name.into(),
        fields: resolved,
    };
    Ok(UserType {
        name: name.into(),
        fields,
        resolved: Arc::new(resolved),
    })
}

impl Keyspace {
    /// Resolves types again after a user type changed: in other types, until nothing changes, then in tables.
    fn resolve_again(&mut self) -> Result<(), CqlError> {
        loop {
            let mut changed = false;
            for user in self.types.values().cloned().collect::<Vec<_>>() {
                let again = make_type(self, &user.name, user.fields.clone())?;
                if again != *user {
                    changed = true;
                    self.types.insert(user.name.clone(), Arc::new(again));
                }
            }
            if !changed {
                break;
            }
        }
        let types = self.clone();
        for table in self.tables.values_mut().chain(self.views.values_mut()) {
            let mut columns = table.columns.clone();
            for column in &mut columns {
                column.ty = resolve_type(&types, &column.declared)?.0;
            }
            if columns != table.columns {
                Arc::make_mut(table).columns = columns;
            }
        }
        Ok(())
    }
}
