//! Virtual tables: what the server tells of itself, read through the same SELECT as everything else.
//!
//! A table's rows are made anew for each read, put into a store of their own, and the command is answered
//! from there. Schemas are small and drivers read these tables at connect, so that is cheap enough.

mod definitions;
mod rows;
mod schema_tables;
mod topology;
mod topology_tables;

pub(crate) use definitions::keyspaces;
pub use topology::{Flavour, NodeInfo, TabletInfo, Topology};

use self::rows::Rows;
use super::schema::Schema;
use super::storage::{PartialResult, ReadCommand};

/// Answers `command`, which reads a table with `Table::is_virtual`.
pub fn read_virtual(schema: &Schema, topology: &Topology, command: &ReadCommand, now_us: i64) -> PartialResult {
    let Some(table) = schema.table_by_id(command.table) else { return PartialResult::default() };
    let mut rows = Rows::new(table);
    match &*table.keyspace {
        "system" => topology_tables::fill(&table.name, schema, topology, &mut rows),
        "system_schema" => schema_tables::fill(&table.name, schema, &mut rows),
        // Traces are not kept.
        _ => {}
    }
    rows.store.read(command, now_us)
}
