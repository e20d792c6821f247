//! RESULT (section 4.2.5): what a statement brought.

mod column;
mod metadata;
mod prepared;
mod rows;

pub use column::{ColumnSpec, encode_columns, parse_columns};
pub use metadata::{MetadataFlags, RowsMetadata};
pub use prepared::Prepared;
pub use rows::{CellReader, Rows};

use crate::dialect::Dialect;
use crate::event::SchemaChange;
use crate::primitive::{Reader, write_int, write_string};
use crate::wire_error::{EncodeError, WireError, WireErrorKind};

mod kind {
    pub(super) const VOID: i32 = 1;
    pub(super) const ROWS: i32 = 2;
    pub(super) const SET_KEYSPACE: i32 = 3;
    pub(super) const PREPARED: i32 = 4;
    pub(super) const SCHEMA_CHANGE: i32 = 5;
}

/// The body of RESULT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResultBody<'a> {
    /// Done, with nothing to tell.
    Void,
    /// Rows, perhaps none, perhaps with more pages to come.
    Rows(Rows<'a>),
    /// USE has chosen this keyspace.
    SetKeyspace(&'a str),
    /// PREPARE's answer.
    Prepared(Prepared<'a>),
    /// The statement has changed the schema.
    SchemaChange(SchemaChange),
}

impl<'a> ResultBody<'a> {
    /// Appends the body.
    pub fn encode(
        &self,
        dialect: impl Into<Dialect>,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let dialect = dialect.into();
        match self {
            Self::Void => {
                write_int(out, kind::VOID);
                Ok(())
            }
            Self::Rows(rows) => {
                write_int(out, kind::ROWS);
                rows.encode(dialect, out)
            }
            Self::SetKeyspace(keyspace) => {
                write_int(out, kind::SET_KEYSPACE);
                write_string(out, keyspace, "keyspace in use")
            }
            Self::Prepared(prepared) => {
                write_int(out, kind::PREPARED);
                prepared.encode(dialect, out)
            }
            Self::SchemaChange(change) => {
                write_int(out, kind::SCHEMA_CHANGE);
                change.encode(dialect, out)
            }
        }
    }

    /// Reads a body. The rows of a result are checked only as they are walked.
    pub fn decode(dialect: impl Into<Dialect>, body: &'a [u8]) -> Result<Self, WireError> {
        let dialect = dialect.into();
        let mut reader = Reader::new(body);
        let at = reader.clone();
        let result = match reader.int("RESULT kind")? {
            kind::VOID => Self::Void,
            // Rows reach to the end of the body: the walk over them judges what is left over.
            kind::ROWS => return Rows::read(dialect, reader).map(Self::Rows),
            kind::SET_KEYSPACE => Self::SetKeyspace(reader.string("keyspace in use")?),
            kind::PREPARED => Self::Prepared(Prepared::read(dialect, &mut reader)?),
            kind::SCHEMA_CHANGE => Self::SchemaChange(SchemaChange::read(dialect, &mut reader)?),
            code => return Err(at.error("RESULT kind", WireErrorKind::UnknownCode(code.into()))),
        };
        reader.finish("RESULT")?;
        Ok(result)
    }
}
