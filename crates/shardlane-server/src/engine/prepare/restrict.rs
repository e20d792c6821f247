//! WHERE: which partitions, which rows of them, and what is left to filter.

use std::sync::Arc;

use shardlane_routing::Token;

use super::context::Context;
use super::expr::Scope;
use super::key::partition_key;
use super::relation::{Filter, Target, compile_relation};
use crate::cql::ast::{Operator, Relation};
use crate::engine::error::CqlError;
use crate::engine::schema::{Column, ColumnKind, Table};
use crate::engine::storage::{PartitionKey, Slice};
use crate::engine::value::{Bytes, encode_comparable, int_from_bytes, tuple_values};

/// More keys than this in the product of all INs are refused (ScyllaDB's default limit for both kinds of keys).
const MAX_CARTESIAN_PRODUCT: usize = 10_000;

/// A compiled WHERE clause. All but `filters` are positions in it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Restrictions {
    pub(crate) filters: Vec<Filter>,
    /// For each partition key column its `=` or `IN`; empty unless all have one.
    pub(crate) partition: Vec<usize>,
    /// On the token.
    pub(crate) token: Vec<usize>,
    /// `=` or `IN` on the first clustering columns.
    pub(crate) prefix: Vec<usize>,
    /// Ranges of the clustering column behind those, or of tuples from there on.
    pub(crate) ranges: Vec<usize>,
    /// To be checked row by row.
    pub(crate) residual: Vec<usize>,
}

impl Restrictions {
    /// Compiles WHERE and sorts its relations by what they are good for.
    pub(crate) fn compile(cx: &mut Context<'_>, relations: &[Relation]) -> Result<Self, CqlError> {
        let table = cx.table;
        let filters = relations
            .iter()
            .map(|r| compile_relation(cx, r))
            .collect::<Result<Vec<_>, _>>()?;
        let mut out = Self {
            filters,
            ..Self::default()
        };
        let on = |at: usize, filter: &Filter| filter.target == Target::Column(at);
        let equality = |at: usize| {
            out.filters
                .iter()
                .position(|f| on(at, f) && f.is_equality())
        };
        let partition: Vec<usize> = (0..table.partition_key_len).map_while(equality).collect();
        let complete = partition.len() == table.partition_key_len;
        let mut prefix = Vec::new();
        let mut ranges = Vec::new();
        for at in table.partition_key_len..table.partition_key_len + table.clustering_len {
            if let Some(filter) = equality(at) {
                prefix.push(filter);
                continue;
            }
            let bounds = |f: &Filter| match &f.target {
                Target::Column(column) => *column == at && f.is_range(),
                Target::Tuple(columns) => {
                    columns[0] == at
                        && f.operator != Operator::Ne
                        && is_sliceable(table, columns, f.is_equality())
                }
                _ => false,
            };
            ranges = (0..out.filters.len())
                .filter(|filter| bounds(&out.filters[*filter]))
                .collect();
            break;
        }
        // IN of tuples makes several prefixes; a range beside it would be one of their ends
        if let Some(&tuple_in) = ranges.iter().find(|at| out.filters[**at].is_equality()) {
            ranges = vec![tuple_in];
        }
        let token: Vec<usize> = match complete {
            true => Vec::new(),
            false => (0..out.filters.len())
                .filter(|at| out.filters[*at].target == Target::Token)
                .collect(),
        };
        let used = |at: &usize| {
            (complete && partition.contains(at))
                || prefix.contains(at)
                || ranges.contains(at)
                || token.contains(at)
        };
        out.residual = (0..out.filters.len()).filter(|at| !used(at)).collect();
        if complete {
            out.partition = partition;
        }
        (out.prefix, out.ranges, out.token) = (prefix, ranges, token);
        Ok(out)
    }

    /// Whether the statement names partitions.
    pub(crate) fn has_partition(&self) -> bool {
        !self.partition.is_empty()
    }

