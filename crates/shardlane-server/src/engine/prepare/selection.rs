//! What SELECT shows of each row or group.

use shardlane_wire::CqlType;

use super::context::Context;
use super::expr::Expr;
use super::function::{ScalarFn, can_convert, is_integer};
use super::relation::find_column;
use crate::cql::ast::{Literal, QualifiedName, Selector, Term};
use crate::engine::error::CqlError;
use crate::engine::schema::Column;

/// The kinds of aggregates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AggregateKind {
    CountRows,
    Count,
    Min,
    Max,
    Sum,
    Avg,
}

/// An aggregate over a selected value of type `ty`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Aggregate {
    pub(crate) kind: AggregateKind,
    pub(crate) argument: Option<SelectExpr>,
    pub(crate) ty: CqlType,
}

/// An expression over a row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum SelectExpr {
    Column(usize),
    WriteTime(usize),
    Ttl(usize),
    Token,
    Value(Expr),
    Call(ScalarFn, Vec<Self>),
    /// A field of a tuple-like value: position and number of fields.
    Field(Box<Self>, usize, usize),
    /// An element of a map or list, whose type comes first.
    Element(Box<Self>, CqlType, Expr),
    /// The n-th aggregate once the selection is put together; before, the aggregate itself.
    Aggregate(Box<Aggregate>),
    AggregateAt(usize),
}

/// A selected value with name and type.
#[derive(Debug, Clone)]
pub(crate) struct Selected {
    pub(crate) name: String,
    pub(crate) ty: CqlType,
    pub(crate) value: SelectExpr,
}

/// All selected values.
#[derive(Debug, Clone)]
pub(crate) struct Selection {
    pub(crate) items: Vec<Selected>,
    pub(super) aggregates: Vec<Aggregate>,
    /// Rows are put together, into one or into groups.
    pub(crate) grouped: bool,
    /// Only columns in table order: the common case, shown without evaluation.
    pub(crate) plain: Option<Vec<usize>>,
}

impl SelectExpr {
    /// Columns that the expression reads.
    pub(crate) fn columns(&self, out: &mut Vec<usize>) {
        match self {
            Self::Column(at) | Self::WriteTime(at) | Self::Ttl(at) => out.push(*at),
            Self::Call(_, arguments) => arguments.iter().for_each(|argument| argument.columns(out)),
            Self::Field(inner, ..) | Self::Element(inner, ..) => inner.columns(out),
            Self::Aggregate(aggregate) => {
                if let Some(argument) = &aggregate.argument {
                    argument.columns(out);
                }
            }
            Self::Token | Self::Value(_) | Self::AggregateAt(_) => {}
        }
    }

    /// The aggregates inside.
    pub(crate) fn aggregates(&self) -> Vec<&Aggregate> {
        match self {
            Self::Aggregate(aggregate) => vec![aggregate],
            Self::Call(_, arguments) => arguments.iter().flat_map(Self::aggregates).collect(),
            Self::Field(inner, ..) | Self::Element(inner, ..) => inner.aggregates(),
            _ => Vec::new(),
        }
    }

    /// Replaces aggregates by their numbers.
    fn number(self, found: &mut Vec<Aggregate>) -> Self {
        match self {
            Self::Aggregate(aggregate) => {
                let at = found
                    .iter()
                    .position(|other| *other == *aggregate)
                    .unwrap_or_else(|| {
                        found.push(*aggregate);
                        found.len() - 1
                    });
                Self::AggregateAt(at)
            }
            Self::Call(function, arguments) => Self::Call(
                function,
                arguments
                    .into_iter()
                    .map(|argument| argument.number(found))
                    .collect(),
            ),
            Self::Field(inner, at, len) => Self::Field(Box::new(inner.number(found)), at, len),
            Self::Element(inner, ty, key) => Self::Element(Box::new(inner.number(found)), ty, key),
            other => other,
        }
    }
}

impl Selection {
    pub(super) fn new(items: Vec<Selected>, grouped: bool) -> Self {
        let mut aggregates = Vec::new();
        let items: Vec<Selected> = items
            .into_iter()
            .map(|item| Selected {
                value: item.value.number(&mut aggregates),
                ..item
            })
            .collect();
        let grouped = grouped || !aggregates.is_empty();
        let column = |item: &Selected| match item.value {
            SelectExpr::Column(at) => Some(at),
            _ => None,
        };
        let plain = if grouped {
            None
        } else {
            items.iter().map(column).collect()
        };
        Self {
            items,
            aggregates,
            grouped,
            plain,
        }
    }
}

