//! A read on its way.

use std::sync::Arc;

use super::aggregate::Accumulator;
use super::eval::Evaluation;
use super::filter::satisfies;
use super::paging::PagingState;
use super::row::{FlatRow, RowView, StoredRow};
use super::{ReadPlan, RowsOut, Source, view};
use crate::engine::bind::Env;
use crate::engine::error::CqlError;
use crate::engine::prepare::partition_parts;
use crate::engine::schema::Table;
use crate::engine::storage::{
    Fragment, PartialResult, PartitionKey, Position, ReadCommand, ReadTarget, Row,
};
use crate::engine::value::{Bytes, SplitMix, encode_comparable, json_name, to_json};

/// Rows asked for at once where the number of rows shown is not the number of rows read.
const CHUNK_ROWS: usize = 1_000;
/// No command asks for more rows than this.
const MAX_ROWS_PER_COMMAND: usize = 10_000;

/// What a read needs next.
#[derive(Debug)]
pub enum ReadStep {
    /// This is to be read, merged, and given to [`ReadRun::feed`].
    Read(ReadCommand),
    /// The page.
    Done(RowsOut),
}

/// The partition that is being shown.
#[derive(Debug)]
struct Current {
    key: PartitionKey,
    /// Rows shown of it.
    shown: usize,
    /// It has had a row, shown or filtered: so its static row alone is no result.
    had_rows: bool,
}

/// Rows being put together.
#[derive(Debug)]
struct Group {
    key: Vec<Option<Bytes>>,
    first: FlatRow,
    accumulators: Vec<Accumulator>,
}

/// A read on its way: see the module documentation of [`crate::engine`].
#[derive(Debug)]
pub struct ReadRun {
    plan: ReadPlan,
    env: Env,
    random: SplitMix,
    /// Index into the partitions to read.
    next_partition: usize,
    /// Where to go on.
    position: Option<Position>,
    current: Option<Current>,
    limit_left: usize,
    page_left: usize,
    /// The last row shown.
    shown_at: Option<(Position, usize)>,
    rows: Vec<Vec<Option<Bytes>>>,
    /// Keys to sort the rows by, if they are to be sorted.
    sort_keys: Vec<Vec<u8>>,
    group: Option<Group>,
    view_rows: Vec<FlatRow>,
    paging_state: Option<Vec<u8>>,
    done: bool,
    failed: Option<CqlError>,
}

impl ReadRun {
    pub(super) fn new(
        plan: ReadPlan,
        page_size: Option<usize>,
        paging_state: Option<&[u8]>,
        env: &Env,
    ) -> Result<Self, CqlError> {
        let sorts = !plan.plan.sort.is_empty()
            && matches!(&plan.source, Source::Partitions(keys) if keys.len() > 1);
        if sorts && page_size.is_some() && !plan.plan.selection.grouped {
            return Err(CqlError::invalid(
                "Cannot page queries with both ORDER BY and a IN restriction on the partition key; you must either \
                 remove the ORDER BY or the IN and sort client side, or disable paging for this query",
            ));
        }
        // results that are put together come in one page
        let whole = plan.plan.selection.grouped || sorts || plan.plan.table.is_view();
        let page = if whole {
            None
        } else {
            page_size.filter(|size| *size > 0)
        };
        let mut run = Self {
            env: *env,
            random: SplitMix::new(env.seed),
            next_partition: 0,
            position: None,
            current: None,
            limit_left: plan.limit,
            page_left: page.unwrap_or(usize::MAX),
            shown_at: None,
            rows: Vec::new(),
            sort_keys: Vec::new(),
            group: None,
            view_rows: Vec::new(),
            paging_state: None,
            done: matches!(plan.source, Source::Nothing),
            failed: None,
            plan,
        };
        if let Some(state) = paging_state {
            run.resume(PagingState::decode(state)?, whole);
        }
        Ok(run)
    }

    fn resume(&mut self, state: PagingState, whole: bool) {
        if whole {
            // there was no such page: the only one has been given
            self.done = true;
            return;
        }
        self.limit_left = self
            .limit_left
            .min(usize::try_from(state.limit_left).unwrap_or(usize::MAX));
        let key = match &state.position {
            Position::AfterToken(_) => None,
            Position::AfterPartition(key) | Position::AfterRow(key, _) => Some(key.clone()),
        };
        if let Source::Partitions(keys) = &self.plan.source {
            self.next_partition = keys
                .iter()
                .position(|key| !state.position.covers_partition(key))
                .unwrap_or(keys.len());
            // within a partition only if it is the one
            let same = key.is_some() && keys.get(self.next_partition) == key.as_ref();
            self.position = same.then(|| state.position.clone());
            self.done = self.next_partition >= keys.len();
        } else {
            self.position = Some(state.position.clone());
        }
        if let Some(key) = key {
            self.current = Some(Current {
                key,
                shown: state.shown_of_partition as usize,
                had_rows: true,
            });
        }
    }

