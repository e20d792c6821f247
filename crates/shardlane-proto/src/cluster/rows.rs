//! Just enough decoding to read `system` tables: rows as columns by name, a few types.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use shardlane_routing::HostId;
use shardlane_wire::primitive::Reader;
use shardlane_wire::{Rows, WireError};

/// One row of a system table.
#[derive(Debug)]
pub(crate) struct SystemRow<'a> {
    cells: HashMap<&'a str, &'a [u8]>,
}

/// Calls `each` for every row.
pub(crate) fn for_each_row(
    rows: &Rows<'_>,
    mut each: impl FnMut(&SystemRow<'_>),
) -> Result<(), WireError> {
    let columns = rows.metadata.parse_columns()?;
    let mut cells = rows.cells();
    for _ in 0..rows.rows_count {
        let mut row = SystemRow {
            cells: HashMap::with_capacity(columns.len()),
        };
        for column in &columns {
            if let Some(cell) = cells.next_cell()? {
                row.cells.insert(&column.name, cell);
            }
        }
        each(&row);
    }
    Ok(())
}

impl SystemRow<'_> {
    pub(crate) fn text(&self, column: &str) -> Option<String> {
        String::from_utf8(self.cells.get(column)?.to_vec()).ok()
    }

    pub(crate) fn uuid(&self, column: &str) -> Option<HostId> {
        Some(HostId((*self.cells.get(column)?).try_into().ok()?))
    }

    pub(crate) fn inet(&self, column: &str) -> Option<IpAddr> {
        let bytes = *self.cells.get(column)?;
        if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
            return Some(IpAddr::V4(Ipv4Addr::from(v4)));
        }
        Some(IpAddr::V6(Ipv6Addr::from(
            <[u8; 16]>::try_from(bytes).ok()?,
        )))
    }

    pub(crate) fn blob(&self, column: &str) -> Option<&[u8]> {
        self.cells.get(column).copied()
    }

    pub(crate) fn bigint(&self, column: &str) -> Option<i64> {
        let bytes = (*self.cells.get(column)?).try_into().ok()?;
        Some(i64::from_be_bytes(bytes))
    }

    pub(crate) fn int(&self, column: &str) -> Option<i32> {
        Some(i32::from_be_bytes(
            (*self.cells.get(column)?).try_into().ok()?,
        ))
    }

    /// A `set<text>` or `list<text>`.
    pub(crate) fn texts(&self, column: &str) -> Option<Vec<String>> {
        self.collection(column, 1)
    }

    /// A `map<text, text>`.
    pub(crate) fn text_map(&self, column: &str) -> Option<HashMap<String, String>> {
        let flat = self.collection(column, 2)?;
        Some(
            flat.chunks_exact(2)
                .map(|pair| (pair[0].clone(), pair[1].clone()))
                .collect(),
        )
    }

    fn collection(&self, column: &str, per_entry: usize) -> Option<Vec<String>> {
        let mut reader = Reader::new(self.cells.get(column)?);
        let count = usize::try_from(reader.int("collection").ok()?).ok()?;
        let mut texts = Vec::new();
        for _ in 0..count.checked_mul(per_entry)? {
            texts.push(String::from_utf8(reader.bytes("element").ok()??.to_vec()).ok()?);
        }
        Some(texts)
    }
}