    /// Whether a SELECT needs ALLOW FILTERING.
    pub(crate) fn needs_filtering(&self, table: &Table) -> bool {
        let index_of = |at: &usize| {
            let filter = &self.filters[*at];
            let (Target::Column(column) | Target::Element(column, _)) = &filter.target else {
                return false;
            };
            matches!(
                filter.operator,
                Operator::Eq | Operator::Contains | Operator::ContainsKey
            ) && table.index_on(&table.columns[*column].name).is_some()
        };
        let indexed = self.residual.iter().chain(&self.prefix).any(index_of);
        let key_only = |at: &usize| match &self.filters[*at].target {
            Target::Column(column) => table.columns[*column].kind == ColumnKind::PartitionKey,
            // of clustering columns; ranges in mixed order are filtered here, but are no filtering to the user
            Target::Token | Target::Tuple(_) => true,
            _ => false,
        };
        let rows_restricted = !self.prefix.is_empty() || !self.ranges.is_empty();
        if self.has_partition() {
            return self
                .residual
                .iter()
                .any(|at| !key_only(at) && !index_of(at));
        }
        let left = self.residual.iter().filter(|at| !index_of(at)).count();
        left > 0 || (rows_restricted && !indexed)
    }

    /// The partitions named, in token order without repetition.
    pub(crate) fn partition_keys(
        &self,
        table: &Table,
        scope: &mut Scope<'_>,
    ) -> Result<Vec<PartitionKey>, CqlError> {
        let mut choices = Vec::with_capacity(self.partition.len());
        for at in &self.partition {
            choices.push(self.filters[*at].values(table, scope)?);
        }
        if choices.iter().all(|values| values.len() == 1) {
            let parts: Vec<Bytes> = choices.into_iter().flatten().collect();
            return Ok(vec![partition_key(table, &parts)?]);
        }
        let mut keys = product(&choices, "partition")?
            .iter()
            .map(|parts| partition_key(table, parts))
            .collect::<Result<Vec<_>, _>>()?;
        keys.sort();
        keys.dedup();
        Ok(keys)
    }

    /// The token range, as `(after, last]`; `None` if it is empty.
    pub(crate) fn token_range(
        &self,
        scope: &mut Scope<'_>,
    ) -> Result<Option<(Token, Token)>, CqlError> {
        let (mut after, mut last) = (i64::MIN, i64::MAX);
        for at in &self.token {
            let filter = &self.filters[*at];
            let values = filter.nullable_values(scope)?;
            let [Some(bytes)] = values.as_slice() else {
                return Err(CqlError::invalid("Invalid null token value"));
            };
            let token =
                int_from_bytes(bytes).ok_or_else(|| CqlError::invalid("Invalid token value"))?;
            match filter.operator {
                Operator::Gt => after = after.max(token),
                // the lowest token is no partition's, so a range from it is open
                Operator::Ge => after = after.max(token.saturating_sub(1)),
                Operator::Lt if token == i64::MIN => return Ok(Some((Token(after), Token::MAX))),
                Operator::Lt => last = last.min(token - 1),
                Operator::Le if token == i64::MIN => {}
                Operator::Le => last = last.min(token),
                Operator::Eq => {
                    after = after.max(token.saturating_sub(1));
                    last = last.min(token);
                }
                _ => {
                    return Err(CqlError::invalid(
                        "IN is not supported on the token function",
                    ));
                }
            }
        }
        Ok((after < last).then_some((Token(after), Token(last))))
    }

    /// Whether rows are named, not only partitions.
    pub(crate) fn restricts_rows(&self) -> bool {
        !self.prefix.is_empty() || !self.ranges.is_empty()
    }

    /// All combinations of the values of `=` and `IN` on the first clustering columns.
    pub(crate) fn prefix_values(
        &self,
        table: &Table,
        scope: &mut Scope<'_>,
    ) -> Result<Vec<Vec<Bytes>>, CqlError> {
        let mut choices = Vec::with_capacity(self.prefix.len());
        for at in &self.prefix {
            choices.push(self.filters[*at].values(table, scope)?);
        }
        product(&choices, "clustering")
    }

    /// The tuples of `(a, b) = ...` or `IN`, as values.
    pub(crate) fn tuple_values(
        &self,
        table: &Table,
        scope: &mut Scope<'_>,
    ) -> Result<Vec<Vec<Bytes>>, CqlError> {
        let mut out = Vec::new();
        for at in &self.ranges {
            let filter = &self.filters[*at];
            let Target::Tuple(columns) = &filter.target else {
                continue;
            };
            for value in filter.values(table, scope)? {
                let parts = tuple_values(&value, columns.len()).unwrap_or_default();
                let parts: Option<Vec<Bytes>> = parts
                    .into_iter()
                    .map(|part| part.map(Bytes::from))
                    .collect();
                out.push(parts.ok_or_else(|| {
                    CqlError::invalid("Invalid null value in a tuple of clustering columns")
                })?);
            }
        }
        Ok(out)
    }

