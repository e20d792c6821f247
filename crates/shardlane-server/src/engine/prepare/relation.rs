//! One relation of WHERE or IF: compiled, and with its values.

use shardlane_wire::CqlType;

use super::context::Context;
use super::expr::{Expr, Scope, Val};
use crate::cql::ast::{Operator, Relation, RelationTarget, RelationValue};
use crate::engine::error::CqlError;
use crate::engine::schema::{Column, ColumnKind, Table};
use crate::engine::value::{Bytes, read_values};

/// What a filter looks at. Numbers are positions in `Table::columns`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Target {
    Column(usize),
    Tuple(Vec<usize>),
    Token,
    Element(usize, Expr),
    Field(usize, usize),
}

/// The values it compares with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum FilterValue {
    One(Expr),
    Many(Vec<Expr>),
    /// A marker for the whole list of IN.
    List(Expr),
    Nothing,
}

/// One compiled relation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Filter {
    pub(crate) target: Target,
    pub(crate) operator: Operator,
    pub(crate) value: FilterValue,
    /// The type of the left side.
    pub(crate) ty: CqlType,
    /// The collection's type if the left side is an element of one.
    pub(crate) collection: Option<CqlType>,
}

/// A filter with its values known; `None` among them is null.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BoundFilter {
    pub(crate) target: BoundTarget,
    pub(crate) operator: Operator,
    pub(crate) values: Vec<Option<Bytes>>,
    pub(crate) ty: CqlType,
    /// The collection's type if the target is an element of one.
    pub(crate) collection: Option<CqlType>,
}

/// [`Target`] with its key known.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum BoundTarget {
    Column(usize),
    Tuple(Vec<usize>),
    Token,
    Element(usize, Option<Bytes>),
    Field(usize, usize),
}

impl Filter {
    /// `column = value`.
    pub(crate) fn equals(at: usize, column: &Column, value: Expr) -> Self {
        Self {
            target: Target::Column(at),
            operator: Operator::Eq,
            value: FilterValue::One(value),
            ty: column.ty.clone(),
            collection: None,
        }
    }

    pub(super) fn is_equality(&self) -> bool {
        matches!(self.operator, Operator::Eq | Operator::In)
    }

    pub(super) fn is_range(&self) -> bool {
        matches!(
            self.operator,
            Operator::Lt | Operator::Le | Operator::Gt | Operator::Ge
        )
    }

    /// The values, with nulls.
    pub(super) fn nullable_values(
        &self,
        scope: &mut Scope<'_>,
    ) -> Result<Vec<Option<Bytes>>, CqlError> {
        let unset = || CqlError::invalid("Invalid unset value in condition");
        let one = |scope: &mut Scope<'_>, expr: &Expr| match scope.eval(expr)? {
            Val::Bytes(bytes) => Ok(Some(bytes)),
            Val::Null => Ok(None),
            Val::Unset => Err(unset()),
        };
        Ok(match &self.value {
            FilterValue::One(expr) => vec![one(scope, expr)?],
            FilterValue::Many(exprs) => exprs
                .iter()
                .map(|expr| one(scope, expr))
                .collect::<Result<_, _>>()?,
            FilterValue::List(expr) => match scope.eval(expr)? {
                Val::Bytes(bytes) => read_values(&bytes, 1)
                    .unwrap_or_default()
                    .into_iter()
                    .map(|value| Some(value.into()))
                    .collect(),
                Val::Null => return Err(CqlError::invalid("Invalid null value for IN list")),
                Val::Unset => return Err(unset()),
            },
            FilterValue::Nothing => Vec::new(),
        })
    }

    pub(super) fn values(
        &self,
        table: &Table,
        scope: &mut Scope<'_>,
    ) -> Result<Vec<Bytes>, CqlError> {
        let name = match &self.target {
            Target::Column(at) | Target::Element(at, _) | Target::Field(at, _) => {
                &table.columns[*at].name
            }
            Target::Tuple(columns) => &table.columns[columns[0]].name,
            Target::Token => "partition key token",
        };
        self.nullable_values(scope)?
            .into_iter()
            .collect::<Option<_>>()
            .ok_or_else(|| {
                CqlError::invalid(format!("Invalid null value in condition for column {name}"))
            })
    }

    /// The filter with its values.
    pub(crate) fn bind(&self, scope: &mut Scope<'_>) -> Result<BoundFilter, CqlError> {
        let target = match &self.target {
            Target::Column(at) => BoundTarget::Column(*at),
            Target::Tuple(columns) => BoundTarget::Tuple(columns.clone()),
            Target::Token => BoundTarget::Token,
            Target::Element(at, key) => BoundTarget::Element(*at, scope.eval(key)?.into_option()),
            Target::Field(at, field) => BoundTarget::Field(*at, *field),
        };
        Ok(BoundFilter {
            target,
            operator: self.operator,
            values: self.nullable_values(scope)?,
            ty: self.ty.clone(),
            collection: self.collection.clone(),
        })
    }
}