impl Selected {
    pub(super) fn column(at: usize, column: &Column) -> Self {
        Self {
            name: column.name.to_string(),
            ty: column.ty.clone(),
            value: SelectExpr::Column(at),
        }
    }

    /// Compiles a selector. Names are as ScyllaDB gives them: `count`, `system.max(n)`, `writetime(v)`.
    pub(super) fn compile(cx: &mut Context<'_>, selector: &Selector) -> Result<Self, CqlError> {
        let table = cx.table;
        match selector {
            Selector::Column(name) => {
                let at = find_column(table, name)?;
                Ok(Self::column(at, &table.columns[at]))
            }
            Selector::CountAll => {
                let aggregate = Aggregate {
                    kind: AggregateKind::CountRows,
                    argument: None,
                    ty: CqlType::BigInt,
                };
                let value = SelectExpr::Aggregate(Box::new(aggregate));
                Ok(Self {
                    name: "count".to_owned(),
                    ty: CqlType::BigInt,
                    value,
                })
            }
            Selector::WriteTime(name) | Selector::Ttl(name) => {
                let writetime = matches!(selector, Selector::WriteTime(_));
                let function = if writetime { "writetime" } else { "ttl" };
                let at = find_column(table, name)?;
                let column = &table.columns[at];
                if column.is_primary_key() {
                    return Err(CqlError::invalid(format!(
                        "Cannot use selection function {function} on PRIMARY KEY part {name}"
                    )));
                }
                if column.multi_cell {
                    return Err(CqlError::invalid(format!(
                        "Cannot use selection function {function} on non-frozen collection {name}"
                    )));
                }
                let (ty, value) = if writetime {
                    (CqlType::BigInt, SelectExpr::WriteTime(at))
                } else {
                    (CqlType::Int, SelectExpr::Ttl(at))
                };
                Ok(Self {
                    name: format!("{function}({name})"),
                    ty,
                    value,
                })
            }
            Selector::Field(inner, field) => {
                let inner = Self::compile(cx, inner)?;
                let CqlType::Udt(udt) = &inner.ty else {
                    return Err(CqlError::invalid(format!(
                        "Invalid field selection: {} of type {} is not a user type",
                        inner.name, inner.ty
                    )));
                };
                let at = udt
                    .fields
                    .iter()
                    .position(|(name, _)| **name == **field)
                    .ok_or_else(|| {
                        CqlError::invalid(format!(
                            "{} of type {} has no field {field}",
                            inner.name, udt.name
                        ))
                    })?;
                let (ty, len) = (udt.fields[at].1.clone(), udt.fields.len());
                let name = format!("{}.{field}", inner.name);
                Ok(Self {
                    name,
                    ty,
                    value: SelectExpr::Field(Box::new(inner.value), at, len),
                })
            }
            Selector::Element(inner, key) => {
                let inner = Self::compile(cx, inner)?;
                let (key_type, ty) = match &inner.ty {
                    CqlType::Map(entry) => (entry.0.clone(), entry.1.clone()),
                    CqlType::List(element) => (CqlType::Int, (**element).clone()),
                    CqlType::Set(element) => ((**element).clone(), (**element).clone()),
                    ty => {
                        return Err(CqlError::invalid(format!(
                            "Invalid element selection: {} of type {ty} is not a collection",
                            inner.name
                        )));
                    }
                };
                let text = term_text(key);
                let key = cx.term(key, &key_type, &format!("key({})", inner.name))?;
                let name = format!("{}[{text}]", inner.name);
                Ok(Self {
                    name,
                    ty,
                    value: SelectExpr::Element(Box::new(inner.value), inner.ty, key),
                })
            }
            Selector::Cast(inner, ty) => {
                let inner = Self::compile(cx, inner)?;
                let ty = cx.resolve(ty)?;
                if !can_convert(&inner.ty, &ty) {
                    return Err(CqlError::invalid(format!(
                        "{} cannot be cast to {ty}",
                        inner.ty
                    )));
                }
                let name = format!("cast({} as {ty})", inner.name);
                let value =
                    SelectExpr::Call(ScalarFn::Convert(inner.ty, ty.clone()), vec![inner.value]);
                Ok(Self { name, ty, value })
            }
            Selector::Term(term) => {
                let ty = cx.type_of(term).or_else(|| literal_type(term));
                let ty = ty.ok_or_else(|| CqlError::invalid("Cannot infer type for term in selection clause (try using a cast to force a type)"))?;
                let name = term_text(term);
                let expr = cx.term(term, &ty, &name)?;
                Ok(Self {
                    name,
                    ty,
                    value: SelectExpr::Value(expr),
                })
            }
            Selector::Function(name, arguments) => Self::function(cx, name, arguments),
        }
    }

