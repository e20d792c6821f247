//! Values that are known once a statement's markers are bound.

use shardlane_wire::{ColumnSpec, CqlType};

use super::function::ScalarFn;
use crate::engine::bind::{Bound, BoundArgs, Env};
use crate::engine::error::CqlError;
use crate::engine::value::{Bytes, SplitMix, collection, compare, expect_valid, push_value};

/// A value while binding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Val {
    /// `null`.
    Null,
    /// Not set: leave what is there.
    Unset,
    /// A value.
    Bytes(Bytes),
}

impl Val {
    /// The value, with null and unset alike as `None`.
    pub(crate) fn into_option(self) -> Option<Bytes> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Null | Self::Unset => None,
        }
    }
}

/// An expression without columns.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expr {
    /// Known already.
    Const(Option<Bytes>),
    /// The n-th bind marker; the type and name are for the check.
    Marker(usize),
    /// A list.
    List(Vec<Self>),
    /// A set of that element type.
    Set(CqlType, Vec<Self>),
    /// A map with that key type.
    Map(CqlType, Vec<(Self, Self)>),
    /// A tuple or user-defined type.
    Fields(Vec<Self>),
    /// A call.
    Call(ScalarFn, Vec<Self>),
}

impl Expr {
    /// Whether its value needs no binding.
    pub(crate) const fn is_const(&self) -> bool {
        matches!(self, Self::Const(_))
    }
}

/// A statement's bound values, checked against their types.
#[derive(Debug, Clone)]
pub(crate) enum Values<'a> {
    /// In the order of the markers, as the caller holds them.
    InOrder(&'a [Bound<'a>]),
    /// Put in order by name.
    Sorted(Vec<Bound<'a>>),
}

impl<'a> Values<'a> {
    /// Takes values by position or name and checks them.
    pub(crate) fn check(given: BoundArgs<'a>, specs: &[ColumnSpec]) -> Result<Self, CqlError> {
        match given {
            BoundArgs::Positional(values) => {
                if values.len() != specs.len() {
                    return Err(CqlError::invalid(format!(
                        "Invalid amount of bind variables: expected {} received {}",
                        specs.len(),
                        values.len()
                    )));
                }
                values
                    .iter()
                    .zip(specs)
                    .try_for_each(|(value, spec)| check(value, spec))?;
                Ok(Self::InOrder(values))
            }
            BoundArgs::Named(values) => {
                let mut sorted = Vec::with_capacity(specs.len());
                for spec in specs {
                    let found = values.iter().find(|(name, _)| *name == &*spec.name);
                    let (_, value) = found.ok_or_else(|| {
                        CqlError::invalid(format!("Missing value for bind variable {}", spec.name))
                    })?;
                    check(value, spec)?;
                    sorted.push(*value);
                }
                Ok(Self::Sorted(sorted))
            }
        }
    }

    /// The values in order.
    pub(crate) fn owned(&self) -> Vec<Bound<'a>> {
        match self {
            Self::InOrder(values) => values.to_vec(),
            Self::Sorted(values) => values.clone(),
        }
    }

    fn get(&self, at: usize) -> Val {
        let values = match self {
            Self::InOrder(values) => values,
            Self::Sorted(values) => values.as_slice(),
        };
        match values.get(at) {
            Some(Bound::Value(bytes)) => Val::Bytes((*bytes).into()),
            Some(Bound::Null) => Val::Null,
            Some(Bound::Unset) | None => Val::Unset,
        }
    }
}

fn check(value: &Bound<'_>, spec: &ColumnSpec) -> Result<(), CqlError> {
    match value {
        Bound::Value(bytes) => expect_valid(&spec.cql_type, bytes, &spec.name),
        Bound::Null | Bound::Unset => Ok(()),
    }
}

/// What evaluation needs besides the expression.
pub(crate) struct Scope<'a> {
    pub(crate) values: &'a Values<'a>,
    pub(crate) env: &'a Env,
    pub(crate) random: SplitMix,
    number: u32,
}

impl<'a> Scope<'a> {
    pub(crate) const fn new(values: &'a Values<'a>, env: &'a Env) -> Self {
        Self {
            values,
            env,
            random: SplitMix::new(env.seed),
            number: 0,
        }
    }

    /// Makes the scope that of the n-th statement of a batch.
    pub(crate) const fn vary(&mut self, number: usize) {
        self.number = number as u32;
        self.random =
            SplitMix::new(self.env.seed ^ (number as u64).wrapping_mul(0xD6E8_FEB8_6659_FD93));
    }

    /// Which statement of a batch it is.
    pub(crate) const fn statement_number(&self) -> u32 {
        self.number
    }

    /// The expression's value.
    pub(crate) fn eval(&mut self, expr: &Expr) -> Result<Val, CqlError> {
        Ok(match expr {
            Expr::Const(Some(bytes)) => Val::Bytes(bytes.clone()),
            Expr::Const(None) => Val::Null,
            Expr::Marker(at) => self.values.get(*at),
            Expr::List(items) => {
                let items = self.elements(items)?;
                Val::Bytes(collection(items.len(), items.iter().map(|item| &**item)).into())
            }
            Expr::Set(element, items) => {
                let mut items = self.elements(items)?;
                items.sort_by(|a, b| compare(element, a, b));
                items.dedup();
                Val::Bytes(collection(items.len(), items.iter().map(|item| &**item)).into())
            }
            Expr::Map(key, entries) => {
                let mut pairs = Vec::with_capacity(entries.len());
                for (k, v) in entries {
                    pairs.push((self.element(k)?, self.element(v)?));
                }
                // of equal keys the last one counts
                pairs.reverse();
                pairs.sort_by(|a, b| compare(key, &a.0, &b.0));
                pairs.dedup_by(|a, b| a.0 == b.0);
                Val::Bytes(
                    collection(pairs.len(), pairs.iter().flat_map(|(k, v)| [&**k, &**v])).into(),
                )
            }
            Expr::Fields(fields) => {
                let mut out = Vec::new();
                for field in fields {
                    let value = self.eval(field)?.into_option();
                    push_value(&mut out, value.as_deref());
                }
                Val::Bytes(out.into())
            }
            Expr::Call(function, arguments) => {
                let arguments = arguments
                    .iter()
                    .map(|argument| Ok(self.eval(argument)?.into_option()))
                    .collect::<Result<Vec<_>, CqlError>>()?;
                match function.call(&arguments, self.env.now_us, &mut self.random)? {
                    Some(bytes) => Val::Bytes(bytes),
                    None => Val::Null,
                }
            }
        })
    }

    fn elements(&mut self, items: &[Expr]) -> Result<Vec<Bytes>, CqlError> {
        items.iter().map(|item| self.element(item)).collect()
    }

    fn element(&mut self, item: &Expr) -> Result<Bytes, CqlError> {
        match self.eval(item)? {
            Val::Bytes(bytes) => Ok(bytes),
            Val::Null => Err(CqlError::invalid(
                "null is not supported inside collections",
            )),
            Val::Unset => Err(CqlError::invalid(
                "unset value is not supported inside collections",
            )),
        }
    }

    /// A number for LIMIT, TTL or TIMESTAMP.
    pub(crate) fn number(&mut self, expr: &Expr, what: &str) -> Result<Option<i64>, CqlError> {
        match self.eval(expr)? {
            Val::Unset => Ok(None),
            Val::Null => Err(CqlError::invalid(format!("Invalid null value of {what}"))),
            Val::Bytes(bytes) => crate::engine::value::int_from_bytes(&bytes)
                .map(Some)
                .ok_or_else(|| CqlError::invalid(format!("Invalid {what} value"))),
        }
    }
}
