//! The CQL engine: a small but real CQL database as pure values.
//!
//! No sockets, no threads, no clock: time (microseconds since the epoch) and entropy come in with
//! [`Env`]. One coordinator drives it like this:
//!
//! 1. **prepare** — [`prepare()`] turns CQL text into an `Arc<`[`Prepared`]`>` against one [`Schema`]
//!    snapshot. Unprepared queries go the same way; a caller that wants speed keeps a small cache
//!    from (keyspace, text) to `Prepared` and asks [`Prepared::is_current`] before using one.
//! 2. **bind** — [`bind()`] joins a `Prepared` with values and gives an [`Operation`]; batches go
//!    through [`bind_batch`].
//! 3. **route** — every [`Mutation`], [`CounterUpdate`] and [`ReadCommand`] names its table, and its
//!    token and partition key (or token range). The engine knows nothing of nodes.
//! 4. **apply / read** — a replica's shard owns one [`Store`] and calls [`Store::apply`],
//!    [`Store::apply_counter`] and [`Store::read`]. Tables of [`Table::is_virtual`] are read with
//!    [`system::read_virtual`] at the coordinator instead.
//! 5. **merge** — [`merge`] joins the [`PartialResult`]s of several replicas, or of several shards
//!    of a node: last write wins, cell by cell.
//! 6. **finish** — a read is a little machine, [`ReadRun`]: it emits [`ReadCommand`]s, is fed the merged
//!    answers and ends with [`RowsOut`], filtered, ordered, aggregated and paged.
//!
//! ```text
//! let mut run = plan.start(page_size, paging_state, env)?;
//! let rows = loop {
//!     match run.step()? {
//!         ReadStep::Read(command) => run.feed(merge(&command, route_and_read(&command))),
//!         ReadStep::Done(rows) => break rows,
//!     }
//! };
//! ```
//!
//! A scan's command covers a token range; the coordinator may answer only its beginning, by
//! [`ReadCommand::clip`] to the range that one set of replicas owns. The run asks again for the rest.
//!
//! A conditional write ([`Operation::Cas`]) is: read with [`CasPlan::read_command`], decide with
//! [`CasPlan::decide`], apply the mutations if there are any, answer with the rows. The coordinator
//! makes that atomic per partition.

pub mod bind;
pub mod cas;
pub mod error;
pub mod prepare;
pub mod schema;
pub mod select;
pub mod storage;
pub mod system;
pub mod value;

mod md5;

pub use crate::cql::ast::BatchKind;
pub use bind::{BatchStatement, Bound, BoundArgs, Env, Operation, bind, bind_batch};
pub use cas::{CasOutcome, CasPlan};
pub use error::{CqlError, ErrorKind};
pub(crate) use md5::md5;
pub use prepare::{Prepared, StatementKind, prepare};
pub use schema::{
    ChangeKind, Column, ColumnKind, Ddl, DdlOutcome, Index, Keyspace, Schema, SchemaChange, Table,
    TableId, View,
};
pub use select::{ReadPlan, ReadRun, ReadStep, RowsOut};
pub use shardlane_wire::ColumnSpec;
pub use storage::{
    CounterUpdate, Fragment, Mutation, PartialResult, PartitionKey, Position, ReadCommand,
    ReadTarget, Slice, Store, merge,
};
pub use system::{ClientRoute, Flavour, NodeInfo, TabletInfo, Topology};

#[cfg(test)]
mod tests;