    fn function(
        cx: &mut Context<'_>,
        name: &QualifiedName,
        arguments: &[Selector],
    ) -> Result<Self, CqlError> {
        if name.name == "token" {
            return Self::token(cx, arguments);
        }
        // a constant's type may follow from the function
        let compiled = arguments
            .iter()
            .map(|a| Self::compile(cx, a))
            .collect::<Result<Vec<_>, _>>();
        let compiled = match compiled {
            Ok(compiled) => compiled,
            Err(error) => {
                return Self::function_of_terms(cx, name, arguments).unwrap_or(Err(error));
            }
        };
        if let Some(kind) = aggregate_kind(&name.name) {
            return Self::aggregate(name, kind, compiled);
        }
        let types: Vec<_> = compiled.iter().map(|a| Some(a.ty.clone())).collect();
        let Some((function, takes, returns)) = ScalarFn::find(&name.name, &types, None)? else {
            return Err(CqlError::invalid(format!(
                "Unknown function '{}'",
                name.name
            )));
        };
        for (wanted, given) in takes.iter().zip(&compiled) {
            if !super::context::assignable(&given.ty, wanted) {
                return Err(CqlError::invalid(format!(
                    "Type error: {} cannot be passed as argument of function system.{} of type {wanted}",
                    given.name, name.name
                )));
            }
        }
        let names: Vec<_> = compiled.iter().map(|a| a.name.as_str()).collect();
        let name = format!("system.{}({})", name.name, names.join(", "));
        let value = SelectExpr::Call(function, compiled.into_iter().map(|a| a.value).collect());
        Ok(Self {
            name,
            ty: returns,
            value,
        })
    }

    /// A function whose arguments are all constants or markers.
    fn function_of_terms(
        cx: &mut Context<'_>,
        name: &QualifiedName,
        arguments: &[Selector],
    ) -> Option<Result<Self, CqlError>> {
        let terms: Option<Vec<Term>> = arguments
            .iter()
            .map(|argument| match argument {
                Selector::Term(term) => Some(term.clone()),
                _ => None,
            })
            .collect();
        let terms = terms?;
        let (_, _, returns) = ScalarFn::find(&name.name, &vec![None; terms.len()], None).ok()??;
        let text = format!(
            "system.{}({})",
            name.name,
            terms.iter().map(term_text).collect::<Vec<_>>().join(", ")
        );
        let expr = cx.term(&Term::Function(name.clone(), terms), &returns, &text);
        Some(expr.map(|expr| Self {
            name: text,
            ty: returns,
            value: SelectExpr::Value(expr),
        }))
    }

    fn token(cx: &mut Context<'_>, arguments: &[Selector]) -> Result<Self, CqlError> {
        let columns = cx.table.partition_key();
        let names: Vec<String> = arguments
            .iter()
            .map(|argument| match argument {
                Selector::Column(name) => name.clone(),
                _ => String::new(),
            })
            .collect();
        if !names
            .iter()
            .map(String::as_str)
            .eq(columns.iter().map(|c| &*c.name))
        {
            let terms: Option<Vec<Term>> = arguments
                .iter()
                .map(|argument| {
                    if let Selector::Term(term) = argument {
                        Some(term.clone())
                    } else {
                        None
                    }
                })
                .collect();
            let Some(terms) = terms else {
                return Err(CqlError::invalid(
                    "Invalid arguments in call to function token: the partition key's columns are wanted, in order",
                ));
            };
            let text = format!(
                "system.token({})",
                terms.iter().map(term_text).collect::<Vec<_>>().join(", ")
            );
            let function = QualifiedName {
                keyspace: None,
                name: "token".to_owned(),
            };
            let expr = cx.term(&Term::Function(function, terms), &CqlType::BigInt, &text)?;
            return Ok(Self {
                name: text,
                ty: CqlType::BigInt,
                value: SelectExpr::Value(expr),
            });
        }
        let name = format!("system.token({})", names.join(", "));
        Ok(Self {
            name,
            ty: CqlType::BigInt,
            value: SelectExpr::Token,
        })
    }