/// The column at the left side of a relation.
pub(crate) fn find_column(table: &Table, name: &str) -> Result<usize, CqlError> {
    table
        .columns
        .iter()
        .position(|column| *column.name == *name)
        .ok_or_else(|| CqlError::invalid(format!("Unrecognized name {name}")))
}

/// Compiles one relation of WHERE or IF.
pub(crate) fn compile_relation(
    cx: &mut Context<'_>,
    relation: &Relation,
) -> Result<Filter, CqlError> {
    let table = cx.table;
    let (target, ty, name) = match &relation.target {
        RelationTarget::Column(name) => {
            let at = find_column(table, name)?;
            (
                Target::Column(at),
                table.columns[at].ty.clone(),
                name.clone(),
            )
        }
        RelationTarget::Token(names) => {
            if !names
                .iter()
                .map(String::as_str)
                .eq(table.partition_key().iter().map(|c| &*c.name))
            {
                return Err(CqlError::invalid(format!(
                    "The token() function must contains only partition key components, in order: token({})",
                    table
                        .partition_key()
                        .iter()
                        .map(|c| &*c.name)
                        .collect::<Vec<_>>()
                        .join(", ")
                )));
            }
            (
                Target::Token,
                CqlType::BigInt,
                "partition key token".to_owned(),
            )
        }
        RelationTarget::Tuple(names) => {
            let columns = names
                .iter()
                .map(|name| find_column(table, name))
                .collect::<Result<Vec<_>, _>>()?;
            if let Some(at) = columns
                .iter()
                .find(|at| table.columns[**at].kind != ColumnKind::Clustering)
            {
                return Err(CqlError::invalid(format!(
                    "Multi-column relations can only be applied to clustering columns but was applied to: {}",
                    table.columns[*at].name
                )));
            }
            let ty = CqlType::Tuple(
                columns
                    .iter()
                    .map(|at| table.columns[*at].ty.clone())
                    .collect(),
            );
            (Target::Tuple(columns), ty, format!("({})", names.join(",")))
        }
        RelationTarget::Element(name, key) => {
            let at = find_column(table, name)?;
            let (key_type, value_type) = match &table.columns[at].ty {
                CqlType::Map(entry) => (entry.0.clone(), entry.1.clone()),
                CqlType::List(element) => (CqlType::Int, (**element).clone()),
                ty => {
                    return Err(CqlError::invalid(format!(
                        "Column {name} of type {ty} has no elements to compare"
                    )));
                }
            };
            let key = cx.term(key, &key_type, &format!("key({name})"))?;
            (
                Target::Element(at, key),
                value_type,
                format!("value({name})"),
            )
        }
        RelationTarget::Field(name, field) => {
            let at = find_column(table, name)?;
            let CqlType::Udt(udt) = &table.columns[at].ty else {
                return Err(CqlError::invalid(format!(
                    "Column {name} is not a user defined type"
                )));
            };
            let field_at = udt.fields.iter().position(|(f, _)| **f == **field);
            let field_at = field_at
                .ok_or_else(|| CqlError::invalid(format!("{name} has no field named {field}")))?;
            (
                Target::Field(at, field_at),
                udt.fields[field_at].1.clone(),
                format!("{name}.{field}"),
            )
        }
    };
    let receiver = match (relation.operator, &ty) {
        (Operator::Contains, CqlType::List(inner) | CqlType::Set(inner)) => (**inner).clone(),
        (Operator::Contains, CqlType::Map(entry)) => entry.1.clone(),
        (Operator::ContainsKey, CqlType::Map(entry)) => entry.0.clone(),
        (Operator::Contains | Operator::ContainsKey, _) => {
            return Err(CqlError::invalid(format!(
                "Cannot use {} on non-collection column \"{name}\"",
                relation.operator.symbol()
            )));
        }
        (Operator::Like, CqlType::Text | CqlType::Ascii) => ty.clone(),
        (Operator::Like, _) => {
            return Err(CqlError::invalid(format!(
                "LIKE is allowed only on string types, which {name} is not"
            )));
        }
        _ => ty.clone(),
    };
    let value_name = match relation.operator {
        Operator::Contains => format!("value({name})"),
        Operator::ContainsKey => format!("key({name})"),
        _ => name.clone(),
    };
    let value = match &relation.value {
        RelationValue::None => FilterValue::Nothing,
        RelationValue::One(term) if relation.operator == Operator::In => {
            let list = CqlType::List(Box::new(receiver));
            FilterValue::List(cx.term(term, &list, &format!("in({name})"))?)
        }
        RelationValue::One(term) => FilterValue::One(cx.term(term, &receiver, &value_name)?),
        RelationValue::Many(terms) => {
            let exprs = terms
                .iter()
                .map(|term| cx.term(term, &receiver, &value_name))
                .collect::<Result<_, _>>()?;
            FilterValue::Many(exprs)
        }
    };
    let collection = match &target {
        Target::Element(at, _) => Some(table.columns[*at].ty.clone()),
        _ => None,
    };
    Ok(Filter {
        target,
        operator: relation.operator,
        value,
        ty,
        collection,
    })
}
