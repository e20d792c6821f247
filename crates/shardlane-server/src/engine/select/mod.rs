//! Reads: commands out, merged answers in, rows at the end.

mod aggregate;
mod eval;
mod filter;
mod paging;
mod row;
mod run;
mod view;

use std::sync::Arc;

use shardlane_wire::ColumnSpec;

pub(crate) use filter::satisfies;
pub(crate) use row::{FlatRow, RowView, StoredRow};
pub use run::{ReadRun, ReadStep};

use crate::engine::bind::Env;
use crate::engine::error::CqlError;
use crate::engine::prepare::{BoundFilter, Scope, SelectExpr, SelectPlan};
use crate::engine::schema::Table;
use crate::engine::storage::{PartitionKey, Slice};
use crate::engine::value::Bytes;
use shardlane_routing::Token;

/// A result of rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowsOut {
    /// The columns. None: the answer is VOID.
    pub columns: Arc<Vec<ColumnSpec>>,
    /// The rows' cells.
    pub rows: Vec<Vec<Option<Bytes>>>,
    /// Where the next page begins, if there is one.
    pub paging_state: Option<Vec<u8>>,
}

/// Which partitions a SELECT reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// These, in token order.
    Partitions(Vec<PartitionKey>),
    /// All with a token in `(after, last]`.
    Range(Token, Token),
    /// None.
    Nothing,
}

/// A SELECT with its values.
#[derive(Debug)]
pub struct ReadPlan {
    plan: Arc<SelectPlan>,
    source: Source,
    slices: Option<Arc<[Slice]>>,
    filters: Vec<BoundFilter>,
    /// Filters of the view's own WHERE, over the base table.
    view_filters: Vec<BoundFilter>,
    items: Vec<SelectExpr>,
    aggregates: Vec<Option<SelectExpr>>,
    limit: usize,
    per_partition_limit: usize,
}

impl ReadPlan {
    pub(crate) fn bind(plan: Arc<SelectPlan>, scope: &mut Scope<'_>) -> Result<Self, CqlError> {
        let restrictions = &plan.restrictions;
        let table = &*plan.table;
        let is_view = table.is_view();
        let source = if is_view {
            Source::Range(Token::MIN, Token::MAX)
        } else if restrictions.has_partition() {
            Source::Partitions(restrictions.partition_keys(table, scope)?)
        } else {
            restrictions
                .token_range(scope)?
                .map_or(Source::Nothing, |(after, last)| Source::Range(after, last))
        };
        let slices = if is_view {
            None
        } else {
            restrictions.slices(table, scope)?
        };
        let wanted: Vec<usize> = if is_view {
            (0..restrictions.filters.len()).collect()
        } else {
            restrictions.residual.clone()
        };
        let filters = wanted
            .iter()
            .map(|at| restrictions.filters[*at].bind(scope))
            .collect::<Result<_, _>>()?;
        let view_filters = plan
            .view_filters
            .iter()
            .map(|filter| filter.bind(scope))
            .collect::<Result<_, _>>()?;
        let mut items = Vec::new();
        let mut aggregates = Vec::new();
        if plan.selection.plain.is_none() {
            for item in &plan.selection.items {
                items.push(eval::bind(&item.value, scope)?);
            }
            for aggregate in plan.selection.aggregates() {
                aggregates.push(
                    aggregate
                        .argument
                        .as_ref()
                        .map(|value| eval::bind(value, scope))
                        .transpose()?,
                );
            }
        }
        let limit = limit(plan.limit.as_ref(), scope, "LIMIT")?;
        let mut per_partition_limit = limit_of_partition(&plan, scope)?;
        if plan.distinct {
            per_partition_limit = 1;
        }
        Ok(Self {
            source,
            slices,
            filters,
            view_filters,
            items,
            aggregates,
            limit,
            per_partition_limit,
            plan,
        })
    }

    /// The table to be read: for a view, the one it shows.
    #[expect(
        clippy::misnamed_getters,
        reason = "a view is read through its base, which is the plan's source"
    )]
    pub fn table(&self) -> &Arc<Table> {
        &self.plan.source
    }

    /// The partition, if there is only one.
    pub fn partition(&self) -> Option<&PartitionKey> {
        match &self.source {
            Source::Partitions(keys) if keys.len() == 1 => keys.first(),
            _ => None,
        }
    }

    /// Begins to read. Without `page_size` everything comes in one page.
    pub fn start(
        self,
        page_size: Option<usize>,
        paging_state: Option<&[u8]>,
        env: &Env,
    ) -> Result<ReadRun, CqlError> {
        ReadRun::new(self, page_size, paging_state, env)
    }
}

fn limit(
    expr: Option<&crate::engine::prepare::Expr>,
    scope: &mut Scope<'_>,
    what: &str,
) -> Result<usize, CqlError> {
    let Some(expr) = expr else {
        return Ok(usize::MAX);
    };
    match scope.number(expr, "limit")? {
        None => Ok(usize::MAX),
        Some(number) => usize::try_from(number)
            .ok()
            .filter(|number| *number > 0)
            .ok_or_else(|| CqlError::invalid(format!("{what} must be strictly positive"))),
    }
}

fn limit_of_partition(plan: &SelectPlan, scope: &mut Scope<'_>) -> Result<usize, CqlError> {
    limit(
        plan.per_partition_limit.as_ref(),
        scope,
        "PER PARTITION LIMIT",
    )
}
