//! Aggregates.

use shardlane_wire::CqlType;

use crate::engine::prepare::{Aggregate, AggregateKind, is_integer, number_as};
use crate::engine::value::{
    BigInt, Bytes, Decimal, compare, decimal_from_text, decimal_parts, decimal_text,
    int_from_bytes, to_text,
};

/// The running state of one aggregate.
#[derive(Debug, Clone)]
pub(super) struct Accumulator {
    kind: AggregateKind,
    ty: CqlType,
    count: i64,
    best: Option<Bytes>,
    sum: Sum,
}

#[derive(Debug, Clone)]
enum Sum {
    Integer(i128),
    Float(f64),
    Exact(Decimal),
}

impl Accumulator {
    pub(super) fn new(aggregate: &Aggregate) -> Self {
        let sum = match &aggregate.ty {
            CqlType::Float | CqlType::Double => Sum::Float(0.0),
            CqlType::Decimal | CqlType::VarInt => Sum::Exact(Decimal {
                unscaled: BigInt::from_bytes(&[]),
                scale: 0,
            }),
            _ => Sum::Integer(0),
        };
        Self {
            kind: aggregate.kind,
            ty: aggregate.ty.clone(),
            count: 0,
            best: None,
            sum,
        }
    }

    /// Takes a row's value in. Nulls do not count, but for `count(*)`.
    pub(super) fn add(&mut self, value: Option<Bytes>) {
        if self.kind == AggregateKind::CountRows {
            self.count += 1;
            return;
        }
        let Some(value) = value else { return };
        self.count += 1;
        match self.kind {
            AggregateKind::CountRows | AggregateKind::Count => {}
            AggregateKind::Min | AggregateKind::Max => {
                let better = self.best.as_ref().is_none_or(|best| {
                    let order = compare(&self.ty, &value, best);
                    if self.kind == AggregateKind::Min {
                        order.is_lt()
                    } else {
                        order.is_gt()
                    }
                });
                if better {
                    self.best = Some(value);
                }
            }
            AggregateKind::Sum | AggregateKind::Avg => match &mut self.sum {
                Sum::Integer(sum) => *sum += i128::from(int_from_bytes(&value).unwrap_or(0)),
                Sum::Float(sum) => {
                    let number =
                        to_text(&self.ty, &value).and_then(|text| text.parse::<f64>().ok());
                    *sum += number.unwrap_or(0.0);
                }
                Sum::Exact(sum) => {
                    let number = if self.ty == CqlType::Decimal {
                        decimal_parts(&value)
                    } else {
                        Some(Decimal {
                            unscaled: BigInt::from_bytes(&value),
                            scale: 0,
                        })
                    };
                    if let Some(total) = number.and_then(|number| sum.add(&number)) {
                        *sum = total;
                    }
                }
            },
        }
    }

    /// The result.
    pub(super) fn finish(self) -> Option<Bytes> {
        match self.kind {
            AggregateKind::CountRows | AggregateKind::Count => {
                Some(Bytes::from(&self.count.to_be_bytes()[..]))
            }
            AggregateKind::Min | AggregateKind::Max => self.best,
            AggregateKind::Sum => self.number(1),
            AggregateKind::Avg => self.number(self.count.max(1)),
        }
    }

    /// The sum divided by `by`, as the argument's type; integers are cut.
    fn number(&self, by: i64) -> Option<Bytes> {
        let ty = if self.ty == CqlType::Counter {
            &CqlType::BigInt
        } else {
            &self.ty
        };
        match &self.sum {
            Sum::Integer(sum) => number_as(ty, &(sum / i128::from(by)).to_string()),
            Sum::Float(sum) => {
                let result = sum / by as f64;
                Some(match ty {
                    CqlType::Float => Bytes::from(&(result as f32).to_be_bytes()[..]),
                    _ => Bytes::from(&result.to_be_bytes()[..]),
                })
            }
            Sum::Exact(sum) => {
                let result = sum.divide(by.unsigned_abs());
                debug_assert!(
                    is_integer(ty) || *ty == CqlType::Decimal,
                    "only these are summed exactly"
                );
                number_as(ty, &decimal_text(&result)).or_else(|| {
                    decimal_from_text(&decimal_text(&result))
                        .map(|decimal| decimal.to_bytes().into())
                })
            }
        }
    }
}