    /// The table that is read.
    pub fn table(&self) -> &Arc<Table> {
        self.plan.table()
    }

    /// What is needed next.
    pub fn step(&mut self) -> Result<ReadStep, CqlError> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        if !self.done && self.limit_left > 0 {
            return Ok(ReadStep::Read(self.command()));
        }
        self.finish().map(ReadStep::Done)
    }

    fn command(&self) -> ReadCommand {
        let table = self.plan.plan.source.id;
        let target = match &self.plan.source {
            Source::Partitions(keys) => ReadTarget::Partition(keys[self.next_partition].clone()),
            Source::Range(after, last) => ReadTarget::Range {
                after: *after,
                last: *last,
            },
            // never asked: the run was done from the start
            Source::Nothing => ReadTarget::Range {
                after: shardlane_routing::Token::MAX,
                last: shardlane_routing::Token::MAX,
            },
        };
        let direct = self.plan.filters.is_empty()
            && !self.plan.plan.selection.grouped
            && !self.plan.plan.table.is_view();
        let wanted = self.page_left.min(self.limit_left);
        // one more tells whether there is a next page
        let max_rows = if direct {
            wanted.saturating_add(1).min(MAX_ROWS_PER_COMMAND)
        } else {
            CHUNK_ROWS
        };
        ReadCommand {
            table,
            target,
            slices: self.plan.slices.clone(),
            reversed: self.plan.plan.reversed && !self.plan.plan.table.is_view(),
            resume: self.position.clone(),
            max_rows,
            clipped: false,
        }
    }

    /// Takes the merged answer to the last command. An error shows in the next [`Self::step`].
    pub fn feed(&mut self, result: PartialResult) {
        if let Err(error) = self.take(result) {
            self.failed = Some(error);
            self.done = true;
        }
    }

    fn take(&mut self, result: PartialResult) -> Result<(), CqlError> {
        let PartialResult { fragments, end } = result;
        for fragment in &fragments {
            let complete = end
                .as_ref()
                .is_none_or(|end| end.covers_partition(&fragment.key));
            if !self.show_fragment(fragment, complete)? {
                self.done = true;
                return Ok(());
            }
        }
        let limit = self.plan.per_partition_limit;
        let ended = match (end, &self.current) {
            (None, _) => true,
            (Some(end), current) => {
                // nothing more is wanted of a partition that has shown its share
                let sated = match (&end, current) {
                    (Position::AfterRow(key, _), Some(current))
                        if *key == current.key && current.shown >= limit =>
                    {
                        Some(key.clone())
                    }
                    _ => None,
                };
                let is_single = matches!(self.plan.source, Source::Partitions(_));
                match sated {
                    Some(_) if is_single => true,
                    Some(key) => {
                        self.position = Some(Position::AfterPartition(key));
                        false
                    }
                    None => {
                        self.position = Some(end);
                        false
                    }
                }
            }
        };
        if ended {
            self.position = None;
            self.next_partition += 1;
            self.done = match &self.plan.source {
                Source::Partitions(keys) => self.next_partition >= keys.len(),
                Source::Range(..) | Source::Nothing => true,
            };
        }
        if self.page_left == 0 && !self.done {
            self.end_page();
            self.done = true;
        }
        Ok(())
    }

    /// Shows a fragment's rows; `false` when nothing more is wanted.
    fn show_fragment(&mut self, fragment: &Fragment, complete: bool) -> Result<bool, CqlError> {
        if self
            .current
            .as_ref()
            .is_none_or(|current| current.key != fragment.key)
        {
            self.current = Some(Current {
                key: fragment.key.clone(),
                shown: 0,
                had_rows: false,
            });
        }
        let plan = self.plan.plan.clone();
        let source = &*plan.source;
        let now_s = self.env.now_us.div_euclid(1_000_000);
        let keys = partition_parts(source, &fragment.key);
        let stored = |clustering, row| {
            RowView::Stored(StoredRow {
                table: source,
                keys: &keys,
                token: fragment.key.token,
                clustering,
                static_row: &fragment.static_row,
                row,
                now_s,
            })
        };
        let count = fragment.rows.len();
        for at in 0..count {
            let (key, row) = &fragment.rows[if self.plan.plan.reversed {
                count - 1 - at
            } else {
                at
            }];
            if !row.is_live(now_s) {
                continue;
            }
            if let Some(current) = &mut self.current {
                current.had_rows = true;
                if current.shown >= self.plan.per_partition_limit {
                    break;
                }
            }
            let view = stored(Some(&key.values), Some(row));
            let position = Position::AfterRow(fragment.key.clone(), key.order.clone());
            if !self.offer(&view, position)? {
                return Ok(false);
            }
        }
        let static_only = complete
            && self
                .current
                .as_ref()
                .is_some_and(|current| !current.had_rows)
            && !plan.restrictions.restricts_rows()
            && fragment.static_row.is_live(now_s);
        if static_only {
            let none = Row::default();
            let view = stored(None, Some(&none));
            return self.offer(&view, Position::AfterPartition(fragment.key.clone()));
        }
        Ok(true)
    }

    /// Shows a row if it passes the filters; `false` when nothing more is wanted.
    fn offer(&mut self, row: &RowView<'_>, position: Position) -> Result<bool, CqlError> {
        if self.plan.plan.table.is_view() {
            if self
                .plan
                .view_filters
                .iter()
                .all(|filter| satisfies(filter, row, false))
            {
                let found = view::view_row(&self.plan.plan.table, &self.plan.plan.source, row);
                self.view_rows.extend(found);
            }
            return Ok(true);
        }
        if !self
            .plan
            .filters
            .iter()
            .all(|filter| satisfies(filter, row, false))
        {
            return Ok(true);
        }
        if self.page_left == 0 {
            self.end_page();
            return Ok(false);
        }
        self.show(row)?;
        if let Some(current) = &mut self.current {
            current.shown += 1;
            self.shown_at = Some((position, current.shown));
        }
        Ok(self.limit_left > 0)
    }

    fn end_page(&mut self) {
        // a page without rows ends where reading stands
        let (position, shown) = match (self.shown_at.take(), &self.position) {
            (Some(at), _) => at,
            (None, Some(position)) => (position.clone(), 0),
            (None, None) => return,
        };
        let limit_left = if self.limit_left == usize::MAX {
            u64::MAX
        } else {
            self.limit_left as u64
        };
        self.paging_state = Some(
            PagingState {
                position,
                limit_left,
                shown_of_partition: shown as u64,
            }
            .encode(),
        );
    }

    /// Makes a row of the result, or adds to a group.
    fn show(&mut self, row: &RowView<'_>) -> Result<(), CqlError> {
        let plan = self.plan.plan.clone();
        if plan.selection.grouped {
            return self.add_to_group(row);
        }
        let out = match &plan.selection.plain {
            Some(columns) => columns.iter().map(|at| row.value(*at)).collect(),
            None => self.evaluate(row, &[])?,
        };
        if !plan.sort.is_empty() {
            let mut key = Vec::new();
            for (at, descending) in &plan.sort {
                let value = row.value(*at).unwrap_or_default();
                encode_comparable(&plan.table.columns[*at].ty, &value, *descending, &mut key);
            }
            self.sort_keys.push(key);
        }
        self.push(out);
        let sorts = self.sorts();
        self.page_left = self.page_left.saturating_sub(1);
        if !sorts && self.limit_left != usize::MAX {
            self.limit_left -= 1;
        }
        Ok(())
    }

    /// Rows of several partitions are sorted at the end, and only then limited.
    fn sorts(&self) -> bool {
        !self.plan.plan.sort.is_empty()
            && matches!(&self.plan.source, Source::Partitions(keys) if keys.len() > 1)
    }

    fn push(&mut self, row: Vec<Option<Bytes>>) {
        self.rows.push(row);
    }

    fn evaluate(
        &mut self,
        row: &RowView<'_>,
        aggregates: &[Option<Bytes>],
    ) -> Result<Vec<Option<Bytes>>, CqlError> {
        let mut evaluation = Evaluation {
            now_us: self.env.now_us,
            random: &mut self.random,
            aggregates,
        };
        self.plan
            .items
            .iter()
            .map(|item| evaluation.eval(item, row))
            .collect()
    }

    fn add_to_group(&mut self, row: &RowView<'_>) -> Result<(), CqlError> {
        let plan = self.plan.plan.clone();
        let key: Vec<Option<Bytes>> = (0..plan.group_by.unwrap_or(0))
            .map(|at| row.value(at))
            .collect();
        if self.group.as_ref().is_some_and(|group| group.key != key) {
            self.end_group()?;
            if self.limit_left == 0 {
                return Ok(());
            }
        }
        let mut values = Vec::with_capacity(self.plan.aggregates.len());
        for argument in &self.plan.aggregates {
            let mut evaluation = Evaluation {
                now_us: self.env.now_us,
                random: &mut self.random,
                aggregates: &[],
            };
            values.push(match argument {
                Some(argument) => evaluation.eval(argument, row)?,
                None => None,
            });
        }
        let group = self.group.get_or_insert_with(|| Group {
            key,
            first: row.flatten(plan.table.columns.len()),
            accumulators: plan
                .selection
                .aggregates()
                .iter()
                .map(Accumulator::new)
                .collect(),
        });
        for (accumulator, value) in group.accumulators.iter_mut().zip(values) {
            accumulator.add(value);
        }
        Ok(())
    }

    fn end_group(&mut self) -> Result<(), CqlError> {
        let Some(group) = self.group.take() else {
            return Ok(());
        };
        let aggregates: Vec<_> = group
            .accumulators
            .into_iter()
            .map(Accumulator::finish)
            .collect();
        let row = self.evaluate(&RowView::Flat(&group.first), &aggregates)?;
        self.push(row);
        if self.limit_left != usize::MAX {
            self.limit_left -= 1;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<RowsOut, CqlError> {
        let plan = self.plan.plan.clone();
        if plan.table.is_view() {
            self.finish_view()?;
        }
        if plan.selection.grouped {
            // without GROUP BY nothing makes a group of nothing
            if self.group.is_none() && plan.group_by.is_none() && self.limit_left > 0 {
                let first = FlatRow {
                    values: vec![None; plan.table.columns.len()],
                    ..FlatRow::default()
                };
                let accumulators = plan
                    .selection
                    .aggregates()
                    .iter()
                    .map(Accumulator::new)
                    .collect();
                self.group = Some(Group {
                    key: Vec::new(),
                    first,
                    accumulators,
                });
            }
            self.end_group()?;
        }
        let mut rows = std::mem::take(&mut self.rows);
        if self.sorts() {
            let mut order: Vec<_> = std::mem::take(&mut self.sort_keys)
                .into_iter()
                .zip(rows)
                .collect();
            order.sort_by(|a, b| a.0.cmp(&b.0));
            rows = order
                .into_iter()
                .map(|(_, row)| row)
                .take(self.limit_left)
                .collect();
        }
        if plan.json {
            rows = rows
                .iter()
                .map(|row| vec![Some(json_row(&plan, row))])
                .collect();
        }
        Ok(RowsOut {
            columns: plan.columns.clone(),
            rows,
            paging_state: self.paging_state.take(),
        })
    }

    fn finish_view(&mut self) -> Result<(), CqlError> {
        let plan = self.plan.plan.clone();
        let mut rows = std::mem::take(&mut self.view_rows);
        view::sort(&plan.table, &mut rows, plan.reversed);
        let mut shown: usize = 0;
        let mut partition: Option<Vec<Option<Bytes>>> = None;
        for row in &rows {
            let view = RowView::Flat(row);
            if self.limit_left == 0
                || !self
                    .plan
                    .filters
                    .iter()
                    .all(|filter| satisfies(filter, &view, false))
            {
                continue;
            }
            let key = &row.values[..plan.table.partition_key_len];
            if partition.as_deref() != Some(key) {
                partition = Some(key.to_vec());
                shown = 0;
            }
            if shown < self.plan.per_partition_limit {
                shown += 1;
                self.show(&view)?;
            }
        }
        Ok(())
    }
}

/// `SELECT JSON`'s single column.
fn json_row(plan: &crate::engine::prepare::SelectPlan, row: &[Option<Bytes>]) -> Bytes {
    let parts: Vec<String> = plan
        .selection
        .items
        .iter()
        .zip(row)
        .map(|(item, value)| {
            format!(
                "{}: {}",
                json_name(&item.name),
                to_json(&item.ty, value.as_deref())
            )
        })
        .collect();
    format!("{{{}}}", parts.join(", ")).into_bytes().into()
}
