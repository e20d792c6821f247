//! Compiling terms against the type that is wanted.

use shardlane_wire::{ColumnSpec, CqlType};

use super::expr::{Expr, Scope, Val, Values};
use super::function::ScalarFn;
use crate::cql::ast::{QualifiedName, Term, TypeAst};
use crate::engine::bind::Env;
use crate::engine::error::CqlError;
use crate::engine::schema::{Keyspace, Schema, Table, resolve_type};
use crate::engine::value::{literal_value, push_element};

/// What a statement is compiled against, and the bind variables found so far.
pub(crate) struct Context<'a> {
    pub(crate) schema: &'a Schema,
    pub(crate) table: &'a Table,
    names: &'a [Option<String>],
    specs: &'a mut Vec<Option<ColumnSpec>>,
}

impl<'a> Context<'a> {
    pub(crate) const fn new(
        schema: &'a Schema,
        table: &'a Table,
        names: &'a [Option<String>],
        specs: &'a mut Vec<Option<ColumnSpec>>,
    ) -> Self {
        Self {
            schema,
            table,
            names,
            specs,
        }
    }

    /// The same for another table.
    pub(crate) const fn over<'b>(&'b mut self, table: &'b Table) -> Context<'b> {
        Context {
            schema: self.schema,
            table,
            names: self.names,
            specs: self.specs,
        }
    }

    pub(crate) fn keyspace(&self) -> Result<&'a Keyspace, CqlError> {
        let name = &*self.table.keyspace;
        self.schema
            .keyspace(name)
            .map(|keyspace| &**keyspace)
            .ok_or_else(|| CqlError::invalid(format!("Keyspace {name} does not exist")))
    }

    pub(crate) fn resolve(&self, ast: &TypeAst) -> Result<CqlType, CqlError> {
        let frozen;
        // casts name types without `frozen`
        let ast = match ast {
            TypeAst::List(_) | TypeAst::Set(_) | TypeAst::Map(..) => {
                frozen = TypeAst::Frozen(Box::new(ast.clone()));
                &frozen
            }
            _ => ast,
        };
        Ok(resolve_type(self.keyspace()?, ast)?.0)
    }

    /// A marker's specification, under its own name if it has one.
    fn marker(&mut self, at: usize, ty: &CqlType, name: &str) -> Expr {
        let name = self
            .names
            .get(at)
            .and_then(Option::as_deref)
            .unwrap_or(name);
        if self.specs.len() <= at {
            self.specs.resize(at + 1, None);
        }
        self.specs[at] = Some(ColumnSpec {
            keyspace: self.table.keyspace.clone(),
            table: self.table.name.clone(),
            name: name.into(),
            cql_type: ty.clone(),
        });
        Expr::Marker(at)
    }

    /// Compiles `term` as a value for the receiver `name` of type `ty`.
    pub(crate) fn term(&mut self, term: &Term, ty: &CqlType, name: &str) -> Result<Expr, CqlError> {
        let wrong = |what: &str| {
            CqlError::invalid(format!("Invalid {what} literal for {name} of type {ty}"))
        };
        let expr = match (term, ty) {
            (Term::Null, _) => Expr::Const(None),
            (Term::Marker(at), _) => self.marker(*at, ty, name),
            (Term::Literal(literal), _) => {
                Expr::Const(Some(literal_value(ty, literal, name)?.into()))
            }
            (Term::List(items), CqlType::List(element)) => {
                Expr::List(self.elements(items, element, &format!("value({name})"))?)
            }
            (Term::List(items), CqlType::Vector(element, len))
                if items.len() == usize::from(*len) =>
            {
                return self.vector(items, element, name);
            }
            (Term::List(_), _) => return Err(wrong("list")),
            (Term::Set(items), CqlType::Set(element)) => Expr::Set(
                (**element).clone(),
                self.elements(items, element, &format!("value({name})"))?,
            ),
            // the empty braces fit both
            (Term::Set(items), CqlType::Map(entry)) if items.is_empty() => {
                Expr::Map(entry.0.clone(), Vec::new())
            }
            (Term::Set(items), CqlType::Udt(udt)) if items.is_empty() => {
                Expr::Fields(udt.fields.iter().map(|_| Expr::Const(None)).collect())
            }
            (Term::Set(_), _) => return Err(wrong("set")),
            (Term::Map(entries), CqlType::Map(entry)) => {
                let mut out = Vec::with_capacity(entries.len());
                for (key, value) in entries {
                    out.push((
                        self.term(key, &entry.0, &format!("key({name})"))?,
                        self.term(value, &entry.1, &format!("value({name})"))?,
                    ));
                }
                Expr::Map(entry.0.clone(), out)
            }
            (Term::Map(_), _) => return Err(wrong("map")),
            (Term::Udt(fields), CqlType::Udt(udt)) => {
                if let Some((unknown, _)) = fields
                    .iter()
                    .find(|(f, _)| udt.fields.iter().all(|(g, _)| **g != **f))
                {
                    return Err(CqlError::invalid(format!(
                        "Unknown field '{unknown}' in value of user defined type {}",
                        udt.name
                    )));
                }
                let mut out = Vec::with_capacity(udt.fields.len());
                for (field, ty) in &udt.fields {
                    out.push(match fields.iter().find(|(given, _)| **given == **field) {
                        Some((_, term)) => self.term(term, ty, &format!("{name}.{field}"))?,
                        None => Expr::Const(None),
                    });
                }
                Expr::Fields(out)
            }
            (Term::Udt(_), _) => return Err(wrong("user type")),
            (Term::Tuple(items), CqlType::Tuple(types)) => {
                if items.len() > types.len() {
                    return Err(CqlError::invalid(format!(
                        "Invalid tuple literal for {name}: too many elements. Type {ty} expects {} but got {}",
                        types.len(),
                        items.len()
                    )));
                }
                let mut out = Vec::with_capacity(types.len());
                for (at, ty) in types.iter().enumerate() {
                    out.push(match items.get(at) {
                        Some(item) => self.term(item, ty, &format!("{name}[{at}]"))?,
                        None => Expr::Const(None),
                    });
                }
                Expr::Fields(out)
            }
            // brackets around a single value
            (Term::Tuple(items), _) if items.len() == 1 => return self.term(&items[0], ty, name),
            (Term::Tuple(_), _) => return Err(wrong("tuple")),
            (Term::Cast(to, inner), _) => {
                let to = self.resolve(to)?;
                if to != *ty && !assignable(&to, ty) {
                    return Err(CqlError::invalid(format!(
                        "Cannot assign value of type {to} to {name} of type {ty}"
                    )));
                }
                return self.term(inner, &to, name);
            }
            (Term::Function(function, arguments), _) => {
                return self.call(function, arguments, ty, name);
            }
        };
        fold(expr)
    }

    fn elements(
        &mut self,
        items: &[Term],
        element: &CqlType,
        name: &str,
    ) -> Result<Vec<Expr>, CqlError> {
        items
            .iter()
            .map(|item| self.term(item, element, name))
            .collect()
    }

    /// Vectors of fixed-length elements have no lengths inside; only constants are supported.
    fn vector(&mut self, items: &[Term], element: &CqlType, name: &str) -> Result<Expr, CqlError> {
        let mut out = Vec::new();
        for item in items {
            match self.term(item, element, name)? {
                Expr::Const(Some(bytes)) => push_element(element, &bytes, &mut out),
                _ => {
                    return Err(CqlError::invalid(format!(
                        "Invalid vector literal for {name}"
                    )));
                }
            }
        }
        Ok(Expr::Const(Some(out.into())))
    }

    fn call(
        &mut self,
        function: &QualifiedName,
        arguments: &[Term],
        ty: &CqlType,
        name: &str,
    ) -> Result<Expr, CqlError> {
        if function.name == "token" {
            let columns = self.table.partition_key();
            if columns.len() != arguments.len() {
                return Err(CqlError::invalid(format!(
                    "Invalid number of arguments in call to function token: {} required but {} provided",
                    columns.len(),
                    arguments.len()
                )));
            }
            let arguments = columns
                .iter()
                .zip(arguments)
                .map(|(column, argument)| self.term(argument, &column.ty, &column.name))
                .collect::<Result<Vec<_>, _>>()?;
            return Ok(Expr::Call(ScalarFn::Token, arguments));
        }
        let known: Vec<Option<CqlType>> = arguments
            .iter()
            .map(|argument| self.type_of(argument))
            .collect();
        let Some((found, takes, returns)) = ScalarFn::find(&function.name, &known, Some(ty))?
        else {
            return Err(CqlError::invalid(format!(
                "Unknown function '{}'",
                function.name
            )));
        };
        if !assignable(&returns, ty) {
            return Err(CqlError::invalid(format!(
                "Type error: cannot assign result of function system.{} (type {returns}) to {name} (type {ty})",
                function.name
            )));
        }
        let arguments = takes
            .iter()
            .zip(arguments)
            .enumerate()
            .map(|(at, (ty, argument))| {
                self.term(argument, ty, &format!("arg{at}(system.{})", function.name))
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Expr::Call(found, arguments))
    }

    /// The type of a term if it can be told without a receiver.
    pub(crate) fn type_of(&self, term: &Term) -> Option<CqlType> {
        match term {
            Term::Cast(ty, _) => self.resolve(ty).ok(),
            Term::Function(name, arguments) => {
                let known: Vec<_> = arguments
                    .iter()
                    .map(|argument| self.type_of(argument))
                    .collect();
                ScalarFn::find(&name.name, &known, None)
                    .ok()
                    .flatten()
                    .map(|(_, _, returns)| returns)
            }
            _ => None,
        }
    }
}

