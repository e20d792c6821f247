//! Result and bind metadata, found without being parsed.

use super::column::{ColumnSpec, parse_columns, skip_columns};
use crate::dialect::Dialect;
use crate::primitive::{Reader, write_bytes, write_int, write_short_bytes};
use crate::wire_error::{EncodeError, WireError};

/// The bits of `<flags>` of metadata (section 4.2.5.2).
#[derive(Debug, Clone, Copy)]
pub struct MetadataFlags;

impl MetadataFlags {
    /// One keyspace and table for all columns.
    pub const GLOBAL_TABLE_SPEC: u32 = 0x0001;
    /// A paging state follows: there are more pages.
    pub const HAS_MORE_PAGES: u32 = 0x0002;
    /// No column specs: the client asked to skip them.
    pub const NO_METADATA: u32 = 0x0004;
    /// A new metadata id follows: the columns are no longer those of PREPARED
    /// (v5, `SCYLLA_USE_METADATA_ID`).
    pub const METADATA_CHANGED: u32 = 0x0008;
}

/// The metadata of rows: what precedes the column specs, and the specs as raw bytes.
///
/// A client compares `raw_columns` with those that it compiled a decoder for; only if they differ
/// need they be parsed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RowsMetadata<'a> {
    /// Bits of [`MetadataFlags`], and whatever else the server sent. Writing takes the bits for
    /// paging state and metadata id from those fields.
    pub flags: u32,
    /// How many columns a row has. Without column specs nothing vouches for this number.
    pub column_count: u32,
    /// Where the next page starts, if there is one.
    pub paging_state: Option<&'a [u8]>,
    /// The id of this metadata, if it is not what PREPARED told.
    pub new_metadata_id: Option<&'a [u8]>,
    /// The table spec for all columns, if the flag says so, and the column specs; empty if there
    /// are none.
    pub raw_columns: &'a [u8],
}

impl<'a> RowsMetadata<'a> {
    /// Whether the column specs follow with one keyspace and table for all.
    pub const fn has_global_table_spec(&self) -> bool {
        self.flags & MetadataFlags::GLOBAL_TABLE_SPEC != 0
    }

    /// Whether the column specs were left out.
    pub const fn has_no_metadata(&self) -> bool {
        self.flags & MetadataFlags::NO_METADATA != 0
    }

    /// Parses the column specs; an empty list if they were left out.
    pub fn parse_columns(&self) -> Result<Vec<ColumnSpec>, WireError> {
        if self.has_no_metadata() {
            return Ok(Vec::new());
        }
        parse_columns(
            self.raw_columns,
            self.has_global_table_spec(),
            self.column_count,
        )
    }

    pub(super) fn read(dialect: Dialect, reader: &mut Reader<'a>) -> Result<Self, WireError> {
        let flags = reader.int("metadata flags")? as u32;
        let column_count = reader.count("column count")?;
        let mut metadata = Self {
            flags,
            column_count,
            ..Self::default()
        };
        if flags & MetadataFlags::HAS_MORE_PAGES != 0 {
            metadata.paging_state = Some(reader.bytes("paging state")?.unwrap_or_default());
        }
        if flags & MetadataFlags::METADATA_CHANGED != 0 && dialect.has_metadata_id() {
            metadata.new_metadata_id = Some(reader.short_bytes("new metadata id")?);
        }
        if !metadata.has_no_metadata() {
            let start = reader.position();
            skip_columns(reader, metadata.has_global_table_spec(), column_count)?;
            metadata.raw_columns = reader.since(start);
        }
        Ok(metadata)
    }

    pub(super) fn encode(&self, dialect: Dialect, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let mut flags = self.flags & !MetadataFlags::HAS_MORE_PAGES;
        if self.paging_state.is_some() {
            flags |= MetadataFlags::HAS_MORE_PAGES;
        }
        if dialect.has_metadata_id() {
            flags &= !MetadataFlags::METADATA_CHANGED;
        }
        if self.new_metadata_id.is_some() {
            if !dialect.has_metadata_id() {
                return Err(EncodeError::NotInThisVersion {
                    writing: "new metadata id",
                });
            }
            flags |= MetadataFlags::METADATA_CHANGED;
        }
        write_int(out, flags as i32);
        write_count(out, self.column_count, "column count")?;
        if let Some(paging_state) = self.paging_state {
            write_bytes(out, paging_state, "paging state")?;
        }
        if let Some(id) = self.new_metadata_id {
            write_short_bytes(out, id, "new metadata id")?;
        }
        if !self.has_no_metadata() {
            out.extend_from_slice(self.raw_columns);
        }
        Ok(())
    }
}

pub(super) fn write_count(
    out: &mut Vec<u8>,
    count: u32,
    writing: &'static str,
) -> Result<(), EncodeError> {
    let too_long = |_| EncodeError::TooLong {
        writing,
        len: count as usize,
        max: i32::MAX as usize,
    };
    write_int(out, i32::try_from(count).map_err(too_long)?);
    Ok(())
}
