//! Selected expressions over a row.

use shardlane_wire::CqlType;

use super::row::RowView;
use crate::engine::error::CqlError;
use crate::engine::prepare::{Expr, Scope, SelectExpr};
use crate::engine::value::{
    Bytes, SplitMix, compare, int_from_bytes, map_entries, read_values, tuple_values,
};

/// What evaluation needs besides the row.
pub(super) struct Evaluation<'a> {
    pub(super) now_us: i64,
    pub(super) random: &'a mut SplitMix,
    /// Results of the aggregates.
    pub(super) aggregates: &'a [Option<Bytes>],
}

/// Replaces what depends on bound values by constants.
pub(super) fn bind(value: &SelectExpr, scope: &mut Scope<'_>) -> Result<SelectExpr, CqlError> {
    Ok(match value {
        SelectExpr::Value(expr @ Expr::Call(..)) if !has_marker(expr) => {
            SelectExpr::Value(expr.clone())
        }
        SelectExpr::Value(expr) => SelectExpr::Value(Expr::Const(scope.eval(expr)?.into_option())),
        SelectExpr::Call(function, arguments) => {
            let arguments = arguments
                .iter()
                .map(|argument| bind(argument, scope))
                .collect::<Result<_, _>>()?;
            SelectExpr::Call(function.clone(), arguments)
        }
        SelectExpr::Field(inner, at, len) => {
            SelectExpr::Field(Box::new(bind(inner, scope)?), *at, *len)
        }
        SelectExpr::Element(inner, ty, key) => {
            let key = Expr::Const(scope.eval(key)?.into_option());
            SelectExpr::Element(Box::new(bind(inner, scope)?), ty.clone(), key)
        }
        other => other.clone(),
    })
}

fn has_marker(expr: &Expr) -> bool {
    match expr {
        Expr::Marker(_) => true,
        Expr::Const(_) => false,
        Expr::List(items) | Expr::Set(_, items) | Expr::Fields(items) | Expr::Call(_, items) => {
            items.iter().any(has_marker)
        }
        Expr::Map(_, entries) => entries.iter().any(|(k, v)| has_marker(k) || has_marker(v)),
    }
}

impl Evaluation<'_> {
    /// The expression's value for a row.
    pub(super) fn eval(
        &mut self,
        value: &SelectExpr,
        row: &RowView<'_>,
    ) -> Result<Option<Bytes>, CqlError> {
        Ok(match value {
            SelectExpr::Column(at) => row.value(*at),
            SelectExpr::WriteTime(at) => row
                .stamp(*at)
                .map(|(timestamp, _)| Bytes::from(&timestamp.to_be_bytes()[..])),
            SelectExpr::Ttl(at) => row.stamp(*at).and_then(|(_, expiry)| expiry).map(|expiry| {
                let left = (expiry.at_s - row.now_s()).clamp(0, i64::from(i32::MAX)) as i32;
                Bytes::from(&left.to_be_bytes()[..])
            }),
            SelectExpr::Token => row
                .token()
                .map(|token| Bytes::from(&token.0.to_be_bytes()[..])),
            SelectExpr::Value(Expr::Const(value)) => value.clone(),
            SelectExpr::Value(expr) => self.constant(expr)?,
            SelectExpr::Call(function, arguments) => {
                let arguments = arguments
                    .iter()
                    .map(|argument| self.eval(argument, row))
                    .collect::<Result<Vec<_>, _>>()?;
                function.call(&arguments, self.now_us, self.random)?
            }
            SelectExpr::Field(inner, at, len) => {
                let inner = self.eval(inner, row)?;
                inner.and_then(|bytes| {
                    tuple_values(&bytes, *len)?
                        .get(*at)
                        .copied()
                        .flatten()
                        .map(Bytes::from)
                })
            }
            SelectExpr::Element(inner, ty, key) => match (self.eval(inner, row)?, key) {
                (Some(bytes), Expr::Const(Some(key))) => element(ty, &bytes, key),
                _ => None,
            },
            SelectExpr::AggregateAt(at) => self.aggregates.get(*at).cloned().flatten(),
            // numbered when the selection was put together
            SelectExpr::Aggregate(_) => {
                return Err(CqlError::server("an aggregate was left unnumbered"));
            }
        })
    }

    /// A call without columns, such as `now()`.
    fn constant(&mut self, expr: &Expr) -> Result<Option<Bytes>, CqlError> {
        match expr {
            Expr::Const(value) => Ok(value.clone()),
            Expr::Call(function, arguments) => {
                let arguments = arguments
                    .iter()
                    .map(|a| self.constant(a))
                    .collect::<Result<Vec<_>, _>>()?;
                function.call(&arguments, self.now_us, self.random)
            }
            _ => Err(CqlError::server("a value was left unbound")),
        }
    }
}

/// `c[key]`.
pub(crate) fn element(ty: &CqlType, bytes: &[u8], key: &[u8]) -> Option<Bytes> {
    match ty {
        CqlType::Map(entry) => {
            let entries = map_entries(bytes)?;
            entries
                .iter()
                .find(|(k, _)| compare(&entry.0, k, key).is_eq())
                .map(|(_, value)| Bytes::from(*value))
        }
        CqlType::Set(inner) => read_values(bytes, 1)?
            .into_iter()
            .find(|value| compare(inner, value, key).is_eq())
            .map(Bytes::from),
        CqlType::List(_) => {
            let at = usize::try_from(int_from_bytes(key)?).ok()?;
            read_values(bytes, 1)?
                .get(at)
                .map(|value| Bytes::from(*value))
        }
        _ => None,
    }
}