/// Whether a value of one type serves as one of the other without a change of bytes.
pub(crate) fn assignable(from: &CqlType, to: &CqlType) -> bool {
    from == to
        || matches!(
            (from, to),
            (CqlType::Ascii, CqlType::Text)
                | (CqlType::TimeUuid, CqlType::Uuid)
                | (CqlType::Counter, CqlType::BigInt)
                | (
                    CqlType::BigInt,
                    CqlType::Counter | CqlType::Timestamp | CqlType::Time
                )
                | (_, CqlType::Blob)
        )
}

/// Evaluates now what needs no binding. Calls stay: time and entropy come later.
fn fold(expr: Expr) -> Result<Expr, CqlError> {
    let ready = match &expr {
        Expr::List(items) | Expr::Set(_, items) | Expr::Fields(items) => {
            items.iter().all(Expr::is_const)
        }
        Expr::Map(_, entries) => entries.iter().all(|(k, v)| k.is_const() && v.is_const()),
        _ => false,
    };
    if !ready {
        return Ok(expr);
    }
    let env = Env {
        now_us: 0,
        timestamp_us: 0,
        seed: 0,
    };
    let none = Values::InOrder(&[]);
    match Scope::new(&none, &env).eval(&expr)? {
        Val::Bytes(bytes) => Ok(Expr::Const(Some(bytes))),
        Val::Null | Val::Unset => Ok(expr),
    }
}
