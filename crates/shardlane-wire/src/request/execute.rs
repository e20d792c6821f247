//! EXECUTE (section 4.1.6).

use super::QueryParams;
use crate::dialect::Dialect;
use crate::primitive::{Reader, write_short_bytes};
use crate::wire_error::{EncodeError, WireError};

/// EXECUTE: runs a prepared statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Execute<'a> {
    /// The id from PREPARED.
    pub id: &'a [u8],
    /// The id of the result metadata that the client holds. Written, empty for `None`, only if
    /// [`Dialect::has_metadata_id`]; read as `Some` under the same condition.
    pub result_metadata_id: Option<&'a [u8]>,
    /// Everything else.
    pub params: QueryParams<'a>,
    /// A part of the tablet's version. Written if it is there; read as `Some` if
    /// [`Dialect::tablet_block`].
    pub tablet_block: Option<u8>,
}

impl<'a> Execute<'a> {
    /// Appends the body.
    pub fn encode(
        &self,
        dialect: impl Into<Dialect>,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let dialect = dialect.into();
        write_short_bytes(out, self.id, "EXECUTE id")?;
        if dialect.has_metadata_id() {
            let id = self.result_metadata_id.unwrap_or_default();
            write_short_bytes(out, id, "EXECUTE result metadata id")?;
        }
        self.params.encode(dialect, out)?;
        out.extend(self.tablet_block);
        Ok(())
    }

    /// Reads a body.
    pub fn decode(dialect: impl Into<Dialect>, body: &'a [u8]) -> Result<Self, WireError> {
        let dialect = dialect.into();
        let mut reader = Reader::new(body);
        let id = reader.short_bytes("EXECUTE id")?;
        let result_metadata_id = if dialect.has_metadata_id() {
            Some(reader.short_bytes("EXECUTE result metadata id")?)
        } else {
            None
        };
        let params = QueryParams::read(dialect, &mut reader)?;
        let tablet_block = if dialect.tablet_block {
            Some(reader.byte("EXECUTE tablet block")?)
        } else {
            None
        };
        reader.finish("EXECUTE")?;
        Ok(Self {
            id,
            result_metadata_id,
            params,
            tablet_block,
        })
    }
}
