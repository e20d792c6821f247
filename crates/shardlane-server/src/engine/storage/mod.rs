//! A shard's data: partitions of rows of timestamped cells, and the one rule that joins two
//! versions of anything: the later write wins.

mod cell;
mod command;
mod fragment;
mod merge;
mod partition;
mod row;
mod rows;
mod store;

pub use cell::{Cell, CellValue, ColumnData, CounterCell, CounterShard, Expiry, MultiCell};
pub use command::{
    CounterRowUpdate, CounterUpdate, Mutation, PartialResult, Position, ReadCommand, ReadTarget,
    Slice,
};
pub use fragment::{ClusteringKey, Fragment, PartitionKey, RangeTombstone};
pub use merge::merge;
pub use partition::Partition;
pub use row::{Marker, Row};
pub use store::Store;
