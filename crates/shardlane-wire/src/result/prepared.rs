//! PREPARED (section 4.2.5.4).

use super::column::{ColumnSpec, parse_columns, skip_columns};
use super::metadata::{MetadataFlags, RowsMetadata, write_count};
use crate::dialect::Dialect;
use crate::frame::Version;
use crate::primitive::{Reader, write_int, write_short, write_short_bytes};
use crate::wire_error::{EncodeError, WireError};

/// The answer to PREPARE: the statement's id, what it wants bound, and what it will bring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared<'a> {
    /// The id to execute by.
    pub id: &'a [u8],
    /// The id of `result_metadata`, exactly if [`Dialect::has_metadata_id`]; an empty one is
    /// written for `None`.
    pub result_metadata_id: Option<&'a [u8]>,
    /// Flags of the bind metadata: [`MetadataFlags::GLOBAL_TABLE_SPEC`], and ScyllaDB's mark of a
    /// conditional statement, if it was negotiated.
    pub bind_flags: u32,
    /// How many bind variables.
    pub bind_count: u32,
    /// Which bind variables make up the partition key, in its order; empty if not all of it is
    /// bound. Always empty in v3.
    pub pk_indexes: Vec<u16>,
    /// The specs of the bind variables as raw bytes, as in [`RowsMetadata::raw_columns`].
    pub raw_bind_columns: &'a [u8],
    /// The metadata of the rows that EXECUTE will bring; without columns if it brings none.
    pub result_metadata: RowsMetadata<'a>,
}

impl<'a> Prepared<'a> {
    /// Parses the specs of the bind variables.
    pub fn parse_bind_columns(&self) -> Result<Vec<ColumnSpec>, WireError> {
        if self.bind_flags & MetadataFlags::NO_METADATA != 0 {
            return Ok(Vec::new());
        }
        let global = self.bind_flags & MetadataFlags::GLOBAL_TABLE_SPEC != 0;
        parse_columns(self.raw_bind_columns, global, self.bind_count)
    }

    pub(super) fn read(dialect: Dialect, reader: &mut Reader<'a>) -> Result<Self, WireError> {
        let id = reader.short_bytes("PREPARED id")?;
        let result_metadata_id = if dialect.has_metadata_id() {
            Some(reader.short_bytes("PREPARED result metadata id")?)
        } else {
            None
        };
        let bind_flags = reader.int("bind metadata flags")? as u32;
        let bind_count = reader.count("count of bind variables")?;
        let mut pk_indexes = Vec::new();
        if dialect.version >= Version::V4 {
            let n = reader.count("count of partition key indexes")? as usize;
            pk_indexes.reserve(n.min(reader.rest().len() / 2));
            for _ in 0..n {
                pk_indexes.push(reader.short("partition key index")?);
            }
        }
        let start = reader.position();
        if bind_flags & MetadataFlags::NO_METADATA == 0 {
            let global = bind_flags & MetadataFlags::GLOBAL_TABLE_SPEC != 0;
            skip_columns(reader, global, bind_count)?;
        }
        let raw_bind_columns = reader.since(start);
        let result_metadata = RowsMetadata::read(dialect, reader)?;
        Ok(Self {
            id,
            result_metadata_id,
            bind_flags,
            bind_count,
            pk_indexes,
            raw_bind_columns,
            result_metadata,
        })
    }

    pub(super) fn encode(&self, dialect: Dialect, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        write_short_bytes(out, self.id, "PREPARED id")?;
        if dialect.has_metadata_id() {
            let id = self.result_metadata_id.unwrap_or_default();
            write_short_bytes(out, id, "PREPARED result metadata id")?;
        }
        write_int(out, self.bind_flags as i32);
        write_count(out, self.bind_count, "count of bind variables")?;
        if dialect.version >= Version::V4 {
            // A vector of u16 longer than this does not exist.
            write_int(
                out,
                i32::try_from(self.pk_indexes.len()).unwrap_or(i32::MAX),
            );
            self.pk_indexes
                .iter()
                .for_each(|index| write_short(out, *index));
        }
        if self.bind_flags & MetadataFlags::NO_METADATA == 0 {
            out.extend_from_slice(self.raw_bind_columns);
        }
        self.result_metadata.encode(dialect, out)
    }
}
