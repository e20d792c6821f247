//! Column specs of result and bind metadata.

use std::sync::Arc;

use crate::primitive::{Reader, write_string};
use crate::types::{CqlType, encode_type, read_type, skip_type};
use crate::wire_error::{EncodeError, WireError};

/// The shortest column spec: an empty name and a simple type.
const MIN_SPEC_LEN: usize = 4;

/// A column of a result, or a bind variable.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ColumnSpec {
    /// The keyspace of the table.
    pub keyspace: Arc<str>,
    /// The table.
    pub table: Arc<str>,
    /// The name of the column or bind variable.
    pub name: Box<str>,
    /// Its type.
    pub cql_type: CqlType,
}

/// Parses column specs from the raw bytes of metadata.
pub fn parse_columns(
    raw_columns: &[u8],
    global_table_spec: bool,
    column_count: u32,
) -> Result<Vec<ColumnSpec>, WireError> {
    let mut reader = Reader::new(raw_columns);
    let mut table_spec = None;
    let count = column_count as usize;
    let mut columns: Vec<ColumnSpec> =
        Vec::with_capacity(count.min(raw_columns.len() / MIN_SPEC_LEN));
    if global_table_spec {
        table_spec = Some(read_table_spec(&mut reader)?);
    }
    for _ in 0..count {
        let (keyspace, table) = match table_spec {
            Some(spec) => spec,
            None => read_table_spec(&mut reader)?,
        };
        let (keyspace, table) = match columns.last() {
            // Neighbours nearly always share a table: share the strings, too.
            Some(last) if *last.keyspace == *keyspace && *last.table == *table => {
                (Arc::clone(&last.keyspace), Arc::clone(&last.table))
            }
            _ => (keyspace.into(), table.into()),
        };
        let name = reader.string("column name")?.into();
        let cql_type = read_type(&mut reader)?;
        columns.push(ColumnSpec {
            keyspace,
            table,
            name,
            cql_type,
        });
    }
    reader.finish("column specs")?;
    Ok(columns)
}

/// Appends column specs: what goes into `raw_columns` of metadata.
///
/// With `global_table_spec` all columns must be of one table (the first column's is written); the
/// flag must then be set in the metadata.
pub fn encode_columns(
    columns: &[ColumnSpec],
    global_table_spec: bool,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    if global_table_spec {
        let (keyspace, table) = columns
            .first()
            .map_or(("", ""), |c| (&*c.keyspace, &*c.table));
        write_string(out, keyspace, "keyspace name")?;
        write_string(out, table, "table name")?;
    }
    for column in columns {
        if !global_table_spec {
            write_string(out, &column.keyspace, "keyspace name")?;
            write_string(out, &column.table, "table name")?;
        }
        write_string(out, &column.name, "column name")?;
        encode_type(&column.cql_type, out)?;
    }
    Ok(())
}

/// Walks over column specs without allocating; strings and class names are not looked at.
///
/// The global table spec is there even if no column follows: ScyllaDB and Cassandra leave the flag
/// off in that case.
pub(super) fn skip_columns(
    reader: &mut Reader<'_>,
    global_table_spec: bool,
    column_count: u32,
) -> Result<(), WireError> {
    if global_table_spec {
        reader.skip_string("keyspace name")?;
        reader.skip_string("table name")?;
    }
    for _ in 0..column_count {
        if !global_table_spec {
            reader.skip_string("keyspace name")?;
            reader.skip_string("table name")?;
        }
        reader.skip_string("column name")?;
        skip_type(reader)?;
    }
    Ok(())
}

fn read_table_spec<'a>(reader: &mut Reader<'a>) -> Result<(&'a str, &'a str), WireError> {
    Ok((
        reader.string("keyspace name")?,
        reader.string("table name")?,
    ))
}
