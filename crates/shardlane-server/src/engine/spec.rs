//! Column specifications of result and bind metadata.

use std::sync::Arc;

use shardlane_wire::CqlType;

/// One column of a result, or one bind variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnSpec {
    /// The keyspace that the column is reported under.
    pub keyspace: Arc<str>,
    /// The table that the column is reported under.
    pub table: Arc<str>,
    /// The column's or variable's name, such as `v`, `system.max(n)` or `[limit]`.
    pub name: Arc<str>,
    /// The type.
    pub ty: CqlType,
}

impl ColumnSpec {
    /// A specification under `keyspace.table`.
    pub fn new(keyspace: &Arc<str>, table: &Arc<str>, name: impl Into<Arc<str>>, ty: CqlType) -> Self {
        Self { keyspace: keyspace.clone(), table: table.clone(), name: name.into(), ty }
    }
}
