//! System tables: made of schema and topology when they are read, and read like any other table.

mod builder;
mod catalog;
mod node_tables;
mod schema_tables;
mod topology;

pub(crate) use catalog::system_keyspaces;
pub use topology::{ClientRoute, Flavour, NodeInfo, Replicas, TabletInfo, Topology};

use self::builder::TableBuilder;
use super::schema::Schema;
use super::storage::{PartialResult, ReadCommand};

/// Answers a command on a table for which [`Table::is_virtual`](super::Table) is set.
pub fn read_virtual(
    schema: &Schema,
    topology: &Topology,
    command: &ReadCommand,
    now_us: i64,
) -> PartialResult {
    let Some(table) = schema.table_by_id(command.table) else {
        return PartialResult::default();
    };
    let mut builder = TableBuilder::new(table);
    match &*table.keyspace {
        "system" => node_tables::fill(&mut builder, schema, topology),
        "system_schema" => schema_tables::fill(&mut builder, schema),
        _ => {}
    }
    builder.store().read(command, now_us)
}