    fn aggregate(
        name: &QualifiedName,
        kind: AggregateKind,
        mut arguments: Vec<Self>,
    ) -> Result<Self, CqlError> {
        let (Some(argument), true) = (arguments.pop(), arguments.is_empty()) else {
            return Err(CqlError::invalid(format!(
                "Invalid number of arguments in call to function {}",
                name.name
            )));
        };
        let numeric = is_integer(&argument.ty)
            || matches!(
                argument.ty,
                CqlType::Float | CqlType::Double | CqlType::Decimal
            );
        if matches!(kind, AggregateKind::Sum | AggregateKind::Avg) && !numeric {
            return Err(CqlError::invalid(format!(
                "Invalid call to function {}, none of its type signatures match (known type signatures: system.{}(numeric))",
                name.name, name.name
            )));
        }
        if !argument.value.aggregates().is_empty() {
            return Err(CqlError::invalid(
                "aggregate functions cannot be used as arguments of aggregate functions",
            ));
        }
        let result = match kind {
            AggregateKind::Count | AggregateKind::CountRows => CqlType::BigInt,
            _ if argument.ty == CqlType::Counter => CqlType::BigInt,
            _ => argument.ty.clone(),
        };
        let text = format!("system.{}({})", name.name, argument.name);
        let aggregate = Aggregate {
            kind,
            ty: argument.ty,
            argument: Some(argument.value),
        };
        Ok(Self {
            name: text,
            ty: result,
            value: SelectExpr::Aggregate(Box::new(aggregate)),
        })
    }
}

fn aggregate_kind(name: &str) -> Option<AggregateKind> {
    Some(match name {
        "count" => AggregateKind::Count,
        "min" => AggregateKind::Min,
        "max" => AggregateKind::Max,
        "sum" => AggregateKind::Sum,
        "avg" => AggregateKind::Avg,
        _ => return None,
    })
}

fn literal_type(term: &Term) -> Option<CqlType> {
    match term {
        Term::Literal(Literal::String(_)) => Some(CqlType::Text),
        Term::Literal(Literal::Integer(text)) => Some(if text.parse::<i32>().is_ok() {
            CqlType::Int
        } else {
            CqlType::BigInt
        }),
        Term::Literal(Literal::Float(_)) => Some(CqlType::Double),
        Term::Literal(Literal::Boolean(_)) => Some(CqlType::Boolean),
        Term::Literal(Literal::Uuid(_)) => Some(CqlType::Uuid),
        Term::Literal(Literal::Hex(_)) => Some(CqlType::Blob),
        Term::Literal(Literal::Duration(_)) => Some(CqlType::Duration),
        _ => None,
    }
}

/// A term as text, for column names.
fn term_text(term: &Term) -> String {
    match term {
        Term::Literal(Literal::String(text)) => format!("'{text}'"),
        Term::Literal(Literal::Integer(text) | Literal::Float(text)) => text.clone(),
        Term::Literal(Literal::Boolean(value)) => value.to_string(),
        Term::Literal(Literal::Uuid(id)) => crate::engine::value::uuid_text(id),
        Term::Literal(Literal::Hex(bytes)) => crate::engine::value::hex(bytes),
        Term::Literal(Literal::Duration(duration)) => duration.to_string(),
        Term::Marker(_) => "?".to_owned(),
        Term::Null => "null".to_owned(),
        Term::Function(name, arguments) => {
            format!(
                "{}({})",
                name.name,
                arguments
                    .iter()
                    .map(term_text)
                    .collect::<Vec<_>>()
                    .join(", ")
            )
        }
        Term::Cast(_, inner) => term_text(inner),
        Term::List(_) | Term::Set(_) | Term::Map(_) | Term::Udt(_) | Term::Tuple(_) => {
            "[literal]".to_owned()
        }
    }
}