    /// The ranges of rows; `None` is all.
    pub(crate) fn slices(
        &self,
        table: &Table,
        scope: &mut Scope<'_>,
    ) -> Result<Option<Arc<[Slice]>>, CqlError> {
        if !self.restricts_rows() {
            return Ok(None);
        }
        let columns = table.clustering();
        let mut out = Vec::new();
        for parts in self.prefix_values(table, scope)? {
            let mut start = Vec::with_capacity(parts.len() * 16);
            for (column, part) in columns.iter().zip(&parts) {
                encode_comparable(&column.ty, part, column.descending, &mut start);
            }
            self.add_slices(table, scope, start, &mut out)?;
        }
        out.retain(|slice| slice.end.as_ref().is_none_or(|end| *slice.start < **end));
        out.sort();
        out.dedup();
        Ok(Some(out.into()))
    }

    fn add_slices(
        &self,
        table: &Table,
        scope: &mut Scope<'_>,
        prefix: Vec<u8>,
        out: &mut Vec<Slice>,
    ) -> Result<(), CqlError> {
        let columns = &table.clustering()[self.prefix.len()..];
        let (mut start, mut end) = (prefix.clone(), behind(&prefix));
        for at in &self.ranges {
            let filter = &self.filters[*at];
            for value in filter.values(table, scope)? {
                let mut bound = prefix.clone();
                encode_parts(columns, filter, &value, &mut bound)?;
                let descending = columns[0].descending;
                match (filter.operator, descending) {
                    (Operator::Eq | Operator::In, _) => {
                        let end = behind(&bound).into();
                        out.push(Slice {
                            start: bound.into(),
                            end: Some(end),
                        });
                    }
                    (Operator::Ge, false) | (Operator::Le, true) => start = start.max(bound),
                    (Operator::Gt, false) | (Operator::Lt, true) => {
                        start = start.max(behind(&bound))
                    }
                    (Operator::Lt, false) | (Operator::Gt, true) => end = end.min(bound),
                    _ => end = end.min(behind(&bound)),
                }
            }
            if filter.is_equality() {
                return Ok(());
            }
        }
        out.push(Slice {
            start: start.into(),
            end: Some(end.into()),
        });
        Ok(())
    }
}

/// The place behind everything that begins with `prefix`.
fn behind(prefix: &[u8]) -> Vec<u8> {
    [prefix, &[0xFF]].concat()
}

/// Appends the comparable form of a single value or of a tuple's values.
fn encode_parts(
    columns: &[Column],
    filter: &Filter,
    value: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), CqlError> {
    let Target::Tuple(names) = &filter.target else {
        encode_comparable(&columns[0].ty, value, columns[0].descending, out);
        return Ok(());
    };
    let parts = tuple_values(value, names.len()).unwrap_or_default();
    for (column, part) in columns.iter().zip(parts) {
        let part = part.ok_or_else(|| {
            CqlError::invalid(format!(
                "Invalid null value in condition for column {}",
                column.name
            ))
        })?;
        encode_comparable(&column.ty, part, column.descending, out);
    }
    Ok(())
}

/// Whether tuples of these columns are ranges of the comparable form: adjacent columns, and in one direction unless
/// they are compared for equality.
fn is_sliceable(table: &Table, columns: &[usize], equality: bool) -> bool {
    let descending = |at: usize| table.columns[at].descending;
    columns.windows(2).all(|pair| {
        pair[1] == pair[0] + 1 && (equality || descending(pair[0]) == descending(pair[1]))
    })
}

/// All combinations, the first component slowest.
fn product(choices: &[Vec<Bytes>], what: &str) -> Result<Vec<Vec<Bytes>>, CqlError> {
    let size = choices
        .iter()
        .try_fold(1usize, |size, values| size.checked_mul(values.len()));
    if size.is_none_or(|size| size > MAX_CARTESIAN_PRODUCT) {
        return Err(CqlError::invalid(format!(
            "{what} key cartesian product size is greater than maximum {MAX_CARTESIAN_PRODUCT}"
        )));
    }
    let mut out = vec![Vec::with_capacity(choices.len())];
    for values in choices {
        out = out
            .into_iter()
            .flat_map(|parts: Vec<Bytes>| {
                values.iter().map(move |value| {
                    let mut parts = parts.clone();
                    parts.push(value.clone());
                    parts
                })
            })
            .collect();
    }
    Ok(out)
}
